/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root's calls about the machine itself (6.4, and later revisions): logical processors, device
 * interrupts, power.  Its machine is emulated like any other, so what a physical hypervisor would program
 * into hardware is told to the root, which programs the emulated hardware with it.
 */
#include "hv/root.h"

#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "partition.h"

/* ---- logical processors ---- */

bool lp_is_known(const struct hv *hv, uint64_t lp)
{
	return !lp || MUTANT(root_many_lps) || (lp < VP_MAX && atomic_load(&hv->lps) >> lp & 1);
}

void lp_reset(struct vp *vp)
{
	if (MUTANT(lp_goes_on))
		return;
	atomic_store(&vp->lp_began, vp_run_time_ns(vp));
	atomic_store(&vp->lp_hypervisor_began, vp_hypervisor_ns(vp));
}

void lp_times(struct vp *vp, uint64_t *run, uint64_t *hypervisor)
{
	uint64_t ns = MUTANT(lp_no_hypervisor) ? 0 : vp_hypervisor_ns(vp) - atomic_load(&vp->lp_hypervisor_began);

	*run = (vp_run_time_ns(vp) - atomic_load(&vp->lp_began)) / 100;
	*hypervisor = MIN(ns / 100, *run);                 /* T33.2.b */
}

static hv_status get_lp_run_time(struct hv_ctx *c)
{
	const struct hv_in_get_lp_run_time *in = c->in;
	struct hv_out_get_lp_run_time *out = c->out;
	struct vp *vp = partition_vp(c->caller, in->lp_index);

	if (!vp || !lp_is_known(c->caller->hv, in->lp_index))
		return HV_STATUS_INVALID_LP_INDEX;
	out->global_time = partition_reference_time(c->caller);      /* T6.4.1.a */
	lp_times(vp, &out->local_run_time, &out->hypervisor_time);
	return HV_STATUS_SUCCESS;
}

static hv_status add_logical_processor(struct hv_ctx *c)
{
	const struct hv_in_add_logical_processor *in = c->in;
	struct vp *vp = partition_vp(c->caller, in->lp_index);

	if (!vp || vp->cpu.apic_id != in->apic_id)
		return HV_STATUS_INVALID_LP_INDEX;
	if (!domain_known(&in->domain))
		return HV_STATUS_INVALID_PARAMETER;
	atomic_fetch_or(&c->caller->hv->lps, UINT64_C(1) << in->lp_index);
	return HV_STATUS_SUCCESS;
}

static hv_status park_logical_processors(struct hv_ctx *c)
{
	const struct hv_in_park_lps *in = c->in;
	uint64_t lps = in->mask;

	for (unsigned i = 0; i < 64; i++)
		if (!lp_is_known(c->caller->hv, i))
			lps &= ~(UINT64_C(1) << i);
	schedule_park(c->caller->hv, (unsigned)__builtin_popcountll(lps));   /* T6.4.2.b */
	return HV_STATUS_SUCCESS;
}

/* ---- system properties, power ---- */

static hv_status get_system_property(struct hv_ctx *c)
{
	const struct hv_in_get_system_property *in = c->in;
	uint64_t *out = c->out;

	switch (in->property) {
	case HV_SYSTEM_PROPERTY_SCHEDULER_TYPE:
		*out = c->caller->hv->root_scheduler ? HV_SCHEDULER_ROOT : HV_SCHEDULER_CLASSIC;
		return HV_STATUS_SUCCESS;
	case HV_SYSTEM_PROPERTY_CRASH_DUMP_AREA:
		*out = 0;
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_UNKNOWN_PROPERTY;
	}
}

/* The text's form, and its one property. */
static hv_status get_system_property_2009(struct hv_ctx *c)
{
	const struct hv_in_get_system_property_2009 *in = c->in;
	struct hv_perf_counter_configuration *out = c->out;
	struct hv *hv = c->caller->hv;

	if (in->property != HV_SYSTEM_PROPERTY_PERF_COUNTER)
		return HV_STATUS_UNKNOWN_PROPERTY;         /* T23.4.2.b */
	lock_acquire(&hv->lock);
	*out = hv->perf_counter;
	lock_release(&hv->lock);
	return HV_STATUS_SUCCESS;
}

/* What the profiler of the event log would count: kept for whoever asks. */
static hv_status set_perf_counter(struct hv *hv, const struct hv_perf_counter_configuration *value)
{
	bool good = value->source > HV_PROFILE_INVALID && value->source <= HV_PROFILE_BRANCH_MISPREDICTIONS && !value->reserved;

	if (!good && !MUTANT(system_property_any))
		return HV_STATUS_INVALID_PARAMETER;        /* T23.4.1.c */
	lock_acquire(&hv->lock);
	hv->perf_counter = *value;
	if (MUTANT(system_property_half))
		hv->perf_counter.period = 0;
	lock_release(&hv->lock);
	return HV_STATUS_SUCCESS;
}

static hv_status set_system_property(struct hv_ctx *c)
{
	const struct hv_in_set_system_property *in = c->in;

	switch (in->property) {
	case HV_SYSTEM_PROPERTY_PERF_COUNTER:
		return set_perf_counter(c->caller->hv, &in->value);
	case HV_SYSTEM_PROPERTY_SLEEP_STATE:
		/* The machine knows by itself how it is switched off. */
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_UNKNOWN_PROPERTY;         /* T23.4.1.b */
	}
}

