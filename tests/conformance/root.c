/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 6 and 22: the root partition and the machine below it. */
#include "root.h"

#include "child.h"
#include "hv/mmu.h"
#include "hv/msr.h"
#include "hv/time.h"

enum { CPUID_ADDRESS_SIZES = 0x80000008, FIRST_FREE_LP = VPS };
/* The test machine's last page of memory, and the first of nothing. */
enum { LAST_RAM_PAGE = 0x7fff, NO_MEMORY_PAGE = NO_MEMORY >> 12 };

struct reply lp_run_time(uint32_t lp, struct hv_out_get_lp_run_time *out)
{
	struct hv_in_get_lp_run_time in = { lp, 0xdeadbeef };
	struct reply r = CALL(.code = HV_CALL_GET_LP_RUN_TIME, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));

	get_bytes(test_page(OUT_PAGE), out, sizeof *out);
	return r;
}

static struct reply add_lp_near(uint32_t lp, uint32_t apic_id, struct hv_proximity_domain_info domain)
{
	struct hv_in_add_logical_processor in = { lp, apic_id, domain };

	return CALL(.code = HV_CALL_ADD_LOGICAL_PROCESSOR, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

struct reply add_lp(uint32_t lp, uint32_t apic_id)
{
	return add_lp_near(lp, apic_id, (struct hv_proximity_domain_info){ 0 });
}

struct reply make_root_vp(uint32_t vp, uint64_t lp)
{
	struct hv_in_create_vp in = { .partition_id = HV_PARTITION_ID_SELF, .vp_index = vp, .flags = lp };

	return CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in);
}

void root_bring_up(void)
{
	for (uint32_t i = 1; i < VPS; i++) {
		check_status(add_lp(i, i), HV_STATUS_SUCCESS);
		/* In a guest a rule before has made it. */
		make_root_vp(i, i);
	}
}

/* ---- 6.1, 6.2 ---- */

RULE_ROOT(T6_1_1_a, "addresses have 32 to 64 bits, in pages of 4096 bytes")
{
	unsigned bits = read_leaf(CPUID_ADDRESS_SIZES).a & 0xff;

	check_that(bits >= 32 && bits <= 64, "%u bits", bits);
	/* The hypercall page may be the last that there can be, not the next. */
	check_that(write_msr(HV_X64_MSR_HYPERCALL, ((1ull << bits) - 0x1000) | HV_MSR_PAGE_ENABLE), "the last page is refused");
	check_that(!write_msr(HV_X64_MSR_HYPERCALL, 1ull << bits | HV_MSR_PAGE_ENABLE), "the page behind it is taken");
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
}

/* A page of memory can be given away, the next cannot. */
static void check_edge_of_memory(void)
{
	const uint64_t last = LAST_RAM_PAGE;

	check_status(deposit_list(HV_PARTITION_ID_SELF, &last, 1), HV_STATUS_SUCCESS);
	check_status(deposit_list(HV_PARTITION_ID_SELF, (const uint64_t []){ LAST_RAM_PAGE + 1 }, 1), HV_STATUS_OPERATION_DENIED);
}

RULE_ROOT(T6_1_1_b, "memory ends at the end of a page")
{
	put64(((uint64_t)LAST_RAM_PAGE << 12) + 0xff8, 0x0123456789abcdef);
	check_value(get64(((uint64_t)LAST_RAM_PAGE << 12) + 0xff8), 0x0123456789abcdef, "the last 8 bytes of memory");
	check_edge_of_memory();
}

RULE_ROOT(T22_3_d, "the machine's memory is one range up to its end") { check_edge_of_memory(); }

RULE_ROOT(T6_1_1_c, "pages that are no memory are nobody's but the root's")
{
	static const uint64_t pages[] = { NO_MEMORY_PAGE, LAST_RAM_PAGE + 1, 0xfec00, 0xfee00 };
	uint64_t id = make_active_partition();

	for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		check_reps(map_pages(id, 0, MAP_RWX, pages[i], 1), HV_STATUS_OPERATION_DENIED, 0);
		check_reps(deposit_list(id, &pages[i], 1), HV_STATUS_OPERATION_DENIED, 0);
		check_reps(deposit_list(HV_PARTITION_ID_SELF, &pages[i], 1), HV_STATUS_OPERATION_DENIED, 0);
	}
}

RULE_ROOT(T6_1_1_d, "what the hypervisor takes for its data is memory only")
{
	const uint64_t none = NO_MEMORY_PAGE, some = fresh_pages(1);

	check_reps(deposit_list(HV_PARTITION_ID_SELF, &none, 1), HV_STATUS_OPERATION_DENIED, 0);
	check_balance(HV_PARTITION_ID_SELF, 0, 0);
	check_reps(deposit_list(HV_PARTITION_ID_SELF, &some, 1), HV_STATUS_SUCCESS, 1);
	check_balance(HV_PARTITION_ID_SELF, 1, 0);
}

