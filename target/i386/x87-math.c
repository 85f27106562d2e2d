/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87 functions.
 *
 * The transcendental ones compute with struct sf_num and its full 128 bits:
 * the argument is brought into a small range, a power series is summed by
 * Horner's rule, and the result is rounded once.  Errors stay below 2^-115 of
 * the result, so that rounding gives the nearest value in practice.  Such a
 * result is never exact; a sticky bit below the last one says so.
 *
 * The trigonometric functions reduce with a pi of 66 bits, as processors since
 * the Pentium do; for their results to agree, so must we.
 */
#include "target/i386/x87-math.h"

#include "softfloat-f80.h"

/* ---- 128-bit arithmetic ---- */

static const struct sf_num one = { .cls = SFC_FINITE, .hi = SF_TOP };
static const struct sf_num pi = { .cls = SFC_FINITE, .hi = 0xc90fdaa22168c234, .lo = 0xc4c6628b80dc1cd1, .exp = 1 };
static const struct sf_num pi_2 = { .cls = SFC_FINITE, .hi = 0xc90fdaa22168c234, .lo = 0xc4c6628b80dc1cd1, .exp = 0 };
static const struct sf_num pi_4 = { .cls = SFC_FINITE, .hi = 0xc90fdaa22168c234, .lo = 0xc4c6628b80dc1cd1, .exp = -1 };
static const struct sf_num pi3_4 = { .cls = SFC_FINITE, .hi = 0x96cbe3f9990e91a7, .lo = 0x9394c9e8a0a5159d, .exp = 1 };
static const struct sf_num ln2 = { .cls = SFC_FINITE, .hi = 0xb17217f7d1cf79ab, .lo = 0xc9e3b39803f2f6af, .exp = -1 };
static const struct sf_num two_log2e = { .cls = SFC_FINITE, .hi = 0xb8aa3b295c17f0bb, .lo = 0xbe87fed0691d3e89, .exp = 1 };

static struct sf_num add(struct sf_num a, struct sf_num b)
{
	struct sf_env e = { .masks = SF_ALL };

	return sfn_add(&e, a, b);
}

static struct sf_num negate(struct sf_num a)
{
	a.sign = !a.sign;
	return a;
}

static struct sf_num sub(struct sf_num a, struct sf_num b)
{
	return add(a, negate(b));
}

static struct sf_num scale(struct sf_num a, int by)
{
	a.exp += by;
	return a;
}

static struct sf_num mul(struct sf_num a, struct sf_num b)
{
	sf_u128 high, mid1, mid2, m;

	if (a.cls == SFC_ZERO || b.cls == SFC_ZERO)
		return (struct sf_num){ .cls = SFC_ZERO, .sign = a.sign ^ b.sign };
	high = (sf_u128)a.hi * b.hi;
	mid1 = (sf_u128)a.hi * b.lo;
	mid2 = (sf_u128)a.lo * b.hi;
	m = high + (mid1 >> 64) + (mid2 >> 64) + (((mid1 & UINT64_MAX) + (mid2 & UINT64_MAX)) >> 64);
	a.exp += b.exp + 1;
	if (!(m >> 127)) {
		m <<= 1;
		a.exp--;
	}
	sfn_set_mant(&a, m);
	a.sign ^= b.sign;
	return a;
}

static struct sf_num div_small(struct sf_num a, unsigned n)
{
	sf_u128 q = sfn_mant(&a) / n, rest = sfn_mant(&a) % n;
	unsigned shift;

	if (a.cls == SFC_ZERO)
		return a;
	/* The bits that the quotient lacks below come from dividing the rest. */
	shift = sf_clz128(q);
	q = q << shift | ((rest << shift) / n);
	sfn_set_mant(&a, q);
	a.exp -= (int32_t)shift;
	return a;
}

static struct sf_num quotient(struct sf_num a, struct sf_num b)
{
	struct sf_env e = { .masks = SF_ALL };
	struct sf_num r = sfn_div(&e, one, (struct sf_num){ .cls = SFC_FINITE, .hi = b.hi, .exp = b.exp });

