/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x86-64 encoder helpers: bytes appended to a bounded buffer.
 */
#ifndef JIT_EMIT_H
#define JIT_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI, H_R8, H_S0, H_S1, H_GSP, H_R12 };

/* Code is written at `at` (writable alias); offsets of the cache are the same in both aliases. */
struct emit {
	uint8_t *base;
	uint32_t at, end;
	bool full;       /* did not fit: nothing of it may be used */
};

static inline void e8(struct emit *e, uint8_t v)
{
	if (e->at >= e->end)
		e->full = true;
	else
		e->base[e->at++] = v;
}
static inline void en(struct emit *e, const void *p, unsigned n)
{
	if (e->end - e->at < n) {
		e->full = true;
		return;
	}
	memcpy(e->base + e->at, p, n);
	e->at += n;
}
static inline void e32(struct emit *e, uint32_t v) { en(e, &v, 4); }
static inline void e64(struct emit *e, uint64_t v) { en(e, &v, 8); }

/* A rel32 at @site (its last four bytes emitted) now leads to @to. */
static inline void e_patch(struct emit *e, uint32_t site, uint32_t to)
{
	int32_t rel = (int32_t)(to - (site + 4));

	if (!e->full)
		memcpy(e->base + site, &rel, 4);
}
static inline void e_rel(struct emit *e, uint32_t to)
{
	e32(e, 0);
	if (!e->full)
		e_patch(e, e->at - 4, to);
}

static inline bool e_is8(int64_t v) { return v >= -128 && v < 128; }
/* ModRM (and SIB) of @reg, [base + disp], the displacement as short as it can be. */
static inline void e_mem(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
	unsigned mod = !disp && (base & 7) != 5 ? 0 : e_is8(disp) ? 1 : 2;

	e8(e, (uint8_t)(mod << 6 | (reg & 7) << 3 | (base & 7)));
	if ((base & 7) == 4)
		e8(e, 0x24);
	if (mod == 1)
		e8(e, (uint8_t)disp);
	else if (mod == 2)
		e32(e, (uint32_t)disp);
}
/* [base + index + disp], index H_RSP for none: its bits of REX, and ModRM, SIB and displacement. */
struct place {
	uint8_t base, index;
	int32_t disp;
};
static inline unsigned place_rex(struct place p) { return (p.index & 8u) >> 2 | p.base >> 3; }
static inline void e_place(struct emit *e, unsigned reg, struct place p)
{
	unsigned mod = !p.disp && (p.base & 7) != 5 ? 0 : e_is8(p.disp) ? 1 : 2;

	if (p.index == H_RSP) {
		e_mem(e, reg, p.base, p.disp);
		return;
	}
	e8(e, (uint8_t)(mod << 6 | (reg & 7) << 3 | 4));
	e8(e, (uint8_t)((p.index & 7) << 3 | (p.base & 7)));
	if (mod == 1)
		e8(e, (uint8_t)p.disp);
	else if (mod == 2)
		e32(e, (uint32_t)p.disp);
}
/* op reg, [RSP + disp]; W: 64 bits. */
static inline void e_ctx(struct emit *e, bool w, uint8_t op, unsigned reg, uint32_t disp)
{
	unsigned rex = 0x40 | w << 3 | (reg >> 3) << 2;

	if (rex != 0x40)
		e8(e, (uint8_t)rex);
	e8(e, op);
	e_mem(e, reg, H_RSP, (int32_t)disp);
}
/* op reg, rm of general registers (the low bytes of RBP, RSI, RDI not without W). */
static inline void e_rr(struct emit *e, bool w, uint8_t op, unsigned reg, unsigned rm)
{
	unsigned rex = 0x40 | w << 3 | (reg >> 3) << 2 | rm >> 3;

	if (rex != 0x40)
		e8(e, (uint8_t)rex);
	e8(e, op);
	e8(e, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}
static inline void e_mov(struct emit *e, unsigned to, unsigned from) { e_rr(e, true, 0x89, from, to); }
static inline void e_load(struct emit *e, unsigned reg, uint32_t disp) { e_ctx(e, true, 0x8b, reg, disp); }
static inline void e_store(struct emit *e, unsigned reg, uint32_t disp) { e_ctx(e, true, 0x89, reg, disp); }
/* mov reg, constant, in as few bytes as it takes. */
static inline void e_imm64(struct emit *e, unsigned reg, uint64_t v)
{
	bool wide = v >> 32, sign = wide && (uint64_t)(int32_t)v == v;

	if (wide || reg >= 8)
		e8(e, (uint8_t)(0x40 | wide << 3 | reg >> 3));
	e8(e, (uint8_t)(sign ? 0xc7 : 0xb8 | (reg & 7)));
	if (sign)
		e8(e, (uint8_t)(0xc0 | (reg & 7)));
	if (wide && !sign)
		e64(e, v);
	else
		e32(e, (uint32_t)v);
}
/* lea reg, [base + disp] */
static inline void e_lea(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
	e8(e, (uint8_t)(0x48 | (reg >> 3) << 2 | base >> 3));
	e8(e, 0x8d);
	e_mem(e, reg, base, disp);
}
static inline void e_bytes(struct emit *e, const char *hex, unsigned n) { en(e, hex, n); }
#define E_RAW(e, s) e_bytes(e, s, sizeof(s) - 1)

#endif
