/* initrd.h - the files that came with the kernel. */
#ifndef REMUS_INITRD_H
#define REMUS_INITRD_H

#include <stdint.h>

struct initrd_file {
  char name[32]; /* without leading "./" */
  const uint8_t *data;
  uint32_t bytes;
};

/** Reads the directory of a tar archive; panics if it is none. */
void initrd_init(const uint8_t *archive, uint32_t bytes);
/** File by path, leading slashes ignored; null if there is none. */
const struct initrd_file *initrd_find(const char *path);
/** File by position; null past the last. */
const struct initrd_file *initrd_at(uint32_t index);

#endif
