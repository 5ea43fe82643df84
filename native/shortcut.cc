/*
 * The instructions that every system call and page fault of a guest needs and that translated code leaves to the interpreter: INT n into
 * a handler at CPL 0, IRET (also as the ROM's call), and loads of ES, DS, FS and GS. Leaving for JavaScript and coming back costs more
 * than all of them together, so the plain case of each is done here: flat 32-bit segments in the GDT that are present and marked
 * accessed, frames within one page, nothing that faults. Whatever is not plain is left alone, unchanged, for the interpreter, which is the
 * meaning of these instructions (src/vcpu/deliver.ts, transfer.ts, segments.ts).
 *
 * Runs on the vCPU's thread, outside of signal handlers, with the state block complete. Read before: translator.h, walk.cc.
 */
#include <initializer_list>

#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

constexpr std::uint32_t kTf = 0x100;
constexpr std::uint32_t kIf = 0x200;
constexpr std::uint32_t kNt = 0x4000;
constexpr std::uint32_t kRf = 0x10000;
constexpr std::uint32_t kVm = 0x20000;
constexpr std::uint32_t kAc = 0x40000;
/* What IRET at CPL 0 takes from the frame: all but VM, and RF, which only breakpoints need. */
constexpr std::uint32_t kIretFlags = 0x3c7ed5;

/* Segment numbers as in src/x86/instruction.ts. */
constexpr unsigned kEs = 0, kCs = 1, kSs = 2, kDs = 3, kFs = 4, kGs = 5, kTr = 7;

constexpr std::uint32_t kAccessPresent = 0x80;
constexpr std::uint32_t kAccessTss32 = 8;

class Machine {
 public:
  explicit Machine(Translator &translator) : _translator(translator), _state(translator.state) {}

  std::uint32_t get(std::size_t word) const { return static_cast<std::uint32_t>(*word32(_state, word)); }
  void set(std::size_t word, std::uint32_t value) { *word32(_state, word) = static_cast<std::int32_t>(value); }

  std::uint32_t segment(unsigned number, std::size_t field) const {
    return get(word::Segments + number * 16 + field);
  }

  bool user() const { return get(word::Cpl) == 3; }

  /* Memory at a linear address, for `bytes` within one page; null where the access is not plain. */
  char *reach(std::uint32_t linear, std::uint32_t bytes, bool write, bool asUser) const {
    if ((linear & 0xfff) + bytes > kPageBytes) return nullptr;
    Walk found{};
    std::uint32_t error = 0;
    if (walk(_translator, linear, write, asUser, true, &found, &error) != WalkResult::Ok) return nullptr;
    const std::uint8_t direct = _translator.direct[found.frame >> 12];
    if ((direct & (write ? direct::Write : direct::Read)) == 0) return nullptr;
    return static_cast<char *>(_translator.ram->host) + (found.frame | (linear & 0xfff));
  }

  bool physOf(std::uint32_t linear, std::uint32_t *phys) const {
    Walk found{};
    std::uint32_t error = 0;
    if (walk(_translator, linear, false, user(), true, &found, &error) != WalkResult::Ok) return false;
    *phys = found.frame | (linear & 0xfff);
    return true;
  }

  /* A descriptor of the GDT; false for null and LDT selectors and outside the table. */
  bool descriptor(std::uint32_t selector, std::uint32_t *low, std::uint32_t *high) const {
    const std::uint32_t offset = selector & 0xfff8;
    if ((selector & 4) != 0 || offset == 0 || offset + 7 > get(word::GdtrLimit)) return false;
    const char *entry = reach(get(word::GdtrBase) + offset, 8, false, false);
    if (entry == nullptr) return false;
    *low = load(entry);
    *high = load(entry + 4);
    return true;
  }

  static std::uint32_t load(const char *at) {
    std::uint32_t value;
    __builtin_memcpy(&value, at, 4);
    return value;
  }

  static void store(char *at, std::uint32_t value) { __builtin_memcpy(at, &value, 4); }

