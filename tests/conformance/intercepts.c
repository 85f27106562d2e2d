/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 9: intercepts. */
#include "child.h"

static const uint8_t out_80[] = { 0x90, OUT(0x80), OUT(0x81) };
enum { RIP_80 = CHILD_CODE + 1 };

static uint64_t intercept_suspend(const struct child *c)
{
	return child_register(c, HV_REGISTER_INTERCEPT_SUSPEND) & HV_SUSPENDED;
}

/* ---- 9.1 ---- */

RULE_HOST(T9_1_a, "what a child's VP does suspends it and sends its parent one message")
{
	struct child c = make_child(EXO);
	struct hv_message m = run_code(&c, out_80, sizeof out_80);

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_silence();
	check_value(child_register(&c, HV_REGISTER_RIP), RIP_80, "RIP a while later");
}

RULE_HOST(T9_1_b, "a VP that stands in an intercept has its intercept suspend bit set")
{
	struct child c = make_child(EXO);

	check_value(intercept_suspend(&c), 0, "the bit before");
	run_code(&c, out_80, sizeof out_80);
	check_value(intercept_suspend(&c), 1, "the bit");
}

RULE_HOST(T9_1_c, "nothing but its parent's write of the suspend register lets it go on")
{
	struct child c = make_child(EXO);

	run_code(&c, out_80, sizeof out_80);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, HV_SUSPENDED);
	child_set(&c, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	check_silence();
	check_value(intercept_suspend(&c), 1, "the bit");
	check_value(child_register(&c, HV_REGISTER_RIP), RIP_80, "RIP");
}

RULE_HOST(T9_1_d, "the registers are those before the instruction, of which nothing is to be seen")
{
	struct child c = make_child(EXO);

	/* mov ax, 0x1234; mov dx, 0x80; in al, dx */
	struct hv_message m = RUN_CODE(&c, 0xb8, 0x34, 0x12, 0xba, 0x80, 0, 0xec);

	check_value(header(&m)->rip, CHILD_CODE + 6, "RIP in the message");
	check_value(child_register(&c, HV_REGISTER_RIP), CHILD_CODE + 6, "RIP");
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xffff, 0x1234, "AX");
}

RULE_HOST(T9_1_e, "a VP that goes on with the same RIP executes the instruction again")
{
	struct child c = make_child(EXO);
	struct hv_message m = run_code(&c, out_80, sizeof out_80);

	for (unsigned i = 0; i < 3; i++) {
		m = go_on(&c);
		check_value(header(&m)->rip, RIP_80, "RIP");
	}
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "the next port");
}

/* VP 1 counts in the child's memory, with no end. */
static void start_counter(const struct child *c)
{
	/* l: inc word [0x4000]; jmp l */
	static const uint8_t code[] = { 0xff, 0x06, 0x00, 0x40, 0xeb, 0xfa };

	child_vp(c, 1);
	child_put(c, 0x2000, code, sizeof code);
	child_start_at(c, 1, 0x2000);
	child_go(c, 1);
}

RULE_HOST(T9_1_f, "the other VPs of its partition run on")
{
	struct child c = make_child(EXO);
	uint64_t before;

	start_counter(&c);
	run_code(&c, out_80, sizeof out_80);
	before = child_get64(&c, CHILD_DATA);
	for (unsigned i = 0; i < 100 && child_get64(&c, CHILD_DATA) == before; i++)
		check_silence();
	check_that(child_get64(&c, CHILD_DATA) != before, "VP 1 stands");
}

RULE_HOST(T9_1_g, "several VPs of a partition have an intercept each, with a message each")
{
	struct child c = make_child(EXO);
	uint32_t seen = 0;

	child_vp(&c, 1);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_go(&c, 0);
	child_go(&c, 1);
	for (unsigned i = 0; i < 2; i++) {
		struct hv_message m = next_message();

		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		seen |= 1u << header(&m)->vp % 32;
	}
	check_value(seen, 3, "VPs that have sent one");
	check_register(c.id, 1, HV_REGISTER_INTERCEPT_SUSPEND, HV_SUSPENDED);
	check_value(intercept_suspend(&c), 1, "the bit of VP 0");
}

RULE_HOST(T9_1_h, "messages arrive in the order of what they tell")
{
	struct child c = make_child(EXO), d = make_child(EXO);

	occupy_slot();
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_put(&d, CHILD_CODE, out_80, sizeof out_80);
	child_go(&d, 0);
	await_intercept(&d, 0);
	child_go(&c, 0);
	await_intercept(&c, 0);
	free_slot();
	check_value(next_message().sender, d.id, "first sender");
	check_value(next_message().sender, c.id, "second sender");
}

