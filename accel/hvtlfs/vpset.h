/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of a partition's VPs, by VP index.  A set holds only VPs that exist: whatever else
 * a guest names is left out here, so nobody else has to look at bounds.
 */
#ifndef HVTLFS_VPSET_H
#define HVTLFS_VPSET_H

#include "hv/mmu.h"
#include "hv/status.h"
#include "partition.h"

struct vp_set {
	uint64_t bank[VP_BANKS];
};

/*
 * How a guest names a set, everything at once: @processors NULL: bits of @mask are VPs 0 to
 * 63; else as its fields say, the @bank_count words at @banks being what follows it.
 */
struct vp_set_source {
	uint64_t mask;
	const struct hv_vp_set *processors;
	const uint64_t *banks;
	uint32_t bank_count;
};

hv_status vp_set_build(struct vp_set *s, const struct partition *p, const struct vp_set_source *from);
void vp_set_all(struct vp_set *s, const struct partition *p);
bool vp_set_has(const struct vp_set *s, const struct vp *vp);
/* The member behind @after in ascending order, the first with NULL; NULL: no more. */
struct vp *vp_set_next(const struct vp_set *s, const struct partition *p, const struct vp *after);

#define VP_SET_FOREACH(vp, s, p) \
	for (struct vp *vp = NULL; (vp = vp_set_next(s, p, vp)) != NULL;)

#endif
