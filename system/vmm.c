/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Building everything from the command line, the run states, the loop, the end. */
#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "accel/hvtlfs/component.h"
#include "backends/keyval.h"
#include "hv/partition.h"
#include "system/gdbstub.h"
#include "trace/log.h"
#include "vmm-internal.h"

/* ---- run state ---- */

const char *run_state_name(enum run_state s)
{
	static const char *const names[] = {
		[RUN_PRELAUNCH] = "prelaunch", [RUN_RUNNING] = "running", [RUN_PAUSED] = "paused",
		[RUN_SHUTDOWN] = "shutdown", [RUN_GUEST_PANICKED] = "guest-panicked",
		[RUN_DEBUG] = "debug",
	};

	return names[s];
}

void vmm_event(struct vmm *v, const char *name, JsonObject *data)
{
	gint64 now = g_get_real_time();
	JsonObject *o = json_object_new(), *t = json_object_new();
	JsonNode *n;

	json_object_set_int_member(t, "seconds", now / G_USEC_PER_SEC);
	json_object_set_int_member(t, "microseconds", now % G_USEC_PER_SEC);
	json_object_set_object_member(o, "timestamp", t);
	json_object_set_string_member(o, "event", name);
	if (data)
		json_object_set_object_member(o, "data", data);
	n = qmp_node(o);
	for (guint i = 0; i < v->qmp->len; i++)
		qmp_send_event(g_ptr_array_index(v->qmp, i), n);
	json_node_unref(n);
}

void vmm_stop(struct vmm *v, enum run_state why)
{
	bool ran = v->state == RUN_RUNNING;

	v->state = why;
	if (!ran)
		return;
	for (guint i = 0; i < v->guests->len; i++) {
		struct guest *g = g_ptr_array_index(v->guests, i);

		g->held = g->running;
		guest_halt(g);
	}
	vmm_event(v, "STOP", NULL);
}

static void run_all(struct vmm *v)
{
	v->state = RUN_RUNNING;
	for (guint i = 0; i < v->guests->len; i++) {
		struct guest *g = g_ptr_array_index(v->guests, i);

		if (g->held)
			guest_run(g);
	}
}

bool vmm_cont(struct vmm *v, GError **error)
{
	if (v->state == RUN_RUNNING)
		return true;
	if (v->state == RUN_SHUTDOWN || v->state == RUN_GUEST_PANICKED) {
		g_set_error(error, QMP_ERROR, QMP_GENERIC,
			    "Resetting the Virtual Machine is required: use system_reset");
		return false;
	}
	run_all(v);
	vmm_event(v, "RESUME", NULL);
	return true;
}

static JsonObject *cause(bool by_guest, const char *reason)
{
	JsonObject *o = json_object_new();

	json_object_set_boolean_member(o, "guest", by_guest);
	json_object_set_string_member(o, "reason", reason);
	return o;
}

void vmm_shutdown(struct vmm *v, bool by_guest, const char *reason, int code)
{
	if (v->quitting)
		return;
	vmm_event(v, "SHUTDOWN", cause(by_guest, reason));
	if (by_guest && v->options->no_shutdown) {
		vmm_stop(v, RUN_SHUTDOWN);
		return;
	}
	v->quitting = true;
	v->exit_code = code;
	g_main_loop_quit(v->loop);
}

void vmm_reset(struct vmm *v, bool by_guest, const char *reason)
{
	struct guest *root = vmm_root(v);
	bool ran = root->running;
	GError *error = NULL;

	if (v->options->no_reboot) {
		vmm_shutdown(v, by_guest, reason, 0);
		return;
	}
	guest_halt(root);
	if (!pc_reset(root->pc, &error)) {
		g_printerr("%s: reset failed: %s\n", v->options->program, error->message);
		g_error_free(error);
		vmm_shutdown(v, false, "host-error", 1);
		return;
	}
	vmm_event(v, "RESET", cause(by_guest, reason));
	if (v->state == RUN_SHUTDOWN || v->state == RUN_GUEST_PANICKED)
		v->state = RUN_PAUSED;
	if (ran)
		guest_run(root);
	else
		root->held = true;
}

