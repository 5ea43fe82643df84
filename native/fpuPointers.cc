/*
 * The FPU's own record of where it was: FIP, FDP and their selectors in the FXSAVE image (SDM 1, "x87 FPU Instruction and Data (Operand)
 * Pointers"). After translated code the host has left its own there, an address in the code buffer, which is no business of the guest's.
 *
 * Deviation: FOP keeps the host's ModR/M byte, which differs for an absolute address. Processors that record pointers only with an exception
 * pending (AMD) leave zeros otherwise.
 *
 * Runs on the vCPU's thread right after an exit, with the state block complete. Read before: translator.h. Read after: translator.cc.
 */
#include "fpuPointers.h"

#include <cstddef>
#include <cstring>

#include "machine.h"

namespace romulus {
namespace {

/* From the start of the state block. */
constexpr std::size_t kPointersOffset = word::Fxsave + offsetof(FxImage, pointers);

}  // namespace

FpuPointers fpuPointers(const Translator &translator) {
  FpuPointers pointers;
  std::memcpy(&pointers, static_cast<const char *>(translator.state) + kPointersOffset, sizeof pointers);
  return pointers;
}

void bringFpuPointers(Translator &translator, const FpuPointers &before) {
  FpuPointers now = fpuPointers(translator);
  if (now.fip == before.fip && now.fcs == before.fcs) return;
  Machine machine(translator);
  const auto base = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(translator.code));
  const std::int32_t *entry = now.fip - base < translator.codeBytes ? sideEntry(translator, now.fip - base) : nullptr;
  if (entry == nullptr) {
    now = {};
  } else {
    const bool hasOperand = now.fdp != before.fdp;
    now.fip = static_cast<std::uint32_t>(entry[1]);
    now.fcs = static_cast<std::uint16_t>(machine.segmentField(segment::Cs, segment_word::Selector));
    now.fds = hasOperand ? static_cast<std::uint16_t>(machine.segmentField(segment::Ds, segment_word::Selector)) : before.fds;
  }
  std::memcpy(static_cast<char *>(translator.state) + kPointersOffset, &now, sizeof now);
}

}  // namespace romulus
