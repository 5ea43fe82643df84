/*
 * site.h - every privileged operation of the kernel, each as a *site* that the VMI ROM may take over.
 *
 * A site is the native instruction in line, padded with NOPs to at least 5 bytes, and a record (address, call number, length)
 * in the section .vmi_sites. Without a ROM the instruction is simply executed. With one, vmi.c asks the ROM once per call
 * number and overwrites the sites by a near CALL, a near JMP or NOPs. So one kernel runs on bare hardware at native cost, and
 * under a hypervisor without a single trap.
 *
 * The functions carry the VMI's own names and arguments: CamelCase in this kernel always means "VMI operation".
 * Arguments are in EAX, EDX, ECX, then on the stack (caller pops). The ROM may change EAX, ECX, EDX and the flags; the four
 * interrupt flag operations only EAX and the flags. (VMI spec, "Appendix A: calling convention")
 *
 * Read before: vmi.h. Read after: vmi.c, which does the patching.
 */
#ifndef REMUS_SITE_H
#define REMUS_SITE_H

#include "vmi.h"

#ifdef __ASSEMBLER__

.macro VMI_SITE call:req, native:vararg
771:    \native
772:    .fill   -((5 - (772b - 771b)) > 0) * (5 - (772b - 771b)), 1, 0x90
773:    .pushsection .vmi_sites, "a"
        .long   771b
        .byte   \call, 773b - 771b, 0, 0
        .popsection
.endm

#else

#define VMI_TEXT(number) #number
/* The comparison of the assembler yields -1 for true: pad by 5 - length bytes if that is more than 0. */
#define VMI_SITE(call, native)                                           \
  "771: " native "\n"                                                    \
  "772: .fill -((5 - (772b - 771b)) > 0) * (5 - (772b - 771b)), 1, 0x90\n"  \
  "773: .pushsection .vmi_sites, \"a\"\n"                                \
  " .long 771b\n .byte " VMI_TEXT(call) ", 773b - 771b, 0, 0\n"          \
  " .popsection\n"

/** One record of the section .vmi_sites. */
struct vmi_site {
  uint8_t *address;
  uint8_t call;
  uint8_t length;
  uint16_t reserved;
};

/* ---- interrupts ---- */

static inline void EnableInterrupts(void) { asm volatile(VMI_SITE(VMI_EnableInterrupts, "sti")::: "eax", "memory", "cc"); }

static inline void DisableInterrupts(void) { asm volatile(VMI_SITE(VMI_DisableInterrupts, "cli")::: "eax", "memory", "cc"); }

/** Only EFLAGS_IF of the result means anything. */
static inline uint32_t GetInterruptMask(void) {
  uint32_t mask;
  asm volatile(VMI_SITE(VMI_GetInterruptMask, "pushfl; popl %%eax") : "=a"(mask)::"memory", "cc");
  return mask;
}

static inline void SetInterruptMask(uint32_t mask) {
  asm volatile(VMI_SITE(VMI_SetInterruptMask, "pushl %%eax; popfl") : "+a"(mask)::"memory", "cc");
}

/** Enables interrupts and waits for one, without a gap between the two in which it could be missed. */
static inline void Halt(void) { asm volatile(VMI_SITE(VMI_Halt, "sti; hlt")::: "eax", "ecx", "edx", "memory", "cc"); }

/* ---- descriptor tables ---- */

/** Limit and base, as LGDT and LIDT take them. */
struct table_register {
  uint16_t limit;
  uint32_t base;
} __attribute__((packed));

static inline void SetGDT(const struct table_register *table) {
  asm volatile(VMI_SITE(VMI_SetGDT, "lgdt (%%eax)") : "+a"(table)::"ecx", "edx", "memory", "cc");
}

static inline void SetIDT(const struct table_register *table) {
  asm volatile(VMI_SITE(VMI_SetIDT, "lidt (%%eax)") : "+a"(table)::"ecx", "edx", "memory", "cc");
}

/** `selector` 0: there is none. */
static inline void SetLDT(uint32_t selector) {
  asm volatile(VMI_SITE(VMI_SetLDT, "lldt %%ax") : "+a"(selector)::"ecx", "edx", "memory", "cc");
}

static inline void SetTR(uint32_t selector) {
  asm volatile(VMI_SITE(VMI_SetTR, "ltr %%ax") : "+a"(selector)::"ecx", "edx", "memory", "cc");
}

#define VMI_WRITE_ENTRY(call, table, index, low, high)                                                              \
  asm volatile("pushl %[word]\n" VMI_SITE(call, "movl %%ecx, (%%eax,%%edx,8)\n movl (%%esp), %%ecx\n"               \
                                                "movl %%ecx, 4(%%eax,%%edx,8)") "addl $4, %%esp\n"                  \
               : "+a"(table), "+d"(index), "+c"(low)                                                                \
               : [word] "r"(high)                                                                                   \
               : "memory", "cc")

static inline void WriteGDTEntry(void *table, uint32_t index, uint32_t low, uint32_t high) {
  VMI_WRITE_ENTRY(VMI_WriteGDTEntry, table, index, low, high);
}

static inline void WriteIDTEntry(void *table, uint32_t index, uint32_t low, uint32_t high) {
  VMI_WRITE_ENTRY(VMI_WriteIDTEntry, table, index, low, high);
}

/** Announces the new ESP for entries from ring 3; the caller has stored it in its TSS, which is all that bare hardware needs. */
static inline void UpdateKernelStack(void *tss, uint32_t esp0) {
  asm volatile(VMI_SITE(VMI_UpdateKernelStack, "") : "+a"(tss), "+d"(esp0)::"ecx", "memory", "cc");
}

/* ---- control registers ---- */

