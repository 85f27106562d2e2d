/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoder.  Order of work: prefixes, opcode, ModRM with SIB and
 * displacement, the row (by the constraints of the tables), immediates,
 * operands.  It reads each byte once and keeps no state.
 */
#include "target/i386/decode.h"

#include <string.h>

#include "decode-tables.h"

struct cursor {
	const uint8_t *code;
	size_t n, at;
	bool more;       /* ran out of bytes */
};

static uint8_t take8(struct cursor *k)
{
	if (k->at >= k->n) {
		k->more = true;
		return 0;
	}
	return k->code[k->at++];
}

static uint64_t take(struct cursor *k, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)take8(k) << (8 * i);
	return v;
}

static int64_t take_signed(struct cursor *k, unsigned size)
{
	uint64_t v = take(k, size);
	unsigned shift = 64 - 8 * size;

	return (int64_t)(v << shift) >> shift;
}

enum { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX };

struct opcode {
	unsigned map;
	bool bad;        /* a prefix that makes any VEX opcode undefined, or an unknown map */
	bool rex_w, rex_r, rex_x, rex_b;
};

static bool is64(uint32_t mode) { return mode & X86_MODE_CS64; }

/* Segment overrides; in 64-bit mode only FS and GS count. */
static void set_segment(struct x86_insn *i, unsigned seg, uint32_t mode)
{
	if (!is64(mode) || seg >= X86_FS)
		i->seg_override = (uint8_t)seg;
}

/* Legacy prefixes and REX.  A REX that is not the last prefix has no effect. */
static uint8_t take_prefixes(struct x86_insn *i, struct cursor *k, uint32_t mode)
{
	for (;;) {
		uint8_t b = take8(k);

		if (k->more || k->at > 15)
			return b;
		switch (b) {
		case 0x26: set_segment(i, X86_ES, mode); break;
		case 0x2e: set_segment(i, X86_CS, mode); break;
		case 0x36: set_segment(i, X86_SS, mode); break;
		case 0x3e: set_segment(i, X86_DS, mode); break;
		case 0x64: set_segment(i, X86_FS, mode); break;
		case 0x65: set_segment(i, X86_GS, mode); break;
		case 0x66: i->prefix66 = 1; break;
		case 0x67: i->prefix67 = 1; break;
		case 0xf0: i->lock = 1; break;
		case 0xf2: case 0xf3: i->rep = b; break;
		default:
			if (!is64(mode) || (b & 0xf0) != 0x40)
				return b;
			i->rex = b;
			continue;
		}
		i->rex = 0;
	}
}

static void take_vex(struct x86_insn *i, struct cursor *k, uint32_t mode, uint8_t escape, struct opcode *o)
{
	uint8_t first = take8(k), last = first;
	static const uint8_t rep_of[4] = { 0, 0, 0xf3, 0xf2 };

	o->bad = i->prefix66 || i->rep || i->lock || i->rex;
	o->rex_r = !(first & 0x80);
	o->map = MAP_VEX;
	i->vex = 2;
	if (escape == 0xc4) {
		unsigned map = first & 0x1f;

		last = take8(k);
		i->vex = 3;
		o->rex_x = !(first & 0x40);
		o->rex_b = !(first & 0x20);
		o->rex_w = last >> 7;
		if (map < 1 || map > 3)
			o->bad = true;
		else
			o->map = MAP_VEX + map - 1;
	}
	if (!is64(mode))
		o->rex_r = o->rex_x = o->rex_b = false;
	i->vex_w = o->rex_w;
	i->vex_l = last >> 2 & 1;
	i->vvvv = ~(last >> 3) & 0xf;
	i->prefix66 = (last & 3) == 1;
	i->rep = rep_of[last & 3];
}

static void take_opcode(struct x86_insn *i, struct cursor *k, uint32_t mode, struct opcode *o)
{
	uint8_t b = take_prefixes(i, k, mode);
	bool vex_allowed = (mode & X86_MODE_PE) && !(mode & X86_MODE_VM);

	o->rex_w = i->rex >> 3 & 1;
	o->rex_r = i->rex >> 2 & 1;
	o->rex_x = i->rex >> 1 & 1;
	o->rex_b = i->rex & 1;
	if ((b == 0xc4 || b == 0xc5) && vex_allowed &&
	    (is64(mode) || (k->at < k->n && k->code[k->at] >= 0xc0))) {
		take_vex(i, k, mode, b, o);
		b = take8(k);
	} else if (b == 0x0f) {
		o->map = MAP_0F;
		b = take8(k);
		if (b == 0x38 || b == 0x3a) {
			o->map = b == 0x38 ? MAP_0F38 : MAP_0F3A;
			b = take8(k);
		}
	}
	i->opcode = b;
	i->off_opcode = (uint8_t)(k->at - 1);
}

