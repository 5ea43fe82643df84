/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page-table entries as VMI calls; included by asm/pgtable.h behind the native forms, some of which it replaces. Two levels only.
 *
 * SetPxE stores an entry, UpdatePxE tells that the kernel has changed one itself. Not announced are the bits that the processor sets,
 * the copy of the kernel's half into a new page directory (AllocatePage tells of it) and the end of an address space.
 */
#ifndef _ASM_X86_VMI_PGTABLE_H
#define _ASM_X86_VMI_PGTABLE_H

#ifdef CONFIG_VMI_GUEST

#include <asm/vmi/site.h>

static inline void vmi_set_entry(void *entry, unsigned long value, unsigned long level)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_SetPxE, "movl %0, (%1)")
			    : "+a" (value), "+d" (entry), "+c" (level) : : "memory");
}

static inline void vmi_update_entry(void *entry, unsigned long level)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_UpdatePxE, "")
			    : "+a" (entry), "+d" (level) : : "ecx", "memory");
}

static inline void vmi_set_pte(pte_t *ptep, pte_t pte)
{
	vmi_set_entry(ptep, pte.pte_low, VMI_PAGE_PT);
}

static inline void vmi_set_pmd(pmd_t *pmdp, pmd_t pmd)
{
	vmi_set_entry(pmdp, native_pmd_val(pmd), VMI_PAGE_PD);
}

#undef set_pte
#define set_pte(ptep, pte)		vmi_set_pte(ptep, pte)
#undef set_pte_atomic
#define set_pte_atomic(ptep, pte)	vmi_set_pte(ptep, pte)
#undef set_pmd
#define set_pmd(pmdp, pmd)		vmi_set_pmd(pmdp, pmd)
#undef pte_clear
#define pte_clear(mm, addr, ptep)	vmi_set_pte(ptep, native_make_pte(0))
#undef pmd_clear
#define pmd_clear(pmdp)			vmi_set_pmd(pmdp, native_make_pmd(0))

/* The kernel has changed *ptep in memory. */
static inline void vmi_pte_changed(pte_t *ptep)
{
	vmi_update_entry(ptep, VMI_PAGE_PT);
}

/* The kernel's half has been copied into a new page directory. */
extern void vmi_pgd_cloned(pgd_t *pgd);

static inline void vmi_set_lazy_mode(unsigned long mode)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_SetLazyMode, "")
			    : "+a" (mode) : : "ecx", "edx", "memory");
}

#define __HAVE_ARCH_ENTER_LAZY_MMU_MODE
static inline void arch_enter_lazy_mmu_mode(void)
{
	vmi_set_lazy_mode(VMI_LAZY_MODE_MMU);
}

static inline void arch_leave_lazy_mmu_mode(void)
{
	vmi_set_lazy_mode(VMI_LAZY_MODE_NONE);
}

/* The updates that follow are not deferred, which is always right. */
static inline void arch_flush_lazy_mmu_mode(void)
{
	vmi_set_lazy_mode(VMI_LAZY_MODE_NONE);
}

#else /* !CONFIG_VMI_GUEST */

static inline void vmi_pte_changed(pte_t *ptep) { }
static inline void vmi_pgd_cloned(pgd_t *pgd) { }

#endif /* CONFIG_VMI_GUEST */
#endif /* _ASM_X86_VMI_PGTABLE_H */
