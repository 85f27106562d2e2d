/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The second level of the TLB and the page tables seen lately: what mmu.c and tlb.c share.
 *
 * An entry of the second level is what a walk found and what the partition has there; it
 * is turned into rights when a slot of the first level is filled from it, so one entry
 * serves all MMU modes.  Large pages are kept as pieces of 4 KiB.
 *
 * A table spares a walk all levels but the last.  Such entries belong to the current
 * space, also for global pages; INVLPG of any address drops them all, as the SDM has it
 * (volume 3, 4.10.4.1).
 *
 * Whatever is remembered of memory (host addresses, rights of the partition) ends with
 * X86_FLUSH_ALL, which gives new numbers to everything.
 */
#ifndef TARGET_I386_TLB_H
#define TARGET_I386_TLB_H

#include "target/i386/mem.h"

/* What a walk found, beside addresses; in the low bits of x86_tlb2_way.gpa, x86_tlb2_table.gpa. */
enum {
	WALK_USER = 1 << 0, WALK_WRITE = 1 << 1, WALK_NX = 1 << 2, WALK_GLOBAL = 1 << 3, WALK_DIRTY = 1 << 4,
	WALK_FLAGS = 0x1f,
	WAY_RIGHTS_SHIFT = 5,        /* X86_PAGE_* */
	WAY_SIZE_SHIFT = 8,          /* 0 to 3: 12, 21, 22, 30 */
	/*
	 * The clean_round in which the frame had no decoded code: as good as a write tag of the
	 * first level, and dropped with those, so that filling a slot need not look at the frame's
	 * descriptor.
	 */
	WAY_CLEAN_SHIFT = 52, WAY_CLEAN_ROUNDS = 1 << 12,
};
#define WAY_GPA 0x000ffffffffff000ull

struct walk {
	uint64_t gpa;        /* of the 4 KiB page */
	uint32_t error;      /* page fault error code if it failed */
	uint8_t flags;       /* WALK_* */
	uint8_t shift;       /* log2 of the mapping's size */
};

static inline unsigned tlb2_pcid(const struct x86_cpu *c)
{
	return c->cr4 & CR4_PCIDE ? c->cr3 & (X86_PCIDS - 1) : 0;
}

static inline struct x86_tlb2_set *tlb2_set(struct x86_cpu *c, uint64_t page)
{
	return &c->tlb2.set[page >> 12 & (X86_TLB2_SETS - 1)];
}

/* What the second level has for linear page @page in the current space; NULL: nothing. */
static inline struct x86_tlb2_way *tlb2_find(struct x86_cpu *c, uint64_t page)
{
	struct x86_tlb2_set *s = tlb2_set(c, page);
	uint64_t own = page | c->tlb2.space, global = page | c->tlb2.global;

	for (unsigned i = 0; i < X86_TLB2_WAYS; i++)
		if (s->tag[i] == own || s->tag[i] == global)
			return &s->way[i];
	return NULL;
}

static inline bool way_clean(const struct x86_cpu *c, const struct x86_tlb2_way *w)
{
	return w->gpa >> WAY_CLEAN_SHIFT == c->tlb2.clean_round;
}

static inline void way_set_clean(struct x86_cpu *c, struct x86_tlb2_way *w)
{
	w->gpa = (w->gpa & ((1ull << WAY_CLEAN_SHIFT) - 1)) | (uint64_t)c->tlb2.clean_round << WAY_CLEAN_SHIFT;
}

static inline unsigned way_shift(const struct x86_tlb2_way *w)
{
	static const uint8_t shift[4] = { 12, 21, 22, 30 };

	return shift[w->gpa >> WAY_SIZE_SHIFT & 3];
}

/* The bits of a tag below the 2 MiB that a table maps: number of the space, round. */
static inline uint64_t tlb2_table_tag(const struct x86_cpu *c, uint64_t lin)
{
	return (lin & ~0x1fffffull) | c->tlb2.tables_round << 12 | c->tlb2.space;
}

static inline struct x86_tlb2_table *tlb2_table(struct x86_cpu *c, uint64_t lin)
{
	return &c->tlb2.table[lin >> 21 & (X86_TLB2_TABLES - 1)];
}

/* The second level gets @page: as *w says, memory as *to says, @clean: no decoded code there. */
void tlb2_put(struct x86_cpu *c, uint64_t page, const struct walk *w, const struct x86_page *to, bool clean);
/* Notes that code is fetched at @page: from now on what drops it changes code_key. */
void tlb_fetched(struct x86_cpu *c, uint64_t page);
/*
 * A page fault at @lin drops what is remembered of it.  A table that the failed walk has
 * been led to again (@last: as in x86_tlb2_table.gpa) is as good as dropped and found anew.
 */
void tlb_fault(struct x86_cpu *c, uint64_t lin, uint64_t last);

#endif
