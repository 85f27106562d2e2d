/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 16: what intercept messages hold. */
#include "child.h"

#include "hv/interrupt.h"

#define IO(m) MESSAGE_AS(hv_io_message, m)
#define MEMORY(m) MESSAGE_AS(hv_memory_message, m)
#define MSR(m) MESSAGE_AS(hv_msr_message, m)
#define LEAF(m) MESSAGE_AS(hv_cpuid_message, m)
#define EXCEPTION(m) MESSAGE_AS(hv_exception_message, m)

/* In real mode and 16-bit code: MOV AL, [address]; MOV [address], AL.  In 32-bit code without the prefix. */
#define LOAD(address) 0x67, 0xa0, BYTES_32(address)
#define STORE(address) 0x67, 0xa2, BYTES_32(address)
#define LOAD32(address) 0xa0, BYTES_32(address)

static unsigned length(const struct hv_message *m)
{
	return header(m)->length_cr8 & 0xf;
}

static void check_state(const struct hv_message *m, uint16_t mask, uint16_t want)
{
	check_value(header(m)->state & mask, want, "bits 0x%x of the execution state", mask);
}

static void check_segment(const struct hv_segment_register *s, const struct child *c, uint32_t name)
{
	struct got got = get_register(c->id, 0, name);
	union {
		struct hv_register_value value;
		struct hv_segment_register segment;
	} v = { .value = got.value };

	check_value(s->base, v.segment.base, "base of segment 0x%x", name);
	check_value(s->limit, v.segment.limit, "limit of segment 0x%x", name);
	check_value(s->selector, v.segment.selector, "selector of segment 0x%x", name);
	check_value(s->attributes, v.segment.attributes, "attributes of segment 0x%x", name);
}

/* Each with a value of its own. */
static void fill_registers(const struct child *c)
{
	for (uint32_t n = 0; n < 16; n++)
		if (n != 4)
			child_set(c, HV_REGISTER_RAX + n, 0x1111111111111111ull * (n + 1) ^ n << 20);
}

static void check_registers_in(const uint64_t gpr[16], const struct child *c)
{
	for (uint32_t n = 0; n < 16; n++)
		check_value(gpr[n], child_register(c, HV_REGISTER_RAX + n), "general register %u", n);
}

/* ---- 16.2.1, 16.2.2 ---- */

RULE_HOST(T16_2_1_a, "the payload's size is that of the message's layout")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_MSR, 0);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_UD);
	m = RUN_CODE(&c, OUT(0x80), RDMSR(MSR_NOWHERE), CPUID(0, 0), LOAD(CHILD_NOTHING), LOAD(CHILD_UNTOUCHABLE), 0x0f, 0x0b);
	check_value(m.payload_size, 128, "size of a port's");
	m = step_over(&c, &m);
	check_value(m.payload_size, 64, "size of an MSR's");
	m = step_over(&c, &m);
	check_value(m.payload_size, 104, "size of a leaf's");
	m = step_over(&c, &m);
	check_value(m.payload_size, 240, "size of unmapped memory's");
	m = step_over(&c, &m);
	check_value(m.payload_size, 240, "size of forbidden memory's");
	m = step_over(&c, &m);
	check_value(m.payload_size, 240, "size of an exception's");
	check_status(install(c.id, HV_INTERCEPT_EXCEPTION, 0, VECTOR_UD), HV_STATUS_SUCCESS);
	m = RUN_CODE(&c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
	check_value(m.payload_size, 40, "size of a triple fault's");
}

RULE_HOST(T16_2_1_b, "each message has its type, its size and its sender")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, LOAD(CHILD_NOTHING));

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(m.payload_size, HV_MEMORY_MESSAGE_LATER_SIZE, "size, as later revisions have it");
	check_value(m.sender, c.id, "sender");
}

RULE_HOST(T16_2_2_a, "the VP index is that of the VP")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, CHILD_CODE, (const uint8_t[]){ OUT(0x80) }, 2);
	child_vp(&c, 1);
	child_go(&c, 1);
	m = next_message();
	check_value(header(&m)->vp, 1, "VP");
}

RULE_HOST(T16_2_2_b, "the length of CPUID, port and MSR instructions is told")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_MSR, 0);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	/* in eax, 0x80 with three prefixes; rep insb with DX 0x80 */
	m = RUN_CODE(&c, 0x66, 0x2e, 0x67, 0xe5, 0x80, RDMSR(MSR_NOWHERE), CPUID(0, 0), 0xba, 0x80, 0, 0xb9, 1, 0, 0xf3, 0x6c);
	check_value(length(&m), 5, "length of IN");
	m = step_over(&c, &m);
	check_value(length(&m), 2, "length of RDMSR");
	m = step_over(&c, &m);
	check_value(length(&m), 2, "length of CPUID");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(length(&m), 2, "length of REP INSB");
}

RULE_HOST(T16_2_2_c, "no length is told where none is known: there is no instruction")
{
	struct child c = make_child(EXO);
	/* jmp 0x1000:0 */
	struct hv_message m = RUN_CODE(&c, 0xea, 0, 0, 0, 0x10);

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(length(&m), 0, "length");
}

RULE_HOST(T16_2_2_d, "the access is a read, a write or an execution")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, LOAD(CHILD_NOTHING), STORE(CHILD_NOTHING), 0xe4, 0x80, OUT(0x80), 0xea, 0, 0, 0, 0x10);

	check_value(header(&m)->access, HV_INTERCEPT_READ, "access of a load");
	m = step_over(&c, &m);
	check_value(header(&m)->access, HV_INTERCEPT_WRITE, "access of a store");
	m = step_over(&c, &m);
	check_value(header(&m)->access, HV_INTERCEPT_READ, "access of IN");
	m = step_over(&c, &m);
	check_value(header(&m)->access, HV_INTERCEPT_WRITE, "access of OUT");
	m = step_over(&c, &m);
	check_value(header(&m)->access, HV_INTERCEPT_EXECUTE, "access of a jump");
}

