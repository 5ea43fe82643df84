/*
 * Binding, sleep and wake-up of vCPU threads. The handlers' half is in signal.cc, the timer in timer.cc.
 */
#include "vcpu.h"

#include <cerrno>
#include <climits>
#include <linux/futex.h>
#include <mutex>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mask.h"
#include "sampler.h"
#include "signal.h"
#include "state.h"
#include "timer.h"

namespace romulus {

Vcpu vcpus[kMaxVcpus];

namespace {

/* Room for the largest signal frame (AVX-512, AMX) and the handlers, and a guard page below. */
constexpr std::size_t kAlternateStackBytes = 64 * 1024;
constexpr std::size_t kGuardBytes = 4096;

/*
 * Longest sleep in one go. V8 can end a thread (worker.terminate(), process.exit()) only while it runs JavaScript, so a
 * sleeping vCPU shows itself there four times a second; measured as CPU time this is nothing.
 */
constexpr std::int64_t kMaxSleepNs = 250'000'000;

/* Guards binding, unbinding and the look-up of a target thread, so that no signal goes to a thread that has left. */
std::mutex lock;
thread_local Vcpu *current = nullptr;

/* Gives the thread a signal stack of its own: translated code keeps the guest's ESP in RSP, where no frame can be pushed. */
int installAlternateStack(Vcpu &vcpu) {
  void *host = mmap(nullptr, kGuardBytes + kAlternateStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (host == MAP_FAILED) return -errno;
  stack_t stack{};
  stack.ss_sp = static_cast<char *>(host) + kGuardBytes;
  stack.ss_size = kAlternateStackBytes;
  if (mprotect(host, kGuardBytes, PROT_NONE) != 0 || sigaltstack(&stack, &vcpu.previousStack) != 0) {
    const int error = errno;
    munmap(host, kGuardBytes + kAlternateStackBytes);
    return -error;
  }
  vcpu.alternateStack = host;
  return 0;
}

void removeAlternateStack(Vcpu &vcpu) {
  sigaltstack(&vcpu.previousStack, nullptr);
  munmap(vcpu.alternateStack, kGuardBytes + kAlternateStackBytes);
  vcpu.alternateStack = nullptr;
}

/* The project never masks host signals; a thread may still have inherited a mask from whoever started it. */
void unblockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int signo = kTimerSignal; signo <= SIGRTMAX; signo++) sigaddset(&signals, signo);
  sigaddset(&signals, kStandardEventSignal);
  sigaddset(&signals, kSampleSignal);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

std::int64_t monotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

Vcpu *vcpuCurrent() { return current; }

int vcpuBind(Memory *memory) {
  std::lock_guard<std::mutex> hold(lock);
  if (current != nullptr) return -EBUSY;
  unsigned slot = kMaxVcpus;
  for (unsigned index = 0; index < kMaxVcpus; index++) {
    if ((vcpus[index].generation & 1) == 0) {
      if (slot == kMaxVcpus) slot = index;
    } else if (vcpus[index].memory == memory) {
      return -EBUSY;
    }
  }
  if (slot == kMaxVcpus) return -EMFILE;

  Vcpu &vcpu = vcpus[slot];
  int error = installVcpuHandlers();
  if (error != 0) return error;
  error = installAlternateStack(vcpu);
  if (error != 0) return error;
  const std::uint32_t generation = vcpu.generation + 1;
  vcpu.state = memory->host;
  vcpu.memory = memory;
  vcpu.tid = static_cast<pid_t>(syscall(SYS_gettid));
  error = timerCreate(vcpu, makeToken(generation, slot, 0));
  if (error != 0) {
    removeAlternateStack(vcpu);
    vcpu.memory = nullptr;
    return error;
  }
  vcpu.generation = generation;
  current = &vcpu;
  store32(vcpu.state, word::Tid, vcpu.tid);
  unblockSignals();
  return 0;
}

int vcpuUnbind() {
  std::lock_guard<std::mutex> hold(lock);
  if (current == nullptr) return -ESRCH;
  Vcpu &vcpu = *current;
  timer_delete(vcpu.timer);
  samplerStop();
  maskOpen();
  /* With the lock held nobody sends more events; what is queued for this thread is taken on the way out of a system call. */
  sched_yield();
  store32(vcpu.state, word::Tid, 0);
  vcpu.generation++;
  current = nullptr;
  removeAlternateStack(vcpu);
  memoryDrop(vcpu.memory);
  vcpu.memory = nullptr;
  vcpu.state = nullptr;
  return 0;
}

int vcpuLive() {
  std::lock_guard<std::mutex> hold(lock);
  int live = 0;
  for (const Vcpu &vcpu : vcpus) live += static_cast<int>(vcpu.generation & 1);
  return live;
}

std::int32_t vcpuWait(std::int64_t timeoutNs, int *error) {
  *error = 0;
  if (current == nullptr) {
    *error = -ESRCH;
    return 0;
  }
  void *state = current->state;
  std::int32_t pending = load32(state, word::Attention);
  if (pending != 0 || timeoutNs <= 0) return pending;

  const std::int64_t start = monotonicNow();
  const std::int64_t end = start + (timeoutNs < kMaxSleepNs ? timeoutNs : kMaxSleepNs);
  std::int64_t now = start;
  /*
   * No wake-up is lost: a setter writes Attention, then looks at Waiting; here Waiting is written, then the kernel looks at
   * Attention. One of the two sees the other. A signal handler on this very thread sets Attention before FUTEX_WAIT compares,
   * or interrupts it (EINTR).
   */
  store32(state, word::Waiting, 1);
  while (now < end && (pending = load32(state, word::Attention)) == 0) {
    const timespec remaining{(end - now) / 1'000'000'000, (end - now) % 1'000'000'000};
    syscall(SYS_futex, word32(state, word::Attention), FUTEX_WAIT_PRIVATE, 0, &remaining, nullptr, 0);
    add64(state, word::HostCalls, 1);
    now = monotonicNow();
  }
  store32(state, word::Waiting, 0);
  add64(state, word::Waits, 1);
  add64(state, word::WaitNs, static_cast<std::uint64_t>(now - start));
  return load32(state, word::Attention);
}

/* Takes back what a sender has counted and could not send. False: a handler has taken it along with others, so it did arrive. */
static bool takeBack(void *state, unsigned irq) {
  std::int32_t *inHost = word32(state, word::InHost + irq * 4);
  std::int32_t count = __atomic_load_n(inHost, __ATOMIC_SEQ_CST);
  while (count > 0 && !__atomic_compare_exchange_n(inHost, &count, count - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return count > 0;
}

/* Without the lock, for handlers: the slots are static, and a signal that comes after its binding has ended is recognised as stale. */
int vcpuPost(void *state, unsigned irq, std::uint64_t sentNs) {
  for (unsigned slot = 0; slot < kMaxVcpus; slot++) {
    const std::uint32_t generation = vcpus[slot].generation;
    if ((generation & 1) == 0 || vcpus[slot].state != state) continue;
    const pid_t tid = vcpus[slot].tid;
    siginfo_t info{};
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    /* Nobody asks who sent it: the field carries the low half of the time instead. */
    info.si_uid = static_cast<uid_t>(sentNs);
    info.si_value.sival_ptr = reinterpret_cast<void *>(makeToken(generation, slot, irq));
    __atomic_fetch_add(word32(state, word::InHost + irq * 4), 1, __ATOMIC_SEQ_CST);
    if (load32(state, word::MaskSignals) == mask_signals::Realtime) {
      if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, kEventSignal, &info) == 0) return 0;
      if (errno != EAGAIN) return takeBack(state, irq) ? -errno : 0;
    }
    /* A standard signal needs no place in the queue: without one only its siginfo is missing. (signal(7)) */
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, kStandardEventSignal, &info) != 0) return takeBack(state, irq) ? -errno : 0;
    return load32(state, word::MaskSignals) == mask_signals::Realtime ? 1 : 0;
  }
  return -ESRCH;
}

int vcpuSignal(void *state, unsigned irq) {
  std::lock_guard<std::mutex> hold(lock);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int result = vcpuPost(state, irq, static_cast<std::uint64_t>(now.tv_sec * 1'000'000'000LL + now.tv_nsec));
  return result < 0 ? result : 0;
}

}  // namespace romulus
