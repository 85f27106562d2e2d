/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MSRs that act on the VP itself: idle sleep, reset, run time, the reference counter.
 * Guests are a few bytes of real-mode code, run by each engine.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "accel/hvtlfs/component.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"

#define MIB (UINT64_C(1) << 20)
enum { CODE = 0x1000, LOOPS = 0x2000, HANDLED = 0x2004, NMIS = 0x2008, SAMPLES = 0x4000, VECTOR = 0x40 };
enum { SAMPLE_COUNT = 2000 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

/* An interrupt controller with one request. */
struct line {
	_Atomic bool waits, low_priority;
};

static bool line_requested(struct vp *vp, void *state) { return atomic_load(&((struct line *)state)->waits); }

static int line_interrupt(struct vp *vp, void *state)
{
	struct line *l = state;

	return !atomic_load(&l->low_priority) && atomic_exchange(&l->waits, false) ? VECTOR : -1;
}

static const struct vp_component line_component = {
	.name = "line", .size = sizeof(struct line), .interrupt = line_interrupt, .requested = line_requested,
};

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	_Atomic int exits, last;
};

static void on_exit_told(void *o, struct vp *vp, enum exit_reason reason)
{
	struct world *w = o;

	atomic_store(&w->last, (int)reason);
	atomic_fetch_add(&w->exits, 1);
}

static const struct stack_ops stack = { .exit = on_exit_told };

static void load(struct world *w, uint64_t at, const void *code, size_t n)
{
	g_assert_true(partition_write(w->p, gpa(at), code, n));
}

/* All VPs at CODE in real mode, interrupts off; handlers of VECTOR and NMI count. */
static void open_world(struct world *w, const char *engine, unsigned vps, const void *code, size_t n)
{
	static const struct vp_component *const list[] = { &line_component, NULL };
	static const uint8_t handler[] = { 0x66, 0xff, 0x06, 0x04, 0x20, 0xcf };   /* inc dword [HANDLED]; iret */
	static const uint8_t nmi[] = { 0x66, 0xff, 0x06, 0x08, 0x20, 0xcf };       /* inc dword [NMIS]; iret */
	static const uint16_t handler_at[2] = { 0x1800, 0 }, nmi_at[2] = { 0x1900, 0 };
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("qemu64", NULL, NULL, &error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 4 * MIB, .engine = engine }, list, &error);
	g_assert_no_error(error);
	w->p = partition_new(w->hv, &(struct partition_config){ .name = "p", .vps = vps, .model = w->model,
			     .stack = &stack, .stack_opaque = w }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w->p, gpa(0), MIB, &error));
	load(w, CODE, code, n);
	load(w, 0x1800, handler, sizeof handler);
	load(w, 0x1900, nmi, sizeof nmi);
	load(w, VECTOR * 4, handler_at, 4);
	load(w, X86_NMI * 4, nmi_at, 4);
	for (unsigned i = 0; i < vps; i++) {
		struct x86_cpu *c = vp_cpu(partition_vp(w->p, i));

		for (unsigned s = 0; s < X86_SEG_COUNT; s++)
			x86_set_seg_real(c, s, 0);
		x86_mode_update(c);
		c->activity = X86_ACTIVE;
		c->rip = CODE;
		c->gpr[X86_RSP] = 0x9000 + i * 0x400;
		c->gpr[X86_RDI] = SAMPLES + i * SAMPLE_COUNT * 4;
		c->gpr[X86_RSI] = SAMPLES + (i + 1) * SAMPLE_COUNT * 4;
	}
}

static void close_world(struct world *w)
{
	hv_free(w->hv);
	partition_unref(w->p);
	x86_model_free(w->model);
}

static uint32_t word(struct world *w, uint64_t at)
{
	uint32_t v = 0;

	g_assert_true(partition_read(w->p, gpa(at), &v, sizeof v));
	return v;
}

/* Waits up to 20 s until the number at @at is @least. */
static void await(struct world *w, uint64_t at, uint32_t least)
{
	int64_t until = monotonic_ns() + INT64_C(20000000000);

	while (word(w, at) < least) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(200);
	}
}

static void await_halted(struct vp *vp)
{
	int64_t until = monotonic_ns() + INT64_C(20000000000);

	while (!vp_halted(vp)) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(200);
	}
}

