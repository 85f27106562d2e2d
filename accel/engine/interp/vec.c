/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector operands: registers and memory of 1 to 32 bytes.
 */
#include "vec.h"

static uint64_t mem_lin(struct x86_cpu *c, const struct uop *u, unsigned size, enum x86_access a)
{
	uint64_t lin = uop_lin(c, u, size, a);

	if ((u->flags & UOP_ALIGN) && (lin & (size - 1)))
		x86_raise_error(c, X86_GP, 0);
	return lin;
}

static void mem_load(struct x86_cpu *c, const struct uop *u, unsigned size, vec *v)
{
	uint64_t lin = mem_lin(c, u, size, X86_READ);
	const struct x86_tlb_entry *e = &c->tlb[c->mmu][x86_tlb_index(lin)];

	v->q[1] = v->q[2] = v->q[3] = 0;
	if (size <= 8)
		v->q[0] = mem_get(c, lin, size);
	else if (e->read == (lin & X86_PAGE_MASK) && (lin & 4095) <= 4096 - size)
		x86_host_move(v, x86_tlb_host(e, lin), size == 32 ? 32 : 16);
	else
		x86_read(c, lin, v, size);
}

static void mem_store(struct x86_cpu *c, const struct uop *u, unsigned size, const vec *v)
{
	uint64_t lin = mem_lin(c, u, size, X86_WRITE);
	const struct x86_tlb_entry *e = &c->tlb[c->mmu][x86_tlb_index(lin)];

	if (size <= 8)
		mem_set(c, lin, size, v->q[0]);
	else if (e->write == (lin & X86_PAGE_MASK) && (lin & 4095) <= 4096 - size)
		x86_host_move(x86_tlb_host(e, lin), v, size == 32 ? 32 : 16);
	else
		x86_write(c, lin, v, size);
}

void vec_get(struct x86_cpu *c, const struct uop *u, unsigned n, vec *v)
{
	unsigned size = u->size[n];

	switch (u->kind[n]) {
	case OPK_XMM:
		*v = c->ymm[u->reg[n]];
		if (size < 32)
			memset(v->b + size, 0, 32 - size);
		break;
	case OPK_MMX:
		memset(v, 0, sizeof *v);
		v->q[0] = c->fpu.r[u->reg[n]].frac;
		break;
	default:
		mem_load(c, u, size, v);
		break;
	}
}

void vec_set(struct x86_cpu *c, const struct uop *u, unsigned n, const vec *v)
{
	unsigned size = u->size[n];
	vec *d;

	switch (u->kind[n]) {
	case OPK_XMM:
		d = &c->ymm[u->reg[n]];
		memcpy(d, v, size);
		if ((u->flags & UOP_VEX) && size < 32)
			memset(d->b + size, 0, 32 - size);
		break;
	case OPK_MMX:
		x87_enter_mmx(c);
		c->fpu.r[u->reg[n]] = (struct x86_f80){ v->q[0], 0xffff };
		break;
	default:
		mem_store(c, u, size, v);
		break;
	}
}

void vec_fp_fold(struct x86_cpu *c, const struct sf_env *e)
{
	uint8_t raised = sf_raised(e);

	c->mxcsr |= raised;
	if (raised & ~e->masks)
		x86_raise(c, c->cr4 & CR4_OSXMMEXCPT ? X86_XM : X86_UD);
}
