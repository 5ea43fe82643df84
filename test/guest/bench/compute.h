/*
 * compute.h - the works that are timed natively and in the guest. Each runs `times` rounds and returns a checksum over its results, so that a
 * fast wrong answer is seen. Read before: compute.c. Read after: integer.c, matrix.h.
 */
#ifndef COMPUTE_H
#define COMPUTE_H

#include "program.h"

uint32_t sha256(uint32_t times);
uint32_t sieve(uint32_t times);
uint32_t sort(uint32_t times);
uint32_t recursion(uint32_t times);
uint32_t dispatch(uint32_t times);
uint32_t copy(uint32_t times);
uint32_t matrix_x87(uint32_t times);
uint32_t matrix_sse2(uint32_t times);
uint32_t mandelbrot(uint32_t times);

int compute(int argc, char *argv[]);

static inline uint32_t next_number(uint32_t *seed) {
  *seed = *seed * 1664525 + 1013904223;
  return *seed;
}

#endif