RULE_ROOT(T6_1_1_e, "each page of memory keeps what is written to it")
{
	enum { FIRST = 0x4000, STEP = 0x40 };

	for (uint64_t page = FIRST; page <= LAST_RAM_PAGE; page += STEP)
		put64(page << 12, page * 0x9e3779b97f4a7c15ull);
	for (uint64_t page = FIRST; page <= LAST_RAM_PAGE; page += STEP)
		check_value(get64(page << 12), page * 0x9e3779b97f4a7c15ull, "page 0x%llx", (unsigned long long)page);
}

/* The root has these VPs and no others. */
static void check_vps(void)
{
	for (uint32_t i = 0; i < VPS; i++) {
		struct got got = get_register(HV_PARTITION_ID_SELF, i, HV_REGISTER_VP_INDEX);

		check_status(got.reply, HV_STATUS_SUCCESS);
		check_value(got.value.low, i, "index of VP %u", i);
	}
	check_status(get_register(HV_PARTITION_ID_SELF, VPS, HV_REGISTER_VP_INDEX).reply, HV_STATUS_INVALID_VP_INDEX);
}

RULE_ROOT(T6_1_2_a, "the root has a VP for each logical processor") { check_vps(); }
RULE_ROOT(T22_3_g, "the root has a VP for each logical processor") { check_vps(); }

/* A VP of the root is made on the logical processor of its number or not at all. */
static void check_affinity(void)
{
	root_bring_up();
	for (uint32_t i = 0; i < VPS; i++)
		for (uint32_t lp = 0; lp < VPS; lp++)
			if (i != lp)
				check_status(make_root_vp(i, lp), HV_STATUS_INVALID_LP_INDEX);
	check_status(make_root_vp(1, FIRST_FREE_LP), HV_STATUS_INVALID_LP_INDEX);
}

RULE_ROOT(T6_1_2_b, "a VP of the root is bound to the logical processor of its number") { check_affinity(); }
RULE_ROOT(T22_4_h, "a VP of the root is on the logical processor of its number") { check_affinity(); }

RULE_ROOT(T6_1_2_c, "only the root, whose VPs are bound, can manage processors")
{
	uint64_t id = make_active_partition(), now = property(id, HV_PROPERTY_PRIVILEGE_FLAGS);

	check_that(read_leaf(0x40000003).b & HV_CPU_MANAGEMENT >> 32, "the root cannot");
	check_that(!(now & HV_CPU_MANAGEMENT), "a new child can");
	check_status(set_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, now | HV_CPU_MANAGEMENT), HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	check_property(id, HV_PROPERTY_PRIVILEGE_FLAGS, now);
}

RULE_ROOT(T6_1_3_a, "there are no logical processors but those that there were at boot")
{
	struct hv_out_get_lp_run_time t;

	root_bring_up();
	check_status(add_lp(FIRST_FREE_LP, FIRST_FREE_LP), HV_STATUS_INVALID_LP_INDEX);
	check_status(add_lp(1, FIRST_FREE_LP), HV_STATUS_INVALID_LP_INDEX);
	check_status(lp_run_time(FIRST_FREE_LP, &t), HV_STATUS_INVALID_LP_INDEX);
	for (uint32_t i = 0; i < VPS; i++)
		check_status(lp_run_time(i, &t), HV_STATUS_SUCCESS);
}

/* Node 0 is all that there is, of processors and of memory. */
static void check_nodes(void)
{
	for (uint32_t i = 1; i < VPS; i++) {
		check_status(add_lp_near(i, i, (struct hv_proximity_domain_info){ 0, HV_PROXIMITY_VALID }), HV_STATUS_SUCCESS);
		check_status(add_lp_near(i, i, (struct hv_proximity_domain_info){ 1, HV_PROXIMITY_VALID }), HV_STATUS_INVALID_PARAMETER);
	}
	for (uint32_t node = 0; node < 2; node++) {
		struct hv_in_pool in = { HV_PARTITION_ID_SELF, { node, HV_PROXIMITY_VALID } };

		check_status(CALL(.code = HV_CALL_GET_MEMORY_BALANCE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)),
			     node ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS);
	}
}

RULE_ROOT(T6_1_4_a, "each processor and each page belongs to a node") { check_nodes(); }
RULE_ROOT(T22_3_c, "all nodes are known, each by its number") { check_nodes(); }

RULE_ROOT(T6_2_2_a, "CPUID tells how logical processors are related")
{
	enum { TOPOLOGY = 0xb, HTT = 1u << 28 };
	uint32_t apic_id[VPS];

	for (unsigned i = 0; i < VPS && rule_way() == BY_QTEST; i++) {
		as_vp(i);
		check_that(read_leaf(1).d & HTT, "VP %u: one processor in its package", i);
		check_value(read_leaf(1).b >> 16 & 0xff, VPS, "VP %u: processors in its package", i);
		apic_id[i] = read_leaf(TOPOLOGY).d;
		as_vp(0);
		if (i)
			check_status(add_lp(i, apic_id[i]), HV_STATUS_SUCCESS);
	}
	check_value(read_leaf(1).b >> 16 & 0xff, VPS, "processors in the package");
}

