/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FXSAVE, XSAVE and their family.
 *
 * Layout (SDM volume 1, chapters 10 and 13): 512 bytes of x87 and SSE state, a
 * 64-byte header (XSTATE_BV, XCOMP_BV), then the upper halves of YMM at 576 both
 * in standard and in compacted form, since AVX is the only extended component
 * here.  XSS has no component.
 *
 * XINUSE is computed, not tracked: a component is in its initial configuration
 * if its bits say so.  The modified optimisation of XSAVEOPT is not used; it is
 * optional.
 *
 * A save is put together in a buffer and only the bytes that the instruction
 * writes go to memory, so that what software keeps in the other bytes stays.
 */
#include "accel/engine/engine.h"
#include "interp.h"

enum { X87 = 1, SSE = 2, AVX = 4 };
enum { AREA_MXCSR = 24, AREA_ST = 32, AREA_XMM = 160, LEGACY_END = 416, HEADER = 512, AREA_AVX = 576, AREA_END = 832 };
#define COMPACTED (1ull << 63)
enum { MXCSR_MASK = 0xffff };

noreturn static void gp(struct x86_cpu *c)
{
	x86_raise_error(c, X86_GP, 0);
}

static void put16(uint8_t *p, uint16_t v) { memcpy(p, &v, 2); }
static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static void put64(uint8_t *p, uint64_t v) { memcpy(p, &v, 8); }
static uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }
static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

/* ---- x87 part ----------------------------------------------------------------- */

static bool wide_pointers(const struct uop *u)
{
	return u->flags & UOP_W;
}

/* Bytes 0..23 and the eight registers, ST(0) first; abridged tag: 1 = in use. */
static void x87_save(const struct x86_cpu *c, uint8_t *a, bool wide)
{
	const struct x86_fpu *f = &c->fpu;

	put16(a, f->fcw);
	put16(a + 2, (uint16_t)((f->fsw & ~0x3800) | f->top << 11));
	a[4] = (uint8_t)~f->empty;
	a[5] = 0;
	put16(a + 6, f->fop);
	put64(a + 8, wide ? f->fip : (uint32_t)f->fip | (uint64_t)f->fcs << 32);
	put64(a + 16, wide ? f->fdp : (uint32_t)f->fdp | (uint64_t)f->fds << 32);
	for (unsigned i = 0; i < 8; i++) {
		const struct x86_f80 *r = &f->r[(f->top + i) & 7];

		memset(a + AREA_ST + i * 16, 0, 16);
		put64(a + AREA_ST + i * 16, r->frac);
		put16(a + AREA_ST + i * 16 + 8, r->se);
	}
}

/* ES and B follow from what is loaded. */
static uint16_t summary(uint16_t fsw, uint16_t fcw)
{
	fsw &= (uint16_t)~0x8080;
	return fsw & ~fcw & 0x3f ? fsw | 0x8080 : fsw;
}

static void x87_load(struct x86_cpu *c, const uint8_t *a, bool wide)
{
	struct x86_fpu *f = &c->fpu;
	uint16_t fsw = get16(a + 2);

	f->fcw = (get16(a) & 0x1f3f) | 0x40;
	f->top = fsw >> 11 & 7;
	f->fsw = summary(fsw & (uint16_t)~0x3800, f->fcw);
	f->empty = (uint8_t)~a[4];
	f->fop = get16(a + 6) & 0x7ff;
	f->fip = wide ? get64(a + 8) : get32(a + 8);
	f->fdp = wide ? get64(a + 16) : get32(a + 16);
	f->fcs = wide ? 0 : get16(a + 12);
	f->fds = wide ? 0 : get16(a + 20);
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 *r = &f->r[(f->top + i) & 7];

		r->frac = get64(a + AREA_ST + i * 16);
		r->se = get16(a + AREA_ST + i * 16 + 8);
	}
}

static void x87_initial(struct x86_cpu *c)
{
	memset(&c->fpu, 0, sizeof c->fpu);
	c->fpu.fcw = 0x37f;
	c->fpu.empty = 0xff;
}

static bool x87_is_initial(const struct x86_cpu *c)
{
	const struct x86_fpu *f = &c->fpu;

	if (f->fcw != 0x37f || f->fsw || f->top || f->empty != 0xff || f->fop || f->fcs || f->fds || f->fip || f->fdp)
		return false;
	for (unsigned i = 0; i < 8; i++)
		if (f->r[i].frac || f->r[i].se)
			return false;
	return true;
}

