/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87: loads, stores, arithmetic, comparisons.  Control and environment are in
 * op-x87-env.c, transcendental functions in op-x87-math.c.
 *
 * Handlers whose rows differ in modrm.reg only take the operation from there,
 * in the order of D8: add, mul, com, comp, sub, subr, div, divr.
 */
#include "x87.h"

static unsigned reg_field(const struct uop *u) { return u->modrm >> 3 & 7; }
static unsigned rm_field(const struct uop *u) { return u->modrm & 7; }

static uint64_t load_mem(struct x86_cpu *c, const struct uop *u, unsigned size)
{
	return mem_get(c, uop_lin(c, u, size, X86_READ), size);
}

/* ---- comparisons ---- */

static void set_order(struct x86_fpu *f, enum sf_order o)
{
	uint16_t cc = 0;

	if (o == SF_LT)
		cc = FSW_C0;
	else if (o == SF_EQ)
		cc = FSW_C3;
	else if (o == SF_UNORDERED)
		cc = FSW_C0 | FSW_C2 | FSW_C3;
	f->fsw = (uint16_t)((f->fsw & ~FSW_CC) | cc);
}

/* Compares into C3, C2, C0 even if an exception is not masked; that only stops the @pops. */
static void compare(struct x86_fpu *f, struct sf_env *e, struct x86_f80 a, struct x86_f80 b, enum sf_nan nan,
		    unsigned pops)
{
	enum sf_order o = sf80_cmp(e, a, b, nan);

	bool go_on;

	e->rounded_up = false;
	go_on = x87_commit_env(f, e);
	set_order(f, o);
	while (go_on && pops--)
		x87_pop(f);
}

static void compare_empty(struct x86_fpu *f, unsigned pops)
{
	bool go_on = x87_stack_fault(f, X87_UNDERFLOW);

	set_order(f, SF_UNORDERED);
	while (go_on && pops--)
		x87_pop(f);
}

static void compare_st(struct x86_fpu *f, unsigned i, enum sf_nan nan, unsigned pops)
{
	struct sf_env e = sf_env_fcw(f->fcw);

	if (x87_empty(f, 0) || x87_empty(f, i))
		compare_empty(f, pops);
	else
		compare(f, &e, *x87_st(f, 0), *x87_st(f, i), nan, pops);
}

OP(fcompp)
{
	x87_track(c, u);
	compare_st(&c->fpu, 1, SF_SIGNAL, 2);
	return NEXT(u);
}

OP(fucompp)
{
	x87_track(c, u);
	compare_st(&c->fpu, 1, SF_QUIET, 2);
	return NEXT(u);
}

/* FUCOM, FUCOMP (DD /4, /5) */
OP(fucom)
{
	x87_track(c, u);
	compare_st(&c->fpu, rm_field(u), SF_QUIET, reg_field(u) & 1);
	return NEXT(u);
}

OP(ftst)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);

	x87_track(c, u);
	if (x87_empty(f, 0))
		compare_empty(f, 0);
	else
		compare(f, &e, *x87_st(f, 0), (struct x86_f80){ 0, 0 }, SF_SIGNAL, 0);
	return NEXT(u);
}

static uint32_t order_eflags(enum sf_order o)
{
	switch (o) {
	case SF_LT: return X86_CF;
	case SF_EQ: return X86_ZF;
	case SF_GT: return 0;
	default: return X86_CF | X86_PF | X86_ZF;
	}
}

/* FUCOMI (/5), FCOMI (/6); DF: and pop. */
OP(fcomi)
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	enum sf_order o = SF_UNORDERED;
	unsigned i = rm_field(u);
	bool done;

	x87_track(c, u);
	if (x87_empty(f, 0) || x87_empty(f, i)) {
		done = x87_stack_fault(f, X87_UNDERFLOW);
	} else {
		o = sf80_cmp(&e, *x87_st(f, 0), *x87_st(f, i), reg_field(u) == 5 ? SF_QUIET : SF_SIGNAL);
		x87_commit(f, e.flags, f->fsw & FSW_C1);
		done = !(e.flags & ~e.masks & X87_BEFORE);
	}
	x86_arith_set(c, order_eflags(o));
	if (done && u->opcode == 0xdf)
		x87_pop(f);
	return NEXT(u);
}

