/* halt.c - ends the machine, with an exit status if one is given. */
#include "../lib/program.h"

int main(int argc, char *argv[]) {
  power(POWER_OFF, argc > 1 ? (int)parse_number(argv[1], 10) : 0);
  return 1;
}