RULE_HOST(T16_2_2_e, "CS, RIP and RFLAGS are those before the instruction")
{
	struct child c = make_child(EXO);
	/* stc; std; out 0x80, al */
	struct hv_message m = RUN_CODE(&c, 0xf9, 0xfd, OUT(0x80));

	check_value(header(&m)->rip, CHILD_CODE + 2, "RIP");
	check_value(header(&m)->rflags, 0x403, "RFLAGS");
	check_value(header(&m)->rflags, child_register(&c, HV_REGISTER_RFLAGS), "RFLAGS, and the register");
	check_segment(&header(&m)->cs, &c, HV_REGISTER_CS);
}

/* ---- 16.2.3 ---- */

RULE_HOST(T16_2_3_a, "the privilege level in real mode is 0, whatever CS holds")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, 0x2030, (const uint8_t[]){ OUT(0x80) }, 2);
	/* jmp 0x0203:0 */
	m = RUN_CODE(&c, 0xea, 0, 0, 3, 2);
	check_value(header(&m)->cs.selector, 0x203, "CS");
	check_state(&m, HV_EXECUTION_CPL | HV_EXECUTION_CR0_PE, 0);
}

/* At @cpl in the segments of protected mode. */
static struct hv_message load_at_cpl(const struct child *c, uint16_t cpl, uint32_t flags)
{
	child_protected(c);
	child_segment(c, HV_REGISTER_SS, (uint16_t)(0x10 | cpl), (uint16_t)(0xc093 | cpl << 5));
	child_segment(c, HV_REGISTER_DS, (uint16_t)(0x10 | cpl), (uint16_t)(0xc093 | cpl << 5));
	child_segment(c, HV_REGISTER_CS, (uint16_t)(8 | cpl), (uint16_t)(0xc09b | cpl << 5));
	child_set(c, HV_REGISTER_RFLAGS, flags | 2);
	return RUN_AS_IS(c, LOAD32(CHILD_NOTHING));
}

RULE_HOST(T16_2_3_c, "the privilege level in protected mode is that of CS")
{
	struct child c = make_child(EXO);

	for (uint16_t cpl = 0; cpl < 4; cpl++) {
		struct hv_message m = load_at_cpl(&c, cpl, 0);

		check_state(&m, HV_EXECUTION_CPL | HV_EXECUTION_CR0_PE, cpl | HV_EXECUTION_CR0_PE);
	}
}

RULE_HOST(T16_2_3_b, "the privilege level in virtual-8086 mode is 3")
{
	struct child c = make_child(EXO);
	struct hv_message m;
	union {
		struct hv_segment_register segment;
		struct hv_register_value value;
	} v = { .segment = { .limit = 0xffff, .attributes = 0xf3 } };

	child_protected(&c);
	child_set(&c, HV_REGISTER_RFLAGS, 0x20002);
	for (uint32_t name = HV_REGISTER_ES; name <= HV_REGISTER_GS; name++)
		check_status(set_register128(c.id, 0, name, v.value), HV_STATUS_SUCCESS);
	/* mov al, [0xd000] */
	m = RUN_AS_IS(&c, 0xa0, 0, CHILD_UNTOUCHABLE >> 8);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_state(&m, HV_EXECUTION_CPL | HV_EXECUTION_CR0_PE, 3 | HV_EXECUTION_CR0_PE);
}

RULE_HOST(T16_2_3_d, "CR0.PE, CR0.AM and EFER.LMA are told")
{
	const uint16_t all = HV_EXECUTION_CR0_PE | HV_EXECUTION_CR0_AM | HV_EXECUTION_EFER_LMA;
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, OUT(0x80));

	check_state(&m, all, 0);
	child_protected(&c);
	m = RUN_AS_IS(&c, OUT(0x80));
	check_state(&m, all, HV_EXECUTION_CR0_PE);
	child_set(&c, HV_REGISTER_CR0, 0x40011);
	m = RUN_AS_IS(&c, OUT(0x80));
	check_state(&m, all, HV_EXECUTION_CR0_PE | HV_EXECUTION_CR0_AM);
	child_long(&c);
	m = RUN_AS_IS(&c, OUT(0x80));
	check_state(&m, all, HV_EXECUTION_CR0_PE | HV_EXECUTION_EFER_LMA);
	check_segment(&header(&m)->cs, &c, HV_REGISTER_CS);
}

RULE_HOST(T16_2_3_e, "debug is active while a debug register is armed")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, OUT(0x80));

	check_state(&m, HV_EXECUTION_DEBUG_ACTIVE, 0);
	child_set(&c, HV_REGISTER_DR0, 0x7000);
	child_set(&c, HV_REGISTER_DR7, 0x402);
	m = RUN_CODE(&c, OUT(0x80));
	check_state(&m, HV_EXECUTION_DEBUG_ACTIVE, HV_EXECUTION_DEBUG_ACTIVE);
}

/* An exception whose handler's address is nowhere: lidt [0x4000]; ud2. */
static struct hv_message fault_in_delivery(const struct child *c)
{
	child_put(c, CHILD_DATA, "\xff\xff\x00\x00\x10\x00", 6);
	return RUN_CODE(c, 0x66, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
}

RULE_HOST(T16_2_3_f, "an interruption is pending if the intercept came while it was delivered")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, LOAD(CHILD_NOTHING));

	check_state(&m, HV_EXECUTION_INTERRUPTION_PENDING, 0);
	m = fault_in_delivery(&c);
	check_state(&m, HV_EXECUTION_INTERRUPTION_PENDING, HV_EXECUTION_INTERRUPTION_PENDING);
	check_value(child_register(&c, HV_REGISTER_PENDING_INTERRUPTION) & 1, 1, "the register");
}

/* ---- 16.2.4, 16.5.3: ports ---- */

