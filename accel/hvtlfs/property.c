/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of partitions (5.2.2 to 5.2.10, 5.6.5, 5.6.6), in one table. */
#include "call.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/cpuid.h"
#include "partition.h"
#include "processor.h"
#include "target/i386/model.h"

enum {
	EARLY = CALL_IN_UNINITIALIZED,   /* can be set before the partition is initialized */
	LATE = CALL_IN_ACTIVE,           /* can be set afterwards */
	WITH_EX = 1 << 7,                /* read by HvGetPartitionPropertyEx only */
};

/* ---- whose rights end where ---- */

/* Facilities that are nothing without the privilege, and the other way round. */
static void facility_follows(struct hv_features *f, uint64_t privilege, uint32_t facility)
{
	if (f->privileges & privilege)
		f->facilities |= facility;
	else
		f->facilities &= ~facility;
}

static void facilities_follow(struct hv_features *f)
{
	facility_follows(f, HV_ACCESS_GUEST_IDLE, HV_FEATURE_GUEST_IDLE);
	facility_follows(f, HV_ACCESS_FREQUENCIES, HV_FEATURE_FREQUENCY_MSRS);
}

/* What a partition may have: a child is not the way around what its parent was not given. */
static uint64_t grantable(const struct partition *p)
{
	return p->by_parent && !MUTANT(child_has_more) ? p->parent->features.privileges : UINT64_MAX;
}

void privileges_limit(struct partition *p)
{
	uint64_t gone = p->features.privileges & ~grantable(p);

	lock_assert_held(&p->hv->lock);
	if (!gone)
		return;
	p->features.privileges &= ~gone;
	facilities_follow(&p->features);
}

static void limit_below(struct partition *p)
{
	privileges_limit(p);
	partition_foreach_made_by(p, limit_below);
}

/* From now on @p may do what it was given, and those below it no more than that. */
static void privileges_set(struct partition *p, uint64_t privileges)
{
	lock_acquire(&p->hv->lock);
	p->features.privileges = privileges & grantable(p);
	partition_foreach_made_by(p, limit_below);
	lock_release(&p->hv->lock);
}

/* ---- what the child has of the hypervisor ---- */

struct synthetic {
	uint64_t bits, privileges;
	uint32_t facilities, hints;
};

static const struct synthetic synthetics[] = {
	{ HV_SYNTHETIC_VP_RUN_TIME, HV_ACCESS_VP_RUN_TIME },
	{ HV_SYNTHETIC_REFERENCE_COUNTER, HV_ACCESS_REFERENCE_COUNTER },
	{ HV_SYNTHETIC_SYNIC, HV_ACCESS_SYNIC | HV_POST_MESSAGES },
	{ HV_SYNTHETIC_TIMERS, HV_ACCESS_SYNTHETIC_TIMERS },
	{ HV_SYNTHETIC_APIC, HV_ACCESS_APIC, 0, HV_HINT_APIC_MSRS },
	{ HV_SYNTHETIC_HYPERCALL, HV_ACCESS_HYPERCALL, HV_FEATURE_XMM_INPUT },
	{ HV_SYNTHETIC_VP_INDEX, HV_ACCESS_VP_INDEX },
	{ HV_SYNTHETIC_REFERENCE_TSC, HV_ACCESS_REFERENCE_TSC },
	{ HV_SYNTHETIC_GUEST_IDLE, HV_ACCESS_GUEST_IDLE, HV_FEATURE_GUEST_IDLE },
	{ HV_SYNTHETIC_FREQUENCIES, HV_ACCESS_FREQUENCIES, HV_FEATURE_FREQUENCY_MSRS },
	{ HV_SYNTHETIC_EXTENDED_RANGES, 0, HV_FEATURE_EXTENDED_RANGES },
	{ HV_SYNTHETIC_DIRECT_TIMERS, 0, HV_FEATURE_DIRECT_TIMERS },
	{ HV_SYNTHETIC_EX_PROCESSOR_MASKS, 0, 0, HV_HINT_EX_PROCESSOR_MASKS },
	{ HV_SYNTHETIC_REMOTE_FLUSH, 0, 0, HV_HINT_REMOTE_FLUSH },
	{ HV_SYNTHETIC_CLUSTER_IPI, 0, 0, HV_HINT_CLUSTER_IPI },
	{ HV_SYNTHETIC_SIGNAL_EVENTS, HV_SIGNAL_EVENTS },
};

