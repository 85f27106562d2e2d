/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One case of the differential processor test: an instruction, the state before
 * it, and the state after it as the host or an engine left it.
 *
 * Everything lies at fixed addresses below 2 GiB, the same natively and in the
 * guest, so that no address has to be translated to be compared:
 *
 *	CODE   one page: the instruction, room, the landing pad of branches
 *	DATA   hole, two writable pages, hole, one read-only page, hole
 */
#ifndef TESTS_CPU_CASE_H
#define TESTS_CPU_CASE_H

#include "target/i386/decode.h"

#define CODE 0x20000000u
#define CODE_AT (CODE + 0x400)      /* the instruction */
#define PAD (CODE_AT + 0x40)        /* where taken branches land */
#define DATA 0x10001000u            /* first writable page; the hole is before it */
#define DATA_PAGES 2
#define DATA_RO 0x10004000u         /* read-only page */
#define HARNESS 0x30000000u         /* handlers, tables and stack of the engine's side, absent on the host's */
#define HARNESS_END 0x30006000u

enum { WINDOW = 160 };              /* bytes of memory that a case sets and compares */
enum { CASE_64, CASE_32 };

struct state {
	uint64_t gpr[16];
	uint64_t rip, rflags;
	union x86_vec ymm[16];
	uint8_t fx[512] __attribute__((aligned(16)));  /* FXSAVE64 image: x87 and MXCSR; its XMM part is unused */
	uint8_t memory[WINDOW];
};

struct outcome {
	struct state state;
	int vector;                 /* -1: none */
	uint32_t error;
	uint64_t cr2;
	bool ran;                   /* false: the child died here */
};

struct test_case {
	uint8_t code[16];
	uint8_t len, mode;          /* CASE_* */
	uint16_t row;
	uint64_t window;            /* address of the memory that is compared */
	struct x86_insn insn;
	struct state in;
	struct outcome host, ours;
};

/* generate.c: fills a case for table slot (@map, @opcode) and form @form; false: no luck with these random numbers. */
struct generator;
struct generator *generator_new(uint64_t seed);
void generator_free(struct generator *g);
bool generate_case(struct generator *g, struct test_case *t, unsigned map, unsigned opcode, unsigned form, unsigned mode);
/* Why a row is not run natively, or NULL. */
const char *row_excluded(const struct x86_row *row);

/* native.c: maps the areas; runs cases in the calling process (a child of the test). */
void native_map(void);
/* Does this host's kernel offer a 32-bit code segment to a 64-bit process? */
bool native_has_32(void);
void native_run(struct test_case *t);

/* engine-side.c */
struct guest;
struct engine;
struct guest *guest_new(const struct engine *engine);
void guest_free(struct guest *g);
void guest_run(struct guest *g, struct test_case *t);

#endif
