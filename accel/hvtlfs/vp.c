/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Virtual processors: one thread each, from creation to deletion.
 *
 * The thread is parked (suspended; runs tasks only), or runs slices: an engine run
 * between two looks at what the others want of it.  A halted VP sleeps at its gate
 * until somebody pends something or its next deadline comes.
 */
#include <stdlib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "accel/hvtlfs/mutant.h"
#include <sys/prctl.h>

#include "hv/hypercall.h"
#include "flush.h"
#include "partition.h"
#include "state-page.h"
#include "stats.h"
#include "sync/futex.h"
#include "target/i386/mem.h"
#include "trace/log.h"

/* ---- small ones ---- */

uint32_t vp_index(const struct vp *vp) { return vp->index; }
struct partition *vp_partition(struct vp *vp) { return vp->partition; }
struct x86_cpu *vp_cpu(struct vp *vp) { return &vp->cpu; }
HvtObject *vp_object(struct vp *vp) { return vp->object; }
bool vp_halted(struct vp *vp) { return atomic_load(&vp->halted); }
int vp_thread_id(struct vp *vp) { return atomic_load(&vp->thread_id); }

bool vp_is_current(const struct vp *vp)
{
	return pthread_equal(vp->thread, pthread_self());
}

void *vp_component_state(struct vp *vp, const struct vp_component *k)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i] == k)
			return vp->component[i];
	return NULL;
}

void *partition_component_state(struct partition *p, const struct vp_component *k)
{
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i] == k)
			return p->component[i];
	return NULL;
}

void vp_raise(struct vp *vp, uint8_t vector, unsigned flags)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->raise)
			hv->components[i]->raise(vp, vp->component[i], vector, flags);
}

bool vp_raised(struct vp *vp, uint8_t vector)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->raised)
			return hv->components[i]->raised(vp, vp->component[i], vector);
	return false;
}

void vp_interrupt_ended(struct vp *vp, uint8_t vector)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->ended)
			hv->components[i]->ended(vp, vp->component[i], vector);
}

void vp_not_alone(struct vp *vp)
{
	if (!vp->cpu.alone)
		return;
	/* Not here: the caller may be an instruction in the middle of a block. */
	vp->not_alone = true;
	vp_pend(vp, X86_PEND_STOP);
}

