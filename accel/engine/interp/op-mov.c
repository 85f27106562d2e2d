/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves, stack, conditional moves.
 */
#include "alu.h"

/* ---- general --------------------------------------------------------------- */

OP(mov)
{
	op_set(c, u, 0, op_get(c, u, 1));
	return NEXT(u);
}

OP(movzx)
{
	op_set(c, u, 0, op_get(c, u, 1));
	return NEXT(u);
}

OP(movsx)
{
	op_set(c, u, 0, sext(op_get(c, u, 1), u->size[1] * 8));
	return NEXT(u);
}

OP(movsxd)
{
	op_set(c, u, 0, sext(op_get(c, u, 1), u->size[1] * 8));
	return NEXT(u);
}

OP(movnti)
{
	op_set(c, u, 0, op_get(c, u, 1));
	return NEXT(u);
}

OP(movdiri)
{
	op_set(c, u, 0, op_get(c, u, 1));
	return NEXT(u);
}

static uint64_t swap_bytes(uint64_t v, unsigned n)
{
	switch (n) {
	case 2: return __builtin_bswap16((uint16_t)v);
	case 4: return __builtin_bswap32((uint32_t)v);
	default: return __builtin_bswap64(v);
	}
}

OP(movbe)
{
	op_set(c, u, 0, swap_bytes(op_get(c, u, 1), u->size[0]));
	return NEXT(u);
}

OP(bswap)
{
	unsigned n = u->size[0];

	/* BSWAP of 16 bits is undefined; processors give 0. */
	gpr_set(c, u->reg[0], n, n == 2 ? 0 : swap_bytes(gpr_get(c, u->reg[0], n), n));
	return NEXT(u);
}

OP(lea)
{
	gpr_set(c, u->reg[0], u->size[0], uop_ea(c, u));
	return NEXT(u);
}

OP(xlat)
{
	uint64_t ea = c->gpr[X86_RBX] + (uint8_t)c->gpr[X86_RAX];

	if (u->addrsize != 8)
		ea = u->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
	*gpr8(c, X86_RAX * 8) = x86_ld8(c, x86_linear(c, u->seg, ea, 1, X86_READ));
	return NEXT(u);
}

OP(xchg)
{
	unsigned n = u->size[0], m = u->kind[0] == OPK_MEM ? 0 : 1;
	uint64_t old, v;

	if (u->kind[m] == OPK_GPR) {
		v = gpr_get(c, u->reg[0], n);
		gpr_set(c, u->reg[0], n, gpr_get(c, u->reg[1], n));
		gpr_set(c, u->reg[1], n, v);
		return NEXT(u);
	}
	v = gpr_get(c, u->reg[!m], n);
	RMW(c, uop_lin(c, u, n, X86_WRITE), n, true, old, v);
	gpr_set(c, u->reg[!m], n, old);
	return NEXT(u);
}

OP(cmovcc)
{
	uint64_t v = op_get(c, u, 1);

	if (!x86_cond(c, u->opcode & 15))
		v = gpr_get(c, u->reg[0], u->size[0]);
	gpr_set(c, u->reg[0], u->size[0], v);
	return NEXT(u);
}

OP(setcc)
{
	op_set(c, u, 0, x86_cond(c, u->opcode & 15));
	return NEXT(u);
}

OP(cbw)
{
	uint64_t v = c->gpr[X86_RAX];

	gpr_set(c, X86_RAX * 8, u->opsize, sext(v, u->opsize * 4));
	return NEXT(u);
}

OP(cwd)
{
	uint64_t v = sext(c->gpr[X86_RAX], u->opsize * 8);

	gpr_set(c, X86_RDX * 8, u->opsize, v >> 63 ? UINT64_MAX : 0);
	return NEXT(u);
}

/* ---- stack ------------------------------------------------------------------ */

OP(push)
{
	push(c, u->opsize, op_get(c, u, 0));
	return NEXT(u);
}

