/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SSE, AVX and MMX: the same instruction, its vector registers the host's of the same
 * number, its memory operand at [S0], its general register the one pinned for it.
 *
 * Exceptions are masked whenever these run (see held.c), so only memory operands can
 * fault: their checks come first.
 */
#include "trans.h"

bool operand_written(const struct x86_insn *i)
{
	switch (i->row->handler) {
	case H_xchg: case H_fst_m32: case H_fst_m64: case H_fstp_m80: case H_fist_m16: case H_fist_m32: case H_fistp_m64:
	case H_fisttp_m16: case H_fisttp_m32: case H_fisttp_m64: case H_fbstp: case H_fnstcw: case H_fnstsw_m16:
		return true;
	default:
		return i->op[0].kind == OPK_MEM && !(i->row->attrs & (ROW_READ_ONLY | ROW_X87));
	}
}

bool host_runs(const struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	uint32_t attrs = i->row->attrs;

	if (attrs & (ROW_SSE | ROW_AVX) && t->c->mode & X86_MODE_SSE_TRAPS)
		return false;
	if (attrs & (ROW_MMX | ROW_X87) && (t->c->mode & X86_MODE_X87_TRAPS || !t->j->host[F_XSAVE]))
		return false;
	return t->j->host[i->row->feature] && !i->lock && !(i->has_mem && i->addrsize != 8);
}

void take_held(struct trans *t, unsigned held)
{
	unsigned missing = held & ~(unsigned)t->held;

	if (!missing)
		return;
	if (missing & HELD_X87)
		flags_free(t);
	e8(&t->e, 0xe8);
	e_rel(&t->e, t->j->thunk_take[missing]);
	if (missing & HELD_X87)
		flags_again(t);
	t->held |= (uint8_t)missing;
}

/* ---- operands ---- */

struct fields {
	unsigned map;            /* 1: 0F, 2: 0F38, 3: 0F3A */
	unsigned reg, rm;        /* of ModRM, with R and B */
	bool reg_gpr, rm_gpr;
	bool rm_dest;            /* the general register is written; the one in ModRM.reg always is */
};

static void split(const struct trans *t, struct fields *f)
{
	const struct x86_insn *i = &t->insn;
	const uint8_t *op = &t->bytes[i->off_opcode];
	bool r = i->rex & 4, b = i->rex & 1, gpr = false;

	f->map = i->vex || op[-1] == 0x0f ? 1 : op[-1] == 0x38 ? 2 : 3;
	if (i->vex == 3) {
		f->map = op[-2] & 0x1f;
		b = !(op[-2] & 0x20);
	}
	if (i->vex)
		r = !(op[i->vex == 3 ? -2 : -1] & 0x80);
	f->reg = (i->modrm >> 3 & 7) | (unsigned)r << 3;
	f->rm = (i->modrm & 7) | (unsigned)b << 3;
	for (unsigned n = 0; n < i->opcount; n++)
		gpr |= i->op[n].kind == OPK_GPR;
	/* MOVMSK, PMOVMSKB, PEXTRW, CVT*2SI */
	f->reg_gpr = gpr && f->map == 1 && (i->opcode == 0x50 || i->opcode == 0xd7 || i->opcode == 0xc5 ||
					     i->opcode == 0x2c || i->opcode == 0x2d);
	f->rm_gpr = gpr && !f->reg_gpr;
	/* MOVD and MOVQ to it, PEXTR*, EXTRACTPS */
	f->rm_dest = f->map == 1 ? i->opcode == 0x7e : f->map == 3 && i->opcode >= 0x14 && i->opcode <= 0x17;
}

/* Alignment that a memory operand must have, in the guest or on the host. */
static unsigned alignment(const struct x86_insn *i, unsigned size)
{
	if (i->row->attrs & ROW_ALIGN)
		return size;
	if (i->vex || size < 16)
		return 1;
	switch (i->row->handler) {
	case H_vmov: case H_pcmpestri: case H_pcmpestrm: case H_pcmpistri: case H_pcmpistrm:
		return 1;
	default:
		return size;
	}
}

