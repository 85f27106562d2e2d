/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One row a register, or a run of them.  Those of the processor are put as they come
 * (target/i386/outside.c); whether they fit together is found when the VP is to run
 * (T10.1.2.c).  Those that are MSRs as well go the way of the instruction, whose #GP is the
 * invalid parameter here.
 */
#include "registers.h"

#include <setjmp.h>
#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"
#include "notify.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"

struct row {
	uint32_t first, count;
	uint8_t bits;              /* what is beyond must be 0 in a write (T10.2.3.c) */
	uint32_t msr, step;        /* of the first, and from one to the next; 0: no MSR */
	bool optional;             /* reads as 0 and takes 0 if the MSR is not there */
	/* @n: which of the run. */
	void (*get)(struct vp *vp, unsigned n, struct hv_register_value *v);
	bool (*set)(struct vp *vp, unsigned n, const struct hv_register_value *v);   /* NULL: read-only */
};

/* ---- the way of an instruction that may raise an exception ---- */

struct try {
	uint32_t msr;
	unsigned n;
	uint64_t value;
};

static void try_rdmsr(struct vp *vp, struct try *t)
{
	if (!x86_msr_read(&vp->cpu, t->msr, &t->value) && msr_read(vp, t->msr, &t->value) != X86_OK)
		x86_raise_error(&vp->cpu, X86_GP, 0);
}

static void try_wrmsr(struct vp *vp, struct try *t)
{
	if (!x86_msr_write(&vp->cpu, t->msr, t->value) && msr_write(vp, t->msr, t->value) != X86_OK)
		x86_raise_error(&vp->cpu, X86_GP, 0);
}

static void try_write_dr(struct vp *vp, struct try *t)
{
	x86_write_dr(&vp->cpu, t->n, t->value);
}

static void try_write_tpr(struct vp *vp, struct try *t)
{
	vp->cpu.ops->tpr_write(vp, t->value);
}

/* False: it raised an exception, which nobody sees. */
static bool caught(struct vp *vp, void (*f)(struct vp *vp, struct try *t), struct try *t)
{
	sigjmp_buf *before = vp->cpu.on_raise, here;

	vp->cpu.on_raise = &here;
	if (sigsetjmp(here, 0)) {
		vp->cpu.on_raise = before;
		memset(&vp->cpu.event, 0, sizeof vp->cpu.event);
		return false;
	}
	f(vp, t);
	vp->cpu.on_raise = before;
	return true;
}

/* ---- general, control ---- */

static void get_gpr(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.gpr[n]; }
static void get_rip(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.rip; }
static void get_flags(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = x86_flags_get(&vp->cpu); }
static void get_cr0(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.cr0; }
static void get_cr2(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.cr2; }
static void get_cr3(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.cr3; }
static void get_cr4(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.cr4; }
static void get_cr8(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.ops->tpr_read(vp); }
static void get_xfem(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.xcr0; }
static void get_efer(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.efer; }
static void get_signals(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = atomic_load(&vp->dispatch.signals); }
static void get_apic_id(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.apic_id; }

/* 10.1.6: what CPUID tells; the APIC has its own. */
static bool set_apic_id(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	if (!MUTANT(child_apic_id_fixed))
		vp->cpu.apic_id = (uint32_t)v->low;
	return true;
}

/* Its own writes may be ignored (T30.2.d). */
static void get_misc_enable(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.misc_enable; }

static bool set_misc_enable(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	vp->cpu.misc_enable = v->low;
	return true;
}

static bool set_gpr(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	vp->cpu.gpr[n] = v->low;
	return true;
}

/* RIP and what else the mode decides about: looked at when the VP is to run. */
static bool unsettle(struct vp *vp, bool good)
{
	vp->unsettled |= good;
	return good;
}

