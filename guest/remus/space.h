/* space.h - user address spaces: page directories, demand-zero memory, copy-on-write. */
#ifndef REMUS_SPACE_H
#define REMUS_SPACE_H

#include <stdbool.h>
#include <stdint.h>

struct space {
  uint32_t *directory;             /* in the direct map */
  uint32_t heap_start, heap_end;   /* linear; what lies between is filled with zero pages on demand, like the stack */
  uint32_t pages;                  /* user pages present */
};

/** Builds the direct map of all memory, which every space shares. */
void space_init(void);
/** An empty user half; false without memory. */
bool space_create(struct space *space);
/** The same contents, copied page by page when either side writes; false without memory. */
bool space_clone(struct space *to, struct space *from);
/** Frees everything; the space must not be the running one. */
void space_destroy(struct space *space);
void space_activate(const struct space *space);

/** Maps a zeroed page and returns where the kernel sees it; null without memory. `linear` is page-aligned and not mapped yet. */
uint8_t *space_map_zeroed(struct space *space, uint32_t linear, bool writable);
/** Makes or drops heap pages up to the new end; false if it is out of range. */
bool space_set_heap_end(struct space *space, uint32_t end);
/** Resolves a fault of the running space; false: the access is forbidden, or there is no memory. `error` as the CPU pushes it. */
bool space_fault(struct space *space, uint32_t linear, uint32_t error);

/** Whether the running program may read (write) all of the range; makes it present (private) as a side effect. */
bool user_readable(const void *start, uint32_t bytes);
bool user_writable(void *start, uint32_t bytes);
/** Copies a NUL-terminated text of the running program; its length, or an enum error. */
int user_text(char *to, const char *from, uint32_t bytes);

#endif
