/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* -device, -object and -global. */
#include <inttypes.h>
#include <string.h>

#include "backends/keyval.h"
#include "vmm-internal.h"

/* ---- help ---- */

static void list_devices(FILE *out)
{
	for (unsigned i = 0; device_types[i]; i++) {
		if (device_types[i]->user_creatable)
			fprintf(out, "name \"%s\", desc \"%s\"\n", device_types[i]->name,
				device_types[i]->description);
	}
}

static void list_properties(const struct device_type *t, FILE *out)
{
	static const char *const kinds[] = {
		[PROPERTY_BOOL] = "bool", [PROPERTY_UINT32] = "uint32", [PROPERTY_UINT64] = "uint64",
		[PROPERTY_STRING] = "str",
	};

	fprintf(out, "%s options:\n", t->name);
	for (const struct device_property *p = t->properties; p && p->name; p++) {
		fprintf(out, "  %s=<%s>\t- %s", p->name, kinds[p->kind], p->help ? p->help : "");
		if (p->kind == PROPERTY_BOOL)
			fprintf(out, " (default: %s)\n", p->value ? "on" : "off");
		else if (p->kind == PROPERTY_STRING)
			fprintf(out, " (default: %s)\n", p->text ? p->text : "none");
		else
			fprintf(out, " (default: %" PRIu64 ")\n", p->value);
	}
}

static const struct device_type *need_type(const char *name, GError **error)
{
	const struct device_type *t = name ? device_type_find(name) : NULL;

	if (!t)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "'%s' is not a valid device model name; -device help lists them", name ? name : "");
	return t;
}

static bool device_help(const char *spec, FILE *out, bool *done, GError **error)
{
	struct keyval *kv;
	const struct device_type *t;
	const char *type;

	if (!strcmp(spec, "help") || !strcmp(spec, "?")) {
		list_devices(out);
		*done = true;
		return true;
	}
	kv = keyval_parse(spec, "driver");
	type = keyval_get(kv, "driver");
	t = need_type(type, error);
	if (t && (keyval_get(kv, "help") || keyval_get(kv, "?"))) {
		list_properties(t, out);
		*done = true;
	}
	if (!t)
		g_prefix_error(error, "-device %s: ", spec);
	keyval_free(kv);
	return t;
}

/* Classes that -object makes. */
static void list_objects(GType t, FILE *out)
{
	HvtObjectClass *k = g_type_class_ref(t);
	guint n;
	GType *children = g_type_children(t, &n);

	if (k->user_creatable && !G_TYPE_IS_ABSTRACT(t) && !device_type_find(g_type_name(t)))
		fprintf(out, "  %s\n", g_type_name(t));
	for (guint i = 0; i < n; i++)
		list_objects(children[i], out);
	g_free(children);
	g_type_class_unref(k);
}

bool creation_help(const struct options *o, FILE *out, bool *done, GError **error)
{
	for (guint i = 0; i < o->device->len && !*done; i++) {
		if (!device_help(g_ptr_array_index(o->device, i), out, done, error))
			return false;
	}
	for (guint i = 0; i < o->object->len && !*done; i++) {
		if (strcmp(g_ptr_array_index(o->object, i), "help"))
			continue;
		fprintf(out, "List of user creatable objects:\n");
		list_objects(HVT_TYPE_OBJECT, out);
		*done = true;
	}
	return true;
}

/* ---- globals ---- */

struct global {
	char *type, *property, *value;
};

static void global_free(gpointer data)
{
	struct global *g = data;

	g_free(g->type);
	g_free(g->property);
	g_free(g->value);
	g_free(g);
}

/* TYPE.PROPERTY=VALUE, or driver=TYPE,property=PROPERTY,value=VALUE. */
static struct global *global_parse(const char *spec)
{
	const char *equals = strchr(spec, '='), *dot = equals ? memchr(spec, '.', equals - spec) : NULL;
	struct global *g = g_new0(struct global, 1);
	struct keyval *kv;

	if (dot) {
		g->type = g_strndup(spec, dot - spec);
		g->property = g_strndup(dot + 1, equals - dot - 1);
		g->value = g_strdup(equals + 1);
		return g;
	}
	kv = keyval_parse(spec, NULL);
	g->type = g_strdup(keyval_get(kv, "driver"));
	g->property = g_strdup(keyval_get(kv, "property"));
	g->value = g_strdup(keyval_get(kv, "value"));
	keyval_free(kv);
	return g;
}

static bool has_property(const struct device_type *t, const char *name)
{
	for (const struct device_property *p = t->properties; p && p->name; p++) {
		if (!strcmp(p->name, name))
			return true;
	}
	return false;
}

static bool global_check(const struct global *g, GError **error)
{
	const struct device_type *t;

	if (!g->type || !g->property || !g->value) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "expects TYPE.PROPERTY=VALUE");
		return false;
	}
	t = need_type(g->type, error);
	if (t && !has_property(t, g->property)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "Property '%s.%s' not found; -device %s,help lists them", g->type, g->property, g->type);
		return false;
	}
	return t;
}

