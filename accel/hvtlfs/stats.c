/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Statistics pages (chapter 21, appendix J): what is counted anyway, where a guest can read it.
 *
 * A page of what a partition has asked for by a call is one of its own pool (T21.3.1.i), shown to it as an overlay;
 * the MSRs place pages that the partition and its VPs have from the start (T21.1.2.a).  While anybody sees one, a thread of
 * the machine writes the counters into it a hundred times a second: nothing that counts has to know of pages.
 */
#include "stats.h"

#include <string.h>
#include <sys/prctl.h>

#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "hv/msr.h"
#include "hv/stats.h"
#include "page.h"
#include "sync/futex.h"
#include "target/i386/mem.h"

#define REFRESH_NS 10000000
/* A walk through a GPA space that changes all the time. */
#define COUNT_PAGES_NS 100000000

static const uint8_t zeros[HV_PAGE_SIZE];

/* What a page tells of. */
struct object {
	uint32_t type;               /* HV_STATS_* */
	struct partition *of;        /* the root if it is global */
	uint32_t index;              /* of the VP or logical processor */
};

/* One that somebody sees. */
struct stats_page {
	struct object object;
	uint64_t *word;              /* in the host */
	/* By a call: who sees it, and where. */
	struct partition *viewer;    /* NULL: by an MSR */
	struct overlay overlay;
	/* By an MSR. */
	const struct msr_page *by;
	/* Of a partition: its mapped pages, as counted last. */
	uint64_t gpa_pages, gpa_changes;
	int64_t gpa_counted;
};

struct stats {
	struct lock lock;            /* LOCK_STATS: what follows, and the content of all pages */
	GPtrArray *pages;            /* struct stats_page * */
	bool stop;
	pthread_t thread;
	struct gate gate;
};

/* ---- content ---- */

static void put(const struct stats_page *s, unsigned word, uint64_t value)
{
	x86_host_st64(&s->word[word], value);
}

struct machine_sum {
	uint64_t partitions, vps, pages;
};

static uint64_t pool_pages(struct partition *p)
{
	uint64_t pages;

	lock_acquire(&p->lock);
	pages = pool_available(&p->pool) + pool_in_use(&p->pool);
	lock_release(&p->lock);
	return pages;
}

static struct machine_sum machine_sum(struct hv *hv)
{
	GPtrArray *all = hv_partitions(hv);
	struct machine_sum sum = { .partitions = all->len };

	for (guint i = 0; i < all->len; i++) {
		struct partition *p = g_ptr_array_index(all, i);

		/* Those of one that has been finalized are no VPs any more. */
		sum.vps += partition_is_active(p) ? partition_vp_count(p) : 0;
		sum.pages += pool_pages(p);
	}
	g_ptr_array_free(all, TRUE);
	return sum;
}

static void fill_hypervisor(const struct stats_page *s)
{
	struct machine_sum sum = machine_sum(s->object.of->hv);

	put(s, 0, HV_STATS_HEADER(HV_STATS_GROUP_A, HV_STATS_MINOR, HV_STATS_HV_LAST));
	put(s, HV_STATS_HV_LPS, partition_vp_count(s->object.of));   /* T6.1.2.a */
	put(s, HV_STATS_HV_PARTITIONS, sum.partitions - MUTANT(stats_partitions));
	put(s, HV_STATS_HV_PAGES, sum.pages);
	put(s, HV_STATS_HV_VPS, sum.vps);
	put(s, HV_STATS_HV_MONITORED, MUTANT(stats_monitored) ? 0 : atomic_load(&s->object.of->hv->monitored));
}

/* The root's VPs are the processors (T6.1.2.b). */
static void fill_lp(const struct stats_page *s)
{
	struct vp *vp = partition_vp(s->object.of, s->object.index);
	uint64_t run, hypervisor;

	put(s, 0, HV_STATS_HEADER(HV_STATS_GROUP_A, HV_STATS_MINOR, HV_STATS_LP_LAST));
	put(s, HV_STATS_LP_GLOBAL_TIME, partition_reference_time(s->object.of));
	put(s, HV_STATS_LP_ROOT_VP, s->object.index);
	put(s, HV_STATS_LP_TSC, host_tsc(s->object.of->hv));
	if (!vp)
		return;
	lp_times(vp, &run, &hypervisor);
	put(s, HV_STATS_LP_HYPERVISOR_TIME, hypervisor);
	put(s, HV_STATS_LP_RUN_TIME, run);
	put(s, HV_STATS_LP_INTERRUPTS, vp_counted(vp, COUNT_INTERRUPTS));
	put(s, HV_STATS_LP_HALTS, vp_counted(vp, COUNT_HALTS));
}

