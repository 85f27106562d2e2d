/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 3: feature and interface discovery; as shipping guests see it. */
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "rule.h"

enum { LEAF_BASIC = 1 };

RULE(T3_2_a, "leaf 1 tells in ECX bit 31 that there is a hypervisor")
{
	check_that(read_leaf(LEAF_BASIC).c & HV_CPUID_1_ECX_HYPERVISOR, "ECX bit 31 is clear");
}

RULE(T3_2_c, "with that bit set, leaves 0x40000000 and 0x40000001 have data")
{
	struct leaf vendor = read_leaf(HV_CPUID_VENDOR), interface = read_leaf(HV_CPUID_INTERFACE);

	check_that(vendor.a && vendor.b && vendor.c && vendor.d, "leaf 0x40000000 has zeros");
	check_that(interface.a, "leaf 0x40000001 has no interface");
}

RULE(T3_3_a, "leaf 0x40000000 EAX is the last leaf of the hypervisor's: what is behind it has nothing")
{
	uint32_t last = read_leaf(HV_CPUID_VENDOR).a;

	check_that(last >= HV_CPUID_VENDOR && last < HV_CPUID_STACK_VENDOR, "the last leaf is 0x%x", last);
	for (uint32_t n = last + 1; n < HV_CPUID_STACK_VENDOR; n++) {
		struct leaf l = read_leaf(n);

		check_that(!(l.a | l.b | l.c | l.d), "leaf 0x%x has something", n);
	}
}

RULE(T3_3_b, "leaf 0x40000000 has the vendor in EBX, ECX, EDX")
{
	struct leaf l = read_leaf(HV_CPUID_VENDOR);
	const uint32_t text[] = { l.b, l.c, l.d };

	for (unsigned i = 0; i < 12; i++) {
		unsigned c = text[i / 4] >> i % 4 * 8 & 0xff;

		check_that(c >= 0x20 && c < 0x7f, "character %u is 0x%x", i, c);
	}
}

RULE(T3_4_a, "leaf 0x40000000 EAX is at least 0x40000005")
{
	check_that(read_leaf(HV_CPUID_VENDOR).a >= HV_CPUID_LIMITS, "it is 0x%x", read_leaf(HV_CPUID_VENDOR).a);
}

RULE(T3_4_b, "the vendor is 'Microsoft Hv', in the order EBX, ECX, EDX")
{
	struct leaf l = read_leaf(HV_CPUID_VENDOR);

	check_value(l.b, 0x7263694d, "EBX");
	check_value(l.c, 0x666f736f, "ECX");
	check_value(l.d, 0x76482074, "EDX");
}

RULE(T3_3_c, "leaf 0x40000001 EAX names an interface that gives the leaves to 0x40000005")
{
	check_value(read_leaf(HV_CPUID_INTERFACE).a, 0x31237648, "EAX");
	/* That they have the interface's meaning: the limit of VPs is in one of them. */
	check_that(read_leaf(HV_CPUID_LIMITS).a >= VPS, "leaf 0x40000005 has %u VPs", read_leaf(HV_CPUID_LIMITS).a);
}

RULE(T3_4_c, "leaf 0x40000001 EAX is 'Hv#1'")
{
	check_value(read_leaf(HV_CPUID_INTERFACE).a, 0x31237648, "EAX");
}

RULE(T3_4_d, "leaf 0x40000001 EBX, ECX and EDX are 0")
{
	struct leaf l = read_leaf(HV_CPUID_INTERFACE);

	check_value(l.b | l.c | l.d, 0, "EBX | ECX | EDX");
}

RULE(T3_4_e, "'Hv#1' has the leaves 0x40000002 to 0x40000005")
{
	check_that(read_leaf(HV_CPUID_VENDOR).a >= HV_CPUID_LIMITS, "they are not announced");
	check_that(read_leaf(HV_CPUID_VERSION).b, "0x40000002 has no version");
	check_that(read_leaf(HV_CPUID_FEATURES).a, "0x40000003 has no privileges");
	check_that(read_leaf(HV_CPUID_LIMITS).a, "0x40000005 has no limit of VPs");
}

