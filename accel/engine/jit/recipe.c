/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Flags that nobody reads, made again where a fault shows them after all: LAHF and SETO
 * before most accesses would cost more than the checks do.
 *
 * A span reaches from an instruction that writes all flags up to the next one that does,
 * if nothing in between reads or writes any, or leaves the block.
 */
#include "trans.h"

enum {
	NONE,
	AGAIN,   /* CMP, TEST: the instruction itself */
	RESULT,  /* AND, OR, XOR: a TEST of the destination */
	UNDO,    /* ADD, SUB, NEG: backwards and forwards */
	REDO,    /* the operation on the old value */
	DIFFER,  /* ADD, SUB whose source is no longer there: it was the difference */
};

/* ---- one recipe ---- */

/* What a shift shifts by, 0 for a register. */
static unsigned shift_count(const struct x86_insn *i)
{
	return i->op[1].kind == OPK_IMM ? (uint8_t)i->imm : i->opcode == 0xd1 ? 1 : 0;
}

/* For *i, whose destination still has the result, and whose source is what it was. */
static struct recipe recipe_of(const struct x86_insn *i, bool same_dest, bool same_source)
{
	const struct x86_opnd *to = &i->op[0], *from = &i->op[1];
	bool wide = to->kind == OPK_GPR && to->size >= 4 && !i->lock;
	bool plain_source = from->kind == OPK_IMM || (from->kind == OPK_GPR && from->reg != to->reg);

	switch (i->row->handler) {
	case H_cmp: case H_test:
		return (struct recipe){ !i->has_mem && same_dest && same_source ? AGAIN : NONE, false };
	case H_and: case H_or: case H_xor:
		return (struct recipe){ to->kind == OPK_GPR && !to->high && same_dest ? RESULT : NONE, false };
	case H_neg:
		return (struct recipe){ wide && same_dest ? UNDO : NONE, false };
	case H_add: case H_sub:
		if (!wide)
			break;
		if (plain_source && same_source)
			return (struct recipe){ same_dest ? UNDO : REDO, !same_dest };
		return (struct recipe){ same_dest ? DIFFER : NONE, same_dest };
	case H_shl: case H_shr: case H_sar:
		if (wide && shift_count(i))
			return (struct recipe){ REDO, true };
	}
	return (struct recipe){ NONE, false };
}

/* ---- spans ---- */

static bool writes_all(const struct uop *u)
{
	const struct x86_row *row = &x86_rows[u->row];

	return flags_touched(row) == X86_ARITH && !keeps_flags(u);
}

/* All that it does with flags is flags_free() and flags_again() around a check, before S0 and S1 are in use. */
static bool is_simple(const struct uop *u)
{
	const struct x86_row *row = &x86_rows[u->row];

	switch (row->handler) {
	case H_push: case H_pop: case H_lea: case H_nop: case H_add: case H_or: case H_and: case H_sub: case H_xor:
	case H_cmp: case H_test: case H_mov: case H_movzx: case H_movsx: case H_movsxd: case H_imul2: case H_imul3:
	case H_not: case H_neg: case H_bswap: case H_shl: case H_shr: case H_sar:
		return true;
	default:
		return row->attrs & (ROW_SSE | ROW_AVX) && !(row->attrs & (ROW_MMX | ROW_X87));
	}
}

static bool accesses(const struct uop *u)
{
	unsigned h = x86_rows[u->row].handler;

	return h == H_push || h == H_pop ||
	       (h != H_lea && (u->kind[0] == OPK_MEM || u->kind[1] == OPK_MEM || u->kind[2] == OPK_MEM || u->kind[3] == OPK_MEM));
}

