/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 12: statuses of the flush hypercalls; and 13.2.3: the APIC's registers as synthetic MSRs. */
#include "hv/mmu.h"
#include "hv/msr.h"
#include "rule.h"

enum { SPACE = HV_CALL_FLUSH_ADDRESS_SPACE, LIST = HV_CALL_FLUSH_ADDRESS_LIST };

static uint16_t flush(uint16_t code, uint64_t space, uint64_t flags, uint64_t mask)
{
	const uint64_t in[4] = { space, flags, mask, 0x5000 };
	struct reply r = CALL(.code = code, .data = in, .size = code == LIST ? 32 : 24, .reps = code == LIST);

	check_that(!r.fault, "exception %u", r.vector);
	return hv_result_status(r.value);
}

static void check_flags(uint16_t code, unsigned first)
{
	for (unsigned bit = first; bit < 64; bit++)
		check_value(flush(code, 0, 1ull << bit | HV_FLUSH_ALL_PROCESSORS, 0), HV_STATUS_INVALID_PARAMETER, "flag bit %u", bit);
}

RULE(T12_1_3_b, "the flush hypercalls work")
{
	check_value(flush(SPACE, 0, HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_ADDRESS_SPACES, 0), HV_STATUS_SUCCESS, "whole space");
	check_value(flush(LIST, 0, HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_ADDRESS_SPACES, 0), HV_STATUS_SUCCESS, "list");
}

RULE(T12_4_1_d, "a CR3 value with reserved bits is INVALID_PARAMETER")
{
	for (unsigned bit = 52; bit < 64; bit++)
		check_status(CALL(.code = HV_CALL_SWITCH_ADDRESS_SPACE, .fast = true, .in = 1ull << bit), HV_STATUS_INVALID_PARAMETER);
}

RULE(T12_4_2_c, "with flag 1 the processor mask does not matter")
{
	check_value(flush(SPACE, 0, HV_FLUSH_ALL_PROCESSORS, 0), HV_STATUS_SUCCESS, "mask 0");
	check_value(flush(SPACE, 0, HV_FLUSH_ALL_PROCESSORS, 2), HV_STATUS_SUCCESS, "mask 2");
}

RULE(T12_4_2_d, "with flag 2 the address space does not matter")
{
	check_value(flush(SPACE, 1ull << 60, HV_FLUSH_ALL_ADDRESS_SPACES, 1), HV_STATUS_SUCCESS, "no CR3 value, flag 2");
	check_value(flush(SPACE, 1ull << 60, 0, 1), HV_STATUS_INVALID_PARAMETER, "no CR3 value");
}

RULE(T12_4_2_g, "flag bits above bit 2 are INVALID_PARAMETER")
{
	check_flags(SPACE, 3);
	check_value(flush(SPACE, 0, 7, 0), HV_STATUS_SUCCESS, "all known flags");
}

RULE(T12_4_2_h, "processor mask 0 without flag 1 is INVALID_PARAMETER")
{
	check_value(flush(SPACE, 0, 0, 0), HV_STATUS_INVALID_PARAMETER, "whole space");
	check_value(flush(SPACE, 0, 0, 1), HV_STATUS_SUCCESS, "with a bit");
}

RULE(T12_4_2_k, "the calling VP may be a target")
{
	check_value(flush(SPACE, 0, 0, 1), HV_STATUS_SUCCESS, "the caller alone");
	check_value(flush(SPACE, 0, 0, 3), HV_STATUS_SUCCESS, "the caller and another");
}

RULE(T12_4_3_d, "flag 4 is INVALID_PARAMETER for lists")
{
	check_value(flush(LIST, 0, HV_FLUSH_NON_GLOBAL_ONLY, 1), HV_STATUS_INVALID_PARAMETER, "flag 4");
	check_value(flush(LIST, 0, 0, 1), HV_STATUS_SUCCESS, "without it");
}

RULE(T12_4_3_e, "flags 1 and 2 of lists are as for whole spaces")
{
	check_value(flush(LIST, 0, HV_FLUSH_ALL_PROCESSORS, 0), HV_STATUS_SUCCESS, "all processors");
	check_value(flush(LIST, 1ull << 60, HV_FLUSH_ALL_ADDRESS_SPACES, 1), HV_STATUS_SUCCESS, "all spaces");
}

