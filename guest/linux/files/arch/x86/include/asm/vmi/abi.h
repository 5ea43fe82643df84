/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMI, API major 3: numbers of the calls, their flags, and the layout of the ROM. Nothing here is about this kernel; what it
 * does with the calls stands in site.h (how code reaches them) and arch/x86/kernel/vmi_32.c (when they are set up).
 */
#ifndef _ASM_X86_VMI_ABI_H
#define _ASM_X86_VMI_ABI_H

#define VMI_CALL_SetGDT			3
#define VMI_CALL_SetLDT			4
#define VMI_CALL_SetIDT			5
#define VMI_CALL_SetTR			6
#define VMI_CALL_GetGDT			7
#define VMI_CALL_GetTR			10
#define VMI_CALL_WriteGDTEntry		11
#define VMI_CALL_WriteLDTEntry		12
#define VMI_CALL_WriteIDTEntry		13
#define VMI_CALL_UpdateKernelStack	14
#define VMI_CALL_SetCR0			15
#define VMI_CALL_SetCR2			16
#define VMI_CALL_SetCR3			17
#define VMI_CALL_SetCR4			18
#define VMI_CALL_GetCR0			19
#define VMI_CALL_GetCR2			20
#define VMI_CALL_GetCR3			21
#define VMI_CALL_GetCR4			22
#define VMI_CALL_WBINVD			23
#define VMI_CALL_EnableInterrupts	29
#define VMI_CALL_DisableInterrupts	30
#define VMI_CALL_GetInterruptMask	31
#define VMI_CALL_IRET			33
#define VMI_CALL_SYSEXIT		34
#define VMI_CALL_Halt			35
#define VMI_CALL_Reboot			36
#define VMI_CALL_Shutdown		37
#define VMI_CALL_SetPxE			38
#define VMI_CALL_UpdatePxE		40
#define VMI_CALL_AllocatePage		44
#define VMI_CALL_ReleasePage		45
#define VMI_CALL_InvalPage		46
#define VMI_CALL_FlushTLB		47
#define VMI_CALL_SetLinearMapping	48
#define VMI_CALL_IODelay		65
#define VMI_CALL_GetCycleFrequency	66
#define VMI_CALL_GetCycleCounter	67
#define VMI_CALL_SetAlarm		68
#define VMI_CALL_CancelAlarm		69
#define VMI_CALL_GetWallclockTime	70
#define VMI_CALL_SetLazyMode		73

/* One more than the highest number. */
#define VMI_CALL_COUNT			74

/* AllocatePage, ReleasePage, SetPxE, UpdatePxE: level of the page table. */
#define VMI_PAGE_PT			0x01
#define VMI_PAGE_PD			0x02
/* AllocatePage: entries were copied from another page; the page holds zeros otherwise. */
#define VMI_PAGE_CLONE			0x20
#define VMI_PAGE_ZEROED			0x40

#define VMI_FLUSH_TLB			0x01
#define VMI_FLUSH_GLOBAL		0x02

#define VMI_LAZY_MODE_NONE		0
#define VMI_LAZY_MODE_MMU		1

/* SetLinearMapping: the direct map of all memory at PAGE_OFFSET. */
#define VMI_LINEAR_MAP_DIRECT		0

#define VMI_CYCLES_REAL			0
#define VMI_CYCLES_AVAILABLE		1

/* SetAlarm, CancelAlarm: the counter in the low byte, and these. The alarm is an edge on input 0 of the 8259. */
#define VMI_ALARM_IS_ONESHOT		0x000
#define VMI_ALARM_IS_PERIODIC		0x100

#define VMI_REBOOT_HARD			1

#ifndef __ASSEMBLY__

#include <linux/build_bug.h>
#include <linux/types.h>

/* Answers of the relocation query. */
enum vmi_relocation {
	/* The ROM does not have the call: native instructions stay. */
	VMI_RELOCATION_NONE	= 0,
	VMI_RELOCATION_CALL	= 1,
	VMI_RELOCATION_JUMP	= 2,
	/* There is nothing to do. */
	VMI_RELOCATION_NOP	= 3,
};

#define VMI_ROM_SIGNATURE		0xaa55
#define VMI_VROM_SIGNATURE		0x696d5663	/* "cVmi" */
#define VMI_API_MAJOR			3
/* Unit of vmi_rom::length. */
#define VMI_ROM_BLOCK_BYTES		512

/* Where ROMs are looked for, and in which steps (physical addresses). */
#define VMI_ROM_FIRST			0xc0000
#define VMI_ROM_END			0xe0000
#define VMI_ROM_STEP			0x800

struct vmi_rom {
	u16	rom_signature;
	u8	length;
	u8	bios_entry[4];
	u8	pad;
	u32	vrom_signature;
	u8	api_minor;
	u8	api_major;
	u8	call_count;
	u8	reserved0;
	/* Lowest linear address that the ROM keeps for itself; 0 = none. */
	u32	virtual_top;
	u16	reserved1;
	/* Offsets of a NUL-terminated licence and of two more headers; 0 = none. */
	u16	licence;
	u16	pci_header;
	u16	pnp_header;
	u8	reserved2[0x64];
	/* Code, entered by a near call. */
	u8	init[8];
	u8	get_relocation[8];
} __packed;

static_assert(sizeof(struct vmi_rom) == 0x90);

#endif /* __ASSEMBLY__ */
#endif /* _ASM_X86_VMI_ABI_H */
