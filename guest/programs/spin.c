/* spin.c - keeps the CPU busy, for ever or for some seconds; shows that the kernel takes the CPU away. */
#include "../lib/program.h"

int main(int argc, char *argv[]) {
  uint64_t end = now_ns() + (uint64_t)(argc > 1 ? parse_number(argv[1], 10) : 0) * 1000000000;
  for (volatile uint32_t count = 0;; count++)
    if (argc > 1 && count % 65536 == 0 && now_ns() >= end) return 0;
}