static struct line *line_of(struct vp *vp) { return vp_component_state(vp, &line_component); }

static void raise_line(struct vp *vp)
{
	atomic_store(&line_of(vp)->waits, true);
	vp_pend(vp, X86_PEND_INTR);
}

/* ---- idle sleep (10.1.4) ---- */

#define IDLE_LOOP \
	0x66, 0xb9, 0xf0, 0x00, 0x00, 0x40,  /* mov ecx, 0x400000f0 */ \
	0x2e, 0x0f, 0x32,                    /* rdmsr, of unusual length */ \
	0x66, 0xff, 0x06, 0x00, 0x20,        /* inc dword [LOOPS] */ \
	0xeb, 0xf6                           /* jmp to the rdmsr */
static const uint8_t idle_masked[] = { 0xfa, IDLE_LOOP };      /* cli */
static const uint8_t idle_open[] = { 0xfb, 0x90, IDLE_LOOP };  /* sti; nop */

static void idle_with_interrupts_off(gconstpointer engine)
{
	struct world w;
	struct vp *vp;
	uint32_t seen;

	open_world(&w, engine, 1, idle_masked, sizeof idle_masked);
	vp = partition_vp(w.p, 0);
	partition_start(w.p);
	await_halted(vp);                                /* T10.1.4.a */
	g_assert_cmpuint(word(&w, LOOPS), ==, 0);
	/* T10.1.4.b, T10.1.4.c: wakes; what waits goes on waiting, so reads answer at once. */
	raise_line(vp);
	await(&w, LOOPS, 1000);
	g_assert_cmpuint(word(&w, HANDLED), ==, 0);
	g_assert_true(atomic_load(&line_of(vp)->waits));
	atomic_store(&line_of(vp)->waits, false);
	await_halted(vp);
	seen = word(&w, LOOPS);
	g_usleep(20000);
	g_assert_cmpuint(word(&w, LOOPS), ==, seen);
	/* One that the processor would not take for its priority wakes as well. */
	atomic_store(&line_of(vp)->low_priority, true);
	raise_line(vp);
	await(&w, LOOPS, seen + 10);
	close_world(&w);
}

static void idle_with_interrupts_on(gconstpointer engine)
{
	struct world w;
	struct vp *vp;

	open_world(&w, engine, 1, idle_open, sizeof idle_open);
	vp = partition_vp(w.p, 0);
	partition_start(w.p);
	for (uint32_t i = 1; i <= 20; i++) {
		await_halted(vp);
		raise_line(vp);
		await(&w, HANDLED, i);
		await(&w, LOOPS, i);
	}
	/* The handler returned behind the read, each time; and once each. */
	await_halted(vp);
	g_assert_cmpuint(word(&w, LOOPS), ==, 20);
	g_assert_cmpuint(word(&w, HANDLED), ==, 20);
	/* OP-6: an NMI, too */
	vp_pend(vp, X86_PEND_NMI);
	await(&w, NMIS, 1);
	await(&w, LOOPS, 21);
	g_assert_cmpuint(vp_counted(vp, COUNT_IDLES), >=, 21);
	close_world(&w);
}

/* Sleeping, it is stopped, goes on sleeping, and holds nobody up. */
static void idle_and_stop(gconstpointer engine)
{
	struct world w;
	struct vp *vp;

	open_world(&w, engine, 2, idle_masked, sizeof idle_masked);
	vp = partition_vp(w.p, 0);
	partition_start(w.p);
	for (unsigned i = 0; i < 10; i++) {
		await_halted(vp);
		await_halted(partition_vp(w.p, 1));
		partition_suspend(w.p);
		g_assert_cmpuint(word(&w, LOOPS), ==, 0);
		g_assert_cmpint(vp_cpu(vp)->activity, ==, X86_IDLE);
		partition_resume(w.p);
	}
	/* Woken while it was stopped */
	await_halted(vp);
	partition_suspend(w.p);
	raise_line(vp);
	g_usleep(1000);
	g_assert_cmpuint(word(&w, LOOPS), ==, 0);
	partition_resume(w.p);
	await(&w, LOOPS, 100);
	/* INIT; the host may give its thread no processor for a while. */
	vp_pend(partition_vp(w.p, 1), X86_PEND_INIT);
	partition_suspend(w.p);
	for (unsigned i = 0; vp_cpu(partition_vp(w.p, 1))->activity == X86_IDLE; i++) {
		g_assert_cmpuint(i, <, 5000);
		partition_resume(w.p);
		g_usleep(2000);
		partition_suspend(w.p);
	}
	close_world(&w);
}

