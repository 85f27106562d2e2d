/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 18.2: what a parent gives its children of the processors. */
#include "child.h"
#include "hv/msr.h"

#define ONE 0x10000ull                         /* a whole processor */
enum { VPS_MAX = 64, RUN_MS = 300, ROUNDS = 20, DEFAULT_WEIGHT = 100, WEIGHT_MAX = 10000, LITTLE = 0x10000 / 32 };

/* ---- what can be set ---- */

static const struct share_property {
	uint32_t code;
	uint64_t usual, most;
} shares[] = {
	{ HV_PROPERTY_CPU_RESERVE, 0, ONE },
	{ HV_PROPERTY_CPU_CAP, ONE, ONE },
	{ HV_PROPERTY_CPU_WEIGHT, DEFAULT_WEIGHT, WEIGHT_MAX },
};

/* It is refused, and the property is as it was. */
static void check_no_share(uint64_t id, uint32_t code, uint64_t value, uint16_t status)
{
	uint64_t before = property(id, code);

	check_status(set_property(id, code, value), status);
	check_property(id, code, before);
}

/* What is above the most is refused, the most itself is not. */
static void check_most(const struct share_property *s)
{
	uint64_t id = make_active_partition();

	check_no_share(id, s->code, s->most + 1, HV_STATUS_INVALID_PARAMETER);
	check_no_share(id, s->code, 1ull << 32 | s->most, HV_STATUS_INVALID_PARAMETER);
	check_no_share(id, s->code, UINT64_MAX, HV_STATUS_INVALID_PARAMETER);
	must_set_property(id, s->code, s->most);
	check_property(id, s->code, s->most);
}

static void check_usual(const struct share_property *s)
{
	check_property(make_active_partition(), s->code, s->usual);
}

RULE_HOST(T18_2_1_a, "a child has no reserve at first") { check_usual(&shares[0]); }
RULE_HOST(T18_2_1_f, "a reserve is a processor at most") { check_most(&shares[0]); }
RULE_HOST(T18_2_2_a, "a child's cap is a processor at first") { check_usual(&shares[1]); }
RULE_HOST(T18_2_2_e, "a cap is a processor at most") { check_most(&shares[1]); }
RULE_HOST(T18_2_3_a, "a child's weight is 100 at first") { check_usual(&shares[2]); }

RULE_HOST(T18_2_3_c, "a weight is from 1 to 10000")
{
	uint64_t id = make_active_partition();

	check_most(&shares[2]);
	check_no_share(id, HV_PROPERTY_CPU_WEIGHT, 0, HV_STATUS_INVALID_PARAMETER);
	must_set_property(id, HV_PROPERTY_CPU_WEIGHT, 1);
}

