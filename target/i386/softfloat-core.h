/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all formats share: an unpacked number, its arithmetic, one rounding.
 *
 * A finite number is (-1)^sign * (hi:lo / 2^127) * 2^exp with bit 63 of hi set.
 * Results that cannot be exact keep a sticky 1 in the lowest bit of lo, which
 * is far enough below every rounding position to stand for "something more".
 * Everything is inline so that a constant format folds away.
 */
#ifndef TARGET_I386_SOFTFLOAT_CORE_H
#define TARGET_I386_SOFTFLOAT_CORE_H

#include "target/i386/softfloat.h"

typedef unsigned __int128 sf_u128;

#define SF_TOP (UINT64_C(1) << 63)

enum sf_class { SFC_ZERO, SFC_FINITE, SFC_INF, SFC_NAN };

struct sf_num {
	uint64_t hi, lo;
	int32_t exp;
	bool sign;
	bool denormal;  /* was encoded as one (and not taken as zero) */
	uint8_t cls;    /* enum sf_class; a NaN result is the default one */
};

struct sf_fmt {
	uint8_t prec;          /* significand bits, integer bit included */
	uint8_t exp_bits;
	bool scaled;           /* unmasked overflow and underflow give scaled results */
	int32_t emin, emax;    /* exponents of normal numbers; emax is the bias too */
};

static const struct sf_fmt sf_fmt16 = { 11, 5, false, -14, 15 };
static const struct sf_fmt sf_fmt32 = { 24, 8, false, -126, 127 };
static const struct sf_fmt sf_fmt64 = { 53, 11, false, -1022, 1023 };
static const struct sf_fmt sf_fmt80 = { 64, 15, true, -16382, 16383 };

/* Exponent correction of the scaled responses of x87. */
enum { SF_SCALE = 24576 };

static inline void sf_flag(struct sf_env *e, unsigned flags)
{
	e->flags |= flags;
}

static inline sf_u128 sfn_mant(const struct sf_num *n)
{
	return (sf_u128)n->hi << 64 | n->lo;
}

static inline void sfn_set_mant(struct sf_num *n, sf_u128 m)
{
	n->hi = (uint64_t)(m >> 64);
	n->lo = (uint64_t)m;
}

static inline unsigned sf_clz128(sf_u128 m)
{
	uint64_t hi = (uint64_t)(m >> 64);

	return hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)m);
}

/* Shifts right; what is lost leaves a 1 in the lowest bit. */
static inline sf_u128 sf_shift_sticky(sf_u128 m, unsigned n)
{
	if (n == 0)
		return m;
	if (n > 127)
		return m != 0;
	return m >> n | ((m << (128 - n)) != 0);
}

static inline struct sf_num sfn_invalid(struct sf_env *e)
{
	sf_flag(e, SF_IE);
	return (struct sf_num){ .cls = SFC_NAN };
}

/* ---- rounding ---- */

struct sf_bits {
	uint64_t frac;   /* the upper bits of hi, rounded */
	bool carry;      /* rounded up to the next power of two; frac is its top bit */
	bool inexact, up;
};

static inline bool sf_increment(unsigned round, bool sign, bool odd, uint64_t rest)
{
	switch (round) {
	case SF_NEAREST: return rest > SF_TOP || (rest == SF_TOP && odd);
	case SF_DOWN: return sign && rest;
	case SF_UP: return !sign && rest;
	default: return false;
	}
}

static inline struct sf_bits sf_round_bits(unsigned round, bool sign, uint64_t hi, uint64_t lo, unsigned prec)
{
	uint64_t unit = UINT64_C(1) << (64 - prec);
	uint64_t rest = prec == 64 ? lo : hi << (prec & 63) | (lo != 0);
	struct sf_bits r = { .frac = hi & ~(unit - 1), .inexact = rest != 0 };

	r.up = sf_increment(round, sign, hi & unit, rest);
	if (r.up) {
		r.frac += unit;
		r.carry = r.frac == 0;
		if (r.carry)
			r.frac = SF_TOP;
	}
	return r;
}

/* A rounded result: significand left-aligned in frac, exponent biased (0: denormal or zero). */
struct sf_packed {
	uint64_t frac;
	int32_t exp;
};

/* Unmasked on x87: the exponent is brought back into range. */
static inline struct sf_packed sf_scaled(const struct sf_fmt *f, struct sf_env *e, const struct sf_num *n,
					 const struct sf_bits *r, int32_t by)
{
	int32_t exp = n->exp + r->carry + by;

	e->rounded_up = r->up;
	if (r->inexact)
		sf_flag(e, SF_PE);
	if (exp <= f->emax && exp >= f->emin)
		return (struct sf_packed){ r->frac, exp + f->emax };
	/* Only FSCALE gets so far that this does not help: infinity or zero, however it rounds. */
	sf_flag(e, SF_PE);
	e->rounded_up = by < 0;
	return by < 0 ? (struct sf_packed){ SF_TOP, 2 * f->emax + 1 } : (struct sf_packed){ 0, 0 };
}

