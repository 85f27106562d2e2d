/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitor pages (14.5, 14.8.10): guest memory in which a sender marks triggers instead of
 * making calls.  The hypervisor looks at it now and then.
 *
 * A page is a port's; receiver and sender see it where each of them likes, in one partition or in two.  Whichever end goes
 * first, who has lost his has the page in no TLB any more before its frame is used for anything else.
 */
#ifndef HW_HYPERV_MONITOR_H
#define HW_HYPERV_MONITOR_H

#include "accel/hvtlfs/component.h"
#include "hv/port.h"
#include "sync/lock.h"

/* What a trigger asks for, on behalf of the sender @p. */
typedef void (*monitor_signal_fn)(struct partition *p, uint32_t connection, uint16_t flag);

/* Of a partition, and as long as its struct: the pages of its ports, and those that it sends by. */
struct monitors {
	struct partition *partition;         /* set once */
	struct lock lock;                    /* LOCK_PORT; what follows */
	GPtrArray *sent;                     /* struct monitor *: it is the sender; NULL: the partition is gone */
	GPtrArray *spare;                    /* struct msr_page *: of ports that are gone, whose frames it keeps; NULL likewise */
	unsigned pages;                      /* of ports that are there */
	_Atomic bool looking;                /* VP 0 runs; read without the lock */
	_Atomic int64_t look_at;             /* INT64_MAX: there is nothing; read without the lock */
};

void monitors_init(struct monitors *s, struct partition *p);
/* All its ports and connections have ended.  The lock stays. */
void monitors_end(struct monitors *s);

/* One page; whoever made it frees it behind monitor_close(). */
struct monitor;

/*
 * A zeroed page for a port of @of's, which nobody sees yet.  MONITOR_PAID: a page of the partition's pool.
 * HV_STATUS_NO_RESOURCES: it has as many as it can have; HV_STATUS_INSUFFICIENT_MEMORY: the pool has none.
 */
enum monitor_frame { MONITOR_OWN, MONITOR_PAID };
hv_status monitor_new(struct monitors *of, enum monitor_frame frame, struct monitor **m);
void monitor_free(struct monitor *m);
/* Bytes of the struct. */
size_t monitor_bytes(void);

/*
 * All that follows up to monitor_close(): @self as partition_flush() has it, no lock held but LOCK_CALL.  Several threads may
 * be at one page: what has been closed takes no sender.  @gpa: of a page; beyond the GPA space nobody sees it.
 */
void monitor_show(struct monitor *m, struct vp *self, uint64_t gpa);       /* to the receiver */
/* HV_STATUS_INVALID_PORT_ID: closed, or there is a sender.  HV_STATUS_NO_RESOURCES: @by sends by as many pages as it can. */
hv_status monitor_connect(struct monitor *m, struct monitors *by, struct vp *self, uint64_t gpa);
/* If there is a sender: it does not see the page any more, and is not looked at. */
void monitor_disconnect(struct monitor *m, struct vp *self);
/* Nobody sees it any more; its frame goes back. */
void monitor_close(struct monitor *m, struct vp *self);

/* As new; what was pending is lost. */
void monitor_clear(struct monitor *m);

/* Tells all that @s's partition sends by whether anybody looks (T14.8.10.e). */
void monitors_tell(struct monitors *s, bool looking);
/* Takes what is pending in groups that are due at @now (INT64_MAX: all) of the pages that it sends by.  No lock held. */
void monitors_look(struct monitors *s, int64_t now, monitor_signal_fn signal);
/* When they want to be looked at next; CLOCK_MONOTONIC ns.  Any thread. */
int64_t monitors_due(struct monitors *s);
/* VP 0 goes on: it looks at once. */
void monitors_wake(struct monitors *s);
/* How many it sends by.  Any thread. */
unsigned monitors_sent(struct monitors *s);

#endif
