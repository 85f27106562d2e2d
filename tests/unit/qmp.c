/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP without a machine: cutting the stream, dispatching, what errors look like; and options. */
#include <glib.h>
#include <string.h>

#include "options.h"
#include "qmp.h"
#include "system/vmm.h"

/* ---- scanner ---- */

struct heard {
	GString *text;     /* "V json" or "E message" per thing heard, a line each */
};

static void on_value(void *o, JsonNode *n)
{
	struct heard *h = o;

	g_string_append(h->text, "V ");
	json_write(h->text, n);
	g_string_append_c(h->text, '\n');
	json_node_unref(n);
}

static void on_error(void *o, const char *message)
{
	g_string_append_printf(((struct heard *)o)->text, "E %s\n", message);
}

/* Feeds @text in chunks of every size; all must be heard alike. */
static void hears(const char *text, const char *expected)
{
	size_t n = strlen(text);

	for (size_t chunk = 1; chunk <= n; chunk++) {
		struct heard h = { g_string_new(NULL) };
		struct json_scanner s;

		json_scanner_init(&s, on_value, on_error, &h);
		for (size_t i = 0; i < n; i += chunk)
			json_scanner_feed(&s, (const uint8_t *)text + i, MIN(chunk, n - i));
		g_assert_cmpstr(h.text->str, ==, expected);
		g_string_free(h.text, TRUE);
		json_scanner_clear(&s);
	}
}

static void test_scanner(void)
{
	hears("{\"a\":1}", "V {\"a\": 1}\n");
	hears("{\"a\":1}{\"b\":[true,null,-2.5]} {}", "V {\"a\": 1}\nV {\"b\": [true, null, -2.5]}\nV {}\n");
	hears("{'a': 'it\\'s \"x\"'}", "V {\"a\": \"it's \\\"x\\\"\"}\n");
	hears("{\"a\": \"}{][\\\\\\\"\"}", "V {\"a\": \"}{][\\\\\\\"\"}\n");
	hears("{\n \"a\" :\r\n [ ]\t}", "V {\"a\": []}\n");
	hears("5 \"s\" true\n", "V 5\nV \"s\"\nV true\n");
	hears("{\"a\": \"\xc3\xa9\xf0\x9f\x98\x80\\u0041\"}", "V {\"a\": \"\\u00E9\\uD83D\\uDE00A\"}\n");
}

static void test_scanner_errors(void)
{
	hears("foo\n{}", "E JSON parse error, invalid keyword 'foo'\nV {}\n");
	hears("{]}\n{}", "E JSON parse error, expecting value\nV {}\n");
	hears("{\"a\": \"x\ny\"}\n{}", "E JSON parse error, stray control character in a string\nV {}\n");
	hears("@\n{}", "E JSON parse error, stray '@'\nV {}\n");
	hears("{\"a\": \xff{}", "V {}\n");
	hears("{\"id\": [1e308, {\"a\": -1e999}]}{}", "E JSON parse error, number out of range\nV {}\n");
}

static void test_scanner_bounds(void)
{
	struct heard h = { g_string_new(NULL) };
	struct json_scanner s;
	char *block = g_malloc(1 << 20);

	json_scanner_init(&s, on_value, on_error, &h);
	memset(block, '[', 1 << 20);
	json_scanner_feed(&s, (uint8_t *)block, 1 << 20);
	g_assert_cmpstr(h.text->str, ==, "E JSON nesting depth limit exceeded\n");
	json_scanner_feed(&s, (const uint8_t *)"\n{}", 3);
	g_assert_true(g_str_has_suffix(h.text->str, "\nV {}\n"));

	g_string_truncate(h.text, 0);
	memset(block, 'x', 1 << 20);
	json_scanner_feed(&s, (const uint8_t *)"{\"a\":\"", 6);
	for (unsigned i = 0; i <= JSON_SIZE_MAX >> 20; i++)
		json_scanner_feed(&s, (uint8_t *)block, 1 << 20);
	g_assert_cmpstr(h.text->str, ==, "E JSON token size limit exceeded\n");
	json_scanner_feed(&s, (const uint8_t *)"\"}\n{}", 5);
	g_assert_true(g_str_has_suffix(h.text->str, "\nV {}\n"));
	g_free(block);
	g_string_free(h.text, TRUE);
	json_scanner_clear(&s);
}

