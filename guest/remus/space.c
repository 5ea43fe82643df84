/*
 * space.c - address spaces: two-level page tables, demand-zero pages, copy-on-write. (SDM 3A, "32-bit paging")
 *
 * The kernel half of every directory is a copy of kernel_directory, whose page tables are all made here at boot and never
 * change; so nothing has to be kept in step later. User pages are reached by the kernel through the direct map while a space is
 * built, and through the program's own addresses, after user_readable() or user_writable(), while it runs.
 * Read before: frame.c. Read after: process.c.
 */
#include "space.h"

#include "../lib/abi.h"
#include "../lib/string.h"
#include "console.h"
#include "frame.h"
#include "layout.h"
#include "process.h"
#include "site.h"

#define ENTRIES 1024
#define KERNEL_ENTRY (KERNEL_BASE >> 22)
#define FRAME_MASK 0xFFFFF000

/* Bits of a page fault's error code. (SDM 3A, "Page-Fault Exception") */
#define FAULT_PRESENT 0x1
#define FAULT_WRITE 0x2

extern uint32_t kernel_directory[ENTRIES];

static uint32_t pfn(const void *page) { return phys_of(page) / PAGE_BYTES; }

/** SetPxE and UpdatePxE flags for an entry of the page table that maps `linear`. */
static uint32_t table_flags(const struct space *space, uint32_t linear) {
  bool running = current && space->directory == current->space.directory;
  return VMI_PAGE_PT | (running ? VMI_PAGE_CURRENT_AS | (linear & FRAME_MASK) : 0);
}

/** A new page table in the user half of a directory; null without memory. */
static uint32_t *make_table(uint32_t *directory, uint32_t index) {
  uint32_t *table = frame_allocate();
  if (!table) return 0;
  AllocatePage(pfn(table), VMI_PAGE_PT | VMI_PAGE_ZEROED, 0, 0, 0);
  SetPxE(phys_of(table) | PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER, &directory[index], VMI_PAGE_PD);
  return table;
}

void space_init(void) {
  /* boot.S has made the first tables; now the rest of the direct map, and no more low addresses for the kernel. */
  for (uint32_t phys = BOOT_MAP_BYTES; phys < memory_end();) {
    uint32_t *table = frame_allocate(), index = (KERNEL_BASE + phys) >> 22;
    for (uint32_t i = 0; i < ENTRIES && phys < memory_end(); i++, phys += PAGE_BYTES) table[i] = phys | PAGE_DIRECT;
    AllocatePage(pfn(table), VMI_PAGE_PT, 0, 0, 0);
    SetPxE(phys_of(table) | PAGE_PRESENT | PAGE_WRITABLE, &kernel_directory[index], VMI_PAGE_PD);
  }
  for (uint32_t index = 0; index < BOOT_MAP_BYTES >> 22; index++) SetPxE(0, &kernel_directory[index], VMI_PAGE_PD);
  FlushTLB(VMI_FLUSH_TLB);
}

bool space_create(struct space *space) {
  memset(space, 0, sizeof *space);
  space->directory = frame_allocate();
  if (!space->directory) return false;
  memcpy(space->directory + KERNEL_ENTRY, kernel_directory + KERNEL_ENTRY, (ENTRIES - KERNEL_ENTRY) * sizeof(uint32_t));
  AllocatePage(pfn(space->directory), VMI_PAGE_PD | VMI_PAGE_CLONE | VMI_PAGE_ZEROED, pfn(kernel_directory), KERNEL_ENTRY,
               ENTRIES - KERNEL_ENTRY);
  return true;
}

/** The entry that maps `linear`; null if its table is missing and `make` is false or there is no memory. */
static uint32_t *entry_of(struct space *space, uint32_t linear, bool make) {
  uint32_t index = linear >> 22;
  uint32_t *table = 0;
  if (space->directory[index])
    table = direct_map(space->directory[index] & FRAME_MASK);
  else if (make)
    table = make_table(space->directory, index);
  return table ? &table[linear / PAGE_BYTES % ENTRIES] : 0;
}

uint8_t *space_map_zeroed(struct space *space, uint32_t linear, bool writable) {
  uint32_t *entry = entry_of(space, linear, true);
  void *page = entry ? frame_allocate() : 0;
  if (!page) return 0;
  SetPxE(phys_of(page) | PAGE_PRESENT | PAGE_USER | (writable ? PAGE_WRITABLE : 0), entry, table_flags(space, linear));
  space->pages++;
  return page;
}

/** Drops the page behind an entry, if there is one. The caller sees to the TLB. */
static void unmap(struct space *space, uint32_t *entry, uint32_t linear) {
  if (!(*entry & PAGE_PRESENT)) return;
  frame_release(*entry & FRAME_MASK);
  SetPxE(0, entry, table_flags(space, linear));
  space->pages--;
}

