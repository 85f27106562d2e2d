/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic timers: four per VP, in units of partition reference time (15.1.3, 15.1.4,
 * 15.3).  An expiration is a message to a SINT of this VP or, in direct mode, an
 * interrupt of its local APIC.
 *
 * Reference time is the only clock: a host deadline is worked out anew each time the
 * core asks for it, and what comes too early by the guest's clock is just asked for
 * again.  So nothing needs to be told when the partition, and its time, stop and go on.
 *
 * Threads: all of it belongs to the VP's own thread.
 */
#include "accel/hvtlfs/component.h"

#include <inttypes.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "hv/vp.h"
#include "hw/hyperv/stimer.h"
#include "hw/hyperv/synic.h"
#include "sync/futex.h"
#include "trace/log.h"

#define NEVER TIMER_NEVER
enum {
	/*
	 * Least distance of two signals of a periodic timer, 100 ns units: a guest that asks
	 * for a shorter period must not keep the machine's timer thread busy.
	 */
	SHORTEST_PERIOD = 500,
	/* A timer whose last message still waits for its slot, or whose interrupt waits, tries again after this. */
	RETRY = 1000,
	/*
	 * Periods that a timer makes up for, or what this time has of them if that is more, 200 ms: a host with
	 * other work keeps a VP waiting for some ten.  Those beyond are dropped (T15.1.4.d).
	 */
	CATCH_UP = 16,
	CATCH_UP_TIME = 2000000,
	UNIT_NS = 100,
};

struct timer {
	uint64_t config, count;
	uint64_t schedule;   /* reference time of the next expiration, as the guest counts */
	uint64_t at;         /* when it is signalled: then, or later while catching up; NEVER: not running */
};

struct stimer {
	struct vp *vp;       /* set once */
	struct timer timer[HV_TIMER_COUNT];
};

static struct stimer *stimer_of(struct vp *vp)
{
	return vp_component_state(vp, &stimer_component);
}

static unsigned number(const struct stimer *s, const struct timer *t)
{
	return (unsigned)(t - s->timer);
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return b > NEVER - a && !MUTANT(timer_wraps) ? NEVER : a + b;
}

static void timer_log(const struct stimer *s, const struct timer *t, const char *what)
{
	struct partition *p = vp_partition(s->vp);

	if (log_on(LOG_STIMER))
		log_print(LOG_STIMER, "%s/%u: timer %u %s at %" PRIu64 ": config %#" PRIx64 " count %" PRIu64 " due %" PRIu64
			  "\n", partition_name(p), vp_index(s->vp), number(s, t), what, partition_reference_time(p),
			  t->config, t->count, t->at);
}

/* ---- starting ---- */

/* Config or count has changed. */
static void restart(struct stimer *s, struct timer *t)
{
	/* T15.3.1.h: in message mode a timer without a source has nowhere to go. */
	if (!(t->config & (HV_TIMER_DIRECT | HV_TIMER_SINT)) && !MUTANT(timer_no_sint))
		t->config &= ~(uint64_t)HV_TIMER_ENABLE;
	t->at = NEVER;
	/* Linux enables first and counts later: nothing expires before there is a count (O38). */
	if ((t->config & HV_TIMER_ENABLE) && t->count) {
		t->schedule = t->count;                    /* T15.3.1.g: may be in the past */
		if (t->config & HV_TIMER_PERIODIC && !MUTANT(timer_period_absolute))   /* T15.3.2.c */
			t->schedule = add(partition_reference_time(vp_partition(s->vp)), t->count);
		t->at = t->schedule - (MUTANT(timer_early) ? 10000 : 0);
	}
	timer_log(s, t, t->at == NEVER ? "stands" : "runs");
	vp_deadline_changed(s->vp);
}

/* ---- expiring ---- */

/* False: the timer's last message waits for the guest to take the one before it (T14.2.1.d). */
static bool fire(struct stimer *s, struct timer *t)
{
	struct hv_timer_message m = { .timer = number(s, t) ^ MUTANT(message_number), .expiration = t->schedule };   /* T16.4.1.a, T16.4.1.b */

	if (MUTANT(message_expiration))
		m.expiration = partition_reference_time(vp_partition(s->vp));
	if (t->config & HV_TIMER_DIRECT) {
		vp_raise(s->vp, (uint8_t)(t->config >> HV_TIMER_VECTOR_SHIFT), 0);
	} else if (synic_timer_message(s->vp, m.timer, t->config >> HV_TIMER_SINT_SHIFT & 0xf, &m) ==
		   HV_STATUS_INSUFFICIENT_BUFFERS) {
		return false;
	}
	/* With the SynIC disabled nobody is to be told: expired all the same. */
	timer_log(s, t, "expires");
	vp_count(s->vp, COUNT_TIMERS_EXPIRED);
	return true;
}

