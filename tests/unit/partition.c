/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partitions and VPs through their public interface: life, suspension, memory,
 * start-up, deadlines, synthetic MSRs and leaves.  Guests are a few bytes of
 * real-mode code.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "accel/hvtlfs/component.h"
#include "accel/hvtlfs/hv.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/time.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "target/i386/segment.h"

#define MIB (UINT64_C(1) << 20)
enum { CODE = 0x1000, DATA = 0x2000 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

/* What the stack was told. */
struct told {
	_Atomic int exits, last, states;
};

static void on_exit_told(void *o, struct vp *vp, enum exit_reason reason)
{
	struct told *t = o;

	(void)vp;
	atomic_store(&t->last, (int)reason);
	atomic_fetch_add(&t->exits, 1);
}

static void on_state(void *o, struct partition *p)
{
	struct told *t = o;

	(void)p;
	atomic_fetch_add(&t->states, 1);
}

static const struct stack_ops stack = { .exit = on_exit_told, .state_changed = on_state };

struct world {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	struct told told;
};

static void world_open(struct world *w, const struct vp_component *const *components)
{
	GError *error = NULL;

	memset(w, 0, sizeof *w);
	w->model = x86_model_parse("qemu64,+invtsc", NULL, NULL, &error);
	g_assert_no_error(error);
	w->hv = hv_new_with(&(struct hv_config){ .memory = 64 * MIB, .engine = "interp" }, components, &error);
	g_assert_no_error(error);
}

static void world_close(struct world *w)
{
	hv_free(w->hv);
	if (w->p)
		partition_unref(w->p);
	x86_model_free(w->model);
}

static struct partition *make(struct world *w, const char *name, unsigned vps, struct partition *parent)
{
	GError *error = NULL;
	struct partition *p = partition_new(w->hv, &(struct partition_config){
		.name = name, .vps = vps, .model = w->model, .parent = parent, .stack = &stack, .stack_opaque = &w->told },
		&error);

	g_assert_no_error(error);
	g_assert_true(partition_add_ram(p, gpa(0), MIB, &error));
	g_assert_no_error(error);
	return p;
}

static void load(struct partition *p, uint64_t at, const void *code, size_t n)
{
	g_assert_true(partition_write(p, gpa(at), code, n));
}

/* @vp will run real-mode code at @ip, segments 0, on a stack of its own. */
static void point(struct vp *vp, uint16_t ip)
{
	struct x86_cpu *c = vp_cpu(vp);

	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		x86_set_seg_real(c, s, 0);
	x86_mode_update(c);
	c->rip = ip;
	c->gpr[X86_RSP] = 0x8000 + vp_index(vp) * 0x400;
}

static uint32_t word(struct partition *p, uint64_t at)
{
	uint32_t v = 0;

	g_assert_true(partition_read(p, gpa(at), &v, sizeof v));
	return v;
}

/* Waits up to 20 s for *condition(w). */
static void await(bool (*condition)(struct world *w), struct world *w)
{
	int64_t until = monotonic_ns() + INT64_C(20000000000);

	while (!condition(w)) {
		g_assert_cmpint(monotonic_ns(), <, until);
		g_usleep(200);
	}
}

static bool vp0_halted(struct world *w) { return vp_halted(partition_vp(w->p, 0)); }
static bool has_exited(struct world *w) { return atomic_load(&w->told.exits) > 0; }
static bool counts(struct world *w) { return word(w->p, DATA) > 1000; }

static const uint8_t count_and_halt[] = {
	0x66, 0xff, 0x06, 0x00, 0x20,   /* inc dword [0x2000] */
	0xf4,                           /* hlt */
	0xeb, 0xf8,                     /* jmp to the start */
};
static const uint8_t count_forever[] = {
	0x66, 0xff, 0x06, 0x00, 0x20,   /* inc dword [0x2000] */
	0xeb, 0xf9,
};

/* ---- life ---- */

static long resident_kib(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size, resident = 0;

	g_assert_nonnull(f);
	g_assert_cmpint(fscanf(f, "%ld %ld", &size, &resident), ==, 2);
	fclose(f);
	return resident * 4;
}

static void one_round(struct world *w, unsigned n)
{
	uint8_t fill[HV_PAGE_SIZE];
	char name[16];

	g_snprintf(name, sizeof name, "round-%u", n);
	w->p = make(w, name, 1, NULL);
	/* Every page touched, so that a leak would show. */
	memset(fill, 0xa5, sizeof fill);
	for (uint64_t at = 0; at < MIB; at += sizeof fill)
		load(w->p, at, fill, sizeof fill);
	load(w->p, DATA, &(uint32_t){ 0 }, 4);
	load(w->p, CODE, count_and_halt, sizeof count_and_halt);
	g_assert_cmpstr(partition_state_name(partition_state(w->p)), ==, "created");
	g_assert_cmpuint(partition_memory(w->p), ==, MIB);
	point(partition_vp(w->p, 0), CODE);
	partition_start(w->p);
	g_assert_cmpint(partition_state(w->p), ==, PARTITION_RUNNING);
	await(vp0_halted, w);
	g_assert_cmpuint(word(w->p, DATA), ==, 1);
	partition_suspend(w->p);
	g_assert_cmpint(partition_state(w->p), ==, PARTITION_SUSPENDED);
	g_assert_cmpuint(vp_cpu(partition_vp(w->p, 0))->rip, ==, CODE + 6);
	partition_resume(w->p);
	g_assert_cmpuint(word(w->p, DATA), ==, 1);
	g_assert_cmpuint(partition_run_time_ns(w->p), >, 0);
	partition_delete(w->p);
	g_assert_cmpint(partition_state(w->p), ==, PARTITION_DELETED);
	g_assert_false(partition_write(w->p, gpa(0), fill, 1));
	g_assert_cmpuint(partition_memory(w->p), ==, 0);
	partition_unref(w->p);
	w->p = NULL;
	g_assert_cmpuint(hv_memory_free(w->hv), ==, 64 * MIB);
}

static void test_rounds(void)
{
	struct world w;
	long before = 0, grown;

	world_open(&w, NULL);
	for (unsigned i = 0; i < 200; i++) {
		one_round(&w, i);
		if (i == 20)
			before = resident_kib();
	}
	/*
	 * 180 rounds of 1 MiB each: a leak of a tenth of it would be 18 MiB.  AddressSanitizer
	 * keeps what has been freed, and finds leaks itself.
	 */
	grown = resident_kib() - before;
	g_test_message("%ld KiB more after 180 rounds", grown);
#ifndef __SANITIZE_ADDRESS__
	g_assert_cmpint(grown, <, 16 * 1024);
#endif
	world_close(&w);
}

static void test_suspend(void)
{
	struct world w;
	uint32_t seen;

	world_open(&w, NULL);
	w.p = make(&w, "spinner", 2, NULL);
	load(w.p, CODE, count_forever, sizeof count_forever);
	point(partition_vp(w.p, 0), CODE);
	partition_start(w.p);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t time;

		load(w.p, DATA, &(uint32_t){ 0 }, 4);
		await(counts, &w);
		partition_suspend(w.p);
		seen = word(w.p, DATA);
		time = partition_reference_time(w.p);
		g_usleep(1000);
		g_assert_cmpuint(word(w.p, DATA), ==, seen);
		g_assert_cmpuint(partition_reference_time(w.p), ==, time);
		partition_resume(w.p);
	}
	/* Suspended once more before it had a chance to run. */
	for (unsigned i = 0; i < 200; i++) {
		partition_suspend(w.p);
		partition_resume(w.p);
	}
	/* Deleted while it runs. */
	partition_delete(w.p);
	world_close(&w);
}

