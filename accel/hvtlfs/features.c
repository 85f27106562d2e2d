/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hv-* options, under the names that virtual machine software knows.  A
 * facility that does not work yet can be switched off, not on.
 */
#include <gio/gio.h>
#include <string.h>

#include "hv/cpuid.h"
#include "partition.h"

/*
 * One on/off option: what it turns on, the one that it needs.  A row that turns nothing
 * on is a facility that does not work yet: it can be switched off, not on.
 */
struct feature_switch {
	const char *key;
	uint64_t privileges;
	uint32_t facilities, hints;
	const char *needs, *needs_too;
	bool off;          /* unless named */
	bool takes_auto;   /* 'auto', which is off */
	const char *help;  /* of those that are available */
};

static const struct feature_switch switches[] = {
	{ "hv-relaxed", .hints = HV_HINT_RELAXED_TIMING,
	  .help = "recommends relaxed timing: no watchdogs that need timely interrupts" },
	{ "hv-vpindex", HV_ACCESS_VP_INDEX,
	  .help = "VP index MSR" },
	{ "hv-runtime", HV_ACCESS_VP_RUN_TIME,
	  .help = "VP run time MSR" },
	{ "hv-stats", HV_ACCESS_STATS_MSRS,
	  .help = "statistics pages, placed by MSRs" },
	/* Linux 6.1 and 6.12 ask for their id where only a root has prepared for the answer, and crash as a host. */
	{ "hv-partition-id", HV_ACCESS_PARTITION_ID, .off = true,
	  .help = "the partition may ask for its own id (as host or root: on unless switched off; Linux 6.1 and 6.12 as host need it off)" },
	{ "hv-time", HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_REFERENCE_TSC,
	  .help = "reference counter MSR and reference TSC page" },
	{ "hv-frequencies", HV_ACCESS_FREQUENCIES, HV_FEATURE_FREQUENCY_MSRS,
	  .help = "MSRs that tell the rates of TSC and APIC timer" },
	{ "hv-xmm-input", .facilities = HV_FEATURE_XMM_INPUT,
	  .help = "hypercall input in XMM registers" },
	{ "hv-crash", .facilities = HV_FEATURE_CRASH_MSRS,
	  .help = "crash MSRs: GUEST_PANICKED with parameters and message" },
	{ "hv-reset", HV_ACCESS_RESET, .hints = HV_HINT_RESET_MSR,
	  .help = "reset MSR" },
	{ "hv-guest-idle", HV_ACCESS_GUEST_IDLE, HV_FEATURE_GUEST_IDLE,
	  .help = "idle MSR: sleeps until an interrupt is requested, with interrupts off as well" },
	{ "hv-vapic", HV_ACCESS_APIC, .hints = HV_HINT_APIC_MSRS,
	  .help = "APIC registers as MSRs, EOIs without an exit" },
	{ "hv-synic", HV_ACCESS_SYNIC | HV_POST_MESSAGES | HV_SIGNAL_EVENTS, .needs = "hv-vpindex",
	  .help = "synthetic interrupt controller, messages and events" },
	{ "hv-stimer", HV_ACCESS_SYNTHETIC_TIMERS, .needs = "hv-synic", .needs_too = "hv-time",
	  .help = "synthetic timers" },
	{ "hv-stimer-direct", .facilities = HV_FEATURE_DIRECT_TIMERS, .needs = "hv-stimer",
	  .help = "synthetic timers that raise a vector without a message" },
	/* Loads of CR3 and INVLPG stay the cheaper way for a VP's own TLB. */
	{ "hv-tlbflush", .hints = HV_HINT_REMOTE_FLUSH | HV_HINT_EX_PROCESSOR_MASKS, .needs = "hv-vpindex",
	  .help = "TLB flush hypercalls" },
	{ "hv-tlbflush-ext", .facilities = HV_FEATURE_EXTENDED_RANGES, .needs = "hv-tlbflush",
	  .help = "large ranges in their lists" },
	/* For nested hypervisors only. */
	{ "hv-tlbflush-direct", .needs = "hv-vapic" },
	{ "hv-ipi", .hints = HV_HINT_CLUSTER_IPI | HV_HINT_EX_PROCESSOR_MASKS, .needs = "hv-vpindex",
	  .help = "hypercalls that send interrupts" },
	{ "hv-reenlightenment", HV_ACCESS_REENLIGHTENMENT,
	  .help = "MSRs about changes of the TSC's rate (it never changes)" },
	/* Linux prefers the bare TSC to the reference TSC page then.  QEMU has no option for it. */
	{ "hv-invtsc", HV_ACCESS_TSC_INVARIANT, .off = true,
	  .help = "invariant TSC is told of only when the guest asks by its MSR" },
	/*
	 * Ending SINT interrupts by hand spares the APIC a rule, and is what Linux does if told to.
	 * hv-apicv is another name for it.
	 */
	{ "hv-avic", .hints = HV_HINT_NO_AUTO_EOI,
	  .help = "recommends no automatic EOI; hv-apicv is the same" },
	{ "hv-evmcs", .needs = "hv-vapic" }, { "hv-emsr-bitmap", .needs = "hv-evmcs" }, { "hv-syndbg" },
	/* Nothing here binds threads to cores. */
	{ "hv-no-nonarch-coresharing", .hints = HV_HINT_NO_CORE_SHARING, .off = true, .takes_auto = true,
	  .help = "tells that VPs share a core only as its threads: your promise" },
};
static_assert(G_N_ELEMENTS(switches) <= 64, "a bit each in hv_features.on");