static void add_pages(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	uint64_t *sum = o;

	(void)at, (void)t;
	*sum += pages;
}

static void count_gpa_pages(struct stats_page *s)
{
	struct partition *p = s->object.of;
	uint64_t changes = atomic_load(&p->map_changes);
	int64_t now = monotonic_ns();

	if (!p->by_parent || changes == s->gpa_changes || now - s->gpa_counted < COUNT_PAGES_NS)
		return;
	s->gpa_pages = 0;
	gpa_map_foreach(&p->map, add_pages, &s->gpa_pages);
	s->gpa_changes = changes;
	s->gpa_counted = now;
}

static uint64_t children(struct partition *p)
{
	GPtrArray *all;
	uint64_t n;

	if (!atomic_load(&p->has_children))
		return 0;
	all = partition_children(p);
	n = all->len;
	g_ptr_array_free(all, TRUE);
	return n;
}

static void fill_partition(struct stats_page *s)
{
	struct partition *p = s->object.of;
	uint64_t flushes = 0, skipped = 0;

	count_gpa_pages(s);
	PARTITION_FOREACH_VP(vp, p) {
		flushes += x86_counted(&vp->cpu.count.flush_all);
		skipped += vp_counted(vp, COUNT_TIMERS_SKIPPED);
	}
	put(s, 0, HV_STATS_HEADER(HV_STATS_GROUP_A, HV_STATS_MINOR_2009, HV_STATS_PARTITION_V - 1));
	put(s, HV_STATS_PARTITION_VPS, partition_vp_count(p));
	put(s, HV_STATS_PARTITION_V, HV_STATS_HEADER(HV_STATS_GROUP_V, HV_STATS_MINOR, HV_STATS_PARTITION_LAST - HV_STATS_PARTITION_V));
	put(s, HV_STATS_PARTITION_DEPOSITED, pool_pages(p));
	put(s, HV_STATS_PARTITION_GPA_PAGES, s->gpa_pages);
	put(s, HV_STATS_PARTITION_GPA_CHANGES, atomic_load(&p->map_changes));
	put(s, HV_STATS_PARTITION_FLUSHES, flushes);
	put(s, HV_STATS_PARTITION_SKIPPED_TICKS, skipped);
	put(s, HV_STATS_PARTITION_ID, p->id);
	put(s, HV_STATS_PARTITION_CHILDREN, children(p));
}

/* Words that are a counter of the VP's as it is; in this order, so that some of which one is part of the other are so here. */
static const struct {
	uint16_t word;
	uint16_t count;              /* enum vp_count */
} vp_words[] = {
	{ HV_STATS_VP_HYPERCALLS, COUNT_HYPERCALLS },
	{ HV_STATS_VP_IO, COUNT_IO },
	{ HV_STATS_VP_HLT, COUNT_HLTS },
	{ HV_STATS_VP_CPUID, COUNT_CPUIDS },
	{ HV_STATS_VP_EMULATED, COUNT_MMIO },
	{ HV_STATS_VP_APIC_PAGE, COUNT_APIC_PAGE },
	{ HV_STATS_VP_IO_MESSAGES, COUNT_IO_MESSAGES },
	{ HV_STATS_VP_MEMORY_MESSAGES, COUNT_MEMORY_MESSAGES },
	{ HV_STATS_VP_EOIS, COUNT_EOIS },
	{ HV_STATS_VP_OTHER_MESSAGES, COUNT_OTHER_MESSAGES },
	{ HV_STATS_VP_TPRS, COUNT_TPRS },
	{ HV_STATS_VP_SYNTHETIC_INTERRUPTS, COUNT_SYNTHETIC_INTERRUPTS },
	{ HV_STATS_VP_VIRTUAL_INTERRUPTS, COUNT_VIRTUAL_INTERRUPTS },
	{ HV_STATS_VP_SELF_IPIS, COUNT_SELF_IPIS },
	{ HV_STATS_VP_IPIS, COUNT_IPIS },
	{ HV_STATS_VP_CALLS_GPA_SPACE, COUNT_CALLS_GPA_SPACE },
	{ HV_STATS_VP_CALLS_LP, COUNT_CALLS_LP },
	{ HV_STATS_VP_CALLS_LONG_SPIN, COUNT_CALLS_LONG_SPIN },
	{ HV_STATS_VP_CALLS_OTHER, COUNT_CALLS_OTHER },
	{ HV_STATS_VP_CALLS_SYNIC, COUNT_CALLS_SYNIC },
	{ HV_STATS_VP_CALLS_INTERRUPT, COUNT_CALLS_INTERRUPT },
	{ HV_STATS_VP_CALLS_MMU, COUNT_CALLS_MMU },
	{ HV_STATS_VP_CALLS_VP, COUNT_CALLS_VP },
};