OP(fxam)
{
	struct x86_fpu *f = &c->fpu;
	struct x86_f80 v = *x87_st(f, 0);
	unsigned exp = v.se & 0x7fff;
	uint16_t cc;

	x87_track(c, u);
	if (x87_empty(f, 0))
		cc = FSW_C3 | FSW_C0;
	else if (exp == 0)
		cc = v.frac == 0 ? FSW_C3 : FSW_C3 | FSW_C2;
	else if (!(v.frac >> 63))
		cc = 0;
	else if (exp == 0x7fff)
		cc = v.frac << 1 == 0 ? FSW_C2 | FSW_C0 : FSW_C0;
	else
		cc = FSW_C2;
	f->fsw = (uint16_t)((f->fsw & ~FSW_CC) | cc | (v.se >> 15 ? FSW_C1 : 0));
	return NEXT(u);
}

/* ---- arithmetic ---- */

enum { AR_ADD, AR_MUL, AR_COM, AR_COMP, AR_SUB, AR_SUBR, AR_DIV, AR_DIVR };

static struct x86_f80 compute(struct sf_env *e, unsigned op, struct x86_f80 a, struct x86_f80 b)
{
	switch (op) {
	case AR_ADD: return sf80_add(e, a, b);
	case AR_MUL: return sf80_mul(e, a, b);
	case AR_SUB: return sf80_sub(e, a, b);
	case AR_SUBR: return sf80_sub(e, b, a);
	case AR_DIV: return sf80_div(e, a, b);
	default: return sf80_div(e, b, a);
	}
}

/* ST(dst) = ST(0) op @b; false if an unmasked exception left it alone. */
static bool arithmetic(struct x86_fpu *f, struct sf_env *e, unsigned op, unsigned dst, struct x86_f80 b)
{
	struct x86_f80 r = compute(e, op, *x87_st(f, 0), b);

	if (!x87_commit_env(f, e))
		return false;
	x87_put(f, dst, r);
	return true;
}

static bool arithmetic_st(struct x86_fpu *f, unsigned op, unsigned dst, unsigned i)
{
	struct sf_env e = sf_env_fcw(f->fcw);

	if (x87_empty(f, 0) || x87_empty(f, i)) {
		if (!x87_stack_fault(f, X87_UNDERFLOW))
			return false;
		x87_put(f, dst, X87_NAN);
		return true;
	}
	return arithmetic(f, &e, op, dst, *x87_st(f, i));
}

/* D8 (also DC and DE /2, /3): ST(0) op ST(i). */
OP(fpu_st0)
{
	unsigned op = reg_field(u);

	x87_track(c, u);
	if (op == AR_COM || op == AR_COMP)
		compare_st(&c->fpu, rm_field(u), SF_SIGNAL, op == AR_COMP || u->opcode == 0xde);
	else
		arithmetic_st(&c->fpu, op, 0, rm_field(u));
	return NEXT(u);
}

OP(fpu_sti)
{
	x87_track(c, u);
	arithmetic_st(&c->fpu, reg_field(u), rm_field(u), rm_field(u));
	return NEXT(u);
}

OP(fpu_sti_pop)
{
	x87_track(c, u);
	if (arithmetic_st(&c->fpu, reg_field(u), rm_field(u), rm_field(u)))
		x87_pop(&c->fpu);
	return NEXT(u);
}

static const struct uop *with_memory(struct x86_cpu *c, const struct uop *u, struct sf_env *e, struct x86_f80 b)
{
	struct x86_fpu *f = &c->fpu;
	unsigned op = reg_field(u);
	bool com = op == AR_COM || op == AR_COMP;

	x87_track_mem(c, u);
	if (!x87_empty(f, 0)) {
		if (com)
			compare(f, e, *x87_st(f, 0), b, SF_SIGNAL, op == AR_COMP);
		else
			arithmetic(f, e, op, 0, b);
	} else if (com) {
		compare_empty(f, op == AR_COMP);
	} else if (x87_stack_fault(f, X87_UNDERFLOW)) {
		x87_put(f, 0, X87_NAN);
	}
	return NEXT(u);
}

OP(fpu_m32)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return with_memory(c, u, &e, sf32_load(&e, (uint32_t)load_mem(c, u, 4)));
}

OP(fpu_m64)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return with_memory(c, u, &e, sf64_load(&e, load_mem(c, u, 8)));
}

OP(fpu_i16)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return with_memory(c, u, &e, sf80_from_i64((int16_t)load_mem(c, u, 2)));
}

OP(fpu_i32)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return with_memory(c, u, &e, sf80_from_i64((int32_t)load_mem(c, u, 4)));
}

