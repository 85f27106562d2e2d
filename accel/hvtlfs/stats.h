/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics pages, inside accel/hvtlfs. */
#ifndef HVTLFS_STATS_H
#define HVTLFS_STATS_H

#include "partition.h"

void stats_init(struct hv *hv);
/* No partition is left. */
void stats_fini(struct hv *hv);
/*
 * Pages that the partition has mapped, and those that others have of it, go.  Its VPs have ended or are parked; the caller
 * flushes theirs.  No lock of LOCK_STATS or above held.
 */
void stats_forget(struct partition *p);
/* The same of one that has ended. */
void stats_forget_vp(struct vp *vp);
/* vp->dispatch.blocked: pages that tell of it do so from now on.  No lock of LOCK_STATS or above held. */
void stats_blocked_changed(struct vp *vp);

/* ---- pages by MSRs ---- */

/* False: no frame is left. */
bool stats_init_partition(struct partition *p);
void stats_fini_partition(struct partition *p);
bool stats_init_vp(struct vp *vp);
void stats_fini_vp(struct vp *vp);
/* Parked. */
void stats_reset_vp(struct vp *vp);
enum x86_result stats_msr_read(struct vp *vp, uint32_t msr, uint64_t *value);
enum x86_result stats_msr_write(struct vp *vp, uint32_t msr, uint64_t value);

#endif
