/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `info hyperv` and query-hv-vp: what the hypervisor holds and counts for each VP. */
#include <inttypes.h>
#include <string.h>

#include "accel/hvtlfs/count.h"
#include "accel/hvtlfs/hv.h"
#include "hmp.h"
#include "system/vmm.h"
#include "vmm-internal.h"

/* Which VPs are asked for; index -1: all. */
struct choice {
	const char *partition;        /* NULL: all */
	gint64 index;
};

static bool chosen(const struct choice *c, struct vp *vp)
{
	if (c->partition && strcmp(c->partition, partition_name(vp_partition(vp))))
		return false;
	return c->index < 0 || c->index == vp_index(vp);
}

/* ---- for programs: "a/b" is member b of object a ---- */

static void put_member(void *o, const char *name, uint64_t value)
{
	const char *slash = strchr(name, '/');
	JsonObject *at = o;

	if (slash) {
		char *group = g_strndup(name, slash - name);

		if (!json_object_has_member(at, group))
			json_object_set_object_member(at, group, json_object_new());
		put_member(json_object_get_object_member(at, group), slash + 1, value);
		g_free(group);
		return;
	}
	json_object_set_int_member(at, name, (gint64)value);
}

/* A VP whose partition another one made may end at any time: of that only what outlives it. */
static bool stays(struct vp *vp)
{
	struct partition_look look;

	partition_look(vp_partition(vp), &look);
	return !look.by_parent;
}

static void describe(struct vp *vp, void *list)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "partition", partition_name(vp_partition(vp)));
	json_object_set_int_member(o, "vp-index", vp_index(vp));
	json_object_set_boolean_member(o, "halted", vp_halted(vp));
	json_object_set_int_member(o, "run-time-ns", (gint64)vp_run_time_ns(vp));
	if (stays(vp))
		vp_show(vp, put_member, o);
	else
		vp_show_counts(vp, put_member, o);
	json_array_add_object_element(list, o);
}

/* How many were chosen. */
static unsigned foreach_chosen(struct vmm *v, const struct choice *c, void (*f)(struct vp *vp, void *o), void *o)
{
	GPtrArray *all;
	unsigned n = 0;

	if (!v->hv)
		return 0;
	all = hv_partitions(v->hv);
	for (guint i = 0; i < all->len; i++)
		PARTITION_FOREACH_VP(vp, g_ptr_array_index(all, i))
			if (chosen(c, vp)) {
				f(vp, o);
				n++;
			}
	g_ptr_array_free(all, TRUE);
	return n;
}

static bool there_is(struct vmm *v, const char *partition)
{
	struct partition *p = v->hv ? hv_partition_by_name(v->hv, partition) : NULL;

	if (p)
		partition_unref(p);
	return p;
}

static JsonNode *query(struct vmm *v, JsonObject *args, GError **error)
{
	struct choice c = { .partition = qmp_string(args, "id", NULL), .index = qmp_int(args, "vp-index", -1) };
	JsonArray *a;

	if (c.partition && !there_is(v, c.partition) && !guest_need(v, c.partition, error))
		return NULL;
	a = json_array_new();
	if (foreach_chosen(v, &c, describe, a) || c.index < 0)
		return qmp_list(a);
	json_array_unref(a);
	g_set_error(error, QMP_ERROR, QMP_GENERIC, "There is no VP %" G_GINT64_FORMAT "; query-hv-partitions tells how many there are",
		    c.index);
	return NULL;
}

static const struct qmp_arg query_args[] = { { "id", QMP_STRING, true }, { "vp-index", QMP_INT, true }, { NULL } };

const struct qmp_command qmp_hyperv_commands[] = {
	{ "query-hv-vp", query_args, query, "HvVpInfoList" },
	{ NULL },
};

/* ---- for people ---- */

static void put_line(void *o, const char *name, uint64_t value)
{
	/* Counters follow, with what they count. */
	if (!g_str_has_prefix(name, "counts/"))
		g_string_append_printf(o, "%#18" PRIx64 " %s\n", value, name);
}

static void say_vp(struct vp *vp, void *o)
{
	GString *out = o;

	g_string_append_printf(out, "partition %s, processor %u:\n", partition_name(vp_partition(vp)), vp_index(vp));
	if (stays(vp))
		vp_show(vp, put_line, out);
	for (unsigned n = 0; n < VP_COUNT_COUNT; n++)
		g_string_append_printf(out, "%18" PRIu64 " %s\n", vp_counted(vp, (enum vp_count)n), vp_count_help((enum vp_count)n));
}

static void info_hyperv(struct hmp_call *c)
{
	struct choice which = { .partition = *c->args ? c->args : NULL, .index = -1 };

	if (!foreach_chosen(c->vmm, &which, say_vp, c->out))
		g_string_append_printf(c->out, "There is no partition '%s'; `info partitions` lists them\n", c->args);
}

const struct hmp_command hmp_hyperv_info[] = {
	{ "hyperv", "[partition]", "show what the hypervisor holds and counts for each processor", info_hyperv },
	{ NULL },
};