/* Whatever comes, it neither crashes nor stops to hear. */
static void test_scanner_noise(void)
{
	static const char letters[] = "{}[]\"'\\:, 0aetn\n\xff\x01/-.";
	struct heard h = { g_string_new(NULL) };
	struct json_scanner s;

	json_scanner_init(&s, on_value, on_error, &h);
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t b = letters[g_test_rand_int_range(0, sizeof letters - 1)];

		json_scanner_feed(&s, &b, 1);
		if (h.text->len > 1 << 16)
			g_string_truncate(h.text, 0);
	}
	g_string_truncate(h.text, 0);
	json_scanner_feed(&s, (const uint8_t *)"\xff{\"x\":1}", 8);
	g_assert_cmpstr(h.text->str, ==, "V {\"x\": 1}\n");
	g_string_free(h.text, TRUE);
	json_scanner_clear(&s);
}

/* ---- dispatch ---- */

static struct options *no_options(void)
{
	char *argv[] = { (char *)"test", NULL };

	return options_parse(1, argv, stdout, NULL);
}

static void answers(struct vmm *v, bool *negotiated, const char *request, const char *expected)
{
	JsonNode *reply = qmp_dispatch(v, negotiated, json_from_string(request, NULL));
	GString *s = g_string_new(NULL);

	json_write(s, reply);
	g_assert_cmpstr(s->str, ==, expected);
	g_string_free(s, TRUE);
	json_node_unref(reply);
}

#define ERROR(class, desc) "{\"error\": {\"class\": \"" class "\", \"desc\": \"" desc "\"}}"

static void test_negotiation(void)
{
	struct vmm v = { .options = no_options(), .state = RUN_PAUSED };
	bool n = false;

	answers(&v, &n, "{\"execute\":\"query-status\"}",
		ERROR("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'"));
	answers(&v, &n, "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}",
		ERROR("GenericError", "Capability 'oob' not available"));
	g_assert_false(n);
	answers(&v, &n, "{\"execute\":\"qmp_capabilities\"}", "{\"return\": {}}");
	g_assert_true(n);
	answers(&v, &n, "{\"execute\":\"qmp_capabilities\"}",
		ERROR("CommandNotFound", "Capabilities negotiation is already complete, command ignored"));
	answers(&v, &n, "{\"execute\":\"query-status\",\"id\":[1,{\"x\":null}]}",
		"{\"return\": {\"status\": \"paused\", \"singlestep\": false, \"running\": false}, \"id\": [1, {\"x\": null}]}");
	options_free(v.options);
}

static void test_requests(void)
{
	struct vmm v = { .options = no_options() };
	bool n = true;

	answers(&v, &n, "5", ERROR("GenericError", "QMP input must be a JSON object"));
	answers(&v, &n, "{}", ERROR("GenericError", "QMP input lacks member 'execute'"));
	answers(&v, &n, "{\"execute\":1}", ERROR("GenericError", "QMP input member 'execute' must be a string"));
	answers(&v, &n, "{\"execute\":\"stop\",\"arguments\":[]}",
		ERROR("GenericError", "QMP input member 'arguments' must be an object"));
	answers(&v, &n, "{\"execute\":\"stop\",\"extra\":1}",
		ERROR("GenericError", "QMP input member 'extra' is unexpected"));
	answers(&v, &n, "{\"execute\":\"nope\"}",
		ERROR("CommandNotFound", "The command nope has not been found"));
	answers(&v, &n, "{\"execute\":\"query-name\",\"arguments\":{\"x\":1}}",
		ERROR("GenericError", "Parameter 'x' is unexpected"));
	answers(&v, &n, "{\"execute\":\"qom-list\"}", ERROR("GenericError", "Parameter 'path' is missing"));
	answers(&v, &n, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":1}}",
		ERROR("GenericError", "Invalid parameter type for 'path', expected: string"));
	answers(&v, &n, "{\"execute\":\"hv-partition-create\",\"arguments\":{\"id\":\"a\",\"memory\":\"1G\"}}",
		ERROR("GenericError", "Invalid parameter type for 'memory', expected: integer"));
	answers(&v, &n, "{\"execute\":\"query-kvm\"}", "{\"return\": {\"enabled\": false, \"present\": false}}");
	options_free(v.options);
}

/* Each row of each table can be found, and names are unique. */
static void test_tables(void)
{
	for (const struct qmp_command *const *t = qmp_tables; *t; t++) {
		for (const struct qmp_command *c = *t; c->name; c++) {
			g_assert_true(qmp_find(c->name) == c);
			g_assert_nonnull(c->run);
		}
	}
}

static void test_objects(void)
{
	struct vmm v = { .options = no_options(), .tree = hvt_container_new() };
	HvtObject *m = hvt_container_new();
	bool n = true;

	hvt_object_add_child(v.tree, "machine", m);
	g_object_unref(m);
	answers(&v, &n, "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/\"}}",
		"{\"return\": [{\"name\": \"type\", \"type\": \"string\"}, "
		"{\"name\": \"machine\", \"type\": \"child<HvtContainer>\"}]}");
	answers(&v, &n, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"machine\",\"property\":\"type\"}}",
		"{\"return\": \"HvtContainer\"}");
	answers(&v, &n, "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/x\",\"property\":\"type\"}}",
		ERROR("DeviceNotFound", "Device '/x' not found"));
	answers(&v, &n, "{\"execute\":\"qom-set\",\"arguments\":{\"path\":\"/machine\",\"property\":\"y\",\"value\":1}}",
		ERROR("GenericError", "Property 'HvtContainer.y' not found"));
	g_object_unref(v.tree);
	options_free(v.options);
}

