/* SPDX-License-Identifier: GPL-2.0-only */
/* Descriptor tables as VMI calls; in the place of their native forms in asm/desc.h. */
#ifndef _ASM_X86_VMI_DESC_H
#define _ASM_X86_VMI_DESC_H

#include <asm/vmi/site.h>

/* A call that takes one word in EAX. */
#define VMI_DESC_CALL(call, native, word)					\
do {										\
	unsigned long __word = (unsigned long)(word);				\
	asm_inline volatile(VMI_SITE(call, native)				\
			    : "+a" (__word) : : "ecx", "edx", "memory");	\
} while (0)

/* Writes the 8 bytes at `desc` to entry `index` of `table`: table EAX, index EDX, low word ECX, high word on the stack. */
#define VMI_WRITE_ENTRY(call, table, index, desc)				\
do {										\
	const u32 *__words = (const u32 *)(desc);				\
	unsigned long __table = (unsigned long)(table);				\
	unsigned long __index = (index);					\
	unsigned long __low = __words[0];					\
	asm volatile("pushl %[high]\n\t"					\
		     VMI_SITE(call,						\
			      "movl %%ecx, (%%eax, %%edx, 8)\n\t"		\
			      "movl (%%esp), %%ecx\n\t"				\
			      "movl %%ecx, 4(%%eax, %%edx, 8)")			\
		     "\taddl $4, %%esp"						\
		     : "+a" (__table), "+d" (__index), "+c" (__low)		\
		     : [high] "rm" (__words[1])					\
		     : "memory");						\
} while (0)

static inline void load_TR_desc(void)
{
	VMI_DESC_CALL(VMI_CALL_SetTR, "ltr %w0", GDT_ENTRY_TSS * 8);
}

static inline void load_gdt(const struct desc_ptr *table)
{
	VMI_DESC_CALL(VMI_CALL_SetGDT, "lgdt (%0)", table);
}

static __always_inline void load_idt(const struct desc_ptr *table)
{
	VMI_DESC_CALL(VMI_CALL_SetIDT, "lidt (%0)", table);
}

static inline void store_gdt(struct desc_ptr *table)
{
	VMI_DESC_CALL(VMI_CALL_GetGDT, "sgdt (%0)", table);
}

static inline unsigned long vmi_store_tr(void)
{
	unsigned long selector;

	asm_inline volatile(VMI_SITE(VMI_CALL_GetTR, "str %0")
			    : "=a" (selector) : : "ecx", "edx");
	return selector;
}

#define store_tr(tr)		((tr) = vmi_store_tr())
#define load_tr(tr)		asm volatile("ltr %0" : : "m" (tr))
#define load_ldt(ldt)		asm volatile("lldt %0" : : "m" (ldt))

static inline void write_ldt_entry(struct desc_struct *ldt, int entry, const void *desc)
{
	VMI_WRITE_ENTRY(VMI_CALL_WriteLDTEntry, ldt, entry, desc);
}

/* All types of entries have 8 bytes here. */
static inline void write_gdt_entry(struct desc_struct *gdt, int entry, const void *desc, int type)
{
	VMI_WRITE_ENTRY(VMI_CALL_WriteGDTEntry, gdt, entry, desc);
}

static inline void write_idt_entry(gate_desc *idt, int entry, const gate_desc *gate)
{
	VMI_WRITE_ENTRY(VMI_CALL_WriteIDTEntry, idt, entry, gate);
}

/* Most tasks of a process, and many processes, have the same entries: only others are written. */
static inline void load_TLS(struct thread_struct *t, unsigned int cpu)
{
	struct desc_struct *gdt = get_cpu_gdt_rw(cpu);
	unsigned int i;

	for (i = 0; i < GDT_ENTRY_TLS_ENTRIES; i++) {
		const u32 *old = (const u32 *)&gdt[GDT_ENTRY_TLS_MIN + i];
		const u32 *new = (const u32 *)&t->tls_array[i];

		if (old[0] != new[0] || old[1] != new[1])
			write_gdt_entry(gdt, GDT_ENTRY_TLS_MIN + i, new, DESCTYPE_S);
	}
}

extern void vmi_set_ldt(const void *ldt, unsigned int entries);
#define set_ldt			vmi_set_ldt

static inline void paravirt_alloc_ldt(struct desc_struct *ldt, unsigned entries)
{
}

static inline void paravirt_free_ldt(struct desc_struct *ldt, unsigned entries)
{
}

#endif /* _ASM_X86_VMI_DESC_H */
