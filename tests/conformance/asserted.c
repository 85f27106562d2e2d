/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 13.3, 13.5: interrupts that a parent asserts in its child, and withdraws or clears. */
#include "child.h"
#include "hv/interrupt.h"

enum { AP = 1, START_PAGE = CHILD_CODE / 0x1000, OTHER_PAGE = 2 };

static const uint8_t out_80_81[] = { OUT(0x80), OUT(0x81) };

static struct reply assert_as(struct hv_in_assert_virtual_interrupt in)
{
	return CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in);
}

#define ASSERT(...) assert_as((struct hv_in_assert_virtual_interrupt){ __VA_ARGS__ })

/* A child whose VP AP waits for its start, with code at START_PAGE. */
static struct child with_waiting_ap(void)
{
	struct child c = make_child(EXO);

	child_put(&c, CHILD_CODE, out_80_81, sizeof out_80_81);
	make_vp(c.id, AP);
	set_register(c.id, AP, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_register(c.id, AP, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_STARTUP_SUSPEND);
	return c;
}

RULE_HOST(T13_3_2_c, "a start-up interrupt starts a waiting VP where its vector says")
{
	struct child c = with_waiting_ap();
	struct hv_message m;

	check_status(child_assert(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	m = next_message();
	check_value(header(&m)->vp, AP, "VP");
	check_value(header(&m)->cs.base, CHILD_CODE, "base of CS");
	check_value(header(&m)->rip, 0, "RIP");
}

RULE_HOST(T13_3_2_b, "INIT leaves a VP that is not the first waiting for its start")
{
	struct child c = with_waiting_ap();

	check_status(child_assert(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	next_message();
	check_status(child_assert(&c, HV_INTERRUPT_INIT, AP, 0), HV_STATUS_SUCCESS);
	child_go(&c, AP);
	for (unsigned i = 0; i < 6000; i++) {
		if (get_register(c.id, AP, HV_REGISTER_INTERNAL_ACTIVITY_STATE).value.low == HV_ACTIVITY_STARTUP_SUSPEND)
			break;
		child_wait();
	}
	check_register(c.id, AP, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_STARTUP_SUSPEND);
	check_register(c.id, AP, HV_REGISTER_RIP, 0xfff0);
	check_silence();
}

RULE_HOST(T13_3_2_d, "a start-up interrupt does nothing to a VP that does not wait for it")
{
	struct child c = with_waiting_ap();
	struct hv_message m;

	check_status(child_assert(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	m = next_message();
	check_status(child_assert(&c, HV_INTERRUPT_SIPI, AP, OTHER_PAGE), HV_STATUS_SUCCESS);
	check_status(set_register(c.id, AP, HV_REGISTER_RIP, header(&m)->rip + 2), HV_STATUS_SUCCESS);
	child_go(&c, AP);
	m = next_message();
	check_value(header(&m)->cs.base, CHILD_CODE, "base of CS");
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "port");
}

/* ---- a child whose interrupts can be seen ---- */

enum { FIRST = 0x45, SECOND = 0x56, NO_VECTOR = 0x0f, ALL_VECTORS = 256 };
#define NONE HV_INTERRUPT_VECTOR_NONE

static const uint8_t sti_and_nothing[] = { 0xfb, 0x90, 0x90, OUT(NO_VECTOR) };

/* The vector that VP @vp takes when it lets interrupts in; NO_VECTOR: none. */
static unsigned taken(const struct child *c, uint32_t vp)
{
	struct hv_message m = child_run_on(c, vp, sti_and_nothing, sizeof sti_and_nothing);

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	return MESSAGE_AS(hv_io_message, &m)->port;
}

/* @vps VPs with APICs that are on, or as they begin; the handler of each vector does OUT(vector). */
static struct child with_handlers(unsigned vps, bool on)
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	for (uint32_t i = NO_VECTOR + 1; i < ALL_VECTORS; i++) {
		const uint8_t code[] = { OUT((uint8_t)i) };
		uint32_t at = CHILD_DATA + i * 4;

		child_put(&c, i * 4, &at, sizeof at);
		child_put(&c, at, code, sizeof code);
	}
	for (uint32_t vp = 0; vp < vps; vp++) {
		if (vp)
			child_vp(&c, vp);
		if (on)
			child_apic_set(&c, vp, CHILD_APIC_SVR, 0x1ff);
	}
	return c;
}

static struct reply send_level(const struct child *c, uint64_t destination, uint32_t vector)
{
	return ASSERT(.partition_id = c->id, .control = HV_INTERRUPT_LEVEL_TRIGGERED, .destination = destination, .vector = vector);
}

static struct reply send_logical(const struct child *c, uint32_t type, uint64_t destination, uint32_t vector)
{
	return ASSERT(.partition_id = c->id, .type = type, .control = HV_INTERRUPT_LOGICAL, .destination = destination, .vector = vector);
}

static struct reply ext_int(const struct child *c, uint32_t vector)
{
	return child_assert(c, HV_INTERRUPT_EXT_INT, 0, vector);
}

static struct reply clear(const struct child *c)
{
	return call_id(HV_CALL_CLEAR_VIRTUAL_INTERRUPT, c->id);
}

/* A child whose VP 0 has taken ExtInt FIRST. */
static struct child with_acknowledged(void)
{
	struct child c = with_handlers(1, true);

	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector");
	return c;
}

/* ---- 13.3.2, 13.3.3 ---- */

RULE_HOST(T13_3_2_f, "an edge-triggered interrupt that is withdrawn stays")
{
	struct child c = with_handlers(1, true);

	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, FIRST), HV_STATUS_SUCCESS);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, NONE), HV_STATUS_SUCCESS);
	check_that(child_waits(&c, 0, FIRST), "the bit in the IRR is gone");
}

RULE_HOST(T13_3_2_g, "a level-triggered interrupt that is withdrawn leaves the IRR")
{
	struct child c = with_handlers(1, true);

	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_that(child_waits(&c, 0, FIRST), "it is not in the IRR at first");
	check_status(send_level(&c, 0, NONE), HV_STATUS_SUCCESS);
	check_that(!child_waits(&c, 0, FIRST), "it is still in the IRR");
}

RULE_HOST(T13_3_2_i, "an ExtInt is VP 0's")
{
	struct child c = with_handlers(2, true);

	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 1), NO_VECTOR, "vector of VP 1");
	check_value(taken(&c, 0), FIRST, "vector of VP 0");
}

