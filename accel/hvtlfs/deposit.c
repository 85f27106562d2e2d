/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deposit, withdraw, balance (7.3).
 *
 * A frame is in one pool at most: who sets its `pooled` may deposit it.  Its depositor keeps the
 * mapping, without any right, so that the page is found again and nobody can put another there.
 */
#include "call.h"

#include "accel/hvtlfs/mutant.h"
#include "partition.h"
#include "target/i386/mem.h"
#include "trace/log.h"

enum { ALL_RIGHTS = X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC };

bool domain_known(const struct hv_proximity_domain_info *d)
{
	if (!(d->flags & HV_PROXIMITY_VALID))
		return true;                               /* T7.2.1.a */
	/* A Linux without a table of nodes prefers the one whose number it does not know. */
	if (d->flags == (HV_PROXIMITY_VALID | HV_PROXIMITY_PREFERRED) && d->id == UINT32_MAX)
		return true;
	/* All memory is one node, number 0 (OP6). */
	return !(d->flags & ~(HV_PROXIMITY_VALID | HV_PROXIMITY_PREFERRED)) && (d->id == 0 || MUTANT(proximity_required));
}

/*
 * The page of the caller at @at leaves its reach; false: it is none that may.  Locks: the family's maps_lock
 * held, so nobody maps it meanwhile.
 */
static bool take_page_locked(struct partition *from, gpn_t at, struct pool_page *page)
{
	struct frame *frame;
	struct gpa_target t;

	/* T7.3.1.b; a page in a pool has no rights (T7.3.1.e). */
	if (!gpa_map_below(&from->map, at, &t) || t.rights != ALL_RIGHTS)
		return false;
	frame = frames_descriptor(&from->hv->frames, t.frame);
	/* T7.3.1.c.  All that a parent made down to the caller have it, or the caller would not. */
	if (atomic_load(&frame->shares) > from->depth - from->family->depth && !MUTANT(deposit_shared))
		return false;
	if (atomic_exchange(&frame->pooled, true))
		return false;
	gpa_map_protect(&from->map, at, t.frame, 0);
	*page = (struct pool_page){ t.frame, at };
	return true;
}

static bool take_page(struct partition *from, gpn_t at, struct pool_page *page)
{
	bool ok;

	lock_acquire(&from->family->maps_lock);
	ok = take_page_locked(from, at, page);
	lock_release(&from->family->maps_lock);
	return ok;
}

void pool_page_back(struct partition *to, struct pool_page page)
{
	static const uint8_t zeros[HV_PAGE_SIZE];

	if (!MUTANT(withdrawn_as_it_was))
		memory_fill(to, page.frame, zeros, sizeof zeros);   /* T7.3.2.b */
	gpa_map_protect(&to->map, page.at, page.frame, ALL_RIGHTS);   /* T7.3.2.d */
	/* From here on others may change the mapping. */
	atomic_store(&frames_descriptor(&to->hv->frames, page.frame)->pooled, false);
}

static hv_status deposit_memory(struct hv_ctx *c, const void *in, void *out)
{
	struct partition *p = c->target;
	struct pool_page page;

	if (!take_page(c->caller, (gpn_t){ *(const uint64_t *)in }, &page))
		return HV_STATUS_OPERATION_DENIED;
	lock_acquire(&p->lock);
	pool_deposit(&p->pool, page);
	lock_release(&p->lock);
	c->changed++;
	return HV_STATUS_SUCCESS;
}

/* T7.3.1.a: when the call returns no VP reaches the pages any more. */
static void deposited(struct hv_ctx *c)
{
	if (!c->changed)
		return;
	partition_flush(c->caller, c->vp);
	log_print(LOG_PARTITION, "partition %" PRIu64 " deposited %" PRIu64 " pages for %" PRIu64 "\n", c->caller->id, c->changed,
		  c->target->id);
}

static hv_status withdraw_memory(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_pool *call = c->in;
	struct partition *p = c->target;
	struct pool_page page;
	bool got;

	if (!domain_known(&call->domain))
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(&p->lock);
	got = pool_withdraw(&p->pool, &page);
	lock_release(&p->lock);
	if (!got)
		return HV_STATUS_NO_RESOURCES;             /* T7.3.2.g */
	pool_page_back(c->caller, page);
	*(uint64_t *)out = page.at.v;                      /* T7.3.2.c */
	c->changed++;
	return HV_STATUS_SUCCESS;
}

static void withdrawn(struct hv_ctx *c)
{
	if (c->changed)
		log_print(LOG_PARTITION, "partition %" PRIu64 " withdrew %" PRIu64 " pages from %" PRIu64 "\n", c->caller->id, c->changed,
			  c->target->id);
}

static hv_status get_memory_balance(struct hv_ctx *c)
{
	const struct hv_in_pool *in = c->in;
	struct hv_out_get_memory_balance *out = c->out;
	struct partition *p = c->target;

	if (!domain_known(&in->domain))
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(&p->lock);
	out->pages_available = pool_available(&p->pool);
	out->pages_in_use = pool_in_use(&p->pool);
	lock_release(&p->lock);
	return HV_STATUS_SUCCESS;
}

const struct hv_call pool_calls[] = {
	{ HV_CALL_DEPOSIT_MEMORY, "HvDepositMemory", "7.3.1", .in = sizeof(struct hv_in_deposit_memory), .in_elem = 8,
	  .flags = CALL_REP, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .in_state = CALL_IN_UNINITIALIZED | CALL_IN_ACTIVE,
	  .child_privilege = HV_ACCESS_MEMORY_POOL, .element = deposit_memory, .end = deposited },
	{ HV_CALL_WITHDRAW_MEMORY, "HvWithdrawMemory", "7.3.2", .in = sizeof(struct hv_in_pool), .out_elem = 8,
	  .flags = CALL_REP, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .in_state = CALL_IN_ANY,
	  .child_privilege = HV_ACCESS_MEMORY_POOL, .element = withdraw_memory, .end = withdrawn },
	{ HV_CALL_GET_MEMORY_BALANCE, "HvGetMemoryBalance", "7.3.3", .in = sizeof(struct hv_in_pool),
	  .out = sizeof(struct hv_out_get_memory_balance), .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .in_state = CALL_IN_ANY,
	  .child_privilege = HV_ACCESS_MEMORY_POOL, .run = get_memory_balance },
	{ .name = NULL },
};
