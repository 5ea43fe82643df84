/*
 * Floating point on the host's FPU: runs small pieces of code ("stubs") that TypeScript has written, each of which loads operands from
 * a vCPU's state block, executes one guest instruction and stores what came out (src/interp/fpuStub.ts says how).
 *
 * The code lies in a memory of memory.h that is mapped twice: writable for JavaScript, executable here, never both in one mapping.
 * Read before: memory.h, layout.h. Read after: fpu.cc.
 */
#ifndef ROMULUS_FPU_H
#define ROMULUS_FPU_H

#include <cstddef>
#include <cstdint>

#include "layout.h"
#include "memory.h"

namespace romulus {

/* One state block with its stubs. Owned by the JavaScript function that runs them. */
struct Fpu {
  /* References; null once closed. `stateMemory` stays null when the state block is not one of memory.h but a JavaScript buffer. */
  Memory *codeMemory = nullptr;
  Memory *stateMemory = nullptr;
  /* First byte of the state block; its owner keeps it mapped. */
  void *state = nullptr;
  /* Executable mapping of `codeMemory`; null once closed. */
  const unsigned char *code = nullptr;
  /* Size of the code less 1. The size is a power of two, so that any 32-bit number can be made an offset into the code. */
  std::uint32_t offsetMask = 0;
};

/*
 * Maps the code for execution. Takes over the caller's references when it succeeds. Returns null and a negative errno in `error`:
 * -EPERM or -EACCES where the host forbids executable mappings of a memfd.
 */
Fpu *fpuOpen(Memory *codeMemory, Memory *stateMemory, void *state, int *error);

/* Unmaps the code and drops the references. May be called twice. */
void fpuClose(Fpu *fpu);

/* Runs the stub whose offset stands in the state block's word FpuStub. Does nothing once closed. */
inline void fpuRun(const Fpu *fpu) {
  if (fpu->code == nullptr) return;
  const auto offset = *reinterpret_cast<const std::uint32_t *>(static_cast<const char *>(fpu->state) + word::FpuStub);
  reinterpret_cast<void (*)(void *)>(reinterpret_cast<std::uintptr_t>(fpu->code + (offset & fpu->offsetMask)))(fpu->state);
}

}  // namespace romulus

#endif
