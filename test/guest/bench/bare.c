/* bare.c - `compute` as a kernel: its arguments are the last words of the boot loader's command line, from the first that is a number. */
#include "compute.h"

#define HAS_COMMAND_LINE 0x4
#define ARGUMENTS 16

/** As the boot loader gives it. (Multiboot Specification 0.6.96, 3.3) */
struct multiboot_info {
  uint32_t flags, memory[2], boot_device;
  char *command_line;
};
extern const struct multiboot_info *multiboot_info;

int main(void) {
  static char *argv[ARGUMENTS] = {"compute"};
  int argc = 1;
  char *at = multiboot_info->flags & HAS_COMMAND_LINE ? multiboot_info->command_line : "";
  while (*at && argc < ARGUMENTS) {
    while (*at == ' ') at++;
    /* some loaders put the kernel's name in front */
    if (argc > 1 || (*at >= '0' && *at <= '9')) argv[argc++] = at;
    while (*at && *at != ' ') at++;
    if (*at) *at++ = 0;
  }
  return compute(argc, argv);
}
