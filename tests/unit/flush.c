/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sets of VPs, flush hypercalls and interrupt hypercalls (chapters 12, 13) on a machine whose
 * VPs stand still or run a few bytes of real-mode code.
 */
#include <glib.h>
#include <string.h>

#include "flush.h"
#include "hv/cpuid.h"
#include "hv/interrupt.h"
#include "hv/msr.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"
#include "vpset.h"

#define MIB (UINT64_C(1) << 20)
enum { VPS = 5, IN = 0x10000, CODE = 0x1000, PORT = 0x80 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	/* VP 4 in its OUT. */
	_Atomic bool held, let_go;
};

static enum x86_result io_write(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value)
{
	struct world *w = o;

	(void)vp, (void)size, (void)value;
	g_assert_cmpuint(port, ==, PORT);
	atomic_store(&w->held, true);
	while (!atomic_load(&w->let_go))
		g_usleep(200);
	return X86_OK;
}

static const struct stack_ops stack = { .io_write = io_write };

/* What interrupts there were, in place of a local APIC. */
struct raised { uint8_t vector; unsigned count; };

static void listen_raise(struct vp *vp, void *state, uint8_t vector, unsigned flags)
{
	struct raised *r = state;

	(void)vp;
	g_assert_cmpuint(flags, ==, 0);
	r->vector = vector;
	r->count++;
}

static const struct vp_component listener = { .name = "listener", .size = sizeof(struct raised), .raise = listen_raise };
static const struct vp_component *const components[] = { &listener, NULL };

static void setup(struct world *w, uint32_t facilities)
{
	struct hv_features f;
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("max", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 8 * MIB, .engine = "interp" }, components, &error);
	g_assert_no_error(error);
	hv_features_init(&f);
	f.facilities = facilities;
	w->p = partition_new(w->hv, &(struct partition_config){ .name = "flush", .vps = VPS, .model = w->model, .stack = &stack,
			     .stack_opaque = w, .features = &f }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->p, gpa(0), MIB, &error));
	g_assert_no_error(error);
}

static void teardown(struct world *w)
{
	hv_free(w->hv);
	partition_unref(w->p);
	x86_model_free(w->model);
}

static struct vp *vp(struct world *w, unsigned i) { return partition_vp(w->p, i); }

static uint64_t call(struct world *w, uint64_t control, const uint64_t *in, unsigned words)
{
	g_assert_true(partition_write(w->p, gpa(IN), in, words * 8));
	return vp_hypercall(vp(w, 0), control, IN, 0);
}

#define CALL(w, control, ...) \
	call(w, control, (const uint64_t[]){ __VA_ARGS__ }, sizeof((const uint64_t[]){ __VA_ARGS__ }) / 8)
#define REPS(n) ((uint64_t)(n) << HV_CALL_REPS_SHIFT)
#define VARIABLE(n) ((uint64_t)(n) << HV_CALL_VARIABLE_SHIFT)

/* ---- sets ---- */

/* The members as a mask. */
static uint64_t members(const struct vp_set *s, struct partition *p)
{
	uint64_t mask = 0;

	VP_SET_FOREACH(vp, s, p) {
		g_assert_true(vp_set_has(s, vp));
		g_assert_cmphex(mask >> vp_index(vp), ==, 0);   /* ascending */
		mask |= UINT64_C(1) << vp_index(vp);
	}
	return mask;
}

static void test_sets(void)
{
	const uint64_t banks[] = { 0x16, UINT64_MAX };
	struct vp_set s;
	struct world w;

	setup(&w, 0);
	vp_set_all(&s, w.p);
	g_assert_cmphex(members(&s, w.p), ==, 0x1f);
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .mask = 0x8000000000000015 }), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(members(&s, w.p), ==, 0x15);
	/* Banks beyond all VPs count as given and name nobody. */
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .processors = &(struct hv_vp_set){ 0, UINT64_C(1) << 63 | 1 },
			.banks = banks, .bank_count = 2 }), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(members(&s, w.p), ==, 0x16);
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .processors = &(struct hv_vp_set){ 0, 2 },
			.banks = banks, .bank_count = 1 }), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(members(&s, w.p), ==, 0);
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .processors = &(struct hv_vp_set){ 0, 3 },
			.banks = banks, .bank_count = 1 }), ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .processors = &(struct hv_vp_set){ 1, 0 } }), ==,
			HV_STATUS_SUCCESS);
	g_assert_cmphex(members(&s, w.p), ==, 0x1f);
	g_assert_cmphex(vp_set_build(&s, w.p, &(struct vp_set_source){ .processors = &(struct hv_vp_set){ 2, 0 } }), ==,
			HV_STATUS_INVALID_PARAMETER);
	teardown(&w);
}

