/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several processors: start, interrupts between them, locked operations, TLBs, code that changes. */
#include "lib/guest.h"

enum { VECTOR = 0x61, VECTOR_OTHER = 0x62, ROUNDS = 5000, TLB_ROUNDS = 100, CODE_ROUNDS = 100 };
#define TEST 0x10000000000ull
static unsigned cpus;
static volatile unsigned hits[CPU_MAX], other_hits[CPU_MAX], nmis[CPU_MAX];
static volatile bool stop;

static void count(struct frame *f)
{
	hits[this_cpu()]++;
	apic_eoi();
}

static void count_other(struct frame *f)
{
	other_hits[this_cpu()]++;
	apic_eoi();
}

static void count_nmi(struct frame *f)
{
	nmis[this_cpu()]++;
}

static volatile unsigned listening;
static void listen(unsigned cpu)
{
	__atomic_fetch_add(&listening, 1, __ATOMIC_SEQ_CST);
	sti();
	while (!stop)
		asm volatile("pause");
	cli();
}

static void listen_halted(unsigned cpu)
{
	__atomic_fetch_add(&listening, 1, __ATOMIC_SEQ_CST);
	while (!stop)
		asm volatile("sti; hlt; cli" : : : "memory");
}

static void all_run(void (*fn)(unsigned))
{
	stop = false;
	listening = 0;
	for (unsigned n = 1; n < cpus; n++)
		smp_run(n, fn);
}

static void all_wait(const char *what)
{
	bool good = true;

	stop = true;
	for (unsigned n = 1; n < cpus; n++)
		good &= smp_wait(n);
	check(good, "%s: all processors come back", what);
}

/* Bit n: processor n has got @want interrupts. */
static unsigned who(volatile unsigned *counts, unsigned want)
{
	unsigned mask = 0;

	for (unsigned n = 0; n < cpus; n++)
		mask |= (counts[n] == want) << n;
	return mask;
}

static void clear(void)
{
	for (unsigned n = 0; n < CPU_MAX; n++)
		hits[n] = other_hits[n] = nmis[n] = 0;
}

/* Sends, waits until the processors of @want got it, then a while longer for those that must not. */
static void check_sent(uint32_t target, uint32_t command, unsigned want, const char *what)
{
	unsigned got;

	clear();
	apic_send(target, command | ICR_ASSERT);
	sti();
	WAIT_FOR((who(hits, 1) & want) == want);
	pm_delay(5);
	cli();
	got = who(hits, 1);
	check_eq(got, want, "%s (0x%x to 0x%x)", what, command, target);
}

static void ipis(void)
{
	unsigned all = (1u << cpus) - 1;

	handler[VECTOR] = count;
	handler[VECTOR_OTHER] = count_other;
	all_run(listen);
	WAIT_FOR(listening == cpus - 1);
	for (unsigned n = 0; n < cpus; n++)
		check_sent(percpu[n].apic_id, VECTOR, 1u << n, "fixed IPI reaches one processor alone");
	check_sent(0, VECTOR | ICR_SELF, 1, "shorthand self");
	check_sent(0, VECTOR | ICR_ALL, all, "shorthand all");
	check_sent(0, VECTOR | ICR_OTHERS, all & ~1u, "shorthand all but self");
	check_sent(0xff, VECTOR, all, "physical broadcast");
	check_sent(percpu[1].apic_id, VECTOR | ICR_LOWEST, 2, "lowest priority with one candidate");
	stop = true;
	all_wait("fixed IPIs");
}

static void set_logical(unsigned cpu)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << (24 + cpu));
	listen(cpu);
}

static void set_cluster(unsigned cpu)
{
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, (cpu / 2 << 4 | 1 << (cpu & 1)) << 24);
	listen(cpu);
}

