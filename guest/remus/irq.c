/*
 * irq.c - the 8259A pair, the dispatch of its lines, and what the machine says about them.
 *
 * All lines are open, also those that have no driver here: an interrupt from outside is counted and acknowledged, so that
 * `irqstat` can show what arrived. (Intel 8259A data sheet, "Programming the 8259A")
 */
#include "irq.h"

#include "clock.h"
#include "console.h"
#include "port.h"
#include "site.h"
#include "trap.h"

#define MASTER 0x20 /* command; mask is the next port */
#define SLAVE 0xA0
#define ICW1_EDGE_CASCADE_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_EOI 0x20 /* non-specific */
#define OCW3_READ_ISR 0x0B
#define CASCADE_IRQ 2

/* The event accounts of a Romulus machine: select (irq << 8 | field), then read. Elsewhere nothing answers with the signature. */
#define ACCOUNTS_SELECT 0x6A0
#define ACCOUNTS_VALUE 0x6A4
#define ACCOUNTS_SIGNATURE 0x54434341 /* "ACCT" */
enum account { ACCOUNT_SIGNATURE, RAISED, MERGED, DELIVERED, LATENCY_LAST, LATENCY_HIGHEST, LATENCY_MEDIAN, DISCARDED };

static uint64_t counts[IRQS];

void irq_init(void) {
  out8(MASTER, ICW1_EDGE_CASCADE_ICW4);
  out8(MASTER + 1, VECTOR_IRQ0);
  out8(MASTER + 1, 1 << CASCADE_IRQ);
  out8(MASTER + 1, ICW4_8086);
  out8(SLAVE, ICW1_EDGE_CASCADE_ICW4);
  out8(SLAVE + 1, VECTOR_IRQ0 + 8);
  out8(SLAVE + 1, CASCADE_IRQ);
  out8(SLAVE + 1, ICW4_8086);
  out8(MASTER + 1, 0);
  out8(SLAVE + 1, 0);
}

/** A line that went away before it was acknowledged arrives as IRQ 7 or 15 with no in-service bit. */
static bool is_spurious(uint32_t irq) {
  if (irq != 7 && irq != 15) return false;
  uint16_t controller = irq == 7 ? MASTER : SLAVE;
  out8(controller, OCW3_READ_ISR);
  return !(in8(controller) & 0x80);
}

void irq_dispatch(uint32_t irq) {
  bool spurious = is_spurious(irq);
  if (!spurious) counts[irq]++;
  if (irq >= 8 && !spurious) out8(SLAVE, OCW2_EOI);
  if (irq >= 8 || !spurious) out8(MASTER, OCW2_EOI);

  if (irq == IRQ_TIMER) clock_interrupt();
  if (irq == IRQ_COM1) console_interrupt();
}

static uint32_t account(uint32_t irq, enum account field) {
  out32(ACCOUNTS_SELECT, irq << 8 | field);
  return in32(ACCOUNTS_VALUE);
}

void irq_describe(uint32_t irq, struct irq_info *info) {
  DisableInterrupts();
  info->count = counts[irq];
  info->accounts = account(irq, ACCOUNT_SIGNATURE) == ACCOUNTS_SIGNATURE;
  info->raised = account(irq, RAISED);
  info->merged = account(irq, MERGED);
  info->delivered = account(irq, DELIVERED);
  info->discarded = account(irq, DISCARDED);
  info->latency_last_ns = account(irq, LATENCY_LAST);
  info->latency_highest_ns = account(irq, LATENCY_HIGHEST);
  info->latency_median_ns = account(irq, LATENCY_MEDIAN);
  EnableInterrupts();
}
