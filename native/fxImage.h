/*
 * The image of FXSAVE outside of 64-bit mode, as far as a 32-bit program has it. (SDM 1, "FXSAVE Area")
 */
#ifndef ROMULUS_FX_IMAGE_H
#define ROMULUS_FX_IMAGE_H

#include <cstdint>

namespace romulus {

/* Where the last x87 instruction and its operand were. */
struct FpuPointers {
  std::uint32_t fip;
  std::uint16_t fcs, reserved;
  std::uint32_t fdp;
  std::uint16_t fds, reserved2;
};

struct FxImage {
  std::uint16_t fcw, fsw;
  std::uint8_t ftw, reserved;
  std::uint16_t fop;
  FpuPointers pointers;
  std::uint32_t mxcsr, mxcsrMask;
  struct {
    std::uint16_t value[5], reserved[3];
  } st[8];
  std::uint8_t xmm[8][16];
};
static_assert(sizeof(FxImage) == 288, "layout of FXSAVE");

}  // namespace romulus

#endif
