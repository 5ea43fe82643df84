/*
 * agent.c - runs commands for Romulus inside a Linux guest: a small static program, started by the guest's init as `romulus-agent`.
 *
 *     romulus-agent            serves the virtio port EXEC_PORT
 *     romulus-agent standard   serves its standard input and output, and ends when they do: for tests, or over any other line
 *
 * One thread waits for everything at once: the channel, the processes' descriptors, and SIGCHLD, which only gets through while it waits.
 * Read before: protocol.h. Read after: channel.c, start.c, command.c.
 */
#include "../lib/linux.h"
#include "../lib/string.h"
#include "channel.h"
#include "command.h"

#define CHANNEL_POLLS 2
/* How often to see whether the host has opened its side of the port. */
#define NOBODY_WAIT_NS 50000000

/* The handler has nothing to do: that the wait was interrupted is the message. */
static void child_ended(int signal) { (void)signal; }

static void set_up_signals(void) {
  signal_set child = SIGNAL_BIT(SIGCHLD);
  linux_sigprocmask(SIG_SETMASK, &child);
  linux_sigaction(SIGCHLD, &(struct kernel_sigaction){child_ended, SA_SIGINFO | SA_RESTORER, return_from_signal, 0});
  linux_sigaction(SIGPIPE, &(struct kernel_sigaction){.handler = SIG_IGN});
}

static void hello(void) { channel_send(0, FRAME_HELLO, 2, PROTOCOL_VERSION, (uint32_t)linux_call(SYS_getpid, 0, 0, 0, 0, 0)); }

static void end_machine(uint32_t restart) {
  linux_call(SYS_sync, 0, 0, 0, 0, 0);
  linux_call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, restart ? LINUX_REBOOT_CMD_RESTART : LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
  say((const char *const[]){"the kernel refuses to end the machine", 0});
}

static void serve_frames(void) {
  const struct frame_header *frame;
  while (channel_has_reserve() && (frame = channel_next())) {
    switch (frame->type) {
      case FRAME_HELLO: hello(); break;
      case FRAME_START: command_start(frame); break;
      case FRAME_POWER: end_machine(frame->payload_bytes >= 4 && *(const uint32_t *)(frame + 1)); break;
      default: command_frame(frame);
    }
  }
}

/** Waits until something can be done; false when the host has hung up for now. */
static bool wait(void) {
  static struct pollfd polls[CHANNEL_POLLS + COMMANDS * POLLS];
  static const signal_set nothing_blocked = 0;
  polls[0] = (struct pollfd){channel_input_fd(), channel_has_reserve() ? POLLIN : 0, 0};
  polls[1] = (struct pollfd){channel_wants_output() ? channel_output_fd() : -1, POLLOUT, 0};
  uint32_t count = CHANNEL_POLLS + commands_poll(polls + CHANNEL_POLLS);
  int ready = linux_ppoll(polls, count, 0, &nothing_blocked);
  return ready <= 0 || !(polls[0].revents & POLLHUP) || polls[0].revents & POLLIN;
}

static void wait_for_host(void) {
  static const signal_set nothing_blocked = 0;
  linux_ppoll(0, 0, &(struct timespec){0, NOBODY_WAIT_NS}, &nothing_blocked);
}

int main(int argc, char *argv[]) {
  if (argc > 1 && !strcmp(argv[1], "standard")) {
    channel_use_standard();
  } else if (argc > 1) {
    say((const char *const[]){"usage: romulus-agent [standard]", 0});
    return 2;
  } else if (!channel_open_port()) {
    return 1;
  }
  set_up_signals();
  hello();
  for (;;) {
    channel_flush();
    bool host_is_there = wait();
    enum channel_state state = channel_has_reserve() ? channel_fill() : CHANNEL_UP;
    if (state == CHANNEL_ENDED) break;
    commands_reap();
    serve_frames();
    commands_serve();
    if (state == CHANNEL_NOBODY || !host_is_there) wait_for_host();
  }
  commands_hang_up();
  return 0;
}
