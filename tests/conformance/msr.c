/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Appendix H and the chapters of single MSRs, 0x40000000 to 0x400000ff. */
#include "hv/msr.h"
#include "hv/partition.h"
#include "rule.h"

static const struct {
	uint32_t msr;
	uint64_t privilege;
} readable[] = {
	{ HV_X64_MSR_GUEST_OS_ID, HV_ACCESS_HYPERCALL }, { HV_X64_MSR_HYPERCALL, HV_ACCESS_HYPERCALL },
	{ HV_X64_MSR_VP_INDEX, HV_ACCESS_VP_INDEX }, { HV_X64_MSR_RESET, HV_ACCESS_RESET },
	{ HV_X64_MSR_VP_RUNTIME, HV_ACCESS_VP_RUN_TIME }, { HV_X64_MSR_TIME_REF_COUNT, HV_ACCESS_REFERENCE_COUNTER },
	{ HV_X64_MSR_REFERENCE_TSC, HV_ACCESS_REFERENCE_TSC }, { HV_X64_MSR_TSC_FREQUENCY, HV_ACCESS_FREQUENCIES },
	{ HV_X64_MSR_APIC_FREQUENCY, HV_ACCESS_FREQUENCIES }, { HV_X64_MSR_TPR, HV_ACCESS_APIC },
	{ 0x40000080, HV_ACCESS_SYNIC }, { 0x40000083, HV_ACCESS_SYNIC }, { 0x40000090, HV_ACCESS_SYNIC },
	{ 0x400000b0, HV_ACCESS_SYNTHETIC_TIMERS }, { 0x400000b7, HV_ACCESS_SYNTHETIC_TIMERS },
	{ 0x400000e0, HV_ACCESS_STATS_MSRS },
	{ HV_X64_MSR_POWER_STATE_CONFIG_C1, HV_CPU_MANAGEMENT }, { HV_X64_MSR_POWER_STATE_CONFIG_C3, HV_CPU_MANAGEMENT },
};

static uint64_t privileges(void)
{
	struct leaf l = read_leaf(0x40000003);

	return l.a | (uint64_t)l.b << 32;
}

/* Each MSR is there exactly if its privilege is. */
static void check_all(uint64_t among)
{
	uint64_t have = privileges(), v;

	for (unsigned i = 0; i < sizeof readable / sizeof readable[0]; i++)
		if (readable[i].privilege & among)
			check_that(read_msr(readable[i].msr, &v) == !!(have & readable[i].privilege), "MSR 0x%x with privileges 0x%llx",
				   readable[i].msr, (unsigned long long)have);
}

RULE(T3_4_h, "leaf 3 EAX tells which groups of MSRs there are")
{
	check_all(0x1ff);
}

RULE(T5_2_3_c, "an MSR of a group without privilege is #GP")
{
	check_all(0xff);
}

RULE(T5_2_3_e, "the same for the groups that later revisions added")
{
	check_all(~0xffull);
}

RULE_ANY(T31_a, "an MSR without its privilege is #GP")
{
	check_all(~0ull);
}

RULE(T11_10_b, "an MSR without its privilege is like an unknown one")
{
	uint64_t have = privileges(), v;

	for (unsigned i = 0; i < sizeof readable / sizeof readable[0]; i++)
		if (!(readable[i].privilege & have))
			check_that(!read_msr(readable[i].msr, &v) && !write_msr(readable[i].msr, 0), "MSR 0x%x", readable[i].msr);
}

RULE(T11_10_d, "an unknown MSR is #GP(0)")
{
	uint64_t v;

	check_that(!read_msr(0x400000ff, &v), "0x400000ff is read");
	check_that(!write_msr(0x400000ff, 0), "0x400000ff is written");
	check_that(!read_msr(0x12345, &v), "0x12345 is read");
}

RULE(T31_c, "a synthetic MSR that no table has is #GP")
{
	/* 0x40000022 and 0x23 have a meaning since. */
	static const uint32_t none[] = { 0x40000004, 0x4000000f, 0x40000011, 0x40000024, 0x40000074, 0x40000085, 0x400000a0, 0x400000b8,
					 0x400000c0, 0x400000d0, 0x400000e4, 0x400000ff };
	uint64_t v;

	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
		check_that(!read_msr(none[i], &v), "0x%x is read", none[i]);
		check_that(!write_msr(none[i], 0), "0x%x is written", none[i]);
	}
}

