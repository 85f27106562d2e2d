/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory as instructions see it.  All addresses here are linear; segment.h
 * turns seg:offset into linear.  Every function raises the exact fault and
 * does not return if the access is not allowed.
 *
 * Aligned accesses of 1 to 8 bytes are single-copy atomic.
 */
#ifndef TARGET_I386_MEM_H
#define TARGET_I386_MEM_H

#include <string.h>

#include "target/i386/cpu.h"

#define X86_PAGE_MASK (~(uint64_t)4095)

static inline unsigned x86_tlb_index(uint64_t lin)
{
	return (lin >> 12) & (X86_TLB_SIZE - 1);
}

/* Whether the bits of @lin above those that paging translates repeat its top one.  For IA-32e mode. */
static inline bool x86_canonical(const struct x86_cpu *c, uint64_t lin)
{
	unsigned drop = c->cr4 & CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(lin << drop) >> drop) == lin;
}

/* Host address of @lin, to which entry @e belongs. */
static inline void *x86_tlb_host(const struct x86_tlb_entry *e, uint64_t lin)
{
	return (void *)(uintptr_t)(e->host + (lin & 4095));
}

/* Slow paths (mmu.c): TLB fill, page crossing, devices, code pages. */
uint64_t x86_ld_slow(struct x86_cpu *c, uint64_t lin, unsigned size, enum x86_mmu mmu);
void x86_st_slow(struct x86_cpu *c, uint64_t lin, uint64_t v, unsigned size, enum x86_mmu mmu);

/*
 * One tag compare covers hit, page crossing and canonical form: an access that
 * crosses a page has other page bits at its last byte.
 */
