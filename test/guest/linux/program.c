/* program.c - printing and leaving on Linux. */
#include "program.h"

#include "format.h"
#include "linux.h"

void exit(int status) { linux_exit(status); }

static void put(char c, void *context) {
  (void)context;
  linux_write(1, &c, 1);
}

void printf(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  format(put, 0, text, arguments);
  va_end(arguments);
}
