/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HvDispatchVp, and the message that a VP which was blocked can run again.
 *
 * The VP keeps its own thread.  The caller's sleeps at its gate while that one runs, and asks for the processor back
 * when something waits for itself.  What the call gives is decided by the VP's thread where it stops, so nothing
 * it does is seen behind the end of the call.
 *
 * A VP that is not lent a processor sleeps at its gate with its clocks running; its thread finds out that
 * it could run, and says so once.
 */
#include "dispatch.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "hv/dispatch.h"
#include "hv/synic.h"
#include "hv/vp.h"
#include "partition.h"
#include "stats.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "trace/log.h"

/* Who calls from outside is no processor that could be interrupted: it does not wait longer than this. */
#define OUTSIDE_NS INT64_C(10000000)
#define LONGEST_SLICE (INT64_MAX / 200)

/* ---- the VP's side ---- */

/* Locks: vp->lock held. */
static void end_loan(struct vp *vp, uint32_t state, uint32_t event)
{
	struct dispatch *d = &vp->dispatch;
	struct loan *l = d->loan;

	if (!l)
		return;
	log_print(LOG_EXITS, "%s/%u: dispatch ends, state %u, event %u, at %#" PRIx64 "\n", vp->partition->name, vp->index, state,
		  event, vp->cpu.rip);
	atomic_store(&d->blocked, state == HV_DISPATCH_BLOCKED);
	l->state = state;
	l->event = event;
	l->over = true;
	d->loan = NULL;
	/* With the lock held: until it is released the loan, and whose it was, are there. */
	gate_open(&l->by->gate);
}

