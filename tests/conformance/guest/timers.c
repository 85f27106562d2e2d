/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chapter 15 as only a running guest sees it: expirations as interrupts, periods that were
 * missed, clocks side by side.  Nothing depends on how fast the host is: order, counts, and
 * bounds by the guest's own clocks; what a busy host can disturb is tried again.
 */
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "machine.h"

enum { SINT = 4, OTHER_SINT = 5, VECTOR = 0x61, DIRECT_VECTOR = 0x62, LOG_MAX = 256, MS = 10000, TRIES = 60 };
#define CONFIG HV_X64_MSR_STIMER0_CONFIG
#define COUNT HV_X64_MSR_STIMER0_COUNT
#define REFERENCE HV_X64_MSR_TIME_REF_COUNT
#define TO_SINT ((uint64_t)SINT << HV_TIMER_SINT_SHIFT)
#define TO_OTHER ((uint64_t)OTHER_SINT << HV_TIMER_SINT_SHIFT)
#define DIRECT ((uint64_t)HV_TIMER_DIRECT | DIRECT_VECTOR << HV_TIMER_VECTOR_SHIFT)
#define AUTO HV_TIMER_AUTO_ENABLE

static uint64_t now(void) { return rdmsr(REFERENCE); }

/* ---- messages as they come ---- */

struct tick {
	struct hv_timer_message m;
	uint64_t seen;      /* reference time in the handler */
	unsigned sint;
};

static struct tick tick[LOG_MAX];
static volatile unsigned ticks, directs;
static volatile uint64_t lateness;      /* how late the last message was */
static volatile uint64_t direct_at;

static void take_slot(unsigned sint)
{
	volatile struct hv_message *m = (struct hv_message *)(unsigned long)test_page(0) + sint;

	struct hv_timer_message expired;

	if (!m->type)
		return;
	memcpy(&expired, (const void *)m->payload, sizeof expired);
	lateness = expired.delivery - expired.expiration;
	if (ticks < LOG_MAX) {
		struct tick *t = &tick[ticks];

		t->m = expired;
		t->sint = sint;
		t->seen = now();
		ticks++;
	}
	m->type = HV_MESSAGE_NONE;
	asm volatile("" : : : "memory");
	if (m->flags & HV_MESSAGE_FLAG_PENDING)
		wrmsr(HV_X64_MSR_EOM, 0);
}

static void on_message(struct frame *f)
{
	(void)f;
	take_slot(SINT);
	take_slot(OTHER_SINT);
	apic_eoi();
}

static void on_direct(struct frame *f)
{
	(void)f;
	direct_at = now();
	directs++;
	apic_eoi();
}

/* What another test has left in the slots, and in the timers' buffers behind them. */
static void drop_messages(void)
{
	for (unsigned n = 0; n <= HV_TIMER_COUNT; n++) {
		memset((void *)(unsigned long)test_page(0), 0, PAGE);
		set_msr(HV_X64_MSR_EOM, 0);
	}
	memset((void *)(unsigned long)test_page(0), 0, PAGE);
}