RULE(T3_4_g, "with a guest OS id, leaf 0x40000002 has the version, the same on each VP")
{
	struct leaf first = read_leaf(HV_CPUID_VERSION), second;

	check_that(first.b >> 16, "the major version is 0");
	check_that(first.a, "the build number is 0");
	as_vp(1);
	second = read_leaf(HV_CPUID_VERSION);
	check_that(first.a == second.a && first.b == second.b && first.c == second.c && first.d == second.d, "the VPs differ");
}

RULE(T3_4_k, "leaf 0x40000003 EBX has nothing beyond the privileges that the text knows")
{
	check_value(read_leaf(HV_CPUID_FEATURES).b & ~0x39ffu, 0, "other bits");
}

RULE(T3_4_l, "leaf 0x40000003 ECX is a power state from 0 to 3")
{
	check_that(read_leaf(HV_CPUID_FEATURES).c <= 3, "ECX is 0x%x", read_leaf(HV_CPUID_FEATURES).c);
}

RULE(T3_4_t, "leaf 0x40000004 EBX says never to notify, or a number of retries that is worth it")
{
	uint32_t retries = read_leaf(HV_CPUID_RECOMMENDATIONS).b;

	check_that(retries == 0xffffffff || retries >= 0xfff, "EBX is 0x%x", retries);
}

RULE(T3_4_w, "leaf 0x40000005 ECX and EDX are 0")
{
	check_value(read_leaf(HV_CPUID_LIMITS).d, 0, "EDX");
}

RULE(T3_4_y, "leaf 0x40000006 EAX 31:3, EBX, ECX and EDX are 0")
{
	struct leaf l = read_leaf(HV_CPUID_HARDWARE);

	check_value((l.a & ~7u) | l.b | l.c | l.d, 0, "reserved bits");
}

RULE(T3_6_b, "the guest OS id is one for all VPs")
{
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0x8100123456789abc);
	as_vp(1);
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0x8100123456789abc, "on VP 1");
}

RULE(T3_6_c, "the guest OS id takes any value in all 64 bits")
{
	static const uint64_t any[] = { ~0ull, 1, 1ull << 63, 0x0001040600001db1, 0xaaaaaaaaaaaaaaaa, 0x5555555555555555 };

	for (unsigned i = 0; i < sizeof any / sizeof any[0]; i++) {
		set_msr(HV_X64_MSR_GUEST_OS_ID, any[i]);
		check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), any[i], "what reads back");
	}
}

RULE(T3_6_d, "with guest OS id 0 the hypercall page cannot be enabled")
{
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0);
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
	check_value(msr_of(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE, 0, "the enable bit");
}

RULE(T3_6_e, "guest OS id 0 disables the hypercall page")
{
	check_value(msr_of(HV_X64_MSR_HYPERCALL), HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE, "before");
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0);
	check_value(msr_of(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE, 0, "the enable bit");
}

/* ---- leaf 3: what it tells is what there is ---- */

enum { DEBUG_FIRST = 0x69, DEBUG_LAST = 0x6b };

RULE(T3_4_j, "leaf 3 EBX has the privileges that calls need")
{
	struct leaf l = read_leaf(HV_CPUID_FEATURES);
	uint64_t have = l.a | (uint64_t)l.b << 32;

	check_value(l.b & 0x600, 0, "bits 10:9");
	FOR_EACH_CALL(row) {
		struct reply r;
		bool denied;

		/* The others may do what we would not survive: another address space. */
		if (!row->privilege)
			continue;
		r = CALL(.code = row->code, .reps = row->flags & CALL_ROW_REP ? 1 : 0, .in = test_page(0), .out = test_page(1));
		denied = !r.fault && hv_result_status(r.value) == HV_STATUS_ACCESS_DENIED;
		check_that(denied == !!(row->privilege & ~have), "%s with privileges 0x%llx", row->name, (unsigned long long)have);
	}
}

