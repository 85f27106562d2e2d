/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 7: pages that partitions deposit for those that they make, and withdraw. */
#include "child.h"

enum { SOME = 5, LIST_MAX = 511 };

static struct reply deposit_one(uint64_t id, uint64_t page) { return deposit_list(id, &page, 1); }

static struct reply withdraw_in(uint64_t id, uint32_t domain, uint32_t flags)
{
	struct hv_in_pool in = { id, { domain, flags } };

	return CALL(.code = HV_CALL_WITHDRAW_MEMORY, .reps = 1, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

static struct reply balance_in(uint64_t id, uint32_t domain, uint32_t flags)
{
	struct hv_in_pool in = { id, { domain, flags } };

	return CALL(.code = HV_CALL_GET_MEMORY_BALANCE, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

/* ---- 7.1, 7.2 ---- */

RULE_HOST(T7_1_1_a, "a partition has one pool, at first empty")
{
	uint64_t id = make_partition();

	check_balance(id, 0, 0);
	deposit(id, SOME);
	check_balance(id, SOME, 0);
}

RULE_HOST(T7_1_1_b, "what finds too little leaves the pool as it was")
{
	uint64_t id = make_partition();

	deposit(id, 1);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_INSUFFICIENT_MEMORY);
	check_balance(id, 1, 0);
}

RULE_HOST(T7_1_1_c, "the pool of the partition that a call names pays")
{
	struct hv_out_get_memory_balance own, before, after;
	uint64_t id = make_active_partition();
	struct hv_in_create_vp in = { .partition_id = id };

	deposit(id, ACTIVE_PAGES);
	check_status(balance(HV_PARTITION_ID_SELF, &own), HV_STATUS_SUCCESS);
	check_status(balance(id, &before), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_status(balance(id, &after), HV_STATUS_SUCCESS);
	check_that(after.pages_in_use > before.pages_in_use, "nothing more is in use");
	check_balance(HV_PARTITION_ID_SELF, own.pages_available, own.pages_in_use);
}

RULE_HOST(T7_1_1_d, "nobody has any right to a page in a pool")
{
	struct child c = make_child(OF_2009);
	uint64_t in[] = { 0, 9 };
	struct hv_message m;

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_ACCESS_MEMORY_POOL | HV_CREATE_PARTITIONS);
	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_CREATE_PARTITION, 0, &(struct hv_in_create_partition){ 0 }, sizeof(struct hv_in_create_partition)),
		    HV_STATUS_SUCCESS, "status of the child's call");
	in[0] = child_get64(&c, CHILD_CALL_OUT);
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_SUCCESS, "status of the child's deposit");
	/* mov al, [0x9000]; mov [0x9000], al; jmp 0x9000 */
	m = RUN_AS_IS(&c, 0xa0, BYTES_32(0x9000), 0xa2, BYTES_32(0x9000), 0xb8, BYTES_32(0x9000), 0xff, 0xe0);
	for (uint8_t access = HV_INTERCEPT_READ; access <= HV_INTERCEPT_EXECUTE; access++) {
		check_type(&m, HV_MESSAGE_GPA_INTERCEPT);
		check_value(header(&m)->access, access, "access");
		check_value(MESSAGE_AS(hv_memory_message, &m)->gpa, 0x9000, "GPA");
		if (access != HV_INTERCEPT_EXECUTE) {
			child_set(&c, HV_REGISTER_RIP, CHILD_CODE + 5 * (access + 1u));
			m = go_on(&c);
		}
	}
	child_protected(&c);
	in[1] = 0;
	check_value(child_calls(&c, HV_CALL_WITHDRAW_MEMORY, 1, in, sizeof in), HV_STATUS_SUCCESS, "status of the child's withdrawal");
	child_deletes(&c, in[0]);
}

