/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The translator's own structures: private to this folder.
 *
 * It shares the interpreter's blocks (finding, decoding, the protocol for
 * changing code): struct variant is host code for one block seen at one
 * linear address with one kind of access rights.  struct x86_cpu itself is the
 * context block: host RSP points at it while translated code runs, with a host
 * stack below it (engine_place()).
 */
#ifndef JIT_H
#define JIT_H

#include "../interp/block.h"
#include "accel/engine/engine.h"
#include "emit.h"

enum {
	JIT_THUNKS = 64 << 10,           /* first bytes of the cache */
	JIT_BLOCK_BYTES = 64 << 10,      /* host code for one block, at most */
	JIT_TARGETS = 1 << 16,
	JIT_MORE = 1 << 17,
	JIT_VARIANTS = 1 << 18,
	JIT_LINKS = 1 << 19,
	JIT_PAGES = 1 << 13,
	JIT_EDGE_MAX = BLOCK_MAX * 5 + 16,
	JIT_GROUPS = 8,                  /* of memory accesses in a block: struct x86_cpu has as many engine_group */
};

/* Guest state that translated code has in the host's registers, beyond the general ones. */
enum { HELD_VEC = 1, HELD_X87 = 2, HELD_COUNT = 4 };

/*
 * Where a variant is entered.  SAVED: the guest's flags are in engine_flags; else in the
 * host's.  CHECKED looks at the page and at `pending`, POLL at `pending`.
 */
enum { ENTRY_CHECKED, ENTRY_POLL_SAVED, ENTRY_POLL, ENTRY_SAVED, ENTRY_FAST, ENTRY_COUNT };

/*
 * Code of one frame, seen at one linear page.  tables->code_ok[its index] says that the
 * address space shows that frame there, executable; it goes with the code_key under which
 * that was found out.  gen tells whether the frame's code is still what was translated.
 */
struct code_view {
	uint64_t page;                   /* linear */
	struct x86_code_page *code;
	uint32_t gen;
	bool user;
	bool changed;                    /* its code has changed since it was first translated */
	struct variant *variant;         /* all that have bytes in it */
	struct code_view *next;          /* same hash bucket */
};

struct variant {
	uint64_t lin;
	uint32_t key;                    /* target_key() */
	uint32_t entry[ENTRY_COUNT];     /* offsets in the cache */
	uint32_t end;                    /* offset behind its code */
	uint32_t link;                   /* last of the jumps that were led here; 0 none */
	uint8_t mmu;
	uint8_t held;                    /* HELD_* that it expects at its entry */
	bool smap;                       /* what CR4.SMAP was, on which CLAC and STAC depend */
	bool careful;                    /* no groups: for addresses that a group's check refused */
	bool dead;
	bool gone;                       /* dead for good: not even if its code is what it was */
	struct code_view *view, *view2;  /* view2: of an instruction across two pages, else NULL */
	struct variant *next;            /* of the same block */
	struct variant *next_in_view[2]; /* [1]: in view2 */
};

/* A jump that leads to a variant now; its rel32 at @site led to @stub before. */
struct link {
	uint32_t site, stub, next;
};

/* Target of indirect branches, at target_index(). */
struct target {
	uint64_t tag;                    /* lin + target_key() */
	uint64_t host;                   /* ENTRY_CHECKED */
};

/* The same for C, where there is room for more of them; entry 0: none. */
struct more {
	uint64_t lin;
	uint32_t key, entry;             /* entry: offset in the cache */
};

/* What translated code reaches at a constant distance below RSP: engine_tables(). */
struct jit_tables {
	struct target target[JIT_TARGETS];
	uint8_t code_ok[JIT_PAGES];
	uint8_t x87_image[576] __attribute__((aligned(64)));     /* XSAVE area of held.c */
	uint32_t mxcsr;                  /* of C code */
	/* A site of this block misses too often: block_scattered(). */
	struct block *scatter_block;
	uint8_t scatter;
};
_Static_assert(sizeof(struct jit_tables) <= ENGINE_TABLES, "room below the stack");