RULE_HOST(T9_1_k, "the message is at SINT0")
{
	struct child c = make_child(EXO);

	run_code(&c, out_80, sizeof out_80);
	for (unsigned sint = 1; sint < HV_SINT_COUNT; sint++)
		check_slot_empty(sint);
	check_that(requested(VECTOR), "no interrupt is requested");
}

RULE_HOST(T9_1_j, "what the processor does on its own behalf is told as well")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	/* The vector table lies where nothing is: lidt [0x4000]; ud2 */
	child_put(&c, CHILD_DATA, "\xff\xff\x00\x00\x10\x00", 6);
	m = RUN_CODE(&c, 0x66, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
	if (!check_type(&m, HV_MESSAGE_UNMAPPED_GPA))
		return;
	check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, 0x100000 + 6 * 4, "GPA");
	check_that(header(&m)->state & HV_EXECUTION_INTERRUPTION_PENDING, "the state is 0x%x", header(&m)->state);
}

/* ---- 9.1.1 ---- */

RULE_HOST(T9_1_1_a, "an intercept of a port is of that port alone")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x81);
	struct hv_message m;

	m = RUN_CODE(&c, OUT(0x80), OUT(0x82), OUT(0x81), OUT(0x80), OUT(0x81));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + 4, "RIP");
	m = step_over(&c, &m);
	check_value(header(&m)->rip, CHILD_CODE + 8, "RIP of the second");
}

RULE_HOST(T9_1_1_c, "an intercept of MSRs is of all that are not virtualized, read or written")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	m = RUN_CODE(&c, RDMSR(MSR_NOWHERE), RDMSR(0xc0011234), 0x0f, 0x30);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + 6, "RIP");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, 0xc0011234, "MSR");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(header(&m)->access, HV_INTERCEPT_WRITE, "access");
}

RULE_HOST(T9_1_1_d, "an MSR whose privilege the partition lacks is one that is not virtualized")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	/* The frequencies are no privilege that a child has by itself. */
	m = RUN_CODE(&c, RDMSR(HV_X64_MSR_TSC_FREQUENCY));
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, HV_X64_MSR_TSC_FREQUENCY, "MSR");
}

RULE_HOST(T9_1_1_e, "an MSR that is virtualized is not told")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	m = RUN_CODE(&c, RDMSR(HV_X64_MSR_VP_INDEX), RDMSR(0x10), RDMSR(0x1b), RDMSR(MSR_NOWHERE));
	check_value(header(&m)->rip, CHILD_CODE + 3 * RDMSR_BYTES + 6, "RIP");
}

RULE_HOST(T9_1_1_f, "an intercept of a leaf is of all its subleaves and of no other leaf")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_CPUID, 4);
	struct hv_message m;

	m = RUN_CODE(&c, CPUID(0, 0), CPUID(4, 1), CPUID(3, 1), CPUID(4, 2));
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + 2 * CPUID_BYTES - 2, "RIP");
	m = step_over(&c, &m);
	check_value(MESSAGE_AS(hv_cpuid_message, &m)->rcx, 2, "subleaf of the second");
}

RULE_HOST(T9_1_1_g, "an intercept of an exception is of one vector")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_handler(&c, 6);
	must_install(&c, HV_INTERCEPT_EXCEPTION, 0);
	m = RUN_CODE(&c, 0x0f, 0x0b);
	check_value(header(&m)->rip, CHILD_DATA, "RIP behind #UD");
	/* xor cx, cx; div cx */
	m = RUN_CODE(&c, 0x31, 0xc9, 0xf7, 0xf1);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
}

RULE_HOST(T9_1_1_i, "to remove an intercept leaves the others")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_IO_PORT, 0x81);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	check_status(install(c.id, HV_INTERCEPT_IO_PORT, 0, 0x80), HV_STATUS_SUCCESS);
	m = RUN_CODE(&c, OUT(0x80), OUT(0x81), CPUID(0, 0));
	check_value(header(&m)->rip, CHILD_CODE + 2, "RIP");
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
}

/* ---- 9.1.2 ---- */

