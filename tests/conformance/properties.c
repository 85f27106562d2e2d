/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 5: what a partition is allowed and has, told by its parent. */
#include "child.h"

#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/vp.h"

#define DEFAULT_WEIGHT 100ull
#define CPU_ALL 0x10000ull                     /* 100 % */

/* Those of 2009 (5.2.2). */
static const uint32_t codes_2009[] = {
	HV_PROPERTY_PRIVILEGE_FLAGS, HV_PROPERTY_CPU_RESERVE, HV_PROPERTY_CPU_CAP, HV_PROPERTY_CPU_WEIGHT, HV_PROPERTY_EMULATED_TIMER_PERIOD,
	HV_PROPERTY_EMULATED_TIMER_CONTROL, HV_PROPERTY_PM_TIMER_ASSIST, HV_PROPERTY_DEBUG_CHANNEL_ID, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT,
	HV_PROPERTY_PROCESSOR_VENDOR, HV_PROPERTY_PROCESSOR_FEATURES, HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE,
};
static const uint32_t codes_unknown[] = { 0, 0x00020000, 0x00060004, 0xffffffff };
/* What the child's processor is like. */
static const uint32_t codes_processor[] = {
	HV_PROPERTY_PROCESSOR_FEATURES, HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE,
};
#define FOR_EACH(c, list) for (const uint32_t *c = list; c < list + sizeof list / sizeof list[0]; c++)

/* It is refused, and nothing has changed. */
static void check_refused(uint64_t id, uint32_t code, uint64_t value, uint16_t status)
{
	uint64_t before = property(id, code);

	check_status(set_property(id, code, value), status);
	check_property(id, code, before);
}

static void grant(uint64_t id, uint64_t privileges)
{
	must_set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, property(id, HV_PROPERTY_PRIVILEGE_FLAGS) | privileges);
}

static void withdraw_right(uint64_t id, uint64_t privileges)
{
	must_set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, property(id, HV_PROPERTY_PRIVILEGE_FLAGS) & ~privileges);
}

static struct child calling_child(uint64_t privileges)
{
	struct child c = make_child(OF_2009);

	grant(c.id, privileges);
	child_may_call(&c);
	return c;
}

static uint16_t child_gets(const struct child *c, uint64_t id, uint32_t code)
{
	struct hv_in_get_partition_property in = { id, code, 0 };

	return child_calls(c, HV_CALL_GET_PARTITION_PROPERTY, 0, &in, sizeof in);
}

static uint16_t child_asks_id(const struct child *c)
{
	return child_calls(c, HV_CALL_GET_PARTITION_ID, 0, NULL, 0);
}

/* A child of the child, in state uninitialized; 0 if it may not. */
static uint64_t grandchild(const struct child *c, uint16_t status)
{
	const struct hv_in_create_partition in = { .flags = 0 };

	check_value(child_calls(c, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), status, "status of the child's call");
	return status ? 0 : child_get64(c, CHILD_CALL_OUT);
}

/* ---- 5.2.2 ---- */

RULE_HOST(T5_2_2_a, "a property keeps its value until it is set again")
{
	uint64_t id = make_active_partition();

	must_set_property(id, HV_PROPERTY_CPU_WEIGHT, 1);
	check_property(id, HV_PROPERTY_CPU_WEIGHT, 1);
	must_set_property(id, HV_PROPERTY_DEBUG_CHANNEL_ID, 7);
	must_set_property(id, HV_PROPERTY_CPU_CAP, CPU_ALL / 2);
	check_property(id, HV_PROPERTY_CPU_WEIGHT, 1);
	check_property(id, HV_PROPERTY_DEBUG_CHANNEL_ID, 7);
	must_set_property(id, HV_PROPERTY_CPU_WEIGHT, 10000);
	check_property(id, HV_PROPERTY_CPU_WEIGHT, 10000);
}

RULE_HOST(T5_2_2_b, "codes have 32 bits, values 64")
{
	uint64_t id = make_active_partition(), mask = HV_ACCESS_HYPERCALL | HV_SIGNAL_EVENTS;

	must_set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, mask);
	check_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, mask);
}

