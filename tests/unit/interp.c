/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter as an engine: blocks, chaining, faults, self-modifying code,
 * restart of string instructions, events.  What single instructions compute is
 * tests/cpu's.
 */
#include "fakecpu.h"

#define LOAD(f, at, ...)                                        \
	do {                                                    \
		static const uint8_t k_[] = { __VA_ARGS__ };    \
		memcpy((f)->ram + (at), k_, sizeof k_);         \
	} while (0)
#define CODE_IS(f, ...) LOAD(f, CODE, __VA_ARGS__)

enum { HLT = 0xf4 };

static struct fake *start(void)
{
	struct fake *f = fake_new();

	fake_long(f);
	return f;
}

static void run_to_hlt(struct fake *f, uint64_t rip)
{
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_HALTED);
	g_assert_cmphex(f->c->rip, ==, rip + 1);
	f->c->activity = X86_ACTIVE;
}

/* Runs until the handler of @vector, entered from @rip. */
static void run_to_fault(struct fake *f, unsigned vector, uint64_t rip)
{
	bool error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;

	run_to_hlt(f, HANDLERS + vector * 16);
	g_assert_cmphex(get64(f, f->c->gpr[X86_RSP] + (error ? 8 : 0)), ==, rip);
}

static void resume_at(struct fake *f, uint64_t rip)
{
	f->c->rip = rip;
	f->c->gpr[X86_RSP] = STACK;
}

/* ---- blocks --------------------------------------------------------------------- */

static void test_loop(void)
{
	struct fake *f = start();

	/* mov ecx,1000; xor eax,eax; 1: add eax,ecx; dec ecx; jnz 1b; hlt */
	CODE_IS(f, 0xb9, 0xe8, 3, 0, 0, 0x31, 0xc0, 0x01, 0xc8, 0xff, 0xc9, 0x75, 0xfa, HLT);
	run_to_hlt(f, CODE + 13);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 500500);
	g_assert_true(x86_zf(f->c));
	fake_free(f);
}

static void test_call(void)
{
	struct fake *f = start();

	/* mov ecx,50; 1: call CODE+0x3000; dec ecx; jnz 1b; hlt   f: inc rax; ret */
	CODE_IS(f, 0xb9, 50, 0, 0, 0, 0xe8, 0xf6, 0x2f, 0, 0, 0xff, 0xc9, 0x75, 0xf7, HLT);
	LOAD(f, CODE + 0x3000, 0x48, 0xff, 0xc0, 0xc3);
	run_to_hlt(f, CODE + 14);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 50);
	g_assert_cmphex(f->c->gpr[X86_RSP], ==, STACK);
	fake_free(f);
}

/* More instructions than a block holds, over a page end. */
static void test_long(void)
{
	struct fake *f = start();
	unsigned i;

	f->c->rip = CODE + 4096 - 301;
	for (i = 0; i < 200; i++)
		LOAD(f, CODE + 4096 - 301 + i * 3, 0x48, 0xff, 0xc0);
	f->ram[CODE + 4096 - 301 + 600] = HLT;
	run_to_hlt(f, CODE + 4096 - 301 + 600);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 200);
	fake_free(f);
}

/* Accesses off one register, the second with a check of its own, which must not show in the flags. */
static void test_flags_between(void)
{
	struct fake *f = start();

	/* stc; mov [rbx+0x20],rax; movaps xmm0,[rbx]; setb r8b; hlt */
	CODE_IS(f, 0xf9, 0x48, 0x89, 0x43, 0x20, 0x0f, 0x28, 0x03, 0x41, 0x0f, 0x92, 0xc0, HLT);
	f->c->gpr[X86_RBX] = DATA;
	/* The first time fills the TLB, by ways that later ones do not go. */
	for (unsigned i = 0; i < 3; i++) {
		f->c->rip = CODE;
		f->c->gpr[X86_R8] = 0;
		run_to_hlt(f, CODE + 12);
		g_assert_cmphex(f->c->gpr[X86_R8], ==, 1);
	}
	fake_free(f);
}

/* Runs @n bytes of code and what follows; RAX, RBX, RCX and R9 are set. */
static void run_producer(struct fake *f, const uint8_t *code, size_t n, const uint8_t *rest, size_t m)
{
	memcpy(f->ram + CODE, code, n);
	memcpy(f->ram + CODE + n, rest, m);
	f->engine->forget(f->c);
	f->c->rip = CODE;
	f->c->gpr[X86_RAX] = 0x8000000080000083;
	f->c->gpr[X86_RBX] = 0x7fffffff7fffff7f;
	f->c->gpr[X86_RCX] = 0xffffffffffffffff;
	f->c->gpr[9] = 0x0123456789abcdef;
	f->c->gpr[X86_RDI] = RAM_SIZE;
	f->c->gpr[X86_RSI] = DATA;
	f->c->gpr[X86_RSP] = STACK;
	x86_arith_set(f->c, X86_CF | X86_PF);
}

