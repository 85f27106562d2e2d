/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page walks of every form, faults, accessed and dirty bits, TLB, code frames. */
#include "bare-cpu.h"

enum { P = 1, W = 2, U = 4, A = 1 << 5, D = 1 << 6, PS = 1 << 7, G = 1 << 8 };
enum { ROOT = 0x1000, T3 = 0x2000, T2 = 0x3000, T1 = 0x4000, T4 = 0x5000, DATA = 0x200000 };
#define NX (1ull << 63)

static void set_cpl(struct fake *f, unsigned cpl)
{
	f->c->seg[X86_SS].attr = (f->c->seg[X86_SS].attr & ~(uint32_t)SEG_DPL) | cpl << SEG_DPL_SHIFT;
	x86_mode_update(f->c);
}

/* 4-level tables that map linear 0x400000 + 4096 * i to DATA + 4096 * i, user and writable. */
static struct fake *long_new(const char *cpu, uint64_t cr4)
{
	struct fake *f = fake_new(cpu);
	struct x86_cpu *c = f->c;

	put64(f, ROOT, T3 | P | W | U);
	put64(f, T3, T2 | P | W | U);
	put64(f, T2 + 2 * 8, T1 | P | W | U);
	for (unsigned i = 0; i < 512; i++)
		put64(f, T1 + i * 8, (DATA + i * 4096) | P | W | U);
	c->cr3 = ROOT;
	x86_write_efer(c, EFER_LME | EFER_NXE | EFER_SCE);
	x86_write_cr4(c, CR4_PAE | cr4);
	x86_write_cr0(c, CR0_PG | CR0_PE | CR0_WP | CR0_ET);
	c->seg[X86_CS].attr = SEG_L | SEG_P | SEG_S | SEG_CODE | SEG_READABLE;
	x86_mode_update(c);
	g_assert_true(c->mode & X86_MODE_CS64);
	return f;
}

static void test_off(void)
{
	struct fake *f = fake_new("max");

	x86_st32(f->c, 0x12345, 0xdeadbeef);
	g_assert_cmphex(get32(f, 0x12345), ==, 0xdeadbeef);
	x86_st64(f->c, 0x12ffc, 0x1122334455667788);
	g_assert_cmphex(x86_ld64(f->c, 0x12ffc), ==, 0x1122334455667788);
	g_assert_cmphex(get64(f, 0x12ffc), ==, 0x1122334455667788);
	fake_free(f);
}

static void test_long(void)
{
	struct fake *f = long_new("max", 0);

	put64(f, DATA + 8, 42);
	g_assert_cmpint(x86_ld64(f->c, 0x400008), ==, 42);
	g_assert_cmphex(get64(f, ROOT), ==, (T3 | P | W | U | A));
	g_assert_cmphex(get64(f, T1), ==, (DATA | P | W | U | A));
	x86_st8(f->c, 0x400009, 1);
	g_assert_cmphex(get64(f, T1), ==, (DATA | P | W | U | A | D));
	/* Directories never get dirty. */
	g_assert_cmphex(get64(f, T2 + 16), ==, (T1 | P | W | U | A));
	assert_fault(f, x86_ld8(f->c, 0x600123), X86_PFAULT, 0);
	g_assert_cmphex(f->c->event.cr2, ==, 0x600123);
	assert_fault(f, x86_st8(f->c, 0x600123, 0), X86_PFAULT, 2);
	fake_free(f);
}

static void test_rights(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;
	bool global;

	put64(f, T1, DATA | P);
	put64(f, T1 + 8, (DATA + 4096) | P | U);
	put64(f, T1 + 16, (DATA + 8192) | P | W | U | NX);
	assert_fault(f, x86_st8(c, 0x400000, 1), X86_PFAULT, 3);
	x86_write_cr0(c, c->cr0 & ~(uint64_t)CR0_WP);
	assert_runs(f, x86_st8(c, 0x400000, 1));
	x86_write_cr0(c, c->cr0 | CR0_WP);
	set_cpl(f, 3);
	assert_fault(f, x86_ld8(c, 0x400000), X86_PFAULT, 5);
	assert_fault(f, x86_st8(c, 0x401000, 1), X86_PFAULT, 7);
	assert_runs(f, x86_ld8(c, 0x401000));
	assert_fault(f, x86_fetch_page(c, 0x402000, &global), X86_PFAULT, 0x15);
	assert_runs(f, x86_fetch_page(c, 0x401000, &global));
	/* Descriptor tables are read as the supervisor. */
	assert_runs(f, x86_sys_ld64(c, 0x400000));
	/* A fault must leave the entry's dirty bit alone. */
	g_assert_false(get64(f, T1 + 8) & D);
	fake_free(f);
}

static void test_smep_smap(void)
{
	struct fake *f = long_new("max", CR4_SMEP | CR4_SMAP);
	struct x86_cpu *c = f->c;
	bool global;

	assert_fault(f, x86_ld8(c, 0x400000), X86_PFAULT, 1);
	assert_fault(f, x86_fetch_page(c, 0x400000, &global), X86_PFAULT, 0x11);
	c->eflags |= X86_AC;
	x86_mode_update(c);
	assert_runs(f, x86_ld8(c, 0x400000));
	/* AC does not help implicit accesses. */
	assert_fault(f, x86_sys_ld8(c, 0x400000), X86_PFAULT, 1);
	fake_free(f);
}

