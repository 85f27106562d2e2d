/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic flags, kept as a result and a few auxiliary bits.
 *
 * fl_res: the result, sign-extended to 64 bits.
 *   ZF = (fl_res == 0)
 *   SF = bit 63 of fl_res, exclusive-or FLA_SD
 *   PF = even parity of (low byte of fl_res ^ FLA_PD byte)
 * fl_aux:
 *   bit 31 CF, bit 30 OF ^ CF ("carry into the top bit"), bit 3 AF,
 *   bit 0 FLA_SD (sign differs), bits 15:8 FLA_PD (parity differs).
 *
 * So an addition or subtraction costs two stores and few operations, a
 * conditional jump one or two tests, and there is never an operation to
 * remember.  The state is exact at each instruction.
 */
#ifndef TARGET_I386_FLAGS_H
#define TARGET_I386_FLAGS_H

#include "target/i386/cpu.h"

#define FLA_CF (1u << 31)
#define FLA_PO (1u << 30)
#define FLA_AF (1u << 3)
#define FLA_SD (1u << 0)
#define FLA_PD_SHIFT 8

static inline bool x86_cf(const struct x86_cpu *c) { return c->fl_aux >> 31; }
static inline bool x86_of(const struct x86_cpu *c)
{
	return (c->fl_aux ^ (c->fl_aux << 1)) >> 31;
}
static inline bool x86_zf(const struct x86_cpu *c) { return c->fl_res == 0; }
static inline bool x86_sf(const struct x86_cpu *c)
{
	return (c->fl_res >> 63) ^ (c->fl_aux & FLA_SD);
}
static inline bool x86_pf(const struct x86_cpu *c)
{
	return !__builtin_parity((uint8_t)c->fl_res ^ (uint8_t)(c->fl_aux >> FLA_PD_SHIFT));
}
static inline bool x86_af(const struct x86_cpu *c) { return c->fl_aux & FLA_AF; }

/* The arithmetic flags in their EFLAGS places. */
static inline uint32_t x86_arith_get(const struct x86_cpu *c)
{
	return (x86_cf(c) ? X86_CF : 0) | (x86_pf(c) ? X86_PF : 0) | (x86_af(c) ? X86_AF : 0) |
	       (x86_zf(c) ? X86_ZF : 0) | (x86_sf(c) ? X86_SF : 0) | (x86_of(c) ? X86_OF : 0);
}

/* Sets all six arithmetic flags from EFLAGS places; other bits of @f are ignored. */
static inline void x86_arith_set(struct x86_cpu *c, uint32_t f)
{
	bool cf = f & X86_CF, of = f & X86_OF, sf = f & X86_SF, zf = f & X86_ZF, pf = f & X86_PF;
	uint32_t aux = 0;

	/* Result 0 has SF 0 and PF 1, result 1 has SF 0 and PF 0. */
	c->fl_res = !zf;
	if (sf)
		aux |= FLA_SD;
	if (pf != zf)
		aux |= 1u << FLA_PD_SHIFT;
	if (cf)
		aux |= FLA_CF;
	if (cf != of)
		aux |= FLA_PO;
	if (f & X86_AF)
		aux |= FLA_AF;
	c->fl_aux = aux;
}

/* CF and OF alone (rotates, MUL): keeps ZF, SF, PF and AF. */
static inline void x86_set_cf_of(struct x86_cpu *c, bool cf, bool of)
{
	c->fl_aux = (c->fl_aux & ~(FLA_CF | FLA_PO)) | (cf ? FLA_CF : 0) | (cf != of ? FLA_PO : 0);
}
/* CF alone (BT, CLC, ...): keeps OF. */
static inline void x86_set_cf(struct x86_cpu *c, bool cf)
{
	x86_set_cf_of(c, cf, x86_of(c));
}

static inline uint64_t x86_flags_get(const struct x86_cpu *c)
{
	return c->eflags | x86_arith_get(c);
}
/* All of RFLAGS, no checks; the caller does x86_mode_update() if VM, TF, AC or IOPL changed. */
static inline void x86_flags_set(struct x86_cpu *c, uint64_t f)
{
	x86_arith_set(c, f);
	c->eflags = ((uint32_t)f & 0x3f7fd5 & ~X86_ARITH) | 2;
}

/*
 * Results of @bits wide operations.  @cv is the carry vector: bit i is the
 * carry (borrow) out of bit i.
 */
static inline void x86_fl_set(struct x86_cpu *c, int64_t res_sx, uint64_t cv, unsigned bits)
{
	c->fl_res = (uint64_t)res_sx;
	c->fl_aux = ((uint32_t)(cv >> (bits - 2)) << 30) | ((uint32_t)cv & FLA_AF);
}
static inline void x86_fl_logic(struct x86_cpu *c, int64_t res_sx)
{
	c->fl_res = (uint64_t)res_sx;
	c->fl_aux = 0;
}
static inline uint64_t x86_add_cv(uint64_t a, uint64_t b, uint64_t r) { return (a & b) | ((a | b) & ~r); }
static inline uint64_t x86_sub_cv(uint64_t a, uint64_t b, uint64_t r) { return (~a & b) | ((~a | b) & r); }

/* Condition codes 0..15 as in Jcc. */
static inline bool x86_cond(const struct x86_cpu *c, unsigned cc)
{
	bool v;

	switch (cc >> 1) {
	case 0: v = x86_of(c); break;
	case 1: v = x86_cf(c); break;
	case 2: v = x86_zf(c); break;
	case 3: v = x86_cf(c) || x86_zf(c); break;
	case 4: v = x86_sf(c); break;
	case 5: v = x86_pf(c); break;
	case 6: v = x86_sf(c) != x86_of(c); break;
	default: v = x86_zf(c) || x86_sf(c) != x86_of(c); break;
	}
	return v ^ (cc & 1);
}

#endif
