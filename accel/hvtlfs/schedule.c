/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time is what the host's threads really ran (CPU time), so shares hold on a host that is busy
 * with other things as well: everybody gets less, in the same proportion.
 *
 * Caps and reserves are counted in windows: who has used its cap in this one waits for the next, who
 * has not had its reserve goes before all others.  What a turn took beyond the cap is
 * carried into the next window, so the average is exact.
 */
#include "schedule.h"

#include <time.h>

#include "accel/hvtlfs/mutant.h"
#include "partition.h"
#include "sync/futex.h"
#include "sync/host.h"

enum { WINDOW_NS = 20000000, TURN_NS = 4000000 };

uint64_t schedule_thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void schedule_init(struct hv *hv)
{
	lock_init(&hv->schedule.lock, LOCK_CLOCK, "schedule");
	hv->schedule.vps = g_ptr_array_new();
	hv->schedule.processors = host_processors();
}

void schedule_fini(struct hv *hv)
{
	g_ptr_array_free(hv->schedule.vps, TRUE);
	lock_destroy(&hv->schedule.lock);
}

unsigned schedule_processors(const struct hv *hv)
{
	return hv->schedule.processors;
}

/* ---- shares ---- */

static bool plain(const struct partition *p)
{
	return !atomic_load(&p->share.reserve) && atomic_load(&p->share.cap) == SHARE_ONE &&
	       atomic_load(&p->share.weight) == WEIGHT_DEFAULT;
}

/* Locks: s->lock held. */
static void let_all_run(struct schedule *s)
{
	for (guint i = 0; i < s->vps->len; i++) {
		struct vp *vp = g_ptr_array_index(s->vps, i);

		if (!vp->turn.ready)
			continue;
		vp->turn.ready = false;
		gate_open(&vp->gate);
	}
}

/* Locks: hv->list_lock held.  Who runs shall come by for a processor. */
static void kick_all(struct hv *hv)
{
	for (guint i = 0; i < hv->partitions->len; i++)
		PARTITION_FOREACH_VP(vp, (struct partition *)g_ptr_array_index(hv->partitions, i))
			vp_pend(vp, X86_PEND_STOP);
}

/* Locks: hv->list_lock and s->lock held.  Are there processors for @vps VPs of @p with @reserve each, beside all others? */
static bool there_is_room(struct hv *hv, const struct partition *p, uint32_t reserve, uint32_t vps)
{
	uint64_t reserved = (uint64_t)reserve * vps;

	for (guint i = 0; i < hv->partitions->len; i++) {
		const struct partition *q = g_ptr_array_index(hv->partitions, i);

		if (q != p)
			reserved += (uint64_t)atomic_load(&q->share.reserve) * partition_vp_count(q);
	}
	return reserved <= (uint64_t)hv->schedule.processors * SHARE_ONE || MUTANT(reserve_any_sum);
}

bool schedule_room(struct partition *p)
{
	struct hv *hv = p->hv;
	uint32_t reserve = atomic_load(&p->share.reserve);
	bool room;

	if (!reserve)
		return true;
	lock_acquire(&hv->list_lock);
	lock_acquire(&hv->schedule.lock);
	room = there_is_room(hv, p, reserve, partition_vp_count(p) + 1);
	lock_release(&hv->schedule.lock);
	lock_release(&hv->list_lock);
	return room;
}

/* Locks: hv->list_lock and s->lock held.  Turns are taken as long as anything is out of the ordinary. */
static void switch_on(struct hv *hv)
{
	struct schedule *s = &hv->schedule;
	bool on = s->parked;

	for (guint i = 0; i < hv->partitions->len && !on; i++)
		on = !plain(g_ptr_array_index(hv->partitions, i));
	if (!atomic_exchange(&s->on, on) && on)
		kick_all(hv);
	if (!on)
		let_all_run(s);
}

void schedule_park(struct hv *hv, unsigned processors)
{
	struct schedule *s = &hv->schedule;

	lock_acquire(&hv->list_lock);
	lock_acquire(&s->lock);
	s->parked = MIN(processors, s->processors - 1) + (MUTANT(park_adds) ? s->parked : 0);
	switch_on(hv);
	lock_release(&s->lock);
	lock_release(&hv->list_lock);
}

bool schedule_share(struct partition *p, uint32_t reserve, uint32_t cap, uint32_t weight)
{
	struct hv *hv = p->hv;
	struct schedule *s = &hv->schedule;
	bool ok;

	/* The list does not change meanwhile, nor do two callers add up each other's old reserves. */
	lock_acquire(&hv->list_lock);
	lock_acquire(&s->lock);
	ok = there_is_room(hv, p, reserve, partition_vp_count(p));
	if (ok) {
		atomic_store(&p->share.reserve, reserve);
		atomic_store(&p->share.cap, cap);
		atomic_store(&p->share.weight, weight);
		switch_on(hv);
	}
	lock_release(&s->lock);
	lock_release(&hv->list_lock);
	return ok;
}

/* ---- turns ---- */

/* Locks: s->lock held.  Begins the window that @now is in. */
static void turn_window(struct vp *vp, int64_t now)
{
	struct turn *t = &vp->turn;
	int64_t begin = now - now % WINDOW_NS;
	int64_t capped = (int64_t)((uint64_t)atomic_load(&vp->partition->share.cap) * WINDOW_NS / SHARE_ONE);
	int64_t windows;

	if (begin == t->window)
		return;
	windows = (begin - t->window) / WINDOW_NS;
	/* The debt is paid at the rate of the cap. */
	t->used = windows > 1000 || t->used <= windows * capped ? 0 : t->used - windows * capped;
	t->window = begin;
}

