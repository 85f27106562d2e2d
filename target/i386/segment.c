/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segments: address formation, loads with all checks, the instructions that
 * ask about descriptors, port rights.
 */
#include "descriptor.h"

/* ---- descriptors -------------------------------------------------------- */

static bool table_of(const struct x86_cpu *c, uint16_t sel, uint64_t *base, uint32_t *limit)
{
	if (!(sel & 4)) {
		*base = c->gdt.base;
		*limit = c->gdt.limit;
		return true;
	}
	*base = c->ldt.base;
	*limit = c->ldt.limit;
	return !(c->ldt.attr & SEG_UNUSABLE);
}

bool desc_read(struct x86_cpu *c, uint16_t sel, struct x86_desc *d)
{
	uint64_t base;
	uint32_t limit;

	if (sel_null(sel) || !table_of(c, sel, &base, &limit) || (sel | 7u) > limit)
		return false;
	d->at = base + (sel & ~7u);
	d->sel = sel;
	d->v = x86_sys_ld64(c, d->at);
	return true;
}

void desc_need(struct x86_cpu *c, uint16_t sel, struct x86_desc *d, unsigned vector)
{
	if (!desc_read(c, sel, d))
		raise_sel(c, vector, sel);
}

uint64_t desc_upper(struct x86_cpu *c, const struct x86_desc *d)
{
	uint64_t base, v;
	uint32_t limit;

	table_of(c, d->sel, &base, &limit);
	if ((d->sel & ~7u) + 15 > limit)
		raise_sel(c, X86_GP, d->sel);
	v = x86_sys_ld64(c, d->at + 8);
	/* The type field of the second half must be that of nothing. */
	if (v >> 40 & 0x1f)
		raise_sel(c, X86_GP, d->sel);
	return v;
}

void desc_mark_accessed(struct x86_cpu *c, struct x86_desc *d)
{
	if (d->v >> 40 & SEG_ACCESSED)
		return;
	d->v |= (uint64_t)SEG_ACCESSED << 40;
	x86_st8_as(c, d->at + 5, (uint8_t)(d->v >> 40), X86_MMU_KERNEL);
}

struct x86_seg desc_seg(const struct x86_desc *d, uint16_t sel)
{
	return (struct x86_seg){ .base = desc_base(d), .limit = desc_limit(d), .attr = desc_attr(d), .sel = sel };
}

struct x86_seg null_seg(uint16_t sel, unsigned cpl)
{
	return (struct x86_seg){ .attr = SEG_UNUSABLE | cpl << SEG_DPL_SHIFT, .sel = sel };
}

/* ---- addresses ------------------------------------------------------------ */

bool seg_contains(const struct x86_seg *s, uint64_t off, unsigned n)
{
	uint64_t last = off + n - 1;

	if ((s->attr & (SEG_CODE | SEG_EXPAND_DOWN)) == SEG_EXPAND_DOWN && (s->attr & SEG_S))
		return off > s->limit && last <= (s->attr & SEG_DB ? 0xffffffffu : 0xffffu);
	return last <= s->limit;
}

static bool seg_permits(const struct x86_cpu *c, const struct x86_seg *s, enum x86_access a)
{
	if (paragraphs(c))
		return true;
	if (s->attr & SEG_UNUSABLE)
		return false;
	switch (a) {
	case X86_WRITE: return (s->attr & (SEG_CODE | SEG_WRITABLE)) == SEG_WRITABLE;
	case X86_READ: return !(s->attr & SEG_CODE) || (s->attr & SEG_READABLE);
	default: return s->attr & SEG_CODE;
	}
}

uint64_t x86_linear_slow(struct x86_cpu *c, unsigned seg, uint64_t off, unsigned n, enum x86_access a)
{
	const struct x86_seg *s = &c->seg[seg];
	unsigned vector = seg == X86_SS ? X86_SS_FAULT : X86_GP;
	unsigned size = n ? n : 1;

	if (c->mode & X86_MODE_CS64) {
		uint64_t lin = seg >= X86_FS ? off + s->base : off;

		if (!x86_canonical(c, lin) || !x86_canonical(c, lin + size - 1))
			x86_raise_error(c, vector, 0);
		return lin;
	}
	if (!seg_permits(c, s, a) || !seg_contains(s, off, size))
		x86_raise_error(c, vector, 0);
	return (uint32_t)(s->base + off);
}

