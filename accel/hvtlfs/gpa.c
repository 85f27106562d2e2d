/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpa.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "target/i386/cpu.h"

enum { TABLE_ENTRIES = 1 << GPA_LEVEL_BITS };

struct gpa_table {
	_Atomic uint64_t entry[TABLE_ENTRIES];
};

/*
 * An entry is 0 (nothing), ENTRY_MAP with rights and the first frame of the 4 KiB, 2 MiB
 * or 1 GiB that it covers, or ENTRY_TABLE with the address of the next table.
 * A table is never replaced, so a reader may stand on it at any time.
 */
enum {
	ENTRY_MAP = 1, ENTRY_TABLE = 2, ENTRY_KIND = 3, ENTRY_OVERLAY = 4,
	ENTRY_BARE = 8,              /* no frame */
	RIGHTS_SHIFT = 4, LIMIT_SHIFT = 8, SEEN_SHIFT = 12, FRAME_SHIFT = 16,
};

static uint64_t entry_bits(const struct gpa_target *t)
{
	return (uint64_t)t->rights << RIGHTS_SHIFT | (uint64_t)t->limit << LIMIT_SHIFT | (uint64_t)t->seen << SEEN_SHIFT;
}

static uint64_t entry_of(const struct gpa_target *t)
{
	if (t->frame.v == SPN_NONE.v)
		return ENTRY_MAP | ENTRY_BARE;
	return ENTRY_MAP | entry_bits(t) | t->frame.v << FRAME_SHIFT;
}

static struct gpa_table *entry_table(uint64_t entry)
{
	return (struct gpa_table *)(uintptr_t)(entry & ~(uint64_t)ENTRY_KIND);
}

/* The entry for the page @offset pages into what @entry covers. */
static uint64_t entry_part(uint64_t entry, uint64_t offset)
{
	return entry && !(entry & ENTRY_BARE) ? entry + (offset << FRAME_SHIFT) : entry;
}

static unsigned level_shift(unsigned level)
{
	return level * GPA_LEVEL_BITS;
}

static unsigned level_index(uint64_t gpn, unsigned level)
{
	return gpn >> level_shift(level) & (TABLE_ENTRIES - 1);
}

static struct gpa_table *table_new(uint64_t whole, unsigned level)
{
	struct gpa_table *t = aligned_alloc(64, sizeof *t);

	if (!t)
		g_error("no memory for a page of a GPA map");
	for (unsigned i = 0; i < TABLE_ENTRIES; i++)
		atomic_init(&t->entry[i], entry_part(whole, (uint64_t)i << level_shift(level)));
	return t;
}

static void table_free(struct gpa_table *t, unsigned level)
{
	for (unsigned i = 0; level > 0 && i < TABLE_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_relaxed);

		if ((e & ENTRY_KIND) == ENTRY_TABLE)
			table_free(entry_table(e), level - 1);
	}
	free(t);
}

/*
 * Visible overlays by page, in a hash table that is filled anew with each change.  Readers look at the round
 * before and after.  Former tables, which were too small, wait for the end of the map: somebody may be reading.
 */
struct shown_slot {
	_Atomic uint64_t gpn;        /* plus 1; 0: free, so that the search ends */
	_Atomic uint64_t entry;
};
struct gpa_shown {
	struct gpa_shown *before;
	unsigned mask;
	struct shown_slot slot[];
};

static void shown_free(struct gpa_shown *s)
{
	while (s) {
		struct gpa_shown *before = s->before;

		g_free(s);
		s = before;
	}
}

/* The slot that has @gpn, or a free one. */
static struct shown_slot *shown_slot(struct gpa_shown *s, uint64_t gpn)
{
	/* Neighbours are far from each other. */
	for (unsigned i = (unsigned)(gpn * 0x9e3779b97f4a7c15 >> 40);; i++) {
		struct shown_slot *slot = &s->slot[i & s->mask];
		uint64_t there = atomic_load_explicit(&slot->gpn, memory_order_relaxed);

		if (!there || there == gpn + 1)
			return slot;
	}
}

