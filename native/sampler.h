/*
 * The profiler's timer: an NMI at regular intervals, and the CPU time of a thread. For the vCPU thread itself. Errors are negative errno
 * values.
 */
#ifndef ROMULUS_SAMPLER_H
#define ROMULUS_SAMPLER_H

#include <cstdint>

namespace romulus {

/* Sets Attention.Sample every `periodNs` until samplerStop(); again changes the period. */
int samplerStart(std::int64_t periodNs);

/* Does nothing when it does not run. */
int samplerStop();

}  // namespace romulus

#endif