/* ---- vector part ---------------------------------------------------------------- */

/* XMM8..15 exist in 64-bit mode only; elsewhere the area's bytes stay as they are. */
static unsigned vectors(const struct x86_cpu *c)
{
	return c->mode & X86_MODE_CS64 ? 16 : 8;
}

static bool sse_is_initial(const struct x86_cpu *c)
{
	for (unsigned i = 0; i < 16; i++)
		if (c->ymm[i].q[0] | c->ymm[i].q[1])
			return false;
	return true;
}

static bool avx_is_initial(const struct x86_cpu *c)
{
	for (unsigned i = 0; i < 16; i++)
		if (c->ymm[i].q[2] | c->ymm[i].q[3])
			return false;
	return true;
}

/* MXCSR away from its reset value counts for SSE. */
static uint64_t in_use(const struct x86_cpu *c)
{
	uint64_t v = 0;

	v |= x87_is_initial(c) ? 0 : X87;
	v |= sse_is_initial(c) && c->mxcsr == 0x1f80 ? 0 : SSE;
	v |= avx_is_initial(c) ? 0 : AVX;
	return v;
}

/* XINUSE within XCR0. */
uint64_t xsave_in_use(const struct x86_cpu *c)
{
	return in_use(c) & c->xcr0;
}

static void halves_save(const struct x86_cpu *c, uint8_t *a, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(a + i * 16, c->ymm[i].b + half * 16, 16);
}

static void halves_load(struct x86_cpu *c, const uint8_t *a, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memcpy(c->ymm[i].b + half * 16, a + i * 16, 16);
}

static void halves_clear(struct x86_cpu *c, unsigned half, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		memset(c->ymm[i].b + half * 16, 0, 16);
}

/* ---- the operand -------------------------------------------------------------------- */

static uint64_t area(struct x86_cpu *c, const struct uop *u, unsigned n, unsigned align, enum x86_access a)
{
	uint64_t lin = uop_lin(c, u, n, a);

	if (lin & (align - 1))
		gp(c);
	return lin;
}

static void check_nm(struct x86_cpu *c)
{
	if (c->cr0 & CR0_TS)
		x86_raise(c, X86_NM);
}

/* ---- FXSAVE, FXRSTOR -------------------------------------------------------------------- */

/* EFER.FFXSR: the XMM registers are left out at CPL 0 in 64-bit mode. */
static bool fast_fxsr(const struct x86_cpu *c)
{
	return (c->efer & EFER_FFXSR) && (c->mode & X86_MODE_CS64) && x86_cpl(c) == 0;
}

static unsigned fx_end(const struct x86_cpu *c)
{
	return fast_fxsr(c) || !(c->cr4 & CR4_OSFXSR) ? AREA_XMM : AREA_XMM + vectors(c) * 16;
}

static void check_fx(struct x86_cpu *c)
{
	if (c->cr0 & (CR0_EM | CR0_TS))
		x86_raise(c, X86_NM);
}

OP(fxsave)
{
	uint8_t a[LEGACY_END];
	uint64_t lin;

	check_fx(c);
	lin = area(c, u, 512, 16, X86_WRITE);
	x87_save(c, a, wide_pointers(u));
	put32(a + AREA_MXCSR, c->mxcsr);
	put32(a + AREA_MXCSR + 4, MXCSR_MASK);
	halves_save(c, a + AREA_XMM, 0, vectors(c));
	x86_write(c, lin, a, fx_end(c));
	return NEXT(u);
}

OP(fxrstor)
{
	uint8_t a[LEGACY_END] = { 0 };
	uint64_t lin;

	check_fx(c);
	lin = area(c, u, 512, 16, X86_READ);
	x86_read(c, lin, a, fx_end(c));
	if ((c->cr4 & CR4_OSFXSR) && (get32(a + AREA_MXCSR) & ~MXCSR_MASK))
		gp(c);
	x87_load(c, a, wide_pointers(u));
	if (c->cr4 & CR4_OSFXSR) {
		c->mxcsr = get32(a + AREA_MXCSR);
		if (!fast_fxsr(c))
			halves_load(c, a + AREA_XMM, 0, vectors(c));
	}
	x86_mode_update_fp(c);
	return NEXT(u);
}

/* ---- XSAVE and relatives -------------------------------------------------------------------- */

static void check_xsave(struct x86_cpu *c)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		x86_raise(c, X86_UD);
	check_nm(c);
}