RULE_HOST(T5_2_2_c, "a new child has no reserve") { check_property(make_active_partition(), HV_PROPERTY_CPU_RESERVE, 0); }
RULE_HOST(T5_2_2_d, "a new child's cap is all") { check_property(make_active_partition(), HV_PROPERTY_CPU_CAP, CPU_ALL); }
RULE_HOST(T5_2_2_e, "a new child's weight is 100") { check_property(make_active_partition(), HV_PROPERTY_CPU_WEIGHT, DEFAULT_WEIGHT); }

RULE_HOST(T5_2_2_f, "a new child has no assists and no debug channel")
{
	uint64_t id = make_active_partition();

	check_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, 0);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, 0);
	check_property(id, HV_PROPERTY_PM_TIMER_ASSIST, 0);
	check_property(id, HV_PROPERTY_DEBUG_CHANNEL_ID, 0);
}

RULE_HOST(T5_2_2_g, "a new child's processor is like its parent's")
{
	uint64_t id = make_active_partition();

	FOR_EACH(code, codes_processor)
		check_property(id, *code, property(HV_PARTITION_ID_SELF, *code));
}

RULE_HOST(T5_2_2_h, "what the processor is like can be set for children only, its vendor for nobody")
{
	uint64_t id = make_active_partition(), vendor = property(id, HV_PROPERTY_PROCESSOR_VENDOR);
	uint64_t features = property(id, HV_PROPERTY_PROCESSOR_FEATURES);

	check_refused(id, HV_PROPERTY_PROCESSOR_VENDOR, !vendor, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	FOR_EACH(code, codes_processor)
		must_set_property(id, *code, property(id, *code));
	must_set_property(id, HV_PROPERTY_PROCESSOR_FEATURES, features & ~1ull);
	check_property(id, HV_PROPERTY_PROCESSOR_FEATURES, features & ~1ull);
	check_refused(HV_PARTITION_ID_SELF, HV_PROPERTY_PROCESSOR_FEATURES, features & ~1ull, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	/* A processor that is there cannot change any more. */
	make_vp(id, 0);
	check_refused(id, HV_PROPERTY_PROCESSOR_FEATURES, features, HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_2_2_i, "other codes are unknown")
{
	uint64_t id = make_active_partition();

	FOR_EACH(code, codes_unknown) {
		check_status(get_property(id, *code), HV_STATUS_UNKNOWN_PROPERTY);
		check_status(set_property(id, *code, 0), HV_STATUS_UNKNOWN_PROPERTY);
	}
}

/* ---- 5.2.3 ---- */

RULE_HOST(T5_2_3_d, "an MSR of a group without privilege is told if the parent wants to know")
{
	struct child c = make_child(OF_2009);
	struct hv_message m;

	withdraw_right(c.id, HV_ACCESS_VP_INDEX);
	must_install(&c, HV_INTERCEPT_MSR, 0);
	m = RUN_CODE(&c, RDMSR(HV_X64_MSR_VP_INDEX));
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
}

/* WRMSR of 0. */
#define WRMSR(n) 0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2, 0x66, 0xb9, BYTES_32(n), 0x0f, 0x30
enum { WRMSR_BYTES = 14 };

/* Of a child that may not use the group: both raise #GP, and are told if the parent wants to know of MSRs. */
static void check_msr_denied(uint32_t msr, uint64_t privilege)
{
	const uint8_t code[] = { RDMSR(msr), WRMSR(msr) };
	struct child c = child_telling(OF_2009, HV_INTERCEPT_EXCEPTION, VECTOR_GP);
	struct hv_message m;

	withdraw_right(c.id, privilege);
	m = run_code(&c, code, sizeof code);
	check_type(&m, HV_MESSAGE_EXCEPTION_INTERCEPT);
	check_value(header(&m)->rip, CHILD_CODE + RDMSR_BYTES - 2, "RIP of RDMSR");
	must_install(&c, HV_INTERCEPT_MSR, 0);
	for (unsigned told = 0; told < 2; told++) {
		child_set(&c, HV_REGISTER_RIP, CHILD_CODE + RDMSR_BYTES);
		check_status(install(c.id, HV_INTERCEPT_MSR, told ? HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE : 0, 0), HV_STATUS_SUCCESS);
		m = go_on(&c);
		check_type(&m, told ? HV_MESSAGE_MSR_INTERCEPT : HV_MESSAGE_EXCEPTION_INTERCEPT);
		check_value(header(&m)->rip, CHILD_CODE + RDMSR_BYTES + WRMSR_BYTES - 2, "RIP of WRMSR");
	}
	m = run_code(&c, code, sizeof code);
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, msr, "MSR");
}

RULE_HOST(T3_6_f, "the guest OS id is no MSR of a child that may not use it")
{
	check_msr_denied(HV_X64_MSR_GUEST_OS_ID, HV_ACCESS_HYPERCALL);
}

RULE_HOST(T4_12_o, "the hypercall MSR is none of a child that may not use it")
{
	check_msr_denied(HV_X64_MSR_HYPERCALL, HV_ACCESS_HYPERCALL);
}

/* A child's child begins with no more than the child has, and is given no more; what the child loses it loses as well. */
static void check_rights_of_grandchild(void)
{
	const uint64_t has = HV_ACCESS_HYPERCALL | HV_CREATE_PARTITIONS;
	struct child c = calling_child(HV_CREATE_PARTITIONS);
	struct hv_in_set_partition_property in = { .code = HV_PROPERTY_PRIVILEGE_FLAGS };

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, has | HV_ACCESS_VP_INDEX);
	in.partition_id = grandchild(&c, HV_STATUS_SUCCESS);
	check_value(child_gets(&c, in.partition_id, HV_PROPERTY_PRIVILEGE_FLAGS), HV_STATUS_SUCCESS, "status of the child's question");
	check_value(child_get64(&c, CHILD_CALL_OUT), HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX, "what its child may at first");
	in.value = has | HV_ACCESS_PARTITION_ID;
	check_value(child_calls(&c, HV_CALL_SET_PARTITION_PROPERTY, 0, &in, sizeof in), HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE,
		    "status of a privilege that the child has not");
	in.value = has | HV_ACCESS_VP_INDEX;
	check_value(child_calls(&c, HV_CALL_SET_PARTITION_PROPERTY, 0, &in, sizeof in), HV_STATUS_SUCCESS, "status of one that it has");
	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, has);
	check_value(child_gets(&c, in.partition_id, HV_PROPERTY_PRIVILEGE_FLAGS), HV_STATUS_SUCCESS, "status of the child's question");
	check_value(child_get64(&c, CHILD_CALL_OUT), has, "what its child may behind that");
	child_deletes(&c, in.partition_id);
}