RULE_HOST(T13_3_2_j, "an ExtInt is taken with the APIC disabled by software, too")
{
	struct child c = with_handlers(1, false);
	struct hv_message m;

	check_value(child_apic(&c, 0, CHILD_APIC_SVR) >> 8 & 1, 0, "the APIC's enable bit");
	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector");
	/* Nor is it lost with the APIC's registers. */
	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, SECOND), HV_STATUS_SUCCESS);
	check_status(child_assert(&c, HV_INTERRUPT_INIT, 0, 0), HV_STATUS_SUCCESS);
	m = run_code(&c, out_80_81, sizeof out_80_81);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(taken(&c, 0), SECOND, "vector behind INIT");
}

RULE_HOST(T13_3_2_k, "an ExtInt asks for no priority, but for RFLAGS.IF")
{
	static const uint8_t out_80[] = { OUT(0x80) };
	struct child c = with_handlers(1, true);
	struct hv_message m;

	child_apic_set(&c, 0, CHILD_APIC_TPR, 0xf0);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, SECOND), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	m = child_run_on(&c, 0, out_80, sizeof out_80);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x80, "port without IF");
	check_value(taken(&c, 0), FIRST, "vector");
	check_value(taken(&c, 0), NO_VECTOR, "vector that a priority holds back");
}

RULE_HOST(T13_3_2_l, "behind an ExtInt that was taken there is none until the parent clears it")
{
	struct child c = with_acknowledged();

	check_status(ext_int(&c, SECOND), HV_STATUS_ACKNOWLEDGED);
	check_value(taken(&c, 0), NO_VECTOR, "vector before it is cleared");
	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, SECOND), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), SECOND, "vector");
}