uint64_t vp_run_time_ns(struct vp *vp)
{
	struct timespec ts;
	clockid_t clock;
	bool ended;

	lock_acquire(&vp->lock);
	ended = vp->ended;
	if (!ended && pthread_getcpuclockid(vp->thread, &clock) == 0 && clock_gettime(clock, &ts) == 0)
		atomic_store(&vp->run_time, (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec);
	lock_release(&vp->lock);
	return atomic_load(&vp->run_time);
}

void vp_pend(struct vp *vp, uint32_t bits)
{
	x86_pend(&vp->cpu, bits);
	gate_open(&vp->gate);
}

void vp_sipi(struct vp *vp, uint8_t vector)
{
	if (atomic_load(&vp->unborn))
		return;
	atomic_store(&vp->sipi, SIPI_VALID | vector);
	vp_pend(vp, X86_PEND_WORK);
}

void vp_deadline_changed(struct vp *vp)
{
	atomic_store(&vp->deadline_dirty, true);
	vp_pend(vp, X86_PEND_WORK);
}

/* ---- deadlines and start-up IPIs, on its own thread ---- */

static int64_t component_deadline(struct vp *vp, unsigned i)
{
	const struct vp_component *k = vp->partition->hv->components[i];

	return k->next_deadline ? k->next_deadline(vp, vp->component[i]) : INT64_MAX;
}

static void service_deadlines(struct vp *vp)
{
	struct hv *hv = vp->partition->hv;
	int64_t next = INT64_MAX;

	for (unsigned i = 0; i < hv->component_count; i++) {
		int64_t at = component_deadline(vp, i);

		if (at != INT64_MAX) {
			int64_t now = monotonic_ns();

			if (at <= now) {
				hv->components[i]->expire(vp, vp->component[i], now);
				at = component_deadline(vp, i);
			}
		}
		if (at < next)
			next = at;
	}
	vp->next_deadline = next;
}

static void service_sipi(struct vp *vp)
{
	uint32_t sipi = atomic_load(&vp->sipi);

	/* Guests send INIT and SIPI without a pause: the INIT comes first. */
	if (!sipi || (atomic_load(&vp->cpu.pending) & X86_PEND_INIT))
		return;
	atomic_compare_exchange_strong(&vp->sipi, &sipi, 0);
	if (vp->cpu.activity == X86_WAIT_SIPI)
		x86_sipi(&vp->cpu, (uint8_t)sipi);
}

/* When the timer thread has to look at it while it runs. */
static void arm(struct vp *vp)
{
	timers_arm(vp->partition->hv, vp, MIN(vp->next_deadline, atomic_load(&vp->turn.until)));
}

void vp_service(struct vp *vp)
{
	bool dirty = atomic_exchange(&vp->deadline_dirty, false);
	int64_t now = monotonic_ns();

	service_sipi(vp);
	if (vp->inside && now >= atomic_load(&vp->turn.until))
		vp_pend(vp, X86_PEND_STOP);
	if (!dirty && now < vp->next_deadline)
		return;
	service_deadlines(vp);
	if (vp->inside)
		arm(vp);
}

/* ---- one slice ---- */

static void vp_sleep(struct vp *vp)
{
	uint64_t from = vp_is_timed(vp) ? schedule_thread_ns() : 0;

	/* The gate has its own alarm; the timer thread need not kick us. */
	timers_arm(vp->partition->hv, vp, INT64_MAX);
	atomic_store(&vp->halted, true);
	vp_count(vp, COUNT_HALTS);
	gate_wait(&vp->gate, vp->next_deadline);
	atomic_store(&vp->halted, false);
	if (from)
		vp_count_add(vp, COUNT_HLT_NS, schedule_thread_ns() - from);
}

void vp_exit(struct vp *vp, enum exit_reason reason)
{
	struct partition *p = vp->partition;

	vp_suspend(vp, SUSPEND_INTERCEPT);
	log_print(LOG_EXITS, "%s/%u: exit %d at %#" PRIx64 "\n", p->name, vp->index, (int)reason, vp->cpu.rip);
	if (p->stack && p->stack->exit)
		p->stack->exit(p->stack_opaque, vp, reason);
	else
		partition_set_stopped(p, PARTITION_CRASHED);
}

/* Does a component's @verb say so? */
static bool any_says(struct vp *vp, size_t verb)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++) {
		bool (*says)(struct vp *vp, void *state) = *(bool (*const *)(struct vp *, void *))((const char *)hv->components[i] + verb);

		if (says && says(vp, vp->component[i]))
			return true;
	}
	return false;
}

bool vp_is_wanted(struct vp *vp)
{
	return any_says(vp, offsetof(struct vp_component, requested));
}

bool vp_would_interrupt(struct vp *vp)
{
	return any_says(vp, offsetof(struct vp_component, interrupt_pending));
}

static enum x86_run vp_run_engine(struct vp *vp)
{
	enum x86_run r;

	vp->stop_exit = EXIT_NONE;
	vp->intercept.type = 0;
	vp_enter(vp);
	arm(vp);
	r = vp->partition->hv->engine->run(&vp->cpu);
	vp_exclusive_end(vp);
	/* T4.3.a: the instruction went on in part, so an interrupt may come though STI was the one before. */
	if (vp->stop_exit == EXIT_AGAIN && !MUTANT(call_keeps_shadow))
		vp->cpu.interrupt_shadow = 0;
	vp_leave(vp);
	schedule_leave(vp, r != X86_RUN_KICKED);
	return r;
}

/* T10.1.2.c: what came from outside is found wrong only now. */
static bool settle(struct vp *vp)
{
	vp->unsettled = !x86_settle(&vp->cpu);
	if (vp->unsettled)
		vp_exit(vp, EXIT_INVALID);
	return !vp->unsettled;
}

