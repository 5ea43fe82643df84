/* console.h - the serial console: printing for the kernel, a line-edited terminal for programs. */
#ifndef REMUS_CONSOLE_H
#define REMUS_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

void console_init(void);

/** Begins to take input; the interrupt controller must be set up. */
void console_listen(void);
/** Prints as printf() does. Usable at any time, also before anything else is set up. */
void printk(const char *text, ...) __attribute__((format(printf, 1, 2)));
/** Prints a message, the current process and the kernel stack, and ends the machine with exit status 255. */
void panic(const char *text, ...) __attribute__((format(printf, 1, 2), noreturn));

void console_write(const char *text, uint32_t bytes);
/** Waits for a line and takes at most `bytes` of it; 0 at Ctrl-D, ERROR_KILLED if the caller is to die. */
int console_read(char *buffer, uint32_t bytes);
/** Takes what the UART has received. */
void console_interrupt(void);

#endif