static void add_one(struct vp *vp, void *o)
{
	int *n = o;

	(void)vp;
	(*n)++;
}

static void test_call(void)
{
	struct world w;
	int n = 0;

	world_open(&w, NULL);
	w.p = make(&w, "called", 1, NULL);
	vp_call(partition_vp(w.p, 0), add_one, &n);
	load(w.p, CODE, count_forever, sizeof count_forever);
	point(partition_vp(w.p, 0), CODE);
	partition_start(w.p);
	for (unsigned i = 0; i < 100; i++)
		vp_call(partition_vp(w.p, 0), add_one, &n);
	g_assert_cmpint(n, ==, 101);
	world_close(&w);
}

static void test_tree(void)
{
	struct world w;
	struct partition *child, *grandchild, *found;
	GError *error = NULL;

	world_open(&w, NULL);
	w.p = make(&w, "root", 1, NULL);
	child = make(&w, "child", 1, w.p);
	grandchild = make(&w, "grandchild", 2, child);
	g_assert_cmpuint(partition_parent_id(w.p), ==, 0);
	g_assert_cmpuint(partition_parent_id(grandchild), ==, partition_id(child));
	g_assert_cmpuint(partition_id(w.p), !=, partition_id(child));
	g_assert_cmpuint(hv_memory_free(w.hv), ==, 61 * MIB);
	found = hv_partition_by_name(w.hv, "child");
	g_assert_true(found == child);
	partition_unref(found);
	found = hv_partition_by_id(w.hv, partition_id(grandchild));
	g_assert_true(found == grandchild);
	partition_unref(found);
	/* The name is taken. */
	g_assert_null(partition_new(w.hv, &(struct partition_config){ .name = "child", .vps = 1, .model = w.model }, &error));
	g_assert_nonnull(strstr(error->message, "'child'"));
	g_clear_error(&error);
	g_assert_null(partition_new(w.hv, &(struct partition_config){ .name = "many", .vps = 65, .model = w.model }, &error));
	g_assert_nonnull(strstr(error->message, "65"));
	g_clear_error(&error);
	/* More memory than is left: nothing is taken. */
	g_assert_false(partition_add_ram(child, gpa(16 * MIB), 62 * MIB, &error));
	g_assert_nonnull(strstr(error->message, "'child'"));
	g_clear_error(&error);
	g_assert_cmpuint(hv_memory_free(w.hv), ==, 61 * MIB);
	/* On top of what is there, and askew. */
	g_assert_false(partition_add_ram(child, gpa(MIB - 4096), 8192, &error));
	g_clear_error(&error);
	g_assert_false(partition_add_ram(child, gpa(16 * MIB + 1), 4096, &error));
	g_clear_error(&error);
	g_assert_false(partition_add_ram(child, gpa(UINT64_C(1) << 62), 4096, &error));
	g_clear_error(&error);
	/* Children go with their parent. */
	partition_delete(child);
	g_assert_cmpint(partition_state(grandchild), ==, PARTITION_DELETED);
	g_assert_null(hv_partition_by_name(w.hv, "grandchild"));
	g_assert_cmpuint(hv_memory_free(w.hv), ==, 63 * MIB);
	partition_unref(child);
	partition_unref(grandchild);
	world_close(&w);
}

