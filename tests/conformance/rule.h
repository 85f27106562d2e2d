/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tests of the specification, row by row (docs/spec).  The same source runs in two
 * ways: a host program that drives suspended VPs through qtest, and a program on the bare
 * machine that does it with real instructions, 64-bit and 32-bit.  Nothing but this header and
 * include/hv may be used here, no C library; what only one way has is in the folders
 * qtest/ and guest/.
 *
 * Each test finds the machine in the same state: guest OS id set, hypercall page
 * enabled at HYPERCALL_PAGE, all other synthetic MSRs 0, test pages zeroed, VP 0 acts.
 */
#ifndef CONFORMANCE_RULE_H
#define CONFORMANCE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/hypercall.h"
#include "hv/status.h"

/* ---- one test of one row ---- */

/* What the machine's partition is: -accel hvtlfs,role=, whose names are in rule.c. */
enum role { ROLE_GUEST, ROLE_HOST, ROLE_ROOT, ROLE_SCHEDULER, ROLES };
/* AS_ANY: once in each role; without AS_*: as a guest. */
enum { BY_QTEST = 1 << 0, BY_GUEST = 1 << 1, AS_HOST = 1 << 2, AS_ROOT = 1 << 3, AS_ANY = 1 << 4, AS_SCHEDULER = 1 << 5 };

struct rule {
	const char *row;       /* with _ for . */
	const char *sentence;  /* what must be so; printed in the TAP line */
	unsigned ways;         /* BY_*, AS_* */
	void (*test)(void);
};

/*
 * RULE(T4_11_3_c, "sentence") { ... }: a test of row T4.11.3.c.  One file has one test of a
 * row.  The names it makes: rule_ROW (the function), entry_ROW, listed_ROW.
 */
#define RULE_BY(ways_, row_, sentence_) \
	static void rule_##row_(void); \
	static const struct rule entry_##row_ = { #row_, sentence_, ways_, rule_##row_ }; \
	static const struct rule *const listed_##row_ __attribute__((used, section("rules"))) = &entry_##row_; \
	static void rule_##row_(void)
#define RULE(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST, row_, sentence_)
/* Where a test makes sense one way only. */
#define RULE_QTEST(row_, sentence_) RULE_BY(BY_QTEST, row_, sentence_)
#define RULE_GUEST(row_, sentence_) RULE_BY(BY_GUEST, row_, sentence_)
/* What holds for each call: a host and a root have more of them. */
#define RULE_ANY(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST | AS_ANY, row_, sentence_)
/* Chapters 5 to 10 and what else is a parent's. */
#define RULE_HOST(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST | AS_HOST, row_, sentence_)
#define RULE_HOST_QTEST(row_, sentence_) RULE_BY(BY_QTEST | AS_HOST, row_, sentence_)
#define RULE_HOST_GUEST(row_, sentence_) RULE_BY(BY_GUEST | AS_HOST, row_, sentence_)
/* Whoever makes partitions, as a host and as the root. */
#define RULE_PARENT(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST | AS_HOST | AS_ROOT, row_, sentence_)
/* Chapters 6, 22 and 23 and what else is the root's. */
#define RULE_ROOT(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST | AS_ROOT, row_, sentence_)
#define RULE_ROOT_QTEST(row_, sentence_) RULE_BY(BY_QTEST | AS_ROOT, row_, sentence_)
#define RULE_ROOT_GUEST(row_, sentence_) RULE_BY(BY_GUEST | AS_ROOT, row_, sentence_)
/* What a root does that says when VPs run; by qtest they stand while it does. */
#define RULE_SCHEDULER(row_, sentence_) RULE_BY(BY_QTEST | BY_GUEST | AS_SCHEDULER, row_, sentence_)
#define RULE_SCHEDULER_GUEST(row_, sentence_) RULE_BY(BY_GUEST | AS_SCHEDULER, row_, sentence_)

/* ---- checks: the first false one fails the rule, which goes on ---- */

