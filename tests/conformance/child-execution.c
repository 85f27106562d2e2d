/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 11 where a parent has a part in it. */
#include "child.h"

#define LOAD(address) 0x67, 0xa0, BYTES_32(address)
#define STORE(address) 0x67, 0xa2, BYTES_32(address)
enum { VECTOR_DE = 0, VECTOR_DF = 8 };

/* ---- 11.1, 11.7 ---- */

/* CPUID of leaf 0, then the words at CHILD_DATA, then OUT(0x80). */
static const uint8_t cpuid_to_memory[] = { CPUID(0, 0), 0x66, 0xa3, 0, 0x40, 0x66, 0x89, 0x1e, 4, 0x40, OUT(0x80) };

RULE_HOST(T11_1_a, "a parent that is told of CPUID gives any answer")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_CPUID, 0);
	struct hv_message m;

	m = run_code(&c, cpuid_to_memory, sizeof cpuid_to_memory);
	if (!check_type(&m, HV_MESSAGE_CPUID_INTERCEPT))
		return;
	child_set(&c, HV_REGISTER_RAX, 0x11223344);
	child_set(&c, HV_REGISTER_RBX, 0x55667788);
	step_over(&c, &m);
	check_value(child_get64(&c, CHILD_DATA), 0x5566778811223344, "EBX:EAX in the child");
}

static struct reply register_leaf(const struct child *c, uint32_t leaf, unsigned reg, uint32_t value, uint32_t mask)
{
	struct hv_in_register_intercept_result in = { .partition_id = c->id, .vp = HV_ANY_VP, .type = HV_INTERCEPT_CPUID };

	in.cpuid.leaf = leaf;
	in.cpuid.result[reg].value = value;
	in.cpuid.result[reg].mask = mask;
	return CALL(.code = HV_CALL_REGISTER_INTERCEPT_RESULT, .data = &in, .size = sizeof in);
}

RULE_HOST(T11_1_b, "a feature that the parent hides still works, one that it invents does not")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	/* SSE2 off in leaf 1; AMX on in leaf 7. */
	check_status(register_leaf(&c, 1, 3, 0, 1u << 26), HV_STATUS_SUCCESS);
	check_status(register_leaf(&c, 7, 3, 1u << 24, 1u << 24), HV_STATUS_SUCCESS);
	must_install(&c, HV_INTERCEPT_CPUID, 1);
	must_install(&c, HV_INTERCEPT_CPUID, 7);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_UD);
	child_set(&c, HV_REGISTER_CR4, 0x200);
	/* pxor xmm0, xmm0; out 0x80, al */
	m = RUN_CODE(&c, CPUID(1, 0), CPUID(7, 0), 0x66, 0x0f, 0xef, 0xc0, OUT(0x80), 0xc4, 0xe2, 0x78, 0x49, 0xc0);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->default_rdx >> 26 & 1, 0, "SSE2 in leaf 1");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->default_rdx >> 24 & 1, 1, "AMX in leaf 7");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	/* tilerelease; it is no instruction of real mode either */
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
}

RULE_HOST(T11_7_b, "the time stamp counter goes on while the VP stands")
{
	struct child c = make_child(EXO);
	uint64_t first;

	RUN_CODE(&c, OUT(0x80));
	first = child_register(&c, HV_REGISTER_TSC);
	check_silence();
	check_that(child_register(&c, HV_REGISTER_TSC) > first, "it stands, too");
}

/* ---- 11.8 ---- */

RULE_HOST(T11_8_d, "a child's access to an unmapped page suspends its VP and is told")
{
	struct child c = make_child(OF_2009);
	struct hv_message m = RUN_CODE(&c, STORE(CHILD_NOTHING));

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND) & HV_SUSPENDED, 1, "the bit");
}

RULE_HOST(T11_8_f, "a child's access against a page's rights suspends its VP and is told")
{
	struct child c = make_child(OF_2009);
	struct hv_message m = RUN_CODE(&c, STORE(CHILD_READ_ONLY));

	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND) & HV_SUSPENDED, 1, "the bit");
}

