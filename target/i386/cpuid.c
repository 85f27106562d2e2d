/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUID: one function a leaf.  Feature bits come from features.def; the rest is
 * derived from state (CR4, XCR0), topology and the model.
 */
#include <string.h>

#include "target/i386/model.h"

enum { A, B, C, D };

/* Components of the XSAVE area in standard format: offset and size. */
enum { XSAVE_LEGACY = 512, XSAVE_HEADER = 64, XSAVE_AVX_AT = 576, XSAVE_AVX_SIZE = 256 };

struct bit {
	uint32_t leaf;
	uint16_t feature;
	uint8_t sub, reg, bit;
};

static const struct bit bits[] = {
#define X(suffix, name, leaf, sub, reg, bit, have) { leaf, F_##suffix, sub, reg, bit },
#include "target/i386/features.def"
#undef X
};

/* Ors the model's feature bits of a leaf into @r. */
static void add_features(const struct x86_model *m, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	for (unsigned i = 0; i < sizeof bits / sizeof bits[0]; i++)
		if (bits[i].leaf == leaf && bits[i].sub == sub && x86_model_has(m, bits[i].feature))
			r[bits[i].reg] |= 1u << bits[i].bit;
}

uint64_t x86_xcr0_supported(const struct x86_model *m)
{
	if (!x86_model_has(m, F_XSAVE))
		return 1;
	return x86_model_has(m, F_AVX) ? 7 : 3;
}

uint32_t x86_xsave_size(uint64_t xcr0)
{
	return xcr0 & 4 ? XSAVE_AVX_AT + XSAVE_AVX_SIZE : XSAVE_LEGACY + XSAVE_HEADER;
}

static bool amd(const struct x86_model *m)
{
	return !strcmp(m->vendor, "AuthenticAMD") || !strcmp(m->vendor, "HygonGenuine");
}

static uint32_t bytes4(const char *s)
{
	return (uint32_t)(uint8_t)s[0] | (uint32_t)(uint8_t)s[1] << 8 | (uint32_t)(uint8_t)s[2] << 16 |
	       (uint32_t)(uint8_t)s[3] << 24;
}

uint32_t x86_model_signature(const struct x86_model *m)
{
	uint32_t family = m->family > 15 ? 15 : m->family;

	return (m->family - family) << 20 | (m->model >> 4 & 0xf) << 16 | family << 8 |
	       (m->model & 0xf) << 4 | (m->stepping & 0xf);
}

static uint32_t top_basic(const struct x86_model *m)
{
	return m->tsc_hz ? 0x16 : 0xd;
}

/* ---- leaves ---------------------------------------------------------------- */

static void vendor_leaf(const struct x86_model *m, uint32_t top, uint32_t r[4])
{
	r[A] = top;
	r[B] = bytes4(m->vendor);
	r[D] = bytes4(m->vendor + 4);
	r[C] = bytes4(m->vendor + 8);
}

