/*
 * abi.h - what kernel and programs have agreed on: system calls and the records they fill in.
 *
 * A system call is INT 0x80 with its number in EAX and up to three arguments in EBX, ECX, EDX; the result is in EAX, negative
 * for an error. Nothing else changes.
 */
#ifndef LIB_ABI_H
#define LIB_ABI_H

#include <stdint.h>

enum system_call {
  SYS_exit,         /* (status): does not return */
  SYS_fork,         /* (): pid of the child, 0 in the child */
  SYS_exec,         /* (path, argv): does not return if it works */
  SYS_wait,         /* (pid or -1, struct exit_info *, WAIT_ flags): pid, or 0 with WAIT_NO_HANG */
  SYS_read,         /* (fd, buffer, bytes): bytes read, 0 at the end */
  SYS_write,        /* (fd, buffer, bytes): bytes written */
  SYS_open,         /* (path): fd */
  SYS_close,        /* (fd) */
  SYS_sleep,        /* (milliseconds) */
  SYS_yield,        /* () */
  SYS_getpid,       /* () */
  SYS_kill,         /* (pid) */
  SYS_detach,       /* (): the caller and its children no longer die by Ctrl-C */
  SYS_brk,          /* (new end of the heap, or 0 to ask): end of the heap */
  SYS_time,         /* (struct time_info *) */
  SYS_system_info,  /* (struct system_info *) */
  SYS_process_info, /* (index, struct process_info *): ERROR_NOT_FOUND past the last */
  SYS_irq_info,     /* (irq, struct irq_info *) */
  SYS_file_info,    /* (index, struct file_info *): ERROR_NOT_FOUND past the last */
  SYS_rom_info,     /* (call number, struct rom_info *) */
  SYS_measure,      /* (enum measurement, times, uint64_t *nanoseconds) */
  SYS_power,        /* (enum power, exit status) */
  SYSTEM_CALLS
};

enum error {
  ERROR_NO_CALL = -1,
  ERROR_BAD_ADDRESS = -2,
  ERROR_NOT_FOUND = -3,
  ERROR_NO_MEMORY = -4,
  ERROR_BAD_FILE = -5,
  ERROR_BAD_ARGUMENT = -6,
  ERROR_NO_CHILD = -7,
  ERROR_KILLED = -8
};

#define WAIT_NO_HANG 1

/** How a process ended. */
struct exit_info {
  int32_t pid;
  int32_t status; /* of exit(); EXIT_KILLED or EXIT_FAULT if it did not get so far */
  uint32_t vector, error, eip, address; /* with EXIT_FAULT: exception, error code (0 if it has none), where; CR2 for #PF */
};
#define EXIT_KILLED (-1)
#define EXIT_FAULT (-2)

struct time_info {
  uint64_t uptime_ns;
  uint64_t wallclock_s; /* since 1970-01-01 UTC */
  uint64_t idle_ns;
};

#define NAME_BYTES 16

struct system_info {
  uint32_t total_kib, free_kib;
  char version[NAME_BYTES], clock[32];
  uint32_t cycles_khz;
  uint32_t rom_phys; /* 0: no VMI ROM in use */
  uint32_t rom_bytes, rom_sites, rom_patched;
  uint8_t api_major, api_minor;
  char manufacturer[32], product[32];
  /* How long after its expiry an alarm of the ROM reached the timer interrupt handler, measured by the guest. */
  uint32_t alarms, latency_last_ns, latency_highest_ns, latency_mean_ns;
};

struct process_info {
  int32_t pid, parent;
  char state; /* Running, Sleeping, Zombie */
  char name[NAME_BYTES];
  uint32_t pages; /* private or shared frames in its address space */
  uint64_t cpu_ns;
};

struct irq_info {
  uint64_t count; /* interrupts that the guest has handled */
  uint32_t accounts; /* 1 if the machine keeps accounts, and the rest is valid */
  uint32_t raised, merged, delivered, discarded;
  uint32_t latency_last_ns, latency_highest_ns, latency_median_ns;
};

struct file_info {
  char name[32];
  uint32_t bytes;
};

struct rom_info {
  uint32_t type, target;
};

enum measurement {
  MEASURE_PAIR,        /* DisableInterrupts and EnableInterrupts as the kernel uses them */
  MEASURE_PAIR_NATIVE, /* CLI and STI */
  MEASURE_SET_PXE,     /* SetPxE of an unused entry */
  MEASURE_STORE        /* a plain store to the same entry */
};

enum power { POWER_OFF, POWER_REBOOT };

#endif