/* Flags that are overwritten at once show in a fault in between. */
static void test_flags_at_fault(void)
{
	static const struct {
		uint8_t n, code[12];
	} producer[] = {
		{ 3, { 0x48, 0x39, 0xd8 } },             /* cmp rax,rbx */
		{ 2, { 0x3c, 0x7f } },                   /* cmp al,7fh */
		{ 2, { 0x84, 0xe0 } },                   /* test al,ah */
		{ 3, { 0x4c, 0x85, 0xc8 } },             /* test rax,r9 */
		{ 3, { 0x66, 0x21, 0xd8 } },             /* and ax,bx */
		{ 2, { 0x30, 0xd8 } },                   /* xor al,bl */
		{ 3, { 0x49, 0x09, 0xc1 } },             /* or r9,rax */
		{ 2, { 0x33, 0x06 } },                   /* xor eax,[rsi] */
		{ 4, { 0x48, 0x83, 0xc0, 0xfd } },       /* add rax,-3 */
		{ 5, { 0x2d, 0x00, 0x00, 0x01, 0x80 } }, /* sub eax,80010000h */
		{ 3, { 0x48, 0x01, 0xd8 } },             /* add rax,rbx */
		{ 3, { 0x44, 0x29, 0xc8 } },             /* sub eax,r9d */
		{ 3, { 0x48, 0x01, 0xc0 } },             /* add rax,rax */
		{ 2, { 0x29, 0xc0 } },                   /* sub eax,eax */
		{ 3, { 0x48, 0x2b, 0x06 } },             /* sub rax,[rsi] */
		{ 3, { 0x4c, 0x03, 0x0e } },             /* add r9,[rsi] */
		{ 3, { 0x48, 0xf7, 0xd8 } },             /* neg rax */
		{ 3, { 0xc1, 0xe8, 0x08 } },             /* shr eax,8 */
		{ 4, { 0x48, 0xc1, 0xe0, 0x01 } },       /* shl rax,1 */
		{ 3, { 0x41, 0xd1, 0xf9 } },             /* sar r9d,1 */
		{ 6, { 0x48, 0x01, 0xd8, 0xbb, 0, 0 } }, /* add rax,rbx; mov ebx,0: two bytes more */
		{ 5, { 0x48, 0x29, 0xd8, 0x89, 0xc8 } }, /* sub rax,rbx; mov eax,ecx */
		{ 5, { 0x48, 0x39, 0xd8, 0x89, 0xc8 } }, /* cmp rax,rbx; mov eax,ecx */
		{ 5, { 0xc1, 0xe8, 0x03, 0x89, 0xc8 } }, /* shr eax,3; mov eax,ecx */
		{ 6, { 0xc1, 0xe8, 0x03, 0x41, 0x01, 0xd9 } },   /* shr eax,3; add r9d,ebx */
	};
	/* mov rdx,[rdi]; test ecx,ecx; hlt, and for the case that the end faults: add rbx,[rdi]; hlt */
	static const uint8_t hlt[] = { HLT }, load[] = { 0x48, 0x8b, 0x17, 0x85, 0xc9, HLT }, add[] = { 0x48, 0x03, 0x1f, HLT };
	struct fake *f = start();

	for (unsigned i = 0; i < 2 * G_N_ELEMENTS(producer); i++) {
		const uint8_t *code = producer[i / 2].code;
		uint8_t n = producer[i / 2].n, long_code[16] = { 0 };
		uint32_t flags;

		if (code[3] == 0xbb)
			n = 8;
		memcpy(long_code, code, 12);
		put64(f, DATA, 0xfedcba9876543210);
		run_producer(f, long_code, n, hlt, sizeof hlt);
		run_to_hlt(f, CODE + n);
		flags = x86_arith_get(f->c);
		run_producer(f, long_code, n, i & 1 ? add : load, i & 1 ? sizeof add : sizeof load);
		run_to_fault(f, X86_PFAULT, CODE + n);
		g_assert_cmphex(get64(f, f->c->gpr[X86_RSP] + 24) & X86_ARITH, ==, flags);
	}
	fake_free(f);
}

/* A loop whose load faults in the ninth round shows the flags that the eighth ended with. */
static void test_flags_of_round(void)
{
	static const struct {
		uint8_t n, code[8];
		int64_t step;            /* RCX in each round */
		uint8_t jcc;
	} end[] = {
		{ 3, { 0x48, 0x39, 0xd9 }, 0, 0x75 },                /* cmp rcx,rbx; jne */
		{ 3, { 0x4c, 0x85, 0xc9 }, 0, 0x75 },                /* test rcx,r9; jne */
		{ 3, { 0x83, 0xe9, 0x01 }, -1, 0x75 },               /* sub ecx,1; jne */
		{ 4, { 0x48, 0x83, 0xc1, 0xfd }, -3, 0x72 },         /* add rcx,-3; jc */
		{ 3, { 0x48, 0x01, 0xd9 }, 0x7fffffff, 0x71 },       /* add rcx,rbx; jno: RBX is small here */
		{ 2, { 0x21, 0xc9 }, 0, 0x75 },                      /* and ecx,ecx; jne */
		{ 3, { 0x3b, 0x4e, 0x08 }, 0, 0x75 },                /* cmp ecx,[rsi+8]; jne: no recipe */
	};
	static const uint8_t hlt[] = { HLT };
	struct fake *f = start();

	for (unsigned i = 0; i < 2 * G_N_ELEMENTS(end); i++) {
		/* mov rdx,[rdi], or the same as an addition, which writes flags itself */
		uint8_t code[32] = { 0x48, i & 1 ? 0x03 : 0x8b, 0x17, 0x48, 0x8d, 0x7f, 0x08 };
		uint8_t n = end[i / 2].n;
		uint64_t rcx = 0x12345678;
		uint32_t flags;

		memcpy(code + 7, end[i / 2].code, n);
		code[7 + n] = end[i / 2].jcc;
		code[8 + n] = (uint8_t)-(9 + n);
		put64(f, DATA + 8, 0x12345670);
		run_producer(f, end[i / 2].code, n, hlt, sizeof hlt);
		f->c->rip = CODE;
		f->c->gpr[X86_RBX] = 0x7fffffff;
		f->c->gpr[X86_RCX] = rcx + 7 * (uint64_t)end[i / 2].step;
		run_to_hlt(f, CODE + n);
		flags = x86_arith_get(f->c);
		for (unsigned again = 0; again < 3; again++) {
			run_producer(f, code, 9u + n, hlt, sizeof hlt);
			f->c->gpr[X86_RBX] = 0x7fffffff;
			f->c->gpr[X86_RCX] = rcx;
			f->c->gpr[X86_RDI] = RAM_SIZE - 64;
			run_to_fault(f, X86_PFAULT, CODE);
			g_assert_cmphex(get64(f, f->c->gpr[X86_RSP] + 24) & X86_ARITH, ==, flags);
			g_assert_cmphex(f->c->gpr[X86_RDI], ==, RAM_SIZE);
		}
	}
	fake_free(f);
}

/* The span ends at an instruction that there is not. */
static void test_flags_at_undefined(void)
{
	/* cmp rax,rbx */
	static const uint8_t producer[] = { 0x48, 0x39, 0xd8 }, hlt[] = { HLT };
	/* mov rdx,[rsi]; lock test ecx,ecx; hlt */
	static const uint8_t rest[] = { 0x48, 0x8b, 0x16, 0xf0, 0x85, 0xc9, HLT };
	struct fake *f = start();
	uint32_t flags;

	run_producer(f, producer, sizeof producer, hlt, sizeof hlt);
	run_to_hlt(f, CODE + 3);
	flags = x86_arith_get(f->c);
	for (unsigned i = 0; i < 3; i++) {
		run_producer(f, producer, sizeof producer, rest, sizeof rest);
		run_to_fault(f, X86_UD, CODE + 6);
		g_assert_cmphex(get64(f, f->c->gpr[X86_RSP] + 16) & X86_ARITH, ==, flags);
	}
	fake_free(f);
}