RULE_HOST(T7_1_1_e, "the parent feeds, the fed one does not")
{
	struct child c = make_child(OF_2009);
	uint64_t in[] = { HV_PARTITION_ID_SELF, 9 };

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_ACCESS_MEMORY_POOL);
	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's deposit");
	in[0] = own_id();
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of its deposit for its parent");
	in[0] = c.id;
	in[1] = 0;
	check_value(child_calls(&c, HV_CALL_WITHDRAW_MEMORY, 1, in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of its withdrawal");
}

RULE_HOST(T7_1_1_f, "only pages that the parent has can be deposited")
{
	check_status(deposit_one(make_partition(), NO_MEMORY / 0x1000), HV_STATUS_OPERATION_DENIED);
	check_status(deposit_one(make_partition(), BEYOND_GPA_SPACE / 0x1000), HV_STATUS_OPERATION_DENIED);
	check_status(deposit_one(make_partition(), UINT64_MAX), HV_STATUS_OPERATION_DENIED);
}

RULE_HOST(T7_1_1_g, "a page is in the pool for which it was deposited, and stays there")
{
	uint64_t one = make_partition(), other = make_partition();

	deposit(one, SOME);
	check_balance(other, 0, 0);
	check_status(withdraw(other, 1), HV_STATUS_NO_RESOURCES);
	check_balance(one, SOME, 0);
}

RULE_HOST(T7_2_1_a, "a domain that is not valid is not looked at")
{
	uint64_t id = make_partition();

	deposit(id, 1);
	check_status(balance_in(id, 77, HV_PROXIMITY_PREFERRED | 1 << 5), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), 1, "pages available");
	check_status(withdraw_in(id, 77, HV_PROXIMITY_PREFERRED), HV_STATUS_SUCCESS);
}

RULE_HOST(T7_2_1_b, "a domain that is preferred is no must: the pages are from where they are")
{
	uint64_t id = make_partition();

	deposit(id, 2);
	check_status(balance_in(id, UINT32_MAX, HV_PROXIMITY_VALID | HV_PROXIMITY_PREFERRED), HV_STATUS_SUCCESS);
	check_reps(withdraw_in(id, UINT32_MAX, HV_PROXIMITY_VALID | HV_PROXIMITY_PREFERRED), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw_in(id, 0, HV_PROXIMITY_VALID | HV_PROXIMITY_PREFERRED), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T7_2_1_c, "a domain that is required is a must: pages of another are not taken")
{
	uint64_t id = make_partition();

	deposit(id, 2);
	check_that(hv_result_reps(withdraw_in(id, 1, HV_PROXIMITY_VALID).value) == 0, "a page of another domain");
	check_balance(id, 2, 0);
	check_reps(withdraw_in(id, 0, HV_PROXIMITY_VALID), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T7_2_1_d, "a number that is no domain's is refused")
{
	uint64_t id = make_partition();

	deposit(id, 1);
	check_status(balance_in(id, 77, HV_PROXIMITY_VALID), HV_STATUS_INVALID_PARAMETER);
	check_status(withdraw_in(id, 77, HV_PROXIMITY_VALID), HV_STATUS_INVALID_PARAMETER);
	check_balance(id, 1, 0);
}

/* ---- 7.3.1 HvDepositMemory ---- */

RULE_HOST(T7_3_1_a, "each page makes the pool one larger")
{
	uint64_t id = make_partition();

	for (unsigned i = 0; i < SOME; i++) {
		check_balance(id, i, 0);
		check_reps(deposit_one(id, fresh_pages(1)), HV_STATUS_SUCCESS, 1);
	}
	check_balance(id, SOME, 0);
}

RULE_HOST(T7_3_1_b, "a page without all rights is refused")
{
	static const uint32_t rights[] = { HV_MAP_GPA_READABLE, HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE, 0 };
	uint64_t id = make_partition(), page = fresh_pages(1);

	for (unsigned i = 0; i < sizeof rights / sizeof rights[0]; i++) {
		check_reps(map_pages(own_id(), page, rights[i], page, 1), HV_STATUS_SUCCESS, 1);
		check_status(deposit_one(id, page), HV_STATUS_OPERATION_DENIED);
	}
	check_reps(map_pages(own_id(), page, MAP_RWX, page, 1), HV_STATUS_SUCCESS, 1);
	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T7_3_1_c, "a page that another partition can reach is refused")
{
	uint64_t id = make_active_partition(), page = give_pages(id, 0, 1);

	check_status(deposit_one(id, page), HV_STATUS_OPERATION_DENIED);
	check_reps(modify_pages(id, 0, 0, 1), HV_STATUS_SUCCESS, 1);
	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T7_3_1_d, "its mapping cannot be changed while it is in a pool")
{
	uint64_t id = make_active_partition(), page = fresh_pages(1);

	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
	check_status(map_pages(own_id(), page, MAP_RWX, page, 1), HV_STATUS_ACCESS_DENIED);
	check_status(map_pages(id, 0, MAP_RWX, page, 1), HV_STATUS_OPERATION_DENIED);
}

RULE_HOST(T7_3_1_e, "a page is in one pool")
{
	uint64_t id = make_partition(), page = fresh_pages(1);

	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
	check_status(deposit_one(id, page), HV_STATUS_OPERATION_DENIED);
	check_status(deposit_one(make_partition(), page), HV_STATUS_OPERATION_DENIED);
	check_balance(id, 1, 0);
}

RULE_HOST(T7_3_1_g, "an uninitialized partition can be fed, a finalized one not")
{
	uint64_t id = make_active_partition();

	check_reps(deposit_one(make_partition(), fresh_pages(1)), HV_STATUS_SUCCESS, 1);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(deposit_one(id, fresh_pages(1)), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T7_3_1_h, "the same page twice in a list is deposited once")
{
	uint64_t id = make_partition(), first = fresh_pages(2), list[] = { first, first + 1, first };

	check_reps(deposit_list(id, list, 3), HV_STATUS_OPERATION_DENIED, 2);
	check_balance(id, 2, 0);
}

RULE_HOST(T7_3_1_i, "who may not use memory pools deposits nothing, nor does who has a parent for itself")
{
	struct child c = make_child(OF_2009);
	uint64_t in[] = { 0, 9 };

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_CREATE_PARTITIONS);
	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_CREATE_PARTITION, 0, &(struct hv_in_create_partition){ 0 }, sizeof(struct hv_in_create_partition)),
		    HV_STATUS_SUCCESS, "status of the child's call");
	in[0] = child_get64(&c, CHILD_CALL_OUT);
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, in, sizeof in), HV_STATUS_ACCESS_DENIED, "status without the privilege");
	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_ACCESS_MEMORY_POOL | HV_CREATE_PARTITIONS);
	check_value(child_calls(&c, HV_CALL_DEPOSIT_MEMORY, 1, (const uint64_t []){ c.id, 9 }, sizeof in), HV_STATUS_ACCESS_DENIED,
		    "status of its deposit for itself");
	child_deletes(&c, in[0]);
}

