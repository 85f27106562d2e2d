/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports and connections as a partition's parent makes them (14.4, 14.8.6 to 14.8.9, 14.9.1 to 14.9.6): the machine
 * is the invisible one.  Sender and receiver are one partition.
 */
#include "../ipc.h"
#include "parent.h"

enum { PORT = 0x1001, OTHER = 0x1002, CONNECTION = 0x2001, OTHER_CONNECTION = 0x2002, TOO_BIG = 0x01000000, LAST = 0x00ffffff };
#define MESSAGE_TO(vp_, sint_) .type = HV_PORT_MESSAGE, .sint = (sint_), .vp = (vp_)
#define EVENT_TO(vp_, sint_, base, count) .type = HV_PORT_EVENT, .sint = (sint_), .vp = (vp_), .base_flag = (base), .flag_count = (count)

static void good(uint16_t status, const char *what)
{
	check_status_is(status, HV_STATUS_SUCCESS, what);
}

static void must_connect(uint32_t connection, uint32_t id, enum hv_port_type type)
{
	good(CONNECT_PORT(connection, id, .type = type), "connection");
}

static void message_port(uint32_t id, uint32_t connection, uint32_t vp)
{
	good(MAKE_PORT(id, MESSAGE_TO(vp, SINT)), "message port");
	must_connect(connection, id, HV_PORT_MESSAGE);
}

static void event_port(uint32_t id, uint32_t connection, uint32_t vp)
{
	good(MAKE_PORT(id, EVENT_TO(vp, SINT, 100, 10)), "event port");
	must_connect(connection, id, HV_PORT_EVENT);
}

static void both_on(void)
{
	as_vp(1);
	synic_on(1);
	as_vp(0);
	synic_on(0);
}

/* The type in the slot of SINT of @vp; how many messages it has in all, which are taken. */
static uint32_t type_at(unsigned vp)
{
	uint32_t type;

	get_bytes(message_page(vp) + SINT * 256, &type, 4);
	return type;
}

static unsigned drain(unsigned vp)
{
	uint32_t none = 0;
	unsigned n = 0;

	as_vp(vp);
	for (; type_at(vp); n++) {
		put_bytes(message_page(vp) + SINT * 256, &none, 4);
		eom();
	}
	as_vp(0);
	return n;
}

static uint64_t property(uint32_t id, uint32_t code)
{
	uint64_t v = 0;

	good(get_port_property(id, code, &v), "property");
	return v;
}

/* ---- messages through any port ---- */

RULE_QTEST(T14_2_1_a, "a port has 16 buffers that no other port uses")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	message_port(OTHER, OTHER_CONNECTION, 0);
	check_status(post(CONNECTION, 0), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 16; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 0), HV_STATUS_INSUFFICIENT_BUFFERS);
	for (unsigned i = 0; i < 16; i++)
		check_status(post(OTHER_CONNECTION, i), HV_STATUS_SUCCESS);
	check_status(post(OTHER_CONNECTION, 0), HV_STATUS_INSUFFICIENT_BUFFERS);
	check_value(drain(0), 33, "messages");
}

RULE_QTEST(T14_2_2_c, "behind a reset all queues are empty, and the buffers free")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	for (unsigned i = 0; i <= 16; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	reset_machine();
	set_msr(HV_X64_MSR_GUEST_OS_ID, TEST_OS_ID);
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
	synic_on(0);
	eom();
	check_slot_empty(SINT);
	let_run(20);
	check_slot_empty(SINT);
	for (unsigned i = 0; i <= 16; i++)
		check_status(post(CONNECTION, 100 + i), HV_STATUS_SUCCESS);
	check_slot(100);
}

RULE_QTEST(T14_2_3_d, "what is queued arrives though its connection is gone")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	for (unsigned i = 0; i < 3; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	check_value(drain(0), 3, "messages");
}

