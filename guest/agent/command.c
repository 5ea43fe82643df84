/*
 * command.c - the table of commands, and the bytes that go between their descriptors and the channel, each direction within the room that
 * its receiver has told. Read before: command.h, start.c. Read after: agent.c.
 */
#include "command.h"

#include "../lib/string.h"
#include "channel.h"
#include "start.h"

#define TIOCSWINSZ 0x5414u
/* Ctrl-D: what a terminal takes for the end of input. */
#define END_KEY "\4"
/* Room is told anew when this much has been taken: seldom, and before the sender has to wait. */
#define ROOM_STEP_BYTES (INPUT_WINDOW_BYTES / 2)

/** Standard input on its way to the process: a ring, of which `taken` and `put` count all bytes that ever left and came. */
struct input {
  int fd; /* -1: there is none, or nobody reads it */
  uint32_t put, taken, told;
  bool ended;
  char bytes[INPUT_WINDOW_BYTES];
};

struct output {
  int fd; /* -1 after the end */
  uint32_t room;
  /* The process has ended, and what it had written is sent. */
  bool drained;
};

struct command {
  uint32_t id;
  int pid; /* 0: this place is free */
  int status_fd;
  bool terminal, ended, told;
  int wait_status;
  struct input input;
  struct output outputs[2];
};

static struct command commands[COMMANDS];

static struct command *find(uint32_t id) {
  for (struct command *command = commands; command < commands + COMMANDS; command++)
    if (command->pid && command->id == id) return command;
  return 0;
}

static struct command *find_free(void) {
  for (struct command *command = commands; command < commands + COMMANDS; command++)
    if (!command->pid) return command;
  return 0;
}

void command_start(const struct frame_header *frame) {
  struct command *command = find_free();
  struct started started;
  int error = !command ? E_AGAIN : find(frame->command) ? E_INVAL : start(frame, &started);
  if (error) {
    channel_send(frame->command, FRAME_FAILED, 2, (uint32_t)error, error == E_INVAL ? STEP_REQUEST : STEP_RESOURCES);
    return;
  }
  command->id = frame->command;
  command->pid = started.pid;
  command->status_fd = started.status_fd;
  command->terminal = started.output_fds[1] < 0;
  command->ended = command->told = false;
  command->input.fd = started.input_fd;
  command->input.put = command->input.taken = command->input.told = 0;
  command->input.ended = false;
  for (int i = 0; i < 2; i++) command->outputs[i] = (struct output){started.output_fds[i], OUTPUT_WINDOW_BYTES, started.output_fds[i] < 0};
  if (command->terminal) channel_send(command->id, FRAME_ERRORS, 0, 0, 0); /* both outputs are one */
}

static void close_fd(int *fd) {
  if (*fd >= 0) linux_close(*fd);
  *fd = -1;
}

/** Takes bytes for standard input. The host keeps to the room it was told; what exceeds it is the host's error and is dropped. */
static void take_input(struct input *input, const char *bytes, uint32_t count) {
  if (count == 0) input->ended = true;
  if (input->fd < 0 || count > INPUT_WINDOW_BYTES - (input->put - input->taken)) return;
  for (uint32_t i = 0; i < count; i++) input->bytes[input->put++ % INPUT_WINDOW_BYTES] = bytes[i];
}

void command_frame(const struct frame_header *frame) {
  struct command *command = find(frame->command);
  uint32_t numbers[2] = {0, 0};
  if (!command) return;
  memcpy(numbers, frame + 1, frame->payload_bytes < sizeof numbers ? frame->payload_bytes : sizeof numbers);
  switch (frame->type) {
    case FRAME_INPUT: take_input(&command->input, (const char *)(frame + 1), frame->payload_bytes); break;
    case FRAME_ROOM:
      if (numbers[0] == 1 || numbers[0] == 2) command->outputs[numbers[0] - 1].room += numbers[1];
      break;
    case FRAME_SIGNAL:
      /* The process leads its group; once it is collected its number may be somebody else's, its group's not while members live. */
      linux_kill(-command->pid, (int)numbers[0]);
      break;
    case FRAME_RESIZE:
      if (command->terminal && command->outputs[0].fd >= 0)
        linux_ioctl(command->outputs[0].fd, TIOCSWINSZ, (uint16_t[4]){(uint16_t)numbers[0], (uint16_t)numbers[1], 0, 0});
      break;
    default: say((const char *const[]){"a frame of no known type", 0});
  }
}

static struct pollfd wanted(int fd, bool wants, int16_t events) { return (struct pollfd){wants ? fd : -1, events, 0}; }

