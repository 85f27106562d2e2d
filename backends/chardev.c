/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Character devices: the registry, front ends, and what all kinds share. */
#include "backends/chardev.h"

#include <signal.h>
#include <string.h>

#include "kind.h"

struct chardev_set {
	GMainContext *loop;
	GPtrArray *list;        /* struct chardev *, in order of creation */
	void (*on_quit)(void *o);
	void *on_quit_opaque;
};

static const struct chardev_kind *const kinds[] = {
	&chardev_null, &chardev_stdio, &chardev_file, &chardev_pipe, &chardev_pty,
	&chardev_socket, &chardev_ringbuf, &chardev_mux,
};

static const struct chardev_kind *kind_named(const char *name)
{
	/* Names that older command lines use. */
	if (!strcmp(name, "memory"))
		name = "ringbuf";
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

/* ---- loop ---- */

GMainContext *chardev_loop(struct chardev *c)
{
	return c->set->loop;
}

static GSource *attach_source(GSource *s, GMainContext *loop, GSourceFunc f, void *o)
{
	g_source_set_callback(s, f, o, NULL);
	g_source_attach(s, loop);
	return s;
}

GSource *chardev_post(GMainContext *loop, GSourceFunc f, void *o)
{
	GSource *s = g_idle_source_new();

	g_source_set_priority(s, G_PRIORITY_DEFAULT);
	return attach_source(s, loop, f, o);
}

GSource *chardev_timer(GMainContext *loop, unsigned ms, GSourceFunc f, void *o)
{
	return attach_source(g_timeout_source_new(ms), loop, f, o);
}

void chardev_cancel(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_source_unref(*source);
	*source = NULL;
}

/* ---- front ends ---- */

void chardev_emit(struct chardev *c, enum chardev_event event)
{
	if (c->front && c->front->event)
		c->front->event(c->front_opaque, event);
}

void chardev_set_open(struct chardev *c, bool open)
{
	bool was;

	lock_acquire(&c->lock);
	was = c->open;
	c->open = open;
	lock_release(&c->lock);
	chardev_cancel(&c->announce);
	if (was != open)
		chardev_emit(c, open ? CHARDEV_OPENED : CHARDEV_CLOSED);
}

static gboolean announce(gpointer data)
{
	struct chardev *c = data;

	chardev_cancel(&c->announce);
	if (c->open)
		chardev_emit(c, CHARDEV_OPENED);
	stream_read_on(c);
	return G_SOURCE_REMOVE;
}

bool chardev_attach(struct chardev *c, const struct chardev_front *front, void *opaque,
		    GError **error)
{
	if (c->mux || c->front) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Character device '%s' is in use; one that several share is made with mux=on",
			    c->id);
		return false;
	}
	if (c->kind->attach)
		return c->kind->attach(c, front, opaque, error);
	c->front = front;
	c->front_opaque = opaque;
	chardev_cancel(&c->announce);
	c->announce = chardev_post(c->set->loop, announce, c);
	return true;
}

void chardev_detach(struct chardev *c, void *opaque)
{
	if (c->kind->detach) {
		c->kind->detach(c, opaque);
		return;
	}
	if (!c->front || c->front_opaque != opaque)
		return;
	c->front = NULL;
	chardev_cancel(&c->announce);
	chardev_cancel(&c->stream.reader);
	stream_read_on(c);   /* without a front end: only looks whether the peer leaves */
}

bool chardev_attached(struct chardev *c)
{
	return c->front || c->mux;
}

bool chardev_is_mux(struct chardev *c)
{
	return c->kind == &chardev_mux;
}

/* ---- bytes ---- */

void chardev_write(struct chardev *c, const void *data, size_t n)
{
	if (c->kind->write)
		c->kind->write(c, data, n);
	else
		stream_write(c, data, n);
}

size_t chardev_backlog(struct chardev *c)
{
	size_t n;

	if (c->kind->backlog)
		return c->kind->backlog(c);
	lock_acquire(&c->lock);
	n = c->queue->len;
	lock_release(&c->lock);
	return n;
}

static gboolean read_on(gpointer data)
{
	stream_read_on(data);
	return G_SOURCE_REMOVE;
}

void chardev_accept_input(struct chardev *c)
{
	bool paused;

	if (c->kind->accept_input) {
		c->kind->accept_input(c);
		return;
	}
	lock_acquire(&c->lock);
	paused = c->paused;
	c->paused = false;
	lock_release(&c->lock);
	if (paused)
		g_source_unref(chardev_post(c->set->loop, read_on, c));
}

bool chardev_is_open(struct chardev *c)
{
	bool open;

	lock_acquire(&c->lock);
	open = c->open;
	lock_release(&c->lock);
	return open;
}

const char *chardev_id(struct chardev *c)
{
	return c->id;
}

char *chardev_describe(struct chardev *c)
{
	return c->kind->describe ? c->kind->describe(c) : g_strdup(c->kind->name);
}

void chardev_send_break(struct chardev *c)
{
	chardev_emit(c, CHARDEV_BREAK);
}

/* ---- registry ---- */

