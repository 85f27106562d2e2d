/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a case in the interpreter: a tiny 64-bit machine whose page tables put
 * the test's areas at the addresses that they have natively.  Exceptions go
 * through a real IDT to one stub address per vector.
 */
#include <glib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "case.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"

enum { PAGES = 64 };
#define HANDLERS HARNESS
#define IDT (HARNESS + 0x1000)
#define GDT (HARNESS + 0x3000)
#define TSS (HARNESS + 0x4000)
#define STACK (HARNESS + 0x5000)

struct guest {
	const struct engine *engine;
	struct x86_cpu *cpu;
	struct x86_model *model;
	uint8_t *ram;                     /* PAGES pages */
	unsigned used;                    /* pages handed out */
	struct x86_code_page code[PAGES];
};

/* ---- outside ---- */

static bool op_page(void *o, uint64_t gpa, struct x86_page *p)
{
	struct guest *g = o;

	if (gpa >> 12 >= PAGES)
		return false;
	p->host = g->ram + gpa;
	p->rights = X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC;
	p->code = &g->code[gpa >> 12];
	return true;
}

static enum x86_result no_mmio_read(void *o, uint64_t gpa, unsigned size, uint64_t *v) { *v = 0; return X86_OK; }
static enum x86_result no_mmio_write(void *o, uint64_t gpa, unsigned size, uint64_t v) { return X86_OK; }
static enum x86_result no_fetch(void *o, uint64_t gpa) { return X86_STOP; }
static enum x86_result no_in(void *o, uint16_t port, unsigned size, uint32_t *v) { *v = 0; return X86_OK; }
static enum x86_result no_out(void *o, uint16_t port, unsigned size, uint32_t v) { return X86_OK; }
static enum x86_result no_msr_read(void *o, uint32_t msr, uint64_t *v) { return X86_FAULT_GP; }
static enum x86_result no_msr_write(void *o, uint32_t msr, uint64_t v) { return X86_FAULT_GP; }
static enum x86_result plain_cpuid(void *o, uint32_t leaf, uint32_t sub, uint32_t r[4]) { return X86_OK; }
static enum x86_result no_hypercall(void *o) { return X86_FAULT_UD; }
static int no_interrupt(void *o) { return -1; }
static uint64_t no_tpr(void *o) { return 0; }
static void no_tpr_write(void *o, uint64_t v) { }
static uint64_t no_tsc(void *o) { return 0; }
static void no_code_marked(void *o, struct x86_code_page *c) { }
static void no_code_changed(void *o) { }
static void nothing(void *o) { }

static const struct x86_ops ops = {
	.page = op_page, .mmio_read = no_mmio_read, .mmio_write = no_mmio_write, .bad_fetch = no_fetch, .io_read = no_in,
	.io_write = no_out, .msr_read = no_msr_read, .msr_write = no_msr_write, .cpuid = plain_cpuid, .hypercall = no_hypercall,
	.interrupt = no_interrupt, .tpr_read = no_tpr, .tpr_write = no_tpr_write, .tsc = no_tsc, .code_marked = no_code_marked, .code_changed = no_code_changed,
	.exclusive_begin = nothing, .exclusive_end = nothing, .work = nothing, .init_taken = nothing,
};

/* ---- page tables ---- */

enum { PT_P = 1, PT_W = 2, PT_U = 4, PT_AD = 0x60 };

static uint64_t new_page(struct guest *g)
{
	g_assert_cmpuint(g->used, <, PAGES);
	return (uint64_t)g->used++ << 12;
}

static uint64_t *entry(struct guest *g, uint64_t table, unsigned index) { return (uint64_t *)(g->ram + table) + index; }

static uint64_t map(struct guest *g, uint64_t lin, uint64_t flags)
{
	uint64_t table = 0x1000, page = new_page(g);

	for (int level = 3; level > 0; level--) {
		uint64_t *e = entry(g, table, lin >> (12 + 9 * level) & 511);

		if (!*e)
			*e = new_page(g) | PT_P | PT_W | PT_U | PT_AD;
		table = *e & ~4095ull;
	}
	*entry(g, table, lin >> 12 & 511) = page | flags | PT_P | PT_AD;
	return page;
}

static void put_gates(uint8_t *idt)
{
	for (unsigned v = 0; v < 256; v++) {
		uint32_t at = HANDLERS + 16 * v;
		uint32_t gate[4] = { 0x8 << 16 | (at & 0xffff), (at & 0xffff0000) | 0xee00, 0, 0 };

		memcpy(idt + 16 * v, gate, 16);
	}
}

