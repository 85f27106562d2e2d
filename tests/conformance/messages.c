/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages: queues, slots, HvPostMessage (14.2, 14.6.6, 14.8.2 to 14.8.4, 14.9.7). */
#include "ipc.h"

/* VP 0 listens; MESSAGES leads to its SINT. */
static void listen(void)
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
}

static void must_post(uint32_t connection, uint64_t first)
{
	check_status(post(connection, first), HV_STATUS_SUCCESS);
}

/* The guest takes what is in the slot and asks for the next. */
static void next(void)
{
	empty_slot(SINT);
	eom();
}

RULE(T14_1_a, "a message that is delivered and a flag that becomes set raise the interrupt of their SINT")
{
	listen();
	make_events(EVENTS, 0, OTHER_SINT);
	check_that(!requested(VECTOR) && !requested(OTHER_VECTOR), "an interrupt before");
	must_post(MESSAGES, 1);
	check_that(requested(VECTOR), "none for the message");
	check_that(!requested(OTHER_VECTOR), "one for the other SINT");
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
	check_that(requested(OTHER_VECTOR), "none for the flag");
}

/* ---- queues ---- */

RULE(T14_2_2_a, "each SINT has a queue of its own")
{
	synic_on(0);
	for (unsigned sint = 1; sint < HV_SINT_COUNT; sint++) {
		destroy(0x40 + sint);
		make_messages(0x40 + sint, 0, sint);
		must_post(0x40 + sint, 100 + sint);
		must_post(0x40 + sint, 200 + sint);
	}
	for (unsigned sint = 1; sint < HV_SINT_COUNT; sint++)
		check_value(slot_word(sint), 100 + sint, "slot of SINT%u", sint);
	for (unsigned sint = 1; sint < HV_SINT_COUNT; sint++) {
		empty_slot(sint);
		eom();
		check_value(slot_word(sint), 200 + sint, "second message of SINT%u", sint);
		check_slot_empty(0);
		destroy(0x40 + sint);
	}
}

RULE(T14_2_3_a, "success of a post means queued: the slot may be busy")
{
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	check_slot(1);
	next();
	check_slot(2);
}

/* What waits stays while @msr's Enable is 0; the page is seen in between. */
static void check_stops(uint32_t msr)
{
	uint64_t on;

	listen();
	on = msr_of(msr);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	empty_slot(SINT);
	set_msr(msr, on & ~1ull);
	eom();
	check_status(post(MESSAGES, 3), HV_STATUS_INVALID_SYNIC_STATE);
	check_slot_empty(SINT);
	set_msr(msr, on);
	check_slot(2);
	next();
	check_slot_empty(SINT);
}

RULE_QTEST(T14_2_3_b, "clearing SCONTROL.Enable stops delivery, what waits is not lost")
{
	check_stops(HV_X64_MSR_SCONTROL);
}

RULE_QTEST(T14_2_3_c, "clearing SIMP.Enable stops delivery, what waits is not lost")
{
	check_stops(HV_X64_MSR_SIMP);
	/* The page itself, seen with delivery stopped otherwise. */
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	empty_slot(SINT);
	set_msr(HV_X64_MSR_SIMP, message_page(0));
	eom();
	set_msr(HV_X64_MSR_SCONTROL, 0);
	set_msr(HV_X64_MSR_SIMP, message_page(0) | HV_MSR_PAGE_ENABLE);
	check_slot_empty(SINT);
}

RULE(T14_2_3_f, "messages arrive in the order of their posts")
{
	listen();
	for (unsigned i = 0; i < 10; i++)
		must_post(MESSAGES, i);
	for (unsigned i = 0; i < 10; i++) {
		check_slot(i);
		next();
	}
	check_slot_empty(SINT);
}

/* ---- what arrives ---- */

RULE(T14_2_4_b, "the header has type, size and sender")
{
	struct hv_message m;

	listen();
	check_status(post_typed(MESSAGES, 0x12345678, 24, 5), HV_STATUS_SUCCESS);
	m = slot(SINT);
	check_value(m.type, 0x12345678, "type");
	check_value(m.payload_size, 24, "size of the payload");
	check_value(m.sender, MESSAGES, "sender");
	check_value(m.flags, 0, "flags");
	check_value(m.reserved, 0, "reserved bytes");
}

