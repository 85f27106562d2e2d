/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Packed integers: MMX, SSE2 to SSE4.2 and AVX2 in one handler each.
 */
#include "vec.h"

static inline int clamp(int v, int low, int high)
{
	return v < low ? low : v > high ? high : v;
}
#define SB(v) ((int8_t)clamp((v), INT8_MIN, INT8_MAX))
#define SW(v) ((int16_t)clamp((v), INT16_MIN, INT16_MAX))
#define UB(v) ((uint8_t)clamp((v), 0, UINT8_MAX))
#define UW(v) ((uint16_t)clamp((v), 0, UINT16_MAX))
#define COUNT(field) (sizeof(vec) / sizeof((vec *)0)->field[0])

/* ---- element by element: r.field[i] = EXPR of a and b, elements of field ---- */

#define PACKED(name, field, expr)                                                       \
	OP(name)                                                                        \
	{                                                                               \
		vec ta, tb, r;                                                          \
		const vec *va = vec_at(c, u, SRC1(u), &ta), *vb = vec_at(c, u, SRC1(u) + 1, &tb); \
                                                                                        \
		for (unsigned i = 0; i < COUNT(field); i++) {                           \
			__auto_type a = va->field[i];                                   \
			__auto_type b = vb->field[i];                                   \
                                                                                        \
			r.field[i] = (expr);                                            \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}

PACKED(paddb, b, a + b)
PACKED(paddw, w, a + b)
PACKED(paddd, d, a + b)
PACKED(paddq, q, a + b)
PACKED(psubb, b, a - b)
PACKED(psubw, w, a - b)
PACKED(psubd, d, a - b)
PACKED(psubq, q, a - b)
PACKED(paddsb, sb, SB(a + b))
PACKED(paddsw, sw, SW(a + b))
PACKED(paddusb, b, UB(a + b))
PACKED(paddusw, w, UW(a + b))
PACKED(psubsb, sb, SB(a - b))
PACKED(psubsw, sw, SW(a - b))
PACKED(psubusb, b, UB(a - b))
PACKED(psubusw, w, UW(a - b))
PACKED(pmullw, w, (uint32_t)a * b)
PACKED(pmulld, d, a * b)
PACKED(pmulhw, sw, (a * b) >> 16)
PACKED(pmulhuw, w, ((uint32_t)a * b) >> 16)
PACKED(pmulhrsw, sw, (((a * b) >> 14) + 1) >> 1)
PACKED(pmuludq, q, (a & UINT32_MAX) * (b & UINT32_MAX))
PACKED(pmuldq, sq, (int64_t)(int32_t)a * (int32_t)b)
PACKED(pand, q, a & b)
PACKED(pandn, q, ~a & b)
PACKED(por, q, a | b)
PACKED(pxor, q, a ^ b)
PACKED(pavgb, b, (a + b + 1) >> 1)
PACKED(pavgw, w, (a + b + 1) >> 1)
PACKED(pminub, b, a < b ? a : b)
PACKED(pminuw, w, a < b ? a : b)
PACKED(pminud, d, a < b ? a : b)
PACKED(pminsb, sb, a < b ? a : b)
PACKED(pminsw, sw, a < b ? a : b)
PACKED(pminsd, sd, a < b ? a : b)
PACKED(pmaxub, b, a > b ? a : b)
PACKED(pmaxuw, w, a > b ? a : b)
PACKED(pmaxud, d, a > b ? a : b)
PACKED(pmaxsb, sb, a > b ? a : b)
PACKED(pmaxsw, sw, a > b ? a : b)
PACKED(pmaxsd, sd, a > b ? a : b)
PACKED(pcmpeqb, sb, -(a == b))
PACKED(pcmpeqw, sw, -(a == b))
PACKED(pcmpeqd, sd, -(a == b))
PACKED(pcmpeqq, sq, -(int64_t)(a == b))
PACKED(pcmpgtb, sb, -(a > b))
PACKED(pcmpgtw, sw, -(a > b))
PACKED(pcmpgtd, sd, -(a > b))
PACKED(pcmpgtq, sq, -(int64_t)(a > b))
PACKED(psignb, b, (int8_t)b < 0 ? -a : b ? a : 0)
PACKED(psignw, w, (int16_t)b < 0 ? -a : b ? a : 0)
PACKED(psignd, d, (int32_t)b < 0 ? -a : b ? a : 0)
/* Counts of each element (AVX2). */
PACKED(vpsllvd, d, b < 32 ? a << b : 0)
PACKED(vpsllvq, q, b < 64 ? a << b : 0)
PACKED(vpsrlvd, d, b < 32 ? a >> b : 0)
PACKED(vpsrlvq, q, b < 64 ? a >> b : 0)
PACKED(vpsravd, sd, a >> ((uint32_t)b < 32 ? b : 31))

#define UNARY(name, field, expr)                                                        \
	OP(name)                                                                        \
	{                                                                               \
		vec ta, r;                                                              \
		const vec *va = vec_at(c, u, 1, &ta);                                   \
                                                                                        \
		for (unsigned i = 0; i < COUNT(field); i++) {                           \
			__auto_type a = va->field[i];                                   \
                                                                                        \
			r.field[i] = (expr);                                            \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
UNARY(pabsb, b, (int8_t)a < 0 ? -a : a)
UNARY(pabsw, w, (int16_t)a < 0 ? -a : a)
UNARY(pabsd, d, (int32_t)a < 0 ? -a : a)

/* ---- pairs of neighbours: r.out[i] = EXPR of x = element 2i, y = element 2i + 1 ---- */

#define MULTIPLY_ADD(name, fa, fb, out, expr)                                           \
	OP(name)                                                                        \
	{                                                                               \
		vec ta, tb, r;                                                          \
		const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb); \
                                                                                        \
		for (unsigned i = 0; i < COUNT(out); i++) {                             \
			int x = a->fa[2 * i] * b->fb[2 * i], y = a->fa[2 * i + 1] * b->fb[2 * i + 1]; \
                                                                                        \
			r.out[i] = (expr);                                              \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
MULTIPLY_ADD(pmaddwd, sw, sw, d, (uint32_t)x + (uint32_t)y)
MULTIPLY_ADD(pmaddubsw, b, sb, sw, SW(x + y))

/* Lane by lane, the pairs of the first source, then those of the second. */
#define HORIZONTAL(name, field, expr)                                                   \
	OP(name)                                                                        \
	{                                                                               \
		unsigned n = vec_lane(u, 0) / sizeof((vec *)0)->field[0];               \
		vec ta, tb, r;                                                          \
		const vec *s[2] = { vec_at(c, u, SRC1(u), &ta), vec_at(c, u, SRC1(u) + 1, &tb) }; \
                                                                                        \
		for (unsigned i = 0; i < COUNT(field); i++) {                           \
			unsigned lane = i & ~(n - 1), k = i & (n - 1);                  \
			const vec *v = s[k >= n / 2];                                   \
			__auto_type x = v->field[lane + (2 * k & (n - 1))];             \
			__auto_type y = v->field[lane + (2 * k & (n - 1)) + 1];         \
                                                                                        \
			r.field[i] = (expr);                                            \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
HORIZONTAL(phaddw, w, x + y)
HORIZONTAL(phaddd, d, x + y)
HORIZONTAL(phaddsw, sw, SW(x + y))
HORIZONTAL(phsubw, w, x - y)
HORIZONTAL(phsubd, d, x - y)
HORIZONTAL(phsubsw, sw, SW(x - y))

/* ---- pack and unpack ---- */

#define PACK(name, in, out, limit)                                                      \
	OP(name)                                                                        \
	{                                                                               \
		unsigned n = vec_lane(u, 0) / sizeof((vec *)0)->out[0];                 \
		vec ta, tb, r;                                                          \
		const vec *s[2] = { vec_at(c, u, SRC1(u), &ta), vec_at(c, u, SRC1(u) + 1, &tb) }; \
                                                                                        \
		for (unsigned i = 0; i < COUNT(out); i++) {                             \
			unsigned lane = i & ~(n - 1), k = i & (n - 1);                  \
                                                                                        \
			r.out[i] = limit(s[k >= n / 2]->in[lane / 2 + (k & (n / 2 - 1))]); \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
PACK(packsswb, sw, sb, SB)
PACK(packuswb, sw, b, UB)
PACK(packssdw, sd, sw, SW)
PACK(packusdw, sd, w, UW)

#define UNPACK(name, field, high)                                                       \
	OP(name)                                                                        \
	{                                                                               \
		unsigned n = vec_lane(u, 0) / sizeof((vec *)0)->field[0];               \
		vec ta, tb, r;                                                          \
		const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb); \
                                                                                        \
		for (unsigned i = 0; i < COUNT(field); i += 2) {                        \
			unsigned from = (i & ~(n - 1)) + (i & (n - 1)) / 2 + ((high) ? n / 2 : 0); \
                                                                                        \
			r.field[i] = a->field[from];                                    \
			r.field[i + 1] = b->field[from];                                \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
UNPACK(punpcklbw, b, 0)
UNPACK(punpcklwd, w, 0)
UNPACK(punpckldq, d, 0)
UNPACK(punpcklqdq, q, 0)
UNPACK(punpckhbw, b, 1)
UNPACK(punpckhwd, w, 1)
UNPACK(punpckhdq, d, 1)
UNPACK(punpckhqdq, q, 1)

/* ---- shifts; the count is an immediate or 64 bits of a vector ---- */

static uint64_t shift_count(struct x86_cpu *c, const struct uop *u)
{
	unsigned n = SRC1(u) + 1;
	vec v;

	if (u->kind[n] == OPK_IMM)
		return u->imm;
	vec_get(c, u, n, &v);
	return v.q[0];
}

#define SHIFT(name, field, bits, expr)                                                  \
	OP(name)                                                                        \
	{                                                                               \
		uint64_t n = shift_count(c, u);                                         \
		unsigned by = n < (bits) ? (unsigned)n : (bits);                        \
		vec ta, r;                                                              \
		const vec *va = vec_at(c, u, SRC1(u), &ta);                             \
                                                                                        \
		for (unsigned i = 0; i < COUNT(field); i++) {                           \
			__auto_type a = va->field[i];                                   \
                                                                                        \
			r.field[i] = (expr);                                            \
		}                                                                       \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
SHIFT(psllw, w, 16, (uint32_t)a << by)
SHIFT(pslld, d, 32, (uint64_t)a << by)
SHIFT(psllq, q, 64, by < 64 ? a << by : 0)
SHIFT(psrlw, w, 16, a >> by)
SHIFT(psrld, d, 32, (uint64_t)a >> by)
SHIFT(psrlq, q, 64, by < 64 ? a >> by : 0)
SHIFT(psraw, sw, 16, a >> by)
SHIFT(psrad, sd, 32, (int64_t)a >> by)

/* Bytes, within 16. */
OP(psrldq)
{
	unsigned by = u->imm < 16 ? (unsigned)u->imm : 16;
	const vec *a = &c->ymm[u->reg[SRC1(u)]];
	vec r = { 0 };

	for (unsigned i = 0; i + by < 16; i++) {
		r.b[i] = a->b[i + by];
		r.b[16 + i] = a->b[16 + i + by];
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(pslldq)
{
	const vec *a = &c->ymm[u->reg[SRC1(u)]];
	vec r = { 0 };

	for (unsigned i = u->imm < 16 ? (unsigned)u->imm : 16; i < 16; i++) {
		r.b[i] = a->b[i - u->imm];
		r.b[16 + i] = a->b[16 + i - u->imm];
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(palignr)
{
	unsigned n = vec_lane(u, 0), by = (unsigned)u->imm;
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < 32; i++) {
		unsigned lane = i & ~(n - 1), k = (i & (n - 1)) + by;

		r.b[i] = k < n ? b->b[lane + k] : k < 2 * n ? a->b[lane + k - n] : 0;
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* ---- shuffles ---- */

OP(pshufb)
{
	unsigned n = vec_lane(u, 0);
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < 32; i++)
		r.b[i] = b->b[i] & 0x80 ? 0 : a->b[(i & ~(n - 1)) + (b->b[i] & (n - 1))];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(pshufd)
{
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 8; i++)
		r.d[i] = a->d[(i & 4) + (u->imm >> 2 * (i & 3) & 3)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* The words i of each 8 for which (i & 4) == half; the others are copied. */
static const struct uop *shuffle_words(struct x86_cpu *c, const struct uop *u, unsigned half)
{
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 16; i++)
		r.w[i] = (i & 4) == half ? a->w[(i & ~3u) + (u->imm >> 2 * (i & 3) & 3)] : a->w[i];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}
OP(pshuflw) { return shuffle_words(c, u, 0); }
OP(pshufhw) { return shuffle_words(c, u, 4); }
OP(pshufw) { return shuffle_words(c, u, 0); }

OP(shufps)
{
	vec ta, tb, r;
	const vec *s[2] = { vec_at(c, u, SRC1(u), &ta), vec_at(c, u, SRC1(u) + 1, &tb) };

	for (unsigned i = 0; i < 8; i++)
		r.d[i] = s[i >> 1 & 1]->d[(i & 4) + (u->imm >> 2 * (i & 3) & 3)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(shufpd)
{
	vec ta, tb, r;
	const vec *s[2] = { vec_at(c, u, SRC1(u), &ta), vec_at(c, u, SRC1(u) + 1, &tb) };

	for (unsigned i = 0; i < 4; i++)
		r.q[i] = s[i & 1]->q[(i & 2) + (u->imm >> i & 1)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* ---- blends ---- */

#define BLEND(name, field, from_second, mask)                                           \
	OP(name)                                                                        \
	{                                                                               \
		vec ta, tb, r;                                                          \
		const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb); \
                                                                                        \
		mask;                                                                   \
		for (unsigned i = 0; i < COUNT(field); i++)                             \
			r.field[i] = (from_second) ? b->field[i] : a->field[i];         \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
/* The immediate has a bit for each element; for words those of the lower half count twice. */
BLEND(blendps, d, u->imm >> i & 1, )
BLEND(blendpd, q, u->imm >> i & 1, )
BLEND(pblendw, w, u->imm >> (i & 7) & 1, )
#define MASK_REGISTER const vec *m = &c->ymm[u->reg[SRC1(u) + 2]]
BLEND(pblendvb, b, m->sb[i] < 0, MASK_REGISTER)
BLEND(blendvps, d, m->sd[i] < 0, MASK_REGISTER)
BLEND(blendvpd, q, m->sq[i] < 0, MASK_REGISTER)

/* ---- PMOVSX, PMOVZX ---- */

#define EXTEND(name, in, out)                                                           \
	OP(name)                                                                        \
	{                                                                               \
		vec ta, r;                                                              \
		const vec *a = vec_at(c, u, 1, &ta);                                    \
                                                                                        \
		for (unsigned i = 0; i < COUNT(out); i++)                               \
			r.out[i] = a->in[i];                                            \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
EXTEND(pmovsxbw, sb, sw)
EXTEND(pmovsxbd, sb, sd)
EXTEND(pmovsxbq, sb, sq)
EXTEND(pmovsxwd, sw, sd)
EXTEND(pmovsxwq, sw, sq)
EXTEND(pmovsxdq, sd, sq)
EXTEND(pmovzxbw, b, w)
EXTEND(pmovzxbd, b, d)
EXTEND(pmovzxbq, b, q)
EXTEND(pmovzxwd, w, d)
EXTEND(pmovzxwq, w, q)
EXTEND(pmovzxdq, d, q)

/* ---- sums, searches, tests ---- */

static inline unsigned distance(uint8_t a, uint8_t b)
{
	return a < b ? b - a : a - b;
}

OP(psadbw)
{
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < 4; i++) {
		unsigned sum = 0;

		for (unsigned k = 8 * i; k < 8 * i + 8; k++)
			sum += distance(a->b[k], b->b[k]);
		r.q[i] = sum;
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* Eight sums of four distances a lane; imm: 2 which quad of a, 1:0 which of b; bits 5:3 for the upper lane. */
OP(mpsadbw)
{
	vec ta, tb, r;
	const vec *a = vec_at(c, u, SRC1(u), &ta), *b = vec_at(c, u, SRC1(u) + 1, &tb);

	for (unsigned i = 0; i < 16; i++) {
		unsigned lane = i & 8, imm = (unsigned)u->imm >> (lane ? 3 : 0);
		const uint8_t *x = a->b + 2 * lane + (imm & 4) + (i & 7), *y = b->b + 2 * lane + 4 * (imm & 3);

		r.w[i] = (uint16_t)(distance(x[0], y[0]) + distance(x[1], y[1]) + distance(x[2], y[2]) +
				    distance(x[3], y[3]));
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(phminposuw)
{
	unsigned at = 0;
	vec ta, r = { 0 };
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 1; i < 8; i++)
		if (a->w[i] < a->w[at])
			at = i;
	r.w[0] = a->w[at];
	r.w[1] = (uint16_t)at;
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* ZF: a & b has none of the bits of @bits; CF: ~a & b has none. */
static const struct uop *test_bits(struct x86_cpu *c, const struct uop *u, uint64_t bits)
{
	uint64_t both = 0, only_b = 0;
	vec a, b;

	vec_get(c, u, 0, &a);
	vec_get(c, u, 1, &b);
	for (unsigned i = 0; i < 4; i++) {
		both |= a.q[i] & b.q[i];
		only_b |= ~a.q[i] & b.q[i];
	}
	x86_arith_set(c, (both & bits ? 0 : X86_ZF) | (only_b & bits ? 0 : X86_CF));
	return NEXT(u);
}
OP(ptest) { return test_bits(c, u, UINT64_MAX); }
OP(vtestps) { return test_bits(c, u, UINT64_C(0x8000000080000000)); }
OP(vtestpd) { return test_bits(c, u, UINT64_C(1) << 63); }
