/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IEEE 754 arithmetic as x86 does it, on plain integers.
 *
 * Formats: f16, f32, f64 are uint16_t, uint32_t, uint64_t; f80 is struct x86_f80.
 * sf16/sf32/sf64_* follow the SSE rules, sf80_* the x87 rules:
 *
 *  - NaN of two operands: SSE gives the first operand if it is a NaN, else the
 *    second, made quiet.  x87 gives the one with the larger significand (a
 *    quiet one before a signalling one), made quiet.
 *  - Default NaN ("real indefinite"): negative, quiet, payload 0.
 *  - Tininess is detected after rounding.
 *
 * How a caller uses struct sf_env:
 *
 *	struct sf_env e = sf_env_mxcsr(c->mxcsr);
 *	for each element: r[i] = sf32_add(&e, a[i], b[i]);
 *	uint8_t raised = sf_raised(&e);        // what sticks in MXCSR
 *	c->mxcsr |= raised;
 *	if (raised & ~e.masks)                 // unmasked: nothing is written back
 *		#XM (or #UD without CR4.OSXMMEXCPT)
 *
 * Functions only ever set bits in flags, so one env serves a whole vector.
 * Flags are exact for masked and unmasked exceptions; the returned value is the
 * masked response (for sf80 results that go to a register also the unmasked
 * overflow and underflow response: scaled by 2^-24576 or 2^24576).
 *
 * Immediate rounding (ROUNDPS, VCVTPS2PH): copy the env and change `round`.
 */
#ifndef TARGET_I386_SOFTFLOAT_H
#define TARGET_I386_SOFTFLOAT_H

#include "target/i386/cpu.h"

/* Rounding: the RC codes of MXCSR and FCW. */
enum { SF_NEAREST, SF_DOWN, SF_UP, SF_ZERO };

/* Exception flags and masks, in the order of MXCSR and FSW. */
enum {
	SF_IE = 1, SF_DE = 2, SF_ZE = 4, SF_OE = 8, SF_UE = 16, SF_PE = 32,
	SF_ALL = 63,
};

struct sf_env {
	uint8_t round;      /* SF_NEAREST... */
	uint8_t precision;  /* sf80 arithmetic: significand bits of the result, 24, 53 or 64 */
	bool daz, ftz;      /* SSE only; ftz acts while underflow is masked */
	uint8_t masks;      /* SF_*: set means masked */
	uint8_t flags;      /* SF_*: raised so far (out) */
	bool rounded_up;    /* last sf80 result: larger in magnitude than exact (x87 C1) */
	bool denormal;      /* sf80 operations: an operand was denormal in memory (sf32_load) */
};

static inline struct sf_env sf_env_mxcsr(uint32_t mxcsr)
{
	return (struct sf_env){
		.round = (mxcsr >> 13) & 3, .precision = 64, .daz = mxcsr & 0x40,
		.ftz = mxcsr & 0x8000, .masks = (mxcsr >> 7) & SF_ALL,
	};
}
/* Precision control 01 is reserved and behaves as 64 bits. */
static inline struct sf_env sf_env_fcw(uint16_t fcw)
{
	unsigned pc = (fcw >> 8) & 3;

	return (struct sf_env){
		.round = (fcw >> 10) & 3, .precision = pc == 0 ? 24 : pc == 2 ? 53 : 64,
		.masks = fcw & SF_ALL,
	};
}

/*
 * The flags that stick: with an unmasked invalid, denormal or divide-by-zero
 * exception in any element nothing is computed, so OE, UE and PE of the others
 * do not show.
 */
static inline uint8_t sf_raised(const struct sf_env *e)
{
	if (e->flags & ~e->masks & (SF_IE | SF_DE | SF_ZE))
		return e->flags & (SF_IE | SF_DE | SF_ZE);
	return e->flags;
}

enum sf_order { SF_LT = -1, SF_EQ = 0, SF_GT = 1, SF_UNORDERED = 2 };
/* SF_QUIET: only signalling NaNs raise IE (UCOMISS, FUCOM); SF_SIGNAL: every NaN does. */
enum sf_nan { SF_QUIET, SF_SIGNAL };
/* Sign changes of sf*_fma: -(a*b), -c.  A NaN operand keeps its sign. */
enum { SF_NEG_PRODUCT = 1, SF_NEG_ADDEND = 2 };
/* sf*_rint, conversions to integers: round as the env says or truncate; SF_NO_PE: inexact is silent. */
enum { SF_ENV = 0, SF_TRUNC = 1, SF_NO_PE = 2 };

/* ---- SSE ---- */

uint32_t sf32_add(struct sf_env *e, uint32_t a, uint32_t b);
uint32_t sf32_sub(struct sf_env *e, uint32_t a, uint32_t b);
uint32_t sf32_mul(struct sf_env *e, uint32_t a, uint32_t b);
uint32_t sf32_div(struct sf_env *e, uint32_t a, uint32_t b);
uint32_t sf32_sqrt(struct sf_env *e, uint32_t a);
uint64_t sf64_add(struct sf_env *e, uint64_t a, uint64_t b);
uint64_t sf64_sub(struct sf_env *e, uint64_t a, uint64_t b);
uint64_t sf64_mul(struct sf_env *e, uint64_t a, uint64_t b);
uint64_t sf64_div(struct sf_env *e, uint64_t a, uint64_t b);
uint64_t sf64_sqrt(struct sf_env *e, uint64_t a);

