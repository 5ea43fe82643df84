/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages that become page tables, and cease to be; in the place of the empty functions of asm/pgalloc.h. */
#ifndef _ASM_X86_VMI_PGALLOC_H
#define _ASM_X86_VMI_PGALLOC_H

#include <asm/vmi/site.h>

extern void vmi_allocate_page(unsigned long pfn, unsigned long flags);
extern void vmi_release_page(unsigned long pfn, unsigned long flags);

#define paravirt_pgd_alloc(mm)	__paravirt_pgd_alloc(mm)

static inline void paravirt_pgd_free(struct mm_struct *mm, pgd_t *pgd)
{
	vmi_release_page(__pa(pgd) >> PAGE_SHIFT, VMI_PAGE_PD);
}

static inline void paravirt_alloc_pte(struct mm_struct *mm, unsigned long pfn)
{
	vmi_allocate_page(pfn, VMI_PAGE_PT | VMI_PAGE_ZEROED);
}

static inline void paravirt_release_pte(unsigned long pfn)
{
	vmi_release_page(pfn, VMI_PAGE_PT);
}

/* The only page directory that comes this way is the kernel's own; vmi_pgd_cloned() tells of all others. */
static inline void paravirt_alloc_pmd(struct mm_struct *mm, unsigned long pfn)
{
	vmi_allocate_page(pfn, VMI_PAGE_PD);
}

static inline void paravirt_release_pmd(unsigned long pfn)
{
	vmi_release_page(pfn, VMI_PAGE_PD);
}

/* Levels that there are not. */
static inline void paravirt_alloc_pud(struct mm_struct *mm, unsigned long pfn) {}
static inline void paravirt_alloc_p4d(struct mm_struct *mm, unsigned long pfn) {}
static inline void paravirt_release_pud(unsigned long pfn) {}
static inline void paravirt_release_p4d(unsigned long pfn) {}

#endif /* _ASM_X86_VMI_PGALLOC_H */