static void test_across_pages(void)
{
	struct fake *f = start();
	uint64_t at = CODE + 4096 - 2;

	/* mov eax,0x11223344 with three bytes on the next page */
	LOAD(f, at, 0xb8, 0x44, 0x33, 0x22, 0x11, HLT);
	f->c->rip = at;
	run_to_hlt(f, at + 5);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, 0x11223344);
	/* The other page changes: in its bytes, then in its frame. */
	f->ram[at + 2] = 0x55;
	fake_written(&f->code[(at + 2) >> 12], 0, 1);
	f->c->rip = at;
	run_to_hlt(f, at + 5);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, 0x11225544);
	LOAD(f, 0x80000, 0x66, 0x77, 0x88, HLT);
	put64(f, PT + (at + 2) / 4096 * 8, 0x80000 | 7);
	x86_tlb_flush_page(f->c, at + 2);
	f->c->rip = at;
	run_to_hlt(f, at + 5);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, 0x88776644);
	/* It is gone. */
	put64(f, PT + (at + 2) / 4096 * 8, 0);
	x86_tlb_flush_page(f->c, at + 2);
	f->c->rip = at;
	run_to_fault(f, X86_PFAULT, at);
	g_assert_cmphex(f->c->cr2, ==, at + 2);
	fake_free(f);
}

/* Two linear pages show one frame: blocks are shared, RIP is not. */
static void test_alias(void)
{
	struct fake *f = start();

	/* lea rax,[rip+0]; jmp +0; hlt */
	CODE_IS(f, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xeb, 0, HLT);
	run_to_hlt(f, CODE + 9);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, CODE + 7);
	put64(f, PT + 0x90 * 8, CODE | 7);
	f->c->rip = 0x90000;
	run_to_hlt(f, 0x90009);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, 0x90007);
	fake_free(f);
}

enum { OTHER_TABLES = 0x90000, OTHER_CODE = 0x80000 };

/* Loads CR3 by the guest's code, @rounds times one and the other; what is behind that comes from @first, @second. */
static void switch_spaces(struct fake *f, unsigned rounds, uint64_t flags, uint8_t first, uint8_t second)
{
	for (unsigned i = 0; i < rounds; i++) {
		f->c->gpr[X86_RAX] = (i & 1 ? PML4 : OTHER_TABLES) | (flags ? 1 + i % 2 : 0) | flags;
		f->c->rip = CODE;
		run_to_hlt(f, CODE + 5);
		g_assert_cmpuint(f->c->gpr[X86_RBX] & 0xff, ==, i & 1 ? second : first);
	}
}

/* Another address space has other code at the same place. */
static void test_code_spaces(void)
{
	struct fake *f = start();
	const uint64_t keep = 1ull << 63, global = 1 << 8;

	put64(f, OTHER_TABLES, (OTHER_TABLES + 0x1000) | 7);
	put64(f, OTHER_TABLES + 0x1000, (OTHER_TABLES + 0x2000) | 7);
	put64(f, OTHER_TABLES + 0x2000, (OTHER_TABLES + 0x3000) | 7);
	memcpy(f->ram + OTHER_TABLES + 0x3000, f->ram + PT, 4096);
	put64(f, OTHER_TABLES + 0x3000 + CODE / 4096 * 8, OTHER_CODE | 7);
	/* mov cr3,rax; mov bl,1 or 2; hlt */
	CODE_IS(f, 0x0f, 0x22, 0xd8, 0xb3, 1, HLT);
	LOAD(f, OTHER_CODE, 0x0f, 0x22, 0xd8, 0xb3, 2, HLT);
	switch_spaces(f, 6, 0, 2, 1);
	x86_write_cr4(f->c, f->c->cr4 | CR4_PCIDE);
	switch_spaces(f, 6, keep, 2, 1);
	/* It was changed while nobody was there, and nobody has been told. */
	f->ram[OTHER_CODE + 4] = 3;
	x86_code_written(&f->code[OTHER_CODE >> 12], 4, 1);
	x86_code_told(&f->code[OTHER_CODE >> 12]);
	x86_pend(f->c, X86_PEND_CODE_ALL);
	switch_spaces(f, 6, keep, 3, 1);
	/* Dropped by its PCID and address. */
	LOAD(f, OTHER_CODE + 0x1000, 0x0f, 0x22, 0xd8, 0xb3, 4, HLT);
	put64(f, OTHER_TABLES + 0x3000 + CODE / 4096 * 8, (OTHER_CODE + 0x1000) | 7);
	x86_tlb_flush_pcid_page(f->c, 1, CODE);
	switch_spaces(f, 6, keep, 4, 1);
	/* Global code stays, until it is dropped by its address. */
	put64(f, PT + CODE / 4096 * 8, CODE | 7 | global);
	put64(f, OTHER_TABLES + 0x3000 + CODE / 4096 * 8, OTHER_CODE | 7 | global);
	x86_write_cr4(f->c, f->c->cr4 | CR4_PGE);
	switch_spaces(f, 6, keep, 1, 1);
	x86_write_cr3(f->c, OTHER_TABLES | 1 | keep);
	x86_tlb_flush_page(f->c, CODE);
	switch_spaces(f, 6, keep, 3, 3);
	fake_free(f);
}

/* The mapping of the code changes under the same RIP. */
static void test_remap(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xb0, 1, HLT);
	LOAD(f, 0x80000, 0xb0, 2, HLT);
	run_to_hlt(f, CODE + 2);
	put64(f, PT + CODE / 4096 * 8, 0x80000 | 7);
	x86_tlb_flush(f->c, X86_FLUSH_ALL);
	f->c->rip = CODE;
	run_to_hlt(f, CODE + 2);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 2);
	fake_free(f);
}

/* ---- loops and where their accesses were last -------------------------------------- */

enum { LOOP_END = CODE + 14 };

static bool site_in_use(const struct fake *f)
{
	uint32_t any = 0;

	for (unsigned w = 0; w < G_N_ELEMENTS(f->c->site_used); w++)
		any |= f->c->site_used[w];
	return any;
}

/* RBX gets the sum of @count values at @at and each @step on, by the loop at CODE. */
static void sum_up(struct fake *f, uint64_t at, uint64_t step, uint32_t count)
{
	resume_at(f, CODE);
	f->c->gpr[X86_RBX] = 0;
	f->c->gpr[X86_RDI] = at;
	f->c->gpr[X86_RDX] = step;
	f->c->gpr[X86_RCX] = count;
}

/* 1: movzx eax,byte [rdi]; add rbx,rax; add rdi,rdx; sub ecx,1; jnz 1b; hlt */
static struct fake *start_summing(void)
{
	struct fake *f = start();

	CODE_IS(f, 0x0f, 0xb6, 0x07, 0x48, 0x01, 0xc3, 0x48, 0x01, 0xd7, 0x83, 0xe9, 0x01, 0x75, 0xf2, HLT);
	return f;
}

