/*
 * Atomic access to the words of a vCPU state block. The block is shared between threads, JavaScript and signal handlers, and
 * JavaScript's Atomics are sequentially consistent, so everything here is as well. Everything is lock-free and touches
 * nothing but the block, hence async-signal-safe.
 *
 * Read before: layout.h (offsets). Read after: signal.cc.
 */
#ifndef ROMULUS_STATE_H
#define ROMULUS_STATE_H

#include <cstddef>
#include <cstdint>

#include "layout.h"

namespace romulus {

static_assert(word::Raised % 8 == 0 && word::Merged % 8 == 0 && word::Delivered % 8 == 0, "64-bit counters must be aligned");
static_assert(word::Instructions % 8 == 0 && word::TimerSignals % 8 == 0 && word::HostSignals % 8 == 0 &&
                  word::Waits % 8 == 0 && word::WaitNs % 8 == 0 && word::RecordedAt % 8 == 0,
              "64-bit counters must be aligned");
static_assert(word::Merged - word::Raised == 16 * 8 && word::Delivered - word::Merged == 16 * 8, "16 irqs have counters");
static_assert(word::Fxsave % 16 == 0 && word::Fxsave + 512 <= kStateBytes, "FXSAVE wants 16-byte alignment");
static_assert(word::RecordedAt + 16 * 8 <= word::Fxsave, "16 stamps of 64 bits");
static_assert(__atomic_always_lock_free(4, nullptr) && __atomic_always_lock_free(8, nullptr), "handlers must not lock");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "counters are stored low word first");

/* The 32-bit word at a byte offset. `state` is the first byte of a block; the caller keeps it mapped. */
inline std::int32_t *word32(void *state, std::size_t offset) {
  return reinterpret_cast<std::int32_t *>(static_cast<char *>(state) + offset);
}

inline std::int32_t load32(void *state, std::size_t offset) { return __atomic_load_n(word32(state, offset), __ATOMIC_SEQ_CST); }

inline void store32(void *state, std::size_t offset, std::int32_t value) {
  __atomic_store_n(word32(state, offset), value, __ATOMIC_SEQ_CST);
}

/* Sets bits and returns the word as it was before. */
inline std::int32_t or32(void *state, std::size_t offset, std::int32_t bits) {
  return __atomic_fetch_or(word32(state, offset), bits, __ATOMIC_SEQ_CST);
}

inline std::uint64_t *word64(void *state, std::size_t offset) {
  return reinterpret_cast<std::uint64_t *>(static_cast<char *>(state) + offset);
}

inline void store64(void *state, std::size_t offset, std::uint64_t value) {
  __atomic_store_n(word64(state, offset), value, __ATOMIC_SEQ_CST);
}

inline void add64(void *state, std::size_t offset, std::uint64_t value) {
  __atomic_fetch_add(word64(state, offset), value, __ATOMIC_SEQ_CST);
}

/*
 * Words that only the vCPU's own thread writes, outside of signal handlers or inside of them but never both at once: nobody waits for them in any
 * order, so that a plain store will do, which takes a twentieth of the time.
 */
inline void storeOwn32(void *state, std::size_t offset, std::int32_t value) {
  __atomic_store_n(word32(state, offset), value, __ATOMIC_RELAXED);
}

inline void storeOwn64(void *state, std::size_t offset, std::uint64_t value) {
  __atomic_store_n(word64(state, offset), value, __ATOMIC_RELAXED);
}

inline void addOwn64(void *state, std::size_t offset, std::uint64_t value) {
  storeOwn64(state, offset, __atomic_load_n(word64(state, offset), __ATOMIC_RELAXED) + value);
}

}  // namespace romulus

#endif