static void test_reserved(void)
{
	struct fake *f = long_new("max,phys-bits=40", 0);

	put64(f, T1, DATA | 1ull << 40 | P | W);
	assert_fault(f, x86_ld8(f->c, 0x400000), X86_PFAULT, 9);
	put64(f, T2 + 16, 0x202000 | P | W | PS);
	assert_fault(f, x86_ld8(f->c, 0x400000), X86_PFAULT, 9);
	put64(f, T2 + 16, T1 | P | W);
	put64(f, ROOT, T3 | P | W | PS);
	assert_fault(f, x86_ld8(f->c, 0x400000), X86_PFAULT, 9);
	fake_free(f);
}

static void test_large(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	put64(f, T2 + 16, 0x600000 | P | W | PS);
	put32(f, 0x612344, 77);
	g_assert_cmpint(x86_ld32(c, 0x412344), ==, 77);
	g_assert_cmpint(x86_ld32(c, 0x413344), ==, 0);
	/* INVLPG of any address in it drops every part of a large page. */
	put64(f, T2 + 16, 0x800000 | P | W | PS);
	put32(f, 0x812344, 78);
	g_assert_cmpint(x86_ld32(c, 0x412344), ==, 77);
	x86_tlb_flush_page(c, 0x5ff000);
	g_assert_cmpint(x86_ld32(c, 0x412344), ==, 78);
	/* 1 GiB */
	put64(f, T3 + 8, 0 | P | W | PS);
	g_assert_cmpint(x86_ld32(c, 0x40812344), ==, 78);
	x86_st8(c, 0x40000000, 1);
	g_assert_cmphex(get64(f, T3 + 8), ==, (P | W | PS | A | D));
	fake_free(f);
	f = long_new("max,-pdpe1gb", 0);
	put64(f, T3 + 8, 0 | P | W | PS);
	assert_fault(f, x86_ld32(f->c, 0x40812344), X86_PFAULT, 9);
	fake_free(f);
}

static void test_la57(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	assert_fault(f, x86_ld8(c, 1ull << 48), X86_GP, 0);
	g_assert_true(c->event.noncanonical);
	fake_free(f);
	f = fake_new("max");
	c = f->c;
	put64(f, T4 + 8, ROOT | P | W);
	put64(f, ROOT, T3 | P | W);
	put64(f, T3, T2 | P | W);
	put64(f, T2, T1 | P | W);
	put64(f, T1, DATA | P | W);
	put64(f, DATA, 99);
	c->cr3 = T4;
	x86_write_efer(c, EFER_LME);
	x86_write_cr4(c, CR4_PAE | CR4_LA57);
	x86_write_cr0(c, CR0_PG | CR0_PE);
	g_assert_cmpint(x86_ld64(c, 1ull << 48), ==, 99);
	assert_fault(f, x86_ld8(c, 1ull << 56), X86_GP, 0);
	fake_free(f);
}

static void test_short(void)
{
	struct fake *f = fake_new("max");
	struct x86_cpu *c = f->c;

	put32(f, ROOT + 4, T1 | P | W);
	put32(f, T1 + 8, DATA | P | W);
	put32(f, ROOT + 8, 0x400000 | P | W | PS);
	put32(f, DATA + 4, 11);
	put32(f, 0x401000, 12);
	c->cr3 = ROOT;
	x86_write_cr4(c, CR4_PSE);
	x86_write_cr0(c, CR0_PG | CR0_PE);
	g_assert_cmpint(x86_ld32(c, 0x402004), ==, 11);
	g_assert_cmpint(x86_ld32(c, 0x801000), ==, 12);
	x86_st32(c, 0x402004, 13);
	g_assert_cmphex(get32(f, T1 + 8), ==, (DATA | P | W | A | D));
	/* PSE-36: entry bits 13 up are address bits 32 up; bit 21 is reserved. */
	put32(f, ROOT + 12, 0x2000 | P | W | PS);
	x86_ld8(c, 0xc00123);
	g_assert_cmphex(f->mmio_gpa, ==, 0x100000123);
	put32(f, ROOT + 16, 1 << 21 | P | W | PS);
	assert_fault(f, x86_ld8(c, 0x1000000), X86_PFAULT, 9);
	fake_free(f);
}

static void test_pae(void)
{
	struct fake *f = fake_new("max");
	struct x86_cpu *c = f->c;

	put64(f, ROOT, T2 | P);
	put64(f, T2, T1 | P | W);
	put64(f, T1 + 16, DATA | P | W);
	put64(f, T2 + 8, 0x600000 | P | W | PS);
	put32(f, DATA, 5);
	put32(f, 0x600010, 6);
	c->cr3 = ROOT;
	x86_write_cr4(c, CR4_PAE);
	x86_write_cr0(c, CR0_PG | CR0_PE);
	g_assert_cmpint(x86_ld32(c, 0x2000), ==, 5);
	g_assert_cmpint(x86_ld32(c, 0x200010), ==, 6);
	assert_fault(f, x86_ld8(c, 0x40000000), X86_PFAULT, 0);
	/* The pointers are registers: a change in memory shows with the next load of CR3. */
	put64(f, ROOT + 8, T2 | P);
	assert_fault(f, x86_ld8(c, 0x40002000), X86_PFAULT, 0);
	x86_write_cr3(c, ROOT);
	g_assert_cmpint(x86_ld32(c, 0x40002000), ==, 5);
	put64(f, ROOT + 16, T2 | P | W);
	assert_fault(f, x86_write_cr3(c, ROOT), X86_GP, 0);
	fake_free(f);
}

