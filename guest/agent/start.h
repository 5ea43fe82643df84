/* start.h - making a process of a request. Read before: protocol.h. Read after: start.c. */
#ifndef AGENT_START_H
#define AGENT_START_H

#include "protocol.h"

/** What a start gives: a process that will write struct start_failure to `status_fd`, or nothing if it has become the program. */
struct started {
  int pid;
  int status_fd;
  int input_fd;      /* to write to, -1 without */
  int output_fds[2]; /* to read from; of a terminal only the first */
};

struct start_failure {
  uint32_t error, step;
};

/** Returns 0, or the error number; then there is no process and no descriptor. */
int start(const struct frame_header *frame, struct started *started);

#endif