/* X(name, what it counts).  Only the processor's own thread counts, or looks. */
#define JIT_COUNTS(X) \
	X(blocks, "blocks translated") \
	X(bytes, "bytes of host code made") \
	X(careful, "blocks translated again without groups of accesses") \
	X(scattered, "loops translated again because their accesses were all over the place") \
	X(too_large, "blocks left to the interpreter: too much code would be made for them") \
	X(retranslated, "blocks translated in pages whose code had changed") \
	X(enters, "entries from the run loop") \
	X(chains, "jumps linked to their targets") \
	X(unlinked, "links undone") \
	X(stale, "blocks dropped because their code had changed") \
	X(again, "blocks taken back: the change was elsewhere in their page") \
	X(flushes, "times that the code cache was emptied") \
	X(target_hit, "indirect targets found behind a step") \
	X(target_more, "of these, found in the second table") \
	X(target_miss, "indirect targets not found behind a step") \
	X(variant_hit, "blocks entered whose code was there") \
	X(step_row, "steps: instructions left to the interpreter") \
	X(step_memory, "steps: memory operands that took the slow path") \
	X(step_branch, "steps: branches whose target was not known") \
	X(checked, "blocks compared with the interpreter (check=N)") \
	X(skip_end, "blocks not compared: system instructions") \
	X(skip_outside, "blocks not compared: devices, MSRs, time and the like") \
	X(skip_code, "blocks not compared: stores to code") \
	X(skip_undefined, "blocks not compared: undefined flags or estimates in use") \
	X(skip_event, "blocks not compared: an exception or event in the middle") \
	X(skip_large, "blocks not compared: too many stores")

struct jit_counts {
#define JIT_COUNT_FIELD(name, help) uint64_t name;
	JIT_COUNTS(JIT_COUNT_FIELD)
#undef JIT_COUNT_FIELD
};

/* In uop.spare: the instruction is translated, so the interpreter has it only from a slow path. */
enum { UOP_NATIVE = 1 };

/* Where an indirect branch went that had HELD_* in the registers, and no variant was known for. */
struct wanted {
	uint64_t rip;
	uint8_t held;
};

struct jit {
	struct interp in;                /* first: handlers take c->engine for it */
	struct jit_tables *tables;
	struct variant *variant;         /* JIT_VARIANTS of them, used in order */
	struct link *link;               /* from 1 on */
	uint32_t free_link;              /* those not in use any more, by next; 0 none */
	struct more *more;               /* JIT_MORE of them, at more_index() */
	struct code_view *view;
	uint32_t variants, links, views;
	struct code_view *bucket[JIT_PAGES];
	/* What is set in code_ok by translations that [0] are not global, [1] are, and while which code_key. */
	uint16_t ok[2][JIT_PAGES];
	uint32_t ok_count[2];
	uint64_t ok_key[2];
	struct wanted wanted;
	uint8_t *write, *exec;           /* the cache's two mappings */
	uint32_t size;                   /* of each, bytes */
	uint32_t used, start;            /* start: behind the thunks */
	uint32_t touched;                /* up to there the cache has been brought in */
	bool sparing;                    /* of struct engine_options: it has not been seen to work */
	uint32_t block_bytes;            /* JIT_BLOCK_BYTES, or less for a test */
	uint32_t thunk_enter[HELD_COUNT], thunk_step[HELD_COUNT];
	uint32_t thunk_leave[HELD_COUNT][2];     /* [1]: flags are in engine_flags */
	uint32_t thunk_call;                     /* of the C function S0, with the processor: keeps what is in general registers */
	uint32_t thunk_site[X86_MMU_COUNT][2];   /* [write]: make_site() */
	unsigned site_next;
	uint32_t thunk_take[HELD_COUNT];         /* called in a block: from here on that is held, too */
	bool host[F_COUNT];                      /* what the host's processor has */
	uint64_t dropped;                /* c->count.dropped when the cache was last cleared */
	struct jit_counts count;
	uint64_t *row_count;             /* steps in the interpreter by row */
	uint32_t check;                  /* of struct engine_options */
	struct check *check_room;        /* check.c's, NULL until the first */
	int perf_map;                    /* file, -1 none */
};

