/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory and registers of translated code.
 */
#include "trans.h"

unsigned value_in(struct trans *t, unsigned guest, unsigned scratch)
{
	if (!in_slot(guest))
		return host_reg(guest);
	e_load(&t->e, scratch, GPR_AT(guest));
	return scratch;
}

/* lea @to,[base+index<<scale+disp] of @bytes; a base or index that is ZERO is not there. */
static void emit_lea(struct trans *t, unsigned to, unsigned bytes, unsigned base, unsigned index)
{
	const struct x86_insn *i = &t->insn;
	struct emit *e = &t->e;
	bool none = base == X86_ZERO;
	int32_t disp = (int32_t)i->disp;
	unsigned mod = none || (!disp && (base & 7) != 5) ? 0 : e_is8(disp) ? 1 : 2, rex;

	base = none ? 5 : base;
	index = index == X86_ZERO ? 4 : index;
	rex = 0x40 | (bytes == 8) << 3 | (to >> 3) << 2 | (index >> 3) << 1 | base >> 3;
	if (bytes == 2)
		e8(e, 0x66);
	if (rex != 0x40)
		e8(e, (uint8_t)rex);
	e8(e, 0x8d);
	if (index == 4 && !none && (base & 7) != 4) {
		e8(e, (uint8_t)(mod << 6 | (to & 7) << 3 | (base & 7)));
	} else {
		e8(e, (uint8_t)(mod << 6 | (to & 7) << 3 | 4));
		e8(e, (uint8_t)(i->scale << 6 | (index & 7) << 3 | (base & 7)));
	}
	if (none || mod == 2)
		e32(e, (uint32_t)disp);
	else if (mod == 1)
		e8(e, (uint8_t)disp);
}

void lea_to(struct trans *t, unsigned to, unsigned bytes)
{
	const struct x86_insn *i = &t->insn;
	unsigned base, index;
	uint64_t v = (uint64_t)i->disp;

	if (i->addrsize == 4 && bytes == 8)
		bytes = 4;
	if (i->base == X86_RIPBASE || (i->base == X86_ZERO && i->index == X86_ZERO)) {
		if (i->base == X86_RIPBASE)
			v += t->lin + t->u->off + i->len;
		if (bytes >= 4) {
			e_imm64(&t->e, to, bytes == 4 ? (uint32_t)v : v);
			return;
		}
		e_imm64(&t->e, H_S0, v);
		e8(&t->e, 0x66);
		e_rr(&t->e, false, 0x89, H_S0, to);
		return;
	}
	base = i->base == X86_ZERO ? X86_ZERO : value_in(t, i->base, H_S0);
	index = i->index == X86_ZERO ? X86_ZERO : value_in(t, i->index, H_S1);
	if (index == X86_ZERO && !i->disp && bytes >= 4) {
		if (base != to || bytes == 4)
			e_rr(&t->e, bytes == 8, 0x89, base, to);
		return;
	}
	emit_lea(t, to, bytes, base, index);
}

void lea_operand(struct trans *t) { lea_to(t, H_S0, 8); }

void add_segment(struct trans *t)
{
	if (t->insn.seg < X86_FS)
		return;
	e_load(&t->e, H_S1, base_at(t->insn.seg));
	E_RAW(&t->e, "\x4f\x8d\x0c\x11");                    /* lea r9,[r9+r10] */
}

void lin_operand(struct trans *t)
{
	lea_operand(t);
	add_segment(t);
}

/* op @reg,[rsp+r10+@field]: S1 is the index of an entry, @reg is S0 or S1. */
static void entry_op(struct trans *t, uint8_t op, unsigned reg, uint32_t field)
{
	e8(&t->e, 0x4e);
	e8(&t->e, op);
	e8(&t->e, (uint8_t)(0x84 | (reg & 7) << 3));
	e8(&t->e, 0x14);
	e32(&t->e, field);
}

