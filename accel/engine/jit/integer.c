/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Integer instructions: the same opcode with the operands' host registers.
 */
#include "trans.h"

/* ---- what an instruction does to the registers that it names ---- */

static bool is_exchange(const struct x86_insn *i) { return i->row->handler == H_xchg || i->row->handler == H_xadd; }

/* Its first operand is only written. */
static bool only_writes(const struct x86_insn *i)
{
	switch (i->row->handler) {
	case H_mov: case H_movzx: case H_movsx: case H_movsxd: case H_imul3: case H_movbe: case H_popcnt:
		return true;
	default:
		return false;
	}
}

/* Bytes of guest register @reg that the instruction writes, 0 for none. */
static unsigned written_size(const struct x86_insn *i, unsigned reg)
{
	if (i->op[0].kind == OPK_GPR && i->op[0].reg == reg && !(i->row->attrs & ROW_READ_ONLY))
		return i->op[0].size;
	if (is_exchange(i) && i->op[1].kind == OPK_GPR && i->op[1].reg == reg)
		return i->op[1].size;
	return 0;
}

static bool reads_reg(const struct x86_insn *i, unsigned reg)
{
	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_GPR && i->op[n].reg == reg && (n || !only_writes(i) || i->op[0].size < 4))
			return true;
	return false;
}

/* Instructions that may have a slot for their r/m operand without doing something else to it. */
static bool takes_slot(const struct x86_insn *i, unsigned reg)
{
	unsigned n = written_size(i, reg);

	switch (i->row->handler) {
	case H_xchg: case H_xadd: case H_cmpxchg: case H_bt: case H_bts: case H_btr: case H_btc: case H_movbe:
		return false;
	default:
		return !n || n == 8;
	}
}

/* ---- encoding ---- */

enum { MAP_1, MAP_0F, MAP_38, MAP_3A };

static unsigned map_of(const struct trans *t)
{
	unsigned at = t->insn.off_opcode;

	if (at >= 2 && t->bytes[at - 2] == 0x0f && (t->bytes[at - 1] == 0x38 || t->bytes[at - 1] == 0x3a))
		return t->bytes[at - 1] == 0x38 ? MAP_38 : MAP_3A;
	return is_0f(t) ? MAP_0F : MAP_1;
}

/* Registers 5 to 7 as bytes are something else without REX. */
static bool needs_rex(const struct x86_insn *i)
{
	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_GPR && i->op[n].size == 1 && i->op[n].reg >= 4)
			return true;
	return false;
}

/* Prefixes, REX and opcode for ModRM field @reg; @xb: bits X and B of REX. */
static void emit_opcode(struct trans *t, unsigned reg, unsigned xb, uint8_t opcode, bool rep)
{
	const struct x86_insn *i = &t->insn;
	unsigned rex = 0x40 | (i->rex & 8) | (reg >> 3) << 2 | xb, map = map_of(t);
	struct emit *e = &t->e;

	emit_lock(t);
	if (i->prefix66)
		e8(e, 0x66);
	if (rep)
		e8(e, i->rep);
	if (rex != 0x40 || needs_rex(i))
		e8(e, (uint8_t)rex);
	if (map)
		e8(e, 0x0f);
	if (map >= MAP_38)
		e8(e, map == MAP_38 ? 0x38 : 0x3a);
	e8(e, opcode);
}

static void emit_rest(struct trans *t, unsigned from)
{
	en(&t->e, t->bytes + from, t->insn.len - from);
}

static bool is_shift(const struct x86_insn *i)
{
	return i->off_modrm && (i->opcode == 0xc0 || i->opcode == 0xc1 || (i->opcode >= 0xd0 && i->opcode <= 0xd3));
}

/* ModRM.reg names a register (and is no opcode extension). */
static bool reg_is_operand(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (is_shift(i) && map_of(t) == MAP_1)
		return false;
	return i->opcount >= 2 && (i->op[0].kind == OPK_GPR || i->op[0].kind == OPK_MEM) &&
	       (i->op[1].kind == OPK_GPR || i->op[1].kind == OPK_MEM);
}