RULE_ROOT(T6_3_1_a, "logical processors are named by 32 bits")
{
	static const uint32_t none[] = { FIRST_FREE_LP, 64, 1u << 8, 1u << 16, 1u << 31, UINT32_MAX };
	struct hv_out_get_lp_run_time t;

	/* lp_run_time() has garbage in the upper half. */
	check_status(lp_run_time(0, &t), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
		check_status(lp_run_time(none[i], &t), HV_STATUS_INVALID_LP_INDEX);
		check_status(add_lp(none[i], 1), HV_STATUS_INVALID_LP_INDEX);
	}
}

RULE_ROOT(T22_3_f, "each logical processor has an index of its own")
{
	struct hv_out_get_lp_run_time t;

	/* The root tells which they are; in a guest a rule before may have done so. */
	if (rule_way() == BY_QTEST)
		check_status(lp_run_time(1, &t), HV_STATUS_INVALID_LP_INDEX);
	root_bring_up();
	for (uint32_t i = 0; i < VPS; i++)
		check_status(lp_run_time(i, &t), HV_STATUS_SUCCESS);
	/* Under another's index it is none. */
	check_status(add_lp(1, 0), HV_STATUS_INVALID_LP_INDEX);
	check_status(add_lp(0, 1), HV_STATUS_INVALID_LP_INDEX);
}

/* ---- 6.3.2 ---- */

/* The MSR that says how state C@n is entered. */
static uint32_t config_msr(unsigned n)
{
	return HV_X64_MSR_POWER_STATE_CONFIG_C1 + n - 1;
}

static uint32_t trigger_msr(unsigned n)
{
	return HV_X64_MSR_POWER_STATE_TRIGGER_C1 + n - 1;
}

static uint64_t change(unsigned how, uint64_t more)
{
	return (uint64_t)how << HV_POWER_CHANGE_SHIFT | more;
}

RULE_ROOT(T6_3_2_a, "C1, C2 and C3 have an MSR each that says how they are entered, and one that enters them")
{
	check_value(read_leaf(0x40000003).c & 0xf, HV_POWER_STATES, "the deepest state, in leaf 3 ECX");
	/* An interrupt waits that the processor does not take: each state is over at once. */
	apic_set(true);
	set_msr(HV_X64_MSR_ICR, 1u << 18 | 1u << 14 | VECTOR);
	check_that(requested(VECTOR), "no interrupt waits");
	for (unsigned n = 1; n <= HV_POWER_STATES; n++) {
		set_msr(config_msr(n), change(HV_POWER_CHANGE_MWAIT, HV_POWER_BREAK_ON_MASKED | n));
		check_value(msr_of(trigger_msr(n)), 0, "C%u: times that it was idle", n);
	}
	for (unsigned n = 1; n <= HV_POWER_STATES; n++)
		check_value(msr_of(config_msr(n)), change(HV_POWER_CHANGE_MWAIT, HV_POWER_BREAK_ON_MASKED | n), "CONFIG of C%u", n);
}

RULE_HOST(T6_3_2_b, "who does not manage processors has no power-state MSRs: #GP, or its parent is told")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_MSR, 0);
	uint64_t v;

	for (unsigned n = 1; n <= HV_POWER_STATES; n++) {
		struct hv_message m = RUN_CODE(&c, RDMSR(config_msr(n)));

		check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
		check_that(!read_msr(config_msr(n), &v) && !write_msr(config_msr(n), 0), "CONFIG of C%u is there", n);
		check_that(!read_msr(trigger_msr(n), &v), "TRIGGER of C%u is there", n);
	}
}

RULE_ROOT(T6_3_2_1_1_a, "a CONFIG register reads as it was written")
{
	static const uint64_t values[] = {
		0, 0x0f00000000000000, 0x0010000000000608, 0x0f2000000000ffff, 0x00300001ffffffff, 0x0330000000000020,
	};

	for (unsigned n = 1; n <= HV_POWER_STATES; n++)
		for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
			set_msr(config_msr(n), values[i]);
			check_value(msr_of(config_msr(n)), values[i], "CONFIG of C%u", n);
		}
}

/* What cannot be written changes nothing. */
static void check_refused_config(uint64_t value)
{
	for (unsigned n = 1; n <= HV_POWER_STATES; n++) {
		set_msr(config_msr(n), change(HV_POWER_CHANGE_MWAIT, n));
		check_that(!write_msr(config_msr(n), value), "CONFIG of C%u takes 0x%llx", n, (unsigned long long)value);
		check_value(msr_of(config_msr(n)), change(HV_POWER_CHANGE_MWAIT, n), "CONFIG of C%u", n);
	}
}

RULE_ROOT(T6_3_2_1_1_b, "reserved bits of a CONFIG register are #GP")
{
	for (unsigned bit = 60; bit < 64; bit++)
		check_refused_config(1ull << bit);
	for (unsigned bit = 0; bit < HV_POWER_CHANGE_SHIFT; bit += bit < 16 ? 15 : 9) {
		check_refused_config(change(HV_POWER_CHANGE_HLT, 1ull << bit));
		if (bit >= 16) {
			check_refused_config(change(HV_POWER_CHANGE_IO, 1ull << bit));
			check_refused_config(change(HV_POWER_CHANGE_IO_HLT, 1ull << bit));
		}
		if (bit > 32)
			check_refused_config(change(HV_POWER_CHANGE_MWAIT, 1ull << bit));
	}
}

