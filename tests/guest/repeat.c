/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Repeated string instructions that fault in the middle: what is done, what is not,
 * what the registers say, and how they go on; upwards and downwards, across pages,
 * with operands that overlap, and with ports.  Each is compared with a model that does
 * one element after the other.
 */
#include "lib/guest.h"

/* Four pages in a row, of which one may be missing. */
#define AREA 0x10000000000ull
enum { PAGES = 4, SIZE = PAGES * PAGE, NO_HOLE = PAGES, COUNT_MAX = 2 * PAGE };
static uint8_t *memory, *shadow, *patterns[2];
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));

enum op { MOVS, STOS, LODS, CMPS, SCAS, OPS };
static const char *const op_name[OPS] = { "MOVS", "STOS", "LODS", "CMPS", "SCAS" };
static const uint8_t opcode[OPS] = { 0xa4, 0xaa, 0xac, 0xa6, 0xae };
static const bool has_source[OPS] = { true, false, true, true, false };
static const bool has_target[OPS] = { true, true, false, true, true };

struct state { uint64_t ax, cx, si, di, flags; };
/* One run: where it starts, and where memory ends. */
struct run {
	enum op op;
	unsigned size;          /* of an element */
	bool down, repne;
	unsigned hole;          /* page that is missing, or NO_HOLE */
	bool read_only;         /* it is there, but not for writing */
};

static void map_all(void)
{
	for (unsigned n = 0; n < PAGES; n++)
		page_map(AREA + n * PAGE, (uint64_t)memory + n * PAGE, P_P | P_W | P_NX, 1);
}

static uint64_t load(const uint8_t *p, unsigned size)
{
	switch (size) {
	case 1: return *p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const uint64_t *)p;
	}
}

static void store(uint8_t *p, uint64_t v, unsigned size)
{
	switch (size) {
	case 1: *p = v; break;
	case 2: *(uint16_t *)p = v; break;
	case 4: *(uint32_t *)p = v; break;
	default: *(uint64_t *)p = v;
	}
}

/* The first byte of the @size bytes at @a that lies in the hole; 0: none. */
static uint64_t in_hole(const struct run *r, uint64_t a, unsigned size)
{
	uint64_t hole = AREA + r->hole * PAGE;

	return r->hole == NO_HOLE || a + size <= hole || a >= hole + PAGE ? 0 : a < hole ? hole : a;
}

static uint64_t compare_flags(uint64_t a, uint64_t b, unsigned size)
{
	uint64_t f;
	unsigned shift = 64 - size * 8;

	/* The same signs, carries and zero at the top of 64 bits; AF and PF from the low byte. */
	asm("cmpq %2, %1; pushfq; popq %0" : "=r"(f) : "r"(a << shift), "r"(b << shift) : "cc");
	f &= F_CF | F_ZF | F_SF | F_OF;
	uint64_t low;
	asm("cmpb %b2, %b1; pushfq; popq %0" : "=r"(low) : "q"(a), "q"(b) : "cc");
	return f | (low & (F_PF | F_AF));
}

/* Runs on the shadow until the end or the fault; gives the address that faults, or 0. */
static uint64_t model(const struct run *r, struct state *s)
{
	int64_t step = r->down ? -(int64_t)r->size : r->size;
	uint64_t mask = r->size == 8 ? ~0ull : (1ull << r->size * 8) - 1, a = 0, b = 0, at;

	while (s->cx) {
		if (has_source[r->op]) {
			at = r->read_only ? 0 : in_hole(r, s->si, r->size);
			if (at)
				return at;
			a = load(shadow + (s->si - AREA), r->size);
		}
		if (has_target[r->op]) {
			at = r->read_only && r->op >= CMPS ? 0 : in_hole(r, s->di, r->size);
			if (at)
				return at;
			b = load(shadow + (s->di - AREA), r->size);
		}
		switch (r->op) {
		case MOVS:
			store(shadow + (s->di - AREA), a, r->size);
			break;
		case STOS:
			store(shadow + (s->di - AREA), s->ax, r->size);
			break;
		case LODS:
			s->ax = r->size == 4 ? a : (s->ax & ~mask) | a;
			break;
		case CMPS:
			s->flags = compare_flags(a, b, r->size);
			break;
		default:
			s->flags = compare_flags(s->ax & mask, b, r->size);
		}
		s->si += has_source[r->op] ? step : 0;
		s->di += has_target[r->op] ? step : 0;
		s->cx--;
		if (r->op >= CMPS && !!(s->flags & F_ZF) == r->repne)
			break;
	}
	return 0;
}