/* False: it has no processor, so that its parent is told of nothing. */
static bool run_once(struct vp *vp)
{
	if (vp->not_alone) {
		vp->not_alone = vp->cpu.alone = false;
		vp->partition->hv->engine->forget(&vp->cpu);
	}
	vp_service(vp);
	if (vp->partition->dispatched && !dispatch_enter(vp))
		return false;
	if (!schedule_enter(vp))
		return false;
	register_page_leave(vp);
	if (vp->unsettled && !settle(vp))
		return true;
	/* T10.1.4.b, T10.1.4.c: the engine takes the interrupt, or goes on behind the read if IF is clear. */
	if (vp->cpu.activity == X86_IDLE && vp_is_wanted(vp))
		vp->cpu.activity = X86_ACTIVE;
	switch (vp_run_engine(vp)) {
	case X86_RUN_KICKED:
		break;
	case X86_RUN_HALTED:
		if (vp->partition->dispatched) {
			dispatch_halted(vp);
			return false;
		}
		vp_sleep(vp);
		break;
	case X86_RUN_STOPPED:
		if (vp->stop_exit >= 0)
			vp_exit(vp, (enum exit_reason)vp->stop_exit);
		break;
	case X86_RUN_SHUTDOWN:
		vp_exit(vp, EXIT_SHUTDOWN);
		break;
	case X86_RUN_BROKEN:
		vp_exit(vp, EXIT_BROKEN);
		break;
	case X86_RUN_DEBUG:
		vp_exit(vp, EXIT_DEBUG);
		break;
	}
	return true;
}

static void vp_slice(struct vp *vp)
{
	if (run_once(vp) && vp->partition->by_parent)
		intercept_tell(vp);
}

/* ---- the thread ---- */

/* Locks: vp->lock held; released while a task runs. */
static void run_tasks(struct vp *vp)
{
	bool nested = vp->in_task;

	lock_assert_held(&vp->lock);
	while (vp->tasks) {
		struct vp_task *t = vp->tasks;

		vp->tasks = t->next;
		vp->in_task = true;
		lock_release(&vp->lock);
		vp_enter(vp);
		t->run(vp, t->opaque);
		vp_exclusive_end(vp);
		vp_leave(vp);
		lock_acquire(&vp->lock);
		vp->in_task = nested;
		t->done = true;
		pthread_cond_broadcast(&vp->changed);
	}
}

void vp_serve(struct vp *vp)
{
	bool inside = vp_outside_begin(vp);

	lock_acquire(&vp->lock);
	run_tasks(vp);
	lock_release(&vp->lock);
	vp_outside_end(vp, inside);
}

typedef void (*component_verb)(struct vp *vp, void *state);

/* Locks: vp->lock held; released meanwhile. */
static void tell_components(struct vp *vp, size_t verb)
{
	struct hv *hv = vp->partition->hv;

	lock_release(&vp->lock);
	for (unsigned i = 0; i < hv->component_count; i++) {
		component_verb f = *(const component_verb *)((const char *)hv->components[i] + verb);

		if (f)
			f(vp, vp->component[i]);
	}
	lock_acquire(&vp->lock);
}

void vp_changed(struct vp *vp)
{
	lock_assert_held(&vp->lock);
	pthread_cond_broadcast(&vp->changed);
	gate_open(&vp->parking);
}

/* Locks: vp->lock held; released while it sleeps. */
static void park(struct vp *vp)
{
	schedule_leave(vp, true);
	tell_components(vp, offsetof(struct vp_component, suspend));
	while ((vp->suspend && !vp->quit) || vp->borrowed) {
		/* In the loop: it may be continued and suspended again before it wakes. */
		vp->parked = true;
		pthread_cond_broadcast(&vp->changed);
		if (vp->dispatch.loan && vp->suspend) {
			lock_release(&vp->lock);
			dispatch_parked(vp);
			lock_acquire(&vp->lock);
			continue;
		}
		if (!vp->borrowed)
			run_tasks(vp);
		if (vp->borrowed || (vp->suspend && !vp->quit && !vp->tasks)) {
			lock_release(&vp->lock);
			gate_wait(&vp->parking, INT64_MAX);
			lock_acquire(&vp->lock);
		}
	}
	vp->parked = false;
	tell_components(vp, offsetof(struct vp_component, resume));
	atomic_store(&vp->deadline_dirty, true);
}

static void set_thread_name(struct vp *vp)
{
	char name[16], index[8];
	int n = snprintf(index, sizeof index, "/%u", vp->index);

	/* The kernel keeps 15 characters: the index must be among them. */
	snprintf(name, sizeof name, "vp %.*s%s", (int)sizeof name - 4 - n, vp->partition->name, index);
	pthread_setname_np(pthread_self(), name);
}

