/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What drops translations, as SDM volume 3, 4.10.4 has it, and the second level of the TLB.
 *
 * The first level has no tags for address spaces: a load of CR3 empties it of what is not
 * global.  The second level's entries carry the number of their space, so dropping a space
 * costs nothing: it gets a number that no entry has.  When all numbers have been used,
 * everything is cleared and they begin anew.
 */
#include "tlb.h"

enum { TABLE_ROUNDS = 1 << 9, FETCHED_MAX = X86_TLB2_FETCHED / 16 };

/* ---- numbers of spaces ---- */

static void code_keys(struct x86_cpu *c)
{
	c->code_key[0] = (c->tlb2.code_round << 12 | c->tlb2.space) << 20;
	c->code_key[1] = (c->tlb2.code_round << 12 | c->tlb2.global) << 20;
}

static void numbers_begin(struct x86_cpu *c)
{
	struct x86_tlb2 *t = &c->tlb2;

	memset(t->set, 0, sizeof t->set);
	memset(t->table, 0, sizeof t->table);
	memset(t->of_pcid, 0, sizeof t->of_pcid);
	t->code_round++;
	t->next = t->floor = t->clean_round = 1;
	t->global = t->next++;
}

/* The global number may be another behind this, and the current space's must be taken anew. */
static uint16_t number_take(struct x86_cpu *c)
{
	if (c->tlb2.next == 0 || c->tlb2.next == X86_TLB2_NUMBERS)
		numbers_begin(c);
	return c->tlb2.next++;
}

/* The space that CR3 and CR4 name becomes the current one; @fresh: without what it had. */
static void space_enter(struct x86_cpu *c, bool fresh)
{
	uint16_t *of = &c->tlb2.of_pcid[tlb2_pcid(c)];

	if (fresh || *of < c->tlb2.floor) {
		uint16_t number = number_take(c);

		*of = number;
	} else {
		X86_COUNT(c, switch_kept);
	}
	c->tlb2.space = *of;
	code_keys(c);
}

/* ---- sets of pages, by hash ---- */

static unsigned hash(uint64_t v, unsigned size)
{
	return (unsigned)(v * 0x9e3779b97f4a7c15 >> 40) & (size - 1);
}

static bool bit_get(const uint64_t *bits, unsigned i) { return bits[i / 64] >> (i & 63) & 1; }
static void bit_set(uint64_t *bits, unsigned i) { bits[i / 64] |= 1ull << (i & 63); }

static void code_moved(struct x86_cpu *c)
{
	c->tlb2.code_round++;
	code_keys(c);
}

static void fetched_clear(struct x86_cpu *c)
{
	if (c->tlb2.fetched_count)
		memset(c->tlb2.fetched, 0, sizeof c->tlb2.fetched);
	c->tlb2.fetched_count = 0;
}

/* Two bits a page. */
static unsigned fetched_bit(uint64_t page, unsigned k)
{
	return hash((page >> 12) + (k ? 0x5bd1e995ull << 32 : 0), X86_TLB2_FETCHED);
}

static bool was_fetched(const struct x86_cpu *c, uint64_t page)
{
	return bit_get(c->tlb2.fetched, fetched_bit(page, 0)) && bit_get(c->tlb2.fetched, fetched_bit(page, 1));
}

void tlb_fetched(struct x86_cpu *c, uint64_t page)
{
	if (was_fetched(c, page))
		return;
	/* Fuller it says little: better look all code up once more. */
	if (c->tlb2.fetched_count == FETCHED_MAX) {
		fetched_clear(c);
		code_moved(c);
	}
	bit_set(c->tlb2.fetched, fetched_bit(page, 0));
	bit_set(c->tlb2.fetched, fetched_bit(page, 1));
	c->tlb2.fetched_count++;
}

static void large_note(struct x86_cpu *c, uint64_t page, unsigned shift)
{
	if (shift == 30)
		bit_set(c->tlb2.huge, hash(page >> 30, X86_TLB2_HUGE));
	else if (shift > 12)
		bit_set(c->tlb2.large, hash(page >> 22, X86_TLB2_LARGE));
}

/* ---- the second level ---- */

