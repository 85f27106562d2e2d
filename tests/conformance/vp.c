/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 10, 11 and 13 as far as MSRs, leaves and pages show them. */
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "rule.h"

enum { IA32_APIC_BASE = 0x1b, APIC_BASE_BSP = 1 << 8 };
#define LEAF_1_HYPERVISOR (1u << 31)

/* ---- 10.1.5, 10.1.6: which processor ---- */

static bool is_boot_processor(unsigned vp)
{
	as_vp(vp);
	return msr_of(IA32_APIC_BASE) & APIC_BASE_BSP;
}

RULE(T10_1_5_a, "VP 0 is the boot processor")
{
	check_that(is_boot_processor(0), "IA32_APIC_BASE bit 8 is clear");
	check_value(msr_of(HV_X64_MSR_VP_INDEX), 0, "its index");
}

RULE(T10_1_5_b, "IA32_APIC_BASE has the BSP flag on VP 0 alone")
{
	for (unsigned i = 0; i < VPS; i++)
		check_value(is_boot_processor(i), i == 0, "BSP flag of VP %u", i);
}

RULE(T10_1_5_c, "other VPs are application processors")
{
	as_vp(1);
	check_value(msr_of(IA32_APIC_BASE) & APIC_BASE_BSP, 0, "BSP flag of VP 1");
}

RULE(T10_1_6_a, "the initial APIC id is the VP index")
{
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(read_leaf(1).b >> 24, i, "leaf 1 EBX 31:24 of VP %u", i);
	}
}

/* ---- 10.3.1 ---- */

/* All that a guest may have; a suspend register is none of them. */
static bool documented(uint32_t msr)
{
	static const struct { uint32_t first, last; } known[] = {
		{ 0x40000000, 0x40000003 }, { 0x40000010, 0x40000010 }, { 0x40000020, 0x40000023 }, { 0x40000070, 0x40000073 },
		{ 0x40000080, 0x40000084 }, { 0x40000090, 0x4000009f }, { 0x400000b0, 0x400000b7 }, { 0x400000e0, 0x400000e3 }, { 0x400000f0, 0x400000f0 },
		{ 0x40000100, 0x40000105 }, { 0x40000106, 0x40000108 }, { 0x40000118, 0x40000118 },
	};

	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
		if (msr >= known[i].first && msr <= known[i].last)
			return true;
	return false;
}

RULE(T10_3_1_a, "no MSR beside those that are documented is there, so none that suspends")
{
	uint64_t v;

	for (uint32_t msr = 0x40000000; msr < 0x40000200; msr++)
		if (!documented(msr))
			check_that(!read_msr(msr, &v) && !write_msr(msr, 0), "MSR 0x%x", msr);
}

RULE(T10_1_4_e, "the idle MSR cannot be written")
{
	check_that(!write_msr(HV_X64_MSR_GUEST_IDLE, 0), "0 is taken");
	check_that(!write_msr(HV_X64_MSR_GUEST_IDLE, 1), "1 is taken");
}

/* ---- 11: leaves ---- */

RULE(T11_2_c, "family, model and stepping are the same on all VPs")
{
	uint32_t first = read_leaf(1).a;

	check_that(first, "leaf 1 EAX is 0");
	as_vp(1);
	check_value(read_leaf(1).a, first, "leaf 1 EAX of VP 1");
}

RULE(T11_11_c, "leaf 1 is the processor's as the hypervisor changes it: bit 31 of ECX tells of it")
{
	check_value(read_leaf(1).c & LEAF_1_HYPERVISOR, LEAF_1_HYPERVISOR, "leaf 1 ECX bit 31");
}

RULE(T11_11_e, "leaves 0x40000083 to 0x400000ff, which a parent may give, are 0 without one")
{
	for (uint32_t n = 0x40000083; n <= 0x400000ff; n++) {
		struct leaf l = read_leaf(n);

		check_value(l.a | l.b | l.c | l.d, 0, "leaf 0x%x", n);
	}
}

/* ---- 11.8: overlays ---- */

RULE(T11_8_a, "an overlay where no memory is can be read and written")
{
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, NO_MEMORY | HV_MSR_PAGE_ENABLE);
	put64(NO_MEMORY + 16, 0x1122334455667788);
	check_value(get64(NO_MEMORY + 16), 0x1122334455667788, "the overlay");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, 0);
	check_value(get64(NO_MEMORY + 16), ~0ull, "what is there without it");
}

RULE(T11_8_b, "rights of the page below do not matter: an overlay over ROM can be written")
{
	enum { ROM = 0xffff0000 };
	uint64_t below = get64(ROM + 8);

	put64(ROM + 8, ~below);
	check_value(get64(ROM + 8), below, "the ROM itself");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, (uint64_t)ROM | HV_MSR_PAGE_ENABLE);
	put64(ROM + 8, 0x55);
	check_value(get64(ROM + 8), 0x55, "the overlay");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, 0);
	check_value(get64(ROM + 8), below, "the ROM afterwards");
}

/* ---- 12.4 ---- */

RULE(T12_4_3_j, "a list goes on at its start index")
{
	const uint64_t in[6] = { 0, 0, 1, 0x5000, 0x6000, 0x7000 };

	check_reps(CALL(.code = HV_CALL_FLUSH_ADDRESS_LIST, .data = in, .size = 48, .reps = 3, .start = 2), HV_STATUS_SUCCESS, 3);
}

/* ---- 13 ---- */

RULE(T13_1_a, "each VP has an APIC of its own")
{
	/* Whoever starts the other sets up both. */
	as_vp(1);
	as_vp(0);
	set_msr(HV_X64_MSR_TPR, 0x40);
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_TPR), 0, "TPR of VP 1");
	set_msr(HV_X64_MSR_TPR, 0x20);
	as_vp(0);
	check_value(msr_of(HV_X64_MSR_TPR), 0x40, "TPR of VP 0");
	set_msr(HV_X64_MSR_TPR, 0);
	as_vp(1);
	set_msr(HV_X64_MSR_TPR, 0);
}

RULE(T13_3_4_1_c, "the assist page is read and written, to its last byte")
{
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | HV_MSR_PAGE_ENABLE);
	for (unsigned at = 8; at < 4096; at += 8)
		put64(test_page(3) + at, at * 0x0101010101ull);
	for (unsigned at = 8; at < 4096; at += 8)
		check_value(get64(test_page(3) + at), at * 0x0101010101ull, "at %u", at);
}

RULE(T13_3_4_1_m, "an assist page beyond the GPA space is taken, and nowhere")
{
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), 0, "at first");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE);
	check_value(msr_of(HV_X64_MSR_VP_ASSIST_PAGE), BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE, "the MSR");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | HV_MSR_PAGE_ENABLE);
	put64(test_page(3) + 8, 7);
	check_value(get64(test_page(3) + 8), 7, "when it is moved to memory");
}
