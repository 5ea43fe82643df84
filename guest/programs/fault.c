/*
 * fault.c - provokes, one child process after another, every exception that a program can raise, and shows that it is contained:
 * the child dies of the right exception with the right error code, and nobody else does.
 *
 * Exit status 0 if all were. Read before: trap.c in the kernel. (SDM 3A, "Exception and Interrupt Reference")
 */
#include "../lib/program.h"

/* Exceptions, and the address space as the kernel makes it (remus/layout.h). */
enum vector { DE, DB, BP = 3, OF, BR, UD, NM, NP = 11, SS, GP, PF };
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define TSS_SELECTOR 0x28
#define ABSENT_DS 0x33
#define USER_STACK_BOTTOM 0xBFEFF000
#define KERNEL_BASE "0xC0000000"

/* Error codes: of a selector, its value without RPL; of an IDT entry, vector * 8 + 2. */
#define SELECTOR(selector) ((selector) & 0xFFF8)
#define GATE(vector) ((vector) * 8 + 2)
/* Of a page fault. */
#define P 1
#define W 2
#define U 4

/* Every provocation: function, what it does, exception and error code that must come, instructions. They may change EAX, ECX, EDX. */
#define TESTS(X) \
  X(divide_zero, "DIV by 0", DE, 0, "xorl %%ecx, %%ecx; xorl %%edx, %%edx; movl $1, %%eax; divl %%ecx")                                    \
  X(divide_overflow, "IDIV overflow", DE, 0, "movl $0x80000000, %%eax; cltd; movl $-1, %%ecx; idivl %%ecx")                                \
  X(ascii_adjust, "AAM 0", DE, 0, "movb $1, %%al; aam $0")                                                                                 \
  X(single_step, "single step (TF)", DB, 0, "pushfl; orl $0x100, (%%esp); popfl; nop; nop")                                                \
  X(breakpoint, "INT3", BP, 0, "int3")                                                                                                     \
  X(breakpoint_long, "INT 3", BP, 0, "int $3")                                                                                             \
  X(overflow, "INTO with OF", OF, 0, "movb $0x7F, %%al; addb $1, %%al; into")                                                              \
  X(overflow_long, "INT 4", OF, 0, "int $4")                                                                                               \
  X(bound, "BOUND", BR, 0, "pushl $9; pushl $5; movl $10, %%eax; boundl %%eax, (%%esp)")                                                   \
  X(undefined, "UD2", UD, 0, "ud2")                                                                                                        \
  X(undefined_lock, "LOCK MOV", UD, 0, ".byte 0xF0, 0x89, 0xC0")                                                                           \
  X(undefined_lea, "LEA of a register", UD, 0, ".byte 0x8D, 0xC0")                                                                         \
  X(undefined_cs, "MOV to CS", UD, 0, ".byte 0x8E, 0xC8")                                                                                  \
  X(no_fpu, "FNINIT without FPU", NM, 0, "fninit")                                                                                         \
  X(disable, "CLI", GP, 0, "cli")                                                                                                          \
  X(enable, "STI", GP, 0, "sti")                                                                                                           \
  X(halt, "HLT", GP, 0, "hlt")                                                                                                             \
  X(input, "IN", GP, 0, "inb $0x60, %%al")                                                                                                 \
  X(output, "OUT", GP, 0, "movw $0x3F8, %%dx; outb %%al, %%dx")                                                                            \
  X(output_string, "OUTS", GP, 0, "movw $0x3F8, %%dx; movl %%esp, %%esi; outsb")                                                           \
  X(read_cr0, "MOV from CR0", GP, 0, "movl %%cr0, %%eax")                                                                                  \
  X(write_cr0, "MOV to CR0", GP, 0, "xorl %%eax, %%eax; movl %%eax, %%cr0")                                                                \
  X(write_cr3, "MOV to CR3", GP, 0, "xorl %%eax, %%eax; movl %%eax, %%cr3")                                                                \
  X(read_dr7, "MOV from DR7", GP, 0, "movl %%dr7, %%eax")                                                                                  \
  X(clear_ts, "CLTS", GP, 0, "clts")                                                                                                       \
  X(load_msw, "LMSW", GP, 0, "lmsw %%ax")                                                                                                  \
  X(load_gdt, "LGDT", GP, 0, "lgdt (%%esp)")                                                                                               \
  X(load_idt, "LIDT", GP, 0, "lidt (%%esp)")                                                                                               \
  X(load_ldt, "LLDT", GP, 0, "xorl %%eax, %%eax; lldt %%ax")                                                                               \
  X(load_task, "LTR", GP, 0, "movl $0x28, %%eax; ltr %%ax")                                                                                \
  X(inval_page, "INVLPG", GP, 0, "invlpg (%%esp)")                                                                                         \
  X(write_back, "WBINVD", GP, 0, "wbinvd")                                                                                                 \
  X(interrupt_page_fault, "INT 14, a DPL 0 gate", GP, GATE(14), "int $14")                                                                 \
  X(interrupt_timer, "INT 0x20, a DPL 0 gate", GP, GATE(0x20), "int $0x20")                                                                \
  X(interrupt_debug, "INT 1, a DPL 0 gate", GP, GATE(1), "int $1")                                                                         \
  X(interrupt_beyond, "INT 0xF0, beyond the IDT", GP, GATE(0xF0), "int $0xF0")                                                             \
  X(interrupt_no_gate, "INT 0x40, no gate", GP, GATE(0x40), "int $0x40")                                                                   \
  X(ds_kernel, "DS := kernel data", GP, SELECTOR(KERNEL_DS), "movl $0x10, %%eax; movl %%eax, %%ds")                                        \
  X(es_beyond, "ES := beyond the GDT", GP, SELECTOR(0x1003), "movl $0x1003, %%eax; movl %%eax, %%es")                                      \
  X(fs_code, "FS := kernel code", GP, SELECTOR(KERNEL_CS), "movl $0x08, %%eax; movl %%eax, %%fs")                                          \
  X(gs_ldt, "GS := in no LDT", GP, SELECTOR(0x0F) | 4, "movl $0x0F, %%eax; movl %%eax, %%gs")                                              \
  X(ss_kernel, "SS := kernel data", GP, SELECTOR(KERNEL_DS), "movl $0x10, %%eax; movl %%eax, %%ss")                                        \
  X(ss_null, "SS := null", GP, 0, "xorl %%eax, %%eax; movl %%eax, %%ss")                                                                   \
  X(ss_code, "SS := code", GP, SELECTOR(0x1B), "movl $0x1B, %%eax; movl %%eax, %%ss")                                                      \
  X(ds_absent, "DS := not present", NP, SELECTOR(ABSENT_DS), "movl $0x33, %%eax; movl %%eax, %%ds")                                        \
  X(pop_absent, "POP ES, not present", NP, SELECTOR(ABSENT_DS), "pushl $0x33; popl %%es")                                                  \
  X(ss_absent, "SS := not present", SS, SELECTOR(ABSENT_DS), "movl $0x33, %%eax; movl %%eax, %%ss")                                        \
  X(lss_absent, "LSS, not present", SS, SELECTOR(ABSENT_DS), "pushl $0x33; pushl %%esp; lss (%%esp), %%esp")                               \
  X(ds_null_use, "read by a null DS", GP, 0, "xorl %%eax, %%eax; movl %%eax, %%ds; movl %%ds:(%%esp), %%eax")                              \
  X(write_code_segment, "write by CS", GP, 0, "movl $0, %%cs:(%%esp)")                                                                     \
  X(jump_kernel, "JMP to kernel code", GP, SELECTOR(KERNEL_CS), "ljmp $0x08, $0")                                                          \
  X(jump_null, "JMP to null", GP, 0, "ljmp $0, $0")                                                                                        \
  X(call_data, "CALL to data", GP, SELECTOR(0x23), "lcall $0x23, $0")                                                                      \
  X(call_tss, "CALL to the TSS", GP, SELECTOR(TSS_SELECTOR), "lcall $0x28, $0")                                                            \
  X(iret_kernel, "IRET to kernel code", GP, SELECTOR(KERNEL_CS), "pushfl; pushl $0x08; pushl $0; iret")                                    \
  X(lret_kernel, "RET to kernel code", GP, SELECTOR(KERNEL_CS), "pushl $0x08; pushl $0; lret")                                             \
  X(too_long, "16 byte instruction", GP, 0, ".fill 15, 1, 0x66; nop")                                                                      \
  X(null_read, "read by null", PF, U, "movl 0, %%eax")                                                                                     \
  X(null_write, "write by null", PF, U | W, "movl %%eax, 0")                                                                               \
  X(null_execute, "execute at null", PF, U, "xorl %%eax, %%eax; jmp *%%eax")                                                               \
  X(kernel_read, "read the kernel", PF, U | P, "movl " KERNEL_BASE " + 0x100000, %%eax")                                                   \
  X(kernel_write, "write the kernel", PF, U | W | P, "movl %%eax, " KERNEL_BASE " + 0x100000")                                             \
  X(kernel_execute, "execute the kernel", PF, U | P, "movl $" KERNEL_BASE " + 0x100000, %%eax; jmp *%%eax")                                \
  X(rom_call, "call the ROM", PF, U | P, "movl $" KERNEL_BASE " + 0xC8088, %%eax; call *%%eax")                                            \
  X(text_write, "write own code", PF, U | W | P, "movl $0x08048000, %%eax; movl %%eax, (%%eax)")                                           \
  X(exchange, "XCHG with own code", PF, U | W | P, "movl $0x08048000, %%eax; xchgl %%eax, (%%eax)")                                        \
  X(beyond_heap, "OR beyond the heap", PF, U | W, "movl $0x50000000, %%eax; orl $0, (%%eax)")                                              \
  X(page_end, "read over the last page", PF, U, "movl $0xBFFFEFFE, %%eax; movl (%%eax), %%eax")                                            \
  X(string_read, "LODS by null", PF, U, "xorl %%esi, %%esi; lodsb")                                                                        \
  X(stack_overflow, "PUSH below the stack", PF, U | W, "movl $0xBFEFF002, %%esp; pushl %%eax")