/* The entry of the overlay that is visible at @gpn; 0: none. */
static uint64_t overlay_get(const struct gpa_map *m, uint64_t gpn)
{
	uint32_t round;
	uint64_t entry;

	if (!atomic_load_explicit(&m->shown, memory_order_relaxed))
		return 0;
	do {
		struct shown_slot *slot;

		while ((round = atomic_load_explicit(&m->shown_round, memory_order_acquire)) & 1)
			sched_yield();
		slot = shown_slot(atomic_load_explicit(&m->shown, memory_order_acquire), gpn);
		entry = atomic_load_explicit(&slot->gpn, memory_order_relaxed) ?
			atomic_load_explicit(&slot->entry, memory_order_relaxed) : 0;
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&m->shown_round, memory_order_relaxed) != round);
	return entry;
}

void gpa_map_init(struct gpa_map *m, unsigned address_bits)
{
	unsigned bits = address_bits < HV_PAGE_SHIFT ? 0 : address_bits - HV_PAGE_SHIFT;

	m->pages = 1ull << (bits > GPA_PAGE_BITS ? GPA_PAGE_BITS : bits);
	m->root = table_new(0, GPA_LEVELS - 1);
	m->overlays = g_ptr_array_new();
	atomic_init(&m->shown, NULL);
	atomic_init(&m->shown_round, 0);
	lock_init(&m->lock, LOCK_GPA_MAP, "GPA map");
}

void gpa_map_fini(struct gpa_map *m)
{
	assert(m->overlays->len == 0);
	table_free(m->root, GPA_LEVELS - 1);
	g_ptr_array_free(m->overlays, TRUE);
	shown_free(atomic_load(&m->shown));
	lock_destroy(&m->lock);
}

/* *level: of the entry. */
static uint64_t entry_find(const struct gpa_map *m, uint64_t gpn, unsigned *level)
{
	const struct gpa_table *t = m->root;

	for (*level = GPA_LEVELS - 1;; --*level) {
		uint64_t e = atomic_load_explicit(&t->entry[level_index(gpn, *level)], memory_order_acquire);

		if ((e & ENTRY_KIND) != ENTRY_TABLE)
			return entry_part(e, gpn & ((1ull << level_shift(*level)) - 1));
		t = entry_table(e);
	}
}

static uint64_t entry_get(const struct gpa_map *m, uint64_t gpn)
{
	unsigned level;

	return entry_find(m, gpn, &level);
}

static bool entry_target(uint64_t e, struct gpa_target *t)
{
	if (!e)
		return false;
	t->frame = e & ENTRY_BARE ? SPN_NONE : (spn_t){ e >> FRAME_SHIFT };
	t->rights = e >> RIGHTS_SHIFT & 7;
	t->limit = e >> LIMIT_SHIFT & 7;
	t->seen = e >> SEEN_SHIFT & 3;
	t->overlay = e & ENTRY_OVERLAY;
	return true;
}

bool gpa_map_lookup(const struct gpa_map *m, gpn_t at, struct gpa_target *t)
{
	uint64_t entry;

	if (at.v >= m->pages)
		return false;
	entry = overlay_get(m, at.v);
	return entry_target(entry ? entry : entry_get(m, at.v), t);
}

enum gpa_access gpa_map_access(const struct gpa_map *m, gpn_t at, uint32_t right)
{
	struct gpa_target t;

	if (!gpa_map_lookup(m, at, &t))
		return GPA_UNMAPPED;
	if (t.rights & right)
		return GPA_ALLOWED;
	return t.overlay ? GPA_FORBIDDEN : GPA_DENIED;
}

/* Locks: map->lock held.  The table that *@slot of a table of @level leads to, made if there is none. */
static struct gpa_table *table_below(_Atomic uint64_t *slot, unsigned level)
{
	uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
	struct gpa_table *t;

