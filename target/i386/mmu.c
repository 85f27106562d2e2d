/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear addresses to memory: page walks of every form, the software TLB,
 * accesses that the inline paths of mem.h do not serve.
 *
 * Two tables hold a translation.  tlb has the tags that mem.h compares; a tag
 * is set only where the access needs nothing but a host address.  tlb_back in
 * the same slot has what paging said, also for pages whose tags must stay
 * invalid:
 *   - no RAM, or no right of the partition: device access each time;
 *   - a frame with decoded code: stores must call x86_code_written();
 *   - alignment checks on (X86_MODE_AC), or a data breakpoint in the page: every
 *     access must be looked at.
 * Dirty bit: `may` has WRITE only if the leaf entry is dirty, so the first
 * store walks again and sets it.
 *
 * Behind these there is a second level (tlb.h).
 *
 * Order against the decoder of another processor: it marks granules, then
 * waits (code_marked) until all others have dropped their write tags at an
 * instruction boundary.  So it does not matter if we look at granules first
 * and set the tag afterwards within one instruction.
 */
#include <sched.h>

#include "target/i386/model.h"
#include "tlb.h"
#include "trace/log.h"

enum {
	PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6,
	PTE_PS = 1 << 7, PTE_G = 1 << 8,
};
#define PTE_NX (1ull << 63)

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* ---- modes -------------------------------------------------------------- */

/* Linear addresses wrap at 4 GiB outside of IA-32e mode. */
static uint64_t lin_wrap(struct x86_cpu *c, uint64_t lin)
{
	if (!(c->mode & X86_MODE_LMA))
		return (uint32_t)lin;
	if (!x86_canonical(c, lin))
		x86_raise_noncanonical(c, lin);
	return lin;
}

static uint64_t address_bits(const struct x86_cpu *c)
{
	unsigned bits = c->model->phys_bits ? c->model->phys_bits : 40;

	return (1ull << bits) - 1;
}

static uint64_t frame_bits(const struct x86_cpu *c)
{
	return address_bits(c) & X86_PAGE_MASK;
}

/* ---- code in frames -------------------------------------------------------- */

/* Mask of the 64-byte granules that @n bytes at @offset touch. */
static uint64_t granule_mask(unsigned offset, size_t n)
{
	unsigned first = offset >> 6, last = (unsigned)((offset + n - 1) >> 6) & 63;

	return (~0ull << first) & (~0ull >> (63 - last));
}

/* Waits for whoever has made gen odd before. */
static void gen_lock(struct x86_code_page *code)
{
	uint32_t gen = atomic_load(&code->gen) & ~1u;

	while (!atomic_compare_exchange_weak(&code->gen, &gen, gen + 1)) {
		if (gen & 1)
			sched_yield();
		gen &= ~1u;
	}
}

/*
 * Granules are cleared while gen is odd, until all processors have been told.  So a
 * store that finds no granules any more finds either gen odd, and knows that its own
 * processor may have stale code, or X86_PEND_CODE on its way; and a decoder whose mark
 * is cleared has read a gen that is never valid again.
 */
static bool code_hit(struct x86_code_page *code, unsigned offset, size_t n)
{
	if (!(atomic_load(&code->granules) & granule_mask(offset, n)))
		return false;
	gen_lock(code);
	atomic_store(&code->granules, 0);
	return true;
}

void x86_code_told(struct x86_code_page *code)
{
	atomic_fetch_add(&code->gen, 1);
}

bool x86_code_written(struct x86_code_page *code, unsigned offset, size_t n)
{
	return n && atomic_load(&code->granules) && code_hit(code, offset, n);
}

static void log_store(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, size_t n)
{
	unsigned offset = lin & 4095;

	if (c->store_log)
		c->store_log->store(c->store_log, b->host + offset, n,
				    atomic_load(&b->code->granules) & granule_mask(offset, n));
}

static void own_code_stale(struct x86_cpu *c, struct x86_code_page *code)
{
	x86_pend(c, c->code_hit && c->code_hit != code ? X86_PEND_CODE | X86_PEND_CODE_ALL : X86_PEND_CODE);
	c->code_hit = code;
}

/* After a store of this processor. */
static void code_stored(struct x86_cpu *c, struct x86_code_page *code, unsigned offset, size_t n)
{
	atomic_thread_fence(memory_order_seq_cst);
	X86_COUNT(c, store_slow);
	if (atomic_load(&code->granules) && code_hit(code, offset, n)) {
		X86_COUNT(c, code_hit);
		own_code_stale(c, code);
		c->ops->code_changed(c->opaque, code);
		x86_code_told(code);
	} else if (atomic_load(&code->gen) & 1) {
		own_code_stale(c, code);
	}
}

/* ---- paging entries ---------------------------------------------------------- */

enum { MAX_LEVELS = 5 };

/* A walk under way: entries seen, to be marked accessed once all checks pass. */
struct path {
	uint64_t gpa[MAX_LEVELS], entry[MAX_LEVELS];
	unsigned count, size;
	uint64_t at;                 /* of the entry that was looked at last */
	const uint8_t *table;        /* the page that it is in; NULL if that is not RAM */
	uint64_t last;               /* its address and WALK_* before its entry, if it is of the last level; else 0 */
};

