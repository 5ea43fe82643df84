/*
 * SYSENTER and SYSEXIT, as in src/vcpu/transfer.ts: they load fixed flat segments whatever the descriptor tables say, so that there is
 * nothing about them that is not plain but the privilege. (SDM 2, "SYSENTER", "SYSEXIT", Operation)
 * Read before: machine.h. Read after: timeStamp.cc.
 */
#include "sysenter.h"

namespace romulus {
namespace {

/* Upper words of flat 4 GiB descriptors: present, accessed, 32-bit; the privilege comes on top. */
constexpr std::uint32_t kFlatLow = 0x0000ffff;
constexpr std::uint32_t kFlatCode = 0x00cf9b00;
constexpr std::uint32_t kFlatData = 0x00cf9300;
constexpr std::uint32_t kDpl3 = 3 << 13;

constexpr std::uint32_t kProtectionEnable = 1;

/* The selector in IA32_SYSENTER_CS, from which the other three follow; 0 = the instructions fault. */
std::uint32_t baseSelector(const Machine &machine) {
  if ((machine.get(word::Cr0) & kProtectionEnable) == 0 || machine.translator().twin < 0) return 0;
  return machine.get(word::SysenterCs) & 0xfffc;
}

}  // namespace

bool sysenter(Machine &machine) {
  const std::uint32_t selector = baseSelector(machine);
  if (selector == 0 || machine.get(word::Cpl) != 3) return false;
  machine.setSegment(segment::Cs, selector, kFlatLow, kFlatCode);
  machine.setSegment(segment::Ss, selector + 8, kFlatLow, kFlatData);
  machine.set(word::InterruptFlag, 0);
  machine.set(word::Esp, machine.get(word::SysenterEsp));
  machine.set(word::NextEip, machine.get(word::SysenterEip));
  machine.set(word::Cpl, 0);
  windowSwap(machine.translator());
  return true;
}

bool sysexit(Machine &machine) {
  const std::uint32_t selector = baseSelector(machine);
  if (selector == 0 || machine.get(word::Cpl) != 0) return false;
  machine.setSegment(segment::Cs, (selector + 16) | 3, kFlatLow, kFlatCode | kDpl3);
  machine.setSegment(segment::Ss, (selector + 24) | 3, kFlatLow, kFlatData | kDpl3);
  machine.set(word::Esp, machine.get(word::Ecx));
  machine.set(word::NextEip, machine.get(word::Edx));
  machine.set(word::Cpl, 3);
  windowSwap(machine.translator());
  return true;
}

}  // namespace romulus
