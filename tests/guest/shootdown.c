/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mappings that change under processors that use them all the time.  One processor
 * changes the tables and asks the others by interrupt to forget, or the hypervisor to make
 * them; when all have answered it fills the old frames with poison.  From then on nobody may read poison, run it, or
 * write to the old frames, whichever way each one flushes.
 */
#include "hv/cpuid.h"
#include "hv/hypercall.h"
#include "hv/mmu.h"
#include "hv/msr.h"
#include "lib/guest.h"

/* Three pages: data, code, and code that the code before runs into. */
#define TEST 0x10000000000ull
#define CODE_AT (TEST + PAGE)
#define CROSS_AT (CODE_AT + PAGE - 3)
/* A way of our own to all frames is the identity map. */
enum { PAGES = 3, SETS = 3, ROUNDS = 20, FLUSH = 0x72, POISON = 0x2bad2bad, WORDS = PAGE / 8 };
#define POISON_WORD 0x2bad2bad2bad2badull
static unsigned cpus;

static struct set {
	uint64_t *frame[PAGES];
	uint64_t *table;       /* a level 1 table for them */
} sets[SETS];
static struct set *now;
static uint64_t extra;         /* more bits of each entry */

enum way { BY_INVLPG, BY_CR3, BY_TABLE, BY_TABLE_AND_CR3, BY_ABSENCE, BY_GLOBAL, BY_PCID, BY_LIST, BY_SPACE,
	   BY_LIST_PCID, WAYS };
static const char *const way_name[WAYS] = {
	"INVLPG", "load of CR3", "another table and INVLPG", "another table and load of CR3", "pages that are missing for a while",
	"global pages and CR4.PGE", "two PCIDs and INVPCID", "HvFlushVirtualAddressList", "HvFlushVirtualAddressSpaceEx",
	"two PCIDs and HvFlushVirtualAddressList",
};
#define CALL_PAGE 0x3000000ull
static bool by_hypercall(enum way w) { return w >= BY_LIST; }
static bool two_pcids(enum way w) { return w == BY_PCID || w == BY_LIST_PCID; }
static volatile enum way way;
static volatile bool stop;
static volatile unsigned answers, rounds_seen[CPU_MAX], bad_data[CPU_MAX], bad_code[CPU_MAX], faults[CPU_MAX];

static void invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
	struct { uint64_t pcid, address; } d = { pcid, address };

	asm volatile("invpcid %0, %1" : : "m"(d), "r"(type) : "memory");
}

static void forget(unsigned cpu)
{
	switch (way) {
	case BY_CR3: case BY_TABLE_AND_CR3:
		write_cr3(read_cr3());
		break;
	case BY_GLOBAL:
		write_cr4(read_cr4() & ~(uint64_t)CR4_PGE);
		write_cr4(read_cr4() | CR4_PGE);
		break;
	case BY_PCID:
		if (cpu == 0) {
			for (unsigned n = 0; n < PAGES; n++)
				invlpg(TEST + n * PAGE);
		} else if (cpu & 1) {
			invpcid(2, 0, 0);
		} else {
			/* One address at a time, in the space of now and in the other. */
			for (unsigned n = 0; n < PAGES; n++) {
				invpcid(0, 1, TEST + n * PAGE);
				invpcid(0, 2, TEST + n * PAGE);
			}
		}
		break;
	default:
		for (unsigned n = 0; n < PAGES; n++)
			invlpg(TEST + n * PAGE);
	}
}

