/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic MSRs: one row each.  The components' rows stand behind these; what no
 * row has is #GP (T31.c).
 */
#include "hv/msr.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/time.h"
#include "page.h"
#include "stats.h"
#include "target/i386/mem.h"
#include "trace/log.h"

static bool beyond_space(const struct partition *p, uint64_t value)
{
	return value >> HV_MSR_PAGE_SHIFT >= p->map.pages;
}

/* ---- identity and hypercall page (3.6, 4.12) ---- */

static enum x86_result os_id_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = atomic_load(&vp->partition->guest_os_id);
	return X86_OK;
}

static enum x86_result os_id_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct partition *p = vp->partition;
	bool disable;

	(void)msr;
	lock_acquire(&p->lock);
	atomic_store(&p->guest_os_id, MUTANT(os_id_low) ? (uint32_t)value : value);
	disable = !value && !MUTANT(page_outlives_os_id) && msr_page_enabled(p->hypercall); /* T3.6.e, T4.12.h */
	if (disable)
		msr_page_set(p->hypercall, msr_page_value(p->hypercall) & ~HV_MSR_PAGE_ENABLE);
	lock_release(&p->lock);
	if (disable)
		partition_flush(p, vp);
	return X86_OK;
}

static enum x86_result hypercall_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = msr_page_value(vp->partition->hypercall);
	return X86_OK;
}

/* Locks: p->lock held.  The root copies the code elsewhere, so it must run at any address. */
static void hypercall_page_fill(struct partition *p)
{
	static const uint8_t code[] = {
		0xf3, 0x0f, 0x1e, 0xfa,   /* endbr64: Linux 6.1 looks for it */
		0x0f, 0x01, 0xc1,         /* vmcall */
		0xc3,                     /* ret */
	};
	uint8_t page[HV_PAGE_SIZE];

	/* int3 behind it: nothing there is an entry. */
	memset(page, 0xcc, sizeof page);
	if (!MUTANT(page_empty))
		memcpy(page, code, sizeof code);
	memory_fill(p, p->hypercall->page.frame, page, sizeof page);
}

static enum x86_result hypercall_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct partition *p = vp->partition;

	(void)msr;
	if (value & HV_MSR_PAGE_ENABLE && beyond_space(p, value) && !MUTANT(page_outside))
		return X86_FAULT_GP;                       /* T4.12.d */
	lock_acquire(&p->lock);
	if (!atomic_load(&p->guest_os_id) && !MUTANT(page_without_os_id))
		value &= ~HV_MSR_PAGE_ENABLE;              /* T4.12.f */
	msr_page_set(p->hypercall, value);
	if (value & HV_MSR_PAGE_ENABLE)
		hypercall_page_fill(p);
	lock_release(&p->lock);
	partition_flush(p, vp);
	return X86_OK;
}

/* ---- VP index, run time ---- */

static enum x86_result vp_index_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = MUTANT(msr_index) ? 0 : vp->index;                                /* T10.2.1.b */
	return X86_OK;
}

static enum x86_result run_time_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vp_run_time_ns(vp) / 100;                 /* 10.3.2 */
	return X86_OK;
}

/*
 * Idle sleep state (10.1.4).  The read is done, its value 0 (T10.1.4.f, OP-6), and the VP
 * sleeps behind it, unless something waits for it already; vp_slice() wakes it.  NMI and
 * INIT are the engine's to wake for, as from HLT.
 */
static enum x86_result guest_idle_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = 0;
	vp_count(vp, COUNT_IDLES);
	if (vp->cpu.activity == X86_ACTIVE && !vp_is_wanted(vp))
		vp->cpu.activity = X86_IDLE;               /* T10.1.4.a */
	return X86_OK;
}

/* ---- reset (6.3.5) ---- */

static enum x86_result reset_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)vp, (void)msr;
	*value = 0;                                        /* T6.3.5.a */
	return X86_OK;
}

