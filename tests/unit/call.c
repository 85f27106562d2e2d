/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypercall dispatcher, rule by rule, with a table of test calls in place of
 * the real one.
 */
#include "call.h"
#include "hv/cpuid.h"

#include <glib.h>
#include <string.h>

#include "hv/msr.h"
#include "partition.h"
#include "sync/futex.h"

#define MIB (UINT64_C(1) << 20)
enum { IN = 0x10000, OUT = 0x11000 };
enum { SUM = 0x0010, BIG = 0x0011, HUGE_IN = 0x0012, ANSWER = 0x0013, LOCKED = 0x0014, HEADER = 0x0015, LIST = 0x0020,
       SLOW = 0x0021, LIST_HEADER = 0x0022, NOTHING = 0x0030 };

static gpa_t gpa(uint64_t v) { return (gpa_t){ v }; }

/* ---- the test calls ---- */

static _Atomic uint64_t calls_run, seen, elements;

static hv_status sum(struct hv_ctx *c)
{
	const uint64_t *in = c->in;

	calls_run++;
	seen = in[0] + in[1];
	return HV_STATUS_SUCCESS;
}

static hv_status big(struct hv_ctx *c)
{
	const uint64_t *in = c->in;

	calls_run++;
	seen = 0;
	for (unsigned i = 0; i < 14; i++)
		seen = seen * 31 + in[i];
	return HV_STATUS_SUCCESS;
}

