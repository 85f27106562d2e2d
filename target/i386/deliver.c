/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interrupts and exceptions through the IDT (or the real-mode vector table).
 *
 * x86_deliver() runs one attempt under its own jump target.  A fault in the
 * attempt meets the event being delivered in classify(): it takes its place,
 * becomes a double fault, or ends in shutdown (SDM volume 3, table 6-5).
 */
#include <string.h>

#include "descriptor.h"
#include "trace/log.h"

enum { ERROR_EXT = 1, ERROR_IDT = 2 };

/* An attempt: the event and where it enters. */
struct entry {
	const struct x86_event *ev;
	uint64_t gate, gate_upper;
	struct x86_desc cs;
	uint64_t rip;
	unsigned size;          /* bytes of a pushed item */
	bool trap;              /* trap gate: IF stays */
};

static bool soft(const struct x86_event *e)
{
	return e->kind == X86_EV_SOFT;
}

/* RFLAGS as pushed: RF is set for faults, but not for #DB (SDM 18.3.1.1). */
static uint64_t flags_image(const struct x86_cpu *c, const struct x86_event *e)
{
	uint64_t f = x86_flags_get(c);

	return e->kind == X86_EV_FAULT && e->vector != X86_DB ? f | X86_RF : f;
}

static void flags_enter(struct x86_cpu *c, bool keep_if)
{
	c->eflags &= ~(uint32_t)(X86_TF | X86_NT | X86_RF | X86_VM);
	if (!keep_if)
		c->eflags &= ~(uint32_t)X86_IF;
}

/* ---- real mode ------------------------------------------------------------ */

/* Enters the handler of the vector table at linear @table with 16-bit pushes of @flags. */
static void enter_real(struct x86_cpu *c, uint64_t table, unsigned vector, uint16_t flags)
{
	uint32_t far = x86_sys_ld32(c, table + vector * 4);
	struct stack s = stack_now(c);

	stack_push(&s, 2, flags);
	stack_push(&s, 2, c->seg[X86_CS].sel);
	stack_push(&s, 2, c->rip);
	stack_commit(&s);
	x86_set_seg_real(c, X86_CS, (uint16_t)(far >> 16));
	c->rip = (uint16_t)far;
}

static void deliver_real(struct x86_cpu *c, const struct x86_event *e)
{
	if (e->vector * 4u + 3 > c->idt.limit)
		x86_raise_error(c, X86_GP, 0);
	enter_real(c, c->idt.base, e->vector, (uint16_t)flags_image(c, e));
	flags_enter(c, false);
	c->eflags &= ~(uint32_t)X86_AC;
	x86_mode_update(c);
}

/* ---- gates ------------------------------------------------------------------- */

noreturn static void raise_idt(struct x86_cpu *c, unsigned vector, const struct x86_event *e)
{
	x86_raise_error(c, vector, e->vector * 8u | ERROR_IDT);
}

static void gate_fetch(struct x86_cpu *c, struct entry *t)
{
	unsigned size = long_mode(c) ? 16 : 8;
	uint32_t at = t->ev->vector * size;

	if (at + size - 1 > c->idt.limit)
		raise_idt(c, X86_GP, t->ev);
	t->gate = x86_sys_ld64(c, c->idt.base + at);
	t->gate_upper = size == 16 ? x86_sys_ld64(c, c->idt.base + at + 8) : 0;
}

static void gate_check(struct x86_cpu *c, const struct entry *t)
{
	const uint32_t ia32e = 1u << SYS_INT32 | 1u << SYS_TRAP32;
	const uint32_t legacy = ia32e | 1u << SYS_TASK | 1u << SYS_INT16 | 1u << SYS_TRAP16;
	struct x86_desc g = { .v = t->gate };

	if (!desc_system(&g) || !((long_mode(c) ? ia32e : legacy) >> desc_type(&g) & 1))
		raise_idt(c, X86_GP, t->ev);
	if (soft(t->ev) && desc_dpl(&g) < x86_cpl(c))
		raise_idt(c, X86_GP, t->ev);
	if (!desc_present(&g))
		raise_idt(c, X86_NP, t->ev);
}

