/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reference time and synthetic timers (chapter 15).  What expires needs time that passes: a guest, or VPs that
 * go on for a while.
 */
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "rule.h"

enum { SINT = 4, LOOKS = 20000000 };
#define CONFIG HV_X64_MSR_STIMER0_CONFIG
#define COUNT HV_X64_MSR_STIMER0_COUNT
#define TO_SINT ((uint64_t)SINT << HV_TIMER_SINT_SHIFT)
#define FAR_AWAY (1ull << 60)

RULE_QTEST(T15_3_1_a, "all four pairs of registers are 0 at VP creation")
{
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		check_value(msr_of(CONFIG + 2 * n), 0, "configuration of timer %u", n);
		check_value(msr_of(COUNT + 2 * n), 0, "count of timer %u", n);
	}
}

RULE_QTEST(T15_3_a, "each VP has its own four pairs")
{
	set_msr(COUNT + 4, 77);
	as_vp(1);
	check_value(msr_of(COUNT + 4), 0, "count of timer 2 of VP 1");
}

RULE_QTEST(T15_3_b, "without the privilege the registers are #GP")
{
	uint64_t v;

	restart_with("hv-stimer=off");
	check_that(!read_msr(CONFIG, &v), "a configuration could be read");
	check_that(!write_msr(COUNT + 6, 1), "a count could be written");
}

RULE(T15_3_1_j, "defined bits read back as written")
{
	uint64_t bits = HV_TIMER_PERIODIC | HV_TIMER_LAZY | HV_TIMER_AUTO_ENABLE | HV_TIMER_SINT;

	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		set_msr(COUNT + 2 * n, 0);
		set_msr(CONFIG + 2 * n, bits);
		check_value(msr_of(CONFIG + 2 * n), bits, "configuration of timer %u", n);
		set_msr(CONFIG + 2 * n, 0);
		set_msr(COUNT + 2 * n, FAR_AWAY + n);
		check_value(msr_of(COUNT + 2 * n), FAR_AWAY + n, "count of timer %u", n);
		set_msr(COUNT + 2 * n, 0);
	}
}

RULE(T15_3_1_c, "with AutoEnable a count enables the timer")
{
	set_msr(CONFIG, HV_TIMER_AUTO_ENABLE | TO_SINT);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, 0, "Enable before");
	set_msr(COUNT, FAR_AWAY);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable behind");
}

RULE(T15_3_1_d, "without AutoEnable a count does not enable the timer")
{
	set_msr(CONFIG, TO_SINT);
	set_msr(COUNT, FAR_AWAY);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, 0, "Enable");
}

RULE(T15_3_1_h, "SINT 0 disables the timer at once")
{
	set_msr(COUNT, FAR_AWAY);
	set_msr(CONFIG, HV_TIMER_ENABLE | TO_SINT);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable with a SINT");
	set_msr(CONFIG, HV_TIMER_ENABLE);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, 0, "Enable without");
}

RULE(T15_3_2_a, "count 0 disables the timer, whatever AutoEnable says")
{
	set_msr(CONFIG, HV_TIMER_AUTO_ENABLE | TO_SINT);
	set_msr(COUNT, FAR_AWAY);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable before");
	set_msr(COUNT, 0);
	check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, 0, "Enable behind");
}

/* ---- expiring ---- */

/* Messages reach test page 0; their interrupt is masked. */
static void listen(void)
{
	set_msr(HV_X64_MSR_SIMP, test_page(0) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_MASKED);
}

static uint32_t message_type(void)
{
	uint32_t type;

	get_bytes(test_page(0) + SINT * sizeof(struct hv_message), &type, 4);
	return type;
}

static bool message_comes(void)
{
	for (unsigned i = 0; i < LOOKS; i++)
		if (message_type())
			return true;
	return false;
}

static void message_done(void)
{
	uint32_t none = HV_MESSAGE_NONE;

	put_bytes(test_page(0) + SINT * sizeof(struct hv_message), &none, 4);
	set_msr(HV_X64_MSR_EOM, 0);
}

RULE_GUEST(T15_1_3_a, "an expiring timer sends a message to its SINT")
{
	struct hv_message m;

	listen();
	set_msr(CONFIG + 4, HV_TIMER_AUTO_ENABLE | TO_SINT);
	set_msr(COUNT + 4, 1);
	check_that(message_comes(), "no message");
	get_bytes(test_page(0) + SINT * sizeof m, &m, sizeof m);
	check_value(m.type, (uint32_t)HV_MESSAGE_TIMER_EXPIRED, "type");
	check_value(m.payload_size, sizeof(struct hv_timer_message), "size of the payload");
	check_value((uint32_t)m.payload[0], 2, "number of the timer");
	message_done();
}

RULE_GUEST(T15_3_1_g, "a count that lies in the past expires at once")
{
	listen();
	set_msr(COUNT, 1);
	set_msr(CONFIG, HV_TIMER_ENABLE | TO_SINT);
	check_that(message_comes(), "no message");
	message_done();
}

RULE_GUEST(T15_3_1_e, "a one-shot timer that has expired is not enabled")
{
	listen();
	set_msr(COUNT, 1);
	set_msr(CONFIG, HV_TIMER_ENABLE | TO_SINT);
	check_that(message_comes(), "no message");
	check_value(msr_of(CONFIG), TO_SINT, "configuration");
	message_done();
}

RULE_GUEST(T15_3_2_b, "a one-shot timer expires when the reference counter has reached its count, not before")
{
	uint64_t due = msr_of(HV_X64_MSR_TIME_REF_COUNT) + 20000;

	listen();
	set_msr(CONFIG, HV_TIMER_AUTO_ENABLE | TO_SINT);
	set_msr(COUNT, due);
	/* The clock is read behind the page, so that it can only be too late. */
	check_that(message_comes(), "no message");
	check_that(msr_of(HV_X64_MSR_TIME_REF_COUNT) >= due, "a message before its time");
	message_done();
}

RULE_GUEST(T15_3_1_f, "a periodic timer stays enabled until it is disabled")
{
	listen();
	set_msr(CONFIG, HV_TIMER_PERIODIC | HV_TIMER_AUTO_ENABLE | TO_SINT);
	set_msr(COUNT, 5000);
	for (unsigned i = 0; i < 3; i++) {
		check_that(message_comes(), "message %u does not come", i);
		message_done();
		check_value(msr_of(CONFIG) & HV_TIMER_ENABLE, HV_TIMER_ENABLE, "Enable");
	}
	set_msr(CONFIG, 0);
	check_value(msr_of(CONFIG), 0, "configuration");
	message_done();
}

/* ---- what stands while the VPs do ---- */

#define REFERENCE HV_X64_MSR_TIME_REF_COUNT

RULE_QTEST(T15_1_2_a, "the reference counter of a new partition is 0")
{
	restart_bare();
	check_value(msr_of(REFERENCE), 0, "it");
}

RULE(T15_1_2_e, "the reference counter advances while one VP of several runs, and stands while none does")
{
	uint64_t a = msr_of(REFERENCE), b;

	if (rule_way() == BY_GUEST) {
		/* The others wait for a start-up IPI, or halt. */
		for (unsigned i = 0; i < LOOKS && msr_of(REFERENCE) - a < 10000; i++)
			continue;
		check_that(msr_of(REFERENCE) - a >= 10000, "it stands");
		return;
	}
	check_value(msr_of(REFERENCE), a, "while all are suspended");
	let_run(10);
	b = msr_of(REFERENCE);
	check_that(b - a >= 50000, "it went from 0x%llx to 0x%llx in 10 ms", (unsigned long long)a, (unsigned long long)b);
	check_value(msr_of(REFERENCE), b, "after they are suspended again");
}

RULE_QTEST(T15_1_4_b, "a timer that expires while its VP is suspended signals when the VP goes on")
{
	let_run(1);
	listen();
	set_msr(CONFIG, HV_TIMER_AUTO_ENABLE | TO_SINT);
	set_msr(COUNT, 1);
	check_value(message_type(), HV_MESSAGE_NONE, "message while it is suspended");
	check_value(msr_of(CONFIG), HV_TIMER_ENABLE | HV_TIMER_AUTO_ENABLE | TO_SINT, "configuration");
	let_run(20);
	check_value(message_type(), (uint32_t)HV_MESSAGE_TIMER_EXPIRED, "message when it has gone on");
	check_value(msr_of(CONFIG), HV_TIMER_AUTO_ENABLE | TO_SINT, "configuration then");
}

RULE_QTEST(T15_1_9_b, "reference time does not advance while the partition is stopped")
{
	uint64_t a, b;

	let_run(1);
	a = msr_of(REFERENCE);
	wait_ms(300);
	check_value(msr_of(REFERENCE), a, "300 ms later");
	/* Nor does it make up for the pause when it goes on. */
	b = host_time();
	let_run(1);
	b = host_time() - b;
	check_that(msr_of(REFERENCE) - a <= b, "it ran for 0x%llx, its clock for 0x%llx", (unsigned long long)b,
		   (unsigned long long)(msr_of(REFERENCE) - a));
}

RULE_QTEST(T15_3_1_b, "a reset stops the timers and clears their registers")
{
	for (unsigned vp = 0; vp < VPS; vp++) {
		as_vp(vp);
		for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
			set_msr(CONFIG + 2 * n, HV_TIMER_PERIODIC | HV_TIMER_AUTO_ENABLE | TO_SINT);
			set_msr(COUNT + 2 * n, 10000);
		}
	}
	reset_machine();
	for (unsigned vp = 0; vp < VPS; vp++) {
		as_vp(vp);
		for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
			check_value(msr_of(CONFIG + 2 * n), 0, "VP %u, configuration of timer %u", vp, n);
			check_value(msr_of(COUNT + 2 * n), 0, "VP %u, count of timer %u", vp, n);
		}
	}
	as_vp(0);
	listen();
	let_run(20);
	check_value(message_type(), HV_MESSAGE_NONE, "message of a timer that was running");
}

