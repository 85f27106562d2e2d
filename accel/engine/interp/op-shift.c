/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shifts and rotates.
 */
#include "alu.h"

enum shift { ROL, ROR, RCL, RCR, SHL, SHR, SAR };

static ALWAYS_INLINE unsigned shift_count(uint64_t count, unsigned bits)
{
	return count & (bits == 64 ? 63 : 31);
}

static ALWAYS_INLINE bool top(uint64_t v, unsigned bits) { return v >> (bits - 1) & 1; }
static ALWAYS_INLINE bool top_two_differ(uint64_t v, unsigned bits)
{
	return top(v, bits) != (v >> (bits - 2) & 1);
}

/* @n is 1 to 63 (31); @a zero-extended.  Flags of results with more than one step: as processors do. */
static ALWAYS_INLINE uint64_t shift(enum shift op, unsigned bits, uint64_t a, unsigned n, struct fl *f)
{
	uint64_t r;
	bool cf, of;

	switch (op) {
	case SHL:
		r = zext(a << n, bits);
		cf = n <= bits && (a >> (bits - n) & 1);
		of = top(r, bits) != cf;
		break;
	case SHR:
		r = a >> n;
		cf = a >> (n - 1) & 1;
		of = top_two_differ(r, bits);
		break;
	default:
		r = zext((uint64_t)((int64_t)sext(a, bits) >> n), bits);
		cf = (int64_t)sext(a, bits) >> (n - 1) & 1;
		of = false;
		break;
	}
	f->res = sext(r, bits);
	f->aux = (cf ? FLA_CF : 0) | (cf != of ? FLA_PO : 0);
	return r;
}

/* Rotates by @n from 1; CF and OF only. */
static uint64_t rotate(enum shift op, unsigned bits, uint64_t a, unsigned n, bool *cf, bool *of)
{
	unsigned m = n % bits;
	uint64_t r;

	if (op == ROL) {
		r = m ? zext(a << m | a >> (bits - m), bits) : a;
		*cf = r & 1;
		*of = top(r, bits) != *cf;
	} else {
		r = m ? zext(a >> m | a << (bits - m), bits) : a;
		*cf = top(r, bits);
		*of = top_two_differ(r, bits);
	}
	return r;
}

/* Rotates through carry: @n is 0 to bits. */
static uint64_t rotate_carry(enum shift op, unsigned bits, uint64_t a, unsigned n, bool *cf, bool *of)
{
	unsigned __int128 v = (unsigned __int128)*cf << bits | a;

	if (n) {
		if (op == RCR)
			n = bits + 1 - n;
		v = v << n | v >> (bits + 1 - n);
	}
	*cf = v >> bits & 1;
	a = zext((uint64_t)v, bits);
	*of = op == RCL ? top(a, bits) != *cf : top_two_differ(a, bits);
	return a;
}

struct shifted {
	struct fl f;      /* shifts */
	bool cf, of;      /* rotates */
};

static ALWAYS_INLINE uint64_t shift_any(struct x86_cpu *c, enum shift op, unsigned bits, uint64_t a,
					unsigned n, struct shifted *s)
{
	switch (op) {
	case ROL:
	case ROR:
		return rotate(op, bits, a, n, &s->cf, &s->of);
	case RCL:
	case RCR:
		s->cf = x86_cf(c);
		return rotate_carry(op, bits, a, n % (bits + 1), &s->cf, &s->of);
	default:
		return shift(op, bits, a, n, &s->f);
	}
}

static ALWAYS_INLINE const struct uop *shift_general(struct x86_cpu *c, const struct uop *u, enum shift op)
{
	unsigned size = u->size[0], bits = size * 8;
	unsigned n = shift_count(op_get(c, u, 1), bits);
	struct shifted s = { 0 };
	uint64_t a;

	if (u->kind[0] == OPK_GPR) {
		a = gpr_get(c, u->reg[0], size);
		gpr_set(c, u->reg[0], size, n ? shift_any(c, op, bits, a, n, &s) : a);
	} else {
		RMW(c, uop_lin(c, u, size, X86_WRITE), size, false, a,
		    n ? shift_any(c, op, bits, a, n, &s) : a);
	}
	if (!n)
		return NEXT(u);
	if (op >= SHL)
		fl_commit(c, &s.f);
	else
		x86_set_cf_of(c, s.cf, s.of);
	return NEXT(u);
}

OP(rol) { return shift_general(c, u, ROL); }
OP(ror) { return shift_general(c, u, ROR); }
OP(rcl) { return shift_general(c, u, RCL); }
OP(rcr) { return shift_general(c, u, RCR); }
OP(shl) { return shift_general(c, u, SHL); }
OP(shr) { return shift_general(c, u, SHR); }
OP(sar) { return shift_general(c, u, SAR); }

/* ---- double shifts ----------------------------------------------------------- */

/*
 * 16-bit operands shifted by more than 16 (undefined by the manuals) take the
 * source's bits twice, as AMD processors do.
 */