static void test_memory(void)
{
	struct world w;
	uint8_t rom[HV_PAGE_SIZE] = { 1, 2, 3 }, back[HV_PAGE_SIZE];
	GError *error = NULL;

	world_open(&w, NULL);
	w.p = make(&w, "memory", 1, NULL);
	g_assert_true(partition_add_rom(w.p, gpa(0xfffff000), rom, sizeof rom, &error));
	g_assert_no_error(error);
	g_assert_true(partition_read(w.p, gpa(0xfffff000), back, sizeof back));
	g_assert_cmpmem(back, sizeof back, rom, sizeof rom);
	g_assert_false(partition_write(w.p, gpa(0xfffff000), rom, 1));
	/* Nothing is transferred if the end is not there. */
	g_assert_false(partition_write(w.p, gpa(MIB - 2), "abcd", 4));
	g_assert_cmpuint(word(w.p, MIB - 4), ==, 0);
	g_assert_false(partition_read(w.p, gpa(UINT64_MAX - 1), back, 4));
	g_assert_true(partition_write(w.p, gpa(0x2ffd), "abcdefgh", 8));
	g_assert_true(partition_read(w.p, gpa(0x2ffd), back, 8));
	g_assert_cmpmem(back, 8, "abcdefgh", 8);
	world_close(&w);
}

/* ---- exits ---- */

static void run_to_exit(const uint8_t *code, size_t n, enum exit_reason reason)
{
	struct world w;

	world_open(&w, NULL);
	w.p = make(&w, "exit", 1, NULL);
	load(w.p, CODE, code, n);
	point(partition_vp(w.p, 0), CODE);
	partition_start(w.p);
	await(has_exited, &w);
	g_assert_cmpint(atomic_load(&w.told.last), ==, reason);
	/* It stands still until the stack acts. */
	g_usleep(2000);
	g_assert_cmpint(atomic_load(&w.told.exits), ==, 1);
	partition_set_stopped(w.p, PARTITION_CRASHED);
	g_assert_cmpint(partition_state(w.p), ==, PARTITION_CRASHED);
	partition_suspend(w.p);
	g_assert_cmpint(partition_state(w.p), ==, PARTITION_CRASHED);
	/* A crashed partition does not go on, a reset one does. */
	partition_resume(w.p);
	g_assert_cmpint(partition_state(w.p), ==, PARTITION_CRASHED);
	partition_reset(w.p);
	g_assert_cmpint(partition_state(w.p), ==, PARTITION_SUSPENDED);
	g_assert_cmpuint(partition_reference_time(w.p), ==, 0);
	load(w.p, DATA, &(uint32_t){ 0 }, 4);
	load(w.p, CODE, count_and_halt, sizeof count_and_halt);
	point(partition_vp(w.p, 0), CODE);
	partition_resume(w.p);
	await(vp0_halted, &w);
	g_assert_cmpuint(word(w.p, DATA), ==, 1);
	world_close(&w);
}

static void test_triple_fault(void)
{
	static const uint8_t code[] = {
		0x0f, 0x01, 0x1e, 0x00, 0x30,   /* lidt [0x3000]: limit 0 */
		0x0f, 0x0b,                     /* ud2 */
	};

	run_to_exit(code, sizeof code, EXIT_SHUTDOWN);
}

static void test_void(void)
{
	static const uint8_t far_out[] = { 0xea, 0x10, 0x00, 0xff, 0xff };   /* jmp ffff:0010 = 0x100000 */

	run_to_exit(far_out, sizeof far_out, EXIT_BAD_FETCH);
}

/* ---- several VPs ---- */


static void test_sipi(void)
{
	static const uint8_t second[] = {
		0x66, 0x2e, 0xff, 0x06, 0x08, 0x00,   /* inc dword cs:[8] */
		0xf4, 0xf4,
		0, 0, 0, 0,
	};
	struct world w;

	world_open(&w, NULL);
	w.p = make(&w, "two", 2, NULL);
	load(w.p, CODE, count_and_halt, sizeof count_and_halt);
	/* SIPI with vector 0x20 starts at 0x2000 * 16 = page 0x20. */
	load(w.p, 0x20000, second, sizeof second);
	point(partition_vp(w.p, 0), CODE);
	partition_start(w.p);
	await(vp0_halted, &w);
	g_assert_cmpuint(word(w.p, 0x20008), ==, 0);
	/* INIT and SIPI without a pause, as new kernels send them. */
	vp_pend(partition_vp(w.p, 1), X86_PEND_INIT);
	vp_sipi(partition_vp(w.p, 1), 0x20);
	for (unsigned i = 0; i < 20000 && word(w.p, 0x20008) == 0; i++)
		g_usleep(200);
	g_assert_cmpuint(word(w.p, 0x20008), ==, 1);
	/* One that does not wait for it ignores it. */
	vp_sipi(partition_vp(w.p, 1), 0x20);
	g_usleep(5000);
	g_assert_cmpuint(word(w.p, 0x20008), ==, 1);
	vp_pend(partition_vp(w.p, 1), X86_PEND_INIT);
	vp_sipi(partition_vp(w.p, 1), 0x20);
	for (unsigned i = 0; i < 20000 && word(w.p, 0x20008) == 1; i++)
		g_usleep(200);
	g_assert_cmpuint(word(w.p, 0x20008), ==, 2);
	world_close(&w);
}

static void activate(struct vp *vp, void *o)
{
	point(vp, *(uint16_t *)o);
	vp_cpu(vp)->activity = X86_ACTIVE;
}

