/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Locked instructions on operands that lie across a page border: what they do, what a
 * missing or read-only page on either side does to them, and that they are one step for
 * all other processors, whatever these use to reach the same bytes.
 */
#include "lib/guest.h"

/* Two pages in a row, of frames that are not. */
#define LOW 0x10000000000ull
#define EDGE (LOW + PAGE)
/* The same frames, alone. */
#define LOW_ALONE 0x10000100000ull
#define HIGH_ALONE 0x10000200000ull
enum { ROUNDS = 2000, REACH = 24 };
static uint8_t *low, *high;
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));
static unsigned cpus;

static void map_both(void)
{
	page_map(LOW, (uint64_t)low, P_P | P_W, 1);
	page_map(EDGE, (uint64_t)high, P_P | P_W, 1);
}

/* ---- each form ------------------------------------------------------------------------------------------ */

#define FORM(name, text) CODE(form_##name, text "\nint $0x80")
FORM(addb, "lock; addb %al, (%rdi)");
FORM(addw, "lock; addw %ax, (%rdi)");
FORM(addl, "lock; addl %eax, (%rdi)");
FORM(addq, "lock; addq %rax, (%rdi)");
FORM(addq_imm, "lock; addq $0x1234567, (%rdi)");
FORM(addl_imm8, "lock; addl $-3, (%rdi)");
FORM(adcq, "lock; adcq %rax, (%rdi)");
FORM(sbbl, "lock; sbbl %eax, (%rdi)");
FORM(subq, "lock; subq %rax, (%rdi)");
FORM(andq, "lock; andq %rax, (%rdi)");
FORM(orw, "lock; orw %ax, (%rdi)");
FORM(xorq, "lock; xorq %rax, (%rdi)");
FORM(notq, "lock; notq (%rdi)");
FORM(negl, "lock; negl (%rdi)");
FORM(incq, "lock; incq (%rdi)");
FORM(decl, "lock; decl (%rdi)");
FORM(xaddq, "lock; xaddq %rax, (%rdi)");
FORM(xaddw, "lock; xaddw %ax, (%rdi)");
FORM(xchgq, "xchgq %rax, (%rdi)");
FORM(xchgl, "lock; xchgl %eax, (%rdi)");
FORM(cmpxchgq_no, "lock; cmpxchgq %rbx, (%rdi)");
FORM(cmpxchgl_no, "lock; cmpxchgl %ebx, (%rdi)");
FORM(cmpxchgq_yes, "lock; cmpxchgq %rbx, (%rdi)");
FORM(cmpxchgw_yes, "lock; cmpxchgw %bx, (%rdi)");
FORM(cmpxchg8b_no, "lock; cmpxchg8b (%rdi)");
FORM(cmpxchg8b_yes, "lock; cmpxchg8b (%rdi)");
FORM(btsq, "lock; btsq $37, (%rdi)");
FORM(btrl, "lock; btrl $5, (%rdi)");
FORM(btcw, "lock; btcw $9, (%rdi)");
FORM(btsq_far, "lock; btsq %rdx, -0x40(%rdi)");   /* RDX is 0x203: 64 bytes on */
FORM(plain_addq, "addq %rax, (%rdi)");
FORM(plain_xaddl, "xaddl %eax, (%rdi)");
FORM(plain_cmpxchg, "cmpxchgq %rbx, (%rdi)");

enum load { NOTHING, MATCH };
static const struct form { const char *name, *code, *end; unsigned size; enum load load; } forms[] = {
#define F(name, size, load) { #name, form_##name, form_##name##_end, size, load }
	F(addb, 1, 0), F(addw, 2, 0), F(addl, 4, 0), F(addq, 8, 0), F(addq_imm, 8, 0), F(addl_imm8, 4, 0), F(adcq, 8, 0), F(sbbl, 4, 0), F(subq, 8, 0),
	F(andq, 8, 0), F(orw, 2, 0), F(xorq, 8, 0), F(notq, 8, 0), F(negl, 4, 0), F(incq, 8, 0), F(decl, 4, 0), F(xaddq, 8, 0), F(xaddw, 2, 0),
	F(xchgq, 8, 0), F(xchgl, 4, 0), F(cmpxchgq_no, 8, 0), F(cmpxchgl_no, 4, 0), F(cmpxchgq_yes, 8, MATCH), F(cmpxchgw_yes, 2, MATCH),
	F(cmpxchg8b_no, 8, 0), F(cmpxchg8b_yes, 8, MATCH), F(btsq, 8, 0), F(btrl, 4, 0), F(btcw, 2, 0), F(btsq_far, 8, 0), F(plain_addq, 8, 0),
	F(plain_xaddl, 4, 0), F(plain_cmpxchg, 8, 0),
#undef F
};

