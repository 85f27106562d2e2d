/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What depends on the options of the emulator, or on the state at power-on. */
#include "../rule.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"

/* One option that withdraws privileges, and MSRs that go with it. */
static const struct {
	const char *properties;
	uint32_t bit;         /* of leaf 3 EAX */
	uint32_t msr;
} without[] = {
	{ "hv-vpindex=off", 1 << 6, HV_X64_MSR_VP_INDEX },
	{ "hv-time=off", 1 << 1, HV_X64_MSR_TIME_REF_COUNT },
	{ "hv-time=off", 1 << 9, HV_X64_MSR_REFERENCE_TSC },
	{ "hv-frequencies=off", 1 << 11, HV_X64_MSR_TSC_FREQUENCY },
	{ "hv-runtime=off", 1 << 0, HV_X64_MSR_VP_RUNTIME },
	{ "hv-synic=off", 1 << 2, 0x40000080 },
	{ "hv-stimer=off", 1 << 3, 0x400000b0 },
	{ "hv-reset=off", 1 << 7, HV_X64_MSR_RESET },
};

static void msrs_of_options(void)
{
	for (unsigned i = 0; i < sizeof without / sizeof without[0]; i++) {
		uint64_t v;

		restart_with(without[i].properties);
		check_that(!(read_leaf(HV_CPUID_FEATURES).a & without[i].bit), "%s: leaf 3 EAX has the bit", without[i].properties);
		check_that(!read_msr(without[i].msr, &v), "%s: MSR 0x%x is there", without[i].properties, without[i].msr);
	}
	restart_with("hv-runtime=on");
	check_that(read_leaf(HV_CPUID_FEATURES).a & 1, "hv-runtime=on: leaf 3 EAX bit 0");
	msr_of(HV_X64_MSR_VP_RUNTIME);
}

RULE(T3_4_h, "leaf 3 EAX and access to the MSRs go together, whatever the options") { msrs_of_options(); }
RULE(T31_a, "an MSR whose option is off is #GP") { msrs_of_options(); }
RULE(T5_2_3_c, "an MSR whose option is off is #GP") { msrs_of_options(); }

RULE(T10_2_1_c, "the VP index without its privilege is #GP")
{
	uint64_t v;

	restart_with("hv-vpindex=off");
	check_that(!read_msr(HV_X64_MSR_VP_INDEX, &v), "it can be read");
}

RULE(T10_3_2_f, "the run time without its privilege is #GP")
{
	uint64_t v;

	restart_with("hv-runtime=off");
	check_that(!read_msr(HV_X64_MSR_VP_RUNTIME, &v), "it can be read");
}

RULE(T15_2_1_d, "the reference counter without its privilege is #GP")
{
	uint64_t v;

	restart_with("hv-time=off");
	check_that(!read_msr(HV_X64_MSR_TIME_REF_COUNT, &v), "it can be read");
}

RULE(T15_4_1_e, "the reference TSC MSR without its privilege is #GP")
{
	uint64_t v;

	restart_with("hv-time=off");
	check_that(!read_msr(HV_X64_MSR_REFERENCE_TSC, &v), "it can be read");
	check_that(!write_msr(HV_X64_MSR_REFERENCE_TSC, 0), "it can be written");
}

RULE(T15_1_9_a, "with hv-invtsc the guest is told that its TSC is invariant when it has asked by the MSR")
{
	restart_with("hv-invtsc=on");
	check_that(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_TSC_INVARIANT, "leaf 3 EAX bit 15 is clear");
	check_that(!(read_leaf(0x80000007).d & 1 << 8), "it is told at first");
	set_msr(HV_X64_MSR_TSC_INVARIANT_CONTROL, HV_TSC_INVARIANT_EXPOSE);
	check_that(read_leaf(0x80000007).d & 1 << 8, "it is not told");
	check_that(!write_msr(HV_X64_MSR_TSC_INVARIANT_CONTROL, 0), "it can be taken back");
	check_that(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_REFERENCE_TSC, "the reference TSC page is not offered");
}

/* ---- version ---- */

#define VERSION "hv-version-id-build=0x12345,hv-version-id-major=7,hv-version-id-minor=3,hv-version-id-spack=9," \
		"hv-version-id-sbranch=4,hv-version-id-snumber=0x654321"