	if (a.cls == SFC_ZERO)
		return (struct sf_num){ .cls = SFC_ZERO, .sign = a.sign ^ b.sign };
	r.lo = 0;
	r.sign = b.sign;
	/* One Newton step doubles the 63 good bits. */
	r = add(r, mul(r, sub(one, mul(b, r))));
	return mul(a, r);
}

static struct sf_num small_int(int v)
{
	return sfn_from_u64((uint64_t)(v < 0 ? -v : v), v < 0);
}

/* ---- series ---- */

/* e^t - 1 for |t| <= ln 2 */
static struct sf_num expm1_series(struct sf_num t)
{
	struct sf_num r = one;

	for (unsigned n = 32; n >= 2; n--)
		r = add(one, div_small(mul(t, r), n));
	return mul(t, r);
}

/* Sum of (s z)^k / (2k + 1), s = 1 or -1: atanh(x)/x or atan(x)/x with z = x^2 */
static struct sf_num odd_series(struct sf_num z, unsigned terms, bool alternate)
{
	struct sf_num r = { .cls = SFC_ZERO };

	z.sign = alternate;
	for (unsigned k = terms + 1; k-- > 0;)
		r = add(div_small(one, 2 * k + 1), mul(z, r));
	return r;
}

static struct sf_num sin_series(struct sf_num x)
{
	struct sf_num r = one, z = mul(x, x);

	for (unsigned n = 14; n >= 1; n--)
		r = sub(one, div_small(mul(z, r), 2 * n * (2 * n + 1)));
	return mul(x, r);
}

static struct sf_num cos_series(struct sf_num x)
{
	struct sf_num r = one, z = mul(x, x);

	for (unsigned n = 15; n >= 1; n--)
		r = sub(one, div_small(mul(z, r), (2 * n - 1) * 2 * n));
	return r;
}

/* atan(q) for 0 <= q <= 1: the nearest eighth is taken off first. */
static struct sf_num atan_positive(struct sf_num q)
{
	static const struct sf_num eighths[9] = {
		{ .cls = SFC_ZERO },
		{ .cls = SFC_FINITE, .hi = 0xfeadd4d5617b6e32, .lo = 0xc897989f3e888ef8, .exp = -4 },
		{ .cls = SFC_FINITE, .hi = 0xfadbafc96406eb15, .lo = 0x6dc79ef5f7a217e6, .exp = -3 },
		{ .cls = SFC_FINITE, .hi = 0xb7b0ca0f26f78473, .lo = 0x8aa32122dcfe4483, .exp = -2 },
		{ .cls = SFC_FINITE, .hi = 0xed63382b0dda7b45, .lo = 0x6fe445ecbc3a8d03, .exp = -2 },
		{ .cls = SFC_FINITE, .hi = 0x8f005d5ef7f59f9b, .lo = 0x5c835e1665c43748, .exp = -1 },
		{ .cls = SFC_FINITE, .hi = 0xa4bc7d1934f70924, .lo = 0x19a87f2a457dac9f, .exp = -1 },
		{ .cls = SFC_FINITE, .hi = 0xb8053e2bc2319e73, .lo = 0xcb2da55210a4443d, .exp = -1 },
		{ .cls = SFC_FINITE, .hi = 0xc90fdaa22168c234, .lo = 0xc4c6628b80dc1cd1, .exp = -1 },
	};
	struct sf_num eight_q = scale(q, 3), c;
	unsigned k = (unsigned)sfn_to_int(&eight_q, SF_NEAREST).v;

	if (k) {
		c = scale(small_int((int)k), -3);
		q = quotient(sub(q, c), add(one, mul(q, c)));
		if (q.cls == SFC_ZERO)
			return eighths[k];
	}
	return add(eighths[k], mul(q, odd_series(mul(q, q), 15, true)));
}

/* ---- frame of each function ---- */

/* DE where due; false: it is unmasked, so nothing happens. */
static bool accept(struct sf_env *e, bool denormal)
{
	if (!denormal)
		return true;
	sf_flag(e, SF_DE);
	return e->masks & SF_DE;
}