static void test_global(void)
{
	struct fake *f = long_new("max", CR4_PGE);
	struct x86_cpu *c = f->c;

	put64(f, T1, DATA | P | W | G);
	put64(f, DATA, 1);
	put64(f, DATA + 4096, 2);
	put64(f, DATA + 8192, 3);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	g_assert_cmpint(x86_ld64(c, 0x401000), ==, 2);
	put64(f, T1, (DATA + 8192) | P | W);
	put64(f, T1 + 8, (DATA + 8192) | P | W);
	x86_write_cr3(c, ROOT);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	g_assert_cmpint(x86_ld64(c, 0x401000), ==, 3);
	x86_tlb_flush_page(c, 0x400000);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	fake_free(f);
}

static void test_crossing(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	/* Neighbours in linear space that are none in memory. */
	put64(f, T1 + 8, (DATA + 0x10000) | P | W | U);
	x86_st64(c, 0x400ffc, 0x1122334455667788);
	g_assert_cmphex(get32(f, DATA + 0xffc), ==, 0x55667788);
	g_assert_cmphex(get32(f, DATA + 0x10000), ==, 0x11223344);
	g_assert_cmphex(x86_ld64(c, 0x400ffc), ==, 0x1122334455667788);
	/* The second page's fault comes before the first byte is stored. */
	put64(f, T1 + 8, 0);
	x86_tlb_flush_page(c, 0x401000);
	assert_fault(f, x86_st64(c, 0x400ffc, 0), X86_PFAULT, 2);
	g_assert_cmphex(f->c->event.cr2, ==, 0x401000);
	g_assert_cmphex(get32(f, DATA + 0xffc), ==, 0x55667788);
	fake_free(f);
}

static void test_devices(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	put64(f, T1, 0xfee00000 | P | W | U);
	g_assert_cmphex(x86_ld32(c, 0x400020), ==, 0x5a5a5a5a);
	g_assert_cmphex(f->mmio_gpa, ==, 0xfee00020);
	g_assert_cmpint(f->mmio_size, ==, 4);
	g_assert_cmpint(f->mmio_count, ==, 1);
	x86_st32(c, 0x400020, 1);
	g_assert_cmpint(f->mmio_count, ==, 2);
	g_assert_null(x86_host_rw(c, 0x400020, 4));
	/* RAM without the right to write: reads are plain, writes are device accesses. */
	f->read_only_page = (DATA + 4096) >> 12;
	put64(f, DATA + 4096, 7);
	g_assert_cmpint(x86_ld64(c, 0x401000), ==, 7);
	x86_st64(c, 0x401000, 8);
	g_assert_cmpint(f->mmio_count, ==, 3);
	g_assert_cmpint(get64(f, DATA + 4096), ==, 7);
	fake_free(f);
}

static void test_code(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;
	struct x86_code_page *code = &f->code[DATA >> 12];

	x86_st8(c, 0x400100, 1);
	atomic_store(&code->granules, 1ull << 4);
	x86_tlb_flush_writes(c);
	x86_st8(c, 0x400140, 1);
	g_assert_cmpint(atomic_load(&code->gen), ==, 0);
	g_assert_cmphex(atomic_load(&c->pending) & X86_PEND_CODE, ==, 0);
	g_assert_null(x86_host_rw(c, 0x400140, 4));
	/* The last byte of an 8-byte store lies in the granule. */
	x86_st64(c, 0x4000f9, 0);
	g_assert_cmpint(atomic_load(&code->gen), ==, 2);
	g_assert_cmphex(atomic_load(&code->granules), ==, 0);
	g_assert_cmphex(atomic_load(&c->pending) & X86_PEND_CODE, ==, X86_PEND_CODE);
	/* Without code the frame is plain again. */
	g_assert_nonnull(x86_host_rw(c, 0x400140, 4));
	/* Another processor has met code and not told us yet: our own may be stale as well. */
	atomic_store(&code->granules, 1ull << 4);
	x86_tlb_flush_writes(c);
	atomic_store(&c->pending, 0);
	c->code_hit = NULL;
	g_assert_true(x86_code_written(code, 0x100, 1));
	g_assert_cmphex(atomic_load(&code->granules), ==, 0);
	g_assert_null(x86_host_rw(c, 0x400140, 4));
	x86_st8(c, 0x400140, 1);
	g_assert_cmphex(atomic_load(&c->pending) & X86_PEND_CODE, ==, X86_PEND_CODE);
	g_assert_true(c->code_hit == code);
	x86_code_told(code);
	g_assert_nonnull(x86_host_rw(c, 0x400140, 4));
	fake_free(f);
}

static void test_alignment(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	set_cpl(f, 3);
	assert_runs(f, x86_ld32(c, 0x400001));
	c->cr0 |= CR0_AM;
	c->eflags |= X86_AC;
	x86_mode_update(c);
	assert_fault(f, x86_ld32(c, 0x400001), X86_AC_FAULT, 0);
	assert_runs(f, x86_ld32(c, 0x400004));
	assert_fault(f, x86_st64(c, 0x400004, 0), X86_AC_FAULT, 0);
	/* Not for the system's own accesses. */
	assert_runs(f, x86_sys_ld32(c, 0x400001));
	fake_free(f);
}