RULE(T14_2_4_c, "the payload arrives as it was")
{
	struct hv_message m;

	listen();
	check_status(post_typed(MESSAGES, 1, HV_MESSAGE_PAYLOAD, 0xfedcba9876543210), HV_STATUS_SUCCESS);
	m = slot(SINT);
	for (unsigned i = 0; i < 30; i++)
		check_value(m.payload[i], 0xfedcba9876543210 + i * 0x0123456789abcdefull, "word %u", i);
}

RULE(T14_2_4_f, "a guest's message goes to the SINT of its port")
{
	listen();
	make_messages(OTHER_MESSAGES, 0, OTHER_SINT);
	must_post(OTHER_MESSAGES, 77);
	check_slot_empty(SINT);
	check_value(slot_word(OTHER_SINT), 77, "slot of the other SINT");
}

RULE(T14_2_4_i, "if the VP cannot take a message nothing is queued and the caller is told")
{
	listen();
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_SYNIC_STATE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	eom();
	check_slot_empty(SINT);
}

RULE(T14_2_4_j, "a slot is empty exactly if its type is 0")
{
	static const uint8_t types[][8] = { { 0, 0, 0, 1 }, { 1 }, { 0, 0x80 } };
	static const uint8_t rest[8] = { 0, 0, 0, 0, 240, 0xff, 0xff, 0xff };

	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++) {
		listen();
		put_bytes(message_page(0) + SINT * 256, types[i], 8);
		must_post(MESSAGES, 3);
		check_that(slot_word(SINT) != 3, "type in byte %u: it is overwritten", i);
	}
	listen();
	put_bytes(message_page(0) + SINT * 256, rest, 8);
	must_post(MESSAGES, 4);
	check_slot(4);
}

RULE(T14_2_4_k, "a message that finds its slot empty is there and no longer queued when the call is over")
{
	listen();
	must_post(MESSAGES, 9);
	check_slot(9);
	next();
	check_slot_empty(SINT);
}

RULE(T14_2_4_l, "of the slot only header and payload are written")
{
	listen();
	put64(message_page(0) + SINT * 256 + 16 + 16, 0x5555);
	put64(message_page(0) + SINT * 256 + 248, 0x6666);
	must_post(MESSAGES, 1);
	check_value(slot(SINT).payload[2], 0x5555, "third word");
	check_value(slot(SINT).payload[29], 0x6666, "last word");
}

RULE(T14_2_4_m, "each copy into a slot requests the interrupt")
{
	listen();
	make_messages(OTHER_MESSAGES, 0, OTHER_SINT);
	must_post(MESSAGES, 1);
	check_that(requested(VECTOR), "SINT");
	must_post(OTHER_MESSAGES, 1);
	check_that(requested(OTHER_VECTOR), "the other");
}

RULE(T14_2_4_n, "a masked SINT gets its message and loses the interrupt")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	must_post(MESSAGES, 1);
	check_slot(1);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	check_that(!requested(VECTOR), "it comes when it is unmasked");
}

RULE(T14_2_4_o, "with the local APIC off the message is there and the interrupt is lost")
{
	listen();
	apic_set(false);
	must_post(MESSAGES, 1);
	check_slot(1);
	apic_set(true);
	check_that(!requested(VECTOR), "it comes when the APIC is on");
}

RULE(T14_2_4_p, "with the page off what was queued waits, without an interrupt")
{
	uint64_t on;

	listen();
	on = msr_of(HV_X64_MSR_SIMP);
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_MASKED);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	set_msr(HV_X64_MSR_SIMP, on & ~1ull);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	eom();
	check_that(!requested(VECTOR), "an interrupt");
	set_msr(HV_X64_MSR_SIMP, on);
	check_slot(1);
	next();
	check_slot(2);
	check_that(requested(VECTOR), "no interrupt when it arrives");
}

RULE(T14_2_4_q, "with the slot busy the message waits, without an interrupt")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_MASKED);
	must_post(MESSAGES, 1);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	must_post(MESSAGES, 2);
	check_slot(1);
	check_that(!requested(VECTOR), "an interrupt");
}

RULE(T14_2_4_s, "of several messages the first has the slot")
{
	listen();
	for (unsigned i = 0; i < 4; i++)
		must_post(MESSAGES, 50 + i);
	check_slot(50);
	eom();
	check_slot(50);
}