static void log_engine_counts(const struct vp *vp)
{
	const struct engine *engine = vp->partition->hv->engine;
	struct engine_count all[64];
	size_t n = engine->counts ? engine->counts(&vp->cpu, all, G_N_ELEMENTS(all)) : 0;

	for (size_t i = 0; i < n; i++)
		log_print(LOG_PARTITION, "%s/%u: %12" PRIu64 " %s: %s\n", vp->partition->name, vp->index, all[i].value,
			  engine->name, all[i].help);
}

static void log_counts(const struct vp *vp)
{
	if (!log_on(LOG_PARTITION))
		return;
#define COUNT(count_of, help)                                                                     \
	log_print(LOG_PARTITION, "%s/%u: %12" PRIu64 " %s\n", vp->partition->name, vp->index,   \
		  vp->cpu.count.count_of, help);
	X86_COUNTS(COUNT)
#undef COUNT
	log_engine_counts(vp);
}

static void *vp_main(void *o)
{
	struct vp *vp = o;

	set_thread_name(vp);
	prctl(PR_SET_TIMERSLACK, 1ul);
	atomic_store(&vp->thread_id, (int)syscall(SYS_gettid));
	lock_acquire(&vp->lock);
	while (!vp->quit) {
		if (vp->suspend) {
			park(vp);
			continue;
		}
		run_tasks(vp);
		if (vp->suspend || vp->quit)
			continue;
		lock_release(&vp->lock);
		vp_slice(vp);
		lock_acquire(&vp->lock);
	}
	run_tasks(vp);
	lock_release(&vp->lock);
	schedule_forget(vp);
	log_counts(vp);
	vp_run_time_ns(vp);
	dispatch_gone(vp);
	lock_acquire(&vp->lock);
	vp->ended = true;
	vp->parked = true;
	pthread_cond_broadcast(&vp->changed);
	lock_release(&vp->lock);
	return NULL;
}

/* ---- suspension ---- */

void vp_suspend(struct vp *vp, uint32_t why)
{
	lock_acquire(&vp->lock);
	vp->suspend |= why;
	lock_release(&vp->lock);
	vp_pend(vp, X86_PEND_STOP);
}

void vp_wait_parked(struct vp *vp)
{
	if (vp_is_current(vp))
		return;
	lock_acquire(&vp->lock);
	/* One that has ended may have been continued since. */
	while (!vp->parked && !vp->ended)
		pthread_cond_wait(&vp->changed, &vp->lock.mutex);
	lock_release(&vp->lock);
}

void vp_continue(struct vp *vp, uint32_t why)
{
	lock_acquire(&vp->lock);
	vp->suspend &= ~why;
	/* Whoever waits for `parked` after the next suspend must not see the old one. */
	if (!vp->suspend)
		vp->parked = false;
	vp_changed(vp);
	lock_release(&vp->lock);
}

/* ---- tasks ---- */

bool vp_is_awaited(struct vp *vp)
{
	bool is;

	lock_acquire(&vp->lock);
	is = vp->suspend || vp->quit || vp->tasks;
	lock_release(&vp->lock);
	return is;
}

static struct vp *current_of(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		if (vp_is_current(vp))
			return vp;
	return NULL;
}

/* Locks: target->lock held.  Waits for the task while serving our own, so that two VPs may call each other. */
static void wait_serving(struct vp *self, struct vp *target, const struct vp_task *t)
{
	while (!t->done) {
		int64_t until = monotonic_ns() + 200000;
		struct timespec ts = { .tv_sec = until / 1000000000, .tv_nsec = until % 1000000000 };

		pthread_cond_timedwait(&target->changed, &target->lock.mutex, &ts);
		if (t->done)
			break;
		lock_release(&target->lock);
		lock_acquire(&self->lock);
		run_tasks(self);
		lock_release(&self->lock);
		lock_acquire(&target->lock);
	}
}

static void task_post(struct vp *vp, struct vp_task *t)
{
	struct vp_task **end = &vp->tasks;

	lock_assert_held(&vp->lock);
	while (*end)
		end = &(*end)->next;
	*end = t;
	vp_changed(vp);
}

