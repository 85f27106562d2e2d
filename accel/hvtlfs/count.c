/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition.h"

/* The only writer, so no locked instruction. */
void vp_count(struct vp *vp, enum vp_count n)
{
	uint64_t v = atomic_load_explicit(&vp->count[n], memory_order_relaxed);

	atomic_store_explicit(&vp->count[n], v + 1, memory_order_relaxed);
}

void vp_count_shared(struct vp *vp, enum vp_count n)
{
	atomic_fetch_add_explicit(&vp->count[n], 1, memory_order_relaxed);
}

uint64_t vp_counted(struct vp *vp, enum vp_count n)
{
	return atomic_load_explicit(&vp->count[n], memory_order_relaxed);
}

static const struct { const char *name, *help; } counters[] = {
#define X(number, name, help) { name, help },
	VP_COUNTS(X)
#undef X
};

const char *vp_count_name(enum vp_count n) { return counters[n].name; }
const char *vp_count_help(enum vp_count n) { return counters[n].help; }