static unsigned memory_size(const struct x86_insn *i) { return i->op[0].kind == OPK_MEM ? i->op[0].size : i->op[1].size; }

/*
 * XOR and SUB of a register with itself and so on need no special care: what is
 * read of a slot is loaded.  @rep: the F2 or F3 prefix is part of the opcode.
 */
void emit_modrm_insn(struct trans *t, bool rep)
{
	const struct x86_insn *i = &t->insn;
	unsigned reg_field = i->modrm >> 3 & 7, rm = (i->modrm & 7) | (i->rex & 1) << 3;
	unsigned reg = reg_field | (i->rex & 4) << 1, hreg = reg_field, hrm;
	bool reg_op = reg_is_operand(t), reg_slot = reg_op && in_slot(reg), same = reg_op && !i->has_mem && reg == rm;
	bool rm_slot = !i->has_mem && in_slot(rm), direct = rm_slot && !same && takes_slot(i, rm);
	struct place at = { H_RSP, H_RSP, (int32_t)GPR_AT(rm) };
	struct emit *e = &t->e;

	if (i->has_mem) {
		at = place_operand(t, memory_size(i), operand_written(i), 1, reg_slot);
		hrm = H_S0;
	} else {
		hrm = rm_slot ? H_S0 : host_reg(rm);
		if (rm_slot && !direct && reads_reg(i, rm))
			e_load(e, H_S0, GPR_AT(rm));
	}
	if (reg_op) {
		hreg = same ? hrm : reg_slot ? H_S1 : host_reg(reg);
		if (reg_slot && !same && reads_reg(i, reg))
			e_load(e, H_S1, GPR_AT(reg));
	}
	emit_opcode(t, hreg, i->has_mem || direct ? place_rex(at) : hrm >> 3, i->opcode, rep);
	if (i->has_mem || direct)
		e_place(e, hreg, at);
	else
		e8(e, (uint8_t)(0xc0 | (hreg & 7) << 3 | (hrm & 7)));
	emit_rest(t, i->off_imm ? i->off_imm : i->len);
	if (reg_slot && written_size(i, reg))
		e_store(e, hreg, GPR_AT(reg));
	if (rm_slot && !direct && !same && written_size(i, rm))
		e_store(e, hrm, GPR_AT(rm));
}

/* MOV r,imm and the like: the register is in the opcode. */
static void emit_opcode_reg(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned reg = (i->opcode & 7) | (i->rex & 1) << 3, h = in_slot(reg) ? H_S0 : host_reg(reg);

	if (i->row->handler == H_mov && i->opsize == 8 && i->op[0].size == 8) {
		e_imm64(&t->e, h, i->imm);
	} else {
		if (in_slot(reg) && reads_reg(i, reg))
			e_load(&t->e, h, GPR_AT(reg));
		emit_opcode(t, 0, h >> 3, (uint8_t)((i->opcode & 0xf8) | (h & 7)), false);
		emit_rest(t, i->off_opcode + 1u);
	}
	if (in_slot(reg))
		e_store(&t->e, h, GPR_AT(reg));
}

static void emit_lea(struct trans *t)
{
	unsigned reg = t->insn.op[0].reg;

	if (!in_slot(reg)) {
		lea_to(t, host_reg(reg), t->insn.opsize);
		return;
	}
	lea_to(t, H_S0, t->insn.opsize);
	if (t->insn.opsize == 2) {
		e8(&t->e, 0x66);
		e_ctx(&t->e, false, 0x89, H_S0, GPR_AT(reg));
		return;
	}
	e_store(&t->e, H_S0, GPR_AT(reg));
}

/* MOV between the accumulator and an address in the instruction. */
static void emit_moffs(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	bool store = i->op[0].kind == OPK_MEM;
	struct emit *e = &t->e;

	lin_operand(t);
	reach(t, memory_size(i), store);
	if (i->prefix66)
		e8(e, 0x66);
	e8(e, (uint8_t)(0x41 | (i->rex & 8)));
	e8(e, (uint8_t)((store ? 0x88 : 0x8a) | (i->opcode & 1)));
	e8(e, 0x01);
}

