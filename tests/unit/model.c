/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -cpu strings, CPUID leaves, the processor's MSRs. */
#include "bare-cpu.h"

static void leaf(struct fake *f, uint32_t l, uint32_t s, uint32_t r[4])
{
	x86_cpuid(f->c, l, s, r);
}

static char *error_of(const char *spec)
{
	GError *e = NULL;
	char *text;

	g_assert_null(x86_model_parse(spec, NULL, NULL, &e));
	g_assert_nonnull(e);
	text = g_strdup(e->message);
	g_error_free(e);
	return text;
}

static void assert_error(const char *spec, const char *word)
{
	char *text = error_of(spec);

	g_assert_nonnull(strstr(text, word));
	g_free(text);
}

static void test_errors(void)
{
	assert_error("pentium9", "x86-64-v3");
	assert_error("x86-64-v4", "AVX-512");
	assert_error("default,+frobnicate", "frobnicate");
	assert_error("default,+frobnicate", "sse4.2");
	assert_error("default,+vmx", "vmx");
	assert_error("default,avx=maybe", "maybe");
	assert_error("default,phys-bits=20", "phys-bits");
	assert_error("default,vendor=Intel", "12 characters");
	assert_error("default,what=1", "what");
	/* Asked for and not to be had is an error; what a feature that is taken away carries goes quietly. */
	assert_error("qemu64,+avx2", "+avx");
	assert_error("max,-xsave,avx=on", "+xsave");
	assert_error("max,+family", "family=on");
}

static void test_features(void)
{
	struct fake *f = fake_new("default,-avx2,+umip,vendor=AuthenticAMD,family=25,model=1,stepping=2,smap=on");
	uint32_t r[4];

	g_assert_false(x86_has(f->c, F_AVX2));
	g_assert_true(x86_has(f->c, F_UMIP));
	g_assert_true(x86_has(f->c, F_SMAP));
	leaf(f, 7, 0, r);
	g_assert_cmphex(r[1] & 1 << 5, ==, 0);
	g_assert_cmphex(r[2] & 1 << 2, ==, 1 << 2);
	leaf(f, 1, 0, r);
	/* Family 25 = 15 + 10. */
	g_assert_cmphex(r[0], ==, 0x00a00f12);
	leaf(f, 0, 0, r);
	g_assert_cmpint(memcmp(&r[1], "Auth", 4), ==, 0);
	g_assert_cmpint(memcmp(&r[3], "enti", 4), ==, 0);
	g_assert_cmpint(memcmp(&r[2], "cAMD", 4), ==, 0);
	fake_free(f);
}

static void test_levels(void)
{
	struct fake *f = fake_new("x86-64-v2");

	g_assert_true(x86_has(f->c, F_SSE4_2));
	g_assert_false(x86_has(f->c, F_AVX));
	fake_free(f);
	f = fake_new("x86-64-v3");
	g_assert_true(x86_has(f->c, F_AVX2));
	g_assert_true(x86_has(f->c, F_ABM));
	fake_free(f);
	/* AVX state goes with XSAVE, and what needs AVX goes too. */
	f = fake_new("max,-xsave");
	g_assert_false(x86_has(f->c, F_AVX));
	g_assert_false(x86_has(f->c, F_FMA));
	fake_free(f);
}

static void test_xsave_leaf(void)
{
	struct fake *f = fake_new("default");
	uint32_t r[4];

	leaf(f, 1, 0, r);
	g_assert_cmphex(r[2] & 1 << 27, ==, 0);
	x86_write_cr4(f->c, CR4_OSXSAVE | CR4_OSFXSR);
	leaf(f, 1, 0, r);
	g_assert_cmphex(r[2] & 1 << 27, ==, 1 << 27);
	leaf(f, 0xd, 0, r);
	g_assert_cmpint(r[0], ==, 7);
	g_assert_cmpint(r[1], ==, 576);
	g_assert_cmpint(r[2], ==, 832);
	x86_write_xcr0(f->c, 7);
	leaf(f, 0xd, 0, r);
	g_assert_cmpint(r[1], ==, 832);
	assert_fault(f, x86_write_xcr0(f->c, 5), X86_GP, 0);
	assert_fault(f, x86_write_xcr0(f->c, 0), X86_GP, 0);
	fake_free(f);
}

