/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The object model: GObject plus a composition tree with paths
 * (/machine/partition[0]/vp[1]) and properties that QMP can see.
 *
 * Everything with a place in the tree is a HvtObject.  Properties are plain
 * GObject properties (GParamSpec); qom-get and qom-set go through them.  A
 * parent owns its children.
 */
#ifndef OBJECT_OBJECT_H
#define OBJECT_OBJECT_H

#include <glib-object.h>

#define HVT_TYPE_OBJECT (hvt_object_get_type())
G_DECLARE_DERIVABLE_TYPE(HvtObject, hvt_object, HVT, OBJECT, GObject)

struct _HvtObjectClass {
	GObjectClass parent_class;
	const char *description;   /* one line for -device help */
	gboolean user_creatable;   /* -object, -device */
	/* All properties are set: check them and start to exist.  False with an error. */
	gboolean (*complete)(HvtObject *self, GError **error);
	gpointer padding[8];
};

/* Adds @child under @parent as @name; takes a reference of its own.  "name[*]" picks the next free index. */
void hvt_object_add_child(HvtObject *parent, const char *name, HvtObject *child);
void hvt_object_unparent(HvtObject *child);
HvtObject *hvt_object_parent(HvtObject *o);
/* Name under its parent; owned by the object. */
const char *hvt_object_name(HvtObject *o);
/* Absolute path; g_free() it. */
char *hvt_object_path(HvtObject *o);
/* Absolute path, or a unique partial one; NULL if there is none or it is ambiguous. */
HvtObject *hvt_object_resolve(HvtObject *root, const char *path, gboolean *ambiguous);
/* Calls @f for each child in order of addition. */
void hvt_object_foreach(HvtObject *o, void (*f)(HvtObject *child, const char *name, gpointer data), gpointer data);
/* An empty container (class "container"). */
HvtObject *hvt_container_new(void);

/* Property from text ("4", "on", "0x10", "1G"), by its GParamSpec.  The error names property, value and range. */
gboolean hvt_object_set_from_text(HvtObject *o, const char *property, const char *value, GError **error);

#endif
