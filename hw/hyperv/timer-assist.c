/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The periodic timer that a parent lends its child (15.1.5): two partition properties, and an interrupt as if by the
 * APIC's command register.  Its ticks are made up for as those of a synthetic timer that is not lazy.
 *
 * It is the partition's: each VP looks at it, whoever comes first signals a tick.  So it goes on
 * while any VP runs, whichever its interrupts are for.
 */
#include "accel/hvtlfs/component.h"

#include "accel/hvtlfs/mutant.h"
#include "hv/interrupt.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hw/hyperv/stimer.h"
#include "sync/lock.h"

struct assist {
	struct lock lock;        /* LOCK_APIC: all below; `at` may be read without */
	uint64_t period;         /* 100 ns */
	uint64_t control;        /* HV_EMULATED_TIMER_* */
	uint64_t schedule;       /* reference time at which the next tick is due */
	_Atomic uint64_t at;     /* when it is signalled; TIMER_NEVER: it does not run */
};

static struct assist *assist_of(struct partition *p)
{
	return partition_component_state(p, &timer_assist_component);
}

/* T15.1.5.g */
static struct interrupt_request request(const struct assist *a)
{
	return (struct interrupt_request){
		.destination = a->control >> HV_EMULATED_TIMER_MDA_SHIFT, .vector = (uint8_t)a->control,
		.mode = a->control >> HV_EMULATED_TIMER_MODE_SHIFT & HV_EMULATED_TIMER_MODE_MASK,
		.logical = a->control & HV_EMULATED_TIMER_LOGICAL,
	};
}

/* ---- ticks ---- */

/* Locks: a->lock held.  One is due. */
static void tick(struct assist *a, struct partition *p, uint64_t now)
{
	const struct interrupt_request r = request(a);
	uint64_t at;

	if (partition_sent(p, &r)) {
		atomic_store(&a->at, timer_retry(a->period, now));
		return;
	}
	partition_send(p, &r);
	timer_next_tick(a->period, false, now, &a->schedule, &at);   /* T15.1.5.f */
	atomic_store(&a->at, at);
}

static void assist_expire(struct vp *vp, void *state, int64_t host_now)
{
	struct partition *p = vp_partition(vp);
	struct assist *a = assist_of(p);
	uint64_t now;

	(void)state, (void)host_now;
	lock_acquire(&a->lock);
	now = partition_reference_time(p);
	if (atomic_load(&a->at) <= now)
		tick(a, p, now);
	lock_release(&a->lock);
}

static int64_t assist_next_deadline(struct vp *vp, void *state)
{
	struct partition *p = vp_partition(vp);

	(void)state;
	return timer_host_deadline(p, atomic_load_explicit(&assist_of(p)->at, memory_order_relaxed));
}

/* ---- properties ---- */

/* Locks: a->lock held.  From now on, if it is to run at all. */
static void start(struct assist *a, struct partition *p)
{
	uint64_t now = partition_reference_time(p);
	bool runs = a->control & HV_EMULATED_TIMER_ENABLED && a->period;

	a->schedule = a->period > TIMER_NEVER - now ? TIMER_NEVER : now + a->period;
	atomic_store(&a->at, runs ? a->schedule : TIMER_NEVER);
}

static void tell_vps(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		vp_deadline_changed(vp);
}

/* A partition that has not been initialized has no timer yet. */
static uint64_t get(struct partition *p, const uint64_t *field)
{
	struct assist *a = assist_of(p);
	uint64_t v;

	if (!partition_is_active(p))
		return 0;
	lock_acquire(&a->lock);
	v = *field;
	lock_release(&a->lock);
	return v;
}

static uint64_t get_period(struct partition *p) { return get(p, &assist_of(p)->period); }
static uint64_t get_control(struct partition *p) { return get(p, &assist_of(p)->control); }

static hv_status set_period(struct partition *p, uint64_t v)
{
	struct assist *a = assist_of(p);

	lock_acquire(&a->lock);
	a->period = v;
	if (!v && !MUTANT(assist_stays_enabled))
		a->control &= ~HV_EMULATED_TIMER_ENABLED;  /* T15.1.5.c */
	start(a, p);                                       /* T15.1.5.d */
	lock_release(&a->lock);
	tell_vps(p);
	return HV_STATUS_SUCCESS;
}

/* Modes that a command register cannot have. */
static bool mode_known(uint64_t control)
{
	unsigned mode = control >> HV_EMULATED_TIMER_MODE_SHIFT & HV_EMULATED_TIMER_MODE_MASK;

	return mode != 3 && mode != HV_INTERRUPT_EXT_INT;
}

static hv_status set_control(struct partition *p, uint64_t v)
{
	struct assist *a = assist_of(p);
	uint64_t before;

	if (v & HV_EMULATED_TIMER_RESERVED || !mode_known(v))
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(&a->lock);
	before = a->control;
	a->control = v;
	/* T15.1.5.e: what runs goes on, with the new values. */
	if ((before ^ v) & HV_EMULATED_TIMER_ENABLED)
		start(a, p);
	lock_release(&a->lock);
	tell_vps(p);
	return HV_STATUS_SUCCESS;
}

static const struct property properties[] = {
	{ HV_PROPERTY_EMULATED_TIMER_PERIOD, CALL_IN_ACTIVE, get_period, set_period },
	{ HV_PROPERTY_EMULATED_TIMER_CONTROL, CALL_IN_ACTIVE, get_control, set_control },
	{ .get = NULL },
};

/* ---- component ---- */

static void assist_reset(struct partition *p, void *state)
{
	struct assist *a = state;

	(void)p;
	lock_acquire(&a->lock);
	a->period = a->control = 0;                        /* T15.1.5.a */
	atomic_store(&a->at, TIMER_NEVER);
	lock_release(&a->lock);
}

static void assist_init(struct partition *p, void *state)
{
	struct assist *a = state;

	(void)p;
	lock_init(&a->lock, LOCK_APIC, "timer assist");
	atomic_init(&a->at, TIMER_NEVER);
}

static void assist_fini(struct partition *p, void *state)
{
	struct assist *a = state;

	(void)p;
	lock_destroy(&a->lock);
}

const struct vp_component timer_assist_component = {
	.name = "timer assist", .partition_size = sizeof(struct assist), .partition_init = assist_init, .partition_reset = assist_reset,
	.partition_fini = assist_fini, .properties = properties, .next_deadline = assist_next_deadline, .expire = assist_expire,
};
