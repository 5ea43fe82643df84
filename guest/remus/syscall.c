/*
 * syscall.c - the system calls: each checks what the program gave, and calls the part of the kernel that does the work.
 *
 * The numbers and records are in ../lib/abi.h. Interrupts are on; the caller may be killed meanwhile, which takes effect on
 * the way back to the program (trap.c).
 */
#include "clock.h"
#include "console.h"
#include "frame.h"
#include "initrd.h"
#include "irq.h"
#include "layout.h"
#include "measure.h"
#include "power.h"
#include "process.h"
#include "site.h"
#include "version.h"
#include "../lib/string.h"

#define CONSOLE_FDS 3 /* 0, 1 and 2 are the console */
#define PATH_BYTES 64
#define ARGUMENTS 15

typedef int system_call_function(struct trap_frame *frame);

/** The frame's argument as a record of the program, checked for writing; null if it is not the program's. */
#define USER_RECORD(type, word) ((type *)(user_writable((void *)(word), sizeof(type)) ? (void *)(word) : 0))

static int do_exit(struct trap_frame *frame) {
  struct exit_info how = {.pid = current->pid, .status = frame->ebx & 0xFF};
  process_exit(how);
}

static int do_fork(struct trap_frame *frame) { return process_fork(frame); }

static int do_exec(struct trap_frame *frame) {
  char path[PATH_BYTES], texts[512];
  const char *argv[ARGUMENTS + 1];
  int length = user_text(path, (const char *)frame->ebx, sizeof path);
  if (length < 0) return length;
  const char *const *from = (const char *const *)frame->ecx;
  uint32_t used = 0, count = 0;
  for (;; from++, count++) {
    if (!user_readable(from, sizeof *from)) return ERROR_BAD_ADDRESS;
    if (!*from) break;
    if (count == ARGUMENTS) return ERROR_BAD_ARGUMENT;
    length = user_text(texts + used, *from, sizeof texts - used);
    if (length < 0) return length;
    argv[count] = texts + used;
    used += (uint32_t)length + 1;
  }
  argv[count] = 0;
  return process_exec(frame, path, argv);
}

static int do_wait(struct trap_frame *frame) {
  struct exit_info *info = USER_RECORD(struct exit_info, frame->ecx);
  return info ? process_wait((int)frame->ebx, info, !(frame->edx & WAIT_NO_HANG)) : ERROR_BAD_ADDRESS;
}

/** The open file behind a descriptor; null if it is none. */
static struct open_file *open_file(uint32_t fd) {
  uint32_t index = fd - CONSOLE_FDS;
  return fd >= CONSOLE_FDS && index < OPEN_FILES && current->files[index].file ? &current->files[index] : 0;
}

static int do_read(struct trap_frame *frame) {
  void *buffer = (void *)frame->ecx;
  uint32_t bytes = frame->edx;
  if (!user_writable(buffer, bytes)) return ERROR_BAD_ADDRESS;
  if (frame->ebx < CONSOLE_FDS) return console_read(buffer, bytes);
  struct open_file *open = open_file(frame->ebx);
  if (!open) return ERROR_BAD_FILE;
  uint32_t left = open->file->bytes - open->offset;
  if (bytes > left) bytes = left;
  memcpy(buffer, open->file->data + open->offset, bytes);
  open->offset += bytes;
  return (int)bytes;
}

static int do_write(struct trap_frame *frame) {
  const char *buffer = (const char *)frame->ecx;
  if (!user_readable(buffer, frame->edx)) return ERROR_BAD_ADDRESS;
  if (frame->ebx >= CONSOLE_FDS) return ERROR_BAD_FILE;
  console_write(buffer, frame->edx);
  return (int)frame->edx;
}

static int do_open(struct trap_frame *frame) {
  char path[PATH_BYTES];
  int length = user_text(path, (const char *)frame->ebx, sizeof path);
  if (length < 0) return length;
  const struct initrd_file *file = initrd_find(path);
  if (!file) return ERROR_NOT_FOUND;
  for (int index = 0; index < OPEN_FILES; index++) {
    if (current->files[index].file) continue;
    current->files[index].file = file;
    current->files[index].offset = 0;
    return index + CONSOLE_FDS;
  }
  return ERROR_BAD_FILE;
}

static int do_close(struct trap_frame *frame) {
  struct open_file *open = open_file(frame->ebx);
  if (!open) return ERROR_BAD_FILE;
  open->file = 0;
  return 0;
}

static int do_sleep(struct trap_frame *frame) {
  uint64_t deadline = clock_now() + (uint64_t)frame->ebx * 1000000;
  while (clock_now() < deadline && !current->killed) {
    DisableInterrupts();
    sleep_on(0, deadline);
    EnableInterrupts();
  }
  return 0;
}

static int do_yield(struct trap_frame *frame) {
  (void)frame;
  DisableInterrupts();
  schedule();
  EnableInterrupts();
  return 0;
}

static int do_getpid(struct trap_frame *frame) {
  (void)frame;
  return current->pid;
}

static int do_kill(struct trap_frame *frame) {
  struct process *process = process_find((int)frame->ebx);
  if (!process || process->state == ZOMBIE) return ERROR_NOT_FOUND;
  if (process->pid == INIT_PID) return ERROR_BAD_ARGUMENT;
  DisableInterrupts();
  kill_process(process);
  EnableInterrupts();
  return 0;
}

