/* Real mode and the ways in and out of it; 16-bit operands, addresses and stacks. */
        .include "environment.inc"

IT "clears PE and runs 16-bit code at segment x 16", "SDM 3A, Switching Back to Real-Address Mode"
        TO_REAL
        movl %cr0, %eax
        andl $1, %eax
        CHECK16 %eax, 0
        movw %cs, %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0
        TO_PROTECTED
        movl %cr0, %eax
        andl $1, %eax
        CHECK %eax, 1
        CHECK %cs, KCS
        END

IT "an offset beyond 64 KiB is interrupt 13, and the pushed IP is that of the instruction", "SDM 3A, Interrupt and Exception Handling in Real-Address Mode; SDM 2, MOV, Real-Address Mode Exceptions"
        TO_REAL
        IVT GP, 2f
        movl $0x10000, %ebx
1:      movl (%ebx), %eax
        FAIL16
2:      movzwl %sp, %ebx
        movzwl (%bx), %eax
        CHECK16 $GP, GP
        CHECK16 %eax, 1b
        TO_PROTECTED
        END

IT "segment registers become the selector times 16, whatever it is", "SDM 3A, Real-Address Mode, Address Translation"
        TO_REAL
        movw $0x1234, %ax
        movw %ax, %es
        movl $0x55667788, %es:4
        movw $0x1000, %ax
        movw %ax, %es
        movl %es:0x2344, %eax
        CHECK16 %eax, 0x55667788
        movw %es, %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0x1000
        TO_PROTECTED
        END

IT "INT pushes FLAGS, CS and IP, clears IF and TF, and IRET brings them back", "SDM 2, INT n, REAL-ADDRESS-MODE; IRET"
        TO_REAL
        jmp 3f
2:      pushfw
        popw %ax
        andw $0x300, %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0
        movw %sp, %bx
        movzwl (%bx), %eax
        CHECK16 %eax, 1f
        movzwl 2(%bx), %eax
        CHECK16 %eax, 0
        movzwl 4(%bx), %eax
        andl $0x201, %eax
        CHECK16 %eax, 0x201
        subw %sp, %bp
        movzwl %bp, %eax
        CHECK16 %eax, 6
        addw %sp, %bp
        iretw
3:
        IVT 0x60, 2b
        sti
        stc
        movw %sp, %bp
        int $0x60
1:      pushfw
        popw %ax
        andw $0x201, %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0x201
        subw %sp, %bp
        movzwl %bp, %ebp
        CHECK16 %ebp, 0
        TO_PROTECTED
        END

IT "divide error comes back to the instruction itself, no error code", "SDM 3A, Interrupt 0; SDM 2, DIV"
        TO_REAL
        IVT DE, 2f
        movw %sp, %bp
        movw $0x1234, %ax
        xorw %dx, %dx
        xorw %cx, %cx
1:      divw %cx
        FAIL16
2:      subw %sp, %bp
        movzwl %bp, %eax
        CHECK16 %eax, 6
        movw %sp, %bx
        movzwl (%bx), %eax
        CHECK16 %eax, 1b
        TO_PROTECTED
        END

IT "a vector beyond the limit of the vector table is #GP", "SDM 2, INT n, REAL-ADDRESS-MODE"
        TO_REAL
        IVT 13, 2f
        lidtl 3f
        int $0x60
        FAIL16
2:      CHECK16 $13, GP
        TO_PROTECTED
        END
3:      .word 13 * 4 + 3
        .long 0
        .code32

IT "protected-mode instructions are #UD", "SDM 2, LLDT, LTR, LAR, LSL, VERR, VERW, ARPL, STR, SLDT, Real-Address Mode Exceptions"
        TO_REAL
        IVT UD, 2f
        xorw %si, %si
        jmp 1f
2:      addw $6, %sp
        incw %si
        jmp *%di
1:      movw $1f, %di
        lldt %ax
1:      movw $1f, %di
        ltr %ax
1:      movw $1f, %di
        larw %ax, %bx
1:      movw $1f, %di
        lslw %ax, %bx
1:      movw $1f, %di
        verr %ax
1:      movw $1f, %di
        verw %ax
1:      movw $1f, %di
        arpl %ax, %bx
1:      movw $1f, %di
        str %ax
1:      movw $1f, %di
        sldt %ax
1:      movzwl %si, %eax
        CHECK16 %eax, 9
        TO_PROTECTED
        END

IT "keeps big limits from protected mode (unreal mode)", "SDM 3A, Switching Back to Real-Address Mode: limits stay until loaded with others"
        TO_REAL
        movl %cr0, %eax
        orb $1, %al
        movl %eax, %cr0
        movw $KDS, %bx
        movw %bx, %ds
        andb $0xfe, %al
        movl %eax, %cr0
        xorw %bx, %bx
        movw %bx, %ds
        movl $0x100000, %ebx
        movl $0x12345678, (%ebx)
        movl (%ebx), %eax
        CHECK16 %eax, 0x12345678
        TO_PROTECTED
        END

