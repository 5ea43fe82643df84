/*
 * start.c - fork and exec: from a request to a process with its descriptors. Errors of the child's side come back through a pipe that
 * a successful exec closes. Read before: start.h. Read after: command.c.
 */
#include "start.h"

#include <stdbool.h>
#include "../lib/linux.h"
#include "../lib/string.h"

#define STRINGS_MAX 8192
#define PATH_BYTES 4096
#define TIOCSPTLCK 0x40045431u
#define TIOCGPTPEER 0x5441u
#define TIOCSCTTY 0x540Eu
#define TIOCSWINSZ 0x5414u

/** A request taken apart. Arguments and environment each end with a null pointer, as execve() wants them. */
struct request {
  struct start_request fixed;
  char *folder;
  char **arguments, **environment;
};

/** Each end of the child's standard streams; -1: not there. */
struct ends {
  int mine[3], theirs[3], status[2];
};

static char *strings[STRINGS_MAX + 2];

/** The payload is used in place: it stays where it is until the child has its copy. */
static int parse(const struct frame_header *frame, struct request *request) {
  char *at = (char *)(frame + 1), *end = at + frame->payload_bytes;
  if (frame->payload_bytes <= sizeof request->fixed || end[-1] != 0) return E_INVAL;
  memcpy(&request->fixed, at, sizeof request->fixed);
  at += sizeof request->fixed;
  uint32_t arguments = request->fixed.arguments, variables = request->fixed.variables;
  if (arguments > STRINGS_MAX || variables > STRINGS_MAX - arguments) return E_TOO_BIG;
  if (arguments == 0) return E_INVAL;

  request->folder = at;
  at += strlen(at) + 1;
  request->arguments = strings;
  request->environment = strings + arguments + 1;
  for (uint32_t i = 0; i < arguments + variables; i++) {
    if (at == end) return E_INVAL;
    strings[i < arguments ? i : i + 1] = at;
    at += strlen(at) + 1;
  }
  strings[arguments] = strings[arguments + 1 + variables] = 0;
  return at == end ? 0 : E_INVAL;
}

static void close_all(struct ends *ends) {
  for (int i = 0; i < 3; i++) {
    if (ends->mine[i] >= 0) linux_close(ends->mine[i]);
    if (ends->theirs[i] >= 0) linux_close(ends->theirs[i]);
  }
  for (int i = 0; i < 2; i++)
    if (ends->status[i] >= 0) linux_close(ends->status[i]);
}

/** A pipe with one end for each side; the agent's never blocks. */
static int open_pipe(struct ends *ends, int stream, int my_end) {
  int fds[2], error = linux_pipe(fds, O_CLOEXEC);
  if (error < 0) return -error;
  ends->mine[stream] = fds[my_end];
  ends->theirs[stream] = fds[1 - my_end];
  linux_fcntl(fds[my_end], F_SETFL, O_NONBLOCK);
  return 0;
}

static int open_nothing(struct ends *ends) {
  ends->theirs[0] = linux_open("/dev/null", O_RDONLY | O_CLOEXEC);
  return ends->theirs[0] < 0 ? -ends->theirs[0] : 0;
}

static void resize(int terminal, uint32_t rows, uint32_t columns) {
  uint16_t size[4] = {(uint16_t)rows, (uint16_t)columns, 0, 0};
  linux_ioctl(terminal, TIOCSWINSZ, size);
}