/* T15.1.4.e: so late that the next one is near. */
static bool too_late(const struct timer *t, uint64_t now)
{
	uint64_t late = (now - t->schedule) % t->count;

	return (t->config & HV_TIMER_LAZY) && t->count - late < t->count / 4 && !MUTANT(timer_lazy_always);
}

void timer_next_tick(uint64_t period, bool lazy, uint64_t now, uint64_t *schedule, uint64_t *at)
{
	uint64_t most = MAX(CATCH_UP, CATCH_UP_TIME / period), missed;

	*schedule = add(MUTANT(timer_creeps) ? now : *schedule, period);   /* T15.1.4.a: no error adds up */
	*at = *schedule;
	if (*schedule <= now) {
		missed = (now - *schedule) / period + 1;
		if (lazy && !MUTANT(timer_lazy_hurries)) {
			*schedule += missed * period;      /* T15.1.4.e: periods keep their length */
			*at = *schedule;
		} else {
			if (missed > most && !MUTANT(timer_no_drop))
				*schedule += (missed - most) * period;
			*at = now + (MUTANT(timer_no_catch_up) ? period : period / 2);   /* T15.1.4.c */
		}
	}
	if (*at - now < SHORTEST_PERIOD)
		*at = now + SHORTEST_PERIOD;
}

/* A tick that would be lost behind the one before, which the guest has not taken; it counts as late (T15.1.4.c). */
static bool would_be_lost(const struct stimer *s, const struct timer *t)
{
	if (t->config & HV_TIMER_LAZY)
		return false;
	if (t->config & HV_TIMER_DIRECT)
		return vp_raised(s->vp, (uint8_t)(t->config >> HV_TIMER_VECTOR_SHIFT));
	return synic_timer_waits(s->vp, number(s, t));
}

uint64_t timer_retry(uint64_t period, uint64_t now)
{
	return add(now, MAX(RETRY, period / 2));
}

static void expire_one(struct stimer *s, struct timer *t, uint64_t now)
{
	if (!(t->config & HV_TIMER_PERIODIC)) {
		t->at = now + RETRY;
		if (!fire(s, t))
			return;
		t->at = NEVER;
		if (!MUTANT(timer_stays))
			t->config &= ~(uint64_t)HV_TIMER_ENABLE;   /* T15.3.1.e */
		return;
	}
	if (would_be_lost(s, t)) {
		/* Not more often than ticks would come: the guest may never take it. */
		t->at = timer_retry(t->count, now);
		return;
	}
	if (too_late(t, now) || !fire(s, t))               /* T15.3.1.f: stays enabled */
		vp_count(s->vp, COUNT_TIMERS_SKIPPED);
	timer_next_tick(t->count, t->config & HV_TIMER_LAZY, now, &t->schedule, &t->at);
	if (MUTANT(timer_once))
		t->at = NEVER;
}

static void stimer_expire(struct vp *vp, void *state, int64_t host_now)
{
	struct stimer *s = state;
	uint64_t now = partition_reference_time(vp_partition(vp));

	(void)host_now;
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		if (s->timer[n].at > now)                  /* T15.1.3.b, T15.3.2.b */
			continue;
		expire_one(s, &s->timer[n], now);
		if (MUTANT(timer_drops_others))
			for (n++; n < HV_TIMER_COUNT; n++)
				s->timer[n].at = NEVER;
	}
}

int64_t timer_host_deadline(struct partition *p, uint64_t at)
{
	uint64_t now;

	if (at == NEVER)
		return INT64_MAX;
	now = partition_reference_time(p);
	if (at <= now)
		return monotonic_ns();
	/* The fraction of `now` that is cut off makes it late by less than a unit, never early. */
	at -= now;
	return at < INT64_MAX / 2 / UNIT_NS ? monotonic_ns() + (int64_t)at * UNIT_NS : INT64_MAX;
}

static int64_t stimer_next_deadline(struct vp *vp, void *state)
{
	const struct stimer *s = state;
	uint64_t first = NEVER;

	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		if (s->timer[n].at < first)
			first = s->timer[n].at;
	return timer_host_deadline(vp_partition(vp), first);
}

/* ---- MSRs (15.3): config and count alternate ---- */

static struct timer *timer_of(struct vp *vp, uint32_t msr)
{
	return &stimer_of(vp)->timer[(msr - HV_X64_MSR_STIMER0_CONFIG) / 2];
}

static enum x86_result config_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = timer_of(vp, msr)->config;                /* T15.3.1.j */
	return X86_OK;
}

static enum x86_result config_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct timer *t = timer_of(vp, msr);

	/* Reserved as long as nobody says that there is a direct mode. */
	if ((value & (HV_TIMER_DIRECT | HV_TIMER_VECTOR)) &&
	    !(partition_features(vp_partition(vp))->facilities & HV_FEATURE_DIRECT_TIMERS))
		return X86_FAULT_GP;
	t->config = value | (MUTANT(timer_keeps_sint) ? t->config & HV_TIMER_SINT : 0);
	restart(stimer_of(vp), t);
	return X86_OK;
}

