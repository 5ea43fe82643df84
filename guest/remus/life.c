/*
 * life.c - how processes begin and end: fork, exec, exit, wait.
 *
 * Read before: process.c, space.c. Read after: syscall.c.
 */
#include "process.h"

#include "console.h"
#include "elf.h"
#include "initrd.h"
#include "layout.h"
#include "power.h"
#include "site.h"
#include "../lib/string.h"

#define EFLAGS_ALWAYS_ONE 0x2
#define ARGUMENTS 16

/** The trap frame of a process that is about to enter or re-enter its program: the top of its kernel stack. */
static struct trap_frame *top_frame(const struct process *process) {
  return (struct trap_frame *)(process->kernel_stack + KERNEL_STACK_BYTES) - 1;
}

/** Makes switch_context() to this process arrive in trap_return(), which pops the frame. */
static void prepare_first_switch(struct process *process) {
  uint32_t *stack = (uint32_t *)top_frame(process);
  *--stack = (uint32_t)trap_return;
  process->kernel_esp = (uint32_t)(stack - 4); /* EBX, ESI, EDI, EBP: anything */
}

/* ---- exec ---- */

/** Copies one segment of the file to where it wants to be. */
static int load_segment(struct space *space, const struct initrd_file *file, const struct elf_program_header *segment) {
  uint32_t start = segment->linear, end = start + segment->memory_bytes;
  if (start < USER_BASE || end < start || end > USER_STACK_TOP - USER_STACK_BYTES || segment->file_bytes > segment->memory_bytes ||
      segment->offset > file->bytes || segment->file_bytes > file->bytes - segment->offset || start < space->heap_start)
    return ERROR_BAD_FILE;

  for (uint32_t page = start & -PAGE_BYTES; page < end; page += PAGE_BYTES) {
    uint8_t *frame = space_map_zeroed(space, page, segment->flags & ELF_WRITABLE);
    if (!frame) return ERROR_NO_MEMORY;
    uint32_t from = page > start ? page : start, to = page + PAGE_BYTES;
    if (to > start + segment->file_bytes) to = start + segment->file_bytes;
    if (from < to) memcpy(frame + (from - page), file->data + segment->offset + (from - start), to - from);
  }
  /* Segments come in ascending order and share no page; the heap begins behind the last. */
  space->heap_start = space->heap_end = (end + PAGE_BYTES - 1) & -PAGE_BYTES;
  return 0;
}

static int load_program(struct space *space, const struct initrd_file *file, uint32_t *entry) {
  const struct elf_header *header = (const void *)file->data;
  if (file->bytes < sizeof *header || memcmp(header->ident, ELF_MAGIC, 7) || header->type != ELF_EXECUTABLE ||
      header->machine != ELF_I386 || header->program_headers > file->bytes ||
      header->program_header_count * sizeof(struct elf_program_header) > file->bytes - header->program_headers)
    return ERROR_BAD_FILE;
  const struct elf_program_header *segment = (const void *)(file->data + header->program_headers);
  for (uint32_t i = 0; i < header->program_header_count; i++, segment++) {
    int failed = segment->type == ELF_LOAD && segment->memory_bytes ? load_segment(space, file, segment) : 0;
    if (failed) return failed;
  }
  *entry = header->entry;
  return 0;
}

/** Puts argc, argv and the texts on the last stack page, as main() finds them; the new ESP, or 0 if they do not fit. */
static uint32_t push_arguments(uint8_t *page, const char *const argv[]) {
  uint32_t page_linear = USER_STACK_TOP - PAGE_BYTES, offset = PAGE_BYTES, count = 0;
  uint32_t pointers[ARGUMENTS];
  for (; argv[count]; count++) {
    uint32_t bytes = strlen(argv[count]) + 1;
    if (count == ARGUMENTS || bytes + sizeof pointers + 16 > offset) return 0;
    offset -= bytes;
    memcpy(page + offset, argv[count], bytes);
    pointers[count] = page_linear + offset;
  }
  uint32_t *words = (uint32_t *)(page + (offset & -4u));
  *--words = 0;
  for (uint32_t i = count; i > 0; i--) *--words = pointers[i - 1];
  uint32_t array = page_linear + (uint32_t)((uint8_t *)words - page);
  *--words = array;
  *--words = count;
  return array - 8;
}

