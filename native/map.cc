/*
 * What a fault brings into a window: the page that was touched, and what would be mapped the same way around it. Pages of one page table
 * come in runs whose frames are contiguous, and more of them where they are touched in order; what a 4 MiB entry maps comes as a whole, and neighbours of it that are alike and plain come along.
 * So a kernel's map of all memory costs a new window a few faults.
 *
 * Called by the fault handler, and async-signal-safe as window.cc is. Read before: window.cc, walk.cc. Read after: fault.cc, revalidate.cc.
 */
#include <algorithm>
#include <sys/mman.h>

#include "state.h"
#include "translator.h"

namespace romulus {
namespace {

/*
 * Runs up to this many pages are made present at once; in longer ones the host does that as they are touched, some pages at a time, so that
 * the guest's memory is not all taken up.
 */
constexpr std::uint32_t kPresentPages = 16;

/* Pages that one fault brings at most whose frames are not those behind its own. */
constexpr std::uint32_t kMaxAhead = 32;

/* Bits of a page-table entry that neighbours must have in common: P, U/S, A and G, and R/W and D, which say who may write. */
constexpr std::uint32_t kEntryRights = 0x125;
constexpr std::uint32_t kEntryWriting = 0x42;
constexpr std::uint32_t kEntryUser = 4;
constexpr std::uint32_t kEntryFrame = ~0xfffu;
/* Reserved: such an entry is a fault. */
constexpr std::uint32_t kEntryPat = 0x80;

bool mapFrames(Translator &translator, const Window &window, std::uint32_t page, std::uint32_t count, std::uint32_t frame, bool writable) {
  translator.mappings += kMappingsPerPage;
  const int present = count <= kPresentPages ? MAP_POPULATE : 0;
  return mmap(windowHost(window, page), std::uint64_t{count} * kPageBytes, PROT_READ | (writable ? PROT_WRITE : 0),
              MAP_SHARED | MAP_FIXED | present, translator.ram->fd, static_cast<off_t>(frame)) != MAP_FAILED;
}

/*
 * Lets a page that is there be written. Other than a new mapping in its place, which takes the page out first, that needs no other thread of
 * the process to forget it. A host that does not know MADV_POPULATE_WRITE (before Linux 5.14) makes the page writable when it is written.
 */
bool permitWriting(Translator &translator, const Window &window, std::uint32_t page) {
  translator.mappings += kMappingsPerPage;
  if (mprotect(windowHost(window, page), kPageBytes, PROT_READ | PROT_WRITE) != 0) return false;
  madvise(windowHost(window, page), kPageBytes, MADV_POPULATE_WRITE);
  return true;
}

MapResult full(Translator &translator) {
  storeOwn32(translator.state, word::WindowFull, 1);
  return MapResult::Slow;
}

bool hasRoom(Translator &translator) {
  if (translator.mappings + kMappingsPerPage <= translator.maxMappings) return true;
  windowsCount(translator);
  /* With hardly any room left it would be counted anew all the time. */
  return translator.mappings + translator.maxMappings / 8 <= translator.maxMappings;
}

/* The access that a fault was about, and what the walk has found for it. */
struct Access {
  std::uint32_t page;
  const Walk &found;
  bool user;
  /* The page tables let all of it be written without more ado. */
  bool mayWrite;
  /* So do they and what is at the page's place in physical memory. */
  bool writable;
};

/* One page, and its neighbours in the page table. */
MapResult mapRun(Translator &translator, Window &window, const Access &access) {
  const Walk &found = access.found;
  const std::uint32_t page = access.page;
  const std::uint32_t old = window.shadow[page];
  const std::uint32_t bits = shadow::Mapped | (access.writable ? shadow::Writable : 0);
  /* It is mapped the way it should be and faults all the same: not for this function to understand. */
  if (((old ^ (found.frame | bits)) & ~shadow::AnyLog) == 0) return MapResult::Slow;

  /* Whether another page of the page table can be mapped in the same way, if its entry names this frame. */
  const auto joins = [&](std::uint32_t other, std::uint32_t frame) {
    if ((window.shadow[other] & shadow::Mapped) != 0) return false;
    const std::uint8_t direct = translator.direct[frame >> 12];
    if ((direct & direct::Read) == 0 || (access.mayWrite && (direct & direct::Write) == 0) != (access.mayWrite && !access.writable)) return false;
    if (found.entry == nullptr) return true;
    const std::uint32_t entry = found.entry[static_cast<std::int32_t>(other - page)];
    const std::uint32_t differing = entry ^ *found.entry;
    if ((differing & kEntryRights) != 0 || (entry & kEntryPat) != 0 || (entry & kEntryFrame) != frame) return false;
    return (differing & kEntryWriting) == 0;
  };
  const auto mapPages = [&](std::uint32_t at, std::uint32_t count, std::uint32_t frame) {
    if (!mapFrames(translator, window, at, count, frame, access.writable)) return false;
    for (std::uint32_t i = 0; i < count; i++) windowNote(window, at + i, (frame + (i << 12)) | bits, found.global);
    return true;
  };
  if ((old & ~shadow::AnyLog) == (found.frame | shadow::Mapped) && access.writable) {
    if (!permitWriting(translator, window, page)) return full(translator);
    windowNote(window, page, found.frame | bits, found.global);
    return MapResult::Mapped;
  }
  /* A kernel's passing mappings are used for a page or so and invalidated page by page. */
  const bool isPassing = window.drops[page / kRegionPages] == kRestlessDrops && found.entry != nullptr && (*found.entry & kEntryUser) == 0;
  const std::uint32_t regionFirst = page & ~(kRegionPages - 1);
  const std::uint32_t regionLast = regionFirst + kRegionPages - 1;
  const auto neighbour = [&](std::uint32_t other) { return found.frame + ((other - page) << 12); };
  std::uint32_t first = page;
  std::uint32_t last = page;
  const bool bringsMore = (old & shadow::Mapped) == 0 && !isPassing;
  while (bringsMore && first > regionFirst && joins(first - 1, neighbour(first - 1))) first--;
  while (bringsMore && last < regionLast && joins(last + 1, neighbour(last + 1))) last++;
  if (!mapPages(first, last - first + 1, neighbour(first))) return full(translator);

  /* Pages that are touched one after the other bring more and more of those behind along, whatever frames they have. */
  window.ahead = bringsMore && page == window.behind && found.entry != nullptr ? std::min(2 * window.ahead, kMaxAhead) : 1;
  std::uint32_t next = last + 1;
  for (std::uint32_t left = window.ahead - 1; left > 0 && next <= regionLast;) {
    const std::uint32_t frame = found.entry[static_cast<std::int32_t>(next - page)] & kEntryFrame;
    if (!joins(next, frame) || !hasRoom(translator)) break;
    std::uint32_t count = 1;
    while (count < left && next + count <= regionLast && joins(next + count, frame + (count << 12))) count++;
    if (!mapPages(next, count, frame)) break;
    next += count;
    left -= count;
  }
  window.behind = next;
  return MapResult::Mapped;
}

/* Maps a region of which nothing is mapped, `entry` as in Window::large. Pages that only few may write are exceptions, others stay out. */
bool mapRegion(Translator &translator, Window &window, std::uint32_t region, std::uint32_t entry) {
  const bool mayWrite = (entry & shadow::Writable) != 0;
  const std::uint32_t firstFrame = entry & kRegionMask;
  const std::uint8_t *direct = translator.direct + (firstFrame >> 12);
  const std::uint32_t firstPage = region * kRegionPages;
  /* The end of the pages from `at` on that are alike in some bits of `direct`. */
  const auto endOfRun = [&](std::uint32_t at, std::uint32_t mask) {
    const std::uint8_t *end = std::find_if(direct + at, direct + kRegionPages, [&](std::uint8_t bits) { return ((bits ^ direct[at]) & mask) != 0; });
    return static_cast<std::uint32_t>(end - direct);
  };
  window.large[region] = entry;
  window.regions[window.regionCount++] = static_cast<std::uint16_t>(region);
  for (std::uint32_t at = 0; at < kRegionPages;) {
    const std::uint32_t end = endOfRun(at, direct::Read);
    if ((direct[at] & direct::Read) != 0 && !mapFrames(translator, window, firstPage + at, end - at, firstFrame + (at << 12), mayWrite)) return false;
    at = end;
  }
  for (std::uint32_t at = 0; mayWrite && at < kRegionPages;) {
    const std::uint32_t end = endOfRun(at, direct::Read | direct::Write);
    if ((direct[at] & direct::Read) != 0 && (direct[at] & direct::Write) == 0) {
      translator.mappings += kMappingsPerPage;
      if (mprotect(windowHost(window, firstPage + at), std::size_t{end - at} * kPageBytes, PROT_READ) != 0) return false;
      for (std::uint32_t other = at; other < end; other++) {
        windowNote(window, firstPage + other, (firstFrame + (other << 12)) | shadow::Mapped | shadow::Large, false);
      }
    }
    at = end;
  }
  return true;
}

/* A page of a region that one entry maps. */
MapResult mapLarge(Translator &translator, Window &window, const Access &access) {
  const Walk &found = access.found;
  const std::uint32_t region = access.page / kRegionPages;
  const auto entryOf = [&](std::uint32_t other) {
    return ((found.frame & kRegionMask) + (other - region) * kRegionPages * kPageBytes) | shadow::Mapped |
           (access.mayWrite ? shadow::Writable : 0) | (found.global ? shadow::Global : 0);
  };
  if (window.large[region] == entryOf(region)) {
    /* The region is there: what was an exception is one no longer, or is one of another kind. */
    const std::uint32_t entry = found.frame | shadow::Mapped | shadow::Large | (access.writable ? shadow::Writable : 0);
    const std::uint32_t old = window.shadow[access.page] & ~shadow::AnyLog;
    if (old == entry) return MapResult::Slow;
    const bool isThere = old == (entry & ~shadow::Writable);
    if (!(isThere ? permitWriting(translator, window, access.page) : mapFrames(translator, window, access.page, 1, found.frame, access.writable))) {
      return full(translator);
    }
    windowNote(window, access.page, entry, false);
    return MapResult::Mapped;
  }
  /* Regions all of whose pages may be read and written, so that they cost a call each and nothing more. */
  const auto joins = [&](std::uint32_t other) {
    if (window.large[other] != 0) return false;
    const std::uint32_t frame = entryOf(other) & kRegionMask;
    const std::uint8_t *direct = translator.direct + (frame >> 12);
    constexpr std::uint8_t both = direct::Read | direct::Write;
    if (!std::all_of(direct, direct + kRegionPages, [](std::uint8_t bits) { return (bits & both) == both; })) return false;
    Walk neighbour{};
    std::uint32_t error = 0;
    if (walk(translator, other * kRegionPages << 12, false, access.user, false, &neighbour, &error) != WalkResult::Ok) return false;
    return neighbour.large && neighbour.frame == frame && (neighbour.writable && neighbour.dirty) == access.mayWrite &&
           neighbour.global == found.global;
  };
  std::uint32_t first = region;
  std::uint32_t last = region;
  while (first > 0 && joins(first - 1)) first--;
  while (last + 1 < kRegions && joins(last + 1)) last++;
  for (std::uint32_t other = first; other <= last; other++) {
    const std::uint32_t *entries = window.shadow + other * kRegionPages;
    const bool isUsed = std::any_of(entries, entries + kRegionPages, [](std::uint32_t entry) { return (entry & shadow::Mapped) != 0; });
    if (isUsed || window.large[other] != 0) windowDropRegion(translator, window, other);
    if (mapRegion(translator, window, other, entryOf(other))) continue;
    windowDropRegion(translator, window, other);
    return full(translator);
  }
  return MapResult::Mapped;
}

}  // namespace

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
  if (!hasRoom(translator)) return full(translator);
  const std::uint32_t page = linear >> 12;
  const bool mayWrite = found.writable && found.dirty;
  const Access access{page, found, user, mayWrite, mayWrite && (direct & direct::Write) != 0};
  MapResult result;
  if (found.large) {
    result = mapLarge(translator, window, access);
  } else {
    if (window.large[page / kRegionPages] != 0) windowDropRegion(translator, window, page / kRegionPages);
    result = mapRun(translator, window, access);
  }
  if (result == MapResult::Mapped) addOwn64(translator.state, word::WindowFaults, 1);
  return result;
}

}  // namespace romulus
