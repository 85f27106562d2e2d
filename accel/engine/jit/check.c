/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * check=N: every N-th block is run by the interpreter, too, and compared.
 *
 * The interpreter is first.  It runs the block's instructions one by one; before each the
 * registers are copied, and what it stores over is kept (struct x86_store_log).  All of
 * that is undone, then the translated code runs.  Where that leaves the block tells which
 * of the copies it must agree with; memory must hold what the interpreter stored up to
 * there.  Meanwhile no other processor runs.
 *
 * Not compared: blocks that end in system instructions, reach devices or anything else
 * outside (time is never the same twice), change code, or raise exceptions; and those that
 * make use of flags that are undefined, or of results that are.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "jit.h"

enum { STEPS = BLOCK_MAX * 2, STORES = 4096, STORE_MAX = 64, STATE = offsetof(struct x86_cpu, tlb) };

/* Why the interpreter gave up; what its siglongjmp() brings beside 0. */
enum gave_up { GAVE_EVENT = 1, GAVE_STOP, GAVE_OUTSIDE, GAVE_CODE, GAVE_LARGE };

struct store {
	uint8_t *at;
	uint8_t n;
	uint8_t before[STORE_MAX], after[STORE_MAX];
};

/* How it was before an instruction, or behind the last. */
struct snapshot {
	uint64_t rip;
	unsigned stores;
	uint32_t undefined;               /* flags */
	bool repeats;                     /* the instruction there may be left in its middle */
	uint8_t state[STATE] __attribute__((aligned(64)));
};

struct check {
	struct x86_store_log log;         /* first */
	struct x86_cpu *c;
	struct block *b;
	const struct variant *v;
	struct x86_ops ops;
	const struct x86_ops *real_ops;
	void *real_opaque;
	sigjmp_buf here;
	struct uop two[2];                /* the instruction, and what stops behind it */
	unsigned steps, stores;
	struct snapshot snap[STEPS + 1];
	struct store store[STORES];
};

static const struct x86_cpu *state_of(const struct snapshot *s) { return (const struct x86_cpu *)(const void *)s->state; }

/* ---- state and memory, there and back ---- */

static void take(const struct x86_cpu *c, struct snapshot *s)
{
	memcpy(s->state, c, STATE);
}

/* All but what other threads write. */
static void give_back(struct x86_cpu *c, const struct snapshot *s)
{
	const size_t from = offsetof(struct x86_cpu, pending), to = from + sizeof c->pending;

	memcpy(c, s->state, from);
	memcpy((uint8_t *)c + to, s->state + to, STATE - to);
}

static void remember(struct x86_store_log *log, uint8_t *at, size_t n, bool code_hit)
{
	struct check *k = (struct check *)log;

	if (code_hit)
		siglongjmp(k->here, GAVE_CODE);
	for (size_t part; n; at += part, n -= part) {
		struct store *s = &k->store[k->stores];

		if (k->stores == STORES)
			siglongjmp(k->here, GAVE_LARGE);
		part = n < STORE_MAX ? n : STORE_MAX;
		s->at = at;
		s->n = (uint8_t)part;
		x86_host_move(s->before, at, part);
		k->stores++;
	}
}

/* What was stored last is there now: the hook comes before the store. */
static void see_stores(struct check *k, unsigned from)
{
	for (unsigned i = from; i < k->stores; i++)
		x86_host_move(k->store[i].after, k->store[i].at, k->store[i].n);
}

static void undo_stores(struct check *k)
{
	for (unsigned i = k->stores; i-- > 0;)
		x86_host_move(k->store[i].at, k->store[i].before, k->store[i].n);
}

/* ---- the outside is out of bounds ---- */

noreturn static void outside(void *o) { siglongjmp(((struct check *)o)->here, GAVE_OUTSIDE); }