RULE_HOST(T16_2_4_a, "the size of a port's access is that of the operand")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, 0xe4, 0x80, 0xe5, 0x80, 0x66, 0xe5, 0x80);

	for (unsigned size = 1; size <= 4; size *= 2) {
		check_value(IO(&m)->access, size, "access");
		m = size < 4 ? step_over(&c, &m) : m;
	}
}

/* mov dx, 0x80; mov cx, 3; mov si, 0x4010; mov di, 0x4020; then @code */
#define STRING(...) 0xba, 0x80, 0, 0xb9, 3, 0, 0xbe, 0x10, 0x40, 0xbf, 0x20, 0x40, __VA_ARGS__

RULE_HOST(T16_2_4_b, "INS and OUTS are string operations, IN and OUT are not")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, STRING(0x6c, 0x6f, 0xec, 0xef));
	static const uint8_t access[] = { 1 | HV_IO_STRING, 2 | HV_IO_STRING, 1, 2 };

	for (unsigned i = 0; i < 4; i++) {
		check_value(IO(&m)->access, access[i], "access of instruction %u", i);
		m = i < 3 ? step_over(&c, &m) : m;
	}
}

RULE_HOST(T16_2_4_c, "a REP prefix is told of string operations only")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, STRING(0xf3, 0x6c, 0xf3, 0x6e, 0xf3, 0xec));

	check_value(IO(&m)->access, 1 | HV_IO_STRING | HV_IO_REP, "access of REP INSB");
	m = step_over(&c, &m);
	check_value(IO(&m)->access, 1 | HV_IO_STRING | HV_IO_REP, "access of REP OUTSB");
	m = step_over(&c, &m);
	check_value(IO(&m)->access, 1, "access of IN with the prefix");
}

RULE_HOST(T16_5_3_a, "IN, OUT, INS and OUTS of an intercepted port are told, and of no other")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	m = RUN_CODE(&c, STRING(0x4a, 0xec, 0xee, 0x6c, 0x6e, 0x42, 0xec, 0xee, 0x6c, 0x6e));
	for (unsigned i = 0; i < 4; i++) {
		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		check_value(header(&m)->rip, CHILD_CODE + 12 + 6 + i, "RIP of instruction %u", i);
		m = i < 3 ? step_over(&c, &m) : m;
	}
}

RULE_HOST(T16_5_3_b, "an intercept of any port that an access touches is enough")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x83);
	struct hv_message m;

	/* in ax, 0x81; in eax, 0x80; in ax, 0x82 */
	m = RUN_CODE(&c, 0xe5, 0x81, 0x66, 0xe5, 0x80, 0xe5, 0x82);
	check_value(header(&m)->rip, CHILD_CODE + 2, "RIP of the first");
	check_value(IO(&m)->access, 4, "its access");
	m = step_over(&c, &m);
	check_value(header(&m)->rip, CHILD_CODE + 5, "RIP of the second");
}

RULE_HOST(T16_5_3_c, "the port is the one that the instruction names")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x3fb);
	struct hv_message m;

	/* mov dx, 0x3f8; in eax, dx */
	m = RUN_CODE(&c, 0xba, 0xf8, 3, 0x66, 0xed);
	check_value(IO(&m)->port, 0x3f8, "port");
}

RULE_HOST(T16_5_3_d, "RAX is told: what is written, or what an IN leaves of it")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	fill_registers(&c);
	m = RUN_CODE(&c, OUT(0x80), 0xe4, 0x80);
	check_value(IO(&m)->rax, child_register(&c, HV_REGISTER_RAX), "RAX of OUT");
	m = step_over(&c, &m);
	check_value(IO(&m)->rax, child_register(&c, HV_REGISTER_RAX), "RAX of IN");
}

RULE_HOST(T16_5_3_e, "all that is of string operations is zero for IN and OUT")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	fill_registers(&c);
	m = RUN_CODE(&c, OUT(0x80));
	check_value(IO(&m)->byte_count, 0, "count of bytes");
	for (unsigned i = 7; i < 16; i++)
		check_value(m.payload[i], 0, "word %u of the payload", i);
}

RULE_HOST(T16_5_3_f, "string operations come with the instruction's bytes")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, STRING(0xf3, 0x6e, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));

	check_value(IO(&m)->byte_count, 16, "count of bytes");
	check_value(IO(&m)->bytes[0], 0xf3, "the first");
	check_value(IO(&m)->bytes[1], 0x6e, "the second");
	for (unsigned i = 2; i < 16; i++)
		check_value(IO(&m)->bytes[i], i - 1, "byte %u", i);
}

RULE_HOST(T16_5_3_g, "string operations come with their segments and registers")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, STRING(0xf3, 0x6e));

	check_segment(&IO(&m)->ds, &c, HV_REGISTER_DS);
	check_segment(&IO(&m)->es, &c, HV_REGISTER_ES);
	check_value(IO(&m)->rcx & 0xffff, 3, "CX");
	check_value(IO(&m)->rsi & 0xffff, 0x4010, "SI");
	check_value(IO(&m)->rdi & 0xffff, 0x4020, "DI");
}

/* ---- 16.3: memory ---- */

RULE_HOST(T16_3_1_a, "an access to nothing is an unmapped GPA, for a hypercall's parameters as well")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, LOAD(CHILD_NOTHING + 0x123));

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(MEMORY(&m)->gpa, CHILD_NOTHING + 0x123, "GPA");
	child_set(&c, HV_REGISTER_GUEST_OS_ID, TEST_OS_ID);
	child_set(&c, HV_REGISTER_HYPERCALL, 0x7001);
	child_protected(&c);
	for (uint32_t name = HV_REGISTER_RAX; name <= HV_REGISTER_RBX; name++)
		child_set(&c, name, 0);
	/* mov al, HvNotifyLongSpinWait; mov ecx, 0x10458; vmcall */
	m = RUN_AS_IS(&c, 0xb0, HV_CALL_NOTIFY_LONG_SPIN_WAIT, 0xb9, BYTES_32(CHILD_NOTHING + 0x458), 0x0f, 0x01, 0xc1);
	if (!check_type(&m, HV_MESSAGE_UNMAPPED_GPA))
		return;
	check_value(MEMORY(&m)->gpa, CHILD_NOTHING + 0x458, "GPA of the parameters");
	check_value(MEMORY(&m)->info & HV_MEMORY_GVA_VALID, 0, "GVA valid");
	check_value(header(&m)->rip, CHILD_CODE + 7, "RIP");
}

