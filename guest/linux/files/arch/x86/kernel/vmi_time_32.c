// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time from the VMI: clock source, scheduler's clock, wall clock and timer interrupt. Nothing is calibrated: the ROM tells the rate of
 * its counters, which is that of the TSC as well. See vmi_32.c first.
 */

#define pr_fmt(fmt) "vmi: " fmt

#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/math64.h>
#include <linux/time.h>

#include <asm/cpufeature.h>
#include <asm/i8259.h>
#include <asm/io.h>
#include <asm/msr.h>
#include <asm/paravirt.h>
#include <asm/time.h>
#include <asm/tsc.h>
#include <asm/vmi/site.h>
#include <asm/vmi/vmi.h>
#include <asm/x86_init.h>

#define VMI_TIMER_IRQ		0
#define VMI_CLOCK_RATING	400
/* Shorter alarms are not worth their interrupt; longer ones are set anew. */
#define MIN_ALARM_CYCLES	1000
#define MAX_ALARM_CYCLES	0x7fffffff
/* Longest time for which the conversion of cycles must be exact. */
#define SCHED_CLOCK_RANGE_S	3600

/* 8254: counter 0, low and high byte, mode 0, in which it stays silent until a count is written. */
#define I8254_CONTROL_PORT	0x43
#define I8254_SILENCE		0x30

static u64 frequency __ro_after_init;
static u64 sched_clock_start __ro_after_init;
static u32 sched_clock_mult __ro_after_init;
static u32 sched_clock_shift __ro_after_init;

/* None of the sites below is reached before the ROM is known to have the calls. */

static u64 __init cycle_frequency(void)
{
	u64 hz;

	asm volatile(VMI_SITE(VMI_CALL_GetCycleFrequency, "ud2") : "=A" (hz) : : "ecx", "memory");
	return hz;
}

static __always_inline u64 cycle_counter(unsigned long counter)
{
	u64 cycles;

	asm volatile(VMI_SITE(VMI_CALL_GetCycleCounter, "ud2")
		     : "=A" (cycles) : "a" (counter) : "ecx", "memory");
	return cycles;
}

static u64 wallclock_ns(void)
{
	u64 ns;

	asm volatile(VMI_SITE(VMI_CALL_GetWallclockTime, "ud2") : "=A" (ns) : : "ecx", "memory");
	return ns;
}

static void set_alarm(unsigned long flags, u64 expiry, u64 period)
{
	unsigned long low = expiry, high = expiry >> 32;

	asm volatile("pushl %[period_high]\n\t"
		     "pushl %[period_low]\n\t"
		     VMI_SITE(VMI_CALL_SetAlarm, "ud2")
		     "\taddl $8, %%esp"
		     : "+a" (flags), "+d" (low), "+c" (high)
		     : [period_low] "r" ((u32)period), [period_high] "r" ((u32)(period >> 32))
		     : "memory");
}

static void cancel_alarm(unsigned long flags)
{
	asm volatile(VMI_SITE(VMI_CALL_CancelAlarm, "ud2") : "+a" (flags) : : "ecx", "edx", "memory");
}

static u64 read_clock(struct clocksource *source)
{
	return cycle_counter(VMI_CYCLES_REAL);
}

static struct clocksource vmi_clock = {
	.name		= "vmi",
	.rating		= VMI_CLOCK_RATING,
	.read		= read_clock,
	.mask		= CLOCKSOURCE_MASK(64),
	.flags		= CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
};

static u64 vmi_sched_clock(void)
{
	u64 cycles = cycle_counter(VMI_CYCLES_AVAILABLE) - sched_clock_start;

	return mul_u64_u32_shr(cycles, sched_clock_mult, sched_clock_shift);
}

static int alarm_next(unsigned long delta, struct clock_event_device *device)
{
	set_alarm(VMI_CYCLES_REAL | VMI_ALARM_IS_ONESHOT, cycle_counter(VMI_CYCLES_REAL) + delta, 0);
	return 0;
}

