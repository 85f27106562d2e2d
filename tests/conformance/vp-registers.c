/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 10: virtual processors that a parent makes, and their registers by name. */
#include "host.h"

#include "hv/vp.h"

enum { MOST_VPS = 64, SOME_VP = 5 };

static struct reply create_vp_of(struct hv_in_create_vp in)
{
	return CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in);
}

static struct reply delete_vp(uint64_t id, uint32_t index)
{
	struct hv_in_vp in = { .partition_id = id, .vp_index = index };

	return CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in);
}

/* An active child with VP @index. */
static uint64_t child_with_vp(uint32_t index)
{
	uint64_t id = make_active_partition();

	make_vp(id, index);
	return id;
}

/* ---- 10.4.1 ---- */

RULE_HOST(T10_4_1_c, "a new VP is explicitly suspended and has no intercept")
{
	uint64_t id = child_with_vp(0);

	check_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	check_register(id, 0, HV_REGISTER_INTERCEPT_SUSPEND, 0);
}

RULE_HOST(T10_4_1_b, "a new VP has the registers of a processor at power-on")
{
	uint64_t id = child_with_vp(0);

	check_register(id, 0, HV_REGISTER_RIP, 0xfff0);
	check_register(id, 0, HV_REGISTER_RFLAGS, 2);
	check_register(id, 0, HV_REGISTER_CR0, 0x60000010);
	check_register(id, 0, HV_REGISTER_CR3, 0);
	check_register(id, 0, HV_REGISTER_CR4, 0);
	check_register(id, 0, HV_REGISTER_EFER, 0);
	check_register(id, 0, HV_REGISTER_DR6, 0xffff0ff0);
	check_register(id, 0, HV_REGISTER_DR7, 0x400);
	check_register(id, 0, HV_REGISTER_PAT, 0x0007040600070406);
}

RULE_HOST(T10_4_1_g, "the initial APIC id is the VP index")
{
	check_register(child_with_vp(SOME_VP), SOME_VP, HV_REGISTER_INITIAL_APIC_ID, SOME_VP);
}

RULE_HOST(T10_4_1_i, "an index can be given once")
{
	uint64_t id = child_with_vp(SOME_VP);

	check_status(set_register(id, SOME_VP, HV_REGISTER_RAX, 77), HV_STATUS_SUCCESS);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id, .vp_index = SOME_VP }), HV_STATUS_INVALID_VP_INDEX);
	check_register(id, SOME_VP, HV_REGISTER_RAX, 77);
}

RULE_HOST(T10_4_1_j, "the last index works, the next does not")
{
	uint64_t id = child_with_vp(MOST_VPS - 1);

	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id, .vp_index = MOST_VPS }), HV_STATUS_INVALID_VP_INDEX);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id, .vp_index = UINT32_MAX }), HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T10_4_1_k, "indexes come in any order and leave gaps")
{
	uint64_t id = child_with_vp(SOME_VP);

	make_vp(id, 2);
	make_vp(id, 0);
	check_register(id, 2, HV_REGISTER_VP_INDEX, 2);
	check_status(get_register(id, 1, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T10_4_1_l, "flags are invalid")
{
	uint64_t id = make_active_partition();

	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id, .flags = 1ull << 63 }), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_4_1_m, "a domain that does not exist is invalid")
{
	struct hv_in_create_vp in = { .partition_id = make_active_partition(), .domain = { 7, HV_PROXIMITY_VALID } };

	check_status(create_vp_of(in), HV_STATUS_INVALID_PARAMETER);
	in.domain = (struct hv_proximity_domain_info){ 0, HV_PROXIMITY_VALID | 2 };
	check_status(create_vp_of(in), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_4_1_o, "a domain that is required and has no pages gives no VP")
{
	struct hv_in_create_vp in = { .partition_id = make_partition(), .domain = { 0, HV_PROXIMITY_VALID } };

	deposit(in.partition_id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, in.partition_id), HV_STATUS_SUCCESS);
	while (hv_result_status(withdraw(in.partition_id, 1).value) == HV_STATUS_SUCCESS)
		;
	check_status(create_vp_of(in), HV_STATUS_INSUFFICIENT_MEMORY);
	deposit(in.partition_id, ACTIVE_PAGES);
	check_status(create_vp_of(in), HV_STATUS_SUCCESS);
	/* One that is not there at all, and is only preferred. */
	in.vp_index = 1;
	in.domain = (struct hv_proximity_domain_info){ UINT32_MAX, HV_PROXIMITY_VALID };
	check_status(create_vp_of(in), HV_STATUS_INVALID_PARAMETER);
	in.domain.flags |= HV_PROXIMITY_PREFERRED;
	check_status(create_vp_of(in), HV_STATUS_SUCCESS);
}

