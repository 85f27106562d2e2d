/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks of decoded code and how one is found: private to run.c, block.c and
 * the branches.
 *
 * A block belongs to bytes of a frame (code page, offset) read in a mode, so
 * it survives TLB flushes and serves every mapping of the frame.  It is valid
 * while the frame's gen is what it was before its bytes were read.
 */
#ifndef INTERP_BLOCK_H
#define INTERP_BLOCK_H

#include "interp.h"

enum {
	BLOCK_MAX = 32,                 /* instructions */
	JUMP_BITS = 12, JUMP_SIZE = 1 << JUMP_BITS,
	FETCH_SIZE = 256,
	HASH_SIZE = 1 << 18,
	ARENA_SIZE = 64 << 20,          /* the hash in front */
};

/* What c->on_raise is jumped to with, beside x86_raise*()'s 1 and x86_stop()'s 2: X86_RUN_BROKEN. */
enum { ENGINE_BROKEN = 3 };

/* Bit of a block's key beside the mode: holds one instruction. */
#define KEY_ONE (1u << 31)

struct block {
	struct x86_code_page *code;
	struct x86_code_page *code2;    /* of an instruction across two pages; else NULL */
	uint32_t gen, gen2;
	uint32_t key;
	uint16_t offset;                /* in the frame of code */
	uint16_t bytes;
	bool too_large;                 /* the translator leaves it to the interpreter */
	uint16_t uops;                  /* behind them is a copy of the bytes that were decoded */
	const uint8_t *bytes_at;        /* the first byte in its frame */
	struct variant *variant;        /* the translator's code for it */
	bool scattered;                 /* for the translator: a loop whose accesses are seldom where they were last */
	struct uop uop[] __attribute__((aligned(64)));
};
enum { BLOCK_ALIGN = 64 };
_Static_assert(sizeof(struct block) % BLOCK_ALIGN == 0 && sizeof(struct uop) % BLOCK_ALIGN == 0, "blocks are aligned");

/* Linear RIP to block; valid while the mode and one of code_key are the same. */
struct jump {
	uint64_t lin;
	uint64_t key;                   /* code_key | mode */
	struct block *block;
};

/* x86_fetch_page() remembered for as long as one of code_key. */
struct fetch {
	uint64_t tag;                   /* linear page | user */
	uint64_t key;                   /* code_key; 0: nothing */
	struct x86_page page;
};

/* The block that was decoded last, for the translator, which as a rule is next to look at it. */
struct decoded {
	const struct block *block;      /* NULL: none */
	struct x86_insn insn[BLOCK_MAX];    /* row NULL: not decoded */
	uint8_t bytes[BLOCK_MAX][16];   /* what was read of each; another processor may be writing there */
};

struct interp {
	struct decoded decoded;
	struct jump jump[JUMP_SIZE];
	struct fetch fetch[FETCH_SIZE];
	/*
	 * At the arena's start.  A block's place in the arena, in units of BLOCK_ALIGN, below a
	 * tag of its hash; 0: free, from here on nothing is found; a tag alone: was one.
	 */
	uint64_t *hash;
	uint32_t hashed;                /* entries that are not 0 */
	uint8_t *arena;
	size_t used;
	/* ns of processor time: what the guest has waited for at most, while caches were emptied; in the last blocks_drop(). */
	uint64_t longest_stall, drop_took;
	bool exclusive;                 /* between exclusive_begin and _end */
	/* X86_PEND_INTR seen with IF clear: put aside so that blocks still chain. */
	bool intr_waiting;
	/* The translator: runs the block at @u (c->rip), or answers what to interpret. */
	const struct uop *(*translated)(struct x86_cpu *c, const struct uop *u);
	bool code_all;                  /* X86_PEND_CODE_ALL came: for the translator */
	bool global;                    /* block_lookup()'s last block lies in global pages */
	bool watched;                   /* the instruction is alone, and run.c sees to traps behind it */
	bool watch_next;                /* the next is to be */
	uint8_t shadow;                 /* enum x86_shadow that the watched one stands in */
	bool resuming;                  /* gdb: the first instruction ignores its breakpoint */
};

static inline struct interp *interp_of(const struct x86_cpu *c) { return c->engine; }

static inline struct block *block_of(const struct uop *first)
{
	return (struct block *)((uintptr_t)first - offsetof(struct block, uop));
}

static inline unsigned jump_index(uint64_t lin)
{
	return (lin ^ lin >> JUMP_BITS) & (JUMP_SIZE - 1);
}

static inline bool gen_is(const struct x86_code_page *p, uint32_t gen)
{
	return atomic_load_explicit(&p->gen, memory_order_acquire) == gen;
}

static inline bool block_valid(const struct block *b)
{
	return gen_is(b->code, b->gen) && (!b->code2 || gen_is(b->code2, b->gen2));
}

static inline bool nothing_pending(const struct x86_cpu *c)
{
	return likely(!atomic_load_explicit(&c->pending, memory_order_relaxed));
}

/* CS has base 0 and no limit that counts, so an offset is its linear address. */
static inline bool code_is_flat(const struct x86_cpu *c)
{
	return c->mode & (X86_MODE_CS64 | X86_MODE_FLAT);
}