struct image { uint8_t b[2 * REACH]; };
static void put(const struct image *i)
{
	memcpy(low + PAGE - REACH, i->b, REACH);
	memcpy(high, i->b + REACH, REACH);
}

static struct image get(void)
{
	struct image i;

	memcpy(i.b, low + PAGE - REACH, REACH);
	memcpy(i.b + REACH, high, REACH);
	return i;
}

static bool same(const struct frame *a, const struct frame *b)
{
	return a->ax == b->ax && a->bx == b->bx && a->cx == b->cx && a->dx == b->dx && a->di == b->di && a->sp == b->sp &&
	       !((a->flags ^ b->flags) & ~(uint64_t)F_RF);
}

static void report(const struct form *f, int at, const char *what)
{
	print("# %s at edge %d, %s: vector %u error 0x%llx cr2 0x%llx ax 0x%lx dx 0x%lx flags 0x%lx\n", f->name, at, what, event.vector,
	      (unsigned long long)event.error, (unsigned long long)event.cr2, event.frame.ax, event.frame.dx, event.frame.flags);
}

enum { LOW_MISSING, HIGH_MISSING, LOW_READ_ONLY, HIGH_READ_ONLY, FAULTS };

static bool try_form(const struct form *f, int at, unsigned fault)
{
	struct image start, end, now;
	static struct image aligned;
	struct frame r = { .ip = (uint64_t)f->code, .sp = (uint64_t)kernel_stack + sizeof kernel_stack, .ax = 0x1122334455667788,
			   .bx = 0x99aabbccddeeff01, .cx = 0x77777777, .dx = 0x203, .flags = F_CF | F_OF | 2 }, done, whole;
	uint64_t page = fault == HIGH_MISSING || fault == HIGH_READ_ONLY ? EDGE : LOW, first, error;
	bool read_only = fault >= LOW_READ_ONLY, hit, good = true;

	for (unsigned n = 0; n < sizeof start.b; n++)
		start.b[n] = n * 37 + 11;
	if (f->load == MATCH) {
		uint64_t v = 0;

		memcpy(&v, start.b + REACH + at, f->size);
		r.ax = f->code == form_cmpxchg8b_yes ? (uint32_t)v : v;
		r.dx = v >> 32;
	}
	/* What it does to an aligned operand somewhere else. */
	memset(&aligned, 0, sizeof aligned);
	memcpy(high + 512, start.b + REACH + at, f->size);
	map_both();
	r.di = EDGE + 512;
	run_kernel(&r);
	whole = event.frame;
	whole.di = r.di = EDGE + at;
	memcpy(&aligned, high + 512, f->size);
	end = start;
	memcpy(end.b + REACH + at, &aligned, f->size);
	/* The same across the border. */
	put(&start);
	run_kernel(&r);
	done = event.frame;
	now = get();
	if (event.vector != USER_VECTOR || !same(&done, &whole) || memcmp(&now, &end, sizeof now)) {
		report(f, at, "other than when aligned");
		good = false;
	}
	hit = page == LOW ? at < 0 : at + (int)f->size > 0;
	put(&start);
	page_map(page, (uint64_t)(page == LOW ? low : high), read_only ? P_P : 0, 1);
	run_kernel(&r);
	if (!hit)
		return event.vector == USER_VECTOR && same(&event.frame, &done) && good;
	now = get();
	first = page == LOW || at >= 0 ? EDGE + at : EDGE;
	/* Instructions without LOCK may read before they find that they cannot write. */
	error = E_W | (read_only ? E_P : 0);
	if (!memcmp(f->name, "plain", 5) && !read_only)
		error = event.error & E_W;
	if (event.vector != PF || event.error != error || event.cr2 != first || event.frame.ip != r.ip || !same(&event.frame, &r) ||
	    memcmp(&now, &start, sizeof now)) {
		report(f, at, "the fault");
		good = false;
	}
	map_both();
	run_kernel(&event.frame);
	now = get();
	if (event.vector != USER_VECTOR || !same(&event.frame, &done) || memcmp(&now, &end, sizeof now)) {
		report(f, at, "gone on");
		good = false;
	}
	return good;
}

