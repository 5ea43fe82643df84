/* Segment registers, limits, types, and the instructions that ask about descriptors. */
        .include "environment.inc"

IT "a null selector loads into DS, ES, FS and GS and faults at use", "SDM 3A, Segment Loading Instructions in IA-32 Protected Mode: Null Segment Selector Checking"
        xorl %eax, %eax
        movl %eax, %es
        movl $3, %ecx
        movl %ecx, %gs
        CHECK %gs, 3
        FAULTS GP, 0, movl %es:0, %eax
        FAULTS GP, 0, movl %eax, %gs:0
        FAULTS GP, 0, movw %ax, %ss
        END

IT "MOV to CS is #UD", "SDM 2, MOV"
        FAULTS UD, NONE, .byte 0x8e, 0xc8
        END

IT "a selector beyond its table, or in a missing LDT, is #GP(selector)", "SDM 2, MOV, Protected Mode Exceptions; SDM 3A, Error Code"
        movl $GDT_BYTES + 3, %eax
        FAULTS GP, GDT_BYTES, movw %ax, %ds
        movl $0xf, %eax
        FAULTS GP, 0xc, movw %ax, %es
        END

IT "loading checks type, privilege and presence in this order", "SDM 2, MOV, Operation"
        DESCRIPTOR FREE, 0, 0xfffff, 0x13, 12           /* data, DPL 0, not present */
        DESCRIPTOR FREE + 8, 0, 0xfffff, 0x99, 12       /* execute only */
        DESCRIPTOR FREE + 16, 0, 0xfffff, 0x91, 12      /* read only */
        DESCRIPTOR FREE + 24, 0, 0xfffff, 0x93, 12
        movl $FREE, %eax
        FAULTS NP, FREE, movw %ax, %ds
        FAULTS SS, FREE, movw %ax, %ss
        movl $FREE + 8, %eax
        FAULTS GP, FREE + 8, movw %ax, %ds
        movl $FREE + 16, %eax
        FAULTS GP, FREE + 16, movw %ax, %ss
        movl $FREE + 24 + 1, %eax
        FAULTS GP, FREE + 24, movw %ax, %ds             /* RPL above DPL */
        FAULTS GP, FREE + 24, movw %ax, %ss             /* RPL not CPL */
        movl $TSS, %eax
        FAULTS GP, TSS, movw %ax, %ds
        END

IT "loading sets the Accessed bit in memory, and no other", "SDM 3A, Code- and Data-Segment Descriptor Types"
        DESCRIPTOR FREE, 0, 0xfffff, 0x92, 12
        movl $FREE, %eax
        movl %eax, %es
        CHECK gdt+FREE+4, 0x00cf9300
        END

IT "read-only data cannot be written, execute-only code not read", "SDM 3A, Type Checking"
        DESCRIPTOR FREE, 0, 0xfffff, 0x91, 12
        movl $FREE, %eax
        movl %eax, %es
        movl %es:PAGE, %ecx
        FAULTS GP, 0, movl %eax, %es:PAGE
        FAULTS GP, 0, addl $1, %es:PAGE
        FAULTS GP, 0, movl %eax, %cs:PAGE
        END

IT "expand-up: the limit is the last byte, and every byte of the operand counts", "SDM 3A, Limit Checking"
        DESCRIPTOR FREE, PAGE, 0x0f, 0x93, 4
        movl $FREE, %eax
        movl %eax, %es
        movl $0x11223344, %es:12
        CHECK PAGE+12, 0x11223344
        FAULTS GP, 0, movl %es:13, %eax
        movb %es:15, %al
        FAULTS GP, 0, movb %es:16, %al
        FAULTS GP, 0, movw %es:15, %ax
        FAULTS GP, 0, movl %es:-1, %eax
        END

