/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitor pages (14.5, 14.8.10): guest memory in which a sender marks triggers instead of
 * making calls.  The hypervisor looks at it now and then.
 */
#ifndef HW_HYPERV_MONITOR_H
#define HW_HYPERV_MONITOR_H

#include "accel/hvtlfs/component.h"
#include "hv/port.h"

struct monitor;

/* What a trigger asks for. */
struct monitor_signal {
	uint32_t connection;
	uint16_t flag;
};
enum { MONITOR_SIGNALS = HV_MONITOR_GROUPS * HV_MONITOR_TRIGGERS };

/* A zeroed page that @p's guest does not see yet; NULL: no frame left. */
struct monitor *monitor_new(struct partition *p);
void monitor_free(struct monitor *m);
/*
 * Where the receiver, and where the sender sees it, a page-aligned GPA.  Its page goes from there when @gpa is
 * MONITOR_NOWHERE.  @vp: whose thread this is; NULL if no VP's.  No lock held.
 */
#define MONITOR_NOWHERE UINT64_MAX
void monitor_place_receiver(struct monitor *m, struct vp *vp, uint64_t gpa);
void monitor_place_sender(struct monitor *m, struct vp *vp, uint64_t gpa);

/* All below: one thread at a time. */

/* As new; what was pending is lost. */
void monitor_clear(struct monitor *m);
/* Tells the guest whether anybody looks (T14.8.10.e). */
void monitor_tell(struct monitor *m, bool looking);
/* Takes what is pending in groups that are due at @now (INT64_MAX: all); how many. */
unsigned monitor_take(struct monitor *m, int64_t now, struct monitor_signal signal[MONITOR_SIGNALS]);
/* When it wants to be looked at next; CLOCK_MONOTONIC ns. */
int64_t monitor_due(const struct monitor *m);

#endif