static bool check_page(void *o, uint64_t gpa, struct x86_page *p)
{
	struct check *k = o;

	return k->real_ops->page(k->real_opaque, gpa, p);
}
static enum x86_result no_read(void *o, uint64_t gpa, unsigned size, uint64_t *v) { outside(o); }
static enum x86_result no_write(void *o, uint64_t gpa, unsigned size, uint64_t v) { outside(o); }
static enum x86_result no_probe(void *o, uint64_t gpa, enum x86_access a) { outside(o); }
static enum x86_result no_fetch(void *o, uint64_t gpa) { outside(o); }
static enum x86_result no_in(void *o, uint16_t port, unsigned size, uint32_t *v) { outside(o); }
static enum x86_result no_out(void *o, uint16_t port, unsigned size, uint32_t v) { outside(o); }
static enum x86_result no_rdmsr(void *o, uint32_t msr, uint64_t *v) { outside(o); }
static enum x86_result no_wrmsr(void *o, uint32_t msr, uint64_t v) { outside(o); }
static enum x86_result no_cpuid(void *o, uint32_t leaf, uint32_t subleaf, uint32_t regs[4]) { outside(o); }
static enum x86_result no_hypercall(void *o) { outside(o); }
static int no_interrupt(void *o) { outside(o); }
static uint64_t no_value(void *o) { outside(o); }
static void no_tpr(void *o, uint64_t tpr) { outside(o); }
static void no_mark(void *o, struct x86_code_page *code) { outside(o); }
static void no_work(void *o) { outside(o); }
static void no_change(void *o, struct x86_code_page *code) { outside(o); }
static void already(void *o) { }

static const struct x86_ops forbidding = {
	.page = check_page, .mmio_read = no_read, .mmio_write = no_write, .probe = no_probe, .bad_fetch = no_fetch, .io_read = no_in,
	.io_write = no_out, .msr_read = no_rdmsr, .msr_write = no_wrmsr, .cpuid = no_cpuid, .hypercall = no_hypercall,
	.interrupt = no_interrupt, .tpr_read = no_value, .tpr_write = no_tpr, .tsc = no_value, .code_marked = no_mark, .code_changed = no_change,
	.exclusive_begin = already, .exclusive_end = already, .work = no_work, .init_taken = no_work,
};

/* ---- what can be compared ---- */

/* Estimates, functions that differ in the last place between processors, random numbers. */
static bool result_undefined(const struct x86_row *row)
{
	switch (row->handler) {
	case H_rcpps: case H_rcpss: case H_rsqrtps: case H_rsqrtss: case H_rdrand: case H_rdseed: case H_f2xm1: case H_fyl2x:
	case H_fptan: case H_fpatan: case H_fyl2xp1: case H_fsincos: case H_fsin: case H_fcos:
		return true;
	default:
		return false;
	}
}

/* Without a defined result if the source is 0, or the count too large. */
static bool destination_undefined(const struct x86_row *row)
{
	switch (row->handler) {
	case H_bsf: case H_bsr: case H_shld: case H_shrd: return true;
	default: return false;
	}
}

static uint32_t undefined_behind(const struct x86_row *row, uint32_t undefined)
{
	if (!keeps_flags_at_0(row))
		undefined &= ~row->flags_written;
	return undefined | (row->flags_undefined & X86_ARITH);
}

/* Counts and answers false if the block cannot be compared at all. */
static bool comparable(struct jit *j, const struct block *b)
{
	const struct uop *u;

	for (u = b->uop; !block_is_end(u); u++) {
		const struct x86_row *row = &x86_rows[u->row];

		if (block_refuses(u)) {
			j->count.skip_event++;
			return false;
		}
		if (row->attrs & ROW_END) {
			j->count.skip_end++;
			return false;
		}
		if (result_undefined(row) || (destination_undefined(row) && u->opsize == 2)) {
			j->count.skip_undefined++;
			return false;
		}
	}
	return true;
}

/* ---- the interpreter's run ---- */

static const struct uop *stop_here(struct x86_cpu *c, const struct uop *u)
{
	c->rip = uop_rip(c, u);
	return NULL;
}

/* Executes one instruction; c->rip is behind it.  Whether it went on in the block. */
static bool step(struct check *k, const struct uop *u)
{
	struct x86_cpu *c = k->c;
	const struct uop *next;
	uint64_t behind = uop_next(c, u);

	k->two[0] = *u;
	k->two[0].link = NULL;
	c->interrupt_shadow = 0;
	k->two[1] = (struct uop){ .fn = stop_here, .off = (uint16_t)(u->off + u->len) };
	c->cur = k->two;
	next = u->fn(c, k->two);
	if (next)
		c->rip = uop_rip(c, next);
	return c->rip == behind && (!next || next == &k->two[1]);
}

static void note(struct check *k, uint64_t rip, uint32_t undefined, bool repeats)
{
	struct snapshot *s = &k->snap[k->steps];

	take(k->c, s);
	s->rip = rip;
	s->stores = k->stores;
	s->undefined = undefined;
	s->repeats = repeats;
}

