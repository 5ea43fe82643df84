/* uptime.c - how long the kernel has been running. */
#include "../lib/program.h"

int main(void) {
  uint32_t ms, seconds = (uint32_t)divide(quotient(now_ns(), 1000000), 1000, &ms);
  printf("up %u:%02u:%02u.%03u\n", seconds / 3600, seconds / 60 % 60, seconds % 60, ms);
  return 0;
}
