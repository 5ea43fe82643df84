/* sleep.c - waits for some milliseconds. */
#include "../lib/program.h"

int main(int argc, char *argv[]) {
  if (argc != 2) {
    printf("usage: sleep MILLISECONDS\n");
    return 1;
  }
  sleep_ms(parse_number(argv[1], 10));
  return 0;
}