static void test_loop_remap(void)
{
	struct fake *f = start_summing();

	memset(f->ram + DATA, 1, 4096);
	memset(f->ram + DATA + 0x8000, 2, 4096);
	for (unsigned i = 0; i < 6; i++) {
		put64(f, PT + DATA / 4096 * 8, (i & 1 ? DATA + 0x8000 : DATA) | 7);
		x86_tlb_flush_page(f->c, DATA);
		sum_up(f, DATA, 1, 100);
		run_to_hlt(f, LOOP_END);
		g_assert_cmpuint(f->c->gpr[X86_RBX], ==, i & 1 ? 200 : 100);
		g_assert_true(site_in_use(f) == !strcmp(f->engine->name, "jit"));
	}
	/* Not there any more. */
	put64(f, PT + DATA / 4096 * 8, 0);
	x86_tlb_flush_page(f->c, DATA);
	sum_up(f, DATA + 5, 1, 100);
	run_to_fault(f, X86_PFAULT, CODE);
	g_assert_cmphex(f->c->cr2, ==, DATA + 5);
	fake_free(f);
}

/* Over the end of the page, and of what is mapped. */
static void test_loop_edge(void)
{
	struct fake *f = start();
	uint64_t sum = 0;

	/* 1: add rbx,[rdi]; add rdi,1; sub ecx,1; jnz 1b; hlt */
	CODE_IS(f, 0x48, 0x03, 0x1f, 0x48, 0x83, 0xc7, 0x01, 0x83, 0xe9, 0x01, 0x75, 0xf4, HLT);
	for (unsigned i = 0; i < 64; i++)
		f->ram[DATA + 4064 + i] = (uint8_t)(i * 37 + 1);
	for (unsigned i = 0; i < 40; i++)
		sum += get64(f, DATA + 4064 + i);
	for (unsigned again = 0; again < 3; again++) {
		sum_up(f, DATA + 4064, 1, 40);
		run_to_hlt(f, CODE + 12);
		g_assert_cmphex(f->c->gpr[X86_RBX], ==, sum);
	}
	put64(f, PT + (DATA / 4096 + 1) * 8, 0);
	x86_tlb_flush_page(f->c, DATA + 4096);
	sum_up(f, DATA + 4064, 1, 40);
	run_to_fault(f, X86_PFAULT, CODE);
	g_assert_cmphex(f->c->cr2, ==, DATA + 4096);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 40 - 25);
	fake_free(f);
}

/* What may no longer be written. */
static void test_loop_write(void)
{
	struct fake *f = start();

	/* 1: mov [rdi],cl; add rdi,rdx; sub ecx,1; jnz 1b; hlt */
	CODE_IS(f, 0x88, 0x0f, 0x48, 0x01, 0xd7, 0x83, 0xe9, 0x01, 0x75, 0xf6, HLT);
	for (unsigned again = 0; again < 3; again++) {
		sum_up(f, DATA, 1, 100);
		run_to_hlt(f, CODE + 10);
		g_assert_cmpuint(f->ram[DATA + 99], ==, 1);
	}
	put64(f, PT + DATA / 4096 * 8, DATA | 5);
	x86_tlb_flush_page(f->c, DATA);
	sum_up(f, DATA, 1, 100);
	run_to_fault(f, X86_PFAULT, CODE);
	g_assert_cmphex(get64(f, f->c->gpr[X86_RSP]), ==, 3);
	fake_free(f);
}

static uint64_t engine_counted(const struct fake *f, const char *name)
{
	struct engine_count all[64];
	size_t n = f->engine->counts ? f->engine->counts(f->c, all, G_N_ELEMENTS(all)) : 0;

	for (size_t i = 0; i < n && i < G_N_ELEMENTS(all); i++)
		if (!strcmp(all[i].name, name))
			return all[i].value;
	return 0;
}

/* Each access in another page: the loop gives its sites up, in the middle, and goes on. */
static void test_loop_scattered(void)
{
	struct fake *f = start_summing();

	for (unsigned i = 0; i < 128; i++)
		f->ram[0x100000 + i * 4096] = 1;
	for (unsigned i = 0; i < 50; i++) {
		sum_up(f, 0x100000, 4096, 128);
		run_to_hlt(f, LOOP_END);
		g_assert_cmpuint(f->c->gpr[X86_RBX], ==, 128);
	}
	g_assert_true((engine_counted(f, "scattered") > 0) == !strcmp(f->engine->name, "jit"));
	fake_free(f);
}

/* ---- code that changes ------------------------------------------------------------- */

static void test_store_to_next(void)
{
	struct fake *f = start();

	/* mov byte [rip+1],7; mov al,1; hlt */
	CODE_IS(f, 0xc6, 0x05, 1, 0, 0, 0, 7, 0xb0, 1, HLT);
	run_to_hlt(f, CODE + 9);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 7);
	fake_free(f);
}

static void test_rep_store_to_next(void)
{
	struct fake *f = start();

	/* lea rdi,[rip+11]; mov al,0x90; mov ecx,2; rep stosb; mov bl,1; hlt */
	CODE_IS(f, 0x48, 0x8d, 0x3d, 9, 0, 0, 0, 0xb0, 0x90, 0xb9, 2, 0, 0, 0, 0xf3, 0xaa, 0xb3, 1, HLT);
	run_to_hlt(f, CODE + 18);
	g_assert_cmpuint(f->c->gpr[X86_RBX], ==, 0);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 0);
	fake_free(f);
}

static void test_patched_loop(void)
{
	struct fake *f = start();

	/* mov ecx,3; 1: add eax,1 (imm patched); mov byte [1b+2],16; dec ecx; jnz 1b; hlt */
	CODE_IS(f, 0xb9, 3, 0, 0, 0, 0x83, 0xc0, 1, 0xc6, 0x05, 0xf8, 0xff, 0xff, 0xff, 16, 0xff, 0xc9, 0x75, 0xf2, HLT);
	run_to_hlt(f, CODE + 19);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 33);
	fake_free(f);
}

static void test_outside_store(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xb0, 1, HLT);
	run_to_hlt(f, CODE + 2);
	g_assert_cmpuint(f->marked, >, 0);
	f->ram[CODE + 1] = 2;
	fake_written(&f->code[CODE >> 12], 1, 1);
	f->c->rip = CODE;
	run_to_hlt(f, CODE + 2);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 2);
	fake_free(f);
}

/* Decoding more than the arena holds. */
static void test_arena(void)
{
	struct fake *f = start();
	unsigned i;

	CODE_IS(f, 0xb0, 1, HLT);
	for (i = 0; i < 200000; i++) {
		fake_written(&f->code[CODE >> 12], 0, 1);
		f->ram[CODE + 1] = (uint8_t)i;
		f->c->rip = CODE;
		run_to_hlt(f, CODE + 2);
		g_assert_cmpuint(f->c->gpr[X86_RAX], ==, (uint8_t)i);
	}
	fake_free(f);
}

/* ---- faults -------------------------------------------------------------------------- */

