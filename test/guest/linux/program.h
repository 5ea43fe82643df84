/*
 * program.h - the Linux stand-in for guest/lib/program.h: as much of it as the programs of ../programs use, over the host's own system
 * calls, so that the same sources are programs of the host too, and of ../bare, where they are kernels.
 */
#ifndef LIB_PROGRAM_H
#define LIB_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include "divide.h"
#include "string.h"

void exit(int status) __attribute__((noreturn));
void printf(const char *text, ...) __attribute__((format(printf, 1, 2)));

#endif
