/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Character devices with real sockets, files and pipes. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/chardev.h"
#include "backends/keyval.h"

/* A front end that records. */
struct tape {
	GString *got;
	size_t room;           /* bytes it takes at most from now on */
	int opened, closed, breaks, focus;
};

static size_t can_receive(void *o)
{
	return ((struct tape *)o)->room;
}

static void receive(void *o, const uint8_t *data, size_t n)
{
	struct tape *t = o;

	g_assert_cmpuint(n, <=, t->room);
	t->room -= n;
	g_string_append_len(t->got, (const char *)data, n);
}

static void event(void *o, enum chardev_event e)
{
	struct tape *t = o;

	t->opened += e == CHARDEV_OPENED;
	t->closed += e == CHARDEV_CLOSED;
	t->breaks += e == CHARDEV_BREAK;
}

static void focus(void *o, bool has)
{
	((struct tape *)o)->focus = has;
}

static const struct chardev_front front = { can_receive, receive, event, focus };

struct fixture {
	char *dir, *path;
	GMainContext *loop;
	struct chardev_set *set;
	struct tape tape;
};

static void set_up(struct fixture *f, gconstpointer data)
{
	f->dir = g_dir_make_tmp("chardev-XXXXXX", NULL);
	f->path = g_build_filename(f->dir, "s", NULL);
	f->loop = g_main_context_new();
	f->set = chardev_set_new(f->loop);
	f->tape = (struct tape){ .got = g_string_new(NULL), .room = 1 << 20, .focus = -1 };
}

static void tear_down(struct fixture *f, gconstpointer data)
{
	chardev_set_free(f->set);
	g_main_context_unref(f->loop);
	g_unlink(f->path);
	g_assert_cmpint(g_rmdir(f->dir), ==, 0);
	g_free(f->path);
	g_free(f->dir);
	g_string_free(f->tape.got, TRUE);
}

static gboolean tick(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

/* Runs the loop until @condition or two seconds are over. */
#define UNTIL(f, condition)                                                                  \
	do {                                                                                 \
		GSource *tick_ = g_timeout_source_new(10);                                   \
		gint64 end_ = g_get_monotonic_time() + 2 * G_USEC_PER_SEC;                   \
		g_source_set_callback(tick_, tick, NULL, NULL);                              \
		g_source_attach(tick_, (f)->loop);                                           \
		while (!(condition) && g_get_monotonic_time() < end_)                        \
			g_main_context_iteration((f)->loop, TRUE);                           \
		g_source_destroy(tick_);                                                     \
		g_source_unref(tick_);                                                       \
		g_assert_true(condition);                                                    \
	} while (0)

static struct chardev *make(struct fixture *f, const char *format, ...)
{
	GError *e = NULL;
	struct chardev *c;
	va_list ap;
	char *spec;

	va_start(ap, format);
	spec = g_strdup_vprintf(format, ap);
	va_end(ap);
	c = chardev_new(f->set, spec, &e);
	g_assert_no_error(e);
	g_free(spec);
	return c;
}

static int client(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	g_strlcpy(a.sun_path, path, sizeof a.sun_path);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof a), ==, 0);
	return fd;
}

static void test_server(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "socket,id=s,path=%s,server=on,wait=off", f->path);
	char buffer[16] = "";
	int fd;

	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	chardev_write(c, "lost", 4);   /* nobody there */
	fd = client(f->path);
	UNTIL(f, f->tape.opened == 1);
	g_assert_cmpint(write(fd, "hello", 5), ==, 5);
	UNTIL(f, f->tape.got->len == 5);
	chardev_write(c, "world", 5);
	g_assert_cmpint(read(fd, buffer, sizeof buffer), ==, 5);
	g_assert_cmpstr(buffer, ==, "world");

	/* The client goes, the next one comes. */
	close(fd);
	UNTIL(f, f->tape.closed == 1);
	g_assert_false(chardev_is_open(c));
	chardev_write(c, "lost", 4);
	fd = client(f->path);
	UNTIL(f, f->tape.opened == 2);
	g_assert_cmpint(write(fd, "!", 1), ==, 1);
	UNTIL(f, f->tape.got->len == 6);
	close(fd);
}

