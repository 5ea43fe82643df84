/* command.h - the commands that run: their processes and what stands between their descriptors and the channel. Read before: channel.h. */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include "../lib/linux.h"
#include "protocol.h"

/* Of each command, as commands_poll() fills them in. */
enum { POLL_STATUS, POLL_INPUT, POLL_OUTPUT, POLL_ERRORS, POLLS };

#define COMMANDS 64

/** Starts what a FRAME_START asks for. */
void command_start(const struct frame_header *frame);
/** Hands any other frame to its command; frames for commands that are over are dropped, as the host cannot know it yet. */
void command_frame(const struct frame_header *frame);

/** Fills in what to wait for; returns how many. */
uint32_t commands_poll(struct pollfd polls[COMMANDS * POLLS]);
/** Collects processes that have ended. */
void commands_reap(void);
/** Moves bytes wherever some can be moved. */
void commands_serve(void);
/** The host has gone for good. */
void commands_hang_up(void);

#endif
