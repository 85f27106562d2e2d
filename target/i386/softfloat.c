/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * f16, f32 and f64 arithmetic by the SSE rules.
 *
 * Fast paths.  Where all operands are normal (or zero), rounding is to nearest
 * and the result is normal, the host's own + - * / and square root give the
 * value; whether it is exact is found by the error term of the sum, or by
 * comparing integer significands.  So the flags are exact without looking at
 * the host's.  The host must evaluate float and double in their own precision.
 */
#include <float.h>
#include <string.h>

#include "softfloat-core.h"

#if FLT_EVAL_METHOD == 0
enum { HOST_FAST = 1 };
#else
enum { HOST_FAST = 0 };
#endif

static inline double to_double(uint64_t a) { double d; memcpy(&d, &a, sizeof d); return d; }
static inline uint64_t of_double(double d) { uint64_t a; memcpy(&a, &d, sizeof a); return a; }
static inline float to_float(uint32_t a) { float f; memcpy(&f, &a, sizeof f); return f; }
static inline uint32_t of_float(float f) { uint32_t a; memcpy(&a, &f, sizeof a); return a; }

/* ---- operands ---- */

/* The first NaN of two, quiet; false if there is none. */
static inline bool nan2(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t b, uint64_t *r)
{
	bool na = sf_is_nan(f, a), nb = sf_is_nan(f, b);

	if (__builtin_expect(!na && !nb, 1))
		return false;
	if (sf_is_snan(f, a) || sf_is_snan(f, b))
		sf_flag(e, SF_IE);
	*r = (na ? a : b) | sf_quiet_bit(f);
	return true;
}

static inline bool nan1(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t *r)
{
	return nan2(f, e, a, 0, r);
}

static inline uint64_t finish(const struct sf_fmt *f, struct sf_env *e, struct sf_num r, bool denormal)
{
	/* Invalid operations go before denormal operands. */
	if (denormal && r.cls != SFC_NAN)
		sf_flag(e, SF_DE);
	return sf_pack(f, e, &r);
}

enum op2 { OP_ADD, OP_SUB, OP_MUL, OP_DIV };

static inline uint64_t slow2(const struct sf_fmt *f, enum op2 op, struct sf_env *e, uint64_t a, uint64_t b)
{
	struct sf_num x, y, r;
	uint64_t nan;

	if (nan2(f, e, a, b, &nan))
		return nan;
	x = sf_unpack(f, a, e->daz);
	y = sf_unpack(f, b, e->daz);
	switch (op) {
	case OP_SUB:
		y.sign = !y.sign;
		r = sfn_add(e, x, y);
		break;
	case OP_ADD:
		r = sfn_add(e, x, y);
		break;
	case OP_MUL:
		r = sfn_mul(e, x, y);
		break;
	default:
		r = sfn_div(e, x, y);
		/* Division by zero goes before a denormal dividend. */
		if (y.cls == SFC_ZERO)
			x.denormal = false;
	}
	return finish(f, e, r, x.denormal || y.denormal);
}

static inline uint64_t sqrt1(const struct sf_fmt *f, struct sf_env *e, uint64_t a)
{
	struct sf_num x;
	uint64_t nan;

	if (nan1(f, e, a, &nan))
		return nan;
	x = sf_unpack(f, a, e->daz);
	return finish(f, e, sfn_sqrt(e, x), x.denormal);
}

/* ---- fast paths ---- */

