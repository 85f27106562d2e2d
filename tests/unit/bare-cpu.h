/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A processor without an engine: 16 MiB of memory at 0 and nothing else, for tests of the
 * processor library.  Device accesses are counted and answer 0x5a bytes.
 */
#ifndef TESTS_UNIT_BARE_CPU_H
#define TESTS_UNIT_BARE_CPU_H

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "target/i386/flags.h"
#include "target/i386/mem.h"
#include "target/i386/model.h"
#include "target/i386/segment.h"

enum { FAKE_RAM = 16 << 20 };

struct fake {
	struct x86_cpu *c;
	struct x86_model *model;
	uint8_t *ram;
	struct x86_code_page code[FAKE_RAM / 4096];
	sigjmp_buf raised;
	uint64_t mmio_gpa;
	unsigned mmio_count, mmio_size, read_only_page;
};

static bool fake_page(void *o, uint64_t gpa, struct x86_page *p)
{
	struct fake *f = o;

	if (gpa >= FAKE_RAM)
		return false;
	*p = (struct x86_page){ .host = f->ram + gpa, .rights = X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC,
				.code = &f->code[gpa >> 12] };
	if (f->read_only_page && gpa >> 12 == f->read_only_page)
		p->rights &= ~(uint32_t)X86_PAGE_WRITE;
	return true;
}

static void fake_note(struct fake *f, uint64_t gpa, unsigned size)
{
	f->mmio_gpa = gpa;
	f->mmio_size = size;
	f->mmio_count++;
}

static enum x86_result fake_mmio_read(void *o, uint64_t gpa, unsigned size, uint64_t *v)
{
	fake_note(o, gpa, size);
	*v = 0x5a5a5a5a5a5a5a5a;
	return X86_OK;
}

static enum x86_result fake_mmio_write(void *o, uint64_t gpa, unsigned size, uint64_t v)
{
	fake_note(o, gpa, size);
	return X86_OK;
}

static enum x86_result fake_bad_fetch(void *o, uint64_t gpa) { return X86_FAULT_GP; }
static uint64_t fake_tsc(void *o) { return 1000; }

static void fake_code_changed(void *o, struct x86_code_page *p) { }
static const struct x86_ops fake_ops = {
	.code_changed = fake_code_changed,
	.page = fake_page, .mmio_read = fake_mmio_read, .mmio_write = fake_mmio_write,
	.bad_fetch = fake_bad_fetch, .tsc = fake_tsc,
};

static struct fake *fake_new(const char *cpu)
{
	struct fake *f = g_new0(struct fake, 1);
	size_t size = (sizeof *f->c + 63) & ~(size_t)63;

	f->model = x86_model_parse(cpu, NULL, NULL, NULL);
	g_assert_nonnull(f->model);
	f->ram = aligned_alloc(4096, FAKE_RAM);
	memset(f->ram, 0, FAKE_RAM);
	f->c = aligned_alloc(64, size);
	memset(f->c, 0, size);
	x86_init(f->c, &fake_ops, f, f->model, 0, &(const struct x86_topology){ 1, 1 });
	x86_reset(f->c, X86_RESET_POWER_ON);
	f->c->on_raise = &f->raised;
	return f;
}

static void fake_free(struct fake *f)
{
	x86_model_free(f->model);
	free(f->ram);
	free(f->c);
	g_free(f);
}

static inline void put32(struct fake *f, uint64_t at, uint32_t v) { memcpy(f->ram + at, &v, 4); }
static inline void put64(struct fake *f, uint64_t at, uint64_t v) { memcpy(f->ram + at, &v, 8); }
static inline uint32_t get32(struct fake *f, uint64_t at) { uint32_t v; memcpy(&v, f->ram + at, 4); return v; }
static inline uint64_t get64(struct fake *f, uint64_t at) { uint64_t v; memcpy(&v, f->ram + at, 8); return v; }

/* Runs @code; true if it raised, with the event in c->event. */
#define RAISES(f, code)                                                          \
	(sigsetjmp((f)->raised, 0) ? true : ((void)(code), false))

#define assert_fault(f, code, v, e)                                              \
	do {                                                                     \
		g_assert_true(RAISES(f, code));                                  \
		g_assert_cmpint((f)->c->event.vector, ==, (v));                  \
		g_assert_cmphex((f)->c->event.error, ==, (e));                   \
	} while (0)
#define assert_runs(f, code) g_assert_false(RAISES(f, code))

#endif
