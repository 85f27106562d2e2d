/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The GPA map of one partition: GPA page to frame and rights, or to nothing
 * (then the access is the stack's); overlay pages stacked above (8.1.3).
 *
 * One tree of nine-bit levels holds what is mapped; entries are single atomic words and
 * tables live as long as the map.  A small hash table beside it has the overlays that are visible.  So a
 * lookup takes no lock, and an overlay costs no table wherever its guest puts it.
 *
 * Who changes the map flushes the TLBs of the partition's VPs afterwards
 * (partition_flush()), without a lock held, and frees frames only after that.
 */
#ifndef HVTLFS_GPA_H
#define HVTLFS_GPA_H

#include "accel/hvtlfs/hv.h"
#include "sync/lock.h"

/* Pages in all: 48 bits of GPA, more than any processor model here offers. */
enum { GPA_LEVELS = 4, GPA_LEVEL_BITS = 9, GPA_PAGE_BITS = GPA_LEVELS * GPA_LEVEL_BITS };

#define GPN_NOWHERE ((gpn_t){ UINT64_MAX })

static inline gpn_t gpa_page(gpa_t a) { return (gpn_t){ a.v >> HV_PAGE_SHIFT }; }
static inline unsigned gpa_offset(gpa_t a) { return a.v & (HV_PAGE_SIZE - 1); }

/* What a GPA page is. */
struct gpa_target {
	spn_t frame;         /* SPN_NONE: mapped without access and without a frame */
	uint32_t rights;     /* X86_PAGE_*; legal are 0, R, RW, RX, RWX (T8.1.2.a) */
	uint32_t limit;      /* what rights may become while the mapping lasts */
	uint32_t seen;       /* GPA_ACCESSED, GPA_DIRTY; kept while the partition is tracked */
	bool overlay;
};
enum { GPA_ACCESSED = 1 << 0, GPA_DIRTY = 1 << 1 };
#define SPN_NONE ((spn_t){ UINT64_MAX })

/* What an access to a page meets. */
enum gpa_access {
	GPA_ALLOWED,
	GPA_UNMAPPED,        /* nothing there, or beyond the space */
	GPA_DENIED,          /* mapped, but without the right */
	GPA_FORBIDDEN,       /* an overlay page without the right (T8.1.3.j) */
};

/*
 * An overlay page.  Its content may be written at any time; only the map looks
 * at where it is.
 */
struct overlay {
	spn_t frame;         /* owned by whoever owns the overlay */
	uint32_t rights;
	gpn_t at;            /* GPN_NOWHERE while disabled; map->lock */
};

struct gpa_table;
struct gpa_shown;

struct gpa_map {
	uint64_t pages;              /* set once: pages of the GPA space */
	struct gpa_table *root;      /* set once */
	struct lock lock;            /* LOCK_GPA_MAP; all changes of the tree, and what is below */
	GPtrArray *overlays;         /* struct overlay *, enabled; the last of a page is visible (T8.1.3.e) */
	struct gpa_shown *_Atomic shown;   /* those that are visible; NULL: there has been none */
	_Atomic uint32_t shown_round;      /* odd while they change */
};

void gpa_map_init(struct gpa_map *m, unsigned address_bits);
/* Overlays must be disabled. */
void gpa_map_fini(struct gpa_map *m);
/* The visible page; false: nothing there, or beyond the space.  No lock; any thread. */
bool gpa_map_lookup(const struct gpa_map *m, gpn_t at, struct gpa_target *t);
/* @right: one of X86_PAGE_*.  No lock; any thread. */
enum gpa_access gpa_map_access(const struct gpa_map *m, gpn_t at, uint32_t right);
/* Maps consecutive pages to @t's frame and those behind it, or to none each.  They must lie inside the space. */
void gpa_map_put(struct gpa_map *m, gpn_t at, uint64_t pages, const struct gpa_target *t);
/* The same with @rights as the limit. */
void gpa_map_set(struct gpa_map *m, gpn_t at, uint64_t pages, spn_t frame, uint32_t rights);
void gpa_map_clear(struct gpa_map *m, gpn_t at, uint64_t pages);
/* What is below the overlays at @at; false: nothing, or beyond the space. */
bool gpa_map_below(struct gpa_map *m, gpn_t at, struct gpa_target *t);
/*
 * The pages from @at on, @most of them at most, that are like the first: in *t if they are mapped, which
 * *mapped tells.  Below the overlays; inside the space.  No lock.
 */
uint64_t gpa_map_run(struct gpa_map *m, gpn_t at, uint64_t most, struct gpa_target *t, bool *mapped);
/* All mapped pages below the overlays, in such runs, in no order.  @f must not change the map. */
void gpa_map_foreach(struct gpa_map *m, void (*f)(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t), void *o);
/*
 * The bytes that tables would take for the next gpa_map_put() or _clear() of the range.  What else makes tables
 * must be kept off by the caller.
 */
uint64_t gpa_map_cost(struct gpa_map *m, gpn_t at, uint64_t pages);
/* What all its tables take. */
uint64_t gpa_map_bytes(struct gpa_map *m);
/*
 * Rights, limit and `seen` of all pages of the range that have a frame, below the overlays: what is in *clear goes, then
 * what is in *set comes.  Parts of large pages may take tables: gpa_map_cost().
 */
void gpa_map_change(struct gpa_map *m, gpn_t at, uint64_t pages, const struct gpa_target *clear, const struct gpa_target *set);
/* Adds to `seen` of what is mapped at @at.  No lock; any thread. */
void gpa_map_see(struct gpa_map *m, gpn_t at, uint32_t seen);
/* Rights of the mapping below the overlays, which must be to @frame; false: it is not. */
bool gpa_map_protect(struct gpa_map *m, gpn_t at, spn_t frame, uint32_t rights);
/* True if no page of the range is mapped (overlays do not count, T8.1.3.a). */
bool gpa_map_is_clear(struct gpa_map *m, gpn_t at, uint64_t pages);
/*
 * Puts @o at @at, on top of what is there, or takes it away with GPN_NOWHERE
 * (T8.1.3.d).  Beyond the space it is enabled but nobody sees it (T15.4.1.c).
 */
void gpa_map_overlay(struct gpa_map *m, struct overlay *o, gpn_t at);

#endif
