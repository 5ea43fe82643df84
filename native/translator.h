/*
 * What translated code needs of the host, for one vCPU: the code buffer, the windows through which the guest's linear memory is seen,
 * and their jump tables. One `Translator` per vCPU that uses the engine; src/translator/ decides, this carries.
 *
 * A window is 4 GiB of reserved address space, aligned to 4 GiB so that the low half of a host address in it is the guest's linear
 * address, with guard pages at both ends. Pages come into it when guest code touches them (fault.cc walks the guest's page tables) and
 * leave it when the guest drops the translation (window.cc). A window belongs to one address space at one privilege.
 * Read before: memory.h, layout.h. Read after: window.cc, fault.cc, switch.S.
 */
#ifndef ROMULUS_TRANSLATOR_H
#define ROMULUS_TRANSLATOR_H

#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <sys/types.h>

#include "layout.h"
#include "memory.h"

namespace romulus {

constexpr unsigned kMaxTranslators = 64;
constexpr unsigned kMaxWindows = 16;
constexpr std::uint64_t kWindowBytes = 1ull << 32;
/*
 * Instructions reach at most 512 bytes (FXSAVE) behind the last linear address, and string instructions one element before the first.
 * BT and its kin with a register as bit offset reach 256 MiB to either side; the processors at hand cut the sum to 32 bits under an
 * address-size prefix, but the manual does not say so outright, and address space that is only reserved costs nothing.
 */
constexpr std::uint64_t kWindowGuardBytes = (1ull << 28) + (1ull << 16);
constexpr std::uint32_t kPageBytes = 4096;
constexpr std::uint32_t kLinearPages = 1u << 20;
/* Linear memory in pieces that one entry of a page directory maps. */
constexpr std::uint32_t kRegionPages = 0x400;
constexpr std::uint32_t kRegions = kLinearPages / kRegionPages;
constexpr std::uint32_t kRegionMask = ~(kRegionPages * kPageBytes - 1);
/* Host mappings that a page in a window may cost: its own, and the gap behind it. */
constexpr std::uint32_t kMappingsPerPage = 2;
/* A region of which the guest has invalidated so many pages one by one is one whose mappings come and go. */
constexpr std::uint8_t kRestlessDrops = 64;
/* Pages that a window remembers one by one to be looked at; beyond it is cheaper to look at all of them. */
constexpr std::uint32_t kMaxPending = 1024;

/* Bits of `Window::shadow` below the frame. */
namespace shadow {
constexpr std::uint32_t Mapped = 1;
constexpr std::uint32_t Writable = 2;
/* Lies in a region that one 4 MiB entry maps, and is an exception in it. */
constexpr std::uint32_t Large = 4;
/* Stands in the window's logs: `mapped`, `global`. */
constexpr std::uint32_t Logged = 8;
constexpr std::uint32_t LoggedGlobal = 0x10;
constexpr std::uint32_t AnyLog = Logged | LoggedGlobal;
/* In `Window::large` only: a flush that spares global entries spares it. */
constexpr std::uint32_t Global = 0x20;
}  // namespace shadow

/* Bits of `Window::code` below the frame. */
namespace code {
constexpr std::uint32_t Present = 1;
/* Mapped by a global entry. */
constexpr std::uint32_t Global = 2;
}  // namespace code

/* Linear pages that may have an entry in a table of 2^20, so that all of them can be visited. */
struct PageLog {
  std::uint32_t *pages = nullptr;
  std::uint32_t count = 0;
};

struct Window {
  /* Host address of linear address 0; null while the window has never been used. */
  char *base = nullptr;
  /* Jump table: per byte of linear address the code buffer's offset of the fragment for it, 0 = none. */
  std::uint32_t *table = nullptr;
  /*
   * Per linear page: physical frame | bits of `shadow`, 0 = not mapped. Pages of a region that a 4 MiB entry maps have entries here only
   * where they are not mapped as the whole is: code pages, mostly.
   */
  std::uint32_t *shadow = nullptr;
  /* Pages in `shadow`, those of global entries apart, as most flushes leave them alone. */
  PageLog mapped;
  PageLog global;
  /* Per region: physical frame of the 4 MiB entry that it is mapped by | bits of `shadow`, else 0; and the list of those that are not 0. */
  std::uint32_t large[kRegions] = {};
  std::uint16_t regions[kRegions] = {};
  std::uint32_t regionCount = 0;
  /* Per linear page with entries in the jump table: physical frame of the code | bits of `code`. */
  std::uint32_t *code = nullptr;
  PageLog coded;
  /* Per region: 1 when there may be such pages in it that a 4 MiB entry mapped. */
  std::uint8_t largeCode[kRegions] = {};
  /* Per region: pages that the guest has invalidated one by one while they were mapped here, up to `kRestlessDrops`. */
  std::uint8_t drops[kRegions] = {};
  /* The page behind what the last fault has brought, and how many pages the next one brings if it is for that page. */
  std::uint32_t behind = 0;
  std::uint32_t ahead = 1;
  /* Linear pages whose translation may have changed since the window was current; with more than `kMaxPending` all of them may have. */
  std::uint32_t pending[kMaxPending];
  std::uint32_t pendingCount = 0;
};

struct Translator {
  /* 0 = free. Written last when a translator is opened and first when it is closed. */
  std::atomic<bool> open{false};
  Memory *ram = nullptr;
  Memory *stateMemory = nullptr;
  Memory *codeMemory = nullptr;
  void *state = nullptr;
  /* Executable mapping of `codeMemory`. */
  unsigned char *code = nullptr;
  std::size_t codeBytes = 0;
  /* `PhysMemory.direct`: what may be done with each physical page. */
  const std::uint8_t *direct = nullptr;
  /* The side table of src/translator/sideTable.ts. */
  const std::int32_t *side = nullptr;
  Window windows[kMaxWindows];
  /* The thread that opened it, and the signal mask that it had. */
  pid_t tid = 0;
  sigset_t formerMask{};
  unsigned current = 0;
  /* Address space of the current window, see windowSpace(). */
  std::uint32_t space = 0;
  /* The window of the same address space at the other privilege, when it is fit for use; else -1. */
  int twin = -1;
  /* The last exit was a page fault of user code at this EIP. */
  bool hasFaulted = false;
  std::uint32_t faultEip = 0;
  /* Upper bound of the mappings that the windows hold, and how many they may hold. */
  std::uint32_t mappings = 0;
  std::uint32_t maxMappings = 0;
};

/* Slots are static and never freed: the fault handler finds the translator of a faulting instruction by its address. */
extern Translator translators[kMaxTranslators];

/*
 * Opens a translator over guest RAM, a state block and a code buffer, whose stubs it writes. Takes over the three references when it
 * succeeds. `direct` and `side` must stay valid until it is closed. `maxMappings` limits the windows; 0 = what the host allows. Returns the slot, or a
 * negative errno.
 */
int translatorOpen(Memory *ram, Memory *state, Memory *code, const std::uint8_t *direct, const std::int32_t *side,
                   std::uint32_t maxMappings);

/* Unmaps everything. The calling thread must not be in guest code of it. */
void translatorClose(Translator &translator);

/* Runs translated code at Word.XlateEntry until an exit. */
void translatorEnter(Translator &translator);

/* Translators that are open now. */
int translatorLive();

/*
 * Makes a window the one that `translatorEnter` uses. `twin` is the window of the same address space at the other privilege, or -1.
 * Returns 0 or a negative errno.
 */
int windowSelect(Translator &translator, unsigned index, int twin);

/* Changes to the window of the other privilege, in `shortcut()`. There must be one. */
void windowSwap(Translator &translator);

/*
 * Runs instructions at Word.NextEip that translated code leaves to the interpreter, as far as they are among the few that every system
 * call needs and nothing about them is out of the ordinary. Returns how many it has run; the state is that between instructions.
 */
unsigned shortcut(Translator &translator);

/*
 * After an exit by a fault of the host: puts the EIP of the guest instruction in Word.NextEip and corrects Word.Esp, from the side table.
 * An offset without an entry changes nothing; the engine finds that out.
 */
void locateFault(Translator &translator);

/* The entry of the side table for the guest instruction that the host instruction at `offset` of the code buffer is part of; null before all of them. */
const std::int32_t *sideEntry(const Translator &translator, std::uint32_t offset);

/*
 * Delivers the page fault that translated code has just been left for (XlateExit.Fault) and that has been located, so that the guest goes on at Word.NextEip in its
 * handler. Returns false, with nothing changed, where that is for TypeScript to do.
 */
bool reflectFault(Translator &translator);

/*
 * Walks the page tables again for every page, or with `sparesGlobal` every page but global ones, and drops those whose translation has
 * changed: what a flush of the TLB amounts to.
 */
void windowRevalidate(Translator &translator, unsigned index, bool user, bool sparesGlobal);

/*
 * The same for one page (INVLPG), or for all of its 4 MiB region where that is mapped by one entry, in all windows: at once in the current
 * one, before their next use in the others.
 */
void windowsInvalidatePage(Translator &translator, std::uint32_t linear);

/* Looks at the pages of a window, one of this privilege and of the current address space, that windowsInvalidatePage() has left for that. */
void windowSettle(Translator &translator, Window &window, bool user);

/* The address space that CR0 and CR3 name: the page directory, or a value of its own while paging is off. */
std::uint32_t windowSpace(const Translator &translator);

/* Drops everything in a window: pages, and with `code` its jump table. */
void windowClear(Translator &translator, unsigned index, bool code);

/* Takes the write permission from a physical page in all windows. */
void windowsProtect(Translator &translator, std::uint32_t frame);

/* Forgets the jump-table entries of a physical page in all windows. */
void windowsDropCode(Translator &translator, std::uint32_t frame);

/* Drops everything in all windows, jump tables excepted, and begins to count mappings anew. */
void windowsClear(Translator &translator);

/* Empties all jump tables: the code buffer begins anew. */
void windowsDropAllCode(Translator &translator);

/*
 * Enters a fragment into the jump table; `frame` is the physical address of its page | 1, `next` that of the linear page behind when its
 * instruction crosses into it, else 0.
 */
void windowInstall(const Translator &translator, Window &window, std::uint32_t eip, std::uint32_t frame, std::uint32_t next, std::uint32_t offset);

/* Reserves 4 GiB at a multiple of 4 GiB with guards at both ends, all inaccessible. Returns null where there is no room. */
char *windowReserve();

/* Gives all of a window back to the host. */
void windowDestroy(Window &window);

/* Unmaps neighbouring pages: none of a region that a 4 MiB entry maps, or all. */
void windowUnmap(Translator &translator, Window &window, std::uint32_t first, std::uint32_t count);

/* Unmaps pages, given in ascending order, between which no others are mapped. */
void windowUnmapSpan(Translator &translator, Window &window, const std::uint32_t *pages, std::size_t count);

/* Unmaps a region, whatever maps it. */
void windowDropRegion(Translator &translator, Window &window, std::uint32_t region);

/* Forgets that a region is mapped by a 4 MiB entry; for who unmaps it. */
void windowForgetRegion(Window &window, std::uint32_t region);

/* Enters a page into the shadow and into the log that it belongs to. */
void windowNote(Window &window, std::uint32_t page, std::uint32_t entry, bool global);

/* Counts anew what `mappings` is the upper bound of: neighbours share mappings, and what has been dropped has none. */
void windowsCount(Translator &translator);

/* Host address of a linear page. */
char *windowHost(const Window &window, std::uint32_t page);

/* Empties the part of the jump table for a page, and that for instructions that end in it. */
void windowClearCodePage(Window &window, std::uint32_t page);

/* What the walker found. */
struct Walk {
  /* Physical address of the page. */
  std::uint32_t frame;
  /* The page tables let the current privilege read and write. A page that is not dirty yet must not be mapped writable. */
  bool writable;
  bool dirty;
  bool large;
  /* The entry is global, and CR4.PGE lets it be. */
  bool global;
  /* The entry of the page table, among its neighbours; null for 4 MiB pages and without paging. */
  const std::uint32_t *entry;
};

enum class WalkResult {
  Ok,
  /* Not present, no right, reserved bits: the guest's page fault, `faultError` says which. */
  Fault,
  /* Page tables outside plain RAM, or A or D would have to be set where that is not plain memory: leave it to TypeScript. */
  Slow,
};

/*
 * Walks the guest's page tables for an access. With `touch` it sets Accessed, and Dirty for writes, as the access would; without, a
 * translation whose flags are not set counts as Slow. Async-signal-safe: it touches guest RAM and the state block only.
 */
WalkResult walk(const Translator &translator, std::uint32_t linear, bool write, bool user, bool touch, Walk *found,
                std::uint32_t *faultError);

/* Puts the page of a faulting access into the current window. */
enum class MapResult { Mapped, Fault, Slow };
MapResult windowMap(Translator &translator, std::uint32_t linear, bool write, bool user, std::uint32_t *faultError);

/* Installs the handlers of SIGSEGV, SIGBUS, SIGFPE and SIGILL. Doing it twice does no harm. Returns 0 or a negative errno. */
int installFaultHandlers();

}  // namespace romulus

#endif
