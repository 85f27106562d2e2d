/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tiny 64-bit machine around an engine, and its state in and out.  Exceptions go
 * through a real IDT to one stub address per vector, on a stack of their own.
 */
#include <glib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "case.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"

enum { PAGES = 64, REGISTERS_AT = offsetof(struct x86_cpu, seg), REGISTERS = offsetof(struct x86_cpu, ymm) - REGISTERS_AT };
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
	struct { uint64_t lin, gpa; } mapped[16];
	unsigned mappings;
	uint8_t *pristine;                /* of ram, behind guest_new() */
	uint8_t registers[REGISTERS];     /* the same of the processor: system registers */
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
static void no_code_changed(void *o, struct x86_code_page *c) { }
static void nothing(void *o) { }

static const struct x86_ops ops = {
	.page = op_page, .mmio_read = no_mmio_read, .mmio_write = no_mmio_write, .bad_fetch = no_fetch, .io_read = no_in,
	.io_write = no_out, .msr_read = no_msr_read, .msr_write = no_msr_write, .cpuid = plain_cpuid, .hypercall = no_hypercall,
	.interrupt = no_interrupt, .tpr_read = no_tpr, .tpr_write = no_tpr_write, .tsc = no_tsc, .code_marked = no_code_marked, .code_changed = no_code_changed,
	.exclusive_begin = nothing, .exclusive_end = nothing, .work = nothing, .init_taken = nothing,
};

/* ---- page tables ---- */

enum { PT_P = 1, PT_W = 2, PT_U = 4, PT_AD = 0x60 };
#define PT_NX (1ull << 63)

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
	g_assert_cmpuint(g->mappings, <, G_N_ELEMENTS(g->mapped));
	g->mapped[g->mappings].lin = lin;
	g->mapped[g->mappings++].gpa = page;
	return page;
}

static void put_gates(uint8_t *idt)
{
	for (unsigned v = 0; v < 256; v++) {
		uint32_t at = HANDLERS + 16 * v;
		uint32_t gate[4] = { 0x8 << 16 | (at & 0xffff), (at & 0xffff0000) | 0xee01, 0, 0 };

		memcpy(idt + 16 * v, gate, 16);
	}
}

static void put_descriptors(uint8_t *gdt, uint8_t *tss)
{
	static const uint64_t d[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0, 0x00cffb000000ffff, 0x00cff3000000ffff,
				      0x00affb000000ffff };
	uint64_t stack = STACK + 4096;

	memcpy(gdt, d, sizeof d);
	memcpy(tss + 36, &stack, 8);            /* IST1: also from CPL 0 whatever RSP is */
	tss[0x66] = 0x68;                       /* no I/O bitmap within the limit */
}

struct guest *guest_new(const struct engine *engine)
{
	struct guest *g = g_new0(struct guest, 1);
	GError *e = NULL;
	uint64_t idt, gdt, tss;

	g->ram = g_aligned_alloc0(PAGES, 4096, 4096);
	g->used = 2;
	for (unsigned i = 0; i < CODE_PAGES; i++)
		map(g, CODE + 4096 * i, PT_W | PT_U);
	memset(g->ram + map(g, STUB, PT_U), 0xcc, 4096);
	for (unsigned i = 0; i < DATA_PAGES; i++)
		map(g, DATA + 4096 * i, PT_W | PT_U | PT_NX);
	map(g, DATA_RO, PT_U | PT_NX);
	memset(g->ram + map(g, HANDLERS, PT_W), 0xf4, 4096);
	idt = map(g, IDT, PT_W);
	gdt = map(g, GDT, PT_W);
	tss = map(g, TSS, PT_W);
	map(g, STACK, PT_W);
	put_gates(g->ram + idt);
	put_descriptors(g->ram + gdt, g->ram + tss);
	g->model = x86_model_parse("max", NULL, NULL, &e);
	g_assert_no_error(e);
	g->cpu = engine_place(sizeof *g->cpu, false);
	g_assert_nonnull(g->cpu);
	x86_init(g->cpu, &ops, g, g->model, 0, &(const struct x86_topology){ 1, 1 });
	x86_reset(g->cpu, X86_RESET_POWER_ON);
	memcpy(g->registers, (uint8_t *)g->cpu + REGISTERS_AT, REGISTERS);
	g->pristine = g_memdup2(g->ram, g->used * 4096);
	g->engine = engine;
	g_assert_true(engine->attach(g->cpu, NULL));
	return g;
}

