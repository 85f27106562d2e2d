/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `info jit` and x-query-jit: what the translator has counted, by VP and in all. */
#include <inttypes.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "hmp.h"
#include "options.h"
#include "system/vmm.h"
#include "target/i386/decode.h"
#include "vmm-internal.h"

enum { COUNTS_MAX = 64, ROWS_SHOWN = 20 };

struct sums {
	struct engine_count count[COUNTS_MAX];
	size_t n;
	uint64_t *rows;               /* x86_row_count of them */
};

/* One VP as it is asked, on its thread. */
struct asked {
	const struct engine *engine;
	struct engine_count count[COUNTS_MAX];
	size_t n;
	struct sums *sums;
};

static void ask(struct vp *vp, void *o)
{
	struct asked *a = o;
	const struct x86_cpu *c = vp_cpu(vp);
	const uint64_t *rows = a->engine->row_counts(c);

	a->n = a->engine->counts(c, a->count, COUNTS_MAX);
	for (unsigned i = 0; i < x86_row_count; i++)
		a->sums->rows[i] += rows[i];
}

static void add(struct sums *s, const struct asked *a)
{
	for (size_t i = 0; i < a->n; i++) {
		uint64_t before = s->n ? s->count[i].value : 0;

		s->count[i] = a->count[i];
		if (!a->count[i].largest)
			s->count[i].value += before;
		else if (before > a->count[i].value)
			s->count[i].value = before;
	}
	s->n = a->n;
}

static void say_counts(GString *out, const struct engine_count *count, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g_string_append_printf(out, "%14" PRIu64 " %s\n", count[i].value, count[i].help);
}

static JsonObject *members(const struct engine_count *count, size_t n)
{
	JsonObject *o = json_object_new();

	for (size_t i = 0; i < n; i++) {
		char *name = g_strdelimit(g_strdup(count[i].name), "_", '-');

		json_object_set_int_member(o, name, (gint64)count[i].value);
		g_free(name);
	}
	return o;
}

/* The rows that were stepped most, in falling order. */
static void top_rows(const struct sums *s, GString *out, JsonArray *array)
{
	g_string_append(out, "instructions left to the interpreter most often:\n");
	for (unsigned shown = 0; shown < ROWS_SHOWN; shown++) {
		unsigned best = 0;
		JsonObject *o;

		for (unsigned i = 1; i < x86_row_count; i++)
			best = s->rows[i] > s->rows[best] ? i : best;
		if (!s->rows[best])
			return;
		g_string_append_printf(out, "%14" PRIu64 " %s\n", s->rows[best], x86_rows[best].name);
		o = json_object_new();
		json_object_set_string_member(o, "instruction", x86_rows[best].name);
		json_object_set_int_member(o, "count", (gint64)s->rows[best]);
		json_array_add_object_element(array, o);
		s->rows[best] = 0;
	}
}

static void one_vp(struct vp *vp, const struct engine *engine, struct sums *s, GString *out, JsonArray *vps)
{
	struct asked a = { .engine = engine, .sums = s };
	JsonObject *o;

	vp_call(vp, ask, &a);
	g_string_append_printf(out, "partition %s, processor %u:\n", partition_name(vp_partition(vp)), vp_index(vp));
	say_counts(out, a.count, a.n);
	o = members(a.count, a.n);
	json_object_set_string_member(o, "partition", partition_name(vp_partition(vp)));
	json_object_set_int_member(o, "vp-index", vp_index(vp));
	json_array_add_object_element(vps, o);
	add(s, &a);
}

/* The text; *@data, if wanted, the same for programs.  NULL: there is no translator. */
static char *describe(struct vmm *v, JsonObject **data)
{
	const struct engine *engine = v->hv ? engine_find(v->options->engine) : NULL;
	struct sums s = { .n = 0 };
	JsonArray *vps, *rows;
	GString *out;
	struct vp *vp;

	if (!engine || !engine->counts)
		return NULL;
	s.rows = g_new0(uint64_t, x86_row_count);
	vps = json_array_new();
	rows = json_array_new();
	out = g_string_new(NULL);
	for (unsigned i = 0; (vp = vmm_vp(v, i)); i++)
		one_vp(vp, engine, &s, out, vps);
	g_string_append(out, "all processors:\n");
	say_counts(out, s.count, s.n);
	top_rows(&s, out, rows);
	*data = json_object_new();
	json_object_set_array_member(*data, "processors", vps);
	json_object_set_object_member(*data, "total", members(s.count, s.n));
	json_object_set_array_member(*data, "stepped", rows);
	g_free(s.rows);
	return g_string_free(out, FALSE);
}

static void info_jit(struct hmp_call *c)
{
	JsonObject *data;
	char *text = describe(c->vmm, &data);

	if (!text) {
		g_string_append(c->out, "JIT information is only available with accel=hvtlfs,engine=jit\n");
		return;
	}
	g_string_append(c->out, text);
	json_object_unref(data);
	g_free(text);
}

const struct hmp_command hmp_jit_info[] = {
	{ "jit", "", "show what the translator has counted", info_jit },
	{ NULL },
};

/* QEMU's HumanReadableText, with the numbers as members beside the text. */
static JsonNode *query(struct vmm *v, JsonObject *args, GError **error)
{
	JsonObject *data;
	char *text = describe(v, &data);

	if (!text) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "JIT information is only available with accel=hvtlfs,engine=jit");
		return NULL;
	}
	json_object_set_string_member(data, "human-readable-text", text);
	g_free(text);
	return qmp_node(data);
}

const struct qmp_command qmp_jit_commands[] = {
	{ "x-query-jit", NULL, query, "HumanReadableText" },
	{ NULL },
};