static unsigned size_code(unsigned shift)
{
	return shift == 12 ? 0 : shift == 21 ? 1 : shift == 22 ? 2 : 3;
}

/* Nobody looks for it any more; 0 is such a tag, too. */
static bool tag_void(const struct x86_cpu *c, uint64_t tag)
{
	unsigned number = tag & (X86_TLB2_NUMBERS - 1);

	return number < c->tlb2.floor && number != c->tlb2.global;
}

/* The way that has @page, in either space, else the one that makes room. */
static unsigned way_for(struct x86_cpu *c, struct x86_tlb2_set *s, uint64_t page)
{
	uint64_t own = page | c->tlb2.space, global = page | c->tlb2.global;
	unsigned at = X86_TLB2_WAYS;

	for (unsigned i = 0; i < X86_TLB2_WAYS; i++) {
		if (s->tag[i] == own || s->tag[i] == global) {
			s->tag[i] = 0;
			at = i;
		}
	}
	for (unsigned i = 0; at == X86_TLB2_WAYS && i < X86_TLB2_WAYS; i++)
		if (tag_void(c, s->tag[i]))
			at = i;
	if (at < X86_TLB2_WAYS)
		return at;
	/* Neither in turn nor the oldest: then a walk through one page too many would never hit. */
	c->tlb2.victim += 0x9e3779b9;
	return c->tlb2.victim >> 30;
}

void tlb2_put(struct x86_cpu *c, uint64_t page, const struct walk *w, const struct x86_page *to, bool clean)
{
	struct x86_tlb2_set *s = tlb2_set(c, page);
	unsigned i = way_for(c, s, page);

	s->tag[i] = page | (w->flags & WALK_GLOBAL ? c->tlb2.global : c->tlb2.space);
	s->way[i].gpa = w->gpa | w->flags | (uint64_t)to->rights << WAY_RIGHTS_SHIFT |
			(uint64_t)size_code(w->shift) << WAY_SIZE_SHIFT;
	s->way[i].host = to->host;
	s->way[i].code = to->code;
	if (clean)
		way_set_clean(c, &s->way[i]);
	if (w->shift > 12)
		large_note(c, page, w->shift);
}

/* Whether there was one. */
static bool tlb2_drop(struct x86_cpu *c, uint64_t page, uint16_t number, uint16_t number2)
{
	struct x86_tlb2_set *s = tlb2_set(c, page);
	bool found = false;

	for (unsigned i = 0; i < X86_TLB2_WAYS; i++) {
		if (s->tag[i] == (page | number) || s->tag[i] == (page | number2)) {
			s->tag[i] = 0;
			found = true;
		}
	}
	return found;
}

/* Of all spaces. */
static void tables_drop(struct x86_cpu *c)
{
	if (++c->tlb2.tables_round == TABLE_ROUNDS) {
		memset(c->tlb2.table, 0, sizeof c->tlb2.table);
		c->tlb2.tables_round = 0;
	}
}

/* ---- the first level ---- */

/* Also what has lost its slot to another page. */
static void sites_drop(struct x86_cpu *c)
{
	for (unsigned w = 0; w < sizeof c->site_used / sizeof *c->site_used; w++)
		for (; c->site_used[w]; c->site_used[w] &= c->site_used[w] - 1)
			c->site[w * 32 + (unsigned)__builtin_ctz(c->site_used[w])].limit = 0;
}

static void slot_drop(struct x86_cpu *c, unsigned mmu, unsigned i)
{
	struct x86_tlb_entry *t = &c->tlb[mmu][i];

	t->read = t->write = t->exec = x86_tlb_no_tag(i);
	c->tlb_back[mmu][i].page = X86_TLB_INVALID;
}

static void slots_drop(struct x86_cpu *c, bool keep_global)
{
	sites_drop(c);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (uint64_t any = c->tlb_any[m]; any; any &= any - 1) {
			unsigned k = (unsigned)__builtin_ctzll(any);
			uint64_t keep = keep_global ? c->tlb_global[m][k] : 0;
			uint64_t drop = c->tlb_used[m][k] & ~keep;

			c->tlb_used[m][k] &= keep;
			if (!c->tlb_used[m][k])
				c->tlb_any[m] &= ~(1ull << k);
			for (; drop; drop &= drop - 1)
				slot_drop(c, m, k * 64 + (unsigned)__builtin_ctzll(drop));
		}
	}
	c->tlb_epoch++;
}

