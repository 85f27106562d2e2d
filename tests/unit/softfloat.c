/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SSE arithmetic against the host processor: value bits and flags, masked and
 * unmasked, over operands that are mostly special.  On other hosts only the
 * fixed cases run.
 */
#include <glib.h>

#include "target/i386/softfloat.h"

/* ---- fixed cases: the rules that everything else leans on ---- */

static void test_fixed(void)
{
	struct sf_env e = sf_env_mxcsr(0x1f80);

	g_assert_cmphex(sf32_add(&e, 0x3f800000, 0x3f800000), ==, 0x40000000);
	g_assert_cmphex(e.flags, ==, 0);
	g_assert_cmphex(sf64_div(&e, UINT64_C(0x3ff0000000000000), UINT64_C(0x4008000000000000)), ==,
			UINT64_C(0x3fd5555555555555));
	g_assert_cmphex(e.flags, ==, SF_PE);
	g_assert_cmphex(sf32_mul(&e, 0x7f800000, 0), ==, 0xffc00000);
	g_assert_cmphex(e.flags, ==, SF_PE | SF_IE);
	/* First operand's NaN, made quiet. */
	g_assert_cmphex(sf32_add(&e, 0x7f800001, 0x7fc00002), ==, 0x7fc00001);
	g_assert_cmphex(sf32_to_i32(&e, 0x4f000000, SF_ENV), ==, INT32_MIN);
}

#if defined(__x86_64__)

#include <emmintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

static const uint32_t default_mxcsr = 0x1f80;

/* ---- operands ---- */

static uint64_t rng = 88172645463325252u;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static uint64_t pattern(unsigned bits)
{
	uint64_t top = UINT64_C(1) << (bits - 1), all = top | (top - 1);

	switch (rnd() % 9) {
	case 0: return 0;
	case 1: return all;
	case 2: return top;
	case 3: return 1;
	case 4: return all - 1;
	case 5: return top + 1;
	case 6: return all << (rnd() % bits) & all;
	case 7: return (UINT64_C(1) << (rnd() % bits)) & all;
	default: return rnd() & all;
	}
}

static uint64_t operand(unsigned frac_bits, unsigned exp_bits)
{
	uint64_t max = (UINT64_C(1) << exp_bits) - 1, bias = max >> 1, exp;

	switch (rnd() % 8) {
	case 0: exp = rnd() % 3; break;
	case 1: exp = max - rnd() % 3; break;
	case 2: exp = 0; break;
	case 3: exp = bias + rnd() % 70 - 4; break;
	case 4: exp = bias / 2 + rnd() % 8; break;
	case 5: exp = bias + bias / 2 + rnd() % 8 - 4; break;
	default: exp = rnd(); break;
	}
	return (rnd() & 1) << (frac_bits + exp_bits) | (exp & max) << frac_bits | pattern(frac_bits);
}

static uint64_t operand_of(char type)
{
	switch (type) {
	case 'h': return operand(10, 5);
	case 's': return operand(23, 8);
	case 'd': return operand(52, 11);
	case 'i': return (uint32_t)(rnd() >> (rnd() & 63));
	default: return rnd() & 1 ? rnd() >> (rnd() & 63) : 0 - (rnd() >> (rnd() & 63));
	}
}

/* ---- the host ---- */

static sigjmp_buf on_fpe;
static volatile uint32_t fpe_mxcsr;

static void fpe(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;

	fpe_mxcsr = uc->uc_mcontext.fpregs->mxcsr;
	siglongjmp(on_fpe, 1);
}

typedef uint64_t (*host_fn)(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr);
typedef uint64_t (*our_fn)(struct sf_env *e, uint64_t a, uint64_t b, uint64_t c);

#define XMM(v) _mm_cvtsi64_si128((long long)(v))
#define RUN(insn, ...)                                                                             \
	__asm__ volatile("ldmxcsr %[m]\n\t" insn "\n\tstmxcsr %[m]\n\tldmxcsr %[d]" __VA_ARGS__)

/* x OP= y */
#define HOST2(name, insn)                                                                          \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		__m128i x = XMM(a), y = XMM(b);                                                    \
		RUN(insn " %[y], %[x]", : [x] "+x"(x), [m] "+m"(*mxcsr) : [y] "x"(y), [d] "m"(default_mxcsr)); \
		return (uint64_t)_mm_cvtsi128_si64(x);                                             \
	}
/* x = OP y */
#define HOST1(name, insn)                                                                          \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		__m128i x = _mm_setzero_si128(), y = XMM(a);                                       \
		RUN(insn " %[y], %[x]", : [x] "+x"(x), [m] "+m"(*mxcsr) : [y] "x"(y), [d] "m"(default_mxcsr)); \
		return (uint64_t)_mm_cvtsi128_si64(x);                                             \
	}
