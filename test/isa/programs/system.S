/* Control registers, paging as instructions see it, CPUID, MSRs and the instructions that must fault. */
        .include "environment.inc"

IT "CR0: PG without PE and NW without CD are #GP(0); reserved bits do not stick, ET always reads 1", "SDM 2, MOV - Move to/from Control Registers"
        movl %cr0, %ebx
        movl %ebx, %eax
        andl $~1, %eax
        orl $0x80000000, %eax
        FAULTS GP, 0, movl %eax, %cr0
        movl %ebx, %eax
        orl $0x20000000, %eax
        FAULTS GP, 0, movl %eax, %cr0
        movl %ebx, %eax
        orl $0x0ff8ffc0, %eax
        andl $~0x10, %eax
        movl %eax, %cr0
        movl %cr0, %eax
        andl $0x0ffaffd0, %eax
        CHECK %eax, 0x10
        END

IT "CR4: bits that CPUID does not announce are #GP(0), PAE and VME among them", "SDM 3A, Control Registers, CR4"
        movl $0x20, %eax
        FAULTS GP, 0, movl %eax, %cr4
        movl $1, %eax
        FAULTS GP, 0, movl %eax, %cr4
        movl $0x2000, %eax
        FAULTS GP, 0, movl %eax, %cr4
        movl $0x98, %eax
        movl %eax, %cr4
        movl %cr4, %eax
        CHECK %eax, 0x98
        END

IT "CR1, CR5 to CR7 do not exist", "SDM 2, MOV - Move to/from Control Registers: #UD"
        FAULTS UD, NONE, .byte 0x0f, 0x20, 0xc8
        FAULTS UD, NONE, .byte 0x0f, 0x22, 0xe8
        FAULTS UD, NONE, .byte 0x0f, 0x20, 0xf8
        END

IT "LMSW sets PE and cannot clear it; CLTS clears TS", "SDM 2, LMSW, CLTS"
        movw $0xe, %ax
        lmsw %ax
        movl %cr0, %eax
        andl $0xf, %eax
        CHECK %eax, 0xf
        clts
        movl %cr0, %eax
        andl $0xf, %eax
        CHECK %eax, 7
        xorl %eax, %eax
        lmsw %ax
        movl %cr0, %eax
        andl $0xf, %eax
        CHECK %eax, 1
        END

IT "privileged instructions are #GP(0) at CPL 3", "SDM 3A, Privileged Instructions"
        .irp instruction, hlt, clts, invd, wbinvd, rdmsr, wrmsr, "movl %cr0, %eax", "movl %eax, %cr3", "movl %cr4, %eax", "movl %eax, %dr0", "lgdt PAGE", "lidt PAGE", "lldt %ax", "ltr %ax", "lmsw %ax", "invlpg PAGE", rdpmc
        movl $1f, recover
        USER F_IOPL3
        \instruction
        int3
1:      WRITE frame_vector
        WRITE frame_error
        .endr
        .rept 17
        EXPECT GP, 0
        .endr
        END

IT "RDTSC is #GP(0) at CPL 3 with CR4.TSD, and allowed otherwise", "SDM 2, RDTSC"
        movl $1f, recover
        USER
        rdtsc
        int3
1:      CHECK frame_vector, BP
        movl $4, %eax
        movl %eax, %cr4
        movl $1f, recover
        USER
        rdtsc
        int3
1:      CHECK frame_vector, GP
        rdtsc
        CHECK $1, 1
        END

IT "RDPMC has no counter, RSM no system-management mode, VMCALL no hypervisor outside the ROM", "SDM 2, RDPMC, RSM; SDM 3C, VMCALL"
        xorl %ecx, %ecx
        FAULTS GP, 0, rdpmc
        FAULTS UD, NONE, rsm
        FAULTS UD, NONE, .byte 0x0f, 0x01, 0xc1
        FAULTS UD, NONE, ud2
        END

IT "CPUID: family 6, and bits for what is there: no PAE, no VME, no APIC", "SDM 2, CPUID"
        xorl %eax, %eax
        cpuid
        CHECK %eax, 0x16
        CHECK %ebx, 0x756e6547                          /* 'Genu' */
        movl $1, %eax
        cpuid
        CHECK %eax, 0x106ca
        movl %edx, %eax
        andl $0x8b5e, %eax                              /* CMOV SEP CX8; VME, PAE, MCE, APIC; DE, PSE, TSC */
        andl $0x242, %edx
        CHECK %eax, 0x891c
        CHECK %edx, 0
        END