RULE_ROOT(T6_3_2_1_1_c, "there are four ways to change the power state")
{
	for (unsigned how = 0; how < 4; how++)
		set_msr(config_msr(1), change(how, 0));
	for (unsigned how = 4; how < 16; how++)
		check_refused_config(change(how, 0));
}

RULE_ROOT(T6_3_2_1_2_c, "TRIGGER registers cannot be written")
{
	for (unsigned n = 1; n <= HV_POWER_STATES; n++)
		for (unsigned bit = 0; bit < 64; bit += 9)
			check_that(!write_msr(trigger_msr(n), bit ? 1ull << bit : 0), "TRIGGER of C%u is written", n);
}

/* What VP 0 does, by its register. */
static void check_activity(uint64_t want)
{
	check_register(HV_PARTITION_ID_SELF, 0, HV_REGISTER_INTERNAL_ACTIVITY_STATE, want);
}

RULE_ROOT_QTEST(T6_2_3_a, "a logical processor sleeps when the root says so")
{
	check_activity(0);
	msr_of(trigger_msr(1));
	check_activity(HV_ACTIVITY_HALT_SUSPEND);
}

RULE_ROOT_QTEST(T22_3_i, "no logical processor sleeps, and there are none that only might be")
{
	for (unsigned n = 1; n <= HV_POWER_STATES; n++)
		check_value(msr_of(config_msr(n)), 0, "CONFIG of C%u", n);
	check_activity(0);
	check_status(add_lp(FIRST_FREE_LP, FIRST_FREE_LP), HV_STATUS_INVALID_LP_INDEX);
}

/* ---- 6.3.3, 6.3.4, 6.4.1 ---- */

static struct hv_out_get_lp_run_time own_times(void)
{
	struct hv_out_get_lp_run_time t = { 0 };

	check_status(lp_run_time(0, &t), HV_STATUS_SUCCESS);
	return t;
}

/* Counts at COUNTED for ever, in the mode in which a kernel begins. */
enum { KERNEL = 0x100000, COUNTED = 0x200000 };

static uint64_t run_counting(unsigned ms)
{
	static const uint8_t code[] = { 0xff, 0x05, BYTES_32(COUNTED), 0xeb, 0xf8 };   /* inc dword [COUNTED]; jmp */

	put_bytes(KERNEL, code, sizeof code);
	put64(COUNTED, 0);
	let_run(ms);
	return (uint32_t)get64(COUNTED);
}

RULE_ROOT_QTEST(T6_3_3_a, "a logical processor's run time counts what it executes, anew behind a reset")
{
	struct hv_out_get_lp_run_time before = own_times(), after;

	while (run_counting(200) < 1000)
		;
	after = own_times();
	check_that(after.local_run_time > before.local_run_time, "it has not run");
	reset_machine();
	set_msr(HV_X64_MSR_GUEST_OS_ID, TEST_OS_ID);
	before = own_times();
	check_that(before.local_run_time < after.local_run_time, "behind a reset it has run for 0x%llx, before 0x%llx",
		   (unsigned long long)before.local_run_time, (unsigned long long)after.local_run_time);
}

/* The reference counter is the same clock, read before and behind. */
static void check_global_time(void)
{
	for (unsigned i = 0; i < 20; i++) {
		uint64_t before = msr_of(HV_X64_MSR_TIME_REF_COUNT), global = own_times().global_time;

		check_that(global >= before, "global time is behind the reference counter");
		check_that(global <= msr_of(HV_X64_MSR_TIME_REF_COUNT), "global time is before the reference counter");
	}
}

RULE_ROOT(T6_4_1_a, "GlobalTime is the reference time") { check_global_time(); }
RULE_ROOT(T6_3_4_a, "the global run time counts units of 100 ns from the boot on") { check_global_time(); }

RULE_ROOT(T6_4_1_e, "no run time goes back")
{
	struct hv_out_get_lp_run_time last = own_times();

	for (unsigned i = 0; i < 50; i++) {
		struct hv_out_get_lp_run_time t = own_times();

		check_that(t.global_time >= last.global_time, "GlobalTime");
		check_that(t.local_run_time >= last.local_run_time, "LocalRunTime");
		check_that(t.hypervisor_time >= last.hypervisor_time, "HypervisorTime");
		check_value(t.reserved, 0, "reserved");
		last = t;
	}
}

RULE_HOST(T6_4_1_f, "the run time of a logical processor is not for who does not manage it")
{
	struct hv_out_get_lp_run_time t;

	check_status(lp_run_time(0, &t), HV_STATUS_ACCESS_DENIED);
}

/* ---- 6.4.2 ---- */

static struct reply park(uint64_t mask)
{
	return CALL(.code = HV_CALL_PARK_LPS, .fast = true, .in = mask);
}

