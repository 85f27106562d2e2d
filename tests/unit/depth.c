/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions below each other: how deep, with which rights, on how much of a stack. */
#include <string.h>
#include <sys/mman.h>

#include "accel/hvtlfs/component.h"
#include "hv/hypercall.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "partition.h"

#define MIB (UINT64_C(1) << 20)
enum { DEEPEST = 64, POOL_PAGES = 320, IN = 0x1000, OUT = 0x2000, WIDE = 20, WIDE_PAGES = 64 };
#define STACK_SIZE (1u << 20)

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *level[DEEPEST + 1];   /* by depth, as far as they are there */
	uint64_t next;               /* page of the machine's partition that is in no pool yet */
};

static const struct vp_component *const components[] = { &apic_component, &synic_component, NULL };

static void open_world(struct world *w)
{
	struct hv_features features;
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	hv_features_init(&features);
	hv_features_role(&features, HV_ROLE_HOST);
	w->model = x86_model_parse("qemu64", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 160 * MIB, .engine = "interp" }, components, &error);
	g_assert_no_error(error);
	w->level[0] = partition_new(w->hv, &(struct partition_config){ .name = "top", .vps = 1, .model = w->model, .features = &features },
				    &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->level[0], gpa(0), 128 * MIB, &error));
	w->next = 16;
}

static void close_world(struct world *w)
{
	for (unsigned d = 1; d <= DEEPEST && w->level[d]; d++)
		partition_unref(w->level[d]);
	hv_free(w->hv);
	partition_unref(w->level[0]);
	x86_model_free(w->model);
}

static void feed(struct world *w, struct partition *to, unsigned pages)
{
	struct gpa_target t;

	for (; pages--; w->next++) {
		g_assert_true(gpa_map_lookup(&w->level[0]->map, (gpn_t){ w->next }, &t));
		pool_deposit(&to->pool, (struct pool_page){ t.frame, { w->next } });
	}
}

/* Active, with pages for its own; the caller's reference is the tree's besides. */
static void make_active(struct world *w, struct partition *p)
{
	feed(w, p, POOL_PAGES);
	g_assert_true(partition_init_child(p));
	atomic_store(&p->life, LIFE_ACTIVE);
	partition_change_state(p, PARTITION_RUNNING);
}

static struct partition *make_child(struct partition *p)
{
	struct partition *child;

	g_assert_true(partition_charge(p, sizeof *p));
	child = partition_new_child(p, &p->features, (const uint64_t[HIDDEN_COUNT]){ 0 }, HV_CREATE_EXO);
	g_assert_nonnull(child);
	return child;
}

/* Each level's partition but the machine's is made by the one above. */
static void make_levels(struct world *w, unsigned depth)
{
	feed(w, w->level[0], WIDE_PAGES);
	for (unsigned d = 1; d <= depth; d++) {
		w->level[d] = make_child(w->level[d - 1]);
		make_active(w, w->level[d]);
	}
}

/* A VP that makes calls, with its input and output in the machine's pages. */
static struct vp *make_caller(struct world *w, struct partition *p)
{
	struct gpa_target t;

	for (uint64_t at = IN; at <= OUT; at += HV_PAGE_SIZE) {
		g_assert_true(gpa_map_lookup(&w->level[0]->map, gpa_page(gpa(at)), &t));
		gpa_map_set(&p->map, gpa_page(gpa(at)), 1, t.frame, X86_PAGE_READ | X86_PAGE_WRITE);
	}
	lock_acquire(&p->call_lock);
	g_assert_cmphex(partition_add_vp(p, 0), ==, HV_STATUS_SUCCESS);
	lock_release(&p->call_lock);
	return partition_vp(p, 0);
}

static hv_status call(struct vp *vp, uint16_t code, const void *in, size_t n)
{
	g_assert_true(partition_write(vp->partition, gpa(IN), in, n));
	return hv_result_status(vp_hypercall(vp, code, IN, OUT));
}

static hv_status create_partition(struct vp *vp, uint64_t *id)
{
	const struct hv_in_create_partition in = { .flags = HV_CREATE_EXO };
	hv_status s = call(vp, HV_CALL_CREATE_PARTITION, &in, sizeof in);

	g_assert_true(partition_read(vp->partition, gpa(OUT), id, sizeof *id));
	return s;
}

static hv_status set_privileges(struct vp *vp, uint64_t id, uint64_t privileges)
{
	const struct hv_in_set_partition_property in = { id, HV_PROPERTY_PRIVILEGE_FLAGS, 0, privileges };

	return call(vp, HV_CALL_SET_PARTITION_PROPERTY, &in, sizeof in);
}

/* ---- depth ---- */

