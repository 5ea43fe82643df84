/*
 * Runs code on the host's own CPU and reports what it did to registers, memory and floating-point state: the native half of oracle.ts.
 * A 32-bit static program without a library, so that it builds with `gcc -m32` alone.
 *
 * It reads messages from standard input and answers each case on standard output; oracle.ts describes both. Code runs in this process, at
 * the addresses and in the segments that the messages ask for, until it raises an exception: the signal's context is the answer. There
 * is no other end, so that whoever wants a case to end puts INT3 behind it.
 *
 * Code under test may be anything. What it must not do is make system calls, so a seccomp filter turns all that do not come from this
 * program's own text into SIGSYS. All memory but this program's image and the regions asked for is unmapped first. A case that uses
 * CPU time for too long without an exception is given up.
 */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

/* Messages: their first word. */
#define FLUSH 0
#define REGION 1
#define DESCRIPTOR 2
#define CASE 3

#define MAX_REGIONS 8
#define MAX_PATCHES 16
#define MESSAGE_BYTES 0x10000
#define OUTPUT_BYTES 0x40000

/* Longest answer: header and every changed byte of every region. */
#define ANSWER_BYTES 0x10000

struct region {
    u32 start;
    u32 bytes;
    u32 writable;
    /* What the region holds when no case is running, and what it held when the case began. */
    u8 *base;
    u8 *before;
};

struct patch {
    u16 linear;
    u16 bytes;
};

/* A case as it is sent. Patches follow it: their number in `patches`, each a struct patch and its bytes. */
struct request {
    u32 registers[8];
    u32 eflags;
    u32 eip;
    u16 cs, ss, ds, es, fs, gs;
    u32 patches;
    u8 fx[512];
};

/* An answer. Changed memory follows: struct patch and bytes. */
struct answer {
    u32 bytes;
    u32 signal;
    u32 trap;
    u32 error;
    u32 cr2;
    u32 registers[8];
    u32 eflags;
    u32 eip;
    u16 cs, ss, ds, es, fs, gs;
    u8 fx[512];
};

/* Named by the assembly below. */
u8 guest_fx[512] __attribute__((aligned(16)));
u32 guest_registers[8] __attribute__((aligned(16)));
u32 guest_eflags, host_esp;
u16 guest_es, guest_ds, guest_fs, guest_gs;
struct far {
    u32 offset;
    u16 selector;
} guest_stack __attribute__((aligned(8))), guest_target __attribute__((aligned(8)));

static struct region regions[MAX_REGIONS];
static u32 region_count;
static u8 copies[0x10000];
static u32 copies_used;
static u8 alternate_stack[0x10000] __attribute__((aligned(64)));
static u8 message[MESSAGE_BYTES] __attribute__((aligned(16)));
static u8 output[OUTPUT_BYTES];
static u32 output_used;
static volatile u32 in_guest, case_number, case_at_tick;
static struct answer result;

