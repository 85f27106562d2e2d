/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page.h"

#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"
#include "target/i386/mem.h"

static const uint8_t zeros[HV_PAGE_SIZE];

/* Locks: p->lock held.  It goes with the partition's others. */
static bool own_frame(struct partition *p, spn_t *frame)
{
	struct extent e = { .count = 1, .owner = p, .kind = FRAME_HYPERVISOR };

	if (!frames_take(&p->hv->frames, 1, p, FRAME_HYPERVISOR, frame))
		return false;
	e.first = frame->v;
	g_array_append_val(p->extents, e);
	return true;
}

/*
 * The root does not choose where these pages are: it takes what it finds in the MSR and sets the enable
 * bit.  So each has a page of its own at the end of the GPA space, where no memory is, and is seen there from the start: Linux
 * looks at its assist page for an EOI that need not be made before it has set that bit.
 */
static uint64_t home_of(struct partition *p)
{
	if (!partition_is_root(p))
		return 0;
	return (p->map.pages - 1 - atomic_fetch_add(&p->homes, 1)) << HV_PAGE_SHIFT;
}

static struct msr_page *page_of(struct partition *p, spn_t frame, uint32_t rights)
{
	struct msr_page *m = g_new0(struct msr_page, 1);

	m->partition = p;
	m->page = (struct overlay){ .frame = frame, .rights = rights, .at = GPN_NOWHERE };
	return m;
}

struct msr_page *msr_page_paid(struct partition *p, uint32_t rights)
{
	struct msr_page *m;
	spn_t frame;
	bool got;

	lock_acquire(&p->lock);
	got = pool_take(&p->pool, &frame);
	lock_release(&p->lock);
	if (!got)
		return NULL;
	memory_fill(p, frame, zeros, sizeof zeros);
	m = page_of(p, frame, rights);
	m->source = PAGE_POOL;
	return m;
}

/* Where it is seen while it is not enabled. */
static gpn_t at_home(const struct msr_page *m)
{
	return m->home && !MUTANT(page_no_home) ? (gpn_t){ m->home >> HV_MSR_PAGE_SHIFT } : GPN_NOWHERE;
}

struct msr_page *msr_page_new(struct partition *p, uint32_t rights)
{
	struct msr_page *m;
	spn_t frame;
	bool got;

	if (p->by_parent)
		return msr_page_paid(p, rights);
	lock_acquire(&p->lock);
	got = own_frame(p, &frame);
	lock_release(&p->lock);
	if (!got)
		return NULL;
	m = page_of(p, frame, rights);
	m->source = PAGE_EXTENT;
	m->home = home_of(p);
	atomic_init(&m->value, m->home);
	gpa_map_overlay(&p->map, &m->page, at_home(m));
	return m;
}

struct msr_page *msr_page_alias(const struct msr_page *of, struct partition *p)
{
	return page_of(p, of->page.frame, of->page.rights);
}

void msr_page_free(struct msr_page *m)
{
	if (!m)
		return;
	gpa_map_overlay(&m->partition->map, &m->page, GPN_NOWHERE);
	if (m->source == PAGE_POOL) {
		lock_acquire(&m->partition->lock);
		pool_give(&m->partition->pool, m->page.frame);
		lock_release(&m->partition->lock);
	}
	g_free(m);
}

uint64_t msr_page_value(const struct msr_page *m)
{
	return atomic_load(&m->value);
}

bool msr_page_enabled(const struct msr_page *m)
{
	return atomic_load(&m->value) & HV_MSR_PAGE_ENABLE;
}

void *msr_page_host(const struct msr_page *m)
{
	return frames_host(&m->partition->hv->frames, m->page.frame);
}

void msr_page_set(struct msr_page *m, uint64_t value)
{
	bool enable = value & HV_MSR_PAGE_ENABLE || (MUTANT(page_stays) && msr_page_enabled(m));

	lock_assert_held(&m->partition->lock);
	atomic_store(&m->value, value);
	gpa_map_overlay(&m->partition->map, &m->page, enable ? (gpn_t){ value >> HV_MSR_PAGE_SHIFT } : at_home(m));
}

void msr_page_show(struct msr_page *m, uint64_t value)
{
	lock_acquire(&m->partition->lock);
	msr_page_set(m, value);
	lock_release(&m->partition->lock);
}

void msr_page_place(struct vp *vp, struct msr_page *m, uint64_t value)
{
	msr_page_show(m, value);
	partition_flush(m->partition, vp);
}

void msr_page_reset(struct msr_page *m)
{
	msr_page_show(m, m->home);
	memory_fill(m->partition, m->page.frame, zeros, sizeof zeros);
}
