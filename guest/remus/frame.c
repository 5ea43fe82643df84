/*
 * frame.c - allocates physical page frames.
 *
 * Freed frames form a list through their own first words. Frames that were never used are not touched at all, so that a machine
 * which gives memory to its guest on first touch need not give much.
 */
#include "frame.h"

#include "console.h"
#include "layout.h"
#include "../lib/string.h"

static uint16_t *references;   /* by page frame number */
static uint32_t free_list;     /* physical address of the first freed frame, 0 = none */
static uint32_t untouched;     /* physical address of the first frame that was never used */
static uint32_t end;
static uint32_t total, available;

void frame_init(uint32_t first_free_phys, uint32_t end_phys) {
  end = end_phys & -PAGE_BYTES;
  /* The reference counts come first; they must lie in what boot.S has mapped. */
  uint32_t counts_bytes = end / PAGE_BYTES * sizeof *references;
  references = direct_map(first_free_phys);
  untouched = (first_free_phys + counts_bytes + PAGE_BYTES - 1) & -PAGE_BYTES;
  uint32_t direct_map_tables_bytes = end / 1024; /* also to lie there: 4 bytes for each page */
  if (untouched + direct_map_tables_bytes > BOOT_MAP_BYTES || untouched >= end) panic("kernel and initrd do not fit into memory");
  memset(references, 0, counts_bytes);
  total = available = (end - untouched) / PAGE_BYTES;
}

void *frame_allocate(void) {
  uint32_t phys = free_list;
  if (phys) {
    free_list = *(uint32_t *)direct_map(phys);
  } else {
    if (untouched == end) return 0;
    phys = untouched;
    untouched += PAGE_BYTES;
  }
  references[phys / PAGE_BYTES] = 1;
  available--;
  return memset(direct_map(phys), 0, PAGE_BYTES);
}

void frame_share(uint32_t phys) { references[phys / PAGE_BYTES]++; }

bool frame_is_shared(uint32_t phys) { return references[phys / PAGE_BYTES] > 1; }

void frame_release(uint32_t phys) {
  uint16_t *count = &references[phys / PAGE_BYTES];
  if (!*count) panic("frame %#x freed twice", phys);
  if (--*count) return;
  *(uint32_t *)direct_map(phys) = free_list;
  free_list = phys;
  available++;
}

uint32_t frames_total(void) { return total; }
uint32_t frames_free(void) { return available; }
uint32_t memory_end(void) { return end; }
