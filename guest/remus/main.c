/*
 * main.c - the order in which the kernel comes to life.
 *
 * Read this file first to find your way: every step names the file that explains it. boot.S has turned paging on; interrupts
 * are off until the idle loop.
 */
#include "clock.h"
#include "console.h"
#include "descriptors.h"
#include "frame.h"
#include "initrd.h"
#include "irq.h"
#include "layout.h"
#include "multiboot.h"
#include "process.h"
#include "site.h"
#include "version.h"
#include "../lib/string.h"

#define MIB 0x100000
#define CR0_EM 0x4 /* FPU instructions fault: no program here uses them, and no context switch saves their registers */

extern uint8_t kernel_end[];

/** What the command line asks for. */
static struct {
  bool no_rom, quiet;
  char run[192]; /* commands instead of a prompt */
} options;

/** Understands: rom=off, quiet, test, run=commands or run="several words". The rest is for others, such as the boot loader. */
static void parse_options(const char *text) {
  while (*text) {
    char word[sizeof options.run + 8];
    uint32_t length = 0;
    bool quoted = false;
    for (; *text && (quoted || *text != ' '); text++) {
      if (*text == '"') quoted = !quoted;
      else if (length < sizeof word - 1) word[length++] = *text;
    }
    word[length] = 0;
    while (*text == ' ') text++;

    if (!strcmp(word, "rom=off")) options.no_rom = true;
    if (!strcmp(word, "quiet")) options.quiet = true;
    if (!strcmp(word, "test")) copy_text(options.run, "ls; ps; date; free; irqstat; fault", sizeof options.run);
    if (!strncmp(word, "run=", 4)) copy_text(options.run, word + 4, sizeof options.run);
  }
}

/** End of the usable memory that begins at 1 MiB; what may lie beyond a hole is not used. */
static uint32_t find_memory_end(const struct multiboot_info *info) {
  uint64_t end = info->flags & MULTIBOOT_MEMORY ? MIB + (uint64_t)info->upper_kib * 1024 : 0;
  if (info->flags & MULTIBOOT_MAP) {
    const struct multiboot_range *range = direct_map(info->map), *last = direct_map(info->map + info->map_bytes);
    for (; range < last; range = (const void *)((const uint8_t *)range + range->size + sizeof range->size))
      if (range->type == MULTIBOOT_RAM && range->start <= MIB && range->start + range->bytes > MIB) end = range->start + range->bytes;
  }
  if (!end) panic("the boot loader tells nothing about memory");
  return end > DIRECT_MAP_BYTES ? DIRECT_MAP_BYTES : (uint32_t)end;
}

static void print_banner(void) {
  if (options.quiet) return;
  struct system_info info = {0};
  clock_describe(&info);
  printk("\nRemus %s, %u MiB of memory, %u KiB free\n", REMUS_VERSION, (memory_end() + MIB - 1) / MIB, frames_free() * (PAGE_BYTES / 1024));
  if (vmi_rom.header)
    printk("VMI ROM %u.%u at %#x: %s %s, %u of %u sites patched\n", vmi_rom.header->api_version_maj, vmi_rom.header->api_version_min,
           phys_of(vmi_rom.header), vmi_rom.manufacturer, vmi_rom.product, vmi_rom.patched, vmi_rom.sites);
  else
    printk("No VMI ROM%s: bare instructions\n", options.no_rom ? " (rom=off)" : "");
  printk("Clock: %s", info.clock);
  if (info.cycles_khz) printk(", %u.%03u MHz", info.cycles_khz / 1000, info.cycles_khz % 1000);
  printk("\n\n");
}

/** Called by boot.S with the boot loader's EAX and EBX. */
void kernel_main(uint32_t magic, uint32_t info_phys) {
  console_init();
  if (magic != MULTIBOOT_LOADER) panic("started by something other than a Multiboot loader: EAX is %#x", magic);
  const struct multiboot_info *info = direct_map(info_phys);
  if (info->flags & MULTIBOOT_COMMAND_LINE) parse_options(direct_map(info->command_line));
  if (!(info->flags & MULTIBOOT_MODULES) || !info->module_count) panic("no initrd was given");
  struct multiboot_module initrd = *(struct multiboot_module *)direct_map(info->modules);
  if (initrd.end > BOOT_MAP_BYTES) panic("the initrd ends at %#x, beyond %u MiB", initrd.end, BOOT_MAP_BYTES / MIB);

  /* From here on CamelCase operations may be the ROM's. */
  if (!options.no_rom) vmi_activate();

  uint32_t kernel_end_phys = phys_of(kernel_end);
  uint32_t first_free = initrd.end > kernel_end_phys ? initrd.end : kernel_end_phys;
  frame_init((first_free + PAGE_BYTES - 1) & -PAGE_BYTES, find_memory_end(info));
  SetLinearMapping(0, KERNEL_BASE, memory_end() / PAGE_BYTES, 0);
  space_init();
  SetCR0(GetCR0() | CR0_EM);
  descriptors_init();
  process_init();
  irq_init();
  console_listen();
  clock_init();
  initrd_init(direct_map(initrd.start), initrd.end - initrd.start);
  print_banner();

  const char *const interactive[] = {"sh", 0}, *const scripted[] = {"sh", "-c", options.run, 0};
  start_init("bin/sh", *options.run ? scripted : interactive);
  idle();
}
