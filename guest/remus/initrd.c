/*
 * initrd.c - a read-only file system: the tar archive that the boot loader has put into memory, used in place.
 * (POSIX, pax, "ustar Interchange Format")
 */
#include "initrd.h"

#include "console.h"
#include "../lib/string.h"

#define BLOCK_BYTES 512
#define FILES 48

struct ustar_header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6];
};

static struct initrd_file files[FILES];
static uint32_t file_count;

void initrd_init(const uint8_t *archive, uint32_t bytes) {
  const uint8_t *end = archive + bytes;
  while (archive + BLOCK_BYTES <= end && *archive) {
    const struct ustar_header *header = (const void *)archive;
    if (memcmp(header->magic, "ustar", 5)) panic("the initrd is not a tar archive in ustar format");
    uint32_t size = parse_number(header->size, 8);
    archive += BLOCK_BYTES;
    if (size > (uint32_t)(end - archive)) panic("the initrd is cut off in the file %s", header->name);
    if (header->type == '0' || !header->type) {
      if (file_count == FILES) panic("the initrd holds more than %u files", FILES);
      const char *name = strncmp(header->name, "./", 2) ? header->name : header->name + 2;
      struct initrd_file *file = &files[file_count++];
      copy_text(file->name, name, sizeof file->name);
      file->data = archive;
      file->bytes = size;
    }
    archive += (size + BLOCK_BYTES - 1) & -BLOCK_BYTES;
  }
}

const struct initrd_file *initrd_find(const char *path) {
  while (*path == '/') path++;
  for (uint32_t i = 0; i < file_count; i++)
    if (!strcmp(files[i].name, path)) return &files[i];
  return 0;
}

const struct initrd_file *initrd_at(uint32_t index) { return index < file_count ? &files[index] : 0; }