/* A result known to be irrational. */
static struct x86_f80 inexact(struct sf_env *e, struct sf_num r)
{
	r.lo |= 1;
	return sf80_pack(e, &r, 64);
}

static struct x86_f80 exact(struct sf_env *e, struct sf_num r)
{
	return sf80_pack(e, &r, 64);
}

static struct x86_f80 invalid(struct sf_env *e)
{
	sf_flag(e, SF_IE);
	return SF80_DEFAULT_NAN;
}

static struct x86_f80 zero(bool sign) { return (struct x86_f80){ .se = sign ? 0x8000 : 0 }; }
static struct x86_f80 infinity(bool sign) { return (struct x86_f80){ .frac = SF_TOP, .se = sign ? 0xffff : 0x7fff }; }

static struct sf_num with_sign(struct sf_num r, bool sign)
{
	r.sign = sign;
	return r;
}

/* ---- exponential and logarithm ---- */

struct x86_f80 x87_f2xm1(struct sf_env *e, struct x86_f80 x)
{
	struct sf_num n;

	e->rounded_up = false;
	if (sf80_is_special(x))
		return sf80_nan2(e, x, SF80_ZERO);
	n = sf80_unpack(x);
	if (n.cls == SFC_INF)
		return n.sign ? (struct x86_f80){ SF_TOP, 0xbfff } : x;
	if (n.cls == SFC_ZERO || !accept(e, n.denormal))
		return x;
	if (n.exp >= 0) {
		/* Undefined beyond 1 and -1. */
		sf_flag(e, SF_PE);
		if (n.exp == 0 && n.hi == SF_TOP)
			return n.sign ? (struct x86_f80){ SF_TOP, 0xbffe } : x;
		return x;
	}
	return inexact(e, expm1_series(mul(n, ln2)));
}

/* log2 of a positive number */
static struct sf_num log2_of(struct sf_num x)
{
	int exp = x.exp;
	struct sf_num m = x, z;

	/* The significand between sqrt(1/2) and sqrt(2), so that nothing cancels. */
	m.exp = 0;
	if (m.hi > 0xb504f333f9de6484) {
		m.exp = -1;
		exp++;
	}
	z = quotient(sub(m, one), add(m, one));
	if (z.cls != SFC_ZERO)
		z = mul(two_log2e, mul(z, odd_series(mul(z, z), 24, false)));
	return add(small_int(exp), z);
}

struct x86_f80 x87_fyl2x(struct sf_env *e, struct x86_f80 y, struct x86_f80 x)
{
	struct sf_num a, b, l;
	bool sign, is_one;

	e->rounded_up = false;
	if (sf80_is_special(x) || sf80_is_special(y))
		return sf80_nan2(e, y, x);
	a = sf80_unpack(x);
	b = sf80_unpack(y);
	if (a.sign && a.cls != SFC_ZERO)
		return invalid(e);
	is_one = a.cls == SFC_FINITE && a.exp == 0 && a.hi == SF_TOP;
	sign = b.sign ^ (a.cls == SFC_ZERO || (a.cls == SFC_FINITE && a.exp < 0));
	if ((b.cls == SFC_ZERO && a.cls != SFC_FINITE) || (b.cls == SFC_INF && is_one))
		return invalid(e);
	if (a.cls == SFC_ZERO) {
		if (b.cls == SFC_FINITE)
			sf_flag(e, SF_ZE);
		return infinity(sign);
	}
	if (!accept(e, a.denormal || b.denormal))
		return y;
	if (a.cls == SFC_INF || b.cls == SFC_INF)
		return infinity(sign);
	if (b.cls == SFC_ZERO || is_one)
		return zero(sign);
	l = log2_of(a);
	if (a.hi != SF_TOP)
		return inexact(e, mul(b, l));
	/* A power of two has an integer for its logarithm; processors call that inexact all the same. */
	y = exact(e, sfn_mul(e, b, l));
	sf_flag(e, sf80_exp(y) ? SF_PE : SF_PE | SF_UE);
	return y;
}

