/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parent.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/hypercall.h"
#include "hv/intercept.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "partition.h"

/* ---- memory ---- */

/* T9.1.2.i: always, whatever is installed. */
static enum x86_result memory(struct vp *vp, gpa_t gpa, uint8_t access)
{
	struct gpa_target t;

	vp->intercept.type = (uint32_t)(gpa_map_lookup(&vp->partition->map, gpa_page(gpa), &t) || MUTANT(intercept_unmapped) ?
					HV_MESSAGE_GPA_INTERCEPT :        /* T16.3.2.a, T11.8.f */
					HV_MESSAGE_UNMAPPED_GPA);         /* T16.3.1.a, T11.8.d */
	vp->intercept.access = access;
	vp->intercept.memory.gpa = gpa.v;
	vp->intercept.memory.gva = vp->cpu.outside;
	return X86_STOP;
}

static enum x86_result mmio_read(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t *value)
{
	return memory(vp, gpa, HV_INTERCEPT_READ);
}

static enum x86_result mmio_write(void *o, struct vp *vp, gpa_t gpa, unsigned size, uint64_t value)
{
	return memory(vp, gpa, HV_INTERCEPT_WRITE);
}

static enum x86_result probe(void *o, struct vp *vp, gpa_t gpa, enum x86_access access)
{
	if (MUTANT(intercept_half_done))
		return X86_OK;
	return memory(vp, gpa, access == X86_WRITE ? HV_INTERCEPT_WRITE : HV_INTERCEPT_READ);
}

static enum x86_result bad_fetch(void *o, struct vp *vp, gpa_t gpa)
{
	return memory(vp, gpa, MUTANT(intercept_fetch) ? HV_INTERCEPT_READ : HV_INTERCEPT_EXECUTE);      /* T11.8.i */
}

/* ---- ports ---- */

bool parent_has_port(const struct partition *p, uint16_t port, unsigned size)
{
	return partition_is_exo(p) || intercepts_has_port(p->intercepts, port, size);
}

static enum x86_result io(struct vp *vp, uint16_t port, unsigned size, uint8_t access)
{
	if (!parent_has_port(vp->partition, port, size))
		return X86_OK;                             /* T11.9.c */
	vp->intercept.type = (uint32_t)HV_MESSAGE_IO_INTERCEPT;
	vp->intercept.access = access;
	vp->intercept.io.port = port;
	vp->intercept.io.size = (uint8_t)size;
	return X86_STOP;
}

/* T15.1.6.a to T15.1.6.f: IN at the very port. */
static bool pm_timer_read(const struct vp *vp, uint16_t port, uint32_t *value)
{
	uint32_t assist = atomic_load_explicit(&vp->partition->pm_timer, memory_order_relaxed);
	unsigned __int128 ticks;

	if (!(assist & HV_PM_TIMER_ENABLED) || (assist & HV_PM_TIMER_PORT) != port || (vp->cpu.ins && !MUTANT(pm_timer_ins)))
		return false;
	ticks = (unsigned __int128)partition_reference_time(vp->partition) * 3579545 / 10000000;
	*value = (uint32_t)ticks;
	if (assist & HV_PM_TIMER_WIDTH_24 && !MUTANT(pm_timer_wide))
		*value &= 0xffffff;
	return true;
}

static enum x86_result io_read(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t *value)
{
	if (pm_timer_read(vp, port, value))
		return X86_OK;                             /* T11.9.b, T15.1.6.g */
	return io(vp, port, size, HV_INTERCEPT_READ);
}

static enum x86_result io_write(void *o, struct vp *vp, uint16_t port, unsigned size, uint32_t value)
{
	return io(vp, port, size, HV_INTERCEPT_WRITE);
}

/* ---- MSRs, leaves, exceptions, HLT, hypercalls ---- */

static enum x86_result stop(struct vp *vp, int32_t type, uint8_t access)
{
	vp->intercept.type = (uint32_t)type;
	vp->intercept.access = access;
	return X86_STOP;
}

