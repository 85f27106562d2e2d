/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 10: registers and suspension of a child's VP that runs. */
#include "child.h"

#include "hv/hypercall.h"

enum { ROUNDS = 100, COUNTER = CHILD_DATA, CALL_IN = 0x5000, CALL_OUT = 0x6000, CALL_PAGE = 0x7000 };

/* Sum of what VP 0 has done. */
static uint64_t done(const struct child *c)
{
	return child_get64(c, COUNTER) & UINT32_MAX;
}

static void await_more(const struct child *c)
{
	uint64_t before = done(c);

	for (unsigned i = 0; i < ROUNDS && done(c) == before; i++)
		check_silence();
	check_that(done(c) != before, "the child does not run");
}

/* VP 0 reads a register of its own, and counts, with no end. */
static struct child calling_child(void)
{
	/* mov eax, 0x50; mov edx, 1; xor ebx, ebx; mov ecx, CALL_IN; xor edi, edi; mov esi, CALL_OUT; vmcall; inc dword [COUNTER]; jmp */
	static const uint8_t code[] = { 0xb8, BYTES_32(HV_CALL_GET_VP_REGISTERS), 0xba, BYTES_32(1), 0x31, 0xdb, 0xb9, BYTES_32(CALL_IN), 0x31, 0xff,
					0xbe, BYTES_32(CALL_OUT), 0x0f, 0x01, 0xc1, 0xff, 0x05, BYTES_32(COUNTER), 0xeb, 0xdb };
	struct { struct hv_in_vp vp; uint32_t name; } in = { { .partition_id = HV_PARTITION_ID_SELF, .vp_index = HV_VP_INDEX_SELF }, HV_REGISTER_VP_INDEX };
	struct child c = make_child(OF_2009);

	child_protected(&c);
	child_put(&c, CHILD_CODE, code, sizeof code);
	child_put(&c, CALL_IN, &in, sizeof in);
	child_set(&c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(&c, HV_REGISTER_HYPERCALL, CALL_PAGE | 1);
	child_go(&c, 0);
	await_more(&c);
	return c;
}

RULE_HOST(T10_3_1_b, "explicit suspension stops a VP, whatever it is at, and ends when it is cleared")
{
	struct child c = calling_child();

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t stands;

		child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
		stands = done(&c);
		check_value(child_register(&c, HV_REGISTER_EXPLICIT_SUSPEND), HV_SUSPENDED, "the register");
		check_value(done(&c), stands, "what it has done");
		child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	}
	await_more(&c);
}

RULE_HOST_GUEST(T4_6_g, "no call writes its output to a page that has been taken away")
{
	struct child c = calling_child();
	uint64_t page = c.first + CALL_OUT / 0x1000;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t mark = ~(uint64_t)i;
		struct hv_message m;

		check_reps(unmap_pages(c.id, CALL_OUT / 0x1000, 1), HV_STATUS_SUCCESS, 1);
		put64(page * 0x1000, mark);
		put64(page * 0x1000 + 8, mark);
		/* The next call finds it gone. */
		m = next_message();
		check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
		check_value(get64(page * 0x1000), mark, "the value's low half");
		check_value(get64(page * 0x1000 + 8), mark, "the value's high half");
		check_reps(map_pages(c.id, CALL_OUT / 0x1000, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
		child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	}
	await_more(&c);
}

RULE_HOST(T10_1_2_a, "registers of a VP that runs are read and written")
{
	struct child c = calling_child();

	for (unsigned i = 0; i < ROUNDS; i++) {
		child_set(&c, HV_REGISTER_R8 + 1, i);
		check_value(child_register(&c, HV_REGISTER_R8 + 1), i, "R9");
	}
	await_more(&c);
}

RULE_HOST(T10_4_2_e, "a VP that runs can be deleted")
{
	for (unsigned i = 0; i < 10; i++) {
		struct child c = calling_child();
		struct hv_in_vp in = { .partition_id = c.id };
		uint64_t stands;

		check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
		stands = done(&c);
		check_silence();
		check_value(done(&c), stands, "what it has done");
		check_status(get_register(c.id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	}
}

/* ---- what its VP's registers are ---- */

static void check_high(const struct child *c, uint32_t name, uint64_t want)
{
	check_value(get_register(c->id, 0, name).value.high, want, "high half of register 0x%x", name);
}

static struct hv_register_value segment_value(uint64_t base, uint32_t limit, uint16_t selector, uint16_t attributes)
{
	union {
		struct hv_segment_register segment;
		struct hv_register_value value;
	} v = { .segment = { base, limit, selector, attributes } };

	return v.value;
}

static void set_full(const struct child *c, uint32_t name, struct hv_register_value v)
{
	check_status(set_register128(c->id, 0, name, v), HV_STATUS_SUCCESS);
}

static const uint8_t out_80[] = { 0x90, OUT(0x80), OUT(0x81) };

RULE_HOST(T10_1_2_c, "a VP whose registers do not fit together is suspended, and its parent told")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_set(&c, HV_REGISTER_CR0, 0x80000010);
	child_go(&c, 0);
	m = next_message();
	check_type(&m, HV_MESSAGE_INVALID_REGISTER);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND) & HV_SUSPENDED, HV_SUSPENDED, "intercept suspend");
}

