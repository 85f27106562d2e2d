/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Floating point arithmetic where no flag can change.
 *
 * Inexact results are all but always there already: PE sticks in MXCSR until
 * somebody clears it, which few programs do.  With PE set and masked and rounding
 * to nearest, operands that are normal or zero and a result that is normal (or an
 * exact zero) raise nothing that is not there, so the host's own operation is the
 * whole instruction.  quick_* answers false for all else: softfloat.h has the rest.
 */
#ifndef INTERP_FP_QUICK_H
#define INTERP_FP_QUICK_H

#include <float.h>

#include "interp.h"

static ALWAYS_INLINE bool fp_quick(const struct x86_cpu *c)
{
	enum { PE = 1 << 5, PM = 1 << 12, RC = 3 << 13 };

	return FLT_EVAL_METHOD == 0 && (c->mxcsr & (PE | PM | RC)) == (PE | PM);
}

/* The smallest normal result may be a tiny one rounded up: not `safe`. */
#define FP_QUICK(bits, type, frac)                                                              \
	static ALWAYS_INLINE bool zero##bits(uint##bits##_t a) { return !(uint##bits##_t)(a << 1); } \
	static ALWAYS_INLINE bool between##bits(uint##bits##_t a, uint##bits##_t from)          \
	{                                                                                       \
		const uint##bits##_t inf = ((uint##bits##_t)1 << (bits - 1)) - ((uint##bits##_t)1 << frac); \
                                                                                                \
		return (uint##bits##_t)((a & (((uint##bits##_t)1 << (bits - 1)) - 1)) - from) < inf - from; \
	}                                                                                       \
	static ALWAYS_INLINE bool normal##bits(uint##bits##_t a)                                \
	{                                                                                       \
		return between##bits(a, (uint##bits##_t)1 << frac);                             \
	}                                                                                       \
	static ALWAYS_INLINE bool safe##bits(uint##bits##_t a)                                  \
	{                                                                                       \
		return between##bits(a, ((uint##bits##_t)1 << frac) + 1);                       \
	}                                                                                       \
	static ALWAYS_INLINE bool plain##bits(uint##bits##_t a) { return normal##bits(a) | zero##bits(a); } \
	static ALWAYS_INLINE type host##bits(uint##bits##_t a)                                  \
	{                                                                                       \
		type t;                                                                         \
                                                                                                \
		memcpy(&t, &a, sizeof t);                                                       \
		return t;                                                                       \
	}                                                                                       \
	static ALWAYS_INLINE uint##bits##_t guest##bits(type t)                                 \
	{                                                                                       \
		uint##bits##_t a;                                                               \
                                                                                                \
		memcpy(&a, &t, sizeof a);                                                       \
		return a;                                                                       \
	}                                                                                       \
	static ALWAYS_INLINE bool quick_add##bits(uint##bits##_t a, uint##bits##_t b, uint##bits##_t *r) \
	{                                                                                       \
		*r = guest##bits(host##bits(a) + host##bits(b));                                \
		/* A sum that is zero is exact. */                                              \
		return plain##bits(a) & plain##bits(b) & (safe##bits(*r) | zero##bits(*r));     \
	}                                                                                       \
	static ALWAYS_INLINE bool quick_sub##bits(uint##bits##_t a, uint##bits##_t b, uint##bits##_t *r) \
	{                                                                                       \
		*r = guest##bits(host##bits(a) - host##bits(b));                                \
		return plain##bits(a) & plain##bits(b) & (safe##bits(*r) | zero##bits(*r));     \
	}                                                                                       \
	static ALWAYS_INLINE bool quick_mul##bits(uint##bits##_t a, uint##bits##_t b, uint##bits##_t *r) \
	{                                                                                       \
		*r = guest##bits(host##bits(a) * host##bits(b));                                \
		return plain##bits(a) & plain##bits(b) & (safe##bits(*r) | zero##bits(a) | zero##bits(b)); \
	}                                                                                       \
	static ALWAYS_INLINE bool quick_div##bits(uint##bits##_t a, uint##bits##_t b, uint##bits##_t *r) \
	{                                                                                       \
		*r = guest##bits(host##bits(a) / host##bits(b));                                \
		return plain##bits(a) & normal##bits(b) & (safe##bits(*r) | zero##bits(a));     \
	}
FP_QUICK(32, float, 23)
FP_QUICK(64, double, 52)

#endif