/* All of the block, as far as it goes.  False: flags that are undefined are made use of. */
static bool interpret(struct check *k)
{
	const struct uop *u = k->b->uop;
	uint64_t lin = k->c->gpr[X86_RIPBASE];
	uint32_t undefined = 0;

	note(k, lin, 0, u->flags & (UOP_REP | UOP_REPNZ));
	while (!block_is_end(u)) {
		const struct x86_row *row = &x86_rows[u->row];
		unsigned stores = k->stores;
		bool inside;

		if (row->flags_read & undefined)
			return false;
		if (k->steps == STEPS)
			siglongjmp(k->here, GAVE_LARGE);
		inside = step(k, u);
		see_stores(k, stores);
		undefined = undefined_behind(row, undefined);
		k->steps++;
		if (inside)
			u++;
		note(k, k->c->rip, undefined, !block_is_end(u) && u->flags & (UOP_REP | UOP_REPNZ));
		if (!inside && k->c->rip != lin + u->off)
			break;
	}
	return true;
}

static void enter_interpreter(struct check *k)
{
	struct x86_cpu *c = k->c;

	k->real_ops = c->ops;
	k->real_opaque = c->opaque;
	c->ops = &forbidding;
	c->opaque = k;
	c->on_raise = &k->here;
	x86_store_log_set(c, &k->log);
}

static void leave_interpreter(struct check *k, sigjmp_buf *outer)
{
	struct x86_cpu *c = k->c;

	undo_stores(k);
	give_back(c, &k->snap[0]);
	x86_store_log_set(c, NULL);
	c->ops = k->real_ops;
	c->opaque = k->real_opaque;
	c->on_raise = outer;
}

static void count_gave_up(struct jit *j, int why)
{
	switch (why) {
	case GAVE_EVENT: j->count.skip_event++; break;
	case GAVE_CODE: j->count.skip_code++; break;
	case GAVE_LARGE: j->count.skip_large++; break;
	default: j->count.skip_outside++; break;
	}
}

/* False: there is nothing to compare with; everything is as before all the same. */
static bool try_interpreter(struct check *k)
{
	struct x86_cpu *c = k->c;
	sigjmp_buf *outer = c->on_raise;
	volatile bool ok = false;
	int why;

	enter_interpreter(k);
	why = sigsetjmp(k->here, 0);
	if (!why) {
		ok = interpret(k);
		if (!ok)
			jit_of(c)->count.skip_undefined++;
	} else {
		count_gave_up(jit_of(c), why);
	}
	interp_of(c)->exclusive = false;
	leave_interpreter(k, outer);
	return ok;
}

/* ---- comparing ---- */

static const char *const gpr_name[16] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					  "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

static uint32_t arith(const struct x86_cpu *c, uint32_t undefined) { return x86_arith_get(c) & ~undefined; }

static const char *fpu_differs(const struct x86_fpu *a, const struct x86_fpu *b)
{
	for (unsigned i = 0; i < 8; i++)
		if (a->r[i].frac != b->r[i].frac || a->r[i].se != b->r[i].se)
			return "x87 registers";
	if (a->fcw != b->fcw)
		return "x87 control word";
	return a->fsw != b->fsw || a->top != b->top || a->empty != b->empty ? "x87 status word" : NULL;
}

static bool segs_differ(const struct x86_cpu *a, const struct x86_cpu *b)
{
	for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
		const struct x86_seg *s = &a->seg[i], *t = &b->seg[i];

		if (s->base != t->base || s->limit != t->limit || s->attr != t->attr || s->sel != t->sel)
			return true;
	}
	return false;
}

/* Name of the first thing that differs, or NULL.  FIP, FDP and FOP are not compared. */
static const char *state_differs(const struct x86_cpu *a, const struct x86_cpu *b, uint32_t undefined)
{
	for (unsigned i = 0; i < 16; i++)
		if (a->gpr[i] != b->gpr[i])
			return gpr_name[i];
	if (arith(a, undefined) != arith(b, undefined) || ((a->eflags ^ b->eflags) & ~X86_ARITH))
		return "flags";
	if (memcmp(a->ymm, b->ymm, sizeof a->ymm))
		return "vector registers";
	if (a->mxcsr != b->mxcsr)
		return "mxcsr";
	if (segs_differ(a, b))
		return "segment registers";
	if (a->mode != b->mode || a->mmu != b->mmu || a->interrupt_shadow != b->interrupt_shadow || a->activity != b->activity)
		return "mode";
	return fpu_differs(&a->fpu, &b->fpu);
}

