/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 0, 4.11.2, 25: who may call for whom. */
#include "child.h"

/* The calls of which 25 says "parent".  @size: of the input, with one element. */
struct parents_call {
	uint16_t code, size;
	bool rep;
	unsigned also;
};
/* ROOT, SELF: a partition without a parent, or any, may name itself, too.  SAME: 0 has it in its table, for active partitions. */
enum { ROOT = 1 << 0, SELF = 1 << 1, SAME = 1 << 2 };

static const struct parents_call calls[] = {
	{ HV_CALL_INITIALIZE_PARTITION, 8 },
	{ HV_CALL_FINALIZE_PARTITION, 8 },
	{ HV_CALL_DELETE_PARTITION, 8 },
	{ HV_CALL_GET_PARTITION_PROPERTY, 16, false, ROOT },
	{ HV_CALL_SET_PARTITION_PROPERTY, 24, false, ROOT },
	{ HV_CALL_DEPOSIT_MEMORY, 16, true, ROOT },
	{ HV_CALL_WITHDRAW_MEMORY, 16, true, ROOT },
	{ HV_CALL_GET_MEMORY_BALANCE, 16, false, ROOT },
	{ HV_CALL_MAP_GPA_PAGES, 32, true, ROOT },
	{ HV_CALL_UNMAP_GPA_PAGES, 16, true, ROOT },
	{ HV_CALL_MAP_SPARSE_GPA_PAGES, 32, true, ROOT },
	{ HV_CALL_INSTALL_INTERCEPT, 24, false, SAME },
	{ HV_CALL_CREATE_VP, 32, false, SAME },
	{ HV_CALL_DELETE_VP, 16, false, SAME },
	{ HV_CALL_GET_VP_REGISTERS, 20, true, SELF | SAME },
	{ HV_CALL_SET_VP_REGISTERS, 48, true, SAME },
	{ HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, 32, false, SAME },
	{ HV_CALL_READ_GPA, 32, false, SAME },
	{ HV_CALL_WRITE_GPA, 48, false, SAME },
	{ HV_CALL_ASSERT_VIRTUAL_INTERRUPT_2009, 32, false, SAME },
	{ HV_CALL_CLEAR_VIRTUAL_INTERRUPT, 8, false, SAME },
};
#define FOR_EACH(c) for (const struct parents_call *c = calls; c < calls + sizeof calls / sizeof calls[0]; c++)

struct input { uint64_t id, rest[5]; };

/* Of the caller about @id; the rest of the input is 0. */
static struct reply mine(const struct parents_call *c, uint64_t id)
{
	struct input in = { .id = id };

	return CALL(.code = c->code, .reps = c->rep, .data = &in, .size = c->size, .out = test_page(OUT_PAGE));
}

static void check_mine(const struct parents_call *c, uint64_t id, uint16_t status)
{
	struct reply r = mine(c, id);

	check_that(!r.fault && hv_result_status(r.value) == status, "call 0x%x: %s, want %s", c->code, status_name(hv_result_status(r.value)),
		   status_name(status));
}

/* The same of a child. */
static uint16_t childs(const struct child *child, const struct parents_call *c, uint64_t id)
{
	struct input in = { .id = id };

	return child_calls(child, c->code, c->rep, &in, c->size);
}

static void check_childs(const struct child *child, const struct parents_call *c, uint64_t id, uint16_t status)
{
	uint16_t got = childs(child, c, id);

	check_that(got == status, "the child's call 0x%x: %s, want %s", c->code, status_name(got), status_name(status));
}

struct family {
	struct child child;            /* makes calls */
	uint64_t sibling, grandchild;  /* both uninitialized */
};

static struct family make_family(void)
{
	const struct hv_in_create_partition in = { .flags = 0 };
	struct family f = { .child = make_child(OF_2009), .sibling = make_partition() };

