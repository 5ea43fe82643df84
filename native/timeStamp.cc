/*
 * The clock: RDTSC as in src/vcpu/msr.ts, and what the ROM's cycle counter shares with it. Read before: machine.h. Read after: romCall.cc.
 */
#include "timeStamp.h"

#include <ctime>

namespace romulus {
namespace {

constexpr std::int64_t kNsPerSecond = 1000000000;
/* CR4.TSD: RDTSC is for CPL 0 only (SDM 3A, "Control Registers"). */
constexpr std::uint32_t kTimeStampDisable = 1 << 2;

}  // namespace

bool cycles(Machine &machine, std::uint64_t *count) {
  const std::uint64_t start = *word64(machine.state(), word::ClockStart);
  if (start == 0) return false;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  *count = static_cast<std::uint64_t>(now.tv_sec * kNsPerSecond + now.tv_nsec) - start;
  return true;
}

void setResult(Machine &machine, std::uint64_t value) {
  machine.set(word::Eax, static_cast<std::uint32_t>(value));
  machine.set(word::Edx, static_cast<std::uint32_t>(value >> 32));
}

bool readTimeStamp(Machine &machine, std::uint32_t nextEip) {
  if ((machine.get(word::Cr4) & kTimeStampDisable) != 0 && machine.get(word::Cpl) != 0) return false;
  std::uint64_t count = 0;
  if (!cycles(machine, &count)) return false;
  setResult(machine, count + *word64(machine.state(), word::TscOffset));
  machine.set(word::NextEip, nextEip);
  return true;
}

}  // namespace romulus
