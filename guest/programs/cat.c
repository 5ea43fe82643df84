/* cat.c - prints files, or what is typed until Ctrl-D. */
#include "../lib/program.h"

static int copy(int fd) {
  char buffer[512];
  int length;
  while ((length = read(fd, buffer, sizeof buffer)) > 0) write(1, buffer, (uint32_t)length);
  return length < 0;
}

int main(int argc, char *argv[]) {
  int failed = argc == 1 ? copy(0) : 0;
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i]);
    if (fd < 0) {
      printf("cat: %s: no such file\n", argv[i]);
      failed = 1;
      continue;
    }
    failed |= copy(fd);
    close(fd);
  }
  return failed;
}