/* What an exit hands to C in S1: how its jump may be linked.  0 is a return to the run loop. */
#define EXIT_PLAIN (1ull << 63)
#define EXIT(site, held, entry, careful) \
	(EXIT_PLAIN | (uint64_t)(site) | (uint64_t)(held) << 32 | (uint64_t)(entry) << 40 | (uint64_t)(careful) << 48)

/*
 * Mode and held state in 16 bits, so that no two pairs of address and key have the same
 * sum and the same low 16 bits of the address.  PE, LMA, VM, FLAT and CS32 say nothing in 64-bit code, and
 * CS64 keeps it from being 0.
 */
static inline uint32_t target_key_of(uint32_t mode, unsigned mmu, bool smap, unsigned held)
{
	const uint32_t always = X86_MODE_PE | X86_MODE_LMA | X86_MODE_VM | X86_MODE_FLAT | X86_MODE_CS32;

	return (mode & 0x7fff & ~always) | held << 5 | (mode & X86_MODE_X87_TRAPS ? X86_MODE_VM : 0) |
	       (mode & X86_MODE_SSE_TRAPS ? X86_MODE_FLAT : 0) | (mmu == X86_MMU_KERNEL_AC ? 0x8000 : 0) |
	       (smap ? X86_MODE_CS32 : 0);
}
/*
 * Code that runs now with vectors held and now without has a place for each.  Still no two
 * pairs meet in one: keys of different held states differ by no multiple of 1 << 14.
 */
static inline uint32_t target_index(uint64_t lin, unsigned held)
{
	return (lin ^ held << 14) & (JIT_TARGETS - 1);
}
static inline uint32_t more_index(uint64_t lin, uint32_t key)
{
	return (uint32_t)((lin + key) * 0x9e3779b97f4a7c15 >> 40) & (JIT_MORE - 1);
}
static inline bool smap_on(const struct x86_cpu *c) { return c->cr4 & CR4_SMAP; }
/*
 * Whether @lin is canonical with four levels of paging, so with five, too.  Host code goes to no
 * other place by itself: whether it is one is the interpreter's to see, where the branch is.
 */
static inline bool always_canonical(uint64_t lin) { return (uint64_t)((int64_t)(lin << 16) >> 16) == lin; }

static inline uint32_t target_key(const struct x86_cpu *c, unsigned held)
{
	return target_key_of(c->mode, c->mmu, smap_on(c), held);
}
_Static_assert(X86_MODE_PE == HELD_VEC << 5 && X86_MODE_LMA == HELD_X87 << 5, "bits of the held state in the key");

static inline struct jit *jit_of(const struct x86_cpu *c) { return c->engine; }

/* cache.c */
bool jit_cache_open(struct jit *j);
void jit_cache_close(struct jit *j);
/* Brings in, in large steps, what the next translations will fill. */
void jit_cache_bring(struct jit *j);
/* Are its tables worth large pages by now? */
void jit_works(struct jit *j);
static inline void jit_cache_touch(struct jit *j)
{
	if (j->touched < j->size && j->used + JIT_BLOCK_BYTES > j->touched)
		jit_cache_bring(j);
}

/* thunk.c */
void jit_thunks(struct jit *j);

/*
 * held.c: emits what moves @held from struct x86_cpu to the host's registers, and back.
 * The context is at RSP + @off.  Uses RAX, RCX, RDX and flags.
 */
void held_in(const struct jit *j, struct emit *e, unsigned held, int32_t off);
void held_out(const struct jit *j, struct emit *e, unsigned held, int32_t off);
/* The thunk that a block calls to take @held over: keeps general registers; HELD_X87 destroys flags. */
void held_take(const struct jit *j, struct emit *e, unsigned held);
/* Fills in j->host. */
void host_features(struct jit *j);