/* ---- options ---- */

/* Words separated by blanks. */
static struct options *parse(const char *line, GError **error)
{
	char *all = g_strconcat("qemu ", line, NULL), **words = g_strsplit(all, " ", -1);
	struct options *o = options_parse(g_strv_length(words), words, stdout, error);

	g_strfreev(words);
	g_free(all);
	return o;
}

static struct options *good(const char *line)
{
	GError *e = NULL;
	struct options *o = parse(line, &e);

	g_assert_no_error(e);
	return o;
}

static void test_options(void)
{
	struct options *o = good("-m 1G -smp 2 --kernel k -initrd i -append console=ttyS0 -nographic -no-reboot");

	g_assert_cmpuint(o->memory, ==, 1 << 30);
	g_assert_cmpuint(o->cpus, ==, 2);
	g_assert_cmpuint(o->max_cpus, ==, 2);
	g_assert_cmpstr(o->kernel, ==, "k");
	g_assert_true(o->nographic && o->no_reboot && !o->stopped);
	options_free(o);

	o = good("-m size=256 -smp sockets=2,cores=2,threads=2 -machine pc,accel=kvm:hvtlfs -s -S");
	g_assert_cmpuint(o->memory, ==, 256 << 20);
	g_assert_cmpuint(o->cpus, ==, 8);
	g_assert_cmpstr(o->gdb, ==, "tcp::1234");
	g_assert_true(o->stopped);
	options_free(o);

	o = good("-smp 2,maxcpus=8 -accel hvtlfs,engine=interp,memory=4G -name guest=a,debug-threads=on");
	g_assert_cmpuint(o->cpus, ==, 2);
	g_assert_cmpuint(o->max_cpus, ==, 8);
	g_assert_cmpuint(o->hv_memory, ==, 4ull << 30);
	g_assert_cmpstr(o->name, ==, "a");
	options_free(o);

	o = good("-accel qtest -display none -vga none -net none -nodefaults -rtc base=utc -action reboot=shutdown");
	g_assert_cmpint(o->accel, ==, ACCEL_QTEST);
	g_assert_true(o->no_reboot);
	options_free(o);
}

static void test_bad_options(void)
{
	static const char *const rows[][2] = {
		{ "-foo", "-foo" }, { "-kernel", "argument" }, { "-drive file=x", "-kernel" }, { "disk.img", "disk.img" },
		{ "-smp 0", "-smp 0" }, { "-smp 2,dies=2", "dies (2)" }, { "-smp 65", "64" }, { "-smp 4,sockets=3", "maxcpus" }, { "-smp 4,maxcpus=2", "maxcpus" },
		{ "-smp 4,colour=red", "colour" }, { "-m 0", "1M" }, { "-m 1Q", "1Q" }, { "-m 1G,maxmem=2G", "maxmem" },
		{ "-accel kvm", "hvtlfs" }, { "-accel hvtlfs,engine=warp", "interp" }, { "-machine q35", "q35" },
		{ "-machine pc,usb=on", "usb" }, { "-display gtk", "nographic" }, { "-rtc base=localtime", "utc" },
		{ "-initrd x", "-kernel" }, { "-uuid 12", "UUID" }, { "-accel hvtlfs,memory=1M", "-m" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GError *e = NULL;
		struct options *o = parse(rows[i][0], &e);

		if (!e || !strstr(e->message, rows[i][1]) || strchr(e->message, '\n'))
			g_error("'%s' says '%s', not '%s'", rows[i][0], e ? e->message : "nothing", rows[i][1]);
		g_error_free(e);
		options_free(o);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/qmp/scanner", test_scanner);
	g_test_add_func("/qmp/scanner/errors", test_scanner_errors);
	g_test_add_func("/qmp/scanner/bounds", test_scanner_bounds);
	g_test_add_func("/qmp/scanner/noise", test_scanner_noise);
	g_test_add_func("/qmp/negotiation", test_negotiation);
	g_test_add_func("/qmp/requests", test_requests);
	g_test_add_func("/qmp/tables", test_tables);
	g_test_add_func("/qmp/objects", test_objects);
	g_test_add_func("/options/good", test_options);
	g_test_add_func("/options/bad", test_bad_options);
	return g_test_run();
}
