/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TCP and Unix sockets, either end.  A server has one client at a time: the next
 * waits in the listen queue.  A client with reconnect= tries again after a loss.
 * Left out on purpose: telnet, websocket and TLS framing (asked for, they are an error).
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kind.h"

/* A connect at start-up that gets no answer at all is given up after this. */
enum { CONNECT_MS = 5000 };

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_storage room;
};

struct sock {
	union address address;
	socklen_t length;
	bool server, wait, nodelay;
	uint64_t reconnect_ms;    /* 0: never */
	int listener;             /* -1: client */
	int connecting;           /* -1: none under way */
	GSource *source;          /* accept, connect under way, or timer to the next try */
	char *unlink;             /* path of our own socket file */
};

static bool fail(GError **error, const char *what, const char *where, int code)
{
	g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code), "Failed to %s '%s': %s",
		    what, where, g_strerror(code));
	return false;
}

/* ---- addresses ---- */

static char *name_of(const union address *a, socklen_t length)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (a->any.sa_family == AF_UNIX)
		return g_strconcat("unix:", a->un.sun_path[0] ? a->un.sun_path : a->un.sun_path + 1,
				   NULL);
	if (getnameinfo(&a->any, length, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV))
		return g_strdup("tcp:?");
	return g_strdup_printf(strchr(host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", host, port);
}

static bool unix_address(struct sock *s, const struct keyval *kv, GError **error)
{
	const char *path = keyval_get(kv, "path");
	bool abstract;
	size_t n = strlen(path);

	if (!keyval_bool(kv, "abstract", false, &abstract, error))
		return false;
	if (!n || n + 1 > sizeof s->address.un.sun_path) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "UNIX socket path '%s' must have 1 to %zu characters", path,
			    sizeof s->address.un.sun_path - 1);
		return false;
	}
	s->address.un.sun_family = AF_UNIX;
	memcpy(s->address.un.sun_path + abstract, path, n);
	s->length = abstract ? offsetof(struct sockaddr_un, sun_path) + 1 + n
			     : sizeof s->address.un;
	if (s->server && !abstract)
		s->unlink = g_strdup(path);
	return true;
}

static bool inet_address(struct sock *s, const struct keyval *kv, GError **error)
{
	const char *host = keyval_get(kv, "host"), *port = keyval_get(kv, "port");
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	bool v4, v6;
	int err;

	if (!keyval_bool(kv, "ipv4", false, &v4, error) || !keyval_bool(kv, "ipv6", false, &v6, error))
		return false;
	if (!port) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "chardev: socket: no port given");
		return false;
	}
	/* The library takes a number that is too large modulo 2^16. */
	if (g_ascii_strtoull(port, NULL, 10) > 65535) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "chardev: socket: port %s is out of range: 0 to 65535", port);
		return false;
	}
	hints.ai_family = v4 == v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
	hints.ai_flags = s->server ? AI_PASSIVE : 0;
	err = getaddrinfo(host && *host ? host : NULL, port, &hints, &found);
	if (err) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "address resolution failed for %s:%s: %s", host ? host : "", port,
			    gai_strerror(err));
		return false;
	}
	memcpy(&s->address, found->ai_addr, found->ai_addrlen);
	s->length = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

/* ---- a connection ---- */