static enum x86_result reset_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (value & HV_RESET_NOW)
		vp_exit(vp, EXIT_RESET_MSR);               /* T6.3.5.b */
	return X86_OK;                                     /* T6.3.5.c */
}

/* ---- time (15.2, 15.4) ---- */

/*
 * T15.1.2.b: no two reads of any VPs give the same value.  Whoever comes too early waits
 * out the unit, 100 ns at most: to run ahead of the clock would disagree with the page.
 */
static enum x86_result reference_count_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	struct partition *p = vp->partition;
	uint64_t last = atomic_load(&p->reference_last), now;

	(void)msr;
	for (;;) {
		now = partition_reference_time(p);
		if (MUTANT(reference_same))
			now = now / 16 * 16;
		if (MUTANT(reference_same) || (now > last && atomic_compare_exchange_weak(&p->reference_last, &last, now)))
			break;
		/* It stands: only somebody outside can be reading. */
		if (now <= last && atomic_load(&p->tsc_stopped))
			break;
		last = atomic_load(&p->reference_last);
	}
	*value = now + (MUTANT(reference_hour) ? 3600 * HV_REFERENCE_HZ : 0);
	return X86_OK;
}

static enum x86_result reference_tsc_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = msr_page_value(vp->partition->reference_tsc);
	return X86_OK;
}

/*
 * Locks: p->lock held.  Guests may read it any time: unusable first, then the fields, then
 * usable again under a new number (each store is a release).
 */
static void reference_page_fill(struct partition *p)
{
	uint8_t *page = msr_page_host(p->reference_tsc);

	p->reference_sequence += !MUTANT(tsc_page_sequence);
	if (p->reference_sequence < HV_REFERENCE_TSC_FIRST || p->reference_sequence > HV_REFERENCE_TSC_LAST)
		p->reference_sequence = HV_REFERENCE_TSC_FIRST;
	x86_host_st32((uint32_t *)page, HV_REFERENCE_TSC_UNUSABLE);
	x86_host_st64((uint64_t *)(page + offsetof(struct hv_reference_tsc_page, scale)), p->hv->reference_scale);
	/* The guest's TSC stands while the partition does: no offset is ever needed. */
	x86_host_st64((uint64_t *)(page + offsetof(struct hv_reference_tsc_page, offset)),
		      MUTANT(tsc_page_offset) ? 3600 * HV_REFERENCE_HZ : 0);
	x86_host_st32((uint32_t *)page, MUTANT(tsc_page_unusable) ? UINT32_MAX : p->reference_sequence);
}

static enum x86_result reference_tsc_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct partition *p = vp->partition;

	(void)msr;
	if (MUTANT(msr_reference_tsc_bits))
		value &= ~HV_MSR_PAGE_PRESERVED;
	lock_acquire(&p->lock);
	msr_page_set(p->reference_tsc, value);
	if (value & HV_MSR_PAGE_ENABLE)
		reference_page_fill(p);
	lock_release(&p->lock);
	partition_flush(p, vp);
	return X86_OK;
}

static enum x86_result tsc_frequency_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = vp->partition->hv->tsc_hz;
	return X86_OK;
}

static enum x86_result apic_frequency_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)vp, (void)msr;
	*value = HV_APIC_HZ;
	return X86_OK;
}

/* ---- VP assist page (13.3.4) ---- */

static enum x86_result assist_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = msr_page_value(vp->assist);
	return X86_OK;
}

static enum x86_result assist_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	(void)msr;
	msr_page_place(vp, vp->assist, value);
	return X86_OK;
}

uint32_t *vp_eoi_assist(struct vp *vp)
{
	/* A guest that has no synthetic EOI register has been told nothing of the page, either. */
	if (!(vp->partition->features.privileges & HV_ACCESS_APIC) || !msr_page_enabled(vp->assist))
		return NULL;
	return msr_page_host(vp->assist);
}

/* ---- re-enlightenment (of later revisions) ---- */

