/*
 * The instructions that every system call and page fault of a guest needs and that translated code leaves to the interpreter: INT n into
 * a handler at CPL 0, IRET, SYSENTER, SYSEXIT, RDTSC, INVLPG, the frequent calls of the ROM, loads of ES, DS, FS and GS, FXSAVE and FXRSTOR, and
 * scans of strings. Leaving for JavaScript
 * and coming back costs more than all of them together, so the plain case of each is done here: flat 32-bit segments in the GDT that are
 * present and marked accessed, frames within one page, nothing that faults. Whatever is not plain is left alone, unchanged, for the
 * interpreter, which is the meaning of these instructions (src/vcpu/deliver.ts, transfer.ts, segments.ts).
 *
 * Runs on the vCPU's thread, outside of signal handlers, with the state block complete. Read before: translator.h, walk.cc. Read after:
 * gate.cc, sysenter.cc, romCall.cc, timeStamp.cc.
 */
#include <cstring>
#include <initializer_list>

#include "fxImage.h"
#include "gate.h"
#include "machine.h"
#include "romCall.h"
#include "sysenter.h"
#include "timeStamp.h"

namespace romulus {
namespace {

/* What IRET at CPL 0 takes from the frame: all but VM, and RF, which only breakpoints need. */
constexpr std::uint32_t kIretFlags = 0x3c7ed5;

constexpr std::uint32_t kAccessPresent = 0x80;

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
  if ((eflags & (eflag::Nt | eflag::Vm)) != 0) return false;
  const std::uint32_t esp = machine.get(word::Esp);
  const char *frame = machine.reach(esp, 12, false, false);
  if (frame == nullptr) return false;
  const std::uint32_t eip = Machine::load(frame);
  const std::uint32_t selector = Machine::load(frame + 4) & 0xffff;
  const std::uint32_t image = Machine::load(frame + 8);
  if ((image & (eflag::Tf | eflag::Vm | eflag::Ac)) != 0) return false;
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
    for (const unsigned number : {segment::Es, segment::Ds, segment::Fs, segment::Gs}) {
      const std::uint32_t access = machine.segmentField(number, segment_word::Access);
      if ((access & kAccessPresent) != 0 && ((access >> 5) & 3) != 3) return false;
    }
    machine.set(word::Esp, Machine::load(frame + 12));
    machine.setSegment(segment::Ss, stackSelector, stackLow, stackHigh);
    machine.set(word::Cpl, 3);
    windowSwap(machine.translator());
  } else {
    machine.set(word::Esp, esp + 12);
  }
  machine.setSegment(segment::Cs, selector, low, high);
  machine.set(word::Eflags, (eflags & ~(kIretFlags | eflag::Rf | eflag::If)) | (image & (kIretFlags & ~eflag::If)) | 2);
  machine.set(word::NextEip, eip);
  if (level == 3) mapAhead(machine, eip);
  machine.setInterruptFlag((image & eflag::If) != 0);
  return true;
}

