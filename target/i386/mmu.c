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
 * Order against the decoder of another processor: it marks granules, then
 * waits (code_marked) until all others have dropped their write tags at an
 * instruction boundary.  So it does not matter if we look at granules first
 * and set the tag afterwards within one instruction.
 */
#include <sched.h>

#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "trace/log.h"

enum {
	PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6,
	PTE_PS = 1 << 7, PTE_G = 1 << 8,
};
#define PTE_NX (1ull << 63)

enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* What a walk found. */
struct walk {
	uint64_t gpa;        /* of the 4 KiB page */
	uint32_t error;      /* page fault error code if it failed */
	uint8_t shift;       /* log2 of the mapping's size */
	bool user, write, nx, global, dirty;
};

/* ---- canonical form, modes --------------------------------------------- */

static bool canonical(const struct x86_cpu *c, uint64_t lin)
{
	unsigned drop = c->cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(lin << drop) >> drop) == lin;
}

/* Linear addresses wrap at 4 GiB outside of IA-32e mode. */
static uint64_t lin_wrap(struct x86_cpu *c, uint64_t lin)
{
	if (!(c->mode & X86_MODE_LMA))
		return (uint32_t)lin;
	if (!canonical(c, lin))
		x86_raise_noncanonical(c);
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
	c->count.store_slow++;
	if (atomic_load(&code->granules) && code_hit(code, offset, n)) {
		c->count.code_hit++;
		own_code_stale(c, code);
		c->ops->code_changed(c->opaque);
		x86_code_told(code);
	} else if (atomic_load(&code->gen) & 1) {
		own_code_stale(c, code);
	}
}

/* ---- paging entries ---------------------------------------------------------- */

static uint64_t entry_read(struct x86_cpu *c, uint64_t gpa, unsigned size)
{
	struct x86_page p;
	uint64_t v = 0;
	enum x86_result r;

	if (c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p) && (p.rights & X86_PAGE_READ)) {
		uint8_t *at = p.host + (gpa & 4095);

		return size == 8 ? x86_host_ld64((uint64_t *)(void *)at) : x86_host_ld32((uint32_t *)(void *)at);
	}
	r = c->ops->mmio_read(c->opaque, gpa, size, &v);
	if (r != X86_OK)
		x86_result_raise(c, r);
	return v;
}