/* The same of the processor's counters. */
static const struct {
	uint16_t word;
	uint16_t at;                 /* in struct x86_counts */
} processor_words[] = {
	{ HV_STATS_VP_INVALIDATIONS, offsetof(struct x86_counts, invlpg) },
	{ HV_STATS_VP_CONTROL, offsetof(struct x86_counts, control) },
	{ HV_STATS_VP_MWAIT, offsetof(struct x86_counts, mwait) },
	{ HV_STATS_VP_DEBUG, offsetof(struct x86_counts, debug) },
	{ HV_STATS_VP_LARGE_TLB_FILLS, offsetof(struct x86_counts, tlb_fill_large) },
	{ HV_STATS_VP_SMALL_TLB_FILLS, offsetof(struct x86_counts, tlb_fill_small) },
	{ HV_STATS_VP_PAGE_FAULTS, offsetof(struct x86_counts, page_faults) },
	{ HV_STATS_VP_SPACE_SWITCHES, offsetof(struct x86_counts, spaces) },
	{ HV_STATS_VP_DOMAIN_FLUSHES, offsetof(struct x86_counts, flush_all) },
	{ HV_STATS_VP_SPACE_FLUSHES, offsetof(struct x86_counts, flush_pcid) },
	{ HV_STATS_VP_RANGE_FLUSHES, offsetof(struct x86_counts, flush_page) },
};

/* T33.4.g: what the items cost, behind their number. */
static const struct {
	uint16_t word;
	uint16_t ns;                 /* enum vp_count */
} vp_costs[] = {
	{ HV_STATS_VP_HYPERCALLS, COUNT_HYPERCALLS_NS },
	{ HV_STATS_VP_IO, COUNT_IO_NS },
	{ HV_STATS_VP_HLT, COUNT_HLT_NS },
	{ HV_STATS_VP_CPUID, COUNT_CPUID_NS },
	{ HV_STATS_VP_MSR, COUNT_MSR_NS },
	{ HV_STATS_VP_EMULATED, COUNT_MMIO_NS },
};

static void fill_vp(const struct stats_page *s)
{
	struct vp *vp = partition_vp(s->object.of, s->object.index);
	uint64_t ns;

	put(s, 0, HV_STATS_HEADER(HV_STATS_GROUP_A, HV_STATS_MINOR, HV_STATS_VP_V - 1));
	put(s, HV_STATS_VP_V, HV_STATS_HEADER(HV_STATS_GROUP_V, HV_STATS_MINOR, HV_STATS_VP_LAST - HV_STATS_VP_V));
	if (!vp)
		return;
	for (unsigned i = 0; i < G_N_ELEMENTS(vp_words); i++)
		put(s, vp_words[i].word, vp_counted(vp, (enum vp_count)vp_words[i].count));
	for (unsigned i = 0; i < G_N_ELEMENTS(processor_words); i++)
		put(s, processor_words[i].word, x86_counted((const uint64_t *)(const void *)((const char *)&vp->cpu.count + processor_words[i].at)));
	for (unsigned i = 0; i < G_N_ELEMENTS(vp_costs); i++)
		put(s, vp_costs[i].word + 1, MUTANT(stats_no_cost) ? 0 : vp_counted(vp, (enum vp_count)vp_costs[i].ns) / 100);
	put(s, HV_STATS_VP_MSR, vp_counted(vp, COUNT_MSR_READS) + vp_counted(vp, COUNT_MSR_WRITES));
	put(s, HV_STATS_VP_DISPATCH_BLOCKED, atomic_load(&vp->dispatch.blocked));
	ns = vp_run_time_ns(vp);
	put(s, HV_STATS_VP_HYPERVISOR_TIME, MIN(vp_hypervisor_ns(vp), ns) / 100);
	put(s, HV_STATS_VP_RUN_TIME, ns / 100);            /* T33.4.b */
	put(s, HV_STATS_VP_CORE_RUN_TIME, ns / 100);
}

