/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of partitions that others make (5.3 to 5.6). */
#include "call.h"

#include "accel/hvtlfs/mutant.h"
#include "partition.h"
#include "trace/log.h"

/* Partitions above a partition (T5.6.1.g). */
enum { DEPTH_MAX = 64 };

#define CREATE_FLAGS (HV_CREATE_SMT | HV_CREATE_NESTED | HV_CREATE_SUPER_PAGES | HV_CREATE_EXO | HV_CREATE_LAPIC | \
		      HV_CREATE_INTERCEPT_MESSAGE_PAGE | HV_CREATE_X2APIC)

static const char *const life_names[] = {
	[LIFE_UNINITIALIZED] = "uninitialized", [LIFE_ACTIVE] = "active", [LIFE_FINALIZING] = "finalizing",
	[LIFE_FINALIZED] = "finalized", [LIFE_DELETED] = "deleted",
};

static void log_life(const struct partition *p)
{
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' is %s\n", p->id, p->name, life_names[atomic_load(&p->life)]);
}

static void set_life(struct partition *p, enum partition_life life)
{
	atomic_store(&p->life, life);
	log_life(p);
}

static void add_pages(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct partition_look *look = o;

	(void)at, (void)t;
	look->mapped += pages;
}

/* It has been initialized; it may be ending, and is there for as long as its caller's reference is. */
static void look_inside(struct partition *p, struct partition_look *look)
{
	gpa_map_foreach(&p->map, add_pages, look);
	look->intercepts = p->intercepts ? intercepts_count(p) : 0;
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->partition_look)
			p->hv->components[i]->partition_look(p, p->component[i], look);
}

void partition_look(struct partition *p, struct partition_look *look)
{
	*look = (struct partition_look) {
		.life = life_names[atomic_load(&p->life)], .by_parent = p->by_parent, .depth = p->depth,
	};
	lock_acquire(&p->lock);
	look->pool_available = pool_available(&p->pool);
	look->pool_in_use = pool_in_use(&p->pool);
	lock_release(&p->lock);
	if (atomic_load(&p->life) != LIFE_UNINITIALIZED)
		look_inside(p, look);
}

/* T5.2.3.a: what any partition may do that its parent has said nothing about; never more than works here. */
static void child_features(struct hv_features *f)
{
	const uint64_t granted = 0x5ff;

	hv_features_init(f);
	f->privileges &= granted;
	if (MUTANT(child_privileges))
		f->privileges |= HV_CREATE_PARTITIONS;
}

static hv_status create_check(const struct hv_ctx *c, const struct hv_in_create_partition *in)
{
	if (in->flags & ~CREATE_FLAGS && !MUTANT(create_any_flag))
		return HV_STATUS_INVALID_PARAMETER;        /* T5.6.1.e */
	if (!domain_known(&in->domain))
		return HV_STATUS_INVALID_PARAMETER;        /* T5.6.1.f */
	if (c->caller->depth >= DEPTH_MAX)
		return HV_STATUS_PARTITION_TOO_DEEP;       /* T5.6.1.g */
	return HV_STATUS_SUCCESS;
}

static hv_status create_partition(struct hv_ctx *c)
{
	const struct hv_in_create_partition *in = c->in;
	struct partition *caller = c->caller, *p;
	struct hv_partition_id *out = c->out;
	/* Bits of what there is not do not matter. */
	const uint64_t hidden[HIDDEN_COUNT] = { in->disabled_features[0], in->disabled_features[1], in->disabled_xsave_features };
	struct hv_features features;
	hv_status s = create_check(c, in);
	bool paid;

	if (s != HV_STATUS_SUCCESS)
		return s;
	lock_acquire(&caller->lock);
	paid = pool_charge(&caller->pool, sizeof *p);      /* T5.6.1.c */
	lock_release(&caller->lock);
	if (!paid)
		return HV_STATUS_INSUFFICIENT_MEMORY;      /* T5.6.1.h */
	child_features(&features);
	/* Its memory will be that of the child, too. */
	vp_not_alone(c->vp);
	p = partition_new_child(caller, &features, hidden, in->flags);
	if (!p) {
		lock_acquire(&caller->lock);
		pool_discharge(&caller->pool, sizeof *p);
		lock_release(&caller->lock);
		return HV_STATUS_NO_RESOURCES;             /* T5.6.1.j */
	}
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' created by %" PRIu64 "\n", p->id, p->name, caller->id);
	p->compatibility_version = in->compatibility_version;
	out->partition_id = p->id;
	partition_unref(p);
	return HV_STATUS_SUCCESS;
}

