/* multiboot.h - what the boot loader tells. (Multiboot Specification 0.6.96, "Boot information format") */
#ifndef REMUS_MULTIBOOT_H
#define REMUS_MULTIBOOT_H

#include <stdint.h>

/** In EAX at the start. */
#define MULTIBOOT_LOADER 0x2BADB002

/* Which members of struct multiboot_info are valid. */
#define MULTIBOOT_MEMORY 0x001
#define MULTIBOOT_COMMAND_LINE 0x004
#define MULTIBOOT_MODULES 0x008
#define MULTIBOOT_MAP 0x040

#define MULTIBOOT_RAM 1 /* type of a usable range in the map */

/** All addresses are physical. */
struct multiboot_info {
  uint32_t flags;
  uint32_t lower_kib, upper_kib; /* memory from 0, memory from 1 MiB */
  uint32_t boot_device;
  uint32_t command_line;
  uint32_t module_count, modules;
  uint32_t symbols[4];
  uint32_t map_bytes, map;
};

struct multiboot_module {
  uint32_t start, end, text, reserved;
};

struct multiboot_range {
  uint32_t size; /* of the rest of this entry */
  uint64_t start, bytes;
  uint32_t type;
} __attribute__((packed));

#endif
