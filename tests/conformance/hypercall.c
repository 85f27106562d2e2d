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

RULE_ANY(T4_11_3_c, "a rep count on a simple call is HV_STATUS_INVALID_HYPERCALL_INPUT")
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

RULE_ANY(T4_11_3_d, "rep count 0 on a rep call is HV_STATUS_INVALID_HYPERCALL_INPUT")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!(row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		c.reps = 0;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep count 0");
	}
}

RULE_ANY(T4_11_3_e, "a rep start index that is not below the count is HV_STATUS_INVALID_HYPERCALL_INPUT; any on a simple call")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			continue;
		for (c.start = 1; c.start <= HV_CALL_START_MASK; c.start *= 2)
			expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "rep start index");
	}
}

RULE_ANY(T4_11_3_f, "a reserved bit of the input value is HV_STATUS_INVALID_HYPERCALL_INPUT")
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

RULE_ANY(T4_7_j, "no rep call can be made fast")
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

RULE_ANY(T4_1_e, "no call with output can be made fast")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!output_size(row) || !call_allowed(row))
			continue;
		c.fast = true;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast");
	}
}

RULE_ANY(T4_11_3_g, "a list that does not begin at a multiple of 8 is HV_STATUS_INVALID_ALIGNMENT")
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

RULE_ANY(T4_11_3_h, "a list that crosses a page is HV_STATUS_INVALID_ALIGNMENT")
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

RULE_ANY(T4_6_d, "header and all elements of a rep call are within one page")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!(row->flags & CALL_ROW_REP) || !row->in_elem || !call_allowed(row))
			continue;
		c.reps = (4096 - row->in) / row->in_elem + 1;
		expect(row, &c, HV_STATUS_INVALID_ALIGNMENT, "more elements than a page has");
	}
}

RULE_ANY(T4_11_3_i, "a list outside the GPA space is HV_STATUS_INVALID_ALIGNMENT")
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

RULE_ANY(T4_6_f, "a call whose output page cannot be written to is an exception, not a status, and nothing happens")
{
	uint64_t before[512], after[512];

	get_bytes(HYPERCALL_PAGE, before, sizeof before);
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!output_size(row) || !call_allowed(row))
			continue;
		c.out = HYPERCALL_PAGE;
		check_faulted(call_run(&c), VECTOR_GP);
		if (!(row->flags & CALL_ROW_REP))
			continue;
		c.reps = 3;
		c.start = 2;
		check_faulted(call_run(&c), VECTOR_GP);
	}
	get_bytes(HYPERCALL_PAGE, after, sizeof after);
	for (unsigned i = 0; i < 512; i++)
		check_value(after[i], before[i], "the page at %u", i * 8);
}

RULE_ANY(T25_j, "a call without its privilege is HV_STATUS_ACCESS_DENIED")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			expect(row, &c, HV_STATUS_ACCESS_DENIED, "no privilege");
	}
}

RULE_ANY(T4_11_2_b, "a call without its privilege is HV_STATUS_ACCESS_DENIED whatever else is wrong")
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

/* The same rules where other chapters have them. */
static void rep_bounds(void)
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			continue;
		c.reps = row->flags & CALL_ROW_REP ? 0 : 1;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "wrong rep count");
		c.reps = row->flags & CALL_ROW_REP ? 3 : 0;
		c.start = 3;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "wrong rep start index");
	}
}

RULE_ANY(T4_7_b, "rep count must be greater than rep start index") { rep_bounds(); }
RULE_ANY(T25_b, "wrong rep fields are HV_STATUS_INVALID_HYPERCALL_INPUT") { rep_bounds(); }
RULE_ANY(T0_g, "wrong rep fields are HV_STATUS_INVALID_HYPERCALL_INPUT") { rep_bounds(); }

static void fast_with_reps(void)
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			continue;
		c.fast = true;
		c.reps = 1;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast, rep count 1");
	}
}

RULE_ANY(T4_7_d, "a fast call has no rep fields") { fast_with_reps(); }
RULE_ANY(T25_c, "a fast call has no rep fields") { fast_with_reps(); }

RULE_ANY(T4_11_3_j, "the common statuses come from each call")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (!call_allowed(row))
			continue;
		c.control = 1ull << 63;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "reserved bit");
		c.control = 0;
		c.in += 1;
		if (input_size(row))
			expect(row, &c, HV_STATUS_INVALID_ALIGNMENT, "unaligned input");
	}
}

RULE_ANY(T2_2_a, "each call delivers a status of 16 bits, and nothing in the reserved bits of the result")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);
		struct reply r;

		c.control = 1ull << 63;
		r = call_run(&c);
		check_that(!r.fault && !(r.value & ~(0xffffull | HV_CALL_REPS_MASK << HV_CALL_REPS_SHIFT)), "%s: result 0x%llx", row->name,
			   (unsigned long long)r.value);
	}
}

RULE_ANY(T4_1_b, "fixed input and output are multiples of 8 bytes")
{
	FOR_EACH_CALL(row)
		check_that(row->in % 8 == 0 && row->out % 8 == 0, "%s: %u and %u bytes", row->name, row->in, row->out);
}

RULE(T4_1_c, "padding in the input does not matter")
{
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 0xdeadbeef00000005).value, HV_STATUS_SUCCESS, "fast");
	put64(test_page(0), 0xdeadbeef00000005);
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .in = test_page(0)).value, HV_STATUS_SUCCESS, "in memory");
}

/*
 * A register that the call does not use may have anything.  Here and where calls are made that may
 * succeed: as a suspended VP only, whose tables and interrupts nobody needs.
 */