RULE_QTEST(T14_2_3_e, "what is queued is lost with its port")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	message_port(OTHER, OTHER_CONNECTION, 0);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 2), HV_STATUS_SUCCESS);
	check_status(post(OTHER_CONNECTION, 3), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 4), HV_STATUS_SUCCESS);
	good(delete_port(PORT), "HvDeletePort");
	check_slot(1);
	empty_slot(SINT);
	eom();
	check_slot(3);
	empty_slot(SINT);
	eom();
	check_slot_empty(SINT);
}

RULE_QTEST(T14_2_3_g, "messages to any VP arrive once each, on whichever VP")
{
	unsigned n = 0;

	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	for (unsigned i = 0; i < 12; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	n = drain(0);
	check_value(n + drain(1), 12, "messages on both");
}

RULE_QTEST(T14_2_4_g, "a VP whose SynIC is off is not chosen")
{
	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	for (unsigned i = 0; i < 5; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	check_value(drain(0), 0, "messages on VP 0");
	check_value(drain(1), 5, "messages on VP 1");
}

RULE_QTEST(T14_2_4_h, "a VP whose message page is off is not chosen")
{
	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	as_vp(1);
	set_msr(HV_X64_MSR_SIMP, 0);
	for (unsigned i = 0; i < 5; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	set_msr(HV_X64_MSR_SIMP, message_page(1) | HV_MSR_PAGE_ENABLE);
	check_value(drain(1), 0, "messages on VP 1");
	check_value(drain(0), 5, "messages on VP 0");
}

RULE_QTEST(T14_2_6_e, "a message takes a buffer of the port, whoever sends it")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post(CONNECTION, 0), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 16; i++) {
		as_vp(i % VPS);
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	}
	for (unsigned vp = 0; vp < VPS; vp++) {
		as_vp(vp);
		check_status(post(CONNECTION, 0), HV_STATUS_INSUFFICIENT_BUFFERS);
	}
}

/* ---- timers' buffers ---- */

/* Timer @n of the acting VP to SINT, due at once when it runs. */
static void start_timer(unsigned n)
{
	set_msr(HV_X64_MSR_STIMER0_COUNT + 2 * n, 1);
	set_msr(HV_X64_MSR_STIMER0_CONFIG + 2 * n, 1 | (uint64_t)SINT << 16);
}

static bool timer_message(unsigned vp)
{
	return type_at(vp) == (uint32_t)HV_MESSAGE_TIMER_EXPIRED;
}

/* Runs until the first @vp's slot has a message. */
static void run_until_message(unsigned vp)
{
	for (unsigned i = 0; i < 100 && !type_at(vp); i++)
		let_run(10);
}

RULE_QTEST(T14_2_1_d, "each timer has a buffer of its own, whatever ports have queued")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	for (unsigned i = 0; i <= 16; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		start_timer(n);
	/* Those that have expired are no longer enabled. */
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		for (unsigned i = 0; i < 100 && msr_of(HV_X64_MSR_STIMER0_CONFIG + 2 * n) & 1; i++)
			let_run(10);
	for (unsigned n = 0; n <= 16; n++) {
		check_slot(n);
		empty_slot(SINT);
		eom();
	}
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		check_that(timer_message(0), "message %u of the timers", n);
		empty_slot(SINT);
		eom();
	}
	check_slot_empty(SINT);
}

RULE_QTEST(T14_2_4_a, "a timer's message takes no buffer of a port")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	start_timer(0);
	run_until_message(0);
	check_that(timer_message(0), "no message of the timer");
	for (unsigned i = 0; i < 16; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 0), HV_STATUS_INSUFFICIENT_BUFFERS);
}

RULE_QTEST(T14_2_4_e, "a timer's message goes to the SINT of its configuration")
{
	synic_on(0);
	start_timer(1);
	run_until_message(0);
	check_that(timer_message(0), "no message");
	check_slot_empty(OTHER_SINT);
}

RULE_QTEST(T14_2_6_d, "a timer's message goes to its own VP")
{
	both_on();
	as_vp(1);
	start_timer(2);
	/* VP 1 waits for its start-up IPI, its timers do not. */
	run_until_message(1);
	check_that(timer_message(1), "no message on VP 1");
	check_value(type_at(0), 0, "type on VP 0");
}

