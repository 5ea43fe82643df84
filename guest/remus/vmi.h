/*
 * vmi.h - the Virtual Machine Interface, API 3.0, as a guest sees it: ROM layout, call numbers, flag words.
 *
 * Only numbers, for C and assembly; the operations themselves are in site.h, finding and using the ROM is vmi.c.
 */
#ifndef REMUS_VMI_H
#define REMUS_VMI_H

/* Call numbers of those operations that Remus uses; all numbers from 0 to VMI_CALLS - 1 can be asked about. */
#define VMI_SetGDT 3
#define VMI_SetLDT 4
#define VMI_SetIDT 5
#define VMI_SetTR 6
#define VMI_WriteGDTEntry 11
#define VMI_WriteIDTEntry 13
#define VMI_UpdateKernelStack 14
#define VMI_SetCR0 15
#define VMI_SetCR3 17
#define VMI_GetCR0 19
#define VMI_GetCR2 20
#define VMI_EnableInterrupts 29
#define VMI_DisableInterrupts 30
#define VMI_GetInterruptMask 31
#define VMI_SetInterruptMask 32
#define VMI_IRET 33
#define VMI_Halt 35
#define VMI_Reboot 36
#define VMI_Shutdown 37
#define VMI_SetPxE 38
#define VMI_UpdatePxE 40
#define VMI_AllocatePage 44
#define VMI_ReleasePage 45
#define VMI_InvalPage 46
#define VMI_FlushTLB 47
#define VMI_SetLinearMapping 48
#define VMI_GetCycleFrequency 66
#define VMI_GetCycleCounter 67
#define VMI_SetAlarm 68
#define VMI_CancelAlarm 69
#define VMI_GetWallclockTime 70
#define VMI_CALLS 74

/* Relocation types: what get_reloc answers. */
#define VMI_NONE 0     /* not implemented: keep the native instruction */
#define VMI_CALL_REL 1 /* reach the target by a near CALL */
#define VMI_JUMP_REL 2 /* reach it by a near JMP; only for IRET and SYSEXIT */
#define VMI_NOP 3      /* the operation is empty: delete it */

/* Page flags of AllocatePage and ReleasePage. */
#define VMI_PAGE_PT 0x01
#define VMI_PAGE_PD 0x02
#define VMI_PAGE_CLONE 0x20
#define VMI_PAGE_ZEROED 0x40

/* Page flags of SetPxE and UpdatePxE; bits 31..12 hold the linear address if CURRENT_AS is set. */
#define VMI_PAGE_CURRENT_AS 0x10

/* Flags of FlushTLB. */
#define VMI_FLUSH_TLB 0x01

/* Cycle counters, and flags of SetAlarm and CancelAlarm (which hold the counter in bits 0..7). */
#define VMI_CYCLES_REAL 0
#define VMI_ALARM_PERIODIC 0x100

/** Bit of EFLAGS and of GetInterruptMask's result: external interrupts are taken. */
#define EFLAGS_IF 0x200

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/** Start of a VMI option ROM. (VMI spec, "VMI ROM", with the fields that Linux 2.6.21 and later read) */
struct vrom_header {
  uint16_t rom_signature; /* 0xAA55 */
  uint8_t rom_length;     /* in 512-byte units */
  uint8_t rom_entry[4];   /* 16-bit entry for the BIOS */
  uint8_t pad;
  uint32_t vrom_signature; /* "cVmi" */
  uint8_t api_version_min;
  uint8_t api_version_maj;
  uint8_t jump_slots;
  uint8_t reserved1;
  uint32_t virtual_top; /* lowest linear address that the hypervisor keeps, 0 = none */
  uint16_t reserved2;
  uint16_t license_offs;
  uint16_t pci_header_offs;
  uint16_t pnp_header_offs;
  uint8_t reserved3[100];
  uint8_t vmi_init[8];  /* code: near CALL, EAX = 0 is success */
  uint8_t get_reloc[8]; /* code: near CALL with the call number in EAX, EDX:EAX is a struct vmi_relocation */
} __attribute__((packed));

/** Answer of get_reloc. */
struct vmi_relocation {
  uint32_t target; /* linear address */
  uint32_t type;   /* low 8 bits */
};

/** What was found, for the banner and the `rom` program. */
struct vmi_rom {
  const struct vrom_header *header; /* null: none found, or not to be used */
  const char *manufacturer, *product;
  uint32_t patched, sites;
};

extern struct vmi_rom vmi_rom;

/** Probes the ROM area, initialises the ROM and patches all sites. To be called once, at boot, with interrupts off. */
void vmi_activate(void);
/** What the ROM answers for a call number; type VMI_NONE without a ROM. */
struct vmi_relocation vmi_ask(uint32_t call);
/** Whether the operation is there as a function; operations without a native equivalent may only be used if so. */
bool vmi_has(uint32_t call);
#endif
#endif
