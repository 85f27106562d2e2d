/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ADD OR ADC SBB AND SUB XOR CMP TEST: general handlers, and specialised ones
 * for each operand size and form.
 */
#include "alu.h"

/* ---- general --------------------------------------------------------------- */

static ALWAYS_INLINE uint64_t alu_any(struct x86_cpu *c, enum alu op, unsigned n, uint64_t a,
				      uint64_t b, struct fl *f)
{
	bool cf = x86_cf(c);

	switch (n) {
	case 1: return alu(op, 8, a, (uint8_t)b, cf, f);
	case 2: return alu(op, 16, a, (uint16_t)b, cf, f);
	case 4: return alu(op, 32, a, (uint32_t)b, cf, f);
	default: return alu(op, 64, a, b, cf, f);
	}
}

static ALWAYS_INLINE const struct uop *alu_general(struct x86_cpu *c, const struct uop *u, enum alu op)
{
	unsigned n = u->size[0];
	uint64_t b = op_get(c, u, 1), a;
	struct fl f;

	if (op == ALU_CMP || op == ALU_TEST)
		alu_any(c, op, n, op_get(c, u, 0), b, &f);
	else if (u->kind[0] == OPK_GPR)
		gpr_set(c, u->reg[0], n, alu_any(c, op, n, gpr_get(c, u->reg[0], n), b, &f));
	else
		RMW(c, uop_lin(c, u, n, X86_WRITE), n, u->flags & UOP_LOCK, a, alu_any(c, op, n, a, b, &f));
	fl_commit(c, &f);
	return NEXT(u);
}

OP(add) { return alu_general(c, u, ALU_ADD); }
OP(or) { return alu_general(c, u, ALU_OR); }
OP(adc) { return alu_general(c, u, ALU_ADC); }
OP(sbb) { return alu_general(c, u, ALU_SBB); }
OP(and) { return alu_general(c, u, ALU_AND); }
OP(sub) { return alu_general(c, u, ALU_SUB); }
OP(xor) { return alu_general(c, u, ALU_XOR); }
OP(cmp) { return alu_general(c, u, ALU_CMP); }
OP(test) { return alu_general(c, u, ALU_TEST); }

/* ---- specialised ------------------------------------------------------------- */

static ALWAYS_INLINE const struct uop *hot_reg(struct x86_cpu *c, const struct uop *u, enum alu op,
					       unsigned bits, uint64_t b)
{
	struct fl f;
	uint64_t r = alu(op, bits, gpr_get(c, u->reg[0], bits / 8), b, x86_cf(c), &f);

	if (op != ALU_CMP && op != ALU_TEST)
		gpr_set(c, u->reg[0], bits / 8, r);
	fl_commit(c, &f);
	GO(c, u);
}

static ALWAYS_INLINE const struct uop *hot_mem(struct x86_cpu *c, const struct uop *u, enum alu op,
					       unsigned bits, enum form form, uint64_t b)
{
	bool write = op != ALU_CMP && op != ALU_TEST;
	uint64_t lin = form_lin(c, u, form, bits / 8, write ? X86_WRITE : X86_READ), a, r;
	void *p;
	struct fl f;

	if (!write) {
		alu(op, bits, mem_get(c, lin, bits / 8), b, x86_cf(c), &f);
		fl_commit(c, &f);
		GO(c, u);
	}
	p = fast_rw(c, lin, bits / 8);
	if (unlikely(!p)) {
		x86_probe_write(c, lin, bits / 8);
		a = mem_get(c, lin, bits / 8);
		mem_set(c, lin, bits / 8, alu(op, bits, a, b, x86_cf(c), &f));
		fl_commit(c, &f);
		return NEXT(u);
	}
	r = alu(op, bits, host_ld(p, bits / 8), b, x86_cf(c), &f);
	switch (bits) {
	case 8: x86_host_st8(p, (uint8_t)r); break;
	case 16: x86_host_st16(p, (uint16_t)r); break;
	case 32: x86_host_st32(p, (uint32_t)r); break;
	default: x86_host_st64(p, r); break;
	}
	fl_commit(c, &f);
	GO(c, u);
}