RULE_QTEST(T14_8_4_d, "a timer's message has no sender")
{
	synic_on(0);
	start_timer(0);
	run_until_message(0);
	check_that(timer_message(0), "no message");
	check_value(slot(SINT).sender, 0, "sender");
}

/* ---- events through any port ---- */

/* VP 1 has been made deaf: flags of the port that leads to any VP are set on the other. */
static void all_to_vp_0(void)
{
	for (unsigned i = 0; i < 4; i++)
		check_status(signal_flag(CONNECTION, i), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 4; i++)
		check_that(flag_set(SINT, 100 + i), "flag %u is not on VP 0", i);
}

RULE_QTEST(T14_3_1_b, "a VP whose SynIC is off gets no flags")
{
	both_on();
	event_port(PORT, CONNECTION, HV_ANY_VP);
	as_vp(1);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	all_to_vp_0();
}

RULE_QTEST(T14_3_1_c, "a VP whose flags page is off gets no flags")
{
	both_on();
	event_port(PORT, CONNECTION, HV_ANY_VP);
	as_vp(1);
	set_msr(HV_X64_MSR_SIEFP, 0);
	all_to_vp_0();
}

RULE_QTEST(T14_9_8_m, "a signal to any VP fails only if no VP can take it")
{
	both_on();
	event_port(PORT, CONNECTION, HV_ANY_VP);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	for (unsigned i = 0; i < 3; i++)
		check_status(signal_flag(CONNECTION, i), HV_STATUS_SUCCESS);
	as_vp(1);
	set_msr(HV_X64_MSR_SIEFP, 0);
	for (unsigned i = 0; i < 3; i++)
		check_status(signal_flag(CONNECTION, i), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE_QTEST(T14_9_7_p, "a post to any VP fails only if no VP can take it")
{
	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	for (unsigned i = 0; i < 3; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	as_vp(1);
	set_msr(HV_X64_MSR_SIMP, 0);
	for (unsigned i = 0; i < 3; i++)
		check_status(post(CONNECTION, i), HV_STATUS_INVALID_SYNIC_STATE);
}

/* ---- what a port is ---- */

RULE_QTEST(T14_4_d, "the port fixes VP and SINT")
{
	both_on();
	good(MAKE_PORT(PORT, MESSAGE_TO(1, OTHER_SINT)), "port");
	must_connect(CONNECTION, PORT, HV_PORT_MESSAGE);
	check_status(post(CONNECTION, 8), HV_STATUS_SUCCESS);
	check_slot_empty(OTHER_SINT);
	check_value(get64(message_page(1) + OTHER_SINT * 256 + 16), 8, "first word on VP 1");
	check_value(type_at(1), 0, "type of the other SINT there");
}

RULE_QTEST(T14_4_e, "an event port limits the sender to its flags")
{
	synic_on(0);
	event_port(PORT, CONNECTION, 0);
	for (unsigned i = 0; i < 10; i++)
		check_status(signal_flag(CONNECTION, i), HV_STATUS_SUCCESS);
	check_status(signal_flag(CONNECTION, 10), HV_STATUS_INVALID_PARAMETER);
	for (unsigned i = 0; i < HV_EVENT_FLAGS; i++)
		check_value(flag_set(SINT, i), i >= 100 && i < 110, "flag %u", i);
}

RULE_QTEST(T14_4_f, "a connection is made to a port that is there and stays with it")
{
	synic_on(0);
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PORT_ID, "no port");
	message_port(PORT, CONNECTION, 0);
	good(delete_port(PORT), "HvDeletePort");
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "a port of the same number");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
}

RULE_QTEST(T14_4_g, "a connection outlives its port, and each use of it fails")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	message_port(OTHER, OTHER_CONNECTION, 0);
	good(delete_port(PORT), "HvDeletePort");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
	good(disconnect_port(OTHER_CONNECTION), "HvDisconnectPort");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID, "its number is in use");
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	must_connect(CONNECTION, OTHER, HV_PORT_MESSAGE);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
}