static void each_form(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(forms); n++) {
		unsigned bad = 0;

		for (int at = -9; at <= 2; at++)
			for (unsigned fault = 0; fault < FAULTS; fault++)
				bad += !try_form(&forms[n], at, fault);
		check_eq(bad, 0, "%s across a page border: does what it does elsewhere; a missing or read-only page: #PF as a write, nothing changed",
			 forms[n].name);
	}
}

CODE(wide, "lock; cmpxchg16b (%rdi); int $0x80");
CODE(wide_plain, "cmpxchg16b (%rdi); int $0x80");

/* CMPXCHG16B must be aligned, so it never crosses; it faults as a write whatever it compares. */
static void sixteen_bytes(void)
{
	struct frame r = { .ip = (uint64_t)wide, .sp = (uint64_t)kernel_stack + sizeof kernel_stack, .bx = 1, .cx = 2 };

	map_both();
	memset(high, 0x33, 32);
	for (unsigned k = 0; k < 2; k++) {
		r.ip = (uint64_t)(k ? wide_plain : wide);
		r.di = EDGE - 8;
		run_kernel(&r);
		check(event.vector == GP && event.error == 0 && event.frame.ip == r.ip, "CMPXCHG16B across a page border%s: #GP(0)", k ? " without LOCK" : "");
		r.di = EDGE + 8;
		run_kernel(&r);
		check(event.vector == GP && event.error == 0, "and anywhere else not aligned to 16");
		page_map(EDGE, 0, 0, 1);
		run_kernel(&r);
		check(event.vector == GP || event.vector == PF, "also on a missing page it faults");
		r.di = EDGE;
		run_kernel(&r);
		check(event.vector == PF && event.cr2 == EDGE && event.error == E_W, "aligned, on a missing page: #PF(2)");
		page_map(EDGE, (uint64_t)high, P_P, 1);
		run_kernel(&r);
		check(event.vector == PF && event.cr2 == EDGE && event.error == (E_W | E_P) && event.frame.ax == 0 && event.frame.dx == 0,
		      "on a read-only one: #PF(3), though it does not match");
		map_both();
		run_kernel(&r);
		check(event.vector == USER_VECTOR && event.frame.ax == 0x3333333333333333 && event.frame.dx == 0x3333333333333333 &&
		      !(event.frame.flags & F_ZF), "with the page there it says what it found");
	}
}

/* ---- against other processors ------------------------------------------------------------------------------ */

static volatile unsigned started, bad_reads;
static volatile bool stop;

static void meet(void)
{
	__atomic_fetch_add(&started, 1, __ATOMIC_SEQ_CST);
	while (started < cpus)
		pause_cpu();
}

static void together(void (*fn)(unsigned))
{
	started = 0;
	stop = false;
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, fn);
	fn(0);
	for (unsigned n = 1; n < cpus; n++)
		smp_wait(n);
}

/* Six counters, each over the border at another place, and a line border. */
static const struct { int at; unsigned size; } place[] = { { -4, 8 }, { -1, 8 }, { -7, 8 }, { -2, 4 }, { -1, 2 }, { -1, 4 } };
static unsigned current;

static void add_split(unsigned cpu)
{
	volatile void *p = (void *)(EDGE + place[current].at);

	meet();
	for (unsigned n = 0; n < ROUNDS; n++) {
		switch (place[current].size) {
		case 8: {
			uint64_t one = 0x0101010101010101, old;

			asm volatile("lock; addq %1, %0" : "+m"(*(volatile uint64_t *)p) : "r"(one) : "cc");
			asm volatile("lock; xaddq %1, %0" : "+m"(*(volatile uint64_t *)p), "+r"(one) : : "cc");
			old = *(volatile uint64_t *)p;
			do
				one = old + 0x100000001;
			while (({ uint64_t was = old; asm volatile("lock; cmpxchgq %2, %0" : "+m"(*(volatile uint64_t *)p), "+a"(old) : "r"(one) : "cc"); was != old; }));
			break;
		}
		case 4:
			asm volatile("lock; incl %0" : "+m"(*(volatile uint32_t *)p) : : "cc");
			asm volatile("lock; subl $-0x10001, %0" : "+m"(*(volatile uint32_t *)p) : : "cc");
			break;
		default:
			asm volatile("lock; addw $0x101, %0" : "+m"(*(volatile uint16_t *)p) : : "cc");
		}
	}
}