  void setSegment(unsigned number, std::uint32_t selector, std::uint32_t low, std::uint32_t high) {
    const std::size_t at = word::Segments + number * 16;
    set(at + segment_word::Selector, selector & 0xffff);
    set(at + segment_word::Base, baseOf(low, high));
    set(at + segment_word::Limit, limitOf(low, high));
    set(at + segment_word::Access, (high >> 8) & 0xf0ff);
    set(word::XlateRefresh, 1);
  }

  static std::uint32_t baseOf(std::uint32_t low, std::uint32_t high) {
    return (low >> 16) | ((high & 0xff) << 16) | (high & 0xff000000);
  }

  static std::uint32_t limitOf(std::uint32_t low, std::uint32_t high) {
    const std::uint32_t raw = (low & 0xffff) | (high & 0xf0000);
    return (high & 0x800000) != 0 ? (raw << 12) | 0xfff : raw;
  }

  static bool isFlat(std::uint32_t low, std::uint32_t high) { return baseOf(low, high) == 0 && limitOf(low, high) == 0xffffffff; }

  Translator &translator() { return _translator; }
  void *state() { return _state; }

 private:
  Translator &_translator;
  void *_state;
};

/* Present, accessed, 32-bit, flat code of this privilege, not conforming. */
bool isPlainCode(std::uint32_t low, std::uint32_t high, std::uint32_t dpl) {
  return (high & 0x409d00) == 0x409900 && ((high >> 13) & 3) == dpl && Machine::isFlat(low, high);
}

/* Present, accessed, writable, flat data of this privilege, expand-up, 32-bit. */
bool isPlainStack(std::uint32_t low, std::uint32_t high, std::uint32_t dpl) {
  return (high & 0x409f00) == 0x409300 && ((high >> 13) & 3) == dpl && Machine::isFlat(low, high);
}

/* INT n through a 32-bit interrupt or trap gate. */
bool interrupt(Machine &machine, std::uint32_t vector, std::uint32_t returnEip) {
  const std::uint32_t cpl = machine.get(word::Cpl);
  if (vector * 8 + 7 > machine.get(word::IdtrLimit)) return false;
  const char *entry = machine.reach(machine.get(word::IdtrBase) + vector * 8, 8, false, false);
  if (entry == nullptr) return false;
  const std::uint32_t gateLow = Machine::load(entry);
  const std::uint32_t gateHigh = Machine::load(entry + 4);
  /* Present, a system descriptor, of type 14 or 15. */
  if ((gateHigh & 0x9e00) != 0x8e00 || ((gateHigh >> 13) & 3) < cpl) return false;
  const std::uint32_t selector = gateLow >> 16;
  const std::uint32_t eip = (gateHigh & 0xffff0000) | (gateLow & 0xffff);
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  if (!machine.descriptor(selector, &low, &high) || !isPlainCode(low, high, 0)) return false;

  const std::uint32_t image = machine.get(word::Eflags) | 2 | (machine.get(word::InterruptFlag) != 0 ? kIf : 0);
  const std::uint32_t cs = machine.segment(kCs, segment_word::Selector);
  std::uint32_t esp = machine.get(word::Esp);
  if (cpl == 3) {
    if (machine.translator().twin < 0) return false;
    const std::uint32_t tss = machine.segment(kTr, segment_word::Base);
    if ((machine.segment(kTr, segment_word::Access) & kAccessTss32) == 0) return false;
    if (machine.segment(kTr, segment_word::Limit) < 11) return false;
    const char *inner = machine.reach(tss + 4, 8, false, false);
    if (inner == nullptr) return false;
    const std::uint32_t innerEsp = Machine::load(inner);
    const std::uint32_t innerSs = Machine::load(inner + 4) & 0xffff;
    std::uint32_t stackLow = 0;
    std::uint32_t stackHigh = 0;
    if ((innerSs & 3) != 0 || !machine.descriptor(innerSs, &stackLow, &stackHigh)) return false;
    if (!isPlainStack(stackLow, stackHigh, 0)) return false;
    char *frame = machine.reach(innerEsp - 20, 20, true, false);
    if (frame == nullptr) return false;
    Machine::store(frame, returnEip);
    Machine::store(frame + 4, cs);
    Machine::store(frame + 8, image);
    Machine::store(frame + 12, esp);
    Machine::store(frame + 16, machine.segment(kSs, segment_word::Selector));
    esp = innerEsp - 20;
    machine.setSegment(kSs, innerSs, stackLow, stackHigh);
    machine.set(word::Cpl, 0);
    windowSwap(machine.translator());
  } else {
    if (cpl != 0) return false;
    char *frame = machine.reach(esp - 12, 12, true, false);
    if (frame == nullptr) return false;
    Machine::store(frame, returnEip);
    Machine::store(frame + 4, cs);
    Machine::store(frame + 8, image);
    esp -= 12;
  }
  machine.setSegment(kCs, selector & ~3u, low, high);
  machine.set(word::Esp, esp);
  machine.set(word::Eflags, machine.get(word::Eflags) & ~(kTf | kNt | kRf | kVm));
  if ((gateHigh & 0x100) == 0) machine.set(word::InterruptFlag, 0);
  machine.set(word::NextEip, eip);
  return true;
}

