/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: one row per option.  QEMU's spelling and meaning; what QEMU
 * has and we have not is a row of absent[], with the way out.
 */
#include "options.h"

#include <stddef.h>
#include <inttypes.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "accel/hvtlfs/hv.h"
#include "accel/hvtlfs/mutant.h"
#include "backends/chardev.h"
#include "backends/keyval.h"
#include "target/i386/model.h"
#include "trace/log.h"

enum { VPS_MAX = 64, MIB = 1 << 20, MEMORY_DEFAULT = 128 * MIB };

enum option_kind { FLAG, TEXT, LIST, CALL };

struct option {
	const char *name;
	const char *arg;            /* NULL: takes none */
	const char *help;           /* NULL: another spelling of the row above */
	enum option_kind kind;
	size_t offset;              /* of bool, char * or GPtrArray * in struct options */
	bool (*set)(struct options *o, const char *arg, FILE *out, GError **error);
};

static bool bad(GError **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool bad(GError **error, const char *format, ...)
{
	va_list ap;
	char *m;

	va_start(ap, format);
	m = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, m);
	g_free(m);
	return false;
}

static void put_text(char **to, const char *text)
{
	g_free(*to);
	*to = g_strdup(text);
}

/* A property that may only have the value we are built with. */
struct fixed {
	const char *key;
	const char *values;    /* separated by spaces; NULL: any */
};

static bool check_fixed(const struct keyval *kv, const struct fixed *f, const char *const *own,
			GError **error)
{
	for (unsigned i = 0; i < keyval_count(kv); i++) {
		const char *key = keyval_key(kv, i), *value = keyval_value(kv, i);
		const struct fixed *row = f;
		char **allowed;
		bool ok;

		if (own && g_strv_contains(own, key))
			continue;
		while (row->key && strcmp(row->key, key))
			row++;
		if (!row->key)
			return bad(error, "Invalid parameter '%s'; it is not offered here, leave it out", key);
		allowed = g_strsplit(row->values ? row->values : value, " ", -1);
		ok = g_strv_contains((const char *const *)allowed, value);
		g_strfreev(allowed);
		if (!ok)
			return bad(error, "%s=%s is not offered here; what is: %s", key, value, row->values);
	}
	return true;
}

/* ---- accelerator, machine, processor ---- */

static bool accel_named(struct options *o, const char *name)
{
	if (!strcmp(name, "hvtlfs"))
		o->accel = ACCEL_HVTLFS;
	else if (!strcmp(name, "qtest"))
		o->accel = ACCEL_QTEST;
	else
		return false;
	return true;
}

/* @key as a number from @min to @max into *@to, which stays if it is not given. */
static bool set_bounded(const struct keyval *kv, const char *key, uint64_t min, uint64_t max, const char *unit,
			uint32_t *to, GError **error)
{
	uint64_t v;

	if (!keyval_uint(kv, key, *to, &v, error))
		return false;
	if (keyval_get(kv, key) && (v < min || v > max))
		return bad(error, "%s=%s: %" PRIu64 " to %" PRIu64 "%s", key, keyval_get(kv, key), min, max, unit);
	*to = (uint32_t)v;
	return true;
}

static bool set_engine_options(struct options *o, const struct keyval *kv, GError **error)
{
	static const char *const translator[] = { "tb-size", "check", "perf-map" };
	struct engine_options *e = &o->engine_options;

	if (!set_bounded(kv, "tb-size", ENGINE_CACHE_MIN, ENGINE_CACHE_MAX, " (MiB for each processor)", &e->cache_mib, error) ||
	    !set_bounded(kv, "check", 0, UINT32_MAX >> 1, " (0: never)", &e->check, error) ||
	    !keyval_bool(kv, "perf-map", e->perf_map, &e->perf_map, error))
		return false;
	if (!o->engine || !strcmp(o->engine, "jit"))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(translator); i++) {
		if (keyval_get(kv, translator[i]))
			return bad(error, "%s: engine=%s does not translate; use engine=jit", translator[i], o->engine);
	}
	return true;
}