struct chardev_set *chardev_set_new(GMainContext *loop)
{
	struct chardev_set *s = g_new0(struct chardev_set, 1);

	/* A pipe whose reader went away is an error to handle, not a reason to die. */
	signal(SIGPIPE, SIG_IGN);
	s->loop = loop ? g_main_context_ref(loop) : g_main_context_ref(g_main_context_default());
	s->list = g_ptr_array_new();
	return s;
}

static void destroy(struct chardev *c)
{
	stream_drain(c, 500);
	c->front = NULL;
	chardev_cancel(&c->announce);
	if (c->kind->close)
		c->kind->close(c);
	stream_close(c);
	/* Posted by accept_input() and not run yet. */
	while (g_main_context_find_source_by_user_data(c->set->loop, c))
		g_source_destroy(g_main_context_find_source_by_user_data(c->set->loop, c));
	lock_destroy(&c->lock);
	g_byte_array_free(c->queue, TRUE);
	g_free(c->state);
	g_free(c->id);
	g_free(c);
}

void chardev_set_free(struct chardev_set *s)
{
	if (!s)
		return;
	/* A mux is younger than its base. */
	while (s->list->len)
		destroy(g_ptr_array_steal_index(s->list, s->list->len - 1));
	g_ptr_array_free(s->list, TRUE);
	g_main_context_unref(s->loop);
	g_free(s);
}

void chardev_set_on_quit(struct chardev_set *s, void (*f)(void *o), void *o)
{
	s->on_quit = f;
	s->on_quit_opaque = o;
}

void chardev_quit(struct chardev_set *s)
{
	if (s->on_quit)
		s->on_quit(s->on_quit_opaque);
}

struct chardev *chardev_find(struct chardev_set *s, const char *id)
{
	for (guint i = 0; i < s->list->len; i++) {
		struct chardev *c = g_ptr_array_index(s->list, i);

		if (!strcmp(c->id, id))
			return c;
	}
	return NULL;
}

void chardev_foreach(struct chardev_set *s, void (*f)(struct chardev *c, void *o), void *o)
{
	for (guint i = 0; i < s->list->len; i++)
		f(g_ptr_array_index(s->list, i), o);
}

bool chardev_remove(struct chardev_set *s, const char *id, GError **error)
{
	struct chardev *c = chardev_find(s, id);

	if (!c) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Chardev '%s' not found", id);
		return false;
	}
	if (chardev_attached(c)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Chardev '%s' is busy", id);
		return false;
	}
	g_ptr_array_remove(s->list, c);
	destroy(c);
	return true;
}

static bool known_key(const struct chardev_kind *k, const char *key)
{
	static const char *const all[] = { "backend", "id", "mux", NULL };

	return g_strv_contains(all, key) || (k->keys && g_strv_contains(k->keys, key));
}

static bool check_keys(const struct chardev_kind *k, const struct keyval *kv, GError **error)
{
	for (unsigned i = 0; i < keyval_count(kv); i++) {
		if (known_key(k, keyval_key(kv, i)))
			continue;
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Invalid parameter '%s' for character device kind '%s'; '-chardev help' lists them",
			    keyval_key(kv, i), k->name);
		return false;
	}
	return true;
}

/* One device, no mux on top. */
static struct chardev *create(struct chardev_set *s, const char *id, const struct keyval *kv,
			      GError **error)
{
	const struct chardev_kind *k = kind_named(keyval_get(kv, "backend"));
	struct chardev *c;

	if (!k) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "'%s' is not a valid character device kind; '-chardev help' lists them",
			    keyval_get(kv, "backend"));
		return NULL;
	}
	if (!check_keys(k, kv, error))
		return NULL;
	c = g_new0(struct chardev, 1);
	c->set = s;
	c->kind = k;
	c->id = g_strdup(id);
	c->stream.in = c->stream.out = -1;
	c->queue = g_byte_array_new();
	c->state = g_malloc0(MAX(k->size, 1));
	lock_init(&c->lock, LOCK_BACKEND, "chardev");
	if (!k->open(c, kv, error)) {
		destroy(c);
		return NULL;
	}
	g_ptr_array_add(s->list, c);
	return c;
}

static bool check_id(struct chardev_set *s, const char *id, GError **error)
{
	const char *p = id;

	if (!id) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Parameter 'id' is missing");
		return false;
	}
	while (g_ascii_isalnum(*p) || (p != id && *p && strchr("-._", *p)))
		p++;
	if (p == id || *p) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Parameter 'id' expects an identifier (letters, digits, '-', '.', '_'), not '%s'",
			    id);
		return false;
	}
	if (chardev_find(s, id)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Chardev with id '%s' already exists", id);
		return false;
	}
	return true;
}

static struct chardev *mux_over(struct chardev_set *s, const char *id, const char *base, GError **error)
{
	struct keyval *kv = keyval_new();
	struct chardev *c;

	keyval_set(kv, "backend", "mux");
	keyval_set(kv, "chardev", base);
	c = create(s, id, kv, error);
	keyval_free(kv);
	return c;
}