RULE_HOST(T11_8_j, "an access that is told has had no effect; with the page there it happens")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;
	uint64_t page;

	/* The last two bytes of a page that is there, the first two of one that is not. */
	child_put(&c, CHILD_NOTHING - 8, "abcdefgh", 8);
	/* mov eax, 0x11223344; mov [0xfffe], eax; mov al, [0x20000] */
	m = RUN_CODE(&c, 0x66, 0xb8, BYTES_32(0x11223344), 0x66, 0x67, 0xa3, 0xfe, 0xff, 0, 0, LOAD(0x20000));
	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(child_get64(&c, CHILD_NOTHING - 8), 0x6867666564636261, "the page that is there");
	page = give_pages(c.id, CHILD_NOTHING / 0x1000, 1);
	put64(page * 0x1000, 0);
	m = go_on(&c);
	check_value(header(&m)->rip, CHILD_CODE + 13, "RIP of the next");
	check_value(child_get64(&c, CHILD_NOTHING - 8) >> 48, 0x3344, "end of the first page");
	check_value(get64(page * 0x1000), 0x1122, "begin of the second page");
}

RULE_HOST(T11_8_i, "a fetch is an execution")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	/* The page can be read: jmp 0:0xe000 */
	check_reps(modify_pages(c.id, HV_MAP_GPA_READABLE, CHILD_READ_ONLY / 0x1000, 1), HV_STATUS_SUCCESS, 1);
	m = RUN_CODE(&c, 0xea, 0, 0xe0, 0, 0);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(header(&m)->access, HV_INTERCEPT_EXECUTE, "access");
	check_value(header(&m)->rip, CHILD_READ_ONLY, "RIP");
}

RULE_HOST(T11_8_h, "implicit accesses are told like those of operands")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	/* The stack: push ax */
	child_start_at(&c, 0, CHILD_CODE);
	child_set(&c, HV_REGISTER_RSP, CHILD_UNTOUCHABLE + 0x100);
	m = RUN_AS_IS(&c, 0x50);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, CHILD_UNTOUCHABLE + 0xfe, "GPA of PUSH");
	check_value(child_register(&c, HV_REGISTER_RSP), CHILD_UNTOUCHABLE + 0x100, "RSP");
	/* The vector table: int 0x80 */
	child_put(&c, CHILD_DATA, "\xff\xff\x00\xd0\x00\x00", 6);
	m = RUN_CODE(&c, 0x66, 0x0f, 0x01, 0x1e, 0, 0x40, 0xcd, 0x80);
	check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, CHILD_UNTOUCHABLE + 0x200, "GPA of INT");
	check_value(header(&m)->rip, CHILD_CODE + 6, "RIP of INT");
}

/* ---- 11.9, 11.10 ---- */

RULE_HOST(T11_9_a, "an access of several ports is told if one of them is to be")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x86);
	struct hv_message m;

	/* out 0x84, ax; out 0x84, eax */
	m = RUN_CODE(&c, 0xe7, 0x84, 0x66, 0xe7, 0x84);
	check_value(header(&m)->rip, CHILD_CODE + 2, "RIP");
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x84, "port");
}

RULE_HOST(T11_10_a, "an MSR that the hypervisor has is its own, whatever is installed")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	m = RUN_CODE(&c, RDMSR(HV_X64_MSR_VP_INDEX), RDMSR(HV_X64_MSR_GUEST_OS_ID), RDMSR(0x277), OUT(0x80));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

RULE_HOST(T31_b, "a synthetic MSR that the partition may use is the hypervisor's, whatever is installed")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	/* mov eax, 5; xor edx, edx; mov ecx, guest OS id; wrmsr; out 0x80, al */
	m = RUN_CODE(&c, 0x66, 0xb8, BYTES_32(5), 0x66, 0x31, 0xd2, 0x66, 0xb9, BYTES_32(HV_X64_MSR_GUEST_OS_ID), 0x0f, 0x30, OUT(0x80));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(child_register(&c, HV_REGISTER_GUEST_OS_ID), 5, "guest OS id");
}

RULE_HOST(T11_10_c, "an MSR that no processor has is told as well")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	m = RUN_CODE(&c, RDMSR(0xffffffff), RDMSR(0x40000fff));
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, 0xffffffff, "MSR");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, 0x40000fff, "MSR of the second");
}

