/*
 * bench.c - what things cost: kernel operations, and plain arithmetic as a yardstick. `bench NAME` runs only that row.
 *
 * Every row repeats its work, doubling the count until it takes long enough to be measured, and prints nanoseconds for one.
 */
#include "../lib/program.h"

#define ENOUGH_NS 50000000 /* 50 ms */
#define PAGE_BYTES 4096
#define SIEVE_BYTES 8192
#define SHA_BLOCK_BYTES 64

/* ---- kernel operations ---- */

static uint64_t measured(enum measurement what, uint32_t times) {
  uint64_t ns = 0;
  system_call(SYS_measure, what, times, (uint32_t)&ns);
  return ns;
}

static uint64_t pair(uint32_t times) { return measured(MEASURE_PAIR, times); }
static uint64_t pair_native(uint32_t times) { return measured(MEASURE_PAIR_NATIVE, times); }
static uint64_t set_pxe(uint32_t times) { return measured(MEASURE_SET_PXE, times); }
static uint64_t store(uint32_t times) { return measured(MEASURE_STORE, times); }

static uint64_t system_calls(uint32_t times) {
  uint64_t start = now_ns();
  while (times--) getpid();
  return now_ns() - start;
}

/** Two processes that hand the CPU to each other; `times` switches in all. */
static uint64_t switches(uint32_t times) {
  uint64_t start = now_ns();
  int pid = fork();
  for (uint32_t i = 0; i < times / 2; i++) yield();
  if (!pid) exit(0);
  struct exit_info info;
  wait_for(pid, &info, 0);
  return now_ns() - start;
}

static uint64_t forks(uint32_t times) {
  uint64_t start = now_ns();
  while (times--) {
    int pid = fork();
    if (!pid) exit(0);
    struct exit_info info;
    wait_for(pid, &info, 0);
  }
  return now_ns() - start;
}

static uint64_t programs(uint32_t times) {
  static const char *const argv[] = {"true", 0};
  uint64_t start = now_ns();
  while (times--) {
    int pid = fork();
    if (!pid) exit(exec("bin/true", argv) < 0);
    struct exit_info info;
    wait_for(pid, &info, 0);
  }
  return now_ns() - start;
}

/** First touch of heap pages: a page fault, a zeroed frame, a page-table entry. */
static uint64_t touches(uint32_t times) {
  char *heap = brk(0);
  uint64_t start = now_ns();
  while (times) {
    uint32_t pages = times < 1024 ? times : 1024;
    brk(heap + pages * PAGE_BYTES);
    for (uint32_t page = 0; page < pages; page++) *(volatile char *)(heap + page * PAGE_BYTES) = 1;
    brk(heap);
    times -= pages;
  }
  return now_ns() - start;
}

/**
 * First write to a page that a fork had made read-only, when nobody shares it any more: a page fault with as little as can be behind it, one
 * bit in a page-table entry. Each round forks a child that ends at once; only the writes are timed.
 */
static uint64_t unshares(uint32_t times) {
  char *heap = brk(0);
  uint32_t pages = times < 512 ? times : 512;
  uint64_t ns = 0;
  brk(heap + pages * PAGE_BYTES);
  for (uint32_t page = 0; page < pages; page++) *(volatile char *)(heap + page * PAGE_BYTES) = 1;
  for (; times; times -= pages < times ? pages : times) {
    int pid = fork();
    if (!pid) exit(0);
    struct exit_info info;
    wait_for(pid, &info, 0);
    uint64_t start = now_ns();
    for (uint32_t page = 0; page < pages; page++) *(volatile char *)(heap + page * PAGE_BYTES) = 1;
    ns += now_ns() - start;
  }
  brk(heap);
  return ns;
}

/* ---- arithmetic ---- */

/** Primes below SIEVE_BYTES by the sieve of Eratosthenes. */
static uint64_t sieve(uint32_t times) {
  static uint8_t composite[SIEVE_BYTES];
  uint64_t start = now_ns();
  while (times--) {
    memset(composite, 0, sizeof composite);
    for (uint32_t i = 2; i * i < SIEVE_BYTES; i++)
      if (!composite[i])
        for (uint32_t j = i * i; j < SIEVE_BYTES; j += i) composite[j] = 1;
    asm volatile("" ::: "memory");
  }
  return now_ns() - start;
}