static unsigned pow2_up(unsigned n)
{
	unsigned p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static uint32_t package_processors(const struct x86_cpu *c)
{
	return c->topology.cores * c->topology.threads;
}

/* APIC ids that belong to one package, those that nobody has included. */
static unsigned package_ids(const struct x86_cpu *c)
{
	return pow2_up(c->topology.cores) * pow2_up(c->topology.threads);
}

static void leaf_1(const struct x86_cpu *c, uint32_t r[4])
{
	uint32_t all = package_processors(c);

	r[A] = x86_model_signature(c->model);
	/* CLFLUSH line 64 bytes; addressable ids in the package. */
	r[B] = (c->apic_id & 0xff) << 24 | all << 16 | 8 << 8;
	add_features(c->model, 1, 0, r);
	if (all > 1)
		r[D] |= 1u << 28;
	else
		r[D] &= ~(1u << 28);
	if ((c->cr4 & CR4_OSXSAVE) && x86_has(c, F_XSAVE))
		r[C] |= 1u << 27;
}

/* Descriptors of leaf 2: "ask leaf 4", 64-byte prefetch, TLBs. */
static void leaf_2(uint32_t r[4])
{
	r[A] = 0x00feff01;
	r[D] = 0x000000f0;
}

/* One cache of leaf 4 or 0x8000001d. */
static void cache(uint32_t r[4], unsigned type, unsigned level, unsigned ways, unsigned sets, unsigned sharing)
{
	r[A] = type | level << 5 | 1 << 8 | (sharing - 1) << 14;
	r[B] = 63 | (ways - 1) << 22;
	r[C] = sets - 1;
	r[D] = 0;
}

/* 48 KiB data, 32 KiB code, 1 MiB in each core; 16 MiB in the package. */
static void cache_leaf(const struct x86_cpu *c, uint32_t sub, uint32_t r[4])
{
	unsigned core = pow2_up(c->topology.threads);

	switch (sub) {
	case 0: cache(r, 1, 1, 12, 64, core); break;
	case 1: cache(r, 2, 1, 8, 64, core); break;
	case 2: cache(r, 3, 2, 16, 1024, core); break;
	case 3: cache(r, 3, 3, 16, 16384, package_ids(c)); break;
	default: memset(r, 0, 16); break;
	}
}

static void leaf_4(const struct x86_cpu *c, uint32_t sub, uint32_t r[4])
{
	unsigned cores = pow2_up(c->topology.cores);

	cache_leaf(c, sub, r);
	if (r[A])
		r[A] |= (cores > 64 ? 63 : cores - 1) << 26;
}

static void leaf_b(const struct x86_cpu *c, uint32_t sub, uint32_t r[4])
{
	r[C] = sub & 0xff;
	r[D] = c->apic_id;
	if (sub == 0) {
		r[A] = (uint32_t)__builtin_ctz(pow2_up(c->topology.threads));
		r[B] = c->topology.threads;
		r[C] |= 1 << 8;
	} else if (sub == 1) {
		r[A] = (uint32_t)__builtin_ctz(package_ids(c));
		r[B] = package_processors(c);
		r[C] |= 2 << 8;
	}
}

static uint32_t compact_size(uint64_t set)
{
	return XSAVE_LEGACY + XSAVE_HEADER + (set & 4 ? XSAVE_AVX_SIZE : 0);
}

static void leaf_d(const struct x86_cpu *c, uint32_t sub, uint32_t r[4])
{
	uint64_t all = x86_xcr0_supported(c->model);

	if (!x86_has(c, F_XSAVE))
		return;
	if (sub == 0) {
		r[A] = (uint32_t)all;
		r[B] = x86_xsave_size(c->xcr0);
		r[C] = x86_xsave_size(all);
	} else if (sub == 1) {
		add_features(c->model, 0xd, 1, r);
		if (x86_has(c, F_XSAVEC) || x86_has(c, F_XSAVES))
			r[B] = compact_size(c->xcr0 | c->xss);
	} else if (sub == 2 && (all & 4)) {
		r[A] = XSAVE_AVX_SIZE;
		r[B] = XSAVE_AVX_AT;
	}
}

/* Crystal 25 MHz; the ratio gives the TSC's frequency to the kilohertz at least. */
static void leaf_15(const struct x86_model *m, uint32_t r[4])
{
	const uint32_t crystal = 25000000;

	r[A] = crystal / 1000;
	r[B] = (uint32_t)(m->tsc_hz / 1000);
	r[C] = crystal;
}

static void leaf_16(const struct x86_model *m, uint32_t r[4])
{
	r[A] = r[B] = (uint32_t)(m->tsc_hz / 1000000);
	r[C] = 100;
}

static void basic(const struct x86_cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	switch (leaf) {
	case 0: vendor_leaf(c->model, top_basic(c->model), r); break;
	case 1: leaf_1(c, r); break;
	case 2: /* AMD has nothing there (T27.l) */
		if (!amd(c->model))
			leaf_2(r);
		break;
	case 4: leaf_4(c, sub, r); break;
	case 5:
		if (x86_has(c, F_MONITOR)) {
			r[A] = r[B] = 64;
			r[C] = 3;
		}
		break;
	case 6: add_features(c->model, 6, 0, r); break;
	case 7:
		add_features(c->model, 7, sub, r);
		if (sub == 0)
			r[A] = 2;
		break;
	case 0xb: leaf_b(c, sub, r); break;
	case 0xd: leaf_d(c, sub, r); break;
	case 0x15: leaf_15(c->model, r); break;
	case 0x16: leaf_16(c->model, r); break;
	}
}

/* AMD's way to tell the topology, beside leaf 0xb. */
static void leaf_topology_amd(const struct x86_cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	if (!amd(c->model) || !x86_has(c, F_TOPOEXT))
		return;
	if (leaf == 0x8000001d) {
		cache_leaf(c, sub, r);
		return;
	}
	r[A] = c->apic_id;
	r[B] = c->index / c->topology.threads % c->topology.cores | (c->topology.threads - 1) << 8;
}

static void leaf_sizes(const struct x86_cpu *c, uint32_t r[4])
{
	r[A] = c->model->phys_bits | (x86_has(c, F_LA57) ? 57u : 48u) << 8;
	add_features(c->model, 0x80000008, 0, r);
	if (amd(c->model))
		r[C] = (package_processors(c) - 1) | (uint32_t)__builtin_ctz(package_ids(c)) << 12;
}

static void extended(const struct x86_cpu *c, uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	switch (leaf) {
	case 0x80000000: vendor_leaf(c->model, amd(c->model) ? 0x80000021 : 0x80000008, r); break;
	case 0x80000001:
		add_features(c->model, leaf, 0, r);
		if (amd(c->model)) {
			uint32_t f[4] = { 0 };

			/* AMD repeats the common bits of leaf 1. */
			add_features(c->model, 1, 0, f);
			r[D] |= f[D] & 0x0183f3ff;
			r[A] = x86_model_signature(c->model);
		}
		break;
	case 0x80000002:
	case 0x80000003:
	case 0x80000004:
		for (unsigned i = 0; i < 4; i++)
			r[i] = bytes4(c->model->brand + (leaf - 0x80000002) * 16 + i * 4);
		break;
	case 0x80000005: /* first-level caches and TLBs: 32 KiB 8-way each */
		if (amd(c->model)) {
			r[A] = r[B] = 0xff40ff40;
			r[C] = r[D] = 0x20080140;
		}
		break;
	case 0x80000006: /* 1 MiB 16-way, 64-byte lines */
		r[C] = 1024 << 16 | 8 << 12 | 1 << 8 | 64;
		break;
	case 0x80000007: add_features(c->model, leaf, 0, r); break;
	case 0x80000008: leaf_sizes(c, r); break;
	case 0x8000001d:
	case 0x8000001e: leaf_topology_amd(c, leaf, sub, r); break;
	case 0x80000021: add_features(c->model, leaf, 0, r); break;
	}
}

void x86_cpuid(struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	uint32_t top = leaf >> 31 ? (amd(c->model) ? 0x80000021 : 0x80000008) : top_basic(c->model);

	memset(regs, 0, 4 * sizeof regs[0]);
	/* Synthetic leaves belong to others. */
	if (leaf >> 28 == 4)
		return;
	if (leaf > top) {
		if (amd(c->model))
			return;
		/* Intel answers the highest basic leaf. */
		leaf = top_basic(c->model);
	}
	if (leaf >> 31)
		extended(c, leaf, subleaf, regs);
	else
		basic(c, leaf, subleaf, regs);
}