/*
 * What the guest wants to hear when the TSC's rate changes, and whether its reads of the
 * TSC shall be emulated from then on.  The rate never changes here.
 */
static _Atomic uint64_t *reenlightenment(struct partition *p, uint32_t msr)
{
	return msr == HV_X64_MSR_REENLIGHTENMENT_CONTROL ? &p->reenlightenment : &p->tsc_emulation;
}

static enum x86_result reenlightenment_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = atomic_load(reenlightenment(vp->partition, msr));
	return X86_OK;
}

static enum x86_result reenlightenment_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	atomic_store(reenlightenment(vp->partition, msr), value);
	return X86_OK;
}

/* Never in progress; a guest ends it by writing 0. */
static enum x86_result emulation_status_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)vp, (void)msr;
	*value = 0;
	return X86_OK;
}

static enum x86_result emulation_status_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	(void)vp, (void)msr, (void)value;
	return X86_OK;
}

/* ---- invariant TSC (of later revisions) ---- */

static enum x86_result invariant_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = atomic_load(&vp->partition->tsc_exposed);
	return X86_OK;
}

/* What the guest has been told once stays: 0 does not take it back. */
static enum x86_result invariant_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct partition *p = vp->partition;

	(void)msr;
	if (value)
		atomic_store(&p->tsc_exposed, true);
	return value || !atomic_load(&p->tsc_exposed) ? X86_OK : X86_FAULT_GP;
}

/* ---- the table ---- */

#define ONE(msr) .first = msr, .last = msr, .name = #msr

static const struct msr_row rows[] = {
	{ ONE(HV_X64_MSR_GUEST_OS_ID), HV_ACCESS_HYPERCALL, MSR_PARTITION, 0, os_id_read, os_id_write },
	{ ONE(HV_X64_MSR_HYPERCALL), HV_ACCESS_HYPERCALL, MSR_PARTITION, 0, hypercall_read, hypercall_write },
	{ ONE(HV_X64_MSR_VP_INDEX), HV_ACCESS_VP_INDEX, MSR_VP, 0, vp_index_read, NULL },
	{ ONE(HV_X64_MSR_RESET), HV_ACCESS_RESET, MSR_PARTITION, ~HV_RESET_NOW, reset_read, reset_write },
	{ ONE(HV_X64_MSR_VP_RUNTIME), HV_ACCESS_VP_RUN_TIME, MSR_VP, 0, run_time_read, NULL },
	{ HV_X64_MSR_POWER_STATE_TRIGGER_C1, HV_X64_MSR_POWER_STATE_TRIGGER_C3, "HV_X64_MSR_POWER_STATE_TRIGGER",
	  HV_CPU_MANAGEMENT, MSR_VP, 0, power_trigger_read, NULL },   /* T6.3.2.1.2.c */
	{ HV_X64_MSR_POWER_STATE_CONFIG_C1, HV_X64_MSR_POWER_STATE_CONFIG_C3, "HV_X64_MSR_POWER_STATE_CONFIG",
	  HV_CPU_MANAGEMENT, MSR_VP, 0, power_config_read, power_config_write },
	{ ONE(HV_X64_MSR_GUEST_IDLE), HV_ACCESS_GUEST_IDLE, MSR_VP, 0, guest_idle_read, NULL },
	{ ONE(HV_X64_MSR_TIME_REF_COUNT), HV_ACCESS_REFERENCE_COUNTER, MSR_PARTITION, 0, reference_count_read, NULL },
	{ ONE(HV_X64_MSR_REFERENCE_TSC), HV_ACCESS_REFERENCE_TSC, MSR_PARTITION, 0, reference_tsc_read,
	  reference_tsc_write },
	{ ONE(HV_X64_MSR_TSC_FREQUENCY), HV_ACCESS_FREQUENCIES, MSR_PARTITION, 0, tsc_frequency_read, NULL },
	{ ONE(HV_X64_MSR_APIC_FREQUENCY), HV_ACCESS_FREQUENCIES, MSR_PARTITION, 0, apic_frequency_read, NULL },
	{ ONE(HV_X64_MSR_REENLIGHTENMENT_CONTROL), HV_ACCESS_REENLIGHTENMENT, MSR_PARTITION, 0xfffeff00, reenlightenment_read,
	  reenlightenment_write },
	{ ONE(HV_X64_MSR_TSC_EMULATION_CONTROL), HV_ACCESS_REENLIGHTENMENT, MSR_PARTITION, ~1ull, reenlightenment_read,
	  reenlightenment_write },
	{ ONE(HV_X64_MSR_TSC_EMULATION_STATUS), HV_ACCESS_REENLIGHTENMENT, MSR_PARTITION, ~0ull, emulation_status_read,
	  emulation_status_write },
	{ ONE(HV_X64_MSR_TSC_INVARIANT_CONTROL), HV_ACCESS_TSC_INVARIANT, MSR_PARTITION, ~HV_TSC_INVARIANT_EXPOSE,
	  invariant_read, invariant_write },
	{ HV_X64_MSR_CRASH_P0, HV_X64_MSR_CRASH_CTL, "HV_X64_MSR_CRASH", 0, MSR_PARTITION, 0, crash_read, crash_write },
	{ HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE, HV_X64_MSR_STATS_VP_INTERNAL_PAGE, "HV_X64_MSR_STATS", HV_ACCESS_STATS_MSRS, MSR_VP,
	  0, stats_msr_read, stats_msr_write },
	/* No privilege: Linux writes it whatever the features say. */
	{ ONE(HV_X64_MSR_VP_ASSIST_PAGE), 0, MSR_VP, 0, assist_read, assist_write },
	{ .name = NULL },
};

