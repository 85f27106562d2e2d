/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector and x87 state between blocks: exceptions that come exactly where they belong,
 * with what was before done and what is behind not; controls that change in the middle
 * of code; CR0.TS; and state that belongs to one processor alone.
 */
#include "lib/guest.h"

enum { MXCSR_MASKED = 0x1f80, IE = 1, DE_FLAG = 2, ZE = 4, OE = 8, UE = 16, PE = 32, MASK_SHIFT = 7, ROUNDS = 1500, FCW_MASKED = 0x37f };
struct vec { uint64_t q[4]; };
static struct vec in[3], out[3] __attribute__((aligned(32)));
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));
static uint64_t scratch[32] __attribute__((aligned(64)));
static bool avx;

static void set_mxcsr(uint32_t v) { asm volatile("ldmxcsr %0" : : "m"(v)); }
static uint32_t get_mxcsr(void)
{
	uint32_t v;

	asm volatile("stmxcsr %0" : "=m"(v));
	return v;
}

static struct frame start_at(const char *code)
{
	return (struct frame){ .ip = (uint64_t)code, .sp = (uint64_t)kernel_stack + sizeof kernel_stack, .si = (uint64_t)scratch,
			       .di = (uint64_t)&in[1] };
}

/* ---- #XM --------------------------------------------------------------------------------------------------- */

/* XMM0 and XMM1 are the operands, EAX, ECX, XMM2 and memory tell how far it came. */
#define XM(name, insn) \
	extern const char xm_##name##_at[]; \
	CODE(xm_##name, "movl $1, %eax; movdqu %xmm0, (%rsi); paddd %xmm2, %xmm2; incl %ecx\nxm_" #name "_at: " insn \
	     "\nincl %ecx; movdqu %xmm0, 16(%rsi); paddd %xmm2, %xmm2; movl $2, %eax; int $0x80")
XM(divss, "divss %xmm1, %xmm0");
XM(divps, "divps %xmm1, %xmm0");
XM(divps_mem, "divps (%rdi), %xmm0");
XM(divsd, "divsd %xmm1, %xmm0");
XM(divpd, "divpd %xmm1, %xmm0");
XM(sqrtss, "sqrtss %xmm1, %xmm0");
XM(sqrtpd, "sqrtpd %xmm1, %xmm0");
XM(addps, "addps %xmm1, %xmm0");
XM(subsd, "subsd %xmm1, %xmm0");
XM(mulps, "mulps %xmm1, %xmm0");
XM(mulsd_mem, "mulsd (%rdi), %xmm0");
XM(minps, "minps %xmm1, %xmm0");
XM(cmpss, "cmpltss %xmm1, %xmm0");
XM(ucomiss, "ucomiss %xmm1, %xmm0");
XM(comisd, "comisd %xmm1, %xmm0");
XM(cvttss2si, "cvttss2si %xmm1, %rdx");
XM(cvtsd2si, "cvtsd2si %xmm1, %edx");
XM(cvtps2dq, "cvtps2dq %xmm1, %xmm0");
XM(cvtsd2ss, "cvtsd2ss %xmm1, %xmm0");
XM(cvtdq2ps, "cvtdq2ps %xmm1, %xmm0");
XM(haddps, "haddps %xmm1, %xmm0");
XM(roundps, "roundps $0, %xmm1, %xmm0");
XM(dpps, "dpps $0xff, %xmm1, %xmm0");
XM(vdivps, "vdivps %xmm1, %xmm0, %xmm0");
XM(vmulpd, "vmulpd %ymm1, %ymm0, %ymm0");

#define F1 0x3f800000ul         /* 1 */
#define F_INF 0x7f800000ul
#define F_SNAN 0x7fa00000ul
#define F_MAX 0x7f7ffffful
#define F_MIN 0x00800000ul
#define F_DENORMAL 0x00000100ul
#define D1 0x3ff0000000000000ul
#define D3 0x4008000000000000ul
#define D_INF 0x7ff0000000000000ul
#define D_SNAN 0x7ff4000000000000ul
#define D_MAX 0x7feffffffffffffful
#define PAIR(a, b) ((a) | (uint64_t)(b) << 32)

