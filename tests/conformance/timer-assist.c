/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 15.1.5: the periodic timer that a parent lends its child. */
#include "child.h"
#include "hv/interrupt.h"

enum { FIRST = 0x45, SECOND = 0x56, NMI_VECTOR = 2 };
/* In the child: what its VP 0 counts while it waits, and the interrupts by vector. */
enum { LOOPS = CHILD_DATA, TICKS = CHILD_DATA + 8, HANDLERS = 0x5000, WAIT_CODE = 0x7000, HANDLER_BYTES = 32 };
enum { MS = 10000, PERIOD = 2 * MS, LONG_PERIOD = 100 * 1000 * MS, ROUNDS = 2000 };

static uint64_t control(uint8_t vector, unsigned mode, uint64_t mda)
{
	return HV_EMULATED_TIMER_ENABLED | vector | mode << HV_EMULATED_TIMER_MODE_SHIFT | mda << HV_EMULATED_TIMER_MDA_SHIFT;
}

static void set_period(const struct child *c, uint64_t period)
{
	must_set_property(c->id, HV_PROPERTY_EMULATED_TIMER_PERIOD, period);
}

static void set_control(const struct child *c, uint64_t value)
{
	must_set_property(c->id, HV_PROPERTY_EMULATED_TIMER_CONTROL, value);
}

/* A handler that counts at TICKS + @n * 8 and ends the interrupt. */
static void count_at(const struct child *c, uint8_t vector, unsigned n)
{
	/* inc dword [TICKS + n * 8]; mov dword [the APIC's EOI], 0; iret */
	const uint8_t code[] = { 0x66, 0xff, 0x06, (TICKS + n * 8) & 0xff, (TICKS + n * 8) >> 8, 0x66, 0x67, 0xc7, 0x05, BYTES_32(0xfee00000 + CHILD_APIC_EOI),
				 0, 0, 0, 0, 0xcf };
	uint32_t at = HANDLERS + n * HANDLER_BYTES;

	child_put(c, at, code, sizeof code);
	child_put(c, vector * 4u, &at, sizeof at);
}

/* VP 0 waits with interrupts on. */
static void wait_for_ever(const struct child *c)
{
	/* sti; l: inc dword [LOOPS]; jmp l */
	static const uint8_t code[] = { 0xfb, 0x66, 0xff, 0x06, LOOPS & 0xff, LOOPS >> 8, 0xeb, 0xf9 };

	child_start_at(c, 0, WAIT_CODE);
	child_put(c, WAIT_CODE, code, sizeof code);
	child_go(c, 0);
}

/* @vps VPs with their APICs on; VP 0 counts FIRST, SECOND and NMI and waits, the others stand. */
static struct child counting_child(unsigned vps)
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	count_at(&c, FIRST, 0);
	count_at(&c, SECOND, 1);
	count_at(&c, NMI_VECTOR, 2);
	for (uint32_t vp = 0; vp < vps; vp++) {
		if (vp)
			child_vp(&c, vp);
		child_apic_set(&c, vp, CHILD_APIC_SVR, 0x1ff);
		child_apic_set(&c, vp, CHILD_APIC_LDR, 0x01000000u << vp);
	}
	wait_for_ever(&c);
	return c;
}

static uint32_t ticks(const struct child *c, unsigned n)
{
	return (uint32_t)child_get64(c, TICKS + n * 8);
}

/* Until there have been @want. */
static void await_ticks(const struct child *c, unsigned n, uint32_t want)
{
	for (unsigned i = 0; i < ROUNDS && ticks(c, n) < want; i++)
		child_wait();
	check_that(ticks(c, n) >= want, "%u ticks of kind %u, want %u", ticks(c, n), n, want);
}

/* VP 0 has run since, with interrupts on: it has taken what waited. */
static void await_loops(const struct child *c)
{
	uint32_t before = (uint32_t)child_get64(c, LOOPS), now = before;

	for (unsigned i = 0; i < ROUNDS && now - before < 1000; i++) {
		child_wait();
		now = (uint32_t)child_get64(c, LOOPS);
	}
	check_that(now - before >= 1000, "the child does not run");
}

