/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Named processor models and the `-cpu` argument.
 *
 * Identity.  `default`, `max` and the x86-64-vN levels say GenuineIntel family 6
 * model 0x6a (the Ice Lake server parts).  Linux decides about mitigations by
 * family and model, then asks IA32_ARCH_CAPABILITIES; with the bits that msr.c
 * answers it finds this model affected by nothing that costs time.  qemu64
 * keeps the identity that scripts expect of it.
 *
 * `default` is what guests run fastest on, not the largest set.  Left out of it:
 * LA57 (deeper walks), SMAP (two TLBs for the supervisor), UMIP (nothing gained),
 * MONITOR (HLT wakes faster), XSAVES.  Every one can be added with +feature.  `max`
 * lacks MONITOR alone: no partition has it (T11.5.d).
 *
 * A feature that is not implemented cannot be turned on: that is an error, not a
 * warning, because a guest that sees the bit would crash later and elsewhere.
 */
#include <string.h>

#include "target/i386/model.h"

static const struct feature {
	const char *name;
	uint16_t id;
	bool have;
} features[] = {
#define X(suffix, qemu_name, leaf, sub, reg, bit, have) { qemu_name, F_##suffix, have },
#include "target/i386/features.def"
#undef X
};

enum { FEATURES = sizeof features / sizeof features[0] };

#define V1 "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 " \
	   "ht syscall nx lm hypervisor "
#define V2 V1 "pni ssse3 sse4.1 sse4.2 popcnt cx16 lahf-lm "
#define V3 V2 "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave "
/* What each modern guest gains from and no level demands. */
#define PLATFORM "x2apic tsc-deadline tsc-adjust arat pcid invpcid pdpe1gb rdtscp invtsc smep "

static const struct named {
	const char *name, *help, *set;   /* set NULL: all implemented */
	const char *vendor, *brand;
	uint32_t family, model, stepping;
} models[] = {
	{ "default", "the set on which guests run fastest",
	  V3 PLATFORM "ss aes pclmulqdq sha-ni adx rdrand rdseed fsgsbase erms fsrm fzrm fsrs fsrc xsaveopt xsavec "
	  "xgetbv1 clflushopt clwb 3dnowprefetch rdpid wbnoinvd md-clear spec-ctrl stibp ssbd ibpb bhi-ctrl arch-capabilities",
	  "GenuineIntel", "Virtual x64 Processor", 6, 0x6a, 6 },
	{ "max", "everything that is implemented, MONITOR (+monitor) aside", NULL, "GenuineIntel", "Virtual x64 Processor (max)", 6, 0x6a, 6 },
	{ "host", "the same as max, for command lines of other accelerators", NULL, "GenuineIntel", "Virtual x64 Processor (max)", 6, 0x6a, 6 },
	{ "qemu64", "as QEMU's model of this name", V1 "pni cx16 x2apic lahf-lm",
	  "AuthenticAMD", "QEMU Virtual CPU version 2.5+", 15, 107, 1 },
	{ "x86-64-v1", "the x86-64 psABI's baseline", V1 PLATFORM, "GenuineIntel", "Virtual x64-v1 Processor", 6, 0x6a, 6 },
	{ "x86-64-v2", "psABI level 2: SSE4.2", V2 PLATFORM, "GenuineIntel", "Virtual x64-v2 Processor", 6, 0x6a, 6 },
	{ "x86-64-v3", "psABI level 3: AVX2", V3 PLATFORM "xsaveopt", "GenuineIntel", "Virtual x64-v3 Processor",
	  6, 0x6a, 6 },
};

enum { MODELS = sizeof models / sizeof models[0] };

/* ---- words --------------------------------------------------------------- */

/* QEMU takes '_' for '-' and a few old names. */
static bool same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !(*a == '_' && (*b == '-' || *b == '.')))
			return false;
	return !*a && !*b;
}

static const struct feature *feature_find(const char *name)
{
	static const char *const alias[][2] = {
		{ "sse3", "pni" }, { "i64", "lm" }, { "xd", "nx" }, { "lzcnt", "abm" }, { "pclmuldq", "pclmulqdq" },
		{ "sse4-1", "sse4.1" }, { "sse4-2", "sse4.2" }, { "sha", "sha-ni" }, { "ffxsr", "fxsr-opt" },
	};

	for (unsigned i = 0; i < sizeof alias / sizeof alias[0]; i++)
		if (same_word(name, alias[i][0]))
			name = alias[i][1];
	for (unsigned i = 0; i < FEATURES; i++)
		if (same_word(name, features[i].name))
			return &features[i];
	return NULL;
}

static void set_feature(struct x86_model *m, unsigned f, bool on)
{
	if (on)
		m->features[f / 64] |= 1ull << (f % 64);
	else
		m->features[f / 64] &= ~(1ull << (f % 64));
}

static void set_all(struct x86_model *m, const char *set)
{
	char **words = g_strsplit(set, " ", -1);

	for (char **w = words; *w; w++) {
		const struct feature *f = **w ? feature_find(*w) : NULL;

		g_assert(!**w || (f && f->have));
		if (f)
			set_feature(m, f->id, true);
	}
	g_strfreev(words);
}