RULE_HOST(T13_3_3_a, "an edge-triggered interrupt is latched: to withdraw it does nothing and is no error")
{
	struct child c = with_handlers(1, true);

	for (uint32_t type = HV_INTERRUPT_FIXED; type <= HV_INTERRUPT_LOWEST_PRIORITY; type++) {
		check_status(child_assert(&c, type, 0, FIRST + type * 16), HV_STATUS_SUCCESS);
		check_status(child_assert(&c, type, 0, NONE), HV_STATUS_SUCCESS);
	}
	/* The higher first: none of the two is ended. */
	check_value(taken(&c, 0), FIRST + 16, "vector of lowest priority");
	check_that(child_waits(&c, 0, FIRST), "the fixed one is gone");
}

RULE_HOST(T13_3_3_b, "a level-triggered interrupt is withdrawn before it is taken, and can be asserted again")
{
	struct child c = with_handlers(1, true);

	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_status(send_level(&c, 0, NONE), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector of the second");
	/* It is in service: there is nothing left to withdraw. */
	check_status(send_level(&c, 0, NONE), HV_STATUS_SUCCESS);
}

/* ---- 13.5.1 ---- */

RULE_HOST(T13_5_1_a, "a physical destination is the VP that has this APIC id")
{
	static const uint16_t codes[] = { HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009, HV_CALL_ASSERT_VIRTUAL_INTERRUPT };
	struct child c = with_handlers(2, true);

	for (unsigned i = 0; i < 2; i++) {
		struct hv_in_assert_virtual_interrupt in = { .partition_id = c.id, .destination = 1, .vector = FIRST + i };

		check_status(CALL(.code = codes[i], .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
		check_that(child_waits(&c, 1, (uint8_t)(FIRST + i)), "VP 1 has not got it by call 0x%x", codes[i]);
		check_that(!child_waits(&c, 0, (uint8_t)(FIRST + i)), "VP 0 has got it by call 0x%x", codes[i]);
	}
}

RULE_HOST(T13_5_1_b, "a logical destination is all VPs that match it, or the lowest of them in priority")
{
	struct child c = with_handlers(3, true);

	for (uint32_t vp = 0; vp < 3; vp++)
		child_apic_set(&c, vp, CHILD_APIC_LDR, 0x01000000u << vp);
	child_apic_set(&c, 1, CHILD_APIC_TPR, 0x20);
	check_status(send_logical(&c, HV_INTERRUPT_FIXED, 6, FIRST), HV_STATUS_SUCCESS);
	check_status(send_logical(&c, HV_INTERRUPT_LOWEST_PRIORITY, 6, SECOND), HV_STATUS_SUCCESS);
	for (uint32_t vp = 0; vp < 3; vp++) {
		check_value(child_waits(&c, vp, FIRST), vp > 0, "the fixed one at VP %u", vp);
		check_value(child_waits(&c, vp, SECOND), vp == 2, "the one of lowest priority at VP %u", vp);
	}
}

RULE_HOST(T13_5_1_c, "an APIC id is what the guest has written to its APIC, not the VP index")
{
	struct child c = with_handlers(2, true);

	child_apic_set(&c, 1, CHILD_APIC_ID, 0x55000000);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0x55, FIRST), HV_STATUS_SUCCESS);
	check_that(child_waits(&c, 1, FIRST), "VP 1 has not got it");
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 1, SECOND), HV_STATUS_INVALID_VP_INDEX);
	check_that(!child_waits(&c, 1, SECOND), "VP 1 has got one for its index");
}

