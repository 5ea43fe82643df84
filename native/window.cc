/*
 * Windows: reserving them, and taking pages out of them. The functions that the fault handler calls (windowUnmap, windowNote, windowsCount)
 * are async-signal-safe: mmap and mprotect are plain system calls, and the tables they keep belong to the one thread that runs the
 * guest, which is never inside the other functions when it faults. Read before: translator.h, walk.cc. Read after: map.cc, revalidate.cc.
 */
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <sys/mman.h>

#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

constexpr std::uint64_t kTableBytes = kWindowBytes * 4;
constexpr std::uint64_t kPageTableBytes = std::uint64_t{kPageBytes} * 4;
constexpr std::uint64_t kShadowBytes = std::uint64_t{kLinearPages} * 4;

/* Instructions this near to the end of a page may cross into the next: those of the longest one but its last byte. */
constexpr std::uint32_t kCrossingBytes = 14;

void *reserve(std::uint64_t bytes, int protection) {
  return mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
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
  window.base = windowReserve();
  window.table = reserveTable(kTableBytes);
  window.shadow = reserveTable(kShadowBytes);
  window.mapped.pages = reserveTable(kShadowBytes);
  window.global.pages = reserveTable(kShadowBytes);
  window.code = reserveTable(kShadowBytes);
  window.coded.pages = reserveTable(kShadowBytes);
  if (window.base != nullptr && window.table != nullptr && window.shadow != nullptr && window.mapped.pages != nullptr &&
      window.global.pages != nullptr && window.code != nullptr && window.coded.pages != nullptr) {
    return 0;
  }
  windowDestroy(window);
  return -ENOMEM;
}