static void logical(void)
{
	unsigned all = (1u << cpus) - 1, got;

	all_run(set_logical);
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << 24);
	WAIT_FOR(listening == cpus - 1);
	for (unsigned mask = 1; mask <= all; mask++)
		check_sent(mask, VECTOR | ICR_LOGICAL, mask, "logical flat");
	clear();
	apic_send(all, VECTOR | ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT);
	sti();
	WAIT_FOR(who(hits, 1));
	pm_delay(5);
	cli();
	got = who(hits, 1);
	check(got && !(got & (got - 1)), "lowest priority to all: exactly one gets it");
	all_wait("logical flat");

	all_run(set_cluster);
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, 1u << 24);
	WAIT_FOR(listening == cpus - 1);
	check_sent(0x01, VECTOR | ICR_LOGICAL, 1, "cluster 0, member 0");
	check_sent(0x02, VECTOR | ICR_LOGICAL, 2, "cluster 0, member 1");
	check_sent(0x03, VECTOR | ICR_LOGICAL, 3, "cluster 0, both");
	if (cpus >= 4) {
		check_sent(0x11, VECTOR | ICR_LOGICAL, 4, "cluster 1, member 0");
		check_sent(0x13, VECTOR | ICR_LOGICAL, 0xc, "cluster 1, both");
	}
	check_sent(0xff, VECTOR | ICR_LOGICAL, all, "logical broadcast");
	all_wait("logical cluster");
	apic_write(APIC_DFR, 0xffffffff);
}

static void nmis_and_halt(void)
{
	unsigned good;

	clear();
	handler[NMI] = count_nmi;
	all_run(listen_halted);
	WAIT_FOR(listening == cpus - 1);
	apic_send(0, ICR_OTHERS | ICR_NMI | ICR_ASSERT);
	WAIT_FOR((who(nmis, 1) | 1) == (1u << cpus) - 1);
	good = who(nmis, 1);
	check_eq(good, ((1u << cpus) - 1) & ~1u, "NMI to all but self wakes halted processors");
	clear();
	for (unsigned n = 0; n < 100; n++) {
		apic_send(0, ICR_OTHERS | VECTOR | ICR_ASSERT);
		WAIT_FOR((who(hits, n + 1) | 1) == (1u << cpus) - 1);
	}
	check_eq(who(hits, 100), ((1u << cpus) - 1) & ~1u, "100 IPIs each wake every halted processor");
	stop = true;
	apic_send(0, ICR_OTHERS | VECTOR | ICR_ASSERT);
	all_wait("HLT");
	handler[NMI] = NULL;
}

/* INIT stops a processor; SIPI starts it at its trampoline, where it counts itself as new. */
static void init_again(void)
{
	extern volatile uint32_t ap_next;
	unsigned last = cpus - 1, before = cpu_count;

	ap_next = last;
	percpu[last].started = 0;
	apic_send(percpu[last].apic_id, ICR_INIT | ICR_ASSERT);
	pm_delay(100);
	check_eq(percpu[last].started, 0, "INIT: the processor waits for SIPI");
	apic_send(percpu[last].apic_id, ICR_SIPI | ICR_ASSERT | 8);
	check(WAIT_FOR(percpu[last].started && cpu_count == before + 1), "SIPI starts it again");
	apic_send(percpu[last].apic_id, ICR_SIPI | ICR_ASSERT | 8);
	smp_run(last, listen);
	stop = true;
	check(smp_wait(last), "a second SIPI to a running processor does nothing");
	cpu_count = before;
}

/* ---- locked operations ----------------------------------------------------------------------------- */

static volatile uint64_t sum_add, sum_inc, sum_xadd, sum_cas, bits;
static volatile struct { uint64_t low, high; } __attribute__((aligned(16))) wide;
static volatile uint32_t pair[2] __attribute__((aligned(8)));
static volatile uint8_t split[128] __attribute__((aligned(64)));
static volatile uint32_t lock_word;
static uint64_t plain;

static void add_wide(void)
{
	uint64_t a = wide.low, d = wide.high;
	uint8_t done;

	do {
		asm volatile("lock; cmpxchg16b %1; sete %0" : "=q"(done), "+m"(wide), "+a"(a), "+d"(d)
			     : "b"(a + 1), "c"(d + 2) : "memory", "cc");
	} while (!done);
}

static void add_pair(void)
{
	uint32_t a = pair[0], d = pair[1];
	uint8_t done;

	do {
		asm volatile("lock; cmpxchg8b %1; sete %0" : "=q"(done), "+m"(*(volatile uint64_t *)pair), "+a"(a), "+d"(d)
			     : "b"(a + 1), "c"(d + 3) : "memory", "cc");
	} while (!done);
}