static void test_watch(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;

	x86_st32(c, 0x400100, 1);
	/* DR0: writes of 4 bytes at 0x400100; DR1: any access of 1 byte at 0x400200. */
	x86_write_dr(c, 0, 0x400100);
	x86_write_dr(c, 1, 0x400200);
	x86_write_dr(c, 7, 1 << 0 | 1 << 2 | 0xdu << 16 | 0x3u << 20);
	g_assert_true(c->mode & X86_MODE_STEP);
	x86_ld32(c, 0x400100);
	x86_st8(c, 0x400104, 1);
	x86_st8(c, 0x401100, 1);
	g_assert_cmphex(c->watch_hit, ==, 0);
	x86_st64(c, 0x4000fc, 1);
	g_assert_cmphex(c->watch_hit, ==, 1);
	x86_ld8(c, 0x400200);
	g_assert_cmphex(c->watch_hit, ==, 3);
	g_assert_null(x86_host_rw(c, 0x400300, 4));
	x86_write_dr(c, 7, 0);
	c->watch_hit = 0;
	x86_st32(c, 0x400100, 1);
	g_assert_cmphex(c->watch_hit, ==, 0);
	fake_free(f);
}

static void test_debug(void)
{
	struct fake *f = long_new("max", 0);
	struct x86_cpu *c = f->c;
	uint8_t b[8192];

	memset(f->ram + DATA, 3, 8192);
	put64(f, T1 + 16, 0);
	g_assert_cmphex(x86_debug_translate(c, 0x401234), ==, DATA + 0x1234);
	g_assert_cmpint(x86_debug_read(c, 0x401000, b, sizeof b), ==, 4096);
	g_assert_cmpint(b[4095], ==, 3);
	g_assert_cmphex(x86_debug_translate(c, 1ull << 48), ==, UINT64_MAX);
	/* No accessed bits. */
	g_assert_cmphex(get64(f, T1 + 8) & A, ==, 0);
	fake_free(f);
}

/* ---- second level, PCIDs ---- */

enum { FIRST = DATA, SECOND = DATA + 4096, THIRD = DATA + 8192, STRIDE = X86_TLB_SIZE * 4096 };
#define KEEP (1ull << 63)

/* Frames that say 1, 2, 3; STRIDE above 0x400000 is the same again, which takes its slots of the first level. */
static struct fake *tagged_new(const char *cpu, uint64_t cr4)
{
	struct fake *f = long_new(cpu, cr4 & ~(uint64_t)CR4_PCIDE);

	/* Not before IA-32e mode. */
	x86_write_cr4(f->c, f->c->cr4 | cr4);
	put64(f, FIRST, 1);
	put64(f, SECOND, 2);
	put64(f, THIRD, 3);
	put64(f, T2 + (0x400000 + STRIDE) / 0x200000 * 8, T1 | P | W | U);
	return f;
}

/* Takes the first level's slot of 0x400000 + @offset for something else. */
static void evict(struct fake *f, uint64_t offset)
{
	x86_ld8(f->c, 0x400000 + STRIDE + offset);
}

static void test_second_level(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;
	uint64_t fills, refills;

	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	evict(f, 0);
	fills = c->count.tlb_fill;
	refills = c->count.tlb_refill;
	put64(f, T1, SECOND | P | W | U);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	g_assert_cmpint(c->count.tlb_fill, ==, fills);
	g_assert_cmpint(c->count.tlb_refill, ==, refills + 1);
	/* Each way of dropping it. */
	evict(f, 0);
	x86_tlb_flush_page(c, 0x400fff);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	put64(f, T1, THIRD | P | W | U);
	evict(f, 0);
	x86_write_cr3(c, ROOT);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	put64(f, T1, FIRST | P | W | U | G);
	evict(f, 0);
	x86_write_cr4(c, c->cr4 | CR4_PGE);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	put64(f, T1, SECOND | P | W | U);
	evict(f, 0);
	x86_write_cr4(c, c->cr4 & ~(uint64_t)CR4_PGE);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	put64(f, T1, THIRD | P | W | U);
	evict(f, 0);
	x86_tlb_flush(c, X86_FLUSH_ALL);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	fake_free(f);
}

/* More translations than there is room for: all are right, and those that stay are not walked for. */
static void test_many(void)
{
	enum { PAGES = 3 * 4096, TABLES = 0x800000 };
	struct fake *f = long_new("max", 0);
	uint64_t fills;

	for (unsigned i = 0; i < PAGES / 512; i++)
		put64(f, T2 + (8 + i) * 8, (TABLES + i * 4096) | P | W | U);
	for (unsigned i = 0; i < PAGES; i++)
		put64(f, TABLES + i * 8, (DATA + i % 1000 * 4096) | P | W | U);
	for (unsigned i = 0; i < 1000; i++)
		put64(f, DATA + i * 4096, i);
	for (unsigned round = 0; round < 3; round++) {
		fills = f->c->count.tlb_fill;
		for (unsigned i = 0; i < PAGES; i++)
			g_assert_cmpint(x86_ld64(f->c, 0x1000000 + i * 4096ull), ==, i % 1000);
	}
	g_assert_cmpint(f->c->count.tlb_fill - fills, <, PAGES / 8);
	fake_free(f);
}