static void test_divide(void)
{
	struct fake *f = start();

	/* mov eax,5; div ecx; hlt */
	CODE_IS(f, 0xb8, 5, 0, 0, 0, 0xf7, 0xf1, HLT);
	run_to_fault(f, X86_DE, CODE + 5);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 5);
	/* INT64_MIN / -1 */
	resume_at(f, CODE);
	CODE_IS(f, 0x48, 0xf7, 0xf9, HLT);
	fake_written(&f->code[CODE >> 12], 0, 4);
	f->c->gpr[X86_RAX] = 1ull << 63;
	f->c->gpr[X86_RDX] = UINT64_MAX;
	f->c->gpr[X86_RCX] = UINT64_MAX;
	run_to_fault(f, X86_DE, CODE);
	/* and with a positive quotient of 2^63 - 1 it works */
	resume_at(f, CODE);
	f->c->gpr[X86_RAX] = (1ull << 63) + 1;
	run_to_hlt(f, CODE + 3);
	g_assert_cmphex(f->c->gpr[X86_RAX], ==, INT64_MAX);
	g_assert_cmphex(f->c->gpr[X86_RDX], ==, 0);
	fake_free(f);
}

static void test_undefined(void)
{
	struct fake *f = start();

	/* inc eax; lock add ecx,eax (register form) */
	CODE_IS(f, 0xff, 0xc0, 0xf0, 0x01, 0xc1, HLT);
	run_to_fault(f, X86_UD, CODE + 2);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 1);
	/* lock mov [rsi],eax */
	resume_at(f, CODE + 64);
	LOAD(f, CODE + 64, 0xf0, 0x89, 0x06, HLT);
	run_to_fault(f, X86_UD, CODE + 64);
	/* popcnt without the feature */
	resume_at(f, CODE + 128);
	LOAD(f, CODE + 128, 0xf3, 0x0f, 0xb8, 0xc1, HLT);
	f->model.features[F_POPCNT / 64] &= ~(1ull << F_POPCNT % 64);
	run_to_fault(f, X86_UD, CODE + 128);
	/* sixteen bytes */
	resume_at(f, CODE + 192);
	memset(f->ram + CODE + 192, 0x66, 15);
	f->ram[CODE + 207] = 0x90;
	run_to_fault(f, X86_GP, CODE + 192);
	fake_free(f);
}

/* Addresses next to 0, whose translations nobody has looked up, are no hits of an empty TLB. */
static void test_empty_tlb(void)
{
	static const uint64_t at[] = { 0, 1, 0x10, 0xffe, 0xffb, (uint64_t)-1, (uint64_t)-8, (uint64_t)-4096, 0x1000 };
	unsigned i;

	for (i = 0; i < sizeof at / sizeof at[0]; i++) {
		struct fake *f = start();

		put64(f, PT, 0);
		put64(f, PT + 8, 0);
			f->c->gpr[X86_RDI] = at[i];
		/* xchg [rdi],cl */
		CODE_IS(f, 0x90, 0x86, 0x0f, HLT);
		run_to_fault(f, X86_PFAULT, CODE + 1);
		g_assert_cmphex(f->c->cr2, ==, at[i]);
		/* mov eax,[rdi] */
		resume_at(f, CODE + 64);
		LOAD(f, CODE + 64, 0x8b, 0x07, HLT);
		run_to_fault(f, X86_PFAULT, CODE + 64);
		g_assert_cmphex(f->c->cr2, ==, at[i]);
		fake_free(f);
	}
}

/* An instruction that faults on its store has changed nothing. */
static void test_store_fault(void)
{
	struct fake *f = start();
	uint64_t ro = DATA + 0x2000;

	put64(f, PT + ro / 4096 * 8, ro | 5);
	f->c->gpr[X86_RDI] = ro;
	f->c->gpr[X86_RAX] = 5;
	f->c->gpr[X86_RBX] = 9;
	/* stc; add [rdi],rbx */
	CODE_IS(f, 0xf9, 0x48, 0x01, 0x1f, HLT);
	run_to_fault(f, X86_PFAULT, CODE + 1);
	g_assert_cmphex(get64(f, f->c->gpr[X86_RSP]), ==, 3);
	g_assert_cmphex(get64(f, f->c->gpr[X86_RSP] + 24) & X86_ARITH, ==, X86_CF);
	g_assert_cmphex(f->c->cr2, ==, ro);
	/* cmpxchg writes even if unequal */
	resume_at(f, CODE + 64);
	LOAD(f, CODE + 64, 0x48, 0x0f, 0xb1, 0x1f, HLT);
	run_to_fault(f, X86_PFAULT, CODE + 64);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 5);
	/* push rbx with an unmapped stack */
	put64(f, PT + (STACK - 4096) / 4096 * 8, 0);
	x86_tlb_flush(f->c, X86_FLUSH_ALL);
	f->c->rip = CODE + 128;
	f->c->gpr[X86_RSP] = STACK + 8;
	LOAD(f, CODE + 128, 0x53, 0x53, HLT);
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_SHUTDOWN);
	fake_free(f);
}

static void test_noncanonical(void)
{
	struct fake *f = start();

	f->c->gpr[X86_RAX] = f->c->gpr[X86_RBP] = 1ull << 60;
	CODE_IS(f, 0x48, 0x8b, 0x08, HLT);
	run_to_fault(f, X86_GP, CODE);
	resume_at(f, CODE + 64);
	LOAD(f, CODE + 64, 0x48, 0x8b, 0x4d, 0x00, HLT);
	run_to_fault(f, X86_SS_FAULT, CODE + 64);
	/* jmp rax faults at the jump */
	resume_at(f, CODE + 128);
	LOAD(f, CODE + 128, 0xff, 0xe0);
	run_to_fault(f, X86_GP, CODE + 128);
	fake_free(f);
}

static void test_privilege(void)
{
	struct fake *f = start();
	uint64_t stack = STACK;

	/* CPL 3 with a TSS for the way back. */
	memcpy(f->ram + 0x5f00 + 4, &stack, 8);
	f->c->tr = (struct x86_seg){ 0x5f00, 0x67, SEG_P | 11, 0x28 };
	f->c->seg[X86_SS].attr |= SEG_DPL;
	f->c->seg[X86_CS].attr |= SEG_DPL;
	f->c->seg[X86_SS].sel = f->c->seg[X86_CS].sel = 0x23;
	f->c->gpr[X86_RSP] = STACK + 0x1000;
	x86_mode_update(f->c);
	CODE_IS(f, 0xff, 0xc0, HLT);
	run_to_fault(f, X86_GP, CODE + 2);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 1);
	fake_free(f);
}

/* ---- string instructions ---------------------------------------------------------------- */

