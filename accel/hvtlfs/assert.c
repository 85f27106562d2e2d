/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts that a parent asserts in its child (13.5). */
#include "call.h"

#include "accel/hvtlfs/mutant.h"
#include "hv/interrupt.h"
#include "parent.h"
#include "partition.h"

/*
 * partition.ext_int, the life cycle of 13.5.1: idle (0), asserted with a vector, acknowledged.  VP 0's thread
 * acknowledges while others assert, so each step is one exchange.
 */
enum { EXT_INT_IDLE = 0, EXT_INT_ASSERTED = 1 << 8, EXT_INT_ACKNOWLEDGED = 1 << 9 };

static void tell_vp_0(struct partition *p, bool waits)
{
	struct vp *vp = partition_vp(p, 0);

	for (unsigned i = 0; vp && i < p->hv->component_count; i++)
		if (p->hv->components[i]->ext_int)
			p->hv->components[i]->ext_int(vp, vp->component[i], waits);
}

int ext_int_acknowledge(struct partition *p)
{
	uint32_t now = atomic_load(&p->ext_int);

	while (now & EXT_INT_ASSERTED)
		if (atomic_compare_exchange_weak(&p->ext_int, &now, EXT_INT_ACKNOWLEDGED))
			return now & 0xff;                 /* T13.5.2.a */
	return -1;
}

static hv_status ext_int_assert(struct partition *p, uint32_t vector)
{
	uint32_t next = vector == HV_INTERRUPT_VECTOR_NONE ? EXT_INT_IDLE : EXT_INT_ASSERTED | vector;
	uint32_t now = atomic_load(&p->ext_int);

	if (!partition_vp(p, 0))
		return HV_STATUS_INVALID_VP_INDEX;         /* T13.5.1.d */
	do
		if (now == EXT_INT_ACKNOWLEDGED && !MUTANT(ext_int_again))
			return HV_STATUS_ACKNOWLEDGED;     /* T13.5.1.i */
	while (!atomic_compare_exchange_weak(&p->ext_int, &now, next));
	tell_vp_0(p, next != EXT_INT_IDLE);
	return HV_STATUS_SUCCESS;
}

/* Of which the guest's APIC keeps one bit, so that they can be level-triggered. */
static bool in_irr(uint32_t type)
{
	return type == HV_INTERRUPT_FIXED || type == HV_INTERRUPT_LOWEST_PRIORITY;
}

static bool takes_vector(uint32_t type)
{
	return in_irr(type) || type == HV_INTERRUPT_SIPI || type == HV_INTERRUPT_EXT_INT;
}

static hv_status check(const struct hv_in_assert_virtual_interrupt *in)
{
	const uint32_t known = HV_INTERRUPT_LEVEL_TRIGGERED | HV_INTERRUPT_LOGICAL | HV_INTERRUPT_LONG_MODE;

	if (in->type == 2 || in->type == 3 || in->type > HV_INTERRUPT_EXT_INT || in->control & ~known)
		return HV_STATUS_INVALID_PARAMETER;        /* T13.5.1.l, T13.5.1.m */
	if (in->vector > 0xff && in->vector != HV_INTERRUPT_VECTOR_NONE)
		return HV_STATUS_INVALID_PARAMETER;        /* T13.5.1.j */
	if (!takes_vector(in->type) && in->vector)
		return HV_STATUS_INVALID_PARAMETER;        /* T13.5.1.k */
	return in->destination >> 32 ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

static hv_status assert_virtual_interrupt(struct hv_ctx *c)
{
	const struct hv_in_assert_virtual_interrupt *in = c->in;
	const struct interrupt_request r = {
		.destination = (uint32_t)in->destination, .mode = (uint8_t)in->type, .vector = (uint8_t)in->vector,
		.logical = in->control & HV_INTERRUPT_LOGICAL, .level = in_irr(in->type) && in->control & HV_INTERRUPT_LEVEL_TRIGGERED,
		.withdraw = in->vector == HV_INTERRUPT_VECTOR_NONE,
	};
	struct partition *p = c->target;
	hv_status s = check(in);

	if (s != HV_STATUS_SUCCESS)
		return s;
	if (in->type == HV_INTERRUPT_EXT_INT)
		return in->destination ? HV_STATUS_INVALID_PARAMETER : ext_int_assert(p, in->vector);   /* T13.5.1.e */
	if (r.withdraw && !r.level)
		return HV_STATUS_SUCCESS;                  /* T13.3.3.a */
	return partition_send(p, &r) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_VP_INDEX;   /* T13.5.1.d */
}

static hv_status clear_virtual_interrupt(struct hv_ctx *c)
{
	uint32_t acknowledged = EXT_INT_ACKNOWLEDGED;

	if (atomic_compare_exchange_strong(&c->target->ext_int, &acknowledged, EXT_INT_IDLE) || MUTANT(ext_int_clears_any))
		return HV_STATUS_SUCCESS;                  /* T13.5.2.b */
	return HV_STATUS_NOT_ACKNOWLEDGED;                 /* T13.5.2.c */
}

const struct hv_call assert_calls[] = {
	{ HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009, "HvAssertVirtualInterrupt", "13.5.1", .in = sizeof(struct hv_in_assert_virtual_interrupt),
	  .on = CALL_ON_CHILD, .run = assert_virtual_interrupt },
	{ HV_CALL_ASSERT_VIRTUAL_INTERRUPT, "HvAssertVirtualInterrupt", "later revisions",
	  .in = sizeof(struct hv_in_assert_virtual_interrupt), .on = CALL_ON_CHILD, .run = assert_virtual_interrupt },
	{ HV_CALL_CLEAR_VIRTUAL_INTERRUPT, "HvClearVirtualInterrupt", "13.5.2", .in = sizeof(struct hv_partition_id),
	  .on = CALL_ON_CHILD, .run = clear_virtual_interrupt },
	{ .name = NULL },
};