#define HOT(name) static const struct uop *name(struct x86_cpu *c, const struct uop *u)

#define ALU_MEM(op, bits, form)                                                                 \
	HOT(op##bits##_rm##form)                                                                \
	{                                                                                       \
		uint64_t lin = form_lin(c, u, form, bits / 8, X86_READ);                        \
                                                                                                \
		return hot_reg(c, u, op, bits, mem_get(c, lin, bits / 8));                      \
	}                                                                                       \
	HOT(op##bits##_mr##form) { return hot_mem(c, u, op, bits, form, gpr_get(c, u->reg[1], bits / 8)); } \
	HOT(op##bits##_mi##form) { return hot_mem(c, u, op, bits, form, zext(u->imm, bits)); }

#define ALU_SIZE(op, bits)                                                                      \
	HOT(op##bits##_rr) { return hot_reg(c, u, op, bits, gpr_get(c, u->reg[1], bits / 8)); } \
	HOT(op##bits##_ri) { return hot_reg(c, u, op, bits, zext(u->imm, bits)); }              \
	ALU_MEM(op, bits, FORM_BASE)                                                            \
	ALU_MEM(op, bits, FORM_INDEX)                                                           \
	ALU_MEM(op, bits, FORM_ANY)

#define ALU_OP(op) ALU_SIZE(op, 8) ALU_SIZE(op, 16) ALU_SIZE(op, 32) ALU_SIZE(op, 64)

ALU_OP(ALU_ADD)
ALU_OP(ALU_OR)
ALU_OP(ALU_ADC)
ALU_OP(ALU_SBB)
ALU_OP(ALU_AND)
ALU_OP(ALU_SUB)
ALU_OP(ALU_XOR)
ALU_OP(ALU_CMP)
ALU_OP(ALU_TEST)

struct alu_forms {
	uop_fn rr, ri, rm[FORM_COUNT], mr[FORM_COUNT], mi[FORM_COUNT];
};

#define ROW_SIZE(op, bits)                                                                      \
	{                                                                                       \
		op##bits##_rr, op##bits##_ri,                                                   \
		{ op##bits##_rmFORM_BASE, op##bits##_rmFORM_INDEX, op##bits##_rmFORM_ANY },     \
		{ op##bits##_mrFORM_BASE, op##bits##_mrFORM_INDEX, op##bits##_mrFORM_ANY },     \
		{ op##bits##_miFORM_BASE, op##bits##_miFORM_INDEX, op##bits##_miFORM_ANY },     \
	}
#define ROW_OP(op) [op] = { ROW_SIZE(op, 8), ROW_SIZE(op, 16), ROW_SIZE(op, 32), ROW_SIZE(op, 64) }

static const struct alu_forms alu_forms[ALU_COUNT][4] = {
	ROW_OP(ALU_ADD), ROW_OP(ALU_OR), ROW_OP(ALU_ADC), ROW_OP(ALU_SBB), ROW_OP(ALU_AND),
	ROW_OP(ALU_SUB), ROW_OP(ALU_XOR), ROW_OP(ALU_CMP), ROW_OP(ALU_TEST),
};

static const uop_fn alu_general_fn[ALU_COUNT] = {
	op_add, op_or, op_adc, op_sbb, op_and, op_sub, op_xor, op_cmp, op_test,
};

uop_fn alu_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	const struct alu_forms *f;
	unsigned op;

	for (op = 0; op < ALU_COUNT && alu_general_fn[op] != fn; op++)
		;
	if (op == ALU_COUNT || u->flags & UOP_LOCK)
		return fn;
	f = &alu_forms[op][__builtin_ctz(u->size[0])];
	if (u->kind[0] == OPK_MEM)
		return u->kind[1] == OPK_GPR ? f->mr[uop_form(c, u)] : f->mi[uop_form(c, u)];
	switch (u->kind[1]) {
	case OPK_GPR: return f->rr;
	case OPK_MEM: return f->rm[uop_form(c, u)];
	case OPK_IMM: return f->ri;
	default: return fn;
	}
}
