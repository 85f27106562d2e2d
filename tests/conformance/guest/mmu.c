/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 12 with real translations: each page is used before its entry changes, so that a TLB may have it. */
#include "hv/mmu.h"
#include "machine.h"

#define WINDOW 0x18000000000ull
enum { PAGES = 4 };

static uint64_t seen(unsigned page) { return *(volatile uint64_t *)(WINDOW + page * PAGE); }

/* @PAGES pages of the window, used; then the same window on other pages, unflushed. */
static void move_window(uint64_t bits)
{
	for (unsigned i = 0; i < PAGES; i++) {
		put64(test_page(i), 0x100 + i);
		put64(test_page(4 + i), 0x200 + i);
		page_map(WINDOW + i * PAGE, test_page(i), P_P | P_W | bits, 1);
		invlpg(WINDOW + i * PAGE);
		check_value(seen(i), 0x100 + i, "page %u at first", i);
	}
	for (unsigned i = 0; i < PAGES; i++)
		*page_entry(WINDOW + i * PAGE, 1) = test_page(4 + i) | P_P | P_W | bits;
}

static void check_moved(unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		check_value(seen(i), 0x200 + i, "page %u behind the flush", i);
}

static void flush_space(uint64_t flags)
{
	const uint64_t in[3] = { read_cr3(), flags, 1 };

	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .data = in, .size = sizeof in), HV_STATUS_SUCCESS);
}

static void flush_window(void)
{
	const uint64_t in[4] = { read_cr3(), 0, 1, WINDOW | (PAGES - 1) };

	check_reps(CALL(.code = HV_CALL_FLUSH_ADDRESS_LIST, .data = in, .size = sizeof in, .reps = 1), HV_STATUS_SUCCESS, 1);
}

RULE_GUEST(T12_1_2_a, "INVLPG removes a translation, global or not")
{
	for (unsigned global = 0; global < 2; global++) {
		write_cr4(read_cr4() | CR4_PGE);
		move_window(global ? P_G : 0);
		invlpg(WINDOW);
		check_moved(1);
	}
}

RULE_GUEST(T12_1_2_c, "MOV to CR3 removes translations that are not global")
{
	move_window(0);
	write_cr3(read_cr3());
	check_moved(PAGES);
}

RULE_GUEST(T12_1_2_d, "a change of CR4.PGE removes all translations")
{
	write_cr4(read_cr4() | CR4_PGE);
	move_window(P_G);
	write_cr4(read_cr4() & ~(unsigned long)CR4_PGE);
	check_moved(PAGES);
}

RULE_GUEST(T12_3_1_a, "CR3's value names the address space: a flush of it flushes what CR3 has")
{
	move_window(0);
	flush_space(0);
	check_moved(PAGES);
}

RULE_GUEST(T12_4_2_e, "with flag 4 translations that are not global go")
{
	move_window(0);
	flush_space(HV_FLUSH_NON_GLOBAL_ONLY);
	check_moved(PAGES);
}

RULE_GUEST(T12_4_2_f, "without flag 4 global translations go, too")
{
	write_cr4(read_cr4() | CR4_PGE);
	move_window(P_G);
	flush_space(0);
	check_moved(PAGES);
}

RULE_GUEST(T12_4_3_a, "an element of a list is as many pages as its low bits say, and one")
{
	move_window(0);
	flush_window();
	check_moved(PAGES);
}

RULE_GUEST(T12_4_3_b, "a list removes global translations, too")
{
	write_cr4(read_cr4() | CR4_PGE);
	move_window(P_G);
	flush_window();
	check_moved(PAGES);
}

RULE_GUEST(T12_4_1_a, "after the switch CR3 has the address space")
{
	uint64_t old = read_cr3(), other = test_page(9);

	memcpy((void *)other, (void *)(old & ~0xfffull), PAGE);
	check_status(CALL(.code = HV_CALL_SWITCH_ADDRESS_SPACE, .fast = true, .in = other), HV_STATUS_SUCCESS);
	check_value(read_cr3(), other, "CR3");
	write_cr3(old);
}
