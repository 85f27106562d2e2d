/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Conversions between floating point formats and integers, SSE, AVX, F16C.
 */
#include "vec.h"

/*
 * Vector conversions: as many elements as the operand with the larger elements
 * holds; what is left of the destination is zero.  Those with an MMX register
 * enter the MMX state even if they end in an exception, as processors do.
 */
#define CONVERT_WITH(name, in, out, expr, enter)                                        \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		unsigned have = u->size[1] / sizeof((vec *)0)->in[0];                   \
		unsigned room = u->size[0] / sizeof((vec *)0)->out[0];                  \
		unsigned n = have < room ? have : room;                                 \
		vec ta, r = { 0 };                                                      \
		const vec *v = vec_at(c, u, 1, &ta);                                    \
                                                                                        \
		for (unsigned i = 0; i < n; i++) {                                      \
			__auto_type a = v->in[i];                                       \
                                                                                        \
			r.out[i] = (expr);                                              \
		}                                                                       \
		enter;                                                                  \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
#define CONVERT(name, in, out, expr) CONVERT_WITH(name, in, out, expr, )
CONVERT(cvtps2pd, d, q, sf32_to_f64(&e, a))
CONVERT(cvtpd2ps, q, d, sf64_to_f32(&e, a))
CONVERT(cvtdq2ps, sd, d, sf32_from_i32(&e, a))
CONVERT(cvtdq2pd, sd, q, sf64_from_i32(&e, a))
CONVERT(cvtps2dq, d, sd, sf32_to_i32(&e, a, SF_ENV))
CONVERT(cvttps2dq, d, sd, sf32_to_i32(&e, a, SF_TRUNC))
CONVERT(cvtpd2dq, q, sd, sf64_to_i32(&e, a, SF_ENV))
CONVERT(cvttpd2dq, q, sd, sf64_to_i32(&e, a, SF_TRUNC))
CONVERT(vcvtph2ps, w, d, sf16_to_f32(&e, a))

#define FROM_MMX vec_used_mmx(c, u, 1)
#define TO_MMX vec_used_mmx(c, u, 0)
CONVERT_WITH(cvtpi2ps, sd, d, sf32_from_i32(&e, a), FROM_MMX)
CONVERT_WITH(cvtpi2pd, sd, q, sf64_from_i32(&e, a), FROM_MMX)
CONVERT_WITH(cvtps2pi, d, sd, sf32_to_i32(&e, a, SF_ENV), TO_MMX)
CONVERT_WITH(cvttps2pi, d, sd, sf32_to_i32(&e, a, SF_TRUNC), TO_MMX)
CONVERT_WITH(cvtpd2pi, q, sd, sf64_to_i32(&e, a, SF_ENV), TO_MMX)
CONVERT_WITH(cvttpd2pi, q, sd, sf64_to_i32(&e, a, SF_TRUNC), TO_MMX)

/* Only half of a vector comes out; its memory is probed before flags change. */
OP(vcvtps2ph)
{
	struct sf_env e = fp_begin(c);
	const vec *a = &c->ymm[u->reg[1]];
	vec r = { 0 };

	if (u->kind[0] == OPK_MEM)
		x86_probe_write(c, uop_lin(c, u, u->size[0], X86_WRITE), u->size[0]);
	if (!(u->imm & 4))
		e.round = u->imm & 3;
	for (unsigned i = 0; i < u->size[1] / 4u; i++)
		r.w[i] = sf32_to_f16(&e, a->d[i]);
	fp_end(c, &e);
	vec_set(c, u, 0, &r);
	return NEXT(u);
}

/* ---- scalars ---- */

#define CONVERT_SCALAR(name, in, out, fn)                                               \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		vec tb, r = c->ymm[u->reg[SRC1(u)]];                                    \
		const vec *b = vec_at(c, u, SRC1(u) + 1, &tb);                          \
                                                                                        \
		r.out[0] = fn(&e, b->in[0]);                                            \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
CONVERT_SCALAR(cvtss2sd, d, q, sf32_to_f64)
CONVERT_SCALAR(cvtsd2ss, q, d, sf64_to_f32)

#define FROM_INTEGER(name, out, bits)                                                   \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		unsigned n = SRC1(u) + 1;                                               \
		uint64_t v = op_get(c, u, n);                                           \
		vec r = c->ymm[u->reg[SRC1(u)]];                                        \
                                                                                        \
		r.out[0] = u->size[n] == 8 ? sf##bits##_from_i64(&e, (int64_t)v) :      \
					     sf##bits##_from_i32(&e, (int32_t)v);       \
		fp_end(c, &e);                                                          \
		vec_put(c, u, 0, &r);                                                   \
		return NEXT(u);                                                         \
	}
FROM_INTEGER(cvtsi2ss, d, 32)
FROM_INTEGER(cvtsi2sd, q, 64)

#define TO_INTEGER(name, in, bits, how)                                                 \
	OP(name)                                                                        \
	{                                                                               \
		struct sf_env e = fp_begin(c);                                          \
		vec ta;                                                                 \
		const vec *a = vec_at(c, u, 1, &ta);                                    \
		uint64_t r = u->size[0] == 8 ? (uint64_t)sf##bits##_to_i64(&e, a->in[0], how) : \
					       (uint32_t)sf##bits##_to_i32(&e, a->in[0], how);  \
                                                                                        \
		fp_end(c, &e);                                                          \
		op_set(c, u, 0, r);                                                     \
		return NEXT(u);                                                         \
	}
TO_INTEGER(cvtss2si, d, 32, SF_ENV)
TO_INTEGER(cvttss2si, d, 32, SF_TRUNC)
TO_INTEGER(cvtsd2si, q, 64, SF_ENV)
TO_INTEGER(cvttsd2si, q, 64, SF_TRUNC)
