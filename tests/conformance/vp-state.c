/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State of a VP that its parent has in pages (of later revisions, cited at the rows of chapter 10 that they stand beside). */
#include "child.h"
#include "hv/msr.h"

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

enum { PLACE = 9 };

RULE_HOST(T8_1_3_a, "a state page is seen where its parent says, above what is there")
{
	struct child c = make_child(EXO | HV_CREATE_INTERCEPT_MESSAGE_PAGE);
	struct hv_in_map_vp_state_page in = {
		{ .partition_id = c.id, .type = HV_VP_STATE_PAGE_INTERCEPT_MESSAGE, .flags = HV_STATE_PAGE_LOCATION }, test_page(PLACE) >> 12 };
	struct hv_in_get_partition_property_ex can = { { .partition_id = HV_PARTITION_ID_SELF, .code = HV_PROPERTY_VMM_CAPABILITIES }, 0 };
	struct hv_out_get_memory_balance before;
	struct hv_message there;
	struct reply r;

	check_status(CALL(.code = HV_CALL_GET_PARTITION_PROPERTY_EX, .data = &can, .size = sizeof can, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE) + 8), HV_VMM_OVERLAY_LOCATION, "capabilities");
	put64(test_page(PLACE), 0x1234);
	balance(c.id, &before);
	r = CALL(.code = HV_CALL_MAP_VP_STATE_PAGE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
	check_status(r, HV_STATUS_SUCCESS);
	check_value(out64(r), test_page(PLACE) >> 12, "page");
	check_balance(c.id, before.pages_available - 1, before.pages_in_use + 1);
	run_code(&c, out_80, sizeof out_80);
	get_bytes(test_page(PLACE), &there, sizeof there);
	check_type(&there, HV_MESSAGE_IO_INTERCEPT);
	/* It can be written to, as one that the hypervisor has placed. */
	put64(test_page(PLACE), 7);
	check_value(get64(test_page(PLACE)), 7, "what has been written");
	check_status(state_page_call(HV_CALL_UNMAP_VP_STATE_PAGE, c.id, 0, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE), HV_STATUS_SUCCESS);
	check_value(get64(test_page(PLACE)), 0x1234, "what was there");
	check_balance(c.id, before.pages_available, before.pages_in_use);
	in.page.flags = 2;
	check_status(CALL(.code = HV_CALL_MAP_VP_STATE_PAGE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_INVALID_PARAMETER);
	in.page.flags = HV_STATE_PAGE_LOCATION;
	in.location = BEYOND_GPA_SPACE >> 12;
	check_status(CALL(.code = HV_CALL_MAP_VP_STATE_PAGE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_INVALID_PARAMETER);
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
		{ HV_REGISTER_INTERNAL_ACTIVITY_STATE, 1 }, { HV_REGISTER_PENDING_INTERRUPTION, 5 }, { HV_REGISTER_RAX, 18 }, { HV_REGISTER_XMM0, 26 },
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

/* ---- as a whole: HvGetVpState, HvSetVpState ---- */

enum { STATE_PAGE = 8 };

static struct reply state_call(uint16_t code, struct hv_in_vp_state in, uint64_t page)
{
	struct { struct hv_in_vp_state fixed; uint64_t page; } with = { in, page };

	return CALL(.code = code, .variable = 1, .data = &with, .size = sizeof with);
}

static struct hv_in_vp_state state_of(const struct child *c, uint32_t type)
{
	return (struct hv_in_vp_state){ .partition_id = c->id, .type = type, .xsave_components = 7 };
}

static void get_state(const struct child *c, uint32_t type, void *to, size_t n)
{
	check_status(state_call(HV_CALL_GET_VP_STATE, state_of(c, type), test_page(STATE_PAGE) >> 12), HV_STATUS_SUCCESS);
	get_bytes(test_page(STATE_PAGE), to, n);
}

static void set_state(const struct child *c, uint32_t type, const void *from, size_t n)
{
	put_bytes(test_page(STATE_PAGE), from, n);
	check_status(state_call(HV_CALL_SET_VP_STATE, state_of(c, type), test_page(STATE_PAGE) >> 12), HV_STATUS_SUCCESS);
}

RULE_HOST(T10_4_4_a, "the parent takes the APIC's state and sets it, an interrupt that waits included")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_apic_state s, again;
	struct hv_message m;

	get_state(&c, HV_VP_STATE_APIC, &s, sizeof s);
	check_value(s.svr, 0xff, "SVR after a reset");
	check_value(s.lvt[0], 0x10000, "timer after a reset");
	check_that(s.version & 0xff, "version 0x%x", s.version);
	s.svr = 0x1ff;
	s.lvt[4] = 0x400;
	s.ldr = 0x05000000;
	s.irr[0x77 / 32] = 1u << 0x77 % 32;
	s.irr[0] = 1;                                      /* no vector that there is */
	set_state(&c, HV_VP_STATE_APIC, &s, sizeof s);
	get_state(&c, HV_VP_STATE_APIC, &again, sizeof again);
	check_value(again.svr, 0x1ff, "SVR");
	check_value(again.lvt[4], 0x400, "LINT1");
	check_value(again.ldr, 0x05000000, "LDR");
	check_value(again.irr[0x77 / 32], 1u << 0x77 % 32, "IRR");
	check_value(again.irr[0], 0, "IRR below 16");
	child_handler(&c, 0x77);
	/* sti; nop; nop; out 0x80 */
	m = RUN_CODE(&c, 0xfb, 0x90, 0x90, OUT(0x80));
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x77, "port");
	get_state(&c, HV_VP_STATE_APIC, &again, sizeof again);
	check_value(again.isr[0x77 / 32], 1u << 0x77 % 32, "ISR");
	check_value(again.irr[0x77 / 32], 0, "IRR then");
}

RULE_HOST(T10_4_4_l, "the APIC's timer goes on where it was, and not again if it had expired")
{
	enum { BY_1 = 0xb, PERIODIC = 1 << 17, MASKED = 1 << 16 };
	static const struct { uint32_t lvt, current, want; } timers[] = {
		{ MASKED, 1000, 1000 }, { MASKED, 0, 0 }, { PERIODIC | MASKED, 1000, 1000 }, { PERIODIC | MASKED, 0, 5000 }, { 2 << 17 | MASKED, 1000, 0 },
	};
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	struct hv_apic_state s;

	for (unsigned i = 0; i < sizeof timers / sizeof timers[0]; i++) {
		get_state(&c, HV_VP_STATE_APIC, &s, sizeof s);
		s.svr = 0x1ff;
		s.lvt[0] = timers[i].lvt;
		s.divide = BY_1;
		s.initial = 5000;
		s.current = timers[i].current;
		set_state(&c, HV_VP_STATE_APIC, &s, sizeof s);
		/* It stands, and so does its VP's time. */
		get_state(&c, HV_VP_STATE_APIC, &s, sizeof s);
		check_value(s.current, timers[i].want, "current count, LVT 0x%x", timers[i].lvt);
	}
}

RULE_HOST(T10_4_3_a, "vector registers come and go as a compacted image")
{
	enum { XMM = 160, HEADER = 512, MXCSR = 24, AREA = 832 };
	struct child c = make_child(EXO);
	uint8_t image[AREA];
	uint64_t header[2], word;

	check_status(set_register128(c.id, 0, HV_REGISTER_XMM0 + 3, (struct hv_register_value){ 0x1122334455667788, 0x99 }), HV_STATUS_SUCCESS);
	get_state(&c, HV_VP_STATE_XSAVE, image, sizeof image);
	for (unsigned i = 0; i < 2; i++) {
		header[i] = 0;
		for (unsigned n = 8; n-- > 0;)
			header[i] = header[i] << 8 | image[HEADER + 8 * i + n];
	}
	check_value(header[0] & 2, 2, "SSE in XSTATE_BV");
	check_value(header[1] >> 63, 1, "compacted");
	check_value(image[XMM + 3 * 16], 0x88, "XMM3");
	check_value(image[XMM + 3 * 16 + 8], 0x99, "XMM3, high");
	image[XMM + 3 * 16] = 0x87;
	image[XMM + 9 * 16] = 0x42;
	set_state(&c, HV_VP_STATE_XSAVE, image, sizeof image);
	word = get_register(c.id, 0, HV_REGISTER_XMM0 + 3).value.low;
	check_value(word, 0x1122334455667787, "XMM3 by its name");
	check_value(get_register(c.id, 0, HV_REGISTER_XMM0 + 9).value.low, 0x42, "XMM9 by its name");
	/* A component that there is none of; a bit of MXCSR that there is none of: nothing changes. */
	image[HEADER + 9] = 0x80;
	image[XMM + 9 * 16] = 0x43;
	put_bytes(test_page(STATE_PAGE), image, sizeof image);
	check_status(state_call(HV_CALL_SET_VP_STATE, state_of(&c, HV_VP_STATE_XSAVE), test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARAMETER);
	image[HEADER + 9] = 0;
	image[MXCSR + 3] = 0x80;
	put_bytes(test_page(STATE_PAGE), image, sizeof image);
	check_status(state_call(HV_CALL_SET_VP_STATE, state_of(&c, HV_VP_STATE_XSAVE), test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARAMETER);
	check_value(get_register(c.id, 0, HV_REGISTER_XMM0 + 9).value.low, 0x42, "XMM9 at the end");
}

RULE_HOST(T10_4_4_b, "the pages of a SynIC are the guest's when it sees them")
{
	struct child c = make_child(EXO);
	uint32_t words[1024] = { 0x80000010, 0x1234 }, seen[1024];

	set_state(&c, HV_VP_STATE_MESSAGE_PAGE, words, sizeof words);
	words[0] = 0x55;
	set_state(&c, HV_VP_STATE_EVENT_PAGE, words, sizeof words);
	check_status(set_register(c.id, 0, HV_REGISTER_SIMP, 0x8000 | HV_MSR_PAGE_ENABLE), HV_STATUS_SUCCESS);
	check_status(set_register(c.id, 0, HV_REGISTER_SIEFP, 0x9000 | HV_MSR_PAGE_ENABLE), HV_STATUS_SUCCESS);
	/* mov eax, [0x8000]; mov ebx, [0x9000]; out 0x80 */
	RUN_CODE(&c, 0x66, 0xa1, 0x00, 0x80, 0x66, 0x8b, 0x1e, 0x00, 0x90, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_RAX), 0x80000010, "message page");
	check_value(child_register(&c, HV_REGISTER_RBX), 0x55, "event page");
	get_state(&c, HV_VP_STATE_EVENT_PAGE, seen, sizeof seen);
	check_value(seen[0], 0x55, "event page of the call");
	check_value(seen[1], 0x1234, "its second word");
}

RULE_HOST(T10_4_3_b, "timers come and go in the call's own lists")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp_state fixed; struct hv_timers_state timers; } in = { .fixed = state_of(&c, HV_VP_STATE_TIMERS) };
	struct hv_timers_state out;

	in.timers.timer[2].config = 3 << 16;               /* to SINT3, not enabled */
	in.timers.timer[2].count = 1ull << 50;
	check_status(CALL(.code = HV_CALL_SET_VP_STATE, .variable = sizeof in.timers / 8, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_GET_VP_STATE, .data = &in.fixed, .size = sizeof in.fixed, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
	get_bytes(test_page(OUT_PAGE), &out, sizeof out);
	check_value(out.timer[2].config, 3 << 16, "config");
	check_value(out.timer[2].count, 1ull << 50, "count");
	check_value(out.timer[1].config, 0, "config of another");
	in.timers.timer[0].config = 1ull << 63;            /* reserved */
	check_status(CALL(.code = HV_CALL_SET_VP_STATE, .variable = sizeof in.timers / 8, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARAMETER);
	/* The list must lie in a page, and be all there. */
	check_status(CALL(.code = HV_CALL_GET_VP_STATE, .data = &in.fixed, .size = sizeof in.fixed, .out = test_page(OUT_PAGE) + 0xff8), HV_STATUS_INVALID_ALIGNMENT);
	check_status(CALL(.code = HV_CALL_SET_VP_STATE, .variable = 24, .data = &in, .size = sizeof in.fixed + 24 * 8), HV_STATUS_INVALID_PARAMETER);
}

enum { MOST_WORDS = HV_VP_STATE_BYTES / 8 };

static struct reply state_words(uint16_t code, struct hv_in_vp_state fixed, const uint64_t *words, unsigned n)
{
	struct { struct hv_in_vp_state fixed; uint64_t words[MOST_WORDS]; } in = { .fixed = fixed };

	for (unsigned i = 0; i < n; i++)
		in.words[i] = words[i];
	return CALL(.code = code, .variable = n, .data = &in, .size = sizeof in.fixed + n * 8, .out = test_page(OUT_PAGE));
}

/* How many words a call about state of @type has. */
static unsigned words_of(uint16_t code, uint32_t type)
{
	return type & HV_VP_STATE_IN_PAGES ? 1 : code == HV_CALL_GET_VP_STATE ? 0 : MOST_WORDS;
}

/* One kind of VP @vp, to or from OUT_PAGE. */
static struct reply state_of_vp(uint16_t code, const struct child *c, uint32_t vp, uint32_t type)
{
	struct hv_in_vp_state fixed = state_of(c, type);
	uint64_t words[MOST_WORDS];

	fixed.vp_index = vp;
	get_bytes(test_page(OUT_PAGE), words, sizeof words);
	if (type & HV_VP_STATE_IN_PAGES)
		words[0] = test_page(OUT_PAGE) >> 12;
	return state_words(code, fixed, words, words_of(code, type));
}

static const struct { uint32_t type; unsigned bytes; } kinds[] = {
	{ HV_VP_STATE_APIC, sizeof(struct hv_apic_state) }, { HV_VP_STATE_XSAVE, 832 }, { HV_VP_STATE_MESSAGE_PAGE, 4096 },
	{ HV_VP_STATE_EVENT_PAGE, 4096 }, { HV_VP_STATE_TIMERS, HV_VP_STATE_BYTES },
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void get_kind(const struct child *c, uint32_t vp, unsigned i, void *to)
{
	for (unsigned n = 0; n < 4096; n += 8)
		put64(test_page(OUT_PAGE) + n, 0);
	check_status(state_of_vp(HV_CALL_GET_VP_STATE, c, vp, kinds[i].type), HV_STATUS_SUCCESS);
	get_bytes(test_page(OUT_PAGE), to, kinds[i].bytes);
}

/* Something of each kind that a new VP has not. */
static void fill_vp(const struct child *c)
{
	const uint32_t words[1024] = { 0x80000010, 0x1234, [1023] = 77 };
	struct hv_apic_state apic;

	get_state(c, HV_VP_STATE_APIC, &apic, sizeof apic);
	apic.svr = 0x155;
	apic.ldr = 0x02000000;
	apic.lvt[0] = 0x10030;
	apic.lvt[5] = 0x44;
	apic.divide = 3;
	apic.initial = 1000;
	apic.current = 700;
	apic.irr[2] = 0x8001;
	apic.tmr[2] = 0x8000;
	set_state(c, HV_VP_STATE_APIC, &apic, sizeof apic);
	set_state(c, HV_VP_STATE_MESSAGE_PAGE, words, sizeof words);
	set_state(c, HV_VP_STATE_EVENT_PAGE, words, sizeof words);
	child_set(c, HV_REGISTER_STIMER0_CONFIG + 4, 5 << 16);
	child_set(c, HV_REGISTER_STIMER0_CONFIG + 5, 1ull << 40);
	check_status(set_register128(c->id, 0, HV_REGISTER_XMM0 + 5, (struct hv_register_value){ 0x1122334455667788, 0x99 }), HV_STATUS_SUCCESS);
	check_status(set_register128(c->id, 0, HV_REGISTER_YMM0_HIGH + 5, (struct hv_register_value){ 3, 4 }), HV_STATUS_SUCCESS);
}

static unsigned first_difference(const uint8_t *a, const uint8_t *b, unsigned n)
{
	unsigned i = 0;

	while (i < n && a[i] == b[i])
		i++;
	return i;
}

RULE_HOST(T10_4_3_h, "state of each kind is the same in a VP that it is taken to, and stays where it was")
{
	static uint8_t before[4096], there[4096], behind[4096], fresh[4096];
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	child_vp(&c, 1);
	fill_vp(&c);
	for (unsigned i = 0; i < KINDS; i++) {
		get_kind(&c, 1, i, fresh);
		get_kind(&c, 0, i, before);
		check_that(first_difference(before, fresh, kinds[i].bytes) < kinds[i].bytes, "state 0x%x is that of a new VP", kinds[i].type);
		check_status(state_of_vp(HV_CALL_SET_VP_STATE, &c, 1, kinds[i].type), HV_STATUS_SUCCESS);
		get_kind(&c, 1, i, there);
		get_kind(&c, 0, i, behind);
		check_value(first_difference(before, there, kinds[i].bytes), kinds[i].bytes, "bytes of state 0x%x that are the same", kinds[i].type);
		check_value(first_difference(before, behind, kinds[i].bytes), kinds[i].bytes, "bytes of state 0x%x that stayed", kinds[i].type);
	}
	check_register(c.id, 1, HV_REGISTER_XMM0 + 5, 0x1122334455667788);
	check_register(c.id, 1, HV_REGISTER_STIMER0_CONFIG + 5, 1ull << 40);
}

RULE_HOST(T10_4_4_j, "of each kind: flags, a trust level, more than one page, no kind with the same number")
{
	static const uint16_t both[] = { HV_CALL_GET_VP_STATE, HV_CALL_SET_VP_STATE };
	struct child c = make_child(EXO);

	for (unsigned i = 0; i < KINDS; i++)
		for (unsigned k = 0; k < 2; k++) {
			const struct hv_in_vp_state good = state_of(&c, kinds[i].type);
			const bool in_pages = kinds[i].type & HV_VP_STATE_IN_PAGES;
			const uint64_t words[MOST_WORDS] = { in_pages ? test_page(OUT_PAGE) >> 12 : 0, in_pages ? test_page(OUT_PAGE) >> 12 : 0 };
			unsigned n = words_of(both[k], kinds[i].type);
			struct hv_in_vp_state in = good;

			in.flags = 1;
			check_status(state_words(both[k], in, words, n), HV_STATUS_INVALID_PARAMETER);
			in = good;
			in.vtl = 2;
			check_status(state_words(both[k], in, words, n), HV_STATUS_INVALID_PARAMETER);
			in = good;
			in.type ^= HV_VP_STATE_IN_PAGES;
			check_status(state_words(both[k], in, words, n), HV_STATUS_INVALID_PARAMETER);
			if (in_pages)
				check_status(state_words(both[k], good, words, 2), HV_STATUS_INVALID_PARAMETER);
			/* The only level there is, said so; padding that nobody looks at.  What the first gives the second takes. */
			in = good;
			in.vtl = 0x10;
			in.padding = 5;
			check_status(state_words(both[k], in, words, n), HV_STATUS_SUCCESS);
		}
}

RULE_HOST(T10_4_4_n, "state is a child's, which is active")
{
	static const uint16_t both[] = { HV_CALL_GET_VP_STATE, HV_CALL_SET_VP_STATE };
	struct child c = make_child(EXO);
	struct hv_in_vp_state in = state_of(&c, HV_VP_STATE_APIC);

	for (unsigned k = 0; k < 2; k++) {
		in.partition_id = own_id();
		check_status(state_call(both[k], in, test_page(STATE_PAGE) >> 12), HV_STATUS_ACCESS_DENIED);
		in.partition_id = 0x99999999;
		check_status(state_call(both[k], in, test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARTITION_ID);
	}
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	in.partition_id = c.id;
	for (unsigned k = 0; k < 2; k++)
		check_status(state_call(both[k], in, test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T10_4_4_c, "state of no kind, of no VP, in no page is refused")
{
	struct child c = make_child(EXO);
	struct hv_in_vp_state in = state_of(&c, HV_VP_STATE_APIC);
	static const uint16_t both[] = { HV_CALL_GET_VP_STATE, HV_CALL_SET_VP_STATE };

	for (unsigned i = 0; i < 2; i++) {
		struct hv_in_vp_state bad = in;

		check_status(state_call(both[i], in, BEYOND_GPA_SPACE >> 12), HV_STATUS_INVALID_PARAMETER);
		check_status(state_call(both[i], in, NO_MEMORY >> 12), HV_STATUS_INVALID_PARAMETER);
		check_status(CALL(.code = both[i], .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARAMETER);
		bad.type = HV_VP_STATE_EVENT_PAGE + 1;
		check_status(state_call(both[i], bad, test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARAMETER);
		bad = in;
		bad.vp_index = 5;
		check_status(state_call(both[i], bad, test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_VP_INDEX);
		bad = in;
		bad.vtl = 1;
		check_status(state_call(both[i], bad, test_page(STATE_PAGE) >> 12), HV_STATUS_INVALID_PARAMETER);
	}
}
