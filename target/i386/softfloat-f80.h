/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking x87 extended values apart and putting them together; shared by the
 * arithmetic and the transcendental functions.
 */
#ifndef TARGET_I386_SOFTFLOAT_F80_H
#define TARGET_I386_SOFTFLOAT_F80_H

#include "softfloat-core.h"

#define SF80_QUIET (UINT64_C(1) << 62)
#define SF80_DEFAULT_NAN ((struct x86_f80){ .frac = UINT64_C(3) << 62, .se = 0xffff })
#define SF80_ZERO ((struct x86_f80){ .frac = 0, .se = 0 })

static inline unsigned sf80_exp(struct x86_f80 a) { return a.se & 0x7fff; }

/* Encodings that no processor since the 387 makes or takes. */
static inline bool sf80_is_unsupported(struct x86_f80 a)
{
	return sf80_exp(a) && !(a.frac & SF_TOP);
}
static inline bool sf80_is_nan(struct x86_f80 a)
{
	return sf80_exp(a) == 0x7fff && a.frac > SF_TOP;
}
static inline bool sf80_is_snan(struct x86_f80 a)
{
	return sf80_is_nan(a) && !(a.frac & SF80_QUIET);
}
/* NaN or unsupported: what sf80_nan2() answers for. */
static inline bool sf80_is_special(struct x86_f80 a)
{
	return sf80_exp(a) && (!(a.frac & SF_TOP) || (sf80_exp(a) == 0x7fff && a.frac << 1));
}

/* The NaN result where one operand at least is special; raises IE where due. */
struct x86_f80 sf80_nan2(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);

/* @a is not special. */
static inline struct sf_num sf80_unpack(struct x86_f80 a)
{
	struct sf_num n = { .sign = a.se >> 15, .hi = a.frac };
	unsigned exp = sf80_exp(a), shift;

	if (exp == 0x7fff) {
		n.cls = SFC_INF;
	} else if (a.frac) {
		n.cls = SFC_FINITE;
		n.denormal = exp == 0;
		shift = __builtin_clzll(a.frac);
		n.hi <<= shift;
		n.exp = (int32_t)(exp + (exp == 0)) - 16383 - (int32_t)shift;
	}
	return n;
}

static inline struct x86_f80 sf80_pack(struct sf_env *e, const struct sf_num *n, unsigned prec)
{
	uint16_t sign = n->sign ? 0x8000 : 0;
	struct sf_packed p;

	switch (n->cls) {
	case SFC_ZERO:
		return (struct x86_f80){ .se = sign };
	case SFC_INF:
		return (struct x86_f80){ .frac = SF_TOP, .se = sign | 0x7fff };
	case SFC_NAN:
		return SF80_DEFAULT_NAN;
	default:
		p = sf_round(&sf_fmt80, prec, e, n);
		return (struct x86_f80){ .frac = p.frac, .se = sign | (uint16_t)p.exp };
	}
}

#endif