/* ---- AH, BH, CH, DH ---- */

static bool has_high(const struct x86_insn *i)
{
	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].high)
			return true;
	return false;
}

/*
 * Such an instruction has no REX, so all its registers are where it thinks, but for
 * RSP.  A memory operand is reached by RSI instead of S0, which would take a REX.
 */
static bool emit_high(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned n, imm = i->off_imm ? i->off_imm : i->len;
	struct emit *e = &t->e;

	for (n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_GPR && !i->op[n].high && (i->op[n].reg == X86_RSP || i->op[n].reg >= 8))
			return false;
	if (!i->has_mem) {
		emit_rest(t, 0);
		return true;
	}
	for (n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_GPR && !i->op[n].high && i->op[n].reg == X86_RSI)
			return false;
	lin_operand(t);
	reach(t, memory_size(i), operand_written(i));
	E_RAW(e, "\x4c\x87\xce");                            /* xchg rsi,r9 */
	emit_lock(t);
	if (map_of(t) == MAP_0F)
		e8(e, 0x0f);
	e8(e, i->opcode);
	e8(e, (uint8_t)((i->modrm & 0x38) | 6));
	emit_rest(t, imm);
	E_RAW(e, "\x4c\x87\xce");
	return true;
}

/* ---- which ---- */

/* Legal, and all that it does is in its row, operands and handler: @rep and @address may differ from the usual. */
static bool decent(const struct trans *t, bool rep, bool address)
{
	const struct x86_insn *i = &t->insn;

	if (i->vex || (i->rep && !rep) || (i->prefix67 && !address) || (i->has_mem && i->addrsize == 2))
		return false;
	if (t->bytes[i->off_opcode] != i->opcode)
		return false;
	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_MEM && !i->op[n].size && i->row->handler != H_lea)
			return false;
	return !i->lock || (i->row->attrs & ROW_LOCK && i->op[0].kind == OPK_MEM);
}

bool plain(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	/* F2 and F3 say nothing to branches. */
	return decent(t, i->row->attrs & ROW_BRANCH, false) && !has_high(i) && !(i->has_mem && !i->has_modrm);
}

bool try_integer(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	bool high = has_high(i);

	if (i->row->handler == H_nop)
		return true;
	if (!decent(t, false, true))
		return false;
	switch (i->row->handler) {
	case H_lea:
		emit_lea(t);
		return true;
	case H_bt: case H_bts: case H_btr: case H_btc:
		if (i->has_mem && i->op[1].kind == OPK_GPR)
			return false;
		break;
	case H_add: case H_or: case H_adc: case H_sbb: case H_and: case H_sub: case H_xor: case H_cmp: case H_test:
	case H_mov: case H_movzx: case H_movsx: case H_movsxd: case H_inc: case H_dec: case H_neg: case H_not:
	case H_imul1: case H_imul2: case H_imul3: case H_mul: case H_shl: case H_shr: case H_sar: case H_rol: case H_ror:
	case H_rcl: case H_rcr: case H_shld: case H_shrd: case H_setcc: case H_cmovcc: case H_bswap: case H_xchg:
	case H_cbw: case H_cwd: case H_cmpxchg: case H_xadd: case H_movnti:
		break;
	case H_lahf: case H_sahf: case H_clc: case H_stc: case H_cmc:
		break;
	default:
		return false;
	}
	if (high)
		return emit_high(t);
	if (i->has_mem && !i->has_modrm) {
		emit_moffs(t);
	} else if (i->has_modrm) {
		emit_modrm_insn(t, false);
	} else if ((i->opcode >= 0xb0 && i->opcode <= 0xbf && !is_0f(t)) || (i->opcode >= 0x91 && i->opcode <= 0x97) ||
		   i->opcode == 0x90 || is_0f(t)) {
		emit_opcode_reg(t);
	} else {
		emit_opcode(t, 0, 0, i->opcode, false);
		emit_rest(t, i->off_opcode + 1u);
	}
	return true;
}