static bool set_rip(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	struct x86_cpu *c = &vp->cpu;

	c->rip = v->low;
	/* What a parent writes behind each intercept must not cost a TLB. */
	if (!x86_canonical(c, v->low) || (!(c->mode & X86_MODE_CS64) && v->low >> 32))
		vp->unsettled = true;
	return true;
}

static bool set_flags(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_flags(&vp->cpu, v->low));
}

static bool set_cr0(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_cr0(&vp->cpu, v->low));
}

static bool set_cr2(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	vp->cpu.cr2 = v->low;
	return true;
}

static bool set_cr3(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_cr3(&vp->cpu, v->low));
}

static bool set_cr4(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_cr4(&vp->cpu, v->low));
}

static bool set_cr8(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return caught(vp, try_write_tpr, &(struct try){ .value = v->low });
}

static bool set_xfem(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_xcr0(&vp->cpu, v->low));
}

static bool set_efer(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return unsettle(vp, x86_put_efer(&vp->cpu, v->low));
}

static const uint8_t debug_number[] = { 0, 1, 2, 3, 6, 7 };

static void get_dr(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->cpu.dr[debug_number[n]]; }

static bool set_dr(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	return caught(vp, try_write_dr, &(struct try){ .n = debug_number[n], .value = v->low });
}

/* ---- segments, tables ---- */

static struct x86_seg *segment(struct vp *vp, unsigned n)
{
	return n < X86_SEG_COUNT ? &vp->cpu.seg[n] : n == X86_SEG_COUNT ? &vp->cpu.ldt : &vp->cpu.tr;
}

static void get_segment(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	const struct x86_seg *s = segment(vp, n);
	struct hv_segment_register r = { s->base, s->limit, s->sel, (uint16_t)s->attr };

	if (s->attr & SEG_UNUSABLE)
		r.attributes &= (uint16_t)~SEG_P;
	memcpy(v, &r, sizeof r);
}

static bool set_segment(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	struct hv_segment_register r;

	memcpy(&r, v, sizeof r);
	return unsettle(vp, x86_put_segment(&vp->cpu, segment(vp, n),
					    (struct x86_seg){ r.base, r.limit, r.attributes, r.selector }));
}

static struct x86_table *table(struct vp *vp, unsigned n)
{
	return n ? &vp->cpu.gdt : &vp->cpu.idt;
}

static void get_table(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	const struct x86_table *t = table(vp, n);
	struct hv_table_register r = { .limit = t->limit, .base = t->base };

	memcpy(v, &r, sizeof r);
}

static bool set_table(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	struct hv_table_register r;

	memcpy(&r, v, sizeof r);
	return x86_put_table(&vp->cpu, table(vp, n), (struct x86_table){ r.base, r.limit });
}

/* ---- floating point, vectors ---- */

static void get_vector(struct vp *vp, unsigned n, struct hv_register_value *v) { memcpy(v, &vp->cpu.ymm[n].q[0], 16); }
static void get_high(struct vp *vp, unsigned n, struct hv_register_value *v) { memcpy(v, &vp->cpu.ymm[n].q[2], 16); }

static bool set_vector(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	memcpy(&vp->cpu.ymm[n].q[0], v, 16);
	return true;
}

static bool set_high(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	memcpy(&vp->cpu.ymm[n].q[2], v, 16);
	return true;
}

/* OP-8: in stack order. */
static struct x86_f80 *stack_register(struct vp *vp, unsigned n)
{
	return &vp->cpu.fpu.r[(vp->cpu.fpu.top + n) & 7];
}

static void get_fp(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	v->low = stack_register(vp, n)->frac;
	v->high = stack_register(vp, n)->se;
}

static bool set_fp(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	*stack_register(vp, n) = (struct x86_f80){ v->low, (uint16_t)v->high };
	return true;
}

struct fp_control { uint16_t control, status; uint8_t tag, ignne; uint16_t op; uint64_t rip; };
struct xmm_control { uint64_t rdp; uint32_t mxcsr, mask; };
enum { MXCSR_KNOWN = 0xffff };