RULE(T31_d, "a write to a read-only MSR is #GP")
{
	static const uint32_t read_only[] = { HV_X64_MSR_VP_INDEX, HV_X64_MSR_VP_RUNTIME, HV_X64_MSR_TIME_REF_COUNT,
					      HV_X64_MSR_TSC_FREQUENCY, HV_X64_MSR_APIC_FREQUENCY, 0x40000081 };

	for (unsigned i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
		check_that(!write_msr(read_only[i], 0) && !write_msr(read_only[i], 1), "0x%x is written", read_only[i]);
}

RULE(T31_f, "MSRs of the partition read the same on all VPs after a write on one")
{
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0x8100000000001234);
	set_msr(HV_X64_MSR_HYPERCALL, test_page(6) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(7) | HV_MSR_PAGE_ENABLE);
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0x8100000000001234, "guest OS id");
	check_value(msr_of(HV_X64_MSR_HYPERCALL), test_page(6) | HV_MSR_PAGE_ENABLE, "hypercall");
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), test_page(7) | HV_MSR_PAGE_ENABLE, "reference TSC");
}

RULE(T31_g, "MSRs that place a page take any value of bits 11:1, and have the page in 63:12")
{
	static const uint32_t pages[] = { HV_X64_MSR_HYPERCALL, HV_X64_MSR_REFERENCE_TSC, HV_X64_MSR_VP_ASSIST_PAGE };

	for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		set_msr(pages[i], test_page(2 + i) | HV_MSR_PAGE_PRESERVED | HV_MSR_PAGE_ENABLE);
		check_value(msr_of(pages[i]) & ~HV_MSR_PAGE_PRESERVED, test_page(2 + i) | HV_MSR_PAGE_ENABLE, "MSR 0x%x", pages[i]);
		set_msr(pages[i], 0);
		check_value(msr_of(pages[i]) & HV_MSR_PAGE_ENABLE, 0, "MSR 0x%x", pages[i]);
	}
}

/* ---- VP index, run time ---- */

RULE(T10_2_1_a, "a VP index is below leaf 5 EAX")
{
	as_vp(VPS - 1);
	check_that(msr_of(HV_X64_MSR_VP_INDEX) < read_leaf(0x40000005).a, "it is not");
}

RULE(T10_2_1_b, "the VP index MSR has the index of the VP that reads it")
{
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(HV_X64_MSR_VP_INDEX), i, "on VP %u", i);
	}
}

RULE(T10_2_1_d, "the VP index cannot be written")
{
	check_that(!write_msr(HV_X64_MSR_VP_INDEX, 0), "0 is taken");
	check_that(!write_msr(HV_X64_MSR_VP_INDEX, 5), "5 is taken");
	check_value(msr_of(HV_X64_MSR_VP_INDEX), 0, "afterwards");
}

RULE(T10_3_2_d, "the run time cannot be written")
{
	check_that(!write_msr(HV_X64_MSR_VP_RUNTIME, 0), "0 is taken");
}

/* ---- reference time ---- */

RULE(T15_2_1_b, "the reference counter cannot be written")
{
	check_that(!write_msr(HV_X64_MSR_TIME_REF_COUNT, 0), "0 is taken");
}

RULE(T15_4_1_b, "the reference TSC page appears where the MSR places it")
{
	put64(test_page(8) + 8, 0);
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | HV_MSR_PAGE_ENABLE);
	check_that(get64(test_page(8) + 8), "its scale is 0");
}

RULE(T15_4_1_c, "a reference TSC page beyond the GPA space is taken")
{
	set_msr(HV_X64_MSR_REFERENCE_TSC, BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE);
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE, "the MSR");
}

RULE(T15_4_1_d, "bits 11:1 of the reference TSC MSR are storage")
{
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | 0xaaa);
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), test_page(8) | 0xaaa, "the MSR");
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | 0x554);
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), test_page(8) | 0x554, "the MSR");
}

RULE(T15_4_1_f, "the reference TSC MSR is one for all VPs")
{
	as_vp(1);
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(8) | HV_MSR_PAGE_ENABLE);
	as_vp(0);
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), test_page(8) | HV_MSR_PAGE_ENABLE, "on VP 0");
}