/* run.c: runs @v, all state in *c before and behind it; what its EXIT() handed over. */
uint64_t jit_enter(struct x86_cpu *c, const struct variant *v);

/* site.c: the thunk that looks an access up in the TLB for its site; @write, the rights of @mmu. */
void make_site(struct emit *e, unsigned mmu, bool write);

/* check.c: the same, with the interpreter beside it.  Does not return if they differ. */
uint64_t jit_check(struct x86_cpu *c, struct block *b, const struct variant *v);

/* log.c: opens /tmp/perf-PID.map; -1 and a line said if it cannot. */
int jit_perf_map(void);

/* stats.c: as in struct engine. */
size_t jit_counts(const struct x86_cpu *c, struct engine_count *to, size_t max);
const uint64_t *jit_row_counts(const struct x86_cpu *c);

/* flags.c: shifts, which by 0 change no flag. */
bool keeps_flags_at_0(const struct x86_row *row);

/*
 * Fills in @v, whose lin, mmu, held, careful and view are set.  The cache has room for
 * block_bytes.  False: more than that would be needed.
 */
bool jit_translate(struct x86_cpu *c, struct block *b, struct variant *v);

/*
 * view.c.  The view of @code at linear page @page; NULL: no room.  A view whose frame
 * has changed loses its variants on the way.
 */
struct code_view *view_get(struct x86_cpu *c, uint64_t page, struct x86_code_page *code);
/* The address space shows @view where it should be, by @global translations: block_lookup() has just found out. */
void view_set_ok(struct jit *j, struct code_view *view, bool global);
/* TLB flushes, other address spaces, changed code: what was found out before no longer holds. */
void views_check(struct x86_cpu *c);
void views_clear(struct jit *j);
static inline uint32_t view_index(const struct jit *j, const struct code_view *v) { return (uint32_t)(v - j->view); }
/* The jump at @site leads to @entry of @v from now on. */
void link_exit(struct jit *j, uint32_t site, struct variant *v, unsigned entry);
void target_put(struct x86_cpu *c, const struct variant *v);
/* Host code has found that a block's accesses are all over the place: it is translated anew without sites. */
void block_scattered(struct jit *j);
void targets_clear(struct jit *j);
/* The same where the second table is as it came from the host. */
void targets_close(struct jit *j);

/*
 * run.c, called by the step thunk: *u by the interpreter.  Where host code goes on:
 * @back, the target of a jump, or NULL: leave.
 */
struct jit_next {
	const void *host;
	uint64_t held;                   /* what it expects in the registers: all or nothing */
};
struct jit_next jit_step(struct x86_cpu *c, const struct uop *u, const void *back, unsigned held);

#define GPR_AT(n) ((uint32_t)(offsetof(struct x86_cpu, gpr) + (n) * 8))
/* Below RSP, so as a disp32 it wraps around. */
#define TABLES_AT(field) ((uint32_t)(offsetof(struct jit_tables, field) - ENGINE_TABLES_BELOW))
#define CPU_AT(field) ((uint32_t)offsetof(struct x86_cpu, field))
/* Offset, for accesses with the rights of @mmu, of the TLB field whose tag admits the access; of the page's host address. */
static inline uint32_t tag_of(unsigned mmu, bool write)
{
	return CPU_AT(tlb) + (uint32_t)(mmu * sizeof ((struct x86_cpu *)0)->tlb[0] +
	       (write ? offsetof(struct x86_tlb_entry, write) : offsetof(struct x86_tlb_entry, read)));
}
static inline uint32_t host_of(unsigned mmu)
{
	return CPU_AT(tlb) + (uint32_t)(mmu * sizeof ((struct x86_cpu *)0)->tlb[0] + offsetof(struct x86_tlb_entry, host));
}

#endif
