/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard input and output.  A terminal is put into raw mode and back at close.
 * Its descriptors are shared with whoever started us, so they stay blocking and
 * are asked before each write.
 */
#include <termios.h>
#include <unistd.h>

#include "kind.h"

struct stdio {
	bool raw;              /* saved is to be restored */
	struct termios saved;
};

static void find_stdio(struct chardev *c, void *o)
{
	if (c->kind == &chardev_stdio)
		*(bool *)o = true;
}

/* @self is not in the list yet. */
static bool stdio_free(struct chardev *self, GError **error)
{
	bool taken = false;

	chardev_foreach(self->set, find_stdio, &taken);
	if (taken)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "cannot use stdio by multiple character devices; share one with 'mon:stdio' or mux=on");
	return !taken;
}

static void go_raw(struct stdio *s, bool signals)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &s->saved))
		return;
	t = s->saved;
	t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t.c_oflag |= OPOST;
	t.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
	if (!signals)
		t.c_lflag &= ~ISIG;
	t.c_cflag = (t.c_cflag & ~(CSIZE | PARENB)) | CS8;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	s->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &t);
}

static bool stdio_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	bool signals;

	if (!keyval_bool(kv, "signal", true, &signals, error) || !stdio_free(c, error))
		return false;
	go_raw(c->state, signals);
	stream_open(c, STDIN_FILENO, STDOUT_FILENO, STREAM_SHARED, true);
	return true;
}

static void stdio_close(struct chardev *c)
{
	struct stdio *s = c->state;

	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);
}

static const char *const stdio_keys[] = { "signal", NULL };

const struct chardev_kind chardev_stdio = {
	.name = "stdio", .keys = stdio_keys, .size = sizeof(struct stdio),
	.open = stdio_open, .close = stdio_close, .hangup = stream_end_input,
};