static void listen(void)
{
	apic_enable();
	handler[VECTOR] = on_message;
	handler[DIRECT_VECTOR] = on_direct;
	set_msr(HV_X64_MSR_SIMP, test_page(0) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	drop_messages();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	set_msr(HV_X64_MSR_SINT0 + OTHER_SINT, VECTOR);
	ticks = directs = 0;
}

/* With interrupts on.  False: not within half a minute. */
static bool await(volatile unsigned *count, unsigned n)
{
	bool come;

	sti();
	come = WAIT_FOR(*count >= n);
	cli();
	return come;
}

static void await_ticks(unsigned n)
{
	check_that(await(&ticks, n), "%u messages of %u come", ticks, n);
}

static void start(unsigned timer, uint64_t config, uint64_t count)
{
	set_msr(CONFIG + 2 * timer, config | AUTO);
	set_msr(COUNT + 2 * timer, count);
}

static void stop(unsigned timer)
{
	set_msr(CONFIG + 2 * timer, 0);
}

/* Sleeps until a one-shot timer that is @units away. */
static void nap(unsigned units)
{
	unsigned before = directs;

	start(3, DIRECT, now() + units);
	while (directs == before)
		asm volatile("sti; hlt; cli" : : : "memory");
}

/* ---- expirations ---- */

RULE_GUEST(T15_1_3_b, "no expiration is signalled before its time, by a message or directly")
{
	listen();
	for (unsigned i = 0; i < 30; i++) {
		uint64_t due = now() + 300 * i;

		directs = ticks = 0;
		start(0, DIRECT, due);
		start(1, TO_SINT, due);
		check_that(await(&directs, 1) && await(&ticks, 1), "round %u: %u interrupts, %u messages", i, directs, ticks);
		check_that(direct_at >= due, "round %u: the interrupt is early", i);
		check_that(tick[0].m.delivery >= due && tick[0].seen >= due, "round %u: the message is early", i);
	}
}

RULE_GUEST(T15_1_7_a, "timers of one VP that expire at the same time, or in another order than they were set, all expire once")
{
	uint64_t due = now() + 2 * MS;

	listen();
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		start(n, n & 1 ? TO_SINT : TO_OTHER, due);
	await_ticks(HV_TIMER_COUNT);
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		start(n, TO_SINT, now() + (HV_TIMER_COUNT - n) * MS);
	await_ticks(2 * HV_TIMER_COUNT);
	sti();
	pm_delay(10);
	cli();
	check_value(ticks, 2 * HV_TIMER_COUNT, "messages");
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		unsigned come = 0;

		for (unsigned i = 0; i < ticks; i++)
			come += tick[i].m.timer == n;
		check_value(come, 2, "expirations of timer %u", n);
	}
}

RULE_GUEST(T15_1_8_a, "the message of an expiration has its format")
{
	const struct hv_message *slot = (struct hv_message *)(unsigned long)test_page(0) + SINT;
	uint64_t due = now() + MS;
	struct hv_timer_message m;

	listen();
	/* Taken by looking. */
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_MASKED);
	start(2, TO_SINT, due);
	check_that(WAIT_FOR(*(volatile const uint32_t *)&slot->type), "no message");
	check_value(slot->type, (uint32_t)HV_MESSAGE_TIMER_EXPIRED, "type");
	check_value(slot->payload_size, 24, "size of the payload");
	check_value(slot->flags, 0, "flags");
	check_value(slot->sender, 0, "origination");
	memcpy(&m, slot->payload, sizeof m);
	check_value(m.timer, 2, "number of the timer");
	check_value(m.reserved, 0, "word behind it");
	check_value(m.expiration, due, "time of expiration");
	check_that(m.delivery >= due && m.delivery <= now(), "time of delivery 0x%llx", (unsigned long long)m.delivery);
}

RULE_GUEST(T15_3_1_i, "a timer that is disabled first can be set to anything else")
{
	listen();
	for (unsigned i = 0; i < 3; i++) {
		/* What is undefined: other fields while it is enabled; it must do no harm. */
		start(0, HV_TIMER_PERIODIC | TO_SINT, 1ull << 40);
		set_msr(CONFIG, HV_TIMER_ENABLE | HV_TIMER_LAZY | TO_OTHER);
		set_msr(CONFIG, HV_TIMER_ENABLE | HV_TIMER_PERIODIC | DIRECT);
		stop(0);
		check_value(msr_of(CONFIG), 0, "configuration");
		ticks = directs = 0;
		start(0, TO_OTHER, now() + 100);
		await_ticks(1);
		check_value(tick[0].sint, OTHER_SINT, "SINT of the message");
		stop(0);
		start(0, DIRECT, now() + 100);
		check_that(await(&directs, 1), "no interrupt");
		stop(0);
		start(0, HV_TIMER_PERIODIC | HV_TIMER_LAZY | TO_SINT, MS);
		await_ticks(3);
		check_value(tick[1].sint, SINT, "SINT of a periodic timer's message");
		stop(0);
		sti();
		pm_delay(2);
		cli();
	}
}

