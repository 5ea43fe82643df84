/*
 * vmi.c - finds the VMI ROM, switches the CPU over to it and patches the sites of site.h.
 *
 * Separate from site.h because this is done once, at boot, and because nothing in this file may itself be a site: it changes
 * code while it runs (printing is code that is not being changed at that moment). The checks are those of Linux:
 * check_vmi_rom() in 2.6.21 and later.
 */
#include "site.h"

#include "console.h"
#include "layout.h"
#include "../lib/string.h"

#define ROM_AREA_START 0xC0000
#define ROM_AREA_END 0xE0000
#define ROM_STEP 2048

#define ROM_SIGNATURE 0xAA55
#define VROM_SIGNATURE 0x696D5663
#define API_MAJOR 3

#define NOP 0x90
#define CALL_REL32 0xE8
#define JMP_REL32 0xE9
#define BRANCH_BYTES 5

struct vmi_rom vmi_rom;

extern struct vmi_site vmi_sites_start[], vmi_sites_end[];

/** Bytes of the PCI data structure and of the PnP header that are looked at. */
struct pci_data {
  char signature[4];
  uint16_t vendor, device;
};
struct pnp_header {
  char signature[4];
  uint8_t revision, size;
  uint16_t next, reserved;
  uint32_t device_id;
  uint16_t manufacturer_offs, product_offs;
} __attribute__((packed));

static const char *rom_text(const struct vrom_header *rom, uint16_t offset) {
  return offset ? (const char *)rom + offset : "?";
}

/** Whether there is a ROM at this place that can be used; says why not if it is nearly one. */
static bool check_rom(const struct vrom_header *rom) {
  if (rom->rom_signature != ROM_SIGNATURE || rom->vrom_signature != VROM_SIGNATURE) return false;

  uint32_t phys = phys_of(rom);
  if (rom->api_version_maj != API_MAJOR) {
    printk("vmi: ROM at %#x speaks API %u.%u, not %u: ignored\n", phys, rom->api_version_maj, rom->api_version_min, API_MAJOR);
    return false;
  }
  if (!rom->pci_header_offs) {
    printk("vmi: ROM at %#x has no PCI data structure: ignored\n", phys);
    return false;
  }
  const struct pci_data *pci = (const void *)((const uint8_t *)rom + rom->pci_header_offs);
  if (pci->vendor != 0x15AD || pci->device != 0x0801)
    printk("vmi: ROM at %#x has PCI id %04x:%04x, 15ad:0801 expected: used all the same\n", phys, pci->vendor, pci->device);

  const char *license = rom->license_offs ? rom_text(rom, rom->license_offs) : "none";
  if (strcmp(license, "GPL") && strcmp(license, "GPL v2")) {
    printk("vmi: ROM at %#x has a licence other than GPL: ignored\n", phys);
    return false;
  }
  return true;
}

struct vmi_relocation vmi_ask(uint32_t call) {
  struct vmi_relocation answer = {0, VMI_NONE};
  if (!vmi_rom.header) return answer;
  uint32_t target = call, type;
  asm volatile("call *%[entry]" : "+a"(target), "=d"(type) : [entry] "r"(vmi_rom.header->get_reloc) : "ecx", "memory", "cc");
  answer.target = target;
  answer.type = type & 0xFF;
  return answer;
}

bool vmi_has(uint32_t call) { return vmi_ask(call).type == VMI_CALL_REL; }

static void branch(struct vmi_site *site, uint8_t opcode, uint32_t target) {
  int32_t displacement = (int32_t)(target - ((uint32_t)site->address + BRANCH_BYTES));
  memset(site->address, NOP, site->length);
  site->address[0] = opcode;
  memcpy(site->address + 1, &displacement, sizeof displacement);
}

/** Rewrites one site as the ROM wants it; true if it no longer holds the native instruction. */
static bool patch(struct vmi_site *site, struct vmi_relocation relocation) {
  switch (relocation.type) {
    case VMI_CALL_REL: branch(site, CALL_REL32, relocation.target); return true;
    case VMI_JUMP_REL:
      if (site->call != VMI_IRET) break; /* a jump never comes back */
      branch(site, JMP_REL32, relocation.target);
      return true;
    case VMI_NOP: memset(site->address, NOP, site->length); return true;
    case VMI_NONE: return false;
  }
  printk("vmi: call %u: relocation type %u cannot be used here, left native\n", site->call, relocation.type);
  return false;
}

void vmi_activate(void) {
  const struct vrom_header *rom = 0;
  for (uint32_t phys = ROM_AREA_START; phys < ROM_AREA_END && !rom; phys += ROM_STEP)
    if (check_rom(direct_map(phys))) rom = direct_map(phys);
  if (!rom) return;

  uint32_t failed;
  asm volatile("call *%[entry]" : "=a"(failed) : [entry] "r"(rom->vmi_init) : "ecx", "edx", "memory", "cc");
  if (failed) {
    printk("vmi: the ROM failed to initialize: %#x\n", failed);
    return;
  }
  uint32_t cs;
  asm volatile("movl %%cs, %0" : "=r"(cs));
  if (cs & 3) panic("vmi: the ROM runs kernels at ring %u, this kernel wants ring 0", cs & 3);

  vmi_rom.header = rom;
  const struct pnp_header *pnp = (const void *)((const uint8_t *)rom + rom->pnp_header_offs);
  vmi_rom.manufacturer = rom_text(rom, rom->pnp_header_offs ? pnp->manufacturer_offs : 0);
  vmi_rom.product = rom_text(rom, rom->pnp_header_offs ? pnp->product_offs : 0);

  /* The ROM answers the same each time, so it is asked once per call number. */
  static struct vmi_relocation answers[VMI_CALLS];
  for (uint32_t call = 0; call < VMI_CALLS; call++) answers[call] = vmi_ask(call);
  for (struct vmi_site *site = vmi_sites_start; site < vmi_sites_end; site++) {
    vmi_rom.sites++;
    if (patch(site, answers[site->call])) vmi_rom.patched++;
  }
  /* A jump makes the CPU drop what it has prefetched of the old code. (SDM 3A, "Handling Self-Modifying Code") */
  asm volatile("jmp 1f; 1:" ::: "memory");
}
