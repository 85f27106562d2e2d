/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A partition gives pages of its own to those that it made (chapter 8).
 *
 * A child's map leads straight to the frame, however many partitions are in between, so what a page leads to is
 * decided when it is mapped.  What must hold of all maps of a family at any time is kept by its maps_lock: a
 * partition that a parent made has a frame only while its parent's map has it, with no more rights than that.
 * So who takes a frame from a partition takes it from those below as well; their pages then are mapped
 * without access, and what their VPs do there is their parent's business.
 *
 * Parents of a machine's making may hand on what their machine gave them, whatever rights they have left
 * themselves (T8.1.1.f); others no more than they have.
 */
#include "call.h"

#include "accel/hvtlfs/mutant.h"
#include "hv/gpa.h"
#include "partition.h"
#include "target/i386/mem.h"
#include "trace/log.h"

enum { ALL_RIGHTS = X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC };

/* What an element of a call asks for. */
struct change {
	struct partition *p;         /* whose pages */
	uint64_t at, pages;
	uint64_t source;             /* page of the caller; if content is 0 */
	uint32_t rights;             /* X86_PAGE_* */
	uint32_t content;            /* HV_MAP_GPA_CONTENT */
	uint32_t unseen, seen;       /* of struct gpa_target: what goes, what comes */
};

static void log_pages(const struct partition *p, uint64_t at, uint64_t pages, const char *what, uint32_t rights)
{
	if (log_on(LOG_GPA))
		log_print(LOG_GPA, "%s: page %#" PRIx64 "+%" PRIu64 " %s %s%s%s\n", p->name, at, pages, what,
			  rights & X86_PAGE_READ ? "r" : "-", rights & X86_PAGE_WRITE ? "w" : "-",
			  rights & X86_PAGE_EXEC ? "x" : "-");
}

/* ---- flags ---- */

/* Those that say nothing of a page here: caches are coherent, and all mappings are as adjustable as each other. */
#define FLAGS_WITHOUT_EFFECT (HV_MAP_GPA_ADJUSTABLE | HV_MAP_GPA_NOT_CACHED | HV_MAP_GPA_RANGE_NOT_ACCESSED)
#define FLAGS_SEEN (HV_MAP_GPA_CLEAR_ACCESSED | HV_MAP_GPA_SET_ACCESSED | HV_MAP_GPA_CLEAR_DIRTY | HV_MAP_GPA_SET_DIRTY)
#define FLAGS_KNOWN \
	(HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE | HV_MAP_GPA_USER_EXECUTABLE | \
	 HV_MAP_GPA_CONTENT | HV_MAP_GPA_LARGE_PAGE | FLAGS_SEEN | FLAGS_WITHOUT_EFFECT)

static bool flags_legal(uint32_t flags)
{
	bool read = flags & HV_MAP_GPA_READABLE, write = flags & HV_MAP_GPA_WRITABLE;
	bool exec = flags & HV_MAP_GPA_KERNEL_EXECUTABLE, user = flags & HV_MAP_GPA_USER_EXECUTABLE;

	if (flags & ~FLAGS_KNOWN)
		return false;
	/* There is one right to execute.  The 2009 text knows one bit of it. */
	if ((write || exec) && !read)
		return false;
	if (user && !exec)
		return false;
	switch (flags & HV_MAP_GPA_CONTENT) {
	case 0:
		return true;
	case HV_MAP_GPA_NO_ACCESS:
		return !read;
	default:
		return read && !write;
	}
}

static uint32_t seen_bits(bool accessed, bool dirty)
{
	return (accessed ? GPA_ACCESSED : 0) | (dirty ? GPA_DIRTY : 0);
}

static void flags_seen(struct change *m, uint32_t flags)
{
	m->unseen = seen_bits(flags & HV_MAP_GPA_CLEAR_ACCESSED, flags & HV_MAP_GPA_CLEAR_DIRTY);
	m->seen = seen_bits(flags & HV_MAP_GPA_SET_ACCESSED, flags & HV_MAP_GPA_SET_DIRTY);
}

