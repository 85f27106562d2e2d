/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the hypervisor's services cost, in cycles of the TSC: `make bench-hv`.  Each row is
 * the median and the 95 % value of rounds=N rounds; it is also a test that each thing
 * happens.  What the hypervisor does not offer is skipped.  For a profile: row=N measures the N-th row
 * only, again=M makes that M times as long.
 */
#include "hv/cpuid.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/port.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "lib/guest.h"

#define OS_ID 0x8100000000000000ull
enum { ROUNDS_MAX = 4000, VECTOR = 0x51, SINT_VECTOR = 0x61, CODE_NONE = 0x7fff, MSR_X2APIC_ICR = 0x830 };

static uint64_t sample[ROUNDS_MAX];
static unsigned rounds, only, row;
static uint8_t call_page[PAGE] __attribute__((aligned(PAGE)));
static volatile uint64_t tsc_page[PAGE / 8] __attribute__((aligned(PAGE)));
static volatile uint64_t list[PAGE / 8] __attribute__((aligned(PAGE)));
/* When the interrupt's handler began, and how often it has. */
static volatile uint64_t taken_at;
static volatile unsigned taken;

/* ---- measuring ---- */

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
	unsigned again = (unsigned)guest_option("again", 1);
	bool good = true;

	if (only && ++row != only)
		return;
	for (unsigned i = 0; i < 3; i++)
		f();
	for (unsigned i = 0; i < rounds * again; i++) {
		sample[i % rounds] = f();
		good &= sample[i % rounds] != 0;
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
static bool synic;

static void open_synic(unsigned cpu);

static void other(unsigned cpu)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	if (synic)
		open_synic(cpu);
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

/* ---- messages, events, timers ---- */

enum { TESTDEV = 0x3000, MESSAGE_CREATE = 4, EVENT_CREATE = 6, SINT = 4, CONNECTION = 0x10, EVENT_CONNECTION = 0x20, TIMER = 0 };
#define CONFIG HV_X64_MSR_STIMER0_CONFIG
#define COUNT HV_X64_MSR_STIMER0_COUNT
#define TO_VECTOR (HV_TIMER_AUTO_ENABLE | HV_TIMER_DIRECT | (uint64_t)VECTOR << HV_TIMER_VECTOR_SHIFT)
#define TO_SINT (HV_TIMER_AUTO_ENABLE | (uint64_t)SINT << HV_TIMER_SINT_SHIFT)

static struct hv_message_page messages[2] __attribute__((aligned(PAGE)));
static struct hv_event_flags_page flags[2] __attribute__((aligned(PAGE)));
static struct hv_in_post_message posted __attribute__((aligned(PAGE)));

/* A SINT's handler as guests have it: empties the slot and the flag, tells when it began. */
static void take_sint(struct frame *f)
{
	unsigned cpu = this_cpu();
	struct hv_message *m = &messages[cpu].slot[SINT];
	uint32_t *word = &flags[cpu].flags[SINT][EVENT_CONNECTION / 32];
	uint64_t began = rdtsc();

	(void)f;
	if (__atomic_load_n(&m->type, __ATOMIC_ACQUIRE)) {
		__atomic_store_n(&m->type, 0, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&m->flags, __ATOMIC_SEQ_CST) & HV_MESSAGE_FLAG_PENDING)
			wrmsr(HV_X64_MSR_EOM, 0);
	}
	if (__atomic_load_n(word, __ATOMIC_RELAXED))
		__atomic_store_n(word, 0, __ATOMIC_SEQ_CST);
	taken_at = began;
	taken++;
	apic_eoi();
}

/* This processor's SynIC, and connections @n higher that lead to it. */
static void open_synic(unsigned cpu)
{
	wrmsr(HV_X64_MSR_SIMP, (uint64_t)&messages[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SIEFP, (uint64_t)&flags[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SINT0 + SINT, SINT_VECTOR);
	wrmsr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	outl(TESTDEV, (CONNECTION + cpu) << 24 | MESSAGE_CREATE << 16 | cpu << 8 | SINT);
	outl(TESTDEV, (EVENT_CONNECTION + cpu) << 24 | EVENT_CREATE << 16 | cpu << 8 | SINT);
}

static uint64_t post(unsigned cpu)
{
	posted.connection_id = CONNECTION + cpu;
	posted.message_type = 1;
	posted.payload_size = 16;
	return call(HV_CALL_POST_MESSAGE, (uint64_t)&posted, 0);
}

static uint64_t signal(unsigned cpu)
{
	return call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, EVENT_CONNECTION + cpu, 0);
}

static uint64_t self_message(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc(), r = post(0);

	return r == HV_STATUS_SUCCESS ? until_taken(t, before) : 0;
}

static uint64_t self_event(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc(), r = signal(0);

	return r == HV_STATUS_SUCCESS ? until_taken(t, before) : 0;
}

static uint64_t other_message(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc(), r = post(1);

	return r == HV_STATUS_SUCCESS ? wait_other(t, before) : 0;
}

static uint64_t other_event(void)
{
	unsigned before = taken;
	uint64_t t = rdtsc(), r = signal(1);

	return r == HV_STATUS_SUCCESS ? wait_other(t, before) : 0;
}

/* As Linux programs each event: the count alone, here for a time far away. */
static uint64_t timer_set(void)
{
	uint64_t t = rdtsc();

	wrmsr(COUNT, 1ull << 60);
	return rdtsc() - t;
}

/* A count that is over: it expires at once. */
static uint64_t timer_over(uint64_t config)
{
	unsigned before = taken;
	uint64_t t;

	wrmsr(CONFIG, config);
	t = rdtsc();
	wrmsr(COUNT, 1);
	return until_taken(t, before);
}

static uint64_t timer_direct(void) { return timer_over(TO_VECTOR); }
static uint64_t timer_message(void) { return timer_over(TO_SINT); }

static void with_synic(void)
{
	uint64_t v;

	if (!try_rdmsr(HV_X64_MSR_SCONTROL, &v)) {
		check_skip("no SynIC", "messages, events, timers");
		return;
	}
	open_synic(0);
	synic = self_message();
	if (!synic) {
		check_skip("no hyperv-testdev", "messages, events, timers");
		return;
	}
	measure(self_message, "HvPostMessage to itself, until the SINT's handler runs");
	measure(self_event, "HvSignalEvent to itself, until the SINT's handler runs");
	if (!try_rdmsr(CONFIG, &v)) {
		check_skip("none", "synthetic timers");
		return;
	}
	wrmsr(CONFIG, TO_VECTOR);
	measure(timer_set, "synthetic timer: setting its count");
	wrmsr(COUNT, 0);
	measure(timer_direct, "synthetic timer that is over, until its own vector's handler runs");
	measure(timer_message, "synthetic timer that is over, until its SINT's handler runs");
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
	if (synic) {
		measure(other_message, "HvPostMessage to another processor, until it is seen here that the handler ran");
		measure(other_event, "HvSignalEvent to another processor, until it is seen here that the handler ran");
	}
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
	only = (unsigned)guest_option("row", 0);
	apic_enable();
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	handler[VECTOR] = take;
	handler[SINT_VECTOR] = take_sint;
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
	with_synic();
	with_other(hints.a);
}