void root_reset(struct hv *hv)
{
	atomic_store(&hv->lps, 0);
	schedule_park(hv, 0);
	lock_acquire(&hv->lock);
	hv->perf_counter = (struct hv_perf_counter_configuration){ 0 };
	lock_release(&hv->lock);
}

static hv_status enter_sleep_state(struct hv_ctx *c)
{
	const struct hv_in_word *in = c->in;

	if (in->value != HV_SLEEP_STATE_S5)
		return HV_STATUS_INVALID_PARAMETER;
	/* The guest counts on it that the call does not return. */
	vp_exit(c->vp, EXIT_POWER_OFF);
	return HV_STATUS_SUCCESS;
}

static hv_status notify_partition_event(struct hv_ctx *c)
{
	(void)c;
	return HV_STATUS_SUCCESS;
}

/* ---- device interrupts ---- */

/* The one VP of the set; NULL: none, or several. */
static struct vp *target_vp(const struct hv_ctx *c, const struct hv_in_map_device_interrupt *in)
{
	uint64_t banks = c->variable_count ? c->variable[0] : 0, bits;

	if (in->set_format != HV_VP_SET_SPARSE || __builtin_popcountll(banks) != 1 || c->variable_count != 2)
		return NULL;
	bits = c->variable[1];
	if (__builtin_popcountll(bits) != 1)
		return NULL;
	return partition_vp(c->target, (uint32_t)(__builtin_ctzll(banks) * 64 + __builtin_ctzll(bits)));
}

static hv_status map_device_interrupt(struct hv_ctx *c)
{
	const struct hv_in_map_device_interrupt *in = c->in;
	struct hv_out_map_device_interrupt *out = c->out;
	struct vp *vp = target_vp(c, in);

	if (!vp || in->vector > 0xff)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->device_id >> HV_DEVICE_TYPE_SHIFT == HV_DEVICE_IOAPIC) {
		out->source = HV_INTERRUPT_SOURCE_IOAPIC;
		out->rte = (uint64_t)vp->cpu.apic_id << 56 | (in->trigger ? 1u << 15 : 0) | in->vector;
	} else {
		out->source = HV_INTERRUPT_SOURCE_MSI;
		out->msi.address = 0xfee00000u | vp->cpu.apic_id << 12;
		out->msi.data = in->vector;
	}
	return HV_STATUS_SUCCESS;
}

/* There is nothing to take back: the root has masked the interrupt where it comes from. */
static hv_status unmap_device_interrupt(struct hv_ctx *c)
{
	(void)c;
	return HV_STATUS_SUCCESS;
}

#define LATER "later revisions"

const struct hv_call root_calls[] = {
	{ HV_CALL_GET_LP_RUN_TIME, "HvGetLogicalProcessorRunTime", "6.4.1", .in = sizeof(struct hv_in_get_lp_run_time),
	  .out = sizeof(struct hv_out_get_lp_run_time), .privilege = HV_CPU_MANAGEMENT, .run = get_lp_run_time },
	{ HV_CALL_PARK_LPS, "HvParkLogicalProcessors", "6.4.2", .in = sizeof(struct hv_in_park_lps), .privilege = HV_CPU_MANAGEMENT, .run = park_logical_processors },
	{ HV_CALL_SET_SYSTEM_PROPERTY, "HvSetSystemProperty", "23.4.1", .in = sizeof(struct hv_in_set_system_property),
	  .privilege = HV_CPU_MANAGEMENT, .run = set_system_property },
	{ HV_CALL_GET_SYSTEM_PROPERTY_2009, "HvGetSystemProperty", "23.4.2", .in = sizeof(struct hv_in_get_system_property_2009),
	  .out = sizeof(struct hv_perf_counter_configuration), .privilege = HV_CPU_MANAGEMENT, .run = get_system_property_2009 },
	{ HV_CALL_ADD_LOGICAL_PROCESSOR, "HvAddLogicalProcessor", LATER, .in = sizeof(struct hv_in_add_logical_processor),
	  .out = sizeof(struct hv_out_add_logical_processor), .privilege = HV_CPU_MANAGEMENT, .run = add_logical_processor },
	{ HV_CALL_GET_SYSTEM_PROPERTY, "HvGetSystemProperty", LATER, .in = sizeof(struct hv_in_get_system_property), .out = 8,
	  .privilege = HV_CREATE_PARTITIONS, .run = get_system_property },
	{ HV_CALL_MAP_DEVICE_INTERRUPT, "HvMapDeviceInterrupt", LATER, .in = sizeof(struct hv_in_map_device_interrupt),
	  .out = sizeof(struct hv_out_map_device_interrupt), .flags = CALL_VARIABLE, .on = CALL_ON_ROOT_SELF,
	  .privilege = HV_CPU_MANAGEMENT, .run = map_device_interrupt },
	{ HV_CALL_UNMAP_DEVICE_INTERRUPT, "HvUnmapDeviceInterrupt", LATER, .in = sizeof(struct hv_in_unmap_device_interrupt),
	  .on = CALL_ON_ROOT_SELF, .privilege = HV_CPU_MANAGEMENT, .run = unmap_device_interrupt },
	{ HV_CALL_ENTER_SLEEP_STATE, "HvEnterSleepState", LATER, .in = sizeof(struct hv_in_word), .privilege = HV_CPU_MANAGEMENT,
	  .run = enter_sleep_state },
	{ HV_CALL_NOTIFY_PARTITION_EVENT, "HvNotifyPartitionEvent", LATER, .in = sizeof(struct hv_in_word), .privilege = HV_CPU_MANAGEMENT,
	  .run = notify_partition_event },
	{ .name = NULL },
};