RULE_HOST(T11_10_f, "an MSR that is told is told before it would be #GP")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	m = RUN_CODE(&c, RDMSR(MSR_NOWHERE));
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_status(install(c.id, HV_INTERCEPT_MSR, 0, 0), HV_STATUS_SUCCESS);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
}

/* ---- 11.11 ---- */

RULE_HOST(T11_11_a, "CPUID of an intercepted leaf suspends the VP, its registers unchanged")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_CPUID, 1);
	struct hv_message m;

	child_set(&c, HV_REGISTER_RBX, 0x1234);
	m = RUN_CODE(&c, CPUID(1, 0));
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value((uint32_t)child_register(&c, HV_REGISTER_RAX), 1, "EAX");
	check_value(child_register(&c, HV_REGISTER_RBX), 0x1234, "RBX");
}

RULE_HOST(T11_11_b, "with the message's results the child sees what it would see without an intercept")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;
	uint64_t plain;

	run_code(&c, cpuid_to_memory, sizeof cpuid_to_memory);
	plain = child_get64(&c, CHILD_DATA);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	m = run_code(&c, cpuid_to_memory, sizeof cpuid_to_memory);
	child_set(&c, HV_REGISTER_RAX, MESSAGE_AS(hv_cpuid_message, &m)->default_rax);
	child_set(&c, HV_REGISTER_RBX, MESSAGE_AS(hv_cpuid_message, &m)->default_rbx);
	put64(c.first * 0x1000 + CHILD_DATA, 0);
	step_over(&c, &m);
	check_value(child_get64(&c, CHILD_DATA), plain, "EBX:EAX");
}

RULE_HOST(T11_11_d, "any leaf can be intercepted, the hypervisor's too, whatever ECX is")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_CPUID, 0x40000000);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_CPUID, 0x12345678);
	m = RUN_CODE(&c, CPUID(0x40000000, 77), CPUID(0x12345678, 0));
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	m = step_over(&c, &m);
	check_value((uint32_t)MESSAGE_AS(hv_cpuid_message, &m)->rax, 0x12345678, "leaf");
}

/* ---- 11.12 ---- */

RULE_HOST(T11_12_a, "an exception that is told is not delivered")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_handler(&c, VECTOR_UD);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_UD);
	m = RUN_CODE(&c, 0x0f, 0x0b);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_silence();
}

RULE_HOST(T11_12_b, "RIP is at the instruction that raised it, which can be tried again")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, VECTOR_DE);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	/* xor cx, cx; xor dx, dx; mov ax, 6; div cx; out 0x80, al */
	m = RUN_CODE(&c, 0x31, 0xc9, 0x31, 0xd2, 0xb8, 6, 0, 0xf7, 0xf1, OUT(0x80));
	check_value(header(&m)->rip, CHILD_CODE + 7, "RIP");
	child_set(&c, HV_REGISTER_RCX, 2);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(MESSAGE_AS(hv_io_message, &m)->rax & 0xffff, 3, "the quotient");
}

RULE_HOST(T11_12_c, "CR2 keeps its value while a page fault is told, and gets the new one when it is delivered")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, 14);
	struct hv_message m;

	child_set(&c, HV_REGISTER_CR2, 0x1234);
	child_paged(&c, NULL, 0);
	m = RUN_AS_IS(&c, 0xa0, BYTES_32(CHILD_PAGED));
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_value(child_register(&c, HV_REGISTER_CR2), 0x1234, "CR2");
	check_status(install(c.id, HV_INTERCEPT_EXCEPTION, 0, 14), HV_STATUS_SUCCESS);
	/* Without a handler it ends in a triple fault. */
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
	check_value(child_register(&c, HV_REGISTER_CR2), CHILD_PAGED, "CR2 behind it");
}

/* Division by zero with a vector table of no length: #DE, then #GP, then #DF, then shutdown. */
static struct hv_message nested(const struct child *c)
{
	/* lidt [0x4000], all zeros; xor cx, cx; div cx */
	return RUN_CODE(c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x31, 0xc9, 0xf7, 0xf1);
}

