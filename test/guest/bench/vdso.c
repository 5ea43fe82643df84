/* vdso.c - as much of ELF as finding a function of the vDSO takes: ELF specification, "Dynamic Section", "Symbol Table". */
#include "vdso.h"

#include "string.h"

struct elf_header {
  uint8_t ident[16];
  uint16_t type, machine;
  uint32_t version;
  uintptr_t entry, phoff, shoff;
  uint32_t flags;
  uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
struct dynamic_entry {
  uintptr_t tag, value;
};
/* In these two the fields stand in another order for 64 bits, so that none has a gap before it. */
#ifdef __x86_64__
struct program_header {
  uint32_t type, flags;
  uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
struct symbol {
  uint32_t name;
  uint8_t info, other;
  uint16_t section;
  uint64_t value, size;
};
#else
struct program_header {
  uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
};
struct symbol {
  uint32_t name, value, size;
  uint8_t info, other;
  uint16_t section;
};
#endif
enum { PT_LOAD = 1, PT_DYNAMIC = 2, DT_STRTAB = 5, DT_SYMTAB = 6 };

/**
 * The symbol table has no length of its own; in a vDSO the strings follow it. Addresses in it are those it was linked for: from 0 on, but for User Mode
 * Linux'.
 */
void *vdso_function(uintptr_t image, const char *name) {
  const struct elf_header *header = (const struct elf_header *)image;
  const struct program_header *segment = (const struct program_header *)(image + header->phoff);
  const struct dynamic_entry *dynamic = 0;
  uintptr_t strings = 0, symbols = 0, moved = image;
  for (uint32_t i = 0; i < header->phnum; i++) {
    if (segment[i].type == PT_LOAD) moved = image + segment[i].offset - segment[i].vaddr;
    if (segment[i].type == PT_DYNAMIC) dynamic = (const struct dynamic_entry *)(image + segment[i].offset);
  }
  for (; dynamic && dynamic->tag; dynamic++) {
    if (dynamic->tag == DT_STRTAB) strings = moved + dynamic->value;
    if (dynamic->tag == DT_SYMTAB) symbols = moved + dynamic->value;
  }
  for (uintptr_t at = symbols; at && at + sizeof(struct symbol) <= strings; at += sizeof(struct symbol)) {
    const struct symbol *symbol = (const struct symbol *)at;
    if (symbol->section && !strcmp((const char *)(strings + symbol->name), name)) return (void *)(moved + symbol->value);
  }
  return 0;
}
