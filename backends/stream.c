/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptors under character devices: reading from the loop as much as the front
 * end takes, writing from any thread without blocking.
 */
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kind.h"

/* A pipe that polls writable takes this much without blocking (PIPE_BUF); so do terminals in practice. */
enum { SHARED_CHUNK = 512 };

static void hangup(struct chardev *c)
{
	if (c->kind->hangup)
		c->kind->hangup(c);
	else
		stream_close(c);
}

/* ---- input ---- */

static size_t room(struct chardev *c)
{
	size_t n = c->front->can_receive(c->front_opaque);

	if (n)
		return n;
	/* Say so first, then ask again: an accept_input() in between is not lost. */
	lock_acquire(&c->lock);
	c->paused = true;
	lock_release(&c->lock);
	n = c->front->can_receive(c->front_opaque);
	if (n) {
		lock_acquire(&c->lock);
		c->paused = false;
		lock_release(&c->lock);
	}
	return n;
}

static gboolean gone(gint fd, GIOCondition condition, gpointer data)
{
	struct chardev *c = data;

	chardev_cancel(&c->stream.watcher);
	hangup(c);
	return G_SOURCE_REMOVE;
}

/* Nobody reads: a peer that leaves must not keep the next one out until somebody does. */
static void watch_end(struct chardev *c)
{
	chardev_cancel(&c->stream.reader);
	if (c->stream.watcher || c->stream.way != STREAM_SOCKET || c->stream.in < 0)
		return;
	c->stream.watcher = g_unix_fd_source_new(c->stream.in, G_IO_HUP | G_IO_ERR);
	g_source_set_callback(c->stream.watcher, G_SOURCE_FUNC(gone), c, NULL);
	g_source_attach(c->stream.watcher, chardev_loop(c));
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data)
{
	struct chardev *c = data;
	uint8_t buffer[4096];
	size_t n;
	ssize_t got;

	if (!c->front || !(n = room(c))) {
		watch_end(c);
		return G_SOURCE_REMOVE;
	}
	got = read(fd, buffer, MIN(n, sizeof buffer));
	if (got > 0) {
		c->front->receive(c->front_opaque, buffer, got);
		return G_SOURCE_CONTINUE;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	chardev_cancel(&c->stream.reader);
	hangup(c);
	return G_SOURCE_REMOVE;
}

void stream_read_on(struct chardev *c)
{
	if (c->stream.reader || c->stream.in < 0)
		return;
	if (!c->front) {
		watch_end(c);
		return;
	}
	chardev_cancel(&c->stream.watcher);
	c->stream.reader = g_unix_fd_source_new(c->stream.in, G_IO_IN | G_IO_HUP | G_IO_ERR);
	g_source_set_callback(c->stream.reader, G_SOURCE_FUNC(readable), c, NULL);
	g_source_attach(c->stream.reader, chardev_loop(c));
}

/* ---- output; c->lock held ---- */

static ssize_t put(const struct stream *s, const uint8_t *data, size_t n)
{
	struct pollfd p = { .fd = s->out, .events = POLLOUT };

	switch (s->way) {
	case STREAM_SOCKET:
		return send(s->out, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	case STREAM_SHARED:
		if (poll(&p, 1, 0) == 1)
			return write(s->out, data, MIN(n, SHARED_CHUNK));
		errno = EAGAIN;
		return -1;
	case STREAM_FILE:
		return write(s->out, data, n);
	}
	return -1;
}

/* Bytes that went out; the rest waits, or is lost with its peer. */
static size_t put_all(struct chardev *c, const uint8_t *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t k = put(&c->stream, data + done, n - done);

		if (k > 0)
			done += k;
		else if (k < 0 && errno == EINTR)
			continue;
		else if (k < 0 && errno == EAGAIN)
			break;
		else
			return n;   /* the reader sees the hang-up */
	}
	return done;
}

static gboolean writable(gint fd, GIOCondition condition, gpointer data)
{
	struct chardev *c = data;
	gboolean more;

	lock_acquire(&c->lock);
	g_byte_array_remove_range(c->queue, 0, put_all(c, c->queue->data, c->queue->len));
	more = c->queue->len > 0;
	if (!more)
		chardev_cancel(&c->stream.writer);
	lock_release(&c->lock);
	return more;
}

static void start_writer(struct chardev *c)
{
	if (c->stream.writer)
		return;
	c->stream.writer = g_unix_fd_source_new(c->stream.out, G_IO_OUT | G_IO_HUP | G_IO_ERR);
	g_source_set_callback(c->stream.writer, G_SOURCE_FUNC(writable), c, NULL);
	g_source_attach(c->stream.writer, chardev_loop(c));
}

void stream_write(struct chardev *c, const uint8_t *data, size_t n)
{
	size_t done = 0;

	lock_acquire(&c->lock);
	if (!c->open || c->stream.out < 0) {
		lock_release(&c->lock);
		return;
	}
	if (!c->queue->len)
		done = put_all(c, data, n);
	n = MIN(n - done, CHARDEV_QUEUE_MAX - c->queue->len);
	if (n) {
		g_byte_array_append(c->queue, data + done, n);
		start_writer(c);
	}
	lock_release(&c->lock);
}

void stream_drain(struct chardev *c, int ms)
{
	gint64 end = g_get_monotonic_time() + ms * 1000;

	lock_acquire(&c->lock);
	while (c->open && c->queue->len && g_get_monotonic_time() < end) {
		struct pollfd p = { .fd = c->stream.out, .events = POLLOUT };

		if (poll(&p, 1, 10) != 0)
			g_byte_array_remove_range(c->queue, 0,
						  put_all(c, c->queue->data, c->queue->len));
	}
	lock_release(&c->lock);
}

/* ---- life ---- */

void stream_open(struct chardev *c, int in, int out, enum stream_way way, bool keep)
{
	lock_acquire(&c->lock);
	c->stream = (struct stream){ .in = in, .out = out, .way = way, .keep = keep };
	c->paused = false;
	lock_release(&c->lock);
	chardev_set_open(c, true);
	stream_read_on(c);
}

static void close_descriptors(struct stream *s)
{
	if (!s->keep && s->in >= 0)
		close(s->in);
	if (!s->keep && s->out >= 0 && s->out != s->in)
		close(s->out);
	s->in = s->out = -1;
}

void stream_close(struct chardev *c)
{
	lock_acquire(&c->lock);
	chardev_cancel(&c->stream.reader);
	chardev_cancel(&c->stream.watcher);
	chardev_cancel(&c->stream.writer);
	close_descriptors(&c->stream);
	g_byte_array_set_size(c->queue, 0);
	lock_release(&c->lock);
	chardev_set_open(c, false);
}

void stream_end_input(struct chardev *c)
{
	chardev_cancel(&c->stream.reader);
	chardev_cancel(&c->stream.watcher);
	lock_acquire(&c->lock);
	if (!c->stream.keep && c->stream.in >= 0 && c->stream.in != c->stream.out)
		close(c->stream.in);
	c->stream.in = -1;
	lock_release(&c->lock);
}
