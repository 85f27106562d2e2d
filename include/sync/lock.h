/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locks with levels.  A thread takes locks in ascending order of level;
 * debug builds stop with both levels on a wrong order.
 */
#ifndef SYNC_LOCK_H
#define SYNC_LOCK_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

enum lock_level {
	LOCK_CONTROL = 5,     /* QMP and command line: one control action at a time */
	LOCK_CALL = 8,        /* one call at a time acts on a partition that its parent made: target.h */
	LOCK_MACHINE = 10,    /* partition tree, list of machines */
	LOCK_STATS = 12,      /* statistics pages that somebody sees */
	LOCK_MAPS = 15,     /* what partitions of one family map of each other's memory: gpa-calls.c */
	LOCK_MONITOR = 18,    /* who sees a monitor page: before the partitions that do */
	LOCK_PARTITION = 20,  /* parent before child; same level only along that line */
	LOCK_GPA_MAP = 30,
	LOCK_VP = 40,
	LOCK_FLUSH = 45,      /* what a VP's TLB has to forget */
	LOCK_DEVICE = 50,     /* one machine's devices share one lock: see hw/core */
	LOCK_PORT = 55,       /* a port, a partition's connections: before the SynICs that they lead to */
	LOCK_TELL = 58,       /* a partition's messages from the hypervisor that wait for a SynIC: before the SynICs */
	LOCK_APIC = 60,       /* interrupt delivery: taken from devices and VPs */
	LOCK_LIST = 65,       /* the partitions of a machine, for a look that waits for nobody */
	LOCK_FRAMES = 70,     /* frame table's free lists */
	LOCK_CLOCK = 80,      /* timer heap */
	LOCK_BACKEND = 90,    /* character devices */
};

struct lock {
	pthread_mutex_t mutex;
	enum lock_level level;
	const char *name;      /* for the message on a wrong order */
};

void lock_init(struct lock *l, enum lock_level level, const char *name);
void lock_destroy(struct lock *l);
void lock_acquire(struct lock *l);
void lock_release(struct lock *l);
/* The same, waiting @us microseconds at most; false: not taken. */
bool lock_acquire_within(struct lock *l, unsigned us);
/* Also allowed while a lock of the same level is held (parent, then child). */
void lock_acquire_nested(struct lock *l);
/* Is @l held by this thread?  Always true in builds without checks. */
bool lock_held(const struct lock *l);
#define lock_assert_held(l) assert(lock_held(l))

#endif
