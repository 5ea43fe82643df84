/* Hardware task switching. (SDM 3A, "Task Management") */
        .include "environment.inc"

/* A 32-bit TSS at `label` for a task that begins at `entry`, flat, at CPL 0, with its own stack. */
.macro TASK label, entry, stack, eflags=2
        .balign 16
\label: .long 0, 0, 0, 0, 0, 0, 0, DIRECTORY
        .long \entry, \eflags
        .long 0xa, 0xc, 0xd, 0xb, \stack, 0xeb, 0x51, 0xd1
        .long KDS, KCS, KDS, KDS, KDS, KDS, 0, 0x680000
.endm

/* Makes `selector` the available 32-bit TSS at `label`. */
.macro USE_TSS selector, label, limit=0x67, access=0x89
        movl $\label, %eax
        movl $\limit, gdt + \selector
        movw %ax, gdt + \selector + 2
        movl $((\access) << 8), gdt + \selector + 4
.endm

IT "JMP to a TSS saves the old task, loads the new one, and moves the busy bit", "SDM 3A, Task Switching, table 7-2"
        USE_TSS TSS2, 3f
        movl $0x12345678, %ebx
        ljmp $TSS2, $0
1:      FAIL
2:      CHECK %ebx, 0xb
        CHECK %edi, 0xd1
        CHECK tss+0x20, 1b                              /* EIP of the old task: behind the JMP */
        CHECK tss+0x34, 0x12345678
        movzwl tss + 0x4c, %eax
        CHECK %eax, KCS
        movl gdt + TSS + 4, %eax
        andl $0xff00, %eax
        CHECK %eax, 0x8900
        movl gdt + TSS2 + 4, %eax
        andl $0xff00, %eax
        CHECK %eax, 0x8b00
        str %eax
        CHECK %eax, TSS2
        movl %cr0, %eax
        andl $8, %eax
        CHECK %eax, 8
        CHECK_FLAGS F_NT, 0
        END
        TASK 3, 2b, KERNEL_STACK

IT "CALL nests: back link, NT, the old task stays busy; IRET returns and frees the inner one", "SDM 3A, Task Linking, table 7-2"
        USE_TSS TSS2, 3f
        jmp 1f
2:      CHECK_FLAGS F_NT, F_NT
        movzwl 3f, %eax
        CHECK %eax, TSS
        movl gdt + TSS + 4, %eax
        andl $0xff00, %eax
        CHECK %eax, 0x8b00
        iret
        WRITE $0x2222
        iret
1:      lcall $TSS2, $0
        movl gdt + TSS2 + 4, %eax
        andl $0xff00, %eax
        CHECK %eax, 0x8900
        CHECK_FLAGS F_NT, 0
        lcall $TSS2, $0                                 /* goes on behind the IRET */
        EXPECT 0x2222
        END
        TASK 3, 2b, INNER_STACK

IT "a task gate in the IDT: the error code is on the new stack, the old EIP is the faulting instruction's, RF is set", "SDM 3A, Task Gates; Interrupt Tasks"
        USE_TSS TSS2, 3f
        INTERRUPT_GATE GP, 0, 0x85, TSS2
        movl $0x7c, %eax
1:      movw %ax, %ds
        END
2:      popl %eax
        CHECK %eax, 0x7c
        CHECK tss+0x20, 1b
        movl tss + 0x24, %eax
        andl $F_RF, %eax
        CHECK %eax, F_RF
        movl $KDS, tss + 0x28                           /* repair EAX and return */
        iret
        END
        TASK 3, 2b, INNER_STACK

IT "a busy task cannot be entered again, nor one that is too short", "SDM 2, JMP, TASK-STATE-SEGMENT; SDM 3A, Interrupt 10"
        FAULTS GP, TSS, ljmp $TSS, $0
        FAULTS GP, TSS, lcall $TSS, $0
        USE_TSS TSS2, 3f, 0x66
        FAULTS TS, TSS2, ljmp $TSS2, $0
        USE_TSS TSS2, 3f, 0x67, 0x09
        FAULTS NP, TSS2, ljmp $TSS2, $0
        END
        TASK 3, 0, 0

IT "a bad data segment of the new task is #TS in the new task, with its selector", "SDM 3A, Interrupt 10, table 6-6"
        .irp field, 0x48, 0x54, 0x58
        USE_TSS TSS2, 3f
        pushl 3f + \field
        movl $0x7c, 3f + \field                         /* an empty slot */
        CATCH 1f
        lcall $TSS2, $0
        FAIL