RULE_HOST(T10_1_2_d, "it executes nothing until its parent has it go on")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_set(&c, HV_REGISTER_CR0, 0x80000010);
	child_go(&c, 0);
	m = next_message();
	check_type(&m, HV_MESSAGE_INVALID_REGISTER);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP");
	child_set(&c, HV_REGISTER_CR0, 0x10);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

RULE_HOST(T10_1_2_b, "a value that cannot be is refused at once")
{
	struct child c = make_child(EXO);

	check_status(set_register(c.id, 0, HV_REGISTER_CR0, 1ull << 32), HV_STATUS_INVALID_PARAMETER);
	check_value(child_register(&c, HV_REGISTER_CR0), 0x60000010, "CR0");
}

RULE_HOST(T10_1_3_a, "a VP stands while one of its suspend bits is set")
{
	struct child c = make_child(EXO);

	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP under explicit suspension");
	go_on(&c);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE + 1, "RIP under intercept suspension");
}

RULE_HOST(T10_1_3_b, "of two reasons to stand, one that ends leaves the other")
{
	struct child c = make_child(EXO);

	run_code(&c, out_80, sizeof out_80);
	child_set(&c, HV_REGISTER_RIP, CHILD_CODE + 3);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	check_silence();
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	next_message();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE + 3, "RIP");
}

RULE_HOST(T10_1_3_c, "a VP that is suspended uses no time")
{
	struct child c = calling_child();
	uint64_t before;

	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	before = child_register(&c, HV_REGISTER_VP_RUNTIME);
	check_silence();
	/* Of its thread, which may have been asked for a register. */
	check_that(child_register(&c, HV_REGISTER_VP_RUNTIME) - before < 20000, "run time grows");
}

RULE_HOST(T10_1_3_d, "the parent sets and clears explicit suspension, and only clears that of an intercept")
{
	struct child c = make_child(EXO);

	for (unsigned i = 0; i < 2; i++) {
		child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
		check_value(child_register(&c, HV_REGISTER_EXPLICIT_SUSPEND), HV_SUSPENDED, "explicit");
	}
	run_code(&c, out_80, sizeof out_80);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "intercept");
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "intercept when it was cleared");
	check_status(set_register(c.id, 0, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_1_3_e, "a VP that is halted is not suspended")
{
	struct child c = make_child(OF_2009);

	child_start_at(&c, 0, CHILD_CODE);
	child_put(&c, CHILD_CODE, "\xf4", 1);
	child_go(&c, 0);
	for (unsigned i = 0; i < ROUNDS && child_register(&c, HV_REGISTER_RIP) != CHILD_CODE + 1; i++)
		check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE + 1, "RIP");
	check_value(child_register(&c, HV_REGISTER_EXPLICIT_SUSPEND), 0, "explicit");
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "intercept");
	check_value(child_register(&c, HV_REGISTER_INTERNAL_ACTIVITY_STATE), HV_ACTIVITY_HALT_SUSPEND, "activity");
}

RULE_HOST(T10_1_3_f, "a VP that is halted stays so behind a suspension")
{
	struct child c = make_child(EXO | HV_CREATE_LAPIC);

	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_set(&c, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_HALT_SUSPEND);
	child_go(&c, 0);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_INTERNAL_ACTIVITY_STATE), HV_ACTIVITY_HALT_SUSPEND, "activity");
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE, "RIP");
}

RULE_HOST(T10_3_1_c, "an intercept sets the intercept suspension")
{
	struct child c = make_child(EXO);

	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "before");
	run_code(&c, out_80, sizeof out_80);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "after");
}

