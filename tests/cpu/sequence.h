/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sequence of test-fuzz-cpu: some instructions that lie somewhere in CODE, and several
 * runs of them, each from a state and a content of memory of its own.  All of it follows
 * from the seed.
 *
 * A run is made once by the interpreter, instruction by instruction.  That trace says what
 * may be compared: which flags are undefined at the end, whether something made use of an
 * undefined flag, whether the host can do all of it.  Its end is what the others are
 * compared with: the interpreter's blocks, the translator, the host.
 */
#ifndef TESTS_CPU_SEQUENCE_H
#define TESTS_CPU_SEQUENCE_H

#include "generate.h"

enum {
	ITEMS = 96,
	ITEM_END = -1,          /* as a target: where the sequence has ended */
	RUNS = 4,
	CODE_BYTES = CODE_PAGES * 4096, DATA_BYTES = DATA_PAGES * 4096,
	TRACE_MAX = 2000,       /* instructions; runs that are longer are not made */
};

enum kind { KIND_USER, KIND_COMPAT, KIND_KERNEL, KIND_BYTES, KIND_BYTES_COMPAT, KIND_BYTES_KERNEL, KIND_COUNT };
extern const char *const kind_names[KIND_COUNT];

/* What is put into an item's bytes when its place is known. */
enum fix {
	FIX_NONE,
	FIX_REL8, FIX_REL32,    /* to item `target` from behind this one */
	FIX_ABS32,              /* linear address of byte `into` of item `target` */
	FIX_DATA32,             /* address `data` from behind this one: RIP-relative */
};

struct item {
	uint8_t bytes[15], len;
	uint8_t fix, fix_at;    /* enum fix; where in bytes[] */
	int8_t target;
	uint8_t into;
	bool dropped;           /* by the one who minimises */
	bool is_32;             /* 32-bit code */
	uint32_t data;
	uint32_t at;            /* offset from CODE, once placed */
};

struct memory {
	uint8_t data[DATA_BYTES], code[CODE_BYTES];
};

/* How a run ended, but for the registers that are in struct outcome. */
struct system_state {
	struct x86_seg seg[X86_SEG_COUNT];
	uint64_t control[6], dr[8], msr[8];
	uint8_t shadow;
};

struct seq_run {
	struct state in;
	struct memory before;
	/* The trace. */
	bool comparable, on_host;
	const char *why;        /* it is not comparable, or not on the host */
	uint32_t undefined;     /* flags */
	bool torn;              /* faulted in an instruction that may be done in part */
	uint16_t last_row;
	unsigned steps;
	struct outcome end, host;
	struct memory after, host_after;
	struct system_state system;
};

struct sequence {
	uint64_t seed;
	uint8_t kind;
	bool far;               /* has transfers to code of the other width */
	uint8_t count;          /* items */
	uint16_t pointers;      /* registers (bit each) that point into DATA, RSP beside */
	int8_t index, counter;  /* registers that hold small numbers; -1 none */
	uint8_t fill;           /* of the other bytes of CODE */
	uint32_t start;         /* offset from CODE of the first item */
	uint32_t length;        /* bytes from there */
	uint32_t run_mask;      /* which are made */
	unsigned host_done;     /* of a batch's first: how many the child has done */
	struct item item[ITEMS];
	struct seq_run run[RUNS];
};

static inline bool kind_is_bytes(unsigned k) { return k >= KIND_BYTES; }
static inline bool kind_is_32(unsigned k) { return k == KIND_COMPAT || k == KIND_BYTES_COMPAT; }
static inline unsigned kind_cpl(unsigned k) { return k == KIND_KERNEL || k == KIND_BYTES_KERNEL ? 0 : 3; }

/* Into which its rows are sorted by what they do in a sequence. */
enum form_class { CLASS_PRODUCER, CLASS_CONSUMER, CLASS_MOVE, CLASS_STACK, CLASS_STRING, CLASS_SSE, CLASS_AVX, CLASS_MMX, CLASS_X87,
		  CLASS_SYSTEM, CLASS_COUNT };
struct form_ref { uint8_t map, opcode, form; };
struct form_list { struct form_ref *form; unsigned count; };

/* sequence-forms.c: those of @class, made once. */
const struct form_list *forms_of(enum form_class class);
/* Results that processors may differ in: estimates, transcendental functions, random numbers. */
bool row_inexact(const struct x86_row *row);

/* sequence-make.c: everything of @s but the traces, from s->seed; @kind: KIND_COUNT for any. */
void sequence_make(struct generator *g, struct sequence *s, unsigned kind);
/* Places the items that are not dropped and writes them into each run's memory. */
void sequence_place(struct sequence *s);
/* sequence-state.c: the runs' states and memory but for the code. */
void sequence_states(struct generator *g, struct sequence *s);

/* sequence-run.c.  A watchdog ends what does not end by itself. */
void sequence_watch(struct guest *const *guests, unsigned count);
/* Traces all runs with the interpreter @g. */
void sequence_trace(struct guest *g, struct sequence *s);
/* All runs, one behind the other.  What differs from a trace or NULL; *run: which; *got: how it ended, *after: its memory. */
const char *sequence_engine(struct guest *g, const struct sequence *s, unsigned *run, struct outcome *got, struct memory *after);
/* On the host, in this process, which native_map() has prepared. */
void sequence_host(struct sequence *s);
/* The same for what sequence_host() has left. */
const char *sequence_host_differs(const struct sequence *s, unsigned *run);

/* sequence-compare.c */
void system_state(struct guest *g, struct system_state *to);
const char *outcome_differs(const struct seq_run *r, const struct outcome *o, const struct memory *m, bool host);
const char *system_differs(const struct system_state *a, const struct system_state *b);

/* sequence-show.c */
void sequence_show(const struct sequence *s, unsigned run, const struct outcome *got, const struct memory *after, const char *who);

#endif