static void test_dirty(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;
	uint64_t fills;

	x86_ld8(c, 0x400000);
	evict(f, 0);
	g_assert_cmphex(get64(f, T1), ==, (FIRST | P | W | U | A));
	x86_st8(c, 0x400000, 1);
	g_assert_cmphex(get64(f, T1), ==, (FIRST | P | W | U | A | D));
	/* It is known to be dirty now. */
	put64(f, T1, FIRST | P | W | U);
	evict(f, 0);
	fills = c->count.tlb_fill;
	x86_st8(c, 0x400000, 2);
	g_assert_cmpint(c->count.tlb_fill, ==, fills);
	g_assert_cmphex(get64(f, T1), ==, (FIRST | P | W | U));
	put64(f, T1, FIRST | P | W | U);
	x86_tlb_flush_page(c, 0x400000);
	x86_ld8(c, 0x400000);
	g_assert_cmphex(get64(f, T1) & (A | D), ==, A);
	x86_st8(c, 0x400000, 2);
	g_assert_cmphex(get64(f, T1) & (A | D), ==, (A | D));
	fake_free(f);
}

static void test_permissions(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;

	put64(f, T1, FIRST | P | U);
	x86_ld8(c, 0x400000);
	evict(f, 0);
	/* More rights need no INVLPG. */
	put64(f, T1, FIRST | P | W | U);
	assert_runs(f, x86_st8(c, 0x400000, 1));
	evict(f, 0);
	/* Fewer do. */
	put64(f, T1, FIRST | P | U | D);
	assert_runs(f, x86_st8(c, 0x400000, 1));
	evict(f, 0);
	x86_tlb_flush_page(c, 0x400000);
	assert_fault(f, x86_st8(c, 0x400000, 1), X86_PFAULT, 3);
	/* A page fault drops what there was for that page, in both levels. */
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	put64(f, T1, SECOND | P | U);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	assert_fault(f, x86_st8(c, 0x400000, 1), X86_PFAULT, 3);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	fake_free(f);
}

/* One entry, looked at with the rights of each mode. */
static void test_shared_entry(void)
{
	struct fake *f = tagged_new("max", CR4_SMEP | CR4_SMAP);
	struct x86_cpu *c = f->c;
	uint64_t fills;
	bool global;

	put64(f, T1 + 8, SECOND | P | W);
	set_cpl(f, 3);
	assert_runs(f, x86_ld8(c, 0x400000));
	assert_runs(f, x86_fetch_page(c, 0x400000, &global));
	set_cpl(f, 0);
	assert_fault(f, x86_ld8(c, 0x400000), X86_PFAULT, 1);
	set_cpl(f, 3);
	assert_runs(f, x86_ld8(c, 0x400000));
	set_cpl(f, 0);
	assert_fault(f, x86_fetch_page(c, 0x400000, &global), X86_PFAULT, 0x11);
	set_cpl(f, 3);
	assert_runs(f, x86_ld8(c, 0x400000));
	set_cpl(f, 0);
	fills = c->count.tlb_fill;
	c->eflags |= X86_AC;
	x86_mode_update(c);
	assert_runs(f, x86_ld8(c, 0x400000));
	g_assert_cmpint(c->count.tlb_fill, ==, fills);
	assert_runs(f, x86_ld8(c, 0x401000));
	c->eflags &= ~(uint32_t)X86_AC;
	set_cpl(f, 3);
	assert_fault(f, x86_ld8(c, 0x401000), X86_PFAULT, 5);
	/* Without the two it is open to the kernel. */
	set_cpl(f, 0);
	assert_fault(f, x86_ld8(c, 0x400000), X86_PFAULT, 1);
	x86_write_cr4(c, c->cr4 & ~(uint64_t)(CR4_SMEP | CR4_SMAP));
	assert_runs(f, x86_ld8(c, 0x400000));
	assert_runs(f, x86_fetch_page(c, 0x400000, &global));
	fake_free(f);
}

/* A table that has been walked through spares the levels above it. */
static void test_tables(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;
	bool global;

	put64(f, T2 + 16, T1 | P | NX);
	x86_ld8(c, 0x400000);
	x86_ld8(c, 0x401000);
	g_assert_cmpint(c->count.walk_short, ==, 1);
	/* Its rights are those of all levels. */
	set_cpl(f, 3);
	assert_fault(f, x86_ld8(c, 0x402000), X86_PFAULT, 5);
	set_cpl(f, 0);
	x86_ld8(c, 0x400000);
	assert_fault(f, x86_st8(c, 0x402000, 1), X86_PFAULT, 3);
	x86_ld8(c, 0x400000);
	assert_fault(f, x86_fetch_page(c, 0x402000, &global), X86_PFAULT, 0x11);
	/* INVLPG of any address, and nothing less, makes it forgotten. */
	x86_ld8(c, 0x403000);
	put64(f, T4 + 5 * 8, THIRD | P);
	put64(f, T4 + 6 * 8, THIRD | P);
	put64(f, T2 + 16, T4 | P);
	x86_tlb_flush_page(c, 0x7123000);
	g_assert_cmpint(x86_ld64(c, 0x405000), ==, 3);
	/* What it lacks is looked for from the root. */
	put64(f, T4 + 7 * 8, 0);
	put64(f, T1 + 7 * 8, SECOND | P);
	put64(f, T2 + 16, T1 | P);
	g_assert_cmpint(x86_ld64(c, 0x407000), ==, 2);
	/* Accessed and dirty bits, reserved bits. */
	put64(f, T2 + 16, T1 | P | W);
	x86_tlb_flush_page(c, 0);
	x86_ld8(c, 0x400000);
	put64(f, T1 + 8 * 8, FIRST | P | W);
	x86_st8(c, 0x408000, 1);
	g_assert_cmphex(get64(f, T1 + 8 * 8), ==, (FIRST | P | W | A | D));
	put64(f, T1 + 9 * 8, FIRST | 1ull << 51 | P);
	assert_fault(f, x86_ld8(c, 0x409000), X86_PFAULT, 9);
	/* CR3 names other tables. */
	put64(f, T1 + 10 * 8, FIRST | P);
	put64(f, 0x6000, 0x7000 | P);
	put64(f, 0x7000, 0x8000 | P);
	put64(f, 0x8000 + 16, T4 | P);
	put64(f, T4 + 10 * 8, THIRD | P);
	x86_ld8(c, 0x400000);
	x86_write_cr3(c, 0x6000);
	g_assert_cmpint(x86_ld64(c, 0x40a000), ==, 3);
	fake_free(f);
}