IT "expand-down: the limit is the last invalid byte, the end 64 KiB or 4 GiB by B", "SDM 3A, Limit Checking"
        DESCRIPTOR FREE, PAGE, 0xfff, 0x97, 4           /* B = 1: valid from 0x1000 to 4 GiB */
        DESCRIPTOR FREE + 8, PAGE, 0xfff, 0x97, 0       /* B = 0: valid from 0x1000 to 0xffff */
        movl $FREE, %eax
        movl %eax, %es
        movl $FREE + 8, %eax
        movl %eax, %fs
        movl $7, %es:0x1000
        CHECK PAGE+0x1000, 7
        FAULTS GP, 0, movl %es:0xfff, %eax
        movl $9, %es:0x10000
        CHECK %fs:0x1000, 7
        FAULTS GP, 0, movl %fs:0x10000, %eax
        FAULTS GP, 0, movl %fs:0xfffd, %eax
        movb %fs:0xffff, %al
        END

IT "an expand-down stack of 16 bits faults with #SS(0) when it runs out", "SDM 3A, Limit Checking; Interrupt 12"
        INTERRUPT_GATE SS, 0, 0x85, TSS2                /* the stack will be no good: another task handles it */
        movl $2f, tss2_eip
        movl $tss2, %eax
        movl $0x67, gdt + TSS2
        movw %ax, gdt + TSS2 + 2
        movl $0x8900, gdt + TSS2 + 4
        DESCRIPTOR FREE, 0, 0xdfff, 0x97, 0             /* SP from 0xe000 on */
        movl $FREE, %eax
        movl %eax, %ss
        movl $0xe002, %esp
        pushw $1
1:      pushw $1
        hlt
2:      popl %eax                                       /* the error code, on the new task's stack */
        CHECK %eax, 0
        movl tss + 0x20, %eax
        CHECK %eax, 1b
        movl tss + 0x38, %eax
        CHECK %eax, 0xe000
        END
        .balign 16
tss2:   .long 0, 0, 0, 0, 0, 0, 0, DIRECTORY
tss2_eip:
        .long 0, 2, 0, 0, 0, 0, KERNEL_STACK, 0, 0, 0
        .long KDS, KCS, KDS, KDS, KDS, KDS, 0, 0x680000

IT "SS:ESP beyond the limit is #SS(0), DS:ESP is #GP(0)", "SDM 2, MOV, Protected Mode Exceptions"
        DESCRIPTOR FREE, 0, 0xffff, 0x93, 4
        movl $0x20000, %ebp
        movl $FREE, %eax
        movl %eax, %es
        FAULTS GP, 0, movl %es:(%ebp), %eax
        movl $FREE, %eax
        movl %eax, %ss
        FAULTS SS, 0, movl (%ebp), %eax
        movl $FREE, %eax
        movl %eax, %ss
        FAULTS SS, 0, pushl (%ebp)
        movl $KDS, %eax
        movl %eax, %ss
        END

IT "LDS, LSS and the others load nothing when the selector is bad", "SDM 2, LDS/LES/LFS/LGS/LSS"
        movl $0x1234, %ebx
        FAULTS GP, 0x78, les 1f, %ebx
        CHECK %ebx, 0x1234
        movw %es, %ax
        movzwl %ax, %eax
        CHECK %eax, KDS
        lss 2f, %ebx
        CHECK %ebx, 0x5678
        CHECK %ss, KDS
        FAULTS UD, NONE, .byte 0xc4, 0xc0               /* a register operand */
        END
1:      .long 0x9999
        .word 0x78                                      /* an empty slot: a system type */
2:      .long 0x5678
        .word KDS

