/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State of a VP as a whole (of later revisions, beside 10.4.3 and 10.4.4): what virtual machine software sets
 * before a VP runs first, and takes along.  Pages of it lie at the caller's; the VP's components have most of it.
 */
#include "call.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/vp.h"
#include "partition.h"

/* Most of a kind is in one page of the caller's. */
struct transfer {
	uint32_t type;
	uint64_t xsave;              /* components that are wanted */
	bool set;
	_Alignas(uint64_t) uint8_t page[HV_PAGE_SIZE];   /* components see it as their structures */
	hv_status status;
};

static hv_status xsave(struct vp *vp, struct transfer *t)
{
	uint64_t set = t->xsave & x86_xcr0_supported(vp->partition->model);

	if (!t->set) {
		x86_xsave_image(&vp->cpu, set, t->page);
		return HV_STATUS_SUCCESS;
	}
	return x86_xsave_take(&vp->cpu, set, t->page) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}

/* On the VP's thread, or with it borrowed. */
static void transfer(struct vp *vp, void *o)
{
	struct transfer *t = o;
	struct hv *hv = vp->partition->hv;

	if (t->set && MUTANT(vp_state_kept)) {
		t->status = HV_STATUS_SUCCESS;
		return;
	}
	if (t->type == HV_VP_STATE_XSAVE) {
		t->status = xsave(vp, t);
		return;
	}
	t->status = HV_STATUS_INVALID_PARAMETER;
	for (unsigned i = 0; i < hv->component_count && t->status == HV_STATUS_INVALID_PARAMETER; i++)
		if (hv->components[i]->state)
			t->status = hv->components[i]->state(vp, vp->component[i], t->type, t->set, t->page);
}

/* Where in the caller's memory the one page is that the variable header names. */
static hv_status page_named(const struct hv_ctx *c, enum x86_access access, gpa_t *at)
{
	gpn_t page;

	if (c->variable_count != 1)
		return HV_STATUS_INVALID_PARAMETER;
	page = (gpn_t){ c->variable[0] };
	if (page.v >= c->caller->map.pages || gpa_map_access(&c->caller->map, page, 1u << access) != GPA_ALLOWED)
		return HV_STATUS_INVALID_PARAMETER;
	*at = (gpa_t){ page.v << HV_PAGE_SHIFT };
	return HV_STATUS_SUCCESS;
}

static hv_status begin(struct hv_ctx *c, struct transfer *t, struct vp **vp)
{
	const struct hv_in_vp_state *in = c->in;

	*vp = partition_vp(c->target, in->vp_index);
	if (!*vp)
		return HV_STATUS_INVALID_VP_INDEX;
	if (in->vtl & 0xf || in->flags)
		return HV_STATUS_INVALID_PARAMETER;
	t->type = in->type;
	t->xsave = in->xsave_components;
	return HV_STATUS_SUCCESS;
}

static hv_status get_vp_state(struct hv_ctx *c)
{
	struct transfer t = { .set = false };
	struct vp *vp;
	gpa_t at = { 0 };
	hv_status s = begin(c, &t, &vp);

	if (s == HV_STATUS_SUCCESS && t.type & HV_VP_STATE_IN_PAGES)
		s = page_named(c, X86_WRITE, &at);
	if (s != HV_STATUS_SUCCESS)
		return s;
	vp_visit(c->vp, vp, transfer, &t);
	if (t.status != HV_STATUS_SUCCESS)
		return t.status;
	if (t.type & HV_VP_STATE_IN_PAGES)
		return partition_write(c->caller, at, t.page, sizeof t.page) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
	memcpy(c->out_room, t.page, HV_VP_STATE_BYTES);
	c->out_bytes = HV_VP_STATE_BYTES;
	return HV_STATUS_SUCCESS;
}

static hv_status set_vp_state(struct hv_ctx *c)
{
	struct transfer t = { .set = true };
	struct vp *vp;
	gpa_t at;
	hv_status s = begin(c, &t, &vp);

	if (s == HV_STATUS_SUCCESS && t.type & HV_VP_STATE_IN_PAGES) {
		s = page_named(c, X86_READ, &at);
		if (s == HV_STATUS_SUCCESS && !partition_read(c->caller, at, t.page, sizeof t.page))
			s = HV_STATUS_INVALID_PARAMETER;
	} else if (s == HV_STATUS_SUCCESS) {
		if (c->variable_count * 8 < HV_VP_STATE_BYTES)
			return HV_STATUS_INVALID_PARAMETER;
		memcpy(t.page, c->variable, HV_VP_STATE_BYTES);
	}
	if (s != HV_STATUS_SUCCESS)
		return s;
	vp_visit(c->vp, vp, transfer, &t);
	return t.status;
}

const struct hv_call vp_state_calls[] = {
	{ HV_CALL_GET_VP_STATE, "HvGetVpState", "later revisions", .in = sizeof(struct hv_in_vp_state), .flags = CALL_VARIABLE,
	  .on = CALL_ON_CHILD, .run = get_vp_state },
	{ HV_CALL_SET_VP_STATE, "HvSetVpState", "later revisions", .in = sizeof(struct hv_in_vp_state), .flags = CALL_VARIABLE,
	  .on = CALL_ON_CHILD, .run = set_vp_state },
	{ .name = NULL },
};
