/*
 * workload.c - the guest's side of `romulus compare`: does one thing for some milliseconds and says how often, in words for a program.
 *
 *   workload toggle MS    disables and enables interrupts as the kernel does (ROM calls if there is a ROM)
 *   workload cli MS       the same by CLI and STI
 *   workload work MS      computes, and counts the interrupts that came meanwhile
 *   workload idle MS      sleeps, and counts them
 *   workload pingpong MS  two processes hand the CPU to each other
 *
 * The line "begin" says that the time has begun, the line "end ..." has the counts as name=value.
 */
#include "../lib/program.h"

#define PAIRS_AT_ONCE 2000
#define ROUNDS_AT_ONCE 2000
#define TIMER_IRQ 0
#define STORM_IRQ 5

static uint64_t handled(uint32_t irq) {
  struct irq_info info;
  get_info(SYS_irq_info, irq, &info);
  return info.count;
}

static void toggle(enum measurement what, uint64_t window_ns) {
  uint64_t ns = 0, pairs = 0;
  while (ns < window_ns) {
    uint64_t some = 0;
    system_call(SYS_measure, what, PAIRS_AT_ONCE, (uint32_t)&some);
    ns += some;
    pairs += PAIRS_AT_ONCE;
  }
  printf("end ns=%llu count=%llu\n", ns, pairs);
}

/** Arithmetic that no compiler removes. */
static uint32_t compute(uint32_t value) {
  for (uint32_t i = 0; i < ROUNDS_AT_ONCE; i++) value = value * 1664525 + 1013904223 + (value >> 16);
  asm volatile("" : "+r"(value));
  return value;
}

static void work(uint64_t window_ns, bool asleep) {
  uint64_t timer = handled(TIMER_IRQ), storm = handled(STORM_IRQ), count = 0, start = now_ns(), ns = 0;
  uint32_t value = 1;
  if (asleep) {
    sleep_ms((uint32_t)quotient(window_ns, 1000000));
    ns = now_ns() - start;
  }
  for (; ns < window_ns; ns = now_ns() - start, count++) value = compute(value);
  printf("end ns=%llu count=%llu timer=%llu storm=%llu\n", ns, count, handled(TIMER_IRQ) - timer, handled(STORM_IRQ) - storm);
}

static void pingpong(uint64_t window_ns) {
  int pid = fork();
  if (!pid)
    for (;;) yield();
  uint64_t start = now_ns(), ns = 0, count = 0;
  for (; ns < window_ns; ns = now_ns() - start)
    for (uint32_t i = 0; i < 50; i++, count += 2) yield();
  kill(pid);
  struct exit_info info;
  wait_for(pid, &info, 0);
  printf("end ns=%llu count=%llu\n", ns, count);
}

int main(int argc, char *argv[]) {
  uint64_t window_ns = argc == 3 ? (uint64_t)parse_number(argv[2], 10) * 1000000 : 0;
  if (!window_ns) {
    printf("usage: workload toggle|cli|work|idle|pingpong MILLISECONDS\n");
    return 1;
  }
  printf("begin\n");
  if (!strcmp(argv[1], "toggle")) toggle(MEASURE_PAIR, window_ns);
  else if (!strcmp(argv[1], "cli")) toggle(MEASURE_PAIR_NATIVE, window_ns);
  else if (!strcmp(argv[1], "work")) work(window_ns, false);
  else if (!strcmp(argv[1], "idle")) work(window_ns, true);
  else if (!strcmp(argv[1], "pingpong")) pingpong(window_ns);
  else printf("workload: there is none called %s\n", argv[1]);
  return 0;
}
