/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices without a world behind them: one that forgets, one that remembers the last bytes. */
#include <string.h>

#include "kind.h"

static bool null_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	chardev_set_open(c, true);
	return true;
}

static void null_write(struct chardev *c, const uint8_t *data, size_t n)
{
}

const struct chardev_kind chardev_null = {
	.name = "null", .open = null_open, .write = null_write,
};

struct ringbuf {
	uint8_t *bytes;
	size_t size, used, at;   /* size is a power of two; chardev.lock */
};

static bool ringbuf_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	struct ringbuf *r = c->state;
	uint64_t size;

	if (!keyval_size(kv, "size", 65536, 1, &size, error))
		return false;
	if (!size || size & (size - 1) || size > 1 << 30) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "size of ringbuf chardev must be a power of two up to 1G");
		return false;
	}
	r->size = size;
	r->bytes = g_malloc(size);
	chardev_set_open(c, true);
	return true;
}

static void ringbuf_close(struct chardev *c)
{
	g_free(((struct ringbuf *)c->state)->bytes);
}

static void ringbuf_put(struct chardev *c, const uint8_t *data, size_t n)
{
	struct ringbuf *r = c->state;

	lock_acquire(&c->lock);
	for (size_t i = 0; i < n; i++) {
		r->bytes[(r->at + r->used) & (r->size - 1)] = data[i];
		if (r->used < r->size)
			r->used++;
		else
			r->at = (r->at + 1) & (r->size - 1);
	}
	lock_release(&c->lock);
}

bool chardev_ringbuf_read(struct chardev *c, GByteArray *to, size_t n)
{
	struct ringbuf *r = c->state;

	if (c->kind != &chardev_ringbuf)
		return false;
	lock_acquire(&c->lock);
	for (; n && r->used; n--, r->used--) {
		g_byte_array_append(to, &r->bytes[r->at], 1);
		r->at = (r->at + 1) & (r->size - 1);
	}
	lock_release(&c->lock);
	return true;
}

bool chardev_ringbuf_write(struct chardev *c, const void *data, size_t n)
{
	if (c->kind != &chardev_ringbuf)
		return false;
	ringbuf_put(c, data, n);
	return true;
}

static const char *const ringbuf_keys[] = { "size", NULL };

const struct chardev_kind chardev_ringbuf = {
	.name = "ringbuf", .keys = ringbuf_keys, .size = sizeof(struct ringbuf),
	.open = ringbuf_open, .close = ringbuf_close, .write = ringbuf_put,
};