/* ---- loads ------------------------------------------------------------------- */

void x86_set_seg_real(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
	struct x86_seg *s = &c->seg[seg];

	s->sel = sel;
	s->base = (uint64_t)sel << 4;
	if (c->eflags & X86_VM) {
		s->limit = 0xffff;
		s->attr = SEG_P | SEG_S | SEG_DPL | SEG_WRITABLE | SEG_ACCESSED;
		return;
	}
	/* Real mode keeps the limit of the last descriptor ("unreal mode"). */
	if (s->attr & SEG_UNUSABLE)
		s->limit = 0xffff;
	s->attr = (s->attr & (SEG_G | SEG_DB)) | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED |
		  (seg == X86_CS ? SEG_CODE : 0);
}

static void load_null(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
	unsigned cpl = x86_cpl(c);

	if (seg == X86_SS && (!(c->mode & X86_MODE_CS64) || cpl == 3 || (sel & 3) != cpl))
		x86_raise_error(c, X86_GP, 0);
	c->seg[seg] = null_seg(sel, seg == X86_SS ? cpl : 0);
	x86_mode_update(c);
}

struct x86_seg stack_seg(struct x86_cpu *c, uint16_t sel, unsigned cpl, unsigned vector)
{
	struct x86_desc d;

	if (sel_null(sel))
		x86_raise_error(c, vector, vector == X86_TS ? sel & ~3u : 0);
	desc_need(c, sel, &d, vector);
	if ((sel & 3) != cpl || desc_dpl(&d) != cpl || !desc_stack(&d))
		raise_sel(c, vector, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_SS_FAULT, sel);
	desc_mark_accessed(c, &d);
	return desc_seg(&d, sel);
}

static struct x86_seg data_seg(struct x86_cpu *c, uint16_t sel)
{
	struct x86_desc d;
	unsigned rpl = sel & 3, cpl = x86_cpl(c);

	desc_need(c, sel, &d, X86_GP);
	if (desc_system(&d) || (desc_code(&d) && !(desc_attr(&d) & SEG_READABLE)))
		raise_sel(c, X86_GP, sel);
	if (!(desc_code(&d) && desc_conforming(&d)) && (desc_dpl(&d) < rpl || desc_dpl(&d) < cpl))
		raise_sel(c, X86_GP, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, sel);
	desc_mark_accessed(c, &d);
	return desc_seg(&d, sel);
}

void x86_load_seg(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
	if (paragraphs(c)) {
		x86_set_seg_real(c, seg, sel);
		x86_mode_update(c);
		return;
	}
	if (sel_null(sel)) {
		load_null(c, seg, sel);
		return;
	}
	c->seg[seg] = seg == X86_SS ? stack_seg(c, sel, x86_cpl(c), X86_GP) : data_seg(c, sel);
	x86_mode_update(c);
}

static void system_seg(struct x86_cpu *c, struct x86_seg *s, const struct x86_desc *d)
{
	uint64_t base = desc_base(d);

	if (long_mode(c)) {
		base |= desc_upper(c, d) << 32;
		if (!x86_canonical(c, base))
			raise_sel(c, X86_GP, d->sel);
	}
	*s = desc_seg(d, d->sel);
	s->base = base;
}

void x86_load_ldt(struct x86_cpu *c, uint16_t sel)
{
	struct x86_desc d;

	if (sel_null(sel)) {
		c->ldt = null_seg(sel, 0);
		return;
	}
	if (sel & 4)
		raise_sel(c, X86_GP, sel);
	desc_need(c, sel, &d, X86_GP);
	if (!desc_system(&d) || desc_type(&d) != SYS_LDT)
		raise_sel(c, X86_GP, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, sel);
	system_seg(c, &c->ldt, &d);
}

