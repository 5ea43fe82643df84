/*
 * descriptors.c - the segment descriptors (flat: paging does the work), the interrupt gates and the TSS.
 * (SDM 3A, "Segment Descriptors", "IDT Descriptors", "Task-State Segment")
 */
#include "descriptors.h"

#include "layout.h"
#include "site.h"
#include "trap.h"

/* High word of descriptors: bits 8..15 type, S, DPL, P; bits 20..23 AVL, L, D, G; limit 19..16 in bits 16..19. */
#define FLAT 0x00CF0000 /* 4 GiB, 32-bit */
#define PRESENT 0x8000
#define DPL3 0x6000
#define CODE 0x1A00 /* execute, read */
#define DATA 0x1200 /* read, write */
#define TSS_AVAILABLE 0x0900
#define INTERRUPT_GATE 0x0E00 /* 32-bit, clears IF */

#define FLAT_LIMIT_LOW 0x0000FFFF

#define IDT_ENTRIES (VECTOR_SYSTEM_CALL + 1)

struct descriptor {
  uint32_t low, high;
};

static struct descriptor gdt[ABSENT_DS / 8 + 1], idt[IDT_ENTRIES];

/** Only the stack for ring 0 is used; the I/O map lies beyond the limit, so that ring 3 has no ports. */
static struct {
  uint32_t link, esp0, ss0, others[22];
  uint16_t trap, io_map;
} tss = {.ss0 = KERNEL_DS, .io_map = 104};

static void set_descriptor(uint32_t selector, uint32_t low, uint32_t high) { WriteGDTEntry(gdt, selector / 8, low, high); }

static void set_gate(uint32_t vector, uint32_t target, uint32_t dpl) {
  WriteIDTEntry(idt, vector, KERNEL_CS << 16 | (target & 0xFFFF), (target & 0xFFFF0000) | PRESENT | dpl | INTERRUPT_GATE);
}

void descriptors_init(void) {
  set_descriptor(KERNEL_CS, FLAT_LIMIT_LOW, FLAT | PRESENT | CODE);
  set_descriptor(KERNEL_DS, FLAT_LIMIT_LOW, FLAT | PRESENT | DATA);
  set_descriptor(USER_CS, FLAT_LIMIT_LOW, FLAT | PRESENT | DPL3 | CODE);
  set_descriptor(USER_DS, FLAT_LIMIT_LOW, FLAT | PRESENT | DPL3 | DATA);
  set_descriptor(ABSENT_DS, FLAT_LIMIT_LOW, FLAT | DPL3 | DATA);
  uint32_t base = (uint32_t)&tss;
  set_descriptor(TSS_SELECTOR, base << 16 | (sizeof tss - 1), (base & 0xFF000000) | PRESENT | TSS_AVAILABLE | (base >> 16 & 0xFF));

  struct table_register gdtr = {sizeof gdt - 1, (uint32_t)gdt};
  SetGDT(&gdtr);
  asm volatile("ljmp %[cs], $1f\n1: movl %[ds], %%ds; movl %[ds], %%es; movl %[ds], %%ss; movl %[null], %%fs; movl %[null], %%gs"
               ::[cs] "i"(KERNEL_CS), [ds] "r"(KERNEL_DS), [null] "r"(0) : "memory");
  SetTR(TSS_SELECTOR);
  SetLDT(0); /* after a reset the CPU has one, of 64 KiB at address 0 */

  /* All gates clear IF; a program may use INT only on those that are meant for it. */
  for (uint32_t vector = 0; vector < VECTOR_IRQ0 + 16; vector++)
    set_gate(vector, trap_stubs[vector], vector == VECTOR_BP || vector == VECTOR_OF ? DPL3 : 0);
  set_gate(VECTOR_SYSTEM_CALL, trap_stubs[VECTOR_IRQ0 + 16], DPL3);
  struct table_register idtr = {sizeof idt - 1, (uint32_t)idt};
  SetIDT(&idtr);
}

void set_kernel_stack(uint32_t esp0) {
  tss.esp0 = esp0;
  UpdateKernelStack(&tss, esp0);
}
