/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One thread per machine that interrupts running VPs at their deadlines.  A VP
 * that sleeps watches its own.  Moving a deadline later never wakes this thread: it
 * wakes at the old one, finds nothing due and sleeps on.
 */
#include <sys/prctl.h>

#include "partition.h"
#include "sync/futex.h"

/* Locks: hv->timer_lock held.  Kicks who is due; the next deadline of the rest. */
static int64_t timers_fire(struct hv *hv, int64_t now)
{
	int64_t next = INT64_MAX;

	lock_assert_held(&hv->timer_lock);
	for (guint i = 0; i < hv->timed->len; i++) {
		struct vp *vp = g_ptr_array_index(hv->timed, i);

		if (vp->armed <= now) {
			vp->armed = INT64_MAX;
			vp_pend(vp, X86_PEND_WORK);
		} else if (vp->armed < next) {
			next = vp->armed;
		}
	}
	return next;
}

static void *timer_main(void *o)
{
	struct hv *hv = o;

	pthread_setname_np(pthread_self(), "hv timer");
	/* The default lets the kernel be 50 us late. */
	prctl(PR_SET_TIMERSLACK, 1ul);
	lock_acquire(&hv->timer_lock);
	while (!hv->timer_stop) {
		int64_t until = hv->timer_sleeps_until = timers_fire(hv, monotonic_ns());

		lock_release(&hv->timer_lock);
		gate_wait(&hv->timer_gate, until);
		lock_acquire(&hv->timer_lock);
	}
	lock_release(&hv->timer_lock);
	return NULL;
}

void timers_init(struct hv *hv)
{
	lock_init(&hv->timer_lock, LOCK_CLOCK, "VP deadlines");
	gate_init(&hv->timer_gate);
	hv->timed = g_ptr_array_new();
	hv->timer_sleeps_until = INT64_MAX;
	if (pthread_create(&hv->timer_thread, NULL, timer_main, hv))
		g_error("cannot create the timer thread of a machine");
}

void timers_fini(struct hv *hv)
{
	lock_acquire(&hv->timer_lock);
	hv->timer_stop = true;
	lock_release(&hv->timer_lock);
	gate_open(&hv->timer_gate);
	pthread_join(hv->timer_thread, NULL);
	g_ptr_array_free(hv->timed, TRUE);
	lock_destroy(&hv->timer_lock);
}

void timers_add(struct hv *hv, struct vp *vp)
{
	lock_acquire(&hv->timer_lock);
	vp->armed = INT64_MAX;
	g_ptr_array_add(hv->timed, vp);
	lock_release(&hv->timer_lock);
}

void timers_remove(struct hv *hv, struct vp *vp)
{
	lock_acquire(&hv->timer_lock);
	g_ptr_array_remove_fast(hv->timed, vp);
	lock_release(&hv->timer_lock);
}

void timers_arm(struct hv *hv, struct vp *vp, int64_t deadline)
{
	bool earlier;

	lock_acquire(&hv->timer_lock);
	vp->armed = deadline;
	earlier = deadline < hv->timer_sleeps_until;
	lock_release(&hv->timer_lock);
	if (earlier)
		gate_open(&hv->timer_gate);
}
