/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The SynIC's registers and pages (14.6, 14.7). */
#include "ipc.h"

enum { HIGH_VECTOR = 0xf0 };

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
	synic_on(0);
	eom();
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		check_slot_empty(sint);
	check_that(!requested(VECTOR) && !requested(OTHER_VECTOR), "an interrupt");
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

/* ---- values at the start ---- */

/* All registers of the acting VP as they are at the start. */
static void check_start(unsigned vp)
{
	check_value(msr_of(HV_X64_MSR_SCONTROL), 0, "SCONTROL of VP %u", vp);
	check_value(msr_of(HV_X64_MSR_SIMP), 0, "SIMP of VP %u", vp);
	check_value(msr_of(HV_X64_MSR_SIEFP), 0, "SIEFP of VP %u", vp);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		check_value(msr_of(HV_X64_MSR_SINT0 + sint), HV_SINT_RESET, "SINT%u of VP %u", sint, vp);
}

/* Pages as the acting VP finds them when it enables them. */
static void check_pages_zero(unsigned vp)
{
	set_msr(HV_X64_MSR_SIMP, message_page(vp) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_SIEFP, flags_page(vp) | HV_MSR_PAGE_ENABLE);
	for (unsigned at = 0; at < 4096; at += 8) {
		check_value(get64(message_page(vp) + at), 0, "message page of VP %u at %u", vp, at);
		check_value(get64(flags_page(vp) + at), 0, "flags page of VP %u at %u", vp, at);
	}
}

static void dirty(unsigned vp)
{
	synic_on(vp);
	put64(message_page(vp) + 8, 0x1111);
	put64(flags_page(vp) + 4088, 0x2222);
	set_msr(HV_X64_MSR_SINT15, HIGH_VECTOR);
}

static void for_each_vp(void (*f)(unsigned vp))
{
	for (unsigned vp = 0; vp < VPS; vp++) {
		as_vp(vp);
		f(vp);
	}
}

static void check_control_0(unsigned vp)
{
	check_value(msr_of(HV_X64_MSR_SCONTROL), 0, "SCONTROL of VP %u", vp);
}

RULE_QTEST(T14_6_1_a, "SCONTROL is 0 at VP creation")
{
	restart_with("");
	for_each_vp(check_control_0);
}

RULE_QTEST(T14_6_1_b, "SCONTROL is 0 behind a reset")
{
	for_each_vp(dirty);
	reset_machine();
	for_each_vp(check_control_0);
}

static void check_siefp_0(unsigned vp)
{
	check_value(msr_of(HV_X64_MSR_SIEFP), 0, "SIEFP of VP %u", vp);
}

RULE_QTEST(T14_6_3_a, "SIEFP is 0 at VP creation and behind a reset")
{
	restart_with("");
	for_each_vp(check_siefp_0);
	for_each_vp(dirty);
	reset_machine();
	for_each_vp(check_siefp_0);
}

static void check_simp_0(unsigned vp)
{
	check_value(msr_of(HV_X64_MSR_SIMP), 0, "SIMP of VP %u", vp);
}

RULE_QTEST(T14_6_4_a, "SIMP is 0 at VP creation and behind a reset")
{
	restart_with("");
	for_each_vp(check_simp_0);
	for_each_vp(dirty);
	reset_machine();
	for_each_vp(check_simp_0);
}

RULE_QTEST(T14_6_5_a, "all SINTs are masked with vector 0 at VP creation")
{
	restart_with("");
	for_each_vp(check_start);
}

RULE_QTEST(T14_7_d, "both pages are zero at VP creation")
{
	restart_with("");
	for_each_vp(check_pages_zero);
}

RULE_QTEST(T14_7_e, "both pages are zero behind a reset")
{
	for_each_vp(dirty);
	reset_machine();
	for_each_vp(check_pages_zero);
}

RULE_QTEST(T14_2_2_b, "all queues of a new VP are empty")
{
	restart_with("");
	for (unsigned vp = 0; vp < VPS; vp++) {
		as_vp(vp);
		check_pages_zero(vp);
		set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
		eom();
		check_pages_zero(vp);
	}
}

