/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector instructions: what the differential test (tests/cpu) cannot see or
 * leaves out: partial gathers, masked stores at a hole, missing CR4.OSXMMEXCPT,
 * compatibility mode, known answers of the cryptographic instructions.
 */
#include "fakecpu.h"

#define CODE_IS(f, ...)                                         \
	do {                                                    \
		static const uint8_t k_[] = { __VA_ARGS__ };    \
		memcpy((f)->ram + CODE, k_, sizeof k_);         \
	} while (0)

enum { HLT = 0xf4 };

static struct fake *start(void)
{
	struct fake *f = fake_new();

	fake_long(f);
	f->c->cr4 |= CR4_OSXSAVE;
	f->c->xcr0 = 7;
	f->c->mxcsr = 0x1f80;
	x86_mode_update(f->c);
	return f;
}

static void run_to(struct fake *f, uint64_t rip)
{
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_HALTED);
	g_assert_cmphex(f->c->rip, ==, rip + 1);
	f->c->activity = X86_ACTIVE;
}
static void run_to_fault(struct fake *f, unsigned vector) { run_to(f, HANDLERS + vector * 16); }

static void again(struct fake *f)
{
	f->c->rip = CODE;
	f->c->gpr[X86_RSP] = STACK;
}

static void is_xmm(const struct fake *f, unsigned reg, uint64_t high, uint64_t low)
{
	g_assert_cmphex(f->c->ymm[reg].q[1], ==, high);
	g_assert_cmphex(f->c->ymm[reg].q[0], ==, low);
}

/* A fault at the third element leaves two done; the instruction resumes there. */
static void test_gather(void)
{
	struct fake *f = start();
	struct x86_cpu *c = f->c;
	unsigned i;

	/* vpgatherdd xmm0, [rdi+xmm1], xmm2; hlt */
	CODE_IS(f, 0xc4, 0xe2, 0x69, 0x90, 0x04, 0x0f, HLT);
	c->ymm[0] = (union x86_vec){ .q = { 1, 2, 3, 4 } };
	c->ymm[1] = (union x86_vec){ .d = { 4, 0, RAM_SIZE, 8 } };
	for (i = 0; i < 8; i++)
		c->ymm[2].d[i] = UINT32_MAX;
	put64(f, c->gpr[X86_RDI], 0x2222222211111111);
	put64(f, c->gpr[X86_RDI] + 8, 0x33333333);
	run_to_fault(f, X86_PFAULT);
	g_assert_cmphex(c->cr2, ==, c->gpr[X86_RDI] + RAM_SIZE);
	is_xmm(f, 0, 2, 0x1111111122222222);
	is_xmm(f, 2, UINT64_MAX, 0);
	c->ymm[1].d[0] = c->ymm[1].d[1] = RAM_SIZE;  /* not read again */
	c->ymm[1].d[2] = 8;
	again(f);
	run_to(f, CODE + 6);
	is_xmm(f, 0, 0x3333333333333333, 0x1111111122222222);
	is_xmm(f, 2, 0, 0);
	g_assert_cmphex(c->ymm[0].q[2] | c->ymm[2].q[2] | c->ymm[2].q[3], ==, 0);
	/* Index and destination in one register */
	CODE_IS(f, 0xc4, 0xe2, 0x69, 0x90, 0x0c, 0x0f, HLT);
	again(f);
	f->engine->forget(c);
	run_to_fault(f, X86_UD);
	fake_free(f);
}

/* vmaskmovps [rdi], ymm1, ymm0 over the end of memory: all or nothing. */
static void test_masked_store(void)
{
	struct fake *f = start();
	struct x86_cpu *c = f->c;
	unsigned i;

	CODE_IS(f, 0xc4, 0xe2, 0x75, 0x2e, 0x07, HLT);
	for (i = 0; i < 8; i++) {
		c->ymm[0].d[i] = 0x10 + i;
		c->ymm[1].d[i] = i == 1 || i == 5 ? 0x80000000 : 0x7fffffff;
	}
	c->gpr[X86_RDI] = RAM_SIZE - 16;
	run_to_fault(f, X86_PFAULT);
	g_assert_cmphex(c->cr2, ==, RAM_SIZE + 4);
	g_assert_cmphex(get64(f, RAM_SIZE - 16), ==, 0);
	c->ymm[1].d[5] = 0;
	again(f);
	run_to(f, CODE + 5);
	g_assert_cmphex(get64(f, RAM_SIZE - 16), ==, 0x1100000000);
	g_assert_cmphex(get64(f, RAM_SIZE - 8), ==, 0);
	fake_free(f);
}

