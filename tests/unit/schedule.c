/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shares of processor time (18.2): partitions whose VPs count for ever, and what each of them got.
 * With a number of seconds as argument the same for so long, and all shares printed: `make bench-schedule`.
 */
#include <glib.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accel/hvtlfs/hv.h"
#include "partition.h"
#include "sync/futex.h"
#include "target/i386/segment.h"

#define MIB (UINT64_C(1) << 20)
enum { CODE = 0x1000, PARTITIONS_MAX = 4 };

static const uint8_t forever[] = { 0x66, 0xff, 0xc0, 0xeb, 0xfb };   /* inc eax; jmp to the start */

static double seconds = 1;
static double tolerance = 0.15;
static bool measuring;

struct want {
	unsigned vps;
	uint32_t reserve, cap, weight;
	double share;          /* of what all of them get, or of a processor with a cap */
};

static struct partition *make(struct hv *hv, const struct x86_model *model, unsigned n, const struct want *w)
{
	char name[16];
	GError *error = NULL;
	struct partition *p;

	g_snprintf(name, sizeof name, "p%u", n);
	p = partition_new(hv, &(struct partition_config){ .name = name, .vps = w->vps, .model = model }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(p, (gpa_t){ 0 }, MIB, &error));
	g_assert_true(partition_write(p, (gpa_t){ CODE }, forever, sizeof forever));
	PARTITION_FOREACH_VP(vp, p) {
		struct x86_cpu *c = vp_cpu(vp);

		for (unsigned s = 0; s < X86_SEG_COUNT; s++)
			x86_set_seg_real(c, s, 0);
		x86_mode_update(c);
		c->rip = CODE;
		c->activity = X86_ACTIVE;
	}
	g_assert_true(schedule_share(p, w->reserve, w->cap, w->weight));
	return p;
}

/* CPU seconds of each partition while all run, together with the wall time in *took. */
static void run_all(const struct want *w, unsigned n, double used[], double *took)
{
	struct x86_model *model = x86_model_parse("qemu64,+invtsc", NULL, NULL, NULL);
	struct hv *hv = hv_new_with(&(struct hv_config){ .memory = 64 * MIB }, NULL, NULL);
	struct partition *p[PARTITIONS_MAX];
	int64_t began;

	for (unsigned i = 0; i < n; i++)
		p[i] = make(hv, model, i, &w[i]);
	for (unsigned i = 0; i < n; i++)
		partition_start(p[i]);
	/* The start is not to be counted. */
	g_usleep(100000);
	began = monotonic_ns();
	for (unsigned i = 0; i < n; i++)
		used[i] = -(double)partition_run_time_ns(p[i]) / 1e9;
	g_usleep((gulong)(seconds * 1e6));
	for (unsigned i = 0; i < n; i++)
		used[i] += (double)partition_run_time_ns(p[i]) / 1e9;
	*took = (double)(monotonic_ns() - began) / 1e9;
	for (unsigned i = 0; i < n; i++) {
		partition_delete(p[i]);
		partition_unref(p[i]);
	}
	hv_free(hv);
	x86_model_free(model);
}

static void check(const char *what, unsigned i, double got, double want)
{
	g_test_message("%s: partition %u got %.4f, want %.4f", what, i, got, want);
	if (measuring) {
		g_assert_cmpfloat(fabs(got - want), <=, tolerance * want);
		return;
	}
	/* What else the host runs shifts the shares, and how well they hold is the benchmark's: weights that did not count would be far off. */
	g_assert_cmpfloat(got, >, want / 2);
	g_assert_cmpfloat(got, <, want * 2);
}

/* T18.2.3.b: each VP's weight counts. */
static void test_weights(void)
{
	unsigned processors = (unsigned)g_get_num_processors();
	/* More VPs than processors in each, so that nobody can have one for itself. */
	struct want w[] = { { processors, 0, SHARE_ONE, 100, 0.1 }, { processors, 0, SHARE_ONE, 200, 0.2 },
			    { processors, 0, SHARE_ONE, 700, 0.7 } };
	double used[PARTITIONS_MAX], took, sum = 0;

	run_all(w, G_N_ELEMENTS(w), used, &took);
	for (unsigned i = 0; i < G_N_ELEMENTS(w); i++)
		sum += used[i];
	for (unsigned i = 0; i < G_N_ELEMENTS(w); i++)
		check("weight", i, used[i] / sum, w[i].share);
}