static void test_flow(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "socket,id=s,path=%s,server=on,wait=off", f->path);
	int fd = client(f->path);

	f->tape.room = 3;
	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	g_assert_cmpint(write(fd, "abcdef", 6), ==, 6);
	UNTIL(f, f->tape.got->len == 3);
	for (int i = 0; i < 20; i++)
		g_main_context_iteration(f->loop, FALSE);
	g_assert_cmpstr(f->tape.got->str, ==, "abc");
	f->tape.room = 10;
	chardev_accept_input(c);
	UNTIL(f, f->tape.got->len == 6);
	close(fd);
}

/* Nobody reads what a client left behind when it went: the next one gets in all the same. */
static void test_gone_unread(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "socket,id=s,path=%s,server=on,wait=off", f->path);
	int fd = client(f->path), next;

	f->tape.room = 1;
	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	g_assert_cmpint(write(fd, "abc", 3), ==, 3);
	UNTIL(f, f->tape.got->len == 1);
	next = client(f->path);
	close(fd);
	UNTIL(f, f->tape.closed == 1 && f->tape.opened == 2);
	f->tape.room = 10;
	chardev_accept_input(c);
	g_assert_cmpint(write(next, "d", 1), ==, 1);
	UNTIL(f, f->tape.got->len == 2);
	g_assert_cmpstr(f->tape.got->str, ==, "ad");
	/* Without a front end, too. */
	chardev_detach(c, &f->tape);
	close(next);
	UNTIL(f, !chardev_is_open(c));
}

/* A peer that does not read: the writer never blocks, and what fits in the buffer arrives. */
static void test_slow_peer(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "socket,id=s,path=%s,server=on,wait=off", f->path);
	int fd = client(f->path);
	size_t sent = 900 * 1024, got = 0;
	char *block = g_malloc(sent);

	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	UNTIL(f, f->tape.opened == 1);
	memset(block, 'x', sent);
	chardev_write(c, block, sent);
	g_assert_cmpuint(chardev_backlog(c), >, 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (got < sent) {
		ssize_t n = read(fd, block, sent);

		if (n > 0)
			got += n;
		else
			g_main_context_iteration(f->loop, FALSE);
	}
	UNTIL(f, chardev_backlog(c) == 0);
	/* Far beyond the buffer: dropped, not blocked. */
	for (int i = 0; i < 64; i++)
		chardev_write(c, block, sent);
	g_assert_cmpuint(chardev_backlog(c), <=, 8 << 20);
	g_free(block);
	close(fd);
}

static void test_reconnect(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "socket,id=s,path=%s,reconnect-ms=50", f->path);
	struct chardev *server;
	struct tape other = { .got = g_string_new(NULL), .room = 100 };

	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	for (int i = 0; i < 5; i++)
		g_main_context_iteration(f->loop, FALSE);
	g_assert_false(chardev_is_open(c));
	server = make(f, "socket,id=t,path=%s,server=on,wait=off", f->path);
	g_assert_true(chardev_attach(server, &front, &other, NULL));
	UNTIL(f, f->tape.opened == 1 && other.opened == 1);
	chardev_write(c, "ping", 4);
	UNTIL(f, other.got->len == 4);

	chardev_detach(server, &other);
	g_assert_true(chardev_remove(f->set, "t", NULL));
	UNTIL(f, f->tape.closed == 1);
	server = make(f, "socket,id=t,path=%s,server=on,wait=off", f->path);
	UNTIL(f, f->tape.opened == 2);
	g_string_free(other.got, TRUE);
}

static void test_tcp(struct fixture *f, gconstpointer data)
{
	GError *e = NULL;
	struct chardev *server = chardev_new_legacy(f->set, "s", "tcp:127.0.0.1:0,server=on,wait=off", &e), *c;
	struct tape other = { .got = g_string_new(NULL), .room = 100 };
	char *name, *port;

	g_assert_no_error(e);
	name = chardev_describe(server);
	g_assert_true(g_str_has_prefix(name, "disconnected:tcp:127.0.0.1:"));
	port = strrchr(name, ':') + 1;
	*strchr(port, ',') = '\0';
	g_assert_true(chardev_attach(server, &front, &f->tape, NULL));
	c = make(f, "socket,id=c,host=127.0.0.1,port=%s", port);
	g_assert_true(chardev_attach(c, &front, &other, NULL));
	chardev_write(c, "x", 1);
	UNTIL(f, f->tape.got->len == 1);
	chardev_write(server, "yz", 2);
	UNTIL(f, other.got->len == 2);
	g_free(name);
	g_string_free(other.got, TRUE);
}

