/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitored notifications (14.5, 14.8.9.1, 14.8.9.2, 14.8.10); ports as in ports.c. */
#include "../ipc.h"
#include "parent.h"

enum { MONITOR = 0x3001, PORT = 0x3002, CONNECTION = 0x4001, BASE = 200, FLAGS = 128 };
/* Where the receiver, where the sender sees the page. */
#define RECEIVER test_page(8)
#define SENDER test_page(9)

static void good(uint16_t status, const char *what)
{
	check_status_is(status, HV_STATUS_SUCCESS, what);
}

static void make_monitor(void)
{
	good(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "monitor port");
	good(CONNECT_PORT(MONITOR, MONITOR, .type = HV_PORT_MONITOR, .monitor = SENDER), "monitor connection");
}

/* VP 0 listens, CONNECTION leads to FLAGS flags of it from BASE on, the page is there. */
static void listen(void)
{
	synic_on(0);
	good(MAKE_PORT(PORT, .type = HV_PORT_EVENT, .sint = SINT, .base_flag = BASE, .flag_count = FLAGS), "event port");
	good(CONNECT_PORT(CONNECTION, PORT, .type = HV_PORT_EVENT), "event connection");
	make_monitor();
}

static uint64_t pending_at(unsigned group) { return SENDER + 8 + 8 * group; }

static void set_state(uint32_t state)
{
	put_bytes(SENDER, &state, sizeof state);
}

static uint32_t state(void)
{
	uint32_t v;

	get_bytes(RECEIVER, &v, sizeof v);
	return v;
}

static void set_parameter(unsigned group, unsigned trigger, uint32_t connection, uint16_t flag)
{
	struct hv_monitor_parameter p = { .connection_id = connection, .flag = flag };

	put_bytes(SENDER + 0x440 + 256 * group + 8 * trigger, &p, sizeof p);
}

static void set_latency(unsigned group, unsigned trigger, uint16_t latency)
{
	put_bytes(SENDER + 0x240 + 64 * group + 2 * trigger, &latency, sizeof latency);
}

static void set_pending(unsigned group, uint32_t triggers)
{
	put_bytes(pending_at(group), &triggers, sizeof triggers);
}

static uint32_t pending(unsigned group)
{
	uint32_t v;

	get_bytes(pending_at(group), &v, sizeof v);
	return v;
}

/* VPs run until the hypervisor has looked, which clears the bits of @group, or long enough. */
static void run_until_taken(unsigned group)
{
	for (unsigned i = 0; i < 100 && pending(group); i++)
		let_run(5);
}

static unsigned flags_set(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HV_EVENT_FLAGS; i++)
		n += flag_set(SINT, i);
	return n;
}

RULE_QTEST(T14_3_3_b, "a flag set by a monitor page is as one set by HvSignalEvent")
{
	uint64_t word = flags_page(0) + SINT * 256 + BASE / 64 * 8, by_page;

	listen();
	set_parameter(0, 0, CONNECTION, 7);
	set_state(1);
	set_pending(0, 1);
	check_that(!requested(VECTOR), "an interrupt before");
	run_until_taken(0);
	by_page = get64(word);
	check_that(requested(VECTOR), "no interrupt");
	put64(word, 0);
	check_status(signal_flag(CONNECTION, 7), HV_STATUS_SUCCESS);
	check_value(by_page, get64(word), "word of the flag");
}

RULE_QTEST(T14_5_a, "port and connection of a monitor page alone signal nothing")
{
	listen();
	set_state(0xf);
	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++)
		set_pending(g, 0xffffffff);
	run_until_taken(3);
	check_value(flags_set(), 0, "flags");
	check_that(!requested(VECTOR), "an interrupt");
	set_parameter(2, 9, CONNECTION, 1);
	set_pending(2, 1 << 9);
	run_until_taken(2);
	check_value(flags_set(), 1, "flags with a parameter");
}

RULE_QTEST(T14_5_b, "triggers are looked at again and again")
{
	listen();
	set_state(1);
	set_latency(0, 0, 1000);
	for (unsigned i = 0; i < 5; i++) {
		set_parameter(0, 0, CONNECTION, i);
		set_pending(0, 1);
		run_until_taken(0);
		check_that(flag_set(SINT, BASE + i), "flag %u", i);
	}
}

