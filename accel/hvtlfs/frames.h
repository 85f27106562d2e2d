/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames: the machine's memory in pages of 4 KiB, and their descriptors.
 *
 * The space is one sparse memory file, mapped once for the life of the machine.
 * A frame costs host memory from its first touch until it is freed.  Descriptors
 * come in chunks, made when somebody asks for one of theirs, so frames that
 * nobody touches cost nothing at all.
 */
#ifndef HVTLFS_FRAMES_H
#define HVTLFS_FRAMES_H

#include "accel/hvtlfs/hv.h"
#include "sync/lock.h"

enum frame_kind {
	FRAME_FREE,
	FRAME_RAM,          /* memory of a partition */
	FRAME_HYPERVISOR,   /* overlay pages and the like */
};

struct frame {
	struct partition *owner;    /* NULL: free.  Changes only under frames.lock */
	enum frame_kind kind;       /* likewise */
	/* Mappings in partitions that a parent made, those with any right and all; written under the family's maps_lock. */
	_Atomic uint32_t shares, maps;
	/* In a memory pool: its depositor and those below have no right to it.  Those above keep theirs (short of T7.1.1.d). */
	_Atomic bool pooled;
	struct x86_code_page code;  /* atomics inside */
};

/* Consecutive frames. */
struct extent {
	uint64_t first, count;
	struct partition *owner;    /* of used ones */
	enum frame_kind kind;
};

enum { FRAME_CHUNK_BITS = 9, FRAME_CHUNK = 1 << FRAME_CHUNK_BITS };

struct frames {
	uint8_t *base;              /* set once: host address of frame 0 */
	uint64_t count;             /* set once: frames in all, the reserve included */
	struct frame *_Atomic *chunk;  /* [count / FRAME_CHUNK]; each is set once, published by its store */
	struct lock lock;           /* LOCK_FRAMES; covers all below */
	GArray *free;               /* struct extent, ascending, never adjacent */
	GArray *used;               /* struct extent, ascending */
	uint64_t ram_left;          /* frames that partitions may still have as RAM */
};

/* @memory bytes can become RAM; hypervisor pages have a small reserve beside them. */
bool frames_init(struct frames *f, uint64_t memory, GError **error);
void frames_fini(struct frames *f);
/*
 * Takes up to @want frames in one piece, contents zero, for @owner.  RAM comes from
 * the bottom, hypervisor pages from the top.  Frames taken (0: none left), the first in *first.
 */
uint64_t frames_take(struct frames *f, uint64_t want, struct partition *owner, enum frame_kind kind,
		     spn_t *first);
/*
 * Gives back what frames_take() gave, all of it; the host gets its memory.  No
 * processor and no device may still reach the frames.
 */
void frames_give(struct frames *f, spn_t first, uint64_t count);
/* The descriptor; never NULL.  Takes f->lock only for the first of a chunk. */
struct frame *frames_descriptor(struct frames *f, spn_t at);
uint64_t frames_ram_left(struct frames *f);

static inline uint8_t *frames_host(const struct frames *f, spn_t at)
{
	return f->base + (at.v << HV_PAGE_SHIFT);
}

#endif
