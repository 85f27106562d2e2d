/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a case in an engine. */
#include <glib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "case.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"

static void copy_window(struct guest *g, uint64_t window, uint8_t *bytes, bool in)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t lin = window + i;
		uint8_t *p = guest_at(g, lin);
		bool ro = lin >= DATA_RO && lin < DATA_RO + 4096;

		if (p && in && !ro)
			*p = bytes[i];
		else if (!in)
			bytes[i] = p ? *p : 0;
	}
}

/* Instructions that do not jump, in an engine whose step() would not use its translator. */
static bool runs_to_trap(struct guest *g, const struct test_case *t)
{
	return guest_engine(g) != &engine_interp && t->mode == CASE_64 && !(t->in.rflags & X86_TF) &&
	       !(t->insn.row->attrs & (ROW_BRANCH | ROW_END));
}

/*
 * By run() instead of step(): the block is the instruction and the INT3 behind it.  A
 * handler halts at once; what INT3 has done is undone.
 */
static enum x86_run run_to_trap(struct guest *g, const struct test_case *t)
{
	struct x86_cpu *c = guest_cpu(g);
	enum x86_run r;
	uint64_t frame[5];

	r = guest_engine(g)->run(c);
	if (r != X86_RUN_HALTED)
		return r;
	c->activity = X86_ACTIVE;
	c->rip--;
	if (c->rip != HANDLERS + 16 * X86_BP)
		return r;
	memcpy(frame, guest_at(g, c->gpr[X86_RSP]), sizeof frame);
	if (frame[0] != CODE_AT + t->len + 1)
		return r;
	c->rip = CODE_AT + t->len;
	c->gpr[X86_RSP] = frame[3];
	x86_flags_set(c, frame[2]);
	return r;
}

void guest_run(struct guest *g, struct test_case *t)
{
	struct x86_cpu *c = guest_cpu(g);
	struct outcome *o = &t->ours;
	enum x86_run r;
	unsigned steps = 0;

	memset(o, 0, sizeof *o);
	o->vector = -1;
	guest_load(g, &t->in, t->mode == CASE_64, 3);
	guest_fresh(g);
	memcpy(guest_at(g, CODE_AT), t->code, 16);
	memset(guest_at(g, CODE_AT) + t->len, 0xcc, 16);
	copy_window(g, t->window, t->in.memory, true);
	/* A repeated string instruction may take several steps. */
	do
		r = runs_to_trap(g, t) ? run_to_trap(g, t) : guest_engine(g)->step(c);
	while (c->rip == CODE_AT && r != X86_RUN_SHUTDOWN && ++steps < 1000);
	guest_save(g, o);
	if (r == X86_RUN_SHUTDOWN)
		o->vector = OUTCOME_SHUTDOWN;
	copy_window(g, t->window, o->state.memory, false);
	copy_window(g, t->window, (uint8_t[WINDOW]){ 0 }, true);
	o->ran = true;
}
