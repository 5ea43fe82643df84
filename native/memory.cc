/*
 * Guest RAM and state blocks: memfd_create, one shared mapping, reference counts. A memfd and not anonymous memory because the
 * translator's windows map the same pages again at other addresses.
 *
 * Threads of all environments call in, so the table has one lock; signal handlers never come here (they are given pointers whose
 * memory somebody holds a reference to).
 */
#include "memory.h"

#include <cerrno>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace romulus {
namespace {

constexpr int kMaxMemories = 256;

std::mutex lock;
Memory table[kMaxMemories];
int lastId = 0;

/* Unmaps a memory that nobody has any more. The caller holds the lock. */
void collect(Memory &memory) {
  if (memory.open || memory.references != 0) return;
  munmap(memory.host, memory.sizeBytes);
  if (memory.fd >= 0) close(memory.fd);
  memory = Memory{};
}

}  // namespace

int memoryCreate(const char *name, std::size_t sizeBytes) {
  std::lock_guard<std::mutex> hold(lock);
  Memory *slot = nullptr;
  for (Memory &memory : table) {
    if (memory.host == nullptr) {
      slot = &memory;
      break;
    }
  }
  if (slot == nullptr) return -EMFILE;

  if (*name == '\0') {
    void *host = mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (host == MAP_FAILED) return -errno;
    *slot = Memory{++lastId, -1, host, sizeBytes, true, 0};
    return slot->id;
  }
  const int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) return -errno;
  if (ftruncate(fd, static_cast<off_t>(sizeBytes)) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  /* MAP_NORESERVE: a guest may be given more RAM than it ever touches. */
  void *host = mmap(nullptr, sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (host == MAP_FAILED) {
    const int error = errno;
    close(fd);
    return -error;
  }
  *slot = Memory{++lastId, fd, host, sizeBytes, true, 0};
  return slot->id;
}

Memory *memoryAcquire(int id) {
  std::lock_guard<std::mutex> hold(lock);
  for (Memory &memory : table) {
    if (!memory.open || memory.id != id) continue;
    memory.references++;
    return &memory;
  }
  return nullptr;
}

Memory *memoryAcquireAt(const void *host) {
  std::lock_guard<std::mutex> hold(lock);
  for (Memory &memory : table) {
    if (memory.host == nullptr || memory.host != host) continue;
    memory.references++;
    return &memory;
  }
  return nullptr;
}

void memoryDrop(Memory *memory) {
  std::lock_guard<std::mutex> hold(lock);
  memory->references--;
  collect(*memory);
}

int memoryClose(int id) {
  std::lock_guard<std::mutex> hold(lock);
  for (Memory &memory : table) {
    if (!memory.open || memory.id != id) continue;
    memory.open = false;
    collect(memory);
    return 0;
  }
  return -EBADF;
}

int memoryLive() {
  std::lock_guard<std::mutex> hold(lock);
  int live = 0;
  for (const Memory &memory : table) live += memory.host != nullptr ? 1 : 0;
  return live;
}

int probeMemfd() {
  const int fd = memfd_create("romulus-probe", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  close(fd);
  return 0;
}

int probeExecutable() {
  const int fd = memfd_create("romulus-probe", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  const std::size_t pageBytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const unsigned char returnInstruction = 0xc3;
  int result = 0;
  if (ftruncate(fd, static_cast<off_t>(pageBytes)) != 0 || pwrite(fd, &returnInstruction, 1, 0) != 1) {
    result = -errno;
  } else {
    void *code = mmap(nullptr, pageBytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    if (code == MAP_FAILED) {
      result = -errno;
    } else {
      reinterpret_cast<void (*)()>(code)();
      munmap(code, pageBytes);
    }
  }
  close(fd);
  return result;
}

}  // namespace romulus
