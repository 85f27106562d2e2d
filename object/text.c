/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties from the words of a command line. */
#include "object/object.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static gboolean text_to_boolean(const char *s, gboolean *v)
{
	static const char *const on[] = { "on", "yes", "true", "y", NULL };
	static const char *const off[] = { "off", "no", "false", "n", NULL };

	*v = g_strv_contains(on, s);
	return *v || g_strv_contains(off, s);
}

/* Shift of a size suffix, -1 if @c is none. */
static int suffix_shift(char c)
{
	static const char letters[] = "bkmgtpe";
	const char *at = c ? strchr(letters, g_ascii_tolower(c)) : NULL;

	return at ? 10 * (int)(at - letters) : -1;
}

static gboolean text_to_uint64(const char *s, guint64 *v)
{
	char *end;
	int shift;

	if (!g_ascii_isdigit(*s))
		return FALSE;
	errno = 0;
	*v = g_ascii_strtoull(s, &end, 0);
	if (errno || end == s)
		return FALSE;
	if (!*end)
		return TRUE;
	shift = suffix_shift(*end);
	if (shift < 0 || end[1] || *v > G_MAXUINT64 >> shift)
		return FALSE;
	*v <<= shift;
	return TRUE;
}

static gboolean text_to_int64(const char *s, gint64 *v)
{
	gboolean negative = *s == '-';
	guint64 u;

	if (!text_to_uint64(s + negative, &u) || u > (guint64)G_MAXINT64 + negative)
		return FALSE;
	*v = negative ? (gint64)(0 - u) : (gint64)u;
	return TRUE;
}

static gboolean text_to_enum(GParamSpec *spec, const char *s, GValue *v)
{
	const GEnumValue *e = g_enum_get_value_by_nick(G_PARAM_SPEC_ENUM(spec)->enum_class, s);

	if (e)
		g_value_set_enum(v, e->value);
	return e != NULL;
}

static gboolean text_to_signed(GParamSpec *spec, const char *s, GValue *v)
{
	gint64 n;

	if (!text_to_int64(s, &n))
		return FALSE;
	if (G_IS_PARAM_SPEC_INT(spec) && n == (gint)n)
		g_value_set_int(v, (gint)n);
	else if (G_IS_PARAM_SPEC_LONG(spec))
		g_value_set_long(v, n);
	else if (G_IS_PARAM_SPEC_INT64(spec))
		g_value_set_int64(v, n);
	else
		return FALSE;
	return TRUE;
}

static gboolean text_to_unsigned(GParamSpec *spec, const char *s, GValue *v)
{
	guint64 n;

	if (!text_to_uint64(s, &n))
		return FALSE;
	if (G_IS_PARAM_SPEC_UINT(spec) && n == (guint)n)
		g_value_set_uint(v, (guint)n);
	else if (G_IS_PARAM_SPEC_UCHAR(spec) && n == (guchar)n)
		g_value_set_uchar(v, (guchar)n);
	else if (G_IS_PARAM_SPEC_ULONG(spec))
		g_value_set_ulong(v, n);
	else if (G_IS_PARAM_SPEC_UINT64(spec))
		g_value_set_uint64(v, n);
	else
		return FALSE;
	return TRUE;
}

static gboolean text_to_real(const char *s, GValue *v)
{
	char *end;
	double d = g_ascii_strtod(s, &end);

	if (end == s || *end || !isfinite(d))
		return FALSE;
	g_value_set_double(v, d);
	return TRUE;
}

static gboolean convert(GParamSpec *spec, const char *s, GValue *v)
{
	gboolean b;

	if (G_IS_PARAM_SPEC_STRING(spec)) {
		g_value_set_string(v, s);
		return TRUE;
	}
	if (G_IS_PARAM_SPEC_BOOLEAN(spec)) {
		if (!text_to_boolean(s, &b))
			return FALSE;
		g_value_set_boolean(v, b);
		return TRUE;
	}
	if (G_IS_PARAM_SPEC_ENUM(spec))
		return text_to_enum(spec, s, v);
	if (G_IS_PARAM_SPEC_DOUBLE(spec))
		return text_to_real(s, v);
	return text_to_signed(spec, s, v) || text_to_unsigned(spec, s, v);
}

/* What the property takes, for messages; g_free() it. */
static char *expected(GParamSpec *spec)
{
	GString *s;
	const GEnumClass *k;

	if (G_IS_PARAM_SPEC_BOOLEAN(spec))
		return g_strdup("on or off");
	if (G_IS_PARAM_SPEC_UINT(spec))
		return g_strdup_printf("a number from %u to %u", G_PARAM_SPEC_UINT(spec)->minimum,
				       G_PARAM_SPEC_UINT(spec)->maximum);
	if (G_IS_PARAM_SPEC_UINT64(spec))
		return g_strdup_printf("a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
				       G_PARAM_SPEC_UINT64(spec)->minimum,
				       G_PARAM_SPEC_UINT64(spec)->maximum);
	if (G_IS_PARAM_SPEC_INT(spec))
		return g_strdup_printf("a number from %d to %d", G_PARAM_SPEC_INT(spec)->minimum,
				       G_PARAM_SPEC_INT(spec)->maximum);
	if (!G_IS_PARAM_SPEC_ENUM(spec))
		return g_strdup_printf("a value of type %s", g_type_name(spec->value_type));
	s = g_string_new("one of");
	k = G_PARAM_SPEC_ENUM(spec)->enum_class;
	for (guint i = 0; i < k->n_values; i++)
		g_string_append_printf(s, "%s %s", i ? "," : "", k->values[i].value_nick);
	return g_string_free(s, FALSE);
}

static void complain(HvtObject *o, GParamSpec *spec, const char *value, GError **error)
{
	char *want = expected(spec);

	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "Property '%s.%s' does not take '%s': it wants %s", G_OBJECT_TYPE_NAME(o),
		    spec->name, value, want);
	g_free(want);
}

gboolean hvt_object_set_from_text(HvtObject *o, const char *property, const char *value,
				  GError **error)
{
	GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(o), property);
	GValue v = G_VALUE_INIT;
	gboolean ok;

	if (!spec) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Property '%s.%s' not found", G_OBJECT_TYPE_NAME(o), property);
		return FALSE;
	}
	if (!(spec->flags & G_PARAM_WRITABLE)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
			    "Property '%s.%s' is read-only", G_OBJECT_TYPE_NAME(o), property);
		return FALSE;
	}
	g_value_init(&v, spec->value_type);
	/* validate() answers true where it had to change the value to fit the range. */
	ok = convert(spec, value, &v) && !g_param_value_validate(spec, &v);
	if (ok)
		g_object_set_property(G_OBJECT(o), property, &v);
	else
		complain(o, spec, value, error);
	g_value_unset(&v);
	return ok;
}