RULE_HOST(T10_3_1_e, "suspension and the inhibition of flushes are cleared together or apart")
{
	for (uint64_t keep = 0; keep < 4; keep++) {
		struct child c = make_child(OF_2009);
		/* mov al, [0] with DS at CHILD_NOTHING */
		static const uint8_t code[] = { 0xa0, 0, 0 };

		child_start_at(&c, 0, CHILD_CODE);
		child_put(&c, CHILD_CODE, code, sizeof code);
		set_full(&c, HV_REGISTER_DS, segment_value(CHILD_NOTHING, 0xffff, CHILD_NOTHING >> 4, 0x93));
		go_on(&c);
		check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED | HV_TLB_FLUSH_INHIBIT, "the register");
		child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
		child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, keep);
		check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), keep, "the register with %u kept", (unsigned)keep);
	}
}

RULE_HOST(T10_3_2_e, "the run time cannot be written")
{
	struct child c = make_child(EXO);

	check_status(set_register(c.id, 0, HV_REGISTER_VP_RUNTIME, 0), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_3_a, "behind STI stands an interrupt shadow")
{
	struct child c = make_child(EXO);

	/* sti; out 0x80 */
	RUN_CODE(&c, 0xfb, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_INTERRUPT_STATE), HV_INTERRUPT_SHADOW, "interrupt state");
	child_set(&c, HV_REGISTER_INTERRUPT_STATE, 0);
	RUN_CODE(&c, 0xfa, 0x90, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_INTERRUPT_STATE), 0, "interrupt state elsewhere");
}

/* Vector 0x21 and NMI lead to OUT(0x77). */
static struct child child_with_handler(unsigned vector)
{
	struct child c = make_child(EXO);
	const uint8_t code[] = { OUT(0x77) };
	uint32_t far = CHILD_DATA;

	child_put(&c, vector * 4, &far, sizeof far);
	child_put(&c, CHILD_DATA, code, sizeof code);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	return c;
}

#define INTERRUPTION(type, vector) \
	(HV_INTERRUPTION_PENDING | (uint64_t)(type) << HV_INTERRUPTION_TYPE_SHIFT | (uint64_t)(vector) << HV_INTERRUPTION_VECTOR_SHIFT)

/* The port of the next message. */
static uint16_t next_port(const struct child *c)
{
	struct hv_message m = go_on(c);

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	return MESSAGE_AS(hv_io_message, &m)->port;
}

/* An interruption whose delivery is an intercept: its stack cannot be touched.  The message. */
static struct hv_message deliver_in_vain(const struct child *c)
{
	child_set(c, HV_REGISTER_RSP, CHILD_UNTOUCHABLE + 0x100);
	child_set(c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21));
	return go_on(c);
}

RULE_HOST(T10_3_4_b, "a pending interruption is delivered before anything is executed")
{
	struct child c = child_with_handler(0x21);

	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21));
	check_value(next_port(&c), 0x77, "port");
	check_value(child_get64(&c, CHILD_STACK - 6) & 0xffff, CHILD_CODE, "IP on the stack");
}

RULE_HOST(T10_3_4_c, "its vector is the register's")
{
	for (unsigned vector = 0x30; vector < 0x100; vector += 0x45) {
		struct child c = child_with_handler(vector);

		child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, vector));
		check_value(next_port(&c), 0x77, "port");
	}
}

RULE_HOST(T10_3_4_g, "an interruption whose delivery was an intercept is delivered when the VP goes on")
{
	struct child c = child_with_handler(0x21);
	struct hv_message m = deliver_in_vain(&c);

	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(child_register(&c, HV_REGISTER_PENDING_INTERRUPTION), INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21), "the register");
	child_set(&c, HV_REGISTER_RSP, CHILD_STACK);
	check_value(next_port(&c), 0x77, "port");
}

RULE_HOST(T10_3_4_f, "an interruption whose delivery is an intercept stays, and the message says so")
{
	struct child c = child_with_handler(0x21);
	struct hv_message m = deliver_in_vain(&c);

	check_that(header(&m)->state & HV_EXECUTION_INTERRUPTION_PENDING, "the message does not say so");
	check_value(child_register(&c, HV_REGISTER_PENDING_INTERRUPTION), INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21), "the register");
}

RULE_HOST(T10_3_4_h, "a pending interruption can be taken back or replaced")
{
	struct child c = child_with_handler(0x21);

	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21));
	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, 0);
	check_value(next_port(&c), 0x80, "port without");
	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x50));
	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_INTERRUPT, 0x21));
	check_value(next_port(&c), 0x77, "port of the second");
}