static void target_check(struct x86_cpu *c, struct entry *t)
{
	uint16_t sel = gate_sel(t->gate);
	unsigned type = (t->gate >> 40) & 0xf;

	if (sel_null(sel))
		x86_raise_error(c, X86_GP, 0);
	desc_need(c, sel, &t->cs, X86_GP);
	if (!desc_code(&t->cs) || desc_dpl(&t->cs) > x86_cpl(c))
		raise_sel(c, X86_GP, sel);
	if (long_mode(c) && (!desc_long(&t->cs) || (desc_attr(&t->cs) & SEG_DB)))
		raise_sel(c, X86_GP, sel);
	t->trap = type == SYS_TRAP16 || type == SYS_TRAP32;
	t->size = long_mode(c) ? 8 : type >= SYS_INT32 ? 4 : 2;
	t->rip = gate_offset(t->gate) | t->gate_upper << 32;
	if (t->size == 2)
		t->rip &= 0xffff;
}

static void push_frame(struct x86_cpu *c, struct stack *s, const struct entry *t)
{
	stack_push(s, t->size, flags_image(c, t->ev));
	stack_push(s, t->size, c->seg[X86_CS].sel);
	stack_push(s, t->size, c->rip);
	if (t->ev->has_error)
		stack_push(s, t->size, t->ev->error);
}

static void enter(struct x86_cpu *c, const struct entry *t, const struct x86_seg *cs)
{
	c->seg[X86_CS] = *cs;
	c->rip = t->rip;
	flags_enter(c, t->trap);
	x86_mode_update(c);
}

static void deliver_same(struct x86_cpu *c, struct entry *t)
{
	struct x86_seg cs = code_seg(c, &t->cs, x86_cpl(c));
	struct stack s = stack_now(c);

	check_rip(c, &cs, t->rip);
	push_frame(c, &s, t);
	stack_commit(&s);
	enter(c, t, &cs);
}

/* Virtual-8086 mode's data segments go onto the stack and become null. */
static void push_vm86_segments(struct x86_cpu *c, struct stack *s, unsigned size)
{
	stack_push(s, size, c->seg[X86_GS].sel);
	stack_push(s, size, c->seg[X86_FS].sel);
	stack_push(s, size, c->seg[X86_DS].sel);
	stack_push(s, size, c->seg[X86_ES].sel);
}

static void drop_vm86_segments(struct x86_cpu *c)
{
	c->seg[X86_GS] = c->seg[X86_FS] = c->seg[X86_DS] = c->seg[X86_ES] = null_seg(0, 0);
}

static void deliver_inner(struct x86_cpu *c, struct entry *t)
{
	unsigned cpl = desc_dpl(&t->cs);
	bool vm = c->eflags & X86_VM;
	struct x86_seg cs, ss;
	struct stack s;
	uint16_t ss_sel;
	uint64_t sp;

	if (vm && cpl != 0)
		raise_sel(c, X86_GP, t->cs.sel);
	tss_stack(c, cpl, &ss_sel, &sp);
	ss = stack_seg(c, ss_sel, cpl, X86_TS);
	cs = code_seg(c, &t->cs, cpl);
	check_rip(c, &cs, t->rip);
	s = stack_new(c, &ss, sp, cpl, false);
	if (vm)
		push_vm86_segments(c, &s, t->size);
	stack_push(&s, t->size, c->seg[X86_SS].sel);
	stack_push(&s, t->size, c->gpr[X86_RSP]);
	push_frame(c, &s, t);
	if (vm)
		drop_vm86_segments(c);
	c->seg[X86_SS] = ss;
	stack_commit(&s);
	enter(c, t, &cs);
}