/*
 * The way back from a page fault to the instruction that faulted: the page it wants is put into the window now, which saves the
 * signal. If the guest has not made it present, that is for the instruction to find out.
 */
void mapAhead(Machine &machine, std::uint32_t eip) {
  Translator &translator = machine.translator();
  if (!translator.hasFaulted || translator.faultEip != eip) return;
  translator.hasFaulted = false;
  std::uint32_t error = 0;
  const bool write = (machine.get(word::FaultError) & 2) != 0;
  windowMap(translator, machine.get(word::FaultLinear), write, true, &error);
}

/* IRET from CPL 0 to CPL 0 or 3. */
bool interruptReturn(Machine &machine) {
  if (machine.get(word::Cpl) != 0 || machine.get(word::NmiBlocked) != 0) return false;
  const std::uint32_t eflags = machine.get(word::Eflags);
  if ((eflags & (kNt | kVm)) != 0) return false;
  const std::uint32_t esp = machine.get(word::Esp);
  const char *frame = machine.reach(esp, 12, false, false);
  if (frame == nullptr) return false;
  const std::uint32_t eip = Machine::load(frame);
  const std::uint32_t selector = Machine::load(frame + 4) & 0xffff;
  const std::uint32_t image = Machine::load(frame + 8);
  if ((image & (kTf | kVm | kAc)) != 0) return false;
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  const std::uint32_t level = selector & 3;
  if (level != 0 && level != 3) return false;
  if (!machine.descriptor(selector, &low, &high) || !isPlainCode(low, high, level)) return false;
  if (level == 3) {
    if (machine.translator().twin < 0) return false;
    frame = machine.reach(esp, 20, false, false);
    if (frame == nullptr) return false;
    const std::uint32_t stackSelector = Machine::load(frame + 16) & 0xffff;
    std::uint32_t stackLow = 0;
    std::uint32_t stackHigh = 0;
    if ((stackSelector & 3) != 3 || !machine.descriptor(stackSelector, &stackLow, &stackHigh)) return false;
    if (!isPlainStack(stackLow, stackHigh, 3)) return false;
    /* Segments that the outer level may not keep would have to be emptied. */
    for (const unsigned number : {kEs, kDs, kFs, kGs}) {
      const std::uint32_t access = machine.segment(number, segment_word::Access);
      if ((access & kAccessPresent) != 0 && ((access >> 5) & 3) != 3) return false;
    }
    machine.set(word::Esp, Machine::load(frame + 12));
    machine.setSegment(kSs, stackSelector, stackLow, stackHigh);
    machine.set(word::Cpl, 3);
    windowSwap(machine.translator());
  } else {
    machine.set(word::Esp, esp + 12);
  }
  machine.setSegment(kCs, selector, low, high);
  machine.set(word::Eflags, (eflags & ~(kIretFlags | kRf | kIf)) | (image & (kIretFlags & ~kIf)) | 2);
  machine.set(word::NextEip, eip);
  if (level == 3) mapAhead(machine, eip);
  const bool enabled = (image & kIf) != 0;
  const bool turnsOn = enabled && machine.get(word::InterruptFlag) == 0;
  machine.set(word::InterruptFlag, enabled ? 1 : 0);
  if (turnsOn) {
    const std::int32_t lines = load32(machine.state(), word::PicIrr) | load32(machine.state(), word::PicLevels);
    if ((lines & load32(machine.state(), word::PicOpen)) != 0) or32(machine.state(), word::Attention, attention::Interrupt);
  }
  return true;
}