static uint32_t flags_rights(uint32_t flags)
{
	return (flags & HV_MAP_GPA_READABLE ? X86_PAGE_READ : 0) | (flags & HV_MAP_GPA_WRITABLE ? X86_PAGE_WRITE : 0) |
	       (flags & HV_MAP_GPA_KERNEL_EXECUTABLE ? X86_PAGE_EXEC : 0);
}

/* @n-th of a row of pages or large pages; wraps to what is no page number. */
static uint64_t nth(uint64_t base, uint32_t n, uint64_t pages)
{
	return n * pages > UINT64_MAX - base ? UINT64_MAX : base + n * pages;
}

static bool in_space(const struct partition *p, uint64_t at, uint64_t pages)
{
	return at < p->map.pages && pages <= p->map.pages - at && at % pages == 0;
}

/* ---- frames and who has them.  Locks: the family's maps_lock held ---- */

static bool has_frame(const struct gpa_target *t)
{
	return t->frame.v != SPN_NONE.v;
}

/* Frames that are the hypervisor's own are everybody's. */
static bool is_shared(const struct hv *hv, const struct gpa_target *t)
{
	return has_frame(t) && t->frame.v != hv->zeros.v && t->frame.v != hv->ones.v;
}

static void frames_count(struct hv *hv, const struct gpa_target *t, uint64_t pages, uint32_t by)
{
	if (!is_shared(hv, t))
		return;
	for (uint64_t i = 0; i < pages; i++) {
		struct frame *f = frames_descriptor(&hv->frames, (spn_t){ t->frame.v + i });

		atomic_fetch_add(&f->maps, by);
		if (t->rights)
			atomic_fetch_add(&f->shares, by);
	}
}

static bool any_pooled(struct hv *hv, spn_t first, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		if (atomic_load(&frames_descriptor(&hv->frames, (spn_t){ first.v + i })->pooled))
			return true;
	return false;
}

/* The old mappings of a range are about to go.  Those below may have them: changed_end(). */
static void forget(struct hv_ctx *c, const struct change *m)
{
	struct partition *p = m->p;
	struct gpa_target t;
	bool mapped;

	for (uint64_t done = 0, n; done < m->pages; done += n) {
		n = gpa_map_run(&p->map, (gpn_t){ m->at + done }, m->pages - done, &t, &mapped);
		if (!mapped || !has_frame(&t))
			continue;
		c->changed += n;
		frames_count(p->hv, &t, n, (uint32_t)-1);
		if (!atomic_load(&p->has_children) || !is_shared(p->hv, &t))
			continue;
		if (!c->kept)
			c->kept = g_array_new(FALSE, FALSE, sizeof t.frame.v);
		for (uint64_t i = 0; i < n; i++, t.frame.v++)
			g_array_append_val((GArray *)c->kept, t.frame.v);
	}
}

/* Pays for the tables that a change needs.  Locks: p->lock held. */
static bool pay(struct partition *p, uint64_t at, uint64_t pages)
{
	return pool_charge(&p->pool, gpa_map_cost(&p->map, (gpn_t){ at }, pages));
}

/* A page in a pool stays where it is. */
static hv_status target_check(const struct change *m)
{
	struct gpa_target t;
	bool mapped;

	for (uint64_t done = 0, n; done < m->pages; done += n) {
		n = gpa_map_run(&m->p->map, (gpn_t){ m->at + done }, m->pages - done, &t, &mapped);
		if (mapped && has_frame(&t) && any_pooled(m->p->hv, t.frame, n))
			return HV_STATUS_OBJECT_IN_USE;            /* T7.3.1.d, T8.3.1.e, T8.3.2.d */
	}
	return HV_STATUS_SUCCESS;
}

/* ---- map ---- */

/* What the pages from @done on become, *n of them. */
static hv_status source_run(struct partition *from, const struct change *m, uint64_t done, uint64_t *n,
			    struct gpa_target *t)
{
	const uint32_t limit = X86_PAGE_READ | X86_PAGE_EXEC;
	struct hv *hv = m->p->hv;
	bool mapped;

