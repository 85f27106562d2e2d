/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root that schedules: what its other VPs do while one waits in HvDispatchVp. */
#include "../child.h"
#include "../root.h"
#include "hv/dispatch.h"
#include "machine.h"

enum { IN_PAGE = 2, OUT_OF_1 = 3, LONG_WHILE = 100000000 /* 100 ns */ };

static volatile uint16_t status;

static uint16_t raw_dispatch(unsigned in, uint64_t id, unsigned out, uint64_t slice)
{
	*(struct hv_in_dispatch_vp *)test_page(in) = (struct hv_in_dispatch_vp){ .partition_id = id, .time_slice = slice };
	return raw_call(HV_CALL_DISPATCH_VP, test_page(in), test_page(out));
}

static volatile uint64_t child;

static void dispatch(unsigned cpu)
{
	(void)cpu;
	status = raw_dispatch(IN_PAGE, child, OUT_OF_1, 0);
}

/* VP 1 is in a dispatch of @c's VP 0, which counts. */
static void begin(const struct child *c)
{
	uint64_t before = child_get64(c, CHILD_DATA + 4), from = msr_of(HV_X64_MSR_TIME_REF_COUNT);

	child = c->id;
	start_on_1(dispatch);
	while (child_get64(c, CHILD_DATA + 4) == before && msr_of(HV_X64_MSR_TIME_REF_COUNT) - from < LONG_WHILE)
		;
	check_that(child_get64(c, CHILD_DATA + 4) != before, "it does not run");
}

static void end(uint16_t want)
{
	check_that(smp_wait(1), "VP 1 does not come back");
	check_status_is(status, want, "of the dispatch");
}

static void check_end(uint32_t state, uint32_t why)
{
	const struct hv_out_dispatch_vp *out = (void *)test_page(OUT_OF_1);

	end(HV_STATUS_SUCCESS);
	check_value(out->state, state, "state");
	check_value(out->event, why, "event");
}

/* Its root knows that it can run. */
static struct child counting_child(void)
{
	struct child c = make_child(EXO);

	root_bring_up();
	child_put(&c, CHILD_CODE, (const uint8_t[]){ COUNT_ON }, sizeof((const uint8_t[]){ COUNT_ON }));
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_value(next_message().type, (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL, "type of the message");
	return c;
}

RULE_SCHEDULER_GUEST(T4_4_a, "others act on a VP while one waits in its dispatch; but for another dispatch")
{
	struct child c = counting_child();

	begin(&c);
	check_status_is(raw_dispatch(OUT_PAGE - 1, c.id, OUT_PAGE, 0), HV_STATUS_OBJECT_IN_USE, "of another");
	check_that(child_register(&c, HV_REGISTER_RIP) >= CHILD_CODE, "RIP");
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	check_end(HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_value(next_message().type, (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL, "type of the message");
	/* What a freeze ends goes on when the VPs thaw. */
	begin(&c);
	check_status(set_property(c.id, HV_PROPERTY_TIME_FREEZE, 1), HV_STATUS_SUCCESS);
	check_end(HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	check_status(set_property(c.id, HV_PROPERTY_TIME_FREEZE, 0), HV_STATUS_SUCCESS);
	check_value(next_message().type, (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL, "type of the message");
}

RULE_SCHEDULER_GUEST(T10_4_2_e, "a VP can be deleted while one waits in its dispatch")
{
	struct child c = counting_child();
	struct hv_in_vp in = { .partition_id = c.id };

	begin(&c);
	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	end(HV_STATUS_INVALID_VP_INDEX);
}

RULE_SCHEDULER_GUEST(T5_6_3_a, "a partition can be finalized while one waits in a dispatch of its VP")
{
	struct child c = counting_child();

	begin(&c);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, c.id), HV_STATUS_SUCCESS);
	end(HV_STATUS_INVALID_VP_INDEX);
}
