/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 4: rep calls, element by element; calls give way after each. */
#include "reps.h"

#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/vp.h"

static const uint32_t names[ELEMENTS] = {
	HV_REGISTER_CR0, HV_REGISTER_PAT, HV_REGISTER_DR6, HV_REGISTER_DR7, HV_REGISTER_CR4, HV_REGISTER_PAT,
};

void reps_name(unsigned n, uint32_t name)
{
	put_bytes(test_page(IN_PAGE) + LIST_HEADER + 4 * n, &name, sizeof name);
}

static void untouched(uint64_t page)
{
	uint64_t words[512];

	for (unsigned i = 0; i < 512; i++)
		words[i] = UNTOUCHED;
	put_bytes(page, words, sizeof words);
}

void reps_fill(void)
{
	const struct hv_in_vp in = { .partition_id = HV_PARTITION_ID_SELF, .vp_index = HV_VP_INDEX_SELF };

	put_bytes(test_page(IN_PAGE), &in, sizeof in);
	for (unsigned n = 0; n < ELEMENTS; n++)
		reps_name(n, names[n]);
	untouched(test_page(OUT_LIST_PAGE));
}

uint64_t reps_control(unsigned start, unsigned count)
{
	return HV_CALL_GET_VP_REGISTERS | (uint64_t)count << HV_CALL_REPS_SHIFT | (uint64_t)start << HV_CALL_START_SHIFT;
}

struct reply reps_call(unsigned start, unsigned count)
{
	return CALL(.code = HV_CALL_GET_VP_REGISTERS, .start = start, .reps = count, .in = test_page(IN_PAGE),
		    .out = test_page(OUT_LIST_PAGE));
}

uint64_t reps_output(unsigned n)
{
	return get64(test_page(OUT_LIST_PAGE) + 16 * n);
}

uint64_t reps_value(unsigned n)
{
	uint64_t v;

	reps_fill();
	reps_name(0, names[n]);
	check_reps(reps_call(0, 1), HV_STATUS_SUCCESS, 1);
	v = reps_output(0);
	check_that(v != UNTOUCHED, "register 0x%x has no value", names[n]);
	reps_fill();
	return v;
}

void reps_check_output(const uint64_t *value, unsigned from, unsigned to)
{
	uint64_t words[512];

	get_bytes(test_page(OUT_LIST_PAGE), words, sizeof words);
	for (unsigned i = 0; i < 512; i++) {
		bool done = i / 2 >= from && i / 2 < to;

		if (done && i % 2)
			check_that(!words[i] || words[i] == UNTOUCHED, "high half of element %u", i / 2);
		else
			check_value(words[i], done ? value[i / 2] : UNTOUCHED, "output at %u, elements %u to %u", i * 8, from, to);
	}
}

static void values(uint64_t v[ELEMENTS])
{
	for (unsigned n = 0; n < ELEMENTS; n++)
		v[n] = reps_value(n);
}

