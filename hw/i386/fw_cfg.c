/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Firmware configuration.  Left out: items that a guest can write.
 */
#include "hw/i386/fw_cfg.h"

#include <assert.h>
#include <string.h>

#include "trace/log.h"

enum { PORT_SELECT = 0x510, PORT_COUNT = 2, PORT_DMA = 0x514, DMA_COUNT = 8 };
enum { OFFSET_SELECT = 0, OFFSET_DATA = 1 };
enum { ID_TRADITIONAL = 1 << 0, ID_DMA = 1 << 1 };
enum { DMA_ERROR = 1 << 0, DMA_READ = 1 << 1, DMA_SKIP = 1 << 2, DMA_SELECT = 1 << 3, DMA_WRITE = 1 << 4,
       DMA_KEY_SHIFT = 16 };
enum { ACCESS_SIZE = 16, DIR_ENTRY = 64, CHUNK = 4096 };

struct item {
	uint16_t key;
	char *name;          /* NULL: not a file */
	GBytes *data;
};

struct fw_cfg {
	struct device d;
	/* Machine lock. */
	GPtrArray *items;
	GBytes *directory;   /* NULL: to be made again */
	uint16_t key;        /* what is read */
	uint32_t offset;
	uint32_t dma_high;   /* upper half of the next DMA address */
};

static struct fw_cfg *fw_cfg_of(struct device *d)
{
	return (struct fw_cfg *)d;
}

static void put_be(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> (n - 1 - i) * 8);
}

static uint64_t get_be(const uint8_t *from, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | from[i];
	return v;
}

/* ---- items ---- */

static void item_free(void *o)
{
	struct item *i = o;

	g_free(i->name);
	g_bytes_unref(i->data);
	g_free(i);
}

static struct item *find(struct fw_cfg *s, uint16_t key)
{
	for (guint n = 0; n < s->items->len; n++) {
		struct item *i = g_ptr_array_index(s->items, n);

		if (i->key == key)
			return i;
	}
	return NULL;
}

static struct item *set(struct fw_cfg *s, uint16_t key, const void *data, size_t n)
{
	struct item *i = find(s, key);

	if (i) {
		g_bytes_unref(i->data);
	} else {
		i = g_new0(struct item, 1);
		i->key = key;
		g_ptr_array_add(s->items, i);
	}
	i->data = g_bytes_new(data, n);
	g_clear_pointer(&s->directory, g_bytes_unref);
	return i;
}

void fw_cfg_set(struct device *d, uint16_t key, const void *data, size_t n)
{
	set(fw_cfg_of(d), key, data, n);
}

void fw_cfg_set_number(struct device *d, uint16_t key, uint64_t v, unsigned bytes)
{
	uint8_t le[8];

	assert(bytes <= sizeof le);
	for (unsigned i = 0; i < bytes; i++)
		le[i] = (uint8_t)(v >> i * 8);
	fw_cfg_set(d, key, le, bytes);
}

static uint16_t key_of_file(struct fw_cfg *s, const char *name)
{
	uint16_t next = FW_CFG_FILE_FIRST;

	for (guint n = 0; n < s->items->len; n++) {
		struct item *i = g_ptr_array_index(s->items, n);

		if (i->name && !strcmp(i->name, name))
			return i->key;
		if (i->name)
			next = MAX(next, i->key + 1);
	}
	return next;
}

void fw_cfg_set_file(struct device *d, const char *name, const void *data, size_t n)
{
	struct fw_cfg *s = fw_cfg_of(d);
	struct item *i;

	assert(strlen(name) < FW_CFG_NAME_MAX);
	i = set(s, key_of_file(s, name), data, n);
	if (!i->name)
		i->name = g_strdup(name);
}

static GBytes *directory(struct fw_cfg *s)
{
	GByteArray *b;
	uint8_t entry[DIR_ENTRY];
	uint32_t count = 0;

	if (s->directory)
		return s->directory;
	b = g_byte_array_new();
	g_byte_array_set_size(b, 4);
	for (guint n = 0; n < s->items->len; n++) {
		struct item *i = g_ptr_array_index(s->items, n);

		if (!i->name)
			continue;
		memset(entry, 0, sizeof entry);
		put_be(entry, g_bytes_get_size(i->data), 4);
		put_be(entry + 4, i->key, 2);
		memcpy(entry + 8, i->name, strlen(i->name));
		g_byte_array_append(b, entry, sizeof entry);
		count++;
	}
	put_be(b->data, count, 4);
	s->directory = g_byte_array_free_to_bytes(b);
	return s->directory;
}

/* Bytes of the chosen item from the read position on; NULL and 0 at its end. */
static const uint8_t *rest(struct fw_cfg *s, size_t *n)
{
	struct item *i = s->key == FW_CFG_FILE_DIR ? NULL : find(s, s->key);
	GBytes *data = s->key == FW_CFG_FILE_DIR ? directory(s) : i ? i->data : NULL;
	const uint8_t *p;

	*n = 0;
	if (!data)
		return NULL;
	p = g_bytes_get_data(data, n);
	if (s->offset >= *n) {
		*n = 0;
		return NULL;
	}
	*n -= s->offset;
	return p + s->offset;
}

static void advance(struct fw_cfg *s, uint32_t n)
{
	s->offset = n > UINT32_MAX - s->offset ? UINT32_MAX : s->offset + n;
}