void vp_call(struct vp *vp, void (*f)(struct vp *vp, void *o), void *o)
{
	struct vp_task t = { .run = f, .opaque = o };
	struct vp *self = current_of(vp->partition);
	bool inside = self && self->inside;

	if (self == vp) {
		f(vp, o);
		return;
	}
	if (inside)
		vp_leave(self);
	lock_acquire(&vp->lock);
	if (vp->ended) {
		lock_release(&vp->lock);
		f(vp, o);
	} else {
		task_post(vp, &t);
		vp_pend(vp, X86_PEND_STOP);
		if (self) {
			wait_serving(self, vp, &t);
		} else {
			while (!t.done)
				pthread_cond_wait(&vp->changed, &vp->lock.mutex);
		}
		lock_release(&vp->lock);
	}
	if (inside)
		vp_enter(self);
}

void vp_await_parked(struct vp *self, struct vp *vp)
{
	bool inside = vp_outside_begin(self);

	vp_wait_parked(vp);
	vp_outside_end(self, inside);
}

/* Locks: vp->lock held; released while it waits. */
static bool borrow(struct vp *vp)
{
	while (vp->suspend && !vp->parked && !vp->ended)
		pthread_cond_wait(&vp->changed, &vp->lock.mutex);
	if (!vp->suspend || !vp->parked || vp->ended || vp->borrowed || vp->in_task || vp->tasks)
		return false;
	vp->borrowed = true;
	return true;
}

void vp_visit(struct vp *self, struct vp *vp, void (*f)(struct vp *vp, void *o), void *o)
{
	bool inside, mine;

	if (self == vp) {
		f(vp, o);
		return;
	}
	inside = vp_outside_begin(self);
	lock_acquire(&vp->lock);
	mine = borrow(vp);
	lock_release(&vp->lock);
	if (mine) {
		/* As a task would be run: changes of its map wait for what @f does with what it has found there. */
		vp_enter(vp);
		f(vp, o);
		vp_exclusive_end(vp);
		vp_leave(vp);
		lock_acquire(&vp->lock);
		vp->borrowed = false;
		vp_changed(vp);
		lock_release(&vp->lock);
	} else {
		vp_call(vp, f, o);
	}
	vp_outside_end(self, inside);
}

/* ---- life ---- */

void vp_reset_state(struct vp *vp, enum x86_reset how)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++)
		if (hv->components[i]->reset)
			hv->components[i]->reset(vp, vp->component[i], how);
	vp_deadline_changed(vp);
}

static void lock_and_condition_init(struct vp *vp)
{
	pthread_condattr_t attr;

	lock_init(&vp->lock, LOCK_VP, "virtual processor");
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vp->changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* All but what lives as long as the struct; it is as if zeroed. */
static bool vp_set_up(struct vp *vp, GError **error)
{
	struct partition *p = vp->partition;
	struct engine_options options = p->hv->engine_options;
	uint32_t index = vp->index;

	vp->suspend = p->by_parent ? SUSPEND_EXPLICIT : SUSPEND_CREATED;
	if (atomic_load(&p->stopped))
		vp->suspend |= SUSPEND_MACHINE;
	if (atomic_load(&p->frozen))
		vp->suspend |= SUSPEND_FROZEN;
	vp->next_deadline = INT64_MAX;
	vp->armed = INT64_MAX;
	vp->apic_due = 0;
	vp->notify = 0;
	atomic_store(&vp->sints_due, 0);
	atomic_store(&vp->turn.until, INT64_MAX);
	x86_init(&vp->cpu, &vp_ops, vp, p->model, index, &p->topology);
	atomic_store(&vp->cpu.msr_offered, intercepts_offers_msrs(p->intercepts));
	if (p->hv->tsc_native) {
		vp->cpu.tsc_offset = &p->tsc_offset;
		vp->cpu.tsc_stopped = &p->tsc_stopped;
	}
	options.sparing = p->by_parent;
	if (!p->hv->engine->attach(&vp->cpu, &options)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "no memory for the engine of VP %u of partition '%s'",
			    index, p->name);
		return false;
	}
	if (!msr_init_vp(vp)) {
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM,
			    "no frame is left for the pages of VP %u of partition '%s': use fewer processors", index, p->name);
		msr_fini_vp(vp);
		p->hv->engine->detach(&vp->cpu);
		return false;
	}
	x86_reset(&vp->cpu, X86_RESET_POWER_ON);
	if (index)
		vp->cpu.activity = X86_WAIT_SIPI;
	atomic_store(&vp->unborn, index && partition_is_root(p));
	atomic_store(&vp->timed, partition_is_root(p));
	/* Its root dispatches it once, to learn that it is suspended. */
	atomic_store(&vp->dispatch.blocked, p->dispatched);
	atomic_store(&vp->dispatch.signals, 0);
	vp->dispatch.inject = false;
	return true;
}

