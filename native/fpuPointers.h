/* See fpuPointers.cc. */
#ifndef ROMULUS_FPU_POINTERS_H
#define ROMULUS_FPU_POINTERS_H

#include "fxImage.h"
#include "translator.h"

namespace romulus {

/* What the guest's image holds. */
FpuPointers fpuPointers(const Translator &translator);

/* Makes host addresses the guest's, if translated code has left any. @param before what was there when it was entered */
void bringFpuPointers(Translator &translator, const FpuPointers &before);

}  // namespace romulus

#endif