static uint64_t entry_read(struct x86_cpu *c, uint64_t gpa, unsigned size, struct path *path)
{
	struct x86_page p;
	uint64_t v = 0;
	enum x86_result r;

	path->at = gpa;
	if (c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p) && (p.rights & X86_PAGE_READ)) {
		uint8_t *at = p.host + (gpa & 4095);

		path->table = p.host;
		return size == 8 ? x86_host_ld64((uint64_t *)(void *)at) : x86_host_ld32((uint32_t *)(void *)at);
	}
	path->table = NULL;
	if (c->quiet)
		x86_result_raise(c, X86_STOP);
	c->outside = X86_NO_LINEAR;
	r = c->ops->mmio_read(c->opaque, gpa, size, &v);
	if (r != X86_OK)
		x86_result_raise(c, r);
	return v;
}

static void tell_dirty(struct x86_cpu *c, const struct x86_page *page, uint64_t gpa)
{
	if (page->rights & X86_PAGE_CLEAN)
		c->ops->page_dirty(c->opaque, gpa);
}

/* Sets @bits in an entry that held @old; false: it has changed meanwhile. */
static bool entry_mark(struct x86_cpu *c, uint64_t gpa, unsigned size, uint64_t old, uint64_t bits)
{
	struct x86_page p;
	bool done;

	if (!c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p) || !(p.rights & X86_PAGE_WRITE)) {
		enum x86_result r;

		if (c->quiet)
			x86_result_raise(c, X86_STOP);
		c->outside = X86_NO_LINEAR;
		r = c->ops->mmio_write(c->opaque, gpa, size, old | bits);
		if (r != X86_OK)
			x86_result_raise(c, r);
		return true;
	}
	tell_dirty(c, &p, gpa & X86_PAGE_MASK);
	if (size == 8) {
		done = __atomic_compare_exchange_n((uint64_t *)(void *)(p.host + (gpa & 4095)), &old, old | bits,
						   false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	} else {
		uint32_t old32 = (uint32_t)old;

		done = __atomic_compare_exchange_n((uint32_t *)(void *)(p.host + (gpa & 4095)), &old32,
						   old32 | (uint32_t)bits, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	if (done)
		code_stored(c, p.code, gpa & 4095, size);
	return done;
}

/* ---- walks --------------------------------------------------------------------- */

static uint64_t reserved_high(const struct x86_cpu *c)
{
	uint64_t r = ~address_bits(c) & 0x000fffffffffffff;

	return c->efer & EFER_NXE ? r : r | PTE_NX;
}

static void leaf_at(struct walk *w, uint64_t lin, uint64_t base, unsigned shift)
{
	w->shift = (uint8_t)shift;
	w->gpa = (base | (lin & ((1ull << shift) - 1))) & X86_PAGE_MASK;
}

/* The parts of an entry's rights that count at each level. */
static void rights_and(struct walk *w, uint64_t e)
{
	_Static_assert(PTE_U == (int)WALK_USER << 2 && PTE_W == (int)WALK_WRITE, "moved by shifts");
	w->flags &= (uint8_t)((e & PTE_U) >> 2 | (e & PTE_W) | (uint8_t)~(WALK_USER | WALK_WRITE));
	w->flags |= (uint8_t)(e >> 63 << 2);
}

/* 8-byte entries: PAE (from the page directory), 4 and 5 levels. */
static bool walk_long(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p,
		      uint64_t table, unsigned shift)
{
	const uint64_t high = reserved_high(c), frame = frame_bits(c);
	/* PAE paging has no ignored bits 62:52. */
	const uint64_t pae = c->efer & EFER_LMA ? 0 : 0x7ff0000000000000;

	p->size = 8;
	for (;; shift -= 9) {
		uint64_t at = table + (lin >> shift & 511) * 8, e = entry_read(c, at, 8, p);
		uint64_t reserved = high | pae;
		bool large = false;

		if (shift == 12)
			p->last = table | w->flags;
		if (!(e & PTE_P))
			return false;
		if (e & PTE_PS) {
			if (shift == 21 || (shift == 30 && x86_has(c, F_PDPE1GB)))
				large = true;
			else if (shift > 21)
				reserved |= PTE_PS;
		}
		if (large)
			reserved |= ((1ull << shift) - 1) & ~0x1fffull;
		if (e & reserved) {
			w->error |= PF_P | PF_RSVD;
			return false;
		}
		rights_and(w, e);
		p->gpa[p->count] = at;
		p->entry[p->count++] = e;
		if (large || shift == 12) {
			leaf_at(w, lin, e & frame & ~((1ull << shift) - 1), shift);
			return true;
		}
		table = e & frame;
	}
}

/* 4-byte entries, with 4 MiB pages above 4 GiB (PSE-36). */
static bool walk_short(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	uint64_t at = (c->cr3 & 0xfffff000) + (lin >> 22 & 1023) * 4, e = entry_read(c, at, 4, p);

	p->size = 4;
	if (!(e & PTE_P))
		return false;
	rights_and(w, e);
	p->gpa[0] = at;
	p->entry[0] = e;
	p->count = 1;
	if ((e & PTE_PS) && (c->cr4 & CR4_PSE)) {
		uint64_t base = (e & 0xffc00000) | (e & 0x1fe000) << 19;

		if ((e & 1 << 21) || (base & ~address_bits(c))) {
			w->error |= PF_P | PF_RSVD;
			return false;
		}
		leaf_at(w, lin, base, 22);
		return true;
	}
	at = (e & 0xfffff000) + (lin >> 12 & 1023) * 4;
	e = entry_read(c, at, 4, p);
	if (!(e & PTE_P))
		return false;
	rights_and(w, e);
	p->gpa[1] = at;
	p->entry[1] = e;
	p->count = 2;
	leaf_at(w, lin, e & 0xfffff000, 12);
	return true;
}

static bool walk_pae(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	uint64_t e = c->pdpte[lin >> 30 & 3];

	return (e & PTE_P) && walk_long(c, lin, w, p, e & frame_bits(c), 21);
}

static void leaf_flags(struct x86_cpu *c, struct walk *w, uint64_t e)
{
	if (e & PTE_D)
		w->flags |= WALK_DIRTY;
	if ((e & PTE_G) && (c->cr4 & CR4_PGE))
		w->flags |= WALK_GLOBAL;
}

/* Follows the tables; no rights are checked and nothing is marked. */
static bool walk(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	bool ok;

	*w = (struct walk){ .flags = WALK_USER | WALK_WRITE };
	p->count = 0;
	p->table = NULL;
	p->last = 0;
	if (!(c->cr0 & CR0_PG)) {
		w->flags |= WALK_DIRTY | WALK_GLOBAL;
		leaf_at(w, lin, lin & X86_PAGE_MASK, 12);
		return true;
	}
	if (c->efer & EFER_LMA)
		ok = walk_long(c, lin, w, p, c->cr3 & frame_bits(c), c->cr4 & CR4_LA57 ? 48 : 39);
	else if (c->cr4 & CR4_PAE)
		ok = walk_pae(c, lin, w, p);
	else
		ok = walk_short(c, lin, w, p);
	if (ok)
		leaf_flags(c, w, p->entry[p->count - 1]);
	return ok;
}

/*
 * The same by a table of the last level that has been seen.  False: none, or its entry
 * has nothing; the full walk then tells, so that what is remembered makes no fault.
 */
static bool walk_seen(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	const struct x86_tlb2_table *t = tlb2_table(c, lin);
	const uint64_t pae = c->efer & EFER_LMA ? 0 : 0x7ff0000000000000;
	uint64_t e;

	if (t->tag != tlb2_table_tag(c, lin))
		return false;
	e = x86_host_ld64(&t->entry[lin >> 12 & 511]);
	if (!(e & PTE_P) || (e & (reserved_high(c) | pae)))
		return false;
	*w = (struct walk){ .flags = t->gpa & WALK_FLAGS };
	rights_and(w, e);
	leaf_flags(c, w, e);
	leaf_at(w, lin, e & frame_bits(c), 12);
	p->size = 8;
	p->count = 1;
	p->gpa[0] = (t->gpa & X86_PAGE_MASK) + (lin >> 12 & 511) * 8;
	p->entry[0] = e;
	return true;
}

/* All levels above are marked accessed by now. */
static void table_note(struct x86_cpu *c, uint64_t lin, const struct walk *w, const struct path *p)
{
	struct x86_tlb2_table *t = tlb2_table(c, lin);

	if (!p->table || !p->last)
		return;
	t->tag = tlb2_table_tag(c, lin);
	t->gpa = p->last;
	t->entry = (const uint64_t *)(const void *)p->table;
}

/* What paging allows: 1 << enum x86_access each. */
static unsigned allowed(const struct x86_cpu *c, const struct walk *w, enum x86_mmu mmu)
{
	const unsigned r = 1 << X86_READ, wr = 1 << X86_WRITE, x = 1 << X86_EXEC;
	bool user = w->flags & WALK_USER;
	unsigned may = w->flags & WALK_NX ? 0 : x;

	if (!(c->cr0 & CR0_PG))
		return r | wr | x;
	if (mmu == X86_MMU_USER)
		return !user ? 0 : w->flags & WALK_WRITE ? may | r | wr : may | r;
	if (user && (c->cr4 & CR4_SMEP))
		may = 0;
	if (user && mmu == X86_MMU_KERNEL && (c->cr4 & CR4_SMAP))
		return may;
	return (w->flags & WALK_WRITE) || !(c->cr0 & CR0_WP) ? may | r | wr : may | r;
}

/* Marks the path accessed, and its leaf dirty for a write.  False: an entry changed, walk again. */
static bool mark_path(struct x86_cpu *c, struct path *p, enum x86_access a, struct walk *w)
{
	for (unsigned i = 0; i < p->count; i++) {
		uint64_t want = PTE_A;

		if (a == X86_WRITE && i == p->count - 1)
			want |= PTE_D;
		if ((p->entry[i] & want) == want)
			continue;
		if (!entry_mark(c, p->gpa[i], p->size, p->entry[i], want))
			return false;
	}
	if (a == X86_WRITE)
		w->flags |= WALK_DIRTY;
	return true;
}

/* @last: struct path's, of the walk that has failed. */
noreturn static void page_fault(struct x86_cpu *c, uint64_t lin, uint32_t error, enum x86_access a,
				enum x86_mmu mmu, uint64_t last)
{
	if (a == X86_WRITE)
		error |= PF_W;
	if (mmu == X86_MMU_USER)
		error |= PF_U;
	if (a == X86_EXEC && ((c->cr4 & CR4_SMEP) || ((c->cr4 & CR4_PAE) && (c->efer & EFER_NXE))))
		error |= PF_I;
	if (log_on(LOG_MMU))
		log_print(LOG_MMU, "page fault at %#llx, error %#x\n", (unsigned long long)lin, error);
	tlb_fault(c, lin, last);
	x86_raise_pf(c, lin, error);
}

/* The walk with all its effects; raises. */
static void walk_for(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu, struct walk *w)
{
	struct path p;

	if (walk_seen(c, lin, w, &p) && (allowed(c, w, mmu) & 1 << a) && mark_path(c, &p, a, w)) {
		X86_COUNT(c, walk_short);
		return;
	}
	do {
		if (!walk(c, lin, w, &p))
			page_fault(c, lin, w->error, a, mmu, p.last);
		if (!(allowed(c, w, mmu) & 1 << a))
			page_fault(c, lin, PF_P, a, mmu, p.last);
	} while (!mark_path(c, &p, a, w));
	table_note(c, lin, w, &p);
}

/* ---- TLB ------------------------------------------------------------------------- */

_Static_assert(X86_TLB_SIZE / 64 <= 64, "tlb_any has a bit for each word");
static void mark_slot(struct x86_cpu *c, enum x86_mmu mmu, unsigned i, const struct walk *w)
{
	uint64_t bit = 1ull << (i & 63);
	unsigned k = i / 64;

	c->tlb_any[mmu] |= 1ull << k;
	c->tlb_used[mmu][k] |= bit;
	c->tlb_global[mmu][k] = w->flags & WALK_GLOBAL ? c->tlb_global[mmu][k] | bit : c->tlb_global[mmu][k] & ~bit;
	c->tlb_large[mmu][k] = w->shift > 12 ? c->tlb_large[mmu][k] | bit : c->tlb_large[mmu][k] & ~bit;
}

/* ---- breakpoints ------------------------------------------------------------------- */

static unsigned watch_length(const struct x86_cpu *c, unsigned i)
{
	static const uint8_t length[4] = { 1, 2, 8, 4 };

	return length[c->dr[7] >> (18 + i * 4) & 3];
}

static bool page_watched(const struct x86_cpu *c, uint64_t page)
{
	for (unsigned i = 0; i < 4; i++)
		if ((c->watch_data >> i & 1) && (c->dr[i] & X86_PAGE_MASK) == page)
			return true;
	return false;
}

/* Whether [at, at + n) meets breakpoint @i. */
static bool meets(const struct x86_cpu *c, unsigned i, uint64_t at, size_t n)
{
	unsigned length = watch_length(c, i);
	uint64_t from = c->dr[i] & ~(uint64_t)(length - 1);

	return at < from + length && from < at + n;
}

static void watch(struct x86_cpu *c, uint64_t lin, size_t n, enum x86_access a)
{
	if (!c->watch_data)
		return;
	for (unsigned i = 0; i < 4; i++) {
		bool reads_too = (c->dr[7] >> (16 + i * 4) & 3) == 3;

		if ((c->watch_data >> i & 1) && (a == X86_WRITE || reads_too) && meets(c, i, lin, n))
			c->watch_hit |= 1 << i;
	}
}

void x86_watch_io(struct x86_cpu *c, uint16_t port, unsigned n)
{
	if (!(c->cr4 & CR4_DE))
		return;
	for (unsigned i = 0; i < 4; i++)
		if ((c->watch_io >> i & 1) && meets(c, i, port, n))
			c->watch_hit |= 1 << i;
}

/* Sets the tags that may be set; see the head of this file.  @clean: there is no decoded code. */
static void set_tags(struct x86_cpu *c, enum x86_mmu mmu, unsigned i, bool clean)
{
	struct x86_tlb_entry *t = &c->tlb[mmu][i];
	const struct x86_tlb_back *b = &c->tlb_back[mmu][i];
	const uint64_t none = x86_tlb_no_tag(i);
	bool data = b->host && !(c->mode & X86_MODE_AC) && !(c->watch_data && page_watched(c, b->page));

	t->host = (uint64_t)(uintptr_t)b->host;
	t->read = data && (b->may & 1 << X86_READ) && (b->rights & X86_PAGE_READ) ? b->page : none;
	t->write = data && !c->store_log && (b->may & 1 << X86_WRITE) && (b->rights & X86_PAGE_WRITE) &&
		   clean ? b->page : none;
	t->exec = b->host && (b->may & 1 << X86_EXEC) && (b->rights & X86_PAGE_EXEC) ? b->page : none;
}

/* The slot of linear page @page gets what *w and *to say; @clean: no decoded code there. */
static const struct x86_tlb_back *slot_fill(struct x86_cpu *c, uint64_t page, enum x86_mmu mmu,
					    const struct walk *w, const struct x86_page *to, bool clean)
{
	unsigned i = x86_tlb_index(page), may = allowed(c, w, mmu);
	struct x86_tlb_back *b = &c->tlb_back[mmu][i];

	*b = (struct x86_tlb_back){
		.page = page, .gpn = w->gpa >> 12, .host = to->host, .code = to->code, .rights = to->rights & 7,
		.may = (w->flags & WALK_DIRTY ? may : may & ~(1u << X86_WRITE)) & 7,
		.shift = w->shift & 31, .global = !!(w->flags & WALK_GLOBAL),
	};
	mark_slot(c, mmu, i, w);
	set_tags(c, mmu, i, clean);
	return b;
}

/*
 * The page that *w leads to, for @a.  One that is clean to the outside is so for paging, too: so the first store
 * walks again, and tells.
 */
static struct x86_page page_at(struct x86_cpu *c, struct walk *w, enum x86_access a)
{
	struct x86_page page;

	if (!c->ops->page(c->opaque, w->gpa, &page))
		return (struct x86_page){ .host = NULL };
	if (a == X86_WRITE)
		tell_dirty(c, &page, w->gpa);
	else if (page.rights & X86_PAGE_CLEAN)
		w->flags &= (uint8_t)~WALK_DIRTY;
	page.rights &= ~(uint32_t)X86_PAGE_CLEAN;
	return page;
}

static const struct x86_tlb_back *tlb_fill(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu)
{
	uint64_t page = lin & X86_PAGE_MASK;
	struct x86_page to;
	struct walk w;
	bool clean;

	X86_COUNT(c, tlb_fill);
	walk_for(c, lin, a, mmu, &w);
	if (w.shift > 12)
		X86_COUNT(c, tlb_fill_large);
	else
		X86_COUNT(c, tlb_fill_small);
	to = page_at(c, &w, a);
	clean = to.host && !x86_has_code(to.code);
	tlb2_put(c, page, &w, &to, clean);
	return slot_fill(c, page, mmu, &w, &to, clean);
}

/* From the second level if that has it with the right that is needed. */
static const struct x86_tlb_back *tlb_refill(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu)
{
	uint64_t page = lin & X86_PAGE_MASK;
	struct x86_tlb2_way *way = tlb2_find(c, page);
	struct x86_page to;
	struct walk w;
	bool clean;

	if (!way || (a == X86_WRITE && !(way->gpa & WALK_DIRTY)))
		return tlb_fill(c, lin, a, mmu);
	w = (struct walk){ .gpa = way->gpa & WAY_GPA, .flags = way->gpa & WALK_FLAGS, .shift = (uint8_t)way_shift(way) };
	if (!(allowed(c, &w, mmu) & 1 << a))
		return tlb_fill(c, lin, a, mmu);
	X86_COUNT(c, tlb_refill);
	to = (struct x86_page){ .host = way->host, .rights = way->gpa >> WAY_RIGHTS_SHIFT & 7, .code = way->code };
	if (!to.host)
		to = page_at(c, &w, a);
	clean = way_clean(c, way);
	if (!clean && to.host && !x86_has_code(to.code)) {
		way_set_clean(c, way);
		clean = true;
	}
	return slot_fill(c, page, mmu, &w, &to, clean);
}

/* The translation of canonical @lin for access @a.  Pages without RAM are looked up each time. */
static const struct x86_tlb_back *translate(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu)
{
	unsigned i = x86_tlb_index(lin);
	struct x86_tlb_back *b = &c->tlb_back[mmu][i];

	if (b->page != (lin & X86_PAGE_MASK) || !(b->may & 1 << a) || !b->host)
		return tlb_refill(c, lin, a, mmu);
	if (a == X86_WRITE && c->tlb[mmu][i].write == x86_tlb_no_tag(i) && !x86_has_code(b->code))
		set_tags(c, mmu, i, true);
	return b;
}

/* ---- slow accesses ------------------------------------------------------------------ */

static void check_alignment(struct x86_cpu *c, uint64_t lin, unsigned n, enum x86_mmu mmu)
{
	if ((c->mode & X86_MODE_AC) && mmu == X86_MMU_USER && (lin & (n - 1)))
		x86_raise_error(c, X86_AC_FAULT, 0);
}

static uint64_t back_gpa(const struct x86_tlb_back *b) { return (uint64_t)b->gpn << 12; }

static bool is_ram(const struct x86_tlb_back *b, uint32_t right)
{
	return b->host && (b->rights & right);
}

/* Largest device access at @gpa of at most @n bytes. */
static unsigned mmio_step(uint64_t gpa, size_t n)
{
	unsigned s = 8;

	while (s > n || (gpa & (s - 1)))
		s /= 2;
	return s;
}

/* Device access to the page of @b at @lin. */
static void mmio_read(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, uint8_t *to, size_t n, unsigned step)
{
	uint64_t gpa = back_gpa(b) + (lin & 4095);

	while (n) {
		unsigned s = step ? step : mmio_step(gpa, n);
		uint64_t v = 0;
		enum x86_result r;

		c->outside = lin;
		r = c->ops->mmio_read(c->opaque, gpa, s, &v);
		if (r != X86_OK)
			x86_result_raise(c, r);
		memcpy(to, &v, s);
		lin += s;
		gpa += s;
		to += s;
		n -= s;
	}
}

static void mmio_write(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, const uint8_t *from, size_t n,
		       unsigned step)
{
	uint64_t gpa = back_gpa(b) + (lin & 4095);

	while (n) {
		unsigned s = step ? step : mmio_step(gpa, n);
		uint64_t v = 0;
		enum x86_result r;

		memcpy(&v, from, s);
		c->outside = lin;
		r = c->ops->mmio_write(c->opaque, gpa, s, v);
		if (r != X86_OK)
			x86_result_raise(c, r);
		lin += s;
		gpa += s;
		from += s;
		n -= s;
	}
}

/* @n bytes within one page.  @step: device access size, 0 for natural ones. */
static void page_read(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, void *to, size_t n,
		      unsigned step)
{
	watch(c, lin, n, X86_READ);
	if (is_ram(b, X86_PAGE_READ))
		x86_host_move(to, b->host + (lin & 4095), n);
	else
		mmio_read(c, b, lin, to, n, step);
}

static void page_write(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, const void *from, size_t n,
		       unsigned step)
{
	watch(c, lin, n, X86_WRITE);
	if (!is_ram(b, X86_PAGE_WRITE)) {
		mmio_write(c, b, lin, from, n, step);
		return;
	}
	log_store(c, b, lin, n);
	x86_host_move(b->host + (lin & 4095), from, n);
	code_stored(c, b->code, lin & 4095, n);
}

static uint64_t host_load(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1: return x86_host_ld8(p);
	case 2: return x86_host_ld16((const uint16_t *)(const void *)p);
	case 4: return x86_host_ld32((const uint32_t *)(const void *)p);
	default: return x86_host_ld64((const uint64_t *)(const void *)p);
	}
}

static void host_store(uint8_t *p, uint64_t v, unsigned size)
{
	switch (size) {
	case 1: x86_host_st8(p, (uint8_t)v); break;
	case 2: x86_host_st16((uint16_t *)(void *)p, (uint16_t)v); break;
	case 4: x86_host_st32((uint32_t *)(void *)p, (uint32_t)v); break;
	default: x86_host_st64((uint64_t *)(void *)p, v); break;
	}
}

static void read_as(struct x86_cpu *c, uint64_t lin, void *to, size_t n, enum x86_mmu mmu);
static void write_as(struct x86_cpu *c, uint64_t lin, const void *from, size_t n, enum x86_mmu mmu);

uint64_t x86_ld_slow(struct x86_cpu *c, uint64_t lin, unsigned size, enum x86_mmu mmu)
{
	const struct x86_tlb_back *b;
	uint64_t v = 0;

	lin = lin_wrap(c, lin);
	check_alignment(c, lin, size, mmu);
	if ((lin & 4095) + size > 4096) {
		read_as(c, lin, &v, size, mmu);
		return v;
	}
	b = translate(c, lin, X86_READ, mmu);
	watch(c, lin, size, X86_READ);
	if (is_ram(b, X86_PAGE_READ))
		return host_load(b->host + (lin & 4095), size);
	mmio_read(c, b, lin, (uint8_t *)&v, size, size);
	return v;
}

void x86_st_slow(struct x86_cpu *c, uint64_t lin, uint64_t v, unsigned size, enum x86_mmu mmu)
{
	const struct x86_tlb_back *b;

	lin = lin_wrap(c, lin);
	check_alignment(c, lin, size, mmu);
	if ((lin & 4095) + size > 4096) {
		write_as(c, lin, &v, size, mmu);
		return;
	}
	b = translate(c, lin, X86_WRITE, mmu);
	watch(c, lin, size, X86_WRITE);
	if (!is_ram(b, X86_PAGE_WRITE)) {
		mmio_write(c, b, lin, (uint8_t *)&v, size, size);
		return;
	}
	log_store(c, b, lin, size);
	host_store(b->host + (lin & 4095), v, size);
	code_stored(c, b->code, lin & 4095, size);
}

static size_t in_page(uint64_t lin, size_t n)
{
	size_t left = 4096 - (lin & 4095);

	return n < left ? n : left;
}

static void probe_outside(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, enum x86_access a)
{
	enum x86_result r;

	if (!c->ops->probe || is_ram(b, 1u << a))
		return;
	c->outside = lin;
	r = c->ops->probe(c->opaque, back_gpa(b) + (lin & 4095), a);
	if (r != X86_OK)
		x86_result_raise(c, r);
}

/* Every page is translated before the first byte moves; before that, the last byte must have an address at all. */
static void probe_as(struct x86_cpu *c, uint64_t lin, size_t n, enum x86_access a, enum x86_mmu mmu)
{
	lin_wrap(c, lin + n - 1);
	while (n) {
		size_t k = in_page(lin, n);

		lin = lin_wrap(c, lin);
		probe_outside(c, translate(c, lin, a, mmu), lin, a);
		lin += k;
		n -= k;
	}
}

static void read_as(struct x86_cpu *c, uint64_t lin, void *to, size_t n, enum x86_mmu mmu)
{
	uint8_t *p = to;

	if (n > in_page(lin, n))
		probe_as(c, lin, n, X86_READ, mmu);
	while (n) {
		size_t k = in_page(lin, n);

		lin = lin_wrap(c, lin);
		page_read(c, translate(c, lin, X86_READ, mmu), lin, p, k, 0);
		lin += k;
		p += k;
		n -= k;
	}
}

static void write_as(struct x86_cpu *c, uint64_t lin, const void *from, size_t n, enum x86_mmu mmu)
{
	const uint8_t *p = from;

	if (n > in_page(lin, n))
		probe_as(c, lin, n, X86_WRITE, mmu);
	while (n) {
		size_t k = in_page(lin, n);

		lin = lin_wrap(c, lin);
		page_write(c, translate(c, lin, X86_WRITE, mmu), lin, p, k, 0);
		lin += k;
		p += k;
		n -= k;
	}
}

void x86_read(struct x86_cpu *c, uint64_t lin, void *to, size_t n)
{
	read_as(c, lin, to, n, c->mmu);
}

void x86_write(struct x86_cpu *c, uint64_t lin, const void *from, size_t n)
{
	write_as(c, lin, from, n, c->mmu);
}

void x86_probe_write(struct x86_cpu *c, uint64_t lin, size_t n)
{
	probe_as(c, lin, n, X86_WRITE, c->mmu);
}

void x86_probe_read(struct x86_cpu *c, uint64_t lin, size_t n)
{
	probe_as(c, lin, n, X86_READ, c->mmu);
}

void *x86_host_rw(struct x86_cpu *c, uint64_t lin, size_t n)
{
	const struct x86_tlb_back *b;

	lin = lin_wrap(c, lin);
	check_alignment(c, lin, (unsigned)n, c->mmu);
	if ((lin & 4095) + n > 4096) {
		probe_as(c, lin, n, X86_WRITE, c->mmu);
		return NULL;
	}
	b = translate(c, lin, X86_WRITE, c->mmu);
	if (!is_ram(b, X86_PAGE_READ) || !is_ram(b, X86_PAGE_WRITE) || x86_has_code(b->code))
		return NULL;
	if (c->store_log || (c->watch_data && page_watched(c, lin & X86_PAGE_MASK)))
		return NULL;
	return b->host + (lin & 4095);
}

void *x86_host_span(struct x86_cpu *c, uint64_t lin, size_t *n, enum x86_access access)
{
	const struct x86_tlb_back *b;

	lin = lin_wrap(c, lin);
	*n = in_page(lin, *n);
	if ((c->mode & X86_MODE_AC) || (c->watch_data && page_watched(c, lin & X86_PAGE_MASK)))
		return NULL;
	b = translate(c, lin, access, c->mmu);
	if (!is_ram(b, access == X86_WRITE ? X86_PAGE_WRITE : X86_PAGE_READ))
		return NULL;
	if (access == X86_WRITE && (c->store_log || x86_has_code(b->code)))
		return NULL;
	return b->host + (lin & 4095);
}

/* ---- fetch ---------------------------------------------------------------------------- */

struct x86_page x86_fetch_page(struct x86_cpu *c, uint64_t lin, bool *global)
{
	const struct x86_tlb_back *b;
	enum x86_result r;

	lin = lin_wrap(c, lin);
	b = translate(c, lin, X86_EXEC, c->mmu);
	*global = b->global;
	tlb_fetched(c, b->page);
	if (is_ram(b, X86_PAGE_EXEC))
		return (struct x86_page){ .host = b->host, .rights = b->rights, .code = b->code };
	c->outside = lin;
	r = c->ops->bad_fetch(c->opaque, back_gpa(b) | (lin & 4095));
	x86_result_raise(c, r == X86_OK ? X86_FAULT_GP : r);
}

/* ---- translation without effects ---------------------------------------------------------- */

/* A table outside of RAM raises; that counts as no translation.  False: it raised; p->at is where. */
static bool quietly(struct x86_cpu *c, bool (*f)(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p),
		    uint64_t lin, struct walk *w, struct path *p, bool *ok)
{
	sigjmp_buf here, *outer = c->on_raise;
	struct x86_event event = c->event;
	bool done = false;

	c->on_raise = &here;
	c->quiet = true;
	if (sigsetjmp(here, 0) == 0) {
		*ok = f(c, lin, w, p);
		done = true;
	} else {
		c->event = event;
	}
	c->quiet = false;
	c->on_raise = outer;
	return done;
}

static bool walk_quietly(struct x86_cpu *c, uint64_t lin, struct walk *w)
{
	struct path p;
	bool ok;

	return quietly(c, walk, lin, w, &p, &ok) && ok;
}

uint64_t x86_debug_translate(struct x86_cpu *c, uint64_t lin)
{
	struct walk w;

	if (!(c->mode & X86_MODE_LMA))
		lin = (uint32_t)lin;
	else if (!x86_canonical(c, lin))
		return UINT64_MAX;
	return walk_quietly(c, lin, &w) ? w.gpa | (lin & 4095) : UINT64_MAX;
}

size_t x86_debug_read(struct x86_cpu *c, uint64_t lin, void *to, size_t n)
{
	uint8_t *at = to;
	size_t done = 0;

	while (done < n) {
		uint64_t gpa = x86_debug_translate(c, lin + done);
		size_t k = in_page(lin + done, n - done);
		struct x86_page p;

		if (gpa == UINT64_MAX || !c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p))
			break;
		x86_host_move(at + done, p.host + (gpa & 4095), k);
		done += k;
	}
	return done;
}

