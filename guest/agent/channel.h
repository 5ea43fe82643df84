/* channel.h - frames to and from the host over a descriptor pair that never blocks. Read before: protocol.h. */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include "protocol.h"

/* Room that frames without data always find, because nothing is begun while there is less: more than one frame or one command's turn can cause. */
#define RESERVE_BYTES 4096u

/** Opens the virtio port named EXEC_PORT, waiting a while for the driver to make it. False, after a word on standard error, if it does not. */
bool channel_open_port(void);
/** Uses standard input and output, and puts /dev/null in their place. */
void channel_use_standard(void);

/** What to wait for: the descriptors, and the events of interest. */
int channel_input_fd(void);
int channel_output_fd(void);
bool channel_wants_output(void);

/** Whether there is room to answer: before anything is begun that says something. */
bool channel_has_reserve(void);

enum channel_state { CHANNEL_UP, CHANNEL_NOBODY, CHANNEL_ENDED };
/** Reads what has come. CHANNEL_NOBODY: the host's side of the port is not open. CHANNEL_ENDED: it never will be again. */
enum channel_state channel_fill(void);
/** Next complete frame, or null. Its payload stays valid until the next channel_fill(). */
const struct frame_header *channel_next(void);
/** Sends what the host takes now. */
void channel_flush(void);

/** Appends a frame whose payload is up to two numbers. */
void channel_send(uint32_t command, enum frame_type type, uint32_t numbers, uint32_t first, uint32_t second);
/** Bytes of data that a frame could carry now, beyond the reserve. */
uint32_t channel_room(void);
/** Where such a frame's data belongs, before channel_send_data(). */
char *channel_data(void);
/** Appends a frame of `bytes` bytes that lie at channel_data() already. */
void channel_send_data(uint32_t command, enum frame_type type, uint32_t bytes);

/** A line on standard error, from parts; null ends them. */
void say(const char *const parts[]);

#endif