RULE_ROOT(T6_4_2_a, "any logical processors may be parked; who has none else runs on them")
{
	static const uint64_t masks[] = { 1, 2, 3, 1ull << 63, UINT64_MAX, 0 };

	for (unsigned i = 0; i < sizeof masks / sizeof masks[0]; i++) {
		check_status(park(masks[i]), HV_STATUS_SUCCESS);
		check_status(CALL(.code = HV_CALL_PARK_LPS, .data = &masks[i], .size = sizeof masks[i]), HV_STATUS_SUCCESS);
	}
}

RULE_ROOT_QTEST(T6_4_2_b, "who parks logical processors again parks no more of them than the last time")
{
	root_bring_up();
	for (unsigned i = 0; i < 70; i++)
		check_status(park(3), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 50 && !get64(COUNTED); i++)
		run_counting(100);
	check_that(get64(COUNTED), "nobody runs any more");
	check_status(park(0), HV_STATUS_SUCCESS);
}

RULE_HOST(T6_4_2_c, "logical processors are not parked by who does not manage them") { check_status(park(0), HV_STATUS_ACCESS_DENIED); }

/* ---- 6.3.5 ---- */

RULE_QTEST(T6_1_5_a, "each VP can reset the machine by the MSR")
{
	for (unsigned i = 0; i < VPS; i++) {
		set_msr(HV_X64_MSR_GUEST_OS_ID, TEST_OS_ID);
		as_vp(i);
		set_msr(HV_X64_MSR_RESET, 1);
		as_vp(0);
		/* The machine does it when it can. */
		for (unsigned n = 0; n < 3000 && msr_of(HV_X64_MSR_GUEST_OS_ID); n++)
			wait_ms(10);
		check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0, "guest OS id behind a reset by VP %u", i);
	}
}

/* ---- 22.3 ---- */

RULE_ROOT(T22_3_a, "there is the root and no other partition")
{
	uint64_t id = own_id();

	check_that(id, "the root has no id");
	check_value(out64(next_child(HV_PARTITION_ID_SELF, 0)), 0, "the first child");
	/* Most calls are for active partitions only. */
	check_status(get_property(id, HV_PROPERTY_CPU_WEIGHT), HV_STATUS_SUCCESS);
	for (uint64_t other = id ? id - 1 : 0; other <= id + 3; other++)
		if (other && other != id)
			check_status(get_property(other, HV_PROPERTY_CPU_WEIGHT), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_ROOT(T22_3_b, "who has control after the launch is in the root")
{
	check_value(property(own_id(), HV_PROPERTY_PRIVILEGE_FLAGS) & HV_CPU_MANAGEMENT, HV_CPU_MANAGEMENT, "the privilege to manage processors");
	check_register(HV_PARTITION_ID_SELF, HV_VP_INDEX_SELF, HV_REGISTER_VP_INDEX, 0);
}

RULE_ROOT(T22_3_e, "memory is the root's to read, write and execute; not what the hypervisor has")
{
	uint64_t page = fresh_pages(2), id;

	put64(page << 12, 0x1122334455667788);
	check_value(get64(page << 12), 0x1122334455667788, "a page of memory");
	/* A child can have no more of it than the root has. */
	id = make_active_partition();
	check_reps(map_pages(id, 0, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(deposit_list(HV_PARTITION_ID_SELF, (const uint64_t []){ page + 1 }, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(id, 1, HV_MAP_GPA_READABLE, page + 1, 1), HV_STATUS_OPERATION_DENIED, 0);
}

/* Where the root has found the page before it enables it, as Linux does for a moment with interrupts on. */
RULE_ROOT_QTEST(T31_g, "the root finds its pages where their MSRs say, empty, before it enables them")
{
	static const uint32_t pages[] = { HV_X64_MSR_VP_ASSIST_PAGE, HV_X64_MSR_SIMP, HV_X64_MSR_SIEFP };

	restart_bare();
	for (unsigned i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		uint64_t at = msr_of(pages[i]);

		check_that(at && !(at & HV_MSR_PAGE_ENABLE), "MSR 0x%x is 0x%llx", pages[i], (unsigned long long)at);
		check_value(get64(at & ~0xfffull), 0, "first word of the page of MSR 0x%x", pages[i]);
	}
}

RULE_ROOT(T22_3_h, "no VP of the root is suspended")
{
	for (uint32_t i = 0; i < VPS; i++) {
		check_register(HV_PARTITION_ID_SELF, i, HV_REGISTER_EXPLICIT_SUSPEND, 0);
		check_register(HV_PARTITION_ID_SELF, i, HV_REGISTER_INTERCEPT_SUSPEND, 0);
		check_register(HV_PARTITION_ID_SELF, i, HV_REGISTER_DISPATCH_SUSPEND, 0);
	}
}

RULE_ROOT_QTEST(T22_3_j, "the VP of the boot processor runs, others wait for a start-up IPI")
{
	for (unsigned i = 0; i < 2; i++) {
		check_register(HV_PARTITION_ID_SELF, 0, HV_REGISTER_INTERNAL_ACTIVITY_STATE, i ? HV_ACTIVITY_HALT_SUSPEND : 0);
		check_register(HV_PARTITION_ID_SELF, 1, HV_REGISTER_INTERNAL_ACTIVITY_STATE, HV_ACTIVITY_STARTUP_SUSPEND);
		/* What runs is CLI and HLT. */
		let_run(20);
	}
}

RULE_ROOT(T22_3_l, "the root's shares are the defaults")
{
	check_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_RESERVE, 0);
	check_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_CAP, 0x10000);
	check_property(HV_PARTITION_ID_SELF, HV_PROPERTY_CPU_WEIGHT, 100);
}

RULE_ROOT_QTEST(T22_3_m, "the hypercall MSRs can be accessed, and the page is disabled")
{
	restart_bare();
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), 0, "guest OS id");
	check_that(!(msr_of(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE), "the hypercall page is enabled");
	set_msr(HV_X64_MSR_GUEST_OS_ID, TEST_OS_ID);
	check_value(msr_of(HV_X64_MSR_GUEST_OS_ID), TEST_OS_ID, "guest OS id");
}

RULE_ROOT_QTEST(T22_3_n, "SynIC and synthetic timers of the root are disabled")
{
	restart_bare();
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(HV_X64_MSR_SCONTROL), 0, "SCONTROL of VP %u", i);
		for (uint32_t n = 0; n < HV_TIMER_COUNT; n++) {
			check_value(msr_of(HV_X64_MSR_STIMER0_CONFIG + 2 * n), 0, "timer %u of VP %u", n, i);
			check_value(msr_of(HV_X64_MSR_STIMER0_COUNT + 2 * n), 0, "count of timer %u of VP %u", n, i);
		}
	}
}

