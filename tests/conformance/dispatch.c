/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A root that schedules the VPs of those that it makes (of later revisions, cited at the rows of chapters 9 and 10 that
 * they stand beside).
 */
#include "child.h"
#include "hv/dispatch.h"
#include "hv/interrupt.h"
#include "hv/root.h"
#include "hv/stats.h"
#include "hv/time.h"

/* With an APIC it can halt. */
#define APIC (EXO | HV_CREATE_LAPIC)
/* A mutant's dispatch ends by the long slice; no other does. */
enum { LONG_SLICE = 100000000, SHORT_SLICE = 20000, AP = 1, HLT = 0xf4, STI = 0xfb };

/* mov dword [its spurious vector register], 0x1ff */
#define APIC_ON 0x66, 0x67, 0xc7, 0x05, BYTES_32(0xfee00000 + CHILD_APIC_SVR), BYTES_32(0x1ff)

static struct reply dispatch_as(struct hv_in_dispatch_vp in)
{
	return CALL(.code = HV_CALL_DISPATCH_VP, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static void check_dispatch_of(const struct child *c, uint32_t vp, uint32_t flags, uint64_t slice, uint32_t state, uint32_t event)
{
	struct reply r = dispatch_as((struct hv_in_dispatch_vp){ .partition_id = c->id, .vp_index = vp, .flags = flags, .time_slice = slice });
	struct hv_out_dispatch_vp out;

	check_status(r, HV_STATUS_SUCCESS);
	get_bytes(test_page(OUT_PAGE), &out, sizeof out);
	check_value(out.state, state, "state");
	check_value(out.event, event, "event");
}

static void check_dispatch(const struct child *c, uint32_t flags, uint32_t state, uint32_t event)
{
	check_dispatch_of(c, 0, flags, LONG_SLICE, state, event);
}

static void check_halts(const struct child *c) { check_dispatch(c, 0, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE); }
static void check_suspended(const struct child *c) { check_dispatch(c, 0, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND); }
static void check_intercepted(const struct child *c, uint32_t flags) { check_dispatch(c, flags, HV_DISPATCH_READY, HV_DISPATCH_EVENT_INTERCEPT); }

/* The message that VP @vp can run. */
static void check_signal(const struct child *c, uint32_t vp)
{
	struct hv_message m = next_message();
	const struct hv_scheduler_signal *s = MESSAGE_AS(hv_scheduler_signal, &m);

	if (!check_type(&m, HV_MESSAGE_SCHEDULER_SIGNAL))
		return;
	check_value(m.payload_size, sizeof *s, "bytes");
	check_value(s->overflow, 0, "overflow");
	check_value(s->count, 1, "VPs");
	check_value(s->partition_id[0], c->id, "partition");
	check_value(s->vp_index[0], vp, "VP");
}

static void check_signals(const struct child *c, uint64_t n)
{
	check_value(child_register(c, HV_REGISTER_VP_ROOT_SIGNAL_COUNT), n, "signals that were sent");
}

/* With code that VP 0 begins with when it is dispatched; its root knows that it can. */
static struct child ready_child(uint64_t flags, const void *code, size_t n)
{
	struct child c = make_child(flags);

	child_put(&c, CHILD_CODE, code, n);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_signal(&c, 0);
	return c;
}
#define READY(flags, ...) ready_child(flags, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static uint64_t scheduler_type(void)
{
	struct hv_in_get_system_property in = { .property = HV_SYSTEM_PROPERTY_SCHEDULER_TYPE };
	struct reply r = CALL(.code = HV_CALL_GET_SYSTEM_PROPERTY, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));

	check_status(r, HV_STATUS_SUCCESS);
	return out64(r);
}

RULE_ROOT(T10_4_2_g, "who does not schedule cannot dispatch")
{
	struct child c = make_child(EXO);

	check_value(scheduler_type(), HV_SCHEDULER_CLASSIC, "scheduler");
	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = c.id }), HV_STATUS_OPERATION_DENIED);
}

RULE_HOST(T9_1_i, "who manages no processors cannot dispatch")
{
	struct child c = make_child(EXO);

	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = c.id }), HV_STATUS_ACCESS_DENIED);
}

