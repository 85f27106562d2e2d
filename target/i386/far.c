/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Far transfers of control: JMP, CALL, RET, IRET, the fast system calls.
 *
 * Shape of each: read everything, check everything, write the stack, then
 * commit registers in one go.  Only task switches do it otherwise (task.c).
 */
#include "descriptor.h"

enum { FLAT_CODE = 0xb, FLAT_DATA = 0x3 };

static uint64_t wrap_ip(uint64_t ip, unsigned opsize)
{
	return opsize == 8 ? ip : opsize == 4 ? (uint32_t)ip : (uint16_t)ip;
}

static void set_cs(struct x86_cpu *c, const struct x86_seg *cs, uint64_t rip)
{
	c->seg[X86_CS] = *cs;
	c->rip = rip;
}

/* SS carries the CPL in its DPL, also when it is null. */
static void set_ss(struct x86_cpu *c, const struct x86_seg *ss, unsigned cpl)
{
	c->seg[X86_SS] = *ss;
	c->seg[X86_SS].attr = (ss->attr & ~(uint32_t)SEG_DPL) | cpl << SEG_DPL_SHIFT;
}

/* ---- JMP and CALL to a code segment ----------------------------------------- */

/* Descriptor of a direct transfer target that the current privilege may enter. */
static void direct_target(struct x86_cpu *c, uint16_t sel, struct x86_desc *d)
{
	unsigned cpl = x86_cpl(c);

	if (!desc_code(d))
		raise_sel(c, X86_GP, sel);
	if (desc_conforming(d) ? desc_dpl(d) > cpl : (sel & 3u) > cpl || desc_dpl(d) != cpl)
		raise_sel(c, X86_GP, sel);
}

static void real_jmp(struct x86_cpu *c, uint16_t sel, uint64_t off)
{
	if (off > c->seg[X86_CS].limit)
		x86_raise_error(c, X86_GP, 0);
	x86_set_seg_real(c, X86_CS, sel);
	c->rip = off;
	x86_mode_update(c);
}

static void code_jmp(struct x86_cpu *c, struct x86_desc *d, uint64_t off)
{
	struct x86_seg cs;

	direct_target(c, d->sel, d);
	cs = code_seg(c, d, x86_cpl(c));
	check_rip(c, &cs, off);
	set_cs(c, &cs, off);
	x86_mode_update(c);
}

static void code_call(struct x86_cpu *c, struct x86_desc *d, uint64_t off, unsigned opsize, uint64_t next)
{
	struct stack s = stack_now(c);
	struct x86_seg cs;

	direct_target(c, d->sel, d);
	cs = code_seg(c, d, x86_cpl(c));
	check_rip(c, &cs, off);
	stack_push(&s, opsize, c->seg[X86_CS].sel);
	stack_push(&s, opsize, next);
	stack_commit(&s);
	set_cs(c, &cs, off);
	x86_mode_update(c);
}

/* ---- gates ------------------------------------------------------------------------ */

struct call_gate {
	struct x86_desc target;
	uint64_t off;
	unsigned size, params;
};

static void gate_read(struct x86_cpu *c, const struct x86_desc *d, struct call_gate *g)
{
	uint16_t sel = gate_sel(d->v);

	if (desc_dpl(d) < x86_cpl(c) || desc_dpl(d) < (d->sel & 3u))
		raise_sel(c, X86_GP, d->sel);
	if (!desc_present(d))
		raise_sel(c, X86_NP, d->sel);
	g->size = long_mode(c) ? 8 : desc_type(d) == SYS_CALL32 ? 4 : 2;
	g->off = gate_offset(d->v);
	g->params = (d->v >> 32) & 0x1f;
	if (g->size == 8)
		g->off |= desc_upper(c, d) << 32;
	if (g->size == 2)
		g->off &= 0xffff;
	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	desc_need(c, sel, &g->target, X86_GP);
	if (!desc_code(&g->target) || desc_dpl(&g->target) > x86_cpl(c))
		raise_sel(c, X86_GP, sel);
	if (g->size == 8 && (!desc_long(&g->target) || (desc_attr(&g->target) & SEG_DB)))
		raise_sel(c, X86_GP, sel);
}

