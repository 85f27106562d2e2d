/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hv-* options, under the names that virtual machine software knows.  A
 * facility that does not work yet can be switched off, not on.
 */
#include <gio/gio.h>
#include <string.h>

#include "hv/cpuid.h"
#include "partition.h"

void hv_features_init(struct hv_features *f)
{
	*f = (struct hv_features) {
		.privileges = HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX |
			      HV_ACCESS_REFERENCE_TSC | HV_ACCESS_FREQUENCIES,
		.relaxed = true,
		.spinlock_retries = HV_SPIN_NEVER_NOTIFY,
		.vendor = "Microsoft Hv",
	};
}

/* One on/off option: privileges, or a switch, or (neither) not available. */
struct feature_switch {
	const char *key;
	uint64_t privileges;
	size_t offset;     /* of a bool in struct hv_features; 0 none */
};

static const struct feature_switch switches[] = {
	{ "hv-time", HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_REFERENCE_TSC },
	{ "hv-vpindex", HV_ACCESS_VP_INDEX },
	{ "hv-runtime", HV_ACCESS_VP_RUN_TIME },
	{ "hv-frequencies", HV_ACCESS_FREQUENCIES },
	{ "hv-relaxed", 0, offsetof(struct hv_features, relaxed) },
	{ "hv-xmm-input", 0, offsetof(struct hv_features, xmm_input) },
	{ "hv-apicv" }, { "hv-avic" }, { "hv-crash" }, { "hv-emsr-bitmap" }, { "hv-enforce-cpuid" }, { "hv-evmcs" },
	{ "hv-ipi" }, { "hv-no-nonarch-coresharing" }, { "hv-passthrough" }, { "hv-reenlightenment" }, { "hv-reset" },
	{ "hv-stimer" }, { "hv-stimer-direct" }, { "hv-syndbg" }, { "hv-synic" }, { "hv-tlbflush" },
	{ "hv-tlbflush-direct" }, { "hv-tlbflush-ext" }, { "hv-vapic" },
};
static_assert(offsetof(struct hv_features, relaxed) && offsetof(struct hv_features, xmm_input), "0 means none");

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
	if (on && !s->privileges && !s->offset) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    "%s=on: not available yet; leave it out or say %s=off", s->key, s->key);
		return false;
	}
	if (on)
		f->privileges |= s->privileges;
	else
		f->privileges &= ~s->privileges;
	if (s->offset)
		*(bool *)((char *)f + s->offset) = on;
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
		if (switches[i].privileges || switches[i].offset)
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
	for (unsigned i = 0; i < G_N_ELEMENTS(switches); i++)
		if (!strcmp(name, switches[i].key))
			return set_switch(f, &switches[i], value, error);
	return unknown(key, name, error);
}
