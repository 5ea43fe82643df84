/*
 * boot.S - the first instructions: from the boot loader's flat, unpaged protected mode to C code in the higher half.
 *
 * It stands alone because it runs at physical addresses, before paging, and no C code may run there.
 * Read before: remus.lds (where things lie). Read after: main.c.
 *
 * On entry (Multiboot 1, "Machine state"): EAX = 0x2BADB002, EBX = physical address of the information structure, paging and
 * interrupts off, flat segments whose descriptors may lie anywhere, no usable stack.
 */
#include "layout.h"

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0x00000003 /* modules on page boundaries, memory map wanted */

#define CR0_WP_PG 0x80010000

        .section .boot, "ax"
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .global start
start:
        cld
        movl    %eax, %esi

        /* Page tables for the first BOOT_MAP_BYTES of memory: present and writable, in order. */
        movl    $(boot_tables - KERNEL_BASE), %edi
        movl    $PAGE_DIRECT, %eax
1:      movl    %eax, (%edi)
        addl    $4, %edi
        addl    $PAGE_BYTES, %eax
        cmpl    $(BOOT_MAP_BYTES | PAGE_DIRECT), %eax
        jb      1b

        /* The directory names them twice: at 0, where this code runs, and at KERNEL_BASE, where it goes. */
        movl    $(kernel_directory - KERNEL_BASE), %edi
        movl    $(boot_tables - KERNEL_BASE + (PAGE_PRESENT | PAGE_WRITABLE)), %eax
        movl    $(BOOT_MAP_BYTES >> 22), %ecx
2:      movl    %eax, (%edi)
        movl    %eax, (KERNEL_BASE >> 22) * 4(%edi)
        addl    $4, %edi
        addl    $PAGE_BYTES, %eax
        loop    2b

        /* Paging on. WP makes the kernel respect read-only user pages too, which copy-on-write relies on. */
        movl    $(kernel_directory - KERNEL_BASE), %eax
        movl    %eax, %cr3
        movl    %cr0, %eax
        orl     $CR0_WP_PG, %eax
        movl    %eax, %cr0

        movl    $high, %eax
        jmp     *%eax

        .text
high:
        movl    $(boot_stack + PAGE_BYTES), %esp
        xorl    %ebp, %ebp
        pushl   %ebx
        pushl   %esi
        call    kernel_main             /* kernel_main(magic, information): does not return */
        ud2

        .bss
        .balign PAGE_BYTES
        .global kernel_directory, boot_stack
kernel_directory:
        .skip   PAGE_BYTES
boot_tables:
        .skip   (BOOT_MAP_BYTES >> 22) * PAGE_BYTES
boot_stack:
        .skip   PAGE_BYTES

        .section .note.GNU-stack, "", @progbits
