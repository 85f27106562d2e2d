/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87: the same instruction with its memory operand at [S0].
 *
 * The pointers to the last instruction are kept in struct x86_fpu as the
 * interpreter keeps them; the host's own say where translated code lies.
 */
#include "trans.h"

#define FPU_AT(field) (CPU_AT(fpu) + (uint32_t)offsetof(struct x86_fpu, field))
_Static_assert(offsetof(struct x86_fpu, fcs) == offsetof(struct x86_fpu, fop) + 2 &&
	       offsetof(struct x86_fpu, fds) == offsetof(struct x86_fpu, fop) + 4 &&
	       offsetof(struct x86_fpu, fip) == offsetof(struct x86_fpu, fop) + 10, "one store writes them all");

/* Loads or stores more than registers, or is rare. */
static bool left_out(const struct x86_insn *i)
{
	switch (i->row->handler) {
	case H_fldenv: case H_fnstenv: case H_frstor: case H_fnsave: case H_fninit:
		return true;
	default:
		return false;
	}
}

/* Control instructions leave the pointers as they are. */
static bool keeps_pointers(const struct x86_insn *i)
{
	switch (i->row->handler) {
	case H_fldcw: case H_fnstcw: case H_fnstsw_m16: case H_fnstsw_ax: case H_fnclex: case H_fwait: case H_fpu_nop:
		return true;
	default:
		return false;
	}
}

/* mov [slot],imm32, of 4 or 8 bytes. */
static void store_imm(struct emit *e, bool w, uint32_t slot, uint32_t imm)
{
	if (w)
		e8(e, 0x48);
	E_RAW(e, "\xc7\x84\x24");
	e32(e, slot);
	e32(e, imm);
}

/* FOP, and selectors of 64-bit code: FCS, with a memory operand FDS, are 0. */
static void track(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	store_imm(e, i->has_mem, FPU_AT(fop), (uint32_t)(i->opcode & 7) << 8 | i->modrm);
	e_imm64(e, H_S1, t->lin + t->u->off);
	e_store(e, H_S1, FPU_AT(fip));
	if (i->has_mem) {
		e_load(e, H_S1, CPU_AT(engine_temp));
		e_store(e, H_S1, FPU_AT(fdp));
	}
}

/* S0: host address of the operand. */
static void reach_operand(struct trans *t)
{
	lea_operand(t);
	if (!keeps_pointers(&t->insn))
		e_store(&t->e, H_S0, CPU_AT(engine_temp));
	add_segment(t);
	reach(t, t->insn.op[0].size, operand_written(&t->insn));
}

/* Only what masks all exceptions; from a copy, as another processor may change the operand meanwhile. */
static void emit_fldcw(struct trans *t)
{
	struct emit *e = &t->e;

	flags_free(t);
	E_RAW(e, "\x45\x0f\xb7\x11");                        /* movzx r10d,word [r9] */
	e_store(e, H_S1, CPU_AT(engine_temp));
	E_RAW(e, "\x41\xf7\xd2\x41\xf6\xc2\x3f");            /* not r10d; test r10b,3fh */
	to_step(t, 0x85);
	flags_again(t);
	E_RAW(e, "\xd9\xac\x24");                            /* fldcw [rsp+engine_temp] */
	e32(e, CPU_AT(engine_temp));
}

bool try_x87(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	if (!(i->row->attrs & ROW_X87) || i->row->attrs & ROW_MMX || !host_runs(t) || left_out(i) ||
	    t->c->mode & X86_MODE_NO_X87 || (i->has_mem && !i->op[0].size))
		return false;
	if (i->row->handler == H_fwait || i->row->handler == H_fpu_nop)
		return true;
	take_held(t, HELD_X87);
	if (i->has_mem)
		reach_operand(t);
	if (i->row->handler == H_fldcw) {
		emit_fldcw(t);
		return true;
	}
	if (i->has_mem)
		e8(e, 0x41);
	e8(e, i->opcode);
	e8(e, i->has_mem ? (uint8_t)((i->modrm & 0x38) | 1) : i->modrm);
	if (!keeps_pointers(i))
		track(t);
	return true;
}
