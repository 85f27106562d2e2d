/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87: handlers of the functions in target/i386/x87-math.c.
 */
#include "x87.h"

typedef struct x86_f80 (*fn2)(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);

/* ST(1) = fn(ST(1), ST(0)), pop. */
static const struct uop *two_to_one(struct x86_cpu *c, const struct uop *u, fn2 fn)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 r = X87_NAN;

	x87_track(c, u);
	if (x87_empty(f, 0) || x87_empty(f, 1)) {
		if (!x87_stack_fault(f, X87_UNDERFLOW))
			return NEXT(u);
	} else {
		r = fn(&e, *x87_st(f, 1), *x87_st(f, 0));
		if (!x87_commit_env(f, &e))
			return NEXT(u);
	}
	x87_put(f, 1, r);
	x87_pop(f);
	return NEXT(u);
}

OP(fyl2x) { return two_to_one(c, u, x87_fyl2x); }
OP(fyl2xp1) { return two_to_one(c, u, x87_fyl2xp1); }
OP(fpatan) { return two_to_one(c, u, x87_fpatan); }

OP(fscale)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 r;

	x87_track(c, u);
	if (x87_empty(f, 0) || x87_empty(f, 1)) {
		if (x87_stack_fault(f, X87_UNDERFLOW))
			x87_put(f, 0, X87_NAN);
		return NEXT(u);
	}
	r = x87_fscale(&e, *x87_st(f, 0), *x87_st(f, 1));
	if (x87_commit_env(f, &e))
		x87_put(f, 0, r);
	return NEXT(u);
}

/* Quotient bits 2, 1, 0 go to C0, C3, C1. */
static void set_quotient(struct x86_fpu *f, unsigned q, bool partial)
{
	f->fsw = (uint16_t)((f->fsw & ~FSW_CC) | (q & 4 ? FSW_C0 : 0) | (q & 2 ? FSW_C3 : 0) |
			    (q & 1 ? FSW_C1 : 0) | (partial ? FSW_C2 : 0));
}

static const struct uop *prem(struct x86_cpu *c, const struct uop *u, enum x87_prem how)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 r;
	unsigned q = 0;
	bool partial = false;

	x87_track(c, u);
	f->fsw &= (uint16_t)~FSW_C2;
	if (x87_empty(f, 0) || x87_empty(f, 1)) {
		if (x87_stack_fault(f, X87_UNDERFLOW))
			x87_put(f, 0, X87_NAN);
		return NEXT(u);
	}
	r = x87_fprem(&e, *x87_st(f, 0), *x87_st(f, 1), how, &q, &partial);
	if (x87_commit_env(f, &e)) {
		/* With a NaN for its result it leaves C0 and C3 alone. */
		if ((r.se & 0x7fff) != 0x7fff)
			set_quotient(f, q, partial);
		x87_put(f, 0, r);
	}
	return NEXT(u);
}

OP(fprem) { return prem(c, u, X87_FPREM); }
OP(fprem1) { return prem(c, u, X87_FPREM1); }

static const struct uop *trig(struct x86_cpu *c, const struct uop *u,
			      bool (*fn)(struct sf_env *, struct x86_f80, struct x86_f80 *))
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 r;

	x87_track(c, u);
	f->fsw &= (uint16_t)~FSW_C2;
	if (x87_empty(f, 0)) {
		if (x87_stack_fault(f, X87_UNDERFLOW))
			x87_put(f, 0, X87_NAN);
	} else if (!fn(&e, *x87_st(f, 0), &r)) {
		f->fsw |= FSW_C2;
		f->fsw &= (uint16_t)~FSW_C1;
	} else if (x87_commit_env(f, &e)) {
		x87_put(f, 0, r);
	}
	return NEXT(u);
}

OP(fsin) { return trig(c, u, x87_fsin); }
OP(fcos) { return trig(c, u, x87_fcos); }

/* Both results are default NaNs after a masked stack fault. */
static void two_nans(struct x86_fpu *f, enum x87_stack_fault which)
{
	if (!x87_stack_fault(f, which))
		return;
	x87_put(f, 0, X87_NAN);
	x87_push(f, X87_NAN);
}

/* Where one operand becomes two: false after a stack fault. */
static bool room_for_two(struct x86_fpu *f)
{
	if (x87_empty(f, 0))
		two_nans(f, X87_UNDERFLOW);
	else if (!x87_empty(f, 7))
		two_nans(f, X87_OVERFLOW);
	else
		return true;
	return false;
}

OP(fsincos)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 s, k;

	x87_track(c, u);
	f->fsw &= (uint16_t)~FSW_C2;
	if (!room_for_two(f))
		return NEXT(u);
	if (!x87_fsin(&e, *x87_st(f, 0), &s) || !x87_fcos(&e, *x87_st(f, 0), &k)) {
		f->fsw |= FSW_C2;
		f->fsw &= (uint16_t)~FSW_C1;
	} else if (x87_commit_env(f, &e)) {
		x87_put(f, 0, s);
		x87_push(f, k);
	}
	return NEXT(u);
}

OP(fptan)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 t;

	x87_track(c, u);
	f->fsw &= (uint16_t)~FSW_C2;
	if (!room_for_two(f))
		return NEXT(u);
	if (!x87_fptan(&e, *x87_st(f, 0), &t)) {
		f->fsw |= FSW_C2;
		f->fsw &= (uint16_t)~FSW_C1;
	} else if (x87_commit_env(f, &e)) {
		x87_put(f, 0, t);
		/* A NaN is pushed again rather than 1. */
		x87_push(f, (t.se & 0x7fff) == 0x7fff && t.frac << 1 ? t : (struct x86_f80){ UINT64_C(1) << 63, 0x3fff });
	}
	return NEXT(u);
}

OP(fxtract)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 exponent, s;

	x87_track(c, u);
	if (!room_for_two(f))
		return NEXT(u);
	s = x87_fxtract(&e, *x87_st(f, 0), &exponent);
	if (x87_commit_env(f, &e)) {
		x87_put(f, 0, exponent);
		x87_push(f, s);
	}
	return NEXT(u);
}