RULE_HOST(T3_4_u, "the indexes that VPs can have are below the maximum in leaf 0x40000005")
{
	uint32_t most = read_leaf(0x40000005).a;
	struct hv_in_create_vp in = { .partition_id = make_active_partition() };

	if (!most) {
		rule_skip("there is no maximum");
		return;
	}
	deposit(in.partition_id, ACTIVE_PAGES);
	in.vp_index = most - 1;
	check_status(create_vp_of(in), HV_STATUS_SUCCESS);
	for (uint32_t beyond = most; beyond; beyond <<= 1) {
		in.vp_index = beyond;
		check_status(create_vp_of(in), HV_STATUS_INVALID_VP_INDEX);
	}
}

RULE_HOST(T10_4_1_p, "VPs are made in active partitions only")
{
	uint64_t id = make_partition();

	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id }), HV_STATUS_INVALID_PARTITION_STATE);
	id = make_active_partition();
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id }), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T10_4_1_q, "nobody makes VPs for itself")
{
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = own_id(), .vp_index = SOME_VP }), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T10_4_1_r, "a partition that does not exist is no partition")
{
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = 0x123456789 }), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T10_4_1_s, "a pool that is too small makes no VP, until it is fed")
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance before, after;

	withdraw(id, 511);
	balance(id, &before);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id }), HV_STATUS_INSUFFICIENT_MEMORY);
	balance(id, &after);
	check_value(after.pages_in_use, before.pages_in_use, "pages in use");
	check_status(get_register(id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	deposit(id, ACTIVE_PAGES);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id }), HV_STATUS_SUCCESS);
}

RULE_HOST(T10_4_1_t, "the child's pool pays for its VPs")
{
	struct hv_out_get_memory_balance own, own_then, child, child_then;
	uint64_t id = make_active_partition();

	balance(HV_PARTITION_ID_SELF, &own);
	balance(id, &child);
	check_status(create_vp_of((struct hv_in_create_vp){ .partition_id = id }), HV_STATUS_SUCCESS);
	balance(HV_PARTITION_ID_SELF, &own_then);
	balance(id, &child_then);
	check_value(own_then.pages_in_use, own.pages_in_use, "own pages in use");
	check_that(child_then.pages_in_use > child.pages_in_use, "the child's pool did not pay");
	check_value(child_then.pages_in_use + child_then.pages_available, ACTIVE_PAGES, "the child's pages");
}

RULE_HOST(T10_4_1_w, "padding is ignored")
{
	uint64_t id = make_active_partition();
	struct hv_in_create_vp in = { .partition_id = id, .padding = { 1, 2, 3 }, .subnode_id = UINT64_MAX };

	check_status(create_vp_of(in), HV_STATUS_SUCCESS);
}

/* ---- 10.4.2 ---- */

