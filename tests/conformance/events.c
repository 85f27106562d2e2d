/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Event flags, HvSignalEvent (14.3, 14.8.5, 14.9.8). */
#include "ipc.h"

/* VP 0 listens; EVENTS leads to its SINT, as the flag of that number. */
static void listen(void)
{
	synic_on(0);
	make_events(EVENTS, 0, SINT);
}

static void must_signal(uint32_t connection)
{
	check_status(signal_flag(connection, 0), HV_STATUS_SUCCESS);
}

static void check_no_flags(void)
{
	for (unsigned at = 0; at < 4096; at += 8)
		check_value(get64(flags_page(0) + at), 0, "flags at byte %u", at);
}

RULE(T14_3_1_d, "with no VP that can take it a signal fails")
{
	listen();
	set_msr(HV_X64_MSR_SIEFP, flags_page(0));
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE(T14_3_1_e, "a flag that becomes set requests the interrupt of its SINT")
{
	listen();
	must_signal(EVENTS);
	check_that(flag_set(SINT, EVENTS), "the flag is not set");
	check_that(requested(VECTOR), "no interrupt");
	check_that(!requested(OTHER_VECTOR), "one of another SINT");
}

RULE(T14_3_1_f, "a flag that was set already requests nothing, and the call succeeds")
{
	uint8_t set = 1 << EVENTS % 8;

	listen();
	put_bytes(flags_page(0) + SINT * 256 + EVENTS / 8, &set, 1);
	must_signal(EVENTS);
	check_that(!requested(VECTOR), "an interrupt");
	check_that(flag_set(SINT, EVENTS), "the flag is gone");
}

RULE(T14_3_1_g, "a signal to a masked SINT fails and changes nothing")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
	check_no_flags();
	check_that(!requested(VECTOR), "an interrupt");
}

RULE(T14_3_3_a, "signals never run out of anything")
{
	listen();
	for (unsigned i = 0; i < 2000; i++)
		must_signal(EVENTS);
	check_that(flag_set(SINT, EVENTS), "the flag is not set");
}

RULE(T14_6_1_d, "with SCONTROL.Enable 0 no flag is set")
{
	listen();
	set_msr(HV_X64_MSR_SCONTROL, ~1ull);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
	check_no_flags();
}

RULE(T14_6_1_e, "with SCONTROL.Enable 1 messages and events are possible")
{
	listen();
	make_messages(MESSAGES, 0, OTHER_SINT);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_SYNIC_STATE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	must_signal(EVENTS);
	check_status(post(MESSAGES, 1), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS) && slot(OTHER_SINT).type == 1, "they are not there");
}

RULE(T14_8_5_a, "flag f is bit f % 8 of byte f / 8 of the SINT's 256 bytes")
{
	static const uint8_t numbers[] = { 1, 7, 8, 63, 128, 255 };
	uint8_t got[256], want[256] = { 0 };

	listen();
	for (unsigned i = 0; i < sizeof numbers; i++) {
		destroy(numbers[i]);
		make_events(numbers[i], 0, SINT);
		must_signal(numbers[i]);
		destroy(numbers[i]);
		want[numbers[i] / 8] |= 1 << numbers[i] % 8;
	}
	get_bytes(flags_page(0) + SINT * 256, got, sizeof got);
	for (unsigned i = 0; i < sizeof got; i++)
		check_value(got[i], want[i], "byte %u", i);
	check_value(get64(flags_page(0) + SINT * 256 - 8), 0, "flags of the SINT before");
	check_value(get64(flags_page(0) + (SINT + 1) * 256), 0, "flags of the SINT behind");
}

RULE(T14_9_8_a, "a signal that succeeds sets the flag of base and number")
{
	listen();
	must_signal(EVENTS);
	check_value(get64(flags_page(0) + SINT * 256 + EVENTS / 64 * 8), 1ull << EVENTS % 64, "the flag's word");
}

RULE(T14_9_8_b, "flag 0 is the port's base flag")
{
	listen();
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS), "the base flag is not set");
	check_that(!flag_set(SINT, 0), "flag 0 of the SINT is");
}

RULE(T14_9_8_g, "a connection to a message port takes no events")
{
	listen();
	make_messages(MESSAGES, 0, SINT);
	check_status(signal_flag(MESSAGES, 0), HV_STATUS_INVALID_PORT_ID);
	check_no_flags();
}

RULE(T14_9_7_g, "a connection to an event port takes no messages")
{
	listen();
	check_status(post(EVENTS, 1), HV_STATUS_INVALID_PORT_ID);
	check_slot_empty(SINT);
}

RULE(T14_8_6_c, "messages go through message ports, events through event ports")
{
	listen();
	make_messages(MESSAGES, 0, SINT);
	check_status(signal_flag(MESSAGES, 0), HV_STATUS_INVALID_PORT_ID);
	check_status(post(EVENTS, 1), HV_STATUS_INVALID_PORT_ID);
	check_status(post(MESSAGES, 1), HV_STATUS_SUCCESS);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
}

RULE(T14_9_8_h, "a flag beyond the port's is an invalid parameter and changes nothing")
{
	listen();
	check_status(signal_flag(EVENTS, 1), HV_STATUS_INVALID_PARAMETER);
	check_status(signal_flag(EVENTS, 0xffff), HV_STATUS_INVALID_PARAMETER);
	check_no_flags();
}

RULE(T14_9_8_j, "a signal to a VP whose SynIC is off fails")
{
	listen();
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE(T14_9_8_k, "a signal to a VP whose flags page is off fails")
{
	listen();
	set_msr(HV_X64_MSR_SIEFP, 0);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE(T14_9_8_l, "a signal to a masked SINT fails")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_SYNIC_STATE);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	must_signal(EVENTS);
}

RULE(T14_9_8_n, "the call works in registers and in memory")
{
	struct hv_in_signal_event in = { .connection_id = EVENTS };
	uint8_t none = 0;

	listen();
	check_status(CALL(.code = HV_CALL_SIGNAL_EVENT, .fast = true, .in = EVENTS), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS), "in registers");
	put_bytes(flags_page(0) + SINT * 256 + EVENTS / 8, &none, 1);
	check_status(CALL(.code = HV_CALL_SIGNAL_EVENT, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS), "in memory");
}