static hv_status initialize_partition(struct hv_ctx *c)
{
	struct partition *p = c->target;

	if (!partition_init_child(p))
		return HV_STATUS_INSUFFICIENT_MEMORY;      /* T5.6.2.c */
	set_life(p, LIFE_ACTIVE);
	partition_time_update(p);
	partition_change_state(p, atomic_load(&p->stopped) ? PARTITION_SUSPENDED : PARTITION_RUNNING);
	return HV_STATUS_SUCCESS;
}

/*
 * T5.6.3.c: others see the partition finalizing while its VPs end.  Its own VPs may be in a call that waits
 * for the lock, so it is not held meanwhile.
 */
static hv_status finalize_partition(struct hv_ctx *c)
{
	struct partition *p = c->target;
	bool inside;

	/* Another VP is at it. */
	if (atomic_load(&p->life) == LIFE_FINALIZING)
		return HV_STATUS_SUCCESS;
	if (!partition_end_begin(p))
		return HV_STATUS_OPERATION_DENIED;         /* T5.6.3.f */
	log_life(p);
	call_pause(c);
	inside = vp_outside_begin(c->vp);
	partition_dismantle(p);
	vp_outside_end(c->vp, inside);
	call_continue(c);
	set_life(p, LIFE_FINALIZED);
	partition_change_state(p, PARTITION_SHUT_DOWN);
	return HV_STATUS_SUCCESS;
}

static hv_status delete_partition(struct hv_ctx *c)
{
	struct partition *p = c->target;
	bool empty;

	lock_acquire(&p->lock);
	empty = !pool_available(&p->pool) && !pool_in_use(&p->pool);
	lock_release(&p->lock);
	if (!empty && !MUTANT(delete_with_pages))
		return HV_STATUS_OPERATION_DENIED;         /* T5.6.4.d */
	partition_remove_child(p);
	return HV_STATUS_SUCCESS;
}

/* OP18: the caller is the parent that is meant, or made it. */
static hv_status get_next_child_partition(struct hv_ctx *c)
{
	const struct hv_in_get_next_child_partition *in = c->in;
	struct hv_partition_id *out = c->out;
	GPtrArray *children = partition_children(c->target);
	bool found = in->previous_child_id == HV_PARTITION_ID_INVALID;

	for (guint i = 0; i < children->len; i++) {
		const struct partition *child = g_ptr_array_index(children, MUTANT(children_youngest_first) ? children->len - 1 - i : i);

		if (found) {
			out->partition_id = child->id;
			break;
		}
		found = child->id == in->previous_child_id;
	}
	g_ptr_array_free(children, TRUE);
	return found ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARTITION_ID;   /* T5.6.8.e */
}

const struct hv_call life_calls[] = {
	{ HV_CALL_CREATE_PARTITION, "HvCreatePartition", "5.6.1", .in = sizeof(struct hv_in_create_partition),
	  .out = sizeof(struct hv_partition_id), .privilege = HV_CREATE_PARTITIONS, .run = create_partition },
	{ HV_CALL_INITIALIZE_PARTITION, "HvInitializePartition", "5.6.2", .in = sizeof(struct hv_partition_id),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .in_state = CALL_IN_UNINITIALIZED, .run = initialize_partition },
	{ HV_CALL_FINALIZE_PARTITION, "HvFinalizePartition", "5.6.3", .in = sizeof(struct hv_partition_id),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .in_state = CALL_IN_ACTIVE | CALL_IN_FINALIZING,
	  .run = finalize_partition },
	{ HV_CALL_DELETE_PARTITION, "HvDeletePartition", "5.6.4", .in = sizeof(struct hv_partition_id),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD, .in_state = CALL_IN_UNINITIALIZED | CALL_IN_FINALIZED,
	  .run = delete_partition },
	{ HV_CALL_GET_NEXT_CHILD_PARTITION, "HvGetNextChildPartition", "5.6.8",
	  .in = sizeof(struct hv_in_get_next_child_partition), .out = sizeof(struct hv_partition_id),
	  .privilege = HV_CREATE_PARTITIONS, .on = CALL_ON_CHILD | CALL_ON_SELF, .in_state = CALL_IN_ANY,
	  .run = get_next_child_partition },
	{ .name = NULL },
};
