/* start.S - where a program begins: argc and argv lie on the stack, as the kernel's push_arguments() has put them. */
        .text
        .global _start
_start:
        xorl    %ebp, %ebp
        call    main
        pushl   %eax
        call    exit
        ud2

        .section .note.GNU-stack, "", @progbits
