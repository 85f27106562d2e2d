/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Crash MSRs (of later revisions; what Linux does with them): five parameters and
 * a control register.  A notification stops the VP behind its WRMSR until the stack has
 * acted; then the guest goes on, to reboot or to dump itself.
 */
#include "accel/hvtlfs/crash.h"

#include <string.h>

#include "hv/cpuid.h"
#include "hv/msr.h"
#include "partition.h"

/* Anything may stand there: users' terminals and JSON get plain text. */
static void make_plain(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((s[i] < 0x20 || s[i] > 0x7e) && s[i] != '\n' && s[i] != '\t')
			s[i] = '?';
}

static void read_message(struct partition *p, struct hv_crash *c)
{
	uint64_t at = c->parameter[3];
	size_t n = MIN(c->parameter[4], HV_CRASH_MESSAGE_MAX);

	if (at > UINT64_MAX - n || !partition_read(p, (gpa_t){ at }, c->message, n))
		n = 0;
	c->message[n] = 0;
	make_plain(c->message, n);
}

static void notify(struct vp *vp, bool with_message)
{
	struct partition *p = vp->partition;
	struct hv_crash *c = g_new0(struct hv_crash, 1);

	for (unsigned i = 0; i < HV_CRASH_PARAMETERS; i++)
		c->parameter[i] = atomic_load(&p->crash_parameter[i]);
	if (with_message)
		read_message(p, c);
	lock_acquire(&p->lock);
	p->crash = *c;
	lock_release(&p->lock);
	g_free(c);
	if (p->stack && p->stack->exit)
		vp_exit(vp, EXIT_CRASH);
}

void partition_crash(struct partition *p, struct hv_crash *crash)
{
	lock_acquire(&p->lock);
	*crash = p->crash;
	lock_release(&p->lock);
}

/* No privilege stands for them, only a bit of leaf 3. */
static bool offered(const struct vp *vp)
{
	return vp->partition->features.facilities & HV_FEATURE_CRASH_MSRS;
}

enum x86_result crash_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	if (!offered(vp))
		return X86_FAULT_GP;
	if (msr == HV_X64_MSR_CRASH_CTL)
		*value = HV_CRASH_NOTIFY | HV_CRASH_MESSAGE;   /* what there is */
	else
		*value = atomic_load(&vp->partition->crash_parameter[msr - HV_X64_MSR_CRASH_P0]);
	return X86_OK;
}

enum x86_result crash_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	if (!offered(vp))
		return X86_FAULT_GP;
	if (msr != HV_X64_MSR_CRASH_CTL)
		atomic_store(&vp->partition->crash_parameter[msr - HV_X64_MSR_CRASH_P0], value);
	else if (value & HV_CRASH_NOTIFY)
		notify(vp, value & HV_CRASH_MESSAGE);
	return X86_OK;
}
