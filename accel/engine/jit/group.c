/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which accesses of a block share one check: those at constant distances from the
 * same base register, which for RSP includes the stack accesses of PUSH, POP, CALL
 * and RET.
 */
#include "trans.h"

enum { REACH_MAX = 1024, REGS = 16 };

static int64_t lower(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t higher(int64_t a, int64_t b) { return a > b ? a : b; }

/* For each base register the group that is open, and by how much the register has moved since. */
struct open {
	int8_t group[REGS];
	int32_t moved[REGS];
};

static void close_group(struct open *o, unsigned reg)
{
	o->group[reg] = -1;
	o->moved[reg] = 0;
}

static void close_all(struct open *o)
{
	for (unsigned r = 0; r < REGS; r++)
		close_group(o, r);
}

/* ---- what an instruction does to the registers ---- */

static bool moves_rsp(const struct x86_insn *i, int32_t *by)
{
	int64_t imm = (int64_t)i->imm;

	switch (i->row->handler) {
	case H_push:
		*by = -8;
		return i->opsize == 8;
	case H_pop:
		*by = 8;
		return i->opsize == 8 && i->op[0].kind == OPK_GPR && i->op[0].reg != X86_RSP;
	case H_add: case H_sub:
		if (i->op[0].kind != OPK_GPR || i->op[0].reg != X86_RSP || i->opsize != 8 || i->op[1].kind != OPK_IMM ||
		    imm < -REACH_MAX || imm > REACH_MAX)
			return false;
		*by = (int32_t)(i->row->handler == H_add ? imm : -imm);
		return true;
	case H_lea:
		if (i->op[0].reg != X86_RSP || i->opsize != 8 || i->base != X86_RSP || i->index != X86_ZERO ||
		    i->addrsize != 8 || i->disp < -REACH_MAX || i->disp > REACH_MAX)
			return false;
		*by = (int32_t)i->disp;
		return true;
	default:
		return false;
	}
}

/* The general registers that *i may write, a bit each. */
static uint32_t writes_gprs(const struct x86_insn *i)
{
	const uint32_t first = gpr_bit(&i->op[0]);
	uint32_t all = 0;

	switch (i->row->handler) {
	case H_cmp: case H_test: case H_bt: case H_nop: case H_jcc:
		return 0;
	case H_add: case H_or: case H_adc: case H_sbb: case H_and: case H_sub: case H_xor: case H_mov: case H_movzx:
	case H_movsx: case H_movsxd: case H_lea: case H_inc: case H_dec: case H_neg: case H_not: case H_imul2: case H_imul3:
	case H_shl: case H_shr: case H_sar: case H_rol: case H_ror: case H_rcl: case H_rcr: case H_shld: case H_shrd:
	case H_setcc: case H_cmovcc: case H_bswap:
		return first;
	case H_xchg:
		return first | gpr_bit(&i->op[1]);
	case H_push:
		return 1 << X86_RSP;
	case H_pop:
		return 1 << X86_RSP | first;
	case H_imul1: case H_mul: case H_cbw: case H_cwd: case H_div: case H_idiv:
		return 1 << X86_RAX | 1 << X86_RDX;
	}
	if (!(i->row->attrs & (ROW_SSE | ROW_AVX | ROW_MMX | ROW_X87)))
		return ~0u;
	for (unsigned n = 0; n < i->opcount; n++)
		all |= gpr_bit(&i->op[n]);
	/* Of these some name no register that they write: RAX by FNSTSW, RCX by PCMPISTRI. */
	return all | 1 << X86_RAX | 1 << X86_RCX;
}

/* Closes the groups of the registers that *i writes: @gprs. */
static void registers_written(struct open *o, const struct x86_insn *i, uint32_t gprs)
{
	int32_t by;

	if (moves_rsp(i, &by)) {
		o->moved[X86_RSP] += by;
		gprs &= ~(1u << X86_RSP);
	}
	for (unsigned r = 0; r < REGS; r++)
		if (gprs >> r & 1)
			close_group(o, r);
}

/* ---- accesses ---- */

struct reach {
	unsigned base;
	int64_t disp;
	unsigned size;
	bool write;
};

static bool operand_reach(const struct x86_insn *i, struct reach *a)
{
	const struct x86_opnd *op = NULL;

	for (unsigned n = 0; n < i->opcount; n++) {
		if (i->op[n].kind == OPK_STR_SRC || i->op[n].kind == OPK_STR_DST || (op && i->op[n].kind == OPK_MEM))
			return false;
		if (i->op[n].kind == OPK_MEM)
			op = &i->op[n];
	}
	if (!op || !op->size || !i->has_modrm || i->base >= REGS || i->index != X86_ZERO || i->seg >= X86_FS ||
	    i->addrsize != 8 || (i->rep && !(i->row->attrs & (ROW_SSE | ROW_AVX | ROW_MMX | ROW_X87))))
		return false;
	*a = (struct reach){ i->base, i->disp, op->size, operand_written(i) };
	return true;
}

/* The one access of *i that a group may take. */
static bool insn_reach(const struct x86_insn *i, struct reach *a)
{
	switch (i->row->handler) {
	case H_push:
		*a = (struct reach){ X86_RSP, -8, 8, true };
		return i->opsize == 8 && !i->has_mem;
	case H_pop:
		*a = (struct reach){ X86_RSP, 0, 8, false };
		return i->opsize == 8 && !i->has_mem;
	case H_call_rel:
		*a = (struct reach){ X86_RSP, -8, 8, true };
		return true;
	case H_ret:
		*a = (struct reach){ X86_RSP, 0, 8, false };
		return true;
	case H_call_rm:
		*a = (struct reach){ X86_RSP, -8, 8, true };
		return !i->has_mem;
	default:
		return operand_reach(i, a);
	}
}

/* Puts the access into the open group of its register, or opens one. */
static void join(struct trans *t, struct open *o, const struct reach *a, struct plan *p)
{
	int64_t lo = a->disp + o->moved[a->base], hi = lo + a->size;
	int8_t id = o->group[a->base];
	struct group *g = id >= 0 ? &t->group[id] : NULL;

	if (lo < -(1 << 30) || hi > 1 << 30)
		return;
	if (g && higher(hi, g->hi) - lower(lo, g->lo) > REACH_MAX)
		close_group(o, a->base);
	if (o->group[a->base] < 0) {
		if (t->groups == JIT_GROUPS)
			return;
		/* Counted from where the register is now. */
		lo = a->disp;
		hi = lo + a->size;
		o->moved[a->base] = 0;
		id = o->group[a->base] = (int8_t)t->groups;
		g = &t->group[t->groups++];
		*g = (struct group){ .lo = (int32_t)lo, .hi = (int32_t)hi };
	}
	g->lo = (int32_t)lower(lo, g->lo);
	g->hi = (int32_t)higher(hi, g->hi);
	g->write |= a->write;
	g->members++;
	*p = (struct plan){ .group = id, .write = a->write, .size = (uint8_t)a->size, .at = (int32_t)lo };
}

void plan_groups(struct trans *t)
{
	struct open o;
	struct reach a;
	unsigned n;

	close_all(&o);
	for (n = 0; n < t->count; n++) {
		t->plan[n].group = -1;
		t->gprs[n] = ~0u;
		if (!decode_again(t, n)) {
			close_all(&o);
			continue;
		}
		t->gprs[n] = writes_gprs(&t->insn);
		if (insn_reach(&t->insn, &a))
			join(t, &o, &a, &t->plan[n]);
		registers_written(&o, &t->insn, t->gprs[n]);
	}
	for (n = 0; n < t->count; n++)
		if (t->plan[n].group >= 0 && t->group[t->plan[n].group].members < 2)
			t->plan[n].group = -1;
}
