/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the x87 handlers share: the register stack, the status word, the
 * pointers to the last instruction.
 *
 * The order in each handler: read memory; compute with an sf_env; write memory;
 * then x87_track*() and x87_commit(), registers, pop.  So a fault of the memory
 * operand leaves no trace.  block.c has dealt with pending exceptions before.
 */
#ifndef INTERP_X87_H
#define INTERP_X87_H

#include "interp.h"
#include "target/i386/softfloat.h"
#include "target/i386/x87-math.h"

enum {
	FSW_SF = 1 << 6, FSW_ES = 1 << 7, FSW_C0 = 1 << 8, FSW_C1 = 1 << 9, FSW_C2 = 1 << 10,
	FSW_C3 = 1 << 14, FSW_B = 1 << 15,
	FSW_CC = FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3,
	/* Exceptions that leave the operands as they were if unmasked. */
	X87_BEFORE = SF_IE | SF_DE | SF_ZE,
};

#define X87_NAN ((struct x86_f80){ .frac = UINT64_C(3) << 62, .se = 0xffff })

static inline unsigned x87_phys(const struct x86_fpu *f, unsigned i) { return (f->top + i) & 7; }
static inline struct x86_f80 *x87_st(struct x86_fpu *f, unsigned i) { return &f->r[x87_phys(f, i)]; }
static inline bool x87_empty(const struct x86_fpu *f, unsigned i) { return f->empty >> x87_phys(f, i) & 1; }

static inline void x87_put(struct x86_fpu *f, unsigned i, struct x86_f80 v)
{
	f->r[x87_phys(f, i)] = v;
	f->empty &= (uint8_t)~(1u << x87_phys(f, i));
}
static inline void x87_pop(struct x86_fpu *f)
{
	f->empty |= (uint8_t)(1u << f->top);
	f->top = (f->top + 1) & 7;
}
static inline void x87_push(struct x86_fpu *f, struct x86_f80 v)
{
	f->top = (f->top - 1) & 7;
	x87_put(f, 0, v);
}

/* ES and B follow from flags and masks. */
static inline void x87_summary(struct x86_fpu *f)
{
	f->fsw &= (uint16_t)~(FSW_ES | FSW_B);
	if (f->fsw & ~f->fcw & SF_ALL)
		f->fsw |= FSW_ES | FSW_B;
}

/* Flags (SF_*, FSW_SF) stick, C1 is set as told. */
static inline void x87_commit(struct x86_fpu *f, unsigned flags, bool c1)
{
	f->fsw = (uint16_t)((f->fsw & ~FSW_C1) | flags | (c1 ? FSW_C1 : 0));
	x87_summary(f);
}
/* The flags and C1 of an operation.  False: it was stopped before; no result. */
static inline bool x87_commit_env(struct x86_fpu *f, const struct sf_env *e)
{
	unsigned flags = sf_raised(e);

	x87_commit(f, flags, e->rounded_up && !(flags & ~e->masks & X87_BEFORE));
	return !(flags & ~e->masks & X87_BEFORE);
}

enum x87_stack_fault { X87_UNDERFLOW, X87_OVERFLOW };

/* True: masked, the caller delivers the default NaN. */
static inline bool x87_stack_fault(struct x86_fpu *f, enum x87_stack_fault which)
{
	x87_commit(f, SF_IE | FSW_SF, which == X87_OVERFLOW);
	return f->fcw & SF_IE;
}

/* Pushes @v, or does what a full stack asks for.  C1 is up to the caller else. */
static inline void x87_load(struct x86_fpu *f, struct x86_f80 v)
{
	if (!x87_empty(f, 7)) {
		if (!x87_stack_fault(f, X87_OVERFLOW))
			return;
		v = X87_NAN;
	}
	x87_push(f, v);
}

/* Remembers the instruction. */
static inline void x87_track(struct x86_cpu *c, const struct uop *u)
{
	struct x86_fpu *f = &c->fpu;

	f->fip = uop_rip(c, u);
	f->fcs = c->mode & X86_MODE_CS64 ? 0 : c->seg[X86_CS].sel;
	f->fop = (uint16_t)((u->opcode & 7) << 8 | u->modrm);
}
static inline void x87_track_mem(struct x86_cpu *c, const struct uop *u)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	f->fdp = uop_ea(c, u);
	f->fds = c->mode & X86_MODE_CS64 ? 0 : c->seg[u->seg].sel;
}

/*
 * Linear address of a memory operand of @n bytes that the processor moves in pieces,
 * the first of @piece bytes: if only what is behind that has no canonical address, the
 * page of the first may fault before.
 */
static inline uint64_t x87_lin(struct x86_cpu *c, const struct uop *u, unsigned n, unsigned piece, enum x86_access a)
{
	uint64_t lin = uop_lin(c, u, n, a);

	if (likely(!(c->mode & X86_MODE_CS64) || x86_canonical(c, lin + n - 1) || !x86_canonical(c, lin + piece - 1)))
		return lin;
	if (a == X86_WRITE)
		x86_probe_write(c, lin, piece);
	else
		x86_probe_read(c, lin, piece);
	return lin;
}
/* Of an 80-bit operand: the significand comes first. */
static inline uint64_t x87_lin80(struct x86_cpu *c, const struct uop *u, enum x86_access a)
{
	return x87_lin(c, u, 10, 8, a);
}

#endif
