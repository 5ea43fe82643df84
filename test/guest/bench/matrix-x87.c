/* matrix-x87.c - the works in x87 instructions: a matrix product, and the Mandelbrot set. */
#define MATRIX matrix_x87
#include "matrix.h"

#define SIDE 48
#define MOST_STEPS 100

uint32_t mandelbrot(uint32_t times) {
  uint32_t steps = 0;
  while (times--)
    for (int row = 0; row < SIDE; row++)
      for (int column = 0; column < SIDE; column++) {
        double real = column * 3.0 / SIDE - 2, imaginary = row * 2.0 / SIDE - 1, x = 0, y = 0;
        for (int step = 0; step < MOST_STEPS && x * x + y * y < 4; step++) {
          double next = x * x - y * y + real;
          y = 2 * x * y + imaginary;
          x = next;
          steps++;
        }
      }
  return steps;
}