/* ---- one operand in ST(0) ---- */

OP(fchs)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	if (!x87_empty(f, 0)) {
		x87_st(f, 0)->se ^= 0x8000;
		x87_commit(f, 0, false);
	} else if (x87_stack_fault(f, X87_UNDERFLOW)) {
		x87_put(f, 0, X87_NAN);
	}
	return NEXT(u);
}

OP(fabs)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	if (!x87_empty(f, 0)) {
		x87_st(f, 0)->se &= 0x7fff;
		x87_commit(f, 0, false);
	} else if (x87_stack_fault(f, X87_UNDERFLOW)) {
		x87_put(f, 0, X87_NAN);
	}
	return NEXT(u);
}

static const struct uop *unary(struct x86_cpu *c, const struct uop *u, struct x86_f80 (*fn)(struct sf_env *, struct x86_f80))
{
	struct x86_fpu *f = &c->fpu;
	struct sf_env e = sf_env_fcw(f->fcw);
	struct x86_f80 r;

	x87_track(c, u);
	if (!x87_empty(f, 0)) {
		r = fn(&e, *x87_st(f, 0));
		if (x87_commit_env(f, &e))
			x87_put(f, 0, r);
	} else if (x87_stack_fault(f, X87_UNDERFLOW)) {
		x87_put(f, 0, X87_NAN);
	}
	return NEXT(u);
}

static struct x86_f80 rint_env(struct sf_env *e, struct x86_f80 a) { return sf80_rint(e, a, SF_ENV); }

OP(fsqrt) { return unary(c, u, sf80_sqrt); }
OP(frndint) { return unary(c, u, rint_env); }
OP(f2xm1) { return unary(c, u, x87_f2xm1); }

/* ---- loads ---- */

/* @e has what the conversion raised. */
static const struct uop *load_env(struct x86_cpu *c, const struct uop *u, const struct sf_env *e, struct x86_f80 v)
{
	struct x86_fpu *f = &c->fpu;

	x87_track_mem(c, u);
	if (!x87_empty(f, 7)) {
		x87_load(f, v);
		return NEXT(u);
	}
	/* A denormal is loaded whether masked or not. */
	x87_commit(f, e->flags, false);
	if (!(e->flags & ~e->masks & SF_IE))
		x87_push(f, v);
	return NEXT(u);
}

OP(fld_m32)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return load_env(c, u, &e, sf32_to_f80(&e, (uint32_t)load_mem(c, u, 4)));
}

OP(fld_m64)
{
	struct sf_env e = sf_env_fcw(c->fpu.fcw);

	return load_env(c, u, &e, sf64_to_f80(&e, load_mem(c, u, 8)));
}

static const struct uop *load_plain(struct x86_cpu *c, const struct uop *u, struct x86_f80 v)
{
	struct sf_env e = { .masks = SF_ALL };

	return load_env(c, u, &e, v);
}

OP(fld_m80)
{
	struct x86_f80 v;
	uint8_t b[10];

	x86_read(c, x87_lin80(c, u, X86_READ), b, 10);
	memcpy(&v.frac, b, 8);
	memcpy(&v.se, b + 8, 2);
	return load_plain(c, u, v);
}

OP(fild_m16) { return load_plain(c, u, sf80_from_i64((int16_t)load_mem(c, u, 2))); }
OP(fild_m32) { return load_plain(c, u, sf80_from_i64((int32_t)load_mem(c, u, 4))); }
OP(fild_m64) { return load_plain(c, u, sf80_from_i64((int64_t)load_mem(c, u, 8))); }

/* Digits beyond 9 are taken at their face value, as processors do. */
OP(fbld)
{
	uint8_t b[10];
	struct x86_f80 r;
	uint64_t v = 0;

	x86_read(c, x87_lin80(c, u, X86_READ), b, 10);
	for (int i = 8; i >= 0; i--)
		v = v * 100 + (b[i] >> 4) * 10u + (b[i] & 15);
	r = sf80_from_i64((int64_t)v);
	r.se |= (uint16_t)((b[9] & 0x80) << 8);
	return load_plain(c, u, r);
}

OP(fld_sti)
{
	struct x86_fpu *f = &c->fpu;
	unsigned i = rm_field(u);

	x87_track(c, u);
	if (x87_empty(f, i)) {
		if (x87_stack_fault(f, X87_UNDERFLOW))
			x87_push(f, X87_NAN);
	} else if (!x87_empty(f, 7)) {
		x87_load(f, X87_NAN);
	} else {
		x87_commit(f, 0, false);
		x87_push(f, *x87_st(f, i));
	}
	return NEXT(u);
}