static bool available(const struct feature_switch *s)
{
	return s->privileges || s->facilities || s->hints;
}

static bool is_on(const struct hv_features *f, const struct feature_switch *s)
{
	return available(s) && (f->privileges & s->privileges) == s->privileges &&
	       (f->facilities & s->facilities) == s->facilities && (f->hints & s->hints) == s->hints;
}

static void add_bits(struct hv_features *f, const struct feature_switch *s)
{
	f->privileges |= s->privileges;
	f->facilities |= s->facilities;
	f->hints |= s->hints;
}

/* Two switches may share a bit: it stays while one of them is on. */
static void turn(struct hv_features *f, const struct feature_switch *s, bool on)
{
	const struct hv_features before = *f;

	if (on) {
		add_bits(f, s);
		return;
	}
	f->privileges &= ~s->privileges;
	f->facilities &= ~s->facilities;
	f->hints &= ~s->hints;
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (&switches[i] != s && is_on(&before, &switches[i]))
			add_bits(f, &switches[i]);
}

void hv_features_init(struct hv_features *f)
{
	*f = (struct hv_features) {
		.privileges = HV_ACCESS_HYPERCALL,
		.spinlock_retries = HV_SPIN_NEVER_NOTIFY,
		.version = { .major = 10, .minor = 0, .build = 1 },
		.vendor = "Microsoft Hv",
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (!switches[i].off)
			turn(f, &switches[i], true);
}

bool hv_role_named(const char *name, enum hv_role *role)
{
	static const char *const names[] = { [HV_ROLE_GUEST] = "guest", [HV_ROLE_HOST] = "host", [HV_ROLE_ROOT] = "root" };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (!strcmp(name, names[i])) {
			*role = (enum hv_role)i;
			return true;
		}
	return false;
}

void hv_features_role(struct hv_features *f, enum hv_role role)
{
	uint64_t of_role = 0;

	if (role != HV_ROLE_GUEST)
		of_role |= HV_CREATE_PARTITIONS | HV_ACCESS_PARTITION_ID | HV_ACCESS_MEMORY_POOL | HV_CREATE_PORT | HV_CONNECT_PORT | HV_ACCESS_STATS;
	if (role == HV_ROLE_ROOT)
		of_role |= HV_CPU_MANAGEMENT | HV_DEBUGGING;
	f->privileges |= of_role & ~f->refused;
}

static const struct feature_switch *switch_find(const char *key)
{
	if (!strcmp(key, "hv-apicv"))
		key = "hv-avic";
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (!strcmp(key, switches[i].key))
			return &switches[i];
	return NULL;
}

/* False with an error if the user asked for both @s and the absence of what it needs. */
static bool settle_one(struct hv_features *f, const struct feature_switch *s, const char *needs, GError **error)
{
	if (!needs || !is_on(f, s) || is_on(f, switch_find(needs)))
		return true;
	if (f->on >> (s - switches) & 1) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s requires %s: switch both on or leave %s out",
			    s->key, needs, s->key);
		return false;
	}
	turn(f, s, false);
	return true;
}

bool hv_features_settle(struct hv_features *f, GError **error)
{
	/* Rows stand behind what they need, so one pass does. */
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (!settle_one(f, &switches[i], switches[i].needs, error) ||
		    !settle_one(f, &switches[i], switches[i].needs_too, error))
			return false;
	return true;
}

static bool parse_switch(const char *key, const char *value, bool *on, GError **error)
{
	static const char *const yes[] = { "on", "yes", "true", "y", NULL };
	static const char *const no[] = { "off", "no", "false", "n", NULL };

	*on = !value || g_strv_contains(yes, value);
	if (*on || g_strv_contains(no, value))
		return true;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s=%s: takes 'on' or 'off'", key, value);
	return false;
}

static bool set_switch(struct hv_features *f, const struct feature_switch *s, const char *value, GError **error)
{
	bool on;

	if (s->takes_auto && !g_strcmp0(value, "auto"))
		value = "off";
	if (!parse_switch(s->key, value, &on, error))
		return false;
	if (on && !available(s)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    "%s=on: not available yet; leave it out or say %s=off", s->key, s->key);
		return false;
	}
	f->refused = on ? f->refused & ~s->privileges : f->refused | s->privileges;
	if (on)
		f->on |= UINT64_C(1) << (s - switches);
	else
		f->on &= ~(UINT64_C(1) << (s - switches));
	turn(f, s, on);
	return true;
}

