/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A root that schedules its child's processor itself: -accel hvtlfs,role=root,scheduler=root. */
#include "child.h"
#include "hv/dispatch.h"
#include "hv/hypercall.h"

/* That the child's processor can run again, as often as the hypervisor has said so. */
static uint64_t signals;

static struct hv_out_dispatch_vp dispatch(const struct child *c)
{
	*(struct hv_in_dispatch_vp *)call_in = (struct hv_in_dispatch_vp){ .partition_id = c->id, .flags = HV_DISPATCH_ENABLE_CALLER_INTERRUPTS };
	must(call(HV_CALL_DISPATCH_VP, 0), "HvDispatchVp");
	return *(struct hv_out_dispatch_vp *)call_out;
}

static const char *take_messages(struct child *c)
{
	const char *why = NULL;
	struct hv_message m;

	while (!why && parent_take(INTERCEPT_SINT, &m)) {
		if (m.type == (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL)
			signals++;
		else
			why = child_exit(c, &m);
	}
	return why;
}

const char *dispatch_run(struct child *c, void (*idle)(void))
{
	const char *why;

	signals = 0;
	for (;;) {
		struct hv_out_dispatch_vp end = dispatch(c);
		uint64_t before = signals;

		/* Interrupts that waited meanwhile. */
		asm volatile("sti; nop; cli" : : : "memory");
		if (end.state == HV_DISPATCH_BLOCKED && end.event == HV_DISPATCH_EVENT_SUSPEND)
			child_run(c);
		for (;;) {
			why = take_messages(c);
			if (why)
				return why;
			idle();
			if (end.state != HV_DISPATCH_BLOCKED || signals != before)
				break;
			asm volatile("sti; hlt; cli" : : : "memory");
		}
	}
}

void dispatch_end(struct child *c)
{
	uint64_t sent;

	child_set(c, HV_REGISTER_DISPATCH_SUSPEND, HV_SUSPENDED);
	sent = child_get(c, HV_REGISTER_VP_ROOT_SIGNAL_COUNT);
	take_messages(c);
	check(signals && signals == sent, "as many signals have come as were sent: %lu of %lu", (unsigned long)signals, (unsigned long)sent);
}
