/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a machine's processors must have before there can be a root partition on it (22.2, appendix E).  All are of
 * one model, so nothing can differ between two of them (T28.b).
 */
#include <gio/gio.h>

#include "accel/hvtlfs/hv.h"
#include "accel/hvtlfs/mutant.h"

enum { PHYS_BITS_MAX = 48 };                              /* T28.e */
/* T28.g; OP44: AMD's leaf 0x80000001 repeats bits of leaf 1, which are one feature here. */
#define LEAF_1_EDX 0x078bfbffu
#define LEAF_80000001_EDX (1u << 11 | 1u << 20 | 1u << 29)

static const struct needed {
	enum x86_feature feature;
	const char *name;
	uint32_t leaf;
	unsigned reg, bit;
} features[] = {
#define X(suffix, name, leaf, sub, reg, bit, have) { F_##suffix, name, leaf, #reg[0], bit },
#include "target/i386/features.def"
#undef X
};

static bool is_needed(const struct needed *n)
{
	uint32_t mask = n->reg != 'D' ? 0 : n->leaf == 1 ? LEAF_1_EDX : n->leaf == 0x80000001 ? LEAF_80000001_EDX : 0;

	return mask >> n->bit & 1;
}

bool hv_launch_check(const struct x86_model *m, GError **error)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(features) && !MUTANT(launch_anyway); i++) {
		const struct needed *n = &features[i];

		if (!is_needed(n) || x86_model_has(m, n->feature))
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "role=root: the processor lacks '%s' (CPUID %#x EDX bit %u), without which no hypervisor starts", n->name,
			    n->leaf, n->bit);
		return false;
	}
	if (m->phys_bits > PHYS_BITS_MAX && !MUTANT(launch_wide)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "role=root: physical addresses of %u bits; no hypervisor starts with more than %d", m->phys_bits, PHYS_BITS_MAX);
		return false;
	}
	return true;
}
