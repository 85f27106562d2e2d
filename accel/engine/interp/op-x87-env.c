/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87: control, environment, exceptions, and MMX's claim on the registers.
 */
#include "x87.h"

/*
 * With CR0.NE clear a PC asserts FERR#, takes IRQ 13 and asserts IGNNE# through port F0h.  Those wires are not
 * modelled: whoever is asked may stop the processor, which freezes there as it does on a PC until the interrupt comes.
 * If nobody does, the exception stays pending in FSW and execution goes on.  Linux and all 64-bit systems set NE.
 */
void x87_check_pending(struct x86_cpu *c)
{
	enum x86_result r;

	if (!(c->fpu.fsw & FSW_ES))
		return;
	if (c->cr0 & CR0_NE)
		x86_raise(c, X86_MF);
	if (c->ignne || !c->ops->ferr)
		return;
	r = c->ops->ferr(c->opaque);
	if (r != X86_OK)
		x86_result_raise(c, r);
}

void x87_enter_mmx(struct x86_cpu *c)
{
	c->fpu.top = 0;
	c->fpu.empty = 0;
}

/* Pending exceptions and #NM: see block.c. */
OP(fwait) { return NEXT(u); }

/* FNENI, FNDISI, FNSETPM: meant something to the 8087 and 80287 only. */
OP(fpu_nop) { return NEXT(u); }

OP(fnop)
{
	x87_track(c, u);
	return NEXT(u);
}

static void init(struct x86_fpu *f)
{
	f->fcw = 0x37f;
	f->fsw = 0;
	f->top = 0;
	f->empty = 0xff;
	f->fop = f->fcs = f->fds = 0;
	f->fip = f->fdp = 0;
}

OP(fninit)
{
	init(&c->fpu);
	x86_mode_update_fp(c);
	return NEXT(u);
}

OP(fnclex)
{
	c->fpu.fsw &= (uint16_t)~(SF_ALL | FSW_SF | FSW_ES | FSW_B);
	return NEXT(u);
}

OP(fincstp)
{
	x87_track(c, u);
	c->fpu.top = (c->fpu.top + 1) & 7;
	c->fpu.fsw &= (uint16_t)~FSW_C1;
	return NEXT(u);
}

OP(fdecstp)
{
	x87_track(c, u);
	c->fpu.top = (c->fpu.top - 1) & 7;
	c->fpu.fsw &= (uint16_t)~FSW_C1;
	return NEXT(u);
}

/* FFREE; FFREEP (DF) pops as well. */
OP(ffree)
{
	struct x86_fpu *f = &c->fpu;

	x87_track(c, u);
	f->empty |= (uint8_t)(1u << x87_phys(f, u->modrm & 7));
	f->fsw &= (uint16_t)~FSW_C1;
	if (u->opcode == 0xdf)
		x87_pop(f);
	return NEXT(u);
}

/* ---- control and status words ---- */

static uint16_t status_word(const struct x86_fpu *f)
{
	return (uint16_t)((f->fsw & ~0x3800) | f->top << 11);
}

/* Bit 6 reads as one; bits 7, 13, 14 and 15 as zero. */
static void set_control(struct x86_cpu *c, uint16_t v)
{
	c->fpu.fcw = (v & 0x1f3f) | 0x40;
	x87_summary(&c->fpu);
	x86_mode_update_fp(c);
}

static void set_status(struct x86_fpu *f, uint16_t v)
{
	f->fsw = v & ~0x3800;
	f->top = v >> 11 & 7;
	x87_summary(f);
}

OP(fldcw)
{
	set_control(c, x86_ld16(c, uop_lin(c, u, 2, X86_READ)));
	return NEXT(u);
}

OP(fnstcw)
{
	x86_st16(c, uop_lin(c, u, 2, X86_WRITE), c->fpu.fcw);
	return NEXT(u);
}

OP(fnstsw_m16)
{
	x86_st16(c, uop_lin(c, u, 2, X86_WRITE), status_word(&c->fpu));
	return NEXT(u);
}

OP(fnstsw_ax)
{
	*gpr16(c, X86_RAX * 8) = status_word(&c->fpu);
	return NEXT(u);
}

/* ---- environment ---- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(const struct x86_fpu *f, unsigned phys)
{
	const struct x86_f80 *v = &f->r[phys];
	unsigned exp = v->se & 0x7fff;

	if (f->empty >> phys & 1)
		return TAG_EMPTY;
	if (exp == 0 && v->frac == 0)
		return TAG_ZERO;
	return exp == 0 || exp == 0x7fff || !(v->frac >> 63) ? TAG_SPECIAL : TAG_VALID;
}

static uint16_t tag_word(const struct x86_fpu *f)
{
	unsigned w = 0;

	for (unsigned i = 0; i < 8; i++)
		w |= tag_of(f, i) << (2 * i);
	return (uint16_t)w;
}

/* Only 'empty' is kept of a tag; the rest follows from the value. */
static void set_tag_word(struct x86_fpu *f, uint16_t w)
{
	f->empty = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((w >> (2 * i) & 3) == TAG_EMPTY)
			f->empty |= (uint8_t)(1u << i);
}

