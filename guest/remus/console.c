/*
 * console.c - 16550A UART at COM1 and the line discipline above it.
 *
 * Output waits for the transmitter; input comes by IRQ 4 and is edited into lines before a program sees it: Backspace, Ctrl-U
 * (forget the line), Ctrl-C (forget it and end the foreground programs), Ctrl-D (end of file on an empty line).
 * (PC16550D data sheet, "Registers")
 */
#include "console.h"

#include <stdarg.h>
#include "port.h"
#include "process.h"
#include "site.h"
#include "../lib/format.h"

#define COM1 0x3F8
#define DATA (COM1 + 0)             /* receiver buffer, transmitter holding register; divisor low if DLAB */
#define INTERRUPT_ENABLE (COM1 + 1) /* divisor high if DLAB */
#define FIFO_CONTROL (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define MODEM_CONTROL (COM1 + 4)
#define LINE_STATUS (COM1 + 5)

#define ENABLE_RECEIVED 0x01
#define FIFO_ENABLE_AND_CLEAR 0x07
#define EIGHT_BITS 0x03
#define DLAB 0x80
#define DTR 0x01
#define DTR_RTS_OUT2 0x0B /* RTS asks for input; OUT2 connects the UART to the interrupt controller */
#define DATA_READY 0x01
#define TRANSMITTER_EMPTY 0x20

#define CTRL(letter) ((letter) & 0x1F)
#define DELETE 0x7F

/** The line that is being typed. */
static char line[256];
static uint32_t line_length;
/** Finished lines that no program has read yet, as a ring; an end of file is a NUL. */
static char ready[1024];
static volatile uint32_t ready_head, ready_tail;

void console_init(void) {
  out8(INTERRUPT_ENABLE, 0);
  out8(LINE_CONTROL, DLAB);
  out8(DATA, 1); /* divisor 1: 115200 baud */
  out8(INTERRUPT_ENABLE, 0);
  out8(LINE_CONTROL, EIGHT_BITS);
  out8(FIFO_CONTROL, FIFO_ENABLE_AND_CLEAR);
  out8(MODEM_CONTROL, DTR);
}

void console_listen(void) {
  out8(INTERRUPT_ENABLE, ENABLE_RECEIVED);
  out8(MODEM_CONTROL, DTR_RTS_OUT2);
}

/** One character; interrupts are off between look and write, as their handlers print, too. */
static void put(char c, void *unused) {
  (void)unused;
  if (c == '\n') put('\r', 0);
  uint32_t mask = GetInterruptMask();
  DisableInterrupts();
  while (!(in8(LINE_STATUS) & TRANSMITTER_EMPTY)) continue;
  out8(DATA, (uint8_t)c);
  SetInterruptMask(mask);
}

void printk(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  format(put, 0, text, arguments);
  va_end(arguments);
}

void console_write(const char *text, uint32_t bytes) {
  while (bytes--) put(*text++, 0);
}

/** Hands the typed line and `last` to the readers; what does not fit is dropped with a bell. */
static void finish_line(char last) {
  if (ready_head - ready_tail + line_length + 1 > sizeof ready) {
    put('\a', 0);
  } else {
    for (uint32_t i = 0; i < line_length; i++) ready[ready_head++ % sizeof ready] = line[i];
    ready[ready_head++ % sizeof ready] = last;
    wake_up(ready);
  }
  line_length = 0;
}

static void erase(uint32_t characters) {
  for (; characters; characters--) printk("\b \b");
}

static void receive(char c) {
  switch (c) {
    case '\r':
    case '\n':
      put('\n', 0);
      finish_line('\n');
      break;
    case '\b':
    case DELETE:
      if (line_length) line_length--, erase(1);
      break;
    case CTRL('U'):
      erase(line_length);
      line_length = 0;
      break;
    case CTRL('C'):
      printk("^C\n");
      line_length = 0;
      kill_foreground();
      if (is_waiting(ready)) finish_line('\n');
      break;
    case CTRL('D'):
      if (!line_length) finish_line(0);
      break;
    default:
      if ((uint8_t)c < ' ') break;
      if (line_length == sizeof line - 1) {
        put('\a', 0);
      } else {
        line[line_length++] = c;
        put(c, 0);
      }
  }
}

void console_interrupt(void) {
  while (in8(LINE_STATUS) & DATA_READY) receive((char)in8(DATA));
}

int console_read(char *buffer, uint32_t bytes) {
  uint32_t count = 0;
  DisableInterrupts();
  while (ready_head == ready_tail && !current->killed) sleep_on(ready, FOREVER);
  while (count < bytes && ready_head != ready_tail) {
    char c = ready[ready_tail++ % sizeof ready];
    if (!c) break;
    buffer[count++] = c;
    if (c == '\n') break;
  }
  EnableInterrupts();
  return current->killed ? ERROR_KILLED : (int)count;
}
