/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP: the machine as a whole. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "target/i386/mem.h"
#include "vmm-internal.h"

static JsonNode *capabilities(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *enable = json_object_has_member(args, "enable")
				    ? json_object_get_array_member(args, "enable") : NULL;
	JsonNode *n = enable && json_array_get_length(enable) ? json_array_get_element(enable, 0) : NULL;

	if (n && (!JSON_NODE_HOLDS_VALUE(n) || json_node_get_value_type(n) != G_TYPE_STRING))
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "Invalid parameter type for 'enable[0]', expected: string");
	else if (n)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Capability '%s' not available",
			    json_node_get_string(n));
	return NULL;
}

static JsonNode *query_version(struct vmm *v, JsonObject *args, GError **error)
{
	return qmp_version();
}

static JsonNode *query_commands(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *a = json_array_new();

	for (const struct qmp_command *const *t = qmp_tables; *t; t++) {
		for (const struct qmp_command *c = *t; c->name; c++) {
			JsonObject *o = json_object_new();

			json_object_set_string_member(o, "name", c->name);
			json_array_add_object_element(a, o);
		}
	}
	return qmp_list(a);
}

static JsonNode *query_status(struct vmm *v, JsonObject *args, GError **error)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "status", run_state_name(v->state));
	json_object_set_boolean_member(o, "singlestep", FALSE);
	json_object_set_boolean_member(o, "running", v->state == RUN_RUNNING);
	return qmp_node(o);
}

static JsonNode *query_name(struct vmm *v, JsonObject *args, GError **error)
{
	JsonObject *o = json_object_new();

	if (v->options->name)
		json_object_set_string_member(o, "name", v->options->name);
	return qmp_node(o);
}

static JsonNode *query_uuid(struct vmm *v, JsonObject *args, GError **error)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "UUID", v->options->uuid
				      ? v->options->uuid : "00000000-0000-0000-0000-000000000000");
	return qmp_node(o);
}

static JsonNode *query_kvm(struct vmm *v, JsonObject *args, GError **error)
{
	JsonObject *o = json_object_new();

	json_object_set_boolean_member(o, "enabled", FALSE);
	json_object_set_boolean_member(o, "present", FALSE);
	return qmp_node(o);
}

static JsonNode *query_machines(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *a = json_array_new();
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "name", "pc");
	json_object_set_boolean_member(o, "is-default", TRUE);
	json_object_set_int_member(o, "cpu-max", 64);
	json_object_set_boolean_member(o, "hotpluggable-cpus", FALSE);
	json_object_set_boolean_member(o, "numa-mem-supported", FALSE);
	json_object_set_boolean_member(o, "deprecated", FALSE);
	json_array_add_object_element(a, o);
	return qmp_list(a);
}

/* The first partition's: clients written for QEMU count those. */
static JsonNode *query_cpus_fast(struct vmm *v, JsonObject *args, GError **error)
{
	JsonArray *a = json_array_new();
	struct partition *p = pc_partition(vmm_root(v)->pc);

	for (unsigned i = 0; p && i < partition_vp_count(p); i++) {
		JsonObject *o = json_object_new(), *props = json_object_new();
		struct vp *vp = partition_vp(p, i);
		char *path = hvt_object_path(vp_object(vp));
		const struct x86_topology *t = &vp_cpu(vp)->topology;

		json_object_set_int_member(o, "thread-id", vp_thread_id(vp));
		json_object_set_int_member(props, "core-id", i / t->threads % t->cores);
		json_object_set_int_member(props, "thread-id", i % t->threads);
		json_object_set_int_member(props, "socket-id", i / t->threads / t->cores);
		json_object_set_object_member(o, "props", props);
		json_object_set_string_member(o, "qom-path", path);
		json_object_set_int_member(o, "cpu-index", i);
		json_object_set_string_member(o, "target", "x86_64");
		json_array_add_object_element(a, o);
		g_free(path);
	}
	return qmp_list(a);
}

/* ---- run control ---- */

static JsonNode *stop(struct vmm *v, JsonObject *args, GError **error)
{
	if (v->state == RUN_RUNNING || v->state == RUN_DEBUG || v->state == RUN_PRELAUNCH)
		vmm_stop(v, RUN_PAUSED);
	return NULL;
}

static JsonNode *cont(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_cont(v, error);
	return NULL;
}

static JsonNode *system_reset(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_reset(v, false, "host-qmp-system-reset");
	return NULL;
}

static JsonNode *system_powerdown(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_powerdown(v);
	return NULL;
}

static JsonNode *quit(struct vmm *v, JsonObject *args, GError **error)
{
	vmm_shutdown(v, false, "host-qmp-quit", 0);
	return NULL;
}

static JsonNode *inject_nmi(struct vmm *v, JsonObject *args, GError **error)
{
	struct partition *p = pc_partition(vmm_root(v)->pc);

	if (p)
		partition_nmi(p);
	else
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "There is no processor under -accel qtest");
	return NULL;
}

