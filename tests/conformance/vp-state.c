/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State of a VP that its parent has in pages (of later revisions, cited at the rows of chapter 10 that they stand beside). */
#include "child.h"

static struct reply state_page_call(uint16_t code, uint64_t id, uint32_t vp, uint16_t type)
{
	struct hv_in_map_vp_state_page in = { { .partition_id = id, .vp_index = vp, .type = type }, 0 };

	return CALL(.code = code, .data = &in, .size = code == HV_CALL_MAP_VP_STATE_PAGE ? sizeof in : sizeof in.page, .out = test_page(OUT_PAGE));
}

/* Where the caller sees it. */
static uint64_t map_state_page(const struct child *c, uint16_t type)
{
	struct reply r = state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c->id, 0, type);

	check_status(r, HV_STATUS_SUCCESS);
	return out64(r) * 0x1000;
}

static struct hv_register_page registers_at(uint64_t page)
{
	struct hv_register_page registers;

	get_bytes(page, &registers, sizeof registers);
	return registers;
}

static const uint8_t out_80[] = { 0x90, OUT(0x80), OUT(0x81), OUT(0x82) };

RULE_HOST(T10_1_2_a, "the register page tells the registers of a VP that stands in an intercept, and changes them")
{
	struct child c = make_child(EXO);
	uint64_t page = map_state_page(&c, HV_VP_STATE_PAGE_REGISTERS);
	struct hv_register_page r = registers_at(page);
	struct hv_message m;

	check_value(r.valid, 0, "valid before");
	child_set(&c, HV_REGISTER_RBX, 0x1234);
	m = run_code(&c, out_80, sizeof out_80);
	r = registers_at(page);
	check_value(r.version, HV_REGISTER_PAGE_VERSION, "version");
	check_value(r.valid, 1, "valid");
	check_value(r.dirty, 0, "dirty");
	check_value(r.rip, header(&m)->rip, "RIP");
	check_value(r.gpr[3], 0x1234, "RBX");
	check_value(r.rflags, 2, "RFLAGS");
	check_value(r.cr0, child_register(&c, HV_REGISTER_CR0), "CR0");
	/* Changed in the page, read by the call; changed by the call, read in the page. */
	r.rip += 4;
	r.gpr[0] = 0x77;
	r.gpr[1] = 0x99;
	r.dirty = HV_REGISTER_PAGE_RIP | HV_REGISTER_PAGE_GENERAL;
	put_bytes(page, &r, sizeof r);
	check_value(child_register(&c, HV_REGISTER_RAX), 0x77, "RAX");
	child_set(&c, HV_REGISTER_RDX, 0x55);
	check_value(registers_at(page).gpr[2], 0x55, "RDX in the page");
	m = go_on(&c);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x82, "port");
	check_value(MESSAGE_AS(hv_io_message, &m)->rax, 0x77, "RAX in the message");
	check_value(child_register(&c, HV_REGISTER_RCX), 0x99, "RCX");
}

RULE_HOST(T10_1_2_b, "what a register cannot have is not taken from the register page")
{
	struct child c = make_child(EXO);
	uint64_t page = map_state_page(&c, HV_VP_STATE_PAGE_REGISTERS);
	struct hv_register_page r;

	run_code(&c, out_80, sizeof out_80);
	r = registers_at(page);
	r.rflags = 1ull << 40;
	r.segment[0][1] = UINT64_MAX;
	r.gpr[0] = 1;
	r.dirty = UINT32_MAX;
	put_bytes(page, &r, sizeof r);
	check_value(child_register(&c, HV_REGISTER_RFLAGS), 2, "RFLAGS");
	check_value(child_register(&c, HV_REGISTER_RAX), 1, "RAX");
	check_value(registers_at(page).dirty, 0, "dirty");
}

RULE_HOST(T9_4_a, "the intercept message page has the message, and the slot says only of which VP")
{
	struct child c = make_child(EXO | HV_CREATE_INTERCEPT_MESSAGE_PAGE);
	uint64_t page = map_state_page(&c, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE);
	struct hv_message m = run_code(&c, out_80, sizeof out_80), there;

	check_type(&m, HV_MESSAGE_OPAQUE_INTERCEPT);
	get_bytes(page, &there, sizeof there);
	check_type(&there, HV_MESSAGE_IO_INTERCEPT);
	check_value(MESSAGE_AS(hv_io_message, &there)->port, 0x80, "port");
}

RULE_HOST(T7_3_2_g, "a state page is not withdrawn while it is mapped, and is back in the pool when it is not")
{
	struct child c = make_child(EXO);
	struct hv_out_get_memory_balance before;

	balance(c.id, &before);
	map_state_page(&c, HV_VP_STATE_PAGE_REGISTERS);
	map_state_page(&c, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_OBJECT_IN_USE);
	check_balance(c.id, before.pages_available - 2, before.pages_in_use + 2);
	check_status(state_page_call(HV_CALL_UNMAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_SUCCESS);
	check_status(state_page_call(HV_CALL_UNMAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_INVALID_PARAMETER);
	check_balance(c.id, before.pages_available - 1, before.pages_in_use + 1);
	withdraw(c.id, 511);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_INSUFFICIENT_MEMORY);
	deposit(c.id, 1);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_SUCCESS);
}

