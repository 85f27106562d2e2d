/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitor pages: where they are seen, what they ask for, when they are to be looked at.
 *
 * Guests write to a page whenever they like, so each word is read once.  What the
 * specification leaves open (O33): a trigger's pending bit is cleared when it is taken, Armed and
 * the reserved areas are the guests' own; latency 0 means that nobody has a wish; the page lives as
 * long as its port.
 *
 * Locks.  A page's own lock says who sees it.  It is never held while others are waited for: who takes a view away
 * owns it from then on, and flushes and frees it without the lock.  A page is in its sender's list from before
 * the sender sees it until he has been told that nobody looks; the list's lock keeps it there while it is looked at.
 */
#include "monitor.h"

#include <stdatomic.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"

/* Distance of two looks at a group: the least and the most, and that of one that nobody has enabled or given a latency. */
#define SHORTEST_NS INT64_C(100000)
#define LONGEST_NS INT64_C(5000000)
#define IDLE_NS INT64_C(10000000)
#define LATENCY_NS 100

/* Of one partition, that it receives or sends by: each costs time whenever it is looked at (T14.9.1.w, T14.9.3.s). */
enum { MONITORS_MAX = 64 };
enum { RIGHTS = X86_PAGE_READ | X86_PAGE_WRITE };

struct monitor {
	/* Set once. */
	struct monitors *of;                 /* the receiver's */
	enum monitor_frame frame;
	struct hv_monitor_page *page;        /* in the host; there while `receiver` is */
	struct lock lock;                    /* LOCK_MONITOR; the next three */
	struct msr_page *receiver;           /* NULL: closed */
	struct msr_page *sender;             /* the same frame; NULL: nobody sends */
	struct monitors *from;               /* the sender's, with a reference to its partition; NULL likewise */
	int64_t due[HV_MONITOR_GROUPS];      /* from->lock */
};

struct monitor_signal {
	uint32_t connection;
	uint16_t flag;
};
enum { MONITOR_SIGNALS = HV_MONITOR_GROUPS * HV_MONITOR_TRIGGERS };

/* ---- content ---- */

static void clear(struct hv_monitor_page *page)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)page;

	for (unsigned i = 0; i < sizeof *page / 8; i++)
		atomic_store_explicit(&word[i], 0, memory_order_relaxed);
}

void monitor_clear(struct monitor *m)
{
	lock_acquire(&m->lock);
	if (m->receiver)
		clear(m->page);
	lock_release(&m->lock);
}

/* Locks: that of the sender's list held. */
static void tell(struct monitor *m, bool looking)
{
	if (looking || MUTANT(monitor_silent))
		__atomic_fetch_and(&m->page->state, ~HV_MONITOR_DISABLED, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_or(&m->page->state, HV_MONITOR_DISABLED, __ATOMIC_SEQ_CST);
}

/* T14.8.10.d: the lowest that one of its triggers has. */
static int64_t interval(const uint16_t latency[HV_MONITOR_TRIGGERS])
{
	unsigned lowest = 0;

	for (unsigned t = 0; t < HV_MONITOR_TRIGGERS; t++) {
		unsigned v = __atomic_load_n(&latency[t], __ATOMIC_RELAXED);

		if (v && (!lowest || v < lowest))
			lowest = v;
	}
	return lowest ? CLAMP((int64_t)lowest * LATENCY_NS, SHORTEST_NS, LONGEST_NS) : IDLE_NS;   /* T14.5.2.a */
}

static unsigned take_group(struct hv_monitor_page *page, unsigned g, struct monitor_signal *signal)
{
	uint32_t pending = __atomic_exchange_n(&page->group[g].pending, 0, __ATOMIC_SEQ_CST);
	unsigned n = 0;

	if (MUTANT(monitor_trigger_0))
		pending &= UINT32_MAX - 1;
	for (; pending; pending &= pending - 1) {
		const struct hv_monitor_parameter *p = &page->parameter[g][__builtin_ctz(pending)];

		/* T14.5.3.a, T14.8.9.2.a */
		signal[n].connection = __atomic_load_n(&p->connection_id, __ATOMIC_RELAXED);
		signal[n++].flag = __atomic_load_n(&p->flag, __ATOMIC_RELAXED);
	}
	return n;
}

/* Locks: that of the sender's list held.  How many. */
static unsigned take(struct monitor *m, int64_t now, struct monitor_signal signal[MONITOR_SIGNALS])
{
	uint32_t state = __atomic_load_n(&m->page->state, __ATOMIC_SEQ_CST);
	unsigned n = 0;

	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
		bool enabled = state >> g & 1 || MUTANT(monitor_group_disabled);   /* T14.8.10.a, T14.8.10.b */

		if (m->due[g] > now)
			continue;
		m->due[g] = now == INT64_MAX ? 0 : now + (enabled ? interval(m->page->latency[g]) : IDLE_NS);
		if (enabled)
			n += take_group(m->page, g, signal + n);
	}
	return n;
}

