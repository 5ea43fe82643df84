/*
 * Windows: reserving them, mapping pages into them and taking them out. The functions that the fault handler
 * calls (windowMap, windowUnmap and what they use) are async-signal-safe: mmap and mprotect are plain system calls, and the
 * tables they keep belong to the one thread that runs the guest, which is never inside the other functions when it faults.
 * Read before: translator.h, walk.cc. Read after: revalidate.cc, fault.cc.
 */
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

constexpr std::uint64_t kWindowBytes = 1ull << 32;
/*
 * Instructions reach at most 512 bytes (FXSAVE) behind the last linear address, and string instructions one element before the first.
 * BT and its kin with a register as bit offset reach 256 MiB to either side; the processors at hand cut the sum to 32 bits under an
 * address-size prefix, but the manual does not say so outright, and address space that is only reserved costs nothing.
 */
constexpr std::uint64_t kGuardBytes = (1ull << 28) + (1ull << 16);
constexpr std::uint64_t kTableBytes = kWindowBytes * 4;
constexpr std::uint64_t kPageTableBytes = std::uint64_t{kPageBytes} * 4;
constexpr std::uint64_t kShadowBytes = std::uint64_t{kLinearPages} * 4;

/* Instructions this near to the end of a page may cross into the next: those of the longest one but its last byte. */
constexpr std::uint32_t kCrossingBytes = 14;

/*
 * Pages that one fault may map when their frames are contiguous: an aligned group of this many. Runs up to the second number are made present
 * at once; in longer ones the host does that as they are touched, some pages at a time, so that the guest's memory is not all taken up.
 */
constexpr std::uint32_t kRunPages = 64;
constexpr std::uint32_t kPresentPages = 16;

/* Host mappings that a page in a window may cost: its own, and the gap behind it. */
constexpr std::uint32_t kMappingsPerPage = 2;

