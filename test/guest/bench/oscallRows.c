/* oscallRows.c - the operations that oscalls times, from the cheapest to the dearest. Read before: oscalls.h. */
#include "linux.h"
#include "oscalls.h"
#include "string.h"

#define PAGE_BYTES 4096u
#define COPY_BYTES 65536u
#define FILE_BYTES (4u << 20)
#define TOUCH_PAGES 512u
#define WALK_PAGES 1024u
#define PATH_BYTES 256

static char copy_from[COPY_BYTES], copy_to[COPY_BYTES];
static char file[PATH_BYTES];
static const char *program;

static void *map(uint32_t bytes, uint32_t protection) {
  uintptr_t at = kernel_map(bytes, protection);
  check(at < -(uintptr_t)PAGE_BYTES, "mmap");
  return (void *)at;
}
static void unmap(void *at, uint32_t bytes) { kernel_call(SYS_munmap, (uintptr_t)at, bytes, 0, 0); }

/** The way that the kernel recommends. */
static uint64_t getppid(uint32_t times) {
  for (; times; times--) kernel_call(SYS_getppid, 0, 0, 0, 0);
  return 0;
}

#ifndef __x86_64__
static uint64_t getppid_int80(uint32_t times) {
  for (; times; times--) linux_call(SYS_getppid, 0, 0, 0, 0, 0);
  return 0;
}
#endif

static uint64_t clock_gettime(uint32_t times) {
  for (; times; times--) now_ns();
  return 0;
}

static uint64_t stat_file(uint32_t times) {
  static uint64_t record[18]; /* as long as that of x86-64, the longer one */
  for (; times; times--) check(kernel_call(SYS_stat64, (uintptr_t) "/", (uintptr_t)record, 0, 0) == 0, "stat");
  return 0;
}

static uint64_t open_close(uint32_t times) {
  for (; times; times--) {
    int fd = kernel_call(SYS_open, (uintptr_t) "/", O_RDONLY, 0, 0);
    check(fd >= 0, "open");
    kernel_call(SYS_close, (uintptr_t)fd, 0, 0, 0);
  }
  return 0;
}

static void send(int fd, char *byte) { check(kernel_call(SYS_write, (uintptr_t)fd, (uintptr_t)byte, 1, 0) == 1, "writing to a pipe"); }
static bool receive(int fd, char *byte) { return kernel_call(SYS_read, (uintptr_t)fd, (uintptr_t)byte, 1, 0) == 1; }

/** One byte to another process and back: two switches of address space. Making and ending that process is left out. */
static uint64_t pipe_round_trip(uint32_t times) {
  int to[2], from[2];
  char byte = 0;
  uint64_t before = now_ns();
  check(linux_pipe(to, 0) == 0 && linux_pipe(from, 0) == 0, "pipe");
  int pid = linux_fork();
  if (pid == 0) {
    linux_close(to[1]);
    while (receive(to[0], &byte)) send(from[1], &byte);
    linux_exit(0);
  }
  check(pid > 0, "fork");
  linux_close(to[0]);
  linux_close(from[1]);
  send(to[1], &byte);
  check(receive(from[0], &byte), "reading from a pipe");

  uint64_t start = now_ns();
  for (uint32_t i = 0; i < times; i++) {
    send(to[1], &byte);
    check(receive(from[0], &byte), "reading from a pipe");
  }
  uint64_t end = now_ns();
  linux_close(to[1]);
  linux_close(from[0]);
  linux_wait(pid, 0, 0);
  return start - before + (now_ns() - end);
}

static void wait_for_success(int pid) {
  int status = -1;
  check(pid > 0 && linux_wait(pid, &status, 0) == pid && status == 0, "a child");
}

static uint64_t fork_exit_wait(uint32_t times) {
  for (; times; times--) {
    int pid = linux_fork();
    if (pid == 0) linux_exit(0);
    wait_for_success(pid);
  }
  return 0;
}

static uint64_t fork_exec_wait(uint32_t times) {
  for (; times; times--) {
    int pid = linux_fork();
    if (pid == 0) {
      char *const arguments[] = {(char *)program, EXIT_WORD, 0}, *const environment[] = {0};
      linux_execve(program, arguments, environment);
      linux_exit(1);
    }
    wait_for_success(pid);
  }
  return 0;
}

static volatile char *touched;

static uint64_t touch(uint32_t pages) {
  for (uint32_t i = 0; i < pages; i++) touched[i * PAGE_BYTES] = 1;
  return 0;
}

static uint64_t map_pages(uint32_t pages) {
  touched = map(pages * PAGE_BYTES, PROT_READ | PROT_WRITE);
  /* A host would give a large page at once. */
  kernel_call(SYS_madvise, (uintptr_t)touched, pages * PAGE_BYTES, MADV_NOHUGEPAGE, 0);
  return 0;
}

static uint64_t unmap_pages(uint32_t pages) {
  unmap((void *)touched, pages * PAGE_BYTES);
  return 0;
}

static uint64_t touch_page(uint32_t times) {
  uint64_t apart = 0;
  while (times) {
    uint32_t pages = times < TOUCH_PAGES ? times : TOUCH_PAGES;
    apart += spent_ns(map_pages, pages);
    touch(pages);
    apart += spent_ns(unmap_pages, pages);
    times -= pages;
  }
  return apart;
}

static uint64_t mmap_munmap(uint32_t times) {
  for (; times; times--) unmap(map(PAGE_BYTES, PROT_READ | PROT_WRITE), PAGE_BYTES);
  return 0;
}

