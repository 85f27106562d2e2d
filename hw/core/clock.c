/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine's clock: a heap of timers, earliest on top.  CLOCK_REAL has a thread
 * that sleeps until the top is due; CLOCK_STEPPED fires from clock_step_to().
 * Either way one callback runs at a time, with no lock held.
 *
 * The time needs no lock: either it stands at 'frozen', or it is the host's
 * monotonic time plus 'offset'.
 */
#include "hw/core/clock.h"

#include <assert.h>
#include <glib.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <time.h>

#include "sync/gate.h"
#include "sync/lock.h"

#define RUNNING INT64_MIN           /* value of 'frozen' while time passes */
enum { NOT_QUEUED = UINT32_MAX };

struct clock {
	enum clock_kind kind;
	_Atomic int64_t frozen, offset;
	struct lock lock;               /* LOCK_CLOCK: all below */
	GPtrArray *heap;                /* struct clock_timer * */
	struct clock_timer *firing;     /* its callback runs now */
	pthread_cond_t fired;           /* 'firing' became NULL */
	bool quit;
	pthread_t thread;               /* CLOCK_REAL; set once */
	struct gate gate;               /* wakes the thread */
};

struct clock_timer {
	struct clock *clock;
	void (*fire)(void *opaque);
	void *opaque;
	_Atomic int64_t deadline;       /* written with the clock's lock held */
	uint32_t place;                 /* in the heap */
	bool ending;                    /* clock_timer_free() waits: no more arming */
};

static int64_t host_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t clock_now(struct clock *c)
{
	for (;;) {
		int64_t frozen = atomic_load(&c->frozen);
		int64_t offset = atomic_load(&c->offset);
		int64_t now = frozen == RUNNING ? host_now() + offset : frozen;

		/* A stop or start in between would mix two eras. */
		if (frozen == atomic_load(&c->frozen) && offset == atomic_load(&c->offset))
			return now;
	}
}

enum clock_kind clock_kind(const struct clock *c)
{
	return c->kind;
}

/* ---- heap ---- */

static struct clock_timer *heap_at(const struct clock *c, unsigned i)
{
	return g_ptr_array_index(c->heap, i);
}

static void heap_put(struct clock *c, unsigned i, struct clock_timer *t)
{
	g_ptr_array_index(c->heap, i) = t;
	t->place = i;
}

static void heap_rise(struct clock *c, unsigned i, struct clock_timer *t)
{
	while (i) {
		struct clock_timer *above = heap_at(c, (i - 1) / 2);

		if (above->deadline <= t->deadline)
			break;
		heap_put(c, i, above);
		i = (i - 1) / 2;
	}
	heap_put(c, i, t);
}

static void heap_sink(struct clock *c, unsigned i, struct clock_timer *t)
{
	for (;;) {
		unsigned child = 2 * i + 1;

		if (child >= c->heap->len)
			break;
		if (child + 1 < c->heap->len && heap_at(c, child + 1)->deadline < heap_at(c, child)->deadline)
			child++;
		if (t->deadline <= heap_at(c, child)->deadline)
			break;
		heap_put(c, i, heap_at(c, child));
		i = child;
	}
	heap_put(c, i, t);
}

static struct clock_timer *heap_top(const struct clock *c)
{
	return c->heap->len ? heap_at(c, 0) : NULL;
}

static void heap_remove(struct clock *c, struct clock_timer *t)
{
	unsigned i = t->place;
	struct clock_timer *last;

	if (i == NOT_QUEUED)
		return;
	last = heap_at(c, c->heap->len - 1);
	g_ptr_array_set_size(c->heap, c->heap->len - 1);
	t->place = NOT_QUEUED;
	if (last == t)
		return;
	heap_sink(c, i, last);
	heap_rise(c, last->place, last);
}

/* ---- firing ---- */

/* Locks: c->lock held, released around the callback. */
static void fire_top(struct clock *c)
{
	struct clock_timer *t = heap_top(c);

	assert(!c->firing);
	heap_remove(c, t);
	atomic_store(&t->deadline, INT64_MAX);
	c->firing = t;
	lock_release(&c->lock);
	t->fire(t->opaque);
	lock_acquire(&c->lock);
	c->firing = NULL;
	pthread_cond_broadcast(&c->fired);
}

/* The host time at which the top is due.  Locks: c->lock held. */
static int64_t next_wake(struct clock *c)
{
	struct clock_timer *t = heap_top(c);
	int64_t wake;

	if (!t || c->frozen != RUNNING)
		return INT64_MAX;
	return __builtin_sub_overflow(t->deadline, c->offset, &wake) ? INT64_MAX : wake;
}

