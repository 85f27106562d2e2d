/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hypercalls of the virtual MMU (chapter 12), rows T12.*.
 *
 * Flushes of one address space forget its pages in all spaces: a space is a page table, and
 * the TLB knows only PCIDs, several of which may be of one table (page-table isolation gives
 * a process two).
 */
#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "flush.h"
#include "hv/cpuid.h"
#include "hv/mmu.h"
#include "partition.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "vpset.h"

static hv_status switch_address_space(struct hv_ctx *c)
{
	const struct hv_in_switch_address_space *in = c->in;

	/* T12.4.1.b allows to keep translations of the old space; with our TLB there is nothing to gain. */
	if (!x86_try_cr3(&c->vp->cpu, in->address_space))
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.1.d */
	return HV_STATUS_SUCCESS;
}

/* ---- what the flushes have in common ---- */

/* @known: flags that the call has. */
static hv_status check_flush(const struct partition *p, uint64_t space, uint64_t flags, uint64_t known)
{
	if (flags & ~known && !MUTANT(flush_any_flags))
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.2.g, T12.4.3.d, T12.4.3.f */
	/* T12.4.2.d: not looked at with all spaces. */
	if (!(flags & HV_FLUSH_ALL_ADDRESS_SPACES) && space >> p->model->phys_bits)
		return HV_STATUS_INVALID_PARAMETER;
	return HV_STATUS_SUCCESS;
}

static hv_status targets_of(struct hv_ctx *c, uint64_t flags, struct vp_set *who)
{
	const struct hv_in_flush *in = c->in;

	if (flags & HV_FLUSH_ALL_PROCESSORS) {
		vp_set_all(who, c->caller);                /* T12.4.2.c */
		return HV_STATUS_SUCCESS;
	}
	if (!in->processor_mask)
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.2.h */
	return vp_set_build(who, c->caller, &(struct vp_set_source){ .mask = in->processor_mask });
}

static hv_status targets_of_ex(struct hv_ctx *c, uint64_t flags, struct vp_set *who)
{
	const struct hv_in_flush_ex *in = c->in;

	if (flags & HV_FLUSH_ALL_PROCESSORS) {
		vp_set_all(who, c->caller);
		return HV_STATUS_SUCCESS;
	}
	return vp_set_build(who, c->caller, &(struct vp_set_source){ .processors = &in->processors,
			    .banks = c->variable, .bank_count = c->variable_count });
}

static hv_status run_flush(struct hv_ctx *c, const struct vp_set *who, const struct flush *f)
{
	if (flush_held_back(c->vp, who)) {                 /* T12.4.2.j, T12.4.3.i */
		c->wait = true;
		return HV_STATUS_SUCCESS;
	}
	vp_count(c->vp, COUNT_FLUSH_CALLS);
	flush_run(c->caller, c->vp, who, f);
	return HV_STATUS_SUCCESS;
}

/* ---- whole spaces ---- */

static hv_status flush_space(struct hv_ctx *c, hv_status (*targets)(struct hv_ctx *, uint64_t, struct vp_set *))
{
	/* Both inputs begin alike. */
	const struct hv_in_flush *in = c->in;
	bool non_global = in->flags & HV_FLUSH_NON_GLOBAL_ONLY;
	hv_status s = check_flush(c->caller, in->address_space, in->flags,
				  HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_ADDRESS_SPACES | HV_FLUSH_NON_GLOBAL_ONLY);
	struct vp_set who;

	if (s == HV_STATUS_SUCCESS)
		s = targets(c, in->flags, &who);
	if (s != HV_STATUS_SUCCESS)
		return s;
	/* T12.4.2.e, T12.4.2.f */
	return run_flush(c, &who, &(struct flush){ .everything = !non_global, .non_global = non_global });
}

static hv_status flush_address_space(struct hv_ctx *c)
{
	return flush_space(c, targets_of);
}

static hv_status flush_address_space_ex(struct hv_ctx *c)
{
	return flush_space(c, targets_of_ex);
}

/* ---- lists ---- */

static void add_range(struct flush *f, uint64_t range, bool extended)
{
	if (!extended)
		flush_add_pages(f, range & HV_RANGE_PAGE, (range & HV_RANGE_MORE) + 1);   /* T12.4.3.a */
	else if (!(range & HV_RANGE_EX_LARGE))
		flush_add_pages(f, range & HV_RANGE_PAGE, (range & HV_RANGE_EX_MORE) + 1);
	else
		/* 2 MiB or 1 GiB each: by size only; small pages may be mapped there. */
		f->everything = true;
}

static hv_status flush_list(struct hv_ctx *c, const uint64_t *range, uint32_t count,
			    hv_status (*targets)(struct hv_ctx *, uint64_t, struct vp_set *))
{
	const struct hv_in_flush *in = c->in;
	bool extended = in->flags & HV_FLUSH_EXTENDED_RANGES;
	uint64_t known = HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_ADDRESS_SPACES;
	struct flush f = { .count = 0 };
	struct vp_set who;
	hv_status s;

	if (c->caller->features.facilities & HV_FEATURE_EXTENDED_RANGES)
		known |= HV_FLUSH_EXTENDED_RANGES;
	s = check_flush(c->caller, in->address_space, in->flags, known);
	if (s == HV_STATUS_SUCCESS)
		s = targets(c, in->flags, &who);
	if (s != HV_STATUS_SUCCESS)
		return s;
	/* T12.4.3.g: what is not canonical is found nowhere. */
	for (uint32_t i = 0; i < count && !f.everything; i++)
		add_range(&f, range[i], extended);
	return run_flush(c, &who, &f);
}

static hv_status flush_address_list(struct hv_ctx *c, const void *in, uint32_t count)
{
	return flush_list(c, in, count, targets_of);
}

static hv_status flush_address_list_ex(struct hv_ctx *c, const void *in, uint32_t count)
{
	return flush_list(c, in, count, targets_of_ex);
}

/* No privilege: T12.1.3.b, T12.4.1.f, T12.4.2.m.  The hint is of later users' making. */
const struct hv_call mmu_calls[] = {
	{ HV_CALL_SWITCH_ADDRESS_SPACE, "HvSwitchVirtualAddressSpace", "12.4.1",
	  .in = sizeof(struct hv_in_switch_address_space), .run = switch_address_space },
	{ HV_CALL_FLUSH_ADDRESS_SPACE, "HvFlushVirtualAddressSpace", "12.4.2",
	  .in = sizeof(struct hv_in_flush), .run = flush_address_space, .hint = HV_HINT_REMOTE_FLUSH },
	{ HV_CALL_FLUSH_ADDRESS_LIST, "HvFlushVirtualAddressList", "12.4.3",
	  .in = sizeof(struct hv_in_flush), .in_elem = 8, .flags = CALL_REP, .list = flush_address_list, .hint = HV_HINT_REMOTE_FLUSH },
	{ HV_CALL_FLUSH_ADDRESS_SPACE_EX, "HvFlushVirtualAddressSpaceEx", "later revisions",
	  .in = sizeof(struct hv_in_flush_ex), .flags = CALL_VARIABLE, .run = flush_address_space_ex, .hint = HV_HINT_REMOTE_FLUSH },
	{ HV_CALL_FLUSH_ADDRESS_LIST_EX, "HvFlushVirtualAddressListEx", "later revisions",
	  .in = sizeof(struct hv_in_flush_ex), .in_elem = 8, .flags = CALL_REP | CALL_VARIABLE,
	  .list = flush_address_list_ex, .hint = HV_HINT_REMOTE_FLUSH },
	{ .name = NULL },
};