static void put_descriptors(uint8_t *gdt, uint8_t *tss)
{
	static const uint64_t d[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0x00cffb000000ffff, 0x00cff3000000ffff,
				      0x00affb000000ffff };
	uint64_t stack = STACK + 4096;

	memcpy(gdt, d, sizeof d);
	memcpy(tss + 4, &stack, 8);
	tss[0x66] = 0x68;                       /* no I/O bitmap within the limit */
}

struct guest *guest_new(const struct engine *engine)
{
	struct guest *g = g_new0(struct guest, 1);
	GError *e = NULL;
	uint64_t idt, gdt, tss;

	g->ram = g_aligned_alloc0(PAGES, 4096, 4096);
	g->used = 2;
	map(g, CODE, PT_W | PT_U);
	for (unsigned i = 0; i < DATA_PAGES; i++)
		map(g, DATA + 4096 * i, PT_W | PT_U);
	map(g, DATA_RO, PT_U);
	map(g, HANDLERS, PT_W);
	idt = map(g, IDT, PT_W);
	gdt = map(g, GDT, PT_W);
	tss = map(g, TSS, PT_W);
	map(g, STACK, PT_W);
	put_gates(g->ram + idt);
	put_descriptors(g->ram + gdt, g->ram + tss);
	g->model = x86_model_parse("max", NULL, NULL, &e);
	g_assert_no_error(e);
	g->cpu = engine_place(sizeof *g->cpu);
	g_assert_nonnull(g->cpu);
	x86_init(g->cpu, &ops, g, g->model, 0, &(const struct x86_topology){ 1, 1 });
	x86_reset(g->cpu, X86_RESET_POWER_ON);
	g->engine = engine;
	g_assert_true(engine->attach(g->cpu, NULL));
	return g;
}

void guest_free(struct guest *g)
{
	g->engine->detach(g->cpu);
	engine_unplace(g->cpu, sizeof *g->cpu);
	g_aligned_free(g->ram);
	x86_model_free(g->model);
	g_free(g);
}

/* ---- state in and out ---- */

static void set_seg(struct x86_seg *s, uint16_t sel, uint32_t attr)
{
	*s = (struct x86_seg){ .sel = sel, .limit = UINT32_MAX, .attr = attr };
}

static void load_x87(struct x86_cpu *c, const uint8_t *fx)
{
	struct x86_fpu *f = &c->fpu;
	uint16_t fsw;

	memcpy(&f->fcw, fx, 2);
	memcpy(&fsw, fx + 2, 2);
	f->top = fsw >> 11 & 7;
	f->fsw = fsw & ~0x3800;
	f->empty = (uint8_t)~fx[4];
	f->fop = f->fcs = f->fds = 0;
	f->fip = f->fdp = 0;
	for (unsigned i = 0; i < 8; i++) {
		struct x86_f80 *r = &f->r[(f->top + i) & 7];

		memcpy(&r->frac, fx + 32 + 16 * i, 8);
		memcpy(&r->se, fx + 40 + 16 * i, 2);
	}
	memcpy(&c->mxcsr, fx + 24, 4);
}

static void save_x87(const struct x86_cpu *c, uint8_t *fx)
{
	const struct x86_fpu *f = &c->fpu;
	uint16_t fsw = (uint16_t)(f->fsw | f->top << 11);

	memset(fx, 0, 512);
	memcpy(fx, &f->fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	fx[4] = (uint8_t)~f->empty;
	for (unsigned i = 0; i < 8; i++) {
		memcpy(fx + 32 + 16 * i, &f->r[(f->top + i) & 7].frac, 8);
		memcpy(fx + 40 + 16 * i, &f->r[(f->top + i) & 7].se, 2);
	}
	memcpy(fx + 24, &c->mxcsr, 4);
}

static void load(struct guest *g, const struct test_case *t)
{
	struct x86_cpu *c = g->cpu;
	bool wide = t->mode == CASE_64;

	memcpy(c->gpr, t->in.gpr, sizeof t->in.gpr);
	memcpy(c->ymm, t->in.ymm, sizeof c->ymm);
	load_x87(c, t->in.fx);
	x86_flags_set(c, t->in.rflags);
	c->rip = CODE_AT;
	c->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_ET | CR0_AM;
	c->cr3 = 0x1000;
	c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PGE;
	c->efer = EFER_LMA | EFER_LME | EFER_SCE | EFER_NXE;
	c->xcr0 = 7;
	c->cr2 = 0;
	set_seg(&c->seg[X86_CS], wide ? 0x33 : 0x23, wide ? 0xaffb & 0xf0ff : 0xcffb & 0xf0ff);
	set_seg(&c->seg[X86_SS], 0x2b, 0xc0f3);
	set_seg(&c->seg[X86_DS], wide ? 0 : 0x2b, 0xc0f3);
	set_seg(&c->seg[X86_ES], wide ? 0 : 0x2b, 0xc0f3);
	set_seg(&c->seg[X86_FS], 0, 0xc0f3);
	set_seg(&c->seg[X86_GS], 0, 0xc0f3);
	c->tr = (struct x86_seg){ .sel = 0x40, .base = TSS, .limit = 0x67, .attr = 0x8b };
	c->gdt = (struct x86_table){ GDT, 0x3f };
	c->idt = (struct x86_table){ IDT, 0xfff };
	c->interrupt_shadow = 0;
	c->activity = X86_ACTIVE;
	c->mode = 0;
	x86_mode_update(c);
	c->mode |= 0;
}

/* Guest memory by the test's page tables; NULL in holes. */
static uint8_t *at(struct guest *g, uint64_t lin)
{
	uint64_t gpa = x86_debug_translate(g->cpu, lin);

	return gpa == UINT64_MAX ? NULL : g->ram + gpa;
}

static void copy_window(struct guest *g, uint64_t window, uint8_t *bytes, bool in)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t lin = window + i;
		uint8_t *p = at(g, lin);
		bool ro = lin >= DATA_RO && lin < DATA_RO + 4096;

		if (p && in && !ro)
			*p = bytes[i];
		else if (!in)
			bytes[i] = p ? *p : 0;
	}
}

