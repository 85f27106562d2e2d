/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 5: partitions that a partition makes, and their lives.  Their pools are in pools.c. */
#include "child.h"

enum { SOME = 5 };

static struct reply initialize(uint64_t id) { return call_id(HV_CALL_INITIALIZE_PARTITION, id); }
static struct reply finalize(uint64_t id) { return call_id(HV_CALL_FINALIZE_PARTITION, id); }
static struct reply delete(uint64_t id) { return call_id(HV_CALL_DELETE_PARTITION, id); }

static void must_empty(uint64_t id)
{
	while (hv_result_status(withdraw(id, 511).value) == HV_STATUS_SUCCESS)
		;
	check_balance(id, 0, 0);
}

static uint64_t make_finalized_partition(void)
{
	uint64_t id = make_active_partition();

	check_status(finalize(id), HV_STATUS_SUCCESS);
	return id;
}

static void must_end(uint64_t id)
{
	must_empty(id);
	check_status(delete(id), HV_STATUS_SUCCESS);
}

/* Calls that want an active partition. */
static void check_inactive(uint64_t id)
{
	struct hv_in_create_vp vp = { .partition_id = id };

	check_status(CALL(.code = HV_CALL_CREATE_VP, .data = &vp, .size = sizeof vp), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(map_pages(id, 0, MAP_RWX, fresh_pages(1), 1), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(unmap_pages(id, 0, 1), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(get_register(id, 0, HV_REGISTER_RIP).reply, HV_STATUS_INVALID_PARTITION_STATE);
}

/* Of an active partition in which something is: VP 0, and a page. */
static uint64_t make_furnished_partition(void)
{
	uint64_t id = make_active_partition();

	make_vp(id, 0);
	give_pages(id, 0, 1);
	return id;
}

/* Nothing but what the call itself checks first differs. */
static void check_ids(uint16_t code)
{
	uint64_t id = make_partition();

	check_status(call_id(code, HV_PARTITION_ID_INVALID), HV_STATUS_INVALID_PARTITION_ID);
	check_status(call_id(code, id + 1000), HV_STATUS_INVALID_PARTITION_ID);
	check_status(delete(id), HV_STATUS_SUCCESS);
	check_status(call_id(code, id), HV_STATUS_INVALID_PARTITION_ID);
	check_status(call_id(code, own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(call_id(code, HV_PARTITION_ID_SELF), HV_STATUS_ACCESS_DENIED);
}

/* It may have children. */
static struct child parent_child(void)
{
	struct child c = make_child(OF_2009);

	must_set_property(c.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_ACCESS_HYPERCALL | HV_CREATE_PARTITIONS);
	child_may_call(&c);
	return c;
}

static uint64_t make_grandchild(const struct child *c)
{
	const struct hv_in_create_partition in = { .flags = 0 };

	check_value(child_calls(c, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_SUCCESS, "status of the child's call");
	return child_get64(c, CHILD_CALL_OUT);
}

/* ---- 5.2.1, 5.2.5 ---- */

RULE_HOST(T5_2_1_a, "no partition has id 0")
{
	check_that(own_id() && make_partition(), "an id is 0");
}

RULE_HOST(T5_2_1_b, "an id is given once")
{
	uint64_t before = own_id();

	for (unsigned i = 0; i < SOME; i++) {
		uint64_t id = make_partition();

		check_that(id > before, "id 0x%llx behind 0x%llx", (unsigned long long)id, (unsigned long long)before);
		before = id;
		check_status(delete(id), HV_STATUS_SUCCESS);
	}
}

RULE_HOST_QTEST(T5_2_1_c, "a restart forgets all ids: who gets one again is another partition")
{
	struct hv_out_get_memory_balance b;
	uint64_t id, own;

	restart_with("");
	id = make_active_partition();
	own = own_id();
	restart_with("");
	check_value(own_id(), own, "the caller's id");
	check_status(balance(id, &b), HV_STATUS_INVALID_PARTITION_ID);
	check_value(make_partition(), id, "the first child's id");
	check_balance(id, 0, 0);
}

RULE_HOST(T5_2_5_a, "from uninitialized to active, finalized, deleted, and never back")
{
	uint64_t id = make_active_partition();

	check_status(initialize(id), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(delete(id), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(finalize(id), HV_STATUS_SUCCESS);
	check_status(initialize(id), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(finalize(id), HV_STATUS_INVALID_PARTITION_STATE);
	must_end(id);
	check_status(initialize(id), HV_STATUS_INVALID_PARTITION_ID);
	id = make_partition();
	check_status(finalize(id), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(delete(id), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_2_5_c, "an uninitialized partition has no VPs and no memory, and calls leave it so")
{
	uint64_t id = make_partition();

	check_inactive(id);
	deposit(id, ACTIVE_PAGES);
	check_status(initialize(id), HV_STATUS_SUCCESS);
	check_status(get_register(id, 0, HV_REGISTER_RIP).reply, HV_STATUS_INVALID_VP_INDEX);
}

RULE_HOST(T5_2_5_d, "an active partition cannot be deleted")
{
	check_status(delete(make_active_partition()), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_2_5_e, "an active or finalized partition cannot be initialized")
{
	check_status(initialize(make_active_partition()), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(initialize(make_finalized_partition()), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_2_5_g, "of a finalized partition there are its pool and its children, and it can be deleted")
{
	uint64_t id = make_finalized_partition();
	struct hv_out_get_memory_balance b;
	uint64_t page = fresh_pages(1);

	check_inactive(id);
	check_status(deposit_list(id, &page, 1), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_status(next_child(id, 0), HV_STATUS_SUCCESS);
	must_end(id);
}

RULE_HOST(T5_2_5_h, "who has no parent is active and stays so")
{
	check_status(initialize(own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(finalize(own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(delete(own_id()), HV_STATUS_ACCESS_DENIED);
}

/* ---- 5.3, 5.4, 5.5 ---- */

RULE_HOST(T5_3_a, "created, fed, initialized, a partition gets VPs and memory")
{
	uint64_t id = make_partition();

	deposit(id, ACTIVE_PAGES);
	check_status(initialize(id), HV_STATUS_SUCCESS);
	make_vp(id, 0);
	give_pages(id, 0, 1);
	check_register(id, 0, HV_REGISTER_RIP, 0xfff0);
}

RULE_HOST(T5_3_b, "its id is good for every later step")
{
	uint64_t id = make_furnished_partition();

	check_status(finalize(id), HV_STATUS_SUCCESS);
	must_end(id);
}

RULE_HOST(T5_4_1_a, "what is finalized stays so")
{
	uint64_t id = make_finalized_partition();

	check_status(initialize(id), HV_STATUS_INVALID_PARTITION_STATE);
	check_inactive(id);
}

RULE_HOST(T5_4_1_b, "finalization frees VPs and mappings: the pool has all its pages again, and those that were given are free")
{
	uint64_t id = make_active_partition(), page;
	struct hv_out_get_memory_balance b;

	make_vp(id, 0);
	page = give_pages(id, 0, 1);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_that(b.pages_in_use > 0, "nothing is in use");
	check_status(finalize(id), HV_STATUS_SUCCESS);
	check_balance(id, b.pages_available + b.pages_in_use, 0);
	/* Nobody else reaches it. */
	check_reps(deposit_list(HV_PARTITION_ID_SELF, &page, 1), HV_STATUS_SUCCESS, 1);
}

RULE_HOST(T5_4_1_c, "until it is deleted")
{
	uint64_t id = make_finalized_partition();

	for (unsigned i = 0; i < SOME; i++)
		check_status(finalize(id), HV_STATUS_INVALID_PARTITION_STATE);
	must_end(id);
}

RULE_HOST(T5_4_1_d, "no VP is left, nor runs one")
{
	struct child c = make_child(OF_2009);
	/* l: inc dword [CHILD_DATA]; jmp l */
	static const uint8_t code[] = { 0xff, 0x05, BYTES_32(CHILD_DATA), 0xeb, 0xf8 };
	uint64_t stands;

	child_put(&c, CHILD_CODE, code, sizeof code);
	child_protected(&c);
	child_go(&c, 0);
	for (unsigned i = 0; i < 100 && !child_get64(&c, CHILD_DATA); i++)
		child_wait();
	check_that(child_get64(&c, CHILD_DATA), "the child does not run");
	check_status(finalize(c.id), HV_STATUS_SUCCESS);
	stands = child_get64(&c, CHILD_DATA);
	check_silence();
	check_value(child_get64(&c, CHILD_DATA), stands, "what it has done");
}

RULE_HOST(T5_4_1_f, "calls that name it fail, but for those about its pool, its children and its end")
{
	check_inactive(make_finalized_partition());
}

RULE_HOST(T5_4_2_a, "its pool has to be empty before it is deleted")
{
	uint64_t id = make_finalized_partition();

	for (unsigned i = 0; i < ACTIVE_PAGES; i++) {
		check_status(delete(id), HV_STATUS_OPERATION_DENIED);
		check_reps(withdraw(id, 1), HV_STATUS_SUCCESS, 1);
	}
	check_status(delete(id), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_4_2_b, "a partition with children is not finalized, so that none of theirs is left: then all of its own is free")
{
	struct child c = parent_child();
	uint64_t id = make_grandchild(&c);
	struct hv_out_get_memory_balance b;

	check_status(finalize(c.id), HV_STATUS_OPERATION_DENIED);
	child_deletes(&c, id);
	check_status(balance(c.id, &b), HV_STATUS_SUCCESS);
	check_status(finalize(c.id), HV_STATUS_SUCCESS);
	check_balance(c.id, b.pages_available + b.pages_in_use, 0);
	must_end(c.id);
}

RULE_HOST(T5_4_3_a, "finalized and emptied, a partition can be deleted, and all pages have come back")
{
	uint64_t id = make_active_partition();
	struct reply r;

	check_status(finalize(id), HV_STATUS_SUCCESS);
	check_status(delete(id), HV_STATUS_OPERATION_DENIED);
	r = withdraw(id, 511);
	check_reps(r, HV_STATUS_NO_RESOURCES, ACTIVE_PAGES);
	check_status(delete(id), HV_STATUS_SUCCESS);
	check_status(delete(id), HV_STATUS_INVALID_PARTITION_ID);
	check_balance(HV_PARTITION_ID_SELF, 8, 0);
}

static void check_children_in_order(void)
{
	uint64_t id[SOME], previous = 0;

	for (unsigned i = 0; i < SOME; i++)
		id[i] = make_partition();
	for (unsigned i = 0; i < SOME; i++)
		check_value(previous = out64(next_child(own_id(), previous)), id[i], "child %u", i);
	check_status(next_child(own_id(), previous), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), 0, "what follows the last");
}

RULE_HOST(T5_5_a, "children are enumerated oldest first") { check_children_in_order(); }

/* ---- 5.6.1 HvCreatePartition ---- */

RULE_HOST(T5_6_1_a, "a new partition is a child of the caller, uninitialized, with an id of its own")
{
	uint64_t id = make_partition();

	check_that(id && id != own_id(), "the id is 0x%llx", (unsigned long long)id);
	check_value(out64(next_child(own_id(), 0)), id, "first child");
	check_inactive(id);
}

RULE_HOST(T5_6_1_b, "a new partition's pool is empty")
{
	check_balance(make_partition(), 0, 0);
}

RULE_HOST(T5_6_1_c, "the caller's pool pays for it")
{
	struct hv_out_get_memory_balance before, after;

	deposit(HV_PARTITION_ID_SELF, 8);
	check_status(balance(HV_PARTITION_ID_SELF, &before), HV_STATUS_SUCCESS);
	make_partition();
	check_status(balance(HV_PARTITION_ID_SELF, &after), HV_STATUS_SUCCESS);
	check_that(after.pages_in_use > before.pages_in_use, "nothing more is in use");
	check_value(after.pages_available + after.pages_in_use, before.pages_available + before.pages_in_use, "pages in all");
}

/* Those of later revisions are known. */
RULE_HOST(T5_6_1_e, "unknown flags are refused")
{
	deposit(HV_PARTITION_ID_SELF, 8);
	for (unsigned bit = 32; bit < 64; bit++)
		check_status(create_partition(1ull << bit), HV_STATUS_INVALID_PARAMETER);
	check_value(out64(next_child(own_id(), 0)), 0, "children");
}

static struct reply create_in(uint32_t domain, uint32_t flags)
{
	struct hv_in_create_partition in = { .domain = { domain, flags } };

	return CALL(.code = HV_CALL_CREATE_PARTITION, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE));
}

RULE_HOST(T5_6_1_f, "a proximity domain that there is not is refused, and so are unknown flags of it")
{
	deposit(HV_PARTITION_ID_SELF, 8);
	check_status(create_in(1, HV_PROXIMITY_VALID), HV_STATUS_INVALID_PARAMETER);
	check_status(create_in(0, HV_PROXIMITY_VALID | 1 << 1), HV_STATUS_INVALID_PARAMETER);
	check_status(create_in(0, HV_PROXIMITY_VALID), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_6_1_g, "a child makes a child")
{
	struct child c = parent_child();
	uint64_t id = make_grandchild(&c);

	check_value(out64(next_child(c.id, 0)), id, "the child's child");
	check_value(out64(next_child(own_id(), c.id)), 0, "another child");
	child_deletes(&c, id);
}

RULE_HOST(T5_6_1_d, "who may not create partitions has none")
{
	const struct hv_in_create_partition in = { .flags = 0 };
	struct child c = make_child(OF_2009);

	child_may_call(&c);
	check_value(child_calls(&c, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's call");
	check_status(next_child(c.id, 0), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), 0, "the child's child");
}

RULE_HOST(T5_6_1_i, "memory of a domain that is required and not there is not taken from another")
{
	deposit(HV_PARTITION_ID_SELF, 8);
	check_that(hv_result_status(create_in(1, HV_PROXIMITY_VALID).value), "a partition is made of another domain's pages");
	check_value(out64(next_child(own_id(), 0)), 0, "children");
	check_balance(HV_PARTITION_ID_SELF, 8, 0);
	check_status(create_in(0, HV_PROXIMITY_VALID), HV_STATUS_SUCCESS);
}

RULE_HOST_QTEST(T5_6_1_j, "there may be so many partitions and no more, until one goes")
{
	enum { AT_LEAST = 1000, AT_MOST = 100000, LIST = 511 };
	uint64_t last = 0;
	struct reply r;
	unsigned n = 0;

	do {
		r = create_partition(0);
		if (hv_result_status(r.value) == HV_STATUS_INSUFFICIENT_MEMORY) {
			deposit(HV_PARTITION_ID_SELF, LIST);
			r = create_partition(0);
		}
		last = hv_result_status(r.value) ? last : out64(r);
	} while (!r.fault && hv_result_status(r.value) == HV_STATUS_SUCCESS && ++n < AT_MOST);
	check_status(r, HV_STATUS_NO_RESOURCES);
	check_that(n >= AT_LEAST, "only %u", n);
	check_status(delete(last), HV_STATUS_SUCCESS);
	check_status(create_partition(0), HV_STATUS_SUCCESS);
	check_status(create_partition(0), HV_STATUS_NO_RESOURCES);
}

RULE_HOST(T5_6_1_h, "a pool that is too small pays nothing")
{
	check_status(create_partition(0), HV_STATUS_INSUFFICIENT_MEMORY);
	check_balance(HV_PARTITION_ID_SELF, 0, 0);
	check_value(out64(next_child(own_id(), 0)), 0, "children");
}

RULE_HOST(T5_6_1_k, "ids differ, deleted partitions or not")
{
	uint64_t id[SOME];

	for (unsigned i = 0; i < SOME; i++) {
		id[i] = make_partition();
		for (unsigned j = 0; j < i; j++)
			check_that(id[i] != id[j], "two have id 0x%llx", (unsigned long long)id[i]);
		if (i % 2)
			check_status(delete(id[i]), HV_STATUS_SUCCESS);
	}
}

RULE_HOST(T5_2_8_a, "features that a partition is created without are hidden from it")
{
	struct hv_in_create_partition in = { .disabled_features = { 1 /* SSE3 */ | 1 << 16 /* AES */ | 1ull << 63, UINT64_MAX } };
	uint64_t id;
	struct child c;

	deposit(HV_PARTITION_ID_SELF, 8);
	check_status(CALL(.code = HV_CALL_CREATE_PARTITION, .data = &in, .size = sizeof in, .out = test_page(OUT_PAGE)), HV_STATUS_SUCCESS);
	id = get64(test_page(OUT_PAGE));
	check_property(id, HV_PROPERTY_PROCESSOR_FEATURES_0, property(HV_PARTITION_ID_SELF, HV_PROPERTY_PROCESSOR_FEATURES_0) & ~0x10001ull);
	check_property(id, HV_PROPERTY_PROCESSOR_FEATURES_1, 0);
	c = raise_child(id);
	check_value(child_leaf(&c, 1).c & (1 | 1 << 25), 0, "SSE3 and AES");
}

/* ---- 5.6.2 HvInitializePartition ---- */

RULE_HOST(T5_6_2_a, "an initialized partition is active")
{
	make_vp(make_active_partition(), 0);
}

RULE_HOST(T5_6_2_b, "its own pool pays")
{
	uint64_t id = make_active_partition();
	struct hv_out_get_memory_balance b;

	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_that(b.pages_in_use > 0, "nothing is in use");
	check_value(b.pages_in_use + b.pages_available, ACTIVE_PAGES, "pages in all");
}

RULE_HOST(T5_6_2_c, "a pool that is too small leaves the partition uninitialized")
{
	uint64_t id = make_partition();

	check_status(initialize(id), HV_STATUS_INSUFFICIENT_MEMORY);
	deposit(id, 1);
	check_status(initialize(id), HV_STATUS_INSUFFICIENT_MEMORY);
	check_balance(id, 1, 0);
	deposit(id, ACTIVE_PAGES);
	check_status(initialize(id), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_6_2_d, "nobody initializes himself")
{
	check_status(initialize(own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(initialize(HV_PARTITION_ID_SELF), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T5_6_2_e, "what is no partition is not initialized") { check_ids(HV_CALL_INITIALIZE_PARTITION); }

RULE_HOST(T5_6_2_f, "a partition is initialized once")
{
	check_status(initialize(make_active_partition()), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_2_g, "its input may be in memory")
{
	struct hv_partition_id in = { make_partition() };

	deposit(in.partition_id, ACTIVE_PAGES);
	check_status(CALL(.code = HV_CALL_INITIALIZE_PARTITION, .data = &in, .size = sizeof in), HV_STATUS_SUCCESS);
	check_status(initialize(in.partition_id), HV_STATUS_INVALID_PARTITION_STATE);
}

/* ---- 5.6.3 HvFinalizePartition ---- */

RULE_HOST(T5_6_3_a, "what has been finalized is") { check_inactive(make_finalized_partition()); }

RULE_HOST(T5_6_3_b, "all its pages can be withdrawn")
{
	uint64_t id = make_furnished_partition();
	struct hv_out_get_memory_balance b;

	check_status(finalize(id), HV_STATUS_SUCCESS);
	check_status(balance(id, &b), HV_STATUS_SUCCESS);
	check_value(b.pages_in_use, 0, "pages in use");
	check_reps(withdraw(id, 511), HV_STATUS_NO_RESOURCES, (unsigned)b.pages_available);
}

RULE_HOST(T5_6_3_i, "its debug channel is free for another")
{
	uint64_t id = make_active_partition(), other = make_active_partition();

	must_set_property(id, HV_PROPERTY_DEBUG_CHANNEL_ID, 9);
	check_status(set_property(other, HV_PROPERTY_DEBUG_CHANNEL_ID, 9), HV_STATUS_OBJECT_IN_USE);
	check_status(finalize(id), HV_STATUS_SUCCESS);
	must_set_property(other, HV_PROPERTY_DEBUG_CHANNEL_ID, 9);
}

RULE_HOST(T5_6_3_e, "only what is active can be finalized")
{
	check_status(finalize(make_partition()), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(finalize(make_finalized_partition()), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_3_g, "nobody finalizes himself")
{
	check_status(finalize(own_id()), HV_STATUS_ACCESS_DENIED);
	check_status(finalize(HV_PARTITION_ID_SELF), HV_STATUS_ACCESS_DENIED);
}

RULE_HOST(T5_6_3_h, "what is no partition is not finalized") { check_ids(HV_CALL_FINALIZE_PARTITION); }

RULE_HOST(T5_6_3_f, "what has children is not finalized, and stays active")
{
	struct child c = parent_child();
	uint64_t grandchild = make_grandchild(&c);

	check_status(finalize(c.id), HV_STATUS_OPERATION_DENIED);
	check_register(c.id, 0, HV_REGISTER_EXPLICIT_SUSPEND, 0);
	child_deletes(&c, grandchild);
	check_status(finalize(c.id), HV_STATUS_SUCCESS);
}

/* ---- 5.6.4 HvDeletePartition ---- */

RULE_HOST(T5_6_4_a, "a deleted partition's id is none any more")
{
	uint64_t id = make_partition();
	struct hv_out_get_memory_balance b;

	check_status(delete(id), HV_STATUS_SUCCESS);
	check_status(initialize(id), HV_STATUS_INVALID_PARTITION_ID);
	check_status(balance(id, &b), HV_STATUS_INVALID_PARTITION_ID);
	check_status(next_child(id, 0), HV_STATUS_INVALID_PARTITION_ID);
	check_status(get_property(id, HV_PROPERTY_CPU_CAP), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T5_6_4_b, "what it cost its parent comes back")
{
	uint64_t id = make_partition();

	check_status(delete(id), HV_STATUS_SUCCESS);
	check_balance(HV_PARTITION_ID_SELF, 8, 0);
}

RULE_HOST(T5_6_4_c, "an uninitialized partition with an empty pool can be deleted")
{
	check_status(delete(make_partition()), HV_STATUS_SUCCESS);
}

RULE_HOST(T5_6_4_d, "one with pages cannot")
{
	uint64_t id = make_partition();

	deposit(id, 1);
	check_status(delete(id), HV_STATUS_OPERATION_DENIED);
	check_balance(id, 1, 0);
	check_status(delete(make_finalized_partition()), HV_STATUS_OPERATION_DENIED);
}

RULE_HOST(T5_6_4_e, "nor can an active one")
{
	check_status(delete(make_active_partition()), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_4_f, "nobody deletes himself") { check_status(delete(own_id()), HV_STATUS_ACCESS_DENIED); }
RULE_HOST(T5_6_4_g, "nothing is deleted twice") { check_ids(HV_CALL_DELETE_PARTITION); }

/* ---- 5.6.8 HvGetNextChildPartition ---- */

RULE_HOST(T5_6_8_a, "0 is followed by the first child, if there is one")
{
	uint64_t id;

	check_status(next_child(own_id(), 0), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), 0, "the child of who has none");
	id = make_partition();
	make_partition();
	check_value(out64(next_child(own_id(), 0)), id, "first child");
}

RULE_HOST(T5_6_8_b, "the last child is followed by 0")
{
	uint64_t id = make_partition();

	put64(test_page(OUT_PAGE), UINT64_MAX);
	check_status(next_child(own_id(), id), HV_STATUS_SUCCESS);
	check_value(get64(test_page(OUT_PAGE)), 0, "what follows");
}

RULE_HOST(T5_6_8_c, "from one to the next each child comes once, in order of creation") { check_children_in_order(); }

RULE_HOST(T5_6_8_d, "a child that has gone is followed by nothing; one that goes before it is reached is passed over")
{
	uint64_t first = make_partition(), second = make_partition(), third = make_partition();

	check_status(delete(second), HV_STATUS_SUCCESS);
	check_value(out64(next_child(own_id(), first)), third, "what follows the first");
	check_status(next_child(own_id(), second), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T5_6_8_e, "what is no child is followed by nothing")
{
	check_status(next_child(own_id(), own_id()), HV_STATUS_INVALID_PARTITION_ID);
	check_status(next_child(own_id(), make_partition() + 1000), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T5_6_8_f, "what is no partition has no children")
{
	check_status(next_child(0, 0), HV_STATUS_INVALID_PARTITION_ID);
	check_status(next_child(own_id() + 1000, 0), HV_STATUS_INVALID_PARTITION_ID);
}

RULE_HOST(T5_6_8_g, "children of every state are enumerated")
{
	uint64_t uninitialized = make_partition(), finalized = make_finalized_partition();

	check_value(out64(next_child(own_id(), 0)), uninitialized, "first child");
	check_value(out64(next_child(own_id(), uninitialized)), finalized, "second child");
}
