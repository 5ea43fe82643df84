/*
 * entry.S - the doors of the kernel: exceptions, interrupts and system calls in, IRET out; and the switch between processes.
 *
 * Assembly, because C has no words for any of it. Read before: trap.h (the frame that is built here). Read after: trap.c.
 */
#include "layout.h"
#include "site.h"
#include "trap.h"

        .text

/* For these vectors the CPU pushes an error code; for the others a zero keeps the frame alike. (SDM 3A, "Error Code") */
#define HAS_ERROR_CODE(vector) ((vector) == 8 || ((vector) >= 10 && (vector) <= 14) || (vector) == 17)

/* One stub for the vector, and its address for the IDT. */
.macro STUB vector:req
1:      .if !HAS_ERROR_CODE(\vector)
        pushl   $0
        .endif
        pushl   $\vector
        jmp     trap_entry
        .pushsection .rodata
        .long   1b
        .popsection
.endm

        .pushsection .rodata
        .balign 4
        .global trap_stubs
trap_stubs:
        .popsection

.altmacro
.set n, 0
.rept VECTOR_IRQ0 + 16
        STUB    %n
.set n, n + 1
.endr
.noaltmacro
        STUB    VECTOR_SYSTEM_CALL

trap_entry:
        pusha
        pushl   %ds
        pushl   %es
        pushl   %fs
        pushl   %gs
        movl    $KERNEL_DS, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        pushl   %esp                    /* trap(struct trap_frame *) */
        call    trap
        addl    $4, %esp

        .global trap_return
trap_return:
        popl    %gs
        popl    %fs
        popl    %es
        popl    %ds
        popa
        addl    $8, %esp                /* vector and error code */
        VMI_SITE VMI_IRET, iret

        .global switch_context
switch_context:
        movl    4(%esp), %eax
        movl    8(%esp), %edx
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        movl    %esp, (%eax)
        movl    %edx, %esp
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret

        .section .note.GNU-stack, "", @progbits
