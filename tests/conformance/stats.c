/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics pages (21) and their counters (33: appendix J). */
#include "child.h"
#include "hv/interrupt.h"
#include "hv/msr.h"
#include "hv/time.h"

enum { WORDS = HV_STATS_WORDS, PATTERN_PAGE = 3 };
#define PATTERN 0x1122334455667788ull

/* ---- objects, pages ---- */

static const struct hv_stats_identity hypervisor;

static struct hv_stats_identity lp(uint32_t index) { return (struct hv_stats_identity){ .lp = { index, 0 } }; }
static struct hv_stats_identity partition(uint64_t id) { return (struct hv_stats_identity){ .partition_id = id }; }
static struct hv_stats_identity vp(uint64_t id, uint32_t index) { return (struct hv_stats_identity){ .partition_id = id, .vp_index = index }; }

/* Where the caller sees it; its pool gets what it takes. */
static uint64_t see(uint32_t type, struct hv_stats_identity of)
{
	struct reply r = map_stats(type, of);

	if (hv_result_status(r.value) == HV_STATUS_INSUFFICIENT_MEMORY) {
		deposit(HV_PARTITION_ID_SELF, 1);
		r = map_stats(type, of);
	}
	check_status(r, HV_STATUS_SUCCESS);
	return out64(r) * 0x1000;
}

static uint64_t own_vp_page(void) { return see(HV_STATS_VP, vp(HV_PARTITION_ID_SELF, 0)); }
static uint64_t own_partition_page(void) { return see(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF)); }

static uint64_t word(uint64_t page, unsigned n) { return get64(page + 8 * n); }

/* Counters are written into pages now and then. */
static void pause(void)
{
	uint64_t from;

	if (rule_way() == BY_QTEST) {
		wait_ms(5);
		return;
	}
	from = msr_of(HV_X64_MSR_TIME_REF_COUNT);
	while (msr_of(HV_X64_MSR_TIME_REF_COUNT) - from < 5 * HV_REFERENCE_HZ / 1000)
		;
}

enum { A_LONG_WHILE = 2000 /* pauses */, A_SHORT_WHILE = 10 };

static bool becomes(uint64_t page, unsigned n, uint64_t want)
{
	for (unsigned i = 0; i < A_LONG_WHILE; i++) {
		if (word(page, n) == want)
			return true;
		pause();
	}
	return false;
}

static void check_becomes(uint64_t page, unsigned n, uint64_t want, const char *what)
{
	check_that(becomes(page, n, want), "%s: 0x%llx, not 0x%llx", what, (unsigned long long)word(page, n), (unsigned long long)want);
}

/* Until it has what has been counted up to now, and more than @from. */
static void check_passes(uint64_t page, unsigned n, uint64_t from, const char *what)
{
	for (unsigned i = 0; i < A_LONG_WHILE && word(page, n) <= from; i++)
		pause();
	check_that(word(page, n) > from, "%s stays at 0x%llx", what, (unsigned long long)from);
}

/* Long enough for all that has been counted to be in all pages. */
static void settle(void)
{
	for (unsigned i = 0; i < A_SHORT_WHILE; i++)
		pause();
}

/* What is below a page that is mapped there. */
static uint64_t pattern_page(void)
{
	put64(test_page(PATTERN_PAGE), PATTERN);
	return test_page(PATTERN_PAGE) >> 12;
}

static void check_covered(bool is)
{
	check_that((get64(test_page(PATTERN_PAGE)) != PATTERN) == is, is ? "the page below is seen" : "the page below is not seen");
}

/* ---- groups ---- */

struct group {
	uint32_t type, major, minor;
	unsigned first, count;       /* its counters: word of the page, how many */
};

/* The groups of a page, as many as @max; 0: it is not well made. */
static unsigned groups_of(uint64_t page, struct group *all, unsigned max)
{
	unsigned n = 0;

	for (unsigned at = 0; at < WORDS; n++) {
		uint64_t h = word(page, at);

		if (hv_stats_group(h) == HV_STATS_END_OF_LIST)
			return n;
		if (n == max || hv_stats_length(h) % 8)
			return 0;
		all[n] = (struct group){ hv_stats_group(h), hv_stats_major(h), hv_stats_minor(h), at + 1, hv_stats_length(h) / 8 };
		at += 1 + all[n].count;
	}
	return 0;
}

enum { GROUPS = 8 };

/* Where the counter of appendix J with this index of a group is; 0: a reader built for that version cannot read it. */
static unsigned counter(uint64_t page, uint32_t type, unsigned index, uint32_t major, uint32_t minor)
{
	struct group all[GROUPS];
	unsigned n = groups_of(page, all, GROUPS);

	for (unsigned i = 0; i < n; i++)
		if (all[i].type == type && all[i].major == major && all[i].minor >= minor && index <= all[i].count)
			return all[i].first + index - 1;
	return 0;
}