RULE_GUEST(T15_3_2_d, "a count that would wrap around is never reached")
{
	static const uint64_t far[] = { UINT64_MAX, UINT64_MAX - 1, 1ull << 63 };

	listen();
	for (unsigned i = 0; i < ARRAY_SIZE(far); i++) {
		start(0, TO_SINT, far[i]);
		start(1, HV_TIMER_PERIODIC | TO_SINT, far[i]);
		sti();
		pm_delay(5);
		cli();
		check_value(ticks, 0, "messages");
		check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable of the one-shot timer");
		check_value(msr_of(CONFIG + 2) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable of the periodic one");
	}
}

/* ---- periods ---- */

/* From one tick to another, in units that fit. */
static uint32_t between(unsigned from, unsigned to) { return (uint32_t)(tick[to].m.expiration - tick[from].m.expiration); }
static uint32_t late(unsigned i) { return (uint32_t)(tick[i].m.delivery - tick[i].m.expiration); }

RULE_GUEST(T15_1_4_a, "a periodic timer aims at its start and multiples of the period")
{
	enum { PERIOD = 2 * MS + 7, COUNTED = 10 };
	uint64_t before, behind;

	listen();
	set_msr(CONFIG, HV_TIMER_PERIODIC | TO_SINT);
	set_msr(COUNT, PERIOD);
	before = now();
	set_msr(CONFIG, HV_TIMER_PERIODIC | HV_TIMER_ENABLE | TO_SINT);
	behind = now();
	await_ticks(COUNTED);
	stop(0);
	check_that(tick[0].m.expiration >= before + PERIOD && tick[0].m.expiration <= behind + PERIOD, "first at 0x%llx, started at 0x%llx",
		   (unsigned long long)tick[0].m.expiration, (unsigned long long)before);
	for (unsigned i = 1; i < COUNTED; i++)
		check_that(between(i - 1, i) && between(i - 1, i) % PERIOD == 0, "0x%x from one to the next", between(i - 1, i));
}

RULE_GUEST(T15_3_2_c, "a periodic timer's first period starts when it is enabled, not when the count is written")
{
	uint64_t before, behind;

	listen();
	set_msr(CONFIG, HV_TIMER_PERIODIC | TO_SINT);
	set_msr(COUNT, 3 * MS);
	sti();
	pm_delay(10);
	cli();
	check_value(ticks, 0, "messages before it is enabled");
	before = now();
	set_msr(CONFIG, HV_TIMER_PERIODIC | HV_TIMER_ENABLE | TO_SINT);
	behind = now();
	await_ticks(1);
	stop(0);
	check_that(tick[0].m.expiration >= before + 3 * MS && tick[0].m.expiration <= behind + 3 * MS,
		   "first at 0x%llx, enabled at 0x%llx", (unsigned long long)tick[0].m.expiration, (unsigned long long)before);
}

/*
 * One instruction for which the VP is away for milliseconds: the machine copies nothing, zeros, to
 * memory that is not used (fw_cfg, by DMA).  Returns for how long, in reference time.
 */
static uint32_t be_away(void)
{
	enum { PORT_DMA = 0x514, DMA_READ = 1 << 1, DMA_SELECT = 1 << 3, UNUSED = 0x4000000, LENGTH = 0x3000000 };
	static struct { uint32_t control, length, high, low; } access __attribute__((aligned(16)));
	uint64_t since = now();

	access.control = __builtin_bswap32(DMA_READ | DMA_SELECT);
	access.length = __builtin_bswap32(LENGTH);
	access.high = 0;
	access.low = __builtin_bswap32(UNUSED);
	asm volatile("" : : : "memory");
	outl(PORT_DMA, 0);
	outl(PORT_DMA + 4, __builtin_bswap32((uint32_t)(unsigned long)&access));
	check_value(access.control, 0, "result of the copy");
	return (uint32_t)(now() - since);
}

/*
 * A periodic timer whose VP is away for about @missed periods, which are @longer times as long as they need be: the longer,
 * the less it matters what else the host has to do.  The period; the log has what comes.
 */
static uint32_t miss(uint64_t mode, unsigned missed, unsigned longer)
{
	uint32_t period = be_away() * longer / missed;

	drop_messages();
	ticks = 0;
	start(0, HV_TIMER_PERIODIC | mode | TO_SINT, period);
	await_ticks(2);
	/* As one absence: no interrupt is taken in between. */
	for (unsigned i = 0; i < longer; i++)
		be_away();
	await_ticks(ticks + 8 * missed < LOG_MAX ? ticks + 8 * missed : LOG_MAX);
	stop(0);
	for (unsigned i = 1; i < ticks; i++)
		check_that(between(i - 1, i) && between(i - 1, i) % period == 0, "0x%x from one to the next, the period is 0x%x",
			   between(i - 1, i), period);
	return period;
}

/*
 * From a tick that was late by two periods at least, one for one until they are in time.  So the distances between
 * them were shorter than a period, all in all; each alone need not be where the host has other work.
 */
static bool caught_up(uint32_t period)
{
	bool behind = false;

	for (unsigned i = 0; i < ticks; i++) {
		if (i && between(i - 1, i) != period)
			behind = false;
		if (behind && late(i) < period)
			return true;
		behind |= late(i) >= 2 * period;
	}
	return false;
}

RULE_GUEST(T15_1_4_c, "after missed periods the next ones are shortened until the schedule is caught up with")
{
	bool good = false;

	listen();
	for (unsigned i = 0; i < TRIES && !good; i++)
		good = caught_up(miss(0, 4, i + 1));
	check_that(good, "in %u trials it was not", TRIES);
}

RULE_GUEST(T15_1_4_d, "of very many missed periods some are dropped, and the timer goes on")
{
	enum { PERIOD = 20, SECOND = 1000 * MS };
	uint64_t begun = now();

	listen();
	/* Shorter than any machine has it, so that it falls behind more and more, unless it gives some up. */
	start(0, HV_TIMER_PERIODIC | TO_SINT, PERIOD);
	sti();
	check_that(WAIT_FOR(now() - begun >= SECOND), "no time passes");
	ticks = 0;
	check_that(WAIT_FOR(ticks >= 3 && lateness < SECOND / 2), "%u messages, the last 0x%llx late", ticks,
		   (unsigned long long)lateness);
	cli();
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable");
	stop(0);
}

RULE_GUEST(T15_1_4_e, "a lazy timer is late once or, near the next, not at all; its periods are not shortened")
{
	bool was_late = false, skipped = false;

	listen();
	for (unsigned i = 0; i < TRIES && !(was_late && skipped); i++) {
		uint32_t period = miss(HV_TIMER_LAZY, 4, 1);

		for (unsigned n = 1; n < ticks; n++) {
			if (between(n - 1, n) < 3 * period || late(n) >= period / 2)
				continue;
			was_late |= late(n - 1) >= 2 * period;
			skipped |= late(n - 1) < period / 2;
		}
	}
	check_that(was_late, "in %u trials no expiration was late, those behind it on schedule", TRIES);
	check_that(skipped, "in %u trials none was left out", TRIES);
}

/* ---- clocks ---- */

RULE_GUEST(T15_1_2_c, "the reference counter counts 10 MHz by the power management timer, asleep as well")
{
	uint64_t first, last, least = 0, most = 0;
	uint32_t pm;

	listen();
	pm = pm_time();
	first = now();
	/* Each step far below the 4.6 s in which that timer wraps around. */
	for (unsigned i = 0; i < 20; i++) {
		uint32_t begun = pm_time(), end;

		nap(10 * MS);
		end = pm_time();
		least += (end - begun) & 0xffffff;
		most += (end - pm) & 0xffffff;
		pm = end;
	}
	last = now();
	most += (pm_time() - pm) & 0xffffff;
	/* A thousandth for clocks that are being set right. */
	check_that((last - first) * PM_HZ >= least * (HV_REFERENCE_HZ / 1000 * 999), "too slow: 0x%llx units, 0x%llx ticks at least",
		   (unsigned long long)(last - first), (unsigned long long)least);
	check_that((last - first) * PM_HZ <= (most + 2) * (HV_REFERENCE_HZ / 1000 * 1001), "too fast: 0x%llx units, 0x%llx ticks at most",
		   (unsigned long long)(last - first), (unsigned long long)most);
}

/* Some moments by the MSR, by the page, by the MSR; of one processor. */
enum { MOMENTS = 200 };
static struct moments {
	uint64_t before, page, behind;
	uint32_t sequence;
} moment[CPU_MAX][MOMENTS];

static uint64_t high_half(uint64_t a, uint64_t b)
{
	uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
	uint64_t middle = (al * bl >> 32) + (uint32_t)(ah * bl) + (uint32_t)(al * bh);

	return ah * bh + (ah * bl >> 32) + (al * bh >> 32) + (middle >> 32);
}

/* As guests read it; 0: unusable. */
static uint64_t page_time(uint32_t *sequence)
{
	const volatile struct hv_reference_tsc_page *p = (void *)(unsigned long)test_page(8);
	uint32_t s;
	uint64_t t;

	do {
		s = p->sequence;
		if (s == HV_REFERENCE_TSC_UNUSABLE)
			return 0;
		t = high_half(rdtsc(), p->scale) + (uint64_t)p->offset;
	} while (p->sequence != s);
	*sequence = s;
	return t;
}

static void watch(unsigned cpu)
{
	for (unsigned i = 0; i < MOMENTS; i++) {
		struct moments *m = &moment[cpu][i];

		m->before = now();
		m->page = page_time(&m->sequence);
		m->behind = now();
	}
}

static void check_moments(unsigned cpu)
{
	for (unsigned i = 0; i < MOMENTS; i++) {
		const struct moments *m = &moment[cpu][i];

		check_that(m->before <= m->page && m->page <= m->behind, "processor %u: 0x%llx by the page, 0x%llx by the MSR", cpu,
			   (unsigned long long)m->page, (unsigned long long)m->before);
	}
}

RULE_GUEST(T15_4_3_a, "the page's formula gives reference time from any VP's TSC")
{
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | HV_MSR_PAGE_ENABLE);
	watch(0);
	check_moments(0);
#ifdef __x86_64__
	if (cpu_count < VPS)
		smp_start(VPS);
	for (unsigned cpu = 1; cpu < VPS; cpu++) {
		smp_run(cpu, watch);
		check_that(smp_wait(cpu), "processor %u does not end", cpu);
		check_moments(cpu);
	}
#endif
}