static inline struct sf_packed sf_overflow(const struct sf_fmt *f, unsigned prec, struct sf_env *e,
					   const struct sf_num *n, const struct sf_bits *r)
{
	bool masked = e->masks & SF_OE;
	bool inf = e->round == SF_NEAREST || e->round == (n->sign ? SF_DOWN : SF_UP);

	sf_flag(e, SF_OE);
	if (!masked && f->scaled)
		return sf_scaled(f, e, n, r, -SF_SCALE);
	if (masked || r->inexact)
		sf_flag(e, SF_PE);
	e->rounded_up = inf;
	if (inf)
		return (struct sf_packed){ SF_TOP, 2 * f->emax + 1 };
	return (struct sf_packed){ ~UINT64_C(0) << (64 - prec), 2 * f->emax };
}

static inline struct sf_packed sf_underflow(const struct sf_fmt *f, unsigned prec, struct sf_env *e,
					    const struct sf_num *n, const struct sf_bits *r)
{
	bool masked = e->masks & SF_UE;
	struct sf_bits d;
	sf_u128 m;

	if (!masked && f->scaled) {
		sf_flag(e, SF_UE);
		return sf_scaled(f, e, n, r, SF_SCALE);
	}
	if (masked && e->ftz) {
		sf_flag(e, SF_UE | SF_PE);
		return (struct sf_packed){ 0, 0 };
	}
	m = sf_shift_sticky(sfn_mant(n), (unsigned)(f->emin - n->exp));
	d = sf_round_bits(e->round, n->sign, (uint64_t)(m >> 64), (uint64_t)m, prec);
	e->rounded_up = d.up;
	/* Unmasked, a result within the precision counts as exact even where no denormal could hold it. */
	if (!masked)
		sf_flag(e, SF_UE | (r->inexact ? SF_PE : 0));
	else if (d.inexact)
		sf_flag(e, SF_UE | SF_PE);
	return (struct sf_packed){ d.frac, d.frac >> 63 };
}

/* Rounds a finite number to @prec bits in the exponent range of @f. */
static inline struct sf_packed sf_round(const struct sf_fmt *f, unsigned prec, struct sf_env *e,
					const struct sf_num *n)
{
	struct sf_bits r = sf_round_bits(e->round, n->sign, n->hi, n->lo, prec);
	int32_t exp = n->exp + r.carry;

	if (__builtin_expect(exp > f->emax, 0))
		return sf_overflow(f, prec, e, n, &r);
	if (__builtin_expect(exp < f->emin, 0))
		return sf_underflow(f, prec, e, n, &r);
	if (r.inexact)
		sf_flag(e, SF_PE);
	e->rounded_up = r.up;
	return (struct sf_packed){ r.frac, exp + f->emax };
}

/* ---- arithmetic on unpacked numbers (no NaN operands) ---- */

static inline struct sf_num sfn_add_finite(const struct sf_env *e, struct sf_num a, struct sf_num b)
{
	sf_u128 ma, mb, m;
	unsigned shift;

	if (a.exp < b.exp || (a.exp == b.exp && sfn_mant(&a) < sfn_mant(&b))) {
		struct sf_num t = a;

		a = b;
		b = t;
	}
	ma = sfn_mant(&a);
	mb = sf_shift_sticky(sfn_mant(&b), (unsigned)(a.exp - b.exp));
	if (a.sign == b.sign) {
		m = ma + mb;
		if (m < ma) {
			m = m >> 1 | (m & 1) | (sf_u128)1 << 127;
			a.exp++;
		}
	} else {
		m = ma - mb;
		if (m == 0)
			return (struct sf_num){ .cls = SFC_ZERO, .sign = e->round == SF_DOWN };
		shift = sf_clz128(m);
		m <<= shift;
		a.exp -= (int32_t)shift;
	}
	sfn_set_mant(&a, m);
	return a;
}

static inline struct sf_num sfn_add(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	if (__builtin_expect(a.cls == SFC_FINITE && b.cls == SFC_FINITE, 1))
		return sfn_add_finite(e, a, b);
	if (a.cls == SFC_INF || b.cls == SFC_INF) {
		if (a.cls == b.cls && a.sign != b.sign)
			return sfn_invalid(e);
		return a.cls == SFC_INF ? a : b;
	}
	if (a.cls != b.cls)
		return a.cls == SFC_ZERO ? b : a;
	if (a.sign != b.sign)
		a.sign = e->round == SF_DOWN;
	return a;
}