static bool set_vendor(struct hv_features *f, const char *value, GError **error)
{
	if (!value || !value[0] || strlen(value) >= sizeof f->vendor) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "hv-vendor-id=%s: takes 1 to 12 characters",
			    value ? value : "");
		return false;
	}
	memset(f->vendor, 0, sizeof f->vendor);
	memcpy(f->vendor, value, strlen(value));
	return true;
}

/* One option that takes a number: where it goes, what it may be. */
struct feature_number {
	const char *key, *hint;
	size_t offset;     /* of a uint32_t in struct hv_features */
	uint32_t least, most;
};

static const struct feature_number numbers[] = {
	/* Fewer retries than this would notify for nothing. */
	{ "hv-spinlocks", " (never notify)", offsetof(struct hv_features, spinlock_retries), 0xfff, UINT32_MAX },
	{ "hv-version-id-build", "", offsetof(struct hv_features, version.build), 0, UINT32_MAX },
	{ "hv-version-id-major", "", offsetof(struct hv_features, version.major), 0, UINT16_MAX },
	{ "hv-version-id-minor", "", offsetof(struct hv_features, version.minor), 0, UINT16_MAX },
	{ "hv-version-id-spack", "", offsetof(struct hv_features, version.service_pack), 0, UINT32_MAX },
	{ "hv-version-id-sbranch", "", offsetof(struct hv_features, version.service_branch), 0, UINT8_MAX },
	{ "hv-version-id-snumber", "", offsetof(struct hv_features, version.service_number), 0, 0xffffff },
};

static bool set_number(struct hv_features *f, const struct feature_number *n, const char *value, GError **error)
{
	char *end = NULL;
	uint64_t v = value ? g_ascii_strtoull(value, &end, 0) : 0;

	if (!value || end == value || *end || value[0] == '-' || v < n->least || v > n->most) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s=%s: takes a number from %#x to %#x%s", n->key,
			    value ? value : "", n->least, n->most, n->hint);
		return false;
	}
	*(uint32_t *)((char *)f + n->offset) = (uint32_t)v;
	return true;
}

static const struct feature_number *number_find(const char *key)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
		if (!strcmp(key, numbers[i].key))
			return &numbers[i];
	return NULL;
}

/* All that works is on without it; what the user switches off stays off. */
static bool set_passthrough(const char *value, GError **error)
{
	bool on;

	return parse_switch("hv-passthrough", value, &on, error);
}

/* False with an error if @key looks like one of these options. */
static bool unknown(const char *key, const char *name, GError **error)
{
	GString *list;

	if (!g_str_has_prefix(name, "hv-"))
		return false;
	list = g_string_new("hv-vendor-id= hv-passthrough hv-enforce-cpuid");
	for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
		g_string_append_printf(list, " %s=", numbers[i].key);
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (available(&switches[i]))
			g_string_append_printf(list, " %s", switches[i].key);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "unknown property '%s'; there are: %s", key,
		    list->str);
	g_string_free(list, TRUE);
	return false;
}

bool hv_cpu_option(void *o, const char *key, const char *value, GError **error)
{
	struct hv_features *f = o;
	char name[64];

	/* hv_time and hv-time are the same option. */
	g_strlcpy(name, key, sizeof name);
	g_strdelimit(name, "_", '-');
	if (!strcmp(name, "hv-vendor-id"))
		return set_vendor(f, value, error);
	if (!strcmp(name, "hv-passthrough"))
		return set_passthrough(value, error);
	if (!strcmp(name, "hv-enforce-cpuid"))
		return parse_switch("hv-enforce-cpuid", value, &f->enforce, error);
	if (number_find(name))
		return set_number(f, number_find(name), value, error);
	if (switch_find(name))
		return set_switch(f, switch_find(name), value, error);
	return unknown(key, name, error);
}

void hv_features_help(FILE *out)
{
	fprintf(out, "\nHypervisor facilities (hv-name=on, hv-name=off; on unless told otherwise here):\n");
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (available(&switches[i]))
			fprintf(out, "  %-26s %s%s\n", switches[i].key, switches[i].help, switches[i].off ? " (off)" : "");
	fprintf(out, "  %-26s %s\n", "hv-passthrough", "all of them, which is so without it");
	fprintf(out, "  %-26s %s\n", "hv-enforce-cpuid", "refuses flush and interrupt calls that are not recommended (off)");
	fprintf(out, "  %-26s %s\n", "hv-vendor-id=", "12 characters of leaf 0x40000000");
	for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
		fprintf(out, "  %s=%-*s %#x to %#x%s\n", numbers[i].key, (int)(25 - strlen(numbers[i].key)), "", numbers[i].least,
			numbers[i].most, numbers[i].hint);
}