IT "LAR and LSL tell rights and limit, and ZF whether the selector is visible", "SDM 2, LAR, LSL"
        movl $UDS, %eax
        lar %eax, %ebx
        CHECK_FLAGS F_ZF, F_ZF
        andl $0xfff0ffff, %ebx                          /* bits 19 to 16 are undefined */
        CHECK %ebx, 0x00c0f300
        lsl %eax, %ebx
        CHECK %ebx, 0xffffffff
        movl $TSS, %eax
        lsl %eax, %ebx
        CHECK %ebx, 0x67
        movl $0, %ebx
        lar %ebx, %ecx
        CHECK_FLAGS F_ZF, 0
        CALL_GATE FREE, KCS, 0, 0x8c, 3
        movl $FREE, %eax
        lar %eax, %ebx
        CHECK_FLAGS F_ZF, F_ZF
        lsl %eax, %ebx
        CHECK_FLAGS F_ZF, 0                             /* a gate has no limit */
        DESCRIPTOR FREE + 8, 0, 0, 0x8e, 0              /* an interrupt gate in the GDT is invalid for both */
        movl $FREE + 8, %eax
        lar %eax, %ebx
        CHECK_FLAGS F_ZF, 0
        END

IT "LAR and VERR at CPL 3 do not see DPL 0, but conforming code", "SDM 2, LAR, VERR, VERW"
        movl $1f, recover
        USER
        movl $KDS, %eax
        lar %eax, %ebx
        setz %cl
        verr %ax
        setz %ch
        movl $CONFORMING, %eax
        verr %ax
        setz %dl
        verw %ax
        setz %dh
        int3
1:      movl frame_ecx, %eax
        andl $0xffff, %eax
        CHECK %eax, 0
        movl frame_edx, %eax
        andl $0xffff, %eax
        CHECK %eax, 1
        END

IT "ARPL raises RPL and tells so in ZF", "SDM 2, ARPL"
        movl $0x50, %eax
        movl $3, %ebx
        arpl %bx, %ax
        CHECK_FLAGS F_ZF, F_ZF
        CHECK %eax, 0x53
        movl $1, %ebx
        arpl %bx, %ax
        CHECK_FLAGS F_ZF, 0
        CHECK %eax, 0x53
        END

IT "LLDT: null is allowed; a wrong type is #GP, not present #NP; the LDT then serves TI selectors", "SDM 2, LLDT"
        movl $KDS, %eax
        FAULTS GP, KDS, lldt %ax
        DESCRIPTOR LDT, PAGE, 0x1f, 0x02, 0
        movl $LDT, %eax
        FAULTS NP, LDT, lldt %ax
        DESCRIPTOR LDT, PAGE, 0x1f, 0x82, 0
        lldt %ax
        sldt %ebx
        CHECK %ebx, LDT
        movl $0x0000ffff, PAGE + 8
        movl $0x00cf9300, PAGE + 12
        movl $0xc, %eax
        movl %eax, %es
        CHECK %es, 0xc
        movl $0x20 | 4, %eax
        FAULTS GP, 0x24, movw %ax, %es                  /* beyond its limit */
        FAULTS GP, 0xc, lldt 1f
        END
1:      .word 0xc

IT "LTR: null #GP(0), busy or wrong type #GP, not present #NP; it marks the TSS busy", "SDM 2, LTR"
        xorl %eax, %eax
        FAULTS GP, 0, ltr %ax
        movl $TSS, %eax
        FAULTS GP, TSS, ltr %ax                         /* busy */
        movl $KDS, %eax
        FAULTS GP, KDS, ltr %ax
        DESCRIPTOR TSS2, PAGE, 0x67, 0x09, 0
        movl $TSS2, %eax
        FAULTS NP, TSS2, ltr %ax
        DESCRIPTOR TSS2, PAGE, 0x67, 0x89, 0
        ltr %ax
        CHECK gdt+TSS2+4, 0x00008b02
        str %ebx
        CHECK %ebx, TSS2
        END

IT "16-bit code in protected mode: operand and address size are the segment's, a prefix turns them over", "SDM 3A, Mixing 16-Bit and 32-Bit Code"
        ljmp $CS16, $1f
        .code16
1:      movl $0x11112222, %eax
        movw $0x3333, %ax
        movl %eax, PAGE - 0x14000
        ljmpl $KCS, $2f
        .code32
2:      CHECK PAGE-0x14000, 0x11113333
        END

