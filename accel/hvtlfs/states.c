/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How partitions run, stop and start again; those that they made go with them. */
#include "accel/hvtlfs/mutant.h"
#include "partition.h"
#include "stats.h"

#include "target/i386/mem.h"
#include "trace/log.h"

static const char *const state_names[] = {
	[PARTITION_CREATED] = "created", [PARTITION_RUNNING] = "running", [PARTITION_SUSPENDED] = "suspended",
	[PARTITION_CRASHED] = "crashed", [PARTITION_SHUT_DOWN] = "shut-down", [PARTITION_DELETED] = "deleted",
};

const char *partition_state_name(enum partition_state s)
{
	return (unsigned)s < G_N_ELEMENTS(state_names) ? state_names[s] : "unknown";
}

enum partition_state partition_state(struct partition *p)
{
	return (enum partition_state)atomic_load(&p->state);
}

void partition_change_state(struct partition *p, enum partition_state state)
{
	bool changed;

	lock_acquire(&p->lock);
	changed = atomic_exchange(&p->state, state) != state;
	lock_release(&p->lock);
	if (!changed)
		return;
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' is %s\n", p->id, p->name, partition_state_name(state));
	if (p->stack && p->stack->state_changed)
		p->stack->state_changed(p->stack_opaque, p);
}

void partition_time_update(struct partition *p)
{
	lock_acquire(&p->lock);
	if (atomic_load(&p->life) == LIFE_ACTIVE && !atomic_load(&p->stopped) && !atomic_load(&p->frozen))
		partition_time_go(p);
	else
		partition_time_stop(p);
	lock_release(&p->lock);
}

void partition_freeze(struct partition *p, bool freeze)
{
	atomic_store(&p->frozen, freeze);
	/* Its time stops with its VPs, so what they still do until they notice is done in no time. */
	PARTITION_FOREACH_VP(vp, p)
		if (freeze)
			vp_suspend(vp, SUSPEND_FROZEN);
	partition_time_update(p);
	PARTITION_FOREACH_VP(vp, p)
		if (!freeze)
			vp_continue(vp, SUSPEND_FROZEN);
}

static bool is_child(const struct partition *q, const struct partition *p)
{
	return q->parent == p;
}

GPtrArray *partition_children(struct partition *p)
{
	return partitions_of(p->hv, is_child, p);
}

/* Those of other machines have their own will. */
void partition_foreach_made_by(struct partition *p, void (*f)(struct partition *child))
{
	GPtrArray *children;

	if (!atomic_load(&p->has_children))
		return;
	children = partition_children(p);
	for (guint i = 0; i < children->len; i++) {
		struct partition *child = g_ptr_array_index(children, i);

		if (child->by_parent)
			f(child);
	}
	g_ptr_array_free(children, TRUE);
}

static void go(struct partition *p)
{
	uint32_t why = SUSPEND_CREATED | SUSPEND_MACHINE;

	atomic_store(&p->stopped, false);
	partition_time_update(p);
	if (atomic_load(&p->life) == LIFE_ACTIVE)
		partition_change_state(p, PARTITION_RUNNING);
	if (!p->by_parent)
		why |= SUSPEND_INTERCEPT;
	PARTITION_FOREACH_VP(vp, p)
		vp_continue(vp, why);
	partition_foreach_made_by(p, go);
}

void partition_start(struct partition *p)
{
	enum partition_state s = partition_state(p);

	if (s == PARTITION_CREATED || s == PARTITION_SUSPENDED)
		go(p);
}

void partition_resume(struct partition *p)
{
	enum partition_state s = partition_state(p);

	/* RUNNING: a VP of it may stand in an exit that has been dealt with. */
	if (s == PARTITION_SUSPENDED || s == PARTITION_RUNNING)
		go(p);
}

void partition_stop_all(struct partition *p)
{
	atomic_store(&p->stopped, true);
	PARTITION_FOREACH_VP(vp, p)
		vp_suspend(vp, SUSPEND_MACHINE);
	partition_foreach_made_by(p, partition_stop_all);
}

void partition_suspend(struct partition *p)
{
	/* Parents before children: while @p's VPs are about to stop, one may still make a child. */
	partition_stop_all(p);
	PARTITION_FOREACH_VP(vp, p)
		vp_wait_parked(vp);
	lock_acquire(&p->lock);
	partition_time_stop(p);
	lock_release(&p->lock);
	if (partition_state(p) == PARTITION_RUNNING)
		partition_change_state(p, PARTITION_SUSPENDED);
	partition_foreach_made_by(p, partition_suspend);
}

void partition_set_stopped(struct partition *p, enum partition_state state)
{
	partition_stop_all(p);
	partition_change_state(p, state);
}

static void reset_vp(struct vp *vp, void *o)
{
	(void)o;
	atomic_store(&vp->sipi, 0);
	atomic_store(&vp->cpu.pending, 0);
	x86_reset(&vp->cpu, X86_RESET_POWER_ON);
	if (vp->index)
		vp->cpu.activity = X86_WAIT_SIPI;
	x86_tlb_flush(&vp->cpu, X86_FLUSH_ALL);
	vp->not_alone = false;
	atomic_store(&vp->unborn, vp->index && partition_is_root(vp->partition));
	vp->cpu.alone = partition_vp_count(vp->partition) == 1;
	vp->partition->hv->engine->forget(&vp->cpu);
	msr_reset_vp(vp);
	vp_reset_state(vp, X86_RESET_POWER_ON);
	lp_reset(vp);
}

void partition_reset(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		vp_wait_parked(vp);
	partition_foreach_made_by(p, partition_delete);
	atomic_store(&p->has_children, false);
	stats_forget(p);
	/* Before the pool is empty: what components have of it they give back. */
	partition_tell_components(p, offsetof(struct vp_component, partition_reset));
	partition_return_pool(p);
	if (!MUTANT(rights_outlive_reset))
		gpa_space_reset(p);
	properties_reset(p);
	if (partition_is_root(p))
		root_reset(p->hv);
	PARTITION_FOREACH_VP(vp, p)
		vp_call(vp, reset_vp, NULL);
	msr_reset_partition(p);
	lock_acquire(&p->lock);
	partition_time_stop(p);
	atomic_store(&p->tsc_frozen, 0);
	lock_release(&p->lock);
	partition_flush(p, NULL);
	if (partition_state(p) != PARTITION_CREATED)
		partition_change_state(p, PARTITION_SUSPENDED);
}