RULE_HOST(T10_3_4_i, "what was delivered is not pending any more")
{
	struct child c = child_with_handler(2);

	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_NMI, 2));
	check_value(next_port(&c), 0x77, "port");
	check_value(child_register(&c, HV_REGISTER_PENDING_INTERRUPTION), 0, "the register");
	check_value(child_register(&c, HV_REGISTER_INTERRUPT_STATE) & HV_NMI_MASKED, HV_NMI_MASKED, "NMI masked");
}

RULE_HOST(T10_3_5_a, "a floating-point register is 80 bits, the rest reads as 0")
{
	struct child c = make_child(EXO);

	set_full(&c, HV_REGISTER_FP_MMX0, (struct hv_register_value){ 0x8000000000000001, 0xbfff });
	check_register(c.id, 0, HV_REGISTER_FP_MMX0, 0x8000000000000001);
	check_high(&c, HV_REGISTER_FP_MMX0, 0xbfff);
}

RULE_HOST(T10_3_5_d, "reserved bits of MXCSR are invalid")
{
	struct child c = make_child(EXO);

	check_status(set_register128(c.id, 0, HV_REGISTER_XMM_CONTROL_STATUS, (struct hv_register_value){ 0, 1u << 16 }), HV_STATUS_INVALID_PARAMETER);
	set_full(&c, HV_REGISTER_XMM_CONTROL_STATUS, (struct hv_register_value){ 0, 0x1f80 });
}

RULE_HOST(T10_3_6_b, "limits that no descriptor has are invalid")
{
	struct child c = make_child(EXO);

	check_status(set_register128(c.id, 0, HV_REGISTER_DS, segment_value(0, 0x123456, 0, 0x8093)), HV_STATUS_INVALID_PARAMETER);
	check_status(set_register128(c.id, 0, HV_REGISTER_DS, segment_value(0, 0x100000, 0, 0x93)), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_6_a, "the limit is in bytes, whatever the granularity")
{
	struct child c = make_child(EXO);

	set_full(&c, HV_REGISTER_DS, segment_value(0, 0x12345fff, 0, 0x8093));
	check_value(child_register(&c, HV_REGISTER_DS), 0, "base");
	check_high(&c, HV_REGISTER_DS, 0x8093000012345fff);
}

RULE_HOST(T10_3_6_e, "a segment with selector 0 that is present can be used, by what was written")
{
	struct child c = make_child(EXO);

	/* mov al, [0]; out 0x80, al */
	child_put(&c, 0x5000, "\x5a", 1);
	child_start_at(&c, 0, CHILD_CODE);
	child_put(&c, CHILD_CODE, (const uint8_t[]){ 0xa0, 0, 0, OUT(0x80) }, 5);
	set_full(&c, HV_REGISTER_DS, segment_value(0x5000, 0xffff, 0, 0x93));
	go_on(&c);
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xff, 0x5a, "AL");
}

RULE_HOST(T10_3_6_g, "no descriptor is fetched for a segment that is written")
{
	struct child c = make_child(EXO);

	child_protected(&c);
	/* No table at all; a base that no descriptor of it has. */
	set_full(&c, HV_REGISTER_GDTR, (struct hv_register_value){ 0, 0 });
	set_full(&c, HV_REGISTER_DS, segment_value(0x5000, UINT32_MAX, 0x48, 0xc093));
	child_put(&c, 0x5000, "\xa5", 1);
	RUN_AS_IS(&c, 0xa0, 0, 0, 0, 0, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xff, 0xa5, "AL");
}

RULE_HOST(T10_3_7_a, "a table register has a base and a limit of 16 bits")
{
	struct child c = make_child(EXO);

	set_full(&c, HV_REGISTER_GDTR, (struct hv_register_value){ 0x1234ull << 48, 0x5678 });
	check_register(c.id, 0, HV_REGISTER_GDTR, 0x1234ull << 48);
	check_high(&c, HV_REGISTER_GDTR, 0x5678);
}

RULE_HOST(T10_3_7_b, "the padding of a table register reads as 0")
{
	struct child c = make_child(EXO);

	set_full(&c, HV_REGISTER_IDTR, (struct hv_register_value){ 0x1234ffffffffffff, 0x5678 });
	check_register(c.id, 0, HV_REGISTER_IDTR, 0x1234ull << 48);
}