RULE_QTEST(T14_2_4_t, "queuing another message looks at the queue")
{
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	empty_slot(SINT);
	check_slot_empty(SINT);
	must_post(MESSAGES, 3);
	check_slot(2);
}

RULE_QTEST(T14_2_4_v, "a write of EOM looks at the queue")
{
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	empty_slot(SINT);
	check_slot_empty(SINT);
	eom();
	check_slot(2);
}

RULE_QTEST(T14_2_4_x, "a message whose slot was busy is tried again without the guest's doing")
{
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	empty_slot(SINT);
	for (unsigned i = 0; i < 100 && !slot(SINT).type; i++)
		let_run(10);
	check_slot(2);
	check_that(requested(VECTOR), "no interrupt");
}

/* ---- registers ---- */

RULE(T14_6_1_c, "with SCONTROL.Enable 0 no message is queued")
{
	listen();
	must_post(MESSAGES, 1);
	set_msr(HV_X64_MSR_SCONTROL, ~1ull);
	check_status(post(MESSAGES, 2), HV_STATUS_INVALID_SYNIC_STATE);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	next();
	check_slot_empty(SINT);
}

RULE(T14_6_6_a, "a write of EOM tries to deliver, whatever is written")
{
	static const uint64_t values[] = { 0, 1, ~0ull };

	for (unsigned i = 0; i < 3; i++) {
		listen();
		must_post(MESSAGES, 1);
		must_post(MESSAGES, 2);
		empty_slot(SINT);
		set_msr(HV_X64_MSR_EOM, values[i]);
		check_slot(2);
	}
}

RULE(T14_6_6_b, "EOM delivers if page and slot let it")
{
	uint64_t on;

	listen();
	on = msr_of(HV_X64_MSR_SIMP);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	eom();
	check_slot(1);
	set_msr(HV_X64_MSR_SIMP, on & ~1ull);
	eom();
	set_msr(HV_X64_MSR_SIMP, on);
	check_slot(1);
	next();
	check_slot(2);
}

RULE(T14_6_6_c, "a message that EOM has delivered is no longer queued and frees its buffer")
{
	listen();
	for (unsigned i = 0; i <= HV_PORT_BUFFERS; i++)
		must_post(MESSAGES, i);
	check_status(post(MESSAGES, 99), HV_STATUS_INSUFFICIENT_BUFFERS);
	next();
	check_slot(1);
	must_post(MESSAGES, 17);
	check_status(post(MESSAGES, 99), HV_STATUS_INSUFFICIENT_BUFFERS);
	for (unsigned i = 1; i <= 17; i++, next())
		check_slot(i);
	check_slot_empty(SINT);
}

RULE(T14_6_6_d, "delivery by EOM requests the interrupt if the SINT is not masked")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_MASKED);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	check_that(!requested(VECTOR), "an interrupt before");
	next();
	check_that(requested(VECTOR), "none behind");
}

RULE(T14_6_6_e, "the queue of a masked SINT is drained by emptying the slot and EOM")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED);
	for (unsigned i = 0; i < 5; i++)
		must_post(MESSAGES, i);
	for (unsigned i = 0; i < 5; i++, next())
		check_slot(i);
	check_slot_empty(SINT);
	check_that(!requested(VECTOR), "an interrupt");
}

RULE(T14_6_5_d, "a masked SINT raises no interrupt")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_MASKED | HV_SINT_AUTO_EOI);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	next();
	check_slot(2);
	check_that(!requested(VECTOR), "an interrupt");
}

/* ---- types, flags, format ---- */

RULE(T14_8_2_a, "a guest cannot post what only the hypervisor sends")
{
	static const uint32_t types[] = { 0x80000000, 0x80000010, 0x80010001, 0xffffffff };

	listen();
	for (unsigned i = 0; i < sizeof types / sizeof types[0]; i++)
		check_status(post_typed(MESSAGES, types[i], 8, 0), HV_STATUS_INVALID_PARAMETER);
	check_slot_empty(SINT);
}

RULE(T14_8_2_b, "a message of type 0 does not arrive")
{
	listen();
	check_status(post_typed(MESSAGES, HV_MESSAGE_NONE, 8, 1), HV_STATUS_INVALID_PARAMETER);
	must_post(MESSAGES, 2);
	check_slot(2);
	check_that(slot(SINT).type != HV_MESSAGE_NONE, "type 0");
}

