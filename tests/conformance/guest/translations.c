/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 12 once more: what a processor does with translations, mixed with the hypervisor's calls, on two VPs. */
#include "hv/mmu.h"
#include "machine.h"

#define WINDOW 0x19000000000ull
#define LARGE_WINDOW 0x1a000000000ull
#define LARGE (2ull << 20)
/* Two large pages of memory that nothing else uses. */
#define LARGE_MEMORY 0x4000000ull
enum { OLD = 0x100, NEW = 0x200, NON_LEAF = 2 };

static volatile uint64_t *at(uint64_t address) { return (volatile uint64_t *)address; }

/* WINDOW is a page that reads as OLD, and has been read; then, unflushed, one that reads as NEW. */
static void move_page(uint64_t bits)
{
	put64(test_page(0), OLD);
	put64(test_page(1), NEW);
	page_map(WINDOW, test_page(0), P_P | P_W | bits, 1);
	check_value(*at(WINDOW), OLD, "at first");
	*page_entry(WINDOW, 1) = test_page(1) | P_P | P_W | bits;
}

static void check_either(uint64_t v, const char *what)
{
	check_that(v == OLD || v == NEW, "%s reads 0x%llx", what, (unsigned long long)v);
}

static struct reply switch_to(uint64_t space)
{
	return CALL(.code = HV_CALL_SWITCH_ADDRESS_SPACE, .fast = true, .in = space);
}

/* Another address space like this one: the top-level table, copied. */
static uint64_t copy_space(unsigned page)
{
	uint64_t to = test_page(page);

	memcpy((void *)to, (void *)(read_cr3() & ~0xfffull), PAGE);
	return to;
}

/* ---- 12.1.1 ---- */

RULE_GUEST(T12_1_1_a, "MOV to CR3 takes PWT and PCD")
{
	uint64_t old = read_cr3();

	TRY("movq %0, %%cr3", : : "r"(old | P_PWT | P_PCD) : "memory");
	check_value(event.count, 0, "exceptions");
	check_value(read_cr3() & ~(uint64_t)(P_PWT | P_PCD), old, "CR3 but for the bits");
	write_cr3(old);
}

RULE_GUEST(T12_1_1_b, "a switch to an address space with PWT and PCD works or is invalid")
{
	uint64_t old = read_cr3();
	struct reply r = switch_to(old | P_PWT | P_PCD);
	uint16_t s = hv_result_status(r.value);

	check_that(s == HV_STATUS_SUCCESS || s == HV_STATUS_INVALID_PARAMETER, "status 0x%x", s);
	check_value(read_cr3(), s == HV_STATUS_SUCCESS ? old | P_PWT | P_PCD : old, "CR3");
	write_cr3(old);
}

RULE_GUEST(T12_1_1_d, "PWT and PCD of an entry above the last level change nothing of what is below")
{
	move_page(0);
	*page_entry(WINDOW, NON_LEAF) |= P_PWT | P_PCD;
	invlpg(WINDOW);
	check_value(*at(WINDOW), NEW, "what is read");
	*at(WINDOW) = OLD;
	check_value(get64(test_page(1)), OLD, "what was written");
	check_that(*page_entry(WINDOW, 1) & P_D, "the dirty bit is not set");
}

RULE_GUEST(T12_1_1_e, "CR0.CD can be written; it is kept or reads as 0")
{
	uint64_t old = read_cr0(), now;

	TRY("movq %0, %%cr0", : : "r"(old | 1ul << 30) : "memory");
	check_value(event.count, 0, "exceptions");
	now = read_cr0();
	check_value(now & ~(1ull << 30), old, "CR0 but for CD");
	write_cr0(old);
}

static volatile uint64_t seen_by_1;

static void read_pat(unsigned cpu)
{
	(void)cpu;
	seen_by_1 = rdmsr(0x277);
}

RULE_GUEST(T12_1_1_f, "each VP has a PAT of its own")
{
	uint64_t old = rdmsr(0x277);

	wrmsr(0x277, 0x0606060606060606);
	run_on_1(read_pat);
	check_value(seen_by_1, old, "PAT of VP 1");
	check_value(rdmsr(0x277), 0x0606060606060606, "PAT of VP 0");
	wrmsr(0x277, old);
}

RULE_GUEST(T12_1_1_g, "INVD loses nothing that was written")
{
	put64(test_page(0), OLD);
	asm volatile("movq %1, (%0); invd" : : "r"(test_page(0)), "r"((uint64_t)NEW) : "memory");
	check_value(get64(test_page(0)), NEW, "memory behind INVD");
}

RULE_GUEST(T12_1_1_h, "page tables are memory: what is written to them is read back")
{
	uint64_t *entry;

	move_page(0);
	entry = page_entry(WINDOW, 1);
	for (unsigned bit = 0; bit < 64; bit++) {
		*(volatile uint64_t *)entry = 1ull << bit;
		check_value(*(volatile uint64_t *)entry, 1ull << bit, "bit %u", bit);
	}
	*entry = test_page(1) | P_P | P_W;
	invlpg(WINDOW);
	check_value(*at(WINDOW), NEW, "the page");
}

