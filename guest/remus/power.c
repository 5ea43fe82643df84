/*
 * power.c - power-off and reset, by the ROM or by the ports that virtual PCs have for it.
 */
#include "power.h"

#include "port.h"
#include "site.h"

/** QEMU's isa-debug-exit, also in Romulus: value v ends the machine with exit status 2 v + 1. */
#define DEBUG_EXIT 0xF4
/** ACPI PM1a control register of the emulated PIIX4, at its usual places; SLP_EN with type 0 is power-off there. */
#define PM1A_CONTROL 0x604
#define PM1A_CONTROL_OLD 0xB004
#define SLEEP_ENABLE 0x2000
/** i8042 command "pulse output line 0", which is the CPU's reset. */
#define KEYBOARD_COMMAND 0x64
#define PULSE_RESET 0xFE

static void stop(void) __attribute__((noreturn));
static void stop(void) {
  for (;;) asm volatile("cli; hlt");
}

void power_off(int status) {
  DisableInterrupts();
  if (status & 0xFF) {
    out8(DEBUG_EXIT, (uint8_t)((status & 0xFF) >> 1));
    stop();
  }
  Shutdown();
  out16(PM1A_CONTROL, SLEEP_ENABLE);
  out16(PM1A_CONTROL_OLD, SLEEP_ENABLE);
  stop();
}

void power_reboot(void) {
  DisableInterrupts();
  Reboot(1);
  out8(KEYBOARD_COMMAND, PULSE_RESET);
  stop();
}