/*
 * Scripts that run guests under several accelerators of QEMU name defaults of devices that
 * only one of these has; where it is not used they are without effect there, and so here.
 */
static bool of_other_accelerator(const struct global *g)
{
	return g->type && g->property && g->value && g_str_has_prefix(g->type, "kvm-");
}

static bool read_globals(const struct options *o, GPtrArray *globals, GError **error)
{
	for (guint i = 0; i < o->global->len; i++) {
		const char *spec = g_ptr_array_index(o->global, i);
		struct global *g = global_parse(spec);

		g_ptr_array_add(globals, g);
		if (of_other_accelerator(g))
			continue;
		if (!global_check(g, error)) {
			g_prefix_error(error, "-global %s: ", spec);
			return false;
		}
	}
	return true;
}

/* ---- making ---- */

static bool make_device(struct vmm *v, const char *spec, GPtrArray *globals, GError **error)
{
	struct keyval *kv = keyval_parse(spec, "driver");
	const char *type = keyval_get(kv, "driver");
	const struct device_type *t = need_type(type, error);
	GPtrArray *set = g_ptr_array_new();
	bool ok = t;

	if (t && !t->user_creatable) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "'%s' is part of the machine and cannot be added", type);
		ok = false;
	}
	for (guint i = 0; ok && i < globals->len; i++) {
		struct global *g = g_ptr_array_index(globals, i);

		if (strcmp(g->type, type))
			continue;
		g_ptr_array_add(set, g->property);
		g_ptr_array_add(set, g->value);
	}
	for (unsigned i = 0; ok && i < keyval_count(kv); i++) {
		if (!strcmp(keyval_key(kv, i), "driver") || !strcmp(keyval_key(kv, i), "id"))
			continue;
		g_ptr_array_add(set, (char *)keyval_key(kv, i));
		g_ptr_array_add(set, (char *)keyval_value(kv, i));
	}
	g_ptr_array_add(set, NULL);
	ok = ok && device_new(pc_machine(vmm_root(v)->pc), type, keyval_get(kv, "id"),
			      (const char *const *)set->pdata, error);
	if (!ok)
		g_prefix_error(error, "-device %s: ", spec);
	g_ptr_array_free(set, TRUE);
	keyval_free(kv);
	return ok;
}

static HvtObject *objects_folder(struct vmm *v)
{
	HvtObject *o = hvt_object_resolve(v->tree, "/objects", NULL);

	if (o)
		return o;
	o = hvt_container_new();
	hvt_object_add_child(v->tree, "objects", o);
	g_object_unref(o);
	return o;
}

static bool set_all(HvtObject *o, const struct keyval *kv, GError **error)
{
	HvtObjectClass *k = HVT_OBJECT_GET_CLASS(o);

	for (unsigned i = 0; i < keyval_count(kv); i++) {
		const char *key = keyval_key(kv, i);

		if (!strcmp(key, "qom-type") || !strcmp(key, "id"))
			continue;
		if (!hvt_object_set_from_text(o, key, keyval_value(kv, i), error))
			return false;
	}
	return !k->complete || k->complete(o, error);
}

static bool creatable(const char *name)
{
	GType t = name ? g_type_from_name(name) : 0;
	HvtObjectClass *k;
	bool ok;

	if (!t || !g_type_is_a(t, HVT_TYPE_OBJECT) || G_TYPE_IS_ABSTRACT(t) || device_type_find(name))
		return false;
	k = g_type_class_ref(t);
	ok = k->user_creatable;
	g_type_class_unref(k);
	return ok;
}

static bool make_object(struct vmm *v, const char *spec, GError **error)
{
	struct keyval *kv = keyval_parse(spec, "qom-type");
	const char *type = keyval_get(kv, "qom-type"), *id = keyval_get(kv, "id");
	HvtObject *folder = objects_folder(v), *o = NULL;
	bool ok = false;

	if (!creatable(type)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "invalid object type: %s; -object help lists them", type ? type : "");
	} else if (!id || !*id || strchr(id, '/') || hvt_object_resolve(folder, id, NULL)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "Parameter 'id' is missing, taken or has a '/' in it");
	} else {
		o = g_object_new(g_type_from_name(type), NULL);
		ok = set_all(o, kv, error);
		if (ok)
			hvt_object_add_child(folder, id, o);
		g_object_unref(o);
	}
	if (!ok)
		g_prefix_error(error, "-object %s: ", spec);
	keyval_free(kv);
	return ok;
}

bool creation_run(struct vmm *v, GError **error)
{
	GPtrArray *globals = g_ptr_array_new_with_free_func(global_free);
	const struct options *o = v->options;
	bool ok = read_globals(o, globals, error);

	for (guint i = 0; ok && i < o->object->len; i++)
		ok = make_object(v, g_ptr_array_index(o->object, i), error);
	for (guint i = 0; ok && i < o->device->len; i++)
		ok = make_device(v, g_ptr_array_index(o->device, i), globals, error);
	g_ptr_array_free(globals, TRUE);
	return ok;
}