static bool real_format(const struct x86_cpu *c)
{
	return !(c->mode & X86_MODE_PE) || (c->mode & X86_MODE_VM);
}

static unsigned env_size(const struct uop *u)
{
	return u->opsize == 2 ? 14 : 28;
}

/* Real mode keeps linear addresses of 20 (32) bits instead of selector and offset. */
static uint32_t real_address(uint16_t sel, uint64_t off)
{
	return (uint32_t)(((uint32_t)sel << 4) + off);
}

static void env_words(const struct x86_cpu *c, uint32_t w[7])
{
	const struct x86_fpu *f = &c->fpu;
	uint32_t ip = real_address(f->fcs, f->fip), dp = real_address(f->fds, f->fdp);

	w[0] = f->fcw;
	w[1] = status_word(f);
	w[2] = tag_word(f);
	if (real_format(c)) {
		w[3] = ip & 0xffff;
		w[4] = ip >> 16 << 12 | (f->fop & 0x7ff);
		w[5] = dp & 0xffff;
		w[6] = dp >> 16 << 12;
	} else {
		w[3] = (uint32_t)f->fip;
		w[4] = f->fcs | (uint32_t)(f->fop & 0x7ff) << 16;
		w[5] = (uint32_t)f->fdp;
		w[6] = f->fds;
	}
}

static void env_pack(const struct x86_cpu *c, const struct uop *u, uint8_t *b)
{
	uint32_t w[7];
	uint16_t h;

	env_words(c, w);
	if (u->opsize != 2) {
		/* Reserved upper halves are ones. */
		w[0] |= 0xffff0000;
		w[1] |= 0xffff0000;
		w[2] |= 0xffff0000;
		if (real_format(c)) {
			w[3] |= 0xffff0000;
			w[5] |= 0xffff0000;
		} else {
			w[6] |= 0xffff0000;
		}
		memcpy(b, w, 28);
		return;
	}
	for (unsigned i = 0; i < 7; i++) {
		h = (uint16_t)w[i];
		memcpy(b + 2 * i, &h, 2);
	}
}

static void env_unpack(struct x86_cpu *c, const struct uop *u, const uint8_t *b)
{
	struct x86_fpu *f = &c->fpu;
	uint32_t w[7] = { 0 };
	unsigned step = u->opsize == 2 ? 2 : 4;

	for (unsigned i = 0; i < 7; i++)
		memcpy(&w[i], b + step * i, step);
	f->fcw = (w[0] & 0x1f3f) | 0x40;
	x86_mode_update_fp(c);
	set_status(f, (uint16_t)w[1]);
	set_tag_word(f, (uint16_t)w[2]);
	if (real_format(c)) {
		f->fip = (w[3] & 0xffff) | (w[4] & 0x0ffff000) << 4;
		f->fop = w[4] & 0x7ff;
		f->fdp = (w[5] & 0xffff) | (w[6] & 0x0ffff000) << 4;
		f->fcs = f->fds = 0;
		return;
	}
	f->fip = w[3];
	f->fcs = (uint16_t)w[4];
	f->fop = w[4] >> 16 & 0x7ff;
	f->fdp = w[5];
	f->fds = (uint16_t)w[6];
}

static uint64_t env_lin(struct x86_cpu *c, const struct uop *u, unsigned n, enum x86_access a)
{
	return x87_lin(c, u, n, u->opsize == 2 ? 2 : 4, a);
}

OP(fldenv)
{
	uint8_t b[28];

	x86_read(c, env_lin(c, u, env_size(u), X86_READ), b, env_size(u));
	env_unpack(c, u, b);
	return NEXT(u);
}

OP(fnstenv)
{
	uint8_t b[28];

	env_pack(c, u, b);
	x86_write(c, env_lin(c, u, env_size(u), X86_WRITE), b, env_size(u));
	set_control(c, c->fpu.fcw | SF_ALL);
	return NEXT(u);
}

OP(frstor)
{
	struct x86_fpu *f = &c->fpu;
	unsigned n = env_size(u);
	uint8_t b[108];

	x86_read(c, env_lin(c, u, n + 80, X86_READ), b, n + 80);
	env_unpack(c, u, b);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(&x87_st(f, i)->frac, b + n + 10 * i, 8);
		memcpy(&x87_st(f, i)->se, b + n + 10 * i + 8, 2);
	}
	return NEXT(u);
}

OP(fnsave)
{
	struct x86_fpu *f = &c->fpu;
	unsigned n = env_size(u);
	uint8_t b[108];

	env_pack(c, u, b);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(b + n + 10 * i, &x87_st(f, i)->frac, 8);
		memcpy(b + n + 10 * i + 8, &x87_st(f, i)->se, 2);
	}
	x86_write(c, env_lin(c, u, n + 80, X86_WRITE), b, n + 80);
	init(f);
	x86_mode_update_fp(c);
	return NEXT(u);
}