void vmm_powerdown(struct vmm *v)
{
	vmm_event(v, "POWERDOWN", NULL);
	pc_power_button(vmm_root(v)->pc);
}

/* ---- signals and the user's way out ---- */

static gboolean on_signal(struct vmm *v, int number)
{
	g_printerr("%s: terminating on signal %d\n", v->options->program, number);
	vmm_shutdown(v, false, "host-signal", 0);
	return G_SOURCE_CONTINUE;
}

static gboolean on_int(gpointer v) { return on_signal(v, SIGINT); }
static gboolean on_term(gpointer v) { return on_signal(v, SIGTERM); }
static gboolean on_hup(gpointer v) { return on_signal(v, SIGHUP); }

static void watch_signal(struct vmm *v, int number, GSourceFunc f)
{
	GSource *s = g_unix_signal_source_new(number);

	g_source_set_callback(s, f, v, NULL);
	g_source_attach(s, v->context);
	g_source_unref(s);
}

static void on_mux_quit(void *o)
{
	vmm_shutdown(o, false, "host-ui", 0);
}

/* ---- building ---- */

static bool start_log(const struct options *o, GError **error)
{
	const char *unknown = o->log_items ? log_set_items(o->log_items) : NULL;
	int err;

	if (unknown) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "-d %s: unknown item '%.*s'; -d help lists them", o->log_items,
			    (int)strcspn(unknown, ","), unknown);
		return false;
	}
	err = o->log_file ? log_set_file(o->log_file) : 0;
	if (err)
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "-D %s: %s", o->log_file,
			    g_strerror(-err));
	return !err;
}

static bool write_pid(struct vmm *v, GError **error)
{
	const struct options *o = v->options;
	GError *e = NULL;
	char text[32];

	if (!o->pidfile)
		return true;
	g_snprintf(text, sizeof text, "%ld\n", (long)getpid());
	v->pid_written = g_file_set_contents(o->pidfile, text, -1, &e);
	if (v->pid_written)
		return true;
	/* GLib's sentence names a temporary file before the reason. */
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "-pidfile %s: %s", o->pidfile,
		    strrchr(e->message, ':') ? strrchr(e->message, ':') + 2 : e->message);
	g_error_free(e);
	return false;
}

static bool add_hmp(struct vmm *v, struct chardev *c, GError **error)
{
	struct hmp *h = hmp_new(v, c, error);

	if (h)
		g_ptr_array_add(v->hmp, h);
	return h;
}

static bool add_qmp(struct vmm *v, struct chardev *c, bool pretty, GError **error)
{
	struct qmp *q = qmp_new(v, c, pretty, error);

	if (q)
		g_ptr_array_add(v->qmp, q);
	return q;
}

enum monitor_kind { MONITOR_HMP, MONITOR_QMP, MONITOR_QMP_PRETTY };

static bool monitor_at(struct vmm *v, const char *option, const char *spec, enum monitor_kind kind, GError **error)
{
	char *id = g_strdup_printf("compat_monitor%u", v->hmp->len + v->qmp->len);
	GError *e = NULL;
	struct chardev *c = chardev_new_legacy(v->chardevs, id, spec, &e);

	g_free(id);
	if (c && kind == MONITOR_HMP)
		add_hmp(v, c, &e);
	else if (c)
		add_qmp(v, c, kind == MONITOR_QMP_PRETTY, &e);
	if (!e)
		return true;
	g_propagate_prefixed_error(error, e, "%s %s: ", option, spec);
	return false;
}

static bool monitor_of(struct vmm *v, const char *spec, GError **error)
{
	static const char *const known[] = { "chardev", "mode", "pretty", NULL };
	struct keyval *kv = keyval_parse(spec, "chardev");
	const char *id = keyval_get(kv, "chardev"), *mode = keyval_get(kv, "mode");
	struct chardev *c = id ? chardev_find(v->chardevs, id) : NULL;
	bool pretty, ok;

	ok = keyval_check(kv, known, error) && keyval_bool(kv, "pretty", false, &pretty, error);
	if (ok && !c) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "chardev \"%s\" not found",
			    id ? id : "");
		ok = false;
	} else if (ok && (!mode || !strcmp(mode, "readline"))) {
		ok = add_hmp(v, c, error);
	} else if (ok && !strcmp(mode, "control")) {
		ok = add_qmp(v, c, pretty, error);
	} else if (ok) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "unknown monitor mode \"%s\"; use readline or control", mode);
		ok = false;
	}
	keyval_free(kv);
	if (!ok)
		g_prefix_error(error, "-mon %s: ", spec);
	return ok;
}