static JsonNode *human_monitor(struct vmm *v, JsonObject *args, GError **error)
{
	gint64 index = qmp_int(args, "cpu-index", 0);
	unsigned cpu = index;
	JsonNode *n;
	char *text;

	if (index < 0 || index > G_MAXINT || (index && !vmm_vp(v, cpu))) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "Parameter 'cpu-index' expects a CPU number");
		return NULL;
	}
	text = hmp_run(v, json_object_get_string_member(args, "command-line"), &cpu);
	n = json_node_init_string(json_node_alloc(), text);
	g_free(text);
	return n;
}

/* ---- memory to files ---- */

struct piece {
	uint64_t at;
	uint8_t bytes[4096];
	size_t n;
	bool ok;
};

static void read_virtual(struct vp *vp, void *o)
{
	struct piece *p = o;

	p->ok = x86_debug_read(vp_cpu(vp), p->at, p->bytes, p->n) == p->n;
}

static bool save_piece(struct vp *vp, bool physical, struct piece *p, FILE *f, GError **error)
{
	if (physical)
		p->ok = partition_read(vp_partition(vp), (gpa_t){ p->at }, p->bytes, p->n);
	else
		vp_call(vp, read_virtual, p);
	if (!p->ok)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Invalid addr 0x%016" PRIx64
			    "/size %zu specified", p->at, p->n);
	else if (fwrite(p->bytes, 1, p->n, f) != p->n)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "writing memory failed: %s", g_strerror(errno));
	else
		return true;
	return false;
}

static JsonNode *save(struct vmm *v, JsonObject *args, bool physical, GError **error)
{
	const char *name = json_object_get_string_member(args, "filename");
	uint64_t at = json_object_get_int_member(args, "val");
	gint64 size = json_object_get_int_member(args, "size");
	struct vp *vp = vmm_vp(v, MAX(qmp_int(args, "cpu-index", 0), 0));
	FILE *f = vp && size >= 0 ? fopen(name, "we") : NULL;
	struct piece p;
	bool ok = true;

	if (!vp || size < 0)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Parameter '%s' is out of range",
			    vp ? "size" : "cpu-index");
	else if (!f)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "Could not open '%s': %s", name, g_strerror(errno));
	if (!f)
		return NULL;
	for (; ok && size; at += p.n, size -= p.n) {
		p.at = at;
		p.n = MIN((uint64_t)size, 4096 - at % 4096);
		ok = save_piece(vp, physical, &p, f, error);
	}
	if (fclose(f) && ok)
		g_set_error(error, QMP_ERROR, QMP_GENERIC, "writing '%s' failed: %s", name, g_strerror(errno));
	return NULL;
}

static JsonNode *memsave(struct vmm *v, JsonObject *args, GError **error)
{
	return save(v, args, false, error);
}

static JsonNode *pmemsave(struct vmm *v, JsonObject *args, GError **error)
{
	return save(v, args, true, error);
}

static const struct qmp_arg capabilities_args[] = { { "enable", QMP_ARRAY, true }, { NULL } };
static const struct qmp_arg human_args[] = {
	{ "command-line", QMP_STRING }, { "cpu-index", QMP_INT, true }, { NULL },
};
static const struct qmp_arg memsave_args[] = {
	{ "val", QMP_INT }, { "size", QMP_INT }, { "filename", QMP_STRING }, { "cpu-index", QMP_INT, true },
	{ NULL },
};
static const struct qmp_arg pmemsave_args[] = {
	{ "val", QMP_INT }, { "size", QMP_INT }, { "filename", QMP_STRING }, { NULL },
};

const struct qmp_command qmp_control_commands[] = {
	{ "qmp_capabilities", capabilities_args, capabilities },
	{ "query-version", NULL, query_version, "VersionInfo" },
	{ "query-commands", NULL, query_commands, "CommandInfoList" },
	{ "query-status", NULL, query_status, "StatusInfo" },
	{ "query-name", NULL, query_name, "NameInfo" },
	{ "query-uuid", NULL, query_uuid, "UuidInfo" },
	{ "query-kvm", NULL, query_kvm, "KvmInfo" },
	{ "query-machines", NULL, query_machines, "MachineInfoList" },
	{ "query-cpus-fast", NULL, query_cpus_fast, "CpuInfoFastList" },
	{ "stop", NULL, stop },
	{ "cont", NULL, cont },
	{ "system_reset", NULL, system_reset },
	{ "system_powerdown", NULL, system_powerdown },
	{ "quit", NULL, quit },
	{ "inject-nmi", NULL, inject_nmi },
	{ "human-monitor-command", human_args, human_monitor, "str" },
	{ "memsave", memsave_args, memsave },
	{ "pmemsave", pmemsave_args, pmemsave },
	{ NULL },
};
