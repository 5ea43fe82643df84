/* strings.c - the string instructions, both directions, all sizes, with and without REP, overlapping and empty. */
#include "torture.h"

static uint8_t area[512];

static uint32_t checksum(void) {
  uint32_t sum = MIX_START;
  for (uint32_t i = 0; i < sizeof area; i++) sum = (sum ^ area[i]) * 16777619u;
  return sum;
}

static void fill(void) {
  for (uint32_t i = 0; i < sizeof area; i++) area[i] = (uint8_t)next_random();
}

/** Prints where the registers have moved to and what memory is. */
#define STRING(instruction, from, to, count, value)                                                            \
  do {                                                                                                         \
    uint8_t *source = area + (from), *destination = area + (to);                                               \
    uint32_t left = (count), a = (value), flags;                                                               \
    fill();                                                                                                    \
    asm volatile(instruction "; cld; pushfl; popl %4"                                                          \
                 : "+S"(source), "+D"(destination), "+c"(left), "+a"(a), "=d"(flags)                           \
                 :                                                                                             \
                 : "cc", "memory");                                                                            \
    printf("%-22s %d %d %d %08x %03x %08x\n", instruction, (int)(source - area), (int)(destination - area), (int)left, a, \
           flags & ALL_FLAGS, checksum());                                                                     \
  } while (0)

int main(void) {
  STRING("cmpl %3, %3; rep movsb", 0, 100, 77, 0);
  STRING("cmpl %3, %3; rep movsw", 3, 100, 33, 0);
  STRING("cmpl %3, %3; rep movsl", 1, 258, 50, 0);
  STRING("cmpl %3, %3; rep movsb", 10, 11, 100, 0);
  STRING("cmpl %3, %3; rep movsl", 10, 12, 60, 0);
  STRING("cmpl %3, %3; rep movsb", 11, 10, 100, 0);
  STRING("cmpl %3, %3; std; rep movsb", 200, 210, 100, 0);
  STRING("cmpl %3, %3; std; rep movsl", 400, 300, 40, 0);
  STRING("cmpl %3, %3; rep movsb", 10, 20, 0, 0);
  STRING("cmpl %3, %3; movsb", 10, 20, 5, 0);
  STRING("cmpl %3, %3; std; movsw", 10, 20, 5, 0);
  STRING("cmpl %3, %3; rep stosb", 0, 33, 99, 0x12345678);
  STRING("cmpl %3, %3; rep stosw", 0, 33, 99, 0x12345678);
  STRING("cmpl %3, %3; rep stosl", 0, 33, 99, 0x12345678);
  STRING("cmpl %3, %3; std; rep stosl", 0, 400, 50, 0x12345678);
  STRING("cmpl %3, %3; rep lodsb", 5, 0, 20, 0);
  STRING("cmpl %3, %3; rep lodsl", 5, 0, 20, 0);
  STRING("cmpl %3, %3; lodsw", 5, 0, 20, 0xffffffff);
  STRING("cmpl %3, %3; repne scasb", 0, 0, 512, 0x42);
  STRING("cmpl %3, %3; repe scasb", 0, 0, 512, 0x42);
  STRING("cmpl %3, %3; repne scasl", 0, 1, 100, 0x42);
  STRING("cmpl %3, %3; std; repne scasb", 0, 511, 512, 0x99);
  STRING("cmpl %3, %3; repne scasb", 0, 0, 0, 0x42);
  STRING("cmpl %3, %3; repe cmpsb", 0, 0, 512, 0);
  STRING("cmpl %3, %3; repe cmpsb", 0, 1, 500, 0);
  STRING("cmpl %3, %3; repne cmpsw", 0, 100, 200, 0);
  STRING("cmpl %3, %3; std; repe cmpsl", 400, 400, 90, 0);
  return 0;
}
