/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A site is a place in the code that stands for a VMI call: the native instructions, padded with NOPs to the length of a call,
 * and a record of where they are. When the kernel finds a ROM it asks once for each call what to do with its sites: leave the native
 * instructions, delete them, or put a direct call or jump in their place. Without a ROM, and until it is found, native code runs.
 *
 * What a call may clobber is part of each user's asm statement: the flags only for the calls of irqflags.h; EAX, ECX, EDX and the
 * flags for all others. Arguments are in EAX, EDX, ECX and then on the stack, results in EAX or EDX:EAX.
 */
#ifndef _ASM_X86_VMI_SITE_H
#define _ASM_X86_VMI_SITE_H

#include <asm/vmi/abi.h>

#ifdef CONFIG_VMI_GUEST

/* Length of a direct call or jump, and so of the shortest site. */
#define VMI_SITE_BYTES 5

#ifdef __ASSEMBLY__

#define VMI_SITE(call, ...)						\
771:	__VA_ARGS__;							\
772:	.skip -((772b - 771b) < VMI_SITE_BYTES) *			\
	      (VMI_SITE_BYTES - (772b - 771b)), 0x90;			\
773:	.pushsection .vmi_sites, "a";					\
	.long 771b;							\
	.byte call, 773b - 771b, 0, 0;					\
	.popsection

#else /* !__ASSEMBLY__ */

#include <linux/stringify.h>

#define VMI_SITE(call, native)						\
	"771:\t" native "\n"						\
	"772:\t.skip -((772b - 771b) < " __stringify(VMI_SITE_BYTES) ") * "	\
		"(" __stringify(VMI_SITE_BYTES) " - (772b - 771b)), 0x90\n"	\
	"773:\t.pushsection .vmi_sites, \"a\"\n"			\
	"\t.long 771b\n"						\
	"\t.byte " __stringify(call) ", 773b - 771b, 0, 0\n"		\
	"\t.popsection\n"

/* Writes a control register: the call takes the value in EAX. */
#define VMI_WRITE_CONTROL(call, native, value)					\
do {										\
	unsigned long __word = (value);						\
	asm_inline volatile(VMI_SITE(call, native)				\
			    : "+a" (__word) : : "ecx", "edx", "memory");	\
} while (0)

/* A record, as the macros above write it. */
struct vmi_site {
	u8	*code;
	u8	call;
	u8	length;
	u16	reserved;
};

#endif /* __ASSEMBLY__ */

#else /* !CONFIG_VMI_GUEST: the native instructions, as they would be without us */

#ifdef __ASSEMBLY__

#define VMI_SITE(call, ...) __VA_ARGS__

#else

#define VMI_WRITE_CONTROL(call, native, value)					\
	asm volatile(native : "+r" (value) : : "memory")

#endif /* __ASSEMBLY__ */

#endif /* CONFIG_VMI_GUEST */
#endif /* _ASM_X86_VMI_SITE_H */
