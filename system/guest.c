/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions as the user sees them: made, started, suspended, resumed, deleted; what they ask for. */
#include <inttypes.h>
#include <string.h>

#include "accel/hvtlfs/crash.h"
#include "vmm-internal.h"

enum { CRASHES_SHOWN = 8 };   /* of each partition: a guest must not flood the terminal */

/* ---- requests of guests ---- */

struct request {
	struct vmm *vmm;
	struct guest *guest;      /* only compared: it may be gone */
	struct pc *pc;
	char what[16];
};

static struct guest *still_there(const struct request *r)
{
	guint i;

	if (!g_ptr_array_find(r->vmm->guests, r->guest, &i) || r->guest->pc != r->pc)
		return NULL;
	return r->guest;
}

static void end_child(struct guest *g, enum partition_state state)
{
	guest_halt(g);
	partition_set_stopped(pc_partition(g->pc), state);
	g->ended = true;
	g->held = false;
	guest_announce(g);
}

static void child_request(struct guest *g, const char *what)
{
	GError *error = NULL;

	if (!strcmp(what, "crash")) {
		end_child(g, PARTITION_CRASHED);
	} else if (strcmp(what, "reset")) {
		end_child(g, PARTITION_SHUT_DOWN);
	} else {
		bool ran = g->running;

		guest_halt(g);
		if (!pc_reset(g->pc, &error)) {
			g_printerr("partition '%s' cannot be reset: %s\n", g->id, error->message);
			g_error_free(error);
			end_child(g, PARTITION_CRASHED);
		} else if (ran) {
			guest_run(g);
		}
	}
}

static void panicked(struct vmm *v, const char *action)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "action", action);
	vmm_event(v, "GUEST_PANICKED", o);
}

/* What the guest itself says; the first few also on the emulator's standard error. */
static void tell_crash(struct vmm *v, struct guest *g, const char *action)
{
	JsonObject *o = json_object_new(), *info = json_object_new();
	struct hv_crash *c = g_new0(struct hv_crash, 1);
	const uint64_t *p = c->parameter;

	partition_crash(pc_partition(g->pc), c);
	json_object_set_string_member(info, "type", "hyper-v");
	for (unsigned i = 0; i < HV_CRASH_PARAMETERS; i++) {
		char name[8];

		g_snprintf(name, sizeof name, "arg%u", i + 1);
		json_object_set_int_member(info, name, (gint64)p[i]);
	}
	if (c->message[0])
		json_object_set_string_member(info, "message", c->message);
	json_object_set_string_member(o, "action", action);
	json_object_set_object_member(o, "info", info);
	if (g != vmm_root(v))
		json_object_set_string_member(o, "id", g->id);
	if (g->crashes++ < CRASHES_SHOWN)
		g_printerr("%s: partition '%s' crashed: %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " %#" PRIx64 "%s%s\n",
			   v->options->program, g->id, p[0], p[1], p[2], p[3], p[4], c->message[0] ? "\n" : "", c->message);
	vmm_event(v, "GUEST_PANICKED", o);
	g_free(c);
}

/* -action panic=...: as QEMU does it, which by default ends.  A child's crash is its own affair. */
static void guest_crashed(struct vmm *v, struct guest *g)
{
	const char *panic = v->options->panic ? v->options->panic : "shutdown";
	bool fails = !strcmp(panic, "exit-failure"), ends = fails || !strcmp(panic, "shutdown");

	if (g != vmm_root(v) || !strcmp(panic, "none")) {
		tell_crash(v, g, "run");
		if (g->running)
			partition_resume(pc_partition(g->pc));
	} else if (ends && !v->options->no_shutdown) {
		tell_crash(v, g, "poweroff");
		vmm_shutdown(v, true, "guest-panic", fails);
	} else {
		tell_crash(v, g, "pause");
		vmm_stop(v, RUN_GUEST_PANICKED);
	}
}

static void root_crashed(struct vmm *v)
{
	g_printerr("%s: the first partition crashed\n", v->options->program);
	panicked(v, v->options->no_shutdown ? "pause" : "poweroff");
	if (v->options->no_shutdown)
		vmm_stop(v, RUN_GUEST_PANICKED);
	else
		vmm_shutdown(v, true, "guest-panic", 1);
}

static void root_request(struct vmm *v, struct guest *g, const char *what)
{
	if (!strcmp(what, "reset"))
		vmm_reset(v, true, "guest-reset");
	else if (!strcmp(what, "shutdown"))
		vmm_shutdown(v, true, "guest-shutdown", 0);
	else if (!strcmp(what, "exit"))
		vmm_shutdown(v, true, "guest-shutdown", pc_exit_code(g->pc));
	else
		root_crashed(v);
}

