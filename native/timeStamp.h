/* See timeStamp.cc. Read before: machine.h. */
#ifndef ROMULUS_TIMESTAMP_H
#define ROMULUS_TIMESTAMP_H

#include "machine.h"

namespace romulus {

/* The machine's cycles, which are nanoseconds since its start (src/time/clock.ts). Returns false where its clock is not the host's. */
bool cycles(Machine &machine, std::uint64_t *count);

/* EDX:EAX. */
void setResult(Machine &machine, std::uint64_t value);

/* RDTSC, with EIP behind it at `nextEip`. Returns false with nothing changed where it faults, and as `cycles`. */
bool readTimeStamp(Machine &machine, std::uint32_t nextEip);

}  // namespace romulus

#endif
