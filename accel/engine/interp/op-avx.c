/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What exists only with VEX: permutes, broadcasts, masked moves, gathers.
 */
#include "vec.h"

OP(vzeroupper)
{
	unsigned n = c->mode & X86_MODE_CS64 ? 16 : 8;

	for (unsigned i = 0; i < n; i++)
		c->ymm[i].q[2] = c->ymm[i].q[3] = 0;
	return NEXT(u);
}

OP(vzeroall)
{
	memset(c->ymm, 0, (c->mode & X86_MODE_CS64 ? 16 : 8) * sizeof c->ymm[0]);
	return NEXT(u);
}

/* ---- permutes ---- */

OP(vpermilps)
{
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 8; i++)
		r.d[i] = a->d[(i & 4) + (u->imm >> 2 * (i & 3) & 3)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vpermilpd)
{
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 4; i++)
		r.q[i] = a->q[(i & 2) + (u->imm >> i & 1)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vpermilps_v)
{
	vec tb, r;
	const vec *a = &c->ymm[u->reg[1]], *b = vec_at(c, u, 2, &tb);

	for (unsigned i = 0; i < 8; i++)
		r.d[i] = a->d[(i & 4) + (b->d[i] & 3)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vpermilpd_v)
{
	vec tb, r;
	const vec *a = &c->ymm[u->reg[1]], *b = vec_at(c, u, 2, &tb);

	for (unsigned i = 0; i < 4; i++)
		r.q[i] = a->q[(i & 2) + (b->q[i] >> 1 & 1)];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* The second operand chooses, the third one has the data. */
OP(vpermd)
{
	vec tb, r;
	const vec *at = &c->ymm[u->reg[1]], *b = vec_at(c, u, 2, &tb);

	for (unsigned i = 0; i < 8; i++)
		r.d[i] = b->d[at->d[i] & 7];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vpermq)
{
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 4; i++)
		r.q[i] = a->q[u->imm >> 2 * i & 3];
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vperm2f128)
{
	vec tb, r;
	const vec *s[2] = { &c->ymm[u->reg[1]], vec_at(c, u, 2, &tb) };

	for (unsigned i = 0; i < 4; i++) {
		unsigned choice = (unsigned)u->imm >> 2 * (i & 2);

		r.q[i] = choice & 8 ? 0 : s[choice >> 1 & 1]->q[2 * (choice & 1) + (i & 1)];
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vinsertf128)
{
	vec tb, r = c->ymm[u->reg[1]];
	const vec *b = vec_at(c, u, 2, &tb);

	memcpy(&r.q[2 * (u->imm & 1)], b, 16);
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

OP(vextractf128)
{
	vec r = { 0 };

	memcpy(&r, &c->ymm[u->reg[1]].q[2 * (u->imm & 1)], 16);
	vec_set(c, u, 0, &r);
	return NEXT(u);
}

/* The source, of 1 to 16 bytes, over and over. */
OP(vbroadcast)
{
	unsigned size = u->size[1];
	vec ta, r;
	const vec *a = vec_at(c, u, 1, &ta);

	for (unsigned i = 0; i < 32; i += size)
		memcpy(r.b + i, a, size);
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* ---- memory under a mask: elements without the sign bit are not accessed ---- */

static bool mask_bit(const vec *m, unsigned i, unsigned size)
{
	return size == 8 ? m->sq[i] < 0 : m->sd[i] < 0;
}

static uint64_t element_lin(struct x86_cpu *c, const struct uop *u, uint64_t ea, unsigned size, enum x86_access a)
{
	if (u->addrsize != 8)
		ea = u->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
	return x86_linear(c, u->seg, ea, size, a);
}

/* VMASKMOVPD is the odd one of its pair; VPMASKMOV has VEX.W. */
static unsigned maskmov_size(const struct uop *u)
{
	return (u->opcode < 0x30 ? u->opcode & 1 : u->flags & UOP_W) ? 8 : 4;
}

OP(vmaskmov_load)
{
	unsigned size = maskmov_size(u);
	uint64_t ea = uop_ea(c, u);
	vec r = { 0 };

	for (unsigned i = 0; i < u->size[0] / size; i++) {
		uint64_t v;

		if (!mask_bit(&c->ymm[u->reg[1]], i, size))
			continue;
		v = mem_get(c, element_lin(c, u, ea + i * size, size, X86_READ), size);
		memcpy(r.b + i * size, &v, size);
	}
	vec_put(c, u, 0, &r);
	return NEXT(u);
}

/* All elements are probed before the first one is written. */
OP(vmaskmov_store)
{
	unsigned size = maskmov_size(u), n = u->size[0] / size;
	const vec *m = &c->ymm[u->reg[1]], *v = &c->ymm[u->reg[2]];
	uint64_t ea = uop_ea(c, u), lin[8];

	for (unsigned i = 0; i < n; i++) {
		if (!mask_bit(m, i, size))
			continue;
		lin[i] = element_lin(c, u, ea + i * size, size, X86_WRITE);
		x86_probe_write(c, lin[i], size);
	}
	for (unsigned i = 0; i < n; i++)
		if (mask_bit(m, i, size))
			mem_set(c, lin[i], size, size == 8 ? v->q[i] : v->d[i]);
	return NEXT(u);
}

/*
 * Gathers.  Element by element from the lowest: a fault leaves the elements
 * before it done and their mask clear, so the instruction resumes there.
 */
OP(vgather)
{
	unsigned size = u->flags & UOP_W ? 8 : 4, index_size = u->opcode & 1 ? 8 : 4;
	unsigned larger = size > index_size ? size : index_size, n = (u->flags & UOP_L ? 32 : 16) / larger;
	vec *r = &c->ymm[u->reg[0]], *m = &c->ymm[u->reg[2]];
	const vec *x = &c->ymm[u->index];

	if (u->reg[0] == u->index || u->reg[0] == u->reg[2] || u->reg[2] == u->index)
		x86_raise(c, X86_UD);
	for (unsigned i = 0; i < n; i++) {
		int64_t index = index_size == 8 ? x->sq[i] : x->sd[i];
		uint64_t v, ea = c->gpr[u->base] + ((uint64_t)index << u->scale) + (uint64_t)u->disp;

		if (mask_bit(m, i, size)) {
			v = mem_get(c, element_lin(c, u, ea, size, X86_READ), size);
			memcpy(r->b + i * size, &v, size);
		}
		memset(m->b + i * size, 0, size);
	}
	memset(m, 0, sizeof *m);
	memset(r->b + n * size, 0, sizeof *r - n * size);
	return NEXT(u);
}
