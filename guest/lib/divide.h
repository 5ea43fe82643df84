/*
 * divide.h - 64-bit by 32-bit division. The compiler would call libgcc for it, and a 32-bit libgcc is not installed everywhere.
 */
#ifndef LIB_DIVIDE_H
#define LIB_DIVIDE_H

#include <stdint.h>

/** Quotient; the remainder goes to `*rest`. Long division in two steps, each within the range of DIV. */
static inline uint64_t divide(uint64_t value, uint32_t by, uint32_t *rest) {
  uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value, quotient_low, remainder;
  uint32_t quotient_high = high / by;
  asm("divl %[by]" : "=a"(quotient_low), "=d"(remainder) : "a"(low), "d"(high % by), [by] "rm"(by) : "cc");
  *rest = remainder;
  return (uint64_t)quotient_high << 32 | quotient_low;
}

static inline uint64_t quotient(uint64_t value, uint32_t by) {
  uint32_t rest;
  return divide(value, by, &rest);
}

#endif
