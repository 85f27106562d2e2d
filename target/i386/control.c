/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Control registers, EFER and XCR0 with their rules: what may be set together,
 * what a change flushes, entering and leaving IA-32e mode.
 */
#include "target/i386/mem.h"
#include "target/i386/model.h"

noreturn static void gp(struct x86_cpu *c)
{
	x86_raise_error(c, X86_GP, 0);
}

/* ---- PAE directory pointers ---------------------------------------------- */

static uint64_t pdpte_load(struct x86_cpu *c, uint64_t gpa)
{
	struct x86_page p;
	uint64_t v = 0;
	enum x86_result r;

	if (c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p) && (p.rights & X86_PAGE_READ))
		return x86_host_ld64((const uint64_t *)(const void *)(p.host + (gpa & 4095)));
	c->outside = X86_NO_LINEAR;
	r = c->ops->mmio_read(c->opaque, gpa, 8, &v);
	if (r != X86_OK)
		x86_result_raise(c, r);
	return v;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

static bool pdpte_bad(const struct x86_cpu *c, uint64_t v)
{
	return (v & 1) && (v & (~((1ull << c->model->phys_bits) - 1) | 0x1e6));
}

/* Reads the four entries that @cr3 points at; #GP(0) if one of them is bad. */
static void pdptes_load(struct x86_cpu *c, uint64_t cr3)
{
	uint64_t v[4];

	for (unsigned i = 0; i < 4; i++) {
		v[i] = pdpte_load(c, (cr3 & 0xffffffe0) + i * 8);
		if (pdpte_bad(c, v[i]))
			gp(c);
	}
	for (unsigned i = 0; i < 4; i++)
		c->pdpte[i] = v[i];
}

/* ---- CR0 -------------------------------------------------------------------- */

uint64_t x86_cr0_known(void)
{
	return CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
}

/* IA-32e mode begins when paging is turned on with LME set. */
static void enter_long(struct x86_cpu *c)
{
	if (!(c->cr4 & CR4_PAE) || (c->seg[X86_CS].attr & SEG_L))
		gp(c);
	/* The task register must not hold a 16-bit TSS. */
	if ((c->tr.attr & 0xd) == 1 && c->tr.sel)
		gp(c);
}

void x86_write_cr0(struct x86_cpu *c, uint64_t v)
{
	uint64_t old = c->cr0, efer = c->efer;

	if (v >> 32 || ((v & CR0_PG) && !(v & CR0_PE)) || ((v & CR0_NW) && !(v & CR0_CD)))
		gp(c);
	v = (v & x86_cr0_known()) | CR0_ET;
	if ((v & CR0_PG) && !(old & CR0_PG) && (efer & EFER_LME)) {
		enter_long(c);
		efer |= EFER_LMA;
	}
	if (!(v & CR0_PG) && (old & CR0_PG)) {
		if ((c->mode & X86_MODE_CS64) || (c->cr4 & CR4_PCIDE))
			gp(c);
		efer &= ~(uint64_t)EFER_LMA;
	}
	if (pae_paging(v, c->cr4, efer) && ((old ^ v) & (CR0_PG | CR0_CD | CR0_NW)))
		pdptes_load(c, c->cr3);
	c->cr0 = v;
	c->efer = efer;
	if ((old ^ v) & (CR0_PG | CR0_WP | CR0_PE))
		x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}

/* ---- CR3 -------------------------------------------------------------------- */

void x86_write_cr3(struct x86_cpu *c, uint64_t v)
{
	bool keep = false;

	X86_COUNT(c, spaces);
	/* Bit 63 asks to keep this PCID's translations. */
	if ((c->efer & EFER_LMA) && (c->cr4 & CR4_PCIDE)) {
		keep = v >> 63;
		v &= ~(1ull << 63);
	}
	if (c->efer & EFER_LMA) {
		if (v >> c->model->phys_bits)
			gp(c);
	} else {
		v = (uint32_t)v;
	}
	if (pae_paging(c->cr0, c->cr4, c->efer))
		pdptes_load(c, v);
	c->cr3 = v;
	x86_tlb_switch(c, keep);
}

bool x86_try_cr3(struct x86_cpu *c, uint64_t v)
{
	uint64_t limit = c->efer & EFER_LMA ? 1ull << c->model->phys_bits : 1ull << 32, entry[4];
	struct x86_page p;

	if (v >= limit)
		return false;
	if (pae_paging(c->cr0, c->cr4, c->efer)) {
		if (!c->ops->page(c->opaque, v & X86_PAGE_MASK, &p) || !(p.rights & X86_PAGE_READ))
			return false;
		for (unsigned i = 0; i < 4; i++) {
			entry[i] = x86_host_ld64((const uint64_t *)(const void *)(p.host + (v & 0xfe0) + i * 8));
			if (pdpte_bad(c, entry[i]))
				return false;
		}
		memcpy(c->pdpte, entry, sizeof entry);
	}
	c->cr3 = v;
	x86_tlb_switch(c, false);
	return true;
}

