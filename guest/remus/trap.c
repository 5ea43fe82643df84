/*
 * trap.c - where every exception, interrupt and system call arrives in C, and where every panic ends.
 *
 * The rule of the kernel for exceptions: what a program does wrong ends the program, and only the program; what the kernel does
 * wrong ends the machine. Read before: entry.S. Read after: irq.c, syscall.c, space.c.
 */
#include "trap.h"

#include <stdarg.h>
#include "console.h"
#include "irq.h"
#include "layout.h"
#include "power.h"
#include "process.h"
#include "site.h"
#include "../lib/format.h"

/** Exit status of the machine after a panic. */
#define PANIC_STATUS 255

static const char *const exception_names[EXCEPTIONS] = {
    "#DE divide error",      "#DB debug",          "NMI",           "#BP breakpoint",          "#OF overflow",
    "#BR bound range",       "#UD invalid opcode", "#NM no FPU",    "#DF double fault",        "coprocessor overrun",
    "#TS invalid TSS",       "#NP not present",    "#SS stack",     "#GP general protection",  "#PF page fault",
    "reserved",              "#MF FPU error",      "#AC alignment", "#MC machine check",       "#XM SIMD error",
};

static void exception(struct trap_frame *frame) {
  uint32_t linear = frame->vector == VECTOR_PF ? GetCR2() : 0;
  if (from_user(frame) && frame->vector != VECTOR_NMI) {
    if (frame->vector == VECTOR_PF && space_fault(&current->space, linear, frame->error)) return;
    struct exit_info how = {current->pid, EXIT_FAULT, frame->vector, frame->error, frame->eip, linear};
    process_exit(how);
  }
  const char *name = exception_names[frame->vector];
  printk("\n%s in %s, error code %#x, CR2 %#010x\n", name ? name : "reserved exception", from_user(frame) ? "a program" : "the kernel",
         frame->error, linear);
  trap_dump(frame);
  panic("unexpected exception %u", frame->vector);
}

void trap(struct trap_frame *frame) {
  if (frame->vector < EXCEPTIONS) {
    exception(frame);
  } else if (frame->vector == VECTOR_SYSTEM_CALL) {
    EnableInterrupts();
    system_call(frame);
    DisableInterrupts();
  } else {
    irq_dispatch(frame->vector - VECTOR_IRQ0);
  }

  if (!from_user(frame)) return;
  while (need_resched || current->killed) {
    if (current->killed) {
      struct exit_info how = {.pid = current->pid, .status = EXIT_KILLED};
      process_exit(how);
    }
    need_resched = false;
    schedule();
  }
}

void trap_dump(const struct trap_frame *frame) {
  uint32_t esp = from_user(frame) ? frame->esp : (uint32_t)&frame->esp;
  printk("eax %08x  ebx %08x  ecx %08x  edx %08x\n", frame->eax, frame->ebx, frame->ecx, frame->edx);
  printk("esi %08x  edi %08x  ebp %08x  esp %08x\n", frame->esi, frame->edi, frame->ebp, esp);
  printk("eip %08x  eflags %08x  cs %04x  ds %04x  es %04x  fs %04x  gs %04x\n", frame->eip, frame->eflags, frame->cs & 0xFFFF,
         frame->ds & 0xFFFF, frame->es & 0xFFFF, frame->fs & 0xFFFF, frame->gs & 0xFFFF);
}

static void put(char c, void *unused) {
  (void)unused;
  console_write(&c, 1);
}

void panic(const char *text, ...) {
  DisableInterrupts();
  printk("\nremus: kernel panic: ");
  va_list arguments;
  va_start(arguments, text);
  format(put, 0, text, arguments);
  va_end(arguments);
  if (current) printk("\nprocess %d (%s)", current->pid, current->name);

  /* The rest of the kernel stack, which ends at a page boundary. */
  uint32_t *stack = __builtin_frame_address(0);
  printk("\nstack at %#010x:", (uint32_t)stack);
  for (uint32_t i = 0; i < 32 && (i == 0 || (uint32_t)(stack + i) % KERNEL_STACK_BYTES); i++)
    printk("%s%08x", i % 8 ? " " : "\n  ", stack[i]);
  printk("\n");
  power_off(PANIC_STATUS);
}
