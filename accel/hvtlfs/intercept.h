/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Intercepts (9): what a VP does that its parent has to act on.
 *
 * The callback that meets it notes it and answers X86_STOP.  The engine leaves with the instruction
 * not executed, and at the boundary the VP is suspended and its parent told, by its own thread.
 */
#ifndef HVTLFS_INTERCEPT_H
#define HVTLFS_INTERCEPT_H

#include "accel/hvtlfs/hv.h"

/* What a message needs that the processor's state does not tell.  The VP's own thread. */
struct intercept {
	uint32_t type;               /* HV_MESSAGE_*; 0: nothing is due */
	uint8_t access;              /* HV_INTERCEPT_READ, ... */
	union {
		struct {
			uint16_t port;
			uint8_t size;
		} io;
		struct {
			uint64_t gpa, gva;   /* gva: X86_NO_LINEAR if there is none */
		} memory;
	};
};

/* Is the parent to be told something? */
bool intercept_is_due(const struct vp *vp);
/* Suspends the VP and sends the message that is due.  Own thread, out of the engine. */
void intercept_tell(struct vp *vp);

#endif