OP(fld_const)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	if (x87_empty(f, 7))
		x87_commit(f, 0, false);
	x87_load(f, x87_constant(rm_field(u), f->fcw >> 10 & 3));
	return NEXT(u);
}

/* ---- stores ---- */

enum store { STORE, STORE_POP };

static bool pops(const struct uop *u)
{
	return reg_field(u) & 1;
}

/* Flags of a store: those of the conversion, or stack underflow. */
static struct sf_env store_env(const struct x86_fpu *f)
{
	struct sf_env e = sf_env_fcw(f->fcw);

	if (x87_empty(f, 0))
		e.flags = SF_IE | FSW_SF;
	return e;
}

/*
 * Stores @n bytes at @v, unless an exception of @e that is not masked forbids;
 * inexact alone does not.
 */
static const struct uop *store(struct x86_cpu *c, const struct uop *u, const struct sf_env *e, const void *v, unsigned n,
			       enum store how)
{
	struct x86_fpu *f = &c->fpu;
	bool stopped = e->flags & ~e->masks & (SF_IE | SF_OE | SF_UE);
	uint64_t lin = n == 10 ? x87_lin80(c, u, X86_WRITE) : uop_lin(c, u, n, X86_WRITE), small = 0;

	/* Memory is checked even if nothing will be stored: hosts fault first. */
	if (stopped) {
		x86_probe_write(c, lin, n);
	} else if (n <= 8) {
		memcpy(&small, v, n);
		mem_set(c, lin, n, small);
	} else {
		x86_write(c, lin, v, n);
	}
	x87_track_mem(c, u);
	x87_commit(f, e->flags, e->rounded_up && !(e->flags & SF_IE));
	if (!stopped && how == STORE_POP)
		x87_pop(f);
	return NEXT(u);
}

OP(fst_m32)
{
	struct sf_env e = store_env(&c->fpu);
	uint32_t v = x87_empty(&c->fpu, 0) ? 0xffc00000 : sf80_to_f32(&e, *x87_st(&c->fpu, 0));

	return store(c, u, &e, &v, 4, pops(u) ? STORE_POP : STORE);
}

OP(fst_m64)
{
	struct sf_env e = store_env(&c->fpu);
	uint64_t v = x87_empty(&c->fpu, 0) ? UINT64_C(0xfff8) << 48 : sf80_to_f64(&e, *x87_st(&c->fpu, 0));

	return store(c, u, &e, &v, 8, pops(u) ? STORE_POP : STORE);
}

OP(fstp_m80)
{
	struct sf_env e = store_env(&c->fpu);
	struct x86_f80 v = x87_empty(&c->fpu, 0) ? X87_NAN : *x87_st(&c->fpu, 0);
	uint8_t b[10];

	memcpy(b, &v.frac, 8);
	memcpy(b + 8, &v.se, 2);
	return store(c, u, &e, b, 10, STORE_POP);
}

static int16_t to_i16(struct x86_fpu *f, struct sf_env *e, unsigned how)
{
	return x87_empty(f, 0) ? INT16_MIN : sf80_to_i16(e, *x87_st(f, 0), how);
}
static int32_t to_i32(struct x86_fpu *f, struct sf_env *e, unsigned how)
{
	return x87_empty(f, 0) ? INT32_MIN : sf80_to_i32(e, *x87_st(f, 0), how);
}
static int64_t to_i64(struct x86_fpu *f, struct sf_env *e, unsigned how)
{
	return x87_empty(f, 0) ? INT64_MIN : sf80_to_i64(e, *x87_st(f, 0), how);
}

OP(fist_m16)
{
	struct sf_env e = store_env(&c->fpu);
	int16_t v = to_i16(&c->fpu, &e, SF_ENV);

	return store(c, u, &e, &v, 2, pops(u) ? STORE_POP : STORE);
}

OP(fist_m32)
{
	struct sf_env e = store_env(&c->fpu);
	int32_t v = to_i32(&c->fpu, &e, SF_ENV);

	return store(c, u, &e, &v, 4, pops(u) ? STORE_POP : STORE);
}

OP(fistp_m64)
{
	struct sf_env e = store_env(&c->fpu);
	int64_t v = to_i64(&c->fpu, &e, SF_ENV);

	return store(c, u, &e, &v, 8, STORE_POP);
}