static uint64_t shift_double(bool left, unsigned bits, uint64_t a, uint64_t b, unsigned n, struct fl *f)
{
	unsigned __int128 v;
	uint64_t r;
	bool cf, of;

	if (left) {
		v = (unsigned __int128)a << bits | b;
		if (bits == 16)
			v = v << 16 | b;
		r = zext((uint64_t)(v >> ((bits == 16 ? 48 : 2 * bits) - bits - n)), bits);
		cf = v >> ((bits == 16 ? 48 : 2 * bits) - n) & 1;
		of = top(r, bits) != cf;
	} else {
		v = (unsigned __int128)b << bits | a;
		if (bits == 16)
			v |= (unsigned __int128)b << 32;
		r = zext((uint64_t)(v >> n), bits);
		cf = v >> (n - 1) & 1;
		of = top_two_differ(r, bits);
	}
	f->res = sext(r, bits);
	f->aux = (cf ? FLA_CF : 0) | (cf != of ? FLA_PO : 0);
	return r;
}

static const struct uop *shift_double_op(struct x86_cpu *c, const struct uop *u, bool left)
{
	unsigned size = u->size[0], bits = size * 8, n = shift_count(op_get(c, u, 2), bits);
	uint64_t b = gpr_get(c, u->reg[1], size), a;
	struct fl f = { 0 };

	if (u->kind[0] == OPK_GPR) {
		a = gpr_get(c, u->reg[0], size);
		gpr_set(c, u->reg[0], size, n ? shift_double(left, bits, a, b, n, &f) : a);
	} else {
		RMW(c, uop_lin(c, u, size, X86_WRITE), size, false, a,
		    n ? shift_double(left, bits, a, b, n, &f) : a);
	}
	if (n)
		fl_commit(c, &f);
	return NEXT(u);
}

OP(shld) { return shift_double_op(c, u, true); }
OP(shrd) { return shift_double_op(c, u, false); }

/* ---- BMI2 ------------------------------------------------------------------------ */

/* op0 = op1 shifted by op2; no flags. */
OP(shlx)
{
	unsigned n = u->size[0];

	gpr_set(c, u->reg[0], n, op_get(c, u, 1) << shift_count(op_get(c, u, 2), n * 8));
	return NEXT(u);
}

OP(shrx)
{
	unsigned n = u->size[0];

	gpr_set(c, u->reg[0], n, op_get(c, u, 1) >> shift_count(op_get(c, u, 2), n * 8));
	return NEXT(u);
}

OP(sarx)
{
	unsigned n = u->size[0];
	int64_t a = (int64_t)sext(op_get(c, u, 1), n * 8);

	gpr_set(c, u->reg[0], n, (uint64_t)(a >> shift_count(op_get(c, u, 2), n * 8)));
	return NEXT(u);
}

OP(rorx)
{
	unsigned n = u->size[0], k = shift_count(u->imm, n * 8);
	uint64_t a = op_get(c, u, 1);

	gpr_set(c, u->reg[0], n, k ? a >> k | a << (n * 8 - k) : a);
	return NEXT(u);
}

/* ---- specialised: by a constant that is not 0, or by CL ----------------------------- */

#define SHIFT(name, op, bits)                                                                   \
	static const struct uop *name##bits##_ri(struct x86_cpu *c, const struct uop *u)        \
	{                                                                                       \
		struct fl f;                                                                    \
		uint64_t a = gpr_get(c, u->reg[0], bits / 8);                                   \
                                                                                                \
		gpr_set(c, u->reg[0], bits / 8,                                                 \
			shift(op, bits, a, shift_count(u->imm, bits), &f));                     \
		fl_commit(c, &f);                                                               \
		GO(c, u);                                                                       \
	}                                                                                       \
	static const struct uop *name##bits##_rc(struct x86_cpu *c, const struct uop *u)        \
	{                                                                                       \
		unsigned n = shift_count(c->gpr[X86_RCX], bits);                                \
		uint64_t a = gpr_get(c, u->reg[0], bits / 8);                                   \
		struct fl f;                                                                    \
                                                                                                \
		if (n) {                                                                        \
			a = shift(op, bits, a, n, &f);                                          \
			fl_commit(c, &f);                                                       \
		}                                                                               \
		gpr_set(c, u->reg[0], bits / 8, a);                                             \
		GO(c, u);                                                                       \
	}
SHIFT(shl, SHL, 32)
SHIFT(shl, SHL, 64)
SHIFT(shr, SHR, 32)
SHIFT(shr, SHR, 64)
SHIFT(sar, SAR, 32)
SHIFT(sar, SAR, 64)

uop_fn shift_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	bool wide = u->size[0] == 8, by_cl = u->kind[1] == OPK_GPR;

	if (u->kind[0] != OPK_GPR || u->size[0] < 4 || (!by_cl && !shift_count(u->imm, u->size[0] * 8)))
		return fn;
	if (u->kind[1] != OPK_GPR && u->kind[1] != OPK_IMM)
		return fn;
	if (fn == op_shl)
		return by_cl ? (wide ? shl64_rc : shl32_rc) : (wide ? shl64_ri : shl32_ri);
	if (fn == op_shr)
		return by_cl ? (wide ? shr64_rc : shr32_rc) : (wide ? shr64_ri : shr32_ri);
	if (fn == op_sar)
		return by_cl ? (wide ? sar64_rc : sar32_rc) : (wide ? sar64_ri : sar32_ri);
	return fn;
}
