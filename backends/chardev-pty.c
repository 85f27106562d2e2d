/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pseudo terminal.  The master side hangs up while nobody has the slave open;
 * there is no event for an opening slave, so it is asked twice a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "kind.h"

enum { LOOK_MS = 500 };

struct pty {
	int master;
	char *slave;
	GSource *look;
};

static bool slave_there(const struct pty *p)
{
	struct pollfd f = { .fd = p->master, .events = POLLOUT };

	return poll(&f, 1, 0) >= 0 && !(f.revents & POLLHUP);
}

static gboolean look(gpointer data)
{
	struct chardev *c = data;
	struct pty *p = c->state;

	if (!slave_there(p))
		return G_SOURCE_CONTINUE;
	chardev_cancel(&p->look);
	stream_open(c, p->master, p->master, STREAM_SHARED, true);
	return G_SOURCE_REMOVE;
}

static void wait_for_slave(struct chardev *c)
{
	struct pty *p = c->state;

	if (!p->look)
		p->look = chardev_timer(chardev_loop(c), LOOK_MS, look, c);
}

static void pty_hangup(struct chardev *c)
{
	stream_close(c);
	wait_for_slave(c);
}

static bool make_pair(struct pty *p, GError **error)
{
	struct termios t;
	int slave = -1;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->master >= 0 && !grantpt(p->master) && !unlockpt(p->master)) {
		p->slave = g_strdup(ptsname(p->master));
		slave = open(p->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
	}
	if (slave < 0) {
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "Failed to create PTY: %s", g_strerror(errno));
		return false;
	}
	/* Raw from the start: no echo of what the guest prints. */
	if (!tcgetattr(slave, &t)) {
		cfmakeraw(&t);
		tcsetattr(slave, TCSANOW, &t);
	}
	close(slave);
	return true;
}

static bool pty_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	if (!make_pair(c->state, error))
		return false;
	fprintf(stderr, "char device redirected to %s (label %s)\n", ((struct pty *)c->state)->slave, c->id);
	wait_for_slave(c);
	return true;
}

static void pty_close(struct chardev *c)
{
	struct pty *p = c->state;

	chardev_cancel(&p->look);
	stream_close(c);
	if (p->master >= 0)
		close(p->master);
	g_free(p->slave);
}

static char *pty_describe(struct chardev *c)
{
	return g_strconcat(c->open ? "pty:" : "disconnected:pty:", ((struct pty *)c->state)->slave, NULL);
}

const struct chardev_kind chardev_pty = {
	.name = "pty", .size = sizeof(struct pty), .open = pty_open, .close = pty_close,
	.hangup = pty_hangup, .describe = pty_describe,
};
