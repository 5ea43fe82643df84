/*
 * process.h - processes: the table, the scheduler (process.c) and their lives (life.c).
 *
 * The kernel is not preemptible: a process in the kernel runs until it sleeps or returns to its program. So interrupts need to
 * be off only around what interrupt handlers touch, too: states, wake-ups, the console's rings.
 */
#ifndef REMUS_PROCESS_H
#define REMUS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include "../lib/abi.h"
#include "space.h"
#include "trap.h"

#define PROCESSES 32
#define OPEN_FILES 8
#define INIT_PID 1
#define FOREVER (~0ull)

enum process_state { FREE, RUNNABLE, SLEEPING, ZOMBIE };

struct open_file {
  const struct initrd_file *file; /* null: not open */
  uint32_t offset;
};

struct process {
  int pid;
  struct process *parent;
  enum process_state state;
  char name[NAME_BYTES];
  struct space space;
  uint8_t *kernel_stack; /* lowest address */
  uint32_t kernel_esp;   /* while not running, see switch_context() */
  const void *channel;   /* what it sleeps for */
  uint64_t wake_ns;      /* when it gives up sleeping */
  bool killed;           /* dies before it returns to its program */
  bool background;       /* not touched by Ctrl-C */
  struct exit_info exit;
  struct open_file files[OPEN_FILES];
  uint64_t cpu_ns;
};

/** Slot 0 is the idle process, which is the boot code's continuation. */
extern struct process processes[PROCESSES];
extern struct process *current;
/** Set by interrupt handlers: let another process run before returning to the program. */
extern volatile bool need_resched;
extern uint64_t idle_ns;

void process_init(void);
/** A free slot, with a pid and a kernel stack; null if there is none. */
struct process *process_allocate(void);
/** Gives slot and kernel stack back. */
void process_release(struct process *process);
struct process *process_find(int pid);

/** Lets the next runnable process run. Interrupts off. */
void schedule(void);
/** Sleeps until wake_up(channel), the deadline, or a kill. Interrupts off. */
void sleep_on(const void *channel, uint64_t deadline_ns);
void wake_up(const void *channel);
bool is_waiting(const void *channel);
/** Wakes those whose deadline has passed. */
void wake_sleepers(uint64_t now_ns);
void kill_process(struct process *process);
void kill_foreground(void);
/** Never returns: runs others, halts when there are none. */
void idle(void) __attribute__((noreturn));

/* life.c */
/** Creates process 1 from a program of the initrd; panics if it cannot. */
void start_init(const char *path, const char *const argv[]);
int process_fork(const struct trap_frame *frame);
/** Replaces the running program; `frame` then starts the new one. `path` and `argv` are kernel memory. */
int process_exec(struct trap_frame *frame, const char *path, const char *const argv[]);
void process_exit(struct exit_info how) __attribute__((noreturn));
int process_wait(int pid, struct exit_info *info, bool hang);

#endif
