/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Branches, calls and loops of sequences; flags through the stack, code that changes, faults, system instructions. */
#include <glib.h>
#include <string.h>

#include "maker.h"

/* ---- control ---- */

static int8_t forward(struct maker *m)
{
	unsigned to = m->s->count + 1 + below(m->g, 6);

	return one_in(m->g, 20) || to >= m->body + 4 ? ITEM_END : (int8_t)to;
}

static int8_t backward(struct maker *m)
{
	unsigned far = 1 + below(m->g, 8);

	return (int8_t)(m->s->count > far ? m->s->count - far : 0);
}

static void jcc(struct maker *m, unsigned cc, int8_t target)
{
	static const uint32_t reads[] = { X86_OF, X86_CF, X86_ZF, X86_CF | X86_ZF, X86_SF, X86_PF, X86_SF | X86_OF, X86_SF | X86_OF | X86_ZF };
	struct item *i;

	reads_flags(m, reads[cc >> 1]);
	if (one_in(m->g, 3)) {
		i = ITEM(m, 0x0f, (uint8_t)(0x80 | cc), 0, 0, 0, 0);
		i->fix = FIX_REL32;
		i->fix_at = 2;
	} else {
		i = ITEM(m, (uint8_t)(0x70 | cc), 0);
		i->fix = FIX_REL8;
		i->fix_at = 1;
	}
	i->target = target;
}

/* Counts down and goes back while it is positive. */
static void counted_loop(struct maker *m)
{
	int8_t to = backward(m);

	if (m->s->counter >= 0 && !one_in(m->g, 3)) {
		unsigned r = (unsigned)m->s->counter;

		if (m->mode == CASE_64)
			ITEM(m, (uint8_t)(0x48 | (r >= 8)), 0x83, (uint8_t)(0xe8 | (r & 7)), 1);
		else
			ITEM(m, 0x83, (uint8_t)(0xe8 | (r & 7)), 1);
		m->undefined = 0;
		jcc(m, 0xf, to);
	} else {
		/* shr dword [pointer+disp],1; jnz */
		unsigned p = m->pointer[below(m->g, 3)];
		uint8_t disp = (uint8_t)(below(m->g, 16) * 8);

		if (p >= 8)
			ITEM(m, 0x41, 0xc1, (uint8_t)(0x68 | (p & 7)), disp, (uint8_t)(1 + below(m->g, 8)));
		else
			ITEM(m, 0xc1, (uint8_t)(0x68 | p), disp, (uint8_t)(1 + below(m->g, 8)));
		m->undefined = X86_AF | X86_OF;
		jcc(m, 5, to);
	}
}

static struct item *load_address(struct maker *m, unsigned reg, int8_t target)
{
	struct item *i;
	uint8_t op = (uint8_t)(0xb8 | (reg & 7));

	if (reg >= 8)
		i = ITEM(m, 0x41, op, 0, 0, 0, 0);
	else
		i = ITEM(m, op, 0, 0, 0, 0);
	i->fix = FIX_ABS32;
	i->fix_at = (uint8_t)(i->len - 4);
	i->target = target;
	return i;
}

static void through_register(struct maker *m, unsigned op, int8_t target)
{
	unsigned r = any_scratch(m);

	load_address(m, r, target);
	if (r >= 8)
		ITEM(m, 0x41, 0xff, (uint8_t)(0xc0 | op << 3 | (r & 7)));
	else
		ITEM(m, 0xff, (uint8_t)(0xc0 | op << 3 | r));
}

/* push target; ret, or the like. */
static void by_return(struct maker *m, int8_t target)
{
	struct item *i = ITEM(m, 0x68, 0, 0, 0, 0);

	i->fix = FIX_ABS32;
	i->fix_at = 1;
	i->target = target;
	ITEM(m, 0xc3);
}

struct item *relative(struct maker *m, uint8_t op, int8_t target)
{
	struct item *i = ITEM(m, op, 0, 0, 0, 0);

	i->fix = FIX_REL32;
	i->fix_at = 1;
	i->target = target;
	return i;
}

static void call(struct maker *m)
{
	if (one_in(m->g, 3))
		through_register(m, 2, TO_A_FUNCTION);
	else
		relative(m, 0xe8, TO_A_FUNCTION);
	m->undefined = X86_ARITH;
}