static void get_fp_control(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	const struct x86_fpu *f = &vp->cpu.fpu;
	struct fp_control r = { f->fcw, (uint16_t)(f->fsw | f->top << 11), (uint8_t)~f->empty, vp->cpu.ignne, f->fop, f->fip };

	memcpy(v, &r, sizeof r);
}

static bool set_fp_control(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	struct x86_fpu *f = &vp->cpu.fpu;
	struct fp_control r;

	memcpy(&r, v, sizeof r);
	f->fcw = (r.control & 0x1f3f) | 0x40;
	f->top = r.status >> 11 & 7;
	f->fsw = r.status & ~(7 << 11);
	f->empty = (uint8_t)~r.tag;
	f->fop = r.op & 0x7ff;
	f->fip = r.rip;
	vp->cpu.ignne = r.ignne & 1 && !MUTANT(ferr_never_ignored);      /* T10.3.5.c */
	x86_mode_update_fp(&vp->cpu);
	return true;
}

static void get_xmm_control(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	struct xmm_control r = { vp->cpu.fpu.fdp, vp->cpu.mxcsr, MXCSR_KNOWN };

	memcpy(v, &r, sizeof r);
}

static bool set_xmm_control(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	struct xmm_control r;

	memcpy(&r, v, sizeof r);
	if (r.mxcsr & ~(uint32_t)MXCSR_KNOWN)
		return false;                              /* T10.3.5.d */
	vp->cpu.fpu.fdp = r.rdp;
	vp->cpu.mxcsr = r.mxcsr;
	x86_mode_update_fp(&vp->cpu);
	return true;
}

/* ---- interrupts ---- */

static void get_interrupt_state(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	v->low = (vp->cpu.interrupt_shadow ? HV_INTERRUPT_SHADOW : 0) | (vp->cpu.nmi_blocked ? HV_NMI_MASKED : 0);
}

static bool set_interrupt_state(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	if (v->low & ~(HV_INTERRUPT_SHADOW | HV_NMI_MASKED))
		return false;                              /* T10.3.3.e */
	if (!(v->low & HV_INTERRUPT_SHADOW) || MUTANT(register_no_shadow))
		vp->cpu.interrupt_shadow = X86_SHADOW_NONE;
	else if (!vp->cpu.interrupt_shadow)
		vp->cpu.interrupt_shadow = X86_SHADOW_STI;
	vp->cpu.nmi_blocked = (v->low & HV_NMI_MASKED) != 0;
	return true;
}

static void get_pending(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	const struct x86_event *e = &vp->cpu.held;
	uint64_t type = e->kind == X86_EV_EXTERNAL ? HV_INTERRUPTION_INTERRUPT :
			e->kind == X86_EV_NMI ? HV_INTERRUPTION_NMI : HV_INTERRUPTION_EXCEPTION;

	if (e->kind == X86_EV_NONE)
		return;
	v->low = HV_INTERRUPTION_PENDING | type << HV_INTERRUPTION_TYPE_SHIFT |
		 (e->has_error ? HV_INTERRUPTION_DELIVER_ERROR : 0) | (uint64_t)e->vector << HV_INTERRUPTION_VECTOR_SHIFT |
		 (uint64_t)e->error << HV_INTERRUPTION_ERROR_SHIFT;
}