struct x86_f80 x87_fyl2xp1(struct sf_env *e, struct x86_f80 y, struct x86_f80 x)
{
	struct sf_num a, b, z;
	bool sign;

	e->rounded_up = false;
	if (sf80_is_special(x) || sf80_is_special(y))
		return sf80_nan2(e, y, x);
	a = sf80_unpack(x);
	b = sf80_unpack(y);
	sign = a.sign ^ b.sign;
	if ((b.cls == SFC_INF && a.cls == SFC_ZERO) || (b.cls == SFC_ZERO && a.cls == SFC_INF))
		return invalid(e);
	if (a.cls == SFC_INF && a.sign)
		return invalid(e);
	if (!accept(e, a.denormal || b.denormal))
		return y;
	if (a.cls == SFC_INF || b.cls == SFC_INF)
		return infinity(sign);
	if (b.cls == SFC_ZERO || a.cls == SFC_ZERO)
		return zero(sign);
	if (a.sign && a.exp >= 0) {
		/* Undefined from -1 downwards. */
		sf_flag(e, SF_PE);
		return x;
	}
	if (a.exp >= -1) {
		z = log2_of(add(one, a));
	} else {
		z = quotient(a, add(small_int(2), a));
		z = mul(two_log2e, mul(z, odd_series(mul(z, z), 24, false)));
	}
	return inexact(e, mul(b, z));
}

/* ---- arc tangent ---- */

/* Where a zero or an infinity decides. */
static struct x86_f80 atan_edge(struct sf_env *e, const struct sf_num *y, const struct sf_num *x)
{
	if (y->cls == SFC_INF && x->cls == SFC_INF)
		return inexact(e, with_sign(x->sign ? pi3_4 : pi_4, y->sign));
	if (y->cls == SFC_ZERO || x->cls == SFC_INF)
		return x->sign ? inexact(e, with_sign(pi, y->sign)) : zero(y->sign);
	return inexact(e, with_sign(pi_2, y->sign));
}

struct x86_f80 x87_fpatan(struct sf_env *e, struct x86_f80 y, struct x86_f80 x)
{
	struct sf_num a, b, r;
	bool negative, sign;

	e->rounded_up = false;
	if (sf80_is_special(x) || sf80_is_special(y))
		return sf80_nan2(e, y, x);
	a = sf80_unpack(y);
	b = sf80_unpack(x);
	if (!accept(e, a.denormal || b.denormal))
		return y;
	if (a.cls != SFC_FINITE || b.cls != SFC_FINITE)
		return atan_edge(e, &a, &b);
	sign = a.sign;
	negative = b.sign;
	a.sign = b.sign = false;
	if (sfn_cmp(&a, &b) == SF_GT)
		r = sub(pi_2, atan_positive(quotient(b, a)));
	else
		r = atan_positive(quotient(a, b));
	if (negative)
		r = sub(pi, r);
	return inexact(e, with_sign(r, sign));
}

/* ---- sine, cosine, tangent ---- */

/* pi/2 in units of 2^-65 */
#define HALF_PI ((sf_u128)3 << 64 | 0x243f6a8885a308d3)

/* Brings a finite |x| < 2^63 to +-pi/4; the return value is the quadrant. */
static unsigned reduce(struct sf_num *x)
{
	sf_u128 n, q, rest;
	unsigned shift;
	bool above;

	if (x->exp < -1)
		return 0;
	n = (sf_u128)x->hi << (x->exp + 2);
	q = n / HALF_PI;
	rest = n % HALF_PI;
	above = rest > HALF_PI - rest;
	if (above) {
		rest = HALF_PI - rest;
		q++;
	}
	if (x->sign)
		q = 0 - q;
	x->sign ^= above;
	/* HALF_PI is odd and longer than any significand, so it divides none. */
	assert(rest != 0);
	shift = sf_clz128(rest);
	sfn_set_mant(x, rest << shift);
	x->exp = 62 - (int32_t)shift;
	return (unsigned)q & 3;
}

enum trig { SIN, COS, TAN };