static uint64_t write_file(uint32_t times) {
  for (; times; times--) {
    int fd = linux_call(SYS_open, (uintptr_t)file, O_WRONLY | O_CREAT | O_TRUNC, 0600, 0, 0);
    check(fd >= 0, "making a file");
    for (uint32_t done = 0; done < FILE_BYTES; done += COPY_BYTES)
      check(kernel_call(SYS_write, (uintptr_t)fd, (uintptr_t)copy_from, COPY_BYTES, 0) == (int)COPY_BYTES, "writing a file");
    linux_close(fd);
  }
  return 0;
}

static uint64_t read_file(uint32_t times) {
  static bool is_made;
  if (!is_made) write_file(1);
  is_made = true;
  for (; times; times--) {
    int fd = linux_open(file, O_RDONLY);
    check(fd >= 0, "opening a file");
    for (uint32_t done = 0; done < FILE_BYTES; done += COPY_BYTES)
      check(kernel_call(SYS_read, (uintptr_t)fd, (uintptr_t)copy_to, COPY_BYTES, 0) == (int)COPY_BYTES, "reading a file");
    linux_close(fd);
  }
  return 0;
}

static volatile uint32_t signals;
static void count_signal(int signal) {
  (void)signal;
  signals++;
}

static uint64_t signal_to_handler(uint32_t times) {
  int self = linux_call(SYS_getpid, 0, 0, 0, 0, 0);
  linux_sigaction(SIGUSR1, &(struct kernel_sigaction){count_signal, SA_SIGINFO | SA_RESTORER, return_from_signal, 0});
  uint32_t before = signals;
  for (uint32_t i = 0; i < times; i++) kernel_call(SYS_kill, (uintptr_t)self, SIGUSR1, 0, 0);
  check(signals - before == times, "a signal");
  return 0;
}

static char *guarded;
static void allow(int signal) {
  (void)signal;
  kernel_call(SYS_mprotect, (uintptr_t)guarded, PAGE_BYTES, PROT_READ | PROT_WRITE, 0);
}

/** As collectors of garbage do it; taking the right away again is a second mprotect(). */
static uint64_t fault_to_handler(uint32_t times) {
  linux_sigaction(SIGSEGV, &(struct kernel_sigaction){allow, SA_SIGINFO | SA_RESTORER, return_from_signal, 0});
  if (!guarded) guarded = map(PAGE_BYTES, PROT_READ | PROT_WRITE);
  for (; times; times--) {
    kernel_call(SYS_mprotect, (uintptr_t)guarded, PAGE_BYTES, PROT_READ, 0);
    *(volatile char *)guarded = 1;
  }
  return 0;
}

/** mov eax, number; ret: written anew before each call, as compilers at run time do it. */
static uint64_t write_and_call(uint32_t times) {
  static uint8_t *code;
  if (!code) code = map(PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (uint32_t i = 0; i < times; i++) {
    code[0] = 0xB8;
    memcpy(code + 1, &i, sizeof i);
    code[5] = 0xC3;
    uint32_t (*function)(void);
    *(void **)&function = code;
    check(function() == i, "code that was written");
  }
  return 0;
}

static uint64_t copy(uint32_t times) {
  for (; times; times--) {
    memcpy(copy_to, copy_from, COPY_BYTES);
    asm volatile("" ::: "memory");
  }
  return 0;
}

/** Each page holds the address of the next: one load a page, in an order that nothing foresees. */
static void **make_walk(void) {
  static void **place[WALK_PAGES];
  char *pages = map(WALK_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE);
  uint32_t random = 1;
  for (uint32_t i = 0; i < WALK_PAGES; i++) place[i] = (void **)(pages + i * PAGE_BYTES + i % 61 * 64);
  for (uint32_t i = WALK_PAGES - 1; i > 0; i--) {
    random = random * 1664525u + 1013904223u;
    uint32_t other = (random >> 8) % (i + 1);
    void **swapped = place[i];
    place[i] = place[other];
    place[other] = swapped;
  }
  for (uint32_t i = 0; i < WALK_PAGES; i++) *place[i] = place[(i + 1) % WALK_PAGES];
  return place[0];
}

static uint64_t walk_pages(uint32_t times) {
  static void **at;
  if (!at) at = make_walk();
  for (; times; times--) at = *at;
  asm volatile("" : : "r"(at));
  return 0;
}

void prepare_rows(const char *self, const char *folder) {
  static const char name[] = "/romulus-oscalls";
  program = self;
  copy_text(file, folder, sizeof file - sizeof name);
  memcpy(file + strlen(file), name, sizeof name);
}

#define ROW(function, bytes) {#function, function, bytes}

const struct row rows[] = {
    ROW(getppid, 0),
#ifndef __x86_64__
    ROW(getppid_int80, 0),
#endif
    ROW(clock_gettime, 0),
    ROW(stat_file, 0),
    ROW(open_close, 0),
    ROW(mmap_munmap, 0),
    ROW(touch_page, 0),
    ROW(signal_to_handler, 0),
    ROW(fault_to_handler, 0),
    ROW(write_and_call, 0),
    ROW(pipe_round_trip, 0),
    ROW(fork_exit_wait, 0),
    ROW(fork_exec_wait, 0),
    ROW(copy, COPY_BYTES),
    ROW(write_file, FILE_BYTES),
    ROW(read_file, FILE_BYTES),
    ROW(walk_pages, 0),
    {0, 0, 0},
};
