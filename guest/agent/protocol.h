/*
 * protocol.h - what the agent and Romulus say to each other over a byte channel. The same numbers stand in src/machine/exec/protocol.ts; a test
 * holds the two files against each other.
 *
 * A frame is a header and up to PAYLOAD_BYTES_MAX bytes, all numbers little-endian:
 *
 *     0 command, 32 bits: number that the host gave the command; 0 where there is none
 *     4 type, 16 bits
 *     6 payload bytes, 16 bits
 *
 * Flow control is by room: a sender of data may send as many bytes as the receiver has said that it has room for, at first a window that both
 * know, then more by ROOM frames. So one slow reader fills its own window and nobody else waits.
 */
#ifndef AGENT_PROTOCOL_H
#define AGENT_PROTOCOL_H

#include <stdint.h>

/* Port of the guest's virtio console that the agent looks for. */
#define EXEC_PORT "romulus.exec.0"

enum {
  PROTOCOL_VERSION = 1,
  HEADER_BYTES = 8,
  PAYLOAD_BYTES_MAX = 65535,
  INPUT_WINDOW_BYTES = 65536,
  OUTPUT_WINDOW_BYTES = 262144,
};

enum frame_type {
  FRAME_HELLO = 1,    /* both ways: u32 version; from the agent also u32 its pid. The agent says it at its start, and answers the host's */
  FRAME_START = 2,    /* to the agent: struct start_request, then texts that end with NUL: folder ("" is /), arguments, environment */
  FRAME_INPUT = 3,    /* to the agent: bytes for standard input; no bytes: the end */
  FRAME_ROOM = 4,     /* both ways: u32 stream (0 input, 1 output, 2 errors), u32 bytes that may be sent in addition */
  FRAME_SIGNAL = 5,   /* to the agent: u32 signal, for the command's process group */
  FRAME_RESIZE = 6,   /* to the agent: u32 rows, u32 columns of the command's terminal */
  FRAME_POWER = 7,    /* to the agent: u32 0 power off, 1 restart */
  FRAME_STARTED = 16, /* from the agent: u32 pid; the command's program runs */
  FRAME_FAILED = 17,  /* from the agent: u32 error number, u32 enum start_step; the command did not start and is over */
  FRAME_OUTPUT = 18,  /* from the agent: bytes of standard output; no bytes: the end */
  FRAME_ERRORS = 19,  /* from the agent: the same for standard error */
  FRAME_INPUT_CLOSED = 20, /* from the agent: nobody reads the command's standard input any more */
  FRAME_EXITED = 21,  /* from the agent: u32 exit status, u32 signal that ended it or 0; after all that the command itself had written */
};

enum start_flag { START_INPUT = 1, START_TERMINAL = 2 };

/* Where a start failed. */
enum start_step { STEP_REQUEST, STEP_RESOURCES, STEP_FOLDER, STEP_PROGRAM };

struct start_request {
  uint32_t flags, rows, columns, arguments, variables;
} __attribute__((packed));

struct frame_header {
  uint32_t command;
  uint16_t type, payload_bytes;
} __attribute__((packed));

#endif
