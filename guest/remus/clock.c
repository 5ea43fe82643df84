/*
 * clock.c - one clock with three sources: the ROM's cycle counter and alarm; the TSC, calibrated by the PIT; the PIT's ticks.
 *
 * With the ROM the tick is an alarm that stops while the machine is idle. Without it the PIT ticks always.
 * (Intel 8254 data sheet, "Programming the 8254"; MC146818A data sheet; VMI spec, "Time")
 */
#include "clock.h"

#include "console.h"
#include "port.h"
#include "process.h"
#include "site.h"
#include "../lib/divide.h"
#include "../lib/string.h"

#define TICK_HZ 100
#define NS_PER_SECOND 1000000000u
#define NS_PER_TICK (NS_PER_SECOND / TICK_HZ)
#define NS_PER_MS 1000000u

#define PIT_CHANNEL0 0x40
#define PIT_CONTROL 0x43
#define PIT_HZ 1193182
#define PIT_CHANNEL0_RATE 0x34   /* both bytes, mode 2, binary */
#define PIT_CHANNEL0_LATCH 0x00 /* hold the count for reading */
#define PIT_CHANNEL0_STOP 0x3A   /* mode 5 without a trigger: it never fires */
#define CALIBRATION_PIT_PERIODS 0x8000 /* 27 ms; the PIT counts twice as far before it starts again */

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define CMOS_STATUS_A 0x0A
#define CMOS_STATUS_B 0x0B
#define UPDATE_IN_PROGRESS 0x80
#define BINARY_MODE 0x04

enum source { SOURCE_TICKS, SOURCE_TSC, SOURCE_ROM };
static const char *const source_names[] = {"PIT ticks, 100 Hz", "TSC, PIT tick", "VMI cycle counter and alarm"};

static enum source source;
static volatile uint64_t ticks;
static uint64_t boot_cycles, boot_wallclock_s;
static uint32_t cycles_khz;
/** Nanoseconds per cycle as a fixed-point number with 24 binary places. */
static uint32_t ns_per_cycle;

/** When the ROM's alarm is set to fire next, in cycles; 0 = not set. */
static uint64_t alarm_expiry, alarm_period;
/** The deadline for which a one-shot alarm is set. */
static uint64_t alarm_wake_ns;
static uint32_t alarms, latency_last_ns, latency_highest_ns;
static uint64_t latency_sum_ns;

static uint64_t cycles_to_ns(uint64_t cycles) {
  return ((cycles >> 32) * ns_per_cycle << 8) + ((cycles & 0xFFFFFFFF) * ns_per_cycle >> 24);
}

static uint64_t ns_to_cycles(uint64_t ns) {
  uint32_t rest;
  uint64_t milliseconds = divide(ns, NS_PER_MS, &rest);
  return milliseconds * cycles_khz + quotient((uint64_t)rest * cycles_khz, NS_PER_MS);
}

static void set_frequency(uint32_t khz) {
  cycles_khz = khz;
  ns_per_cycle = (uint32_t)quotient((uint64_t)NS_PER_MS << 24, khz);
  boot_cycles = GetCycleCounter(VMI_CYCLES_REAL);
}

uint64_t clock_now(void) {
  return source == SOURCE_TICKS ? ticks * NS_PER_TICK : cycles_to_ns(GetCycleCounter(VMI_CYCLES_REAL) - boot_cycles);
}

/* ---- the date from the CMOS clock ---- */

static uint32_t cmos(uint32_t index) {
  out8(CMOS_INDEX, (uint8_t)index);
  return in8(CMOS_DATA);
}

static uint32_t from_bcd(uint32_t value) { return (value >> 4) * 10 + (value & 0xF); }

static uint64_t cmos_wallclock(void) {
  /* second, minute, hour, day, month, year (two digits); read until two readings agree, so that no update fell between. */
  static const uint8_t indices[6] = {0, 2, 4, 7, 8, 9};
  uint32_t now[6] = {0}, before[6];
  do {
    memcpy(before, now, sizeof now);
    while (cmos(CMOS_STATUS_A) & UPDATE_IN_PROGRESS) continue;
    for (uint32_t i = 0; i < 6; i++) now[i] = cmos(indices[i]);
  } while (memcmp(before, now, sizeof now));
  if (!(cmos(CMOS_STATUS_B) & BINARY_MODE))
    for (uint32_t i = 0; i < 6; i++) now[i] = from_bcd(now[i]);

  /* Days since 1970, with years that begin in March so that a leap day is the last. */
  uint32_t year = 2000 + now[5] - (now[4] <= 2), month = (now[4] + 9) % 12;
  uint32_t days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + now[3] - 1 - 719468;
  return (uint64_t)days * 86400 + now[2] * 3600 + now[1] * 60 + now[0];
}

uint64_t clock_wallclock(void) { return boot_wallclock_s + quotient(clock_now(), NS_PER_SECOND); }

/* ---- the tick ---- */

static bool has_tsc(void) {
  uint32_t before, after, features = 0;
  /* A CPU has CPUID if EFLAGS.ID (bit 21) can be changed. (SDM 1, "CPUID Instruction") */
  asm volatile("pushfl; popl %0; movl %0, %1; xorl $0x200000, %1; pushl %1; popfl; pushfl; popl %1" : "=&r"(before), "=&r"(after));
  if ((before ^ after) & 0x200000) asm volatile("cpuid" : "=d"(features) : "a"(1) : "ebx", "ecx");
  return features & 0x10;
}

