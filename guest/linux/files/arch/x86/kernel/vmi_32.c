// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMI: finds the ROM of a hypervisor that speaks it, and rewrites the sites (asm/vmi/site.h) so that they call it. Before that,
 * and on machines without such a ROM, everything here is bare hardware. Time is in vmi_time_32.c.
 *
 * All of it happens in one go at the start of setup_arch(): the ROM may ask for a hole at the top of the address space, which can
 * only be made before the first fixmap.
 */

#define pr_fmt(fmt) "vmi: " fmt

#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/pm.h>
#include <linux/string.h>
#include <linux/smp.h>

#include <asm/cmdline.h>
#include <asm/desc.h>
#include <asm/nops.h>
#include <asm/paravirt.h>
#include <asm/pgalloc.h>
#include <asm/processor.h>
#include <asm/reboot.h>
#include <asm/setup.h>
#include <asm/sync_core.h>
#include <asm/text-patching.h>
#include <asm/vmi/site.h>
#include <asm/vmi/vmi.h>

extern struct vmi_site __vmi_sites[], __vmi_sites_end[];

unsigned long vmi_iret_entry __ro_after_init;

/* What the ROM says of a call. */
struct vmi_answer {
	unsigned long		entry;
	enum vmi_relocation	relocation;
};

static struct vmi_answer answers[VMI_CALL_COUNT] __initdata;

static bool __init sums_to_zero(const u8 *bytes, unsigned int size)
{
	u8 sum = 0;

	while (size--)
		sum += *bytes++;
	return sum == 0;
}

/* The first ROM that speaks our API. */
static const struct vmi_rom __init *find_rom(void)
{
	unsigned long phys;

	for (phys = VMI_ROM_FIRST; phys < VMI_ROM_END; phys += VMI_ROM_STEP) {
		const struct vmi_rom *rom = __va(phys);

		if (rom->rom_signature != VMI_ROM_SIGNATURE || rom->vrom_signature != VMI_VROM_SIGNATURE)
			continue;
		if (rom->api_major != VMI_API_MAJOR) {
			pr_warn("ROM at %#lx speaks API %u.%u, not %u: ignored\n",
				phys, rom->api_major, rom->api_minor, VMI_API_MAJOR);
			continue;
		}
		if (!sums_to_zero((const u8 *)rom, rom->length * VMI_ROM_BLOCK_BYTES)) {
			pr_warn("ROM at %#lx is damaged, its checksum is wrong: ignored\n", phys);
			continue;
		}
		pr_info("ROM at %#lx, API %u.%u\n", phys, rom->api_major, rom->api_minor);
		return rom;
	}
	return NULL;
}

/* Parameters are not parsed yet, hence the look at the command line itself. */
static bool __init turned_off(void)
{
	char value[4];

	return cmdline_find_option(boot_command_line, "vmi", value, sizeof(value)) == 3 && !strcmp(value, "off");
}

/* Looked at above; here only so that it counts as known. */
static int __init accept_parameter(char *value)
{
	return 0;
}
early_param("vmi", accept_parameter);

/* @return false when the ROM refuses to work. */
static bool __init start_rom(const struct vmi_rom *rom)
{
	int status;

	asm volatile("call *%1" : "=a" (status) : "r" (rom->init) : "ecx", "edx", "cc", "memory");
	return status == 0;
}

static void __init ask_rom(const struct vmi_rom *rom)
{
	unsigned long call;

	for (call = 0; call < VMI_CALL_COUNT; call++) {
		unsigned long entry = call, relocation;

		asm volatile("call *%2"
			     : "+a" (entry), "=d" (relocation)
			     : "r" (rom->get_relocation) : "ecx", "cc", "memory");
		answers[call].entry = entry;
		answers[call].relocation = relocation & 0xff;
	}
}

/* Rewrites one site. @return true if it was. */
static bool __init patch_site(const struct vmi_site *site)
{
	const struct vmi_answer *answer = &answers[site->call];
	unsigned int used = 0;

	switch (answer->relocation) {
	case VMI_RELOCATION_CALL:
		__text_gen_insn(site->code, CALL_INSN_OPCODE, site->code, (void *)answer->entry, CALL_INSN_SIZE);
		used = CALL_INSN_SIZE;
		break;
	case VMI_RELOCATION_JUMP:
		__text_gen_insn(site->code, JMP32_INSN_OPCODE, site->code, (void *)answer->entry, JMP32_INSN_SIZE);
		used = JMP32_INSN_SIZE;
		break;
	case VMI_RELOCATION_NOP:
		break;
	default:
		return false;
	}
	while (used < site->length) {
		unsigned int length = min_t(unsigned int, site->length - used, ASM_NOP_MAX);

		memcpy(site->code + used, x86_nops[length], length);
		used += length;
	}
	return true;
}

/* Nothing else runs, interrupts are off, and kernel text is still writable. */
static void __init patch_sites(void)
{
	const struct vmi_site *site;
	unsigned int patched = 0;

	for (site = __vmi_sites; site < __vmi_sites_end; site++)
		patched += patch_site(site);
	sync_core();
	pr_info("%u of %u sites patched\n", patched, (unsigned int)(__vmi_sites_end - __vmi_sites));
}

/* What to call in the place of a function that is called through a pointer (which alternatives turn into a direct call). */
static void __init *entry_of(unsigned int call, void *native, void *nothing)
{
	switch (answers[call].relocation) {
	case VMI_RELOCATION_CALL:
		return (void *)answers[call].entry;
	case VMI_RELOCATION_NOP:
		return nothing;
	default:
		return native;
	}
}