IT "16-bit addressing wraps at 64 KiB within the sum", "SDM 1, Specifying an Offset; SDM 2, table 2-1"
        TO_REAL
        movw $0xfff0, %bx
        movw $0xb020, %si
        movl $0xcafe0001, 0xb014
        movl 4(%bx, %si), %eax
        CHECK16 %eax, 0xcafe0001
        leaw 4(%bx, %si), %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0xb014
        TO_PROTECTED
        END

IT "a 16-bit stack wraps SP and leaves the upper half of ESP alone", "SDM 1, Stack Alignment; Address-Size Attributes for Stack"
        TO_REAL
        movl %esp, %edx
        movl $0x12340002, %esp
        pushw $0x1111
        pushw $0x2222
        movl %esp, %eax
        movl %edx, %esp
        CHECK16 %eax, 0x1234fffe
        movzwl 0, %eax
        CHECK16 %eax, 0x1111
        TO_PROTECTED
        END

IT "a PUSH that straddles the end of the stack segment is interrupt 12", "SDM 2, PUSH, Real-Address Mode Exceptions; Interrupt 12"
        TO_REAL
        IVT SS, 2f
        movl %esp, %edx
        movl $2, %esp
1:      pushl $0x1111
        movl %edx, %esp
        FAIL16
2:      movl %edx, %esp
        CHECK16 $1, 1
        TO_PROTECTED
        END

IT "far CALL and RET carry CS and IP, and RET imm16 drops parameters", "SDM 2, CALL, RET"
        TO_REAL
        jmp 3f
2:      movw %sp, %bx
        movzwl (%bx), %eax
        CHECK16 %eax, 1f
        movw %cs, %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0x10
        lretw $2
3:
        movw %sp, %bp
        pushw $0x5555
        lcallw $0x10, $2b - 0x100
1:      subw %sp, %bp
        movzwl %bp, %eax
        CHECK16 %eax, 0
        TO_PROTECTED
        END

IT "a 32-bit far call pushes CS zero-extended and EIP", "SDM 2, CALL"
        TO_REAL
        jmp 3f
2:      movw %sp, %bx
        movl (%bx), %eax
        CHECK16 %eax, 1f
        movw 4(%bx), %ax
        movzwl %ax, %eax
        CHECK16 %eax, 0
        subw %sp, %bp
        movzwl %bp, %eax
        CHECK16 %eax, 8
        lretl
3:
        movw %sp, %bp
        lcalll $0, $2b
1:      TO_PROTECTED
        END

IT "string instructions use SI, DI and CX under a 16-bit address size, ESI, EDI, ECX under 32", "SDM 2, REP; MOVS"
        TO_REAL
        movl $0xabcd0002, %ecx
        movl $0x11110000 + 3f, %esi
        movl $0x2222b000, %edi
        cld
        rep movsb
        CHECK16 %ecx, 0xabcd0000
        CHECK16 %edi, 0x2222b002
        movzwl 0xb000, %eax
        CHECK16 %eax, 0x4241
        movl $2, %ecx
        movl $3f, %esi
        movl $0xb010, %edi
        addr32 rep movsb
        CHECK16 %ecx, 0
        CHECK16 %edi, 0xb012
        TO_PROTECTED
        END
3:      .ascii "AB"

IT "CLI, STI, HLT and IN need no privilege", "SDM 3A, Real-Address Mode: CPL is 0"
        TO_REAL
        sti
        cli
        inb $0x99, %al
        CHECK16 $1, 1
        TO_PROTECTED
        END

IT "LOOP and JCXZ count CX", "SDM 2, LOOP; Jcc"
        TO_REAL
        movl $0x10003, %ecx
        xorl %edx, %edx
1:      incl %edx
        loop 1b
        CHECK16 %ecx, 0x10000
        CHECK16 %edx, 3
        jcxz 2f
        FAIL16
2:      CHECK16 $1, 1
        TO_PROTECTED
        END

IT "ENTER and LEAVE build frames with BP and SP", "SDM 2, ENTER, LEAVE"
        TO_REAL
        movl %esp, %edx
        movl $0x77771234, %ebp
        enterw $4, $1
        subl %esp, %edx
        CHECK16 %edx, 8
        movl %ebp, %eax
        shrl $16, %eax
        CHECK16 %eax, 0x7777
        leavew
        CHECK16 %ebp, 0x77771234
        TO_PROTECTED
        END

IT "PUSHA pushes eight halves, SP as it was", "SDM 2, PUSHA, POPA"
        TO_REAL
        movl $0x11112222, %eax
        movl $0x33334444, %ebx
        movl %esp, %edx
        pushaw
        movw %sp, %bx
        movzwl 14(%bx), %ecx
        CHECK16 %ecx, 0x2222
        movzwl 8(%bx), %ecx
        CHECK16 %ecx, 0x4444
        movzwl 6(%bx), %ecx
        subw %dx, %cx
        movzwl %cx, %ecx
        CHECK16 %ecx, 0
        popaw
        movl %esp, %ecx
        subl %edx, %ecx
        CHECK16 %ecx, 0
        CHECK16 %ebx, 0x33334444
        TO_PROTECTED
        END
