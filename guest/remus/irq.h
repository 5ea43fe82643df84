/* irq.h - the interrupt controllers and the counters behind `irqstat`. */
#ifndef REMUS_IRQ_H
#define REMUS_IRQ_H

#include <stdint.h>
#include "../lib/abi.h"

#define IRQS 16
#define IRQ_TIMER 0
#define IRQ_COM1 4

/** Moves the vectors to VECTOR_IRQ0 and lets all lines through. */
void irq_init(void);
/** Handles an interrupt of the given line. */
void irq_dispatch(uint32_t irq);
void irq_describe(uint32_t irq, struct irq_info *info);

#endif
