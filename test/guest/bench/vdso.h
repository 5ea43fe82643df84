/* vdso.h - the kernel's own functions in the address space of every process. Read before: oscalls.c. */
#ifndef BENCH_VDSO_H
#define BENCH_VDSO_H

#include <stdint.h>

/** @param image where it lies (AT_SYSINFO_EHDR); 0 if there is no such function */
void *vdso_function(uintptr_t image, const char *name);

#endif
