/* ls.c - the files of the initrd, with sizes. */
#include "../lib/program.h"

int main(void) {
  struct file_info file;
  for (uint32_t i = 0; get_info(SYS_file_info, i, &file) >= 0; i++) printf("%8u  %s\n", file.bytes, file.name);
  return 0;
}
