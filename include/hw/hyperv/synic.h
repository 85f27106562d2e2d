/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synthetic interrupt controller: what senders of messages and events need.
 *
 * All of it from any thread, with any lock held below LOCK_APIC.
 */
#ifndef HW_HYPERV_SYNIC_H
#define HW_HYPERV_SYNIC_H

#include "accel/hvtlfs/component.h"
#include "hv/synic.h"

/*
 * A message on its way.  A sender owns some and cannot have more messages waiting
 * than that (14.2.1).  Zeroed is a free one; it must stay until synic_forget() or the end
 * of the partition.
 */
struct synic_buffer {
	struct synic_buffer *next;     /* in its queue; the VP's SynIC lock */
	_Atomic bool taken;            /* until the message is in its slot, or lost */
	bool told;                     /* by synic_tell(); set once */
	struct vp *at;                 /* whose queue a told one was put in last; NULL: no VP could take it; LOCK_TELL */
	struct hv_message message;
};

/*
 * Queues @m for @sint of @vp in one of the sender's @count buffers and tries to deliver.
 * INSUFFICIENT_BUFFERS: all are waiting.  INVALID_SYNIC_STATE: SynIC or message page disabled.
 */
hv_status synic_post(struct vp *vp, unsigned sint, struct synic_buffer *own, unsigned count,
		     const struct hv_message *m);
/* Frees @own; messages still waiting in it are lost.  Nobody may be posting with it. */
void synic_forget(struct partition *p, struct synic_buffer *own, unsigned count);

/*
 * A message from the hypervisor to @p: to SINT0 of whichever of its VPs can take it, now or as soon as one
 * can; it is never lost.  If the last one of @own still waits, @m takes its place, at the end.  Any thread,
 * any lock below LOCK_TELL.
 */
void synic_tell(struct partition *p, struct synic_buffer *own, const struct hv_message *m);
/* What waits in @own is lost.  Nobody may be telling with it. */
void synic_untell(struct partition *p, struct synic_buffer *own);

/*
 * Synthetic timer @timer of @vp expired: one dedicated buffer per timer (T14.2.1.d).
 * m->delivery is filled in when the message reaches its slot.  INSUFFICIENT_BUFFERS: the
 * timer's last message still waits.  INVALID_SYNIC_STATE as above.
 */
hv_status synic_timer_message(struct vp *vp, unsigned timer, unsigned sint, const struct hv_timer_message *m);
/* Does the last message of @timer still wait for its slot? */
bool synic_timer_waits(struct vp *vp, unsigned timer);

/*
 * Puts @m into the slot of @sint at once, or not at all.  OBJECT_IN_USE: something is there, or waits for the slot.
 * INVALID_SYNIC_STATE as above.
 */
hv_status synic_post_direct(struct vp *vp, unsigned sint, const struct hv_message *m);

/*
 * Sets event flag @flag of @sint; an interrupt follows if it was clear, which *newly tells (may be NULL).
 * INVALID_SYNIC_STATE: SynIC or flags page disabled, or SINT masked; nothing has changed then.
 */
hv_status synic_signal(struct vp *vp, unsigned sint, unsigned flag, bool *newly);
/*
 * Puts @port into the event ring of @sint.  RING_FULL: no place was free, the guest will ask for more when it has made
 * some (HvNotifyPortRingEmpty).  RING_TELL: it is in, and the guest wants a message to SINT0.  RING_OFF: SynIC or page
 * disabled, or the VP has no rings.
 */
enum ring_result { RING_IN, RING_TELL, RING_FULL, RING_OFF };
enum ring_result synic_ring(struct vp *vp, unsigned sint, uint32_t port);
/* The bare interrupt of @sint, for test devices.  INVALID_SYNIC_STATE: SynIC disabled or SINT masked. */
hv_status synic_interrupt(struct vp *vp, unsigned sint);

#endif