RULE_HOST(T16_3_2_a, "an access that the rights forbid is a GPA intercept")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, LOAD(CHILD_READ_ONLY), STORE(CHILD_READ_ONLY + 0x10), LOAD(CHILD_UNTOUCHABLE + 0x20));

	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(MEMORY(&m)->gpa, CHILD_READ_ONLY + 0x10, "GPA of the store");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
	check_value(MEMORY(&m)->gpa, CHILD_UNTOUCHABLE + 0x20, "GPA of the load");
}

RULE_HOST(T16_3_a, "up to 16 bytes of code are told")
{
	static const uint8_t code[] = { LOAD(CHILD_NOTHING), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };
	struct child c = make_child(EXO);
	struct hv_message m = run_code(&c, code, sizeof code);

	check_value(MEMORY(&m)->byte_count, 16, "count of bytes");
	for (unsigned i = 0; i < 16; i++)
		check_value(MEMORY(&m)->bytes[i], code[i], "byte %u", i);
}

RULE_HOST(T16_3_b, "fewer bytes are told where the code's page ends and none follows")
{
	static const uint8_t code[] = { LOAD(CHILD_NOTHING + 0x100) };
	struct child c = make_child(EXO);
	struct hv_message m;

	child_put(&c, CHILD_NOTHING - sizeof code, code, sizeof code);
	child_start_at(&c, 0, CHILD_NOTHING - sizeof code);
	m = go_on(&c);
	check_value(MEMORY(&m)->gpa, CHILD_NOTHING + 0x100, "GPA");
	check_value(MEMORY(&m)->byte_count, sizeof code, "count of bytes");
}

RULE_HOST(T16_3_c, "no bytes are told of an access on behalf of an interruption")
{
	struct child c = make_child(EXO);
	struct hv_message m = fault_in_delivery(&c);

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(MEMORY(&m)->byte_count, 0, "count of bytes");
}

RULE_HOST(T16_2_6_a, "the virtual address is told, and that it is valid")
{
	static const uint32_t pages[] = { CHILD_NOTHING, CHILD_UNTOUCHABLE };
	struct child c = make_child(EXO);
	struct hv_message m;

	child_paged(&c, pages, 2);
	m = RUN_AS_IS(&c, LOAD32(CHILD_PAGED + 0x123), LOAD32(CHILD_PAGED + 0x1456));
	check_value(MEMORY(&m)->info & HV_MEMORY_GVA_VALID, HV_MEMORY_GVA_VALID, "GVA valid");
	check_value(MEMORY(&m)->gva, CHILD_PAGED + 0x123, "GVA");
	check_value(MEMORY(&m)->gpa, CHILD_NOTHING + 0x123, "GPA");
	m = step_over(&c, &m);
	check_value(MEMORY(&m)->gva, CHILD_PAGED + 0x1456, "GVA of the second");
	check_value(MEMORY(&m)->gpa, CHILD_UNTOUCHABLE + 0x456, "GPA of the second");
}

/* A page table that is not there. */
static struct hv_message no_table(const struct child *c)
{
	uint32_t entry = CHILD_NOTHING | 7;

	child_paged(c, NULL, 0);
	child_put(c, 0x8008, &entry, sizeof entry);
	/* The third entry of the directory: 8 MiB. */
	return RUN_AS_IS(c, LOAD32(0x803000));
}

RULE_HOST(T16_3_f, "no virtual address is told of an access to a page table")
{
	struct child c = make_child(EXO);
	struct hv_message m = no_table(&c);

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	check_value(MEMORY(&m)->info & HV_MEMORY_GVA_VALID, 0, "GVA valid");
	check_value(MEMORY(&m)->gpa, CHILD_NOTHING + 3 * 4, "GPA");
}

RULE_HOST(T16_3_d, "the cache type is that of the page table's entry")
{
	/* With the PAT as it is at power-on: PWT, PCD, both. */
	static const uint32_t pages[] = { CHILD_NOTHING, CHILD_NOTHING | 1 << 3, CHILD_NOTHING | 1 << 4, CHILD_NOTHING | 3 << 3 };
	static const uint32_t want[] = { HV_CACHE_WRITE_BACK, HV_CACHE_WRITE_THROUGH, HV_CACHE_UNCACHED, HV_CACHE_UNCACHED };
	struct child c = make_child(EXO);

	child_paged(&c, pages, 4);
	for (unsigned i = 0; i < 4; i++) {
		struct hv_message m = RUN_AS_IS(&c, LOAD32(CHILD_PAGED + i * 0x1000));

		check_value(MEMORY(&m)->cache_type, want[i], "cache type of page %u", i);
	}
}

RULE_HOST(T16_3_e, "page tables are cached with write back")
{
	struct child c = make_child(EXO);
	struct hv_message m = no_table(&c);

	check_value(MEMORY(&m)->cache_type, HV_CACHE_WRITE_BACK, "cache type");
}

RULE_HOST(T16_3_g, "of an access across pages the lowest address that is told about is told")
{
	struct child c = make_child(EXO);
	/* mov eax, [0xfffe]; mov eax, [0x1fffe] */
	struct hv_message m = RUN_CODE(&c, 0x66, 0x67, 0xa1, 0xfe, 0xff, 0, 0, 0x66, 0x67, 0xa1, 0xfe, 0xff, 1, 0);

	check_value(MEMORY(&m)->gpa, CHILD_NOTHING, "GPA of the first");
	check_value(MEMORY(&m)->gva, CHILD_NOTHING, "GVA of the first");
	m = step_over(&c, &m);
	check_value(MEMORY(&m)->gpa, 0x1fffe, "GPA of the second");
}