	if ((old & ENTRY_KIND) == ENTRY_TABLE)
		return entry_table(old);
	t = table_new(old, level - 1);
	/* What is seen of a page is noted without the lock. */
	while (!atomic_compare_exchange_strong(slot, &old, (uintptr_t)t | ENTRY_TABLE)) {
		free(t);
		t = table_new(old, level - 1);
	}
	return t;
}

/*
 * Locks: m->lock held.  Sets [@at, @end) of what @t covers from @base on; @entry
 * is what @at gets.
 */
static void table_set(struct gpa_table *t, unsigned level, uint64_t base, uint64_t at, uint64_t end, uint64_t entry)
{
	uint64_t span = 1ull << level_shift(level);

	while (at < end) {
		_Atomic uint64_t *slot = &t->entry[level_index(at, level)];
		uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
		uint64_t slot_base = base + level_index(at, level) * span;
		uint64_t stop = MIN(end, slot_base + span);

		/* A 512 GiB entry would cost nothing, but no frame number has a use for one. */
		if ((old & ENTRY_KIND) != ENTRY_TABLE && stop - at == span && level < GPA_LEVELS - 1) {
			atomic_store_explicit(slot, entry, memory_order_release);
		} else {
			table_set(table_below(slot, level), level - 1, slot_base, at, stop, entry);
		}
		entry = entry_part(entry, stop - at);
		at = stop;
	}
}

/* Locks: m->lock held. */
static void range_set(struct gpa_map *m, uint64_t at, uint64_t pages, uint64_t entry)
{
	table_set(m->root, GPA_LEVELS - 1, 0, at, at + pages, entry);
}

static bool range_ok(const struct gpa_map *m, gpn_t at, uint64_t pages)
{
	return at.v < m->pages && pages <= m->pages - at.v;
}

void gpa_map_put(struct gpa_map *m, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	range_set(m, at.v, pages, entry_of(t));
	lock_release(&m->lock);
}

void gpa_map_set(struct gpa_map *m, gpn_t at, uint64_t pages, spn_t frame, uint32_t rights)
{
	gpa_map_put(m, at, pages, &(struct gpa_target){ .frame = frame, .rights = rights, .limit = rights });
}

void gpa_map_clear(struct gpa_map *m, gpn_t at, uint64_t pages)
{
	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	range_set(m, at.v, pages, 0);
	lock_release(&m->lock);
}

bool gpa_map_below(struct gpa_map *m, gpn_t at, struct gpa_target *t)
{
	return at.v < m->pages && entry_target(entry_get(m, at.v), t);
}

bool gpa_map_protect(struct gpa_map *m, gpn_t at, spn_t frame, uint32_t rights)
{
	struct gpa_target t;
	bool same;

	if (at.v >= m->pages)
		return false;
	lock_acquire(&m->lock);
	same = entry_target(entry_get(m, at.v), &t) && t.frame.v == frame.v;
	if (same) {
		t.rights = rights;
		range_set(m, at.v, 1, entry_of(&t));
	}
	lock_release(&m->lock);
	return same;
}

static void entry_change(_Atomic uint64_t *slot, uint64_t clear, uint64_t set)
{
	uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);

	while (old && !(old & ENTRY_BARE) && !atomic_compare_exchange_weak(slot, &old, (old & ~clear) | set))
		;
}

/* Locks: map->lock held. */
static void table_change(struct gpa_table *t, unsigned level, uint64_t base, uint64_t at, uint64_t end, uint64_t clear,
			 uint64_t set)
{
	uint64_t span = 1ull << level_shift(level);

	while (at < end) {
		_Atomic uint64_t *slot = &t->entry[level_index(at, level)];
		uint64_t old = atomic_load_explicit(slot, memory_order_relaxed);
		uint64_t slot_base = base + level_index(at, level) * span, stop = MIN(end, slot_base + span);

		if ((old & ENTRY_KIND) == ENTRY_TABLE || (old && stop - at != span))
			table_change(table_below(slot, level), level - 1, slot_base, at, stop, clear, set);
		else
			entry_change(slot, clear, set);
		at = stop;
	}
}

