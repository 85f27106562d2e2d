/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports and connections that a parent makes in its children and itself (14.9.1 to 14.9.6), and what goes through them. */
#include "hv/interrupt.h"
#include "ports-of-two.h"

#define NOBODY 0x7fffffff00000000ull

static const struct hv_port_info message_port = { .type = HV_PORT_MESSAGE, .sint = SINT, .vp = HV_ANY_VP };
static const struct hv_connection_info message_connection = { .type = HV_PORT_MESSAGE };
const struct hv_port_info event_port = { .type = HV_PORT_EVENT, .sint = SINT, .vp = HV_ANY_VP, .flag_count = FLAGS };

/* ---- what rules of two partitions have in common ---- */

struct reply create_port_in(uint64_t port, uint32_t id, uint64_t connection, struct hv_port_info info)
{
	struct hv_in_create_port in = { .port_partition = port, .port_id = id, .connection_partition = connection, .info = info };

	return CALL(.code = HV_CALL_CREATE_PORT, .data = &in, .size = sizeof in);
}

struct reply connect_port_in(uint64_t connection, uint32_t id, uint64_t port, uint32_t port_id, struct hv_connection_info info)
{
	struct hv_in_connect_port in = { .connection_partition = connection, .connection_id = id, .port_partition = port,
					 .port_id = port_id, .info = info };

	return CALL(.code = HV_CALL_CONNECT_PORT, .data = &in, .size = sizeof in);
}

struct reply end_number(uint16_t code, uint64_t partition, uint32_t id)
{
	return CALL(.code = code, .fast = true, .in = partition, .out = id);
}

void good(struct reply r) { check_status(r, HV_STATUS_SUCCESS); }

void join(uint64_t port, uint64_t connection, struct hv_port_info info)
{
	good(create_port_in(port, PORT, connection, info));
	good(connect_port_in(connection, CONNECTION, port, PORT, (struct hv_connection_info){ .type = info.type }));
}

void own_pool(void) { deposit(SELF, 8); }

uint64_t in_use(uint64_t id)
{
	struct hv_out_get_memory_balance b;

	good(balance(id, &b));
	return b.pages_in_use;
}

void allow(uint64_t id, uint64_t privileges)
{
	good(set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, 0x5ff | privileges));
}

struct child caller_with(uint64_t privileges)
{
	struct child c = make_child(EXO);

	allow(c.id, privileges);
	child_may_call(&c);
	return c;
}

void child_listens(const struct child *c)
{
	child_set(c, HV_REGISTER_SIMP, CHILD_MESSAGES | 1);
	child_set(c, HV_REGISTER_SIEFP, CHILD_FLAGS | 1);
	child_set(c, HV_REGISTER_SINT0 + SINT, VECTOR);
	child_set(c, HV_REGISTER_SCONTROL, 1);
}

uint32_t child_sees(const struct child *c, uint64_t gpa, uint64_t *value)
{
	struct hv_in_read_gpa in = { .partition_id = c->id, .byte_count = sizeof *value, .base_gpa = gpa, .flags = HV_CACHE_WRITE_BACK };
	struct hv_out_read_gpa out;

	good(CALL(.code = HV_CALL_READ_GPA, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)));
	get_bytes(test_page(OUT_PAGE), &out, sizeof out);
	*value = *(const uint64_t *)(const void *)out.data;
	return (uint32_t)out.result;
}

bool child_flag(const struct child *c, unsigned flag)
{
	uint64_t word;

	check_value(child_sees(c, CHILD_FLAGS + SINT * (HV_EVENT_FLAGS / 8) + flag / 64 * 8, &word), HV_ACCESS_SUCCESS, "access to the flags");
	return word >> flag % 64 & 1;
}

/* ---- this file's own ---- */

/* Of a child whose code is in memory: the status of a call of its own. */
static uint16_t child_call(const struct child *c, uint16_t code, const void *in, unsigned size)
{
	return child_calls(c, code, 0, in, size);
}

static struct reply port_value(uint64_t partition, uint32_t id, uint32_t code)
{
	struct hv_in_port_property in = { .partition_id = partition, .port_id = id, .code = code };