static void *clock_thread(void *opaque)
{
	struct clock *c = opaque;

	/* The default slack of 50 us is as long as some guests' timers. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	lock_acquire(&c->lock);
	while (!c->quit) {
		int64_t wake = next_wake(c);

		if (wake <= host_now()) {
			fire_top(c);
			continue;
		}
		lock_release(&c->lock);
		gate_wait(&c->gate, wake);
		lock_acquire(&c->lock);
	}
	lock_release(&c->lock);
	return NULL;
}

/* Locks: c->lock held. */
static bool in_callback(struct clock *c)
{
	return c->kind == CLOCK_REAL && c->firing && pthread_equal(pthread_self(), c->thread);
}

/* The thread sleeps for the old top.  Locks: c->lock held. */
static void top_changed(struct clock *c)
{
	if (c->kind == CLOCK_REAL && !in_callback(c))
		gate_open(&c->gate);
}

/* ---- life ---- */

struct clock *clock_new(enum clock_kind kind)
{
	struct clock *c = g_new0(struct clock, 1);

	c->kind = kind;
	c->heap = g_ptr_array_new();
	lock_init(&c->lock, LOCK_CLOCK, "clock");
	pthread_cond_init(&c->fired, NULL);
	gate_init(&c->gate);
	if (kind == CLOCK_REAL && pthread_create(&c->thread, NULL, clock_thread, c))
		g_error("cannot start the clock's thread");
	return c;
}

void clock_free(struct clock *c)
{
	if (!c)
		return;
	assert(!c->heap->len);
	if (c->kind == CLOCK_REAL) {
		lock_acquire(&c->lock);
		c->quit = true;
		lock_release(&c->lock);
		gate_open(&c->gate);
		pthread_join(c->thread, NULL);
	}
	g_ptr_array_free(c->heap, TRUE);
	pthread_cond_destroy(&c->fired);
	lock_destroy(&c->lock);
	g_free(c);
}

/* Locks: c->lock held; released while waiting. */
static void wait_for_callback(struct clock *c, const struct clock_timer *t)
{
	while (c->firing && (!t || c->firing == t))
		pthread_cond_wait(&c->fired, &c->lock.mutex);
}

void clock_stop(struct clock *c)
{
	if (c->kind != CLOCK_REAL)
		return;
	lock_acquire(&c->lock);
	if (c->frozen == RUNNING)
		atomic_store(&c->frozen, host_now() + c->offset);
	if (!in_callback(c))
		wait_for_callback(c, NULL);
	lock_release(&c->lock);
}

void clock_start(struct clock *c)
{
	if (c->kind != CLOCK_REAL)
		return;
	lock_acquire(&c->lock);
	if (c->frozen != RUNNING) {
		atomic_store(&c->offset, c->frozen - host_now());
		atomic_store(&c->frozen, RUNNING);
		gate_open(&c->gate);
	}
	lock_release(&c->lock);
}

int64_t clock_step_to(struct clock *c, int64_t to_ns)
{
	struct clock_timer *t;

	assert(c->kind == CLOCK_STEPPED);
	to_ns = MIN(to_ns, CLOCK_END);
	lock_acquire(&c->lock);
	while ((t = heap_top(c)) && t->deadline <= to_ns) {
		if (t->deadline > c->frozen)
			atomic_store(&c->frozen, t->deadline);
		fire_top(c);
	}
	if (to_ns > c->frozen)
		atomic_store(&c->frozen, to_ns);
	lock_release(&c->lock);
	return clock_now(c);
}

int64_t clock_next_deadline(struct clock *c)
{
	struct clock_timer *t;
	int64_t deadline;

	lock_acquire(&c->lock);
	t = heap_top(c);
	deadline = t ? t->deadline : INT64_MAX;
	lock_release(&c->lock);
	return deadline;
}

/* ---- timers ---- */

struct clock_timer *clock_timer_new(struct clock *c, void (*fire)(void *opaque), void *opaque)
{
	struct clock_timer *t = g_new0(struct clock_timer, 1);

	t->clock = c;
	t->fire = fire;
	t->opaque = opaque;
	t->deadline = INT64_MAX;
	t->place = NOT_QUEUED;
	return t;
}

/* A new deadline, INT64_MAX for none.  Locks: clock's lock held. */
static void timer_set(struct clock_timer *t, int64_t deadline)
{
	struct clock *c = t->clock;

	heap_remove(c, t);
	atomic_store(&t->deadline, deadline);
	if (deadline == INT64_MAX)
		return;
	g_ptr_array_add(c->heap, t);
	heap_rise(c, c->heap->len - 1, t);
	if (heap_top(c) == t)
		top_changed(c);
}

void clock_timer_free(struct clock_timer *t)
{
	struct clock *c;

	if (!t)
		return;
	c = t->clock;
	lock_acquire(&c->lock);
	assert(!(in_callback(c) && c->firing == t));
	/* A callback that arms its own timer again could run for ever. */
	t->ending = true;
	timer_set(t, INT64_MAX);
	wait_for_callback(c, t);
	lock_release(&c->lock);
	g_free(t);
}

void clock_timer_arm(struct clock_timer *t, int64_t deadline_ns)
{
	lock_acquire(&t->clock->lock);
	if (t->deadline != deadline_ns && !t->ending)
		timer_set(t, deadline_ns);
	lock_release(&t->clock->lock);
}

void clock_timer_cancel(struct clock_timer *t)
{
	clock_timer_arm(t, INT64_MAX);
}

int64_t clock_timer_deadline(const struct clock_timer *t)
{
	return atomic_load(&t->deadline);
}