bool space_clone(struct space *to, struct space *from) {
  if (!space_create(to)) return false;
  to->heap_start = from->heap_start;
  to->heap_end = from->heap_end;
  for (uint32_t index = 0; index < KERNEL_ENTRY; index++) {
    if (!from->directory[index]) continue;
    uint32_t *source = direct_map(from->directory[index] & FRAME_MASK);
    uint32_t *target = make_table(to->directory, index);
    if (!target) return false;
    for (uint32_t i = 0; i < ENTRIES; i++) {
      if (!(source[i] & PAGE_PRESENT)) continue;
      uint32_t linear = index << 22 | i * PAGE_BYTES;
      if (source[i] & PAGE_WRITABLE) {
        source[i] = (source[i] & ~PAGE_WRITABLE) | PAGE_COPY_ON_WRITE;
        UpdatePxE(&source[i], table_flags(from, linear));
      }
      frame_share(source[i] & FRAME_MASK);
      SetPxE(source[i], &target[i], VMI_PAGE_PT);
      to->pages++;
    }
  }
  FlushTLB(VMI_FLUSH_TLB);
  return true;
}

void space_destroy(struct space *space) {
  for (uint32_t index = 0; index < KERNEL_ENTRY; index++) {
    uint32_t phys = space->directory[index] & FRAME_MASK;
    if (!phys) continue;
    uint32_t *table = direct_map(phys);
    for (uint32_t i = 0; i < ENTRIES; i++) unmap(space, &table[i], index << 22 | i * PAGE_BYTES);
    SetPxE(0, &space->directory[index], VMI_PAGE_PD);
    ReleasePage(phys / PAGE_BYTES, VMI_PAGE_PT);
    frame_release(phys);
  }
  ReleasePage(pfn(space->directory), VMI_PAGE_PD);
  frame_release(phys_of(space->directory));
  space->directory = 0;
}

void space_activate(const struct space *space) { SetCR3(phys_of(space->directory)); }

bool space_set_heap_end(struct space *space, uint32_t heap_end) {
  if (heap_end < space->heap_start || heap_end > USER_STACK_TOP - USER_STACK_BYTES) return false;
  uint32_t first = (heap_end + PAGE_BYTES - 1) & FRAME_MASK;
  for (uint32_t linear = first; linear < space->heap_end; linear += PAGE_BYTES) {
    uint32_t *entry = entry_of(space, linear, false);
    if (!entry || !(*entry & PAGE_PRESENT)) continue;
    unmap(space, entry, linear);
    InvalPage(linear);
  }
  space->heap_end = heap_end;
  return true;
}

/** Gives the faulting space a private, writable copy of a page that it shares. */
static bool copy_page(struct space *space, uint32_t *entry, uint32_t linear) {
  uint32_t phys = *entry & FRAME_MASK, flags = (*entry & ~(FRAME_MASK | PAGE_COPY_ON_WRITE)) | PAGE_WRITABLE;
  if (frame_is_shared(phys)) {
    void *copy = frame_allocate();
    if (!copy) return false;
    memcpy(copy, direct_map(phys), PAGE_BYTES);
    frame_release(phys);
    phys = phys_of(copy);
  }
  SetPxE(phys | flags, entry, table_flags(space, linear));
  InvalPage(linear);
  return true;
}

bool space_fault(struct space *space, uint32_t linear, uint32_t error) {
  if (linear >= KERNEL_BASE) return false;
  linear &= FRAME_MASK;
  if (error & FAULT_PRESENT) {
    uint32_t *entry = entry_of(space, linear, false);
    return (error & FAULT_WRITE) && entry && (*entry & PAGE_COPY_ON_WRITE) && copy_page(space, entry, linear);
  }
  bool heap = linear >= (space->heap_start & FRAME_MASK) && linear < space->heap_end;
  bool stack = linear >= USER_STACK_TOP - USER_STACK_BYTES && linear < USER_STACK_TOP;
  return (heap || stack) && space_map_zeroed(space, linear, true);
}

/** Walks the range as the program's accesses would, faulting pages in. */
static bool user_range(uint32_t start, uint32_t bytes, bool write) {
  if (!bytes) return true;
  uint32_t last = start + bytes - 1;
  if (start < USER_BASE || last < start || last >= KERNEL_BASE) return false;
  for (uint32_t linear = start & FRAME_MASK; linear <= last; linear += PAGE_BYTES) {
    uint32_t *entry = entry_of(&current->space, linear, false);
    bool present = entry && (*entry & PAGE_PRESENT);
    if (present && (!write || (*entry & PAGE_WRITABLE))) continue;
    if (!space_fault(&current->space, linear, (present ? FAULT_PRESENT : 0) | (write ? FAULT_WRITE : 0))) return false;
  }
  return true;
}

bool user_readable(const void *start, uint32_t bytes) { return user_range((uint32_t)start, bytes, false); }

bool user_writable(void *start, uint32_t bytes) { return user_range((uint32_t)start, bytes, true); }

int user_text(char *to, const char *from, uint32_t bytes) {
  for (uint32_t length = 0; length < bytes; length++, from++) {
    if ((length == 0 || (uint32_t)from % PAGE_BYTES == 0) && !user_readable(from, 1)) return ERROR_BAD_ADDRESS;
    to[length] = *from;
    if (!*from) return (int)length;
  }
  return ERROR_BAD_ARGUMENT;
}