static bool make_chardevs(struct vmm *v, GError **error)
{
	for (guint i = 0; i < v->options->chardev->len; i++) {
		const char *spec = g_ptr_array_index(v->options->chardev, i);

		if (!chardev_new(v->chardevs, spec, error)) {
			g_prefix_error(error, "-chardev %s: ", spec);
			return false;
		}
	}
	return true;
}

/* -nographic puts what nobody placed elsewhere on standard input and output. */
static void default_places(struct options *o)
{
	bool serial = !o->serial->len && !o->nodefaults;
	bool monitor = !o->monitor->len && !o->qmp->len && !o->qmp_pretty->len && !o->mon->len && !o->nodefaults;

	if (!o->nographic)
		return;
	if (serial)
		g_ptr_array_add(o->serial, g_strdup(monitor ? "mon:stdio" : "stdio"));
	else if (monitor)
		g_ptr_array_add(o->monitor, g_strdup("stdio"));
}

static bool monitors_at(struct vmm *v, const char *option, GPtrArray *specs, enum monitor_kind kind, GError **error)
{
	for (guint i = 0; i < specs->len; i++) {
		if (!monitor_at(v, option, g_ptr_array_index(specs, i), kind, error))
			return false;
	}
	return true;
}

static bool make_monitors(struct vmm *v, GError **error)
{
	const struct options *o = v->options;

	for (guint i = 0; i < o->mon->len; i++) {
		if (!monitor_of(v, g_ptr_array_index(o->mon, i), error))
			return false;
	}
	return monitors_at(v, "-monitor", o->monitor, MONITOR_HMP, error) &&
	       monitors_at(v, "-qmp", o->qmp, MONITOR_QMP, error) &&
	       monitors_at(v, "-qmp-pretty", o->qmp_pretty, MONITOR_QMP_PRETTY, error);
}

static bool make_serial(struct vmm *v, unsigned i, struct chardev **to, GError **error)
{
	const char *spec = g_ptr_array_index(v->options->serial, i);
	char id[16];
	GError *e = NULL;

	g_snprintf(id, sizeof id, "serial%u", i);
	*to = chardev_new_legacy(v->chardevs, id, spec, &e);
	/* The monitor first: on a mux the port, attached last, has the focus. */
	if (!e && *to && g_str_has_prefix(spec, "mon:"))
		add_hmp(v, *to, &e);
	if (!e)
		return true;
	g_propagate_prefixed_error(error, e, "-serial %s: ", spec);
	return false;
}

static bool make_serials(struct vmm *v, struct pc_config *c, GError **error)
{
	GPtrArray *specs = v->options->serial;

	if (specs->len > PC_SERIAL_MAX) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "-serial: at most %d serial ports", PC_SERIAL_MAX);
		return false;
	}
	for (unsigned i = 0; i < specs->len; i++) {
		if (!make_serial(v, i, &c->serial[i], error))
			return false;
	}
	return true;
}

/* Memory of the whole machine if nobody said: the first partition's, and what the host can give. */
static uint64_t choose_memory(const struct options *o)
{
	const uint64_t most = UINT64_C(32) << 30;
	uint64_t available = 0;
	char *text, *at;

	if (o->hv_memory)
		return o->hv_memory;
	if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
		at = strstr(text, "MemAvailable:");
		if (at)
			available = g_ascii_strtoull(at + 13, NULL, 10) << 10;
		g_free(text);
	}
	return (o->memory + MIN(available, most) + (16 << 20)) & ~UINT64_C(4095);
}

