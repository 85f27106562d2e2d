/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host.h"

#include "hv/partition.h"
#include "machine.h"

/* Pages that nothing else uses; the test machine has 128 MiB. */
enum { FIRST_PAGE = 0x4000, LAST_PAGE = 0x6fff, LIST_MAX = 511 };
/* What the calls must not look at: Linux leaves what was there. */
#define GARBAGE 0xdeadbeef

struct stats_object {
	uint32_t type;
	struct hv_stats_identity of;
};

static struct {
	uint64_t next;         /* fresh page */
	/* Whose statistics are mapped. */
	struct stats_object stats[16];
	unsigned stats_mapped;
} host = { .next = FIRST_PAGE };

/* ---- calls ---- */

uint64_t out64(struct reply r)
{
	return r.fault || hv_result_status(r.value) ? 0 : get64(test_page(OUT_PAGE));
}

struct reply call_id(uint16_t code, uint64_t id)
{
	return CALL(.code = code, .fast = true, .in = id);
}

uint64_t own_id(void)
{
	return out64(CALL(.code = HV_CALL_GET_PARTITION_ID, .out = test_page(OUT_PAGE)));
}

struct reply create_partition(uint64_t flags)
{
	struct hv_in_create_partition in = { .flags = flags };

	return CALL(.code = HV_CALL_CREATE_PARTITION, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

struct reply next_child(uint64_t parent, uint64_t previous)
{
	struct hv_in_get_next_child_partition in = { parent, previous };

	return CALL(.code = HV_CALL_GET_NEXT_CHILD_PARTITION, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

struct reply get_property(uint64_t id, uint32_t code)
{
	struct hv_in_get_partition_property in = { id, code, GARBAGE };   /* T5.6.5.h */

	return CALL(.code = HV_CALL_GET_PARTITION_PROPERTY, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

uint64_t property(uint64_t id, uint32_t code)
{
	return out64(get_property(id, code));
}

struct reply set_property(uint64_t id, uint32_t code, uint64_t value)
{
	struct hv_in_set_partition_property in = { id, code, GARBAGE, value };

	return CALL(.code = HV_CALL_SET_PARTITION_PROPERTY, .data = &in, .size = sizeof in);
}

struct reply deposit_list(uint64_t id, const uint64_t *pages, unsigned n)
{
	uint64_t in[1 + LIST_MAX] = { id };

	for (unsigned i = 0; i < n; i++)
		in[1 + i] = pages[i];
	return CALL(.code = HV_CALL_DEPOSIT_MEMORY, .reps = (uint16_t)n, .data = in, .size = 8 + 8 * n);
}

struct reply withdraw(uint64_t id, unsigned n)
{
	struct hv_in_pool in = { .partition_id = id };

	return CALL(.code = HV_CALL_WITHDRAW_MEMORY, .reps = (uint16_t)n, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

struct reply balance(uint64_t id, struct hv_out_get_memory_balance *out)
{
	struct hv_in_pool in = { .partition_id = id };
	struct reply r = CALL(.code = HV_CALL_GET_MEMORY_BALANCE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));

	get_bytes(test_page(OUT_PAGE), out, sizeof *out);
	return r;
}

struct reply map_pages(uint64_t id, uint64_t at, uint32_t flags, uint64_t from, unsigned n)
{
	struct {
		struct hv_in_map_gpa_pages fixed;
		uint64_t from[LIST_MAX - 2];
	} in = { { id, at, flags, GARBAGE } };
	unsigned step = flags & HV_MAP_GPA_LARGE_PAGE ? HV_GPA_LARGE_PAGES : 1;

	for (unsigned i = 0; i < n; i++)
		in.from[i] = from + i * step;
	return CALL(.code = HV_CALL_MAP_GPA_PAGES, .reps = (uint16_t)n, .data = &in, .size = sizeof in.fixed + 8 * n);
}

struct reply unmap_pages(uint64_t id, uint64_t at, unsigned n)
{
	struct hv_in_unmap_gpa_pages in = { id, at, 0, GARBAGE };

	return CALL(.code = HV_CALL_UNMAP_GPA_PAGES, .reps = (uint16_t)n, .data = &in, .size = sizeof in);
}

struct reply map_sparse(uint64_t id, uint32_t flags, const struct hv_gpa_mapping *list, unsigned n)
{
	struct {
		struct hv_in_sparse_gpa_pages fixed;
		struct hv_gpa_mapping list[255];
	} in = { { id, flags, 0 } };

	for (unsigned i = 0; i < n; i++)
		in.list[i] = list[i];
	return CALL(.code = HV_CALL_MAP_SPARSE_GPA_PAGES, .reps = (uint16_t)n, .data = &in,
		    .size = sizeof in.fixed + sizeof *list * n);
}

struct reply modify_pages(uint64_t id, uint32_t flags, uint64_t at, unsigned n)
{
	struct {
		struct hv_in_sparse_gpa_pages fixed;
		uint64_t at[LIST_MAX - 1];
	} in = { { id, flags, 0 } };

	for (unsigned i = 0; i < n; i++)
		in.at[i] = at + i;
	return CALL(.code = HV_CALL_MODIFY_SPARSE_GPA_PAGES, .reps = (uint16_t)n, .data = &in, .size = sizeof in.fixed + 8 * n);
}

struct got get_register(uint64_t id, uint32_t vp, uint32_t name)
{
	struct { struct hv_in_vp vp; uint32_t name; } in = { { .partition_id = id, .vp_index = vp }, name };
	struct got got = { .value = { 0 } };

	got.reply = CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = 1, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
	if (!got.reply.fault && hv_result_status(got.reply.value) == HV_STATUS_SUCCESS)
		get_bytes(test_page(OUT_PAGE), &got.value, sizeof got.value);
	return got;
}

struct reply set_register128(uint64_t id, uint32_t vp, uint32_t name, struct hv_register_value value)
{
	struct { struct hv_in_vp vp; struct hv_register_assoc list[1]; } in = {
		{ .partition_id = id, .vp_index = vp }, { { name, .value = value } } };

	return CALL(.code = HV_CALL_SET_VP_REGISTERS, .reps = 1, .data = &in, .size = sizeof in);
}

struct reply set_register(uint64_t id, uint32_t vp, uint32_t name, uint64_t value)
{
	return set_register128(id, vp, name, (struct hv_register_value){ value });
}

static struct reply note_stats(struct reply r, uint32_t type, struct hv_stats_identity of)
{
	if (!r.fault && !hv_result_status(r.value) && host.stats_mapped < sizeof host.stats / sizeof host.stats[0])
		host.stats[host.stats_mapped++] = (struct stats_object){ type, of };
	return r;
}

struct reply map_stats(uint32_t type, struct hv_stats_identity of)
{
	struct hv_in_stats_page in = { type, 0, of };

	return note_stats(CALL(.code = HV_CALL_MAP_STATS_PAGE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), type, of);
}

struct reply map_stats_at(uint32_t type, struct hv_stats_identity of, uint64_t at)
{
	struct hv_in_map_stats_page_2 in = { { type, (uint32_t)GARBAGE, of }, at };   /* T21.3.1.h */

	return note_stats(CALL(.code = HV_CALL_MAP_STATS_PAGE_2, .data = &in, .size = sizeof in), type, of);
}

struct reply unmap_stats(uint32_t type, struct hv_stats_identity of)
{
	struct hv_in_stats_page in = { type, (uint32_t)GARBAGE, of };

	return CALL(.code = HV_CALL_UNMAP_STATS_PAGE, .data = &in, .size = sizeof in);
}

/* ---- what rules want to be done ---- */

uint64_t fresh_pages(unsigned n)
{
	uint64_t first = host.next;

	host.next += n;
	check_that(host.next <= LAST_PAGE, "the rule wants more pages than there are");
	return first;
}

void deposit(uint64_t id, unsigned n)
{
	uint64_t page[LIST_MAX];
	unsigned part;

	for (; n; n -= part) {
		uint64_t first;

		part = n < LIST_MAX ? n : LIST_MAX;
		first = fresh_pages(part);
		for (unsigned i = 0; i < part; i++)
			page[i] = first + i;
		check_reps(deposit_list(id, page, part), HV_STATUS_SUCCESS, part);
	}
}

uint64_t give_pages(uint64_t id, uint64_t at, unsigned n)
{
	uint64_t first = fresh_pages(n);

	check_reps(map_pages(id, at, MAP_RWX, first, n), HV_STATUS_SUCCESS, n);
	return first;
}

uint64_t make_partition(void)
{
	struct reply r = create_partition(0);

	if (hv_result_status(r.value) == HV_STATUS_INSUFFICIENT_MEMORY) {
		deposit(HV_PARTITION_ID_SELF, 8);
		r = create_partition(0);
	}
	check_status(r, HV_STATUS_SUCCESS);
	return out64(r);
}

uint64_t make_active_partition(void)
{
	uint64_t id = make_partition();

	deposit(id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	return id;
}

void make_vp(uint64_t id, uint32_t index)
{
	struct hv_in_create_vp in = { .partition_id = id, .vp_index = index };
	struct reply r = CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in);

	if (hv_result_status(r.value) == HV_STATUS_INSUFFICIENT_MEMORY) {
		deposit(id, ACTIVE_PAGES);
		r = CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in);
	}
	check_status(r, HV_STATUS_SUCCESS);
}

void check_register(uint64_t id, uint32_t vp, uint32_t name, uint64_t want)
{
	struct got got = get_register(id, vp, name);

	check_status(got.reply, HV_STATUS_SUCCESS);
	check_value(got.value.low, want, "register 0x%x of VP %u", name, vp);
}

void check_property(uint64_t id, uint32_t code, uint64_t want)
{
	struct reply r = get_property(id, code);

	check_status(r, HV_STATUS_SUCCESS);
	check_value(out64(r), want, "property 0x%x", code);
}

void must_set_property(uint64_t id, uint32_t code, uint64_t value)
{
	check_status(set_property(id, code, value), HV_STATUS_SUCCESS);
}

void check_balance(uint64_t id, uint64_t available, uint64_t in_use)
{
	struct hv_out_get_memory_balance b;

	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_value(b.pages_available, available, "pages available");
	check_value(b.pages_in_use, in_use, "pages in use");
}

static void empty(uint64_t id)
{
	struct reply r;

	do
		r = withdraw(id, LIST_MAX);
	while (!r.fault && hv_result_status(r.value) == HV_STATUS_SUCCESS);
}

void host_clean(void)
{
	uint64_t child;

	/* A rule may have left VPs of children running: they end with their partition. */
	while ((child = out64(next_child(HV_PARTITION_ID_SELF, 0)))) {
		call_id(HV_CALL_FINALIZE_PARTITION, child);
		empty(child);
		if (hv_result_status(call_id(HV_CALL_DELETE_PARTITION, child).value))
			break;
	}
	/* Those of children are gone by now. */
	while (host.stats_mapped) {
		host.stats_mapped--;
		unmap_stats(host.stats[host.stats_mapped].type, host.stats[host.stats_mapped].of);
	}
	empty(HV_PARTITION_ID_SELF);
	host.next = FIRST_PAGE;
}