static bool has_error_code(unsigned vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* A fault ended at a stub of HANDLERS: what the exception frame says. */
static void read_frame(struct guest *g, struct outcome *o)
{
	struct x86_cpu *c = g->cpu;
	uint64_t frame[6], *f = frame;

	o->vector = (int)((c->rip - HANDLERS) / 16);
	memcpy(frame, at(g, c->gpr[X86_RSP]), has_error_code((unsigned)o->vector) ? 48 : 40);
	if (has_error_code((unsigned)o->vector))
		o->error = (uint32_t)*f++;
	o->cr2 = c->cr2;
	o->state.rip = f[0];
	o->state.rflags = f[2];
	o->state.gpr[X86_RSP] = f[3];
}

/* Instructions that do not jump, in an engine whose step() would not use its translator. */
static bool runs_to_trap(const struct guest *g, const struct test_case *t)
{
	return g->engine != &engine_interp && t->mode == CASE_64 && !(t->in.rflags & X86_TF) &&
	       !(t->insn.row->attrs & (ROW_BRANCH | ROW_END));
}

/*
 * By run() instead of step(): the block is the instruction and the INT3 behind it.  A
 * handler halts at once; what INT3 has done is undone.
 */
static enum x86_run run_to_trap(struct guest *g, const struct test_case *t)
{
	struct x86_cpu *c = g->cpu;
	enum x86_run r;
	uint64_t frame[5];

	memset(at(g, HANDLERS), 0xf4, 4096);
	r = g->engine->run(c);
	if (r != X86_RUN_HALTED)
		return r;
	c->activity = X86_ACTIVE;
	c->rip--;
	if (c->rip != HANDLERS + 16 * X86_BP)
		return r;
	memcpy(frame, at(g, c->gpr[X86_RSP]), sizeof frame);
	if (frame[0] != CODE_AT + t->len + 1)
		return r;
	c->rip = CODE_AT + t->len;
	c->gpr[X86_RSP] = frame[3];
	x86_flags_set(c, frame[2]);
	return r;
}

void guest_run(struct guest *g, struct test_case *t)
{
	struct x86_cpu *c = g->cpu;
	struct outcome *o = &t->ours;
	enum x86_run r;
	unsigned steps = 0;

	memset(o, 0, sizeof *o);
	o->vector = -1;
	load(g, t);
	x86_tlb_flush(c, X86_FLUSH_ALL);
	memcpy(at(g, CODE_AT), t->code, 16);
	memset(at(g, CODE_AT) + t->len, 0xcc, 16);
	g->engine->forget(c);
	copy_window(g, t->window, t->in.memory, true);
	/* A repeated string instruction may take several steps. */
	do
		r = runs_to_trap(g, t) ? run_to_trap(g, t) : g->engine->step(c);
	while (c->rip == CODE_AT && r != X86_RUN_SHUTDOWN && ++steps < 1000);
	memcpy(o->state.gpr, c->gpr, sizeof o->state.gpr);
	memcpy(o->state.ymm, c->ymm, sizeof o->state.ymm);
	save_x87(c, o->state.fx);
	o->state.rip = c->rip;
	o->state.rflags = x86_flags_get(c);
	if (r == X86_RUN_SHUTDOWN)
		o->vector = -2;
	else if (c->rip >= HANDLERS && c->rip < HANDLERS + 4096)
		read_frame(g, o);
	copy_window(g, t->window, o->state.memory, false);
	copy_window(g, t->window, (uint8_t[WINDOW]){ 0 }, true);
	o->ran = true;
}
