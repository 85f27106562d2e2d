/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All hypercalls, in ascending order of code. */
#include <sched.h>

#include "call.h"
#include "partition.h"

static hv_status notify_long_spin_wait(struct hv_ctx *c)
{
	(void)c;
	/* The VP whose lock is spun for may be waiting for this very processor. */
	sched_yield();
	return HV_STATUS_SUCCESS;                          /* T18.5.1.a */
}

static hv_status get_partition_id(struct hv_ctx *c)
{
	struct hv_out_get_partition_id *out = c->out;

	out->partition_id = c->caller->id;                 /* T5.6.7.a */
	return HV_STATUS_SUCCESS;
}

const struct hv_call hv_calls[] = {
	{ HV_CALL_NOTIFY_LONG_SPIN_WAIT, "HvNotifyLongSpinWait", "18.5.1",
	  .in = sizeof(struct hv_in_notify_long_spin_wait), .run = notify_long_spin_wait },
	{ HV_CALL_GET_PARTITION_ID, "HvGetPartitionId", "5.6.7",
	  .out = sizeof(struct hv_out_get_partition_id), .privilege = HV_ACCESS_PARTITION_ID, .run = get_partition_id },
};

const unsigned hv_call_count = G_N_ELEMENTS(hv_calls);
