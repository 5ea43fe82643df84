/* integer.c - the works in general registers: SHA-256, sieve, sort, recursion, bytecode, and copying as LZ unpackers do. */
#include "compute.h"

static uint32_t rotate(uint32_t value, uint32_t by) { return value >> by | value << (32 - by); }

/** The compression function of SHA-256, with round constants from a generator instead of the standard's table. (FIPS 180-4, 6.2.2) */
uint32_t sha256(uint32_t times) {
  static uint32_t state[8], words[64], constants[64];
  uint32_t seed = 0x428a2f98;
  for (int i = 0; i < 64; i++) constants[i] = next_number(&seed);
  while (times--) {
    for (int i = 16; i < 64; i++) {
      uint32_t a = words[i - 15], b = words[i - 2];
      words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    uint32_t v[8];
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
      uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + words[i];
      uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t1, v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
    memcpy(words, state, sizeof state);
  }
  return state[0] ^ state[7];
}

#define SIEVE_BYTES 8192

uint32_t sieve(uint32_t times) {
  static uint8_t composite[SIEVE_BYTES];
  uint32_t primes = 0;
  while (times--) {
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i * i < SIEVE_BYTES; i++)
      if (!composite[i])
        for (uint32_t j = i * i; j < SIEVE_BYTES; j += i) composite[j] = 1;
    for (uint32_t i = 2; i < SIEVE_BYTES; i++) primes += !composite[i];
  }
  return primes;
}

#define NUMBERS 1024

static int ascending(const void *a, const void *b) {
  uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  return (left > right) - (left < right);
}
/* Out of the compiler's sight: it must call what this points to. */
static int (*volatile comparison)(const void *, const void *) = ascending;

static void sift(uint32_t *numbers, uint32_t root, uint32_t count, int (*compare)(const void *, const void *)) {
  for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && compare(&numbers[child], &numbers[child + 1]) < 0) child++;
    if (compare(&numbers[root], &numbers[child]) >= 0) return;
    uint32_t swap = numbers[root];
    numbers[root] = numbers[child], numbers[child] = swap;
  }
}

/** Heapsort, comparing through a function pointer as qsort() does. */
uint32_t sort(uint32_t times) {
  static uint32_t numbers[NUMBERS];
  uint32_t seed = 1, sum = 0;
  int (*compare)(const void *, const void *) = comparison;
  while (times--) {
    for (int i = 0; i < NUMBERS; i++) numbers[i] = next_number(&seed);
    for (uint32_t root = NUMBERS / 2; root--;) sift(numbers, root, NUMBERS, compare);
    for (uint32_t last = NUMBERS; --last;) {
      uint32_t swap = numbers[0];
      numbers[0] = numbers[last], numbers[last] = swap;
      sift(numbers, 0, last, compare);
    }
    for (int i = 0; i < NUMBERS; i += 97) sum = sum * 31 + numbers[i];
  }
  return sum;
}

/** Compiled as written, neither unrolled into itself nor turned into a loop: it is calls that are measured. */
__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls", "no-inline"))) static uint32_t fibonacci(uint32_t n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

uint32_t recursion(uint32_t times) {
  uint32_t sum = 0;
  while (times--) sum += fibonacci(20 + (times & 1));
  return sum;
}

enum { PUSH, ADD, XOR, SHIFT, DUP, DROP, LOOP, STOP };

/** A bytecode machine: every operation jumps through a table to the next one. */
uint32_t dispatch(uint32_t times) {
  static const uint8_t program[] = {PUSH, 1,   DUP, ADD, PUSH, 77, XOR,  DUP, SHIFT, 3, ADD,  PUSH, 5,
                                    DUP,  ADD, XOR, DUP, DROP, DUP, SHIFT, 1, XOR,   DUP, DROP, ADD,  LOOP};
  static const void *const labels[] = {&&push, &&add, &&exclusive, &&shift, &&dup, &&drop, &&loop, &&stop};
  uint32_t stack[8] = {1, 2}, *top = stack + 1, left = 40;
  const uint8_t *at = program;
#define NEXT goto *labels[*at++]
  NEXT;
push:
  *++top = *at++;
  NEXT;
add:
  top[-1] += *top, top--;
  NEXT;
exclusive:
  top[-1] ^= *top, top--;
  NEXT;
shift:
  *top = rotate(*top, *at++);
  NEXT;
dup:
  top[1] = *top, top++;
  NEXT;
drop:
  top--;
  NEXT;
loop:
  stack[1] = *top + stack[0], top = stack + 1, at = program;
  if (--left) NEXT;
  left = 40;
  if (--times) NEXT;
  goto *labels[STOP];
stop:
  return *top;
#undef NEXT
}

#define TEXT_BYTES 16384
#define WINDOW 1024

/** What an LZ unpacker does: bytes as they are, and copies of earlier bytes that may overlap what they make. */
uint32_t copy(uint32_t times) {
  static uint8_t text[TEXT_BYTES];
  uint32_t seed = 1, sum = 0;
  while (times--) {
    uint8_t *out = text, *end = text + TEXT_BYTES;
    while (out < text + WINDOW) *out++ = (uint8_t)(next_number(&seed) >> 24);
    while (out < end) {
      uint32_t token = next_number(&seed) >> 8, bytes = 3 + (token & 31);
      if (bytes > (uint32_t)(end - out)) bytes = (uint32_t)(end - out);
      const uint8_t *from = out - 1 - (token >> 5 & (WINDOW - 1));
      while (bytes--) *out++ = *from++;
      if (out < end) *out++ = (uint8_t)token;
    }
    for (int i = 0; i < TEXT_BYTES; i += 61) sum = sum * 31 + text[i];
  }
  return sum;
}