RULE_HOST(T9_1_2_a, "a triple fault is told without any intercept installed")
{
	struct child c = make_child(OF_2009);
	/* lidt [0x4000], all zeros; ud2 */
	struct hv_message m = RUN_CODE(&c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);

	check_type(&m, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
	check_value(intercept_suspend(&c), 1, "the bit");
}

RULE_HOST(T9_1_2_i, "memory that is not there, or not to be touched, is told without any intercept installed")
{
	struct child c = make_child(OF_2009);
	/* mov eax, [0x10000]; mov eax, [0xd000] */
	struct hv_message m = RUN_CODE(&c, 0x66, 0x67, 0xa1, 0, 0, 1, 0, 0x66, 0x67, 0xa1, 0, 0xd0, 0, 0);

	check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
}

/* ---- 9.2.4 ---- */

enum { GDT = 0x5000, TSS_NOW = 0x5200, TSS_NEXT = 0x5400, TASK = 0x2000, SELECT_NOW = 0x18, SELECT_NEXT = 0x20, TSS_16 = 1, TSS_32 = 9 };

static void put_descriptor(const struct child *c, uint16_t selector, uint32_t base, uint32_t limit, uint16_t attributes)
{
	uint64_t v = (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attributes & 0xff) << 40 |
		     (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(attributes >> 12) << 52 | (uint64_t)(base >> 24) << 56;

	child_put(c, GDT + selector, &v, sizeof v);
}

/* A task that does OUT(0x80). */
static void put_task(const struct child *c, unsigned type)
{
	static const uint8_t code[] = { OUT(0x80) };
	uint32_t wide[26] = { [8] = TASK, [9] = 2, [14] = CHILD_STACK, [18] = 0x10, [19] = 0x08, [20] = 0x10, [21] = 0x10 };
	uint16_t narrow[22] = { [7] = TASK, [8] = 2, [13] = CHILD_STACK, [17] = 0x10, [18] = 0x08, [19] = 0x10, [20] = 0x10 };

	child_put(c, TASK, code, sizeof code);
	if (type == TSS_32)
		child_put(c, TSS_NEXT, wide, sizeof wide);
	else
		child_put(c, TSS_NEXT, narrow, sizeof narrow);
	put_descriptor(c, SELECT_NEXT, TSS_NEXT, (type == TSS_32 ? sizeof wide : sizeof narrow) - 1, 0x80 | type);
}

RULE_HOST(T9_2_4_a, "a task switch through a TSS of either type is done: none is a feature that is not supported")
{
	union { struct hv_segment_register segment; struct hv_table_register table; struct hv_register_value value; } v;

	for (unsigned type = TSS_16; type <= TSS_32; type += TSS_32 - TSS_16) {
		struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
		struct hv_message m;

		child_protected(&c);
		put_descriptor(&c, 0x08, 0, 0xfffff, 0xc09b);
		put_descriptor(&c, 0x10, 0, 0xfffff, 0xc093);
		put_descriptor(&c, SELECT_NOW, TSS_NOW, 103, 0x8b);
		put_task(&c, type);
		v.table = (struct hv_table_register){ .limit = 0x3f, .base = GDT };
		check_status(set_register128(c.id, 0, HV_REGISTER_GDTR, v.value), HV_STATUS_SUCCESS);
		v.segment = (struct hv_segment_register){ .base = TSS_NOW, .limit = 103, .selector = SELECT_NOW, .attributes = 0x8b };
		check_status(set_register128(c.id, 0, HV_REGISTER_TR, v.value), HV_STATUS_SUCCESS);
		/* ljmp SELECT_NEXT:0 */
		m = RUN_AS_IS(&c, 0xea, 0, 0, 0, 0, SELECT_NEXT, 0);
		check_type(&m, HV_MESSAGE_IO_INTERCEPT);
		check_value(header(&m)->rip, TASK, "RIP");
		v.value = get_register(c.id, 0, HV_REGISTER_TR).value;
		check_value(v.segment.selector, SELECT_NEXT, "TR");
	}
}

/* ---- 9.3.1 HvInstallIntercept ---- */

RULE_HOST(T9_3_1_a, "an intercept is of all VPs, of those too that come later")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);

	check_both_tell(&c, out_80, sizeof out_80, HV_MESSAGE_IO_INTERCEPT);
}

RULE_HOST(T9_3_1_b, "access type 0 removes an intercept")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_handler(&c, VECTOR_GP);
	must_install(&c, HV_INTERCEPT_MSR, 0);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	check_status(install(c.id, HV_INTERCEPT_MSR, 0, 0), HV_STATUS_SUCCESS);
	check_status(install(c.id, HV_INTERCEPT_CPUID, 0, 0), HV_STATUS_SUCCESS);
	check_status(install(c.id, HV_INTERCEPT_EXCEPTION, 0, VECTOR_GP), HV_STATUS_SUCCESS);
	/* #GP, whose handler is out 0x77, al. */
	m = RUN_CODE(&c, CPUID(0, 0), RDMSR(MSR_NOWHERE));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_DATA, "RIP");
}

