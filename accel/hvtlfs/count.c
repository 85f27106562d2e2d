/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "partition.h"
#include "sync/futex.h"

/* The only writer, so no locked instruction. */
void vp_count_add(struct vp *vp, enum vp_count n, uint64_t more)
{
	uint64_t v = atomic_load_explicit(&vp->count[n], memory_order_relaxed);

	atomic_store_explicit(&vp->count[n], v + more, memory_order_relaxed);
}

void vp_count(struct vp *vp, enum vp_count n)
{
	vp_count_add(vp, n, 1);
}

bool vp_is_timed(const struct vp *vp)
{
	return atomic_load_explicit(&vp->timed, memory_order_relaxed);
}

int64_t vp_cost_begin(const struct vp *vp)
{
	return vp_is_timed(vp) ? monotonic_ns() : 0;
}

void vp_cost_end(struct vp *vp, enum vp_count n, int64_t from)
{
	if (from)
		vp_count_add(vp, n, (uint64_t)(monotonic_ns() - from - vp->cost_aside));
	vp->cost_aside = 0;
}

uint64_t vp_hypervisor_ns(struct vp *vp)
{
	uint64_t ns = 0;

	for (unsigned n = COUNT_FIRST_NS; n <= COUNT_LAST_NS; n++)
		ns += vp_counted(vp, (enum vp_count)n);
	return ns;
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