RULE(T5_2_3_g, "HvGetPartitionId wants AccessPartitionId")
{
	bool allowed = read_leaf(HV_CPUID_FEATURES).b >> 1 & 1;

	check_status(CALL(.code = HV_CALL_GET_PARTITION_ID, .out = test_page(1)), allowed ? HV_STATUS_SUCCESS : HV_STATUS_ACCESS_DENIED);
}

static bool debug_calls_told(void) { return read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_DEBUGGING; }

/* Of all three calls. */
static void check_debug_calls(uint16_t status, bool is)
{
	for (unsigned code = DEBUG_FIRST; code <= DEBUG_LAST; code++) {
		struct reply r = CALL(.code = (uint16_t)code, .in = test_page(0), .out = test_page(1));

		check_that(!r.fault && (hv_result_status(r.value) == status) == is, "call 0x%x: %s", code, status_name(hv_result_status(r.value)));
	}
}

RULE_ROOT(T3_4_o, "leaf 3 EDX bit 1 is set if and only if debug calls do something for who may make them")
{
	check_that(read_leaf(HV_CPUID_FEATURES).b & HV_DEBUGGING >> 32, "the root may not make them");
	check_debug_calls(HV_STATUS_FEATURE_UNAVAILABLE, !debug_calls_told());
}

RULE_ROOT(T27_s, "leaf 3 EDX bit 1 is set if and only if debug calls are not unavailable")
{
	check_debug_calls(HV_STATUS_FEATURE_UNAVAILABLE, !debug_calls_told());
	check_debug_calls(HV_STATUS_INVALID_HYPERCALL_CODE, false);
}

RULE_ROOT(T20_3_1_h, "without a debugger its calls are unavailable, not unknown")
{
	if (!debug_calls_told())
		check_debug_calls(HV_STATUS_FEATURE_UNAVAILABLE, true);
}

RULE(T20_1_1_d, "who may not debug is denied each call") { check_debug_calls(HV_STATUS_ACCESS_DENIED, true); }

RULE(T3_4_p, "leaf 3 EDX bit 5 clear: no guest idle MSR")
{
	uint64_t v;

	if (!(read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_GUEST_IDLE) && !(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_GUEST_IDLE))
		check_that(!read_msr(0x400000f0, &v), "it can be read");
}

RULE(T3_4_n, "leaf 3 EDX bit 4 tells whether calls take input in XMM registers")
{
	bool told = read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_XMM_INPUT;

	FOR_EACH_CALL(row) {
		struct reply r;

		if (row->in <= HV_CALL_FAST_BYTES || row->in > HV_CALL_XMM_BYTES || row->out || (row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		r = CALL(.code = row->code, .fast = true);
		check_that(r.fault == !told, "%s", row->name);
	}
}

RULE(T3_4_x, "leaf 0x40000006 is there only if leaf 0x40000000 tells so")
{
	struct leaf l = read_leaf(HV_CPUID_HARDWARE);

	check_that(read_leaf(HV_CPUID_VENDOR).a >= HV_CPUID_HARDWARE || !(l.a | l.b | l.c | l.d), "it is there");
}

RULE(T3_4_z, "the hypervisor has nothing in the leaves for parents, but for what shipping guests ask there")
{
	for (uint32_t n = HV_CPUID_STACK_PROPERTIES + 1; n < 0x40000100; n++) {
		struct leaf l = read_leaf(n);

		check_that(!(l.a | l.b | l.c | l.d), "leaf 0x%x has something", n);
	}
}

RULE(T3_5_b, "calls work whether or not the guest has read the version")
{
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true).value, HV_STATUS_SUCCESS, "before it is read");
	read_leaf(HV_CPUID_VERSION);
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true).value, HV_STATUS_SUCCESS, "behind that");
}
