/* version.h - the one place that knows the kernel's version. */
#define REMUS_VERSION "0.1.0"