/* Sets @bits in an entry that held @old; false: it has changed meanwhile. */
static bool entry_mark(struct x86_cpu *c, uint64_t gpa, unsigned size, uint64_t old, uint64_t bits)
{
	struct x86_page p;
	bool done;

	if (!c->ops->page(c->opaque, gpa & X86_PAGE_MASK, &p) || !(p.rights & X86_PAGE_WRITE)) {
		enum x86_result r = c->ops->mmio_write(c->opaque, gpa, size, old | bits);

		if (r != X86_OK)
			x86_result_raise(c, r);
		return true;
	}
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

enum { MAX_LEVELS = 5 };

/* A walk under way: entries seen, to be marked accessed once all checks pass. */
struct path {
	uint64_t gpa[MAX_LEVELS], entry[MAX_LEVELS];
	unsigned count, size;
};

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
	w->user &= !!(e & PTE_U);
	w->write &= !!(e & PTE_W);
	w->nx |= !!(e & PTE_NX);
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
		uint64_t at = table + (lin >> shift & 511) * 8, e = entry_read(c, at, 8), reserved = high | pae;
		bool large = false;

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
	uint64_t at = (c->cr3 & 0xfffff000) + (lin >> 22 & 1023) * 4, e = entry_read(c, at, 4);

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
	e = entry_read(c, at, 4);
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

/* Follows the tables; no rights are checked and nothing is marked. */
static bool walk(struct x86_cpu *c, uint64_t lin, struct walk *w, struct path *p)
{
	bool ok;

	*w = (struct walk){ .user = true, .write = true };
	p->count = 0;
	if (!(c->cr0 & CR0_PG)) {
		w->dirty = w->global = true;
		leaf_at(w, lin, lin & X86_PAGE_MASK, 12);
		return true;
	}
	if (c->efer & EFER_LMA)
		ok = walk_long(c, lin, w, p, c->cr3 & frame_bits(c), c->cr4 & CR4_LA57 ? 48 : 39);
	else if (c->cr4 & CR4_PAE)
		ok = walk_pae(c, lin, w, p);
	else
		ok = walk_short(c, lin, w, p);
	if (!ok)
		return false;
	w->dirty = p->entry[p->count - 1] & PTE_D;
	w->global = (p->entry[p->count - 1] & PTE_G) && (c->cr4 & CR4_PGE);
	return true;
}

static bool allowed(const struct x86_cpu *c, const struct walk *w, enum x86_access a, enum x86_mmu mmu)
{
	if (!(c->cr0 & CR0_PG))
		return true;
	if (a == X86_EXEC) {
		if (w->nx)
			return false;
		return mmu == X86_MMU_USER ? w->user : !(w->user && (c->cr4 & CR4_SMEP));
	}
	if (mmu == X86_MMU_USER)
		return w->user && (a == X86_READ || w->write);
	if (mmu == X86_MMU_KERNEL && w->user && (c->cr4 & CR4_SMAP))
		return false;
	return a == X86_READ || w->write || !(c->cr0 & CR0_WP);
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
	w->dirty |= a == X86_WRITE;
	return true;
}

noreturn static void page_fault(struct x86_cpu *c, uint64_t lin, uint32_t error, enum x86_access a,
				enum x86_mmu mmu)
{
	if (a == X86_WRITE)
		error |= PF_W;
	if (mmu == X86_MMU_USER)
		error |= PF_U;
	if (a == X86_EXEC && ((c->cr4 & CR4_SMEP) || ((c->cr4 & CR4_PAE) && (c->efer & EFER_NXE))))
		error |= PF_I;
	if (log_on(LOG_MMU))
		log_print(LOG_MMU, "page fault at %#llx, error %#x\n", (unsigned long long)lin, error);
	x86_raise_pf(c, lin, error);
}

/* The walk with all its effects; raises. */
static void walk_for(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu, struct walk *w)
{
	struct path p;

	do {
		if (!walk(c, lin, w, &p))
			page_fault(c, lin, w->error, a, mmu);
		if (!allowed(c, w, a, mmu))
			page_fault(c, lin, PF_P, a, mmu);
	} while (!mark_path(c, &p, a, w));
}

/* ---- TLB ------------------------------------------------------------------------- */

static void mark_slot(struct x86_cpu *c, enum x86_mmu mmu, unsigned i, const struct walk *w, uint64_t lin)
{
	uint64_t bit = 1ull << (i & 63);
	unsigned k = i / 64;

	c->tlb_used[mmu][k] |= bit;
	c->tlb_global[mmu][k] = w->global ? c->tlb_global[mmu][k] | bit : c->tlb_global[mmu][k] & ~bit;
	if (w->shift > 12) {
		c->tlb_large[mmu][k] |= bit;
		c->tlb_large_seen[lin >> 63] = true;
	} else {
		c->tlb_large[mmu][k] &= ~bit;
	}
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

/* Sets the tags that may be set; see the head of this file. */
static void set_tags(struct x86_cpu *c, enum x86_mmu mmu, unsigned i)
{
	struct x86_tlb_entry *t = &c->tlb[mmu][i];
	const struct x86_tlb_back *b = &c->tlb_back[mmu][i];
	const uint64_t none = x86_tlb_no_tag(i);
	bool data = b->host && !(c->mode & X86_MODE_AC) && !(c->watch_data && page_watched(c, b->page));

	t->host = (uint64_t)(uintptr_t)b->host;
	t->read = data && (b->may & 1 << X86_READ) && (b->rights & X86_PAGE_READ) ? b->page : none;
	t->write = data && !c->store_log && (b->may & 1 << X86_WRITE) && (b->rights & X86_PAGE_WRITE) &&
		   !x86_has_code(b->code) ? b->page : none;
	t->exec = b->host && (b->may & 1 << X86_EXEC) && (b->rights & X86_PAGE_EXEC) ? b->page : none;
}

static const struct x86_tlb_back *tlb_fill(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu)
{
	unsigned i = x86_tlb_index(lin);
	struct x86_tlb_back *b = &c->tlb_back[mmu][i];
	struct x86_page page;
	struct walk w;

	c->count.tlb_fill++;
	walk_for(c, lin, a, mmu, &w);
	b->page = lin & X86_PAGE_MASK;
	b->gpa = w.gpa;
	b->shift = w.shift;
	b->may = 0;
	for (unsigned k = X86_READ; k <= X86_EXEC; k++)
		if (allowed(c, &w, k, mmu) && (k != X86_WRITE || w.dirty))
			b->may |= 1 << k;
	if (c->ops->page(c->opaque, w.gpa, &page)) {
		b->host = page.host;
		b->code = page.code;
		b->rights = (uint8_t)page.rights;
	} else {
		b->host = NULL;
		b->code = NULL;
		b->rights = 0;
	}
	mark_slot(c, mmu, i, &w, lin);
	set_tags(c, mmu, i);
	return b;
}

/* The translation of canonical @lin for access @a.  Pages without RAM are looked up each time. */
static const struct x86_tlb_back *translate(struct x86_cpu *c, uint64_t lin, enum x86_access a, enum x86_mmu mmu)
{
	unsigned i = x86_tlb_index(lin);
	struct x86_tlb_back *b = &c->tlb_back[mmu][i];

	if (b->page != (lin & X86_PAGE_MASK) || !(b->may & 1 << a) || !b->host)
		return tlb_fill(c, lin, a, mmu);
	if (a == X86_WRITE && c->tlb[mmu][i].write == x86_tlb_no_tag(i) && !x86_has_code(b->code))
		set_tags(c, mmu, i);
	return b;
}

static void slot_drop(struct x86_cpu *c, unsigned mmu, unsigned i)
{
	struct x86_tlb_entry *t = &c->tlb[mmu][i];

	t->read = t->write = t->exec = x86_tlb_no_tag(i);
	c->tlb_back[mmu][i].page = X86_TLB_INVALID;
}

void x86_tlb_flush(struct x86_cpu *c, int what)
{
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned k = 0; k < X86_TLB_SIZE / 64; k++) {
			uint64_t keep = what == X86_FLUSH_NON_GLOBAL ? c->tlb_global[m][k] : 0;
			uint64_t drop = c->tlb_used[m][k] & ~keep;

			c->tlb_used[m][k] &= keep;
			for (; drop; drop &= drop - 1)
				slot_drop(c, m, k * 64 + (unsigned)__builtin_ctzll(drop));
		}
	}
	c->count.flush_all += what == X86_FLUSH_ALL;
	c->count.flush_non_global += what != X86_FLUSH_ALL;
	if (what == X86_FLUSH_ALL)
		c->tlb_large_seen[0] = c->tlb_large_seen[1] = false;
	c->tlb_epoch++;
}