static struct sf_num trig_value(struct sf_num x, enum trig which)
{
	unsigned quadrant = reduce(&x);
	struct sf_num r;

	if (which == TAN) {
		if (quadrant & 1)
			return negate(quotient(cos_series(x), sin_series(x)));
		return quotient(sin_series(x), cos_series(x));
	}
	quadrant += which == COS;
	r = quadrant & 1 ? cos_series(x) : sin_series(x);
	return quadrant & 2 ? negate(r) : r;
}

/* Next to x: a sine is just below it; a tangent is x for processors however they round. */
static struct x86_f80 trig_tiny(struct sf_env *e, struct sf_num x, enum trig which)
{
	if (which == SIN)
		return inexact(e, sub(x, (struct sf_num){ .cls = SFC_FINITE, .hi = SF_TOP, .exp = x.exp - 100, .sign = x.sign }));
	if (x.exp < sf_fmt80.emin)
		return inexact(e, x);
	sf_flag(e, SF_PE);
	return exact(e, x);
}

static bool trig(struct sf_env *e, struct x86_f80 v, enum trig which, struct x86_f80 *r)
{
	struct sf_num x;

	e->rounded_up = false;
	if (sf80_is_special(v)) {
		*r = sf80_nan2(e, v, SF80_ZERO);
		return true;
	}
	x = sf80_unpack(v);
	*r = v;
	if (x.cls == SFC_INF) {
		*r = invalid(e);
	} else if (x.cls == SFC_ZERO) {
		if (which == COS)
			*r = (struct x86_f80){ SF_TOP, 0x3fff };
	} else if (x.exp >= 63) {
		return false;
	} else if (accept(e, x.denormal)) {
		*r = x.exp < -33 && which != COS ? trig_tiny(e, x, which) : inexact(e, trig_value(x, which));
	}
	return true;
}

bool x87_fsin(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r) { return trig(e, x, SIN, r); }
bool x87_fcos(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r) { return trig(e, x, COS, r); }
bool x87_fptan(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r) { return trig(e, x, TAN, r); }

/* ---- remainder ---- */

/* One step of the reduction: @d is exponent difference, 0 or more. */
static struct sf_num prem_finite(struct sf_num a, struct sf_num b, int32_t d, enum x87_prem how, unsigned *quotient_bits)
{
	sf_u128 n = (sf_u128)a.hi << d, rest = n % b.hi;
	uint64_t q = (uint64_t)(n / b.hi), rest2 = (uint64_t)rest;
	bool up = false;

	if (how == X87_FPREM1) {
		uint64_t other = b.hi - rest2;

		up = rest2 > other || (rest2 == other && q & 1);
		if (up) {
			rest2 = other;
			q++;
		}
	}
	*quotient_bits = (unsigned)q & 7;
	if (rest2 == 0)
		return (struct sf_num){ .cls = SFC_ZERO, .sign = a.sign };
	n = sfn_from_u64(rest2, false).hi;
	a.exp = b.exp - (int32_t)__builtin_clzll(rest2);
	a.hi = (uint64_t)n;
	a.sign ^= up;
	return a;
}

/* |a| < |b| with FPREM1: the quotient is 0 or 1. */
static struct sf_num prem_small(struct sf_num a, struct sf_num b, unsigned *quotient_bits)
{
	struct sf_num twice = scale(a, 1), r;

	twice.sign = b.sign = false;
	if (sfn_cmp(&twice, &b) != SF_GT)
		return a;
	*quotient_bits = 1;
	b.sign = a.sign;
	r = sub(a, b);
	return r;
}

