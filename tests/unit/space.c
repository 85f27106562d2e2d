/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What partitions map of each other's memory, over several generations (chapter 8): VPs that stand still make
 * the hypercalls; and what those see of it that run.
 */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "accel/hvtlfs/component.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/port.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "partition.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"

#define MIB (UINT64_C(1) << 20)
#define RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_EXECUTABLE)
#define R HV_MAP_GPA_READABLE
enum {
	RAM = 64,                    /* MiB of the first */
	IN = 0x10, OUT = 0x11,       /* pages for parameters, in each */
	FIRST = 0x100,               /* page of the first that nothing uses */
	CHILD_FIRST = 0x20,          /* the same in the others */
	POOL = 420,                  /* the most of it is a VP's */
	LARGE = HV_GPA_LARGE_PAGES,
	GENERATIONS = 4,
};

/* What each has from 0 on, in small pages. */
static const unsigned pages_of[GENERATIONS] = { 0, 2048, 1280, 256 };

/* Of the first partition: two where both act at once. */
static unsigned vps = 1;
/* What VPs have besides the processor: only for tests of ports. */
static const struct vp_component *const *components;

/* A line of partitions, each made by the one before. */
struct one {
	struct partition *p;
	struct vp *vp;
	uint64_t fresh;              /* page that nobody has used */
};
struct world {
	struct x86_model *model;
	struct hv *hv;
	struct one line[GENERATIONS];
};

static gpa_t page_gpa(uint64_t page) { return (gpa_t){ page << HV_PAGE_SHIFT }; }

/* ---- calls ---- */

static uint64_t call(const struct one *by, uint16_t code, unsigned reps, const void *in, size_t size)
{
	g_assert_true(partition_write(by->p, page_gpa(IN), in, size));
	return vp_hypercall(by->vp, code | (uint64_t)reps << HV_CALL_REPS_SHIFT, page_gpa(IN).v, page_gpa(OUT).v);
}

static void check(uint64_t result, hv_status s, unsigned reps)
{
	g_assert_cmphex(result, ==, hv_call_result(s, reps));
}

static uint64_t map(const struct one *by, const struct partition *to, uint64_t at, uint32_t flags, uint64_t from,
		    unsigned n)
{
	uint64_t in[3 + 509] = { to->id, at, flags };

	for (unsigned i = 0; i < n; i++)
		in[3 + i] = from + (flags & HV_MAP_GPA_LARGE_PAGE ? i * LARGE : i);
	return call(by, HV_CALL_MAP_GPA_PAGES, n, in, (3 + n) * 8);
}

static uint64_t unmap(const struct one *by, const struct partition *to, uint64_t at, unsigned n)
{
	return call(by, HV_CALL_UNMAP_GPA_PAGES, n, (const uint64_t []){ to->id, at, 0 }, 24);
}

static uint64_t modify(const struct one *by, const struct partition *to, uint64_t at, uint32_t flags)
{
	return call(by, HV_CALL_MODIFY_SPARSE_GPA_PAGES, 1, (const uint64_t []){ to->id, flags, at }, 24);
}

static uint64_t deposit(const struct one *by, const struct partition *to, uint64_t first, unsigned n)
{
	uint64_t in[1 + 511] = { to->id };

	for (unsigned i = 0; i < n; i++)
		in[1 + i] = first + i;
	return call(by, HV_CALL_DEPOSIT_MEMORY, n, in, (1 + n) * 8);
}

static uint64_t act(const struct one *by, uint16_t code, const struct partition *on)
{
	return call(by, code, 0, &on->id, sizeof on->id);
}

static uint64_t withdraw(const struct one *by, const struct partition *from, unsigned n)
{
	return call(by, HV_CALL_WITHDRAW_MEMORY, n, (const uint64_t []){ from->id, 0 }, 16);
}

static uint64_t fresh(struct one *o, unsigned n)
{
	uint64_t first = o->fresh;

	o->fresh += n;
	return first;
}

/* ---- the world ---- */

static void make_next(struct world *w, unsigned i)
{
	struct one *parent = &w->line[i - 1], *child = &w->line[i];
	struct hv_in_create_partition in = { 0 };
	uint64_t id, first;

	if (i == 1)
		check(deposit(parent, parent->p, fresh(parent, 8), 8), HV_STATUS_SUCCESS, 8);
	check(call(parent, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_SUCCESS, 0);
	g_assert_true(partition_read(parent->p, page_gpa(OUT), &id, sizeof id));
	child->p = hv_partition_by_id(w->hv, id);
	child->p->features = parent->p->features;
	check(deposit(parent, child->p, fresh(parent, POOL), POOL), HV_STATUS_SUCCESS, POOL);
	check(act(parent, HV_CALL_INITIALIZE_PARTITION, child->p), HV_STATUS_SUCCESS, 0);
	first = fresh(parent, pages_of[i]);
	for (unsigned n = 0; n < pages_of[i]; n += 256)
		check(map(parent, child->p, n, RWX, first + n, 256), HV_STATUS_SUCCESS, 256);
	lock_acquire(&child->p->call_lock);
	g_assert_cmphex(partition_add_vp(child->p, 0), ==, HV_STATUS_SUCCESS);
	lock_release(&child->p->call_lock);
	child->vp = partition_vp(child->p, 0);
	child->fresh = CHILD_FIRST;
}

static void world_open(struct world *w, unsigned generations)
{
	struct hv_features features;
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("qemu64", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = RAM * MIB, .engine = g_getenv("TEST_ENGINE") }, components, &error);
	g_assert_no_error(error);
	hv_features_init(&features);
	hv_features_role(&features, HV_ROLE_HOST);
	w->line[0].p = partition_new(w->hv, &(struct partition_config){ .name = "first", .vps = vps, .model = w->model,
				     .features = &features }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->line[0].p, (gpa_t){ 0 }, RAM * MIB, &error));
	w->line[0].vp = partition_vp(w->line[0].p, 0);
	w->line[0].fresh = FIRST;
	for (unsigned i = 1; i < generations; i++)
		make_next(w, i);
}

/* Nothing counts a mapping that there is not. */
static void check_no_shares(struct world *w)
{
	for (uint64_t i = 0; i < RAM * MIB >> HV_PAGE_SHIFT; i++) {
		const struct frame *f = frames_descriptor(&w->hv->frames, (spn_t){ i });

		if (atomic_load(&f->shares) || atomic_load(&f->maps) || atomic_load(&f->pooled))
			g_error("frame %#" PRIx64 ": %u shares, %u maps, pooled %d", i, atomic_load(&f->shares),
				atomic_load(&f->maps), (int)atomic_load(&f->pooled));
	}
}