RULE_HOST(T10_2_2_c, "the bases of FS and GS are those of their MSRs")
{
	struct child c = make_child(EXO);

	child_long(&c);
	set_full(&c, HV_REGISTER_FS, segment_value(0x12345678, UINT32_MAX, 0, 0xc093));
	RUN_AS_IS(&c, 0xb9, BYTES_32(0xc0000100), 0x0f, 0x32, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_RAX) & UINT32_MAX, 0x12345678, "IA32_FS_BASE");
	/* mov eax, 0x4321; xor edx, edx; mov ecx, IA32_GS_BASE; wrmsr */
	RUN_AS_IS(&c, 0xb8, BYTES_32(0x4321), 0x31, 0xd2, 0xb9, BYTES_32(0xc0000101), 0x0f, 0x30, OUT(0x80));
	check_register(c.id, 0, HV_REGISTER_GS, 0x4321);
}

RULE_HOST(T10_2_2_d, "registers of the partition are the same for each VP")
{
	struct child c = make_child(EXO);

	make_vp(c.id, 3);
	child_set(&c, HV_REGISTER_GUEST_OS_ID, 0x8100000000001234);
	check_register(c.id, 3, HV_REGISTER_GUEST_OS_ID, 0x8100000000001234);
	check_status(set_register(c.id, 3, HV_REGISTER_HYPERCALL, CALL_PAGE | 1), HV_STATUS_SUCCESS);
	check_register(c.id, 0, HV_REGISTER_HYPERCALL, CALL_PAGE | 1);
}

RULE_HOST(T10_2_3_b, "bytes that a register has not read as 0")
{
	struct child c = make_child(EXO);
	static const uint32_t names[] = { HV_REGISTER_RAX, HV_REGISTER_RIP, HV_REGISTER_CR0, HV_REGISTER_CR8, HV_REGISTER_DR7, HV_REGISTER_EFER,
					  HV_REGISTER_VP_INDEX, HV_REGISTER_SINT0, HV_REGISTER_INITIAL_APIC_ID };

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		check_high(&c, names[i], 0);
}

/* ---- VPs that come ---- */

RULE_HOST(T10_1_a, "a partition without VPs is one")
{
	uint64_t id = make_active_partition();

	check_status(get_register(id, 0, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	give_pages(id, 0, 1);
}

RULE_HOST(T10_1_1_a, "partition and index name a VP")
{
	struct child c = make_child(EXO), d = make_child(EXO);

	make_vp(c.id, 1);
	child_set(&c, HV_REGISTER_RBX, 1);
	child_set(&d, HV_REGISTER_RBX, 2);
	check_status(set_register(c.id, 1, HV_REGISTER_RBX, 3), HV_STATUS_SUCCESS);
	check_register(c.id, 0, HV_REGISTER_RBX, 1);
	check_register(d.id, 0, HV_REGISTER_RBX, 2);
	check_register(c.id, 1, HV_REGISTER_RBX, 3);
}

RULE_HOST(T10_2_1_e, "no call of a VP takes any VP")
{
	struct child c = make_child(EXO);

	check_status(get_register(c.id, UINT32_MAX, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	check_status(set_register(c.id, UINT32_MAX, HV_REGISTER_RAX, 0), HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T10_1_5_d, "VPs come and go in any order, the first among them")
{
	struct child c = make_child(EXO);
	struct hv_in_vp in = { .partition_id = c.id };

	make_vp(c.id, 2);
	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_register(c.id, 2, HV_REGISTER_VP_INDEX, 2);
	make_vp(c.id, 0);
	check_register(c.id, 0, HV_REGISTER_APIC_BASE, 0xfee00900);
	check_register(c.id, 2, HV_REGISTER_APIC_BASE, 0xfee00800);
}

RULE_HOST(T10_4_1_a, "a new VP has synthetic registers that are off")
{
	struct child c = make_child(EXO);

	check_register(c.id, 0, HV_REGISTER_SCONTROL, 0);
	check_register(c.id, 0, HV_REGISTER_SIEFP, 0);
	check_register(c.id, 0, HV_REGISTER_SIMP, 0);
	for (uint32_t n = 0; n < 16; n++)
		check_register(c.id, 0, HV_REGISTER_SINT0 + n, 0x10000);
	for (uint32_t n = 0; n < 8; n += 2)
		check_register(c.id, 0, HV_REGISTER_STIMER0_CONFIG + n, 0);
}

/* mov dword [0xfee00310], 1 << 24; mov dword [0xfee00300], 0x4600 | page: a start-up IPI to VP 1; out 0x80 */
#define SEND_SIPI(page) \
	0xc7, 0x05, BYTES_32(0xfee00310), BYTES_32(1u << 24), 0xc7, 0x05, BYTES_32(0xfee00300), BYTES_32(0x4600 | (page)), OUT(0x80)

RULE_HOST(T10_4_1_f, "a VP that nobody has started stands, whatever it is sent")
{
	struct child c = make_child(EXO);

	make_vp(c.id, 1);
	check_register(c.id, 1, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_STARTUP_SUSPEND);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_protected(&c);
	RUN_AS_IS(&c, SEND_SIPI(1));
	check_silence();
	check_register(c.id, 1, HV_REGISTER_RIP, 0xfff0);
	check_register(c.id, 1, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
}

/* ---- lists ---- */

RULE_HOST(T10_4_3_a, "output n is the value of name n, also of one that is there twice")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp vp; uint32_t name[3]; } in = { { .partition_id = c.id }, { HV_REGISTER_RBX, HV_REGISTER_RSI, HV_REGISTER_RBX } };

	child_set(&c, HV_REGISTER_RBX, 5);
	child_set(&c, HV_REGISTER_RSI, 6);
	check_reps(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 3, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS, 3);
	check_value(get64(test_page(OUT_PAGE)), 5, "first");
	check_value(get64(test_page(OUT_PAGE) + 16), 6, "second");
	check_value(get64(test_page(OUT_PAGE) + 32), 5, "third");
}

RULE_HOST(T10_4_3_h, "reading EOI and EOM does nothing and gives 0")
{
	struct child c = make_child(EXO);

	check_register(c.id, 0, HV_REGISTER_EOI, 0);
	check_register(c.id, 0, HV_REGISTER_EOM, 0);
}

RULE_HOST(T10_4_3_i, "a list that begins in its middle leaves what is before")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp vp; uint32_t name[3]; } in = { { .partition_id = c.id }, { HV_REGISTER_RAX, HV_REGISTER_RIP, HV_REGISTER_RIP } };

	put64(test_page(OUT_PAGE), 0x1111);
	check_reps(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 3, .start = 2, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)),
		   HV_STATUS_SUCCESS, 3);
	check_value(get64(test_page(OUT_PAGE)), 0x1111, "first");
	check_value(get64(test_page(OUT_PAGE) + 32), CHILD_CODE, "third");
}

