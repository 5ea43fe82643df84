/* trap.h - what entry.S puts on the kernel stack, and the way in for C. */
#ifndef REMUS_TRAP_H
#define REMUS_TRAP_H

#define VECTOR_NMI 2
#define VECTOR_BP 3
#define VECTOR_OF 4
#define VECTOR_PF 14
#define EXCEPTIONS 32
#define VECTOR_IRQ0 0x20
#define VECTOR_SYSTEM_CALL 0x80

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/** The interrupted state, lowest address first. */
struct trap_frame {
  uint32_t gs, fs, es, ds;
  uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax; /* as PUSHA leaves them */
  uint32_t vector, error;
  uint32_t eip, cs, eflags; /* pushed by the CPU */
  uint32_t esp, ss;         /* only if it came from ring 3 */
};

static inline bool from_user(const struct trap_frame *frame) { return (frame->cs & 3) == 3; }

/** Code addresses of the entry stubs in entry.S: exceptions, then IRQs, then the system call. */
extern const uint32_t trap_stubs[];
/** Called by the stubs. */
void trap(struct trap_frame *frame);
/** Leaves the kernel: ESP points to a trap frame. A new process starts here. */
void trap_return(void);
/** Stores the registers that C functions keep and ESP in `*from`, and goes on where `to` was stored. */
void switch_context(uint32_t *from, uint32_t to);

/** Prints the state; used by panic() and for exceptions inside the kernel. */
void trap_dump(const struct trap_frame *frame);

/** syscall.c */
void system_call(struct trap_frame *frame);
#endif
#endif
