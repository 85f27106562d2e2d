/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the processor asks of its outside: the way of one exit.  Each answer is
 * the hypervisor's own (map, components, synthetic MSRs and leaves, hypercalls) or
 * the stack's.
 */
#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "hv/vp.h"
#include "notify.h"
#include "partition.h"

#include "sync/futex.h"
#include "trace/log.h"

#define VP_LOG "%s/%u: "
#define VP_ARGS(vp) (vp)->partition->name, (vp)->index

static bool page(void *o, uint64_t gpa, struct x86_page *out)
{
	struct vp *vp = o;
	struct frames *frames = &vp->partition->hv->frames;
	struct gpa_target t;

	if (!gpa_map_lookup(&vp->partition->map, gpa_page((gpa_t){ gpa }), &t) || !t.rights)
		return false;
	out->host = frames_host(frames, t.frame);
	out->rights = t.rights;
	out->code = &frames_descriptor(frames, t.frame)->code;
	if (atomic_load_explicit(&vp->partition->tracked, memory_order_relaxed) && !t.overlay) {
		gpa_map_see(&vp->partition->map, gpa_page((gpa_t){ gpa }), GPA_ACCESSED);
		out->rights |= t.seen & GPA_DIRTY ? 0 : X86_PAGE_CLEAN;
	}
	return true;
}

static void page_dirty(void *o, uint64_t gpa)
{
	struct vp *vp = o;

	gpa_map_see(&vp->partition->map, gpa_page((gpa_t){ gpa }), GPA_DIRTY);
}

/*
 * A stack that has to act first: the VP stands still, the instruction not executed.  What a parent
 * has to be told suspends it at the boundary (vp.c).
 */
static enum x86_result stack_answer(struct vp *vp, enum x86_result r)
{
	if (r == X86_STOP && !intercept_is_due(vp))
		vp_suspend(vp, SUSPEND_INTERCEPT);
	return r;
}

/*
 * An access to an overlay that its rights forbid, or to memory that a partition which no other made has put
 * into a pool or taken the right from itself: nobody above could be told (T8.1.2.e, OP29).  4.12 says #GP for
 * the hypercall page (T4.12.l), 11.8 says #MC for the others (T11.8.c, OP-15); a machine check would
 * be the end of any guest, so all get #GP.  What its machine has not given (ROM) is the machine's to answer.
 */
static bool forbidden(struct vp *vp, uint64_t gpa, uint32_t right)
{
	const struct partition *p = vp->partition;
	struct gpa_target t;

	if (!gpa_map_lookup(&p->map, gpa_page((gpa_t){ gpa }), &t))
		return false;
	return t.overlay || (!p->by_parent && !(t.rights & right) && t.limit & right && !MUTANT(pool_page_is_device));
}

static enum x86_result mmio_read(struct vp *vp, uint64_t gpa, unsigned size, uint64_t *value)
{
	struct partition *p = vp->partition;

	*value = UINT64_MAX;
	if (forbidden(vp, gpa, X86_PAGE_READ))
		return X86_FAULT_GP;
	for (unsigned i = 0; i < p->hv->component_count; i++) {
		const struct vp_component *k = p->hv->components[i];

		if (k->mmio_read && k->mmio_read(vp, vp->component[i], (gpa_t){ gpa }, size, value))
			return X86_OK;
	}
	if (log_on(LOG_EXITS))
		log_print(LOG_EXITS, VP_LOG "mmio read %#" PRIx64 " size %u\n", VP_ARGS(vp), gpa, size);
	if (!p->stack || !p->stack->mmio_read)
		return X86_OK;
	return stack_answer(vp, p->stack->mmio_read(p->stack_opaque, vp, (gpa_t){ gpa }, size, value));
}

static enum x86_result mmio_write(struct vp *vp, uint64_t gpa, unsigned size, uint64_t value)
{
	struct partition *p = vp->partition;

	if (forbidden(vp, gpa, X86_PAGE_WRITE))
		return X86_FAULT_GP;
	for (unsigned i = 0; i < p->hv->component_count; i++) {
		const struct vp_component *k = p->hv->components[i];

		if (k->mmio_write && k->mmio_write(vp, vp->component[i], (gpa_t){ gpa }, size, value))
			return X86_OK;
	}
	if (log_on(LOG_EXITS))
		log_print(LOG_EXITS, VP_LOG "mmio write %#" PRIx64 " size %u value %#" PRIx64 "\n", VP_ARGS(vp), gpa,
			  size, value);
	if (!p->stack || !p->stack->mmio_write)
		return X86_OK;
	return stack_answer(vp, p->stack->mmio_write(p->stack_opaque, vp, (gpa_t){ gpa }, size, value));
}

