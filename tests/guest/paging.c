/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paging of 64-bit mode: rights, error codes, A and D, sizes, global pages, PCID, five levels. */
#include "lib/guest.h"

/* Free parts of the address space: pages for ring 0, and for ring 3. */
#define TEST 0x10000000000ull
#define TEST_BIG 0x18000000000ull
#define KERNEL_HALF 0xffff900000000000ull
enum { CPUID_GB_PAGES = 1 << 26, CPUID_PCID = 1 << 17, CPUID_INVPCID = 1 << 10, CPUID_SMEP = 1 << 7, CPUID_SMAP = 1 << 20,
       CPUID_LA57 = 1 << 16 };
static volatile uint64_t *page_a, *page_b;

static volatile uint64_t *at(uint64_t a) { return (volatile uint64_t *)a; }
static uint64_t phys(const volatile void *p) { return (uint64_t)p; }

static void set(uint64_t bits) { write_cr4(read_cr4() | bits); }
static void clear(uint64_t bits) { write_cr4(read_cr4() & ~bits); }

#define READ(a) do { uint64_t v_; TRY("movq (%1), %0", : "=a"(v_) : "D"(a) : "memory"); } while (0)
#define WRITE(a, v) TRY("movq %%rax, (%%rdi)", : : "a"((uint64_t)(v)), "D"((uint64_t)(a)) : "memory")

/* Calls @a, where a RET is expected; the fetch may fault. */
static void fetch(uint64_t a)
{
	event_clear();
	event_start = a;
	asm volatile("movq $1f, event_resume\n\tmovq %%rsp, event_sp\n\tcall *%0\n1:\tmovq $0, event_resume" : : "D"(a) : "memory");
}

CODE(user_read, "movq (%rdi), %rax" USER_EXIT);
CODE(user_write, "movq %rax, (%rdi)" USER_EXIT);
CODE(user_call, "call *%rdi" USER_EXIT);
CODE(user_lock, "lock; addq $1, (%rdi)" USER_EXIT);

static void basic(void)
{
	uint64_t *e = page_entry(TEST, 1);

	READ(TEST);
	check_page_fault(TEST, 0, "absent page, read: #PF(0)");
	WRITE(TEST + 8, 0);
	check_page_fault(TEST + 8, E_W, "absent page, write: #PF(2)");
	fetch(TEST);
	check_page_fault(TEST, E_I, "absent page, fetch with NXE: #PF(10h)");
	READ(TEST_BIG);
	check_page_fault(TEST_BIG, 0, "absent upper level: #PF(0)");
	READ(KERNEL_HALF);
	check_page_fault(KERNEL_HALF, 0, "absent page of the upper half: CR2 has all 64 bits");

	*page_a = 0x1111;
	*e = phys(page_a) | P_P | P_W;
	READ(TEST);
	check_no_fault("a page made present needs no INVLPG");
	check_eq(*e & (P_A | P_D), P_A, "read sets A only");
	WRITE(TEST, 0x2222);
	check_eq(*e & (P_A | P_D), P_A | P_D, "write sets D");
	check_eq(*page_a, 0x2222, "the write has gone through");
	for (unsigned l = 2; l <= 4; l++)
		check_eq(*page_entry(TEST, l) & (P_A | P_D), P_A, "level %u has A and no D", l);

	page_map(TEST, phys(page_a), P_P, 1);
	WRITE(TEST, 0);
	check_page_fault(TEST, E_P | E_W, "write to a read-only page with CR0.WP: #PF(3)");
	check_eq(*e & (P_A | P_D), 0, "a write that faults sets neither A nor D");
	write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
	WRITE(TEST, 0x3333);
	check_no_fault("ring 0 writes to it without CR0.WP");
	check_eq(*e & (P_A | P_D), P_A | P_D, "which sets A and D");
	write_cr0(read_cr0() | CR0_WP);
	WRITE(TEST, 0);
	check_page_fault(TEST, E_P | E_W, "CR0.WP set again takes effect at once");
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	TRY("lock; cmpxchgq %%rcx, (%%rdi)", : : "D"(TEST), "a"(0x9999ul), "c"(1ul) : "memory", "cc");
	check_no_fault("CMPXCHG that does not match");
	check_eq(*e & (P_A | P_D), P_A | P_D, "writes all the same: D is set");
}

