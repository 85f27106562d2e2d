/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP: partitions. */
#include "vmm-internal.h"

static JsonNode *create(struct vmm *v, JsonObject *args, GError **error)
{
	struct guest_config c = {
		.id = json_object_get_string_member(args, "id"),
		.memory = MAX(json_object_get_int_member(args, "memory"), 0),
		.vcpus = CLAMP(qmp_int(args, "vcpus", 1), 0, 1000),
		.kernel = qmp_string(args, "kernel", NULL),
		.initrd = qmp_string(args, "initrd", NULL),
		.cmdline = qmp_string(args, "cmdline", NULL),
		.console = qmp_string(args, "console", NULL),
	};
	struct guest *g = vmm_guest_new(v, &c, error);
	JsonObject *o;

	if (!g)
		return NULL;
	o = json_object_new();
	json_object_set_int_member(o, "partition-id", partition_id(pc_partition(g->pc)));
	return qmp_node(o);
}

static JsonNode *start(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_guest_start(v, json_object_get_string_member(args, "id"), error);
	return NULL;
}

static JsonNode *suspend(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_guest_suspend(v, json_object_get_string_member(args, "id"), error);
	return NULL;
}

static JsonNode *resume(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_guest_resume(v, json_object_get_string_member(args, "id"), error);
	return NULL;
}

static JsonNode *delete(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_guest_delete(v, json_object_get_string_member(args, "id"), error);
	return NULL;
}

/* Those that partitions made have no machine; their names are no ids of one. */
static JsonObject *describe(struct vmm *v, struct partition *p)
{
	struct guest *g = vmm_guest(v, partition_name(p));
	JsonObject *o = json_object_new();
	struct partition_look look;

	partition_look(p, &look);
	json_object_set_string_member(o, "id", partition_name(p));
	json_object_set_int_member(o, "partition-id", partition_id(p));
	json_object_set_int_member(o, "parent-id", partition_parent_id(p));
	json_object_set_string_member(o, "state", g ? guest_state(g) : partition_state_name(partition_state(p)));
	json_object_set_int_member(o, "vcpus", partition_vp_count(p));
	json_object_set_int_member(o, "memory", partition_memory(p));
	json_object_set_int_member(o, "run-time-ns", partition_run_time_ns(p));
	json_object_set_string_member(o, "life", look.life);
	json_object_set_int_member(o, "depth", look.depth);
	json_object_set_int_member(o, "pool-available", look.pool_available);
	json_object_set_int_member(o, "pool-in-use", look.pool_in_use);
	json_object_set_int_member(o, "mapped-pages", look.mapped);
	json_object_set_int_member(o, "ports", look.ports);
	json_object_set_int_member(o, "connections", look.connections);
	json_object_set_int_member(o, "monitor-pages", look.monitors);
	json_object_set_int_member(o, "intercepts", look.intercepts);
	return o;
}

static JsonNode *query(struct vmm *v, JsonObject *args, GError **error)
{
	GPtrArray *all = v->hv ? hv_partitions(v->hv) : NULL;
	JsonArray *a = json_array_new();

	for (guint i = 0; all && i < all->len; i++)
		json_array_add_object_element(a, describe(v, g_ptr_array_index(all, i)));
	if (all)
		g_ptr_array_free(all, TRUE);
	return qmp_list(a);
}

static const struct qmp_arg create_args[] = {
	{ "id", QMP_STRING }, { "memory", QMP_INT }, { "vcpus", QMP_INT, true },
	{ "kernel", QMP_STRING, true }, { "initrd", QMP_STRING, true }, { "cmdline", QMP_STRING, true },
	{ "console", QMP_STRING, true }, { NULL },
};
static const struct qmp_arg id_args[] = { { "id", QMP_STRING }, { NULL } };

const struct qmp_command qmp_partition_commands[] = {
	{ "hv-partition-create", create_args, create, "HvPartitionCreated" },
	{ "hv-partition-start", id_args, start },
	{ "hv-partition-suspend", id_args, suspend },
	{ "hv-partition-resume", id_args, resume },
	{ "hv-partition-delete", id_args, delete },
	{ "query-hv-partitions", NULL, query, "HvPartitionInfoList" },
	{ NULL },
};