static void gate_jmp(struct x86_cpu *c, const struct x86_desc *d)
{
	struct call_gate g;
	struct x86_seg cs;

	gate_read(c, d, &g);
	if (!desc_conforming(&g.target) && desc_dpl(&g.target) != x86_cpl(c))
		raise_sel(c, X86_GP, g.target.sel);
	cs = code_seg(c, &g.target, x86_cpl(c));
	check_rip(c, &cs, g.off);
	set_cs(c, &cs, g.off);
	x86_mode_update(c);
}

static void copy_params(struct stack *to, struct stack from, const struct call_gate *g)
{
	uint32_t v[31];

	for (unsigned i = 0; i < g->params; i++)
		v[i] = (uint32_t)stack_pop(&from, g->size);
	for (unsigned i = g->params; i > 0; i--)
		stack_push(to, g->size, v[i - 1]);
}

static void gate_call_inner(struct x86_cpu *c, struct call_gate *g, uint64_t next)
{
	unsigned cpl = desc_dpl(&g->target);
	struct stack old = stack_now(c), s;
	struct x86_seg cs, ss;
	uint16_t ss_sel;
	uint64_t sp;

	tss_stack(c, cpl, &ss_sel, &sp);
	ss = g->size == 8 ? null_seg((uint16_t)cpl, cpl) : stack_seg(c, ss_sel, cpl, X86_TS);
	cs = code_seg(c, &g->target, cpl);
	check_rip(c, &cs, g->off);
	s = stack_new(c, &ss, sp, cpl, g->size == 8);
	stack_push(&s, g->size, c->seg[X86_SS].sel);
	stack_push(&s, g->size, old.sp);
	if (g->size != 8)
		copy_params(&s, old, g);
	stack_push(&s, g->size, c->seg[X86_CS].sel);
	stack_push(&s, g->size, next);
	set_ss(c, &ss, cpl);
	stack_commit(&s);
	set_cs(c, &cs, g->off);
	x86_mode_update(c);
}

static void gate_call(struct x86_cpu *c, const struct x86_desc *d, uint64_t next)
{
	struct call_gate g;
	struct x86_seg cs;
	struct stack s;

	gate_read(c, d, &g);
	if (!desc_conforming(&g.target) && desc_dpl(&g.target) < x86_cpl(c)) {
		gate_call_inner(c, &g, next);
		return;
	}
	cs = code_seg(c, &g.target, x86_cpl(c));
	check_rip(c, &cs, g.off);
	s = stack_new(c, &c->seg[X86_SS], c->gpr[X86_RSP], x86_cpl(c), g.size == 8);
	stack_push(&s, g.size, c->seg[X86_CS].sel);
	stack_push(&s, g.size, next);
	stack_commit(&s);
	set_cs(c, &cs, g.off);
	x86_mode_update(c);
}

/* Task state segment or task gate: to the TSS's descriptor. */
static void task_target(struct x86_cpu *c, const struct x86_desc *d, struct x86_desc *tss)
{
	if (desc_dpl(d) < x86_cpl(c) || desc_dpl(d) < (d->sel & 3u))
		raise_sel(c, X86_GP, d->sel);
	if (desc_type(d) == SYS_TASK) {
		if (!desc_present(d))
			raise_sel(c, X86_NP, d->sel);
		task_gate_target(c, d->v, tss, X86_GP);
		return;
	}
	if (d->sel & 4)
		raise_sel(c, X86_GP, d->sel);
	if (!desc_present(d))
		raise_sel(c, X86_NP, d->sel);
	*tss = *d;
}

/* System descriptors as targets.  False: not one of those that may be. */
static bool system_target(struct x86_cpu *c, const struct x86_desc *d, enum task_how how, uint64_t next)
{
	struct x86_desc tss;

	switch (desc_type(d)) {
	case SYS_CALL16:
		if (long_mode(c))
			return false;
		/* fall through */
	case SYS_CALL32:
		if (how == TASK_CALL)
			gate_call(c, d, next);
		else
			gate_jmp(c, d);
		return true;
	case SYS_TSS16:
	case SYS_TSS32:
	case SYS_TASK:
		if (long_mode(c))
			return false;
		task_target(c, d, &tss);
		task_switch(c, &tss, how, next);
		return true;
	}
	return false;
}