/* T18.2.2.b: a limit in wall time, however idle the host is. */
static void test_cap(void)
{
	struct want w[] = { { 1, 0, SHARE_ONE / 4, 100, 0.25 } };
	double used[PARTITIONS_MAX], took;

	run_all(w, G_N_ELEMENTS(w), used, &took);
	g_test_message("cap: %.4f of a processor, at most %.4f", used[0] / took, w[0].share);
	g_assert_cmpfloat(used[0] / took, <=, w[0].share * (1 + tolerance));
	/* A busy host gives less, never nothing. */
	g_assert_cmpfloat(used[0] / took, >, w[0].share / 20);
}

/* T18.2.1.b: before all others, however heavy they are. */
static void test_reserve(void)
{
	unsigned processors = (unsigned)g_get_num_processors();
	struct want w[] = { { 1, SHARE_ONE / 2, SHARE_ONE, 1, 0 }, { 2 * processors, 0, SHARE_ONE, 10000, 0 } };
	double used[PARTITIONS_MAX], took, share;

	run_all(w, G_N_ELEMENTS(w), used, &took);
	share = used[0] / (used[0] + used[1]) * processors;
	g_test_message("reserve: %.4f of a processor, want 0.5", share);
	/*
	 * A host that is busy gives a thread that always runs less than those that come and go, so the exact
	 * share is the benchmark's; by its weight alone it would get a ten-thousandth.
	 */
	g_assert_cmpfloat(share, >=, measuring ? 0.5 * (1 - tolerance) : 0.05);
}

/* T18.2.1.e */
static void test_too_much(void)
{
	struct x86_model *model = x86_model_parse("qemu64", NULL, NULL, NULL);
	struct hv *hv = hv_new_with(&(struct hv_config){ .memory = 64 * MIB }, NULL, NULL);
	struct partition *a = partition_new(hv, &(struct partition_config){ .name = "a", .vps = 64, .model = model }, NULL);
	uint32_t most = (uint32_t)(schedule_processors(hv) * (uint64_t)SHARE_ONE / 64);

	if (most < SHARE_ONE) {
		g_assert_false(schedule_share(a, most + 1, SHARE_ONE, WEIGHT_DEFAULT));
		g_assert_cmpuint(atomic_load(&a->share.reserve), ==, 0);
		g_assert_true(schedule_share(a, most, SHARE_ONE, WEIGHT_DEFAULT));
	}
	partition_delete(a);
	partition_unref(a);
	hv_free(hv);
	x86_model_free(model);
}

/* Suspension, deletion and a change of mind while VPs wait for their turn. */
static void test_changes(void)
{
	struct x86_model *model = x86_model_parse("qemu64,+invtsc", NULL, NULL, NULL);
	struct hv *hv = hv_new_with(&(struct hv_config){ .memory = 64 * MIB }, NULL, NULL);
	unsigned processors = schedule_processors(hv);
	const struct want w = { 2 * processors, 0, SHARE_ONE, 50, 0 };
	struct partition *a = make(hv, model, 0, &w), *b = make(hv, model, 1, &w);

	partition_start(a);
	partition_start(b);
	for (unsigned i = 0; i < 40; i++) {
		uint64_t before;

		partition_suspend(a);
		before = partition_run_time_ns(b);
		g_assert_true(schedule_share(a, 0, i % 2 ? SHARE_ONE : SHARE_ONE / 10, i % 3 ? 7 : 100));
		g_assert_true(schedule_share(b, 0, SHARE_ONE, i % 4 ? 100 : 9000));
		while (partition_run_time_ns(b) - before < 1000000)
			g_usleep(500);
		partition_resume(a);
	}
	partition_delete(b);
	partition_unref(b);
	partition_delete(a);
	partition_unref(a);
	hv_free(hv);
	x86_model_free(model);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	if (argc > 1) {
		seconds = atof(argv[1]);
		tolerance = 0.02;
		measuring = true;
	}
	g_test_add_func("/schedule/weights", test_weights);
	g_test_add_func("/schedule/cap", test_cap);
	g_test_add_func("/schedule/reserve", test_reserve);
	g_test_add_func("/schedule/too-much", test_too_much);
	g_test_add_func("/schedule/changes", test_changes);
	return g_test_run();
}