RULE_HOST(T10_4_4_a, "elements are written in order")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp vp; struct hv_register_assoc list[3]; } in = {
		{ .partition_id = c.id }, { { HV_REGISTER_RAX, .value = { 1 } }, { HV_REGISTER_RAX, .value = { 2 } }, { HV_REGISTER_RBX, .value = { 3 } } } };

	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 3, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS, 3);
	check_register(c.id, 0, HV_REGISTER_RAX, 2);
	check_register(c.id, 0, HV_REGISTER_RBX, 3);
}

RULE_HOST(T10_4_4_j, "reserved bytes of the header are 0")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp vp; struct hv_register_assoc list[1]; } in = {
		{ .partition_id = c.id, .reserved = { 0, 1 } }, { { HV_REGISTER_RAX, .value = { 1 } } } };

	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 1, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARAMETER, 0);
}

RULE_HOST(T10_4_4_l, "a list that ends with a suspend register has the VP go on with all of it")
{
	struct child c = make_child(EXO);
	struct { struct hv_in_vp vp; struct hv_register_assoc list[3]; } in = {
		{ .partition_id = c.id }, { { HV_REGISTER_RAX, .value = { 0x42 } }, { HV_REGISTER_RIP, .value = { CHILD_CODE + 3 } },
		{ HV_REGISTER_EXPLICIT_SUSPEND, .value = { 0 } } } };
	struct hv_message m;

	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	check_reps(CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 3, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS, 3);
	m = next_message();
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "port");
	check_value(MESSAGE_AS(hv_io_message, &m)->rax & 0xff, 0x42, "AL");
}

RULE_HOST(T10_4_4_n, "writing is the parent's call, for a VP of an active child")
{
	struct child c = make_child(EXO);

	check_status(set_register(0x99999999, 0, HV_REGISTER_RAX, 0), HV_STATUS_INVALID_PARTITION_ID);
	check_status(set_register(c.id, 9, HV_REGISTER_RAX, 0), HV_STATUS_INVALID_VP_INDEX);
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	check_status(set_register(c.id, 0, HV_REGISTER_RAX, 0), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T10_4_2_f, "an index that has no VP is none to delete")
{
	struct child c = make_child(EXO);
	struct hv_in_vp in = { .partition_id = c.id, .vp_index = 9 };

	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T10_4_2_g, "deleting is the parent's call, in an active child")
{
	struct child c = make_child(EXO);
	struct hv_in_vp in = { .partition_id = own_id() };

	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_ACCESS_DENIED);
	in.partition_id = 0x99999999;
	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARTITION_ID);
	in.partition_id = c.id;
	call_id(HV_CALL_FINALIZE_PARTITION, c.id);
	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_INVALID_PARTITION_STATE);
}