RULE_HOST(T10_4_2_a, "a deleted VP is no VP")
{
	uint64_t id = child_with_vp(0);

	check_status(delete_vp(id, 0), HV_STATUS_SUCCESS);
	check_status(get_register(id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	check_status(delete_vp(id, 0), HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T10_4_2_b, "what a VP used returns to the pool of its partition")
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance before;

	balance(id, &before);
	for (unsigned i = 0; i < 3; i++) {
		make_vp(id, SOME_VP);
		check_status(delete_vp(id, SOME_VP), HV_STATUS_SUCCESS);
		check_balance(id, before.pages_available, before.pages_in_use);
	}
}

RULE_HOST(T10_4_2_c, "a VP that is made again is a new one")
{
	uint64_t id = child_with_vp(0);

	set_register(id, 0, HV_REGISTER_RAX, 1);
	set_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_status(delete_vp(id, 0), HV_STATUS_SUCCESS);
	make_vp(id, 0);
	check_register(id, 0, HV_REGISTER_RAX, 0);
	check_register(id, 0, HV_REGISTER_RIP, 0xfff0);
	check_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
}

RULE_HOST(T10_4_2_d, "deletion has a fast form")
{
	uint64_t id = child_with_vp(SOME_VP);

	check_status(CALL(.code = HV_CALL_DELETE_VP, .fast = true, .in = id, .out = SOME_VP), HV_STATUS_SUCCESS);
	check_status(delete_vp(id, SOME_VP), HV_STATUS_INVALID_VP_INDEX);
}

/* ---- 10.4.3, 10.4.4 ---- */

/* A value that the register can have and does not have at power-on. */
struct sample { uint32_t first, count; uint64_t low, high; };

static const struct sample samples[] = {
	{ HV_REGISTER_RAX, 16, 0x123456789abcdef0 }, { HV_REGISTER_RIP, 1, 0x1234 }, { HV_REGISTER_RFLAGS, 1, 0x246 },
	{ HV_REGISTER_XMM0, 16, 0x1111222233334444, 0x5555666677778888 }, { HV_REGISTER_FP_MMX0, 8, 0x8000000000000001, 0x3fff },
	{ HV_REGISTER_CR0, 1, 0x80010031 }, { HV_REGISTER_CR2, 1, 0xfffff00000000000 }, { HV_REGISTER_CR3, 1, 0x12345000 },
	{ HV_REGISTER_CR4, 1, 0x620 }, { HV_REGISTER_CR8, 1, 9 }, { HV_REGISTER_XFEM, 1, 3 }, { HV_REGISTER_DR0, 4, 0x7fff00001000 },
	{ HV_REGISTER_DR6, 1, 0xffff0ff1 }, { HV_REGISTER_DR7, 1, 0x401 },
	{ HV_REGISTER_ES, 6, 0x10000, 0xc09300100000ffffull << 0 }, { HV_REGISTER_IDTR, 2, 0x0fff000000000000, 0xfffff00000000000 },
	{ HV_REGISTER_EFER, 1, 0x901 }, { HV_REGISTER_KERNEL_GS_BASE, 1, 0xffff888000000000 }, { HV_REGISTER_PAT, 1, 0x0606060606060606 },
	{ HV_REGISTER_SYSENTER_CS, 1, 8 }, { HV_REGISTER_SYSENTER_RIP, 2, 0xffffffff80001000 }, { HV_REGISTER_STAR, 1, 0x0023001000000000 },
	{ HV_REGISTER_LSTAR, 2, 0xffffffff80002000 }, { HV_REGISTER_SFMASK, 1, 0x47700 }, { HV_REGISTER_MTRR_DEF_TYPE, 1, 0xc06 },
	{ HV_REGISTER_MTRR_PHYS_BASE0, 8, 0x80000006 }, { HV_REGISTER_MTRR_PHYS_MASK0, 8, 0xffc0000800 },
	{ HV_REGISTER_MTRR_FIX64K, 1, 0x0606060606060606 }, { HV_REGISTER_MTRR_FIX16K, 2, 0x0505050505050505 },
	{ HV_REGISTER_MTRR_FIX4K, 8, 0x0404040404040404 }, { HV_REGISTER_INTERRUPT_STATE, 1, 3 },
	{ HV_REGISTER_PENDING_INTERRUPTION, 1, 0xd0017 | 0x1200000000 }, { HV_REGISTER_GUEST_OS_ID, 1, 0x8100000000000001 },
	{ HV_REGISTER_SCONTROL, 1, 1 }, { HV_REGISTER_SINT0, 16, 0x10031 }, { HV_REGISTER_SIMP, 1, 0x7000 }, { HV_REGISTER_SIEFP, 1, 0x8000 },
	{ HV_REGISTER_YMM0_LOW, 16, 1, 2 }, { HV_REGISTER_YMM0_HIGH, 16, 3, 4 },
};
#define FOR_EACH_SAMPLE(s) for (const struct sample *s = samples; s < samples + sizeof samples / sizeof samples[0]; s++)

RULE_HOST(T10_1_2_a, "what is written to a register by name is read by name")
{
	uint64_t id = child_with_vp(0);

	FOR_EACH_SAMPLE(s)
		for (uint32_t n = s->first; n < s->first + s->count; n++) {
			struct hv_register_value want = { s->low, s->high };
			struct got got;

			check_status(set_register128(id, 0, n, want), HV_STATUS_SUCCESS);
			got = get_register(id, 0, n);
			check_status(got.reply, HV_STATUS_SUCCESS);
			check_value(got.value.low, want.low, "low half of register 0x%x", n);
			check_value(got.value.high, want.high, "high half of register 0x%x", n);
		}
}

/* None of these can be written; reading each gives status @read. */
static void check_refused(const uint32_t *names, unsigned n, uint16_t read)
{
	uint64_t id = child_with_vp(0);

	for (unsigned i = 0; i < n; i++) {
		check_status(get_register(id, 0, names[i]).reply, read);
		check_status(set_register(id, 0, names[i], 0), HV_STATUS_INVALID_PARAMETER);
	}
}

RULE_HOST(T10_2_2_b, "what is no register's name is an invalid parameter")
{
	static const uint32_t gaps[] = { 0x2, 0x10000, 0x10001, 0x20012, 0x3001a, 0x40006, 0x50006, 0x60008, 0x70002, 0x8000f, 0x80018, 0x8003f,
					 0x80048, 0x8006f, 0x8007e, 0x80094, 0x90005, 0x9000f, 0xa0016, 0xb0008, 0xc0020, 0xffffffff };

	check_refused(gaps, sizeof gaps / sizeof gaps[0], HV_STATUS_INVALID_PARAMETER);
}

/* All names of 2009. */
static const struct { uint32_t first, count; } names_2009[] = {
	{ HV_REGISTER_EXPLICIT_SUSPEND, 2 }, { HV_REGISTER_PENDING_INTERRUPTION, 2 }, { HV_REGISTER_RAX, 18 }, { HV_REGISTER_XMM0, 26 },
	{ HV_REGISTER_CR0, 6 }, { HV_REGISTER_DR0, 6 }, { HV_REGISTER_ES, 8 }, { HV_REGISTER_IDTR, 2 }, { HV_REGISTER_TSC, 15 },
	{ HV_REGISTER_MTRR_PHYS_BASE0, 8 }, { HV_REGISTER_MTRR_PHYS_MASK0, 8 }, { HV_REGISTER_MTRR_FIX64K, 11 }, { HV_REGISTER_VP_RUNTIME, 5 },
	{ HV_REGISTER_EOI, 4 }, { HV_REGISTER_STATS_PARTITION_RETAIL, 4 }, { HV_REGISTER_SINT0, 21 }, { HV_REGISTER_STIMER0_CONFIG, 8 }, { HV_REGISTER_YMM0_LOW, 32 },
};

RULE_HOST(T10_2_2_a, "each register that there is has its name")
{
	uint64_t id = child_with_vp(0);
	unsigned names = 0;

	for (unsigned i = 0; i < sizeof names_2009 / sizeof names_2009[0]; i++)
		for (uint32_t n = names_2009[i].first; n < names_2009[i].first + names_2009[i].count; n++, names++) {
			struct reply r = get_register(id, 0, n).reply;

			check_that(!r.fault && hv_result_status(r.value) == HV_STATUS_SUCCESS, "register 0x%x: %s", n,
				   status_name(hv_result_status(r.value)));
		}
	check_value(names, 186, "names");
}

/* The names, four at most, in one call; their values in @out. */
static void get_four(uint64_t id, const uint32_t name[4], struct hv_register_value out[4])
{
	struct { struct hv_in_vp vp; uint32_t name[4]; } in = { { .partition_id = id }, { name[0], name[1], name[2], name[3] } };

	for (unsigned i = 0; i < 8; i++)
		put64(test_page(OUT_PAGE) + i * 8, UINT64_MAX);
	check_reps(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 4, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS, 4);
	get_bytes(test_page(OUT_PAGE), out, 4 * sizeof *out);
}

RULE_HOST(T10_2_3_a, "each value has 16 bytes, of which a small register has the lowest")
{
	static const uint32_t names[] = { HV_REGISTER_CR8, HV_REGISTER_R8, HV_REGISTER_XMM0, HV_REGISTER_INITIAL_APIC_ID };
	static const struct hv_register_value want[] = { { 7 }, { 0x1122334455667788 }, { 0x99aabbccddeeff00, 0x0123456789abcdef }, { 3 } };
	struct hv_register_value out[4];
	uint64_t id = child_with_vp(3);

	make_vp(id, 0);
	for (unsigned i = 0; i < 4; i++)
		check_status(set_register128(id, 0, names[i], want[i]), HV_STATUS_SUCCESS);
	get_four(id, names, out);
	for (unsigned i = 0; i < 4; i++) {
		check_value(out[i].low, want[i].low, "low half of value %u", i);
		check_value(out[i].high, want[i].high, "high half of value %u", i);
	}
}

RULE_HOST(T10_4_3_c, "a name that is there more than once gets each of its values")
{
	static const uint32_t names[] = { HV_REGISTER_RSI, HV_REGISTER_RDI, HV_REGISTER_RSI, HV_REGISTER_RSI };
	struct hv_register_value out[4];
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_RSI, 0x51), HV_STATUS_SUCCESS);
	check_status(set_register(id, 0, HV_REGISTER_RDI, 0xd1), HV_STATUS_SUCCESS);
	get_four(id, names, out);
	for (unsigned i = 0; i < 4; i++)
		check_value(out[i].low, i == 1 ? 0xd1 : 0x51, "value %u", i);
}