static void upper_levels(void)
{
	page_map(TEST, phys(page_a), P_P | P_W | P_U, 1);
	for (unsigned l = 2; l <= 4; l++) {
		uint64_t *e = page_entry(TEST, l);

		*e &= ~(uint64_t)P_W;
		invlpg(TEST);
		WRITE(TEST, 0);
		check_page_fault(TEST, E_P | E_W, "level %u without W", l);
		*e |= P_W;
		*e |= P_NX;
		invlpg(TEST);
		fetch(TEST);
		check_page_fault(TEST, E_P | E_I, "level %u with NX: fetch is #PF(11h)", l);
		*e &= ~P_NX;
		*e &= ~(uint64_t)P_U;
		invlpg(TEST);
		run_user(user_read, TEST, 0);
		check_user_fault(PF, E_P | E_U, user_read, 0, "level %u without U: #PF(5) in ring 3", l);
		*e |= P_U;
		*e &= ~(uint64_t)P_P;
		invlpg(TEST);
		WRITE(TEST, 0);
		check_page_fault(TEST, E_W, "level %u absent", l);
		*e |= P_P;
		invlpg(TEST);
	}
	run_user(user_read, TEST, 0);
	check(event.vector == USER_VECTOR, "all levels in order again: ring 3 reads");
}

static void users(void)
{
	page_map(TEST, phys(page_a), P_P | P_U, 1);
	run_user(user_write, TEST, 0);
	check_user_fault(PF, E_P | E_W | E_U, user_write, 0, "ring 3 write to a read-only page: #PF(7)");
	write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
	run_user(user_write, TEST, 0);
	check_user_fault(PF, E_P | E_W | E_U, user_write, 0, "also without CR0.WP");
	write_cr0(read_cr0() | CR0_WP);
	run_user(user_lock, TEST, 0);
	check_user_fault(PF, E_P | E_W | E_U, user_lock, 0, "a locked operation faults as a write");
	run_user(user_read, TEST + PAGE, 0);
	check_user_fault(PF, E_U, user_read, 0, "ring 3 read of an absent page: #PF(4)");
	run_user(user_call, TEST + PAGE, 0);
	check(event.vector == PF && event.error == (E_U | E_I) && event.frame.ip == TEST + PAGE && event.cr2 == TEST + PAGE,
	      "ring 3 fetch from an absent page: #PF(14h) there");
	page_map(TEST, phys(page_a), P_P | P_W | P_U | P_NX, 1);
	run_user(user_call, TEST, 0);
	check(event.vector == PF && event.error == (E_P | E_U | E_I) && event.frame.ip == TEST, "ring 3 fetch from an NX page: #PF(15h)");
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	run_user(user_call, TEST, 0);
	check(event.vector == PF && event.error == (E_P | E_U | E_I) && event.frame.ip == TEST,
	      "ring 3 fetch from a supervisor page: #PF(15h)");
}

static void reserved(void)
{
	uint64_t *e = page_entry(TEST, 1), width = cpuid(0x80000008, 0).a & 0xff;

	*e = phys(page_a) | P_P | P_W | 1ull << width;
	invlpg(TEST);
	READ(TEST);
	check_page_fault(TEST, E_P | E_RSVD, "address bit beyond the physical width: #PF(9)");
	check_eq(*e & P_A, 0, "and no A");
	WRITE(TEST, 0);
	check_page_fault(TEST, E_P | E_RSVD | E_W, "the same for a write: #PF(0Bh)");
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	*page_entry(TEST, 4) |= P_PS;
	invlpg(TEST);
	READ(TEST);
	check_page_fault(TEST, E_P | E_RSVD, "bit 7 of a level 4 entry is reserved");
	*page_entry(TEST, 4) &= ~(uint64_t)P_PS;
	*page_entry(TEST_BIG, 2) = 1ull << 13 | P_P | P_PS;
	invlpg(TEST_BIG);
	READ(TEST_BIG);
	check_page_fault(TEST_BIG, E_P | E_RSVD, "bits 20:13 of a 2 MiB page are reserved");
	*page_entry(TEST_BIG, 2) = 0;
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_NXE);
	page_map(TEST, phys(page_a), P_P | P_W | P_NX, 1);
	READ(TEST);
	check_page_fault(TEST, E_P | E_RSVD, "NX without EFER.NXE is reserved: #PF(9)");
	page_map(TEST, 0, 0, 1);
	fetch(TEST);
	check_page_fault(TEST, 0, "a fetch without NXE and SMEP has no I bit");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	page_map(TEST, phys(page_a), 0, 1);
	*e |= 1ull << width;
	READ(TEST);
	check_page_fault(TEST, 0, "reserved bits of an absent entry do not count");
	page_map(TEST, phys(page_a), P_P | P_W | 7ull << 9 | 0x7full << 52, 1);
	READ(TEST);
	check_no_fault("bits 11:9 and 58:52 are ignored");
}