/* 16-bit addressing: base and index by r/m. */
static void take_mem16(struct x86_insn *i, struct cursor *k, unsigned mod, unsigned rm)
{
	static const uint8_t base[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP, X86_RSI, X86_RDI, X86_RBP, X86_RBX };
	static const uint8_t index[8] = { X86_RSI, X86_RDI, X86_RSI, X86_RDI, X86_ZERO, X86_ZERO, X86_ZERO, X86_ZERO };

	i->base = base[rm];
	i->index = index[rm];
	i->seg = i->base == X86_RBP ? X86_SS : X86_DS;
	i->off_disp = (uint8_t)k->at;
	if (mod == 0 && rm == 6) {
		i->base = X86_ZERO;
		i->seg = X86_DS;
		i->disp = take_signed(k, 2);
	} else if (mod == 0) {
		i->off_disp = 0;
	} else {
		i->disp = take_signed(k, mod);
	}
}

static void take_sib(struct x86_insn *i, struct cursor *k, unsigned mod, const struct opcode *o, bool vsib)
{
	uint8_t sib = take8(k);
	unsigned base = (sib & 7) | (o->rex_b << 3), index = (sib >> 3 & 7) | (o->rex_x << 3);

	i->scale = sib >> 6;
	i->index = index == 4 && !vsib ? X86_ZERO : (uint8_t)index;
	i->base = (uint8_t)base;
	if ((sib & 7) == 5 && mod == 0) {
		i->base = X86_ZERO;
		i->off_disp = (uint8_t)k->at;
		i->disp = take_signed(k, 4);
	}
}

static void take_mem32(struct x86_insn *i, struct cursor *k, unsigned mod, unsigned rm, const struct opcode *o,
		       uint32_t mode, bool vsib)
{
	i->index = X86_ZERO;
	if (rm == 4) {
		take_sib(i, k, mod, o, vsib);
	} else if (rm == 5 && mod == 0) {
		i->base = is64(mode) ? X86_RIPBASE : X86_ZERO;
		i->off_disp = (uint8_t)k->at;
		i->disp = take_signed(k, 4);
	} else {
		i->base = (uint8_t)(rm | (o->rex_b << 3));
	}
	i->seg = i->base == X86_RSP || i->base == X86_RBP ? X86_SS : X86_DS;
	if (mod == 1 || mod == 2) {
		i->off_disp = (uint8_t)k->at;
		i->disp = take_signed(k, mod == 1 ? 1 : 4);
	}
}

/* The gathers: their index is a vector register. */
static bool is_vsib(const struct x86_insn *i, const struct opcode *o)
{
	return o->map == MAP_VEX + 1 && i->opcode >= 0x90 && i->opcode <= 0x93;
}

static void take_modrm(struct x86_insn *i, struct cursor *k, uint32_t mode, struct opcode *o)
{
	unsigned mod;

	i->off_modrm = (uint8_t)k->at;
	i->modrm = take8(k);
	i->has_modrm = 1;
	mod = i->modrm >> 6;
	/* MOV to and from control and debug registers ignores mod. */
	if (mod == 3 || (o->map == MAP_0F && i->opcode >= 0x20 && i->opcode <= 0x23))
		return;
	i->has_mem = 1;
	if (is_vsib(i, o) && (i->addrsize == 2 || (i->modrm & 7) != 4))
		o->bad = true;
	if (i->addrsize == 2)
		take_mem16(i, k, mod, i->modrm & 7);
	else
		take_mem32(i, k, mod, i->modrm & 7, o, mode, is_vsib(i, o));
	if (i->seg_override != 0xff)
		i->seg = i->seg_override;
}

static unsigned operand_size(const struct x86_insn *i, uint32_t mode, bool w, uint32_t attrs)
{
	if (is64(mode)) {
		if (w || (attrs & ROW_F64))
			return 8;
		if (attrs & ROW_D64)
			return i->prefix66 ? 2 : 8;
		return i->prefix66 ? 2 : 4;
	}
	return !!(mode & X86_MODE_CS32) != i->prefix66 ? 4 : 2;
}

static bool prefix_fits(const struct x86_insn *i, unsigned want)
{
	switch (want) {
	case 1: return !i->rep && !i->prefix66;
	case 2: return !i->rep && i->prefix66;
	case 3: return i->rep == 0xf2;
	case 4: return i->rep == 0xf3;
	default: return true;
	}
}

