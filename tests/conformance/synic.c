/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 14 as far as it needs neither a port nor an interrupt: MSRs, pages, statuses. */
#include "hv/msr.h"
#include "hv/port.h"
#include "hv/synic.h"
#include "rule.h"

enum { SINT = 5, HIGH_VECTOR = 0xf0 };

RULE(T14_6_1_f, "SCONTROL keeps bits 63:1 as written")
{
	set_msr(HV_X64_MSR_SCONTROL, 0xf0f0f0f0f0f0f0f0);
	check_value(msr_of(HV_X64_MSR_SCONTROL), 0xf0f0f0f0f0f0f0f0, "SCONTROL");
}

RULE_QTEST(T14_6_a, "each VP has its own registers")
{
	set_msr(HV_X64_MSR_SCONTROL, 2);
	set_msr(HV_X64_MSR_SINT0 + SINT, HIGH_VECTOR);
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_SCONTROL), 0, "SCONTROL of VP 1");
	check_value(msr_of(HV_X64_MSR_SINT0 + SINT), HV_SINT_RESET, "SINT5 of VP 1");
}

RULE(T14_6_2_a, "SVERSION is 1")
{
	check_value((uint32_t)msr_of(HV_X64_MSR_SVERSION), 1, "version");
}

RULE(T14_6_2_b, "a write of SVERSION is #GP")
{
	check_that(!write_msr(HV_X64_MSR_SVERSION, 1), "it was taken");
}

/* A page that an MSR places: hides what is there, has its own content. */
static void check_overlay(uint32_t msr)
{
	uint32_t under = 0x11111111, over = 0x22222222, got = 0;

	put_bytes(test_page(0), &under, 4);
	set_msr(msr, test_page(0) | HV_MSR_PAGE_ENABLE);
	put_bytes(test_page(0), &over, 4);
	set_msr(msr, 0);
	get_bytes(test_page(0), &got, 4);
	check_value(got, under, "what was under the page");
	set_msr(msr, test_page(0) | HV_MSR_PAGE_ENABLE);
	get_bytes(test_page(0), &got, 4);
	check_value(got, over, "what was written to the page");
	over = 0;
	put_bytes(test_page(0), &over, 4);
	set_msr(msr, 0);
}

RULE(T14_6_3_b, "SIEFP places an overlay")
{
	check_overlay(HV_X64_MSR_SIEFP);
}

RULE(T14_6_4_b, "SIMP places an overlay")
{
	check_overlay(HV_X64_MSR_SIMP);
}

static void check_beyond(uint32_t msr)
{
	set_msr(msr, BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE);
	check_value(msr_of(msr), BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE, "MSR 0x%x", msr);
	set_msr(msr, 0);
}

RULE(T14_6_3_c, "a SIEFP beyond the GPA space is taken")
{
	check_beyond(HV_X64_MSR_SIEFP);
}

RULE(T14_6_4_c, "a SIMP beyond the GPA space is taken")
{
	check_beyond(HV_X64_MSR_SIMP);
}

RULE(T14_6_3_d, "SIEFP keeps bits 11:1 as written")
{
	set_msr(HV_X64_MSR_SIEFP, test_page(1) | 0xaaa);
	check_value(msr_of(HV_X64_MSR_SIEFP), test_page(1) | 0xaaa, "SIEFP");
}

RULE(T14_6_4_d, "SIMP keeps bits 11:1 as written")
{
	set_msr(HV_X64_MSR_SIMP, test_page(1) | 0x554);
	check_value(msr_of(HV_X64_MSR_SIMP), test_page(1) | 0x554, "SIMP");
}

RULE(T14_6_5_b, "SINTx takes vectors 16 to 255")
{
	for (unsigned v = 16; v < 256; v++) {
		set_msr(HV_X64_MSR_SINT0 + SINT, v);
		check_value(msr_of(HV_X64_MSR_SINT0 + SINT), v, "vector %u", v);
	}
}

RULE(T14_6_5_c, "a vector below 16, not masked, is #GP and changes nothing")
{
	set_msr(HV_X64_MSR_SINT0 + SINT, HIGH_VECTOR);
	for (unsigned v = 0; v < 16; v++)
		check_that(!write_msr(HV_X64_MSR_SINT0 + SINT, v), "vector %u was taken", v);
	check_value(msr_of(HV_X64_MSR_SINT0 + SINT), HIGH_VECTOR, "the register");
}

RULE(T14_6_5_h, "SINTx keeps reserved bits as written")
{
	set_msr(HV_X64_MSR_SINT0 + SINT, 0xffffffffffe1ff00 | HIGH_VECTOR);
	check_value(msr_of(HV_X64_MSR_SINT0 + SINT), 0xffffffffffe1ff00 | HIGH_VECTOR, "the register");
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_RESET);
}

RULE(T14_6_6_g, "a read of EOM is 0")
{
	check_value(msr_of(HV_X64_MSR_EOM), 0, "EOM");
}

RULE(T14_6_6_f, "a write of EOM with empty queues does nothing")
{
	uint32_t type = 0;

	set_msr(HV_X64_MSR_SIMP, test_page(2) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	set_msr(HV_X64_MSR_EOM, 0);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++) {
		get_bytes(test_page(2) + sint * sizeof(struct hv_message), &type, 4);
		check_value(type, HV_MESSAGE_NONE, "slot %u", sint);
	}
	set_msr(HV_X64_MSR_SCONTROL, 0);
	set_msr(HV_X64_MSR_SIMP, 0);
}

RULE(T14_8_1_a, "there are 16 SINTs")
{
	uint64_t v;

	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		check_that(read_msr(HV_X64_MSR_SINT0 + sint, &v), "SINT%u", sint);
	check_that(!read_msr(HV_X64_MSR_SINT15 + 1, &v), "a seventeenth");
}

RULE(T14_9_7_e, "a message through an unknown connection is refused")
{
	struct hv_in_post_message in = { .connection_id = 0x00abcdef, .message_type = 1, .payload_size = 8 };

	put_bytes(test_page(3), &in, sizeof in);
	check_status(CALL(.code = HV_CALL_POST_MESSAGE, .in = test_page(3)), HV_STATUS_INVALID_CONNECTION_ID);
}

RULE(T14_9_8_d, "an event through an unknown connection is refused")
{
	struct hv_in_signal_event in = { .connection_id = 0x00abcdef };

	put_bytes(test_page(3), &in, sizeof in);
	check_status(CALL(.code = HV_CALL_SIGNAL_EVENT, .in = test_page(3)), HV_STATUS_INVALID_CONNECTION_ID);
}
