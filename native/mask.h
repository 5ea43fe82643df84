/*
 * The host's signal mask as the guest's interrupt flag: strategy host-mask. All functions are for the vCPU thread itself.
 * Errors are negative errno values.
 */
#ifndef ROMULUS_MASK_H
#define ROMULUS_MASK_H

#include <cstdint>

namespace romulus {

/* Blocks the signals that carry events, timer included, on the calling thread; nothing when they are blocked. -ESRCH: not bound. */
int maskClose();

/* Unblocks what maskClose() has blocked; the handlers of what was pending have run when it returns. */
int maskOpen();

/*
 * Sleeps until the attention word is not 0, at most `timeoutNs`, with the mask open for just as long as the thread sleeps (sigsuspend(2)
 * with a time limit). The mask is closed before and after. May return early with 0, like vcpuWait().
 */
std::int32_t maskWait(std::int64_t timeoutNs, int *error);

/* Says that a signal is routed to some machine now, or no longer: masks closed from then on hold it too. */
void maskRouted(int signo, bool routed);

}  // namespace romulus

#endif
