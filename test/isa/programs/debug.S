/* Debug registers, single-step, RF. (SDM 3B, "Debug, Branch Profile, TSC") */
        .include "environment.inc"

/* Waits for `access` (0 execute, 1 write, 2 I/O, 3 read or write) of `length` - 1 + 1 bytes at `linear`. */
.macro WATCH linear, access, length
        movl $\linear, %eax
        movl %eax, %dr0
        xorl %eax, %eax
        movl %eax, %dr6
        movl $(2 | (\access) << 16 | ((\length) - 1) << 18), %eax
        movl %eax, %dr7
.endm

/* The trap must have left EIP at `eip` and DR6 with `bits`. */
.macro TRAPPED eip, bits
        CHECK frame_vector, DB
        CHECK frame_eip, \eip
        movl %dr6, %eax
        andl $0xe00f, %eax
        CHECK %eax, \bits
        xorl %eax, %eax
        movl %eax, %dr6
.endm

IT "a data breakpoint on writes traps after the write, not on reads", "SDM 3B, Data Memory and I/O Breakpoint Exception Conditions"
        WATCH PAGE + 4, 1, 4
        CATCH 2f
        movl PAGE + 4, %eax
        movl $7, PAGE
        movl $7, PAGE + 8
        movl $0x1234, PAGE + 4
1:      FAIL
2:      CHECK PAGE+4, 0x1234
        TRAPPED 1b, 1
        END

IT "a data breakpoint on reads and writes traps on both", "SDM 3B, Debug Control Register (DR7), R/W0 through R/W3"
        WATCH PAGE + 4, 3, 4
        CATCH 2f
        movl PAGE + 4, %ebx
1:      FAIL
2:      TRAPPED 1b, 1
        CATCH 2f
        movl %ebx, PAGE + 4
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "any byte in common counts, and neighbours do not", "SDM 3B, table Breakpoint Examples"
        WATCH PAGE + 4, 3, 2
        CATCH 2f
        movb PAGE + 3, %al
        movb PAGE + 6, %al
        movl PAGE, %eax
        movw PAGE + 2, %ax
        movl PAGE + 1, %eax                             /* bytes 1 to 4 */
1:      FAIL
2:      TRAPPED 1b, 1
        CATCH 2f
        movb PAGE + 5, %al
1:      FAIL
2:      TRAPPED 1b, 1
        CATCH 2f
        movl PAGE + 2, %eax
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "the address counts as aligned to the length", "SDM 3B, Debug Address Registers: LEN and alignment"
        WATCH PAGE + 7, 3, 4
        CATCH 2f
        movb PAGE + 8, %al
        movb PAGE + 4, %al
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "an access across a page end is seen in the second page", "SDM 3B, table Breakpoint Examples"
        WATCH PAGE, 3, 1
        CATCH 2f
        movl PAGE - 4, %eax
        movl PAGE - 2, %eax
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "read-modify-write, stack and string instructions are seen", "SDM 3B, Data Memory and I/O Breakpoint Exception Conditions"
        WATCH PAGE + 4, 1, 4
        CATCH 2f
        movl $PAGE + 8, %ebx
        xchgl %ebx, %esp
        pushl $1
1:      FAIL
2:      TRAPPED 1b, 1
        movl $PAGE + 4, %edi
        .irp instruction, "incl (%edi)", "lock addl $1, (%edi)", "xchgl %eax, (%edi)", "btsl $3, (%edi)", "cmpxchg8b -4(%edi)", "stosl", "setc -2(%edi)", "cmpxchgl %edx, -4(%edi)"
        CATCH 2f
        \instruction
1:      FAIL
2:      TRAPPED 1b, 1
        .endr
        END

IT "REP traps between iterations, with the registers of the next one", "SDM 3B, Data Memory and I/O Breakpoint: REP MOVS and REP STOS"
        WATCH PAGE + 8, 1, 4
        CATCH 2f
        movl $PAGE, %edi
        movl $5, %ecx
1:      rep stosl
        FAIL
2:      CHECK frame_ecx, 2
        CHECK frame_edi, PAGE + 12
        TRAPPED 1b, 1
        END

IT "reads of descriptor tables by the processor itself are not seen", "SDM 3B, Data Memory Breakpoint: silent on them (a deviation is possible here)"
        WATCH gdt + KDS, 3, 4
        CATCH 2f
        movl $KDS, %eax
        movl %eax, %es
        movl gdt + KDS, %eax
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "an instruction that faults has met no breakpoint", "SDM 3A, Program or Task Continuity; SDM 3B, Data Memory Breakpoint"
        call enable_paging
        WATCH PAGE, 3, 4
        movl $PAGE, %esi
        movl $PAGE + 0x1000, %edi
        PTE PAGE+0x1000, 0
        FAULTS PF, 2, movsl
        movl %dr6, %eax
        andl $0xf, %eax
        CHECK %eax, 0
        END

