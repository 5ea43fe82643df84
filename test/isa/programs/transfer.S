/* Far transfers: direct, through call gates of both sizes, conforming code, returns, interrupts between levels, SYSENTER. */
        .include "environment.inc"

IT "far JMP and CALL check null, type, privilege, presence", "SDM 2, JMP, CALL, Operation"
        FAULTS GP, 0, ljmp $0, $0
        FAULTS GP, KDS, ljmp $KDS, $0
        FAULTS GP, 0x18, ljmp $0x18, $0                 /* DPL 3, nonconforming, from CPL 0 */
        DESCRIPTOR FREE, 0, 0xfffff, 0x1b, 12
        FAULTS NP, FREE, lcall $FREE, $0
        DESCRIPTOR FREE, 0, 0xf, 0x9b, 4
        FAULTS GP, 0, lcall $FREE, $0x10
        END

IT "conforming code runs at the caller's CPL; CS holds CPL as RPL", "SDM 3A, Accessing Conforming Code Segments"
        movl $2f, recover
        USER
        ljmp $CONFORMING, $1f
1:      movl %cs, %ebx
        int3
2:      CHECK frame_ebx, CONFORMING | 3
        CHECK frame_cs, CONFORMING | 3
        END

IT "a 32-bit call gate to ring 0 copies parameters to the TSS's stack; RET drops them on both", "SDM 2, CALL, MORE-PRIVILEGE; RET"
        CALL_GATE FREE, KCS, 2f, 0xec, 2
        movl $3f, recover
        jmp 4f
2:      movl %esp, %ecx                                 /* the gate's target, at CPL 0 */
        CHECK %ecx, INNER_STACK - 24
        CHECK "(%ecx)", 1f
        CHECK 4(%ecx), UCS
        CHECK 8(%ecx), 0x22222222
        CHECK 12(%ecx), 0x11111111
        CHECK 16(%ecx), USER_STACK - 8
        CHECK 20(%ecx), UDS
        lret $8
4:      USER
        pushl $0x11111111
        pushl $0x22222222
        lcall $FREE | 3, $0x12345678                    /* the offset does not count */
1:      int3
3:      CHECK frame_esp, USER_STACK
        CHECK frame_cs, UCS
        END

IT "a 16-bit call gate pushes 16-bit words and uses 16 bits of the offset", "SDM 2, CALL, MORE-PRIVILEGE (CallGateSize = 16)"
        CALL_GATE FREE, KCS, 2f, 0xe4, 1
        movl $3f, recover
        jmp 4f
2:      movl %esp, %ecx
        CHECK %ecx, INNER_STACK - 10
        movzwl (%ecx), %edx
        CHECK %edx, 1f
        movzwl 4(%ecx), %edx
        CHECK %edx, 0x2222
        movzwl 6(%ecx), %edx
        CHECK %edx, USER_STACK - 2
        lretw $2
4:      USER
        pushw $0x2222
        lcall $FREE | 3, $0
1:      int3
3:      CHECK frame_cs, UCS
        END

IT "gates check their DPL, their presence, then the code behind them", "SDM 2, CALL, CALL-GATE"
        CALL_GATE FREE, KCS, 1f, 0x8c                   /* DPL 0 */
        CALL_GATE FREE + 8, KCS, 1f, 0x6c               /* not present */
        CALL_GATE FREE + 16, KDS, 1f, 0xec              /* not code */
        CALL_GATE FREE + 24, 0, 1f, 0xec                /* null */
1:
        .irp selector, FREE, FREE + 8, FREE + 16, FREE + 24
        movl $2f, recover
        USER
        lcall $(\selector) | 3, $0
        FAIL
2:      WRITE frame_vector
        WRITE frame_error
        .endr
        EXPECT GP, FREE
        EXPECT NP, FREE + 8
        EXPECT GP, KDS
        EXPECT GP, 0
        END

IT "a JMP through a gate does not change the privilege", "SDM 2, JMP, CALL-GATE"
        CALL_GATE FREE, KCS, 0, 0xec
        movl $1f, recover
        USER
        ljmp $FREE | 3, $0
1:      CHECK frame_vector, GP
        CHECK frame_error, KCS
        END

IT "the inner stack of a gate is checked: #TS with its selector", "SDM 2, CALL, MORE-PRIVILEGE"
        CALL_GATE FREE, KCS, 0, 0xec
        DESCRIPTOR FREE + 8, 0, 0xfffff, 0xb3, 12       /* DPL 1 */
        movl $tss3, %eax                                /* the #TS handler runs as a task: there is no stack for it */
        movw %ax, gdt + TSS2 + 2
        movw $0x67, gdt + TSS2
        movl $0x8900, gdt + TSS2 + 4
        movl $1f, tss3_eip
        INTERRUPT_GATE TS, 0, 0x85, TSS2
        movl $FREE + 8, tss + 8
        USER
        lcall $FREE | 3, $0