static void flush_tlb(unsigned long flags)
{
	asm_inline volatile(VMI_SITE(VMI_CALL_FlushTLB, "")
			    : "+a" (flags) : : "ecx", "edx", "memory");
}

static void vmi_flush_tlb_local(void)
{
	flush_tlb(VMI_FLUSH_TLB);
}

static void vmi_flush_tlb_global(void)
{
	flush_tlb(VMI_FLUSH_TLB | VMI_FLUSH_GLOBAL);
}

/* With VMI_PAGE_CLONE, `count` entries from `start` on are copies of those in page `clone_pfn`. */
static void allocate_page(unsigned long pfn, unsigned long flags, unsigned long clone_pfn,
			  unsigned long start, unsigned long count)
{
	asm volatile("pushl %[count]\n\t"
		     "pushl %[start]\n\t"
		     VMI_SITE(VMI_CALL_AllocatePage, "")
		     "\taddl $8, %%esp"
		     : "+a" (pfn), "+d" (flags), "+c" (clone_pfn)
		     : [start] "r" (start), [count] "r" (count)
		     : "memory");
}

void vmi_allocate_page(unsigned long pfn, unsigned long flags)
{
	allocate_page(pfn, flags, 0, 0, 0);
}

void vmi_pgd_cloned(pgd_t *pgd)
{
	allocate_page(__pa(pgd) >> PAGE_SHIFT, VMI_PAGE_PD | VMI_PAGE_CLONE | VMI_PAGE_ZEROED,
		      __pa(swapper_pg_dir) >> PAGE_SHIFT, KERNEL_PGD_BOUNDARY, KERNEL_PGD_PTRS);
}

void vmi_release_page(unsigned long pfn, unsigned long flags)
{
	asm volatile(VMI_SITE(VMI_CALL_ReleasePage, "")
		     : "+a" (pfn), "+d" (flags) : : "ecx", "memory");
}

void vmi_set_ldt(const void *ldt, unsigned int entries)
{
	unsigned long selector = 0;

	if (entries) {
		ldt_desc desc;

		set_tssldt_descriptor(&desc, (unsigned long)ldt, DESC_LDT, entries * LDT_ENTRY_SIZE - 1);
		write_gdt_entry(get_cpu_gdt_rw(smp_processor_id()), GDT_ENTRY_LDT, &desc, DESC_LDT);
		selector = GDT_ENTRY_LDT * 8;
	}
	asm volatile(VMI_SITE(VMI_CALL_SetLDT, "lldt %w0")
		     : "+a" (selector) : : "ecx", "edx", "memory");
}

/* Tells where all memory can be seen. More is announced than there may be: its size is not known yet. */
static void __init announce_direct_map(void)
{
	unsigned long slot = VMI_LINEAR_MAP_DIRECT, linear = PAGE_OFFSET, pages = MAXMEM >> PAGE_SHIFT;

	asm volatile("pushl $0\n\t"
		     VMI_SITE(VMI_CALL_SetLinearMapping, "")
		     "\taddl $4, %%esp"
		     : "+a" (slot), "+d" (linear), "+c" (pages) : : "memory");
}

static void vmi_restart(char *command)
{
	unsigned long how = VMI_REBOOT_HARD;

	asm volatile(VMI_SITE(VMI_CALL_Reboot, "hlt") : "+a" (how) : : "ecx", "edx", "memory");
}

static void vmi_emergency_restart(void)
{
	vmi_restart(NULL);
}

static void vmi_power_off(void)
{
	asm volatile(VMI_SITE(VMI_CALL_Shutdown, "hlt") : : : "eax", "ecx", "edx", "memory");
}

static void __init fill_pointers(void)
{
	pv_info.name = "VMI";
	pv_ops.cpu.io_delay = entry_of(VMI_CALL_IODelay, pv_ops.cpu.io_delay, paravirt_nop);
	pv_ops.mmu.flush_tlb_one_user = entry_of(VMI_CALL_InvalPage, pv_ops.mmu.flush_tlb_one_user, paravirt_nop);
	if (answers[VMI_CALL_FlushTLB].relocation != VMI_RELOCATION_NONE) {
		pv_ops.mmu.flush_tlb_user = vmi_flush_tlb_local;
		pv_ops.mmu.flush_tlb_kernel = vmi_flush_tlb_global;
	}
	if (answers[VMI_CALL_IRET].relocation == VMI_RELOCATION_JUMP)
		vmi_iret_entry = answers[VMI_CALL_IRET].entry;
	if (answers[VMI_CALL_Reboot].relocation == VMI_RELOCATION_CALL) {
		machine_ops.restart = vmi_restart;
		machine_ops.emergency_restart = vmi_emergency_restart;
	}
	if (answers[VMI_CALL_Shutdown].relocation == VMI_RELOCATION_CALL)
		pm_power_off = vmi_power_off;
}

/* The clocks are all or nothing: they only make sense together. */
static bool __init has_time_calls(void)
{
	unsigned int call;

	for (call = VMI_CALL_GetCycleFrequency; call <= VMI_CALL_GetWallclockTime; call++) {
		if (answers[call].relocation != VMI_RELOCATION_CALL)
			return false;
	}
	return true;
}

void __init vmi_init(void)
{
	const struct vmi_rom *rom;

	if (turned_off())
		return;
	rom = find_rom();
	if (!rom)
		return;
	if (rom->virtual_top)
		reserve_top_address(-rom->virtual_top);
	if (!start_rom(rom)) {
		pr_warn("the ROM failed to start: ignored\n");
		return;
	}
	ask_rom(rom);
	fill_pointers();
	patch_sites();
	announce_direct_map();
	if (has_time_calls())
		vmi_time_init();
}