	return CALL(.code = HV_CALL_GET_PORT_PROPERTY, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static struct reply set_port_value(uint64_t partition, uint32_t id, uint32_t code, uint64_t value)
{
	struct hv_in_set_port_property in = { .port = { .partition_id = partition, .port_id = id, .code = code }, .value = value };

	return CALL(.code = HV_CALL_SET_PORT_PROPERTY, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static uint16_t child_posts(const struct child *c, uint64_t first)
{
	struct hv_in_post_message in = { .connection_id = CONNECTION, .message_type = 1, .payload_size = 8, .payload = { first } };

	return child_call(c, HV_CALL_POST_MESSAGE, &in, sizeof in);
}

static uint16_t child_signals(const struct child *c, uint16_t flag)
{
	struct hv_in_signal_event in = { .connection_id = CONNECTION, .flag = flag };

	return child_call(c, HV_CALL_SIGNAL_EVENT, &in, sizeof in);
}

/* ---- all calls that act on a partition, alike ---- */

enum which { CREATE, DELETE, CONNECT, DISCONNECT, GET, SET };

/* On @id, with all else as it has to be for a port of @id, or its connection, to or from @other. */
static struct reply act(enum which which, uint64_t id, uint64_t other)
{
	switch (which) {
	case CREATE: return create_port_in(id, PORT, other, message_port);
	case DELETE: return end_number(HV_CALL_DELETE_PORT, id, PORT);
	case CONNECT: return connect_port_in(id, CONNECTION, other, PORT, message_connection);
	case DISCONNECT: return end_number(HV_CALL_DISCONNECT_PORT, id, CONNECTION);
	case GET: return port_value(id, PORT, HV_PORT_POST_COUNT);
	default: return set_port_value(id, PORT, HV_PORT_PREFERRED_VP, HV_ANY_VP);
	}
}

static void nobody(enum which which) { check_status(act(which, NOBODY, SELF), HV_STATUS_INVALID_PARTITION_ID); }

static void inactive(enum which which)
{
	uint64_t id = make_partition();

	check_status(act(which, id, SELF), HV_STATUS_INVALID_PARTITION_STATE);
	deposit(id, ACTIVE_PAGES);
	good(call_id(HV_CALL_INITIALIZE_PARTITION, id));
	good(call_id(HV_CALL_FINALIZE_PARTITION, id));
	check_status(act(which, id, SELF), HV_STATUS_INVALID_PARTITION_STATE);
}

/* The same from a child that has made no partition, on @id. */
static uint16_t child_acts(const struct child *c, enum which which, uint64_t id, uint64_t other)
{
	struct hv_in_create_port create = { .port_partition = id, .port_id = PORT, .connection_partition = other, .info = message_port };
	struct hv_in_connect_port connect = { .connection_partition = id, .connection_id = CONNECTION, .port_partition = other,
					      .port_id = PORT, .info.type = HV_PORT_MESSAGE };
	struct hv_in_port port = { id, which == DELETE ? PORT : CONNECTION, 0 };
	struct hv_in_set_port_property property = { { id, PORT, 0, which == SET, 0 }, HV_ANY_VP };

	switch (which) {
	case CREATE: return child_call(c, HV_CALL_CREATE_PORT_2009, &create, 48);
	case CONNECT: return child_call(c, HV_CALL_CONNECT_PORT_2009, &connect, 48);
	case DELETE: return child_call(c, HV_CALL_DELETE_PORT, &port, sizeof port);
	case DISCONNECT: return child_call(c, HV_CALL_DISCONNECT_PORT, &port, sizeof port);
	case GET: return child_call(c, HV_CALL_GET_PORT_PROPERTY, &property.port, sizeof property.port);
	default: return child_call(c, HV_CALL_SET_PORT_PROPERTY, &property, sizeof property);
	}
}

/* On its parent and a sibling, whatever its privileges; on itself, without. */
static void denied(enum which which)
{
	struct child c = caller_with(HV_CREATE_PORT | HV_CONNECT_PORT);
	uint64_t sibling = make_active_partition();

	check_status_is(child_acts(&c, which, own_id(), c.id), HV_STATUS_ACCESS_DENIED, "on the parent");
	check_status_is(child_acts(&c, which, sibling, c.id), HV_STATUS_ACCESS_DENIED, "on a sibling");
	allow(c.id, 0);
	check_status_is(child_acts(&c, which, SELF, own_id()), HV_STATUS_ACCESS_DENIED, "on itself without the privilege");
}

RULE_HOST(T14_9_1_e, "nobody makes ports in partitions that it did not make") { denied(CREATE); }
RULE_HOST(T14_9_1_d, "who may not create ports does not do so in itself") { denied(CREATE); }
RULE_HOST(T14_9_2_g, "nobody deletes ports of others, or its own without the privilege") { denied(DELETE); }
RULE_HOST(T14_9_3_e, "nobody connects partitions that it did not make") { denied(CONNECT); }
RULE_HOST(T14_9_3_d, "who may not connect does not connect itself") { denied(CONNECT); }
RULE_HOST(T14_9_4_c, "nobody reads properties of ports of others") { denied(GET); }
RULE_HOST(T14_9_4_d, "who may not create ports reads no properties of them") { denied(GET); }
RULE_HOST(T14_9_5_c, "nobody sets properties of ports of others") { denied(SET); }
RULE_HOST(T14_9_5_d, "who may not create ports sets no properties of them") { denied(SET); }
RULE_HOST(T14_9_6_d, "nobody disconnects others, or itself without the privilege") { denied(DISCONNECT); }

RULE_HOST(T14_9_1_f, "no port in a partition that is not there") { nobody(CREATE); }
RULE_HOST(T14_9_2_h, "no port of a partition that is not there is deleted") { nobody(DELETE); }
RULE_HOST(T14_9_3_f, "no connection of a partition that is not there") { nobody(CONNECT); }
RULE_HOST(T14_9_4_e, "a partition that is not there has no ports with properties") { nobody(GET); }
RULE_HOST(T14_9_5_e, "a partition that is not there has no ports whose properties are set") { nobody(SET); }
RULE_HOST(T14_9_6_e, "a partition that is not there is not disconnected") { nobody(DISCONNECT); }

RULE_HOST(T14_9_1_t, "no port in a partition that is not active") { inactive(CREATE); }
RULE_HOST(T14_9_2_i, "no port of a partition that is not active is deleted") { inactive(DELETE); }
RULE_HOST(T14_9_3_q, "no connection of a partition that is not active") { inactive(CONNECT); }
RULE_HOST(T14_9_4_h, "properties of ports are an active partition's") { inactive(GET); }
RULE_HOST(T14_9_5_h, "properties of ports are set in an active partition") { inactive(SET); }
RULE_HOST(T14_9_6_g, "no partition that is not active is disconnected") { inactive(DISCONNECT); }

/* ---- the other partition of a call ---- */

RULE_HOST(T14_9_1_g, "no port for a partition that is not there")
{
	uint64_t id = make_active_partition();

	check_status(create_port_in(id, PORT, NOBODY, message_port), HV_STATUS_INVALID_PARTITION_ID);
	good(create_port_in(id, PORT, SELF, message_port));
}

RULE_HOST(T14_9_1_h, "no port for its own partition")
{
	uint64_t id = make_active_partition();

	own_pool();
	check_status(create_port_in(id, PORT, id, message_port), HV_STATUS_INVALID_PARTITION_ID);
	check_status(create_port_in(SELF, PORT, own_id(), message_port), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T14_9_1_u, "no port for a partition that is not active")
{
	uint64_t id = make_partition();

	own_pool();
	check_status(create_port_in(SELF, PORT, id, message_port), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T14_9_3_g, "no connection to a partition that is not there")
{
	uint64_t id = make_active_partition();

	check_status(connect_port_in(id, CONNECTION, NOBODY, PORT, message_connection), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T14_9_3_p, "no connection to a partition that is not active")
{
	uint64_t id = make_active_partition(), other = make_partition();

	check_status(connect_port_in(id, CONNECTION, other, PORT, message_connection), HV_STATUS_INVALID_PARTITION_STATE);
}

static void only_for_one(void)
{
	uint64_t a = make_active_partition(), b = make_active_partition();

	own_pool();
	good(create_port_in(SELF, PORT, a, message_port));
	check_status(connect_port_in(b, CONNECTION, SELF, PORT, message_connection), HV_STATUS_INVALID_PORT_ID);
	good(connect_port_in(a, CONNECTION, SELF, PORT, message_connection));
	good(end_number(HV_CALL_DISCONNECT_PORT, a, CONNECTION));
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
}

RULE_HOST(T14_9_3_h, "another partition than the one named by the port does not connect") { only_for_one(); }
RULE_HOST(T14_9_1_z, "the partition named by the port connects") { only_for_one(); }

/* ---- what works ---- */

RULE_HOST(T14_9_1_b, "a parent makes a port in its child")
{
	uint64_t id = make_active_partition();

	good(create_port_in(id, PORT, SELF, message_port));
	good(port_value(id, PORT, HV_PORT_POST_COUNT));
	check_status(create_port_in(id, PORT, SELF, message_port), HV_STATUS_INVALID_PORT_ID);
	good(end_number(HV_CALL_DELETE_PORT, id, PORT));
	check_status(port_value(id, PORT, HV_PORT_POST_COUNT), HV_STATUS_INVALID_PORT_ID);
}

RULE_HOST(T14_9_1_c, "who may create ports does so in itself")
{
	struct child c = caller_with(HV_CREATE_PORT | HV_CONNECT_PORT);

	check_status_is(child_acts(&c, CREATE, SELF, own_id()), HV_STATUS_SUCCESS, "HvCreatePort");
	check_status_is(child_acts(&c, CREATE, SELF, own_id()), HV_STATUS_INVALID_PORT_ID, "once more");
	check_status_is(child_acts(&c, SET, SELF, 0), HV_STATUS_SUCCESS, "HvSetPortProperty");
	check_status_is(child_acts(&c, DELETE, SELF, 0), HV_STATUS_SUCCESS, "HvDeletePort");
}

RULE_HOST(T14_9_3_c, "who may connect connects itself")
{
	struct child c = caller_with(HV_CONNECT_PORT);

	own_pool();
	good(create_port_in(SELF, PORT, c.id, message_port));
	check_status_is(child_acts(&c, CONNECT, SELF, own_id()), HV_STATUS_SUCCESS, "HvConnectPort");
	check_status_is(child_acts(&c, DISCONNECT, SELF, 0), HV_STATUS_SUCCESS, "HvDisconnectPort");
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
}

RULE_HOST(T14_9_3_b, "a parent connects its child, which then sends it messages and events")
{
	struct child c = caller_with(HV_POST_MESSAGES | HV_SIGNAL_EVENTS);

	own_pool();
	check_status_is(child_posts(&c, 1), HV_STATUS_INVALID_CONNECTION_ID, "without connection");
	join(SELF, c.id, message_port);
	check_status_is(child_posts(&c, 0x1234), HV_STATUS_SUCCESS, "HvPostMessage");
	check_slot(0x1234);
	check_value(slot(SINT).sender, PORT, "sender");
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
	check_status_is(child_posts(&c, 1), HV_STATUS_INVALID_PORT_ID, "to a port that is gone");
	good(end_number(HV_CALL_DISCONNECT_PORT, c.id, CONNECTION));
	join(SELF, c.id, event_port);
	check_status_is(child_signals(&c, 3), HV_STATUS_SUCCESS, "HvSignalEvent");
	check_that(flag_set(SINT, 3), "flag 3 is not set");
	check_status_is(child_signals(&c, FLAGS), HV_STATUS_INVALID_PARAMETER, "a flag that is not the port's");
	good(end_number(HV_CALL_DISCONNECT_PORT, c.id, CONNECTION));
	check_status_is(child_signals(&c, 3), HV_STATUS_INVALID_CONNECTION_ID, "disconnected");
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
}

RULE_HOST(T14_8_7_a, "messages of a sibling, sent by the connection that the parent makes, are counted")
{
	struct child a = caller_with(HV_POST_MESSAGES), b = make_child(EXO);

	child_listens(&b);
	join(b.id, a.id, message_port);
	for (unsigned i = 0; i < 3; i++)
		check_status_is(child_posts(&a, i), HV_STATUS_SUCCESS, "HvPostMessage");
	good(port_value(b.id, PORT, HV_PORT_POST_COUNT));
	check_value(get64(test_page(OUT_PAGE)), 3, "messages");
}

/* ---- doorbells, of later revisions ---- */

enum { BELL = 0x20000, RING = 12 /* test page */ };

/* Number @n of those that ring the caller at SINT. */
static struct reply make_bell(uint64_t connection, uint32_t n)
{
	return create_port_in(SELF, PORT + n, connection, (struct hv_port_info){ .type = HV_PORT_DOORBELL, .sint = SINT, .vp = 0 });
}

static struct reply connect_bell(uint64_t connection, uint32_t n, uint64_t at, uint64_t value, uint64_t flags)
{
	struct hv_in_connect_port in = { .connection_partition = connection, .connection_id = PORT + n, .port_partition = SELF,
					 .port_id = PORT + n, .info = { .type = HV_PORT_DOORBELL, .monitor = at }, .doorbell = { value, flags } };

	return CALL(.code = HV_CALL_CONNECT_PORT, .data = &in, .size = sizeof in);
}

/* The child writes @value, of 4 bytes; the message that comes of it. */
static struct hv_message write_bell(const struct child *c, uint32_t value)
{
	return RUN_AS_IS(c, 0xc7, 0x05, BYTES_32(BELL), BYTES_32(value), OUT(0x80));
}

static uint64_t ring_at(unsigned at) { return test_page(RING) + SINT * sizeof(struct hv_event_ring) + at; }

static void ring_on(void)
{
	set_msr(HV_X64_MSR_SIRBP, test_page(RING) | HV_MSR_PAGE_ENABLE);
	zero_page(test_page(RING));
}

/* How often number @n is in the ring, which is emptied. */
static unsigned rung(uint32_t n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < HV_RING_PLACES; i++) {
		uint64_t at = ring_at(offsetof(struct hv_event_ring, port) + i * 4);
		uint32_t port, zero = 0;

		get_bytes(at, &port, sizeof port);
		count += port == PORT + n;
		if (port == PORT + n)
			put_bytes(at, &zero, sizeof zero);
	}
	return count;
}

/* REP STOSD of @n times @value from the first bell on; the message. */
static struct hv_message string_to_bells(const struct child *c, uint32_t value, uint32_t n)
{
	/* mov eax, value; mov ecx, n; mov edi, bell; rep stosd; out 0x80, al */
	return RUN_AS_IS(c, 0xb8, BYTES_32(value), 0xb9, BYTES_32(n), 0xbf, BYTES_32(BELL), 0xf3, 0xab, OUT(0x80));
}

RULE_HOST(T14_4_a, "a child's write rings through the doorbell that is connected, and is told otherwise")
{
	struct child c = make_child(EXO);
	struct hv_message m;
	uint8_t on = 1, full;

	own_pool();
	child_protected(&c);
	ring_on();
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_AS_INTERCEPT | VECTOR);
	good(make_bell(c.id, 0));
	m = write_bell(&c, 0x11);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	good(connect_bell(c.id, 0, BELL, 0x11, 3));
	m = write_bell(&c, 0x12);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	m = write_bell(&c, 0x11);
	check_value(m.type, (uint32_t)HV_MESSAGE_EVENT_RING_SIGNALED, "type");
	check_value((uint32_t)m.payload[0], SINT, "SINT");
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(rung(0), 1, "rings of the port");
	/* Masked: no message.  Behind the last place the ring is full, until it is told to be empty. */
	put_bytes(ring_at(0), &on, 1);
	for (unsigned i = 0; i < HV_RING_PLACES + 1; i++) {
		m = write_bell(&c, 0x11);
		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	}
	get_bytes(ring_at(1), &full, 1);
	check_value(full, 1, "the ring is full");
	check_value(rung(0), HV_RING_PLACES, "rings in a full ring");
	good(call_id(HV_CALL_NOTIFY_PORT_RING_EMPTY, SINT));
	check_value(rung(0), 1, "what found no place");
	good(end_number(HV_CALL_DISCONNECT_PORT, c.id, PORT));
	m = write_bell(&c, 0x11);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
	set_msr(HV_X64_MSR_SIRBP, 0);
}

RULE_HOST(T14_4_f, "each doorbell rings its own port, several at one address and in a string of stores too")
{
	static const struct { uint64_t at, value, flags; } bells[] = {
		{ BELL, 0x11, 3 }, { BELL, 0x12, 3 }, { BELL, 0x11, 2 }, { BELL + 4, 0, HV_DOORBELL_ANY_VALUE },
	};
	enum { BELLS = sizeof bells / sizeof bells[0] };
	struct child c = make_child(EXO);
	struct hv_message m;
	uint8_t on = 1;

	own_pool();
	child_protected(&c);
	ring_on();
	put_bytes(ring_at(0), &on, 1);
	for (unsigned i = 0; i < BELLS; i++) {
		good(make_bell(c.id, i));
		good(connect_bell(c.id, i, bells[i].at, bells[i].value, bells[i].flags));
	}
	m = write_bell(&c, 0x12);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(rung(1), 1, "the second's rings");
	m = string_to_bells(&c, 0x11, 2);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(rung(0), 1, "the first's rings");
	check_value(rung(3), 1, "the last's rings");
	/* INS looks at its memory first; no reason to stop: mov edi, the last bell; mov edx, 0x80; insd. */
	m = RUN_AS_IS(&c, 0xbf, BYTES_32(BELL + 4), 0xba, BYTES_32(0x80), 0x6d);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	/* What no bell wants is told, and has not happened. */
	m = string_to_bells(&c, 0x13, 2);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(child_register(&c, HV_REGISTER_RCX), 2, "stores that are left");
	m = string_to_bells(&c, 0x11, 3);
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(child_register(&c, HV_REGISTER_RCX), 1, "stores that are left");
	check_value(rung(0) + rung(3), 2, "rings of those before");
	for (unsigned i = 0; i < BELLS; i++) {
		good(end_number(HV_CALL_DISCONNECT_PORT, c.id, PORT + i));
		m = write_bell(&c, 0x12);
		check_type(&m, i ? HV_MESSAGE_UNMAPPED_GPA : HV_MESSAGE_IO_INTERCEPT);
		check_value(rung(1), !i, "the second's rings without number %u", i);
		good(end_number(HV_CALL_DELETE_PORT, SELF, PORT + i));
	}
	set_msr(HV_X64_MSR_SIRBP, 0);
}

RULE_HOST(T14_9_5_b, "HvSetPortProperty gives the property's value")
{
	struct child c = make_child(EXO);
	struct reply r;

	good(create_port_in(c.id, PORT, SELF, message_port));
	put64(test_page(OUT_PAGE), 0x5a5a);
	r = set_port_value(c.id, PORT, HV_PORT_PREFERRED_VP, 0);
	good(r);
	check_value(get64(test_page(OUT_PAGE)), 0, "value");
}

RULE_HOST(T14_9_6_c, "HvDisconnectPort in registers")
{
	uint64_t id = make_active_partition();

	own_pool();
	join(SELF, id, message_port);
	good(end_number(HV_CALL_DISCONNECT_PORT, id, CONNECTION));
	check_status(end_number(HV_CALL_DISCONNECT_PORT, id, CONNECTION), HV_STATUS_INVALID_CONNECTION_ID);
	good(end_number(HV_CALL_DELETE_PORT, SELF, PORT));
}

/* ---- to a VP without a port, of later revisions ---- */

static struct reply signal_direct(uint64_t id, uint32_t vp, uint8_t vtl, uint8_t sint, uint16_t flag)
{
	struct hv_in_signal_event_direct in = { .partition_id = id, .vp_index = vp, .vtl = vtl, .sint = sint, .flag = flag };

	put64(test_page(OUT_PAGE), UINT64_MAX);
	return CALL(.code = HV_CALL_SIGNAL_EVENT_DIRECT, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static void signals_direct(const struct child *c, uint16_t flag, bool newly)
{
	good(signal_direct(c->id, 0, 0, SINT, flag));
	check_value(get64(test_page(OUT_PAGE)), newly, "newly signalled, of flag %u", flag);
	check_that(child_flag(c, flag), "flag %u is not set", flag);
}

/* @first: of the payload. */
static struct reply post_direct(uint64_t id, uint32_t vp, uint8_t vtl, uint8_t sint, uint32_t type, uint8_t size, uint64_t first)
{
	struct hv_message m = { .type = type, .payload_size = size, .sender = 0x5e4d, .payload = { first } };
	struct hv_in_post_message_direct in = { .partition_id = id, .vp_index = vp, .vtl = vtl, .sint = sint };

	for (unsigned i = 0; i < sizeof m; i++)
		in.message[i] = ((const uint8_t *)&m)[i];
	return CALL(.code = HV_CALL_POST_MESSAGE_DIRECT, .data = &in, .size = sizeof in);
}

static void check_child_slot(const struct child *c, unsigned sint, unsigned word, uint64_t want)
{
	uint64_t got;

	check_value(child_sees(c, CHILD_MESSAGES + sint * sizeof(struct hv_message) + word * 8, &got), HV_ACCESS_SUCCESS, "access to the slot");
	check_value(got, want, "word %u of the slot of SINT%u", word, sint);
}

RULE_HOST(T14_3_1_f, "a parent signals a VP of its child, and hears whether the flag was clear; only then there is an interrupt")
{
	struct child c = make_child(EXO);

	check_status(signal_direct(c.id, 0, 0, SINT, 0), HV_STATUS_INVALID_SYNIC_STATE);
	child_apic_set(&c, 0, CHILD_APIC_SVR, 0x1ff);
	child_listens(&c);
	signals_direct(&c, 7, true);
	check_that(child_waits(&c, 0, VECTOR), "no interrupt");
	signals_direct(&c, 7, false);
	signals_direct(&c, HV_EVENT_FLAGS - 1, true);
	check_status(signal_direct(c.id, 0, 0, SINT, HV_EVENT_FLAGS), HV_STATUS_INVALID_PARAMETER);
	check_status(signal_direct(c.id, 0, 0, HV_SINT_COUNT, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(signal_direct(c.id, 0, 1, SINT, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(signal_direct(c.id, 1, 0, SINT, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(signal_direct(SELF, 0, 0, SINT, 0), HV_STATUS_ACCESS_DENIED);
	child_set(&c, HV_REGISTER_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	check_status(signal_direct(c.id, 0, 0, SINT, 1), HV_STATUS_INVALID_SYNIC_STATE);
	check_that(!child_flag(&c, 1), "the flag of a masked SINT is set");
}

RULE_HOST(T14_2_4_k, "a parent's message to a VP of its child is in the empty slot when the call is over, or nowhere")
{
	struct child c = make_child(EXO);

	check_status(post_direct(c.id, 0, 0, SINT, 1, 8, 0), HV_STATUS_INVALID_SYNIC_STATE);
	child_apic_set(&c, 0, CHILD_APIC_SVR, 0x1ff);
	child_listens(&c);
	good(post_direct(c.id, 0, 0, SINT, 0x80000010, 8, 0x1234));
	check_child_slot(&c, SINT, 0, 0x880000010);
	check_child_slot(&c, SINT, 1, 0x5e4d);
	check_child_slot(&c, SINT, 2, 0x1234);
	check_that(child_waits(&c, 0, VECTOR), "no interrupt");
	check_status(post_direct(c.id, 0, 0, SINT, 1, 8, 0x5678), HV_STATUS_OBJECT_IN_USE);
	check_child_slot(&c, SINT, 2, 0x1234);
	good(post_direct(c.id, 0, 0, HV_SINT_COUNT - 1, 1, 240, 0x9abc));
	check_child_slot(&c, HV_SINT_COUNT - 1, 2, 0x9abc);
	/* The child takes it out of its slot: mov dword [type], 0; out 0x80, al. */
	child_protected(&c);
	RUN_AS_IS(&c, 0xc7, 0x05, BYTES_32(CHILD_MESSAGES + SINT * 256), BYTES_32(0), OUT(0x80));
	good(post_direct(c.id, 0, 0, SINT, 1, 8, 0x5678));
	check_child_slot(&c, SINT, 2, 0x5678);
	check_status(post_direct(c.id, 0, 0, SINT, HV_MESSAGE_NONE, 8, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(post_direct(c.id, 0, 0, SINT, 1, 241, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(post_direct(c.id, 0, 0, HV_SINT_COUNT, 1, 8, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(post_direct(c.id, 0, 1, SINT, 1, 8, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(post_direct(c.id, 1, 0, SINT, 1, 8, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(post_direct(SELF, 0, 0, SINT, 1, 8, 0), HV_STATUS_ACCESS_DENIED);
}

/* ---- VPs and partitions that end ---- */

/* Of a child's VP 1, which then goes. */
static void to_lost_vp(struct hv_port_info info)
{
	struct child c = make_child(EXO);
	struct hv_in_port vp = { .partition_id = c.id, .id = 1 };

	make_vp(c.id, 1);
	own_pool();
	info.vp = 1;
	join(c.id, SELF, info);
	good(CALL(.code = HV_CALL_DELETE_VP, .data = &vp, .size = sizeof vp));
	check_status(info.type == HV_PORT_EVENT ? signal_flag(CONNECTION, 0) : post(CONNECTION, 1), HV_STATUS_INVALID_VP_INDEX);
	good(end_number(HV_CALL_DISCONNECT_PORT, SELF, CONNECTION));
}

RULE_HOST(T14_9_7_m, "no message for a VP that has been deleted") { to_lost_vp(message_port); }
RULE_HOST(T14_9_8_i, "no event for a VP that has been deleted") { to_lost_vp(event_port); }

static void to_ended(struct hv_port_info info)
{
	struct child c = make_child(EXO);

	child_listens(&c);
	own_pool();
	join(c.id, SELF, info);
	good(info.type == HV_PORT_EVENT ? signal_flag(CONNECTION, 0) : post(CONNECTION, 1));
	good(call_id(HV_CALL_FINALIZE_PARTITION, c.id));
	check_status(info.type == HV_PORT_EVENT ? signal_flag(CONNECTION, 0) : post(CONNECTION, 1), HV_STATUS_INVALID_PORT_ID);
	good(end_number(HV_CALL_DISCONNECT_PORT, SELF, CONNECTION));
}

RULE_HOST(T14_9_7_q, "no message for a partition that has been finalized") { to_ended(message_port); }
RULE_HOST(T14_9_8_f, "no event for a partition that has been finalized") { to_ended(event_port); }

/* ---- pools ---- */

enum { MANY = 4096 };

/* Ports of a child until its pool is empty; then none. */
static void fill_with_ports(void)
{
	uint64_t id = make_active_partition(), before = in_use(id), after;
	unsigned n = 0;

	while (n < MANY && hv_result_status(create_port_in(id, n + 1, SELF, message_port).value) == HV_STATUS_SUCCESS)
		n++;
	check_status(create_port_in(id, MANY + 1, SELF, message_port), HV_STATUS_INSUFFICIENT_MEMORY);
	check_status(port_value(id, MANY + 1, HV_PORT_POST_COUNT), HV_STATUS_INVALID_PORT_ID);
	after = in_use(id);
	check_that((after - before + 1) * 4096 >= n * 16 * sizeof(struct hv_message), "%u ports cost less than their buffers", n);
	check_that(n > 10, "%u ports in %u pages", n, ACTIVE_PAGES);
	for (unsigned i = 0; i < n; i++)
		good(end_number(HV_CALL_DELETE_PORT, id, i + 1));
	check_value(in_use(id), before, "pages in use without ports");
}

RULE_HOST(T14_9_1_v, "no port without memory for it") { fill_with_ports(); }
RULE_HOST(T14_9_2_j, "what a port has cost comes back") { fill_with_ports(); }
RULE_HOST(T14_2_1_b, "buffers are the port's partition's") { fill_with_ports(); }
RULE_HOST(T14_2_1_c, "buffers of a port that is deleted come back") { fill_with_ports(); }
RULE_HOST(T14_4_b, "the receiver pays for the port") { fill_with_ports(); }

/* Connections of a child until its pool is empty: the ports are a sibling's. */
static void fill_with_connections(void)
{
	uint64_t from = make_partition(), to = make_active_partition(), before;
	struct hv_out_get_memory_balance b;
	unsigned n = 0;

	deposit(from, ACTIVE_PAGES);
	deposit(to, 256);
	good(call_id(HV_CALL_INITIALIZE_PARTITION, from));
	/* One free page is left to it. */
	good(balance(from, &b));
	if (b.pages_available > 1)
		withdraw(from, (unsigned)b.pages_available - 1);
	before = in_use(from);
	for (; n < 256; n++) {
		good(create_port_in(to, n + 1, from, message_port));
		if (hv_result_status(connect_port_in(from, n + 1, to, n + 1, message_connection).value) != HV_STATUS_SUCCESS)
			break;
	}
	check_that(n > 0 && n < 256, "%u connections in a page", n);
	check_status(connect_port_in(from, n + 1, to, n + 1, message_connection), HV_STATUS_INSUFFICIENT_MEMORY);
	check_status(end_number(HV_CALL_DISCONNECT_PORT, from, n + 1), HV_STATUS_INVALID_CONNECTION_ID);
	for (unsigned i = 0; i < n; i++)
		good(end_number(HV_CALL_DISCONNECT_PORT, from, i + 1));
	check_value(in_use(from), before, "pages in use without connections");
}

RULE_HOST(T14_9_3_r, "no connection without memory for it") { fill_with_connections(); }
RULE_HOST(T14_4_c, "the sender pays for the connection") { fill_with_connections(); }

RULE_HOST(T5_4_1_e, "a finalized partition gets no messages, events and interrupts: who sends some is told so")
{
	struct child c = make_child(EXO);
	struct hv_in_assert_virtual_interrupt in = { .partition_id = c.id, .type = HV_INTERRUPT_FIXED, .vector = VECTOR };

	to_ended(message_port);
	to_ended(event_port);
	good(CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in));
	good(call_id(HV_CALL_FINALIZE_PARTITION, c.id));
	check_status(CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARTITION_STATE);
}