void check_that(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void check_value(uint64_t got, uint64_t want, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The test cannot run here; the row is no better for it. */
void rule_skip(const char *why);
/* Which way this is: BY_QTEST or BY_GUEST; pointers have 4 bytes in the 32-bit guest. */
unsigned rule_way(void);

/* ---- the machine ---- */

enum { VPS = 2, TEST_PAGES = 16 };
/* RAM below PAGE_END; nothing at all is between there and NO_MEMORY_END. */
#define HYPERCALL_PAGE 0x3000000ull
#define TEST_PAGE 0x3010000ull         /* the first of TEST_PAGES */
#define NO_MEMORY 0x20000000ull
#define BEYOND_GPA_SPACE (1ull << 51)  /* above what any processor model can address */
#define TEST_OS_ID 0x8100000000000000ull

static inline uint64_t test_page(unsigned n) { return TEST_PAGE + n * 0x1000ull; }

/* The VP that does all that follows; 0 at the start of a test.  Skips the rule if it cannot be. */
void as_vp(unsigned index);

/* False: #GP. */
bool read_msr(uint32_t msr, uint64_t *value);
bool write_msr(uint32_t msr, uint64_t value);
/* The same where a fault fails the rule. */
uint64_t msr_of(uint32_t msr);
void set_msr(uint32_t msr, uint64_t value);

struct leaf { uint32_t a, b, c, d; };
struct leaf read_leaf(uint32_t number);

/* Guest physical memory; RAM or device. */
void put_bytes(uint64_t gpa, const void *from, size_t n);
void get_bytes(uint64_t gpa, void *to, size_t n);
void put64(uint64_t gpa, uint64_t v);
uint64_t get64(uint64_t gpa);

/* I/O port, 4 bytes. */
void out32(uint16_t port, uint32_t value);

/*
 * Interrupts of the acting VP: it does not take them, so they stay requested (a guest takes what is left over before the next
 * test).  The local APIC is on with apic_set(true).
 */
void apic_set(bool on);
bool requested(unsigned vector);

/* The machine anew with these -cpu properties ("hv-vpindex=off"); by qtest only. */
void restart_with(const char *cpu_properties);
/* The same as it is at power-on: no guest OS id, no hypercall page. */
void restart_bare(void);

/* All VPs run for a while at least, then stand again; machine reset as by its button.  By qtest only. */
void let_run(unsigned ms);
void reset_machine(void);
/* Time passes for the host; its clock in units of 100 ns.  By qtest only. */
void wait_ms(unsigned ms);
uint64_t host_time(void);
/* How many processors the emulator may use; by qtest only. */
unsigned host_processors(void);

/* ---- hypercalls ---- */

/* How the call gets out; by the guest only, qtest has no instruction. */
enum call_via { VIA_PAGE, VIA_VMCALL, VIA_VMMCALL };

struct call {
	uint16_t code;
	bool fast;
	uint16_t reps, start, variable;
	uint64_t control;      /* further bits of the input value */
	uint64_t in, out;      /* second and third register */
	/*
	 * The input list, instead of @in: in memory it goes to test page 14, in fast form to
	 * the registers.  What is beyond it in them is garbage.
	 */
	const void *data;
	unsigned size;
	enum call_via via;
};

struct reply {
	bool fault;            /* the instruction raised an exception; there is no value */
	unsigned vector;       /* which; by the guest only */
	uint64_t value;
};

/*
 * r = CALL(.code = HV_CALL_SIGNAL_EVENT, .fast = true, .in = 1).  In the guest each call also checks that
 * no register changed that must not.
 */
#define CALL(...) call_run(&(const struct call){ __VA_ARGS__ })
struct reply call_run(const struct call *c);
/*
 * One execution: true if the call gave way; then *control is what it would go on with.  Calls give way after each
 * element, here as in CALL and in the guest.  By qtest only.
 */
bool call_once(uint64_t *control, uint64_t in, uint64_t out, struct reply *r);
void check_status(struct reply r, uint16_t status);
void check_reps(struct reply r, uint16_t status, unsigned reps);
enum { VECTOR_UD = 6, VECTOR_GP = 13 };
void check_faulted(struct reply r, unsigned vector);
const char *status_name(uint16_t status);

/* The hypervisor's own call table: what the dispatcher is to check for any call. */
enum { CALL_ROW_REP = 1 << 0, CALL_ROW_VARIABLE = 1 << 1 };
struct call_row {
	char name[40];
	uint64_t privilege;
	uint16_t code, in, out, in_elem, out_elem, flags;
	uint32_t unused;
};
unsigned call_count(void);
const struct call_row *call_at(unsigned n);
/* Calls that this partition may make: those whose privileges leaf 3 shows. */
bool call_allowed(const struct call_row *row);
#define FOR_EACH_CALL(row) for (const struct call_row *row = call_at(0); row < call_at(0) + call_count(); row++)

#endif
