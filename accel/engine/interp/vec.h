/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the vector handlers share.
 *
 * One handler serves MMX (8 bytes), XMM (16) and YMM (32), the legacy form
 * (destination is the first source) and the VEX form.  Its first source is
 * operand SRC1(u), the second one follows it.
 *
 * Integer handlers compute all 32 bytes whatever the operand size: loops of
 * constant length become host vector code, and vec_put() stores only what the
 * operand has.  Floating point handlers stop at the operand's size, for each
 * element may raise flags.
 */
#ifndef INTERP_VEC_H
#define INTERP_VEC_H

#include "interp.h"
#include "target/i386/softfloat.h"

typedef union x86_vec vec;

#define SRC1(u) ((u)->flags & UOP_VEX ? 1 : 0)

/* Operand @n where it is if it is a whole register, else read into *@tmp. */
static inline const vec *vec_at(struct x86_cpu *c, const struct uop *u, unsigned n, vec *tmp)
{
	if (__builtin_expect(u->kind[n] == OPK_XMM, 1))
		return &c->ymm[u->reg[n]];
	vec_get(c, u, n, tmp);
	return tmp;
}

/* As vec_set(), quick for whole registers. */
static inline void vec_put(struct x86_cpu *c, const struct uop *u, unsigned n, const vec *v)
{
	vec *d = &c->ymm[u->reg[n]];

	if (__builtin_expect(u->kind[n] != OPK_XMM || u->size[n] < 16, 0)) {
		vec_set(c, u, n, v);
		return;
	}
	d->q[0] = v->q[0];
	d->q[1] = v->q[1];
	if (u->size[n] == 32) {
		d->q[2] = v->q[2];
		d->q[3] = v->q[3];
	} else if (u->flags & UOP_VEX) {
		d->q[2] = d->q[3] = 0;
	}
}

/* Bytes in which shuffles, packs and the like stay: 8 for MMX, else 16. */
static inline unsigned vec_lane(const struct uop *u, unsigned n)
{
	return u->kind[n] == OPK_MMX ? 8 : 16;
}

/* The x87 unit becomes the MMX unit: TOP 0, all registers valid.  After the last fault. */
void x87_enter_mmx(struct x86_cpu *c);
/* Reading an MMX register does that too. */
static inline void vec_used_mmx(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	if (u->kind[n] == OPK_MMX)
		x87_enter_mmx(c);
}

/* ---- floating point ---- */

/* Flags stick; an unmasked one raises #XM (#UD without CR4.OSXMMEXCPT). */
void vec_fp_fold(struct x86_cpu *c, const struct sf_env *e);

static inline struct sf_env fp_begin(const struct x86_cpu *c)
{
	return sf_env_mxcsr(c->mxcsr);
}
/* Before the destination is written. */
static inline void fp_end(struct x86_cpu *c, const struct sf_env *e)
{
	if (__builtin_expect(e->flags & ~(c->mxcsr & (c->mxcsr >> 7)), 0))
		vec_fp_fold(c, e);
}

#endif
