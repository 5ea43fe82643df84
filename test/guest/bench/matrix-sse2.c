/* matrix-sse2.c - the matrix product in scalar SSE2 instructions. */
#define MATRIX matrix_sse2
#include "matrix.h"