static const struct xm {
	const char *name, *code, *at;
	uint64_t a[2], b[2];
	uint32_t unmask;       /* the exception that is to come */
	bool needs_avx;
} xms[] = {
#define X(name, unmask, a0, a1, b0, b1) { #name, xm_##name, xm_##name##_at, { a0, a1 }, { b0, b1 }, unmask, #name[0] == 'v' }
	X(divss, ZE, PAIR(F1, 7), 8, 0, 0), X(divps, ZE, PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, 0)),
	X(divps_mem, ZE, PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, 0), PAIR(F1, F1)), X(divsd, ZE, D1, 5, 0, 0), X(divpd, ZE, D1, D1, D1, 0),
	X(divps, IE, PAIR(F1, 0), PAIR(F1, F1), PAIR(F1, 0), PAIR(F1, F1)), X(sqrtss, IE, PAIR(F1, 5), 6, F1 | 1u << 31, 0),
	X(sqrtpd, IE, D1, D1, D1, D1 | 1ul << 63), X(addps, IE, PAIR(F_INF, F1), PAIR(F1, F1), PAIR(F_INF | 1u << 31, F1), PAIR(F1, F1)),
	X(addps, PE, PAIR(F1, F1), PAIR(F1, F1), PAIR(F_MIN, F1), PAIR(F1, F1)), X(subsd, IE, D_INF, 3, D_INF, 4),
	X(mulps, OE, PAIR(F1, F_MAX), PAIR(F1, F1), PAIR(F1, F_MAX), PAIR(F1, F1)), X(mulps, UE, PAIR(F1, F_MIN), PAIR(F1, F1), PAIR(F1, F_MIN), PAIR(F1, F1)),
	X(mulps, DE_FLAG, PAIR(F1, F_DENORMAL), PAIR(F1, F1), PAIR(F1, 0x4e800000), PAIR(F1, F1)), X(mulsd_mem, OE, D_MAX, 9, D_MAX, 0),
	X(minps, IE, PAIR(F1, F_SNAN), PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, F1)), X(cmpss, IE, PAIR(F1, 3), 0, F_SNAN, 0), X(ucomiss, IE, F_SNAN, 0, F1, 0),
	X(comisd, IE, D1, 0, D_SNAN, 0), X(cvttss2si, IE, 0, 0, F_INF, 0), X(cvttss2si, PE, 0, 0, F1 + 1, 0), X(cvtsd2si, IE, 0, 0, D_MAX, 0),
	X(cvtps2dq, IE, 1, 2, PAIR(F1, F_INF), PAIR(F1, F1)), X(cvtsd2ss, OE, 1, 2, D_MAX, 0), X(cvtdq2ps, PE, 1, 2, PAIR(0x1000001, 1), PAIR(1, 1)),
	X(haddps, IE, PAIR(F_INF, F_INF | 1u << 31), PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, F1)), X(roundps, PE, 1, 2, PAIR(F1, 0x3fc00000), PAIR(F1, F1)),
	X(dpps, OE, PAIR(F_MAX, F1), PAIR(F1, F1), PAIR(F_MAX, F1), PAIR(F1, F1)), X(vdivps, ZE, PAIR(F1, F1), PAIR(F1, F1), PAIR(F1, 0), PAIR(F1, F1)),
	X(vmulpd, OE, D1, D_MAX, D1, D_MAX),
#undef X
};

static void load_vectors(const struct xm *x)
{
	memset(in, 0, sizeof in);
	memcpy(in[0].q, x->a, 16);
	memcpy(in[1].q, x->b, 16);
	in[2].q[0] = in[2].q[1] = 0x0000000100000001;
	memset(scratch, 0, sizeof scratch);
	if (avx)
		asm volatile("vzeroall");
	asm volatile("movups %0, %%xmm0; movups %1, %%xmm1; movups %2, %%xmm2" : : "m"(in[0]), "m"(in[1]), "m"(in[2]));
}

static void store_vectors(void)
{
	asm volatile("movups %%xmm0, %0; movups %%xmm1, %1; movups %%xmm2, %2" : "=m"(out[0]), "=m"(out[1]), "=m"(out[2]));
}