static void use(struct chardev *c, int fd)
{
	struct sock *s = c->state;
	int one = 1;

	if (s->nodelay && s->address.any.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	stream_open(c, fd, fd, STREAM_SOCKET, false);
}

static gboolean acceptable(gint listener, GIOCondition condition, gpointer data)
{
	struct chardev *c = data;
	struct sock *s = c->state;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return G_SOURCE_CONTINUE;
	chardev_cancel(&s->source);
	use(c, fd);
	return G_SOURCE_REMOVE;
}

static void start_accepting(struct chardev *c)
{
	struct sock *s = c->state;

	chardev_cancel(&s->source);
	s->source = g_unix_fd_source_new(s->listener, G_IO_IN);
	g_source_set_callback(s->source, G_SOURCE_FUNC(acceptable), c, NULL);
	g_source_attach(s->source, chardev_loop(c));
}

static gboolean try_again(gpointer data);

static void schedule(struct chardev *c)
{
	struct sock *s = c->state;

	chardev_cancel(&s->source);
	s->source = chardev_timer(chardev_loop(c), s->reconnect_ms, try_again, c);
}

/* Non-blocking connect: 0 done, EINPROGRESS, or what went wrong. */
static int begin_connect(struct sock *s)
{
	s->connecting = socket(s->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->connecting < 0)
		return errno;
	return connect(s->connecting, &s->address.any, s->length) ? errno : 0;
}

static int connect_result(const struct sock *s)
{
	int code = 0;
	socklen_t n = sizeof code;

	return getsockopt(s->connecting, SOL_SOCKET, SO_ERROR, &code, &n) ? errno : code;
}

static void give_up(struct sock *s)
{
	if (s->connecting >= 0)
		close(s->connecting);
	s->connecting = -1;
}

static void settle(struct chardev *c, int code)
{
	struct sock *s = c->state;
	int fd = s->connecting;

	if (code) {
		give_up(s);
		schedule(c);
		return;
	}
	chardev_cancel(&s->source);
	s->connecting = -1;
	use(c, fd);
}

static gboolean connected(gint fd, GIOCondition condition, gpointer data)
{
	struct chardev *c = data;

	settle(c, connect_result(c->state));
	return G_SOURCE_REMOVE;
}

static gboolean try_again(gpointer data)
{
	struct chardev *c = data;
	struct sock *s = c->state;
	int code = begin_connect(s);

	chardev_cancel(&s->source);
	if (code != EINPROGRESS) {
		settle(c, code);
		return G_SOURCE_REMOVE;
	}
	s->source = g_unix_fd_source_new(s->connecting, G_IO_OUT | G_IO_ERR | G_IO_HUP);
	g_source_set_callback(s->source, G_SOURCE_FUNC(connected), c, NULL);
	g_source_attach(s->source, chardev_loop(c));
	return G_SOURCE_REMOVE;
}

static void sock_hangup(struct chardev *c)
{
	struct sock *s = c->state;

	stream_close(c);
	if (s->server)
		start_accepting(c);
	else if (s->reconnect_ms)
		schedule(c);
}

/* ---- creation ---- */

static char *sock_describe(struct chardev *c)
{
	struct sock *s = c->state;
	char *name = name_of(&s->address, s->length);
	char *text = g_strconcat(c->open ? "" : "disconnected:", name, s->server ? ",server=on" : "", NULL);

	g_free(name);
	return text;
}

/* A socket file that nobody listens at is left over from a crash. */
static void remove_stale(const struct sock *s)
{
	int fd;

	if (!s->unlink)
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &s->address.any, s->length) && errno == ECONNREFUSED)
		unlink(s->unlink);
	close(fd);
}

static bool start_listening(struct sock *s, GError **error)
{
	char *name = name_of(&s->address, s->length);
	int one = 1;
	bool ok;

	remove_stale(s);
	s->listener = socket(s->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener >= 0)
		setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	ok = s->listener >= 0 && !bind(s->listener, &s->address.any, s->length);
	if (!ok) {
		fail(error, "bind socket to", name, errno);
		g_clear_pointer(&s->unlink, g_free);   /* not our file */
	} else if (listen(s->listener, 4)) {
		ok = fail(error, "listen on socket", name, errno);
	}
	g_free(name);
	/* Port 0 became a real one. */
	if (ok && s->address.any.sa_family != AF_UNIX)
		getsockname(s->listener, &s->address.any, &s->length);
	return ok;
}

