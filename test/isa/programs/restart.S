/*
 * Page-fault restart: every family that writes memory runs twice, once on present pages and once with the second page of its operand
 * missing. The second run must fault once, with nothing changed, and after the page is there end in the same registers and memory.
 * (SDM 3A, "Interrupt 14"; SDM 3A, "Program or Task Continuity Following an Exception")
 */
        .include "environment.inc"

WINDOW = PAGE - 64              /* 128 bytes around the page boundary that are filled and compared */

/* expected error codes: present = 0; write = 2, user = 4 */
.macro RESTARTS error, instruction:vararg
        movl $.Lcode\@, %eax
        movl $\error, %ebx
        call restart
        jmp .Lover\@
.Lcode\@:
        \instruction
        int $0x40
.Lover\@:
        EXPECT 1, \error, 0
.endm

/* Registers at the start, in PUSHA's order from EDI up. */
template:
        .long PAGE - 2          /* EDI: a word on each side of the boundary */
        .long PAGE - 32         /* ESI */
        .long PAGE + 6          /* EBP */
        .long PAGE + 6          /* ESP: the second push of 4 bytes crosses */
        .long 0x5               /* EBX */
        .long 0x80000001        /* EDX */
        .long 0x3               /* ECX */
        .long 0x11223344        /* EAX */
counts: .long 0                 /* page faults */
error_code: .long 0
differences: .long 0
code:   .long 0
strict: .long 1                 /* registers must be those of the template at the fault */
run_esp: .long 0
first:  .fill 10 * 4 + 128, 1, 0
second: .fill 10 * 4 + 128, 1, 0

/* Runs the code at EAX both ways and logs: faults, error code, differences. */
restart:
        movl %eax, code
        movl $0, counts
        movl $0, differences
        movl $first, %ebx
        movl $PAGE + 7, %ecx
        call run
        movl $second, %ebx
        movl $PAGE + 6, %ecx                    /* not present */
        call run
        movl $first, %esi
        movl $second, %edi
        movl $(10 * 4 + 128) / 4, %ecx
        call compare
        WRITE counts
        WRITE error_code
        WRITE differences
        ret

/* Adds the number of words that differ to `differences`. ESI, EDI, ECX words. */
compare:
        cmpsl
        je 1f
        incl differences
1:      decl %ecx
        jnz compare
        ret

/* One run with page-table entry ECX for PAGE, results to EBX: registers, EFLAGS, EIP, memory. */
run:
        pushl %ebx
        PTE PAGE, 0x20007
        movl $WINDOW, %edi
        movl $128, %edx
1:      movb %dl, (%edi)
        xorb $0x5a, (%edi)
        incl %edi
        decl %edx
        jnz 1b
        movl %ecx, TABLE + PAGE / 4096 * 4
        invlpg PAGE
        INTERRUPT_GATE PF, 2f
        INTERRUPT_GATE 0x40, 3f, 0xee
        movl %esp, run_esp
        pushl $UDS
        pushl template + 12
        pushl $F_IOPL3 | F_CF | 2               /* IOPL 3: port instructions take part */
        pushl $UCS
        pushl code
        movl $UDS, %eax
        movl %eax, %ds
        movl %eax, %es
        movl template, %edi
        movl template + 4, %esi
        movl template + 8, %ebp
        movl template + 16, %ebx
        movl template + 20, %edx
        movl template + 24, %ecx
        movl template + 28, %eax
        iret
        /* the page fault: are registers and memory as before? */
2:      pushal
        incl counts
        movl 32(%esp), %eax
        movl %eax, error_code
        cmpl $0, strict
        je 5f
        movl 48(%esp), %eax                     /* ESP of the user */
        movl %eax, 12(%esp)
        movl %esp, %esi
        movl $template, %edi
        movl $8, %ecx
        call compare
        movl 36(%esp), %eax
        cmpl code, %eax
        je 4f
        incl differences
