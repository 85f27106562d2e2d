/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the translator's files share: one block on its way to host code.
 *
 * Each instruction is either re-encoded for the pinned registers or left to
 * the interpreter's handler by a call of the step thunk.  The slow path of a
 * memory access does the latter too, so exceptions are only ever made by the
 * interpreter, with the registers of the instruction's beginning: an emitter
 * changes nothing that the guest can see before its last to_step() or reach().
 */
#ifndef JIT_TRANS_H
#define JIT_TRANS_H

#include "jit.h"

/* A place that leaves the hot path: emitted behind the block. */
struct edge {
	uint32_t jump;           /* rel32 */
	uint32_t back;           /* step: where to go on */
	uint64_t rip;            /* exit: guest address */
	const struct uop *uop;   /* step; NULL: exit */
	bool spilled;            /* step: the flags are in engine_flags, not in the host's */
	uint8_t lost;            /* as in struct trans: comes before both */
	bool saved;              /* exit: the flags are in engine_flags */
	bool link;               /* exit: may be chained */
	bool far;                /* exit: to another page, by a jump of its own that may be chained */
	bool careful;            /* exit: to a variant without groups */
	uint8_t entry;           /* exit: ENTRY_* to be linked to */
	uint8_t held;            /* HELD_* there */
	uint16_t site;           /* 1 + the site whose page it was not: the TLB first, and to again if that has it */
	uint16_t size;           /* bytes accessed there */
	uint32_t again;
};

/*
 * Accesses at constant distances from a base register that stays the same meanwhile:
 * the first checks [lo, hi) for all, the others only add what it found out.
 */
struct group {
	int32_t lo, hi;          /* relative to the base register's value where the group begins */
	uint8_t members;
	bool write;              /* some member writes */
	bool active;             /* engine_group has it */
	uint8_t align;           /* a multiple of this has been found at @aligned */
	int32_t aligned;
};

/*
 * Flags that are overwritten before anybody reads them show only if an instruction in
 * between faults.  If they can be made again from what the registers hold, a check need
 * not save them: the edge makes them.
 */
struct recipe {
	uint8_t kind;            /* recipe.c */
	bool old;                /* it needs the destination's old value */
	uint8_t slot;            /* of engine_was, for that */
};

/* The memory operand of one instruction of the block. */
struct plan {
	int8_t group;            /* -1: none */
	bool write;
	uint8_t size;
	int32_t at;              /* as lo and hi */
};

struct trans {
	struct x86_cpu *c;
	struct jit *j;
	struct block *b;
	uint64_t lin;
	struct emit e;
	unsigned edges;
	unsigned count;                   /* instructions */
	uint32_t host[BLOCK_MAX];         /* where the code of each begins */
	uint32_t live_in[BLOCK_MAX + 1];  /* flags that instructions from here on read before they are written */
	struct plan plan[BLOCK_MAX];
	struct group group[JIT_GROUPS];
	unsigned groups;
	uint32_t gprs[BLOCK_MAX];         /* plan_groups(): general registers that each may write */
	struct recipe recipe[BLOCK_MAX];  /* how to make the flags of each once more */
	uint8_t use[BLOCK_MAX];           /* 1 + whose recipe the checks of each may rely on, 0 none */
	bool poll[BLOCK_MAX];             /* look at `pending` before it: the jump back behind it need not */
	/*
	 * The jump, 0 if none, that leads to the block's beginning with flags that are overwritten
	 * behind instruction loop_end: it goes to a beginning of its own, at loop_site's rel32.
	 */
	uint8_t loop, loop_end;
	uint32_t loop_site;
	bool sites;                       /* the block is a loop, so accesses mostly are where they were last */
	uint16_t site[BLOCK_MAX];         /* 1 + that of each instruction, 0 none */
	/* The instruction being translated; bytes: a copy, another processor may be writing there. */
	unsigned n;
	const struct uop *u;
	struct x86_insn insn;
	uint8_t bytes[16];
	bool live;                        /* host flags must be the guest's at this instruction */
	/*
	 * A check destroys the host's flags, yet a fault shows them, dead or not: they are in
	 * engine_flags then.  saved: engine_flags has them.  stale: only engine_flags has.
	 */
	bool saved, stale, spilled;       /* spilled: between flags_free() and flags_again() */
	uint8_t lost;                     /* 1 + whose recipe makes the flags, which are nowhere; 0: no such */
	uint8_t slot;                     /* of the recipe at work */
	bool polled;
	uint8_t held, v_held;             /* HELD_*: guest state that is in host registers here; where the block begins */
	uint8_t mmu;                      /* enum x86_mmu of accesses here */
	bool smap;                        /* of the variant */
	bool careful;                     /* no groups */
	bool ended;
	struct edge edge[JIT_EDGE_MAX];   /* last: not cleared for each block */
};

