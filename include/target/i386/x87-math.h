/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The x87 functions beyond + - * / and square root.
 *
 * As sf80_*: operands are values (no empty registers), flags and rounded_up in
 * @e, the result is the masked response.  Transcendental results carry 64 bits
 * whatever the precision control, computed with 128 and rounded once.
 */
#ifndef TARGET_I386_X87_MATH_H
#define TARGET_I386_X87_MATH_H

#include "target/i386/softfloat.h"

struct x86_f80 x87_f2xm1(struct sf_env *e, struct x86_f80 x);
/* y * log2(x), y * log2(x + 1) */
struct x86_f80 x87_fyl2x(struct sf_env *e, struct x86_f80 y, struct x86_f80 x);
struct x86_f80 x87_fyl2xp1(struct sf_env *e, struct x86_f80 y, struct x86_f80 x);
/* The angle of the point (x, y). */
struct x86_f80 x87_fpatan(struct sf_env *e, struct x86_f80 y, struct x86_f80 x);

/* False (C2): |x| is 2^63 or more and nothing is done. */
bool x87_fsin(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r);
bool x87_fcos(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r);
bool x87_fptan(struct sf_env *e, struct x86_f80 x, struct x86_f80 *r);

/*
 * Remainder of a / b; the quotient is chopped (FPREM) or to nearest (FPREM1).
 * *partial: the reduction is not complete (C2); else *quotient's low three bits count.
 */
enum x87_prem { X87_FPREM, X87_FPREM1 };
struct x86_f80 x87_fprem(struct sf_env *e, struct x86_f80 a, struct x86_f80 b, enum x87_prem how,
			 unsigned *quotient, bool *partial);

/* a * 2^trunc(b) */
struct x86_f80 x87_fscale(struct sf_env *e, struct x86_f80 a, struct x86_f80 b);
/* Significand; *exponent gets the unbiased exponent. */
struct x86_f80 x87_fxtract(struct sf_env *e, struct x86_f80 a, struct x86_f80 *exponent);

/* The constant of D9 E8+@n (FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ) under @round. */
struct x86_f80 x87_constant(unsigned n, unsigned round);

#endif
