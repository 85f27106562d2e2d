/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Task state segments: stacks in them, and task switches (SDM volume 3, chapter 8).
 *
 * A switch has three parts.  Up to the point of commitment every fault belongs
 * to the old task and nothing has changed but memory of the old TSS.  Then all
 * registers change at once, segment registers with selectors only.  What fails
 * afterwards raises #TS, #NP or #SS in the new task.
 */
#include "descriptor.h"

/* ---- stacks in the TSS ---------------------------------------------------- */

noreturn static void tss_fault(struct x86_cpu *c)
{
	raise_sel(c, X86_TS, c->tr.sel);
}

uint64_t tss_field64(struct x86_cpu *c, unsigned offset)
{
	if (offset + 7 > c->tr.limit)
		tss_fault(c);
	return x86_sys_ld64(c, c->tr.base + offset);
}

void tss_stack(struct x86_cpu *c, unsigned cpl, uint16_t *ss, uint64_t *sp)
{
	bool wide = (c->tr.attr & 0xd) == 9;
	unsigned at = wide ? 4 + cpl * 8 : 2 + cpl * 4;

	if (long_mode(c)) {
		*sp = tss_field64(c, 4 + cpl * 8);
		*ss = (uint16_t)cpl;
		return;
	}
	if (at + (wide ? 5 : 3) > c->tr.limit)
		tss_fault(c);
	*sp = wide ? x86_sys_ld32(c, c->tr.base + at) : x86_sys_ld16(c, c->tr.base + at);
	*ss = x86_sys_ld16(c, c->tr.base + at + (wide ? 4 : 2));
}

/* ---- the image --------------------------------------------------------------- */

/* What a switch saves and loads, whatever the TSS's size. */
struct image {
	uint32_t cr3, eip, flags, gpr[8];
	uint16_t seg[X86_SEG_COUNT], ldt;
	bool trap;
};

enum { T32_CR3 = 0x1c, T32_EIP = 0x20, T32_FLAGS = 0x24, T32_GPR = 0x28, T32_SEG = 0x48, T32_LDT = 0x60,
       T32_TRAP = 0x64, T32_LIMIT = 103 };
enum { T16_IP = 0x0e, T16_FLAGS = 0x10, T16_GPR = 0x12, T16_SEG = 0x22, T16_LDT = 0x2a, T16_LIMIT = 43 };

static void image_read32(struct x86_cpu *c, uint64_t at, struct image *t)
{
	t->cr3 = x86_sys_ld32(c, at + T32_CR3);
	t->eip = x86_sys_ld32(c, at + T32_EIP);
	t->flags = x86_sys_ld32(c, at + T32_FLAGS);
	for (unsigned i = 0; i < 8; i++)
		t->gpr[i] = x86_sys_ld32(c, at + T32_GPR + i * 4);
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		t->seg[i] = x86_sys_ld16(c, at + T32_SEG + i * 4);
	t->ldt = x86_sys_ld16(c, at + T32_LDT);
	t->trap = x86_sys_ld16(c, at + T32_TRAP) & 1;
}

static void image_read16(struct x86_cpu *c, uint64_t at, struct image *t)
{
	t->cr3 = (uint32_t)c->cr3;
	t->eip = x86_sys_ld16(c, at + T16_IP);
	t->flags = x86_sys_ld16(c, at + T16_FLAGS);
	for (unsigned i = 0; i < 8; i++)
		t->gpr[i] = x86_sys_ld16(c, at + T16_GPR + i * 2) | 0xffff0000;
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		t->seg[i] = i <= X86_DS ? x86_sys_ld16(c, at + T16_SEG + i * 2) : 0;
	t->ldt = x86_sys_ld16(c, at + T16_LDT);
	t->trap = false;
}

static void st32(struct x86_cpu *c, uint64_t at, uint32_t v)
{
	x86_st32_as(c, at, v, X86_MMU_KERNEL);
}

static void st16(struct x86_cpu *c, uint64_t at, uint16_t v)
{
	x86_st16_as(c, at, v, X86_MMU_KERNEL);
}

static void image_save(struct x86_cpu *c, uint32_t eip, uint32_t flags)
{
	uint64_t at = c->tr.base;

	if ((c->tr.attr & 0xd) == 9) {
		st32(c, at + T32_EIP, eip);
		st32(c, at + T32_FLAGS, flags);
		for (unsigned i = 0; i < 8; i++)
			st32(c, at + T32_GPR + i * 4, (uint32_t)c->gpr[i]);
		for (unsigned i = 0; i < X86_SEG_COUNT; i++)
			st16(c, at + T32_SEG + i * 4, c->seg[i].sel);
		return;
	}
	st16(c, at + T16_IP, (uint16_t)eip);
	st16(c, at + T16_FLAGS, (uint16_t)flags);
	for (unsigned i = 0; i < 8; i++)
		st16(c, at + T16_GPR + i * 2, (uint16_t)c->gpr[i]);
	for (unsigned i = 0; i <= X86_DS; i++)
		st16(c, at + T16_SEG + i * 2, c->seg[i].sel);
}

/* ---- the switch ------------------------------------------------------------------ */

static void busy_set(struct x86_cpu *c, uint64_t at, bool busy)
{
	uint8_t t = x86_sys_ld8(c, at + 5);

	x86_st8_as(c, at + 5, (uint8_t)(busy ? t | 2 : t & ~2), X86_MMU_KERNEL);
}