/* All four kinds of page, as the root sees them; and what appendix J has in their groups. */
static const struct {
	uint32_t type;
	unsigned counters[2];        /* of groups A and V in 2009; 0: no such group */
} kinds[] = {
	{ HV_STATS_HYPERVISOR, { 5, 0 } },
	{ HV_STATS_LP, { 18, 0 } },
	{ HV_STATS_PARTITION, { 1, 7 } },
	{ HV_STATS_VP, { 2, 63 } },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* One of them, as its headers have it. */
struct seen {
	uint32_t type;
	const unsigned *counters;
	uint64_t page;
	struct group group[GROUPS];
	unsigned groups;
	unsigned end;                /* word of the end of its list */
};

static void see_all(struct seen all[KINDS])
{
	for (unsigned i = 0; i < KINDS; i++) {
		struct seen *s = &all[i];

		s->type = kinds[i].type;
		s->counters = kinds[i].counters;
		s->page = see(s->type, s->type & HV_STATS_LOCAL ? partition(HV_PARTITION_ID_SELF) : hypervisor);
		s->groups = groups_of(s->page, s->group, GROUPS);
		check_that(s->groups, "object 0x%x has no groups", s->type);
		s->end = s->groups ? s->group[s->groups - 1].first + s->group[s->groups - 1].count : 0;
	}
}

#define FOR_EACH_SEEN(s) for (const struct seen *s = all; s < all + KINDS; s++)

/* ---- 21.1: classes, pages ---- */

RULE_HOST(T21_1_1_a, "global statistics are the root's; local ones belong to a partition or its VPs")
{
	struct child c = make_child(EXO);

	see(HV_STATS_PARTITION, partition(c.id));
	see(HV_STATS_VP, vp(c.id, 0));
	own_partition_page();
	own_vp_page();
	check_status(map_stats(HV_STATS_HYPERVISOR, hypervisor), HV_STATUS_ACCESS_DENIED);
	check_status(map_stats(HV_STATS_LP, lp(0)), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T21_1_2_a, "a VP has its statistics page from the start: showing it takes nothing from the pool")
{
	struct hv_out_get_memory_balance before, after;
	struct hv_register_value v = { 0x2001 };
	struct child c = make_child(EXO);

	balance(c.id, &before);
	check_status(set_register128(c.id, 0, HV_REGISTER_STATS_PARTITION_RETAIL, v), HV_STATUS_SUCCESS);
	check_status(set_register128(c.id, 0, HV_REGISTER_STATS_PARTITION_RETAIL + 2, v), HV_STATUS_SUCCESS);
	balance(c.id, &after);
	check_value(after.pages_available, before.pages_available, "pages available");
	make_vp(c.id, 1);
	balance(c.id, &after);
	check_that(after.pages_in_use > before.pages_in_use, "a VP takes nothing");
}

RULE_HOST(T21_1_2_b, "a mapped statistics page is an overlay")
{
	uint64_t at = pattern_page();

	deposit(HV_PARTITION_ID_SELF, 1);
	check_status(map_stats_at(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF), at), HV_STATUS_SUCCESS);
	check_covered(true);
	/* Nobody writes to it (T21.1.2.c). */
	check_faulted(CALL(.code = HV_CALL_GET_PARTITION_ID, .out = at << 12), VECTOR_GP);
	check_value(word(at << 12, HV_STATS_PARTITION_VPS), VPS, "VPs");
	check_status(unmap_stats(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF)), HV_STATUS_SUCCESS);
	check_covered(false);
}

RULE_HOST(T21_1_2_e, "the page of an object that is deleted is not mapped any more")
{
	struct hv_in_vp one = { 0 };
	uint64_t at = pattern_page();
	struct child c = make_child(EXO);

	child_vp(&c, 1);
	one.partition_id = c.id;
	one.vp_index = 1;
	deposit(HV_PARTITION_ID_SELF, 2);
	check_status(map_stats_at(HV_STATS_VP, vp(c.id, 1), at), HV_STATUS_SUCCESS);
	check_covered(true);
	check_status(CALL(.code = HV_CALL_DELETE_VP, .data = &one, .size = sizeof one), HV_STATUS_SUCCESS);
	check_covered(false);
	check_status(map_stats_at(HV_STATS_PARTITION, partition(c.id), at), HV_STATUS_SUCCESS);
	check_covered(true);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, c.id), HV_STATUS_SUCCESS);
	check_covered(false);
}

RULE_ROOT(T21_1_3_a, "header by header a page ends with the end of its list")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s)
		check_value(s->groups, s->counters[1] ? 2 : 1, "groups of object 0x%x", s->type);
}

RULE_ROOT(T21_1_3_b, "version and length of the end are 0")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s)
		check_value(word(s->page, s->end), 0, "end of object 0x%x", s->type);
}

RULE_ROOT(T21_1_3_c, "a length is that of the counters, without the header")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s)
		for (unsigned k = 0; k < s->groups; k++)
			check_that(s->group[k].count >= s->counters[k], "object 0x%x, group %u: %u counters", s->type, k, s->group[k].count);
	/* Where the second header is proves it: behind one counter of a partition. */
	check_value(hv_stats_length(word(all[2].page, 0)), 8, "length of a partition's first group");
	check_value(hv_stats_group(word(all[2].page, 2)), HV_STATS_GROUP_V, "type behind it");
}

RULE_ROOT(T21_1_3_d, "a type is there once a page; type 2 is on all four")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s) {
		unsigned seen[4] = { 0 };

		for (unsigned k = 0; k < s->groups; k++)
			seen[s->group[k].type & 3]++;
		check_value(seen[HV_STATS_GROUP_A], 1, "groups of type 2, object 0x%x", s->type);
		check_value(seen[HV_STATS_GROUP_V], s->counters[1] ? 1 : 0, "groups of type 3, object 0x%x", s->type);
	}
}

RULE_ROOT(T21_1_3_e, "behind the end there is nothing")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s)
		for (unsigned at = s->end; at < WORDS; at++)
			check_value(word(s->page, at), 0, "word %u of object 0x%x", at, s->type);
}

