/*
 * Bindings of state blocks to the threads that run them: what makes a vCPU a thread that signals can be sent to and that can
 * sleep until its attention word is set. Errors are negative errno values.
 */
#ifndef ROMULUS_VCPU_H
#define ROMULUS_VCPU_H

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <sys/types.h>

#include "memory.h"

namespace romulus {

/*
 * The two real-time signals the project keeps for itself, sent to vCPU threads only. The names are the C library's SIGRTMIN and
 * SIGRTMIN + 1 (checked when the addon loads); src/hostSignals.ts refuses them to users. Lower numbers are taken first.
 */
constexpr int kTimerSignal = 34;
constexpr int kEventSignal = 35;

/*
 * Two standard signals that nobody else uses: Linux itself never sends the first, and nothing in Node sets the timer that sends the
 * second. kStandardEventSignal carries events where standard signals are asked for (Word.MaskSignals); its siginfo is that of the
 * first of all that merge. kSampleSignal is the profiler's timer, which no guest can mask. src/hostSignals.ts refuses both to users.
 */
constexpr int kStandardEventSignal = SIGSTKFLT;
constexpr int kSampleSignal = SIGVTALRM;

/* One bound vCPU thread. Slots are static and never freed, so a handler may look at any of them at any time. */
struct Vcpu {
  /* Odd while bound; each binding has its own value, so that a signal of an earlier one is recognised as stale. */
  std::atomic<std::uint32_t> generation{0};
  /* The fields below are stable while `generation` is odd. `memory` is a reference that keeps `state` mapped. */
  void *state = nullptr;
  Memory *memory = nullptr;
  pid_t tid = 0;
  timer_t timer{};
  /* The profiler's timer, if it runs. */
  timer_t sampler{};
  bool hasSampler = false;
  void *alternateStack = nullptr;
  stack_t previousStack{};
};

/* Values of word::Waiting other than 0: asleep on the futex; asleep with the mask open for the moment. */
constexpr std::int32_t kWaitsOnFutex = 1;
constexpr std::int32_t kWaitsForSignal = 2;

constexpr unsigned kMaxVcpus = 64;
extern Vcpu vcpus[kMaxVcpus];

/*
 * What a signal carries to the handler in its value: the generation, the slot, and for events the irq.
 *
 *    63      32 31    16 15        8 7       0
 *   | generation |  0   |    slot   |   irq   |
 */
inline std::uint64_t makeToken(std::uint32_t generation, unsigned slot, unsigned irq) {
  return (static_cast<std::uint64_t>(generation) << 32) | (slot << 8) | irq;
}

/* Binds the calling thread to the state block in `memory`, taking over the caller's reference when it succeeds. */
int vcpuBind(Memory *memory);

/* Unbinds the calling thread; -ESRCH when it is not bound. */
int vcpuUnbind();

/* The calling thread's binding; null when it has none. */
Vcpu *vcpuCurrent();

/* Threads bound now. */
int vcpuLive();

/*
 * Sends an event to the vCPU thread that is bound to `state`, as a signal of the kind in word::MaskSignals; counts it in word::InHost
 * until a handler takes it. Never loses one: where the queue of real-time signals is full, a standard signal goes instead. Stamped with
 * `sentNs` (CLOCK_MONOTONIC). Safe in signal handlers, on any thread. 0, 1 when the queue was full, -ESRCH when no thread is bound.
 */
int vcpuPost(void *state, unsigned irq, std::uint64_t sentNs);

/*
 * Sleeps until the attention word is not 0, at most `timeoutNs`. May return earlier with 0: see kMaxSleepNs in vcpu.cc.
 * Returns the attention word; -ESRCH when the thread is not bound goes to `error`.
 */
std::int32_t vcpuWait(std::int64_t timeoutNs, int *error);

/* Sends the vCPU that is bound to `state` a queued real-time signal that records `irq`. -EAGAIN: the host's queue is full. */
int vcpuSignal(void *state, unsigned irq);

}  // namespace romulus

#endif