/* The VP whose exits are timed for it; NULL: none is. */
static struct vp *timed_by(const struct object *o)
{
	return o->type == HV_STATS_VP || o->type == HV_STATS_LP ? partition_vp(o->of, o->index) : NULL;
}

/* Its reader decides by this one whether it waits, so it may not be late. */
void stats_blocked_changed(struct vp *vp)
{
	struct stats *stats = vp->partition->hv->stats;

	if (!atomic_load_explicit(&vp->timed, memory_order_relaxed))
		return;
	lock_acquire(&stats->lock);
	for (guint i = 0; i < stats->pages->len; i++) {
		const struct stats_page *s = g_ptr_array_index(stats->pages, i);

		if (timed_by(&s->object) == vp && s->object.type == HV_STATS_VP)
			put(s, HV_STATS_VP_DISPATCH_BLOCKED, atomic_load(&vp->dispatch.blocked));
	}
	lock_release(&stats->lock);
}

/* Locks: stats->lock held. */
static void fill(struct stats_page *s)
{
	switch (s->object.type) {
	case HV_STATS_HYPERVISOR: fill_hypervisor(s); break;
	case HV_STATS_LP: fill_lp(s); break;
	case HV_STATS_PARTITION: fill_partition(s); break;
	default: fill_vp(s); break;
	}
}

/* ---- the list of pages ---- */

static void *stats_main(void *o)
{
	struct stats *stats = o;

	pthread_setname_np(pthread_self(), "hv statistics");
	lock_acquire(&stats->lock);
	while (!stats->stop) {
		for (guint i = 0; i < stats->pages->len && !MUTANT(stats_stand); i++)
			fill(g_ptr_array_index(stats->pages, i));
		int64_t until = stats->pages->len ? monotonic_ns() + REFRESH_NS : INT64_MAX;

		lock_release(&stats->lock);
		gate_wait(&stats->gate, until);
		lock_acquire(&stats->lock);
	}
	lock_release(&stats->lock);
	return NULL;
}

void stats_init(struct hv *hv)
{
	hv->stats = g_new0(struct stats, 1);
	lock_init(&hv->stats->lock, LOCK_STATS, "statistics pages");
	gate_init(&hv->stats->gate);
	hv->stats->pages = g_ptr_array_new_with_free_func(g_free);
	if (pthread_create(&hv->stats->thread, NULL, stats_main, hv->stats))
		g_error("cannot create the thread of a machine's statistics");
}

void stats_fini(struct hv *hv)
{
	struct stats *stats = hv->stats;

	lock_acquire(&stats->lock);
	stats->stop = true;
	lock_release(&stats->lock);
	gate_open(&stats->gate);
	pthread_join(stats->thread, NULL);
	g_ptr_array_free(stats->pages, TRUE);
	lock_destroy(&stats->lock);
	g_free(stats);
	hv->stats = NULL;
}

/* Locks: stats->lock held. */
static void retime(struct stats *stats, const struct object *changed)
{
	struct vp *vp = timed_by(changed);
	bool timed = vp && partition_is_root(vp->partition);

	if (!vp)
		return;
	for (guint i = 0; i < stats->pages->len && !timed; i++)
		timed = timed_by(&((struct stats_page *)g_ptr_array_index(stats->pages, i))->object) == vp;
	atomic_store_explicit(&vp->timed, timed, memory_order_relaxed);
}

/* Locks: stats->lock held.  @s is the list's from now on. */
static void list_add(struct stats *stats, struct stats_page *s)
{
	fill(s);
	g_ptr_array_add(stats->pages, s);
	retime(stats, &s->object);
	gate_open(&stats->gate);
}

