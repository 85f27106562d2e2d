/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The x87 extended format by the x87 rules.
 */
#include "softfloat-f80.h"

/* ---- NaN ---- */

struct x86_f80 sf80_nan2(struct sf_env *e, struct x86_f80 a, struct x86_f80 b)
{
	bool na = sf80_is_nan(a), nb = sf80_is_nan(b);
	bool sa = sf80_is_snan(a), sb = sf80_is_snan(b);
	struct x86_f80 r;

	if (sf80_is_unsupported(a) || sf80_is_unsupported(b)) {
		sf_flag(e, SF_IE);
		return SF80_DEFAULT_NAN;
	}
	if (sa || sb)
		sf_flag(e, SF_IE);
	if (!na || !nb)
		r = na ? a : b;
	else if (sa != sb)
		r = sa ? b : a;
	else if (a.frac != b.frac)
		r = a.frac > b.frac ? a : b;
	else
		r = a.se < b.se ? a : b;
	r.frac |= SF80_QUIET;
	return r;
}

/* ---- arithmetic ---- */

static struct x86_f80 finish(struct sf_env *e, const struct sf_num *r, bool denormal)
{
	e->rounded_up = false;
	if (r->cls == SFC_NAN)
		return SF80_DEFAULT_NAN;
	if (denormal) {
		sf_flag(e, SF_DE);
		/* Unmasked: the operation does not happen, so nothing else can. */
		if (!(e->masks & SF_DE))
			return SF80_DEFAULT_NAN;
	}
	return sf80_pack(e, r, e->precision);
}

static struct x86_f80 add(struct sf_env *e, struct x86_f80 a, struct x86_f80 b, bool negate)
{
	struct sf_num x, y, r;

	e->rounded_up = false;
	if (sf80_is_special(a) || sf80_is_special(b))
		return sf80_nan2(e, a, b);
	x = sf80_unpack(a);
	y = sf80_unpack(b);
	y.sign ^= negate;
	r = sfn_add(e, x, y);
	return finish(e, &r, x.denormal || y.denormal || e->denormal);
}

struct x86_f80 sf80_add(struct sf_env *e, struct x86_f80 a, struct x86_f80 b)
{
	return add(e, a, b, false);
}

struct x86_f80 sf80_sub(struct sf_env *e, struct x86_f80 a, struct x86_f80 b)
{
	return add(e, a, b, true);
}

struct x86_f80 sf80_mul(struct sf_env *e, struct x86_f80 a, struct x86_f80 b)
{
	struct sf_num x, y, r;

	e->rounded_up = false;
	if (sf80_is_special(a) || sf80_is_special(b))
		return sf80_nan2(e, a, b);
	x = sf80_unpack(a);
	y = sf80_unpack(b);
	r = sfn_mul(e, x, y);
	return finish(e, &r, x.denormal || y.denormal || e->denormal);
}

struct x86_f80 sf80_div(struct sf_env *e, struct x86_f80 a, struct x86_f80 b)
{
	struct sf_num x, y, r;

	e->rounded_up = false;
	if (sf80_is_special(a) || sf80_is_special(b))
		return sf80_nan2(e, a, b);
	x = sf80_unpack(a);
	y = sf80_unpack(b);
	r = sfn_div(e, x, y);
	/* Division by zero goes before a denormal dividend. */
	return finish(e, &r, y.cls != SFC_ZERO && (x.denormal || y.denormal || e->denormal));
}

struct x86_f80 sf80_sqrt(struct sf_env *e, struct x86_f80 a)
{
	struct sf_num x, r;

	e->rounded_up = false;
	if (sf80_is_special(a))
		return sf80_nan2(e, a, SF80_ZERO);
	x = sf80_unpack(a);
	r = sfn_sqrt(e, x);
	return finish(e, &r, x.denormal);
}

struct x86_f80 sf80_rint(struct sf_env *e, struct x86_f80 a, unsigned how)
{
	struct sf_num x, r;
	struct sf_int i;

	e->rounded_up = false;
	if (sf80_is_special(a))
		return sf80_nan2(e, a, SF80_ZERO);
	x = sf80_unpack(a);
	if (x.denormal) {
		sf_flag(e, SF_DE);
		if (!(e->masks & SF_DE))
			return a;
	}
	if (x.cls != SFC_FINITE || x.exp >= 63)
		return a;
	i = sfn_to_int(&x, sf_how_round(e, how));
	if (i.inexact && !(how & SF_NO_PE))
		sf_flag(e, SF_PE);
	r = sfn_from_u64(i.v, x.sign);
	a = sf80_pack(e, &r, 64);
	e->rounded_up = i.up;
	return a;
}