/* IA-32e mode: always SS:RSP, always aligned, perhaps another stack. */
static void deliver_long(struct x86_cpu *c, struct entry *t)
{
	bool inner = !desc_conforming(&t->cs) && desc_dpl(&t->cs) < x86_cpl(c);
	unsigned cpl = inner ? desc_dpl(&t->cs) : x86_cpl(c), ist = (t->gate >> 32) & 7;
	struct x86_seg cs, ss = inner ? null_seg((uint16_t)cpl, cpl) : c->seg[X86_SS];
	uint64_t sp = c->gpr[X86_RSP];
	struct stack s;
	uint16_t ss_sel;

	if (ist)
		sp = tss_field64(c, 36 + (ist - 1) * 8);
	else if (inner)
		tss_stack(c, cpl, &ss_sel, &sp);
	cs = code_seg(c, &t->cs, cpl);
	check_rip(c, &cs, t->rip);
	s = stack_new(c, &ss, sp & ~15ull, cpl, true);
	s.error = 0;
	stack_push(&s, 8, c->seg[X86_SS].sel);
	stack_push(&s, 8, c->gpr[X86_RSP]);
	push_frame(c, &s, t);
	c->seg[X86_SS] = ss;
	stack_commit(&s);
	enter(c, t, &cs);
}

static void deliver_task(struct x86_cpu *c, const struct entry *t)
{
	bool wide;
	struct x86_desc d;
	struct stack s;

	task_gate_target(c, t->gate, &d, X86_GP);
	wide = desc_type(&d) == SYS_TSS32;
	task_switch(c, &d, TASK_GATE, c->rip);
	if (!t->ev->has_error)
		return;
	s = stack_now(c);
	stack_push(&s, wide ? 4 : 2, t->ev->error);
	stack_commit(&s);
}

static void deliver_gate(struct x86_cpu *c, const struct x86_event *e)
{
	struct entry t = { .ev = e };

	gate_fetch(c, &t);
	gate_check(c, &t);
	if ((t.gate >> 40 & 0xf) == SYS_TASK) {
		deliver_task(c, &t);
		return;
	}
	target_check(c, &t);
	if (long_mode(c))
		deliver_long(c, &t);
	else if (!desc_conforming(&t.cs) && desc_dpl(&t.cs) < x86_cpl(c))
		deliver_inner(c, &t);
	else if (c->eflags & X86_VM)
		raise_sel(c, X86_GP, t.cs.sel);
	else
		deliver_same(c, &t);
}

/* ---- virtual-8086 mode extensions ------------------------------------------------ */

bool x86_vme_redirect(struct x86_cpu *c, unsigned vector, uint64_t next)
{
	unsigned map;
	uint16_t f = (uint16_t)x86_flags_get(c);
	bool iopl3 = (c->eflags & X86_IOPL) == X86_IOPL;

	if (!(c->cr4 & CR4_VME) || (c->tr.attr & 0xd) != 9 || c->tr.limit < 103)
		return false;
	map = x86_sys_ld16(c, c->tr.base + 102);
	if (map < 32 || map - 32 + vector / 8 > c->tr.limit)
		return false;
	if (x86_sys_ld8(c, c->tr.base + map - 32 + vector / 8) >> (vector & 7) & 1)
		return false;
	/* With IOPL < 3 the image shows IOPL 3 and VIF in IF's place. */
	if (!iopl3)
		f = (uint16_t)((f & ~X86_IF) | X86_IOPL | (c->eflags & X86_VIF ? X86_IF : 0));
	c->rip = next;
	enter_real(c, 0, vector, f);
	c->eflags &= ~(uint32_t)(X86_TF | X86_NT | X86_RF | (iopl3 ? X86_IF : X86_VIF));
	x86_mode_update(c);
	return true;
}

/* ---- which event wins ----------------------------------------------------------------- */

static bool contributory(unsigned vector)
{
	return vector == X86_DE || (vector >= X86_TS && vector <= X86_GP);
}

static bool counts(const struct x86_event *e)
{
	return e->kind == X86_EV_FAULT;
}

