/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel code outside of the sites needs to know of the VMI; all of it is nothing without CONFIG_VMI_GUEST. */
#ifndef _ASM_X86_VMI_VMI_H
#define _ASM_X86_VMI_VMI_H

#include <linux/init.h>

#ifdef CONFIG_VMI_GUEST

/* Looks for a ROM and, if there is one, hands the kernel over to it. Before the first fixmap. */
extern void __init vmi_init(void);
/* Takes clocks and timer from the ROM, which has all the time calls. */
extern void __init vmi_time_init(void);

/* The ROM's IRET, if sites jump to it. */
extern unsigned long vmi_iret_entry;
/* The IRET in the entry code, which has an entry in the exception table. */
extern char vmi_iret_site[];

/*
 * An IRET that faults inside the ROM is one that faults at its site.
 * @return the address to look up in the exception table.
 */
static inline unsigned long vmi_fault_ip(unsigned long ip)
{
	return vmi_iret_entry && ip == vmi_iret_entry ? (unsigned long)vmi_iret_site : ip;
}

#else

static inline void vmi_init(void) { }
static inline unsigned long vmi_fault_ip(unsigned long ip) { return ip; }

#endif /* CONFIG_VMI_GUEST */
#endif /* _ASM_X86_VMI_VMI_H */