1:      WRITE frame_vector
        WRITE frame_error
        popl 3f + \field
        str %eax
        WRITE %eax
        movl $0, gdt + TSS2                             /* back to the first task, by hand */
        andb $0xfd, gdt + TSS + 5
        movl $TSS, %eax
        ltr %ax
        .endr
        EXPECT TS, 0x7c, TSS2
        EXPECT TS, 0x7c, TSS2
        EXPECT TS, 0x7c, TSS2
        END
        TASK 3, 0x1000, INNER_STACK

IT "the T flag of a TSS is a debug trap before the first instruction, DR6.BT set", "SDM 3B, Task-Switch Exception Condition"
        USE_TSS TSS2, 3f
        movl $1, 3f + 0x64
        CATCH 1f
        ljmp $TSS2, $0
2:      FAIL
1:      CHECK frame_vector, DB
        CHECK frame_eip, 2b
        movl %dr6, %eax
        andl $0xe00f, %eax
        CHECK %eax, 0x8000
        END
        TASK 3, 2b, INNER_STACK

IT "a task switch clears the local breakpoint enables", "SDM 3B, Debug Control Register (DR7)"
        USE_TSS TSS2, 3f
        movl $0x4ff, %eax                               /* L and G of all four, which watch address 0 for execution */
        movl %eax, %dr7
        ljmp $TSS2, $0
2:      movl %dr7, %eax
        CHECK %eax, 0x4aa
        xorl %eax, %eax
        movl %eax, %dr7
        END
        TASK 3, 2b, KERNEL_STACK

IT "a 16-bit TSS carries 16-bit registers", "SDM 3A, 16-Bit Task-State Segment"
        USE_TSS TSS16, 3f, 0x2b, 0x81
        movw $2f, 3f + 0x0e
        movl $-1, %ebx
        movl $-1, %esi
        ljmp $TSS16, $0
        FAIL
2:      CHECK %ebx, 0xb                                 /* upper halves are left open by the manual: 0 here */
        CHECK %esi, 0x51
        str %eax
        CHECK %eax, TSS16
        movl gdt + TSS16 + 4, %eax
        andl $0xff00, %eax
        CHECK %eax, 0x8300
        END
        .balign 16
3:      .word 0, 0, 0, 0, 0, 0, 0, 0, 2
        .word 0xa, 0xc, 0xd, 0xb, KERNEL_STACK, 0xeb, 0x51, 0xd1
        .word KDS, KCS, KDS, KDS, 0

IT "a task at CPL 3 with an LDT", "SDM 3A, Task Switching"
        USE_TSS TSS2, 3f
        DESCRIPTOR LDT, PAGE, 0x1f, 0x82, 0
        movl $0x0000ffff, PAGE + 8
        movl $0x00cff300, PAGE + 12
        movl $LDT, 3f + 0x60
        movl $0xf, 3f + 0x54
        movl $0xf, 3f + 0x48
        movl $0, 3f + 0x58
        movl $0, 3f + 0x5c
        movl $UCS, 3f + 0x4c
        movl $UDS, 3f + 0x50
        movl $INNER_STACK, 3f + 4
        movl $KDS, 3f + 8
        movl $1f, recover
        movl %esp, kernel_esp
        ljmp $TSS2, $0
2:      movl %ds, %eax
        int3
1:      CHECK frame_error, NONE
        CHECK frame_vector, BP
        CHECK frame_cs, UCS
        CHECK frame_eax, 0xf
        sldt %eax
        CHECK %eax, LDT
        END
        TASK 3, 2b, USER_STACK

IT "a page fault on the new TSS comes before the switch", "SDM 3A, Interrupt 14, Exceptions During a Task Switch"
        call enable_paging
        DESCRIPTOR TSS2, PAGE-0x20, 0x67, 0x89, 0
        PTE PAGE, 0
        FAULTS PF, 0, ljmp $TSS2, $0
        movl %cr2, %eax
        CHECK %eax, PAGE
        str %eax
        CHECK %eax, TSS
        END

IT "CR3 comes with the task when paging is on", "SDM 3A, Task-State Segment; Task Switching"
        call enable_paging
        USE_TSS TSS2, 3f
        movl $0x14000, 3f + 0x1c
        movl $TABLE + 7, 0x14000
        ljmp $TSS2, $0
2:      movl %cr3, %eax
        CHECK %eax, 0x14000
        END
        TASK 3, 2b, KERNEL_STACK

IT "IRET with NT to a task that is not busy is #TS(link)", "SDM 2, IRET, TASK-RETURN"
        USE_TSS TSS2, 3f
        movw $TSS2, tss
        pushl $F_NT | 2
        popfl
        FAULTS TS, TSS2, iret
        END
        TASK 3, 0, 0
