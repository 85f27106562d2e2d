/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual processors as a parent makes, reads, writes and deletes them (10.4). */
#include "accel/hvtlfs/mutant.h"
#include "call.h"

#include "flush.h"
#include "hv/vp.h"
#include "partition.h"
#include "registers.h"
#include "state-page.h"
#include "target/i386/model.h"

/* ---- 10.4.1, 10.4.2 ---- */

/* The root's VPs are there with its machine, one for each logical processor, and begin when it asks for them. */
static hv_status root_create_vp(struct partition *p, uint32_t index, uint64_t lp)
{
	struct vp *vp = partition_vp(p, index);
	bool unborn = true;

	if (!partition_is_root(p))
		return HV_STATUS_ACCESS_DENIED;            /* T10.4.1.q */
	if (!lp_is_known(p->hv, lp) || (lp != index && !MUTANT(root_vp_anywhere)))
		return HV_STATUS_INVALID_LP_INDEX;         /* T22.4.h */
	if (!vp || !atomic_compare_exchange_strong(&vp->unborn, &unborn, false))
		return HV_STATUS_INVALID_VP_INDEX;         /* T10.4.1.i */
	return HV_STATUS_SUCCESS;
}

static hv_status create_vp(struct hv_ctx *c)
{
	const struct hv_in_create_vp *in = c->in;

	if (c->target == c->caller)
		return root_create_vp(c->caller, in->vp_index, in->flags);
	if (in->vp_index >= VP_MAX || partition_vp(c->target, in->vp_index))
		return HV_STATUS_INVALID_VP_INDEX;         /* T10.4.1.i, T10.4.1.j */
	if (in->flags)
		return HV_STATUS_INVALID_PARAMETER;        /* T10.4.1.l */
	if (!domain_known(&in->domain))
		return HV_STATUS_INVALID_PARAMETER;        /* T10.4.1.m */
	if (!schedule_room(c->target))
		return HV_STATUS_OPERATION_DENIED;         /* T10.4.1.u */
	return partition_add_vp(c->target, in->vp_index);
}

static hv_status delete_vp(struct hv_ctx *c)
{
	const struct hv_in_vp *in = c->in;
	struct vp *vp = partition_vp(c->target, in->vp_index);

	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;         /* T10.4.2.f */
	partition_drop_vp(c->target, c->vp, vp);
	return HV_STATUS_SUCCESS;
}

/* ---- suspend registers (10.3.1): the VP's lock covers them, not its thread ---- */

struct suspend_row {
	uint32_t name, bit;
	bool intercept;
};

static const struct suspend_row suspend_rows[] = {
	{ HV_REGISTER_EXPLICIT_SUSPEND, SUSPEND_EXPLICIT },
	{ HV_REGISTER_INTERCEPT_SUSPEND, SUSPEND_INTERCEPT, true },
	{ HV_REGISTER_DISPATCH_SUSPEND, SUSPEND_DISPATCH },
};

static const struct suspend_row *suspend_find(uint32_t name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(suspend_rows); i++)
		if (suspend_rows[i].name == name)
			return &suspend_rows[i];
	return NULL;
}

static bool is_suspended(struct vp *vp, uint32_t bit)
{
	bool is;

	lock_acquire(&vp->lock);
	is = vp->suspend & bit;
	lock_release(&vp->lock);
	return is;
}

/* The intercept suspend register as it reads. */
static uint64_t intercept_suspend(struct vp *vp)
{
	return (is_suspended(vp, SUSPEND_INTERCEPT) ? HV_SUSPENDED : 0) |
	       (atomic_load(&vp->flush_inhibited) ? HV_TLB_FLUSH_INHIBIT : 0);
}

/* T10.3.1.e: each bit by itself. */
static hv_status intercept_suspend_set(struct vp *vp, const struct hv_register_value *v)
{
	if (v->low & ~intercept_suspend(vp) || v->high)
		return HV_STATUS_INVALID_PARAMETER;        /* T10.3.1.f, T10.3.1.i */
	if (!(v->low & HV_TLB_FLUSH_INHIBIT))
		flush_allow(vp);                           /* T10.3.1.h */
	if (!(v->low & HV_SUSPENDED))
		vp_continue(vp, SUSPEND_INTERCEPT);
	return HV_STATUS_SUCCESS;
}

static hv_status suspend_set(struct hv_ctx *c, struct vp *vp, const struct suspend_row *r, const struct hv_register_value *v)
{
	if (r->intercept)
		return intercept_suspend_set(vp, v);
	if (v->low & ~HV_SUSPENDED || v->high)
		return HV_STATUS_INVALID_PARAMETER;        /* T10.3.1.i */
	if (!v->low) {
		vp_continue(vp, r->bit);
		return HV_STATUS_SUCCESS;
	}
	/* When the call returns it stands, and no new intercept of it can come. */
	vp_suspend(vp, r->bit);
	vp_await_parked(c->vp, vp);
	return HV_STATUS_SUCCESS;
}

/* ---- 10.4.3, 10.4.4 ---- */

struct visit {
	uint32_t name;
	struct hv_register_value value;
	hv_status status;
};