	must_set_property(f.child.id, HV_PROPERTY_PRIVILEGE_FLAGS,
			  property(f.child.id, HV_PROPERTY_PRIVILEGE_FLAGS) | HV_CREATE_PARTITIONS | HV_ACCESS_MEMORY_POOL);
	child_may_call(&f.child);
	check_value(child_calls(&f.child, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_SUCCESS, "status of the child's call");
	f.grandchild = child_get64(&f.child, CHILD_CALL_OUT);
	return f;
}

/* ---- 0 ---- */

RULE_HOST(T0_a, "to be the parent is all that it takes, with the one privilege of those who have children")
{
	const struct hv_in_create_partition in = { .flags = 0 };
	struct family f = make_family();

	must_set_property(f.child.id, HV_PROPERTY_PRIVILEGE_FLAGS, HV_CREATE_PARTITIONS);
	FOR_EACH(c)
		if (c->also & SAME)
			check_childs(&f.child, c, f.grandchild, HV_STATUS_INVALID_PARTITION_STATE);
	child_deletes(&f.child, f.grandchild);
	must_set_property(f.child.id, HV_PROPERTY_PRIVILEGE_FLAGS, 0);
	check_value(child_calls(&f.child, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status without it");
}

RULE_HOST(T0_b, "a partition without a parent is none that its parent could call for")
{
	FOR_EACH(c) {
		if (!(c->also & SAME) || c->also & SELF)
			continue;
		check_mine(c, own_id(), HV_STATUS_ACCESS_DENIED);
		check_mine(c, HV_PARTITION_ID_SELF, HV_STATUS_ACCESS_DENIED);
	}
}

RULE_HOST(T0_c, "neither a grandparent nor a sibling is a parent")
{
	struct family f = make_family();

	FOR_EACH(c) {
		if (!(c->also & SAME))
			continue;
		check_mine(c, f.grandchild, HV_STATUS_ACCESS_DENIED);
		check_childs(&f.child, c, f.sibling, HV_STATUS_ACCESS_DENIED);
	}
	child_deletes(&f.child, f.grandchild);
}

RULE_HOST(T0_j, "what is for active partitions is refused before and after")
{
	uint64_t before = make_partition(), after = make_active_partition();

	make_vp(after, 0);
	check_status(call_id(HV_CALL_FINALIZE_PARTITION, after), HV_STATUS_SUCCESS);
	FOR_EACH(c) {
		if (!(c->also & SAME))
			continue;
		check_mine(c, before, HV_STATUS_INVALID_PARTITION_STATE);
		check_mine(c, after, HV_STATUS_INVALID_PARTITION_STATE);
	}
}

/* ---- 10.4.3 ---- */

RULE_HOST(T10_4_3_f, "child, sibling and grandparent read no registers")
{
	struct family f = make_family();
	struct { struct hv_in_vp vp; uint32_t name; } in = { { .partition_id = own_id() }, HV_REGISTER_VP_INDEX };

	check_value(child_calls(&f.child, HV_CALL_GET_VP_REGISTERS, 1, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the child's call");
	in.vp.partition_id = f.sibling;
	check_value(child_calls(&f.child, HV_CALL_GET_VP_REGISTERS, 1, &in, sizeof in), HV_STATUS_ACCESS_DENIED, "status of the sibling's call");
	check_status(get_register(f.grandchild, 0, HV_REGISTER_VP_INDEX).reply, HV_STATUS_ACCESS_DENIED);
	/* What is left is itself. */
	in.vp.partition_id = f.child.id;
	check_value(child_calls(&f.child, HV_CALL_GET_VP_REGISTERS, 1, &in, sizeof in), HV_STATUS_SUCCESS, "status about itself");
	child_deletes(&f.child, f.grandchild);
}

/* ---- 25 ---- */

RULE_HOST(T25_f, "a call of the root's is refused to others, whatever else is wrong with it")
{
	struct child child = make_child(OF_2009);
	unsigned calls_of_root = 0;
	const uint8_t bad[64] = { [0 ... 63] = 0xff };

	child_may_call(&child);
	FOR_EACH_CALL(row) {
		if (!(row->privilege & HV_CPU_MANAGEMENT) || row->flags & CALL_ROW_REP || row->in > sizeof bad)
			continue;
		calls_of_root++;
		check_status(CALL(.code = row->code, .data = bad, .size = row->in, .out = test_page(OUT_PAGE)), HV_STATUS_ACCESS_DENIED);
		check_value(child_calls(&child, row->code, 0, bad, row->in), HV_STATUS_ACCESS_DENIED, "status of the child's call 0x%x", row->code);
	}
	check_that(calls_of_root > 0, "there is none");
}

RULE_HOST(T25_g, "a call of the parent's is refused to others, the partition itself among them")
{
	struct family f = make_family();

	FOR_EACH(c) {
		check_mine(c, f.grandchild, HV_STATUS_ACCESS_DENIED);
		check_childs(&f.child, c, f.sibling, HV_STATUS_ACCESS_DENIED);
		check_childs(&f.child, c, own_id(), HV_STATUS_ACCESS_DENIED);
		if (!(c->also & SELF))
			check_childs(&f.child, c, f.child.id, HV_STATUS_ACCESS_DENIED);
		if (!(c->also & (SELF | ROOT)))
			check_mine(c, own_id(), HV_STATUS_ACCESS_DENIED);
	}
	/* Not for want of a privilege. */
	FOR_EACH(c)
		if (c->code != HV_CALL_DELETE_PARTITION)
			check_that(childs(&f.child, c, f.grandchild) != HV_STATUS_ACCESS_DENIED, "call 0x%x is refused to the parent", c->code);
	child_deletes(&f.child, f.grandchild);
}

RULE_HOST(T25_h, "the memory pool that is a partition's own is its parent's to fill and to empty, if it has one")
{
	struct family f = make_family();
	struct hv_out_get_memory_balance b;
	uint64_t before;

	FOR_EACH(c)
		if (c->code == HV_CALL_DEPOSIT_MEMORY || c->code == HV_CALL_WITHDRAW_MEMORY || c->code == HV_CALL_GET_MEMORY_BALANCE)
			check_childs(&f.child, c, f.child.id, HV_STATUS_ACCESS_DENIED);
	check_status(balance(own_id(), &b), HV_STATUS_SUCCESS);
	before = b.pages_available;
	deposit(own_id(), 2);
	check_balance(own_id(), before + 2, b.pages_in_use);
	check_reps(withdraw(own_id(), 2), HV_STATUS_SUCCESS, 2);
	child_deletes(&f.child, f.grandchild);
}