static gboolean handle(gpointer data)
{
	struct request *r = data;
	struct guest *g = still_there(r);
	struct vmm *v = r->vmm;

	if (!g || v->quitting)
		return G_SOURCE_REMOVE;
	if (!strcmp(r->what, "debug")) {
		if (v->on_debug)
			v->on_debug(v, g);
		else
			vmm_stop(v, RUN_DEBUG);
	} else if (!strcmp(r->what, "panic")) {
		guest_crashed(v, g);
	} else if (!strcmp(r->what, "broken")) {
		vmm_shutdown(v, false, "host-error", 1);
	} else if (g == vmm_root(v)) {
		root_request(v, g, r->what);
	} else {
		child_request(g, r->what);
	}
	return G_SOURCE_REMOVE;
}

/* Any thread. */
static void request(void *o, struct pc *pc, const char *what)
{
	struct guest *g = o;
	struct request *r = g_new0(struct request, 1);
	GSource *s = g_idle_source_new();

	r->vmm = g->vmm;
	r->guest = g;
	r->pc = pc;
	g_strlcpy(r->what, what, sizeof r->what);
	g_source_set_priority(s, G_PRIORITY_DEFAULT);
	g_source_set_callback(s, handle, r, g_free);
	g_source_attach(s, g->vmm->context);
	g_source_unref(s);
}

/* ---- life ---- */

/* /machine/partition[0]/vp[1] ...; without a processor the machine itself is /machine. */
static void grow_tree(struct vmm *v, struct guest *g)
{
	struct partition *p = pc_partition(g->pc);
	HvtObject *machine = hvt_object_resolve(v->tree, "/machine", NULL);

	if (!p) {
		hvt_object_add_child(v->tree, "machine", pc_machine(g->pc)->object);
		return;
	}
	if (!machine) {
		machine = hvt_container_new();
		hvt_object_add_child(v->tree, "machine", machine);
		g_object_unref(machine);
	}
	hvt_object_add_child(machine, "partition[*]", partition_object(p));
}

/* For devices with a chardev= property. */
static struct chardev *find_chardev(void *o, const char *id)
{
	return chardev_find(o, id);
}

struct guest *guest_add(struct vmm *v, const char *id, struct pc_config *config, GError **error)
{
	struct guest *g = g_new0(struct guest, 1);

	g->vmm = v;
	g->id = g_strdup(id);
	config->request = request;
	config->opaque = g;
	g->pc = pc_new(config, error);
	if (!g->pc) {
		g_free(g->id);
		g_free(g);
		return NULL;
	}
	pc_machine(g->pc)->chardev_find = find_chardev;
	pc_machine(g->pc)->chardev_opaque = v->chardevs;
	grow_tree(v, g);
	g_ptr_array_add(v->guests, g);
	return g;
}

void guest_free(struct guest *g)
{
	struct partition *p = pc_partition(g->pc);

	guest_halt(g);
	g_ptr_array_remove(g->vmm->guests, g);
	if (p)
		hvt_object_unparent(partition_object(p));
	pc_free(g->pc);
	g_free(g->id);
	g_free(g);
}

void guest_run(struct guest *g)
{
	if (g->running)
		return;
	g->running = true;
	g->held = false;
	pc_start(g->pc);
}

void guest_halt(struct guest *g)
{
	if (g->running)
		pc_stop(g->pc);
	g->running = false;
}

const char *guest_state(struct guest *g)
{
	struct partition *p = pc_partition(g->pc);

	return partition_state_name(p ? partition_state(p) : PARTITION_CREATED);
}

void guest_announce(struct guest *g)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "id", g->id);
	json_object_set_string_member(o, "state", guest_state(g));
	vmm_event(g->vmm, "HV_PARTITION_STATE_CHANGED", o);
}

/* ---- what hv-partition-* do ---- */

static bool fail(GError **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(GError **error, const char *format, ...)
{
	va_list ap;
	char *m;

	va_start(ap, format);
	m = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, QMP_ERROR, QMP_GENERIC, m);
	g_free(m);
	return false;
}

struct guest *vmm_root(struct vmm *v)
{
	return v->guests->len ? g_ptr_array_index(v->guests, 0) : NULL;
}

struct guest *vmm_guest(struct vmm *v, const char *id)
{
	for (guint i = 0; i < v->guests->len; i++) {
		struct guest *g = g_ptr_array_index(v->guests, i);

		if (!strcmp(g->id, id))
			return g;
	}
	return NULL;
}

struct guest *guest_need(struct vmm *v, const char *id, GError **error)
{
	struct guest *g = vmm_guest(v, id);

	if (!g)
		g_set_error(error, QMP_ERROR, QMP_DEVICE_NOT_FOUND,
			    "Partition '%s' not found; query-hv-partitions lists them", id);
	return g;
}

static bool good_id(const char *id)
{
	const char *p = id;

	while (g_ascii_isalnum(*p) || (p != id && *p && strchr("-._", *p)))
		p++;
	return p != id && !*p && p - id <= 64;
}