RULE_HOST(T10_4_4_b, "elements to write are 32 bytes apart, with the value at 16")
{
	uint64_t id = child_with_vp(0);
	const uint64_t in[] = { id, 0, HV_REGISTER_RCX, 0, 0xc, 0, HV_REGISTER_XMM0, 0, 0x10, 0x11, HV_REGISTER_RDX, 0, 0xd, 0 };

	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 3, .data = in, .size = sizeof in), HV_STATUS_SUCCESS, 3);
	check_register(id, 0, HV_REGISTER_RCX, 0xc);
	check_register(id, 0, HV_REGISTER_XMM0, 0x10);
	check_value(get_register(id, 0, HV_REGISTER_XMM0).value.high, 0x11, "high half of XMM0");
	check_register(id, 0, HV_REGISTER_RDX, 0xd);
}

RULE_HOST(T10_2_2_e, "the low half of a YMM register is the XMM register")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register128(id, 0, HV_REGISTER_YMM0_LOW + 3, (struct hv_register_value){ 5, 6 }), HV_STATUS_SUCCESS);
	check_register(id, 0, HV_REGISTER_XMM0 + 3, 5);
}

RULE_HOST(T10_2_3_c, "bits beyond a register's size are an invalid parameter")
{
	uint64_t id = child_with_vp(0);
	struct hv_register_value high = { 0, 1 };

	check_status(set_register128(id, 0, HV_REGISTER_RAX, high), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_CR8, 16), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register128(id, 0, HV_REGISTER_FP_MMX0, (struct hv_register_value){ 0, 0x10000 }), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_1_d, "explicit and intercept suspension are apart")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_INTERCEPT_SUSPEND, 0), HV_STATUS_SUCCESS);
	check_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
}

