/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest that does all the wrong things: garbage to ports, MSRs and addresses without
 * memory, random bytes as code in ring 3 and in ring 0.  The emulator must not crash
 * or hang; what the guest gets is its own fault.  Words of the command line: seed=,
 * secs= (of random code in each ring; 2).
 *
 * Random code is ended by an exception or by the second processor, which sends an NMI
 * every few milliseconds.  In ring 0 it may harm this program itself (other
 * page tables, another IDT, the exit port), so that part comes last, behind the plan:
 * the machine may end there in any orderly way.
 */
#include "lib/guest.h"

enum { SCRATCH_PAGES = 4, IST_SIZE = 8192, MEMORY_END = 128 << 20 };
/* Below 4 GiB for compatibility mode, where there is no memory. */
#define CODE_AT 0xa0000000ull
static uint64_t seed;
static uint8_t *scratch;
static uint8_t ist_stack[2][IST_SIZE] __attribute__((aligned(16)));
static volatile bool ticking;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static void ignore(struct frame *f) {}

/* Ports that end the machine, reset it, are our console, or make a device write into memory. */
static bool port_spared(unsigned p)
{
	return (p >= 0x3f5 && p <= 0x3ff) || (p >= 0x600 && p <= 0x607) || p == 0x64 || p == 0x92 || (p >= 0xcf6 && p <= 0xcf9) ||
	       (p >= 0x511 && p <= 0x51b) || (p >= 0x61 && p <= 0x63) || p == 0x8f || p == 0x90 || p == 0x91 ||
	       (p >= 0xf1 && p <= 0xf7);
}

static void ports(void)
{
	unsigned tried = 0;

	for (unsigned p = 0; p < 0x10000; p += p < 0x1000 ? 1 : 37) {
		if (port_spared(p))
			continue;
		inb(p);
		inw(p);
		inl(p);
		outb(p, next_random());
		outw(p, next_random());
		outl(p, next_random());
		tried++;
	}
	check(tried > 4000, "garbage to %u ports", tried);
}

static bool msr_spared(uint32_t n)
{
	return n == MSR_EFER || n == MSR_APIC_BASE || n == MSR_GS_BASE || n == 0x40000003 || (n >= 0x40000100 && n <= 0x40000105);
}

static void msr_range(uint32_t from, uint32_t to)
{
	unsigned read = 0, written = 0;

	for (uint32_t n = from; n < to; n++) {
		uint64_t old;
		bool there = try_rdmsr(n, &old);

		read += there;
		if (msr_spared(n))
			continue;
		/* Overlay pages only over the scratch page, not over this program. */
		written += try_wrmsr(n, n >> 16 == 0x4000 ? (uint64_t)scratch | (next_random() & 0xfff) : next_random());
		written += try_wrmsr(n, next_random() & 0xff);
		if (there)
			try_wrmsr(n, old);
	}
	check(true, "garbage to MSRs 0x%x to 0x%x (%u can be read, %u writes are taken)", from, to, read, written);
}

static void holes(void)
{
	unsigned n;

	for (n = 0; n < 2000; n++) {
		uint64_t a = 0x10000000 + next_random() % (0xfec00000 - 0x10000000);

		if (n & 1)
			a = 0xfed00000 + (next_random() & 0x3ffff);
		switch (n >> 1 & 3) {
		case 0: *(volatile uint8_t *)a; *(volatile uint8_t *)a = next_random(); break;
		case 1: *(volatile uint16_t *)a; *(volatile uint16_t *)a = next_random(); break;
		case 2: *(volatile uint32_t *)a; *(volatile uint32_t *)a = next_random(); break;
		default: *(volatile uint64_t *)a; *(volatile uint64_t *)a = next_random(); break;
		}
	}
	check(true, "garbage to %u addresses without memory", n);
	TRY("lock; addq $1, (%0)", : : "D"(0xd0000000ul) : "memory", "cc");
	TRY("cmpxchg16b (%%rdi)", : : "D"(0xd0000000ul), "a"(0), "d"(0), "b"(0), "c"(0) : "memory", "cc");
	TRY("movdqa (%%rdi), %%xmm0", : : "D"(0xd0000000ul) : "memory");
	TRY("fxsave (%%rdi)", : : "D"(0xd0000000ul) : "memory");
	check(true, "locked and wide accesses there");
	for (unsigned reg = 0; reg < 0x400; reg += 0x10)
		if (reg != APIC_ID && reg != APIC_ICR && reg != APIC_ICR2 && reg != APIC_SVR && reg != APIC_LVT_LINT0 && reg != APIC_LVT_LINT1)
			apic_write(reg, next_random() | 1 << 16);
	apic_enable();
	check(true, "garbage to the local APIC");
}

/* ---- random code ---------------------------------------------------------------------------------- */

static void tick(unsigned cpu)
{
	while (ticking) {
		pm_delay(3);
		apic_send(percpu[0].apic_id, ICR_NMI | ICR_ASSERT);
	}
}