static bool form_fits(const struct x86_insn *i, const struct rowform *f, const struct opcode *o, uint32_t mode)
{
	if (!prefix_fits(i, f->prefix))
		return false;
	if (f->reg >= 0 && (i->modrm >> 3 & 7) != f->reg)
		return false;
	if (f->mod && (f->mod == 1) != i->has_mem)
		return false;
	if (f->rm >= 0 && (i->modrm & 7) != f->rm)
		return false;
	if (f->mode && (f->mode == 1) != is64(mode))
		return false;
	if (f->w >= 0 && f->w != o->rex_w)
		return false;
	if (f->l >= 0 && f->l != i->vex_l)
		return false;
	if (f->rexb >= 0 && f->rexb != o->rex_b)
		return false;
	if (f->asize && !(f->asize & i->addrsize))
		return false;
	return !f->osize || (f->osize & operand_size(i, mode, o->rex_w, x86_rows[f->row].attrs));
}

static const struct x86_row *find_row(const struct x86_insn *i, const struct opslot *slot, const struct opcode *o,
				      uint32_t mode)
{
	for (unsigned n = 0; n < slot->count; n++) {
		const struct rowform *f = &x86_rowforms[slot->first + n];

		if (form_fits(i, f, o, mode))
			return &x86_rows[f->row];
	}
	return NULL;
}

static unsigned size_of(const struct x86_insn *i, unsigned size, const struct opcode *o, uint32_t mode)
{
	static const uint8_t fixed[] = { [SZ_B] = 1, [SZ_W] = 2, [SZ_D] = 4, [SZ_Q] = 8, [SZ_DQ] = 16, [SZ_QQ] = 32,
					 [SZ_T] = 10, [SZ_IS] = 1 };

	switch (size) {
	case SZ_V: return i->opsize;
	case SZ_Z: return i->opsize == 2 ? 2 : 4;
	case SZ_Y: return o->rex_w && is64(mode) ? 8 : 4;
	case SZ_N: return is64(mode) ? 8 : 4;
	case SZ_X: return i->vex && i->vex_l ? 32 : 16;
	case SZ_S: return is64(mode) ? 10 : 6;
	case SZ_P: return i->opsize + 2;
	default: return size < sizeof fixed ? fixed[size] : 0;
	}
}

static void set_gpr(struct x86_insn *i, struct x86_opnd *op, unsigned reg)
{
	op->kind = OPK_GPR;
	op->reg = (uint8_t)reg;
	/* Without REX byte registers 4 to 7 are AH, CH, DH, BH. */
	if (op->size == 1 && !i->rex && !i->vex && reg >= 4 && reg < 8) {
		op->reg = (uint8_t)(reg - 4);
		op->high = 1;
	}
}

static void set_reg(struct x86_opnd *op, unsigned kind, unsigned reg)
{
	op->kind = (uint8_t)kind;
	op->reg = (uint8_t)reg;
}

static void set_mem(struct x86_opnd *op, unsigned size)
{
	op->kind = OPK_MEM;
	op->size = (uint8_t)size;
}

static void take_imm(struct x86_insn *i, struct cursor *k, const struct opspec *s, struct x86_opnd *op, uint32_t mode)
{
	i->off_imm = (uint8_t)k->at;
	op->kind = OPK_IMM;
	switch (s->size) {
	case SZ_IS: i->imm = (uint64_t)take_signed(k, 1); break;
	case SZ_Z: i->imm = (uint64_t)take_signed(k, op->size); break;
	default: i->imm = take(k, op->size); break;
	}
	/* The operand has the size it is used in, not that of its bytes. */
	if (s->size == SZ_IS || s->size == SZ_Z)
		op->size = i->opsize;
}

static void take_moffs(struct x86_insn *i, struct cursor *k)
{
	i->off_disp = (uint8_t)k->at;
	i->has_mem = 1;
	i->base = i->index = X86_ZERO;
	i->disp = (int64_t)take(k, i->addrsize);
	i->seg = i->seg_override != 0xff ? i->seg_override : X86_DS;
}

static bool set_control(struct x86_insn *i, struct x86_opnd *op, unsigned reg, unsigned kind)
{
	static const uint16_t control_exists = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8;

	set_reg(op, kind, reg);
	return kind == OPK_CR ? control_exists >> reg & 1 : reg < 8;
}