/*
 * (±)a*b (±)c, rounded once; @neg is SF_NEG_*.  The result of NaNs is the first
 * NaN in the order a, b, c.  So the caller maps the instructions' operands
 * (1 destination, 2 VEX.vvvv, 3 r/m) as:
 *	132: a = op1, b = op3, c = op2;  213: a = op2, b = op1, c = op3;
 *	231: a = op2, b = op3, c = op1.
 */
uint32_t sf32_fma(struct sf_env *e, uint32_t a, uint32_t b, uint32_t c, unsigned neg);
uint64_t sf64_fma(struct sf_env *e, uint64_t a, uint64_t b, uint64_t c, unsigned neg);

/* ROUNDPS and friends; @how: SF_TRUNC, SF_NO_PE. */
uint32_t sf32_rint(struct sf_env *e, uint32_t a, unsigned how);
uint64_t sf64_rint(struct sf_env *e, uint64_t a, unsigned how);

enum sf_order sf32_cmp(struct sf_env *e, uint32_t a, uint32_t b, enum sf_nan nan);
enum sf_order sf64_cmp(struct sf_env *e, uint64_t a, uint64_t b, enum sf_nan nan);

/* MINPS, MAXPS: @b if either is a NaN or both are zero. */
uint32_t sf32_min(struct sf_env *e, uint32_t a, uint32_t b);
uint32_t sf32_max(struct sf_env *e, uint32_t a, uint32_t b);
uint64_t sf64_min(struct sf_env *e, uint64_t a, uint64_t b);
uint64_t sf64_max(struct sf_env *e, uint64_t a, uint64_t b);

uint64_t sf32_to_f64(struct sf_env *e, uint32_t a);
uint32_t sf64_to_f32(struct sf_env *e, uint64_t a);
uint32_t sf16_to_f32(struct sf_env *e, uint16_t a);   /* VCVTPH2PS: no DAZ, no DE */
uint16_t sf32_to_f16(struct sf_env *e, uint32_t a);   /* VCVTPS2PH: no FTZ */

/* Out of range and NaN: IE and the integer indefinite (only the top bit set). */
int32_t sf32_to_i32(struct sf_env *e, uint32_t a, unsigned how);
int64_t sf32_to_i64(struct sf_env *e, uint32_t a, unsigned how);
int32_t sf64_to_i32(struct sf_env *e, uint64_t a, unsigned how);
int64_t sf64_to_i64(struct sf_env *e, uint64_t a, unsigned how);
uint32_t sf32_from_i32(struct sf_env *e, int32_t v);
uint32_t sf32_from_i64(struct sf_env *e, int64_t v);
uint64_t sf64_from_i32(struct sf_env *e, int32_t v);
uint64_t sf64_from_i64(struct sf_env *e, int64_t v);

/* ---- x87 ---- */

/*
 * Unsupported encodings (unnormals, pseudo-infinities, pseudo-NaNs) raise IE
 * and give the default NaN.  Results obey e->precision and set e->rounded_up.
 */
struct x86_f80 sf80_add(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);
struct x86_f80 sf80_sub(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);
struct x86_f80 sf80_mul(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);
struct x86_f80 sf80_div(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);
struct x86_f80 sf80_sqrt(struct sf_env *e, struct x86_f80 a);
/* FRNDINT: ignores the precision control. */
struct x86_f80 sf80_rint(struct sf_env *e, struct x86_f80 a, unsigned how);
enum sf_order sf80_cmp(struct sf_env *e, struct x86_f80 a, struct x86_f80 b, enum sf_nan nan);

/* FADD m32: exact and silent, a signalling NaN stays one; sets e->denormal. */
struct x86_f80 sf32_load(struct sf_env *e, uint32_t a);
struct x86_f80 sf64_load(struct sf_env *e, uint64_t a);
/* FLD m32, m64: DE for denormals, IE for signalling NaNs. */
struct x86_f80 sf32_to_f80(struct sf_env *e, uint32_t a);
struct x86_f80 sf64_to_f80(struct sf_env *e, uint64_t a);
/* FST m32, m64: to memory, so no scaled responses. */
uint32_t sf80_to_f32(struct sf_env *e, struct x86_f80 a);
uint64_t sf80_to_f64(struct sf_env *e, struct x86_f80 a);
int16_t sf80_to_i16(struct sf_env *e, struct x86_f80 a, unsigned how);
int32_t sf80_to_i32(struct sf_env *e, struct x86_f80 a, unsigned how);
int64_t sf80_to_i64(struct sf_env *e, struct x86_f80 a, unsigned how);
struct x86_f80 sf80_from_i64(int64_t v);

#endif