/* Of no privilege, facility or hint here. */
#define SYNTHETIC_PLAIN (HV_SYNTHETIC_PRESENT | HV_SYNTHETIC_HV1 | HV_SYNTHETIC_LONG_SPIN_WAIT)

static uint64_t assignable(struct partition *p)
{
	uint64_t all = SYNTHETIC_PLAIN;

	for (unsigned i = 0; i < G_N_ELEMENTS(synthetics); i++)
		if (!(synthetics[i].privileges & ~grantable(p)))
			all |= synthetics[i].bits;
	return all;
}

static uint64_t get_synthetic(struct partition *p)
{
	const struct hv_features *f = &p->features;
	uint64_t v = HV_SYNTHETIC_PRESENT | HV_SYNTHETIC_HV1;

	for (unsigned i = 0; i < G_N_ELEMENTS(synthetics); i++) {
		const struct synthetic *s = &synthetics[i];

		if (!(s->privileges & ~f->privileges) && !(s->facilities & ~f->facilities) && !(s->hints & ~f->hints))
			v |= s->bits;
	}
	return f->spinlock_retries == HV_SPIN_NEVER_NOTIFY ? v : v | HV_SYNTHETIC_LONG_SPIN_WAIT;
}

static hv_status set_synthetic(struct partition *p, uint64_t v)
{
	struct hv_features *f = &p->features;
	uint64_t privileges = 0;
	uint32_t facilities = 0, hints = 0;

	if (v & ~assignable(p))
		return HV_STATUS_INVALID_PARAMETER;
	for (unsigned i = 0; i < G_N_ELEMENTS(synthetics); i++) {
		if (!(v & synthetics[i].bits))
			continue;
		privileges |= synthetics[i].privileges;
		facilities |= synthetics[i].facilities;
		hints |= synthetics[i].hints;
	}
	/* What is no synthetic feature stays as it is: the right to have children, for one. */
	privileges_set(p, privileges | (f->privileges & ~(uint64_t)UINT32_MAX & ~(HV_POST_MESSAGES | HV_SIGNAL_EVENTS)));
	f->facilities = facilities;
	f->hints = hints;
	f->spinlock_retries = v & HV_SYNTHETIC_LONG_SPIN_WAIT ? 0xfff : HV_SPIN_NEVER_NOTIFY;
	return HV_STATUS_SUCCESS;
}

/* ---- 5.2.3 ---- */

static const uint64_t privileges_defined = 0x000039ff000007ff | HV_ACCESS_FREQUENCIES | HV_ACCESS_REENLIGHTENMENT | HV_ACCESS_TSC_INVARIANT;
/* What only the root may have (T5.6.6.g, T5.2.3.i). */
#define PRIVILEGES_OF_ROOT (HV_CPU_MANAGEMENT | HV_DEBUGGING)

static uint64_t get_privileges(struct partition *p)
{
	return p->features.privileges;
}

static hv_status set_privileges(struct partition *p, uint64_t v)
{
	struct hv_features *f = &p->features;

	if (v & ~privileges_defined && !MUTANT(property_any_privilege))
		return HV_STATUS_INVALID_PARAMETER;        /* T5.6.6.i */
	if (v & ~f->privileges & (PRIVILEGES_OF_ROOT | ~grantable(p)))
		return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;   /* T5.6.6.g */
	privileges_set(p, v);                              /* T5.2.3.j, T5.6.6.m */
	facilities_follow(f);
	return HV_STATUS_SUCCESS;
}

/* ---- 18.2 ---- */

static uint64_t get_reserve(struct partition *p) { return atomic_load(&p->share.reserve); }
static uint64_t get_cap(struct partition *p) { return atomic_load(&p->share.cap); }
static uint64_t get_weight(struct partition *p) { return atomic_load(&p->share.weight); }

