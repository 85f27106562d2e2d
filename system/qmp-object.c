/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP: the composition tree and the classes. */
#include <string.h>

#include "vmm-internal.h"

static HvtObject *resolve(struct vmm *v, JsonObject *args, GError **error)
{
	const char *path = json_object_get_string_member(args, "path");
	gboolean ambiguous;
	HvtObject *o = hvt_object_resolve(v->tree, path, &ambiguous);

	if (ambiguous)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Path '%s' does not uniquely identify an object", path);
	else if (!o)
		g_set_error(error, QMP_ERROR, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", path);
	return o;
}

/* QMP's word for a property's type. */
static const char *type_word(const GParamSpec *spec)
{
	static const struct { GType type; const char *word; } words[] = {
		{ G_TYPE_BOOLEAN, "bool" }, { G_TYPE_STRING, "str" }, { G_TYPE_UCHAR, "uint8" },
		{ G_TYPE_INT, "int32" }, { G_TYPE_UINT, "uint32" }, { G_TYPE_INT64, "int64" },
		{ G_TYPE_UINT64, "uint64" }, { G_TYPE_LONG, "int64" }, { G_TYPE_ULONG, "uint64" },
		{ G_TYPE_DOUBLE, "number" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (words[i].type == spec->value_type)
			return words[i].word;
	}
	return g_type_name(spec->value_type);
}

static void add_pair(JsonArray *a, const char *name, const char *type)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "name", name);
	json_object_set_string_member(o, "type", type);
	json_array_add_object_element(a, o);
}

static void add_child(HvtObject *child, const char *name, gpointer data)
{
	char *type = g_strdup_printf("child<%s>", G_OBJECT_TYPE_NAME(child));

	add_pair(data, name, type);
	g_free(type);
}

static void add_properties(JsonArray *a, GObjectClass *k)
{
	guint n;
	GParamSpec **specs = g_object_class_list_properties(k, &n);

	for (guint i = 0; i < n; i++) {
		JsonObject *o = json_object_new();

		json_object_set_string_member(o, "name", specs[i]->name);
		json_object_set_string_member(o, "type", type_word(specs[i]));
		if (g_param_spec_get_blurb(specs[i]))
			json_object_set_string_member(o, "description", g_param_spec_get_blurb(specs[i]));
		json_array_add_object_element(a, o);
	}
	g_free(specs);
}

static JsonNode *qom_list(struct vmm *v, JsonObject *args, GError **error)
{
	HvtObject *o = resolve(v, args, error);
	JsonArray *a;

	if (!o)
		return NULL;
	a = json_array_new();
	add_pair(a, "type", "string");
	add_properties(a, G_OBJECT_GET_CLASS(o));
	hvt_object_foreach(o, add_child, a);
	return qmp_list(a);
}

static JsonNode *to_json(const GValue *value)
{
	JsonNode *n = json_node_alloc();
	GValue as = G_VALUE_INIT;
	char *text;

	if (G_VALUE_HOLDS_BOOLEAN(value))
		return json_node_init_boolean(n, g_value_get_boolean(value));
	if (G_VALUE_HOLDS_STRING(value))
		return json_node_init_string(n, g_value_get_string(value) ? g_value_get_string(value) : "");
	if (G_VALUE_HOLDS_DOUBLE(value))
		return json_node_init_double(n, g_value_get_double(value));
	if (G_VALUE_HOLDS_ENUM(value)) {
		GEnumClass *k = g_type_class_ref(G_VALUE_TYPE(value));
		const GEnumValue *e = g_enum_get_value(k, g_value_get_enum(value));

		json_node_init_string(n, e ? e->value_nick : "");
		g_type_class_unref(k);
		return n;
	}
	g_value_init(&as, G_TYPE_INT64);
	if (g_value_transform(value, &as))
		return json_node_init_int(n, g_value_get_int64(&as));
	text = g_strdup_value_contents(value);
	json_node_init_string(n, text);
	g_free(text);
	return n;
}

static GParamSpec *find_property(HvtObject *o, const char *name, GError **error)
{
	GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(o), name);

	if (!spec)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Property '%s.%s' not found",
			    G_OBJECT_TYPE_NAME(o), name);
	return spec;
}

