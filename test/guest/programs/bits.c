/* bits.c - bit tests, scans, swaps and the atomic ones, in registers and in memory, and bit tricks in C. */
#include "torture.h"

#define ROUNDS 400

static uint32_t field[16];

/** An instruction on a bit string in memory: the offset goes beyond the operand. */
#define IN_MEMORY(instruction)                                                                            \
  do {                                                                                                    \
    uint32_t sum = MIX_START;                                                                             \
    for (int i = 0; i < 16; i++) field[i] = next_random();                                                \
    for (int i = 0; i < ROUNDS; i++) {                                                                    \
      uint32_t carry, offset = next_random() % 512 - 256;                                                 \
      asm volatile(instruction " %2, %1; sbbl %0, %0" : "=r"(carry), "+m"(field[8]) : "r"(offset) : "cc", "memory"); \
      sum = mix(sum, carry);                                                                              \
    }                                                                                                     \
    for (int i = 0; i < 16; i++) sum = mix(sum, field[i]);                                                \
    printf("%-22s %08x\n", instruction, sum);                                                             \
  } while (0)

static void scans(void) {
  uint32_t sum = MIX_START;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t value = next_value(), first = 0, last = 0, isZero;
    asm("bsfl %2, %0; setz %b1" : "+r"(first), "=q"(isZero) : "r"(value), "1"(0) : "cc");
    sum = mix(sum, isZero & 0xff);
    if (value == 0) continue;
    asm("bsrl %1, %0" : "=r"(last) : "r"(value) : "cc");
    sum = mix(mix(sum, first), last);
  }
  printf("%-22s %08x\n", "bsf bsr", sum);
}

static void swaps(void) {
  uint32_t sum = MIX_START;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t a = next_value(), b = next_value();
    asm("bswapl %0" : "+r"(a));
    asm volatile("lock; xaddl %0, %1" : "+r"(b), "+m"(field[i & 15]) : : "cc");
    asm volatile("xchgl %0, %1" : "+r"(a), "+m"(field[(i + 1) & 15]));
    sum = mix(mix(sum, a), b);
  }
  for (int i = 0; i < 16; i++) sum = mix(sum, field[i]);
  printf("%-22s %08x\n", "bswap xadd xchg", sum);
}

static void exchanges(void) {
  uint32_t sum = MIX_START, taken = 0;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t expected = i & 1 ? field[i & 15] : next_value(), flags;
    asm volatile("lock; cmpxchgl %3, %1; pushfl; popl %2"
                 : "+a"(expected), "+m"(field[i & 15]), "=r"(flags)
                 : "r"(next_value())
                 : "cc");
    taken += (flags & ZF) != 0;
    sum = mix(mix(sum, expected), flags & ALL_FLAGS);
  }
  for (int i = 0; i < 16; i++) sum = mix(sum, field[i]);
  printf("%-22s %08x, %u taken\n", "cmpxchg", sum, taken);
}

/** Population count in four ways, which must agree. */
static void tricks(void) {
  uint32_t sum = MIX_START, differences = 0;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t value = next_value(), loop = 0, kernighan = 0, parallel = value;
    for (int bit = 0; bit < 32; bit++) loop += value >> bit & 1;
    for (uint32_t rest = value; rest; rest &= rest - 1) kernighan++;
    parallel -= parallel >> 1 & 0x55555555;
    parallel = (parallel & 0x33333333) + (parallel >> 2 & 0x33333333);
    parallel = ((parallel + (parallel >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
    if (loop != kernighan || loop != parallel) differences++;
    uint32_t reversed = 0;
    for (int bit = 0; bit < 32; bit++) reversed |= (value >> bit & 1) << (31 - bit);
    sum = mix(mix(sum, loop), reversed ^ (value & -value));
  }
  printf("%-22s %08x, %u differences\n", "bit counts", sum, differences);
}

int main(void) {
  IN_MEMORY("btl");
  IN_MEMORY("btsl");
  IN_MEMORY("btrl");
  IN_MEMORY("btcl");
  scans();
  swaps();
  exchanges();
  tricks();
  return 0;
}