RULE_HOST(T13_5_1_d, "a destination that no VP matches is no VP")
{
	struct child c = with_handlers(1, true);

	child_apic_set(&c, 0, CHILD_APIC_LDR, 0x01000000);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 9, FIRST), HV_STATUS_INVALID_VP_INDEX);
	check_status(child_assert(&c, HV_INTERRUPT_LOWEST_PRIORITY, 9, FIRST), HV_STATUS_INVALID_VP_INDEX);
	check_status(child_assert(&c, HV_INTERRUPT_NMI, 9, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(send_level(&c, 9, FIRST), HV_STATUS_INVALID_VP_INDEX);
	check_status(send_level(&c, 9, NONE), HV_STATUS_INVALID_VP_INDEX);
	check_status(send_logical(&c, HV_INTERRUPT_FIXED, 6, FIRST), HV_STATUS_INVALID_VP_INDEX);
	check_status(ASSERT(.partition_id = make_active_partition(), .type = HV_INTERRUPT_EXT_INT, .vector = FIRST), HV_STATUS_INVALID_VP_INDEX);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
}

RULE_HOST(T13_5_1_e, "an ExtInt has destination 0")
{
	struct child c = with_handlers(2, true);

	check_status(child_assert(&c, HV_INTERRUPT_EXT_INT, 1, FIRST), HV_STATUS_INVALID_PARAMETER);
	check_status(send_logical(&c, HV_INTERRUPT_EXT_INT, 1, FIRST), HV_STATUS_INVALID_PARAMETER);
	for (uint32_t vp = 0; vp < 2; vp++)
		check_value(taken(&c, vp), NO_VECTOR, "vector of VP %u", vp);
	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector");
}

RULE_HOST(T13_5_1_f, "an interrupt that has been taken can be asserted once more")
{
	struct child c = with_handlers(1, true);

	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector");
	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_that(child_waits(&c, 0, FIRST), "the second does not wait");
	check_status(send_level(&c, 0, SECOND), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), SECOND, "vector of the third");
}

RULE_HOST(T13_5_1_g, "an interrupt takes the place of the one before it that was not taken")
{
	struct child c = with_handlers(1, true);

	check_status(send_level(&c, 0, SECOND), HV_STATUS_SUCCESS);
	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_that(!child_waits(&c, 0, SECOND), "the first waits, too");
	check_value(taken(&c, 0), FIRST, "vector");
	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, SECOND), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), SECOND, "vector of the ExtInt");
	check_value(taken(&c, 0), NO_VECTOR, "vector behind it");
}

RULE_HOST(T13_5_1_h, "an assertion with no vector withdraws the one before it")
{
	struct child c = with_handlers(1, true);

	check_status(send_level(&c, 0, FIRST), HV_STATUS_SUCCESS);
	check_status(send_level(&c, 0, NONE), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, SECOND), HV_STATUS_SUCCESS);
	check_status(ext_int(&c, NONE), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
}

RULE_HOST(T13_5_1_i, "an ExtInt behind one that was taken and not cleared is refused, and so is its withdrawal")
{
	struct child c = with_acknowledged();

	check_status(ext_int(&c, SECOND), HV_STATUS_ACKNOWLEDGED);
	check_status(ext_int(&c, NONE), HV_STATUS_ACKNOWLEDGED);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), NO_VECTOR, "vector when it is cleared");
}

RULE_HOST(T13_5_1_j, "a vector has 8 bits, or is none")
{
	static const uint32_t bad[] = { 0x100, 0x145, 0x10000, 0x80000045, 0xfffffffe };
	static const uint32_t types[] = { HV_INTERRUPT_FIXED, HV_INTERRUPT_LOWEST_PRIORITY, HV_INTERRUPT_SIPI, HV_INTERRUPT_EXT_INT };
	struct child c = with_handlers(1, true);

	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		for (unsigned k = 0; k < sizeof bad / sizeof bad[0]; k++)
			check_status(child_assert(&c, types[i], 0, bad[k]), HV_STATUS_INVALID_PARAMETER);
		check_status(child_assert(&c, types[i], 0, NONE), HV_STATUS_SUCCESS);
	}
	check_value(taken(&c, 0), NO_VECTOR, "vector");
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, 0xff), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), 0xff, "vector");
}