RULE_HOST(T10_4_2_b, "the state pages of a VP that is deleted are in the pool")
{
	struct child c = make_child(EXO);
	struct hv_in_vp in = { .partition_id = c.id, .vp_index = 1 };
	struct hv_out_get_memory_balance before;

	balance(c.id, &before);
	for (unsigned i = 0; i < 3; i++) {
		make_vp(c.id, 1);
		check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 1, HV_VP_STATE_PAGE_REGISTERS), HV_STATUS_SUCCESS);
		check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
		check_balance(c.id, before.pages_available, before.pages_in_use);
	}
}

RULE_HOST(T10_4_3_g, "state pages are of a VP of an active child, and of a type that there is")
{
	struct child c = make_child(EXO);

	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 1, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 0, 2), HV_STATUS_INVALID_PARAMETER);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, own_id(), 0, 0), HV_STATUS_ACCESS_DENIED);
	check_status(state_page_call(HV_CALL_UNMAP_VP_STATE_PAGE, 0x99999999, 0, 0), HV_STATUS_INVALID_PARTITION_ID);
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	check_status(state_page_call(HV_CALL_MAP_VP_STATE_PAGE, c.id, 0, 0), HV_STATUS_INVALID_PARTITION_STATE);
}

/* ---- leaves ---- */

static struct reply cpuid_values(const struct child *c, uint32_t vp, uint32_t flags, uint32_t leaf, uint32_t subleaf, uint64_t xfem)
{
	struct { struct hv_in_get_vp_cpuid_values call; struct hv_vp_cpuid_question question; } in = {
		{ .partition_id = c->id, .vp_index = vp, .flags = flags }, { leaf, subleaf, xfem, 0 } };

	return CALL(.code = HV_CALL_GET_VP_CPUID_VALUES, .reps = 1, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

RULE_HOST(T11_11_d, "the parent asks for what a VP's CPUID would answer")
{
	struct child c = make_child(EXO);

	make_vp(c.id, 3);
	check_reps(cpuid_values(&c, 3, 0, 1, 0, 1), HV_STATUS_SUCCESS, 1);
	check_value(get64(test_page(OUT_PAGE)) >> 56, 3, "initial APIC id of leaf 1");
	check_reps(cpuid_values(&c, 0, 0, 0x40000001, 0, 1), HV_STATUS_SUCCESS, 1);
	check_value(get64(test_page(OUT_PAGE)) & UINT32_MAX, 0x31237648, "EAX of leaf 0x40000001");
	/* Sizes of the state that is enabled: x87 and SSE; with AVX. */
	check_reps(cpuid_values(&c, 0, 0, 0xd, 0, 3), HV_STATUS_SUCCESS, 1);
	check_value(get64(test_page(OUT_PAGE)) >> 32, 576, "EBX of leaf 0xd");
	check_reps(cpuid_values(&c, 0, 0, 0xd, 0, 7), HV_STATUS_SUCCESS, 1);
	check_value(get64(test_page(OUT_PAGE)) >> 32, 832, "EBX of leaf 0xd with AVX");
	check_status(cpuid_values(&c, 0, 4, 1, 0, 1), HV_STATUS_INVALID_PARAMETER);
	check_status(cpuid_values(&c, 9, 0, 1, 0, 1), HV_STATUS_INVALID_VP_INDEX);
}

/* ---- whatever a parent writes ---- */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Nothing divides 64-bit numbers in the 32-bit guest. */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(next_random(state) >> 32) % n;
}

RULE_HOST(T10_4_4_d, "whatever is written to registers, the VP stops or runs, and its parent goes on")
{
	static const struct { uint32_t first, count; } runs[] = {
		{ HV_REGISTER_INTERNAL_ACTIVITY_STATE, 1 }, { HV_REGISTER_PENDING_INTERRUPTION, 2 }, { HV_REGISTER_RAX, 18 }, { HV_REGISTER_XMM0, 26 },
		{ HV_REGISTER_CR0, 6 }, { HV_REGISTER_DR0, 6 }, { HV_REGISTER_ES, 8 }, { HV_REGISTER_IDTR, 2 }, { HV_REGISTER_TSC, 15 },
		{ HV_REGISTER_MTRR_PHYS_BASE0, 8 }, { HV_REGISTER_SINT0, 21 }, { HV_REGISTER_STIMER0_CONFIG, 8 },
	};
	uint64_t random = 0x9e3779b97f4a7c15;
	struct child c = make_child(EXO);

	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < 40; i++) {
			unsigned run = random_below(&random, sizeof runs / sizeof runs[0]);
			uint32_t name = runs[run].first + random_below(&random, runs[run].count);
			uint64_t mask = next_random(&random) & next_random(&random) & next_random(&random);
			struct hv_register_value v = get_register(c.id, 0, name).value;

			/* A few bits of what is there, so that much of it is taken. */
			v.low ^= random_below(&random, 2) ? mask : 1ull << random_below(&random, 64);
			if (run == 3 || run == 6 || run == 7)
				v.high ^= 1ull << random_below(&random, 64);
			set_register128(c.id, 0, name, v);
		}
		child_go(&c, 0);
		for (unsigned i = 0; i < 20; i++)
			check_status(get_register(c.id, 0, HV_REGISTER_RIP).reply, HV_STATUS_SUCCESS);
		child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
		if (slot(0).type != HV_MESSAGE_NONE)
			free_slot();
	}
}
