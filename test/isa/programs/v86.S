/* Virtual-8086 mode without VME. (SDM 3A, "8086 Emulation") */
        .include "environment.inc"

IT "IRET enters with nine words: segments are selectors x 16, CPL is 3", "SDM 2, IRET, RETURN-TO-VIRTUAL-8086-MODE; SDM 3A, Entering Virtual-8086 Mode"
        movl $3f, recover
        movl %esp, kernel_esp
        movl $0x89abcdef, PAGE + 4
        pushl $0x1111                                   /* GS */
        pushl $0x2222                                   /* FS */
        pushl $PAGE / 16                                /* DS */
        pushl $0x4444                                   /* ES */
        pushl $0                                        /* SS */
        pushl $USER_STACK
        pushl $F_VM | F_IOPL3 | 2
        pushl $0
        pushl $1f
        iret
        .code16
1:      movl 4, %eax
        movw %gs, %bx
        movw %fs, %cx
        movw %es, %dx
        movl %esp, %esi
2:      hlt
        .code32
3:      CHECK frame_vector, GP
        CHECK frame_error, 0
        CHECK frame_eip, 2b
        CHECK frame_eax, 0x89abcdef
        movzwl frame_ebx, %eax
        CHECK %eax, 0x1111
        movzwl frame_ecx, %eax
        CHECK %eax, 0x2222
        movzwl frame_edx, %eax
        CHECK %eax, 0x4444
        CHECK frame_esi, USER_STACK
        END

IT "an exception saves ES, DS, FS and GS behind SS:ESP and leaves null selectors", "SDM 3A, Class 1 - Hardware Interrupt and Exception Handling in Virtual-8086 Mode"
        INTERRUPT_GATE UD, 2f
        jmp 1f
2:      movl %ds, %eax
        movl %es, %ebx
        movl %fs, %ecx
        movl %gs, %edx
        movl $KDS, %esi
        movl %esi, %ds
        CHECK %eax, 0
        CHECK %ebx, 0
        CHECK %ecx, 0
        CHECK %edx, 0
        CHECK "(%esp)", 3f-0x1000
        CHECK 4(%esp), 0x100
        movl 8(%esp), %eax
        andl $F_VM | F_RF, %eax
        CHECK %eax, F_VM | F_RF
        CHECK 12(%esp), 0x1234
        CHECK 16(%esp), 0x55
        CHECK 20(%esp), 0x2222                          /* ES */
        CHECK 24(%esp), 0x3333                          /* DS */
        CHECK 28(%esp), 0x4444                          /* FS */
        CHECK 32(%esp), 0x5555                          /* GS */
        movl %esp, %eax
        CHECK %eax, INNER_STACK - 36
        END
1:      pushl $0x5555
        pushl $0x4444
        pushl $0x3333
        pushl $0x2222
        pushl $0x55
        pushl $0x1234
        pushl $F_VM | 2
        pushl $0x100
        pushl $3f - 0x1000
        iret
        .code16
3:      ud2
        .code32

IT "CLI, STI, PUSHF, POPF, INT n and IRET are #GP(0) below IOPL 3", "SDM 3A, Sensitive Instructions"
        .irp instruction, cli, sti, pushfw, popfw, "int $0x40", iretw, pushfl, popfl, iretl
        TO_V86 0
        movl $1f, recover
        \instruction
        ud2
        .code32
1:      WRITE frame_vector
        WRITE frame_error
        .endr
        .rept 9
        EXPECT GP, 0
        .endr
        END

IT "INT3, INTO and BOUND are not IOPL-sensitive", "SDM 2, INT3, INTO; SDM 3A, Sensitive Instructions"
        TO_V86 0
        movl $1f, recover
        int3
        ud2
        .code32
1:      CHECK frame_vector, BP
        TO_V86 0x800
        movl $1f, recover
        into
        ud2
        .code32
1:      CHECK frame_vector, OF
        END

IT "at IOPL 3 they work: POPF changes IF but neither IOPL nor VM", "SDM 2, POPF, CLI, STI"
        TO_V86 F_IOPL3
        sti
        pushfl
        popl %eax
        pushl $F_VM | F_CF
        popfl
        pushfl
        popl %ebx
        FAULTS16 UD, NONE, ud2
        movl frame_eax, %eax
        andl $F_IF | F_IOPL3 | F_VM, %eax
        CHECK %eax, F_IF | F_IOPL3                      /* PUSHF shows VM as 0 */
        movl frame_ebx, %eax
        andl $F_IF | F_IOPL3 | F_CF, %eax
        CHECK %eax, F_IOPL3 | F_CF
        movl frame_eflags, %eax
        andl $F_VM, %eax
        CHECK %eax, F_VM
        END

IT "INT n at IOPL 3 goes through the protected-mode IDT to ring 0, and IRET comes back", "SDM 3A, Class 1 - Hardware Interrupt and Exception Handling"
        INTERRUPT_GATE 0x40, 2f, 0xee
        jmp 1f
2:      pushl %eax
        movl $KDS, %eax
        movl %eax, %ds
        popl %eax
        CHECK %eax, 0x1234
        incl %eax
        iret