/* Code for @r, made once for each: prefixes, the instruction, INT 0x80. */
static const uint8_t *code_for(const struct run *r, unsigned *length)
{
	static uint8_t code[OPS][4][2][16];
	uint8_t *p = code[r->op][r->size == 8 ? 3 : r->size / 2][r->repne];
	unsigned n = 0;
	uint8_t made[16];

	if (r->size == 2)
		made[n++] = 0x66;
	made[n++] = r->repne ? 0xf2 : 0xf3;
	if (r->size == 8)
		made[n++] = 0x48;
	made[n++] = opcode[r->op] | (r->size > 1);
	*length = n;
	made[n++] = 0xcd;
	made[n++] = USER_VECTOR;
	if (memcmp(p, made, n))
		memcpy(p, made, n);
	return p;
}

enum { STATUS = F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF };

static bool same_memory(const char *when)
{
	for (unsigned n = 0; n < SIZE; n += 8) {
		uint64_t got = load(memory + n, 8), want = load(shadow + n, 8);

		if (got != want) {
			print("# %s: 8 bytes at 0x%x are 0x%llx, expected 0x%llx\n", when, n, (unsigned long long)got, (unsigned long long)want);
			return false;
		}
	}
	return true;
}

static bool same(const char *when, const struct run *r, const struct state *s, bool flags)
{
	const struct frame *f = &event.frame;

	if (f->ax == s->ax && f->cx == s->cx && f->si == s->si && f->di == s->di && f->bx == 0x1234 && f->bp == 0x5678 &&
	    !(f->flags & F_DF) == !r->down && (!flags || (f->flags & STATUS) == (s->flags & STATUS)))
		return same_memory(when);
	print("# %s: vector %u, got ax 0x%lx cx 0x%lx si 0x%lx di 0x%lx flags 0x%lx, expected 0x%lx 0x%lx 0x%lx 0x%lx 0x%lx\n", when,
	      event.vector, f->ax, f->cx, f->si, f->di, f->flags, s->ax, s->cx, s->si, s->di, s->flags);
	return false;
}

/* Runs @r from @s, with its fault and on to its end: bit 0 is set if the fault was wrong, bit 1 if what followed was. */
static unsigned run(const struct run *r, struct state s)
{
	unsigned length;
	const uint8_t *code = code_for(r, &length);
	struct frame f = { .ip = (uint64_t)code, .ax = s.ax, .cx = s.cx, .si = s.si, .di = s.di, .bx = 0x1234, .bp = 0x5678,
			   .flags = s.flags | (r->down ? F_DF : 0), .sp = (uint64_t)kernel_stack + sizeof kernel_stack };
	uint64_t hole = AREA + r->hole * PAGE, at, before = s.flags;
	bool writes = false, good = true;

	map_all();
	memcpy(shadow, memory, SIZE);
	if (r->hole != NO_HOLE)
		page_map(hole, (uint64_t)memory + r->hole * PAGE, r->read_only ? P_P | P_NX : 0, 1);
	at = model(r, &s);
	run_kernel(&f);
	if (at) {
		writes = r->op == STOS || (r->op == MOVS && !in_hole(r, s.si, r->size)) || r->read_only;
		good = event.vector == PF && event.cr2 == at && event.error == ((writes ? E_W : 0) | (r->read_only ? E_P : 0)) &&
		       event.frame.ip == (uint64_t)code && (event.frame.flags & F_RF);
		if (!good)
			print("# fault: vector %u, error 0x%llx, cr2 0x%llx, expected 0x%llx; ip + %ld, flags 0x%lx\n", event.vector,
			      (unsigned long long)event.error, (unsigned long long)event.cr2, (unsigned long long)at,
			      (long)(event.frame.ip - (uint64_t)code), event.frame.flags);
		/* Processors differ in whether a compare that faults has the flags of the start or of the last element. */
		good = same("at the fault", r, &s, (event.frame.flags & STATUS) != (before & STATUS)) && good;
		page_map(hole, (uint64_t)memory + r->hole * PAGE, P_P | P_W | P_NX, 1);
		model(&(struct run){ r->op, r->size, r->down, r->repne, NO_HOLE, false }, &s);
		run_kernel(&event.frame);
	}
	if (event.vector != USER_VECTOR || event.frame.ip != (uint64_t)code + length + 2 || !same("at the end", r, &s, r->op >= CMPS))
		return good ? 2 : 3;
	return good ? 0 : 1;
}