static int do_detach(struct trap_frame *frame) {
  (void)frame;
  current->background = true;
  return 0;
}

static int do_brk(struct trap_frame *frame) {
  if (frame->ebx && !space_set_heap_end(&current->space, frame->ebx)) return ERROR_BAD_ARGUMENT;
  return (int)current->space.heap_end;
}

static int do_time(struct trap_frame *frame) {
  struct time_info *info = USER_RECORD(struct time_info, frame->ebx);
  if (!info) return ERROR_BAD_ADDRESS;
  info->uptime_ns = clock_now();
  info->wallclock_s = clock_wallclock();
  info->idle_ns = idle_ns;
  return 0;
}

static int do_system_info(struct trap_frame *frame) {
  struct system_info *info = USER_RECORD(struct system_info, frame->ebx);
  if (!info) return ERROR_BAD_ADDRESS;
  memset(info, 0, sizeof *info);
  info->total_kib = frames_total() * (PAGE_BYTES / 1024);
  info->free_kib = frames_free() * (PAGE_BYTES / 1024);
  copy_text(info->version, REMUS_VERSION, sizeof info->version);
  clock_describe(info);
  const struct vrom_header *rom = vmi_rom.header;
  if (!rom) return 0;
  info->rom_phys = phys_of(rom);
  info->rom_bytes = rom->rom_length * 512;
  info->rom_sites = vmi_rom.sites;
  info->rom_patched = vmi_rom.patched;
  info->api_major = rom->api_version_maj;
  info->api_minor = rom->api_version_min;
  copy_text(info->manufacturer, vmi_rom.manufacturer, sizeof info->manufacturer);
  copy_text(info->product, vmi_rom.product, sizeof info->product);
  return 0;
}

static int do_process_info(struct trap_frame *frame) {
  struct process_info *info = USER_RECORD(struct process_info, frame->ecx);
  if (!info) return ERROR_BAD_ADDRESS;
  uint32_t index = frame->ebx;
  for (struct process *process = processes + 1; process < processes + PROCESSES; process++) {
    if (process->state == FREE || index--) continue;
    info->pid = process->pid;
    info->parent = process->parent->pid;
    info->state = process->state == RUNNABLE ? 'R' : process->state == SLEEPING ? 'S' : 'Z';
    memcpy(info->name, process->name, NAME_BYTES);
    info->pages = process->state == ZOMBIE ? 0 : process->space.pages;
    info->cpu_ns = process->cpu_ns;
    return 0;
  }
  return ERROR_NOT_FOUND;
}

static int do_irq_info(struct trap_frame *frame) {
  struct irq_info *info = USER_RECORD(struct irq_info, frame->ecx);
  if (!info) return ERROR_BAD_ADDRESS;
  if (frame->ebx >= IRQS) return ERROR_NOT_FOUND;
  irq_describe(frame->ebx, info);
  return 0;
}

static int do_file_info(struct trap_frame *frame) {
  struct file_info *info = USER_RECORD(struct file_info, frame->ecx);
  const struct initrd_file *file = initrd_at(frame->ebx);
  if (!info) return ERROR_BAD_ADDRESS;
  if (!file) return ERROR_NOT_FOUND;
  memcpy(info->name, file->name, sizeof info->name);
  info->bytes = file->bytes;
  return 0;
}

static int do_rom_info(struct trap_frame *frame) {
  struct rom_info *info = USER_RECORD(struct rom_info, frame->ecx);
  if (!info) return ERROR_BAD_ADDRESS;
  if (frame->ebx >= VMI_CALLS) return ERROR_NOT_FOUND;
  struct vmi_relocation relocation = vmi_ask(frame->ebx);
  info->type = relocation.type;
  info->target = relocation.target;
  return 0;
}

static int do_measure(struct trap_frame *frame) {
  uint64_t *ns = USER_RECORD(uint64_t, frame->edx);
  return ns ? measure(frame->ebx, frame->ecx, ns) : ERROR_BAD_ADDRESS;
}

static int do_power(struct trap_frame *frame) {
  if (frame->ebx == POWER_OFF) power_off((int)frame->ecx);
  if (frame->ebx == POWER_REBOOT) power_reboot();
  return ERROR_BAD_ARGUMENT;
}

static system_call_function *const calls[SYSTEM_CALLS] = {
    [SYS_exit] = do_exit,
    [SYS_fork] = do_fork,
    [SYS_exec] = do_exec,
    [SYS_wait] = do_wait,
    [SYS_read] = do_read,
    [SYS_write] = do_write,
    [SYS_open] = do_open,
    [SYS_close] = do_close,
    [SYS_sleep] = do_sleep,
    [SYS_yield] = do_yield,
    [SYS_getpid] = do_getpid,
    [SYS_kill] = do_kill,
    [SYS_detach] = do_detach,
    [SYS_brk] = do_brk,
    [SYS_time] = do_time,
    [SYS_system_info] = do_system_info,
    [SYS_process_info] = do_process_info,
    [SYS_irq_info] = do_irq_info,
    [SYS_file_info] = do_file_info,
    [SYS_rom_info] = do_rom_info,
    [SYS_measure] = do_measure,
    [SYS_power] = do_power,
};

void system_call(struct trap_frame *frame) {
  frame->eax = frame->eax < SYSTEM_CALLS ? (uint32_t)calls[frame->eax](frame) : (uint32_t)ERROR_NO_CALL;
}
