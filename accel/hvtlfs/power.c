/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Power states of logical processors (6.3.2).  The root writes down how C1 to C3 are entered and enters one
 * by a read.  A logical processor is the thread of its root VP, so all states are the same sleep; the
 * machine has no bus master that ACPI would have to arbitrate: those bits are kept and mean nothing.
 */
#include "accel/hvtlfs/mutant.h"
#include "hv/msr.h"
#include "hv/root.h"
#include "partition.h"

static unsigned change_of(uint64_t config)
{
	return config >> HV_POWER_CHANGE_SHIFT & 0xf;
}

/* OP19: what is reserved or undefined is #GP, as in other MSRs. */
static bool is_valid(uint64_t config)
{
	uint64_t known;

	switch (change_of(config)) {
	case HV_POWER_CHANGE_HLT: known = 0; break;
	case HV_POWER_CHANGE_IO_HLT:
	case HV_POWER_CHANGE_IO: known = HV_POWER_PORT_MASK; break;
	case HV_POWER_CHANGE_MWAIT: known = HV_POWER_HINTS_MASK | HV_POWER_BREAK_ON_MASKED; break;
	default: return MUTANT(power_any_config);
	}
	return !(config & (HV_POWER_RESERVED | (HV_POWER_TYPE_MASK & ~known))) || MUTANT(power_any_config);
}

enum x86_result power_config_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = vp->power_config[msr - HV_X64_MSR_POWER_STATE_CONFIG_C1];
	return X86_OK;
}

enum x86_result power_config_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	if (!is_valid(value))
		return X86_FAULT_GP;                       /* T6.3.2.1.1.b, T6.3.2.1.1.c */
	vp->power_config[msr - HV_X64_MSR_POWER_STATE_CONFIG_C1] = value;
	return X86_OK;
}

/* HLT's sleep ends with what can be delivered, MWAIT's with any interrupt if it is told so (T6.3.2.1.1.d). */
static bool wakes_masked(uint64_t config)
{
	return change_of(config) == HV_POWER_CHANGE_MWAIT && config & HV_POWER_BREAK_ON_MASKED && !MUTANT(power_sleeps_on);
}

/*
 * The read is done and the VP sleeps behind it: nothing can be seen between the two.  A logical
 * processor has nobody else to run, so it goes idle once for each sleep (T6.3.2.1.2.b).
 */
enum x86_result power_trigger_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	uint64_t config = vp->power_config[msr - HV_X64_MSR_POWER_STATE_TRIGGER_C1];
	unsigned change = change_of(config);
	bool masked = wakes_masked(config);
	enum x86_result r = X86_OK;
	uint32_t unused;

	if ((change == HV_POWER_CHANGE_IO_HLT || change == HV_POWER_CHANGE_IO) && !MUTANT(power_no_port))
		r = vp->cpu.ops->io_read(vp->cpu.opaque, (uint16_t)config, 1, &unused);
	if (r != X86_OK)
		return r;
	*value = 0;
	if (MUTANT(power_awake) || vp->cpu.activity != X86_ACTIVE || (masked && vp_is_wanted(vp)))
		return X86_OK;
	vp->cpu.activity = masked ? X86_IDLE : X86_HALTED; /* T6.3.2.1.2.a */
	*value = UINT64_C(1) << HV_POWER_IDLE_COUNT_SHIFT;
	return X86_OK;
}

void power_reset(struct vp *vp)
{
	for (unsigned i = 0; i < HV_POWER_STATES; i++)
		vp->power_config[i] = 0;
}
