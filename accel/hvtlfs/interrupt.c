/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hypercalls that send interrupts between a partition's own VPs (of later revisions, beside chapter 13). */
#include "hv/interrupt.h"

#include "accel/hvtlfs/component.h"
#include "call.h"
#include "hv/cpuid.h"
#include "vpset.h"

static hv_status send(struct hv_ctx *c, uint32_t vector, const struct vp_set_source *to)
{
	struct vp_set who;
	hv_status s = vp_set_build(&who, c->caller, to);

	if (s != HV_STATUS_SUCCESS)
		return s;
	vp_count(c->vp, COUNT_IPI_CALLS);
	VP_SET_FOREACH(vp, &who, c->caller)
		vp_raise(vp, (uint8_t)vector, 0);
	return HV_STATUS_SUCCESS;
}

static bool valid(uint32_t vector, uint32_t reserved)
{
	/* A level other than 0 has no VPs here. */
	return vector >= HV_VECTOR_FIRST && vector <= HV_VECTOR_LAST && !reserved;
}

static hv_status send_ipi(struct hv_ctx *c)
{
	const struct hv_in_send_ipi *in = c->in;

	if (!valid(in->vector, in->reserved))
		return HV_STATUS_INVALID_PARAMETER;
	return send(c, in->vector, &(struct vp_set_source){ .mask = in->processor_mask });
}

static hv_status send_ipi_ex(struct hv_ctx *c)
{
	const struct hv_in_send_ipi_ex *in = c->in;

	if (!valid(in->vector, in->reserved))
		return HV_STATUS_INVALID_PARAMETER;
	return send(c, in->vector, &(struct vp_set_source){ .processors = &in->processors, .banks = c->variable,
		    .bank_count = c->variable_count });
}

const struct hv_call interrupt_calls[] = {
	{ HV_CALL_SEND_IPI, "HvSendSyntheticClusterIpi", "later revisions",
	  .in = sizeof(struct hv_in_send_ipi), .run = send_ipi, .hint = HV_HINT_CLUSTER_IPI },
	{ HV_CALL_SEND_IPI_EX, "HvSendSyntheticClusterIpiEx", "later revisions",
	  .in = sizeof(struct hv_in_send_ipi_ex), .flags = CALL_VARIABLE, .run = send_ipi_ex, .hint = HV_HINT_CLUSTER_IPI },
	{ .name = NULL },
};