static const struct msr_row *row_find(const struct msr_row *row, uint32_t msr)
{
	for (; row && row->name; row++)
		if (msr >= row->first && msr <= row->last)
			return row;
	return NULL;
}

static const struct msr_row *row_search(const struct hv *hv, uint32_t msr)
{
	const struct msr_row *row = row_find(rows, msr);

	for (unsigned i = 0; !row && i < hv->component_count; i++)
		row = row_find(hv->components[i]->msrs, msr);
	return row;
}

void msr_table_init(struct hv *hv)
{
	for (uint32_t i = 0; i < MSR_SYNTHETIC_COUNT; i++)
		hv->msr_row[i] = row_search(hv, MSR_SYNTHETIC + i);
	for (uint32_t i = 0; i < MSR_X2APIC_COUNT; i++)
		hv->msr_row[MSR_SYNTHETIC_COUNT + i] = row_search(hv, MSR_X2APIC + i);
}

static const struct msr_row *row_at(const struct hv *hv, uint32_t msr)
{
	if (msr - MSR_SYNTHETIC < MSR_SYNTHETIC_COUNT)
		return hv->msr_row[msr - MSR_SYNTHETIC];
	if (msr - MSR_X2APIC < MSR_X2APIC_COUNT)
		return hv->msr_row[MSR_SYNTHETIC_COUNT + msr - MSR_X2APIC];
	return row_search(hv, msr);
}

static const struct msr_row *row_of(struct vp *vp, uint32_t msr)
{
	const struct msr_row *row = row_at(vp->partition->hv, msr);

	if (row && (row->privilege & ~vp->partition->features.privileges) && !MUTANT(msr_privilege))
		return NULL;                               /* T5.2.3.c */
	return row;
}

bool msr_is_virtual(struct vp *vp, uint32_t msr)
{
	return row_of(vp, msr) != NULL;
}