static int alarm_periodic(struct clock_event_device *device)
{
	u64 period = div_u64(frequency, HZ);

	set_alarm(VMI_CYCLES_REAL | VMI_ALARM_IS_PERIODIC, cycle_counter(VMI_CYCLES_REAL) + period, period);
	return 0;
}

static int alarm_off(struct clock_event_device *device)
{
	cancel_alarm(VMI_CYCLES_REAL);
	return 0;
}

static struct clock_event_device vmi_alarm = {
	.name			= "vmi",
	.features		= CLOCK_EVT_FEAT_ONESHOT | CLOCK_EVT_FEAT_PERIODIC,
	.rating			= VMI_CLOCK_RATING,
	.irq			= VMI_TIMER_IRQ,
	.set_next_event		= alarm_next,
	.set_state_periodic	= alarm_periodic,
	.set_state_oneshot	= alarm_off,
	.set_state_shutdown	= alarm_off,
	.tick_resume		= alarm_off,
};

static irqreturn_t alarm_interrupt(int irq, void *device)
{
	vmi_alarm.event_handler(&vmi_alarm);
	return IRQ_HANDLED;
}

/*
 * Programs may read the clock with RDTSC, without entering the kernel, if the counter is the TSC itself and not only as fast as it:
 * then a TSC between two readings lies between them.
 */
static bool __init counter_is_tsc(void)
{
	u64 before = cycle_counter(VMI_CYCLES_REAL);
	u64 tsc = rdtsc_ordered();
	u64 after = cycle_counter(VMI_CYCLES_REAL);

	return before <= tsc && tsc <= after;
}

static void __init timer_init(void)
{
	/* The alarm shares its interrupt with the 8254. */
	outb(I8254_SILENCE, I8254_CONTROL_PORT);
	vmi_alarm.cpumask = cpumask_of(smp_processor_id());
	clockevents_config_and_register(&vmi_alarm, frequency, MIN_ALARM_CYCLES, MAX_ALARM_CYCLES);
	/* Last, as an edge of the 8254 may be pending and finds a handler only now. */
	if (request_irq(VMI_TIMER_IRQ, alarm_interrupt, IRQF_NOBALANCING | IRQF_IRQPOLL | IRQF_TIMER, "vmi", NULL))
		pr_err("no timer: IRQ %d is taken\n", VMI_TIMER_IRQ);

	if (counter_is_tsc())
		vmi_clock.vdso_clock_mode = VDSO_CLOCKMODE_TSC;
	clocksource_register_hz(&vmi_clock, frequency);
}

/* Stands for the calibration of TSC and processor. The first of them is the first thing to happen when features are known. */
static unsigned long __init tsc_khz_of_rom(void)
{
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);
	return div_u64(frequency, 1000);
}

static void get_wallclock(struct timespec64 *now)
{
	*now = ns_to_timespec64(wallclock_ns());
}

/* The clock is the host's. */
static int set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;
}

/* Runs when static calls are ready. */
static void __init start_sched_clock(void)
{
	clocks_calc_mult_shift(&sched_clock_mult, &sched_clock_shift, frequency, NSEC_PER_SEC, SCHED_CLOCK_RANGE_S);
	sched_clock_start = cycle_counter(VMI_CYCLES_AVAILABLE);
	paravirt_set_sched_clock(vmi_sched_clock);
}

void __init vmi_time_init(void)
{
	frequency = cycle_frequency();
	x86_platform.calibrate_tsc = tsc_khz_of_rom;
	x86_platform.calibrate_cpu = tsc_khz_of_rom;
	x86_platform.get_wallclock = get_wallclock;
	x86_platform.set_wallclock = set_wallclock;
	x86_init.oem.arch_setup = start_sched_clock;
	x86_init.timers.timer_init = timer_init;
	pr_info("time from the ROM, %llu Hz\n", frequency);
}