RULE_QTEST(T14_8_6_a, "numbers of ports are unique in a partition")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0, 1)), HV_STATUS_INVALID_PORT_ID, "its number once more");
	good(MAKE_PORT(OTHER, EVENT_TO(0, SINT, 0, 1)), "another number");
}

RULE_QTEST(T14_8_6_b, "a port number with bits 31:24 is refused")
{
	for (unsigned bit = 24; bit < 32; bit++)
		check_status_is(MAKE_PORT(1u << bit | PORT, MESSAGE_TO(0, SINT)), HV_STATUS_INVALID_PORT_ID, "HvCreatePort");
	good(MAKE_PORT(LAST, MESSAGE_TO(0, SINT)), "the last number");
}

/* ---- properties ---- */

RULE_QTEST(T14_8_7_a, "PostCount begins with 0 and counts posts that succeed")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_value(property(PORT, HV_PORT_POST_COUNT), 0, "PostCount of a new port");
	for (unsigned i = 1; i <= 5; i++) {
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
		check_value(property(PORT, HV_PORT_POST_COUNT), i, "PostCount");
	}
}

RULE_QTEST(T14_8_7_b, "a post that fails does not count")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post_typed(CONNECTION, 0, 8, 0), HV_STATUS_INVALID_PARAMETER);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_SYNIC_STATE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	for (unsigned i = 0; i < 20; i++)
		post(CONNECTION, 1);
	check_value(property(PORT, HV_PORT_POST_COUNT), 17, "PostCount");
}

RULE_QTEST(T14_8_7_c, "messages to any VP go to the preferred one if it can take them")
{
	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	for (unsigned vp = 0; vp < VPS; vp++) {
		good(set_port_property(PORT, HV_PORT_PREFERRED_VP, vp), "HvSetPortProperty");
		for (unsigned i = 0; i < 4; i++)
			check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
		check_value(drain(!vp), 0, "messages on the other VP");
		check_value(drain(vp), 4, "messages on VP %u", vp);
	}
	as_vp(1);
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(post(CONNECTION, 0), HV_STATUS_SUCCESS);
	check_value(drain(0), 1, "messages on VP 0 while VP 1 is off");
}

/* ---- connections ---- */

RULE_QTEST(T14_8_8_a, "numbers of connections are unique in a partition")
{
	message_port(PORT, CONNECTION, 0);
	good(MAKE_PORT(OTHER, MESSAGE_TO(0, SINT)), "port");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID, "once more");
	good(MAKE_PORT(OTHER + 1, EVENT_TO(0, SINT, 0, 1)), "port");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER + 1, .type = HV_PORT_EVENT), HV_STATUS_INVALID_CONNECTION_ID, "of another type");
	must_connect(PORT, OTHER, HV_PORT_MESSAGE);    /* a port's number is another thing */
}

RULE_QTEST(T14_8_8_b, "a connection number with bits 31:24 is refused")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	for (unsigned bit = 24; bit < 32; bit++)
		check_status_is(CONNECT_PORT(1u << bit | CONNECTION, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID,
				"HvConnectPort");
	must_connect(LAST, PORT, HV_PORT_MESSAGE);
}

RULE_QTEST(T14_8_8_c, "no connection number means anything by itself")
{
	static const uint32_t numbers[] = { 0, 1, 2, 3, 4, 0x10000, LAST };

	synic_on(0);
	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		check_status(post(numbers[i], 1), HV_STATUS_INVALID_CONNECTION_ID);
		check_status(signal_flag(numbers[i], 0), HV_STATUS_INVALID_CONNECTION_ID);
		message_port(PORT + i, numbers[i], 0);
		check_status(post(numbers[i], 1), HV_STATUS_SUCCESS);
	}
}

