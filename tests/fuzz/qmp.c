/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP's scanner: what it hears does not depend on how the stream is cut, what it takes
 * it writes in a form that it takes again as the same, and after 0xff it always listens.
 */
#include <string.h>

#include "fuzz.h"
#include "json.h"

enum { TEXT_MAX = 600 };

struct heard {
	GString *text;               /* a line a value or error */
	GPtrArray *values;           /* as written */
};

static void on_value(void *o, JsonNode *n)
{
	struct heard *h = o;
	GString *s = g_string_new(NULL);

	json_write(s, n);
	json_node_unref(n);
	g_string_append_printf(h->text, "V %s\n", s->str);
	g_ptr_array_add(h->values, g_string_free(s, FALSE));
}

static void on_error(void *o, const char *message)
{
	g_string_append_printf(((struct heard *)o)->text, "E %s\n", message);
}

static struct heard heard_new(void)
{
	return (struct heard){ g_string_new(NULL), g_ptr_array_new_with_free_func(g_free) };
}

static void heard_free(struct heard *h)
{
	g_string_free(h->text, TRUE);
	g_ptr_array_unref(h->values);
}

/* Feeds @text in pieces of 1 to @most bytes. */
static struct heard listen(struct fuzz *f, const uint8_t *text, size_t n, size_t most)
{
	struct heard h = heard_new();
	struct json_scanner *s = g_new(struct json_scanner, 1);

	json_scanner_init(s, on_value, on_error, &h);
	for (size_t at = 0, k; at < n; at += k) {
		g_autofree uint8_t *piece = NULL;

		k = 1 + fuzz_below(f, MIN(most, n - at));
		piece = g_memdup2(text + at, k);
		json_scanner_feed(s, piece, k);
	}
	json_scanner_feed(s, (const uint8_t *)"\xff{\"x\":1}", 8);
	json_scanner_clear(s);
	g_free(s);
	return h;
}

/* Looks like JSON from afar. */
static size_t make_text(struct fuzz *f, char *to)
{
	static const char *const parts[] = {
		"{", "}", "[", "]", "\"", "'", ":", ",", "\\", "\n", " ", "{\"execute\":", "\"qmp_capabilities\"", "\"id\":",
		"\"a\":", "true", "false", "null", "-1.5e3", "9223372036854775808", "-9223372036854775809", "1e999", "1e-999",
		"\\u0000", "\\ud800", "\\udc00x", "\\ud83d\\ude00", "\\x", "\xff", "\xc3\xa9", "\xc3", "\xf4\x90\x80\x80", "\t",
		"//", "/*", "0", "00", "-", ".", "@", "{}", "[]", "{\"a\": [1, 2.5, \"x\", null, {\"b\": true}]}",
	};
	size_t n = 0, limit = fuzz_below(f, TEXT_MAX - 64);

	while (n < limit) {
		const char *p = parts[fuzz_below(f, G_N_ELEMENTS(parts))];

		if (fuzz_chance(f, 10))
			to[n++] = (char)fuzz_next(f);
		memcpy(to + n, p, strlen(p));
		n += strlen(p);
	}
	return n;
}

/* What @value is written as after it was heard; NULL for a bare number or word, which ends only with more text. */
static char *heard_as(struct fuzz *f, const char *value)
{
	struct heard h;
	char *again;

	if (!strchr("{[\"", *value))
		return NULL;
	h = listen(f, (const uint8_t *)value, strlen(value), strlen(value));
	/* The second value is what listen() says last. */
	FUZZ_CHECK(h.values->len == 2, "%s is heard as %s", value, h.text->str);
	again = g_strdup(h.values->pdata[0]);
	heard_free(&h);
	return again;
}

static void written_again(struct fuzz *f, const char *value)
{
	g_autofree char *first = heard_as(f, value), *second = first ? heard_as(f, first) : NULL;

	/* The first time -0 may become 0. */
	FUZZ_CHECK(!first || !strcmp(first, second), "%s becomes %s", first, second);
}

static void qmp_round(struct fuzz *f, void *o)
{
	char text[TEXT_MAX];
	size_t n = make_text(f, text);
	struct heard whole = listen(f, (const uint8_t *)text, n, 1 << 16), cut = listen(f, (const uint8_t *)text, n, 7);

	FUZZ_CHECK(!strcmp(whole.text->str, cut.text->str), "whole: %scut: %s", whole.text->str, cut.text->str);
	FUZZ_CHECK(g_str_has_suffix(whole.text->str, "V {\"x\": 1}\n"), "deaf after 0xff: %s", whole.text->str);
	for (guint i = 0; i < whole.values->len; i++)
		written_again(f, whole.values->pdata[i]);
	heard_free(&whole);
	heard_free(&cut);
}

static const struct fuzz_target target = { "qmp", NULL, qmp_round, NULL };

int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, &target);
}
