/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A processor with 4 MiB of RAM and nothing else, for tests of engines: no
 * interrupt controller, ports and MSRs that answer 0.
 *
 * In 64-bit mode the first 4 MiB are mapped one to one with 4 KiB pages, and
 * each vector's handler is a HLT at HANDLERS + vector * 16.
 */
#ifndef TESTS_FAKECPU_H
#define TESTS_FAKECPU_H

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "target/i386/segment.h"

enum {
	RAM_SIZE = 4 << 20, RAM_PAGES = RAM_SIZE / 4096,
	PML4 = 0x1000, PDPT = 0x2000, PD = 0x3000, PT = 0x4000 /* two pages */,
	GDT = 0x6000, IDT = 0x7000, HANDLERS = 0x8000, CODE = 0x10000, DATA = 0x20000,
	STACK = 0x40000,
};

struct fake {
	struct x86_cpu *c;
	uint8_t *ram;
	struct x86_code_page code[RAM_PAGES];
	struct x86_model model;
	const struct engine *engine;
	int vector;              /* what ops->interrupt answers next */
	unsigned exclusive, marked, works;
	uint16_t port;
	uint32_t port_value;
	bool stop_port;          /* port reads answer X86_STOP */
	bool stop_mmio;          /* so do stores outside RAM */
};

static bool fake_page(void *o, uint64_t gpa, struct x86_page *p)
{
	struct fake *f = o;

	if (gpa >= RAM_SIZE)
		return false;
	*p = (struct x86_page){ f->ram + gpa, X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC, &f->code[gpa >> 12] };
	return true;
}
static enum x86_result fake_mmio_read(void *o, uint64_t gpa, unsigned n, uint64_t *v)
{
	*v = UINT64_MAX;
	return X86_OK;
}
static enum x86_result fake_mmio_write(void *o, uint64_t gpa, unsigned n, uint64_t v)
{
	return ((struct fake *)o)->stop_mmio ? X86_STOP : X86_OK;
}
static enum x86_result fake_bad_fetch(void *o, uint64_t gpa) { return X86_FAULT_GP; }
static enum x86_result fake_io_read(void *o, uint16_t port, unsigned n, uint32_t *v)
{
	struct fake *f = o;

	*v = f->port_value++;
	return f->stop_port ? X86_STOP : X86_OK;
}
static enum x86_result fake_io_write(void *o, uint16_t port, unsigned n, uint32_t v)
{
	struct fake *f = o;

	f->port = port;
	f->port_value = v;
	return X86_OK;
}
static enum x86_result fake_msr_read(void *o, uint32_t msr, uint64_t *v) { return X86_FAULT_GP; }
static enum x86_result fake_msr_write(void *o, uint32_t msr, uint64_t v) { return X86_FAULT_GP; }
static enum x86_result fake_cpuid(void *o, uint32_t leaf, uint32_t sub, uint32_t r[4]) { return X86_OK; }
static enum x86_result fake_hypercall(void *o) { return X86_FAULT_UD; }
static int fake_interrupt(void *o)
{
	struct fake *f = o;
	int v = f->vector;

	f->vector = -1;
	return v;
}
static uint64_t fake_tpr_read(void *o) { return 0; }
static void fake_tpr_write(void *o, uint64_t v) { }
static uint64_t fake_tsc(void *o) { return 0; }
static void fake_code_marked(void *o, struct x86_code_page *p) { ((struct fake *)o)->marked++; }
static void fake_code_changed(void *o, struct x86_code_page *p) { }
/* As a device would say it, who has nobody to tell. */
static inline void fake_written(struct x86_code_page *code, unsigned offset, size_t n)
{
	if (x86_code_written(code, offset, n))
		x86_code_told(code);
}
static void fake_exclusive(void *o) { ((struct fake *)o)->exclusive++; }
static void fake_exclusive_end(void *o) { }
static void fake_work(void *o) { ((struct fake *)o)->works++; }
static void fake_init_taken(void *o) { }