static bool set_engine(struct options *o, const struct keyval *kv, FILE *out, GError **error)
{
	const char *engine = keyval_get(kv, "engine");
	char *list;

	if (!engine)
		return true;
	if (!strcmp(engine, "help") || !strcmp(engine, "?")) {
		for (const char *const *n = engine_names; *n; n++)
			fprintf(out, "%s\n", *n);
		o->done = true;
		return true;
	}
	if (engine_find(engine)) {
		put_text(&o->engine, engine);
		return true;
	}
	list = g_strjoinv(", ", (char **)engine_names);
	bad(error, "engine '%s' does not exist; there are: %s", engine, list);
	g_free(list);
	return false;
}

static bool set_role(struct options *o, const struct keyval *kv, GError **error)
{
	const char *role = keyval_get(kv, "role");

	if (!role || hv_role_named(role, &o->role))
		return true;
	return bad(error, "role=%s: guest, host or root", role);
}

static bool set_scheduler(struct options *o, const struct keyval *kv, GError **error)
{
	const char *scheduler = keyval_get(kv, "scheduler");

	if (scheduler && strcmp(scheduler, "classic") && strcmp(scheduler, "root"))
		return bad(error, "scheduler=%s: classic or root", scheduler);
	o->root_scheduler = !g_strcmp0(scheduler, "root");
	if (o->root_scheduler && o->role != HV_ROLE_ROOT)
		return bad(error, "scheduler=root: only a root can schedule; say role=root as well");
	return true;
}

static void accel_help(FILE *out)
{
	fprintf(out, "Accelerators supported in QEMU binary:\n"
		     "hvtlfs   the hypervisor with its own x64 processor\n"
		     "         engine=NAME     what runs instructions; engine=help lists them, the fastest first\n"
		     "         memory=SIZE     of the whole machine: all partitions\n"
		     "         role=guest|host|root what the first partition is: host may create partitions by hypercalls, root\n"
		     "                         manages the processors and interrupts of the machine as well\n"
		     "         scheduler=classic|root  whether VPs of partitions that a root makes run by themselves or while the root\n"
		     "                         dispatches them (HvDispatchVp)\n"
		     "         call-slice=NS   after which a hypercall with a list lets interrupts in; default %u, 0: after each element\n"
		     "         tb-size=MIB     jit: translated code of each processor, %d to %d, default %d\n"
		     "         check=N         jit: every N-th block is run by the interpreter too; a difference ends the emulator\n"
		     "         perf-map=on|off jit: names of blocks for perf in /tmp/perf-PID.map\n"
		     "qtest    no processor: devices are driven by -qtest\n",
		HV_CALL_SLICE_NS, ENGINE_CACHE_MIN, ENGINE_CACHE_MAX, ENGINE_CACHE_DEFAULT);
}

static bool set_accel(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const char *const known[] = { "accel", "engine", "memory", "role", "scheduler", "call-slice", "tb-size", "check", "perf-map", NULL };
	struct keyval *kv;
	const char *name;
	bool ok;

	if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
		accel_help(out);
		o->done = true;
		return true;
	}
	kv = keyval_parse(arg, "accel");
	name = keyval_get(kv, "accel");
	if (!name || !accel_named(o, name))
		ok = bad(error, "invalid accelerator %s; use hvtlfs or qtest", name ? name : "");
	else
		ok = keyval_check(kv, known, error) && set_engine(o, kv, out, error) && set_engine_options(o, kv, error) &&
		     set_role(o, kv, error) && set_scheduler(o, kv, error) &&
		     set_bounded(kv, "call-slice", 0, UINT32_MAX, " (ns)", &o->call_slice, error) &&
		     keyval_size(kv, "memory", o->hv_memory, MIB, &o->hv_memory, error);
	keyval_free(kv);
	return ok;
}