/* MOV and POP to ES, DS, FS, GS. Translated code takes the first two for flat, and whether the others are for granted. */
bool loadData(Machine &machine, unsigned number, std::uint32_t selector) {
  const std::uint32_t cpl = machine.get(word::Cpl);
  const bool mustBeFlat = number == kEs || number == kDs;
  if ((selector & 0xfffc) == 0) {
    if (mustBeFlat || (machine.segment(number, segment_word::Access) & kAccessPresent) != 0) return false;
    machine.set(word::Segments + number * 16 + segment_word::Selector, selector & 0xffff);
    return true;
  }
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  if (!machine.descriptor(selector, &low, &high)) return false;
  const std::uint32_t dpl = (high >> 13) & 3;
  if ((high & 0x9f00) != 0x9300 || cpl > dpl || (selector & 3) > dpl) return false;
  if (Machine::limitOf(low, high) != 0xffffffff || (mustBeFlat && Machine::baseOf(low, high) != 0)) return false;
  if (!mustBeFlat) {
    const std::uint32_t access = machine.segment(number, segment_word::Access);
    const bool wasPlain = (access & 0x8e) == 0x82 && machine.segment(number, segment_word::Limit) == 0xffffffff;
    if (!wasPlain) return false;
  }
  machine.setSegment(number, selector, low, high);
  return true;
}

bool popData(Machine &machine, unsigned number, std::uint32_t nextEip) {
  const std::uint32_t esp = machine.get(word::Esp);
  const char *top = machine.reach(esp, 4, false, machine.user());
  if (top == nullptr || !loadData(machine, number, Machine::load(top) & 0xffff)) return false;
  machine.set(word::Esp, esp + 4);
  machine.set(word::NextEip, nextEip);
  return true;
}

/* The instruction at Word.NextEip. */
bool one(Machine &machine) {
  const std::uint32_t eip = machine.get(word::NextEip);
  const auto *code = reinterpret_cast<const unsigned char *>(machine.reach(eip, 3, false, machine.user()));
  if (code == nullptr) return false;
  switch (code[0]) {
    case 0xcd:
      return interrupt(machine, code[1], eip + 2);
    case 0xcf:
      return interruptReturn(machine);
    case 0x07:
      return popData(machine, kEs, eip + 1);
    case 0x1f:
      return popData(machine, kDs, eip + 1);
    case 0x8e: {
      /* MOV sreg, r32 */
      const unsigned number = (code[1] >> 3) & 7;
      if (code[1] < 0xc0 || (number != kEs && number != kDs && number != kFs && number != kGs)) return false;
      if (!loadData(machine, number, machine.get(word::Eax + (code[1] & 7) * 4) & 0xffff)) return false;
      machine.set(word::NextEip, eip + 2);
      return true;
    }
    case 0x0f: {
      if (code[1] == 0xa1) return popData(machine, kFs, eip + 2);
      if (code[1] == 0xa9) return popData(machine, kGs, eip + 2);
      /* VMCALL: the ROM's IRET, which is a jump and returns by itself. */
      if (code[1] != 0x01 || code[2] != 0xc1 || machine.get(word::Cpl) != 0 || machine.get(word::RomStart) == 0) return false;
      std::uint32_t phys = 0;
      if (!machine.physOf(eip, &phys) || phys != machine.get(word::RomStart) + rom::SlotsOffset + rom::IretCall * rom::SlotBytes) return false;
      if (!interruptReturn(machine)) return false;
      add64(machine.state(), word::RomCalls + rom::IretCall * 8, 1);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

unsigned shortcut(Translator &translator) {
  Machine machine(translator);
  /* The other strategies have to be told of IF; breakpoints and alignment checks are the interpreter's. */
  if (machine.get(word::Strategy) != static_cast<std::uint32_t>(strategy::VirtualMask)) return 0;
  unsigned count = 0;
  while (one(machine)) {
    count++;
    if (load32(translator.state, word::Attention) != 0) break;
  }
  return count;
}

}  // namespace romulus
