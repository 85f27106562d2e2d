/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gpa.h"

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
	RIGHTS_SHIFT = 4, LIMIT_SHIFT = 8, FRAME_SHIFT = 16,
};

static uint64_t entry_of(const struct gpa_target *t)
{
	if (t->frame.v == SPN_NONE.v)
		return ENTRY_MAP | ENTRY_BARE;
	return ENTRY_MAP | (uint64_t)t->rights << RIGHTS_SHIFT | (uint64_t)t->limit << LIMIT_SHIFT | t->frame.v << FRAME_SHIFT;
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

void gpa_map_init(struct gpa_map *m, unsigned address_bits)
{
	unsigned bits = address_bits < HV_PAGE_SHIFT ? 0 : address_bits - HV_PAGE_SHIFT;

	m->pages = 1ull << (bits > GPA_PAGE_BITS ? GPA_PAGE_BITS : bits);
	m->root = table_new(0, GPA_LEVELS - 1);
	m->overlays = g_ptr_array_new();
	m->covered = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	lock_init(&m->lock, LOCK_GPA_MAP, "GPA map");
}

void gpa_map_fini(struct gpa_map *m)
{
	assert(m->overlays->len == 0);
	table_free(m->root, GPA_LEVELS - 1);
	g_ptr_array_free(m->overlays, TRUE);
	g_hash_table_destroy(m->covered);
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
	t->overlay = e & ENTRY_OVERLAY;
	return true;
}

bool gpa_map_lookup(const struct gpa_map *m, gpn_t at, struct gpa_target *t)
{
	return at.v < m->pages && entry_target(entry_get(m, at.v), t);
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
			if ((old & ENTRY_KIND) != ENTRY_TABLE) {
				old = (uintptr_t)table_new(old, level - 1) | ENTRY_TABLE;
				atomic_store_explicit(slot, old, memory_order_release);
			}
			table_set(entry_table(old), level - 1, slot_base, at, stop, entry);
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

/* Locks: m->lock held.  The range, around pages that overlays cover. */
static void below_set(struct gpa_map *m, uint64_t at, uint64_t pages, uint64_t entry)
{
	uint64_t end = at + pages;

	while (at < end) {
		uint64_t next = end, *below = NULL;
		GHashTableIter i;
		gpointer key, value;

		g_hash_table_iter_init(&i, m->covered);
		while (g_hash_table_iter_next(&i, &key, &value)) {
			uint64_t gpn = *(const uint64_t *)key;

			if (gpn >= at && gpn < next) {
				next = gpn;
				below = value;
			}
		}
		if (next > at)
			range_set(m, at, next - at, entry);
		entry = entry_part(entry, next - at);
		at = next;
		if (below) {
			*below = entry;
			entry = entry_part(entry, 1);
			at++;
		}
	}
}

static bool range_ok(const struct gpa_map *m, gpn_t at, uint64_t pages)
{
	return at.v < m->pages && pages <= m->pages - at.v;
}

void gpa_map_put(struct gpa_map *m, gpn_t at, uint64_t pages, const struct gpa_target *t)
{
	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	below_set(m, at.v, pages, entry_of(t));
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
	below_set(m, at.v, pages, 0);
	lock_release(&m->lock);
}

/* Locks: m->lock held. */
static uint64_t below_get(const struct gpa_map *m, uint64_t gpn)
{
	const uint64_t *below = g_hash_table_lookup(m->covered, &gpn);

	return below ? *below : entry_get(m, gpn);
}

bool gpa_map_below(struct gpa_map *m, gpn_t at, struct gpa_target *t)
{
	bool there;

	if (at.v >= m->pages)
		return false;
	lock_acquire(&m->lock);
	there = entry_target(below_get(m, at.v), t);
	lock_release(&m->lock);
	return there;
}

bool gpa_map_protect(struct gpa_map *m, gpn_t at, spn_t frame, uint32_t rights)
{
	struct gpa_target t;
	bool same;

	if (at.v >= m->pages)
		return false;
	lock_acquire(&m->lock);
	same = entry_target(below_get(m, at.v), &t) && t.frame.v == frame.v;
	if (same) {
		t.rights = rights;
		below_set(m, at.v, 1, entry_of(&t));
	}
	lock_release(&m->lock);
	return same;
}

uint64_t gpa_map_run(struct gpa_map *m, gpn_t at, uint64_t most, struct gpa_target *t, bool *mapped)
{
	uint64_t entry, span;
	unsigned level;

	assert(range_ok(m, at, most));
	lock_acquire(&m->lock);
	entry = entry_find(m, at.v, &level);
	if (entry & ENTRY_OVERLAY)
		entry = below_get(m, at.v);
	lock_release(&m->lock);
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
		else if (!(e & ENTRY_OVERLAY))
			entry_tell(e, base + i * span, span, f, o);
	}
}

void gpa_map_foreach(struct gpa_map *m, run_fn f, void *o)
{
	GHashTableIter i;
	gpointer key, value;

	lock_acquire(&m->lock);
	table_foreach(m->root, GPA_LEVELS - 1, 0, f, o);
	g_hash_table_iter_init(&i, m->covered);
	while (g_hash_table_iter_next(&i, &key, &value))
		entry_tell(*(const uint64_t *)value, *(const uint64_t *)key, 1, f, o);
	lock_release(&m->lock);
}

/* Locks: map->lock held.  The tables that table_set() would make. */
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

uint64_t gpa_map_cost(struct gpa_map *m, gpn_t at, uint64_t pages)
{
	uint64_t tables;

	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	tables = tables_missing(m->root, GPA_LEVELS - 1, 0, at.v, at.v + pages);
	lock_release(&m->lock);
	return tables * sizeof(struct gpa_table);
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
		} else if (e && !(e & ENTRY_OVERLAY)) {
			return at;
		}
		at = stop;
	}
	return end;
}

