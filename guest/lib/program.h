/*
 * program.h - all that a program of Remus can use: system calls, printing, text functions. One header, because the programs are small.
 */
#ifndef LIB_PROGRAM_H
#define LIB_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include "abi.h"
#include "divide.h"
#include "string.h"

/** A system call; the result is negative (enum error) if it failed. */
static inline int system_call(enum system_call call, uint32_t a, uint32_t b, uint32_t c) {
  int result;
  asm volatile("int $0x80" : "=a"(result) : "a"(call), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}

void exit(int status) __attribute__((noreturn));

static inline int fork(void) { return system_call(SYS_fork, 0, 0, 0); }
static inline int exec(const char *path, const char *const argv[]) { return system_call(SYS_exec, (uint32_t)path, (uint32_t)argv, 0); }
static inline int wait_for(int pid, struct exit_info *info, uint32_t flags) {
  return system_call(SYS_wait, (uint32_t)pid, (uint32_t)info, flags);
}
static inline int read(int fd, void *buffer, uint32_t bytes) { return system_call(SYS_read, (uint32_t)fd, (uint32_t)buffer, bytes); }
static inline int write(int fd, const void *buffer, uint32_t bytes) {
  return system_call(SYS_write, (uint32_t)fd, (uint32_t)buffer, bytes);
}
static inline int open(const char *path) { return system_call(SYS_open, (uint32_t)path, 0, 0); }
static inline int close(int fd) { return system_call(SYS_close, (uint32_t)fd, 0, 0); }
static inline void sleep_ms(uint32_t milliseconds) { system_call(SYS_sleep, milliseconds, 0, 0); }
static inline void yield(void) { system_call(SYS_yield, 0, 0, 0); }
static inline int getpid(void) { return system_call(SYS_getpid, 0, 0, 0); }
static inline int kill(int pid) { return system_call(SYS_kill, (uint32_t)pid, 0, 0); }
static inline void detach(void) { system_call(SYS_detach, 0, 0, 0); }
/** End of the heap, after moving it if `end` is not 0. */
static inline char *brk(char *end) { return (char *)system_call(SYS_brk, (uint32_t)end, 0, 0); }
/** The calls that fill in a record: `index` where the call takes one, else 0. */
static inline int get_info(enum system_call call, uint32_t index, void *info) {
  bool indexed = call != SYS_time && call != SYS_system_info;
  return indexed ? system_call(call, index, (uint32_t)info, 0) : system_call(call, (uint32_t)info, 0, 0);
}
static inline void power(enum power what, int status) { system_call(SYS_power, what, (uint32_t)status, 0); }

static inline uint64_t now_ns(void) {
  struct time_info time;
  get_info(SYS_time, 0, &time);
  return time.uptime_ns;
}

/** To the console. */
void printf(const char *text, ...) __attribute__((format(printf, 1, 2)));

#endif
