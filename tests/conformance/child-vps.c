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
