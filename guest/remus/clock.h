/* clock.h - time: reading it, and being woken by it. */
#ifndef REMUS_CLOCK_H
#define REMUS_CLOCK_H

#include <stdint.h>
#include "../lib/abi.h"

/** Chooses the clock source and starts the tick. */
void clock_init(void);
/** Nanoseconds since boot. */
uint64_t clock_now(void);
/** Seconds since 1970-01-01 UTC. */
uint64_t clock_wallclock(void);
/** IRQ 0. */
void clock_interrupt(void);
/** Nothing to run: no tick is needed before `wake_ns` (FOREVER: never). */
void clock_idle(uint64_t wake_ns);
/** Something runs: tick. */
void clock_busy(void);
/** Name, frequency and alarm latencies. */
void clock_describe(struct system_info *info);

#endif
