/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A parent partition as the stack of those that it made: what their VPs do that the hypervisor
 * does not answer suspends them, and their parent is told by a message (9, 16).
 */
#ifndef HVTLFS_PARENT_H
#define HVTLFS_PARENT_H

#include "accel/hvtlfs/hv.h"

/* Its opaque is the child's struct partition. */
extern const struct stack_ops parent_stack;
/* Makes due the intercept of a write to the VP's APIC of which its parent is to be told; false: there is none.  Own thread. */
bool parent_apic_due(struct vp *vp);
/* Does an access of @size bytes at @port by a VP of @p go to its parent? */
bool parent_has_port(const struct partition *p, uint16_t port, unsigned size);

#endif