/* Takes pages out of the address space; the reservation stays. */
bool unmapRange(Translator &translator, const Window &window, std::uint32_t page, std::uint32_t count) {
  translator.mappings += 1;
  return mmap(windowHost(window, page), std::uint64_t{count} * kPageBytes, PROT_NONE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Notes that a page has code in the jump table; `frame` as in `windowInstall`. */
void noteCode(const Translator &translator, Window &window, std::uint32_t page, std::uint32_t frame) {
  Walk found{};
  std::uint32_t error = 0;
  const bool user = *word32(translator.state, word::Cpl) == 3;
  if (walk(translator, page << 12, false, user, false, &found, &error) == WalkResult::Ok) {
    if (found.large) window.largeCode[page / kRegionPages] = 1;
    if (found.global) frame |= code::Global;
  }
  if (((window.code[page] ^ frame) & ~code::Global) == 0) {
    window.code[page] = frame;
    return;
  }
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
  std::memset(window.largeCode, 0, sizeof window.largeCode);
}

/*
 * Code comes in pages side by side, and taking the right to write from pages that are there costs the same for one as for some: the aligned
 * group around a code page loses it together, as far as its pages are mapped as the region is. One that is written after all gets it back
 * and keeps it.
 */
constexpr std::uint32_t kCodeGroupPages = 16;

/* Takes a page of a region that one entry maps out of what may be written; what is no memory there stays out. */
void protectInRegion(Translator &translator, Window &window, std::uint32_t page, std::uint32_t frame) {
  if ((window.shadow[page] & (shadow::Mapped | shadow::Writable)) == shadow::Mapped) return;
  const auto joins = [&](std::uint32_t other) {
    const std::uint32_t otherFrame = frame + ((other - page) << 12);
    return other / kCodeGroupPages == page / kCodeGroupPages && (window.shadow[other] & shadow::Mapped) == 0 &&
           (translator.direct[otherFrame >> 12] & direct::Read) != 0;
  };
  std::uint32_t first = page;
  std::uint32_t last = page;
  while (first > 0 && joins(first - 1)) first--;
  while (last + 1 < kLinearPages && joins(last + 1)) last++;
  translator.mappings += kMappingsPerPage;
  if (mprotect(windowHost(window, first), std::size_t{last - first + 1} * kPageBytes, PROT_READ) != 0) {
    windowDropRegion(translator, window, page / kRegionPages);
    return;
  }
  for (std::uint32_t other = first; other <= last; other++) {
    windowNote(window, other, (frame + ((other - page) << 12)) | shadow::Mapped | shadow::Large, false);
  }
}

/* The same for a page of an entry of its own. */
void protectPage(Translator &translator, Window &window, std::uint32_t page, std::uint32_t frame) {
  const std::uint32_t entry = window.shadow[page];
  constexpr std::uint32_t mask = ~0xfffu | shadow::Mapped | shadow::Writable | shadow::Large;
  if ((entry & mask) != (frame | shadow::Mapped | shadow::Writable)) return;
  translator.mappings += kMappingsPerPage;
  if (mprotect(windowHost(window, page), kPageBytes, PROT_READ) == 0) {
    window.shadow[page] = entry & ~shadow::Writable;
  } else {
    windowUnmap(translator, window, page, 1);
  }
}

void forgetLog(Window &window, PageLog &log) {
  for (std::uint32_t at = 0; at < log.count; at++) window.shadow[log.pages[at]] = 0;
  log.count = 0;
}

}  // namespace

char *windowReserve() {
  const std::uint64_t bytes = 2 * kWindowBytes + 2 * kWindowGuardBytes;
  void *all = reserve(bytes, PROT_NONE);
  if (all == MAP_FAILED) return nullptr;
  char *start = static_cast<char *>(all);
  const std::uint64_t first = reinterpret_cast<std::uint64_t>(start) + kWindowGuardBytes;
  char *base = reinterpret_cast<char *>((first + kWindowBytes - 1) & ~(kWindowBytes - 1));
  char *end = base + kWindowBytes + kWindowGuardBytes;
  if (base - kWindowGuardBytes > start) munmap(start, static_cast<std::size_t>(base - kWindowGuardBytes - start));
  if (start + bytes > end) munmap(end, static_cast<std::size_t>(start + bytes - end));
  return base;
}

char *windowHost(const Window &window, std::uint32_t page) { return window.base + (std::uint64_t{page} << 12); }

void windowClearCodePage(Window &window, std::uint32_t page) {
  std::uint32_t *entries = window.table + std::uint64_t{page} * kPageBytes;
  std::memset(entries, 0, kPageTableBytes);
  if (page != 0 && window.code[page - 1] != 0) std::memset(entries - kCrossingBytes, 0, kCrossingBytes * sizeof *entries);
  window.code[page] = 0;
}

void windowDestroy(Window &window) {
  if (window.base != nullptr) release(window.base - kWindowGuardBytes, kWindowBytes + 2 * kWindowGuardBytes);
  release(window.table, kTableBytes);
  release(window.shadow, kShadowBytes);
  release(window.mapped.pages, kShadowBytes);
  release(window.global.pages, kShadowBytes);
  release(window.code, kShadowBytes);
  release(window.coded.pages, kShadowBytes);
  window = Window{};
}

void windowSwap(Translator &translator) {
  const int other = static_cast<int>(translator.current);
  translator.current = static_cast<unsigned>(translator.twin);
  translator.twin = other;
  Window &window = translator.windows[translator.current];
  windowSettle(translator, window, *word32(translator.state, word::Cpl) == 3);
  storeOwn64(translator.state, word::WindowBase, reinterpret_cast<std::uint64_t>(window.base));
  storeOwn64(translator.state, word::JumpTable, reinterpret_cast<std::uint64_t>(window.table));
}

int windowSelect(Translator &translator, unsigned index, int twin) {
  Window &window = translator.windows[index];
  if (window.base == nullptr) {
    const int error = createWindow(window);
    if (error != 0) return error;
  }
  translator.current = index;
  translator.space = windowSpace(translator);
  windowSettle(translator, window, *word32(translator.state, word::Cpl) == 3);
  translator.twin = twin >= 0 && translator.windows[twin].base != nullptr ? twin : -1;
  storeOwn64(translator.state, word::WindowBase, reinterpret_cast<std::uint64_t>(window.base));
  storeOwn64(translator.state, word::JumpTable, reinterpret_cast<std::uint64_t>(window.table));
  return 0;
}

void windowClear(Translator &translator, unsigned index, bool code) {
  Window &window = translator.windows[index];
  if (window.base == nullptr) return;
  if (window.mapped.count + window.global.count + window.regionCount != 0) unmapRange(translator, window, 0, kLinearPages);
  forgetLog(window, window.mapped);
  forgetLog(window, window.global);
  for (std::uint32_t at = 0; at < window.regionCount; at++) window.large[window.regions[at]] = 0;
  window.regionCount = 0;
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
    for (std::uint32_t at = 0; at < window.regionCount; at++) {
      const std::uint32_t region = window.regions[at];
      const std::uint32_t entry = window.large[region];
      if ((entry & shadow::Writable) == 0 || ((entry ^ frame) & kRegionMask) != 0) continue;
      protectInRegion(translator, window, region * kRegionPages + ((frame & ~kRegionMask) >> 12), frame);
    }
    for (const PageLog *log : {&window.mapped, &window.global}) {
      for (std::uint32_t at = 0; at < log->count; at++) protectPage(translator, window, log->pages[at], frame);
    }
  }
}