RULE_QTEST(T14_6_b, "without the privilege all registers are #GP")
{
	static const uint32_t msrs[] = { HV_X64_MSR_SCONTROL, HV_X64_MSR_SVERSION, HV_X64_MSR_SIEFP, HV_X64_MSR_SIMP, HV_X64_MSR_EOM,
		HV_X64_MSR_SINT0, HV_X64_MSR_SINT15 };
	uint64_t v;

	restart_with("hv-synic=off");
	for (unsigned i = 0; i < sizeof msrs / sizeof msrs[0]; i++) {
		check_that(!read_msr(msrs[i], &v), "0x%x could be read", msrs[i]);
		check_that(!write_msr(msrs[i], HV_SINT_RESET), "0x%x could be written", msrs[i]);
	}
}

RULE_QTEST(T14_9_7_d, "without PostMessages a post is denied")
{
	restart_with("hv-synic=off");
	check_status(post(MESSAGES, 1), HV_STATUS_ACCESS_DENIED);
}

RULE_QTEST(T14_9_8_c, "without SignalEvents a signal is denied")
{
	restart_with("hv-synic=off");
	check_status(signal_flag(EVENTS, 0), HV_STATUS_ACCESS_DENIED);
}

/* ---- pages ---- */

RULE(T14_7_a, "a page hides what is under it until it is disabled or moved")
{
	put64(test_page(6), 0x1111);
	put64(test_page(7), 0x2222);
	set_msr(HV_X64_MSR_SIMP, test_page(6) | HV_MSR_PAGE_ENABLE);
	put64(test_page(6), 0x3333);
	set_msr(HV_X64_MSR_SIMP, test_page(7) | HV_MSR_PAGE_ENABLE);
	check_value(get64(test_page(6)), 0x1111, "where it was");
	check_value(get64(test_page(7)), 0x3333, "where it is now");
	set_msr(HV_X64_MSR_SIMP, test_page(7));
	check_value(get64(test_page(7)), 0x2222, "where it was last");
}

/* What is at @gpa cannot be written. */
static void check_over(uint32_t msr, uint64_t gpa)
{
	uint64_t under = get64(gpa);

	set_msr(msr, gpa | HV_MSR_PAGE_ENABLE);
	put64(gpa, 0x4444);
	check_value(get64(gpa), 0x4444, "the page at 0x%llx", (unsigned long long)gpa);
	put64(gpa, 0);
	set_msr(msr, 0);
	check_value(get64(gpa), under, "what was under it");
}

RULE(T14_7_b, "rights of what a page hides do not apply to it")
{
	check_over(HV_X64_MSR_SIMP, HYPERCALL_PAGE);
	check_over(HV_X64_MSR_SIEFP, HYPERCALL_PAGE);
	check_over(HV_X64_MSR_SIMP, NO_MEMORY);
}

RULE(T14_7_c, "the guest reads and writes its pages as RAM")
{
	synic_on(0);
	for (unsigned at = 0; at < 4096; at += 8) {
		put64(message_page(0) + at, at * 0x100000001ull);
		put64(flags_page(0) + at, ~(at * 0x100000001ull));
	}
	for (unsigned at = 0; at < 4096; at += 8) {
		check_value(get64(message_page(0) + at), at * 0x100000001ull, "message page at %u", at);
		check_value(get64(flags_page(0) + at), ~(at * 0x100000001ull), "flags page at %u", at);
	}
	synic_on(0);
	make_events(EVENTS, 0, SINT);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS), "what the hypervisor writes is not seen");
}

RULE(T14_7_f, "two pages at one address stay two pages")
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
	make_events(EVENTS, 0, SINT);
	set_msr(HV_X64_MSR_SIEFP, message_page(0) | HV_MSR_PAGE_ENABLE);
	check_status(post(MESSAGES, 5), HV_STATUS_SUCCESS);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
	set_msr(HV_X64_MSR_SIEFP, flags_page(0) | HV_MSR_PAGE_ENABLE);
	check_slot(5);
	check_that(flag_set(SINT, EVENTS), "the flag is lost");
}

RULE(T14_7_h, "what the hypervisor writes to a page is seen at once, whole")
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
	for (unsigned i = 0; i < 100; i++) {
		check_status(post_typed(MESSAGES, i + 1, 240, i), HV_STATUS_SUCCESS);
		check_value(slot(SINT).type, i + 1, "type");
		check_value(slot(SINT).payload[29], i + 29 * 0x0123456789abcdefull, "last word");
		empty_slot(SINT);
	}
}