void x86_far_jmp(struct x86_cpu *c, uint16_t sel, uint64_t off, unsigned opsize, uint64_t next)
{
	struct x86_desc d;

	off = wrap_ip(off, opsize);
	if (paragraphs(c)) {
		real_jmp(c, sel, off);
		return;
	}
	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	desc_need(c, sel, &d, X86_GP);
	if (!desc_system(&d))
		code_jmp(c, &d, off);
	else if (!system_target(c, &d, TASK_JMP, next))
		raise_sel(c, X86_GP, sel);
}

void x86_far_call(struct x86_cpu *c, uint16_t sel, uint64_t off, unsigned opsize, uint64_t next)
{
	struct x86_desc d;

	off = wrap_ip(off, opsize);
	if (paragraphs(c)) {
		struct stack s = stack_now(c);

		if (off > c->seg[X86_CS].limit)
			x86_raise_error(c, X86_GP, 0);
		stack_push(&s, opsize, c->seg[X86_CS].sel);
		stack_push(&s, opsize, next);
		stack_commit(&s);
		real_jmp(c, sel, off);
		return;
	}
	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	desc_need(c, sel, &d, X86_GP);
	if (!desc_system(&d))
		code_call(c, &d, off, opsize, next);
	else if (!system_target(c, &d, TASK_CALL, next))
		raise_sel(c, X86_GP, sel);
}

/* ---- RET and IRET ---------------------------------------------------------------------- */

/* CS popped by RET or IRET. */
static struct x86_seg return_cs(struct x86_cpu *c, uint16_t sel, uint64_t rip)
{
	unsigned rpl = sel & 3;
	struct x86_desc d;
	struct x86_seg cs;

	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	desc_need(c, sel, &d, X86_GP);
	if (rpl < x86_cpl(c) || !desc_code(&d))
		raise_sel(c, X86_GP, sel);
	if (desc_conforming(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl)
		raise_sel(c, X86_GP, sel);
	cs = code_seg(c, &d, rpl);
	check_rip(c, &cs, rip);
	return cs;
}

/* SS popped by RET or IRET for a return to @cs. */
static struct x86_seg return_ss(struct x86_cpu *c, uint16_t sel, const struct x86_seg *cs)
{
	unsigned cpl = cs->sel & 3;

