/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPUID: features, named models, -cpu strings.
 */
#ifndef TARGET_I386_MODEL_H
#define TARGET_I386_MODEL_H

#include <glib.h>
#include <stdio.h>

#include "target/i386/cpu.h"

/*
 * One row a feature: X(constant suffix, QEMU's name, leaf, subleaf, register, bit, implemented).
 * register: A, B, C, D.  implemented: 1 if the processor here has it.
 * Defined in features.def (included where needed).
 */
enum x86_feature {
	F_NONE,
#define X(suffix, name, leaf, sub, reg, bit, have) F_##suffix,
#include "target/i386/features.def"
#undef X
	F_COUNT
};

struct x86_model {
	char *name;
	char vendor[13];
	uint32_t family, model, stepping;
	char brand[49];
	uint64_t features[(F_COUNT + 63) / 64];
	unsigned phys_bits, virt_bits;
	bool bare;                   /* no machine is behind its MSRs: nothing to check or to switch there (29, 30) */
	uint64_t tsc_hz;             /* for leaf 0x15/0x16 and synthetic leaves; 0 not told */
};

static inline bool x86_model_has(const struct x86_model *m, enum x86_feature f)
{
	return m->features[f / 64] >> (f % 64) & 1;
}
static inline bool x86_has(const struct x86_cpu *c, enum x86_feature f)
{
	return x86_model_has(c->model, f);
}

/*
 * A model from a `-cpu` argument: NAME[,+feature][,-feature][,feature=on|off]...
 * Properties it does not know are handed to @other (may be NULL) as key and
 * value; it returns false if they are unknown there too.  The error names the
 * bad word and lists what exists.
 */
struct x86_model *x86_model_parse(const char *spec, bool (*other)(void *o, const char *key, const char *value, GError **e),
				  void *o, GError **error);
void x86_model_free(struct x86_model *m);
/* A model that no processor has yet loses @f, and what makes no sense without it. */
void x86_model_remove(struct x86_model *m, enum x86_feature f);
/* Prints models and features (`-cpu help`). */
void x86_model_help(FILE *out);
/* The processor's own answer (no hypervisor leaves): regs EAX EBX ECX EDX. */
void x86_cpuid(struct x86_cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]);
/* EAX of leaf 1: family, model, stepping. */
uint32_t x86_model_signature(const struct x86_model *m);
/* Size of the standard-format XSAVE area for @xcr0, and what XCR0 may hold. */
uint32_t x86_xsave_size(uint64_t xcr0);
uint64_t x86_xcr0_supported(const struct x86_model *m);

/* The processor's own MSRs.  False: not one of them (ask ops->msr_*). Raises #GP. */
bool x86_msr_read(struct x86_cpu *c, uint32_t msr, uint64_t *v);
bool x86_msr_write(struct x86_cpu *c, uint32_t msr, uint64_t v);

#endif
