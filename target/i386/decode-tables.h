/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What gen-insns.py writes into rows.c and decode.c reads. */
#ifndef DECODE_TABLES_H
#define DECODE_TABLES_H

#include "target/i386/decode.h"

enum opspec_kind { K_NONE, K_E, K_M, K_R, K_G, K_I, K_I2, K_J, K_O, K_A, K_S, K_C, K_D, K_V, K_W, K_U, K_H, K_L,
                   K_B, K_P, K_Q, K_N, K_X, K_Y, K_Z, K_T, K_FIXED, K_FIXSEG, K_FIXXMM, K_ONE, K_ST0, K_STI };
enum opspec_size { SZ_NONE, SZ_B, SZ_W, SZ_D, SZ_Q, SZ_V, SZ_Z, SZ_Y, SZ_N, SZ_X, SZ_DQ, SZ_QQ, SZ_T, SZ_S, SZ_P,
                   SZ_IS };

struct opspec {
	uint8_t kind, reg, size, memsize;  /* reg: of K_FIXED; 0x80 marks a high byte */
};

/* When a row of an opcode applies; -1 or 0: does not matter. */
struct rowform {
	uint16_t row;
	uint8_t prefix;   /* 0 any, 1 none of 66 F2 F3, 2: 66, 3: F2, 4: F3 */
	int8_t reg;
	uint8_t mod;      /* 1 memory, 2 register */
	int8_t rm;
	uint8_t mode;     /* 1 only 64-bit, 2 never 64-bit */
	int8_t w, l;
	uint8_t osize, asize;  /* masks of 2, 4, 8 */
	int8_t rexb;
};

struct opslot {
	uint16_t first;
	uint8_t count, modrm;
};

extern const struct opspec x86_opspecs[];
extern const struct rowform x86_rowforms[];
extern const struct opslot x86_opslots[7][256];

#endif