RULE_HOST(T11_12_d, "an exception in the delivery of another is told by itself, before the two make a double fault")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_DF);
	m = nested(&c);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_value(MESSAGE_AS(hv_exception_message, &m)->vector, VECTOR_GP, "vector");
}

RULE_HOST(T11_12_e, "if the second is not to be told, the double fault is")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, VECTOR_DF);
	struct hv_message m;

	m = nested(&c);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_value(MESSAGE_AS(hv_exception_message, &m)->vector, VECTOR_DF, "vector");
	check_value(header(&m)->rip, CHILD_CODE + 7, "RIP");
}

RULE_HOST(T11_12_f, "if the double fault is not to be told, a further one is the unrecoverable exception")
{
	struct child c = make_child(OF_2009);
	struct hv_message m = nested(&c);

	check_type(&m, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
}

RULE_HOST(T11_12_g, "INT n, INT3, INTO and ICEBP are no exceptions that are told")
{
	static const struct {
		uint8_t vector, code[3];
	} cases[] = { { 6, { 0xcd, 6 } }, { 3, { 0xcc } }, { 4, { 0xce } }, { 1, { 0xf1 } } };

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct child c = make_child(OF_2009);
		struct hv_message m;

		child_handler(&c, cases[i].vector);
		must_install(&c, HV_INTERCEPT_EXCEPTION, cases[i].vector);
		child_start_at(&c, 0, CHILD_CODE);
		/* With OF, for INTO. */
		child_set(&c, HV_REGISTER_RFLAGS, 0x802);
		m = run_code_as_is(&c, cases[i].code, sizeof cases[i].code);
		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		check_value(header(&m)->rip, CHILD_DATA, "RIP for vector %u", cases[i].vector);
	}
}

RULE_HOST(T11_12_j, "what comes first in the instruction is told first: #GP of IN before its port")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	child_protected(&c);
	/* At CPL 3 with IOPL 0 and a bitmap, at 0, that forbids all: the TSS is at 0, too. */
	for (unsigned i = 0; i < 0x100; i += 8)
		child_put(&c, i, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	child_put(&c, 102, "\0", 2);
	child_segment(&c, HV_REGISTER_SS, 0x13, 0xc0f3);
	child_segment(&c, HV_REGISTER_CS, 0xb, 0xc0fb);
	m = RUN_AS_IS(&c, 0xe4, 0x80);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
}

RULE_HOST(T11_12_k, "an exception that the parent injects is not told to it")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_handler(&c, VECTOR_UD);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_UD);
	m = RUN_CODE(&c, 0x0f, 0x0b);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	child_set(&c, HV_REGISTER_PENDING_INTERRUPTION, HV_INTERRUPTION_PENDING | HV_INTERRUPTION_EXCEPTION << HV_INTERRUPTION_TYPE_SHIFT |
		  VECTOR_UD << HV_INTERRUPTION_VECTOR_SHIFT);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_DATA, "RIP");
}

/* ---- 12.1.4: flushes that are held back ---- */

/*
 * VP 1, in protected mode, at 0x2000: HvFlushVirtualAddressSpace of the VPs in EBX of test page 5, or, with @list, of the list there;
 * then it writes its result to CHILD_DATA and counts.  VP 0 stands in an intercept of memory.
 */
enum { FLUSHER = 0x2000, FLUSH_INPUT = 0x5000, DONE = CHILD_DATA + 8 };