/* Where the span whose first instruction is @n ends: at one that writes all flags; t->count if it is no span. */
static unsigned span_end(const struct trans *t, unsigned n)
{
	for (; n < t->count; n++) {
		const struct x86_row *row = &x86_rows[t->b->uop[n].row];

		if (row->flags_read & X86_ARITH || row->attrs & (ROW_BRANCH | ROW_END) || !is_simple(&t->b->uop[n]))
			break;
		if (writes_all(&t->b->uop[n]))
			return n;
		if (flags_touched(row))
			break;
	}
	return t->count;
}

static uint32_t written_between(const struct trans *t, unsigned n, unsigned end)
{
	uint32_t all = 0;

	for (; n < end; n++)
		all |= t->gprs[n];
	return all;
}

/* Whether there is a recipe for @q when the registers in @changed have been written since. */
static bool find_recipe(struct trans *t, unsigned q, uint32_t changed)
{
	if (!decode_again(t, q))
		return false;
	t->recipe[q] = recipe_of(&t->insn, !(gpr_bit(&t->insn.op[0]) & changed), !(gpr_bit(&t->insn.op[1]) & changed));
	return t->recipe[q].kind != NONE;
}

static void plan_span(struct trans *t, unsigned q, unsigned end)
{
	bool wanted = t->poll[end];

	for (unsigned n = q + 1; n <= end; n++)
		wanted |= accesses(&t->b->uop[n]);
	if (!wanted || !find_recipe(t, q, written_between(t, q + 1, end)))
		return;
	/* The old value is kept before its own checks, which may need another. */
	t->recipe[q].slot = t->use[q] && t->recipe[t->use[q] - 1].old ? !t->recipe[t->use[q] - 1].slot : 0;
	for (unsigned n = q + 1; n <= end; n++)
		if (accesses(&t->b->uop[n]) || t->poll[n])
			t->use[n] = (uint8_t)(q + 1);
}

/* A jump back in the page, right behind what writes its flags. */
static bool jumps_back(const struct trans *t, unsigned n)
{
	const struct uop *u = &t->b->uop[n];
	uint64_t here = t->lin + u->off, to = here + u->len + u->imm;

	return x86_rows[u->row].handler == H_jcc && to <= here && !((to ^ t->lin) & X86_PAGE_MASK);
}

/*
 * The jump behind @q leads to the block's beginning, and what @q wrote is overwritten
 * there before anybody reads it: then it need not be saved, round for round.
 */
static void plan_loop(struct trans *t, unsigned q)
{
	unsigned end;

	if (!t->poll[q] || !is_loop_jump(&t->b->uop[q + 1]) || !shows_flags(t))
		return;
	end = span_end(t, 0);
	if (end == t->count || !find_recipe(t, q, written_between(t, 0, end)))
		return;
	/* An old value's slot may be another's by then. */
	if (t->recipe[q].old) {
		t->recipe[q] = (struct recipe){ NONE, false };
		return;
	}
	t->loop = (uint8_t)(q + 1);
	t->loop_end = (uint8_t)end;
}

void plan_recipes(struct trans *t)
{
	for (unsigned n = 0; n + 1 < t->count; n++)
		t->poll[n] = writes_all(&t->b->uop[n]) && !(x86_rows[t->b->uop[n].row].flags_read & X86_ARITH) &&
			     jumps_back(t, n + 1);
	for (unsigned q = 0; q + 1 < t->count; q++) {
		unsigned end = writes_all(&t->b->uop[q]) ? span_end(t, q + 1) : t->count;

		if (end < t->count)
			plan_span(t, q, end);
		else
			plan_loop(t, q);
	}
}

/* ---- emitting ---- */

/* For the instruction whose flags are being made. */
static uint32_t was_at(const struct trans *t) { return CPU_AT(engine_was) + t->slot * 8u; }

enum { ADD = 0, SUB = 5, SHL = 4, SHR = 5, SAR = 7 };