RULE_HOST(T16_3_h, "DS and SS are told")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_start_at(&c, 0, CHILD_CODE);
	child_segment(&c, HV_REGISTER_DS, 0x123, 0x8093);
	child_segment(&c, HV_REGISTER_SS, 0x456, 0x8093);
	m = RUN_AS_IS(&c, LOAD(CHILD_NOTHING));
	check_segment(&MEMORY(&m)->ds, &c, HV_REGISTER_DS);
	check_segment(&MEMORY(&m)->ss, &c, HV_REGISTER_SS);
	check_value(MEMORY(&m)->ds.selector, 0x123, "DS");
}

RULE_HOST(T16_3_i, "all 16 general registers are told")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	fill_registers(&c);
	m = RUN_CODE(&c, LOAD(CHILD_NOTHING));
	check_registers_in(MEMORY(&m)->gpr, &c);
}

/* ---- 16.5.1, 16.5.2: leaves, MSRs ---- */

RULE_HOST(T16_5_1_a, "CPUID of an intercepted leaf is told, and of no other")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_CPUID, 0x40000001);
	struct hv_message m;

	m = RUN_CODE(&c, CPUID(0x40000000, 0), CPUID(1, 0), CPUID(0x40000001, 0));
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + 3 * CPUID_BYTES - 2, "RIP");
}

RULE_HOST(T16_5_1_b, "the registers before CPUID are told")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_CPUID, 4);
	struct hv_message m;

	fill_registers(&c);
	m = RUN_CODE(&c, CPUID(4, 1));
	check_value(LEAF(&m)->rax, child_register(&c, HV_REGISTER_RAX), "RAX");
	check_value((uint32_t)LEAF(&m)->rax, 4, "EAX");
	check_value((uint32_t)LEAF(&m)->rcx, 1, "ECX");
	check_value(LEAF(&m)->rdx, child_register(&c, HV_REGISTER_RDX), "RDX");
	check_value(LEAF(&m)->rbx, child_register(&c, HV_REGISTER_RBX), "RBX");
}

/* What the child's CPUID of @leaf gives by itself, as 32-bit words at CHILD_DATA: EAX, EBX, ECX, EDX. */
static void cpuid_of_child(const struct child *c, uint32_t leaf, uint32_t regs[4])
{
	/* mov [0x4000], eax; mov [0x4004], ebx; mov [0x4008], ecx; mov [0x400c], edx; out 0x80, al */
	const uint8_t code[] = { CPUID(leaf, 0), 0x66, 0xa3, 0, 0x40, 0x66, 0x89, 0x1e, 4, 0x40, 0x66, 0x89, 0x0e, 8, 0x40,
				 0x66, 0x89, 0x16, 0xc, 0x40, OUT(0x80) };

	must_install(c, HV_INTERCEPT_IO_PORT, 0x80);
	run_code(c, code, sizeof code);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t v = child_get64(c, CHILD_DATA + 8 * i);

		regs[2 * i] = (uint32_t)v;
		regs[2 * i + 1] = (uint32_t)(v >> 32);
	}
}

RULE_HOST(T16_5_1_c, "what the hypervisor would have answered is told")
{
	static const uint32_t leaves[] = { 0, 1, 0x40000003, 0x80000002 };

	for (unsigned i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
		struct child c = make_child(EXO);
		struct hv_message m;
		uint32_t regs[4];

		cpuid_of_child(&c, leaves[i], regs);
		must_install(&c, HV_INTERCEPT_CPUID, leaves[i]);
		m = RUN_CODE(&c, CPUID(leaves[i], 0));
		check_value(LEAF(&m)->default_rax, regs[0], "EAX of leaf 0x%x", leaves[i]);
		check_value(LEAF(&m)->default_rbx, regs[1], "EBX of leaf 0x%x", leaves[i]);
		check_value(LEAF(&m)->default_rcx, regs[2], "ECX of leaf 0x%x", leaves[i]);
		check_value(LEAF(&m)->default_rdx, regs[3], "EDX of leaf 0x%x", leaves[i]);
	}
}

RULE_HOST(T16_5_2_a, "RDMSR and WRMSR are told, and which of them it was")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	m = RUN_CODE(&c, RDMSR(MSR_NOWHERE), 0x0f, 0x30);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(header(&m)->access, HV_INTERCEPT_READ, "access of RDMSR");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(header(&m)->access, HV_INTERCEPT_WRITE, "access of WRMSR");
}

RULE_HOST(T16_5_2_b, "the MSR's number is ECX")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	m = RUN_CODE(&c, RDMSR(0xdeadbeef));
	check_value(MSR(&m)->msr, 0xdeadbeef, "MSR");
}

RULE_HOST(T16_5_2_c, "what WRMSR writes is told")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	/* mov ecx, 0x12345; mov eax, 0x11223344; mov edx, 0x55667788; wrmsr */
	m = RUN_CODE(&c, 0x66, 0xb9, BYTES_32(MSR_NOWHERE), 0x66, 0xb8, BYTES_32(0x11223344), 0x66, 0xba, BYTES_32(0x55667788), 0x0f, 0x30);
	check_value((uint32_t)MSR(&m)->rdx, 0x55667788, "EDX");
	check_value((uint32_t)MSR(&m)->rax, 0x11223344, "EAX");
}

/* ---- 16.5.4: exceptions ---- */

/* Made for an intercept of @vector. */
static struct child child_with(uint32_t vector)
{
	struct child c = child_telling(EXO, HV_INTERCEPT_EXCEPTION, vector);

	return c;
}

RULE_HOST(T16_5_4_a, "an exception that is intercepted is told")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x0b);

	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_value(EXCEPTION(&m)->vector, VECTOR_UD, "vector");
}

RULE_HOST(T16_5_4_b, "no length is told of an exception")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x0b);

	check_value(length(&m), 0, "length");
}

