/* power.h - the end of the machine. */
#ifndef REMUS_POWER_H
#define REMUS_POWER_H

/** Ends the machine; what runs it exits with the status (0 to 255, even ones but 0 become the next odd one). */
void power_off(int status) __attribute__((noreturn));
void power_reboot(void) __attribute__((noreturn));

#endif