static inline uint32_t GetCR0(void) {
  uint32_t value;
  asm volatile(VMI_SITE(VMI_GetCR0, "movl %%cr0, %%eax") : "=a"(value)::"ecx", "edx", "cc");
  return value;
}

static inline void SetCR0(uint32_t value) {
  asm volatile(VMI_SITE(VMI_SetCR0, "movl %%eax, %%cr0") : "+a"(value)::"ecx", "edx", "memory", "cc");
}

static inline uint32_t GetCR2(void) {
  uint32_t value;
  asm volatile(VMI_SITE(VMI_GetCR2, "movl %%cr2, %%eax") : "=a"(value)::"ecx", "edx", "cc");
  return value;
}

static inline void SetCR3(uint32_t directory_phys) {
  asm volatile(VMI_SITE(VMI_SetCR3, "movl %%eax, %%cr3") : "+a"(directory_phys)::"ecx", "edx", "memory", "cc");
}

/* ---- page tables ---- */

/** Stores a page-table or directory entry. `flags`: level, and CURRENT_AS with the linear address if it is the running space. */
static inline void SetPxE(uint32_t value, uint32_t *entry, uint32_t flags) {
  asm volatile(VMI_SITE(VMI_SetPxE, "movl %%eax, (%%edx)") : "+a"(value), "+d"(entry), "+c"(flags)::"memory", "cc");
}

/** Tells that the kernel has changed an entry by itself. */
static inline void UpdatePxE(uint32_t *entry, uint32_t flags) {
  asm volatile(VMI_SITE(VMI_UpdatePxE, "") : "+a"(entry), "+d"(flags)::"ecx", "memory", "cc");
}

/** Tells that a frame becomes a page table or directory; with CLONE, `count` entries from `start` were copied from `source`. */
static inline void AllocatePage(uint32_t pfn, uint32_t flags, uint32_t source, uint32_t start, uint32_t count) {
  asm volatile("pushl %[count]\n pushl %[start]\n" VMI_SITE(VMI_AllocatePage, "") "addl $8, %%esp\n"
               : "+a"(pfn), "+d"(flags), "+c"(source)
               : [start] "ri"(start), [count] "ri"(count)
               : "memory", "cc");
}

/** Tells that a page table or directory is plain memory again. */
static inline void ReleasePage(uint32_t pfn, uint32_t flags) {
  asm volatile(VMI_SITE(VMI_ReleasePage, "") : "+a"(pfn), "+d"(flags)::"ecx", "memory", "cc");
}

static inline void InvalPage(uint32_t linear) {
  asm volatile(VMI_SITE(VMI_InvalPage, "invlpg (%%eax)") : "+a"(linear)::"ecx", "edx", "memory", "cc");
}

static inline void FlushTLB(uint32_t flags) {
  asm volatile(VMI_SITE(VMI_FlushTLB, "movl %%cr3, %%eax; movl %%eax, %%cr3") : "+a"(flags)::"ecx", "edx", "memory", "cc");
}

/** Announces a linear window on physical memory; slot 0 is the direct map. */
static inline void SetLinearMapping(uint32_t slot, uint32_t linear, uint32_t pages, uint32_t first_pfn) {
  asm volatile("pushl %[pfn]\n" VMI_SITE(VMI_SetLinearMapping, "") "addl $4, %%esp\n"
               : "+a"(slot), "+d"(linear), "+c"(pages)
               : [pfn] "ri"(first_pfn)
               : "memory", "cc");
}

/* ---- time: without a native equivalent, except that the TSC stands in for the cycle counter ---- */

/** Cycles per second; only if vmi_has(VMI_GetCycleFrequency). */
static inline uint64_t GetCycleFrequency(void) {
  uint64_t hz = 0;
  asm volatile(VMI_SITE(VMI_GetCycleFrequency, "") : "+A"(hz)::"ecx", "memory", "cc");
  return hz;
}

static inline uint64_t GetCycleCounter(uint32_t which) {
  uint64_t cycles = which;
  asm volatile(VMI_SITE(VMI_GetCycleCounter, "rdtsc") : "+A"(cycles)::"ecx", "memory", "cc");
  return cycles;
}

/** Raises IRQ 0 when the counter reaches `expiry`, then every `period` cycles if PERIODIC; replaces the alarm that was set. */
static inline void SetAlarm(uint32_t flags, uint64_t expiry, uint64_t period) {
  uint32_t low = (uint32_t)expiry, high = (uint32_t)(expiry >> 32);
  asm volatile("pushl %[period_high]\n pushl %[period_low]\n" VMI_SITE(VMI_SetAlarm, "") "addl $8, %%esp\n"
               : "+a"(flags), "+d"(low), "+c"(high)
               : [period_low] "r"((uint32_t)period), [period_high] "r"((uint32_t)(period >> 32))
               : "memory", "cc");
}

static inline void CancelAlarm(uint32_t flags) {
  asm volatile(VMI_SITE(VMI_CancelAlarm, "") : "+a"(flags)::"ecx", "edx", "memory", "cc");
}

/** Nanoseconds since 1970. */
static inline uint64_t GetWallclockTime(void) {
  uint64_t ns = 0;
  asm volatile(VMI_SITE(VMI_GetWallclockTime, "") : "+A"(ns)::"ecx", "memory", "cc");
  return ns;
}

/* ---- the end; these return if there is no ROM ---- */

static inline void Reboot(uint32_t hard) {
  asm volatile(VMI_SITE(VMI_Reboot, "") : "+a"(hard)::"ecx", "edx", "memory", "cc");
}

static inline void Shutdown(void) { asm volatile(VMI_SITE(VMI_Shutdown, "")::: "eax", "ecx", "edx", "memory", "cc"); }

#endif
#endif