/* ---- translate.c ---- */

struct edge *new_edge(struct trans *t);
/*
 * Emits jcc (0x80..0x8f) or jmp (0xe9) to the interpreter's version of this instruction,
 * behind which the block goes on.
 */
struct edge *to_step(struct trans *t, uint8_t op);
/* jcc or jmp to guest address @rip, at any distance.  A jmp ends the block. */
void to_exit(struct trans *t, uint8_t op, uint64_t rip);
/* A group's check, jcc with flags in engine_flags: the instruction once more, in a variant without groups. */
void to_careful(struct trans *t, uint8_t op);
/*
 * S0 is the target of a branch: S1 becomes its place in target[], or the interpreter
 * executes the instruction if the target is not known.  Destroys S0, and flags, which
 * flags_free() has saved.  _as: a target in another mode, by target_key_of().
 * jump_target() goes to place S1.
 */
void probe_target(struct trans *t);
void probe_target_as(struct trans *t, uint32_t key, unsigned held);
void jump_target(struct trans *t);
/* cmp dword [pending],0 */
void compare_pending(struct trans *t);
/* Decodes instruction @n into t->insn and t->bytes; false: what the interpreter has is something else. */
bool decode_again(struct trans *t, unsigned n);
/* ---- flags.c ---- */

/* From here on the host's flags may be destroyed; a fault will show them all the same.  Uses S1. */
void flags_free(struct trans *t);
/* Behind that: the host's flags are the guest's again, if this instruction needs them.  Keeps S0 and S1. */
void flags_again(struct trans *t);
/* Host flags := engine_flags, and the other way round.  Uses S1. */
void flags_in(struct trans *t);
void flags_out(struct trans *t);
static inline uint32_t flags_touched(const struct x86_row *row)
{
	return (row->flags_written | row->flags_undefined) & X86_ARITH;
}
/* Fills in live_in. */
void find_live(struct trans *t);
/*
 * Whether the flags that the block begins with are to be in engine_flags from the
 * start: unless they are overwritten before anything that may show them.
 */
bool shows_flags(const struct trans *t);
/* At an instruction's beginning: flags that are nowhere are in the host's again.  Destroys t->insn. */
void flags_found(struct trans *t);
/* A shift that may be by 0, and then changes no flag. */
bool keeps_flags(const struct uop *u);
/* Before an instruction: brings back to the host what reads flags or changes only some; sets t->live. */
void flags_before(struct trans *t);

/* recipe.c: which recipes there are, and where they serve; behind plan_groups() and find_live(). */
void plan_recipes(struct trans *t);
/* Host flags := those of instruction @q, by its recipe.  Uses S0 and S1; destroys t->insn. */
void make_flags(struct trans *t, unsigned q);
/* Before instruction t->n, decoded, is emitted: keeps what its recipe needs. */
void keep_old(struct trans *t);

/* ---- site.c ---- */

/*
 * Whether an access of @n bytes is compared with where it was last.  Then *at gets the context offset of
 * its site, whose delta is right for linear address S0 from here on; if the TLB does not have it
 * either, the interpreter executes the instruction, or, @careful, the variant without groups.  Uses
 * S1.  Between flags_free() and flags_again().
 */
bool check_site(struct trans *t, unsigned n, bool write, bool careful, uint32_t *at);
/* The beginning of such an edge: falls through to what is to be done if the TLB has it not. */
void emit_site_miss(struct trans *t, const struct edge *d);
/* Whether the block is one for which sites are of use: it jumps back to its own beginning. */
bool wants_sites(const struct trans *t);

/* ---- access.c ---- */

