/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GPA map and frames, inside accel/hvtlfs. */
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "gpa.h"
#include "target/i386/cpu.h"

#define R X86_PAGE_READ
#define RW (X86_PAGE_READ | X86_PAGE_WRITE)
#define RWX (RW | X86_PAGE_EXEC)

static gpn_t gpn(uint64_t v) { return (gpn_t){ v }; }
static spn_t spn(uint64_t v) { return (spn_t){ v }; }

static void check(const struct gpa_map *m, uint64_t at, uint64_t frame, uint32_t rights)
{
	struct gpa_target t;

	g_assert_true(gpa_map_lookup(m, gpn(at), &t));
	g_assert_cmphex(t.frame.v, ==, frame);
	g_assert_cmphex(t.rights, ==, rights);
	g_assert_false(t.overlay);
}

static void check_none(const struct gpa_map *m, uint64_t at)
{
	struct gpa_target t;

	g_assert_false(gpa_map_lookup(m, gpn(at), &t));
}

static void check_overlay(const struct gpa_map *m, uint64_t at, const struct overlay *o)
{
	struct gpa_target t;

	g_assert_true(gpa_map_lookup(m, gpn(at), &t));
	g_assert_true(t.overlay);
	g_assert_cmphex(t.frame.v, ==, o->frame.v);
	g_assert_cmphex(t.rights, ==, o->rights);
}

static void test_ranges(void)
{
	struct gpa_map m;

	gpa_map_init(&m, 40);
	check_none(&m, 0);
	/* Odd start, over several large pages, frames not aligned with pages. */
	gpa_map_set(&m, gpn(0x123), 0x80000, spn(7), RWX);
	check_none(&m, 0x122);
	check(&m, 0x123, 7, RWX);
	check(&m, 0x40000, 7 + 0x40000 - 0x123, RWX);
	check(&m, 0x123 + 0x7ffff, 7 + 0x7ffff, RWX);
	check_none(&m, 0x123 + 0x80000);
	/* A hole, and other rights, in the middle of what was one large piece. */
	gpa_map_clear(&m, gpn(0x40001), 2);
	gpa_map_set(&m, gpn(0x50000), 1, spn(0x99), R);
	check(&m, 0x40000, 7 + 0x40000 - 0x123, RWX);
	check_none(&m, 0x40001);
	check_none(&m, 0x40002);
	check(&m, 0x40003, 7 + 0x40003 - 0x123, RWX);
	check(&m, 0x50000, 0x99, R);
	check(&m, 0x50001, 7 + 0x50001 - 0x123, RWX);
	g_assert_false(gpa_map_is_clear(&m, gpn(0), m.pages));
	g_assert_true(gpa_map_is_clear(&m, gpn(0), 0x123));
	g_assert_true(gpa_map_is_clear(&m, gpn(0x40001), 2));
	g_assert_false(gpa_map_is_clear(&m, gpn(0x40001), 3));
	gpa_map_clear(&m, gpn(0), m.pages);
	g_assert_true(gpa_map_is_clear(&m, gpn(0), m.pages));
	check_none(&m, 0x50000);
	gpa_map_fini(&m);
}

static void test_bounds(void)
{
	struct gpa_map m;

	gpa_map_init(&m, 36);
	g_assert_cmphex(m.pages, ==, 1u << 24);
	gpa_map_set(&m, gpn(m.pages - 1), 1, spn(1), RW);
	check(&m, m.pages - 1, 1, RW);
	check_none(&m, m.pages);
	check_none(&m, UINT64_MAX);
	gpa_map_fini(&m);
}