/* 3 cores of 2 threads: a package has 6 processors and 8 APIC ids. */
static void test_topology(void)
{
	const struct x86_topology t = { .cores = 3, .threads = 2 };
	static const uint32_t ids[] = { 0, 1, 2, 3, 4, 5, 8, 9, 10 };
	struct fake *f = fake_new("max,vendor=AuthenticAMD");
	uint32_t r[4];

	for (uint32_t i = 0; i < G_N_ELEMENTS(ids); i++)
		g_assert_cmpuint(x86_apic_id(&t, i), ==, ids[i]);
	x86_init(f->c, f->c->ops, f, f->model, 9, &t);   /* package 1, core 1, thread 1 */
	g_assert_cmpuint(f->c->apic_id, ==, 11);
	leaf(f, 1, 0, r);
	g_assert_cmpuint(r[1] >> 24, ==, 11);
	g_assert_cmpuint(r[1] >> 16 & 0xff, ==, 6);
	leaf(f, 0xb, 0, r);
	g_assert_cmpuint(r[0], ==, 1);
	g_assert_cmpuint(r[1], ==, 2);
	leaf(f, 0xb, 1, r);
	g_assert_cmpuint(r[0], ==, 3);
	g_assert_cmpuint(r[1], ==, 6);
	g_assert_cmpuint(r[3], ==, 11);
	leaf(f, 4, 0, r);
	g_assert_cmpuint(r[0] >> 14 & 0xfff, ==, 1);   /* the level 1 cache is the core's */
	g_assert_cmpuint(r[0] >> 26, ==, 3);
	leaf(f, 0x8000001e, 0, r);
	g_assert_cmpuint(r[0], ==, 11);
	g_assert_cmphex(r[1], ==, 0x101);
	leaf(f, 0x80000008, 0, r);
	g_assert_cmphex(r[2], ==, 3 << 12 | 5);
	fake_free(f);
}

static void test_msrs(void)
{
	struct fake *f = fake_new("default");
	struct x86_cpu *c = f->c;
	uint64_t v;

	g_assert_true(x86_msr_write(c, 0x10, 5000));
	g_assert_true(x86_msr_read(c, 0x3b, &v));
	g_assert_cmpint(v, ==, 4000);
	g_assert_true(x86_msr_read(c, 0x10, &v));
	g_assert_cmpint(v, ==, 5000);
	assert_fault(f, x86_msr_write(c, 0xc0000082, 1ull << 50), X86_GP, 0);
	assert_fault(f, x86_msr_write(c, 0x277, 2), X86_GP, 0);
	assert_fault(f, x86_msr_write(c, 0xc0000080, 1 << 9), X86_GP, 0);
	assert_fault(f, x86_msr_write(c, 0xfe, 0), X86_GP, 0);
	g_assert_true(x86_msr_write(c, 0xc0000100, 0xffff800000000000));
	g_assert_cmphex(c->seg[X86_FS].base, ==, 0xffff800000000000);
	/* The APIC's and the synthetic ones are not here. */
	g_assert_false(x86_msr_read(c, 0x1b, &v));
	g_assert_false(x86_msr_read(c, 0x6e0, &v));
	g_assert_false(x86_msr_read(c, 0x40000000, &v));
	fake_free(f);
}

/* Every row must be found by its number: the table is searched by halves. */
static void test_msr_order(void)
{
	static const uint32_t some[] = { 0x0, 0x10, 0x8b, 0x10a, 0x179, 0x1a0, 0x200, 0x20f, 0x250, 0x26f, 0x277,
					 0x2ff, 0x400, 0x40f, 0xc0000080, 0xc0000102, 0xc0011029 };
	struct fake *f = fake_new("max");
	uint64_t v;

	for (unsigned i = 0; i < G_N_ELEMENTS(some); i++)
		g_assert_true(x86_msr_read(f->c, some[i], &v));
	fake_free(f);
}

static void test_reset(void)
{
	struct fake *f = fake_new("default");
	struct x86_cpu *c = f->c;

	g_assert_cmphex(c->cr0, ==, 0x60000010);
	g_assert_cmphex(c->seg[X86_CS].base + c->rip, ==, 0xfffffff0);
	g_assert_cmphex(x86_flags_get(c), ==, 2);
	c->lstar = 7;
	c->mxcsr = 0x1fa0;
	c->cr0 = CR0_PE | CR0_CD;
	x86_reset(c, X86_RESET_INIT);
	g_assert_cmphex(c->cr0, ==, 0x40000010);
	g_assert_cmpint(c->lstar, ==, 7);
	g_assert_cmphex(c->mxcsr, ==, 0x1fa0);
	c->index = 1;
	x86_reset(c, X86_RESET_INIT);
	g_assert_cmpint(c->activity, ==, X86_WAIT_SIPI);
	x86_sipi(c, 0x9a);
	g_assert_cmphex(c->seg[X86_CS].base + c->rip, ==, 0x9a000);
	g_assert_cmphex(c->seg[X86_CS].sel, ==, 0x9a00);
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/model/errors", test_errors);
	g_test_add_func("/model/features", test_features);
	g_test_add_func("/model/levels", test_levels);
	g_test_add_func("/model/xsave-leaf", test_xsave_leaf);
	g_test_add_func("/model/topology", test_topology);
	g_test_add_func("/model/msrs", test_msrs);
	g_test_add_func("/model/msr-order", test_msr_order);
	g_test_add_func("/model/reset", test_reset);
	return g_test_run();
}