/** Builds a space that holds the program, and the frame that starts it. */
static int prepare_program(struct space *space, struct trap_frame *frame, const char *path, const char *const argv[]) {
  const struct initrd_file *file = initrd_find(path);
  if (!file) return ERROR_NOT_FOUND;
  if (!space_create(space)) return ERROR_NO_MEMORY;

  uint32_t entry = 0;
  int failed = load_program(space, file, &entry);
  uint8_t *stack = failed ? 0 : space_map_zeroed(space, USER_STACK_TOP - PAGE_BYTES, true);
  uint32_t esp = stack ? push_arguments(stack, argv) : 0;
  if (!esp) {
    space_destroy(space);
    return failed ? failed : stack ? ERROR_BAD_ARGUMENT : ERROR_NO_MEMORY;
  }
  memset(frame, 0, sizeof *frame);
  frame->ds = frame->es = frame->ss = USER_DS;
  frame->cs = USER_CS;
  frame->eip = entry;
  frame->esp = esp;
  frame->eflags = EFLAGS_ALWAYS_ONE | EFLAGS_IF;
  return 0;
}

/** The process is named after the last part of the path. */
static void name_process(struct process *process, const char *path) {
  for (const char *slash; (slash = strchr(path, '/'));) path = slash + 1;
  copy_text(process->name, path, NAME_BYTES);
}

int process_exec(struct trap_frame *frame, const char *path, const char *const argv[]) {
  struct space space, old = current->space;
  int failed = prepare_program(&space, frame, path, argv);
  if (failed) return failed;
  DisableInterrupts();
  current->space = space;
  space_activate(&space);
  EnableInterrupts();
  space_destroy(&old);
  name_process(current, path);
  return 0;
}

void start_init(const char *path, const char *const argv[]) {
  struct process *process = process_allocate();
  int failed = process ? prepare_program(&process->space, top_frame(process), path, argv) : ERROR_NO_MEMORY;
  if (failed) panic("cannot start %s: error %d; is the initrd the one that belongs to this kernel?", path, failed);
  name_process(process, path);
  process->parent = processes;
  prepare_first_switch(process);
  process->state = RUNNABLE;
}

/* ---- fork, exit, wait ---- */

int process_fork(const struct trap_frame *frame) {
  struct process *child = process_allocate();
  if (!child) return ERROR_NO_MEMORY;
  if (!space_clone(&child->space, &current->space)) {
    if (child->space.directory) space_destroy(&child->space);
    process_release(child);
    return ERROR_NO_MEMORY;
  }
  memcpy(child->files, current->files, sizeof child->files);
  memcpy(child->name, current->name, NAME_BYTES);
  child->background = current->background;
  child->parent = current;
  *top_frame(child) = *frame;
  top_frame(child)->eax = 0;
  prepare_first_switch(child);
  child->state = RUNNABLE;
  return child->pid;
}

void process_exit(struct exit_info how) {
  if (current->pid == INIT_PID) {
    if (how.status == EXIT_FAULT) panic("init died of exception %u at %#x", how.vector, how.eip);
    power_off(how.status);
  }
  DisableInterrupts();
  struct space old = current->space;
  current->space = processes[0].space;
  space_activate(&current->space);
  space_destroy(&old);

  struct process *init = process_find(INIT_PID);
  for (struct process *child = processes + 1; child < processes + PROCESSES; child++)
    if (child->state != FREE && child->parent == current) child->parent = init;
  current->exit = how;
  current->state = ZOMBIE;
  wake_up(current->parent);
  wake_up(init);
  schedule();
  panic("a zombie was scheduled");
}

/** A child that has ended, or null; `*any` tells whether there are matching children at all. */
static struct process *find_zombie(int pid, bool *any) {
  *any = false;
  for (struct process *child = processes + 1; child < processes + PROCESSES; child++) {
    if (child->state == FREE || child->parent != current || (pid != -1 && child->pid != pid)) continue;
    *any = true;
    if (child->state == ZOMBIE) return child;
  }
  return 0;
}

int process_wait(int pid, struct exit_info *info, bool hang) {
  for (;;) {
    bool any;
    DisableInterrupts();
    struct process *zombie = find_zombie(pid, &any);
    if (!zombie && any && hang && !current->killed) sleep_on(current, FOREVER);
    EnableInterrupts();
    if (zombie) {
      *info = zombie->exit;
      process_release(zombie);
      return info->pid;
    }
    if (!any) return ERROR_NO_CHILD;
    if (!hang) return 0;
    if (current->killed) return ERROR_KILLED;
  }
}
