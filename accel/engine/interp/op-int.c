/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One-operand arithmetic, multiplication, division, exchange-and-add family,
 * decimal adjustment, flags, and what does nothing.
 */
#include <stdlib.h>

#include "alu.h"

/* ---- one operand ------------------------------------------------------------ */

static ALWAYS_INLINE struct fl fl_sized(uint64_t r, uint64_t cv, unsigned n)
{
	return (struct fl){ sext(r, n * 8), ((uint32_t)(cv >> (n * 8 - 2)) << 30) | ((uint32_t)cv & FLA_AF) };
}

/* INC and DEC keep CF. */
static void fl_commit_but_cf(struct x86_cpu *c, const struct fl *f)
{
	bool cf = x86_cf(c);

	fl_commit(c, f);
	x86_set_cf_of(c, cf, x86_of(c));
}

static ALWAYS_INLINE uint64_t one_operand(int op, unsigned n, uint64_t a, struct fl *f)
{
	uint64_t r;

	switch (op) {
	case '+':
		r = a + 1;
		*f = fl_sized(r, x86_add_cv(a, 1, r), n);
		return r;
	case '-':
		r = a - 1;
		*f = fl_sized(r, x86_sub_cv(a, 1, r), n);
		return r;
	case 'n':
		r = 0 - a;
		*f = fl_sized(r, x86_sub_cv(0, a, r), n);
		return r;
	default:
		return ~a;
	}
}

static ALWAYS_INLINE void do_one(struct x86_cpu *c, const struct uop *u, int op, struct fl *f)
{
	unsigned n = u->size[0];
	uint64_t a;

	if (u->kind[0] == OPK_GPR)
		gpr_set(c, u->reg[0], n, one_operand(op, n, gpr_get(c, u->reg[0], n), f));
	else
		RMW(c, uop_lin(c, u, n, X86_WRITE), n, u->flags & UOP_LOCK, a, one_operand(op, n, a, f));
}

OP(inc)
{
	struct fl f;

	do_one(c, u, '+', &f);
	fl_commit_but_cf(c, &f);
	return NEXT(u);
}

OP(dec)
{
	struct fl f;

	do_one(c, u, '-', &f);
	fl_commit_but_cf(c, &f);
	return NEXT(u);
}

OP(neg)
{
	struct fl f;

	do_one(c, u, 'n', &f);
	fl_commit(c, &f);
	return NEXT(u);
}

OP(not)
{
	struct fl f;

	do_one(c, u, '~', &f);
	return NEXT(u);
}

/* Specialised: INC and DEC of a 32 or 64-bit register. */
#define STEP(name, op, bits)                                                                    \
	static const struct uop *name##bits##_r(struct x86_cpu *c, const struct uop *u)         \
	{                                                                                       \
		uint32_t cf = c->fl_aux & FLA_CF;                                               \
		struct fl f;                                                                    \
                                                                                                \
		gpr_set(c, u->reg[0], bits / 8,                                                 \
			one_operand(op, bits / 8, gpr_get(c, u->reg[0], bits / 8), &f));        \
		/* CF stays, and FLA_PO is OF against CF. */                                    \
		f.aux = (f.aux ^ (f.aux << 1)) >> 31 ? (f.aux & FLA_AF) | (cf ^ FLA_CF) >> 1    \
						     : (f.aux & FLA_AF) | cf >> 1;              \
		f.aux |= cf;                                                                    \
		fl_commit(c, &f);                                                               \
		GO(c, u);                                                                       \
	}
STEP(inc, '+', 32)
STEP(inc, '+', 64)
STEP(dec, '-', 32)
STEP(dec, '-', 64)

uop_fn step_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	bool wide = u->size[0] == 8;

	if (u->kind[0] != OPK_GPR || u->size[0] < 4)
		return fn;
	if (fn == op_inc)
		return wide ? inc64_r : inc32_r;
	if (fn == op_dec)
		return wide ? dec64_r : dec32_r;
	return fn;
}

