/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All hypercalls: the core's and the components' rows become one table, once per
 * machine.  Here besides are those few calls whose chapter has no file of its own.
 */
#include <sched.h>

#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "hv/debug.h"
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
	struct hv_partition_id *out = c->out;

	out->partition_id = c->caller->id;                 /* T5.6.7.a */
	return HV_STATUS_SUCCESS;
}

/* No debugger is connected, and no leaf tells of one (T20.3.1.h). */
static hv_status no_debugger(struct hv_ctx *c)
{
	(void)c;
	return MUTANT(debugger_unknown) ? HV_STATUS_INVALID_HYPERCALL_CODE : HV_STATUS_FEATURE_UNAVAILABLE;
}

static const struct hv_call spin_calls[] = {
	{ HV_CALL_NOTIFY_LONG_SPIN_WAIT, "HvNotifyLongSpinWait", "18.5.1",
	  .in = sizeof(struct hv_in_notify_long_spin_wait), .run = notify_long_spin_wait },
	{ .name = NULL },
};

static const struct hv_call few_calls[] = {
	{ HV_CALL_GET_PARTITION_ID, "HvGetPartitionId", "5.6.7",
	  .out = sizeof(struct hv_partition_id), .privilege = HV_ACCESS_PARTITION_ID, .run = get_partition_id },
	{ HV_CALL_POST_DEBUG_DATA, "HvPostDebugData", "20.3.1", .in = sizeof(struct hv_in_post_debug_data),
	  .out = sizeof(struct hv_out_post_debug_data), .privilege = HV_DEBUGGING, .run = no_debugger },
	{ HV_CALL_RETRIEVE_DEBUG_DATA, "HvRetrieveDebugData", "20.3.2", .in = sizeof(struct hv_in_retrieve_debug_data),
	  .out = sizeof(struct hv_out_retrieve_debug_data), .privilege = HV_DEBUGGING, .run = no_debugger },
	{ HV_CALL_RESET_DEBUG_SESSION, "HvResetDebugSession", "20.3.3", .in = sizeof(struct hv_in_reset_debug_session),
	  .privilege = HV_DEBUGGING, .run = no_debugger },
	{ .name = NULL },
};

/* One line per chapter's file in this folder, and as what its calls are counted (appendix J). */
static const struct {
	const struct hv_call *rows;
	enum vp_count counted;
} core_lists[] = {
	{ spin_calls, COUNT_CALLS_LONG_SPIN },
	{ few_calls, COUNT_CALLS_OTHER },
	{ life_calls, COUNT_CALLS_OTHER },
	{ property_calls, COUNT_CALLS_OTHER },
	{ root_calls, COUNT_CALLS_LP },
	{ pool_calls, COUNT_CALLS_OTHER },
	{ gpa_calls, COUNT_CALLS_GPA_SPACE },
	{ vp_calls, COUNT_CALLS_VP },
	{ assert_calls, COUNT_CALLS_INTERRUPT },
	{ translate_calls, COUNT_CALLS_MMU },
	{ state_page_calls, COUNT_CALLS_VP },
	{ vp_state_calls, COUNT_CALLS_VP },
	{ dispatch_calls, COUNT_CALLS_VP },
	{ stats_calls, COUNT_CALLS_OTHER },
	{ intercept_calls, COUNT_CALLS_OTHER },
	{ mmu_calls, COUNT_CALLS_MMU },
	{ interrupt_calls, COUNT_CALLS_INTERRUPT },
};

static void add_list(GArray *table, const struct hv_call *row, enum vp_count counted)
{
	for (; row && row->name; row++) {
		struct hv_call with = *row;

		with.counted = (uint8_t)counted;
		g_array_append_val(table, with);
	}
}

static gint by_code(gconstpointer a, gconstpointer b)
{
	return (gint)((const struct hv_call *)a)->code - ((const struct hv_call *)b)->code;
}

void call_table_init(struct hv *hv)
{
	hv->call_rows = g_array_new(FALSE, FALSE, sizeof(struct hv_call));
	for (unsigned i = 0; i < G_N_ELEMENTS(core_lists); i++)
		add_list(hv->call_rows, core_lists[i].rows, core_lists[i].counted);
	for (unsigned i = 0; i < hv->component_count; i++)
		add_list(hv->call_rows, hv->components[i]->calls, COUNT_CALLS_SYNIC);
	g_array_sort(hv->call_rows, by_code);
	hv->calls = (const struct hv_call *)(const void *)hv->call_rows->data;
	hv->call_count = hv->call_rows->len;
	for (unsigned i = 1; i < hv->call_count; i++)
		if (hv->calls[i].code == hv->calls[i - 1].code)
			g_error("hypercall %#x has two rows", hv->calls[i].code);
}

const struct hv_call *hv_call_row(const struct hv *hv, unsigned n)
{
	return n < hv->call_count ? &hv->calls[n] : NULL;
}

void call_table_fini(struct hv *hv)
{
	g_array_free(hv->call_rows, TRUE);
}