/* general register = OP y */
#define HOST_TO_INT(name, insn)                                                                    \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		uint64_t r = 0;                                                                    \
		__m128i y = XMM(a);                                                                \
		RUN(insn, : [r] "+r"(r), [m] "+m"(*mxcsr) : [y] "x"(y), [d] "m"(default_mxcsr));   \
		return r;                                                                          \
	}
#define HOST_FROM_INT(name, insn)                                                                  \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		__m128i x = _mm_setzero_si128();                                                   \
		RUN(insn, : [x] "+x"(x), [m] "+m"(*mxcsr) : [r] "r"(a), [d] "m"(default_mxcsr));   \
		return (uint64_t)_mm_cvtsi128_si64(x);                                             \
	}
#define HOST_COMPARE(name, insn)                                                                   \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		uint64_t r;                                                                        \
		__m128i x = XMM(a), y = XMM(b);                                                    \
		RUN(insn " %[y], %[x]\n\tpushf\n\tpop %[r]\n\t", : [r] "=r"(r), [m] "+m"(*mxcsr)    \
		    : [x] "x"(x), [y] "x"(y), [d] "m"(default_mxcsr) : "cc");                      \
		return r & (X86_CF | X86_PF | X86_ZF);                                             \
	}
/* x = 1st, y = 2nd, z = 3rd operand of the instruction */
#define HOST3(name, insn)                                                                          \
	static uint64_t host_##name(uint64_t a, uint64_t b, uint64_t c, uint32_t *mxcsr)           \
	{                                                                                          \
		__m128i x = XMM(a), y = XMM(b), z = XMM(c);                                        \
		RUN(insn " %[z], %[y], %[x]", : [x] "+x"(x), [m] "+m"(*mxcsr)                      \
		    : [y] "x"(y), [z] "x"(z), [d] "m"(default_mxcsr));                             \
		return (uint64_t)_mm_cvtsi128_si64(x);                                             \
	}
#define OURS(name, expr)                                                                           \
	static uint64_t our_##name(struct sf_env *e, uint64_t a, uint64_t b, uint64_t c)           \
	{                                                                                          \
		return (expr);                                                                     \
	}

static uint64_t order_flags(enum sf_order o)
{
	switch (o) {
	case SF_LT: return X86_CF;
	case SF_EQ: return X86_ZF;
	case SF_GT: return 0;
	default: return X86_CF | X86_PF | X86_ZF;
	}
}

