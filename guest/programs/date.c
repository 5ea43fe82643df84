/* date.c - date and time of day, UTC. */
#include "../lib/program.h"

int main(void) {
  struct time_info time;
  get_info(SYS_time, 0, &time);
  uint32_t second, days = (uint32_t)divide(time.wallclock_s, 86400, &second);

  /* Count from 1 March 0000, in eras of 400 years: leap days are then always the last day of a period. */
  days += 719468;
  uint32_t era = days / 146097, of_era = days % 146097;
  uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  uint32_t of_year = of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
  uint32_t month = (of_year * 5 + 2) / 153, day = of_year - (month * 153 + 2) / 5 + 1;
  month = month < 10 ? month + 3 : month - 9;
  uint32_t year = era * 400 + year_of_era + (month <= 2);

  printf("%u-%02u-%02u %02u:%02u:%02u UTC\n", year, month, day, second / 3600, second / 60 % 60, second % 60);
  return 0;
}
