/*
 * A train of events sent to one vCPU at a given rate: the source of interrupts in measurements.
 */
#ifndef ROMULUS_TRAIN_H
#define ROMULUS_TRAIN_H

#include <cstdint>

namespace romulus {

/* What became of a train. */
struct Train {
  std::int64_t sent = 0;
  /* How often the host's queue of real-time signals was full, so that a standard signal went instead. */
  std::int64_t full = 0;
  std::int64_t elapsedNs = 0;
};

/*
 * Sends events on `irq` as signals to the thread of the vCPU bound to `state`, `rateHz` a second (0: as fast as the host takes them) for
 * `durationNs`, stamping each immediately before its system call. What cannot be sent in time is left out:
 * `sent` tells. Blocks the calling thread. Negative errno values in `error`.
 */
Train sendTrain(void *state, unsigned irq, double rateHz, std::int64_t durationNs, int *error);

}  // namespace romulus

#endif