struct x86_f80 x87_fprem(struct sf_env *e, struct x86_f80 x, struct x86_f80 y, enum x87_prem how,
			 unsigned *quotient_bits, bool *partial)
{
	struct sf_num a, b;
	int32_t d, step;

	*quotient_bits = 0;
	*partial = false;
	e->rounded_up = false;
	if (sf80_is_special(x) || sf80_is_special(y))
		return sf80_nan2(e, x, y);
	a = sf80_unpack(x);
	b = sf80_unpack(y);
	if (a.cls == SFC_INF || b.cls == SFC_ZERO)
		return invalid(e);
	if (!accept(e, a.denormal || b.denormal))
		return x;
	if (a.cls == SFC_ZERO || b.cls == SFC_INF)
		return exact(e, a);
	d = a.exp - b.exp;
	if (d < 0) {
		if (d == -1 && how == X87_FPREM1)
			a = prem_small(a, b, quotient_bits);
		return exact(e, a);
	}
	if (d < 64)
		return exact(e, prem_finite(a, b, d, how, quotient_bits));
	/* Takes 32 to 63 bits off; the caller loops while C2 is set. */
	*partial = true;
	step = 32 + d % 32;
	b.exp += d - step;
	a = prem_finite(a, b, step, X87_FPREM, quotient_bits);
	*quotient_bits = 0;
	return exact(e, a);
}

/* ---- exponents ---- */

struct x86_f80 x87_fscale(struct sf_env *e, struct x86_f80 x, struct x86_f80 y)
{
	enum { FAR_OUT = 1 << 16 };  /* more than any two exponents are apart */
	struct sf_num a, b;
	struct sf_int n;

	e->rounded_up = false;
	if (sf80_is_special(x) || sf80_is_special(y))
		return sf80_nan2(e, x, y);
	a = sf80_unpack(x);
	b = sf80_unpack(y);
	if (b.cls == SFC_INF && a.cls == (b.sign ? SFC_INF : SFC_ZERO))
		return invalid(e);
	if (!accept(e, a.denormal || b.denormal))
		return x;
	if (b.cls == SFC_INF && a.cls != SFC_INF)
		return b.sign ? zero(a.sign) : infinity(a.sign);
	if (a.cls != SFC_FINITE)
		return x;
	n = (struct sf_int){ 0 };
	if (b.cls == SFC_FINITE)
		n = sfn_to_int(&b, SF_ZERO);
	if (n.too_big || n.v > FAR_OUT)
		n.v = FAR_OUT;
	a.exp += b.sign ? -(int32_t)n.v : (int32_t)n.v;
	return exact(e, a);
}

struct x86_f80 x87_fxtract(struct sf_env *e, struct x86_f80 x, struct x86_f80 *exponent)
{
	struct sf_num a;

	e->rounded_up = false;
	if (sf80_is_special(x))
		return *exponent = sf80_nan2(e, x, SF80_ZERO);
	a = sf80_unpack(x);
	if (a.cls == SFC_ZERO) {
		sf_flag(e, SF_ZE);
		*exponent = infinity(true);
		return x;
	}
	if (a.cls == SFC_INF) {
		*exponent = infinity(false);
		return x;
	}
	*exponent = sf80_from_i64(a.exp);
	if (!accept(e, a.denormal))
		return x;
	a.exp = 0;
	return exact(e, a);
}

/* ---- constants ---- */

struct x86_f80 x87_constant(unsigned n, unsigned round)
{
	/* 1, log2 10, log2 e, pi, log10 2, ln 2, 0 */
	static const struct sf_num values[8] = {
		{ .cls = SFC_FINITE, .hi = SF_TOP },
		{ .cls = SFC_FINITE, .hi = 0xd49a784bcd1b8afe, .lo = 0x492bf6ff4dafdb4d, .exp = 1 },
		{ .cls = SFC_FINITE, .hi = 0xb8aa3b295c17f0bb, .lo = 0xbe87fed0691d3e89, .exp = 0 },
		{ .cls = SFC_FINITE, .hi = 0xc90fdaa22168c234, .lo = 0xc4c6628b80dc1cd1, .exp = 1 },
		{ .cls = SFC_FINITE, .hi = 0x9a209a84fbcff798, .lo = 0x8f8959ac0b7c9178, .exp = -2 },
		{ .cls = SFC_FINITE, .hi = 0xb17217f7d1cf79ab, .lo = 0xc9e3b39803f2f6af, .exp = -1 },
	};
	struct sf_env e = { .round = (uint8_t)round, .masks = SF_ALL };

	return sf80_pack(&e, &values[n & 7], 64);
}
