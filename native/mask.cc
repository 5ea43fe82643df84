/*
 * sigprocmask as CLI and STI. Separate from vcpu.cc because the other strategies never touch the mask.
 *
 * Which signals: the timer's, those of events in both kinds, and every routed one, in case it is sent to the vCPU thread itself. What
 * was sent to the process goes to a thread that does not block it, whose handler sends it on (signal.cc). The profiler's signal and
 * the attention word stay outside: they are the NMI and the machine's own business. Read before: vcpu.h, signal.cc.
 */
#include "mask.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <poll.h>

#include "state.h"
#include "vcpu.h"

namespace romulus {
namespace {

/* As in vcpu.cc: V8 can end a thread only between sleeps. */
constexpr std::int64_t kMaxSleepNs = 250'000'000;

/* Bit per signal number - 1: routed to any machine. */
std::atomic<std::uint64_t> routed{0};

/* What this thread has blocked; empty while open. */
thread_local sigset_t blocked;
thread_local bool isClosed = false;

/* What sleeps may let in: the thread's mask from before maskClose(). */
thread_local sigset_t opened;

void collect(sigset_t *signals) {
  sigemptyset(signals);
  sigaddset(signals, kTimerSignal);
  sigaddset(signals, kEventSignal);
  sigaddset(signals, kStandardEventSignal);
  const std::uint64_t bits = routed;
  for (int signo = 1; bits != 0 && signo <= 64; signo++) {
    if ((bits >> (signo - 1) & 1) != 0) sigaddset(signals, signo);
  }
}

void count(void *state, std::size_t word) { add64(state, word, 1); }

std::int64_t monotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

void maskRouted(int signo, bool isRouted) {
  const std::uint64_t bit = std::uint64_t{1} << (signo - 1);
  if (isRouted) {
    routed |= bit;
  } else {
    routed &= ~bit;
  }
}

int maskClose() {
  const Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr) return -ESRCH;
  if (isClosed) return 0;
  collect(&blocked);
  const int error = pthread_sigmask(SIG_BLOCK, &blocked, &opened);
  if (error != 0) return -error;
  isClosed = true;
  store32(vcpu->state, word::HostMasked, 1);
  count(vcpu->state, word::MaskCalls);
  count(vcpu->state, word::HostCalls);
  return 0;
}

int maskOpen() {
  const Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr) return -ESRCH;
  if (!isClosed) return 0;
  isClosed = false;
  store32(vcpu->state, word::HostMasked, 0);
  count(vcpu->state, word::MaskCalls);
  count(vcpu->state, word::HostCalls);
  return -pthread_sigmask(SIG_UNBLOCK, &blocked, nullptr);
}

std::int32_t maskWait(std::int64_t timeoutNs, int *error) {
  const Vcpu *vcpu = vcpuCurrent();
  *error = vcpu == nullptr ? -ESRCH : maskClose();
  if (*error != 0) return 0;
  void *state = vcpu->state;
  const std::int64_t start = monotonicNow();
  const std::int64_t end = start + (timeoutNs < kMaxSleepNs ? timeoutNs : kMaxSleepNs);
  std::int64_t now = start;
  /*
   * No wake-up is lost: a setter writes Attention, then looks at Waiting and sends a signal, which stays pending until ppoll() opens the
   * mask; here Waiting is written before Attention is looked at.
   */
  store32(state, word::Waiting, kWaitsForSignal);
  while (now < end && load32(state, word::Attention) == 0) {
    const timespec remaining{(end - now) / 1'000'000'000, (end - now) % 1'000'000'000};
    ppoll(nullptr, 0, &remaining, &opened);
    count(state, word::HostCalls);
    now = monotonicNow();
  }
  store32(state, word::Waiting, 0);
  add64(state, word::Waits, 1);
  add64(state, word::WaitNs, static_cast<std::uint64_t>(now - start));
  return load32(state, word::Attention);
}

}  // namespace romulus
