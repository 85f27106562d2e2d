/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may run guest code (chapter 18).  As long as no partition has a reserve, a cap or a weight of
 * its own, everybody: the host's scheduler is fair.  From then on a VP runs only while it
 * holds one of the logical processors, of which there are as many as the host has.
 */
#ifndef HVTLFS_SCHEDULE_H
#define HVTLFS_SCHEDULE_H

#include <stdatomic.h>

#include "accel/hvtlfs/hv.h"
#include "sync/lock.h"

enum { SHARE_ONE = 0x10000, WEIGHT_DEFAULT = 100, WEIGHT_MAX = 10000 };

/* One partition's; written under hv->schedule.lock. */
struct share {
	_Atomic uint32_t reserve, cap;   /* of one logical processor, SHARE_ONE: all; for each VP */
	_Atomic uint32_t weight;
};

/* One VP's; schedule.lock, but where it says otherwise. */
struct turn {
	bool listed;                     /* among schedule.vps.  Written by its own thread, which may read it at any time */
	bool ready;                      /* waits for a processor */
	_Atomic bool holds;              /* has one */
	bool slept;                      /* did not want one since its last turn */
	_Atomic int64_t until;           /* CLOCK_MONOTONIC ns at which its turn ends; INT64_MAX: does not */
	uint64_t began;                  /* CPU time of its thread when it began, ns; 0: it has not.  Own thread's */
	uint64_t weighted;               /* CPU time, weighted: the least is next */
	int64_t window;                  /* start of the one that `used` counts, CLOCK_MONOTONIC ns */
	int64_t used;                    /* CPU ns in it; what is beyond the cap is carried over */
};

struct schedule {
	_Atomic bool on;
	unsigned processors;             /* set once */
	unsigned parked;                 /* so many of them are left idle, reserves aside: HvParkLogicalProcessors */
	struct lock lock;                /* LOCK_CLOCK */
	unsigned held;                   /* processors that VPs hold */
	GPtrArray *vps;                  /* struct vp *, those that have ever asked */
};

void schedule_init(struct hv *hv);
void schedule_fini(struct hv *hv);
unsigned schedule_processors(const struct hv *hv);
/*
 * New shares of @p.  False: the reserves of all VPs would exceed the processors (T18.2.1.e); nothing is changed then.
 * The caller has checked all else.
 */
bool schedule_share(struct partition *p, uint32_t reserve, uint32_t cap, uint32_t weight);
/* So many processors from now on; 0: none.  One stays. */
void schedule_park(struct hv *hv, unsigned processors);
/*
 * Is there room for one more VP of @p, with its reserve (T10.4.1.u)?  Two partitions that make VPs at the same time may both
 * get the last one.
 */
bool schedule_room(struct partition *p);
/*
 * May @vp run now?  Own thread, outside.  False: it slept until it may be asked again, or until
 * somebody wants something of it.
 */
bool schedule_enter(struct vp *vp);
/* It does not run any more; @sleeps: nor does it want to.  If it does, it may have been given another turn.  Own thread, outside. */
void schedule_leave(struct vp *vp, bool sleeps);
/* How long the host's processors have run the calling thread. */
uint64_t schedule_thread_ns(void);
/* The VP's thread has ended. */
void schedule_forget(struct vp *vp);

#endif