RULE_QTEST(T14_8_9_a, "a connection is of its port's type")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "message port");
	good(MAKE_PORT(OTHER, EVENT_TO(0, SINT, 0, 1)), "event port");
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_EVENT), HV_STATUS_INVALID_PARAMETER, "to the message port");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PARAMETER, "to the event port");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER, .type = HV_PORT_MONITOR), HV_STATUS_INVALID_PARAMETER, "monitor connection");
	must_connect(CONNECTION, PORT, HV_PORT_MESSAGE);
}

/* ---- HvCreatePort ---- */

RULE_QTEST(T14_9_1_a, "a new port has 16 free buffers")
{
	synic_on(0);
	for (unsigned round = 0; round < 2; round++) {
		message_port(PORT, CONNECTION, 0);
		for (unsigned i = 0; i <= 16; i++)
			check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
		check_status(post(CONNECTION, 0), HV_STATUS_INSUFFICIENT_BUFFERS);
		good(delete_port(PORT), "HvDeletePort");
		good(disconnect_port(CONNECTION), "HvDisconnectPort");
		empty_slot(SINT);
	}
}

RULE_QTEST(T14_9_1_i, "a port number in use is refused and its port is as it was")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(0, OTHER_SINT)), HV_STATUS_INVALID_PORT_ID, "HvCreatePort");
	check_status(post(CONNECTION, 6), HV_STATUS_SUCCESS);
	check_slot(6);
	check_slot_empty(OTHER_SINT);
}

RULE_QTEST(T14_9_1_j, "a port number above 0xffffff is refused")
{
	check_status_is(MAKE_PORT(TOO_BIG, MESSAGE_TO(0, SINT)), HV_STATUS_INVALID_PORT_ID, "0x1000000");
	check_status_is(MAKE_PORT(0xffffffff, EVENT_TO(0, SINT, 0, 1)), HV_STATUS_INVALID_PORT_ID, "0xffffffff");
}

RULE_QTEST(T14_9_1_k, "a VP that is none of the partition's is refused")
{
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(VPS, SINT)), HV_STATUS_INVALID_VP_INDEX, "message port");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0xfffffffe, SINT, 0, 1)), HV_STATUS_INVALID_VP_INDEX, "event port");
	good(MAKE_PORT(PORT, MESSAGE_TO(VPS - 1, SINT)), "the last VP");
	good(MAKE_PORT(OTHER, EVENT_TO(HV_ANY_VP, SINT, 0, 1)), "any VP");
}

RULE_QTEST(T14_9_1_l, "SINT 0 is refused")
{
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(0, 0)), HV_STATUS_INVALID_PARAMETER, "message port");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, 0, 0, 1)), HV_STATUS_INVALID_PARAMETER, "event port");
}

RULE_QTEST(T14_9_1_m, "a SINT from 16 on is refused")
{
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(0, 16)), HV_STATUS_INVALID_PARAMETER, "16");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, 0xffffffff, 0, 1)), HV_STATUS_INVALID_PARAMETER, "0xffffffff");
	good(MAKE_PORT(PORT, MESSAGE_TO(0, 15)), "15");
}

RULE_QTEST(T14_9_1_n, "port types other than 1, 2, 3 are refused")
{
	check_status_is(MAKE_PORT(PORT, .type = 0, .sint = SINT), HV_STATUS_INVALID_PARAMETER, "0");
	check_status_is(MAKE_PORT(PORT, .type = 4, .sint = SINT), HV_STATUS_INVALID_PARAMETER, "4");
	check_status_is(MAKE_PORT(PORT, .type = 0x80000001, .sint = SINT), HV_STATUS_INVALID_PARAMETER, "0x80000001");
}

RULE_QTEST(T14_9_1_o, "base flag and count must end below 2048")
{
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 2047, 1)), HV_STATUS_INVALID_PARAMETER, "2047 + 1");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0, 2048)), HV_STATUS_INVALID_PARAMETER, "0 + 2048");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0xffff, 0xffff)), HV_STATUS_INVALID_PARAMETER, "0xffff + 0xffff");
	good(MAKE_PORT(PORT, EVENT_TO(0, SINT, 2046, 1)), "2046 + 1");
}

