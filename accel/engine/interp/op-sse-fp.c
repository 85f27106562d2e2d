/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Floating point arithmetic of SSE, AVX and FMA.  Conversions are in op-sse-cvt.c.
 *
 * Each handler collects the flags of all elements in one environment and folds
 * it into MXCSR before it writes its destination.
 */
#include "fp-quick.h"
#include "vec.h"

/* ---- two sources, element by element ---- */

#define VECTOR2(name, field, fn)                                                        \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		unsigned n = u->size[0] / sizeof((vec *)0)->field[0];                   \
		vec ta, tb, r;                                                          \
		const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb); \
                                                                                        \
		for (unsigned i = 0; i < n; i++)                                        \
			r.field[i] = fn(&e, a->field[i], b->field[i]);                  \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
/* The lowest element; the rest of 16 bytes from the first source. */
#define SCALAR2(name, field, fn)                                                        \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		vec tb, r = c->ymm[u->reg[SRC1(u)]];                                    \
		const vec *b = vec_at(c, u, SRC1(u) + 1, &tb);                          \
                                                                                        \
		r.field[0] = fn(&e, r.field[0], b->field[0]);                           \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
/* The four operations try fp-quick.h first; @field has @bits. */
#define QUICK_VECTOR2(name, field, bits, op)                                            \
	static ALWAYS_INLINE bool quick_##name(struct x86_cpu *c, const struct uop *u, const vec *a, const vec *b) \
	{                                                                               \
		unsigned n = u->size[0] / (bits / 8), step = 128 / bits;                \
		bool ok = true;                                                         \
		vec r;                                                                  \
                                                                                        \
		for (unsigned k = 0; k < n; k += step)                                  \
			for (unsigned i = 0; i < 128 / bits; i++)                       \
				ok &= quick_##op##bits(a->field[k + i], b->field[k + i], &r.field[k + i]); \
		if (ok)                                                                 \
			vec_put(c, u, 0, &r);                                           \
		return ok;                                                              \
	}                                                                               \
	OP(name)                                                                        \
	{                                                                               \
		unsigned n = u->size[0] / (bits / 8);                                   \
		vec ta, tb, r;                                                          \
		const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb); \
		struct sf_env e;                                                        \
                                                                                        \
		if (fp_quick(c) && quick_##name(c, u, a, b))                            \
			return NEXT(u);                                                 \
		e = fp_begin(c);                                                        \
		for (unsigned i = 0; i < n; i++)                                        \
			r.field[i] = sf##bits##_##op(&e, a->field[i], b->field[i]);     \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
#define QUICK_SCALAR2(name, field, bits, op)                                            \
	OP(name)                                                                        \
	{                                                                               \
		const vec *a = &c->ymm[u->reg[SRC1(u)]], *b;                            \
		vec *d = &c->ymm[u->reg[0]], tb, r;                                     \
		uint##bits##_t quick;                                                   \
		struct sf_env e;                                                        \
                                                                                        \
		if (u->kind[SRC1(u) + 1] == OPK_MEM) {                                  \
			tb.field[0] = (uint##bits##_t)mem_get(c, uop_lin(c, u, bits / 8, X86_READ), bits / 8); \
			b = &tb;                                                        \
		} else {                                                                \
			b = &c->ymm[u->reg[SRC1(u) + 1]];                               \
		}                                                                       \
		if (fp_quick(c) && !(u->flags & UOP_VEX) &&                             \
		    quick_##op##bits(a->field[0], b->field[0], &quick)) {               \
			d->field[0] = quick;                                            \
			return NEXT(u);                                                 \
		}                                                                       \
		e = fp_begin(c);                                                        \
		r = *a;                                                                 \
		r.field[0] = sf##bits##_##op(&e, r.field[0], b->field[0]);              \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
#define ARITHMETIC(op)                                                                  \
	QUICK_VECTOR2(op##ps, d, 32, op)                                                \
	QUICK_VECTOR2(op##pd, q, 64, op)                                                \
	QUICK_SCALAR2(op##ss, d, 32, op)                                                \
	QUICK_SCALAR2(op##sd, q, 64, op)
#define EXTREMES(op)                                                                    \
	VECTOR2(op##ps, d, sf32_##op)                                                   \
	VECTOR2(op##pd, q, sf64_##op)                                                   \
	SCALAR2(op##ss, d, sf32_##op)                                                   \
	SCALAR2(op##sd, q, sf64_##op)
ARITHMETIC(add)
ARITHMETIC(sub)
ARITHMETIC(mul)
ARITHMETIC(div)
EXTREMES(min)
EXTREMES(max)

/* ---- one source; @fn gets the environment and the element, and may use u ---- */

#define VECTOR1(name, field, fn)                                                        \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		unsigned n = u->size[0] / sizeof((vec *)0)->field[0];                   \
		vec ta, r;                                                              \
		const vec *a = vec_at(c, u, 1, &ta);                                    \
                                                                                        \
		for (unsigned i = 0; i < n; i++)                                        \
			r.field[i] = fn(&e, a->field[i]);                               \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
#define SCALAR1(name, field, fn)                                                        \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		vec tb, r = c->ymm[u->reg[SRC1(u)]];                                    \
		const vec *b = vec_at(c, u, SRC1(u) + 1, &tb);                          \
                                                                                        \
		r.field[0] = fn(&e, b->field[0]);                                       \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
VECTOR1(sqrtps, d, sf32_sqrt)
VECTOR1(sqrtpd, q, sf64_sqrt)
SCALAR1(sqrtss, d, sf32_sqrt)
SCALAR1(sqrtsd, q, sf64_sqrt)

/*
 * RCP and RSQRT raise no flags, take denormals as zeros and flush tiny results
 * whatever MXCSR says.  The exact result is within the promised error.
 */
#define ONE_F32 0x3f800000u
static const struct sf_env approximate = { .precision = 64, .daz = true, .ftz = true, .masks = SF_ALL };

static uint32_t reciprocal(struct sf_env *unused, uint32_t a)
{
	struct sf_env e = approximate;

	return sf32_div(&e, ONE_F32, a);
}

static uint32_t reciprocal_root(struct sf_env *unused, uint32_t a)
{
	struct sf_env e = approximate;

	return sf32_div(&e, ONE_F32, sf32_sqrt(&e, a));
}
VECTOR1(rcpps, d, reciprocal)
SCALAR1(rcpss, d, reciprocal)
VECTOR1(rsqrtps, d, reciprocal_root)
SCALAR1(rsqrtss, d, reciprocal_root)

/* ROUND: imm 1:0 rounding, 2 rounding of MXCSR instead, 3 inexact is silent. */
static inline void round_by_imm(struct sf_env *e, const struct uop *u)
{
	if (!(u->imm & 4))
		e->round = u->imm & 3;
}
#define ROUND(bits)                                                                     \
	static inline uint##bits##_t round##bits(const struct uop *u, struct sf_env *e, uint##bits##_t a) \
	{                                                                               \
		round_by_imm(e, u);                                                     \
		return sf##bits##_rint(e, a, u->imm & 8 ? SF_NO_PE : SF_ENV);           \
	}
ROUND(32)
ROUND(64)
#define ROUND32(e, a) round32(u, e, a)
#define ROUND64(e, a) round64(u, e, a)
VECTOR1(roundps, d, ROUND32)
VECTOR1(roundpd, q, ROUND64)
SCALAR1(roundss, d, ROUND32)
SCALAR1(roundsd, q, ROUND64)

/* ---- compares ---- */

/* Orders for which predicate 0 to 15 is true: bit 0 less, 1 equal, 2 greater, 3 unordered. */
static const uint8_t predicate_orders[16] = {
	0x2, 0x1, 0x3, 0x8, 0xd, 0xe, 0xc, 0x7, 0xa, 0x9, 0xb, 0x0, 0x5, 0x6, 0x4, 0xf,
};
/* Predicates 0 to 15 that signal on quiet NaNs; 16 to 31 do the contrary. */
enum { SIGNALLING = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 13 | 1 << 14 };

#define COMPARE(bits)                                                                   \
	static inline uint##bits##_t compare##bits(const struct uop *u, struct sf_env *e, uint##bits##_t a, \
						   uint##bits##_t b)                    \
	{                                                                               \
		unsigned p = u->imm & (u->flags & UOP_VEX ? 31 : 7);                    \
		bool signal = (SIGNALLING >> (p & 15) & 1) ^ (p >> 4);                  \
		enum sf_order o = sf##bits##_cmp(e, a, b, signal ? SF_SIGNAL : SF_QUIET); \
                                                                                        \
		return -(uint##bits##_t)(predicate_orders[p & 15] >> (o + 1) & 1);      \
	}
COMPARE(32)
COMPARE(64)
#define COMPARE32(e, a, b) compare32(u, e, a, b)
#define COMPARE64(e, a, b) compare64(u, e, a, b)
VECTOR2(cmpps, d, COMPARE32)
VECTOR2(cmppd, q, COMPARE64)
SCALAR2(cmpss, d, COMPARE32)
SCALAR2(cmpsd, q, COMPARE64)

static void order_to_flags(struct x86_cpu *c, enum sf_order o)
{
	static const uint8_t flags[4] = {
		[SF_LT + 1] = X86_CF, [SF_EQ + 1] = X86_ZF, [SF_GT + 1] = 0,
		[SF_UNORDERED + 1] = X86_ZF | X86_PF | X86_CF,
	};

	x86_arith_set(c, flags[o + 1]);
}

#define COMPARE_FLAGS(name, field, fn, nan)                                             \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		vec tb;                                                                 \
		const vec *b = vec_at(c, u, 1, &tb);                                    \
		enum sf_order o = fn(&e, c->ymm[u->reg[0]].field[0], b->field[0], nan); \
                                                                                        \
		fp_end(c, &e);                                                          \
		order_to_flags(c, o);                                                   \
		return NEXT(u);                                                         \
	}
COMPARE_FLAGS(comiss, d, sf32_cmp, SF_SIGNAL)
COMPARE_FLAGS(comisd, q, sf64_cmp, SF_SIGNAL)
COMPARE_FLAGS(ucomiss, d, sf32_cmp, SF_QUIET)
COMPARE_FLAGS(ucomisd, q, sf64_cmp, SF_QUIET)

/* ---- neighbours ---- */

#define HORIZONTAL(name, field, fn)                                                     \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		unsigned n = u->size[0] / sizeof((vec *)0)->field[0];                   \
		unsigned half = 8 / sizeof((vec *)0)->field[0];                         \
		vec ta, tb, r;                                                          \
		const vec *s[2] = { vec_at(c, u, SRC1(u), &ta), vec_at(c, u, SRC1(u) + 1, &tb) }; \
                                                                                        \
		for (unsigned i = 0; i < n; i++) {                                      \
			unsigned at = (i & ~(2 * half - 1)) + 2 * (i & (half - 1));     \
			const vec *v = s[!!(i & half)];                                 \
                                                                                        \
			r.field[i] = fn(&e, v->field[at], v->field[at + 1]);            \
		}                                                                       \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
HORIZONTAL(haddps, d, sf32_add)
HORIZONTAL(haddpd, q, sf64_add)
HORIZONTAL(hsubps, d, sf32_sub)
HORIZONTAL(hsubpd, q, sf64_sub)

#define ADD_SUB32(e, a, b) (i & 1 ? sf32_add(e, a, b) : sf32_sub(e, a, b))
#define ADD_SUB64(e, a, b) (i & 1 ? sf64_add(e, a, b) : sf64_sub(e, a, b))
VECTOR2(addsubps, d, ADD_SUB32)
VECTOR2(addsubpd, q, ADD_SUB64)

/*
 * Dot products: imm 7:4 which products count, 3:0 which elements get the sum.
 * Each step ends with its own exceptions: fp_end() after each.
 */
OP(dpps)
{
	struct sf_env e = fp_begin(c);
	unsigned n = u->size[0] / 4;
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < n; i++)
		r.d[i] = u->imm >> (4 + (i & 3)) & 1 ? sf32_mul(&e, a->d[i], b->d[i]) : 0;
	fp_end(c, &e);
	for (unsigned i = 0; i < n; i += 2)
		r.d[i] = sf32_add(&e, r.d[i], r.d[i + 1]);
	fp_end(c, &e);
	for (unsigned i = 0; i < n; i += 4)
		r.d[i] = sf32_add(&e, r.d[i], r.d[i + 2]);
	fp_end(c, &e);
	for (unsigned i = n; i-- > 0;)
		r.d[i] = u->imm >> (i & 3) & 1 ? r.d[i & ~3u] : 0;
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(dppd)
{
	struct sf_env e = fp_begin(c);
	uint64_t p[2], sum;
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < 2; i++)
		p[i] = u->imm >> (4 + i) & 1 ? sf64_mul(&e, a->q[i], b->q[i]) : 0;
	fp_end(c, &e);
	sum = sf64_add(&e, p[0], p[1]);
	fp_end(c, &e);
	for (unsigned i = 0; i < 2; i++)
		r.q[i] = u->imm >> i & 1 ? sum : 0;
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* ---- fused multiply-add: the opcode's digits say the order of operands and the signs ---- */

struct fma_form {
	uint8_t a, b, c;     /* operand numbers of (a * b) + c */
	uint8_t neg[2];      /* SF_NEG_* of even and odd elements */
};

static inline struct fma_form fma_form(const struct uop *u)
{
	static const uint8_t neg[16][2] = {
		[0x6] = { SF_NEG_ADDEND, 0 }, [0x7] = { 0, SF_NEG_ADDEND },
		[0xa] = { SF_NEG_ADDEND, SF_NEG_ADDEND }, [0xb] = { SF_NEG_ADDEND, SF_NEG_ADDEND },
		[0xc] = { SF_NEG_PRODUCT, SF_NEG_PRODUCT }, [0xd] = { SF_NEG_PRODUCT, SF_NEG_PRODUCT },
		[0xe] = { SF_NEG_PRODUCT | SF_NEG_ADDEND, SF_NEG_PRODUCT | SF_NEG_ADDEND },
		[0xf] = { SF_NEG_PRODUCT | SF_NEG_ADDEND, SF_NEG_PRODUCT | SF_NEG_ADDEND },
	};
	struct fma_form f;

	switch (u->opcode >> 4) {
	case 0x9: f = (struct fma_form){ 0, 2, 1, { 0 } }; break;   /* 132 */
	case 0xa: f = (struct fma_form){ 1, 0, 2, { 0 } }; break;   /* 213 */
	default: f = (struct fma_form){ 1, 2, 0, { 0 } }; break;    /* 231 */
	}
	f.neg[0] = neg[u->opcode & 15][0];
	f.neg[1] = neg[u->opcode & 15][1];
	return f;
}

#define FMA(name, field, fn, count)                                                     \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		struct fma_form f = fma_form(u);                                        \
		vec t, r = c->ymm[u->reg[0]];                                           \
		const vec *s[3] = { &c->ymm[u->reg[0]], &c->ymm[u->reg[1]], vec_at(c, u, 2, &t) }; \
                                                                                        \
		for (unsigned i = 0; i < (count); i++)                                  \
			r.field[i] = fn(&e, s[f.a]->field[i], s[f.b]->field[i], s[f.c]->field[i], \
					f.neg[i & 1]);                                  \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
FMA(fma_ps, d, sf32_fma, u->size[0] / 4)
FMA(fma_pd, q, sf64_fma, u->size[0] / 8)
FMA(fma_ss, d, sf32_fma, 1)
FMA(fma_sd, q, sf64_fma, 1)
