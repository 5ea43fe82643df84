/* program.c - the part of the programs' library that is not in line. */
#include "program.h"

#include "format.h"

void exit(int status) {
  system_call(SYS_exit, (uint32_t)status, 0, 0);
  __builtin_unreachable();
}

/** Collects the text, so that a line is one system call. */
struct output {
  char text[128];
  uint32_t length;
};

static void flush(struct output *output) {
  write(1, output->text, output->length);
  output->length = 0;
}

static void put(char c, void *context) {
  struct output *output = context;
  output->text[output->length++] = c;
  if (output->length == sizeof output->text) flush(output);
}

void printf(const char *text, ...) {
  struct output output = {.length = 0};
  va_list arguments;
  va_start(arguments, text);
  format(put, &output, text, arguments);
  va_end(arguments);
  flush(&output);
}
