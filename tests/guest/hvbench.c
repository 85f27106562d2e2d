/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the hypervisor's services cost, in cycles of the TSC: `make bench-hv`.  Each row is
 * the median and the 95 % value of rounds=N rounds; it is also a test that each thing
 * happens.  What the hypervisor does not offer is skipped.
 */
#include "hv/cpuid.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hv/time.h"
#include "lib/guest.h"

#define OS_ID 0x8100000000000000ull
enum { ROUNDS_MAX = 4000, VECTOR = 0x51, CODE_NONE = 0x7fff, MSR_X2APIC_ICR = 0x830 };

static uint64_t sample[ROUNDS_MAX];
static unsigned rounds;
static uint8_t call_page[PAGE] __attribute__((aligned(PAGE)));
static volatile uint64_t tsc_page[PAGE / 8] __attribute__((aligned(PAGE)));
static volatile uint64_t list[PAGE / 8] __attribute__((aligned(PAGE)));
/* When the interrupt's handler began, and how often it has. */
static volatile uint64_t taken_at;
static volatile unsigned taken;

/* ---- measuring ---- */

static void sort(uint64_t *v, unsigned n)
{
	for (unsigned gap = n / 2; gap; gap /= 2)
		for (unsigned i = gap; i < n; i++) {
			uint64_t x = v[i];
			unsigned k = i;

			for (; k >= gap && v[k - gap] > x; k -= gap)
				v[k] = v[k - gap];
			v[k] = x;
		}
}

static void report(bool good, const char *what)
{
	check(good, "%s", what);
	sort(sample, rounds);
	print("# %llu cycles (95 %%: %llu) %s\n", (unsigned long long)sample[rounds / 2],
	      (unsigned long long)sample[rounds - 1 - rounds / 20], what);
}

/* @f returns the cycles of one round, 0 if it did not do what it should. */
static void measure(uint64_t (*f)(void), const char *what)
{
	bool good = true;

	for (unsigned i = 0; i < 3; i++)
		f();
	for (unsigned i = 0; i < rounds; i++) {
		sample[i] = f();
		good &= sample[i] != 0;
	}
	report(good, what);
}

/* ---- hypercalls ---- */

static uint64_t call(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 asm("r8") = out;
	uint64_t result;

	asm volatile("call *%4" : "=a"(result), "+c"(control), "+d"(in), "+r"(r8) : "r"(call_page) : "memory", "cc", "r9", "r10", "r11");
	return result;
}

static uint64_t nothing(void)
{
	uint64_t t = rdtsc();

	return rdtsc() - t + 1;
}

/* The way in and out alone. */
static uint64_t null_call(void)
{
	uint64_t t = rdtsc(), r = call(CODE_NONE | HV_CALL_FAST, 0, 0);

	t = rdtsc() - t;
	return r == HV_STATUS_INVALID_HYPERCALL_CODE ? t : 0;
}

static uint64_t fast_call(void)
{
	uint64_t t = rdtsc(), r = call(HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 1, 0);

	t = rdtsc() - t;
	return r == HV_STATUS_SUCCESS ? t : 0;
}

static uint64_t memory_call(void)
{
	uint64_t t = rdtsc(), r = call(HV_CALL_NOTIFY_LONG_SPIN_WAIT, (uint64_t)list, 0);

	t = rdtsc() - t;
	return r == HV_STATUS_SUCCESS ? t : 0;
}

/* ---- clocks ---- */

static uint64_t clock_msr(void)
{
	uint64_t t = rdtsc(), v = rdmsr(HV_X64_MSR_TIME_REF_COUNT);

	t = rdtsc() - t;
	return v ? t : 0;
}

static uint64_t page_time(void)
{
	return (uint64_t)((unsigned __int128)rdtsc() * tsc_page[1] >> 64) + tsc_page[2];
}

static uint64_t clock_page(void)
{
	uint64_t t = rdtsc(), v = page_time();

	t = rdtsc() - t;
	return v ? t : 0;
}

/* ---- interrupts ---- */

static void take(struct frame *f)
{
	(void)f;
	taken_at = rdtsc();
	taken++;
	apic_eoi();
}

