/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs sequences: traced by the interpreter, in an engine, on the host.
 */
#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "accel/engine/engine.h"
#include "sequence.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"

/* ---- memory of the guest ---- */

static uint64_t page_address(unsigned i)
{
	return i < DATA_PAGES ? DATA + 4096 * i : CODE + 4096 * (i - DATA_PAGES);
}

enum { PAGES_COMPARED = DATA_PAGES + CODE_PAGES };

static const uint8_t *page_in(const struct memory *m, unsigned i)
{
	return i < DATA_PAGES ? m->data + 4096 * i : m->code + 4096 * (i - DATA_PAGES);
}

/* What differs is written as a device would, so that code that has changed is found. */
static void put_memory(struct guest *g, const struct memory *m)
{
	for (unsigned i = 0; i < PAGES_COMPARED; i++) {
		uint64_t lin = page_address(i);
		const uint8_t *from = page_in(m, i), *now = guest_at(g, lin);
		unsigned first = 0, end = 4096;

		if (!memcmp(now, from, 4096))
			continue;
		while (now[first] == from[first])
			first++;
		while (now[end - 1] == from[end - 1])
			end--;
		guest_write(g, lin + first, from + first, end - first);
	}
}

static void get_memory(struct guest *g, struct memory *m)
{
	for (unsigned i = 0; i < PAGES_COMPARED; i++)
		memcpy((uint8_t *)page_in(m, i), guest_at(g, page_address(i)), 4096);
}

/* ---- what does not end ---- */

static struct guest *const *watched;
static unsigned watched_count;
static volatile unsigned long runs_begun;
static volatile bool timed_out;

/* Each quarter of a second of processor time. */
static void on_tick(int sig)
{
	static unsigned long seen;
	static unsigned ticks;

	(void)sig;
	if (seen != runs_begun) {
		seen = runs_begun;
		ticks = 0;
		return;
	}
	if (++ticks < 4)
		return;
	timed_out = true;
	for (unsigned i = 0; i < watched_count; i++)
		x86_pend(guest_cpu(watched[i]), X86_PEND_STOP);
	if (ticks > 40) {
		static const char text[] = "# translated code does not look at pending requests: stopped\n";

		if (write(1, text, sizeof text - 1) > 0)
			abort();
	}
}

void sequence_watch(struct guest *const *guests, unsigned count)
{
	struct sigaction a = { .sa_handler = on_tick, .sa_flags = SA_RESTART | SA_ONSTACK };
	struct itimerval t = { { 0, 250000 }, { 0, 250000 } };

	watched = guests;
	watched_count = count;
	sigaction(SIGVTALRM, &a, NULL);
	setitimer(ITIMER_VIRTUAL, &t, NULL);
}

static void begin(struct guest *g, const struct sequence *s, const struct seq_run *r)
{
	struct x86_cpu *c = guest_cpu(g);

	runs_begun++;
	timed_out = false;
	guest_load(g, &r->in, !kind_is_32(s->kind), kind_cpl(s->kind));
	put_memory(g, &r->before);
	c->pending &= ~(uint32_t)X86_PEND_STOP;
}

/* How it ended, now that the engine has left. */
static void end(struct guest *g, enum x86_run why, struct outcome *o)
{
	struct x86_cpu *c = guest_cpu(g);
	bool in_handler = c->rip > HANDLERS && c->rip <= HANDLERS + 4096;

	memset(o, 0, sizeof *o);
	o->vector = -1;
	if (why == X86_RUN_HALTED && in_handler)
		c->rip--;
	guest_save(g, o);
	if (why == X86_RUN_SHUTDOWN)
		o->vector = OUTCOME_SHUTDOWN;
	else if (timed_out)
		o->vector = OUTCOME_ENDLESS;
	else if (why == X86_RUN_HALTED && !in_handler)
		o->vector = OUTCOME_HALTED;
	else if (why != X86_RUN_HALTED && why != X86_RUN_DEBUG)
		o->vector = OUTCOME_BROKEN;
	if (o->vector == X86_BP && (o->state.rip == EXIT_64 + 1 || o->state.rip == EXIT_32 + 1)) {
		o->vector = -1;
		o->state.rip--;
	}
	o->ran = true;
}

