/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the differential processor tests share: the areas of memory, a state, the machine
 * that an engine runs in, the way into the host; and one case of test-differ: an
 * instruction, the state before it, and the state after it as the host or an engine left it.
 *
 * Everything lies at fixed addresses below 2 GiB, the same natively and in the
 * guest, so that no address has to be translated to be compared:
 *
 *	CODE   writable, executable pages, then a hole: of a case only the first, with the
 *	       instruction, room, the landing pad of branches
 *	DATA   hole, two writable pages, hole, one read-only page, hole
 *	STUB   native entry and exit code; INT3 in the guest
 */
#ifndef TESTS_CPU_CASE_H
#define TESTS_CPU_CASE_H

#include "target/i386/decode.h"

#define CODE 0x20000000u
#define CODE_PAGES 3
#define CODE_AT (CODE + 0x400)      /* the instruction */
#define PAD (CODE_AT + 0x40)        /* where taken branches land */
#define DATA 0x10001000u            /* first writable page; the hole is before it */
#define DATA_PAGES 2
#define DATA_RO 0x10004000u         /* read-only page */
#define STUB 0x21000000u
#define EXIT_64 (STUB + 0xc00)      /* where 64-bit code goes when it has ended */
#define EXIT_32 (STUB + 0xd00)
#define HARNESS 0x30000000u         /* handlers, tables and stack of the engine's side, absent on the host's */
#define HARNESS_END 0x30006000u
/* In a build with AddressSanitizer its shadow is mapped here in the host's process, so the host does not fault. */
static inline bool in_shadow(uint64_t lin)
{
#ifdef __SANITIZE_ADDRESS__
	return lin >= 0x7fff7000 && lin < 0x100080000000;
#else
	(void)lin;
	return false;
#endif
}

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
	int vector;                 /* -1: none; see OUTCOME_* */
	uint32_t error;
	uint16_t cs;
	uint64_t cr2;
	bool ran;                   /* false: the child died here */
};

/* Instead of a vector: triple fault; HLT in the code; did not end; stopped without a reason. */
enum { OUTCOME_SHUTDOWN = -2, OUTCOME_HALTED = -3, OUTCOME_ENDLESS = -4, OUTCOME_BROKEN = -5 };

struct test_case {
	uint8_t code[16];
	uint8_t len, mode;          /* CASE_* */
	uint16_t row;
	uint64_t window;            /* address of the memory that is compared */
	struct x86_insn insn;
	struct state in;
	struct outcome host, ours;
};

/* random.c and generate.c: fills a case for table slot (@map, @opcode) and form @form; false: no luck with these random numbers. */
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
/* Runs what lies at in->rip.  FAULT: o->vector says which; else where it ended.  Not o->ran. */
enum native_end { NATIVE_FELL, NATIVE_JUMPED, NATIVE_EXIT_64, NATIVE_EXIT_32, NATIVE_FAULT };
enum native_end native_enter(const struct state *in, struct outcome *o, bool wide);

/*
 * machine.c: a tiny 64-bit machine whose page tables put the areas at the addresses that
 * they have natively.  Exceptions go through an IDT, to HANDLERS + 16 * vector.
 */
struct guest;
struct engine;
#define HANDLERS HARNESS
struct guest *guest_new(const struct engine *engine);
void guest_free(struct guest *g);
struct x86_cpu *guest_cpu(struct guest *g);
const struct engine *guest_engine(struct guest *g);
/* Everything in the processor but memory; @cpl: 3 or 0. */
void guest_load(struct guest *g, const struct state *in, bool wide, unsigned cpl);
/* Registers as they are now, RIP too, into @o; if that is a handler, what its frame says, and the vector. */
void guest_save(struct guest *g, struct outcome *o);
/* Guest memory by the page tables as they are at first; NULL in holes. */
uint8_t *guest_at(struct guest *g, uint64_t lin);
/* Memory as it was at first, code and translations of addresses forgotten. */
void guest_fresh(struct guest *g);
/* Stores from outside, telling the engine if it has met code there. */
void guest_write(struct guest *g, uint64_t lin, const void *from, size_t n);

/* engine-side.c */
void guest_run(struct guest *g, struct test_case *t);

#endif