/* divps xmm0, xmm1 by zero: the flag sticks, the destination stays. */
static void test_unmasked(void)
{
	struct fake *f = start();
	struct x86_cpu *c = f->c;

	CODE_IS(f, 0x0f, 0x5e, 0xc1, HLT);
	c->ymm[0] = (union x86_vec){ .d = { 0x3f800000, 0x3f800000, 0x3f800000, 0x40400000, 5, 6, 7, 8 } };
	c->ymm[1] = (union x86_vec){ .d = { 0x3f800000, 0, 0x40000000, 0x40e00000 } };
	c->mxcsr = 0x1f80 & ~0x200;
	run_to_fault(f, X86_XM);
	/* Nothing was divided, so nothing was inexact. */
	g_assert_cmphex(c->mxcsr, ==, (0x1f80 & ~0x200) | 4);
	is_xmm(f, 0, 0x404000003f800000, 0x3f8000003f800000);
	c->cr4 &= ~CR4_OSXMMEXCPT;
	again(f);
	run_to_fault(f, X86_UD);
	c->mxcsr = 0x1f80;
	again(f);
	run_to(f, CODE + 3);
	g_assert_cmphex(c->mxcsr, ==, 0x1f80 | 4 | 32);
	is_xmm(f, 0, 0x3edb6db73f000000, 0x7f8000003f800000);
	g_assert_cmphex(c->ymm[0].q[2], ==, 0x600000005);
	fake_free(f);
}

/* The legacy form keeps the upper half, the VEX form clears it, in 32-bit code as well. */
static void test_upper_half(void)
{
	struct fake *f = start();
	struct x86_cpu *c = f->c;

	/* paddb xmm0, xmm1; vpaddb xmm2, xmm0, xmm1; vpaddb ymm3, ymm0, ymm1; hlt */
	CODE_IS(f, 0x66, 0x0f, 0xfc, 0xc1, 0xc5, 0xf9, 0xfc, 0xd1, 0xc5, 0xfd, 0xfc, 0xd9, HLT);
	c->seg[X86_CS].attr = (c->seg[X86_CS].attr & ~SEG_L) | SEG_DB;
	x86_mode_update(c);
	c->ymm[0] = (union x86_vec){ .q = { 0xff, 1, 2, 3 } };
	c->ymm[1] = (union x86_vec){ .q = { 1, 1, 1, 1 } };
	c->ymm[2].q[2] = c->ymm[2].q[3] = 9;
	run_to(f, CODE + 12);
	is_xmm(f, 0, 2, 0);
	g_assert_cmphex(c->ymm[0].q[2], ==, 2);
	is_xmm(f, 2, 3, 1);
	g_assert_cmphex(c->ymm[2].q[2] | c->ymm[2].q[3], ==, 0);
	is_xmm(f, 3, 3, 1);
	g_assert_cmphex(c->ymm[3].q[3], ==, 4);
	fake_free(f);
}