/* ---- tracing ---- */

static bool is(const struct x86_row *row, const char *name) { return !strcmp(row->name, name); }

/* Changes no flag if the count is 0. */
static bool may_keep_flags(const struct x86_row *row)
{
	static const char *const names[] = { "rol", "ror", "rcl", "rcr", "shl", "shr", "sar", "shld", "shrd" };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		if (is(row, names[i]))
			return true;
	}
	return row->attrs & ROW_REPZ;
}

static bool is_far(const struct x86_row *row)
{
	return is(row, "retf") || is(row, "iret") || ((is(row, "jmp") || is(row, "call")) && row->attrs & ROW_END);
}

/* Of these processors choose the order. */
static bool many_accesses(const struct x86_row *row) { return is(row, "cmps") || is(row, "pusha") || is(row, "popa"); }

static void never(struct seq_run *r, const char *why)
{
	r->comparable = r->on_host = false;
	r->why = why;
}

static void not_on_host(struct seq_run *r, const char *why)
{
	if (r->on_host)
		r->why = why;
	r->on_host = false;
}

/* Bytes at RIP as far as they are mapped. */
static unsigned fetch(struct guest *g, uint64_t rip, uint8_t *bytes)
{
	unsigned n = 0;

	while (n < 15) {
		const uint8_t *p = guest_at(g, rip + n);
		unsigned here = 4096 - ((rip + n) & 4095);

		if (!p)
			return n;
		here = MIN(here, 15 - n);
		memcpy(bytes + n, p, here);
		n += here;
	}
	return n;
}

static bool changed(struct guest *g, uint64_t lin, const uint8_t *bytes, unsigned len)
{
	uint8_t now[15];

	return fetch(g, lin, now) < len || memcmp(now, bytes, len);
}

/* Does it use memory through FS or GS, whose bases the host's process needs? */
static bool through_fs(const struct x86_insn *i)
{
	return (i->seg == X86_FS || i->seg == X86_GS) && (i->has_mem || !(i->row->attrs & ROW_BRANCH));
}

/* SHLD and SHRD by more than the operand has bits. */
static bool shifts_too_far(const struct x86_cpu *c, const struct x86_insn *i)
{
	uint64_t count = i->op[2].kind == OPK_GPR ? c->gpr[X86_RCX] : i->imm;

	return (is(i->row, "shld") || is(i->row, "shrd")) && i->opsize == 2 && (count & 31) > 16;
}

/* Places that are there natively and not here, or the other way round, or hold other bytes. */
static bool in_harness(uint64_t lin) { return lin >= STUB - 64 && lin < HARNESS_END; }

static uint64_t operand_at(const struct x86_cpu *c, const struct x86_insn *i)
{
	uint64_t at = i->base == X86_RIPBASE ? c->rip + i->len : c->gpr[i->base];

	at += (c->gpr[i->index] << i->scale) + (uint64_t)i->disp;
	return i->addrsize == 8 ? at : (uint32_t)at;
}

static bool is_loop(const struct x86_row *row) { return !strncmp(row->name, "loop", 4); }

/* One vendor's processors take 66 for a 16-bit RIP (and displacement), and REP for another condition. */
static bool branch_differs(const struct x86_cpu *c, const struct x86_insn *i)
{
	return i->row->attrs & ROW_BRANCH && c->mode & X86_MODE_CS64 && (i->prefix66 || (i->rep && is_loop(i->row)));
}