/* What byte @b of store @i should be behind the first @n stores. */
static uint8_t expected(const struct check *k, unsigned i, unsigned b, unsigned n)
{
	const uint8_t *at = k->store[i].at + b;
	uint8_t v = 0;
	bool first = true;

	for (unsigned s = 0; s < k->stores; s++) {
		const struct store *w = &k->store[s];

		if (at < w->at || at >= w->at + w->n)
			continue;
		if (first)
			v = w->before[at - w->at];
		first = false;
		if (s < n)
			v = w->after[at - w->at];
	}
	return v;
}

static const struct store *memory_differs(const struct check *k, unsigned n)
{
	for (unsigned i = 0; i < k->stores; i++) {
		uint8_t now[STORE_MAX];

		x86_host_move(now, k->store[i].at, k->store[i].n);
		for (unsigned b = 0; b < k->store[i].n; b++)
			if (now[b] != expected(k, i, b, n))
				return &k->store[i];
	}
	return NULL;
}

/* ---- the report ---- */

static void hex(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%02x%s", p[i], i + 1 == n ? "\n" : i % 32 == 31 ? "\n    " : " ");
}

static void print_state(const char *who, const struct x86_cpu *c, uint64_t rip)
{
	fprintf(stderr, "%s: rip %016" PRIx64 " flags %08" PRIx64 " mxcsr %08x mode %05x\n", who, rip, x86_flags_get(c), c->mxcsr, c->mode);
	for (unsigned i = 0; i < 16; i++)
		fprintf(stderr, "  %3s %016" PRIx64 "%s", gpr_name[i], c->gpr[i], i % 4 == 3 ? "\n" : "");
	for (unsigned i = 0; i < 16; i++)
		fprintf(stderr, "  ymm%-2u %016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%s", i, c->ymm[i].q[3],
			c->ymm[i].q[2], c->ymm[i].q[1], c->ymm[i].q[0], i % 2 ? "\n" : "");
	for (unsigned i = 0; i < 8; i++)
		fprintf(stderr, "  r%u %04x%016" PRIx64 "%s", i, c->fpu.r[i].se, c->fpu.r[i].frac, i % 4 == 3 ? "\n" : "");
	fprintf(stderr, "  fcw %04x fsw %04x top %u empty %02x\n", c->fpu.fcw, c->fpu.fsw, c->fpu.top, c->fpu.empty);
}

static void print_code(const struct check *k)
{
	const struct jit *j = jit_of(k->c);
	const struct variant *v = k->v;

	fprintf(stderr, "guest code at %016" PRIx64 ":\n", v->lin);
	for (const struct uop *u = k->b->uop; !block_is_end(u); u++) {
		fprintf(stderr, "  +%03x %-12s %s ", u->off, x86_rows[u->row].name, u->spare & UOP_NATIVE ? "native" : "step  ");
		if (k->b->code2)
			fprintf(stderr, "(across two pages)\n");
		else
			hex(k->b->bytes_at + u->off, u->len);
	}
	fprintf(stderr, "host code (entry %x, held %x%s):\n    ", v->entry[ENTRY_CHECKED], v->held, v->careful ? ", careful" : "");
	hex(j->exec + v->entry[ENTRY_CHECKED], v->end - v->entry[ENTRY_CHECKED]);
}

noreturn static void report(struct check *k, const struct snapshot *s, const char *what, sigjmp_buf *outer)
{
	struct x86_cpu *c = k->c;

	fprintf(stderr, "engine jit: processor %u: translated code and interpreter differ: %s\n", c->index, what);
	print_code(k);
	print_state("before", state_of(&k->snap[0]), k->snap[0].rip);
	if (s)
		print_state("interpreter", state_of(s), s->rip);
	print_state("translated", c, c->rip);
	for (unsigned i = 0; s && i < k->stores && i < 16; i++) {
		fprintf(stderr, "  store %u%s at host %p, interpreter: ", i, i < s->stores ? "" : " (not reached)", (void *)k->store[i].at);
		hex(k->store[i].after, k->store[i].n);
		fprintf(stderr, "    now: ");
		hex(k->store[i].at, k->store[i].n);
	}
	fprintf(stderr, "This is a defect of the emulator: please report it with these lines; engine=interp goes around it.\n");
	c->ops = k->real_ops;
	siglongjmp(*outer, ENGINE_BROKEN);
}

