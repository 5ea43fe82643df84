/* linux_i386.h - system calls of i386: INT 0x80, number in EAX, arguments in EBX, ECX, EDX, ESI and EDI. Read before: linux.h. */
#ifndef LIB_LINUX_I386_H
#define LIB_LINUX_I386_H

#include <stdint.h>

static inline int linux_call(int call, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e) {
  int result;
  asm volatile("int $0x80" : "=a"(result) : "a"(call), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
  return result;
}

enum {
  SYS_exit = 1,
  SYS_fork = 2,
  SYS_read = 3,
  SYS_write = 4,
  SYS_open = 5,
  SYS_close = 6,
  SYS_execve = 11,
  SYS_chdir = 12,
  SYS_getpid = 20,
  SYS_mount = 21,
  SYS_sync = 36,
  SYS_kill = 37,
  SYS_ioctl = 54,
  SYS_getppid = 64,
  SYS_setsid = 66,
  SYS_reboot = 88,
  SYS_mmap = 90, /* the old one: a pointer to its six arguments */
  SYS_munmap = 91,
  SYS_wait4 = 114,
  SYS_mprotect = 125,
  SYS_rt_sigreturn = 173,
  SYS_rt_sigaction = 174,
  SYS_rt_sigprocmask = 175,
  SYS_stat64 = 195,
  SYS_madvise = 219,
  SYS_getdents64 = 220,
  SYS_fcntl64 = 221,
  SYS_clock_gettime = 265,
  SYS_ppoll = 309,
  SYS_dup3 = 330,
  SYS_pipe2 = 331
};

#endif