RULE_HOST(T9_3_1_c, "an intercept holds from the call on, for a VP that runs, too")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	/* l: out 0x80, al; jmp l */
	child_put(&c, CHILD_CODE, (const uint8_t[]){ OUT(0x80), 0xeb, 0xfc }, 4);
	child_go(&c, 0);
	check_silence();
	must_install(&c, HV_INTERCEPT_IO_PORT, 0x80);
	m = next_message();
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

RULE_HOST(T9_1_i, "nobody has intercepts on himself")
{
	check_status(install(own_id(), HV_INTERCEPT_IO_PORT, 3, 0x80), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T9_3_1_d, "who is not the parent is denied")
{
	check_status(install(HV_PARTITION_ID_SELF, HV_INTERCEPT_CPUID, 4, 0), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T9_3_1_e, "an unknown partition is an invalid id")
{
	check_status(install(0x123456789, HV_INTERCEPT_IO_PORT, 3, 0x80), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T9_3_1_f, "a partition that is not active is in an invalid state")
{
	uint64_t id = make_partition();

	check_status(install(id, HV_INTERCEPT_IO_PORT, 3, 0x80), HV_STATUS_INVALID_PARTITION_STATE);
}

static void check_refused(uint32_t type, uint32_t access, uint64_t parameter)
{
	struct reply r = install(make_active_partition(), type, access, parameter);

	check_that(!r.fault && hv_result_status(r.value) == HV_STATUS_INVALID_PARAMETER,
		   "type %u, access 0x%x, parameter 0x%llx: %s", type, access, (unsigned long long)parameter,
		   status_name(hv_result_status(r.value)));
}

RULE_HOST(T9_3_1_g, "an unknown type is an invalid parameter")
{
	check_refused(0x14, 4, 0);
	check_refused(0xffffffff, 4, 0);
}

RULE_HOST(T9_3_1_h, "an access that the type does not have is an invalid parameter")
{
	static const uint32_t good[] = { 3, 3, 4, 4 };

	for (uint32_t type = 0; type < 4; type++)
		for (uint32_t access = 1; access < 8; access++)
			if (access != good[type])
				check_refused(type, access, 0);
}

RULE_HOST(T9_1_1_b, "a port cannot be intercepted for reads or for writes alone")
{
	check_refused(HV_INTERCEPT_IO_PORT, HV_INTERCEPT_MASK_READ, 0x80);
	check_refused(HV_INTERCEPT_IO_PORT, HV_INTERCEPT_MASK_WRITE, 0x80);
}

RULE_HOST(T9_2_3_a, "an unknown bit of the access is an invalid parameter")
{
	check_refused(HV_INTERCEPT_IO_PORT, 0xb, 0);
	check_refused(HV_INTERCEPT_CPUID, 0x80000004, 0);
}

RULE_HOST(T9_2_2_a, "bits of the parameter that the type does not have must be zero")
{
	check_refused(HV_INTERCEPT_IO_PORT, 3, 0x10080);
	check_refused(HV_INTERCEPT_MSR, 3, 1);
	check_refused(HV_INTERCEPT_CPUID, 4, 1ull << 32);
	check_refused(HV_INTERCEPT_EXCEPTION, 4, 0x10006);
}

RULE_HOST(T9_3_1_i, "a vector that no exception has is an invalid parameter")
{
	check_refused(HV_INTERCEPT_EXCEPTION, 4, 32);
}

static void empty_pool(uint64_t id)
{
	while (hv_result_status(withdraw(id, 511).value) == HV_STATUS_SUCCESS)
		;
}

RULE_HOST(T9_3_1_j, "ports, MSRs and exceptions need no memory")
{
	uint64_t id = make_active_partition();

	empty_pool(id);
	check_status(install(id, HV_INTERCEPT_IO_PORT, 3, 0xffff), HV_STATUS_SUCCESS);
	check_status(install(id, HV_INTERCEPT_MSR, 3, 0), HV_STATUS_SUCCESS);
	check_status(install(id, HV_INTERCEPT_EXCEPTION, 4, 31), HV_STATUS_SUCCESS);
}

RULE_HOST(T9_3_1_k, "a leaf takes its memory from the child's pool, and gives it back")
{
	uint64_t id = make_active_partition();
	uint32_t n = 0;
	struct reply r;

	empty_pool(id);
	do
		r = install(id, HV_INTERCEPT_CPUID, 4, n++);
	while (hv_result_status(r.value) == HV_STATUS_SUCCESS && n < 2000);
	check_status(r, HV_STATUS_INSUFFICIENT_MEMORY);
	check_status(install(id, HV_INTERCEPT_CPUID, 0, 0), HV_STATUS_SUCCESS);
	check_status(install(id, HV_INTERCEPT_CPUID, 4, 5000), HV_STATUS_SUCCESS);
}

RULE_HOST(T9_1_2_b, "what is always told cannot be switched off")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	for (uint32_t type = 0; type < 4; type++)
		check_status(install(c.id, type, 0, 0), HV_STATUS_SUCCESS);
	m = RUN_CODE(&c, 0x0f, 0x01, 0x1e, 0, 0x40, 0x0f, 0x0b);
	check_type(&m, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
}

RULE_HOST(T9_1_2_h, "what a child can be told not to have is no unsupported feature: an unknown MSR is #GP")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	child_handler(&c, VECTOR_GP);
	m = RUN_CODE(&c, RDMSR(MSR_NOWHERE));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_value(header(&m)->rip, CHILD_DATA, "RIP");
}

/* ---- 9.4 ---- */

RULE_HOST(T9_4_a, "the type of the message names the event")
{
	struct child c = child_telling(OF_2009, HV_INTERCEPT_IO_PORT, 0x80);
	struct hv_message m;

	must_install(&c, HV_INTERCEPT_MSR, 0);
	must_install(&c, HV_INTERCEPT_CPUID, 0);
	must_install(&c, HV_INTERCEPT_EXCEPTION, VECTOR_UD);
	m = RUN_CODE(&c, OUT(0x80), RDMSR(MSR_NOWHERE), CPUID(0, 0), 0x0f, 0x0b);
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_CPUID_INTERCEPT);
	m = step_over(&c, &m);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
}

/* ---- a parent that does not answer ---- */

RULE_HOST(T14_2_6_a, "each intercept sends one message; one that still waits when its child is finalized never arrives")
{
	struct child c = make_child(EXO), d = make_child(EXO);

	run_code(&c, out_80, sizeof out_80);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, c.id), HV_STATUS_SUCCESS);
	check_silence();
	occupy_slot();
	child_put(&d, CHILD_CODE, out_80, sizeof out_80);
	child_go(&d, 0);
	await_intercept(&d, 0);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, d.id), HV_STATUS_SUCCESS);
	free_slot();
	check_silence();
}

