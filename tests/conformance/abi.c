/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layouts and numbers as bytes (2.4, 2.5, appendix C): nothing here is read through the hypervisor's own structures. */
#include "ipc.h"

static uint8_t byte(uint64_t gpa)
{
	uint8_t b;

	get_bytes(gpa, &b, 1);
	return b;
}

/* @n bytes at @gpa, the first one lowest. */
static uint64_t bytes(uint64_t gpa, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | byte(gpa + n);
	return v;
}

/* A message of type 0x12345678 with 8 bytes in VP 0's slot of SINT; where the slot is. */
static uint64_t a_message(void)
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
	check_status(post_typed(MESSAGES, 0x12345678, 8, 0x1122334455667788), HV_STATUS_SUCCESS);
	return message_page(0) + SINT * 256;
}

RULE(T2_4_a, "the type of a message, an enum, has 4 bytes")
{
	uint64_t at = a_message();

	check_value(bytes(at, 4), 0x12345678, "type");
	check_value(byte(at + 4), 8, "size of the payload, the next field");
}

RULE(T2_4_b, "each field of a message is where its size lets it be")
{
	uint64_t at = a_message();

	check_value(bytes(at + 6, 2), 0, "gap before the port's number");
	check_value(bytes(at + 8, 8), MESSAGES, "port's number, 8 bytes at 8");
	check_value(bytes(at + 16, 8), 0x1122334455667788, "payload, 8 bytes at 16");
	check_value(bytes(at + 24, 8), 0, "behind the payload");
}

RULE(T2_4_c, "the pending flag of a message is the lowest bit of its byte")
{
	uint64_t at = a_message();

	check_value(byte(at + 5), 0, "flags of a message alone");
	check_status(post(MESSAGES, 2), HV_STATUS_SUCCESS);
	check_value(byte(at + 5), 1, "flags with one behind it");
}

RULE(T2_5_a, "the lowest byte of a parameter comes first")
{
	static const uint8_t in[8] = { EVENTS };

	synic_on(0);
	make_events(EVENTS, 0, SINT);
	put_bytes(test_page(6), in, sizeof in);
	check_status(CALL(.code = HV_CALL_SIGNAL_EVENT, .in = test_page(6)), HV_STATUS_SUCCESS);
	check_value(byte(flags_page(0) + SINT * 256 + EVENTS / 8), 1 << EVENTS % 8, "byte of the flag");
}

RULE(T25_e, "HvSignalEvent may be fast")
{
	synic_on(0);
	make_events(EVENTS, 0, SINT);
	check_status(CALL(.code = HV_CALL_SIGNAL_EVENT, .fast = true, .in = EVENTS), HV_STATUS_SUCCESS);
	check_that(flag_set(SINT, EVENTS), "the flag is not set");
}

RULE(T31_e, "EOM reads 0, whatever was written")
{
	synic_on(0);
	set_msr(HV_X64_MSR_EOM, ~0ull);
	check_value(msr_of(HV_X64_MSR_EOM), 0, "EOM");
}

/* Space, flags, processors; then @n ranges from the middle of nowhere. */
static struct reply flush_list(unsigned n)
{
	const uint64_t head[3] = { 0, 1 | 2, 0 };

	put_bytes(test_page(6), head, sizeof head);
	for (unsigned i = 0; i < 509; i++)
		put64(test_page(6) + sizeof head + i * 8, 0x40000000 + i * 0x1000);
	return CALL(.code = HV_CALL_FLUSH_ADDRESS_LIST, .in = test_page(6), .reps = n);
}

RULE(T0_h, "a call takes as many ranges as end with its page")
{
	check_reps(flush_list(509), HV_STATUS_SUCCESS, 509);
	check_status(flush_list(510), HV_STATUS_INVALID_ALIGNMENT);
}