static void world_close(struct world *w)
{
	partition_reset(w->line[0].p);
	check_no_shares(w);
	for (unsigned i = 0; i < GENERATIONS; i++)
		if (i && w->line[i].p)
			partition_unref(w->line[i].p);
	hv_free(w->hv);
	partition_unref(w->line[0].p);
	x86_model_free(w->model);
}

/* ---- what is seen ---- */

static void check_page(const struct partition *p, uint64_t at, enum gpa_access write, enum gpa_access read)
{
	g_assert_cmpint(gpa_map_access(&p->map, (gpn_t){ at }, X86_PAGE_WRITE), ==, write);
	g_assert_cmpint(gpa_map_access(&p->map, (gpn_t){ at }, X86_PAGE_READ), ==, read);
}

static void check_free(const struct partition *p, uint64_t at) { check_page(p, at, GPA_ALLOWED, GPA_ALLOWED); }
static void check_lost(const struct partition *p, uint64_t at) { check_page(p, at, GPA_DENIED, GPA_DENIED); }

/* The same memory at both places. */
static void check_same(struct partition *a, uint64_t at_a, struct partition *b, uint64_t at_b)
{
	uint64_t v = ((uint64_t)g_test_rand_int() << 32) + at_a, seen;

	g_assert_true(partition_write(a, page_gpa(at_a), &v, sizeof v));
	g_assert_true(partition_read(b, page_gpa(at_b), &seen, sizeof seen));
	g_assert_cmphex(seen, ==, v);
}

enum { AT = 0x2000 };   /* where nobody has anything */

/* Three partitions; @pages of the first's from its page (the result) on go to the second at AT, and from there to the third. */
static uint64_t handed_down(struct world *w, unsigned pages)
{
	uint64_t page;

	world_open(w, 3);
	page = fresh(&w->line[0], pages);
	check(map(&w->line[0], w->line[1].p, AT, RWX, page, pages), HV_STATUS_SUCCESS, pages);
	check(map(&w->line[1], w->line[2].p, AT, RWX, AT, pages), HV_STATUS_SUCCESS, pages);
	return page;
}

/* ---- tests ---- */