bool gpa_map_is_clear(struct gpa_map *m, gpn_t at, uint64_t pages)
{
	GHashTableIter i;
	gpointer key, value;
	bool clear;

	assert(range_ok(m, at, pages));
	lock_acquire(&m->lock);
	clear = table_first(m->root, GPA_LEVELS - 1, 0, at.v, at.v + pages) == at.v + pages;
	g_hash_table_iter_init(&i, m->covered);
	while (clear && g_hash_table_iter_next(&i, &key, &value)) {
		uint64_t gpn = *(const uint64_t *)key;

		clear = !(gpn >= at.v && gpn - at.v < pages && *(const uint64_t *)value);
	}
	lock_release(&m->lock);
	return clear;
}

/* Locks: m->lock held.  Makes the top overlay of @gpn, or what is below, visible. */
static void page_show(struct gpa_map *m, uint64_t gpn)
{
	const struct overlay *top = NULL;
	uint64_t *below;

	if (gpn >= m->pages)
		return;
	for (guint i = 0; i < m->overlays->len; i++) {
		const struct overlay *o = g_ptr_array_index(m->overlays, i);

		if (o->at.v == gpn)
			top = o;
	}
	below = g_hash_table_lookup(m->covered, &gpn);
	if (top) {
		if (!below) {
			uint64_t entry = entry_get(m, gpn);

			g_hash_table_insert(m->covered, g_memdup2(&gpn, sizeof gpn), g_memdup2(&entry, sizeof entry));
		}
		range_set(m, gpn, 1, entry_of(&(struct gpa_target){ .frame = top->frame, .rights = top->rights }) | ENTRY_OVERLAY);
	} else if (below) {
		range_set(m, gpn, 1, *below);
		g_hash_table_remove(m->covered, &gpn);
	}
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
		if (old.v != GPN_NOWHERE.v)
			page_show(m, old.v);
		if (at.v != GPN_NOWHERE.v)
			page_show(m, at.v);
	}
	lock_release(&m->lock);
}