static bool all_halted(struct world *w)
{
	for (uint32_t i = 0; i < partition_vp_count(w->p); i++)
		if (!vp_halted(partition_vp(w->p, i)))
			return false;
	return true;
}

/* Locked operations that no single host instruction can do: exclusive_begin and _end. */
static void test_exclusive(void)
{
	enum { ROUNDS = 3000 };
	static const uint8_t code[] = {
		0xb9, ROUNDS & 0xff, ROUNDS >> 8,          /* mov cx, ROUNDS */
		0xf0, 0x66, 0xff, 0x06, 0xfe, 0x2f,        /* lock inc dword [0x2ffe] */
		0xe2, 0xf8,                                /* loop */
		0xf4,
	};
	struct world w;
	uint16_t ip = CODE;

	world_open(&w, NULL);
	w.p = make(&w, "locked", 3, NULL);
	load(w.p, CODE, code, sizeof code);
	for (uint32_t i = 0; i < 3; i++)
		vp_call(partition_vp(w.p, i), activate, &ip);
	partition_start(w.p);
	await(all_halted, &w);
	g_assert_cmpuint(word(w.p, 0x2ffe), ==, 3 * ROUNDS);
	world_close(&w);
}

/* Each VP keeps rewriting code that it then runs, in one page, while the map changes. */
static void test_self_modifying(void)
{
	enum { ROUNDS = 400 };
	static const uint8_t code[] = {
		0xb9, ROUNDS & 0xff, ROUNDS >> 8,          /*  0 mov cx, ROUNDS */
		0x31, 0xdb,                                /*  3 xor bx, bx */
		0xe8, 0x00, 0x00,                          /*  5 call +0 */
		0x5e,                                      /*  8 pop si: address of 8 */
		0x89, 0x4c, 0x0c,                          /*  9 mov [si+12], cx: operand of mov ax */
		0xeb, 0x05,                                /*  c jmp to 0x13 */
		0x90, 0x90, 0x90, 0x90, 0x90,
		0xb8, 0x00, 0x00,                          /* 13 mov ax, imm (imm at 0x14 = 8 + 12) */
		0x39, 0xc8,                                /* 16 cmp ax, cx */
		0x74, 0x01,                                /* 18 je +1 */
		0x43,                                      /* 1a inc bx */
		0xe2, 0xec,                                /* 1b loop to 9 */
		0x89, 0x5c, 0x38,                          /* 1d mov [si+0x38], bx: at 0x40 */
		0xc7, 0x44, 0x3a, 0x01, 0x00,              /* 20 mov word [si+0x3a], 1: at 0x42 */
		0xf4,
	};
	struct world w;
	GError *error = NULL;

	world_open(&w, NULL);
	w.p = make(&w, "modifier", 3, NULL);
	for (uint16_t i = 0; i < 3; i++) {
		uint16_t ip = CODE + i * 0x100;

		load(w.p, ip, code, sizeof code);
		vp_call(partition_vp(w.p, i), activate, &ip);
	}
	partition_start(w.p);
	for (unsigned i = 0; i < 50 && !all_halted(&w); i++) {
		g_assert_true(partition_add_ram(w.p, gpa((2 + i) * MIB), 4096, &error));
		/* A device writes beside the code. */
		load(w.p, CODE + 0x80, &i, sizeof i);
		g_usleep(500);
	}
	await(all_halted, &w);
	for (unsigned i = 0; i < 3; i++) {
		g_assert_cmphex(word(w.p, CODE + i * 0x100 + 0x40), ==, 1u << 16);
	}
	world_close(&w);
}

/* ---- components and deadlines ---- */

struct ticker {
	_Atomic int64_t at;
	_Atomic unsigned expired;
	_Atomic int suspended;
};

static int64_t ticker_deadline(struct vp *vp, void *state)
{
	(void)vp;
	return atomic_load(&((struct ticker *)state)->at);
}

static void ticker_expire(struct vp *vp, void *state, int64_t now)
{
	struct ticker *t = state;

	(void)vp;
	g_assert_cmpint(now, >=, atomic_load(&t->at));
	atomic_store(&t->at, INT64_MAX);
	atomic_fetch_add(&t->expired, 1);
}

static void ticker_reset(struct vp *vp, void *state, enum x86_reset how)
{
	(void)vp, (void)how;
	atomic_store(&((struct ticker *)state)->at, INT64_MAX);
}

static void ticker_suspend(struct vp *vp, void *state)
{
	(void)vp;
	g_assert_cmpint(atomic_fetch_add(&((struct ticker *)state)->suspended, 1), ==, 0);
}

static void ticker_resume(struct vp *vp, void *state)
{
	(void)vp;
	g_assert_cmpint(atomic_fetch_sub(&((struct ticker *)state)->suspended, 1), ==, 1);
}

static const struct vp_component ticker_component = {
	.name = "ticker", .size = sizeof(struct ticker), .reset = ticker_reset, .next_deadline = ticker_deadline,
	.expire = ticker_expire, .suspend = ticker_suspend, .resume = ticker_resume,
};