RULE_GUEST(T15_4_3_b, "the page agrees with the reference counter, behind sleeps as well")
{
	listen();
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | HV_MSR_PAGE_ENABLE);
	for (unsigned i = 0; i < 5; i++) {
		watch(0);
		check_moments(0);
		nap(20 * MS);
	}
}

#ifdef __x86_64__
static void count_up(unsigned cpu)
{
	for (unsigned i = 0; i < MOMENTS; i++)
		moment[cpu][i].before = now();
}

RULE_GUEST(T15_1_2_b, "reads of the reference counter by any VPs increase strictly, no two give the same value")
{
	unsigned i = 0, k = 0;
	uint64_t last = 0;

	start_on_1(count_up);
	count_up(0);
	check_that(smp_wait(1), "processor 1 does not end");
	/* Two lists that increase, merged. */
	while (i < MOMENTS || k < MOMENTS) {
		bool first = k == MOMENTS || (i < MOMENTS && moment[0][i].before < moment[1][k].before);
		uint64_t next = first ? moment[0][i++].before : moment[1][k++].before;

		check_that(next > last, "0x%llx comes behind 0x%llx", (unsigned long long)next, (unsigned long long)last);
		last = next;
	}
}

static volatile bool placing;

/* Takes the page away and places it anew, again and again. */
static void place(unsigned cpu)
{
	(void)cpu;
	while (placing) {
		wrmsr(HV_X64_MSR_REFERENCE_TSC, 0);
		wrmsr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | HV_MSR_PAGE_ENABLE);
		for (unsigned i = 0; i < 1000 && placing; i++)
			pause_cpu();
	}
}