RULE_HOST(T5_2_3_a, "a new child may do all that each partition can, and nothing that its parent has to grant")
{
	uint64_t id = make_partition(), works = property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS);

	check_that(works & HV_ACCESS_RESET && works & HV_ACCESS_GUEST_IDLE, "the parent's are 0x%llx", (unsigned long long)works);
	check_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, 0x5ff & works);
	check_rights_of_grandchild();
}

RULE_ROOT(T5_2_3_b, "the root may make each call")
{
	uint64_t have = property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS);

	FOR_EACH_CALL(row)
		check_value(row->privilege & ~have, 0, "%s", row->name);
	check_that(have & HV_CREATE_PARTITIONS && have & HV_CPU_MANAGEMENT, "the privileges are 0x%llx", (unsigned long long)have);
}

RULE_HOST(T5_2_3_i, "debugging and the management of processors are not granted")
{
	static const uint64_t refused[] = { HV_DEBUGGING, HV_CPU_MANAGEMENT };
	uint64_t id = make_active_partition(), mask = property(id, HV_PROPERTY_PRIVILEGE_FLAGS);

	for (unsigned i = 0; i < 2; i++)
		check_refused(id, HV_PROPERTY_PRIVILEGE_FLAGS, mask | refused[i], HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
}

RULE_HOST(T5_2_3_f, "who may not create partitions does not")
{
	struct child c = calling_child(0);

	grandchild(&c, HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T5_2_3_h, "who may not use memory pools does not feed its children")
{
	struct child c = calling_child(HV_CREATE_PARTITIONS);
	uint64_t in[] = { grandchild(&c, HV_STATUS_SUCCESS), 9 };

	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's call");
	grant(c.id, HV_ACCESS_MEMORY_POOL);
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_SUCCESS, "status of the child's call");
	in[1] = 0;
	check_value(child_calls(&c, HV_CALL_WITHDRAW_MEMORY, 1, in, sizeof in), HV_STATUS_SUCCESS, "status of the child's call");
	child_deletes(&c, in[0]);
}

RULE_HOST(T5_2_3_j, "privileges come and go while the partition is active")
{
	struct child c = calling_child(0);

	for (unsigned i = 0; i < 3; i++) {
		check_value(child_asks_id(&c), HV_STATUS_ACCESS_DENIED, "status without the privilege");
		grant(c.id, HV_ACCESS_PARTITION_ID);
		check_value(child_asks_id(&c), HV_STATUS_SUCCESS, "status with the privilege");
		withdraw_right(c.id, HV_ACCESS_PARTITION_ID);
	}
}

/* ---- 5.2.6 to 5.2.11 ---- */

/* The pages that are in use besides those for virtual TLBs do not change meanwhile. */
static void check_tlb_pages(uint64_t id, uint64_t n)
{
	struct hv_out_get_memory_balance before, after;
	uint64_t had = property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT);

	check_status(balance(id, &before), HV_STATUS_SUCCESS);
	must_set_property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, n);
	check_status(balance(id, &after), HV_STATUS_SUCCESS);
	check_property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, n);
	check_value(after.pages_in_use - before.pages_in_use, n - had, "more pages in use, with %llu", (unsigned long long)n);
	check_value(after.pages_in_use + after.pages_available, before.pages_in_use + before.pages_available, "pages in all");
}

