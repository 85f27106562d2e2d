/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The composition tree, and properties from text. */
#include <glib.h>

#include "object/object.h"

/* A class with one property of each kind. */
typedef struct {
	HvtObject parent;
	gboolean flag;
	guint count;
	guint64 size;
	gint level;
	char *text;
} Lamp;
typedef HvtObjectClass LampClass;
static GType lamp_get_type(void);
G_DEFINE_TYPE(Lamp, lamp, HVT_TYPE_OBJECT)
enum { P_0, P_FLAG, P_COUNT, P_SIZE, P_LEVEL, P_TEXT, P_FIXED };

static void lamp_set(GObject *g, guint id, const GValue *v, GParamSpec *spec)
{
	Lamp *l = (Lamp *)g;

	switch (id) {
	case P_FLAG: l->flag = g_value_get_boolean(v); break;
	case P_COUNT: l->count = g_value_get_uint(v); break;
	case P_SIZE: l->size = g_value_get_uint64(v); break;
	case P_LEVEL: l->level = g_value_get_int(v); break;
	case P_TEXT: g_free(l->text); l->text = g_value_dup_string(v); break;
	}
}

static void lamp_get(GObject *g, guint id, GValue *v, GParamSpec *spec)
{
	g_value_set_uint(v, ((Lamp *)g)->count);
}

static void lamp_finalize(GObject *g)
{
	g_free(((Lamp *)g)->text);
	G_OBJECT_CLASS(lamp_parent_class)->finalize(g);
}

static void lamp_class_init(LampClass *k)
{
	GObjectClass *g = G_OBJECT_CLASS(k);

	g->set_property = lamp_set;
	g->get_property = lamp_get;
	g->finalize = lamp_finalize;
	g_object_class_install_property(g, P_FLAG,
		g_param_spec_boolean("flag", NULL, NULL, FALSE, G_PARAM_WRITABLE));
	g_object_class_install_property(g, P_COUNT,
		g_param_spec_uint("count", NULL, NULL, 1, 100, 1, G_PARAM_READWRITE));
	g_object_class_install_property(g, P_SIZE,
		g_param_spec_uint64("size", NULL, NULL, 0, G_MAXUINT64, 0, G_PARAM_WRITABLE));
	g_object_class_install_property(g, P_LEVEL,
		g_param_spec_int("level", NULL, NULL, -5, 5, 0, G_PARAM_WRITABLE));
	g_object_class_install_property(g, P_TEXT,
		g_param_spec_string("text", NULL, NULL, NULL, G_PARAM_WRITABLE));
	g_object_class_install_property(g, P_FIXED,
		g_param_spec_uint("fixed", NULL, NULL, 0, 9, 0, G_PARAM_READABLE));
}

static void lamp_init(Lamp *l)
{
}

static HvtObject *add(HvtObject *parent, const char *name)
{
	HvtObject *o = hvt_container_new();

	hvt_object_add_child(parent, name, o);
	g_object_unref(o);
	return o;
}

static void test_paths(void)
{
	HvtObject *root = hvt_container_new();
	HvtObject *machine = add(root, "machine");
	HvtObject *p0 = add(machine, "partition[*]");
	HvtObject *p1 = add(machine, "partition[*]");
	HvtObject *vp = add(p1, "vp[*]");
	char *path = hvt_object_path(vp);

	g_assert_cmpstr(path, ==, "/machine/partition[1]/vp[0]");
	g_free(path);
	path = hvt_object_path(root);
	g_assert_cmpstr(path, ==, "/");
	g_free(path);
	g_assert_true(hvt_object_parent(vp) == p1);
	g_assert_cmpstr(hvt_object_name(p0), ==, "partition[0]");

	/* A name that became free is given out again. */
	hvt_object_unparent(p0);
	p0 = add(machine, "partition[*]");
	g_assert_cmpstr(hvt_object_name(p0), ==, "partition[0]");
	g_object_unref(root);
}

static void test_resolve(void)
{
	HvtObject *root = hvt_container_new();
	HvtObject *a = add(root, "a"), *b = add(root, "b");
	HvtObject *ax = add(a, "x"), *bx = add(b, "x");
	HvtObject *only = add(bx, "only");
	gboolean ambiguous;

	g_assert_true(hvt_object_resolve(root, "/", &ambiguous) == root);
	g_assert_true(hvt_object_resolve(root, "/a/x", &ambiguous) == ax);
	g_assert_null(hvt_object_resolve(root, "/a/y", &ambiguous));
	g_assert_false(ambiguous);
	g_assert_null(hvt_object_resolve(root, "x", &ambiguous));
	g_assert_true(ambiguous);
	g_assert_true(hvt_object_resolve(root, "b/x", &ambiguous) == bx);
	g_assert_true(hvt_object_resolve(root, "only", &ambiguous) == only);
	g_assert_null(hvt_object_resolve(root, "", NULL));
	g_object_unref(root);
}

static void test_lifetime(void)
{
	HvtObject *root = hvt_container_new();
	HvtObject *child = hvt_container_new();
	gpointer weak = child;

	g_object_add_weak_pointer(G_OBJECT(child), &weak);
	hvt_object_add_child(root, "c", child);
	g_object_unref(child);
	g_assert_nonnull(weak);
	g_object_unref(root);
	g_assert_null(weak);
}

static void good(Lamp *l, const char *property, const char *value)
{
	GError *e = NULL;

	hvt_object_set_from_text(HVT_OBJECT(l), property, value, &e);
	g_assert_no_error(e);
}

/* The error names both the property and the value. */
static void bad(Lamp *l, const char *property, const char *value, const char *hint)
{
	GError *e = NULL;

	g_assert_false(hvt_object_set_from_text(HVT_OBJECT(l), property, value, &e));
	g_assert_nonnull(strstr(e->message, property));
	g_assert_nonnull(strstr(e->message, hint));
	g_error_free(e);
}

static void test_text(void)
{
	Lamp *l = g_object_new(lamp_get_type(), NULL);

	good(l, "flag", "on");
	g_assert_true(l->flag);
	good(l, "flag", "off");
	g_assert_false(l->flag);
	good(l, "count", "0x10");
	g_assert_cmpuint(l->count, ==, 16);
	good(l, "size", "1G");
	g_assert_cmpuint(l->size, ==, 1 << 30);
	good(l, "size", "18446744073709551615");
	g_assert_cmpuint(l->size, ==, G_MAXUINT64);
	good(l, "level", "-5");
	g_assert_cmpint(l->level, ==, -5);
	good(l, "text", "a,b");
	g_assert_cmpstr(l->text, ==, "a,b");

	bad(l, "flag", "maybe", "on or off");
	bad(l, "count", "101", "from 1 to 100");
	bad(l, "count", "0", "from 1 to 100");
	bad(l, "count", "4294967297", "from 1 to 100");
	bad(l, "count", "-1", "'-1'");
	bad(l, "count", "", "''");
	bad(l, "size", "16E", "'16E'");
	bad(l, "size", "1Q", "'1Q'");
	bad(l, "size", "99999999999999999999", "number");
	bad(l, "level", "6", "from -5 to 5");
	bad(l, "fixed", "1", "read-only");
	bad(l, "colour", "red", "not found");
	g_object_unref(l);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/object/paths", test_paths);
	g_test_add_func("/object/resolve", test_resolve);
	g_test_add_func("/object/lifetime", test_lifetime);
	g_test_add_func("/object/text", test_text);
	return g_test_run();
}
