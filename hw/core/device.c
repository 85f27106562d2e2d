/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making devices: properties from text, initialisation, a place in the tree. */
#include "device.h"

#include <string.h>

const struct device_type *device_type_find(const char *name)
{
	for (unsigned i = 0; device_types[i]; i++) {
		if (!strcmp(device_types[i]->name, name))
			return device_types[i];
	}
	return NULL;
}

/* ---- properties ---- */

static void *field(struct device *d, const struct device_property *p)
{
	return (char *)d + p->offset;
}

static void set_defaults(struct device *d)
{
	for (const struct device_property *p = d->type->properties; p && p->name; p++) {
		switch (p->kind) {
		case PROPERTY_BOOL:
			*(bool *)field(d, p) = p->value;
			break;
		case PROPERTY_UINT32:
			*(uint32_t *)field(d, p) = p->value;
			break;
		case PROPERTY_UINT64:
			*(uint64_t *)field(d, p) = p->value;
			break;
		case PROPERTY_STRING:
			*(char **)field(d, p) = g_strdup(p->text);
			break;
		}
	}
}

static void free_strings(struct device *d)
{
	for (const struct device_property *p = d->type->properties; p && p->name; p++) {
		if (p->kind == PROPERTY_STRING)
			g_free(*(char **)field(d, p));
	}
}

static bool parse_bool(const char *text, bool *value)
{
	static const char *const words[2][3] = { { "off", "no", "false" }, { "on", "yes", "true" } };

	for (unsigned i = 0; i < 6; i++) {
		if (!strcmp(text, words[i & 1][i / 2])) {
			*value = i & 1;
			return true;
		}
	}
	return false;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	bool hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");
	guint64 v;

	if (!g_ascii_string_to_unsigned(text + (hex ? 2 : 0), hex ? 16 : 10, 0, max, &v, NULL))
		return false;
	*value = v;
	return true;
}

static bool set_number(struct device *d, const struct device_property *p, const char *text, GError **error)
{
	uint64_t max = p->kind == PROPERTY_UINT32 ? UINT32_MAX : UINT64_MAX, value;

	if (!parse_number(text, max, &value)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"Property '%s.%s' takes a number from 0 to %" G_GUINT64_FORMAT ", not '%s'",
			d->type->name, p->name, max, text);
		return false;
	}
	if (p->kind == PROPERTY_UINT32)
		*(uint32_t *)field(d, p) = value;
	else
		*(uint64_t *)field(d, p) = value;
	return true;
}

static bool set_property(struct device *d, const struct device_property *p, const char *text, GError **error)
{
	char **string = field(d, p);

	switch (p->kind) {
	case PROPERTY_BOOL:
		if (parse_bool(text, field(d, p)))
			return true;
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "Property '%s.%s' takes on or off, not '%s'",
			d->type->name, p->name, text);
		return false;
	case PROPERTY_STRING:
		g_free(*string);
		*string = g_strdup(text);
		return true;
	default:
		return set_number(d, p, text, error);
	}
}

static bool set_named(struct device *d, const char *name, const char *text, GError **error)
{
	for (const struct device_property *p = d->type->properties; p && p->name; p++) {
		if (!strcmp(p->name, name))
			return set_property(d, p, text, error);
	}
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "Property '%s.%s' not found; -device %s,help lists them",
		    d->type->name, name, d->type->name);
	return false;
}

/* ---- life ---- */

static void release(struct device *d)
{
	free_strings(d);
	g_free(d->id);
	g_free(d);
}

static bool id_is_free(struct machine *m, const char *id)
{
	for (unsigned i = 0; i < m->devices->len; i++) {
		struct device *d = g_ptr_array_index(m->devices, i);

		if (d->id && !strcmp(d->id, id))
			return false;
	}
	return true;
}

static const struct device_type *check(struct machine *m, const char *type, const char *id, GError **error)
{
	const struct device_type *t = device_type_find(type);

	if (!t)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "'%s' is not a valid device model name", type);
	else if (id && !id_is_free(m, id))
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "Duplicate device ID '%s'", id);
	else
		return t;
	return NULL;
}

/* Into the list, the tree and the reset state. */
static void adopt(struct machine *m, struct device *d)
{
	char *name = d->id ? g_strdup(d->id) : g_strdup_printf("%s[*]", d->type->name);

	d->object = device_object_new(d);
	hvt_object_add_child(m->object, name, d->object);
	g_free(name);
	lock_acquire(&m->lock);
	g_ptr_array_add(m->devices, d);
	if (d->type->reset)
		d->type->reset(d);
	lock_release(&m->lock);
}

struct device *device_new(struct machine *m, const char *type, const char *id, const char *const *set, GError **error)
{
	const struct device_type *t = check(m, type, id, error);
	struct device *d;

	if (!t)
		return NULL;
	d = g_malloc0(t->size);
	d->type = t;
	d->machine = m;
	d->id = g_strdup(id);
	set_defaults(d);
	for (; set && *set; set += 2) {
		if (!set_named(d, set[0], set[1], error))
			goto unset;
	}
	if (t->init && !t->init(d, error))
		goto unset;
	adopt(m, d);
	return d;
unset:
	release(d);
	return NULL;
}

void device_free(struct device *d)
{
	if (d->type->fini)
		d->type->fini(d);
	device_object_orphan(d->object);
	hvt_object_unparent(d->object);
	g_object_unref(d->object);
	release(d);
}