static uint8_t random_byte(void)
{
	static const uint8_t often[] = { 0x0f, 0x66, 0xf2, 0xf3, 0x48, 0xc5, 0xc4, 0x67, 0xf0, 0xd9, 0xdb, 0x2e, 0x65, 0x38, 0x3a };
	uint64_t r = next_random() >> 20;

	return r & 3 ? r >> 8 : often[(r >> 8) % sizeof often];
}

static uint64_t random_register(void)
{
	uint64_t r = next_random();

	switch (r & 7) {
	case 0: return r;
	case 1: return r >> 56;
	case 2: return (int8_t)(r >> 8);
	default: return CODE_AT + PAGE + (r >> 8 & 0x1fff);
	}
}

static void one_round(bool ring0)
{
	struct frame f;
	uint64_t *reg = (uint64_t *)&f;

	for (unsigned n = 0; n < 512; n++)
		scratch[n] = random_byte();
	for (unsigned n = 0; n < 15; n++)
		reg[n] = random_register();
	f.ip = CODE_AT + (next_random() & 63);
	f.sp = CODE_AT + 2 * PAGE + (next_random() & 0xff8);
	f.cs = ring0 ? SEL_CODE : next_random() & 7 ? SEL_USER_CODE : SEL_USER_CODE32;
	f.ss = ring0 ? SEL_DATA : SEL_USER_DATA;
	f.flags = (next_random() & (F_CF | F_DF | F_ZF | F_OF | F_AC | F_TF * !(next_random() & 15))) | 2;
	run_frame(&f);
}

static struct { uint16_t limit; uint64_t base; } __attribute__((packed)) gdt_now = { sizeof gdt - 1, (uint64_t)gdt },
	idt_now = { sizeof idt - 1, (uint64_t)idt };

/* What random code in ring 0 may have changed. */
static void restore(uint64_t cr4)
{
	asm volatile("lgdt %0; lidt %1" : : "m"(gdt_now), "m"(idt_now));
	asm volatile("movl %0, %%ds; movl %0, %%es; movl %0, %%fs; movl %0, %%gs" : : "r"(SEL_DATA));
	wrmsr(MSR_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_MP | CR0_PE | 0x10);
	write_cr4(cr4);
	write_dr7(0x400);
	load_tss();
}

static void random_code(bool ring0, unsigned secs)
{
	uint64_t cr4 = read_cr4(), rounds = 0, count[32] = { 0 };
	uint32_t since = pm_time();

	for (unsigned second = 0; second < secs; rounds++) {
		one_round(ring0);
		count[event.vector & 31]++;
		if (ring0)
			restore(cr4);
		if (pm_passed(since, 1000)) {
			since = pm_time();
			second++;
		}
	}
	print("# ring %u: %lu rounds;", ring0 ? 0 : 3, rounds);
	for (unsigned v = 0; v < 32; v++)
		if (count[v])
			print(" #%u: %lu", v, count[v]);
	print("\n");
}

void guest_main(void)
{
	unsigned secs = guest_option("secs", 2);

	seed = guest_option("seed", 1) * 0x9e3779b97f4a7c15ull + 1;
	scratch = page_alloc();
	for (unsigned n = 1; n < SCRATCH_PAGES; n++)
		page_alloc();
	handler[NMI] = ignore;
	smp_start(2);
	msr_range(0, 0x700);
	msr_range(0x800, 0x900);
	msr_range(0x40000000, 0x40000200);
	msr_range(0xc0000080, 0xc0000110);
	msr_range(0xc0010000, 0xc0010300);
	for (unsigned n = 0; n < 8; n++) {
		uint32_t from = next_random() & 0xfffff000;

		msr_range(from, from + 64);
	}
	holes();
	ports();
	asm volatile("cli");

	/* Code runs only where there is memory: a jump elsewhere would end the machine. */
	for (uint64_t a = MEMORY_END; a < 1ull << 32; a += 1 << 21)
		*page_entry(a, 2) |= P_NX;
	*page_entry(CODE_AT, 2) = 0;
	for (unsigned n = 0; n < SCRATCH_PAGES; n++)
		page_map(CODE_AT + n * PAGE, (uint64_t)scratch + n * PAGE, P_P | P_W | P_U, 1);
	tss.ist[0] = (uint64_t)ist_stack[0] + IST_SIZE;
	tss.ist[1] = (uint64_t)ist_stack[1] + IST_SIZE;
	for (unsigned v = 0; v < 32; v++)
		reset_gate(v, v == BP || v == OF ? GATE_USER : GATE_INTERRUPT, v == NMI ? 2 : 1);
	handler[NMI] = NULL;
	ignore_nmi = true;
	ticking = true;
	if (cpu_count > 1)
		smp_run(1, tick);
	random_code(false, secs);
	check(true, "random code in ring 3");
	if (guest_option("ring0", 1)) {
		print("# from here on the machine may end\n");
		catch_all = true;
		random_code(true, secs);
	}
	ticking = false;
	guest_exit();
}
