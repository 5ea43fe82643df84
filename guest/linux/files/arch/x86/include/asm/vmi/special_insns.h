/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Control registers as VMI calls; in the place of their native forms in asm/special_insns.h. The sites of CR0's and CR4's writes are in
 * kernel/cpu/common.c, inside the functions that pin bits.
 */
#ifndef _ASM_X86_VMI_SPECIAL_INSNS_H
#define _ASM_X86_VMI_SPECIAL_INSNS_H

#include <asm/vmi/site.h>

#define VMI_READ_CONTROL(call, native)						\
({										\
	unsigned long __value;							\
	asm_inline volatile(VMI_SITE(call, native)				\
			    : "=a" (__value) : __FORCE_ORDER : "ecx", "edx");	\
	__value;								\
})

static inline unsigned long read_cr0(void)
{
	return VMI_READ_CONTROL(VMI_CALL_GetCR0, "mov %%cr0, %0");
}

static inline void write_cr0(unsigned long value)
{
	native_write_cr0(value);
}

static __always_inline unsigned long read_cr2(void)
{
	return VMI_READ_CONTROL(VMI_CALL_GetCR2, "mov %%cr2, %0");
}

static __always_inline void write_cr2(unsigned long value)
{
	VMI_WRITE_CONTROL(VMI_CALL_SetCR2, "mov %0, %%cr2", value);
}

static inline unsigned long __read_cr3(void)
{
	return VMI_READ_CONTROL(VMI_CALL_GetCR3, "mov %%cr3, %0");
}

static inline void write_cr3(unsigned long value)
{
	VMI_WRITE_CONTROL(VMI_CALL_SetCR3, "mov %0, %%cr3", value);
}

static inline void __write_cr4(unsigned long value)
{
	native_write_cr4(value);
}

static inline void load_gs_index(unsigned int selector)
{
	loadsegment(gs, selector);
}

static inline void wbinvd(void)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_WBINVD, "wbinvd") : : : "eax", "ecx", "edx", "memory");
}

#endif /* _ASM_X86_VMI_SPECIAL_INSNS_H */
