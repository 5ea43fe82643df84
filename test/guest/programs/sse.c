/*
 * sse.c - SSE and SSE2 arithmetic and conversions, lane by lane, under every rounding mode, with the flags in MXCSR. RCPPS and RSQRTPS, which
 * are approximations of each model's own, are left out. Values are bytes here; the arithmetic is all in assembly.
 */
#include "torture.h"

struct vector {
  uint32_t lanes[4];
} __attribute__((aligned(16)));

static const uint32_t singles[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x40400000, 0x3eaaaaab, 0x7f7fffff, 0x00800000,
                                   0x00000001, 0x7f800000, 0xff800000, 0x7fc00000, 0x4effffff, 0xcf000000, 0x3f000000, 0x4b000001};
static const uint32_t doubles_high[] = {0,          0x80000000, 0x3ff00000, 0xbff00000, 0x40080000, 0x3fd55555, 0x7fefffff, 0x00100000,
                                        0x00000000, 0x7ff00000, 0xfff00000, 0x7ff80000, 0x41dfffff, 0xc1e00000, 0x3fe00000, 0x43300000};

#define PICKS 64

static void pick(struct vector *vector, bool is_double) {
  for (int i = 0; i < 4; i++) {
    uint32_t choice = next_random();
    if (choice % 5 == 0) vector->lanes[i] = next_random();
    else if (!is_double) vector->lanes[i] = singles[(choice >> 8) % 16];
    else vector->lanes[i] = i & 1 ? doubles_high[(choice >> 8) % 16] : (choice & 0x10000 ? 0 : next_value());
  }
}

/** An instruction on xmm0 and xmm1; result and exception flags go into the sum. */
#define TORTURE_XMM(instruction, is_double)                                                                   \
  do {                                                                                                        \
    uint32_t sum = MIX_START;                                                                                 \
    for (uint32_t rounding = 0; rounding < 4; rounding++) {                                                   \
      for (int i = 0; i < PICKS; i++) {                                                                       \
        struct vector a, b;                                                                                   \
        uint32_t control = 0x1f80 | rounding << 13, status;                                                   \
        pick(&a, is_double);                                                                                  \
        pick(&b, is_double);                                                                                  \
        asm volatile("ldmxcsr %2; movaps %0, %%xmm0; movaps %3, %%xmm1; " instruction "; movaps %%xmm0, %0; stmxcsr %1" \
                     : "+m"(a), "=m"(status)                                                                  \
                     : "m"(control), "m"(b));                                                                 \
        for (int lane = 0; lane < 4; lane++) sum = mix(sum, a.lanes[lane]);                                   \
        sum = mix(sum, status & 0x3f);                                                                        \
      }                                                                                                       \
    }                                                                                                         \
    printf("%-28s %08x\n", instruction, sum);                                                                 \
  } while (0)

int main(void) {
  TORTURE_XMM("addps %%xmm1, %%xmm0", false);
  TORTURE_XMM("subps %%xmm1, %%xmm0", false);
  TORTURE_XMM("mulps %%xmm1, %%xmm0", false);
  TORTURE_XMM("divps %%xmm1, %%xmm0", false);
  TORTURE_XMM("minps %%xmm1, %%xmm0", false);
  TORTURE_XMM("maxss %%xmm1, %%xmm0", false);
  TORTURE_XMM("sqrtps %%xmm1, %%xmm0", false);
  TORTURE_XMM("cmpleps %%xmm1, %%xmm0", false);
  TORTURE_XMM("cmpunordss %%xmm1, %%xmm0", false);
  TORTURE_XMM("andnps %%xmm1, %%xmm0", false);
  TORTURE_XMM("shufps $0x1b, %%xmm1, %%xmm0", false);
  TORTURE_XMM("unpcklps %%xmm1, %%xmm0", false);
  TORTURE_XMM("addpd %%xmm1, %%xmm0", true);
  TORTURE_XMM("subsd %%xmm1, %%xmm0", true);
  TORTURE_XMM("mulpd %%xmm1, %%xmm0", true);
  TORTURE_XMM("divpd %%xmm1, %%xmm0", true);
  TORTURE_XMM("sqrtpd %%xmm1, %%xmm0", true);
  TORTURE_XMM("cmpltpd %%xmm1, %%xmm0", true);
  TORTURE_XMM("cvtps2pd %%xmm1, %%xmm0", false);
  TORTURE_XMM("cvtpd2ps %%xmm1, %%xmm0", true);
  TORTURE_XMM("cvtps2dq %%xmm1, %%xmm0", false);
  TORTURE_XMM("cvttps2dq %%xmm1, %%xmm0", false);
  TORTURE_XMM("cvtdq2ps %%xmm1, %%xmm0", false);
  TORTURE_XMM("cvtpd2dq %%xmm1, %%xmm0", true);
  TORTURE_XMM("cvttpd2dq %%xmm1, %%xmm0", true);
  TORTURE_XMM("cvtdq2pd %%xmm1, %%xmm0", false);
  TORTURE_XMM("paddd %%xmm1, %%xmm0", false);
  TORTURE_XMM("paddsw %%xmm1, %%xmm0", false);
  TORTURE_XMM("psubusb %%xmm1, %%xmm0", false);
  TORTURE_XMM("pmulhw %%xmm1, %%xmm0", false);
  TORTURE_XMM("pmaddwd %%xmm1, %%xmm0", false);
  TORTURE_XMM("pmuludq %%xmm1, %%xmm0", false);
  TORTURE_XMM("psadbw %%xmm1, %%xmm0", false);
  TORTURE_XMM("pavgb %%xmm1, %%xmm0", false);
  TORTURE_XMM("packssdw %%xmm1, %%xmm0", false);
  TORTURE_XMM("punpckhbw %%xmm1, %%xmm0", false);
  TORTURE_XMM("pcmpgtd %%xmm1, %%xmm0", false);
  TORTURE_XMM("pshufd $0x4e, %%xmm1, %%xmm0", false);
  TORTURE_XMM("psllq $13, %%xmm0", false);
  TORTURE_XMM("psrad $5, %%xmm0", false);
  TORTURE_XMM("psrldq $3, %%xmm0", false);
  return 0;
}
