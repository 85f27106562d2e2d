/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What makers of cases share: random numbers, random state, bytes of a form of the instruction table. */
#ifndef TESTS_CPU_GENERATE_H
#define TESTS_CPU_GENERATE_H

#include "case.h"
#include "decode-tables.h"

/* random.c.  All that is drawn follows from the seed. */
void generator_seed(struct generator *g, uint64_t seed);
uint64_t bits64(struct generator *g);
uint32_t bits32(struct generator *g);
uint32_t below(struct generator *g, uint32_t n);
bool one_in(struct generator *g, uint32_t n);
/* Heavy at the edges: uniform numbers almost never set ZF or carry at a boundary. */
uint64_t integer(struct generator *g);
void vector(struct generator *g, union x86_vec *v);
/* An FXSAVE image: x87 state and MXCSR with nothing unmasked that pends. */
void x87_state(struct generator *g, uint8_t *fx);

/* The operand fields of an encoding; -1: any. */
struct fields {
	int reg, rm, vvvv;       /* registers 0..15; rm: only if no memory operand is wanted */
	int base, index;         /* of a memory operand, which there is if base >= 0; index -1: none */
	unsigned scale;
	int32_t disp;
};

/* generate.c: has @row an operand of one of these kinds (enum opspec_kind)? */
bool has_kind(const struct x86_row *row, unsigned a, unsigned b);
/*
 * Up to 15 bytes of form @f of the table's slot (@map, @opcode), immediates random, to
 * @to.  What the decoder makes of them has to be looked at.  @want may be NULL.
 */
void form_bytes(struct generator *g, uint8_t *to, unsigned map, unsigned opcode, const struct rowform *f, unsigned mode,
		const struct fields *want);

#endif