static bool set_pending(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	static const enum x86_event_kind kind[] = {
		[HV_INTERRUPTION_INTERRUPT] = X86_EV_EXTERNAL, [HV_INTERRUPTION_NMI] = X86_EV_NMI,
		[HV_INTERRUPTION_EXCEPTION] = X86_EV_FAULT,
	};
	unsigned type = v->low >> HV_INTERRUPTION_TYPE_SHIFT & HV_INTERRUPTION_TYPE_MASK;
	uint32_t vector = v->low >> HV_INTERRUPTION_VECTOR_SHIFT & 0xffff;

	if (!(v->low & HV_INTERRUPTION_PENDING)) {
		vp->cpu.held = (struct x86_event){ .kind = X86_EV_NONE };   /* T10.3.4.a */
		return true;
	}
	if (type >= G_N_ELEMENTS(kind) || kind[type] == X86_EV_NONE || vector > 255 ||
	    (kind[type] == X86_EV_FAULT && vector > 31))
		return false;
	vp->cpu.held = (struct x86_event){
		.kind = kind[type], .vector = kind[type] == X86_EV_NMI ? 2 : (uint8_t)vector,
		.has_error = v->low & HV_INTERRUPTION_DELIVER_ERROR && kind[type] == X86_EV_FAULT,
		.error = (uint32_t)(v->low >> HV_INTERRUPTION_ERROR_SHIFT), .cr2 = vp->cpu.cr2,
	};
	return true;
}

/* Later revisions: an exception with its parameter; two at most, of which one is ever pending here. */
static void get_event(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	const struct x86_event *e = &vp->cpu.held;

	if (!n && e->kind == X86_EV_EXTERNAL)
		v->low = HV_EVENT_PENDING | HV_EVENT_EXT_INT << HV_EVENT_TYPE_SHIFT | (uint64_t)e->vector << HV_EVENT_EXT_INT_VECTOR_SHIFT;
	if (n || e->kind != X86_EV_FAULT)
		return;
	v->low = HV_EVENT_PENDING | (e->has_error ? HV_EVENT_DELIVER_ERROR : 0) | (uint64_t)e->vector << HV_EVENT_VECTOR_SHIFT |
		 (uint64_t)e->error << HV_EVENT_ERROR_SHIFT;
	v->high = e->vector == X86_PFAULT ? e->cr2 : 0;
}

static bool set_event(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	unsigned type = v->low >> HV_EVENT_TYPE_SHIFT & HV_EVENT_TYPE_MASK;
	uint32_t vector = v->low >> HV_EVENT_VECTOR_SHIFT & 0xffff;

	if (!(v->low & HV_EVENT_PENDING)) {
		if (!n && vp->cpu.held.kind == X86_EV_FAULT)
			vp->cpu.held = (struct x86_event){ .kind = X86_EV_NONE };
		return true;
	}
	if (!n && type == HV_EVENT_EXT_INT && !(v->low >> (HV_EVENT_EXT_INT_VECTOR_SHIFT + 8)) && !v->high) {
		vp->cpu.held = (struct x86_event){ .kind = X86_EV_EXTERNAL, .vector = (uint8_t)(v->low >> HV_EVENT_EXT_INT_VECTOR_SHIFT) };
		return true;
	}
	if (n || type != HV_EVENT_EXCEPTION || vector > 31)
		return false;
	vp->cpu.held = (struct x86_event){
		.kind = X86_EV_FAULT, .vector = (uint8_t)vector, .has_error = v->low & HV_EVENT_DELIVER_ERROR,
		.error = (uint32_t)(v->low >> HV_EVENT_ERROR_SHIFT), .cr2 = vector == X86_PFAULT ? v->high : vp->cpu.cr2,
	};
	return true;
}

static void get_notify(struct vp *vp, unsigned n, struct hv_register_value *v) { v->low = vp->notify; }
static bool set_notify(struct vp *vp, unsigned n, const struct hv_register_value *v) { return notify_set(vp, v->low); }

static void get_activity(struct vp *vp, unsigned n, struct hv_register_value *v)
{
	switch (vp->cpu.activity) {
	case X86_WAIT_SIPI: v->low = HV_ACTIVITY_STARTUP_SUSPEND; break;
	case X86_HALTED: v->low = HV_ACTIVITY_HALT_SUSPEND; break;
	case X86_IDLE: v->low = HV_ACTIVITY_IDLE_SUSPEND; break;
	default: v->low = 0;
	}
}

