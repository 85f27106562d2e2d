/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One machine, inside accel/hvtlfs. */
#ifndef HVTLFS_MACHINE_H
#define HVTLFS_MACHINE_H

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "accel/engine/engine.h"
#include "accel/hvtlfs/component.h"
#include "accel/hvtlfs/hv.h"
#include "frames.h"
#include "hv/root.h"
#include "schedule.h"
#include "sync/gate.h"

struct hv_call;
struct msr_row;

/* MSRs that are looked up without a search: synthetic ones, and x2APIC's behind them. */
enum { MSR_SYNTHETIC = 0x40000000, MSR_SYNTHETIC_COUNT = 0x200, MSR_X2APIC = 0x800, MSR_X2APIC_COUNT = 0x100,
       MSR_PLACES = MSR_SYNTHETIC_COUNT + MSR_X2APIC_COUNT };

struct hv {
	/* Set once. */
	const struct engine *engine;
	struct engine_options engine_options;
	const struct vp_component *const *components;
	unsigned component_count;
	GArray *call_rows;              /* struct hv_call */
	const struct hv_call *calls;    /* those rows; tests put their own here before VPs run */
	unsigned call_count;
	bool root_scheduler;            /* before VPs run: -accel scheduler=root */
	uint32_t call_slice_ns;         /* what one execution of a rep call may hold a VP for */
	const struct msr_row *msr_row[MSR_PLACES];      /* NULL: there is none */
	bool tsc_native;                /* the host's TSC counts at a constant rate */
	uint64_t tsc_hz;
	uint64_t reference_scale;       /* reference time = high half of TSC * this */

	struct frames frames;           /* its own lock */
	spn_t zeros, ones;              /* set once: frames that say nothing else, for all partitions to read */

	struct lock lock;               /* LOCK_MACHINE; the tree: the two fields below */
	GPtrArray *partitions;          /* live ones, parents before children; a reference each */
	uint64_t next_id;               /* never reused (T5.2.1.b) */
	struct lock list_lock;          /* LOCK_LIST; changes of `partitions` hold it besides, and all of the next */
	GHashTable *by_id;              /* the same partitions, without a reference */

	_Atomic uint64_t lps;           /* logical processors that the root has told of: root.c */
	_Atomic uint64_t monitored;     /* notifications whose sender is looked at */
	struct hv_perf_counter_configuration perf_counter;   /* lock; a system property: root.c */
	struct schedule schedule;       /* its own lock */
	struct stats *stats;            /* set once; its own lock */

	/* Deadlines of VPs that run guest code: timer.c. */
	pthread_t timer_thread;
	struct gate timer_gate;
	struct lock timer_lock;         /* LOCK_CLOCK; covers the three below, and vp.armed */
	GPtrArray *timed;               /* struct vp * */
	int64_t timer_sleeps_until;
	bool timer_stop;
};

/* timer.c */
void timers_init(struct hv *hv);
void timers_fini(struct hv *hv);
void timers_add(struct hv *hv, struct vp *vp);
/* On return the timer thread does not know @vp any more. */
void timers_remove(struct hv *hv, struct vp *vp);
/* X86_PEND_WORK at @deadline (CLOCK_MONOTONIC ns, INT64_MAX none) replaces the VP's former wish. */
void timers_arm(struct hv *hv, struct vp *vp, int64_t deadline);

/* msr.c */
void msr_table_init(struct hv *hv);

/* clock.c */
void clock_calibrate(struct hv *hv);
uint64_t host_tsc(const struct hv *hv);

#endif
