/* measure.h - kernel-side measurements for `bench`. */
#ifndef REMUS_MEASURE_H
#define REMUS_MEASURE_H

#include <stdint.h>

/** Does an enum measurement `times` times; nanoseconds in all to `*ns`, or an enum error. */
int measure(uint32_t what, uint32_t times, uint64_t *ns);

#endif