static void add_all(unsigned cpu)
{
	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t one = 1, old, new;

		asm volatile("lock; addq $1, %0" : "+m"(sum_add) : : "memory", "cc");
		asm volatile("lock; incl %0" : "+m"(*(volatile uint32_t *)&sum_inc) : : "memory", "cc");
		asm volatile("lock; xaddq %1, %0" : "+m"(sum_xadd), "+r"(one) : : "memory", "cc");
		old = sum_cas;
		do {
			new = old + 1;
			asm volatile("lock; cmpxchgq %2, %0" : "+m"(sum_cas), "+a"(old) : "r"(new) : "memory", "cc");
		} while (old != new - 1);
		add_wide();
		add_pair();
		/* Across a cache line: still one operation. */
		asm volatile("lock; addl $1, %0" : "+m"(*(volatile uint32_t *)&split[62]) : : "memory", "cc");
		asm volatile("lock; btcq %1, %0" : "+m"(bits) : "r"((uint64_t)(cpu * 8)) : "memory", "cc");
		/* XCHG locks without the prefix. */
		for (uint32_t taken = 1; taken;)
			asm volatile("xchgl %0, %1" : "+r"(taken), "+m"(lock_word) : : "memory");
		plain++;
		asm volatile("" : : : "memory");
		lock_word = 0;
	}
}

static void locked(void)
{
	uint64_t want = (uint64_t)cpus * ROUNDS;

	all_run(add_all);
	add_all(0);
	for (unsigned n = 1; n < cpus; n++)
		while (!percpu[n].done)
			pause_cpu();
	check_eq(sum_add, want, "LOCK ADD from %u processors: exact sum", cpus);
	check_eq(sum_inc, want, "LOCK INC");
	check_eq(sum_xadd, want, "LOCK XADD");
	check_eq(sum_cas, want, "LOCK CMPXCHG");
	check(wide.low == want && wide.high == 2 * want, "LOCK CMPXCHG16B");
	check(pair[0] == want && pair[1] == 3 * want, "LOCK CMPXCHG8B");
	check_eq(*(volatile uint32_t *)&split[62], want, "LOCK ADD across a cache line");
	check_eq(bits, 0, "LOCK BTC an even number of times");
	check_eq(plain, want, "a counter under an XCHG lock");
}

/* Store buffering litmus: with a fence between, both loads cannot miss. */
static volatile uint32_t x, y, r1, r2, turn;
static void litmus_ap(unsigned cpu)
{
	for (unsigned n = 1; n <= ROUNDS / 4; n++) {
		while (turn != n)
			pause_cpu();
		y = 1;
		asm volatile("mfence" : : : "memory");
		r2 = x;
		__atomic_fetch_add(&lock_word, 1, __ATOMIC_SEQ_CST);
	}
}

static void litmus(void)
{
	unsigned bad = 0;

	turn = 0;
	smp_run(1, litmus_ap);
	for (unsigned n = 1; n <= ROUNDS / 4; n++) {
		x = y = 0;
		lock_word = 0;
		__atomic_store_n(&turn, n, __ATOMIC_SEQ_CST);
		x = 1;
		asm volatile("mfence" : : : "memory");
		r1 = y;
		while (!lock_word)
			pause_cpu();
		bad += !r1 && !r2;
	}
	check_eq(bad, 0, "store, MFENCE, load on two processors: one sees the other");
	smp_wait(1);
}

/* ---- TLB shootdown ----------------------------------------------------------------------------------- */

static volatile unsigned flushed;
static volatile uint64_t shared_phase;
static volatile unsigned bad_reads;

static void flush_ipi(struct frame *f)
{
	invlpg(TEST);
	__atomic_fetch_add(&flushed, 1, __ATOMIC_SEQ_CST);
	apic_eoi();
}

/* Reads the page and the phase: after a flush of phase n only values of phase >= n may come. */
static void read_page(unsigned cpu)
{
	sti();
	while (!stop) {
		uint64_t before = shared_phase, v = *(volatile uint64_t *)TEST;

		if (v < before)
			bad_reads++;
	}
	cli();
}