RULE_QTEST(T14_5_c, "a pending trigger has the effects of HvSignalEvent by the sender")
{
	listen();
	set_state(1);
	set_parameter(0, 3, CONNECTION, FLAGS - 1);
	set_pending(0, 1 << 3);
	run_until_taken(0);
	check_that(flag_set(SINT, BASE + FLAGS - 1), "the flag is not set");
	check_value(flags_set(), 1, "flags");
	check_that(requested(VECTOR), "no interrupt");
}

RULE_QTEST(T14_5_1_a, "the trigger words are memory")
{
	listen();
	put64(pending_at(1), 0x8877665544332211);
	check_value(get64(pending_at(1)), 0x8877665544332211, "both words of group 1");
	check_value(get64(RECEIVER + 16), 0x8877665544332211, "as the receiver sees them");
	put64(RECEIVER + 16, 0);
	check_value(pending(1), 0, "as the sender sees them");
}

RULE_QTEST(T14_5_2_a, "any latency will do, the hypervisor has its own bounds")
{
	static const uint16_t latencies[] = { 0, 1, 100, 0xffff };

	listen();
	set_state(1);
	set_parameter(0, 0, CONNECTION, 0);
	for (unsigned i = 0; i < sizeof latencies / sizeof latencies[0]; i++) {
		for (unsigned t = 0; t < HV_MONITOR_TRIGGERS; t++)
			set_latency(0, t, latencies[i]);
		set_parameter(0, 0, CONNECTION, i);
		set_pending(0, 1);
		run_until_taken(0);
		check_that(flag_set(SINT, BASE + i), "with latency %u", latencies[i]);
	}
}

RULE_QTEST(T14_5_3_a, "a parameter has connection and flag")
{
	listen();
	set_state(1);
	set_parameter(0, 0, CONNECTION, 100);
	set_parameter(0, 1, CONNECTION + 1, 101);
	set_pending(0, 3);
	run_until_taken(0);
	check_that(flag_set(SINT, BASE + 100), "the flag is not set");
	check_value(flags_set(), 1, "flags");
}

RULE_QTEST(T14_5_3_b, "a signal that fails is dropped silently")
{
	listen();
	set_state(1);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	set_parameter(0, 0, CONNECTION, 0);
	set_parameter(0, 1, CONNECTION, FLAGS);
	set_parameter(0, 2, MONITOR, 0);
	set_pending(0, 7);
	run_until_taken(0);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	let_run(20);
	check_value(flags_set(), 0, "flags");
	check_that(!requested(VECTOR), "an interrupt");
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		check_slot_empty(sint);
	check_value(state() & 0xf, 1, "groups that are enabled");
}

RULE_QTEST(T14_5_4_a, "a guest that is no parent makes no monitor page and takes none away")
{
	struct { uint64_t partition; uint32_t id, padding; uint64_t connector; struct hv_port_info info; } port = {
		.partition = 1, .id = PORT, .connector = 1, .info = { .type = HV_PORT_MONITOR, .monitor = test_page(10) } };
	struct { uint64_t partition; uint32_t id, padding; } names = { .partition = 1, .id = MONITOR };

	make_monitor();
	put64(test_page(10), 0x1111);
	check_that(CALL(.code = 0x57, .data = &port, .size = sizeof port).value != HV_STATUS_SUCCESS, "HvCreatePort");
	check_that(CALL(.code = 0x58, .data = &names, .size = sizeof names).value != HV_STATUS_SUCCESS, "HvDeletePort");
	check_that(CALL(.code = 0x5b, .data = &names, .size = sizeof names).value != HV_STATUS_SUCCESS, "HvDisconnectPort");
	check_value(get64(test_page(10)), 0x1111, "memory at the page that was asked for");
	put64(RECEIVER + 8, 0x2222);
	check_value(get64(SENDER + 8), 0x2222, "the page that the parent made");
}

RULE_QTEST(T14_5_4_b, "the port comes first, then the connection, each with its address")
{
	check_status_is(CONNECT_PORT(MONITOR, MONITOR, .type = HV_PORT_MONITOR, .monitor = SENDER), HV_STATUS_INVALID_PORT_ID, "too early");
	put64(RECEIVER + 8, 1);
	put64(SENDER + 8, 2);
	good(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "port");
	check_value(get64(RECEIVER + 8), 0, "the receiver's page");
	check_value(get64(SENDER + 8), 2, "what is where the sender's will be");
	good(CONNECT_PORT(MONITOR, MONITOR, .type = HV_PORT_MONITOR, .monitor = SENDER), "connection");
	check_value(get64(SENDER + 8), 0, "the sender's page");
}