#define BOTH2(op)                                                                                  \
	HOST2(op##ss, #op "ss") HOST2(op##sd, #op "sd")                                            \
	OURS(op##ss, sf32_##op(e, (uint32_t)a, (uint32_t)b)) OURS(op##sd, sf64_##op(e, a, b))
BOTH2(add) BOTH2(sub) BOTH2(mul) BOTH2(div) BOTH2(min) BOTH2(max)
HOST1(sqrtss, "sqrtss") OURS(sqrtss, sf32_sqrt(e, (uint32_t)a))
HOST1(sqrtsd, "sqrtsd") OURS(sqrtsd, sf64_sqrt(e, a))
HOST1(cvtss2sd, "cvtss2sd") OURS(cvtss2sd, sf32_to_f64(e, (uint32_t)a))
HOST1(cvtsd2ss, "cvtsd2ss") OURS(cvtsd2ss, sf64_to_f32(e, a))
HOST1(vcvtph2ps, "vcvtph2ps") OURS(vcvtph2ps, sf16_to_f32(e, (uint16_t)a))
HOST1(vcvtps2ph, "vcvtps2ph $4,") OURS(vcvtps2ph, sf32_to_f16(e, (uint32_t)a))
HOST_COMPARE(comiss, "comiss") OURS(comiss, order_flags(sf32_cmp(e, (uint32_t)a, (uint32_t)b, SF_SIGNAL)))
HOST_COMPARE(ucomiss, "ucomiss") OURS(ucomiss, order_flags(sf32_cmp(e, (uint32_t)a, (uint32_t)b, SF_QUIET)))
HOST_COMPARE(comisd, "comisd") OURS(comisd, order_flags(sf64_cmp(e, a, b, SF_SIGNAL)))
HOST_COMPARE(ucomisd, "ucomisd") OURS(ucomisd, order_flags(sf64_cmp(e, a, b, SF_QUIET)))

#define TO_INT(name, insn, reg, expr) HOST_TO_INT(name, insn " %[y], " reg) OURS(name, expr)
TO_INT(cvtss2si, "cvtss2si", "%k[r]", (uint32_t)sf32_to_i32(e, (uint32_t)a, SF_ENV))
TO_INT(cvttss2si, "cvttss2si", "%k[r]", (uint32_t)sf32_to_i32(e, (uint32_t)a, SF_TRUNC))
TO_INT(cvtsd2si, "cvtsd2si", "%k[r]", (uint32_t)sf64_to_i32(e, a, SF_ENV))
TO_INT(cvttsd2si, "cvttsd2si", "%k[r]", (uint32_t)sf64_to_i32(e, a, SF_TRUNC))
TO_INT(cvtss2siq, "cvtss2si", "%q[r]", (uint64_t)sf32_to_i64(e, (uint32_t)a, SF_ENV))
TO_INT(cvttss2siq, "cvttss2si", "%q[r]", (uint64_t)sf32_to_i64(e, (uint32_t)a, SF_TRUNC))
TO_INT(cvtsd2siq, "cvtsd2si", "%q[r]", (uint64_t)sf64_to_i64(e, a, SF_ENV))
TO_INT(cvttsd2siq, "cvttsd2si", "%q[r]", (uint64_t)sf64_to_i64(e, a, SF_TRUNC))
#define FROM_INT(name, insn, reg, expr) HOST_FROM_INT(name, insn " " reg ", %[x]") OURS(name, expr)
FROM_INT(cvtsi2ss, "cvtsi2ssl", "%k[r]", sf32_from_i32(e, (int32_t)a))
FROM_INT(cvtsi2sd, "cvtsi2sdl", "%k[r]", sf64_from_i32(e, (int32_t)a))
FROM_INT(cvtsi2ssq, "cvtsi2ssq", "%q[r]", sf32_from_i64(e, (int64_t)a))
FROM_INT(cvtsi2sdq, "cvtsi2sdq", "%q[r]", sf64_from_i64(e, (int64_t)a))

#define ROUND(imm, how)                                                                            \
	HOST1(roundss##imm, "roundss $" #imm ",") OURS(roundss##imm, sf32_rint(e, (uint32_t)a, how)) \
	HOST1(roundsd##imm, "roundsd $" #imm ",") OURS(roundsd##imm, sf64_rint(e, a, how))
ROUND(3, SF_TRUNC) ROUND(4, SF_ENV) ROUND(12, SF_NO_PE) ROUND(11, SF_NO_PE | SF_TRUNC)

#define FMA(op, neg)                                                                               \
	HOST3(v##op##132ss, "v" #op "132ss") OURS(v##op##132ss, sf32_fma(e, (uint32_t)a, (uint32_t)c, (uint32_t)b, neg)) \
	HOST3(v##op##213ss, "v" #op "213ss") OURS(v##op##213ss, sf32_fma(e, (uint32_t)b, (uint32_t)a, (uint32_t)c, neg)) \
	HOST3(v##op##231ss, "v" #op "231ss") OURS(v##op##231ss, sf32_fma(e, (uint32_t)b, (uint32_t)c, (uint32_t)a, neg)) \
	HOST3(v##op##132sd, "v" #op "132sd") OURS(v##op##132sd, sf64_fma(e, a, c, b, neg))         \
	HOST3(v##op##213sd, "v" #op "213sd") OURS(v##op##213sd, sf64_fma(e, b, a, c, neg))         \
	HOST3(v##op##231sd, "v" #op "231sd") OURS(v##op##231sd, sf64_fma(e, b, c, a, neg))
FMA(fmadd, 0) FMA(fmsub, SF_NEG_ADDEND) FMA(fnmadd, SF_NEG_PRODUCT) FMA(fnmsub, SF_NEG_PRODUCT | SF_NEG_ADDEND)

enum need { ALWAYS, NEED_SSE41, NEED_F16C, NEED_FMA };

static const struct op {
	const char *name, *types;  /* h s d i q */
	uint64_t mask;             /* of the result */
	host_fn host;
	our_fn ours;
	enum need need;
} ops[] = {
#define S(name, types, need) { #name, types, UINT32_MAX, host_##name, our_##name, need }
#define D(name, types, need) { #name, types, UINT64_MAX, host_##name, our_##name, need }
#define SD2(op) S(op##ss, "ss", ALWAYS), D(op##sd, "dd", ALWAYS)
	SD2(add), SD2(sub), SD2(mul), SD2(div), SD2(min), SD2(max),
	S(sqrtss, "s", ALWAYS), D(sqrtsd, "d", ALWAYS),
	D(cvtss2sd, "s", ALWAYS), S(cvtsd2ss, "d", ALWAYS),
	S(vcvtph2ps, "h", NEED_F16C), { "vcvtps2ph", "s", UINT16_MAX, host_vcvtps2ph, our_vcvtps2ph, NEED_F16C },
	S(comiss, "ss", ALWAYS), S(ucomiss, "ss", ALWAYS), S(comisd, "dd", ALWAYS), S(ucomisd, "dd", ALWAYS),
	S(cvtss2si, "s", ALWAYS), S(cvttss2si, "s", ALWAYS), S(cvtsd2si, "d", ALWAYS), S(cvttsd2si, "d", ALWAYS),
	D(cvtss2siq, "s", ALWAYS), D(cvttss2siq, "s", ALWAYS), D(cvtsd2siq, "d", ALWAYS), D(cvttsd2siq, "d", ALWAYS),
	S(cvtsi2ss, "i", ALWAYS), D(cvtsi2sd, "i", ALWAYS), S(cvtsi2ssq, "q", ALWAYS), D(cvtsi2sdq, "q", ALWAYS),
#define R(imm) S(roundss##imm, "s", NEED_SSE41), D(roundsd##imm, "d", NEED_SSE41)
	R(3), R(4), R(12), R(11),
#define F(op) S(v##op##132ss, "sss", NEED_FMA), S(v##op##213ss, "sss", NEED_FMA), S(v##op##231ss, "sss", NEED_FMA), \
	      D(v##op##132sd, "ddd", NEED_FMA), D(v##op##213sd, "ddd", NEED_FMA), D(v##op##231sd, "ddd", NEED_FMA)
	F(fmadd), F(fmsub), F(fnmadd), F(fnmsub),
};

static bool host_has(enum need n)
{
	switch (n) {
	case NEED_SSE41: return __builtin_cpu_supports("sse4.1");
	case NEED_F16C: return __builtin_cpu_supports("f16c");
	case NEED_FMA: return __builtin_cpu_supports("fma");
	default: return true;
	}
}

/* ---- comparison ---- */

static uint32_t random_mxcsr(void)
{
	uint32_t m = 0x1f80 | (uint32_t)(rnd() & 3) << 13;

	if (rnd() % 4 == 0)
		m |= 0x8000;
	if (rnd() % 4 == 0)
		m |= 0x40;
	if (rnd() % 8 == 0)  /* unmask some */
		m &= ~((uint32_t)rnd() & 0x1f80);
	return m;
}

/* Both run with no flag set before; returns a difference to print, or NULL. */
static char *compare(const struct op *op, const uint64_t in[3], uint32_t mxcsr)
{
	struct sf_env e = sf_env_mxcsr(mxcsr);
	uint64_t ours = op->ours(&e, in[0], in[1], in[2]) & op->mask, host = 0;
	uint8_t flags = sf_raised(&e);
	volatile bool trapped = false;
	uint32_t m = mxcsr;

	if (!sigsetjmp(on_fpe, 1)) {
		host = op->host(in[0], in[1], in[2], &m) & op->mask;
	} else {
		_mm_setcsr(default_mxcsr);
		trapped = true;
		m = fpe_mxcsr;
	}
	if (flags == (m & 63) && trapped == ((flags & ~e.masks) != 0) && (trapped || host == ours))
		return NULL;
	return g_strdup_printf("%s %#lx %#lx %#lx mxcsr %#x: ours %#lx flags %#x, host %#lx flags %#x%s", op->name,
			       in[0], in[1], in[2], mxcsr, ours, flags, host, m & 63, trapped ? " trapped" : "");
}

static void test_op(const void *data)
{
	const struct op *op = data;
	unsigned rounds = g_test_slow() ? 2000000 : 40000, bad = 0;
	struct sigaction sa = { .sa_sigaction = fpe, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;

	if (!host_has(op->need)) {
		g_test_skip("the host lacks the instruction");
		return;
	}
	sigaction(SIGFPE, &sa, &old);
	for (unsigned i = 0; i < rounds && bad < 8; i++) {
		uint64_t in[3] = { 0 };
		char *diff;

		for (unsigned k = 0; op->types[k]; k++)
			in[k] = operand_of(op->types[k]);
		/* Close operands cancel; equal ones are a case of their own. */
		if (op->types[1] && rnd() % 4 == 0)
			in[1] = in[0] ^ (rnd() & 1) << (op->types[0] == 's' ? 31 : 63) ^ rnd() % 3;
		diff = compare(op, in, random_mxcsr());
		if (diff) {
			g_test_message("%s", diff);
			g_free(diff);
			bad++;
		}
	}
	sigaction(SIGFPE, &old, NULL);
	if (bad)
		g_test_fail();
}

static void add_host_tests(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(ops); i++) {
		char *path = g_strdup_printf("/softfloat/host/%s", ops[i].name);

		g_test_add_data_func(path, &ops[i], test_op);
		g_free(path);
	}
}

#else

static void add_host_tests(void)
{
}

#endif

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/softfloat/fixed", test_fixed);
	add_host_tests();
	return g_test_run();
}
