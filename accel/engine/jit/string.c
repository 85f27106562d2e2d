/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * String instructions, upwards, with 64-bit addresses.  Repeated ones are the host's
 * own if what they touch is within one page on each side, as pages are copied and
 * cleared and as short strings mostly lie.  All else is the interpreter's.
 */
#include "trans.h"

/* Behind flags_free(): what goes down goes to the interpreter. */
static void check_direction(struct trans *t)
{
	E_RAW(&t->e, "\xf6\x84\x24");                        /* test byte [rsp+eflags+1],4 */
	e32(&t->e, CPU_AT(eflags) + 1);
	e8(&t->e, X86_DF >> 8);
	to_step(t, 0x85);
}

/* op with the accumulator or S1 as @reg and [r9], of @n bytes. */
static void op_at_s0(struct trans *t, unsigned n, uint8_t op, unsigned reg)
{
	if (n == 2)
		e8(&t->e, 0x66);
	e8(&t->e, (uint8_t)(0x41 | (n == 8) << 3 | (reg >> 3) << 2));
	e8(&t->e, (uint8_t)(op | (n != 1)));
	e8(&t->e, (uint8_t)(0x01 | (reg & 7) << 3));
}

static void to_s0(struct trans *t, unsigned reg)
{
	e_mov(&t->e, H_S0, reg);
	if (reg == H_RSI)
		add_segment(t);
}

/* ---- one element ---- */

/* engine_temp: the element at RSI; S0: where RDI's is. */
static void two_elements(struct trans *t, unsigned n, bool write)
{
	to_s0(t, H_RSI);
	reach(t, n, false);
	op_at_s0(t, n, 0x8a, H_S1);
	e_store(&t->e, H_S1, CPU_AT(engine_temp));
	to_s0(t, H_RDI);
	reach(t, n, write);
	e_load(&t->e, H_S1, CPU_AT(engine_temp));
}

static void emit_one(struct trans *t, unsigned n)
{
	unsigned h = t->insn.row->handler;
	bool src = h != H_stos && h != H_scas, dst = h != H_lods;

	flags_free(t);
	check_direction(t);
	switch (h) {
	case H_movs:
		two_elements(t, n, true);
		op_at_s0(t, n, 0x88, H_S1);
		break;
	case H_cmps:
		two_elements(t, n, false);
		op_at_s0(t, n, 0x3a, H_S1);
		break;
	default:
		to_s0(t, src ? H_RSI : H_RDI);
		reach(t, n, h == H_stos);
		op_at_s0(t, n, h == H_stos ? 0x88 : h == H_lods ? 0x8a : 0x3a, H_RAX);
	}
	if (src)
		e_lea(&t->e, H_RSI, H_RSI, (int32_t)n);
	if (dst)
		e_lea(&t->e, H_RDI, H_RDI, (int32_t)n);
}

/* ---- many ---- */

/* engine_temp: 4096 less the bytes of all elements; more than a page goes to the interpreter. */
static void room(struct trans *t, unsigned n)
{
	struct emit *e = &t->e;

	E_RAW(e, "\x48\x81\xf9");                            /* cmp rcx,4096/n */
	e32(e, 4096 / n);
	to_step(t, 0x87);
	E_RAW(e, "\x41\xb9\x00\x10\x00\x00");                /* mov r9d,4096 */
	E_RAW(e, "\x4c\x8d\x14\xcd");                        /* lea r10,[rcx*8] */
	if (!e->full)
		e->base[e->at - 1] = (uint8_t)((unsigned)__builtin_ctz(n) << 6 | 0x0d);
	e32(e, 0);
	E_RAW(e, "\x4d\x29\xd1");                            /* sub r9,r10 */
	e_store(e, H_S0, CPU_AT(engine_temp));
}

static void emit_many(struct trans *t, unsigned n)
{
	bool movs = t->insn.row->handler == H_movs;
	struct emit *e = &t->e;

	flags_free(t);
	check_direction(t);
	room(t, n);
	if (movs) {
		to_s0(t, H_RSI);
		reach_below(t, CPU_AT(engine_temp), false);
		/* No group is open here, so their words are free. */
		e_store(e, H_S0, CPU_AT(engine_group));
	}
	to_s0(t, H_RDI);
	reach_below(t, CPU_AT(engine_temp), true);
	e_store(e, H_RDI, GPR_AT(X86_RDI));
	if (movs) {
		e_store(e, H_RSI, GPR_AT(X86_RSI));
		e_load(e, H_RSI, CPU_AT(engine_group));
	}
	e_mov(e, H_RDI, H_S0);
	if (n == 2)
		e8(e, 0x66);
	e8(e, 0xf3);
	if (n == 8)
		e8(e, 0x48);
	e8(e, (uint8_t)((movs ? 0xa4 : 0xaa) | (n != 1)));
	/* The bytes done are what the host's RDI has moved by. */
	E_RAW(e, "\x4c\x29\xcf");                            /* sub rdi,r9 */
	if (movs) {
		e_mov(e, H_RSI, H_RDI);
		e_ctx(e, true, 0x03, H_RSI, GPR_AT(X86_RSI));
	}
	e_ctx(e, true, 0x03, H_RDI, GPR_AT(X86_RDI));
	flags_again(t);
}

bool try_string(struct trans *t)
{
	const struct x86_insn *i = &t->insn;
	unsigned h = i->row->handler, n;

	switch (h) {
	case H_movs: case H_stos: case H_lods: case H_scas: case H_cmps:
		break;
	default:
		return false;
	}
	n = i->op[0].size ? i->op[0].size : i->op[1].size;
	if (i->addrsize != 8 || i->lock)
		return false;
	if (!i->rep)
		emit_one(t, n);
	else if (h == H_movs || h == H_stos)
		emit_many(t, n);
	else
		return false;
	return true;
}
