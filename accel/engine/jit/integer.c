/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Integer instructions: the same opcode with the operands' host registers.
 */
#include "trans.h"

/* Prefixes, REX and opcode for ModRM fields @reg and @rm. */
static void emit_opcode(struct trans *t, unsigned reg, unsigned rm, uint8_t opcode)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	if (i->lock)
		e8(e, 0xf0);
	if (i->prefix66)
		e8(e, 0x66);
	e8(e, (uint8_t)(0x40 | (i->rex & 8) | (reg >> 3) << 2 | rm >> 3));
	if (is_0f(t))
		e8(e, 0x0f);
	e8(e, opcode);
}

static void emit_rest(struct trans *t, unsigned from)
{
	en(&t->e, t->bytes + from, t->insn.len - from);
}

static bool is_shift(const struct x86_insn *i)
{
	return !(i->off_modrm == 0) && (i->opcode == 0xc0 || i->opcode == 0xc1 || (i->opcode >= 0xd0 && i->opcode <= 0xd3));
}

/* ModRM.reg names a register (and is no opcode extension). */
static bool reg_is_operand(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (is_shift(i) && !is_0f(t))
		return false;
	return i->opcount >= 2 && (i->op[0].kind == OPK_GPR || i->op[0].kind == OPK_MEM) &&
	       (i->op[1].kind == OPK_GPR || i->op[1].kind == OPK_MEM);
}

static void emit_modrm_insn(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned reg_field = (i->modrm >> 3 & 7), rm = (i->modrm & 7) | (i->rex & 1) << 3, reg = 0, hreg, hrm;
	bool reg_op = reg_is_operand(t);
	unsigned imm = i->off_imm ? i->off_imm : i->len;

	if (reg_op)
		reg = reg_field | (i->rex & 4) << 1;
	if (i->has_mem) {
		unsigned n = i->op[0].kind == OPK_MEM ? i->op[0].size : i->op[1].size;
		bool write = i->op[0].kind == OPK_MEM && !(i->row->attrs & ROW_READ_ONLY);

		if (i->row->handler == H_xchg)
			write = true;
		lin_operand(t);
		reach(t, n, write);
		hrm = H_S0;
	} else {
		hrm = value_in(t, rm, H_S0);
	}
	hreg = !reg_op ? reg_field : reg == rm && !i->has_mem ? hrm : value_in(t, reg, H_S1);
	emit_opcode(t, hreg, hrm, i->opcode);
	e8(&t->e, (uint8_t)((i->has_mem ? 0 : 0xc0) | (hreg & 7) << 3 | (hrm & 7)));
	emit_rest(t, imm);
	if (reg_op && in_slot(reg))
		e_store(&t->e, hreg, GPR_AT(reg));
	if (!i->has_mem && in_slot(rm))
		e_store(&t->e, hrm, GPR_AT(rm));
}

/* MOV r,imm and the like: the register is in the opcode. */
static void emit_opcode_reg(struct trans *t)
{
	unsigned reg = (t->insn.opcode & 7) | (t->insn.rex & 1) << 3, h = value_in(t, reg, H_S0);

	emit_opcode(t, 0, h, (uint8_t)((t->insn.opcode & 0xf8) | (h & 7)));
	emit_rest(t, t->insn.off_opcode + 1u);
	if (in_slot(reg))
		e_store(&t->e, h, GPR_AT(reg));
}

static void emit_lea(struct trans *t)
{
	unsigned reg = (t->insn.modrm >> 3 & 7) | (t->insn.rex & 4) << 1;

	lea_operand(t);
	if (in_slot(reg)) {
		if (t->insn.opsize == 4)
			E_RAW(&t->e, "\x45\x89\xc9");        /* mov r9d,r9d */
		e_store(&t->e, H_S0, GPR_AT(reg));
		return;
	}
	/* mov reg,r9 */
	e8(&t->e, (uint8_t)(0x44 | (t->insn.opsize == 8 ? 8 : 0) | host_reg(reg) >> 3));
	e8(&t->e, 0x89);
	e8(&t->e, (uint8_t)(0xc8 | (host_reg(reg) & 7)));
}

bool plain(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned n;

	/* Without the row's own checks there is nothing to raise. */
	if (i->vex || i->rep || i->prefix67 || (i->has_mem && !i->has_modrm) || (i->has_mem && i->addrsize != 8))
		return false;
	if (t->bytes[i->off_opcode] != i->opcode)
		return false;
	for (n = 0; n < i->opcount; n++)
		if (i->op[n].high || (i->op[n].kind == OPK_MEM && !i->op[n].size && i->row->handler != H_lea))
			return false;
	return !i->lock || (i->row->attrs & ROW_LOCK && i->op[0].kind == OPK_MEM);
}

bool try_integer(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (!plain(t))
		return false;
	switch (i->row->handler) {
	case H_lea:
		if (i->opsize < 4)
			return false;
		emit_lea(t);
		return true;
	case H_bt:
		if (i->has_mem)
			return false;
		break;
	case H_add: case H_or: case H_adc: case H_sbb: case H_and: case H_sub: case H_xor: case H_cmp: case H_test:
	case H_mov: case H_movzx: case H_movsx: case H_movsxd: case H_inc: case H_dec: case H_neg: case H_not:
	case H_imul1: case H_imul2: case H_imul3: case H_mul: case H_shl: case H_shr: case H_sar: case H_rol: case H_ror:
	case H_rcl: case H_rcr: case H_shld: case H_shrd: case H_setcc: case H_cmovcc: case H_bswap: case H_xchg:
	case H_cbw: case H_cwd:
		break;
	case H_nop:
		return true;
	default:
		return false;
	}
	if (i->has_modrm) {
		emit_modrm_insn(t);
	} else if ((i->opcode >= 0xb0 && i->opcode <= 0xbf && !is_0f(t)) || (i->opcode >= 0x91 && i->opcode <= 0x97) ||
		   i->opcode == 0x90 || is_0f(t)) {
		emit_opcode_reg(t);
	} else {
		emit_opcode(t, 0, 0, i->opcode);
		emit_rest(t, i->off_opcode + 1u);
	}
	return true;
}