static void prepare_flusher(const struct child *c, uint64_t mask, bool list)
{
	/* vmcall; mov [CHILD_DATA], eax; l: incl [DONE]; jmp l */
	static const uint8_t code[] = { 0x0f, 0x01, 0xc1, 0xa3, BYTES_32(CHILD_DATA), 0xff, 0x05, BYTES_32(DONE), 0xeb, 0xf8 };
	const uint64_t in[] = { 0, 2 /* all address spaces */, mask, 0x1000 };

	child_put(c, FLUSHER, code, sizeof code);
	child_put(c, FLUSH_INPUT, in, sizeof in);
	child_set(c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(c, HV_REGISTER_HYPERCALL, 0x7001);
	child_vp(c, 1);
	child_protected_at(c, 1, FLUSHER);
	/* EDX:EAX the input value, EBX:ECX the list's address, EDI:ESI no output. */
	check_status(set_register(c->id, 1, HV_REGISTER_RAX, list ? HV_CALL_FLUSH_ADDRESS_LIST : HV_CALL_FLUSH_ADDRESS_SPACE), HV_STATUS_SUCCESS);
	check_status(set_register(c->id, 1, HV_REGISTER_RDX, list), HV_STATUS_SUCCESS);
	check_status(set_register(c->id, 1, HV_REGISTER_RBX, 0), HV_STATUS_SUCCESS);
	check_status(set_register(c->id, 1, HV_REGISTER_RCX, FLUSH_INPUT), HV_STATUS_SUCCESS);
	put64(c->first * 0x1000 + CHILD_DATA, 0x1111);
	put64(c->first * 0x1000 + DONE, 0);
}

/* VP 0 stands in an intercept that inhibits flushes; VP 1 wants one of @mask. */
static struct child inhibited(uint64_t mask, bool list)
{
	struct child c = make_child(OF_2009);

	prepare_flusher(&c, mask, list);
	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	child_go(&c, 1);
	return c;
}

static void check_held_back(const struct child *c)
{
	check_silence();
	check_value(child_get64(c, DONE), 0, "rounds behind the call");
}

static void check_done(const struct child *c)
{
	for (unsigned i = 0; i < 1000 && !child_get64(c, DONE); i++)
		child_wait();
	check_that(child_get64(c, DONE) != 0, "the flush does not return");
	check_value(child_get64(c, CHILD_DATA) & 0xffff, HV_STATUS_SUCCESS, "its status");
}

static void allow(const struct child *c, uint32_t vp)
{
	check_status(set_register(c->id, vp, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED), HV_STATUS_SUCCESS);
}

/* Held back while VP 0 inhibits, and done when it does not any more. */
static void check_tried_again(const struct child *c)
{
	check_held_back(c);
	allow(c, 0);
	check_done(c);
}

RULE_HOST(T12_1_4_a, "an intercept of memory inhibits flushes")
{
	struct child c = make_child(OF_2009);

	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED | HV_TLB_FLUSH_INHIBIT, "the register, unmapped");
	RUN_CODE(&c, LOAD(CHILD_UNTOUCHABLE));
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED | HV_TLB_FLUSH_INHIBIT, "the register, no access");
}

RULE_HOST(T11_8_k, "with the suspension by an intercept of memory comes the inhibition, and both can go at once")
{
	struct child c = make_child(OF_2009);

	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), 0, "the register");
}

RULE_HOST(T12_1_4_b, "other intercepts do not inhibit flushes")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);

	RUN_CODE(&c, OUT(0x80));
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "the register");
}

RULE_HOST(T10_3_1_e, "each bit of the intercept suspend register can be cleared by itself")
{
	struct child c = make_child(OF_2009);

	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, HV_TLB_FLUSH_INHIBIT);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_TLB_FLUSH_INHIBIT, "the register");
	check_status(set_register(c.id, 0, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED), HV_STATUS_INVALID_PARAMETER);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	allow(&c, 0);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "the register");
}

RULE_HOST(T12_1_4_d, "a flush of a VP that inhibits it does not return, and RIP stays")
{
	struct child c = inhibited(3, false);

	check_held_back(&c);
	check_register(c.id, 1, HV_REGISTER_RIP, FLUSHER);
	/* Neither suspend register tells of it (OP-33). */
	check_register(c.id, 1, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_register(c.id, 1, HV_REGISTER_INTERCEPT_SUSPEND, 0);
}

RULE_HOST(T10_3_1_g, "a flush call of another VP waits for the inhibition to end")
{
	struct child c = inhibited(1, false);

	check_held_back(&c);
}

RULE_HOST(T12_1_4_e, "when the inhibition ends the flush is tried again")
{
	struct child c = inhibited(3, false);

	check_tried_again(&c);
}

RULE_HOST(T10_3_1_h, "who waited for the inhibition to end goes on")
{
	struct child c = inhibited(1, false);

	check_held_back(&c);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_INTERCEPT_SUSPEND, 0);
	check_done(&c);
}

