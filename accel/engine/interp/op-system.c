/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System instructions: control, debug and model-specific registers, descriptor
 * tables, hints about caches and TLBs, CPUID, time, halt, hypercall.
 * What moves between code segments is in op-far.c.
 */
#include <sys/random.h>

#include "interp.h"

noreturn static void gp(struct x86_cpu *c)
{
	x86_raise_error(c, X86_GP, 0);
}

/* Done; the next instruction is looked up anew. */
static const struct uop *done(struct x86_cpu *c, const struct uop *u)
{
	c->rip = uop_next(c, u);
	return block_exit(c, u);
}

static void answer(struct x86_cpu *c, enum x86_result r)
{
	if (r != X86_OK)
		x86_result_raise(c, r);
}

static uint32_t low32(struct x86_cpu *c, unsigned reg) { return (uint32_t)c->gpr[reg]; }

static void set_zf(struct x86_cpu *c, bool zf)
{
	x86_arith_set(c, (x86_arith_get(c) & ~X86_ZF) | (zf ? X86_ZF : 0));
}

/* User-mode instruction prevention. */
static void check_umip(struct x86_cpu *c)
{
	if ((c->cr4 & CR4_UMIP) && x86_cpl(c) != 0)
		gp(c);
}

/* ---- control registers ------------------------------------------------------- */

OP(mov_from_cr)
{
	uint64_t v;

	switch (u->reg[1]) {
	case 0: v = c->cr0; break;
	case 2: v = c->cr2; break;
	case 3: v = c->cr3; break;
	case 4: v = c->cr4; break;
	case 8: v = c->ops->tpr_read(c->opaque); break;
	default: x86_raise(c, X86_UD);
	}
	op_set(c, u, 0, v);
	return NEXT(u);
}

OP(mov_to_cr)
{
	uint64_t v = op_get(c, u, 1);

	X86_COUNT(c, control);
	switch (u->reg[0]) {
	case 0: x86_write_cr0(c, v); break;
	case 2: c->cr2 = v; break;
	case 3: x86_write_cr3(c, v); break;
	case 4: x86_write_cr4(c, v); break;
	case 8:
		if (v > 15)
			gp(c);
		c->ops->tpr_write(c->opaque, v);
		break;
	default: x86_raise(c, X86_UD);
	}
	return done(c, u);
}

OP(clts)
{
	X86_COUNT(c, control);
	c->cr0 &= ~(uint64_t)CR0_TS;
	x86_mode_update(c);
	return done(c, u);
}

/* Sets PE, MP, EM, TS; cannot clear PE. */
OP(lmsw)
{
	uint64_t v = op_get(c, u, 0) & 0xf;

	X86_COUNT(c, control);
	x86_write_cr0(c, (c->cr0 & ~0xeull) | v);
	return done(c, u);
}

OP(smsw)
{
	check_umip(c);
	op_set(c, u, 0, c->cr0);
	return NEXT(u);
}

OP(xgetbv)
{
	uint64_t v = c->xcr0;

	if (!(c->cr4 & CR4_OSXSAVE))
		x86_raise(c, X86_UD);
	if (low32(c, X86_RCX) == 1 && x86_has(c, F_XGETBV1))
		v = xsave_in_use(c);
	else if (low32(c, X86_RCX) != 0)
		gp(c);
	c->gpr[X86_RAX] = (uint32_t)v;
	c->gpr[X86_RDX] = v >> 32;
	return NEXT(u);
}

OP(xsetbv)
{
	if (!(c->cr4 & CR4_OSXSAVE))
		x86_raise(c, X86_UD);
	if (low32(c, X86_RCX) != 0)
		gp(c);
	x86_write_xcr0(c, (uint64_t)low32(c, X86_RDX) << 32 | low32(c, X86_RAX));
	return done(c, u);
}

/* ---- debug registers ----------------------------------------------------------- */

/* DR4 and DR5 name DR6 and DR7 unless CR4.DE. */
static unsigned debug_register(struct x86_cpu *c, unsigned n)
{
	if (n > 7 || ((n == 4 || n == 5) && (c->cr4 & CR4_DE)))
		x86_raise(c, X86_UD);
	if (c->dr[7] & DR7_GD)
		x86_raise_debug(c, DR6_BD);
	X86_COUNT(c, debug);
	return n == 4 || n == 5 ? n + 2 : n;
}