static enum x86_result count_read(struct vp *vp, uint32_t msr, uint64_t *value)
{
	*value = timer_of(vp, msr)->count;
	return X86_OK;
}

static enum x86_result count_write(struct vp *vp, uint32_t msr, uint64_t value)
{
	struct timer *t = timer_of(vp, msr);

	t->count = value;
	if (!value && !MUTANT(timer_count_zero))
		t->config &= ~(uint64_t)HV_TIMER_ENABLE;   /* T15.3.2.a */
	else if (t->config & HV_TIMER_AUTO_ENABLE && !MUTANT(timer_count_waits))
		t->config |= HV_TIMER_ENABLE;              /* T15.3.1.c, T15.3.1.d */
	restart(stimer_of(vp), t);
	return X86_OK;
}

#define TIMER(n) \
	{ HV_X64_MSR_STIMER0_CONFIG + 2 * n, HV_X64_MSR_STIMER0_CONFIG + 2 * n, "HV_X64_MSR_STIMER" #n "_CONFIG", \
	  HV_ACCESS_SYNTHETIC_TIMERS, MSR_VP, HV_TIMER_RESERVED, config_read, config_write }, \
	{ HV_X64_MSR_STIMER0_COUNT + 2 * n, HV_X64_MSR_STIMER0_COUNT + 2 * n, "HV_X64_MSR_STIMER" #n "_COUNT", \
	  HV_ACCESS_SYNTHETIC_TIMERS, MSR_VP, 0, count_read, count_write }

static const struct msr_row stimer_msrs[] = {
	TIMER(0), TIMER(1), TIMER(2), TIMER(3),
	{ .name = NULL },
};

/* ---- component ---- */

static bool stimer_init(struct vp *vp, void *state)
{
	struct stimer *s = state;

	s->vp = vp;
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		s->timer[n].at = NEVER;
	return true;
}

/* T15.3.1.b; the core asks for deadlines afterwards. */
static void stimer_reset(struct vp *vp, void *state, enum x86_reset how)
{
	struct stimer *s = state;

	(void)vp, (void)how;
	if (MUTANT(timer_outlives_reset))
		return;
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		s->timer[n] = (struct timer){ .at = NEVER };
}

/* ---- as a whole (HvGetVpState) ---- */

static void state_get(const struct stimer *s, struct hv_timers_state *all)
{
	uint64_t now = partition_reference_time(vp_partition(s->vp));

	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		const struct timer *t = &s->timer[n];
		bool late = t->at != NEVER && t->schedule < now;

		all->timer[n].config = t->config;
		all->timer[n].count = t->count;
		all->timer[n].flags = late ? HV_TIMER_UNDELIVERED : 0;
		all->timer[n].undelivered_expiration = late ? t->schedule : 0;
	}
}

static bool config_legal(const struct stimer *s, uint64_t config)
{
	uint64_t direct = partition_features(vp_partition(s->vp))->facilities & HV_FEATURE_DIRECT_TIMERS ? 0 : HV_TIMER_DIRECT | HV_TIMER_VECTOR;

	return !(config & (HV_TIMER_RESERVED | direct));
}

static hv_status state_set(struct stimer *s, const struct hv_timers_state *all)
{
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		if (!config_legal(s, all->timer[n].config))
			return HV_STATUS_INVALID_PARAMETER;
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		struct timer *t = &s->timer[n];

		t->config = all->timer[n].config;
		t->count = all->timer[n].count;
		restart(s, t);
		/* What had not reached its guest does now. */
		if (all->timer[n].flags & HV_TIMER_UNDELIVERED && t->at != NEVER)
			t->at = t->schedule = all->timer[n].undelivered_expiration;
	}
	return HV_STATUS_SUCCESS;
}

static hv_status stimer_state(struct vp *vp, void *state, uint32_t type, bool set, void *page)
{
	(void)vp;
	if (type != HV_VP_STATE_TIMERS)
		return HV_STATUS_INVALID_PARAMETER;
	if (set)
		return state_set(state, page);
	state_get(state, page);
	return HV_STATUS_SUCCESS;
}

static void stimer_show(struct vp *vp, void *state, vp_show_fn put, void *o)
{
	const struct stimer *s = state;
	char name[16];

	(void)vp;
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		g_snprintf(name, sizeof name, "config-%u", n);
		put(o, name, s->timer[n].config);
		g_snprintf(name, sizeof name, "count-%u", n);
		put(o, name, s->timer[n].count);
	}
}

const struct vp_component stimer_component = {
	.name = "stimer", .size = sizeof(struct stimer),
	.init = stimer_init, .reset = stimer_reset, .msrs = stimer_msrs,
	.next_deadline = stimer_next_deadline, .expire = stimer_expire, .state = stimer_state, .show = stimer_show,
};
