/*
 * torture.h - what the programs of this folder share: pseudo-random numbers that lean to edges, a running checksum, and instructions run
 * with known flags. `program.h` is that of Remus' programs or its Linux stand-in, by the include path.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "program.h"

static uint32_t seed = 2463534242u;

static inline uint32_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return seed;
}

static const uint32_t edges[] = {0,      1,      2,          0x7f,       0x80,       0xff,       0x7fff,
                                 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x80000001};

/** An edge value two times out of three. */
static inline uint32_t next_value(void) {
  uint32_t choice = next_random();
  return choice % 3 == 0 ? next_random() : edges[(choice >> 8) % (sizeof edges / sizeof *edges)];
}

/** FNV-1a over the bytes of a word. */
static inline uint32_t mix(uint32_t sum, uint32_t word) {
  for (int i = 0; i < 4; i++) sum = (sum ^ (word >> (8 * i) & 0xff)) * 16777619u;
  return sum;
}

#define MIX_START 2166136261u

/* Arithmetic flags in their EFLAGS places. */
#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define OF 0x800u
#define ALL_FLAGS (CF | PF | AF | ZF | SF | OF)

/** Puts `flags` into EFLAGS, runs one instruction on a and b (%0 and %1, CL = %b1), and gets the arithmetic flags back. */
#define WITH_FLAGS(instruction, a, b, flags)                                                                          \
  asm volatile("pushl %2; popfl; " instruction "; pushfl; popl %2" : "+a"(a), "+c"(b), "+d"(flags) : : "cc", "memory")

#endif