/* The area in a pattern, or for compares equal bytes. */
static void fill(bool pattern)
{
	memcpy(memory, patterns[pattern], SIZE);
}

/* A run upwards, or the same mirrored. */
static unsigned place(struct run r, unsigned si, unsigned di, uint64_t count)
{
	struct state s = { .ax = r.op == SCAS && !r.repne ? 0x5a5a5a5a5a5a5a5a : 0xa1b2c3d4e5f60718, .cx = count, .si = AREA + si,
			   .di = AREA + di, .flags = F_CF | F_OF };

	if (r.down) {
		s.si = AREA + SIZE - si - r.size;
		s.di = AREA + SIZE - di - r.size;
		r.hole = r.hole == NO_HOLE ? NO_HOLE : PAGES - 1 - r.hole;
	}
	return run(&r, s);
}

/* For each instruction, size and direction the same ways to meet the hole. */
static void faults(enum op op, unsigned size, bool down)
{
	struct run r = { .op = op, .size = size, .down = down, .hole = 2 };
	bool pattern = op < CMPS;
	unsigned bad[5] = { 0 }, end = 2 * PAGE;
	const char *name = op_name[op], *way = down ? "downwards" : "upwards";

	for (unsigned part = 0; part < size; part += size / 2 ? size / 2 : 1) {
		for (unsigned n = 0; n < 40; n += 13) {
			fill(pattern);
			if (has_target[op])
				bad[0] |= place(r, 100, end - n * size - part, 64);
			fill(pattern);
			if (has_source[op])
				bad[1] |= place(r, end - n * size - part, 3, 64);
		}
		/* Both cross pages, at different places, on the way. */
		fill(pattern);
		bad[2] |= place(r, PAGE - 9 * size - part, PAGE - 5 * size, (PAGE + 256) / size);
	}
	if (has_target[op])
		check_eq(bad[0], 0, "REP %s of %u, %s: the page of the target missing, at and inside of an element", name, size, way);
	if (has_source[op])
		check_eq(bad[1], 0, "REP %s of %u, %s: that of the source", name, size, way);
	check_eq(bad[2], 0, "REP %s of %u, %s: behind page crossings of both operands", name, size, way);
	if (op == MOVS || op == STOS) {
		r.read_only = true;
		for (unsigned part = 0; part < size; part += size / 2 ? size / 2 : 1) {
			fill(pattern);
			bad[3] |= place(r, 100, end - 20 * size - part, 64);
		}
		check_eq(bad[3], 0, "REP %s of %u, %s: the page of the target read-only", name, size, way);
	}
	if (op == MOVS) {
		static const int shifts[] = { 1, -1, 3, -3, 8, -8, 15, -15, 16, -16, 31, -33 };

		r.read_only = false;
		for (unsigned n = 0; n < ARRAY_SIZE(shifts); n++) {
			fill(pattern);
			bad[4] |= place(r, end - 300, end - 300 + shifts[n], 310 / size);
			fill(pattern);
			r.hole = NO_HOLE;
			bad[4] |= place(r, PAGE - 100, PAGE - 100 + shifts[n], (PAGE + 200) / size);
			r.hole = 2;
		}
		check_eq(bad[4], 0, "REP MOVS of %u, %s: operands that overlap by all but a few bytes, with and without fault", size, way);
	}
}

/* Compares that end by themselves in the last element before the hole, or in the first behind it. */
static void compares(unsigned size, bool down)
{
	unsigned bad[2] = { 0 };

	for (enum op op = CMPS; op <= SCAS; op++) {
		for (unsigned repne = 0; repne < 2; repne++) {
			for (int where = -2; where < 2; where++) {
				struct run r = { .op = op, .size = size, .down = down, .repne = repne, .hole = 2 };
				unsigned at = 2 * PAGE + where * (int)size, si = 64;
				uint64_t differ = repne ? 0xa1b2c3d4e5f60718 : 0xa5a5a5a5a5a5a5a5;

				fill(false);
				/* Of 16 elements the one at @at ends it: for REPNE CMPS the others have to differ. */
				for (unsigned n = 0; n < 16 * size && repne && op == CMPS; n++) {
					unsigned a = down ? SIZE - 1 - (si + n) : si + n;

					memory[a] = 0x11;
				}
				if (repne && op == CMPS)
					differ = 0x1111111111111111;
				at = down ? SIZE - at - size : at;
				store(memory + at, differ, size);
				bad[repne] |= place(r, si, 2 * PAGE - 8 * size, 16);
			}
		}
	}
	check_eq(bad[0], 0, "REPE CMPS and SCAS of %u, %s: what ends it lies at either side of the missing page", size, down ? "downwards" : "upwards");
	check_eq(bad[1], 0, "REPNE CMPS and SCAS of %u, %s: the same", size, down ? "downwards" : "upwards");
}

