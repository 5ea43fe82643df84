/*
 * Signal handlers and what they call. Everything in this file must be async-signal-safe: it may interrupt any instruction of any
 * thread (V8, malloc, a lock holder), so it takes no lock, allocates nothing, calls only what signal-safety(7) lists or plain
 * system calls, and leaves errno as it was. Handlers only record; delivery is the run loop's.
 *
 * Separate from routes.cc and vcpu.cc, which install these handlers, so that this rule holds for a whole file.
 * Read before: state.h, signal.h, vcpu.h. Read after: src/irq/i8259.ts, which takes what is recorded here.
 */
#include "signal.h"

#include <cerrno>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "state.h"
#include "vcpu.h"

namespace romulus {

Route routes[kMaxRoutes];

namespace {

/* Keeps the interrupted code's errno. Safe: a thread-local word that exists since the thread began. */
class KeepErrno {
 public:
  KeepErrno() : _saved(errno) {}
  ~KeepErrno() { errno = _saved; }

 private:
  const int _saved;
};

/* Safe: clock_gettime is on the list of signal-safety(7). */
std::uint64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

/*
 * The binding a signal was meant for; null when it is stale or forged. Safe: reads static slots, and the signals it serves are
 * sent to the bound thread itself, so the binding cannot end while its handler runs.
 */
Vcpu *addressee(const siginfo_t *info) {
  const auto token = reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
  const unsigned slot = (token >> 8) & 0xff;
  if (slot >= kMaxVcpus) return nullptr;
  const auto generation = static_cast<std::uint32_t>(token >> 32);
  Vcpu &vcpu = vcpus[slot];
  return (generation & 1) != 0 && vcpu.generation == generation ? &vcpu : nullptr;
}

/*
 * The vCPU's timer has expired; what is due is the run loop's to find out. Safe: atomics and a futex.
 */
void timerHandler(int, siginfo_t *info, void *) {
  if (info->si_code != SI_TIMER) return;
  const KeepErrno keep;
  const Vcpu *vcpu = addressee(info);
  if (vcpu == nullptr) return;
  void *state = vcpu->state;
  add64(state, word::TimerSignals, 1);
  or32(state, word::Attention, attention::Timer);
  wake(state);
}

/* When an event of vcpuPost() was sent: the low half came along, and no signal is pending for the 4 s in which it repeats. */
std::uint64_t sentAt(const siginfo_t *info) {
  const std::uint64_t time = now();
  return time - static_cast<std::uint32_t>(static_cast<std::uint32_t>(time) - static_cast<std::uint32_t>(info->si_uid));
}

/*
 * An event of vcpuPost() by real-time signal. The same signal sent by kill(1) carries no token and is dropped; sent by wake() it has
 * done its work by arriving. Safe: as timerHandler().
 */
void eventHandler(int, siginfo_t *info, void *) {
  const KeepErrno keep;
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  const Vcpu *vcpu = addressee(info);
  if (vcpu == nullptr) return;
  void *state = vcpu->state;
  const unsigned irq = static_cast<unsigned>(reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr) & 0xf);
  /* A standard signal that went instead of one for which the queue had no room may have taken this event along. */
  std::int32_t *inHost = word32(state, word::InHost + irq * 4);
  std::int32_t count = __atomic_load_n(inHost, __ATOMIC_SEQ_CST);
  while (count > 0 && !__atomic_compare_exchange_n(inHost, &count, count - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  if (count <= 0) return;
  add64(state, word::HostSignals, 1);
  record(state, irq, 1, sentAt(info));
}

/*
 * Events of vcpuPost() by standard signal: those that were sent while one was pending have merged in the host kernel, and the siginfo
 * is that of the first. What each irq has in the host was counted by the senders. Safe: as timerHandler(); the thread is found by its
 * id, because the kernel may have had no room for the siginfo.
 */
void standardEventHandler(int, siginfo_t *info, void *) {
  const KeepErrno keep;
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  for (const Vcpu &vcpu : vcpus) {
    if ((vcpu.generation & 1) == 0 || vcpu.tid != self) continue;
    void *state = vcpu.state;
    const bool isStamped = info->si_code == SI_QUEUE && info->si_pid == getpid() && addressee(info) == &vcpu;
    const unsigned first = static_cast<unsigned>(reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr) & 0xf);
    add64(state, word::HostSignals, 1);
    for (unsigned irq = 0; irq < 16; irq++) {
      const std::int32_t count = __atomic_exchange_n(word32(state, word::InHost + irq * 4), 0, __ATOMIC_SEQ_CST);
      if (count > 0) record(state, irq, static_cast<std::uint64_t>(count), isStamped && irq == first ? sentAt(info) : 0);
    }
  }
}

/* The profiler's timer has expired: an NMI, as no mask holds it. Safe: as timerHandler(). */
void sampleHandler(int, siginfo_t *info, void *) {
  if (info->si_code != SI_TIMER) return;
  const KeepErrno keep;
  const Vcpu *vcpu = addressee(info);
  if (vcpu != nullptr) or32(vcpu->state, word::Attention, attention::Sample);
}

}  // namespace

/* Safe: lock-free atomics on the block, clock_gettime and wake(). */
void record(void *state, unsigned irq, std::uint64_t times, std::uint64_t stampNs) {
  const std::int32_t bit = 1 << irq;
  /*
   * The stamp belongs to the event that sets the bit, and must be there when the bit is: it is written first when the bit looks
   * clear, and afterwards in the rare case that the bit was taken in between.
   */
  const bool looksSet = (load32(state, word::PicIrr) & bit) != 0;
  const std::uint64_t time = stampNs != 0 ? stampNs : now();
  if (!looksSet) store64(state, word::RecordedAt + irq * 8, time);
  add64(state, word::Raised + irq * 8, times);
  const bool wasSet = (or32(state, word::PicIrr, bit) & bit) != 0;
  if (!wasSet && looksSet) store64(state, word::RecordedAt + irq * 8, time);
  const std::uint64_t merged = wasSet ? times : times - 1;
  if (merged != 0) add64(state, word::Merged + irq * 8, merged);
  /*
   * Who sets the bit calls for attention; an event that merges changes nothing that the vCPU could act on. Calling again would end
   * guest code at every event of a storm, and a handler that is left at each of its instructions never comes to its EOI.
   */
  if (wasSet) return;
  or32(state, word::Attention, attention::Interrupt);
  wake(state);
}

/* Safe: atomics, record() and vcpuPost(), which is a loop over static slots and one system call. */
void raise(void *state, unsigned irq) {
  if (load32(state, word::Strategy) == strategy::HostMask && vcpuPost(state, irq, now()) >= 0) return;
  record(state, irq, 1);
}

/* Safe: atomic loads and the futex or tgkill system call, which need no lock of ours. */
void wake(void *state) {
  const std::int32_t waiting = load32(state, word::Waiting);
  if (waiting == 0) return;
  const KeepErrno keep;
  if (waiting == kWaitsForSignal) {
    const std::int32_t tid = load32(state, word::Tid);
    if (tid != 0 && tid != static_cast<std::int32_t>(syscall(SYS_gettid))) syscall(SYS_tgkill, getpid(), tid, kStandardEventSignal);
    return;
  }
  syscall(SYS_futex, word32(state, word::Attention), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/*
 * A routed host signal, on whichever thread the kernel chose. Under host-mask, a thread other than the vCPU's sends it on to that one,
 * where the mask decides. Safe: walks static slots; `users` is raised before the slot's contents are used and removal waits for
 * it, so the state block stays mapped.
 */
void routeHandler(int signo, siginfo_t *, void *) {
  const KeepErrno keep;
  for (Route &route : routes) {
    if (route.signo != signo) continue;
    route.users++;
    if (route.signo == signo) {
      if (load32(route.state, word::Strategy) == strategy::HostMask &&
          load32(route.state, word::Tid) != static_cast<std::int32_t>(syscall(SYS_gettid)) && vcpuPost(route.state, route.irq, now()) >= 0) {
        add64(route.state, word::Forwarded, 1);
      } else {
        add64(route.state, word::HostSignals, 1);
        record(route.state, route.irq, 1);
      }
    }
    route.users--;
  }
}

/* Not called from handlers; stands here to keep the handlers private. Doing it twice does no harm. */
int installVcpuHandlers() {
  struct sigaction action {};
  action.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  action.sa_sigaction = timerHandler;
  if (sigaction(kTimerSignal, &action, nullptr) != 0) return -errno;
  action.sa_sigaction = eventHandler;
  if (sigaction(kEventSignal, &action, nullptr) != 0) return -errno;
  action.sa_sigaction = standardEventHandler;
  if (sigaction(kStandardEventSignal, &action, nullptr) != 0) return -errno;
  action.sa_sigaction = sampleHandler;
  if (sigaction(kSampleSignal, &action, nullptr) != 0) return -errno;
  return 0;
}

}  // namespace romulus