static void test_large_pieces(void)
{
	struct fake *f = tagged_new("max", CR4_PGE);
	struct x86_cpu *c = f->c;

	put32(f, 0x612344, 77);
	put32(f, 0x812344, 78);
	put32(f, 0xa12344, 79);
	for (uint64_t g = 0; g <= G; g += G) {
		put64(f, T2 + 16, 0x600000 | P | W | PS | g);
		x86_tlb_flush(c, X86_FLUSH_ALL);
		g_assert_cmpint(x86_ld32(c, 0x412344), ==, 77);
		evict(f, 0x12344);
		put64(f, T2 + 16, 0x800000 | P | W | PS | g);
		x86_write_cr3(c, ROOT);
		g_assert_cmpint(x86_ld32(c, 0x412344), ==, g ? 77 : 78);
		evict(f, 0x12344);
		put64(f, T2 + 16, 0xa00000 | P | W | PS | g);
		x86_tlb_flush_page(c, 0x5ff000);
		g_assert_cmpint(x86_ld32(c, 0x412344), ==, 79);
		/* 1 GiB */
		put64(f, T3 + 8, 0x40000000 | P | W | PS | g);
		put64(f, T3 + 8, 0 | P | W | PS | g);
		g_assert_cmpint(x86_ld32(c, 0x40612344), ==, 77);
		x86_ld8(c, 0x40612344 + STRIDE);
		put64(f, T3 + 8, T2 | P | W);
		put64(f, T2 + 3 * 8, 0xa00000 | P | W | PS | g);
		x86_tlb_flush_page(c, 0x7ff00000);
		g_assert_cmpint(x86_ld32(c, 0x40612344), ==, 79);
		put64(f, T2 + 3 * 8, 0);
	}
	fake_free(f);
}

static void test_pcid(void)
{
	struct fake *f = tagged_new("max", CR4_PCIDE);
	struct x86_cpu *c = f->c;

	x86_write_cr3(c, ROOT | 1);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	put64(f, T1, SECOND | P | W | U);
	x86_write_cr3(c, ROOT | 2);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	put64(f, T1, THIRD | P | W | U);
	/* Each has its own. */
	x86_write_cr3(c, ROOT | 1 | KEEP);
	g_assert_cmphex(c->cr3, ==, (ROOT | 1));
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	x86_write_cr3(c, ROOT | 2 | KEEP);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	/* One that was never there has none. */
	x86_write_cr3(c, ROOT | 0xfff | KEEP);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	/* Loading it without the bit drops what that PCID had, not the others. */
	x86_write_cr3(c, ROOT | 1);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	x86_write_cr3(c, ROOT | 2 | KEEP);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 2);
	x86_write_cr3(c, ROOT | 2);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	/* INVLPG is for the current one. */
	put64(f, T1, FIRST | P | W | U);
	x86_write_cr3(c, ROOT | 1 | KEEP);
	x86_tlb_flush_page(c, 0x400000);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	x86_write_cr3(c, ROOT | 2 | KEEP);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 3);
	/* CR4.PCIDE off: it is PCID 0, without anything. */
	x86_write_cr3(c, ROOT | KEEP);
	x86_write_cr4(c, c->cr4 & ~(uint64_t)CR4_PCIDE);
	g_assert_cmpint(x86_ld64(c, 0x400000), ==, 1);
	assert_fault(f, x86_write_cr3(c, ROOT | KEEP), X86_GP, 0);
	fake_free(f);
}

/* PCIDs 1 and 2 and a global page know FIRST, then everything maps to THIRD; PCID 2 is the current one. */
static void pcids_fill(struct fake *f)
{
	struct x86_cpu *c = f->c;

	x86_tlb_flush(c, X86_FLUSH_ALL);
	for (unsigned i = 0; i < 3; i++)
		put64(f, T1 + i * 8, FIRST | P | W | (i == 2 ? G : 0));
	for (unsigned pcid = 1; pcid <= 2; pcid++) {
		x86_write_cr3(c, ROOT | pcid);
		for (unsigned i = 0; i < 3; i++)
			g_assert_cmpint(x86_ld64(c, 0x400000 + i * 4096), ==, 1);
	}
	for (unsigned i = 0; i < 3; i++)
		put64(f, T1 + i * 8, THIRD | P | W | (i == 2 ? G : 0));
}