#define X86_MEM_ACCESS(n, bits)                                                                 \
	static inline uint##bits##_t x86_ld##bits##_as(struct x86_cpu *c, uint64_t lin,         \
						       enum x86_mmu mmu)                        \
	{                                                                                       \
		const struct x86_tlb_entry *e = &c->tlb[mmu][x86_tlb_index(lin)];               \
                                                                                                \
		if (__builtin_expect(e->read == (lin & X86_PAGE_MASK) &&                        \
				     (lin & 4095) <= 4096 - (n), 1)) {                          \
			uint##bits##_t *p = x86_tlb_host(e, lin);                               \
                                                                                                \
			return x86_host_ld##bits(p);                                            \
		}                                                                               \
		return (uint##bits##_t)x86_ld_slow(c, lin, n, mmu);                             \
	}                                                                                       \
	static inline void x86_st##bits##_as(struct x86_cpu *c, uint64_t lin,                   \
					     uint##bits##_t v, enum x86_mmu mmu)                \
	{                                                                                       \
		const struct x86_tlb_entry *e = &c->tlb[mmu][x86_tlb_index(lin)];               \
                                                                                                \
		if (__builtin_expect(e->write == (lin & X86_PAGE_MASK) &&                       \
				     (lin & 4095) <= 4096 - (n), 1)) {                          \
			x86_host_st##bits(x86_tlb_host(e, lin), v);                             \
			return;                                                                 \
		}                                                                               \
		x86_st_slow(c, lin, v, n, mmu);                                                 \
	}                                                                                       \
	static inline uint##bits##_t x86_ld##bits(struct x86_cpu *c, uint64_t lin)              \
	{                                                                                       \
		return x86_ld##bits##_as(c, lin, c->mmu);                                       \
	}                                                                                       \
	static inline void x86_st##bits(struct x86_cpu *c, uint64_t lin, uint##bits##_t v)      \
	{                                                                                       \
		x86_st##bits##_as(c, lin, v, c->mmu);                                           \
	}

/*
 * Copies to or from guest memory that are longer than an atomic access or not
 * aligned.  Two processors may do this to the same bytes: what they see then is the
 * guest's affair, as on hardware.  The thread sanitizer is not shown these.
 */
#ifdef __SANITIZE_THREAD__
#define X86_GUEST_RACE static __attribute__((no_sanitize("thread"), noinline, unused))

X86_GUEST_RACE void x86_host_move(void *to, const void *from, size_t n)
{
	volatile uint8_t *t = to;
	const volatile uint8_t *f = from;

	if ((uintptr_t)to <= (uintptr_t)from) {
		for (size_t i = 0; i < n; i++)
			t[i] = f[i];
	} else {
		for (size_t i = n; i-- > 0;)
			t[i] = f[i];
	}
}

X86_GUEST_RACE void x86_host_fill(void *to, uint8_t v, size_t n)
{
	volatile uint8_t *t = to;

	for (size_t i = 0; i < n; i++)
		t[i] = v;
}
#else
static inline void x86_host_fill(void *to, uint8_t v, size_t n)
{
	memset(to, v, n);
}

static inline void x86_host_move(void *to, const void *from, size_t n)
{
	memmove(to, from, n);
}
#endif

/* Host accesses that are atomic when aligned and never undefined behaviour when not. */
#define X86_HOST_ACCESS(bits)                                                                   \
	static inline uint##bits##_t x86_host_ld##bits(const uint##bits##_t *p)                 \
	{                                                                                       \
		uint##bits##_t v;                                                               \
                                                                                                \
		if (__builtin_expect(!((uintptr_t)p & (sizeof v - 1)), 1))                      \
			return __atomic_load_n(p, __ATOMIC_ACQUIRE);                            \
		x86_host_move(&v, p, sizeof v);                                                 \
		return v;                                                                       \
	}                                                                                       \
	static inline void x86_host_st##bits(uint##bits##_t *p, uint##bits##_t v)               \
	{                                                                                       \
		if (__builtin_expect(!((uintptr_t)p & (sizeof v - 1)), 1))                      \
			__atomic_store_n(p, v, __ATOMIC_RELEASE);                               \
		else                                                                            \
			x86_host_move(p, &v, sizeof v);                                         \
	}

X86_HOST_ACCESS(8)
X86_HOST_ACCESS(16)
X86_HOST_ACCESS(32)
X86_HOST_ACCESS(64)
X86_MEM_ACCESS(1, 8)
X86_MEM_ACCESS(2, 16)
X86_MEM_ACCESS(4, 32)
X86_MEM_ACCESS(8, 64)

/*
 * Any number of bytes (10, 16, 28, 32, 512, ...), ascending.  Writes check all
 * pages for writability first, so a fault leaves memory unchanged.
 */
void x86_read(struct x86_cpu *c, uint64_t lin, void *to, size_t n);
void x86_write(struct x86_cpu *c, uint64_t lin, const void *from, size_t n);
/* Raises what a write or read of @n > 0 bytes would raise, but for alignment; moves nothing. */
void x86_probe_write(struct x86_cpu *c, uint64_t lin, size_t n);
void x86_probe_read(struct x86_cpu *c, uint64_t lin, size_t n);

/*
 * Host address of @n bytes at @lin if they are RAM in one page, readable and
 * writable (dirty bit set) and without decoded code; else NULL, and the caller
 * uses x86_ld*, x86_st* (inside exclusive_begin/end for a locked operation).
 * Raises the write fault if writing is not allowed.  For read-modify-write.
 */
void *x86_host_rw(struct x86_cpu *c, uint64_t lin, size_t n);
/* Host address of up to *n bytes for reading or writing, *n cut at the page end; NULL: go slow. */
void *x86_host_span(struct x86_cpu *c, uint64_t lin, size_t *n, enum x86_access access);

/* As the supervisor whatever the CPL: descriptor tables, TSS. */
static inline uint64_t x86_sys_ld64(struct x86_cpu *c, uint64_t lin) { return x86_ld64_as(c, lin, X86_MMU_KERNEL); }
static inline uint32_t x86_sys_ld32(struct x86_cpu *c, uint64_t lin) { return x86_ld32_as(c, lin, X86_MMU_KERNEL); }
static inline uint16_t x86_sys_ld16(struct x86_cpu *c, uint64_t lin) { return x86_ld16_as(c, lin, X86_MMU_KERNEL); }
static inline uint8_t x86_sys_ld8(struct x86_cpu *c, uint64_t lin) { return x86_ld8_as(c, lin, X86_MMU_KERNEL); }

/* Port breakpoints: notes which of them an access of @n ports at @port meets. */
void x86_watch_io(struct x86_cpu *c, uint16_t port, unsigned n);

/* TLB care.  Of all address spaces: everything, or all but global pages. */
enum { X86_FLUSH_ALL, X86_FLUSH_NON_GLOBAL };
void x86_tlb_flush(struct x86_cpu *c, int what);
/* @lin in the current address space, and if it is global (INVLPG). */
void x86_tlb_flush_page(struct x86_cpu *c, uint64_t lin);
/* CR3 has been loaded; @keep: this PCID's translations hold. */
void x86_tlb_switch(struct x86_cpu *c, bool keep);
/* Of @pcid, which may be the current one: all but global pages, or @lin. */
void x86_tlb_flush_pcid(struct x86_cpu *c, unsigned pcid);
void x86_tlb_flush_pcid_page(struct x86_cpu *c, unsigned pcid, uint64_t lin);
/* Of all PCIDs but the current one: all but global pages. */
void x86_tlb_flush_other_pcids(struct x86_cpu *c);
/* From now on @log sees all stores; NULL: nobody.  No code may be decoded in between. */
void x86_store_log_set(struct x86_cpu *c, struct x86_store_log *log);
/* Drops the write right of every entry (a frame got code, or dirty logging). */
void x86_tlb_flush_writes(struct x86_cpu *c);
/*
 * Somebody has stored @n bytes at @offset of a frame: stales decoded code they touch.
 * True: there was some; who may have decoded it is to get X86_PEND_CODE and
 * X86_PEND_CODE_ALL, and then x86_code_told() must be called, soon.
 */
bool x86_code_written(struct x86_code_page *code, unsigned offset, size_t n);
void x86_code_told(struct x86_code_page *code);
/* The gen under which to decode now: one that will not be valid if the code is just changing. */
static inline uint32_t x86_code_gen(const struct x86_code_page *code)
{
	return atomic_load(&code->gen) & ~1u;
}
/* Stores there must be looked at.  Granules first: see x86_code_written(). */
static inline bool x86_has_code(const struct x86_code_page *code)
{
	return atomic_load(&code->granules) || atomic_load(&code->gen) & 1;
}

/*
 * Fetch side: the RAM page that holds the code at @lin, with the walk's faults
 * raised as instruction fetches.  Used by engines to look blocks up.  What they
 * remember of it holds as long as code_key[*global].
 */
struct x86_page x86_fetch_page(struct x86_cpu *c, uint64_t lin, bool *global);

/*
 * Translation without side effects or faults (debuggers, hypercalls): guest
 * physical address of @lin, or UINT64_MAX.
 */
uint64_t x86_debug_translate(struct x86_cpu *c, uint64_t lin);
/* Reads memory as the guest would, without faults: bytes read before the first hole. */
size_t x86_debug_read(struct x86_cpu *c, uint64_t lin, void *to, size_t n);
size_t x86_debug_write(struct x86_cpu *c, uint64_t lin, const void *from, size_t n);

/* How another than the processor itself learns what it would do with an address. */
enum x86_translated {
	X86_TRANSLATED,
	X86_NOT_PRESENT,             /* or beyond what paging translates */
	X86_NOT_ALLOWED,
	X86_TABLE_RESERVED,          /* an entry has a reserved bit */
	X86_TABLE_UNREADABLE,        /* a table is not RAM that can be read, or written to mark what was used */
	X86_TABLE_UNWRITABLE,
};
/* Memory types as the PAT has them. */
enum { X86_TYPE_UC = 0, X86_TYPE_WC = 1, X86_TYPE_WT = 4, X86_TYPE_WP = 5, X86_TYPE_WB = 6, X86_TYPE_UC_MINUS = 7 };
struct x86_translation {
	/* Asked. */
	unsigned access;             /* 1 << enum x86_access each; all must be allowed */
	bool user;                   /* as at CPL 3 */
	bool smap;                   /* CR4.SMAP counts */
	bool mark;                   /* accessed bits are set, the dirty bit if @access has the write */
	/* Answered. */
	enum x86_translated result;
	uint64_t gpa;                /* of the page if translated; of the table's entry if that was not to be reached */
	uint8_t type;                /* X86_TYPE_*, by paging alone; if translated */
};
/* Raises nothing.  @lin is the address of a page.  The processor does not run. */
void x86_translate(struct x86_cpu *c, uint64_t lin, struct x86_translation *t);

#endif