RULE_ROOT_QTEST(T22_3_o, "the root's local APICs are enabled where IA32_APIC_BASE tells")
{
	enum { MSR_APIC_BASE_ = 0x1b, ENABLED = 1 << 11, BOOT = 1 << 8 };

	restart_bare();
	for (unsigned i = 0; i < VPS; i++) {
		as_vp(i);
		check_value(msr_of(MSR_APIC_BASE_), 0xfee00000 | ENABLED | (i ? 0 : BOOT), "IA32_APIC_BASE of VP %u", i);
	}
}

RULE_ROOT(T22_3_p, "leaf 3 announces the APIC's MSRs, and they are there")
{
	apic_set(true);
	check_that(read_leaf(0x40000003).a & HV_ACCESS_APIC, "they are not announced");
	check_value(msr_of(HV_X64_MSR_TPR) & 0xff, 0, "task priority");
	msr_of(HV_X64_MSR_ICR);
	set_msr(HV_X64_MSR_EOI, 0);
}

RULE_ROOT(T22_3_q, "the root's pool is empty, and HvGetMemoryBalance tells so") { check_balance(HV_PARTITION_ID_SELF, 0, 0); }

/* ---- 22.4 ---- */

static void refused(uint16_t code, const char *name, uint64_t id, const void *in, unsigned size, unsigned reps)
{
	struct reply r = CALL(.code = code, .reps = (uint16_t)reps, .data = in, .size = size, .out = test_page(OUT_PAGE));

	check_that(!r.fault && hv_result_status(r.value) == HV_STATUS_ACCESS_DENIED, "%s of 0x%llx: status %s", name,
		   (unsigned long long)id, status_name(hv_result_status(r.value)));
}

/* Each call of the list with the partition's id as its first word, all else 0. */
static void check_refused(const uint16_t *codes, unsigned n)
{
	const uint64_t ids[] = { HV_PARTITION_ID_SELF, own_id() };

	for (unsigned k = 0; k < 2 * n; k++)
		FOR_EACH_CALL(row) {
			uint64_t in[16] = { ids[k & 1] };

			if (row->code == codes[k / 2])
				refused(row->code, row->name, in[0], in, sizeof in, row->flags & CALL_ROW_REP ? 1 : 0);
		}
}

static const uint16_t life_calls[] = { HV_CALL_INITIALIZE_PARTITION, HV_CALL_FINALIZE_PARTITION, HV_CALL_DELETE_PARTITION };
/* Those that the text lists and that no shipping root makes of itself. */
static const uint16_t parents_calls[] = {
	HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, HV_CALL_READ_GPA, HV_CALL_WRITE_GPA, HV_CALL_INSTALL_INTERCEPT, HV_CALL_DELETE_VP,
	HV_CALL_SET_VP_REGISTERS, HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009, HV_CALL_ASSERT_VIRTUAL_INTERRUPT,
	HV_CALL_CLEAR_VIRTUAL_INTERRUPT,
};

RULE_ROOT(T22_4_a, "what only a parent may do cannot be done to the root")
{
	check_refused(life_calls, sizeof life_calls / sizeof life_calls[0]);
	check_refused(parents_calls, sizeof parents_calls / sizeof parents_calls[0]);
}

RULE_ROOT(T22_4_b, "the root cannot be initialized, finalized or deleted")
{
	check_refused(life_calls, sizeof life_calls / sizeof life_calls[0]);
	check_that(own_id(), "the root is gone");
}