/* ---- multiplication, division -------------------------------------------------- */

/* Flags of a product: CF and OF if the upper half counts, others by the lower half. */
static void fl_product(struct x86_cpu *c, uint64_t lo, unsigned n, bool over)
{
	x86_fl_logic(c, (int64_t)sext(lo, n * 8));
	x86_set_cf_of(c, over, over);
}

static void set_product(struct x86_cpu *c, unsigned n, uint64_t lo, uint64_t hi)
{
	if (n == 1) {
		*gpr16(c, X86_RAX * 8) = (uint16_t)((lo & 0xff) | hi << 8);
		return;
	}
	gpr_set(c, X86_RAX * 8, n, lo);
	gpr_set(c, X86_RDX * 8, n, hi);
}

OP(mul)
{
	unsigned n = u->size[0];
	unsigned __int128 r = (unsigned __int128)gpr_get(c, X86_RAX * 8, n) * op_get(c, u, 0);
	uint64_t lo = zext((uint64_t)r, n * 8), hi = (uint64_t)(r >> (n * 8));

	set_product(c, n, lo, hi);
	fl_product(c, lo, n, hi != 0);
	return NEXT(u);
}

OP(imul1)
{
	unsigned n = u->size[0];
	__int128 r = (__int128)(int64_t)sext(gpr_get(c, X86_RAX * 8, n), n * 8) *
		     (int64_t)sext(op_get(c, u, 0), n * 8);
	uint64_t lo = (uint64_t)r;

	set_product(c, n, zext(lo, n * 8), (uint64_t)(r >> (n * 8)));
	fl_product(c, lo, n, r != (int64_t)sext(lo, n * 8));
	return NEXT(u);
}

static const struct uop *imul(struct x86_cpu *c, const struct uop *u, uint64_t a, uint64_t b)
{
	unsigned n = u->size[0];
	__int128 r = (__int128)(int64_t)sext(a, n * 8) * (int64_t)sext(b, n * 8);

	gpr_set(c, u->reg[0], n, (uint64_t)r);
	fl_product(c, (uint64_t)r, n, r != (int64_t)sext((uint64_t)r, n * 8));
	return NEXT(u);
}

OP(imul2) { return imul(c, u, gpr_get(c, u->reg[0], u->size[0]), op_get(c, u, 1)); }
OP(imul3) { return imul(c, u, op_get(c, u, 1), op_get(c, u, 2)); }

OP(div)
{
	unsigned n = u->size[0], bits = n * 8;
	uint64_t d = op_get(c, u, 0);
	unsigned __int128 a, q;

	if (n == 1)
		a = *gpr16(c, X86_RAX * 8);
	else
		a = (unsigned __int128)gpr_get(c, X86_RDX * 8, n) << bits | gpr_get(c, X86_RAX * 8, n);
	if (!d)
		x86_raise(c, X86_DE);
	if (!(a >> 64)) {
		uint64_t q64 = (uint64_t)a / d;

		if (q64 != zext(q64, bits))
			x86_raise(c, X86_DE);
		set_product(c, n, q64, (uint64_t)a % d);
		return NEXT(u);
	}
	q = a / d;
	if (q >> bits)
		x86_raise(c, X86_DE);
	set_product(c, n, (uint64_t)q, (uint64_t)(a % d));
	return NEXT(u);
}