RULE_HOST(T18_2_1_d, "a reserve is not above the cap")
{
	uint64_t id = make_active_partition();

	must_set_property(id, HV_PROPERTY_CPU_CAP, 0x4000);
	check_no_share(id, HV_PROPERTY_CPU_RESERVE, 0x4001, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	must_set_property(id, HV_PROPERTY_CPU_RESERVE, 0x4000);
}

RULE_HOST(T18_2_2_d, "a cap is not below the reserve")
{
	uint64_t id = make_active_partition();

	must_set_property(id, HV_PROPERTY_CPU_RESERVE, 0x4000);
	check_no_share(id, HV_PROPERTY_CPU_CAP, 0x3fff, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	must_set_property(id, HV_PROPERTY_CPU_CAP, 0x4000);
}

/* ---- reserves of all there is ---- */

static struct reply try_vp(uint64_t id, uint32_t index)
{
	struct hv_in_create_vp in = { .partition_id = id, .vp_index = index };

	deposit(id, ACTIVE_PAGES / 2);
	return CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in);
}

/*
 * VPs of @id behind its @vps first ones, each with a processor of its own, until there is no processor left; how many it
 * has then.  0: there are too many processors to try that.
 */
static uint32_t take_all(uint64_t id, uint32_t vps)
{
	must_set_property(id, HV_PROPERTY_CPU_RESERVE, ONE);
	for (; vps < VPS_MAX; vps++) {
		struct reply r = try_vp(id, vps);

		if (hv_result_status(r.value) == HV_STATUS_SUCCESS)
			continue;
		check_status(r, HV_STATUS_OPERATION_DENIED);
		return vps;
	}
	if (rule_way() == BY_QTEST)
		check_that(host_processors() >= VPS_MAX, "%u VPs with a processor each, on a host of %u", vps, host_processors());
	rule_skip("the host has too many processors");
	return 0;
}

RULE_HOST(T10_4_1_u, "a VP whose reserve there is no processor for is refused")
{
	uint64_t id = make_active_partition(), other = make_active_partition();
	uint32_t vps = take_all(id, 0);

	if (!vps)
		return;
	check_status(get_register(id, vps, HV_REGISTER_RAX).reply, HV_STATUS_INVALID_VP_INDEX);
	/* Who reserves nothing has as many as it likes. */
	check_status(try_vp(other, 0), HV_STATUS_SUCCESS);
	must_set_property(id, HV_PROPERTY_CPU_RESERVE, ONE / 2);
	check_status(try_vp(id, vps), HV_STATUS_SUCCESS);
}

RULE_HOST(T18_2_1_e, "the reserves of all VPs are not above the processors")
{
	uint64_t id = make_active_partition(), other = make_active_partition();

	make_vp(other, 0);
	if (!take_all(id, 0))
		return;
	check_no_share(other, HV_PROPERTY_CPU_RESERVE, 1, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	must_set_property(id, HV_PROPERTY_CPU_RESERVE, ONE - 1);
	must_set_property(other, HV_PROPERTY_CPU_RESERVE, 1);
	check_no_share(id, HV_PROPERTY_CPU_RESERVE, ONE, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
}

/* ---- what VPs get ---- */

static const uint8_t for_ever[] = { 0xeb, 0xfe };
static const uint8_t out_80[] = { OUT(0x80) };

static uint64_t now(void)
{
	return rule_way() == BY_QTEST ? host_time() : msr_of(HV_X64_MSR_TIME_REF_COUNT);
}

/* All VPs run for RUN_MS at least; how long it was, in units of 100 ns. */
static uint64_t run_a_while(void)
{
	uint64_t from = now();

	/* In one piece, as VPs that begin and end pay for that. */
	if (rule_way() == BY_QTEST)
		let_run(RUN_MS);
	while (now() - from < RUN_MS * 10000ull)
		child_wait();
	return now() - from;
}

/* Of units of 100 ns. */
static unsigned ms(uint64_t time)
{
	return (uint32_t)time / 10000;
}

static uint64_t run_time(uint64_t id)
{
	return get_register(id, 0, HV_REGISTER_VP_RUNTIME).value.low;
}

/* A child whose VP 0 has something to do for ever. */
static struct child busy_child(void)
{
	struct child c = make_child(EXO);

	child_put(&c, CHILD_CODE, for_ever, sizeof for_ever);
	return c;
}

RULE_HOST(T18_2_1_c, "what is reserved and not used is for others")
{
	struct child c = busy_child();
	uint64_t id = make_active_partition();

	/* None of these VPs ever runs. */
	if (!take_all(id, 0))
		return;
	child_go(&c, 0);
	run_a_while();
	check_that(run_time(c.id) > 0, "a child without a reserve does not run");
}

RULE_HOST(T18_2_1_g, "with more VPs than processors a reserve can still be set, and all of them run")
{
	struct child c = make_child(EXO);
	uint32_t vps = take_all(c.id, 1);
	uint64_t reserve;

	if (!vps)
		return;
	must_set_property(c.id, HV_PROPERTY_CPU_RESERVE, ONE / 4);
	child_vp(&c, vps);
	check_no_share(c.id, HV_PROPERTY_CPU_RESERVE, ONE, HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE);
	reserve = property(c.id, HV_PROPERTY_CPU_RESERVE);
	check_that(reserve == ONE / 4 || !reserve, "the reserve is 0x%llx", (unsigned long long)reserve);
	child_put(&c, CHILD_CODE, out_80, sizeof out_80);
	for (uint32_t vp = 0; vp <= vps; vp++) {
		check_status(set_register(c.id, vp, HV_REGISTER_INTERNAL_ACTIVITY_STATE, 0), HV_STATUS_SUCCESS);
		child_start_at(&c, vp, CHILD_CODE);
		child_go(&c, vp);
	}
	for (uint32_t vp = 0; vp <= vps; vp++)
		next_message();
}

/*
 * Shares hold in the long run: on a busy host a turn may last much longer than it should, and later ones make up for it.
 * So each of these has ROUNDS to become true.
 */
RULE_HOST(T18_2_2_b, "a VP uses no more of a processor than its cap")
{
	struct child c = busy_child();
	uint64_t time = 0, used = 0;

	must_set_property(c.id, HV_PROPERTY_CPU_CAP, LITTLE);
	child_go(&c, 0);
	for (unsigned i = 0; i < ROUNDS && (!used || used > time / 16); i++) {
		time += run_a_while();
		used = run_time(c.id);
	}
	check_that(used && used <= time / 16, "%u of %u ms", ms(used), ms(time));
}

RULE_HOST(T18_2_2_c, "a cap of a processor is no limit")
{
	struct child little = busy_child(), all = busy_child();
	uint64_t first = 0, second = 0;

	must_set_property(little.id, HV_PROPERTY_CPU_CAP, LITTLE);
	must_set_property(all.id, HV_PROPERTY_CPU_CAP, ONE);
	child_go(&little, 0);
	child_go(&all, 0);
	for (unsigned i = 0; i < ROUNDS && second <= 4 * first; i++) {
		run_a_while();
		first = run_time(little.id);
		second = run_time(all.id);
	}
	check_that(second > 4 * first, "%u ms, with a small cap %u ms", ms(second), ms(first));
}