OP(fisttp_m16)
{
	struct sf_env e = store_env(&c->fpu);
	int16_t v = to_i16(&c->fpu, &e, SF_TRUNC);

	return store(c, u, &e, &v, 2, STORE_POP);
}

OP(fisttp_m32)
{
	struct sf_env e = store_env(&c->fpu);
	int32_t v = to_i32(&c->fpu, &e, SF_TRUNC);

	return store(c, u, &e, &v, 4, STORE_POP);
}

OP(fisttp_m64)
{
	struct sf_env e = store_env(&c->fpu);
	int64_t v = to_i64(&c->fpu, &e, SF_TRUNC);

	return store(c, u, &e, &v, 8, STORE_POP);
}

/* 18 packed digits and a sign byte; false if they are not enough. */
static bool to_bcd(struct sf_env *e, struct x86_f80 a, uint8_t b[10])
{
	struct sf_env t = *e;
	int64_t v = sf80_to_i64(&t, a, SF_ENV);
	uint64_t m = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	if (t.flags & SF_IE || m >= UINT64_C(1000000000000000000))
		return false;
	for (unsigned i = 0; i < 9; i++, m /= 100)
		b[i] = (uint8_t)(m / 10 % 10 << 4 | m % 10);
	b[9] = a.se >> 15 ? 0x80 : 0;
	*e = t;
	return true;
}

OP(fbstp)
{
	static const uint8_t indefinite[10] = { 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff };
	struct sf_env e = store_env(&c->fpu);
	uint8_t b[10];

	if (x87_empty(&c->fpu, 0) || !to_bcd(&e, *x87_st(&c->fpu, 0), b)) {
		e.flags |= SF_IE;
		memcpy(b, indefinite, sizeof b);
	}
	return store(c, u, &e, b, 10, STORE_POP);
}

/* FST, FSTP ST(i) */
OP(fst_sti)
{
	struct x86_fpu *f = &c->fpu;
	struct x86_f80 v = *x87_st(f, 0);

	x87_track(c, u);
	if (!x87_empty(f, 0)) {
		x87_commit(f, 0, false);
	} else {
		if (!x87_stack_fault(f, X87_UNDERFLOW))
			return NEXT(u);
		v = X87_NAN;
	}
	x87_put(f, rm_field(u), v);
	if (pops(u) || u->opcode == 0xdf)
		x87_pop(f);
	return NEXT(u);
}

/* D9 D8+i: as FSTP, but an empty ST(0) is just popped. */
OP(fstp1)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	x87_commit(f, 0, false);
	if (!x87_empty(f, 0))
		x87_put(f, rm_field(u), *x87_st(f, 0));
	x87_pop(f);
	return NEXT(u);
}

OP(fxch)
{
	struct x86_fpu *f = &c->fpu;
	unsigned i = rm_field(u);
	struct x86_f80 a = *x87_st(f, 0), b = *x87_st(f, i);

	x87_track(c, u);
	if (x87_empty(f, 0) || x87_empty(f, i)) {
		if (!x87_stack_fault(f, X87_UNDERFLOW))
			return NEXT(u);
		a = x87_empty(f, 0) ? X87_NAN : a;
		b = x87_empty(f, i) ? X87_NAN : b;
	} else {
		x87_commit(f, 0, false);
	}
	x87_put(f, 0, b);
	x87_put(f, i, a);
	return NEXT(u);
}

/* modrm.reg: B, E, BE, U */
static bool fcmov_condition(struct x86_cpu *c, const struct uop *u)
{
	switch (reg_field(u)) {
	case 0: return x86_cf(c);
	case 1: return x86_zf(c);
	case 2: return x86_cf(c) || x86_zf(c);
	default: return x86_pf(c);
	}
}

static const struct uop *fcmov(struct x86_cpu *c, const struct uop *u, bool move)
{
	struct x86_fpu *f = &c->fpu;
	unsigned i = rm_field(u);

	x87_track(c, u);
	if (x87_empty(f, 0) || x87_empty(f, i)) {
		if (x87_stack_fault(f, X87_UNDERFLOW))
			x87_put(f, 0, X87_NAN);
	} else if (move) {
		x87_put(f, 0, *x87_st(f, i));
	}
	return NEXT(u);
}

OP(fcmov) { return fcmov(c, u, fcmov_condition(c, u)); }
OP(fcmovn) { return fcmov(c, u, !fcmov_condition(c, u)); }
