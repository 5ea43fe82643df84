/* See fpuPointers.cc. */
#ifndef ROMULUS_FPU_POINTERS_H
#define ROMULUS_FPU_POINTERS_H

#include <cstdint>

#include "translator.h"

namespace romulus {

struct FpuPointers {
  std::uint32_t fip;
  std::uint16_t fcs, reserved;
  std::uint32_t fdp;
  std::uint16_t fds, reserved2;
};

/* What the guest's image holds. */
FpuPointers fpuPointers(const Translator &translator);

/* Makes host addresses the guest's, if translated code has left any. @param before what was there when it was entered */
void bringFpuPointers(Translator &translator, const FpuPointers &before);

}  // namespace romulus

#endif
