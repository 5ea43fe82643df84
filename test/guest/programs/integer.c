/* integer.c - arithmetic, shifts, decimal adjustment and division with all flags, a checksum for each instruction. */
#include "torture.h"

#define ROUNDS 400

/** Runs an instruction on many operands and prints the checksum of results and defined flags. */
#define TORTURE(instruction, defined)                                             \
  do {                                                                            \
    uint32_t sum = MIX_START;                                                     \
    for (int i = 0; i < ROUNDS; i++) {                                            \
      uint32_t a = next_value(), b = next_value(), flags = (next_value() & ALL_FLAGS) | 2; \
      WITH_FLAGS(instruction, a, b, flags);                                       \
      sum = mix(mix(mix(sum, a), b), flags & (defined));                          \
    }                                                                             \
    printf("%-22s %08x\n", instruction, sum);                                     \
  } while (0)

/** Shifts: which flags are defined depends on the count, so it is fixed. */
#define SHIFT(instruction, defined) TORTURE(instruction, defined)

static void divisions(void) {
  uint32_t sum = MIX_START;
  for (int i = 0; i < ROUNDS; i++) {
    uint32_t divisor = next_value() | 1, low = next_value(), high = next_value() % divisor, quotient, rest;
    asm("divl %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "r"(divisor) : "cc");
    sum = mix(mix(sum, quotient), rest);
    int32_t signed_divisor = (int32_t)(next_random() >> 1 | 0x40000000);
    if (i & 1) signed_divisor = -signed_divisor;
    int32_t dividend = (int32_t)next_value();
    sum = mix(mix(sum, (uint32_t)(dividend / signed_divisor)), (uint32_t)(dividend % signed_divisor));
  }
  printf("%-22s %08x\n", "div idiv", sum);
}

/** 64-bit division the long way, bit by bit, against DIV. */
static void long_division(void) {
  uint32_t sum = MIX_START, differences = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t value = (uint64_t)next_value() << 32 | next_value(), quotient = 0, rest = 0;
    uint32_t by = next_value() | 1, by_hardware;
    for (int bit = 63; bit >= 0; bit--) {
      rest = rest << 1 | (value >> bit & 1);
      quotient <<= 1;
      if (rest >= by) {
        rest -= by;
        quotient |= 1;
      }
    }
    if (divide(value, by, &by_hardware) != quotient || by_hardware != rest) differences++;
    sum = mix(mix(mix(sum, (uint32_t)quotient), (uint32_t)(quotient >> 32)), (uint32_t)rest);
  }
  printf("%-22s %08x, %u differences\n", "long division", sum, differences);
}

int main(void) {
  TORTURE("addl %1, %0", ALL_FLAGS);
  TORTURE("adcl %1, %0", ALL_FLAGS);
  TORTURE("subl %1, %0", ALL_FLAGS);
  TORTURE("sbbl %1, %0", ALL_FLAGS);
  TORTURE("cmpl %1, %0", ALL_FLAGS);
  TORTURE("negl %0", ALL_FLAGS);
  TORTURE("incl %0", ALL_FLAGS);
  TORTURE("decl %0", ALL_FLAGS);
  TORTURE("andl %1, %0", ALL_FLAGS & ~AF);
  TORTURE("orl %1, %0", ALL_FLAGS & ~AF);
  TORTURE("xorl %1, %0", ALL_FLAGS & ~AF);
  TORTURE("testl %1, %0", ALL_FLAGS & ~AF);
  TORTURE("addw %w1, %w0", ALL_FLAGS);
  TORTURE("sbbw %w1, %w0", ALL_FLAGS);
  TORTURE("addb %b1, %b0", ALL_FLAGS);
  TORTURE("adcb %h1, %h0", ALL_FLAGS);
  TORTURE("imull %1, %0", CF | OF);
  TORTURE("mulb %b1", CF | OF);
  TORTURE("imulb %b1", CF | OF);
  TORTURE("daa", ALL_FLAGS & ~OF);
  TORTURE("das", ALL_FLAGS & ~OF);
  TORTURE("aaa", AF | CF);
  TORTURE("aas", AF | CF);
  TORTURE("aam $10", SF | ZF | PF);
  TORTURE("aad $7", SF | ZF | PF);
  SHIFT("shll $1, %0", ALL_FLAGS & ~AF);
  SHIFT("shrl $1, %0", ALL_FLAGS & ~AF);
  SHIFT("sarl $1, %0", ALL_FLAGS & ~AF);
  SHIFT("shll %b1, %0", ZF & 0);
  SHIFT("sarw $9, %w0", (ALL_FLAGS & ~AF) & ~OF);
  SHIFT("roll $1, %0", ALL_FLAGS);
  SHIFT("rorw $1, %w0", ALL_FLAGS);
  SHIFT("rcll $1, %0", ALL_FLAGS);
  SHIFT("rcrb $1, %b0", ALL_FLAGS);
  SHIFT("rcll %b1, %0", CF);
  SHIFT("shldl $7, %1, %0", ALL_FLAGS & ~(AF | OF));
  SHIFT("shrdl $19, %1, %0", ALL_FLAGS & ~(AF | OF));
  TORTURE("cwtl", ALL_FLAGS);
  TORTURE("lahf", ALL_FLAGS);
  TORTURE("sahf", ALL_FLAGS);
  TORTURE("xchgl %0, %1", ALL_FLAGS);
  divisions();
  long_division();
  return 0;
}
