/* SPDX-License-Identifier: GPL-2.0-only */
/* The stack for entries from user mode as a VMI call; in the place of the native forms in asm/processor.h. */
#ifndef _ASM_X86_VMI_PROCESSOR_H
#define _ASM_X86_VMI_PROCESSOR_H

#include <asm/segment.h>
#include <asm/vmi/site.h>

#define __cpuid			native_cpuid

static inline void load_sp0(unsigned long sp0)
{
	unsigned long selector = __KERNEL_DS;

	native_load_sp0(sp0);
	asm_inline volatile(VMI_SITE(VMI_CALL_UpdateKernelStack, "")
			    : "+a" (selector), "+d" (sp0) : : "ecx", "memory");
}

#endif /* _ASM_X86_VMI_PROCESSOR_H */