static void large_pages(void)
{
	uint64_t *e = page_entry(TEST_BIG, 2), offset = phys(page_a) & 0x1fffff, base = phys(page_a) & ~0x1fffffull;

	page_map(TEST_BIG, base, P_P | P_W, 2);
	*page_a = 0x4444;
	check_eq(*at(TEST_BIG + offset), 0x4444, "2 MiB page");
	check_eq(*e & (P_A | P_D), P_A, "A");
	*at(TEST_BIG + offset) = 0x5555;
	check_eq(*e & (P_A | P_D), P_A | P_D, "D");
	page_map(TEST_BIG, base, P_P, 2);
	WRITE(TEST_BIG + offset, 0);
	check_page_fault(TEST_BIG + offset, E_P | E_W, "read-only 2 MiB page");
	page_map(TEST_BIG, 0x200000 + base, P_P | P_W, 2);
	READ(TEST_BIG + offset);
	*e = base | P_P | P_W | P_PS;
	invlpg(TEST_BIG + 0x1ff000);
	check_eq(*at(TEST_BIG + offset), 0x5555, "INVLPG of any address of a large page drops it all");
	page_map(TEST_BIG, 0, 0, 2);
	if (!(cpuid(0x80000001, 0).d & CPUID_GB_PAGES)) {
		check_skip("no 1 GiB pages", "1 GiB page");
		return;
	}
	e = page_entry(TEST_BIG, 3);
	*e = P_P | P_W | P_PS;
	invlpg(TEST_BIG);
	check_eq(*at(TEST_BIG + phys(page_a)), 0x5555, "1 GiB page");
	check_eq(*e & (P_A | P_D), P_A, "A");
	*at(TEST_BIG + phys(page_a)) = 0x6666;
	check_eq(*e & (P_A | P_D), P_A | P_D, "D");
	check_eq(*page_a, 0x6666, "written through");
	*e |= 1ull << 29;
	invlpg(TEST_BIG);
	READ(TEST_BIG);
	check_page_fault(TEST_BIG, E_P | E_RSVD, "bits 29:13 of a 1 GiB page are reserved");
	*e = 0;
	invlpg(TEST_BIG);
}