RULE_ROOT(T22_4_d, "the root changes rights of its mappings, and nothing else of them")
{
	uint64_t page = fresh_pages(2);

	check_reps(map_pages(HV_PARTITION_ID_SELF, page, HV_MAP_GPA_READABLE, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(map_pages(HV_PARTITION_ID_SELF, page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	put64(page << 12, 1);
	check_value(get64(page << 12), 1, "the page");
	check_reps(map_pages(HV_PARTITION_ID_SELF, page, MAP_RWX, page + 1, 1), HV_STATUS_ACCESS_DENIED, 0);
	check_reps(map_pages(HV_PARTITION_ID_SELF, NO_MEMORY_PAGE, MAP_RWX, page, 1), HV_STATUS_ACCESS_DENIED, 0);
	check_reps(unmap_pages(HV_PARTITION_ID_SELF, page, 1), HV_STATUS_ACCESS_DENIED, 0);
}

RULE_ROOT(T22_4_e, "calls that act on the insides of a partition are refused on the root")
{
	check_refused(parents_calls, sizeof parents_calls / sizeof parents_calls[0]);
	/* HvCreateVp starts the VPs that there are (shipping roots do it) and makes no others. */
	root_bring_up();
	check_status(make_root_vp(0, 0), HV_STATUS_INVALID_VP_INDEX);
	check_status(make_root_vp(1, 1), HV_STATUS_INVALID_VP_INDEX);
	check_status(make_root_vp(VPS, 0), HV_STATUS_INVALID_LP_INDEX);
}

/* What is written by a page's number in the root is in the page that the number gives a child. */
static void check_identity(void)
{
	uint64_t page = TEST_PAGE >> 12, id = make_active_partition();
	struct hv_in_read_gpa in = { .partition_id = id, .byte_count = 8 };
	uint64_t seen;

	put64(test_page(0), 0x5555aaaa5555aaaa);
	check_reps(map_pages(id, 0, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	make_vp(id, 0);
	check_status(CALL(.code = HV_CALL_READ_GPA, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
	get_bytes(test_page(OUT_PAGE) + offsetof(struct hv_out_read_gpa, data), &seen, sizeof seen);
	check_value(seen, 0x5555aaaa5555aaaa, "the same page of the child");
	set_msr(HV_X64_MSR_REFERENCE_TSC, test_page(0) | HV_MSR_PAGE_ENABLE);
	check_that(get64(test_page(0)) != 0x5555aaaa5555aaaa, "the overlay hides nothing");
	set_msr(HV_X64_MSR_REFERENCE_TSC, 0);
	check_value(get64(test_page(0)), 0x5555aaaa5555aaaa, "the page behind the overlay");
}

RULE_ROOT(T22_4_i, "a page of the root is the same wherever it is mapped; an overlay hides it") { check_identity(); }
RULE_ROOT(T8_1_1_b, "a page of the root is the machine's of this number, overlays aside") { check_identity(); }

RULE_ROOT(T22_4_k, "the root may make each call and has what leaf 3 can announce")
{
	struct leaf l = read_leaf(0x40000003);

	FOR_EACH_CALL(row)
		check_that(call_allowed(row), "%s needs a privilege that the root lacks", row->name);
	check_value(property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS), l.a | (uint64_t)l.b << 32, "the root's privileges");
}

/* ---- 11 ---- */

RULE_ROOT(T11_11_f, "a leaf of the root may differ from a child's")
{
	struct child c = make_child(EXO);
	struct leaf mine = read_leaf(0x40000003), its = child_leaf(&c, 0x40000003);

	check_that(mine.b & HV_CPU_MANAGEMENT >> 32, "the root does not manage processors");
	check_that(!(its.b & HV_CPU_MANAGEMENT >> 32), "its child is told that it manages processors");
}

RULE_ROOT(T11_10_1_b, "the root has MSRs that a child has not")
{
	struct child c = child_telling(EXO, HV_INTERCEPT_MSR, 0);
	struct hv_message m;

	check_value(msr_of(config_msr(1)), 0, "CONFIG of C1");
	m = RUN_CODE(&c, RDMSR(config_msr(1)));
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
}

RULE_ROOT(T22_4_f, "the root has the machine's ports, a child has none")
{
	struct child c = make_child(EXO);
	struct hv_message m = RUN_CODE(&c, OUT(0x80));

	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
	check_status(install(HV_PARTITION_ID_SELF, HV_INTERCEPT_IO_PORT, HV_INTERCEPT_MASK_READ | HV_INTERCEPT_MASK_WRITE, 0x80), HV_STATUS_ACCESS_DENIED);
	out32(0x80, 0);
}

RULE_ROOT(T11_2_b, "a child sees the least of what logical processors are; here all are the same")
{
	struct child c = make_child(EXO);
	uint32_t signature = read_leaf(1).a;

	if (rule_way() == BY_QTEST)
		for (unsigned i = 1; i < VPS; i++) {
			as_vp(i);
			check_value(read_leaf(1).a, signature, "family, model and stepping on VP %u", i);
			as_vp(0);
		}
	check_value(child_leaf(&c, 1).a, signature, "family, model and stepping in a child");
}

/* ---- 23 ---- */

static struct reply set_system_property(uint32_t code, struct hv_perf_counter_configuration value)
{
	struct hv_in_set_system_property in = { code, 0xdeadbeef, value };

	return CALL(.code = HV_CALL_SET_SYSTEM_PROPERTY, .data = &in, .size = sizeof in);
}

static struct reply get_system_property(uint32_t code, struct hv_perf_counter_configuration *value)
{
	struct hv_in_get_system_property_2009 in = { code, 0xdeadbeef };
	struct reply r = CALL(.code = HV_CALL_GET_SYSTEM_PROPERTY_2009, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));

	get_bytes(test_page(OUT_PAGE), value, sizeof *value);
	return r;
}

static void check_perf_counter(uint32_t source, uint64_t period)
{
	struct hv_perf_counter_configuration v;

	check_status(get_system_property(HV_SYSTEM_PROPERTY_PERF_COUNTER, &v), HV_STATUS_SUCCESS);
	check_value(v.source, source, "source");
	check_value(v.reserved, 0, "reserved");
	check_value(v.period, period, "period");
}

static void set_perf_counter(uint32_t source, uint64_t period)
{
	check_status(set_system_property(HV_SYSTEM_PROPERTY_PERF_COUNTER, (struct hv_perf_counter_configuration){ source, 0, period }),
		     HV_STATUS_SUCCESS);
}

RULE_ROOT(T23_1_a, "a system property keeps its value until it is set again")
{
	set_perf_counter(HV_PROFILE_CACHE_MISSES, 1000);
	for (unsigned i = 0; i < 3; i++)
		check_perf_counter(HV_PROFILE_CACHE_MISSES, 1000);
	set_perf_counter(HV_PROFILE_BRANCH_MISPREDICTIONS, 2000);
	check_perf_counter(HV_PROFILE_BRANCH_MISPREDICTIONS, 2000);
}

RULE_ROOT(T23_3_b, "there is one event source, the last that was set")
{
	for (uint32_t source = HV_PROFILE_CYCLES_NOT_HALTED; source <= HV_PROFILE_BRANCH_MISPREDICTIONS; source++) {
		set_perf_counter(source, source);
		check_perf_counter(source, source);
	}
}

RULE_HOST(T23_4_1_a, "only the root sets system properties")
{
	check_status(set_system_property(HV_SYSTEM_PROPERTY_PERF_COUNTER, (struct hv_perf_counter_configuration){ 1, 0, 1 }), HV_STATUS_ACCESS_DENIED);
	check_status(set_system_property(77, (struct hv_perf_counter_configuration){ 1, 0, 1 }), HV_STATUS_ACCESS_DENIED);
}

static const uint32_t unknown_properties[] = { 1, 2, 77, 1u << 16, UINT32_MAX };

RULE_ROOT(T23_4_1_b, "a system property that there is not cannot be set")
{
	for (unsigned i = 0; i < sizeof unknown_properties / sizeof unknown_properties[0]; i++)
		check_status(set_system_property(unknown_properties[i], (struct hv_perf_counter_configuration){ 1, 0, 1 }), HV_STATUS_UNKNOWN_PROPERTY);
}

RULE_ROOT(T23_4_1_c, "an event source that there is not is refused")
{
	static const struct hv_perf_counter_configuration wrong[] = { { 0, 0, 9 }, { 4, 0, 9 }, { UINT32_MAX, 0, 9 }, { 1, 1, 9 } };

	set_perf_counter(HV_PROFILE_CYCLES_NOT_HALTED, 3);
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		check_status(set_system_property(HV_SYSTEM_PROPERTY_PERF_COUNTER, wrong[i]), HV_STATUS_INVALID_PARAMETER);
		check_perf_counter(HV_PROFILE_CYCLES_NOT_HALTED, 3);
	}
}

RULE_ROOT(T23_4_1_d, "HvGetSystemProperty gives what HvSetSystemProperty has set")
{
	set_perf_counter(HV_PROFILE_CYCLES_NOT_HALTED, 0x123456789abcdef0);
	check_perf_counter(HV_PROFILE_CYCLES_NOT_HALTED, 0x123456789abcdef0);
}

RULE_HOST(T23_4_2_a, "only the root gets system properties")
{
	struct hv_perf_counter_configuration v;

	check_status(get_system_property(HV_SYSTEM_PROPERTY_PERF_COUNTER, &v), HV_STATUS_ACCESS_DENIED);
}

RULE_ROOT(T23_4_2_b, "a system property that there is not cannot be got")
{
	struct hv_perf_counter_configuration v;

	for (unsigned i = 0; i < sizeof unknown_properties / sizeof unknown_properties[0]; i++)
		check_status(get_system_property(unknown_properties[i], &v), HV_STATUS_UNKNOWN_PROPERTY);
}

RULE_ROOT(T23_4_2_c, "all 128 bits of a system property are returned")
{
	uint64_t was = ~0ull;

	for (unsigned bit = 0; bit < 64; bit += 7) {
		put_bytes(test_page(OUT_PAGE), &was, sizeof was);
		put_bytes(test_page(OUT_PAGE) + 8, &was, sizeof was);
		set_perf_counter(HV_PROFILE_CACHE_MISSES, 1ull << bit);
		check_perf_counter(HV_PROFILE_CACHE_MISSES, 1ull << bit);
	}
}
