/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that MSRs place, inside accel/hvtlfs: component.h tells their rules. */
#ifndef HVTLFS_PAGE_H
#define HVTLFS_PAGE_H

#include "partition.h"

struct msr_page {
	/* Set once. */
	struct partition *partition;
	/* partition.lock, and map.lock for where it is. */
	struct overlay page;
	uint64_t home;               /* what `value` is at reset: only the root finds a place there */
	enum { PAGE_ALIAS, PAGE_EXTENT, PAGE_POOL } source;   /* whose the frame is: another msr_page's, the partition's own, its pool's */
	_Atomic uint64_t value;      /* as the guest reads it; written under partition.lock */
};

/* For those that must do more in one step.  Locks: p->lock held; the caller flushes after releasing it. */
void msr_page_set(struct msr_page *m, uint64_t value);

#endif