static void loop_insn(struct maker *m)
{
	struct item *i = ITEM(m, (uint8_t)(0xe0 + below(m->g, 4)), 0);

	i->fix = FIX_REL8;
	i->fix_at = 1;
	i->target = one_in(m->g, 4) ? backward(m) : forward(m);
}

void make_control(struct maker *m)
{
	struct generator *g = m->g;
	struct item *i;

	switch (below(g, 16)) {
	case 0: case 1: case 2: counted_loop(m); break;
	case 3: case 4: call(m); break;
	case 5:
		i = relative(m, 0xe9, forward(m));
		if (one_in(g, 2)) {
			i->bytes[0] = 0xeb;
			i->len = 2;
			i->fix = FIX_REL8;
		}
		break;
	case 6: through_register(m, 4, forward(m)); break;
	case 7: by_return(m, forward(m)); break;
	case 8: loop_insn(m); break;
	case 9: jcc(m, below(g, 16), backward(m)); break;
	default: jcc(m, below(g, 16), forward(m)); break;
	}
}

/* ---- the rest ---- */

/* pushf, something, popf; or chosen flags through popf. */
static void flags_through_stack(struct maker *m)
{
	uint32_t flags = bits32(m->g) & (X86_ARITH | X86_DF | (one_in(m->g, 8) ? X86_AC | X86_NT | X86_ID | X86_TF : 0));

	if (one_in(m->g, 2)) {
		reads_flags(m, X86_ARITH);
		ITEM(m, 0x9c);
		make_plain(m);
		ITEM(m, 0x9d);
	} else {
		ITEM(m, 0x68, (uint8_t)flags, (uint8_t)(flags >> 8), (uint8_t)(flags >> 16), 0);
		ITEM(m, 0x9d);
	}
	m->undefined = 0;
}

/* mov byte [address in the sequence],value */
static void write_code(struct maker *m)
{
	uint8_t v = (uint8_t)integer(m->g);
	struct item *i = m->mode == CASE_64 ? ITEM(m, 0xc6, 0x04, 0x25, 0, 0, 0, 0, v) : ITEM(m, 0xc6, 0x05, 0, 0, 0, 0, v);

	i->fix = FIX_ABS32;
	i->fix_at = m->mode == CASE_64 ? 3 : 2;
	i->target = one_in(m->g, 2) ? backward(m) : forward(m);
	/* Mostly the last byte, which may be an immediate operand. */
	i->into = (uint8_t)(one_in(m->g, 6) ? below(m->g, 5) : 0xff);
}

static void fault(struct maker *m)
{
	switch (below(m->g, 8)) {
	case 0: ITEM(m, 0x0f, 0x0b); break;
	case 1: ITEM(m, 0xcc); break;
	case 2: ITEM(m, 0xf4); break;
	case 3: ITEM(m, 0x31, 0xd2); ITEM(m, 0x31, 0xc9); ITEM(m, 0xf7, 0xf1); break;  /* division by zero */
	case 4: ITEM(m, 0x8b, 0x04, 0x25, 0, 0x40, 0, 0x10); break;                    /* reads the read-only page */
	case 5: ITEM(m, 0x89, 0x04, 0x25, 0, 0x41, 0, 0x10); break;                    /* writes it */
	case 6: ITEM(m, 0x68, 0x00, 0x41, 0x00, 0x10); ITEM(m, 0xc3); break;           /* goes there */
	default: ITEM(m, 0xf0, 0x01, 0xc0); break;                                     /* LOCK where it cannot be */
	}
	m->undefined = X86_ARITH;
}

/* Far returns and IRET to the same code segment. */
static void far_return(struct maker *m)
{
	uint8_t cs = m->cpl ? m->mode == CASE_64 ? 0x33 : 0x23 : 0x08, ss = m->cpl ? 0x2b : 0x10;
	unsigned r = any_scratch(m);
	bool iret = m->mode == CASE_64 && one_in(m->g, 2);
	struct item *i;

	if (iret) {
		reads_flags(m, X86_ARITH);
		/* mov r,rsp; push ss; push r; pushf; push cs; push to; iretq */
		ITEM(m, (uint8_t)(0x48 | (r >= 8)), 0x89, (uint8_t)(0xe0 | (r & 7)));
		ITEM(m, 0x6a, ss);
		if (r >= 8)
			ITEM(m, 0x41, (uint8_t)(0x50 | (r & 7)));
		else
			ITEM(m, (uint8_t)(0x50 | r));
		ITEM(m, 0x9c);
	}
	ITEM(m, 0x6a, cs);
	i = ITEM(m, 0x68, 0, 0, 0, 0);
	i->fix = FIX_ABS32;
	i->fix_at = 1;
	i->target = (int8_t)(m->s->count + 1);
	if (iret)
		ITEM(m, 0x48, 0xcf);
	else if (m->mode == CASE_64)
		ITEM(m, 0x48, 0xcb);
	else
		ITEM(m, 0xcb);
}

