/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves, and what MMX needs beyond the handlers that it shares with SSE.
 */
#include "vec.h"

/*
 * Destination = source.  Operand sizes in the table say the rest: a smaller
 * source is zero-extended, a smaller register destination (legacy) keeps what
 * is above.
 */
OP(vmov)
{
	vec v;

	/* Whole registers, the bulk of all moves. */
	if (likely(u->size[0] == u->size[1] && u->size[0] >= 16)) {
		if (u->kind[0] == OPK_XMM)
			vec_put(c, u, 0, vec_at(c, u, 1, &v));
		else
			vec_set(c, u, 0, &c->ymm[u->reg[1]]);
		return NEXT(u);
	}
	/* MOVSD, MOVQ between memory and XMM. */
	if (u->size[1] == 8 && u->kind[1] == OPK_MEM && u->kind[0] == OPK_XMM && u->size[0] == 16) {
		v.q[0] = x86_ld64(c, uop_lin(c, u, 8, X86_READ));
		v.q[1] = 0;
		vec_put(c, u, 0, &v);
		return NEXT(u);
	}
	if (u->size[0] == 8 && u->kind[0] == OPK_MEM && u->kind[1] == OPK_XMM) {
		x86_st64(c, uop_lin(c, u, 8, X86_WRITE), c->ymm[u->reg[1]].q[0]);
		return NEXT(u);
	}
	vec_get(c, u, 1, &v);
	vec_set(c, u, 0, &v);
	vec_used_mmx(c, u, 1);
	return NEXT(u);
}

/* VEX: low part from the third operand, the rest from the second. */
OP(vmerge)
{
	vec v = c->ymm[u->reg[1]], low;

	vec_get(c, u, 2, &low);
	memcpy(&v, &low, u->size[2]);
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movlhps)
{
	vec v = c->ymm[u->reg[SRC1(u)]], t;

	vec_get(c, u, SRC1(u) + 1, &t);
	v.q[1] = t.q[0];
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movhlps)
{
	vec v = c->ymm[u->reg[SRC1(u)]];

	v.q[0] = c->ymm[u->reg[SRC1(u) + 1]].q[1];
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movhps_store)
{
	vec v = { .q = { c->ymm[u->reg[1]].q[1] } };

	vec_set(c, u, 0, &v);
	return NEXT(u);
}

OP(movddup)
{
	vec v;

	vec_get(c, u, 1, &v);
	v.q[1] = v.q[0];
	v.q[3] = v.q[2];
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movsldup)
{
	vec v;

	vec_get(c, u, 1, &v);
	for (unsigned i = 0; i < 8; i += 2)
		v.d[i + 1] = v.d[i];
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movshdup)
{
	vec v;

	vec_get(c, u, 1, &v);
	for (unsigned i = 0; i < 8; i += 2)
		v.d[i] = v.d[i + 1];
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(movd_load)
{
	vec v = { .q = { op_get(c, u, 1) } };

	vec_set(c, u, 0, &v);
	return NEXT(u);
}

OP(movd_store)
{
	vec v;

	vec_get(c, u, 1, &v);
	op_set(c, u, 0, v.q[0]);
	vec_used_mmx(c, u, 1);
	return NEXT(u);
}

/*
 * MASKMOVQ, MASKMOVDQU: bytes of the first operand whose mask has the sign
 * bit go to seg:[rDI].  All of it must be writable, whatever the mask, and
 * the MMX state is entered even if it is not: so do processors.
 */
OP(maskmov)
{
	unsigned n = vec_lane(u, 0);
	uint64_t di = c->gpr[X86_RDI], lin;
	vec v, m;

	vec_get(c, u, 0, &v);
	vec_get(c, u, 1, &m);
	vec_used_mmx(c, u, 0);
	if (u->addrsize != 8)
		di = u->addrsize == 4 ? (uint32_t)di : (uint16_t)di;
	lin = x86_linear(c, u->seg, di, n, X86_WRITE);
	x86_probe_write(c, lin, n);
	for (unsigned i = 0; i < n; i++)
		if (m.sb[i] < 0)
			x86_st8(c, lin + i, v.b[i]);
	return NEXT(u);
}

OP(emms)
{
	x87_enter_mmx(c);
	c->fpu.empty = 0xff;
	return NEXT(u);
}

/* ---- sign bits to a general register ---- */

OP(pmovmskb)
{
	uint64_t r = 0;
	vec v;

	vec_get(c, u, 1, &v);
	for (unsigned i = 0; i < 32; i++)
		r |= (uint64_t)(v.b[i] >> 7) << i;
	op_set(c, u, 0, r);
	vec_used_mmx(c, u, 1);
	return NEXT(u);
}

OP(movmskps)
{
	uint64_t r = 0;
	vec v;

	vec_get(c, u, 1, &v);
	for (unsigned i = 0; i < 8; i++)
		r |= (uint64_t)(v.d[i] >> 31) << i;
	op_set(c, u, 0, r);
	return NEXT(u);
}

OP(movmskpd)
{
	uint64_t r = 0;
	vec v;

	vec_get(c, u, 1, &v);
	for (unsigned i = 0; i < 4; i++)
		r |= (v.q[i] >> 63) << i;
	op_set(c, u, 0, r);
	return NEXT(u);
}

/* ---- single elements ---- */

#define EXTRACT(name, field, count)                                                     \
	OP(name)                                                                        \
	{                                                                               \
		vec v;                                                                  \
                                                                                        \
		vec_get(c, u, 1, &v);                                                   \
		op_set(c, u, 0, v.field[u->imm & ((count) - 1)]);                       \
		vec_used_mmx(c, u, 1);                                                      \
		return NEXT(u);                                                         \
	}
EXTRACT(pextrb, b, 16)
EXTRACT(pextrw, w, vec_lane(u, 1) / 2)

/* PEXTRD, PEXTRQ, EXTRACTPS */
OP(pextrd)
{
	const vec *v = &c->ymm[u->reg[1]];

	op_set(c, u, 0, u->size[0] == 8 ? v->q[u->imm & 1] : v->d[u->imm & 3]);
	return NEXT(u);
}

#define INSERT(name, field, count)                                                      \
	OP(name)                                                                        \
	{                                                                               \
		vec v;                                                                  \
                                                                                        \
		vec_get(c, u, SRC1(u), &v);                                             \
		v.field[u->imm & ((count) - 1)] = op_get(c, u, SRC1(u) + 1);            \
		vec_put(c, u, 0, &v);                                                   \
		return NEXT(u);                                                         \
	}
INSERT(pinsrb, b, 16)
INSERT(pinsrw, w, vec_lane(u, 0) / 2)

/* PINSRD, PINSRQ */
OP(pinsrd)
{
	vec v = c->ymm[u->reg[SRC1(u)]];
	uint64_t x = op_get(c, u, SRC1(u) + 1);

	if (u->size[SRC1(u) + 1] == 8)
		v.q[u->imm & 1] = x;
	else
		v.d[u->imm & 3] = (uint32_t)x;
	vec_put(c, u, 0, &v);
	return NEXT(u);
}

OP(insertps)
{
	unsigned s = SRC1(u);
	vec v = c->ymm[u->reg[s]], t;

	vec_get(c, u, s + 1, &t);
	v.d[u->imm >> 4 & 3] = t.d[u->kind[s + 1] == OPK_MEM ? 0 : u->imm >> 6 & 3];
	for (unsigned i = 0; i < 4; i++)
		if (u->imm >> i & 1)
			v.d[i] = 0;
	vec_put(c, u, 0, &v);
	return NEXT(u);
}
