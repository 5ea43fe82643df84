/*
 * Into the guest and out again: the switch of registers between C++ and translated code, and the stubs that stand at the start of every
 * code buffer. In translated code the guest's eight registers are in the host registers of the same number, R15 is the state
 * block, R14 the jump table, R13 the code buffer, R12 (= GS base) the window; the host's arithmetic flags and DF are the guest's.
 *
 * `Word.Eflags` holds the rest of EFLAGS and zeroes in their places. Between `romulusEnter` and the stub `Exit` the stack pointer is the guest's ESP: nothing here may push, and signal handlers run on the
 * alternate stack. Read before: layout.h, src/translator/stubs.ts (offsets of the stubs). Read after: translator.h.
 */
#include "layout.h"

/* CF, PF, AF, ZF, SF, DF, OF: the flags that translated code keeps in RFLAGS. */
#define FLAGS_IN_HOST 0xcd5
#define FLAG_DF 0x400

    .intel_syntax noprefix
    .section .note.GNU-stack, "", @progbits
    .text

/* void romulusEnter(void *state): runs at Word.XlateEntry until an exit. */
    .globl romulusEnter
    .hidden romulusEnter
    .globl romulusEnterLast
    .hidden romulusEnterLast
    .type romulusEnter, @function
    .p2align 4
romulusEnter:
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    mov r15, rdi
    mov [r15 + WORD_HostStack], rsp
    mov r12, [r15 + WORD_WindowBase]
    mov r14, [r15 + WORD_JumpTable]
    mov r13, [r15 + WORD_CodeBase]
    mov r9d, [r15 + WORD_XlateEntry]
    add r9, r13
    mov eax, [r15 + WORD_Eflags]
    mov ecx, eax
    and ecx, ~(FLAGS_IN_HOST | 2)
    mov [r15 + WORD_Eflags], ecx
    /* The flags without POPFQ, which takes as long as all the rest. */
    test eax, FLAG_DF
    jz 4f
    std
4:  mov edx, eax
    mov ah, al
    shr edx, 11
    and edx, 1
    mov al, dl
    /* OF of the 1 in AL, then SF, ZF, AF, PF and CF */
    add al, 0x7f
    sahf
    mov eax, [r15 + WORD_Eax]
    mov ecx, [r15 + WORD_Ecx]
    mov edx, [r15 + WORD_Edx]
    mov ebx, [r15 + WORD_Ebx]
    mov ebp, [r15 + WORD_Ebp]
    mov esi, [r15 + WORD_Esi]
    mov edi, [r15 + WORD_Edi]
    mov esp, [r15 + WORD_Esp]
/* RSP is the guest's from here on, though this is not the code buffer yet: see profilerHandler() in fault.cc. */
romulusEnterLast:
    jmp r9
    .size romulusEnter, . - romulusEnter

/* int romulusGsTrial(void): whether RDGSBASE runs. Where it is an invalid instruction, the handler of SIGILL goes on at the end. */
    .globl romulusGsTrial
    .hidden romulusGsTrial
    .type romulusGsTrial, @function
    .globl romulusGsTrialAt
    .hidden romulusGsTrialAt
    .globl romulusGsTrialEnd
    .hidden romulusGsTrialEnd
romulusGsTrial:
    xor eax, eax
romulusGsTrialAt:
    rdgsbase rdx
    inc eax
romulusGsTrialEnd:
    ret
    .size romulusGsTrial, . - romulusGsTrial

/* The stubs: copied to the start of each code buffer, so they refer to nothing but registers and each other. */
    .globl romulusStubs
    .hidden romulusStubs
    .p2align 6
romulusStubs:
/* 0: Miss */
    mov [r15 + WORD_NextEip], r8d
    mov dword ptr [r15 + WORD_XlateExit], XLATE_EXIT_Miss
    jmp 9f

    .org romulusStubs + 32
/* Attention */
    mov [r15 + WORD_NextEip], r8d
    mov dword ptr [r15 + WORD_XlateExit], XLATE_EXIT_Attention
    jmp 9f

    .org romulusStubs + 64
/* Interpret */
1:  mov [r15 + WORD_NextEip], r8d
    mov dword ptr [r15 + WORD_XlateExit], XLATE_EXIT_Interpret
    jmp 9f

    .org romulusStubs + 96
/* FpuLoad: jecxz and not cmp, because the guest's flags are live. */
    mov r10, rcx
    mov ecx, [r15 + WORD_FpuUsable]
    jecxz 2f
    mov rcx, r10
    stmxcsr [r15 + WORD_HostMxcsr]
    fnstcw [r15 + WORD_HostFcw]
    fxrstor [r15 + WORD_Fxsave]
    mov dword ptr [r15 + WORD_FpuLive], 1
    jmp r9
2:  mov rcx, r10
    jmp 1b

    .org romulusStubs + 192
/* Exit */
9:  mov [r15 + WORD_Eax], eax
    mov [r15 + WORD_Ecx], ecx
    mov [r15 + WORD_Edx], edx
    mov [r15 + WORD_Ebx], ebx
    mov [r15 + WORD_Esp], esp
    mov [r15 + WORD_Ebp], ebp
    mov [r15 + WORD_Esi], esi
    mov [r15 + WORD_Edi], edi
    mov rsp, [r15 + WORD_HostStack]
    pushfq
    cld
    pop rax
    and eax, FLAGS_IN_HOST
    or eax, 2
    or [r15 + WORD_Eflags], eax
    cmp dword ptr [r15 + WORD_FpuLive], 0
    je 3f
    /* The host wants an empty x87 stack and its own control words (System V ABI, "Registers"). */
    fxsave [r15 + WORD_Fxsave]
    fninit
    fldcw [r15 + WORD_HostFcw]
    ldmxcsr [r15 + WORD_HostMxcsr]
    mov dword ptr [r15 + WORD_FpuLive], 0
3:  pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    ret

    .org romulusStubs + 512
    .globl romulusStubsEnd
    .hidden romulusStubsEnd
romulusStubsEnd:
