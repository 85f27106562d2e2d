/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic timers (15.1, 15.3).  What expires needs time that passes, so a guest. */
#include "hv/msr.h"
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
