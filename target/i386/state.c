/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Life of a processor: reset values (SDM volume 3, 9.1), the mode key that
 * engines put into their block keys, and the ways out of an instruction.
 */
#include <string.h>

#include "target/i386/cpu.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"

enum { ATTR_DATA = 0x93, ATTR_CODE = 0x9b, ATTR_LDT = 0x82, ATTR_TSS_BUSY = 0x8b };

/* Bits that number @n things. */
static unsigned bits_for(uint32_t n)
{
	return n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 0;
}

uint32_t x86_apic_id(const struct x86_topology *t, uint32_t index)
{
	uint32_t thread = index % t->threads, core = index / t->threads % t->cores, package = index / t->threads / t->cores;

	return thread | core << bits_for(t->threads) | package << (bits_for(t->threads) + bits_for(t->cores));
}

void x86_init(struct x86_cpu *c, const struct x86_ops *ops, void *opaque,
	      const struct x86_model *model, uint32_t index, const struct x86_topology *topology)
{
	c->ops = ops;
	c->opaque = opaque;
	c->model = model;
	c->index = index;
	c->apic_id = x86_apic_id(topology, index);
	c->topology = *topology;
	for (unsigned m = 0; m < X86_MMU_COUNT; m++) {
		for (unsigned i = 0; i < X86_TLB_SIZE; i++) {
			struct x86_tlb_entry *t = &c->tlb[m][i];

			t->read = t->write = t->exec = x86_tlb_no_tag(i);
			c->tlb_back[m][i].page = X86_TLB_INVALID;
		}
	}
}

static void seg_reset(struct x86_seg *s, uint32_t attr)
{
	*s = (struct x86_seg){ .limit = 0xffff, .attr = attr };
}

static void segments_reset(struct x86_cpu *c)
{
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		seg_reset(&c->seg[i], ATTR_DATA);
	c->seg[X86_CS] = (struct x86_seg){ .base = 0xffff0000, .limit = 0xffff, .attr = ATTR_CODE, .sel = 0xf000 };
	seg_reset(&c->ldt, ATTR_LDT);
	seg_reset(&c->tr, ATTR_TSS_BUSY);
	c->gdt = c->idt = (struct x86_table){ .limit = 0xffff };
}

/* What survives INIT: x87 and vector state, TSC, MTRRs, MCA and most MSRs. */
static void power_on(struct x86_cpu *c)
{
	memset(&c->fpu, 0, sizeof c->fpu);
	c->fpu.fcw = 0x40;
	c->ignne = false;
	memset(c->ymm, 0, sizeof c->ymm);
	c->mxcsr = 0x1f80;
	c->xcr0 = 1;
	c->xss = 0;
	c->cr0 = CR0_CD | CR0_NW;
	c->star = c->lstar = c->cstar = c->sfmask = c->kernel_gs_base = 0;
	c->tsc_aux = c->tsc_adjust = 0;
	c->sysenter_cs = c->sysenter_esp = c->sysenter_eip = 0;
	c->pat = 0x0007040600070406;
	/* Fast strings on; branch trace and precise event store not there. */
	c->misc_enable = 1 | 1 << 11 | 1 << 12;
	c->spec_ctrl = 0;
	c->mtrr_def_type = 0;
	memset(c->mtrr_fixed, 0, sizeof c->mtrr_fixed);
	memset(c->mtrr_var, 0, sizeof c->mtrr_var);
	c->mcg_status = 0;
	c->mcg_ctl = 0;
	memset(c->mc_bank, 0, sizeof c->mc_bank);
}