static bool serve(struct chardev *c, GError **error)
{
	struct sock *s = c->state;
	char *name;
	int fd;

	if (!start_listening(s, error))
		return false;
	if (!s->wait) {
		fcntl(s->listener, F_SETFL, O_NONBLOCK);
		start_accepting(c);
		return true;
	}
	name = sock_describe(c);
	fprintf(stderr, "info: waiting for connection on: %s\n", name);
	g_free(name);
	do {
		fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	fcntl(s->listener, F_SETFL, O_NONBLOCK);
	if (fd < 0)
		return fail(error, "accept on", c->id, errno);
	use(c, fd);
	return true;
}

static bool connect_now(struct chardev *c, GError **error)
{
	struct sock *s = c->state;
	int code = begin_connect(s);
	char *name;

	if (code == EINPROGRESS) {
		struct pollfd p = { .fd = s->connecting, .events = POLLOUT };

		code = poll(&p, 1, CONNECT_MS) == 1 ? connect_result(s) : ETIMEDOUT;
	}
	if (!code) {
		settle(c, 0);
		return true;
	}
	give_up(s);
	name = name_of(&s->address, s->length);
	fail(error, "connect to", name, code);
	g_free(name);
	return false;
}

static bool refuse_framing(const struct keyval *kv, GError **error)
{
	static const char *const framings[] = { "telnet", "tn3270", "websocket" };
	bool on;

	for (size_t i = 0; i < G_N_ELEMENTS(framings); i++) {
		if (!keyval_bool(kv, framings[i], false, &on, error))
			return false;
		if (on) {
			g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
				    "Parameter '%s' is not offered: sockets carry plain bytes; leave it off",
				    framings[i]);
			return false;
		}
	}
	return true;
}

static bool read_options(struct sock *s, const struct keyval *kv, GError **error)
{
	uint64_t seconds;
	bool delay;

	if (!refuse_framing(kv, error) || !keyval_bool(kv, "server", false, &s->server, error) ||
	    !keyval_bool(kv, "wait", s->server, &s->wait, error) ||
	    !keyval_bool(kv, "delay", true, &delay, error) ||
	    !keyval_bool(kv, "nodelay", !delay, &s->nodelay, error) ||
	    !keyval_uint(kv, "reconnect", 0, &seconds, error) ||
	    !keyval_uint(kv, "reconnect-ms", seconds * 1000, &s->reconnect_ms, error))
		return false;
	if (s->server && s->reconnect_ms) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "'reconnect' option is incompatible with socket in server listen mode");
		return false;
	}
	s->reconnect_ms = MIN(s->reconnect_ms, 3600 * 1000);
	if (!keyval_get(kv, "path") == !keyval_get(kv, "port") && !keyval_get(kv, "host")) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "chardev: socket: give either path= or host= and port=");
		return false;
	}
	return true;
}

static bool sock_open(struct chardev *c, const struct keyval *kv, GError **error)
{
	struct sock *s = c->state;

	s->listener = s->connecting = -1;
	if (!read_options(s, kv, error))
		return false;
	if (keyval_get(kv, "path") ? !unix_address(s, kv, error) : !inet_address(s, kv, error))
		return false;
	if (s->server)
		return serve(c, error);
	if (!s->reconnect_ms)
		return connect_now(c, error);
	try_again(c);
	return true;
}

static void sock_close(struct chardev *c)
{
	struct sock *s = c->state;

	chardev_cancel(&s->source);
	give_up(s);
	if (s->listener >= 0)
		close(s->listener);
	if (s->unlink && s->listener >= 0)
		unlink(s->unlink);
	g_free(s->unlink);
}

static const char *const sock_keys[] = {
	"host", "port", "path", "abstract", "ipv4", "ipv6", "server", "wait", "delay", "nodelay",
	"reconnect", "reconnect-ms", "telnet", "tn3270", "websocket", NULL,
};

const struct chardev_kind chardev_socket = {
	.name = "socket", .keys = sock_keys, .size = sizeof(struct sock), .open = sock_open,
	.close = sock_close, .hangup = sock_hangup, .describe = sock_describe,
};