struct chardev *chardev_new_keyval(struct chardev_set *s, const struct keyval *kv, GError **error)
{
	const char *id = keyval_get(kv, "id");
	struct chardev *base, *c;
	char *base_id;
	bool mux;

	if (!keyval_get(kv, "backend")) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "chardev: \"%s\" missing backend", id ? id : "");
		return NULL;
	}
	if (!check_id(s, id, error) || !keyval_bool(kv, "mux", false, &mux, error))
		return NULL;
	if (!mux)
		return create(s, id, kv, error);
	base_id = g_strconcat(id, "-base", NULL);
	base = check_id(s, base_id, error) ? create(s, base_id, kv, error) : NULL;
	c = base ? mux_over(s, id, base_id, error) : NULL;
	g_free(base_id);
	return c;
}

struct chardev *chardev_new(struct chardev_set *s, const char *spec, GError **error)
{
	struct keyval *kv = keyval_parse(spec, "backend");
	struct chardev *c = chardev_new_keyval(s, kv, error);

	keyval_free(kv);
	return c;
}

/* ---- legacy spelling ---- */

/* "tcp:HOST:PORT" without the prefix; HOST may be empty, or an IPv6 address in brackets. */
static bool host_and_port(struct keyval *kv, char *address)
{
	char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t)(colon - address) : 0;

	if (!colon || !colon[1])
		return false;
	*colon = '\0';
	if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
		address[n - 1] = '\0';
		address++;
	}
	keyval_set(kv, "host", address);
	keyval_set(kv, "port", colon + 1);
	return true;
}

/* ADDRESS[,option...] of tcp: and unix:. */
static struct keyval *legacy_socket(const char *rest, bool tcp)
{
	struct keyval *kv = keyval_parse(rest, "address");
	char *address = g_strdup(keyval_get(kv, "address"));
	bool ok = address && *address;

	keyval_free(kv);
	kv = keyval_parse(rest + strcspn(rest, ","), NULL);
	if (ok && tcp)
		ok = host_and_port(kv, address);
	else if (ok)
		keyval_set(kv, "path", address);
	g_free(address);
	if (!ok)
		g_clear_pointer(&kv, keyval_free);
	else
		keyval_set(kv, "backend", "socket");
	return kv;
}

static struct keyval *path_kind(const char *kind, const char *path)
{
	struct keyval *kv = keyval_new();

	keyval_set(kv, "backend", kind);
	keyval_set(kv, "path", path);
	return kv;
}

static struct keyval *legacy(const char *spec)
{
	static const char *const plain[] = { "stdio", "null", "pty", "ringbuf", NULL };
	size_t n = strcspn(spec, ",");
	char *word = g_strndup(spec, n);
	bool is_plain = g_strv_contains(plain, word);

	g_free(word);
	if (is_plain)
		return keyval_parse(spec, "backend");
	/* No graphics, so nobody could ever see a virtual console. */
	if (!strcmp(spec, "vc") || g_str_has_prefix(spec, "vc:"))
		return keyval_parse("null", "backend");
	if (g_str_has_prefix(spec, "file:"))
		return path_kind("file", spec + 5);
	if (g_str_has_prefix(spec, "pipe:"))
		return path_kind("pipe", spec + 5);
	if (g_str_has_prefix(spec, "tcp:"))
		return legacy_socket(spec + 4, true);
	if (g_str_has_prefix(spec, "unix:"))
		return legacy_socket(spec + 5, false);
	return NULL;
}

static struct chardev *reference(struct chardev_set *s, const char *id, GError **error)
{
	struct chardev *c = chardev_find(s, id);

	if (!c)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Chardev '%s' not found; -chardev KIND,id=%s makes it", id, id);
	return c;
}

struct chardev *chardev_new_legacy(struct chardev_set *s, const char *id, const char *spec,
				   GError **error)
{
	bool mux = g_str_has_prefix(spec, "mon:");
	struct keyval *kv;
	struct chardev *c;

	if (mux)
		spec += 4;
	if (!strcmp(spec, "none"))
		return NULL;
	if (g_str_has_prefix(spec, "chardev:"))
		return reference(s, spec + 8, error);
	kv = legacy(spec);
	if (!kv) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "'%s' is no character device: use stdio, null, none, pty, file:PATH, pipe:PATH, "
			    "tcp:HOST:PORT, unix:PATH, chardev:ID, or mon: and one of these", spec);
		return NULL;
	}
	keyval_set(kv, "id", id);
	if (mux) {
		keyval_set(kv, "mux", "on");
		if (!strcmp(keyval_get(kv, "backend"), "stdio") && !keyval_get(kv, "signal"))
			keyval_set(kv, "signal", "off");
	}
	c = chardev_new_keyval(s, kv, error);
	keyval_free(kv);
	return c;
}

void chardev_help(FILE *out)
{
	fprintf(out, "Available chardev backend types:\n");
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		fprintf(out, "  %s", kinds[i]->name);
		for (const char *const *k = kinds[i]->keys; k && *k; k++)
			fprintf(out, "%s%s", k == kinds[i]->keys ? ": " : ", ", *k);
		fputc('\n', out);
	}
}