IT "RDMSR and WRMSR of a register that does not exist are #GP(0)", "SDM 2, RDMSR, WRMSR"
        movl $0x1b, %ecx
        FAULTS GP, 0, rdmsr
        movl $0xc0000080, %ecx
        FAULTS GP, 0, wrmsr
        END

IT "ICEBP is #DB whatever the gate's DPL is", "SDM 2, INT n/INTO/INT3/INT1"
        movl $1f, recover
        USER
        .byte 0xf1
2:      FAIL
1:      CHECK frame_vector, DB
        CHECK frame_eip, 2b
        END

IT "page faults say present, write, user; CR2 is the first byte that cannot be reached", "SDM 3A, Interrupt 14"
        call enable_paging
        PTE PAGE, 0
        FAULTS PF, 0, movl PAGE, %eax
        FAULTS PF, 2, movl %eax, PAGE
        FAULTS PF, 0, movl PAGE-2, %eax
        movl %cr2, %eax
        CHECK %eax, PAGE
        PTE PAGE, 0x20005
        FAULTS PF, 3, movl %eax, PAGE
        movl $1f, recover
        USER
        movl %eax, PAGE
        FAIL
1:      CHECK frame_error, 7
        PTE PAGE, 0x20003
        movl $1f, recover
        USER
        movl PAGE, %eax
        FAIL
1:      CHECK frame_error, 5
        movl $1f, recover
        USER
        movl $PAGE, %eax
        jmp *%eax
1:      CHECK frame_error, 5
        CHECK frame_eip, PAGE
        END

IT "without CR0.WP the supervisor writes to read-only pages", "SDM 3A, Page-Level Protection; CR0.WP"
        call enable_paging
        PTE PAGE, 0x20005
        movl %cr0, %eax
        andl $~0x10000, %eax
        movl %eax, %cr0
        movl $7, PAGE
        CHECK PAGE, 7
        orl $0x10000, %eax
        movl %eax, %cr0
        FAULTS PF, 3, movl %eax, PAGE
        END

IT "Accessed and Dirty are set by use and only by use", "SDM 3A, Accessed and Dirty Flags"
        call enable_paging
        PTE PAGE, 0x20007
        CHECK TABLE+PAGE/1024, 0x20007
        movl PAGE, %eax
        CHECK TABLE+PAGE/1024, 0x20027
        movl %eax, PAGE
        CHECK TABLE+PAGE/1024, 0x20067
        PTE PAGE, 0x20005
        FAULTS PF, 3, movl %eax, PAGE
        CHECK TABLE+PAGE/1024, 0x20005
        END

IT "4 MiB pages with CR4.PSE, whose reserved bits fault", "SDM 3A, 32-Bit Paging"
        call enable_paging
        movl $0x10, %eax
        movl %eax, %cr4
        movl $0x87, DIRECTORY + 4                       /* linear 4 MiB is physical 0 */
        movl $0x1234, PAGE
        CHECK 0x400000+PAGE, 0x1234
        movl $0x1087, DIRECTORY + 8
        FAULTS PF, 9, movl 0x800000, %eax
        END

IT "a global page survives a CR3 load, not INVLPG", "SDM 3A, Caching Translation Information, Global Pages"
        call enable_paging
        movl $0x80, %eax
        movl %eax, %cr4
        movl $0x1111, PAGE
        movl $0x2222, PAGE + 0x1000
        PTE PAGE+0x2000, 0x20107
        movl PAGE + 0x2000, %eax
        movl $0x21107, TABLE + PAGE / 1024 + 8
        movl %cr3, %eax
        movl %eax, %cr3
        CHECK PAGE+0x2000, 0x1111
        invlpg PAGE + 0x2000
        CHECK PAGE+0x2000, 0x2222
        END

IT "self-modifying code takes effect at the next instruction", "SDM 3A, Self-Modifying Code"
        movb $0x43, 1f                                  /* inc ebx in place of dec ebx */
        xorl %ebx, %ebx
1:      decl %ebx
        CHECK %ebx, 1
        movl $3, %ecx
        xorl %ebx, %ebx
2:      movb $0x4b, 3f
3:      incl %ebx
        loop 2b
        CHECK %ebx, -3
        END
