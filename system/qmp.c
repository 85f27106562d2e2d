/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP sessions and the dispatcher: negotiation, checks of arguments, replies, events. */
#include "qmp.h"

#include <string.h>

#include "system/vmm.h"
#include "trace/log.h"

struct qmp {
	struct vmm *vmm;
	struct chardev *chardev;
	struct json_scanner scanner;
	bool negotiated;
	bool pretty;
	GSource *retry;      /* requests wait until the client has read */
};

/*
 * A client that does not read: beyond so many bytes events are left out and requests wait.
 * The answers to what one read brings must still fit into the character device's queue,
 * which cuts what is too much.
 */
enum { BACKLOG_MAX = 512 << 10, RETRY_MS = 20, READ_MAX = 1024 };

/* The release of QEMU whose wire format and command line this follows. */
enum { VERSION_MAJOR = 7, VERSION_MINOR = 2, VERSION_MICRO = 0 };

const struct qmp_command *const qmp_tables[] = {
	qmp_control_commands, qmp_object_commands, qmp_partition_commands, qmp_chardev_commands,
	qmp_jit_commands, qmp_hyperv_commands, NULL,
};

G_DEFINE_QUARK(hvt-qmp-error, qmp_error)

/* ---- small makers ---- */

JsonNode *qmp_node(JsonObject *o)
{
	JsonNode *n = json_node_new(JSON_NODE_OBJECT);

	json_node_take_object(n, o);
	return n;
}

JsonNode *qmp_list(JsonArray *a)
{
	JsonNode *n = json_node_new(JSON_NODE_ARRAY);

	json_node_take_array(n, a);
	return n;
}

const char *qmp_string(JsonObject *args, const char *name, const char *unset)
{
	return json_object_has_member(args, name) ? json_object_get_string_member(args, name) : unset;
}

gint64 qmp_int(JsonObject *args, const char *name, gint64 unset)
{
	return json_object_has_member(args, name) ? json_object_get_int_member(args, name) : unset;
}

bool qmp_bool(JsonObject *args, const char *name, bool unset)
{
	return json_object_has_member(args, name) ? json_object_get_boolean_member(args, name) : unset;
}

JsonNode *qmp_version(void)
{
	JsonObject *o = json_object_new(), *v = json_object_new();

	json_object_set_int_member(v, "micro", VERSION_MICRO);
	json_object_set_int_member(v, "minor", VERSION_MINOR);
	json_object_set_int_member(v, "major", VERSION_MAJOR);
	json_object_set_object_member(o, "qemu", v);
	json_object_set_string_member(o, "package", "hvtlfs-" HVTLFS_VERSION);
	return qmp_node(o);
}

/* ---- replies ---- */

static const char *class_name(const GError *e)
{
	static const char *const names[] = {
		[QMP_GENERIC] = "GenericError",
		[QMP_COMMAND_NOT_FOUND] = "CommandNotFound",
		[QMP_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
		[QMP_DEVICE_NOT_FOUND] = "DeviceNotFound",
		[QMP_KVM_MISSING_CAP] = "KVMMissingCap",
	};

	return names[e->domain == QMP_ERROR ? e->code : QMP_GENERIC];
}

static JsonNode *error_reply(const GError *e)
{
	JsonObject *o = json_object_new(), *d = json_object_new();

	json_object_set_string_member(d, "class", class_name(e));
	json_object_set_string_member(d, "desc", e->message);
	json_object_set_object_member(o, "error", d);
	return qmp_node(o);
}

static JsonNode *return_reply(JsonNode *value)
{
	JsonObject *o = json_object_new();

	json_object_set_member(o, "return", value ? value : qmp_node(json_object_new()));
	return qmp_node(o);
}

/* ---- checks ---- */

static bool fits(JsonNode *n, enum qmp_type type)
{
	switch (type) {
	case QMP_STRING:
		return JSON_NODE_HOLDS_VALUE(n) && json_node_get_value_type(n) == G_TYPE_STRING;
	case QMP_INT:
		return JSON_NODE_HOLDS_VALUE(n) && json_node_get_value_type(n) == G_TYPE_INT64;
	case QMP_BOOL:
		return JSON_NODE_HOLDS_VALUE(n) && json_node_get_value_type(n) == G_TYPE_BOOLEAN;
	case QMP_OBJECT:
		return JSON_NODE_HOLDS_OBJECT(n);
	case QMP_ARRAY:
		return JSON_NODE_HOLDS_ARRAY(n);
	case QMP_ANY:
		return true;
	}
	return false;
}

static bool check_arg(const struct qmp_arg *a, JsonObject *args, GError **error)
{
	static const char *const names[] = { "string", "integer", "boolean", "object", "array", "value" };
	JsonNode *n = json_object_get_member(args, a->name);

	if (!n && !a->optional)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Parameter '%s' is missing", a->name);
	else if (n && !fits(n, a->type))
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "Invalid parameter type for '%s', expected: %s", a->name, names[a->type]);
	else
		return true;
	return false;
}