void windowsDropCode(Translator &translator, std::uint32_t frame) {
  for (Window &window : translator.windows) {
    std::uint32_t kept = 0;
    for (std::uint32_t at = 0; at < window.coded.count; at++) {
      const std::uint32_t page = window.coded.pages[at];
      if ((window.code[page] & ~code::Global) == (frame | code::Present)) windowClearCodePage(window, page);
      if (window.code[page] != 0) window.coded.pages[kept++] = page;
    }
    window.coded.count = kept;
  }
}

/* Safe: tables that only this thread uses. */
void windowNote(Window &window, std::uint32_t page, std::uint32_t entry, bool global) {
  const std::uint32_t logged = window.shadow[page] & shadow::AnyLog;
  const std::uint32_t wanted = global ? shadow::LoggedGlobal : shadow::Logged;
  if ((logged & wanted) == 0) {
    PageLog &log = global ? window.global : window.mapped;
    log.pages[log.count++] = page;
  }
  window.shadow[page] = entry | logged | wanted;
}

/* Safe: it reads tables that only this thread uses. */
void windowsCount(Translator &translator) {
  translator.mappings = kMaxWindows;
  for (const Window &window : translator.windows) {
    translator.mappings += kMappingsPerPage * window.regionCount;
    for (const PageLog *log : {&window.mapped, &window.global}) {
      for (std::uint32_t at = 0; at < log->count; at++) {
        if ((window.shadow[log->pages[at]] & shadow::Mapped) != 0) translator.mappings += kMappingsPerPage;
      }
    }
  }
}

/* Safe: one system call, or two; the shadow entries keep their places in the logs. */
void windowUnmap(Translator &translator, Window &window, std::uint32_t first, std::uint32_t count) {
  if (!unmapRange(translator, window, first, count)) {
    /* No room for one mapping more: dropping whole regions needs none, as it frees what it splits. */
    const std::uint32_t end = (first + count + kRegionPages - 1) & ~(kRegionPages - 1);
    first &= ~(kRegionPages - 1);
    count = end - first;
    unmapRange(translator, window, first, count);
    for (std::uint32_t region = first / kRegionPages; region < end / kRegionPages; region++) windowForgetRegion(window, region);
  }
  for (std::uint32_t page = first; page < first + count; page++) window.shadow[page] &= shadow::AnyLog;
}

void windowUnmapSpan(Translator &translator, Window &window, const std::uint32_t *pages, std::size_t count) {
  const bool isDone = unmapRange(translator, window, pages[0], pages[count - 1] - pages[0] + 1);
  for (std::size_t at = 0; at < count; at++) {
    if (isDone) {
      window.shadow[pages[at]] &= shadow::AnyLog;
    } else {
      windowUnmap(translator, window, pages[at], 1);
    }
  }
}

/* Safe: tables that only this thread uses. */
void windowForgetRegion(Window &window, std::uint32_t region) {
  if (window.large[region] == 0) return;
  window.large[region] = 0;
  std::uint32_t at = 0;
  while (window.regions[at] != region) at++;
  window.regions[at] = window.regions[--window.regionCount];
}

/* Safe: as windowUnmap(). */
void windowDropRegion(Translator &translator, Window &window, std::uint32_t region) {
  windowForgetRegion(window, region);
  windowUnmap(translator, window, region * kRegionPages, kRegionPages);
}

void windowInstall(const Translator &translator, Window &window, std::uint32_t eip, std::uint32_t frame, std::uint32_t next, std::uint32_t offset) {
  const std::uint32_t page = eip >> 12;
  if (next != 0) {
    if (page + 1 == kLinearPages) return;
    noteCode(translator, window, page + 1, next);
  }
  noteCode(translator, window, page, frame);
  window.table[eip] = offset;
}

}  // namespace romulus
