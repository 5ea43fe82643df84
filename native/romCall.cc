/*
 * The ROM calls that kernels make at every page fault and process switch, made without leaving for JavaScript: SetPxE, UpdatePxE, InvalPage,
 * UpdateKernelStack and GetCycleCounter. src/rom/mmu.ts, segment.ts and time.ts say what they mean. What they change is known to the windows at once; the software
 * TLB of the interpreter and what else TypeScript keeps learns of it at the next exit (`Word.FlushedPages`), before it is used.
 *
 * Runs on the vCPU's thread, outside of signal handlers, with the state block complete. Read before: machine.h, revalidate.cc.
 */
#include "romCall.h"

#include "timeStamp.h"

namespace romulus {
namespace {

/* The flags of SetPxE and UpdatePxE tell the address of the page in bits 12 to 31. */
constexpr std::uint32_t kCurrentAs = 0x10;
constexpr std::uint32_t kLinearMask = ~0xfffu;
constexpr std::uint32_t kEntryBytes = 4;
constexpr std::uint32_t kPresent = 1;

/* GetCycleCounter: real and available count alike, all others read 0. */
constexpr std::uint32_t kCounters = 2;

constexpr std::uint32_t kAccessTss32 = 8;
constexpr std::uint32_t kTssEsp0 = 4;

/* Linear pages to regions of 4 MiB, which one entry may map and INVLPG drops as one. */
constexpr unsigned kRegionShift = 10;

/* Whether a change of this page may be handled here: there is room to remember it, and no translated ROM call rests on it. */
bool mayDrop(const Machine &machine, std::uint32_t linear) {
  const std::uint32_t region = linear >> 12 >> kRegionShift;
  const std::uint32_t last = machine.get(word::RomCallLast);
  if (last != 0 && region >= machine.get(word::RomCallFirst) >> kRegionShift && region <= last >> kRegionShift) return false;
  return machine.get(word::FlushCount) < kFlushedPages;
}

void drop(Machine &machine, std::uint32_t linear) {
  const std::uint32_t count = machine.get(word::FlushCount);
  machine.set(word::FlushedPages + count * 4, linear);
  machine.set(word::FlushCount, count + 1);
  windowsInvalidatePage(machine.translator(), linear);
}

/* The page-table entry for the flags' address has changed, or is about to. */
bool mayChange(const Machine &machine, std::uint32_t flags) {
  return (flags & kCurrentAs) == 0 || mayDrop(machine, flags & kLinearMask);
}

void changed(Machine &machine, std::uint32_t flags) {
  if ((flags & kCurrentAs) != 0) {
    drop(machine, flags & kLinearMask);
  } else {
    machine.set(word::TableChanges, machine.get(word::TableChanges) + 1);
  }
}

bool setPxe(Machine &machine) {
  const std::uint32_t flags = machine.get(word::Ecx);
  if (!mayChange(machine, flags)) return false;
  char *entry = machine.reach(machine.get(word::Edx), kEntryBytes, true, false);
  if (entry == nullptr) return false;
  const std::uint32_t old = Machine::load(entry);
  Machine::store(entry, machine.get(word::Eax));
  /* What was absent is in no window. */
  if ((old & kPresent) != 0) changed(machine, flags);
  return true;
}

bool updatePxe(Machine &machine) {
  const std::uint32_t flags = machine.get(word::Edx);
  if (!mayChange(machine, flags)) return false;
  changed(machine, flags);
  return true;
}

bool updateKernelStack(Machine &machine) {
  if ((machine.segmentField(segment::Tr, segment_word::Selector) & ~3u) == 0) return false;
  if ((machine.segmentField(segment::Tr, segment_word::Access) & kAccessTss32) == 0) return false;
  char *esp0 = machine.reach(machine.segmentField(segment::Tr, segment_word::Base) + kTssEsp0, 4, true, false);
  if (esp0 == nullptr) return false;
  Machine::store(esp0, machine.get(word::Edx));
  return true;
}

bool getCycleCounter(Machine &machine) {
  std::uint64_t count = 0;
  if (!cycles(machine, &count)) return false;
  setResult(machine, machine.get(word::Eax) < kCounters ? count : 0);
  return true;
}

bool make(Machine &machine, std::uint32_t number) {
  switch (number) {
    case rom::SetPxECall:
      return setPxe(machine);
    case rom::UpdatePxECall:
      return updatePxe(machine);
    case rom::InvalPageCall:
      return invalidatePage(machine, machine.get(word::Eax));
    case rom::UpdateKernelStackCall:
      return updateKernelStack(machine);
    case rom::GetCycleCounterCall:
      return getCycleCounter(machine);
    default:
      return false;
  }
}

}  // namespace

bool invalidatePage(Machine &machine, std::uint32_t linear) {
  if (!mayDrop(machine, linear)) return false;
  drop(machine, linear);
  return true;
}

bool romCall(Machine &machine, std::uint32_t number) {
  if (!make(machine, number)) return false;
  addOwn64(machine.state(), word::RomCalls + number * 8, 1);
  return true;
}

}  // namespace romulus