IT "the limit of CS stops execution: #GP(0) at the instruction that crosses it", "SDM 3A, Limit Checking"
        DESCRIPTOR FREE, PAGE, 0x12, 0x9b, 4
        movl $0x90909090, PAGE + 0x0c
        movl $0x00b89090, PAGE + 0x10                   /* mov eax, imm32 at 0x12: its immediate is beyond */
        CATCH 1f
        ljmp $FREE, $0x0c
1:      CHECK frame_vector, GP
        CHECK frame_error, 0
        CHECK frame_eip, 0x12
        CHECK frame_cs, FREE
        END

IT "near jumps beyond the limit fault at the jump", "SDM 2, JMP, Protected Mode Exceptions"
        DESCRIPTOR FREE, PAGE, 0x12, 0x9b, 4
        movl $0x909020eb, PAGE                          /* jmp +0x20 */
        CATCH 1f
        ljmp $FREE, $0
1:      CHECK frame_vector, GP
        CHECK frame_eip, 0
        END

IT "BOUND is #BR outside its bounds, and EIP is its own", "SDM 2, BOUND"
        movl $5, %eax
        bound %eax, 1f
        movl $10, %eax
        bound %eax, 1f
        movl $11, %eax
        FAULTS BR, NONE, bound %eax, 1f
        movl $-6, %eax
        FAULTS BR, NONE, bound %eax, 1f
        END
1:      .long -5, 10

IT "LOCK is #UD where it is not allowed", "SDM 2, LOCK"
        lock; addl $1, PAGE
        lock; cmpxchg8b PAGE
        lock; btsl $1, PAGE
        FAULTS UD, NONE, .byte 0xf0, 0x90
        FAULTS UD, NONE, .byte 0xf0, 0x01, 0xc0                         /* add eax, eax */
        FAULTS UD, NONE, .byte 0xf0, 0x39, 0x05, 0, 0, 2, 0             /* cmp [PAGE], eax */
        FAULTS UD, NONE, .byte 0xf0, 0x0f, 0xa3, 0x05, 0, 0, 2, 0       /* bt [PAGE], eax */
        FAULTS UD, NONE, .byte 0xf0, 0x89, 0x05, 0, 0, 2, 0             /* mov [PAGE], eax */
        FAULTS UD, NONE, .byte 0xf0, 0xff, 0x35, 0, 0, 2, 0             /* push [PAGE] */
        FAULTS UD, NONE, .byte 0xf0, 0x0f, 0xc7, 0xc8                   /* cmpxchg8b eax */
        FAULTS UD, NONE, .byte 0x0f, 0xc7, 0xc8
        END

IT "CMPXCHG8B compares EDX:EAX, stores ECX:EBX or loads, and touches ZF alone", "SDM 2, CMPXCHG8B"
        movl $1, PAGE
        movl $2, PAGE + 4
        movl $1, %eax
        movl $2, %edx
        movl $3, %ebx
        movl $4, %ecx
        stc
        lock; cmpxchg8b PAGE
        CHECK_FLAGS F_ZF | F_CF, F_ZF | F_CF
        CHECK PAGE, 3
        CHECK PAGE+4, 4
        lock; cmpxchg8b PAGE
        CHECK_FLAGS F_ZF | F_CF, F_CF
        CHECK %eax, 3
        CHECK %edx, 4
        END

IT "an instruction of more than 15 bytes is #GP(0)", "SDM 2, Instruction Format; SDM 3A, Interrupt 13"
        .byte 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x90
        FAULTS GP, 0, .byte 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x90
        END

IT "SGDT, SIDT and SMSW tell the tables and CR0 at any privilege", "SDM 2, SGDT, SIDT, SMSW (no UMIP)"
        movl $1f, recover
        USER
        sgdt PAGE
        sidt PAGE + 8
        smsw %ax
        int3
1:      movzwl PAGE, %ecx
        CHECK %ecx, GDT_BYTES - 1
        CHECK PAGE+2, gdt
        CHECK PAGE+10, idt
        END