void x86_reset(struct x86_cpu *c, enum x86_reset how)
{
	memset(c->gpr, 0, sizeof c->gpr);
	c->gpr[X86_RDX] = x86_model_signature(c->model);
	x86_flags_set(c, 2);
	c->rip = 0xfff0;
	c->cur = NULL;
	segments_reset(c);
	if (how == X86_RESET_POWER_ON)
		power_on(c);
	/* INIT leaves the cache bits of CR0 as they are. */
	c->cr0 = (c->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
	c->cr2 = c->cr3 = c->cr4 = c->efer = 0;
	memset(c->pdpte, 0, sizeof c->pdpte);
	memset(c->dr, 0, sizeof c->dr);
	c->dr[6] = 0xffff0ff0;
	c->dr[7] = 0x400;
	c->watch_data = c->watch_io = c->watch_hit = 0;
	c->interrupt_shadow = 0;
	c->nmi_blocked = 0;
	c->monitor_armed = false;
	memset(&c->event, 0, sizeof c->event);
	memset(&c->delivering, 0, sizeof c->delivering);
	memset(&c->held, 0, sizeof c->held);
	/* The boot processor starts at the reset vector, the others wait for it. */
	c->activity = c->index == 0 ? X86_ACTIVE : X86_WAIT_SIPI;
	x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}

void x86_sipi(struct x86_cpu *c, uint8_t vector)
{
	if (c->activity != X86_WAIT_SIPI)
		return;
	c->seg[X86_CS].sel = (uint16_t)(vector << 8);
	c->seg[X86_CS].base = (uint32_t)vector << 12;
	c->rip = 0;
	c->activity = X86_ACTIVE;
	x86_mode_update(c);
}

/* ---- mode key ------------------------------------------------------------ */

static bool seg_flat(const struct x86_seg *s, uint32_t type_mask, uint32_t type)
{
	return s->base == 0 && s->limit == UINT32_MAX &&
	       (s->attr & (SEG_UNUSABLE | SEG_P | SEG_S | type_mask)) == (SEG_P | SEG_S | type);
}

static bool all_flat(const struct x86_cpu *c)
{
	const uint32_t data = SEG_CODE | SEG_EXPAND_DOWN | SEG_WRITABLE;

	return seg_flat(&c->seg[X86_CS], SEG_CODE | SEG_READABLE, SEG_CODE | SEG_READABLE) &&
	       seg_flat(&c->seg[X86_DS], data, SEG_WRITABLE) &&
	       seg_flat(&c->seg[X86_ES], data, SEG_WRITABLE) &&
	       seg_flat(&c->seg[X86_SS], data, SEG_WRITABLE);
}

static uint32_t mode_of_segments(const struct x86_cpu *c)
{
	uint32_t cs = c->seg[X86_CS].attr, m = 0;

	if (c->eflags & X86_VM)
		return X86_MODE_VM | X86_MODE_PE;
	if (c->cr0 & CR0_PE)
		m |= X86_MODE_PE;
	if (c->efer & EFER_LMA)
		m |= X86_MODE_LMA;
	if ((m & X86_MODE_LMA) && (cs & SEG_L))
		return m | X86_MODE_CS64 | X86_MODE_SS32;
	if (cs & SEG_DB)
		m |= X86_MODE_CS32;
	if (c->seg[X86_SS].attr & SEG_DB)
		m |= X86_MODE_SS32;
	if ((m & X86_MODE_PE) && all_flat(c))
		m |= X86_MODE_FLAT;
	return m;
}

static uint32_t mode_of_units(const struct x86_cpu *c, uint32_t m)
{
	bool no = c->cr0 & (CR0_EM | CR0_TS);
	uint32_t r = 0;

	if (no)
		r |= X86_MODE_NO_X87;
	if (no || !(c->cr4 & CR4_OSFXSR))
		r |= X86_MODE_NO_SSE;
	if ((c->cr0 & CR0_TS) || !(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6 ||
	    !(m & X86_MODE_PE) || (m & X86_MODE_VM))
		r |= X86_MODE_NO_AVX;
	return r;
}

void x86_mode_update(struct x86_cpu *c)
{
	uint32_t old = c->mode, m = mode_of_segments(c);
	/* SS.DPL is the CPL in every mode: 0 after reset, 3 in virtual-8086 mode. */
	unsigned cpl = (c->seg[X86_SS].attr & SEG_DPL) >> SEG_DPL_SHIFT;

	m |= cpl | mode_of_units(c, m);
	if ((c->eflags & X86_TF) || (c->dr[7] & 0xff) || c->debug_step || c->debug_break_count)
		m |= X86_MODE_STEP;
	if (cpl <= (c->eflags & X86_IOPL) >> 12)
		m |= X86_MODE_IOPL;
	if (cpl == 3 && (c->cr0 & CR0_AM) && (c->eflags & X86_AC))
		m |= X86_MODE_AC;
	c->mode = m;
	x86_mode_update_fp(c);
	if (cpl == 3)
		c->mmu = X86_MMU_USER;
	else
		c->mmu = (c->cr4 & CR4_SMAP) && !(c->eflags & X86_AC) ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC;
	/* With checks on, no tag may hit: every access then comes to the slow path. */
	if ((old ^ m) & X86_MODE_AC)
		x86_tlb_flush(c, X86_FLUSH_ALL);
}

/* ---- raising --------------------------------------------------------------- */

noreturn static void raise_event(struct x86_cpu *c, const struct x86_event *e)
{
	c->event = *e;
	assert(c->on_raise);
	siglongjmp(*c->on_raise, 1);
}

void x86_raise(struct x86_cpu *c, unsigned vector)
{
	raise_event(c, &(struct x86_event){ .kind = X86_EV_FAULT, .vector = (uint8_t)vector });
}

void x86_raise_error(struct x86_cpu *c, unsigned vector, uint32_t error)
{
	raise_event(c, &(struct x86_event){ .kind = X86_EV_FAULT, .vector = (uint8_t)vector,
					    .has_error = true, .error = error });
}

void x86_raise_pf(struct x86_cpu *c, uint64_t lin, uint32_t error)
{
	raise_event(c, &(struct x86_event){ .kind = X86_EV_FAULT, .vector = X86_PFAULT,
					    .has_error = true, .error = error, .cr2 = lin });
}

void x86_raise_debug(struct x86_cpu *c, uint64_t dr6)
{
	raise_event(c, &(struct x86_event){ .kind = X86_EV_FAULT, .vector = X86_DB, .dr6 = dr6 });
}

void x86_raise_noncanonical(struct x86_cpu *c, uint64_t lin)
{
	raise_event(c, &(struct x86_event){ .kind = X86_EV_FAULT, .vector = X86_GP,
					    .has_error = true, .noncanonical = true, .cr2 = lin });
}

void x86_raise_soft(struct x86_cpu *c, unsigned vector, enum x86_event_kind kind)
{
	raise_event(c, &(struct x86_event){ .kind = kind, .vector = (uint8_t)vector,
					    .length = c->event.length });
}

void x86_result_raise(struct x86_cpu *c, enum x86_result r)
{
	assert(r != X86_OK);
	if (r == X86_FAULT_GP)
		x86_raise_error(c, X86_GP, 0);
	if (r == X86_FAULT_UD)
		x86_raise(c, X86_UD);
	c->stop_cause = r;
	assert(c->on_raise);
	siglongjmp(*c->on_raise, 2);
}