/* Locks: stats->lock held.  The caller's. */
static struct stats_page *list_take(struct stats *stats, guint i)
{
	struct stats_page *s = g_ptr_array_steal_index_fast(stats->pages, i);

	retime(stats, &s->object);
	return s;
}

/* ---- pages by a call ---- */

/* Nobody fills it any more: what was there is seen again, and the pool has its page back. */
static void unmap(struct stats_page *s, struct vp *self, bool flush)
{
	struct partition *viewer = s->viewer;

	gpa_map_overlay(&viewer->map, &s->overlay, GPN_NOWHERE);
	if (flush)
		partition_flush(viewer, self);
	lock_acquire(&viewer->lock);
	pool_give(&viewer->pool, s->overlay.frame);
	lock_release(&viewer->lock);
	g_free(s);
}

static void forget(struct hv *hv, bool (*is)(const struct stats_page *s, const void *o), const void *o, const struct partition *ending)
{
	struct stats *stats = hv->stats;
	GPtrArray *gone = g_ptr_array_new();

	lock_acquire(&stats->lock);
	for (guint i = stats->pages->len; i-- > 0;)
		if (is(g_ptr_array_index(stats->pages, i), o))
			g_ptr_array_add(gone, list_take(stats, i));
	lock_release(&stats->lock);
	for (guint i = 0; i < gone->len; i++) {
		struct stats_page *s = g_ptr_array_index(gone, i);

		unmap(s, NULL, s->viewer != ending);
	}
	g_ptr_array_free(gone, TRUE);
}

static bool is_of_partition(const struct stats_page *s, const void *o)
{
	return s->viewer && (s->viewer == o || s->object.of == o);
}

void stats_forget(struct partition *p)
{
	forget(p->hv, is_of_partition, p, p);
}

static bool is_of_vp(const struct stats_page *s, const void *o)
{
	const struct vp *vp = o;

	return s->viewer && s->object.type == HV_STATS_VP && s->object.of == vp->partition && s->object.index == vp->index;
}

void stats_forget_vp(struct vp *vp)
{
	if (!MUTANT(stats_outlive))
		forget(vp->partition->hv, is_of_vp, vp, NULL);
}

static bool same(const struct object *a, const struct object *b)
{
	return a->type == b->type && a->of == b->of && a->index == b->index;
}

/* Locks: stats->lock held.  Its place in the list; false: @viewer has none mapped. */
static bool find(const struct stats *stats, const struct partition *viewer, const struct object *o, guint *at)
{
	for (*at = 0; *at < stats->pages->len; ++*at) {
		const struct stats_page *s = g_ptr_array_index(stats->pages, *at);

		if (s->viewer == viewer && same(&s->object, o))
			return true;
	}
	return false;
}

/* ---- calls ---- */

/* T21.2.1.b; bytes that mean something to one type only. */
static bool reserved_clear(uint32_t type, const struct hv_stats_identity *id)
{
	if (MUTANT(stats_reserved))
		return true;
	if (id->reserved || id->area != HV_STATS_AREA_SELF)
		return false;
	switch (type) {
	case HV_STATS_HYPERVISOR: return !id->none && !id->vp_index && !id->flags;
	case HV_STATS_LP: return !id->lp.reserved && !id->vp_index && !id->flags;
	case HV_STATS_PARTITION: return !id->vp_index && !(id->flags & ~HV_STATS_FLAG_SELF);
	default: return !(id->flags & ~HV_STATS_FLAG_SELF);
	}
}

/* Whether it is about a partition, and which. */
static bool stats_target(const void *in, uint64_t *id)
{
	const struct hv_in_stats_page *page = in;

	*id = page->identity.partition_id;
	return page->type == HV_STATS_PARTITION || page->type == HV_STATS_VP;
}