	if (sel_null(sel) && seg_is_long(c, cs) && cpl != 3) {
		if ((sel & 3u) != cpl)
			x86_raise_error(c, X86_GP, 0);
		return null_seg(sel, cpl);
	}
	return stack_seg(c, sel, cpl, X86_GP);
}

/* RSP of a return to another stack: as wide as the new stack. */
static void set_rsp(struct x86_cpu *c, uint64_t sp, const struct x86_seg *cs, const struct x86_seg *ss,
		    unsigned opsize)
{
	if (seg_is_long(c, cs))
		c->gpr[X86_RSP] = sp;
	else if (ss->attr & SEG_DB)
		c->gpr[X86_RSP] = (uint32_t)sp;
	else if (opsize == 2)
		c->gpr[X86_RSP] = (c->gpr[X86_RSP] & ~(uint64_t)0xffff) | (sp & 0xffff);
	else
		c->gpr[X86_RSP] = (uint32_t)sp;
}

static void real_ret(struct x86_cpu *c, unsigned opsize, uint16_t pop)
{
	struct stack s = stack_now(c);
	uint64_t ip = stack_pop(&s, opsize);
	uint16_t sel = (uint16_t)stack_pop(&s, opsize);

	if (ip > c->seg[X86_CS].limit)
		x86_raise_error(c, X86_GP, 0);
	s.sp += pop;
	stack_commit(&s);
	x86_set_seg_real(c, X86_CS, sel);
	c->rip = ip;
	x86_mode_update(c);
}

void x86_far_ret(struct x86_cpu *c, unsigned opsize, uint16_t pop)
{
	struct stack s = stack_now(c);
	struct x86_seg cs, ss;
	uint64_t ip, sp;
	uint16_t sel;

	if (paragraphs(c)) {
		real_ret(c, opsize, pop);
		return;
	}
	ip = stack_pop(&s, opsize);
	sel = (uint16_t)stack_pop(&s, opsize);
	cs = return_cs(c, sel, ip);
	s.sp += pop;
	if ((sel & 3u) == x86_cpl(c)) {
		stack_commit(&s);
		set_cs(c, &cs, ip);
		x86_mode_update(c);
		return;
	}
	sp = stack_pop(&s, opsize);
	sel = (uint16_t)stack_pop(&s, opsize);
	ss = return_ss(c, sel, &cs);
	set_rsp(c, sp + pop, &cs, &ss, opsize);
	set_cs(c, &cs, ip);
	set_ss(c, &ss, cs.sel & 3);
	drop_segments(c, cs.sel & 3);
	x86_mode_update(c);
}

/*
 * RF holds for the next instruction and only an instruction breakpoint can tell;
 * engines clear it where they look for those, so IRET does not set it where nobody would.
 */
static uint64_t iret_rf(const struct x86_cpu *c)
{
	return c->mode & X86_MODE_STEP ? X86_RF : 0;
}

/* RFLAGS as IRET may change them at @cpl with @iopl. */
static void iret_flags(struct x86_cpu *c, uint64_t v, unsigned opsize, unsigned cpl, unsigned iopl)
{
	uint64_t old = x86_flags_get(c) & ~(uint64_t)X86_RF, may = X86_ARITH | X86_TF | X86_DF | X86_NT;

	if (opsize != 2)
		may |= iret_rf(c) | X86_AC | X86_ID;
	if (cpl <= iopl)
		may |= X86_IF;
	if (cpl == 0) {
		may |= X86_IOPL;
		if (opsize != 2)
			may |= X86_VIF | X86_VIP;
	}
	x86_flags_set(c, (old & ~may) | (v & may));
}

static void iret_real(struct x86_cpu *c, unsigned opsize)
{
	struct stack s = stack_now(c);
	uint64_t ip = stack_pop(&s, opsize), f;
	uint16_t sel = (uint16_t)stack_pop(&s, opsize);

	f = stack_pop(&s, opsize);
	if (ip > c->seg[X86_CS].limit)
		x86_raise_error(c, X86_GP, 0);
	stack_commit(&s);
	x86_set_seg_real(c, X86_CS, sel);
	c->rip = ip;
	/* VIF and VIP stay in real mode. */
	iret_flags(c, (f & ~(uint64_t)(X86_VIF | X86_VIP)) | (c->eflags & (X86_VIF | X86_VIP)), opsize, 0, 3);
	x86_mode_update(c);
}

static void iret_vm86(struct x86_cpu *c, unsigned opsize)
{
	unsigned iopl = (c->eflags & X86_IOPL) >> 12;
	bool vme = iopl < 3 && (c->cr4 & CR4_VME) && opsize == 2;
	struct stack s = stack_now(c);
	uint64_t ip, f;
	uint16_t sel;

	if (iopl < 3 && !vme)
		x86_raise_error(c, X86_GP, 0);
	ip = stack_pop(&s, opsize);
	sel = (uint16_t)stack_pop(&s, opsize);
	f = stack_pop(&s, opsize);
	if (ip > 0xffff || (vme && (((f & X86_IF) && (c->eflags & X86_VIP)) || (f & X86_TF))))
		x86_raise_error(c, X86_GP, 0);
	stack_commit(&s);
	x86_set_seg_real(c, X86_CS, sel);
	c->rip = ip;
	if (vme)
		c->eflags = (c->eflags & ~X86_VIF) | (f & X86_IF ? X86_VIF : 0);
	iret_flags(c, f, opsize, 3, vme ? 0 : 3);
	x86_mode_update(c);
}

/* From protected mode at CPL 0 into virtual-8086 mode. */
static void iret_to_vm86(struct x86_cpu *c, struct stack *s, uint64_t ip, uint16_t cs, uint64_t f)
{
	static const uint8_t order[] = { X86_SS, X86_ES, X86_DS, X86_FS, X86_GS };
	uint16_t sel[5];
	uint32_t sp = (uint32_t)stack_pop(s, 4);

	for (unsigned i = 0; i < 5; i++)
		sel[i] = (uint16_t)stack_pop(s, 4);
	if (ip > 0xffff)
		x86_raise_error(c, X86_GP, 0);
	x86_flags_set(c, (f & ~(uint64_t)X86_RF) | (f & iret_rf(c)));
	x86_set_seg_real(c, X86_CS, cs);
	for (unsigned i = 0; i < 5; i++)
		x86_set_seg_real(c, order[i], sel[i]);
	c->gpr[X86_RSP] = sp;
	c->rip = ip;
	x86_mode_update(c);
}

static void iret_task(struct x86_cpu *c, uint64_t next)
{
	uint16_t link;
	struct x86_desc d;

	if (long_mode(c))
		x86_raise_error(c, X86_GP, 0);
	link = x86_sys_ld16(c, c->tr.base);
	if (link & 4)
		raise_sel(c, X86_TS, link);
	desc_need(c, link, &d, X86_TS);
	if (!desc_system(&d) || (desc_type(&d) != SYS_TSS16_BUSY && desc_type(&d) != SYS_TSS32_BUSY))
		raise_sel(c, X86_TS, link);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, link);
	task_switch(c, &d, TASK_IRET, next);
}

