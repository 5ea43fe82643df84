/*
 * linux_x86_64.h - system calls of x86-64: SYSCALL, number in RAX, arguments in RDI, RSI, RDX, R10, R8 and R9. Names are those of i386 where it
 * needs two calls for one. Read before: linux.h.
 */
#ifndef LIB_LINUX_X86_64_H
#define LIB_LINUX_X86_64_H

#include <stdint.h>

/** SYSCALL itself overwrites RCX and R11. (Linux: Documentation/arch/x86/entry_64.rst) */
static inline long linux_call6(int call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f) {
  register uintptr_t r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
  long result;
  asm volatile("syscall" : "=a"(result) : "a"((long)call), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

static inline long linux_call(int call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e) {
  return linux_call6(call, a, b, c, d, e, 0);
}

enum {
  SYS_read = 0,
  SYS_write = 1,
  SYS_open = 2,
  SYS_close = 3,
  SYS_stat64 = 4,
  SYS_mmap = 9,
  SYS_mprotect = 10,
  SYS_munmap = 11,
  SYS_rt_sigaction = 13,
  SYS_rt_sigprocmask = 14,
  SYS_ioctl = 16,
  SYS_madvise = 28,
  SYS_getpid = 39,
  SYS_fork = 57,
  SYS_execve = 59,
  SYS_exit = 60,
  SYS_wait4 = 61,
  SYS_kill = 62,
  SYS_fcntl64 = 72,
  SYS_getppid = 110,
  SYS_mount = 165,
  SYS_reboot = 169,
  SYS_clock_gettime = 228,
  SYS_ppoll = 271,
  SYS_pipe2 = 293
};

#endif