RULE(T26_b, "the numbers of statuses are those of appendix C")
{
	static const struct { unsigned status, number; } table[] = {
		{ HV_STATUS_SUCCESS, 0 }, { HV_STATUS_INVALID_HYPERCALL_CODE, 2 }, { HV_STATUS_INVALID_HYPERCALL_INPUT, 3 },
		{ HV_STATUS_INVALID_ALIGNMENT, 4 }, { HV_STATUS_INVALID_PARAMETER, 5 }, { HV_STATUS_ACCESS_DENIED, 6 },
		{ HV_STATUS_INVALID_PARTITION_STATE, 7 }, { HV_STATUS_OPERATION_DENIED, 8 }, { HV_STATUS_UNKNOWN_PROPERTY, 9 },
		{ HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE, 10 }, { HV_STATUS_INSUFFICIENT_MEMORY, 11 }, { HV_STATUS_PARTITION_TOO_DEEP, 12 },
		{ HV_STATUS_INVALID_PARTITION_ID, 13 }, { HV_STATUS_INVALID_VP_INDEX, 14 }, { HV_STATUS_INVALID_PORT_ID, 17 },
		{ HV_STATUS_INVALID_CONNECTION_ID, 18 }, { HV_STATUS_INSUFFICIENT_BUFFERS, 19 }, { HV_STATUS_NOT_ACKNOWLEDGED, 20 },
		{ HV_STATUS_ACKNOWLEDGED, 22 }, { HV_STATUS_INVALID_SAVE_RESTORE_STATE, 23 }, { HV_STATUS_INVALID_SYNIC_STATE, 24 },
		{ HV_STATUS_OBJECT_IN_USE, 25 }, { HV_STATUS_INVALID_PROXIMITY_DOMAIN_INFO, 26 }, { HV_STATUS_NO_DATA, 27 },
		{ HV_STATUS_INACTIVE, 28 }, { HV_STATUS_NO_RESOURCES, 29 }, { HV_STATUS_FEATURE_UNAVAILABLE, 30 }, { HV_STATUS_PARTIAL_PACKET, 31 },
		{ HV_STATUS_PROCESSOR_CACHE_LINE_FLUSH_SIZE_INCOMPATIBLE, 48 }, { HV_STATUS_INCOMPATIBLE_PROCESSOR, 55 },
	};

	for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++)
		check_value(table[i].status, table[i].number, "status %u of the table", i);
	/* What calls say, as numbers. */
	check_value(CALL(.code = 0xfff0).value, 2, "no such call");
	check_value(CALL(.code = HV_CALL_SIGNAL_EVENT, .fast = true, .in = 0x7ffff).value, 18, "no such connection");
	check_value(CALL(.code = HV_CALL_SIGNAL_EVENT, .in = test_page(0) + 1).value, 4, "unaligned parameter");
}

RULE(T26_d, "statuses of processor features are in the order of their bits")
{
	static const unsigned by_bit[16] = {
		HV_STATUS_PROCESSOR_FEATURE_SSE3_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_LAHFSAHF_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_SSSE3_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_SSE4_1_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_SSE4_2_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_SSE4A_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_SSE5_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_POPCNT_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_CMPXCHG16B_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_ALTMOVCR8_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_LZCNT_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_MISALIGNED_SSE_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_MMX_EXT_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_3DNOW_NOT_SUPPORTED,
		HV_STATUS_PROCESSOR_FEATURE_EXTENDED_3DNOW_NOT_SUPPORTED, HV_STATUS_PROCESSOR_FEATURE_PAGE_1GB_NOT_SUPPORTED,
	};

	for (unsigned bit = 0; bit < 16; bit++)
		check_value(by_bit[bit], 0x20 + bit, "feature bit %u", bit);
}

RULE(T1_3_b, "a field that is to be zero and is not fails the call")
{
	const uint64_t in[3] = { 0, 1 | 2 | 1ull << 40, 0 };

	put_bytes(test_page(6), in, sizeof in);
	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .in = test_page(6)), HV_STATUS_INVALID_PARAMETER);
	put64(test_page(6) + 8, 1 | 2);
	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .in = test_page(6)), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_FLUSH_ADDRESS_SPACE, .in = test_page(6), .control = 1ull << 44), HV_STATUS_INVALID_HYPERCALL_INPUT);
}