enum x86_result msr_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	const struct msr_row *row = row_of(vp, msr);
	int64_t from = vp_cost_begin(vp);
	enum x86_result r = row && row->read ? row->read(vp, msr, value) : X86_FAULT_GP;

	vp_cost_end(vp, COUNT_MSR_NS, from);
	if (MUTANT(msr_unknown_zero) && !row) {
		*value = 0;
		r = X86_OK;
	}
	vp_count(vp, COUNT_MSR_READS);
	if (log_on(LOG_MSR))
		log_print(LOG_MSR, "%s/%u: rdmsr %#x (%s) = %#" PRIx64 "%s\n", vp->partition->name, vp->index, msr,
			  row ? row->name : "unknown", r == X86_OK ? *value : 0, r == X86_OK ? "" : " #GP");
	return r;
}

enum x86_result msr_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	const struct msr_row *row = row_of(vp, msr);
	int64_t from = vp_cost_begin(vp);
	enum x86_result r = X86_FAULT_GP;

	vp_count(vp, COUNT_MSR_WRITES);
	if (row && row->write && !(value & row->reserved))
		r = row->write(vp, msr, value);
	vp_cost_end(vp, COUNT_MSR_NS, from);
	if (MUTANT(msr_read_only) && row && !row->write)
		r = X86_OK;
	if (log_on(LOG_MSR))
		log_print(LOG_MSR, "%s/%u: wrmsr %#x (%s) = %#" PRIx64 "%s\n", vp->partition->name, vp->index, msr,
			  row ? row->name : "unknown", value, r == X86_OK ? "" : " #GP");
	return r;
}

/* ---- life ---- */

bool msr_init(struct partition *p)
{
	p->hypercall = msr_page_new(p, X86_PAGE_READ | X86_PAGE_EXEC | (MUTANT(page_writable) ? X86_PAGE_WRITE : 0));
	p->reference_tsc = msr_page_new(p, X86_PAGE_READ);
	return p->hypercall && p->reference_tsc && stats_init_partition(p);
}

bool msr_init_vp(struct vp *vp)
{
	vp->assist = msr_page_new(vp->partition, X86_PAGE_READ | X86_PAGE_WRITE);
	return vp->assist && stats_init_vp(vp);
}

void msr_fini(struct partition *p)
{
	msr_page_free(p->hypercall);
	msr_page_free(p->reference_tsc);
	p->hypercall = p->reference_tsc = NULL;
	stats_fini_partition(p);
}

void msr_fini_vp(struct vp *vp)
{
	msr_page_free(vp->assist);
	vp->assist = NULL;
	stats_fini_vp(vp);
}

void msr_reset_partition(struct partition *p)
{
	atomic_store(&p->guest_os_id, 0);
	atomic_store(&p->reference_last, 0);
	for (unsigned i = 0; i < HV_CRASH_PARAMETERS; i++)
		atomic_store(&p->crash_parameter[i], 0);
	atomic_store(&p->reenlightenment, 0);
	atomic_store(&p->tsc_emulation, 0);
	atomic_store(&p->tsc_exposed, false);
	msr_page_reset(p->hypercall);
	msr_page_reset(p->reference_tsc);
}

void msr_reset_vp(struct vp *vp)
{
	msr_page_reset(vp->assist);
	power_reset(vp);
	stats_reset_vp(vp);
}

/* ---- from outside ---- */

struct msr_access {
	uint32_t msr;
	uint64_t value;
	bool ok;
};

static void rdmsr_task(struct vp *vp, void *o)
{
	struct msr_access *a = o;

	a->ok = msr_read(vp, a->msr, &a->value) == X86_OK;
}

static void wrmsr_task(struct vp *vp, void *o)
{
	struct msr_access *a = o;

	a->ok = msr_write(vp, a->msr, a->value) == X86_OK;
}

bool vp_rdmsr(struct vp *vp, uint32_t msr, uint64_t *value)
{
	struct msr_access a = { .msr = msr };

	vp_call(vp, rdmsr_task, &a);
	*value = a.value;
	return a.ok;
}

bool vp_wrmsr(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct msr_access a = { .msr = msr, .value = value };

	vp_call(vp, wrmsr_task, &a);
	return a.ok;
}