IT "an instruction breakpoint is a fault before the instruction, with RF clear in the image", "SDM 3B, Instruction-Breakpoint Exception Condition"
        WATCH 1f, 0, 1
        movl $5, %ebx
        CATCH 2f
        nop
1:      movl $6, %ebx
        FAIL
2:      CHECK frame_ebx, 5
        movl frame_eflags, %eax
        andl $F_RF, %eax
        CHECK %eax, 0
        TRAPPED 1b, 1
        END

IT "IRET with RF goes past it, once", "SDM 3B, Instruction-Breakpoint Exception Condition, RF"
        WATCH 1f, 0, 1
        INTERRUPT_GATE DB, 3f
        xorl %ebx, %ebx
        movl $3, %ecx
        jmp 1f
3:      incl %ebx
        orl $F_RF, 8(%esp)
        iret
1:      decl %ecx
        jnz 1b
        CHECK %ebx, 3
        pushfl
        popl %eax
        andl $F_RF, %eax
        CHECK %eax, 0
        END

IT "it comes before the page fault of the fetch", "SDM 3A, table Priority Among Concurrent Events"
        call enable_paging
        WATCH PAGE, 0, 1
        PTE PAGE, 0
        CATCH 2f
        movl $PAGE, %eax
        jmp *%eax
2:      TRAPPED PAGE, 1
        END

IT "the instruction after MOV SS has no instruction breakpoint", "SDM 3A, Masking Exceptions and Interrupts When Switching Stacks"
        WATCH 1f, 0, 1
        CATCH 3f
        movl %ss, %ecx
        movl %ecx, %ss
1:      movl $7, %ebx
        CHECK %ebx, 7
        jmp 2f
3:      FAIL
2:      xorl %eax, %eax
        movl %eax, %dr7
        END

IT "a data breakpoint of MOV SS waits for the instruction after it", "SDM 3A, Masking Exceptions and Interrupts When Switching Stacks"
        movl $KDS, PAGE
        WATCH PAGE, 3, 2
        CATCH 3f
        movl $1, %ebx
        movw PAGE, %ss
        movl $2, %ebx
1:      movl $3, %ebx
        FAIL
3:      CHECK frame_ebx, 2
        TRAPPED 1b, 1
        END

IT "disabled breakpoints and those of the other kind do nothing", "SDM 3B, Debug Control Register (DR7)"
        movl $PAGE, %eax
        movl %eax, %dr0
        movl $0x000f0000, %eax
        movl %eax, %dr7
        CATCH 2f
        movl PAGE, %eax
        WATCH PAGE, 0, 1
        movl PAGE, %eax
        CHECK $1, 1
        jmp 1f
2:      FAIL
1:      END

IT "all four are told at once", "SDM 3B, Debug Status Register (DR6)"
        movl $PAGE, %eax
        movl %eax, %dr0
        movl %eax, %dr2
        incl %eax
        movl %eax, %dr1
        addl $8, %eax
        movl %eax, %dr3
        xorl %eax, %eax
        movl %eax, %dr6
        movl $0x333300ff, %eax                          /* one byte each, reads and writes */
        movl %eax, %dr7
        CATCH 2f
        movw PAGE, %bx
1:      FAIL
2:      TRAPPED 1b, 7
        END

IT "an I/O breakpoint needs CR4.DE, and then traps after IN or OUT", "SDM 3B, R/W 10B; SDM 3A, CR4.DE"
        WATCH 0x80, 2, 2
        CATCH 2f
        inb $0x81, %al
        movl %cr4, %eax
        orl $8, %eax
        movl %eax, %cr4
        inb $0x82, %al
        inb $0x81, %al
1:      FAIL
2:      TRAPPED 1b, 1
        CATCH 2f
        outw %ax, $0x7f
1:      FAIL
2:      TRAPPED 1b, 1
        END

IT "GD makes any access to a debug register a fault, and the handler finds it clear", "SDM 3B, General-Detect Exception Condition"
        movl $0x2000, %eax
        movl %eax, %dr7
        CATCH 2f
1:      movl %dr0, %ebx
        FAIL
2:      movl %dr7, %eax
        CHECK %eax, 0x400
        TRAPPED 1b, 0x2000
        END

IT "DR4 and DR5 are DR6 and DR7 until CR4.DE makes them undefined", "SDM 3B, Debug Registers DR4 and DR5"
        movl $0x400, %eax
        .byte 0x0f, 0x23, 0xe8                          /* mov dr5, eax */
        .byte 0x0f, 0x21, 0xeb                          /* mov ebx, dr5 */
        CHECK %ebx, 0x400
        movl %cr4, %eax
        orl $8, %eax
        movl %eax, %cr4
        FAULTS UD, NONE, .byte 0x0f, 0x21, 0xe3
        END