static bool vec_is(const struct vec *v, const void *want) { return !memcmp(v, want, 16); }

static void sse_one(const struct xm *x)
{
	struct frame f = start_at(x->code), whole;
	struct vec result;
	uint32_t unmasked = MXCSR_MASKED & ~(x->unmask << MASK_SHIFT), flags, csr;
	const uint64_t two = 0x0000000200000002, four = 0x0000000400000004;
	bool before, at, behind, other;

	f.dx = 0x5555;
	/* With all masked: that is what comes out in the end. */
	load_vectors(x);
	set_mxcsr(MXCSR_MASKED);
	run_kernel(&f);
	store_vectors();
	flags = get_mxcsr() & 63;
	result = out[0];
	whole = event.frame;
	before = event.vector == USER_VECTOR && (flags & x->unmask) && vec_is((void *)(scratch + 2), &result);
	/* Unmasked. */
	load_vectors(x);
	set_mxcsr(unmasked);
	run_kernel(&f);
	store_vectors();
	csr = get_mxcsr();
	at = event.vector == XM && event.error == 0 && event.frame.ip == (uint64_t)x->at && event.frame.ax == 1 && event.frame.cx == 1 &&
	     event.frame.dx == 0x5555 && (csr & ~63u) == unmasked && (csr & x->unmask) && !(csr & 63 & ~flags) && vec_is(&out[0], x->a) &&
	     vec_is(&out[1], x->b) && out[2].q[0] == two && out[2].q[1] == two && vec_is((void *)scratch, x->a) && !scratch[2] && !scratch[3];
	if (!at)
		print("# vector %u, ip %ld, ax %lu, cx %lu, dx 0x%lx, mxcsr 0x%x, xmm0 0x%lx 0x%lx, xmm2 0x%lx\n", event.vector,
		      (long)(event.frame.ip - (uint64_t)x->at), event.frame.ax, event.frame.cx, event.frame.dx, csr, out[0].q[0], out[0].q[1], out[2].q[0]);
	/* Mask it in the handler and go on. */
	set_mxcsr(csr | MXCSR_MASKED);
	run_kernel(&event.frame);
	store_vectors();
	behind = event.vector == USER_VECTOR && event.frame.ax == 2 && event.frame.cx == 2 && event.frame.dx == whole.dx &&
		 ((event.frame.flags ^ whole.flags) & (F_ZF | F_PF | F_CF)) == 0 && vec_is(&out[0], &result) && out[2].q[0] == four &&
		 get_mxcsr() == (MXCSR_MASKED | flags);
	/* Another exception unmasked that it does not raise. */
	load_vectors(x);
	set_mxcsr(MXCSR_MASKED & ~((63 & ~flags) << MASK_SHIFT));
	run_kernel(&f);
	store_vectors();
	other = event.vector == USER_VECTOR && vec_is(&out[0], &result);
	set_mxcsr(MXCSR_MASKED);
	check(before, "%s, exception %x: masked, it sets its flag", x->name, x->unmask);
	check(at, "%s, exception %x: unmasked, #XM at the instruction; all before is done, nothing of it and behind it", x->name, x->unmask);
	check(behind, "%s, exception %x: masked then, it goes on to the same result", x->name, x->unmask);
	check(other, "%s, exception %x: others unmasked do not matter", x->name, x->unmask);
}

/* A loop that is hot before it faults: 1/x for a table with a zero in it. */
CODE(sse_loop, "xorps %xmm3, %xmm3; 1: movss (%rdi), %xmm1; movaps %xmm0, %xmm4; divss %xmm1, %xmm4; addss %xmm4, %xmm3; addq $4, %rdi; loop 1b; int $0x80");