/* What PCID @pcid sees at its two pages and the global one, as decimal digits. */
static unsigned seen(struct fake *f, unsigned pcid)
{
	x86_write_cr3(f->c, ROOT | pcid | KEEP);
	return (unsigned)(x86_ld64(f->c, 0x400000) * 100 + x86_ld64(f->c, 0x401000) * 10 + x86_ld64(f->c, 0x402000));
}

static void test_invpcid(void)
{
	struct fake *f = tagged_new("max", CR4_PCIDE | CR4_PGE);
	struct x86_cpu *c = f->c;

	pcids_fill(f);
	g_assert_cmpint(seen(f, 1), ==, 111);
	g_assert_cmpint(seen(f, 2), ==, 111);
	/* Type 0: an address of another PCID, of the current one. */
	x86_tlb_flush_pcid_page(c, 1, 0x401000);
	g_assert_cmpint(seen(f, 2), ==, 111);
	g_assert_cmpint(seen(f, 1), ==, 131);
	x86_tlb_flush_pcid_page(c, 1, 0x400000);
	g_assert_cmpint(seen(f, 1), ==, 331);
	g_assert_cmpint(seen(f, 2), ==, 111);
	/* Type 1: a PCID. */
	pcids_fill(f);
	x86_tlb_flush_pcid(c, 1);
	g_assert_cmpint(seen(f, 2), ==, 111);
	g_assert_cmpint(seen(f, 1), ==, 331);
	pcids_fill(f);
	x86_tlb_flush_pcid(c, 2);
	g_assert_cmpint(seen(f, 2), ==, 331);
	g_assert_cmpint(seen(f, 1), ==, 111);
	/* Type 3: all but global pages. */
	pcids_fill(f);
	x86_tlb_flush(c, X86_FLUSH_NON_GLOBAL);
	g_assert_cmpint(seen(f, 2), ==, 331);
	g_assert_cmpint(seen(f, 1), ==, 331);
	/* Type 2. */
	pcids_fill(f);
	x86_tlb_flush(c, X86_FLUSH_ALL);
	g_assert_cmpint(seen(f, 2), ==, 333);
	g_assert_cmpint(seen(f, 1), ==, 333);
	/* INVLPG drops a global page whatever the PCID. */
	pcids_fill(f);
	x86_tlb_flush_page(c, 0x402000);
	g_assert_cmpint(seen(f, 1), ==, 113);
	fake_free(f);
}

/* A large page of another PCID, dropped by an address in its middle. */
static void test_invpcid_large(void)
{
	struct fake *f = tagged_new("max", CR4_PCIDE);
	struct x86_cpu *c = f->c;

	put32(f, 0x612344, 77);
	put32(f, 0x812344, 78);
	put64(f, T2 + 16, 0x600000 | P | W | PS);
	put64(f, T3 + 8, 0 | P | W | PS);
	x86_write_cr3(c, ROOT | 1);
	g_assert_cmpint(x86_ld32(c, 0x412344), ==, 77);
	g_assert_cmpint(x86_ld32(c, 0x40612344), ==, 77);
	x86_write_cr3(c, ROOT | 2);
	put64(f, T2 + 16, 0x800000 | P | W | PS);
	put64(f, T3 + 8, T2 | P | W);
	put64(f, T2 + 3 * 8, 0x800000 | P | W | PS);
	x86_tlb_flush_pcid_page(c, 1, 0x500000);
	x86_write_cr3(c, ROOT | 1 | KEEP);
	g_assert_cmpint(x86_ld32(c, 0x412344), ==, 78);
	g_assert_cmpint(x86_ld32(c, 0x40612344), ==, 77);
	x86_write_cr3(c, ROOT | 2);
	x86_tlb_flush_pcid_page(c, 1, 0x50000000);
	x86_write_cr3(c, ROOT | 1 | KEEP);
	g_assert_cmpint(x86_ld32(c, 0x40612344), ==, 78);
	fake_free(f);
}

/* The second level gives no write right that has been dropped, however often that has been done. */
static void test_dropped_writes(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;
	struct x86_code_page *code = &f->code[FIRST >> 12];

	for (unsigned times = 1; times <= 4096; times += 4094) {
		atomic_store(&code->granules, 0);
		x86_st8(c, 0x400100, 1);
		evict(f, 0);
		x86_st8(c, 0x400100, 1);
		evict(f, 0);
		atomic_store(&code->granules, 1ull << 4);
		for (unsigned i = 0; i < times; i++)
			x86_tlb_flush_writes(c);
		/* Fills the slot, with a tag for the store if that was wrong. */
		x86_ld8(c, 0x400100);
		x86_st8(c, 0x400100, 1);
		g_assert_cmphex(atomic_load(&code->granules), ==, 0);
	}
	fake_free(f);
}

/* Numbers of spaces are used up and begin anew. */
static void test_many_spaces(void)
{
	struct fake *f = tagged_new("max", CR4_PCIDE | CR4_PGE);
	struct x86_cpu *c = f->c;

	put64(f, T1 + 8, FIRST | P | W | G);
	g_assert_cmpint(x86_ld64(c, 0x401000), ==, 1);
	for (unsigned i = 0; i < 3 * X86_TLB2_NUMBERS; i++) {
		put64(f, T1, (DATA + i % 3 * 4096) | P | W | U);
		x86_write_cr3(c, ROOT | i % 7);
		g_assert_cmpint(x86_ld64(c, 0x400000), ==, i % 3 + 1);
		evict(f, 0);
		/* Of one that has come before, and may be gone since, only the right thing or the old. */
		x86_write_cr3(c, ROOT | (i + 5) % 7 | KEEP);
		if (i > 1)
			g_assert_cmpint((x86_ld64(c, 0x400000) - 1 - i % 3) * (x86_ld64(c, 0x400000) - 1 - (i - 2) % 3), ==, 0);
		g_assert_cmpint(x86_ld64(c, 0x401000), ==, 1);
	}
	fake_free(f);
}