/* MOV and POP to ES, DS, FS, GS. Translated code takes the first two for flat, and asks about the others whenever it is entered. */
bool loadData(Machine &machine, unsigned number, std::uint32_t selector) {
  const std::uint32_t cpl = machine.get(word::Cpl);
  const bool mustBeFlat = number == segment::Es || number == segment::Ds;
  if ((selector & 0xfffc) == 0) {
    if (mustBeFlat) return false;
    machine.emptySegment(number, selector);
    return true;
  }
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  if (!machine.descriptor(selector, &low, &high)) return false;
  const std::uint32_t dpl = (high >> 13) & 3;
  if ((high & 0x9f00) != 0x9300 || cpl > dpl || (selector & 3) > dpl) return false;
  if (Machine::limitOf(low, high) != 0xffffffff || (mustBeFlat && Machine::baseOf(low, high) != 0)) return false;
  machine.setSegment(number, selector, low, high);
  if (!mustBeFlat) machine.noteKnown(number, selector, low, high);
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

/* The number of the ROM call whose VMCALL stands at `code`, in memory that fetch() has found. */
bool romSlot(const Machine &machine, const void *code, std::uint32_t *number) {
  const std::uint32_t start = machine.get(word::RomStart);
  if (machine.get(word::Cpl) != 0 || start == 0) return false;
  const std::uint32_t phys = machine.physOf(code);
  const std::uint32_t offset = phys - (start + rom::SlotsOffset);
  *number = offset / rom::SlotBytes;
  return phys >= start + rom::SlotsOffset && offset % rom::SlotBytes == 0;
}

/* VMCALL: the ROM's IRET and SYSEXIT, which are jumps and return by themselves, or another call, behind whose VMCALL stands RET. */
bool vmcall(Machine &machine, std::uint32_t number, std::uint32_t nextEip) {
  if (number != rom::IRETCall && number != rom::SYSEXITCall) {
    if (!romCall(machine, number)) return false;
    machine.set(word::NextEip, nextEip);
    return true;
  }
  if (!(number == rom::IRETCall ? interruptReturn(machine) : sysexit(machine))) return false;
  if (number == rom::SYSEXITCall) machine.setInterruptFlag(true);
  addOwn64(machine.state(), word::RomCalls + number * 8, 1);
  return true;
}

/* A memory operand of an instruction without prefixes; the segments are flat. */
struct MemoryOperand {
  std::uint32_t linear;
  std::uint32_t nextEip;
};

/* Of the instruction at `eip`, whose opcode has so many bytes and no immediate follows. (SDM 2, "32-Bit Addressing Forms with the ModR/M Byte") */
bool memoryOperand(const Machine &machine, std::uint32_t eip, std::uint32_t opcodeBytes, MemoryOperand *found) {
  constexpr std::uint32_t kMaxOperandBytes = 6;
  constexpr unsigned kSib = 4;
  constexpr unsigned kNoIndex = 4;
  constexpr unsigned kNoBase = 5;
  const char *code = machine.fetch(eip + opcodeBytes, kMaxOperandBytes);
  if (code == nullptr) return false;
  const auto reg = [&](unsigned number) { return machine.get(word::Eax + number * 4); };
  const auto modrm = static_cast<unsigned char>(*code++);
  const unsigned mod = modrm >> 6;
  const unsigned rm = modrm & 7;
  unsigned base = rm;
  std::uint32_t bytes = 1;
  std::uint32_t linear = 0;
  if (mod == 3) return false;
  if (rm == kSib) {
    const auto sib = static_cast<unsigned char>(*code++);
    bytes++;
    base = sib & 7;
    const unsigned index = (sib >> 3) & 7;
    if (index != kNoIndex) linear = reg(index) << (sib >> 6);
  }
  const bool isAbsolute = mod == 0 && base == kNoBase;
  if (!isAbsolute) linear += reg(base);
  if (mod == 1) {
    linear += static_cast<std::uint32_t>(static_cast<signed char>(*code));
    bytes += 1;
  } else if (mod == 2 || isAbsolute) {
    linear += Machine::load(code);
    bytes += 4;
  }
  *found = {linear, eip + opcodeBytes + bytes};
  return true;
}

/* INVLPG, of the 0F 01 group. */
bool invlpg(Machine &machine, std::uint32_t eip) {
  MemoryOperand operand{};
  if (machine.get(word::Cpl) != 0 || !memoryOperand(machine, eip, 2, &operand)) return false;
  if (!invalidatePage(machine, operand.linear)) return false;
  machine.set(word::NextEip, operand.nextEip);
  return true;
}

/* What FXSAVE and FXRSTOR want of their operand and of fields of the image (SDM 2, FXSAVE, FXRSTOR). */
constexpr std::uint32_t kFxOperandBytes = 512;
constexpr std::uint32_t kFxAlignment = 16;
constexpr std::uint16_t kFcwBits = 0x1f3f;
constexpr std::uint16_t kFcwOne = 0x40;
constexpr std::uint16_t kFswExceptions = 0x3f;
constexpr std::uint16_t kFswSummary = 0x8080;
constexpr std::uint16_t kFopBits = 0x7ff;
constexpr std::uint32_t kMxcsrBits = 0xffff;

/* FXSAVE and FXRSTOR, as src/interp/fpuControl.ts has them, where the FPU may be used and no exception of it is pending or becomes so. */
bool fxImage(Machine &machine, std::uint32_t eip, bool stores) {
  MemoryOperand operand{};
  if (machine.get(word::FpuUsable) == 0 || !memoryOperand(machine, eip, 2, &operand) || operand.linear % kFxAlignment != 0) return false;
  char *at = machine.reach(operand.linear, kFxOperandBytes, stores, machine.user());
  if (at == nullptr) return false;
  void *own = word32(machine.state(), word::Fxsave);
  FxImage image;
  std::memcpy(&image, stores ? own : at, sizeof image);
  if (!stores) {
    FxImage present;
    std::memcpy(&present, own, sizeof present);
    image.fcw = (image.fcw & kFcwBits) | kFcwOne;
    if ((image.mxcsr & ~kMxcsrBits) != 0 || ((present.fsw | image.fsw) & kFswSummary) != 0) return false;
    if ((image.fsw & ~image.fcw & kFswExceptions) != 0) return false;
    /* What is reserved does not exist in the registers. */
    image.reserved = 0;
    image.fop &= kFopBits;
    image.pointers.reserved = 0;
    image.pointers.reserved2 = 0;
    for (auto &slot : image.st) std::memset(slot.reserved, 0, sizeof slot.reserved);
  }
  image.mxcsrMask = kMxcsrBits;
  std::memcpy(stores ? at : own, &image, sizeof image);
  machine.set(word::NextEip, operand.nextEip);
  return true;
}

/* The flags of AL - `byte`, as SCASB leaves them, in the places of EFLAGS. */
std::uint32_t compareFlags(std::uint32_t al, unsigned char byte) {
  std::uint16_t flags;
  __asm__("cmpb %2, %b1\n\tlahf\n\tseto %%al" : "=a"(flags) : "0"(al), "q"(byte) : "cc");
  return ((flags >> 8) & eflag::FromAh) | ((flags & 1) != 0 ? eflag::Of : 0);
}

/* Bytes that one call looks at: no interrupt comes in between. */
constexpr std::uint32_t kMaxScan = 65536;

/*
 * REPNE SCASB with more repetitions than translated code takes on (src/translator/emit/string.ts): the strlen() of a kernel, which says that
 * the string may be 4 GiB long.
 */
bool scanString(Machine &machine, std::uint32_t eip) {
  constexpr std::uint32_t kInstructionBytes = 2;
  if ((machine.get(word::Eflags) & eflag::Df) != 0) return false;
  const std::uint32_t al = machine.get(word::Eax) & 0xff;
  const std::uint32_t start = machine.get(word::Edi);
  std::uint32_t edi = start;
  std::uint32_t left = machine.get(word::Ecx);
  unsigned char last = 0;
  bool found = false;
  while (!found && left != 0 && edi - start < kMaxScan) {
    const std::uint32_t inPage = kPageBytes - (edi & 0xfff);
    const std::uint32_t bytes = inPage < left ? inPage : left;
    const char *text = machine.reach(edi, bytes, false, machine.user());
    if (text == nullptr) break;
    const auto *at = static_cast<const char *>(std::memchr(text, static_cast<int>(al), bytes));
    const std::uint32_t done = at == nullptr ? bytes : static_cast<std::uint32_t>(at - text) + 1;
    last = static_cast<unsigned char>(text[done - 1]);
    found = at != nullptr;
    edi += done;
    left -= done;
  }
  if (edi == start) return false;
  machine.set(word::Edi, edi);
  machine.set(word::Ecx, left);
  machine.set(word::Eflags, (machine.get(word::Eflags) & ~(eflag::FromAh | eflag::Of)) | compareFlags(al, last));
  machine.set(word::NextEip, found || left == 0 ? eip + kInstructionBytes : eip);
  return true;
}

/* MOV sreg, [memory]: what kernels have in the frame that they leave by. */
bool loadFromMemory(Machine &machine, unsigned number, std::uint32_t eip) {
  MemoryOperand operand{};
  if (!memoryOperand(machine, eip, 1, &operand)) return false;
  const char *at = machine.reach(operand.linear, 2, false, machine.user());
  if (at == nullptr) return false;
  std::uint16_t selector;
  std::memcpy(&selector, at, sizeof selector);
  if (!loadData(machine, number, selector)) return false;
  machine.set(word::NextEip, operand.nextEip);
  return true;
}

/* The instruction at Word.NextEip. */
bool one(Machine &machine) {
  const std::uint32_t eip = machine.get(word::NextEip);
  const auto *code = reinterpret_cast<const unsigned char *>(machine.fetch(eip, 3));
  if (code == nullptr) return false;
  switch (code[0]) {
    case 0xf2:
      return code[1] == 0xae && scanString(machine, eip);
    case 0xcd:
      return enterGate(machine, Event{code[1], eip + 2, true, 0});
    case 0xcf:
      return interruptReturn(machine);
    case 0x07:
      return popData(machine, segment::Es, eip + 1);
    case 0x1f:
      return popData(machine, segment::Ds, eip + 1);
    case 0x8e: {
      /* MOV sreg, r32 */
      const unsigned number = (code[1] >> 3) & 7;
      if (number != segment::Es && number != segment::Ds && number != segment::Fs && number != segment::Gs) return false;
      if (code[1] < 0xc0) return loadFromMemory(machine, number, eip);
      if (!loadData(machine, number, machine.get(word::Eax + (code[1] & 7) * 4) & 0xffff)) return false;
      machine.set(word::NextEip, eip + 2);
      return true;
    }
    case 0x0f: {
      if (code[1] == 0xa1) return popData(machine, segment::Fs, eip + 2);
      if (code[1] == 0xa9) return popData(machine, segment::Gs, eip + 2);
      if (code[1] == 0x31) return readTimeStamp(machine, eip + 2);
      if (code[1] == 0x34) return sysenter(machine);
      if (code[1] == 0x35) return sysexit(machine);
      std::uint32_t number = 0;
      const unsigned extension = (code[2] >> 3) & 7;
      if (code[1] == 0xae && extension < 2) return fxImage(machine, eip, extension == 0);
      if (code[1] == 0x01 && extension == 7) return invlpg(machine, eip);
      return code[1] == 0x01 && romSlot(machine, code, &number) && vmcall(machine, number, eip + 3);
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
