/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frames.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>

#include "accel/engine/engine.h"

/* Frames for overlay pages, beside what is sold as memory: some for each VP there can be. */
enum { RESERVE = 8192 };
/* Memory of this size may be backed by one of the host's large pages. */
#define LARGE_PAGE (2u << 20)

static uint64_t chunk_count(const struct frames *f)
{
	return (f->count + FRAME_CHUNK - 1) >> FRAME_CHUNK_BITS;
}

/*
 * Zeroed memory, in line with the host's large pages; NULL: errno says why.  No file: few
 * hosts give those large pages.
 */
static uint8_t *map_memory(uint64_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *p = mmap(NULL, bytes + LARGE_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		return NULL;
	skip = -(uintptr_t)p & (LARGE_PAGE - 1);
	if (skip)
		munmap(p, skip);
	munmap(p + skip + bytes, LARGE_PAGE - skip);
	return p + skip;
}

bool frames_init(struct frames *f, uint64_t memory, GError **error)
{
	uint64_t bytes = memory + (uint64_t)RESERVE * HV_PAGE_SIZE;
	struct extent all = { 0 };

	memset(f, 0, sizeof *f);
	f->count = bytes >> HV_PAGE_SHIFT;
	f->ram_left = memory >> HV_PAGE_SHIFT;
	f->base = map_memory(bytes);
	if (!f->base) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
			    "cannot map %" G_GUINT64_FORMAT " bytes of memory: %s; ask for less with -m",
			    memory, g_strerror(errno));
		return false;
	}
	/* Core dumps would hold every guest's memory. */
	madvise(f->base, bytes, MADV_DONTDUMP);
	f->chunk = g_new0(struct frame *_Atomic, chunk_count(f));
	f->free = g_array_new(FALSE, FALSE, sizeof(struct extent));
	f->used = g_array_new(FALSE, FALSE, sizeof(struct extent));
	all.count = f->count;
	g_array_append_val(f->free, all);
	lock_init(&f->lock, LOCK_FRAMES, "frames");
	return true;
}

void frames_fini(struct frames *f)
{
	assert(f->used->len == 0);
	for (uint64_t i = 0; i < chunk_count(f); i++)
		g_free(atomic_load_explicit(&f->chunk[i], memory_order_relaxed));
	g_free(f->chunk);
	g_array_free(f->free, TRUE);
	g_array_free(f->used, TRUE);
	munmap(f->base, f->count << HV_PAGE_SHIFT);
	lock_destroy(&f->lock);
}

static struct extent *extent_at(GArray *a, guint i)
{
	return &g_array_index(a, struct extent, i);
}