RULE_HOST(T5_2_6_a, "pages for the virtual TLB are taken from the partition's own pool")
{
	static const uint64_t some[] = { 16, 20, 3, 1 };
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++)
		check_tlb_pages(id, some[i]);
}

RULE_HOST(T5_2_6_d, "a child has a page for it from the start, who has no parent none")
{
	uint64_t id = make_active_partition();

	check_property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, 1);
	check_property(HV_PARTITION_ID_SELF, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, 0);
	deposit(HV_PARTITION_ID_SELF, 4);
	check_tlb_pages(HV_PARTITION_ID_SELF, 4);
	check_tlb_pages(HV_PARTITION_ID_SELF, 0);
}

/* More than the pool has: nothing has changed. */
static void check_pool_too_small(void)
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance b;

	check_tlb_pages(id, 5);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_refused(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, 5 + b.pages_available + 1, HV_STATUS_INSUFFICIENT_MEMORY);
	check_balance(id, b.pages_available, b.pages_in_use);
	check_tlb_pages(id, 5 + b.pages_available);
}

RULE_HOST(T5_2_6_e, "more pages for the virtual TLB than the pool has are not to be had") { check_pool_too_small(); }
RULE_HOST(T5_6_6_k, "a pool that is too small for a property leaves the property as it was") { check_pool_too_small(); }

RULE_HOST(T5_2_6_b, "the number of pages for the virtual TLB can be set while the partition is active")
{
	must_set_property(make_active_partition(), HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, 16);
}

RULE_HOST(T5_2_6_c, "a number of pages for the virtual TLB that is too low or too high becomes the next possible one")
{
	uint64_t id = make_active_partition(), least, most;

	deposit(id, 2048);
	must_set_property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, 0);
	least = property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT);
	must_set_property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, UINT64_MAX);
	most = property(id, HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT);
	check_that(least > 0 && least <= most && most < UINT64_MAX, "0 becomes 0x%llx, the highest number 0x%llx", (unsigned long long)least,
		   (unsigned long long)most);
}

RULE_HOST(T5_2_7_a, "the vendor is that of CPUID")
{
	struct child c = make_child(OF_2009);
	uint64_t vendor = property(c.id, HV_PROPERTY_PROCESSOR_VENDOR);

	/* "Auth", "Genu" */
	check_value(child_leaf(&c, 0).b, vendor == HV_PROCESSOR_VENDOR_AMD ? 0x68747541 : 0x756e6547, "EBX of leaf 0");
}

/* By bit of 5.2.8: leaf 1 or 0x80000001, and the bit there. */
enum { IN_1_C = 0, IN_EXTENDED_C = 32, IN_EXTENDED_D = 64 };
static const uint8_t told_by[16] = {
	IN_1_C + 0, IN_EXTENDED_C + 0, IN_1_C + 9, IN_1_C + 19, IN_1_C + 20, IN_EXTENDED_C + 6, IN_EXTENDED_C + 11, IN_1_C + 23,
	IN_1_C + 13, IN_EXTENDED_C + 4, IN_EXTENDED_C + 5, IN_EXTENDED_C + 7, IN_EXTENDED_D + 22, IN_EXTENDED_D + 31, IN_EXTENDED_D + 30,
	IN_EXTENDED_D + 26,
};