static uint32_t rotate(uint32_t value, uint32_t by) { return value >> by | value << (32 - by); }

/** The compression function of SHA-256 on one block, with round constants from a generator instead of the standard's table. */
static uint64_t sha(uint32_t times) {
  static uint32_t state[8], words[SHA_BLOCK_BYTES];
  uint64_t start = now_ns();
  while (times--) {
    for (uint32_t i = 16; i < 64; i++) {
      uint32_t a = words[i - 15], b = words[i - 2];
      words[i] = words[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    uint32_t v[8], constant = 0x428A2F98;
    memcpy(v, state, sizeof v);
    for (uint32_t i = 0; i < 64; i++) {
      uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constant + words[i];
      uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t1, v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t1 + t2;
      constant = constant * 1664525 + 1013904223;
    }
    for (uint32_t i = 0; i < 8; i++) state[i] += v[i];
    memcpy(words, state, sizeof state);
  }
  return now_ns() - start;
}

static const struct row {
  const char *name, *what;
  uint64_t (*run)(uint32_t times); /* 0: reads() */
} rows[] = {
    {"pair", "DisableInterrupts + EnableInterrupts", pair},
    {"cli", "the same by CLI + STI", pair_native},
    {"setpxe", "SetPxE", set_pxe},
    {"store", "the same by a plain store", store},
    {"syscall", "system call and back", system_calls},
    {"switch", "switch to another process", switches},
    {"touch", "first touch of a page", touches},
    {"unshare", "first write after a fork, page not shared", unshares},
    {"read", "first read of a mapped page", 0},
    {"scatter", "the same, frames not in order", 0},
    {"fork", "fork, exit, wait", forks},
    {"exec", "fork, exec, exit, wait", programs},
    {"sieve", "primes below 8192", sieve},
    {"sha", "a SHA-256 block (64 bytes)", sha},
};

static void report(const struct row *row, uint64_t ns, uint32_t times) {
  uint32_t tenths = (uint32_t)quotient(ns * 10, times);
  printf("%-8s %-38s %9u.%u ns\n", row->name, row->what, tenths / 10, tenths % 10);
}

#define MAPPED_PAGES 1024
#define STRIDE 389 /* has no divisor in common with MAPPED_PAGES */

/**
 * First reads of pages that are mapped already: a child, in an address space of its own, reads what its parent has written, and reports.
 * The kernel has nothing to do in it; a TLB, or what stands for one, has. Pages are read in order; they were written in order, or in
 * strides, and so lie in frames in or out of order.
 */
static void reads(const struct row *row) {
  uint32_t stride = strcmp(row->name, "scatter") ? 1 : STRIDE;
  char *heap = brk(0);
  brk(heap + MAPPED_PAGES * PAGE_BYTES);
  for (uint32_t i = 0; i < MAPPED_PAGES; i++) *(volatile char *)(heap + i * stride % MAPPED_PAGES * PAGE_BYTES) = 1;
  int pid = fork();
  if (!pid) {
    uint64_t start = now_ns();
    for (uint32_t page = 0; page < MAPPED_PAGES; page++) (void)*(volatile char *)(heap + page * PAGE_BYTES);
    report(row, now_ns() - start, MAPPED_PAGES);
    exit(0);
  }
  struct exit_info info;
  wait_for(pid, &info, 0);
  brk(heap);
}

int main(int argc, char *argv[]) {
  bool found = false;
  for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
    if (argc > 1 && strcmp(argv[1], row->name)) continue;
    found = true;
    if (!row->run) {
      reads(row);
      continue;
    }
    uint32_t times = 8;
    uint64_t ns = row->run(times);
    while (ns < ENOUGH_NS && times < 1u << 30) {
      times *= ns < ENOUGH_NS / 16 ? 8 : 2;
      ns = row->run(times);
    }
    report(row, ns, times);
  }
  if (!found) printf("bench: no row is called %s\n", argv[1]);
  return !found;
}