static void iret_protected(struct x86_cpu *c, unsigned opsize)
{
	unsigned cpl = x86_cpl(c), iopl = (c->eflags & X86_IOPL) >> 12;
	struct stack s = stack_now(c);
	struct x86_seg cs, ss;
	uint64_t ip = stack_pop(&s, opsize), f, sp;
	uint16_t sel = (uint16_t)stack_pop(&s, opsize);
	bool outer;

	f = stack_pop(&s, opsize);
	if ((f & X86_VM) && opsize == 4 && cpl == 0 && !long_mode(c)) {
		iret_to_vm86(c, &s, ip, sel, f);
		return;
	}
	outer = (sel & 3u) > cpl;
	if (!outer && !(c->mode & X86_MODE_CS64)) {
		cs = return_cs(c, sel, ip);
		stack_commit(&s);
	} else {
		sp = stack_pop(&s, opsize);
		ss.sel = (uint16_t)stack_pop(&s, opsize);
		cs = return_cs(c, sel, ip);
		ss = return_ss(c, ss.sel, &cs);
		set_rsp(c, sp, &cs, &ss, opsize);
		set_ss(c, &ss, cs.sel & 3);
	}
	set_cs(c, &cs, ip);
	iret_flags(c, f, opsize, cpl, iopl);
	if (outer)
		drop_segments(c, cs.sel & 3);
	x86_mode_update(c);
}

void x86_iret(struct x86_cpu *c, unsigned opsize, uint64_t next)
{
	/* Even an IRET that faults ends the time in which NMIs wait. */
	c->nmi_blocked = 0;
	if (c->mode & X86_MODE_VM)
		iret_vm86(c, opsize);
	else if (!(c->mode & X86_MODE_PE))
		iret_real(c, opsize);
	else if (c->eflags & X86_NT)
		iret_task(c, next);
	else
		iret_protected(c, opsize);
}

/* ---- fast system calls -------------------------------------------------------------------- */

static bool is_amd(const struct x86_cpu *c)
{
	return c->model->vendor[0] == 'A' || c->model->vendor[0] == 'H';
}

static struct x86_seg flat_seg(uint16_t sel, unsigned type, unsigned dpl, uint32_t extra)
{
	return (struct x86_seg){ .limit = UINT32_MAX, .sel = sel,
				 .attr = type | SEG_S | SEG_P | dpl << SEG_DPL_SHIFT | SEG_G | extra };
}

/* CS and SS as the fast calls make them: not read from the tables. */
static void set_flat(struct x86_cpu *c, uint16_t cs, uint16_t ss, unsigned cpl, bool code64)
{
	c->seg[X86_CS] = flat_seg((uint16_t)((cs & ~3u) | cpl), FLAT_CODE, cpl, code64 ? SEG_L : SEG_DB);
	c->seg[X86_SS] = flat_seg((uint16_t)((ss & ~3u) | cpl), FLAT_DATA, cpl, SEG_DB);
}