static void test_rep_restart(void)
{
	struct fake *f = start();
	uint64_t src = DATA + 0xff0, dst = DATA + 0x5008;
	unsigned i;

	/* cld; rep movsq with the destination's second page missing */
	CODE_IS(f, 0xfc, 0xf3, 0x48, 0xa5, HLT);
	for (i = 0; i < 0x2000; i++)
		f->ram[src + i] = (uint8_t)(i * 7);
	put64(f, PT + (DATA + 0x6000) / 4096 * 8, 0);
	f->c->gpr[X86_RSI] = src;
	f->c->gpr[X86_RDI] = dst;
	f->c->gpr[X86_RCX] = 1000;
	run_to_fault(f, X86_PFAULT, CODE + 1);
	g_assert_cmphex(f->c->cr2, ==, DATA + 0x6000);
	g_assert_cmphex(f->c->gpr[X86_RDI], ==, DATA + 0x6000);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 1000 - (0x1000 - 8) / 8);
	g_assert_cmphex(f->c->gpr[X86_RSI], ==, src + 0x1000 - 8);
	put64(f, PT + (DATA + 0x6000) / 4096 * 8, (DATA + 0x6000) | 7);
	resume_at(f, CODE + 1);
	run_to_hlt(f, CODE + 4);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 0);
	g_assert_cmpmem(f->ram + src, 8000, f->ram + dst, 8000);
	fake_free(f);
}

static void test_rep_overlap(void)
{
	struct fake *f = start();
	unsigned i;

	CODE_IS(f, 0xf3, 0xa4, HLT);
	f->ram[DATA] = 0x5a;
	f->c->gpr[X86_RDI] = DATA + 1;
	f->c->gpr[X86_RCX] = 5000;
	run_to_hlt(f, CODE + 2);
	for (i = 0; i <= 5000; i++)
		g_assert_cmphex(f->ram[DATA + i], ==, 0x5a);
	/* std; rep movsb moves a buffer up by one */
	for (i = 0; i < 5000; i++)
		f->ram[DATA + i] = (uint8_t)(i * 3);
	LOAD(f, CODE + 64, 0xfd, 0xf3, 0xa4, 0xfc, HLT);
	f->c->rip = CODE + 64;
	f->c->gpr[X86_RSI] = DATA + 4999;
	f->c->gpr[X86_RDI] = DATA + 5000;
	f->c->gpr[X86_RCX] = 5000;
	run_to_hlt(f, CODE + 68);
	for (i = 0; i < 5000; i++)
		g_assert_cmphex(f->ram[DATA + 1 + i], ==, (uint8_t)(i * 3));
	g_assert_cmphex(f->c->gpr[X86_RSI], ==, DATA - 1);
	fake_free(f);
}

static void test_rep_misc(void)
{
	struct fake *f = start();

	/* rep stosd with 67h: EDI and ECX; count 0 touches nothing */
	CODE_IS(f, 0x67, 0xf3, 0xab, HLT);
	f->c->gpr[X86_RAX] = 0xaabbccdd;
	f->c->gpr[X86_RCX] = 0x500000000;
	f->c->gpr[X86_RDI] = 0x700000000 | DATA;
	run_to_hlt(f, CODE + 3);
	g_assert_cmphex(f->c->gpr[X86_RCX], ==, 0x500000000);
	g_assert_cmphex(f->c->gpr[X86_RDI], ==, 0x700000000 | DATA);
	f->c->rip = CODE;
	f->c->gpr[X86_RCX] = 0x500000003;
	run_to_hlt(f, CODE + 3);
	g_assert_cmphex(f->c->gpr[X86_RCX], ==, 0);
	g_assert_cmphex(f->c->gpr[X86_RDI], ==, DATA + 12);
	g_assert_cmphex(get64(f, DATA + 8), ==, 0xaabbccdd);
	/* repne scasb finds; repe cmpsb stops at the difference */
	LOAD(f, CODE + 64, 0xf2, 0xae, 0x48, 0x89, 0xfb, 0xf3, 0xa6, HLT);
	memcpy(f->ram + DATA, "abcdefgh", 8);
	memcpy(f->ram + DATA + 64, "efgX", 4);
	f->c->rip = CODE + 64;
	f->c->gpr[X86_RAX] = 'd';
	f->c->gpr[X86_RCX] = 100;
	f->c->gpr[X86_RDI] = DATA;
	f->c->gpr[X86_RSI] = DATA + 64;
	run_to_hlt(f, CODE + 71);
	g_assert_cmphex(f->c->gpr[X86_RBX], ==, DATA + 4);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 100 - 4 - 4);
	g_assert_false(x86_zf(f->c));
	g_assert_true(x86_cf(f->c) == ('X' < 'h'));
	fake_free(f);
}

/* One of repe/repne cmps/scas with elements of @n bytes that end at element @stop, or after @count. */
static void scan_case(struct fake *f, unsigned n, bool cmps, bool equal, unsigned count, unsigned stop)
{
	const uint8_t code[] = { 0x66, (uint8_t)(equal ? 0xf2 : 0xf3), (uint8_t)(n == 8 ? 0x48 : 0x40),
				 (uint8_t)((cmps ? 0xa6 : 0xae) | (n > 1)), HLT };
	unsigned skip = n != 2, done = stop < count ? stop + 1 : count;
	uint64_t a = DATA + 0x1000 - (g_random_int() % 64), b = DATA + 0x6000 - (g_random_int() % 64);
	uint64_t v = 0x1122334455667788, other = v ^ 1ull << (g_random_int() % (n * 8));
	uint64_t last;

	for (unsigned i = 0; i < count + 8; i++) {
		uint64_t here = (i == stop) == equal ? v : other;

		memcpy(f->ram + a + i * n, &v, n);
		memcpy(f->ram + b + i * n, &here, n);
	}
	memcpy(f->ram + CODE, code, sizeof code);
	f->engine->forget(f->c);
	f->c->rip = CODE + skip;
	f->c->gpr[X86_RAX] = v;
	f->c->gpr[X86_RSI] = a;
	f->c->gpr[X86_RDI] = b;
	f->c->gpr[X86_RCX] = count;
	x86_arith_set(f->c, X86_SF | X86_PF);
	run_to_hlt(f, CODE + 4);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, count - done);
	g_assert_cmphex(f->c->gpr[X86_RDI], ==, b + done * n);
	g_assert_cmphex(f->c->gpr[X86_RSI], ==, a + (cmps ? done * n : 0));
	if (!count)
		return;
	last = (done - 1 == stop) == equal ? v : other;
	g_assert_cmpuint(x86_zf(f->c), ==, last == v);
	g_assert_cmpuint(x86_cf(f->c), ==, v << (64 - n * 8) < last << (64 - n * 8));
}

