/* string.c - memory and string functions for kernel and programs. The block operations are the CPU's own string instructions. */
#include "string.h"

void *memcpy(void *to, const void *from, size_t bytes) {
  void *start = to;
  size_t words = bytes / 4;
  asm volatile("rep movsl; movl %k[rest], %%ecx; rep movsb"
               : "+&D"(to), "+&S"(from), "+&c"(words)
               : [rest] "r"(bytes % 4)
               : "memory");
  return start;
}

void *memset(void *to, int value, size_t bytes) {
  void *start = to;
  size_t words = bytes / 4;
  asm volatile("rep stosl; movl %k[rest], %%ecx; rep stosb"
               : "+&D"(to), "+&c"(words)
               : "a"((value & 0xFF) * 0x01010101u), [rest] "r"(bytes % 4)
               : "memory");
  return start;
}

int memcmp(const void *a, const void *b, size_t bytes) {
  const unsigned char *x = a, *y = b;
  for (; bytes; bytes--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

size_t strlen(const char *text) {
  const char *end = text;
  while (*end) end++;
  return (size_t)(end - text);
}

int strcmp(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t most) {
  for (; most && *a && *a == *b; most--) a++, b++;
  return most ? (unsigned char)*a - (unsigned char)*b : 0;
}

char *strchr(const char *text, int c) {
  for (; *text; text++)
    if (*text == c) return (char *)text;
  return 0;
}

void copy_text(char *to, const char *from, size_t bytes) {
  while (bytes > 1 && *from) *to++ = *from++, bytes--;
  *to = 0;
}

unsigned parse_number(const char *text, unsigned base) {
  unsigned value = 0;
  for (;; text++) {
    unsigned digit = base;
    if (*text >= '0' && *text <= '9') digit = (unsigned)(*text - '0');
    if (*text >= 'a' && *text <= 'f') digit = (unsigned)(*text - 'a' + 10);
    if (digit >= base) return value;
    value = value * base + digit;
  }
}
