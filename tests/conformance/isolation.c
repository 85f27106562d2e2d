/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A partition that tries everything: each call of the table about each partition that is not its child, pages that it was
 * not given, what others have mapped above theirs.  It may do all that its parent may.
 */
#include "child.h"
#include "hv/msr.h"

/* Those that act on no partition, or on the caller alone. */
static bool names_a_partition(const struct call_row *row)
{
	static const uint16_t none[] = {
		HV_CALL_CREATE_PARTITION, HV_CALL_GET_PARTITION_ID, HV_CALL_POST_MESSAGE, HV_CALL_SIGNAL_EVENT, HV_CALL_POST_DEBUG_DATA,
		HV_CALL_RETRIEVE_DEBUG_DATA, HV_CALL_RESET_DEBUG_SESSION, HV_CALL_NOTIFY_PORT_RING_EMPTY,
	};

	/* Below it, and what is the root's, are the caller's own processors and machine. */
	if (row->code < HV_CALL_CREATE_PARTITION || row->code >= HV_CALL_QUERY_CAPABILITIES || row->privilege & HV_CPU_MANAGEMENT ||
	    row->code == HV_CALL_GET_SYSTEM_PROPERTY)
		return false;
	for (unsigned i = 0; i < sizeof none / sizeof none[0]; i++)
		if (row->code == none[i])
			return false;
	return true;
}

struct target {
	uint64_t id;
	uint16_t status;
	const char *who;
};

enum { TARGETS = 6 };

/* A child with its parent's privileges, and whom it must not reach. */
static struct child make_prisoner(struct target all[TARGETS])
{
	struct child c = make_child(OF_2009);
	uint64_t gone = make_partition();

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS,
			  property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS) & ~(HV_CPU_MANAGEMENT | HV_DEBUGGING));
	child_may_call(&c);
	check_status(call_id(HV_CALL_DELETE_PARTITION, gone), HV_STATUS_SUCCESS);
	all[0] = (struct target){ own_id(), HV_STATUS_ACCESS_DENIED, "its parent" };
	all[1] = (struct target){ make_active_partition(), HV_STATUS_ACCESS_DENIED, "its parent's other child" };
	all[2] = (struct target){ gone, HV_STATUS_INVALID_PARTITION_ID, "one that has been deleted" };
	all[3] = (struct target){ all[1].id + 1000, HV_STATUS_INVALID_PARTITION_ID, "one that has not been made yet" };
	all[4] = (struct target){ 0, HV_STATUS_INVALID_PARTITION_ID, "0" };
	all[5] = (struct target){ UINT64_MAX - 1, HV_STATUS_INVALID_PARTITION_ID, "the last id but one" };
	return c;
}

static void check_call(const struct child *c, const struct call_row *row, const void *in, const struct target *t)
{
	uint16_t got = child_calls(c, row->code, row->flags & CALL_ROW_REP ? 1 : 0, in, row->in + row->in_elem);

	check_that(got == t->status, "%s about %s: %s, want %s", row->name, t->who, status_name(got), status_name(t->status));
}

RULE_HOST(T0_c, "no call reaches a partition that is not the caller's child, not even a word whether it stands in the right state")
{
	struct target all[TARGETS];
	struct child c = make_prisoner(all);

	FOR_EACH_CALL(row) {
		uint64_t in[36] = { 0 };

		if (!names_a_partition(row))
			continue;
		for (unsigned i = 0; i < TARGETS; i++) {
			in[0] = all[i].id;
			if (row->code == HV_CALL_MAP_STATS_PAGE || row->code == HV_CALL_UNMAP_STATS_PAGE || row->code == HV_CALL_MAP_STATS_PAGE_2) {
				in[0] = HV_STATS_VP;
				in[1] = all[i].id;
			}
			check_call(&c, row, in, &all[i]);
		}
	}
	/* Its parent is what it was. */
	check_value(property(HV_PARTITION_ID_SELF, HV_PROPERTY_PRIVILEGE_FLAGS) & HV_CREATE_PARTITIONS, HV_CREATE_PARTITIONS, "the parent's privileges");
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, all[1].id), HV_STATUS_SUCCESS);
}

/* Of the parent's memory around the child's: nobody writes to it. */
enum { AROUND = 4 };