static void deadlines(const uint8_t *code, size_t n)
{
	static const struct vp_component *const list[] = { &ticker_component, NULL };
	struct world w;
	struct ticker *t;
	struct vp *vp;

	world_open(&w, list);
	w.p = make(&w, "ticker", 1, NULL);
	vp = partition_vp(w.p, 0);
	t = vp_component_state(vp, &ticker_component);
	load(w.p, CODE, code, n);
	point(vp, CODE);
	g_assert_cmpint(atomic_load(&t->suspended), ==, 1);
	partition_start(w.p);
	for (unsigned i = 1; i <= 30; i++) {
		int64_t start = monotonic_ns();

		atomic_store(&t->at, start + 2000000);
		vp_deadline_changed(vp);
		while (atomic_load(&t->expired) < i) {
			g_assert_cmpint(monotonic_ns() - start, <, INT64_C(5000000000));
			g_usleep(50);
		}
		g_assert_cmpint(monotonic_ns() - start, >=, 2000000);
	}
	partition_suspend(w.p);
	g_assert_cmpint(atomic_load(&t->suspended), ==, 1);
	world_close(&w);
}

static void test_deadline_running(void) { deadlines(count_forever, sizeof count_forever); }
static void test_deadline_halted(void) { deadlines(count_and_halt, sizeof count_and_halt); }

/* ---- synthetic MSRs and leaves ---- */

static uint64_t rd(struct vp *vp, uint32_t msr)
{
	uint64_t v = 0xdead;

	g_assert_true(vp_rdmsr(vp, msr, &v));
	return v;
}

static void test_os_id_and_page(void)
{
	static const uint8_t code[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x01, 0xc1, 0xc3 };
	struct world w;
	struct vp *vp, *other;
	uint8_t bytes[8];

	world_open(&w, NULL);
	w.p = make(&w, "msr", 2, NULL);
	vp = partition_vp(w.p, 0);
	other = partition_vp(w.p, 1);
	load(w.p, 0x5000, "below...", 8);
	g_assert_cmphex(rd(vp, HV_X64_MSR_GUEST_OS_ID), ==, 0);                  /* T3.6.a */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_HYPERCALL, 0x5001));
	g_assert_cmphex(rd(vp, HV_X64_MSR_HYPERCALL), ==, 0x5000);               /* T4.12.f */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_GUEST_OS_ID, UINT64_C(0x8100060100000000)));
	g_assert_cmphex(rd(other, HV_X64_MSR_GUEST_OS_ID), ==, UINT64_C(0x8100060100000000));  /* T3.6.b */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_HYPERCALL, 0x5ff3));               /* T4.12.e */
	g_assert_cmphex(rd(other, HV_X64_MSR_HYPERCALL), ==, 0x5ff3);            /* T4.12.b */
	g_assert_true(partition_read(w.p, gpa(0x5000), bytes, 8));
	g_assert_cmpmem(bytes, 8, code, 8);                                      /* T4.12.g */
	g_assert_false(partition_write(w.p, gpa(0x5000), "x", 1));
	/* T4.12.j: moved; onto nothing, too. */
	g_assert_true(vp_wrmsr(other, HV_X64_MSR_HYPERCALL, 0xfee00001));
	g_assert_true(partition_read(w.p, gpa(0x5000), bytes, 8));
	g_assert_cmpmem(bytes, 8, "below...", 8);
	g_assert_true(partition_read(w.p, gpa(0xfee00000), bytes, 8));
	g_assert_cmpmem(bytes, 8, code, 8);                                      /* T4.12.c */
	/* T4.12.d */
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_HYPERCALL, UINT64_C(1) << 60 | 1));
	g_assert_cmphex(rd(vp, HV_X64_MSR_HYPERCALL), ==, 0xfee00001);
	/* T4.12.h */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_GUEST_OS_ID, 0));
	g_assert_cmphex(rd(vp, HV_X64_MSR_HYPERCALL) & 1, ==, 0);
	g_assert_false(partition_read(w.p, gpa(0xfee00000), bytes, 8));
	world_close(&w);
}

static void test_other_msrs(void)
{
	struct world w;
	struct vp *vp;
	uint64_t v;

	world_open(&w, NULL);
	w.p = make(&w, "msr", 3, NULL);
	vp = partition_vp(w.p, 2);
	g_assert_cmpuint(rd(vp, HV_X64_MSR_VP_INDEX), ==, 2);                    /* T10.2.1.b */
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_VP_INDEX, 1));                    /* T10.2.1.d */
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_TIME_REF_COUNT, 1));              /* T15.2.1.b */
	g_assert_cmpuint(rd(vp, HV_X64_MSR_TSC_FREQUENCY), ==, hv_tsc_hz(w.hv));
	g_assert_cmpuint(rd(vp, HV_X64_MSR_APIC_FREQUENCY), ==, HV_APIC_HZ);
	/* Partition-wide storage; reserved bits fault. */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_REENLIGHTENMENT_CONTROL, UINT64_C(2) << 32 | 1 << 16 | 0xee));
	g_assert_cmphex(rd(partition_vp(w.p, 0), HV_X64_MSR_REENLIGHTENMENT_CONTROL), ==, UINT64_C(2) << 32 | 1 << 16 | 0xee);
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_REENLIGHTENMENT_CONTROL, 0x100));
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_TSC_EMULATION_CONTROL, 1));
	g_assert_cmphex(rd(vp, HV_X64_MSR_TSC_EMULATION_CONTROL), ==, 1);
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_TSC_EMULATION_STATUS, 0));
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_TSC_EMULATION_STATUS, 1));
	g_assert_cmphex(rd(vp, HV_X64_MSR_TSC_EMULATION_STATUS), ==, 0);
	partition_reset(w.p);
	g_assert_cmphex(rd(vp, HV_X64_MSR_REENLIGHTENMENT_CONTROL), ==, 0);
	g_assert_cmphex(rd(vp, HV_X64_MSR_TSC_EMULATION_CONTROL), ==, 0);
	/* T31.c */
	g_assert_false(vp_rdmsr(vp, 0x40000074, &v));
	g_assert_false(vp_wrmsr(vp, 0x400000f1, 0));
	/* Linux writes it without asking; anything reads back; beyond memory is no fault. */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_VP_ASSIST_PAGE, 0x6001));
	g_assert_cmphex(rd(vp, HV_X64_MSR_VP_ASSIST_PAGE), ==, 0x6001);
	g_assert_cmphex(rd(partition_vp(w.p, 0), HV_X64_MSR_VP_ASSIST_PAGE), ==, 0);
	g_assert_true(partition_write(w.p, gpa(0x6000), "abc", 4));
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_VP_ASSIST_PAGE, UINT64_MAX));
	g_assert_cmphex(rd(vp, HV_X64_MSR_VP_ASSIST_PAGE), ==, UINT64_MAX);
	g_assert_cmpuint(word(w.p, 0x6000), ==, 0);
	world_close(&w);
}