OP(idiv)
{
	unsigned n = u->size[0], bits = n * 8;
	int64_t d = (int64_t)sext(op_get(c, u, 0), bits);
	unsigned __int128 ua, ud, uq, ur;
	__int128 a;
	uint64_t q, r;

	if (n == 1)
		a = (int16_t)*gpr16(c, X86_RAX * 8);
	else if (n == 8)
		a = (__int128)((unsigned __int128)c->gpr[X86_RDX] << 64 | c->gpr[X86_RAX]);
	else
		a = (int64_t)sext(c->gpr[X86_RDX], bits) * ((int64_t)1 << bits) +
		    (int64_t)gpr_get(c, X86_RAX * 8, n);
	if (!d)
		x86_raise(c, X86_DE);
	/* By magnitude: the signed quotient may not fit where it is computed. */
	ua = a < 0 ? -(unsigned __int128)a : (unsigned __int128)a;
	ud = d < 0 ? -(unsigned __int128)(__int128)d : (unsigned __int128)d;
	uq = ua / ud;
	ur = ua % ud;
	if ((a < 0) != (d < 0) ? uq > (unsigned __int128)1 << (bits - 1) : uq >> (bits - 1))
		x86_raise(c, X86_DE);
	q = (a < 0) != (d < 0) ? -(uint64_t)uq : (uint64_t)uq;
	r = a < 0 ? -(uint64_t)ur : (uint64_t)ur;
	set_product(c, n, zext(q, bits), r);
	return NEXT(u);
}

/* MULX: op0 high, op1 low (op1 first, so that op0 wins if they are the same). */
OP(mulx)
{
	unsigned n = u->size[0];
	unsigned __int128 r = (unsigned __int128)gpr_get(c, X86_RDX * 8, n) * op_get(c, u, 2);

	gpr_set(c, u->reg[1], n, (uint64_t)r);
	gpr_set(c, u->reg[0], n, (uint64_t)(r >> (n * 8)));
	return NEXT(u);
}

/* ADCX and ADOX: an addition that knows CF or OF only. */
OP(adcx)
{
	unsigned n = u->size[0];
	uint64_t a = gpr_get(c, u->reg[0], n), b = op_get(c, u, 1), r = a + b + x86_cf(c);
	bool carry = x86_add_cv(a, b, r) >> (n * 8 - 1) & 1;

	gpr_set(c, u->reg[0], n, r);
	x86_set_cf(c, carry);
	return NEXT(u);
}

OP(adox)
{
	unsigned n = u->size[0];
	uint64_t a = gpr_get(c, u->reg[0], n), b = op_get(c, u, 1), r = a + b + x86_of(c);
	bool carry = x86_add_cv(a, b, r) >> (n * 8 - 1) & 1;

	gpr_set(c, u->reg[0], n, r);
	x86_set_cf_of(c, x86_cf(c), carry);
	return NEXT(u);
}

/* ---- exchanges --------------------------------------------------------------------- */

OP(xadd)
{
	unsigned n = u->size[0];
	uint64_t b = gpr_get(c, u->reg[1], n), a;
	struct fl f;

	if (u->kind[0] == OPK_GPR) {
		a = gpr_get(c, u->reg[0], n);
		gpr_set(c, u->reg[1], n, a);
		gpr_set(c, u->reg[0], n, a + b);
	} else {
		RMW(c, uop_lin(c, u, n, X86_WRITE), n, u->flags & UOP_LOCK, a, a + b);
		gpr_set(c, u->reg[1], n, a);
	}
	f = fl_sized(a + b, x86_add_cv(a, b, a + b), n);
	fl_commit(c, &f);
	return NEXT(u);
}

OP(cmpxchg)
{
	unsigned n = u->size[0];
	uint64_t acc = gpr_get(c, X86_RAX * 8, n), b = gpr_get(c, u->reg[1], n), a;
	struct fl f;

	if (u->kind[0] == OPK_GPR) {
		a = gpr_get(c, u->reg[0], n);
		if (a == acc)
			gpr_set(c, u->reg[0], n, b);
	} else {
		/* Writes even if unequal. */
		RMW(c, uop_lin(c, u, n, X86_WRITE), n, u->flags & UOP_LOCK, a, a == acc ? b : a);
	}
	if (a != acc)
		gpr_set(c, X86_RAX * 8, n, a);
	f = fl_sized(acc - a, x86_sub_cv(acc, a, acc - a), n);
	fl_commit(c, &f);
	return NEXT(u);
}

static void set_zf(struct x86_cpu *c, bool zf)
{
	uint32_t f = x86_arith_get(c);

	x86_arith_set(c, zf ? f | X86_ZF : f & ~X86_ZF);
}

