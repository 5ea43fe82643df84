/*
 * compute.c - `compute PERCENT NAME...` runs the named works one after the other, PERCENT of their usual rounds, with a line before and a
 * line with the checksum behind each: whoever reads the lines takes the time. The same object file is linked for Linux, for Remus and, as
 * Remus lets no process use floating point, as a kernel of its own. Hosts that cannot run i386 programs are measured with the same source,
 * compiled for x86-64.
 */
#include "compute.h"

/* Rounds that make about a tenth of a second on a processor of 2023. */
static const struct work {
  const char *name;
  uint32_t (*run)(uint32_t times);
  uint32_t rounds;
} works[] = {
    {"sha256", sha256, 400000},      {"sieve", sieve, 12000},           {"sort", sort, 1500},
    {"recursion", recursion, 2500},  {"dispatch", dispatch, 100000},    {"copy", copy, 6000},
    {"matrix-x87", matrix_x87, 200}, {"matrix-sse2", matrix_sse2, 500}, {"mandelbrot", mandelbrot, 250},
};

static const struct work *find(const char *name) {
  for (const struct work *work = works; work < works + sizeof works / sizeof *works; work++)
    if (!strcmp(work->name, name)) return work;
  return 0;
}

int compute(int argc, char *argv[]) {
  uint32_t percent = 0;
  if (argc > 1)
    for (const char *digit = argv[1]; *digit >= '0' && *digit <= '9'; digit++) percent = percent * 10 + (uint32_t)(*digit - '0');
  if (argc < 3 || !percent) {
    printf("compute: give a percentage of the usual rounds and names of works\n");
    return 1;
  }
  for (int i = 2; i < argc; i++) {
    const struct work *work = find(argv[i]);
    if (!work) {
      printf("compute: no work is called %s\n", argv[i]);
      return 1;
    }
    uint32_t times = work->rounds * percent / 100;
    printf("start %s\n", work->name);
    uint32_t sum = work->run(times ? times : 1);
    printf("end %s %08x\n", work->name, sum);
  }
  return 0;
}
