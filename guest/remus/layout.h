/*
 * layout.h - the numbers of the memory layout that C, assembly and the linker script must agree on.
 *
 *   linear                                              physical
 *   0xC0000000 + p  direct map of all memory, kernel    p        kernel at 0x00100000, option ROMs at 0x000C0000..0x000DFFFF
 *   0xBFFFF000      top of the user stack, growing down          wherever a frame was free
 *   0x08048000      user program, then its heap
 *   0x00000000      never mapped: null pointers fault
 *
 * Read after: boot.S, space.h.
 */
#ifndef REMUS_LAYOUT_H
#define REMUS_LAYOUT_H

/** Linear address of physical address 0 in the direct map; user space ends here. */
#define KERNEL_BASE 0xC0000000
/** How much memory boot.S maps; kernel and initrd must fit. */
#define BOOT_MAP_BYTES 0x02000000
/** Most physical memory used: what fits in the linear space above KERNEL_BASE, less 64 MiB that a ROM may reserve at the top. */
#define DIRECT_MAP_BYTES 0x3C000000

#define PAGE_BYTES 4096
#define KERNEL_STACK_BYTES PAGE_BYTES

#define USER_BASE 0x00001000
#define USER_STACK_TOP 0xBFFFF000
#define USER_STACK_BYTES 0x00100000

/* Page-table entry bits. (SDM 3A, "32-bit paging") */
#define PAGE_PRESENT 0x001
#define PAGE_WRITABLE 0x002
#define PAGE_USER 0x004
#define PAGE_ACCESSED 0x020
#define PAGE_DIRTY 0x040
/** The kernel's direct map. Nobody asks its pages for A and D, so that they are set from the start and the CPU need not do it. */
#define PAGE_DIRECT (PAGE_PRESENT | PAGE_WRITABLE | PAGE_ACCESSED | PAGE_DIRTY)
/** One of the three bits that the CPU leaves to software: read-only now, to be copied at the first write. */
#define PAGE_COPY_ON_WRITE 0x200

/* Selectors: index in the GDT x 8 | RPL. */
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS 0x1B
#define USER_DS 0x23
#define TSS_SELECTOR 0x28
/** A data segment that is marked not present: user programs use it to provoke #NP and #SS. */
#define ABSENT_DS 0x33

#ifndef __ASSEMBLER__
#include <stdint.h>

/** The physical address behind a linear address of the direct map. */
static inline uint32_t phys_of(const void *linear) { return (uint32_t)linear - KERNEL_BASE; }
/** Where a physical address is seen in the direct map. */
static inline void *direct_map(uint32_t phys) { return (void *)(phys + KERNEL_BASE); }
#endif
#endif