static void check_version(void)
{
	struct leaf l;

	restart_with(VERSION);
	l = read_leaf(HV_CPUID_VERSION);
	check_value(l.a, 0x12345, "EAX: build");
	check_value(l.b, 7 << 16 | 3, "EBX: major, minor");
	check_value(l.c, 9, "ECX: service pack");
	check_value(l.d, 4 << 24 | 0x654321, "EDX: service branch, service number");
}

RULE(T3_4_g, "leaf 0x40000002 has the version in its layout") { check_version(); }
RULE(T3_5_a, "main version in EAX and EBX, service version in ECX and EDX") { check_version(); }

RULE(T18_3_3_a, "leaf 0x40000004 EBX has the number of retries")
{
	restart_with("hv-spinlocks=0x1fff");
	check_value(read_leaf(HV_CPUID_RECOMMENDATIONS).b, 0x1fff, "EBX");
	restart_with("");
	check_value(read_leaf(HV_CPUID_RECOMMENDATIONS).b, 0xffffffff, "EBX without the option");
}

RULE(T3_4_t, "leaf 0x40000004 EBX is 0xffffffff if no notification is wanted")
{
	restart_with("hv-spinlocks=0xffffffff");
	check_value(read_leaf(HV_CPUID_RECOMMENDATIONS).b, 0xffffffff, "EBX");
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true), HV_STATUS_SUCCESS);
}

RULE(T3_4_s, "what a hint recommends works without the hint")
{
	restart_with("hv-relaxed=off,hv-tlbflush=off,hv-ipi=off");
	check_value(read_leaf(HV_CPUID_RECOMMENDATIONS).a & (HV_HINT_RELAXED_TIMING | HV_HINT_REMOTE_FLUSH | HV_HINT_CLUSTER_IPI), 0, "hints");
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true), HV_STATUS_SUCCESS);
}

/* ---- XMM input ---- */

static bool takes_xmm(const struct call_row *row)
{
	return row->in > HV_CALL_FAST_BYTES && row->in <= HV_CALL_XMM_BYTES && !row->out && !(row->flags & CALL_ROW_REP);
}

static void xmm_on(void)
{
	static const uint8_t zeros[HV_CALL_XMM_BYTES];

	restart_with("hv-xmm-input=on");
	check_that(read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_XMM_INPUT, "leaf 3 EDX bit 4");
	FOR_EACH_CALL(row) {
		struct reply memory, fast;

		if (!takes_xmm(row) || !call_allowed(row))
			continue;
		memory = CALL(.code = row->code, .data = zeros, .size = row->in);
		fast = CALL(.code = row->code, .fast = true, .data = zeros, .size = row->in);
		check_that(!fast.fault && memory.value == fast.value, "%s: 0x%llx in memory, 0x%llx fast", row->name,
			   (unsigned long long)memory.value, (unsigned long long)fast.value);
	}
}

RULE(T4_1_f, "calls with up to 112 bytes of input can be made with XMM registers") { xmm_on(); }
RULE(T4_7_1_b, "bytes of the registers behind the input do not matter") { xmm_on(); }

static void xmm_off(void)
{
	restart_with("hv-xmm-input=off");
	check_that(!(read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_XMM_INPUT), "leaf 3 EDX bit 4");
	FOR_EACH_CALL(row)
		if (takes_xmm(row) && call_allowed(row))
			check_that(CALL(.code = row->code, .fast = true).fault, "%s", row->name);
}

RULE(T4_7_1_c, "without leaf 3 EDX bit 4 a call with XMM input is #UD") { xmm_off(); }

/* ---- power-on ---- */

RULE(T3_6_a, "the guest OS id is 0 in a new partition")
{
	restart_bare();
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0, "on VP %u", i);
	}
}

RULE(T4_12_n, "the hypercall page is disabled in a new partition")
{
	restart_bare();
	check_value(msr_of(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE, 0, "the enable bit");
}

RULE(T15_4_1_a, "the reference TSC MSR is 0 in a new partition")
{
	restart_bare();
	check_value(msr_of(HV_X64_MSR_REFERENCE_TSC), 0, "the MSR");
}

RULE(T15_2_1_a, "the reference counter begins at 0")
{
	restart_bare();
	/* It has not run yet; a second would be another clock. */
	check_that(msr_of(HV_X64_MSR_TIME_REF_COUNT) < 10000000, "it is 0x%llx", (unsigned long long)msr_of(HV_X64_MSR_TIME_REF_COUNT));
}

RULE(T15_2_1_c, "all VPs read the same counter")
{
	uint64_t a = msr_of(HV_X64_MSR_TIME_REF_COUNT), b;

	as_vp(1);
	b = msr_of(HV_X64_MSR_TIME_REF_COUNT);
	as_vp(0);
	check_that(a <= b && b <= msr_of(HV_X64_MSR_TIME_REF_COUNT), "they differ: 0x%llx and 0x%llx", (unsigned long long)a, (unsigned long long)b);
}

/* ---- chapters 10 and 13: without the privilege, at creation ---- */

RULE(T10_1_1_b, "a VP keeps its index over a reset")
{
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(HV_X64_MSR_VP_INDEX), i, "index of VP %u", i);
	}
	reset_machine();
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(HV_X64_MSR_VP_INDEX), i, "index of VP %u behind the reset", i);
	}
}

