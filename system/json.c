/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <math.h>
#include <string.h>

/* ---- scanner ---- */

void json_scanner_init(struct json_scanner *s, void (*value)(void *o, JsonNode *node),
		       void (*error)(void *o, const char *message), void *opaque)
{
	*s = (struct json_scanner){ .text = g_string_new(NULL), .value = value, .error = error,
				    .opaque = opaque };
}

void json_scanner_clear(struct json_scanner *s)
{
	g_string_free(s->text, TRUE);
}

static void begin(struct json_scanner *s)
{
	/* A huge value must not keep its room for ever. */
	if (s->text->allocated_len > 1 << 16) {
		g_string_free(s->text, TRUE);
		s->text = g_string_new(NULL);
	}
	g_string_truncate(s->text, 0);
	s->depth = 0;
	s->quote = 0;
	s->escape = s->scalar = false;
}

void json_scanner_reset(struct json_scanner *s)
{
	begin(s);
	s->skipping = false;
}

static void fail(struct json_scanner *s, const char *message)
{
	begin(s);
	s->skipping = true;
	s->error(s->opaque, message);
}

/* json-glib takes comments and declarations; no quote stands outside strings there, so a scan finds them. */
static bool foreign(const char *text)
{
	char quote = 0;

	for (const char *p = text; *p; p++) {
		if (quote && *p == '\\' && p[1])
			p++;
		else if (*p == '"')
			quote = !quote;
		else if (!quote && *p == '/')
			return true;
	}
	return false;
}

/* A number too large for a double becomes an infinity, which JSON cannot say again. */
static bool all_finite(JsonNode *node)
{
	bool finite = true;
	GList *values = NULL;

	if (JSON_NODE_HOLDS_VALUE(node))
		return json_node_get_value_type(node) != G_TYPE_DOUBLE || isfinite(json_node_get_double(node));
	if (JSON_NODE_HOLDS_OBJECT(node))
		values = json_object_get_values(json_node_get_object(node));
	else if (JSON_NODE_HOLDS_ARRAY(node))
		values = json_array_get_elements(json_node_get_array(node));
	for (GList *l = values; l && finite; l = l->next)
		finite = all_finite(l->data);
	g_list_free(values);
	return finite;
}

static void finish(struct json_scanner *s)
{
	JsonParser *p = json_parser_new();
	JsonNode *node = NULL;
	GError *error = NULL;
	bool ok = !foreign(s->text->str) &&
		  json_parser_load_from_data(p, s->text->str, s->text->len, &error);

	if (ok)
		node = json_parser_steal_root(p);
	if (node && !all_finite(node)) {
		g_clear_pointer(&node, json_node_unref);
		g_set_error(&error, G_NUMBER_PARSER_ERROR, G_NUMBER_PARSER_ERROR_OUT_OF_BOUNDS, "number out of range");
	}
	if (node) {
		begin(s);
		s->value(s->opaque, node);
	} else {
		char *m = g_strdup_printf("JSON parse error, %s",
					  error ? error->message : "expecting value");

		begin(s);
		s->error(s->opaque, m);
		g_free(m);
	}
	g_clear_error(&error);
	g_object_unref(p);
}

static void in_string(struct json_scanner *s, uint8_t b)
{
	if (b < 0x20) {
		fail(s, "JSON parse error, stray control character in a string");
	} else if (s->escape) {
		s->escape = false;
		if (b == '\'')
			g_string_truncate(s->text, s->text->len - 1);
		g_string_append_c(s->text, b);
	} else if (b == '\\') {
		s->escape = true;
		g_string_append_c(s->text, b);
	} else if (b == s->quote) {
		s->quote = 0;
		g_string_append_c(s->text, '"');
		if (!s->depth)
			finish(s);
	} else if (b == '"') {
		g_string_append(s->text, "\\\"");
	} else {
		g_string_append_c(s->text, b);
	}
}

static bool is_space(uint8_t b)
{
	return b == ' ' || b == '\t' || b == '\r' || b == '\n';
}

static bool is_scalar(uint8_t b)
{
	return g_ascii_isalnum(b) || b == '_' || b == '-' || b == '+' || b == '.';
}

/* A word at top level has ended: nothing that QMP takes, but say it well. */
static void end_scalar(struct json_scanner *s)
{
	static const char *const words[] = { "true", "false", "null", NULL };
	const char *t = s->text->str;
	char *m;

	if (g_strv_contains(words, t) || g_ascii_isdigit(*t) || *t == '-') {
		finish(s);
		return;
	}
	m = g_strdup_printf("JSON parse error, invalid keyword '%.100s'", t);
	begin(s);
	s->error(s->opaque, m);
	g_free(m);
}