#define FUNCTION(name, text, vector, error, code) \
  static void name(void) { asm volatile(code ::: "memory", "eax", "ecx", "edx"); }
TESTS(FUNCTION)

#define ROW(name, text, vector, error, code) {text, name, vector, error},
static const struct test {
  const char *name;
  void (*provoke)(void);
  enum vector vector;
  uint32_t error;
} tests[] = {TESTS(ROW)};

/**
 * What QEMU's translator does not do as the manual says: it checks neither segment types nor this use of LOCK, and it reads before it
 * writes. `fault` says so there instead of failing.
 */
static void (*const beyond_tcg[])(void) = {undefined_lock, ds_null_use, write_code_segment, beyond_heap};

/** Whether this CPU is QEMU's translator, by the leaf in which hypervisors give their names. */
static bool is_tcg(void) {
  uint32_t eax = 0x40000000, name[3];
  asm volatile("cpuid" : "+a"(eax), "=b"(name[0]), "=c"(name[1]), "=d"(name[2]));
  return !memcmp(name, "TCGTCGTCGTCG", sizeof name);
}

static bool is_skipped(const struct test *test) {
  for (uint32_t i = 0; is_tcg() && i < sizeof beyond_tcg / sizeof *beyond_tcg; i++)
    if (test->provoke == beyond_tcg[i]) return true;
  return false;
}

