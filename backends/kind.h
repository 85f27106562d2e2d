/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a kind of character device is made of.  A new kind: one file with a
 * struct chardev_kind, one line in kinds[] of chardev.c.
 *
 * Threads: everything happens on the loop but chardev_write(),
 * chardev_backlog() and chardev_accept_input(); chardev.lock stands between.
 */
#ifndef BACKENDS_KIND_H
#define BACKENDS_KIND_H

#include "backends/chardev.h"
#include "backends/keyval.h"
#include "sync/lock.h"

struct chardev_kind {
	const char *name;
	const char *const *keys;    /* options besides "backend", "id", "mux", logging */
	size_t size;                /* of the state */
	bool (*open)(struct chardev *c, const struct keyval *kv, GError **error);
	void (*close)(struct chardev *c);
	/* Instead of the stream; any thread, no lock held.  NULL: the stream. */
	void (*write)(struct chardev *c, const uint8_t *data, size_t n);
	/* The stream's peer went away.  NULL: close the stream for good. */
	void (*hangup)(struct chardev *c);
	/* Instead of the only slot (mux). */
	bool (*attach)(struct chardev *c, const struct chardev_front *front, void *opaque, GError **error);
	void (*detach)(struct chardev *c, void *opaque);
	void (*accept_input)(struct chardev *c);
	size_t (*backlog)(struct chardev *c);
	char *(*describe)(struct chardev *c);
};

/* How bytes reach a descriptor without ever blocking the writer. */
enum stream_way {
	STREAM_SOCKET,    /* send(); non-blocking */
	STREAM_SHARED,    /* others write there too, so its mode is not ours to change: ask, then write */
	STREAM_FILE,      /* never waits for a peer */
};

struct stream {
	int in, out;              /* -1: none; may be the same */
	enum stream_way way;
	bool keep;                /* the descriptors are not ours to close */
	GSource *reader;          /* loop only */
	GSource *watcher;         /* loop only: instead of reader, for the peer's end */
	GSource *writer;          /* chardev.lock */
};

struct chardev {
	struct chardev_set *set;
	const struct chardev_kind *kind;
	char *id;
	struct lock lock;         /* LOCK_BACKEND: open, paused, stream, queue */
	bool open;
	bool paused;              /* front end had no room */
	struct stream stream;
	GByteArray *queue;        /* accepted and not yet written */
	GSource *announce;        /* OPENED on its way; loop only */
	const struct chardev_front *front;  /* loop only */
	void *front_opaque;
	struct chardev *mux;      /* the mux on top */
	void *state;
};

enum { CHARDEV_QUEUE_MAX = 8 << 20 };

GMainContext *chardev_loop(struct chardev *c);
void chardev_emit(struct chardev *c, enum chardev_event event);
void chardev_set_open(struct chardev *c, bool open);
void chardev_quit(struct chardev_set *s);
/* Runs @f from the loop, once; the source is destroyed with g_source_destroy() + unref if it must not. */
GSource *chardev_post(GMainContext *loop, GSourceFunc f, void *o);
GSource *chardev_timer(GMainContext *loop, unsigned ms, GSourceFunc f, void *o);
void chardev_cancel(GSource **source);

/* Opens with these descriptors (-1: none) and tells the front end. */
void stream_open(struct chardev *c, int in, int out, enum stream_way way, bool keep);
/* Forgets what is queued, closes, tells the front end. */
void stream_close(struct chardev *c);
/* End of input, output goes on. */
void stream_end_input(struct chardev *c);
void stream_write(struct chardev *c, const uint8_t *data, size_t n);
/* Starts to read if there is somebody to read for.  Loop only. */
void stream_read_on(struct chardev *c);
/* Waits at most @ms for the queue to drain: at the end of the process. */
void stream_drain(struct chardev *c, int ms);

extern const struct chardev_kind chardev_null, chardev_ringbuf, chardev_file, chardev_pipe,
	chardev_stdio, chardev_pty, chardev_socket, chardev_mux;

#endif
