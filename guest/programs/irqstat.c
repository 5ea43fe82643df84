/*
 * irqstat.c - what became of every interrupt.
 *
 * HANDLED is the kernel's own count. The other columns come from a machine that keeps accounts (Romulus; elsewhere "-"): an
 * event is RAISED by a device or a host signal, MERGED if its line was still pending, DROPPED if the kernel's set-up of the interrupt
 * controllers swept it away, else DELIVERED to the CPU.
 */
#include "../lib/program.h"

static const char *name(uint32_t irq) {
  static const char *const names[16] = {[0] = "timer", [2] = "cascade", [4] = "COM1", [8] = "CMOS clock"};
  return names[irq] ? names[irq] : "";
}

int main(void) {
  printf("IRQ   HANDLED    RAISED    MERGED  DROPPED  DELIVERED   LATENCY ns: last    median   highest\n");
  for (uint32_t irq = 0; irq < 16; irq++) {
    struct irq_info info;
    get_info(SYS_irq_info, irq, &info);
    if (irq == 2) continue; /* the line between the two controllers */
    printf("%3u  %8llu", irq, info.count);
    if (info.accounts)
      printf("  %8u  %8u  %7u   %8u  %16u  %8u  %8u", info.raised, info.merged, info.discarded, info.delivered, info.latency_last_ns, info.latency_median_ns,
             info.latency_highest_ns);
    else
      printf("  %8s  %8s  %7s   %8s  %16s  %8s  %8s", "-", "-", "-", "-", "-", "-", "-");
    printf("  %s\n", name(irq));
  }
  struct system_info system;
  get_info(SYS_system_info, 0, &system);
  if (system.alarms)
    printf("%u alarms; from expiry to handler by the guest's own clock: mean %u ns, highest %u ns, last %u ns\n", system.alarms,
           system.latency_mean_ns, system.latency_highest_ns, system.latency_last_ns);
  return 0;
}