RULE_HOST(T8_1_1_g, "what a partition was not given it does not reach, at no address and by no access")
{
	/* Just behind what it has, in the middle, below and above its APIC, at the end of 32 bits. */
	static const uint32_t outside[] = { CHILD_NOTHING, CHILD_NOTHING + 0x1000, 0x100000, 0x3010000, 0x4000000, 0x7fffffff, 0xfec00000, 0xfedfffff,
					    0xfee01000, 0xffffe000 };
	struct child c = make_child(EXO);
	uint64_t before = fresh_pages(AROUND);

	for (unsigned n = 0; n < AROUND; n++)
		put64(before * 0x1000 + n * 0x1000, 0x5555);
	child_protected(&c);
	for (unsigned i = 0; i < sizeof outside / sizeof outside[0]; i++) {
		/* mov eax, [at]; mov [at], eax; jmp at */
		const uint8_t read[] = { 0xa1, BYTES_32(outside[i]) }, write[] = { 0xa3, BYTES_32(outside[i]) },
			      jump[] = { 0xb8, BYTES_32(outside[i]), 0xff, 0xe0 };
		const struct { const uint8_t *code; unsigned n, access; } way[] = {
			{ read, sizeof read, HV_INTERCEPT_READ }, { write, sizeof write, HV_INTERCEPT_WRITE }, { jump, sizeof jump, HV_INTERCEPT_EXECUTE },
		};

		for (unsigned w = 0; w < 3; w++) {
			struct hv_message m;

			child_protected(&c);
			m = run_code_as_is(&c, way[w].code, way[w].n);
			check_type(&m, HV_MESSAGE_UNMAPPED_GPA);
			check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, outside[i], "address of access %u", w);
			check_value(header(&m)->access, way[w].access, "access to 0x%x", outside[i]);
		}
	}
	for (unsigned n = 0; n < AROUND; n++)
		check_value(get64(before * 0x1000 + n * 0x1000), 0x5555, "page %u of the parent", n);
}

RULE_HOST(T8_1_1_e, "what others place above their pages is not seen in a partition's own")
{
	struct child c = make_child(EXO), other = make_child(EXO);
	const uint32_t at = 0x8000;
	const uint64_t mine = 0x6d696e65;

	/* The same address everywhere; the sibling and the parent have statistics and messages there. */
	child_put(&c, at, &mine, sizeof mine);
	check_status(set_register(other.id, 0, HV_REGISTER_STATS_PARTITION_RETAIL + 2, at | HV_MSR_PAGE_ENABLE), HV_STATUS_SUCCESS);
	check_status(set_register(other.id, 0, HV_REGISTER_SIMP, at | HV_MSR_PAGE_ENABLE), HV_STATUS_SUCCESS);
	deposit(HV_PARTITION_ID_SELF, 1);
	check_status(map_stats_at(HV_STATS_VP, (struct hv_stats_identity){ .partition_id = c.id }, at >> 12), HV_STATUS_SUCCESS);
	/* mov ax, [0x8000]; out 0x80, ax: as the child sees it */
	RUN_CODE(&c, 0xa1, at & 0xff, at >> 8, 0xe7, 0x80);
	check_value(child_register(&c, HV_REGISTER_RAX) & 0xffff, mine & 0xffff, "what the child reads");
	check_value(child_get64(&c, at), mine, "its page");
}

RULE_HOST(T7_1_1_d, "a page that the child's pool has is neither the child's nor its parent's")
{
	struct child c = make_child(EXO);
	uint64_t page = fresh_pages(1);

	put64(page * 0x1000, 0x7777);
	check_reps(deposit_list(c.id, &page, 1), HV_STATUS_SUCCESS, 1);
	/* Not as a parameter, not as something to map, not for another pool. */
	check_faulted(CALL(.code = HV_CALL_GET_PARTITION_ID, .out = page * 0x1000), VECTOR_GP);
	check_that(hv_result_status(map_pages(c.id, 0x100, MAP_RWX, page, 1).value) != HV_STATUS_SUCCESS, "it can be mapped");
	check_that(hv_result_status(deposit_list(HV_PARTITION_ID_SELF, &page, 1).value) != HV_STATUS_SUCCESS, "it can be deposited again");
	withdraw(c.id, 500);
	check_value(get64(page * 0x1000), 0, "what it has when it comes back");
}