/* One operand.  False: undefined opcode. */
static bool make_operand(struct x86_insn *i, struct cursor *k, const struct opspec *s, struct x86_opnd *op,
			 const struct opcode *o, uint32_t mode)
{
	unsigned reg = (i->modrm >> 3 & 7) | (o->rex_r << 3), rm = (i->modrm & 7) | (o->rex_b << 3);
	unsigned vreg = is64(mode) ? i->vvvv : i->vvvv & 7;

	op->size = (uint8_t)size_of(i, s->size, o, mode);
	switch (s->kind) {
	case K_E: case K_M: case K_T:
		if (i->has_mem)
			set_mem(op, size_of(i, s->memsize, o, mode));
		else
			set_gpr(i, op, rm);
		break;
	case K_R: set_gpr(i, op, rm); break;
	case K_G: set_gpr(i, op, reg); break;
	case K_B: set_gpr(i, op, vreg); break;
	case K_Z: set_gpr(i, op, (i->opcode & 7) | (o->rex_b << 3)); break;
	case K_FIXED:
		set_reg(op, OPK_GPR, s->reg & 0x7f);
		op->high = s->reg >> 7;
		break;
	case K_I: take_imm(i, k, s, op, mode); break;
	case K_ONE:
		op->kind = OPK_IMM;
		i->imm = 1;
		break;
	case K_I2:
		op->kind = OPK_IMM2;
		i->imm2 = (uint16_t)take(k, op->size);
		break;
	case K_J:
		i->off_imm = (uint8_t)k->at;
		op->kind = OPK_REL;
		i->imm = (uint64_t)take_signed(k, op->size);
		break;
	case K_O:
		take_moffs(i, k);
		set_mem(op, op->size);
		break;
	case K_A:
		i->off_imm = (uint8_t)k->at;
		op->kind = OPK_FAR;
		i->imm = take(k, i->opsize);
		i->imm2 = (uint16_t)take(k, 2);
		break;
	case K_S:
		set_reg(op, OPK_SEG, reg & 7);
		return (reg & 7) < X86_SEG_COUNT;
	case K_FIXSEG: set_reg(op, OPK_SEG, s->reg); break;
	case K_C: return set_control(i, op, reg, OPK_CR);
	case K_D: return set_control(i, op, reg, OPK_DR);
	case K_V: set_reg(op, OPK_XMM, reg); break;
	case K_H: set_reg(op, OPK_XMM, vreg); break;
	case K_L:
		i->off_imm = (uint8_t)k->at;
		i->imm = take8(k);
		set_reg(op, OPK_XMM, is64(mode) ? i->imm >> 4 & 15 : i->imm >> 4 & 7);
		break;
	case K_FIXXMM: set_reg(op, OPK_XMM, s->reg); break;
	case K_W: case K_U:
		if (i->has_mem)
			set_mem(op, size_of(i, s->memsize, o, mode));
		else
			set_reg(op, OPK_XMM, rm);
		break;
	case K_P: set_reg(op, OPK_MMX, reg & 7); break;
	case K_Q: case K_N:
		if (i->has_mem)
			set_mem(op, size_of(i, s->memsize, o, mode));
		else
			set_reg(op, OPK_MMX, rm & 7);
		break;
	case K_X: op->kind = OPK_STR_SRC; break;
	case K_Y: op->kind = OPK_STR_DST; break;
	case K_ST0: set_reg(op, OPK_ST, 0); break;
	case K_STI: set_reg(op, OPK_ST, i->modrm & 7); break;
	default: break;
	}
	return true;
}

static bool make_operands(struct x86_insn *i, struct cursor *k, const struct opcode *o, uint32_t mode)
{
	bool vvvv_free = i->vex;

	for (unsigned n = 0; n < 4 && i->row->operands[n]; n++) {
		const struct opspec *s = &x86_opspecs[i->row->operands[n]];

		if (!make_operand(i, k, s, &i->op[n], o, mode))
			return false;
		if (s->kind == K_H || s->kind == K_B)
			vvvv_free = false;
		i->opcount++;
	}
	/* VEX.vvvv without a meaning must be all ones, which is kept as 0. */
	return !vvvv_free || i->vvvv == 0;
}

enum x86_decode x86_decode(struct x86_insn *i, const uint8_t *code, size_t n, uint32_t mode)
{
	struct cursor k = { .code = code, .n = n < 16 ? n : 16 };
	struct opcode o = { .map = MAP_ONE };
	const struct opslot *slot;

	memset(i, 0, sizeof *i);
	i->seg_override = 0xff;
	i->base = i->index = X86_ZERO;
	i->seg = X86_DS;
	take_opcode(i, &k, mode, &o);
	i->addrsize = is64(mode) ? (i->prefix67 ? 4 : 8) : (!!(mode & X86_MODE_CS32) != i->prefix67 ? 4 : 2);
	slot = &x86_opslots[o.map][i->opcode];
	if (slot->modrm && !k.more)
		take_modrm(i, &k, mode, &o);
	if (i->seg_override != 0xff)
		i->seg = i->seg_override;
	if (!k.more && !o.bad)
		i->row = find_row(i, slot, &o, mode);
	if (i->row) {
		i->opsize = (uint8_t)operand_size(i, mode, o.rex_w, i->row->attrs);
		if (!make_operands(i, &k, &o, mode))
			i->row = NULL;
	}
	i->len = (uint8_t)k.at;
	if (k.at > 15 || (k.more && n >= 15))
		return X86_TOO_LONG;
	return k.more ? X86_NEED_MORE : X86_DECODED;
}
