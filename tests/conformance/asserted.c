/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 13.3.2: INIT and start-up interrupts that a parent asserts in its child. */
#include "child.h"
#include "hv/interrupt.h"

enum { AP = 1, START_PAGE = CHILD_CODE / 0x1000, OTHER_PAGE = 2 };

static const uint8_t out_80_81[] = { OUT(0x80), OUT(0x81) };

static struct reply send(const struct child *c, uint32_t type, uint64_t destination, uint32_t vector)
{
	struct hv_in_assert_virtual_interrupt in = { .partition_id = c->id, .type = type, .destination = destination, .vector = vector };

	return CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in);
}

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

	check_status(send(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	m = next_message();
	check_value(header(&m)->vp, AP, "VP");
	check_value(header(&m)->cs.base, CHILD_CODE, "base of CS");
	check_value(header(&m)->rip, 0, "RIP");
}

RULE_HOST(T13_3_2_b, "INIT leaves a VP that is not the first waiting for its start")
{
	struct child c = with_waiting_ap();

	check_status(send(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	next_message();
	check_status(send(&c, HV_INTERRUPT_INIT, AP, 0), HV_STATUS_SUCCESS);
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

	check_status(send(&c, HV_INTERRUPT_SIPI, AP, START_PAGE), HV_STATUS_SUCCESS);
	m = next_message();
	check_status(send(&c, HV_INTERRUPT_SIPI, AP, OTHER_PAGE), HV_STATUS_SUCCESS);
	check_status(set_register(c.id, AP, HV_REGISTER_RIP, header(&m)->rip + 2), HV_STATUS_SUCCESS);
	child_go(&c, AP);
	m = next_message();
	check_value(header(&m)->cs.base, CHILD_CODE, "base of CS");
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "port");
}
