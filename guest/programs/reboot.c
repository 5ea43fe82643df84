/* reboot.c - resets the machine. */
#include "../lib/program.h"

int main(void) {
  power(POWER_REBOOT, 0);
  return 1;
}