static void choose(struct fw_cfg *s, uint16_t key)
{
	s->key = key;
	s->offset = 0;
}

/* ---- ports ---- */

static uint64_t port_read(void *dev, uint64_t offset, unsigned size)
{
	struct fw_cfg *s = dev;
	const uint8_t *p;
	size_t n;
	uint8_t v;

	if (offset != OFFSET_DATA || size != 1)
		return 0;
	p = rest(s, &n);
	v = n ? *p : 0;
	advance(s, 1);
	return v;
}

static void port_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	if (offset == OFFSET_SELECT && size == 2)
		choose(dev, value & 0xffff);
}

static const struct region_ops port_ops = { .read = port_read, .write = port_write, .min_size = 1, .max_size = 2 };

/* ---- DMA ---- */

/* False: the guest's buffer is not memory. */
static bool dma_read(struct fw_cfg *s, uint64_t to, uint32_t length)
{
	const struct guest_memory *memory = &s->d.machine->memory;
	uint8_t chunk[CHUNK];

	while (length) {
		uint32_t part = MIN(length, sizeof chunk), have;
		const uint8_t *p;
		size_t n;

		p = rest(s, &n);
		have = MIN(part, n);
		/* Behind the end of an item there are zeros. */
		memset(chunk, 0, part);
		if (have)
			memcpy(chunk, p, have);
		if (!memory->write || !memory->write(memory->opaque, to, chunk, part))
			return false;
		advance(s, part);
		to += part;
		length -= part;
	}
	return true;
}

static void dma(struct fw_cfg *s, uint64_t at)
{
	const struct guest_memory *memory = &s->d.machine->memory;
	uint8_t access[ACCESS_SIZE], result[4];
	uint32_t control, length, error = 0;

	if (!memory->read || !memory->read(memory->opaque, at, access, sizeof access)) {
		log_print(LOG_GUEST_ERRORS, "fw_cfg: DMA descriptor at 0x%llx is not in memory\n", (unsigned long long)at);
		return;
	}
	control = (uint32_t)get_be(access, 4);
	length = (uint32_t)get_be(access + 4, 4);
	if (control & DMA_SELECT)
		choose(s, control >> DMA_KEY_SHIFT);
	if (control & DMA_READ)
		error = dma_read(s, get_be(access + 8, 8), length) ? 0 : DMA_ERROR;
	else if (control & DMA_WRITE)
		error = DMA_ERROR;
	else if (control & DMA_SKIP)
		advance(s, length);
	put_be(result, error, sizeof result);
	memory->write(memory->opaque, at, result, sizeof result);
}

static uint64_t dma_port_read(void *dev, uint64_t offset, unsigned size)
{
	static const char signature[DMA_COUNT + 1] = "QEMU CFG";
	uint64_t v = 0;

	for (unsigned i = 0; i < size && offset + i < DMA_COUNT; i++)
		v |= (uint64_t)(uint8_t)signature[offset + i] << i * 8;
	return v;
}

static void dma_port_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct fw_cfg *s = dev;
	uint32_t half = __builtin_bswap32((uint32_t)value);

	if (size != 4)
		return;
	if (offset == 0) {
		s->dma_high = half;
		return;
	}
	dma(s, (uint64_t)s->dma_high << 32 | half);
	s->dma_high = 0;
}

static const struct region_ops dma_ops = { .read = dma_port_read, .write = dma_port_write, .min_size = 1, .max_size = 4 };

/* ---- device ---- */

static void fw_cfg_reset(struct device *d)
{
	struct fw_cfg *s = fw_cfg_of(d);

	choose(s, FW_CFG_SIGNATURE);
	s->dma_high = 0;
}

static bool fw_cfg_init(struct device *d, GError **error)
{
	struct fw_cfg *s = fw_cfg_of(d);

	s->items = g_ptr_array_new_with_free_func(item_free);
	fw_cfg_set(d, FW_CFG_SIGNATURE, "QEMU", 4);
	fw_cfg_set_number(d, FW_CFG_ID, ID_TRADITIONAL | ID_DMA, 4);
	machine_add_io(d->machine, PORT_SELECT, PORT_COUNT, &port_ops, d, "fw_cfg");
	machine_add_io(d->machine, PORT_DMA, DMA_COUNT, &dma_ops, d, "fw_cfg-dma");
	return true;
}

static void fw_cfg_fini(struct device *d)
{
	struct fw_cfg *s = fw_cfg_of(d);

	g_clear_pointer(&s->directory, g_bytes_unref);
	g_clear_pointer(&s->items, g_ptr_array_unref);
}

static const struct state_field fw_cfg_state[] = {
	{ "key", offsetof(struct fw_cfg, key), sizeof(uint16_t), 1 },
	{ "offset", offsetof(struct fw_cfg, offset), sizeof(uint32_t), 1 },
	{ "dma_high", offsetof(struct fw_cfg, dma_high), sizeof(uint32_t), 1 },
	{ 0 }
};

const struct device_type fw_cfg_type = {
	.name = "fw_cfg", .description = "firmware configuration", .size = sizeof(struct fw_cfg),
	.init = fw_cfg_init, .reset = fw_cfg_reset, .fini = fw_cfg_fini, .state = fw_cfg_state,
};
