/* format.h - the heart of printk() and printf(). */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>

/** Takes one character of the result. */
typedef void (*format_sink)(char c, void *context);

/**
 * Formats as printf() does: %s %c %d %u %x %%, with the flags - 0 #, a width, and ll for 64-bit numbers.
 * An unknown conversion is printed as it stands.
 */
void format(format_sink sink, void *context, const char *text, va_list arguments);

#endif