/* T5.6.1.g */
static void limit(void)
{
	struct world w;
	struct vp *vp;
	uint64_t id, before;

	open_world(&w);
	make_levels(&w, DEEPEST - 1);
	vp = make_caller(&w, w.level[DEEPEST - 1]);
	g_assert_cmphex(create_partition(vp, &id), ==, HV_STATUS_SUCCESS);
	w.level[DEEPEST] = hv_partition_by_id(w.hv, id);
	g_assert_cmpuint(w.level[DEEPEST]->depth, ==, DEEPEST);
	make_active(&w, w.level[DEEPEST]);
	w.level[DEEPEST]->features.privileges |= HV_CREATE_PARTITIONS;
	vp = make_caller(&w, w.level[DEEPEST]);
	before = pool_in_use(&w.level[DEEPEST]->pool);
	g_assert_cmphex(create_partition(vp, &id), ==, HV_STATUS_PARTITION_TOO_DEEP);
	g_assert_cmpuint(pool_in_use(&w.level[DEEPEST]->pool), ==, before);
	close_world(&w);
}

/* ---- rights ---- */

static uint64_t privileges_of(const struct world *w, unsigned depth)
{
	return w->level[depth]->features.privileges;
}

static void rights(void)
{
	const uint64_t given = HV_CREATE_PARTITIONS | HV_ACCESS_HYPERCALL | HV_ACCESS_PARTITION_ID;
	struct partition *child;
	struct world w;
	struct vp *top, *vp;
	uint64_t id;

	open_world(&w);
	make_levels(&w, 3);
	top = partition_vp(w.level[0], 0);
	vp = make_caller(&w, w.level[1]);
	/* Whose rights end, end for those below. */
	g_assert_cmphex(set_privileges(top, w.level[1]->id, given), ==, HV_STATUS_SUCCESS);
	for (unsigned d = 1; d <= 3; d++)
		g_assert_cmphex(privileges_of(&w, d), ==, given);
	/* Nobody gives what it has not, and what it still has it may give. */
	g_assert_cmphex(set_privileges(vp, w.level[2]->id, given | HV_ACCESS_MEMORY_POOL), ==, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	g_assert_cmphex(privileges_of(&w, 2), ==, given);
	g_assert_cmphex(set_privileges(vp, w.level[2]->id, HV_ACCESS_HYPERCALL), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(privileges_of(&w, 3), ==, HV_ACCESS_HYPERCALL);
	g_assert_cmphex(set_privileges(vp, w.level[2]->id, given), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(privileges_of(&w, 3), ==, HV_ACCESS_HYPERCALL);
	/* A new one begins with what each has, as far as its parent has it. */
	g_assert_cmphex(create_partition(vp, &id), ==, HV_STATUS_SUCCESS);
	child = hv_partition_by_id(w.hv, id);
	g_assert_cmphex(child->features.privileges, ==, HV_ACCESS_HYPERCALL);
	partition_unref(child);
	close_world(&w);
}

/* ---- the host's stack ---- */

static void *all_of_it(void *o)
{
	struct partition *top = o;

	partition_start(top);
	partition_suspend(top);
	partition_resume(top);
	partition_set_stopped(top, PARTITION_CRASHED);
	partition_delete(top);
	return NULL;
}

/* Bytes of @stack that have been used; it grows down. */
static size_t used_of(const uint8_t *stack)
{
	size_t n = 0;

	while (n < STACK_SIZE && !stack[n])
		n++;
	return STACK_SIZE - n;
}

/* Starting, stopping and deletion go from level to level: so much stack that a thread has it. */
static void stack(void)
{
	uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	struct world w;
	pthread_t t;

	g_assert_true(stack != MAP_FAILED);
	open_world(&w);
	make_levels(&w, DEEPEST);
	for (unsigned d = 0; d < DEEPEST; d++)
		for (unsigned i = 0; i < WIDE; i++)
			partition_unref(make_child(w.level[d]));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_SIZE);
	g_assert_cmpint(pthread_create(&t, &attr, all_of_it, w.level[0]), ==, 0);
	pthread_join(t, NULL);
	pthread_attr_destroy(&attr);
	g_test_message("%zu bytes of stack for %d levels of %d partitions", used_of(stack), DEEPEST, WIDE + 1);
	g_assert_cmpuint(used_of(stack), <, STACK_SIZE / 4);
	for (unsigned d = 1; d <= DEEPEST; d++)
		g_assert_cmpint(partition_state(w.level[d]), ==, PARTITION_DELETED);
	close_world(&w);
	munmap(stack, STACK_SIZE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/depth/64 levels and no more: T5.6.1.g", limit);
	g_test_add_func("/depth/nobody has more rights than his parent", rights);
	g_test_add_func("/depth/all levels start, stop and end on little stack", stack);
	return g_test_run();
}