/* ---- what there is ---- */

RULE(T15_1_1_a, "there are four pairs of registers, no fifth")
{
	uint64_t v;

	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		check_that(read_msr(CONFIG + 2 * n, &v), "no configuration of timer %u", n);
		check_that(read_msr(COUNT + 2 * n, &v), "no count of timer %u", n);
	}
	check_that(!read_msr(CONFIG - 1, &v), "there is an MSR below");
	for (unsigned i = 0; i < 8; i++)
		check_that(!read_msr(CONFIG + 2 * HV_TIMER_COUNT + i, &v), "there is an MSR 0x%x", CONFIG + 2 * HV_TIMER_COUNT + i);
}

RULE(T15_1_9_a, "the reference TSC page is offered with a TSC that is invariant")
{
	check_that(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_REFERENCE_TSC, "it is not offered");
	check_that(read_leaf(0x80000007).d & 1 << 8, "leaf 0x80000007 EDX bit 8 is clear");
}

/* ---- the reference TSC page ---- */

#define TSC_PAGE test_page(8)

/* Places it, also anew; as the guest sees it then. */
static void tsc_page(struct hv_reference_tsc_page *page)
{
	set_msr(HV_X64_MSR_REFERENCE_TSC, 0);
	set_msr(HV_X64_MSR_REFERENCE_TSC, TSC_PAGE | HV_MSR_PAGE_ENABLE);
	get_bytes(TSC_PAGE, page, sizeof *page);
}

/* High and low half of a product of 64-bit numbers, also where there is no 128-bit arithmetic. */
static uint64_t multiply(uint64_t a, uint64_t b, uint64_t *low)
{
	uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
	uint64_t middle = (al * bl >> 32) + (uint32_t)(ah * bl) + (uint32_t)(al * bh);

	*low = a * b;
	return ah * bh + (ah * bl >> 32) + (al * bh >> 32) + (middle >> 32);
}

/* scale = floor(10^7 * 2^64 / hz), without a division */
static void check_scale(uint64_t scale, uint64_t hz)
{
	uint64_t low, high = multiply(scale, hz, &low);

	check_that(high < HV_REFERENCE_HZ || (high == HV_REFERENCE_HZ && !low), "scale 0x%llx is too large for 0x%llx Hz",
		   (unsigned long long)scale, (unsigned long long)hz);
	high = multiply(scale + 1, hz, &low);
	check_that(high >= HV_REFERENCE_HZ && (high > HV_REFERENCE_HZ || low), "scale 0x%llx is too small for 0x%llx Hz",
		   (unsigned long long)scale, (unsigned long long)hz);
}

RULE(T15_4_2_a, "the fields of the reference TSC page are where the layout has them")
{
	static struct hv_reference_tsc_page page;
	static uint8_t bytes[4096];
	unsigned other = 0;

	tsc_page(&page);
	get_bytes(TSC_PAGE, bytes, sizeof bytes);
	check_that(page.sequence != HV_REFERENCE_TSC_UNUSABLE, "sequence is 0");
	check_value(page.reserved, 0, "reserved word");
	check_scale(page.scale, msr_of(HV_X64_MSR_TSC_FREQUENCY));
	/* The TSC is 0 when the partition is made, as reference time is. */
	check_value((uint64_t)page.offset, 0, "offset");
	for (unsigned i = 24; i < sizeof bytes; i++)
		other |= bytes[i];
	check_value(other, 0, "what is behind them");
}

RULE(T15_4_3_1_a, "the scale is that of the frequency that the partition is told")
{
	static struct hv_reference_tsc_page page;

	for (unsigned i = 0; i < 3; i++) {
		tsc_page(&page);
		check_scale(page.scale, msr_of(HV_X64_MSR_TSC_FREQUENCY));
		if (rule_way() == BY_QTEST)
			let_run(1);
	}
}

RULE(T15_4_3_2_a, "each time the fields are set the sequence is another, the next")
{
	static struct hv_reference_tsc_page first, second;

	tsc_page(&first);
	tsc_page(&second);
	check_value(second.sequence, first.sequence + 1, "sequence");
}

RULE(T15_4_3_2_b, "a sequence of a page that can be used is neither 0 nor 0xffffffff")
{
	static struct hv_reference_tsc_page page;

	for (unsigned i = 0; i < 40; i++) {
		tsc_page(&page);
		check_that(page.sequence != 0 && page.sequence != 0xffffffff, "it is 0x%x", page.sequence);
	}
}

RULE_QTEST(T15_4_3_3_a, "the partition's TSC is constant on any host: its page stays usable, as it is, over stops")
{
	static struct hv_reference_tsc_page before, after;

	tsc_page(&before);
	for (unsigned i = 0; i < 3; i++) {
		let_run(2);
		get_bytes(TSC_PAGE, &after, sizeof after);
		check_value(after.sequence, before.sequence, "sequence");
		check_value(after.scale, before.scale, "scale");
		check_value((uint64_t)after.offset, (uint64_t)before.offset, "offset");
	}
}
