/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bit tests, scans, counts, BMI1, BMI2, CRC32.
 */
#include "alu.h"

/* ---- BT, BTS, BTR, BTC ------------------------------------------------------ */

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

static ALWAYS_INLINE uint64_t bit_change(enum bit_op op, uint64_t v, uint64_t bit)
{
	switch (op) {
	case BIT_SET: return v | bit;
	case BIT_RESET: return v & ~bit;
	case BIT_COMPLEMENT: return v ^ bit;
	default: return v;
	}
}

/* A bit offset in a register reaches beyond the memory operand, both ways. */
static uint64_t bit_lin(struct x86_cpu *c, const struct uop *u, uint64_t offset, enum x86_access a)
{
	unsigned n = u->size[0];
	uint64_t ea = uop_ea(c, u);

	if (u->kind[1] == OPK_GPR)
		ea += (uint64_t)((int64_t)sext(offset, n * 8) >> (__builtin_ctz(n) + 3)) * n;
	if (u->addrsize != 8)
		ea = u->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
	return x86_linear(c, u->seg, ea, n, a);
}

static ALWAYS_INLINE const struct uop *bit_general(struct x86_cpu *c, const struct uop *u, enum bit_op op)
{
	unsigned n = u->size[0];
	uint64_t offset = op_get(c, u, 1), bit = (uint64_t)1 << (offset & (n * 8 - 1)), v;

	if (u->kind[0] == OPK_GPR) {
		v = gpr_get(c, u->reg[0], n);
		if (op != BIT_TEST)
			gpr_set(c, u->reg[0], n, bit_change(op, v, bit));
	} else if (op == BIT_TEST) {
		v = mem_get(c, bit_lin(c, u, offset, X86_READ), n);
	} else {
		RMW(c, bit_lin(c, u, offset, X86_WRITE), n, u->flags & UOP_LOCK, v, bit_change(op, v, bit));
	}
	x86_set_cf(c, v & bit);
	return NEXT(u);
}

OP(bt) { return bit_general(c, u, BIT_TEST); }
OP(bts) { return bit_general(c, u, BIT_SET); }
OP(btr) { return bit_general(c, u, BIT_RESET); }
OP(btc) { return bit_general(c, u, BIT_COMPLEMENT); }

/* ---- scans and counts ----------------------------------------------------------- */

/* Source 0 leaves the destination as it was. */
OP(bsf)
{
	unsigned n = u->size[0];
	uint64_t v = op_get(c, u, 1);

	if (v)
		gpr_set(c, u->reg[0], n, (uint64_t)__builtin_ctzll(v));
	x86_fl_logic(c, (int64_t)sext(v, n * 8));
	return NEXT(u);
}

OP(bsr)
{
	unsigned n = u->size[0];
	uint64_t v = op_get(c, u, 1);

	if (v)
		gpr_set(c, u->reg[0], n, 63 - (uint64_t)__builtin_clzll(v));
	x86_fl_logic(c, (int64_t)sext(v, n * 8));
	return NEXT(u);
}

OP(popcnt)
{
	uint64_t v = op_get(c, u, 1);

	gpr_set(c, u->reg[0], u->size[0], (uint64_t)__builtin_popcountll(v));
	x86_arith_set(c, v ? 0 : X86_ZF);
	return NEXT(u);
}

static const struct uop *count_zeros(struct x86_cpu *c, const struct uop *u, uint64_t v, uint64_t r)
{
	gpr_set(c, u->reg[0], u->size[0], r);
	x86_arith_set(c, (v ? 0 : X86_CF) | (r ? 0 : X86_ZF));
	return NEXT(u);
}

OP(lzcnt)
{
	unsigned bits = u->size[0] * 8;
	uint64_t v = op_get(c, u, 1);

	return count_zeros(c, u, v, v ? (uint64_t)__builtin_clzll(v) - (64 - bits) : bits);
}

OP(tzcnt)
{
	uint64_t v = op_get(c, u, 1);

	return count_zeros(c, u, v, v ? (uint64_t)__builtin_ctzll(v) : u->size[0] * 8u);
}

/* ---- BMI ------------------------------------------------------------------------------ */

/* Result in op0, SF and ZF by it, CF as told, OF 0. */
static const struct uop *bmi_result(struct x86_cpu *c, const struct uop *u, uint64_t r, bool cf)
{
	unsigned n = u->size[0];

	gpr_set(c, u->reg[0], n, r);
	x86_fl_logic(c, (int64_t)sext(r, n * 8));
	x86_set_cf_of(c, cf, false);
	return NEXT(u);
}

OP(andn) { return bmi_result(c, u, ~op_get(c, u, 1) & op_get(c, u, 2), false); }

OP(blsi)
{
	uint64_t v = op_get(c, u, 1);

	return bmi_result(c, u, v & -v, v != 0);
}

OP(blsmsk)
{
	uint64_t v = op_get(c, u, 1);

	return bmi_result(c, u, v ^ (v - 1), v == 0);
}

OP(blsr)
{
	uint64_t v = op_get(c, u, 1);

	return bmi_result(c, u, v & (v - 1), v == 0);
}

static uint64_t low_bits(uint64_t v, unsigned n)
{
	return n < 64 ? v & (((uint64_t)1 << n) - 1) : v;
}

OP(bextr)
{
	uint64_t v = op_get(c, u, 1), control = op_get(c, u, 2);
	unsigned start = control & 0xff, len = control >> 8 & 0xff;

	return bmi_result(c, u, low_bits(start < 64 ? v >> start : 0, len), false);
}

OP(bzhi)
{
	uint64_t v = op_get(c, u, 1);
	unsigned n = op_get(c, u, 2) & 0xff, bits = u->size[0] * 8;

	return bmi_result(c, u, low_bits(v, n), n > bits - 1);
}

OP(pdep)
{
	uint64_t v = op_get(c, u, 1), mask = op_get(c, u, 2), r = 0;

	for (; mask; mask &= mask - 1, v >>= 1)
		if (v & 1)
			r |= mask & -mask;
	gpr_set(c, u->reg[0], u->size[0], r);
	return NEXT(u);
}

OP(pext)
{
	uint64_t v = op_get(c, u, 1), mask = op_get(c, u, 2), r = 0;
	unsigned to = 0;

	for (; mask; mask &= mask - 1, to++)
		if (v & mask & -mask)
			r |= (uint64_t)1 << to;
	gpr_set(c, u->reg[0], u->size[0], r);
	return NEXT(u);
}

/* ---- CRC-32C ----------------------------------------------------------------------------- */

OP(crc32)
{
	uint32_t crc = (uint32_t)gpr_get(c, u->reg[0], 4);
	uint64_t v = op_get(c, u, 1);
	unsigned i, k;

	for (i = 0; i < u->size[1]; i++, v >>= 8) {
		crc ^= (uint8_t)v;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	gpr_set(c, u->reg[0], 8, crc);
	return NEXT(u);
}