/* None comes for a while, though the child runs. */
static void check_no_ticks(const struct child *c, unsigned n)
{
	uint32_t before;

	await_loops(c);
	before = ticks(c, n);
	for (unsigned i = 0; i < 10; i++)
		child_wait();
	await_loops(c);
	check_value(ticks(c, n), before, "ticks of kind %u", n);
}

static uint64_t child_time(const struct child *c)
{
	return child_register(c, HV_REGISTER_TIME_REF_COUNT);
}

RULE_HOST(T15_1_5_a, "a child has no timer assist at first")
{
	uint64_t id = make_active_partition(), early = make_partition();

	check_property(early, HV_PROPERTY_EMULATED_TIMER_PERIOD, 0);
	check_property(early, HV_PROPERTY_EMULATED_TIMER_CONTROL, 0);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, 0);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, 0);
	/* What is set is read; reserved bits and modes that no command register has are not set. */
	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, PERIOD);
	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control(FIRST, HV_INTERRUPT_LOWEST_PRIORITY, 7));
	check_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, PERIOD);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control(FIRST, HV_INTERRUPT_LOWEST_PRIORITY, 7));
	for (unsigned bit = 13; bit < 56; bit++)
		check_status(set_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, 1ull << bit), HV_STATUS_INVALID_PARAMETER);
	check_status(set_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control(FIRST, 3, 0)), HV_STATUS_INVALID_PARAMETER);
	check_status(set_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control(FIRST, HV_INTERRUPT_EXT_INT, 0)), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T15_1_5_b, "the child gets its interrupt once a period")
{
	struct child c = counting_child(1);
	uint64_t from = child_time(&c), took;
	uint32_t n;

	set_period(&c, PERIOD);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	await_ticks(&c, 0, 20);
	n = ticks(&c, 0);
	took = child_time(&c) - from;
	check_that(n * (uint64_t)PERIOD <= took, "%u ticks too soon", n);
	check_slot_empty(0);
}

RULE_HOST(T15_1_5_c, "period 0 ends the timer and says so")
{
	struct child c = counting_child(1);

	set_period(&c, PERIOD);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	await_ticks(&c, 0, 1);
	set_period(&c, 0);
	check_property(c.id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control(FIRST, HV_INTERRUPT_FIXED, 0) & ~HV_EMULATED_TIMER_ENABLED);
	check_no_ticks(&c, 0);
	/* A period alone does not begin it again. */
	set_period(&c, PERIOD);
	check_no_ticks(&c, 0);
}

RULE_HOST(T15_1_5_d, "a new period takes the place of the one that runs")
{
	struct child c = counting_child(1);

	set_period(&c, LONG_PERIOD);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	check_no_ticks(&c, 0);
	set_period(&c, PERIOD);
	await_ticks(&c, 0, 2);
	set_period(&c, LONG_PERIOD);
	check_no_ticks(&c, 0);
}

RULE_HOST(T15_1_5_e, "a new control takes effect at once")
{
	struct child c = counting_child(1);
	uint32_t first, second;

	set_period(&c, PERIOD);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	await_ticks(&c, 0, 2);
	set_control(&c, control(SECOND, HV_INTERRUPT_FIXED, 0));
	await_ticks(&c, 1, 2);
	check_no_ticks(&c, 0);
	set_control(&c, control(SECOND, HV_INTERRUPT_FIXED, 0) & ~HV_EMULATED_TIMER_ENABLED);
	check_no_ticks(&c, 1);
	/* It does not begin the period anew, or this would go on for ever. */
	set_period(&c, 100 * MS);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	first = ticks(&c, 0), second = ticks(&c, 1);
	for (unsigned i = 0; i < ROUNDS && ticks(&c, 0) == first && ticks(&c, 1) == second; i++) {
		set_control(&c, control(i & 1 ? FIRST : SECOND, HV_INTERRUPT_FIXED, 0));
		child_wait();
	}
	check_that(ticks(&c, 0) != first || ticks(&c, 1) != second, "no tick while the control changes");
}