	if (m->content == HV_MAP_GPA_NO_ACCESS) {
		*t = (struct gpa_target){ .frame = SPN_NONE };
		*n = m->pages - done;
		return HV_STATUS_SUCCESS;
	}
	if (m->content) {
		*t = (struct gpa_target){ .rights = m->rights, .limit = limit,
					  .frame = m->content == HV_MAP_GPA_ZERO_PAGE ? hv->zeros : hv->ones };
		*n = 1;
		return HV_STATUS_SUCCESS;
	}
	*n = gpa_map_run(&from->map, (gpn_t){ m->source + done }, m->pages - done, t, &mapped);
	if (!mapped || !has_frame(t))
		return HV_STATUS_OPERATION_DENIED;         /* T8.3.1.k */
	if (any_pooled(hv, t->frame, *n) && !MUTANT(map_pooled))
		return HV_STATUS_OPERATION_DENIED;         /* T8.3.1.d */
	if (from->by_parent)
		t->limit = t->rights;
	if (m->rights & ~t->limit)
		return HV_STATUS_ACCESS_DENIED;
	t->rights = m->rights;
	return HV_STATUS_SUCCESS;
}

/* *one: it is one piece. */
static hv_status source_check(struct partition *from, const struct change *m, bool *one)
{
	hv_status s = HV_STATUS_SUCCESS;
	struct gpa_target t;

	*one = true;
	for (uint64_t done = 0, n; done < m->pages && s == HV_STATUS_SUCCESS; done += n) {
		s = source_run(from, m, done, &n, &t);
		*one &= n == m->pages;
	}
	return s;
}

/* Locks: the family's maps_lock held, so what was checked stays so; p->lock held. */
static void map_checked(struct hv_ctx *c, const struct change *m)
{
	struct gpa_target t;

	log_pages(m->p, m->at, m->pages, "mapped", m->rights);
	forget(c, m);
	for (uint64_t done = 0, n; done < m->pages; done += n) {
		source_run(c->caller, m, done, &n, &t);
		t.seen = m->seen;
		frames_count(m->p->hv, &t, n, 1);
		gpa_map_put(&m->p->map, (gpn_t){ m->at + done }, n, &t);
	}
}

static hv_status map_child(struct hv_ctx *c, const struct change *m)
{
	struct partition *p = m->p;
	bool one;
	hv_status s = source_check(c->caller, m, &one);

	if (s == HV_STATUS_SUCCESS)
		s = target_check(m);
	if (s != HV_STATUS_SUCCESS)
		return s;
	lock_acquire(&p->lock);
	/* Several pieces go into one table of small pages. */
	if (pay(p, m->at, one ? m->pages : 1))
		map_checked(c, m);
	else
		s = HV_STATUS_INSUFFICIENT_MEMORY;         /* T8.3.1.m */
	lock_release(&p->lock);
	return s;
}

/*
 * A partition of a machine's making changes its rights; its memory stays where it is (T8.3.1.f, T8.3.1.g).
 * Those below are not concerned: T8.1.1.f.
 */
static hv_status map_self(struct hv_ctx *c, const struct change *m)
{
	struct partition *p = m->p;
	hv_status s;
	bool one;

	if (m->content & ~HV_MAP_GPA_NO_ACCESS || (!m->content && m->source != m->at))
		return HV_STATUS_ACCESS_DENIED;
	s = source_check(p, &(struct change){ .p = p, .pages = m->pages, .source = m->at, .rights = m->rights }, &one);
	if (s != HV_STATUS_SUCCESS)
		return target_check(m) == HV_STATUS_OBJECT_IN_USE ? HV_STATUS_ACCESS_DENIED : s;
	log_pages(p, m->at, m->pages, "its own", m->rights);
	lock_acquire(&p->lock);
	gpa_map_change(&p->map, (gpn_t){ m->at }, m->pages, &(struct gpa_target){ .rights = ALL_RIGHTS },
		       &(struct gpa_target){ .rights = m->rights });
	lock_release(&p->lock);
	c->changed += m->pages;
	return HV_STATUS_SUCCESS;
}