RULE_HOST(T12_1_4_f, "the flush that is tried again succeeds")
{
	struct child c = inhibited(3, false);

	allow(&c, 0);
	check_done(&c);
}

RULE_HOST(T12_1_4_g, "a flush of several VPs waits for the last of them")
{
	struct child c = make_child(OF_2009);

	prepare_flusher(&c, 7, false);
	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	child_vp(&c, 2);
	child_go(&c, 2);
	next_message();
	child_go(&c, 1);
	check_held_back(&c);
	allow(&c, 0);
	check_held_back(&c);
	allow(&c, 2);
	check_done(&c);
}

RULE_HOST(T12_1_4_i, "a flush of others completes")
{
	struct child c = inhibited(2, false);

	check_done(&c);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND) & HV_TLB_FLUSH_INHIBIT, HV_TLB_FLUSH_INHIBIT, "the bit");
}

RULE_HOST(T12_1_4_h, "INVLPG and MOV to CR3 are not held back")
{
	struct child c = make_child(OF_2009);
	/* invlpg [0]; mov eax, cr3; mov cr3, eax; l: incl [DONE]; jmp l */
	static const uint8_t code[] = { 0x0f, 0x01, 0x3d, 0, 0, 0, 0, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0xff, 0x05, BYTES_32(DONE), 0xeb, 0xf8 };

	prepare_flusher(&c, 3, false);
	put64(c.first * 0x1000 + CHILD_DATA, 0);
	child_put(&c, FLUSHER, code, sizeof code);
	RUN_CODE(&c, LOAD(CHILD_NOTHING));
	child_go(&c, 1);
	check_done(&c);
}

RULE_HOST(T12_1_4_j, "the registers of the flush stay as they are")
{
	struct child c = inhibited(3, true);

	check_held_back(&c);
	check_register(c.id, 1, HV_REGISTER_RAX, HV_CALL_FLUSH_ADDRESS_LIST);
	check_register(c.id, 1, HV_REGISTER_RDX, 1);
	check_register(c.id, 1, HV_REGISTER_RBX, 0);
	check_register(c.id, 1, HV_REGISTER_RCX, FLUSH_INPUT);
}

RULE_HOST(T12_4_2_j, "HvFlushVirtualAddressSpace is held back, and executed again later")
{
	struct child c = inhibited(1, false);

	check_tried_again(&c);
}

RULE_HOST(T12_4_3_i, "HvFlushVirtualAddressList is held back, and executed again later")
{
	struct child c = inhibited(1, true);

	check_tried_again(&c);
}

/* ---- 15.1.6, 11.9: the PM timer that the hypervisor answers for ---- */

enum { PM_PORT = 0x608 };

static struct reply set_pm_timer(const struct child *c, uint64_t value)
{
	struct hv_in_set_partition_property in = { .partition_id = c->id, .code = HV_PROPERTY_PM_TIMER_ASSIST, .value = value };

	return CALL(.code = HV_CALL_SET_PARTITION_PROPERTY, .data = &in, .size = sizeof in);
}

/* A child with the assist; all other ports are told. */
static struct child child_with_pm_timer(uint64_t width)
{
	struct child c = make_child(EXO);

	check_status(set_pm_timer(&c, PM_PORT | HV_PM_TIMER_ENABLED | width), HV_STATUS_SUCCESS);
	return c;
}

/* mov dx, port; in eax, dx */
#define IN_32(port) 0xba, (port) & 0xff, (port) >> 8, 0x66, 0xed

/* The value that the child reads, with what OUT(0x80) behind it tells. */
static uint64_t pm_timer_of(const struct child *c)
{
	struct hv_message m = RUN_CODE(c, 0x66, 0xb8, BYTES_32(0), IN_32(PM_PORT), OUT(0x80));

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x80, "port that is told");
	return (uint32_t)MESSAGE_AS(hv_io_message, &m)->rax;
}

static uint64_t ticks(const struct child *c)
{
	/* 0.3579545 of a unit, without a division that 32-bit code has not. */
	return child_register(c, HV_REGISTER_TIME_REF_COUNT) * 1537402871 >> 32;
}