1:      TO_V86 F_IOPL3
        movl $0x1234, %eax
        int $0x40
        FAULTS16 UD, NONE, ud2
        CHECK frame_eax, 0x1235
        movl frame_eflags, %eax
        andl $F_VM, %eax
        CHECK %eax, F_VM
        END

IT "a gate to a code segment that is not DPL 0 is #GP(selector)", "SDM 2, INT n, INTERRUPT-FROM-VIRTUAL-8086-MODE"
        INTERRUPT_GATE 0x40, 0, 0xee, UCS
        TO_V86 F_IOPL3
        FAULTS16 GP, UCS & ~3, int $0x40
        INTERRUPT_GATE 0x40, 0, 0xee, CONFORMING
        TO_V86 F_IOPL3
        FAULTS16 GP, CONFORMING, int $0x40
        END

IT "privileged and protected-mode instructions fault", "SDM 2, LGDT, LMSW, MOV, HLT, LLDT, LAR, SLDT, ARPL, Virtual-8086 Mode Exceptions"
        .irp instruction, hlt, clts, "lmsw %ax", "movl %cr0, %eax", "movl %dr7, %eax", wbinvd, rdmsr, "lgdtw 0x600", "invlpg 0"
        TO_V86 F_IOPL3
        movl $1f, recover
        \instruction
        ud2
        .code32
1:      WRITE frame_vector
        .endr
        .irp instruction, "lldt %ax", "ltr %ax", "larw %ax, %bx", "lslw %ax, %bx", "verr %ax", "verw %ax", "sldt %ax", "str %ax", "arpl %ax, %bx"
        TO_V86 F_IOPL3
        movl $1f, recover
        \instruction
        hlt
        .code32
1:      WRITE frame_vector
        .endr
        .rept 9
        EXPECT GP
        .endr
        .rept 9
        EXPECT UD
        .endr
        END

IT "IN and OUT go by the I/O bitmap alone, whatever IOPL is", "SDM 3A, Virtual-8086 Mode I/O"
        TO_V86 F_IOPL3
        FAULTS16 GP, 0, inb $0x80, %al
        movw $0x68 + 8, gdt + TSS
        andb $0xfd, gdt + TSS + 5
        movl $TSS, %eax
        ltr %ax
        movl $0, tss + 0x68
        movl $0, tss + 0x6c
        movb $0xff, tss + 0x70
        TO_V86 0
        inb $0x21, %al
        FAULTS16 UD, NONE, ud2
        movzbl frame_eax, %eax
        CHECK %eax, 0x21
        END

IT "addresses are 20 bits and a bit, segments 64 KiB: beyond is #GP(0), of SS #SS(0)", "SDM 3A, Address Translation in Virtual-8086 Mode"
        movl $0x76543210, 0x100010
        TO_V86 F_IOPL3
        movw $0xffff, %ax
        movw %ax, %ds
        movl 0x20, %edx
        xorw %ax, %ax
        movw %ax, %ds
        movl $0xfffe, %ebx
        FAULTS16 GP, 0, movl (%bx), %eax
        CHECK frame_edx, 0x76543210
        TO_V86 F_IOPL3
        movl $0xfffe, %ebp
        FAULTS16 SS, 0, movl (%bp), %eax
        END

IT "SMSW, SGDT and SIDT are allowed", "SDM 2, SMSW, SGDT, SIDT"
        TO_V86 0
        smsw %ax
        sidt 0xb000
        FAULTS16 UD, NONE, ud2
        movl frame_eax, %eax
        andl $1, %eax
        CHECK %eax, 1
        CHECK 0xb002, idt
        END

IT "POP SS, MOV and LDS load any selector without a look at a table", "SDM 3A, Segment Registers in Virtual-8086 Mode"
        TO_V86 F_IOPL3
        pushw $0x7777
        popw %es
        movw %es, %ax
        ldsw %cs:1f, %bx
        movw %ds, %cx
        xorw %dx, %dx
        movw %dx, %ds
        jmp 2f
1:      .word 0x1357, 0x9999
2:      FAULTS16 UD, NONE, ud2
        movzwl frame_eax, %eax
        CHECK %eax, 0x7777
        movzwl frame_ebx, %eax
        CHECK %eax, 0x1357
        movzwl frame_ecx, %eax
        CHECK %eax, 0x9999
        END

IT "SYSENTER leaves virtual-8086 mode", "SDM 2, SYSENTER"
        movl $0x174, %ecx
        xorl %edx, %edx
        movl $KCS, %eax
        wrmsr
        incl %ecx
        movl $KERNEL_STACK, %eax
        wrmsr
        incl %ecx
        movl $1f, %eax
        wrmsr
        TO_V86 0
        sysenter
        .code32
1:      pushl $KDS
        popl %ds
        CHECK_FLAGS F_VM, 0
        CHECK %cs, KCS
        END

IT "TF traps after each instruction, in ring 0", "SDM 3B, Single-Step Exception Condition"
        TO_V86 F_IOPL3
        movl $3f, recover
        pushl $F_TF | F_IOPL3
        popfl
1:      nop
2:      nop
        .code32
3:      CHECK frame_vector, DB
        CHECK frame_eip, 2b
        END