/* Index of the first extent that ends behind @first. */
static guint extent_find(GArray *a, uint64_t first)
{
	guint low = 0, high = a->len;

	while (low < high) {
		guint middle = (low + high) / 2;

		if (extent_at(a, middle)->first + extent_at(a, middle)->count > first)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/*
 * Locks: f->lock held.  Brings existing descriptors of @e in line; those not made
 * yet will read the used list.
 */
static void descriptors_set(struct frames *f, const struct extent *e)
{
	uint64_t i = e->first;

	while (i < e->first + e->count) {
		struct frame *chunk = atomic_load_explicit(&f->chunk[i >> FRAME_CHUNK_BITS], memory_order_relaxed);
		uint64_t end = (i | (FRAME_CHUNK - 1)) + 1;

		for (; chunk && i < end && i < e->first + e->count; i++) {
			struct frame *frame = &chunk[i & (FRAME_CHUNK - 1)];

			frame->owner = e->owner;
			frame->kind = e->kind;
			atomic_store(&frame->pooled, false);
			/* Decoded code of the former owner must match nothing. */
			atomic_store(&frame->code.granules, 0);
			atomic_fetch_add(&frame->code.gen, 2);
		}
		i = end;
	}
}

/* Locks: f->lock held.  Where the allocation comes from; false: nothing left. */
static bool find_free(struct frames *f, uint64_t want, enum frame_kind kind, guint *where)
{
	guint best = 0;

	if (f->free->len == 0)
		return false;
	if (kind == FRAME_HYPERVISOR) {
		*where = f->free->len - 1;
		return true;
	}
	for (guint i = 0; i < f->free->len; i++) {
		if (extent_at(f->free, i)->count >= want) {
			*where = i;
			return true;
		}
		if (extent_at(f->free, i)->count > extent_at(f->free, best)->count)
			best = i;
	}
	*where = best;
	return true;
}

uint64_t frames_take(struct frames *f, uint64_t want, struct partition *owner, enum frame_kind kind,
		     spn_t *first)
{
	struct extent taken = { .owner = owner, .kind = kind };
	struct extent *from;
	guint where;

	lock_acquire(&f->lock);
	if (kind == FRAME_RAM && want > f->ram_left)
		want = f->ram_left;
	if (want == 0 || !find_free(f, want, kind, &where)) {
		lock_release(&f->lock);
		return 0;
	}
	from = extent_at(f->free, where);
	taken.count = want < from->count ? want : from->count;
	if (kind == FRAME_RAM) {
		taken.first = from->first;
		from->first += taken.count;
		f->ram_left -= taken.count;
	} else {
		taken.first = from->first + from->count - taken.count;
	}
	from->count -= taken.count;
	if (from->count == 0)
		g_array_remove_index(f->free, where);
	g_array_insert_val(f->used, extent_find(f->used, taken.first), taken);
	descriptors_set(f, &taken);
	lock_release(&f->lock);

	if (taken.count << HV_PAGE_SHIFT >= LARGE_PAGE)
		madvise(frames_host(f, (spn_t){ taken.first }), taken.count << HV_PAGE_SHIFT, MADV_HUGEPAGE);
	*first = (spn_t){ taken.first };
	return taken.count;
}

/* Locks: f->lock held.  Joins with the neighbours. */
static void free_insert(struct frames *f, struct extent e)
{
	guint i = extent_find(f->free, e.first);

	if (i < f->free->len && extent_at(f->free, i)->first == e.first + e.count) {
		e.count += extent_at(f->free, i)->count;
		g_array_remove_index(f->free, i);
	}
	if (i > 0 && extent_at(f->free, i - 1)->first + extent_at(f->free, i - 1)->count == e.first) {
		extent_at(f->free, i - 1)->count += e.count;
		return;
	}
	g_array_insert_val(f->free, i, e);
}

void frames_give(struct frames *f, spn_t first, uint64_t count)
{
	struct extent e = { .first = first.v, .count = count };
	guint i;

	/* Before anybody can take them again: they must be zero then. */
	if (madvise(frames_host(f, first), count << HV_PAGE_SHIFT, MADV_DONTNEED))
		memset(frames_host(f, first), 0, count << HV_PAGE_SHIFT);
	lock_acquire(&f->lock);
	i = extent_find(f->used, first.v);
	assert(i < f->used->len && extent_at(f->used, i)->first == first.v && extent_at(f->used, i)->count == count);
	if (extent_at(f->used, i)->kind == FRAME_RAM)
		f->ram_left += count;
	g_array_remove_index(f->used, i);
	descriptors_set(f, &e);
	free_insert(f, e);
	lock_release(&f->lock);
}

/* Locks: f->lock held. */
static struct frame *chunk_make(struct frames *f, uint64_t index)
{
	struct frame *chunk = g_new0(struct frame, FRAME_CHUNK);
	uint64_t first = index << FRAME_CHUNK_BITS;

	for (guint i = extent_find(f->used, first); i < f->used->len; i++) {
		const struct extent *e = extent_at(f->used, i);

		for (uint64_t n = MAX(e->first, first); n < MIN(e->first + e->count, first + FRAME_CHUNK); n++) {
			chunk[n - first].owner = e->owner;
			chunk[n - first].kind = e->kind;
		}
		if (e->first + e->count >= first + FRAME_CHUNK)
			break;
	}
	return chunk;
}

struct frame *frames_descriptor(struct frames *f, spn_t at)
{
	struct frame *_Atomic *slot = &f->chunk[at.v >> FRAME_CHUNK_BITS];
	struct frame *chunk = atomic_load_explicit(slot, memory_order_acquire);

	assert(at.v < f->count);
	if (G_UNLIKELY(!chunk)) {
		lock_acquire(&f->lock);
		chunk = atomic_load_explicit(slot, memory_order_relaxed);
		if (!chunk) {
			chunk = chunk_make(f, at.v >> FRAME_CHUNK_BITS);
			atomic_store_explicit(slot, chunk, memory_order_release);
		}
		lock_release(&f->lock);
	}
	return &chunk[at.v & (FRAME_CHUNK - 1)];
}

uint64_t frames_ram_left(struct frames *f)
{
	uint64_t left;

	lock_acquire(&f->lock);
	left = f->ram_left;
	lock_release(&f->lock);
	return left;
}