RULE_HOST(T15_1_6_a, "IN from the port gives the timer, and is not told")
{
	struct child c = child_with_pm_timer(0);
	uint64_t before = ticks(&c), v = pm_timer_of(&c), after = ticks(&c);

	/* In steps of a millisecond. */
	check_that(v + 4000 >= before && v <= after + 4000, "%llu is not between %llu and %llu", (unsigned long long)v,
		   (unsigned long long)before, (unsigned long long)after);
}

RULE_HOST(T11_9_b, "what the hypervisor emulates it emulates, whatever is installed")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	check_status(set_pm_timer(&c, PM_PORT | HV_PM_TIMER_ENABLED), HV_STATUS_SUCCESS);
	must_install(&c, HV_INTERCEPT_IO_PORT, PM_PORT);
	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	m = RUN_CODE(&c, IN_32(PM_PORT), OUT(0x80));
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x80, "port that is told");
}

RULE_HOST(T15_1_6_b, "a timer of 24 bits has no more")
{
	/* 2^24 ticks are 4.7 s: the partition's time is set to 5 s. */
	for (int wide = 0; wide < 2; wide++) {
		struct child c = child_with_pm_timer(wide ? 0 : HV_PM_TIMER_WIDTH_24);
		struct hv_in_set_partition_property in = { .partition_id = c.id, .code = HV_PROPERTY_REFERENCE_TIME, .value = 50000000 };
		struct hv_in_set_partition_property freeze = { .partition_id = c.id, .code = HV_PROPERTY_TIME_FREEZE, .value = 1 };

		check_status(CALL(.code = HV_CALL_SET_PARTITION_PROPERTY, .data = &freeze, .size = sizeof freeze), HV_STATUS_SUCCESS);
		check_status(CALL(.code = HV_CALL_SET_PARTITION_PROPERTY, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
		freeze.value = 0;
		check_status(CALL(.code = HV_CALL_SET_PARTITION_PROPERTY, .data = &freeze, .size = sizeof freeze), HV_STATUS_SUCCESS);
		check_value(pm_timer_of(&c) >= 1 << 24, wide, "a value above 24 bits");
	}
}

/* The first message that comes of @code is of a port. */
static void check_told(const struct child *c, uint16_t port, const void *code, size_t n)
{
	struct hv_message m = run_code(c, code, n);

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, port, "port that is told");
}
#define CHECK_TOLD(c, port, ...) check_told(c, port, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

RULE_HOST(T15_1_6_c, "INS is not assisted")
{
	struct child c = child_with_pm_timer(0);

	/* mov dx, port; mov di, 0x4000; insd */
	CHECK_TOLD(&c, PM_PORT, 0xba, PM_PORT & 0xff, PM_PORT >> 8, 0xbf, 0, 0x40, 0x66, 0x6d);
}

RULE_HOST(T15_1_6_d, "OUT is not assisted")
{
	struct child c = child_with_pm_timer(0);

	/* mov dx, port; out dx, eax */
	CHECK_TOLD(&c, PM_PORT, 0xba, PM_PORT & 0xff, PM_PORT >> 8, 0x66, 0xef);
}

RULE_HOST(T15_1_6_e, "IN from the ports behind it is not assisted")
{
	struct child c = child_with_pm_timer(0);

	CHECK_TOLD(&c, PM_PORT + 1, IN_32(PM_PORT + 1));
	CHECK_TOLD(&c, PM_PORT + 2, IN_32(PM_PORT + 2));
	CHECK_TOLD(&c, PM_PORT + 3, IN_32(PM_PORT + 3));
}

RULE_HOST(T15_1_6_f, "IN from the ports before it is not assisted")
{
	struct child c = child_with_pm_timer(0);

	CHECK_TOLD(&c, PM_PORT - 1, IN_32(PM_PORT - 1));
	CHECK_TOLD(&c, PM_PORT - 2, IN_32(PM_PORT - 2));
	CHECK_TOLD(&c, PM_PORT - 3, IN_32(PM_PORT - 3));
}

RULE_HOST(T15_1_6_g, "with an intercept of the port, too, IN is not told")
{
	struct child c = child_with_pm_timer(0);

	must_install(&c, HV_INTERCEPT_IO_PORT, PM_PORT);
	pm_timer_of(&c);
}

RULE_HOST(T15_1_6_h, "with an intercept of the port, too, each OUT is told")
{
	struct child c = child_with_pm_timer(0);

	must_install(&c, HV_INTERCEPT_IO_PORT, PM_PORT);
	for (unsigned i = 0; i < 3; i++)
		CHECK_TOLD(&c, PM_PORT, 0xba, PM_PORT & 0xff, PM_PORT >> 8, 0x66, 0xef);
}

RULE_HOST(T15_1_6_i, "an assist that is not enabled is none")
{
	struct child c = child_with_pm_timer(0);

	check_status(set_pm_timer(&c, PM_PORT), HV_STATUS_SUCCESS);
	CHECK_TOLD(&c, PM_PORT, IN_32(PM_PORT));
	check_status(set_pm_timer(&c, 1ull << 18), HV_STATUS_INVALID_PARAMETER);
}

/* ---- intercepts of later revisions ---- */

/* What comes of a call with no input of the child's: the intercept of OUT(0x80) if nothing else does. */
static struct hv_message call_told(const struct child *c, uint16_t code)
{
	const struct hv_in_signal_event nobody = { .connection_id = 0x123456 };
	/* mov eax, code; xor edx, edx; xor ebx, ebx; mov ecx, CHILD_CALL_IN; xor edi, edi; xor esi, esi; vmcall */
	const uint8_t program[] = { 0xb8, BYTES_32(code), 0x31, 0xd2, 0x31, 0xdb, 0xb9, BYTES_32(CHILD_CALL_IN), 0x31, 0xff, 0x31, 0xf6,
				    0x0f, 0x01, 0xc1, OUT(0x80) };

	child_put(c, CHILD_CALL_IN, &nobody, sizeof nobody);
	return run_code_as_is(c, program, sizeof program);
}

static void check_call_told(const struct child *c, uint16_t code, int32_t type)
{
	struct hv_message m = call_told(c, code);

	check_type(&m, type);
	if (type == HV_MESSAGE_HYPERCALL_INTERCEPT && m.type == (uint32_t)type)
		check_value(MESSAGE_AS(hv_hypercall_message, &m)->rax & 0xffff, code, "the call that is told");
}

RULE_HOST(T9_1_1_i, "intercepts of later revisions, of calls and ranges of ports, are each for itself")
{
	static const struct { uint32_t type; uint16_t code; } some[] = {
		{ HV_INTERCEPT_HYPERCALL, 0x7fff }, { HV_INTERCEPT_CONNECTION, HV_CALL_SIGNAL_EVENT },
		{ HV_INTERCEPT_RETARGET, HV_CALL_RETARGET_INTERRUPT },
	};
	struct child c = make_child(OF_2009);
	struct hv_message m;

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_SIGNAL_EVENTS);
	child_may_call(&c);
	for (unsigned i = 0; i < 3; i++) {
		check_call_told(&c, some[i].code, HV_MESSAGE_IO_INTERCEPT);
		must_install(&c, some[i].type, 0);
		for (unsigned k = 0; k < 3; k++)
			check_call_told(&c, some[k].code, k == i || (!i && k == 2) ? HV_MESSAGE_HYPERCALL_INTERCEPT : HV_MESSAGE_IO_INTERCEPT);
		check_status(install(c.id, some[i].type, 0, 0), HV_STATUS_SUCCESS);
		check_call_told(&c, some[i].code, HV_MESSAGE_IO_INTERCEPT);
	}
	check_status(install(c.id, HV_INTERCEPT_IO_PORT_RANGE, HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE, 0x930091), HV_STATUS_SUCCESS);
	check_status(install(c.id, HV_INTERCEPT_IO_PORT, 0, 0x92), HV_STATUS_SUCCESS);
	m = RUN_AS_IS(&c, OUT(0x90), OUT(0x91), OUT(0x92), OUT(0x93), OUT(0x94), OUT(0x80));
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x91, "port");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x93, "port");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x80, "port");
}