/* With hv-invtsc=on leaf 0x80000007 EDX bit 8 comes with the guest's wish for it, and stays until the reset. */
static void test_invariant_tsc(void)
{
	struct hv_features f;
	GError *error = NULL;
	struct world w;
	struct vp *vp;
	uint32_t r[4];
	uint64_t v;

	world_open(&w, NULL);
	w.p = make(&w, "plain", 1, NULL);
	g_assert_false(vp_rdmsr(partition_vp(w.p, 0), HV_X64_MSR_TSC_INVARIANT_CONTROL, &v));
	g_assert_false(vp_wrmsr(partition_vp(w.p, 0), HV_X64_MSR_TSC_INVARIANT_CONTROL, 1));
	vp_cpuid(partition_vp(w.p, 0), 0x80000007, 0, r);
	g_assert_cmphex(r[3], ==, 1 << 8);
	partition_unref(w.p);
	hv_features_init(&f);
	g_assert_true(hv_cpu_option(&f, "hv-invtsc", "on", &error));
	w.p = partition_new(w.hv, &(struct partition_config){ .name = "asks", .vps = 2, .model = w.model, .features = &f }, &error);
	g_assert_no_error(error);
	vp = partition_vp(w.p, 1);
	vp_cpuid(vp, 0x80000007, 0, r);
	g_assert_cmphex(r[3], ==, 0);
	vp_cpuid(vp, HV_CPUID_FEATURES, 0, r);
	g_assert_cmphex(r[0] & HV_ACCESS_TSC_INVARIANT, ==, HV_ACCESS_TSC_INVARIANT);
	g_assert_cmphex(rd(vp, HV_X64_MSR_TSC_INVARIANT_CONTROL), ==, 0);
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_TSC_INVARIANT_CONTROL, 0));
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_TSC_INVARIANT_CONTROL, 3));
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_TSC_INVARIANT_CONTROL, 1));
	g_assert_false(vp_wrmsr(vp, HV_X64_MSR_TSC_INVARIANT_CONTROL, 0));
	vp_cpuid(partition_vp(w.p, 0), 0x80000007, 0, r);
	g_assert_cmphex(r[3], ==, 1 << 8);
	g_assert_cmphex(rd(partition_vp(w.p, 0), HV_X64_MSR_TSC_INVARIANT_CONTROL), ==, 1);
	partition_reset(w.p);
	vp_cpuid(vp, 0x80000007, 0, r);
	g_assert_cmphex(r[3], ==, 0);
	world_close(&w);
}

/* Each partition counts from its own zero, all at one rate (T15.1.2.d). */
static void test_two_clocks(void)
{
	struct world w;
	struct partition *q;
	uint64_t first[2], behind[2];

	world_open(&w, NULL);
	w.p = make(&w, "old", 1, NULL);
	partition_start(w.p);
	g_usleep(20000);
	q = make(&w, "young", 1, NULL);
	g_assert_cmpuint(rd(partition_vp(q, 0), HV_X64_MSR_TIME_REF_COUNT), ==, 0);
	partition_start(q);
	/* The young one's span lies within the old one's: by what the reads take, and each clock drops what is under a unit. */
	for (unsigned i = 0; i < 2; i++) {
		uint64_t old = partition_reference_time(w.p), young = partition_reference_time(q);

		first[i] = old - young;
		behind[i] = partition_reference_time(w.p) - young;
		g_assert_cmpuint(first[i], >=, 200000);
		g_usleep(100000);
	}
	g_assert_cmpuint(first[0], <=, behind[1] + 1);
	g_assert_cmpuint(first[1], <=, behind[0] + 1);
	partition_unref(q);
	world_close(&w);
}

static enum x86_result stop_at_port(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value)
{
	struct told *t = o;

	(void)vp, (void)port, (void)size, (void)value;
	atomic_fetch_add(&t->exits, 1);
	return X86_STOP;
}

static bool intercepted(struct world *w)
{
	return atomic_load(&w->told.exits) > 0;
}