void gpa_map_change(struct gpa_map *m, gpn_t at, uint64_t pages, const struct gpa_target *clear, const struct gpa_target *set)
{
	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	table_change(m->root, GPA_LEVELS - 1, 0, at.v, at.v + pages, entry_bits(clear), entry_bits(set));
	lock_release(&m->lock);
}

void gpa_map_see(struct gpa_map *m, gpn_t at, uint32_t seen)
{
	uint64_t bits = (uint64_t)seen << SEEN_SHIFT;
	struct gpa_table *t = m->root;

	if (at.v >= m->pages)
		return;
	for (unsigned level = GPA_LEVELS - 1;; level--) {
		_Atomic uint64_t *slot = &t->entry[level_index(at.v, level)];
		uint64_t e = atomic_load_explicit(slot, memory_order_acquire);

		while ((e & ENTRY_KIND) != ENTRY_TABLE)
			if (!e || e & ENTRY_BARE || (e & bits) == bits || atomic_compare_exchange_weak(slot, &e, e | bits))
				return;
		t = entry_table(e);
	}
}

uint64_t gpa_map_run(struct gpa_map *m, gpn_t at, uint64_t most, struct gpa_target *t, bool *mapped)
{
	uint64_t entry, span;
	unsigned level;

	assert(range_ok(m, at, most));
	entry = entry_find(m, at.v, &level);
	*mapped = entry_target(entry, t);
	span = 1ull << level_shift(level);
	return MIN(most, span - (at.v & (span - 1)));
}

typedef void (*run_fn)(void *o, gpn_t at, uint64_t pages, const struct gpa_target *t);

static void entry_tell(uint64_t entry, uint64_t at, uint64_t pages, run_fn f, void *o)
{
	struct gpa_target t;

	if (entry_target(entry, &t))
		f(o, (gpn_t){ at }, pages, &t);
}

/* Locks: map->lock held. */
static void table_foreach(const struct gpa_table *t, unsigned level, uint64_t base, run_fn f, void *o)
{
	uint64_t span = 1ull << level_shift(level);

	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_relaxed);

		if ((e & ENTRY_KIND) == ENTRY_TABLE)
			table_foreach(entry_table(e), level - 1, base + i * span, f, o);
		else
			entry_tell(e, base + i * span, span, f, o);
	}
}

void gpa_map_foreach(struct gpa_map *m, run_fn f, void *o)
{
	lock_acquire(&m->lock);
	table_foreach(m->root, GPA_LEVELS - 1, 0, f, o);
	lock_release(&m->lock);
}

/* The tables that table_set() would make. */
static uint64_t tables_missing(const struct gpa_table *t, unsigned level, uint64_t base, uint64_t at, uint64_t end)
{
	uint64_t span = 1ull << level_shift(level), sum = 0;

	while (at < end) {
		uint64_t e = t ? atomic_load_explicit(&t->entry[level_index(at, level)], memory_order_relaxed) : 0;
		uint64_t slot_base = base + level_index(at, level) * span, stop = MIN(end, slot_base + span);

		if ((e & ENTRY_KIND) == ENTRY_TABLE)
			sum += tables_missing(entry_table(e), level - 1, slot_base, at, stop);
		else if (stop - at != span || level == GPA_LEVELS - 1)
			sum += 1 + (level > 1 ? tables_missing(NULL, level - 1, slot_base, at, stop) : 0);
		at = stop;
	}
	return sum;
}

/* Locks: map->lock held. */
static uint64_t tables_below(const struct gpa_table *t, unsigned level)
{
	uint64_t sum = 1;

	for (unsigned i = 0; level > 0 && i < TABLE_ENTRIES; i++) {
		uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_relaxed);

		if ((e & ENTRY_KIND) == ENTRY_TABLE)
			sum += tables_below(entry_table(e), level - 1);
	}
	return sum;
}