void task_gate_target(struct x86_cpu *c, uint64_t gate, struct x86_desc *d, unsigned vector_gone)
{
	uint16_t sel = gate_sel(gate);

	if (sel & 4)
		raise_sel(c, X86_GP, sel);
	desc_need(c, sel, d, X86_GP);
	if (!desc_system(d) || (desc_type(d) != SYS_TSS16 && desc_type(d) != SYS_TSS32))
		raise_sel(c, vector_gone, sel);
	if (!desc_present(d))
		raise_sel(c, X86_NP, sel);
}

static void load_ldt(struct x86_cpu *c, uint16_t sel)
{
	struct x86_desc d;

	c->ldt = null_seg(sel, 0);
	if (sel_null(sel))
		return;
	if ((sel & 4) || !desc_read(c, sel, &d) || !desc_system(&d) || desc_type(&d) != SYS_LDT || !desc_present(&d))
		raise_sel(c, X86_TS, sel);
	c->ldt = desc_seg(&d, sel);
}

static void load_cs(struct x86_cpu *c, uint16_t sel)
{
	unsigned rpl = sel & 3;
	struct x86_desc d;

	if (!desc_read(c, sel, &d) || !desc_code(&d) ||
	    (desc_conforming(&d) ? desc_dpl(&d) > rpl : desc_dpl(&d) != rpl))
		raise_sel(c, X86_TS, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, sel);
	desc_mark_accessed(c, &d);
	c->seg[X86_CS] = desc_seg(&d, sel);
}

static void load_data(struct x86_cpu *c, unsigned seg, uint16_t sel, unsigned cpl)
{
	struct x86_desc d;

	if (sel_null(sel))
		return;
	if (!desc_read(c, sel, &d) || desc_system(&d) || (desc_code(&d) && !(desc_attr(&d) & SEG_READABLE)))
		raise_sel(c, X86_TS, sel);
	if (!(desc_code(&d) && desc_conforming(&d)) && (desc_dpl(&d) < (sel & 3u) || desc_dpl(&d) < cpl))
		raise_sel(c, X86_TS, sel);
	if (!desc_present(&d))
		raise_sel(c, X86_NP, sel);
	desc_mark_accessed(c, &d);
	c->seg[seg] = desc_seg(&d, sel);
}

/* Segment registers of the new task; the old ones are gone already. */
static void load_segments(struct x86_cpu *c, const struct image *t)
{
	static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };
	unsigned cpl = t->seg[X86_CS] & 3;

	load_ldt(c, t->ldt);
	if (c->eflags & X86_VM) {
		for (unsigned i = 0; i < X86_SEG_COUNT; i++)
			x86_set_seg_real(c, i, t->seg[i]);
		x86_mode_update(c);
		if (c->rip > 0xffff)
			x86_raise_error(c, X86_GP, 0);
		return;
	}
	c->seg[X86_SS] = stack_seg(c, t->seg[X86_SS], cpl, X86_TS);
	x86_mode_update(c);
	for (unsigned i = 0; i < 4; i++)
		load_data(c, data[i], t->seg[data[i]], cpl);
	load_cs(c, t->seg[X86_CS]);
	x86_mode_update(c);
	if (c->rip > c->seg[X86_CS].limit)
		x86_raise_error(c, X86_GP, 0);
}

/* The point of no return. */
static void commit(struct x86_cpu *c, const struct x86_desc *d, const struct image *t, enum task_how how)
{
	uint32_t flags = t->flags;
	bool wide = desc_type(d) == SYS_TSS32 || desc_type(d) == SYS_TSS32_BUSY;

	c->tr = desc_seg(d, d->sel);
	c->tr.attr |= 2;
	c->cr0 |= CR0_TS;
	if (how == TASK_CALL || how == TASK_GATE)
		flags |= X86_NT;
	x86_flags_set(c, flags);
	for (unsigned i = 0; i < 8; i++)
		c->gpr[i] = t->gpr[i];
	c->rip = t->eip;
	c->cur = NULL;
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		c->seg[i] = null_seg(t->seg[i], t->seg[X86_CS] & 3);
	/* Local breakpoints end with the task. */
	x86_write_dr(c, 7, c->dr[7] & ~(uint64_t)0x55);
	if (wide && (c->cr0 & CR0_PG) && t->cr3 != c->cr3)
		x86_write_cr3(c, t->cr3);
	/* What fails from here on is delivered in the new task. */
	x86_mode_update(c);
}

void task_switch(struct x86_cpu *c, struct x86_desc *d, enum task_how how, uint64_t next)
{
	bool wide = desc_type(d) == SYS_TSS32 || desc_type(d) == SYS_TSS32_BUSY;
	uint32_t flags = (uint32_t)x86_flags_get(c);
	uint64_t at = desc_base(d);
	struct image t;

	if (desc_limit(d) < (wide ? T32_LIMIT : T16_LIMIT))
		raise_sel(c, X86_TS, d->sel);
	if (wide)
		image_read32(c, at, &t);
	else
		image_read16(c, at, &t);
	if (how == TASK_IRET)
		flags &= ~(uint32_t)X86_NT;
	image_save(c, (uint32_t)next, flags);
	if (how == TASK_JMP || how == TASK_IRET)
		busy_set(c, c->gdt.base + (c->tr.sel & ~7u), false);
	else
		st16(c, at, c->tr.sel);
	if (how != TASK_IRET)
		busy_set(c, d->at, true);
	commit(c, d, &t, how);
	load_segments(c, &t);
	if (t.trap)
		x86_raise_debug(c, DR6_BT);
}