static void idle_access(void)
{
	struct world w;
	struct vp *vp;
	uint64_t v = 1;

	open_world(&w, "interp", 2, idle_masked, sizeof idle_masked);
	vp = partition_vp(w.p, 0);
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_GUEST_IDLE, 0));          /* T10.1.4.e */
	vp_cpu(vp)->activity = X86_WAIT_SIPI;
	g_assert_true(vp_rdmsr(vp, HV_X64_MSR_GUEST_IDLE, &v));
	g_assert_cmphex(v, ==, 0);                                       /* T10.1.4.f */
	g_assert_cmpint(vp_cpu(vp)->activity, ==, X86_WAIT_SIPI);
	close_world(&w);
}

/* ---- reset (6.3.5) ---- */

static void reset(void)
{
	struct world w;
	struct vp *vp;
	uint64_t v = 1;

	open_world(&w, "interp", 1, idle_masked, sizeof idle_masked);
	vp = partition_vp(w.p, 0);
	g_assert_true(vp_rdmsr(vp, HV_X64_MSR_RESET, &v));
	g_assert_cmphex(v, ==, 0);                                       /* T6.3.5.a */
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_RESET, 2));
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_RESET, 1 | UINT64_C(1) << 63));
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_RESET, 0));                /* T6.3.5.c */
	g_assert_cmpint(atomic_load(&w.exits), ==, 0);
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_RESET, 1));                /* T6.3.5.b */
	g_assert_cmpint(atomic_load(&w.exits), ==, 1);
	g_assert_cmpint(atomic_load(&w.last), ==, EXIT_RESET_MSR);
	close_world(&w);
}

/* A guest that resets executes nothing behind the WRMSR. */
static void reset_running(gconstpointer engine)
{
	static const uint8_t code[] = {
		0x66, 0xb9, 0x03, 0x00, 0x00, 0x40,       /* mov ecx, 0x40000003 */
		0x66, 0xb8, 0x01, 0x00, 0x00, 0x00,       /* mov eax, 1 */
		0x66, 0x31, 0xd2, 0x0f, 0x30,             /* xor edx, edx; wrmsr */
		0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf9, /* 1: inc dword [LOOPS]; jmp 1b */
	};
	int64_t until = monotonic_ns() + INT64_C(20000000000);
	struct world w;

	open_world(&w, engine, 1, code, sizeof code);
	partition_start(w.p);
	while (!atomic_load(&w.exits)) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(200);
	}
	partition_suspend(w.p);
	g_assert_cmpint(atomic_load(&w.last), ==, EXIT_RESET_MSR);
	g_assert_cmpuint(word(&w, LOOPS), ==, 0);
	g_assert_cmphex(vp_cpu(partition_vp(w.p, 0))->rip, ==, CODE + 17);
	close_world(&w);
}

/* ---- run time (10.3.2) ---- */

static void run_time(void)
{
	static const uint8_t spin[] = { 0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf9 };
	struct world w;
	struct vp *vp;
	uint64_t v[6];

	open_world(&w, "interp", 1, spin, sizeof spin);
	vp = partition_vp(w.p, 0);
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_VP_RUNTIME, 0));          /* T10.3.2.d */
	g_assert_true(vp_rdmsr(vp, HV_X64_MSR_VP_RUNTIME, &v[0]));
	g_assert_cmpuint(v[0], <, 10000000);                             /* T10.3.2.c */
	partition_start(w.p);
	await(&w, LOOPS, 1000);
	for (unsigned i = 1; i < 4; i++) {                               /* T10.3.2.a */
		g_usleep(20000);
		g_assert_true(vp_rdmsr(vp, HV_X64_MSR_VP_RUNTIME, &v[i]));
		g_assert_cmpuint(v[i], >, v[i - 1]);
	}
	g_assert_cmpuint(v[3] - v[1], >, 1000);
	partition_suspend(w.p);
	g_assert_true(vp_rdmsr(vp, HV_X64_MSR_VP_RUNTIME, &v[4]));
	g_usleep(50000);
	g_assert_true(vp_rdmsr(vp, HV_X64_MSR_VP_RUNTIME, &v[5]));
	g_assert_cmpuint(v[5], >=, v[4]);                                /* T10.3.2.b: but for these reads themselves */
	g_assert_cmpuint(v[5] - v[4], <, 50000);
	close_world(&w);
}