RULE_HOST(T16_2_5_a, "whether there is an error code is told")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	m = RUN_CODE(&c, 0x0f, 0x0b);
	check_value(EXCEPTION(&m)->info, 0, "information of #UD");
	m = RUN_CODE(&c, RDMSR(MSR_NOWHERE));
	check_value(EXCEPTION(&m)->info, HV_EXCEPTION_ERROR_VALID, "information of #GP");
}

/* In protected mode without a descriptor table: mov ax, 0x28; mov ds, ax */
#define LOAD_DS 0x66, 0xb8, 0x2b, 0, 0x8e, 0xd8

RULE_HOST(T16_5_4_c, "the error code is told")
{
	struct child c = child_with(VECTOR_GP);
	struct hv_message m;
	const struct hv_register_value no_table = { 0, 0 };

	check_status(set_register128(c.id, 0, HV_REGISTER_GDTR, no_table), HV_STATUS_SUCCESS);
	child_protected(&c);
	m = RUN_AS_IS(&c, LOAD_DS);
	check_value(EXCEPTION(&m)->vector, VECTOR_GP, "vector");
	check_value(EXCEPTION(&m)->error, 0x28, "error code");
}

enum { VECTOR_DB = 1, VECTOR_PF = 14 };

RULE_HOST(T16_5_4_d, "the address of a page fault is told; CR2 is what it was")
{
	struct child c = child_with(VECTOR_PF);
	struct hv_message m;

	child_set(&c, HV_REGISTER_CR2, 0x1234);
	child_paged(&c, NULL, 0);
	m = RUN_AS_IS(&c, LOAD32(CHILD_PAGED + 0x789));
	check_value(EXCEPTION(&m)->vector, VECTOR_PF, "vector");
	check_value(EXCEPTION(&m)->parameter, CHILD_PAGED + 0x789, "parameter");
	check_value(child_register(&c, HV_REGISTER_CR2), 0x1234, "CR2");
}

RULE_HOST(T16_5_4_e, "what DR6 would be is told; it is what it was")
{
	struct child c = child_with(VECTOR_DB);
	uint64_t before = child_register(&c, HV_REGISTER_DR6);
	struct hv_message m;

	/* mov [0x4000], al with a breakpoint for writes there */
	child_set(&c, HV_REGISTER_DR0 + 1, CHILD_DATA);
	child_set(&c, HV_REGISTER_DR7, 0x100404 | 1 << 3);
	m = RUN_CODE(&c, STORE(CHILD_DATA), 0x90);
	check_value(EXCEPTION(&m)->vector, VECTOR_DB, "vector");
	check_value(EXCEPTION(&m)->parameter, before | 2, "parameter");
	check_value(child_register(&c, HV_REGISTER_DR6), before, "DR6");
}

RULE_HOST(T16_5_4_f, "the parameter of other exceptions is nothing")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x0b);

	check_value(EXCEPTION(&m)->parameter, 0, "parameter");
	check_value(EXCEPTION(&m)->reserved, 0, "reserved word");
}

RULE_HOST(T16_5_4_g, "an exception comes with the code's bytes; with none if it came in the delivery of another")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x0b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14);

	check_value(EXCEPTION(&m)->byte_count, 16, "count of bytes");
	check_value(EXCEPTION(&m)->bytes[0], 0x0f, "the first");
	check_value(EXCEPTION(&m)->bytes[15], 14, "the last");
	check_status(install(c.id, HV_INTERCEPT_EXCEPTION, 0, VECTOR_UD), HV_STATUS_SUCCESS);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	/* lidt [0x4000], all zeros; ud2 */
	m = RUN_CODE(&c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
	check_value(EXCEPTION(&m)->vector, VECTOR_GP, "vector");
	check_value(EXCEPTION(&m)->byte_count, 0, "count of bytes in delivery");
}

RULE_HOST(T16_5_4_h, "an exception comes with DS, SS and the general registers")
{
	struct child c = child_with(VECTOR_UD);
	struct hv_message m;

	fill_registers(&c);
	m = RUN_CODE(&c, 0x0f, 0x0b);
	check_segment(&EXCEPTION(&m)->ds, &c, HV_REGISTER_DS);
	check_segment(&EXCEPTION(&m)->ss, &c, HV_REGISTER_SS);
	check_registers_in(EXCEPTION(&m)->gpr, &c);
}

/* ---- 16.5.8 ---- */