void *reserve(std::uint64_t bytes, int protection) {
  return mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* Reserves 4 GiB at a multiple of 4 GiB with guards at both ends. */
char *reserveWindow() {
  const std::uint64_t bytes = 2 * kWindowBytes + 2 * kGuardBytes;
  void *all = reserve(bytes, PROT_NONE);
  if (all == MAP_FAILED) return nullptr;
  char *start = static_cast<char *>(all);
  const std::uint64_t first = reinterpret_cast<std::uint64_t>(start) + kGuardBytes;
  char *base = reinterpret_cast<char *>((first + kWindowBytes - 1) & ~(kWindowBytes - 1));
  char *end = base + kWindowBytes + kGuardBytes;
  if (base - kGuardBytes > start) munmap(start, static_cast<std::size_t>(base - kGuardBytes - start));
  if (start + bytes > end) munmap(end, static_cast<std::size_t>(start + bytes - end));
  return base;
}

/* A table of 32-bit entries that costs memory only where it is used. */
std::uint32_t *reserveTable(std::uint64_t bytes) {
  void *table = reserve(bytes, PROT_READ | PROT_WRITE);
  return table == MAP_FAILED ? nullptr : static_cast<std::uint32_t *>(table);
}

void release(void *start, std::uint64_t bytes) {
  if (start != nullptr) munmap(start, bytes);
}

int createWindow(Window &window) {
  window.base = reserveWindow();
  window.table = reserveTable(kTableBytes);
  window.shadow = reserveTable(kShadowBytes);
  window.mapped.pages = reserveTable(kShadowBytes);
  window.code = reserveTable(kShadowBytes);
  window.coded.pages = reserveTable(kShadowBytes);
  if (window.base != nullptr && window.table != nullptr && window.shadow != nullptr && window.mapped.pages != nullptr &&
      window.code != nullptr && window.coded.pages != nullptr) {
    return 0;
  }
  windowDestroy(window);
  return -ENOMEM;
}

/* What is dropped when there is no room to drop less: as much as one 4 MiB entry maps. */
constexpr std::uint32_t kGroupPages = 0x400;

/* Takes pages out of the address space; the reservation stays. */
bool unmapRange(Translator &translator, const Window &window, std::uint32_t page, std::uint32_t count) {
  translator.mappings += 1;
  return mmap(windowHost(window, page), std::uint64_t{count} * kPageBytes, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Notes that a page has code in the jump table; `frame` as in `windowInstall`. */
void noteCode(Window &window, std::uint32_t page, std::uint32_t frame) {
  if (window.code[page] == frame) return;
  if (window.code[page] != 0) {
    windowClearCodePage(window, page);
  } else {
    bool listed = false;
    for (std::uint32_t at = 0; at < window.coded.count && !listed; at++) listed = window.coded.pages[at] == page;
    if (!listed) window.coded.pages[window.coded.count++] = page;
  }
  window.code[page] = frame;
}

/* With more pages than this in it, emptying a jump table gives its memory back to the host, which takes a system call. */
constexpr std::uint32_t kManyCodePages = 64;

/* Empties the jump table. */
void clearCode(Window &window) {
  const bool givesBack = window.coded.count > kManyCodePages && madvise(window.table, kTableBytes, MADV_DONTNEED) == 0;
  for (std::uint32_t at = 0; at < window.coded.count; at++) {
    const std::uint32_t page = window.coded.pages[at];
    if (givesBack) {
      window.code[page] = 0;
    } else if (window.code[page] != 0) {
      windowClearCodePage(window, page);
    }
  }
  window.coded.count = 0;
}

void note(Window &window, std::uint32_t page, std::uint32_t entry) {
  if ((window.shadow[page] & shadow::Logged) == 0) window.mapped.pages[window.mapped.count++] = page;
  window.shadow[page] = entry | shadow::Logged;
}

/*
 * Counts anew what `mappings` is the upper bound of: neighbours share mappings, and what has been dropped has none. Safe: it reads tables that
 * only this thread uses.
 */
void countMappings(Translator &translator) {
  translator.mappings = kMaxWindows;
  for (const Window &window : translator.windows) {
    for (std::uint32_t at = 0; at < window.mapped.count; at++) {
      if ((window.shadow[window.mapped.pages[at]] & shadow::Mapped) != 0) translator.mappings += kMappingsPerPage;
    }
  }
}

}  // namespace

char *windowHost(const Window &window, std::uint32_t page) { return window.base + (std::uint64_t{page} << 12); }

void windowClearCodePage(Window &window, std::uint32_t page) {
  std::uint32_t *entries = window.table + std::uint64_t{page} * kPageBytes;
  std::memset(entries, 0, kPageTableBytes);
  if (page != 0 && window.code[page - 1] != 0) std::memset(entries - kCrossingBytes, 0, kCrossingBytes * sizeof *entries);
  window.code[page] = 0;
}

void windowDestroy(Window &window) {
  if (window.base != nullptr) release(window.base - kGuardBytes, kWindowBytes + 2 * kGuardBytes);
  release(window.table, kTableBytes);
  release(window.shadow, kShadowBytes);
  release(window.mapped.pages, kShadowBytes);
  release(window.code, kShadowBytes);
  release(window.coded.pages, kShadowBytes);
  window = Window{};
}

void windowSwap(Translator &translator) {
  const int other = static_cast<int>(translator.current);
  translator.current = static_cast<unsigned>(translator.twin);
  translator.twin = other;
  Window &window = translator.windows[translator.current];
  windowSettle(translator, window);
  store64(translator.state, word::WindowBase, reinterpret_cast<std::uint64_t>(window.base));
  store64(translator.state, word::JumpTable, reinterpret_cast<std::uint64_t>(window.table));
}

int windowSelect(Translator &translator, unsigned index, int twin) {
  Window &window = translator.windows[index];
  if (window.base == nullptr) {
    const int error = createWindow(window);
    if (error != 0) return error;
  }
  translator.current = index;
  translator.space = windowSpace(translator);
  windowSettle(translator, window);
  translator.twin = twin >= 0 && translator.windows[twin].base != nullptr ? twin : -1;
  store64(translator.state, word::WindowBase, reinterpret_cast<std::uint64_t>(window.base));
  store64(translator.state, word::JumpTable, reinterpret_cast<std::uint64_t>(window.table));
  return 0;
}

void windowClear(Translator &translator, unsigned index, bool code) {
  Window &window = translator.windows[index];
  if (window.base == nullptr) return;
  if (window.mapped.count != 0) unmapRange(translator, window, 0, kLinearPages);
  for (std::uint32_t at = 0; at < window.mapped.count; at++) window.shadow[window.mapped.pages[at]] = 0;
  window.mapped.count = 0;
  if (!code) return;
  clearCode(window);
  window.pendingCount = 0;
}

void windowsClear(Translator &translator) {
  for (unsigned index = 0; index < kMaxWindows; index++) windowClear(translator, index, false);
  translator.mappings = kMaxWindows;
}

void windowsDropAllCode(Translator &translator) {
  for (Window &window : translator.windows) clearCode(window);
}

void windowsProtect(Translator &translator, std::uint32_t frame) {
  for (Window &window : translator.windows) {
    for (std::uint32_t at = 0; at < window.mapped.count; at++) {
      const std::uint32_t page = window.mapped.pages[at];
      const std::uint32_t entry = window.shadow[page];
      constexpr std::uint32_t mask = ~0xfffu | shadow::Mapped | shadow::Writable;
      if ((entry & mask) != (frame | shadow::Mapped | shadow::Writable)) continue;
      translator.mappings += 2;
      if (mprotect(windowHost(window, page), kPageBytes, PROT_READ) == 0) {
        window.shadow[page] = entry & ~shadow::Writable;
      } else {
        windowUnmap(translator, window, page, 1);
      }
    }
  }
}

void windowsDropCode(Translator &translator, std::uint32_t frame) {
  for (Window &window : translator.windows) {
    std::uint32_t kept = 0;
    for (std::uint32_t at = 0; at < window.coded.count; at++) {
      const std::uint32_t page = window.coded.pages[at];
      if (window.code[page] == (frame | 1)) windowClearCodePage(window, page);
      if (window.code[page] != 0) window.coded.pages[kept++] = page;
    }
    window.coded.count = kept;
  }
}

/* Safe: one system call, or two; the shadow entries keep their places in the log. */
void windowUnmap(Translator &translator, Window &window, std::uint32_t first, std::uint32_t count) {
  if (!unmapRange(translator, window, first, count)) {
    /* No room for one mapping more: dropping whole groups needs none, as it frees what it splits. */
    const std::uint32_t end = (first + count + kGroupPages - 1) & ~(kGroupPages - 1);
    first &= ~(kGroupPages - 1);
    count = end - first;
    unmapRange(translator, window, first, count);
  }
  for (std::uint32_t page = first; page < first + count; page++) window.shadow[page] &= shadow::Logged;
}

void windowInstall(Window &window, std::uint32_t eip, std::uint32_t frame, std::uint32_t next, std::uint32_t offset) {
  const std::uint32_t page = eip >> 12;
  if (next != 0) {
    if (page + 1 == kLinearPages) return;
    noteCode(window, page + 1, next);
  }
  noteCode(window, page, frame);
  window.table[eip] = offset;
}

/* Safe: walk() and mmap(), and tables that only this thread uses. */
MapResult windowMap(Translator &translator, std::uint32_t linear, bool write, bool user, std::uint32_t *faultError) {
  Window &window = translator.windows[translator.current];
  Walk found{};
  switch (walk(translator, linear, write, user, true, &found, faultError)) {
    case WalkResult::Fault:
      return MapResult::Fault;
    case WalkResult::Slow:
      return MapResult::Slow;
    case WalkResult::Ok:
      break;
  }
  const std::uint8_t direct = translator.direct[found.frame >> 12];
  if ((direct & direct::Read) == 0 || (write && (direct & direct::Write) == 0)) return MapResult::Slow;
  const auto mayWrite = [](const Walk &page, std::uint8_t bits) { return page.writable && page.dirty && (bits & direct::Write) != 0; };
  const bool writable = mayWrite(found, direct);
  const std::uint32_t page = linear >> 12;
  const std::uint32_t old = window.shadow[page];
  const std::uint32_t bits = shadow::Mapped | (writable ? shadow::Writable : 0) | (found.large ? shadow::Large : 0);
  /* It is mapped the way it should be and faults all the same: not for this function to understand. */
  if (((old ^ (found.frame | bits)) & ~shadow::Logged) == 0) return MapResult::Slow;
  if (translator.mappings + kMappingsPerPage > translator.maxMappings) {
    countMappings(translator);
    /* With hardly any room left it would be counted anew all the time. */
    if (translator.mappings + translator.maxMappings / 8 > translator.maxMappings) {
      store32(translator.state, word::WindowFull, 1);
      return MapResult::Slow;
    }
  }

  /* Neighbours that would be mapped the same way, with nothing left to set in their page tables, come along. */
  const auto joins = [&](std::uint32_t other) {
    if ((window.shadow[other] & shadow::Mapped) != 0) return false;
    const std::uint32_t frame = found.frame + ((other - page) << 12);
    const std::uint8_t otherDirect = translator.direct[frame >> 12];
    if ((otherDirect & direct::Read) == 0) return false;
    Walk neighbour{};
    std::uint32_t error = 0;
    if (walk(translator, other << 12, false, user, false, &neighbour, &error) != WalkResult::Ok) return false;
    return neighbour.frame == frame && neighbour.large == found.large && mayWrite(neighbour, otherDirect) == writable;
  };
  std::uint32_t first = page;
  std::uint32_t last = page;
  if ((old & shadow::Mapped) == 0) {
    const std::uint32_t groupFirst = page & ~(kRunPages - 1);
    const std::uint32_t groupLast = groupFirst + kRunPages - 1;
    while (first > groupFirst && joins(first - 1)) first--;
    while (last < groupLast && joins(last + 1)) last++;
  }
  const std::uint32_t firstFrame = found.frame - ((page - first) << 12);
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  const std::uint64_t bytes = std::uint64_t{last - first + 1} * kPageBytes;
  translator.mappings += kMappingsPerPage;
  const int present = last - first < kPresentPages ? MAP_POPULATE : 0;
  if (mmap(windowHost(window, first), bytes, protection, MAP_SHARED | MAP_FIXED | present, translator.ram->fd,
           static_cast<off_t>(firstFrame)) == MAP_FAILED) {
    store32(translator.state, word::WindowFull, 1);
    return MapResult::Slow;
  }
  for (std::uint32_t other = first; other <= last; other++) {
    note(window, other, (found.frame + ((other - page) << 12)) | bits);
  }
  add64(translator.state, word::WindowFaults, 1);
  return MapResult::Mapped;
}

}  // namespace romulus
