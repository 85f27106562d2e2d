/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP: character devices. */
#include <string.h>

#include "backends/keyval.h"
#include "vmm-internal.h"

static void add_info(struct chardev *c, void *o)
{
	JsonObject *e = json_object_new();
	char *name = chardev_describe(c);

	json_object_set_boolean_member(e, "frontend-open", chardev_attached(c));
	json_object_set_string_member(e, "filename", name);
	json_object_set_string_member(e, "label", chardev_id(c));
	json_array_add_object_element(o, e);
	g_free(name);
}

static JsonNode *query_chardev(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *a = json_array_new();

	chardev_foreach(v->chardevs, add_info, a);
	return qmp_list(a);
}

/* ---- chardev-add: the nested form into key=value ---- */

static void flatten(struct keyval *kv, JsonObject *o);

/* QMP's names for what the command line calls otherwise. */
static const char *option_name(const char *name)
{
	static const char *const names[][2] = { { "out", "path" }, { "in", "input-path" }, { "device", "path" } };

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!strcmp(names[i][0], name))
			return names[i][1];
	}
	return name;
}

static void flatten_member(struct keyval *kv, const char *name, JsonNode *n)
{
	GType type;
	char *number;

	if (JSON_NODE_HOLDS_OBJECT(n)) {
		flatten(kv, json_node_get_object(n));
		return;
	}
	if (!JSON_NODE_HOLDS_VALUE(n))
		return;
	name = option_name(name);
	type = json_node_get_value_type(n);
	if (type == G_TYPE_STRING) {
		keyval_set(kv, name, json_node_get_string(n));
	} else if (type == G_TYPE_BOOLEAN) {
		keyval_set(kv, name, json_node_get_boolean(n) ? "on" : "off");
	} else {
		number = g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(n));
		keyval_set(kv, name, number);
		g_free(number);
	}
}

/* The "type" of a nested address only says what its members say too. */
static void flatten(struct keyval *kv, JsonObject *o)
{
	GList *names = json_object_get_members(o);

	for (GList *l = names; l; l = l->next) {
		if (strcmp(l->data, "type"))
			flatten_member(kv, l->data, json_object_get_member(o, l->data));
	}
	g_list_free(names);
}

static bool socket_defaults(struct keyval *kv, GError **error)
{
	/* Unlike the command line: a server unless told otherwise, and nobody is waited for. */
	bool server, wait;

	if (!keyval_bool(kv, "server", true, &server, error) || !keyval_bool(kv, "wait", false, &wait, error))
		return false;
	if (wait) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "'wait' would stop the emulator until a client comes: leave it out");
		return false;
	}
	keyval_set(kv, "server", server ? "on" : "off");
	keyval_set(kv, "wait", "off");
	return true;
}

static struct keyval *backend_options(JsonObject *args, GError **error)
{
	JsonObject *backend = json_object_get_object_member(args, "backend");
	JsonNode *type = json_object_get_member(backend, "type");
	struct keyval *kv;

	if (!type || !JSON_NODE_HOLDS_VALUE(type) || json_node_get_value_type(type) != G_TYPE_STRING) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Parameter 'backend.type' is missing");
		return NULL;
	}
	kv = keyval_new();
	keyval_set(kv, "backend", json_node_get_string(type));
	keyval_set(kv, "id", json_object_get_string_member(args, "id"));
	flatten(kv, backend);
	if (!strcmp(json_node_get_string(type), "socket") && !socket_defaults(kv, error))
		g_clear_pointer(&kv, keyval_free);
	return kv;
}

static JsonNode *chardev_add(struct vmm *v, JsonObject *args, GError **error)
{
	struct keyval *kv = backend_options(args, error);
	struct chardev *c = kv ? chardev_new_keyval(v->chardevs, kv, error) : NULL;
	JsonObject *o;
	char *name;

	keyval_free(kv);
	if (!c)
		return NULL;
	o = json_object_new();
	name = chardev_describe(c);
	if (strstr(name, "pty:"))
		json_object_set_string_member(o, "pty", strstr(name, "pty:") + 4);
	g_free(name);
	return qmp_node(o);
}

static struct chardev *need(struct vmm *v, const char *id, GError **error)
{
	struct chardev *c = chardev_find(v->chardevs, id);

	if (!c)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Chardev '%s' not found", id);
	return c;
}

static JsonNode *remove_one(struct vmm *v, JsonObject *args, GError **error)
{
	chardev_remove(v->chardevs, json_object_get_string_member(args, "id"), error);
	return NULL;
}

static JsonNode *send_break(struct vmm *v, JsonObject *args, GError **error)
{
	struct chardev *c = need(v, json_object_get_string_member(args, "id"), error);

	if (c)
		chardev_send_break(c);
	return NULL;
}

static bool wants_base64(JsonObject *args, bool *base64, GError **error)
{
	const char *format = qmp_string(args, "format", "utf8");

	*base64 = !strcmp(format, "base64");
	if (*base64 || !strcmp(format, "utf8"))
		return true;
	g_set_error(error, QMP_ERROR, QMP_GENERIC, "Parameter 'format' does not accept value '%s'", format);
	return false;
}

static JsonNode *ringbuf_read(struct vmm *v, JsonObject *args, GError **error)
{
	const char *device = json_object_get_string_member(args, "device");
	gint64 size = json_object_get_int_member(args, "size");
	struct chardev *c = need(v, device, error);
	GByteArray *bytes;
	JsonNode *n = NULL;
	bool base64;
	char *text;

	if (!c || !wants_base64(args, &base64, error))
		return NULL;
	if (size <= 0) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "size must be greater than zero");
		return NULL;
	}
	bytes = g_byte_array_new();
	if (chardev_ringbuf_read(c, bytes, size)) {
		/* Without a byte there is no data pointer either. */
		text = !bytes->len ? g_strdup("")
		       : base64 ? g_base64_encode(bytes->data, bytes->len)
				: g_utf8_make_valid((char *)bytes->data, bytes->len);
		n = json_node_init_string(json_node_alloc(), text);
		g_free(text);
	} else {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "%s is not a ringbuf device", device);
	}
	g_byte_array_unref(bytes);
	return n;
}

static const struct qmp_arg add_args[] = { { "id", QMP_STRING }, { "backend", QMP_OBJECT }, { NULL } };
static const struct qmp_arg id_args[] = { { "id", QMP_STRING }, { NULL } };
static const struct qmp_arg ringbuf_args[] = {
	{ "device", QMP_STRING }, { "size", QMP_INT }, { "format", QMP_STRING, true }, { NULL },
};

const struct qmp_command qmp_chardev_commands[] = {
	{ "query-chardev", NULL, query_chardev, "ChardevInfoList" },
	{ "chardev-add", add_args, chardev_add, "ChardevReturn" },
	{ "chardev-remove", id_args, remove_one },
	{ "chardev-send-break", id_args, send_break },
	{ "ringbuf-read", ringbuf_args, ringbuf_read, "str" },
	{ NULL },
};