static void flush_ipi(struct frame *f)
{
	forget(this_cpu());
	__atomic_fetch_add(&answers, 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

/* A page that is not there now: try again until it is. */
static void retry(struct frame *f)
{
	if (read_cr2() < TEST || read_cr2() >= TEST + PAGES * PAGE)
		guest_die("page fault at 0x%lx, ip 0x%lx, error 0x%lx", read_cr2(), f->ip, f->error);
	faults[this_cpu()]++;
}

static unsigned call(uint64_t a)
{
	unsigned v;

	asm volatile("call *%1" : "=a"(v) : "r"(a) : "memory", "cc", "rcx", "rdx");
	return v;
}

/* ---- what the others do ------------------------------------------------------------------------------------ */

static void use(unsigned cpu)
{
	volatile uint64_t *data = (volatile uint64_t *)TEST;
	uint64_t n = 0, copy[8], cr3 = read_cr3();

	write_cr3(cr3);  /* what it knows from the last time */
	if (way == BY_GLOBAL)
		write_cr4(read_cr4() | CR4_PGE);
	if (two_pcids(way)) {
		write_cr4(read_cr4() | CR4_PCIDE);
		write_cr3(cr3 | 1);
	}
	sti();
	while (!stop) {
		n++;
		if (two_pcids(way))
			write_cr3(cr3 | (1 + (n & 1)) | 1ull << 63);
		/* Word 0 to 7 are read, each processor writes words of its own. */
		if (data[n & 7] == POISON_WORD)
			bad_data[cpu]++;
		data[64 * cpu + (n & 15)] = n;
		asm volatile("lock; incq %0" : "+m"(data[64 * cpu + 32]) : : "cc");
		memcpy(copy, (const void *)TEST, sizeof copy);
		for (unsigned k = 0; k < ARRAY_SIZE(copy); k++)
			if (copy[k] == POISON_WORD)
				bad_data[cpu]++;
		if (call(CODE_AT) == POISON || call(CROSS_AT) == POISON || call(CODE_AT) == POISON)
			bad_code[cpu]++;
		rounds_seen[cpu] = n;
	}
	cli();
	if (two_pcids(way)) {
		write_cr3(cr3);
		write_cr4(read_cr4() & ~(uint64_t)CR4_PCIDE);
	}
	if (way == BY_GLOBAL)
		write_cr4(read_cr4() & ~(uint64_t)CR4_PGE);
}

/* ---- what the first does ------------------------------------------------------------------------------------- */

/* MOV EAX, v; RET */
static void put_return(uint8_t *p, uint32_t v)
{
	p[0] = 0xb8;
	memcpy(p + 1, &v, sizeof v);
	p[5] = 0xc3;
}

static void put_code(struct set *s, uint32_t v)
{
	uint8_t made[6];

	put_return((uint8_t *)s->frame[1], v);
	put_return(made, v);
	memcpy((uint8_t *)s->frame[1] + PAGE - 3, made, 3);
	memcpy(s->frame[2], made + 3, 3);
}

static void poison(struct set *s)
{
	for (unsigned n = 0; n < WORDS; n++)
		s->frame[0][n] = POISON_WORD;
	put_code(s, POISON);
}

/* How many words of the data are not poison: somebody wrote there. */
static unsigned spoilt(const struct set *s)
{
	unsigned bad = 0;

	for (unsigned n = 0; n < WORDS; n++)
		bad += s->frame[0][n] != POISON_WORD;
	return bad;
}

static void enter(struct set *s, bool present)
{
	volatile uint64_t *table = (volatile uint64_t *)(*page_entry(TEST, 2) & ~0xfffull);

	if (way == BY_TABLE || way == BY_TABLE_AND_CR3)
		table = s->table;
	for (unsigned n = 0; n < PAGES; n++)
		table[n] = present ? (uint64_t)s->frame[n] | P_P | P_W | extra : 0;
	*page_entry(TEST, 2) = (uint64_t)table | P_P | P_W | P_U;
}

static uint64_t hypercall(uint64_t control, const void *in)
{
	register uint64_t r8 asm("r8") = 0;
	uint64_t page = CALL_PAGE, result;

	asm volatile("call *%1" : "=a"(result), "+r"(page), "+c"(control), "+d"(in), "+r"(r8) : : "memory", "cc", "r9", "r10", "r11");
	return result;
}

/* On all: done when the call returns. */
static bool flush_by_list(void)
{
	static struct {
		struct hv_in_flush in;
		uint64_t range[2];
	} list __attribute__((aligned(128)));

	list.in = (struct hv_in_flush){ read_cr3(), 0, (1u << cpus) - 1 };
	list.range[0] = TEST;
	list.range[1] = (TEST + PAGE) | (PAGES - 2);
	return hypercall(HV_CALL_FLUSH_ADDRESS_LIST | 2ull << HV_CALL_REPS_SHIFT, &list) == (2ull << HV_CALL_REPS_SHIFT);
}

static bool flush_by_space(void)
{
	static struct {
		struct hv_in_flush_ex in;
		uint64_t bank;
	} space __attribute__((aligned(64)));

	space.in = (struct hv_in_flush_ex){ read_cr3(), HV_FLUSH_NON_GLOBAL_ONLY, { HV_VP_SET_SPARSE, 1 } };
	space.bank = (1u << cpus) - 1;
	return hypercall(HV_CALL_FLUSH_ADDRESS_SPACE_EX | 1ull << HV_CALL_VARIABLE_SHIFT, &space) == 0;
}

static bool flush_all(void)
{
	if (way == BY_SPACE)
		return flush_by_space();
	if (by_hypercall(way))
		return flush_by_list();
	forget(0);
	answers = 0;
	apic_send(0, ICR_OTHERS | ICR_ASSERT | FLUSH);
	return WAIT_FOR(answers == cpus - 1);
}

/* Until the others have gone round once more, or all wait for the page. */
static void let_run(void)
{
	unsigned n = rounds_seen[1];
	uint32_t since = pm_time();

	while (rounds_seen[1] == n && !pm_passed(since, 3))
		pause_cpu();
}

static void shoot(enum way w)
{
	unsigned spoiled = 0, round, data = 0, code = 0;

	way = w;
	extra = w == BY_GLOBAL ? P_G : 0;
	stop = false;
	for (unsigned n = 0; n < CPU_MAX; n++)
		bad_data[n] = bad_code[n] = faults[n] = rounds_seen[n] = 0;
	now = &sets[0];
	memset(now->frame[0], 0, PAGE);
	put_code(now, 1);
	enter(now, true);
	write_cr3(read_cr3());
	for (unsigned n = 1; n < SETS; n++)
		poison(&sets[n]);
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, use);
	for (unsigned n = 1; n < cpus; n++)
		WAIT_FOR(rounds_seen[n]);
	for (round = 1; round <= ROUNDS; round++) {
		struct set *old = now, *next = &sets[round % SETS];

		spoiled += spoilt(next);
		memset(next->frame[0], 0, PAGE);
		put_code(next, round);
		enter(w == BY_ABSENCE ? old : next, w != BY_ABSENCE);
		if (!flush_all())
			break;
		poison(old);
		if (w == BY_ABSENCE) {
			/* What becomes present needs no flush. */
			let_run();
			enter(next, true);
		}
		now = next;
		let_run();
	}
	stop = true;
	for (unsigned n = 1; n < cpus; n++) {
		smp_wait(n);
		data += bad_data[n];
		code += bad_code[n];
	}
	for (struct set *s = sets; s < sets + SETS; s++)
		spoiled += s != now && spoilt(s);
	check_eq(round, ROUNDS + 1, "%s: %u processors answer in %u rounds", way_name[w], cpus - 1, ROUNDS);
	check_eq(data, 0, "%s: nobody reads the old data afterwards", way_name[w]);
	check_eq(code, 0, "%s: nobody runs the old code afterwards", way_name[w]);
	check_eq(spoiled, 0, "%s: nobody writes to the old frame afterwards", way_name[w]);
}

/* ---- rights that go away ---------------------------------------------------------------------------------------- */

static volatile unsigned denied[CPU_MAX];
static void skip_write(struct frame *f)
{
	if (f->error != (E_P | E_W))
		guest_die("page fault with error 0x%lx, cr2 0x%lx", f->error, read_cr2());
	denied[this_cpu()]++;
	f->ip = f->r12;
}

/* Writes, plainly and locked; a fault goes on at R12. */
static void write_on(unsigned cpu)
{
	volatile uint64_t *word = (volatile uint64_t *)TEST + 8 * cpu;

	write_cr3(read_cr3());
	sti();
	while (!stop) {
		asm volatile("leaq 1f(%%rip), %%r12; lock; incq %0; 1:" : "+m"(*word) : : "r12", "cc", "memory");
		asm volatile("leaq 1f(%%rip), %%r12; incq %0; 1:" : "+m"(*word) : : "r12", "cc", "memory");
	}
	cli();
}

/* Read-only after all have answered: the page stands still, and D stays clear once it is cleared; then writable again. */
static void rights(void)
{
	uint64_t *entry, *frame = sets[0].frame[0];
	unsigned moved = 0, dirty = 0, not_dirty = 0;

	way = BY_INVLPG;
	extra = 0;
	stop = false;
	memset(frame, 0, PAGE);
	enter(&sets[0], true);
	entry = page_entry(TEST, 1);
	handler[PF] = skip_write;
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, write_on);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t seen[CPU_MAX];

		*entry = (uint64_t)frame | P_P | P_A;
		flush_all();
		for (unsigned n = 1; n < cpus; n++)
			seen[n] = frame[8 * n];
		let_run();
		for (unsigned n = 1; n < cpus; n++)
			moved += frame[8 * n] != seen[n];
		dirty += (*entry & P_D) != 0;
		*entry = (uint64_t)frame | P_P | P_W | P_A;
		flush_all();
		WAIT_FOR(*entry & P_D);
		not_dirty += !(*entry & P_D);
	}
	stop = true;
	for (unsigned n = 1; n < cpus; n++)
		smp_wait(n);
	handler[PF] = retry;
	check_eq(moved, 0, "a page made read-only stands still when all have answered");
	check_eq(dirty, 0, "and its entry stays clean");
	check_eq(not_dirty, 0, "writable again, it is written and D is set");
	for (unsigned n = 1; n < cpus; n++)
		check(denied[n] > 0, "processor %u has met the fault", n);
}

