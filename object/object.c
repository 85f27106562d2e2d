/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition tree.  A parent holds one reference to each child; a child
 * knows its parent without a reference.  The tree belongs to the event-loop
 * thread: no locks here.
 */
#include "object/object.h"

#include <string.h>

typedef struct {
	HvtObject *parent;    /* NULL at the root and outside of any tree */
	char *name;           /* under the parent; NULL without parent */
	GPtrArray *children;  /* in order of addition; a reference each */
} HvtObjectPrivate;

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE(HvtObject, hvt_object, G_TYPE_OBJECT)

typedef HvtObject HvtContainer;
typedef HvtObjectClass HvtContainerClass;
GType hvt_container_get_type(void);
G_DEFINE_TYPE(HvtContainer, hvt_container, HVT_TYPE_OBJECT)

static HvtObjectPrivate *private(HvtObject *o)
{
	return hvt_object_get_instance_private(o);
}

static void hvt_object_init(HvtObject *o)
{
	private(o)->children = g_ptr_array_new();
}

static void dispose(GObject *g)
{
	HvtObjectPrivate *p = private(HVT_OBJECT(g));

	/* Last added goes first: later objects may lean on earlier ones. */
	while (p->children->len)
		hvt_object_unparent(g_ptr_array_index(p->children, p->children->len - 1));
	G_OBJECT_CLASS(hvt_object_parent_class)->dispose(g);
}

static void finalize(GObject *g)
{
	HvtObjectPrivate *p = private(HVT_OBJECT(g));

	g_ptr_array_free(p->children, TRUE);
	g_free(p->name);
	G_OBJECT_CLASS(hvt_object_parent_class)->finalize(g);
}

static void hvt_object_class_init(HvtObjectClass *k)
{
	G_OBJECT_CLASS(k)->dispose = dispose;
	G_OBJECT_CLASS(k)->finalize = finalize;
}

static void hvt_container_class_init(HvtContainerClass *k)
{
	k->description = "an empty node of the tree";
}

static void hvt_container_init(HvtContainer *o)
{
}

HvtObject *hvt_container_new(void)
{
	return g_object_new(hvt_container_get_type(), NULL);
}

/* ---- the tree ---- */

static HvtObject *child_named(HvtObject *o, const char *name, size_t n)
{
	GPtrArray *children = private(o)->children;

	for (guint i = 0; i < children->len; i++) {
		HvtObject *c = g_ptr_array_index(children, i);
		const char *have = private(c)->name;

		if (!strncmp(have, name, n) && !have[n])
			return c;
	}
	return NULL;
}

/* "vp[*]" becomes the first of vp[0], vp[1], ... that is free. */
static char *free_name(HvtObject *parent, const char *name)
{
	size_t n = strlen(name);

	if (n < 3 || strcmp(name + n - 3, "[*]"))
		return g_strdup(name);
	for (unsigned i = 0;; i++) {
		char *try = g_strdup_printf("%.*s[%u]", (int)(n - 3), name, i);

		if (!child_named(parent, try, strlen(try)))
			return try;
		g_free(try);
	}
}

void hvt_object_add_child(HvtObject *parent, const char *name, HvtObject *child)
{
	HvtObjectPrivate *p = private(child);

	g_return_if_fail(!p->parent && parent != child);
	g_return_if_fail(*name && !strchr(name, '/'));
	g_return_if_fail(!child_named(parent, name, strlen(name)));
	p->name = free_name(parent, name);
	p->parent = parent;
	g_ptr_array_add(private(parent)->children, g_object_ref(child));
}

void hvt_object_unparent(HvtObject *child)
{
	HvtObjectPrivate *p = private(child);

	if (!p->parent)
		return;
	g_ptr_array_remove(private(p->parent)->children, child);
	p->parent = NULL;
	g_clear_pointer(&p->name, g_free);
	g_object_unref(child);
}

HvtObject *hvt_object_parent(HvtObject *o)
{
	return private(o)->parent;
}

const char *hvt_object_name(HvtObject *o)
{
	return private(o)->name;
}

char *hvt_object_path(HvtObject *o)
{
	GString *s = g_string_new(NULL);

	for (; private(o)->parent; o = private(o)->parent) {
		g_string_prepend(s, private(o)->name);
		g_string_prepend_c(s, '/');
	}
	if (!s->len)
		g_string_append_c(s, '/');
	return g_string_free(s, FALSE);
}

void hvt_object_foreach(HvtObject *o, void (*f)(HvtObject *child, const char *name, gpointer data),
			gpointer data)
{
	GPtrArray *children = private(o)->children;

	/* By index: @f may add children; they are visited too. */
	for (guint i = 0; i < children->len; i++) {
		HvtObject *c = g_ptr_array_index(children, i);

		f(c, private(c)->name, data);
	}
}

/* ---- looking up ---- */

static HvtObject *descend(HvtObject *o, const char *path)
{
	while (o && *path) {
		size_t n = strcspn(path, "/");

		if (n)
			o = child_named(o, path, n);
		path += n + (path[n] == '/');
	}
	return o;
}

struct partial {
	const char *path;
	HvtObject *found;
	unsigned count;
};

static void search(HvtObject *o, const char *name, gpointer data)
{
	struct partial *s = data;
	HvtObject *hit = descend(o, s->path);

	if (hit) {
		s->found = hit;
		s->count++;
	}
	hvt_object_foreach(o, search, s);
}

HvtObject *hvt_object_resolve(HvtObject *root, const char *path, gboolean *ambiguous)
{
	struct partial s = { .path = path };

	if (ambiguous)
		*ambiguous = FALSE;
	if (*path == '/')
		return descend(root, path);
	if (!*path)
		return NULL;
	search(root, NULL, &s);
	if (s.count > 1 && ambiguous)
		*ambiguous = TRUE;
	return s.count == 1 ? s.found : NULL;
}
