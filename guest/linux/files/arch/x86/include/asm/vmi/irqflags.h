/* SPDX-License-Identifier: GPL-2.0-only */
/* The interrupt flag and the idle wait as VMI calls; in the place of their native forms in asm/irqflags.h. */
#ifndef _ASM_X86_VMI_IRQFLAGS_H
#define _ASM_X86_VMI_IRQFLAGS_H

#ifndef __ASSEMBLY__

#include <linux/types.h>
#include <asm/vmi/site.h>

/* May return IF alone: nobody looks for another bit that is set. */
static __always_inline unsigned long arch_local_save_flags(void)
{
	unsigned long flags;

	asm_inline volatile(VMI_SITE(VMI_CALL_GetInterruptMask, "pushf; pop %0")
			    : "=a" (flags) : : "memory");
	return flags;
}

static __always_inline void arch_local_irq_disable(void)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_DisableInterrupts, "cli") : : : "memory");
}

static __always_inline void arch_local_irq_enable(void)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_EnableInterrupts, "sti") : : : "memory");
}

static __always_inline unsigned long arch_local_irq_save(void)
{
	unsigned long flags = arch_local_save_flags();

	arch_local_irq_disable();
	return flags;
}

/* Both at once: an interrupt that comes between them ends the wait. */
static inline __cpuidle void arch_safe_halt(void)
{
	x86_idle_clear_cpu_buffers();
	asm_inline volatile(VMI_SITE(VMI_CALL_Halt, "sti; hlt") : : : "eax", "ecx", "edx", "memory");
}

/* With interrupts off this is a stop for good, for which there is no call. */
static inline __cpuidle void halt(void)
{
	native_halt();
}

#endif /* !__ASSEMBLY__ */
#endif /* _ASM_X86_VMI_IRQFLAGS_H */