OP(pop)
{
	unsigned n = u->opsize;
	uint64_t v, ea, sp = c->gpr[X86_RSP] + n;

	v = stack_peek(c, 0, n);
	if (u->kind[0] == OPK_GPR) {
		stack_set(c, sp);
		gpr_set(c, u->reg[0], n, v);
		return NEXT(u);
	}
	/* An address with RSP as base sees RSP already moved. */
	ea = uop_ea(c, u) + (u->base == X86_RSP ? n : 0);
	if (u->addrsize != 8)
		ea = u->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
	mem_set(c, x86_linear(c, u->seg, ea, n, X86_WRITE), n, v);
	stack_set(c, sp);
	return NEXT(u);
}

OP(pusha)
{
	unsigned n = u->opsize, i;
	uint64_t sp = c->gpr[X86_RSP];

	/* The lowest slot first: if any page is missing, nothing was written. */
	for (i = 0; i < 8; i++)
		x86_probe_write(c, stack_lin(c, sp - (8 - i) * n, n, X86_WRITE), n);
	for (i = 0; i < 8; i++)
		mem_set(c, stack_lin(c, sp - (i + 1) * n, n, X86_WRITE), n, c->gpr[i]);
	stack_set(c, sp - 8 * n);
	return NEXT(u);
}

OP(popa)
{
	unsigned n = u->opsize, i;
	uint64_t v[8];

	for (i = 0; i < 8; i++)
		v[i] = stack_peek(c, (7 - i) * n, n);
	for (i = 0; i < 8; i++)
		if (i != X86_RSP)
			gpr_set(c, i * 8, n, v[i]);
	stack_set(c, c->gpr[X86_RSP] + 8 * n);
	return NEXT(u);
}

OP(enter)
{
	unsigned n = u->opsize, level = u->imm2 & 31, i;
	uint64_t sp = c->gpr[X86_RSP], bp = c->gpr[X86_RBP], frame, v;

	sp -= n;
	frame = sp;
	mem_set(c, stack_lin(c, sp, n, X86_WRITE), n, bp);
	for (i = 1; i < level; i++) {
		bp -= n;
		v = mem_get(c, stack_lin(c, bp, n, X86_READ), n);
		sp -= n;
		mem_set(c, stack_lin(c, sp, n, X86_WRITE), n, v);
	}
	if (level) {
		sp -= n;
		mem_set(c, stack_lin(c, sp, n, X86_WRITE), n, frame);
	}
	sp -= (uint16_t)u->imm;
	/* The last byte of the new frame must be writable, or ENTER faults. */
	x86_probe_write(c, stack_lin(c, sp, n, X86_WRITE), n);
	stack_set(c, sp);
	gpr_set(c, X86_RBP * 8, n, frame & stack_mask(c));
	return NEXT(u);
}

OP(leave)
{
	unsigned n = u->opsize;
	uint64_t bp = c->gpr[X86_RBP], v = mem_get(c, stack_lin(c, bp, n, X86_READ), n);

	stack_set(c, bp + n);
	gpr_set(c, X86_RBP * 8, n, v);
	return NEXT(u);
}

/* ---- specialised ------------------------------------------------------------- */

#define HOT(name) static const struct uop *name(struct x86_cpu *c, const struct uop *u)