/* Each start index, without a failure. */
static void all_starts(void)
{
	uint64_t v[ELEMENTS];

	values(v);
	for (unsigned start = 0; start < ELEMENTS; start++) {
		reps_fill();
		check_reps(reps_call(start, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
		reps_check_output(v, start, ELEMENTS);
	}
}

RULE(T4_8_c, "reps complete counts from the start of the list, whatever the start index") { all_starts(); }
RULE(T4_8_d, "a rep call that succeeds reports its rep count, though it gave way") { all_starts(); }
RULE(T4_7_a, "the place of an element does not depend on the start index") { all_starts(); }
RULE(T4_2_c, "a call that goes on writes each element once, where it belongs") { all_starts(); }

/* Each start index, each element that fails. */
static void all_failures(void)
{
	uint64_t v[ELEMENTS];

	values(v);
	for (unsigned bad = 0; bad < ELEMENTS; bad++)
		for (unsigned start = 0; start <= bad; start++) {
			reps_fill();
			reps_name(bad, NO_REGISTER);
			check_reps(reps_call(start, ELEMENTS), HV_STATUS_INVALID_PARAMETER, bad);
			reps_check_output(v, start, bad);
		}
}

RULE(T4_2_d, "element k that fails gives its status and reps complete k; those before have their effect, no other has") { all_failures(); }
RULE(T0_i, "reps complete is the element that failed, from element 0, and those before have their effect") { all_failures(); }

RULE(T4_2_a, "the first of two elements that would fail is the one that is reported")
{
	for (unsigned start = 0; start < 3; start++) {
		reps_fill();
		reps_name(2, NO_REGISTER);
		reps_name(4, NO_REGISTER);
		check_reps(reps_call(start, ELEMENTS), HV_STATUS_INVALID_PARAMETER, 2);
	}
	check_reps(reps_call(3, ELEMENTS), HV_STATUS_INVALID_PARAMETER, 4);
	check_reps(reps_call(5, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
}

RULE(T4_1_a, "elements are aligned to their own size: 4-byte names without gaps, 16-byte values")
{
	uint64_t v[ELEMENTS];

	values(v);
	for (unsigned count = 1; count <= ELEMENTS; count++) {
		reps_fill();
		check_reps(reps_call(0, count), HV_STATUS_SUCCESS, count);
		reps_check_output(v, 0, count);
	}
}

RULE(T4_1_d, "what the output has no value for is 0 or as it was")
{
	uint64_t v[ELEMENTS];

	values(v);
	check_reps(reps_call(0, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
	reps_check_output(v, 0, ELEMENTS);
}

RULE(T0_e, "padding of the input does not matter, what must be zero does")
{
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 0xffffffff00000001), HV_STATUS_SUCCESS);
	for (unsigned at = 13; at < 16; at++) {
		static const uint8_t one = 1;

		reps_fill();
		put_bytes(test_page(IN_PAGE) + at, &one, 1);
		check_reps(reps_call(0, ELEMENTS), HV_STATUS_INVALID_PARAMETER, 0);
	}
}

/* Pages around lists of a call that fails keep what they have; what is in the list itself nobody knows. */
static void failures_spare(void)
{
	static const unsigned around[] = { 7, 10 };

	for (unsigned i = 0; i < 2; i++)
		untouched(test_page(around[i]));
	reps_fill();
	reps_name(1, NO_REGISTER);
	check_status(reps_call(0, ELEMENTS), HV_STATUS_INVALID_PARAMETER);
	check_status(CALL(.code = 0, .in = test_page(IN_PAGE), .out = test_page(OUT_LIST_PAGE)), HV_STATUS_INVALID_HYPERCALL_CODE);
	check_status(CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = ELEMENTS, .in = test_page(IN_PAGE),
			  .out = test_page(OUT_LIST_PAGE) + 4080), HV_STATUS_INVALID_ALIGNMENT);
	for (unsigned at = ELEMENTS * 16; at < 4096; at += 8)
		check_value(get64(test_page(OUT_LIST_PAGE) + at), UNTOUCHED, "behind the list at %u", at);
	for (unsigned i = 0; i < 2; i++)
		for (unsigned at = 0; at < 4096; at += 8)
			check_value(get64(test_page(around[i]) + at), UNTOUCHED, "page %u at %u", around[i], at);
}

RULE(T0_f, "a call that fails may change its output list only") { failures_spare(); }
RULE(T4_11_1_a, "a call that fails may change its output list only") { failures_spare(); }

RULE(T26_c, "0 is success and nothing else is: such a call may change its output list only")
{
	unsigned successes = 0;

#define X(name, number) successes += number == 0;
	HV_STATUS_LIST(X)
#undef X
	check_value(successes, 1, "statuses with number 0");
	failures_spare();
}

RULE(T4_8_b, "status and reps complete can be told without the other bits of the result")
{
	struct reply r;

	reps_fill();
	reps_name(3, NO_REGISTER);
	r = reps_call(0, ELEMENTS);
	check_value(r.value & 0xffff, HV_STATUS_INVALID_PARAMETER, "bits 15:0");
	check_value(r.value >> 32 & 0xfff, 3, "bits 43:32");
}

RULE(T4_9_a, "the registers and the lists are all that a call needs: names and order of a C wrapper do not matter")
{
	uint64_t v[ELEMENTS];

	values(v);
	check_reps(CALL(.control = reps_control(0, ELEMENTS), .in = test_page(IN_PAGE), .out = test_page(OUT_LIST_PAGE)), HV_STATUS_SUCCESS,
		   ELEMENTS);
	reps_check_output(v, 0, ELEMENTS);
}

/* ---- several errors at once ---- */

static bool denied_or(uint16_t s, uint16_t first, uint16_t second)
{
	return s == HV_STATUS_ACCESS_DENIED || s == first || s == second;
}

RULE_ANY(T4_11_2_a, "of several errors any one is reported")
{
	FOR_EACH_CALL(row) {
		struct reply r = CALL(.code = row->code, .control = 1ull << 63, .in = test_page(0) + 1, .out = test_page(1) + 1);

		check_that(!r.fault && denied_or(hv_result_status(r.value), HV_STATUS_INVALID_HYPERCALL_INPUT, HV_STATUS_INVALID_ALIGNMENT),
			   "%s: %s", row->name, status_name(hv_result_status(r.value)));
	}
}

RULE_ANY(T0_d, "of several errors any one is reported, a missing privilege before all others")
{
	FOR_EACH_CALL(row) {
		struct reply r = CALL(.code = row->code, .control = 1ull << 63, .in = test_page(0) + 1, .out = test_page(1) + 1);
		uint16_t s = hv_result_status(r.value);

		if (!call_allowed(row))
			check_status(r, HV_STATUS_ACCESS_DENIED);
		else
			check_that(!r.fault && denied_or(s, HV_STATUS_INVALID_HYPERCALL_INPUT, HV_STATUS_INVALID_ALIGNMENT), "%s: %s", row->name,
				   status_name(s));
	}
}

/* ---- where lists are ---- */

RULE(T4_6_c, "lists that overlap harm nothing outside of them")
{
	uint64_t v[ELEMENTS];

	untouched(test_page(10));
	for (unsigned shift = 0; shift < 64; shift += 8) {
		reps_fill();
		CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = ELEMENTS, .in = test_page(IN_PAGE), .out = test_page(IN_PAGE) + shift);
		for (unsigned at = 0; at < 4096; at += 8)
			check_value(get64(test_page(OUT_LIST_PAGE) + at), UNTOUCHED, "another page at %u", at);
	}
	values(v);
	check_reps(reps_call(0, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
	reps_check_output(v, 0, ELEMENTS);
}

RULE(T4_6_h, "lists in an overlay page change neither its code nor what comes later")
{
	uint64_t before[512], after[512];

	get_bytes(HYPERCALL_PAGE, before, sizeof before);
	reps_fill();
	CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = ELEMENTS, .in = HYPERCALL_PAGE, .out = test_page(OUT_LIST_PAGE));
	CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = ELEMENTS, .in = test_page(IN_PAGE), .out = HYPERCALL_PAGE);
	get_bytes(HYPERCALL_PAGE, after, sizeof after);
	for (unsigned i = 0; i < 512; i++)
		check_value(after[i], before[i], "the page at %u", i * 8);
	reps_fill();
	check_reps(reps_call(0, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
}

RULE(T2_3_a, "the VPs of a partition have one GPA space: one's output is the other's input")
{
	uint64_t want = reps_value(1), got;

	check_reps(reps_call(0, 2), HV_STATUS_SUCCESS, 2);
	as_vp(1);
	got = reps_output(1);
	check_value(got, want, "VP 0's output, seen by VP 1");
	reps_name(0, names[1]);
	check_reps(reps_call(0, 1), HV_STATUS_SUCCESS, 1);
	as_vp(0);
	check_value(reps_output(0), want, "VP 1's output, seen by VP 0");
}

/* ---- chapter 3 ---- */

RULE(T3_4_v, "a limit of leaf 0x40000005 that is 0 is not reported; one that is not covers this machine")
{
	struct leaf l = read_leaf(HV_CPUID_LIMITS);

	check_that(!l.a || l.a >= VPS, "VPs: %u", l.a);
	check_that(!l.b || l.b >= VPS, "logical processors: %u", l.b);
}

RULE(T3_2_b, "leaf 1 has ECX bit 31 on each VP")
{
	check_that(read_leaf(1).c >> 31, "VP 0");
	as_vp(1);
	check_that(read_leaf(1).c >> 31, "VP 1");
}

/* ---- fast form ---- */

/* An IPI to VP 0: processors behind byte 16, those of bank 0 at 24. */
static void fast_ipi(unsigned vector, uint64_t format, uint64_t banks, uint64_t processors, bool arrives)
{
	const uint64_t in[4] = { vector, format, banks, processors };
	struct reply r = CALL(.code = HV_CALL_SEND_IPI_EX, .fast = true, .variable = 1, .data = in, .size = sizeof in);

	check_status(r, HV_STATUS_SUCCESS);
	check_that(requested(vector) == arrives, "vector 0x%x, processors 0x%x", vector, (unsigned)processors);
}

RULE(T4_7_1_a, "bytes from 16 on are in XMM0 to XMM5, the lowest first")
{
	const uint64_t none[4] = { 0x74, 0, 3, 1 };

	apic_set(true);
	fast_ipi(0x71, 0, 1, 1, true);
	fast_ipi(0x72, 0, 1, 1ull << 40, false);
	fast_ipi(0x73, 0, 2, 1, false);
	check_status(CALL(.code = HV_CALL_SEND_IPI_EX, .fast = true, .variable = 1, .data = none, .size = sizeof none),
		     HV_STATUS_INVALID_HYPERCALL_INPUT);
}