static void test_overlays(void)
{
	struct overlay a = { .frame = { 100 }, .rights = R, .at = GPN_NOWHERE };
	struct overlay b = { .frame = { 200 }, .rights = RW, .at = GPN_NOWHERE };
	struct gpa_map m;

	gpa_map_init(&m, 40);
	gpa_map_set(&m, gpn(0), 0x1000, spn(0), RWX);
	gpa_map_overlay(&m, &a, gpn(0x10));
	check_overlay(&m, 0x10, &a);                  /* T8.1.3.b, c */
	check(&m, 0x0f, 0x0f, RWX);
	check(&m, 0x11, 0x11, RWX);
	/* T8.1.3.e: two on one page; the other shows when one goes. */
	gpa_map_overlay(&m, &b, gpn(0x10));
	check_overlay(&m, 0x10, &b);
	gpa_map_overlay(&m, &b, gpn(0x20));
	check_overlay(&m, 0x10, &a);
	check_overlay(&m, 0x20, &b);
	/* T8.1.3.a: changes below do not show, until the overlay goes (T8.1.3.d). */
	gpa_map_set(&m, gpn(0x0e), 4, spn(0x800), R);
	check_overlay(&m, 0x10, &a);
	check(&m, 0x0f, 0x801, R);
	check(&m, 0x11, 0x803, R);
	gpa_map_overlay(&m, &a, GPN_NOWHERE);
	check(&m, 0x10, 0x802, R);
	gpa_map_clear(&m, gpn(0), 0x1000);
	check_overlay(&m, 0x20, &b);
	gpa_map_overlay(&m, &b, GPN_NOWHERE);
	check_none(&m, 0x20);
	gpa_map_fini(&m);
}

static void test_overlay_nowhere(void)
{
	struct overlay a = { .frame = { 100 }, .rights = RW, .at = GPN_NOWHERE };
	struct gpa_map m;

	gpa_map_init(&m, 40);
	/* T8.1.3.i: on nothing.  It is no memory below it. */
	gpa_map_overlay(&m, &a, gpn(0xfee00));
	check_overlay(&m, 0xfee00, &a);
	g_assert_true(gpa_map_is_clear(&m, gpn(0), m.pages));
	/* T15.4.1.c: beyond the space; and back. */
	gpa_map_overlay(&m, &a, gpn(m.pages));
	check_none(&m, 0xfee00);
	check_none(&m, m.pages);
	gpa_map_overlay(&m, &a, gpn(UINT64_MAX >> 12));
	gpa_map_overlay(&m, &a, gpn(0));
	check_overlay(&m, 0, &a);
	gpa_map_overlay(&m, &a, gpn(0));
	check_overlay(&m, 0, &a);
	gpa_map_overlay(&m, &a, GPN_NOWHERE);
	check_none(&m, 0);
	gpa_map_fini(&m);
}

/* Random ranges against a plain array. */
static void test_model(void)
{
	enum { PAGES = 0x1800, OVERLAYS = 5 };
	uint64_t *model = g_new0(uint64_t, PAGES);
	struct overlay o[OVERLAYS];
	struct gpa_map m;

	gpa_map_init(&m, 40);
	for (unsigned i = 0; i < OVERLAYS; i++)
		o[i] = (struct overlay){ .frame = { 0x100000 + i }, .rights = R, .at = GPN_NOWHERE };
	for (unsigned round = 0; round < 300; round++) {
		uint64_t at = g_test_rand_int_range(0, PAGES), n = g_test_rand_int_range(1, PAGES - (int)at + 1);
		uint64_t frame = g_test_rand_int_range(1, 1 << 20);
		struct overlay *moved = &o[g_test_rand_int_range(0, OVERLAYS)];
		bool clear = g_test_rand_bit();

		if (clear)
			gpa_map_clear(&m, gpn(at), n);
		else
			gpa_map_set(&m, gpn(at), n, spn(frame), RW);
		for (uint64_t i = 0; i < n; i++)
			model[at + i] = clear ? 0 : frame + i;
		gpa_map_overlay(&m, moved, g_test_rand_bit() ? gpn((uint64_t)g_test_rand_int_range(0, PAGES)) : GPN_NOWHERE);
		for (uint64_t i = 0; i < PAGES; i++) {
			struct gpa_target t;
			bool covered = false;

			for (unsigned k = 0; k < OVERLAYS; k++)
				covered |= o[k].at.v == i;
			if (!gpa_map_lookup(&m, gpn(i), &t))
				g_assert_true(!covered && !model[i]);
			else if (t.overlay)
				g_assert_true(covered);
			else
				g_assert_true(!covered && t.frame.v == model[i]);
		}
	}
	for (unsigned i = 0; i < OVERLAYS; i++)
		gpa_map_overlay(&m, &o[i], GPN_NOWHERE);
	gpa_map_fini(&m);
	g_free(model);
}

/* An overlay that wanders takes no table of the map, and others look at what is there meanwhile. */
struct wander {
	struct gpa_map *m;
	_Atomic bool over;
};

