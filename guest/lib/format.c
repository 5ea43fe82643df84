/* format.c - text from a format and arguments, character by character, so that kernel and programs can send it where they like. */
#include "format.h"

#include <stdbool.h>
#include "divide.h"
#include "string.h"

struct conversion {
  bool left, zero, prefix;
  int width;
};

static void pad(format_sink sink, void *context, char c, int count) {
  while (count-- > 0) sink(c, context);
}

/** Sends `text` in the field of the conversion. A sign stands before padding zeros. */
static void field(format_sink sink, void *context, struct conversion *how, const char *sign, const char *text) {
  int spare = how->width - (int)(strlen(sign) + strlen(text));
  if (!how->left && !how->zero) pad(sink, context, ' ', spare);
  while (*sign) sink(*sign++, context);
  if (!how->left && how->zero) pad(sink, context, '0', spare);
  while (*text) sink(*text++, context);
  if (how->left) pad(sink, context, ' ', spare);
}

static void number(format_sink sink, void *context, struct conversion *how, const char *sign, uint64_t value, uint32_t base) {
  char digits[24], *first = digits + sizeof digits - 1;
  *first = 0;
  do {
    uint32_t digit;
    value = divide(value, base, &digit);
    *--first = "0123456789abcdef"[digit];
  } while (value);
  field(sink, context, how, sign, first);
}

void format(format_sink sink, void *context, const char *text, va_list arguments) {
  for (; *text; text++) {
    if (*text != '%') {
      sink(*text, context);
      continue;
    }
    struct conversion how = {0};
    for (text++; *text == '-' || *text == '0' || *text == '#'; text++) {
      how.left |= *text == '-';
      how.zero |= *text == '0';
      how.prefix |= *text == '#';
    }
    for (; *text >= '0' && *text <= '9'; text++) how.width = how.width * 10 + *text - '0';
    bool wide = !strncmp(text, "ll", 2);
    if (wide) text += 2;

    switch (*text) {
      case 'd': {
        int64_t value = wide ? va_arg(arguments, int64_t) : va_arg(arguments, int32_t);
        number(sink, context, &how, value < 0 ? "-" : "", value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t value = wide ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t);
        number(sink, context, &how, how.prefix ? "0x" : "", value, *text == 'u' ? 10 : 16);
        break;
      }
      case 's': field(sink, context, &how, "", va_arg(arguments, const char *)); break;
      case 'c': sink((char)va_arg(arguments, int), context); break;
      case '%': sink('%', context); break;
      default:
        sink('%', context);
        if (!*text) return;
        sink(*text, context);
    }
  }
}