static void test_scan(void)
{
	struct fake *f = start();

	for (unsigned i = 0; i < 4000; i++) {
		unsigned n = 1u << (i & 3), count = g_random_int() % (i & 64 ? 40 : 9000 / n);

		scan_case(f, n, i & 4, i & 8, count, i & 16 ? g_random_int() % (count + 1) : count + 1);
	}
	fake_free(f);
}

static void test_stop(void)
{
	struct fake *f = start();

	/* mov ecx,3; rep insb; hlt */
	CODE_IS(f, 0xb9, 3, 0, 0, 0, 0xf3, 0x6c, HLT);
	f->stop_port = true;
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_STOPPED);
	g_assert_cmphex(f->c->rip, ==, CODE + 5);
	g_assert_cmpuint(f->c->gpr[X86_RCX], ==, 3);
	f->stop_port = false;
	f->port_value = 40;
	run_to_hlt(f, CODE + 7);
	g_assert_cmpuint(f->ram[DATA + 0x1000], ==, 40);
	g_assert_cmpuint(f->ram[DATA + 0x1002], ==, 42);
	fake_free(f);
}

/* ---- locked ------------------------------------------------------------------------------- */

static void test_locked(void)
{
	struct fake *f = start();

	/* lock xadd [rsi],eax; lock inc qword [rsi+rbx]; xchg [rdi],ecx */
	CODE_IS(f, 0xf0, 0x0f, 0xc1, 0x06, 0xf0, 0x48, 0xff, 0x04, 0x1e, 0x87, 0x0f, HLT);
	put64(f, DATA, 40);
	f->c->gpr[X86_RAX] = 2;
	f->c->gpr[X86_RBX] = 16;
	f->c->gpr[X86_RCX] = 77;
	run_to_hlt(f, CODE + 11);
	g_assert_cmpuint(get64(f, DATA), ==, 42);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 40);
	g_assert_cmpuint(get64(f, DATA + 16), ==, 1);
	g_assert_cmpuint(get64(f, DATA + 0x1000), ==, 77);
	g_assert_cmpuint(f->exclusive, ==, 0);
	/* across pages: the others wait */
	f->c->rip = CODE + 4;
	f->c->gpr[X86_RBX] = 0xffd;
	run_to_hlt(f, CODE + 11);
	g_assert_cmpuint(f->ram[DATA + 0xffd], ==, 1);
	g_assert_cmpuint(f->exclusive, ==, 1);
	/* cmpxchg16b, equal and not */
	LOAD(f, CODE + 64, 0xf0, 0x48, 0x0f, 0xc7, 0x0e, HLT);
	f->c->rip = CODE + 64;
	f->c->gpr[X86_RAX] = 42;
	f->c->gpr[X86_RDX] = 0;
	f->c->gpr[X86_RBX] = 5;
	f->c->gpr[X86_RCX] = 6;
	run_to_hlt(f, CODE + 69);
	g_assert_true(x86_zf(f->c));
	g_assert_cmpuint(get64(f, DATA), ==, 5);
	g_assert_cmpuint(get64(f, DATA + 8), ==, 6);
	f->c->rip = CODE + 64;
	run_to_hlt(f, CODE + 69);
	g_assert_false(x86_zf(f->c));
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 5);
	g_assert_cmpuint(f->c->gpr[X86_RDX], ==, 6);
	fake_free(f);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void test_kick(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xeb, 0xfe);
	x86_pend(f->c, X86_PEND_STOP | X86_PEND_WORK);
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_KICKED);
	g_assert_cmphex(f->c->rip, ==, CODE);
	g_assert_cmpuint(f->works, ==, 1);
	g_assert_cmpuint(atomic_load(&f->c->pending), ==, 0);
	fake_free(f);
}

static gpointer kick_later(gpointer o)
{
	g_usleep(20000);
	x86_pend(o, X86_PEND_STOP);
	return NULL;
}

/* Another thread stops a loop that chains to itself. */
static void test_kick_thread(void)
{
	struct fake *f = start();
	GThread *t;

	CODE_IS(f, 0xff, 0xc0, 0xeb, 0xfc);
	t = g_thread_new("kick", kick_later, f->c);
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_KICKED);
	g_assert_cmpuint(f->c->gpr[X86_RAX], >, 0);
	g_thread_join(t);
	fake_free(f);
}

static void test_interrupt(void)
{
	struct fake *f = start();

	/* inc eax; sti; inc eax; inc eax; hlt: taken behind the first INC after STI */
	CODE_IS(f, 0xff, 0xc0, 0xfb, 0xff, 0xc0, 0xff, 0xc0, HLT);
	f->vector = 0x30;
	x86_pend(f->c, X86_PEND_INTR);
	run_to_fault(f, 0x30, CODE + 5);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 2);
	g_assert_false(f->c->eflags & X86_IF);
	/* With IF clear it waits, and is still pending outside. */
	resume_at(f, CODE + 64);
	LOAD(f, CODE + 64, 0xff, 0xc0, HLT);
	f->vector = 0x31;
	x86_pend(f->c, X86_PEND_INTR);
	run_to_hlt(f, CODE + 66);
	g_assert_cmphex(atomic_load(&f->c->pending) & X86_PEND_INTR, ==, X86_PEND_INTR);
	fake_free(f);
}

/* A device stops the pushes of a delivery: the interrupt comes when the processor runs again. */
static void test_interrupt_stopped(void)
{
	struct fake *f = start();

	CODE_IS(f, 0x90, HLT);
	put64(f, PT + (STACK - 1) / 4096 * 8, 1ull << 32 | 3);
	x86_tlb_flush(f->c, X86_FLUSH_ALL);
	f->stop_mmio = true;
	f->c->eflags |= X86_IF;
	f->vector = 0x33;
	x86_pend(f->c, X86_PEND_INTR);
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_STOPPED);
	g_assert_cmphex(f->c->rip, ==, CODE);
	f->stop_mmio = false;
	run_to_hlt(f, HANDLERS + 0x33 * 16);
	/* Once only. */
	resume_at(f, CODE);
	run_to_hlt(f, CODE + 1);
	fake_free(f);
}

/* STI; HLT: the interrupt must not come between them. */
static void test_halt(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xfb, HLT, 0x90);
	f->vector = 0x32;
	x86_pend(f->c, X86_PEND_INTR);
	run_to_fault(f, 0x32, CODE + 2);
	/* Halted: stays so until something comes. */
	f->c->activity = X86_HALTED;
	f->c->eflags |= X86_IF;
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_HALTED);
	g_assert_cmpint(f->c->activity, ==, X86_HALTED);
	x86_pend(f->c, X86_PEND_NMI);
	run_to_hlt(f, HANDLERS + X86_NMI * 16);
	g_assert_true(f->c->nmi_blocked);
	x86_pend(f->c, X86_PEND_NMI);
	f->c->rip = CODE + 2;
	LOAD(f, CODE + 2, 0x90, HLT);
	fake_written(&f->code[CODE >> 12], 2, 2);
	run_to_hlt(f, CODE + 3);
	fake_free(f);
}

