/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitored notifications of two partitions (14.5, 14.8.9.2, 14.8.10); those of one are in qtest/monitors.c. */
#include "ports-of-two.h"

enum { MONITOR = 0x301, BY = 0x402, VIEW_PAGE = 9 /* test page */, CHILD_VIEW = 0x30000, A_LONG_WHILE = 2000 /* slices */ };
/* In the page. */
enum { STATE = 0, GROUP_0 = 8, GROUP_1 = 16, PARAMETERS = 0x440 };
/* Where the caller sees the page. */
#define VIEW test_page(VIEW_PAGE)
#define WORD 0x1122334455667788ull

static struct hv_port_info monitor_port(uint64_t at) { return (struct hv_port_info){ .type = HV_PORT_MONITOR, .monitor = at }; }
static struct hv_connection_info monitor_by(uint64_t at) { return (struct hv_connection_info){ .type = HV_PORT_MONITOR, .monitor = at }; }

/* Of @receiver, who sees the page at @at, and @sender, who sees it at @from. */
static void make_monitor(uint64_t receiver, uint64_t at, uint64_t sender, uint64_t from)
{
	good(create_port_in(receiver, MONITOR, sender, monitor_port(at)));
	good(connect_port_in(sender, BY, receiver, MONITOR, monitor_by(from)));
}

static void delete_monitor(uint64_t receiver) { good(end_number(HV_CALL_DELETE_PORT, receiver, MONITOR)); }
static void disconnect_monitor(uint64_t sender) { good(end_number(HV_CALL_DISCONNECT_PORT, sender, BY)); }

/* ---- the page, as the caller and as its child see it ---- */

static void put32(uint64_t at, uint32_t v) { put_bytes(VIEW + at, &v, sizeof v); }

static uint32_t word32(uint64_t at)
{
	uint32_t v;

	get_bytes(VIEW + at, &v, sizeof v);
	return v;
}

/* Of group 0. */
static uint64_t parameter_at(unsigned trigger) { return PARAMETERS + 8 * trigger; }

static void set_parameter(unsigned trigger, uint32_t connection, uint16_t flag)
{
	put32(parameter_at(trigger), connection);
	put32(parameter_at(trigger) + 4, flag);
}