RULE_SCHEDULER(T10_4_2_f, "a dispatch names a VP of a child and what there is to be told")
{
	struct child c = make_child(EXO);

	check_value(scheduler_type(), HV_SCHEDULER_ROOT, "scheduler");
	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = c.id, .vp_index = 1 }), HV_STATUS_INVALID_VP_INDEX);
	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = c.id, .flags = HV_DISPATCH_FLAGS + 1 }), HV_STATUS_INVALID_PARAMETER);
	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = own_id() }), HV_STATUS_ACCESS_DENIED);
	check_status(dispatch_as((struct hv_in_dispatch_vp){ .partition_id = 0x99999999 }), HV_STATUS_INVALID_PARTITION_ID);
	check_dispatch(&c, HV_DISPATCH_FLAGS, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND);
}

/* By qtest, too: nothing has to run. */
RULE_SCHEDULER(T10_1_3_a, "a dispatch of a VP that is suspended says that it is")
{
	struct child c = make_child(EXO);

	check_suspended(&c);
	check_suspended(&c);
	check_signals(&c, 0);
	check_register(c.id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
}

RULE_SCHEDULER_GUEST(T10_3_1_b, "a VP whose suspension ends signals that it can run, once")
{
	struct child c = make_child(EXO);
	struct reply r;
	uint64_t page;

	deposit(HV_PARTITION_ID_SELF, 4);
	r = map_stats(HV_STATS_VP, (struct hv_stats_identity){ .partition_id = c.id });
	check_status(r, HV_STATUS_SUCCESS);
	page = out64(r) * 0x1000;
	check_suspended(&c);
	check_value(get64(page + 8 * HV_STATS_VP_DISPATCH_BLOCKED), 1, "blocked before");
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_signal(&c, 0);
	check_value(get64(page + 8 * HV_STATS_VP_DISPATCH_BLOCKED), 0, "blocked behind it");
	check_silence();
	check_signals(&c, 1);
	unmap_stats(HV_STATS_VP, (struct hv_stats_identity){ .partition_id = c.id });
}

RULE_SCHEDULER_GUEST(T10_1_3_c, "a VP uses no time while it is not dispatched, and no more than its slice while it is")
{
	struct child c = READY(EXO, COUNT_ON);
	uint64_t before, behind;

	check_silence();
	check_value(child_get64(&c, CHILD_DATA + 4), 0, "what it does by itself");
	check_dispatch_of(&c, 0, 0, SHORT_SLICE, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
	before = child_get64(&c, CHILD_DATA + 4);
	check_that(before, "nothing done in its slice");
	check_silence();
	check_value(child_get64(&c, CHILD_DATA + 4), before, "what it does behind it");
	check_dispatch_of(&c, 0, 0, SHORT_SLICE, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
	behind = child_get64(&c, CHILD_DATA + 4);
	check_that(behind > before, "nothing done in the next");
	check_signals(&c, 1);
}

RULE_SCHEDULER_GUEST(T10_1_4_b, "an interrupt of the caller ends a dispatch")
{
	struct child c = make_child(EXO);
	uint64_t now;

	/* No other interrupt waits: messages come without one. */
	set_msr(HV_X64_MSR_SINT0, HV_SINT_MASKED | VECTOR);
	child_put(&c, CHILD_CODE, (const uint8_t[]){ COUNT_ON }, sizeof((const uint8_t[]){ COUNT_ON }));
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_signal(&c, 0);
	/* Its RFLAGS.IF is clear. */
	set_msr(HV_X64_MSR_STIMER0_CONFIG, HV_TIMER_ENABLE | HV_TIMER_DIRECT | (uint64_t)OTHER_VECTOR << HV_TIMER_VECTOR_SHIFT);
	now = msr_of(HV_X64_MSR_TIME_REF_COUNT);
	set_msr(HV_X64_MSR_STIMER0_COUNT, now + 10000);
	check_dispatch(&c, HV_DISPATCH_ENABLE_CALLER_INTERRUPTS, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
	check_that(requested(OTHER_VECTOR), "no interrupt is requested");
	check_that(msr_of(HV_X64_MSR_TIME_REF_COUNT) - now >= 10000, "it ended before");
	check_that(msr_of(HV_X64_MSR_TIME_REF_COUNT) - now < LONG_SLICE, "its slice ended it");
	/* It waits still; without the flag it does not matter. */
	now = msr_of(HV_X64_MSR_TIME_REF_COUNT);
	check_dispatch_of(&c, 0, 0, SHORT_SLICE, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
	check_that(msr_of(HV_X64_MSR_TIME_REF_COUNT) - now >= SHORT_SLICE, "an interrupt that cannot be taken ended it");
}

RULE_SCHEDULER_GUEST(T10_1_3_e, "a VP that halts ends its dispatch, and signals when there is something to do")
{
	struct child c = READY(APIC, APIC_ON, STI, HLT);

	child_handler(&c, 0x40);
	check_halts(&c);
	check_register(c.id, 0, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_halts(&c);
	check_silence();
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, 0x40), HV_STATUS_SUCCESS);
	check_signal(&c, 0);
	check_intercepted(&c, 0);
	check_value(next_message().type, (uint32_t)HV_MESSAGE_IO_INTERCEPT, "type of the message");
}

RULE_SCHEDULER_GUEST(T10_3_4_b, "a VP that has halted signals when it could take what its root has for it, and is dispatched to tell")
{
	static const struct { uint64_t asked; uint32_t type; } ways[] = {
		{ HV_NOTIFY_INTERRUPT, (uint32_t)HV_MESSAGE_INTERRUPTION_DELIVERABLE }, { HV_NOTIFY_NMI, (uint32_t)HV_MESSAGE_INTERRUPTION_DELIVERABLE },
		{ 8ull << HV_NOTIFY_SINT_SHIFT, (uint32_t)HV_MESSAGE_SINT_DELIVERABLE },
	};

	for (unsigned i = 0; i < 3; i++) {
		/* HLT of a child without an APIC of the hypervisor's is told; it has one unless NMIs are asked for. */
		struct child c = READY(ways[i].asked == HV_NOTIFY_NMI ? EXO : APIC, STI, HLT);

		if (ways[i].asked == HV_NOTIFY_NMI)
			child_set(&c, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_HALT_SUSPEND);
		child_set(&c, HV_REGISTER_SIMP, 0x8000 | HV_MSR_PAGE_ENABLE);
		child_set(&c, HV_REGISTER_SCONTROL, HV_SCONTROL_ENABLE);
		check_halts(&c);
		child_set(&c, HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, ways[i].asked);
		check_signal(&c, 0);
		check_intercepted(&c, 0);
		check_value(next_message().type, ways[i].type, "type of the message");
	}
}

RULE_SCHEDULER_GUEST(T10_1_3_f, "the end of a suspension is no signal of a VP that is halted or waits for its start")
{
	struct child c = READY(APIC, HLT);

	check_halts(&c);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	check_suspended(&c);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_silence();
	check_signals(&c, 1);
	make_vp(c.id, AP);
	check_dispatch_of(&c, AP, 0, LONG_SLICE, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND);
	set_register(c.id, AP, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_silence();
	check_dispatch_of(&c, AP, 0, LONG_SLICE, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	check_status(child_assert(&c, HV_INTERRUPT_SIPI, AP, CHILD_CODE / 0x1000), HV_STATUS_SUCCESS);
	check_signal(&c, AP);
	check_register(c.id, AP, HV_REGISTER_VP_ROOT_SIGNAL_COUNT, 1);
	check_dispatch_of(&c, AP, 0, LONG_SLICE, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	check_register(c.id, AP, HV_REGISTER_RIP, 1);
}

RULE_SCHEDULER_GUEST(T9_1_a, "an intercept that ends a dispatch is in the VP's page and no message")
{
	struct child c = READY(APIC | HV_CREATE_INTERCEPT_MESSAGE_PAGE, OUT(0x80), OUT(0x81));
	uint64_t page = map_state_page(&c, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE);
	struct hv_message m;

	check_intercepted(&c, 0);
	get_bytes(page, &m, sizeof m);
	if (check_type(&m, HV_MESSAGE_IO_INTERCEPT))
		check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x80, "port");
	check_silence();
	check_signals(&c, 1);
}

RULE_SCHEDULER_GUEST(T9_1_c, "a dispatch lets a VP go on behind an intercept if it says so")
{
	struct child c = READY(APIC | HV_CREATE_INTERCEPT_MESSAGE_PAGE, OUT(0x80), HLT);

	map_state_page(&c, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE);
	check_intercepted(&c, 0);
	check_intercepted(&c, 0);
	child_set(&c, HV_REGISTER_RIP, child_register(&c, HV_REGISTER_RIP) + 2);
	check_intercepted(&c, 0);
	check_dispatch(&c, HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	check_register(c.id, 0, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	/* Both: the intercept first, as its parent would not learn of it otherwise. */
	child_set(&c, HV_REGISTER_RIP, CHILD_CODE);
	child_set(&c, HV_REGISTER_INTERNAL_ACTIVITY_STATE, 0);
	check_signal(&c, 0);
	check_intercepted(&c, 0);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	check_intercepted(&c, 0);
	check_dispatch(&c, HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND);
}

RULE_SCHEDULER_GUEST(T10_1_2_a, "a dispatch injects the vectors that wait in the register page if it says so")
{
	struct child c = READY(APIC, APIC_ON, STI, HLT);
	uint64_t page = map_state_page(&c, HV_VP_STATE_PAGE_REGISTERS) + offsetof(struct hv_register_page, vector_count);
	/* 8 is none that an APIC takes. */
	const uint8_t vectors[8] = { 2, 8, 0x40 };

	child_handler(&c, 0x40);
	check_halts(&c);
	put_bytes(page, vectors, sizeof vectors);
	check_halts(&c);
	check_that(get64(page), "they are taken unasked");
	check_intercepted(&c, HV_DISPATCH_SCAN_INJECTION);
	check_value(get64(page), 0, "what is left in the page");
	check_value(next_message().type, (uint32_t)HV_MESSAGE_IO_INTERCEPT, "type of the message");
	check_signals(&c, 1);
}

static void pass_time(void)
{
	for (uint64_t from = msr_of(HV_X64_MSR_TIME_REF_COUNT); msr_of(HV_X64_MSR_TIME_REF_COUNT) - from < SHORT_SLICE * 10;)
		;
}

RULE_SCHEDULER_GUEST(T14_2_6_c, "a signal that waits for the slot is neither sent nor counted again")
{
	struct child c = make_child(APIC);

	child_put(&c, CHILD_CODE, (const uint8_t[]){ HLT, 0xeb, 0xfd }, 3);
	/* The handler of its NMI is an IRET. */
	child_put(&c, 2 * 4, &(const uint32_t){ CHILD_DATA }, 4);
	child_put(&c, CHILD_DATA, (const uint8_t[]){ 0xcf }, 1);
	occupy_slot();
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	for (unsigned i = 0; i < 3; i++) {
		pass_time();
		check_halts(&c);
		check_status(child_assert(&c, HV_INTERRUPT_NMI, 0, 0), HV_STATUS_SUCCESS);
	}
	pass_time();
	check_signals(&c, 1);
	free_slot();
	check_signal(&c, 0);
	check_silence();
	check_signals(&c, 1);
}

RULE_SCHEDULER_GUEST(T10_3_1_d, "no signal comes of a VP whose dispatch is suspended")
{
	struct child c = READY(APIC, HLT);

	check_halts(&c);
	child_set(&c, HV_REGISTER_DISPATCH_SUSPEND, HV_SUSPENDED);
	check_status(child_assert(&c, HV_INTERRUPT_NMI, 0, 0), HV_STATUS_SUCCESS);
	check_silence();
	check_suspended(&c);
	check_signals(&c, 1);
	child_set(&c, HV_REGISTER_DISPATCH_SUSPEND, 0);
	check_signal(&c, 0);
	check_signals(&c, 2);
}