static void test_single_step(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xff, 0xc0, 0xff, 0xc0, HLT);
	f->c->eflags |= X86_TF;
	x86_mode_update(f->c);
	run_to_fault(f, X86_DB, CODE + 2);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 1);
	g_assert_cmphex(f->c->dr[6] & 0x4000, ==, 0x4000);
	fake_free(f);
}

static void test_breakpoint(void)
{
	struct fake *f = start();

	CODE_IS(f, 0xff, 0xc0, 0xff, 0xc0, HLT);
	f->c->dr[1] = CODE + 2;
	f->c->dr[7] |= 4;
	x86_mode_update(f->c);
	run_to_fault(f, X86_DB, CODE + 2);
	g_assert_cmphex(f->c->dr[6] & 0xf, ==, 2);
	/* RF gets past it. */
	resume_at(f, CODE + 2);
	f->c->eflags |= X86_RF;
	run_to_hlt(f, CODE + 4);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 2);
	fake_free(f);
}

static void test_debugger(void)
{
	struct fake *f = start();
	uint64_t at[] = { CODE + 2 };

	CODE_IS(f, 0xff, 0xc0, 0xff, 0xc0, 0xff, 0xc0, HLT);
	f->c->debug_break = at;
	f->c->debug_break_count = 1;
	x86_mode_update(f->c);
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_DEBUG);
	g_assert_cmphex(f->c->rip, ==, CODE + 2);
	/* From the breakpoint on it goes on. */
	f->c->debug_step = true;
	g_assert_cmpint(f->engine->run(f->c), ==, X86_RUN_DEBUG);
	g_assert_cmphex(f->c->rip, ==, CODE + 4);
	f->c->debug_step = false;
	f->c->debug_break_count = 0;
	x86_mode_update(f->c);
	run_to_hlt(f, CODE + 6);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 3);
	fake_free(f);
}

static void test_step(void)
{
	struct fake *f = start();

	/* jmp +0; inc eax */
	CODE_IS(f, 0xeb, 0x00, 0xff, 0xc0, HLT);
	g_assert_cmpint(f->engine->step(f->c), ==, X86_RUN_DEBUG);
	g_assert_cmphex(f->c->rip, ==, CODE + 2);
	g_assert_cmpint(f->engine->step(f->c), ==, X86_RUN_DEBUG);
	g_assert_cmphex(f->c->rip, ==, CODE + 4);
	g_assert_cmpuint(f->c->gpr[X86_RAX], ==, 1);
	fake_free(f);
}

/* ---- other modes ---------------------------------------------------------------------------- */

static void test_real_mode(void)
{
	struct fake *f = fake_new();
	struct x86_cpu *c = f->c;

	x86_set_seg_real(c, X86_CS, CODE >> 4);
	x86_set_seg_real(c, X86_DS, DATA >> 4);
	x86_set_seg_real(c, X86_SS, 0x3000);
	x86_mode_update(c);
	c->rip = 0;
	c->gpr[X86_RSP] = 0x12340000 | 0x100;
	/* mov ax,0x1234; mov [0x10],ax; push ax; pop cx; mov cx,3; 1: add dx,cx; loop 1b; hlt */
	CODE_IS(f, 0xb8, 0x34, 0x12, 0xa3, 0x10, 0x00, 0x50, 0x59, 0xb9, 3, 0, 0x01, 0xca, 0xe2, 0xfc, HLT);
	c->gpr[X86_RDX] = 0;
	run_to_hlt(f, 15);
	g_assert_cmphex(f->ram[DATA + 0x10], ==, 0x34);
	g_assert_cmpuint(c->gpr[X86_RDX], ==, 6);
	g_assert_cmphex(c->gpr[X86_RSP], ==, 0x12340100);
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/interp/block/loop", test_loop);
	g_test_add_func("/interp/block/call", test_call);
	g_test_add_func("/interp/block/long", test_long);
	g_test_add_func("/interp/block/flags-between", test_flags_between);
	g_test_add_func("/interp/block/flags-at-fault", test_flags_at_fault);
	g_test_add_func("/interp/block/flags-of-round", test_flags_of_round);
	g_test_add_func("/interp/loop/remap", test_loop_remap);
	g_test_add_func("/interp/loop/edge", test_loop_edge);
	g_test_add_func("/interp/loop/write", test_loop_write);
	g_test_add_func("/interp/loop/scattered", test_loop_scattered);
	g_test_add_func("/interp/block/flags-at-undefined", test_flags_at_undefined);
	g_test_add_func("/interp/block/across-pages", test_across_pages);
	g_test_add_func("/interp/block/alias", test_alias);
	g_test_add_func("/interp/block/remap", test_remap);
	g_test_add_func("/interp/block/code-spaces", test_code_spaces);
	g_test_add_func("/interp/code/next", test_store_to_next);
	g_test_add_func("/interp/code/rep-next", test_rep_store_to_next);
	g_test_add_func("/interp/code/loop", test_patched_loop);
	g_test_add_func("/interp/code/outside", test_outside_store);
	g_test_add_func("/interp/code/arena", test_arena);
	g_test_add_func("/interp/fault/divide", test_divide);
	g_test_add_func("/interp/fault/undefined", test_undefined);
	g_test_add_func("/interp/fault/empty-tlb", test_empty_tlb);
	g_test_add_func("/interp/fault/store", test_store_fault);
	g_test_add_func("/interp/fault/noncanonical", test_noncanonical);
	g_test_add_func("/interp/fault/privilege", test_privilege);
	g_test_add_func("/interp/string/restart", test_rep_restart);
	g_test_add_func("/interp/string/overlap", test_rep_overlap);
	g_test_add_func("/interp/string/misc", test_rep_misc);
	g_test_add_func("/interp/string/scan", test_scan);
	g_test_add_func("/interp/string/stop", test_stop);
	g_test_add_func("/interp/locked", test_locked);
	g_test_add_func("/interp/event/kick", test_kick);
	g_test_add_func("/interp/event/kick-thread", test_kick_thread);
	g_test_add_func("/interp/event/interrupt", test_interrupt);
	g_test_add_func("/interp/event/interrupt_stopped", test_interrupt_stopped);
	g_test_add_func("/interp/event/halt", test_halt);
	g_test_add_func("/interp/event/single-step", test_single_step);
	g_test_add_func("/interp/event/breakpoint", test_breakpoint);
	g_test_add_func("/interp/event/debugger", test_debugger);
	g_test_add_func("/interp/event/step", test_step);
	g_test_add_func("/interp/mode/real", test_real_mode);
	return g_test_run();
}