static void hot_loop(void)
{
	static uint32_t table[1000];
	struct frame f = start_at(sse_loop);
	uint32_t one = F1, sum;

	for (unsigned n = 0; n < ARRAY_SIZE(table); n++)
		table[n] = n == 700 ? 0 : F1;
	f.cx = ARRAY_SIZE(table);
	f.di = (uint64_t)table;
	asm volatile("movss %0, %%xmm0" : : "m"(one));
	set_mxcsr(MXCSR_MASKED & ~(ZE << MASK_SHIFT));
	run_kernel(&f);
	asm volatile("movss %%xmm3, %0" : "=m"(sum));
	check(event.vector == XM && event.frame.cx == 300 && event.frame.di == (uint64_t)(table + 700) && sum == 0x442f0000,
	      "a division in a loop: #XM in turn 701, with the sum of 700");
	table[700] = F1;
	run_kernel(&event.frame);  /* the divisor is in its register */
	check(event.vector == XM && event.frame.cx == 300, "tried again it is the same");
	asm volatile("movss %0, %%xmm1" : : "m"(one));
	run_kernel(&event.frame);
	asm volatile("movss %%xmm3, %0" : "=m"(sum));
	check(event.vector == USER_VECTOR && sum == 0x447a0000, "with another divisor it goes on");
	set_mxcsr(MXCSR_MASKED);
}

/* Controls that change between instructions of one block. */
CODE(sse_switch, "ldmxcsr (%rsi); divss %xmm1, %xmm0; incl %eax; ldmxcsr 4(%rsi); divss %xmm1, %xmm0; incl %eax; int $0x80");
CODE(rounding, "ldmxcsr (%rsi); movaps %xmm0, %xmm4; divss %xmm1, %xmm4; ldmxcsr 4(%rsi); movaps %xmm0, %xmm5; divss %xmm1, %xmm5;"
     " ldmxcsr 8(%rsi); movd %xmm4, %eax; movd %xmm5, %ecx; int $0x80");

static void controls(void)
{
	struct frame f = start_at(sse_switch);
	uint32_t *c = (uint32_t *)scratch, one = F1, three = 0x40400000;

	c[0] = MXCSR_MASKED;
	c[1] = MXCSR_MASKED & ~(ZE << MASK_SHIFT);
	asm volatile("movss %0, %%xmm0; xorps %%xmm1, %%xmm1" : : "m"(one));
	/* 1/0 is infinite; infinite/0 raises nothing. */
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.ax == 2, "LDMXCSR that unmasks between two divisions: the first has set a flag, which does not count");
	check_eq(get_mxcsr(), MXCSR_MASKED & ~(ZE << MASK_SHIFT), "LDMXCSR has replaced the flags");
	c[0] = MXCSR_MASKED & ~(ZE << MASK_SHIFT);
	c[1] = MXCSR_MASKED;
	asm volatile("movss %0, %%xmm0; xorps %%xmm1, %%xmm1" : : "m"(one));
	f.ax = 0;
	run_kernel(&f);
	check(event.vector == XM && event.frame.ax == 0, "the other way the first one faults");
	set_mxcsr(MXCSR_MASKED);
	c[0] = MXCSR_MASKED | 2 << 13;
	c[1] = MXCSR_MASKED | 1 << 13;
	c[2] = MXCSR_MASKED;
	asm volatile("movss %0, %%xmm0; movss %1, %%xmm1" : : "m"(one), "m"(three));
	f = start_at(rounding);
	run_kernel(&f);
	check(event.frame.ax == 0x3eaaaaab && event.frame.cx == 0x3eaaaaaa, "rounding upwards and downwards in one block");
}

/* ---- x87 ----------------------------------------------------------------------------------------------------------- */