RULE_QTEST(T4_6_b, "a call without input ignores the input register, one without output the output register")
{
	static const uint64_t anything[] = { 3, NO_MEMORY, BEYOND_GPA_SPACE, ~0ull, 0xffc };

	FOR_EACH_CALL(row) {
		uint64_t usual;

		if (!call_allowed(row) || (input_size(row) && output_size(row)))
			continue;
		usual = CALL(.code = row->code, .reps = row->flags & CALL_ROW_REP ? 1 : 0, .in = test_page(0), .out = test_page(1)).value;
		for (unsigned i = 0; i < sizeof anything / sizeof anything[0]; i++) {
			struct call c = proper(row);
			struct reply r;

			if (!input_size(row))
				c.in = anything[i];
			if (!output_size(row))
				c.out = anything[i];
			r = call_run(&c);
			check_that(!r.fault && r.value == usual, "%s: 0x%llx with 0x%llx", row->name, (unsigned long long)r.value,
				   (unsigned long long)anything[i]);
		}
	}
}

RULE_ANY(T4_10_a, "a call that is refused has no effect")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (call_allowed(row))
			continue;
		put64(c.out, 0x5a5a5a5a5a5a5a5a);
		expect(row, &c, HV_STATUS_ACCESS_DENIED, "no privilege");
		check_value(get64(c.out), 0x5a5a5a5a5a5a5a5a, "what is in the output page of %s", row->name);
	}
}

RULE_QTEST(T25_d, "a call that may be fast gives the same in registers as in memory")
{
	FOR_EACH_CALL(row) {
		static const uint64_t zeros[2];
		struct reply memory, fast;

		if (row->in > HV_CALL_FAST_BYTES || output_size(row) || (row->flags & CALL_ROW_REP) || !call_allowed(row))
			continue;
		memory = CALL(.code = row->code, .data = zeros, .size = row->in);
		fast = CALL(.code = row->code, .fast = true, .data = zeros, .size = row->in);
		check_that(memory.fault == fast.fault && memory.value == fast.value, "%s: 0x%llx in memory, 0x%llx fast", row->name,
			   (unsigned long long)memory.value, (unsigned long long)fast.value);
	}
}

RULE_ANY(T4_7_1_d, "a call with more than 112 bytes of input cannot be made fast")
{
	FOR_EACH_CALL(row) {
		struct call c = proper(row);

		if (row->in <= HV_CALL_XMM_BYTES || !call_allowed(row))
			continue;
		c.fast = true;
		c.reps = 0;
		expect(row, &c, HV_STATUS_INVALID_HYPERCALL_INPUT, "fast");
	}
}

RULE(T25_i, "the calls that hints recommend need no privilege")
{
	static const uint16_t codes[] = { HV_CALL_SWITCH_ADDRESS_SPACE, HV_CALL_FLUSH_ADDRESS_SPACE, HV_CALL_FLUSH_ADDRESS_LIST,
					  HV_CALL_NOTIFY_LONG_SPIN_WAIT };

	FOR_EACH_CALL(row)
		for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++)
			if (row->code == codes[i])
				check_value(row->privilege, 0, "privileges of %s", row->name);
}

RULE(T25_k, "HvNotifyLongSpinWait never fails")
{
	for (unsigned bit = 0; bit < 64; bit++)
		check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1ull << bit), HV_STATUS_SUCCESS);
}

RULE(T18_5_1_b, "HvNotifyLongSpinWait works in registers and in memory")
{
	put64(test_page(0) + 4088, 77);
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .in = test_page(0) + 4088), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 77), HV_STATUS_SUCCESS);
}

RULE(T18_5_1_c, "HvNotifyLongSpinWait changes no memory, requests no interrupt")
{
	apic_set(true);
	for (unsigned i = 0; i < 512; i++)
		put64(test_page(3) + i * 8, i ? 0xa5a5a5a5a5a5a5a5ull : 0xffff);
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .in = test_page(3), .out = test_page(3)), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 512; i++)
		check_value(get64(test_page(3) + i * 8), i ? 0xa5a5a5a5a5a5a5a5ull : 0xffff, "the parameter's page at %u", i * 8);
	for (unsigned v = 0x10; v < 0x100; v++)
		check_that(!requested(v), "vector %#x is requested", v);
}

RULE(T18_5_1_d, "HvNotifyLongSpinWait needs no privilege")
{
	FOR_EACH_CALL(row)
		if (row->code == HV_CALL_NOTIFY_LONG_SPIN_WAIT)
			check_value(row->privilege, 0, "its privileges");
	check_status(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true), HV_STATUS_SUCCESS);
}

static bool is_status(uint16_t status)
{
	switch (status) {
#define X(name, number) case number:
	HV_STATUS_LIST(X)
#undef X
		return true;
	}
	return false;
}

RULE_QTEST(T26_a, "no call returns a status that is reserved")
{
	FOR_EACH_CALL(row) {
		for (unsigned variant = 0; variant < 64; variant++) {
			struct call c = proper(row);
			struct reply r;

			c.fast = variant & 1;
			c.reps += variant >> 1 & 1;
			c.start = variant >> 2 & 1;
			c.in += variant & 8 ? 4096 - 8 : 0;
			c.out += variant & 16 ? 4 : 0;
			put64(c.in & ~7ull, variant & 32 ? 0 : 0x8000000000000001);
			r = call_run(&c);
			check_that(r.fault || is_status(hv_result_status(r.value)), "%s: status 0x%x", row->name, hv_result_status(r.value));
		}
	}
}
