/*
 * The one POSIX timer of each bound vCPU thread. Errors are negative errno values.
 */
#ifndef ROMULUS_TIMER_H
#define ROMULUS_TIMER_H

#include <cstdint>

#include "vcpu.h"

namespace romulus {

/* Makes the timer, disarmed; its signal goes to `vcpu.tid` and carries `token`. */
int timerCreate(Vcpu &vcpu, std::uint64_t token);

/* Arms the calling thread's timer for an absolute CLOCK_MONOTONIC time; a time in the past fires at once. */
int timerArm(std::int64_t deadlineNs);

/* Disarms the calling thread's timer. A signal already on its way still arrives. */
int timerDisarm();

/* Tries whether this host makes such timers. */
int probeTimer();

}  // namespace romulus

#endif