enum x86_result vp_mmio_read(void *o, uint64_t gpa, unsigned size, uint64_t *value)
{
	int64_t from = vp_cost_begin(o);
	enum x86_result r;

	vp_count(o, COUNT_MMIO);
	r = mmio_read(o, gpa, size, value);
	vp_cost_end(o, COUNT_MMIO_NS, from);
	return r;
}

enum x86_result vp_mmio_write(void *o, uint64_t gpa, unsigned size, uint64_t value)
{
	int64_t from = vp_cost_begin(o);
	enum x86_result r;

	vp_count(o, COUNT_MMIO);
	r = mmio_write(o, gpa, size, value);
	vp_cost_end(o, COUNT_MMIO_NS, from);
	return r;
}

static enum x86_result probe(void *o, uint64_t gpa, enum x86_access a)
{
	struct vp *vp = o;
	struct partition *p = vp->partition;

	if (forbidden(vp, gpa, 1u << a))
		return X86_FAULT_GP;
	if (!p->stack || !p->stack->probe)
		return X86_OK;
	for (unsigned i = 0; i < p->hv->component_count; i++) {
		const struct vp_component *k = p->hv->components[i];

		if (k->mmio_has && k->mmio_has(vp, vp->component[i], (gpa_t){ gpa }, a))
			return X86_OK;
	}
	return p->stack->probe(p->stack_opaque, vp, (gpa_t){ gpa }, a);
}

static enum x86_result bad_fetch(void *o, uint64_t gpa)
{
	struct vp *vp = o;
	struct partition *p = vp->partition;

	if (forbidden(vp, gpa, X86_PAGE_EXEC))
		return X86_FAULT_GP;
	if (p->by_parent)
		return p->stack->bad_fetch(p->stack_opaque, vp, (gpa_t){ gpa });
	log_print(LOG_GUEST_ERRORS, VP_LOG "executes at %#" PRIx64 " where there is no memory\n", VP_ARGS(vp), gpa);
	if (p->stack && p->stack->bad_fetch)
		return p->stack->bad_fetch(p->stack_opaque, vp, (gpa_t){ gpa });
	vp->stop_exit = EXIT_BAD_FETCH;
	return X86_STOP;
}

static enum x86_result io_read(void *o, uint16_t port, unsigned size, uint32_t *value)
{
	struct vp *vp = o;
	struct partition *p = vp->partition;
	int64_t from = vp_cost_begin(vp);
	enum x86_result r = X86_OK;

	vp_count(vp, COUNT_IO);
	*value = UINT32_MAX;
	if (p->stack && p->stack->io_read)
		r = stack_answer(vp, p->stack->io_read(p->stack_opaque, vp, port, size, value));
	vp_cost_end(vp, COUNT_IO_NS, from);
	return r;
}

static enum x86_result io_write(void *o, uint16_t port, unsigned size, uint32_t value)
{
	struct vp *vp = o;
	struct partition *p = vp->partition;
	int64_t from = vp_cost_begin(vp);
	enum x86_result r = X86_OK;

	vp_count(vp, COUNT_IO);
	if (p->stack && p->stack->io_write)
		r = stack_answer(vp, p->stack->io_write(p->stack_opaque, vp, port, size, value));
	vp_cost_end(vp, COUNT_IO_NS, from);
	return r;
}

/* T11.10.a, T11.10.b: the hypervisor's own before the stack's. */
static bool stack_has_msr(struct vp *vp, uint32_t msr)
{
	const struct stack_ops *stack = vp->partition->stack;

	return stack && stack->msr && (!msr_is_virtual(vp, msr) || MUTANT(intercept_msr_first));
}

static enum x86_result op_msr_read(void *o, uint32_t msr, uint64_t *value)
{
	struct vp *vp = o;

	if (stack_has_msr(vp, msr))
		return vp->partition->stack->msr(vp->partition->stack_opaque, vp, msr, false, value);
	return msr_read(vp, msr, value);
}

static enum x86_result op_msr_write(void *o, uint32_t msr, uint64_t value)
{
	struct vp *vp = o;

	if (stack_has_msr(vp, msr))
		return vp->partition->stack->msr(vp->partition->stack_opaque, vp, msr, true, &value);
	if (log_on(LOG_REPLAY) && !vp->partition->parent)
		log_print(LOG_REPLAY, "wrmsr %s %u %#x %#" PRIx64 "\n", vp->partition->name, vp->index, msr, value);
	return msr_write(vp, msr, value);
}

static enum x86_result op_msr_offer(void *o, uint32_t msr, bool write)
{
	struct vp *vp = o;
	const struct partition *p = vp->partition;

	return p->stack->msr_offer(p->stack_opaque, vp, msr, write);
}

