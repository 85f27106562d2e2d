/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUID as the hypervisor answers it: leaves 0x40000000 and up.  That there is one, bit 31
 * of leaf 1, is a feature of every model, so that -cpu can hide it.  The bits of leaf 3 are
 * the partition's privileges themselves, so nothing can be told that is not allowed, and the
 * other way round (T3.4.h).
 */
#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/cpuid.h"
#include "hv/root.h"
#include "partition.h"

enum { EAX, EBX, ECX, EDX };
enum { APIC_BASE_ENABLE = 1 << 11, CPUID_1_EDX_APIC = 9, CPUID_POWER_EDX_TSC_INVARIANT = 8 };
#define CPUID_POWER 0x80000007u
/* Of AMD's processors of 2009, which tell of nothing there that a partition has. */
#define CPUID_NOTHING_FIRST 0x80000009u
#define CPUID_NOTHING_LAST 0x8000001au

static void leaf_vendor(struct vp *vp, uint32_t regs[4])
{
	const char *vendor = vp->partition->features.vendor;

	/* T3.4.a; what has no row below is all zeros: T3.4.x, T3.4.y, and the leaves of later revisions. */
	regs[EAX] = MUTANT(leaf_last_too_low) ? HV_CPUID_LIMITS - 1 : HV_CPUID_LAST;
	memcpy(&regs[EBX], vendor, 4);
	memcpy(&regs[MUTANT(leaf_vendor_order) ? EDX : ECX], vendor + 4, 4);
	memcpy(&regs[MUTANT(leaf_vendor_order) ? ECX : EDX], vendor + 8, 4);
}

static void leaf_interface(struct vp *vp, uint32_t regs[4])
{
	(void)vp;
	regs[EAX] = HV_INTERFACE_EAX + MUTANT(leaf_interface);  /* T3.4.c */
}

static void leaf_version(struct vp *vp, uint32_t regs[4])
{
	const struct hv_features *f = &vp->partition->features;

	/*
	 * Not T3.4.f (zeros until the guest has told who it is): Linux reads this leaf
	 * before it writes the guest OS id and reports what it finds.
	 */
	regs[EAX] = f->version.build;
	regs[EBX] = f->version.major << 16 | f->version.minor;
	regs[ECX] = f->version.service_pack;
	regs[EDX] = (MUTANT(leaf_version_branch) ? 0 : f->version.service_branch << 24) | f->version.service_number;
}

static void leaf_features(struct vp *vp, uint32_t regs[4])
{
	const struct hv_features *f = &vp->partition->features;

	regs[EAX] = (uint32_t)f->privileges & ~(MUTANT(leaf_index_untold) ? (uint32_t)HV_ACCESS_VP_INDEX : 0);
	regs[EBX] = (uint32_t)((f->privileges | (MUTANT(leaf_privileges_high) ? HV_ACCESS_PARTITION_ID : 0)) >> 32);
	if (MUTANT(root_manages_nothing))
		regs[EBX] &= ~(uint32_t)(HV_CPU_MANAGEMENT >> 32);
	/* C0 to C3 (T3.4.l). */
	regs[ECX] = partition_is_root(vp->partition) ? HV_POWER_STATES : 0;
	regs[EDX] = f->facilities;                         /* T3.4.n, T3.4.p */
}

static void leaf_recommendations(struct vp *vp, uint32_t regs[4])
{
	const struct hv_features *f = &vp->partition->features;

	regs[EAX] = f->hints;
	regs[EBX] = MUTANT(leaf_retries) ? 0 : f->spinlock_retries;
}

static void leaf_limits(struct vp *vp, uint32_t regs[4])
{
	(void)vp;
	regs[EAX] = VP_MAX;                                /* T3.4.u; EBX: not told (T3.4.v) */
}

/* A guest that can ask for it has not asked yet. */
static bool tsc_concealed(struct partition *p)
{
	return p->features.privileges & HV_ACCESS_TSC_INVARIANT && !atomic_load(&p->tsc_exposed) && !MUTANT(tsc_not_concealed);
}

static void answer(struct vp *vp, uint32_t leaf, uint32_t regs[4])
{
	/* The APIC is not there while IA32_APIC_BASE has it off (SDM volume 3, 11.4.3). */
	if (leaf == 1 && !(vp->cpu.apic_base & APIC_BASE_ENABLE))
		regs[EDX] &= ~(1u << CPUID_1_EDX_APIC);
	if (leaf == CPUID_POWER && (tsc_concealed(vp->partition) || MUTANT(tsc_variant)))
		regs[EDX] &= ~(1u << CPUID_POWER_EDX_TSC_INVARIANT);
	/* Where the processor has no such leaf it would tell what its highest basic one does. */
	if (leaf >= CPUID_NOTHING_FIRST && leaf <= CPUID_NOTHING_LAST && !MUTANT(leaf_beyond))
		memset(regs, 0, 4 * sizeof regs[0]);       /* T27.aa, T27.ab */
	if (leaf >> 16 != HV_CPUID_VENDOR >> 16)
		return;
	/* Whatever comes in: guests read leaves beyond the announced ones and take zeros for granted. */
	memset(regs, 0, 4 * sizeof regs[0]);
	if (MUTANT(leaf_unknown))
		regs[EAX] = leaf;
	switch (leaf) {
	case HV_CPUID_VENDOR: leaf_vendor(vp, regs); break;
	case HV_CPUID_INTERFACE: leaf_interface(vp, regs); break;
	case HV_CPUID_VERSION: leaf_version(vp, regs); break;
	case HV_CPUID_FEATURES: leaf_features(vp, regs); break;
	case HV_CPUID_RECOMMENDATIONS: leaf_recommendations(vp, regs); break;
	case HV_CPUID_LIMITS: leaf_limits(vp, regs); break;
	}
}

void leaves_answer(struct vp *vp, uint32_t leaf, uint32_t regs[4])
{
	int64_t from = vp_cost_begin(vp);

	vp_count(vp, COUNT_CPUIDS);
	answer(vp, leaf, regs);
	vp_cost_end(vp, COUNT_CPUID_NS, from);
}

struct cpuid_access {
	uint32_t leaf, subleaf, *regs;
};

static void cpuid_task(struct vp *vp, void *o)
{
	struct cpuid_access *a = o;

	x86_cpuid(&vp->cpu, a->leaf, a->subleaf, a->regs);
	leaves_answer(vp, a->leaf, a->regs);
}

void vp_cpuid(struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	struct cpuid_access a = { .leaf = leaf, .subleaf = subleaf, .regs = regs };

	memset(regs, 0, 4 * sizeof regs[0]);
	vp_call(vp, cpuid_task, &a);
}