/* State and key of the examples in Intel's AES-NI and PCLMULQDQ papers. */
static void test_crypto(void)
{
	static const struct { uint8_t code[7], len; uint64_t high, low; } cases[] = {
		{ { 0x66, 0x0f, 0x38, 0xdc, 0xc1 }, 5, 0xa8311c2f9fdba3c5, 0x8b104b58ded7e595 },
		{ { 0x66, 0x0f, 0x38, 0xdd, 0xc1 }, 5, 0xc7fb881e938c5964, 0x177ec42553fdc611 },
		{ { 0x66, 0x0f, 0x38, 0xde, 0xc1 }, 5, 0x138ac342faea2787, 0xb58eb95eb730392a },
		{ { 0x66, 0x0f, 0x38, 0xdf, 0xc1 }, 5, 0xc5a391ef6b317f95, 0xd410637b72a593d0 },
		{ { 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x00 }, 6, 0x1d4d84c85c3440c0, 0x929633d5d36f0451 },
		{ { 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x01 }, 6, 0x1a2bf6db3a30862f, 0xbabf262df4b7d5c9 },
		{ { 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x10 }, 6, 0x1bd17c8d556ab5a1, 0x7fa540ac2a281315 },
		{ { 0x66, 0x0f, 0x3a, 0x44, 0xc1, 0x11 }, 6, 0x1d1e1f2c592e7c45, 0xd66ee03e410fd4ed },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct fake *f = start();

		memcpy(f->ram + CODE, cases[i].code, cases[i].len);
		f->ram[CODE + cases[i].len] = HLT;
		f->c->ymm[0] = (union x86_vec){ .q = { 0x63746f725d53475d, 0x7b5b546573745665 } };
		f->c->ymm[1] = (union x86_vec){ .q = { 0x5b477565726f6e5d, 0x4869285368617929 } };
		run_to(f, CODE + cases[i].len);
		is_xmm(f, 0, cases[i].high, cases[i].low);
		fake_free(f);
	}
}

/* Alignment: the legacy form faults, the VEX form does not; aligned moves always do. */
static void test_alignment(void)
{
	static const struct { uint8_t code[4], faults; } cases[] = {
		{ { 0x0f, 0x58, 0x07, HLT }, 1 },        /* addps xmm0, [rdi] */
		{ { 0xc5, 0xf8, 0x58, 0x07 }, 0 },       /* vaddps */
		{ { 0xc5, 0xfc, 0x28, 0x07 }, 1 },       /* vmovaps ymm0, [rdi] */
		{ { 0x0f, 0x10, 0x07, HLT }, 0 },        /* movups */
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct fake *f = start();

		memcpy(f->ram + CODE, cases[i].code, 4);
		f->ram[CODE + 4] = HLT;
		f->c->gpr[X86_RDI] = DATA + (cases[i].code[1] == 0xfc ? 16 : 8);
		if (cases[i].faults)
			run_to_fault(f, X86_GP);
		else
			run_to(f, CODE + (cases[i].code[3] == HLT ? 3 : 4));
		fake_free(f);
	}
}

/* Vector state around an instruction of another kind, and what the outside sees and changes of it. */
static void test_kept(void)
{
	struct fake *f = start();
	struct x86_cpu *c = f->c;

	/* movq xmm0,rax; enter 16,0; movq rcx,xmm0; leave; divss xmm2,xmm3; movq rdx,xmm1; hlt */
	CODE_IS(f, 0x66, 0x48, 0x0f, 0x6e, 0xc0, 0xc8, 0x10, 0, 0, 0x66, 0x48, 0x0f, 0x7e, 0xc1, 0xc9, 0xf3, 0x0f, 0x5e, 0xd3,
		0x66, 0x48, 0x0f, 0x7e, 0xca, HLT);
	c->ymm[2].d[0] = 0x3f800000;
	for (uint64_t i = 1; i <= 3; i++) {
		again(f);
		c->gpr[X86_RAX] = i << 40;
		c->ymm[1].q[0] = ~i;
		c->mxcsr = 0x1f80;
		run_to(f, CODE + 24);
		g_assert_cmphex(c->gpr[X86_RCX], ==, i << 40);
		g_assert_cmphex(c->gpr[X86_RDX], ==, ~i);
		is_xmm(f, 0, 0, i << 40);
		/* 1 / 0, then infinity / 0, which is no error. */
		g_assert_cmphex(c->ymm[2].d[0], ==, 0x7f800000);
		g_assert_cmphex(c->mxcsr, ==, i == 1 ? 0x1f84 : 0x1f80);
	}
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vec/gather", test_gather);
	g_test_add_func("/vec/masked-store", test_masked_store);
	g_test_add_func("/vec/unmasked", test_unmasked);
	g_test_add_func("/vec/upper-half", test_upper_half);
	g_test_add_func("/vec/crypto", test_crypto);
	g_test_add_func("/vec/alignment", test_alignment);
	g_test_add_func("/vec/kept", test_kept);
	return g_test_run();
}
