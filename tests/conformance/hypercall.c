/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 4: rules that hold for each call, tried with each row of the hypervisor's call table. */
#include "hv/partition.h"
#include "rule.h"

enum { NO_SUCH_CALL = 0x7fff };

/* A call of @row that is right but for what the test spoils: one element, lists in two pages. */
static struct call proper(const struct call_row *row)
{
	struct call c = { .code = row->code, .in = test_page(0), .out = test_page(1) };

	if (row->flags & CALL_ROW_REP)
		c.reps = 1;
	return c;
}

static unsigned input_size(const struct call_row *row)
{
	return row->in + (row->flags & CALL_ROW_REP ? row->in_elem : 0);
}

static unsigned output_size(const struct call_row *row)
{
	return row->out + (row->flags & CALL_ROW_REP ? row->out_elem : 0);
}

static void expect(const struct call_row *row, const struct call *c, uint16_t status, const char *what)
{
	struct reply r = call_run(c);

	check_that(!r.fault, "%s, %s: exception %u", row->name, what, r.vector);
	if (!r.fault)
		check_that(hv_result_status(r.value) == status, "%s, %s: status %s, want %s", row->name, what,
			   status_name(hv_result_status(r.value)), status_name(status));
}

RULE(T4_11_3_b, "an unknown call code is HV_STATUS_INVALID_HYPERCALL_CODE, and reps complete 0")
{
	check_value(CALL(.code = NO_SUCH_CALL).value, HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code");
	check_value(CALL(.code = NO_SUCH_CALL, .fast = true).value, HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code, fast");
	check_value(CALL(.code = NO_SUCH_CALL, .reps = 3, .in = 1).value, HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code, reps");
	check_value(CALL(.code = 0).value, HV_STATUS_INVALID_HYPERCALL_CODE, "code 0");
}

RULE(T4_11_3_c, "a rep count on a simple call is HV_STATUS_INVALID_HYPERCALL_INPUT")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if ((row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		c.reps = 1;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep count 1");
		c.reps = HV_CALL_REPS_MASK;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep count 4095");
	}
}

RULE(T4_11_3_d, "rep count 0 on a rep call is HV_STATUS_INVALID_HYPERCALL_INPUT")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!(row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		c.reps = 0;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep count 0");
	}
}

RULE(T4_11_3_e, "a rep start index that is not below the count is HV_STATUS_INVALID_HYPERCALL_INPUT; any on a simple call")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			continue;
		for (c.start = 1; c.start <= HV_CALL_START_MASK; c.start *= 2)
			expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep start index");
	}
}

RULE(T4_11_3_f, "a reserved bit of the input value is HV_STATUS_INVALID_HYPERCALL_INPUT")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		for (unsigned bit = 17; bit < 64 && call_allowed(row); bit++) {
			c.control = 1ull << bit;
			/* Later revisions gave 26:17 to the variable header, for calls that have one. */
			if (((HV_CALL_RESERVED | HV_CALL_NESTED) >> bit & 1) || (bit < 27 && !(row->flags & CALL_ROW_VARIABLE)))
				expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "reserved bit");
		}
	}
}

RULE(T4_7_j, "no rep call can be made fast")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!(row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		c.fast = true;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast");
		c.reps = 0;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast, no reps");
	}
}

RULE(T4_1_e, "no call with output can be made fast")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!output_size(row) || !call_allowed(row))
			continue;
		c.fast = true;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast");
	}
}

RULE(T4_11_3_g, "a list that does not begin at a multiple of 8 is HV_STATUS_INVALID_ALIGNMENT")
{
	FOR_EACH_CALL(row) {
		for (unsigned off = 1; off < 8 && call_allowed(row); off++) {
			struct call in = proper(row), out = proper(row);

			in.in += off;
			out.out += off;
			if (input_size(row))
				expect(row, &in, HV_STATUS_INVALID_ALIGNMENT, "unaligned input");
			if (output_size(row))
				expect(row, &out, HV_STATUS_INVALID_ALIGNMENT, "unaligned output");
		}
	}
}

RULE(T4_11_3_h, "a list that crosses a page is HV_STATUS_INVALID_ALIGNMENT")
{
	FOR_EACH_CALL(row) {
		for (unsigned beyond = 8; call_allowed(row) && beyond <= 256; beyond += 8) {
			struct call in = proper(row), out = proper(row);

			in.in += 4096 + beyond - input_size(row);
			out.out += 4096 + beyond - output_size(row);
			if (beyond < input_size(row))
				expect(row, &in, HV_STATUS_INVALID_ALIGNMENT, "input crosses a page");
			if (beyond < output_size(row))
				expect(row, &out, HV_STATUS_INVALID_ALIGNMENT, "output crosses a page");
		}
	}
}

RULE(T4_6_d, "header and all elements of a rep call are within one page")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!(row->flags & CALL_ROW_REP) || !row->in_elem || !call_allowed(row))
			continue;
		c.reps = (4096 - row->in) / row->in_elem + 1;
		expect(row, &c, HV_STATUS_INVALID_ALIGNMENT, "more elements than a page has");
	}
}

RULE(T4_11_3_i, "a list outside the GPA space is HV_STATUS_INVALID_ALIGNMENT")
{
	static const uint64_t outside[] = { BEYOND_GPA_SPACE, 0xfffffffffffff000, 0x8000000000000000 };

	FOR_EACH_CALL(row) {
		for (unsigned i = 0; i < 3 && call_allowed(row); i++) {
			struct call in = proper(row), out = proper(row);

			in.in = out.out = outside[i];
			if (input_size(row))
				expect(row, &in, HV_STATUS_INVALID_ALIGNMENT, "input outside of the GPA space");
			if (output_size(row))
				expect(row, &out, HV_STATUS_INVALID_ALIGNMENT, "output outside of the GPA space");
		}
	}
}

RULE(T25_j, "a call without its privilege is HV_STATUS_ACCESS_DENIED")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			expect(row, &c, HV_STATUS_ACCESS_DENIED, "no privilege");
	}
}

RULE(T4_11_2_b, "a call without its privilege is HV_STATUS_ACCESS_DENIED whatever else is wrong")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (call_allowed(row))
			continue;
		c.in = c.out = 3;
		c.start = 5;
		c.control = HV_CALL_NESTED;
		expect(row, &c, HV_STATUS_ACCESS_DENIED, "much wrong");
	}
}

RULE(T4_11_3_a, "a call without error is HV_STATUS_SUCCESS")
{
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1).value, HV_STATUS_SUCCESS, "fast form");
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .in = test_page(0)).value, HV_STATUS_SUCCESS, "memory form");
}

RULE(T18_5_1_a, "HvNotifyLongSpinWait always succeeds")
{
	static const uint64_t spins[] = { 0, 1, 0xffffffff, ~0ull };

	for (unsigned i = 0; i < sizeof spins / sizeof spins[0]; i++)
		check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = spins[i]).value, HV_STATUS_SUCCESS, "result");
}