RULE_ROOT(T21_1_4_b, "groups with more counters than in 2009 have a greater minor version, all the same major one")
{
	struct seen all[KINDS];

	see_all(all);
	FOR_EACH_SEEN(s)
		for (unsigned k = 0; k < s->groups; k++) {
			const struct group *g = &s->group[k];

			check_value(g->major, 1, "major of object 0x%x", s->type);
			check_that((g->minor > 0) == (g->count > s->counters[k]), "object 0x%x, group %u: minor %u, %u counters", s->type, k, g->minor,
				   g->count);
		}
}

RULE_HOST(T21_1_4_c, "a counter that is not maintained keeps its place and is 0")
{
	uint64_t page = own_vp_page();
	unsigned other = counter(page, HV_STATS_GROUP_V, 59, 1, 0), evictions = counter(page, HV_STATS_GROUP_V, 46, 1, 0);
	uint64_t before = word(page, other);

	own_id();
	check_passes(page, other, before, "other hypercalls");
	check_value(word(page, evictions), 0, "page table evictions");
}

RULE_HOST(T21_1_4_d, "a reader built for a version reads pages of the same major one and no lesser minor one")
{
	uint64_t page = own_vp_page();
	uint32_t minor = hv_stats_minor(word(page, HV_STATS_VP_V));

	check_value(counter(page, HV_STATS_GROUP_V, 1, 1, 0), HV_STATS_VP_HYPERCALLS, "for 1.0");
	check_value(counter(page, HV_STATS_GROUP_V, 1, 1, minor), HV_STATS_VP_HYPERCALLS, "for this one");
	check_value(counter(page, HV_STATS_GROUP_V, 1, 1, minor + 1), 0, "for the next minor one");
	check_value(counter(page, HV_STATS_GROUP_V, 1, 2, 0), 0, "for the next major one");
}

/* ---- 21.2: objects ---- */

RULE_ROOT(T21_2_1_a, "there are two global and two local types of object")
{
	static const uint32_t none[] = { 0, 3, 4, 0x10000, 0x10003, 0x20001, 0xffffffff };
	struct seen all[KINDS];

	see_all(all);
	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++) {
		check_status(map_stats(none[i], hypervisor), HV_STATUS_INVALID_PARAMETER);
		check_status(unmap_stats(none[i], hypervisor), HV_STATUS_INVALID_PARAMETER);
	}
}

RULE_ROOT(T21_2_1_b, "reserved bytes of an identity must be 0")
{
	/* Bit n: byte n is reserved. */
	static const uint32_t reserved[KINDS] = { 0x7fff, 0x7ff0, 0x4f00, 0x4000 };

	deposit(HV_PARTITION_ID_SELF, 2);
	for (unsigned i = 0; i < KINDS; i++)
		for (unsigned n = 0; n < 16; n++) {
			struct hv_stats_identity of = kinds[i].type & HV_STATS_LOCAL ? partition(HV_PARTITION_ID_SELF) : hypervisor;

			if (!(reserved[i] >> n & 1))
				continue;
			((uint8_t *)&of)[n] = 1;
			check_that(hv_result_status(map_stats(kinds[i].type, of).value) == HV_STATUS_INVALID_PARAMETER,
				   "object 0x%x, byte %u is taken", kinds[i].type, n);
			check_that(hv_result_status(unmap_stats(kinds[i].type, of).value) == HV_STATUS_INVALID_PARAMETER,
				   "object 0x%x, byte %u is taken by the other", kinds[i].type, n);
		}
}

/* ---- 21.3.1: mapping ---- */

RULE(T21_3_1_a, "without AccessStats there are none of any type")
{
	for (unsigned i = 0; i < KINDS; i++) {
		check_status(map_stats(kinds[i].type, partition(HV_PARTITION_ID_SELF)), HV_STATUS_ACCESS_DENIED);
		check_status(map_stats_at(kinds[i].type, partition(HV_PARTITION_ID_SELF), 1), HV_STATUS_ACCESS_DENIED);
	}
}

RULE_HOST(T21_3_1_b, "who is no root gets none of the hypervisor and logical processors")
{
	deposit(HV_PARTITION_ID_SELF, 2);
	check_status(map_stats_at(HV_STATS_HYPERVISOR, hypervisor, pattern_page()), HV_STATUS_ACCESS_DENIED);
	check_status(map_stats_at(HV_STATS_LP, lp(0), pattern_page()), HV_STATUS_ACCESS_DENIED);
	check_covered(false);
}

RULE_HOST(T21_3_1_c, "who did not make the partition gets none of it")
{
	struct child c = make_child(EXO);
	struct hv_in_stats_page in = { HV_STATS_PARTITION, 0, partition(own_id()) };
	uint64_t other = make_active_partition();

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS) | HV_ACCESS_STATS);
	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_MAP_STATS_PAGE, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "of its parent");
	in = (struct hv_in_stats_page){ HV_STATS_VP, 0, vp(own_id(), 0) };
	check_value(child_calls(&c, HV_CALL_MAP_STATS_PAGE, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "of a VP of its parent");
	in = (struct hv_in_stats_page){ HV_STATS_PARTITION, 0, partition(other) };
	check_value(child_calls(&c, HV_CALL_MAP_STATS_PAGE, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "of its parent's other child");
	in = (struct hv_in_stats_page){ HV_STATS_PARTITION, 0, partition(0x123456789a) };
	check_value(child_calls(&c, HV_CALL_MAP_STATS_PAGE, 0, &in, sizeof in), HV_STATUS_INVALID_PARTITION_ID, "of none");
	check_status(map_stats(HV_STATS_VP, vp(c.id, 7)), HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T21_3_1_d, "an object is mapped once")
{
	uint64_t at = pattern_page();
	struct child c = make_child(EXO);

	see(HV_STATS_VP, vp(c.id, 0));
	deposit(HV_PARTITION_ID_SELF, 1);
	check_status(map_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_OPERATION_DENIED);
	check_status(map_stats_at(HV_STATS_VP, vp(c.id, 0), at), HV_STATUS_OPERATION_DENIED);
	check_covered(false);
	/* Another object is another matter. */
	check_status(map_stats_at(HV_STATS_PARTITION, partition(c.id), at), HV_STATUS_SUCCESS);
	check_covered(true);
}

RULE_HOST(T21_3_1_e, "a page beyond the GPA space may be mapped")
{
	deposit(HV_PARTITION_ID_SELF, 1);
	check_status(map_stats_at(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF), BEYOND_GPA_SPACE >> 12), HV_STATUS_SUCCESS);
	check_status(map_stats(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF)), HV_STATUS_OPERATION_DENIED);
	check_status(unmap_stats(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF)), HV_STATUS_SUCCESS);
	check_status(map_stats_at(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF), UINT64_MAX), HV_STATUS_SUCCESS);
}