/* ---- exceptions that the parent injects ---- */

/* In protected mode, with a table of vectors 0 to 31 that lead to OUT(vector). */
static struct child child_with_vectors(void)
{
	struct child c = make_child(EXO);

	child_protected(&c);
	/* Descriptors: code, data. */
	child_put(&c, 0x5000, (const uint64_t[]){ 0, 0x00cf9b000000ffff, 0x00cf93000000ffff }, 24);
	set_full(&c, HV_REGISTER_GDTR, (struct hv_register_value){ 23ull << 48, 0x5000 });
	for (unsigned i = 0; i < 32; i++) {
		const uint8_t code[] = { OUT((uint8_t)i) };
		uint64_t at = 0x6000 + i * 16, gate = (at & 0xffff) | 8 << 16 | 0x8eull << 40;

		child_put(&c, 0x4000 + i * 8, &gate, sizeof gate);
		child_put(&c, at, code, sizeof code);
	}
	set_full(&c, HV_REGISTER_IDTR, (struct hv_register_value){ 255ull << 48, 0x4000 });
	child_segment(&c, HV_REGISTER_CS, 8, 0xc09b);
	child_segment(&c, HV_REGISTER_SS, 16, 0xc093);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	return c;
}

RULE_HOST(T10_3_4_e, "an exception with an error code is injected by the register")
{
	struct child c = child_with_vectors();

	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_EXCEPTION, 13) | HV_INTERRUPTION_DELIVER_ERROR);
	check_value(next_port(&c), 13, "port");
	check_value(child_get64(&c, CHILD_STACK - 16), (uint64_t)CHILD_CODE << 32, "error code, EIP");
}

RULE_HOST(T10_3_4_d, "the error code is pushed if that is asked for")
{
	struct child c = child_with_vectors();

	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_EXCEPTION, 14) | HV_INTERRUPTION_DELIVER_ERROR | 5ull << 32);
	check_value(next_port(&c), 14, "port");
	check_value(child_get64(&c, CHILD_STACK - 16), (uint64_t)CHILD_CODE << 32 | 5, "error code, EIP");
	c = child_with_vectors();
	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, INTERRUPTION(HV_INTERRUPTION_EXCEPTION, 6) | 5ull << 32);
	check_value(next_port(&c), 6, "port");
	check_value(child_get64(&c, CHILD_STACK - 12) & UINT32_MAX, CHILD_CODE, "EIP");
}

RULE_HOST(T11_12_k, "a page fault is injected as an event, with its address")
{
	struct child c = child_with_vectors();
	struct hv_register_value v = { HV_EVENT_PENDING | HV_EVENT_DELIVER_ERROR | 14u << HV_EVENT_VECTOR_SHIFT | 2ull << HV_EVENT_ERROR_SHIFT, 0x12345678 };

	set_full(&c, HV_REGISTER_PENDING_EVENT0, v);
	check_register(c.id, 0, HV_REGISTER_PENDING_EVENT0, v.low);
	check_high(&c, HV_REGISTER_PENDING_EVENT0, v.high);
	check_value(next_port(&c), 14, "port");
	check_value(child_register(&c, HV_REGISTER_CR2), 0x12345678, "CR2");
	check_register(c.id, 0, HV_REGISTER_PENDING_EVENT0, 0);
	v.low |= 5 << HV_EVENT_TYPE_SHIFT;
	check_status(set_register128(c.id, 0, HV_REGISTER_PENDING_EVENT0, v), HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T10_3_6_d, "a segment that is not present is #GP")
{
	struct child c = child_with_vectors();

	set_full(&c, HV_REGISTER_DS, segment_value(0, UINT32_MAX, 0, 0xc013));
	child_put(&c, CHILD_CODE, (const uint8_t[]){ 0xa0, 0, 0, 0, 0, OUT(0x80) }, 7);
	check_value(next_port(&c), 13, "port");
}

RULE_HOST(T10_4_1_n, "a domain that is not told to be valid is not looked at")
{
	struct hv_in_create_vp in = { .partition_id = make_active_partition(), .domain = { 77, HV_PROXIMITY_PREFERRED } };

	check_status(CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
}

RULE_HOST(T10_4_1_d, "the first VP begins at the reset vector, with no start-up IPI")
{
	struct child c = make_child(EXO);
	struct hv_in_vp in = { .partition_id = c.id };
	struct hv_message m;

	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	make_vp(c.id, 0);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	m = next_message();
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, 0xfffffff0, "where it begins");
}

RULE_HOST(T10_1_6_c, "the parent changes the initial APIC id, which CPUID tells")
{
	struct child c = make_child(EXO);

	child_set(&c, HV_REGISTER_INITIAL_APIC_ID, 0x5a);
	child_protected(&c);
	RUN_AS_IS(&c, 0xb8, BYTES_32(1), 0x0f, 0xa2, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_RBX) >> 24 & 0xff, 0x5a, "EBX 31:24 of leaf 1");
}