static hv_status set_share(struct partition *p, uint64_t reserve, uint64_t cap, uint64_t weight)
{
	if (reserve > SHARE_ONE || cap > SHARE_ONE || !weight || weight > WEIGHT_MAX)
		return HV_STATUS_INVALID_PARAMETER;        /* T18.2.1.f, T18.2.2.e, T18.2.3.c */
	if (reserve > cap && !MUTANT(reserve_above_cap))
		return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;   /* T5.6.6.e */
	return schedule_share(p, (uint32_t)reserve, (uint32_t)cap, (uint32_t)weight) ? HV_STATUS_SUCCESS :
	       HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
}

static hv_status set_reserve(struct partition *p, uint64_t v) { return set_share(p, v, get_cap(p), get_weight(p)); }
static hv_status set_cap(struct partition *p, uint64_t v) { return set_share(p, get_reserve(p), v, get_weight(p)); }
static hv_status set_weight(struct partition *p, uint64_t v) { return set_share(p, get_reserve(p), get_cap(p), v); }

/* ---- time ---- */

static uint64_t get_frozen(struct partition *p) { return atomic_load(&p->frozen); }

static hv_status set_frozen(struct partition *p, uint64_t v)
{
	if (v > 1)
		return HV_STATUS_INVALID_PARAMETER;
	partition_freeze(p, v);
	return HV_STATUS_SUCCESS;
}

static uint64_t get_time(struct partition *p) { return partition_reference_time(p); }

static hv_status set_time(struct partition *p, uint64_t v)
{
	hv_status s = HV_STATUS_INVALID_PARTITION_STATE;

	/* Nobody may see it jump. */
	lock_acquire(&p->lock);
	if (atomic_load(&p->tsc_stopped)) {
		partition_time_set(p, v);
		s = HV_STATUS_SUCCESS;
	}
	lock_release(&p->lock);
	return s;
}

/* ---- the processor ---- */

static uint64_t get_vendor(struct partition *p)
{
	return strcmp(p->model->vendor, "AuthenticAMD") ? HV_PROCESSOR_VENDOR_INTEL : HV_PROCESSOR_VENDOR_AMD;   /* T5.2.7.a */
}

static uint64_t get_bank_0(struct partition *p) { return processor_features(p->model, HIDDEN_0); }
static uint64_t get_bank_1(struct partition *p) { return processor_features(p->model, HIDDEN_1); }
static uint64_t get_xsave_features(struct partition *p) { return processor_features(p->model, HIDDEN_XSAVE); }

/* The bits of 5.2.8; later revisions have them in bank 0. */
#define FEATURES_2009 0xffffull

static uint64_t get_processor_features(struct partition *p) { return get_bank_0(p) & FEATURES_2009; }

/* Of the bits in @which of a bank the child has those of @v from now on. */
static hv_status choose(struct partition *p, unsigned bank, uint64_t which, uint64_t v)
{
	uint64_t hidden[HIDDEN_COUNT], most;

	if (!p->by_parent)                                 /* T5.2.2.h: as if there were no setter */
		return v == (processor_features(p->model, bank) & which) ? HV_STATUS_SUCCESS : HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
	most = processor_features(p->parent->model, bank) & which;
	if (v & ~most)
		return v & ~which ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
	if (partition_vp_count(p))
		return HV_STATUS_INVALID_PARTITION_STATE;
	memcpy(hidden, p->hidden, sizeof hidden);
	hidden[bank] = (hidden[bank] & ~which) | (which & ~v);
	processor_hide(p, hidden);
	return HV_STATUS_SUCCESS;
}

static hv_status set_processor_features(struct partition *p, uint64_t v) { return choose(p, HIDDEN_0, FEATURES_2009, v); }
static hv_status set_bank_0(struct partition *p, uint64_t v) { return choose(p, HIDDEN_0, UINT64_MAX, v); }
static hv_status set_bank_1(struct partition *p, uint64_t v) { return choose(p, HIDDEN_1, UINT64_MAX, v); }
static hv_status set_xsave_features(struct partition *p, uint64_t v) { return choose(p, HIDDEN_XSAVE, UINT64_MAX, v); }

static uint64_t get_clflush(struct partition *p) { return 8; }                       /* T5.2.10.a: in units of 8 bytes */
static uint64_t get_address_width(struct partition *p) { return p->model->phys_bits; }
static uint64_t get_xsave_states(struct partition *p) { return x86_xcr0_supported(p->model); }
static uint64_t get_xsave_size(struct partition *p) { return x86_xsave_size(x86_xcr0_supported(p->model)); }
static uint64_t get_clock(struct partition *p) { return p->hv->tsc_hz; }
static uint64_t get_os_id(struct partition *p) { return atomic_load(&p->guest_os_id); }