RULE_QTEST(T14_9_1_p, "an event port without flags is refused")
{
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 5, 0)), HV_STATUS_INVALID_PARAMETER, "count 0");
}

RULE_QTEST(T14_9_1_q, "an event port has up to 2047 flags, from 0 on or from 2046 on")
{
	synic_on(0);
	good(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0, 2047)), "0 + 2047");
	good(MAKE_PORT(OTHER, EVENT_TO(0, OTHER_SINT, 2046, 1)), "2046 + 1");
	must_connect(CONNECTION, PORT, HV_PORT_EVENT);
	must_connect(OTHER_CONNECTION, OTHER, HV_PORT_EVENT);
	check_status(signal_flag(CONNECTION, 2046), HV_STATUS_SUCCESS);
	check_status(signal_flag(OTHER_CONNECTION, 0), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, 2046) && flag_set(OTHER_SINT, 2046), "they are not set");
}

RULE_QTEST(T14_9_1_r, "reserved fields of the port's information must be 0")
{
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(0, SINT), .reserved = 1), HV_STATUS_INVALID_PARAMETER, "behind the type");
	check_status_is(MAKE_PORT(PORT, MESSAGE_TO(0, SINT), .other_reserved = 1ull << 63), HV_STATUS_INVALID_PARAMETER, "message port");
	check_status_is(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0, 1), .event_reserved = 1), HV_STATUS_INVALID_PARAMETER, "event port");
	check_status_is(MAKE_PORT(PORT, .type = HV_PORT_MONITOR, .monitor = test_page(8), .other_reserved = 1),
			HV_STATUS_INVALID_PARAMETER, "monitor port");
}

RULE_QTEST(T14_9_1_y, "a port for any VP takes a VP that can take it")
{
	both_on();
	message_port(PORT, CONNECTION, HV_ANY_VP);
	event_port(OTHER, OTHER_CONNECTION, HV_ANY_VP);
	for (unsigned off = 0; off < VPS; off++) {
		as_vp(off);
		set_msr(HV_X64_MSR_SCONTROL, 0);
		for (unsigned i = 0; i < 3; i++) {
			check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
			check_status(signal_flag(OTHER_CONNECTION, i), HV_STATUS_SUCCESS);
		}
		set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
		check_value(drain(!off), 3, "messages on VP %u", !off);
	}
}

/* ---- HvDeletePort ---- */

RULE_QTEST(T14_9_2_a, "the number of a deleted port is free")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	good(delete_port(PORT), "HvDeletePort");
	good(MAKE_PORT(PORT, EVENT_TO(0, SINT, 0, 1)), "the number again");
}

RULE_QTEST(T14_9_2_b, "messages still queued through a deleted port are lost")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	for (unsigned i = 0; i < 5; i++)
		check_status(post(CONNECTION, i), HV_STATUS_SUCCESS);
	good(delete_port(PORT), "HvDeletePort");
	check_value(drain(0), 1, "messages");
}

RULE_QTEST(T14_9_2_c, "a message in its slot stays when its port is deleted")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post(CONNECTION, 4), HV_STATUS_SUCCESS);
	good(delete_port(PORT), "HvDeletePort");
	check_slot(4);
	check_value(slot(SINT).sender, PORT, "sender");
}

static void check_no_port(uint32_t id)
{
	uint64_t v;

	check_status_is(delete_port(id), HV_STATUS_INVALID_PORT_ID, "HvDeletePort");
	check_status_is(CONNECT_PORT(CONNECTION, id, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PORT_ID, "HvConnectPort");
	check_status_is(get_port_property(id, HV_PORT_POST_COUNT, &v), HV_STATUS_INVALID_PORT_ID, "HvGetPortProperty");
	check_status_is(set_port_property(id, HV_PORT_PREFERRED_VP, 0), HV_STATUS_INVALID_PORT_ID, "HvSetPortProperty");
}

RULE_QTEST(T14_9_2_d, "the number of a deleted port is none")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	good(delete_port(PORT), "HvDeletePort");
	check_no_port(PORT);
}