/* accel=A:B takes the first that exists. */
static bool machine_accel(struct options *o, const char *list, GError **error)
{
	char **names = g_strsplit(list, ":", -1);
	bool ok = false;

	for (char **n = names; *n && !ok; n++)
		ok = accel_named(o, *n);
	g_strfreev(names);
	return ok || bad(error, "invalid accelerator %s; use hvtlfs or qtest", list);
}

static bool set_machine(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const struct fixed fixed[] = {
		{ "kernel-irqchip", "off" }, { "graphics", "off" }, { "usb", "off" }, { "smm", "off" },
		{ "hpet", "off" }, { "acpi", "on" }, { "vmport", "off auto" }, { "dump-guest-core", NULL },
		{ "mem-merge", NULL }, { "nvdimm", "off" }, { "igd-passthru", "off" }, { "pit", "on" },
		{ "pic", "on" }, { "sata", "off" }, { "smbus", "off" }, { NULL },
	};
	static const char *const own[] = { "type", "accel", NULL };
	struct keyval *kv;
	const char *type, *accel;
	bool ok = true;

	if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
		fprintf(out, "Supported machines are:\npc                   PC with ACPI (default)\n");
		o->done = true;
		return true;
	}
	kv = keyval_parse(arg, "type");
	type = keyval_get(kv, "type");
	accel = keyval_get(kv, "accel");
	if (type && strcmp(type, "pc"))
		ok = bad(error, "unsupported machine type '%s'; use -machine help to list supported machines",
			 type);
	ok = ok && check_fixed(kv, fixed, own, error) && (!accel || machine_accel(o, accel, error));
	keyval_free(kv);
	return ok;
}

static bool set_cpu(struct options *o, const char *arg, FILE *out, GError **error)
{
	if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
		x86_model_help(out);
		hv_features_help(out);
		o->done = true;
	}
	put_text(&o->cpu, arg);
	return true;
}

/* What is not given is worked out: cores before sockets. */
static bool topology(struct options *o, const struct keyval *kv, GError **error)
{
	uint64_t sockets, dies, cores, threads, product;

	if (!keyval_uint(kv, "cpus", 0, &o->cpus, error) ||
	    !keyval_uint(kv, "maxcpus", 0, &o->max_cpus, error) ||
	    !keyval_uint(kv, "sockets", 0, &sockets, error) ||
	    !keyval_uint(kv, "dies", 1, &dies, error) ||
	    !keyval_uint(kv, "cores", 0, &cores, error) ||
	    !keyval_uint(kv, "threads", 0, &threads, error))
		return false;
	if (MAX(MAX(o->cpus, o->max_cpus), MAX(MAX(sockets, cores), MAX(threads, dies))) > VPS_MAX)
		return bad(error, "Invalid SMP CPUs: at most %d are supported", VPS_MAX);
	if (dies > 1)
		return bad(error, "Invalid CPU topology: dies (%" PRIu64 "): a socket has one die here; use more sockets or cores", dies);
	if (!dies || (keyval_get(kv, "cpus") && !o->cpus))
		return bad(error, "Invalid CPU topology: a count of zero");
	product = o->max_cpus ? o->max_cpus : o->cpus;
	if (!product)
		product = MAX(sockets, 1) * dies * MAX(cores, 1) * MAX(threads, 1);
	threads = threads ? threads : 1;
	if (!cores) {
		sockets = sockets ? sockets : 1;
		cores = product / (sockets * dies * threads);
	} else if (!sockets) {
		sockets = product / (dies * cores * threads);
	}
	o->cpus = o->cpus ? o->cpus : product;
	o->max_cpus = product;
	if (sockets * dies * cores * threads != product || product > VPS_MAX)
		return bad(error, "Invalid CPU topology: sockets (%" PRIu64 ") * dies (%" PRIu64
			   ") * cores (%" PRIu64 ") * threads (%" PRIu64 ") != maxcpus (%" PRIu64 ")",
			   sockets, dies, cores, threads, product);
	o->cores = cores;
	o->threads = threads;
	if (o->cpus > o->max_cpus)
		return bad(error, "Invalid CPU topology: maxcpus (%" PRIu64 ") must not be below cpus (%"
			   PRIu64 ")", o->max_cpus, o->cpus);
	return true;
}