/* A VP that an intercept suspends does not stop its partition's time (T15.1.2.f), its parent's suspend does (T15.1.2.e). */
static void test_intercept_and_clock(void)
{
	static const uint8_t in_al_dx[] = { 0xec, 0xf4 };
	static const struct stack_ops stops = { .exit = on_exit_told, .state_changed = on_state, .io_read = stop_at_port };
	struct world w;
	GError *error = NULL;
	uint64_t time;

	world_open(&w, NULL);
	w.p = partition_new(w.hv, &(struct partition_config){
		.name = "stops", .vps = 1, .model = w.model, .stack = &stops, .stack_opaque = &w.told }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(w.p, gpa(0), MIB, &error));
	load(w.p, CODE, in_al_dx, sizeof in_al_dx);
	point(partition_vp(w.p, 0), CODE);
	partition_start(w.p);
	await(intercepted, &w);
	time = partition_reference_time(w.p);
	g_usleep(10000);
	g_assert_cmpint(atomic_load(&w.told.exits), ==, 1);
	g_assert_cmpuint(partition_reference_time(w.p), >=, time + 90000);
	partition_suspend(w.p);
	time = partition_reference_time(w.p);
	g_usleep(1000);
	g_assert_cmpuint(partition_reference_time(w.p), ==, time);
	world_close(&w);
}

static void test_reference_tsc(void)
{
	struct world w;
	struct vp *vp;
	struct hv_reference_tsc_page page;
	uint64_t before, after, by_page;

	world_open(&w, NULL);
	w.p = make(&w, "time", 1, NULL);
	vp = partition_vp(w.p, 0);
	load(w.p, CODE, count_and_halt, sizeof count_and_halt);
	point(vp, CODE);
	g_assert_cmpuint(rd(vp, HV_X64_MSR_TIME_REF_COUNT), ==, 0);              /* T15.2.1.a */
	g_assert_true(vp_wrmsr(vp, HV_X64_MSR_REFERENCE_TSC, 0x7001));
	partition_start(w.p);
	g_assert_true(partition_read(w.p, gpa(0x7000), &page, sizeof page));
	g_assert_cmpuint(page.sequence, !=, HV_REFERENCE_TSC_UNUSABLE);
	g_assert_cmpuint(page.sequence, <=, HV_REFERENCE_TSC_LAST);
	for (unsigned i = 0; i < 20; i++) {                                      /* T15.4.3.b */
		before = rd(vp, HV_X64_MSR_TIME_REF_COUNT);
		by_page = (uint64_t)((unsigned __int128)partition_tsc(w.p) * page.scale >> 64) + (uint64_t)page.offset;
		after = rd(vp, HV_X64_MSR_TIME_REF_COUNT);
		g_assert_cmpuint(before, <=, by_page);
		g_assert_cmpuint(by_page, <=, after);
	}
	/* 100 ns units by the host's clock: within a tenth of a percent and a scheduling delay. */
	before = partition_reference_time(w.p);
	g_usleep(50000);
	after = partition_reference_time(w.p);
	g_assert_cmpuint(after - before, >=, 499500);
	g_assert_cmpuint(after - before, <, 5000000);
	g_assert_false(partition_write(w.p, gpa(0x7000), "x", 1));
	world_close(&w);
}

static void test_leaves(void)
{
	struct hv_features told;
	struct world w;
	struct vp *vp;
	uint32_t r[4];

	hv_features_init(&told);
	world_open(&w, NULL);
	w.p = make(&w, "cpuid", 1, NULL);
	vp = partition_vp(w.p, 0);
	vp_cpuid(vp, 1, 0, r);
	g_assert_true(r[2] & HV_CPUID_1_ECX_HYPERVISOR);                         /* T3.2.b */
	vp_cpuid(vp, HV_CPUID_VENDOR, 0, r);
	g_assert_cmphex(r[0], ==, HV_CPUID_LAST);
	g_assert_cmphex(r[1], ==, HV_VENDOR_EBX);                                /* T3.4.b */
	g_assert_cmphex(r[2], ==, HV_VENDOR_ECX);
	g_assert_cmphex(r[3], ==, HV_VENDOR_EDX);
	vp_cpuid(vp, HV_CPUID_INTERFACE, 0, r);
	g_assert_cmphex(r[0], ==, HV_INTERFACE_EAX);
	g_assert_cmphex(r[1] | r[2] | r[3], ==, 0);                              /* T3.4.d */
	vp_cpuid(vp, HV_CPUID_VERSION, 0, r);
	g_assert_cmphex(r[0], !=, 0);                                            /* T3.4.g, not T3.4.f */
	g_assert_cmphex(r[1], !=, 0);
	vp_cpuid(vp, HV_CPUID_FEATURES, 0, r);
	g_assert_cmphex(r[0], ==, (uint32_t)told.privileges);                    /* T3.4.h */
	g_assert_cmphex(r[0] & (1 << 5 | 1 << 6), ==, 1 << 5 | 1 << 6);          /* without them Linux sees nothing */
	g_assert_cmphex(r[1], ==, told.privileges >> 32);                        /* T3.4.j */
	g_assert_cmphex(r[2], ==, 0);
	g_assert_cmphex(r[3], ==, told.facilities);
	for (uint32_t leaf = 0x40000006; leaf < 0x40000100; leaf++) {
		vp_cpuid(vp, leaf, 0, r);
		g_assert_cmphex(r[0] | r[1] | r[2] | r[3], ==, 0);
	}
	world_close(&w);
}

