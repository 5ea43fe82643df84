/* descriptors.h - GDT, IDT and the one TSS. */
#ifndef REMUS_DESCRIPTORS_H
#define REMUS_DESCRIPTORS_H

#include <stdint.h>

/** Loads GDT and TSS, and an IDT with all gates. */
void descriptors_init(void);
/** Where the CPU continues on its stack when a program enters the kernel. */
void set_kernel_stack(uint32_t esp0);

#endif