static bool set_smp(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const char *const known[] = { "cpus", "maxcpus", "sockets", "dies", "cores", "threads",
					     NULL };
	struct keyval *kv = keyval_parse(arg, "cpus");
	bool ok = keyval_check(kv, known, error) && topology(o, kv, error);

	keyval_free(kv);
	return ok;
}

static bool set_memory(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const char *const known[] = { "size", "maxmem", "slots", NULL };
	struct keyval *kv = keyval_parse(arg, "size");
	uint64_t maxmem = 0, slots = 0;
	bool ok = keyval_check(kv, known, error) &&
		  keyval_size(kv, "size", MEMORY_DEFAULT, MIB, &o->memory, error) &&
		  keyval_size(kv, "maxmem", o->memory, MIB, &maxmem, error) &&
		  keyval_uint(kv, "slots", 0, &slots, error);

	if (ok && (slots || maxmem != o->memory))
		ok = bad(error, "memory cannot be added later: leave out slots= and maxmem=");
	if (ok && o->memory < MIB)
		ok = bad(error, "'%s' is too little memory; give 1M at least", arg);
	/* QEMU rounds to its page multiple in the same way. */
	o->memory = (o->memory + 8191) & ~UINT64_C(8191);
	keyval_free(kv);
	return ok;
}

/* ---- the rest ---- */

static bool set_display(struct options *o, const char *arg, FILE *out, GError **error)
{
	if (!strcmp(arg, "help")) {
		fprintf(out, "Available display backend types:\nnone\n");
		o->done = true;
		return true;
	}
	return !strcmp(arg, "none") ||
	       bad(error, "display '%s' is not offered; use -display none or -nographic", arg);
}

static bool set_vnc(struct options *o, const char *arg, FILE *out, GError **error)
{
	return !strcmp(arg, "none") || bad(error, "'%s' is not offered: there is no display; use none or -nographic", arg);
}

static bool set_vga(struct options *o, const char *arg, FILE *out, GError **error)
{
	return !strcmp(arg, "none") || bad(error, "'%s' is not offered: there is no display card; use -vga none", arg);
}

static bool set_net(struct options *o, const char *arg, FILE *out, GError **error)
{
	return !strcmp(arg, "none") || bad(error, "'%s' is not offered: there is no network card; use none", arg);
}

static bool set_parallel(struct options *o, const char *arg, FILE *out, GError **error)
{
	return !strcmp(arg, "none") || bad(error, "'%s' is not offered: there is no parallel port; use none", arg);
}

static bool set_rtc(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const struct fixed fixed[] = { { "base", "utc" }, { "clock", "host vm" },
					      { "driftfix", "none" }, { NULL } };
	struct keyval *kv = keyval_parse(arg, NULL);
	bool ok = check_fixed(kv, fixed, NULL, error);

	keyval_free(kv);
	return ok;
}

static bool set_boot(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const struct fixed fixed[] = { { "menu", "off" }, { "strict", NULL },
					      { "reboot-timeout", NULL }, { NULL } };
	struct keyval *kv = keyval_parse(arg, "order");
	bool ok = !keyval_get(kv, "order") ||
		  bad(error, "'%s': there are no boot devices; use -kernel or -bios", arg);

	ok = ok && check_fixed(kv, fixed, NULL, error);
	keyval_free(kv);
	return ok;
}

static bool set_name(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const char *const known[] = { "guest", "process", "debug-threads", NULL };
	struct keyval *kv = keyval_parse(arg, "guest");
	bool ok = keyval_check(kv, known, error);

	if (keyval_get(kv, "guest"))
		put_text(&o->name, keyval_get(kv, "guest"));
	keyval_free(kv);
	return ok;
}

