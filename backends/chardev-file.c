/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files and named pipes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "kind.h"

static int open_path(const char *path, int flags, GError **error)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0)
		g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
			    "Could not open '%s': %s", path, g_strerror(errno));
	return fd;
}

static const char *need_path(const struct chardev *c, const struct keyval *kv, GError **error)
{
	const char *path = keyval_get(kv, "path");

	if (!path || !*path) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "chardev: %s: no filename given; add path=", c->kind->name);
		return NULL;
	}
	return path;
}

static bool file_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	const char *path = need_path(c, kv, error);
	const char *input = keyval_get(kv, "input-path");
	bool append;
	int in = -1, out;

	if (!path || !keyval_bool(kv, "append", false, &append, error))
		return false;
	out = open_path(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), error);
	if (out < 0)
		return false;
	if (input && (in = open_path(input, O_RDONLY | O_NONBLOCK, error)) < 0) {
		close(out);
		return false;
	}
	stream_open(c, in, out, STREAM_FILE, false);
	return true;
}

static const char *const file_keys[] = { "path", "append", "input-path", NULL };

const struct chardev_kind chardev_file = {
	.name = "file", .keys = file_keys, .open = file_open, .hangup = stream_end_input,
};

/* Two pipes PATH.in and PATH.out, or one PATH for both ways. */
static bool pipe_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	const char *path = need_path(c, kv, error);
	char *in_path, *out_path;
	int in, out;

	if (!path)
		return false;
	in_path = g_strconcat(path, ".in", NULL);
	out_path = g_strconcat(path, ".out", NULL);
	/* O_RDWR: opening never waits for the other side, and no end of file when it leaves. */
	in = open(in_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	out = open(out_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	g_free(in_path);
	g_free(out_path);
	if (in < 0 || out < 0) {
		if (in >= 0)
			close(in);
		if (out >= 0)
			close(out);
		in = out = open_path(path, O_RDWR | O_NONBLOCK, error);
		if (in < 0)
			return false;
	}
	stream_open(c, in, out, STREAM_FILE, false);
	return true;
}

static const char *const pipe_keys[] = { "path", NULL };

const struct chardev_kind chardev_pipe = {
	.name = "pipe", .keys = pipe_keys, .open = pipe_open,
};