void guest_free(struct guest *g)
{
	g->engine->detach(g->cpu);
	engine_unplace(g->cpu, sizeof *g->cpu);
	g_aligned_free(g->ram);
	g_free(g->pristine);
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
	memcpy(fx + 6, &f->fop, 2);
	memcpy(fx + 8, &f->fip, 8);
	memcpy(fx + 16, &f->fdp, 8);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(fx + 32 + 16 * i, &f->r[(f->top + i) & 7].frac, 8);
		memcpy(fx + 40 + 16 * i, &f->r[(f->top + i) & 7].se, 2);
	}
	memcpy(fx + 24, &c->mxcsr, 4);
}

void guest_load(struct guest *g, const struct state *in, bool wide, unsigned cpl)
{
	struct x86_cpu *c = g->cpu;
	uint16_t ss = cpl ? 0x2b : 0x10;

	memcpy((uint8_t *)c + REGISTERS_AT, g->registers, REGISTERS);
	c->watch_data = c->watch_io = c->watch_hit = 0;
	c->nmi_blocked = 0;
	memcpy(c->gpr, in->gpr, sizeof in->gpr);
	memcpy(c->ymm, in->ymm, sizeof c->ymm);
	load_x87(c, in->fx);
	x86_flags_set(c, in->rflags);
	c->rip = in->rip;
	c->cr0 = CR0_PE | CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_ET | CR0_AM;
	c->cr3 = 0x1000;
	c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_PGE;
	c->efer = EFER_LMA | EFER_LME | EFER_SCE | EFER_NXE;
	c->xcr0 = 7;
	c->cr2 = 0;
	set_seg(&c->seg[X86_CS], cpl ? (wide ? 0x33 : 0x23) : 0x8, (wide ? 0xa09b : 0xc09b) | cpl << SEG_DPL_SHIFT);
	set_seg(&c->seg[X86_SS], ss, 0xc093 | cpl << SEG_DPL_SHIFT);
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
}

uint8_t *guest_at(struct guest *g, uint64_t lin)
{
	for (unsigned i = 0; i < g->mappings; i++) {
		if ((lin & ~4095ull) == g->mapped[i].lin)
			return g->ram + g->mapped[i].gpa + (lin & 4095);
	}
	return NULL;
}

/* A fault ended at a stub of HANDLERS: what the exception frame says. */
static void read_frame(struct guest *g, struct outcome *o)
{
	struct x86_cpu *c = g->cpu;
	uint64_t frame[6], *f = frame, size = STACK + 4096 - c->gpr[X86_RSP];

	o->vector = (int)((c->rip - HANDLERS) / 16);
	if (size != 40 && size != 48)
		return;
	memcpy(frame, guest_at(g, c->gpr[X86_RSP]), size);
	if (size == 48)
		o->error = (uint32_t)*f++;
	o->state.rip = f[0];
	o->cs = (uint16_t)f[1];
	o->state.rflags = f[2];
	o->state.gpr[X86_RSP] = f[3];
}

void guest_save(struct guest *g, struct outcome *o)
{
	struct x86_cpu *c = g->cpu;

	memcpy(o->state.gpr, c->gpr, sizeof o->state.gpr);
	memcpy(o->state.ymm, c->ymm, sizeof o->state.ymm);
	save_x87(c, o->state.fx);
	o->state.rip = c->rip;
	o->state.rflags = x86_flags_get(c);
	o->cs = c->seg[X86_CS].sel;
	o->cr2 = c->cr2;
	if (c->rip >= HANDLERS && c->rip < HANDLERS + 4096)
		read_frame(g, o);
}

void guest_fresh(struct guest *g)
{
	memcpy(g->ram, g->pristine, g->used * 4096);
	g->engine->forget(g->cpu);
	memset(g->code, 0, sizeof g->code);
	x86_tlb_flush(g->cpu, X86_FLUSH_ALL);
	atomic_store(&g->cpu->pending, 0);
}

void guest_write(struct guest *g, uint64_t lin, const void *from, size_t n)
{
	uint8_t *to = guest_at(g, lin);
	struct x86_code_page *code = &g->code[(size_t)(to - g->ram) >> 12];

	memcpy(to, from, n);
	if (x86_code_written(code, lin & 4095, n)) {
		x86_pend(g->cpu, X86_PEND_CODE | X86_PEND_CODE_ALL);
		x86_code_told(code);
	}
}

struct x86_cpu *guest_cpu(struct guest *g) { return g->cpu; }
const struct engine *guest_engine(struct guest *g) { return g->engine; }