static char *feature_list(void)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < FEATURES; i++)
		if (features[i].have)
			g_string_append_printf(s, "%s%s", s->len ? " " : "", features[i].name);
	return g_string_free(s, FALSE);
}

static char *model_list(void)
{
	GString *s = g_string_new(NULL);

	for (unsigned i = 0; i < MODELS; i++)
		g_string_append_printf(s, "%s%s", i ? " " : "", models[i].name);
	return g_string_free(s, FALSE);
}

/* ---- errors ---------------------------------------------------------------- */

G_GNUC_PRINTF(2, 3)
static bool fail(GError **error, const char *format, ...)
{
	va_list ap;

	if (error) {
		va_start(ap, format);
		*error = g_error_new_valist(g_quark_from_static_string("x86-model"), 0, format, ap);
		va_end(ap);
	}
	return false;
}

/* ---- properties --------------------------------------------------------------- */

static bool number(const char *key, const char *value, uint64_t low, uint64_t high, uint64_t *out, GError **error)
{
	char *end;
	uint64_t v = g_ascii_strtoull(value, &end, 0);

	if (!*value || *end || *value == '-' || v < low || v > high)
		return fail(error, "-cpu: %s=%s: expected a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
			    key, value, low, high);
	*out = v;
	return true;
}

static bool small(const char *key, const char *value, uint32_t high, uint32_t *out, GError **error)
{
	uint64_t v;

	if (!number(key, value, 0, high, &v, error))
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool set_vendor(struct x86_model *m, const char *value, GError **error)
{
	if (strlen(value) != 12)
		return fail(error, "-cpu: vendor=%s: a vendor has 12 characters, as in GenuineIntel", value);
	memcpy(m->vendor, value, 13);
	return true;
}

/* Returns 1 done, 0 no such property here, -1 error set. */
static int set_property(struct x86_model *m, const char *key, const char *value, GError **error)
{
	uint64_t v;

	if (!strcmp(key, "vendor"))
		return set_vendor(m, value, error) ? 1 : -1;
	if (!strcmp(key, "family"))
		return small(key, value, 270, &m->family, error) ? 1 : -1;
	if (!strcmp(key, "model"))
		return small(key, value, 255, &m->model, error) ? 1 : -1;
	if (!strcmp(key, "stepping"))
		return small(key, value, 15, &m->stepping, error) ? 1 : -1;
	if (!strcmp(key, "model-id")) {
		memset(m->brand, 0, sizeof m->brand);
		g_strlcpy(m->brand, value, sizeof m->brand);
		return 1;
	}
	if (!strcmp(key, "phys-bits")) {
		if (!number(key, value, 36, 52, &v, error))
			return -1;
		m->phys_bits = (unsigned)v;
		return 1;
	}
	if (!strcmp(key, "tsc-frequency")) {
		if (!number(key, value, 0, 100000000000ull, &v, error))
			return -1;
		m->tsc_hz = v;
		return 1;
	}
	return 0;
}

static bool boolean(const char *key, const char *value, bool *on, GError **error)
{
	*on = !strcmp(value, "on") || !strcmp(value, "yes") || !strcmp(value, "true");
	if (*on || !strcmp(value, "off") || !strcmp(value, "no") || !strcmp(value, "false"))
		return true;
	return fail(error, "-cpu: %s=%s: expected on or off", key, value);
}

static bool unknown(const char *word, GError **error)
{
	char *list = feature_list();

	fail(error, "-cpu: unknown property or feature '%s'; properties: vendor family model stepping model-id "
	     "phys-bits tsc-frequency; features: %s", word, list);
	g_free(list);
	return false;
}

struct parse {
	struct x86_model *m;
	uint64_t asked[(F_COUNT + 63) / 64];   /* features that a word of the string turned on */
	bool (*other)(void *o, const char *key, const char *value, GError **e);
	void *o;
};

static bool turn(struct parse *p, const struct feature *f, bool on, GError **error)
{
	uint64_t bit = 1ull << (f->id % 64);

	if (on && !f->have)
		return fail(error, "-cpu: feature '%s' is not implemented; `-cpu help` lists those that are", f->name);
	set_feature(p->m, f->id, on);
	p->asked[f->id / 64] = on ? p->asked[f->id / 64] | bit : p->asked[f->id / 64] & ~bit;
	return true;
}

static bool key_value(struct parse *p, const char *key, const char *value, GError **error)
{
	const struct feature *f = feature_find(key);
	GError *theirs = NULL;
	int done;
	bool on;

	if (f)
		return boolean(key, value, &on, error) && turn(p, f, on, error);
	done = set_property(p->m, key, value, error);
	if (done)
		return done > 0;
	if (p->other && p->other(p->o, key, value, &theirs))
		return true;
	if (theirs) {
		g_propagate_error(error, theirs);
		return false;
	}
	return unknown(key, error);
}

static bool one_word(struct parse *p, char *word, GError **error)
{
	char *equals;

	if ((word[0] == '+' || word[0] == '-'))
		return key_value(p, word + 1, word[0] == '+' ? "on" : "off", error);
	equals = strchr(word, '=');
	if (!equals)
		return key_value(p, word, "on", error);
	*equals = 0;
	return key_value(p, word, equals + 1, error);
}

static const char *feature_name(unsigned id)
{
	for (unsigned i = 0; i < FEATURES; i++)
		if (features[i].id == id)
			return features[i].name;
	return "";
}

/* Features that make no sense without another one; a row stands behind those of what it needs. */
static const uint16_t needs[][2] = {
	{ F_XSAVEOPT, F_XSAVE }, { F_XSAVEC, F_XSAVE }, { F_XSAVES, F_XSAVE }, { F_XGETBV1, F_XSAVE },
	{ F_AVX, F_XSAVE }, { F_AVX2, F_AVX }, { F_FMA, F_AVX }, { F_F16C, F_AVX },
	{ F_LA57, F_LM }, { F_PCID, F_LM },
};
enum { NEEDS = sizeof needs / sizeof needs[0] };

static void set_width(struct x86_model *m)
{
	m->virt_bits = x86_model_has(m, F_LA57) ? 57 : 48;
}

void x86_model_remove(struct x86_model *m, enum x86_feature f)
{
	set_feature(m, f, false);
	for (unsigned i = 0; i < NEEDS; i++)
		if (!x86_model_has(m, needs[i][1]))
			set_feature(m, needs[i][0], false);
	set_width(m);
}

/* They go with what they need, unless they were asked for by name. */
static bool settle(struct parse *p, GError **error)
{
	for (unsigned i = 0; i < NEEDS; i++) {
		unsigned f = needs[i][0];

		if (x86_model_has(p->m, needs[i][1]))
			continue;
		if (p->asked[f / 64] >> (f % 64) & 1)
			return fail(error, "-cpu: feature '%s' needs '%s': add +%s", feature_name(f),
				    feature_name(needs[i][1]), feature_name(needs[i][1]));
		set_feature(p->m, f, false);
	}
	set_width(p->m);
	return true;
}

static struct x86_model *model_new(const struct named *n)
{
	struct x86_model *m = g_new0(struct x86_model, 1);

	m->name = g_strdup(n->name);
	g_strlcpy(m->vendor, n->vendor, sizeof m->vendor);
	g_strlcpy(m->brand, n->brand, sizeof m->brand);
	m->family = n->family;
	m->model = n->model;
	m->stepping = n->stepping;
	m->phys_bits = 40;
	if (n->set) {
		set_all(m, n->set);
	} else {
		for (unsigned i = 0; i < FEATURES; i++)
			if (features[i].have && features[i].id != F_MONITOR)
				set_feature(m, features[i].id, true);
	}
	return m;
}

static struct x86_model *model_named(const char *name, GError **error)
{
	char *list;

	for (unsigned i = 0; i < MODELS; i++)
		if (!strcmp(name, models[i].name))
			return model_new(&models[i]);
	list = model_list();
	if (!strcmp(name, "x86-64-v4"))
		fail(error, "-cpu x86-64-v4 needs AVX-512, which is not implemented; known models: %s", list);
	else
		fail(error, "-cpu: unknown model '%s'; known models: %s", name, list);
	g_free(list);
	return NULL;
}

struct x86_model *x86_model_parse(const char *spec,
				  bool (*other)(void *o, const char *key, const char *value, GError **e),
				  void *o, GError **error)
{
	char **words = g_strsplit(spec, ",", -1);
	struct parse p = { .m = model_named(words[0] ? words[0] : "", error), .other = other, .o = o };

	for (unsigned i = 1; p.m && words[i]; i++) {
		if (*words[i] && !one_word(&p, words[i], error)) {
			x86_model_free(p.m);
			p.m = NULL;
		}
	}
	g_strfreev(words);
	if (p.m && !settle(&p, error)) {
		x86_model_free(p.m);
		p.m = NULL;
	}
	return p.m;
}

void x86_model_free(struct x86_model *m)
{
	if (!m)
		return;
	g_free(m->name);
	g_free(m);
}

void x86_model_help(FILE *out)
{
	unsigned column = 0;

	fprintf(out, "Models:\n");
	for (unsigned i = 0; i < MODELS; i++)
		fprintf(out, "  %-12s %s\n", models[i].name, models[i].help);
	fprintf(out, "\nProperties: vendor= family= model= stepping= model-id= phys-bits= tsc-frequency=\n");
	fprintf(out, "\nFeatures (+name, -name, name=on, name=off):\n");
	for (unsigned i = 0; i < FEATURES; i++) {
		if (!features[i].have)
			continue;
		if (column + strlen(features[i].name) > 76) {
			fprintf(out, "\n");
			column = 0;
		}
		column += (unsigned)fprintf(out, "%s%s", column ? " " : "  ", features[i].name);
	}
	fprintf(out, "\n");
}