/* ---- addresses of 32 bits --------------------------------------------------------------------------- */

/* 4 GiB wraps to 0 with a 67 prefix; the upper halves of what moves become 0. */
static void wrap(void)
{
	static uint8_t code[] = { 0x67, 0xf3, 0xa4, 0xcd, USER_VECTOR };
	struct frame f = { .ip = (uint64_t)code, .cx = 0x1234500000010, .si = 0xabc00000000 | (uint32_t)(uint64_t)kernel_stack,
			   .di = 0xdef00000000 | 0xfffffff8, .sp = (uint64_t)kernel_stack + sizeof kernel_stack };
	uint8_t *top = memory, *low = memory + PAGE, *bottom = NULL;
	uint64_t low_entry = *page_entry(0, 2), high_entry = *page_entry(0xfffff000, 2);

	asm("" : "+r"(bottom));
	*page_entry(0xfffff000, 2) = 0;
	page_map(0xfffff000, (uint64_t)top, P_P | P_W, 1);
	invlpg(0xfffff000);
	memset(top, 0, PAGE);
	memcpy(low, bottom, 16);
	for (unsigned n = 0; n < 16; n++)
		kernel_stack[n] = n + 1;
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.cx == 0 && event.frame.di == 8 && event.frame.si == (uint32_t)f.si + 16,
	      "REP MOVSB with 32-bit addresses wraps at 4 GiB, counts in ECX, and clears the upper halves");
	check(!memcmp(top + PAGE - 8, kernel_stack, 8) && !memcmp(bottom, kernel_stack + 8, 8), "and has written at the top and at 0");
	memcpy(bottom, low, 16);
	page_map(0xfffff000, 0, 0, 1);
	f.di = 0xfffffff8;
	run_kernel(&f);
	check(event.vector == PF && event.cr2 == 0xfffffff8 && event.error == E_W && event.frame.ip == (uint64_t)code,
	      "a fault there has CR2 below 4 GiB");
	*page_entry(0xfffff000, 2) = high_entry;
	*page_entry(0, 2) = low_entry;
	write_cr3(read_cr3());
}

/* ---- ports ------------------------------------------------------------------------------------------- */

enum { FW_SELECT = 0x510, FW_DATA = 0x511, FW_FILES = 0x19, SCRATCH = 0x3ff };

/* Each read of the data port of the firmware configuration gives the next byte: none may be lost. */
static void input(bool down)
{
	static uint8_t code[] = { 0xf3, 0x6c, 0xcd, USER_VECTOR };
	static uint8_t want[128];
	struct frame f = { .ip = (uint64_t)code, .cx = sizeof want, .dx = FW_DATA, .di = AREA + 2 * PAGE - 50, .flags = down ? F_DF : 0,
			   .sp = (uint64_t)kernel_stack + sizeof kernel_stack };
	unsigned hole = 2, bad = 0;

	if (down) {
		f.di = AREA + 2 * PAGE + 49;
		hole = 1;
	}
	outw(FW_SELECT, FW_FILES);
	for (unsigned n = 0; n < sizeof want; n++)
		want[n] = inb(FW_DATA);
	fill(true);
	map_all();
	page_map(AREA + hole * PAGE, 0, 0, 1);
	outw(FW_SELECT, FW_FILES);
	run_kernel(&f);
	check(event.vector == PF && event.error == E_W && event.frame.ip == (uint64_t)code && event.frame.cx == sizeof want - 50 &&
	      event.cr2 == event.frame.di && event.frame.di == (down ? AREA + 2 * PAGE - 1 : AREA + 2 * PAGE),
	      "REP INSB %s into a missing page: #PF(2) behind 50 elements", down ? "downwards" : "upwards");
	page_map(AREA + hole * PAGE, (uint64_t)memory + hole * PAGE, P_P | P_W, 1);
	run_kernel(&event.frame);
	for (unsigned n = 0; n < sizeof want; n++)
		bad += *(volatile uint8_t *)(f.di + (down ? -(uint64_t)n : n)) != want[n];
	check(event.vector == USER_VECTOR && event.frame.cx == 0 && bad == 0, "and goes on with the byte that the port has next");
}