/* On to code of the other width. */
static void change_mode(struct maker *m)
{
	struct item *i;

	m->s->far = true;
	if (m->mode == CASE_32) {
		i = ITEM(m, 0xea, 0, 0, 0, 0, 0x33, 0);
		i->fix = FIX_ABS32;
		i->fix_at = 1;
		i->target = (int8_t)m->s->count;
		m->mode = CASE_64;
		return;
	}
	ITEM(m, 0x6a, 0x23);
	i = ITEM(m, 0x68, 0, 0, 0, 0);
	i->fix = FIX_ABS32;
	i->fix_at = 1;
	i->target = (int8_t)(m->s->count + 1);
	ITEM(m, 0x48, 0xcb);
	m->mode = CASE_32;
}

static void kernel_only(struct maker *m)
{
	unsigned r = any_scratch(m), p = m->pointer[below(m->g, 3)];

	switch (below(m->g, 12)) {
	case 0: ITEM(m, 0xfa); break;
	case 1: ITEM(m, 0xfb); break;
	case 2: ITEM(m, 0x0f, 0x01, 0xca); break;                            /* clac */
	case 3: ITEM(m, 0x0f, 0x01, 0xcb); break;                            /* stac */
	case 4: ITEM(m, 0x0f, 0x01, 0xf8); break;                            /* swapgs */
	case 5: ITEM(m, (uint8_t)(0x40 | (p >= 8)), 0x0f, 0x01, (uint8_t)(0x38 | ((p & 7) == 5 || (p & 7) == 4 ? 0 : p & 7))); break;  /* invlpg */
	case 6: ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x20, (uint8_t)(0xd8 | (r & 7))); break;  /* mov r,cr3 */
	case 7:                                                              /* there and back */
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x20, (uint8_t)(0xd8 | (r & 7)));
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x22, (uint8_t)(0xd8 | (r & 7)));
		break;
	case 8:                                                              /* CR0 with one bit changed: TS */
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x20, (uint8_t)(0xc0 | (r & 7)));
		ITEM(m, (uint8_t)(0x48 | (r >= 8)), 0x83, (uint8_t)(0xf0 | (r & 7)), 8);
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x22, (uint8_t)(0xc0 | (r & 7)));
		m->undefined = X86_AF;
		break;
	case 9: ITEM(m, 0x0f, 0x06); break;                                  /* clts */
	case 10:                                                             /* CR4 with SMAP changed */
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x20, (uint8_t)(0xe0 | (r & 7)));
		ITEM(m, (uint8_t)(0x48 | (r >= 8)), 0x0f, 0xba, (uint8_t)(0xf8 | (r & 7)), 21);
		ITEM(m, (uint8_t)(0x40 | (r >= 8)), 0x0f, 0x22, (uint8_t)(0xe0 | (r & 7)));
		m->undefined = X86_ARITH & ~X86_CF;
		break;
	default:                                                             /* mov ecx,MSR_FS_BASE or so; rdmsr or wrmsr */
		ITEM(m, 0xb9, (uint8_t)below(m->g, 3), 0x01, 0x00, 0xc0);
		ITEM(m, 0x0f, (uint8_t)(one_in(m->g, 4) ? 0x30 : 0x32));
		break;
	}
}

void make_special(struct maker *m)
{
	switch (below(m->g, 16)) {
	case 0: case 1: case 2: case 3: flags_through_stack(m); break;
	case 4: case 5: write_code(m); break;
	case 6: case 7: fault(m); break;
	case 8: case 9: far_return(m); break;
	case 10: ITEM(m, 0xfd); break;
	case 11: ITEM(m, 0xfc); break;
	case 12: if (m->cpl && one_in(m->g, 2)) change_mode(m); break;
	case 13:
		if (!make_of_class(m, CLASS_SYSTEM))
			ITEM(m, 0x90);
		break;
	default:
		if (!m->cpl && m->mode == CASE_64)
			kernel_only(m);
		break;
	}
}
