/* ps.c - the processes: R runnable, S sleeping, Z ended but not waited for. */
#include "../lib/program.h"

int main(void) {
  printf("  PID  PARENT  S  MEMORY  CPU TIME  NAME\n");
  struct process_info process;
  for (uint32_t i = 0; get_info(SYS_process_info, i, &process) >= 0; i++) {
    uint32_t us, ms = (uint32_t)divide(quotient(process.cpu_ns, 1000), 1000, &us);
    printf("%5d  %6d  %c  %4u K  %6u.%01u  %s\n", process.pid, process.parent, process.state, process.pages * 4, ms, us / 100,
           process.name);
  }
  struct time_info time;
  get_info(SYS_time, 0, &time);
  printf("CPU time in ms; the CPU was idle for %llu ms of %llu\n", quotient(time.idle_ns, 1000000), quotient(time.uptime_ns, 1000000));
  return 0;
}