/* What has to be known before @i executes. */
static void look_at(const struct x86_cpu *c, const struct x86_insn *i, struct seq_run *r)
{
	const struct x86_row *row = i->row;

	if (!row) {
		/* This host may have instructions that the processor here has not. */
		not_on_host(r, "an opcode that is not in the table");
		return;
	}
	r->last_row = row->id;
	if ((row->flags_read | (is(row, "syscall") ? X86_ARITH : 0)) & r->undefined)
		never(r, "makes use of undefined flags");
	if (row_inexact(row) || shifts_too_far(c, i))
		never(r, "results that processors may differ in");
	if (is(row, "rdtsc") || is(row, "rdtscp"))
		never(r, "time");
	if (row_excluded(row) && !is_far(row))
		not_on_host(r, row_excluded(row));
	/* Which accesses are checked, in what order with other faults, differs between processors. */
	if (c->eflags & X86_AC && row->attrs & (ROW_X87 | ROW_MMX | ROW_SSE | ROW_AVX))
		not_on_host(r, "alignment checks of vectors");
	if (c->eflags & X86_AC && is(row, "enter"))
		not_on_host(r, "the stack pointer behind ENTER is checked, too, or not");
	if (branch_differs(c, i))
		not_on_host(r, "prefixes of branches");
	/* How many bytes they have differs. */
	if (is(row, "ud0") || is(row, "ud1"))
		not_on_host(r, "the length of undefined instructions");
	if (i->rep && !c->gpr[X86_RCX] && (is(row, "ins") || is(row, "outs")))
		not_on_host(r, "a port that is accessed 0 times");
	if (is(row, "fnstenv"))
		not_on_host(r, "x87 instruction and data pointers");
	if (i->has_mem && in_harness(operand_at(c, i)))
		not_on_host(r, "reads or writes where the harness is");
	if (through_fs(i))
		not_on_host(r, "memory through FS or GS");
}

static bool at_handler(const struct x86_cpu *c)
{
	return c->rip >= HANDLERS && c->rip < HANDLERS + 4096 && !(c->rip & 15) && !(c->seg[X86_CS].sel & 3);
}

/* What has to be known behind it. */
static void look_back(const struct x86_cpu *c, const struct x86_insn *i, struct seq_run *r)
{
	const struct x86_row *row = i->row;
	/* #DB is a trap here. */
	bool faulted = at_handler(c) && c->rip != HANDLERS + 16 * X86_DB;

	if (!row)
		return;
	if (is_far(row) && (faulted || (c->seg[X86_CS].sel != 0x33 && (c->seg[X86_CS].sel != 0x23 || !native_has_32())) ||
			    (c->seg[X86_SS].sel != 0x2b)))
		not_on_host(r, "a far transfer to elsewhere");
	/* MXCSR.MM is a bit of some vendors' processors. */
	if (faulted && strstr(row->name, "ldmxcsr"))
		not_on_host(r, "MXCSR with reserved bits");
	/* Many accesses: which comes first is the processor's choice. */
	if (faulted && (is(row, "fldenv") || is(row, "frstor") || strstr(row->name, "maskmov")))
		not_on_host(r, "the order of accesses");
	if (faulted) {
		r->torn = strstr(row->name, "gather");
		return;
	}
	if (!may_keep_flags(row))
		r->undefined &= ~row->flags_written;
	r->undefined |= row->flags_undefined & X86_ARITH;
}

static void trace_run(struct guest *g, struct sequence *s, struct seq_run *r)
{
	struct x86_cpu *c = guest_cpu(g);
	enum x86_run why = X86_RUN_DEBUG;

	begin(g, s, r);
	r->comparable = true;
	r->on_host = kind_cpl(s->kind) == 3 && (!kind_is_32(s->kind) || native_has_32());
	r->why = r->on_host ? NULL : "the host cannot run this kind";
	r->undefined = 0;
	r->torn = false;
	r->last_row = 0;
	for (r->steps = 0; !at_handler(c) && why == X86_RUN_DEBUG; r->steps++) {
		struct x86_insn i;
		uint8_t bytes[15] = { 0 };
		uint64_t lin = c->mode & X86_MODE_CS64 ? c->rip : (uint32_t)c->rip;
		bool known = x86_decode(&i, bytes, fetch(g, lin, bytes), c->mode) == X86_DECODED;

		if (!known) {
			/* Not all of it is there; the host may need less of it. */
			known = x86_decode(&i, bytes, 15, c->mode) == X86_DECODED;
			if (known && (!i.row || !strncmp(i.row->name, "ud", 2)))
				not_on_host(r, "the length of undefined instructions");
			else if (known && branch_differs(c, &i))
				not_on_host(r, "prefixes of branches");
			known = false;
		}
		if (r->steps == TRACE_MAX) {
			never(r, "does not end soon");
			return;
		}
		if (known)
			look_at(c, &i, r);
		why = guest_engine(g)->step(c);
		if (known)
			look_back(c, &i, r);
		if (known && i.rep && changed(g, lin, bytes, i.len))
			not_on_host(r, "an instruction that repeats and changes itself");
		if (c->activity != X86_ACTIVE && why == X86_RUN_DEBUG)
			why = X86_RUN_HALTED;
	}
	/* At a handler it has not halted yet. */
	end(g, why, &r->end);
	get_memory(g, &r->after);
	system_state(g, &r->system);
	if (r->end.vector == OUTCOME_ENDLESS || r->end.vector == OUTCOME_BROKEN)
		never(r, "the interpreter broke off");
	if (r->end.state.rflags & X86_AC && r->end.vector >= X86_SS_FAULT && r->end.vector <= X86_AC_FAULT)
		not_on_host(r, "a fault where alignment is checked, too");
	if (r->end.vector >= X86_SS_FAULT && r->end.vector <= X86_PFAULT && many_accesses(&x86_rows[r->last_row]))
		not_on_host(r, "which of several accesses faults first");
	if ((in_harness(r->end.state.rip) && r->end.state.rip != EXIT_64 && r->end.state.rip != EXIT_32) || (r->end.vector == X86_PFAULT && (in_harness(r->end.cr2) || in_shadow(r->end.cr2))))
		not_on_host(r, "went to where the harness is");
	if (r->end.vector < -1 || (r->end.vector == -1 && r->end.cs != (r->end.state.rip == EXIT_64 ? 0x33 : 0x23)))
		not_on_host(r, "its end");
}

