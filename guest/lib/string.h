/* string.h - the few memory and string functions that kernel and programs share; same meaning as in the C standard. */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);
/** First `c` in the text, or null. */
char *strchr(const char *text, int c);
/** Copies at most `bytes` - 1 characters and always ends with NUL. */
void copy_text(char *to, const char *from, size_t bytes);
/** Number at the start of the text in the given base (2 to 16). */
unsigned parse_number(const char *text, unsigned base);

#endif