RULE(T12_4_3_f, "other flags, mask 0, a bad address space are INVALID_PARAMETER for lists")
{
	/* Bit 3 has a meaning since, where leaf 3 EDX bit 14 tells so. */
	check_flags(LIST, 4);
	check_value(flush(LIST, 0, 0, 0), HV_STATUS_INVALID_PARAMETER, "mask 0");
	check_value(flush(LIST, 1ull << 60, 0, 1), HV_STATUS_INVALID_PARAMETER, "no CR3 value");
}

RULE(T12_4_3_g, "an address that is not canonical is passed over")
{
	const uint64_t in[6] = { 0, 0, 1, 0x5000, 0x8000000000000000, 0x6000 };

	check_reps(CALL(.code = LIST, .data = in, .size = 48, .reps = 3), HV_STATUS_SUCCESS, 3);
}

/* ---- 13.2.3 ---- */

RULE(T13_2_3_1_b, "the EOI register cannot be read")
{
	uint64_t v;

	check_that(!read_msr(HV_X64_MSR_EOI, &v), "it was read");
	check_that(write_msr(HV_X64_MSR_EOI, 0), "nor written");
}

RULE(T13_2_3_1_c, "upper bits of an EOI do not matter")
{
	check_that(write_msr(HV_X64_MSR_EOI, 0xffffffff00000000), "with bits 63:32");
}

RULE(T13_2_3_2_a, "ICR is read back, high half above")
{
	/* To a logical destination that nobody has, vector 0x55. */
	set_msr(HV_X64_MSR_ICR, 0x8000000000004855);
	check_value(msr_of(HV_X64_MSR_ICR), 0x8000000000004855, "ICR");
}

RULE(T13_2_3_3_a, "TPR is read back in bits 7:0")
{
	set_msr(HV_X64_MSR_TPR, 0x35);
	check_value(msr_of(HV_X64_MSR_TPR), 0x35, "TPR");
	set_msr(HV_X64_MSR_TPR, 0);
	check_value(msr_of(HV_X64_MSR_TPR), 0, "TPR");
}

RULE(T13_2_3_3_d, "bits 63:8 of TPR are #GP")
{
	for (unsigned bit = 8; bit < 64; bit++)
		check_that(!write_msr(HV_X64_MSR_TPR, 1ull << bit), "bit %u", bit);
}

RULE(T13_3_4_1_k, "bits 11:1 of the assist page's MSR keep what was written")
{
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | 0xffe);
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), test_page(3) | 0xffe, "disabled");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | 0x123);
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), test_page(3) | 0x123, "enabled");
}

RULE(T13_3_4_1_a, "enabling places the page, disabling uncovers what is below")
{
	put64(test_page(3), 0x1122);
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | 1);
	put64(test_page(3) + 8, 0x77);
	check_value(get64(test_page(3) + 8), 0x77, "T13.3.4.1.c: the page is written and read");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3));
	check_value(get64(test_page(3)), 0x1122, "what was below");
	check_value(get64(test_page(3) + 8), 0, "nothing was written below");
}

RULE(T13_3_4_1_b, "each VP has its own page")
{
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | 1);
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), 0, "of VP 1");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(4) | 1);
	as_vp(0);
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), test_page(3) | 1, "of VP 0");
}

static void check_free_of_privilege(uint16_t code)
{
	FOR_EACH_CALL(row)
		if (row->code == code)
			check_value(row->privilege, 0, "privileges that call 0x%x needs", code);
}

RULE(T12_4_1_f, "the switch needs no privilege")
{
	check_free_of_privilege(HV_CALL_SWITCH_ADDRESS_SPACE);
	check_status(CALL(.code = HV_CALL_SWITCH_ADDRESS_SPACE, .fast = true, .in = 1ull << 60), HV_STATUS_INVALID_PARAMETER);
}

RULE(T12_4_2_m, "the flush needs no privilege")
{
	check_free_of_privilege(SPACE);
	check_value(flush(SPACE, 0, HV_FLUSH_ALL_PROCESSORS, 0), HV_STATUS_SUCCESS, "by any partition");
}
