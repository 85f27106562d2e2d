/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Character devices: the host end of consoles, monitors, QMP, gdb, qtest.
 *
 * A back end (stdio, socket, pty, file, null, pipe, mux, ringbuf) has at most one
 * front end (a mux has several).  Call-backs run on the event-loop thread with no
 * lock held; chardev_write() may be called from any thread.
 */
#ifndef BACKENDS_CHARDEV_H
#define BACKENDS_CHARDEV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

enum chardev_event { CHARDEV_OPENED, CHARDEV_CLOSED, CHARDEV_BREAK };

struct chardev_front {
	/* How many bytes the front end takes now; 0 stops reading until chardev_accept_input(). */
	size_t (*can_receive)(void *opaque);
	void (*receive)(void *opaque, const uint8_t *data, size_t n);
	void (*event)(void *opaque, enum chardev_event event);   /* may be NULL */
};

/*
 * Takes the only front end slot of @c (or a mux's next).  False with an error if
 * it is taken.  If the back end is open already, OPENED is sent from the loop.
 */
bool chardev_attach(struct chardev *c, const struct chardev_front *front, void *opaque, GError **error);
void chardev_detach(struct chardev *c, void *opaque);
/*
 * Writes all of it; bytes that the back end cannot take now are buffered (a
 * bounded buffer; beyond it, or while nothing is connected, they are dropped). Never blocks.
 */
void chardev_write(struct chardev *c, const void *data, size_t n);
/* Bytes that are still buffered: devices use it to model a busy line. */
size_t chardev_backlog(struct chardev *c);
void chardev_accept_input(struct chardev *c);
bool chardev_is_open(struct chardev *c);
const char *chardev_id(struct chardev *c);

/*
 * Registry.  @spec in QEMU's form: "socket,id=q,path=/tmp/x,server=on,wait=off",
 * and the legacy forms of -serial/-monitor/-qmp ("stdio", "unix:PATH,server,nowait",
 * "tcp:HOST:PORT,server,nowait", "file:PATH", "null", "pty", "mon:stdio", "chardev:ID", "none").
 */
struct chardev_set;     /* all character devices of one process-wide control instance */
struct chardev_set *chardev_set_new(GMainContext *loop);
void chardev_set_free(struct chardev_set *s);
struct chardev *chardev_new(struct chardev_set *s, const char *spec, GError **error);
struct chardev *chardev_new_legacy(struct chardev_set *s, const char *id, const char *spec, GError **error);
struct chardev *chardev_find(struct chardev_set *s, const char *id);
/* False with an error if it is in use. */
bool chardev_remove(struct chardev_set *s, const char *id, GError **error);

#endif