static inline struct sf_num sfn_mul(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	bool sign = a.sign ^ b.sign;
	sf_u128 m;

	if (__builtin_expect(a.cls != SFC_FINITE || b.cls != SFC_FINITE, 0)) {
		if (a.cls == SFC_INF || b.cls == SFC_INF) {
			if (a.cls == SFC_ZERO || b.cls == SFC_ZERO)
				return sfn_invalid(e);
			return (struct sf_num){ .cls = SFC_INF, .sign = sign };
		}
		return (struct sf_num){ .cls = SFC_ZERO, .sign = sign };
	}
	m = (sf_u128)a.hi * b.hi;
	a.exp += b.exp + 1;
	if (!(m >> 127)) {
		m <<= 1;
		a.exp--;
	}
	a.sign = sign;
	sfn_set_mant(&a, m);
	return a;
}

static inline struct sf_num sfn_div(struct sf_env *e, struct sf_num a, struct sf_num b)
{
	bool sign = a.sign ^ b.sign, less;
	sf_u128 n;
	uint64_t rest;

	if (__builtin_expect(a.cls != SFC_FINITE || b.cls != SFC_FINITE, 0)) {
		if (a.cls == b.cls)
			return sfn_invalid(e);
		if (b.cls == SFC_ZERO && a.cls == SFC_FINITE)
			sf_flag(e, SF_ZE);
		return (struct sf_num){ .cls = a.cls == SFC_INF || b.cls == SFC_ZERO ? SFC_INF : SFC_ZERO,
					.sign = sign };
	}
	less = a.hi < b.hi;
	n = (sf_u128)a.hi << (63 + less);
	a.exp -= b.exp + less;
	a.hi = (uint64_t)(n / b.hi);
	rest = (uint64_t)(n % b.hi);
	/* The next quotient bit and a sticky one are all that rounding asks for. */
	a.lo = rest == 0 ? 0 : rest > b.hi - rest ? SF_TOP | 1 : rest == b.hi - rest ? SF_TOP : 1;
	a.sign = sign;
	return a;
}

/* Floor of the square root of @m, whose top or second bit is set. */
static inline uint64_t sf_isqrt(sf_u128 m)
{
	/* A double is good for 52 bits; one Newton step doubles that. */
	uint64_t guess = (uint64_t)(__builtin_sqrt((double)(uint64_t)(m >> 64)) * 4294967296.0 * 0.99999999999999);
	sf_u128 r = ((sf_u128)guess + m / guess) >> 1;

	if (r > UINT64_MAX)
		r = UINT64_MAX;
	while (r * r > m)
		r--;
	while (r < UINT64_MAX && (r + 1) * (r + 1) <= m)
		r++;
	return (uint64_t)r;
}

static inline struct sf_num sfn_sqrt(struct sf_env *e, struct sf_num a)
{
	sf_u128 m, rest;

	if (a.cls == SFC_ZERO)
		return a;
	if (a.sign)
		return sfn_invalid(e);
	if (a.cls == SFC_INF)
		return a;
	m = (sf_u128)a.hi << (a.exp & 1 ? 64 : 63);
	a.hi = sf_isqrt(m);
	rest = m - (sf_u128)a.hi * a.hi;
	/* (root + 1/2)^2 = root^2 + root + 1/4, so a remainder is never exactly half. */
	a.lo = rest == 0 ? 0 : rest > a.hi ? SF_TOP | 1 : 1;
	a.exp = (a.exp - (a.exp & 1)) / 2;
	return a;
}

static inline enum sf_order sfn_cmp(const struct sf_num *a, const struct sf_num *b)
{
	bool less;

	if (a->cls == SFC_ZERO && b->cls == SFC_ZERO)
		return SF_EQ;
	if (a->cls == SFC_ZERO)
		return b->sign ? SF_GT : SF_LT;
	if (b->cls == SFC_ZERO || a->sign != b->sign)
		return a->sign ? SF_LT : SF_GT;
	if (a->cls == SFC_INF || b->cls == SFC_INF) {
		if (a->cls == b->cls)
			return SF_EQ;
		less = b->cls == SFC_INF;
	} else if (a->exp != b->exp) {
		less = a->exp < b->exp;
	} else {
		if (a->hi == b->hi)
			return SF_EQ;
		less = a->hi < b->hi;
	}
	return less != a->sign ? SF_LT : SF_GT;
}

/* ---- integers ---- */

struct sf_int {
	uint64_t v;     /* magnitude */
	bool inexact, up, too_big;
};

/* The integer nearest to a finite number under @round. */
static inline struct sf_int sfn_to_int(const struct sf_num *n, unsigned round)
{
	struct sf_int r = { 0 };
	uint64_t rest;

	if (n->exp > 63)
		return (struct sf_int){ .too_big = true };
	if (n->exp == 63)
		return (struct sf_int){ .v = n->hi };
	if (n->exp >= 0) {
		r.v = n->hi >> (63 - n->exp);
		rest = n->hi << (n->exp + 1);
	} else {
		rest = n->exp == -1 ? n->hi : 1;
	}
	r.inexact = rest != 0;
	r.up = sf_increment(round, n->sign, r.v & 1, rest);
	r.v += r.up;
	return r;
}