RULE_GUEST(T15_4_3_2_a, "who sees the same sequence before and after has a consistent pair of scale and offset")
{
	uint32_t last = 0, sequence = 0;
	unsigned changes = 0;

	placing = true;
	start_on_1(place);
	/* Where the page is not there are zeros: scale 0 gives another time. */
	for (unsigned i = 0; i < 3000 || (changes < 3 && i < 30000000); i++) {
		uint64_t before = now(), page = page_time(&sequence), behind = now();

		if (!page)
			continue;
		changes += sequence != last;
		last = sequence;
		check_that(before <= page && page <= behind, "0x%llx by the page, 0x%llx by the MSR", (unsigned long long)page,
			   (unsigned long long)before);
	}
	placing = false;
	check_that(smp_wait(1), "processor 1 does not end");
	check_that(changes >= 3, "the page could be used %u times", changes);
}
#endif

RULE_GUEST(T15_1_1_a, "each VP has one APIC timer")
{
	apic_enable();
	apic_write(APIC_LVT_TIMER, 1 << 16 | VECTOR);
	check_value(apic_read(APIC_LVT_TIMER) & 0x100ff, 1 << 16 | VECTOR, "its entry");
	apic_write(APIC_TIMER_INITIAL, 0x7fffffff);
	check_value(apic_read(APIC_TIMER_INITIAL), 0x7fffffff, "initial count");
	check_that(apic_read(APIC_TIMER_CURRENT) > 0x10000000, "current count");
	apic_write(APIC_TIMER_INITIAL, 0);
}
