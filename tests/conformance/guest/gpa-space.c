/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 7 and 8 as instructions show them: accesses to what a partition has given away. */
#include "../host.h"
#include "hv/msr.h"
#include "machine.h"

static volatile uint64_t *word(uint64_t page, unsigned at)
{
	return (uint64_t *)(unsigned long)(page * PAGE + at);
}

static void check_gp(const char *what)
{
	check_that(event.count == 1 && event.vector == GP && !event.error, "%s: %u exceptions, vector %u", what, event.count,
		   event.vector);
}

#define TRY_READ(at) TRY("movl (%0), %%eax", : : "r"(at) : "eax")
#define TRY_WRITE(at) TRY("movl $1, (%0)", : : "r"(at) : "memory")

RULE_HOST_GUEST(T7_3_1_a, "a page that has gone into a pool is out of reach, and comes back empty")
{
	uint64_t page = fresh_pages(1);

	*word(page, 0) = 1;
	check_reps(deposit_list(HV_PARTITION_ID_SELF, &page, 1), HV_STATUS_SUCCESS, 1);
	TRY_READ(word(page, 0));
	check_gp("read");
	TRY_WRITE(word(page, 8));
	check_gp("write");
	check_status(withdraw(HV_PARTITION_ID_SELF, 8), HV_STATUS_NO_RESOURCES);
	check_value(*word(page, 0), 0, "what is in it");
	*word(page, 0) = 2;
	check_value(*word(page, 0), 2, "what is in it afterwards");
}

RULE_HOST_GUEST(T8_1_2_e, "who has no parent and breaks his own rights gets a fault; the access has not happened")
{
	uint64_t page = fresh_pages(2), own = own_id();

	*word(page, 0) = 7;
	check_reps(map_pages(own, page, HV_MAP_GPA_READABLE, page, 1), HV_STATUS_SUCCESS, 1);
	check_value(*word(page, 0), 7, "what can be read");
	TRY_WRITE(word(page, 0));
	check_gp("write");
	TRY("lock incl (%0)", : : "r"(word(page, 0)) : "memory");
	check_gp("locked increment");
	/* Into the page from the one before it. */
	*word(page + 1, 0) = 9;
	check_reps(map_pages(own, page + 1, HV_MAP_GPA_READABLE, page + 1, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(own, page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	*word(page, PAGE - 8) = 5;
	TRY_WRITE((char *)(unsigned long)((page + 1) * PAGE) - 2);
	check_gp("write across pages");
	check_value(*word(page, PAGE - 8), 5, "end of the first page");
	check_value(*word(page + 1, 0), 9, "begin of the second page");
	check_value(*word(page, 0), 7, "the first page");
	check_reps(map_pages(own, page + 1, MAP_RWX, page + 1, 1), HV_STATUS_SUCCESS, 1);
	TRY_WRITE(word(page + 1, 0));
	check_that(!event.count, "a write with all rights again is vector %u", event.vector);
}

RULE_HOST_GUEST(T8_1_2_b, "code is not executed in a page without that right")
{
	uint64_t page = fresh_pages(1), own = own_id();

	*(volatile uint8_t *)word(page, 0) = 0xc3;
	TRY("call *%0", : : "r"(word(page, 0)) : "memory");
	check_that(!event.count, "with the right it is vector %u", event.vector);
	check_reps(map_pages(own, page, HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE, page, 1), HV_STATUS_SUCCESS, 1);
	TRY("call *%0", : : "r"(word(page, 0)) : "memory");
	check_gp("call");
	check_reps(map_pages(own, page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	TRY("call *%0", : : "r"(word(page, 0)) : "memory");
	check_that(!event.count, "with the right again it is vector %u", event.vector);
}

RULE_HOST_GUEST(T4_6_j, "who has no parent gets a fault for parameters in a page that has gone into a pool; no call is made")
{
	uint64_t page = fresh_pages(1), id;

	check_reps(deposit_list(HV_PARTITION_ID_SELF, &page, 1), HV_STATUS_SUCCESS, 1);
	check_faulted(CALL(.code = HV_CALL_GET_PARTITION_ID, .out = page * PAGE), GP);
	id = out64(next_child(HV_PARTITION_ID_SELF, 0));
	check_faulted(CALL(.code = HV_CALL_CREATE_PARTITION, .in = page * PAGE, .out = test_page(1)), GP);
	check_value(out64(next_child(HV_PARTITION_ID_SELF, 0)), id, "first child");
}

#ifdef __x86_64__
RULE_GUEST(T8_1_3_h, "a page table under an overlay is a fault, the overlay's content or its own; without it it is its own")
{
	const uint64_t window = 0x18000000000ull;
	volatile uint64_t *seen = (volatile uint64_t *)window;
	uint64_t table;

	put64(test_page(2), 0x1234);
	page_map(window, test_page(2), P_P | P_W, 1);
	invlpg(window);
	check_value(*seen, 0x1234, "what is seen at first");
	table = (uint64_t)(unsigned long)page_entry(window, 1) & ~(uint64_t)(PAGE - 1);
	set_msr(HV_X64_MSR_HYPERCALL, table | HV_MSR_PAGE_ENABLE);
	TRY("movq (%0), %%rax", : : "r"(seen) : "rax", "memory");
	check_that(!event.count || event.vector == PF || event.vector == GP, "vector %u", event.vector);
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
	check_value(*seen, 0x1234, "what is seen afterwards");
}
#endif