RULE_HOST(T10_3_1_f, "the intercept suspension can only be cleared")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED), HV_STATUS_INVALID_PARAMETER);
	check_register(id, 0, HV_REGISTER_INTERCEPT_SUSPEND, 0);
}

RULE_HOST(T10_3_1_i, "reserved bits of the suspend registers are invalid")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, 4), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register128(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, (struct hv_register_value){ 0, 1 }), HV_STATUS_INVALID_PARAMETER);
	check_register(id, 0, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
}

RULE_HOST(T10_3_3_e, "reserved bits of the interrupt state are invalid")
{
	check_status(set_register(child_with_vp(0), 0, HV_REGISTER_INTERRUPT_STATE, 4), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_4_a, "an interruption that is not pending has no fields")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_PENDING_INTERRUPTION, 0xffff003e), HV_STATUS_SUCCESS);
	check_register(id, 0, HV_REGISTER_PENDING_INTERRUPTION, 0);
}

RULE_HOST(T10_3_5_b, "bits above 80 of a floating-point register are invalid")
{
	check_status(set_register128(child_with_vp(0), 0, HV_REGISTER_FP_MMX0 + 7, (struct hv_register_value){ 0, 1ull << 63 }),
		     HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_6_f, "reserved attribute bits of a segment are invalid")
{
	struct hv_register_value v = { 0, 0x0f9300000000ffff };

	check_status(set_register128(child_with_vp(0), 0, HV_REGISTER_DS, v), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_4_3_b, "names are 4 bytes apart, values 16")
{
	uint64_t id = child_with_vp(0);
	struct { struct hv_in_vp vp; uint32_t name[4]; } in = { { .partition_id = id }, { HV_REGISTER_RBX, HV_REGISTER_RIP, HV_REGISTER_RBX, HV_REGISTER_RDX } };

	set_register(id, 0, HV_REGISTER_RBX, 0xb);
	set_register(id, 0, HV_REGISTER_RDX, 0xd);
	check_reps(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 4, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS, 4);
	check_value(get64(test_page(OUT_PAGE)), 0xb, "first value");
	check_value(get64(test_page(OUT_PAGE) + 16), 0xfff0, "second value");
	check_value(get64(test_page(OUT_PAGE) + 32), 0xb, "third value");
	check_value(get64(test_page(OUT_PAGE) + 48), 0xd, "fourth value");
}

RULE_HOST(T10_4_3_d, "an invalid name ends the list at its place")
{
	uint64_t id = child_with_vp(0);
	struct { struct hv_in_vp vp; uint32_t name[4]; } in = { { .partition_id = id }, { HV_REGISTER_RBX, HV_REGISTER_RIP, 0x2, HV_REGISTER_RDX } };

	check_reps(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 4, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)),
		   HV_STATUS_INVALID_PARAMETER, 2);
}