/* Drops every slot that a large mapping around @lin filled. */
static void flush_large(struct x86_cpu *c, uint64_t lin)
{
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned k = 0; k < X86_TLB_SIZE / 64; k++) {
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

void x86_tlb_flush_page(struct x86_cpu *c, uint64_t lin)
{
	unsigned i;

	if (!(c->mode & X86_MODE_LMA))
		lin = (uint32_t)lin;
	i = x86_tlb_index(lin);
	for (unsigned m = 0; m < X86_MMU_COUNT; m++)
		if (c->tlb_back[m][i].page == (lin & X86_PAGE_MASK))
			slot_drop(c, m, i);
	c->count.flush_page++;
	if (c->tlb_large_seen[lin >> 63])
		flush_large(c, lin);
	c->tlb_epoch++;
}

void x86_tlb_flush_writes(struct x86_cpu *c)
{
	c->count.flush_writes++;
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned k = 0; k < X86_TLB_SIZE / 64; k++) {
			for (uint64_t s = c->tlb_used[m][k]; s; s &= s - 1) {
				unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);

				c->tlb[m][i].write = x86_tlb_no_tag(i);
			}
		}
	}
}

/* Nobody decodes in between, so a tag that was right still is, unless its slot has been flushed or filled anew. */
void x86_store_log_set(struct x86_cpu *c, struct x86_store_log *log)
{
	struct x86_store_log *before = c->store_log;

	c->store_log = log;
	/* 1 is no page: of slots that are filled meanwhile. */
	for (unsigned i = 0; log && i < X86_MMU_COUNT * X86_TLB_SIZE; i++)
		log->tag[i / X86_TLB_SIZE][i % X86_TLB_SIZE] = 1;
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned k = 0; k < X86_TLB_SIZE / 64; k++) {
			for (uint64_t s = c->tlb_used[m][k]; s; s &= s - 1) {
				unsigned i = k * 64 + (unsigned)__builtin_ctzll(s);

				if (log) {
					log->tag[m][i] = c->tlb[m][i].write;
					c->tlb[m][i].write = x86_tlb_no_tag(i);
				} else if (c->tlb_back[m][i].page == before->tag[m][i]) {
					c->tlb[m][i].write = before->tag[m][i];
				}
			}
		}
	}
}

