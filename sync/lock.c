/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks with levels.  With DEBUG_LOCKS each thread keeps a list of what it holds
 * and stops the program, both locks named, when it takes one out of order.
 */
#include "sync/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum lock_nesting { LOCK_ASCENDING, LOCK_SAME_LEVEL };

#ifdef DEBUG_LOCKS

/* The deepest chain of the tree is far below this. */
enum { HELD_MAX = 32 };

static _Thread_local struct {
	const struct lock *lock[HELD_MAX];
	int count;
} held;

static const struct lock *highest_held(void)
{
	const struct lock *top = NULL;

	for (int i = 0; i < held.count; i++)
		if (!top || held.lock[i]->level > top->level)
			top = held.lock[i];
	return top;
}

static _Noreturn void lock_die(const struct lock *l, const struct lock *other, const char *what)
{
	fprintf(stderr, "lock: \"%s\" (level %d) %s \"%s\" (level %d)\n", l->name, l->level, what,
		other ? other->name : "nothing", other ? (int)other->level : 0);
	abort();
}

static void check_order(const struct lock *l, enum lock_nesting nesting)
{
	const struct lock *top = highest_held();

	if (lock_held(l))
		lock_die(l, l, "is taken twice by one thread, already held:");
	if (top && (nesting == LOCK_SAME_LEVEL ? top->level > l->level : top->level >= l->level))
		lock_die(l, top, "is taken while the thread holds");
	if (held.count == HELD_MAX)
		lock_die(l, top, "is one lock too many above");
}

static void note_taken(const struct lock *l)
{
	held.lock[held.count++] = l;
}

static void note_released(const struct lock *l)
{
	for (int i = held.count - 1; i >= 0; i--) {
		if (held.lock[i] == l) {
			held.lock[i] = held.lock[--held.count];
			return;
		}
	}
	lock_die(l, highest_held(), "is released by a thread that does not hold it but holds");
}

bool lock_held(const struct lock *l)
{
	for (int i = 0; i < held.count; i++)
		if (held.lock[i] == l)
			return true;
	return false;
}

#else

static void check_order(const struct lock *l, enum lock_nesting nesting) { (void)l, (void)nesting; }
static void note_taken(const struct lock *l) { (void)l; }
static void note_released(const struct lock *l) { (void)l; }

bool lock_held(const struct lock *l)
{
	(void)l;
	return true;
}

#endif

void lock_init(struct lock *l, enum lock_level level, const char *name)
{
	pthread_mutex_init(&l->mutex, NULL);
	l->level = level;
	l->name = name;
}

void lock_destroy(struct lock *l)
{
	pthread_mutex_destroy(&l->mutex);
}

static void take(struct lock *l, enum lock_nesting nesting)
{
	int e;

	check_order(l, nesting);
	e = pthread_mutex_lock(&l->mutex);
	assert(e == 0);
	(void)e;
	note_taken(l);
}

void lock_acquire(struct lock *l)
{
	take(l, LOCK_ASCENDING);
}

/* The thread sanitizer knows only the older function, whose clock may be set meanwhile. */
#ifdef __SANITIZE_THREAD__
enum { WITHIN_CLOCK = CLOCK_REALTIME };
#define lock_until(mutex, until) pthread_mutex_timedlock(mutex, until)
#else
enum { WITHIN_CLOCK = CLOCK_MONOTONIC };
#define lock_until(mutex, until) pthread_mutex_clocklock(mutex, WITHIN_CLOCK, until)
#endif

bool lock_acquire_within(struct lock *l, unsigned us)
{
	struct timespec until;
	int e;

	check_order(l, LOCK_ASCENDING);
	clock_gettime(WITHIN_CLOCK, &until);
	until.tv_nsec += (long)us * 1000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	e = lock_until(&l->mutex, &until);
	assert(e == 0 || e == ETIMEDOUT);
	if (e)
		return false;
	note_taken(l);
	return true;
}

void lock_acquire_nested(struct lock *l)
{
	take(l, LOCK_SAME_LEVEL);
}

void lock_release(struct lock *l)
{
	note_released(l);
	pthread_mutex_unlock(&l->mutex);
}