void x86_load_tr(struct x86_cpu *c, uint16_t sel)
{
	struct x86_desc d;
	struct x86_seg tr;

	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	if (sel & 4)
		raise_sel(c, X86_GP, sel);
	desc_need(c, sel, &d, X86_GP);
	if (!desc_system(&d) || !(desc_type(&d) == SYS_TSS32 || (desc_type(&d) == SYS_TSS16 && !long_mode(c))))
		raise_sel(c, X86_GP, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, sel);
	system_seg(c, &tr, &d);
	tr.attr |= 2;
	x86_st8_as(c, d.at + 5, (uint8_t)(d.v >> 40 | 2), X86_MMU_KERNEL);
	c->tr = tr;
}

void drop_segments(struct x86_cpu *c, unsigned cpl)
{
	static const uint8_t segs[] = { X86_ES, X86_DS, X86_FS, X86_GS };

	for (unsigned i = 0; i < 4; i++) {
		struct x86_seg *s = &c->seg[segs[i]];
		bool conforming = (s->attr & (SEG_CODE | SEG_CONFORMING)) == (SEG_CODE | SEG_CONFORMING);

		if ((s->attr & SEG_UNUSABLE) || conforming)
			continue;
		if ((s->attr & SEG_DPL) >> SEG_DPL_SHIFT < cpl)
			*s = null_seg(0, 0);
	}
}

/* ---- code segments -------------------------------------------------------------- */

struct x86_seg code_seg(struct x86_cpu *c, struct x86_desc *d, unsigned cpl)
{
	struct x86_seg s;

	if (!desc_present(d))
		raise_sel(c, X86_NP, d->sel);
	if (long_mode(c) && desc_long(d) && (desc_attr(d) & SEG_DB))
		raise_sel(c, X86_GP, d->sel);
	desc_mark_accessed(c, d);
	s = desc_seg(d, (uint16_t)((d->sel & ~3u) | cpl));
	return s;
}

void check_rip(struct x86_cpu *c, const struct x86_seg *cs, uint64_t rip)
{
	if (seg_is_long(c, cs) ? !x86_canonical(c, rip) : rip > cs->limit)
		x86_raise_error(c, X86_GP, 0);
}

/* ---- stacks ------------------------------------------------------------------------ */

enum x86_mmu mmu_of_cpl(const struct x86_cpu *c, unsigned cpl)
{
	if (cpl == 3)
		return X86_MMU_USER;
	return (c->cr4 & CR4_SMAP) && !(c->eflags & X86_AC) ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC;
}

struct stack stack_new(struct x86_cpu *c, const struct x86_seg *ss, uint64_t sp, unsigned cpl, bool flat)
{
	return (struct stack){
		.c = c, .ss = *ss, .sp = sp, .flat = flat, .mmu = mmu_of_cpl(c, cpl),
		.mask = flat ? UINT64_MAX : ss->attr & SEG_DB ? UINT32_MAX : UINT16_MAX,
		.error = cpl == x86_cpl(c) ? 0 : ss->sel & ~3u,
	};
}

struct stack stack_now(struct x86_cpu *c)
{
	return stack_new(c, &c->seg[X86_SS], c->gpr[X86_RSP], x86_cpl(c), c->mode & X86_MODE_CS64);
}

static uint64_t stack_address(struct stack *s, uint64_t sp, unsigned size)
{
	if (s->flat) {
		if (!x86_canonical(s->c, sp) || !x86_canonical(s->c, sp + size - 1))
			x86_raise_error(s->c, X86_SS_FAULT, s->error);
		return sp;
	}
	if (!seg_contains(&s->ss, sp & s->mask, size))
		x86_raise_error(s->c, X86_SS_FAULT, s->error);
	return (uint32_t)(s->ss.base + (sp & s->mask));
}

static void stack_move(struct stack *s, uint64_t sp)
{
	s->sp = (s->sp & ~s->mask) | (sp & s->mask);
}

void stack_push(struct stack *s, unsigned size, uint64_t v)
{
	uint64_t lin = stack_address(s, s->sp - size, size);

	switch (size) {
	case 2: x86_st16_as(s->c, lin, (uint16_t)v, s->mmu); break;
	case 4: x86_st32_as(s->c, lin, (uint32_t)v, s->mmu); break;
	default: x86_st64_as(s->c, lin, v, s->mmu); break;
	}
	stack_move(s, s->sp - size);
}