void sequence_trace(struct guest *g, struct sequence *s)
{
	guest_fresh(g);
	for (unsigned i = 0; i < RUNS; i++) {
		s->run[i].comparable = s->run[i].on_host = false;
		if (s->run_mask >> i & 1)
			trace_run(g, s, &s->run[i]);
	}
}

/* ---- engines ---- */

const char *sequence_engine(struct guest *g, const struct sequence *s, unsigned *run, struct outcome *got, struct memory *after)
{
	guest_fresh(g);
	for (unsigned i = 0; i < RUNS; i++) {
		const struct seq_run *r = &s->run[i];
		struct system_state system;
		const char *what;

		if (!(s->run_mask >> i & 1) || !r->comparable)
			continue;
		begin(g, s, r);
		end(g, guest_engine(g)->run(guest_cpu(g)), got);
		get_memory(g, after);
		system_state(g, &system);
		what = outcome_differs(r, got, after, false);
		if (!what)
			what = system_differs(&r->system, &system);
		if (what) {
			*run = i;
			return what;
		}
	}
	return NULL;
}

/* ---- the host ---- */

static void native_memory(const struct memory *m)
{
	memcpy((void *)(uintptr_t)DATA, m->data, DATA_BYTES);
	memcpy((void *)(uintptr_t)CODE, m->code, CODE_BYTES);
}

void sequence_host(struct sequence *s)
{
	for (unsigned i = 0; i < RUNS; i++) {
		struct seq_run *r = &s->run[i];
		enum native_end e;

		if (!(s->run_mask >> i & 1) || !r->on_host)
			continue;
		native_memory(&r->before);
		e = native_enter(&r->in, &r->host, !kind_is_32(s->kind));
		if (e != NATIVE_FAULT) {
			r->host.state.rip = e == NATIVE_EXIT_32 ? EXIT_32 : EXIT_64;
			r->host.cs = e == NATIVE_EXIT_32 ? 0x23 : 0x33;
		}
		memcpy(r->host_after.data, (void *)(uintptr_t)DATA, DATA_BYTES);
		memcpy(r->host_after.code, (void *)(uintptr_t)CODE, CODE_BYTES);
		r->host.ran = true;
	}
}

const char *sequence_host_differs(const struct sequence *s, unsigned *run)
{
	for (unsigned i = 0; i < RUNS; i++) {
		const struct seq_run *r = &s->run[i];
		const char *what;

		if (!(s->run_mask >> i & 1) || !r->on_host)
			continue;
		*run = i;
		what = r->host.ran ? outcome_differs(r, &r->host, &r->host_after, true) : "the host's process died";
		if (what)
			return what;
	}
	return NULL;
}