/* ---- CR4 -------------------------------------------------------------------- */

uint64_t x86_cr4_known(const struct x86_cpu *c)
{
	static const struct { uint16_t feature; uint32_t bits; } row[] = {
		{ F_VME, CR4_VME | CR4_PVI }, { F_TSC, CR4_TSD }, { F_DE, CR4_DE }, { F_PSE, CR4_PSE },
		{ F_PAE, CR4_PAE }, { F_MCE, CR4_MCE }, { F_PGE, CR4_PGE }, { F_FXSR, CR4_OSFXSR },
		{ F_SSE, CR4_OSXMMEXCPT }, { F_UMIP, CR4_UMIP }, { F_LA57, CR4_LA57 },
		{ F_FSGSBASE, CR4_FSGSBASE }, { F_PCID, CR4_PCIDE }, { F_XSAVE, CR4_OSXSAVE },
		{ F_SMEP, CR4_SMEP }, { F_SMAP, CR4_SMAP },
	};
	uint64_t known = CR4_PCE;

	for (unsigned i = 0; i < sizeof row / sizeof row[0]; i++)
		if (x86_has(c, row[i].feature))
			known |= row[i].bits;
	return known;
}

void x86_write_cr4(struct x86_cpu *c, uint64_t v)
{
	const uint64_t paging = CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP;
	uint64_t old = c->cr4;

	if (v & ~x86_cr4_known(c))
		gp(c);
	if ((c->efer & EFER_LMA) && (!(v & CR4_PAE) || ((old ^ v) & CR4_LA57)))
		gp(c);
	if ((v & CR4_PCIDE) && !(old & CR4_PCIDE) && (!(c->efer & EFER_LMA) || (c->cr3 & 0xfff)))
		gp(c);
	if (pae_paging(c->cr0, v, c->efer) && ((old ^ v) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)))
		pdptes_load(c, c->cr3);
	c->cr4 = v;
	if ((old ^ v) & paging)
		x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}

/* ---- EFER, XCR0 ---------------------------------------------------------------- */

uint64_t x86_efer_known(const struct x86_cpu *c)
{
	return (x86_has(c, F_SYSCALL) ? EFER_SCE : 0) | (x86_has(c, F_LM) ? EFER_LME | EFER_LMA : 0) |
	       (x86_has(c, F_NX) ? EFER_NXE : 0) | (x86_has(c, F_FXSR_OPT) ? EFER_FFXSR : 0);
}

void x86_write_efer(struct x86_cpu *c, uint64_t v)
{
	uint64_t old = c->efer;

	if (v & ~x86_efer_known(c))
		gp(c);
	if ((c->cr0 & CR0_PG) && ((old ^ v) & EFER_LME))
		gp(c);
	c->efer = (v & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
	if ((old ^ c->efer) & EFER_NXE)
		x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}

void x86_write_xcr0(struct x86_cpu *c, uint64_t v)
{
	if ((v & ~x86_xcr0_supported(c->model)) || !(v & 1) || ((v & 4) && !(v & 2)))
		gp(c);
	c->xcr0 = v;
	x86_mode_update(c);
}

/* ---- debug registers --------------------------------------------------------------- */

/* Breakpoints that are on and of a type in @types (bit set of DR7's R/W codes). */
static uint8_t watched(uint64_t dr7, unsigned types)
{
	uint8_t set = 0;

	for (unsigned i = 0; i < 4; i++)
		if ((dr7 >> (i * 2) & 3) && (types >> (dr7 >> (16 + i * 4) & 3) & 1))
			set |= 1 << i;
	return set;
}

void x86_write_dr(struct x86_cpu *c, unsigned n, uint64_t v)
{
	enum { WRITE = 1 << 1, PORT = 1 << 2, READ_WRITE = 1 << 3 };
	uint8_t old = c->watch_data;

	assert(n < 8 && n != 4 && n != 5);
	if (n >= 6 && v >> 32)
		gp(c);
	if (n == 6)
		v = (v & 0xe00f) | 0xffff0ff0;
	else if (n == 7)
		v = (v & 0xffff23ff) | 0x400;
	c->dr[n] = v;
	c->watch_data = watched(c->dr[7], WRITE | READ_WRITE);
	c->watch_io = watched(c->dr[7], PORT);
	/* Tags of watched pages must not hit. */
	if (old | c->watch_data)
		x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}