1:      popl %eax
        CHECK %eax, FREE + 8
        END
        .balign 16
tss3:   .long 0, 0, 0, 0, 0, 0, 0, DIRECTORY
tss3_eip:
        .long 0, 2, 0, 0, 0, 0, KERNEL_STACK, 0, 0, 0
        .long KDS, KCS, KDS, KDS, KDS, KDS, 0, 0x680000

IT "a far return cannot go inwards, and to an outer level it clears segments that the level may not use", "SDM 2, RET, RETURN-TO-OUTER-PRIVILEGE-LEVEL"
        movl $1f, recover
        movl %esp, kernel_esp
        movl $KDS, %eax
        movl %eax, %es
        movl $CONFORMING, %eax
        movl %eax, %fs
        pushl $UDS
        pushl $USER_STACK
        pushl $UCS
        pushl $2f
        lret
2:      movl %es, %eax
        movl %fs, %ebx
        movl %ds, %ecx
        movl $UDS, %edx
        movl %edx, %ds
        pushl $KCS
        pushl $0
3:      lret
1:      CHECK frame_eax, 0
        CHECK frame_ebx, CONFORMING
        CHECK frame_ecx, 0
        CHECK frame_vector, GP
        CHECK frame_error, KCS
        CHECK frame_eip, 3b
        CHECK frame_esp, USER_STACK - 8
        END

IT "an interrupt from CPL 3 saves SS:ESP on the stack of the TSS; INT needs the gate's DPL", "SDM 2, INT n, INTER-PRIVILEGE-LEVEL-INTERRUPT"
        INTERRUPT_GATE 0x40, 2f, 0xee
        movl $3f, recover
        jmp 4f
2:      CHECK "(%esp)", 1f
        CHECK 4(%esp), UCS
        CHECK 12(%esp), USER_STACK
        CHECK 16(%esp), UDS
        movl %esp, %eax
        CHECK %eax, INNER_STACK - 20
        iret
4:      USER
        int $0x40
1:      int $0x20                                       /* no gate: beyond nothing, but not present and of type 0 */
3:      CHECK frame_vector, GP
        CHECK frame_error, 0x20 * 8 + 2
        END

IT "INT to a gate of DPL 0 from CPL 3 is #GP(vector), a fault is not asked", "SDM 2, INT n, PROTECTED-MODE"
        movl $1f, recover
        USER
        int $0
1:      CHECK frame_vector, GP
        CHECK frame_error, 2
        movl $1f, recover
        USER
        xorl %ecx, %ecx
        divl %ecx
1:      CHECK frame_vector, DE
        END

IT "a trap gate keeps IF, an interrupt gate clears it; both clear TF and NT", "SDM 3A, Flag Usage By Exception- or Interrupt-Handler Procedure"
        INTERRUPT_GATE 0x40, 2f, 0x8f
        INTERRUPT_GATE 0x41, 2f, 0x8e
        pushl $F_NT | F_IF | 2
        popfl
        int $0x40
        EXPECT F_IF
        int $0x41
        EXPECT 0
        CHECK_FLAGS F_NT | F_IF, F_NT | F_IF
        pushl $2
        popfl
        END
2:      pushfl
        andl $F_NT | F_IF | F_TF, (%esp)
        call log_word
        iret

IT "16-bit gates push 16-bit words", "SDM 2, INT n (GateType 16)"
        INTERRUPT_GATE 0x40, 2f, 0x86
        jmp 3f
2:      movzwl (%esp), %eax
        CHECK %eax, 1f
        movzwl 2(%esp), %eax
        CHECK %eax, KCS
        iretw
3:      movl %esp, %ebx
        int $0x40
1:      subl %esp, %ebx
        CHECK %ebx, 0
        END

IT "POPF at CPL 3 changes neither IOPL nor IF, without a fault", "SDM 2, POPF, table Effect of POPF"
        movl $1f, recover
        USER 0x202
        pushl $F_IOPL3 | F_CF
        popfl
        pushfl
        popl %eax
        int3
1:      movl frame_eax, %eax
        andl $F_IOPL3 | F_IF | F_CF, %eax
        CHECK %eax, F_IF | F_CF
        END

IT "CLI and STI need CPL <= IOPL", "SDM 2, CLI, STI"
        movl $1f, recover
        USER
        cli
        FAIL
1:      CHECK frame_vector, GP
        CHECK frame_error, 0
        movl $1f, recover
        USER F_IOPL3
        sti
        pushfl
        popl %eax
        int3
1:      CHECK frame_vector, BP
        movl frame_eax, %eax
        andl $F_IF, %eax
        CHECK %eax, F_IF
        END

