/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the rules and holds what both ways have in common. */
#include "machine.h"

enum { SAID_MAX = 8, ROW_MAX = 24, DATA_PAGE = 14 };

extern const struct rule *const __start_rules[], *const __stop_rules[];

/* Of the rule that runs. */
static struct {
	unsigned checks, failed;
	const char *skipped;
	char row[ROW_MAX];
} now;

/* ---- checks ---- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	machine_say(fmt, &ap);
	va_end(ap);
}

/* One more failed check; true if it is to be described. */
static bool failed(void)
{
	if (now.skipped)
		return false;
	if (++now.failed == SAID_MAX)
		say("%s: and more", now.row);
	return now.failed < SAID_MAX;
}

#define DESCRIBE(fmt) do { \
	va_list ap_; \
	va_start(ap_, fmt); \
	say("%s:", now.row); \
	machine_say(fmt, &ap_); \
	va_end(ap_); \
} while (0)

void check_that(bool good, const char *fmt, ...)
{
	now.checks++;
	if (!good && failed())
		DESCRIBE(fmt);
}

void check_value(uint64_t got, uint64_t want, const char *fmt, ...)
{
	now.checks++;
	if (got == want || !failed())
		return;
	DESCRIBE(fmt);
	say("  got 0x%llx, want 0x%llx", (unsigned long long)got, (unsigned long long)want);
}

void rule_skip(const char *why)
{
	now.skipped = why;
}

const char *status_name(uint16_t status)
{
	switch (status) {
#define X(name, number) case number: return #name;
	HV_STATUS_LIST(X)
#undef X
	}
	return "no status";
}

void check_status(struct reply r, uint16_t status)
{
	uint16_t got = hv_result_status(r.value);

	if (r.fault)
		check_that(false, "the call raised exception %u, want %s", r.vector, status_name(status));
	else
		check_that(got == status, "status is %s (0x%x), want %s", status_name(got), got, status_name(status));
}

void check_reps(struct reply r, uint16_t status, unsigned reps)
{
	check_status(r, status);
	if (!r.fault)
		check_value(hv_result_reps(r.value), reps, "reps complete");
}

void check_faulted(struct reply r, unsigned vector)
{
	check_that(r.fault, "the call gave %s (0x%llx), want exception %u", status_name(hv_result_status(r.value)),
		   (unsigned long long)r.value, vector);
	if (r.fault && rule_way() == BY_GUEST)
		check_value(r.vector, vector, "exception of the call");
}

/* ---- the machine ---- */

uint64_t msr_of(uint32_t msr)
{
	uint64_t v = 0;

	check_that(read_msr(msr, &v), "RDMSR of 0x%x raised #GP", msr);
	return v;
}

void set_msr(uint32_t msr, uint64_t value)
{
	check_that(write_msr(msr, value), "WRMSR of 0x%x to 0x%llx raised #GP", msr, (unsigned long long)value);
}

void put64(uint64_t gpa, uint64_t v)
{
	put_bytes(gpa, &v, sizeof v);
}

uint64_t get64(uint64_t gpa)
{
	uint64_t v;

	get_bytes(gpa, &v, sizeof v);
	return v;
}

/* ---- hypercalls ---- */

static void copy(uint8_t *to, const uint8_t *from, unsigned n)
{
	while (n--)
		*to++ = *from++;
}

struct reply call_run(const struct call *c)
{
	uint64_t control = c->control | c->code | (uint64_t)c->variable << HV_CALL_VARIABLE_SHIFT |
			   (uint64_t)c->reps << HV_CALL_REPS_SHIFT | (uint64_t)c->start << HV_CALL_START_SHIFT |
			   (c->fast ? HV_CALL_FAST : 0);
	union { uint64_t word[HV_CALL_XMM_BYTES / 8]; uint8_t byte[HV_CALL_XMM_BYTES]; } fast;
	uint64_t in = c->in, out = c->out;

	for (unsigned i = 0; i < sizeof fast.byte; i++)
		fast.byte[i] = 0xa0 ^ i;
	if (c->data && c->fast) {
		copy(fast.byte, c->data, c->size < sizeof fast.byte ? c->size : sizeof fast.byte);
		in = fast.word[0];
		out = fast.word[1];
	} else if (c->data) {
		in = test_page(DATA_PAGE);
		put_bytes(in, c->data, c->size);
	}
	return machine_call(control, in, out, fast.byte + HV_CALL_FAST_BYTES, c->via);
}

bool call_allowed(const struct call_row *row)
{
	struct leaf l = read_leaf(0x40000003);

	return !(row->privilege & ~(l.a | (uint64_t)l.b << 32));
}

/* ---- running ---- */

static void name_row(const char *row)
{
	unsigned n = 0;

	for (; row[n] && n < ROW_MAX - 1; n++)
		now.row[n] = row[n] == '_' ? '.' : row[n];
	now.row[n] = 0;
}

const char *role_name(enum role role)
{
	static const char *const name[ROLES] = { [ROLE_GUEST] = "guest", [ROLE_HOST] = "host", [ROLE_ROOT] = "root",
		[ROLE_SCHEDULER] = "root,scheduler=root" };

	return name[role];
}

static bool is_for(const struct rule *r, enum role role)
{
	switch (role) {
	case ROLE_HOST: return r->ways & (AS_ANY | AS_HOST);
	case ROLE_ROOT: return r->ways & (AS_ANY | AS_ROOT);
	case ROLE_SCHEDULER: return r->ways & AS_SCHEDULER;
	default: return !(r->ways & (AS_HOST | AS_ROOT | AS_SCHEDULER));
	}
}

static void run(const struct rule *r, enum role role)
{
	now.checks = now.failed = 0;
	now.skipped = NULL;
	name_row(r->row);
	if (!machine_wants(now.row))
		return;
	machine_fresh(role);
	r->test();
	/* A loop over calls of a kind that there is none of yet proves nothing. */
	if (!now.checks && !now.skipped)
		now.skipped = "there was nothing to check";
	machine_result(!now.failed, now.row, r->sentence, now.failed ? NULL : now.skipped);
}

/* All rules of one role: the machine is made anew for the other. */
static void run_as(enum role role)
{
	if (!machine_plays(role))
		return;
	for (const struct rule *const *r = __start_rules; r < __stop_rules; r++)
		if ((*r)->ways & rule_way() && is_for(*r, role))
			run(*r, role);
}

void rules_run(void)
{
	for (enum role role = ROLE_GUEST; role < ROLES; role++)
		run_as(role);
}
