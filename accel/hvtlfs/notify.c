/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deliverability notifications (of later revisions, beside chapter 10): a parent that has something for a VP which
 * cannot take it yet asks in a register to be told, once, when it can.  As with any intercept the VP stands then, so
 * that it still can when its parent acts.  A bit that has been told is gone from the register: hosts set it
 * again whenever they have more.
 *
 * Nobody looks for it: the interrupt controller and the SynIC have each wish among what waits there for the same moment.
 */
#include "notify.h"

#include "accel/hvtlfs/component.h"
#include "accel/hvtlfs/mutant.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "partition.h"

/*
 * With an APIC of the hypervisor's only the parent's own interrupt controller has something left to ask for: the
 * APIC knows priorities and NMIs itself.
 */
static uint64_t known(const struct partition *p)
{
	return HV_NOTIFY_INTERRUPT | HV_NOTIFY_SINTS | (partition_has_apic(p) ? 0 : HV_NOTIFY_NMI | HV_NOTIFY_PRIORITY);
}

bool notify_set(struct vp *vp, uint64_t wanted)
{
	struct hv *hv = vp->partition->hv;

	if (wanted & ~known(vp->partition))
		return false;
	vp->notify = wanted;
	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->notify)
			hv->components[i]->notify(vp, vp->component[i], wanted);
	/* Behind the SynIC, which adds nothing any more that is not wanted. */
	atomic_fetch_and(&vp->sints_due, (uint32_t)(wanted >> HV_NOTIFY_SINT_SHIFT));
	if (wanted & HV_NOTIFY_NMI)
		vp_pend(vp, X86_PEND_NMI_WINDOW);
	else
		atomic_fetch_and(&vp->cpu.pending, ~(uint32_t)X86_PEND_NMI_WINDOW);
	return true;
}

static void told(struct vp *vp, uint64_t bits)
{
	if (!MUTANT(notify_stays))
		vp->notify &= ~bits;
}

void notify_interruption(struct vp *vp, uint32_t type)
{
	told(vp, type == HV_INTERRUPTION_NMI ? HV_NOTIFY_NMI : HV_NOTIFY_INTERRUPT | HV_NOTIFY_PRIORITY);
	vp->intercept.type = (uint32_t)HV_MESSAGE_INTERRUPTION_DELIVERABLE;
	vp->intercept.access = HV_INTERCEPT_EXECUTE;
	vp->intercept.deliverable = type;
}

void vp_sint_deliverable(struct vp *vp, unsigned sint)
{
	atomic_fetch_or(&vp->sints_due, 1u << sint);
	/* Told at the boundary that this leads to. */
	vp_pend(vp, X86_PEND_STOP | X86_PEND_CODE);
}

bool notify_sints(struct vp *vp)
{
	uint32_t sints;

	if (!atomic_load(&vp->sints_due))
		return false;
	sints = atomic_exchange(&vp->sints_due, 0);
	told(vp, (uint64_t)sints << HV_NOTIFY_SINT_SHIFT);
	vp->intercept.type = (uint32_t)HV_MESSAGE_SINT_DELIVERABLE;
	vp->intercept.access = HV_INTERCEPT_EXECUTE;
	vp->intercept.deliverable = sints;
	return true;
}