/** Pointers that a system call must refuse. */
static const struct {
  const char *name;
  uint32_t pointer;
} pointers[] = {{"null", 0}, {"the kernel's", 0xC0100000}, {"unmapped", 0x50000000}, {"at the edge", 0xBFFFEFFF}, {"wrapping", 0xFFFFFFFF}};

static bool check(const struct test *test) {
  int pid = fork();
  if (!pid) {
    test->provoke();
    exit(0);
  }
  struct exit_info info;
  bool waited = pid > 0 && wait_for(pid, &info, 0) == pid;
  bool right = waited && info.status == EXIT_FAULT && info.vector == test->vector && info.error == test->error;
  printf("%-26s vector %2u  error %#06x  ", test->name, test->vector, test->error);
  if (right) printf("contained\n");
  else if (!waited) printf("NOT RUN\n");
  else if (info.status == EXIT_FAULT) printf("WRONG: vector %u, error %#x at %#x\n", info.vector, info.error, info.eip);
  else printf("NOT CAUGHT: exit status %d\n", info.status);
  return right;
}

int main(void) {
  uint32_t contained = 0, all = 0;
  for (const struct test *test = tests; test < tests + sizeof tests / sizeof *tests; test++) {
    if (is_skipped(test)) {
      printf("%-26s left out: QEMU's translator does not do this\n", test->name);
    } else {
      contained += check(test);
      all++;
    }
  }
  for (uint32_t i = 0; i < sizeof pointers / sizeof *pointers; i++, all++) {
    int result = system_call(SYS_write, 1, pointers[i].pointer, 2);
    bool right = result == ERROR_BAD_ADDRESS && system_call(SYS_time, pointers[i].pointer, 0, 0) == ERROR_BAD_ADDRESS;
    printf("system call, %-13s refused with %d  %s\n", pointers[i].name, result, right ? "contained" : "WRONG");
    contained += right;
  }
  if (contained == all) printf("all %u contained\n", all);
  else printf("%u of %u NOT contained\n", all - contained, all);
  return contained != all;
}