static int call5(int number, u32 a, u32 b, u32 c, u32 d, u32 e)
{
    int value;
    __asm__ volatile("int $0x80" : "=a"(value) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return value;
}

static int call(int number, u32 a, u32 b, u32 c, u32 d)
{
    return call5(number, a, b, c, d, 0);
}

#define SYS_EXIT 1
#define SYS_READ 3
#define SYS_WRITE 4
#define SYS_MMAP 90
#define SYS_MUNMAP 91
#define SYS_SETITIMER 104
#define SYS_MODIFY_LDT 123
#define SYS_MPROTECT 125
#define SYS_PRCTL 172
#define SYS_RT_SIGACTION 174
#define SYS_SIGALTSTACK 186

#define SIGVTALRM 26
#define ITIMER_VIRTUAL 1

static void die(const char *text)
{
    u32 length = 0;
    while (text[length]) length++;
    call(SYS_WRITE, 2, (u32)text, length, 0);
    call(SYS_EXIT, 1, 0, 0, 0);
}

static void copy(void *to, const void *from, u32 bytes)
{
    u8 *target = to;
    const u8 *source = from;
    while (bytes--) *target++ = *source++;
}

/* Enters the case; comes back through leave_guest. From POPF on only instructions that leave the flags alone. */
void enter_guest(void);
void leave_guest(void);
void restore_signal(void);
__asm__(".text\n"
        ".globl enter_guest\n"
        "enter_guest:\n"
        "  pushal\n"
        "  mov %esp, host_esp\n"
        "  fxrstor guest_fx\n"
        "  movw guest_fs, %fs\n"
        "  movw guest_gs, %gs\n"
        "  movw guest_es, %es\n"
        "  pushl guest_eflags\n"
        "  popfl\n"
        "  mov guest_registers+0, %eax\n"
        "  mov guest_registers+4, %ecx\n"
        "  mov guest_registers+8, %edx\n"
        "  mov guest_registers+12, %ebx\n"
        "  mov guest_registers+20, %ebp\n"
        "  mov guest_registers+24, %esi\n"
        "  mov guest_registers+28, %edi\n"
        "  lss guest_stack, %esp\n"
        "  movw %cs:guest_ds, %ds\n"
        "  ljmp *%cs:guest_target\n"
        ".globl leave_guest\n"
        "leave_guest:\n"
        "  mov host_esp, %esp\n"
        "  popal\n"
        "  cld\n"
        "  ret\n"
        ".globl restore_signal\n"
        "restore_signal:\n"
        "  mov $173, %eax\n"
        "  int $0x80\n");

/* The kernel's i386 ucontext from its registers on: GS, FS, ES, DS (each in 4 bytes), then as named. */
struct context {
    u32 flags, link, stack[3];
    u32 gs, fs, es, ds;
    u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
    u32 trap, error, eip, cs, eflags, user_esp, ss;
    u8 *fpstate;
    u32 oldmask, cr2;
};

/* In the frame's floating-point state the FXSAVE image follows the one of FSAVE and two words of status. */
#define FX_OFFSET 112

static void on_signal(int signal, void *info, struct context *context)
{
    (void)info;
    if (!in_guest) {
        if (signal == SIGVTALRM) return;
        die("the oracle itself raised an exception\n");
    }
    if (signal == SIGVTALRM && case_at_tick != case_number) {
        case_at_tick = case_number;
        return;
    }
    in_guest = 0;
    result.signal = signal;
    result.trap = context->trap;
    result.error = context->error;
    result.cr2 = context->cr2;
    result.registers[0] = context->eax;
    result.registers[1] = context->ecx;
    result.registers[2] = context->edx;
    result.registers[3] = context->ebx;
    result.registers[4] = context->esp;
    result.registers[5] = context->ebp;
    result.registers[6] = context->esi;
    result.registers[7] = context->edi;
    result.eflags = context->eflags;
    result.eip = context->eip;
    result.cs = context->cs;
    result.ss = context->ss;
    result.ds = context->ds;
    result.es = context->es;
    result.fs = context->fs;
    result.gs = context->gs;
    copy(result.fx, context->fpstate + FX_OFFSET, sizeof result.fx);
    leave_guest();
}

static void read_all(void *to, u32 bytes)
{
    u32 done = 0;
    while (done < bytes) {
        int got = call(SYS_READ, 0, (u32)to + done, bytes - done, 0);
        if (got <= 0) call(SYS_EXIT, got < 0, 0, 0, 0);
        done += got;
    }
}

static void flush(void)
{
    u32 done = 0;
    while (done < output_used) {
        int put = call(SYS_WRITE, 1, (u32)output + done, output_used - done, 0);
        if (put <= 0) call(SYS_EXIT, 1, 0, 0, 0);
        done += put;
    }
    output_used = 0;
}

/* Words: start, bytes, writable; then the contents. */
static void add_region(const u32 *words)
{
    struct region *region = &regions[region_count++];
    if (region_count > MAX_REGIONS || copies_used + 2 * words[1] > sizeof copies) die("too many regions\n");
    region->start = words[0];
    region->bytes = words[1];
    region->writable = words[2];
    region->base = copies + copies_used;
    region->before = region->base + region->bytes;
    copies_used += 2 * region->bytes;
    /* private, fixed, anonymous, populated; executable, as all memory is on a processor without NX */
    u32 arguments[6] = {region->start, region->bytes, 7, 0x8032, (u32)-1, 0};
    if ((u32)call(SYS_MMAP, (u32)arguments, 0, 0, 0) != region->start) {
        die("cannot map the addresses of the cases (below vm.mmap_min_addr?)\n");
    }
    copy(region->base, words + 3, region->bytes);
    copy(region->before, words + 3, region->bytes);
    copy((void *)region->start, words + 3, region->bytes);
    if (!region->writable) call(SYS_MPROTECT, region->start, region->bytes, 5, 0);
}

/* A struct user_desc for the LDT. */
static void add_descriptor(u32 *words)
{
    if (call(SYS_MODIFY_LDT, 0x11, (u32)words, 16, 0) != 0) die("the kernel refuses an LDT entry\n");
}

static struct region *region_of(u32 linear)
{
    for (u32 i = 0; i < region_count; i++) {
        if (regions[i].writable && linear - regions[i].start < regions[i].bytes) return &regions[i];
    }
    die("a patch outside all writable regions\n");
    return 0;
}

/* Appends what changed in a region to the answer at `at`, puts it back, and returns the new end. */
static u8 *collect(struct region *region, u8 *at)
{
    u32 *now = (u32 *)region->start, *before = (u32 *)region->before, *base = (u32 *)region->base;
    u32 words = region->bytes / 4;
    for (u32 i = 0; i < words; i++) {
        if (now[i] == before[i]) continue;
        struct patch *run = (struct patch *)at;
        run->linear = region->start + i * 4;
        run->bytes = 0;
        at += sizeof *run;
        for (; i < words && now[i] != before[i]; i++) {
            copy(at, &now[i], 4);
            at += 4;
            run->bytes += 4;
            now[i] = base[i];
        }
    }
    return at;
}

static void run_case(struct request *request)
{
    struct patch *patches[MAX_PATCHES];
    if (request->patches > MAX_PATCHES) die("too many patches\n");
    u8 *at = (u8 *)(request + 1);
    for (u32 i = 0; i < request->patches; i++) {
        struct patch *patch = patches[i] = (struct patch *)at;
        struct region *region = region_of(patch->linear);
        copy((void *)(u32)patch->linear, patch + 1, patch->bytes);
        copy(region->before + (patch->linear - region->start), patch + 1, patch->bytes);
        at += sizeof *patch + patch->bytes;
    }
    copy(guest_fx, request->fx, sizeof guest_fx);
    copy(guest_registers, request->registers, sizeof guest_registers);
    guest_eflags = request->eflags;
    guest_ds = request->ds;
    guest_es = request->es;
    guest_fs = request->fs;
    guest_gs = request->gs;
    guest_stack = (struct far){request->registers[4], request->ss};
    guest_target = (struct far){request->eip, request->cs};
    case_number++;
    in_guest = 1;
    enter_guest();
    if (output_used + ANSWER_BYTES > sizeof output) flush();
    u8 *end = output + output_used + sizeof result;
    for (u32 i = 0; i < region_count; i++) {
        if (regions[i].writable) end = collect(&regions[i], end);
    }
    for (u32 i = 0; i < request->patches; i++) {
        struct region *region = region_of(patches[i]->linear);
        u32 offset = patches[i]->linear - region->start;
        copy(region->before + offset, region->base + offset, patches[i]->bytes);
        copy((void *)(u32)patches[i]->linear, region->base + offset, patches[i]->bytes);
    }
    result.bytes = end - (output + output_used);
    copy(output + output_used, &result, sizeof result);
    output_used += result.bytes;
}

/* System calls from this program's text only. (Documentation/userspace-api/seccomp_filter.rst) */
static void fence(void)
{
    extern u8 text_start[] __asm__("__executable_start"), text_end[] __asm__("etext");
    struct { u16 code; u8 yes, no; u32 k; } filter[] = {
        {0x20, 0, 0, 4},                /* architecture */
        {0x15, 0, 5, 0x40000003},       /* i386 */
        {0x20, 0, 0, 12},               /* instruction pointer, high half */
        {0x15, 0, 3, 0},
        {0x20, 0, 0, 8},                /* low half */
        {0x35, 0, 1, (u32)text_start},
        {0x25, 0, 1, (u32)text_end},
        {0x06, 0, 0, 0x00030000},       /* SECCOMP_RET_TRAP */
        {0x06, 0, 0, 0x7fff0000},       /* SECCOMP_RET_ALLOW */
    };
    struct { u16 length; void *filter; } program = {sizeof filter / sizeof filter[0], filter};
    /* PR_SET_NO_NEW_PRIVS; PR_SET_SECCOMP, SECCOMP_MODE_FILTER */
    if (call5(SYS_PRCTL, 38, 1, 0, 0, 0) != 0 || call5(SYS_PRCTL, 22, 2, (u32)&program, 0, 0) != 0) {
        die("cannot forbid system calls\n");
    }
}

void start(void)
{
    extern u8 image_start[] __asm__("__executable_start"), image_end[] __asm__("_end");
    u32 first = (u32)image_start & ~0xfffu, last = ((u32)image_end + 0xfffu) & ~0xfffu;
    /* also the stack that the kernel gave and its vDSO */
    call(SYS_MUNMAP, 0x1000, first - 0x1000, 0, 0);
    call(SYS_MUNMAP, last, 0xffffd000u - last, 0, 0);
    u32 stack[3] = {(u32)alternate_stack, 0, sizeof alternate_stack};
    call(SYS_SIGALTSTACK, (u32)stack, 0, 0, 0);
    /* SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER */
    u32 action[5] = {(u32)on_signal, 0x4c000004, (u32)restore_signal, 0, 0};
    /* SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGVTALRM, SIGSYS */
    static const u8 signals[] = {4, 5, 7, 8, 11, SIGVTALRM, 31};
    for (u32 i = 0; i < sizeof signals; i++) {
        if (call(SYS_RT_SIGACTION, signals[i], (u32)action, 0, 8) != 0) die("cannot catch a signal\n");
    }
    u32 every[4] = {0, 50000, 0, 50000};
    call(SYS_SETITIMER, ITIMER_VIRTUAL, (u32)every, 0, 0);
    fence();
    for (;;) {
        u32 head[2];
        read_all(head, sizeof head);
        if (head[1] > sizeof message) die("a message is too long\n");
        read_all(message, head[1]);
        switch (head[0]) {
        case FLUSH: flush(); break;
        case REGION: add_region((u32 *)message); break;
        case DESCRIPTOR: add_descriptor((u32 *)message); break;
        case CASE: run_case((struct request *)message); break;
        default: die("an unknown message\n");
        }
    }
}

/* The kernel's stack is about to go. */
static u8 main_stack[0x4000] __attribute__((aligned(16), used));
__asm__(".text\n"
        ".globl _start\n"
        "_start:\n"
        "  mov $main_stack+0x4000, %esp\n"
        "  call start\n");
