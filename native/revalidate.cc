/*
 * What a window still has of translations that the guest has changed, and how it loses it. A flush of the TLB walks the page tables again
 * for every page of a window before the window is next used; the change of one page is noted in every window but the current one, and
 * looked at when that window is next used, many at a time: a guest that gives a region back tells of it page by page, and neighbours
 * leave a window in one system call. The guest cannot tell: no code runs in a window that has pages to be looked at.
 *
 * Runs on the vCPU's thread, outside of signal handlers. Read before: window.cc.
 */
#include <algorithm>
#include <sys/mman.h>
#include <vector>

#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

constexpr std::uint32_t kPg = 0x80000000u;
constexpr std::uint32_t kFrameMask = ~0xfffu;
/* Stands for CR3 while paging is off; no page-aligned value equals it. */
constexpr std::uint32_t kUnpaged = 1;
enum class Fate { Keep, Protect, Drop };

/* What becomes of a page that is mapped as `entry` says. */
Fate fateOf(const Translator &translator, std::uint32_t page, std::uint32_t entry, bool user) {
  const auto maps = [&](bool write) {
    Walk found{};
    std::uint32_t error = 0;
    return walk(translator, page << 12, write, user, false, &found, &error) == WalkResult::Ok &&
           found.frame == (entry & kFrameMask) && !found.large;
  };
  const bool writable = (entry & shadow::Writable) != 0;
  if (maps(writable)) return Fate::Keep;
  /* A fork takes the right to write from every page of a process, which goes on reading them. */
  return writable && maps(false) ? Fate::Protect : Fate::Drop;
}

bool stillCode(const Translator &translator, Window &window, std::uint32_t page, bool user) {
  Walk found{};
  std::uint32_t error = 0;
  if (walk(translator, page << 12, false, user, false, &found, &error) != WalkResult::Ok) return false;
  if (found.large) window.largeCode[page / kRegionPages] = 1;
  return found.frame == (window.code[page] & kFrameMask);
}

/* Carries fates out, those of neighbours that come one after the other in one system call. */
class Executor {
 public:
  Executor(Translator &translator, Window &window) : _translator(translator), _window(window) {}
  ~Executor() { finish(); }
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;

  void add(std::uint32_t page, Fate fate) {
    if (fate == _fate && page == _first + _count) {
      _count++;
    } else if (fate == _fate && page + 1 == _first) {
      _first--;
      _count++;
    } else {
      finish();
      _fate = fate;
      _first = page;
      _count = 1;
    }
  }

  void finish() {
    if (_count == 0) return;
    if (_fate != Fate::Protect || !protect()) windowUnmap(_translator, _window, _first, _count);
    _count = 0;
  }

 private:
  bool protect() {
    _translator.mappings += 2;
    if (mprotect(windowHost(_window, _first), std::size_t{_count} * kPageBytes, PROT_READ) != 0) return false;
    for (std::uint32_t page = _first; page < _first + _count; page++) _window.shadow[page] &= ~shadow::Writable;
    return true;
  }

  Translator &_translator;
  Window &_window;
  Fate _fate = Fate::Keep;
  std::uint32_t _first = 0;
  std::uint32_t _count = 0;
};

void revalidateCode(Translator &translator, Window &window, std::uint32_t page, bool user) {
  if (window.code[page] != 0 && !stillCode(translator, window, page, user)) windowClearCodePage(window, page);
}

/* The same for a page of a window; what is not mapped, or an exception in what a 4 MiB entry maps, stays as it is. */
Fate fateIn(const Translator &translator, const Window &window, std::uint32_t page, bool user) {
  const std::uint32_t entry = window.shadow[page];
  if ((entry & (shadow::Mapped | shadow::Large)) != shadow::Mapped) return Fate::Keep;
  return fateOf(translator, page, entry, user);
}

/* A page that has an entry of its own, or none. */
void revalidatePage(Translator &translator, const Window &window, Executor &executor, std::uint32_t page, bool user) {
  const Fate fate = fateIn(translator, window, page, user);
  if (fate != Fate::Keep) executor.add(page, fate);
}

/* Whether the 4 MiB entry that maps a region is the same still. */
bool isStillLarge(const Translator &translator, std::uint32_t region, std::uint32_t entry, bool user) {
  Walk found{};
  std::uint32_t error = 0;
  const bool writable = (entry & shadow::Writable) != 0;
  if (walk(translator, region * kRegionPages << 12, writable, user, false, &found, &error) != WalkResult::Ok) return false;
  return found.large && found.frame == (entry & kRegionMask);
}

/* INVLPG drops all of a 4 MiB entry. */
void revalidateAround(Translator &translator, Window &window, Executor &executor, std::uint32_t page, bool user) {
  const std::uint32_t region = page / kRegionPages;
  const std::uint32_t entry = window.large[region];
  if (entry == 0) {
    revalidatePage(translator, window, executor, page, user);
  } else if (!isStillLarge(translator, region, entry, user)) {
    windowDropRegion(translator, window, region);
  }
  if (window.largeCode[region] == 0) {
    revalidateCode(translator, window, page, user);
    return;
  }
  for (std::uint32_t at = 0; at < kRegionPages; at++) revalidateCode(translator, window, region * kRegionPages + at, user);
}