static hv_status object_named(const struct hv_ctx *c, const struct hv_in_stats_page *in, struct object *o)
{
	const struct hv_stats_identity *id = &in->identity;

	*o = (struct object){ .type = in->type, .of = c->target ? c->target : c->caller };
	switch (in->type) {
	case HV_STATS_HYPERVISOR:
	case HV_STATS_LP:
		if (!partition_is_root(c->caller) && !MUTANT(stats_global_to_all))
			return HV_STATUS_ACCESS_DENIED;            /* T21.3.1.b */
		o->index = in->type == HV_STATS_LP ? id->lp.lp_index : 0;
		break;
	case HV_STATS_PARTITION:
		break;
	case HV_STATS_VP:
		o->index = id->vp_index;
		break;
	default:
		return HV_STATUS_INVALID_PARAMETER;                /* T21.2.1.a */
	}
	if (!reserved_clear(in->type, id))
		return HV_STATUS_INVALID_PARAMETER;
	if (in->type != HV_STATS_HYPERVISOR && in->type != HV_STATS_PARTITION && !partition_vp(o->of, o->index))
		return in->type == HV_STATS_LP ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_INVALID_VP_INDEX;
	return HV_STATUS_SUCCESS;
}

/* With @at NULL it is where the page of the pool was that is taken for it; *where is where. */
static hv_status map(struct hv_ctx *c, const struct hv_in_stats_page *in, const uint64_t *at, uint64_t *where)
{
	struct partition *viewer = c->caller;
	struct stats *stats = viewer->hv->stats;
	struct pool_page taken;
	struct stats_page *s;
	struct object o;
	hv_status status = object_named(c, in, &o);
	guint i;
	bool got;

	if (status != HV_STATUS_SUCCESS)
		return status;
	lock_acquire(&stats->lock);
	if (find(stats, viewer, &o, &i) && !MUTANT(stats_mapped_twice)) {
		lock_release(&stats->lock);
		return HV_STATUS_OPERATION_DENIED;                 /* T21.3.1.d */
	}
	lock_acquire(&viewer->lock);
	got = pool_take_page(&viewer->pool, &taken);
	lock_release(&viewer->lock);
	if (!got) {
		lock_release(&stats->lock);
		return HV_STATUS_INSUFFICIENT_MEMORY;
	}
	*where = at ? *at : taken.at.v;
	memory_fill(viewer, taken.frame, zeros, sizeof zeros);
	s = g_new0(struct stats_page, 1);
	s->object = o;
	s->viewer = viewer;
	s->overlay = (struct overlay){ .frame = taken.frame, .at = GPN_NOWHERE,
				       .rights = X86_PAGE_READ | (MUTANT(stats_writable) ? X86_PAGE_WRITE : 0) };
	s->word = (uint64_t *)(void *)frames_host(&viewer->hv->frames, taken.frame);
	list_add(stats, s);
	/* T21.3.1.e: beyond the space it is mapped, and nobody sees it. */
	gpa_map_overlay(&viewer->map, &s->overlay, *where < viewer->map.pages ? (gpn_t){ *where } : GPN_NOWHERE);
	lock_release(&stats->lock);
	partition_flush(viewer, c->vp);
	return HV_STATUS_SUCCESS;
}

static hv_status map_stats_page(struct hv_ctx *c)
{
	struct hv_out_map_stats_page *out = c->out;

	return map(c, c->in, NULL, &out->at);
}

static hv_status map_stats_page_2(struct hv_ctx *c)
{
	const struct hv_in_map_stats_page_2 *in = c->in;
	uint64_t where;

	return map(c, &in->page, &in->at, &where);
}

static hv_status unmap_stats_page(struct hv_ctx *c)
{
	struct stats *stats = c->caller->hv->stats;
	struct stats_page *s = NULL;
	struct object o;
	hv_status status = object_named(c, c->in, &o);
	guint i;

	if (status != HV_STATUS_SUCCESS)
		return status;
	lock_acquire(&stats->lock);
	if (find(stats, c->caller, &o, &i))
		s = list_take(stats, i);
	lock_release(&stats->lock);
	if (!s)
		return HV_STATUS_OPERATION_DENIED;                 /* T21.3.2.a */
	unmap(s, c->vp, true);
	return HV_STATUS_SUCCESS;
}