/* INVLPG so often that the rounds of tables begin anew. */
static void test_many_rounds(void)
{
	struct fake *f = tagged_new("max", 0);
	struct x86_cpu *c = f->c;

	put64(f, T4 + 8, THIRD | P);
	put64(f, T1 + 8, FIRST | P);
	for (unsigned i = 0; i < 2000; i++) {
		put64(f, T2 + 16, (i & 1 ? T4 : T1) | P | W | U);
		x86_tlb_flush_page(c, 0x401000);
		g_assert_cmpint(x86_ld64(c, 0x401000), ==, i & 1 ? 3 : 1);
		/* Tables of other regions take the same round. */
		evict(f, 0);
	}
	fake_free(f);
}

/* How long what an engine knows of code holds. */
static void test_code_key(void)
{
	struct fake *f = tagged_new("max", CR4_PCIDE | CR4_PGE);
	struct x86_cpu *c = f->c;
	uint64_t own, other, global_key;
	bool global;

	put64(f, T1 + 8, FIRST | P | W | G);
	x86_write_cr3(c, ROOT | 1);
	x86_fetch_page(c, 0x400000, &global);
	g_assert_false(global);
	x86_fetch_page(c, 0x401000, &global);
	g_assert_true(global);
	own = c->code_key[0];
	global_key = c->code_key[1];
	g_assert_cmphex(own, !=, global_key);
	g_assert_cmphex((own | global_key) & 0xfffff, ==, 0);
	/* Data. */
	x86_ld8(c, 0x403000);
	x86_tlb_flush_page(c, 0x403000);
	g_assert_cmphex(c->code_key[0], ==, own);
	/* Another address space, and back. */
	x86_write_cr3(c, ROOT | 2);
	other = c->code_key[0];
	g_assert_cmphex(other, !=, own);
	g_assert_cmphex(other, !=, global_key);
	g_assert_cmphex(c->code_key[1], ==, global_key);
	x86_write_cr3(c, ROOT | 1 | KEEP);
	g_assert_cmphex(c->code_key[0], ==, own);
	x86_write_cr3(c, ROOT | 1);
	g_assert_cmphex(c->code_key[0], !=, own);
	g_assert_cmphex(c->code_key[0], !=, other);
	/* Code. */
	own = c->code_key[0];
	x86_tlb_flush_page(c, 0x401000);
	g_assert_cmphex(c->code_key[0], !=, own);
	g_assert_cmphex(c->code_key[1], !=, global_key);
	/* Code in a large page, dropped by another address. */
	put64(f, T2 + 16, 0x600000 | P | W | PS);
	x86_tlb_flush_page(c, 0x400000);
	x86_fetch_page(c, 0x410000, &global);
	own = c->code_key[0];
	x86_tlb_flush_page(c, 0x5ff000);
	g_assert_cmphex(c->code_key[0], !=, own);
	/* Code of another PCID. */
	x86_fetch_page(c, 0x411000, &global);
	x86_write_cr3(c, ROOT | 2);
	own = c->code_key[0];
	x86_tlb_flush_pcid_page(c, 1, 0x411000);
	g_assert_cmphex(c->code_key[0], !=, own);
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mmu/off", test_off);
	g_test_add_func("/mmu/4-level", test_long);
	g_test_add_func("/mmu/rights", test_rights);
	g_test_add_func("/mmu/smep-smap", test_smep_smap);
	g_test_add_func("/mmu/reserved", test_reserved);
	g_test_add_func("/mmu/large", test_large);
	g_test_add_func("/mmu/5-level", test_la57);
	g_test_add_func("/mmu/32-bit", test_short);
	g_test_add_func("/mmu/pae", test_pae);
	g_test_add_func("/mmu/global", test_global);
	g_test_add_func("/mmu/crossing", test_crossing);
	g_test_add_func("/mmu/devices", test_devices);
	g_test_add_func("/mmu/code", test_code);
	g_test_add_func("/mmu/alignment", test_alignment);
	g_test_add_func("/mmu/watch", test_watch);
	g_test_add_func("/mmu/debug", test_debug);
	g_test_add_func("/mmu/second-level", test_second_level);
	g_test_add_func("/mmu/many-pages", test_many);
	g_test_add_func("/mmu/dirty", test_dirty);
	g_test_add_func("/mmu/permissions", test_permissions);
	g_test_add_func("/mmu/shared-entry", test_shared_entry);
	g_test_add_func("/mmu/tables", test_tables);
	g_test_add_func("/mmu/large-pieces", test_large_pieces);
	g_test_add_func("/mmu/pcid", test_pcid);
	g_test_add_func("/mmu/invpcid", test_invpcid);
	g_test_add_func("/mmu/invpcid-large", test_invpcid_large);
	g_test_add_func("/mmu/dropped-writes", test_dropped_writes);
	g_test_add_func("/mmu/many-spaces", test_many_spaces);
	g_test_add_func("/mmu/many-rounds", test_many_rounds);
	g_test_add_func("/mmu/code-key", test_code_key);
	return g_test_run();
}
