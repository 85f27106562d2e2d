/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A parent whose VPs stand still, and its child, for tests of what a parent does with it by calls. */
#ifndef TESTS_UNIT_FAMILY_H
#define TESTS_UNIT_FAMILY_H

#include <string.h>

#include "hv/hypercall.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "accel/hvtlfs/component.h"
#include "partition.h"

#define MIB (UINT64_C(1) << 20)
enum {
	VPS = 2, IN = 0x20000, OUT = 0x21000,
	POOL = 0x100, POOL_PAGES = 1024,     /* parent's pages for the child's pool */
	OWN = 0x80, OWN_PAGES = 16,
	SHARED = 0x600,                     /* and those that the child sees from 0 on: */
	CHILD_PAGES = 16, READ_ONLY = 14, CODE = 0x1000, STACK = 0x3000,
};

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p, *child;
	struct vp *vp;               /* the child's first */
	_Atomic bool quit;           /* for a thread that a test has beside it */
};

static inline gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

static inline void wr(struct vp *vp, uint32_t msr, uint64_t v)
{
	if (!vp_wrmsr(vp, msr, v))
		g_error("WRMSR %#x = %#" PRIx64 " faults", msr, v);
}

/* @n pages of the parent from @first on. */
static inline void feed(struct world *w, struct partition *to, unsigned first, unsigned n)
{
	struct gpa_target t;

	for (unsigned i = 0; i < n; i++) {
		g_assert_true(gpa_map_lookup(&w->p->map, (gpn_t){ first + i }, &t));
		pool_deposit(&to->pool, (struct pool_page){ t.frame, { first + i } });
	}
}

static inline void share(struct world *w)
{
	struct gpa_target t;

	for (unsigned i = 0; i < CHILD_PAGES; i++) {
		g_assert_true(gpa_map_lookup(&w->p->map, (gpn_t){ SHARED + i }, &t));
		gpa_map_set(&w->child->map, (gpn_t){ i }, 1, t.frame,
			    i == READ_ONLY ? X86_PAGE_READ : X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC);
	}
}

static inline struct vp *add_vp(struct world *w, uint32_t index)
{
	lock_acquire(&w->child->call_lock);
	g_assert_cmphex(partition_add_vp(w->child, index), ==, HV_STATUS_SUCCESS);
	lock_release(&w->child->call_lock);
	return partition_vp(w->child, index);
}

static inline void make_child(struct world *w, uint64_t flags)
{
	feed(w, w->p, OWN, OWN_PAGES);
	g_assert_true(pool_charge(&w->p->pool, sizeof *w->p));
	w->child = partition_new_child(w->p, &w->p->features, (const uint64_t[HIDDEN_COUNT]){ 0 }, flags);
	g_assert_nonnull(w->child);
	feed(w, w->child, POOL, POOL_PAGES);
	g_assert_true(partition_init_child(w->child));
	atomic_store(&w->child->life, LIFE_ACTIVE);
	partition_time_update(w->child);
	share(w);
	w->vp = add_vp(w, 0);
}

/* @flags: HV_CREATE_*. */
static inline void family_open(struct world *w, const struct vp_component *const *components, uint64_t flags)
{
	struct hv_features features;
	GError *error = NULL;

	hv_features_init(&features);
	hv_features_role(&features, HV_ROLE_HOST);

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("max", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 16 * MIB, .engine = g_getenv("TEST_ENGINE") }, components, &error);
	g_assert_no_error(error);
	w->p = partition_new(w->hv, &(struct partition_config){ .name = "parent", .vps = VPS, .model = w->model,
		.features = &features }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->p, gpa(0), 8 * MIB, &error));
	make_child(w, flags);
}

static inline void close_world(struct world *w)
{
	partition_unref(w->child);
	hv_free(w->hv);
	partition_unref(w->p);
	x86_model_free(w->model);
}

static inline void child_write(struct world *w, uint64_t at, const void *from, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(SHARED * 0x1000 + at), from, n));
}

/* Real mode, flat from 0 on without limits: at CODE. */
static inline void place(struct world *w, const void *code, size_t n)
{
	struct x86_cpu *c = vp_cpu(w->vp);

	vp_wait_parked(w->vp);
	child_write(w, CODE, code, n);
	for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
		c->seg[i].base = 0;
		c->seg[i].sel = 0;
		c->seg[i].limit = UINT32_MAX;
	}
	c->rip = CODE;
	c->gpr[X86_RSP] = STACK;
	x86_mode_update(c);
}

static inline void resume(struct world *w)
{
	vp_wait_parked(w->vp);
	vp_continue(w->vp, SUSPEND_EXPLICIT | SUSPEND_INTERCEPT);
}

/* By the parent's VP 0, with @control: its code and counts. */
static inline hv_status call(struct world *w, uint64_t control, const void *in, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(IN), in, n));
	return hv_result_status(vp_hypercall(partition_vp(w->p, 0), control, IN, OUT));
}

#endif
