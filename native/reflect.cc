/*
 * Page faults of the guest's own, handed straight to the guest's handler: the walker next to the world switch that lguest's authors left as
 * an idea. The fault handler has found that the page tables do not allow the access and has left translated code; here CR2, the error
 * code and the frame are put in place, and the guest goes on at its handler without JavaScript having heard of it. What is not plain
 * (gate.cc says what that is) and every fault under a strategy that has to be told of IF goes the old way, through
 * src/translator/engine.ts, unchanged.
 *
 * Runs on the vCPU's thread, outside of signal handlers, with the state block complete. Read before: fault.cc, gate.cc.
 */
#include "gate.h"

namespace romulus {
namespace {

/* Words of an entry in the side table. */
constexpr std::uint32_t kSideWords = 3;

}  // namespace

/* The entry of the guest instruction that a host instruction is part of; src/translator/sideTable.ts is the twin and says what it holds. */
const std::int32_t *sideEntry(const Translator &translator, std::uint32_t offset) {
  const std::int32_t *entries = translator.side + 1;
  std::uint32_t low = 0;
  auto high = static_cast<std::uint32_t>(translator.side[0]);
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (static_cast<std::uint32_t>(entries[kSideWords * middle]) <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? nullptr : entries + kSideWords * (low - 1);
}

void locateFault(Translator &translator) {
  Machine machine(translator);
  const std::int32_t *entry = sideEntry(translator, machine.get(word::FaultOffset));
  if (entry == nullptr) return;
  machine.set(word::NextEip, static_cast<std::uint32_t>(entry[1]));
  machine.set(word::Esp, machine.get(word::Esp) + static_cast<std::uint32_t>(entry[2]));
}

bool reflectFault(Translator &translator) {
  Machine machine(translator);
  if (machine.get(word::ReflectFaults) == 0) return false;
  if (machine.get(word::Strategy) != static_cast<std::uint32_t>(strategy::VirtualMask)) return false;
  const std::uint32_t eip = machine.get(word::NextEip);
  const bool user = machine.user();
  if (!enterGate(machine, Event{machine.get(word::FaultVector), eip, false, machine.get(word::FaultError)})) return false;
  machine.set(word::Cr2, machine.get(word::FaultLinear));
  if (user) {
    translator.hasFaulted = true;
    translator.faultEip = eip;
  }
  addOwn64(translator.state, word::Reflections, 1);
  return true;
}

}  // namespace romulus