RULE_HOST(T10_4_3_e, "a partition reads the registers of its own VPs")
{
	check_register(own_id(), 0, HV_REGISTER_VP_INDEX, 0);
	check_register(own_id(), 0, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
}

RULE_HOST(T10_4_3_g, "no partition, no VP, not active")
{
	uint64_t id = make_active_partition();

	check_status(get_register(0x99999999, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_PARTITION_ID);
	check_status(get_register(id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	check_status(get_register(id, UINT32_MAX, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	call_id(HV_CALL_FINALIZE_PARTITION, id);
	check_status(get_register(id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T10_4_4_e, "read-only registers are not written")
{
	static const uint32_t names[] = { HV_REGISTER_VP_RUNTIME, HV_REGISTER_VP_INDEX, HV_REGISTER_TIME_REF_COUNT, HV_REGISTER_SVERSION,
					  HV_REGISTER_MTRR_CAP };

	check_refused(names, sizeof names / sizeof names[0], HV_STATUS_SUCCESS);
}

RULE_HOST(T10_4_4_h, "a bad element ends the list: those before it are written")
{
	uint64_t id = child_with_vp(0);
	struct { struct hv_in_vp vp; struct hv_register_assoc list[3]; } in = {
		{ .partition_id = id }, { { HV_REGISTER_RAX, .value = { 1 } }, { HV_REGISTER_VP_INDEX, .value = { 1 } }, { HV_REGISTER_RBX, .value = { 1 } } } };

	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 3, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARAMETER, 1);
	check_register(id, 0, HV_REGISTER_RAX, 1);
	check_register(id, 0, HV_REGISTER_RBX, 0);
}

RULE_HOST(T10_4_4_i, "no partition writes its own registers by name")
{
	check_status(set_register(own_id(), 0, HV_REGISTER_RAX, 0), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T10_4_4_k, "padding of elements is ignored")
{
	uint64_t id = child_with_vp(0);
	struct { struct hv_in_vp vp; struct hv_register_assoc list[1]; } in = {
		{ .partition_id = id }, { { HV_REGISTER_RSI, { 1, 2, 3 }, { 9 } } } };

	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 1, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS, 1);
	check_register(id, 0, HV_REGISTER_RSI, 9);
}

RULE_HOST(T10_4_4_c, "bits that the architecture has not are invalid")
{
	uint64_t id = child_with_vp(0);

	check_status(set_register(id, 0, HV_REGISTER_CR0, 1ull << 40), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_CR4, 1ull << 31), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_CR3, 1ull << 62), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_EFER, 1ull << 63), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_RFLAGS, 1ull << 32 | 2), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_RFLAGS, 0), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_XFEM, 1ull << 50 | 1), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register(id, 0, HV_REGISTER_LSTAR, 0x8000000000000000), HV_STATUS_INVALID_PARAMETER);
}