RULE_QTEST(T14_5_4_c, "both addresses show one page")
{
	make_monitor();
	for (unsigned at = 8; at < 4096; at += 8)
		put64((at & 8 ? RECEIVER : SENDER) + at, at * 3);
	for (unsigned at = 8; at < 4096; at += 8) {
		check_value(get64(RECEIVER + at), at * 3, "the receiver's at %u", at);
		check_value(get64(SENDER + at), at * 3, "the sender's at %u", at);
	}
}

RULE_QTEST(T14_8_9_1_a, "each group has 32 triggers")
{
	listen();
	set_state(0xf);
	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
		for (unsigned t = 0; t < HV_MONITOR_TRIGGERS; t++)
			set_parameter(g, t, CONNECTION, g * 32 + t);
		set_pending(g, 0x80000001);
		run_until_taken(g);
		check_that(flag_set(SINT, BASE + g * 32) && flag_set(SINT, BASE + g * 32 + 31), "group %u", g);
		check_value(flags_set(), 2 * (g + 1), "flags");
	}
}

RULE_QTEST(T14_8_9_2_a, "the parameter is read when the trigger is dealt with, the connection is the sender's")
{
	listen();
	set_state(1);
	for (unsigned i = 0; i < 3; i++) {
		set_parameter(0, 5, CONNECTION, 20 + i);
		set_pending(0, 1 << 5);
		run_until_taken(0);
		check_that(flag_set(SINT, BASE + 20 + i), "flag %u", 20 + i);
	}
	set_parameter(0, 5, PORT, 30);     /* a port's number is no connection's */
	set_pending(0, 1 << 5);
	run_until_taken(0);
	check_value(flags_set(), 3, "flags");
}

RULE_QTEST(T14_8_9_2_b, "one signal that fails does not keep the others")
{
	listen();
	set_state(1);
	set_parameter(0, 0, 0xffffffff, 0);
	set_parameter(0, 1, CONNECTION, 0xffff);
	set_parameter(0, 2, CONNECTION, 2);
	set_pending(0, 7);
	run_until_taken(0);
	check_value(pending(0), 0, "triggers that are pending");
	check_that(flag_set(SINT, BASE + 2), "the flag is not set");
}

/* ---- the page ---- */

RULE_QTEST(T14_8_10_a, "a group is looked at only while it is enabled")
{
	for (unsigned enabled = 0; enabled < HV_MONITOR_GROUPS; enabled++) {
		delete_port(MONITOR);
		disconnect_port(MONITOR);
		delete_port(PORT);
		disconnect_port(CONNECTION);
		listen();
		for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
			set_parameter(g, 0, CONNECTION, g);
			set_pending(g, 1);
		}
		set_state(1u << enabled);
		run_until_taken(enabled);
		let_run(20);
		for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
			check_value(flag_set(SINT, BASE + g), g == enabled, "flag of group %u with group %u enabled", g, enabled);
			check_value(pending(g), g != enabled, "pending word of group %u", g);
		}
	}
}

RULE_QTEST(T14_8_10_b, "a group can be enabled and disabled at any time")
{
	listen();
	set_parameter(1, 0, CONNECTION, 0);
	set_pending(1, 1);
	let_run(30);
	check_value(flags_set(), 0, "flags while it is disabled");
	set_state(2);
	run_until_taken(1);
	check_value(flags_set(), 1, "flags when it is enabled");
	set_state(0);
	let_run(20);
	set_parameter(1, 0, CONNECTION, 1);
	set_pending(1, 1);
	let_run(30);
	check_value(flags_set(), 1, "flags when it is disabled again");
}

RULE_QTEST(T14_8_10_c, "with all groups disabled no trigger signals")
{
	listen();
	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++) {
		set_parameter(g, 31, CONNECTION, g);
		set_pending(g, 1u << 31);
	}
	let_run(50);
	check_value(flags_set(), 0, "flags");
}

RULE_QTEST(T14_8_10_e, "MonitorDisabled tells that nobody looks; HvSignalEvent makes the hypervisor do it")
{
	listen();
	check_value(state() & HV_MONITOR_DISABLED, HV_MONITOR_DISABLED, "MonitorDisabled while the VPs stand still");
	let_run(5);
	check_value(state() & HV_MONITOR_DISABLED, HV_MONITOR_DISABLED, "MonitorDisabled when they stand still again");
	set_state(1 | HV_MONITOR_DISABLED);
	set_parameter(0, 0, CONNECTION, 5);
	set_pending(0, 1);
	check_value(flags_set(), 0, "flags");
	check_status(signal_flag(CONNECTION, 6), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, BASE + 5), "the trigger's flag is not set");
	check_that(flag_set(SINT, BASE + 6), "the signal's own flag is not set");
}

