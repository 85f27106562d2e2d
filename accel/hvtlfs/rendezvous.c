/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How VPs agree on what must be so for all of them at once: TLB flushes, write
 * protection of code, stopping the others.
 *
 * vp.epoch is odd while the VP may be running guest code ("inside") and moves on at
 * each safepoint: a block boundary where it does its pending work, or leaving.
 * Whoever wants something of the others sets their pending bits first and reads
 * their epochs afterwards; a VP that comes in makes its epoch odd first and reads
 * its pending bits afterwards (all sequentially consistent).  So a VP that was seen
 * outside acts on the bits before its first instruction, and one that was seen
 * inside has acted on them, or will before its next, once its epoch has changed.
 *
 * Waiting for others, a VP is outside itself; so any number may wait for each other.
 * On the way back in it acts on its own TLB bits at once: it may be in the middle of
 * an instruction and must not go on with translations that others believe gone.
 *
 * Sharing.  A partition that a parent made has frames of its family's (partition.h).  What concerns the
 * code in a frame is said to those above it only, unless others map the frame; locked operations that no single
 * instruction of the host can do stop the whole family.  x86_cpu.alone is true of none of
 * them.  Nor is it of a VP whose event flags another thread changes bit by bit: vp_not_alone().
 */
#include "flush.h"
#include "vpset.h"

#include "sync/futex.h"
#include "target/i386/mem.h"

static void epoch_step(struct vp *vp, uint32_t by)
{
	atomic_fetch_add(&vp->epoch, by);
	if (atomic_load(&vp->epoch_waiters))
		futex_wake_all(&vp->epoch);
}

static void absorb_flushes(struct vp *vp)
{
	uint32_t flushes = X86_PEND_TLB | X86_PEND_TLB_WRITE;
	uint32_t bits = atomic_load(&vp->cpu.pending) & flushes;

	flush_absorb(vp);
	if (!bits)
		return;
	atomic_fetch_and(&vp->cpu.pending, ~bits);
	if (bits & X86_PEND_TLB)
		x86_tlb_flush(&vp->cpu, X86_FLUSH_ALL);
	else
		x86_tlb_flush_writes(&vp->cpu);
}

void vp_enter(struct vp *vp)
{
	_Atomic uint32_t *exclusive = &vp->partition->family->exclusive;

	assert(!vp->inside);
	atomic_fetch_add(&vp->epoch, 1);
	while (atomic_load(exclusive) && !vp->owns_exclusive) {
		epoch_step(vp, 1);
		futex_wait(exclusive, 1, INT64_MAX);
		atomic_fetch_add(&vp->epoch, 1);
	}
	vp->inside = true;
	absorb_flushes(vp);
}

void vp_leave(struct vp *vp)
{
	assert(vp->inside);
	vp->inside = false;
	epoch_step(vp, 1);
}

void vp_safepoint(struct vp *vp)
{
	/* Still held: the instruction faulted on its way to exclusive_end. */
	vp_exclusive_end(vp);
	/* The step comes first: what was asked before it is looked at after it. */
	epoch_step(vp, 2);
	if (atomic_load(&vp->partition->family->exclusive)) {
		vp_leave(vp);
		vp_enter(vp);
	}
	absorb_flushes(vp);
}

bool vp_outside_begin(struct vp *vp)
{
	bool inside = vp->inside;

	if (inside)
		vp_leave(vp);
	return inside;
}

void vp_outside_end(struct vp *vp, bool was_inside)
{
	if (was_inside)
		vp_enter(vp);
}

static void wait_epoch(struct vp *vp, uint32_t seen)
{
	for (int i = 0; i < 200; i++)
		if (atomic_load(&vp->epoch) != seen)
			return;
	atomic_fetch_add(&vp->epoch_waiters, 1);
	while (atomic_load(&vp->epoch) == seen)
		futex_wait(&vp->epoch, seen, INT64_MAX);
	atomic_fetch_sub(&vp->epoch_waiters, 1);
}

/* Pends @bits on those of @who but @self and waits until none is inside since then. */
static void wait_others(struct partition *p, struct vp *self, const struct vp_set *who, uint32_t bits)
{
	uint32_t seen[VP_MAX];

	VP_SET_FOREACH(vp, who, p) {
		if (vp == self)
			continue;
		/*
		 * No gate is opened: who sleeps acts on it when he wakes.  If the epoch moves
		 * meanwhile, the step may have been the answer already, and none would follow.
		 */
		do {
			seen[vp->index] = atomic_load(&vp->epoch);
			x86_pend(&vp->cpu, bits | X86_PEND_WORK);
		} while (atomic_load(&vp->epoch) != seen[vp->index]);
	}
	VP_SET_FOREACH(vp, who, p)
		if (vp != self && (seen[vp->index] & 1))
			wait_epoch(vp, seen[vp->index]);
}

