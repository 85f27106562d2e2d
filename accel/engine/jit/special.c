/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that need more than their operands' host registers: divisions, which
 * may fault, two memory operands, loops.
 */
#include "trans.h"

/* op r/m,r10 or r10,[r9] with the prefix and REX.W that @n bytes take. */
static void op_s1_at_s0(struct trans *t, unsigned n, uint8_t op)
{
	if (n == 2)
		e8(&t->e, 0x66);
	e8(&t->e, (uint8_t)(0x45 | (n == 8) << 3));
	e8(&t->e, (uint8_t)(op | (n != 1)));
	e8(&t->e, 0x11);
}

/* op @reg,@rm of @n bytes; REX always, so bytes are the low ones. */
static void op_sized(struct trans *t, unsigned n, uint8_t op, unsigned reg, unsigned rm)
{
	if (n == 2)
		e8(&t->e, 0x66);
	e8(&t->e, (uint8_t)(0x40 | (n == 8) << 3 | (reg >> 3) << 2 | rm >> 3));
	e8(&t->e, (uint8_t)(op | (n != 1)));
	e8(&t->e, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

/* ---- DIV, IDIV ---- */

/* Host register with the divisor; one of memory is loaded once, so that it stays what was checked. */
static unsigned divisor(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (!i->has_mem)
		return value_in(t, i->op[0].reg, H_S1);
	lin_operand(t);
	reach(t, i->op[0].size, false);
	op_s1_at_s0(t, i->op[0].size, 0x8a);
	return H_S1;
}

/* The quotient fits if the dividend's upper half is below the divisor. */
static void check_div(struct trans *t, unsigned n, unsigned d)
{
	if (n == 1) {
		E_RAW(&t->e, "\x44\x0f\xb7\xc8\x41\xc1\xe9\x08");    /* movzx r9d,ax; shr r9d,8 */
		op_sized(t, 1, 0x38, d, H_S0);
	} else {
		op_sized(t, n, 0x38, d, H_RDX);
	}
	to_step(t, 0x83);
}

/* It does if the dividend is one half, sign-extended, and the divisor is not 0 or -1. */
static void check_idiv(struct trans *t, unsigned n, unsigned d)
{
	struct emit *e = &t->e;

	if (n == 1) {
		E_RAW(e, "\x44\x0f\xbe\xc8");                /* movsx r9d,al */
		op_sized(t, 2, 0x38, H_RAX, H_S0);
	} else {
		op_sized(t, n, 0x88, H_RAX, H_S0);           /* mov r9,rax; sar r9,8n-1 */
		if (n == 2)
			e8(e, 0x66);
		e8(e, (uint8_t)(0x41 | (n == 8) << 3));
		E_RAW(e, "\xc1\xf9");
		e8(e, (uint8_t)(8 * n - 1));
		op_sized(t, n, 0x38, H_RDX, H_S0);
	}
	to_step(t, 0x85);
	e_lea(e, H_S0, d, 1);
	if (n == 2)
		e8(e, 0x66);
	e8(e, (uint8_t)(0x41 | (n == 8) << 3));
	e8(e, n == 1 ? 0x80 : 0x83);
	E_RAW(e, "\xf9\x01");                                /* cmp r9,1 */
	to_step(t, 0x86);
}

static bool emit_division(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned n = i->op[0].size, d;
	bool is_signed = i->row->handler == H_idiv;

	if (!plain(t))
		return false;
	/* Once more behind the divisor's own check, which may have brought them back. */
	flags_free(t);
	d = divisor(t);
	flags_free(t);
	if (is_signed)
		check_idiv(t, n, d);
	else
		check_div(t, n, d);
	op_sized(t, n, 0xf6, is_signed ? 7 : 6, d);
	flags_again(t);
	return true;
}

/* ---- two accesses ---- */

static bool emit_push_mem(struct trans *t)
{
	if (!plain(t) || !t->insn.has_mem || t->insn.opsize != 8)
		return false;
	t->plan[t->n].group = -1;
	lin_operand(t);
	reach(t, 8, false);
	load_s1(t);
	e_store(&t->e, H_S1, CPU_AT(engine_temp));
	e_lea(&t->e, H_S0, H_GSP, -8);
	reach(t, 8, true);
	e_load(&t->e, H_S1, CPU_AT(engine_temp));
	store_s1(t);
	e_lea(&t->e, H_GSP, H_GSP, -8);
	return true;
}

/* The address is computed with the RSP behind the pop; left to the interpreter if RSP is part of it. */
static bool emit_pop_mem(struct trans *t)
{
	const struct x86_insn *i = &t->insn;

	if (!plain(t) || !i->has_mem || i->opsize != 8 || i->base == X86_RSP)
		return false;
	t->plan[t->n].group = -1;
	e_mov(&t->e, H_S0, H_GSP);
	reach(t, 8, false);
	load_s1(t);
	e_store(&t->e, H_S1, CPU_AT(engine_temp));
	lin_operand(t);
	reach(t, 8, true);
	e_load(&t->e, H_S1, CPU_AT(engine_temp));
	store_s1(t);
	e_lea(&t->e, H_GSP, H_GSP, 8);
	return true;
}

static bool emit_leave(struct trans *t)
{
	if (!plain(t) || t->insn.opsize != 8)
		return false;
	e_mov(&t->e, H_S0, H_RBP);
	reach(t, 8, false);
	load_s1(t);
	e_lea(&t->e, H_GSP, H_RBP, 8);
	e_mov(&t->e, H_RBP, H_S1);
	return true;
}

static bool emit_xlat(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	if (i->prefix67 || i->seg >= X86_FS)
		return false;
	E_RAW(e, "\x44\x0f\xb6\xc8");                        /* movzx r9d,al */
	E_RAW(e, "\x4e\x8d\x0c\x0b");                        /* lea r9,[rbx+r9] */
	reach(t, 1, false);
	E_RAW(e, "\x41\x8a\x01");                            /* mov al,[r9] */
	return true;
}

/* CMPXCHG8B and 16B; the latter's operand must be aligned. */
static bool emit_cmpxchg_wide(struct trans *t, unsigned n)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;

	if (i->prefix67 || i->rep || !t->j->host[i->row->feature])
		return false;
	lin_operand(t);
	check_alignment(t, n == 16 ? 16 : 1, false);
	reach(t, n, true);
	emit_lock(t);
	e8(e, n == 16 ? 0x49 : 0x41);
	E_RAW(e, "\x0f\xc7\x09");                            /* cmpxchg16b [r9] */
	return true;
}

bool try_special(struct trans *t)
{
	switch (t->insn.row->handler) {
	case H_div: case H_idiv: return emit_division(t);
	case H_push: return emit_push_mem(t);
	case H_pop: return emit_pop_mem(t);
	case H_leave: return emit_leave(t);
	case H_xlat: return emit_xlat(t);
	case H_cmpxchg8b: return emit_cmpxchg_wide(t, 8);
	case H_cmpxchg16b: return emit_cmpxchg_wide(t, 16);
	default: return false;
	}
}