void check_alignment(struct trans *t, unsigned align, bool grouped)
{
	if (align == 1)
		return;
	flags_free(t);
	E_RAW(&t->e, "\x41\xf6\xc1");                        /* test r9b,align-1 */
	e8(&t->e, (uint8_t)(align - 1));
	if (grouped)
		to_careful(t, 0x85);
	else
		to_step(t, 0x85);
	flags_again(t);
}

/* ---- encoding ---- */

static void emit_legacy(struct trans *t, const struct fields *f, unsigned reg, unsigned xb)
{
	const struct x86_insn *i = &t->insn;
	uint8_t rex = (uint8_t)(0x40 | (i->rex & 8) | reg >> 3 << 2 | xb);
	struct emit *e = &t->e;

	if (i->rep || i->prefix66)
		e8(e, i->rep ? i->rep : 0x66);
	if (rex != 0x40)
		e8(e, rex);
	e8(e, 0x0f);
	if (f->map != 1)
		e8(e, f->map == 2 ? 0x38 : 0x3a);
}

static void emit_vex(struct trans *t, const struct fields *f, unsigned reg, unsigned xb)
{
	const struct x86_insn *i = &t->insn;
	unsigned pp = i->rep == 0xf3 ? 2 : i->rep == 0xf2 ? 3 : i->prefix66;
	uint8_t last = (uint8_t)((~i->vvvv & 15) << 3 | i->vex_l << 2 | pp), not_r = reg < 8 ? 0x80 : 0;
	struct emit *e = &t->e;

	if (f->map == 1 && !xb && !i->vex_w) {
		e8(e, 0xc5);
		e8(e, not_r | last);
		return;
	}
	e8(e, 0xc4);
	e8(e, (uint8_t)(not_r | (~xb & 3) << 5 | f->map));
	e8(e, (uint8_t)(i->vex_w << 7 | last));
}

/* @xb: bits X and B of REX. */
static void emit_opcode(struct trans *t, const struct fields *f, unsigned reg, unsigned xb)
{
	if (t->insn.vex)
		emit_vex(t, f, reg, xb);
	else
		emit_legacy(t, f, reg, xb);
	e8(&t->e, t->insn.opcode);
}

/* Masked by element, or not of these registers at all. */
static bool left_out(const struct x86_insn *i)
{
	switch (i->row->handler) {
	case H_maskmov: case H_vmaskmov_load: case H_vmaskmov_store: case H_vgather: case H_ldmxcsr:
		return true;
	default:
		return false;
	}
}

bool try_vector(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	uint32_t attrs = i->row->attrs;
	unsigned reg, size = 0;
	struct fields f;

	if (!(attrs & (ROW_SSE | ROW_AVX | ROW_MMX)) || !host_runs(t) || left_out(i))
		return false;
	for (unsigned n = 0; n < i->opcount; n++)
		if (i->op[n].kind == OPK_MEM)
			size = i->op[n].size;
	if (i->has_mem && !size)
		return false;
	split(t, &f);
	take_held(t, (attrs & (ROW_SSE | ROW_AVX) ? HELD_VEC : 0) | (attrs & ROW_MMX ? HELD_X87 : 0));
	reg = f.reg_gpr ? (in_slot(f.reg) ? H_S1 : host_reg(f.reg)) : f.reg;
	if (i->has_mem) {
		struct place at = place_operand(t, size, operand_written(i), alignment(i, size), reg == H_S1 && f.reg_gpr);

		emit_opcode(t, &f, reg, place_rex(at));
		e_place(&t->e, reg, at);
	} else {
		unsigned rm = f.rm_gpr ? value_in(t, f.rm, H_S1) : f.rm;

		emit_opcode(t, &f, reg, rm >> 3);
		if (i->has_modrm)
			e8(&t->e, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
	}
	if (i->off_imm)
		en(&t->e, t->bytes + i->off_imm, i->len - i->off_imm);
	if (f.reg_gpr && in_slot(f.reg))
		e_store(&t->e, H_S1, GPR_AT(f.reg));
	if (f.rm_gpr && f.rm_dest && !i->has_mem && in_slot(f.rm))
		e_store(&t->e, H_S1, GPR_AT(f.rm));
	return true;
}