uint64_t gpa_map_bytes(struct gpa_map *m)
{
	uint64_t tables;

	lock_acquire(&m->lock);
	tables = tables_below(m->root, GPA_LEVELS - 1);
	lock_release(&m->lock);
	return tables * sizeof(struct gpa_table);
}

uint64_t gpa_map_cost(struct gpa_map *m, gpn_t at, uint64_t pages)
{
	assert(range_ok(m, at, pages));
	return tables_missing(m->root, GPA_LEVELS - 1, 0, at.v, at.v + pages) * sizeof(struct gpa_table);
}

/* Locks: m->lock held.  First mapped page of [@at, @end), or @end. */
static uint64_t table_first(const struct gpa_table *t, unsigned level, uint64_t base, uint64_t at, uint64_t end)
{
	uint64_t span = 1ull << level_shift(level);

	while (at < end) {
		uint64_t e = atomic_load_explicit(&t->entry[level_index(at, level)], memory_order_relaxed);
		uint64_t slot_base = base + level_index(at, level) * span, stop = MIN(end, slot_base + span);

		if ((e & ENTRY_KIND) == ENTRY_TABLE) {
			uint64_t found = table_first(entry_table(e), level - 1, slot_base, at, stop);

			if (found < stop)
				return found;
		} else if (e) {
			return at;
		}
		at = stop;
	}
	return end;
}

bool gpa_map_is_clear(struct gpa_map *m, gpn_t at, uint64_t pages)
{
	bool clear;

	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	clear = table_first(m->root, GPA_LEVELS - 1, 0, at.v, at.v + pages) == at.v + pages;
	lock_release(&m->lock);
	return clear;
}

/* ---- overlays ---- */

/* Locks: m->lock held.  Room for @count, with as much again free, so that searches end. */
static struct gpa_shown *shown_room(struct gpa_map *m, unsigned count)
{
	struct gpa_shown *old = atomic_load_explicit(&m->shown, memory_order_relaxed), *s;
	unsigned size = old ? old->mask + 1 : 8;

	if (old && size >= 2 * count)
		return old;
	while (size < 2 * count)
		size *= 2;
	s = g_malloc0(sizeof *s + size * sizeof s->slot[0]);
	s->mask = size - 1;
	s->before = old;
	atomic_store_explicit(&m->shown, s, memory_order_release);
	return s;
}

/* Locks: m->lock held. */
static void shown_put(struct gpa_shown *s, const struct overlay *o)
{
	struct shown_slot *slot = shown_slot(s, o->at.v);

	atomic_store_explicit(&slot->gpn, o->at.v + 1, memory_order_relaxed);
	atomic_store_explicit(&slot->entry, entry_of(&(struct gpa_target){ .frame = o->frame, .rights = o->rights }) | ENTRY_OVERLAY,
			      memory_order_relaxed);
}

/* Locks: m->lock held. */
static void show_overlays(struct gpa_map *m)
{
	struct gpa_shown *s;

	atomic_fetch_add(&m->shown_round, 1);
	atomic_thread_fence(memory_order_release);
	s = shown_room(m, m->overlays->len);
	for (unsigned i = 0; i <= s->mask; i++)
		atomic_store_explicit(&s->slot[i].gpn, 0, memory_order_relaxed);
	/* The last of a page is put over the others (T8.1.3.e). */
	for (guint i = 0; i < m->overlays->len; i++)
		shown_put(s, g_ptr_array_index(m->overlays, i));
	atomic_fetch_add(&m->shown_round, 1);
}

void gpa_map_overlay(struct gpa_map *m, struct overlay *o, gpn_t at)
{
	gpn_t old;

	lock_acquire(&m->lock);
	old = o->at;
	if (old.v != at.v) {
		o->at = at;
		g_ptr_array_remove(m->overlays, o);
		if (at.v != GPN_NOWHERE.v)
			g_ptr_array_add(m->overlays, o);
		show_overlays(m);
	}
	lock_release(&m->lock);
}