static void test_two_generations(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	uint64_t page = handed_down(&w, 4);
	struct partition *g = w.line[2].p;

	check_same(r->p, page + 3, g, AT + 3);             /* T8.3.1.c */
	check(unmap(r, c->p, AT + 1, 2), HV_STATUS_SUCCESS, 2);
	check_free(g, AT);
	check_lost(g, AT + 1);
	check_lost(g, AT + 2);
	check_free(g, AT + 3);
	/* T7.3.1.c: nobody else has it now. */
	check(deposit(r, c->p, page + 1, 2), HV_STATUS_SUCCESS, 2);
	check(deposit(r, c->p, page, 1), HV_STATUS_OPERATION_DENIED, 0);
	/* T8.3.1.d */
	check(map(r, c->p, AT + 1, RWX, page + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
	/* A page that is lost cannot be given away. */
	check(map(c, g, AT + 9, RWX, AT + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
	/* Replaced (T8.3.1.a): it does not come to those below by itself. */
	check(map(r, c->p, AT, RWX, fresh(r, 1), 1), HV_STATUS_SUCCESS, 1);
	check_lost(g, AT);
	check(map(c, g, AT, RWX, AT, 1), HV_STATUS_SUCCESS, 1);
	check_free(g, AT);
	/* T8.3.1.o: neither the first nor the last may. */
	check(unmap(r, g, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(r, g, AT, RWX, page, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(&w.line[2], c->p, AT, RWX, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(&w.line[2], r->p, AT, RWX, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(&w.line[2], g, AT, R, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	world_close(&w);
}

/* A frame that a partition has at two places is still its own when one of them goes. */
static void test_alias(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	uint64_t page = handed_down(&w, 1);
	struct partition *g = w.line[2].p;

	check(map(r, c->p, AT + 7, R, page, 1), HV_STATUS_SUCCESS, 1);
	check(unmap(r, c->p, AT, 1), HV_STATUS_SUCCESS, 1);
	check_page(g, AT, GPA_DENIED, GPA_ALLOWED);
	check(unmap(r, c->p, AT + 7, 1), HV_STATUS_SUCCESS, 1);
	check_lost(g, AT);
	world_close(&w);
}

static void test_rights(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	uint64_t page = handed_down(&w, 2);
	struct partition *g = w.line[2].p;

	/* What a partition may not do itself, it cannot let others do. */
	check(modify(r, c->p, AT, R), HV_STATUS_SUCCESS, 1);
	check_page(c->p, AT, GPA_DENIED, GPA_ALLOWED);
	check_page(g, AT, GPA_DENIED, GPA_ALLOWED);
	check(modify(c, g, AT, RWX), HV_STATUS_ACCESS_DENIED, 0);
	check(map(c, g, AT, RWX, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(c, g, AT, R, AT, 1), HV_STATUS_SUCCESS, 1);
	check(modify(r, c->p, AT, RWX), HV_STATUS_SUCCESS, 1);
	check(map(c, g, AT, RWX, AT, 1), HV_STATUS_SUCCESS, 1);
	/* Less, and more again. */
	check(modify(c, g, AT, R), HV_STATUS_SUCCESS, 1);
	check_page(g, AT, GPA_DENIED, GPA_ALLOWED);
	check(modify(c, g, AT, RWX), HV_STATUS_SUCCESS, 1);
	check_free(g, AT);
	/* Without rights the frame is remembered; who lost it does not get it back by a change of rights. */
	check(modify(c, g, AT, HV_MAP_GPA_NO_ACCESS), HV_STATUS_SUCCESS, 1);
	check_lost(g, AT);
	check(modify(c, g, AT, RWX), HV_STATUS_SUCCESS, 1);
	check_same(r->p, page, g, AT);
	check(modify(c, g, AT, 0), HV_STATUS_SUCCESS, 1);
	check(unmap(r, c->p, AT, 1), HV_STATUS_SUCCESS, 1);
	check(modify(c, g, AT, RWX), HV_STATUS_OPERATION_DENIED, 0);
	world_close(&w);
}

static void test_four_generations(void)
{
	struct world w;
	struct one *r = &w.line[0];
	uint64_t page;

	world_open(&w, 4);
	page = fresh(r, 2);
	for (unsigned i = 1; i < 4; i++)
		check(map(&w.line[i - 1], w.line[i].p, AT, RWX, i == 1 ? page : AT, 2), HV_STATUS_SUCCESS, 2);
	check_same(r->p, page, w.line[3].p, AT);
	/* Only the last can deposit it, had it a child. */
	check(deposit(r, r->p, page, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(deposit(&w.line[1], w.line[2].p, AT, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(deposit(&w.line[2], w.line[3].p, AT, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(unmap(&w.line[2], w.line[3].p, AT + 1, 1), HV_STATUS_SUCCESS, 1);
	check(deposit(&w.line[1], w.line[2].p, AT + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(deposit(&w.line[2], w.line[3].p, AT + 1, 1), HV_STATUS_SUCCESS, 1);
	/* T7.3.1.d, T8.3.2.d: until it is withdrawn nobody above can take or give it. */
	check(unmap(&w.line[1], w.line[2].p, AT + 1, 1), HV_STATUS_OBJECT_IN_USE, 0);
	check(unmap(r, w.line[1].p, AT, 2), HV_STATUS_OBJECT_IN_USE, 1);
	check(map(r, w.line[1].p, AT + 1, RWX, page, 1), HV_STATUS_OBJECT_IN_USE, 0);
	check(modify(r, w.line[1].p, AT + 1, R), HV_STATUS_OBJECT_IN_USE, 0);
	check(deposit(r, r->p, page + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(map(r, w.line[1].p, AT + 2, RWX, page + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
	/* The other went from all of them. */
	for (unsigned i = 2; i < 4; i++)
		check_lost(w.line[i].p, AT);
	check(deposit(r, r->p, page, 1), HV_STATUS_SUCCESS, 1);
	check(withdraw(&w.line[2], w.line[3].p, 1), HV_STATUS_SUCCESS, 1);
	check(unmap(r, w.line[1].p, AT, 2), HV_STATUS_SUCCESS, 2);
	check_lost(w.line[2].p, AT + 1);
	world_close(&w);
}

static uint64_t large_fresh(struct one *o)
{
	o->fresh = (o->fresh + LARGE - 1) / LARGE * LARGE;
	return fresh(o, LARGE);
}

/* A page of a large page goes, and below it as well, if the pool there can pay for the small ones that are left. */
static void test_large(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	struct partition *g;
	uint64_t page;

	for (unsigned poor = 0; poor < 2; poor++) {
		world_open(&w, 3);
		g = w.line[2].p;
		page = large_fresh(r);
		check(map(r, c->p, AT, RWX | HV_MAP_GPA_LARGE_PAGE, page, 1), HV_STATUS_SUCCESS, 1);
		check(map(c, g, AT, RWX | HV_MAP_GPA_LARGE_PAGE, AT, 1), HV_STATUS_SUCCESS, 1);
		check_same(r->p, page + LARGE - 1, g, AT + LARGE - 1);
		if (poor)
			withdraw(c, g, POOL);
		check(unmap(r, c->p, AT + 5, 1), HV_STATUS_SUCCESS, 1);
		check_lost(g, AT + 5);
		(poor ? check_lost : check_free)(g, AT + 4);
		(poor ? check_lost : check_free)(g, AT + LARGE - 1);
		check_free(c->p, AT + 4);
		check(deposit(r, c->p, page + 5, 1), HV_STATUS_SUCCESS, 1);
		world_close(&w);
	}
}

static void test_content(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	struct partition *g;
	uint64_t v;

	world_open(&w, 3);
	g = w.line[2].p;
	check(map(r, c->p, AT, R | HV_MAP_GPA_ZERO_PAGE, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	check(map(r, c->p, AT + 1, R | HV_MAP_GPA_ONES_PAGE, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	check_page(c->p, AT, GPA_DENIED, GPA_ALLOWED);
	g_assert_true(partition_read(c->p, page_gpa(AT), &v, sizeof v));
	g_assert_cmphex(v, ==, 0);
	g_assert_true(partition_read(c->p, (gpa_t){ page_gpa(AT + 2).v - 8 }, &v, sizeof v));
	g_assert_cmphex(v, ==, UINT64_MAX);
	/* They go on, never with more rights; and are not taken, as they are nobody's. */
	check(map(c, g, AT, RWX, AT, 1), HV_STATUS_ACCESS_DENIED, 0);
	check(map(c, g, AT, R, AT, 1), HV_STATUS_SUCCESS, 1);
	check(modify(r, c->p, AT, RWX), HV_STATUS_ACCESS_DENIED, 0);
	check(unmap(r, c->p, AT, 2), HV_STATUS_SUCCESS, 2);
	check_page(g, AT, GPA_DENIED, GPA_ALLOWED);
	/* No access: mapped, but nothing there. */
	check(map(r, c->p, AT, HV_MAP_GPA_NO_ACCESS | HV_MAP_GPA_LARGE_PAGE, UINT64_MAX, 1), HV_STATUS_SUCCESS, 1);
	check_lost(c->p, AT);
	check_lost(c->p, AT + LARGE - 1);
	check_page(c->p, AT + LARGE, GPA_UNMAPPED, GPA_UNMAPPED);
	check(map(c, g, AT + 1, R, AT, 1), HV_STATUS_OPERATION_DENIED, 0);
	world_close(&w);
}

/* What ends leaves no counts behind; the pages can be used again. */
static void test_ends(void)
{
	struct world w;
	struct one *c = &w.line[1];
	struct partition *g;

	world_open(&w, 3);
	g = w.line[2].p;
	check(map(c, g, AT, RWX, c->fresh, 8), HV_STATUS_SUCCESS, 8);
	check(deposit(c, g, c->fresh, 1), HV_STATUS_OPERATION_DENIED, 0);
	check(act(c, HV_CALL_FINALIZE_PARTITION, g), HV_STATUS_SUCCESS, 0);
	check(unmap(c, g, AT, 8), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(withdraw(c, g, POOL), HV_STATUS_SUCCESS, POOL);
	check(act(c, HV_CALL_DELETE_PARTITION, g), HV_STATUS_SUCCESS, 0);
	partition_unref(g);
	/* The same pages again. */
	c->fresh = CHILD_FIRST;
	make_next(&w, 2);
	check(deposit(c, w.line[2].p, c->fresh, 8), HV_STATUS_SUCCESS, 8);
	world_close(&w);
}

/* ---- whatever they do ---- */

enum { FRAMES = RAM << 8 };

/* Per frame: how often mapped, how often with rights; and what the partition above allows. */
struct tally {
	uint32_t maps[FRAMES], shares[FRAMES];
	uint8_t allowed[FRAMES], mine[FRAMES];
	bool top;
};

static void tally(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct tally *all = o;

	if (t->frame.v == SPN_NONE.v)
		return;
	for (uint64_t i = t->frame.v; i < t->frame.v + pages; i++) {
		/* The hypervisor's own lie behind all RAM. */
		if (i >= FRAMES)
			return;
		all->mine[i] |= (uint8_t)(0x80 | t->rights);
		if (all->top)
			continue;
		all->maps[i]++;
		all->shares[i] += t->rights != 0;
		g_assert_cmphex(0x80 & ~all->allowed[i], ==, 0);
		g_assert_cmphex(t->rights & ~all->allowed[i], ==, 0);
		g_assert_cmphex(t->rights & ~t->limit, ==, 0);
	}
}

/* Nobody below has what the one above has not; the counts are right. */
static void check_line(struct world *w, unsigned generations)
{
	struct tally *all = g_new0(struct tally, 1);

	for (unsigned i = 0; i < generations; i++) {
		all->top = i == 0;
		memset(all->mine, 0, sizeof all->mine);
		gpa_map_foreach(&w->line[i].p->map, tally, all);
		memcpy(all->allowed, all->mine, sizeof all->allowed);
		/* The first may hand on what it can give, with any rights. */
		for (unsigned k = 0; i == 0 && k < FRAMES; k++)
			all->allowed[k] = 0x87;
	}
	for (unsigned k = 0; k < FRAMES; k++) {
		const struct frame *f = frames_descriptor(&w->hv->frames, (spn_t){ k });

		g_assert_cmpuint(atomic_load(&f->maps), ==, all->maps[k]);
		/* What has gone into a pool is still counted for who gave it. */
		if (!atomic_load(&f->pooled))
			g_assert_cmpuint(atomic_load(&f->shares), ==, all->shares[k]);
	}
	g_free(all);
}

/* All work on the same few pages, or they would not meet. */
static void random_step(struct world *w, unsigned generations)
{
	enum { SOME = 32 };
	static const uint32_t some_flags[] = {
		7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 1, 3, 5, HV_MAP_GPA_NO_ACCESS, HV_MAP_GPA_ZERO_PAGE | 1,
	};
	/* The first ones less often: what they take, all below lose. */
	unsigned i = (unsigned)sqrt(g_test_rand_int_range(0, (int)((generations - 1) * (generations - 1))));
	unsigned n = (unsigned)g_test_rand_int_range(1, 20);
	const struct one *by = &w->line[i];
	const struct partition *to = w->line[i + 1].p;
	uint32_t flags = some_flags[g_test_rand_int_range(0, G_N_ELEMENTS(some_flags))];
	uint64_t at = AT + (uint64_t)g_test_rand_int_range(0, SOME), from = AT + (uint64_t)g_test_rand_int_range(0, SOME);

	switch (g_test_rand_int_range(0, 16)) {
	default:
		map(by, to, at, flags, from, n);
		break;
	case 0: case 1:
		map(by, to, AT + (uint64_t)g_test_rand_int_range(0, 4) * LARGE, flags | HV_MAP_GPA_LARGE_PAGE, AT, 1);
		break;
	case 2: case 3: case 4:
		unmap(by, to, at, n / 4 + 1);
		break;
	case 5: case 6:
		modify(by, to, at, flags);
		break;
	case 7:
		deposit(by, to, from, 1);
		withdraw(by, to, (unsigned)g_test_rand_int_range(0, 2) + 1);
	}
}

/* What a pool pays beside the tables of the map. */
static uint64_t other_charges(const struct one *o)
{
	return o->p->pool.charged - gpa_map_bytes(&o->p->map);
}

static void test_random(void)
{
	enum { STEPS = 4000, LOOK = 100 };
	uint64_t other[GENERATIONS];
	struct world w;

	world_open(&w, GENERATIONS);
	for (unsigned i = 1; i < GENERATIONS; i++)
		other[i] = other_charges(&w.line[i]);
	for (unsigned i = 0; i < STEPS; i++) {
		random_step(&w, GENERATIONS);
		for (unsigned k = 1; k < GENERATIONS; k++)
			g_assert_cmpuint(other_charges(&w.line[k]), ==, other[k]);
		if (i % LOOK == 0)
			check_line(&w, GENERATIONS);
	}
	world_close(&w);
}

/* ---- at the same time ---- */

enum { ROUNDS = 3000, PAGES = 16 };

struct race {
	struct world *w;
	uint64_t page;
	_Atomic bool over;
};

/* The first gives and takes; what it has taken nobody below may have. */
static void *give_and_take(void *o)
{
	struct race *race = o;
	struct one *r = &race->w->line[0], *c = &race->w->line[1];
	struct partition *g = race->w->line[2].p;
	struct gpa_target t;

	for (unsigned i = 0; i < ROUNDS; i++) {
		check(map(r, c->p, AT, RWX, race->page, PAGES), HV_STATUS_SUCCESS, PAGES);
		check(unmap(r, c->p, AT, PAGES), HV_STATUS_SUCCESS, PAGES);
		for (unsigned k = 0; k < PAGES; k++)
			if (gpa_map_lookup(&g->map, (gpn_t){ AT + k }, &t))
				g_assert_cmphex(t.frame.v, ==, SPN_NONE.v);
	}
	atomic_store(&race->over, true);
	return NULL;
}

static void test_race(void)
{
	struct world w;
	struct race race = { .w = &w };
	struct one *c = &w.line[1];
	GThread *thread;

	world_open(&w, 3);
	race.page = fresh(&w.line[0], PAGES);
	thread = g_thread_new("first", give_and_take, &race);
	while (!atomic_load(&race.over)) {
		uint64_t result = map(c, w.line[2].p, AT, RWX, AT, PAGES);

		g_assert_true(hv_result_status(result) == HV_STATUS_SUCCESS ||
			      hv_result_status(result) == HV_STATUS_OPERATION_DENIED);
	}
	g_thread_join(thread);
	world_close(&w);
}

/* ---- running ---- */

/*
 * Real-mode code in a page of the partition's own; pages 5 and 6 are the same for all.  Each adds 1 to the word at 0x5000
 * when it is through.
 */
enum { CODE = 1, SHARED = 5, OWN = 7 };

static const uint8_t locked[] = {
	0xb9, 0xb8, 0x0b,                          /* mov cx, 3000 */
	0x66, 0xf0, 0xff, 0x06, 0xfe, 0x5f,        /* lock inc dword [0x5ffe] */
	0xe2, 0xf8,                                /* loop */
	0xf0, 0xff, 0x06, 0x00, 0x50,              /* lock inc word [0x5000] */
	0xeb, 0xfe,
};
/* Writes code, says so, and waits for the answer. */
static const uint8_t writer[] = {
	0xb9, 0x90, 0x01,                          /* mov cx, 400 */
	0x89, 0x0e, 0x01, 0x60,                    /* 1: mov [0x6001], cx: operand of mov ax */
	0x89, 0x0e, 0x02, 0x50,                    /* mov [0x5002], cx */
	0x39, 0x0e, 0x04, 0x50, 0x75, 0xfa,        /* 2: cmp [0x5004], cx; jne 2 */
	0xe2, 0xf0,                                /* loop 1 */
	0xf0, 0xff, 0x06, 0x00, 0x50, 0xeb, 0xfe,
};
/* Runs it; BX counts what was not what had been said. */
static const uint8_t reader[] = {
	0x31, 0xdb, 0x31, 0xd2,                    /* xor bx, bx; xor dx, dx */
	0xa1, 0x02, 0x50, 0x39, 0xd0, 0x74, 0xf9,  /* 1: mov ax, [0x5002]; cmp ax, dx; je 1 */
	0x89, 0xc2,                                /* mov dx, ax */
	0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0,        /* mov eax, cr0; mov cr0, eax */
	0xbe, 0x00, 0x60, 0xff, 0xd6,              /* call 0x6000 */
	0x39, 0xd0, 0x74, 0x01, 0x43,              /* cmp ax, dx; je +1; inc bx */
	0x89, 0x16, 0x04, 0x50,                    /* mov [0x5004], dx */
	0x83, 0xfa, 0x01, 0x75, 0xde,              /* cmp dx, 1; jne 1 */
	0x89, 0x1e, 0x06, 0x50,                    /* mov [0x5006], bx */
	0xf0, 0xff, 0x06, 0x00, 0x50, 0xeb, 0xfe,
};
static const uint8_t move_and_return[] = { 0xb8, 0x00, 0x00, 0xc3 };
/* Copies the word at 0x7000 to 0x5008 and counts at 0x500a. */
static const uint8_t copier[] = {
	0xa1, 0x00, 0x70, 0xa3, 0x08, 0x50,        /* 1: mov ax, [0x7000]; mov [0x5008], ax */
	0x66, 0xff, 0x06, 0x0a, 0x50,              /* inc dword [0x500a] */
	0xeb, 0xf3,                                /* jmp 1 */
};

static uint32_t shared(struct world *w, unsigned at)
{
	uint32_t v;

	g_assert_true(partition_read(w->line[0].p, (gpa_t){ page_gpa(SHARED).v + at }, &v, sizeof v));
	return v;
}

static void share_low_pages(struct world *w, unsigned generations)
{
	for (unsigned i = 1; i < generations; i++)
		check(map(&w->line[i - 1], w->line[i].p, SHARED, RWX, SHARED, 2), HV_STATUS_SUCCESS, 2);
}

static void place(const struct one *o, const uint8_t *code, size_t n)
{
	struct x86_cpu *c = vp_cpu(o->vp);

	g_assert_true(partition_write(o->p, page_gpa(CODE), code, n));
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		x86_set_seg_real(c, i, 0);
	x86_mode_update(c);
	c->rip = page_gpa(CODE).v;
	c->gpr[X86_RSP] = page_gpa(CODE + 2).v;
}

static void go(struct world *w, unsigned generations)
{
	static const uint8_t idle[] = { 0xeb, 0xfe };

	if (vp_cpu(w->line[0].vp)->rip != page_gpa(CODE).v)
		place(&w->line[0], idle, sizeof idle);
	partition_start(w->line[0].p);
	for (unsigned i = 1; i < generations; i++)
		vp_continue(w->line[i].vp, SUSPEND_EXPLICIT);
}

static void await_through(struct world *w, unsigned n)
{
	int64_t until = monotonic_ns() + INT64_C(60000000000);

	while ((uint16_t)shared(w, 0) < n) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(200);
	}
}

static void stop(struct world *w)
{
	partition_suspend(w->line[0].p);
}

/* Locked operations of several generations that no instruction of the host can do. */
static void test_locked(void)
{
	struct world w;

	world_open(&w, 3);
	share_low_pages(&w, 3);
	for (unsigned i = 0; i < 3; i++)
		place(&w.line[i], locked, sizeof locked);
	go(&w, 3);
	await_through(&w, 3);
	stop(&w);
	g_assert_cmpuint(shared(&w, 0xffe), ==, 3 * 3000);
	world_close(&w);
}

/* One writes code that another runs, up and down the line. */
static void test_code(void)
{
	for (unsigned up = 0; up < 2; up++) {
		struct world w;

		world_open(&w, 3);
		share_low_pages(&w, 3);
		g_assert_true(partition_write(w.line[0].p, page_gpa(SHARED + 1), move_and_return, sizeof move_and_return));
		place(&w.line[up ? 2 : 0], writer, sizeof writer);
		place(&w.line[up ? 0 : 2], reader, sizeof reader);
		go(&w, 3);
		await_through(&w, 2);
		stop(&w);
		g_assert_cmpuint((uint16_t)shared(&w, 6), ==, 0);
		world_close(&w);
	}
}

/* Until the copier has gone round, wholly after now; what it has copied. */
static uint16_t copied(struct world *w)
{
	int64_t until = monotonic_ns() + INT64_C(60000000000);
	uint32_t from = shared(w, 10);

	while (shared(w, 10) - from < 3) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(50);
	}
	return (uint16_t)shared(w, 8);
}

/* Once a call has returned, a VP that runs has no translation of before. */
static void test_flush(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	uint64_t page;

	world_open(&w, 2);
	share_low_pages(&w, 2);
	page = fresh(r, 2);
	for (uint16_t i = 0; i < 2; i++)
		g_assert_true(partition_write(r->p, page_gpa(page + i), &(uint16_t){ i + 1 }, 2));
	check(map(r, c->p, OWN, RWX, page, 1), HV_STATUS_SUCCESS, 1);
	place(c, copier, sizeof copier);
	go(&w, 2);
	for (unsigned i = 0; i < 100; i++) {
		check(map(r, c->p, OWN, i & 2 ? R : RWX, page + (i & 1), 1), HV_STATUS_SUCCESS, 1);
		g_assert_cmpuint(copied(&w), ==, (i & 1) + 1);
	}
	stop(&w);
	world_close(&w);
}

/* What is taken from a partition is out of reach of those below, though they are in the middle of using it. */
static void test_taken(void)
{
	const uint16_t secret = 0xdead;
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1], *g = &w.line[2];
	uint64_t page;

	world_open(&w, 3);
	share_low_pages(&w, 3);
	page = fresh(r, 1);
	check(map(r, c->p, OWN, RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check(map(c, g->p, OWN, RWX, OWN, 1), HV_STATUS_SUCCESS, 1);
	place(g, copier, sizeof copier);
	go(&w, 3);
	g_assert_cmpuint(copied(&w), ==, 0);
	check(unmap(r, c->p, OWN, 1), HV_STATUS_SUCCESS, 1);
	g_assert_true(partition_write(r->p, page_gpa(page), &secret, sizeof secret));
	g_usleep(20000);
	g_assert_cmpuint((uint16_t)shared(&w, 8), ==, 0);
	/* It stands, on the instruction. */
	vp_wait_parked(g->vp);
	g_assert_cmphex(vp_cpu(g->vp)->rip, ==, page_gpa(CODE).v);
	stop(&w);
	world_close(&w);
}

/* ---- what has been accessed ---- */

enum { NOT, A = HV_PAGE_ACCESSED, D = HV_PAGE_DIRTY, AD = A | D };

/* The state of @n pages of the child's from @first on; then @flags. */
static void check_states(struct world *w, uint64_t first, unsigned n, const uint8_t *want, uint64_t flags)
{
	const struct one *r = &w->line[0];
	uint8_t got[16];

	check(call(r, HV_CALL_GET_GPA_PAGES_ACCESS_STATES, n, (const uint64_t []){ w->line[1].p->id, flags, first }, 24),
	      HV_STATUS_SUCCESS, n);
	g_assert_true(partition_read(r->p, page_gpa(OUT), got, n));
	for (unsigned i = 0; i < n; i++)
		if (got[i] != want[i])
			g_error("page %#" PRIx64 ": %#x, not %#x", first + i, got[i], want[i]);
}
#define STATES(w, first, flags, ...) \
	check_states(w, first, sizeof((const uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ }, flags)
#define CLEAR (HV_ACCESS_CLEAR_ACCESSED | HV_ACCESS_CLEAR_DIRTY)

static void track(struct world *w, uint64_t on)
{
	const uint64_t in[] = { w->line[1].p->id, HV_PROPERTY_GPA_ACCESS_TRACKING, on };

	check(call(&w->line[0], HV_CALL_SET_PARTITION_PROPERTY, 0, in, sizeof in), HV_STATUS_SUCCESS, 0);
}

static void test_accessed(void)
{
	struct world w;
	struct one *r = &w.line[0], *c = &w.line[1];
	uint64_t large;

	world_open(&w, 2);
	share_low_pages(&w, 2);
	check(call(r, HV_CALL_GET_GPA_PAGES_ACCESS_STATES, 1, (const uint64_t []){ c->p->id, 0, 0 }, 24),
	      HV_STATUS_OPERATION_DENIED, 0);
	track(&w, 1);
	place(c, copier, sizeof copier);
	STATES(&w, 0, CLEAR, NOT, AD, NOT, NOT, NOT, NOT, NOT, NOT, NOT);
	for (unsigned i = 0; i < 3; i++) {
		go(&w, 2);
		copied(&w);
		stop(&w);
		/* Code, what is written, what is read. */
		STATES(&w, 0, 0, NOT, A, NOT, NOT, NOT, AD, NOT, A, NOT);
		STATES(&w, 0, i & 1 ? CLEAR : HV_ACCESS_CLEAR_DIRTY, NOT, A, NOT, NOT, NOT, AD, NOT, A, NOT);
		STATES(&w, 4, 0, NOT, i & 1 ? NOT : A, NOT, i & 1 ? NOT : A);
	}
	/* Rights do not matter to it; a new mapping begins with nothing, or as it is told. */
	check(modify(r, c->p, 5, R), HV_STATUS_SUCCESS, 1);
	STATES(&w, 5, 0, A);
	check(map(r, c->p, 5, RWX, 5, 1), HV_STATUS_SUCCESS, 1);
	STATES(&w, 5, 0, NOT);
	check(modify(r, c->p, 5, RWX | HV_MAP_GPA_SET_DIRTY), HV_STATUS_SUCCESS, 1);
	STATES(&w, 5, HV_ACCESS_SET_ACCESSED, D);
	STATES(&w, 5, 0, AD);
	/* A large page is written to as a whole, and cleared in parts. */
	large = large_fresh(r);
	check(map(r, c->p, AT, RWX | HV_MAP_GPA_LARGE_PAGE, large, 1), HV_STATUS_SUCCESS, 1);
	g_assert_true(partition_write(c->p, page_gpa(AT + 9), &large, sizeof large));
	STATES(&w, AT + 3, CLEAR, AD);
	STATES(&w, AT + 2, 0, AD, NOT, AD);
	check_same(r->p, large + 3, c->p, AT + 3);
	/* Nothing there. */
	STATES(&w, AT + LARGE, CLEAR, NOT);
	check(call(r, HV_CALL_GET_GPA_PAGES_ACCESS_STATES, 1, (const uint64_t []){ c->p->id, 0x10, 0 }, 24),
	      HV_STATUS_INVALID_PARAMETER, 0);
	check(call(r, HV_CALL_GET_GPA_PAGES_ACCESS_STATES, 1, (const uint64_t []){ c->p->id, 3, 0 }, 24),
	      HV_STATUS_INVALID_PARAMETER, 0);
	track(&w, 0);
	check(call(r, HV_CALL_GET_GPA_PAGES_ACCESS_STATES, 1, (const uint64_t []){ c->p->id, 0, 0 }, 24),
	      HV_STATUS_OPERATION_DENIED, 0);
	world_close(&w);
}

/* ---- a partition's own properties ---- */

static hv_status set_own(const struct one *o, uint32_t code, uint64_t v)
{
	const uint64_t in[] = { HV_PARTITION_ID_SELF, code, v };

	return hv_result_status(call(o, HV_CALL_SET_PARTITION_PROPERTY, 0, in, sizeof in));
}

/* Who makes partitions may set its own, but not be more than it is (T5.6.6.f); until it is reset. */
static void test_own_properties(void)
{
	struct world w;
	struct one *r = &w.line[0];
	uint64_t privileges;

	world_open(&w, 2);
	privileges = r->p->features.privileges;
	g_assert_cmphex(set_own(r, HV_PROPERTY_PRIVILEGE_FLAGS, privileges | HV_CONFIGURE_PROFILER), ==,
			HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	g_assert_cmphex(r->p->features.privileges, ==, privileges);
	/* It waits for all VPs of the target: not for the one that asks. */
	g_assert_cmphex(set_own(r, HV_PROPERTY_GPA_ACCESS_TRACKING, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(set_own(r, HV_PROPERTY_CPU_WEIGHT, 77), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(set_own(r, HV_PROPERTY_TIME_FREEZE, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(set_own(r, HV_PROPERTY_PRIVILEGE_FLAGS, privileges & ~HV_CREATE_PARTITIONS), ==, HV_STATUS_SUCCESS);
	/* T5.6.6.d: as one now that is no root. */
	g_assert_cmphex(set_own(r, HV_PROPERTY_PRIVILEGE_FLAGS, privileges), ==, HV_STATUS_ACCESS_DENIED);
	g_assert_cmphex(set_own(r, HV_PROPERTY_CPU_WEIGHT, 100), ==, HV_STATUS_ACCESS_DENIED);
	partition_reset(r->p);
	g_assert_cmphex(r->p->features.privileges, ==, privileges);
	g_assert_false(atomic_load(&r->p->tracked) || atomic_load(&r->p->frozen) || atomic_load(&r->p->share.weight) == 77);
	world_close(&w);
}

/* ---- while a partition ends ---- */

/* T5.2.5.f: nothing but its pool, its children and its end; T5.6.3.d: others may ask for that, too. */
static void test_finalizing(void)
{
	struct world w;
	const struct one *r = &w.line[0];
	struct partition *p;
	struct hv_in_create_vp vp = { .vp_index = 1 };
	uint64_t page;

	world_open(&w, 2);
	p = w.line[1].p;
	vp.partition_id = p->id;
	page = fresh(&w.line[0], 1);
	atomic_store(&p->life, LIFE_FINALIZING);
	check(map(r, p, pages_of[1], RWX, page, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(unmap(r, p, 0, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(modify(r, p, 0, R), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(deposit(r, p, page, 1), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(act(r, HV_CALL_INITIALIZE_PARTITION, p), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(act(r, HV_CALL_DELETE_PARTITION, p), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(call(r, HV_CALL_CREATE_VP, 0, &vp, sizeof vp), HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(call(r, HV_CALL_GET_PARTITION_PROPERTY, 0, (const uint64_t []){ p->id, HV_PROPERTY_CPU_CAP }, 16),
	      HV_STATUS_INVALID_PARTITION_STATE, 0);
	check(withdraw(r, p, 1), HV_STATUS_SUCCESS, 1);
	check(call(r, HV_CALL_GET_MEMORY_BALANCE, 0, (const uint64_t []){ p->id, 0 }, 16), HV_STATUS_SUCCESS, 0);
	check(call(r, HV_CALL_GET_NEXT_CHILD_PARTITION, 0, (const uint64_t []){ p->id, 0 }, 16), HV_STATUS_SUCCESS, 0);
	check(act(r, HV_CALL_FINALIZE_PARTITION, p), HV_STATUS_SUCCESS, 0);
	/* It is its VPs' end that others wait for. */
	atomic_store(&p->life, LIFE_ACTIVE);
	check(act(r, HV_CALL_FINALIZE_PARTITION, p), HV_STATUS_SUCCESS, 0);
	check(act(r, HV_CALL_FINALIZE_PARTITION, p), HV_STATUS_INVALID_PARTITION_STATE, 0);
	world_close(&w);
}

enum { WATCH_IN = 0x12, LIVES = 20 };
/* What a call that wants an active partition comes to, from one state to the next. */
enum stage { BEFORE, ACTIVE, ENDED, GONE };
struct watch {
	struct vp *vp;
	uint64_t id;
	_Atomic int stage;
};

static enum stage next_stage(enum stage before, hv_status s)
{
	switch (s) {
	case HV_STATUS_SUCCESS: return ACTIVE;
	case HV_STATUS_INVALID_PARTITION_STATE: return before == BEFORE ? BEFORE : ENDED;
	case HV_STATUS_INVALID_PARTITION_ID: return GONE;
	default: g_error("status %#x", s);
	}
}

static void *watch(void *o)
{
	struct watch *w = o;
	const uint64_t in[] = { w->id, HV_PROPERTY_CPU_WEIGHT, 50 };

	g_assert_true(partition_write(w->vp->partition, page_gpa(WATCH_IN), in, sizeof in));
	while (atomic_load(&w->stage) != GONE) {
		uint64_t r = vp_hypercall(w->vp, HV_CALL_SET_PARTITION_PROPERTY, page_gpa(WATCH_IN).v, 0);
		enum stage stage = next_stage((enum stage)atomic_load(&w->stage), hv_result_status(r));

		g_assert_cmpint(stage, >=, atomic_load(&w->stage));
		atomic_store(&w->stage, stage);
	}
	return NULL;
}

static void await_stage(const struct watch *w, enum stage stage)
{
	while (atomic_load(&w->stage) != (int)stage)
		g_usleep(100);
}

/* T5.2.5.b: who calls meanwhile sees one state or the next, never one that is past. */
static void test_transitions(void)
{
	struct world w;

	vps = 2;
	world_open(&w, 1);
	vps = 1;
	for (unsigned i = 0; i < LIVES; i++) {
		struct one *r = &w.line[0];
		struct hv_in_create_partition in = { 0 };
		struct watch seen = { .vp = partition_vp(r->p, 1) };
		struct partition *p;
		GThread *thread;

		if (!i)
			check(deposit(r, r->p, fresh(r, 8), 8), HV_STATUS_SUCCESS, 8);
		check(call(r, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_SUCCESS, 0);
		g_assert_true(partition_read(r->p, page_gpa(OUT), &seen.id, sizeof seen.id));
		p = hv_partition_by_id(w.hv, seen.id);
		check(deposit(r, p, fresh(r, 64), 64), HV_STATUS_SUCCESS, 64);
		thread = g_thread_new("watch", watch, &seen);
		check(act(r, HV_CALL_INITIALIZE_PARTITION, p), HV_STATUS_SUCCESS, 0);
		await_stage(&seen, ACTIVE);
		check(act(r, HV_CALL_FINALIZE_PARTITION, p), HV_STATUS_SUCCESS, 0);
		await_stage(&seen, ENDED);
		check(withdraw(r, p, 64), HV_STATUS_SUCCESS, 64);
		check(act(r, HV_CALL_DELETE_PARTITION, p), HV_STATUS_SUCCESS, 0);
		g_thread_join(thread);
		partition_unref(p);
	}
	world_close(&w);
}

/* ---- ports of two partitions, whatever they do ---- */

enum { PORTS = 4, PORT_STEPS = 4000, PORT_SINT = 5 };

/* Port @n of an owner, and connection @n to it, of the other one. */
struct route {
	bool port;
	enum { NOWHERE, CONNECTED, DANGLING } connection;
};

static void listen(const struct one *o, uint64_t page)
{
	g_assert_true(vp_wrmsr(o->vp, HV_X64_MSR_SIMP, page_gpa(page).v | HV_MSR_PAGE_ENABLE));
	g_assert_true(vp_wrmsr(o->vp, HV_X64_MSR_SINT0 + PORT_SINT, 0x75));
	g_assert_true(vp_wrmsr(o->vp, HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE));
}

static hv_status create_port(const struct one *by, const struct one *owner, const struct one *from, uint32_t n)
{
	struct hv_in_create_port in = { .port_partition = owner->p->id, .port_id = n, .connection_partition = from->p->id,
					.info = { .type = HV_PORT_MESSAGE, .sint = PORT_SINT, .vp = HV_ANY_VP } };

	return hv_result_status(call(by, HV_CALL_CREATE_PORT, 0, &in, sizeof in));
}

static hv_status connect_port(const struct one *by, const struct one *owner, const struct one *from, uint32_t n)
{
	struct hv_in_connect_port in = { .connection_partition = from->p->id, .connection_id = n, .port_partition = owner->p->id,
					 .port_id = n, .info.type = HV_PORT_MESSAGE };

	return hv_result_status(call(by, HV_CALL_CONNECT_PORT, 0, &in, sizeof in));
}

static hv_status end_port(const struct one *by, uint16_t code, const struct one *of, uint32_t n)
{
	return hv_result_status(call(by, code, 0, (const uint64_t []){ of->p->id, n }, 16));
}

static hv_status post_to(const struct one *from, uint32_t n)
{
	struct hv_in_post_message in = { .connection_id = n, .message_type = 1, .payload_size = 8 };

	return hv_result_status(call(from, HV_CALL_POST_MESSAGE, 0, &in, sizeof in));
}

static void port_step(struct world *w, struct route route[2][PORTS], unsigned to, unsigned n, int what)
{
	const struct one *by = &w->line[0], *owner = &w->line[to], *from = &w->line[!to];
	struct route *r = &route[to][n];
	hv_status s;

	switch (what) {
	case 0:
		g_assert_cmphex(create_port(by, owner, from, n), ==, r->port ? HV_STATUS_INVALID_PORT_ID : HV_STATUS_SUCCESS);
		r->port = true;
		break;
	case 1:
		g_assert_cmphex(end_port(by, HV_CALL_DELETE_PORT, owner, n), ==, r->port ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID);
		r->port = false;
		if (r->connection == CONNECTED)
			r->connection = DANGLING;
		break;
	case 2:
		g_assert_cmphex(connect_port(by, owner, from, n), ==, !r->port ? HV_STATUS_INVALID_PORT_ID :
				r->connection ? HV_STATUS_INVALID_CONNECTION_ID : HV_STATUS_SUCCESS);
		if (r->port && !r->connection)
			r->connection = CONNECTED;
		break;
	case 3:
		g_assert_cmphex(end_port(by, HV_CALL_DISCONNECT_PORT, from, n), ==,
				r->connection ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_CONNECTION_ID);
		r->connection = NOWHERE;
		break;
	default:
		s = post_to(from, n);
		if (r->connection != CONNECTED)
			g_assert_cmphex(s, ==, r->connection ? HV_STATUS_INVALID_PORT_ID : HV_STATUS_INVALID_CONNECTION_ID);
		else if (s != HV_STATUS_INSUFFICIENT_BUFFERS)
			g_assert_cmphex(s, ==, HV_STATUS_SUCCESS);
	}
}

/* Nobody empties a slot, so messages are queued wherever ports and partitions end. */
/* In place of the library's: the host may refuse a thread. */
static bool no_threads;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*f)(void *), void *o)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (no_threads)
		return EAGAIN;
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return real(thread, attributes, f, o);
}

/* T10.4.1.v */
static void test_no_thread(void)
{
	static const struct vp_component *const with_pages[] = { &apic_component, &synic_component, &port_component, NULL };
	const uint32_t index = 1;
	uint64_t available;
	struct world w;

	components = with_pages;
	world_open(&w, 2);
	check(deposit(&w.line[0], w.line[1].p, fresh(&w.line[0], POOL), POOL), HV_STATUS_SUCCESS, POOL);
	available = pool_available(&w.line[1].p->pool);
	for (unsigned i = 0; i < 3; i++) {
		struct hv_in_create_vp in = { .partition_id = w.line[1].p->id, .vp_index = index };

		no_threads = i < 2;
		check(call(&w.line[0], HV_CALL_CREATE_VP, 0, &in, sizeof in), i < 2 ? HV_STATUS_NO_RESOURCES : HV_STATUS_SUCCESS, 0);
		g_assert_true(!partition_vp(w.line[1].p, index) == (i < 2));
		if (i < 2)
			g_assert_cmpuint(pool_available(&w.line[1].p->pool), ==, available);
	}
	world_close(&w);
	components = NULL;
}

static void test_ports(void)
{
	static const struct vp_component *const with_ports[] = { &apic_component, &synic_component, &port_component, NULL };
	struct route route[2][PORTS] = { 0 };
	struct world w;
	uint64_t charged[2];

	components = with_ports;
	world_open(&w, 2);
	for (unsigned i = 0; i < 2; i++) {
		listen(&w.line[i], w.line[i].fresh++);
		charged[i] = w.line[i].p->pool.charged;
	}
	for (unsigned i = 0; i < PORT_STEPS; i++)
		port_step(&w, route, g_test_rand_int_range(0, 2), g_test_rand_int_range(0, PORTS), g_test_rand_int_range(0, 7));
	for (unsigned i = 0; i < 2 * PORTS; i++) {
		port_step(&w, route, i & 1, i / 2, 1);
		port_step(&w, route, i & 1, i / 2, 3);
	}
	for (unsigned i = 0; i < 2; i++)
		g_assert_cmpuint(w.line[i].p->pool.charged, ==, charged[i]);       /* T14.9.2.j */
	for (unsigned i = 0; i < 6 * PORTS; i++)
		port_step(&w, route, i & 1, i / 2 % PORTS, (int[]){ 0, 2, 4 }[i / (2 * PORTS)]);
	if (g_test_rand_bit()) {
		check(act(&w.line[0], HV_CALL_FINALIZE_PARTITION, w.line[1].p), HV_STATUS_SUCCESS, 0);
		for (unsigned n = 0; n < PORTS; n++)
			g_assert_cmphex(post_to(&w.line[0], n), ==, HV_STATUS_INVALID_PORT_ID);    /* T14.9.7.q */
	}
	world_close(&w);
	components = NULL;
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/space/two-generations", test_two_generations);
	g_test_add_func("/space/alias", test_alias);
	g_test_add_func("/space/rights", test_rights);
	g_test_add_func("/space/four-generations", test_four_generations);
	g_test_add_func("/space/large", test_large);
	g_test_add_func("/space/content", test_content);
	g_test_add_func("/space/ends", test_ends);
	g_test_add_func("/space/random", test_random);
	g_test_add_func("/space/race", test_race);
	g_test_add_func("/space/locked", test_locked);
	g_test_add_func("/space/code", test_code);
	g_test_add_func("/space/flush", test_flush);
	g_test_add_func("/space/taken", test_taken);
	g_test_add_func("/space/accessed", test_accessed);
	g_test_add_func("/space/own-properties", test_own_properties);
	g_test_add_func("/space/finalizing", test_finalizing);
	g_test_add_func("/space/transitions", test_transitions);
	g_test_add_func("/space/ports", test_ports);
	g_test_add_func("/space/no-thread", test_no_thread);
	return g_test_run();
}