enum sf_order sf80_cmp(struct sf_env *e, struct x86_f80 a, struct x86_f80 b, enum sf_nan nan)
{
	struct sf_num x, y;

	if (sf80_is_special(a) || sf80_is_special(b)) {
		if (nan == SF_SIGNAL || sf80_is_snan(a) || sf80_is_snan(b) || sf80_is_unsupported(a) ||
		    sf80_is_unsupported(b))
			sf_flag(e, SF_IE);
		return SF_UNORDERED;
	}
	x = sf80_unpack(a);
	y = sf80_unpack(b);
	if (x.denormal || y.denormal || e->denormal)
		sf_flag(e, SF_DE);
	return sfn_cmp(&x, &y);
}

/* ---- between the formats ---- */

static struct x86_f80 load(const struct sf_fmt *f, struct sf_env *e, uint64_t a)
{
	unsigned fb = sf_frac_bits(f);
	struct sf_num x;
	struct x86_f80 r;

	if (sf_is_nan(f, a)) {
		r.se = a & sf_sign_bit(f) ? 0xffff : 0x7fff;
		r.frac = SF_TOP | (a & ((UINT64_C(1) << fb) - 1)) << (63 - fb);
		return r;
	}
	x = sf_unpack(f, a, false);
	e->denormal = x.denormal;
	return sf80_pack(e, &x, 64);
}

struct x86_f80 sf32_load(struct sf_env *e, uint32_t a) { return load(&sf_fmt32, e, a); }
struct x86_f80 sf64_load(struct sf_env *e, uint64_t a) { return load(&sf_fmt64, e, a); }

static struct x86_f80 widen(struct sf_env *e, struct x86_f80 r)
{
	e->rounded_up = false;
	if (sf80_is_snan(r))
		return sf80_nan2(e, r, SF80_ZERO);
	if (e->denormal)
		sf_flag(e, SF_DE);
	return r;
}

struct x86_f80 sf32_to_f80(struct sf_env *e, uint32_t a) { return widen(e, sf32_load(e, a)); }
struct x86_f80 sf64_to_f80(struct sf_env *e, uint64_t a) { return widen(e, sf64_load(e, a)); }

static uint64_t narrow(const struct sf_fmt *f, struct sf_env *e, struct x86_f80 a)
{
	struct sf_num x;
	uint64_t r;

	e->rounded_up = false;
	if (sf80_is_special(a)) {
		a = sf80_nan2(e, a, SF80_ZERO);
		return (a.se >> 15 ? sf_sign_bit(f) : 0) | sf_inf_bits(f) | (a.frac & ~SF_TOP) >> (64 - f->prec);
	}
	x = sf80_unpack(a);
	r = sf_pack(f, e, &x);
	/* Unmasked: nothing is stored, so nothing was inexact. */
	if (e->flags & ~e->masks & (SF_OE | SF_UE)) {
		e->flags &= (uint8_t)~SF_PE;
		e->rounded_up = false;
	}
	return r;
}

uint32_t sf80_to_f32(struct sf_env *e, struct x86_f80 a) { return (uint32_t)narrow(&sf_fmt32, e, a); }
uint64_t sf80_to_f64(struct sf_env *e, struct x86_f80 a) { return narrow(&sf_fmt64, e, a); }

static int64_t to_int(struct sf_env *e, struct x86_f80 a, unsigned bits, unsigned how)
{
	struct sf_num x = { .cls = SFC_NAN };

	e->rounded_up = false;
	if (!sf80_is_special(a))
		x = sf80_unpack(a);
	return sfn_to_signed(e, &x, bits, how);
}

int16_t sf80_to_i16(struct sf_env *e, struct x86_f80 a, unsigned how) { return (int16_t)to_int(e, a, 16, how); }
int32_t sf80_to_i32(struct sf_env *e, struct x86_f80 a, unsigned how) { return (int32_t)to_int(e, a, 32, how); }
int64_t sf80_to_i64(struct sf_env *e, struct x86_f80 a, unsigned how) { return to_int(e, a, 64, how); }

struct x86_f80 sf80_from_i64(int64_t v)
{
	struct sf_num x = sfn_from_u64(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
	struct sf_env e = { .masks = SF_ALL };

	return sf80_pack(&e, &x, 64);
}