RULE_HOST(T21_3_1_f, "a partition that is not active has none")
{
	uint64_t id = make_partition();

	deposit(HV_PARTITION_ID_SELF, 1);
	check_status(map_stats(HV_STATS_PARTITION, partition(id)), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(unmap_stats(HV_STATS_PARTITION, partition(id)), HV_STATUS_INVALID_PARTITION_STATE);
	deposit(id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	see(HV_STATS_PARTITION, partition(id));
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(map_stats(HV_STATS_PARTITION, partition(id)), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(map_stats(HV_STATS_VP, vp(id, 0)), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T21_3_1_g, "the page shows the counters, and they live")
{
	struct child c = make_child(EXO);
	uint64_t page = see(HV_STATS_PARTITION, partition(c.id));

	check_value(word(page, HV_STATS_PARTITION_VPS), 1, "VPs at once");
	check_value(word(page, HV_STATS_PARTITION_ID), c.id, "id");
	child_vp(&c, 1);
	check_becomes(page, HV_STATS_PARTITION_VPS, 2, "VPs");
}

RULE_HOST(T21_3_1_h, "what pads the type is not looked at; what is reserved in the identity is")
{
	struct hv_stats_identity odd = partition(HV_PARTITION_ID_SELF);

	odd.reserved = 1;
	deposit(HV_PARTITION_ID_SELF, 1);
	/* map_stats_at() has garbage there. */
	check_status(map_stats_at(HV_STATS_PARTITION, odd, pattern_page()), HV_STATUS_INVALID_PARAMETER);
	check_status(map_stats_at(HV_STATS_PARTITION, partition(HV_PARTITION_ID_SELF), pattern_page()), HV_STATUS_SUCCESS);
	check_covered(true);
}

RULE_HOST(T21_3_1_i, "a mapping is paid for by the caller's pool")
{
	struct hv_out_get_memory_balance before, after;
	struct child c = make_child(EXO);

	withdraw(HV_PARTITION_ID_SELF, 500);
	check_status(map_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_INSUFFICIENT_MEMORY);
	deposit(HV_PARTITION_ID_SELF, 1);
	balance(HV_PARTITION_ID_SELF, &before);
	check_status(map_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_SUCCESS);
	balance(HV_PARTITION_ID_SELF, &after);
	check_value(after.pages_in_use, before.pages_in_use + 1, "pages in use");
	check_status(map_stats(HV_STATS_PARTITION, partition(c.id)), HV_STATUS_INSUFFICIENT_MEMORY);
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_SUCCESS);
	check_balance(HV_PARTITION_ID_SELF, before.pages_available, before.pages_in_use);
}

/* ---- 21.3.2: unmapping ---- */

RULE_HOST(T21_3_2_a, "what is not mapped cannot be unmapped")
{
	struct child c = make_child(EXO);

	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_OPERATION_DENIED);
	see(HV_STATS_PARTITION, partition(c.id));
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_OPERATION_DENIED);
	check_status(unmap_stats(HV_STATS_PARTITION, partition(c.id)), HV_STATUS_SUCCESS);
	check_status(unmap_stats(HV_STATS_PARTITION, partition(c.id)), HV_STATUS_OPERATION_DENIED);
}

RULE_HOST(T21_3_2_b, "after unmapping it can be mapped elsewhere")
{
	uint64_t at = pattern_page();
	struct child c = make_child(EXO);

	see(HV_STATS_VP, vp(c.id, 0));
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_SUCCESS);
	check_status(map_stats_at(HV_STATS_VP, vp(c.id, 0), at), HV_STATUS_SUCCESS);
	check_covered(true);
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_SUCCESS);
	check_covered(false);
	check_value(word(see(HV_STATS_VP, vp(c.id, 0)), HV_STATS_VP_V) & 0xffff, HV_STATS_GROUP_V, "type of its second group");
}

RULE_HOST(T21_3_2_c, "the object is enough to unmap it")
{
	struct child c = make_child(EXO);
	uint64_t at = pattern_page();

	child_vp(&c, 1);
	deposit(HV_PARTITION_ID_SELF, 2);
	check_status(map_stats_at(HV_STATS_VP, vp(c.id, 0), at), HV_STATUS_SUCCESS);
	see(HV_STATS_VP, vp(c.id, 1));
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 1)), HV_STATUS_SUCCESS);
	check_covered(true);
	check_status(unmap_stats(HV_STATS_VP, vp(c.id, 0)), HV_STATUS_SUCCESS);
	check_covered(false);
}

