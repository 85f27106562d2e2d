/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 4: rep calls that give way, an execution at a time. */
#include "../reps.h"

#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/vp.h"

/* Between two executions. */
typedef void (*between_fn)(unsigned done);

/* All executions of a list of @count: the result.  Each does one element and changes the start index alone. */
static struct reply in_steps(unsigned start, unsigned count, between_fn between)
{
	uint64_t control = reps_control(start, count), v[ELEMENTS];
	struct reply r;
	unsigned done = start;

	for (unsigned n = 0; n < ELEMENTS; n++)
		v[n] = reps_value(n);
	while (call_once(&control, test_page(IN_PAGE), test_page(OUT_LIST_PAGE), &r)) {
		check_that(++done < count, "it gives way behind its last element");
		check_value(control, reps_control(done, count), "input value behind %u elements", done);
		reps_check_output(v, start, done);
		if (done >= count)
			break;
		if (between)
			between(done);
	}
	check_value(done, count - 1, "elements done when it gave way last");
	return r;
}

static void steps_succeed(between_fn between)
{
	for (unsigned start = 0; start < ELEMENTS; start++)
		check_reps(in_steps(start, ELEMENTS, between), HV_STATUS_SUCCESS, ELEMENTS);
}

RULE_QTEST(T1_2_a, "a long list is interruptible between its elements") { steps_succeed(NULL); }
RULE_QTEST(T4_2_b, "giving way advances the start index in the input value and changes nothing else of it") { steps_succeed(NULL); }
RULE_QTEST(T4_2_e, "each execution does one element at least") { steps_succeed(NULL); }
RULE_QTEST(T4_2_a, "elements are processed in ascending order from the start index on") { steps_succeed(NULL); }
RULE_QTEST(T4_3_b, "but for the start index and the elements that are done, giving way shows nothing") { steps_succeed(NULL); }

static void other_calls(unsigned done)
{
	as_vp(1);
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = done), HV_STATUS_SUCCESS);
	check_that(reps_output(done - 1) != UNTOUCHED, "element %u is not to be seen", done - 1);
	check_value(reps_output(done), UNTOUCHED, "element %u", done);
	as_vp(0);
}

RULE_QTEST(T4_3_e, "between two executions other VPs act") { steps_succeed(other_calls); }
RULE_QTEST(T4_4_b, "other VPs see a list that is half done") { steps_succeed(other_calls); }

RULE_QTEST(T4_2_c, "what is done is not done again")
{
	uint64_t control = reps_control(0, ELEMENTS);
	struct reply r;
	unsigned done = 0;

	reps_fill();
	/* Each output is taken away as soon as it is there. */
	while (call_once(&control, test_page(IN_PAGE), test_page(OUT_LIST_PAGE), &r) && done < ELEMENTS)
		put64(test_page(OUT_LIST_PAGE) + 16 * done++, 1);
	check_reps(r, HV_STATUS_SUCCESS, ELEMENTS);
	check_value(done, ELEMENTS - 1, "times that it gave way");
	for (unsigned n = 0; n < done; n++)
		check_value(reps_output(n), 1, "output of element %u", n);
}

RULE_QTEST(T4_4_d, "a list that changes while a call is under way harms nobody else")
{
	uint64_t control = reps_control(0, ELEMENTS);
	struct reply r;
	unsigned done = 0;

	reps_fill();
	while (call_once(&control, test_page(IN_PAGE), test_page(OUT_LIST_PAGE), &r) && ++done < ELEMENTS) {
		as_vp(1);
		reps_name(ELEMENTS - 1, NO_REGISTER);
		reps_name(0, NO_REGISTER);
		as_vp(0);
	}
	check_that(!r.fault && (hv_result_status(r.value) == HV_STATUS_SUCCESS || hv_result_status(r.value) == HV_STATUS_INVALID_PARAMETER),
		   "status %s", status_name(hv_result_status(r.value)));
	for (unsigned at = ELEMENTS * 16; at < 4096; at += 8)
		check_value(get64(test_page(OUT_LIST_PAGE) + at), UNTOUCHED, "behind the list at %u", at);
	/* The finished ones are not looked at again. */
	check_value(done, ELEMENTS - 1, "elements done");
}

RULE_QTEST(T4_3_c, "a rep call gives way, a simple call is done in one execution")
{
	uint64_t control = reps_control(0, ELEMENTS);
	struct reply r;

	reps_fill();
	check_that(call_once(&control, test_page(IN_PAGE), test_page(OUT_LIST_PAGE), &r), "the rep call does not give way");
	FOR_EACH_CALL(row) {
		if (row->flags & CALL_ROW_REP)
			continue;
		control = row->code;
		check_that(!call_once(&control, test_page(0), test_page(1), &r), "%s gives way", row->name);
		check_value(control, row->code, "input value of %s", row->name);
	}
}

RULE_QTEST(T3_4_p, "leaf 3 EDX bit 5 is set if the idle MSR works, and clear if not")
{
	uint64_t v;

	check_that(read_leaf(HV_CPUID_FEATURES).d >> 5 & 1, "the bit is clear");
	check_that(read_msr(HV_X64_MSR_GUEST_IDLE, &v), "RDMSR is #GP");
	restart_with("hv-guest-idle=off");
	check_that(!(read_leaf(HV_CPUID_FEATURES).d >> 5 & 1), "the bit is set");
	check_that(!read_msr(HV_X64_MSR_GUEST_IDLE, &v), "RDMSR is not #GP");
}
