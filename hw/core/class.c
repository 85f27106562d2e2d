/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device types as object classes: an abstract class "device", and below it one
 * per device_type whose properties are the rows of its property table.  They
 * can be read only: a device's wiring is fixed once it exists.
 */
#include <assert.h>

#include "device.h"

typedef struct {
	HvtObject parent;
	struct device *device;        /* NULL: an object without a device, or after its end */
} DeviceObject;

typedef struct {
	HvtObjectClass parent;
	const struct device_type *type;
} DeviceClass;

static const struct device_property *row(const struct device_type *t, unsigned id)
{
	return &t->properties[id - 1];
}

static void get_property(GObject *o, guint id, GValue *value, GParamSpec *pspec)
{
	struct device *d = ((DeviceObject *)o)->device;
	const struct device_property *p;
	const void *at;

	if (!d) {
		g_param_value_set_default(pspec, value);
		return;
	}
	p = row(d->type, id);
	at = (const char *)d + p->offset;
	switch (p->kind) {
	case PROPERTY_BOOL:
		g_value_set_boolean(value, *(const bool *)at);
		break;
	case PROPERTY_UINT32:
		g_value_set_uint(value, *(const uint32_t *)at);
		break;
	case PROPERTY_UINT64:
		g_value_set_uint64(value, *(const uint64_t *)at);
		break;
	case PROPERTY_STRING:
		g_value_set_string(value, *(char *const *)at);
		break;
	}
}

static GParamSpec *spec_of(const struct device_property *p)
{
	GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

	switch (p->kind) {
	case PROPERTY_BOOL:
		return g_param_spec_boolean(p->name, p->name, p->help, !!p->value, flags);
	case PROPERTY_UINT32:
		return g_param_spec_uint(p->name, p->name, p->help, 0, G_MAXUINT, p->value, flags);
	case PROPERTY_UINT64:
		return g_param_spec_uint64(p->name, p->name, p->help, 0, G_MAXUINT64, p->value, flags);
	default:
		return g_param_spec_string(p->name, p->name, p->help, p->text, flags);
	}
}

/* An object of a device class that no machine made is of no use. */
static gboolean complete(HvtObject *self, GError **error)
{
	const struct device_type *t = ((DeviceClass *)G_OBJECT_GET_CLASS(self))->type;

	if (((DeviceObject *)self)->device)
		return TRUE;
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "'%s' is a device: use -device", t->name);
	return FALSE;
}

static void device_class_init(gpointer klass, gpointer data)
{
	HvtObjectClass *object_class = klass;

	object_class->complete = complete;
}

static void type_class_init(gpointer klass, gpointer data)
{
	const struct device_type *t = data;
	HvtObjectClass *object_class = klass;
	unsigned id = 0;

	G_OBJECT_CLASS(klass)->get_property = get_property;    /* not inherited */
	((DeviceClass *)klass)->type = t;
	object_class->description = t->description;
	object_class->user_creatable = t->user_creatable;
	for (const struct device_property *p = t->properties; p && p->name; p++)
		g_object_class_install_property(klass, ++id, spec_of(p));
}

static GType register_class(GType parent, const char *name, GClassInitFunc init, const void *data, GTypeFlags flags)
{
	GTypeInfo info = {
		.class_size = sizeof(DeviceClass),
		.class_init = init,
		.class_data = data,
		.instance_size = sizeof(DeviceObject),
	};

	return g_type_register_static(parent, name, &info, flags);
}

void device_types_register(void)
{
	static gsize once;            /* as the type ids themselves: one registry per process */

	if (!g_once_init_enter(&once))
		return;
	GType base = register_class(HVT_TYPE_OBJECT, "device", device_class_init, NULL, G_TYPE_FLAG_ABSTRACT);
	for (unsigned i = 0; device_types[i]; i++)
		register_class(base, device_types[i]->name, type_class_init, device_types[i], 0);
	g_once_init_leave(&once, 1);
}

HvtObject *device_object_new(struct device *d)
{
	DeviceObject *o = g_object_new(g_type_from_name(d->type->name), NULL);

	o->device = d;
	return &o->parent;
}

void device_object_orphan(HvtObject *o)
{
	((DeviceObject *)o)->device = NULL;
}
