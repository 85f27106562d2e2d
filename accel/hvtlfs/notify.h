/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Deliverability notifications: what a parent is told when its child's VP can take it. */
#ifndef HVTLFS_NOTIFY_H
#define HVTLFS_NOTIFY_H

#include "accel/hvtlfs/hv.h"

/* HV_NOTIFY_*; false: bits that it cannot have.  The VP's thread, or it stands. */
bool notify_set(struct vp *vp, uint64_t wanted);
/* An interruption of @type (HV_INTERRUPTION_*) could be taken: the intercept is due.  Own thread. */
void notify_interruption(struct vp *vp, uint32_t type);
/* Makes the intercept due of what the SynIC has said (vp_sint_deliverable()); false: nothing.  Own thread. */
bool notify_sints(struct vp *vp);

#endif