static uint64_t requested(struct x86_cpu *c)
{
	uint64_t v = (uint64_t)(uint32_t)c->gpr[X86_RDX] << 32 | (uint32_t)c->gpr[X86_RAX];

	return v & c->xcr0;
}

/* Writes the components of @set, and MXCSR if @mxcsr. */
static void components_save(struct x86_cpu *c, const struct uop *u, uint64_t lin, uint64_t set, bool mxcsr)
{
	uint8_t a[256 + AREA_ST];

	if (set & X87) {
		x87_save(c, a, wide_pointers(u));
		x86_write(c, lin, a, AREA_MXCSR);
		x86_write(c, lin + AREA_ST, a + AREA_ST, AREA_XMM - AREA_ST);
	}
	if (mxcsr) {
		put32(a, c->mxcsr);
		put32(a + 4, MXCSR_MASK);
		x86_write(c, lin + AREA_MXCSR, a, 8);
	}
	if (set & SSE) {
		halves_save(c, a, 0, vectors(c));
		x86_write(c, lin + AREA_XMM, a, vectors(c) * 16);
	}
	if (set & AVX) {
		halves_save(c, a, 1, vectors(c));
		x86_write(c, lin + AREA_AVX, a, vectors(c) * 16);
	}
}

static unsigned extent(uint64_t set)
{
	return set & AVX ? AREA_END : AREA_AVX;
}

/* XSAVE writes what was asked for, XSAVEOPT only what is in use. */
static const struct uop *save_standard(struct x86_cpu *c, const struct uop *u, bool optimise)
{
	uint64_t lin, set, used, bv;
	uint8_t header[8];

	check_xsave(c);
	set = requested(c);
	lin = area(c, u, extent(set), 64, X86_WRITE);
	x86_probe_write(c, lin, extent(set));
	x86_read(c, lin + HEADER, header, 8);
	used = xsave_in_use(c);
	bv = (get64(header) & ~set) | (used & set);
	components_save(c, u, lin, optimise ? set & used : set, set & (SSE | AVX));
	put64(header, bv);
	x86_write(c, lin + HEADER, header, 8);
	return NEXT(u);
}

/* XSAVEC and XSAVES: compacted, header of its own, only what is in use. */
static const struct uop *save_compact(struct x86_cpu *c, const struct uop *u)
{
	uint64_t lin, set, used;
	uint8_t header[64] = { 0 };

	check_xsave(c);
	set = requested(c);
	lin = area(c, u, extent(set), 64, X86_WRITE);
	x86_probe_write(c, lin, extent(set));
	used = xsave_in_use(c) & set;
	components_save(c, u, lin, used, used & SSE);
	put64(header, used);
	put64(header + 8, set | COMPACTED);
	x86_write(c, lin + HEADER, header, 16);
	return NEXT(u);
}

OP(xsave) { return save_standard(c, u, false); }
OP(xsaveopt) { return save_standard(c, u, true); }
OP(xsavec) { return save_compact(c, u); }
OP(xsaves) { return save_compact(c, u); }

/* ---- XRSTOR, XRSTORS ---------------------------------------------------------------------------- */

struct image {
	uint8_t b[AREA_END];
	uint64_t bv, comp;
};