static uint64_t get_capabilities(struct partition *p)
{
	return p->features.privileges & HV_CREATE_PARTITIONS ? HV_VMM_OVERLAY_LOCATION : 0;
}

static uint64_t get_version(struct partition *p) { return p->compatibility_version; }

static uint64_t get_per_socket(struct partition *p) { return p->topology.cores * p->topology.threads; }

/* Before there is a processor that has told its number. */
static hv_status set_per_socket(struct partition *p, uint64_t v)
{
	if (v > VP_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	if (partition_vp_count(p))
		return HV_STATUS_INVALID_PARTITION_STATE;
	p->topology = (struct x86_topology){ MUTANT(child_topology) ? 1 : MAX((uint32_t)v, 1), 1 };
	return HV_STATUS_SUCCESS;
}

static uint64_t get_tracking(struct partition *p) { return atomic_load(&p->tracked); }

/* For HvGetGpaPagesAccessStates. */
static hv_status set_tracking(struct partition *p, uint64_t v)
{
	if (v > 1)
		return HV_STATUS_INVALID_PARAMETER;
	if (v != get_tracking(p))
		gpa_space_track(p, NULL, v);
	return HV_STATUS_SUCCESS;
}

static uint64_t get_msr_action(struct partition *p) { return atomic_load(&p->msr_action); }

static hv_status set_msr_action(struct partition *p, uint64_t v)
{
	if (v > 1)
		return HV_STATUS_INVALID_PARAMETER;
	atomic_store(&p->msr_action, (uint32_t)v);
	return HV_STATUS_SUCCESS;
}

static uint64_t get_pm_timer(struct partition *p) { return atomic_load(&p->pm_timer); }

static hv_status set_pm_timer(struct partition *p, uint64_t v)
{
	if (v & HV_PM_TIMER_RESERVED)
		return HV_STATUS_INVALID_PARAMETER;
	atomic_store(&p->pm_timer, (uint32_t)v);
	return HV_STATUS_SUCCESS;
}

/* ---- others ---- */

enum { TLB_PAGES_MOST = 1024 };

static uint64_t get_tlb_pages(struct partition *p)
{
	uint64_t n;

	lock_acquire(&p->lock);
	n = p->tlb_pages;
	lock_release(&p->lock);
	return n;
}

/* Nothing here walks nested tables, so what is reserved is not filled: it is out of the pool, as the parent wants it (T5.2.6.a). */
static hv_status set_tlb_pages(struct partition *p, uint64_t v)
{
	bool ok = true;

	v = CLAMP(v, partition_tlb_least(p), TLB_PAGES_MOST);      /* T5.2.6.c */
	lock_acquire(&p->lock);
	if (v > p->tlb_pages)
		ok = pool_charge(&p->pool, (v - p->tlb_pages) * HV_PAGE_SIZE) || MUTANT(tlb_pages_free);
	else
		pool_discharge(&p->pool, (p->tlb_pages - v) * HV_PAGE_SIZE);
	if (ok)
		p->tlb_pages = v;
	lock_release(&p->lock);
	return ok ? HV_STATUS_SUCCESS : HV_STATUS_INSUFFICIENT_MEMORY;   /* T5.2.6.e, T5.6.6.k */
}

static uint64_t get_channel(struct partition *p) { return atomic_load(&p->debug_channel); }

static hv_status set_channel(struct partition *p, uint64_t v)
{
	struct hv *hv = p->hv;
	bool taken = false;

	if (v > UINT16_MAX)
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(&hv->list_lock);
	for (guint i = 0; i < hv->partitions->len && v; i++) {
		struct partition *q = g_ptr_array_index(hv->partitions, i);

		taken |= q != p && atomic_load(&q->debug_channel) == v;
	}
	if (!taken)
		atomic_store(&p->debug_channel, (uint32_t)v);
	lock_release(&hv->list_lock);
	return taken ? HV_STATUS_OBJECT_IN_USE : HV_STATUS_SUCCESS;   /* T5.6.6.h */
}

/* ---- the table, ascending; components have more ---- */

#define BOTH(what) get_##what, set_##what

static const struct property properties[] = {
	{ HV_PROPERTY_PRIVILEGE_FLAGS, EARLY | LATE, BOTH(privileges) },
	{ HV_PROPERTY_SYNTHETIC_FEATURES, EARLY, BOTH(synthetic) },
	{ HV_PROPERTY_CPU_RESERVE, LATE, BOTH(reserve) },
	{ HV_PROPERTY_CPU_CAP, LATE, BOTH(cap) },
	{ HV_PROPERTY_CPU_WEIGHT, LATE, BOTH(weight) },
	{ HV_PROPERTY_PM_TIMER_ASSIST, LATE, BOTH(pm_timer) },
	{ HV_PROPERTY_TIME_FREEZE, LATE, BOTH(frozen) },
	{ HV_PROPERTY_REFERENCE_TIME, LATE, BOTH(time) },
	{ HV_PROPERTY_DEBUG_CHANNEL_ID, LATE, BOTH(channel) },
	{ HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT, LATE, BOTH(tlb_pages) },
	{ HV_PROPERTY_PROCESSORS_PER_SOCKET, EARLY | LATE, BOTH(per_socket) },
	{ HV_PROPERTY_GPA_ACCESS_TRACKING, LATE, BOTH(tracking) },
	{ HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION, EARLY | LATE, BOTH(msr_action) },
	{ HV_PROPERTY_PROCESSOR_VENDOR, 0, get_vendor },
	{ HV_PROPERTY_PROCESSOR_FEATURES, EARLY | LATE, BOTH(processor_features) },
	{ HV_PROPERTY_PROCESSOR_XSAVE_FEATURES, EARLY | LATE, BOTH(xsave_features) },
	{ HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE, 0, get_clflush },
	{ HV_PROPERTY_COMPATIBILITY_VERSION, 0, get_version },
	{ HV_PROPERTY_PHYSICAL_ADDRESS_WIDTH, 0, get_address_width },
	{ HV_PROPERTY_XSAVE_STATES, 0, get_xsave_states },
	{ HV_PROPERTY_MAX_XSAVE_SIZE, 0, get_xsave_size },
	{ HV_PROPERTY_PROCESSOR_CLOCK, 0, get_clock },
	{ HV_PROPERTY_PROCESSOR_FEATURES_0, EARLY | LATE, BOTH(bank_0) },
	{ HV_PROPERTY_PROCESSOR_FEATURES_1, EARLY | LATE, BOTH(bank_1) },
	{ HV_PROPERTY_GUEST_OS_ID, 0, get_os_id },
	{ HV_PROPERTY_VMM_CAPABILITIES, WITH_EX, get_capabilities },
	{ HV_PROPERTY_ASSIGNABLE_SYNTHETIC_FEATURES, WITH_EX, assignable },
};

static const struct property *find(const struct hv *hv, uint32_t code)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(properties); i++)
		if (properties[i].code == code)
			return &properties[i];
	for (unsigned i = 0; i < hv->component_count; i++)
		for (const struct property *p = hv->components[i]->properties; p && p->get; p++)
			if (p->code == code)
				return p;
	return NULL;
}

