/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stack and control flow.
 */
#include "trans.h"

static void move_gsp(struct trans *t, int32_t by) { e_lea(&t->e, H_GSP, H_GSP, by); }

static void emit_push(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned h = H_S0;

	if (i->op[0].kind == OPK_IMM)
		e_imm64(&t->e, H_S0, i->imm);
	else
		h = value_in(t, i->op[0].reg, H_S0);
	stack_access(t, 0x89, h, -8);
	move_gsp(t, -8);
}

static void emit_pop(struct trans *t)
{
	unsigned reg = t->insn.op[0].reg, h = in_slot(reg) ? H_S0 : host_reg(reg);

	stack_access(t, 0x8b, h, 0);
	if (reg != X86_RSP)
		move_gsp(t, 8);
	if (in_slot(reg))
		e_store(&t->e, H_S0, GPR_AT(reg));
}

/* Behind an instruction that the interpreter has done and that always jumps nothing goes on. */
static void emit_call(struct trans *t, uint64_t next)
{
	e_imm64(&t->e, H_S0, next);
	stack_access(t, 0x89, H_S0, -8);
	move_gsp(t, -8);
	to_exit(t, 0xe9, next + t->insn.imm);
}

static void emit_ret(struct trans *t)
{
	uint32_t drop = 8 + (t->insn.op[0].kind == OPK_IMM ? (uint16_t)t->insn.imm : 0);

	stack_access(t, 0x8b, H_S0, 0);
	flags_free(t);
	probe_target(t);
	move_gsp(t, (int32_t)drop);
	jump_target(t);
}

/* S0: where JMP or CALL r/m leads. */
static void indirect_target(struct trans *t)
{
	if (t->insn.has_mem) {
		lin_operand(t);
		reach(t, 8, false);
		E_RAW(&t->e, "\x4d\x8b\x09");                /* mov r9,[r9] */
	} else {
		unsigned h = value_in(t, t->insn.op[0].reg, H_S0);

		e8(&t->e, (uint8_t)(0x49 | (h >> 3) << 2));  /* mov r9,h */
		e8(&t->e, 0x89);
		e8(&t->e, (uint8_t)(0xc1 | (h & 7) << 3));
	}
	flags_free(t);
	probe_target(t);
}

static void emit_jmp_rm(struct trans *t)
{
	indirect_target(t);
	jump_target(t);
}

/* The target is known before anything is pushed: it may be read from there. */
static void emit_call_rm(struct trans *t, uint64_t next)
{
	indirect_target(t);
	e_store(&t->e, H_S1, CPU_AT(engine_place));
	e_imm64(&t->e, H_S0, next);
	stack_access(t, 0x89, H_S0, -8);
	move_gsp(t, -8);
	e_load(&t->e, H_S1, CPU_AT(engine_place));
	jump_target(t);
}

bool try_branch(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	uint64_t next = t->lin + t->u->off + i->len, to = next + i->imm;

	if (!plain(t) || i->opsize == 2)
		return false;
	switch (i->row->handler) {
	case H_push:
		if (i->op[0].kind != OPK_GPR && i->op[0].kind != OPK_IMM)
			return false;
		emit_push(t);
		return true;
	case H_pop:
		if (i->op[0].kind != OPK_GPR)
			return false;
		emit_pop(t);
		return true;
	}
	if (!always_canonical(to))
		return false;
	switch (i->row->handler) {
	case H_jcc:
		to_exit(t, (uint8_t)(0x80 | (i->opcode & 15)), to);
		return true;
	case H_jmp_rel: to_exit(t, 0xe9, to); break;
	case H_call_rel: emit_call(t, next); break;
	case H_ret: emit_ret(t); break;
	case H_jmp_rm: emit_jmp_rm(t); break;
	case H_call_rm: emit_call_rm(t, next); break;
	default: return false;
	}
	t->ended = true;
	return true;
}