OP(cmpxchg8b)
{
	uint64_t lin = uop_lin(c, u, 8, X86_WRITE);
	uint64_t acc = c->gpr[X86_RDX] << 32 | (uint32_t)c->gpr[X86_RAX];
	uint64_t v = c->gpr[X86_RCX] << 32 | (uint32_t)c->gpr[X86_RBX], a;

	RMW(c, lin, 8, u->flags & UOP_LOCK, a, a == acc ? v : a);
	set_zf(c, a == acc);
	if (a != acc) {
		c->gpr[X86_RDX] = a >> 32;
		c->gpr[X86_RAX] = (uint32_t)a;
	}
	return NEXT(u);
}

static bool host_has_cas16(void)
{
#ifdef __x86_64__
	return __builtin_cpu_supports("cmpxchg16b");
#else
	return false;
#endif
}

/* Compares and exchanges 16 bytes, v[] the new ones; acc[] becomes what was there.  True: was equal. */
#ifdef __x86_64__
__attribute__((target("cx16")))
static bool host_cas16(void *at, uint64_t acc[2], const uint64_t v[2])
{
	unsigned __int128 expected = (unsigned __int128)acc[1] << 64 | acc[0], old;

	old = __sync_val_compare_and_swap((unsigned __int128 *)at, expected, (unsigned __int128)v[1] << 64 | v[0]);
	acc[0] = (uint64_t)old;
	acc[1] = (uint64_t)(old >> 64);
	return old == expected;
}
#else
static bool host_cas16(void *at, uint64_t acc[2], const uint64_t v[2])
{
	abort();
}
#endif

/* The same where the host cannot, or not there: if @lock, the others wait. */
static bool slow_cas16(struct x86_cpu *c, uint64_t lin, uint64_t acc[2], const uint64_t v[2], bool lock)
{
	uint64_t lo, hi;
	bool equal;

	x86_probe_write(c, lin, 16);
	if (lock)
		exclusive_begin(c);
	lo = x86_ld64(c, lin);
	hi = x86_ld64(c, lin + 8);
	equal = lo == acc[0] && hi == acc[1];
	/* Writes even if unequal. */
	x86_st64(c, lin, equal ? v[0] : lo);
	x86_st64(c, lin + 8, equal ? v[1] : hi);
	if (lock)
		exclusive_end(c);
	acc[0] = lo;
	acc[1] = hi;
	return equal;
}

/* Aligned, so it lies in one page. */
OP(cmpxchg16b)
{
	uint64_t lin = uop_lin(c, u, 16, X86_WRITE);
	uint64_t acc[2] = { c->gpr[X86_RAX], c->gpr[X86_RDX] }, v[2] = { c->gpr[X86_RBX], c->gpr[X86_RCX] };
	void *at;
	bool equal;

	if (lin & 15)
		x86_raise_error(c, X86_GP, 0);
	at = host_has_cas16() ? x86_host_rw(c, lin, 16) : NULL;
	equal = at ? host_cas16(at, acc, v) : slow_cas16(c, lin, acc, v, u->flags & UOP_LOCK);
	set_zf(c, equal);
	c->gpr[X86_RAX] = acc[0];
	c->gpr[X86_RDX] = acc[1];
	return NEXT(u);
}

/* ---- flags -------------------------------------------------------------------------- */

OP(clc)
{
	x86_set_cf(c, false);
	return NEXT(u);
}

OP(stc)
{
	x86_set_cf(c, true);
	return NEXT(u);
}

OP(cmc)
{
	x86_set_cf(c, !x86_cf(c));
	return NEXT(u);
}

OP(cld)
{
	c->eflags &= ~X86_DF;
	return NEXT(u);
}

OP(std)
{
	c->eflags |= X86_DF;
	return NEXT(u);
}

OP(lahf)
{
	*gpr8(c, X86_RAX * 8 + 1) = (uint8_t)(x86_arith_get(c) & 0xd5) | 2;
	return NEXT(u);
}