RULE_HOST(T16_5_8_a, "an exception that cannot be delivered is told")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);

	check_type(&m, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
	check_value(length(&m), 0, "length");
	check_value(header(&m)->rip, CHILD_CODE + 5, "RIP");
	m = RUN_CODE(&c, OUT(0x80));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

/* ---- 16.5.5, 13.3.4: the end of level-triggered interrupts ---- */

enum { SERVED = 0x45, HANDLER = 0x5000, EOI_BYTES = 12 };
enum eoi_by { EOI_BY_PAGE, EOI_BY_MSR };

static void assert_fixed(const struct child *c, uint8_t vector, uint32_t control)
{
	struct hv_in_assert_virtual_interrupt in = { .partition_id = c->id, .type = HV_INTERRUPT_FIXED, .vector = vector, .control = control };

	check_status(CALL(.code = HV_CALL_ASSERT_VIRTUAL_INTERRUPT, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
}

/*
 * The child takes interrupt SERVED; its handler ends it at HANDLER, with EOI_BYTES of code or, by MSR, what lies behind, puts the
 * word of the APIC's ISR that has SERVED into EAX, and does OUT(0x77), which is told.
 */
static struct child serving(uint64_t flags, bool level, enum eoi_by by)
{
	/* mov dword [0xfee000b0], 0 */
	static const uint8_t by_page[EOI_BYTES] = { 0x66, 0x67, 0xc7, 0x05, BYTES_32(0xfee000b0), 0, 0, 0, 0 };
	/* mov ecx, HV_X64_MSR_EOI; xor eax, eax; nop; wrmsr */
	static const uint8_t by_msr[EOI_BYTES] = { 0x66, 0xb9, BYTES_32(HV_X64_MSR_EOI), 0x66, 0x31, 0xc0, 0x90, 0x0f, 0x30 };
	/* mov eax, [0xfee00120]; out 0x77, al */
	static const uint8_t rest[] = { 0x66, 0x67, 0xa1, BYTES_32(0xfee00120), OUT(0x77) };
	/* mov dword [0xfee000f0], 0x1ff; xor edx, edx; sti; l: inc word [0x4000]; jmp l */
	static const uint8_t code[] = { 0x66, 0x67, 0xc7, 0x05, BYTES_32(0xfee000f0), BYTES_32(0x1ff), 0x66, 0x31, 0xd2, 0xfb,
					0xff, 0x06, 0x00, 0x40, 0xeb, 0xfa };
	struct child c = make_child(flags);
	uint32_t far = HANDLER;

	child_put(&c, SERVED * 4, &far, sizeof far);
	child_put(&c, HANDLER, by == EOI_BY_MSR ? by_msr : by_page, EOI_BYTES);
	child_put(&c, HANDLER + EOI_BYTES, rest, sizeof rest);
	child_put(&c, CHILD_CODE, code, sizeof code);
	must_install(&c, HV_INTERCEPT_IO_PORT, 0x77);
	child_go(&c, 0);
	/* Until its APIC is on. */
	for (unsigned i = 0; i < 1000 && !child_get64(&c, CHILD_DATA); i++)
		child_wait();
	assert_fixed(&c, SERVED, level ? HV_INTERRUPT_LEVEL_TRIGGERED : 0);
	return c;
}

static void check_end(const struct hv_message *m, const struct child *c)
{
	if (!check_type(m, HV_MESSAGE_APIC_EOI))
		return;
	check_value(m->payload_size, sizeof(struct hv_vp_message), "size");
	check_value(m->sender, c->id, "sender");
	check_value(MESSAGE_AS(hv_vp_message, m)->vp, 0, "VP");
	check_value(MESSAGE_AS(hv_vp_message, m)->vector, SERVED, "vector");
}

RULE_HOST(T13_3_4_a, "the end of a level-triggered interrupt is told with VP and vector")
{
	struct child c = serving(OF_2009, true, EOI_BY_PAGE);
	struct hv_message m = next_message();

	check_end(&m, &c);
}

RULE_HOST(T13_3_4_b, "the end is told behind the instruction, and the APIC knows it")
{
	struct child c = serving(OF_2009, true, EOI_BY_PAGE);
	struct hv_message m = next_message();

	check_end(&m, &c);
	check_value(child_register(&c, HV_REGISTER_RIP), HANDLER + EOI_BYTES, "RIP");
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(IO(&m)->rax >> SERVED % 32 & 1, 0, "the bit in service");
}

RULE_HOST(T13_3_4_c, "the VP stands until its parent lets it go on; one of an exo partition does not")
{
	struct child c = serving(OF_2009, true, EOI_BY_PAGE), d;
	struct hv_message m = next_message();

	check_end(&m, &c);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "the register");
	check_silence();
	d = serving(EXO | HV_CREATE_LAPIC, true, EOI_BY_PAGE);
	m = next_message();
	check_end(&m, &d);
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

/* More ends than a VP has buffers for them. */
enum { MANY_FIRST = 0x50, MANY = 90, MANY_IRET = HANDLER + EOI_BYTES + 9 };

/* It stands behind the end of an interrupt, whose handler returns. */
static void serve_on(const struct child *c)
{
	child_set(c, HV_REGISTER_RIP, MANY_IRET);
	child_go(c, 0);
}

/* The child has ended MANY interrupts, nobody has been told of any, and it stands in an intercept. */
static struct child ending_many(void)
{
	static const uint8_t iret = 0xcf;
	struct child c = serving(EXO | HV_CREATE_LAPIC, true, EOI_BY_PAGE);
	struct hv_message m = next_message();
	uint32_t far = HANDLER;

	check_end(&m, &c);
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	child_put(&c, MANY_IRET, &iret, sizeof iret);
	occupy_slot();
	/* One after the other: a new one would take the place of one that has not been taken (T13.5.1.g). */
	for (unsigned i = 0; i < MANY; i++) {
		child_put(&c, (MANY_FIRST + i) * 4u, &far, sizeof far);
		assert_fixed(&c, (uint8_t)(MANY_FIRST + i), HV_INTERRUPT_LEVEL_TRIGGERED);
		serve_on(&c);
		await_intercept(&c, 0);
	}
	free_slot();
	return c;
}

RULE_HOST(T13_3_4_1_l, "each end is told once, however many there are before the parent looks")
{
	struct child c = ending_many();
	unsigned told[MANY] = { 0 }, ends = 0, good = 0;

	while (ends < MANY) {
		struct hv_message m = next_message();

		if (m.type == (uint32_t)HV_MESSAGE_IO_INTERCEPT) {
			serve_on(&c);
			continue;
		}
		if (!check_type(&m, HV_MESSAGE_APIC_EOI))
			return;
		ends++;
		if (MESSAGE_AS(hv_vp_message, &m)->vector - MANY_FIRST < MANY)
			told[MESSAGE_AS(hv_vp_message, &m)->vector - MANY_FIRST]++;
	}
	for (unsigned i = 0; i < MANY; i++)
		good += told[i] == 1;
	check_value(good, MANY, "vectors whose end was told once");
	check_silence();
}

RULE_HOST(T13_3_4_d, "the end by the synthetic register is told like that by the page")
{
	struct child c = serving(OF_2009, true, EOI_BY_MSR);
	struct hv_message m = next_message();

	check_end(&m, &c);
	check_value(child_register(&c, HV_REGISTER_RIP), HANDLER + EOI_BYTES, "RIP");
}

RULE_HOST(T13_3_4_e, "the end of an edge-triggered interrupt is not told")
{
	struct hv_message m;

	serving(OF_2009, false, EOI_BY_PAGE);
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, HANDLER + EOI_BYTES + 7, "RIP");
}

RULE_HOST(T16_5_5_a, "an EOI by the page or the register sends the message")
{
	for (int by = EOI_BY_PAGE; by <= EOI_BY_MSR; by++) {
		struct child c = serving(OF_2009, true, (enum eoi_by)by);
		struct hv_message m = next_message();

		check_end(&m, &c);
	}
}

RULE_HOST(T16_5_5_b, "only level-triggered interrupts send the message")
{
	for (int level = 0; level < 2; level++) {
		struct hv_message m;

		serving(OF_2009, level, EOI_BY_MSR);
		m = next_message();
		check_type(&m, level ? HV_MESSAGE_APIC_EOI : HV_MESSAGE_IO_INTERCEPT);
	}
}

RULE_HOST(T16_5_5_c, "the vector is that of the interrupt that has ended")
{
	struct hv_message m;

	serving(EXO | HV_CREATE_LAPIC, true, EOI_BY_MSR);
	m = next_message();
	check_type(&m, HV_MESSAGE_APIC_EOI);
	check_value(MESSAGE_AS(hv_vp_message, &m)->vector, SERVED, "vector");
}

RULE_HOST(T16_5_5_d, "the message follows the instruction, which is complete")
{
	struct child c = serving(OF_2009, true, EOI_BY_MSR);
	struct hv_message m = next_message();

	check_end(&m, &c);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_silence();
}

/* ---- 16.5.6, 10.3.5: an x87 error without CR0.NE ---- */

enum { IGNNE = 5, FERR_BYTES = 14, AT_FWAIT = CHILD_CODE + FERR_BYTES };
/* fninit; fldcw [CHILD_DATA + 0x10], which unmasks division by zero; fld1; fldz; fdivp; then fwait; out 0x80, al */
static const uint8_t divides[] = { 0xdb, 0xe3, 0xd9, 0x2e, 0x10, 0x40, 0x90, 0x90, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, 0x9b, OUT(0x80) };

static struct child with_x87_error(uint64_t flags)
{
	static const uint16_t control = 0x37b;
	struct child c = child_telling(flags, HV_INTERCEPT_IO_PORT, 0x80);

	child_handler(&c, 16);
	child_put(&c, CHILD_DATA + 0x10, &control, sizeof control);
	return c;
}

/* The pin of VP 0. */
static void set_ignne(const struct child *c, bool on)
{
	union { struct hv_register_value value; uint8_t byte[16]; } v = { .value = get_register(c->id, 0, HV_REGISTER_FP_CONTROL_STATUS).value };

	v.byte[IGNNE] = on;
	check_status(set_register128(c->id, 0, HV_REGISTER_FP_CONTROL_STATUS, v.value), HV_STATUS_SUCCESS);
}

static void check_ferr(const struct hv_message *m, const struct child *c)
{
	if (!check_type(m, HV_MESSAGE_FERR_ASSERTED))
		return;
	check_value(m->payload_size, sizeof(struct hv_vp_message), "size");
	check_value(m->sender, c->id, "sender");
	check_value(MESSAGE_AS(hv_vp_message, m)->vp, 0, "VP");
}

/* As on a PC, where the processor freezes before the instruction that waits for the unit. */
RULE_HOST(T16_5_6_a, "an x87 error that is no exception is told when an instruction waits for it; the VP stands there")
{
	static const uint64_t flags[] = { OF_2009, EXO };

	for (unsigned i = 0; i < 2; i++) {
		struct child c = with_x87_error(flags[i]);
		struct hv_message m = run_code(&c, divides, sizeof divides);

		check_ferr(&m, &c);
		check_value(child_register(&c, HV_REGISTER_RIP), AT_FWAIT, "RIP");
		check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "the register");
		check_silence();
	}
}

RULE_HOST(T16_5_6_b, "with CR0.NE it is exception 16, with IGNNE# it is nothing")
{
	struct child c = with_x87_error(OF_2009);
	struct hv_message m;

	set_ignne(&c, true);
	m = run_code(&c, divides, sizeof divides);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, AT_FWAIT + 1, "RIP with IGNNE#");
	set_ignne(&c, false);
	child_set(&c, HV_REGISTER_CR0, child_register(&c, HV_REGISTER_CR0) | 1 << 5);
	m = run_code(&c, divides, sizeof divides);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_DATA, "RIP with CR0.NE");
}

