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
	e_load(&t->e, H_S1, CPU_AT(seg) + t->insn.seg * sizeof(struct x86_seg) + offsetof(struct x86_seg, base));
	E_RAW(&t->e, "\x4f\x8d\x0c\x11");                    /* lea r9,[r9+r10] */
}

void lin_operand(struct trans *t)
{
	lea_operand(t);
	add_segment(t);
}

/* Offset of the TLB field whose tag admits the access. */
static uint32_t tag_at(const struct trans *t, bool write)
{
	return CPU_AT(tlb) + t->c->mmu * sizeof t->c->tlb[0] +
	       (write ? offsetof(struct x86_tlb_entry, write) : offsetof(struct x86_tlb_entry, read));
}

static uint32_t add_at(const struct trans *t)
{
	return CPU_AT(tlb) + t->c->mmu * sizeof t->c->tlb[0] + offsetof(struct x86_tlb_entry, add);
}

/* S0 less its page's tag, so the offset in the page if there is an entry; S1: index of the entry. */
static void emit_lookup(struct trans *t, uint32_t tag)
{
	struct emit *e = &t->e;

	E_RAW(e, "\xc4\x43\x7b\xf0\xd1\x07");                /* rorx r10d,r9d,7 */
	E_RAW(e, "\x41\x81\xe2\xe0\x7f\x00\x00");            /* and r10d,7fe0h */
	E_RAW(e, "\x4e\x2b\x8c\x14");                        /* sub r9,[rsp+r10+tag] */
	e32(e, tag);
}

/* Offset S0 and index S1 to the host's address S0. */
static void emit_host(struct trans *t, uint32_t tag)
{
	struct emit *e = &t->e;

	E_RAW(e, "\x4e\x03\x8c\x14");                        /* add r9,[rsp+r10+tag] */
	e32(e, tag);
	E_RAW(e, "\x4e\x03\x8c\x14");                        /* add r9,[rsp+r10+add] */
	e32(e, add_at(t));
}

static void compare_offset(struct trans *t, unsigned n)
{
	E_RAW(&t->e, "\x49\x81\xf9");                        /* cmp r9,4096-n */
	e32(&t->e, 4096 - n);
}

/* Strategy TAG: the TLB of struct x86_cpu. */
static void reach_alone(struct trans *t, unsigned n, bool write)
{
	uint32_t tag = tag_at(t, write);

	flags_free(t);
	emit_lookup(t, tag);
	compare_offset(t, n);
	to_step(t, 0x87);
	emit_host(t, tag);
	flags_again(t);
}

void reach_below(struct trans *t, uint32_t slot, bool write)
{
	uint32_t tag = tag_at(t, write);

	emit_lookup(t, tag);
	e_ctx(&t->e, true, 0x3b, H_S0, slot);                /* cmp r9,[slot] */
	to_step(t, 0x87);
	emit_host(t, tag);
}

/* The first of a group: checks for all of them. */
static void reach_first(struct trans *t, struct group *g, unsigned id, int32_t at)
{
	uint32_t tag = tag_at(t, g->write);
	struct emit *e = &t->e;

	flags_free(t);
	if (g->lo != at)
		e_lea(e, H_S0, H_S0, g->lo - at);
	emit_lookup(t, tag);
	compare_offset(t, (unsigned)(g->hi - g->lo));
	to_careful(t, 0x87);
	E_RAW(e, "\x4e\x03\x8c\x14");                        /* add r9,[rsp+r10+tag] */
	e32(e, tag);
	E_RAW(e, "\x4e\x8b\x94\x14");                        /* mov r10,[rsp+r10+add] */
	e32(e, add_at(t));
	e_store(e, H_S1, CPU_AT(engine_group) + id * 8);
	E_RAW(e, "\x4f\x8d\x8c\x11");                        /* lea r9,[r9+r10+at-lo] */
	e32(e, (uint32_t)(at - g->lo));
	flags_again(t);
	g->active = true;
}

/* The group that this access belongs to, or NULL. */
static struct group *group_of(struct trans *t, unsigned n, bool write)
{
	const struct plan *p = &t->plan[t->n];

	return p->group < 0 || p->size != n || p->write != write || t->careful ? NULL : &t->group[p->group];
}

static void load_distance(struct trans *t, const struct group *g)
{
	e_load(&t->e, H_S1, CPU_AT(engine_group) + (uint32_t)(g - t->group) * 8);
}

void reach(struct trans *t, unsigned n, bool write)
{
	struct group *g = group_of(t, n, write);

	if (!g) {
		reach_alone(t, n, write);
	} else if (!g->active) {
		reach_first(t, g, (unsigned)(g - t->group), t->plan[t->n].at);
	} else {
		load_distance(t, g);
		E_RAW(&t->e, "\x4f\x8d\x0c\x11");            /* lea r9,[r9+r10] */
	}
}

/* op reg,[r11+r10+disp], 64 bits. */
static void stack_op(struct trans *t, uint8_t op, unsigned reg, int8_t disp)
{
	e8(&t->e, (uint8_t)(0x4b | (reg >> 3) << 2));
	e8(&t->e, op);
	e8(&t->e, (uint8_t)(0x44 | (reg & 7) << 3));
	e8(&t->e, 0x13);
	e8(&t->e, (uint8_t)disp);
}

void stack_access(struct trans *t, uint8_t op, unsigned reg, int8_t disp)
{
	const bool write = op == 0x89;
	struct group *g = group_of(t, 8, write);

	if (g && g->active) {
		load_distance(t, g);
		stack_op(t, op, reg, disp);
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
	e8(&t->e, (uint8_t)(0x49 | (reg >> 3) << 2));        /* op reg,[r9] */
	e8(&t->e, op);
	e8(&t->e, (uint8_t)(0x01 | (reg & 7) << 3));
}

void load_s1(struct trans *t) { E_RAW(&t->e, "\x4d\x8b\x11"); }   /* mov r10,[r9] */
void store_s1(struct trans *t) { E_RAW(&t->e, "\x4d\x89\x11"); }  /* mov [r9],r10 */