/* T33.3.d */
static void count_change(struct partition *p, hv_status s)
{
	if (s == HV_STATUS_SUCCESS)
		atomic_fetch_add(&p->map_changes, 1);
}

static hv_status map(struct hv_ctx *c, uint64_t at, uint64_t source, uint32_t flags)
{
	struct lock *maps = &c->caller->family->maps_lock;
	struct change m = { .p = c->target, .at = at, .source = source, .pages = 1 };
	hv_status s;

	if (!flags_legal(flags) && !MUTANT(map_any_flags))
		return HV_STATUS_INVALID_PARAMETER;        /* T8.3.1.i */
	m.rights = flags_rights(flags);
	m.content = flags & HV_MAP_GPA_CONTENT;
	flags_seen(&m, flags);
	if (flags & HV_MAP_GPA_LARGE_PAGE)
		m.pages = HV_GPA_LARGE_PAGES;
	if (!in_space(c->target, at, m.pages) || (!m.content && !in_space(c->caller, source, m.pages)))
		return HV_STATUS_INVALID_PARAMETER;        /* T8.3.1.j */
	lock_acquire(maps);
	s = c->target == c->caller ? map_self(c, &m) : map_child(c, &m);
	lock_release(maps);
	count_change(m.p, s);
	return s;
}

static uint64_t pages_of(uint32_t flags, uint32_t large)
{
	return flags & large ? HV_GPA_LARGE_PAGES : 1;
}

static hv_status map_gpa_pages(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_map_gpa_pages *call = c->in;
	uint64_t at = nth(call->target_gpa_base, MUTANT(map_from_start) ? 0 : c->index,
			  pages_of(call->map_flags, HV_MAP_GPA_LARGE_PAGE));

	return map(c, at, *(const uint64_t *)in, call->map_flags);   /* T8.3.1.b */
}

static hv_status map_sparse_gpa_pages(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_sparse_gpa_pages *call = c->in;
	const struct hv_gpa_mapping *element = in;

	return map(c, element->target_gpa_page, element->source_gpa_page, call->map_flags);
}

/* ---- unmap ---- */

static bool any_mapped(const struct change *m)
{
	struct gpa_target t;
	bool mapped = false;

	for (uint64_t done = 0; done < m->pages && !mapped;)
		done += gpa_map_run(&m->p->map, (gpn_t){ m->at + done }, m->pages - done, &t, &mapped);
	return mapped;
}

static hv_status unmap(struct hv_ctx *c, const struct change *m)
{
	hv_status s = target_check(m);

	if (s != HV_STATUS_SUCCESS || !any_mapped(m))
		return s;                                  /* T8.3.2.c: without a table that could be paid for */
	lock_acquire(&m->p->lock);
	if (pay(m->p, m->at, m->pages)) {
		log_pages(m->p, m->at, m->pages, "unmapped", 0);
		forget(c, m);
		gpa_map_clear(&m->p->map, (gpn_t){ m->at }, m->pages);
	} else {
		s = HV_STATUS_INSUFFICIENT_MEMORY;
	}
	lock_release(&m->p->lock);
	return s;
}

static hv_status unmap_gpa_pages(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_unmap_gpa_pages *call = c->in;
	struct lock *maps = &c->caller->family->maps_lock;
	struct change m = { .p = c->target, .pages = pages_of(call->flags, HV_UNMAP_GPA_LARGE_PAGE) };
	hv_status s;

	if (call->flags & ~HV_UNMAP_GPA_LARGE_PAGE)
		return HV_STATUS_INVALID_PARAMETER;
	m.at = nth(call->target_gpa_base, c->index, m.pages);
	if (!in_space(m.p, m.at, m.pages))
		return HV_STATUS_INVALID_PARAMETER;        /* T8.3.2.g */
	lock_acquire(maps);
	s = unmap(c, &m);
	lock_release(maps);
	count_change(m.p, s);
	return s;
}