/* The TSC runs as the host's does: another frequency would be a lie. */
static bool check_tsc(struct x86_model *m, uint64_t hz, GError **error)
{
	const uint64_t tolerance = hz / 4000;     /* 250 parts in a million, as migrations between hosts have it */

	if (!m->tsc_hz)
		return true;
	if (m->tsc_hz < hz - tolerance || m->tsc_hz > hz + tolerance) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "-cpu: tsc-frequency=%" PRIu64 ": the TSC runs at this host's %" PRIu64
			    " Hz; give that or leave it out", m->tsc_hz, hz);
		return false;
	}
	m->tsc_hz = hz;
	return true;
}

/* Facilities that fit together and the model; NULL with an error. */
static struct x86_model *make_model(const char *cpu, struct hv_features *f, GError **error)
{
	struct x86_model *m = x86_model_parse(cpu, hv_cpu_option, f, error);
	bool good = m && hv_features_settle(f, error);

	/* A guest that asks for it by the MSR takes the bit in CPUID for granted. */
	if (good && f->privileges & HV_ACCESS_TSC_INVARIANT && !x86_model_has(m, F_INVTSC)) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "hv-invtsc requires invtsc of the processor model");
		good = false;
	}
	if (good)
		return m;
	x86_model_free(m);
	return NULL;
}

static bool make_hypervisor(struct vmm *v, GError **error)
{
	const struct options *o = v->options;
	struct hv_config c = { .memory = choose_memory(o), .engine = o->engine, .engine_options = &o->engine_options };

	hv_features_init(&v->features);
	v->model = make_model(o->cpu, &v->features, error);
	if (!v->model) {
		if (error && !g_str_has_prefix((*error)->message, "-cpu"))
			g_prefix_error(error, "-cpu %s: ", o->cpu);
		return false;
	}
	if (o->accel == ACCEL_QTEST)
		return true;
	if (o->engine_lacks)
		fprintf(stderr, "%s: this host lacks %s: instructions are interpreted, not translated\n", o->program, o->engine_lacks);
	v->hv = hv_new(&c, error);
	if (!v->hv)
		return false;
	hv_set_call_slice(v->hv, o->call_slice);
	hv_set_root_scheduler(v->hv, o->root_scheduler);
	return check_tsc(v->model, hv_tsc_hz(v->hv), error);
}

/* As it stands, or in one of the -L folders. */
static char *find_firmware(const struct options *o)
{
	if (!o->bios || g_file_test(o->bios, G_FILE_TEST_EXISTS))
		return g_strdup(o->bios);
	for (guint i = 0; i < o->firmware_dirs->len; i++) {
		char *path = g_build_filename(g_ptr_array_index(o->firmware_dirs, i), o->bios, NULL);

		if (g_file_test(path, G_FILE_TEST_EXISTS))
			return path;
		g_free(path);
	}
	return g_strdup(o->bios);
}

static bool make_root(struct vmm *v, GError **error)
{
	const struct options *o = v->options;
	char *firmware = find_firmware(o);
	struct hv_features features = v->features;
	struct pc_config c = {
		.name = "root", .hv = v->hv, .model = v->model, .features = &features, .memory = o->memory,
		.allow_empty = o->qtest != NULL,
		.vps = o->cpus, .max_vps = o->max_cpus, .topology = { o->cores, o->threads },
		.kernel = o->kernel, .initrd = o->initrd, .cmdline = o->append, .firmware = firmware,
	};
	bool ok;

	hv_features_role(&features, o->role);
	ok = (o->role != HV_ROLE_ROOT || hv_launch_check(v->model, error)) && make_serials(v, &c, error) && guest_add(v, "root", &c, error);
	if (ok)
		vmm_root(v)->held = true;
	g_free(firmware);
	return ok;
}

static bool make_qtest(struct vmm *v, GError **error)
{
	const struct options *o = v->options;
	GError *e = NULL;
	struct chardev *c;

	if (!o->qtest)
		return true;
	c = chardev_new_legacy(v->chardevs, "qtest", o->qtest, &e);
	if (c)
		v->qtest = qtest_new(v, c, o->qtest_log, &e);
	if (!e)
		return true;
	g_propagate_prefixed_error(error, e, "-qtest %s: ", o->qtest);
	return false;
}