static bool set_uuid(struct options *o, const char *arg, FILE *out, GError **error)
{
	put_text(&o->uuid, arg);
	return g_uuid_string_is_valid(arg) || bad(error, "'%s' is no UUID", arg);
}

static bool set_action(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const struct fixed fixed[] = { { "reboot", "reset shutdown" }, { "shutdown", "poweroff pause" },
					      { "panic", "none pause shutdown exit-failure" },
					      { "watchdog", "none reset" }, { NULL } };
	struct keyval *kv = keyval_parse(arg, NULL);
	bool ok = check_fixed(kv, fixed, NULL, error);

	if (ok && keyval_get(kv, "reboot"))
		o->no_reboot = !strcmp(keyval_get(kv, "reboot"), "shutdown");
	if (ok && keyval_get(kv, "panic"))
		put_text(&o->panic, keyval_get(kv, "panic"));
	if (ok && keyval_get(kv, "shutdown"))
		o->no_shutdown = !strcmp(keyval_get(kv, "shutdown"), "pause");
	keyval_free(kv);
	return ok;
}

static bool set_s(struct options *o, const char *arg, FILE *out, GError **error)
{
	put_text(&o->gdb, "tcp::1234");
	return true;
}

static bool set_log(struct options *o, const char *arg, FILE *out, GError **error)
{
	if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
		log_help(out);
		o->done = true;
	}
	put_text(&o->log_items, arg);
	return true;
}

static bool set_msg(struct options *o, const char *arg, FILE *out, GError **error)
{
	static const char *const known[] = { "timestamp", "guest-name", NULL };
	struct keyval *kv = keyval_parse(arg, NULL);
	bool ok = keyval_check(kv, known, error) &&
		  keyval_bool(kv, "timestamp", false, &o->timestamps, error);

	keyval_free(kv);
	return ok;
}

static bool set_chardev(struct options *o, const char *arg, FILE *out, GError **error)
{
	if (!strcmp(arg, "help") || !strcmp(arg, "?")) {
		chardev_help(out);
		o->done = true;
	}
	g_ptr_array_add(o->chardev, g_strdup(arg));
	return true;
}

static bool set_help(struct options *o, const char *arg, FILE *out, GError **error)
{
	options_help(out);
	o->done = true;
	return true;
}

static bool set_version(struct options *o, const char *arg, FILE *out, GError **error)
{
	fprintf(out, "hvtlfs emulator version " HVTLFS_VERSION
		     " (command line and QMP as of QEMU 7.2)\n");
	o->done = true;
	return true;
}

static bool ignore(struct options *o, const char *arg, FILE *out, GError **error)
{
	return true;
}

#ifdef MUTATIONS
static bool set_mutate(struct options *o, const char *arg, FILE *out, GError **error)
{
	if (mutant_choose(arg))
		return true;
	if (strcmp(arg, "list"))
		return bad(error, "-mutate %s: there is no such fault; 'list' shows them", arg);
	for (size_t n = 0; mutant_line(n); n++)
		fprintf(out, "%s\n", mutant_line(n));
	o->done = true;
	return true;
}
#endif

#define AT(field) offsetof(struct options, field)

