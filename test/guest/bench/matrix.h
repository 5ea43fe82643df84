/* matrix.h - a product of matrices of doubles, compiled twice: in x87 and in SSE2 instructions. MATRIX is the function's name. */
#include "compute.h"

#define ORDER 64

uint32_t MATRIX(uint32_t times) {
  static double left[ORDER][ORDER], right[ORDER][ORDER], product[ORDER][ORDER];
  uint32_t seed = 1;
  for (int i = 0; i < ORDER; i++)
    for (int j = 0; j < ORDER; j++) {
      left[i][j] = (int)(next_number(&seed) >> 20);
      right[i][j] = (int)(next_number(&seed) >> 20);
    }
  while (times--) {
    for (int i = 0; i < ORDER; i++)
      for (int j = 0; j < ORDER; j++) {
        double sum = 0;
        for (int k = 0; k < ORDER; k++) sum += left[i][k] * right[k][j];
        product[i][j] = sum;
      }
    left[times % ORDER][0] = product[0][times % ORDER] / 65536;
  }
  /* the bits of one of them */
  union {
    double number;
    uint32_t words[2];
  } bits = {product[ORDER / 2][ORDER / 2]};
  return bits.words[0] ^ bits.words[1];
}
