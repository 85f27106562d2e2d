/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers as instructions like to have them. */
#include <glib.h>
#include <string.h>

#include "generate.h"

struct generator {
	uint64_t s[2];
};

static uint64_t mix(uint64_t *at)
{
	uint64_t z = *at += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void generator_seed(struct generator *g, uint64_t seed)
{
	g->s[0] = mix(&seed);
	g->s[1] = mix(&seed);
}

struct generator *generator_new(uint64_t seed)
{
	struct generator *g = g_new0(struct generator, 1);

	generator_seed(g, seed);
	return g;
}

void generator_free(struct generator *g) { g_free(g); }

/* xorshift128+. */
uint64_t bits64(struct generator *g)
{
	uint64_t x = g->s[0], y = g->s[1];

	g->s[0] = y;
	x ^= x << 23;
	g->s[1] = x ^ y ^ x >> 17 ^ y >> 26;
	return g->s[1] + y;
}

uint32_t bits32(struct generator *g) { return (uint32_t)(bits64(g) >> 32); }
uint32_t below(struct generator *g, uint32_t n) { return (uint32_t)((uint64_t)bits32(g) * n >> 32); }
bool one_in(struct generator *g, uint32_t n) { return below(g, n) == 0; }

uint64_t integer(struct generator *g)
{
	static const uint64_t edges[] = { 0, 0, 1, 2, UINT64_MAX, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
					  0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, 0x5555555555555555 };

	switch (below(g, 6)) {
	case 0: case 1: return edges[below(g, G_N_ELEMENTS(edges))];
	case 2: return 1ull << below(g, 64);
	case 3: return below(g, 256);
	case 4: return (uint64_t)-(int64_t)below(g, 256);
	default: return bits64(g);
	}
}

static uint64_t double_bits(struct generator *g)
{
	static const uint64_t edges[] = { 0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000,
					  0xfff0000000000000, 0x7ff8000000000000, 0xfff8000000000001, 0x7ff0000000000001, 0x0000000000000001,
					  0x800fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x43e0000000000000, 0x41e0000000000000,
					  0x3fe0000000000000, 0x4000000000000000, 0xc3e0000000000000 };

	if (one_in(g, 2))
		return edges[below(g, G_N_ELEMENTS(edges))];
	/* Exponents near each other, so that sums cancel and round. */
	return (bits64(g) & 0x800fffffffffffff) | (uint64_t)(1003 + below(g, 40)) << 52;
}

static uint32_t float_bits(struct generator *g)
{
	static const uint32_t edges[] = { 0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001,
					  1, 0x807fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0xcf000000, 0x3f000000, 0x40000000 };

	if (one_in(g, 2))
		return edges[below(g, G_N_ELEMENTS(edges))];
	return (bits32(g) & 0x807fffff) | (uint32_t)(107 + below(g, 40)) << 23;
}

static void extended(struct generator *g, uint8_t *to)
{
	static const struct { uint16_t se; uint64_t frac; } edges[] = {
		{ 0, 0 }, { 0x8000, 0 }, { 0x3fff, 1ull << 63 }, { 0xbfff, 1ull << 63 }, { 0x7fff, 1ull << 63 }, { 0xffff, 1ull << 63 },
		{ 0x7fff, 3ull << 62 }, { 0x7fff, (1ull << 63) + 5 }, { 0xffff, 3ull << 62 }, { 0, 1 }, { 0, 1ull << 62 }, { 0, 1ull << 63 },
		{ 0x7ffe, UINT64_MAX }, { 1, 1ull << 63 }, { 0x3ffe, 1ull << 63 }, { 0x4000, 1ull << 63 }, { 0x403e, UINT64_MAX },
		{ 0x3fff, 1 }, { 0x7fff, 0 }, { 0x401d, 0xfffffffe00000000 },
	};
	uint64_t frac = bits64(g) | 1ull << 63;
	uint16_t se = (uint16_t)((0x3fff - 20 + below(g, 40)) | (bits32(g) & 0x8000));

	if (one_in(g, 2)) {
		unsigned n = below(g, G_N_ELEMENTS(edges));

		frac = edges[n].frac;
		se = edges[n].se;
	}
	memcpy(to, &frac, 8);
	memcpy(to + 8, &se, 2);
}

void vector(struct generator *g, union x86_vec *v)
{
	unsigned kind = below(g, 5);

	for (unsigned i = 0; i < 4; i++) {
		switch (kind) {
		case 0: v->q[i] = integer(g); break;
		case 1: v->q[i] = double_bits(g); break;
		case 2: v->q[i] = (uint64_t)float_bits(g) << 32 | float_bits(g); break;
		case 3: v->q[i] = integer(g) << 32 | (uint32_t)integer(g); break;
		default: v->q[i] = bits64(g); break;
		}
	}
}

void x87_state(struct generator *g, uint8_t *fx)
{
	uint16_t fcw = (uint16_t)(0x40 | below(g, 4) << 10 | (below(g, 4) << 8));
	uint16_t fsw = (uint16_t)(below(g, 8) << 11 | (bits32(g) & 0x4700));
	uint32_t mxcsr = below(g, 4) << 13 | (bits32(g) & 0x3f);

	fcw |= one_in(g, 8) ? bits32(g) & 0x3f : 0x3f;
	if ((fcw >> 8 & 3) == 1)
		fcw |= 0x300;                     /* precision 1 is reserved */
	fsw |= bits32(g) & fcw & 0x3f;     /* nothing unmasked pends */
	mxcsr |= one_in(g, 8) ? (bits32(g) & 0x3f) << 7 : 0x1f80;
	mxcsr |= one_in(g, 4) ? 0x40 : 0;
	mxcsr |= one_in(g, 4) ? 0x8000 : 0;
	memset(fx, 0, 512);
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	fx[4] = one_in(g, 4) ? (uint8_t)bits32(g) : 0xff;
	memcpy(fx + 24, &mxcsr, 4);
	for (unsigned i = 0; i < 8; i++)
		extended(g, fx + 32 + 16 * i);
}