static void test_options(void)
{
	struct hv_features f;
	GError *error = NULL;

	hv_features_init(&f);
	g_assert_true(hv_cpu_option(&f, "hv-time", "off", &error));
	g_assert_false(f.privileges & (HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_REFERENCE_TSC));
	g_assert_true(hv_cpu_option(&f, "hv_runtime", NULL, &error));
	g_assert_true(f.privileges & HV_ACCESS_VP_RUN_TIME);
	g_assert_true(hv_cpu_option(&f, "hv-spinlocks", "0x1fff", &error));
	g_assert_cmphex(f.spinlock_retries, ==, 0x1fff);
	g_assert_true(hv_cpu_option(&f, "hv-vendor-id", "KVMKVMKVM", &error));
	g_assert_cmpstr(f.vendor, ==, "KVMKVMKVM");
	g_assert_no_error(error);
	/* Off is fine, on is not there yet. */
	g_assert_true(hv_cpu_option(&f, "hv-evmcs", "off", &error));
	g_assert_false(hv_cpu_option(&f, "hv-evmcs", "on", &error));
	g_assert_nonnull(strstr(error->message, "hv-evmcs"));
	g_clear_error(&error);
	g_assert_false(hv_cpu_option(&f, "hv-time", "perhaps", &error));
	g_assert_nonnull(strstr(error->message, "perhaps"));
	g_clear_error(&error);
	g_assert_false(hv_cpu_option(&f, "hv-spinlocks", "12x", &error));
	g_clear_error(&error);
	g_assert_false(hv_cpu_option(&f, "hv-tiem", "on", &error));
	g_assert_nonnull(strstr(error->message, "hv-time"));
	g_clear_error(&error);
	g_assert_true(hv_cpu_option(&f, "hv-version-id-major", "0xffff", &error));
	g_assert_true(hv_cpu_option(&f, "hv-version-id-sbranch", "255", &error));
	g_assert_cmphex(f.version.major, ==, 0xffff);
	g_assert_cmphex(f.version.service_branch, ==, 255);
	g_assert_false(hv_cpu_option(&f, "hv-version-id-minor", "65536", &error));
	g_assert_nonnull(strstr(error->message, "0xffff"));
	g_clear_error(&error);
	g_assert_false(hv_cpu_option(&f, "hv-version-id-build", "-1", &error));
	g_clear_error(&error);
	g_assert_true(hv_cpu_option(&f, "hv-enforce-cpuid", NULL, &error));
	g_assert_true(f.enforce);
	g_assert_false(hv_cpu_option(&f, "hv-time", "auto", &error));
	g_clear_error(&error);
	/* What needs a facility that is off goes with it; if both were asked for, that is an error. */
	hv_features_init(&f);
	g_assert_true(hv_cpu_option(&f, "hv-vpindex", "off", &error));
	g_assert_true(hv_features_settle(&f, &error));
	g_assert_false(f.privileges & (HV_ACCESS_SYNIC | HV_ACCESS_SYNTHETIC_TIMERS));
	g_assert_false(f.facilities & HV_FEATURE_DIRECT_TIMERS);
	g_assert_true(f.privileges & HV_ACCESS_REFERENCE_TSC);
	hv_features_init(&f);
	g_assert_true(hv_cpu_option(&f, "hv-stimer", "on", &error));
	g_assert_true(hv_cpu_option(&f, "hv-synic", "off", &error));
	g_assert_false(hv_features_settle(&f, &error));
	g_assert_nonnull(strstr(error->message, "hv-stimer requires hv-synic"));
	g_clear_error(&error);
	g_assert_true(hv_cpu_option(&f, "hv-passthrough", "on", &error));
	g_assert_false(f.privileges & HV_ACCESS_SYNIC);          /* as the user said */
	g_assert_true(f.facilities & HV_FEATURE_XMM_INPUT);
	g_assert_true(f.privileges & HV_ACCESS_REFERENCE_TSC);
	g_assert_false(f.hints & HV_HINT_NO_CORE_SHARING);
	g_assert_true(hv_cpu_option(&f, "hv-no-nonarch-coresharing", "auto", &error));
	g_assert_true(hv_cpu_option(&f, "hv-no-nonarch-coresharing", "on", &error));
	g_assert_true(f.hints & HV_HINT_NO_CORE_SHARING);
	/* Off unless named. */
	g_assert_false(f.privileges & HV_ACCESS_TSC_INVARIANT);
	g_assert_false(hv_cpu_option(&f, "hv-invtsc", "auto", &error));
	g_clear_error(&error);
	g_assert_true(hv_cpu_option(&f, "hv-invtsc", "on", &error));
	g_assert_true(f.privileges & HV_ACCESS_TSC_INVARIANT);
	/* Not ours at all: no error, somebody else may know it. */
	g_assert_false(hv_cpu_option(&f, "tsc-frequency", "1", &error));
	g_assert_no_error(error);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/partition/tree", test_tree);
	g_test_add_func("/partition/memory", test_memory);
	g_test_add_func("/partition/options", test_options);
	g_test_add_func("/partition/leaves", test_leaves);
	g_test_add_func("/partition/os-id-and-page", test_os_id_and_page);
	g_test_add_func("/partition/msrs", test_other_msrs);
	g_test_add_func("/partition/invariant-tsc", test_invariant_tsc);
	g_test_add_func("/partition/reference-tsc", test_reference_tsc);
	g_test_add_func("/partition/two-clocks", test_two_clocks);
	g_test_add_func("/partition/intercept-and-clock", test_intercept_and_clock);
	g_test_add_func("/partition/rounds", test_rounds);
	g_test_add_func("/partition/suspend", test_suspend);
	g_test_add_func("/partition/call", test_call);
	g_test_add_func("/partition/triple-fault", test_triple_fault);
	g_test_add_func("/partition/void", test_void);
	g_test_add_func("/partition/sipi", test_sipi);
	g_test_add_func("/partition/exclusive", test_exclusive);
	g_test_add_func("/partition/self-modifying", test_self_modifying);
	g_test_add_func("/partition/deadline-running", test_deadline_running);
	g_test_add_func("/partition/deadline-halted", test_deadline_halted);
	return g_test_run();
}