RULE(T14_8_3_a, "MessagePending tells that more messages wait")
{
	listen();
	must_post(MESSAGES, 1);
	check_value(slot(SINT).flags, 0, "flags of the only one");
	must_post(MESSAGES, 2);
	must_post(MESSAGES, 3);
	next();
	check_slot(2);
	check_value(slot(SINT).flags, HV_MESSAGE_FLAG_PENDING, "flags with one behind");
	next();
	check_slot(3);
	check_value(slot(SINT).flags, 0, "flags of the last");
}

RULE(T14_8_3_b, "MessagePending is written into the busy slot")
{
	listen();
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	check_slot(1);
	check_value(slot(SINT).flags, HV_MESSAGE_FLAG_PENDING, "flags");
}

RULE(T14_8_3_c, "emptying the slot, then EOM if the flag is set, gives the next message")
{
	unsigned got = 0;

	listen();
	for (unsigned i = 0; i < 6; i++)
		must_post(MESSAGES, i);
	for (; got < 20 && slot(SINT).type; got++) {
		check_slot(got);
		empty_slot(SINT);
		if (!(slot(SINT).flags & HV_MESSAGE_FLAG_PENDING))
			break;
		eom();
	}
	check_value(got, 5, "messages with the flag");
	check_slot_empty(SINT);
}

RULE(T14_8_3_d, "the other message flags are 0")
{
	uint8_t flags = 0xff;

	listen();
	put_bytes(message_page(0) + SINT * 256 + 5, &flags, 1);
	must_post(MESSAGES, 1);
	must_post(MESSAGES, 2);
	check_value(slot(SINT).flags & ~HV_MESSAGE_FLAG_PENDING, 0, "flags");
	next();
	check_value(slot(SINT).flags, 0, "flags of the next");
}

RULE(T14_8_4_a, "a slot has 256 bytes, 16 of header, 240 of payload")
{
	uint8_t fill[512];

	listen();
	make_messages(OTHER_MESSAGES, 0, OTHER_SINT);
	check_status(post_typed(MESSAGES, 1, HV_MESSAGE_PAYLOAD, 1), HV_STATUS_SUCCESS);
	check_status(post_typed(OTHER_MESSAGES, 2, HV_MESSAGE_PAYLOAD, 2), HV_STATUS_SUCCESS);
	get_bytes(message_page(0) + 256 * SINT, fill, sizeof fill);
	check_value(fill[0], 1, "type of the first");
	check_value(fill[16], 1, "first byte of its payload");
	check_value(fill[256], 2, "type of the second");
	check_value(fill[272], 2, "first byte of its payload");
	check_value(get64(message_page(0) + 256 * SINT + 248), 1 + 29 * 0x0123456789abcdefull, "last word of the first");
	check_value(get64(message_page(0) + 256 * SINT - 8), 0, "word before");
	check_value(get64(message_page(0) + 256 * (OTHER_SINT + 1)), 0, "word behind");
}

RULE(T14_8_4_b, "a message has the number of its port as sender")
{
	listen();
	make_messages(OTHER_MESSAGES, 0, SINT);
	must_post(OTHER_MESSAGES, 1);
	check_value(slot(SINT).sender, OTHER_MESSAGES, "sender");
	empty_slot(SINT);
	must_post(MESSAGES, 2);
	check_value(slot(SINT).sender, MESSAGES, "sender");
}

RULE(T14_8_4_e, "no message has more than 240 bytes of payload")
{
	listen();
	check_status(post_typed(MESSAGES, 1, 241, 1), HV_STATUS_INVALID_PARAMETER);
	check_status(post_typed(MESSAGES, 1, 0x100f0, 1), HV_STATUS_INVALID_PARAMETER);
	check_slot_empty(SINT);
	check_status(post_typed(MESSAGES, 1, 240, 1), HV_STATUS_SUCCESS);
	check_value(slot(SINT).payload_size, 240, "size of the payload");
}

/* ---- HvPostMessage ---- */