/* The scratch register of the serial port keeps the last byte. */
static void output(bool down)
{
	static uint8_t code[] = { 0xf3, 0x6e, 0xcd, USER_VECTOR };
	struct frame f = { .ip = (uint64_t)code, .cx = 100, .dx = SCRATCH, .si = AREA + 2 * PAGE - 60, .flags = down ? F_DF : 0,
			   .sp = (uint64_t)kernel_stack + sizeof kernel_stack };
	unsigned hole = 2, last = 2 * PAGE - 1;

	if (down) {
		f.si = AREA + 2 * PAGE + 59;
		hole = 1;
		last = 2 * PAGE;
	}
	fill(true);
	map_all();
	page_map(AREA + hole * PAGE, 0, 0, 1);
	run_kernel(&f);
	check(event.vector == PF && event.error == 0 && event.frame.ip == (uint64_t)code && event.frame.cx == 40 &&
	      event.cr2 == event.frame.si, "REP OUTSB %s from a missing page: #PF(0) behind 60 elements", down ? "downwards" : "upwards");
	check_eq(inb(SCRATCH), memory[last], "the last byte before it has arrived, no other");
	page_map(AREA + hole * PAGE, (uint64_t)memory + hole * PAGE, P_P | P_W, 1);
	run_kernel(&event.frame);
	last = down ? 2 * PAGE + 59 - 99 : 2 * PAGE - 60 + 99;
	check(event.vector == USER_VECTOR && event.frame.cx == 0 && inb(SCRATCH) == memory[last], "and goes on to its end");
}

static void input_wide(void)
{
	static uint8_t code[] = { 0xf3, 0x6d, 0xcd, USER_VECTOR };
	struct frame f = { .ip = (uint64_t)code, .cx = 9, .dx = 0xcfc, .di = AREA + 2 * PAGE - 18,
			   .sp = (uint64_t)kernel_stack + sizeof kernel_stack };
	uint32_t id;
	unsigned bad = 0;

	outl(0xcf8, 0x80000000);
	id = inl(0xcfc);
	fill(true);
	map_all();
	page_map(AREA + 2 * PAGE, 0, 0, 1);
	run_kernel(&f);
	check(event.vector == PF && event.error == E_W && event.cr2 == AREA + 2 * PAGE && event.frame.cx == 5 &&
	      event.frame.di == AREA + 2 * PAGE - 2, "REP INSL: an element across into a missing page");
	check_eq(load(memory + 2 * PAGE - 2, 2), load(patterns[true] + 2 * PAGE - 2, 2), "of which the first half is not written");
	page_map(AREA + 2 * PAGE, (uint64_t)memory + 2 * PAGE, P_P | P_W, 1);
	run_kernel(&event.frame);
	for (unsigned n = 0; n < 9; n++)
		bad += *(volatile uint32_t *)(f.di + n * 4) != id;
	check(event.vector == USER_VECTOR && bad == 0, "and all are there at the end");
}

/* SIZE bytes in a row. */
static uint8_t *pages(void)
{
	uint8_t *p = page_alloc();

	for (unsigned n = 1; n < PAGES; n++)
		page_alloc();
	return p;
}

void guest_main(void)
{
	static const unsigned sizes[] = { 1, 2, 4, 8 };

	memory = pages();
	shadow = pages();
	for (unsigned n = 0; n < 2; n++)
		patterns[n] = pages();
	for (unsigned n = 0; n < SIZE; n++) {
		patterns[0][n] = 0x5a;
		patterns[1][n] = n * 7 + n / 251;
	}
	for (enum op op = 0; op < OPS; op++)
		for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
			for (unsigned down = 0; down < 2; down++)
				faults(op, sizes[n], down);
	for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++)
		for (unsigned down = 0; down < 2; down++)
			compares(sizes[n], down);
	wrap();
	for (unsigned down = 0; down < 2; down++) {
		input(down);
		output(down);
	}
	input_wide();
}