static bool is_arg(const struct qmp_command *c, const char *name)
{
	for (const struct qmp_arg *a = c->args; a && a->name; a++) {
		if (!strcmp(a->name, name))
			return true;
	}
	return false;
}

static bool check_args(const struct qmp_command *c, JsonObject *args, GError **error)
{
	GList *names = json_object_get_members(args);
	const char *stranger = NULL;

	for (const struct qmp_arg *a = c->args; a && a->name; a++) {
		if (!check_arg(a, args, error)) {
			g_list_free(names);
			return false;
		}
	}
	for (GList *l = names; l && !stranger; l = l->next) {
		if (!is_arg(c, l->data))
			stranger = l->data;
	}
	g_list_free(names);
	if (stranger)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Parameter '%s' is unexpected", stranger);
	return !stranger;
}

/* The members a request may have, with what each must be. */
static bool check_member(const char *name, JsonNode *n, GError **error)
{
	if (!strcmp(name, "id"))
		return true;
	if (!strcmp(name, "execute")) {
		if (fits(n, QMP_STRING))
			return true;
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "QMP input member 'execute' must be a string");
	} else if (!strcmp(name, "arguments")) {
		if (fits(n, QMP_OBJECT))
			return true;
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "QMP input member 'arguments' must be an object");
	} else {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "QMP input member '%s' is unexpected", name);
	}
	return false;
}

static bool check_request(JsonObject *o, GError **error)
{
	GList *names = json_object_get_members(o);
	bool ok = true;

	for (GList *l = names; l && ok; l = l->next)
		ok = check_member(l->data, json_object_get_member(o, l->data), error);
	g_list_free(names);
	if (ok && !json_object_has_member(o, "execute")) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "QMP input lacks member 'execute'");
		ok = false;
	}
	return ok;
}

/* ---- dispatch ---- */

const struct qmp_command *qmp_find(const char *name)
{
	for (const struct qmp_command *const *t = qmp_tables; *t; t++) {
		for (const struct qmp_command *c = *t; c->name; c++) {
			if (!strcmp(c->name, name))
				return c;
		}
	}
	return NULL;
}

static bool check_negotiation(const char *name, bool negotiated, GError **error)
{
	bool negotiating = !strcmp(name, "qmp_capabilities");

	if (negotiating == !negotiated)
		return true;
	g_set_error(error, QMP_ERROR, QMP_COMMAND_NOT_FOUND, "%s",
		    negotiating ? "Capabilities negotiation is already complete, command ignored"
				: "Expecting capabilities negotiation with 'qmp_capabilities'");
	return false;
}

static JsonNode *execute(struct vmm *v, bool *negotiated, JsonObject *request, GError **error)
{
	const struct qmp_command *c;
	JsonObject *args, *none;
	const char *name;
	JsonNode *value = NULL;

	if (!check_request(request, error))
		return NULL;
	name = json_object_get_string_member(request, "execute");
	if (!check_negotiation(name, *negotiated, error))
		return NULL;
	c = qmp_find(name);
	if (!c) {
		g_set_error(error, QMP_ERROR, QMP_COMMAND_NOT_FOUND,
			    "The command %s has not been found", name);
		return NULL;
	}
	none = json_object_new();
	args = json_object_has_member(request, "arguments")
		       ? json_object_get_object_member(request, "arguments") : none;
	if (check_args(c, args, error))
		value = c->run(v, args, error);
	json_object_unref(none);
	if (!*negotiated && !(error && *error))
		*negotiated = true;
	return value;
}