static void shootdown(void)
{
	volatile uint64_t *page[2] = { page_alloc(), page_alloc() };

	handler[0x70] = flush_ipi;
	page_map(TEST, (uint64_t)page[0], P_P | P_W, 1);
	all_run(read_page);
	for (unsigned n = 1; n <= TLB_ROUNDS; n++) {
		*page[n & 1] = n;
		*page_entry(TEST, 1) = (uint64_t)page[n & 1] | P_P | P_W;
		invlpg(TEST);
		flushed = 0;
		apic_send(0, ICR_OTHERS | ICR_ASSERT | 0x70);
		if (!WAIT_FOR(flushed == cpus - 1))
			break;
		shared_phase = n;
	}
	check_eq(shared_phase, TLB_ROUNDS, "TLB shootdown by IPI: all answer in %u rounds", TLB_ROUNDS);
	check_eq(bad_reads, 0, "and nobody reads the old page afterwards");
	all_wait("shootdown");
}

/* ---- code that changes ------------------------------------------------------------------------------- */

static uint8_t *code;
static unsigned call(const void *p)
{
	unsigned v;

	asm volatile("call *%1" : "=a"(v) : "r"(p) : "memory", "cc", "rcx", "rdx");
	return v;
}

static void put_return(uint8_t *p, uint32_t v)
{
	p[0] = 0xb8;  /* MOV EAX, v; RET */
	*(volatile uint32_t *)(p + 1) = v;
	p[5] = 0xc3;
}

static void self_modifying(void)
{
	unsigned bad = 0, v;
	uint8_t *alias;

	code = page_alloc();
	page_alloc();
	for (unsigned n = 0; n < CODE_ROUNDS; n++) {
		put_return(code, n);
		bad += call(code) != n;
	}
	check_eq(bad, 0, "code written, then called: %u times", CODE_ROUNDS);
	alias = (uint8_t *)TEST;
	page_map(TEST, (uint64_t)code, P_P | P_W, 1);
	for (unsigned n = 0; n < CODE_ROUNDS; n++) {
		put_return(alias, n + 7);
		bad += call(code) != n + 7;
	}
	check_eq(bad, 0, "written through an alias of the page");
	for (unsigned n = 0; n < CODE_ROUNDS; n++) {
		/* The immediate lies across the page boundary. */
		put_return(code + PAGE - 3, n * 0x01010101u);
		bad += call(code + PAGE - 3) != n * 0x01010101u;
	}
	check_eq(bad, 0, "an instruction across a page boundary, both halves changed");
	for (unsigned n = 0; n < CODE_ROUNDS; n++) {
		code[PAGE] = n;  /* second byte of the immediate's end, in the second page only */
		bad += (call(code + PAGE - 3) >> 16 & 0xff) != (uint8_t)n;
	}
	check_eq(bad, 0, "only the second page changed");
	/* The next instruction of the same block: MOV [rip+x], imm; the changed one is MOV EAX, imm. */
	for (unsigned n = 1; n < 100; n++) {
		asm volatile("movl %1, 1f+1(%%rip)\n1:\tmovl $0, %0" : "=a"(v) : "r"(n) : "memory");
		bad += v != n;
	}
	check_eq(bad, 0, "a store into the next instruction is seen at once");
	for (unsigned n = 1; n < 100; n++) {
		uint32_t i = n;

		/* REP STOSB over the instructions that follow it. */
		asm volatile("leaq 1f+1(%%rip), %%rdi\n\tmovl $4, %%ecx\n\trep stosb\n1:\tmovl $0, %%eax" : "+a"(i) : : "rdi", "rcx", "memory");
		bad += i != n * 0x01010101u;
	}
	check_eq(bad, 0, "REP STOSB into the next instruction");
	/* A page that becomes another page. */
	for (unsigned n = 0; n < 100; n++) {
		put_return(code, 1);
		put_return(code + PAGE, 2);
		page_map(TEST, (uint64_t)code, P_P | P_W, 1);
		bad += call((void *)TEST) != 1;
		page_map(TEST, (uint64_t)code + PAGE, P_P | P_W, 1);
		bad += call((void *)TEST) != 2;
	}
	check_eq(bad, 0, "another page at the same address");
}

static volatile unsigned code_phase, code_bad, code_seen[CPU_MAX];
static void run_code(unsigned cpu)
{
	while (!stop) {
		unsigned before = code_phase, v;

		/* A serialising instruction between the news and the code, as the manuals ask. */
		cpuid(0, 0);
		v = call(code);
		if (v < before)
			code_bad++;
		code_seen[cpu] = before;
	}
}

