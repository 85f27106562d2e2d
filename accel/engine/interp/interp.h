/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter's decoded instruction and what its handlers share.
 *
 * A handler is one C function per handler name of the table:
 *
 *	const struct uop *op_NAME(struct x86_cpu *c, const struct uop *u)
 *
 * It executes *u and returns the next uop: NEXT(u) as a rule.  Handlers that
 * set c->rip themselves (branches, far transfers, mode changes: rows with
 * `branch` or `end`) return block_exit(c, u) or what run.c offers for chaining.
 * The run loop has stored c->cur = u, so x86_raise*() knows where it is.
 *
 * Rules for a handler:
 *  1. Nothing the guest sees changes before the last thing that can fault.
 *  2. RIP is uop_rip(c, u); the next one is uop_next(c, u).  c->rip is stale
 *     inside a block.
 *  3. A 32-bit result written to a GPR zero-extends; 8 and 16-bit ones keep
 *     the rest.  op_set() and the gpr_set helpers do that.
 *  4. The engine has checked before the handler: feature, CPL0, LOCK legality,
 *     NO_X87/NO_SSE/NO_AVX, real mode.  A handler never does.
 *  5. Checked by block.c when the uop is made: register or memory form.
 */
#ifndef INTERP_H
#define INTERP_H

#include "target/i386/cpu.h"
#include "target/i386/decode.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "target/i386/segment.h"

struct uop;
typedef const struct uop *(*uop_fn)(struct x86_cpu *c, const struct uop *u);

/* uop.flags */
enum {
	UOP_LOCK = 1 << 0, UOP_REP = 1 << 1 /* F3 */, UOP_REPNZ = 1 << 2 /* F2 */,
	UOP_VEX = 1 << 3, UOP_L = 1 << 4 /* VEX.L */, UOP_W = 1 << 5 /* VEX.W or REX.W */,
	UOP_REX = 1 << 6,
	UOP_ALIGN = 1 << 7,  /* memory operand aligned to its size or #GP */
};

struct uop {
	uop_fn fn;
	uint64_t imm;
	int64_t disp;         /* of the memory operand; RIP-relative: already counts from the block start */
	uint16_t off;         /* bytes from the block start */
	uint16_t row;         /* x86_rows[] */
	uint8_t len;
	uint8_t opsize;       /* 2, 4, 8 */
	uint8_t addrsize;
	uint8_t flags;
	uint8_t base, index, scale, seg;
	uint8_t kind[4];      /* enum x86_opkind */
	uint8_t reg[4];       /* GPR: byte offset into c->gpr (n * 8, + 1 for AH..BH); else number */
	uint8_t size[4];      /* bytes of each operand */
	uint8_t vvvv;
	uint8_t opcode;
	uint8_t modrm;
	uint8_t spare;
	uint16_t imm2;
	const struct uop *link;  /* run.c: chained target */
};

#define NEXT(u) ((u) + 1)

/*
 * For hot handlers: calls the next handler instead of returning to the run
 * loop.  Only where the handler cannot have changed code (no slow store), as
 * the run loop is where that is noticed.  Depth is bounded by the block.
 */
#define GO(c, u)                                                                                \
	do {                                                                                    \
		const struct uop *next_ = NEXT(u);                                              \
                                                                                                \
		(c)->cur = next_;                                                               \
		return next_->fn(c, next_);                                                     \
	} while (0)

#define ALWAYS_INLINE inline __attribute__((always_inline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Declares and begins the definition of a handler. */
#define OP(name)                                                                                \
	const struct uop *op_##name(struct x86_cpu *c, const struct uop *u);                    \
	const struct uop *op_##name(struct x86_cpu *c, const struct uop *u)

static inline uint64_t uop_rip(const struct x86_cpu *c, const struct uop *u)
{
	return c->gpr[X86_RIPBASE] + u->off;
}

/* RIP behind the instruction, wrapped to the code segment's size. */
static inline uint64_t uop_next(const struct x86_cpu *c, const struct uop *u)
{
	uint64_t ip = c->gpr[X86_RIPBASE] + u->off + u->len;

	return c->mode & X86_MODE_CS64 ? ip : (uint32_t)ip;
}

/* Leaves the block; c->rip is already the next instruction. */
const struct uop *block_exit(struct x86_cpu *c, const struct uop *u);

/* op-xsave.c: XINUSE within XCR0, what XGETBV(1) answers. */
uint64_t xsave_in_use(const struct x86_cpu *c);
/* op-x87.c: raises #MF (or asserts FERR#) if an unmasked x87 exception is pending. */
void x87_check_pending(struct x86_cpu *c);
/* An MMX instruction is about to use the registers: TOP 0, none empty (EMMS: all empty). */
void x87_enter_mmx(struct x86_cpu *c);

/*
 * Locked operations that no host atomic can do: no other processor runs guest
 * code between these two.  A raise in between ends it too.
 */
void exclusive_begin(struct x86_cpu *c);
void exclusive_end(struct x86_cpu *c);

/* ---- general registers ---- */