RULE_HOST(T14_2_6_c, "an intercept while the message of the last still waits: one message arrives, that of the later")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	occupy_slot();
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_go(&c, 0);
	await_intercept(&c, 0);
	child_set(&c, HV_REGISTER_RIP, CHILD_CODE + 3);
	child_go(&c, 0);
	await_intercept(&c, 0);
	free_slot();
	m = next_message();
	check_value(MESSAGE_AS(hv_io_message, &m)->port, 0x81, "port");
	check_silence();
}

RULE_HOST(T14_2_4_d, "an intercept's message waits for SINT0, whatever else is free")
{
	struct child c = make_child(EXO);

	occupy_slot();
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_go(&c, 0);
	await_intercept(&c, 0);
	for (unsigned sint = 1; sint < HV_SINT_COUNT; sint++)
		check_slot_empty(sint);
	check_value(slot(0).type, 1, "what was in the slot of SINT0");
	free_slot();
	check_value(next_message().sender, c.id, "sender");
}

RULE_HOST(T14_2_6_b, "a parent that begins to listen late misses nothing")
{
	struct child c = make_child(EXO);

	set_msr(HV_X64_MSR_SCONTROL, 0);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	child_go(&c, 0);
	await_intercept(&c, 0);
	check_slot_empty(0);
	set_msr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	check_value(next_message().sender, c.id, "sender");
}

RULE_HOST(T14_8_4_c, "the sender of an intercept's message is the child")
{
	struct child c = make_child(EXO);

	check_value(run_code(&c, out_80, sizeof out_80).sender, c.id, "sender");
}

RULE_HOST(T14_2_1_e, "each VP has a buffer for its message: none waits for another's")
{
	struct child c = make_child(EXO);
	uint32_t seen = 0;

	occupy_slot();
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	for (uint32_t vp = 0; vp < 4; vp++) {
		if (vp)
			child_vp(&c, vp);
		child_go(&c, vp);
	}
	for (uint32_t vp = 0; vp < 4; vp++)
		await_intercept(&c, vp);
	free_slot();
	for (unsigned i = 0; i < 4; i++) {
		struct hv_message m = next_message();

		seen |= 1u << header(&m)->vp % 32;
	}
	check_value(seen, 0xf, "VPs whose message has come");
}