/* @next arose while delivering @e.  False: shutdown; else @e is what to deliver now. */
static bool classify(struct x86_event *e, const struct x86_event *next)
{
	bool first_pf = counts(e) && e->vector == X86_PFAULT, first_con = counts(e) && contributory(e->vector);
	bool ext = !soft(e);

	if (counts(e) && e->vector == X86_DF_FAULT)
		return false;
	if ((first_con && contributory(next->vector)) ||
	    (first_pf && (contributory(next->vector) || next->vector == X86_PFAULT))) {
		*e = (struct x86_event){ .kind = X86_EV_FAULT, .vector = X86_DF_FAULT, .has_error = true };
		return true;
	}
	*e = *next;
	if (ext && e->vector >= X86_TS && e->vector <= X86_GP)
		e->error |= ERROR_EXT;
	return true;
}

static void deliver_once(struct x86_cpu *c)
{
	const struct x86_event *e = &c->delivering;

	if (log_on(LOG_INT))
		log_print(LOG_INT, "deliver vector %u kind %d error %#x at %#x:%#llx cr2 %#llx\n", e->vector, e->kind,
			  e->has_error ? e->error : 0, c->seg[X86_CS].sel, (unsigned long long)c->rip,
			  (unsigned long long)e->cr2);
	if (e->kind == X86_EV_FAULT && e->vector == X86_PFAULT) {
		c->cr2 = e->cr2;
		X86_COUNT(c, page_faults);
	}
	if (e->kind == X86_EV_FAULT && e->vector == X86_DB) {
		c->dr[6] |= e->dr6;
		c->dr[7] &= ~(uint64_t)DR7_GD;
	}
	if (c->mode & X86_MODE_PE)
		deliver_gate(c, e);
	else
		deliver_real(c, e);
}

/* One attempt: 0 done, 1 a fault is in c->event, 2 a callback stopped us. */
static int attempt(struct x86_cpu *c)
{
	sigjmp_buf here;
	int how;

	c->on_raise = &here;
	how = sigsetjmp(here, 0);
	if (how == 0)
		deliver_once(c);
	return how;
}

/* A fault in delivering INT n points at the INT, not behind it. */
static void step_back(struct x86_cpu *c)
{
	if (c->delivering.kind == X86_EV_SOFT || c->delivering.kind == X86_EV_ICEBP)
		c->rip -= c->delivering.length;
	if (!(c->mode & X86_MODE_CS64))
		c->rip = (uint32_t)c->rip;
}

static bool reported(struct x86_cpu *c, const struct x86_event *e)
{
	return e->kind == X86_EV_FAULT && c->ops->exception && c->ops->exception(c->opaque, e) != X86_OK;
}

/*
 * Leaves the engine with @first to be delivered later.  But INT n happens again, as its instruction does, and so does an
 * exception of which nothing has happened yet (@first NULL).
 */
static bool leave(struct x86_cpu *c, sigjmp_buf *outer, const struct x86_event *first)
{
	c->on_raise = outer;
	if (first && first->kind != X86_EV_SOFT && first->kind != X86_EV_ICEBP)
		c->held = *first;
	c->delivering.kind = X86_EV_NONE;
	if (outer)
		siglongjmp(*outer, 2);
	return true;
}

static bool deliver(struct x86_cpu *c, bool report)
{
	sigjmp_buf *outer = c->on_raise;
	int how;

	c->delivering = c->event;
	if (report && reported(c, &c->delivering))
		return leave(c, outer, NULL);
	while ((how = attempt(c)) != 0) {
		struct x86_event first = c->delivering;

		step_back(c);
		if (how == 2 || reported(c, &c->event))
			return leave(c, outer, &first);
		if (!classify(&c->delivering, &c->event)) {
			c->on_raise = outer;
			c->delivering.kind = X86_EV_NONE;
			return false;
		}
		if (c->delivering.vector == X86_DF_FAULT && reported(c, &c->delivering))
			return leave(c, outer, &first);
	}
	c->on_raise = outer;
	if (c->delivering.kind == X86_EV_NMI)
		c->nmi_blocked = 1;
	c->interrupt_shadow = 0;
	c->delivering.kind = X86_EV_NONE;
	return true;
}

bool x86_deliver(struct x86_cpu *c)
{
	return deliver(c, true);
}

bool x86_deliver_anyway(struct x86_cpu *c)
{
	return deliver(c, false);
}