/* ---- slow accesses ------------------------------------------------------------------ */

static void check_alignment(struct x86_cpu *c, uint64_t lin, unsigned n, enum x86_mmu mmu)
{
	if ((c->mode & X86_MODE_AC) && mmu == X86_MMU_USER && (lin & (n - 1)))
		x86_raise_error(c, X86_AC_FAULT, 0);
}

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

static void mmio_read(struct x86_cpu *c, uint64_t gpa, uint8_t *to, size_t n, unsigned step)
{
	while (n) {
		unsigned s = step ? step : mmio_step(gpa, n);
		uint64_t v = 0;
		enum x86_result r = c->ops->mmio_read(c->opaque, gpa, s, &v);

		if (r != X86_OK)
			x86_result_raise(c, r);
		memcpy(to, &v, s);
		gpa += s;
		to += s;
		n -= s;
	}
}

static void mmio_write(struct x86_cpu *c, uint64_t gpa, const uint8_t *from, size_t n, unsigned step)
{
	while (n) {
		unsigned s = step ? step : mmio_step(gpa, n);
		uint64_t v = 0;
		enum x86_result r;

		memcpy(&v, from, s);
		r = c->ops->mmio_write(c->opaque, gpa, s, v);
		if (r != X86_OK)
			x86_result_raise(c, r);
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
		mmio_read(c, b->gpa + (lin & 4095), to, n, step);
}

static void page_write(struct x86_cpu *c, const struct x86_tlb_back *b, uint64_t lin, const void *from, size_t n,
		       unsigned step)
{
	watch(c, lin, n, X86_WRITE);
	if (!is_ram(b, X86_PAGE_WRITE)) {
		mmio_write(c, b->gpa + (lin & 4095), from, n, step);
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
	mmio_read(c, b->gpa + (lin & 4095), (uint8_t *)&v, size, size);
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
		mmio_write(c, b->gpa + (lin & 4095), (uint8_t *)&v, size, size);
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

/* Every page is translated before the first byte moves. */
static void probe_as(struct x86_cpu *c, uint64_t lin, size_t n, enum x86_access a, enum x86_mmu mmu)
{
	while (n) {
		size_t k = in_page(lin, n);

		lin = lin_wrap(c, lin);
		translate(c, lin, a, mmu);
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

struct x86_page x86_fetch_page(struct x86_cpu *c, uint64_t lin)
{
	const struct x86_tlb_back *b;
	enum x86_result r;

	lin = lin_wrap(c, lin);
	b = translate(c, lin, X86_EXEC, c->mmu);
	if (is_ram(b, X86_PAGE_EXEC))
		return (struct x86_page){ .host = b->host, .rights = b->rights, .code = b->code };
	r = c->ops->bad_fetch(c->opaque, b->gpa | (lin & 4095));
	x86_result_raise(c, r == X86_OK ? X86_FAULT_GP : r);
}

/* ---- translation without effects ---------------------------------------------------------- */

/* A table outside of RAM may raise; that counts as no translation. */
static bool walk_quietly(struct x86_cpu *c, uint64_t lin, struct walk *w)
{
	sigjmp_buf here, *outer = c->on_raise;
	struct x86_event event = c->event;
	struct path p;
	bool ok = false;

	c->on_raise = &here;
	if (sigsetjmp(here, 0) == 0) {
		ok = walk(c, lin, w, &p);
		c->on_raise = outer;
		return ok;
	}
	c->on_raise = outer;
	c->event = event;
	return false;
}

uint64_t x86_debug_translate(struct x86_cpu *c, uint64_t lin)
{
	struct walk w;

	if (!(c->mode & X86_MODE_LMA))
		lin = (uint32_t)lin;
	else if (!canonical(c, lin))
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
		x86_host_move(p.host + (gpa & 4095), at + done, k);
		if (x86_code_written(p.code, gpa & 4095, k)) {
			x86_pend(c, X86_PEND_CODE_ALL);
			c->ops->code_changed(c->opaque);
			x86_code_told(p.code);
		}
		done += k;
	}
	return done;
}