static bool make_gdb(struct vmm *v, GError **error)
{
	if (!v->options->gdb || !strcmp(v->options->gdb, "none"))
		return true;
	if (gdbstub_start(v, v->options->gdb, error))
		return true;
	g_prefix_error(error, "-gdb %s: ", v->options->gdb);
	return false;
}

static bool build(struct vmm *v, GError **error)
{
	default_places(v->options);
	return start_log(v->options, error) && write_pid(v, error) && make_chardevs(v, error) &&
	       make_hypervisor(v, error) && make_monitors(v, error) && make_root(v, error) &&
	       creation_run(v, error) && make_gdb(v, error) && make_qtest(v, error);
}

/* ---- life ---- */

static struct vmm *vmm_new(struct options *o)
{
	struct vmm *v = g_new0(struct vmm, 1);

	v->options = o;
	v->context = g_main_context_ref(g_main_context_default());
	v->loop = g_main_loop_new(v->context, FALSE);
	v->chardevs = chardev_set_new(v->context);
	v->tree = hvt_container_new();
	v->guests = g_ptr_array_new();
	v->qmp = g_ptr_array_new();
	v->hmp = g_ptr_array_new();
	v->state = RUN_PRELAUNCH;
	chardev_set_on_quit(v->chardevs, on_mux_quit, v);
	return v;
}

static void vmm_free(struct vmm *v)
{
	if (v->gdb)
		gdbstub_stop(v);
	if (v->qtest)
		qtest_free(v->qtest);
	/* Monitors first: on a mux they would be given the focus of the ports that go. */
	while (v->qmp->len)
		qmp_free(g_ptr_array_steal_index(v->qmp, v->qmp->len - 1));
	while (v->hmp->len)
		hmp_free(g_ptr_array_steal_index(v->hmp, v->hmp->len - 1));
	while (v->guests->len)
		guest_free(g_ptr_array_index(v->guests, v->guests->len - 1));
	if (v->hv)
		hv_free(v->hv);
	chardev_set_free(v->chardevs);
	if (v->model)
		x86_model_free(v->model);
	if (v->pid_written)
		g_unlink(v->options->pidfile);
	g_object_unref(v->tree);
	g_ptr_array_free(v->guests, TRUE);
	g_ptr_array_free(v->qmp, TRUE);
	g_ptr_array_free(v->hmp, TRUE);
	g_main_loop_unref(v->loop);
	g_main_context_unref(v->context);
	options_free(v->options);
	g_free(v);
}

static void complain(const struct options *o, const GError *error)
{
	GDateTime *now = o->timestamps ? g_date_time_new_now_utc() : NULL;
	char *stamp = now ? g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ ") : g_strdup("");

	fprintf(stderr, "%s%s: %s\n", stamp, o->program, error->message);
	g_free(stamp);
	g_clear_pointer(&now, g_date_time_unref);
}

static int run(struct vmm *v)
{
	watch_signal(v, SIGINT, on_int);
	watch_signal(v, SIGTERM, on_term);
	watch_signal(v, SIGHUP, on_hup);
	/* With nothing to boot it is a tool's, by qtest, to fill and start. */
	if (!v->options->stopped && (!v->hv || v->options->kernel || v->options->bios))
		run_all(v);
	/* A guest may have ended before the loop began. */
	if (!v->quitting)
		g_main_loop_run(v->loop);
	return v->exit_code;
}

int vmm_main(int argc, char **argv)
{
	GError *error = NULL;
	struct options *o = options_parse(argc, argv, stdout, &error);
	struct vmm *v;
	bool done = o->done;
	int code = 1;

	if (!error && !done)
		creation_help(o, stdout, &done, &error);
	if (error || done) {
		if (error)
			complain(o, error);
		code = error != NULL;
		g_clear_error(&error);
		options_free(o);
		return code;
	}
	v = vmm_new(o);
	if (build(v, &error))
		code = run(v);
	else
		complain(o, error);
	g_clear_error(&error);
	vmm_free(v);
	return code;
}
