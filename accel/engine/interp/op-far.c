/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that load segment registers or leave through them: far
 * transfers, software interrupts, IRET, the fast system calls, and PUSHF and
 * POPF, which share their privilege rules.
 */
#include "block.h"

noreturn static void gp(struct x86_cpu *c)
{
	x86_raise_error(c, X86_GP, 0);
}

/* The target has put its address into c->rip. */
static const struct uop *gone(struct x86_cpu *c, const struct uop *u)
{
	return block_exit(c, u);
}

static const struct uop *done(struct x86_cpu *c, const struct uop *u)
{
	c->rip = uop_next(c, u);
	return block_exit(c, u);
}

/* ---- far JMP, CALL, RET ------------------------------------------------------ */

struct far {
	uint64_t off;
	uint16_t sel;
};

/* seg:offset from the instruction or from memory operand @n. */
static struct far far_operand(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	struct far f = { .off = u->imm, .sel = u->imm2 };
	uint64_t lin;

	if (u->kind[n] == OPK_FAR)
		return f;
	lin = uop_lin(c, u, u->opsize + 2, X86_READ);
	f.off = mem_get(c, lin, u->opsize);
	f.sel = x86_ld16(c, lin + u->opsize);
	return f;
}

OP(far_jmp)
{
	struct far f = far_operand(c, u, 0);

	x86_far_jmp(c, f.sel, f.off, u->opsize, uop_next(c, u));
	return gone(c, u);
}

OP(far_call)
{
	struct far f = far_operand(c, u, 0);

	x86_far_call(c, f.sel, f.off, u->opsize, uop_next(c, u));
	return gone(c, u);
}

OP(far_ret)
{
	x86_far_ret(c, u->opsize, u->kind[0] == OPK_NONE ? 0 : (uint16_t)u->imm);
	return gone(c, u);
}

OP(iret)
{
	x86_iret(c, u->opsize, uop_next(c, u));
	return gone(c, u);
}

OP(syscall)
{
	x86_syscall(c, uop_next(c, u));
	return gone(c, u);
}

OP(sysret)
{
	struct interp *in = interp_of(c);

	/* If it sets TF it traps itself. */
	if (c->gpr[X86_R11] & X86_TF && !in->watched) {
		in->watch_next = true;
		x86_pend(c, X86_PEND_STEP);
		c->rip = c->mode & X86_MODE_CS64 ? uop_rip(c, u) : (uint32_t)uop_rip(c, u);
		return NULL;
	}
	x86_sysret(c, u->opsize);
	return gone(c, u);
}

OP(sysenter)
{
	x86_sysenter(c);
	return gone(c, u);
}

OP(sysexit)
{
	x86_sysexit(c, u->opsize);
	return gone(c, u);
}

/* ---- software interrupts -------------------------------------------------------- */

noreturn static void soft(struct x86_cpu *c, const struct uop *u, unsigned vector, enum x86_event_kind kind)
{
	c->event.length = u->len;
	x86_raise_soft(c, vector, kind);
}

OP(int_n)
{
	if (c->mode & X86_MODE_VM) {
		if (x86_vme_redirect(c, (uint8_t)u->imm, uop_next(c, u)))
			return gone(c, u);
		if (!(c->mode & X86_MODE_IOPL))
			gp(c);
	}
	soft(c, u, (uint8_t)u->imm, X86_EV_SOFT);
}

OP(int3)
{
	soft(c, u, X86_BP, X86_EV_SOFT);
}

OP(into)
{
	if (x86_of(c))
		soft(c, u, X86_OVF, X86_EV_SOFT);
	return done(c, u);
}

OP(int1)
{
	soft(c, u, X86_DB, X86_EV_ICEBP);
}

/* ---- segment registers ------------------------------------------------------------- */

static void load(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
	x86_load_seg(c, seg, sel);
	/* The next instruction is to load ESP. */
	if (seg == X86_SS)
		c->interrupt_shadow = X86_SHADOW_SS;
}

