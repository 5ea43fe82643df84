/*
 * The sender of measurements. Native, because a JavaScript thread could neither keep such rates nor stamp an event right before its
 * system call.
 */
#include "train.h"

#include <ctime>
#include <sys/prctl.h>

#include "vcpu.h"

namespace romulus {
namespace {

/*
 * What is nearer than this is waited for by looking at the clock; the rest is slept, so that the sender leaves the processors to the
 * machine it measures. A thread may ask the kernel to wake it this exactly. (prctl(2), PR_SET_TIMERSLACK)
 */
constexpr std::int64_t kSpinNs = 5'000;
constexpr unsigned long kTimerSlackNs = 1;

/* Up to this delay the events that have become due are sent one right after the other. */
constexpr double kLateNs = 20'000;

std::int64_t monotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

void waitUntil(std::int64_t timeNs) {
  const std::int64_t wakeNs = timeNs - kSpinNs;
  if (wakeNs > monotonicNow()) {
    const timespec wake{wakeNs / 1'000'000'000, wakeNs % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nullptr);
  }
  while (monotonicNow() < timeNs) __builtin_ia32_pause();
}

}  // namespace

Train sendTrain(void *state, unsigned irq, double rateHz, std::int64_t durationNs, int *error) {
  Train train;
  *error = 0;
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  const std::int64_t start = monotonicNow();
  const std::int64_t end = start + durationNs;
  const double intervalNs = rateHz > 0 ? 1e9 / rateHz : 0;
  double dueNs = static_cast<double>(start);
  for (;;) {
    if (dueNs >= static_cast<double>(end)) break;
    waitUntil(static_cast<std::int64_t>(dueNs));
    const std::int64_t now = monotonicNow();
    if (now >= end) break;
    /* A sender that the host held up does not make up for it: a burst would be another workload than the one that was asked for. */
    const double late = static_cast<double>(now) - dueNs;
    dueNs = (late > kLateNs && late > intervalNs ? static_cast<double>(now) : dueNs) + intervalNs;
    const int result = vcpuPost(state, irq, static_cast<std::uint64_t>(now));
    if (result < 0) {
      *error = result;
      break;
    }
    train.sent++;
    train.full += result;
  }
  train.elapsedNs = monotonicNow() - start;
  return train;
}

}  // namespace romulus