#define MOV_STORE(bits, form, name, value)                                                      \
	HOT(mov##bits##_##name##form)                                                           \
	{                                                                                       \
		if (unlikely(!fast_st##bits(c, form_lin(c, u, form, bits / 8, X86_WRITE),       \
					    (uint##bits##_t)(value))))                          \
			return NEXT(u);                                                         \
		GO(c, u);                                                                       \
	}

#define MOV_MEM(bits, form)                                                                     \
	HOT(mov##bits##_rm##form)                                                               \
	{                                                                                       \
		gpr_set(c, u->reg[0], bits / 8,                                                 \
			mem_get(c, form_lin(c, u, form, bits / 8, X86_READ), bits / 8));        \
		GO(c, u);                                                                       \
	}                                                                                       \
	MOV_STORE(bits, form, mr, gpr_get(c, u->reg[1], bits / 8))                              \
	MOV_STORE(bits, form, mi, u->imm)

#define MOV_SIZE(bits)                                                                          \
	HOT(mov##bits##_rr)                                                                     \
	{                                                                                       \
		gpr_set(c, u->reg[0], bits / 8, gpr_get(c, u->reg[1], bits / 8));               \
		GO(c, u);                                                                       \
	}                                                                                       \
	HOT(mov##bits##_ri)                                                                     \
	{                                                                                       \
		gpr_set(c, u->reg[0], bits / 8, u->imm);                                        \
		GO(c, u);                                                                       \
	}                                                                                       \
	MOV_MEM(bits, FORM_BASE)                                                                \
	MOV_MEM(bits, FORM_INDEX)                                                               \
	MOV_MEM(bits, FORM_ANY)

MOV_SIZE(8)
MOV_SIZE(16)
MOV_SIZE(32)
MOV_SIZE(64)

struct mov_forms {
	uop_fn rr, ri, rm[FORM_COUNT], mr[FORM_COUNT], mi[FORM_COUNT];
};

#define MOV_ROW(bits)                                                                           \
	{                                                                                       \
		mov##bits##_rr, mov##bits##_ri,                                                 \
		{ mov##bits##_rmFORM_BASE, mov##bits##_rmFORM_INDEX, mov##bits##_rmFORM_ANY },  \
		{ mov##bits##_mrFORM_BASE, mov##bits##_mrFORM_INDEX, mov##bits##_mrFORM_ANY },  \
		{ mov##bits##_miFORM_BASE, mov##bits##_miFORM_INDEX, mov##bits##_miFORM_ANY },  \
	}
static const struct mov_forms mov_forms[4] = { MOV_ROW(8), MOV_ROW(16), MOV_ROW(32), MOV_ROW(64) };

/* MOVZX and MOVSX to 32 and 64 bits; zero-extension makes one serve both. */
#define MOVX(name, from, to, extend)                                                            \
	HOT(name##_rr)                                                                          \
	{                                                                                       \
		gpr_set(c, u->reg[0], to / 8, extend(gpr_get(c, u->reg[1], from / 8), from));   \
		GO(c, u);                                                                       \
	}                                                                                       \
	MOVX_MEM(name, from, to, extend, FORM_BASE)                                             \
	MOVX_MEM(name, from, to, extend, FORM_INDEX)                                            \
	MOVX_MEM(name, from, to, extend, FORM_ANY)                                              \
	static const uop_fn name##_rm[FORM_COUNT] = {                                           \
		name##_rmFORM_BASE, name##_rmFORM_INDEX, name##_rmFORM_ANY                      \
	};
#define MOVX_MEM(name, from, to, extend, form)                                                  \
	HOT(name##_rm##form)                                                                    \
	{                                                                                       \
		gpr_set(c, u->reg[0], to / 8,                                                   \
			extend(mem_get(c, form_lin(c, u, form, from / 8, X86_READ), from / 8), from)); \
		GO(c, u);                                                                       \
	}
MOVX(movzx8, 8, 64, zext)
MOVX(movzx16, 16, 64, zext)
MOVX(movsx8_32, 8, 32, sext)
MOVX(movsx8_64, 8, 64, sext)
MOVX(movsx16_32, 16, 32, sext)
MOVX(movsx16_64, 16, 64, sext)
MOVX(movsx32_64, 32, 64, sext)

static uop_fn movx_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	enum form f = uop_form(c, u);
	bool mem = u->kind[1] == OPK_MEM;

#define PICK(name) (mem ? name##_rm[f] : name##_rr)
	if (u->size[0] < 4)
		return fn;
	if (fn == op_movzx)
		return u->size[1] == 1 ? PICK(movzx8) : PICK(movzx16);
	switch (u->size[1] << 8 | u->size[0]) {
	case 0x104: return PICK(movsx8_32);
	case 0x108: return PICK(movsx8_64);
	case 0x204: return PICK(movsx16_32);
	case 0x208: return PICK(movsx16_64);
	case 0x408: return PICK(movsx32_64);
	default: return fn;
	}
#undef PICK
}

#define LEA(bits, form)                                                                         \
	HOT(lea##bits##form)                                                                    \
	{                                                                                       \
		gpr_set(c, u->reg[0], bits / 8, form_lin(c, u, form, 0, X86_READ));             \
		GO(c, u);                                                                       \
	}
LEA(32, FORM_BASE)
LEA(32, FORM_INDEX)
LEA(64, FORM_BASE)
LEA(64, FORM_INDEX)

HOT(push64_r)
{
	uint64_t sp = c->gpr[X86_RSP] - 8;

	if (unlikely(!fast_st64(c, sp, *gpr64(c, u->reg[0])))) {
		c->gpr[X86_RSP] = sp;
		return NEXT(u);
	}
	c->gpr[X86_RSP] = sp;
	GO(c, u);
}

HOT(pop64_r)
{
	uint64_t v = x86_ld64(c, c->gpr[X86_RSP]);

	c->gpr[X86_RSP] += 8;
	*gpr64(c, u->reg[0]) = v;
	GO(c, u);
}

#define CMOV(bits)                                                                              \
	HOT(cmov##bits##_rr)                                                                    \
	{                                                                                       \
		uint64_t v = gpr_get(c, u->reg[x86_cond(c, u->opcode & 15)], bits / 8);         \
                                                                                                \
		gpr_set(c, u->reg[0], bits / 8, v);                                             \
		GO(c, u);                                                                       \
	}
CMOV(32)
CMOV(64)

HOT(setcc_r)
{
	*gpr8(c, u->reg[0]) = x86_cond(c, u->opcode & 15);
	GO(c, u);
}

static uop_fn lea_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	bool index = u->index != X86_ZERO;

	if (!(c->mode & X86_MODE_CS64) || u->addrsize != 8 || u->size[0] < 4)
		return fn;
	if (u->size[0] == 8)
		return index ? lea64FORM_INDEX : lea64FORM_BASE;
	return index ? lea32FORM_INDEX : lea32FORM_BASE;
}

uop_fn mov_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	const struct mov_forms *f;

	if (fn == op_movzx || fn == op_movsx || fn == op_movsxd)
		return movx_select(c, u, fn);
	if (fn == op_lea)
		return lea_select(c, u, fn);
	if ((fn == op_push || fn == op_pop) && u->kind[0] == OPK_GPR && u->opsize == 8)
		return fn == op_push ? push64_r : pop64_r;
	if (fn == op_cmovcc && u->kind[1] == OPK_GPR && u->size[0] >= 4)
		return u->size[0] == 8 ? cmov64_rr : cmov32_rr;
	if (fn == op_setcc && u->kind[0] == OPK_GPR)
		return setcc_r;
	if (fn != op_mov || !u->size[0] || u->size[0] > 8)
		return fn;
	f = &mov_forms[__builtin_ctz(u->size[0])];
	switch (u->kind[0] << 8 | u->kind[1]) {
	case OPK_GPR << 8 | OPK_GPR: return f->rr;
	case OPK_GPR << 8 | OPK_IMM: return f->ri;
	case OPK_GPR << 8 | OPK_MEM: return f->rm[uop_form(c, u)];
	case OPK_MEM << 8 | OPK_GPR: return f->mr[uop_form(c, u)];
	case OPK_MEM << 8 | OPK_IMM: return f->mi[uop_form(c, u)];
	default: return fn;
	}
}