RULE_QTEST(T14_9_2_e, "a post or signal to a deleted port fails")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	event_port(OTHER, OTHER_CONNECTION, 0);
	good(delete_port(PORT), "HvDeletePort");
	good(delete_port(OTHER), "HvDeletePort");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
	check_status(signal_flag(OTHER_CONNECTION, 0), HV_STATUS_INVALID_PORT_ID);
	check_value(type_at(0), 0, "type");
}

RULE_QTEST(T14_9_2_f, "the number of a port that never was is none")
{
	check_no_port(OTHER);
	check_no_port(0);
	check_no_port(TOO_BIG);
}

RULE_QTEST(T14_9_7_f, "a post to a deleted port fails")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	good(delete_port(PORT), "HvDeletePort");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
}

RULE_QTEST(T14_9_8_e, "a signal to a deleted port fails")
{
	synic_on(0);
	event_port(PORT, CONNECTION, 0);
	good(delete_port(PORT), "HvDeletePort");
	check_status(signal_flag(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
	check_that(!flag_set(SINT, 101), "the flag is set");
}

/* ---- HvConnectPort ---- */

RULE_QTEST(T14_9_3_a, "a connection that is made can be used")
{
	synic_on(0);
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_CONNECTION_ID);
	must_connect(CONNECTION, PORT, HV_PORT_MESSAGE);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
}

RULE_QTEST(T14_9_3_i, "a connection number in use is refused and its connection is as it was")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	good(MAKE_PORT(OTHER, MESSAGE_TO(0, OTHER_SINT)), "port");
	check_status_is(CONNECT_PORT(CONNECTION, OTHER, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID, "HvConnectPort");
	check_status(post(CONNECTION, 3), HV_STATUS_SUCCESS);
	check_slot(3);
	must_connect(OTHER_CONNECTION, OTHER, HV_PORT_MESSAGE);
}

RULE_QTEST(T14_9_3_j, "a connection number above 0xffffff is refused")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status_is(CONNECT_PORT(TOO_BIG, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID, "0x1000000");
	check_status_is(CONNECT_PORT(0xffffffff, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_CONNECTION_ID, "0xffffffff");
}

RULE_QTEST(T14_9_3_k, "a connection to a port that is not there is refused")
{
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PORT_ID, "HvConnectPort");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_CONNECTION_ID);
}

RULE_QTEST(T14_9_3_l, "a port has one connection")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status_is(CONNECT_PORT(OTHER_CONNECTION, PORT, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PORT_ID, "a second");
	check_status(post(OTHER_CONNECTION, 1), HV_STATUS_INVALID_CONNECTION_ID);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	must_connect(OTHER_CONNECTION, PORT, HV_PORT_MESSAGE);
}

RULE_QTEST(T14_9_3_m, "a connection to a port number above 0xffffff is refused")
{
	check_status_is(CONNECT_PORT(CONNECTION, TOO_BIG, .type = HV_PORT_MESSAGE), HV_STATUS_INVALID_PORT_ID, "HvConnectPort");
}

RULE_QTEST(T14_9_3_o, "information of a connection that is wrong is refused")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = 0), HV_STATUS_INVALID_PARAMETER, "type 0");
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_EVENT), HV_STATUS_INVALID_PARAMETER, "another type");
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_MESSAGE, .reserved = 1), HV_STATUS_INVALID_PARAMETER, "reserved");
	check_status_is(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_MESSAGE, .monitor = test_page(8)), HV_STATUS_INVALID_PARAMETER,
			"an address");
}

/* ---- HvGetPortProperty, HvSetPortProperty ---- */

RULE_QTEST(T14_9_4_a, "property 0 is the count of posts")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	check_value(property(PORT, 0), 2, "property 0");
}