static bool set_activity(struct vp *vp, unsigned n, const struct hv_register_value *v)
{
	switch (v->low) {
	case 0: vp->cpu.activity = X86_ACTIVE; return true;
	case HV_ACTIVITY_STARTUP_SUSPEND: vp->cpu.activity = X86_WAIT_SIPI; return true;
	case HV_ACTIVITY_HALT_SUSPEND: vp->cpu.activity = X86_HALTED; return true;
	case HV_ACTIVITY_IDLE_SUSPEND: vp->cpu.activity = X86_IDLE; return true;
	default: return false;
	}
}

/* T10.4.3.h: nothing to read, and reading does nothing. */
static void get_nothing(struct vp *vp, unsigned n, struct hv_register_value *v) {}
static bool set_nothing(struct vp *vp, unsigned n, const struct hv_register_value *v) { return true; }

static bool set_msr_of(struct vp *vp, uint32_t msr, uint64_t value)
{
	return caught(vp, try_wrmsr, &(struct try){ .msr = msr, .value = value });
}

static bool set_eoi(struct vp *vp, unsigned n, const struct hv_register_value *v) { return set_msr_of(vp, HV_X64_MSR_EOI, v->low); }
static bool set_eom(struct vp *vp, unsigned n, const struct hv_register_value *v) { return set_msr_of(vp, HV_X64_MSR_EOM, v->low); }

/* ---- the table, ascending ---- */

#define FUNCS(what) .get = get_##what, .set = set_##what
#define MSRS(number, between) .bits = 64, .msr = number, .step = between
/*
 * Of a feature that a partition may lack, as all do that no model here has (MPX, CET, supervisor states).  Hosts
 * that take a VP along read and write all that they know by name, whatever the processor has, and give it all up
 * if one fails; so what is not there is 0 to them.  Another value would be lost, and is refused.
 */
#define OPTIONAL(number, between) MSRS(number, between), .optional = true