static void *look(void *o)
{
	struct wander *w = o;
	struct gpa_target t;

	while (!atomic_load(&w->over)) {
		/* One stays where it is. */
		g_assert_true(gpa_map_lookup(w->m, gpn(0x77), &t) && t.overlay && t.frame.v == 100);
		if (gpa_map_lookup(w->m, gpn(0x88), &t) && !t.overlay)
			g_assert_cmphex(t.frame.v, ==, 0x1088);
	}
	return NULL;
}

static void test_overlays_wander(void)
{
	enum { OVERLAYS = 200 };
	struct overlay o[OVERLAYS];
	struct gpa_map m;
	struct wander w = { .m = &m };
	uint64_t cost;
	GThread *thread;

	gpa_map_init(&m, 40);
	gpa_map_set(&m, gpn(0), 0x200, spn(0x1000), RWX);
	cost = gpa_map_cost(&m, gpn(1ull << 20), 1);
	g_assert_cmpuint(cost, ==, 2 * 4096);
	for (unsigned i = 0; i < OVERLAYS; i++)
		o[i] = (struct overlay){ .frame = { 100 + i }, .rights = R, .at = GPN_NOWHERE };
	gpa_map_overlay(&m, &o[0], gpn(0x77));
	thread = g_thread_new("look", look, &w);
	for (unsigned i = 1; i < OVERLAYS; i++)
		gpa_map_overlay(&m, &o[i], i % 3 ? gpn(i << 20) : gpn(0x88));
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 1; i < OVERLAYS; i++)
			gpa_map_overlay(&m, &o[i], round & 1 ? gpn((uint64_t)i * 0x12345 % m.pages) : gpn(0x88));
	atomic_store(&w.over, true);
	g_thread_join(thread);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(1ull << 20), 1), ==, cost);
	for (unsigned i = 0; i < OVERLAYS; i++)
		gpa_map_overlay(&m, &o[i], GPN_NOWHERE);
	check(&m, 0x88, 0x1088, RWX);
	gpa_map_fini(&m);
}

/* What a change costs is what it takes, and tables stay. */
static void test_cost(void)
{
	enum { TABLE = 4096 };
	struct gpa_target t;
	struct gpa_map m;
	bool mapped;

	gpa_map_init(&m, 40);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0), 1), ==, 3 * TABLE);
	gpa_map_set(&m, gpn(0), 1, spn(1), RW);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(1), 511), ==, 0);
	/* Whole large pages need no table of the last level; their parts do. */
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0x200), 0x400), ==, 0);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0x1ff), 0x402), ==, TABLE);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0x3ffff), 2), ==, 3 * TABLE);
	gpa_map_set(&m, gpn(0x200), 0x200, spn(0x1000), RWX);
	g_assert_cmpuint(gpa_map_run(&m, gpn(0x200), 0x200, &t, &mapped), ==, 0x200);
	g_assert_true(mapped && t.frame.v == 0x1000 && t.limit == RWX);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0x205), 1), ==, TABLE);
	gpa_map_clear(&m, gpn(0x205), 1);
	g_assert_cmpuint(gpa_map_cost(&m, gpn(0x206), 7), ==, 0);
	g_assert_cmpuint(gpa_map_run(&m, gpn(0x204), 0x20, &t, &mapped), ==, 1);
	gpa_map_run(&m, gpn(0x205), 1, &t, &mapped);
	g_assert_false(mapped);
	/* Pages without a frame are all alike. */
	gpa_map_put(&m, gpn(0x400), 0x200, &(struct gpa_target){ .frame = SPN_NONE });
	gpa_map_run(&m, gpn(0x5ff), 1, &t, &mapped);
	g_assert_true(mapped && t.frame.v == SPN_NONE.v && !t.rights);
	g_assert_cmpint(gpa_map_access(&m, gpn(0x5ff), R), ==, GPA_DENIED);
	g_assert_cmpint(gpa_map_access(&m, gpn(0x600), R), ==, GPA_UNMAPPED);
	g_assert_cmpint(gpa_map_access(&m, gpn(0), R), ==, GPA_ALLOWED);
	gpa_map_fini(&m);
}

struct sum {
	uint64_t pages, numbers;
};

static void add(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	struct sum *s = o;

	s->pages += pages;
	s->numbers += t->frame.v - at.v;
}

