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
#include "emit.h"

enum {
	JIT_CACHE = 32 << 20,            /* bytes of host code */
	JIT_THUNKS = 64 << 10,           /* its first bytes */
	JIT_TARGETS = 1 << 16,
	JIT_INSERTED = 8192,
	JIT_VARIANTS = 1 << 18,
	JIT_EDGE_MAX = BLOCK_MAX * 2 + 4,
};

/* Guest state that translated code has in the host's registers, beyond the general ones. */
enum { HELD_VEC = 1, HELD_X87 = 2, HELD_COUNT = 4 };

struct variant {
	uint64_t lin;
	uint32_t host;                   /* checked entry: offset in the cache */
	uint8_t mmu;
	uint8_t held;                    /* HELD_* that it expects at its entry */
	struct variant *next;            /* of the same block */
};

/*
 * Target of indirect and distant branches, at the low 16 bits of its address.  A sum
 * with address, key and 1 is 0 on a hit, which JRCXZ tests without flags.
 */
struct target {
	uint64_t not_lin;                /* ~(lin + target_key()) */
	uint64_t host;
};

struct jit_counts {
	uint64_t blocks, bytes, enters, chains, flushes, forgets;
};

struct jit {
	struct interp in;                /* first: handlers take c->engine for it */
	struct variant *variant;         /* JIT_VARIANTS of them, used in order */
	uint32_t variants;
	struct target target[JIT_TARGETS];
	uint32_t inserted[JIT_INSERTED];         /* indexes in target[] to be cleared */
	uint32_t inserted_count;
	uint32_t epoch;                  /* of the TLB, for which target[] holds */
	int fd;
	uint8_t *write, *exec;           /* the cache's two mappings */
	uint32_t used, start;            /* start: behind the thunks */
	uint32_t thunk_enter[HELD_COUNT], thunk_leave[HELD_COUNT], thunk_step[HELD_COUNT];
	uint64_t dropped;                /* c->count.dropped when the cache was last cleared */
	struct jit_counts count;
	uint64_t *row_count;             /* steps in the interpreter by row */
};

/*
 * Mode and held state in 16 bits, so that no two pairs of address and key have the same
 * sum and the same low 16 bits of the address.  PE and LMA say nothing in 64-bit code, and
 * CS64 keeps it from being 0.
 */
static inline uint32_t target_key(const struct x86_cpu *c, unsigned held)
{
	return (c->mode & 0x7fff & ~(uint32_t)(X86_MODE_PE | X86_MODE_LMA)) | held << 5 |
	       (c->mmu == X86_MMU_KERNEL_AC ? 0x8000 : 0);
}
_Static_assert(X86_MODE_PE == HELD_VEC << 5 && X86_MODE_LMA == HELD_X87 << 5, "bits of the held state in the key");

static inline struct jit *jit_of(const struct x86_cpu *c) { return c->engine; }

/* cache.c */
bool jit_cache_open(struct jit *j);
void jit_cache_close(struct jit *j);

/* thunk.c */
void jit_thunks(struct jit *j);

/*
 * held.c: emits what moves @held from struct x86_cpu to the host's registers, and back.
 * The context is at RSP + @off; general registers but RDI, R9 and the flags are free.
 */
void held_in(struct emit *e, unsigned held);
void held_out(struct emit *e, unsigned held, int32_t off);

/* translate.c: host code for @b at @lin that finds @held in the registers; NULL if the cache has no room. */
struct variant *jit_translate(struct x86_cpu *c, struct block *b, uint64_t lin, unsigned held);

/*
 * run.c, called by the step thunk: *u by the interpreter.  Where host code goes on with
 * @held in the registers: @back, the target of a jump, or NULL: leave.
 */
const void *jit_step(struct x86_cpu *c, const struct uop *u, const void *back, unsigned held);

#define GPR_AT(n) ((uint32_t)(offsetof(struct x86_cpu, gpr) + (n) * 8))
#define CPU_AT(field) ((uint32_t)offsetof(struct x86_cpu, field))

#endif