static const struct option table[] = {
	{ "help", NULL, "this text", CALL, 0, set_help },
	{ "h", NULL, NULL, CALL, 0, set_help },
	{ "version", NULL, "the version", CALL, 0, set_version },
#ifdef MUTATIONS
	{ "mutate", "NAME", "a deliberate fault; 'list' shows them", CALL, 0, set_mutate },
#endif
	{ "accel", "NAME[,OPTION=VALUE...]", "hvtlfs (default) or qtest; 'help' lists the options",
	  CALL, 0, set_accel },
	{ "machine", "[type=]pc[,accel=NAME]", "the machine; 'help' lists them", CALL, 0, set_machine },
	{ "M", "[type=]pc", NULL, CALL, 0, set_machine },
	{ "cpu", "MODEL[,FEATURE=on|off][,+F][,-F]", "the processor; 'help' lists models and features", CALL, 0, set_cpu },
	{ "smp", "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,cores=N][,threads=N]", "virtual processors, 1 to 64",
	  CALL, 0, set_smp },
	{ "m", "[size=]SIZE", "memory of the first partition; MiB without a suffix (default 128)", CALL, 0, set_memory },
	{ "kernel", "FILE", "Linux bzImage, ELF with PVH note, or multiboot kernel", TEXT, AT(kernel) },
	{ "initrd", "FILE", "initial RAM disk", TEXT, AT(initrd) },
	{ "append", "TEXT", "kernel command line", TEXT, AT(append) },
	{ "bios", "FILE", "firmware image", TEXT, AT(bios) },
	{ "L", "DIR", "look for -bios files in DIR too", LIST, AT(firmware_dirs) },
	{ "name", "[guest=]TEXT", "name of the machine", CALL, 0, set_name },
	{ "uuid", "UUID", "identity told by query-uuid", CALL, 0, set_uuid },
	{ "nographic", NULL, "serial port and monitor share standard input and output (Ctrl-a h: help)",
	  FLAG, AT(nographic) },
	{ "display", "none", "no display", CALL, 0, set_display },
	{ "vnc", "none", "no display", CALL, 0, set_vnc },
	{ "serial", "DEV", "a serial port: stdio, null, none, pty, file:PATH, pipe:PATH, tcp:HOST:PORT[,server=on],\n"
	  "unix:PATH[,server=on], chardev:ID, mon:DEV (with the monitor)", LIST, AT(serial) },
	{ "parallel", "none", "no parallel port", CALL, 0, set_parallel },
	{ "chardev", "KIND,id=ID[,OPTION=VALUE...]", "a character device; 'help' lists kinds and options",
	  CALL, 0, set_chardev },
	{ "mon", "[chardev=]ID[,mode=readline|control][,pretty=on|off]", "a monitor on a character device", LIST, AT(mon) },
	{ "monitor", "DEV", "the monitor's place, as -serial", LIST, AT(monitor) },
	{ "qmp", "DEV", "a QMP server, as -serial", LIST, AT(qmp) },
	{ "qmp-pretty", "DEV", "the same with indented answers", LIST, AT(qmp_pretty) },
	{ "device", "TYPE[,PROPERTY=VALUE...]", "a device; 'help' lists them, 'TYPE,help' its properties", LIST, AT(device) },
	{ "object", "TYPE,id=ID[,PROPERTY=VALUE...]", "an object; 'help' lists types", LIST, AT(object) },
	{ "global", "TYPE.PROPERTY=VALUE", "default for devices made with -device", LIST, AT(global) },
	{ "nodefaults", NULL, "no serial port and monitor but those asked for", FLAG, AT(nodefaults) },
	{ "no-user-config", NULL, "accepted: there are no configuration files", CALL, 0, ignore },
	{ "no-hpet", NULL, "accepted: there is none", CALL, 0, ignore },
	{ "vga", "none", "no display card", CALL, 0, set_vga },
	{ "net", "none", "no network", CALL, 0, set_net },
	{ "nic", "none", "no network", CALL, 0, set_net },
	{ "rtc", "base=utc[,clock=host]", "the clock is in UTC", CALL, 0, set_rtc },
	{ "boot", "menu=off", "nothing to choose from", CALL, 0, set_boot },
	{ "no-reboot", NULL, "exit instead of rebooting", FLAG, AT(no_reboot) },
	{ "no-shutdown", NULL, "stop instead of exiting at power-off", FLAG, AT(no_shutdown) },
	{ "action", "reboot=reset|shutdown,shutdown=poweroff|pause,panic=shutdown|exit-failure|pause|none", "the same two, by other names; what a guest that tells of its crash brings about", CALL, 0, set_action },
	{ "S", NULL, "do not start: wait for 'cont'", FLAG, AT(stopped) },
	{ "s", NULL, "as -gdb tcp::1234", CALL, 0, set_s },
	{ "gdb", "DEV", "serve gdb, as -serial", TEXT, AT(gdb) },
	{ "qtest", "DEV", "serve the qtest protocol, as -serial", TEXT, AT(qtest) },
	{ "qtest-log", "FILE", "log of the qtest protocol", TEXT, AT(qtest_log) },
	{ "d", "ITEM,...", "log these; 'help' lists them", CALL, 0, set_log },
	{ "D", "FILE", "log there instead of standard error", TEXT, AT(log_file) },
	{ "pidfile", "FILE", "write the process id there", TEXT, AT(pidfile) },
	{ "msg", "timestamp=on|off", "time in front of error messages", CALL, 0, set_msg },
};