uint64_t stack_pop(struct stack *s, unsigned size)
{
	uint64_t lin = stack_address(s, s->sp, size);

	stack_move(s, s->sp + size);
	switch (size) {
	case 2: return x86_ld16_as(s->c, lin, s->mmu);
	case 4: return x86_ld32_as(s->c, lin, s->mmu);
	default: return x86_ld64_as(s->c, lin, s->mmu);
	}
}

void stack_commit(struct stack *s)
{
	uint64_t *rsp = &s->c->gpr[X86_RSP];

	if (s->mask == UINT16_MAX)
		*rsp = (*rsp & ~(uint64_t)UINT16_MAX) | (s->sp & UINT16_MAX);
	else
		*rsp = s->sp & s->mask;
}

/* ---- LAR, LSL, VERR, VERW ------------------------------------------------------------ */

/* Whether the current privilege and RPL may look at @d. */
static bool visible(const struct x86_cpu *c, const struct x86_desc *d)
{
	if (desc_code(d) && desc_conforming(d))
		return true;
	return desc_dpl(d) >= x86_cpl(c) && desc_dpl(d) >= (d->sel & 3u);
}

static bool type_in(const struct x86_cpu *c, const struct x86_desc *d, uint32_t legacy, uint32_t ia32e)
{
	return !desc_system(d) || (long_mode(c) ? ia32e : legacy) >> desc_type(d) & 1;
}

#define T(t) (1u << (t))

bool x86_lar(struct x86_cpu *c, uint16_t sel, uint32_t *out)
{
	const uint32_t ia32e = T(SYS_LDT) | T(SYS_TSS32) | T(SYS_TSS32_BUSY) | T(SYS_CALL32);
	const uint32_t legacy = ia32e | T(SYS_TSS16) | T(SYS_TSS16_BUSY) | T(SYS_CALL16) | T(SYS_TASK);
	struct x86_desc d;

	if (!desc_read(c, sel, &d) || !type_in(c, &d, legacy, ia32e) || !visible(c, &d))
		return false;
	*out = (uint32_t)(d.v >> 32) & 0x00ffff00;
	return true;
}

bool x86_lsl(struct x86_cpu *c, uint16_t sel, uint32_t *out)
{
	const uint32_t ia32e = T(SYS_LDT) | T(SYS_TSS32) | T(SYS_TSS32_BUSY);
	const uint32_t legacy = ia32e | T(SYS_TSS16) | T(SYS_TSS16_BUSY);
	struct x86_desc d;

	if (!desc_read(c, sel, &d) || !type_in(c, &d, legacy, ia32e) || !visible(c, &d))
		return false;
	*out = desc_limit(&d);
	return true;
}

bool x86_verify(struct x86_cpu *c, uint16_t sel, enum x86_access a)
{
	struct x86_desc d;

	if (!desc_read(c, sel, &d) || desc_system(&d) || !visible(c, &d))
		return false;
	if (a == X86_WRITE)
		return !desc_code(&d) && (desc_attr(&d) & SEG_WRITABLE);
	return !desc_code(&d) || (desc_attr(&d) & SEG_READABLE);
}

/* ---- ports ------------------------------------------------------------------------------ */

void x86_check_io(struct x86_cpu *c, uint16_t port, unsigned n)
{
	uint32_t at;
	uint16_t bits;

	if (c->watch_io)
		x86_watch_io(c, port, n);
	if (!(c->mode & X86_MODE_PE) || (!(c->mode & X86_MODE_VM) && (c->mode & X86_MODE_IOPL)))
		return;
	if ((c->tr.attr & 0xd) != 9 || c->tr.limit < 103)
		x86_raise_error(c, X86_GP, 0);
	at = x86_sys_ld16(c, c->tr.base + 102) + port / 8u;
	if (at + 1 > c->tr.limit)
		x86_raise_error(c, X86_GP, 0);
	bits = x86_sys_ld16(c, c->tr.base + at);
	if (bits >> (port & 7) & ((1u << n) - 1))
		x86_raise_error(c, X86_GP, 0);
}