/* Each mapped page is told once, with what is below overlays. */
static void test_foreach(void)
{
	struct overlay o = { .frame = { 77 }, .rights = R, .at = GPN_NOWHERE };
	struct sum s = { 0 };
	struct gpa_map m;

	gpa_map_init(&m, 40);
	gpa_map_set(&m, gpn(0x1fe), 0x403, spn(0x2fe), RW);
	gpa_map_overlay(&m, &o, gpn(0x300));
	gpa_map_foreach(&m, add, &s);
	g_assert_cmpuint(s.pages, ==, 0x403);
	/* 2 pages, a large one with those behind it, and one: all as far from their frames. */
	g_assert_cmpuint(s.numbers, ==, 5 * 0x100);
	gpa_map_overlay(&m, &o, GPN_NOWHERE);
	gpa_map_fini(&m);
}

static void test_frames(void)
{
	struct partition *alice = (void *)0x1000, *bob = (void *)0x2000;
	struct frames f;
	struct frame *d;
	spn_t a, b, c;

	g_assert_true(frames_init(&f, 64u << 20, NULL));
	g_assert_cmpuint(frames_ram_left(&f), ==, 16384);
	g_assert_cmpuint(frames_take(&f, 10000, alice, FRAME_RAM, &a), ==, 10000);
	g_assert_cmpuint(frames_take(&f, 1, alice, FRAME_HYPERVISOR, &b), ==, 1);
	/* No more than was promised, though there are frames for overlays. */
	g_assert_cmpuint(frames_take(&f, 10000, bob, FRAME_RAM, &c), ==, 6384);
	g_assert_cmpuint(frames_ram_left(&f), ==, 0);
	d = frames_descriptor(&f, spn(a.v + 9999));
	g_assert_true(d->owner == alice && d->kind == FRAME_RAM);
	g_assert_true(frames_descriptor(&f, b)->kind == FRAME_HYPERVISOR);
	g_assert_true(frames_descriptor(&f, c)->owner == bob);
	atomic_store(&d->code.granules, 5);
	memset(frames_host(&f, spn(a.v + 9999)), 0x55, HV_PAGE_SIZE);
	frames_give(&f, a, 10000);
	g_assert_true(!d->owner && d->kind == FRAME_FREE);
	g_assert_cmpuint(atomic_load(&d->code.granules), ==, 0);
	g_assert_cmpuint(atomic_load(&d->code.gen), >, 0);
	/* What comes back is zero. */
	g_assert_cmpuint(frames_take(&f, 10000, bob, FRAME_RAM, &a), ==, 10000);
	g_assert_cmpuint(*frames_host(&f, spn(a.v + 9999)), ==, 0);
	g_assert_true(d->owner == bob);
	frames_give(&f, a, 10000);
	frames_give(&f, c, 6384);
	frames_give(&f, b, 1);
	g_assert_cmpuint(f.free->len, ==, 1);
	frames_fini(&f);
}

/* 64 GiB of possible frames cost next to nothing. */
static void test_frames_sparse(void)
{
	struct frames f;
	unsigned chunks = 0;
	spn_t a;

	g_assert_true(frames_init(&f, UINT64_C(64) << 30, NULL));
	g_assert_cmpuint(frames_take(&f, UINT64_C(60) << 18, NULL, FRAME_RAM, &a), ==, UINT64_C(60) << 18);
	frames_descriptor(&f, spn(a.v + 12345678));
	for (uint64_t i = 0; i < f.count / FRAME_CHUNK; i++)
		chunks += !!atomic_load(&f.chunk[i]);
	g_assert_cmpuint(chunks, ==, 1);
	frames_give(&f, a, UINT64_C(60) << 18);
	frames_fini(&f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gpa/ranges", test_ranges);
	g_test_add_func("/gpa/bounds", test_bounds);
	g_test_add_func("/gpa/overlays", test_overlays);
	g_test_add_func("/gpa/overlay-nowhere", test_overlay_nowhere);
	g_test_add_func("/gpa/model", test_model);
	g_test_add_func("/gpa/overlays-wander", test_overlays_wander);
	g_test_add_func("/gpa/cost", test_cost);
	g_test_add_func("/gpa/foreach", test_foreach);
	g_test_add_func("/frames/life", test_frames);
	g_test_add_func("/frames/sparse", test_frames_sparse);
	return g_test_run();
}