static enum x86_result msr(void *o, struct vp *vp, uint32_t number, bool write, uint64_t *value)
{
	struct partition *p = vp->partition;
	int action = intercepts_msr_action(p, vp->index, number, write);

	if (action < 0 && atomic_load(&p->intercepts->msr)) {
		vp->intercept.msr = number;
		return stop(vp, HV_MESSAGE_MSR_INTERCEPT, write ? HV_INTERCEPT_WRITE : HV_INTERCEPT_READ);
	}
	if (action < 0)
		action = (int)atomic_load(&p->msr_action);
	if (action != HV_MSR_IGNORE)
		return X86_FAULT_GP;                       /* T11.10.d */
	if (!write)
		*value = 0;
	return X86_OK;
}

static enum x86_result msr_offer(void *o, struct vp *vp, uint32_t number, bool write)
{
	if (!intercepts_has_msr(vp->partition, number, write))
		return X86_OK;
	vp->intercept.msr = number;
	return stop(vp, HV_MESSAGE_MSR_INTERCEPT, write ? HV_INTERCEPT_WRITE : HV_INTERCEPT_READ);
}

static enum x86_result cpuid(void *o, struct vp *vp, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	intercepts_cpuid_result(vp->partition, vp->index, leaf, subleaf, regs);
	if (!intercepts_has_leaf(vp->partition, leaf) || (MUTANT(intercept_subleaf) && subleaf))
		return X86_OK;
	memcpy(vp->intercept.cpuid, regs, sizeof vp->intercept.cpuid);
	return stop(vp, HV_MESSAGE_CPUID_INTERCEPT, HV_INTERCEPT_EXECUTE);
}

static enum x86_result exception(void *o, struct vp *vp, const struct x86_event *e)
{
	uint32_t vectors = atomic_load_explicit(&vp->partition->intercepts->vectors, memory_order_relaxed);

	if (!(vectors >> e->vector & 1) && !(MUTANT(intercept_exceptions) && vectors))
		return X86_OK;
	vp->intercept.exception = *e;
	return stop(vp, HV_MESSAGE_EXCEPTION_INTERCEPT, HV_INTERCEPT_EXECUTE);
}

/* With a local APIC of the hypervisor's it waits for an interrupt; without one nobody but the parent knows for what. */
static enum x86_result halt(void *o, struct vp *vp)
{
	if (partition_has_apic(vp->partition))
		return X86_OK;
	return stop(vp, HV_MESSAGE_HALT_INTERCEPT, HV_INTERCEPT_EXECUTE);
}

/* T16.5.6.a: it waits for what answers the error, as a processor does that has asserted FERR#. */
static enum x86_result ferr(void *o, struct vp *vp)
{
	return MUTANT(ferr_ignored) ? X86_OK : stop(vp, HV_MESSAGE_FERR_ASSERTED, HV_INTERCEPT_EXECUTE);
}

static bool hypercall_told(const struct intercepts *i, uint16_t code, uint16_t status)
{
	switch (status) {
	case HV_STATUS_INVALID_HYPERCALL_CODE:
		/* No partition has a device of the hypervisor's, so any is one that it does not know. */
		return atomic_load(&i->hypercall) || (code == HV_CALL_RETARGET_INTERRUPT && atomic_load(&i->retarget));
	case HV_STATUS_INVALID_CONNECTION_ID:
		return atomic_load(&i->connection);
	default:
		return false;
	}
}

static enum x86_result hypercall(void *o, struct vp *vp, uint16_t code, uint16_t status)
{
	if (hypercall_told(vp->partition->intercepts, code, status) && !MUTANT(intercept_calls_untold))
		return stop(vp, HV_MESSAGE_HYPERCALL_INTERCEPT, HV_INTERCEPT_EXECUTE);
	return X86_OK;
}

/* ---- what is no access ---- */

/* T13.3.4.b: told behind the instruction, which others may follow in its block if nobody ends it. */
static void eoi(void *o, struct vp *vp, uint8_t vector)
{
	vp->eoi_due[vector / 32] |= 1u << vector % 32;
	vp_pend(vp, X86_PEND_STOP | X86_PEND_CODE);
}