/* Locks: vp->lock held.  What there is to answer at once ends the loan. */
static void end_if_suspended(struct vp *vp)
{
	uint32_t why = vp->suspend;

	/* Before all others: who has been told of an intercept clears it, and then learns the rest. */
	if (why & SUSPEND_INTERCEPT)
		end_loan(vp, HV_DISPATCH_READY, HV_DISPATCH_EVENT_INTERCEPT);
	else if (why & (SUSPEND_EXPLICIT | SUSPEND_DISPATCH))
		end_loan(vp, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_SUSPEND);
	else if (why & (SUSPEND_FROZEN | SUSPEND_FLUSH))
		end_loan(vp, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	else if (why)
		end_loan(vp, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
}

/* What the engine would do something about; own thread, outside. */
static bool can_run(struct vp *vp)
{
	const struct x86_cpu *c = &vp->cpu;
	uint32_t pending = atomic_load(&c->pending);

	if (c->activity == X86_ACTIVE || vp->unsettled || pending & X86_PEND_INIT || atomic_load(&vp->sints_due))
		return true;
	if (c->activity == X86_WAIT_SIPI)
		return false;
	return (pending & (X86_PEND_NMI | X86_PEND_NMI_WINDOW) && !c->nmi_blocked) || (c->activity == X86_IDLE && vp_is_wanted(vp)) ||
	       (c->eflags & X86_IF && vp_would_interrupt(vp));
}

static void signal_root(struct vp *vp)
{
	struct hv_message m = { .type = (uint32_t)HV_MESSAGE_SCHEDULER_SIGNAL, .payload_size = sizeof(struct hv_scheduler_signal) };
	struct hv_scheduler_signal *s = (struct hv_scheduler_signal *)m.payload;

	s->count = 1;
	s->partition_id[0] = vp->partition->id;
	s->vp_index[0] = vp->index;
	/* One that has not arrived yet says the same. */
	if (intercept_send(vp, &m))
		atomic_fetch_add(&vp->dispatch.signals, 1);
}

/* Own thread, outside. */
static void signal_if_it_can_run(struct vp *vp)
{
	struct dispatch *d = &vp->dispatch;
	bool signal;

	if (!atomic_load(&d->blocked) || !can_run(vp) || MUTANT(dispatch_no_signal))
		return;
	lock_acquire(&vp->lock);
	signal = atomic_load(&d->blocked) && !d->loan && !vp->suspend;
	if (signal)
		atomic_store(&d->blocked, false);
	lock_release(&vp->lock);
	if (!signal)
		return;
	/* Before the message: its reader looks at the counter. */
	stats_blocked_changed(vp);
	signal_root(vp);
}

/* Its writer adds to the list with a locked instruction as well. */
static void inject(struct vp *vp)
{
	union {
		uint64_t word;
		uint8_t byte[8];         /* their number, and they */
	} list;

	if (!vp->register_page)
		return;
	list.word = __atomic_exchange_n((uint64_t *)(void *)&vp->register_page->vector_count, 0, __ATOMIC_SEQ_CST);
	for (unsigned i = 1; i <= MIN(list.byte[0], 7); i++)
		if (list.byte[i] >= 16)
			vp_raise(vp, list.byte[i], 0);
}

/* Locks: vp->lock held. */
static void begin_slice(struct loan *l)
{
	if (l->slice == INT64_MAX || l->until != INT64_MAX)
		return;
	l->until = monotonic_ns() + l->slice;
	gate_open(&l->by->gate);
}

bool dispatch_enter(struct vp *vp)
{
	struct dispatch *d = &vp->dispatch;
	bool lent, vectors;

	lock_acquire(&vp->lock);
	if (d->loan && d->loan->back)
		end_loan(vp, HV_DISPATCH_READY, HV_DISPATCH_EVENT_NONE);
	if (d->loan)
		begin_slice(d->loan);
	lent = d->loan || MUTANT(dispatch_not_needed);
	vectors = lent && d->inject;
	d->inject &= !vectors;
	lock_release(&vp->lock);
	if (vectors)
		inject(vp);
	if (lent)
		return true;
	schedule_leave(vp, true);
	signal_if_it_can_run(vp);
	/* The gate has its own alarm. */
	timers_arm(vp->partition->hv, vp, INT64_MAX);
	atomic_store(&vp->halted, atomic_load(&d->blocked));
	gate_wait(&vp->gate, vp->next_deadline);
	atomic_store(&vp->halted, false);
	return false;
}

void dispatch_halted(struct vp *vp)
{
	vp_count(vp, COUNT_HALTS);
	lock_acquire(&vp->lock);
	end_loan(vp, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	lock_release(&vp->lock);
	stats_blocked_changed(vp);
}

void dispatch_parked(struct vp *vp)
{
	lock_acquire(&vp->lock);
	end_if_suspended(vp);
	lock_release(&vp->lock);
	stats_blocked_changed(vp);
}

void dispatch_gone(struct vp *vp)
{
	struct loan *l;

	lock_acquire(&vp->lock);
	l = vp->dispatch.loan;
	if (l)
		l->gone = true;
	end_loan(vp, HV_DISPATCH_BLOCKED, HV_DISPATCH_EVENT_NONE);
	lock_release(&vp->lock);
}

/* ---- the caller's side ---- */

/* False: somebody else has lent it one. */
static bool lend(struct vp *vp, struct loan *l, uint32_t flags)
{
	struct dispatch *d = &vp->dispatch;
	bool free;

	lock_acquire(&vp->lock);
	free = !d->loan;
	if (free) {
		d->loan = l;
		if (flags & HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND && !MUTANT(dispatch_keeps_suspend))
			vp->suspend &= ~SUSPEND_INTERCEPT;
		end_if_suspended(vp);
		if (!l->over) {
			atomic_store(&d->blocked, false);
			d->inject |= flags & HV_DISPATCH_SCAN_INJECTION && !MUTANT(dispatch_no_scan);
			vp->parked = false;
			vp_changed(vp);
		}
	}
	lock_release(&vp->lock);
	if (free) {
		gate_open(&vp->gate);
		stats_blocked_changed(vp);
	}
	return free;
}

static bool is_over(struct vp *vp, const struct loan *l, int64_t *until)
{
	bool over;

	lock_acquire(&vp->lock);
	over = l->over;
	*until = l->until;
	lock_release(&vp->lock);
	return over;
}

static void ask_back(struct vp *vp, struct loan *l)
{
	lock_acquire(&vp->lock);
	l->back = true;
	lock_release(&vp->lock);
	vp_pend(vp, X86_PEND_STOP);
}

/* Something waits for @self that it has to deal with before all else. */
static bool is_needed(struct vp *self, bool interrupts)
{
	uint32_t pending = atomic_load(&self->cpu.pending);

	return vp_is_awaited(self) || pending & X86_PEND_INIT || (pending & X86_PEND_NMI && !self->cpu.nmi_blocked) ||
	       (interrupts && vp_would_interrupt(self));
}

/* The call's own VP: it sleeps, and its clocks go on. */
static void await(struct vp *self, struct vp *vp, struct loan *l, bool interrupts)
{
	bool asked = false;
	int64_t until;

	while (!is_over(vp, l, &until)) {
		vp_service(self);
		if (!asked && (is_needed(self, interrupts) || monotonic_ns() >= until)) {
			asked = true;
			ask_back(vp, l);
		}
		gate_wait(&self->gate, asked ? INT64_MAX : MIN(until, self->next_deadline));
	}
}

/* From outside, on the thread of a VP that stands: nothing but the time ends it. */
static void await_outside(struct vp *self, struct vp *vp, struct loan *l)
{
	int64_t until, end = monotonic_ns() + OUTSIDE_NS;

	while (!is_over(vp, l, &until)) {
		bool late = monotonic_ns() >= MIN(end, until);

		if (late)
			ask_back(vp, l);
		gate_wait(&self->gate, late ? INT64_MAX : MIN(end, until));
	}
}

static void await_loan(struct vp *self, struct vp *vp, struct loan *l, uint32_t flags)
{
	bool inside = vp_outside_begin(self), interrupts = self->cpu.eflags & X86_IF || flags & HV_DISPATCH_ENABLE_CALLER_INTERRUPTS;
	int64_t from = monotonic_ns();

	if (self->in_task) {
		await_outside(self, vp, l);
	} else {
		schedule_leave(self, true);
		await(self, vp, l, interrupts && !MUTANT(dispatch_deaf));
		/* Its next deadline is to interrupt it again; and it has no turn. */
		vp_deadline_changed(self);
		if (atomic_load(&self->partition->hv->schedule.on))
			vp_pend(self, X86_PEND_STOP);
	}
	self->cost_aside += monotonic_ns() - from;
	vp_outside_end(self, inside);
}

static hv_status dispatch_vp(struct hv_ctx *c)
{
	/* What is flushed from caches of the processor so that nobody can learn from its speculation is not modelled. */
	const struct hv_in_dispatch_vp *in = c->in;
	struct hv_out_dispatch_vp *out = c->out;
	struct vp *vp = partition_vp(c->target, in->vp_index);
	struct loan l = { .by = c->vp, .until = INT64_MAX,
			  .slice = in->time_slice ? (int64_t)MIN(in->time_slice, LONGEST_SLICE) * 100 : INT64_MAX };

	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;
	if (in->flags & ~(uint32_t)HV_DISPATCH_FLAGS)
		return HV_STATUS_INVALID_PARAMETER;
	if (!c->target->dispatched)
		return HV_STATUS_OPERATION_DENIED;
	if (!lend(vp, &l, in->flags))
		return HV_STATUS_OBJECT_IN_USE;
	/* Others may act on the partition meanwhile, and end it. */
	call_pause(c);
	await_loan(c->vp, vp, &l, in->flags);
	call_continue(c);
	if (l.gone)
		return HV_STATUS_INVALID_VP_INDEX;
	*out = (struct hv_out_dispatch_vp){ l.state, l.event };
	return HV_STATUS_SUCCESS;
}

const struct hv_call dispatch_calls[] = {
	{ HV_CALL_DISPATCH_VP, "HvDispatchVp", "later revisions", .in = sizeof(struct hv_in_dispatch_vp),
	  .out = sizeof(struct hv_out_dispatch_vp), .privilege = HV_CREATE_PARTITIONS | HV_CPU_MANAGEMENT, .on = CALL_ON_CHILD,
	  .run = dispatch_vp },
	{ .name = NULL },
};