static void open_bracket(struct json_scanner *s, uint8_t b)
{
	if (s->depth == JSON_DEPTH_MAX) {
		fail(s, "JSON nesting depth limit exceeded");
		return;
	}
	s->stack[s->depth++] = b == '{' ? '}' : ']';
	g_string_append_c(s->text, b);
}

static void close_bracket(struct json_scanner *s, uint8_t b)
{
	if (!s->depth || s->stack[s->depth - 1] != b) {
		fail(s, "JSON parse error, expecting value");
		return;
	}
	g_string_append_c(s->text, b);
	if (!--s->depth)
		finish(s);
}

static void outside(struct json_scanner *s, uint8_t b)
{
	if (s->scalar && !is_scalar(b)) {
		s->scalar = false;
		end_scalar(s);
	}
	if (b == '{' || b == '[') {
		open_bracket(s, b);
	} else if (b == '}' || b == ']') {
		close_bracket(s, b);
	} else if (b == '"' || b == '\'') {
		s->quote = b;
		g_string_append_c(s->text, '"');
	} else if (is_space(b)) {
		if (s->depth)
			g_string_append_c(s->text, ' ');
	} else if (is_scalar(b)) {
		s->scalar = !s->depth;
		g_string_append_c(s->text, b);
	} else if (s->depth && (b == ',' || b == ':' || b == '/')) {
		g_string_append_c(s->text, b);
	} else {
		char *m = b >= 0x21 && b < 0x7f ? g_strdup_printf("JSON parse error, stray '%c'", b)
						: g_strdup_printf("JSON parse error, stray byte 0x%02x", b);

		fail(s, m);
		g_free(m);
	}
}

static void feed_byte(struct json_scanner *s, uint8_t b)
{
	/* 0xff can be no part of a value: clients send it to start afresh. */
	if (b == 0xff) {
		json_scanner_reset(s);
		return;
	}
	if (s->skipping) {
		s->skipping = b != '\n';
		return;
	}
	if (s->quote)
		in_string(s, b);
	else
		outside(s, b);
	if (s->text->len > JSON_SIZE_MAX)
		fail(s, "JSON token size limit exceeded");
}

void json_scanner_feed(struct json_scanner *s, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		feed_byte(s, data[i]);
}

/* ---- writer ---- */

static void write_char(GString *to, gunichar c)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *p = named; *p; p += 2) {
		if (c == (gunichar)*p) {
			g_string_append_printf(to, "\\%c", p[1]);
			return;
		}
	}
	if (c >= 0x20 && c < 0x7f)
		g_string_append_c(to, (char)c);
	else if (c < 0x10000)
		g_string_append_printf(to, "\\u%04X", c);
	else
		g_string_append_printf(to, "\\u%04X\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
				       0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void write_string(GString *to, const char *s)
{
	char *valid = g_utf8_make_valid(s, -1);

	g_string_append_c(to, '"');
	for (const char *p = valid; *p; p = g_utf8_next_char(p))
		write_char(to, g_utf8_get_char(p));
	g_string_append_c(to, '"');
	g_free(valid);
}

static void write_value(GString *to, JsonNode *node)
{
	char number[G_ASCII_DTOSTR_BUF_SIZE];

	switch (json_node_get_value_type(node)) {
	case G_TYPE_STRING:
		write_string(to, json_node_get_string(node));
		break;
	case G_TYPE_BOOLEAN:
		g_string_append(to, json_node_get_boolean(node) ? "true" : "false");
		break;
	case G_TYPE_DOUBLE:
		g_string_append(to, g_ascii_formatd(number, sizeof number, "%.17g",
						    json_node_get_double(node)));
		break;
	default:
		g_string_append_printf(to, "%" G_GINT64_FORMAT, json_node_get_int(node));
	}
}

static void write_object(GString *to, JsonObject *o)
{
	GList *names = json_object_get_members(o);

	g_string_append_c(to, '{');
	for (GList *l = names; l; l = l->next) {
		write_string(to, l->data);
		g_string_append(to, ": ");
		json_write(to, json_object_get_member(o, l->data));
		if (l->next)
			g_string_append(to, ", ");
	}
	g_string_append_c(to, '}');
	g_list_free(names);
}

static void write_array(GString *to, JsonArray *a)
{
	g_string_append_c(to, '[');
	for (guint i = 0; i < json_array_get_length(a); i++) {
		if (i)
			g_string_append(to, ", ");
		json_write(to, json_array_get_element(a, i));
	}
	g_string_append_c(to, ']');
}

void json_write(GString *to, JsonNode *node)
{
	switch (json_node_get_node_type(node)) {
	case JSON_NODE_OBJECT:
		write_object(to, json_node_get_object(node));
		break;
	case JSON_NODE_ARRAY:
		write_array(to, json_node_get_array(node));
		break;
	case JSON_NODE_NULL:
		g_string_append(to, "null");
		break;
	case JSON_NODE_VALUE:
		write_value(to, node);
		break;
	}
}
