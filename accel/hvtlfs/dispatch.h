/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root as scheduler (of later revisions; -accel scheduler=root): a VP that it has made runs only while
 * HvDispatchVp lends it one of the root's own.
 */
#ifndef HVTLFS_DISPATCH_H
#define HVTLFS_DISPATCH_H

#include <stdatomic.h>

#include "accel/hvtlfs/hv.h"

/* A call that waits until the VP stops; on the stack of the thread that waits.  The lock of the VP that is lent to. */
struct loan {
	struct vp *by;
	int64_t slice;           /* ns, INT64_MAX: no end; counted from when it runs, as it may have to wait for a thread of the host */
	int64_t until;           /* CLOCK_MONOTONIC ns; INT64_MAX until it runs */
	bool back;               /* wanted back: the VP is to stop */
	bool over, gone;         /* the two below are written; the VP is no more */
	uint32_t state, event;   /* HV_DISPATCH_* */
};

/* One VP's; vp->lock. */
struct dispatch {
	struct loan *loan;       /* NULL: it must not run */
	bool inject;             /* vectors wait in its register page */
	/* The root has been told that it cannot run; once it can, that is signalled.  Written under the lock. */
	_Atomic bool blocked;
	_Atomic uint64_t signals;   /* how often it has been */
};

/*
 * May @vp run now?  Own thread, outside.  False: it slept until it may be asked again, or until
 * somebody wants something of it.
 */
bool dispatch_enter(struct vp *vp);
/* It has found nothing to do; own thread, outside. */
void dispatch_halted(struct vp *vp);
/* It stands, suspended; or its thread ends.  Own thread, no lock held. */
void dispatch_parked(struct vp *vp);
void dispatch_gone(struct vp *vp);

#endif
