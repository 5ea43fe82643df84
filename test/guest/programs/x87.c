/*
 * x87.c - x87 arithmetic to the last of 80 bits, under every precision and rounding, with status flags. The transcendental instructions
 * differ between processor models and are left out. Values are bytes here, and the arithmetic is all in assembly.
 */
#include "torture.h"

struct extended {
  uint8_t bytes[10];
};

static const uint64_t doubles[] = {
    0,                     0x8000000000000000ull, 0x3ff0000000000000ull, 0xbff0000000000000ull, 0x4008000000000000ull, 0x3fd5555555555555ull,
    0x7fefffffffffffffull, 0x0010000000000000ull, 0x0000000000000001ull, 0x7ff0000000000000ull, 0xfff0000000000000ull, 0x7ff8000000000000ull,
    0x41dfffffffc00000ull, 0xc1e0000000000000ull, 0x3fe0000000000000ull, 0x4330000000000001ull};
#define VALUES (sizeof doubles / sizeof *doubles)

static uint32_t mix_extended(uint32_t sum, const struct extended *value) {
  for (int i = 0; i < 10; i++) sum = (sum ^ value->bytes[i]) * 16777619u;
  return sum;
}

/** All exceptions masked, precision control and rounding control from `mode` (0 to 15; precision 1 is reserved). */
static void set_mode(uint32_t mode) {
  uint16_t control = (uint16_t)(0x3f | (mode & 3) << 10 | (mode >> 2 & 3) << 8);
  asm volatile("fninit; fldcw %0" : : "m"(control));
}

/** Every pair of values in every mode: results and the exception flags that they raise. */
#define BINARY(instruction)                                                                                            \
  do {                                                                                                                 \
    uint32_t sum = MIX_START;                                                                                          \
    for (uint32_t mode = 0; mode < 16; mode++) {                                                                       \
      if ((mode >> 2) == 1) continue;                                                                                  \
      for (uint32_t i = 0; i < VALUES * VALUES; i++) {                                                                 \
        struct extended result;                                                                                        \
        uint16_t status;                                                                                               \
        set_mode(mode);                                                                                                \
        asm volatile("fldl %2; fldl %3; " instruction "; fnstsw %1; fstpt %0"                                           \
                     : "=m"(result), "=m"(status)                                                                      \
                     : "m"(doubles[i % VALUES]), "m"(doubles[i / VALUES]));                                            \
        sum = mix(mix_extended(sum, &result), status & 0x7f);                                                          \
      }                                                                                                                \
    }                                                                                                                  \
    printf("%-22s %08x\n", instruction, sum);                                                                          \
  } while (0)

#define UNARY(instruction)                                                                          \
  do {                                                                                              \
    uint32_t sum = MIX_START;                                                                       \
    for (uint32_t mode = 0; mode < 16; mode++) {                                                    \
      if ((mode >> 2) == 1) continue;                                                               \
      for (uint32_t i = 0; i < VALUES; i++) {                                                       \
        struct extended result;                                                                     \
        uint16_t status;                                                                            \
        set_mode(mode);                                                                             \
        asm volatile("fldl %2; " instruction "; fnstsw %1; fstpt %0"                                 \
                     : "=m"(result), "=m"(status)                                                   \
                     : "m"(doubles[i]));                                                            \
        sum = mix(mix_extended(sum, &result), status & 0x7f);                                       \
      }                                                                                             \
    }                                                                                               \
    printf("%-22s %08x\n", instruction, sum);                                                       \
  } while (0)

/** Conversions on the way out; integers that do not fit become the indefinite one. */
#define STORE(instruction)                                                           \
  do {                                                                                              \
    uint32_t sum = MIX_START;                                                                       \
    for (uint32_t mode = 12; mode < 16; mode++) {                                                   \
      for (uint32_t i = 0; i < VALUES; i++) {                                                       \
        struct extended result = {{0}};                                                             \
        uint16_t status;                                                                            \
        set_mode(mode);                                                                             \
        asm volatile("fldl %2; " instruction " %0; fnstsw %1" : "+m"(result), "=m"(status) : "m"(doubles[i])); \
        sum = mix(mix_extended(sum, &result), status & 0x7f);                                       \
      }                                                                                             \
    }                                                                                               \
    printf("%-22s %08x\n", instruction, sum);                                                       \
  } while (0)

static void comparisons(void) {
  uint32_t sum = MIX_START;
  for (uint32_t i = 0; i < VALUES * VALUES; i++) {
    uint16_t status;
    uint32_t flags;
    set_mode(15);
    asm volatile("fldl %2; fldl %3; fucom; fnstsw %0; fucomip; fstp %%st(0); pushfl; popl %1"
                 : "=m"(status), "=r"(flags)
                 : "m"(doubles[i % VALUES]), "m"(doubles[i / VALUES])
                 : "cc");
    sum = mix(mix(sum, status & 0x477f), flags & (ZF | PF | CF));
  }
  printf("%-22s %08x\n", "fucom fucomip", sum);
}

int main(void) {
  BINARY("faddp");
  BINARY("fsubp");
  BINARY("fsubrp");
  BINARY("fmulp");
  BINARY("fdivp");
  BINARY("fdivrp");
  BINARY("fprem; fstp %%st(1)");
  BINARY("fprem1; fstp %%st(1)");
  BINARY("fscale; fstp %%st(1)");
  UNARY("fsqrt");
  UNARY("frndint");
  UNARY("fabs");
  UNARY("fchs");
  UNARY("fxtract; fstp %%st(1)");
  STORE("fstps");
  STORE("fstpl");
  STORE("fistps");
  STORE("fistpl");
  STORE("fistpll");
  STORE("fbstp");
  comparisons();
  return 0;
}