/* Locks: s->lock held.  CPU time that the cap leaves in this window. */
static int64_t cap_left(const struct vp *vp)
{
	uint32_t cap = atomic_load(&vp->partition->share.cap);

	return cap == SHARE_ONE || MUTANT(cap_ignored) ? INT64_MAX : (int64_t)((uint64_t)cap * WINDOW_NS / SHARE_ONE) - vp->turn.used;
}

static bool behind_reserve(const struct vp *vp)
{
	return vp->turn.used < (int64_t)((uint64_t)atomic_load(&vp->partition->share.reserve) * WINDOW_NS / SHARE_ONE);
}

static bool goes_before(const struct vp *a, const struct vp *b)
{
	bool first = behind_reserve(a), second = behind_reserve(b);

	if (first != second)
		return first;
	return a->turn.weighted < b->turn.weighted;
}

/* Locks: s->lock held. */
static struct vp *next_of(struct schedule *s, int64_t now)
{
	struct vp *best = NULL;

	for (guint i = 0; i < s->vps->len; i++) {
		struct vp *vp = g_ptr_array_index(s->vps, i);

		if (!vp->turn.ready)
			continue;
		turn_window(vp, now);
		if (cap_left(vp) > 0 && (!best || goes_before(vp, best)))
			best = vp;
	}
	return best;
}

/* Locks: s->lock held.  Free processors go to those who are next. */
static void hand_out(struct schedule *s, int64_t now)
{
	struct vp *vp;

	while (s->held < s->processors && (vp = next_of(s, now))) {
		/* T6.4.2.a: a hint.  What a VP has been promised is more. */
		if (s->held + s->parked >= s->processors && !behind_reserve(vp))
			break;
		vp->turn.ready = false;
		atomic_store(&vp->turn.holds, true);
		atomic_store(&vp->turn.until, now + MIN(TURN_NS, cap_left(vp)));
		s->held++;
		gate_open(&vp->gate);
	}
}

/* Locks: s->lock held. */
static void take_back(struct schedule *s, struct vp *vp)
{
	vp->turn.ready = false;
	if (!atomic_load(&vp->turn.holds))
		return;
	atomic_store(&vp->turn.holds, false);
	atomic_store(&vp->turn.until, INT64_MAX);
	s->held--;
}

/* Locks: s->lock held.  The weighted time of who is furthest behind of those that want to run, @vp aside. */
static uint64_t least_of(struct schedule *s, const struct vp *vp)
{
	uint64_t least = UINT64_MAX;

	for (guint i = 0; i < s->vps->len; i++) {
		const struct vp *other = g_ptr_array_index(s->vps, i);

		if (other != vp && (other->turn.ready || atomic_load(&other->turn.holds)) && other->turn.weighted < least)
			least = other->turn.weighted;
	}
	return least == UINT64_MAX ? 0 : least;
}

/* Locks: s->lock held. */
static void enlist(struct schedule *s, struct vp *vp, int64_t now)
{
	struct turn *t = &vp->turn;

	if (!t->listed) {
		g_ptr_array_add(s->vps, vp);
		t->listed = true;
		t->window = now - now % WINDOW_NS;
		t->slept = true;
	}
	/* Who slept has no claim to the time that it did not use. */
	if (t->slept)
		t->weighted = MAX(t->weighted, least_of(s, vp));
	t->slept = false;
	t->ready = true;
}

bool schedule_enter(struct vp *vp)
{
	struct schedule *s = &vp->partition->hv->schedule;
	int64_t now, until = INT64_MAX;
	bool mine;

	if (!atomic_load_explicit(&s->on, memory_order_relaxed) && !atomic_load_explicit(&vp->turn.holds, memory_order_relaxed))
		return true;
	now = monotonic_ns();
	lock_acquire(&s->lock);
	if (!atomic_load(&vp->turn.holds) && !vp->turn.ready)
		enlist(s, vp, now);
	hand_out(s, now);
	mine = atomic_load(&vp->turn.holds);
	/* Nobody has looked at its window if no processor was free. */
	turn_window(vp, now);
	if (!mine && cap_left(vp) <= 0)
		until = vp->turn.window + WINDOW_NS;
	lock_release(&s->lock);
	if (mine) {
		vp->turn.began = schedule_thread_ns();
		return true;
	}
	gate_wait(&vp->gate, until);
	return false;
}

void schedule_leave(struct vp *vp, bool sleeps)
{
	struct schedule *s = &vp->partition->hv->schedule;
	uint64_t ran;
	int64_t now;

	if (!atomic_load_explicit(&vp->turn.holds, memory_order_relaxed) && !(sleeps && vp->turn.listed))
		return;
	ran = schedule_thread_ns() - vp->turn.began;
	now = monotonic_ns();
	lock_acquire(&s->lock);
	turn_window(vp, now);
	if (vp->turn.began) {
		vp->turn.used += (int64_t)ran;
		vp->turn.weighted += ran * WEIGHT_DEFAULT / atomic_load(&vp->partition->share.weight);
	}
	vp->turn.began = 0;
	vp->turn.slept |= sleeps;
	take_back(s, vp);
	/* Who goes on competes for what it gives back: the heaviest may have it again. */
	vp->turn.ready = !sleeps && atomic_load(&s->on);
	hand_out(s, now);
	lock_release(&s->lock);
}

void schedule_forget(struct vp *vp)
{
	struct schedule *s = &vp->partition->hv->schedule;

	lock_acquire(&s->lock);
	take_back(s, vp);
	g_ptr_array_remove_fast(s->vps, vp);
	vp->turn.listed = false;
	hand_out(s, monotonic_ns());
	lock_release(&s->lock);
}