/* ---- reference counter (15.1.2) ---- */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void reference_counter(gconstpointer engine)
{
	static const uint8_t code[] = {
		0x66, 0xb9, 0x20, 0x00, 0x00, 0x40,  /* mov ecx, 0x40000020 */
		0x0f, 0x32, 0x66, 0x89, 0x05,        /* 1: rdmsr; mov [di], eax */
		0x83, 0xc7, 0x04, 0x39, 0xf7,        /* add di, 4; cmp di, si */
		0x75, 0xf4, 0xf4, 0xeb, 0xfd,        /* jne 1b; 2: hlt; jmp 2b */
	};
	uint32_t v[2 * SAMPLE_COUNT];
	struct world w;

	open_world(&w, engine, 2, code, sizeof code);
	partition_start(w.p);
	await_halted(partition_vp(w.p, 0));
	await_halted(partition_vp(w.p, 1));
	g_assert_true(partition_read(w.p, gpa(SAMPLES), v, sizeof v));
	for (unsigned i = 1; i < SAMPLE_COUNT; i++) {
		g_assert_cmpuint(v[i], >, v[i - 1]);
		g_assert_cmpuint(v[SAMPLE_COUNT + i], >, v[SAMPLE_COUNT + i - 1]);
	}
	/* T15.1.2.b: no VP has seen what another has */
	qsort(v, 2 * SAMPLE_COUNT, sizeof v[0], compare);
	for (unsigned i = 1; i < 2 * SAMPLE_COUNT; i++)
		g_assert_cmpuint(v[i], !=, v[i - 1]);
	close_world(&w);
}

/* ---- switched off, nothing is there ---- */

static void switched_off(void)
{
	static const uint32_t msrs[] = { HV_X64_MSR_GUEST_IDLE, HV_X64_MSR_RESET, HV_X64_MSR_VP_RUNTIME, HV_X64_MSR_TIME_REF_COUNT };
	struct world w;
	struct hv_features f;
	GError *error = NULL;
	struct partition *p;
	uint64_t v;

	open_world(&w, "interp", 1, idle_masked, sizeof idle_masked);
	hv_features_init(&f);
	for (const char *const *o = (const char *const[]){ "hv-guest-idle", "hv-reset", "hv-runtime", "hv-time", NULL }; *o; o++)
		g_assert_true(hv_cpu_option(&f, *o, "off", &error));
	p = partition_new(w.hv, &(struct partition_config){ .name = "bare", .vps = 1, .model = w.model, .features = &f }, &error);
	g_assert_no_error(error);
	for (unsigned i = 0; i < G_N_ELEMENTS(msrs); i++) {              /* T10.1.4.d, T6.3.5.d, T10.3.2.f, T15.2.1.d */
		g_assert_false(vp_rdmsr(partition_vp(p, 0), msrs[i], &v));
		g_assert_false(vp_wrmsr(partition_vp(p, 0), msrs[i], 1));
	}
	partition_unref(p);
	close_world(&w);
}

static void add(const char *name, GTestDataFunc f)
{
	static const char *const engines[] = { "interp", "jit" };

	for (unsigned i = 0; i < G_N_ELEMENTS(engines); i++) {
		char *path = g_strdup_printf("/vp-msrs/%s/%s", name, engines[i]);

		if (engine_find(engines[i]))
			g_test_add_data_func(path, engines[i], f);
		g_free(path);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("idle-masked", idle_with_interrupts_off);
	add("idle-open", idle_with_interrupts_on);
	add("idle-stop", idle_and_stop);
	g_test_add_func("/vp-msrs/idle-access", idle_access);
	g_test_add_func("/vp-msrs/reset", reset);
	add("reset-running", reset_running);
	g_test_add_func("/vp-msrs/run-time", run_time);
	add("reference-counter", reference_counter);
	g_test_add_func("/vp-msrs/switched-off", switched_off);
	return g_test_run();
}