4:      movl $WINDOW, %edi                      /* the first page's half of the pattern */
        movl $128, %edx
6:      movb %dl, %al
        xorb $0x5a, %al
        cmpb %al, (%edi)
        je 7f
        incl differences
7:      incl %edi
        decl %edx
        cmpl $64, %edx
        jne 6b
5:      PTE PAGE, 0x20007
        popal
        addl $4, %esp
        iret
3:      pushal
        movl 40(%esp), %eax
        movl %eax, 12(%esp)
        movl run_esp, %ebx
        movl (%ebx), %edi
        movl %esp, %esi
        movl $8, %ecx
        cld
        rep movsl
        movl 32(%esp), %eax                     /* EIP */
        movl %eax, (%edi)
        movl 40(%esp), %eax                     /* EFLAGS without RF, which the restart sets */
        andl $~F_RF, %eax
        movl %eax, 4(%edi)
        addl $8, %edi
        movl $WINDOW, %esi
        movl $32, %ecx
        rep movsl
        movl $KDS, %eax
        movl %eax, %ds
        movl %eax, %es
        movl run_esp, %esp
        addl $4, %esp
        ret

IT "MOV, all sizes and immediates", "SDM 3A, Interrupt 14; SDM 2, MOV"
        call enable_paging
        RESTARTS 6, movl %eax, (%edi)
        RESTARTS 6, movl $0x12345678, (%edi)
        RESTARTS 6, movw %ax, 1(%edi)
        RESTARTS 6, movb %al, 2(%edi)
        RESTARTS 6, movl %eax, PAGE-1
        RESTARTS 6, movw %ds, 1(%edi)
        RESTARTS 6, setc 2(%edi)
        END

IT "ADD and its kin: read-modify-write reports a write", "SDM 3A, Interrupt 14"
        call enable_paging
        .irp instruction, addl, orl, adcl, sbbl, andl, subl, xorl
        RESTARTS 6, \instruction %eax, (%edi)
        RESTARTS 6, \instruction $0x7f, (%edi)
        .endr
        .irp instruction, incl, decl, negl, notl
        RESTARTS 6, \instruction (%edi)
        .endr
        RESTARTS 6, lock addl %eax, (%edi)
        RESTARTS 6, addw %ax, 1(%edi)
        RESTARTS 6, incb 2(%edi)
        END

IT "CMP and TEST report a read", "SDM 3A, Interrupt 14"
        call enable_paging
        RESTARTS 4, cmpl %eax, (%edi)
        RESTARTS 4, testl %eax, (%edi)
        RESTARTS 4, addl (%edi), %eax
        RESTARTS 4, movzwl 1(%edi), %eax
        RESTARTS 4, cmovcl (%edi), %eax
        RESTARTS 4, cmovncl (%edi), %eax
        RESTARTS 4, mull (%edi)
        RESTARTS 4, imull $3, (%edi), %ecx
        END

IT "shifts, rotates and double shifts", "SDM 3A, Interrupt 14; SDM 2, SAL, RCL, SHLD"
        call enable_paging
        .irp instruction, roll, rorl, rcll, rcrl, shll, shrl, sarl
        RESTARTS 6, \instruction $3, (%edi)
        RESTARTS 6, \instruction %cl, (%edi)
        .endr
        RESTARTS 6, shldl $4, %eax, (%edi)
        RESTARTS 6, shrdl %cl, %eax, (%edi)
        END

IT "bit tests that write, with a register offset beyond the operand", "SDM 2, BTS"
        call enable_paging
        RESTARTS 6, btsl $5, (%edi)
        RESTARTS 6, btrl $5, (%edi)
        RESTARTS 6, btcl $5, (%edi)
        RESTARTS 4, btl $5, (%edi)
        RESTARTS 6, btsl %ebx, (%edi)
        END