static volatile uint64_t *moved_entry;
static uint64_t moved_to;

static void move_from_1(unsigned cpu)
{
	(void)cpu;
	*moved_entry = moved_to;
}

static void read_window(unsigned cpu)
{
	(void)cpu;
	seen_by_1 = *at(WINDOW);
}

static void flush_window_on_1(unsigned cpu)
{
	(void)cpu;
	invlpg(WINDOW);
	seen_by_1 = *at(WINDOW);
}

RULE_GUEST(T12_1_1_i, "an entry that somebody else changes may be found by the next access, and is by one behind a flush")
{
	put64(test_page(0), OLD);
	put64(test_page(1), NEW);
	page_map(WINDOW, test_page(0), P_P | P_W, 1);
	check_value(*at(WINDOW), OLD, "at first");
	moved_entry = page_entry(WINDOW, 1);
	moved_to = test_page(1) | P_P | P_W;
	run_on_1(move_from_1);
	check_either(*at(WINDOW), "unflushed, the window");
	invlpg(WINDOW);
	check_value(*at(WINDOW), NEW, "flushed");
}

RULE_GUEST(T12_1_1_j, "another VP may or may not find what this one has used")
{
	move_page(0);
	run_on_1(read_window);
	check_either(seen_by_1, "VP 1");
	run_on_1(flush_window_on_1);
	check_value(seen_by_1, NEW, "VP 1 behind its flush");
}

/* ---- 12.1.2 ---- */

/* LARGE_WINDOW is one large page, used in two places, then another. */
static void move_large_page(void)
{
	*at(LARGE_MEMORY) = *at(LARGE_MEMORY + LARGE - 8) = OLD;
	*at(LARGE_MEMORY + LARGE) = *at(LARGE_MEMORY + 2 * LARGE - 8) = NEW;
	page_map(LARGE_WINDOW, LARGE_MEMORY, P_P | P_W, 2);
	check_value(*at(LARGE_WINDOW), OLD, "the first place at first");
	check_value(*at(LARGE_WINDOW + LARGE - 8), OLD, "the last place at first");
	*page_entry(LARGE_WINDOW, 2) = (LARGE_MEMORY + LARGE) | P_P | P_W | P_PS;
}

RULE_GUEST(T12_1_2_b, "INVLPG anywhere in a large page removes all of it")
{
	move_large_page();
	invlpg(LARGE_WINDOW + LARGE / 2);
	check_value(*at(LARGE_WINDOW), NEW, "the first place");
	check_value(*at(LARGE_WINDOW + LARGE - 8), NEW, "the last place");
}

RULE_GUEST(T12_1_2_e, "INVLPG must act where it is executed: the other VP has its own")
{
	move_page(0);
	run_on_1(read_window);
	*page_entry(WINDOW, 1) = test_page(0) | P_P | P_W;
	invlpg(WINDOW);
	check_value(*at(WINDOW), OLD, "VP 0 behind its INVLPG");
	run_on_1(read_window);
	check_either(seen_by_1, "VP 1 without one");
	run_on_1(flush_window_on_1);
	check_value(seen_by_1, OLD, "VP 1 behind its own");
}

RULE_GUEST(T12_1_2_f, "unflushed, an old translation may be used or not")
{
	move_page(0);
	check_either(*at(WINDOW), "the window");
}

/* ---- 12.1.3, 12.2 ---- */

static void flush_list(uint64_t element, uint64_t mask)
{
	const uint64_t in[4] = { read_cr3(), 0, mask, element };

	check_reps(CALL(.code = HV_CALL_FLUSH_ADDRESS_LIST, .data = in, .size = sizeof in, .reps = 1), HV_STATUS_SUCCESS, 1);
}

RULE_GUEST(T12_1_3_a, "calls and instructions act on the same translations")
{
	move_page(0);
	flush_list(WINDOW, 1);
	check_value(*at(WINDOW), NEW, "behind the call");
	*page_entry(WINDOW, 1) = test_page(0) | P_P | P_W;
	invlpg(WINDOW);
	check_value(*at(WINDOW), OLD, "behind the instruction");
	*page_entry(WINDOW, 1) = test_page(1) | P_P | P_W;
	flush_list(WINDOW, 1);
	check_value(*at(WINDOW), NEW, "behind another call");
}

RULE_GUEST(T12_2_2_a, "how the guest caches a page of parameters does not matter")
{
	const uint64_t in = HV_CALL_NOTIFY_LONG_SPIN_WAIT;

	page_map(WINDOW, test_page(3), P_P | P_W | P_PWT | P_PCD, 1);
	*at(WINDOW) = 1;
	check_status(CALL(.code = (uint16_t)in, .in = test_page(3)), HV_STATUS_SUCCESS);
	*at(WINDOW) = read_cr3();
	*at(WINDOW + 8) = 1ull << 63;
	*at(WINDOW + 16) = 1;
	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .in = test_page(3)), HV_STATUS_INVALID_PARAMETER);
}

/* ---- 12.4.1 ---- */