RULE(T21_3_2_d, "unmapping takes AccessStats, too")
{
	for (unsigned i = 0; i < KINDS; i++)
		check_status(unmap_stats(kinds[i].type, partition(HV_PARTITION_ID_SELF)), HV_STATUS_ACCESS_DENIED);
}

/* ---- 21.3.3: MSRs ---- */

enum { FIRST_MSR = HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE, LAST_MSR = HV_X64_MSR_STATS_VP_INTERNAL_PAGE };

RULE_HOST(T21_3_3_a, "the MSRs are 0 in a VP that is new")
{
	struct child c = make_child(EXO);

	for (unsigned n = 0; n <= LAST_MSR - FIRST_MSR; n++)
		check_register(c.id, 0, HV_REGISTER_STATS_PARTITION_RETAIL + n, 0);
}

RULE(T21_3_3_b, "the enable bit makes the page appear, and disappear")
{
	uint64_t at = pattern_page() << 12;

	for (uint32_t msr = FIRST_MSR; msr <= LAST_MSR; msr++) {
		check_covered(false);
		set_msr(msr, at);
		check_covered(false);
		set_msr(msr, at | HV_MSR_PAGE_ENABLE);
		check_covered(true);
		set_msr(msr, at);
	}
	check_covered(false);
}

RULE(T21_3_3_c, "reserved bits are kept")
{
	for (uint32_t msr = FIRST_MSR; msr <= LAST_MSR; msr++) {
		set_msr(msr, test_page(2) | HV_MSR_PAGE_PRESERVED);
		check_value(msr_of(msr), test_page(2) | HV_MSR_PAGE_PRESERVED, "MSR 0x%x", msr);
	}
}

RULE(T21_3_3_d, "a page beyond the GPA space is no fault")
{
	for (uint32_t msr = FIRST_MSR; msr <= LAST_MSR; msr++) {
		check_that(write_msr(msr, BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE), "MSR 0x%x", msr);
		check_value(msr_of(msr), BEYOND_GPA_SPACE | HV_MSR_PAGE_ENABLE, "MSR 0x%x", msr);
	}
}

RULE_HOST(T21_3_3_e, "without AccessStatsMsr the MSRs are none of the hypervisor's")
{
	struct child c = make_child(EXO);
	struct hv_message m;

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS) & ~HV_ACCESS_STATS_MSRS);
	must_install(&c, HV_INTERCEPT_MSR, 0);
	m = RUN_CODE(&c, RDMSR(FIRST_MSR + 2), OUT(0x80));
	check_type(&m, HV_MESSAGE_MSR_INTERCEPT);
	check_value(MESSAGE_AS(hv_msr_message, &m)->msr, FIRST_MSR + 2, "MSR");
	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS) | HV_ACCESS_STATS_MSRS);
	m = RUN_CODE(&c, RDMSR(FIRST_MSR + 2), OUT(0x80));
	check_type(&m, HV_MESSAGE_IO_INTERCEPT);
}

RULE(T21_3_3_f, "the pages are of the partition and of the VP whose MSR it is")
{
	uint64_t partition_at = test_page(4), vp_at[2] = { test_page(5), test_page(6) };
	uint64_t calls;

	set_msr(FIRST_MSR, partition_at | HV_MSR_PAGE_ENABLE);
	check_value(word(partition_at, HV_STATS_PARTITION_VPS), VPS, "VPs");
	set_msr(HV_X64_MSR_STATS_VP_RETAIL_PAGE, vp_at[0] | HV_MSR_PAGE_ENABLE);
	as_vp(1);
	check_value(msr_of(FIRST_MSR), 0, "MSR of VP 1");
	set_msr(HV_X64_MSR_STATS_VP_RETAIL_PAGE, vp_at[1] | HV_MSR_PAGE_ENABLE);
	as_vp(0);
	settle();
	calls = word(vp_at[1], HV_STATS_VP_HYPERCALLS);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = word(vp_at[0], HV_STATS_VP_HYPERCALLS);

		CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1);
		check_passes(vp_at[0], HV_STATS_VP_HYPERCALLS, before, "hypercalls of VP 0");
	}
	check_value(word(vp_at[1], HV_STATS_VP_HYPERCALLS), calls, "hypercalls of VP 1");
}

RULE_ROOT(T21_3_3_g, "the root has the MSRs, too")
{
	set_msr(FIRST_MSR, test_page(4) | HV_MSR_PAGE_ENABLE);
	set_msr(HV_X64_MSR_STATS_VP_RETAIL_PAGE, test_page(5) | HV_MSR_PAGE_ENABLE);
	check_value(word(test_page(4), HV_STATS_PARTITION_VPS), VPS, "VPs");
	check_value(hv_stats_group(word(test_page(5), 0)), HV_STATS_GROUP_A, "type of the first group");
}

/* ---- 33.1: the hypervisor ---- */

static uint64_t hypervisor_page(void) { return see(HV_STATS_HYPERVISOR, hypervisor); }

RULE_ROOT(T33_1_a, "there is one hypervisor, and its page is the root's")
{
	hypervisor_page();
	check_status(map_stats(HV_STATS_HYPERVISOR, hypervisor), HV_STATUS_OPERATION_DENIED);
}

RULE_ROOT(T33_1_b, "partitions and VPs are counted; logical processors do not change")
{
	uint64_t page = hypervisor_page(), id;

	check_value(word(page, HV_STATS_HV_LPS), VPS, "logical processors");
	check_value(word(page, HV_STATS_HV_PARTITIONS), 1, "partitions");
	check_value(word(page, HV_STATS_HV_VPS), VPS, "VPs");
	id = make_active_partition();
	check_becomes(page, HV_STATS_HV_PARTITIONS, 2, "partitions");
	make_vp(id, 0);
	check_becomes(page, HV_STATS_HV_VPS, VPS + 1, "VPs");
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_becomes(page, HV_STATS_HV_VPS, VPS, "VPs at the end");
	check_value(word(page, HV_STATS_HV_LPS), VPS, "logical processors at the end");
}

