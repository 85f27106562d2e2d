/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One source of time per machine: the TSC.  A partition's TSC is the host's plus
 * an offset and stands while the partition does; its reference time is that TSC in
 * units of 100 ns since creation, by the very formula guests use (15.4.3), so MSR
 * and page cannot disagree (T15.4.3.b).
 */
#include "accel/hvtlfs/mutant.h"
#include "hv/time.h"
#include "partition.h"
#include "sync/futex.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

/*
 * How long to watch the TSC, and how often to look for the moment at which the two clocks are read
 * closest together: a doubt of one nanosecond at each end is 0.1 parts in a million.
 */
enum { CALIBRATION_NS = 20000000, CALIBRATION_TRIES = 128 };

uint64_t host_tsc(const struct hv *hv)
{
#if defined(__x86_64__)
	if (hv->tsc_native)
		return __rdtsc();
#endif
	(void)hv;
	return (uint64_t)monotonic_ns();
}

#if defined(__x86_64__)

static bool tsc_is_invariant(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1 << 8);
}

/* A moment in both clocks: the closest of some tries. */
static uint64_t tsc_moment(int64_t *ns)
{
	int64_t best = INT64_MAX;
	uint64_t tsc = 0;

	for (int i = 0; i < CALIBRATION_TRIES; i++) {
		int64_t before = monotonic_ns(), after;
		uint64_t t = __rdtsc();

		after = monotonic_ns();
		if (after - before < best) {
			best = after - before;
			*ns = before + best / 2;
			tsc = t;
		}
	}
	return tsc;
}

static uint64_t tsc_measure(void)
{
	struct timespec pause = { .tv_nsec = CALIBRATION_NS };
	int64_t ns0, ns1;
	uint64_t t0 = tsc_moment(&ns0), t1;

	nanosleep(&pause, NULL);
	t1 = tsc_moment(&ns1);
	return (uint64_t)((unsigned __int128)(t1 - t0) * 1000000000u / (uint64_t)(ns1 - ns0));
}

#endif

void clock_calibrate(struct hv *hv)
{
	hv->tsc_hz = 1000000000;
#if defined(__x86_64__)
	if (tsc_is_invariant()) {
		hv->tsc_native = true;
		/* Guests count in kHz; the rest would be a drift between their clocks and ours.  To the nearest: hosts do, too. */
		hv->tsc_hz = (tsc_measure() + 500) / 1000 * 1000;
	}
#endif
	hv->reference_scale = (uint64_t)(((unsigned __int128)HV_REFERENCE_HZ << 64) / hv->tsc_hz);
	if (MUTANT(reference_slow))
		hv->reference_scale -= hv->reference_scale / 100;
}

uint64_t hv_tsc_hz(struct hv *hv)
{
	return hv->tsc_hz;
}

uint64_t partition_tsc(struct partition *p)
{
	if (atomic_load_explicit(&p->tsc_stopped, memory_order_acquire))
		return atomic_load_explicit(&p->tsc_frozen, memory_order_relaxed);
	return host_tsc(p->hv) + atomic_load_explicit(&p->tsc_offset, memory_order_relaxed);
}

uint64_t partition_reference_time(struct partition *p)
{
	return (uint64_t)((unsigned __int128)partition_tsc(p) * p->hv->reference_scale >> 64);
}

void partition_time_stop(struct partition *p)
{
	lock_assert_held(&p->lock);
	if (atomic_load(&p->tsc_stopped) || MUTANT(reference_goes_on))
		return;
	atomic_store(&p->tsc_frozen, partition_tsc(p));
	atomic_store(&p->tsc_stopped, true);
}

void partition_time_go(struct partition *p)
{
	lock_assert_held(&p->lock);
	if (!atomic_load(&p->tsc_stopped))
		return;
	atomic_store(&p->tsc_offset, atomic_load(&p->tsc_frozen) - host_tsc(p->hv));
	atomic_store(&p->tsc_stopped, false);
}

void partition_time_set(struct partition *p, uint64_t reference)
{
	unsigned __int128 wanted = (unsigned __int128)reference << 64;

	lock_assert_held(&p->lock);
	assert(atomic_load(&p->tsc_stopped));
	/* Rounded up: it must not read as less. */
	atomic_store(&p->tsc_frozen, (uint64_t)((wanted + p->hv->reference_scale - 1) / p->hv->reference_scale));
	atomic_store(&p->reference_last, 0);
}