/* S0 less its page's tag, so the offset in the page if there is an entry; S1: index of the entry. */
static void emit_lookup(struct trans *t, uint32_t tag)
{
	struct emit *e = &t->e;

	E_RAW(e, "\xc4\x43\x7b\xf0\xd1\x07");                /* rorx r10d,r9d,7 */
	E_RAW(e, "\x41\x81\xe2");                            /* and r10d,imm32 */
	e32(e, (X86_TLB_SIZE - 1) * (uint32_t)sizeof(struct x86_tlb_entry));
	entry_op(t, 0x2b, H_S0, tag);
}

static void compare_offset(struct trans *t, unsigned n)
{
	E_RAW(&t->e, "\x49\x81\xf9");                        /* cmp r9,4096-n */
	e32(&t->e, 4096 - n);
}

/* Strategy TAG: the TLB of struct x86_cpu.  Up to the step edge; flags stay free. */
static void check_alone(struct trans *t, unsigned n, bool write)
{
	flags_free(t);
	emit_lookup(t, tag_of(t->mmu, write));
	compare_offset(t, n);
	to_step(t, 0x87);
}

static uint32_t delta_at(uint32_t site) { return site + (uint32_t)offsetof(struct x86_site, delta); }

/* The same by a site, which is at *site then. */
static bool check_alone_site(struct trans *t, unsigned n, bool write, uint32_t *site)
{
	if (!t->sites)
		return false;
	flags_free(t);
	return check_site(t, n, write, false, site);
}

/* S0: the host's address. */
static void check_to_host(struct trans *t, unsigned n, bool write)
{
	uint32_t site;

	if (check_alone_site(t, n, write, &site)) {
		e_ctx(&t->e, true, 0x03, H_S0, delta_at(site));
		return;
	}
	check_alone(t, n, write);
	entry_op(t, 0x03, H_S0, host_of(t->mmu));
}

static void reach_alone(struct trans *t, unsigned n, bool write)
{
	check_to_host(t, n, write);
	flags_again(t);
}

void reach_below(struct trans *t, uint32_t slot, bool write)
{
	emit_lookup(t, tag_of(t->mmu, write));
	e_ctx(&t->e, true, 0x3b, H_S0, slot);                /* cmp r9,[slot] */
	to_step(t, 0x87);
	entry_op(t, 0x03, H_S0, host_of(t->mmu));
}

static uint32_t distance_at(const struct trans *t, const struct group *g)
{
	return CPU_AT(engine_group) + (uint32_t)(g - t->group) * 8;
}

/* The first of a group, at linear address S0: checks for all of them.  S0: the host's address less the linear one. */
static void reach_first(struct trans *t, struct group *g)
{
	int32_t at = t->plan[t->n].at;
	struct emit *e = &t->e;
	uint32_t site;

	flags_free(t);
	if (g->lo != at)
		e_lea(e, H_S0, H_S0, g->lo - at);
	if (check_site(t, (unsigned)(g->hi - g->lo), g->write, true, &site)) {
		e_load(e, H_S0, delta_at(site));
	} else {
		emit_lookup(t, tag_of(t->mmu, g->write));
		compare_offset(t, (unsigned)(g->hi - g->lo));
		to_careful(t, 0x87);
		entry_op(t, 0x8b, H_S0, host_of(t->mmu));
		entry_op(t, 0x2b, H_S0, tag_of(t->mmu, g->write));
	}
	e_store(e, H_S0, distance_at(t, g));
	flags_again(t);
	g->active = true;
}

/* The group that this access belongs to, or NULL. */
static struct group *group_of(struct trans *t, unsigned n, bool write)
{
	const struct plan *p = &t->plan[t->n];

	return p->group < 0 || p->size != n || p->write != write || t->careful ? NULL : &t->group[p->group];
}