static bool check_config(struct vmm *v, const struct guest_config *c, GError **error)
{
	if (!v->hv)
		return fail(error, "There are no partitions under -accel qtest");
	if (!good_id(c->id))
		return fail(error, "Parameter 'id' expects up to 64 letters, digits, '-', '.', '_', not '%s'", c->id);
	if (vmm_guest(v, c->id))
		return fail(error, "Partition '%s' exists already", c->id);
	if (c->memory < 1 << 20 || c->memory % HV_PAGE_SIZE)
		return fail(error, "Parameter 'memory' expects bytes, 1048576 at least and a multiple of 4096");
	if (c->memory > hv_memory_free(v->hv))
		return fail(error, "Partition '%s' asks for %" PRIu64 " MiB, the machine has %" PRIu64 " MiB left: "
			    "ask for less or give the emulator more with -accel hvtlfs,memory=SIZE", c->id,
			    c->memory >> 20, hv_memory_free(v->hv) >> 20);
	if (c->vcpus < 1 || c->vcpus > 64)
		return fail(error, "Parameter 'vcpus' expects a number from 1 to 64");
	/* Under qtest a partition may start empty. */
	if (!c->kernel && (c->initrd || c->cmdline || !v->qtest))
		return fail(error, "Parameter 'kernel' is missing");
	if (c->console && !chardev_find(v->chardevs, c->console))
		return fail(error, "Chardev '%s' not found; chardev-add makes one", c->console);
	return true;
}

struct guest *vmm_guest_new(struct vmm *v, const struct guest_config *c, GError **error)
{
	struct pc_config pc = {
		.name = c->id, .hv = v->hv, .model = v->model, .features = &v->features, .memory = c->memory,
		.allow_empty = v->qtest != NULL,
		.vps = c->vcpus, .max_vps = c->vcpus,
		.kernel = c->kernel, .initrd = c->initrd, .cmdline = c->cmdline,
	};
	struct guest *g;

	if (!check_config(v, c, error))
		return NULL;
	pc.parent = pc_partition(vmm_root(v)->pc);
	if (c->console)
		pc.serial[0] = chardev_find(v->chardevs, c->console);
	g = guest_add(v, c->id, &pc, error);
	if (g)
		guest_announce(g);
	return g;
}

/* The whole machine is stopped: the guest starts with it. */
static void run_or_hold(struct guest *g)
{
	if (g->vmm->state == RUN_RUNNING)
		guest_run(g);
	else
		g->held = true;
	guest_announce(g);
}

bool vmm_guest_start(struct vmm *v, const char *id, GError **error)
{
	struct guest *g = guest_need(v, id, error);

	if (!g)
		return false;
	if (partition_state(pc_partition(g->pc)) != PARTITION_CREATED || g->held)
		return fail(error, "Partition '%s' is %s; only a created one can be started", id,
			    g->held ? "started" : guest_state(g));
	run_or_hold(g);
	return true;
}

bool vmm_guest_suspend(struct vmm *v, const char *id, GError **error)
{
	struct guest *g = guest_need(v, id, error);

	if (!g)
		return false;
	if (!g->running && !g->held)
		return fail(error, "Partition '%s' is %s, not running", id, guest_state(g));
	g->held = false;
	guest_halt(g);
	guest_announce(g);
	return true;
}

bool vmm_guest_resume(struct vmm *v, const char *id, GError **error)
{
	struct guest *g = guest_need(v, id, error);

	if (!g)
		return false;
	if (partition_state(pc_partition(g->pc)) != PARTITION_SUSPENDED || g->held || g->ended)
		return fail(error, "Partition '%s' is %s, not suspended", id,
			    g->held ? "resumed" : guest_state(g));
	run_or_hold(g);
	return true;
}

static void announce_deleted(struct vmm *v, const char *id)
{
	JsonObject *o = json_object_new();

	json_object_set_string_member(o, "id", id);
	json_object_set_string_member(o, "state", partition_state_name(PARTITION_DELETED));
	vmm_event(v, "HV_PARTITION_STATE_CHANGED", o);
}

bool vmm_guest_delete(struct vmm *v, const char *id, GError **error)
{
	struct guest *g = guest_need(v, id, error);
	char *name;

	if (!g)
		return false;
	if (g == vmm_root(v))
		return fail(error, "Partition 'root' cannot be deleted; 'quit' ends the emulator");
	if (g->running || g->held)
		return fail(error, "Partition '%s' is running; suspend it first with hv-partition-suspend", id);
	name = g_strdup(id);
	guest_free(g);
	announce_deleted(v, name);
	g_free(name);
	return true;
}

struct vp *vmm_vp(struct vmm *v, unsigned index)
{
	for (guint i = 0; i < v->guests->len; i++) {
		struct partition *p = pc_partition(((struct guest *)g_ptr_array_index(v->guests, i))->pc);
		unsigned n = p ? partition_vp_count(p) : 0;

		if (index < n)
			return partition_vp(p, index);
		index -= n;
	}
	return NULL;
}
