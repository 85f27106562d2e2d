/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Paging of 32-bit mode: two levels without and with 4 MiB pages (PSE, PSE-36), and PAE. */
#include "lib/guest.h"

enum { TEST = 0x10000000, ENTRIES = 1024, P_PSE_BIT = 13 };
static volatile uint32_t *directory, *table;
static volatile uint64_t *pae_pointer, *pae_directory, *pae_table;
static volatile uint32_t *page_a, *page_b;

static uint32_t phys(const volatile void *p) { return (uint32_t)(unsigned long)p; }
static volatile uint32_t *at(uint32_t a) { return (volatile uint32_t *)(unsigned long)a; }

/* Identity for the lowest 64 MiB with 4 KiB pages for supervisors. */
static void make_two_levels(void)
{
	directory = page_alloc();
	for (unsigned d = 0; d < 16; d++) {
		volatile uint32_t *t = page_alloc();

		directory[d] = phys(t) | P_P | P_W | P_U;
		for (unsigned n = 0; n < ENTRIES; n++)
			t[n] = (d * ENTRIES + n) * PAGE | P_P | P_W;
	}
	table = page_alloc();
	directory[TEST >> 22] = phys(table) | P_P | P_W | P_U;
}

static void paging_on(uint32_t cr3, uint32_t cr4)
{
	write_cr0(read_cr0() & ~CR0_PG);
	write_cr4(cr4);
	write_cr3(cr3);
	write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

CODE(user_read, "movl (%edi), %eax" USER_EXIT);
CODE(user_write, "movl %eax, (%edi)" USER_EXIT);

static void map(uint32_t index, uint32_t entry)
{
	table[index] = entry;
	invlpg(TEST + index * PAGE);
}

static void two_levels(void)
{
	uint32_t v;

	paging_on(phys(directory), 0);
	*page_a = 0x11111111;
	map(0, phys(page_a) | P_P | P_W);
	check_eq(*at(TEST), 0x11111111, "4 KiB page: read through the mapping");
	check_eq(table[0] & (P_A | P_D), P_A, "a read sets A and not D");
	*at(TEST) = 0x22222222;
	check_eq(*page_a, 0x22222222, "write through the mapping");
	check_eq(table[0] & (P_A | P_D), P_A | P_D, "a write sets D");
	check_eq(directory[TEST >> 22] & (P_A | P_D), P_A, "the directory entry has A, no D");
	TRY("movl (%1), %0", : "=a"(v) : "D"(TEST + PAGE));
	check_page_fault(TEST + PAGE, 0, "entry not present: #PF(0)");
	TRY("movl %%eax, (%0)", : : "D"(TEST + PAGE + 4));
	check_page_fault(TEST + PAGE + 4, E_W, "write to it: #PF(2)");
	TRY("movl (%1), %0", : "=a"(v) : "D"(0x20000000));
	check_page_fault(0x20000000, 0, "directory entry not present: #PF(0)");
	map(1, phys(page_b) | P_P);
	TRY("movl %%eax, (%0)", : : "D"(TEST + PAGE));
	check_page_fault(TEST + PAGE, E_P | E_W, "write to a read-only page with CR0.WP: #PF(3)");
	check_eq(table[1] & (P_A | P_D), 0, "a write that faults sets neither A nor D");
	write_cr0(read_cr0() & ~(unsigned long)CR0_WP);
	TRY("movl %%eax, (%1)", : : "a"(0x33333333), "D"(TEST + PAGE) : "memory");
	check_no_fault("the same without CR0.WP is allowed");
	check_eq(*page_b, 0x33333333, "and written");
	check_eq(table[1] & (P_A | P_D), P_A | P_D, "with D set");
	write_cr0(read_cr0() | CR0_WP);
	directory[TEST >> 22] &= ~(uint32_t)P_W;
	write_cr3(read_cr3());
	TRY("movl %%eax, (%0)", : : "D"(TEST));
	check_page_fault(TEST, E_P | E_W, "a directory entry without W makes the page read-only");
	directory[TEST >> 22] |= P_W;
	write_cr3(read_cr3());
	map(1, phys(page_b) | P_P | P_W);
	TRY("movl (%1), %0", : "=a"(v) : "D"(TEST + 2 * PAGE - 2));
	check_page_fault(TEST + 2 * PAGE, 0, "read across into an absent page: CR2 is the second page's first byte");
	TRY("movl %%eax, (%1)", : : "a"(-1), "D"(TEST + 2 * PAGE - 2) : "memory");
	check_page_fault(TEST + 2 * PAGE, E_W, "write across into an absent page");
	check_eq(page_b[ENTRIES - 1], 0, "and nothing of it is written");
}

static void without_pse(void)
{
	/* Bit 7 of a directory entry is ignored while CR4.PSE is 0. */
	directory[TEST >> 22] |= P_PS;
	write_cr3(read_cr3());
	check_eq(*at(TEST + PAGE), *page_b, "without CR4.PSE the PS bit of a directory entry is ignored");
	directory[TEST >> 22] &= ~(uint32_t)P_PS;
	write_cr3(read_cr3());
}

static void with_pse(void)
{
	uint32_t d = (TEST >> 22) + 1, a = TEST + 0x400000, v;

	write_cr4(read_cr4() | CR4_PSE);
	directory[d] = P_P | P_W | P_PS;
	invlpg(a);
	*page_a = 0x55555555;
	check_eq(*at(a + phys(page_a)), 0x55555555, "4 MiB page");
	check_eq(directory[d] & (P_A | P_D), P_A, "A of a 4 MiB page");
	*at(a + phys(page_a)) = 0x66666666;
	check_eq(directory[d] & (P_A | P_D), P_A | P_D, "D of a 4 MiB page");
	check_eq(*page_a, 0x66666666, "write through a 4 MiB page");
	directory[d] |= 1u << 21;
	invlpg(a);
	TRY("movl (%1), %0", : "=a"(v) : "D"(a));
	check_page_fault(a, E_P | E_RSVD, "reserved bit 21 of a 4 MiB page: #PF(9)");
	directory[d] &= ~(1u << 21);
	directory[d] |= 1 << P_PSE_BIT;  /* physical bit 32: beyond this machine's memory, nothing answers */
	invlpg(a);
	TRY("movl (%1), %0", : "=a"(v) : "D"(a + phys(page_a)));
	check_no_fault("PSE-36: address bit 32 in bit 13");
	check(v != 0x66666666, "and it is another place");
	directory[d] = 0;
	invlpg(a);
}

static void user_bits(void)
{
	extern char image_end[];

	/* The program's own pages for ring 3, but for the page tables. */
	for (uint32_t a = 0x200000; a < phys(image_end); a += PAGE)
		at(directory[a >> 22] & ~0xfffu)[a >> 12 & (ENTRIES - 1)] |= P_U;
	write_cr3(read_cr3());
	map(3, phys(page_a) | P_P | P_W);
	run_user(user_read, TEST + 3 * PAGE, 0);
	check_user_fault(PF, E_P | E_U, user_read, 0, "ring 3 read of a supervisor page: #PF(5)");
	check_eq(event.cr2, TEST + 3 * PAGE, "its CR2");
	check_eq(table[3] & (P_A | P_D), 0, "and no A bit");
	run_user(user_write, TEST + 3 * PAGE, 0);
	check_user_fault(PF, E_P | E_U | E_W, user_write, 0, "ring 3 write: #PF(7)");
	run_user(user_read, TEST + 4 * PAGE, 0);
	check_user_fault(PF, E_U, user_read, 0, "ring 3 read of an absent page: #PF(4)");
	map(3, phys(page_a) | P_P | P_U);
	run_user(user_read, TEST + 3 * PAGE, 0);
	check(event.vector == USER_VECTOR, "ring 3 read of a user page");
	write_cr0(read_cr0() & ~(unsigned long)CR0_WP);
	run_user(user_write, TEST + 3 * PAGE, 0);
	check_user_fault(PF, E_P | E_U | E_W, user_write, 0, "ring 3 write to a read-only page faults without CR0.WP too");
	write_cr0(read_cr0() | CR0_WP);
}

static void global_pages(void)
{
	write_cr4(read_cr4() | CR4_PGE);
	*page_a = 1;
	*page_b = 2;
	map(5, phys(page_a) | P_P | P_W | P_G);
	map(6, phys(page_a) | P_P | P_W);
	(void)*at(TEST + 5 * PAGE);
	(void)*at(TEST + 6 * PAGE);
	table[5] = phys(page_b) | P_P | P_W | P_G;
	table[6] = phys(page_b) | P_P | P_W;
	write_cr3(read_cr3());
	check_eq(*at(TEST + 6 * PAGE), 2, "a load of CR3 drops what is not global");
	write_cr4(read_cr4() & ~(unsigned long)CR4_PGE);
	check_eq(*at(TEST + 5 * PAGE), 2, "a change of CR4.PGE drops global pages");
}

/* ---- PAE ------------------------------------------------------------------------------------------ */

static void make_pae(void)
{
	pae_pointer = page_alloc();
	pae_directory = page_alloc();
	pae_table = page_alloc();
	pae_pointer[0] = phys(pae_directory) | P_P;
	for (unsigned n = 0; n < 32; n++)
		pae_directory[n] = (uint64_t)n << 21 | P_P | P_W | P_PS;
	pae_directory[TEST >> 21] = phys(pae_table) | P_P | P_W | P_U;
}

static void pae(void)
{
	uint32_t v;

	paging_on(phys(pae_pointer), CR4_PAE);
	*page_a = 0x77777777;
	pae_table[0] = phys(page_a) | P_P | P_W;
	check_eq(*at(TEST), 0x77777777, "PAE: 4 KiB page");
	check_eq(pae_table[0] & (P_A | P_D), P_A, "A");
	*at(TEST) = 0x88888888;
	check_eq(pae_table[0] & (P_A | P_D), P_A | P_D, "D");
	check_eq(pae_pointer[0] & P_A, 0, "no A in the pointer table");
	check_eq(*at(0x200000), *at(0x200000), "2 MiB page");
	check_eq(pae_directory[1] & P_A, P_A, "A of a 2 MiB page");
	TRY("movl (%1), %0", : "=a"(v) : "D"(0x40000000));
	check_page_fault(0x40000000, 0, "pointer entry not present: #PF(0)");
	pae_table[1] = phys(page_a) | P_P | 1ull << 52;
	TRY("movl (%1), %0", : "=a"(v) : "D"(TEST + PAGE));
	check_page_fault(TEST + PAGE, E_P | E_RSVD, "reserved bit 52: #PF(9)");
	pae_table[1] = phys(page_a) | P_P | P_NX;
	invlpg(TEST + PAGE);
	TRY("movl (%1), %0", : "=a"(v) : "D"(TEST + PAGE));
	check_page_fault(TEST + PAGE, E_P | E_RSVD, "NX without EFER.NXE is reserved: #PF(9)");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	TRY("movl (%1), %0", : "=a"(v) : "D"(TEST + PAGE));
	check_no_fault("data access to an NX page with EFER.NXE");
	event_clear();
	event_resume = (unsigned long)&&after;
	event_start = TEST + PAGE;
	asm volatile("movl %%esp, event_sp" : : : "memory");
	asm volatile goto("jmp *%0" : : "r"(TEST + PAGE) : "memory" : after);
after:
	event_resume = 0;
	check_page_fault(TEST + PAGE, E_P | E_I, "fetch from it: #PF(11h)");
}

static void pae_pointers(void)
{
	uint64_t saved = pae_pointer[3];

	/* The four pointers are read when CR3 is loaded, not at each walk. */
	pae_pointer[0] = 0;
	check_eq(*at(TEST), 0x88888888, "a pointer entry changed in memory has no effect yet");
	pae_pointer[0] = phys(pae_directory) | P_P;
	pae_pointer[3] = P_P | P_W;
	TRY("movl %0, %%cr3", : : "r"(read_cr3()));
	check_fault(GP, 0, "reserved bit of a present pointer entry: MOV to CR3 is #GP(0)");
	pae_pointer[3] = P_W;
	TRY("movl %0, %%cr3", : : "r"(read_cr3()));
	check_no_fault("of an absent one it is ignored");
	pae_pointer[3] = saved;
	write_cr3(read_cr3());
}

void guest_main(void)
{
	page_a = page_alloc();
	page_b = page_alloc();
	make_two_levels();
	make_pae();
	two_levels();
	without_pse();
	with_pse();
	user_bits();
	global_pages();
	pae();
	pae_pointers();
}
