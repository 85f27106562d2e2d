/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 5 and 7: partitions that a partition makes, and their memory pools. */
#include "host.h"

/* ---- 5.6.1 HvCreatePartition ---- */

RULE_HOST(T5_6_1_a, "a new partition is a child of the caller with an id of its own")
{
	uint64_t id = make_partition();

	check_that(id && id != own_id(), "the id is 0x%llx", (unsigned long long)id);
	check_value(out64(next_child(own_id(), 0)), id, "first child");
}

RULE_HOST(T5_6_1_b, "a new partition's pool is empty")
{
	check_balance(make_partition(), 0, 0);
}

/* ---- 5.6.2 HvInitializePartition ---- */

RULE_HOST(T5_6_2_a, "an initialized partition is active")
{
	uint64_t id = make_active_partition();

	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_INVALID_PARTITION_STATE);
	check_status(call_id(HV_CALL_DELETE_PARTITION, id), HV_STATUS_INVALID_PARTITION_STATE);
}

RULE_HOST(T5_6_2_c, "a pool that is too small leaves the partition uninitialized")
{
	uint64_t id = make_partition();

	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_INSUFFICIENT_MEMORY);
	deposit(id, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_INITIALIZE_PARTITION, id), HV_STATUS_SUCCESS);
}

/* ---- 5.6.3 HvFinalizePartition, 5.6.4 HvDeletePartition ---- */

RULE_HOST(T5_4_3_a, "finalized and emptied, a partition can be deleted, and all pages have come back")
{
	uint64_t id = make_active_partition();
	struct reply r;

	check_status(call_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(call_id(HV_CALL_DELETE_PARTITION, id), HV_STATUS_OPERATION_DENIED);
	r = withdraw(id, 511);
	check_reps(r, HV_STATUS_NO_RESOURCES, ACTIVE_PAGES);
	check_status(call_id(HV_CALL_DELETE_PARTITION, id), HV_STATUS_SUCCESS);
	check_status(call_id(HV_CALL_DELETE_PARTITION, id), HV_STATUS_INVALID_PARTITION_ID);
	check_balance(HV_PARTITION_ID_SELF, 8, 0);
}
