/* main.c - `compute` as a program, of Linux or of Remus: arguments come from whoever starts it. */
#include "compute.h"

#ifdef FROM_LINUX_STACK
/* The kernel leaves argc and argv in place, not their addresses: System V ABI, i386 supplement, "Process Initialization". */
int main(int argc, char *first) { return compute(argc, &first); }
#else
int main(int argc, char *argv[]) { return compute(argc, argv); }
#endif