const struct hv_call stats_calls[] = {
	{ HV_CALL_MAP_STATS_PAGE, "HvMapStatsPage", "21.3.1", .in = sizeof(struct hv_in_stats_page),
	  .out = sizeof(struct hv_out_map_stats_page), .privilege = HV_ACCESS_STATS, .on = CALL_ON_CHILD | CALL_ON_SELF,
	  .target = stats_target, .run = map_stats_page },
	{ HV_CALL_UNMAP_STATS_PAGE, "HvUnmapStatsPage", "21.3.2", .in = sizeof(struct hv_in_stats_page), .privilege = HV_ACCESS_STATS,
	  .on = CALL_ON_CHILD | CALL_ON_SELF, .target = stats_target, .run = unmap_stats_page },
	{ HV_CALL_MAP_STATS_PAGE_2, "HvMapStatsPage2", "21.3.1", .in = sizeof(struct hv_in_map_stats_page_2), .privilege = HV_ACCESS_STATS,
	  .on = CALL_ON_CHILD | CALL_ON_SELF, .target = stats_target, .run = map_stats_page_2 },
	{ .name = NULL },
};

/* ---- pages by MSRs (21.3.3) ---- */

enum { PARTITION_RETAIL, PARTITION_INTERNAL, VP_RETAIL, VP_INTERNAL };

bool stats_init_partition(struct partition *p)
{
	/* OP28: all that there is is for everybody; internal pages have nothing but the end of their list. */
	p->stats = msr_page_new(p, X86_PAGE_READ);
	p->stats_internal = msr_page_new(p, X86_PAGE_READ);
	return p->stats && p->stats_internal;
}

void stats_fini_partition(struct partition *p)
{
	msr_page_free(p->stats);
	msr_page_free(p->stats_internal);
	p->stats = p->stats_internal = NULL;
}

bool stats_init_vp(struct vp *vp)
{
	struct partition *p = vp->partition;

	vp->stats = msr_page_new(p, X86_PAGE_READ);
	if (!vp->stats)
		return false;
	vp->stats_msr[PARTITION_RETAIL] = msr_page_alias(p->stats, p);
	vp->stats_msr[PARTITION_INTERNAL] = msr_page_alias(p->stats_internal, p);
	vp->stats_msr[VP_RETAIL] = msr_page_alias(vp->stats, p);
	vp->stats_msr[VP_INTERNAL] = msr_page_alias(p->stats_internal, p);
	return true;
}

/* Locks: takes stats->lock. */
static void watch(struct vp *vp, unsigned n, bool on)
{
	struct stats *stats = vp->partition->hv->stats;
	const struct msr_page *m = vp->stats_msr[n];
	struct stats_page *s = NULL;
	guint i;

	if (n == PARTITION_INTERNAL || n == VP_INTERNAL)
		return;
	lock_acquire(&stats->lock);
	for (i = 0; i < stats->pages->len && !s; i++)
		if (((struct stats_page *)g_ptr_array_index(stats->pages, i))->by == m)
			s = g_ptr_array_index(stats->pages, i);
	if (on && !s) {
		s = g_new0(struct stats_page, 1);
		s->object = (struct object){ n == VP_RETAIL ? HV_STATS_VP : HV_STATS_PARTITION, vp->partition, n == VP_RETAIL ? vp->index : 0 };
		s->by = m;
		s->word = msr_page_host(m);
		list_add(stats, s);
	} else if (!on && s) {
		g_free(list_take(stats, i - 1));
	}
	lock_release(&stats->lock);
}

void stats_fini_vp(struct vp *vp)
{
	for (unsigned n = 0; n < STATS_MSRS; n++) {
		if (vp->stats_msr[n])
			watch(vp, n, false);
		msr_page_free(vp->stats_msr[n]);
		vp->stats_msr[n] = NULL;
	}
	msr_page_free(vp->stats);
	vp->stats = NULL;
}

void stats_reset_vp(struct vp *vp)
{
	for (unsigned n = 0; n < STATS_MSRS; n++) {
		watch(vp, n, false);
		msr_page_reset(vp->stats_msr[n]);
	}
}

enum x86_result stats_msr_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = msr_page_value(vp->stats_msr[msr - HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE]);
	return X86_OK;
}

enum x86_result stats_msr_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	unsigned n = msr - HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE;

	if (value & HV_MSR_PAGE_ENABLE)
		watch(vp, n, true);
	msr_page_place(vp, vp->stats_msr[n], MUTANT(stats_msr_bits) ? value & ~HV_MSR_PAGE_PRESERVED : value);
	if (!(value & HV_MSR_PAGE_ENABLE))
		watch(vp, n, false);
	return X86_OK;
}
