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
#include <stdio.h>

struct chardev;
struct keyval;

enum chardev_event { CHARDEV_OPENED, CHARDEV_CLOSED, CHARDEV_BREAK };

struct chardev_front {
	/* How many bytes the front end takes now; 0 stops reading until chardev_accept_input(). */
	size_t (*can_receive)(void *opaque);
	void (*receive)(void *opaque, const uint8_t *data, size_t n);
	void (*event)(void *opaque, enum chardev_event event);   /* may be NULL */
	/* On a mux: input goes to this front end from now on, or no more.  May be NULL. */
	void (*focus)(void *opaque, bool has);
};

/*
 * Takes the only front end slot of @c (or a mux's next, which gets the focus).  False
 * with an error if it is taken.  If the back end is open already, OPENED is sent from
 * the loop.  @front must live until chardev_detach().
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
/* The same from parsed pairs: "backend" and "id" name kind and device. */
struct chardev *chardev_new_keyval(struct chardev_set *s, const struct keyval *kv, GError **error);
/* NULL without an error for "none".  @id is not used for "chardev:ID". */
struct chardev *chardev_new_legacy(struct chardev_set *s, const char *id, const char *spec, GError **error);
struct chardev *chardev_find(struct chardev_set *s, const char *id);
/* False with an error if it is in use. */
bool chardev_remove(struct chardev_set *s, const char *id, GError **error);
void chardev_foreach(struct chardev_set *s, void (*f)(struct chardev *c, void *o), void *o);
/* What stands behind it ("unix:/tmp/x,server=on", "pty:/dev/pts/3"); g_free() it. */
char *chardev_describe(struct chardev *c);
/* Has it a front end? */
bool chardev_attached(struct chardev *c);
bool chardev_is_mux(struct chardev *c);
/* As if the peer had sent a break. */
void chardev_send_break(struct chardev *c);
/* Takes up to @n bytes out of a ringbuf; false if @c is none. */
bool chardev_ringbuf_read(struct chardev *c, GByteArray *to, size_t n);
/* Puts bytes in as if the peer had written them to a ringbuf; false if @c is none. */
bool chardev_ringbuf_write(struct chardev *c, const void *data, size_t n);
/* Kinds and their options (`-chardev help`). */
void chardev_help(FILE *out);
/* Called from the loop when the user types a mux's Ctrl-a x. */
void chardev_set_on_quit(struct chardev_set *s, void (*f)(void *o), void *o);

#endif