static void cross_modifying(void)
{
	code_phase = 0;
	put_return(code, 0);
	all_run(run_code);
	for (unsigned n = 1; n < CODE_ROUNDS; n++) {
		/* One aligned store: both old and new code are whole. */
		uint64_t old = *(uint64_t *)code;

		*(volatile uint64_t *)code = (old & 0xffffff00000000ffull) | (uint64_t)n << 8;
		code_phase = n;
		WAIT_FOR(code_seen[1] >= n);
	}
	check_eq(code_bad, 0, "cross-modifying code: never older than what was announced");
	check_eq(code_seen[1] >= CODE_ROUNDS - 1, true, "and every change arrives");
	all_wait("cross-modifying code");
}

/* ---- x2APIC ------------------------------------------------------------------------------------------ */

static void x2_on(unsigned cpu)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0x400);
	listen(cpu);
}

static void x2_off(unsigned cpu)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	wrmsr(MSR_APIC_BASE, base & ~0xc00ull);
	wrmsr(MSR_APIC_BASE, (base & ~0x400ull) | 0x800);
	apic_enable();
}

static void x2apic(void)
{
	uint64_t v, base = rdmsr(MSR_APIC_BASE);
	unsigned all = (1u << cpus) - 1;

	if (!(cpuid(1, 0).c & 1 << 21)) {
		check_skip("no x2APIC", "x2APIC");
		return;
	}
	check(!try_rdmsr(0x802, &v) && event.vector == GP, "x2APIC registers are #GP while it is off");
	all_run(x2_on);
	wrmsr(MSR_APIC_BASE, base | 0x400);
	WAIT_FOR(listening == cpus - 1);
	check_eq(rdmsr(0x802), percpu[0].apic_id, "x2APIC id");
	check_eq(rdmsr(0x80d), 1, "logical id of the first: cluster 0, member 0");
	for (unsigned n = 0; n < cpus; n++)
		check_sent(percpu[n].apic_id, VECTOR, 1u << n, "x2APIC fixed IPI");
	check_sent(all & ~1u, VECTOR | ICR_LOGICAL, all & ~1u, "x2APIC logical: bits of one cluster");
	check_sent(0xffffffff, VECTOR, all, "x2APIC broadcast");
	check_sent(0, VECTOR | ICR_OTHERS, all & ~1u, "x2APIC all but self");
	clear();
	wrmsr(0x83f, VECTOR);
	asm volatile("sti; nop; cli" : : : "memory");
	check_eq(who(hits, 1), 1, "SELF IPI register");
	check(!try_wrmsr(0x802, 0) && event.vector == GP, "write to the id is #GP");
	check(!try_rdmsr(0x80b, &v) && event.vector == GP, "read of EOI is #GP");
	check(!try_wrmsr(0x80b, 1) && event.vector == GP, "EOI other than 0 is #GP");
	check(!try_wrmsr(0x831, 0) && event.vector == GP, "no upper half of ICR");
	check(!try_wrmsr(0x80e, 0) && event.vector == GP, "no DFR");
	check(!try_wrmsr(MSR_APIC_BASE, base) && event.vector == GP, "x2APIC straight back to xAPIC is #GP");
	all_wait("x2APIC");
	all_run(x2_off);
	for (unsigned n = 1; n < cpus; n++)
		smp_wait(n);
	x2_off(0);
	check_eq(apic_read(APIC_ID) >> 24, percpu[0].apic_id, "back to xAPIC through off");
}

void guest_main(void)
{
	unsigned want = guest_option("cpus", 4);

	cpus = smp_start(want);
	check_eq(cpus, want, "INIT and SIPI start all processors");
	if (cpus < 2)
		return;
	for (unsigned n = 0; n < cpus; n++)
		for (unsigned o = n + 1; o < cpus; o++)
			if (percpu[n].apic_id == percpu[o].apic_id)
				guest_die("two processors with APIC id %u", percpu[n].apic_id);
	ipis();
	logical();
	nmis_and_halt();
	locked();
	litmus();
	shootdown();
	self_modifying();
	cross_modifying();
	x2apic();
	init_again();
}