RULE(T14_9_7_a, "a post that succeeds takes a buffer and delivers")
{
	listen();
	must_post(MESSAGES, 1);
	check_slot(1);
	/* One is in the slot, so sixteen more. */
	for (unsigned i = 0; i < HV_PORT_BUFFERS; i++)
		must_post(MESSAGES, 2);
	check_status(post(MESSAGES, 2), HV_STATUS_INSUFFICIENT_BUFFERS);
}

RULE(T14_9_7_b, "the receiver gets the payload's bytes and no more")
{
	listen();
	put64(message_page(0) + SINT * 256 + 24, 0x7777777777777777);
	check_status(post_typed(MESSAGES, 1, 3, 0x8877665544332211), HV_STATUS_SUCCESS);
	check_value(slot(SINT).payload_size, 3, "size of the payload");
	check_value(slot_word(SINT), 0x332211, "first word");
	check_value(slot(SINT).payload[1], 0x7777777777777777, "second word");
	empty_slot(SINT);
	check_status(post_typed(MESSAGES, 1, 0, 5), HV_STATUS_SUCCESS);
	check_value(slot(SINT).payload_size, 0, "size of an empty one");
}

RULE(T14_9_7_c, "the header has the caller's type and the port's number")
{
	listen();
	check_status(post_typed(MESSAGES, 0x7654321, 8, 1), HV_STATUS_SUCCESS);
	check_value(slot(SINT).type, 0x7654321, "type");
	check_value(slot(SINT).sender, MESSAGES, "sender");
}

RULE(T14_9_7_h, "a type with bit 31 is an invalid parameter")
{
	listen();
	check_status(post_typed(MESSAGES, 0x80000001, 8, 1), HV_STATUS_INVALID_PARAMETER);
}

RULE(T14_9_7_i, "type 0 is an invalid parameter")
{
	listen();
	check_status(post_typed(MESSAGES, 0, 8, 1), HV_STATUS_INVALID_PARAMETER);
}

RULE(T14_9_7_j, "types from 1 to 0x7fffffff are taken")
{
	listen();
	for (unsigned bit = 0; bit < 31; bit++) {
		check_status(post_typed(MESSAGES, 1u << bit, 8, 1), HV_STATUS_SUCCESS);
		check_value(slot(SINT).type, 1u << bit, "type");
		next();
	}
	check_status(post_typed(MESSAGES, 0x7fffffff, 8, 1), HV_STATUS_SUCCESS);
}

RULE(T14_9_7_k, "240 bytes of payload are taken, 241 are an invalid parameter")
{
	static const uint32_t sizes[] = { 241, 256, 4096, 0x80000000, 0xffffffff };

	listen();
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		check_status(post_typed(MESSAGES, 1, sizes[i], 1), HV_STATUS_INVALID_PARAMETER);
	check_status(post_typed(MESSAGES, 1, 240, 1), HV_STATUS_SUCCESS);
}

RULE(T14_9_7_l, "with all 16 buffers queued a post fails until one is delivered")
{
	listen();
	for (unsigned i = 0; i <= HV_PORT_BUFFERS; i++)
		must_post(MESSAGES, i);
	check_status(post(MESSAGES, 1), HV_STATUS_INSUFFICIENT_BUFFERS);
	check_status(post(MESSAGES, 1), HV_STATUS_INSUFFICIENT_BUFFERS);
	next();
	must_post(MESSAGES, 1);
}

RULE(T14_9_7_n, "a post to a VP whose SynIC is off fails")
{
	listen();
	set_msr(HV_X64_MSR_SCONTROL, 0);
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE(T14_9_7_o, "a post to a VP whose message page is off fails")
{
	listen();
	set_msr(HV_X64_MSR_SIMP, message_page(0));
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_SYNIC_STATE);
}

RULE(T14_9_7_r, "a masked SINT does not make a post fail")
{
	listen();
	set_msr(HV_X64_MSR_SINT0 + SINT, HV_SINT_RESET);
	must_post(MESSAGES, 1);
	check_slot(1);
}

RULE(T14_4_a, "a message needs a connection that is bound to a port")
{
	synic_on(0);
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_CONNECTION_ID);
	make_messages(MESSAGES, 0, SINT);
	must_post(MESSAGES, 1);
	destroy(MESSAGES);
	check_status(post(MESSAGES, 1), HV_STATUS_INVALID_CONNECTION_ID);
	check_status(signal_flag(EVENTS, 0), HV_STATUS_INVALID_CONNECTION_ID);
}
