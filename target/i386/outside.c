/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * State that comes from outside (a parent partition, a debugger, a saved machine): register by
 * register, in any order, so that what must fit together need not do so in between.  The
 * x86_put_*() take each value for itself; x86_settle() looks at the whole and derives
 * what the processor keeps beside it.
 */
#include <string.h>

#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"

bool x86_put_cr0(struct x86_cpu *c, uint64_t v)
{
	if (v & ~x86_cr0_known())
		return false;
	c->cr0 = v | CR0_ET;
	return true;
}

bool x86_put_cr3(struct x86_cpu *c, uint64_t v)
{
	if (v >> c->model->phys_bits)
		return false;
	c->cr3 = v;
	return true;
}

bool x86_put_cr4(struct x86_cpu *c, uint64_t v)
{
	if (v & ~x86_cr4_known(c))
		return false;
	c->cr4 = v;
	return true;
}

bool x86_put_efer(struct x86_cpu *c, uint64_t v)
{
	if (v & ~x86_efer_known(c))
		return false;
	c->efer = v;
	return true;
}

bool x86_put_xcr0(struct x86_cpu *c, uint64_t v)
{
	if ((v & ~x86_xcr0_supported(c->model)) || !(v & 1) || ((v & 4) && !(v & 2)))
		return false;
	c->xcr0 = v;
	return true;
}

bool x86_put_flags(struct x86_cpu *c, uint64_t v)
{
	const uint64_t known = 0x3f7fd7;

	if (v & ~known || !(v & 2))
		return false;
	x86_flags_set(c, v);
	return true;
}

bool x86_put_table(struct x86_cpu *c, struct x86_table *to, struct x86_table v)
{
	if (!x86_canonical(c, v.base))
		return false;
	*to = v;
	return true;
}

/* T10.3.6.b: only limits that a descriptor can express. */
static bool limit_good(const struct x86_seg *v)
{
	return v->attr & SEG_G ? (v->limit & 0xfff) == 0xfff : v->limit <= 0xfffff;
}

bool x86_put_segment(struct x86_cpu *c, struct x86_seg *to, struct x86_seg v)
{
	const uint32_t known = SEG_TYPE | SEG_S | SEG_DPL | SEG_P | SEG_AVL | SEG_L | SEG_DB | SEG_G;

	if ((v.attr & ~known) || !x86_canonical(c, v.base))
		return false;
	if (!(v.attr & SEG_P))
		v.attr |= SEG_UNUSABLE;
	else if (!limit_good(&v))
		return false;
	*to = v;
	return true;
}

/* ---- the whole --------------------------------------------------------------- */

static bool controls_fit(const struct x86_cpu *c)
{
	bool pg = c->cr0 & CR0_PG, pe = c->cr0 & CR0_PE, lma = pg && (c->efer & EFER_LME);

	if ((pg && !pe) || ((c->cr0 & CR0_NW) && !(c->cr0 & CR0_CD)))
		return false;
	if (lma && !(c->cr4 & CR4_PAE))
		return false;
	return !(c->cr4 & CR4_PCIDE) || lma;
}

static bool code_fits(const struct x86_cpu *c, bool lma)
{
	const struct x86_seg *cs = &c->seg[X86_CS];
	unsigned cpl = (c->seg[X86_SS].attr & SEG_DPL) >> SEG_DPL_SHIFT;

	if (c->eflags & X86_VM)
		return !lma && (c->cr0 & CR0_PE) && cpl == 3;
	if (!(c->cr0 & CR0_PE))
		return cpl == 0;
	if ((cs->attr & (SEG_UNUSABLE | SEG_P | SEG_S | SEG_CODE)) != (SEG_P | SEG_S | SEG_CODE))
		return false;
	if (lma && (cs->attr & SEG_L))
		return !(cs->attr & SEG_DB) && x86_canonical(c, c->rip);
	return true;
}

/* Whatever segments say, 16- and 32-bit code is below 4 GiB, and so are its bases. */
static bool addresses_fit(const struct x86_cpu *c, bool lma)
{
	if (lma && (c->seg[X86_CS].attr & SEG_L))
		return true;
	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		if (c->seg[s].base >> 32 && !(c->seg[s].attr & SEG_UNUSABLE) && (s < X86_FS || !lma))
			return false;
	return !(c->rip >> 32);
}

bool x86_settle(struct x86_cpu *c)
{
	bool lma = (c->cr0 & CR0_PG) && (c->efer & EFER_LME);

	if (!controls_fit(c) || !code_fits(c, lma) || !addresses_fit(c, lma))
		return false;
	c->efer = lma ? c->efer | EFER_LMA : c->efer & ~(uint64_t)EFER_LMA;
	/* Loads the directory pointers of PAE paging. */
	if (!x86_try_cr3(c, c->cr3))
		return false;
	x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
	return true;
}