static bool zeros(const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

/* Header rules; #GP(0) if broken. */
static void header_check(struct x86_cpu *c, const struct image *m, bool supervisor)
{
	const uint8_t *h = m->b + HEADER;

	if (m->comp & COMPACTED) {
		uint64_t has = m->comp & ~COMPACTED;

		if ((has & ~c->xcr0) || (m->bv & ~has) || !zeros(h + 16, 48))
			gp(c);
		return;
	}
	if (supervisor || m->comp || (m->bv & ~c->xcr0) || !zeros(h + 8, 16))
		gp(c);
}

static void components_load(struct x86_cpu *c, const struct uop *u, const struct image *m, uint64_t set)
{
	uint64_t load = set & m->bv;

	if (load & X87)
		x87_load(c, m->b, wide_pointers(u));
	else if (set & X87)
		x87_initial(c);
	if (load & SSE)
		halves_load(c, m->b + AREA_XMM, 0, vectors(c));
	else if (set & SSE)
		halves_clear(c, 0, vectors(c));
	if (load & AVX)
		halves_load(c, m->b + AREA_AVX, 1, vectors(c));
	else if (set & AVX)
		halves_clear(c, 1, vectors(c));
}

/* Standard form loads MXCSR with SSE or AVX whatever BV says; compacted form with SSE, else resets it. */
static bool mxcsr_loads(const struct image *m, uint64_t set)
{
	return m->comp & COMPACTED ? set & m->bv & SSE : set & (SSE | AVX);
}

static const struct uop *restore(struct x86_cpu *c, const struct uop *u, bool supervisor)
{
	uint64_t lin, set;
	struct image m;

	check_xsave(c);
	set = requested(c);
	lin = area(c, u, AREA_AVX, 64, X86_READ);
	x86_read(c, lin, m.b, AREA_AVX);
	m.bv = get64(m.b + HEADER);
	m.comp = get64(m.b + HEADER + 8);
	if ((m.comp & COMPACTED) && !x86_has(c, F_XSAVEC) && !x86_has(c, F_XSAVES))
		gp(c);
	header_check(c, &m, supervisor);
	if (set & m.bv & AVX)
		x86_read(c, uop_lin(c, u, AREA_END, X86_READ) + AREA_AVX, m.b + AREA_AVX, vectors(c) * 16);
	if (mxcsr_loads(&m, set)) {
		if (get32(m.b + AREA_MXCSR) & ~MXCSR_MASK)
			gp(c);
		c->mxcsr = get32(m.b + AREA_MXCSR);
	} else if ((m.comp & COMPACTED) && (set & SSE)) {
		c->mxcsr = 0x1f80;
	}
	components_load(c, u, &m, set);
	x86_mode_update_fp(c);
	c->rip = uop_next(c, u);
	return block_exit(c, u);
}

OP(xrstor) { return restore(c, u, false); }
OP(xrstors) { return restore(c, u, true); }

/* ---- MXCSR --------------------------------------------------------------------------------------- */

OP(ldmxcsr)
{
	uint32_t v = x86_ld32(c, uop_lin(c, u, 4, X86_READ));

	if (v & ~MXCSR_MASK)
		gp(c);
	c->mxcsr = v;
	x86_mode_update_fp(c);
	return NEXT(u);
}

OP(stmxcsr)
{
	x86_st32(c, uop_lin(c, u, 4, X86_WRITE), c->mxcsr);
	return NEXT(u);
}

/* ---- from outside ------------------------------------------------------------------------------- */

enum { ALL_VECTORS = 16 };
_Static_assert((int)AREA_END == (int)X86_XSAVE_AREA, "room for all components");

void x86_xsave_image(const struct x86_cpu *c, uint64_t set, uint8_t a[X86_XSAVE_AREA])
{
	uint64_t used = in_use(c);

	memset(a, 0, X86_XSAVE_AREA);
	set &= X87 | SSE | AVX;
	used &= set;
	if (used & X87)
		x87_save(c, a, true);
	put32(a + AREA_MXCSR, c->mxcsr);
	put32(a + AREA_MXCSR + 4, MXCSR_MASK);
	if (used & SSE)
		halves_save(c, a + AREA_XMM, 0, ALL_VECTORS);
	if (used & AVX)
		halves_save(c, a + AREA_AVX, 1, ALL_VECTORS);
	put64(a + HEADER, used);
	put64(a + HEADER + 8, set | COMPACTED);
}

bool x86_xsave_take(struct x86_cpu *c, uint64_t set, const uint8_t a[X86_XSAVE_AREA])
{
	uint64_t bv = get64(a + HEADER), comp = get64(a + HEADER + 8), has = comp & ~COMPACTED;

	set &= X87 | SSE | AVX;
	if (!(comp & COMPACTED) || has & ~(uint64_t)(X87 | SSE | AVX) || bv & ~has || !zeros(a + HEADER + 16, 48) ||
	    get32(a + AREA_MXCSR) & ~MXCSR_MASK)
		return false;
	if (set & X87) {
		if (bv & X87)
			x87_load(c, a, true);
		else
			x87_initial(c);
	}
	if (set & SSE) {
		halves_clear(c, 0, ALL_VECTORS);
		if (bv & SSE)
			halves_load(c, a + AREA_XMM, 0, ALL_VECTORS);
		c->mxcsr = bv & SSE ? get32(a + AREA_MXCSR) : 0x1f80;
	}
	if (set & AVX) {
		halves_clear(c, 1, ALL_VECTORS);
		if (bv & AVX)
			halves_load(c, a + AREA_AVX, 1, ALL_VECTORS);
	}
	x86_mode_update_fp(c);
	return true;
}