static JsonNode *qom_get(struct vmm *v, JsonObject *args, GError **error)
{
	const char *name = json_object_get_string_member(args, "property");
	HvtObject *o = resolve(v, args, error);
	GValue value = G_VALUE_INIT;
	GParamSpec *spec;
	JsonNode *n;

	if (!o)
		return NULL;
	if (!strcmp(name, "type"))
		return json_node_init_string(json_node_alloc(), G_OBJECT_TYPE_NAME(o));
	spec = find_property(o, name, error);
	if (!spec)
		return NULL;
	if (!(spec->flags & G_PARAM_READABLE)) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Property '%s.%s' is not readable",
			    G_OBJECT_TYPE_NAME(o), name);
		return NULL;
	}
	g_object_get_property(G_OBJECT(o), name, &value);
	n = to_json(&value);
	g_value_unset(&value);
	return n;
}

/* Text for hvt_object_set_from_text(), NULL if the JSON type does not fit the property's. */
static char *to_text(const GParamSpec *spec, JsonNode *n, const char **expected)
{
	GType have = JSON_NODE_HOLDS_VALUE(n) ? json_node_get_value_type(n) : G_TYPE_NONE;

	if (spec->value_type == G_TYPE_BOOLEAN) {
		*expected = "boolean";
		return have == G_TYPE_BOOLEAN ? g_strdup(json_node_get_boolean(n) ? "on" : "off") : NULL;
	}
	if (spec->value_type == G_TYPE_STRING || G_IS_PARAM_SPEC_ENUM(spec)) {
		*expected = "string";
		return have == G_TYPE_STRING ? g_strdup(json_node_get_string(n)) : NULL;
	}
	*expected = "integer";
	return have == G_TYPE_INT64 ? g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(n)) : NULL;
}

static JsonNode *qom_set(struct vmm *v, JsonObject *args, GError **error)
{
	const char *name = json_object_get_string_member(args, "property"), *expected;
	HvtObject *o = resolve(v, args, error);
	GParamSpec *spec = o ? find_property(o, name, error) : NULL;
	char *text;

	if (!spec)
		return NULL;
	text = to_text(spec, json_object_get_member(args, "value"), &expected);
	if (text)
		hvt_object_set_from_text(o, name, text, error);
	else
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Invalid parameter type for '%s', expected: %s",
			    name, expected);
	g_free(text);
	return NULL;
}

/* ---- classes ---- */

static void add_type(JsonArray *a, GType t)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "name", g_type_name(t));
	if (G_TYPE_IS_ABSTRACT(t))
		json_object_set_boolean_member(o, "abstract", TRUE);
	if (t != HVT_TYPE_OBJECT)
		json_object_set_string_member(o, "parent", g_type_name(g_type_parent(t)));
	json_array_add_object_element(a, o);
}

static void add_types(JsonArray *a, GType t, GType wanted, bool abstract)
{
	guint n;
	GType *children = g_type_children(t, &n);

	if (g_type_is_a(t, wanted) && (abstract || !G_TYPE_IS_ABSTRACT(t)))
		add_type(a, t);
	for (guint i = 0; i < n; i++)
		add_types(a, children[i], wanted, abstract);
	g_free(children);
}

static JsonNode *qom_list_types(struct vmm *v, JsonObject *args, GError **error)
{
	const char *implements = qmp_string(args, "implements", NULL);
	GType wanted = implements ? g_type_from_name(implements) : HVT_TYPE_OBJECT;
	JsonArray *a = json_array_new();

	if (wanted)
		add_types(a, HVT_TYPE_OBJECT, wanted, qmp_bool(args, "abstract", false));
	return qmp_list(a);
}

static JsonNode *properties_of(const char *name, const char *what, GError **error)
{
	GType t = g_type_from_name(name);
	JsonArray *a;
	GObjectClass *k;

	if (!t || !g_type_is_a(t, HVT_TYPE_OBJECT)) {
		g_set_error(error, QMP_ERROR, QMP_DEVICE_NOT_FOUND, "%s '%s' not found", what, name);
		return NULL;
	}
	a = json_array_new();
	k = g_type_class_ref(t);
	add_properties(a, k);
	g_type_class_unref(k);
	return qmp_list(a);
}