static const struct row rows[] = {
	{ HV_REGISTER_INTERNAL_ACTIVITY_STATE, 1, 64, FUNCS(activity) },
	{ HV_REGISTER_PENDING_INTERRUPTION, 1, 64, FUNCS(pending) },
	{ HV_REGISTER_INTERRUPT_STATE, 1, 64, FUNCS(interrupt_state) },
	{ HV_REGISTER_PENDING_EVENT0, 2, 128, FUNCS(event) },
	{ HV_REGISTER_DELIVERABILITY_NOTIFICATIONS, 1, 64, FUNCS(notify) },
	{ HV_REGISTER_RAX, 16, 64, FUNCS(gpr) },
	{ HV_REGISTER_RIP, 1, 64, FUNCS(rip) },
	{ HV_REGISTER_RFLAGS, 1, 64, FUNCS(flags) },
	{ HV_REGISTER_XMM0, 16, 128, FUNCS(vector) },
	{ HV_REGISTER_FP_MMX0, 8, 80, FUNCS(fp) },
	{ HV_REGISTER_FP_CONTROL_STATUS, 1, 128, FUNCS(fp_control) },
	{ HV_REGISTER_XMM_CONTROL_STATUS, 1, 128, FUNCS(xmm_control) },
	{ HV_REGISTER_CR0, 1, 64, FUNCS(cr0) },
	{ HV_REGISTER_CR2, 1, 64, FUNCS(cr2) },
	{ HV_REGISTER_CR3, 1, 64, FUNCS(cr3) },
	{ HV_REGISTER_CR4, 1, 64, FUNCS(cr4) },
	{ HV_REGISTER_CR8, 1, 4, FUNCS(cr8) },
	{ HV_REGISTER_XFEM, 1, 64, FUNCS(xfem) },
	/* Of a VP that intercepts nothing of them, they are the same. */
	{ HV_REGISTER_INTERMEDIATE_CR0, 1, 64, FUNCS(cr0) },
	{ HV_REGISTER_INTERMEDIATE_CR3, 1, 64, FUNCS(cr3) },
	{ HV_REGISTER_INTERMEDIATE_CR4, 1, 64, FUNCS(cr4) },
	{ HV_REGISTER_INTERMEDIATE_CR8, 1, 4, FUNCS(cr8) },
	{ HV_REGISTER_DR0, 6, 64, FUNCS(dr) },
	{ HV_REGISTER_ES, 8, 128, FUNCS(segment) },
	{ HV_REGISTER_IDTR, 2, 128, FUNCS(table) },
	{ HV_REGISTER_TSC, 1, MSRS(0x10, 0) },
	{ HV_REGISTER_EFER, 1, 64, FUNCS(efer) },
	{ HV_REGISTER_KERNEL_GS_BASE, 1, MSRS(0xc0000102, 0) },
	{ HV_REGISTER_APIC_BASE, 1, MSRS(0x1b, 0) },
	{ HV_REGISTER_PAT, 1, MSRS(0x277, 0) },
	{ HV_REGISTER_SYSENTER_CS, 1, MSRS(0x174, 0) },
	{ HV_REGISTER_SYSENTER_RIP, 1, MSRS(0x176, 0) },
	{ HV_REGISTER_SYSENTER_RSP, 1, MSRS(0x175, 0) },
	{ HV_REGISTER_STAR, 4, MSRS(0xc0000081, 1) },
	{ HV_REGISTER_INITIAL_APIC_ID, 1, 32, FUNCS(apic_id) },
	{ HV_REGISTER_MTRR_CAP, 1, MSRS(0xfe, 0) },
	{ HV_REGISTER_MTRR_DEF_TYPE, 1, MSRS(0x2ff, 0) },
	{ HV_REGISTER_MTRR_PHYS_BASE0, 8, MSRS(0x200, 2) },
	{ HV_REGISTER_MTRR_PHYS_MASK0, 8, MSRS(0x201, 2) },
	{ HV_REGISTER_MTRR_FIX64K, 1, MSRS(0x250, 0) },
	{ HV_REGISTER_MTRR_FIX16K, 2, MSRS(0x258, 1) },
	{ HV_REGISTER_MTRR_FIX4K, 8, MSRS(0x268, 1) },
	{ HV_REGISTER_TSC_AUX, 1, OPTIONAL(0xc0000103, 0) },
	{ HV_REGISTER_BNDCFGS, 1, OPTIONAL(0xd90, 0) },
	{ HV_REGISTER_DEBUGCTL, 1, MSRS(0x1d9, 0) },
	{ HV_REGISTER_SPEC_CTRL, 1, OPTIONAL(0x48, 0) },
	{ HV_REGISTER_XSS, 1, OPTIONAL(0xda0, 0) },
	{ HV_REGISTER_U_CET, 1, OPTIONAL(0x6a0, 0) },
	{ HV_REGISTER_S_CET, 1, OPTIONAL(0x6a2, 0) },
	{ HV_REGISTER_SSP, 1, 0, FUNCS(nothing) },   /* no MSR has it */
	{ HV_REGISTER_PL0_SSP, 4, OPTIONAL(0x6a4, 1) },
	{ HV_REGISTER_SSP_TABLE, 1, OPTIONAL(0x6a8, 0) },
	{ HV_REGISTER_TSC_ADJUST, 1, OPTIONAL(0x3b, 0) },
	{ HV_REGISTER_MISC_ENABLE, 1, 64, FUNCS(misc_enable) },
	{ HV_REGISTER_VP_RUNTIME, 1, MSRS(HV_X64_MSR_VP_RUNTIME, 0) },
	{ HV_REGISTER_HYPERCALL, 1, MSRS(HV_X64_MSR_HYPERCALL, 0) },
	{ HV_REGISTER_GUEST_OS_ID, 1, MSRS(HV_X64_MSR_GUEST_OS_ID, 0) },
	{ HV_REGISTER_VP_INDEX, 1, MSRS(HV_X64_MSR_VP_INDEX, 0) },
	{ HV_REGISTER_TIME_REF_COUNT, 1, MSRS(HV_X64_MSR_TIME_REF_COUNT, 0) },
	{ HV_REGISTER_EOI, 1, 64, .get = get_nothing, .set = set_eoi },
	{ HV_REGISTER_ICR, 1, MSRS(HV_X64_MSR_ICR, 0) },
	{ HV_REGISTER_TPR, 1, MSRS(HV_X64_MSR_TPR, 0) },
	{ HV_REGISTER_VP_ASSIST_PAGE, 1, MSRS(HV_X64_MSR_VP_ASSIST_PAGE, 0) },
	{ HV_REGISTER_VP_ROOT_SIGNAL_COUNT, 1, 64, .get = get_signals },
	{ HV_REGISTER_REFERENCE_TSC, 1, MSRS(HV_X64_MSR_REFERENCE_TSC, 0) },
	{ HV_REGISTER_STATS_PARTITION_RETAIL, 4, MSRS(HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE, 1) },
	{ HV_REGISTER_SINT0, 16, MSRS(HV_X64_MSR_SINT0, 1) },
	{ HV_REGISTER_SCONTROL, 1, MSRS(HV_X64_MSR_SCONTROL, 0) },
	{ HV_REGISTER_SVERSION, 1, MSRS(HV_X64_MSR_SVERSION, 0) },
	{ HV_REGISTER_SIEFP, 1, MSRS(HV_X64_MSR_SIEFP, 0) },
	{ HV_REGISTER_SIMP, 1, MSRS(HV_X64_MSR_SIMP, 0) },
	{ HV_REGISTER_EOM, 1, 64, .get = get_nothing, .set = set_eom },
	{ HV_REGISTER_SIRBP, 1, OPTIONAL(HV_X64_MSR_SIRBP, 0) },
	{ HV_REGISTER_STIMER0_CONFIG, 8, MSRS(HV_X64_MSR_STIMER0_CONFIG, 1) },
	{ HV_REGISTER_YMM0_LOW, 16, 128, FUNCS(vector) },
	{ HV_REGISTER_YMM0_HIGH, 16, 128, FUNCS(high) },
};

