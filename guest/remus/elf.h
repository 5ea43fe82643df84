/* elf.h - the parts of the ELF format that a static i386 program needs. (Tool Interface Standard, "ELF Specification") */
#ifndef REMUS_ELF_H
#define REMUS_ELF_H

#include <stdint.h>

#define ELF_MAGIC "\x7F" "ELF\x01\x01\x01" /* 32-bit, little endian, version 1 */
#define ELF_EXECUTABLE 2
#define ELF_I386 3
#define ELF_LOAD 1
#define ELF_WRITABLE 2

struct elf_header {
  uint8_t ident[16];
  uint16_t type, machine;
  uint32_t version, entry, program_headers, section_headers, flags;
  uint16_t header_bytes, program_header_bytes, program_header_count, section_header_bytes, section_header_count, names;
};

struct elf_program_header {
  uint32_t type, offset, linear, phys, file_bytes, memory_bytes, flags, align;
};

#endif
