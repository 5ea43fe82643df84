/*
 * signal.c - what the host itself takes from tgkill(2) to the first instruction of the signal's handler in another thread, which computes or
 * sleeps: the floor of every guest that gets its events by signals. Prints a line for each: name, then p50 and p99 in nanoseconds.
 * Read before: latency.ts.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SIGNALS 1500
#define PERIOD_US 1000

static _Atomic long long handled_ns;
static _Atomic int thread_id;
static _Atomic int sleeps;

static long long now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void handle(int signo) {
  (void)signo;
  handled_ns = now_ns();
}

static void *target(void *unused) {
  thread_id = (int)syscall(SYS_gettid);
  for (;;)
    if (sleeps) pause();
  return unused;
}

static int ascending(const void *first, const void *second) {
  const long long a = *(const long long *)first, b = *(const long long *)second;
  return (a > b) - (a < b);
}

static void measure(const char *name) {
  static long long taken_ns[SIGNALS];
  for (int i = 0; i < SIGNALS; i++) {
    usleep(PERIOD_US);
    handled_ns = 0;
    const long long start_ns = now_ns();
    syscall(SYS_tgkill, getpid(), thread_id, SIGRTMIN);
    while (handled_ns == 0) {
    }
    taken_ns[i] = handled_ns - start_ns;
  }
  qsort(taken_ns, SIGNALS, sizeof *taken_ns, ascending);
  printf("%s %lld %lld\n", name, taken_ns[SIGNALS / 2], taken_ns[SIGNALS * 99 / 100]);
}

int main(void) {
  const struct sigaction action = {.sa_handler = handle};
  pthread_t thread;
  sigaction(SIGRTMIN, &action, NULL);
  if (pthread_create(&thread, NULL, target, NULL) != 0) return 1;
  while (thread_id == 0) {
  }
  measure("computing");
  sleeps = 1;
  measure("asleep");
  return 0;
}