static void smep_smap(void)
{
	struct cpuid c = cpuid(7, 0);

	*(volatile uint8_t *)page_a = 0xc3;
	page_map(TEST, phys(page_a), P_P | P_W | P_U, 1);
	fetch(TEST);
	check_no_fault("ring 0 runs a user page without SMEP");
	if (!(c.b & CPUID_SMEP) || !(c.b & CPUID_SMAP)) {
		check_skip("no SMEP and SMAP", "SMEP and SMAP");
		return;
	}
	set(CR4_SMEP);
	fetch(TEST);
	check_page_fault(TEST, E_P | E_I, "with SMEP: #PF(11h)");
	READ(TEST);
	check_no_fault("SMEP lets ring 0 read it");
	clear(CR4_SMEP);
	set(CR4_SMAP);
	READ(TEST);
	check_page_fault(TEST, E_P, "SMAP: ring 0 read of a user page is #PF(1)");
	WRITE(TEST, 0);
	check_page_fault(TEST, E_P | E_W, "write #PF(3)");
	asm volatile("stac" : : : "memory");
	READ(TEST);
	check_no_fault("with EFLAGS.AC it may");
	/* TRY gives AC back only where there was no exception. */
	asm volatile("clac" : : : "memory");
	READ(TEST);
	check_page_fault(TEST, E_P, "CLAC forbids it again");
	fetch(TEST);
	check_no_fault("SMAP does not concern fetches");
	/* An LDT in the user page; low half of its base as a 32-bit descriptor, then the high half. */
	page_a[1] = descriptor(0, 0xfffff, 0x93, 0xc);
	gdt[SEL_FREE / 8] = descriptor(TEST & 0xffffffff, PAGE - 1, 0x82, 0);
	gdt[SEL_FREE / 8 + 1] = TEST >> 32;
	asm volatile("lldt %w0; stac" : : "r"(SEL_FREE));
	TRY("movl %0, %%es", : : "r"(8 | 4));
	check_page_fault(TEST + 8, E_P, "SMAP: an implicit access (descriptor in a user page) faults although AC is set");
	asm volatile("lldt %w0; clac" : : "r"(0));
	write_cr0(read_cr0() & ~(uint64_t)CR0_WP);
	WRITE(TEST, 0);
	check_page_fault(TEST, E_P | E_W, "SMAP without CR0.WP forbids as well");
	write_cr0(read_cr0() | CR0_WP);
	clear(CR4_SMAP);
}

static void global_pages(void)
{
	*page_a = 1;
	*page_b = 2;
	set(CR4_PGE);
	page_map(TEST, phys(page_a), P_P | P_W | P_G, 1);
	page_map(TEST + PAGE, phys(page_a), P_P | P_W, 1);
	(void)*at(TEST);
	(void)*at(TEST + PAGE);
	*page_entry(TEST + PAGE, 1) = phys(page_b) | P_P | P_W;
	write_cr3(read_cr3());
	check_eq(*at(TEST + PAGE), 2, "load of CR3 drops the translation of a page that is not global");
	*page_entry(TEST, 1) = phys(page_b) | P_P | P_W | P_G;
	invlpg(TEST);
	check_eq(*at(TEST), 2, "INVLPG drops a global one");
	*page_entry(TEST, 1) = phys(page_a) | P_P | P_W | P_G;
	clear(CR4_PGE);
	check_eq(*at(TEST), 1, "and so does clearing CR4.PGE");
}

static void invpcid(uint64_t type, uint64_t pcid, uint64_t address)
{
	struct { uint64_t pcid, address; } d = { pcid, address };

	asm volatile("invpcid %0, %1" : : "m"(d), "r"(type) : "memory");
}

