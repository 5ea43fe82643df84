/* frame.h - the allocator of physical memory, page by page, with reference counts. */
#ifndef REMUS_FRAME_H
#define REMUS_FRAME_H

#include <stdbool.h>
#include <stdint.h>

/** `first_free_phys`: end of kernel and initrd; `end_phys`: end of memory. */
void frame_init(uint32_t first_free_phys, uint32_t end_phys);
/** A zeroed page in the direct map with one reference, or null. */
void *frame_allocate(void);
void frame_share(uint32_t phys);
bool frame_is_shared(uint32_t phys);
/** Drops one reference; the last one frees the frame. */
void frame_release(uint32_t phys);
uint32_t frames_total(void);
uint32_t frames_free(void);
/** End of physical memory in use. */
uint32_t memory_end(void);

#endif