RULE_ROOT(T33_1_c, "after launch there are the root and its VPs")
{
	uint64_t page = hypervisor_page();

	check_value(word(page, HV_STATS_HV_PARTITIONS), 1, "partitions");
	check_value(word(page, HV_STATS_HV_VPS), VPS, "VPs");
}

RULE_ROOT(T33_1_d, "pages are counted as they are deposited and withdrawn")
{
	uint64_t page = hypervisor_page(), before;

	settle();
	before = word(page, HV_STATS_HV_PAGES);
	deposit(HV_PARTITION_ID_SELF, 5);
	check_becomes(page, HV_STATS_HV_PAGES, before + 5, "pages");
	check_reps(withdraw(HV_PARTITION_ID_SELF, 3), HV_STATUS_SUCCESS, 3);
	check_becomes(page, HV_STATS_HV_PAGES, before + 2, "pages after withdrawing");
}

/* ---- 33.2: logical processors ---- */

RULE_ROOT(T33_2_a, "each logical processor has a page")
{
	for (uint32_t i = 0; i < VPS; i++)
		check_value(word(see(HV_STATS_LP, lp(i)), HV_STATS_LP_ROOT_VP), i, "the root's VP");
	check_status(map_stats(HV_STATS_LP, lp(VPS)), HV_STATUS_INVALID_PARAMETER);
	check_status(unmap_stats(HV_STATS_LP, lp(VPS)), HV_STATUS_INVALID_PARAMETER);
}

/* Of two times that never go back, the second is part of the first. */
static void check_times(uint64_t page, unsigned whole, unsigned part)
{
	uint64_t last_whole = 0, last_part = 0;

	for (unsigned i = 0; i < 20; i++) {
		uint64_t some = word(page, part), all = word(page, whole);

		check_that(all >= some, "%u of %u", (unsigned)some, (unsigned)all);
		check_that(all >= last_whole && some >= last_part, "a time goes back");
		last_whole = all;
		last_part = some;
		for (unsigned k = 0; k < 20; k++)
			CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1);
		pause();
	}
	check_that(last_part > 0, "no time in the hypervisor");
}

RULE_ROOT(T33_2_b, "the hypervisor's time is part of a processor's; none goes back")
{
	check_times(see(HV_STATS_LP, lp(0)), HV_STATS_LP_RUN_TIME, HV_STATS_LP_HYPERVISOR_TIME);
}

RULE_ROOT(T33_2_c, "a processor that has nothing to do does not run")
{
	/* Nobody has started it. */
	uint64_t page = see(HV_STATS_LP, lp(1)), before, tsc;

	settle();
	before = word(page, HV_STATS_LP_RUN_TIME);
	tsc = word(page, HV_STATS_LP_TSC);
	settle();
	check_passes(page, HV_STATS_LP_TSC, tsc, "TSC");
	check_value(word(page, HV_STATS_LP_RUN_TIME), before, "run time");
}

/* ---- 33.3: partitions ---- */

RULE_HOST(T33_3_a, "the VPs of a partition are counted")
{
	uint64_t id = make_active_partition(), page = see(HV_STATS_PARTITION, partition(id));

	check_value(word(page, HV_STATS_PARTITION_VPS), 0, "VPs");
	make_vp(id, 3);
	check_becomes(page, HV_STATS_PARTITION_VPS, 1, "VPs");
	make_vp(id, 1);
	check_becomes(page, HV_STATS_PARTITION_VPS, 2, "VPs");
}

RULE_HOST(T33_3_b, "pages that were deposited, less those that were withdrawn, are counted")
{
	uint64_t id = make_active_partition(), page = see(HV_STATS_PARTITION, partition(id));
	uint64_t before = word(page, HV_STATS_PARTITION_DEPOSITED);

	check_that(before >= ACTIVE_PAGES, "fewer than were deposited");
	deposit(id, 7);
	check_becomes(page, HV_STATS_PARTITION_DEPOSITED, before + 7, "pages");
	check_reps(withdraw(id, 2), HV_STATUS_SUCCESS, 2);
	check_becomes(page, HV_STATS_PARTITION_DEPOSITED, before + 5, "pages after withdrawing");
}

RULE_HOST(T33_3_c, "mapped pages of a child are counted; the root has none")
{
	uint64_t id = make_active_partition(), page = see(HV_STATS_PARTITION, partition(id));

	check_value(word(own_partition_page(), HV_STATS_PARTITION_GPA_PAGES), 0, "own pages");
	check_value(word(page, HV_STATS_PARTITION_GPA_PAGES), 0, "pages");
	give_pages(id, 0x10, 5);
	check_becomes(page, HV_STATS_PARTITION_GPA_PAGES, 5, "pages");
	check_reps(unmap_pages(id, 0x11, 2), HV_STATUS_SUCCESS, 2);
	check_becomes(page, HV_STATS_PARTITION_GPA_PAGES, 3, "pages after unmapping");
}