OP(mov_from_dr)
{
	op_set(c, u, 0, c->dr[debug_register(c, u->reg[1])]);
	return NEXT(u);
}

OP(mov_to_dr)
{
	unsigned n = debug_register(c, u->reg[0]);

	x86_write_dr(c, n, op_get(c, u, 1));
	return done(c, u);
}

/* ---- descriptor tables ------------------------------------------------------------ */

static void table_load(struct x86_cpu *c, const struct uop *u, struct x86_table *t)
{
	bool wide = c->mode & X86_MODE_CS64;
	uint64_t ea = uop_ea(c, u);
	uint16_t limit = x86_ld16(c, x86_linear(c, u->seg, ea, 2, X86_READ));
	uint64_t at = x86_linear(c, u->seg, ea + 2, wide ? 8 : 4, X86_READ);
	uint64_t base = wide ? x86_ld64(c, at) : x86_ld32(c, at);

	if (wide && !x86_canonical(c, base))
		gp(c);
	t->base = wide || u->opsize != 2 ? base : base & 0xffffff;
	t->limit = limit;
}

static void table_store(struct x86_cpu *c, const struct uop *u, const struct x86_table *t)
{
	unsigned n = c->mode & X86_MODE_CS64 ? 8 : 4;
	uint8_t image[10];

	check_umip(c);
	memcpy(image, &t->limit, 2);
	memcpy(image + 2, &t->base, 8);
	x86_write(c, uop_lin(c, u, n + 2, X86_WRITE), image, n + 2);
}

OP(lgdt)
{
	table_load(c, u, &c->gdt);
	return done(c, u);
}

OP(lidt)
{
	table_load(c, u, &c->idt);
	return done(c, u);
}

OP(sgdt)
{
	table_store(c, u, &c->gdt);
	return NEXT(u);
}

OP(sidt)
{
	table_store(c, u, &c->idt);
	return NEXT(u);
}

OP(lldt)
{
	x86_load_ldt(c, (uint16_t)op_get(c, u, 0));
	return done(c, u);
}

OP(ltr)
{
	x86_load_tr(c, (uint16_t)op_get(c, u, 0));
	return done(c, u);
}

OP(sldt)
{
	check_umip(c);
	op_set(c, u, 0, c->ldt.sel);
	return NEXT(u);
}

OP(str)
{
	check_umip(c);
	op_set(c, u, 0, c->tr.sel);
	return NEXT(u);
}

OP(lar)
{
	uint32_t v;
	bool ok = x86_lar(c, (uint16_t)op_get(c, u, 1), &v);

	if (ok)
		op_set(c, u, 0, v);
	set_zf(c, ok);
	return NEXT(u);
}

OP(lsl)
{
	uint32_t v;
	bool ok = x86_lsl(c, (uint16_t)op_get(c, u, 1), &v);

	if (ok)
		op_set(c, u, 0, v);
	set_zf(c, ok);
	return NEXT(u);
}

OP(verr)
{
	set_zf(c, x86_verify(c, (uint16_t)op_get(c, u, 0), X86_READ));
	return NEXT(u);
}

OP(verw)
{
	set_zf(c, x86_verify(c, (uint16_t)op_get(c, u, 0), X86_WRITE));
	return NEXT(u);
}

OP(arpl)
{
	uint16_t d = (uint16_t)op_get(c, u, 0), s = (uint16_t)op_get(c, u, 1);
	bool raise = (d & 3) < (s & 3);

	if (raise)
		op_set(c, u, 0, (d & ~3u) | (s & 3));
	set_zf(c, raise);
	return NEXT(u);
}

/* ---- TLB and caches ------------------------------------------------------------------ */

OP(invlpg)
{
	uint64_t lin = uop_ea(c, u);

	if (!(c->mode & X86_MODE_CS64))
		lin = (uint32_t)(lin + c->seg[u->seg].base);
	else if (u->seg >= X86_FS)
		lin += c->seg[u->seg].base;
	X86_COUNT(c, invlpg);
	x86_tlb_flush_page(c, lin);
	return done(c, u);
}