static void slots_drop_page(struct x86_cpu *c, uint64_t page)
{
	unsigned i = x86_tlb_index(page);

	sites_drop(c);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++)
		if (c->tlb_back[m][i].page == page)
			slot_drop(c, m, i);
}

/* Drops every slot that a large mapping around @lin filled. */
static void slots_drop_large(struct x86_cpu *c, uint64_t lin)
{
	sites_drop(c);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (uint64_t any = c->tlb_any[m]; any; any &= any - 1) {
			unsigned k = (unsigned)__builtin_ctzll(any);
			uint64_t s = c->tlb_used[m][k] & c->tlb_large[m][k];

			for (; s; s &= s - 1) {
				unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);
				const struct x86_tlb_back *b = &c->tlb_back[m][i];

				if ((b->page ^ lin) >> b->shift == 0)
					slot_drop(c, m, i);
			}
		}
	}
}

/* ---- what the SDM calls invalidation ---- */

void x86_tlb_flush(struct x86_cpu *c, int what)
{
	struct x86_tlb2 *t = &c->tlb2;

	slots_drop(c, what == X86_FLUSH_NON_GLOBAL);
	x86_count_add(&c->count.flush_all, what == X86_FLUSH_ALL);
	x86_count_add(&c->count.flush_non_global, what != X86_FLUSH_ALL);
	t->floor = t->next;
	if (what == X86_FLUSH_ALL) {
		memset(t->large, 0, sizeof t->large);
		memset(t->huge, 0, sizeof t->huge);
		fetched_clear(c);
		t->global = number_take(c);
	}
	space_enter(c, true);
}

void x86_tlb_switch(struct x86_cpu *c, bool keep)
{
	uint16_t before = c->tlb2.space;

	space_enter(c, !keep);
	if (keep && c->tlb2.space == before)
		return;
	slots_drop(c, true);
	X86_COUNT(c, flush_non_global);
}

void x86_tlb_flush_pcid(struct x86_cpu *c, unsigned pcid)
{
	if (pcid == tlb2_pcid(c)) {
		x86_tlb_switch(c, false);
		return;
	}
	c->tlb2.of_pcid[pcid] = 0;
	X86_COUNT(c, flush_pcid);
}

void x86_tlb_flush_other_pcids(struct x86_cpu *c)
{
	uint16_t own = c->tlb2.space;

	if (!(c->cr4 & CR4_PCIDE))
		return;
	memset(c->tlb2.of_pcid, 0, sizeof c->tlb2.of_pcid);
	c->tlb2.of_pcid[tlb2_pcid(c)] = own;
	X86_COUNT(c, flush_pcid);
}

/* Pieces of large pages around @lin with either number.  4 MiB cover what may have been mapped by 2. */
static void large_drop(struct x86_cpu *c, uint64_t lin, uint16_t number, uint16_t number2)
{
	uint64_t first = lin & ~0x3fffffull;

	for (uint64_t page = first; page - first < 1 << 22; page += 4096)
		tlb2_drop(c, page, number, number2);
}

/* All but the first level, in the space @number and in @number2; @large, @huge: mappings of that size may be there. */
static void around_drop(struct x86_cpu *c, uint64_t lin, uint16_t number, uint16_t number2)
{
	const struct x86_tlb2 *t = &c->tlb2;
	bool large = bit_get(t->large, hash(lin >> 22, X86_TLB2_LARGE));

	tlb2_drop(c, lin & X86_PAGE_MASK, number, number2);
	tables_drop(c);
	if (large)
		large_drop(c, lin, number, number2);
	/* Code may have been fetched from any part of a large page. */
	if (large || was_fetched(c, lin & X86_PAGE_MASK))
		code_moved(c);
}

static bool in_huge(const struct x86_cpu *c, uint64_t lin)
{
	return bit_get(c->tlb2.huge, hash(lin >> 30, X86_TLB2_HUGE));
}