/* How long ago the ticks were due that did not come, 100 ns. */
static uint64_t behind(const struct child *c, uint64_t from, uint64_t period)
{
	return child_time(c) - from - ticks(c, 0) * period;
}

/* Of six periods that went by while the child stood, half have been made up for before it has fallen behind for good. */
static bool makes_up(uint64_t period)
{
	static const uint8_t out_80[] = { OUT(0x80) };
	struct child c = counting_child(1);
	uint64_t from = child_time(&c), missed, late = UINT64_MAX;

	set_period(&c, period);
	set_control(&c, control(FIRST, HV_INTERRUPT_FIXED, 0));
	await_ticks(&c, 0, 1);
	/* It stands in an intercept, while its time goes on. */
	check_status(set_register(c.id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED), HV_STATUS_SUCCESS);
	child_run_on(&c, 0, out_80, sizeof out_80);
	while ((missed = behind(&c, from, period)) < 6 * period)
		child_wait();
	wait_for_ever(&c);
	for (unsigned i = 0; i < ROUNDS && (late = behind(&c, from, period)) >= missed / 2 && late < missed + 50 * period; i++)
		child_wait();
	return late < missed / 2;
}

RULE_HOST(T15_1_5_f, "ticks that were missed are made up for")
{
	enum { TRIES = 4 };
	/* So long that a busy host loses none; on one that is busier still ticks come later than half a period each. */
	uint64_t period = 50 * MS;
	bool made_up = false;

	for (unsigned i = 0; i < TRIES && !made_up; i++, period *= 2)
		made_up = makes_up(period);
	check_that(made_up, "in %u trials they are not", TRIES);
}

RULE_HOST(T15_1_5_g, "mode and destination are those of a command register")
{
	static const struct {
		uint64_t control;
		unsigned who;              /* VPs that get it: bits */
	} cases[] = {
		{ HV_INTERRUPT_FIXED << HV_EMULATED_TIMER_MODE_SHIFT | 1ull << HV_EMULATED_TIMER_MDA_SHIFT, 2 },
		{ HV_INTERRUPT_FIXED << HV_EMULATED_TIMER_MODE_SHIFT | 0xffull << HV_EMULATED_TIMER_MDA_SHIFT, 7 },
		{ HV_EMULATED_TIMER_LOGICAL | 6ull << HV_EMULATED_TIMER_MDA_SHIFT, 6 },
		{ HV_INTERRUPT_LOWEST_PRIORITY << HV_EMULATED_TIMER_MODE_SHIFT | HV_EMULATED_TIMER_LOGICAL | 4ull << HV_EMULATED_TIMER_MDA_SHIFT, 4 },
	};
	struct child c = counting_child(3);

	set_period(&c, PERIOD);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t vector = (uint8_t)(0x80 + i * 16);
		uint32_t last = cases[i].who & 4 ? 2 : 1, before = ticks(&c, 0);

		if (cases[i].who & 1)
			count_at(&c, vector, 0);
		set_control(&c, cases[i].control | HV_EMULATED_TIMER_ENABLED | vector);
		for (unsigned k = 0; k < ROUNDS && !child_waits(&c, last, vector); k++)
			child_wait();
		if (cases[i].who & 1)
			await_ticks(&c, 0, before + 1);
		set_control(&c, 0);
		for (uint32_t vp = 1; vp < 3; vp++)
			check_value(child_waits(&c, vp, vector), cases[i].who >> vp & 1, "case %u at VP %u", i, vp);
	}
	/* Not by way of a vector. */
	set_control(&c, control(0, HV_INTERRUPT_NMI, 0));
	await_ticks(&c, 2, 1);
}
