/*
 * The profiler's timer. Separate from timer.cc because its signal must not be held back by any mask of the guest's: it is an NMI, and
 * has a signal of its own. The handler is sampleHandler() in signal.cc.
 */
#include "sampler.h"

#include <cerrno>
#include <csignal>
#include <ctime>

#include "vcpu.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace romulus {

int samplerStart(std::int64_t periodNs) {
  Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr) return -ESRCH;
  if (!vcpu->hasSampler) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kSampleSignal;
    const auto slot = static_cast<unsigned>(vcpu - vcpus);
    event.sigev_value.sival_ptr = reinterpret_cast<void *>(makeToken(vcpu->generation, slot, 0));
    event.sigev_notify_thread_id = vcpu->tid;
    if (timer_create(CLOCK_MONOTONIC, &event, &vcpu->sampler) != 0) return -errno;
    vcpu->hasSampler = true;
  }
  const timespec period{periodNs / 1'000'000'000, periodNs % 1'000'000'000};
  const itimerspec setting{period, period};
  return timer_settime(vcpu->sampler, 0, &setting, nullptr) == 0 ? 0 : -errno;
}

int samplerStop() {
  Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr || !vcpu->hasSampler) return 0;
  vcpu->hasSampler = false;
  return timer_delete(vcpu->sampler) == 0 ? 0 : -errno;
}

}  // namespace romulus
