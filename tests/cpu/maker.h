/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sequence while it is made: private to sequence-make.c, sequence-plain.c and sequence-control.c. */
#ifndef TESTS_CPU_MAKER_H
#define TESTS_CPU_MAKER_H

#include "sequence.h"

enum {
	SCRATCH = 4, VECTORS = 3,
	/* As a target: a function behind the end, when there are some. */
	TO_A_FUNCTION = -2,
};

struct maker {
	struct generator *g;
	struct sequence *s;
	unsigned mode;                  /* CASE_*: of the code that comes next */
	unsigned cpl;
	uint8_t weight[CLASS_COUNT];
	unsigned weights, branches, memory;  /* of 100 */
	uint8_t scratch[SCRATCH], vector[VECTORS], pointer[3];
	uint32_t undefined;             /* flags, in the order of the code */
	unsigned body;                  /* items wanted before the functions */
};

/* sequence-plain.c: the next item, empty or of @bytes. */
struct item *new_item(struct maker *m);
struct item *item_of(struct maker *m, const uint8_t *bytes, unsigned n);
#define ITEM(m, ...) item_of(m, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
static inline bool has_room(const struct maker *m) { return m->s->count + 12 < ITEMS; }
static inline unsigned any_scratch(struct maker *m) { return m->scratch[below(m->g, SCRATCH)]; }
/* Is it a register whose value should stay? */
bool keeps(const struct maker *m, unsigned reg);
/* Before an instruction that reads @flags: defines them, mostly, if they are not. */
void reads_flags(struct maker *m, uint32_t flags);
/* An instruction that goes on behind itself, of any class or of one; make_of_class(): false for no luck. */
void make_plain(struct maker *m);
bool make_of_class(struct maker *m, enum form_class class);

/* sequence-control.c: branches, calls, loops; what is neither that nor plain. */
void make_control(struct maker *m);
void make_special(struct maker *m);
/* jmp or call (@op) rel32 to item @target. */
struct item *relative(struct maker *m, uint8_t op, int8_t target);

#endif