RULE_HOST(T7_3_1_j, "who has no parent feeds himself")
{
	deposit(HV_PARTITION_ID_SELF, SOME);
	check_balance(own_id(), SOME, 0);
}

RULE_HOST(T7_3_1_k, "a page of input holds 511 pages")
{
	uint64_t id = make_partition();

	deposit(id, LIST_MAX);
	check_balance(id, LIST_MAX, 0);
	check_status(CALL(.code = HV_CALL_DEPOSIT_MEMORY, .reps = LIST_MAX + 1, .in = test_page(0)), HV_STATUS_INVALID_ALIGNMENT);
}

/* ---- 7.3.2 HvWithdrawMemory ---- */

RULE_HOST(T7_3_2_a, "what is in use cannot be withdrawn")
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance b;

	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_reps(withdraw(id, LIST_MAX), HV_STATUS_NO_RESOURCES, (unsigned)b.pages_available);
	check_balance(id, 0, b.pages_in_use);
}

RULE_HOST(T7_3_2_b, "a page that is withdrawn is empty")
{
	uint64_t id = make_partition(), page = fresh_pages(1);

	put64(page * 0x1000, 0x1111);
	put64(page * 0x1000 + 0xff8, 0x2222);
	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw(id, 1), HV_STATUS_SUCCESS, 1);
	check_value(get64(page * 0x1000), 0, "its start");
	check_value(get64(page * 0x1000 + 0xff8), 0, "its end");
}

RULE_HOST(T7_3_2_c, "each page comes back where it was")
{
	uint64_t id = make_partition(), first = fresh_pages(SOME), seen = 0;

	for (unsigned i = 0; i < SOME; i++)
		check_reps(deposit_one(id, first + i), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw(id, SOME), HV_STATUS_SUCCESS, SOME);
	for (unsigned i = 0; i < SOME; i++) {
		uint64_t page = get64(test_page(OUT_PAGE) + i * 8);

		check_that(page - first < SOME, "page 0x%llx was not deposited", (unsigned long long)page);
		seen |= page - first < SOME ? 1ull << (page - first) : 0;
	}
	check_value(seen, (1u << SOME) - 1, "pages that came back");
}

