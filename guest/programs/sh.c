/*
 * sh.c - the shell, and process 1.
 *
 * A command line is programs with arguments, separated by `;` (wait for it) or `&` (do not). Nothing else: no pipes, no quotes.
 * `sh -c text` runs the text and exits with the first status that was not 0; as process 1 that ends the machine.
 */
#include "../lib/program.h"

#define LINE_BYTES 256
#define ARGUMENTS 15

static const char help[] =
    "programs: ls cat echo ps uptime date free irqstat bench fault spin sleep rom halt reboot, sh -c text\n"
    "built in: help, kill PID\n"
    "syntax:   COMMAND ARGUMENT... [; COMMAND...], COMMAND & runs in the background\n"
    "keys:     Ctrl-C ends the running program, Ctrl-U clears the line\n";

static const char *const exceptions[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#09",
                                         "#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};

/** Tells how a child ended if it is worth telling; its exit status as a number for the shell. */
static int report(const struct exit_info *info) {
  if (info->status >= 0) return info->status;
  if (info->status == EXIT_KILLED) {
    printf("[%d] killed\n", info->pid);
    return 130;
  }
  printf("[%d] ended by %s, error code %#x, at %#010x", info->pid, info->vector < 20 ? exceptions[info->vector] : "an exception",
         info->error, info->eip);
  if (info->vector == 14) printf(", address %#010x", info->address);
  printf("\n");
  return 128 + (int)info->vector;
}

static int start(const char *const argv[], bool background) {
  char path[64] = "bin/";
  copy_text(path + 4, argv[0], sizeof path - 4);
  int pid = fork();
  if (pid < 0) {
    printf("sh: no memory or no place for another process\n");
    return 1;
  }
  if (!pid) {
    if (background) detach();
    int error = exec(path, argv);
    printf(error == ERROR_NOT_FOUND ? "sh: %s: no such command; try help\n" : "sh: %s: cannot be run\n", argv[0]);
    exit(127);
  }
  if (background) {
    printf("[%d] started\n", pid);
    return 0;
  }
  struct exit_info info;
  return wait_for(pid, &info, 0) == pid ? report(&info) : 1;
}

static int run(char *command, bool background) {
  const char *argv[ARGUMENTS + 1];
  uint32_t count = 0;
  while (count < ARGUMENTS) {
    while (*command == ' ') *command++ = 0;
    if (!*command) break;
    argv[count++] = command;
    while (*command && *command != ' ') command++;
  }
  argv[count] = 0;
  if (!count) return 0;
  if (!strcmp(argv[0], "help")) {
    printf("%s", help);
    return 0;
  }
  if (!strcmp(argv[0], "kill") && count == 2) {
    if (kill((int)parse_number(argv[1], 10)) >= 0) return 0;
    printf("sh: there is no process %s that could be killed\n", argv[1]);
    return 1;
  }
  return start(argv, background);
}

/** Runs all commands of a line; the first status that is not 0. */
static int run_line(char *line) {
  int status = 0;
  while (*line) {
    char *end = line;
    while (*end && *end != ';' && *end != '&') end++;
    char separator = *end;
    *end = 0;
    int result = run(line, separator == '&');
    if (!status) status = result;
    line = separator ? end + 1 : end;
  }
  return status;
}

int main(int argc, char *argv[]) {
  if (argc == 3 && !strcmp(argv[1], "-c")) return run_line(argv[2]);
  printf("Type help for the commands, halt to leave.\n");
  for (;;) {
    struct exit_info ended;
    while (wait_for(-1, &ended, WAIT_NO_HANG) > 0)
      if (!report(&ended)) printf("[%d] done\n", ended.pid);
    char line[LINE_BYTES];
    printf("remus# ");
    int length = read(0, line, sizeof line - 1);
    if (length < 0) return 1;
    if (length == 0) printf("\nsh: halt leaves\n");
    while (length && line[length - 1] == '\n') length--;
    line[length] = 0;
    run_line(line);
  }
}