/* Against one of the copies.  What differs, or NULL. */
static const char *differs(const struct check *k, const struct snapshot *s)
{
	const char *what = state_differs(state_of(s), k->c, s->undefined);

	return what || !memory_differs(k, s->stores) ? what : "memory";
}

/*
 * Translated code leaves at the block's end, in the middle for a variant without groups, or
 * behind a step; and a jump from its end may lead to its middle.  So more than one copy may be meant.
 */
static void compare(struct check *k, uint64_t exit, sigjmp_buf *outer)
{
	struct x86_cpu *c = k->c;
	struct jit *j = jit_of(c);
	bool careful = exit >> 48 & 1;
	const struct snapshot *closest = NULL;
	const char *what = "where it goes on";

	/* Something was pending, so it has not begun; or came between the entry's look at that and the first instruction's. */
	if (c->engine_check == 2 || (!nothing_pending(c) && c->rip == k->snap->rip && !differs(k, k->snap)))
		return;
	for (unsigned i = k->steps + 1; i-- > (careful ? 0u : 1u);) {
		const struct snapshot *s = &k->snap[i];

		if (s->rip != c->rip)
			continue;
		closest = s;
		what = s->repeats ? NULL : differs(k, s);
		if (!what)
			break;
	}
	if (what)
		report(k, closest, what, outer);
	if (closest->repeats)
		j->count.skip_event++;
	else
		j->count.checked++;
	/* It may have come no further than to its variant without groups, which must have its turn. */
	c->engine_check = j->check + (closest == k->snap ? 2 : 0);
}

/* ---- one block ---- */

static uint64_t run_and_compare(struct check *k)
{
	struct x86_cpu *c = k->c;
	sigjmp_buf *outer = c->on_raise;
	uint64_t exit;

	k->ops = *c->ops;
	k->ops.exclusive_begin = k->ops.exclusive_end = already;
	c->ops = &k->ops;
	c->on_raise = &k->here;
	if (sigsetjmp(k->here, 0)) {
		c->on_raise = outer;
		report(k, &k->snap[k->steps], "an exception in translated code alone", outer);
	}
	exit = jit_enter(c, k->v);
	c->on_raise = outer;
	c->ops = k->real_ops;
	compare(k, exit, outer);
	return exit;
}

/* No other processor runs meanwhile.  That pends work for this one, too, which is put off. */
static void alone_begin(struct x86_cpu *c)
{
	exclusive_begin(c);
	atomic_fetch_and(&c->pending, ~(uint32_t)X86_PEND_WORK);
}

static void alone_end(struct x86_cpu *c)
{
	interp_of(c)->exclusive = true;
	exclusive_end(c);
	x86_pend(c, X86_PEND_WORK);
}

static bool still_the_same(struct x86_cpu *c, const struct block *b, const struct variant *v)
{
	const struct jit *j = jit_of(c);

	views_check(c);
	return nothing_pending(c) && j->dropped == c->count.dropped && block_valid(b) && !v->dead &&
	       j->tables->code_ok[view_index(j, v->view)] && (!v->view2 || j->tables->code_ok[view_index(j, v->view2)]);
}

uint64_t jit_check(struct x86_cpu *c, struct block *b, const struct variant *v)
{
	struct jit *j = jit_of(c);
	struct check *k;
	uint64_t exit = 0;

	/* Two: this block, and the next, which comes back here. */
	c->engine_check = 2;
	if (!j->check_room)
		j->check_room = malloc(sizeof *k);
	k = j->check_room;
	if (!k || !comparable(j, b))
		return jit_enter(c, v);
	k->log.store = remember;
	k->c = c;
	k->b = b;
	k->v = v;
	k->steps = k->stores = 0;
	alone_begin(c);
	/* Waiting for the others may have changed the world. */
	/* If not, it is run the next time that it is found here: it is no longer due. */
	if (still_the_same(c, b, v) && try_interpreter(k))
		exit = run_and_compare(k);
	else
		c->engine_check = 4;  /* a variant without groups comes behind the one with them: both must pass */
	alone_end(c);
	return exit;
}
