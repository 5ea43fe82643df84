/*
 * Memory that several threads look at: guest RAM and state blocks, each one memfd with one mapping. JavaScript threads see it
 * through external ArrayBuffers ("views"), native code through references; the mapping goes when the owner has closed it and the
 * last of both is gone. Errors are negative errno values throughout.
 */
#ifndef ROMULUS_MEMORY_H
#define ROMULUS_MEMORY_H

#include <cstddef>
#include <cstdint>

namespace romulus {

/* One mapping. Owned by the table in memory.cc; holders of a reference may use `host` until they drop it. */
struct Memory {
  int id = 0;
  /* -1: shared memory without a file. */
  int fd = -1;
  void *host = nullptr;
  std::size_t sizeBytes = 0;
  bool open = false;
  unsigned references = 0;
};

/*
 * Makes a zeroed memory whose name shows in /proc/PID/maps; with an empty name it has no file, and is neither guest RAM nor a state
 * block. Returns its id (> 0).
 */
int memoryCreate(const char *name, std::size_t sizeBytes);

/* Takes a reference to an open memory; null when there is none with this id. */
Memory *memoryAcquire(int id);

/* Takes a reference to the memory that begins at `host`, open or closed; null when there is none. */
Memory *memoryAcquireAt(const void *host);

/* Gives a reference back. */
void memoryDrop(Memory *memory);

/* Ends the owner's claim. Returns 0, or -EBADF when the id names no open memory. */
int memoryClose(int id);

/* Mappings that exist now. */
int memoryLive();

/* Tries what this host offers: 0 or a negative errno each. */
int probeMemfd();
int probeExecutable();

}  // namespace romulus

#endif