static const struct row *find(uint32_t name)
{
	unsigned low = 0, high = G_N_ELEMENTS(rows);

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (name < rows[middle].first)
			high = middle;
		else if (name - rows[middle].first >= rows[middle].count)
			low = middle + 1;
		else
			return &rows[middle];
	}
	return NULL;
}

hv_status register_get(struct vp *vp, uint32_t name, struct hv_register_value *v)
{
	const struct row *r = find(name);
	struct try t;

	*v = (struct hv_register_value){ 0 };
	if (!r)
		return HV_STATUS_INVALID_PARAMETER;        /* T10.2.2.b */
	if (r->get) {
		r->get(vp, name - r->first, v);
		return HV_STATUS_SUCCESS;
	}
	t = (struct try){ .msr = r->msr + (name - r->first) * r->step };
	if (!caught(vp, try_rdmsr, &t))
		return r->optional ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
	v->low = t.value;
	return HV_STATUS_SUCCESS;
}

static bool too_wide(const struct row *r, const struct hv_register_value *v)
{
	if (r->bits < 64 && v->low >> r->bits)
		return true;
	return r->bits <= 64 ? v->high != 0 : r->bits < 128 && v->high >> (r->bits - 64);
}

hv_status register_set(struct vp *vp, uint32_t name, const struct hv_register_value *v)
{
	const struct row *r = find(name);
	bool good;

	if (!r || too_wide(r, v) || (!r->set && !r->msr))
		return HV_STATUS_INVALID_PARAMETER;        /* T10.4.4.c, T10.4.4.e */
	good = r->set ? r->set(vp, name - r->first, v) : set_msr_of(vp, r->msr + (name - r->first) * r->step, v->low);
	good |= r->optional && !v->low && !MUTANT(register_not_optional);
	return good ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARAMETER;
}
