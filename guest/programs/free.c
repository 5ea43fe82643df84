/* free.c - memory. */
#include "../lib/program.h"

int main(void) {
  struct system_info info;
  get_info(SYS_system_info, 0, &info);
  printf("%u KiB of memory for pages, %u KiB used, %u KiB free\n", info.total_kib, info.total_kib - info.free_kib, info.free_kib);
  return 0;
}
