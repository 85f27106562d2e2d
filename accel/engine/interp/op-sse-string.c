/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SSE4.2 string compares: PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM.
 *
 * imm8: 1:0 element (unsigned byte, unsigned word, signed byte, signed word),
 * 3:2 aggregation, 5:4 polarity, 6 last index or expanded mask.
 */
#include "vec.h"

enum { IMM_WORDS = 1, IMM_SIGNED = 2, IMM_NEGATE = 0x10, IMM_ONLY_VALID = 0x20, IMM_MOST = 0x40 };
enum { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };

struct strings {
	vec a, b;
	unsigned imm, n;          /* elements a register holds */
	unsigned a_len, b_len;    /* valid ones */
};

static int element(const struct strings *s, const vec *v, unsigned i)
{
	switch (s->imm & (IMM_WORDS | IMM_SIGNED)) {
	case 0: return v->b[i];
	case IMM_WORDS: return v->w[i];
	case IMM_SIGNED: return v->sb[i];
	default: return v->sw[i];
	}
}

static bool equal_any(const struct strings *s, unsigned j)
{
	for (unsigned i = 0; i < s->a_len; i++)
		if (element(s, &s->a, i) == element(s, &s->b, j))
			return true;
	return false;
}

static bool in_ranges(const struct strings *s, unsigned j)
{
	int x = element(s, &s->b, j);

	for (unsigned i = 0; i + 1 < s->a_len; i += 2)
		if (x >= element(s, &s->a, i) && x <= element(s, &s->a, i + 1))
			return true;
	return false;
}

/* Past the end of b only the end of a matches. */
static bool ordered_from(const struct strings *s, unsigned j)
{
	for (unsigned i = 0; i < s->a_len && i + j < s->n; i++)
		if (i + j >= s->b_len || element(s, &s->a, i) != element(s, &s->b, i + j))
			return false;
	return true;
}

static bool element_result(const struct strings *s, unsigned j)
{
	bool a = j < s->a_len, b = j < s->b_len;

	switch (s->imm >> 2 & 3) {
	case EQUAL_ANY: return b && equal_any(s, j);
	case RANGES: return b && in_ranges(s, j);
	case EQUAL_EACH: return a && b ? element(s, &s->a, j) == element(s, &s->b, j) : a == b;
	default: return ordered_from(s, j);
	}
}

/* The aggregated bits with polarity applied; sets the flags. */
static unsigned compare(struct x86_cpu *c, const struct strings *s)
{
	unsigned r = 0;

	for (unsigned j = 0; j < s->n; j++)
		r |= (unsigned)element_result(s, j) << j;
	if (s->imm & IMM_NEGATE)
		r ^= (1u << (s->imm & IMM_ONLY_VALID ? s->b_len : s->n)) - 1;
	x86_arith_set(c, (r ? X86_CF : 0) | (s->b_len < s->n ? X86_ZF : 0) | (s->a_len < s->n ? X86_SF : 0) |
			 (r & 1 ? X86_OF : 0));
	return r;
}

static unsigned implicit_length(const struct strings *s, const vec *v)
{
	unsigned i = 0;

	while (i < s->n && element(s, v, i))
		i++;
	return i;
}

/* |EAX|, |EDX| (in 64-bit mode with W |RAX|, |RDX|), cut at the register's elements. */
static unsigned explicit_length(const struct x86_cpu *c, const struct uop *u, uint64_t reg, unsigned n)
{
	int64_t v = u->flags & UOP_W && c->mode & X86_MODE_CS64 ? (int64_t)reg : (int32_t)reg;
	uint64_t len = v < 0 ? -(uint64_t)v : (uint64_t)v;

	return len < n ? (unsigned)len : n;
}

static void read_strings(struct x86_cpu *c, const struct uop *u, struct strings *s)
{
	vec_get(c, u, 0, &s->a);
	vec_get(c, u, 1, &s->b);
	s->imm = (unsigned)u->imm;
	s->n = s->imm & IMM_WORDS ? 8 : 16;
}

static void read_implicit(struct x86_cpu *c, const struct uop *u, struct strings *s)
{
	read_strings(c, u, s);
	s->a_len = implicit_length(s, &s->a);
	s->b_len = implicit_length(s, &s->b);
}

static void read_explicit(struct x86_cpu *c, const struct uop *u, struct strings *s)
{
	read_strings(c, u, s);
	s->a_len = explicit_length(c, u, c->gpr[X86_RAX], s->n);
	s->b_len = explicit_length(c, u, c->gpr[X86_RDX], s->n);
}

static void put_index(struct x86_cpu *c, const struct strings *s)
{
	unsigned r = compare(c, s);

	if (!r)
		c->gpr[X86_RCX] = s->n;
	else
		c->gpr[X86_RCX] = s->imm & IMM_MOST ? 31 - __builtin_clz(r) : __builtin_ctz(r);
}

static void put_mask(struct x86_cpu *c, const struct uop *u, const struct strings *s)
{
	unsigned r = compare(c, s);
	vec m = { 0 };

	if (!(s->imm & IMM_MOST))
		m.q[0] = r;
	else
		for (unsigned i = 0; i < s->n; i++) {
			if (s->imm & IMM_WORDS)
				m.sw[i] = -(int16_t)(r >> i & 1);
			else
				m.sb[i] = -(int8_t)(r >> i & 1);
		}
	c->ymm[0].q[0] = m.q[0];
	c->ymm[0].q[1] = m.q[1];
	if (u->flags & UOP_VEX)
		c->ymm[0].q[2] = c->ymm[0].q[3] = 0;
}

OP(pcmpistri)
{
	struct strings s;

	read_implicit(c, u, &s);
	put_index(c, &s);
	return NEXT(u);
}

OP(pcmpistrm)
{
	struct strings s;

	read_implicit(c, u, &s);
	put_mask(c, u, &s);
	return NEXT(u);
}

OP(pcmpestri)
{
	struct strings s;

	read_explicit(c, u, &s);
	put_index(c, &s);
	return NEXT(u);
}

OP(pcmpestrm)
{
	struct strings s;

	read_explicit(c, u, &s);
	put_mask(c, u, &s);
	return NEXT(u);
}