void reach(struct trans *t, unsigned n, bool write)
{
	struct group *g = group_of(t, n, write);

	if (!g) {
		reach_alone(t, n, write);
		return;
	}
	if (!g->active) {
		e_store(&t->e, H_S0, CPU_AT(engine_lin));
		reach_first(t, g);
		e_load(&t->e, H_S1, CPU_AT(engine_lin));
	} else {
		e_load(&t->e, H_S1, distance_at(t, g));
	}
	E_RAW(&t->e, "\x4f\x8d\x0c\x11");                    /* lea r9,[r9+r10] */
}

/* ---- operands ---- */

static struct place place_alone(struct trans *t, unsigned n, bool write, unsigned align, bool keep_s1)
{
	struct place p = { H_S0, H_RSP, 0 };
	uint32_t site;

	lin_operand(t);
	check_alignment(t, align, false);
	if (keep_s1) {
		check_to_host(t, n, write);
	} else if (check_alone_site(t, n, write, &site)) {
		e_load(&t->e, H_S1, delta_at(site));
		p.index = H_S1;
	} else {
		check_alone(t, n, write);
		entry_op(t, 0x8b, H_S1, host_of(t->mmu));
		p.index = H_S1;
	}
	flags_again(t);
	return p;
}

static bool known_aligned(const struct trans *t, const struct group *g, unsigned align)
{
	return align == 1 || (g->align >= align && !((t->plan[t->n].at - g->aligned) & (int32_t)(align - 1)));
}

struct place place_operand(struct trans *t, unsigned n, bool write, unsigned align, bool keep_s1)
{
	struct group *g = group_of(t, n, write);
	unsigned base = t->insn.base;

	if (!g)
		return place_alone(t, n, write, align, keep_s1);
	if (!known_aligned(t, g, align)) {
		lea_operand(t);
		/*
		 * Not by a step: where only the host needs the alignment that would come back, to
		 * instructions that count on it, and on the check of the group that it went around.
		 */
		check_alignment(t, align, true);
		g->align = (uint8_t)align;
		g->aligned = t->plan[t->n].at;
	} else if (!g->active) {
		lea_operand(t);
	}
	if (!g->active)
		reach_first(t, g);
	else
		e_load(&t->e, H_S0, distance_at(t, g));
	if (!in_slot(base))
		return (struct place){ (uint8_t)host_reg(base), H_S0, (int32_t)t->insn.disp };
	e_load(&t->e, H_S1, GPR_AT(base));
	E_RAW(&t->e, "\x4f\x8d\x0c\x11");                    /* lea r9,[r9+r10] */
	return (struct place){ H_S0, H_RSP, (int32_t)t->insn.disp };
}

/* ---- the stack ---- */

static void stack_op(struct trans *t, uint8_t op, unsigned reg, struct place p)
{
	e8(&t->e, (uint8_t)(0x48 | (reg >> 3) << 2 | place_rex(p)));
	e8(&t->e, op);
	e_place(&t->e, reg, p);
}

void stack_access(struct trans *t, uint8_t op, unsigned reg, int8_t disp)
{
	const bool write = op == 0x89;
	struct group *g = group_of(t, 8, write);

	if (g && g->active) {
		e_load(&t->e, H_S1, distance_at(t, g));
		stack_op(t, op, reg, (struct place){ H_GSP, H_S1, disp });
		return;
	}
	if (reg == H_S0)
		e_store(&t->e, H_S0, CPU_AT(engine_temp));
	e_lea(&t->e, H_S0, H_GSP, disp);
	reach(t, 8, write);
	if (reg == H_S0 && write) {
		e_load(&t->e, H_S1, CPU_AT(engine_temp));
		store_s1(t);
		return;
	}
	stack_op(t, op, reg, (struct place){ H_S0, H_RSP, 0 });
}

void load_s1(struct trans *t) { E_RAW(&t->e, "\x4d\x8b\x11"); }   /* mov r10,[r9] */
void store_s1(struct trans *t) { E_RAW(&t->e, "\x4d\x89\x11"); }  /* mov [r9],r10 */
