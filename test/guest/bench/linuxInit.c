/*
 * linuxInit.c - the first program of the Linux guest that is timed: says that it is there, runs the programs beside it, says so, and
 * powers off. Whoever reads the console takes the times.
 */
#include "linux.h"
#include "string.h"

static void say(const char *text) { linux_write(1, text, strlen(text)); }

static void run(char *const arguments[]) {
  char *const environment[] = {0};
  int pid = linux_fork(), status = -1;
  if (pid == 0) {
    linux_execve(arguments[0], arguments, environment);
    linux_exit(127);
  }
  if (pid < 0 || linux_wait(pid, &status, 0) != pid || status != 0) say("bench: failed\n");
}

int main(void) {
  say("bench: init\n");
  linux_call(SYS_mount, (uint32_t) "tmpfs", (uint32_t) "/tmp", (uint32_t) "tmpfs", 0, 0);
  run((char *const[]){"/compute", "100", "sha256", 0});
  run((char *const[]){"/oscalls", "/tmp", 0});
  say("bench: end\n");
  linux_call(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, 0, 0);
  for (;;) linux_ppoll(0, 0, 0, 0);
}