_Static_assert(X86_MODE_SSE_TRAPS < 1 << 20, "the mode fits below a code key");
static inline bool jump_holds(const struct x86_cpu *c, const struct jump *j)
{
	return j->key == (c->code_key[0] | c->mode) || j->key == (c->code_key[1] | c->mode);
}

/* The block at flat @rip if the jump cache knows it; NULL otherwise. */
static inline struct block *block_probe(const struct x86_cpu *c, uint64_t rip)
{
	const struct jump *j = &interp_of(c)->jump[jump_index(rip)];

	if (likely(j->lin == rip && jump_holds(c, j)) && likely(block_valid(j->block)))
		return j->block;
	return NULL;
}

/* Goes to offset @rip, at any distance. */
static inline const struct uop *block_jump(struct x86_cpu *c, uint64_t rip)
{
	struct block *b;

	if (nothing_pending(c) && likely(code_is_flat(c)) && likely((b = block_probe(c, rip)))) {
		c->gpr[X86_RIPBASE] = rip;
		return b->uop;
	}
	c->rip = rip;
	return NULL;
}

/* The same for a direct branch, remembering the target in u->link. */
const struct uop *block_link_slow(struct x86_cpu *c, const struct uop *u, uint64_t rip);
static inline const struct uop *block_link(struct x86_cpu *c, const struct uop *u, uint64_t rip)
{
	const struct uop *to = u->link;

	if (likely(to != NULL) && nothing_pending(c)) {
		const struct block *b = block_of(to);

		if (likely(gen_is(b->code, b->gen))) {
			c->gpr[X86_RIPBASE] = rip;
			return to;
		}
	}
	return block_link_slow(c, u, rip);
}

/*
 * The block at c->rip, made if needed, c->gpr[X86_RIPBASE] set; @one: of one
 * instruction.  Raises fetch faults with c->cur NULL.
 */
const struct uop *block_lookup(struct x86_cpu *c, bool one);
/* Behind the last instruction; only raises an exception. */
bool block_is_end(const struct uop *u);
bool block_refuses(const struct uop *u);
/* Fills in->decoded with @b, which is valid or stale, in the current mode. */
void block_decode_again(struct x86_cpu *c, const struct block *b);
/* ns of this thread's processor time: what others run meanwhile is not our stall. */
uint64_t stall_clock(void);
static inline void stall_note(struct interp *in, uint64_t took)
{
	if (took > in->longest_stall)
		in->longest_stall = took;
}
/* Room for blocks and their hash.  False: no memory. */
bool blocks_open(struct interp *in, bool sparing);   /* of struct engine_options */
/* The processor is seen to work: engine_room_large(). */
void blocks_work(struct interp *in);
void blocks_close(struct interp *in);
/* Drops all blocks.  Not inside one. */
void blocks_drop(struct interp *in);

/*
 * The specialised handler for *u, or @fn.  One a family of instructions; called
 * with everything but fn in *u set.
 */
uop_fn alu_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn);
uop_fn step_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn);
uop_fn mov_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn);
uop_fn shift_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn);
uop_fn branch_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn);

/* How a specialised handler reaches its memory operand. */
enum form { FORM_BASE, FORM_INDEX, FORM_ANY, FORM_COUNT };
static inline enum form uop_form(const struct x86_cpu *c, const struct uop *u)
{
	if (!(c->mode & X86_MODE_CS64) || u->addrsize != 8 || u->seg >= X86_FS)
		return FORM_ANY;
	return u->index == X86_ZERO ? FORM_BASE : FORM_INDEX;
}

static ALWAYS_INLINE uint64_t form_lin(struct x86_cpu *c, const struct uop *u, enum form f,
				       unsigned n, enum x86_access a)
{
	switch (f) {
	case FORM_BASE: return c->gpr[u->base] + (uint64_t)u->disp;
	case FORM_INDEX: return c->gpr[u->base] + (c->gpr[u->index] << u->scale) + (uint64_t)u->disp;
	default: return uop_lin(c, u, n, a);
	}
}

/* Stores; false if the slow path did it, which may have changed code: return to the run loop then. */
#define FAST_STORE(n, bits)                                                                     \
	static ALWAYS_INLINE bool fast_st##bits(struct x86_cpu *c, uint64_t lin, uint##bits##_t v) \
	{                                                                                       \
		const struct x86_tlb_entry *e = &c->tlb[c->mmu][x86_tlb_index(lin)];            \
                                                                                                \
		if (likely(e->write == (lin & X86_PAGE_MASK) && (lin & 4095) <= 4096 - (n))) {  \
			x86_host_st##bits(x86_tlb_host(e, lin), v);                             \
			return true;                                                            \
		}                                                                               \
		x86_st_slow(c, lin, v, n, c->mmu);                                              \
		return false;                                                                   \
	}
FAST_STORE(1, 8)
FAST_STORE(2, 16)
FAST_STORE(4, 32)
FAST_STORE(8, 64)

/*
 * Host address for a read-modify-write that is not locked, from the TLB alone;
 * NULL: check with x86_probe_write(), then load and store.
 */
static ALWAYS_INLINE void *fast_rw(struct x86_cpu *c, uint64_t lin, unsigned n)
{
	const struct x86_tlb_entry *e = &c->tlb[c->mmu][x86_tlb_index(lin)];

	if (likely(e->write == (lin & X86_PAGE_MASK) && (lin & 4095) <= 4096 - n))
		return x86_tlb_host(e, lin);
	return NULL;
}

#endif