struct vp *vp_new(struct partition *p, uint32_t index, GError **error)
{
	struct vp *vp = engine_place(sizeof *vp, p->by_parent);

	if (!vp)
		g_error("no memory for a virtual processor");
	vp->partition = p;
	vp->index = index;
	lock_and_condition_init(vp);
	flush_init(vp);
	gate_init(&vp->gate);
	gate_init(&vp->parking);
	vp->component = g_new0(void *, p->hv->component_count + 1);
	for (unsigned i = 0; i < p->hv->component_count; i++)
		vp->component[i] = g_malloc0(MAX(p->hv->components[i]->size, 1));
	if (!vp_set_up(vp, error)) {
		vp_free(vp);
		return NULL;
	}
	if (p->object)
		vp->object = vp_object_new(vp);
	return vp;
}

/*
 * In place: others may have found the VP before it went and still be about to pend something.  What
 * that is goes to the new one, which finds nothing to do.
 */
bool vp_revive(struct vp *vp, GError **error)
{
	struct hv *hv = vp->partition->hv;

	memset(&vp->cpu, 0, sizeof vp->cpu);
	for (unsigned i = 0; i < hv->component_count; i++)
		memset(vp->component[i], 0, hv->components[i]->size);
	memset(&vp->turn, 0, sizeof vp->turn);
	memset(vp->count, 0, sizeof vp->count);
	memset(vp->eoi_due, 0, sizeof vp->eoi_due);
	atomic_store(&vp->sipi, 0);
	atomic_store(&vp->run_time, 0);
	lock_acquire(&vp->lock);
	vp->quit = vp->ended = vp->parked = vp->unsettled = vp->not_alone = false;
	lock_release(&vp->lock);
	return vp_set_up(vp, error);
}

/* The first @n. */
static void components_fini(struct vp *vp, unsigned n)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < n; i++)
		if (hv->components[i]->fini)
			hv->components[i]->fini(vp, vp->component[i]);
}

static bool components_init(struct vp *vp, GError **error)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++) {
		const struct vp_component *k = hv->components[i];

		if (k->init && !k->init(vp, vp->component[i])) {
			g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "cannot set up %s of VP %u of partition '%s'",
				    k->name, vp->index, vp->partition->name);
			components_fini(vp, i);
			return false;
		}
	}
	vp_reset_state(vp, X86_RESET_POWER_ON);
	return true;
}

bool vp_start_thread(struct vp *vp, GError **error)
{
	int e;

	if (!components_init(vp, error))
		return false;
	timers_add(vp->partition->hv, vp);
	e = pthread_create(&vp->thread, NULL, vp_main, vp);
	if (e) {
		timers_remove(vp->partition->hv, vp);
		components_fini(vp, vp->partition->hv->component_count);
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN,
			    "cannot create the thread of VP %u of partition '%s': %s; raise the limit on processes (ulimit -u)",
			    vp->index, vp->partition->name, g_strerror(e));
		return false;
	}
	/* vp->thread is written by pthread_create: nobody may read it before it has returned. */
	lock_acquire(&vp->lock);
	while (!vp->parked)
		pthread_cond_wait(&vp->changed, &vp->lock.mutex);
	lock_release(&vp->lock);
	return true;
}

void vp_join(struct vp *vp)
{
	struct hv *hv = vp->partition->hv;

	lock_acquire(&vp->lock);
	vp->quit = true;
	vp_changed(vp);
	lock_release(&vp->lock);
	vp_pend(vp, X86_PEND_STOP);
	pthread_join(vp->thread, NULL);
	timers_remove(hv, vp);
	components_fini(vp, hv->component_count);
	hv->engine->detach(&vp->cpu);
	state_pages_fini(vp);
	stats_forget_vp(vp);
	msr_fini_vp(vp);
}

void vp_free(struct vp *vp)
{
	msr_fini_vp(vp);
	for (unsigned i = 0; vp->component[i]; i++)
		g_free(vp->component[i]);
	g_free(vp->component);
	g_clear_object(&vp->object);
	pthread_cond_destroy(&vp->changed);
	flush_fini(vp);
	lock_destroy(&vp->lock);
	engine_unplace(vp, sizeof *vp);
}