/* As 5.2.8 has it, of what the child's CPUID tells. */
static uint64_t told_features(const struct child *c)
{
	struct leaf basic = child_leaf(c, 1), extended = child_leaf(c, 0x80000001);
	uint32_t told[] = { basic.c, extended.c, extended.d };
	uint64_t v = 0;

	for (unsigned i = 0; i < 16; i++)
		v |= (uint64_t)(told[told_by[i] / 32] >> told_by[i] % 32 & 1) << i;
	return v;
}

RULE_HOST(T5_2_8_a, "each bit is a feature that CPUID tells of; without it the child has not the feature")
{
	uint64_t all = property(HV_PARTITION_ID_SELF, HV_PROPERTY_PROCESSOR_FEATURES);

	for (unsigned half = 0; half < 2; half++) {
		uint64_t id = make_partition(), some = all & (half ? 0x5555 : 0xaaaa);
		struct child c;

		must_set_property(id, HV_PROPERTY_PROCESSOR_FEATURES, some);
		check_property(id, HV_PROPERTY_PROCESSOR_FEATURES, some);
		c = raise_child(id);
		check_value(told_features(&c), some, "what CPUID tells of");
	}
	/* Nobody gives what he has not. */
	for (unsigned i = 0; i < 16; i++)
		if (!(all >> i & 1))
			check_refused(make_partition(), HV_PROPERTY_PROCESSOR_FEATURES, all | 1u << i, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	check_refused(make_partition(), HV_PROPERTY_PROCESSOR_FEATURES, all | 1u << 16, HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T5_2_9_a, "without XSAVE the child has nothing of it")
{
	uint64_t id = make_partition();
	struct child c;

	must_set_property(id, HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, 0);
	check_property(id, HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, 0);
	c = raise_child(id);
	check_value(child_leaf(&c, 1).c & (1 << 26 | 1 << 28 | 1 << 12), 0, "XSAVE, AVX and FMA");
	check_value(child_leaf(&c, 0xd).a, 0, "what XCR0 may hold");
}

RULE_HOST(T5_2_10_a, "a cache line has 8 times 8 bytes")
{
	struct child c = make_child(OF_2009);

	check_property(c.id, HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE, 8);
	check_value(child_leaf(&c, 1).b >> 8 & 0xff, 8, "EBX 15:8 of leaf 1");
}

RULE_HOST(T5_2_11_a, "a child may be as compatible as can be")
{
	uint64_t id = make_partition();
	bool amd = property(id, HV_PROPERTY_PROCESSOR_VENDOR) == HV_PROCESSOR_VENDOR_AMD;
	uint64_t all = property(id, HV_PROPERTY_PROCESSOR_FEATURES), mode = amd ? 0x1303 & all : 0x103;
	struct child c;

	must_set_property(id, HV_PROPERTY_PROCESSOR_FEATURES, mode);
	must_set_property(id, HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, 0);
	must_set_property(id, HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE, 8);
	c = raise_child(id);
	check_value(told_features(&c), mode, "what CPUID tells of");
}

/* ---- 5.6.5 ---- */

RULE_HOST(T5_6_5_a, "a parent reads all properties of its active child")
{
	uint64_t id = make_active_partition();

	FOR_EACH(code, codes_2009)
		check_status(get_property(id, *code), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_6_5_b, "who has no parent reads its own properties")
{
	FOR_EACH(code, codes_2009)
		check_status(get_property(own_id(), *code), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_6_5_c, "who has one does not")
{
	struct child c = calling_child(HV_CREATE_PARTITIONS);

	check_value(child_gets(&c, c.id, HV_PROPERTY_CPU_CAP), HV_STATUS_ACCESS_DENIED, "status of the child's call");
	check_value(child_gets(&c, own_id(), HV_PROPERTY_CPU_CAP), HV_STATUS_ACCESS_DENIED, "status of the child's call about its parent");
}

RULE_HOST(T5_6_5_d, "a child's child is no child")
{
	struct child c = calling_child(HV_CREATE_PARTITIONS);
	uint64_t id = grandchild(&c, HV_STATUS_SUCCESS);

	check_value(child_gets(&c, id, HV_PROPERTY_CPU_CAP), HV_STATUS_SUCCESS, "status of the child's call");
	check_status(get_property(id, HV_PROPERTY_CPU_CAP), HV_STATUS_ACCESS_DENIED);
	check_status(set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, 0), HV_STATUS_ACCESS_DENIED);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_ACCESS_DENIED);
	check_status(call_id(HV_CALL_DELETE_PARTITION, id), HV_STATUS_ACCESS_DENIED);
	child_deletes(&c, id);
}

RULE_HOST(T5_6_5_e, "a code that there is not is no property")
{
	uint64_t id = make_active_partition();

	FOR_EACH(code, codes_unknown)
		check_status(get_property(id, *code), HV_STATUS_UNKNOWN_PROPERTY);
}

/* What shipping software reads before the partition is initialized can be read then. */
RULE_HOST(T5_6_5_f, "a finalized partition has no properties")
{
	uint64_t id = make_active_partition();

	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(get_property(id, HV_PROPERTY_CPU_CAP), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(set_property(id, HV_PROPERTY_CPU_CAP, CPU_ALL), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_5_g, "nor has what is no partition")
{
	check_status(get_property(HV_PARTITION_ID_INVALID, HV_PROPERTY_CPU_CAP), HV_STATUS_INVALID_PARTITION_ID);
	check_status(get_property(make_partition() + 1000, HV_PROPERTY_CPU_CAP), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T5_6_5_h, "the bytes behind the code do not matter")
{
	struct hv_in_get_partition_property in = { make_active_partition(), HV_PROPERTY_CPU_CAP, 0 };

	for (unsigned i = 0; i < 2; i++, in.padding = UINT32_MAX)
		check_value(out64(CALL(.code = HV_CALL_GET_PARTITION_PROPERTY, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE))), CPU_ALL,
			    "cap");
}

/* ---- 5.6.6 ---- */

RULE_HOST(T5_6_6_a, "what has been set is read")
{
	static const struct { uint32_t code, value; } some[] = {
		{ HV_PROPERTY_CPU_CAP, 0x8000 }, { HV_PROPERTY_CPU_RESERVE, 0x10 }, { HV_PROPERTY_CPU_WEIGHT, 77 }, { HV_PROPERTY_DEBUG_CHANNEL_ID, 0xffff },
		{ HV_PROPERTY_TIME_FREEZE, 1 }, { HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION, 1 }, { HV_PROPERTY_PROCESSORS_PER_SOCKET, 3 },
	};
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		must_set_property(id, some[i].code, some[i].value);
		check_property(id, some[i].code, some[i].value);
	}
}

RULE_HOST(T5_6_6_b, "shares of processors are set in active partitions, synthetic features before")
{
	uint64_t id = make_partition();

	check_status(set_property(id, HV_PROPERTY_CPU_WEIGHT, 1), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(set_property(id, HV_PROPERTY_TIME_FREEZE, 1), HV_STATUS_INVALID_PARTITION_STATE);
	must_set_property(id, HV_PROPERTY_SYNTHETIC_FEATURES, HV_SYNTHETIC_PRESENT | HV_SYNTHETIC_HV1);
	id = make_active_partition();
	check_status(set_property(id, HV_PROPERTY_SYNTHETIC_FEATURES, HV_SYNTHETIC_PRESENT), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_6_c, "who has no parent sets its own properties")
{
	must_set_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_WEIGHT, 50);
	check_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_WEIGHT, 50);
	must_set_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_WEIGHT, DEFAULT_WEIGHT);
}

RULE_HOST(T5_6_6_d, "who has one does not")
{
	struct child c = calling_child(HV_CREATE_PARTITIONS);
	struct hv_in_set_partition_property in = { HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS, 0, UINT64_MAX };

	check_value(child_calls(&c, HV_CALL_SET_PARTITION_PROPERTY, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's call");
}

RULE_HOST(T5_6_6_e, "a reserve is not above the cap, and all of them not above what there is")
{
	uint64_t id = make_active_partition();

	must_set_property(id, HV_PROPERTY_CPU_CAP, 0x1000);
	must_set_property(id, HV_PROPERTY_CPU_RESERVE, 0x800);
	check_refused(id, HV_PROPERTY_CPU_RESERVE, 0x1001, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	check_refused(id, HV_PROPERTY_CPU_CAP, 0x7ff, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
}

RULE_HOST(T5_6_6_f, "who sets its own privileges cannot have one that it lacks")
{
	uint64_t mask = property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS);

	check_value(mask & HV_CONFIGURE_PROFILER, 0, "a privilege that nobody has here");
	check_refused(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS, mask | HV_CONFIGURE_PROFILER, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
}

RULE_HOST(T5_6_6_g, "the management of processors is the root's")
{
	uint64_t id = make_active_partition(), mask = property(id, HV_PROPERTY_PRIVILEGE_FLAGS);

	check_refused(id, HV_PROPERTY_PRIVILEGE_FLAGS, mask | HV_CPU_MANAGEMENT, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
}

RULE_HOST(T5_6_6_h, "a debug channel is one partition's")
{
	uint64_t one = make_active_partition(), other = make_active_partition();

	must_set_property(one, HV_PROPERTY_DEBUG_CHANNEL_ID, 5);
	must_set_property(one, HV_PROPERTY_DEBUG_CHANNEL_ID, 5);
	check_refused(other, HV_PROPERTY_DEBUG_CHANNEL_ID, 5, HV_STATUS_OBJECT_IN_USE);
	must_set_property(other, HV_PROPERTY_DEBUG_CHANNEL_ID, 0);
	must_set_property(one, HV_PROPERTY_DEBUG_CHANNEL_ID, 0);
	must_set_property(other, HV_PROPERTY_DEBUG_CHANNEL_ID, 5);
}

RULE_HOST(T5_6_6_i, "what cannot be a value is none")
{
	static const struct { uint32_t code; uint64_t value; } bad[] = {
		{ HV_PROPERTY_PRIVILEGE_FLAGS, 1ull << 63 }, { HV_PROPERTY_PRIVILEGE_FLAGS, 1ull << 41 }, { HV_PROPERTY_PRIVILEGE_FLAGS, 1ull << 31 },
		{ HV_PROPERTY_CPU_WEIGHT, 0 }, { HV_PROPERTY_CPU_WEIGHT, 10001 }, { HV_PROPERTY_CPU_CAP, CPU_ALL + 1 },
		{ HV_PROPERTY_CPU_RESERVE, CPU_ALL + 1 }, { HV_PROPERTY_DEBUG_CHANNEL_ID, 0x10000 }, { HV_PROPERTY_TIME_FREEZE, 2 },
		{ HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION, 2 }, { HV_PROPERTY_PROCESSORS_PER_SOCKET, 1ull << 32 },
	};
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
		check_refused(id, bad[i].code, bad[i].value, HV_STATUS_INVALID_PARAMETER);
}

RULE_HOST(T5_6_6_j, "a code that there is not cannot be set")
{
	uint64_t id = make_active_partition();

	FOR_EACH(code, codes_unknown)
		check_status(set_property(id, *code, 0), HV_STATUS_UNKNOWN_PROPERTY);
}

RULE_HOST(T5_6_6_l, "period 0 of the emulated timer takes its control the bit that enables it, and no other")
{
	const uint64_t control = HV_EMULATED_TIMER_ENABLED | 0x45;
	uint64_t id = make_active_partition();

	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, 100000);
	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control);
	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, 200000);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control);
	must_set_property(id, HV_PROPERTY_EMULATED_TIMER_PERIOD, 0);
	check_property(id, HV_PROPERTY_EMULATED_TIMER_CONTROL, control & ~HV_EMULATED_TIMER_ENABLED);
}

RULE_HOST(T5_6_6_m, "the child sees what it is allowed in leaf 0x40000003")
{
	struct child c = make_child(OF_2009);
	uint64_t mask = HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX | HV_CREATE_PARTITIONS | HV_POST_MESSAGES;
	struct leaf leaf;

	for (unsigned i = 0; i < 2; i++, mask = HV_ACCESS_HYPERCALL | HV_ACCESS_PARTITION_ID) {
		must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, mask);
		leaf = child_leaf(&c, HV_CPUID_FEATURES);
		check_value(leaf.a | (uint64_t)leaf.b << 32, mask, "EBX:EAX of leaf 0x40000003");
	}
}

/* ---- 5.6.7 ---- */

RULE_HOST(T5_6_7_a, "a partition's own id is the one that its parent got")
{
	struct child c = calling_child(HV_ACCESS_PARTITION_ID);

	check_value(child_asks_id(&c), HV_STATUS_SUCCESS, "status of the child's call");
	check_value(child_get64(&c, CHILD_CALL_OUT), c.id, "its id");
}