static bool has_others(struct partition *p, struct vp *self, const struct vp_set *who)
{
	struct vp *first = vp_set_next(who, p, NULL);

	return first && (first != self || vp_set_next(who, p, first));
}

void vps_rendezvous(struct partition *p, struct vp *self, const struct vp_set *who, uint32_t bits)
{
	bool inside = self && self->inside;

	if (!has_others(p, self, who))
		return;
	if (inside)
		vp_leave(self);
	wait_others(p, self, who, bits);
	if (inside)
		vp_enter(self);
}

void partition_rendezvous(struct partition *p, struct vp *self, uint32_t bits)
{
	struct vp_set all;

	vp_set_all(&all, p);
	vps_rendezvous(p, self, &all, bits);
}

static bool is_relative(const struct partition *q, const struct partition *p)
{
	return q->family == p->family;
}

static GPtrArray *family_of(struct partition *p)
{
	return partitions_of(p->hv, is_relative, p);
}

/*
 * Who may reach a frame of @p: it and those above it that gave it the frame, or others of its family besides?
 * Each of them maps it once at least.  Who maps it from now on finds what the caller has done to @code before.
 */
static bool others_have(const struct partition *p, const struct x86_code_page *code)
{
	const struct frame *f = (const struct frame *)(const void *)((const char *)code - offsetof(struct frame, code));

	return atomic_load(&f->maps) > p->depth - p->family->depth;
}

/* @p and those above it, up to the owner of its frames. */
#define FOREACH_ABOVE(q, p) \
	for (struct partition *q = (p); q; q = q == q->family ? NULL : q->parent)

void code_rendezvous(struct partition *p, struct vp *self, const struct x86_code_page *code, uint32_t bits)
{
	GPtrArray *family;
	bool inside;

	if (!others_have(p, code)) {
		FOREACH_ABOVE(q, p)
			partition_rendezvous(q, self, bits);
		return;
	}
	family = family_of(p);
	inside = self && vp_outside_begin(self);
	for (guint i = 0; i < family->len; i++)
		partition_rendezvous(g_ptr_array_index(family, i), self, bits);
	if (self)
		vp_outside_end(self, inside);
	g_ptr_array_free(family, TRUE);
}

static void code_changed(struct partition *p, struct vp *self)
{
	PARTITION_FOREACH_VP(vp, p)
		if (vp != self)
			x86_pend(&vp->cpu, X86_PEND_CODE | X86_PEND_CODE_ALL);
}

void partition_code_changed(struct partition *p, struct vp *self, const struct x86_code_page *code)
{
	struct hv *hv = p->hv;

	if (!others_have(p, code)) {
		FOREACH_ABOVE(q, p)
			code_changed(q, self);
		return;
	}
	lock_acquire(&hv->list_lock);
	for (guint i = 0; i < hv->partitions->len; i++) {
		struct partition *q = g_ptr_array_index(hv->partitions, i);

		if (q->family == p->family)
			code_changed(q, self);
	}
	lock_release(&hv->list_lock);
}

void partition_flush(struct partition *p, struct vp *self)
{
	partition_rendezvous(p, self, X86_PEND_TLB);
	if (self && self->partition == p)
		x86_tlb_flush(&self->cpu, X86_FLUSH_ALL);
}

static void wait_exclusive(struct partition *p, struct vp *self)
{
	struct vp_set all;

	vp_set_all(&all, p);
	wait_others(p, self, &all, 0);
}

void vp_exclusive_begin(struct vp *vp)
{
	struct partition *p = vp->partition;
	_Atomic uint32_t *exclusive = &p->family->exclusive;
	uint32_t none = 0;
	bool inside = vp->inside;

	assert(!vp->owns_exclusive);
	if (inside)
		vp_leave(vp);
	while (!atomic_compare_exchange_strong(exclusive, &none, 1)) {
		futex_wait(exclusive, 1, INT64_MAX);
		none = 0;
	}
	vp->owns_exclusive = true;
	/* Who makes the first child is a VP of @p itself. */
	if (p->by_parent || atomic_load(&p->has_children)) {
		GPtrArray *family = family_of(p);

		for (guint i = 0; i < family->len; i++)
			wait_exclusive(g_ptr_array_index(family, i), vp);
		g_ptr_array_free(family, TRUE);
	} else {
		wait_exclusive(p, vp);
	}
	if (inside)
		vp_enter(vp);
	/* So that vp_safepoint() gets to see an instruction that faults from here. */
	x86_pend(&vp->cpu, X86_PEND_WORK);
}

void vp_exclusive_end(struct vp *vp)
{
	_Atomic uint32_t *exclusive = &vp->partition->family->exclusive;

	if (!vp->owns_exclusive)
		return;
	vp->owns_exclusive = false;
	atomic_store(exclusive, 0);
	futex_wake_all(exclusive);
}