RULE_HOST(T33_3_d, "changes of the GPA space are counted")
{
	uint64_t id = make_active_partition(), page = see(HV_STATS_PARTITION, partition(id)), n;
	struct hv_gpa_mapping sparse = { .target_gpa_page = 0x80, .source_gpa_page = fresh_pages(1) };

	n = word(page, HV_STATS_PARTITION_GPA_CHANGES);
	give_pages(id, 0x10, 1);
	check_passes(page, HV_STATS_PARTITION_GPA_CHANGES, n, "HvMapGpaPages");
	n = word(page, HV_STATS_PARTITION_GPA_CHANGES);
	check_reps(map_sparse(id, MAP_RWX, &sparse, 1), HV_STATUS_SUCCESS, 1);
	check_passes(page, HV_STATS_PARTITION_GPA_CHANGES, n, "HvMapSparseGpaPages");
	n = word(page, HV_STATS_PARTITION_GPA_CHANGES);
	check_reps(unmap_pages(id, 0x10, 1), HV_STATUS_SUCCESS, 1);
	check_passes(page, HV_STATS_PARTITION_GPA_CHANGES, n, "HvUnmapGpaPages");
}

/* ---- 33.4: VPs ---- */

RULE_HOST(T33_4_a, "the hypervisor's time is part of a VP's; none goes back")
{
	check_times(own_vp_page(), HV_STATS_VP_RUN_TIME, HV_STATS_VP_HYPERVISOR_TIME);
}

RULE_HOST(T33_4_b, "a VP's time is that of its MSR")
{
	uint64_t page = own_vp_page(), before = msr_of(HV_X64_MSR_VP_RUNTIME), seen;

	check_passes(page, HV_STATS_VP_RUN_TIME, before - 1, "run time");
	seen = word(page, HV_STATS_VP_RUN_TIME);
	check_that(seen <= msr_of(HV_X64_MSR_VP_RUNTIME), "the page is ahead of the MSR");
}

RULE_HOST(T33_4_c, "each hypercall is counted, and in one class")
{
	enum { FIRST = HV_STATS_VP_CALLS_GPA_SPACE, LAST = HV_STATS_VP_CALLS_VP };
	struct child c = make_child(EXO);
	uint64_t page = own_vp_page();
	static const struct {
		uint16_t code;
		uint8_t word;
	} some[] = {
		{ HV_CALL_UNMAP_GPA_PAGES, HV_STATS_VP_CALLS_GPA_SPACE },
		{ HV_CALL_NOTIFY_LONG_SPIN_WAIT, HV_STATS_VP_CALLS_LONG_SPIN },
		{ HV_CALL_GET_PARTITION_ID, HV_STATS_VP_CALLS_OTHER },
		{ HV_CALL_SIGNAL_EVENT, HV_STATS_VP_CALLS_SYNIC },
		{ HV_CALL_SEND_IPI, HV_STATS_VP_CALLS_INTERRUPT },
		{ HV_CALL_FLUSH_ADDRESS_SPACE, HV_STATS_VP_CALLS_MMU },
		{ HV_CALL_GET_VP_REGISTERS, HV_STATS_VP_CALLS_VP },
		{ 0x7fff, HV_STATS_VP_CALLS_OTHER },
	};

	check_register(c.id, 0, HV_REGISTER_RCX, 0);
	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		uint64_t before[LAST + 1], classes = 0;

		settle();
		for (unsigned n = 0; n <= LAST; n++)
			before[n] = word(page, n);
		/* Whatever it says to that. */
		CALL(.code = some[i].code, .in = test_page(7), .out = test_page(OUT_PAGE));
		check_becomes(page, HV_STATS_VP_HYPERCALLS, before[HV_STATS_VP_HYPERCALLS] + 1, "hypercalls");
		settle();
		for (unsigned n = FIRST; n <= LAST; n++)
			classes += word(page, n) - before[n];
		check_value(classes, 1, "classes that count call 0x%x", some[i].code);
		check_value(word(page, some[i].word), before[some[i].word] + 1, "class of call 0x%x", some[i].code);
	}
}

RULE_HOST(T33_4_d, "HLT, CPUID, INVLPG, I/O, MSRs, control and debug registers are counted")
{
	static const struct {
		uint8_t code[16], length, word;
	} some[] = {
		{ { 0xf4 }, 1, HV_STATS_VP_HLT },
		{ { 0x31, 0xc0, 0x0f, 0xa2 }, 4, HV_STATS_VP_CPUID },
		{ { 0x0f, 0x01, 0x38 }, 3, HV_STATS_VP_INVALIDATIONS },
		{ { 0xe6, 0x80 }, 2, HV_STATS_VP_IO },
		{ { RDMSR(HV_X64_MSR_VP_INDEX) }, RDMSR_BYTES, HV_STATS_VP_MSR },
		{ { 0x0f, 0x20, 0xc0, 0x0f, 0x22, 0xc0 }, 6, HV_STATS_VP_CONTROL },
		{ { 0x0f, 0x21, 0xc0 }, 3, HV_STATS_VP_DEBUG },
	};
	struct child c = make_child(EXO);
	uint64_t page = see(HV_STATS_VP, vp(c.id, 0));

	for (unsigned i = 0; i < sizeof some / sizeof some[0]; i++) {
		uint8_t code[20];
		uint64_t before;

		for (unsigned n = 0; n < sizeof some[0].code; n++)
			code[n] = some[i].code[n];
		code[some[i].length] = 0xe6;                       /* out 0x81, al */
		code[some[i].length + 1] = 0x81;
		settle();
		before = word(page, some[i].word);
		run_code(&c, code, some[i].length + 2);
		check_passes(page, some[i].word, before, "an instruction");
	}
}

