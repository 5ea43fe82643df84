/*
 * A vCPU between two instructions, as native code sees it: words of the state block, and guest memory through the page tables. The
 * instructions and exceptions that run in native code (gate.cc, shortcut.cc) are made of it; each of its methods refuses what is not plain,
 * and the interpreter, whose memory they share, then does the same work with all its rules.
 * Read before: translator.h, walk.cc. Read after: gate.cc.
 */
#ifndef ROMULUS_MACHINE_H
#define ROMULUS_MACHINE_H

#include <initializer_list>

#include "state.h"
#include "translator.h"

namespace romulus {

/* Bits of EFLAGS (SDM 1, "EFLAGS Register"). */
namespace eflag {
constexpr std::uint32_t Tf = 0x100;
constexpr std::uint32_t If = 0x200;
constexpr std::uint32_t Df = 0x400;
constexpr std::uint32_t Of = 0x800;
constexpr std::uint32_t Nt = 0x4000;
constexpr std::uint32_t Rf = 0x10000;
constexpr std::uint32_t Vm = 0x20000;
constexpr std::uint32_t Ac = 0x40000;
/* Bit 1. */
constexpr std::uint32_t AlwaysOne = 2;
/* SF, ZF, AF, PF and CF, which LAHF puts into AH. */
constexpr std::uint32_t FromAh = 0xd5;
}  // namespace eflag

/* Segment numbers as in src/x86/instruction.ts. */
namespace segment {
constexpr unsigned Es = 0, Cs = 1, Ss = 2, Ds = 3, Fs = 4, Gs = 5, Tr = 7;
}  // namespace segment

class Machine {
 public:
  explicit Machine(Translator &translator)
      : _translator(translator), _state(translator.state), _isInWindow(translator.space == windowSpace(translator)) {}

  std::uint32_t get(std::size_t word) const { return static_cast<std::uint32_t>(*word32(_state, word)); }
  void set(std::size_t word, std::uint32_t value) { *word32(_state, word) = static_cast<std::int32_t>(value); }

  std::uint32_t segmentField(unsigned number, std::size_t field) const {
    return get(word::Segments + number * 16 + field);
  }

  bool user() const { return get(word::Cpl) == 3; }

  /* Sets the virtual IF, and asks for attention if that lets an interrupt in. */
  void setInterruptFlag(bool enabled) {
    const bool turnsOn = enabled && get(word::InterruptFlag) == 0;
    set(word::InterruptFlag, enabled ? 1 : 0);
    if (!turnsOn) return;
    const std::int32_t lines = load32(_state, word::PicIrr) | load32(_state, word::PicLevels);
    if ((lines & load32(_state, word::PicOpen)) != 0) or32(_state, word::Attention, attention::Interrupt);
  }

  /* Memory at a linear address, for `bytes` within one page; null where the access is not plain. */
  char *reach(std::uint32_t linear, std::uint32_t bytes, bool write, bool asUser) const {
    if ((linear & 0xfff) + bytes > kPageBytes) return nullptr;
    if (std::uint32_t frame = 0; windowFrame(linear, write, asUser, &frame)) {
      return static_cast<char *>(_translator.ram->host) + (frame | (linear & 0xfff));
    }
    Walk found{};
    std::uint32_t error = 0;
    if (walk(_translator, linear, write, asUser, true, &found, &error) != WalkResult::Ok) return nullptr;
    const std::uint8_t direct = _translator.direct[found.frame >> 12];
    if ((direct & (write ? direct::Write : direct::Read)) == 0) return nullptr;
    return static_cast<char *>(_translator.ram->host) + (found.frame | (linear & 0xfff));
  }

  /* The same for code at an address that fragments were found for, by what the jump table rests on; the ROM's is nowhere else in a window. */
  const char *fetch(std::uint32_t eip, std::uint32_t bytes) const {
    const Window &window = _translator.windows[_translator.current];
    const std::uint32_t entry = window.code[eip >> 12];
    if ((entry & code::Present) == 0 || window.pendingCount != 0 || !_isInWindow || (eip & 0xfff) + bytes > kPageBytes) {
      return reach(eip, bytes, false, user());
    }
    return static_cast<const char *>(_translator.ram->host) + ((entry & ~0xfffu) | (eip & 0xfff));
  }

  /* The physical address of memory that reach() or fetch() has found. */
  std::uint32_t physOf(const void *at) const {
    return static_cast<std::uint32_t>(static_cast<const char *>(at) - static_cast<const char *>(_translator.ram->host));
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

  /* What FS or GS has just been loaded with, by these rules and with no limit, can be loaded again in translated code. */
  void noteKnown(unsigned number, std::uint32_t selector, std::uint32_t low, std::uint32_t high) {
    const std::size_t at = word::KnownSegments + (number - segment::Fs) * known_word::Count;
    set(at + known_word::Selector, selector);
    set(at + known_word::Low, low);
    set(at + known_word::High, high);
    set(at + known_word::Base, baseOf(low, high));
    set(at + known_word::Access, (high >> 8) & 0xf0ff);
  }

  /* A null selector: the segment cannot be used. */
  void emptySegment(unsigned number, std::uint32_t selector) {
    const std::size_t at = word::Segments + number * 16;
    set(at + segment_word::Selector, selector & 0xffff);
    for (const std::size_t field : {segment_word::Base, segment_word::Limit, segment_word::Access}) set(at + field, 0);
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

  Translator &translator() const { return _translator; }
  void *state() { return _state; }

 private:
  /* The frame of a page that is in the window of that privilege, which spares the walk; a window with pages to be looked at does not count. */
  bool windowFrame(std::uint32_t linear, bool write, bool asUser, std::uint32_t *frame) const {
    const int index = asUser == user() ? static_cast<int>(_translator.current) : _translator.twin;
    if (index < 0 || !_isInWindow) return false;
    const Window &window = _translator.windows[index];
    if (window.pendingCount != 0) return false;
    const std::uint32_t wanted = shadow::Mapped | (write ? shadow::Writable : 0);
    const std::uint32_t entry = window.shadow[linear >> 12];
    if ((entry & wanted) == wanted) {
      *frame = entry & ~0xfffu;
      return true;
    }
    /* What is mapped otherwise than the region around it is an exception there. */
    const std::uint32_t large = window.large[linear >> 22];
    if ((entry & shadow::Mapped) != 0 || (large & wanted) != wanted) return false;
    *frame = (large & kRegionMask) | (linear & ~kRegionMask & ~0xfffu);
    return (_translator.direct[*frame >> 12] & (write ? direct::Write : direct::Read)) != 0;
  }

  Translator &_translator;
  void *_state;
  /* The windows are of the address space that CR3 names; nothing here changes CR3. */
  const bool _isInWindow;
};

/* Present, accessed, 32-bit, flat code of this privilege, not conforming. */
inline bool isPlainCode(std::uint32_t low, std::uint32_t high, std::uint32_t dpl) {
  return (high & 0x409d00) == 0x409900 && ((high >> 13) & 3) == dpl && Machine::isFlat(low, high);
}

/* Present, accessed, writable, flat data of this privilege, expand-up, 32-bit. */
inline bool isPlainStack(std::uint32_t low, std::uint32_t high, std::uint32_t dpl) {
  return (high & 0x409f00) == 0x409300 && ((high >> 13) & 3) == dpl && Machine::isFlat(low, high);
}

}  // namespace romulus

#endif