static void pcid(void)
{
	uint64_t cr3 = read_cr3();
	struct { uint64_t pcid, address; } d = { 1ull << 12, TEST };

	if (!(cpuid(1, 0).c & CPUID_PCID)) {
		check_skip("no PCID", "PCID");
		return;
	}
	TRY("movq %0, %%cr4", : : "r"(read_cr4() | CR4_PCIDE));
	check_no_fault("CR4.PCIDE with PCID 0 in CR3");
	write_cr3(cr3 | 5);
	TRY("movq %0, %%cr4", : : "r"(read_cr4() & ~(uint64_t)CR4_PCIDE));
	check_no_fault("CR4.PCIDE may be cleared with any PCID");
	write_cr3(cr3 | 8);
	TRY("movq %0, %%cr4", : : "r"(read_cr4() | CR4_PCIDE));
	check_fault(GP, 0, "setting CR4.PCIDE while CR3[11:0] is not 0 is #GP(0)");
	write_cr3(cr3);
	set(CR4_PCIDE | CR4_PGE);
	TRY("movq %0, %%cr3", : : "r"(cr3 | 7 | 1ull << 63));
	check_no_fault("CR3 with bit 63 and PCIDE");
	check_eq(read_cr3(), cr3 | 7, "bit 63 does not read back");
	TRY("movq %0, %%cr0", : : "r"(read_cr0() & ~CR0_PG));
	check_fault(GP, 0, "clearing CR0.PG with PCIDE is #GP(0)");
	write_cr3(cr3 | 1);
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	(void)*at(TEST);
	*page_entry(TEST, 1) = phys(page_b) | P_P | P_W;
	write_cr3(cr3 | 2 | 1ull << 63);
	check_eq(*at(TEST), 2, "another PCID has translations of its own");
	write_cr3(cr3 | 1);
	check_eq(*at(TEST), 2, "load of CR3 without bit 63 drops those of the new PCID");
	if (!(cpuid(7, 0).b & CPUID_INVPCID)) {
		check_skip("no INVPCID", "INVPCID");
		return;
	}
	for (uint64_t type = 0; type < 4; type++) {
		page_map(TEST, phys(page_a), P_P | P_W, 1);
		(void)*at(TEST);
		*page_entry(TEST, 1) = phys(page_b) | P_P | P_W;
		invpcid(type, type < 2 ? 1 : 0, TEST);
		check_eq(*at(TEST), 2, "INVPCID type %u drops the translation", (unsigned)type);
	}
	page_map(TEST, phys(page_a), P_P | P_W | P_G, 1);
	(void)*at(TEST);
	*page_entry(TEST, 1) = phys(page_b) | P_P | P_W | P_G;
	invpcid(2, 0, 0);
	check_eq(*at(TEST), 2, "INVPCID type 2 drops global translations");
	TRY("invpcid %0, %1", : : "m"(d), "r"(0ul));
	check_fault(GP, 0, "INVPCID with a reserved bit in the descriptor is #GP(0)");
	d.pcid = 1;
	TRY("invpcid %0, %1", : : "m"(d), "r"(4ul));
	check_fault(GP, 0, "INVPCID of an unknown type is #GP(0)");
	d.address = 1ull << 47;
	TRY("invpcid %0, %1", : : "m"(d), "r"(0ul));
	check_fault(GP, 0, "INVPCID type 0 with a non-canonical address is #GP(0)");
	write_cr3(cr3);
	clear(CR4_PCIDE | CR4_PGE);
	TRY("invpcid %0, %1", : : "m"(d), "r"(2ul));
	check_no_fault("INVPCID without CR4.PCIDE");
	d.address = TEST;
	TRY("invpcid %0, %1", : : "m"(d), "r"(0ul));
	check_fault(GP, 0, "INVPCID type 0 with PCID not 0 without CR4.PCIDE is #GP(0)");
}

static void crossing(void)
{
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	page_map(TEST + PAGE, 0, 0, 1);
	READ(TEST + PAGE - 4);
	check_page_fault(TEST + PAGE, 0, "read across into an absent page: CR2 is its first byte");
	page_a[511] = 0;
	WRITE(TEST + PAGE - 4, -1);
	check_page_fault(TEST + PAGE, E_W, "write across");
	check_eq(page_a[511], 0, "writes nothing");
	page_map(TEST, 0, 0, 1);
	WRITE(TEST + PAGE - 4, -1);
	check_page_fault(TEST + PAGE - 4, E_W, "both absent: CR2 is the first byte of the operand");
	/* An instruction across: 0f 0b (UD2) with its first byte at the end. */
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	((volatile uint8_t *)page_a)[PAGE - 1] = 0x0f;
	event_clear();
	event_start = TEST + PAGE - 1;
	asm volatile("movq $1f, event_resume\n\tmovq %%rsp, event_sp\n\tjmp *%0\n1:" : : "D"(TEST + PAGE - 1) : "memory");
	check(event.vector == PF && event.error == E_I && event.cr2 == TEST + PAGE && event.frame.ip == TEST + PAGE - 1,
	      "instruction across into an absent page: CR2 is the next page, RIP the instruction");
	page_map(TEST + PAGE, phys(page_b), P_P | P_W, 1);
	*(volatile uint8_t *)page_b = 0x0b;
	event_clear();
	event_start = TEST + PAGE - 1;
	asm volatile("movq $1f, event_resume\n\tmovq %%rsp, event_sp\n\tjmp *%0\n1:" : : "D"(TEST + PAGE - 1) : "memory");
	check_fault(UD, 0, "with the page there it runs");
}