static enum x86_result op_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	struct vp *vp = o;
	const struct partition *p = vp->partition;

	leaves_answer(vp, leaf, regs);   /* no synthetic leaf has a subleaf */
	return p->stack && p->stack->cpuid ? p->stack->cpuid(p->stack_opaque, vp, leaf, subleaf, regs) : X86_OK;
}

static enum x86_result op_exception(void *o, const struct x86_event *e)
{
	struct vp *vp = o;
	const struct partition *p = vp->partition;

	return p->stack && p->stack->exception ? p->stack->exception(p->stack_opaque, vp, e) : X86_OK;
}

static enum x86_result op_halt(void *o)
{
	struct vp *vp = o;
	const struct partition *p = vp->partition;

	vp_count(vp, COUNT_HLTS);
	return p->stack && p->stack->halt ? p->stack->halt(p->stack_opaque, vp) : X86_OK;
}

static enum x86_result op_ferr(void *o)
{
	struct vp *vp = o;
	const struct partition *p = vp->partition;

	return p->stack && p->stack->ferr ? p->stack->ferr(p->stack_opaque, vp) : X86_OK;      /* T9.1.2.f */
}

static enum x86_result op_hypercall(void *o)
{
	return call_instruction(o);
}

static int op_interrupt(void *o)
{
	struct vp *vp = o;
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->interrupt) {
			int vector = hv->components[i]->interrupt(vp, vp->component[i]);

			if (vector >= 0)
				vp_count(vp, COUNT_INTERRUPTS);
			else if (vector == X86_INTERRUPT_STOP)
				notify_interruption(vp, HV_INTERRUPTION_INTERRUPT);
			return vector;
		}
	return -1;
}

static void op_nmi_window(void *o)
{
	notify_interruption(o, HV_INTERRUPTION_NMI);
}

static uint64_t op_tpr_read(void *o)
{
	struct vp *vp = o;
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->tpr_read)
			return hv->components[i]->tpr_read(vp, vp->component[i]);
	return 0;
}

static void op_tpr_write(void *o, uint64_t tpr)
{
	struct vp *vp = o;
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->tpr_write)
			hv->components[i]->tpr_write(vp, vp->component[i], tpr);
}

static uint64_t op_tsc(void *o)
{
	struct vp *vp = o;

	return partition_tsc(vp->partition);
}

static void op_code_marked(void *o, struct x86_code_page *code)
{
	struct vp *vp = o;
	int64_t from = monotonic_ns();

	/* All entries of all sharers: finding those of one frame would take longer. */
	code_rendezvous(vp->partition, vp, code, X86_PEND_TLB_WRITE);
	X86_COUNT(&vp->cpu, marked);
	x86_count_add(&vp->cpu.count.marked_ns, (uint64_t)(monotonic_ns() - from));
}

static void op_code_changed(void *o, struct x86_code_page *code)
{
	struct vp *vp = o;

	partition_code_changed(vp->partition, vp, code);
}

static void op_exclusive_begin(void *o)
{
	struct vp *vp = o;
	int64_t from = monotonic_ns();

	vp_exclusive_begin(vp);
	X86_COUNT(&vp->cpu, exclusive);
	x86_count_add(&vp->cpu.count.exclusive_ns, (uint64_t)(monotonic_ns() - from));
}

static void op_exclusive_end(void *o)
{
	vp_exclusive_end(o);
}

static void op_work(void *o)
{
	struct vp *vp = o;

	if (vp->inside)
		vp_safepoint(vp);
	vp_service(vp);
}

static void op_init_taken(void *o)
{
	struct vp *vp = o;

	vp_reset_state(vp, X86_RESET_INIT);
	lp_reset(vp);
	/* A start-up IPI may have been waiting for this; it must not wait in its sleep. */
	if (atomic_load(&vp->sipi))
		vp_pend(vp, X86_PEND_WORK);
}

const struct x86_ops vp_ops = {
	.page = page,
	.page_dirty = page_dirty,
	.mmio_read = vp_mmio_read,
	.mmio_write = vp_mmio_write,
	.probe = probe,
	.bad_fetch = bad_fetch,
	.io_read = io_read,
	.io_write = io_write,
	.msr_offer = op_msr_offer, .msr_read = op_msr_read,
	.msr_write = op_msr_write,
	.cpuid = op_cpuid,
	.exception = op_exception,
	.halt = op_halt,
	.ferr = op_ferr,
	.hypercall = op_hypercall,
	.interrupt = op_interrupt, .nmi_window = op_nmi_window,
	.tpr_read = op_tpr_read,
	.tpr_write = op_tpr_write,
	.tsc = op_tsc,
	.code_marked = op_code_marked, .code_changed = op_code_changed,
	.exclusive_begin = op_exclusive_begin,
	.exclusive_end = op_exclusive_end,
	.work = op_work,
	.init_taken = op_init_taken,
};