/* ---- modify ---- */

static hv_status modify_check(const struct change *m)
{
	struct gpa_target t;
	bool mapped;

	for (uint64_t done = 0, n; done < m->pages; done += n) {
		n = gpa_map_run(&m->p->map, (gpn_t){ m->at + done }, m->pages - done, &t, &mapped);
		if (!mapped || (!has_frame(&t) && m->rights))
			return HV_STATUS_OPERATION_DENIED;
		if (m->rights & ~t.limit)
			return HV_STATUS_ACCESS_DENIED;
	}
	return target_check(m);
}

/* Locks: as map_checked(). */
static void modify_checked(struct hv_ctx *c, const struct change *m)
{
	struct partition *p = m->p;
	struct gpa_target t;
	bool mapped;

	log_pages(p, m->at, m->pages, "modified", m->rights);
	forget(c, m);
	for (uint64_t done = 0, n; done < m->pages; done += n) {
		n = gpa_map_run(&p->map, (gpn_t){ m->at + done }, m->pages - done, &t, &mapped);
		if (!has_frame(&t))
			continue;
		t.rights = m->rights;
		frames_count(p->hv, &t, n, 1);
	}
	gpa_map_change(&p->map, (gpn_t){ m->at }, m->pages, &(struct gpa_target){ .rights = ALL_RIGHTS, .seen = m->unseen },
		       &(struct gpa_target){ .rights = m->rights, .seen = m->seen });
}

static hv_status modify(struct hv_ctx *c, const struct change *m)
{
	hv_status s = modify_check(m);

	if (s != HV_STATUS_SUCCESS)
		return s;
	lock_acquire(&m->p->lock);
	if (pay(m->p, m->at, m->pages))
		modify_checked(c, m);
	else
		s = HV_STATUS_INSUFFICIENT_MEMORY;
	lock_release(&m->p->lock);
	return s;
}

static hv_status modify_sparse_gpa_pages(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_sparse_gpa_pages *call = c->in;
	struct lock *maps = &c->caller->family->maps_lock;
	struct change m = { .p = c->target, .at = *(const uint64_t *)in,
			    .pages = pages_of(call->map_flags, HV_MAP_GPA_LARGE_PAGE) };
	hv_status s;

	/* Rights change, not what is there. */
	if (!flags_legal(call->map_flags) || call->map_flags & HV_MAP_GPA_CONTENT & ~HV_MAP_GPA_NO_ACCESS)
		return HV_STATUS_INVALID_PARAMETER;
	m.rights = flags_rights(call->map_flags);
	flags_seen(&m, call->map_flags);
	if (!in_space(m.p, m.at, m.pages))
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(maps);
	s = modify(c, &m);
	lock_release(maps);
	return s;
}

/* ---- what has been accessed ---- */

void gpa_space_track(struct partition *p, struct vp *self, bool on)
{
	if (on)
		gpa_map_change(&p->map, (gpn_t){ 0 }, p->map.pages, &(struct gpa_target){ .seen = GPA_ACCESSED | GPA_DIRTY },
			       &(struct gpa_target){ .seen = 0 });
	atomic_store(&p->tracked, on);
	/* From now on each first access asks. */
	partition_flush(p, self);
}

/* Whatever the map has there; 0 where nothing is mapped. */
static hv_status access_change(struct hv_ctx *c, const struct change *m, uint8_t *before)
{
	struct partition *p = m->p;
	hv_status s = HV_STATUS_SUCCESS;
	struct gpa_target t;
	bool mapped;

	gpa_map_run(&p->map, (gpn_t){ m->at }, 1, &t, &mapped);
	if (mapped)
		*before = (uint8_t)t.seen;
	if (!mapped || !(m->unseen | m->seen))
		return HV_STATUS_SUCCESS;
	lock_acquire(&p->lock);
	if (pay(p, m->at, 1)) {
		gpa_map_change(&p->map, (gpn_t){ m->at }, 1, &(struct gpa_target){ .seen = m->unseen },
			       &(struct gpa_target){ .seen = m->seen });
		c->changed += m->unseen != 0;
	} else {
		s = HV_STATUS_INSUFFICIENT_MEMORY;
	}
	lock_release(&p->lock);
	return s;
}