static void stale(void)
{
	uint64_t *e = page_entry(TEST, 1);

	*page_a = 1;
	*page_b = 2;
	page_map(TEST, phys(page_a), P_P | P_W, 1);
	WRITE(TEST, 1);
	*e = phys(page_b) | P_P | P_W;
	invlpg(TEST);
	check_eq(*at(TEST), 2, "INVLPG after a change");
	*e = 0;
	invlpg(TEST + PAGE);
	invlpg(TEST);
	READ(TEST);
	check_page_fault(TEST, 0, "INVLPG after removal");
	*e = phys(page_b) | P_P | P_W;
	WRITE(TEST, 7);
	*e &= ~(uint64_t)P_D;
	invlpg(TEST);
	WRITE(TEST, 8);
	check_eq(*e & P_D, P_D, "D cleared and INVLPG: the next write sets it again");
	*e &= ~(uint64_t)P_A;
	write_cr3(read_cr3());
	READ(TEST);
	check_eq(*e & P_A, P_A, "A cleared and CR3 loaded: the next access sets it again");
	TRY("invlpg (%0)", : : "r"(1ul << 47));
	check_no_fault("INVLPG of a non-canonical address does nothing");
}

/* ---- five levels: paging must be off to change CR4.LA57, so through 32-bit code ------------------ */

void set_levels(uint64_t cr3, uint64_t cr4);
asm(".text\n"
    "set_levels:\n"
	"lcall *1f\n"
	"ret\n"
    ".balign 8\n"
    "1: .long 2f\n"
	".word 0x28\n"
    ".code32\n"
    "2: movl $0x10, %eax\n"
	"movl %eax, %ss\n"
	"movl %cr0, %eax\n"
	"andl $0x7fffffff, %eax\n"
	"movl %eax, %cr0\n"
	"movl %esi, %cr4\n"
	"movl %edi, %cr3\n"
	"orl $0x80000000, %eax\n"
	"movl %eax, %cr0\n"
	"lretl\n"
    ".code64\n");

static void five_levels(void)
{
	uint64_t *top = page_alloc(), old = read_cr3();

	TRY("movq %0, %%cr4", : : "r"(read_cr4() ^ CR4_LA57));
	check_fault(GP, 0, "changing CR4.LA57 in long mode is #GP(0)");
	if (!(cpuid(7, 0).c & CPUID_LA57)) {
		check_skip("no LA57", "five levels");
		return;
	}
	top[0] = old | P_P | P_W | P_U;
	set_levels(phys(top), read_cr4() | CR4_LA57);
	check_eq(read_cr4() & CR4_LA57, CR4_LA57, "five levels are on");
	page_map(1ull << 52, phys(page_a), P_P | P_W, 1);
	*page_a = 0x777;
	check_eq(*at(1ull << 52), 0x777, "an address above 48 bits is canonical and mapped");
	check_eq(top[16] & P_A, P_A, "A of level 5");
	READ(1ull << 53);
	check_page_fault(1ull << 53, 0, "absent level 5 entry");
	READ(1ull << 56);
	check_fault(GP, 0, "bit 56 alone is not canonical");
	memcpy((void *)page_a, "\xe8\x02\x00\x00\x00\xeb\x01\xc3\xc3", 9);    /* call 1f; jmp 2f; 1: ret; 2: ret */
	TRY("call *%0", : : "r"(1ull << 52) : "memory");
	check_no_fault("code above 48 bits: CALL and RET, near and far from it, and JMP");
	TRY("jmp *%0", : : "r"(1ull << 56));
	check_fault(GP, 0, "JMP to where bit 56 alone is set");
	top[16] |= P_PS;
	invlpg(1ull << 52);
	READ(1ull << 52);
	check_page_fault(1ull << 52, E_P | E_RSVD, "bit 7 of a level 5 entry is reserved");
	set_levels(old, read_cr4() & ~(uint64_t)CR4_LA57);
	READ(1ull << 52);
	check_fault(GP, 0, "back in four levels it is not canonical");
	TRY("call *%0", : : "r"(1ull << 52) : "memory");
	check_fault(GP, 0, "and no target of CALL");
}

void guest_main(void)
{
	page_a = page_alloc();
	page_b = page_alloc();
	basic();
	upper_levels();
	users();
	reserved();
	large_pages();
	smep_smap();
	global_pages();
	pcid();
	crossing();
	stale();
	five_levels();
}
