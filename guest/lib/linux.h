/*
 * linux.h - Linux system calls for programs without a C library: for i386, whose programs Linux guests run, and for x86-64, which only the
 * benchmarks are built for besides. What differs between the two stands in a header of its own for each.
 *
 * Numbers and records are those of the kernel's ABI, which never change; they stand here because 32-bit headers are not installed
 * everywhere. Every call returns what the kernel does: a negative error number if it failed. Arguments are words of the processor.
 */
#ifndef LIB_LINUX_H
#define LIB_LINUX_H

#include <stdint.h>

#ifdef __x86_64__
#include "linux_x86_64.h"
#else
#include "linux_i386.h"
#endif

enum { E_INTR = 4, E_AGAIN = 11, E_NOENT = 2, E_TOO_BIG = 7, E_ACCES = 13, E_INVAL = 22 };

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0x40
#define O_NOCTTY 0x100
#define O_TRUNC 0x200
#define O_NONBLOCK 0x800
#define O_DIRECTORY 0x10000
#define O_CLOEXEC 0x80000
#define F_SETFL 4
#define F_DUPFD_CLOEXEC 1030

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define MADV_NOHUGEPAGE 15

#define CLOCK_MONOTONIC 1

#define POLLIN 1
#define POLLOUT 4
#define POLLERR 8
#define POLLHUP 16

struct pollfd {
  int fd;
  int16_t events, revents;
};

struct timespec {
  long tv_sec, tv_nsec;
};

#define SIGHUP 1
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGPIPE 13
#define SIGCHLD 17
#define SIGNALS 64
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_BLOCK 0
#define SIG_SETMASK 2
#define SA_SIGINFO 4u
#define SA_RESTORER 0x04000000u

/** A set of signals as the kernel has it: signal n is bit n - 1. */
typedef uint64_t signal_set;
#define SIGNAL_BIT(signal) (1ull << ((signal) - 1))

/** What rt_sigaction takes. */
struct kernel_sigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)(void);
  signal_set mask;
};

/** What handlers return to, with SA_RESTORER and SA_SIGINFO: only of the latter is the frame one for rt_sigreturn. In linux_start.S and its like. */
void return_from_signal(void);

#define WNOHANG 1

#define LINUX_REBOOT_MAGIC1 0xFEE1DEADu
#define LINUX_REBOOT_MAGIC2 672274793u
#define LINUX_REBOOT_CMD_RESTART 0x01234567u
#define LINUX_REBOOT_CMD_POWER_OFF 0x4321FEDCu

static inline int linux_read(int fd, void *buffer, uint32_t bytes) { return linux_call(SYS_read, (uintptr_t)fd, (uintptr_t)buffer, bytes, 0, 0); }
static inline int linux_write(int fd, const void *buffer, uint32_t bytes) {
  return linux_call(SYS_write, (uintptr_t)fd, (uintptr_t)buffer, bytes, 0, 0);
}
static inline int linux_open(const char *path, uint32_t flags) { return linux_call(SYS_open, (uintptr_t)path, flags, 0, 0, 0); }
static inline int linux_close(int fd) { return linux_call(SYS_close, (uintptr_t)fd, 0, 0, 0, 0); }
static inline int linux_pipe(int fds[2], uint32_t flags) { return linux_call(SYS_pipe2, (uintptr_t)fds, flags, 0, 0, 0); }
static inline int linux_fcntl(int fd, int command, uint32_t argument) {
  return linux_call(SYS_fcntl64, (uintptr_t)fd, (uintptr_t)command, argument, 0, 0);
}
static inline int linux_ioctl(int fd, uint32_t request, void *argument) {
  return linux_call(SYS_ioctl, (uintptr_t)fd, request, (uintptr_t)argument, 0, 0);
}
static inline int linux_fork(void) { return linux_call(SYS_fork, 0, 0, 0, 0, 0); }
static inline int linux_execve(const char *path, char *const argv[], char *const envp[]) {
  return linux_call(SYS_execve, (uintptr_t)path, (uintptr_t)argv, (uintptr_t)envp, 0, 0);
}
static inline int linux_wait(int pid, int *status, int options) {
  return linux_call(SYS_wait4, (uintptr_t)pid, (uintptr_t)status, (uintptr_t)options, 0, 0);
}
static inline int linux_kill(int pid, int signal) { return linux_call(SYS_kill, (uintptr_t)pid, (uintptr_t)signal, 0, 0, 0); }
static inline int linux_sigaction(int signal, const struct kernel_sigaction *action) {
  return linux_call(SYS_rt_sigaction, (uintptr_t)signal, (uintptr_t)action, 0, sizeof(signal_set), 0);
}
static inline int linux_sigprocmask(int how, const signal_set *set) {
  return linux_call(SYS_rt_sigprocmask, (uintptr_t)how, (uintptr_t)set, 0, sizeof(signal_set), 0);
}
static inline int linux_ppoll(struct pollfd *fds, uint32_t count, const struct timespec *timeout, const signal_set *mask) {
  return linux_call(SYS_ppoll, (uintptr_t)fds, count, (uintptr_t)timeout, (uintptr_t)mask, sizeof(signal_set));
}
static inline void __attribute__((noreturn)) linux_exit(int status) {
  for (;;) linux_call(SYS_exit, (uintptr_t)status, 0, 0, 0, 0);
}

#endif