OP(mov_to_seg)
{
	load(c, u->reg[0], (uint16_t)op_get(c, u, 1));
	return done(c, u);
}

OP(mov_from_seg)
{
	if (u->reg[1] >= X86_SEG_COUNT)
		x86_raise(c, X86_UD);
	op_set(c, u, 0, c->seg[u->reg[1]].sel);
	return NEXT(u);
}

/* With operand size 4 processors of today write two bytes of the four. */
OP(push_seg)
{
	uint64_t sp = c->gpr[X86_RSP] - u->opsize;
	uint64_t lin = stack_lin(c, sp, u->opsize, X86_WRITE);

	mem_set(c, lin, u->opsize == 4 ? 2 : u->opsize, c->seg[u->reg[0]].sel);
	stack_set(c, sp);
	return NEXT(u);
}

OP(pop_seg)
{
	uint16_t sel = (uint16_t)stack_peek(c, 0, u->opsize == 4 ? 2 : u->opsize);
	uint64_t sp = c->gpr[X86_RSP] + u->opsize, mask = stack_mask(c);

	load(c, u->reg[0], sel);
	/* As wide as the old stack. */
	c->gpr[X86_RSP] = mask == UINT16_MAX ? (c->gpr[X86_RSP] & ~mask) | (sp & mask) : sp & mask;
	return done(c, u);
}

static unsigned far_load_segment(const struct uop *u)
{
	switch (u->opcode) {
	case 0xc4: return X86_ES;
	case 0xc5: return X86_DS;
	case 0xb2: return X86_SS;
	case 0xb4: return X86_FS;
	default: return X86_GS;
	}
}

OP(load_far)
{
	struct far f = far_operand(c, u, 1);

	x86_load_seg(c, far_load_segment(u), f.sel);
	gpr_set(c, u->reg[0], u->opsize, f.off);
	return done(c, u);
}

/* ---- flags ---------------------------------------------------------------------------- */

/* IOPL below 3 in virtual-8086 mode: VME works with VIF, else #GP. */
static bool vme_flags(struct x86_cpu *c, const struct uop *u)
{
	if (!(c->mode & X86_MODE_VM) || (c->mode & X86_MODE_IOPL))
		return false;
	if (!(c->cr4 & CR4_VME) || u->opsize != 2)
		gp(c);
	return true;
}

OP(pushf)
{
	uint64_t f = x86_flags_get(c) & ~(uint64_t)(X86_VM | X86_RF);

	if (vme_flags(c, u))
		f = (f & ~(uint64_t)X86_IF) | X86_IOPL | (c->eflags & X86_VIF ? X86_IF : 0);
	push(c, u->opsize, f);
	return NEXT(u);
}

/* What POPF may change here. */
static uint64_t popf_mask(const struct x86_cpu *c, const struct uop *u)
{
	uint64_t may = X86_ARITH | X86_TF | X86_DF | X86_NT;

	if (u->opsize != 2)
		may |= X86_AC | X86_ID;
	if (c->mode & X86_MODE_IOPL)
		may |= X86_IF;
	if (x86_cpl(c) == 0)
		may |= X86_IOPL;
	return may;
}

OP(popf)
{
	uint64_t f, may;
	bool vme = vme_flags(c, u);

	f = stack_peek(c, 0, u->opsize);
	may = popf_mask(c, u);
	if (vme) {
		if ((f & X86_TF) || ((f & X86_IF) && (c->eflags & X86_VIP)))
			gp(c);
		c->eflags = (c->eflags & ~(uint32_t)X86_VIF) | (f & X86_IF ? X86_VIF : 0);
	}
	stack_set(c, c->gpr[X86_RSP] + u->opsize);
	x86_flags_set(c, (x86_flags_get(c) & ~(may | X86_RF)) | (f & may));
	x86_mode_update(c);
	return done(c, u);
}