RULE_HOST(T10_4_1_e, "another VP than the first waits for a start-up IPI when its suspension ends")
{
	static const uint8_t started[] = { OUT(0x44) };
	struct child c = make_child(EXO);

	make_vp(c.id, 1);
	check_status(set_register(c.id, 1, HV_REGISTER_EXPLICIT_SUSPEND, 0), HV_STATUS_SUCCESS);
	check_silence();
	check_register(c.id, 1, HV_REGISTER_RIP, 0xfff0);
	child_put(&c, 0x5000, started, sizeof started);
	child_protected(&c);
	RUN_AS_IS(&c, SEND_SIPI(5));
	await_intercept(&c, 1);
	check_register(c.id, 1, HV_REGISTER_RIP, 0);
	check_register(c.id, 1, HV_REGISTER_CS, 0x5000);
}

RULE_HOST(T10_3_6_c, "in 64-bit mode no limit counts")
{
	struct child c = make_child(EXO);

	child_long(&c);
	set_full(&c, HV_REGISTER_DS, segment_value(0, 0, 0, 0x93));
	child_put(&c, 0x5000, "\x5a", 1);
	/* mov al, [0x5000] */
	RUN_AS_IS(&c, 0x8a, 0x04, 0x25, BYTES_32(0x5000), OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xff, 0x5a, "AL");
}

/* ---- 10.4.4: caches ---- */

RULE_HOST(T10_4_4_g, "page tables that the parent changes are seen when the child flushes")
{
	/* mov al, [PAGED]; out 0x80, al; mov ebx, cr3; mov cr3, ebx; mov al, [PAGED]; out 0x81, al */
	static const uint8_t code[] = { 0xa0, BYTES_32(CHILD_PAGED), OUT(0x80), 0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb, 0xa0, BYTES_32(CHILD_PAGED), OUT(0x81) };
	const uint32_t entry = 0x6000 | 7;
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, 0x5000, "\x55", 1);
	child_put(&c, 0x6000, "\x66", 1);
	child_paged(&c, (const uint32_t[]){ 0x5000 }, 1);
	m = run_code_as_is(&c, code, sizeof code);
	check_value(MESSAGE_AS(hv_io_message, &m)->rax & 0xff, 0x55, "AL at first");
	/* The page table; no register but RIP is written. */
	child_put(&c, 0x9000, &entry, sizeof entry);
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "port");
	check_value(MESSAGE_AS(hv_io_message, &m)->rax & 0xff, 0x66, "AL behind the flush");
}

/* A hypervisor without CR0.CD, CR3.PWT or CR3.PCD refuses them (T12.1.1.b, T12.1.1.e); this one has them. */
RULE_HOST(T10_4_4_m, "bits of CR0 and CR3 about caches that can be set are there, for the child, too")
{
	/* mov eax, cr0; mov ebx, cr3; out 0x80, al */
	static const uint8_t code[] = { 0x0f, 0x20, 0xc0, 0x0f, 0x20, 0xdb, OUT(0x80) };
	struct child c = make_child(EXO);
	uint64_t cr0, cr3;

	child_protected(&c);
	cr0 = child_register(&c, HV_REGISTER_CR0) | 1u << 30;
	cr3 = 0x8000 | 1u << 3 | 1u << 4;
	child_set(&c, HV_REGISTER_CR0, cr0);
	child_set(&c, HV_REGISTER_CR3, cr3);
	check_value(child_register(&c, HV_REGISTER_CR0), cr0, "CR0");
	check_value(child_register(&c, HV_REGISTER_CR3), cr3, "CR3");
	run_code_as_is(&c, code, sizeof code);
	check_value(child_register(&c, HV_REGISTER_RAX), cr0, "the child's CR0");
	check_value(child_register(&c, HV_REGISTER_RBX), cr3, "the child's CR3");
}
