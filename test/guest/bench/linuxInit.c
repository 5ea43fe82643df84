/*
 * linuxInit.c - the first program of the Linux guest that is timed: says that it is there, runs the programs beside it, says so, and
 * powers off a while later. Whoever reads the console takes the times, looks at the memory that the guest has then, and ends it.
 */
#include "linux.h"
#include "string.h"

#define PATIENCE_S 10

static void say(const char *text) { linux_write(1, text, strlen(text)); }

static void run(char *const arguments[]) {
  char *const environment[] = {0};
  int pid = linux_fork(), status = -1;
  if (pid == 0) {
    linux_execve(arguments[0], arguments, environment);
    linux_exit(127);
  }
  if (pid < 0 || linux_wait(pid, &status, 0) != pid || status != 0) {
    static char text[] = "bench: failed, status 00000000\n";
    for (char *digit = text + sizeof text - 3; *digit != ' '; digit--, status = (int)((unsigned)status >> 4))
      *digit = "0123456789abcdef"[status & 15];
    say(text);
  }
}

int main(void) {
  say("bench: init\n");
  linux_call(SYS_mount, (uintptr_t) "tmpfs", (uintptr_t) "/tmp", (uintptr_t) "tmpfs", 0, 0);
  run((char *const[]){"/compute", "100", "sha256", 0});
  run((char *const[]){"/oscalls", "/tmp", 0});
  say("bench: end\n");
  linux_ppoll(0, 0, &(struct timespec){PATIENCE_S, 0}, 0);
  linux_call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
  for (;;) linux_ppoll(0, 0, 0, 0);
}
