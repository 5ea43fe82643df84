/*
 * oscalls.c - what the operations of a Linux kernel cost a program: system calls, processes, pages, files, signals. A static program that runs on
 * the host and in any guest, for `npm run bench:linux`: of i386, and of x86-64 for hosts and guests that run nothing else.
 *
 *     oscalls [FOLDER [ROW...]]      FOLDER: of a tmpfs, for the file rows; default /tmp
 *
 * Each row is repeated for a third of a second and then timed in batches that last a while; the median batch is printed: `name value unit`. System calls go the way that the
 * kernel recommends (i386: AT_SYSINFO, which is SYSENTER where there is one; x86-64: SYSCALL), as in a C library, unless the row says int 0x80.
 */
#include <stdbool.h>
#include "format.h"
#include "linux.h"
#include "oscalls.h"
#include "string.h"
#include "vdso.h"

#define BATCHES 5
#define BATCH_NS 20000000ull
#define WARM_UP_NS 300000000ull

enum { AT_NULL = 0, AT_SYSINFO = 32, AT_SYSINFO_EHDR = 33 };

static int (*vdso_clock_gettime)(int clock, struct timespec *);

#ifndef __x86_64__
void *kernel_entry;

void enter_by_interrupt(void);
asm("enter_by_interrupt: int $0x80; ret");
#endif

uint64_t now_ns(void) {
  struct timespec time;
  if (vdso_clock_gettime) vdso_clock_gettime(CLOCK_MONOTONIC, &time);
  else linux_call(SYS_clock_gettime, CLOCK_MONOTONIC, (uintptr_t)&time, 0, 0, 0);
  return (uint64_t)(uint32_t)time.tv_sec * 1000000000u + (uint32_t)time.tv_nsec;
}

struct line {
  char text[128];
  uint32_t length;
};

static void put(char c, void *context) {
  struct line *line = context;
  if (line->length < sizeof line->text) line->text[line->length++] = c;
}

void print(const char *text, ...) {
  struct line line = {.length = 0};
  va_list arguments;
  va_start(arguments, text);
  format(put, &line, text, arguments);
  va_end(arguments);
  linux_write(1, line.text, line.length);
}

void check(bool right, const char *what) {
  if (right) return;
  print("oscalls: %s went wrong\n", what);
  linux_exit(1);
}

uint64_t spent_ns(uint64_t (*work)(uint32_t times), uint32_t times) {
  uint64_t start = now_ns(), apart = work(times);
  return now_ns() - start - apart;
}

/** Nanoseconds of one operation, times 100: the median of batches that are long enough for the clock. */
static uint64_t measure(const struct row *row) {
  uint64_t batches[BATCHES];
  uint32_t times = 1, rest;
  row->work(1); /* what it makes when it is first used */
  /* Translators, and what they are written in, take a while to know the way. */
  for (uint64_t start = now_ns(); now_ns() - start < WARM_UP_NS;) {
    while (spent_ns(row->work, times) < BATCH_NS / 4 && times < 1u << 24) times *= 2;
  }
  for (uint32_t i = 0; i < BATCHES; i++) {
    uint64_t batch = spent_ns(row->work, times) * 100;
    uint32_t at = i;
    for (; at > 0 && batches[at - 1] > batch; at--) batches[at] = batches[at - 1];
    batches[at] = batch;
  }
  return divide(batches[BATCHES / 2], times, &rest);
}

static void report(const struct row *row) {
  uint64_t hundredths = measure(row);
  uint32_t rest, scaled;
  if (row->bytes) {
    uint64_t ns = divide(hundredths, 100, &rest);
    check(ns > 0 && ns <= 0xFFFFFFFFu, "the clock");
    unsigned long long megabytes = divide((uint64_t)row->bytes * 1000u, (uint32_t)ns, &rest);
    print("%s %llu MB/s\n", row->name, megabytes);
    return;
  }
  unsigned long long whole = divide(hundredths, 100, &scaled);
  print("%s %llu.%02u ns\n", row->name, whole, scaled);
}

/** The kernel leaves the auxiliary vector behind the environment: System V ABI, its supplements, "Process Initialization". */
static void find_kernel_entry(char **environment) {
  while (*environment) environment++;
  const uintptr_t *auxiliary = (const uintptr_t *)(environment + 1);
#ifndef __x86_64__
  kernel_entry = enter_by_interrupt;
#endif
  for (; auxiliary[0] != AT_NULL; auxiliary += 2) {
#ifndef __x86_64__
    if (auxiliary[0] == AT_SYSINFO) kernel_entry = (void *)auxiliary[1];
#endif
    if (auxiliary[0] == AT_SYSINFO_EHDR) *(void **)&vdso_clock_gettime = vdso_function(auxiliary[1], "__vdso_clock_gettime");
  }
}

int main(int argc, char *argv[]) {
  if (argc > 1 && !strcmp(argv[1], EXIT_WORD)) return 0;
  find_kernel_entry(argv + argc + 1);
  prepare_rows(argv[0], argc > 1 ? argv[1] : "/tmp");
  for (const struct row *row = rows; row->name; row++) {
    bool wanted = argc <= 2;
    for (int word = 2; word < argc; word++) wanted |= !strcmp(argv[word], row->name);
    if (wanted) report(row);
  }
  return 0;
}
