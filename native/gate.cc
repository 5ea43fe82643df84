/*
 * Interrupt and trap gates to CPL 0, the plain case of src/vcpu/deliver.ts: flat segments, a stack in one page, nothing that faults.
 * (SDM 3A, "Exception- or Interrupt-Handler Procedures"; SDM 2, "INT n", Operation)
 * Read before: machine.h. Read after: shortcut.cc, reflect.cc.
 */
#include "gate.h"

namespace romulus {
namespace {

/* Bits of a gate's upper half: present, a system descriptor, of type 14 (interrupt) or 15 (trap), whose bit 8 tells them apart. */
constexpr std::uint32_t kGateMask = 0x9e00;
constexpr std::uint32_t kGate32 = 0x8e00;
constexpr std::uint32_t kTrapGate = 0x100;
constexpr std::uint32_t kAccessTss32 = 8;
/* SS0 of a 32-bit TSS ends at this offset, ESP0 begins at the other (SDM 3A, "32-Bit Task-State Segment"). */
constexpr std::uint32_t kTssStack = 4;
constexpr std::uint32_t kTssStackLast = 11;

/* Words of the frames: EIP, CS, EFLAGS, and ESP and SS of the outer level. An error code comes on top. */
constexpr std::uint32_t kInnerFrameBytes = 12;
constexpr std::uint32_t kOuterFrameBytes = 20;
constexpr std::uint32_t kErrorCodeBytes = 4;

struct Stack {
  std::uint32_t esp;
  std::uint32_t selector;
  std::uint32_t low;
  std::uint32_t high;
};

/* The stack for CPL 0 that the TSS names. */
bool innerStack(const Machine &machine, Stack *stack) {
  if ((machine.segmentField(segment::Tr, segment_word::Access) & kAccessTss32) == 0) return false;
  if (machine.segmentField(segment::Tr, segment_word::Limit) < kTssStackLast) return false;
  const char *inner = machine.reach(machine.segmentField(segment::Tr, segment_word::Base) + kTssStack, 8, false, false);
  if (inner == nullptr) return false;
  stack->esp = Machine::load(inner);
  stack->selector = Machine::load(inner + 4) & 0xffff;
  if ((stack->selector & 3) != 0 || !machine.descriptor(stack->selector, &stack->low, &stack->high)) return false;
  return isPlainStack(stack->low, stack->high, 0);
}

}  // namespace

bool enterGate(Machine &machine, const Event &event) {
  const std::uint32_t cpl = machine.get(word::Cpl);
  if (cpl != 0 && (cpl != 3 || machine.translator().twin < 0)) return false;
  if (event.vector * 8 + 7 > machine.get(word::IdtrLimit)) return false;
  const char *entry = machine.reach(machine.get(word::IdtrBase) + event.vector * 8, 8, false, false);
  if (entry == nullptr) return false;
  const std::uint32_t gateLow = Machine::load(entry);
  const std::uint32_t gateHigh = Machine::load(entry + 4);
  if ((gateHigh & kGateMask) != kGate32) return false;
  if (event.isSoftware && ((gateHigh >> 13) & 3) < cpl) return false;
  const std::uint32_t selector = gateLow >> 16;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  if (!machine.descriptor(selector, &low, &high) || !isPlainCode(low, high, 0)) return false;

  Stack stack{machine.get(word::Esp), 0, 0, 0};
  if (cpl == 3 && !innerStack(machine, &stack)) return false;
  const std::uint32_t errorBytes = event.isSoftware ? 0 : kErrorCodeBytes;
  const std::uint32_t frameBytes = (cpl == 3 ? kOuterFrameBytes : kInnerFrameBytes) + errorBytes;
  char *frame = machine.reach(stack.esp - frameBytes, frameBytes, true, false);
  if (frame == nullptr) return false;

  const std::uint32_t eflags = machine.get(word::Eflags);
  const std::uint32_t image = eflags | eflag::AlwaysOne | (machine.get(word::InterruptFlag) != 0 ? eflag::If : 0) |
                              (event.isSoftware ? 0 : eflag::Rf);
  char *saved = frame + errorBytes;
  if (!event.isSoftware) Machine::store(frame, event.errorCode);
  Machine::store(saved, event.eip);
  Machine::store(saved + 4, machine.segmentField(segment::Cs, segment_word::Selector));
  Machine::store(saved + 8, image);
  if (cpl == 3) {
    Machine::store(saved + 12, machine.get(word::Esp));
    Machine::store(saved + 16, machine.segmentField(segment::Ss, segment_word::Selector));
    machine.setSegment(segment::Ss, stack.selector, stack.low, stack.high);
    machine.set(word::Cpl, 0);
    windowSwap(machine.translator());
  }
  machine.setSegment(segment::Cs, selector & ~3u, low, high);
  machine.set(word::Esp, stack.esp - frameBytes);
  machine.set(word::Eflags, eflags & ~(eflag::Tf | eflag::Nt | eflag::Rf | eflag::Vm));
  if ((gateHigh & kTrapGate) == 0) machine.set(word::InterruptFlag, 0);
  machine.set(word::NextEip, (gateHigh & 0xffff0000) | (gateLow & 0xffff));
  return true;
}

}  // namespace romulus
