/*
 * Runs single floating-point instructions on the host's own CPU and reports what they did: the other half of recordFpu.ts. A 32-bit
 * static program without a library, so that it builds with `gcc -m32` alone. Requests come from standard input, replies go to
 * standard output, both as the plain structs below.
 *
 * Code runs at 0x10000, data lies at 0x30000. A fault leaves everything as the CPU had it at the fault; the signal's number is reported.
 */
typedef unsigned int u32;
typedef unsigned char u8;

#define CODE 0x10000u
#define DATA 0x30000u
#define DATA_BYTES 128

struct request {
    u32 length;
    u8 code[60];
    u32 regs[8];
    u32 eflags;
    u8 fx[512];
    u8 data[DATA_BYTES];
};

struct reply {
    u32 regs[8];
    u32 eflags;
    u32 fault;
    u8 fx[512];
    u8 data[DATA_BYTES];
};

/* Named by the assembly below. */
u32 guest_regs[8], guest_eflags, guest_fault, host_esp, host_mxcsr = 0x1f80;
u8 guest_fx[512] __attribute__((aligned(64)));

static u8 alternate_stack[32768];

static int call(int number, u32 a, u32 b, u32 c, u32 d)
{
    int result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
    return result;
}

#define SYS_EXIT 1
#define SYS_READ 3
#define SYS_WRITE 4
#define SYS_MMAP 90
#define SYS_RT_SIGACTION 174
#define SYS_SIGALTSTACK 186

static void die(const char *text)
{
    u32 length = 0;
    while (text[length]) length++;
    call(SYS_WRITE, 2, (u32)text, length, 0);
    call(SYS_EXIT, 1, 0, 0, 0);
}

/* Enters the snippet with the guest's registers; comes back through guest_done. None of FXRSTOR, FXSAVE, FNINIT waits. */
void run_guest(void);
void guest_done(void);
__asm__(".text\n"
        ".globl run_guest\n"
        "run_guest:\n"
        "  pushal\n"
        "  mov %esp, host_esp\n"
        "  fxrstor guest_fx\n"
        "  pushl guest_eflags\n"
        "  popfl\n"
        "  mov guest_regs+0, %eax\n"
        "  mov guest_regs+4, %ecx\n"
        "  mov guest_regs+8, %edx\n"
        "  mov guest_regs+12, %ebx\n"
        "  mov guest_regs+20, %ebp\n"
        "  mov guest_regs+24, %esi\n"
        "  mov guest_regs+28, %edi\n"
        "  jmp 0x10000\n"
        ".globl guest_done\n"
        "guest_done:\n"
        "  mov %eax, guest_regs+0\n"
        "  mov %ecx, guest_regs+4\n"
        "  mov %edx, guest_regs+8\n"
        "  mov %ebx, guest_regs+12\n"
        "  mov %ebp, guest_regs+20\n"
        "  mov %esi, guest_regs+24\n"
        "  mov %edi, guest_regs+28\n"
        "  mov host_esp, %esp\n"
        "  pushfl\n"
        "  popl guest_eflags\n"
        "  cld\n"
        "  fxsave guest_fx\n"
        "  fninit\n"
        "  ldmxcsr host_mxcsr\n"
        "  popal\n"
        "  ret\n");

/* Offset of EIP in the kernel's i386 ucontext: uc_flags, uc_link, uc_stack, then 14 registers. */
#define UCONTEXT_EIP 76

/* Leaves the snippet with everything as it is: the return from the signal restores the floating-point state of the fault. */
static void on_fault(int signal, void *info, u8 *context)
{
    (void)info;
    guest_fault = signal;
    *(u32 *)(context + UCONTEXT_EIP) = (u32)guest_done;
}

static void copy(void *to, const void *from, u32 bytes)
{
    for (u32 i = 0; i < bytes; i++) ((u8 *)to)[i] = ((const u8 *)from)[i];
}

static int read_all(void *to, u32 bytes)
{
    u32 done = 0;
    while (done < bytes) {
        int got = call(SYS_READ, 0, (u32)to + done, bytes - done, 0);
        if (got <= 0) return 0;
        done += got;
    }
    return 1;
}

static void map(u32 address, u32 bytes, u32 protection)
{
    /* private, fixed, anonymous */
    u32 arguments[6] = {address, bytes, protection, 0x32, (u32)-1, 0};
    if ((u32)call(SYS_MMAP, (u32)arguments, 0, 0, 0) != address) die("cannot map the guest's addresses\n");
}

void _start(void)
{
    static struct request in;
    static struct reply out;
    map(CODE, 0x1000, 7);
    map(DATA, 0x1000, 3);
    u32 stack[3] = {(u32)alternate_stack, 0, sizeof alternate_stack};
    call(SYS_SIGALTSTACK, (u32)stack, 0, 0, 0);
    /* SA_SIGINFO | SA_ONSTACK | SA_NODEFER */
    u32 action[5] = {(u32)on_fault, 0x48000004, 0, 0, 0};
    /* SIGILL, SIGFPE, SIGSEGV */
    static const int signals[] = {4, 8, 11};
    for (u32 i = 0; i < 3; i++) {
        if (call(SYS_RT_SIGACTION, signals[i], (u32)action, 0, 8) != 0) die("cannot catch the faults\n");
    }
    while (read_all(&in, sizeof in)) {
        u8 *end = (u8 *)CODE + in.length;
        copy((void *)CODE, in.code, in.length);
        u32 back = (u32)guest_done - ((u32)end + 5);
        end[0] = 0xe9;
        copy(end + 1, &back, 4);
        copy((void *)DATA, in.data, DATA_BYTES);
        copy(guest_fx, in.fx, sizeof guest_fx);
        copy(guest_regs, in.regs, sizeof guest_regs);
        guest_eflags = in.eflags;
        guest_fault = 0;
        run_guest();
        copy(out.regs, guest_regs, sizeof guest_regs);
        out.eflags = guest_eflags;
        out.fault = guest_fault;
        copy(out.fx, guest_fx, sizeof guest_fx);
        copy(out.data, (void *)DATA, DATA_BYTES);
        call(SYS_WRITE, 1, (u32)&out, sizeof out, 0);
    }
    call(SYS_EXIT, 0, 0, 0, 0);
}
