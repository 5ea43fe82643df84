/* See gate.cc. Read before: machine.h. */
#ifndef ROMULUS_GATE_H
#define ROMULUS_GATE_H

#include <cstdint>

#include "machine.h"

namespace romulus {

/* What enters a handler: INT n, or a fault with an error code. */
struct Event {
  std::uint32_t vector;
  /* EIP to save: that behind INT n, that of the instruction that faulted. */
  std::uint32_t eip;
  /* INT n: the gate's DPL counts. A fault: EFLAGS are saved with RF set, and the error code comes last. */
  bool isSoftware;
  std::uint32_t errorCode;
};

/*
 * Enters the handler at CPL 0 behind a 32-bit interrupt or trap gate. Returns false with nothing changed where anything about it is not
 * plain: it is for src/vcpu/deliver.ts then.
 */
bool enterGate(Machine &machine, const Event &event);

}  // namespace romulus

#endif