static JsonNode *qom_list_properties(struct vmm *v, JsonObject *args, GError **error)
{
	return properties_of(json_object_get_string_member(args, "typename"), "Class", error);
}

static JsonNode *device_list_properties(struct vmm *v, JsonObject *args, GError **error)
{
	const char *name = json_object_get_string_member(args, "typename");

	if (!device_type_find(name)) {
		g_set_error(error, QMP_ERROR, QMP_DEVICE_NOT_FOUND, "Device '%s' not found", name);
		return NULL;
	}
	return properties_of(name, "Device", error);
}

/* ---- schema ---- */

static const char *const type_names[] = { "str", "int", "bool", "any-object", "any-array", "any" };

static JsonObject *schema_entry(JsonArray *a, const char *name, const char *meta)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "name", name);
	json_object_set_string_member(o, "meta-type", meta);
	json_array_add_object_element(a, o);
	return o;
}

static void schema_builtins(JsonArray *a)
{
	static const char *const builtins[][2] = {
		{ "str", "string" }, { "int", "int" }, { "bool", "boolean" }, { "any", "value" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(builtins); i++)
		json_object_set_string_member(schema_entry(a, builtins[i][0], "builtin"), "json-type",
					      builtins[i][1]);
	json_object_set_array_member(schema_entry(a, "any-object", "object"), "members", json_array_new());
	json_object_set_string_member(schema_entry(a, "any-array", "array"), "element-type", "any");
}

static void schema_command(JsonArray *a, const struct qmp_command *c)
{
	char *args_name = g_strconcat(c->name, "-arg", NULL);
	JsonArray *members = json_array_new();
	JsonObject *o = schema_entry(a, c->name, "command");

	json_object_set_string_member(o, "arg-type", args_name);
	json_object_set_string_member(o, "ret-type", c->returns ? "any" : "any-object");
	for (const struct qmp_arg *arg = c->args; arg && arg->name; arg++) {
		JsonObject *m = json_object_new();

		json_object_set_string_member(m, "name", arg->name);
		json_object_set_string_member(m, "type", type_names[arg->type]);
		if (arg->optional)
			json_object_set_null_member(m, "default");
		json_array_add_object_element(members, m);
	}
	json_object_set_array_member(schema_entry(a, args_name, "object"), "members", members);
	g_free(args_name);
}

static JsonNode *query_schema(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *a = json_array_new();

	schema_builtins(a);
	for (const struct qmp_command *const *t = qmp_tables; *t; t++) {
		for (const struct qmp_command *c = *t; c->name; c++)
			schema_command(a, c);
	}
	return qmp_list(a);
}

static const struct qmp_arg path_args[] = { { "path", QMP_STRING }, { NULL } };
static const struct qmp_arg get_args[] = { { "path", QMP_STRING }, { "property", QMP_STRING }, { NULL } };
static const struct qmp_arg set_args[] = {
	{ "path", QMP_STRING }, { "property", QMP_STRING }, { "value", QMP_ANY }, { NULL },
};
static const struct qmp_arg types_args[] = {
	{ "implements", QMP_STRING, true }, { "abstract", QMP_BOOL, true }, { NULL },
};
static const struct qmp_arg typename_args[] = { { "typename", QMP_STRING }, { NULL } };

const struct qmp_command qmp_object_commands[] = {
	{ "qom-list", path_args, qom_list, "ObjectPropertyInfoList" },
	{ "qom-get", get_args, qom_get, "any" },
	{ "qom-set", set_args, qom_set },
	{ "qom-list-types", types_args, qom_list_types, "ObjectTypeInfoList" },
	{ "qom-list-properties", typename_args, qom_list_properties, "ObjectPropertyInfoList" },
	{ "device-list-properties", typename_args, device_list_properties, "ObjectPropertyInfoList" },
	{ "query-qmp-schema", NULL, query_schema, "SchemaInfoList" },
	{ NULL },
};
