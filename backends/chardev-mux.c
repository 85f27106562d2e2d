/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Several front ends on one back end.  Output of all goes out; input goes to the
 * one in focus.  Ctrl-a starts a command.  Input is always taken, whatever the
 * front end does: Ctrl-a x must work while a guest does not read its serial port.
 */
#include <string.h>

#include "kind.h"

enum { FRONTS_MAX = 4, ESCAPE = 1, PENDING_MAX = 65536 };

struct slot {
	const struct chardev_front *front;   /* NULL: free */
	void *opaque;
	GByteArray *pending;                 /* typed, not yet taken */
};

/* All of it belongs to the loop, but for `push` (chardev.lock). */
struct mux {
	struct chardev *base;
	struct slot slots[FRONTS_MAX];
	int focus;                           /* -1: nobody */
	bool escaped;
	GSource *push;
};

static void say(struct mux *m, const char *text)
{
	chardev_write(m->base, text, strlen(text));
}

static void set_focus(struct mux *m, int i)
{
	int old = m->focus;

	if (old == i)
		return;
	m->focus = i;
	if (old >= 0 && m->slots[old].front && m->slots[old].front->focus)
		m->slots[old].front->focus(m->slots[old].opaque, false);
	if (i >= 0 && m->slots[i].front->focus)
		m->slots[i].front->focus(m->slots[i].opaque, true);
}

static void next_focus(struct mux *m)
{
	for (int k = 1; k <= FRONTS_MAX; k++) {
		int i = (m->focus + k) % FRONTS_MAX;

		if (m->slots[i].front) {
			set_focus(m, i);
			return;
		}
	}
}

/* ---- input ---- */

static void push(struct slot *s)
{
	while (s->front && s->pending->len) {
		size_t n = s->front->can_receive(s->opaque);
		GByteArray *all = s->pending;

		n = MIN(n, all->len);
		if (!n)
			return;
		/* The front end may come back here from receive(). */
		s->pending = g_byte_array_new();
		g_byte_array_append(s->pending, all->data + n, all->len - n);
		s->front->receive(s->opaque, all->data, n);
		g_byte_array_unref(all);
	}
}

static gboolean push_all(gpointer data)
{
	struct mux *m = ((struct chardev *)data)->state;

	lock_acquire(&((struct chardev *)data)->lock);
	chardev_cancel(&m->push);
	lock_release(&((struct chardev *)data)->lock);
	for (int i = 0; i < FRONTS_MAX; i++)
		push(&m->slots[i]);
	return G_SOURCE_REMOVE;
}

static void type_byte(struct mux *m, uint8_t b)
{
	struct slot *s = m->focus >= 0 ? &m->slots[m->focus] : NULL;

	if (s && s->pending->len < PENDING_MAX)
		g_byte_array_append(s->pending, &b, 1);
}

static void send_break(struct mux *m)
{
	struct slot *s = m->focus >= 0 ? &m->slots[m->focus] : NULL;

	if (!s)
		return;
	push(s);
	if (s->front->event)
		s->front->event(s->opaque, CHARDEV_BREAK);
}

static void help(struct mux *m)
{
	say(m, "\n\rC-a h    print this help\n\r"
	       "C-a x    exit emulator\n\r"
	       "C-a b    send break\n\r"
	       "C-a c    switch between console and monitor\n\r"
	       "C-a C-a  send C-a\n\r");
}

static void command(struct mux *m, uint8_t b)
{
	switch (b) {
	case 'h':
	case '?':
		help(m);
		break;
	case 'x':
		say(m, "QEMU: Terminated\n\r");
		chardev_quit(m->base->set);
		break;
	case 'b':
		send_break(m);
		break;
	case 'c':
		next_focus(m);
		break;
	case ESCAPE:
		type_byte(m, ESCAPE);
		break;
	default:
		type_byte(m, b);
	}
}

static size_t base_room(void *o)
{
	return 4096;
}

static void base_receive(void *o, const uint8_t *data, size_t n)
{
	struct mux *m = ((struct chardev *)o)->state;

	for (size_t i = 0; i < n; i++) {
		if (m->escaped) {
			m->escaped = false;
			command(m, data[i]);
		} else if (data[i] == ESCAPE) {
			m->escaped = true;
		} else {
			type_byte(m, data[i]);
		}
	}
	for (int i = 0; i < FRONTS_MAX; i++)
		push(&m->slots[i]);
}

static void base_event(void *o, enum chardev_event event)
{
	struct chardev *c = o;
	struct mux *m = c->state;

	if (event != CHARDEV_BREAK)
		c->open = event == CHARDEV_OPENED;
	for (int i = 0; i < FRONTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (s->front && s->front->event && (event != CHARDEV_BREAK || i == m->focus))
			s->front->event(s->opaque, event);
	}
}

static const struct chardev_front base_front = { base_room, base_receive, base_event, NULL };

/* ---- front ends ---- */

static bool mux_attach(struct chardev *c, const struct chardev_front *front, void *opaque,
		       GError **error)
{
	struct mux *m = c->state;
	int i = 0;

	while (i < FRONTS_MAX && m->slots[i].front)
		i++;
	if (i == FRONTS_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Character device '%s' has its %d users already", c->id, FRONTS_MAX);
		return false;
	}
	m->slots[i] = (struct slot){ front, opaque, g_byte_array_new() };
	if (c->open && front->event)
		front->event(opaque, CHARDEV_OPENED);
	set_focus(m, i);
	return true;
}

static void mux_detach(struct chardev *c, void *opaque)
{
	struct mux *m = c->state;

	for (int i = 0; i < FRONTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (!s->front || s->opaque != opaque)
			continue;
		g_byte_array_unref(s->pending);
		*s = (struct slot){ 0 };
		if (m->focus == i) {
			m->focus = -1;
			next_focus(m);
		}
	}
}

static void mux_write(struct chardev *c, const uint8_t *data, size_t n)
{
	chardev_write(((struct mux *)c->state)->base, data, n);
}

static void mux_accept_input(struct chardev *c)
{
	struct mux *m = c->state;

	lock_acquire(&c->lock);
	if (!m->push)
		m->push = chardev_post(chardev_loop(c), push_all, c);
	lock_release(&c->lock);
}

/* ---- life ---- */

static bool mux_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	struct mux *m = c->state;
	const char *id = keyval_get(kv, "chardev");

	m->focus = -1;
	m->base = id ? chardev_find(c->set, id) : NULL;
	if (!m->base) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "mux: no valid chardev given: '%s'", id ? id : "");
		return false;
	}
	if (!chardev_attach(m->base, &base_front, c, error)) {
		m->base = NULL;
		return false;
	}
	m->base->mux = c;
	c->open = chardev_is_open(m->base);
	return true;
}

static void mux_close(struct chardev *c)
{
	struct mux *m = c->state;

	chardev_cancel(&m->push);
	for (int i = 0; i < FRONTS_MAX; i++) {
		if (m->slots[i].pending)
			g_byte_array_unref(m->slots[i].pending);
	}
	if (!m->base)
		return;
	m->base->mux = NULL;
	chardev_detach(m->base, c);
}

static const char *const mux_keys[] = { "chardev", NULL };

static size_t mux_backlog(struct chardev *c)
{
	return chardev_backlog(((struct mux *)c->state)->base);
}

const struct chardev_kind chardev_mux = {
	.name = "mux", .keys = mux_keys, .size = sizeof(struct mux), .open = mux_open, .close = mux_close,
	.write = mux_write, .attach = mux_attach, .detach = mux_detach, .accept_input = mux_accept_input,
	.backlog = mux_backlog,
};
