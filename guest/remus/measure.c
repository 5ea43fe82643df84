/*
 * measure.c - what privileged operations cost, with and without the ROM. Programs cannot measure it: they may not execute them.
 */
#include "measure.h"

#include "clock.h"
#include "frame.h"
#include "layout.h"
#include "site.h"
#include "../lib/abi.h"

int measure(uint32_t what, uint32_t times, uint64_t *ns) {
  uint32_t *table = 0;
  if (what == MEASURE_SET_PXE || what == MEASURE_STORE) {
    table = frame_allocate();
    if (!table) return ERROR_NO_MEMORY;
  }
  uint64_t start = clock_now();
  switch (what) {
    case MEASURE_PAIR:
      for (; times; times--) {
        DisableInterrupts();
        EnableInterrupts();
      }
      break;
    case MEASURE_PAIR_NATIVE:
      for (; times; times--) {
        asm volatile("cli" ::: "memory");
        asm volatile("sti" ::: "memory");
      }
      break;
    case MEASURE_SET_PXE:
      for (; times; times--) SetPxE(0, table, VMI_PAGE_PT);
      break;
    case MEASURE_STORE:
      for (; times; times--) *(volatile uint32_t *)table = 0;
      break;
    default: return ERROR_BAD_ARGUMENT;
  }
  *ns = clock_now() - start;
  if (table) frame_release(phys_of(table));
  return 0;
}