JsonNode *qmp_dispatch(struct vmm *v, bool *negotiated, JsonNode *request)
{
	JsonObject *o = JSON_NODE_HOLDS_OBJECT(request) ? json_node_get_object(request) : NULL;
	GError *error = NULL;
	JsonNode *value = NULL, *reply;

	if (o)
		value = execute(v, negotiated, o, &error);
	else
		g_set_error(&error, QMP_ERROR, QMP_GENERIC, "QMP input must be a JSON object");
	reply = error ? error_reply(error) : return_reply(value);
	if (o && json_object_has_member(o, "id"))
		json_object_set_member(json_node_get_object(reply), "id",
				       json_node_copy(json_object_get_member(o, "id")));
	g_clear_error(&error);
	json_node_unref(request);
	return reply;
}

/* ---- sessions ---- */

static void send(struct qmp *q, JsonNode *node)
{
	GString *s = g_string_new(NULL);

	if (q->pretty) {
		char *text = json_to_string(node, TRUE);

		g_string_append(s, text);
		g_free(text);
	} else {
		json_write(s, node);
	}
	if (log_on(LOG_QMP))
		log_print(LOG_QMP, "qmp %s > %s\n", chardev_id(q->chardev), s->str);
	g_string_append(s, "\r\n");
	chardev_write(q->chardev, s->str, s->len);
	g_string_free(s, TRUE);
}

void qmp_send_event(struct qmp *q, JsonNode *event)
{
	if (q->negotiated && chardev_backlog(q->chardev) < BACKLOG_MAX)
		send(q, event);
}

static void on_value(void *o, JsonNode *request)
{
	struct qmp *q = o;
	JsonNode *reply;

	if (log_on(LOG_QMP)) {
		GString *s = g_string_new(NULL);

		json_write(s, request);
		log_print(LOG_QMP, "qmp %s < %s\n", chardev_id(q->chardev), s->str);
		g_string_free(s, TRUE);
	}
	reply = qmp_dispatch(q->vmm, &q->negotiated, request);
	send(q, reply);
	json_node_unref(reply);
}

static void on_error(void *o, const char *message)
{
	GError e = { .domain = QMP_ERROR, .code = QMP_GENERIC, .message = (char *)message };
	JsonNode *reply = error_reply(&e);

	send(o, reply);
	json_node_unref(reply);
}

static void greet(struct qmp *q)
{
	JsonObject *o = json_object_new(), *g = json_object_new();
	JsonNode *n;

	json_object_set_member(g, "version", qmp_version());
	json_object_set_array_member(g, "capabilities", json_array_new());
	json_object_set_object_member(o, "QMP", g);
	n = qmp_node(o);
	send(q, n);
	json_node_unref(n);
}

static void stop_retry(struct qmp *q)
{
	if (!q->retry)
		return;
	g_source_destroy(q->retry);
	g_clear_pointer(&q->retry, g_source_unref);
}

static gboolean retry(gpointer o)
{
	struct qmp *q = o;

	if (chardev_backlog(q->chardev) >= BACKLOG_MAX)
		return G_SOURCE_CONTINUE;
	stop_retry(q);
	chardev_accept_input(q->chardev);
	return G_SOURCE_REMOVE;
}

static size_t can_receive(void *o)
{
	struct qmp *q = o;

	if (chardev_backlog(q->chardev) < BACKLOG_MAX)
		return READ_MAX;
	if (!q->retry) {
		q->retry = g_timeout_source_new(RETRY_MS);
		g_source_set_callback(q->retry, retry, q, NULL);
		g_source_attach(q->retry, q->vmm->context);
	}
	return 0;
}

static void receive(void *o, const uint8_t *data, size_t n)
{
	json_scanner_feed(&((struct qmp *)o)->scanner, data, n);
}

static void event(void *o, enum chardev_event e)
{
	struct qmp *q = o;

	if (e == CHARDEV_BREAK)
		return;
	q->negotiated = false;
	json_scanner_reset(&q->scanner);
	if (e == CHARDEV_OPENED)
		greet(q);
}

static const struct chardev_front front = { can_receive, receive, event, NULL };

struct qmp *qmp_new(struct vmm *v, struct chardev *c, bool pretty, GError **error)
{
	struct qmp *q = g_new0(struct qmp, 1);

	q->vmm = v;
	q->chardev = c;
	q->pretty = pretty;
	json_scanner_init(&q->scanner, on_value, on_error, q);
	if (chardev_attach(c, &front, q, error))
		return q;
	json_scanner_clear(&q->scanner);
	g_free(q);
	return NULL;
}

void qmp_free(struct qmp *q)
{
	chardev_detach(q->chardev, q);
	stop_retry(q);
	json_scanner_clear(&q->scanner);
	g_free(q);
}