/** Periods of the PIT's clock since it was started with the longest count, modulo 65536. */
static uint32_t pit_elapsed(void) {
  out8(PIT_CONTROL, PIT_CHANNEL0_LATCH);
  uint32_t low = in8(PIT_CHANNEL0);
  return (0x10000 - (low | in8(PIT_CHANNEL0) << 8)) & 0xFFFF;
}

static void start_pit(uint32_t count) {
  out8(PIT_CONTROL, PIT_CHANNEL0_RATE);
  out8(PIT_CHANNEL0, count & 0xFF);
  out8(PIT_CHANNEL0, (uint8_t)(count >> 8));
}

/** Compares the TSC with the PIT, by looking and without interrupts, so that a late interrupt cannot spoil the result. */
static void calibrate_tsc(void) {
  start_pit(0);
  uint32_t first, elapsed;
  uint64_t from, cycles;
  for (uint32_t round = 0; round < 3; round++) { /* the first rounds only warm up caches, and a machine that compiles what it runs */
    first = pit_elapsed();
    from = GetCycleCounter(VMI_CYCLES_REAL);
  }
  do {
    elapsed = (pit_elapsed() - first) & 0xFFFF;
    cycles = GetCycleCounter(VMI_CYCLES_REAL) - from;
  } while (elapsed < CALIBRATION_PIT_PERIODS);
  set_frequency((uint32_t)quotient(quotient(cycles * PIT_HZ, elapsed), 1000));
  source = SOURCE_TSC;
}

static void set_alarm(uint64_t expiry, uint64_t period) {
  alarm_expiry = expiry;
  alarm_period = period;
  SetAlarm(VMI_CYCLES_REAL | (period ? VMI_ALARM_PERIODIC : 0), expiry, period);
}

void clock_init(void) {
  if (vmi_has(VMI_GetCycleFrequency) && vmi_has(VMI_GetCycleCounter) && vmi_has(VMI_SetAlarm) && vmi_has(VMI_CancelAlarm) &&
      vmi_has(VMI_GetWallclockTime)) {
    out8(PIT_CONTROL, PIT_CHANNEL0_STOP);
    set_frequency((uint32_t)quotient(GetCycleFrequency(), 1000));
    boot_wallclock_s = quotient(GetWallclockTime(), NS_PER_SECOND);
    source = SOURCE_ROM;
    return;
  }
  if (has_tsc()) calibrate_tsc();
  start_pit(PIT_HZ / TICK_HZ);
  boot_wallclock_s = cmos_wallclock();
}

void clock_busy(void) {
  if (source != SOURCE_ROM || alarm_period) return;
  uint64_t period = ns_to_cycles(NS_PER_TICK);
  set_alarm(GetCycleCounter(VMI_CYCLES_REAL) + period, period);
}

void clock_idle(uint64_t wake_ns) {
  if (source != SOURCE_ROM) return;
  bool as_wanted = alarm_expiry ? !alarm_period && alarm_wake_ns == wake_ns : wake_ns == FOREVER;
  if (as_wanted) return;
  if (wake_ns == FOREVER) {
    CancelAlarm(VMI_CYCLES_REAL | (alarm_period ? VMI_ALARM_PERIODIC : 0));
    alarm_expiry = alarm_period = 0;
    return;
  }
  /* From now, so that rounding does not add up; one cycle more, so that the deadline has really passed. */
  uint64_t now = clock_now(), ahead = wake_ns > now ? wake_ns - now : 0;
  alarm_wake_ns = wake_ns;
  set_alarm(GetCycleCounter(VMI_CYCLES_REAL) + ns_to_cycles(ahead) + 1, 0);
}

/** How late the alarm came, and when it will come next. */
static void account_alarm(void) {
  uint64_t now = GetCycleCounter(VMI_CYCLES_REAL);
  if (!alarm_expiry || now < alarm_expiry) return; /* IRQ 0 by somebody else, or of an alarm cancelled meanwhile */
  if (alarm_period)
    while (now - alarm_expiry >= alarm_period) alarm_expiry += alarm_period; /* expiries that came while one was pending merge */
  latency_last_ns = (uint32_t)cycles_to_ns(now - alarm_expiry);
  if (latency_last_ns > latency_highest_ns) latency_highest_ns = latency_last_ns;
  latency_sum_ns += latency_last_ns;
  alarms++;
  alarm_expiry = alarm_period ? alarm_expiry + alarm_period : 0;
}

void clock_interrupt(void) {
  ticks++;
  if (source == SOURCE_ROM) account_alarm();
  wake_sleepers(clock_now());
  need_resched = true;
}

void clock_describe(struct system_info *info) {
  copy_text(info->clock, source_names[source], sizeof info->clock);
  info->cycles_khz = cycles_khz;
  info->alarms = alarms;
  info->latency_last_ns = latency_last_ns;
  info->latency_highest_ns = latency_highest_ns;
  info->latency_mean_ns = alarms ? (uint32_t)quotient(latency_sum_ns, alarms) : 0;
}
