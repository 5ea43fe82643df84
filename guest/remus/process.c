/*
 * process.c - the process table and the scheduler: round robin, preemptive for programs, cooperative inside the kernel.
 *
 * Separate from life.c (how processes come and go), because this part knows nothing of programs and address spaces beyond
 * switching them. Read before: process.h. Read after: life.c.
 */
#include "process.h"

#include "clock.h"
#include "console.h"
#include "descriptors.h"
#include "frame.h"
#include "layout.h"
#include "site.h"
#include "../lib/string.h"

/** Lies at the far end of every kernel stack; a stack that grew over it has overflowed. */
#define STACK_GUARD 0x52454D55

extern uint32_t kernel_directory[];
extern uint8_t boot_stack[];

struct process processes[PROCESSES];
struct process *current;
volatile bool need_resched;
uint64_t idle_ns;

static uint64_t switched_ns;
static int next_pid = INIT_PID;

void process_init(void) {
  struct process *idle_process = &processes[0];
  idle_process->state = RUNNABLE;
  idle_process->space.directory = kernel_directory;
  idle_process->kernel_stack = boot_stack;
  copy_text(idle_process->name, "idle", NAME_BYTES);
  *(uint32_t *)boot_stack = STACK_GUARD;
  current = idle_process;
}

struct process *process_allocate(void) {
  for (struct process *slot = processes + 1; slot < processes + PROCESSES; slot++) {
    if (slot->state != FREE) continue;
    uint8_t *stack = frame_allocate();
    if (!stack) return 0;
    memset(slot, 0, sizeof *slot);
    slot->kernel_stack = stack;
    *(uint32_t *)stack = STACK_GUARD;
    slot->pid = next_pid++;
    return slot;
  }
  return 0;
}

void process_release(struct process *process) {
  frame_release(phys_of(process->kernel_stack));
  process->state = FREE;
}

struct process *process_find(int pid) {
  for (struct process *process = processes + 1; process < processes + PROCESSES; process++)
    if (process->state != FREE && process->pid == pid) return process;
  return 0;
}

/** The runnable process after the current one, in the order of the table; the idle process if there is none. */
static struct process *next_runnable(void) {
  uint32_t first = (uint32_t)(current - processes);
  for (uint32_t i = 1; i <= PROCESSES; i++) {
    struct process *process = &processes[(first + i) % PROCESSES];
    if (process != processes && process->state == RUNNABLE) return process;
  }
  return processes;
}

void schedule(void) {
  struct process *from = current, *to = next_runnable();
  if (*(uint32_t *)from->kernel_stack != STACK_GUARD) panic("kernel stack overflow");
  if (to == from) return;

  uint64_t now = clock_now();
  *(from == processes ? &idle_ns : &from->cpu_ns) += now - switched_ns;
  switched_ns = now;

  current = to;
  if (to->space.directory != from->space.directory) space_activate(&to->space);
  set_kernel_stack((uint32_t)to->kernel_stack + KERNEL_STACK_BYTES);
  switch_context(&from->kernel_esp, to->kernel_esp);
}

void sleep_on(const void *channel, uint64_t deadline_ns) {
  if (current->killed) return;
  current->channel = channel;
  current->wake_ns = deadline_ns;
  current->state = SLEEPING;
  schedule();
}

static void wake(struct process *process) {
  process->state = RUNNABLE;
  process->channel = 0;
  need_resched = true;
}

void wake_up(const void *channel) {
  for (struct process *process = processes; process < processes + PROCESSES; process++)
    if (process->state == SLEEPING && process->channel == channel) wake(process);
}

bool is_waiting(const void *channel) {
  for (struct process *process = processes; process < processes + PROCESSES; process++)
    if (process->state == SLEEPING && process->channel == channel) return true;
  return false;
}

void wake_sleepers(uint64_t now_ns) {
  for (struct process *process = processes; process < processes + PROCESSES; process++)
    if (process->state == SLEEPING && process->wake_ns <= now_ns) wake(process);
}

void kill_process(struct process *process) {
  process->killed = true;
  if (process->state == SLEEPING) wake(process);
}

void kill_foreground(void) {
  for (struct process *process = processes + 1; process < processes + PROCESSES; process++)
    if ((process->state == RUNNABLE || process->state == SLEEPING) && process->pid != INIT_PID && !process->background)
      kill_process(process);
}

/** When the first sleeper wants to wake. */
static uint64_t first_deadline(void) {
  uint64_t first = FOREVER;
  for (struct process *process = processes; process < processes + PROCESSES; process++)
    if (process->state == SLEEPING && process->wake_ns < first) first = process->wake_ns;
  return first;
}

void idle(void) {
  for (;;) {
    DisableInterrupts();
    if (next_runnable() == processes) {
      clock_idle(first_deadline());
      Halt();
    } else {
      clock_busy();
      schedule();
    }
  }
}
