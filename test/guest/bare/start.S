/* start.S - a multiboot kernel that is one program: flat memory as the loader leaves it, floating point switched on, no interrupts. */
        .section .multiboot, "a"
        .balign 4
        .long   0x1badb002, 0, -0x1badb002

        .text
        .global _start
_start:
        movl    $stack_end, %esp
        movl    %ebx, multiboot_info
        movl    %cr0, %eax
        andl    $~0x4, %eax             /* EM off */
        orl     $0x22, %eax             /* NE, MP on */
        movl    %eax, %cr0
        movl    $1, %eax
        cpuid
        testl   $1 << 24, %edx          /* without FXSR these bits of CR4 do not exist */
        jz      1f
        movl    $0x600, %eax            /* OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
1:      call    main
        pushl   %eax
        call    exit

        .bss
        .balign 16
        .skip   65536
stack_end:
        .global multiboot_info
multiboot_info:                         /* what the boot loader has to say */
        .skip   4
        .section .note.GNU-stack, "", @progbits