/* What of an APIC can be told, by its bit of vp->apic_due: as HV_APIC_WRITE_*, then the ICR. */
static const uint16_t apic_registers[] = { HV_APIC_LINT0, HV_APIC_LINT1, HV_APIC_SVR, HV_APIC_LDR, HV_APIC_DFR, HV_APIC_ICR };
enum { APIC_ICR_PLACE = G_N_ELEMENTS(apic_registers) - 1 };
static_assert(G_N_ELEMENTS(apic_registers) == sizeof((struct vp *)0)->apic_value / sizeof(uint64_t), "a value for each");

enum { ICR_MODE_SMI = 2, ICR_MODE_INIT = 5, ICR_MODE_SIPI = 6 };

static unsigned icr_mode(uint64_t icr)
{
	return icr >> 8 & 7;
}

static bool apic_wanted(const struct intercepts *i, unsigned place, uint64_t value)
{
	unsigned mode = icr_mode(value);

	if (place != APIC_ICR_PLACE)
		return atomic_load(&i->apic_writes) >> place & 1;
	return mode == ICR_MODE_SMI ? atomic_load(&i->apic_smi) : (mode == ICR_MODE_INIT || mode == ICR_MODE_SIPI) && atomic_load(&i->apic_init_sipi);
}

/* Told behind the instruction, as EOIs are: it may write to several. */
static bool apic_written(void *o, struct vp *vp, uint32_t offset, uint64_t value)
{
	for (unsigned place = 0; place < G_N_ELEMENTS(apic_registers); place++) {
		if (apic_registers[place] != offset || !apic_wanted(vp->partition->intercepts, place, value))
			continue;
		vp->apic_due |= 1u << place;
		vp->apic_value[place] = value;
		vp_pend(vp, X86_PEND_STOP | X86_PEND_CODE);
		return !MUTANT(apic_sends_anyway);
	}
	return false;
}

bool parent_apic_due(struct vp *vp)
{
	unsigned place;

	if (!vp->apic_due)
		return false;
	place = (unsigned)__builtin_ctz(vp->apic_due);
	vp->apic_due &= vp->apic_due - 1;
	vp->intercept.apic.offset = apic_registers[place];
	vp->intercept.apic.value = vp->apic_value[place];
	stop(vp, place != APIC_ICR_PLACE ? HV_MESSAGE_APIC_WRITE_INTERCEPT :
		 icr_mode(vp->apic_value[place]) == ICR_MODE_SMI ? HV_MESSAGE_APIC_SMI_INTERCEPT : HV_MESSAGE_APIC_INIT_SIPI_INTERCEPT,
	     HV_INTERCEPT_WRITE);
	return true;
}

static void exits(void *o, struct vp *vp, enum exit_reason reason)
{
	if (reason == EXIT_INVALID)
		stop(vp, HV_MESSAGE_INVALID_REGISTER, HV_INTERCEPT_EXECUTE);           /* T16.5.7.a */
	else
		stop(vp, HV_MESSAGE_UNRECOVERABLE_EXCEPTION, HV_INTERCEPT_EXECUTE);    /* T16.5.8.a */
	/* It happens again, unless the parent changes what led to it (T9.1.e). */
	vp->cpu.activity = X86_ACTIVE;
}

static int pic_acknowledge(void *o)
{
	return ext_int_acknowledge(o);
}

const struct stack_ops parent_stack = {
	.io_read = io_read, .io_write = io_write, .mmio_read = mmio_read, .mmio_write = mmio_write, .probe = probe,
	.bad_fetch = bad_fetch, .msr = msr, .msr_offer = msr_offer, .cpuid = cpuid, .exception = exception, .halt = halt, .ferr = ferr, .hypercall = hypercall,
	.eoi = eoi, .apic_written = apic_written, .pic_acknowledge = pic_acknowledge, .exit = exits,
};