static inline struct sf_num sfn_from_u64(uint64_t v, bool sign)
{
	unsigned shift;

	if (v == 0)
		return (struct sf_num){ .cls = SFC_ZERO, .sign = sign };
	shift = __builtin_clzll(v);
	return (struct sf_num){ .cls = SFC_FINITE, .sign = sign, .hi = v << shift, .exp = 63 - (int32_t)shift };
}

static inline unsigned sf_how_round(const struct sf_env *e, unsigned how)
{
	return how & SF_TRUNC ? SF_ZERO : e->round;
}

/*
 * Converts to a signed integer of @bits bits; IE and the integer indefinite
 * where it does not fit.  PE only with a result that fits.
 */
static inline int64_t sfn_to_signed(struct sf_env *e, const struct sf_num *n, unsigned bits, unsigned how)
{
	uint64_t limit = UINT64_C(1) << (bits - 1);
	struct sf_int r;

	if (n->cls == SFC_ZERO)
		return 0;
	if (n->cls == SFC_FINITE) {
		r = sfn_to_int(n, sf_how_round(e, how));
		if (!r.too_big && r.v <= limit - !n->sign) {
			if (r.inexact && !(how & SF_NO_PE))
				sf_flag(e, SF_PE);
			e->rounded_up = r.up;
			return n->sign ? (int64_t)(0 - r.v) : (int64_t)r.v;
		}
	}
	sf_flag(e, SF_IE);
	return (int64_t)(0 - limit);
}

/* ---- f16, f32, f64 as integers ---- */

static inline unsigned sf_frac_bits(const struct sf_fmt *f) { return f->prec - 1; }
static inline uint64_t sf_sign_bit(const struct sf_fmt *f) { return UINT64_C(1) << (f->exp_bits + f->prec - 1); }
static inline uint64_t sf_quiet_bit(const struct sf_fmt *f) { return UINT64_C(1) << (f->prec - 2); }
static inline uint64_t sf_inf_bits(const struct sf_fmt *f)
{
	return ((UINT64_C(1) << f->exp_bits) - 1) << sf_frac_bits(f);
}
static inline uint64_t sf_default_nan(const struct sf_fmt *f)
{
	return sf_sign_bit(f) | sf_inf_bits(f) | sf_quiet_bit(f);
}
static inline bool sf_is_nan(const struct sf_fmt *f, uint64_t a)
{
	return (a & (sf_sign_bit(f) - 1)) > sf_inf_bits(f);
}
static inline bool sf_is_snan(const struct sf_fmt *f, uint64_t a)
{
	return sf_is_nan(f, a) && !(a & sf_quiet_bit(f));
}
static inline bool sf_is_denormal(const struct sf_fmt *f, uint64_t a)
{
	a &= sf_sign_bit(f) - 1;
	return a != 0 && a >> sf_frac_bits(f) == 0;
}

/* @a is no NaN.  Denormals are zero if @daz. */
static inline struct sf_num sf_unpack(const struct sf_fmt *f, uint64_t a, bool daz)
{
	unsigned fb = sf_frac_bits(f), shift;
	int32_t exp = (int32_t)((a & (sf_sign_bit(f) - 1)) >> fb);
	uint64_t frac = a & ((UINT64_C(1) << fb) - 1);
	struct sf_num n = { .sign = (a & sf_sign_bit(f)) != 0 };

	if (exp == 0) {
		if (frac == 0 || daz)
			return n;
		shift = __builtin_clzll(frac);
		n.cls = SFC_FINITE;
		n.denormal = true;
		n.hi = frac << shift;
		n.exp = f->emin - (int32_t)(shift - (64u - f->prec));
	} else if (exp == 2 * f->emax + 1) {
		n.cls = SFC_INF;
	} else {
		n.cls = SFC_FINITE;
		n.hi = SF_TOP | frac << (63 - fb);
		n.exp = exp - f->emax;
	}
	return n;
}

static inline uint64_t sf_pack(const struct sf_fmt *f, struct sf_env *e, const struct sf_num *n)
{
	uint64_t sign = n->sign ? sf_sign_bit(f) : 0;
	struct sf_packed p;

	switch (n->cls) {
	case SFC_ZERO:
		return sign;
	case SFC_INF:
		return sign | sf_inf_bits(f);
	case SFC_NAN:
		return sf_default_nan(f);
	default:
		p = sf_round(f, f->prec, e, n);
		return sign | (uint64_t)p.exp << sf_frac_bits(f) | (p.frac & ~SF_TOP) >> (64 - f->prec);
	}
}

#endif
