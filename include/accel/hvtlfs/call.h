/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hypercalls: one row each, for the files that implement chapters.
 *
 * The row says what the interface chapter says of a call; the dispatcher
 * (accel/hvtlfs/call.c) holds every rule of chapter 4.  A handler never looks at the
 * fast bit, rep fields, alignment, page crossing or privileges, and gets its input in
 * c->in whatever form the caller chose.
 */
#ifndef ACCEL_HVTLFS_CALL_H
#define ACCEL_HVTLFS_CALL_H

#include "accel/hvtlfs/hv.h"
#include "hv/hypercall.h"
#include "hv/status.h"

/* Simple calls have run(), rep calls element() or list(). */
enum { CALL_REP = 1 << 0, CALL_VARIABLE = 1 << 1 /* takes a variable header */ };

/*
 * Calls that act on a partition have its id in the first 8 bytes of their input, as a rule.  The row says
 * whose it may be and where it may stand in its life; the dispatcher finds it.
 */
enum {
	CALL_ON_CHILD = 1 << 0,     /* the caller made it */
	CALL_ON_SELF = 1 << 1,
	CALL_ON_ROOT_SELF = 1 << 2, /* the caller, if no partition made it */
};
enum {
	CALL_IN_UNINITIALIZED = 1 << 0,
	CALL_IN_ACTIVE = 1 << 1,
	CALL_IN_FINALIZING = 1 << 2,
	CALL_IN_FINALIZED = 1 << 3,
	CALL_IN_ANY = 0xf,
};

/* One call, for its handler.  On the thread of c->vp, no lock held. */
struct hv_ctx {
	struct vp *vp;
	struct partition *caller;
	/* What the call acts on, if its row says CALL_ON_*.  No other call acts on it before this one is over. */
	struct partition *target;
	uint32_t index;             /* of the element in the whole list; the first of those for list() */
	bool wait;                  /* nothing has happened; again when the VP goes on, which has been suspended */
	uint64_t changed;           /* a handler's own, from element to end(); 0 at first */
	void *kept;                 /* the same; NULL at first; end() frees it */
	const void *in;             /* fixed block; NULL if the row has none */
	const uint64_t *variable;   /* variable header */
	uint32_t variable_count;    /* its 8-byte words */
	void *out;                  /* fixed output block, zeroed; written back on success */
	/* For rows without a fixed block that have one for some inputs: where to put it, a page at most, and how much it is. */
	void *out_room;
	uint32_t out_bytes;
};

struct hv_call {
	uint16_t code;
	const char *name, *section; /* name NULL ends a list */
	uint16_t in, out;           /* fixed blocks, bytes, multiples of 8 (T4.1.b) */
	uint16_t in_elem, out_elem; /* rep calls: bytes per element */
	uint8_t flags;              /* CALL_* */
	/* Whether this input is about a partition, and about which; NULL: about that whose id is its first 8 bytes. */
	bool (*target)(const void *in, uint64_t *id);
	uint8_t on, in_state;       /* CALL_ON_*, 0: on none; CALL_IN_*, 0: CALL_IN_ACTIVE */
	uint64_t privilege;         /* HV_* of hv/partition.h; 0 none */
	uint64_t child_privilege;   /* the same where the target is not the caller itself */
	uint32_t hint;              /* HV_HINT_* of hv/cpuid.h that recommends it: needed with hv-enforce-cpuid; 0 none */
	hv_status (*run)(struct hv_ctx *c);
	hv_status (*element)(struct hv_ctx *c, const void *in, void *out);
	/* After the elements that one execution processed, be they none; on the same context. */
	void (*end)(struct hv_ctx *c);
	uint8_t counted;            /* enum vp_count: its class; whoever makes the table writes it */
	/* All elements that are left, or none of them, in bounded time; no output per element. */
	hv_status (*list)(struct hv_ctx *c, const void *in, uint32_t count);
};

/*
 * Around what would wait for the target's VPs to end: others may act on the target meanwhile,
 * so the handler first puts it in a state that keeps them off.
 */
void call_pause(struct hv_ctx *c);
void call_continue(struct hv_ctx *c);

/* Row @n of the machine's table, in ascending order of code; NULL behind the last. */
const struct hv_call *hv_call_row(const struct hv *hv, unsigned n);

#endif