OP(invpcid)
{
	enum { ADDRESS, CONTEXT, EVERYTHING, ALL_CONTEXTS };
	uint64_t type = op_get(c, u, 0), d[2];

	x86_read(c, uop_lin(c, u, 16, X86_READ), d, 16);
	if (type > ALL_CONTEXTS || d[0] >> 12)
		gp(c);
	if (type <= CONTEXT && !(c->cr4 & CR4_PCIDE) && (d[0] & 0xfff))
		gp(c);
	if (type == ADDRESS && !x86_canonical(c, d[1]))
		gp(c);
	switch (type) {
	case ADDRESS: x86_tlb_flush_pcid_page(c, (unsigned)d[0], d[1]); break;
	case CONTEXT: x86_tlb_flush_pcid(c, (unsigned)d[0]); break;
	case EVERYTHING: x86_tlb_flush(c, X86_FLUSH_ALL); break;
	default: x86_tlb_flush(c, X86_FLUSH_NON_GLOBAL); break;
	}
	return done(c, u);
}

OP(invd) { return NEXT(u); }
OP(wbinvd) { return NEXT(u); }

/* CLFLUSH, CLFLUSHOPT, CLWB fault as a byte load does. */
OP(clflush)
{
	x86_probe_read(c, uop_lin(c, u, 1, X86_READ), 1);
	return NEXT(u);
}

/* ---- model-specific registers ------------------------------------------------------------ */

static void offer_msr(struct x86_cpu *c, uint32_t msr, bool write)
{
	if (unlikely(atomic_load_explicit(&c->msr_offered, memory_order_relaxed)))
		answer(c, c->ops->msr_offer(c->opaque, msr, write));
}

OP(rdmsr)
{
	uint32_t msr = low32(c, X86_RCX);
	uint64_t v = 0;

	offer_msr(c, msr, false);
	if (!x86_msr_read(c, msr, &v))
		answer(c, c->ops->msr_read(c->opaque, msr, &v));
	c->gpr[X86_RAX] = (uint32_t)v;
	c->gpr[X86_RDX] = v >> 32;
	return done(c, u);
}

OP(wrmsr)
{
	uint32_t msr = low32(c, X86_RCX);
	uint64_t v = (uint64_t)low32(c, X86_RDX) << 32 | low32(c, X86_RAX);

	offer_msr(c, msr, true);
	if (!x86_msr_write(c, msr, v))
		answer(c, c->ops->msr_write(c->opaque, msr, v));
	return done(c, u);
}

/* ---- FS and GS bases ------------------------------------------------------------------------ */

static void check_fsgsbase(struct x86_cpu *c)
{
	if (!(c->cr4 & CR4_FSGSBASE))
		x86_raise(c, X86_UD);
}

static const struct uop *read_base(struct x86_cpu *c, const struct uop *u, unsigned seg)
{
	check_fsgsbase(c);
	op_set(c, u, 0, c->seg[seg].base);
	return NEXT(u);
}

static const struct uop *write_base(struct x86_cpu *c, const struct uop *u, unsigned seg)
{
	uint64_t v = op_get(c, u, 0);

	check_fsgsbase(c);
	if (!x86_canonical(c, v))
		gp(c);
	c->seg[seg].base = v;
	return NEXT(u);
}

OP(rdfsbase) { return read_base(c, u, X86_FS); }
OP(rdgsbase) { return read_base(c, u, X86_GS); }
OP(wrfsbase) { return write_base(c, u, X86_FS); }
OP(wrgsbase) { return write_base(c, u, X86_GS); }

OP(swapgs)
{
	uint64_t base = c->seg[X86_GS].base;

	c->seg[X86_GS].base = c->kernel_gs_base;
	c->kernel_gs_base = base;
	return NEXT(u);
}

/* ---- time and identity ------------------------------------------------------------------------ */

static void read_tsc(struct x86_cpu *c)
{
	uint64_t v;

	if ((c->cr4 & CR4_TSD) && x86_cpl(c) != 0)
		gp(c);
	v = c->ops->tsc(c->opaque) + c->tsc_adjust;
	c->gpr[X86_RAX] = (uint32_t)v;
	c->gpr[X86_RDX] = v >> 32;
}

OP(rdtsc)
{
	read_tsc(c);
	return NEXT(u);
}

OP(rdtscp)
{
	read_tsc(c);
	c->gpr[X86_RCX] = (uint32_t)c->tsc_aux;
	return NEXT(u);
}

OP(rdpid)
{
	op_set(c, u, 0, (uint32_t)c->tsc_aux);
	return NEXT(u);
}

/* There are no counters, so every index is a bad one. */
OP(rdpmc)
{
	gp(c);
}