RULE_GUEST(T12_4_1_b, "a switch may leave translations of the old space in use, a load of CR3 does not")
{
	uint64_t old = read_cr3(), other = copy_space(9), entry;

	move_page(0);
	entry = *page_entry(WINDOW, 1);
	*page_entry(WINDOW, 1) = test_page(0) | P_P | P_W;
	invlpg(WINDOW);
	check_value(*at(WINDOW), OLD, "in the old space");
	*page_entry(WINDOW, 1) = entry;
	check_status(switch_to(other), HV_STATUS_SUCCESS);
	check_either(*at(WINDOW), "behind the switch, the window");
	write_cr3(other);
	check_value(*at(WINDOW), NEW, "behind the load");
	write_cr3(old);
}

RULE_GUEST(T12_4_1_e, "the switch has both forms")
{
	uint64_t old = read_cr3(), other = copy_space(9);

	check_status(switch_to(other), HV_STATUS_SUCCESS);
	check_value(read_cr3(), other, "CR3 behind the fast form");
	check_status(CALL(.code = HV_CALL_SWITCH_ADDRESS_SPACE, .data = &old, .size = sizeof old), HV_STATUS_SUCCESS);
	check_value(read_cr3(), old, "CR3 behind the one in memory");
}

RULE_GUEST(T12_4_1_g, "behind the switch instructions come from the new space")
{
	uint64_t old = read_cr3(), other = copy_space(9), *top = (uint64_t *)other, *low, *directory, *table;
	struct reply r;

	/* A space of its own down to the hypercall page, which is not there. */
	low = memcpy((void *)test_page(10), (void *)(top[0] & ~0xfffull), PAGE);
	directory = memcpy((void *)test_page(11), (void *)(low[0] & ~0xfffull), PAGE);
	table = (uint64_t *)test_page(12);
	for (unsigned i = 0; i < 512; i++)
		table[i] = (HYPERCALL_PAGE & ~(LARGE - 1)) + i * PAGE + (P_P | P_W | P_U);
	table[HYPERCALL_PAGE / PAGE % 512] = 0;
	directory[HYPERCALL_PAGE / LARGE] = test_page(12) | P_P | P_W | P_U;
	low[0] = test_page(11) | P_P | P_W | P_U;
	top[0] = test_page(10) | P_P | P_W | P_U;
	r = switch_to(other);
	/* What is still cached of the page may be used, too (T12.4.1.b). */
	check_that(!r.fault || r.vector == PF, "exception %u", r.vector);
	check_value(read_cr3(), other, "CR3");
	TRY("movq (%0), %%rax", : : "r"(HYPERCALL_PAGE) : "rax");
	write_cr3(other);
	TRY("movq (%0), %%rax", : : "r"(HYPERCALL_PAGE) : "rax");
	check_value(event.count, 1, "page faults of the hypercall page in the new space");
	write_cr3(old);
}

/* ---- 12.4.2, 12.4.3 ---- */

static void flush_spaces(uint64_t mask, uint64_t flags)
{
	const uint64_t in[3] = { read_cr3(), flags, mask };

	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .data = in, .size = sizeof in), HV_STATUS_SUCCESS);
}

RULE_GUEST(T12_4_2_a, "the address space's translations go from all VPs that are named")
{
	move_page(0);
	flush_spaces(1, 0);
	check_value(*at(WINDOW), NEW, "VP 0");
	run_on_1(read_window);
	*page_entry(WINDOW, 1) = test_page(0) | P_P | P_W;
	flush_spaces(3, 0);
	check_value(*at(WINDOW), OLD, "VP 0, of both");
	run_on_1(read_window);
	check_value(seen_by_1, OLD, "VP 1, of both");
}

RULE_GUEST(T12_4_2_l, "no partition has VPs beyond the mask's 64; flag 1 reaches them all")
{
	check_that(read_leaf(0x40000005).a <= 64, "VPs that there may be");
	run_on_1(read_window);
	move_page(0);
	run_on_1(read_window);
	*page_entry(WINDOW, 1) = test_page(0) | P_P | P_W;
	flush_spaces(0, HV_FLUSH_ALL_PROCESSORS);
	run_on_1(read_window);
	check_value(seen_by_1, OLD, "VP 1");
}

RULE_GUEST(T12_4_3_c, "an address in a large page removes all of it")
{
	move_large_page();
	flush_list(LARGE_WINDOW + LARGE / 2, 1);
	check_value(*at(LARGE_WINDOW), NEW, "the first place");
	check_value(*at(LARGE_WINDOW + LARGE - 8), NEW, "the last place");
}

RULE_GUEST(T12_4_3_h, "when the call returns, a list has taken effect on all targets")
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t page = i % 2, value = page ? NEW : OLD;

		put64(test_page(0), OLD);
		put64(test_page(1), NEW);
		page_map(WINDOW, test_page(!page), P_P | P_W, 1);
		run_on_1(flush_window_on_1);
		*page_entry(WINDOW, 1) = test_page((unsigned)page) | P_P | P_W;
		flush_list(WINDOW, 3);
		run_on_1(read_window);
		check_value(seen_by_1, value, "VP 1 in round %u", i);
		check_value(*at(WINDOW), value, "VP 0 in round %u", i);
	}
}