static hv_status answer(struct hv_ctx *c)
{
	uint64_t *out = c->out;
	const uint64_t *in = c->in;

	calls_run++;
	out[0] = in[0] + 1;
	out[1] = 42;
	return in[0] == 13 ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

static hv_status header(struct hv_ctx *c)
{
	calls_run++;
	seen = *(const uint64_t *)c->in;
	for (uint32_t i = 0; i < c->variable_count; i++)
		seen = seen * 100 + c->variable[i];
	return HV_STATUS_SUCCESS;
}

static hv_status nothing(struct hv_ctx *c)
{
	calls_run++;
	g_assert_null(c->in);
	g_assert_null(c->out);
	return HV_STATUS_SUCCESS;
}

/* Doubles; 13 fails. */
static hv_status list_element(struct hv_ctx *c, const void *in, void *out)
{
	uint64_t v;

	(void)c;
	memcpy(&v, in, 8);
	if (v == 13)
		return HV_STATUS_INVALID_VP_INDEX;
	elements++;
	v *= 2;
	memcpy(out, &v, 8);
	return HV_STATUS_SUCCESS;
}

static hv_status slow_element(struct hv_ctx *c, const void *in, void *out)
{
	int64_t until = monotonic_ns() + 60000;

	while (monotonic_ns() < until)
		;
	return list_element(c, in, out);
}

static hv_status header_element(struct hv_ctx *c, const void *in, void *out)
{
	(void)out;
	elements++;
	seen += *(const uint32_t *)in * c->variable[c->variable_count - 1];
	return HV_STATUS_SUCCESS;
}

static const struct hv_call table[] = {
	{ SUM, "Sum", "-", .in = 16, .run = sum },
	{ BIG, "Big", "-", .in = 112, .run = big },
	{ HUGE_IN, "Huge", "-", .in = 120, .run = big },
	{ ANSWER, "Answer", "-", .in = 8, .out = 16, .run = answer },
	{ LOCKED, "Locked", "-", .in = 16, .privilege = HV_CREATE_PARTITIONS, .run = sum },
	{ HEADER, "Header", "-", .in = 8, .flags = CALL_VARIABLE, .run = header },
	{ LIST, "List", "-", .in = 8, .in_elem = 8, .out_elem = 8, .flags = CALL_REP, .element = list_element },
	{ SLOW, "Slow", "-", .in = 8, .in_elem = 8, .out_elem = 8, .flags = CALL_REP, .element = slow_element },
	{ LIST_HEADER, "ListHeader", "-", .in = 8, .in_elem = 4, .flags = CALL_REP | CALL_VARIABLE, .element = header_element },
	{ NOTHING, "Nothing", "-", .run = nothing },
};

/* ---- a partition to call from ---- */

struct fixture {
	struct x86_model *model;
	struct hv *hv;
	struct partition *p;
	struct vp *vp;
	uint64_t mmio_reads, mmio_writes, last_written;
};

static enum x86_result mmio_read(void *o, struct vp *vp, gpa_t at, unsigned size, uint64_t *value)
{
	struct fixture *f = o;

	(void)vp;
	g_assert_cmpuint(size, ==, 8);
	f->mmio_reads++;
	*value = at.v & 0xff;
	return X86_OK;
}

static enum x86_result mmio_write(void *o, struct vp *vp, gpa_t at, unsigned size, uint64_t value)
{
	struct fixture *f = o;

	(void)vp, (void)at, (void)size;
	f->mmio_writes++;
	f->last_written = value;
	return X86_OK;
}

static const struct stack_ops stack = { .mmio_read = mmio_read, .mmio_write = mmio_write };

static void setup_with(struct fixture *f, bool xmm)
{
	GError *error = NULL;
	struct hv_features features;

	memset(f, 0, sizeof *f);
	f->model = x86_model_parse("max", NULL, NULL, &error);
	g_assert_no_error(error);
	f->hv = hv_new_with(&(struct hv_config){ .memory = 4 * MIB }, NULL, &error);
	g_assert_no_error(error);
	f->hv->calls = table;
	f->hv->call_count = G_N_ELEMENTS(table);
	hv_features_init(&features);
	features.facilities = xmm ? HV_FEATURE_XMM_INPUT : 0;
	f->p = partition_new(f->hv, &(struct partition_config){ .name = "caller", .vps = 1, .model = f->model,
			     .stack = &stack, .stack_opaque = f, .features = &features }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(f->p, gpa(0), MIB, &error));
	f->vp = partition_vp(f->p, 0);
	calls_run = seen = elements = 0;
}

static void setup(struct fixture *f) { setup_with(f, true); }

static void teardown(struct fixture *f)
{
	hv_free(f->hv);
	partition_unref(f->p);
	x86_model_free(f->model);
}

static uint64_t rep(uint64_t code, uint64_t start, uint64_t count)
{
	return code | start << HV_CALL_START_SHIFT | count << HV_CALL_REPS_SHIFT;
}

static uint64_t variable(uint64_t qwords) { return qwords << HV_CALL_VARIABLE_SHIFT; }

static void put(struct fixture *f, uint64_t at, const void *data, size_t n)
{
	g_assert_true(partition_write(f->p, gpa(at), data, n));
}

static uint64_t quad(struct fixture *f, uint64_t at)
{
	uint64_t v;

	g_assert_true(partition_read(f->p, gpa(at), &v, 8));
	return v;
}

#define CHECK(f, control, in, out, status, reps) \
	g_assert_cmphex(vp_hypercall((f)->vp, control, in, out), ==, hv_call_result(status, reps))

/* ---- input value ---- */

static const struct { const char *row; uint64_t control, in, out; hv_status status; } refusals[] = {
	{ "T4.11.3.b", 0x0000, IN, OUT, HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "T4.11.3.b", 0xffff, IN, OUT, HV_STATUS_INVALID_HYPERCALL_CODE },
	{ "T25.j", LOCKED, IN, OUT, HV_STATUS_ACCESS_DENIED },
	{ "T4.11.2.b", LOCKED, IN + 1, OUT, HV_STATUS_ACCESS_DENIED },
	{ "T4.11.3.c", SUM | UINT64_C(1) << 32, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.e", SUM | UINT64_C(1) << 48, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.d", LIST, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.e", LIST | UINT64_C(3) << 32 | UINT64_C(3) << 48, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.e", LIST | UINT64_C(3) << 32 | UINT64_C(4) << 48, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f variable", SUM | 1 << 17, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f variable", SUM | 1 << 26, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", HEADER | 1 << 27, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", SUM | 1 << 30, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f nested", SUM | UINT64_C(1) << 31, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", SUM | UINT64_C(1) << 44, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", SUM | UINT64_C(1) << 47, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", SUM | UINT64_C(1) << 60, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.f", SUM | UINT64_C(1) << 63, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.7.j", LIST | HV_CALL_FAST | UINT64_C(1) << 32, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.7.j", LIST | HV_CALL_FAST, IN, OUT, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.1.e output", ANSWER | HV_CALL_FAST, 1, 0, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.7.1.d", HUGE_IN | HV_CALL_FAST, 1, 0, HV_STATUS_INVALID_HYPERCALL_INPUT },
	{ "T4.11.3.g in", SUM, IN + 4, 0, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.g out", ANSWER, IN, OUT + 1, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h in", SUM, IN + 4096 - 8, 0, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h out", ANSWER, IN, OUT + 4096 - 8, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h list", LIST | UINT64_C(512) << 32, IN, OUT, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h list", LIST | UINT64_C(4095) << 32, IN, OUT, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h header", HEADER | 511 << 17, IN + 8, OUT, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.h header", HEADER | 1023 << 17, IN, OUT, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.i in", SUM, UINT64_C(1) << 52, 0, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.i in", SUM, UINT64_MAX & ~UINT64_C(0xfff), 0, HV_STATUS_INVALID_ALIGNMENT },
	{ "T4.11.3.i out", ANSWER, IN, UINT64_C(1) << 52, HV_STATUS_INVALID_ALIGNMENT },
};

static void test_refusals(void)
{
	struct fixture f;

	setup(&f);
	for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
		uint64_t r = vp_hypercall(f.vp, refusals[i].control, refusals[i].in, refusals[i].out);

		if (r != refusals[i].status)
			g_error("%s: control %#" PRIx64 " gave %#" PRIx64 ", not %#x", refusals[i].row, refusals[i].control, r,
				refusals[i].status);
	}
	g_assert_cmpuint(calls_run, ==, 0);
	g_assert_cmpuint(elements, ==, 0);
	teardown(&f);
}

/* ---- forms ---- */

static void test_memory_and_fast(void)
{
	const uint64_t in[2] = { 1000, 7 };
	struct fixture f;

	setup(&f);
	put(&f, IN + 4096 - 16, in, 16);
	CHECK(&f, SUM, IN + 4096 - 16, 1, HV_STATUS_SUCCESS, 0);    /* T4.6.b: output unused, askew */
	g_assert_cmpuint(seen, ==, 1007);
	CHECK(&f, SUM | HV_CALL_FAST, 5, 6, HV_STATUS_SUCCESS, 0);  /* T25.d */
	g_assert_cmpuint(seen, ==, 11);
	/* T4.6.b: nothing used, everything wrong. */
	CHECK(&f, NOTHING, UINT64_MAX, 3, HV_STATUS_SUCCESS, 0);
	CHECK(&f, NOTHING | HV_CALL_FAST, UINT64_MAX, 3, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(calls_run, ==, 4);
	teardown(&f);
}

static void set_xmm(struct vp *vp, void *o)
{
	const uint64_t *in = o;

	memcpy(vp_cpu(vp)->ymm[0].b, in + 2, 16);
	memcpy(vp_cpu(vp)->ymm[5].b, in + 12, 16);
	for (unsigned i = 1; i < 5; i++)
		memcpy(vp_cpu(vp)->ymm[i].b, in + 2 + 2 * i, 16);
}

static void test_xmm(void)
{
	uint64_t in[14], want = 0;
	struct fixture f;

	setup(&f);
	for (unsigned i = 0; i < 14; i++) {
		in[i] = i * 0x0123456789u + 5;
		want = want * 31 + in[i];
	}
	vp_call(f.vp, set_xmm, in);
	CHECK(&f, BIG | HV_CALL_FAST, in[0], in[1], HV_STATUS_SUCCESS, 0);   /* T4.7.1.a */
	g_assert_cmphex(seen, ==, want);
	seen = 0;
	put(&f, IN, in, sizeof in);
	CHECK(&f, BIG, IN, 0, HV_STATUS_SUCCESS, 0);
	g_assert_cmphex(seen, ==, want);
	teardown(&f);

	/* T4.7.1.c: #UD without the feature, for blocks above 16 bytes only. */
	setup_with(&f, false);
	g_assert_cmphex(vp_hypercall(f.vp, BIG | HV_CALL_FAST, 1, 2), ==, UINT64_MAX);
	CHECK(&f, SUM | HV_CALL_FAST, 1, 2, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(calls_run, ==, 1);
	teardown(&f);
}

static void test_variable(void)
{
	const uint64_t in[4] = { 1, 2, 3, 4 };
	const struct { uint64_t fixed, var[2]; uint32_t element[4]; } list = { 0, { 1, 10 }, { 1, 2, 3, 4 } };
	struct fixture f;

	setup(&f);
	put(&f, IN, in, sizeof in);
	CHECK(&f, HEADER, IN, 0, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(seen, ==, 1);
	CHECK(&f, HEADER | variable(3), IN, 0, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(seen, ==, 1020304);
	CHECK(&f, HEADER | variable(1) | HV_CALL_FAST, 5, 6, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(seen, ==, 506);
	/* The list lies behind the variable header. */
	seen = 0;
	put(&f, IN, &list, sizeof list);
	CHECK(&f, rep(LIST_HEADER, 0, 4) | variable(2), IN, 0, HV_STATUS_SUCCESS, 4);
	g_assert_cmpuint(seen, ==, 100);
	teardown(&f);
}

static void test_output(void)
{
	struct fixture f;

	setup(&f);
	put(&f, IN, &(uint64_t){ 5 }, 8);
	put(&f, OUT + 16, &(uint64_t){ 0x77 }, 8);
	CHECK(&f, ANSWER, IN, OUT, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(quad(&f, OUT), ==, 6);
	g_assert_cmpuint(quad(&f, OUT + 8), ==, 42);
	g_assert_cmpuint(quad(&f, OUT + 16), ==, 0x77);
	/* Input and output in one page, as a driver of Linux has them. */
	CHECK(&f, ANSWER, IN, IN + 8, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(quad(&f, IN + 8), ==, 6);
	/* An error writes nothing. */
	put(&f, IN, &(uint64_t){ 13 }, 8);
	CHECK(&f, ANSWER, IN, OUT, HV_STATUS_INVALID_PARAMETER, 0);
	g_assert_cmpuint(quad(&f, OUT), ==, 6);
	teardown(&f);
}

/* ---- lists ---- */

static void test_list(void)
{
	uint64_t in[12] = { 0xabc };
	struct fixture f;

	setup(&f);
	for (unsigned i = 0; i < 11; i++)
		in[1 + i] = i + 100;
	put(&f, IN, in, sizeof in);
	CHECK(&f, rep(LIST, 0, 10), IN, OUT, HV_STATUS_SUCCESS, 10);         /* T4.8.d */
	g_assert_cmpuint(elements, ==, 10);
	for (unsigned i = 0; i < 10; i++)
		g_assert_cmpuint(quad(&f, OUT + 8 * i), ==, 200 + 2 * i);    /* T4.7.a */
	g_assert_cmpuint(quad(&f, OUT + 80), ==, 0);
	/* T4.8.c: from the start of the list; T4.7.a: places do not move. */
	put(&f, OUT, (uint64_t[10]){ 0 }, 80);
	elements = 0;
	CHECK(&f, rep(LIST, 7, 10), IN, OUT, HV_STATUS_SUCCESS, 10);
	g_assert_cmpuint(elements, ==, 3);
	g_assert_cmpuint(quad(&f, OUT + 48), ==, 0);
	g_assert_cmpuint(quad(&f, OUT + 56), ==, 214);
	/* T4.2.d */
	in[1 + 4] = 13;
	put(&f, IN, in, sizeof in);
	put(&f, OUT, (uint64_t[10]){ 0 }, 80);
	elements = 0;
	CHECK(&f, rep(LIST, 2, 10), IN, OUT, HV_STATUS_INVALID_VP_INDEX, 4);
	g_assert_cmpuint(elements, ==, 2);
	g_assert_cmpuint(quad(&f, OUT + 24), ==, 206);
	g_assert_cmpuint(quad(&f, OUT + 32), ==, 0);
	CHECK(&f, rep(LIST, 4, 10), IN, OUT, HV_STATUS_INVALID_VP_INDEX, 4);
	/* The largest list a page takes: 511 elements behind 8 bytes. */
	CHECK(&f, rep(LIST, 510, 511), IN, OUT, HV_STATUS_SUCCESS, 511);
	teardown(&f);
}

/* ---- the instruction: registers, continuation, legal environment ---- */

struct instruction {
	uint32_t mode;
	uint64_t gpr[16];
	enum x86_result result;
};

static void execute(struct vp *vp, void *o)
{
	struct instruction *i = o;
	struct x86_cpu *c = vp_cpu(vp);

	c->mode = i->mode;
	memcpy(c->gpr, i->gpr, sizeof i->gpr);
	i->result = c->ops->hypercall(c->opaque);
	memcpy(i->gpr, c->gpr, sizeof i->gpr);
}

static void enable_page(struct fixture *f)
{
	g_assert_true(vp_wrmsr(f->vp, HV_X64_MSR_GUEST_OS_ID, 1));
	g_assert_true(vp_wrmsr(f->vp, HV_X64_MSR_HYPERCALL, 0x5001));
}

enum { LONG_MODE = X86_MODE_PE | X86_MODE_LMA | X86_MODE_CS64, PROTECTED = X86_MODE_PE | X86_MODE_CS32,
       COMPATIBILITY = X86_MODE_PE | X86_MODE_LMA | X86_MODE_CS32 };

static void test_environment(void)
{
	static const uint32_t illegal[] = { 0, X86_MODE_PE | X86_MODE_VM | 3, LONG_MODE | 1, LONG_MODE | 3, PROTECTED | 3 };
	static const uint32_t legal[] = { LONG_MODE, PROTECTED, COMPATIBILITY };
	struct instruction i;
	struct fixture f;

	setup(&f);
	/* T4.12.n */
	i = (struct instruction){ .mode = LONG_MODE, .gpr = { [X86_RCX] = NOTHING } };
	vp_call(f.vp, execute, &i);
	g_assert_cmpint(i.result, ==, X86_FAULT_UD);
	enable_page(&f);
	for (unsigned k = 0; k < G_N_ELEMENTS(illegal); k++) {                /* T4.5.a, T4.5.b */
		i = (struct instruction){ .mode = illegal[k], .gpr = { [X86_RCX] = NOTHING, [X86_RAX] = NOTHING } };
		vp_call(f.vp, execute, &i);
		g_assert_cmpint(i.result, ==, X86_FAULT_UD);
	}
	g_assert_cmpuint(calls_run, ==, 0);
	for (unsigned k = 0; k < G_N_ELEMENTS(legal); k++) {                  /* T4.5.c */
		i = (struct instruction){ .mode = legal[k], .gpr = { [X86_RCX] = NOTHING, [X86_RAX] = NOTHING } };
		vp_call(f.vp, execute, &i);
		g_assert_cmpint(i.result, ==, X86_OK);
	}
	g_assert_cmpuint(calls_run, ==, 3);
	teardown(&f);
}

static void test_registers_64(void)
{
	struct instruction i = { .mode = LONG_MODE }, before;
	struct fixture f;

	setup(&f);
	enable_page(&f);
	for (unsigned r = 0; r < 16; r++)
		i.gpr[r] = 0x1111111111111111u * r;
	i.gpr[X86_RCX] = SUM | HV_CALL_FAST;
	i.gpr[X86_RDX] = UINT64_C(1) << 40;
	i.gpr[X86_R8] = 9;
	before = i;
	vp_call(f.vp, execute, &i);
	g_assert_cmpint(i.result, ==, X86_OK);
	g_assert_cmphex(seen, ==, (UINT64_C(1) << 40) + 9);
	g_assert_cmphex(i.gpr[X86_RAX], ==, 0);                              /* T4.8.a */
	for (unsigned r = 1; r < 16; r++)                                    /* T4.7.f, and more */
		g_assert_cmphex(i.gpr[r], ==, before.gpr[r]);
	teardown(&f);
}

static void registers_32(uint32_t mode)
{
	const uint64_t junk = UINT64_C(0xdead0000) << 32;
	struct instruction i = { .mode = mode }, before;
	struct fixture f;

	setup(&f);
	enable_page(&f);
	for (unsigned r = 0; r < 8; r++)
		i.gpr[r] = junk | r * 0x11111111u;
	i.gpr[X86_RDX] = junk | 0;                                           /* T4.7.i: upper halves are ignored */
	i.gpr[X86_RAX] = junk | SUM | HV_CALL_FAST;
	i.gpr[X86_RBX] = junk | 1;
	i.gpr[X86_RCX] = junk | 2;
	i.gpr[X86_RDI] = junk | 3;
	i.gpr[X86_RSI] = junk | 4;
	before = i;
	vp_call(f.vp, execute, &i);
	g_assert_cmpint(i.result, ==, X86_OK);
	g_assert_cmphex(seen, ==, (UINT64_C(1) << 32 | 2) + (UINT64_C(3) << 32 | 4));
	g_assert_cmphex((uint32_t)i.gpr[X86_RAX], ==, HV_STATUS_SUCCESS);
	g_assert_cmphex((uint32_t)i.gpr[X86_RDX], ==, 0);
	for (unsigned r = 0; r < 8; r++)
		if (r != X86_RAX && r != X86_RDX)
			g_assert_cmphex(i.gpr[r], ==, before.gpr[r]);
	/* Reps complete in EDX. */
	put(&f, IN, (uint64_t[4]){ 0, 1, 2, 3 }, 32);
	i = (struct instruction){ .mode = mode, .gpr = { [X86_RAX] = LIST, [X86_RDX] = 3, [X86_RCX] = IN, [X86_RSI] = OUT } };
	vp_call(f.vp, execute, &i);
	g_assert_cmphex(i.gpr[X86_RAX], ==, 0);
	g_assert_cmphex(i.gpr[X86_RDX], ==, 3);
	g_assert_cmpuint(quad(&f, OUT + 16), ==, 6);
	teardown(&f);
}

static void test_registers_32(void)
{
	registers_32(PROTECTED);
	registers_32(COMPATIBILITY);
}

static void continuation(uint32_t mode)
{
	const bool wide = mode & X86_MODE_CS64;
	struct instruction i = { .mode = mode };
	struct fixture f;
	unsigned again = 0;
	uint64_t in[6] = { 0, 1, 2, 3, 4, 5 }, control = rep(SLOW, 0, 5);

	setup(&f);
	enable_page(&f);
	put(&f, IN, in, sizeof in);
	if (wide) {
		i.gpr[X86_RCX] = control;
		i.gpr[X86_RDX] = IN;
		i.gpr[X86_R8] = OUT;
		i.gpr[X86_RAX] = 0x55;
	} else {
		i.gpr[X86_RDX] = control >> 32;
		i.gpr[X86_RAX] = (uint32_t)control;
		i.gpr[X86_RCX] = IN;
		i.gpr[X86_RSI] = OUT;
	}
	for (;;) {
		struct instruction before = i;
		uint64_t now;

		vp_call(f.vp, execute, &i);
		if (i.result == X86_OK)
			break;
		/* T4.3.a: the engine leaves with RIP at the instruction. */
		g_assert_cmpint(i.result, ==, X86_STOP);
		now = wide ? i.gpr[X86_RCX] : i.gpr[X86_RDX] << 32 | i.gpr[X86_RAX];
		g_assert_cmphex(now, ==, rep(SLOW, ++again, 5));             /* T4.2.b */
		for (unsigned r = 0; r < 16; r++)                            /* T4.3.d */
			if (wide ? r != X86_RCX : r != X86_RDX && r != X86_RAX)
				g_assert_cmphex(i.gpr[r], ==, before.gpr[r]);
	}
	/* T4.2.c, T4.2.e: one element at least each time, none twice. */
	g_assert_cmpuint(again, ==, 4);
	g_assert_cmpuint(elements, ==, 5);
	g_assert_cmphex(wide ? i.gpr[X86_RAX] : i.gpr[X86_RDX] << 32 | i.gpr[X86_RAX], ==, hv_call_result(0, 5));
	for (unsigned k = 0; k < 5; k++)
		g_assert_cmpuint(quad(&f, OUT + 8 * k), ==, 2 * (k + 1));
	teardown(&f);
}

static void test_continuation(void)
{
	continuation(LONG_MODE);
	continuation(COMPATIBILITY);
}

/* ---- parameters that are no plain memory ---- */

static void test_no_memory(void)
{
	struct fixture f;

	setup(&f);
	/* T4.6.e, T4.6.f: the stack answers, as for an instruction. */
	CHECK(&f, SUM, 0x80000010, 0, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(f.mmio_reads, ==, 2);
	g_assert_cmphex(seen, ==, 0x10 + 0x18);
	CHECK(&f, ANSWER, IN, 0x80000000, HV_STATUS_SUCCESS, 0);
	g_assert_cmpuint(f.mmio_writes, ==, 2);
	g_assert_cmpuint(f.last_written, ==, 42);
	/* Output where an overlay forbids it: a fault, and nothing has happened. */
	enable_page(&f);
	calls_run = 0;
	g_assert_cmphex(vp_hypercall(f.vp, ANSWER, IN, 0x5000), ==, UINT64_MAX);
	g_assert_cmpuint(calls_run, ==, 0);
	teardown(&f);
}

/* ---- the real table ---- */

static void test_real_table(void)
{
	struct hv_features features;
	struct fixture f;
	GError *error = NULL;
	struct partition *p;

	setup(&f);
	call_table_fini(f.hv);
	call_table_init(f.hv);
	for (unsigned i = 0; i < f.hv->call_count; i++) {
		const struct hv_call *c = &f.hv->calls[i];

		g_assert_true(i == 0 || c->code > f.hv->calls[i - 1].code);
		g_assert_true(c->in % 8 == 0 && c->out % 8 == 0);                /* T4.1.b */
		g_assert_true(!c->run == !!(c->flags & CALL_REP));
		g_assert_true(!(c->element || c->list) == !(c->flags & CALL_REP));
	}
	put(&f, IN, &(uint64_t){ 0xffffffff }, 8);
	CHECK(&f, HV_CALL_NOTIFY_LONG_SPIN_WAIT, IN, 0, HV_STATUS_SUCCESS, 0);                   /* T18.5.1.a, b */
	CHECK(&f, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 12345, 0, HV_STATUS_SUCCESS, 0);
	CHECK(&f, HV_CALL_GET_PARTITION_ID, 0, OUT, HV_STATUS_ACCESS_DENIED, 0);                  /* T5.6.7.b */
	CHECK(&f, HV_CALL_POST_MESSAGE, IN, 0, HV_STATUS_INVALID_HYPERCALL_CODE, 0);
	hv_features_init(&features);
	features.privileges |= HV_ACCESS_PARTITION_ID;
	p = partition_new(f.hv, &(struct partition_config){ .name = "privileged", .vps = 1, .model = f.model,
			  .features = &features }, &error);
	g_assert_no_error(error);
	g_assert_true(partition_add_ram(p, gpa(0), MIB, &error));
	/* T5.6.7.a, T5.6.7.c */
	g_assert_cmphex(vp_hypercall(partition_vp(p, 0), HV_CALL_GET_PARTITION_ID, 0x123, OUT), ==, 0);
	{
		uint64_t id;

		g_assert_true(partition_read(p, gpa(OUT), &id, 8));
		g_assert_cmpuint(id, ==, partition_id(p));
	}
	partition_delete(p);
	partition_unref(p);
	teardown(&f);
}

/* A hint is advice (T3.4.s), unless hv-enforce-cpuid makes it a permission. */
static void test_enforced_hints(void)
{
	static const struct { bool enforce, hint; hv_status status; } cases[] = {
		{ false, true, HV_STATUS_SUCCESS }, { false, false, HV_STATUS_SUCCESS },
		{ true, true, HV_STATUS_SUCCESS }, { true, false, HV_STATUS_ACCESS_DENIED },
	};
	const uint64_t send = HV_CALL_SEND_IPI | HV_CALL_FAST;
	struct fixture f;

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		setup(&f);
		call_table_fini(f.hv);
		call_table_init(f.hv);
		f.p->features.enforce = cases[i].enforce;
		f.p->features.hints = cases[i].hint ? HV_HINT_CLUSTER_IPI : 0;
		CHECK(&f, send, 0x50, 1, cases[i].status, 0);
		CHECK(&f, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 1, 0, HV_STATUS_SUCCESS, 0);
		teardown(&f);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/call/refusals", test_refusals);
	g_test_add_func("/call/memory-and-fast", test_memory_and_fast);
	g_test_add_func("/call/xmm", test_xmm);
	g_test_add_func("/call/variable", test_variable);
	g_test_add_func("/call/output", test_output);
	g_test_add_func("/call/list", test_list);
	g_test_add_func("/call/environment", test_environment);
	g_test_add_func("/call/registers-64", test_registers_64);
	g_test_add_func("/call/registers-32", test_registers_32);
	g_test_add_func("/call/continuation", test_continuation);
	g_test_add_func("/call/no-memory", test_no_memory);
	g_test_add_func("/call/real-table", test_real_table);
	g_test_add_func("/call/enforced-hints", test_enforced_hints);
	return g_test_run();
}