/* Each: an x87 exception, ordinary work, then at WAIT_AT the first that waits. */
#define MFC(name, work, waiter) \
	extern const char mf_##name##_at[]; \
	CODE(mf_##name, "fld1; fldz; fdivrp; incl %eax; " work "\nmf_" #name "_at: " waiter "; incl %eax; int $0x80")
MFC(fwait, "movl $5, %ecx", "fwait");
MFC(fld, "addl $1, %ecx; jmp 1f; 1: nop", "fldpi");
MFC(fst, "call 1f; jmp 2f; 1: ret; 2:", "fstpl (%rsi)");
MFC(mmx, "cpuid; xorl %eax, %eax; incl %eax", "paddd %mm0, %mm0");
MFC(emms, "pushq %rax; popq %rax", "emms");
MFC(sse_between, "addps %xmm0, %xmm0; movups %xmm0, (%rsi)", "fchs");
MFC(nonwaiting, "fnstsw 16(%rsi); fnstcw 18(%rsi)", "fldcw 18(%rsi)");
MFC(loop, "movl $200, %ecx; 1: loop 1b", "fadd %st(0), %st(0)");
MFC(cvtpi, "nop", "cvtpi2ps %mm0, %xmm0");
static const struct { const char *name, *code, *at; } mfs[] = {
#define M(name) { #name, mf_##name, mf_##name##_at }
	M(fwait), M(fld), M(fst), M(mmx), M(emms), M(sse_between), M(nonwaiting), M(loop), M(cvtpi),
#undef M
};

static void x87(void)
{
	struct { uint32_t cw, sw, tw, ip, cs, dp, ds; } env;

	for (unsigned n = 0; n < ARRAY_SIZE(mfs); n++) {
		uint16_t cw = FCW_MASKED & ~ZE;
		struct frame f = start_at(mfs[n].code);
		bool good = true;

		for (unsigned round = 0; round < 3; round++) {
			/* In the second round with all masked: nothing comes. */
			asm volatile("fninit");
			if (round != 1)
				asm volatile("fldcw %0" : : "m"(cw));
			run_kernel(&f);
			if (round == 1) {
				good = good && event.vector == USER_VECTOR && event.frame.ax == 2;
				continue;
			}
			good = good && event.vector == MF && event.frame.ip == (uint64_t)mfs[n].at && event.frame.ax == 1;
			asm volatile("fnstenv %0" : "=m"(env));
			/* FLD1, FLDZ are 2 bytes each. */
			good = good && (env.sw & 0x84) == 0x84 && env.ip == (uint32_t)(uint64_t)mfs[n].code + 4;
			if (!good)
				print("# round %u: vector %u ip %ld ax %lu fsw 0x%x fip + %d\n", round, event.vector,
				      (long)(event.frame.ip - (uint64_t)mfs[n].at), event.frame.ax, env.sw, (int)(env.ip - (uint32_t)(uint64_t)mfs[n].code));
			asm volatile("fnclex");
			run_kernel(&event.frame);
			good = good && event.vector == USER_VECTOR && event.frame.ax == 2;
		}
		check(good, "x87 exception, %s: #MF at the next instruction that waits; FIP is the one that met it; cleared, it goes on", mfs[n].name);
	}
	asm volatile("fninit");
}

CODE(fcw_switch, "fldcw (%rsi); fld1; fldl 16(%rsi); fdivrp; fstps 8(%rsi); fldcw 2(%rsi); fld1; fldl 16(%rsi); fdivrp; fstps 12(%rsi); int $0x80");
CODE(fcw_unmask, "fld1; fldz; fdivrp; incl %eax; fldcw (%rsi); incl %eax; fld1; incl %eax; int $0x80");
CODE(mmx_mix, "fld1; fldpi; movq %mm0, %rax; paddd %mm1, %mm0; movq %mm0, %rcx; fnstsw %ax; emms; fnstenv (%rsi); fld1; fistpl 28(%rsi); int $0x80");

static void x87_controls(void)
{
	uint16_t *w = (uint16_t *)scratch;
	struct frame f = start_at(fcw_switch);

	asm volatile("fninit");
	w[0] = FCW_MASKED | 2 << 10;
	w[1] = FCW_MASKED | 1 << 10;
	scratch[2] = D3;
	run_kernel(&f);
	check(event.vector == USER_VECTOR && ((uint32_t *)scratch)[2] == 0x3eaaaaab && ((uint32_t *)scratch)[3] == 0x3eaaaaaa,
	      "FLDCW: rounding upwards and downwards in one block");
	w[0] = FCW_MASKED & ~ZE;
	f = start_at(fcw_unmask);
	asm volatile("fninit");
	run_kernel(&f);
	check(event.vector == MF && event.frame.ax == 2, "FLDCW that unmasks what has happened: #MF at the next x87 instruction");
	asm volatile("fninit");
	f = start_at(mmx_mix);
	run_kernel(&f);
	check(event.vector == USER_VECTOR && (event.frame.ax & 0x3800) == 0 && (((uint32_t *)scratch)[2] & 0xffff) == 0xffff && ((uint32_t *)scratch)[7] == 1,
	      "x87 and MMX in one block: TOP is 0 behind MMX, EMMS empties, x87 works again");
	asm volatile("fninit");
}

/* ---- CR0.TS ------------------------------------------------------------------------------------------------------------ */

#define TS_SET "movq %cr0, %rax; orq $8, %rax; movq %rax, %cr0; incl %ecx\n"
CODE(ts_sse, "paddd %xmm2, %xmm2; " TS_SET "1: paddd %xmm2, %xmm2; incl %ecx; movd %xmm2, %edx; int $0x80");
CODE(ts_x87, "fld1; " TS_SET "1: fld1; incl %ecx; faddp; fistpl (%rsi); int $0x80");
CODE(ts_clts, "paddd %xmm2, %xmm2; " TS_SET "clts; paddd %xmm2, %xmm2; incl %ecx; movd %xmm2, %edx; int $0x80");

static void lazy(void)
{
	struct frame f = start_at(ts_sse);

	asm volatile("fninit; movups %0, %%xmm2" : : "m"(in[2]));
	run_kernel(&f);
	check(event.vector == NM && event.frame.cx == 1, "MOV CR0 that sets TS: #NM at the next SSE instruction of the block");
	asm volatile("clts");
	run_kernel(&event.frame);
	check(event.vector == USER_VECTOR && event.frame.cx == 2 && event.frame.dx == 4, "CLTS and it goes on with its registers");
	f = start_at(ts_x87);
	run_kernel(&f);
	check(event.vector == NM && event.frame.cx == 1, "the same for x87");
	asm volatile("clts");
	run_kernel(&event.frame);
	check(event.vector == USER_VECTOR && *(uint32_t *)scratch == 2, "with its stack");
	f = start_at(ts_clts);
	asm volatile("movups %0, %%xmm2" : : "m"(in[2]));
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.dx == 4, "TS set and cleared in one block");
	asm volatile("clts; fninit");
}