/** A pseudo-terminal: both streams are its one side, input and output of the agent's its other. */
static int open_terminal(struct ends *ends, const struct start_request *request) {
  int master = linux_open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), unlocked = 0;
  if (master < 0) return -master;
  ends->mine[0] = master;
  linux_ioctl(master, TIOCSPTLCK, &unlocked);
  int slave = linux_ioctl(master, TIOCGPTPEER, (void *)(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (slave < 0) return -slave;
  ends->theirs[0] = slave;
  ends->mine[1] = linux_fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (ends->mine[1] < 0) return -ends->mine[1];
  if (request->rows && request->columns) resize(master, request->rows, request->columns);
  return 0;
}

static int open_ends(struct ends *ends, const struct start_request *request) {
  int fds[2], error = linux_pipe(fds, O_CLOEXEC);
  if (error < 0) return -error;
  ends->status[0] = fds[0];
  ends->status[1] = fds[1];
  if (request->flags & START_TERMINAL) return open_terminal(ends, request);
  error = request->flags & START_INPUT ? open_pipe(ends, 0, 1) : open_nothing(ends);
  if (!error) error = open_pipe(ends, 1, 0);
  if (!error) error = open_pipe(ends, 2, 0);
  return error;
}

static const char *variable(char *const environment[], const char *name) {
  uint32_t length = strlen(name);
  for (; *environment; environment++)
    if (!strncmp(*environment, name, length) && (*environment)[length] == '=') return *environment + length + 1;
  return 0;
}

/** Becomes the program, looked for in PATH if its name has no slash. Returns the error number as execvp() would choose it. */
static uint32_t become(const struct request *request) {
  const char *name = request->arguments[0], *path = variable(request->environment, "PATH");
  if (strchr(name, '/') || !path) return (uint32_t)-linux_execve(name, request->arguments, request->environment);
  static char file[PATH_BYTES];
  uint32_t worst = E_NOENT;
  for (;;) {
    const char *end = strchr(path, ':');
    uint32_t length = end ? (uint32_t)(end - path) : strlen(path);
    if (length + 1 + strlen(name) < sizeof file) {
      memcpy(file, path, length);
      file[length] = '/';
      copy_text(file + length + (length > 0), name, sizeof file - length - 1);
      uint32_t error = (uint32_t)-linux_execve(file, request->arguments, request->environment);
      if (error == E_ACCES) worst = error;
      else if (error != E_NOENT) return error;
    }
    if (!end) return worst;
    path = end + 1;
  }
}

/** The child's side; it comes to its end in another program or in linux_exit(). */
static void __attribute__((noreturn)) child(const struct request *request, const struct ends *ends) {
  bool terminal = request->fixed.flags & START_TERMINAL;
  linux_call(SYS_setsid, 0, 0, 0, 0, 0);
  if (terminal) linux_ioctl(ends->theirs[0], TIOCSCTTY, 0);
  for (int stream = 0; stream < 3; stream++)
    linux_call(SYS_dup3, (uint32_t)ends->theirs[terminal ? 0 : stream], (uint32_t)stream, 0, 0, 0);

  struct start_failure failure = {0, STEP_FOLDER};
  if (*request->folder) failure.error = (uint32_t)-linux_call(SYS_chdir, (uint32_t)request->folder, 0, 0, 0, 0);
  if (!failure.error) {
    /* What is ignored or blocked stays so in the new program, and the agent does both. */
    for (int signal = 1; signal <= SIGNALS; signal++) linux_sigaction(signal, &(struct kernel_sigaction){.handler = SIG_DFL});
    signal_set none = 0;
    linux_sigprocmask(SIG_SETMASK, &none);
    failure.step = STEP_PROGRAM;
    failure.error = become(request);
  }
  linux_write(ends->status[1], &failure, sizeof failure);
  linux_exit(127);
}

int start(const struct frame_header *frame, struct started *started) {
  struct request request;
  struct ends ends = {{-1, -1, -1}, {-1, -1, -1}, {-1, -1}};
  int error = parse(frame, &request);
  if (!error) error = open_ends(&ends, &request.fixed);
  int pid = error ? -error : linux_fork();
  if (pid == 0) child(&request, &ends);
  if (pid < 0) {
    close_all(&ends);
    return -pid;
  }
  for (int stream = 0; stream < 3; stream++)
    if (ends.theirs[stream] >= 0) linux_close(ends.theirs[stream]);
  linux_close(ends.status[1]);
  *started = (struct started){pid, ends.status[0], ends.mine[0], {ends.mine[1], ends.mine[2]}};
  return 0;
}