static inline bool in_slot(unsigned guest) { return guest >= 9 && guest <= 11; }
/* The base of segment @seg in the context. */
static inline uint32_t base_at(unsigned seg)
{
	return CPU_AT(seg) + seg * (uint32_t)sizeof(struct x86_seg) + (uint32_t)offsetof(struct x86_seg, base);
}
static inline unsigned host_reg(unsigned guest) { return guest == X86_RSP ? H_GSP : guest; }
/* Host register with the guest's value: its own, or @scratch loaded. */
unsigned value_in(struct trans *t, unsigned guest, unsigned scratch);
/* Host register @to gets the offset that the memory operand names, cut to @bytes as LEA does.  Uses S0, S1. */
void lea_to(struct trans *t, unsigned to, unsigned bytes);
/* S0: that offset; the segment's base added; the linear address.  Uses S1. */
void lea_operand(struct trans *t);
void add_segment(struct trans *t);
void lin_operand(struct trans *t);
/*
 * S0 is a linear address; it becomes the host address of @n bytes there, or the
 * interpreter executes the instruction.  S1 is free before and behind it.
 */
void reach(struct trans *t, unsigned n, bool write);
/*
 * Where @n bytes of the memory operand are, at a multiple of @align, or the interpreter
 * executes the instruction.  Uses S0 and S1; @keep_s1: S1 is no part of what it gives.
 */
struct place place_operand(struct trans *t, unsigned n, bool write, unsigned align, bool keep_s1);
/* The same for as many bytes as 4096 less the number in context slot @slot.  Between flags_free() and flags_again(). */
void reach_below(struct trans *t, uint32_t slot, bool write);
/* 64-bit MOV (0x8b, 0x89) between host register @reg, not S1, and the stack at guest RSP + @disp.  Uses S0 and S1. */
void stack_access(struct trans *t, uint8_t op, unsigned reg, int8_t disp);
/* mov S1,[S0]; mov [S0],S1: 8 bytes. */
void load_s1(struct trans *t);
void store_s1(struct trans *t);

/*
 * vector.c: @held is in the host's registers from here on.  Whether the host can run the
 * row; whether the row's memory operand is written.  Linear address S0 is a multiple of
 * @align, or the interpreter executes the instruction; of a @grouped one all that follows
 * is left to the variant without groups.
 */
void take_held(struct trans *t, unsigned held);
void check_alignment(struct trans *t, unsigned align, bool grouped);
bool host_runs(const struct trans *t);
bool operand_written(const struct x86_insn *i);

/* group.c: which accesses share a check. */
void plan_groups(struct trans *t);
/* Whether *u jumps to the beginning of its own block. */
static inline bool is_loop_jump(const struct uop *u)
{
	unsigned h = x86_rows[u->row].handler;

	return (h == H_jcc || h == H_jmp_rel) && !(u->off + u->len + u->imm);
}
/* The general register that *op is, a bit; 0 for what else there is. */
static inline uint32_t gpr_bit(const struct x86_opnd *op) { return op->kind == OPK_GPR ? 1u << op->reg : 0; }

/* log.c: @v, which has just been made, for -d op and out_asm, and perf's map. */
void jit_log(const struct trans *t, const struct variant *v);

/* ---- encoding ---- */

/* The LOCK prefix if the instruction has one and somebody might notice: struct x86_cpu.alone. */
static inline void emit_lock(struct trans *t)
{
	if (t->insn.lock && !t->c->alone)
		e8(&t->e, 0xf0);
}

/* No VEX, REP, 67h, high-byte register: nothing that the plain emitters do not know; LOCK is legal. */
bool plain(const struct trans *t);
static inline bool is_0f(const struct trans *t)
{
	return t->insn.off_opcode && t->bytes[t->insn.off_opcode - 1] == 0x0f;
}

/*
 * integer.c: the instruction with its ModRM operands where translated code has them.
 * @rep: F2 or F3 is part of its opcode.
 */
void emit_modrm_insn(struct trans *t, bool rep);

/* ---- emitters: false if the instruction is not theirs; then nothing was emitted ---- */

bool try_integer(struct trans *t);
bool try_bits(struct trans *t);
bool try_special(struct trans *t);
bool try_system(struct trans *t);
bool try_string(struct trans *t);
bool try_branch(struct trans *t);
bool try_vector(struct trans *t);
bool try_x87(struct trans *t);

#endif
