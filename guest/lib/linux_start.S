/*
 * linux_start.S - where a program of Linux begins and signal handlers return to, without a C library. The kernel leaves argc and the
 * arguments themselves on the stack: System V ABI, i386 supplement, "Process Initialization".
 */
        .text
        .global _start, return_from_signal
_start:
        xorl    %ebp, %ebp
        movl    (%esp), %eax
        leal    4(%esp), %edx
        pushl   %edx
        pushl   %eax
        call    main
        movl    %eax, %ebx
        movl    $1, %eax                # SYS_exit
        int     $0x80
        ud2

return_from_signal:
        movl    $173, %eax              # SYS_rt_sigreturn
        int     $0x80
        ud2

        .section .note.GNU-stack, "", @progbits