RULE_HOST(T10_3_5_c, "the parent asserts IGNNE#, with which a VP that has an x87 error goes on")
{
	struct child c = with_x87_error(OF_2009);
	struct hv_message m = run_code(&c, divides, sizeof divides);

	check_ferr(&m, &c);
	/* It is as before. */
	m = go_on(&c);
	check_ferr(&m, &c);
	set_ignne(&c, true);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, AT_FWAIT + 1, "RIP");
}

/* ---- 16.5.7 ---- */

RULE_HOST(T16_5_7_a, "registers that do not fit together are told when the VP is to go on, not before")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	/* Paging without protection. */
	child_set(&c, HV_REGISTER_CR0, 0x80000010);
	check_silence();
	m = RUN_CODE(&c, 0x90);
	if (!check_type(&m, HV_MESSAGE_INVALID_REGISTER))
		return;
	check_value(m.payload_size, sizeof(struct hv_vp_message), "size");
	check_value(MESSAGE_AS(hv_vp_message, &m)->vp, 0, "VP");
	check_silence();
}

RULE_HOST(T16_5_7_b, "the VP stands until its parent lets it go on, with other registers")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	child_set(&c, HV_REGISTER_CR0, 0x80000010);
	m = RUN_CODE(&c, OUT(0x80));
	check_type(&m, HV_MESSAGE_INVALID_REGISTER);
	check_value(child_register(&c, HV_REGISTER_INTERCEPT_SUSPEND), HV_SUSPENDED, "the register");
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_INVALID_REGISTER);
	child_set(&c, HV_REGISTER_CR0, 0x10);
	m = go_on(&c);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}