static uint64_t rdmsr_or_0(uint32_t msr)
{
	uint64_t v;

	return try_rdmsr(msr, &v) ? v : 0;
}

/* Other machines may have none. */
static void hypercalls_on(void)
{
	if (cpuid(HV_CPUID_INTERFACE, 0).a != HV_INTERFACE_EAX)
		return;
	wrmsr(HV_X64_MSR_GUEST_OS_ID, 0x8100000000000000);
	wrmsr(HV_X64_MSR_HYPERCALL, CALL_PAGE | HV_MSR_PAGE_ENABLE);
}

void guest_main(void)
{
	hypercalls_on();
	for (unsigned n = 0; n < SETS; n++) {
		sets[n].table = page_alloc();
		for (unsigned k = 0; k < PAGES; k++)
			sets[n].frame[k] = page_alloc();
	}
	page_map(TEST, (uint64_t)sets[0].frame[0], P_P | P_W, 1);
	handler[FLUSH] = flush_ipi;
	handler[PF] = retry;
	cpus = smp_start(guest_option("cpus", 4));
	if (cpus < 2)
		return;
	for (enum way w = 0; w < WAYS; w++) {
		if (by_hypercall(w) && !(rdmsr_or_0(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE)) {
			check_skip("no hypercalls", "%s", way_name[w]);
			continue;
		}
		if (two_pcids(w) && (!(cpuid(1, 0).c & 1 << 17) || !(cpuid(7, 0).b & 1 << 10))) {
			check_skip("no PCID and INVPCID", "%s", way_name[w]);
			continue;
		}
		shoot(w);
	}
	rights();
}