static hv_status get_gpa_pages_access_states(struct hv_ctx *c, const void *in, void *out)
{
	const struct hv_in_access_states *call = c->in;
	const uint64_t known = HV_ACCESS_CLEAR_ACCESSED | HV_ACCESS_SET_ACCESSED | HV_ACCESS_CLEAR_DIRTY | HV_ACCESS_SET_DIRTY;
	struct change m = {
		.p = c->target, .at = nth(call->first_gpa_page, c->index, 1), .pages = 1,
		.unseen = seen_bits(call->flags & HV_ACCESS_CLEAR_ACCESSED, call->flags & HV_ACCESS_CLEAR_DIRTY),
		.seen = seen_bits(call->flags & HV_ACCESS_SET_ACCESSED, call->flags & HV_ACCESS_SET_DIRTY),
	};
	hv_status s;

	if (call->flags & ~known || m.unseen & m.seen || !in_space(m.p, m.at, 1))
		return HV_STATUS_INVALID_PARAMETER;
	if (!atomic_load(&m.p->tracked))
		return HV_STATUS_OPERATION_DENIED;
	lock_acquire(&c->caller->family->maps_lock);
	s = access_change(c, &m, out);
	lock_release(&c->caller->family->maps_lock);
	return s;
}

/* ---- those below ---- */

/* Frames that a partition has lost, or has fewer rights on; and what its map still allows. */
struct lost {
	GArray *frames;              /* uint64_t, ascending */
	uint8_t *allowed;            /* X86_PAGE_*; a frame that is mapped without rights: MAPPED */
};
enum { MAPPED = 1 << 7 };

