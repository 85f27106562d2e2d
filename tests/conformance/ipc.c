/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ipc.h"

enum { TESTDEV = 0x3000, MESSAGE_CREATE = 4, MESSAGE_DESTROY, EVENT_CREATE, EVENT_DESTROY };

static void testdev(unsigned what, unsigned connection, unsigned vp, unsigned sint)
{
	out32(TESTDEV, connection << 24 | what << 16 | vp << 8 | sint);
}

void make_messages(unsigned connection, unsigned vp, unsigned sint) { testdev(MESSAGE_CREATE, connection, vp, sint); }
void make_events(unsigned connection, unsigned vp, unsigned sint) { testdev(EVENT_CREATE, connection, vp, sint); }

/* The device ignores what does not exist. */
void destroy(unsigned connection)
{
	testdev(MESSAGE_DESTROY, connection, 0, 0);
	testdev(EVENT_DESTROY, connection, 0, 0);
}

void zero_page(uint64_t gpa)
{
	static const uint8_t zeros[4096];

	put_bytes(gpa, zeros, sizeof zeros);
}

void synic_on(unsigned vp)
{
	destroy(MESSAGES);
	destroy(OTHER_MESSAGES);
	destroy(EVENTS);
	apic_set(true);
	set_msr(HV_X64_MSR_SIMP, message_page(vp) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_SIEFP, flags_page(vp) | HV_MSR_PAGE_ENABLE);
	zero_page(message_page(vp));
	zero_page(flags_page(vp));
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	set_msr(HV_X64_MSR_SINT0 + OTHER_SINT, OTHER_VECTOR);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
}

struct reply post_typed(uint32_t connection, uint32_t type, uint32_t size, uint64_t first)
{
	struct hv_in_post_message in = { .connection_id = connection, .message_type = type, .payload_size = size };

	for (unsigned i = 0; i < 30; i++)
		in.payload[i] = first + i * 0x0123456789abcdefull;
	return CALL(.code = HV_CALL_POST_MESSAGE, .data = &in, .size = sizeof in);
}

struct reply post(uint32_t connection, uint64_t first)
{
	return post_typed(connection, 1, 16, first);
}

struct reply signal_flag(uint32_t connection, uint16_t flag)
{
	return CALL(.code = HV_CALL_SIGNAL_EVENT, .fast = true, .in = connection | (uint64_t)flag << 32);
}

static uint64_t slot_at(unsigned sint)
{
	return message_page(0) + sint * sizeof(struct hv_message);
}

struct hv_message slot(unsigned sint)
{
	struct hv_message m;

	get_bytes(slot_at(sint), &m, sizeof m);
	return m;
}

uint64_t slot_word(unsigned sint)
{
	return slot(sint).payload[0];
}

void empty_slot(unsigned sint)
{
	uint32_t none = HV_MESSAGE_NONE;

	put_bytes(slot_at(sint), &none, sizeof none);
}

void eom(void)
{
	set_msr(HV_X64_MSR_EOM, 0);
}

bool flag_set(unsigned sint, unsigned flag)
{
	uint8_t byte;

	get_bytes(flags_page(0) + sint * (HV_EVENT_FLAGS / 8) + flag / 8, &byte, 1);
	return byte >> flag % 8 & 1;
}

void check_slot_empty(unsigned sint)
{
	check_value(slot(sint).type, HV_MESSAGE_NONE, "type in the slot of SINT%u", sint);
}

void check_slot(uint64_t first)
{
	check_that(slot(SINT).type != HV_MESSAGE_NONE, "the slot is empty");
	check_value(slot_word(SINT), first, "first word of the message");
}

void check_status_is(uint16_t got, uint16_t want, const char *what)
{
	check_that(got == want, "%s: status is %s (0x%x), want %s", what, status_name(got), got, status_name(want));
}
