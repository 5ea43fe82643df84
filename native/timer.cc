/*
 * POSIX timers with SIGEV_THREAD_ID: the kernel sends kTimerSignal straight to the vCPU thread, with no helper thread and no file
 * descriptor in between. (timer_create(2)) The handler is timerHandler() in signal.cc.
 */
#include "timer.h"

#include <cerrno>
#include <sys/syscall.h>
#include <unistd.h>

#include "state.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

namespace romulus {
namespace {

int set(timer_t timer, std::int64_t deadlineNs) {
  itimerspec setting{};
  setting.it_value.tv_sec = deadlineNs / 1'000'000'000;
  setting.it_value.tv_nsec = deadlineNs % 1'000'000'000;
  return timer_settime(timer, TIMER_ABSTIME, &setting, nullptr) == 0 ? 0 : -errno;
}

int create(pid_t tid, std::uint64_t token, timer_t *timer) {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = kTimerSignal;
  event.sigev_value.sival_ptr = reinterpret_cast<void *>(token);
  event.sigev_notify_thread_id = tid;
  return timer_create(CLOCK_MONOTONIC, &event, timer) == 0 ? 0 : -errno;
}

}  // namespace

int timerCreate(Vcpu &vcpu, std::uint64_t token) { return create(vcpu.tid, token, &vcpu.timer); }

int timerArm(std::int64_t deadlineNs) {
  const Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr) return -ESRCH;
  /* A zero setting would disarm. */
  add64(vcpu->state, word::HostCalls, 1);
  return set(vcpu->timer, deadlineNs > 0 ? deadlineNs : 1);
}

int timerDisarm() {
  const Vcpu *vcpu = vcpuCurrent();
  if (vcpu == nullptr) return -ESRCH;
  add64(vcpu->state, word::HostCalls, 1);
  return set(vcpu->timer, 0);
}

int probeTimer() {
  timer_t timer{};
  const int error = create(static_cast<pid_t>(syscall(SYS_gettid)), 0, &timer);
  if (error == 0) timer_delete(timer);
  return error;
}

}  // namespace romulus
