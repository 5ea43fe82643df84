/*
 * A kernel may leave WRGSBASE enabled without knowing of it: in a virtual machine whose hypervisor owns CR4 and hides the feature, say. Such a
 * kernel takes the base that it was last told by arch_prctl() for the present one and loads that when it switches to the thread
 * (Linux: save_base_legacy(), load_seg_legacy()). So the base in use is lost at each switch, but to a known place: here to the `lost` region, 4
 * GiB in which nothing is mapped. A guest's access there faults, the handler sets the base again, and the instruction is repeated.
 * That the kernel is such a one is tried out before it is relied on. Read before: gsBase.h. Read after: fault.cc.
 */
#include "gsBase.h"

#include <atomic>
#include <cerrno>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include <asm/prctl.h>

#include "translator.h"

extern "C" {
/* switch.S: returns 1 where RDGSBASE runs. */
int romulusGsTrial(void);
extern const unsigned char romulusGsTrialAt[];
extern const unsigned char romulusGsTrialEnd[];
}

namespace romulus {
namespace {

constexpr unsigned long kHwcap2Fsgsbase = 2;

/* Host address of the region, 0 before gsWay() needs it. Never given back: threads may have it as their base at any time. */
std::uint64_t lost = 0;

/*
 * What gsSet() has made the base of this thread: its own, as several translators may run on one thread. In the thread's initial block
 * (`initial-exec`), as other places are allocated when they are first used.
 */
thread_local std::uint64_t present __attribute__((tls_model("initial-exec"))) = 0;
/* Translators that this thread has open: the base is theirs until the last one is closed. */
thread_local unsigned opens = 0;

/* What gsWay() has found, once gsOpen() has asked. */
std::atomic<GsWay> way{GsWay::SystemCall};

int tellKernel(std::uint64_t base) { return syscall(SYS_arch_prctl, ARCH_SET_GS, base) == 0 ? 0 : -errno; }

void write(std::uint64_t base) { __asm__ volatile("wrgsbase %0" : : "r"(base) : "memory"); }

std::uint64_t read() {
  std::uint64_t base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return base;
}

/* Switches of threads that a trial is to see on one processor. */
constexpr int kRounds = 64;

/*
 * Two threads on one processor take turns and look at their bases each time: one that is neither what the thread has set nor what the kernel
 * was told has been lost to a place that nobody knows.
 */
bool survivesSwitches() {
  std::atomic<int> turn{0};
  std::atomic<bool> isGood{true};
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
    if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
  }
  const auto play = [&](int who) {
    if (sched_setaffinity(0, sizeof one, &one) != 0) isGood = false;
    const std::uint64_t told = lost + (static_cast<std::uint64_t>(who) << 12);
    const std::uint64_t mine = told + (1ull << 20);
    if (tellKernel(told) != 0) isGood = false;
    for (int round = who; round < kRounds; round += 2) {
      write(mine);
      while (turn < round) {
        const std::uint64_t base = read();
        if (base != mine && base != told) isGood = false;
        write(mine);
        sched_yield();
      }
      turn = round + 1;
    }
  };
  std::thread first(play, 0);
  std::thread second(play, 1);
  first.join();
  second.join();
  return isGood;
}

GsWay find() {
  if ((getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0) return GsWay::Announced;
  if (installFaultHandlers() != 0 || romulusGsTrial() == 0) return GsWay::SystemCall;
  lost = reinterpret_cast<std::uint64_t>(windowReserve());
  return lost != 0 && survivesSwitches() ? GsWay::Unannounced : GsWay::SystemCall;
}

}  // namespace

GsWay gsWay() {
  static const GsWay found = find();
  return found;
}

int gsOpen() {
  if (opens == 0) {
    way = gsWay();
    const int error = way == GsWay::Unannounced ? tellKernel(lost) : 0;
    if (error != 0) return error;
  }
  opens++;
  return 0;
}

void gsClose() {
  if (--opens != 0) return;
  present = 0;
  tellKernel(0);
}

void gsSet(std::uint64_t base) {
  /* Unannounced, it may have been lost since. */
  if (base == present && way.load(std::memory_order_relaxed) != GsWay::Unannounced) return;
  present = base;
  if (way.load(std::memory_order_relaxed) == GsWay::SystemCall) {
    tellKernel(base);
  } else {
    write(base);
  }
}

bool gsIsLost(std::uint64_t address) {
  return lost != 0 && address - (lost - kWindowGuardBytes) < kWindowBytes + 2 * kWindowGuardBytes;
}

std::uint64_t gsTrialEnd(std::uint64_t rip) {
  return rip == reinterpret_cast<std::uint64_t>(romulusGsTrialAt) ? reinterpret_cast<std::uint64_t>(romulusGsTrialEnd) : 0;
}

}  // namespace romulus
