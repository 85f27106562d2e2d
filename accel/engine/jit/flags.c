/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guest's arithmetic flags: who needs them, where they are, how they come back.
 */
#include "trans.h"

/* ---- who needs them ---- */

bool keeps_flags_at_0(const struct x86_row *row)
{
	switch (row->handler) {
	case H_shl: case H_shr: case H_sar: case H_rol: case H_ror: case H_rcl: case H_rcr: case H_shld: case H_shrd:
		return true;
	default:
		return false;
	}
}

/* The same for one of which the count may be known. */
bool keeps_flags(const struct uop *u)
{
	const struct x86_row *row = &x86_rows[u->row];

	if (!keeps_flags_at_0(row))
		return false;
	switch (row->handler) {
	case H_shl: case H_shr: case H_sar:
		return !(u->opcode == 0xd0 || u->opcode == 0xd1 || (u->kind[1] == OPK_IMM && u->imm & 31));
	default:
		return true;
	}
}

/* Backwards: what is read before it is written.  At exits flags count too, but engine_flags will do there. */
void find_live(struct trans *t)
{
	uint32_t live = 0;
	unsigned i;

	for (i = t->count; i-- > 0;) {
		const struct uop *u = &t->b->uop[i];
		const struct x86_row *row = &x86_rows[u->row];
		uint32_t kills = row->flags_written | row->flags_undefined;

		if (keeps_flags(u))
			kills = 0;
		live = ((live & ~kills) | row->flags_read) & X86_ARITH;
		t->live_in[i] = live;
	}
	t->live_in[t->count] = 0;
}

/* Overwrites all flags whatever happens, and never faults if its operands are registers. */
static bool overwrites_flags(const struct uop *u)
{
	switch (x86_rows[u->row].handler) {
	case H_add: case H_or: case H_adc: case H_sbb: case H_and: case H_sub: case H_xor: case H_cmp: case H_test:
	case H_neg: case H_imul1: case H_imul2: case H_imul3: case H_mul:
		return !block_refuses(u);
	case H_shl: case H_shr: case H_sar:
		return !keeps_flags(u) && !block_refuses(u);
	default:
		return false;
	}
}

bool shows_flags(const struct trans *t)
{
	const struct uop *u = &t->b->uop[0];

	for (unsigned k = 0; k < 4; k++)
		if (u->kind[k] == OPK_MEM)
			return true;
	return !overwrites_flags(u);
}

/* ---- to engine_flags and back ---- */

/* RAX waits in S1 meanwhile: by way of memory it would come back late, and much hangs on RAX. */
void flags_out(struct trans *t)
{
	struct emit *e = &t->e;

	e_mov(e, H_S1, H_RAX);
	E_RAW(e, "\x9f\x0f\x90\xc0");                        /* lahf; seto al */
	e_ctx(e, false, 0x89, H_RAX, CPU_AT(engine_flags));
	e_mov(e, H_RAX, H_S1);
}

/* Host flags := engine_flags, by RAX. */
static void load_flags(struct trans *t)
{
	e_ctx(&t->e, false, 0x8b, H_RAX, CPU_AT(engine_flags));
	E_RAW(&t->e, "\x3c\x81\x9e");                        /* cmp al,81h; sahf */
}

void flags_in(struct trans *t)
{
	e_mov(&t->e, H_S1, H_RAX);
	load_flags(t);
	e_mov(&t->e, H_RAX, H_S1);
}

void flags_found(struct trans *t)
{
	if (!t->lost)
		return;
	make_flags(t, t->lost - 1u);
	t->lost = 0;
}

void flags_free(struct trans *t)
{
	if (!t->lost && !t->saved) {
		if (t->use[t->n]) {
			t->lost = t->use[t->n];
		} else {
			flags_out(t);
			t->saved = true;
		}
	}
	t->spilled = true;
}

void flags_again(struct trans *t)
{
	t->spilled = false;
	if (t->lost)
		return;
	/* Behind a check S1 says where the operand is, so RAX has to wait in memory. */
	if (t->live) {
		e_store(&t->e, H_RAX, GPR_AT(X86_RAX));
		load_flags(t);
		e_load(&t->e, H_RAX, GPR_AT(X86_RAX));
	}
	t->stale = !t->live;
}

void flags_before(struct trans *t)
{
	const struct x86_row *row = &x86_rows[t->u->row];
	uint32_t w = flags_touched(row);

	t->live = t->live_in[t->n] || (w && (w != X86_ARITH || keeps_flags(t->u)));
	if (t->live && t->lost) {
		flags_found(t);
		if (!decode_again(t, t->n))
			t->e.full = true;
	}
	if (t->live && t->stale) {
		flags_in(t);
		t->stale = false;
	}
}