size_t x86_debug_write(struct x86_cpu *c, uint64_t lin, const void *from, size_t n)
{
	const uint8_t *at = from;
	size_t done = 0;

	while (done < n) {
		uint64_t gpa = x86_debug_translate(c, lin + done);
		size_t k = in_page(lin + done, n - done);
		struct x86_page p;

		if (gpa == UINT64_MAX || !c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p))
			break;
		tell_dirty(c, &p, gpa & X86_PAGE_MASK);
		x86_host_move(p.host + (gpa & 4095), at + done, k);
		if (x86_code_written(p.code, gpa & 4095, k)) {
			x86_pend(c, X86_PEND_CODE_ALL);
			c->ops->code_changed(c->opaque, p.code);
			x86_code_told(p.code);
		}
		done += k;
	}
	return done;
}

/* ---- for who asks how another processor would translate ------------------------------------ */

static bool mark_accessed(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		p->at = p->gpa[i];
		if (!(p->entry[i] & PTE_A) && !entry_mark(c, p->gpa[i], p->size, p->entry[i], PTE_A))
			return false;
		p->entry[i] |= PTE_A;
	}
	return true;
}

static bool mark_dirty(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	unsigned leaf = p->count - 1;

	if (!p->count || p->entry[leaf] & PTE_D)
		return true;
	p->at = p->gpa[leaf];
	return entry_mark(c, p->gpa[leaf], p->size, p->entry[leaf], PTE_D);
}