/* ---- processors ----------------------------------------------------------------------------------------------------------- */

static unsigned cpus;
static volatile unsigned leaks[CPU_MAX], wrong[CPU_MAX], initial_bad;
static uint8_t image[CPU_MAX][2][512] __attribute__((aligned(64)));
static struct vec high[CPU_MAX][2];
static uint64_t fill[CPU_MAX][64] __attribute__((aligned(64)));

static void initial(unsigned cpu)
{
	asm volatile("fxsave64 %0" : "=m"(image[cpu][0]));
	for (unsigned n = 160; n < 416; n++)
		initial_bad += image[cpu][0][n] != 0;
	initial_bad += get_mxcsr() != MXCSR_MASKED;
}

/* State that no other has, work on it, and things that lead out of translated code; it must stay. */
static void keep(unsigned cpu)
{
	uint16_t cw = FCW_MASKED & ~(uint16_t)(3 << 10 | (cpu & 1 ? 0 : ZE));
	uint32_t csr = (MXCSR_MASKED & ~(cpu & 1 ? ZE << MASK_SHIFT : 0)) | (cpu & 3) << 13, third[4] = { 0x3eaaaaab, 0x3eaaaaaa, 0x3eaaaaab, 0x3eaaaaaa };
	uint32_t one = F1, three = 0x40400000, got;
	uint64_t *v = fill[cpu];

	if (avx)
		write_cr4(read_cr4() | CR4_OSXSAVE);
	if (avx)
		asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
	for (unsigned n = 0; n < 64; n++)
		v[n] = (cpu + 1) * 0x0101010101010101 + n;
	cw |= (cpu & 3) << 10;
	asm volatile("fninit; fldcw %0" : : "m"(cw));
	for (unsigned n = 0; n < 3 + cpu; n++)
		asm volatile("fildll %0" : : "m"(v[n]));
	asm volatile("movups (%0), %%xmm0; movups 16(%0), %%xmm1; movups 32(%0), %%xmm2; movups 48(%0), %%xmm3; movups 64(%0), %%xmm4;"
		     "movups 80(%0), %%xmm5; movups 96(%0), %%xmm6; movups 112(%0), %%xmm7; movups 128(%0), %%xmm8; movups 144(%0), %%xmm9;"
		     "movups 160(%0), %%xmm10; movups 176(%0), %%xmm11; movups 192(%0), %%xmm12; movups 208(%0), %%xmm13" : : "r"(v));
	if (avx)
		asm volatile("vmovups (%0), %%ymm11; vmovups 32(%0), %%ymm12" : : "r"(v));
	set_mxcsr(csr);
	asm volatile("movss %0, %%xmm15; movss %1, %%xmm14; movaps %%xmm15, %%xmm13; divss %%xmm14, %%xmm13" : : "m"(one), "m"(three));
	asm volatile("fxsave64 %0" : "=m"(image[cpu][0]));
	if (avx)
		asm volatile("vmovups %%ymm11, %0; vmovups %%ymm12, %1" : "=m"(high[cpu][0]), "=m"(high[cpu][1]));
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct vec now[2] = { 0 };

		asm volatile("movaps %%xmm15, %%xmm13; divss %%xmm14, %%xmm13; movd %%xmm13, %0; fld1; fadd %%st(0), %%st(0); fstp %%st(0)" : "=r"(got));
		wrong[cpu] += got != third[cpu & 3];
		switch (n % 8) {
		case 0:
			inb(0x80);
			break;
		case 1:
			cpuid(0, 0);
			break;
		case 2:
			apic_read(APIC_ID);
			break;
		case 3:
			write_cr3(read_cr3());
			break;
		case 4:
			asm volatile("int3");
			break;
		default:
			pause_cpu();
		}
		if (avx)
			asm volatile("vmovups %%ymm11, %0; vmovups %%ymm12, %1" : "=m"(now[0]), "=m"(now[1]));
		asm volatile("fxsave64 %0" : "=m"(image[cpu][1]));
		/* Apart from the pointers to the last instruction, the flags that the work sets, and a register that is free. */
		leaks[cpu] += memcmp(image[cpu][0] + 160, image[cpu][1] + 160, 256) || memcmp(image[cpu][0], image[cpu][1], 2) ||
			      image[cpu][0][4] != image[cpu][1][4] || memcmp(image[cpu][0] + 24, image[cpu][1] + 24, 4) ||
			      memcmp(image[cpu][0] + 32, image[cpu][1] + 32, 16 * (3 + cpu)) || (avx && memcmp(now, high[cpu], sizeof now));
	}
	set_mxcsr(MXCSR_MASKED);
	asm volatile("fninit");
}