/* ---- the calls ---- */

void properties_reset(struct partition *p)
{
	p->features = p->granted;
	partition_freeze(p, false);
	schedule_share(p, 0, SHARE_ONE, WEIGHT_DEFAULT);
	atomic_store(&p->debug_channel, 0);
	lock_acquire(&p->lock);
	p->tlb_pages = partition_tlb_least(p);             /* its pool has been emptied */
	lock_release(&p->lock);
	atomic_store(&p->msr_action, 0);
	atomic_store(&p->pm_timer, 0);
	set_tracking(p, 0);
}

static hv_status get_partition_property(struct hv_ctx *c)
{
	const struct hv_in_get_partition_property *in = c->in;
	const struct property *p = find(c->target->hv, in->code);

	if (!p || p->when & WITH_EX)
		return HV_STATUS_UNKNOWN_PROPERTY;         /* T5.6.5.e */
	*(uint64_t *)c->out = p->get(c->target);
	return HV_STATUS_SUCCESS;
}

static hv_status get_partition_property_ex(struct hv_ctx *c)
{
	const struct hv_in_get_partition_property_ex *in = c->in;
	const struct property *p = find(c->target->hv, in->get.code);
	struct hv_property_banks *out = c->out;

	if (!p)
		return HV_STATUS_UNKNOWN_PROPERTY;
	if (p->when & WITH_EX) {
		out->count = 1;
		out->bank[0] = p->get(c->target);
	} else {
		*(uint64_t *)c->out = p->get(c->target);
	}
	return HV_STATUS_SUCCESS;
}