/* The index that the leaf has into the PAT, and what is there. */
static uint8_t memory_type(const struct x86_cpu *c, const struct walk *w, const struct path *p)
{
	uint64_t e = p->count ? p->entry[p->count - 1] : 0;
	unsigned i = (e >> 3 & 3) | (e >> (w->shift == 12 ? 7 : 12) & 1) << 2;
	uint8_t type = c->pat >> 8 * i & 7;

	if (!(c->cr0 & CR0_PG))
		return X86_TYPE_WB;
	return type == X86_TYPE_UC_MINUS ? X86_TYPE_UC : type;
}

static enum x86_mmu mmu_of(const struct x86_cpu *c, const struct x86_translation *t)
{
	if (t->user)
		return X86_MMU_USER;
	return t->smap && (c->cr4 & CR4_SMAP) ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC;
}

static bool unwritable(struct x86_translation *t, const struct path *p)
{
	t->result = X86_TABLE_UNWRITABLE;
	t->gpa = p->at;
	return true;
}

/* True: *t is final.  False: an entry changed under it. */
static bool translate_once(struct x86_cpu *c, uint64_t lin, struct x86_translation *t)
{
	struct path p = { .count = 0 };
	struct walk w;
	bool walked, ok, marked = true;

	walked = quietly(c, walk, lin, &w, &p, &ok);
	t->result = !walked ? X86_TABLE_UNREADABLE : ok ? X86_TRANSLATED : w.error & PF_RSVD ? X86_TABLE_RESERVED : X86_NOT_PRESENT;
	t->gpa = p.at;
	/* Also above where it ended: those tables were used. */
	if (t->mark && !quietly(c, mark_accessed, lin, &w, &p, &marked))
		return unwritable(t, &p);
	if (!marked)
		return false;
	if (t->result != X86_TRANSLATED)
		return true;
	if (t->access & ~allowed(c, &w, mmu_of(c, t))) {
		t->result = X86_NOT_ALLOWED;
		return true;
	}
	if (t->mark && t->access & 1 << X86_WRITE && !quietly(c, mark_dirty, lin, &w, &p, &marked))
		return unwritable(t, &p);
	t->gpa = w.gpa;
	t->type = memory_type(c, &w, &p);
	return marked;
}

void x86_translate(struct x86_cpu *c, uint64_t lin, struct x86_translation *t)
{
	if ((c->cr0 & CR0_PG) && (c->efer & EFER_LMA ? !x86_canonical(c, lin) : lin >> 32 != 0)) {
		t->result = X86_NOT_PRESENT;
		return;
	}
	while (!translate_once(c, lin, t))
		;
}