RULE_QTEST(T14_8_10_f, "a page has 128 triggers")
{
	listen();
	set_state(0xf);
	for (unsigned n = 0; n < FLAGS; n++)
		set_parameter(n / 32, n % 32, CONNECTION, n);
	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++)
		set_pending(g, 0xffffffff);
	for (unsigned g = 0; g < HV_MONITOR_GROUPS; g++)
		run_until_taken(g);
	check_value(flags_set(), 128, "flags");
	for (unsigned n = 0; n < FLAGS; n++)
		check_that(flag_set(SINT, BASE + n), "flag of trigger %u", n);
}

RULE_QTEST(T14_8_10_g, "reserved areas may have anything")
{
	static const struct { unsigned from, to; } reserved[] = { { 0x28, 0x240 }, { 0x340, 0x440 }, { 0x840, 0x1000 } };

	listen();
	for (unsigned i = 0; i < 3; i++)
		for (unsigned at = reserved[i].from; at < reserved[i].to; at += 8)
			put64(SENDER + at, 0xa5a5a5a5a5a5a5a5);
	set_state(0xffffff01);
	set_parameter(0, 0, CONNECTION, 0);
	set_pending(0, 1);
	run_until_taken(0);
	check_value(flags_set(), 1, "flags");
	check_value(get64(SENDER + 0x40), 0xa5a5a5a5a5a5a5a5, "a reserved word");
}

/* ---- the calls ---- */

RULE_QTEST(T14_9_1_s, "a monitor port's address is that of a page")
{
	for (unsigned bit = 0; bit < 12; bit++)
		check_status_is(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER | 1u << bit), HV_STATUS_INVALID_ALIGNMENT,
				"HvCreatePort");
	make_monitor();
}

RULE_QTEST(T14_9_1_w, "beyond the number of monitor ports that there can be a port is refused, and is not there")
{
	enum { FIRST = 0x5000, MOST = 200 };
	uint16_t status = HV_STATUS_SUCCESS;
	unsigned n = 0;

	while (n < MOST && status == HV_STATUS_SUCCESS)
		status = MAKE_PORT(FIRST + n++, .type = HV_PORT_MONITOR, .monitor = SENDER);
	check_status_is(status, HV_STATUS_NO_RESOURCES, "HvCreatePort");
	check_status_is(delete_port(FIRST + n - 1), HV_STATUS_INVALID_PORT_ID, "HvDeletePort of it");
	good(delete_port(FIRST), "HvDeletePort of another");
	good(MAKE_PORT(FIRST, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "a port in its place");
}

RULE_QTEST(T14_9_1_x, "a monitor port shows the page at its address, until it is deleted")
{
	put64(RECEIVER + 8, 0x1234);
	good(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "port");
	check_value(get64(RECEIVER + 8), 0, "the page");
	put64(RECEIVER + 8, 0x5678);
	good(delete_port(MONITOR), "HvDeletePort");
	check_value(get64(RECEIVER + 8), 0x1234, "what was under it");
	good(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "port");
	check_value(get64(RECEIVER + 8), 0, "a new page");
}

RULE_QTEST(T14_9_3_n, "a monitor connection's address is that of a page")
{
	good(MAKE_PORT(MONITOR, .type = HV_PORT_MONITOR, .monitor = RECEIVER), "port");
	for (unsigned bit = 0; bit < 12; bit++)
		check_status_is(CONNECT_PORT(MONITOR, MONITOR, .type = HV_PORT_MONITOR, .monitor = SENDER | 1u << bit),
				HV_STATUS_INVALID_ALIGNMENT, "HvConnectPort");
	good(CONNECT_PORT(MONITOR, MONITOR, .type = HV_PORT_MONITOR, .monitor = SENDER), "connection");
}

RULE_QTEST(T14_9_3_t, "a monitor connection shows the port's page at its address, until it is gone")
{
	put64(SENDER + 16, 0x9999);
	make_monitor();
	put64(RECEIVER + 16, 0x4321);
	check_value(get64(SENDER + 16), 0x4321, "the page");
	good(disconnect_port(MONITOR), "HvDisconnectPort");
	check_value(get64(SENDER + 16), 0x9999, "what was under it");
	check_value(get64(RECEIVER + 16), 0x4321, "the receiver's");
}