RULE_HOST(T7_3_2_d, "its depositor has it with all rights")
{
	uint64_t id = make_partition(), page = fresh_pages(1);

	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw(id, 1), HV_STATUS_SUCCESS, 1);
	put64(page * 0x1000, 0x1111);
	check_value(get64(page * 0x1000), 0x1111, "what was written");
	/* T7.3.1.b */
	check_reps(deposit_one(id, page), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T7_3_2_e, "all pages of an uninitialized or finalized partition can be withdrawn")
{
	uint64_t id = make_partition();

	deposit(id, SOME);
	check_reps(withdraw(id, SOME), HV_STATUS_SUCCESS, SOME);
	check_balance(id, 0, 0);
	id = make_active_partition();
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_reps(withdraw(id, ACTIVE_PAGES), HV_STATUS_SUCCESS, ACTIVE_PAGES);
	check_balance(id, 0, 0);
}

RULE_HOST(T7_3_2_f, "pages that the balance has shown may be gone: an active partition has used them meanwhile")
{
	uint64_t id = make_active_partition();
	struct hv_in_create_vp in = { .partition_id = id };
	struct hv_out_get_memory_balance before, after;

	deposit(id, 2 * ACTIVE_PAGES);
	check_status(balance(id, &before), HV_STATUS_SUCCESS);
	check_status(CALL(.code = HV_CALL_CREATE_VP, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_status(balance(id, &after), HV_STATUS_SUCCESS);
	check_that(after.pages_available < before.pages_available, "a VP costs nothing");
	check_reps(withdraw(id, (unsigned)before.pages_available), HV_STATUS_NO_RESOURCES, (unsigned)after.pages_available);
}

RULE_HOST(T7_3_2_g, "a pool that runs dry ends the call; what came before is in the list")
{
	uint64_t id = make_partition(), first = fresh_pages(SOME);

	for (unsigned i = 0; i < SOME; i++)
		check_reps(deposit_one(id, first + i), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw(id, SOME + 3), HV_STATUS_NO_RESOURCES, SOME);
	for (unsigned i = 0; i < SOME; i++)
		check_that(get64(test_page(OUT_PAGE) + i * 8) - first < SOME, "page %u of the list is none that was deposited", i);
	check_balance(id, 0, 0);
}

RULE_HOST(T7_3_2_i, "the domain that is required has no page any more")
{
	uint64_t id = make_partition();

	check_reps(withdraw_in(id, 0, HV_PROXIMITY_VALID), HV_STATUS_NO_RESOURCES, 0);
	deposit(id, 1);
	check_reps(withdraw_in(id, 0, HV_PROXIMITY_VALID), HV_STATUS_SUCCESS, 1);
	check_reps(withdraw_in(id, 0, HV_PROXIMITY_VALID), HV_STATUS_NO_RESOURCES, 0);
}

RULE_HOST(T7_3_2_h, "who has no parent withdraws from his own pool")
{
	deposit(HV_PARTITION_ID_SELF, SOME);
	check_reps(withdraw(own_id(), SOME), HV_STATUS_SUCCESS, SOME);
	check_balance(HV_PARTITION_ID_SELF, 0, 0);
}

/* ---- 7.3.3 HvGetMemoryBalance ---- */

RULE_HOST(T7_3_3_a, "a new partition has nothing") { check_balance(make_partition(), 0, 0); }

RULE_HOST(T7_3_3_b, "what is available and in use is what was deposited and not withdrawn")
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance b;

	deposit(id, SOME);
	check_reps(withdraw(id, 2), HV_STATUS_SUCCESS, 2);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_value(b.pages_available + b.pages_in_use, ACTIVE_PAGES + SOME - 2, "pages in all");
}

RULE_HOST(T7_3_3_c, "all memory is in domain 0")
{
	uint64_t id = make_partition();

	deposit(id, SOME);
	check_status(balance_in(id, 0, HV_PROXIMITY_VALID), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), SOME, "pages available");
}

RULE_HOST(T7_3_3_d, "the balance is told in every state")
{
	uint64_t id = make_partition();
	struct hv_out_get_memory_balance b;

	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	deposit(id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_balance(id, ACTIVE_PAGES, 0);
}

RULE_HOST(T7_3_3_e, "to the parent only")
{
	struct child c = make_child(OF_2009);
	struct hv_in_pool in = { .partition_id = c.id };

	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_GET_MEMORY_BALANCE, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's call");
	in.partition_id = own_id();
	check_value(child_calls(&c, HV_CALL_GET_MEMORY_BALANCE, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of its call about its parent");
}