RULE(T10_1_4_d, "the idle MSR without its privilege is #GP")
{
	uint64_t v;

	restart_with("hv-guest-idle=off");
	check_value(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_GUEST_IDLE, 0, "leaf 3 EAX bit 10");
	check_that(!read_msr(HV_X64_MSR_GUEST_IDLE, &v), "it can be read");
}

RULE(T10_3_2_c, "a new VP's run time is near 0")
{
	restart_with("hv-runtime=on");
	check_that(msr_of(HV_X64_MSR_VP_RUNTIME) < 10000000, "it is above a second");
}

RULE(T10_3_2_b, "the run time does not grow while the VP is suspended")
{
	uint64_t before = msr_of(HV_X64_MSR_VP_RUNTIME), after;

	wait_ms(100);
	after = msr_of(HV_X64_MSR_VP_RUNTIME);
	check_that(after >= before, "it decreases");
	check_that(after - before < 500000, "it grew by %llu units", (unsigned long long)(after - before));
}

RULE(T13_2_3_a, "the APIC's synthetic MSRs without their privilege are #GP")
{
	uint64_t v;

	restart_with("hv-vapic=off");
	check_value(read_leaf(HV_CPUID_FEATURES).a & HV_ACCESS_APIC, 0, "leaf 3 EAX bit 4");
	check_that(!write_msr(HV_X64_MSR_EOI, 0), "EOI is written");
	check_that(!read_msr(HV_X64_MSR_ICR, &v), "ICR is read");
	check_that(!write_msr(HV_X64_MSR_TPR, 0), "TPR is written");
	restart_with("hv-vapic=on");
	check_value(msr_of(HV_X64_MSR_TPR), 0, "TPR with it");
}

/* ---- 13.2.1 ---- */

RULE_QTEST(T13_2_1_b, "the enable bit of IA32_APIC_BASE is kept or fixed at 1")
{
	enum { APIC_BASE = 0x1b, ENABLE = 1 << 11 };
	uint64_t base = msr_of(APIC_BASE);

	check_that(base & ENABLE, "it is off at power-on");
	set_msr(APIC_BASE, base & ~(uint64_t)ENABLE);
	check_value(msr_of(APIC_BASE) & ~(uint64_t)ENABLE, base & ~(uint64_t)ENABLE, "the rest of it");
	set_msr(APIC_BASE, base);
	check_value(msr_of(APIC_BASE), base, "when it is on again");
}

/* ---- 9.1.2, 16.5.8 ---- */

enum { ENTRY = 0x100000, RESTART_SLICES = 3000 };

/* The machine's program, which does nothing, gets one that cannot go on; behind a restart it is again what it was. */
static void triple_fault(void)
{
	/* cli; lidt [0x10000a], which are zeros; int3 */
	static const uint8_t code[16] = { 0xfa, 0x0f, 0x01, 0x1d, 0x0a, 0x00, 0x10, 0x00, 0xcc, 0xf4 };
	uint32_t before, after;
	unsigned n = 0;

	get_bytes(ENTRY, &before, sizeof before);
	put_bytes(ENTRY, code, sizeof code);
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), TEST_OS_ID, "the guest OS id before");
	do
		let_run(5);
	while (msr_of(HV_X64_MSR_GUEST_OS_ID) && ++n < RESTART_SLICES);
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0, "the guest OS id of a machine that has begun anew");
	get_bytes(ENTRY, &after, sizeof after);
	check_value(after, before, "its program");
}

RULE_ROOT_QTEST(T9_1_2_d, "an exception of the root that cannot be delivered restarts the machine") { triple_fault(); }
RULE_ROOT_QTEST(T16_5_8_b, "an exception of the root that cannot be delivered restarts the machine") { triple_fault(); }
