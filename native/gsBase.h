/*
 * The GS base of a vCPU's thread: where the current window is. Read before: translator.h. Read after: gsBase.cc.
 */
#ifndef ROMULUS_GS_BASE_H
#define ROMULUS_GS_BASE_H

#include <cstdint>

namespace romulus {

/* How the GS base is changed here, best first. */
enum class GsWay {
  /* WRGSBASE, which the kernel announces (Documentation/arch/x86/x86_64/fsgs.rst). */
  Announced,
  /* WRGSBASE runs but is not announced: the kernel, not knowing of it, does not keep its value when it switches threads. */
  Unannounced,
  /* arch_prctl(ARCH_SET_GS), a system call. */
  SystemCall
};

/* Tries it out on the first call; takes a millisecond then. */
GsWay gsWay();

/* Prepares the calling thread for gsSet(), or puts it back, once for each translator. Returns 0 or a negative errno. */
int gsOpen();
void gsClose();

/*
 * Makes `base` the GS base of the calling thread, which has called gsOpen(). Async-signal-safe: an instruction or a system call, and a variable of
 * the thread's that needs no memory at its first use.
 */
void gsSet(std::uint64_t base);

/* Whether an access faulted only because the kernel has replaced the base since gsSet(). Async-signal-safe: it compares. */
bool gsIsLost(std::uint64_t address);

/* For the handler of SIGILL: where to go on instead if it was the trial in gsWay() that ran into an invalid instruction; else 0. Async-signal-safe. */
std::uint64_t gsTrialEnd(std::uint64_t rip);

}  // namespace romulus

#endif