/* In the child's own code. */
static void child_pokes(const struct child *c, uint64_t at, uint32_t v)
{
	/* mov dword [at], v; out 0x80, al */
	struct hv_message m = RUN_AS_IS(c, 0xc7, 0x05, BYTES_32(CHILD_VIEW + at), BYTES_32(v), OUT(0x80));

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

/* Marks triggers of group 0, and goes on until they have been taken. */
static void child_triggers(const struct child *c, uint32_t triggers)
{
	struct hv_message m = RUN_AS_IS(c, 0xc7, 0x05, BYTES_32(CHILD_VIEW + STATE), BYTES_32(1),   /* mov dword [state], 1 */
					0xc7, 0x05, BYTES_32(CHILD_VIEW + GROUP_0), BYTES_32(triggers),   /* mov dword [group], triggers */
					0x83, 0x3d, BYTES_32(CHILD_VIEW + GROUP_0), 0x00,   /* 1: cmp dword [group], 0 */
					0x75, 0xf7, OUT(0x80));   /* jnz 1; out 0x80, al */

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

static void await_taken(void)
{
	for (unsigned i = 0; i < A_LONG_WHILE && word32(GROUP_0); i++)
		child_wait();
	check_value(word32(GROUP_0), 0, "triggers that are pending");
}

static void check_child_sees(const struct child *c, uint64_t want)
{
	uint64_t word;

	check_value(child_sees(c, CHILD_VIEW + GROUP_1, &word), HV_ACCESS_SUCCESS, "access to the page");
	check_value(word, want, "word of the page");
}

static void check_child_sees_nothing(const struct child *c)
{
	uint64_t word;

	check_value(child_sees(c, CHILD_VIEW + GROUP_1, &word), HV_ACCESS_UNMAPPED, "access to the page that was there");
}

/* The caller's own, which no end of a child takes along. */
static void end_own(void)
{
	end_number(HV_CALL_DELETE_PORT, SELF, PORT);
	end_number(HV_CALL_DELETE_PORT, SELF, MONITOR);
	end_number(HV_CALL_DISCONNECT_PORT, SELF, CONNECTION);
	end_number(HV_CALL_DISCONNECT_PORT, SELF, BY);
}

/* ---- signals ---- */

/* A child that signals the caller, by a page and by CONNECTION. */
static struct child make_sender(void)
{
	struct child c = caller_with(HV_SIGNAL_EVENTS);

	own_pool();
	join(SELF, c.id, event_port);
	make_monitor(SELF, VIEW, c.id, CHILD_VIEW);
	return c;
}

RULE_PARENT(T14_5_c, "a trigger of a child's signals as the child would: if it may, by its own connection")
{
	struct child c = make_sender();

	set_parameter(3, CONNECTION, 5);
	child_triggers(&c, 1 << 3);
	check_that(flag_set(SINT, 5), "the flag is not set");
	check_that(requested(VECTOR), "no interrupt");
	allow(c.id, 0);
	set_parameter(3, CONNECTION, 6);
	child_triggers(&c, 1 << 3);
	check_that(!flag_set(SINT, 6), "a child that may not signal has done it");
	end_own();
}

RULE_PARENT(T14_5_b, "triggers of a parent's reach its child, again and again")
{
	struct child c = make_child(EXO);

	child_listens(&c);
	own_pool();
	join(c.id, SELF, event_port);
	make_monitor(c.id, CHILD_VIEW, SELF, VIEW);
	for (unsigned i = 0; i < FLAGS; i++) {
		set_parameter(i, CONNECTION, (uint16_t)i);
		put32(STATE, 1);
		put32(GROUP_0, 1u << i);
		await_taken();
		check_that(child_flag(&c, i), "flag %u is not set", i);
	}
	end_own();
}

RULE_HOST(T14_5_3_a, "a sibling's triggers signal its sibling")
{
	struct child a = caller_with(HV_SIGNAL_EVENTS), b = make_child(EXO);

	child_listens(&b);
	join(b.id, a.id, event_port);
	make_monitor(b.id, CHILD_VIEW, a.id, CHILD_VIEW);
	child_pokes(&a, parameter_at(1), CONNECTION);
	child_pokes(&a, parameter_at(1) + 4, 7);
	child_triggers(&a, 1 << 1);
	check_that(child_flag(&b, 7), "the flag is not set");
	check_that(!child_flag(&b, 1), "another flag is set");
}

RULE_HOST(T14_8_9_2_a, "the connection of a trigger is the sender's, not the receiver's of the same number")
{
	struct child c = caller_with(HV_SIGNAL_EVENTS);

	child_listens(&c);
	own_pool();
	join(SELF, c.id, event_port);
	join(c.id, SELF, event_port);
	make_monitor(SELF, VIEW, c.id, CHILD_VIEW);
	set_parameter(0, CONNECTION, 2);
	child_triggers(&c, 1);
	check_that(flag_set(SINT, 2), "the receiver's flag is not set");
	check_that(!child_flag(&c, 2), "the sender's flag is set");
	end_own();
}

RULE_HOST(T14_5_3_b, "a trigger that leads nowhere is dropped, and the others are not")
{
	struct child c = make_sender();

	set_parameter(0, BY, 0);
	set_parameter(1, CONNECTION, FLAGS);
	set_parameter(2, 0xffffffff, 0);
	set_parameter(3, CONNECTION, 1);
	child_triggers(&c, 0xf);
	for (unsigned i = 0; i < FLAGS; i++)
		check_value(flag_set(SINT, i), i == 1, "flag %u", i);
	end_own();
}

/* ---- who looks ---- */

static void await_state(uint32_t bit, bool set, const char *when)
{
	for (unsigned i = 0; i < A_LONG_WHILE && !(word32(STATE) & bit) == set; i++)
		child_wait();
	check_value(!(word32(STATE) & bit), !set, "%s: MonitorDisabled", when);
}

/* HvSignalEvent in registers by VP 1, which stands. */
static void vp_1_signals(const struct child *c, uint16_t flag)
{
	/* mov eax, code and fast; xor edx, edx; mov ebx, flag; mov ecx, connection; vmcall; out 0x80, al */
	const uint8_t code[] = { 0xb8, BYTES_32(HV_CALL_SIGNAL_EVENT | 1 << 16), 0x31, 0xd2, 0xbb, BYTES_32(flag), 0xb9, BYTES_32(CONNECTION),
				 0x0f, 0x01, 0xc1, OUT(0x80) };
	struct hv_message m;

	child_put(c, CHILD_CODE, code, sizeof code);
	child_protected_at(c, 1, CHILD_CODE);
	child_go(c, 1);
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

static void pend(uint16_t flag)
{
	set_parameter(0, CONNECTION, flag);
	put32(GROUP_0, 1);
}

static void while_vp_0_stands(const struct child *c)
{
	struct hv_message m;

	check_value(word32(STATE), HV_MONITOR_DISABLED, "state before the child runs");
	/* mov eax, [state]; out 0x80, al */
	m = RUN_AS_IS(c, 0xa1, BYTES_32(CHILD_VIEW + STATE), OUT(0x80));
	check_value(MESSAGE_AS(hv_io_message, &m)->rax & HV_MONITOR_DISABLED, 0, "MonitorDisabled while the child runs");
	await_state(HV_MONITOR_DISABLED, true, "VP 0 stands in an intercept");
	put32(STATE, 1 | HV_MONITOR_DISABLED);
	pend(0);
	vp_1_signals(c, 1);
	check_that(flag_set(SINT, 0) && flag_set(SINT, 1), "flags of the trigger and of the call");
}

static void while_it_is_frozen(const struct child *c)
{
	const uint8_t spin[] = { 0xeb, 0xfe };

	child_put(c, CHILD_CODE, spin, sizeof spin);
	child_set(c, HV_REGISTER_RIP, CHILD_CODE);
	must_set_property(c->id, HV_PROPERTY_TIME_FREEZE, 1);
	child_go(c, 0);
	await_state(HV_MONITOR_DISABLED, true, "the child is frozen");
	pend(2);
	for (unsigned i = 0; i < 3; i++)
		child_wait();
	check_that(!flag_set(SINT, 2), "a frozen child has signalled");
	must_set_property(c->id, HV_PROPERTY_TIME_FREEZE, 0);
	/* The trigger is taken before the flag is set. */
	for (unsigned i = 0; i < A_LONG_WHILE && !flag_set(SINT, 2); i++)
		child_wait();
	check_that(flag_set(SINT, 2), "nobody looks when the child goes on");
}

static void without_vp_0(const struct child *c)
{
	struct hv_in_port vp = { .partition_id = c->id };

	good(CALL(.code = HV_CALL_DELETE_VP, .data = &vp, .size = sizeof vp));
	check_value(word32(STATE), 1 | HV_MONITOR_DISABLED, "state");
	pend(3);
	vp_1_signals(c, 4);
	check_that(flag_set(SINT, 3) && flag_set(SINT, 4), "flags of the trigger and of the call");
	check_value(word32(GROUP_0), 0, "triggers that are pending");
}

RULE_HOST(T14_8_10_e, "MonitorDisabled tells when nobody looks for a child; its HvSignalEvent then looks")
{
	struct child c = make_sender();

	child_vp(&c, 1);
	while_vp_0_stands(&c);
	while_it_is_frozen(&c);
	without_vp_0(&c);
	end_own();
}

/* ---- the page ---- */

RULE_HOST(T14_5_4_c, "two partitions see one page, each where it likes")
{
	struct child a = caller_with(0), b = make_child(EXO);

	make_monitor(b.id, CHILD_VIEW, a.id, CHILD_VIEW + 0x5000);
	for (unsigned at = GROUP_1; at < 0x1000; at += 0x3f8) {
		uint64_t word;
		/* mov dword [at], at; out 0x80, al */
		struct hv_message m = RUN_AS_IS(&a, 0xc7, 0x05, BYTES_32(CHILD_VIEW + 0x5000 + at), BYTES_32(at), OUT(0x80));

		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		check_value(child_sees(&b, CHILD_VIEW + at, &word), HV_ACCESS_SUCCESS, "the receiver's access");
		check_value((uint32_t)word, at, "what the receiver sees at %u", at);
	}
	check_child_sees_nothing(&a);
}

RULE_PARENT(T14_5_4_b, "the port is made first, then the connection, by the calls of 2009 as well")
{
	struct child c = caller_with(0);
	struct hv_in_create_port port = { .port_partition = SELF, .port_id = MONITOR, .connection_partition = c.id, .info = monitor_port(VIEW) };
	struct hv_in_connect_port connection = { .connection_partition = c.id, .connection_id = BY, .port_partition = SELF, .port_id = MONITOR,
						 .info = monitor_by(CHILD_VIEW) };
	struct call connect = { .code = HV_CALL_CONNECT_PORT_2009, .data = &connection, .size = offsetof(struct hv_in_connect_port, doorbell) };

	own_pool();
	check_status(call_run(&connect), HV_STATUS_INVALID_PORT_ID);
	put64(VIEW + GROUP_1, WORD);
	good(CALL(.code = HV_CALL_CREATE_PORT_2009, .data = &port, .size = offsetof(struct hv_in_create_port, domain)));
	check_value(get64(VIEW + GROUP_1), 0, "the new page");
	check_child_sees_nothing(&c);
	put64(VIEW + GROUP_1, WORD + 1);
	good(call_run(&connect));
	check_child_sees(&c, WORD + 1);
	delete_monitor(SELF);
	check_value(get64(VIEW + GROUP_1), WORD, "what was under it");
}

RULE_HOST(T14_5_4_a, "a child without the privilege makes no monitor port in itself and deletes none")
{
	struct child c = caller_with(0);
	struct hv_in_create_port port = { .port_partition = SELF, .port_id = MONITOR, .connection_partition = own_id(),
					  .info = monitor_port(CHILD_VIEW) };
	struct hv_in_port names = { .partition_id = SELF, .id = MONITOR };

	check_status_is(child_calls(&c, HV_CALL_CREATE_PORT, 0, &port, sizeof port), HV_STATUS_ACCESS_DENIED, "HvCreatePort");
	check_child_sees_nothing(&c);
	good(create_port_in(c.id, MONITOR, SELF, monitor_port(CHILD_VIEW)));
	check_status_is(child_calls(&c, HV_CALL_DELETE_PORT, 0, &names, sizeof names), HV_STATUS_ACCESS_DENIED, "HvDeletePort");
	check_child_sees(&c, 0);
	delete_monitor(c.id);
	allow(c.id, HV_CREATE_PORT);
	check_status_is(child_calls(&c, HV_CALL_CREATE_PORT, 0, &port, sizeof port), HV_STATUS_SUCCESS, "HvCreatePort with the privilege");
	check_child_sees(&c, 0);
	check_status_is(child_calls(&c, HV_CALL_DELETE_PORT, 0, &names, sizeof names), HV_STATUS_SUCCESS, "HvDeletePort with the privilege");
	check_child_sees_nothing(&c);
}

/* ---- ends, in any order ---- */

/* A sender and a receiver with a page between them, and what their pools had lent before. */
struct pair {
	struct child sender, receiver;
	uint64_t sender_used, receiver_used;
};

static struct pair make_pair(void)
{
	struct pair p = { .sender = caller_with(0), .receiver = make_child(EXO) };

	p.sender_used = in_use(p.sender.id);
	p.receiver_used = in_use(p.receiver.id);
	make_monitor(p.receiver.id, CHILD_VIEW, p.sender.id, CHILD_VIEW);
	child_pokes(&p.sender, GROUP_1, 0x55);
	check_child_sees(&p.sender, 0x55);
	check_child_sees(&p.receiver, 0x55);
	check_that(in_use(p.receiver.id) > p.receiver_used, "the page costs the receiver nothing");
	return p;
}

RULE_HOST(T14_9_1_x, "a monitor page is where its port says, and for both gone with the port")
{
	struct pair p = make_pair();

	delete_monitor(p.receiver.id);
	check_child_sees_nothing(&p.receiver);
	check_child_sees_nothing(&p.sender);
	check_value(in_use(p.receiver.id), p.receiver_used, "pages that the receiver's pool has lent");
	disconnect_monitor(p.sender.id);
	check_value(in_use(p.sender.id), p.sender_used, "pages that the sender's pool has lent");
	/* Beyond the GPA space it is where nobody sees it (O33). */
	make_monitor(p.receiver.id, BEYOND_GPA_SPACE, p.sender.id, CHILD_VIEW);
	check_child_sees(&p.sender, 0);
	delete_monitor(p.receiver.id);
}

RULE_PARENT(T14_9_3_t, "the sender sees the page while it is connected; a new connection shows it again")
{
	struct pair p = make_pair();

	disconnect_monitor(p.sender.id);
	check_child_sees_nothing(&p.sender);
	check_child_sees(&p.receiver, 0x55);
	check_value(in_use(p.sender.id), p.sender_used, "pages that the sender's pool has lent");
	good(connect_port_in(p.sender.id, BY + 1, p.receiver.id, MONITOR, monitor_by(CHILD_VIEW)));
	check_child_sees(&p.sender, 0x55);
	check_status(connect_port_in(p.sender.id, BY, p.receiver.id, MONITOR, monitor_by(CHILD_VIEW)), HV_STATUS_INVALID_PORT_ID);
	delete_monitor(p.receiver.id);
	check_child_sees_nothing(&p.sender);
}

RULE_HOST(T14_9_6_h, "a monitor connection whose port is gone is disconnected, and its number is free")
{
	struct pair p = make_pair();

	delete_monitor(p.receiver.id);
	check_status(connect_port_in(p.sender.id, BY, p.receiver.id, MONITOR, monitor_by(CHILD_VIEW)), HV_STATUS_INVALID_PORT_ID);
	disconnect_monitor(p.sender.id);
	check_status(end_number(HV_CALL_DISCONNECT_PORT, p.sender.id, BY), HV_STATUS_INVALID_CONNECTION_ID);
	make_monitor(p.receiver.id, CHILD_VIEW, p.sender.id, CHILD_VIEW);
	check_child_sees(&p.sender, 0);
}

RULE_HOST(T5_4_1_b, "the end of the receiver takes the page from its sender")
{
	struct pair p = make_pair();

	good(call_id(HV_CALL_FINALIZE_PARTITION, p.receiver.id));
	check_child_sees_nothing(&p.sender);
	check_value(in_use(p.receiver.id), 0, "pages that the receiver's pool has lent");
	disconnect_monitor(p.sender.id);
	check_value(in_use(p.sender.id), p.sender_used, "pages that the sender's pool has lent");
}

RULE_HOST(T5_6_3_b, "the end of the sender leaves the page to its receiver")
{
	struct pair p = make_pair();

	good(call_id(HV_CALL_FINALIZE_PARTITION, p.sender.id));
	check_child_sees(&p.receiver, 0x55);
	check_value(in_use(p.sender.id), 0, "pages that the sender's pool has lent");
	delete_monitor(p.receiver.id);
	check_value(in_use(p.receiver.id), p.receiver_used, "pages that the receiver's pool has lent");
}

RULE_HOST_QTEST(T14_9_2_d, "behind a reset of its receiver a monitor port is unknown, and its page gone")
{
	struct child c = make_sender();

	delete_monitor(SELF);
	put64(VIEW + GROUP_1, WORD);
	good(create_port_in(SELF, MONITOR, c.id, monitor_port(VIEW)));
	check_value(get64(VIEW + GROUP_1), 0, "the page");
	reset_machine();
	check_value(get64(VIEW + GROUP_1), WORD, "what was under it");
	check_status(end_number(HV_CALL_DELETE_PORT, SELF, MONITOR), HV_STATUS_INVALID_PORT_ID);
	check_value(in_use(SELF), 0, "pages that the pool has lent");
}

/* ---- what is refused ---- */

RULE_HOST(T14_9_1_r, "reserved words of a monitor port must be 0")
{
	uint64_t id = make_active_partition();
	struct hv_port_info info[2] = { monitor_port(VIEW), monitor_port(VIEW) };

	info[0].reserved = 1;
	info[1].other_reserved = 1ull << 32;
	for (unsigned i = 0; i < 2; i++)
		check_status(create_port_in(id, MONITOR, SELF, info[i]), HV_STATUS_INVALID_PARAMETER);
	good(create_port_in(id, MONITOR, SELF, monitor_port(VIEW)));
}

RULE_HOST(T14_9_1_s, "a monitor port's address is that of a page")
{
	uint64_t id = make_active_partition();

	for (unsigned bit = 0; bit < 12; bit++)
		check_status(create_port_in(id, MONITOR, SELF, monitor_port(CHILD_VIEW | 1u << bit)), HV_STATUS_INVALID_ALIGNMENT);
	good(create_port_in(id, MONITOR, SELF, monitor_port(CHILD_VIEW)));
}

RULE_HOST(T14_9_3_n, "a monitor connection's address is that of a page")
{
	uint64_t id = make_active_partition(), other = make_active_partition();

	good(create_port_in(id, MONITOR, other, monitor_port(CHILD_VIEW)));
	for (unsigned bit = 0; bit < 12; bit++)
		check_status(connect_port_in(other, BY, id, MONITOR, monitor_by(CHILD_VIEW | 1u << bit)), HV_STATUS_INVALID_ALIGNMENT);
	good(connect_port_in(other, BY, id, MONITOR, monitor_by(CHILD_VIEW)));
}

RULE_HOST(T14_8_6_c, "a monitor connection leads to a monitor port only, and nothing is posted or signalled through it")
{
	uint64_t id = make_active_partition();

	own_pool();
	good(create_port_in(id, PORT, SELF, event_port));
	check_status(connect_port_in(SELF, BY, id, PORT, monitor_by(VIEW)), HV_STATUS_INVALID_PARAMETER);
	make_monitor(id, CHILD_VIEW, SELF, VIEW);
	check_status(post(BY, 1), HV_STATUS_INVALID_PORT_ID);
	check_status(signal_flag(BY, 0), HV_STATUS_INVALID_PORT_ID);
	end_own();
}

/* ---- limits ---- */

enum { MANY = 200 };

RULE_HOST(T14_9_1_v, "no monitor port without a page for it")
{
	uint64_t id = make_active_partition(), before = in_use(id);
	unsigned n = 0;

	while (n < MANY && hv_result_status(create_port_in(id, n + 1, SELF, monitor_port(CHILD_VIEW)).value) == HV_STATUS_SUCCESS)
		n++;
	check_status(create_port_in(id, MANY + 1, SELF, monitor_port(CHILD_VIEW)), HV_STATUS_INSUFFICIENT_MEMORY);
	check_that(n > 2 && in_use(id) - before >= n, "%u pages for %u ports", (unsigned)(in_use(id) - before), n);
	for (unsigned i = 0; i < n; i++)
		good(end_number(HV_CALL_DELETE_PORT, id, i + 1));
	check_value(in_use(id), before, "pages in use without ports");
	/* With the page that was missing it works. */
	deposit(id, 2);
	good(create_port_in(id, 1, SELF, monitor_port(CHILD_VIEW)));
}

/* As many as there can be, in @id for the caller, from number @from on; how many. */
static unsigned fill(uint64_t id, unsigned from)
{
	unsigned n = 0;

	deposit(id, MANY);
	while (n < MANY && hv_result_status(create_port_in(id, from + n, SELF, monitor_port(CHILD_VIEW)).value) == HV_STATUS_SUCCESS)
		n++;
	return n;
}

RULE_HOST(T14_9_1_w, "beyond the number of monitor ports that there can be a port is refused, and is not there")
{
	uint64_t id = make_active_partition();
	unsigned n = fill(id, 1);

	check_that(n && n < MANY, "%u ports", n);
	check_status(create_port_in(id, n + 1, SELF, monitor_port(CHILD_VIEW)), HV_STATUS_NO_RESOURCES);
	check_status(end_number(HV_CALL_DELETE_PORT, id, n + 1), HV_STATUS_INVALID_PORT_ID);
	good(end_number(HV_CALL_DELETE_PORT, id, 1));
	good(create_port_in(id, n + 1, SELF, monitor_port(CHILD_VIEW)));
}

RULE_HOST(T14_9_3_s, "beyond the number of monitor pages that one can send by a connection is refused, and is not there")
{
	uint64_t id = make_active_partition(), other = make_active_partition();
	unsigned ports, n = 0;
	struct reply r;

	own_pool();
	ports = fill(id, 1);
	good(create_port_in(other, 1, SELF, monitor_port(CHILD_VIEW)));
	do {
		n++;
		r = n <= ports ? connect_port_in(SELF, n, id, n, monitor_by(VIEW)) : connect_port_in(SELF, n, other, 1, monitor_by(VIEW));
	} while (hv_result_status(r.value) == HV_STATUS_SUCCESS && n <= ports);
	check_status(r, HV_STATUS_NO_RESOURCES);
	check_that(n > 1, "not one connection");
	check_status(end_number(HV_CALL_DISCONNECT_PORT, SELF, n), HV_STATUS_INVALID_CONNECTION_ID);
	good(end_number(HV_CALL_DISCONNECT_PORT, SELF, 1));
	good(connect_port_in(SELF, 1, id, 1, monitor_by(VIEW)));
	for (unsigned i = 1; i < n; i++)
		good(end_number(HV_CALL_DISCONNECT_PORT, SELF, i));
}

/* ---- appendix J ---- */

/* The counter of the hypervisor's page at @page, once pages have been filled anew often enough for it to become @want. */
static void check_counted(uint64_t page, uint64_t want, const char *when)
{
	for (unsigned i = 0; i < A_LONG_WHILE && get64(page + 8 * HV_STATS_HV_MONITORED) != want; i++)
		child_wait();
	check_value(get64(page + 8 * HV_STATS_HV_MONITORED), want, "monitored notifications %s", when);
}

RULE_ROOT(T21_3_1_g, "the hypervisor's page follows the monitored notifications that there are")
{
	uint64_t id = make_active_partition(), other = make_active_partition(), page, before;
	struct reply r;

	own_pool();
	r = map_stats(HV_STATS_HYPERVISOR, (struct hv_stats_identity){ .area = HV_STATS_AREA_SELF });
	good(r);
	page = out64(r) * 0x1000;
	before = get64(page + 8 * HV_STATS_HV_MONITORED);
	good(create_port_in(id, MONITOR, other, monitor_port(CHILD_VIEW)));
	good(connect_port_in(other, BY, id, MONITOR, monitor_by(CHILD_VIEW)));
	check_counted(page, before + 1, "with port and connection");
	disconnect_monitor(other);
	check_counted(page, before, "disconnected");
	good(connect_port_in(other, BY, id, MONITOR, monitor_by(CHILD_VIEW)));
	check_counted(page, before + 1, "connected again");
	good(call_id(HV_CALL_FINALIZE_PARTITION, id));
	check_counted(page, before, "whose receiver has ended");
	good(unmap_stats(HV_STATS_HYPERVISOR, (struct hv_stats_identity){ .area = HV_STATS_AREA_SELF }));
}