/* When it wants to be looked at next.  Locks: as above. */
static int64_t due(const struct monitor *m)
{
	int64_t at = m->due[0];

	for (unsigned g = 1; g < HV_MONITOR_GROUPS; g++)
		at = MIN(at, m->due[g]);
	return at;
}

/* ---- pages of a partition's ports ---- */

void monitors_init(struct monitors *s, struct partition *p)
{
	s->partition = p;
	lock_init(&s->lock, LOCK_PORT, "monitor pages");
	s->sent = g_ptr_array_new();
	s->spare = g_ptr_array_new();
	atomic_init(&s->look_at, INT64_MAX);
}

void monitors_end(struct monitors *s)
{
	GPtrArray *sent, *spare;

	lock_acquire(&s->lock);
	sent = g_steal_pointer(&s->sent);
	spare = g_steal_pointer(&s->spare);
	lock_release(&s->lock);
	assert(!sent->len);
	for (guint i = 0; i < spare->len; i++)
		msr_page_free(g_ptr_array_index(spare, i));
	g_ptr_array_free(spare, TRUE);
	g_ptr_array_free(sent, TRUE);
}

static void uncount(struct monitors *s)
{
	lock_acquire(&s->lock);
	s->pages--;
	lock_release(&s->lock);
}

/* One that is left over if there is; NULL: *why. */
static struct msr_page *page_get(struct monitors *s, enum monitor_frame frame, hv_status *why)
{
	struct msr_page *page = NULL;
	bool may;

	*why = HV_STATUS_NO_RESOURCES;                     /* T14.9.1.w */
	lock_acquire(&s->lock);
	may = s->spare && (s->pages < MONITORS_MAX || MUTANT(monitor_no_limit));
	if (may && frame == MONITOR_OWN && s->spare->len)
		page = g_ptr_array_steal_index_fast(s->spare, s->spare->len - 1);
	s->pages += may;
	lock_release(&s->lock);
	if (!may)
		return NULL;
	if (page) {
		clear(msr_page_host(page));
		return page;
	}
	page = frame == MONITOR_PAID ? msr_page_paid(s->partition, RIGHTS) : msr_page_new(s->partition, RIGHTS);
	if (page)
		return page;
	uncount(s);
	if (frame == MONITOR_PAID)
		*why = HV_STATUS_INSUFFICIENT_MEMORY;      /* T14.9.1.v */
	return NULL;
}

/* Nobody sees it.  Only pools take frames back before the end of the partition. */
static void page_put(struct monitors *s, enum monitor_frame frame, struct msr_page *page)
{
	bool kept = false;

	lock_acquire(&s->lock);
	if (frame == MONITOR_OWN && s->spare) {
		g_ptr_array_add(s->spare, page);
		kept = true;
	}
	s->pages--;
	lock_release(&s->lock);
	if (!kept)
		msr_page_free(page);
}

hv_status monitor_new(struct monitors *of, enum monitor_frame frame, struct monitor **m)
{
	hv_status s;
	struct msr_page *page = page_get(of, frame, &s);

	if (!page)
		return s;
	*m = g_new0(struct monitor, 1);
	(*m)->of = of;
	(*m)->frame = frame;
	(*m)->receiver = page;
	(*m)->page = msr_page_host(page);
	lock_init(&(*m)->lock, LOCK_MONITOR, "monitor page");
	return HV_STATUS_SUCCESS;
}

void monitor_free(struct monitor *m)
{
	assert(!m->receiver && !m->sender);
	lock_destroy(&m->lock);
	g_free(m);
}

size_t monitor_bytes(void)
{
	return sizeof(struct monitor);
}

/* ---- who sees it ---- */

void monitor_show(struct monitor *m, struct vp *self, uint64_t gpa)
{
	lock_acquire(&m->lock);
	if (m->receiver)
		msr_page_show(m->receiver, gpa | HV_MSR_PAGE_ENABLE);   /* T14.9.1.x */
	lock_release(&m->lock);
	partition_flush(m->of->partition, self);
}

/* Locks: m->lock held. */
static hv_status list(struct monitor *m, struct monitors *by)
{
	hv_status s = HV_STATUS_NO_RESOURCES;              /* T14.9.3.s */

	lock_acquire(&by->lock);
	if (by->sent && (by->sent->len < MONITORS_MAX || MUTANT(monitor_no_limit))) {
		for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++)
			m->due[g] = 0;
		tell(m, atomic_load(&by->looking));
		g_ptr_array_add(by->sent, m);
		atomic_store(&by->look_at, 0);
		s = HV_STATUS_SUCCESS;
	}
	lock_release(&by->lock);
	return s;
}