OP(cpuid)
{
	uint32_t leaf = low32(c, X86_RAX), sub = low32(c, X86_RCX), r[4];

	x86_cpuid(c, leaf, sub, r);
	answer(c, c->ops->cpuid(c->opaque, leaf, sub, r));
	c->gpr[X86_RAX] = r[0];
	c->gpr[X86_RBX] = r[1];
	c->gpr[X86_RCX] = r[2];
	c->gpr[X86_RDX] = r[3];
	return done(c, u);
}

static const struct uop *random_value(struct x86_cpu *c, const struct uop *u)
{
	uint64_t v = 0;
	bool ok = getrandom(&v, sizeof v, 0) == (ssize_t)sizeof v;

	op_set(c, u, 0, ok ? v : 0);
	x86_arith_set(c, ok ? X86_CF : 0);
	return NEXT(u);
}

OP(rdrand) { return random_value(c, u); }
OP(rdseed) { return random_value(c, u); }

/* ---- waiting, hypercall ------------------------------------------------------------------------- */

OP(hlt)
{
	if (c->ops->halt)
		answer(c, c->ops->halt(c->opaque));
	c->activity = X86_HALTED;
	return done(c, u);
}

OP(monitor)
{
	uint64_t lin = x86_linear(c, u->seg, c->gpr[X86_RAX], 1, X86_READ);

	if (low32(c, X86_RCX))
		gp(c);
	x86_probe_read(c, lin, 1);
	c->monitor_gpa = x86_debug_translate(c, lin);
	c->monitor_armed = true;
	return done(c, u);
}

/*
 * Stores to the monitored line are not watched, so MWAIT must not sleep: it
 * wakes at once, which the architecture allows at any time.  Models that offer
 * MONITOR pay with a busy idle loop; `default` does not offer it.
 */
OP(mwait)
{
	if (low32(c, X86_RCX) & ~1u)
		gp(c);
	c->monitor_armed = false;
	X86_COUNT(c, mwait);
	return done(c, u);
}

OP(vmcall)
{
	c->rip = uop_rip(c, u);
	answer(c, c->ops->hypercall(c->opaque));
	return done(c, u);
}

OP(rsm)
{
	/* There is no system management mode. */
	x86_raise(c, X86_UD);
}

/* ---- AC and IF -------------------------------------------------------------------------------------- */

OP(clac)
{
	c->eflags &= ~(uint32_t)X86_AC;
	x86_mode_update(c);
	return NEXT(u);
}

OP(stac)
{
	c->eflags |= X86_AC;
	x86_mode_update(c);
	return NEXT(u);
}

/* Virtual IF in place of IF: VME in virtual-8086 mode, PVI at CPL 3. */
static bool virtual_if(const struct x86_cpu *c)
{
	if (c->mode & X86_MODE_VM)
		return c->cr4 & CR4_VME;
	return (c->cr4 & CR4_PVI) && x86_cpl(c) == 3;
}

OP(cli)
{
	if (c->mode & X86_MODE_IOPL)
		c->eflags &= ~(uint32_t)X86_IF;
	else if (virtual_if(c))
		c->eflags &= ~(uint32_t)X86_VIF;
	else
		gp(c);
	return NEXT(u);
}

OP(sti)
{
	if (c->mode & X86_MODE_IOPL) {
		if (!(c->eflags & X86_IF)) {
			c->eflags |= X86_IF;
			c->interrupt_shadow = X86_SHADOW_STI;
			return done(c, u);
		}
	} else if (virtual_if(c) && !(c->eflags & X86_VIP)) {
		c->eflags |= X86_VIF;
	} else {
		gp(c);
	}
	return NEXT(u);
}

/* ---- ports ------------------------------------------------------------------------------------------- */

OP(in)
{
	uint16_t port = (uint16_t)op_get(c, u, 1);
	uint32_t v = 0;

	x86_check_io(c, port, u->size[0]);
	answer(c, c->ops->io_read(c->opaque, port, u->size[0], &v));
	op_set(c, u, 0, v);
	return NEXT(u);
}

OP(out)
{
	uint16_t port = (uint16_t)op_get(c, u, 0);

	x86_check_io(c, port, u->size[1]);
	answer(c, c->ops->io_write(c->opaque, port, u->size[1], (uint32_t)op_get(c, u, 1)));
	return done(c, u);
}