static void test_file(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "file,id=f,path=%s", f->path);
	char *text;

	chardev_write(c, "one\n", 4);
	g_assert_true(chardev_remove(f->set, "f", NULL));
	c = make(f, "file,id=f,path=%s,append=on", f->path);
	chardev_write(c, "two\n", 4);
	g_assert_true(g_file_get_contents(f->path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "one\ntwo\n");
	g_free(text);
}

static void test_pipe(struct fixture *f, gconstpointer data)
{
	struct chardev *c;

	g_assert_cmpint(mkfifo(f->path, 0600), ==, 0);
	c = make(f, "pipe,id=p,path=%s", f->path);
	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	chardev_write(c, "loop", 4);   /* one pipe for both ways: it comes back */
	UNTIL(f, f->tape.got->len == 4);
}

static void test_ringbuf(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "ringbuf,id=r,size=8");
	GByteArray *bytes = g_byte_array_new();

	chardev_write(c, "0123456789", 10);
	g_assert_true(chardev_ringbuf_read(c, bytes, 100));
	g_assert_cmpmem(bytes->data, bytes->len, "23456789", 8);
	g_byte_array_unref(bytes);
}

static void quit(void *o)
{
	*(bool *)o = true;
}

static void test_mux(struct fixture *f, gconstpointer data)
{
	struct tape second = { .got = g_string_new(NULL), .room = 1 << 20, .focus = -1 };
	struct chardev *c = make(f, "socket,id=m,path=%s,server=on,wait=off,mux=on", f->path);
	bool quitting = false;
	int fd = client(f->path);
	char buffer[512];

	chardev_set_on_quit(f->set, quit, &quitting);
	g_assert_true(chardev_is_mux(c));
	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	g_assert_true(chardev_attach(c, &front, &second, NULL));
	g_assert_cmpint(second.focus, ==, 1);
	UNTIL(f, f->tape.opened == 1 && second.opened == 1);

	g_assert_cmpint(write(fd, "ab\1ccd\1\1", 9 - 1), ==, 8);
	UNTIL(f, f->tape.got->len == 3);
	g_assert_cmpstr(second.got->str, ==, "ab");
	g_assert_cmpstr(f->tape.got->str, ==, "cd\1");
	g_assert_cmpint(f->tape.focus, ==, 1);
	g_assert_cmpint(second.focus, ==, 0);
	g_assert_cmpint(write(fd, "\1b", 2), ==, 2);
	UNTIL(f, f->tape.breaks == 1);

	/* The front end in focus takes nothing: the way out works all the same. */
	f->tape.room = 0;
	memset(buffer, 'z', sizeof buffer);
	g_assert_cmpint(write(fd, buffer, sizeof buffer), ==, sizeof buffer);
	g_assert_cmpint(write(fd, "\1x", 2), ==, 2);
	UNTIL(f, quitting);
	f->tape.room = 10000;
	chardev_accept_input(c);
	UNTIL(f, f->tape.got->len == 3 + sizeof buffer);
	close(fd);
	g_string_free(second.got, TRUE);
}

static void test_pty(struct fixture *f, gconstpointer data)
{
	struct chardev *c = make(f, "pty,id=y");
	char *name = chardev_describe(c), buffer[8];
	int fd;

	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	fd = open(strstr(name, "pty:") + 4, O_RDWR | O_NOCTTY);
	g_assert_cmpint(fd, >=, 0);
	UNTIL(f, f->tape.opened == 1);
	chardev_write(c, "hi", 2);
	g_assert_cmpint(read(fd, buffer, sizeof buffer), ==, 2);
	g_assert_cmpint(write(fd, "abc", 3), ==, 3);
	UNTIL(f, f->tape.got->len == 3);
	close(fd);
	UNTIL(f, f->tape.closed == 1);
	g_free(name);
}