IT "DR6 and DR7 have their fixed bits", "SDM 3B, Debug Status Register; Debug Control Register"
        xorl %eax, %eax
        movl %eax, %dr6
        movl %dr6, %eax
        CHECK %eax, 0xffff0ff0
        xorl %eax, %eax
        movl %eax, %dr7
        movl %dr7, %eax
        CHECK %eax, 0x400
        END

IT "debug registers are privileged", "SDM 2, MOV - Move to/from Debug Registers"
        movl $1f, recover
        USER
        movl %dr7, %eax
        FAIL
1:      CHECK frame_vector, GP
        CHECK frame_error, 0
        END

/* From here on: TF. The handler logs the EIP that it finds and goes on stepping, until TF is cleared by the code itself. */
.macro STEP
        INTERRUPT_GATE DB, stepped
        pushl $F_TF | 2
        popfl
.endm

.macro UNSTEP
        pushl $2
        popfl
.endm

stepped:
        pushl %ds
        pushl $KDS
        popl %ds
        WRITE 4(%esp)
        popl %ds
        iret

IT "TF traps after each instruction that begins with it, not after the POPF that sets it", "SDM 3B, Single-Step Exception Condition"
        STEP
1:      nop
2:      movl $1, %eax
3:      UNSTEP
        EXPECT 2b, 3b, 3b + 2
        EXPECT 3b + 3
        END

IT "TF traps after every iteration of a repeated string", "SDM 3B, Single-Step Exception Condition"
        movl $PAGE, %edi
        movl $3, %ecx
        STEP
1:      rep stosl
2:      UNSTEP
        EXPECT 1b, 1b, 2b, 2b + 2
        EXPECT 2b + 3
        END

IT "TF traps at the target of branches, calls and returns", "SDM 3B, Single-Step Exception Condition"
        xorl %ecx, %ecx
        STEP
        jmp 2f
1:      ret
2:      call 1b
3:      jecxz 4f
        FAIL
4:      movl $2, %ecx
5:      loop 5b
6:      UNSTEP
        EXPECT 2b, 1b, 3b, 4b, 5b, 5b, 6b, 6b + 2, 6b + 3
        END

IT "MOV SS and POP SS hold the trap until the next instruction is done", "SDM 3A, Masking Exceptions and Interrupts When Switching Stacks"
        movl %ss, %ecx
        STEP
1:      movl %ecx, %ss
2:      nop
3:      nop
4:      UNSTEP
        EXPECT 3b, 4b, 4b + 2, 4b + 3
        END

IT "INT n is not stepped into: TF is clear in the handler and set again by its IRET", "SDM 3B, Single-Step Exception Condition; SDM 2, INT n"
        INTERRUPT_GATE 0x40, 9f
        jmp 1f
9:      nop
        iret
1:      STEP
        int $0x40
2:      nop
3:      UNSTEP
        EXPECT 3b, 3b + 2, 3b + 3
        END

IT "a fault has no trap of its own; its handler is not stepped", "SDM 3A, table Priority Among Concurrent Events"
        INTERRUPT_GATE UD, 9f
        jmp 1f
9:      addl $2, (%esp)
        iret
1:      STEP
        ud2
2:      nop
3:      UNSTEP
        EXPECT 3b, 3b + 2, 3b + 3
        END

IT "DR6.BS is set, and adds up with breakpoints met at the same time", "SDM 3B, Debug Status Register (DR6)"
        WATCH PAGE, 1, 4
        CATCH 3f
        pushl $F_TF | 2
        popfl
        movl $1, PAGE
1:      nop
3:      TRAPPED 1b, 0x4001
        END

IT "an instruction breakpoint at the instruction after a step is a second exception", "SDM 3A, table Priority Among Concurrent Events"
        WATCH 2f, 0, 1
        INTERRUPT_GATE DB, stepped2
        jmp 1f
stepped2:
        WRITE "(%esp)"
        pushl %eax
        movl %dr6, %eax
        andl $0x400f, %eax
        WRITE %eax
        testl $1, %eax
        jz 9f
        orl $F_RF, 12(%esp)
        andl $~F_TF, 12(%esp)
9:      xorl %eax, %eax
        movl %eax, %dr6
        popl %eax
        iret
1:      pushl $F_TF | 2
        popfl
        nop
2:      nop
3:      nop
        EXPECT 2b, 0x4000, 2b, 1
        END

IT "IRET that sets TF traps after the instruction it returns to", "SDM 2, IRET; SDM 3B, Single-Step Exception Condition"
        INTERRUPT_GATE DB, stepped
        pushl $F_TF | 2
        pushl $KCS
        pushl $1f
        iret
1:      nop
2:      UNSTEP
        EXPECT 2b, 2b + 2, 2b + 3
        END