/* op S0,@source of the instruction, for an opcode group's @digit. */
static void on_s0(struct trans *t, unsigned digit)
{
	const struct x86_insn *i = &t->insn;
	bool w = i->op[0].size == 8;
	struct emit *e = &t->e;

	if (i->op[1].kind == OPK_GPR) {
		e_rr(e, w, (uint8_t)(digit << 3 | 1), value_in(t, i->op[1].reg, H_S1), H_S0);
		return;
	}
	e8(e, (uint8_t)(0x41 | w << 3));
	e8(e, 0x81);
	e8(e, (uint8_t)(0xc1 | digit << 3));
	e32(e, (uint32_t)i->imm);
}

static void shift_s0(struct trans *t, unsigned digit)
{
	e8(&t->e, (uint8_t)(0x41 | (t->insn.op[0].size == 8) << 3));
	e8(&t->e, 0xc1);
	e8(&t->e, (uint8_t)(0xc1 | digit << 3));
	e8(&t->e, (uint8_t)shift_count(&t->insn));
}

static unsigned alu_digit(const struct trans *t) { return t->insn.row->handler == H_add ? ADD : SUB; }

static void load_dest(struct trans *t, unsigned to)
{
	unsigned h = value_in(t, t->insn.op[0].reg, to);

	if (h != to)
		e_mov(&t->e, to, h);
}

static void test_dest(struct trans *t)
{
	const struct x86_opnd *to = &t->insn.op[0];
	struct emit *e = &t->e;

	load_dest(t, H_S0);
	if (to->size == 2)
		e8(e, 0x66);
	e8(e, (uint8_t)(0x45 | (to->size == 8) << 3));
	e8(e, to->size == 1 ? 0x84 : 0x85);
	e8(e, 0xc9);                                         /* test r9,r9 */
}

static void undo(struct trans *t)
{
	bool w = t->insn.op[0].size == 8;

	load_dest(t, H_S0);
	if (t->insn.row->handler == H_neg) {
		for (unsigned k = 0; k < 2; k++) {
			e8(&t->e, (uint8_t)(0x41 | w << 3));
			E_RAW(&t->e, "\xf7\xd9");                    /* neg r9 */
		}
		return;
	}
	on_s0(t, ADD + SUB - alu_digit(t));
	on_s0(t, alu_digit(t));
}

static void redo(struct trans *t)
{
	e_load(&t->e, H_S0, was_at(t));
	switch (t->insn.row->handler) {
	case H_shl: shift_s0(t, SHL); break;
	case H_shr: shift_s0(t, SHR); break;
	case H_sar: shift_s0(t, SAR); break;
	default: on_s0(t, alu_digit(t));
	}
}

/* The source was what the destination has changed by. */
static void differ(struct trans *t)
{
	bool add = t->insn.row->handler == H_add, w = t->insn.op[0].size == 8;
	struct emit *e = &t->e;

	load_dest(t, H_S0);
	if (add) {
		e_mov(e, H_S1, H_S0);
		e_ctx(e, true, 0x2b, H_S1, was_at(t));
	} else {
		e_load(e, H_S1, was_at(t));
		e_rr(e, true, 0x29, H_S0, H_S1);
	}
	e_load(e, H_S0, was_at(t));
	e_rr(e, w, add ? 0x01 : 0x29, H_S1, H_S0);
}

void make_flags(struct trans *t, unsigned q)
{
	/* It has been decoded before, from the same bytes, or the block is stale. */
	if (!decode_again(t, q)) {
		t->e.full = true;
		return;
	}
	t->slot = t->recipe[q].slot;
	switch (t->recipe[q].kind) {
	case AGAIN: try_integer(t); break;
	case RESULT: test_dest(t); break;
	case UNDO: undo(t); break;
	case REDO: redo(t); break;
	case DIFFER: differ(t); break;
	}
}

void keep_old(struct trans *t)
{
	t->slot = t->recipe[t->n].slot;
	if (t->recipe[t->n].old)
		e_store(&t->e, value_in(t, t->insn.op[0].reg, H_S0), was_at(t));
}
