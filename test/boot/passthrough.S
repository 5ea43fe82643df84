/*
 * passthrough.S - a VMI option ROM that does what bare hardware would do, and then spoils every register that a call may spoil.
 *
 * It lets QEMU run Remus through its VMI sites, so that the guest's side of the ABI is checked by a machine that is not ours.
 * Calls about time, reboot and shutdown are answered "not implemented". Built and used by qemu-remus.sh.
 * (VMI spec, "VMI ROM"; the record of get_reloc as Linux 2.6.21 and later read it)
 */
#define NONE 0
#define CALL_REL 1
#define JUMP_REL 2
#define NOP 3
#define CALLS 74
#define ROM_BYTES 4096

        .text
rom:
        .word   0xAA55
        .byte   ROM_BYTES / 512
        lret                            /* 16-bit entry for the BIOS: nothing to do */
        .org    rom + 0x08
        .ascii  "cVmi"
        .byte   0, 3                    /* API 3.0 */
        .byte   CALLS, 0
        .long   0                       /* virtual_top: nothing is reserved */
        .word   0, license - rom, pci - rom, pnp - rom
        .org    rom + 0x80
        jmp     init
        .org    rom + 0x88
        jmp     get_reloc

        .org    rom + 0x90
pci:    .ascii  "PCIR"
        .word   0x15AD, 0x0801, 0, 0x18
        .byte   0, 0, 0, 0xFF
        .word   ROM_BYTES / 512, 0x0100
        .byte   0, 0x80
        .word   0
pnp:    .ascii  "$PnP"
        .byte   1, 2
        .word   0, 0
        .long   0
        .word   manufacturer - rom, product - rom
license:
        .asciz  "GPL v2"
manufacturer:
        .asciz  "Romulus tests"
product:
        .asciz  "pass-through ROM"

init:
        xorl    %eax, %eax
        jmp     spoil_cd

get_reloc:
        cmpl    $CALLS, %eax
        jae     1f
        call    0f
0:      popl    %ecx
        subl    $(0b - rom), %ecx       /* where the ROM lies, as the guest sees it */
        movzwl  table - rom + 2(%ecx,%eax,4), %edx
        movzwl  table - rom(%ecx,%eax,4), %eax
        addl    %ecx, %eax
        orl     $0x5A5A5A00, %edx       /* only DL counts */
        movl    $0xBAD0BAD0, %ecx
        ret
1:      xorl    %eax, %eax
        xorl    %edx, %edx
        ret

spoil_acd:
        movl    $0xBAD1BAD1, %eax
spoil_cd:
        movl    $0xBAD2BAD2, %ecx
        movl    $0xBAD3BAD3, %edx
        cmpl    %ecx, %edx
        ret
spoil_a:
        movl    $0xBAD4BAD4, %eax
        cmpl    $0, %eax
        ret

set_gdt: lgdt   (%eax)
        jmp     spoil_acd
set_idt: lidt   (%eax)
        jmp     spoil_acd
set_ldt: lldt   %ax
        jmp     spoil_acd
set_tr: ltr     %ax
        jmp     spoil_acd
write_entry:
        movl    %ecx, (%eax,%edx,8)
        movl    4(%esp), %ecx
        movl    %ecx, 4(%eax,%edx,8)
        jmp     spoil_acd
set_cr0: movl   %eax, %cr0
        jmp     spoil_acd
set_cr3: movl   %eax, %cr3
        jmp     spoil_acd
get_cr0: movl   %cr0, %eax
        jmp     spoil_cd
get_cr2: movl   %cr2, %eax
        jmp     spoil_cd
enable: sti
        jmp     spoil_a
disable: cli
        jmp     spoil_a
get_mask:
        pushfl
        popl    %eax
        andl    $0x200, %eax
        ret
set_mask:
        testl   $0x200, %eax
        jz      disable
        jmp     enable
return_jump: iret
return_call:
        addl    $4, %esp
        iret
halt:   sti
        hlt
        jmp     spoil_acd
set_pxe: movl   %eax, (%edx)
        jmp     spoil_acd
inval_page:
        invlpg  (%eax)
        jmp     spoil_acd
flush_tlb:
        movl    %cr3, %eax
        movl    %eax, %cr3
        jmp     spoil_acd

/* The answers by call number: offset of the code, type. Numbers that are left out are "not implemented". */
.macro ANSWER number:req, code:req, type=1
        .org    table + 4 * \number
        .word   \code - rom, \type
.endm

        .balign 4
table:
        ANSWER  3, set_gdt
        ANSWER  4, set_ldt
        ANSWER  5, set_idt
        ANSWER  6, set_tr
        ANSWER  11, write_entry
        ANSWER  12, write_entry
        ANSWER  13, write_entry
        ANSWER  14, spoil_acd
        ANSWER  15, set_cr0
        ANSWER  17, set_cr3
        ANSWER  19, get_cr0
        ANSWER  20, get_cr2
        ANSWER  29, enable
        ANSWER  30, disable
        ANSWER  31, get_mask
        ANSWER  32, set_mask
#ifdef IRET_BY_CALL
        ANSWER  33, return_call
#else
        ANSWER  33, return_jump, JUMP_REL
#endif
        ANSWER  35, halt
        ANSWER  38, set_pxe
        ANSWER  40, rom, NOP
        ANSWER  44, spoil_acd
        ANSWER  45, spoil_acd
        ANSWER  46, inval_page
        ANSWER  47, flush_tlb
        ANSWER  48, spoil_acd
        .org    table + 4 * CALLS
        .org    rom + ROM_BYTES         /* the last byte becomes the checksum */

        .section .note.GNU-stack, "", @progbits
