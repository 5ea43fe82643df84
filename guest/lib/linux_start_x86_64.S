/*
 * linux_start_x86_64.S - linux_start.S for x86-64: the kernel leaves argc and the arguments on the stack, and the stack aligned. (System V ABI, AMD64
 * supplement, "Process Initialization")
 */
        .text
        .global _start, return_from_signal
_start:
        xorl    %ebp, %ebp
        movl    (%rsp), %edi
        leaq    8(%rsp), %rsi
        call    main
        movl    %eax, %edi
        movl    $60, %eax               # SYS_exit
        syscall
        ud2

return_from_signal:
        movl    $15, %eax               # SYS_rt_sigreturn
        syscall
        ud2

        .section .note.GNU-stack, "", @progbits