/* All that is mapped in a window, in ascending order: pages, and the first pages of regions that 4 MiB entries map. */
std::vector<std::uint32_t> mappedPages(const Window &window) {
  std::vector<std::uint32_t> pages;
  for (const PageLog *log : {&window.mapped, &window.global}) {
    for (std::uint32_t at = 0; at < log->count; at++) {
      const std::uint32_t page = log->pages[at];
      if ((window.shadow[page] & shadow::Mapped) != 0) pages.push_back(page);
    }
  }
  for (std::uint32_t at = 0; at < window.regionCount; at++) pages.push_back(window.regions[at] * kRegionPages);
  std::sort(pages.begin(), pages.end());
  return pages;
}

/*
 * Unmaps pages of a window. What lies between two of them and is not mapped goes with them, so that a process that has ended leaves in a few
 * system calls.
 */
void dropPages(Translator &translator, Window &window, std::vector<std::uint32_t> &pages) {
  if (pages.empty()) return;
  std::sort(pages.begin(), pages.end());
  const std::vector<std::uint32_t> mapped = mappedPages(window);
  auto at = mapped.begin();
  for (std::size_t first = 0; first < pages.size();) {
    at = std::lower_bound(at, mapped.end(), pages[first]);
    std::size_t last = first;
    while (last + 1 < pages.size() && at + 1 != mapped.end() && *++at == pages[last + 1]) last++;
    windowUnmapSpan(translator, window, &pages[first], last - first + 1);
    first = last + 1;
  }
}

void revalidateLog(Translator &translator, Window &window, PageLog &log, bool user) {
  Executor executor(translator, window);
  std::vector<std::uint32_t> dropped;
  for (std::uint32_t at = 0; at < log.count; at++) {
    const std::uint32_t page = log.pages[at];
    const Fate fate = fateIn(translator, window, page, user);
    if (fate == Fate::Drop) {
      dropped.push_back(page);
    } else if (fate == Fate::Protect) {
      executor.add(page, fate);
    }
  }
  executor.finish();
  dropPages(translator, window, dropped);
}

/* Leaves in a log only the pages that are mapped still. */
void compactLog(Window &window, PageLog &log, std::uint32_t logged) {
  std::uint32_t kept = 0;
  for (std::uint32_t index = 0; index < log.count; index++) {
    const std::uint32_t page = log.pages[index];
    if ((window.shadow[page] & shadow::Mapped) != 0) {
      log.pages[kept++] = page;
    } else {
      window.shadow[page] &= ~logged;
    }
  }
  log.count = kept;
}

bool isUser(const Translator &translator) { return *word32(translator.state, word::Cpl) == 3; }

}  // namespace

std::uint32_t windowSpace(const Translator &translator) {
  if ((static_cast<std::uint32_t>(*word32(translator.state, word::Cr0)) & kPg) == 0) return kUnpaged;
  return static_cast<std::uint32_t>(*word32(translator.state, word::Cr3)) & kFrameMask;
}

void windowRevalidate(Translator &translator, unsigned index, bool user, bool sparesGlobal) {
  Window &window = translator.windows[index];
  if (window.base == nullptr) return;
  if (sparesGlobal) {
    windowSettle(translator, window, user);
  } else {
    window.pendingCount = 0;
  }
  /* From the last to the first, as one that is dropped leaves its place to the last. */
  for (std::uint32_t at = window.regionCount; at-- > 0;) {
    const std::uint32_t region = window.regions[at];
    const std::uint32_t entry = window.large[region];
    if (sparesGlobal && (entry & shadow::Global) != 0) continue;
    if (!isStillLarge(translator, region, entry, user)) windowDropRegion(translator, window, region);
  }
  revalidateLog(translator, window, window.mapped, user);
  compactLog(window, window.mapped, shadow::Logged);
  if (!sparesGlobal) {
    revalidateLog(translator, window, window.global, user);
    compactLog(window, window.global, shadow::LoggedGlobal);
  }
  std::uint32_t kept = 0;
  for (std::uint32_t at = 0; at < window.coded.count; at++) {
    const std::uint32_t page = window.coded.pages[at];
    if (!sparesGlobal || (window.code[page] & code::Global) == 0) revalidateCode(translator, window, page, user);
    if (window.code[page] != 0) window.coded.pages[kept++] = page;
  }
  window.coded.count = kept;
}

void windowsInvalidatePage(Translator &translator, std::uint32_t linear) {
  const std::uint32_t page = linear >> 12;
  const std::uint32_t region = page / kRegionPages;
  for (unsigned index = 0; index < kMaxWindows; index++) {
    Window &window = translator.windows[index];
    if (window.base == nullptr) continue;
    if ((window.shadow[page] & shadow::Mapped) == 0 && window.code[page] == 0 && (window.large[region] | window.largeCode[region]) == 0) continue;
    if (index == translator.current && translator.space == windowSpace(translator)) {
      if (window.drops[region] < kRestlessDrops) window.drops[region]++;
      Executor executor(translator, window);
      revalidateAround(translator, window, executor, page, isUser(translator));
    } else if (window.pendingCount <= kMaxPending) {
      /* One more than there is room for stands for all pages. */
      if (window.pendingCount < kMaxPending) window.pending[window.pendingCount] = page;
      window.pendingCount++;
    }
  }
}

void windowSettle(Translator &translator, Window &window, bool user) {
  if (window.pendingCount == 0) return;
  if (window.pendingCount > kMaxPending) {
    windowRevalidate(translator, static_cast<unsigned>(&window - translator.windows), user, false);
    return;
  }
  std::uint32_t *end = window.pending + window.pendingCount;
  window.pendingCount = 0;
  std::sort(window.pending, end);
  end = std::unique(window.pending, end);
  Executor executor(translator, window);
  for (const std::uint32_t *page = window.pending; page != end; page++) {
    revalidateAround(translator, window, executor, *page, user);
  }
}

}  // namespace romulus
