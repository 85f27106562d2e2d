/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* VP registers by name (10.2.2). */
#ifndef HVTLFS_REGISTERS_H
#define HVTLFS_REGISTERS_H

#include "hv/status.h"
#include "hv/vp.h"
#include "partition.h"

/*
 * On the VP's thread, or with it borrowed.  The suspend registers are not among them (vp-calls.c).
 * HV_STATUS_INVALID_PARAMETER: no such register, read-only, or a value that it cannot have.
 */
hv_status register_get(struct vp *vp, uint32_t name, struct hv_register_value *v);
hv_status register_set(struct vp *vp, uint32_t name, const struct hv_register_value *v);

#endif