OP(sahf)
{
	uint32_t ah = *gpr8(c, X86_RAX * 8 + 1);

	x86_arith_set(c, (ah & 0xd5) | (x86_of(c) ? X86_OF : 0));
	return NEXT(u);
}

OP(salc)
{
	*gpr8(c, X86_RAX * 8) = x86_cf(c) ? 0xff : 0;
	return NEXT(u);
}

/* ---- decimal ---------------------------------------------------------------------------- */

/* SF, ZF, PF by AL; CF and AF as told; OF 0. */
static void fl_decimal(struct x86_cpu *c, bool cf, bool af)
{
	x86_fl_logic(c, (int8_t)c->gpr[X86_RAX]);
	x86_set_cf_of(c, cf, false);
	c->fl_aux |= af ? FLA_AF : 0;
}

static const struct uop *decimal_packed(struct x86_cpu *c, const struct uop *u, int sign)
{
	uint8_t *al = gpr8(c, X86_RAX * 8), old = *al;
	bool cf = x86_cf(c), old_cf = cf, af = (old & 15) > 9 || x86_af(c);

	if (af) {
		cf = old_cf || (sign > 0 ? old > 0xff - 6 : old < 6);
		*al = (uint8_t)(*al + sign * 6);
	}
	if (old > 0x99 || old_cf) {
		*al = (uint8_t)(*al + sign * 0x60);
		cf = true;
	} else if (sign > 0) {
		cf = false;
	}
	fl_decimal(c, cf, af);
	return NEXT(u);
}

OP(daa) { return decimal_packed(c, u, 1); }
OP(das) { return decimal_packed(c, u, -1); }

static const struct uop *decimal_ascii(struct x86_cpu *c, const struct uop *u, int sign)
{
	uint16_t *ax = gpr16(c, X86_RAX * 8);
	bool adjust = (*ax & 15) > 9 || x86_af(c);

	if (adjust)
		*ax = (uint16_t)(*ax + sign * 0x106);
	*ax &= 0xff0f;
	fl_decimal(c, adjust, adjust);
	return NEXT(u);
}

OP(aaa) { return decimal_ascii(c, u, 1); }
OP(aas) { return decimal_ascii(c, u, -1); }

OP(aam)
{
	uint8_t al = *gpr8(c, X86_RAX * 8), base = (uint8_t)u->imm;

	if (!base)
		x86_raise(c, X86_DE);
	*gpr16(c, X86_RAX * 8) = (uint16_t)((al / base) << 8 | al % base);
	fl_decimal(c, false, false);
	return NEXT(u);
}

OP(aad)
{
	uint16_t ax = *gpr16(c, X86_RAX * 8);

	*gpr16(c, X86_RAX * 8) = (uint8_t)((ax & 0xff) + (ax >> 8) * (uint8_t)u->imm);
	fl_decimal(c, false, false);
	return NEXT(u);
}

/* ---- the rest ------------------------------------------------------------------------------ */

OP(bound)
{
	unsigned n = u->opsize;
	uint64_t lin = uop_lin(c, u, 2 * n, X86_READ);
	int64_t v = (int64_t)sext(gpr_get(c, u->reg[0], n), n * 8);
	int64_t low = (int64_t)sext(mem_get(c, lin, n), n * 8);
	int64_t high = (int64_t)sext(mem_get(c, lin + n, n), n * 8);

	if (v < low || v > high)
		x86_raise(c, X86_BR);
	return NEXT(u);
}

OP(nop) { return NEXT(u); }

/* Its row ends the block: a spinning processor looks at what is pending. */
OP(pause) { return NEXT(u); }

OP(ud) { x86_raise(c, X86_UD); }

OP(mfence)
{
	atomic_thread_fence(memory_order_seq_cst);
	return NEXT(u);
}

OP(lfence)
{
	atomic_thread_fence(memory_order_acquire);
	return NEXT(u);
}

OP(sfence)
{
	atomic_thread_fence(memory_order_release);
	return NEXT(u);
}