static void sums(void)
{
	for (current = 0; current < ARRAY_SIZE(place); current++) {
		uint64_t got = 0, want = (uint64_t)cpus * ROUNDS;
		unsigned size = place[current].size;
		struct image zero = { { 0 } }, now;

		put(&zero);
		together(add_split);
		now = get();
		memcpy(&got, now.b + REACH + place[current].at, size);
		want *= size == 8 ? 2 * 0x0101010101010101 + 0x100000001 : size == 4 ? 0x10002 : 0x101;
		want &= size == 8 ? ~0ull : (1ull << size * 8) - 1;
		check_eq(got, want, "locked operations of %u bytes at edge - %u from %u processors: exact sum", size, -place[current].at, cpus);
	}
}

/* One adds to eight bytes over the border; the others to the aligned four bytes of one side of it, by the frame's other address. */
static void add_overlapping(unsigned cpu)
{
	meet();
	for (unsigned n = 0; n < 2 * ROUNDS; n++) {
		if (cpu == 0)
			asm volatile("lock; addq %1, %0" : "+m"(*(volatile uint64_t *)(EDGE - 4)) : "r"(0x0000000100000001ul) : "cc");
		else if (cpu & 1)
			asm volatile("lock; incl %0" : "+m"(*(volatile uint32_t *)HIGH_ALONE) : : "cc");
		else
			asm volatile("lock; addl $2, %0" : "+m"(*(volatile uint32_t *)(LOW_ALONE + PAGE - 4)) : : "cc");
	}
}

/* One changes a half by a locked operation over the border; the owner of the other half stores into it and reads it back. */
static void store_beside(unsigned cpu)
{
	meet();
	for (unsigned n = 1; n <= 4 * ROUNDS; n++) {
		if (cpu == 0) {
			asm volatile("lock; addq $1, %0" : "+m"(*(volatile uint64_t *)(EDGE - 4)) : : "cc");
		} else if (cpu == 1) {
			*(volatile uint32_t *)HIGH_ALONE = n;
			if (*(volatile uint32_t *)HIGH_ALONE != n)
				bad_reads++;
		} else {
			*(volatile uint16_t *)(HIGH_ALONE + 8) = n;
			if (*(volatile uint16_t *)(HIGH_ALONE + 8) != (uint16_t)n)
				bad_reads++;
		}
	}
}

/* CMPXCHG8B over the border: both halves are always equal for those that look with one locked operation. */
static void pairs(unsigned cpu)
{
	volatile uint64_t *p = (volatile uint64_t *)(EDGE - 4);

	meet();
	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t old = *p;

		for (;;) {
			uint32_t lo = old, hi = old >> 32, next = (uint32_t)old + 1;

			asm volatile("lock; cmpxchg8b %0" : "+m"(*p), "+a"(lo), "+d"(hi) : "b"(next), "c"(next) : "cc");
			if (lo == (uint32_t)old && hi == old >> 32)
				break;
			old = (uint64_t)hi << 32 | lo;
			if (lo != hi)
				bad_reads++;
		}
	}
}

static void others(void)
{
	struct image zero = { { 0 } };
	unsigned odd = cpus / 2, even = cpus - 1 - odd;

	put(&zero);
	together(add_overlapping);
	check_eq(*(volatile uint32_t *)high, 2 * ROUNDS * (1 + odd), "a locked operation over the border and an aligned one on its upper half");
	check_eq(*(volatile uint32_t *)(low + PAGE - 4), 2 * ROUNDS * (1 + 2 * even), "and one on its lower half: all are counted");
	put(&zero);
	bad_reads = 0;
	together(store_beside);
	check_eq(bad_reads, 0, "plain stores into bytes under a locked operation are not undone by it");
	check_eq(*(volatile uint32_t *)(low + PAGE - 4), 4 * ROUNDS, "which counts right");
	put(&zero);
	together(pairs);
	check_eq(bad_reads, 0, "CMPXCHG8B over the border never finds half of another's");
	check_eq(*(volatile uint32_t *)high, cpus * ROUNDS, "and all are counted");
}

void guest_main(void)
{
	/* Not in a row, so that no host operation reaches both. */
	high = page_alloc();
	page_alloc();
	low = page_alloc();
	map_both();
	page_map(LOW_ALONE, (uint64_t)low, P_P | P_W, 1);
	page_map(HIGH_ALONE, (uint64_t)high, P_P | P_W, 1);
	each_form();
	sixteen_bytes();
	cpus = smp_start(guest_option("cpus", 3));
	if (cpus < 2)
		return;
	sums();
	others();
}