/* ---- flushes ---- */

static void test_statuses(void)
{
	struct world w;
	enum { SPACE = HV_CALL_FLUSH_ADDRESS_SPACE, LIST = HV_CALL_FLUSH_ADDRESS_LIST, SPACE_EX = HV_CALL_FLUSH_ADDRESS_SPACE_EX,
	       LIST_EX = HV_CALL_FLUSH_ADDRESS_LIST_EX };

	setup(&w, 0);
	g_assert_cmphex(CALL(&w, SPACE, 0x1000, 0, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(CALL(&w, SPACE, 0x1000, 0, 0), ==, HV_STATUS_INVALID_PARAMETER);          /* T12.4.2.h */
	g_assert_cmphex(CALL(&w, SPACE, 0x1000, 1, 0), ==, HV_STATUS_SUCCESS);                    /* T12.4.2.c */
	for (unsigned bit = 3; bit < 64; bit++)
		g_assert_cmphex(CALL(&w, SPACE, 0, UINT64_C(1) << bit, 1), ==, HV_STATUS_INVALID_PARAMETER);   /* T12.4.2.g */
	g_assert_cmphex(CALL(&w, SPACE, UINT64_C(1) << 60, 1, 0), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(CALL(&w, SPACE, UINT64_C(1) << 60, 7, 0), ==, HV_STATUS_SUCCESS);         /* T12.4.2.d */
	/* Another VP's only: those that do not exist are left out. */
	g_assert_cmphex(CALL(&w, SPACE, 0, 4, UINT64_C(1) << 63), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(CALL(&w, LIST | REPS(2), 0, 1, 0, 0x5000, 0x7fff), ==, hv_call_result(HV_STATUS_SUCCESS, 2));
	g_assert_cmphex(CALL(&w, LIST | REPS(2), 0, 2, 1, 0x8000000000000000, 0x5000), ==,        /* T12.4.3.g */
			hv_call_result(HV_STATUS_SUCCESS, 2));
	for (unsigned bit = 2; bit < 64; bit++)                                                    /* T12.4.3.d, T12.4.3.f */
		g_assert_cmphex(CALL(&w, LIST | REPS(1), 0, UINT64_C(1) << bit, 1, 0), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(CALL(&w, LIST | REPS(1), 0, 0, 0, 0), ==, HV_STATUS_INVALID_PARAMETER);
	/* Linux makes these with a rep count of 0. */
	g_assert_cmphex(CALL(&w, SPACE_EX | VARIABLE(1), 0, 4, 0, 1, 0x1f), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(CALL(&w, SPACE_EX, 0, 4, 1, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(CALL(&w, SPACE_EX, 0, 4, 0, 1), ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
	g_assert_cmphex(CALL(&w, LIST_EX | VARIABLE(1) | REPS(1), 0, 0, 0, 1, 2, 0x5000), ==, hv_call_result(HV_STATUS_SUCCESS, 1));
	g_assert_cmphex(CALL(&w, LIST_EX | VARIABLE(1) | REPS(1), 0, 8, 0, 1, 2, 0x5000), ==, HV_STATUS_INVALID_PARAMETER);
	teardown(&w);
	/* Ranges in the other format only where leaf 3 has told of it. */
	setup(&w, HV_FEATURE_EXTENDED_RANGES);
	g_assert_cmphex(CALL(&w, LIST | REPS(2), 0, 8, 1, 0x5001, 0x800), ==, hv_call_result(HV_STATUS_SUCCESS, 2));
	g_assert_cmphex(CALL(&w, SPACE, 0, 8, 1), ==, HV_STATUS_INVALID_PARAMETER);
	teardown(&w);
}

static struct x86_counts counts(struct world *w, unsigned i)
{
	return vp_cpu(vp(w, i))->count;
}

/* T12.4.2.b, T12.4.2.k: who flushes, when it next comes in. */
static void test_targets(void)
{
	struct world w;
	uint64_t flushed = 0;

	setup(&w, 0);
	CALL(&w, HV_CALL_FLUSH_ADDRESS_SPACE, 0, HV_FLUSH_NON_GLOBAL_ONLY, 0x15);
	for (unsigned i = 1; i < VPS; i++)
		flush_absorb(vp(&w, i));
	for (unsigned i = 0; i < VPS; i++)
		flushed |= (uint64_t)(counts(&w, i).flush_non_global > 0) << i;
	g_assert_cmphex(flushed, ==, 0x15);
	g_assert_cmpuint(vp_counted(vp(&w, 0), COUNT_FLUSH_CALLS), ==, 1);
	g_assert_cmpuint(vp_counted(vp(&w, 2), COUNT_FLUSHES_TAKEN), ==, 1);
	teardown(&w);
}

/* Short lists cost pages, long ones everything; several requests become one. */
static void test_lists(void)
{
	struct world w;
	struct x86_counts before, after;

	setup(&w, HV_FEATURE_EXTENDED_RANGES);
	before = counts(&w, 1);
	CALL(&w, HV_CALL_FLUSH_ADDRESS_LIST | REPS(2), 0, 0, 2, 0x400003, 0x800000);   /* T12.4.3.a: 4 + 1 */
	CALL(&w, HV_CALL_FLUSH_ADDRESS_LIST | REPS(1), 0, 0, 2, 0x900000);
	flush_absorb(vp(&w, 1));
	after = counts(&w, 1);
	g_assert_cmpuint(after.flush_page - before.flush_page, ==, 6);
	g_assert_cmpuint(after.flush_all, ==, before.flush_all);
	g_assert_cmpuint(vp_counted(vp(&w, 1), COUNT_FLUSHES_TAKEN), ==, 1);
	CALL(&w, HV_CALL_FLUSH_ADDRESS_LIST | REPS(1), 0, 0, 2, 0x400fff);
	flush_absorb(vp(&w, 1));
	g_assert_cmpuint(counts(&w, 1).flush_all, ==, after.flush_all + 1);
	/* A large page: all that may be below it. */
	CALL(&w, HV_CALL_FLUSH_ADDRESS_LIST | REPS(1), 0, HV_FLUSH_EXTENDED_RANGES, 2, 0x400000 | HV_RANGE_EX_LARGE);
	flush_absorb(vp(&w, 1));
	g_assert_cmpuint(counts(&w, 1).flush_all, ==, after.flush_all + 2);
	teardown(&w);
}

static const uint8_t out_and_halt[] = { 0xe6, PORT, 0xf4 };

static void flush_of(struct world *w, uint64_t mask)
{
	struct vp_set who;

	vp_set_build(&who, w->p, &(struct vp_set_source){ .mask = mask });
	flush_run(w->p, vp(w, 0), &who, &(struct flush){ .everything = true });
}

struct late {
	struct world *w;
	_Atomic bool done;
};

static void flush_late(struct vp *vp, void *o)
{
	struct late *l = o;

	(void)vp;
	flush_of(l->w, 0x10);
	atomic_store(&l->done, true);
}

static gpointer late_thread(gpointer o)
{
	struct late *l = o;

	vp_call(vp(l->w, 0), flush_late, l);
	return NULL;
}

static void flush_one_to_three(struct vp *vp, void *o)
{
	(void)vp;
	flush_of(o, 0x0e);
}

/* VP 4 is in the middle of an instruction: who does not want it does not wait for it; T12.4.2.i. */
static void test_not_stopped(void)
{
	struct late late = { 0 };
	struct world w;
	struct x86_cpu *c;
	uint32_t epoch;
	GThread *t;

	setup(&w, 0);
	c = vp_cpu(vp(&w, 4));
	g_assert_true(partition_write(w.p, gpa(CODE), out_and_halt, sizeof out_and_halt));
	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		x86_set_seg_real(c, s, 0);
	x86_mode_update(c);
	c->rip = CODE;
	c->activity = X86_ACTIVE;
	vp_cpu(vp(&w, 0))->activity = X86_WAIT_SIPI;
	partition_start(w.p);
	while (!atomic_load(&w.held))
		g_usleep(200);
	epoch = atomic_load(&vp(&w, 4)->epoch);
	vp_call(vp(&w, 0), flush_one_to_three, &w);      /* would hang */
	g_assert_cmpuint(atomic_load(&vp(&w, 4)->epoch), ==, epoch);
	g_assert_false(atomic_load(&vp(&w, 4)->flushes.asked));
	/* VP 1 waits and needs not look; it may. */
	g_assert_true(atomic_load(&vp(&w, 1)->flushes.asked) || vp_counted(vp(&w, 1), COUNT_FLUSHES_TAKEN) == 1);
	late.w = &w;
	t = g_thread_new("late", late_thread, &late);
	g_usleep(50000);
	g_assert_false(atomic_load(&late.done));
	atomic_store(&w.let_go, true);
	g_thread_join(t);
	g_assert_true(atomic_load(&late.done));
	teardown(&w);
}

/* ---- spaces ---- */

static void test_switch(void)
{
	struct world w;
	struct x86_cpu *c;

	setup(&w, 0);
	c = vp_cpu(vp(&w, 0));
	g_assert_cmphex(CALL(&w, HV_CALL_SWITCH_ADDRESS_SPACE, 0x5000), ==, HV_STATUS_SUCCESS);   /* T12.4.1.a */
	g_assert_cmphex(c->cr3, ==, 0x5000);
	g_assert_cmphex(vp_cpu(vp(&w, 1))->cr3, ==, 0);                                           /* T12.4.1.c */
	g_assert_cmphex(CALL(&w, HV_CALL_SWITCH_ADDRESS_SPACE, UINT64_C(1) << 32), ==, HV_STATUS_INVALID_PARAMETER);
	c->efer |= EFER_LMA | EFER_LME;
	g_assert_cmphex(vp_hypercall(vp(&w, 0), HV_CALL_SWITCH_ADDRESS_SPACE | HV_CALL_FAST, UINT64_C(1) << 32, 0), ==, 0);
	g_assert_cmphex(c->cr3, ==, UINT64_C(1) << 32);
	for (unsigned bit = c->model->phys_bits; bit < 64; bit++)                                  /* T12.4.1.d */
		g_assert_cmphex(vp_hypercall(vp(&w, 0), HV_CALL_SWITCH_ADDRESS_SPACE | HV_CALL_FAST, UINT64_C(1) << bit, 0), ==,
				HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(c->cr3, ==, UINT64_C(1) << 32);
	/* PAE paging: the directory pointers are read, and may be wrong or nowhere. */
	c->efer = 0;
	c->cr0 |= CR0_PE | CR0_PG;
	c->cr4 |= CR4_PAE;
	g_assert_true(partition_write(w.p, gpa(0x6000), (uint64_t[]){ 0x7001, 0, 0x8001, 0 }, 32));
	g_assert_cmphex(CALL(&w, HV_CALL_SWITCH_ADDRESS_SPACE, 0x6000), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(c->pdpte[2], ==, 0x8001);
	g_assert_true(partition_write(w.p, gpa(0x6020), (uint64_t[]){ 0x7003, 0, 0, 0 }, 32));
	g_assert_cmphex(CALL(&w, HV_CALL_SWITCH_ADDRESS_SPACE, 0x6020), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(CALL(&w, HV_CALL_SWITCH_ADDRESS_SPACE, 0xf0000000), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(c->cr3, ==, 0x6000);
	g_assert_cmphex(c->pdpte[0], ==, 0x7001);
	teardown(&w);
}

/* ---- interrupts ---- */

static uint64_t raised_at(struct world *w, uint8_t vector)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < VPS; i++) {
		struct raised *r = vp_component_state(vp(w, i), &listener);

		mask |= (uint64_t)(r->count == 1 && r->vector == vector) << i;
		r->count = 0;
	}
	return mask;
}

static void test_interrupts(void)
{
	const uint64_t fast = HV_CALL_SEND_IPI | HV_CALL_FAST;
	struct world w;

	setup(&w, 0);
	g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, 0x42, 0x15), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(raised_at(&w, 0x42), ==, 0x15);
	g_assert_cmphex(CALL(&w, HV_CALL_SEND_IPI, 0x43, UINT64_C(1) << 63 | 2), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(raised_at(&w, 0x43), ==, 2);
	g_assert_cmphex(CALL(&w, HV_CALL_SEND_IPI_EX | VARIABLE(2), 0x44, 0, 5, 0x18, UINT64_MAX), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(raised_at(&w, 0x44), ==, 0x18);
	g_assert_cmphex(CALL(&w, HV_CALL_SEND_IPI_EX, 0x45, 1, 0), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(raised_at(&w, 0x45), ==, 0x1f);
	g_assert_cmpuint(vp_counted(vp(&w, 0), COUNT_IPI_CALLS), ==, 4);
	for (unsigned vector = 0; vector < 0x10; vector++) {
		g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, vector, 1), ==, HV_STATUS_INVALID_PARAMETER);
		g_assert_cmphex(CALL(&w, HV_CALL_SEND_IPI_EX, vector, 1, 0), ==, HV_STATUS_INVALID_PARAMETER);
		g_assert_cmphex(raised_at(&w, (uint8_t)vector), ==, 0);
	}
	g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, 0x100, 1), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, UINT64_C(1) << 32 | 0x42, 1), ==, HV_STATUS_INVALID_PARAMETER);
	g_assert_cmphex(CALL(&w, HV_CALL_SEND_IPI_EX, 0x45, 0, 1), ==, HV_STATUS_INVALID_HYPERCALL_INPUT);
	g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, 0x10, 1), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(vp_hypercall(vp(&w, 0), fast, 0xff, 2), ==, HV_STATUS_SUCCESS);
	g_assert_cmphex(raised_at(&w, 0xff), ==, 2);
	teardown(&w);
}

/* ---- switches ---- */

static void test_shared_bits(void)
{
	struct hv_features f;
	GError *error = NULL;

	hv_features_init(&f);
	g_assert_true(hv_cpu_option(&f, "hv-tlbflush", "off", &error));
	g_assert_true(hv_features_settle(&f, &error));
	g_assert_no_error(error);
	g_assert_cmphex(f.hints & (HV_HINT_REMOTE_FLUSH | HV_HINT_CLUSTER_IPI | HV_HINT_EX_PROCESSOR_MASKS), ==,
			HV_HINT_CLUSTER_IPI | HV_HINT_EX_PROCESSOR_MASKS);
	g_assert_false(f.facilities & HV_FEATURE_EXTENDED_RANGES);
	g_assert_true(hv_cpu_option(&f, "hv-ipi", "off", &error));
	g_assert_false(f.hints & (HV_HINT_CLUSTER_IPI | HV_HINT_EX_PROCESSOR_MASKS));
	g_assert_true(hv_cpu_option(&f, "hv-apicv", "off", &error));
	g_assert_false(f.hints & HV_HINT_NO_AUTO_EOI);
	g_assert_true(hv_cpu_option(&f, "hv-avic", "on", &error));
	g_assert_true(f.hints & HV_HINT_NO_AUTO_EOI);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/flush/sets", test_sets);
	g_test_add_func("/flush/statuses", test_statuses);
	g_test_add_func("/flush/targets", test_targets);
	g_test_add_func("/flush/lists", test_lists);
	g_test_add_func("/flush/not-stopped", test_not_stopped);
	g_test_add_func("/flush/switch", test_switch);
	g_test_add_func("/flush/interrupts", test_interrupts);
	g_test_add_func("/flush/shared-bits", test_shared_bits);
	return g_test_run();
}