static const struct {
	const char *name, *instead;
} absent[] = {
	{ "enable-kvm", "the processor is always emulated; use -accel hvtlfs" },
	{ "no-kvm", "leave it out" },
	{ "daemonize", "start it with 'setsid ... &' and use -pidfile" },
	{ "drive", "no disks; use -kernel and -initrd" },
	{ "blockdev", "no disks; use -kernel and -initrd" },
	{ "hda", "no disks; use -kernel and -initrd" },
	{ "hdb", "no disks; use -kernel and -initrd" },
	{ "cdrom", "no disks; use -kernel and -initrd" },
	{ "fda", "no disks; use -kernel and -initrd" },
	{ "snapshot", "no disks; leave it out" },
	{ "netdev", "no network; use -nic none" },
	{ "spice", "no display; use -nographic" },
	{ "curses", "no display; use -nographic" },
	{ "sdl", "no display; use -nographic" },
	{ "usb", "no USB; leave it out" },
	{ "usbdevice", "no USB; leave it out" },
	{ "audiodev", "no sound; leave it out" },
	{ "soundhw", "no sound; leave it out" },
	{ "icount", "no instruction counting; leave it out" },
	{ "incoming", "no migration; leave it out" },
	{ "loadvm", "no snapshots; leave it out" },
	{ "numa", "memory has one node; leave it out" },
	{ "mem-path", "memory is anonymous; leave it out" },
	{ "mem-prealloc", "memory is taken as it is used; leave it out" },
	{ "no-acpi", "ACPI is always there; leave it out" },
	{ "readconfig", "give the options themselves" },
	{ "writeconfig", "keep the command line instead" },
	{ "sandbox", "use the host's own means" },
	{ "runas", "start it as that user" },
	{ "chroot", "use chroot(8)" },
	{ "trace", "use -d; '-d help' lists the items" },
	{ "smbios", "no SMBIOS tables; leave it out" },
	{ "acpitable", "the tables are fixed; leave it out" },
	{ "fw_cfg", "no files can be added; use -append" },
	{ "semihosting", "leave it out" },
	{ "watchdog", "no watchdog; leave it out" },
	{ "tpmdev", "no TPM; leave it out" },
	{ "virtfs", "no shared folders; pack files into -initrd" },
	{ "full-screen", "no display; use -nographic" },
	{ "k", "no keyboard; leave it out" },
	{ "dtb", "x86 has ACPI; leave it out" },
	{ "shim", "use -kernel" },
};

static const char *way_out(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(absent); i++) {
		if (!strcmp(absent[i].name, name))
			return absent[i].instead;
	}
	return NULL;
}

static const struct option *find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (!strcmp(table[i].name, name))
			return &table[i];
	}
	return NULL;
}

static void help_row(FILE *out, const struct option *row)
{
	char **lines;

	fprintf(out, "-%s%s%s\n", row->name, row->arg ? " " : "", row->arg ? row->arg : "");
	lines = g_strsplit(row->help ? row->help : "the same", "\n", -1);
	for (char **l = lines; *l; l++)
		fprintf(out, "                %s\n", *l);
	g_strfreev(lines);
}