IT "IN and OUT ask the I/O permission bitmap above IOPL, bit by bit of their width", "SDM 1, I/O Permission Bit Map"
        movw $0x68 + 8, gdt + TSS                       /* limit: a map of 64 ports, and the byte of ones */
        andb $0xfd, gdt + TSS + 5
        movl $TSS, %eax
        ltr %ax
        movl $0x80000000, tss + 0x68                    /* port 31 is closed */
        movl $0, tss + 0x6c
        movb $0xff, tss + 0x70
        movl $1f, recover
        USER
        xorl %eax, %eax
        inb $30, %al
        inw $29, %ax
        int3
1:      CHECK frame_vector, BP
        .irp instruction, "inb $31, %al", "inw $30, %ax", "inl $28, %eax", "outb %al, $31"
        movl $1f, recover
        USER
        \instruction
        FAIL
1:      WRITE frame_vector
        .endr
        EXPECT GP, GP, GP, GP
        movl $1f, recover
        movl $0x40, %edx
        USER
        inb %dx, %al                                    /* beyond the map, but its byte of ones is there */
        FAIL
1:      CHECK frame_vector, GP
        movl $1f, recover
        USER F_IOPL3
        inb $31, %al
        int3
1:      CHECK frame_vector, BP
        END

IT "SYSENTER goes to the MSRs' CS, EIP and ESP with IF clear; SYSEXIT to EDX and ECX at CPL 3", "SDM 2, SYSENTER, SYSEXIT"
        movl $0x174, %ecx
        xorl %edx, %edx
        xorl %eax, %eax
        wrmsr
        FAULTS GP, 0, sysenter
        FAULTS GP, 0, sysexit
        movl $0x174, %ecx
        movl $0x100, %eax                               /* CS 0x100, SS 0x108, then 0x113 and 0x11b */
        wrmsr
        incl %ecx
        movl $KERNEL_STACK, %eax
        wrmsr
        incl %ecx
        movl $2f, %eax
        wrmsr
        movl $3f, recover
        jmp 4f
2:      CHECK %cs, 0x100
        CHECK %ss, 0x108
        CHECK_FLAGS F_IF, 0
        movl %esp, %eax
        CHECK %eax, KERNEL_STACK
        movl $1f, %edx
        movl $USER_STACK, %ecx
        movl %esp, kernel_esp
        sysexit
4:      USER 0x202
        sysenter
1:      movl %cs, %eax
        movl %ss, %ebx
        movl %esp, %esi
        sysexit                                         /* not at CPL 3 */
3:      CHECK frame_eax, 0x113
        CHECK frame_ebx, 0x11b
        CHECK frame_esi, USER_STACK
        CHECK frame_vector, GP
        END

IT "IRET with a bad frame faults at IRET with the stack as it was", "SDM 2, IRET, Protected Mode Exceptions"
        pushl $2
        pushl $0
        pushl $0
        movl %esp, %ebx
        FAULTS GP, 0, iret
        CHECK frame_esp, KERNEL_STACK - 12
        movl $KDS, 4(%esp)
        FAULTS GP, KDS, iret
        movl $TSS, 4(%esp)
        FAULTS GP, TSS, iret
        END

IT "STI holds interrupts off for one instruction, POPF does not", "SDM 2, STI, POPF"
        INTERRUPT_GATE 0x21, 2f
        movb $0x21, %al
        xorl %ebx, %ebx
        outb %al, $0xf8                                 /* a request, while IF is clear */
        sti
        incl %ebx                                       /* still before it */
        incl %ebx
        EXPECT 1
        CHECK %ebx, 2
        outb %al, $0xf8                                 /* with IF set it is taken at once */
        incl %ebx
        EXPECT 2
        cli
        outb %al, $0xf8
        pushl $F_IF | 2
        popfl                                           /* POPF has no such shadow */
        incl %ebx
        EXPECT 3
        END
2:      WRITE %ebx
        iret

IT "HLT waits for an interrupt and goes on behind itself", "SDM 2, HLT"
        INTERRUPT_GATE 0x21, 2f
        movl $0, %ebx
        movb $0x21, %al
        jmp 3f
2:      CHECK "(%esp)", 1f
        incl %ebx
        iret
3:      outb %al, $0xf8
        sti
        hlt
1:      cli
        CHECK %ebx, 1
        END

IT "NMI goes through vector 2 whatever IF says, and not again before IRET", "SDM 3A, Nonmaskable Interrupt; Handling Multiple NMIs"
        INTERRUPT_GATE 2, 2f
        xorl %ebx, %ebx
        jmp 4f
2:      incl %ebx
        cmpl $1, %ebx
        jne 3f
        outb %al, $0xf9
        nop
        nop
        CHECK %ebx, 1
3:      iret
4:      outb %al, $0xf9
        nop
        CHECK %ebx, 2
        END