static gint by_number(gconstpointer a, gconstpointer b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Index of the first that is not below @frame. */
static guint lost_find(const struct lost *l, uint64_t frame)
{
	guint low = 0, high = l->frames->len;

	while (low < high) {
		guint middle = (low + high) / 2;

		if (g_array_index(l->frames, uint64_t, middle) < frame)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t lost_frame(const struct lost *l, guint i)
{
	return i < l->frames->len ? g_array_index(l->frames, uint64_t, i) : UINT64_MAX;
}

static void tally(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct lost *l = o;

	if (!has_frame(t))
		return;
	for (guint i = lost_find(l, t->frame.v); lost_frame(l, i) < t->frame.v + pages; i++)
		l->allowed[i] |= (uint8_t)t->rights | MAPPED;
}

/* Pages of a partition below whose frame is in a struct lost. */
struct loser {
	const struct lost *lost;
	GArray *pages;               /* struct lost_page */
};
struct lost_page {
	uint64_t at, run_at, run_pages;
	uint8_t allowed;
};

static void collect(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct loser *s = o;

	if (!has_frame(t))
		return;
	for (guint i = lost_find(s->lost, t->frame.v); lost_frame(s->lost, i) < t->frame.v + pages; i++) {
		uint8_t allowed = s->lost->allowed[i];
		struct lost_page page = { .at = at.v + lost_frame(s->lost, i) - t->frame.v, .run_at = at.v, .run_pages = pages,
					  .allowed = allowed };

		if (!(allowed & MAPPED) || t->limit & ~allowed)
			g_array_append_val(s->pages, page);
	}
}

/* @t with no more rights than @allowed. */
static struct gpa_target clipped(const struct gpa_target *t, uint8_t allowed)
{
	if (!(allowed & MAPPED))
		return (struct gpa_target){ .frame = SPN_NONE };
	return (struct gpa_target){ .frame = t->frame, .rights = t->rights & allowed, .limit = t->limit & allowed };
}

/* Locks: p->lock held. */
static void clip(struct partition *p, uint64_t at, uint64_t pages, uint8_t allowed, GArray *frames)
{
	struct gpa_target t, now;
	bool mapped;

	for (uint64_t done = 0, n; done < pages; done += n) {
		n = gpa_map_run(&p->map, (gpn_t){ at + done }, pages - done, &t, &mapped);
		if (!mapped || !has_frame(&t))
			continue;
		now = clipped(&t, allowed);
		log_pages(p, at + done, n, "lost", now.rights);
		frames_count(p->hv, &t, n, (uint32_t)-1);
		frames_count(p->hv, &now, n, 1);
		if (has_frame(&now))
			gpa_map_change(&p->map, (gpn_t){ at + done }, n,
				       &(struct gpa_target){ .rights = ~allowed & ALL_RIGHTS, .limit = ~allowed & ALL_RIGHTS },
				       &(struct gpa_target){ .rights = 0 });
		else
			gpa_map_put(&p->map, (gpn_t){ at + done }, n, &now);
		for (uint64_t i = 0; i < n; i++, t.frame.v++)
			g_array_append_val(frames, t.frame.v);
	}
}

/* Takes them; what it had to change goes to *frames. */
static void take_from(struct partition *p, const struct loser *s, GArray *frames)
{
	lock_acquire(&p->lock);
	for (guint i = 0; i < s->pages->len; i++) {
		const struct lost_page *l = &g_array_index(s->pages, struct lost_page, i);
		struct gpa_target t;
		bool mapped;

		gpa_map_run(&p->map, (gpn_t){ l->at }, 1, &t, &mapped);
		if (!mapped || !has_frame(&t))
			continue;
		if (pay(p, l->at, 1))
			clip(p, l->at, 1, l->allowed, frames);
		else
			/* A large page, and the pool has no table for its pages: it goes as a whole. */
			clip(p, l->run_at, l->run_pages, 0, frames);
	}
	lock_release(&p->lock);
}

/*
 * @frames, which is consumed, is what @p may have lost.  Partitions whose maps have changed are added to
 * @changed, with a reference.  Locks: the family's maps_lock held.
 */
static void revoke_below(struct partition *p, GArray *frames, GPtrArray *changed)
{
	struct lost lost = { .frames = frames };
	GPtrArray *children = partition_children(p);

	g_array_sort(frames, by_number);
	lost.allowed = g_new0(uint8_t, frames->len);
	gpa_map_foreach(&p->map, tally, &lost);
	for (guint i = 0; i < children->len; i++) {
		struct partition *child = g_ptr_array_index(children, i);
		struct loser s = { .lost = &lost, .pages = g_array_new(FALSE, FALSE, sizeof(struct lost_page)) };
		GArray *below = g_array_new(FALSE, FALSE, sizeof(uint64_t));

		if (child->by_parent)
			gpa_map_foreach(&child->map, collect, &s);
		take_from(child, &s, below);
		g_array_free(s.pages, TRUE);
		if (below->len) {
			g_ptr_array_add(changed, partition_ref(child));
			revoke_below(child, below, changed);
		} else {
			g_array_free(below, TRUE);
		}
	}
	g_ptr_array_free(children, TRUE);
	g_free(lost.allowed);
	g_array_free(frames, TRUE);
}

/* Of what @p has lost, only that may be mapped below which somebody still maps. */
static GArray *still_mapped(struct hv *hv, const GArray *frames)
{
	GArray *some = g_array_new(FALSE, FALSE, sizeof(uint64_t));

	for (guint i = 0; i < frames->len; i++) {
		spn_t frame = { g_array_index(frames, uint64_t, i) };

		if (atomic_load(&frames_descriptor(&hv->frames, frame)->maps))
			g_array_append_val(some, frame.v);
	}
	return some;
}

static void take_below(struct hv_ctx *c)
{
	struct lock *maps = &c->target->family->maps_lock;
	GPtrArray *changed = g_ptr_array_new_with_free_func((GDestroyNotify)partition_unref);
	GArray *frames;

	lock_acquire(maps);
	frames = still_mapped(c->target->hv, c->kept);
	if (frames->len)
		revoke_below(c->target, frames, changed);
	else
		g_array_free(frames, TRUE);
	lock_release(maps);
	for (guint i = 0; i < changed->len; i++)
		partition_flush(g_ptr_array_index(changed, i), c->vp);
	g_ptr_array_free(changed, TRUE);
	g_array_free(c->kept, TRUE);
}

/* When the call returns, no VP has a translation to what the target, or one below it, has no more. */
static void changed_end(struct hv_ctx *c)
{
	if (c->kept)
		take_below(c);
	if (c->changed && !MUTANT(map_no_flush))
		partition_flush(c->target, c->vp);
}

/* ---- end of a partition ---- */

static void uncount(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	frames_count(o, t, pages, (uint32_t)-1);
}

void gpa_space_clear(struct partition *p)
{
	lock_acquire(&p->family->maps_lock);
	if (p->by_parent)
		gpa_map_foreach(&p->map, uncount, p->hv);
	gpa_map_clear(&p->map, (gpn_t){ 0 }, p->map.pages);
	lock_release(&p->family->maps_lock);
}

struct reduced {
	gpn_t at;
	uint64_t pages;
	struct gpa_target as_given;
};

static void find_reduced(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct reduced r = { .at = at, .pages = pages, .as_given = *t };

	r.as_given.rights = t->limit;
	if (t->rights != t->limit)
		g_array_append_val((GArray *)o, r);
}

void gpa_space_reset(struct partition *p)
{
	GArray *all = g_array_new(FALSE, FALSE, sizeof(struct reduced));

	lock_acquire(&p->family->maps_lock);
	gpa_map_foreach(&p->map, find_reduced, all);
	for (guint i = 0; i < all->len; i++) {
		const struct reduced *r = &g_array_index(all, struct reduced, i);

		gpa_map_put(&p->map, r->at, r->pages, &r->as_given);
	}
	lock_release(&p->family->maps_lock);
	g_array_free(all, TRUE);
}

const struct hv_call gpa_calls[] = {
	{ HV_CALL_MAP_GPA_PAGES, "HvMapGpaPages", "8.3.1", .in = sizeof(struct hv_in_map_gpa_pages), .in_elem = 8,
	  .flags = CALL_REP, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .element = map_gpa_pages, .end = changed_end },
	{ HV_CALL_UNMAP_GPA_PAGES, "HvUnmapGpaPages", "8.3.2", .in = sizeof(struct hv_in_unmap_gpa_pages),
	  .flags = CALL_REP, .on = CALL_ON_CHILD, .element = unmap_gpa_pages, .end = changed_end },
	{ HV_CALL_MAP_SPARSE_GPA_PAGES, "HvMapSparseGpaPages", "8.3.3", .in = sizeof(struct hv_in_sparse_gpa_pages),
	  .in_elem = sizeof(struct hv_gpa_mapping), .flags = CALL_REP, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF,
	  .element = map_sparse_gpa_pages, .end = changed_end },
	{ HV_CALL_MODIFY_SPARSE_GPA_PAGES, "HvModifySparseGpaPages", "later revisions",
	  .in = sizeof(struct hv_in_sparse_gpa_pages), .in_elem = 8, .flags = CALL_REP, .on = CALL_ON_CHILD,
	  .element = modify_sparse_gpa_pages, .end = changed_end },
	{ HV_CALL_GET_GPA_PAGES_ACCESS_STATES, "HvGetGpaPagesAccessStates", "later revisions",
	  .in = sizeof(struct hv_in_access_states), .out_elem = 1, .flags = CALL_REP, .on = CALL_ON_CHILD,
	  .element = get_gpa_pages_access_states, .end = changed_end },
	{ .name = NULL },
};
