/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Near transfers of control.
 */
#include "block.h"

static uint64_t cut_ip(uint64_t ip, unsigned opsize)
{
	switch (opsize) {
	case 2: return (uint16_t)ip;
	case 4: return (uint32_t)ip;
	default: return ip;
	}
}

/* Can CS hold @ip? */
static inline bool target_ok(const struct x86_cpu *c, uint64_t ip)
{
	if (likely(c->mode & X86_MODE_CS64))
		return x86_canonical(c, ip);
	return ip <= c->seg[X86_CS].limit;
}

/* #GP(0) if not. */
static inline void check_target(struct x86_cpu *c, uint64_t ip)
{
	if (unlikely(!target_ok(c, ip)))
		x86_raise_error(c, X86_GP, 0);
}

/* The same for a call, whose stack comes first: a fault there hides one of the target (seen on AMD's processors). */
static inline void check_call_target(struct x86_cpu *c, uint64_t ip, unsigned size)
{
	if (likely(target_ok(c, ip)))
		return;
	x86_probe_write(c, stack_lin(c, c->gpr[X86_RSP] - size, size, X86_WRITE), size);
	x86_raise_error(c, X86_GP, 0);
}

static uint64_t rel_target(const struct x86_cpu *c, const struct uop *u)
{
	return cut_ip(uop_next(c, u) + u->imm, u->opsize);
}

static const struct uop *branch_rel(struct x86_cpu *c, const struct uop *u)
{
	uint64_t to = rel_target(c, u);

	check_target(c, to);
	return block_link(c, u, to);
}

/* Not taken, at the end of a block or in the middle of it: the next uop knows. */
static const struct uop *branch_if(struct x86_cpu *c, const struct uop *u, bool taken)
{
	return taken ? branch_rel(c, u) : NEXT(u);
}

OP(jmp_rel) { return branch_rel(c, u); }
OP(jcc) { return branch_if(c, u, x86_cond(c, u->opcode & 15)); }

OP(jcxz) { return branch_if(c, u, !gpr_get(c, X86_RCX * 8, u->addrsize)); }

/* LOOPNE e0, LOOPE e1, LOOP e2. */
OP(loop)
{
	uint64_t count = gpr_get(c, X86_RCX * 8, u->addrsize) - 1, to;
	bool taken = gpr_get(c, X86_RCX * 8, u->addrsize) != 1;

	if (u->opcode != 0xe2)
		taken = taken && x86_zf(c) == (u->opcode & 1);
	if (taken) {
		to = rel_target(c, u);
		check_target(c, to);
		gpr_set(c, X86_RCX * 8, u->addrsize, count);
		return block_link(c, u, to);
	}
	gpr_set(c, X86_RCX * 8, u->addrsize, count);
	return NEXT(u);
}

OP(jmp_rm)
{
	uint64_t to = op_get(c, u, 0);

	check_target(c, to);
	return block_jump(c, to);
}

OP(call_rel)
{
	uint64_t to = rel_target(c, u);

	check_call_target(c, to, u->opsize);
	push(c, u->opsize, uop_next(c, u));
	return block_link(c, u, to);
}

OP(call_rm)
{
	uint64_t to = op_get(c, u, 0);

	check_call_target(c, to, u->opsize);
	push(c, u->opsize, uop_next(c, u));
	return block_jump(c, to);
}

OP(ret)
{
	uint64_t to = stack_peek(c, 0, u->opsize);
	uint64_t drop = u->kind[0] == OPK_IMM ? (uint16_t)u->imm : 0;

	check_target(c, to);
	stack_set(c, c->gpr[X86_RSP] + u->opsize + drop);
	return block_jump(c, to);
}

/* ---- specialised: 64-bit mode ------------------------------------------------- */

#define HOT(name) static const struct uop *name(struct x86_cpu *c, const struct uop *u)

static ALWAYS_INLINE uint64_t target64(const struct x86_cpu *c, const struct uop *u)
{
	return c->gpr[X86_RIPBASE] + u->off + u->len + u->imm;
}

/*
 * A linked target is in this page, so it is canonical; block_link_slow() looks
 * at the others.
 */
#define JCC(cc)                                                                                 \
	HOT(jcc##cc)                                                                            \
	{                                                                                       \
		if (x86_cond(c, cc))                                                            \
			return block_link(c, u, target64(c, u));                                \
		GO(c, u);                                                                       \
	}
JCC(0) JCC(1) JCC(2) JCC(3) JCC(4) JCC(5) JCC(6) JCC(7)
JCC(8) JCC(9) JCC(10) JCC(11) JCC(12) JCC(13) JCC(14) JCC(15)
static const uop_fn jcc64[16] = {
	jcc0, jcc1, jcc2, jcc3, jcc4, jcc5, jcc6, jcc7, jcc8, jcc9, jcc10, jcc11, jcc12, jcc13, jcc14, jcc15,
};

HOT(jmp64) { return block_link(c, u, target64(c, u)); }

HOT(call64)
{
	uint64_t next = c->gpr[X86_RIPBASE] + u->off + u->len, to = next + u->imm;

	if (unlikely(!u->link))
		check_call_target(c, to, 8);
	x86_st64(c, c->gpr[X86_RSP] - 8, next);
	c->gpr[X86_RSP] -= 8;
	return block_link(c, u, to);
}

HOT(ret64)
{
	uint64_t to = x86_ld64(c, c->gpr[X86_RSP]);

	check_target(c, to);
	c->gpr[X86_RSP] += 8;
	return block_jump(c, to);
}

HOT(jmp64_r)
{
	uint64_t to = *gpr64(c, u->reg[0]);

	check_target(c, to);
	return block_jump(c, to);
}

uop_fn branch_select(const struct x86_cpu *c, const struct uop *u, uop_fn fn)
{
	if (!(c->mode & X86_MODE_CS64) || u->opsize != 8)
		return fn;
	if (fn == op_jcc)
		return jcc64[u->opcode & 15];
	if (fn == op_jmp_rel)
		return jmp64;
	if (fn == op_call_rel)
		return call64;
	if (fn == op_ret && u->kind[0] != OPK_IMM)
		return ret64;
	if (fn == op_jmp_rm && u->kind[0] == OPK_GPR)
		return jmp64_r;
	return fn;
}