uint32_t commands_poll(struct pollfd polls[COMMANDS * POLLS]) {
  uint32_t count = 0;
  bool room = channel_room() > 0;
  for (struct command *command = commands; command < commands + COMMANDS; command++) {
    if (!command->pid) continue;
    polls[count + POLL_STATUS] = wanted(command->status_fd, true, POLLIN);
    /* Even with nothing to write: that nobody reads any more shows as POLLERR. */
    bool has_input = command->input.put != command->input.taken || command->input.ended;
    polls[count + POLL_INPUT] = wanted(command->input.fd, !command->terminal || has_input, has_input ? POLLOUT : 0);
    for (int i = 0; i < 2; i++) {
      const struct output *output = &command->outputs[i];
      polls[count + POLL_OUTPUT + i] = wanted(output->fd, room && output->room > 0, POLLIN);
    }
    count += POLLS;
  }
  return count;
}

void commands_reap(void) {
  int pid, status;
  while ((pid = linux_wait(-1, &status, WNOHANG)) > 0) {
    for (struct command *command = commands; command < commands + COMMANDS; command++) {
      if (command->pid != pid || command->ended) continue;
      command->ended = true;
      command->wait_status = status;
    }
  }
}

/** The end of the pipe is the program running; bytes in it are why it does not. */
static void serve_status(struct command *command) {
  struct pollfd poll = {command->status_fd, POLLIN, 0};
  struct start_failure failure;
  if (command->status_fd < 0 || linux_ppoll(&poll, 1, &(struct timespec){0, 0}, 0) != 1) return;
  int bytes = linux_read(command->status_fd, &failure, sizeof failure);
  close_fd(&command->status_fd);
  if (bytes != sizeof failure) {
    channel_send(command->id, FRAME_STARTED, 1, (uint32_t)command->pid, 0);
    return;
  }
  channel_send(command->id, FRAME_FAILED, 2, failure.error, failure.step);
  close_fd(&command->input.fd);
  for (int i = 0; i < 2; i++) close_fd(&command->outputs[i].fd);
  command->pid = 0;
}

static void serve_input(struct command *command) {
  struct input *input = &command->input;
  struct pollfd poll = {input->fd, 0, 0};
  if (input->fd < 0) return;
  while (input->put != input->taken) {
    uint32_t at = input->taken % INPUT_WINDOW_BYTES, waiting = input->put - input->taken;
    uint32_t whole = waiting < INPUT_WINDOW_BYTES - at ? waiting : INPUT_WINDOW_BYTES - at;
    int bytes = linux_write(input->fd, input->bytes + at, whole);
    if (bytes <= 0) break;
    input->taken += (uint32_t)bytes;
  }
  if (!command->terminal && linux_ppoll(&poll, 1, &(struct timespec){0, 0}, 0) == 1 && poll.revents & POLLERR) {
    close_fd(&input->fd);
    channel_send(command->id, FRAME_INPUT_CLOSED, 0, 0, 0);
    return;
  }
  if (input->taken - input->told >= ROOM_STEP_BYTES) {
    channel_send(command->id, FRAME_ROOM, 2, 0, input->taken - input->told);
    input->told = input->taken;
  }
  if (input->ended && input->put == input->taken) {
    if (command->terminal) linux_write(input->fd, END_KEY, 1);
    close_fd(&input->fd);
  }
}

static void serve_output(struct command *command, int stream) {
  struct output *output = &command->outputs[stream];
  enum frame_type type = stream ? FRAME_ERRORS : FRAME_OUTPUT;
  uint32_t most = channel_room();
  if (most > output->room) most = output->room;
  if (output->fd < 0 || most == 0) return;
  int bytes = linux_read(output->fd, channel_data(), most);
  if (bytes > 0) {
    channel_send_data(command->id, type, (uint32_t)bytes);
    output->room -= (uint32_t)bytes;
  } else if (bytes == -E_AGAIN) {
    /* A terminal may have bytes under way, but hangs up when the process that leads its session has gone: then comes its end. */
    if (command->ended && !command->terminal) output->drained = true;
  } else if (bytes != -E_INTR) {
    /* 0, or of a terminal that nobody holds EIO. */
    close_fd(&output->fd);
    output->drained = true;
    channel_send(command->id, type, 0, 0, 0);
  }
}

static void tell_end(struct command *command) {
  if (command->told || !command->ended || command->status_fd >= 0) return;
  if (!command->outputs[0].drained || !command->outputs[1].drained) return;
  uint32_t signal = (uint32_t)command->wait_status & 0x7F;
  channel_send(command->id, FRAME_EXITED, 2, signal ? 0 : (uint32_t)command->wait_status >> 8 & 0xFF, signal);
  command->told = true;
}

void commands_serve(void) {
  for (struct command *command = commands; command < commands + COMMANDS && channel_has_reserve(); command++) {
    if (command->pid) serve_status(command);
    if (!command->pid) continue;
    serve_input(command);
    for (int stream = 0; stream < 2; stream++) serve_output(command, stream);
    tell_end(command);
    if (!command->told || command->outputs[0].fd >= 0 || command->outputs[1].fd >= 0) continue;
    close_fd(&command->input.fd);
    command->pid = 0;
  }
}

void commands_hang_up(void) {
  for (struct command *command = commands; command < commands + COMMANDS; command++)
    if (command->pid) linux_kill(-command->pid, SIGHUP);
}
