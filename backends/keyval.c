/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "backends/keyval.h"

#include <errno.h>
#include <string.h>

struct pair {
	char *key, *value;
};

struct keyval {
	GArray *pairs;   /* struct pair */
};

struct keyval *keyval_new(void)
{
	struct keyval *kv = g_new0(struct keyval, 1);

	kv->pairs = g_array_new(FALSE, FALSE, sizeof(struct pair));
	return kv;
}

void keyval_free(struct keyval *kv)
{
	if (!kv)
		return;
	for (guint i = 0; i < kv->pairs->len; i++) {
		g_free(g_array_index(kv->pairs, struct pair, i).key);
		g_free(g_array_index(kv->pairs, struct pair, i).value);
	}
	g_array_free(kv->pairs, TRUE);
	g_free(kv);
}

void keyval_set(struct keyval *kv, const char *key, const char *value)
{
	struct pair p = { g_strdup(key), g_strdup(value) };

	g_array_append_val(kv->pairs, p);
}

/* Cuts one item off *@at: up to a single comma, with ",," made one. */
static char *next_item(const char **at)
{
	GString *s = g_string_new(NULL);
	const char *p = *at;

	for (; *p && (*p != ',' || p[1] == ','); p++) {
		g_string_append_c(s, *p);
		p += *p == ',';
	}
	*at = p + (*p == ',');
	return g_string_free(s, FALSE);
}

static void add_item(struct keyval *kv, char *item, const char *implied)
{
	char *equals = strchr(item, '=');

	if (equals) {
		*equals = '\0';
		keyval_set(kv, item, equals + 1);
	} else if (implied) {
		keyval_set(kv, implied, item);
	} else if (g_str_has_prefix(item, "no") && item[2]) {
		keyval_set(kv, item + 2, "off");
	} else if (*item) {
		keyval_set(kv, item, "on");
	}
}

struct keyval *keyval_parse(const char *text, const char *implied)
{
	struct keyval *kv = keyval_new();

	while (*text) {
		char *item = next_item(&text);

		add_item(kv, item, implied);
		implied = NULL;
		g_free(item);
	}
	return kv;
}

const char *keyval_get(const struct keyval *kv, const char *key)
{
	for (guint i = kv->pairs->len; i > 0; i--) {
		const struct pair *p = &g_array_index(kv->pairs, struct pair, i - 1);

		if (!strcmp(p->key, key))
			return p->value;
	}
	return NULL;
}

static bool fail(GError **error, const char *key, const char *wants)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "Parameter '%s' expects %s", key, wants);
	return false;
}

bool keyval_bool(const struct keyval *kv, const char *key, bool unset, bool *v, GError **error)
{
	static const char *const on[] = { "on", "yes", "true", "y", NULL };
	static const char *const off[] = { "off", "no", "false", "n", NULL };
	const char *s = keyval_get(kv, key);

	*v = s ? g_strv_contains(on, s) : unset;
	return !s || *v || g_strv_contains(off, s) || fail(error, key, "'on' or 'off'");
}

bool keyval_uint(const struct keyval *kv, const char *key, uint64_t unset, uint64_t *v,
		 GError **error)
{
	const char *s = keyval_get(kv, key);
	char *end;

	*v = unset;
	if (!s)
		return true;
	errno = 0;
	*v = g_ascii_strtoull(s, &end, 0);
	if (errno || end == s || *end || !g_ascii_isdigit(*s))
		return fail(error, key, "a number");
	return true;
}

static const char size_wanted[] =
	"a non-negative number below 2^64, with suffix k, M, G, T, P or E if wanted";

bool keyval_text_to_size(const char *text, const char *what, uint64_t unit, uint64_t *v,
			 GError **error)
{
	static const char suffixes[] = "bkmgtpe";
	const char *at;
	double fraction = 0;
	uint64_t whole;
	char *end;

	errno = 0;
	whole = g_ascii_strtoull(text, &end, 0);
	if (errno || end == text || !g_ascii_isdigit(*text))
		return fail(error, what, size_wanted);
	if (*end == '.')
		fraction = g_ascii_strtod(end, &end);
	if (*end) {
		at = strchr(suffixes, g_ascii_tolower(*end));
		if (!at || end[1])
			return fail(error, what, size_wanted);
		unit = UINT64_C(1) << 10 * (at - suffixes);
	}
	if (unit && whole > UINT64_MAX / unit)
		return fail(error, what, size_wanted);
	*v = whole * unit + (uint64_t)(fraction * (double)unit);
	return true;
}

bool keyval_size(const struct keyval *kv, const char *key, uint64_t unset, uint64_t unit,
		 uint64_t *v, GError **error)
{
	const char *s = keyval_get(kv, key);

	*v = unset;
	return !s || keyval_text_to_size(s, key, unit, v, error);
}

bool keyval_check(const struct keyval *kv, const char *const *known, GError **error)
{
	for (guint i = 0; i < kv->pairs->len; i++) {
		const char *key = g_array_index(kv->pairs, struct pair, i).key;
		char *list;

		if (g_strv_contains(known, key))
			continue;
		list = g_strjoinv(", ", (char **)known);
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "Invalid parameter '%s'; there are: %s", key, list);
		g_free(list);
		return false;
	}
	return true;
}

unsigned keyval_count(const struct keyval *kv)
{
	return kv->pairs->len;
}

const char *keyval_key(const struct keyval *kv, unsigned i)
{
	return g_array_index(kv->pairs, struct pair, i).key;
}

const char *keyval_value(const struct keyval *kv, unsigned i)
{
	return g_array_index(kv->pairs, struct pair, i).value;
}