void x86_syscall(struct x86_cpu *c, uint64_t next)
{
	uint16_t cs = (uint16_t)(c->star >> 32);

	if (!(c->efer & EFER_SCE) || (!is_amd(c) && !(c->mode & X86_MODE_CS64)))
		x86_raise(c, X86_UD);
	if (!long_mode(c)) {
		c->gpr[X86_RCX] = (uint32_t)next;
		c->rip = (uint32_t)c->star;
		c->eflags &= ~(uint32_t)(X86_IF | X86_VM | X86_RF);
		set_flat(c, cs, (uint16_t)(cs + 8), 0, false);
		x86_mode_update(c);
		return;
	}
	c->gpr[X86_RCX] = next;
	c->gpr[X86_R11] = x86_flags_get(c) & ~(uint64_t)X86_RF;
	c->rip = c->mode & X86_MODE_CS64 ? c->lstar : c->cstar;
	x86_flags_set(c, x86_flags_get(c) & ~(c->sfmask | X86_RF));
	set_flat(c, cs, (uint16_t)(cs + 8), 0, true);
	x86_mode_update(c);
}

void x86_sysret(struct x86_cpu *c, unsigned opsize)
{
	uint16_t base = (uint16_t)(c->star >> 48);

	if (!(c->efer & EFER_SCE) || (!is_amd(c) && !(c->mode & X86_MODE_CS64)))
		x86_raise(c, X86_UD);
	if (!(c->mode & X86_MODE_PE) || x86_cpl(c) != 0)
		x86_raise_error(c, X86_GP, 0);
	if (!long_mode(c)) {
		c->rip = (uint32_t)c->gpr[X86_RCX];
		c->eflags |= X86_IF;
		set_flat(c, base, (uint16_t)(base + 8), 3, false);
	} else {
		/* Intel checks before it changes anything; AMD lets the user's fetch fault. */
		if (opsize == 8 && !is_amd(c) && !x86_canonical(c, c->gpr[X86_RCX]))
			x86_raise_error(c, X86_GP, 0);
		c->rip = opsize == 8 ? c->gpr[X86_RCX] : (uint32_t)c->gpr[X86_RCX];
		x86_flags_set(c, (c->gpr[X86_R11] & 0x3c7fd7) | 2);
		set_flat(c, (uint16_t)(opsize == 8 ? base + 16 : base), (uint16_t)(base + 8), 3, opsize == 8);
	}
	x86_mode_update(c);
}

void x86_sysenter(struct x86_cpu *c)
{
	uint16_t cs = (uint16_t)c->sysenter_cs;
	bool wide = long_mode(c);

	if (wide && is_amd(c))
		x86_raise(c, X86_UD);
	if (!(c->mode & X86_MODE_PE) || sel_null(cs))
		x86_raise_error(c, X86_GP, 0);
	c->eflags &= ~(uint32_t)(X86_VM | X86_IF | X86_RF);
	c->gpr[X86_RSP] = wide ? c->sysenter_esp : (uint32_t)c->sysenter_esp;
	c->rip = wide ? c->sysenter_eip : (uint32_t)c->sysenter_eip;
	set_flat(c, cs, (uint16_t)((cs & ~3u) + 8), 0, wide);
	x86_mode_update(c);
}

void x86_sysexit(struct x86_cpu *c, unsigned opsize)
{
	uint16_t base = (uint16_t)(c->sysenter_cs & ~3u);
	bool wide = opsize == 8;

	if (long_mode(c) && is_amd(c))
		x86_raise(c, X86_UD);
	if (!(c->mode & X86_MODE_PE) || x86_cpl(c) != 0 || sel_null((uint16_t)c->sysenter_cs))
		x86_raise_error(c, X86_GP, 0);
	if (wide && (!x86_canonical(c, c->gpr[X86_RCX]) || !x86_canonical(c, c->gpr[X86_RDX])))
		x86_raise_error(c, X86_GP, 0);
	c->gpr[X86_RSP] = wide ? c->gpr[X86_RCX] : (uint32_t)c->gpr[X86_RCX];
	c->rip = wide ? c->gpr[X86_RDX] : (uint32_t)c->gpr[X86_RDX];
	set_flat(c, (uint16_t)(base + (wide ? 32 : 16)), (uint16_t)(base + (wide ? 40 : 24)), 3, wide);
	x86_mode_update(c);
}
