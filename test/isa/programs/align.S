/* Alignment checking. (SDM 3A, "Interrupt 17 - Alignment Check Exception (#AC)") */
        .include "environment.inc"

.macro ALIGN_CHECK
        movl %cr0, %eax
        orl $0x40000, %eax                              /* CR0.AM */
        movl %eax, %cr0
.endm

/* At CPL 3 with AC set: the instruction must raise `vector` with `error`. ESI, EDI, EBP point at PAGE. */
.macro USER_FAULTS vector, error, instruction:vararg
        movl $.Lafter\@, recover
        movl $PAGE, %esi
        movl $PAGE, %edi
        movl $PAGE, %ebp
        USER F_AC | 2
.Lat\@: \instruction
        int3
.Lafter\@:
        CHECK frame_vector, \vector
        CHECK frame_error, \error
.endm

IT "words and doublewords must be multiples of their size at CPL 3", "SDM 3A, table Alignment Requirements by Data Type"
        ALIGN_CHECK
        USER_FAULTS AC, 0, movl 1(%esi), %eax
        USER_FAULTS AC, 0, movl 2(%esi), %eax
        USER_FAULTS AC, 0, movl %eax, 3(%esi)
        USER_FAULTS AC, 0, movw 1(%esi), %ax
        USER_FAULTS BP, NONE, movl 4(%esi), %eax
        USER_FAULTS BP, NONE, movw 2(%esi), %ax
        USER_FAULTS BP, NONE, movb 3(%esi), %al
        END

IT "read-modify-write, stack, strings, XCHG and LOCK are checked", "SDM 3A, Interrupt 17"
        ALIGN_CHECK
        USER_FAULTS AC, 0, addl %eax, 1(%esi)
        USER_FAULTS AC, 0, lock incl 2(%esi)
        USER_FAULTS AC, 0, xchgl %eax, 1(%esi)
        USER_FAULTS AC, 0, cmpxchg8b 4(%esi)
        USER_FAULTS BP, NONE, cmpxchg8b 8(%esi)
        USER_FAULTS BP, NONE, pushl %eax
        movl $1f, recover
        USER F_AC | 2
        pushw %ax
2:      pushl %eax
        FAIL
1:      CHECK frame_vector, AC
        CHECK frame_eip, 2b
        CHECK frame_esp, USER_STACK - 2
        END

IT "an alignment fault leaves everything as it was", "SDM 3A, Interrupt 17: it is a fault"
        ALIGN_CHECK
        movl $0x11223344, PAGE
        movl $0x55667788, PAGE + 4
        USER_FAULTS AC, 0, xchgl %eax, 1(%esi)
        CHECK PAGE, 0x11223344
        CHECK PAGE+4, 0x55667788
        CHECK frame_eax, UDS
        END

IT "not at CPL 0 to 2, not without AC, not without AM", "SDM 3A, Interrupt 17; CR0.AM; EFLAGS.AC"
        ALIGN_CHECK
        pushl $F_AC | 2
        popfl
        movl PAGE + 1, %eax
        CHECK_FLAGS F_AC, F_AC
        pushl $2
        popfl
        movl $1f, recover
        USER 2
        movl PAGE + 1, %eax
        int3
1:      CHECK frame_vector, BP
        movl %cr0, %eax
        andl $~0x40000, %eax
        movl %eax, %cr0
        USER_FAULTS BP, NONE, movl 1(%esi), %eax
        END

IT "POPF that sets AC turns it on for the next instruction, and the handler is not checked", "SDM 2, POPF"
        ALIGN_CHECK
        movl $1f, recover
        USER 2
        pushl $F_AC | 2
        popfl
2:      movl PAGE + 2, %eax
        FAIL
1:      CHECK frame_vector, AC
        CHECK frame_eip, 2b
        movl PAGE + 1, %eax
        CHECK $1, 1
        END

IT "implicit accesses to tables and the stack of an inner level are not checked", "SDM 3A, Interrupt 17: only data references at CPL 3"
        ALIGN_CHECK
        movl $INNER_STACK - 1, tss + 4
        INTERRUPT_GATE 0x40, 2f, 0xee
        jmp 1f
2:      movl 12(%esp), %eax
        CHECK %eax, USER_STACK
        CHECK $INNER_STACK-21, INNER_STACK - 21
        iret
1:      movl $3f, recover
        USER F_AC | 2
        int $0x40
        int3
3:      CHECK frame_vector, BP
        END

IT "string instructions in bulk are checked as well", "SDM 3A, Interrupt 17"
        ALIGN_CHECK
        movl $1f, recover
        USER F_AC | 2
        movl $PAGE + 2, %edi
        movl $20, %ecx
        rep stosl
        FAIL
1:      CHECK frame_vector, AC
        CHECK frame_ecx, 20
        END