static void bad(struct fixture *f, const char *spec, const char *hint)
{
	GError *e = NULL;

	g_assert_null(chardev_new(f->set, spec, &e));
	g_assert_nonnull(e);
	if (!strstr(e->message, hint))
		g_error("'%s' says '%s', not '%s'", spec, e->message, hint);
	g_error_free(e);
}

static void test_errors(struct fixture *f, gconstpointer data)
{
	GError *e = NULL;
	struct chardev *c = make(f, "null,id=n");

	bad(f, "null,id=n", "already exists");
	bad(f, "null", "'id' is missing");
	bad(f, "null,id=1 2", "identifier");
	bad(f, "nope,id=x", "not a valid");
	bad(f, "null,id=x,colour=red", "'colour'");
	bad(f, "file,id=x", "path=");
	bad(f, "file,id=x,path=/nonexistent/y", "/nonexistent/y");
	bad(f, "socket,id=x,path=/nonexistent/y", "/nonexistent/y");
	bad(f, "socket,id=x", "path=");
	bad(f, "socket,id=x,path=/tmp/y,server=maybe", "'server'");
	bad(f, "socket,id=x,path=/tmp/y,server=on,telnet=on", "telnet");
	bad(f, "ringbuf,id=x,size=3", "power of two");
	bad(f, "mux,id=x,chardev=none", "none");
	g_assert_null(chardev_new_legacy(f->set, "x", "bogus", &e));
	g_assert_nonnull(strstr(e->message, "bogus"));
	g_clear_error(&e);
	g_assert_null(chardev_new_legacy(f->set, "x", "none", &e));
	g_assert_no_error(e);
	g_assert_true(chardev_new_legacy(f->set, "x", "chardev:n", &e) == c);

	g_assert_true(chardev_attach(c, &front, &f->tape, NULL));
	g_assert_false(chardev_attach(c, &front, &f->tape, &e));
	g_clear_error(&e);
	g_assert_false(chardev_remove(f->set, "n", &e));
	g_assert_nonnull(strstr(e->message, "busy"));
	g_clear_error(&e);
	chardev_detach(c, &f->tape);
	g_assert_true(chardev_remove(f->set, "n", NULL));
	g_assert_null(chardev_find(f->set, "n"));
}

static void test_keyval(void)
{
	struct keyval *kv = keyval_parse("socket,id=a,,b,server,nowait,x=1,x=2", "backend");
	bool b;
	uint64_t n;

	g_assert_cmpstr(keyval_get(kv, "backend"), ==, "socket");
	g_assert_cmpstr(keyval_get(kv, "id"), ==, "a,b");
	g_assert_true(keyval_bool(kv, "server", false, &b, NULL) && b);
	g_assert_true(keyval_bool(kv, "wait", true, &b, NULL) && !b);
	g_assert_true(keyval_uint(kv, "x", 0, &n, NULL));
	g_assert_cmpuint(n, ==, 2);
	g_assert_false(keyval_uint(kv, "id", 0, &n, NULL));
	g_assert_true(keyval_text_to_size("1.5G", "m", 1, &n, NULL));
	g_assert_cmpuint(n, ==, 3ull << 29);
	g_assert_true(keyval_text_to_size("64", "m", 1 << 20, &n, NULL));
	g_assert_cmpuint(n, ==, 64 << 20);
	g_assert_false(keyval_text_to_size("99999999999E", "m", 1, &n, NULL));
	g_assert_false(keyval_text_to_size("-1", "m", 1, &n, NULL));
	keyval_free(kv);
}

int main(int argc, char **argv)
{
#define TEST(name) g_test_add("/chardev/" #name, struct fixture, NULL, set_up, test_##name, tear_down)
	g_test_init(&argc, &argv, NULL);
	TEST(server);
	TEST(flow);
	TEST(slow_peer);
	TEST(reconnect);
	TEST(tcp);
	TEST(file);
	TEST(pipe);
	TEST(gone_unread);
	TEST(ringbuf);
	TEST(mux);
	TEST(pty);
	TEST(errors);
	g_test_add_func("/chardev/keyval", test_keyval);
	return g_test_run();
}
