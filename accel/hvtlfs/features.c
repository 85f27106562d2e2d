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
	bool off;          /* unless asked for */
};

static const struct feature_switch switches[] = {
	{ "hv-relaxed", .hints = HV_HINT_RELAXED_TIMING },
	{ "hv-vpindex", HV_ACCESS_VP_INDEX },
	{ "hv-runtime", HV_ACCESS_VP_RUN_TIME, .off = true },
	{ "hv-time", HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_REFERENCE_TSC },
	{ "hv-frequencies", HV_ACCESS_FREQUENCIES, HV_FEATURE_FREQUENCY_MSRS },
	{ "hv-xmm-input", .facilities = HV_FEATURE_XMM_INPUT, .off = true },
	{ "hv-crash" },
	{ "hv-reset" },
	{ "hv-vapic" },
	{ "hv-synic", .needs = "hv-vpindex" },
	{ "hv-stimer", .needs = "hv-synic", .needs_too = "hv-time" },
	{ "hv-stimer-direct", .needs = "hv-stimer" },
	{ "hv-tlbflush", .needs = "hv-vpindex" },
	{ "hv-tlbflush-ext", .needs = "hv-tlbflush" },
	{ "hv-tlbflush-direct", .needs = "hv-vapic" },
	{ "hv-ipi", .needs = "hv-vpindex" },
	{ "hv-reenlightenment" },
	{ "hv-apicv" }, { "hv-avic" }, { "hv-emsr-bitmap" }, { "hv-enforce-cpuid" }, { "hv-evmcs", .needs = "hv-vapic" },
	{ "hv-no-nonarch-coresharing" }, { "hv-passthrough" }, { "hv-syndbg" },
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

static void turn(struct hv_features *f, const struct feature_switch *s, bool on)
{
	f->privileges = on ? f->privileges | s->privileges : f->privileges & ~s->privileges;
	f->facilities = on ? f->facilities | s->facilities : f->facilities & ~s->facilities;
	f->hints = on ? f->hints | s->hints : f->hints & ~s->hints;
}

void hv_features_init(struct hv_features *f)
{
	*f = (struct hv_features) {
		.privileges = HV_ACCESS_HYPERCALL,
		.spinlock_retries = HV_SPIN_NEVER_NOTIFY,
		.vendor = "Microsoft Hv",
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (!switches[i].off)
			turn(f, &switches[i], true);
}

static const struct feature_switch *switch_find(const char *key)
{
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

	if (!parse_switch(s->key, value, &on, error))
		return false;
	if (on && !available(s)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    "%s=on: not available yet; leave it out or say %s=off", s->key, s->key);
		return false;
	}
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

static bool set_spinlocks(struct hv_features *f, const char *value, GError **error)
{
	char *end = NULL;
	uint64_t n = value ? g_ascii_strtoull(value, &end, 0) : 0;

	/* Fewer retries than this would notify for nothing. */
	if (!value || end == value || *end || n < 0xfff || n > UINT32_MAX) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "hv-spinlocks=%s: takes a number from 0xfff to 0xffffffff (never notify)", value ? value : "");
		return false;
	}
	f->spinlock_retries = (uint32_t)n;
	return true;
}

/* False with an error if @key looks like one of these options. */
static bool unknown(const char *key, const char *name, GError **error)
{
	GString *list;

	if (g_str_has_prefix(name, "hv-version-id-")) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "%s: the version cannot be chosen yet", key);
		return false;
	}
	if (!g_str_has_prefix(name, "hv-"))
		return false;
	list = g_string_new("hv-vendor-id= hv-spinlocks=");
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
	if (!strcmp(name, "hv-spinlocks"))
		return set_spinlocks(f, value, error);
	if (switch_find(name))
		return set_switch(f, switch_find(name), value, error);
	return unknown(key, name, error);
}
