/*
 * Mapping the stubs' code for execution, and giving it back. Read before: fpu.h.
 */
#include "fpu.h"

#include <cerrno>
#include <new>
#include <sys/mman.h>

namespace romulus {

Fpu *fpuOpen(Memory *codeMemory, Memory *stateMemory, void *state, int *error) {
  Fpu *fpu = new (std::nothrow) Fpu;
  if (fpu == nullptr) {
    *error = -ENOMEM;
    return nullptr;
  }
  void *code = mmap(nullptr, codeMemory->sizeBytes, PROT_READ | PROT_EXEC, MAP_SHARED, codeMemory->fd, 0);
  if (code == MAP_FAILED) {
    *error = -errno;
    delete fpu;
    return nullptr;
  }
  fpu->codeMemory = codeMemory;
  fpu->stateMemory = stateMemory;
  fpu->state = state;
  fpu->code = static_cast<const unsigned char *>(code);
  fpu->offsetMask = static_cast<std::uint32_t>(codeMemory->sizeBytes - 1);
  return fpu;
}

void fpuClose(Fpu *fpu) {
  if (fpu->code == nullptr) return;
  munmap(const_cast<unsigned char *>(fpu->code), fpu->codeMemory->sizeBytes);
  fpu->code = nullptr;
  memoryDrop(fpu->codeMemory);
  if (fpu->stateMemory != nullptr) memoryDrop(fpu->stateMemory);
}

}  // namespace romulus
