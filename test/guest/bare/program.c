/* program.c - printing to COM1 and powering off by ACPI's port, for a program that is a kernel. */
#include "program.h"

#include "format.h"

#define COM1 0x3f8
#define LINE_STATUS 5
#define CAN_TAKE 0x20
#define POWER_CONTROL 0x604
#define SLEEP_NOW 0x2000

static void put(char c, void *context) {
  (void)context;
  uint8_t status;
  do asm volatile("inb %1, %0" : "=a"(status) : "d"((uint16_t)(COM1 + LINE_STATUS)));
  while (!(status & CAN_TAKE));
  asm volatile("outb %0, %1" : : "a"(c), "d"((uint16_t)COM1));
}

void exit(int status) {
  (void)status;
  asm volatile("outw %0, %1" : : "a"((uint16_t)SLEEP_NOW), "d"((uint16_t)POWER_CONTROL));
  for (;;) asm volatile("cli; hlt");
}

void printf(const char *text, ...) {
  va_list arguments;
  va_start(arguments, text);
  format(put, 0, text, arguments);
  va_end(arguments);
}