void x86_tlb_flush_page(struct x86_cpu *c, uint64_t lin)
{
	struct x86_tlb2 *t = &c->tlb2;

	if (!(c->mode & X86_MODE_LMA))
		lin = (uint32_t)lin;
	X86_COUNT(c, flush_page);
	c->tlb_epoch++;
	slots_drop_page(c, lin & X86_PAGE_MASK);
	if (in_huge(c, lin)) {
		slots_drop_large(c, lin);
		/* Its pieces are many: everything else here goes, too. */
		tables_drop(c);
		t->global = number_take(c);
		space_enter(c, true);
		return;
	}
	if (bit_get(t->large, hash(lin >> 22, X86_TLB2_LARGE)))
		slots_drop_large(c, lin);
	around_drop(c, lin, t->space, t->global);
}

void x86_tlb_flush_pcid_page(struct x86_cpu *c, unsigned pcid, uint64_t lin)
{
	uint16_t number = c->tlb2.of_pcid[pcid];

	if (pcid == tlb2_pcid(c)) {
		x86_tlb_flush_page(c, lin);
		return;
	}
	X86_COUNT(c, flush_pcid);
	if (number < c->tlb2.floor)
		return;
	if (in_huge(c, lin))
		c->tlb2.of_pcid[pcid] = 0;
	else
		around_drop(c, lin, number, number);
}

void tlb_fault(struct x86_cpu *c, uint64_t lin, uint64_t last)
{
	const struct x86_tlb2 *t = &c->tlb2;
	uint64_t page = lin & X86_PAGE_MASK;

	slots_drop_page(c, page);
	if (tlb2_table(c, lin)->gpa != last)
		tlb2_table(c, lin)->tag = 0;
	c->tlb_epoch++;
	if (tlb2_drop(c, page, t->space, t->global) && was_fetched(c, page))
		code_moved(c);
}

/* ---- write rights ---- */

static void clean_drop(struct x86_cpu *c)
{
	struct x86_tlb2 *t = &c->tlb2;

	if (++t->clean_round < WAY_CLEAN_ROUNDS)
		return;
	for (unsigned i = 0; i < X86_TLB2_SETS * X86_TLB2_WAYS; i++)
		t->set[i / X86_TLB2_WAYS].way[i % X86_TLB2_WAYS].gpa &= (1ull << WAY_CLEAN_SHIFT) - 1;
	t->clean_round = 1;
}

void x86_tlb_flush_writes(struct x86_cpu *c)
{
	X86_COUNT(c, flush_writes);
	clean_drop(c);
	sites_drop(c);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (uint64_t any = c->tlb_any[m]; any; any &= any - 1) {
			unsigned k = (unsigned)__builtin_ctzll(any);

			for (uint64_t s = c->tlb_used[m][k]; s; s &= s - 1) {
				unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);

				c->tlb[m][i].write = x86_tlb_no_tag(i);
			}
		}
	}
}

static void tags_aside(struct x86_cpu *c, struct x86_store_log *log, unsigned m, unsigned k)
{
	log->aside[m][k] = c->tlb_used[m][k];
	for (uint64_t s = c->tlb_used[m][k]; s; s &= s - 1) {
		unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);

		log->tag[m][i] = c->tlb[m][i].write;
		c->tlb[m][i].write = x86_tlb_no_tag(i);
	}
}

/* Not into slots that have been flushed or filled anew. */
static void tags_back(struct x86_cpu *c, const struct x86_store_log *log, unsigned m, unsigned k)
{
	for (uint64_t s = c->tlb_used[m][k] & log->aside[m][k]; s; s &= s - 1) {
		unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);

		if (c->tlb_back[m][i].page == log->tag[m][i])
			c->tlb[m][i].write = log->tag[m][i];
	}
}

/* Nobody decodes in between, so a tag that was right still is. */
void x86_store_log_set(struct x86_cpu *c, struct x86_store_log *log)
{
	struct x86_store_log *before = c->store_log;

	c->store_log = log;
	sites_drop(c);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned k = 0; k < X86_TLB_SIZE / 64; k++) {
			if (log)
				tags_aside(c, log, m, k);
			else
				tags_back(c, before, m, k);
		}
	}
}
