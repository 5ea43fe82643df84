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
 * The vCPU's timer has expired. Expiries while the signal was already pending come as one signal with an overrun count: they
 * are events that merged. Safe: atomics and record().
 */
void timerHandler(int, siginfo_t *info, void *) {
  if (info->si_code != SI_TIMER) return;
  const KeepErrno keep;
  const Vcpu *vcpu = addressee(info);
  if (vcpu == nullptr) return;
  void *state = vcpu->state;
  const std::uint64_t times = 1 + static_cast<std::uint64_t>(info->si_overrun > 0 ? info->si_overrun : 0);
  add64(state, word::TimerSignals, 1);
  const std::int32_t lines = load32(state, word::TimerLines);
  for (unsigned irq = 0; irq < 16; irq++) {
    if ((lines & (1 << irq)) != 0) record(state, irq, times);
  }
  or32(state, word::Attention, attention::Timer);
  wake(state);
}

/* An event sent by vcpuSignal(). The same signal sent by kill(1) carries no token and is dropped. Safe: as timerHandler(). */
void eventHandler(int, siginfo_t *info, void *) {
  const KeepErrno keep;
  if (info->si_code != SI_QUEUE || info->si_pid != getpid()) return;
  const Vcpu *vcpu = addressee(info);
  if (vcpu == nullptr) return;
  add64(vcpu->state, word::HostSignals, 1);
  record(vcpu->state, reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr) & 0xf, 1);
}

}  // namespace

/* Safe: lock-free atomics on the block, clock_gettime and wake(). */
void record(void *state, unsigned irq, std::uint64_t times) {
  const std::int32_t bit = 1 << irq;
  /*
   * The stamp belongs to the event that sets the bit, and must be there when the bit is: it is written first when the bit looks
   * clear, and afterwards in the rare case that the bit was taken in between.
   */
  const bool looksSet = (load32(state, word::PicIrr) & bit) != 0;
  const std::uint64_t time = now();
  if (!looksSet) store64(state, word::RecordedAt + irq * 8, time);
  add64(state, word::Raised + irq * 8, times);
  const bool wasSet = (or32(state, word::PicIrr, bit) & bit) != 0;
  if (!wasSet && looksSet) store64(state, word::RecordedAt + irq * 8, time);
  const std::uint64_t merged = wasSet ? times : times - 1;
  if (merged != 0) add64(state, word::Merged + irq * 8, merged);
  or32(state, word::Attention, attention::Interrupt);
  wake(state);
}

/* Safe: an atomic load and the futex system call, which needs no lock of ours. */
void wake(void *state) {
  if (load32(state, word::Waiting) == 0) return;
  const KeepErrno keep;
  syscall(SYS_futex, word32(state, word::Attention), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

/*
 * A routed host signal, on whichever thread the kernel chose. Safe: walks static slots; `users` is raised before the slot's
 * contents are used and removal waits for it, so the state block stays mapped.
 */
void routeHandler(int signo, siginfo_t *, void *) {
  const KeepErrno keep;
  for (Route &route : routes) {
    if (route.signo != signo) continue;
    route.users++;
    if (route.signo == signo) {
      add64(route.state, word::HostSignals, 1);
      record(route.state, route.irq, 1);
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
  return 0;
}

}  // namespace romulus