static const struct x86_ops fake_ops = {
	.page = fake_page, .mmio_read = fake_mmio_read, .mmio_write = fake_mmio_write,
	.bad_fetch = fake_bad_fetch, .io_read = fake_io_read, .io_write = fake_io_write,
	.msr_read = fake_msr_read, .msr_write = fake_msr_write, .cpuid = fake_cpuid,
	.hypercall = fake_hypercall, .interrupt = fake_interrupt, .tpr_read = fake_tpr_read,
	.tpr_write = fake_tpr_write, .tsc = fake_tsc, .code_marked = fake_code_marked, .code_changed = fake_code_changed,
	.exclusive_begin = fake_exclusive, .exclusive_end = fake_exclusive_end, .work = fake_work,
	.init_taken = fake_init_taken,
};

static inline void put64(struct fake *f, uint64_t at, uint64_t v) { memcpy(f->ram + at, &v, 8); }
static inline uint64_t get64(const struct fake *f, uint64_t at)
{
	uint64_t v;

	memcpy(&v, f->ram + at, 8);
	return v;
}

static struct fake *fake_new(void)
{
	struct fake *f = calloc(1, sizeof *f);

	f->ram = aligned_alloc(4096, RAM_SIZE);
	memset(f->ram, 0, RAM_SIZE);
	f->c = engine_place(sizeof *f->c, false);
	g_assert_nonnull(f->c);
	memset(f->model.features, 0xff, sizeof f->model.features);
	f->model.phys_bits = 40;
	f->model.virt_bits = 48;
	f->vector = -1;
	x86_init(f->c, &fake_ops, f, &f->model, 0, &(const struct x86_topology){ 1, 1 });
	x86_reset(f->c, X86_RESET_POWER_ON);
	f->engine = engine_find(g_getenv("TEST_ENGINE") ? g_getenv("TEST_ENGINE") : "interp");
	g_assert_true(f->engine->attach(f->c, NULL));
	return f;
}

static void fake_free(struct fake *f)
{
	f->engine->detach(f->c);
	engine_unplace(f->c, sizeof *f->c);
	free(f->ram);
	free(f);
}

static void fake_tables(struct fake *f)
{
	unsigned i;

	put64(f, PML4, PDPT | 7);
	put64(f, PDPT, PD | 7);
	put64(f, PD, PT | 7);
	put64(f, PD + 8, (PT + 4096) | 7);
	for (i = 0; i < RAM_PAGES; i++)
		put64(f, PT + i * 8, i * 4096u | 7);
	put64(f, GDT + 8, 0x00af9b000000ffff);
	put64(f, GDT + 16, 0x00cf93000000ffff);
	for (i = 0; i < 256; i++) {
		uint32_t to = HANDLERS + i * 16;

		put64(f, IDT + i * 16, (to & 0xffff) | 8u << 16 | 0x8e00ull << 32 | (uint64_t)(to >> 16) << 48);
		f->ram[to] = 0xf4;
	}
}

/* 64-bit mode, CPL 0, RIP at CODE, RSP at STACK, RDI and RSI in DATA. */
static void fake_long(struct fake *f)
{
	struct x86_cpu *c = f->c;
	unsigned i;

	fake_tables(f);
	c->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_MP | CR0_WP | CR0_PG;
	c->cr3 = PML4;
	c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	c->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	c->gdt = (struct x86_table){ GDT, 23 };
	c->idt = (struct x86_table){ IDT, 4095 };
	for (i = 0; i < X86_SEG_COUNT; i++)
		c->seg[i] = (struct x86_seg){ 0, UINT32_MAX, SEG_P | SEG_S | 3 | SEG_DB | SEG_G, 16 };
	c->seg[X86_CS] = (struct x86_seg){ 0, UINT32_MAX, SEG_P | SEG_S | SEG_CODE | 3 | SEG_L | SEG_G, 8 };
	memset(c->gpr, 0, sizeof c->gpr);
	c->gpr[X86_RSP] = STACK;
	c->gpr[X86_RSI] = DATA;
	c->gpr[X86_RDI] = DATA + 0x1000;
	c->rip = CODE;
	c->activity = X86_ACTIVE;
	x86_tlb_flush(c, X86_FLUSH_ALL);
	x86_mode_update(c);
}

#endif