static inline uint8_t *gpr8(struct x86_cpu *c, unsigned at) { return (uint8_t *)c->gpr + at; }
static inline uint16_t *gpr16(struct x86_cpu *c, unsigned at) { return (uint16_t *)((uint8_t *)c->gpr + at); }
static inline uint64_t *gpr64(struct x86_cpu *c, unsigned at) { return (uint64_t *)((uint8_t *)c->gpr + at); }

static inline uint64_t gpr_get(struct x86_cpu *c, unsigned at, unsigned size)
{
	switch (size) {
	case 1: return *gpr8(c, at);
	case 2: return *gpr16(c, at);
	case 4: return (uint32_t)*gpr64(c, at);
	default: return *gpr64(c, at);
	}
}

static inline void gpr_set(struct x86_cpu *c, unsigned at, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: *gpr8(c, at) = (uint8_t)v; break;
	case 2: *gpr16(c, at) = (uint16_t)v; break;
	case 4: *gpr64(c, at) = (uint32_t)v; break;
	default: *gpr64(c, at) = v; break;
	}
}

/* ---- memory operands ---- */

/* Offset in the segment of the memory operand (what LEA gives, before truncation). */
static inline uint64_t uop_ea(const struct x86_cpu *c, const struct uop *u)
{
	uint64_t ea = c->gpr[u->base] + (c->gpr[u->index] << u->scale) + (uint64_t)u->disp;

	if (__builtin_expect(u->addrsize != 8, 0))
		ea = u->addrsize == 4 ? (uint32_t)ea : (uint16_t)ea;
	return ea;
}

static inline uint64_t uop_lin(struct x86_cpu *c, const struct uop *u, unsigned n, enum x86_access a)
{
	return x86_linear(c, u->seg, uop_ea(c, u), n, a);
}

static inline uint64_t mem_get(struct x86_cpu *c, uint64_t lin, unsigned size)
{
	switch (size) {
	case 1: return x86_ld8(c, lin);
	case 2: return x86_ld16(c, lin);
	case 4: return x86_ld32(c, lin);
	default: return x86_ld64(c, lin);
	}
}

static inline void mem_set(struct x86_cpu *c, uint64_t lin, unsigned size, uint64_t v)
{
	switch (size) {
	case 1: x86_st8(c, lin, (uint8_t)v); break;
	case 2: x86_st16(c, lin, (uint16_t)v); break;
	case 4: x86_st32(c, lin, (uint32_t)v); break;
	default: x86_st64(c, lin, v); break;
	}
}

/* ---- operands in general (cold instructions) ---- */

/* Value of operand @n, zero-extended (immediates as the decoder extended them). */
static inline uint64_t op_get(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	switch (u->kind[n]) {
	case OPK_GPR: return gpr_get(c, u->reg[n], u->size[n]);
	case OPK_MEM: return mem_get(c, uop_lin(c, u, u->size[n], X86_READ), u->size[n]);
	case OPK_SEG: return c->seg[u->reg[n]].sel;
	case OPK_IMM2: return u->imm2;
	default: return u->imm;
	}
}

static inline void op_set(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t v)
{
	if (u->kind[n] == OPK_GPR)
		gpr_set(c, u->reg[n], u->size[n], v);
	else
		mem_set(c, uop_lin(c, u, u->size[n], X86_WRITE), u->size[n], v);
}

/* ---- stack (push and pop of the current stack size; no commit of RSP) ---- */

static inline uint64_t stack_mask(const struct x86_cpu *c)
{
	if (c->mode & X86_MODE_CS64)
		return UINT64_MAX;
	return c->mode & X86_MODE_SS32 ? UINT32_MAX : UINT16_MAX;
}
static inline void stack_set(struct x86_cpu *c, uint64_t sp)
{
	uint64_t m = stack_mask(c);

	if (m == UINT16_MAX)
		*gpr16(c, X86_RSP * 8) = (uint16_t)sp;
	else
		c->gpr[X86_RSP] = sp & m;
}
static inline uint64_t stack_lin(struct x86_cpu *c, uint64_t sp, unsigned size, enum x86_access a)
{
	return x86_linear(c, X86_SS, sp & stack_mask(c), size, a);
}
static inline void push(struct x86_cpu *c, unsigned size, uint64_t v)
{
	uint64_t sp = c->gpr[X86_RSP] - size;

	mem_set(c, stack_lin(c, sp, size, X86_WRITE), size, v);
	stack_set(c, sp);
}
/* Reads the top of the stack at @depth bytes; RSP unchanged. */
static inline uint64_t stack_peek(struct x86_cpu *c, unsigned depth, unsigned size)
{
	return mem_get(c, stack_lin(c, c->gpr[X86_RSP] + depth, size, X86_READ), size);
}

/* ---- vector operands (sse*.c, avx*.c, mmx.c) ---- */

/* Reads operand @n of u->size[n] bytes (XMM/YMM register or memory, alignment checked). */
void vec_get(struct x86_cpu *c, const struct uop *u, unsigned n, union x86_vec *v);
/* Writes operand @n; register with VEX zeroes above size, legacy keeps. */
void vec_set(struct x86_cpu *c, const struct uop *u, unsigned n, const union x86_vec *v);

/* All handlers, generated from the table: `const struct uop *op_add(...)`, ... */
#include "handlers.h"

/* By enum x86_handler; generated. */
extern const uop_fn interp_handlers[];

#endif
