/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests are put into the queues of all targets first; the rendezvous follows.  So whoever
 * passes a boundary, or comes in, has them in its queue (rendezvous.c tells why that is
 * enough), and several requests for a VP that does not run become one.
 */
#include "flush.h"

#include "accel/hvtlfs/mutant.h"

#include "target/i386/mem.h"

/* More single pages than this cost more than filling an empty TLB again. */
enum { PAGES_MAX = 128 };

void flush_init(struct vp *vp)
{
	lock_init(&vp->flushes.lock, LOCK_FLUSH, "flushes of a virtual processor");
}

void flush_fini(struct vp *vp)
{
	lock_destroy(&vp->flushes.lock);
}

void flush_add_pages(struct flush *f, uint64_t page, uint64_t n)
{
	if (f->everything)
		return;
	if (!n || n > PAGES_MAX - f->pages || f->count == FLUSH_RANGES) {
		f->everything = true;
		return;
	}
	f->pages += (uint32_t)n;
	f->range[f->count++] = (page & HV_RANGE_PAGE) | (n - 1);
}

static void merge(struct flush *to, const struct flush *f)
{
	to->everything |= f->everything;
	to->non_global |= f->non_global;
	for (uint32_t i = 0; i < f->count; i++)
		flush_add_pages(to, f->range[i], (f->range[i] & HV_RANGE_MORE) + 1);
}

static void flush_now(struct x86_cpu *c, const struct flush *f)
{
	if (MUTANT(flush_nothing))
		return;
	if (f->everything) {
		x86_tlb_flush(c, X86_FLUSH_ALL);
		return;
	}
	for (uint32_t i = 0; i < f->count; i++) {
		uint64_t page = f->range[i] & HV_RANGE_PAGE, more = MUTANT(flush_one_page) ? 0 : f->range[i] & HV_RANGE_MORE;

		for (uint64_t k = 0; k <= more; k++)
			x86_tlb_flush_page(c, page + k * HV_PAGE_SIZE);
	}
	if (f->non_global)
		x86_tlb_flush(c, X86_FLUSH_NON_GLOBAL);
	else
		x86_tlb_flush_other_pcids(c);
}

static void ask(struct vp *vp, const struct flush *f)
{
	struct flush_queue *q = &vp->flushes;

	lock_acquire(&q->lock);
	merge(&q->flush, f);
	atomic_store(&q->asked, true);
	lock_release(&q->lock);
}

void flush_absorb(struct vp *vp)
{
	struct flush_queue *q = &vp->flushes;
	struct flush f;

	if (!atomic_load(&q->asked))
		return;
	lock_acquire(&q->lock);
	f = q->flush;
	q->flush.everything = q->flush.non_global = false;
	q->flush.count = q->flush.pages = 0;
	atomic_store(&q->asked, false);
	lock_release(&q->lock);
	flush_now(&vp->cpu, &f);
	vp_count(vp, COUNT_FLUSHES_TAKEN);
}

void flush_run(struct partition *p, struct vp *self, const struct vp_set *who, const struct flush *f)
{
	VP_SET_FOREACH(vp, who, p)
		if (vp != self && !MUTANT(flush_own_only))
			ask(vp, f);
	vps_rendezvous(p, self, who, 0);
	if (vp_set_has(who, self))
		flush_now(&self->cpu, f);
}

/* ---- held back ---- */

void flush_inhibit(struct vp *vp)
{
	atomic_store(&vp->flush_inhibited, true);
}

static bool waits_to_flush(struct vp *vp)
{
	bool waits;

	lock_acquire(&vp->lock);
	waits = vp->suspend & SUSPEND_FLUSH;
	lock_release(&vp->lock);
	return waits;
}

void flush_allow(struct vp *holder)
{
	if (!atomic_exchange(&holder->flush_inhibited, false))
		return;
	/* T12.1.4.e: who waits for another VP as well finds that out (T12.1.4.g). */
	PARTITION_FOREACH_VP(vp, holder->partition)
		if (waits_to_flush(vp))
			vp_continue(vp, SUSPEND_FLUSH);
}

/* A VP may flush its own (OP-33). */
static bool any_inhibits(struct vp *self, const struct vp_set *who)
{
	VP_SET_FOREACH(vp, who, self->partition)
		if (vp != self && atomic_load(&vp->flush_inhibited))
			return true;
	return false;
}

bool flush_held_back(struct vp *self, const struct vp_set *who)
{
	if (!any_inhibits(self, who) || MUTANT(flush_not_held_back))
		return false;
	vp_suspend(self, SUSPEND_FLUSH);
	/* Once more: whoever allows it from now on sees us wait. */
	if (any_inhibits(self, who))
		return true;
	vp_continue(self, SUSPEND_FLUSH);
	return false;
}