RULE_QTEST(T14_9_4_b, "property 1 is the preferred VP")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(HV_ANY_VP, SINT)), "port");
	check_value(property(PORT, 1), HV_ANY_VP, "property 1 of a new port");
	good(set_port_property(PORT, 1, 1), "HvSetPortProperty");
	check_value(property(PORT, 1), 1, "property 1");
}

RULE_QTEST(T14_9_4_f, "properties of a port that is not there cannot be read")
{
	uint64_t v;

	check_status_is(get_port_property(PORT, 0, &v), HV_STATUS_INVALID_PORT_ID, "none");
	check_status_is(get_port_property(TOO_BIG, 0, &v), HV_STATUS_INVALID_PORT_ID, "too big");
}

RULE_QTEST(T14_9_4_g, "other properties are unknown when they are read")
{
	uint64_t v;

	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status_is(get_port_property(PORT, 2, &v), HV_STATUS_UNKNOWN_PROPERTY, "2");
	check_status_is(get_port_property(PORT, 0x80000001, &v), HV_STATUS_UNKNOWN_PROPERTY, "0x80000001");
}

RULE_QTEST(T14_9_5_a, "property 1 reads as it was set")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(HV_ANY_VP, SINT)), "port");
	for (unsigned vp = 0; vp < VPS; vp++) {
		good(set_port_property(PORT, 1, vp), "HvSetPortProperty");
		check_value(property(PORT, 1), vp, "property 1");
	}
	good(set_port_property(PORT, 1, HV_ANY_VP), "no preference");
	check_value(property(PORT, 1), HV_ANY_VP, "property 1");
	check_status_is(set_port_property(PORT, 1, VPS), HV_STATUS_INVALID_VP_INDEX, "no such VP");
	check_value(property(PORT, 1), HV_ANY_VP, "property 1");
}

RULE_QTEST(T14_9_5_f, "properties of a port that is not there cannot be set")
{
	check_status_is(set_port_property(PORT, 1, 0), HV_STATUS_INVALID_PORT_ID, "none");
}

RULE_QTEST(T14_9_5_g, "other properties are unknown when they are set")
{
	good(MAKE_PORT(PORT, MESSAGE_TO(0, SINT)), "port");
	check_status_is(set_port_property(PORT, 2, 0), HV_STATUS_UNKNOWN_PROPERTY, "2");
	check_status_is(set_port_property(PORT, 0, 0), HV_STATUS_UNKNOWN_PROPERTY, "the count");
}

/* ---- HvDisconnectPort ---- */

RULE_QTEST(T14_9_6_a, "the number of a connection that is gone is free and none")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	check_status(post(CONNECTION, 1), HV_STATUS_INVALID_CONNECTION_ID);
	good(MAKE_PORT(OTHER, EVENT_TO(0, SINT, 0, 1)), "port");
	must_connect(CONNECTION, OTHER, HV_PORT_EVENT);
}

RULE_QTEST(T14_9_6_b, "messages of a connection that is gone still arrive")
{
	synic_on(0);
	message_port(PORT, CONNECTION, 0);
	check_status(post(CONNECTION, 1), HV_STATUS_SUCCESS);
	check_status(post(CONNECTION, 2), HV_STATUS_SUCCESS);
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	check_slot(1);
	empty_slot(SINT);
	eom();
	check_slot(2);
}

RULE_QTEST(T14_9_6_f, "what is no connection cannot be disconnected")
{
	check_status_is(disconnect_port(CONNECTION), HV_STATUS_INVALID_CONNECTION_ID, "never made");
	check_status_is(disconnect_port(TOO_BIG), HV_STATUS_INVALID_CONNECTION_ID, "too big");
	message_port(PORT, CONNECTION, 0);
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
	check_status_is(disconnect_port(CONNECTION), HV_STATUS_INVALID_CONNECTION_ID, "gone already");
}

RULE_QTEST(T14_9_6_h, "a connection whose port is deleted can be disconnected")
{
	message_port(PORT, CONNECTION, 0);
	good(delete_port(PORT), "HvDeletePort");
	good(disconnect_port(CONNECTION), "HvDisconnectPort");
}