static inline bool normal64(uint64_t a)
{
	return ((a >> 52) & 0x7ff) - 1 < 0x7fe;
}
static inline bool normal32(uint32_t a)
{
	return ((a >> 23) & 0xff) - 1 < 0xfe;
}
/* The smallest normal result may be a tiny one rounded up, so it is left to the slow path. */
static inline bool safe64(uint64_t a)
{
	return normal64(a) && a << 1 != UINT64_C(2) << 52;
}
static inline bool safe32(uint32_t a)
{
	return normal32(a) && a << 1 != UINT32_C(2) << 23;
}
static inline uint64_t mant64(uint64_t a)
{
	return (a & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
}
static inline uint64_t mant32(uint32_t a)
{
	return (a & ((UINT32_C(1) << 23) - 1)) | UINT32_C(1) << 23;
}

static inline bool fast_add64(struct sf_env *e, uint64_t a, uint64_t b, uint64_t *r)
{
	double x = to_double(a), y = to_double(b), s, t;

	if (!HOST_FAST || e->round != SF_NEAREST || !normal64(a) || !normal64(b))
		return false;
	s = x + y;
	*r = of_double(s);
	if (!safe64(*r))
		return false;
	/* Knuth's two-sum: the exact error of the sum. */
	t = s - x;
	if ((x - (s - t)) + (y - t) != 0)
		sf_flag(e, SF_PE);
	return true;
}

static inline bool fast_add32(struct sf_env *e, uint32_t a, uint32_t b, uint32_t *r)
{
	float x = to_float(a), y = to_float(b), s, t;

	if (!HOST_FAST || e->round != SF_NEAREST || !normal32(a) || !normal32(b))
		return false;
	s = x + y;
	*r = of_float(s);
	if (!safe32(*r))
		return false;
	t = s - x;
	if ((x - (s - t)) + (y - t) != 0)
		sf_flag(e, SF_PE);
	return true;
}

/* True if @product, of two significands of @n + 1 bits, is @m times a power of two. */
static inline bool same_mant(sf_u128 product, uint64_t m, unsigned n)
{
	return product == (sf_u128)m << n || product == (sf_u128)m << (n + 1);
}

static inline bool fast_mul64(struct sf_env *e, uint64_t a, uint64_t b, uint64_t *r)
{
	if (!HOST_FAST || e->round != SF_NEAREST || !normal64(a) || !normal64(b))
		return false;
	*r = of_double(to_double(a) * to_double(b));
	if (!safe64(*r))
		return false;
	if (!same_mant((sf_u128)mant64(a) * mant64(b), mant64(*r), 52))
		sf_flag(e, SF_PE);
	return true;
}

static inline bool fast_mul32(struct sf_env *e, uint32_t a, uint32_t b, uint32_t *r)
{
	double exact;

	if (!HOST_FAST || e->round != SF_NEAREST || !normal32(a) || !normal32(b))
		return false;
	exact = (double)to_float(a) * to_float(b);
	*r = of_float((float)exact);
	if (!safe32(*r))
		return false;
	if (to_float(*r) != exact)
		sf_flag(e, SF_PE);
	return true;
}

static inline bool fast_div64(struct sf_env *e, uint64_t a, uint64_t b, uint64_t *r)
{
	if (!HOST_FAST || e->round != SF_NEAREST || !normal64(a) || !normal64(b))
		return false;
	*r = of_double(to_double(a) / to_double(b));
	if (!safe64(*r))
		return false;
	if (!same_mant((sf_u128)mant64(*r) * mant64(b), mant64(a), 52))
		sf_flag(e, SF_PE);
	return true;
}

static inline bool fast_div32(struct sf_env *e, uint32_t a, uint32_t b, uint32_t *r)
{
	float q;

	if (!HOST_FAST || e->round != SF_NEAREST || !normal32(a) || !normal32(b))
		return false;
	q = to_float(a) / to_float(b);
	*r = of_float(q);
	if (!safe32(*r))
		return false;
	if ((double)q * to_float(b) != to_float(a))
		sf_flag(e, SF_PE);
	return true;
}

/* ---- public arithmetic ---- */

uint32_t sf32_add(struct sf_env *e, uint32_t a, uint32_t b)
{
	uint32_t r;

	return fast_add32(e, a, b, &r) ? r : (uint32_t)slow2(&sf_fmt32, OP_ADD, e, a, b);
}

uint32_t sf32_sub(struct sf_env *e, uint32_t a, uint32_t b)
{
	uint32_t r;

	return fast_add32(e, a, b ^ UINT32_C(1) << 31, &r) ? r : (uint32_t)slow2(&sf_fmt32, OP_SUB, e, a, b);
}

uint32_t sf32_mul(struct sf_env *e, uint32_t a, uint32_t b)
{
	uint32_t r;

	return fast_mul32(e, a, b, &r) ? r : (uint32_t)slow2(&sf_fmt32, OP_MUL, e, a, b);
}

uint32_t sf32_div(struct sf_env *e, uint32_t a, uint32_t b)
{
	uint32_t r;

	return fast_div32(e, a, b, &r) ? r : (uint32_t)slow2(&sf_fmt32, OP_DIV, e, a, b);
}

uint64_t sf64_add(struct sf_env *e, uint64_t a, uint64_t b)
{
	uint64_t r;

	return fast_add64(e, a, b, &r) ? r : slow2(&sf_fmt64, OP_ADD, e, a, b);
}

uint64_t sf64_sub(struct sf_env *e, uint64_t a, uint64_t b)
{
	uint64_t r;

	return fast_add64(e, a, b ^ UINT64_C(1) << 63, &r) ? r : slow2(&sf_fmt64, OP_SUB, e, a, b);
}

uint64_t sf64_mul(struct sf_env *e, uint64_t a, uint64_t b)
{
	uint64_t r;

	return fast_mul64(e, a, b, &r) ? r : slow2(&sf_fmt64, OP_MUL, e, a, b);
}

uint64_t sf64_div(struct sf_env *e, uint64_t a, uint64_t b)
{
	uint64_t r;

	return fast_div64(e, a, b, &r) ? r : slow2(&sf_fmt64, OP_DIV, e, a, b);
}

uint32_t sf32_sqrt(struct sf_env *e, uint32_t a)
{
	float r;

	if (HOST_FAST && e->round == SF_NEAREST && normal32(a) && !(a >> 31)) {
		r = __builtin_sqrtf(to_float(a));
		if ((double)r * r != to_float(a))
			sf_flag(e, SF_PE);
		return of_float(r);
	}
	return (uint32_t)sqrt1(&sf_fmt32, e, a);
}

uint64_t sf64_sqrt(struct sf_env *e, uint64_t a)
{
	uint64_t r;

	if (HOST_FAST && e->round == SF_NEAREST && normal64(a) && !(a >> 63)) {
		r = of_double(__builtin_sqrt(to_double(a)));
		if (!same_mant((sf_u128)mant64(r) * mant64(r), mant64(a), 52))
			sf_flag(e, SF_PE);
		return r;
	}
	return sqrt1(&sf_fmt64, e, a);
}

/* ---- fused multiply-add ---- */

static bool nan3(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t b, uint64_t c, uint64_t *r)
{
	if (__builtin_expect(!sf_is_nan(f, a) && !sf_is_nan(f, b) && !sf_is_nan(f, c), 1))
		return false;
	if (sf_is_snan(f, a) || sf_is_snan(f, b) || sf_is_snan(f, c))
		sf_flag(e, SF_IE);
	*r = (sf_is_nan(f, a) ? a : sf_is_nan(f, b) ? b : c) | sf_quiet_bit(f);
	return true;
}

static inline uint64_t fma3(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t b, uint64_t c,
			    unsigned neg)
{
	struct sf_num x, y, z, p;
	uint64_t nan;
	bool denormal;

	if (nan3(f, e, a, b, c, &nan))
		return nan;
	x = sf_unpack(f, a, e->daz);
	y = sf_unpack(f, b, e->daz);
	z = sf_unpack(f, c, e->daz);
	denormal = x.denormal || y.denormal || z.denormal;
	p = sfn_mul(e, x, y);
	if (p.cls != SFC_NAN) {
		p.sign ^= (neg & SF_NEG_PRODUCT) != 0;
		z.sign ^= (neg & SF_NEG_ADDEND) != 0;
		p = sfn_add(e, p, z);
	}
	return finish(f, e, p, denormal);
}

uint32_t sf32_fma(struct sf_env *e, uint32_t a, uint32_t b, uint32_t c, unsigned neg)
{
	return (uint32_t)fma3(&sf_fmt32, e, a, b, c, neg);
}

uint64_t sf64_fma(struct sf_env *e, uint64_t a, uint64_t b, uint64_t c, unsigned neg)
{
	return fma3(&sf_fmt64, e, a, b, c, neg);
}

/* ---- round to integral ---- */

static inline uint64_t rint1(const struct sf_fmt *f, struct sf_env *e, uint64_t a, unsigned how)
{
	struct sf_num x, r;
	struct sf_int i;
	uint64_t nan;

	if (nan1(f, e, a, &nan))
		return nan;
	x = sf_unpack(f, a, e->daz);
	if (x.cls == SFC_ZERO)
		return a & sf_sign_bit(f);
	if (x.cls == SFC_INF || x.exp >= (int32_t)sf_frac_bits(f))
		return a;
	i = sfn_to_int(&x, sf_how_round(e, how));
	if (i.inexact && !(how & SF_NO_PE))
		sf_flag(e, SF_PE);
	r = sfn_from_u64(i.v, x.sign);
	return sf_pack(f, e, &r);
}

uint32_t sf32_rint(struct sf_env *e, uint32_t a, unsigned how)
{
	return (uint32_t)rint1(&sf_fmt32, e, a, how);
}

uint64_t sf64_rint(struct sf_env *e, uint64_t a, unsigned how)
{
	return rint1(&sf_fmt64, e, a, how);
}

/* ---- compare, minimum, maximum ---- */

static inline enum sf_order cmp2(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t b, enum sf_nan nan)
{
	struct sf_num x, y;

	if (sf_is_nan(f, a) || sf_is_nan(f, b)) {
		if (nan == SF_SIGNAL || sf_is_snan(f, a) || sf_is_snan(f, b))
			sf_flag(e, SF_IE);
		return SF_UNORDERED;
	}
	x = sf_unpack(f, a, e->daz);
	y = sf_unpack(f, b, e->daz);
	if (x.denormal || y.denormal)
		sf_flag(e, SF_DE);
	return sfn_cmp(&x, &y);
}

/* The operand that @want tells, as a result: denormals are zero under DAZ. */
static inline uint64_t pick(const struct sf_fmt *f, struct sf_env *e, uint64_t a, uint64_t b, enum sf_order want)
{
	uint64_t r = cmp2(f, e, a, b, SF_SIGNAL) == want ? a : b;

	return e->daz && sf_is_denormal(f, r) ? r & sf_sign_bit(f) : r;
}

enum sf_order sf32_cmp(struct sf_env *e, uint32_t a, uint32_t b, enum sf_nan nan)
{
	return cmp2(&sf_fmt32, e, a, b, nan);
}

enum sf_order sf64_cmp(struct sf_env *e, uint64_t a, uint64_t b, enum sf_nan nan)
{
	return cmp2(&sf_fmt64, e, a, b, nan);
}

uint32_t sf32_min(struct sf_env *e, uint32_t a, uint32_t b) { return (uint32_t)pick(&sf_fmt32, e, a, b, SF_LT); }
uint32_t sf32_max(struct sf_env *e, uint32_t a, uint32_t b) { return (uint32_t)pick(&sf_fmt32, e, a, b, SF_GT); }
uint64_t sf64_min(struct sf_env *e, uint64_t a, uint64_t b) { return pick(&sf_fmt64, e, a, b, SF_LT); }
uint64_t sf64_max(struct sf_env *e, uint64_t a, uint64_t b) { return pick(&sf_fmt64, e, a, b, SF_GT); }

/* ---- between the formats ---- */

/* A NaN keeps the upper bits of its payload and becomes quiet. */
static inline uint64_t convert_nan(const struct sf_fmt *from, const struct sf_fmt *to, struct sf_env *e, uint64_t a)
{
	uint64_t frac = (a & ((UINT64_C(1) << sf_frac_bits(from)) - 1)) << (64 - sf_frac_bits(from));

	if (sf_is_snan(from, a))
		sf_flag(e, SF_IE);
	return (a & sf_sign_bit(from) ? sf_sign_bit(to) : 0) | sf_inf_bits(to) | sf_quiet_bit(to) |
	       frac >> (64 - sf_frac_bits(to));
}

static inline uint64_t convert(const struct sf_fmt *from, const struct sf_fmt *to, struct sf_env *e, uint64_t a)
{
	struct sf_num x;

	if (sf_is_nan(from, a))
		return convert_nan(from, to, e, a);
	x = sf_unpack(from, a, e->daz);
	return finish(to, e, x, x.denormal);
}

uint64_t sf32_to_f64(struct sf_env *e, uint32_t a)
{
	if (HOST_FAST && normal32(a))
		return of_double(to_float(a));
	return convert(&sf_fmt32, &sf_fmt64, e, a);
}

uint32_t sf64_to_f32(struct sf_env *e, uint64_t a)
{
	return (uint32_t)convert(&sf_fmt64, &sf_fmt32, e, a);
}

uint32_t sf16_to_f32(struct sf_env *e, uint16_t a)
{
	struct sf_num x;

	if (sf_is_nan(&sf_fmt16, a))
		return (uint32_t)convert_nan(&sf_fmt16, &sf_fmt32, e, a);
	x = sf_unpack(&sf_fmt16, a, false);
	return (uint32_t)sf_pack(&sf_fmt32, e, &x);
}

uint16_t sf32_to_f16(struct sf_env *e, uint32_t a)
{
	bool ftz = e->ftz;
	uint16_t r;

	e->ftz = false;
	r = (uint16_t)convert(&sf_fmt32, &sf_fmt16, e, a);
	e->ftz = ftz;
	return r;
}

/* ---- integers ---- */

static inline int64_t to_int(const struct sf_fmt *f, struct sf_env *e, uint64_t a, unsigned bits, unsigned how)
{
	struct sf_num x = { .cls = SFC_NAN };

	if (!sf_is_nan(f, a))
		x = sf_unpack(f, a, e->daz);
	return sfn_to_signed(e, &x, bits, how);
}

static inline uint64_t from_int(const struct sf_fmt *f, struct sf_env *e, int64_t v)
{
	struct sf_num x = sfn_from_u64(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);

	return sf_pack(f, e, &x);
}

int32_t sf32_to_i32(struct sf_env *e, uint32_t a, unsigned how) { return (int32_t)to_int(&sf_fmt32, e, a, 32, how); }
int64_t sf32_to_i64(struct sf_env *e, uint32_t a, unsigned how) { return to_int(&sf_fmt32, e, a, 64, how); }
int32_t sf64_to_i32(struct sf_env *e, uint64_t a, unsigned how) { return (int32_t)to_int(&sf_fmt64, e, a, 32, how); }
int64_t sf64_to_i64(struct sf_env *e, uint64_t a, unsigned how) { return to_int(&sf_fmt64, e, a, 64, how); }

uint32_t sf32_from_i32(struct sf_env *e, int32_t v) { return (uint32_t)from_int(&sf_fmt32, e, v); }
uint32_t sf32_from_i64(struct sf_env *e, int64_t v) { return (uint32_t)from_int(&sf_fmt32, e, v); }
uint64_t sf64_from_i32(struct sf_env *e, int32_t v) { return from_int(&sf_fmt64, e, v); }
uint64_t sf64_from_i64(struct sf_env *e, int64_t v) { return from_int(&sf_fmt64, e, v); }
