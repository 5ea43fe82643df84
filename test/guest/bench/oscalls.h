/* oscalls.h - between the program, which times and prints, and its rows. */
#ifndef BENCH_OSCALLS_H
#define BENCH_OSCALLS_H

#include <stdbool.h>
#include <stdint.h>
#include "divide.h"
#include "linux.h"

/** An operation of the kernel. */
struct row {
  const char *name;
  /** Does it `times` times; returns the nanoseconds that went into anything else. */
  uint64_t (*work)(uint32_t times);
  /** Bytes that one operation moves, for rows that are told in MB/s; 0 for those in ns. */
  uint32_t bytes;
};

/** In rows of the program's own making: its first argument when it is to do nothing but end. */
#define EXIT_WORD "exit"

/* Two system calls as a C library makes them: any of up to four arguments, and mmap() of private memory. */
#ifdef __x86_64__
static inline long kernel_call(int call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d) { return linux_call(call, a, b, c, d, 0); }
static inline uintptr_t kernel_map(uintptr_t bytes, uint32_t protection) {
  return (uintptr_t)linux_call6(SYS_mmap, 0, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, (uintptr_t)-1, 0);
}
#else
/** What AT_SYSINFO says, or code that does INT 0x80. */
extern void *kernel_entry;

static inline int kernel_call(int call, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  int result;
  asm volatile("call *kernel_entry" : "=a"(result) : "a"(call), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
  return result;
}
static inline uintptr_t kernel_map(uintptr_t bytes, uint32_t protection) {
  uint32_t arguments[6] = {0, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, (uint32_t)-1, 0};
  return (uintptr_t)kernel_call(SYS_mmap, (uint32_t)arguments, 0, 0, 0);
}
#endif

/** @param self path of the program; @param folder where files are made */
void prepare_rows(const char *self, const char *folder);
/** Ends with a row without a name. */
extern const struct row rows[];

/** The monotonic clock, as a C library asks for it. */
uint64_t now_ns(void);
/** Time of `work(times)` by the monotonic clock. */
uint64_t spent_ns(uint64_t (*work)(uint32_t times), uint32_t times);
/** Ends the program, after a word on standard output, if something went wrong. */
void check(bool right, const char *what);
void print(const char *text, ...) __attribute__((format(printf, 1, 2)));

#endif
