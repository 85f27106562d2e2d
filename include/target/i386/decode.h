/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoder: bytes to struct x86_insn, by the table in target/i386/insns tables.
 * The interpreter, the translator, disassembly listings and the tests all
 * start from its output.
 */
#ifndef TARGET_I386_DECODE_H
#define TARGET_I386_DECODE_H

#include "target/i386/cpu.h"

enum x86_opkind {
	OPK_NONE,
	OPK_GPR,   /* general register: reg 0..15; opnd.high for AH CH DH BH (reg 0..3 then) */
	OPK_MEM,   /* memory operand described by base, index, scale, disp, seg */
	OPK_IMM,   /* insn.imm, sign- or zero-extended to 64 bits as the instruction uses it */
	OPK_IMM2,  /* insn.imm2 (ENTER's level) */
	OPK_REL,   /* insn.imm is a signed displacement from the next instruction */
	OPK_FAR,   /* insn.imm offset, insn.imm2 selector */
	OPK_SEG,   /* segment register */
	OPK_CR, OPK_DR,
	OPK_ST,    /* x87 stack register ST(reg) */
	OPK_MMX, OPK_XMM,  /* vector register; size 16 or 32 tells XMM or YMM */
	OPK_STR_SRC,  /* string source  seg:[rSI] (seg is insn.seg) */
	OPK_STR_DST,  /* string destination ES:[rDI] */
};

struct x86_opnd {
	uint8_t kind;   /* enum x86_opkind */
	uint8_t reg;
	uint8_t size;   /* bytes; 0 for LEA-like operands and those of odd size (10 fine) */
	uint8_t high;
};

/* Attributes of a table row (column attrs). */
enum {
	ROW_LOCK = 1 << 0,      /* LOCK is legal with a memory destination */
	ROW_REP = 1 << 1,       /* F2/F3 repeat it (MOVS, STOS, LODS, INS, OUTS) */
	ROW_REPZ = 1 << 2,      /* F2/F3 are REPNZ/REPZ (CMPS, SCAS) */
	ROW_D64 = 1 << 3,       /* operand size 64 by default in 64-bit mode (no 32) */
	ROW_F64 = 1 << 4,       /* operand size is always 64 in 64-bit mode */
	ROW_BRANCH = 1 << 5,    /* near transfer of control: ends a block */
	ROW_END = 1 << 6,       /* may change mode, mappings or RIP: ends a block */
	ROW_VEX = 1 << 7,
	ROW_ALIGN = 1 << 8,     /* memory operand must be aligned to its size (#GP) */
	ROW_X87 = 1 << 9,       /* #NM if CR0.EM or TS; pending x87 exceptions count (not for FN*) */
	ROW_MMX = 1 << 10,      /* MMX state: #UD if EM, #NM if TS, x87 pending exceptions */
	ROW_SSE = 1 << 11,      /* XMM state, legacy encoding: CR4.OSFXSR, EM, TS */
	ROW_AVX = 1 << 12,      /* XMM/YMM state, VEX encoding: XCR0, OSXSAVE, TS */
	ROW_CPL0 = 1 << 13,     /* #GP unless CPL 0 (checked by the engine before the handler) */
	ROW_NOREAL = 1 << 14,   /* #UD in real and virtual-8086 mode */
	ROW_UNALIGNED_AC = 1 << 15, /* never alignment-checked by AC */
	ROW_NOWAIT = 1 << 16,   /* x87 instruction that ignores pending exceptions */
	ROW_RM_WRITE = 1 << 17, /* writes its r/m operand (first operand is destination) */
	ROW_READ_ONLY = 1 << 18,/* first operand is only read (CMP, TEST, PUSH, ...) */
	ROW_UD_USER = 1 << 20,  /* #UD unless CPL 0 */
	ROW_UNDEF_OK = 1 << 19, /* results beyond the documented ones may differ: see the row's comment */
};

struct x86_row {
	const char *name;
	uint16_t id;            /* index in x86_rows[] */
	uint16_t handler;       /* enum x86_handler, generated: H_<handler> */
	uint16_t feature;       /* enum x86_feature needed, 0 none */
	uint32_t attrs;
	/* EFLAGS bits (X86_ARITH and DF, IF, ...) */
	uint32_t flags_read, flags_written, flags_undefined;
	uint8_t operands[4];    /* codes of the table, generated enum; for the decoder */
};

extern const struct x86_row x86_rows[];
extern const unsigned x86_row_count;

struct x86_insn {
	const struct x86_row *row;  /* NULL: #UD (the length is what was looked at) */
	uint8_t len;
	uint8_t opsize;             /* effective operand size: 2, 4, 8 */
	uint8_t addrsize;           /* 2, 4, 8 */
	uint8_t prefix66, prefix67, lock, rep;   /* rep: 0, 0xf2 or 0xf3, the last one */
	uint8_t rex;                /* the byte, 0 if none */
	uint8_t vex;                /* 0, 2 or 3: bytes of the VEX prefix */
	uint8_t vex_l, vex_w, vvvv;
	uint8_t opcode;             /* last opcode byte */
	uint8_t has_modrm, modrm;
	uint8_t seg;                /* segment of the memory operand, override applied */
	uint8_t seg_override;       /* 0xff none */
	/* memory operand */
	uint8_t has_mem;
	uint8_t base, index, scale; /* X86_ZERO for none; base X86_RIPBASE: disp counts from the next instruction */
	int64_t disp;
	uint64_t imm;
	uint16_t imm2;
	uint8_t off_opcode, off_modrm, off_disp, off_imm;  /* byte offsets, 0 if absent */
	struct x86_opnd op[4];
	uint8_t opcount;
};

enum x86_decode {
	X86_DECODED,      /* insn.row may be NULL: undefined opcode, raise #UD */
	X86_NEED_MORE,    /* @n bytes were not enough */
	X86_TOO_LONG,     /* over 15 bytes: #GP(0) */
};

/*
 * Decodes one instruction of at most @n bytes at @code for a processor in @mode
 * (X86_MODE_*; only CS64, CS32, PE, VM count).  Pure.
 */
enum x86_decode x86_decode(struct x86_insn *insn, const uint8_t *code, size_t n, uint32_t mode);

#endif
