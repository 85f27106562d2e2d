/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Regions are flattened when they are added: a sorted array of ranges without
 * overlaps, so that an access is one binary search.  Accesses are then cut into
 * pieces, each inside one range, aligned, and of a size that the device takes.
 */
#include "bus.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

struct region {
	uint64_t base;
	const struct region_ops *ops;
	void *dev;
	const char *name;
};

struct range {
	uint64_t first, last;
	struct region region;
};

struct bus {
	const char *name;
	enum log_item trace;
	GArray *ranges;          /* struct range, ascending */
};

/* A piece of an access: @n bytes in @range, or one byte in nothing. */
struct piece {
	const struct range *range;
	uint64_t offset;
	unsigned n;
};

struct bus *bus_new(const char *name, enum log_item trace)
{
	struct bus *b = g_new0(struct bus, 1);

	b->name = name;
	b->trace = trace;
	b->ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
	return b;
}

void bus_free(struct bus *b)
{
	g_array_free(b->ranges, TRUE);
	g_free(b);
}

static void append_cut(GArray *to, struct range r, uint64_t first, uint64_t last)
{
	if (first > last)
		return;
	r.first = first;
	r.last = last;
	g_array_append_val(to, r);
}

void bus_add(struct bus *b, uint64_t base, uint64_t size, const struct region_ops *ops, void *dev, const char *name)
{
	struct range added = { base, base + size - 1, { base, ops, dev, name } };
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct range));
	bool placed = false;

	assert(size && added.last >= base);
	for (unsigned i = 0; i < b->ranges->len; i++) {
		struct range r = g_array_index(b->ranges, struct range, i);

		if (r.first < added.first)
			append_cut(ranges, r, r.first, MIN(r.last, added.first - 1));
		if (!placed && r.last >= added.first) {
			g_array_append_val(ranges, added);
			placed = true;
		}
		if (r.last > added.last)
			append_cut(ranges, r, MAX(r.first, added.last + 1), r.last);
	}
	if (!placed)
		g_array_append_val(ranges, added);
	g_array_free(b->ranges, TRUE);
	b->ranges = ranges;
}

static const struct range *find(const struct bus *b, uint64_t address)
{
	const struct range *ranges = (const struct range *)(void *)b->ranges->data;
	unsigned low = 0, high = b->ranges->len;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (address < ranges[middle].first)
			high = middle;
		else if (address > ranges[middle].last)
			low = middle + 1;
		else
			return &ranges[middle];
	}
	return NULL;
}

static struct piece cut(const struct bus *b, uint64_t address, unsigned left)
{
	struct piece p = { find(b, address), 0, 1 };

	if (!p.range)
		return p;
	p.offset = address - p.range->region.base;
	p.n = p.range->region.ops->max_size ? p.range->region.ops->max_size : 8;
	while (p.n > left || (p.offset & (p.n - 1)) || p.range->last - address < p.n - 1)
		p.n /= 2;
	return p;
}

static uint64_t ones(unsigned bytes)
{
	return bytes >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint64_t piece_read(const struct piece *p)
{
	const struct region *r = &p->range->region;
	unsigned min = r->ops->min_size;

	if (!r->ops->read)
		return ones(p->n);
	if (p->n >= min)
		return r->ops->read(r->dev, p->offset, p->n) & ones(p->n);
	return r->ops->read(r->dev, p->offset & ~(uint64_t)(min - 1), min)
		>> 8 * (p->offset & (min - 1)) & ones(p->n);
}

static void piece_write(const struct piece *p, uint64_t value)
{
	const struct region *r = &p->range->region;
	unsigned min = r->ops->min_size;

	if (!r->ops->write)
		return;
	if (p->n >= min)
		r->ops->write(r->dev, p->offset, value, p->n);
	else
		r->ops->write(r->dev, p->offset & ~(uint64_t)(min - 1), value << 8 * (p->offset & (min - 1)), min);
}

uint64_t bus_read(struct bus *b, uint64_t address, unsigned size)
{
	const char *name = NULL;
	uint64_t value = 0;

	assert(size && size <= 8);
	for (unsigned done = 0; done < size;) {
		struct piece p = cut(b, address + done, size - done);
		uint64_t part = p.range ? piece_read(&p) : 0xff;

		value |= part << 8 * done;
		done += p.n;
		if (p.range)
			name = p.range->region.name;
	}
	if (!name && log_on(LOG_UNIMP))
		log_print(LOG_UNIMP, "%s: read of %u at 0x%" PRIx64 ": nothing there\n", b->name, size, address);
	if (log_on(b->trace))
		log_print(b->trace, "%s: 0x%04" PRIx64 " %u -> 0x%" PRIx64 " %s\n", b->name, address, size, value,
			name ? name : "-");
	return value;
}

void bus_write(struct bus *b, uint64_t address, unsigned size, uint64_t value)
{
	const char *name = NULL;

	assert(size && size <= 8);
	for (unsigned done = 0; done < size;) {
		struct piece p = cut(b, address + done, size - done);

		if (p.range) {
			name = p.range->region.name;
			piece_write(&p, value >> 8 * done & ones(p.n));
		}
		done += p.n;
	}
	if (!name && log_on(LOG_UNIMP))
		log_print(LOG_UNIMP, "%s: write of %u at 0x%" PRIx64 ": nothing there\n", b->name, size, address);
	if (log_on(b->trace))
		log_print(b->trace, "%s: 0x%04" PRIx64 " %u <- 0x%" PRIx64 " %s\n", b->name, address, size, value & ones(size),
			name ? name : "-");
}

void bus_describe(struct bus *b, GString *to)
{
	g_string_append_printf(to, "%s\n", b->name);
	for (unsigned i = 0; i < b->ranges->len; i++) {
		const struct range *r = &g_array_index(b->ranges, struct range, i);

		g_string_append_printf(to, "  %016" PRIx64 "-%016" PRIx64 " %s\n", r->first, r->last, r->region.name);
	}
}
