/*
 * The guest's page tables, walked in C++: 32-bit paging with 4 KiB and 4 MiB pages, the twin of src/memory/mmu.ts, which says what the
 * rules are. It runs inside the SIGSEGV handler, so everything here is async-signal-safe: plain loads and stores on guest RAM, which
 * stays mapped as long as the translator is open, and on the state block.
 * Read before: translator.h. Read after: fault.cc.
 */
#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

constexpr std::uint32_t kPg = 0x80000000u;
constexpr std::uint32_t kWp = 0x00010000u;
constexpr std::uint32_t kPse = 0x10u;
constexpr std::uint32_t kPge = 0x80u;

constexpr std::uint32_t kPresent = 0x01;
constexpr std::uint32_t kWritable = 0x02;
constexpr std::uint32_t kUser = 0x04;
constexpr std::uint32_t kAccessed = 0x20;
constexpr std::uint32_t kDirty = 0x40;
constexpr std::uint32_t kLarge = 0x80;
constexpr std::uint32_t kGlobal = 0x100;
constexpr std::uint32_t kLargeReserved = 0x3ff000;

constexpr std::uint32_t kFaultPresent = 1;
constexpr std::uint32_t kFaultWrite = 2;
constexpr std::uint32_t kFaultUser = 4;
constexpr std::uint32_t kFaultReserved = 8;

/* A word of a page table; null when it is not in memory that can be read in place. */
std::uint32_t *entryAt(const Translator &translator, std::uint32_t phys) {
  if ((translator.direct[phys >> 12] & direct::Read) == 0) return nullptr;
  return reinterpret_cast<std::uint32_t *>(static_cast<char *>(translator.ram->host) + phys);
}

bool setBits(const Translator &translator, std::uint32_t *entry, std::uint32_t phys, std::uint32_t bits) {
  if ((translator.direct[phys >> 12] & direct::Write) == 0) return false;
  *entry |= bits;
  return true;
}

}  // namespace

WalkResult walk(const Translator &translator, std::uint32_t linear, bool write, bool user, bool touch, Walk *found,
                std::uint32_t *faultError) {
  void *state = translator.state;
  const auto cr0 = static_cast<std::uint32_t>(*word32(state, word::Cr0));
  if ((cr0 & kPg) == 0) {
    *found = Walk{linear & ~0xfffu, true, true, false, false, nullptr};
    return WalkResult::Ok;
  }
  const auto cr3 = static_cast<std::uint32_t>(*word32(state, word::Cr3));
  const auto cr4 = static_cast<std::uint32_t>(*word32(state, word::Cr4));
  const std::uint32_t fault = (write ? kFaultWrite : 0) | (user ? kFaultUser : 0);

  const std::uint32_t directoryPhys = (cr3 & ~0xfffu) + ((linear >> 22) << 2);
  std::uint32_t *directoryEntry = entryAt(translator, directoryPhys);
  if (directoryEntry == nullptr) return WalkResult::Slow;
  const std::uint32_t pde = *directoryEntry;
  if ((pde & kPresent) == 0) {
    *faultError = fault;
    return WalkResult::Fault;
  }
  std::uint32_t *leafEntry = directoryEntry;
  std::uint32_t leafPhys = directoryPhys;
  std::uint32_t rights = pde;
  const bool large = (pde & kLarge) != 0 && (cr4 & kPse) != 0;
  std::uint32_t frame;
  if (large) {
    if ((pde & kLargeReserved) != 0) {
      *faultError = fault | kFaultPresent | kFaultReserved;
      return WalkResult::Fault;
    }
    frame = (pde & 0xffc00000u) | (linear & 0x003ff000u);
  } else {
    leafPhys = (pde & ~0xfffu) + (((linear >> 12) & 0x3ff) << 2);
    leafEntry = entryAt(translator, leafPhys);
    if (leafEntry == nullptr) return WalkResult::Slow;
    const std::uint32_t pte = *leafEntry;
    if ((pte & kPresent) == 0) {
      *faultError = fault;
      return WalkResult::Fault;
    }
    if ((pte & kLarge) != 0) {
      *faultError = fault | kFaultPresent | kFaultReserved;
      return WalkResult::Fault;
    }
    rights &= pte;
    frame = pte & ~0xfffu;
  }
  const bool userPage = (rights & kUser) != 0;
  const bool writable = user ? userPage && (rights & kWritable) != 0 : (rights & kWritable) != 0 || (cr0 & kWp) == 0;
  if ((user && !userPage) || (write && !writable)) {
    *faultError = fault | kFaultPresent;
    return WalkResult::Fault;
  }
  const std::uint32_t wanted = kAccessed | (write ? kDirty : 0);
  const bool directoryLacks = !large && (pde & kAccessed) == 0;
  const bool leafLacks = (*leafEntry & wanted) != wanted;
  if (directoryLacks || leafLacks) {
    if (!touch) return WalkResult::Slow;
    if (directoryLacks && !setBits(translator, directoryEntry, directoryPhys, kAccessed)) return WalkResult::Slow;
    if (leafLacks && !setBits(translator, leafEntry, leafPhys, wanted)) return WalkResult::Slow;
  }
  *found = Walk{frame, writable, (*leafEntry & kDirty) != 0, large, (*leafEntry & kGlobal) != 0 && (cr4 & kPge) != 0,
                large ? nullptr : leafEntry};
  return WalkResult::Ok;
}

}  // namespace romulus