RULE_HOST(T13_5_1_k, "NMI and INIT have vector 0")
{
	static const uint32_t bad[] = { 1, 2, 0xff, NONE };
	struct child c = with_handlers(1, true);

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		check_status(child_assert(&c, HV_INTERRUPT_NMI, 0, bad[i]), HV_STATUS_INVALID_PARAMETER);
		check_status(child_assert(&c, HV_INTERRUPT_INIT, 0, bad[i]), HV_STATUS_INVALID_PARAMETER);
	}
	/* Neither came: NMI has no handler, INIT would leave this code. */
	check_value(taken(&c, 0), NO_VECTOR, "vector");
}

RULE_HOST(T13_5_1_l, "there are no other types")
{
	static const uint32_t bad[] = { 2, 3, 8, 9, 0x100, 0x80000000 };
	struct child c = with_handlers(1, true);

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		check_status(child_assert(&c, bad[i], 0, FIRST), HV_STATUS_INVALID_PARAMETER);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
}

/* Bit 30 of the word, bit 62 of the whole, is one of later revisions. */
RULE_HOST(T13_5_1_m, "bits of the control word that mean nothing are 0")
{
	struct child c = with_handlers(1, true);

	for (unsigned bit = 2; bit < 32; bit++)
		if (bit != 30)
			check_status(ASSERT(.partition_id = c.id, .control = 1u << bit, .vector = FIRST), HV_STATUS_INVALID_PARAMETER);
	check_value(taken(&c, 0), NO_VECTOR, "vector");
}

RULE_HOST(T13_5_1_n, "an interrupt waits for a VP that is suspended, and ends a HLT")
{
	/* sti; hlt; out 0x80 */
	static const uint8_t halt[] = { 0xfb, 0xf4, OUT(0x80) };
	struct child c = with_handlers(1, true);
	struct hv_message m;

	check_register(c.id, 0, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, FIRST), HV_STATUS_SUCCESS);
	check_silence();
	check_value(taken(&c, 0), FIRST, "vector when it goes on");
	child_start_at(&c, 0, CHILD_CODE);
	child_put(&c, CHILD_CODE, halt, sizeof halt);
	child_go(&c, 0);
	check_silence();
	check_register(c.id, 0, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_HALT_SUSPEND);
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, SECOND), HV_STATUS_SUCCESS);
	m = next_message();
	check_value(MESSAGE_AS(hv_io_message, &m)->port, SECOND, "vector that ends HLT");
}

/* What both calls say of partitions; @say makes the call. */
static void check_partitions(struct reply (*say)(uint64_t id))
{
	uint64_t id = make_partition();

	check_status(say(own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(say(HV_PARTITION_ID_SELF), HV_STATUS_ACCESS_DENIED);
	check_status(say(id + 1000), HV_STATUS_INVALID_PARTITION_ID);
	check_status(say(id), HV_STATUS_INVALID_PARTITION_STATE);
	id = make_active_partition();
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(say(id), HV_STATUS_INVALID_PARTITION_STATE);
}

static struct reply assert_in(uint64_t id)
{
	return ASSERT(.partition_id = id, .vector = FIRST);
}

RULE_HOST(T13_5_1_o, "the parent asserts, in an active child")
{
	check_partitions(assert_in);
}

RULE_HOST(T13_5_1_p, "the bytes behind the vector do not matter")
{
	struct child c = with_handlers(1, true);
	struct hv_in_assert_virtual_interrupt in = { .partition_id = c.id, .vector = FIRST, .vtl = 0xff, .padding = { 0xff, 0xff, 0xff } };

	check_status(CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), FIRST, "vector");
}

/* ---- 13.5.2 ---- */

RULE_HOST(T13_5_2_a, "an ExtInt is acknowledged when VP 0 has taken it")
{
	struct child c = with_handlers(1, true);

	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
	check_value(taken(&c, 0), FIRST, "vector");
	check_status(clear(&c), HV_STATUS_SUCCESS);
}

RULE_HOST(T13_5_2_b, "what is cleared leaves place for the next ExtInt")
{
	struct child c = with_acknowledged();

	for (uint32_t vector = SECOND; vector < SECOND + 3; vector++) {
		check_status(clear(&c), HV_STATUS_SUCCESS);
		check_status(ext_int(&c, vector), HV_STATUS_SUCCESS);
		check_value(taken(&c, 0), vector, "vector");
	}
}

RULE_HOST(T13_5_2_c, "what was not acknowledged cannot be cleared, and stays as it is")
{
	struct child c = with_handlers(1, true);

	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
	check_status(ext_int(&c, FIRST), HV_STATUS_SUCCESS);
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
	check_value(taken(&c, 0), FIRST, "vector");
	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
}

RULE_HOST(T13_5_2_d, "an ExtInt is cleared once")
{
	struct child c = with_acknowledged();

	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
}

RULE_HOST(T13_5_2_e, "interrupts of other types are not cleared")
{
	struct child c = with_acknowledged();

	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, FIRST), HV_STATUS_SUCCESS);
	check_status(send_level(&c, 0, SECOND), HV_STATUS_SUCCESS);
	check_status(clear(&c), HV_STATUS_SUCCESS);
	check_that(child_waits(&c, 0, FIRST) && child_waits(&c, 0, SECOND), "one of them is gone");
	check_value(taken(&c, 0), SECOND, "vector");
	/* Nor does one that was taken count. */
	check_status(clear(&c), HV_STATUS_NOT_ACKNOWLEDGED);
}

