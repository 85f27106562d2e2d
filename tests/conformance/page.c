/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Section 4.12: the hypercall page and its MSR, with what 8.1.3 says of overlays. */
#include "hv/msr.h"
#include "rule.h"

#define BELOW 0x1122334455667788ull    /* what the guest has in the page below */
#define ENABLE HV_MSR_PAGE_ENABLE

static void disable(void)
{
	set_msr(HV_X64_MSR_HYPERCALL, 0);
}

static void place(uint64_t page)
{
	set_msr(HV_X64_MSR_HYPERCALL, page | ENABLE);
}

/* Does the entry of the hypercall page begin at @page? */
static bool is_there(uint64_t page)
{
	static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1 }, vmmcall[] = { 0x0f, 0x01, 0xd9 };
	uint8_t code[16];

	get_bytes(page, code, sizeof code);
	for (unsigned i = 0; i + sizeof vmcall <= sizeof code; i++) {
		bool intel = true, amd = true;

		for (unsigned j = 0; j < sizeof vmcall; j++) {
			intel &= code[i + j] == vmcall[j];
			amd &= code[i + j] == vmmcall[j];
		}
		if (intel || amd)
			return true;
	}
	return false;
}

RULE(T4_12_a, "the MSRs of guest OS id, hypercall page and VP index exist")
{
	msr_of(HV_X64_MSR_GUEST_OS_ID);
	msr_of(HV_X64_MSR_HYPERCALL);
	msr_of(HV_X64_MSR_VP_INDEX);
}

RULE(T4_12_b, "the hypercall MSR is one for all VPs")
{
	place(test_page(3));
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_HYPERCALL), test_page(3) | ENABLE, "on VP 1");
	place(test_page(4));
	as_vp(0);
	check_value(msr_of(HV_X64_MSR_HYPERCALL), test_page(4) | ENABLE, "on VP 0");
}

RULE(T4_12_c, "the page goes to any page of the GPA space, memory or not")
{
	static const uint64_t pages[] = { TEST_PAGE, NO_MEMORY, 0x1000000, 0x7fff000 };

	for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		place(pages[i]);
		check_that(is_there(pages[i]), "it is not at 0x%llx", (unsigned long long)pages[i]);
		disable();
	}
}

RULE(T8_1_3_i, "an overlay may be where no memory is")
{
	place(NO_MEMORY);
	check_that(is_there(NO_MEMORY), "it is not there");
}

RULE(T4_12_d, "a page beyond the GPA space is #GP and changes nothing")
{
	uint64_t before = msr_of(HV_X64_MSR_HYPERCALL);

	check_that(!write_msr(HV_X64_MSR_HYPERCALL, BEYOND_GPA_SPACE | ENABLE), "just beyond is taken");
	check_that(!write_msr(HV_X64_MSR_HYPERCALL, 0xfffffffffffff000 | ENABLE), "the last page is taken");
	check_value(msr_of(HV_X64_MSR_HYPERCALL), before, "the MSR afterwards");
	check_that(is_there(HYPERCALL_PAGE), "the page is gone");
}

RULE(T2_3_b, "no page number beyond the space names a page")
{
	check_that(!write_msr(HV_X64_MSR_HYPERCALL, 0xfffffffffffff000 | ENABLE), "page 0xfffffffffffff is taken");
}

RULE(T4_12_e, "bits 11:1 of the MSR do not matter")
{
	for (unsigned bit = 1; bit < 12; bit++) {
		set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | 1u << bit | ENABLE);
		check_that(is_there(HYPERCALL_PAGE), "with bit %u the page is not there", bit);
	}
}

RULE(T1_3_a, "a reserved bit that is to be preserved is taken in a write")
{
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_PRESERVED | ENABLE);
	set_msr(HV_X64_MSR_HYPERCALL, msr_of(HV_X64_MSR_HYPERCALL));
	check_that(is_there(HYPERCALL_PAGE), "what was read and written back moved the page");
}

RULE(T4_12_f, "with guest OS id 0 enabling the page is no fault, reads back 0, and no page appears")
{
	put64(test_page(2), BELOW);
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0);
	set_msr(HV_X64_MSR_HYPERCALL, test_page(2) | ENABLE);
	check_value(msr_of(HV_X64_MSR_HYPERCALL) & ENABLE, 0, "the enable bit");
	check_value(get64(test_page(2)), BELOW, "what is in the page");
}

RULE(T4_12_g, "an enabled page is there at once, for all VPs")
{
	put64(test_page(2), BELOW);
	check_that(!is_there(test_page(2)), "it is there before");
	place(test_page(2));
	check_that(is_there(test_page(2)), "it is not there");
	as_vp(1);
	check_that(is_there(test_page(2)), "it is not there for VP 1");
}

RULE(T4_12_h, "guest OS id 0 takes the page away, and the MSR tells")
{
	disable();
	put64(test_page(2), BELOW);
	place(test_page(2));
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0);
	check_value(msr_of(HV_X64_MSR_HYPERCALL) & ENABLE, 0, "the enable bit");
	check_value(get64(test_page(2)), BELOW, "what is in the page");
}

RULE(T4_12_i, "enable 0 takes the page away: what is below is there again")
{
	put64(test_page(2), BELOW);
	place(test_page(2));
	check_that(get64(test_page(2)) != BELOW, "the page is not there");
	set_msr(HV_X64_MSR_HYPERCALL, test_page(2));
	check_value(get64(test_page(2)), BELOW, "what is in the page");
}

RULE(T4_12_j, "another page number moves the page")
{
	put64(test_page(2), BELOW);
	place(test_page(2));
	place(test_page(3));
	check_value(get64(test_page(2)), BELOW, "what is where it was");
	check_that(is_there(test_page(3)), "it is not where it is now");
}

RULE(T8_1_3_d, "what an overlay covered is unchanged when it goes")
{
	for (unsigned i = 0; i < 512; i++)
		put64(test_page(2) + 8 * i, BELOW + i);
	place(test_page(2));
	place(test_page(3));
	for (unsigned i = 0; i < 512; i++)
		check_value(get64(test_page(2) + 8 * i), BELOW + i, "word %u of the page", i);
}

RULE(T8_1_3_e, "of two overlays in one place one is seen, and the other when it goes")
{
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(2) | ENABLE);
	put64(test_page(2), BELOW);
	place(test_page(2));
	check_that(is_there(test_page(2)) || get64(test_page(2)) == BELOW, "neither is seen");
	disable();
	check_value(get64(test_page(2)), BELOW, "what is seen of the assist page");
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, 0);
	check_value(get64(test_page(2)), 0, "what is below both");
}

RULE(T2_3_c, "page number N is the page at N * 4096")
{
	place(test_page(5));
	check_that(!is_there(test_page(5) - 4096) && is_there(test_page(5)) && !is_there(test_page(5) + 4096), "it is elsewhere");
}

RULE(T4_12_k, "the page can be read, and executed")
{
	check_that(is_there(HYPERCALL_PAGE), "no instruction that leads to the hypervisor is in its first 16 bytes");
	check_value(CALL(.code = 0).value, HV_STATUS_INVALID_HYPERCALL_CODE, "a call");
}