RULE_HOST(T33_4_e, "intercept messages are counted by what they are of")
{
	struct child c = make_child(EXO);
	uint64_t page = see(HV_STATS_VP, vp(c.id, 0));

	RUN_CODE(&c, OUT(0x80));
	check_becomes(page, HV_STATS_VP_IO_MESSAGES, 1, "messages of I/O");
	/* mov al, [CHILD_UNTOUCHABLE] */
	RUN_CODE(&c, 0xa0, CHILD_UNTOUCHABLE & 0xff, CHILD_UNTOUCHABLE >> 8);
	check_becomes(page, HV_STATS_VP_MEMORY_MESSAGES, 1, "messages of memory");
	RUN_CODE(&c, 0xf4);
	check_becomes(page, HV_STATS_VP_OTHER_MESSAGES, 1, "other messages");
	check_value(word(page, HV_STATS_VP_IO_MESSAGES), 1, "messages of I/O at the end");
	check_value(word(page, HV_STATS_VP_MEMORY_MESSAGES), 1, "messages of memory at the end");
}

RULE_HOST(T33_4_f, "virtual interrupts are all, those of SINTs among them")
{
	struct child c = make_child(EXO);
	uint64_t page = own_vp_page(), synthetic, all;

	settle();
	synthetic = word(page, HV_STATS_VP_SYNTHETIC_INTERRUPTS);
	all = word(page, HV_STATS_VP_VIRTUAL_INTERRUPTS);
	check_that(all >= synthetic, "fewer in all");
	RUN_CODE(&c, OUT(0x80));
	check_passes(page, HV_STATS_VP_SYNTHETIC_INTERRUPTS, synthetic, "synthetic interrupts");
	check_passes(page, HV_STATS_VP_VIRTUAL_INTERRUPTS, all, "virtual interrupts");
	/* The child stands: no more come. */
	settle();
	check_that(word(page, HV_STATS_VP_VIRTUAL_INTERRUPTS) - all >= word(page, HV_STATS_VP_SYNTHETIC_INTERRUPTS) - synthetic, "fewer than of SINTs");
}

static void check_cost_of_sleep(void)
{
	enum { VECTOR_OF_CHILD = 0x45, HANDLER = 0x5000 };
	static const uint8_t code[] = { 0xfb, 0xf4, OUT(0x80) }, iret = 0xcf;   /* sti; hlt; out 0x80, al */
	const uint32_t far = HANDLER;
	struct child c = make_child(EXO | HV_CREATE_LAPIC);
	uint64_t page = see(HV_STATS_VP, vp(c.id, 0));

	child_apic_set(&c, 0, CHILD_APIC_SVR, 0x1ff);
	child_put(&c, VECTOR_OF_CHILD * 4, &far, sizeof far);
	child_put(&c, HANDLER, &iret, sizeof iret);
	child_put(&c, CHILD_CODE, code, sizeof code);
	child_start_at(&c, 0, CHILD_CODE);
	child_go(&c, 0);
	for (unsigned i = 0; i < 1000 && !word(page, HV_STATS_VP_HLT); i++)
		child_wait();
	check_status(child_assert(&c, HV_INTERRUPT_FIXED, 0, VECTOR_OF_CHILD), HV_STATUS_SUCCESS);
	next_message();
	check_passes(page, HV_STATS_VP_HLT + 1, 0, "what HLT costs");
}

RULE_HOST(T33_4_g, "behind a counter stands what its item cost")
{
	static const uint8_t items[] = { HV_STATS_VP_HYPERCALLS, HV_STATS_VP_MSR, HV_STATS_VP_CPUID };
	uint64_t page = own_vp_page();

	for (unsigned i = 0; i < 2000; i++) {
		CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1);
		msr_of(HV_X64_MSR_TIME_REF_COUNT);
		read_leaf(0x40000000);
	}
	for (unsigned i = 0; i < sizeof items; i++) {
		check_passes(page, items[i], 1999, "items");
		check_passes(page, items[i] + 1u, 0, "what they cost");
	}
	check_cost_of_sleep();
}

/* Fills of a TLB from large pages are those of who has large pages. */
static void check_large_pages_if_any(void)
{
	static const uint32_t gpa[] = { CHILD_DATA };
	struct child c = make_child(EXO);
	uint64_t page = see(HV_STATS_VP, vp(c.id, 0)), small;

	RUN_CODE(&c, OUT(0x80));
	check_passes(page, HV_STATS_VP_SMALL_TLB_FILLS, 0, "fills from small pages");
	settle();
	check_value(word(page, HV_STATS_VP_LARGE_TLB_FILLS), 0, "fills from large pages without paging");
	small = word(page, HV_STATS_VP_SMALL_TLB_FILLS);
	child_paged(&c, gpa, 1);
	/* mov eax, [CHILD_PAGED]; out 0x80, al */
	RUN_AS_IS(&c, 0xa1, BYTES_32(CHILD_PAGED), OUT(0x80));
	check_passes(page, HV_STATS_VP_LARGE_TLB_FILLS, 0, "fills from large pages");
	check_passes(page, HV_STATS_VP_SMALL_TLB_FILLS, small, "fills from small pages");
}

RULE_HOST(T33_4_h, "what there is not is counted as 0")
{
	uint64_t page = own_vp_page();

	for (unsigned i = 0; i < 50; i++)
		own_id();
	settle();
	check_that(word(page, HV_STATS_VP_HYPERCALLS) >= 50, "hypercalls");
	/* Page tables of its own, which the hypervisor has none of; pending interrupts. */
	for (unsigned index = 46; index <= 49; index++)
		check_value(word(page, counter(page, HV_STATS_GROUP_V, index, 1, 0)), 0, "counter %u", index);
	check_value(word(page, counter(page, HV_STATS_GROUP_V, 21, 1, 0)), 0, "pending interrupts");
	check_large_pages_if_any();
}