static void skip_int3(struct frame *f) {}

static void processors(void)
{
	unsigned leaked = 0, bad = 0;

	handler[BP] = skip_int3;
	for (unsigned n = 1; n < cpus; n++) {
		smp_run(n, initial);
		smp_wait(n);
	}
	check_eq(initial_bad, 0, "the others begin with zero in all vector registers and MXCSR 1F80h");
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, keep);
	keep(0);
	for (unsigned n = 1; n < cpus; n++)
		smp_wait(n);
	for (unsigned n = 0; n < cpus; n++) {
		leaked += leaks[n];
		bad += wrong[n];
	}
	check_eq(leaked, 0, "vector and x87 registers, FCW, MXCSR of %u processors stay apart", cpus);
	check_eq(bad, 0, "and each rounds as its own MXCSR says");
}

void guest_main(void)
{
	asm volatile("fninit");
	if ((cpuid(1, 0).c >> 26 & 5) == 5) {
		write_cr4(read_cr4() | CR4_OSXSAVE);
		asm volatile("xsetbv" : : "c"(0), "a"(7), "d"(0));
		avx = true;
	}
	for (unsigned n = 0; n < ARRAY_SIZE(xms); n++) {
		if (xms[n].needs_avx && !avx)
			check_skip("no AVX", "%s", xms[n].name);
		else
			sse_one(&xms[n]);
	}
	hot_loop();
	controls();
	x87();
	x87_controls();
	lazy();
	fill[0][0] = fill[0][1] = ~0ul;
	asm volatile("movups %0, %%xmm5; movups %0, %%xmm9" : : "m"(fill[0]));
	cpus = smp_start(guest_option("cpus", 3));
	if (cpus > 1)
		processors();
}