/* Until the handler of this processor runs. */
static uint64_t until_taken(uint64_t since, unsigned before)
{
	sti();
	for (unsigned i = 0; taken == before && i < 100000; i++)
		pause_cpu();
	cli();
	return taken != before ? taken_at - since : 0;
}

static uint64_t self_apic(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc();

	wrmsr(MSR_X2APIC_ICR, (uint64_t)percpu[0].apic_id << 32 | VECTOR);
	return until_taken(t, before);
}

static uint64_t self_call(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc();

	call(HV_CALL_SEND_IPI | HV_CALL_FAST, VECTOR, 1);
	return until_taken(t, before);
}

/* ---- to another processor and back ---- */

static volatile unsigned stop_other;

static void other(unsigned cpu)
{
	(void)cpu;
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	sti();
	while (!stop_other)
		pause_cpu();
	cli();
}

static uint64_t wait_other(uint64_t since, unsigned before)
{
	for (unsigned i = 0; taken == before && i < 10000000; i++)
		pause_cpu();
	return taken != before ? rdtsc() - since : 0;
}

static uint64_t other_apic(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc();

	wrmsr(MSR_X2APIC_ICR, (uint64_t)percpu[1].apic_id << 32 | VECTOR);
	return wait_other(t, before);
}

static uint64_t other_call(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc();

	call(HV_CALL_SEND_IPI | HV_CALL_FAST, VECTOR, 2);
	return wait_other(t, before);
}

/* ---- TLB ---- */

static uint64_t flush(uint64_t mask)
{
	uint64_t t = rdtsc(), r;

	list[0] = 0;
	list[1] = 2;                /* all address spaces */
	list[2] = mask;
	r = call(HV_CALL_FLUSH_ADDRESS_SPACE, (uint64_t)list, 0);
	t = rdtsc() - t;
	return r == HV_STATUS_SUCCESS ? t : 0;
}

static uint64_t flush_local(void) { return flush(1); }
static uint64_t flush_other(void) { return flush(2); }

static void with_other(uint32_t hints)
{
	if (smp_start(2) < 2) {
		check_skip("one processor", "requests to another processor");
		return;
	}
	smp_run(1, other);
	pm_delay(20);
	measure(other_apic, "IPI to another processor by the x2APIC, until it is seen here");
	if (hints & HV_HINT_CLUSTER_IPI)
		measure(other_call, "IPI to another processor by hypercall, until it is seen here");
	if (hints & HV_HINT_REMOTE_FLUSH)
		measure(flush_other, "TLB flush of another processor by hypercall");
	stop_other = 1;
	check(smp_wait(1), "the other processor comes back");
}

void guest_main(void)
{
	struct cpuid hints = cpuid(HV_CPUID_RECOMMENDATIONS, 0);

	rounds = (unsigned)guest_option("rounds", 1000);
	if (rounds < 20 || rounds > ROUNDS_MAX)
		guest_die("rounds=%u: takes 20 to %u", rounds, ROUNDS_MAX);
	apic_enable();
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	handler[VECTOR] = take;
	wrmsr(HV_X64_MSR_GUEST_OS_ID, OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, (uint64_t)call_page | HV_MSR_PAGE_ENABLE);
	print("# the TSC counts %llu a second\n", (unsigned long long)rdmsr(HV_X64_MSR_TSC_FREQUENCY));
	measure(nothing, "RDTSC twice, in each row below");
	measure(null_call, "hypercall of a code that is none");
	measure(fast_call, "HvNotifyLongSpinWait, fast form");
	measure(memory_call, "HvNotifyLongSpinWait, input in memory");
	measure(clock_msr, "reference counter by its MSR");
	wrmsr(HV_X64_MSR_REFERENCE_TSC, (uint64_t)tsc_page | HV_MSR_PAGE_ENABLE);
	measure(clock_page, "reference time by the TSC page");
	measure(self_apic, "IPI to itself by the x2APIC, until its handler runs");
	if (hints.a & HV_HINT_CLUSTER_IPI)
		measure(self_call, "IPI to itself by hypercall, until its handler runs");
	if (hints.a & HV_HINT_REMOTE_FLUSH)
		measure(flush_local, "TLB flush of itself by hypercall");
	with_other(hints.a);
}