void options_help(FILE *out)
{
	fprintf(out, "usage: qemu-system-x86_64 [options]\n\n"
		     "An emulator that is the hypervisor, with the command line of QEMU:\n"
		     "-kernel FILE -initrd FILE -append TEXT -nographic boots a kernel in the first\n"
		     "partition; QMP's hv-partition-create makes more.\n\n");
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++)
		help_row(out, &table[i]);
	fprintf(out, "\nDuring emulation with -nographic: Ctrl-a h for help, Ctrl-a x to exit, Ctrl-a c for the monitor.\n");
}

static bool apply(struct options *o, const struct option *row, const char *arg, FILE *out, GError **error)
{
	void *field = (char *)o + row->offset;

	switch (row->kind) {
	case FLAG:
		*(bool *)field = true;
		return true;
	case TEXT:
		put_text(field, arg);
		return true;
	case LIST:
		g_ptr_array_add(*(GPtrArray **)field, g_strdup(arg));
		return true;
	case CALL:
		break;
	}
	if (row->set(o, arg, out, error))
		return true;
	if (arg)
		g_prefix_error(error, "-%s %s: ", row->name, arg);
	return false;
}

/* One option at argv[*i]; moves *i to its last word. */
static bool parse_one(struct options *o, int argc, char **argv, int *i, FILE *out, GError **error)
{
	const char *word = argv[*i], *name;
	const struct option *row;

	if (word[0] != '-' || !word[1])
		return bad(error, "'%s': disk images are not offered; use -kernel and -initrd", word);
	name = word + 1 + (word[1] == '-');
	row = find(name);
	if (!row && way_out(name))
		return bad(error, "%s: not offered: %s", word, way_out(name));
	if (!row)
		return bad(error, "%s: invalid option; -help lists what there is", word);
	if (row->arg && *i + 1 >= argc)
		return bad(error, "%s: requires an argument: %s", word, row->arg);
	return apply(o, row, row->arg ? argv[++*i] : NULL, out, error);
}

static struct options *defaults(const char *program)
{
	struct options *o = g_new0(struct options, 1);
	GPtrArray **lists[] = { &o->firmware_dirs, &o->serial, &o->monitor, &o->qmp, &o->qmp_pretty,
				&o->chardev, &o->mon, &o->device, &o->object, &o->global };

	o->program = g_path_get_basename(program);
	o->cpu = g_strdup("default");
	o->cpus = o->max_cpus = o->cores = o->threads = 1;
	o->memory = MEMORY_DEFAULT;
	o->call_slice = HV_CALL_SLICE_NS;
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
		*lists[i] = g_ptr_array_new_with_free_func(g_free);
	return o;
}

void options_free(struct options *o)
{
	GPtrArray *lists[] = { o->firmware_dirs, o->serial, o->monitor, o->qmp, o->qmp_pretty,
			       o->chardev, o->mon, o->device, o->object, o->global };
	char *texts[] = { o->program, o->engine, o->cpu, o->name, o->uuid, o->kernel, o->initrd, o->append,
			  o->bios, o->gdb, o->qtest, o->qtest_log, o->log_items, o->log_file, o->pidfile, o->panic };

	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++)
		g_ptr_array_free(lists[i], TRUE);
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		g_free(texts[i]);
	g_free(o);
}

static bool check_together(const struct options *o, GError **error)
{
	if (!o->kernel && (o->initrd || o->append))
		return bad(error, "-%s only makes sense with -kernel", o->initrd ? "initrd" : "append");
	if (o->hv_memory && o->hv_memory < o->memory)
		return bad(error, "-accel memory=%" PRIu64 ": less than the first partition's -m", o->hv_memory);
	return true;
}

struct options *options_parse(int argc, char **argv, FILE *out, GError **error)
{
	struct options *o = defaults(argc ? argv[0] : "qemu-system-x86_64");

	for (int i = 1; i < argc && !o->done; i++) {
		if (!parse_one(o, argc, argv, &i, out, error))
			return o;
	}
	if (!o->engine)
		o->engine = g_strdup(engine_default(&o->engine_lacks)->name);
	if (!o->done)
		check_together(o, error);
	return o;
}