static void get_one(struct vp *vp, void *o)
{
	struct visit *v = o;

	register_page_load(vp);
	v->status = register_get(vp, v->name, &v->value);
}

static void set_one(struct vp *vp, void *o)
{
	struct visit *v = o;

	register_page_load(vp);
	v->status = register_set(vp, v->name, &v->value);
	register_page_changed(vp);
}

/* The VP of a call, NULL with *status if there is none. */
static struct vp *vp_named(const struct hv_ctx *c, const struct hv_in_vp *in, hv_status *status)
{
	struct vp *vp;

	if (in->vp_index == HV_VP_INDEX_SELF)
		vp = c->target == c->caller ? c->vp : NULL;
	else
		vp = partition_vp(c->target, in->vp_index);
	/* T10.4.4.j; later revisions have a trust level there, of which there is one. */
	*status = !vp ? HV_STATUS_INVALID_VP_INDEX : in->vtl & 0xf || in->reserved[0] || in->reserved[1] || in->reserved[2] ?
		  HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
	return *status == HV_STATUS_SUCCESS ? vp : NULL;
}

static hv_status get_vp_register(struct hv_ctx *c, const void *in, void *out)
{
	struct visit v = { .name = *(const uint32_t *)in };
	const struct suspend_row *r = suspend_find(v.name);
	struct hv_register_value *value = out;
	struct vp *vp = vp_named(c, c->in, &v.status);

	if (!vp)
		return v.status;
	if (r) {
		value->low = r->intercept ? intercept_suspend(vp) : is_suspended(vp, r->bit) ? HV_SUSPENDED : 0;
		return HV_STATUS_SUCCESS;
	}
	vp_visit(c->vp, vp, get_one, &v);
	*value = v.value;
	return v.status;
}

static hv_status set_vp_register(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_register_assoc *a = in;
	struct visit v = { .name = a->name, .value = a->value };
	const struct suspend_row *r = suspend_find(a->name);
	struct vp *vp = vp_named(c, c->in, &v.status);

	if (!vp)
		return v.status;
	if (r)
		return suspend_set(c, vp, r, &a->value);
	vp_visit(c->vp, vp, set_one, &v);
	return v.status;
}

/* ---- leaves (of later revisions) ---- */

struct cpuid_visit {
	const struct hv_vp_cpuid_question *question;
	uint32_t flags;
	uint32_t *regs;
};

static void cpuid_one(struct vp *vp, void *o)
{
	struct cpuid_visit *v = o;
	uint64_t xfem = vp->cpu.xcr0;

	register_page_load(vp);
	/* Sizes in leaf 0xd go by it. */
	if (!(v->flags & HV_CPUID_USE_VP_XFEM))
		vp->cpu.xcr0 = (v->question->xfem & x86_xcr0_supported(vp->cpu.model)) | 1;
	x86_cpuid(&vp->cpu, v->question->eax, v->question->ecx, v->regs);
	vp->cpu.xcr0 = xfem;
	leaves_answer(vp, v->question->eax, v->regs);
	if (v->flags & HV_CPUID_APPLY_REGISTERED)
		intercepts_cpuid_result(vp->partition, vp->index, v->question->eax, v->question->ecx, v->regs);
}

static hv_status get_vp_cpuid_values(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_get_vp_cpuid_values *call = c->in;
	struct hv_vp_cpuid_values *values = out;
	struct cpuid_visit v = { in, call->flags, values->reg };
	struct vp *vp = partition_vp(c->target, call->vp_index);

	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;
	if (call->flags & ~(HV_CPUID_USE_VP_XFEM | HV_CPUID_APPLY_REGISTERED))
		return HV_STATUS_INVALID_PARAMETER;
	vp_visit(c->vp, vp, cpuid_one, &v);
	return HV_STATUS_SUCCESS;
}

const struct hv_call vp_calls[] = {
	{ HV_CALL_CREATE_VP, "HvCreateVp", "10.4.1", .in = sizeof(struct hv_in_create_vp),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .run = create_vp },
	{ HV_CALL_DELETE_VP, "HvDeleteVp", "10.4.2", .in = sizeof(struct hv_in_vp),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .run = delete_vp },
	{ HV_CALL_GET_VP_REGISTERS, "HvGetVpRegisters", "10.4.3", .in = sizeof(struct hv_in_vp), .in_elem = 4, .out_elem = 16,
	  .flags = CALL_REP, .on = CALL_ON_CHILD | CALL_ON_SELF, .element = get_vp_register },
	{ HV_CALL_SET_VP_REGISTERS, "HvSetVpRegisters", "10.4.4", .in = sizeof(struct hv_in_vp),
	  .in_elem = sizeof(struct hv_register_assoc), .flags = CALL_REP, .on = CALL_ON_CHILD, .element = set_vp_register },
	{ HV_CALL_GET_VP_CPUID_VALUES, "HvGetVpCpuidValues", "later revisions", .in = sizeof(struct hv_in_get_vp_cpuid_values),
	  .in_elem = sizeof(struct hv_vp_cpuid_question), .out_elem = sizeof(struct hv_vp_cpuid_values), .flags = CALL_REP,
	  .on = CALL_ON_CHILD, .element = get_vp_cpuid_values },
	{ .name = NULL },
};