IT "XCHG, XADD, CMPXCHG both ways, CMPXCHG8B both ways", "SDM 2, XCHG, XADD, CMPXCHG, CMPXCHG8B"
        call enable_paging
        RESTARTS 6, xchgl %eax, (%edi)
        RESTARTS 6, xaddl %eax, (%edi)
        RESTARTS 6, cmpxchgl %ebx, (%edi)
        movl $0x585f5e5d, template+28                   /* not equal either; the equal one is made by hand below */
        RESTARTS 6, lock cmpxchgl %ebx, (%edi)
        RESTARTS 6, cmpxchg8b -2(%edi)
        END

IT "stack: PUSH, CALL, PUSHA, PUSHF, ENTER", "SDM 2, PUSH, CALL, PUSHA, PUSHF, ENTER"
        call enable_paging
        movl $PAGE + 2, template+12
        RESTARTS 6, pushl %eax
        RESTARTS 6, pushl $5
        RESTARTS 6, pushw $5
        RESTARTS 6, pushfl
        RESTARTS 6, pushal
        RESTARTS 6, call . + 5
        RESTARTS 6, enter $8, $0
        RESTARTS 6, pushl %ds
        RESTARTS 4, pushl (%edi)
        movl $PAGE + 8, template+12
        RESTARTS 6, pushal
        RESTARTS 6, lcall $UCS, $. + 7
        END

IT "ENTER with nesting copies frame pointers", "SDM 2, ENTER"
        call enable_paging
        movl $PAGE - 16, template+8
        movl $PAGE + 8, template+12
        RESTARTS 6, enter $8, $3
        END

IT "POP to memory, POPA, LEAVE, RET", "SDM 2, POP, POPA, LEAVE"
        call enable_paging
        movl $PAGE - 40, template+12
        RESTARTS 6, popl (%edi)
        movl $PAGE - 18, template+12
        RESTARTS 4, popal
        movl $PAGE - 2, template+8
        RESTARTS 4, leave
        movl $PAGE - 2, template+12
        RESTARTS 4, popl %eax
        RESTARTS 4, popfl
        END

IT "POP with an ESP-based destination", "SDM 2, POP: the effective address uses ESP after the increment"
        call enable_paging
        movl $PAGE - 40, template+12
        RESTARTS 6, popl 34(%esp)
        END

IT "string stores: MOVS, STOS, INS, single", "SDM 2, MOVS, STOS, INS"
        call enable_paging
        RESTARTS 6, movsl
        RESTARTS 6, stosl
        RESTARTS 6, insl
        movl $PAGE - 2, template+4
        movl $PAGE - 32, template
        RESTARTS 4, movsl
        RESTARTS 4, lodsl
        RESTARTS 4, outsl
        RESTARTS 4, cmpsl
        END

IT "repeated strings go on where they stopped", "SDM 2, REP; SDM 3A, Interrupt 14"
        call enable_paging
        movl $0, strict
        movl $20, template+24
        RESTARTS 6, rep movsb
        RESTARTS 6, rep movsl
        RESTARTS 6, rep stosb
        RESTARTS 6, rep stosl
        RESTARTS 6, rep stosw
        RESTARTS 6, rep insb
        movl $PAGE - 7, template+4
        movl $PAGE - 50, template
        RESTARTS 4, rep movsb
        RESTARTS 4, rep movsw
        RESTARTS 4, rep lodsb
        RESTARTS 4, rep outsb
        movl $PAGE - 8, template
        RESTARTS 4, repne scasb
        END

IT "system stores: SGDT, SIDT, SMSW, SLDT, STR, ARPL", "SDM 2, SGDT, SLDT, STR, SMSW, ARPL"
        call enable_paging
        RESTARTS 6, sgdt (%edi)
        RESTARTS 6, sidt -2(%edi)
        RESTARTS 6, smsw 1(%edi)
        RESTARTS 6, sldt 1(%edi)
        RESTARTS 6, str 1(%edi)
        RESTARTS 4, arpl %bx, 1(%edi)                   /* processors read first and write only if RPL changes */
        RESTARTS 4, lar 1(%edi), %eax
        END