RULE_HOST(T13_5_2_f, "it is called in memory as in registers")
{
	struct child c = with_acknowledged();
	struct hv_partition_id in = { .partition_id = c.id };

	check_status(CALL(.code = HV_CALL_CLEAR_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_CLEAR_VIRTUAL_INTERRUPT, .fast = true, .in = c.id), HV_STATUS_NOT_ACKNOWLEDGED);
	check_status(ext_int(&c, SECOND), HV_STATUS_SUCCESS);
	check_value(taken(&c, 0), SECOND, "vector");
	check_status(CALL(.code = HV_CALL_CLEAR_VIRTUAL_INTERRUPT, .fast = true, .in = c.id), HV_STATUS_SUCCESS);
}

static struct reply clear_in(uint64_t id)
{
	return call_id(HV_CALL_CLEAR_VIRTUAL_INTERRUPT, id);
}

RULE_HOST(T13_5_2_g, "the parent clears, in an active child")
{
	check_partitions(clear_in);
}

/* ---- 10: what interrupts show of VPs ---- */

RULE_HOST(T10_4_1_h, "the id in a new VP's APIC is its index")
{
	static const uint32_t indexes[] = { 1, 6, 63 };
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	check_value(child_apic(&c, 0, CHILD_APIC_ID), 0, "ID register of VP 0");
	for (unsigned i = 0; i < sizeof indexes / sizeof indexes[0]; i++) {
		child_vp(&c, indexes[i]);
		check_value(child_apic(&c, indexes[i], CHILD_APIC_ID), indexes[i] << 24, "ID register of VP %u", indexes[i]);
	}
}

RULE_HOST(T10_3_3_b, "in an interrupt shadow one instruction goes before the interrupt")
{
	/* nop; nop; out NO_VECTOR */
	static const uint8_t code[] = { 0x90, 0x90, OUT(NO_VECTOR) };
	struct child c = with_handlers(1, true);

	for (uint32_t shadow = 0; shadow < 2; shadow++) {
		child_start_at(&c, 0, CHILD_CODE);
		child_put(&c, CHILD_CODE, code, sizeof code);
		child_set(&c, HV_REGISTER_RFLAGS, 0x202);
		child_set(&c, HV_REGISTER_INTERRUPT_STATE, shadow ? HV_INTERRUPT_SHADOW : 0);
		check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, FIRST + shadow * 16), HV_STATUS_SUCCESS);
		child_go(&c, 0);
		next_message();
		/* IP, CS, flags. */
		check_value(child_get64(&c, CHILD_STACK - 6) & 0xffff, CHILD_CODE + shadow, "where it came, with shadow %u", shadow);
	}
}