static hv_status connect(struct monitor *m, struct monitors *by, uint64_t gpa)
{
	hv_status s = HV_STATUS_INVALID_PORT_ID;

	lock_acquire(&m->lock);
	if (m->receiver && !m->sender)
		s = list(m, by);
	if (s == HV_STATUS_SUCCESS) {
		m->from = by;
		m->sender = MUTANT(monitor_two_pages) ? msr_page_new(by->partition, RIGHTS) :
			    msr_page_alias(m->receiver, by->partition);                     /* T14.5.4.c */
		msr_page_show(m->sender, gpa | HV_MSR_PAGE_ENABLE);                         /* T14.9.3.t */
	}
	lock_release(&m->lock);
	return s;
}

hv_status monitor_connect(struct monitor *m, struct monitors *by, struct vp *self, uint64_t gpa)
{
	struct partition *p = partition_ref(by->partition);
	hv_status s = connect(m, by, gpa);
	struct vp *first = partition_vp(p, 0);

	if (s != HV_STATUS_SUCCESS) {
		partition_unref(p);
		return s;
	}
	partition_monitored(p, 1);
	partition_flush(p, self);
	if (first)
		vp_deadline_changed(first);
	return s;
}

/* The sender's view, which is the caller's from then on. */
struct view {
	struct msr_page *page;               /* NULL: there is none */
	struct monitors *from;
};

/* Locks: m->lock held. */
static struct view view_take(struct monitor *m)
{
	struct view v = { m->sender, m->from };

	if (!v.page)
		return v;
	lock_acquire(&v.from->lock);
	tell(m, false);
	g_ptr_array_remove_fast(v.from->sent, m);
	lock_release(&v.from->lock);
	msr_page_show(v.page, 0);
	m->sender = NULL;
	m->from = NULL;
	return v;
}

static void view_end(struct view v, struct vp *self)
{
	struct partition *p;

	if (!v.page)
		return;
	p = v.from->partition;
	partition_flush(p, self);
	msr_page_free(v.page);
	partition_monitored(p, -1);
	partition_unref(p);
}

void monitor_disconnect(struct monitor *m, struct vp *self)
{
	struct view v;

	lock_acquire(&m->lock);
	v = view_take(m);
	lock_release(&m->lock);
	view_end(v, self);
}

void monitor_close(struct monitor *m, struct vp *self)
{
	struct msr_page *page;
	struct view v = { NULL, NULL };

	lock_acquire(&m->lock);
	page = g_steal_pointer(&m->receiver);
	if (!MUTANT(monitor_outlives))
		v = view_take(m);
	msr_page_show(page, 0);
	lock_release(&m->lock);
	partition_flush(m->of->partition, self);
	view_end(v, self);
	page_put(m->of, m->frame, page);
}

/* ---- who looks ---- */

void monitors_tell(struct monitors *s, bool looking)
{
	lock_acquire(&s->lock);
	atomic_store(&s->looking, looking);
	for (guint i = 0; s->sent && i < s->sent->len; i++)
		tell(g_ptr_array_index(s->sent, i), looking);
	lock_release(&s->lock);
}

void monitors_wake(struct monitors *s)
{
	lock_acquire(&s->lock);
	if (s->sent && s->sent->len)
		atomic_store(&s->look_at, 0);
	lock_release(&s->lock);
}

int64_t monitors_due(struct monitors *s)
{
	return atomic_load(&s->look_at);
}

unsigned monitors_sent(struct monitors *s)
{
	unsigned n;

	lock_acquire(&s->lock);
	n = s->sent ? s->sent->len : 0;
	lock_release(&s->lock);
	return n;
}

static void look_at_one(struct monitors *s, unsigned n, int64_t now, monitor_signal_fn signal)
{
	struct monitor_signal what[MONITOR_SIGNALS];
	struct partition *p = s->partition;
	unsigned taken = 0;

	lock_acquire(&s->lock);
	if (s->sent && n < s->sent->len) {
		struct monitor *m = g_ptr_array_index(s->sent, n);

		taken = take(m, now, what);
		atomic_store(&s->look_at, MIN(atomic_load(&s->look_at), due(m)));
		if (MUTANT(monitor_of_receiver))
			p = m->of->partition;
	}
	lock_release(&s->lock);
	for (unsigned i = 0; i < taken; i++)
		signal(p, what[i].connection, what[i].flag);
}

void monitors_look(struct monitors *s, int64_t now, monitor_signal_fn signal)
{
	if (MUTANT(monitor_blind))
		return;
	atomic_store(&s->look_at, INT64_MAX);
	/* Backwards: one that goes meanwhile leaves its place to the last, which has been looked at. */
	for (unsigned n = monitors_sent(s); n-- > 0;)
		look_at_one(s, n, now, signal);
}