/*
 * Nobody is above a machine's partition who could say no.  One that may have no children is no root (T5.6.6.d),
 * and none gives itself what it has not (T5.6.6.f).
 */
static hv_status may_set(const struct hv_ctx *c, uint32_t code, uint64_t value)
{
	uint64_t privileges = c->caller->features.privileges;

	if (c->target != c->caller)
		return HV_STATUS_SUCCESS;
	if (!(privileges & HV_CREATE_PARTITIONS))
		return HV_STATUS_ACCESS_DENIED;
	if (code == HV_PROPERTY_PRIVILEGE_FLAGS && value & privileges_defined & ~privileges && !MUTANT(property_gives_itself))
		return HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
	return HV_STATUS_SUCCESS;
}

static hv_status set(struct hv_ctx *c, uint32_t code, uint64_t value)
{
	const struct property *p = find(c->target->hv, code);
	hv_status s;
	bool inside;

	if (!p || p->when & WITH_EX)
		return HV_STATUS_UNKNOWN_PROPERTY;         /* T5.6.6.j */
	/* Read-only: what it is already can be set (OP16). */
	if (!p->set)
		return value == p->get(c->target) ? HV_STATUS_SUCCESS : HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE;
	if (!(p->when >> atomic_load(&c->target->life) & 1) && !MUTANT(property_any_time))
		return HV_STATUS_INVALID_PARTITION_STATE;  /* T5.6.6.b */
	s = may_set(c, code, value);
	if (s != HV_STATUS_SUCCESS)
		return s;
	/* Some wait for all VPs of the target, and this may be one of them. */
	inside = vp_outside_begin(c->vp);
	s = p->set(c->target, value);
	vp_outside_end(c->vp, inside);
	return s;
}

static hv_status set_partition_property(struct hv_ctx *c)
{
	const struct hv_in_set_partition_property *in = c->in;

	return set(c, in->code, in->value);
}

static hv_status set_partition_property_ex(struct hv_ctx *c)
{
	const struct hv_in_get_partition_property_ex *in = c->in;

	if (c->variable_count != 1)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	return set(c, in->get.code, c->variable[0]);
}

const struct hv_call property_calls[] = {
	{ HV_CALL_GET_PARTITION_PROPERTY, "HvGetPartitionProperty", "5.6.5", .in = sizeof(struct hv_in_get_partition_property), .out = 8,
	  .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .in_state = CALL_IN_UNINITIALIZED | CALL_IN_ACTIVE, .run = get_partition_property },
	{ HV_CALL_SET_PARTITION_PROPERTY, "HvSetPartitionProperty", "5.6.6", .in = sizeof(struct hv_in_set_partition_property),
	  .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF, .in_state = CALL_IN_UNINITIALIZED | CALL_IN_ACTIVE, .run = set_partition_property },
	{ HV_CALL_GET_PARTITION_PROPERTY_EX, "HvGetPartitionPropertyEx", "later revisions",
	  .in = sizeof(struct hv_in_get_partition_property_ex), .out = sizeof(struct hv_property_banks),
	  .on = CALL_ON_CHILD | CALL_ON_SELF, .in_state = CALL_IN_UNINITIALIZED | CALL_IN_ACTIVE, .run = get_partition_property_ex },
	{ HV_CALL_SET_PARTITION_PROPERTY_EX, "HvSetPartitionPropertyEx", "later revisions",
	  .in = sizeof(struct hv_in_get_partition_property_ex), .flags = CALL_VARIABLE, .on = CALL_ON_CHILD | CALL_ON_ROOT_SELF,
	  .in_state = CALL_IN_UNINITIALIZED | CALL_IN_ACTIVE, .run = set_partition_property_ex },
	{ .name = NULL },
};
