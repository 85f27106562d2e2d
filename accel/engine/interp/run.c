/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interpreter's run loop and what happens between blocks: pending work,
 * interrupts, debug exceptions, raised events.
 *
 * A handler leaves a block by returning NULL with c->rip set.  Blocks chain
 * among themselves as long as c->pending is 0; every reason to look up is a
 * bit there, so the hot path tests one word.  X86_PEND_STEP is how this file
 * itself keeps the next block from chaining.
 */
#include <stdlib.h>
#include <string.h>

#include "accel/engine/engine.h"
#include "block.h"
#include "trace/log.h"

static void unpend(struct x86_cpu *c, uint32_t bits)
{
	atomic_fetch_and(&c->pending, ~bits);
}

static uint32_t pending(const struct x86_cpu *c)
{
	return atomic_load_explicit(&c->pending, memory_order_acquire);
}

static uint64_t cut_ip(const struct x86_cpu *c, uint64_t ip)
{
	return c->mode & X86_MODE_CS64 ? ip : (uint32_t)ip;
}

/* ---- log ---------------------------------------------------------------------- */

static void log_event(const struct x86_cpu *c, const struct x86_event *e)
{
	log_print(LOG_INT, "%u: vector %02x kind %u error %x cr2 %016llx at %04x:%016llx rsp %04x:%016llx cpl %u\n",
		  c->index, e->vector, e->kind, e->has_error ? e->error : 0, (unsigned long long)e->cr2,
		  c->seg[X86_CS].sel, (unsigned long long)c->rip, c->seg[X86_SS].sel,
		  (unsigned long long)c->gpr[X86_RSP], x86_cpl(c));
}

static void log_cpu(const struct x86_cpu *c)
{
	static const char name[16][4] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					  "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	unsigned i;

	for (i = 0; i < 16; i++)
		log_print(LOG_CPU, "%s=%016llx%s", name[i], (unsigned long long)c->gpr[i], i % 4 == 3 ? "\n" : " ");
	log_print(LOG_CPU, "rip=%016llx rfl=%08llx cr0=%08llx cr3=%016llx cr4=%08llx mode=%05x\n",
		  (unsigned long long)c->rip, (unsigned long long)x86_flags_get(c), (unsigned long long)c->cr0,
		  (unsigned long long)c->cr3, (unsigned long long)c->cr4, c->mode);
}

/* With these on no block may chain to the next unseen. */
static bool log_blocks(struct x86_cpu *c)
{
	if (likely(!log_on(LOG_EXEC | LOG_CPU)))
		return false;
	if (log_on(LOG_EXEC))
		log_print(LOG_EXEC, "%u: %04x:%016llx mode %05x\n", c->index, c->seg[X86_CS].sel,
			  (unsigned long long)c->rip, c->mode);
	if (log_on(LOG_CPU))
		log_cpu(c);
	return true;
}

/* ---- raised events --------------------------------------------------------------- */

/* Was @lin a stack access without an explicit operand, or one through SS? */
static bool faulted_on_stack(const struct x86_cpu *c, const struct uop *u, uint64_t lin)
{
	unsigned i;

	switch (x86_rows[u->row].handler) {
	case H_xlat: case H_maskmov: case H_monitor:  /* memory, but no operand that says so */
		return u->seg == X86_SS;
	case H_push: case H_pop: case H_call_rm: case H_far_call:  /* it may have both */
		if (lin - c->gpr[X86_RSP] + 16 < 32)
			return true;
		break;
	default:
		break;
	}
	for (i = 0; i < 4; i++) {
		if (u->kind[i] == OPK_MEM)
			return u->seg == X86_SS;
		if (u->kind[i] == OPK_STR_SRC || u->kind[i] == OPK_STR_DST)
			return false;
	}
	return true;
}

/* What x86_raise*() recorded becomes an exception at the right RIP.  False: triple fault. */
static bool raised(struct x86_cpu *c)
{
	const struct uop *u = c->cur;
	struct x86_event *e = &c->event;

	X86_COUNT(c, raised);
	exclusive_end(c);
	if (u) {
		bool behind = e->kind == X86_EV_SOFT || e->kind == X86_EV_ICEBP;

		c->rip = behind ? uop_next(c, u) : cut_ip(c, uop_rip(c, u));
		if (e->noncanonical && e->vector == X86_GP && faulted_on_stack(c, u, e->cr2))
			e->vector = X86_SS_FAULT;
	}
	c->cur = NULL;
	c->interrupt_shadow = 0;
	if (log_on(LOG_INT))
		log_event(c, e);
	return x86_deliver(c);
}

static struct x86_stopped stopped_instruction(const struct uop *u)
{
	unsigned handler = x86_rows[u->row].handler;

	return (struct x86_stopped){
		.length = (uint8_t)u->len,
		.string = handler == H_ins || handler == H_outs,
		.rep = u->flags & (UOP_REP | UOP_REPNZ),
	};
}

/* A callback said stop: the instruction has not happened. */
static void stopped(struct x86_cpu *c)
{
	const struct uop *u = c->cur;

	exclusive_end(c);
	c->stopped = (struct x86_stopped){ .length = 0 };
	if (u) {
		c->stopped = stopped_instruction(u);
		c->rip = cut_ip(c, uop_rip(c, u));
		/* It stands in the shadow of the one before it, still. */
		if (interp_of(c)->watched)
			c->interrupt_shadow = interp_of(c)->shadow;
	}
	c->cur = NULL;
}

void exclusive_begin(struct x86_cpu *c)
{
	c->ops->exclusive_begin(c->opaque);
	interp_of(c)->exclusive = true;
}

void exclusive_end(struct x86_cpu *c)
{
	if (!interp_of(c)->exclusive)
		return;
	interp_of(c)->exclusive = false;
	c->ops->exclusive_end(c->opaque);
}

/* ---- between blocks ------------------------------------------------------------------ */

static bool take(struct x86_cpu *c, struct x86_event e)
{
	c->event = e;
	c->activity = X86_ACTIVE;
	if (log_on(LOG_INT))
		log_event(c, &c->event);
	return x86_deliver(c);
}

static bool take_debug(struct x86_cpu *c, uint64_t dr6)
{
	return take(c, (struct x86_event){ .kind = X86_EV_FAULT, .vector = X86_DB, .dr6 = dr6 });
}

static void flush_pending(struct x86_cpu *c)
{
	const uint32_t bits = X86_PEND_TLB | X86_PEND_TLB_WRITE | X86_PEND_CODE | X86_PEND_STEP |
			      X86_PEND_WORK | X86_PEND_CODE_ALL;
	uint32_t p;

	if (!(pending(c) & bits))
		return;
	/*
	 * Cleared first, so that a request that comes while it is served is not lost; and
	 * read by what clears it, so that none is lost that comes in between.
	 */
	p = atomic_fetch_and(&c->pending, ~bits);
	if (p & X86_PEND_TLB)
		x86_tlb_flush(c, X86_FLUSH_ALL);
	if (p & X86_PEND_TLB_WRITE)
		x86_tlb_flush_writes(c);
	if (p & X86_PEND_CODE_ALL)
		interp_of(c)->code_all = true;
	if (p & X86_PEND_WORK)
		c->ops->work(c->opaque);
}

static void take_init(struct x86_cpu *c)
{
	unpend(c, X86_PEND_INIT);
	interp_of(c)->intr_waiting = false;
	x86_reset(c, X86_RESET_INIT);
	c->ops->init_taken(c->opaque);
}

/* External interrupts, if IF allows one now.  False: triple fault. */
static bool take_interrupt(struct x86_cpu *c)
{
	struct interp *in = interp_of(c);
	int vector;

	if (pending(c) & X86_PEND_INTR) {
		unpend(c, X86_PEND_INTR);
		in->intr_waiting = true;
	}
	if (!in->intr_waiting || !(c->eflags & X86_IF) || c->interrupt_shadow)
		return true;
	vector = c->ops->interrupt(c->opaque);
	/* There may be more: asked again when IF is set again. */
	in->intr_waiting = vector >= 0;
	x86_count_add(&c->count.interrupts, vector >= 0);
	if (vector < 0) {
		if (vector == X86_INTERRUPT_STOP)
			x86_result_raise(c, X86_STOP);
		return true;
	}
	return take(c, (struct x86_event){ .kind = X86_EV_EXTERNAL, .vector = (uint8_t)vector });
}

/* An NMI, or that one could be taken.  False: triple fault. */
static bool take_nmi(struct x86_cpu *c, uint32_t p)
{
	if (!(p & X86_PEND_NMI)) {
		unpend(c, X86_PEND_NMI_WINDOW);
		c->ops->nmi_window(c->opaque);
		x86_result_raise(c, X86_STOP);
	}
	unpend(c, X86_PEND_NMI);
	if (!take(c, (struct x86_event){ .kind = X86_EV_NMI, .vector = X86_NMI }))
		return false;
	c->nmi_blocked = 1;
	return true;
}

/* All that waits for an instruction boundary.  True: leave with *why. */
static bool boundary(struct x86_cpu *c, enum x86_run *why)
{
	uint32_t p;

	c->cur = NULL;
	flush_pending(c);
	p = pending(c);
	if (p & X86_PEND_INIT)
		take_init(c);
	if (p & X86_PEND_STOP) {
		unpend(c, X86_PEND_STOP);
		*why = X86_RUN_KICKED;
		return true;
	}
	*why = X86_RUN_SHUTDOWN;
	if (c->activity == X86_SHUT_DOWN)
		return true;
	if (c->activity != X86_WAIT_SIPI) {
		if ((p & (X86_PEND_NMI | X86_PEND_NMI_WINDOW)) && !c->nmi_blocked && !c->interrupt_shadow && !take_nmi(c, p))
			return true;
		if (!take_interrupt(c))
			return true;
	}
	*why = X86_RUN_HALTED;
	return c->activity != X86_ACTIVE;
}

static bool must_look_up(const struct x86_cpu *c)
{
	const struct interp *in = interp_of(c);

	return pending(c) || c->activity != X86_ACTIVE || (in->intr_waiting && c->eflags & X86_IF);
}

/* ---- running ---------------------------------------------------------------------------- */

static void execute(struct x86_cpu *c, const struct uop *u)
{
	do {
		c->cur = u;
		u = u->fn(c, u);
		/* The code behind a store to code must be looked up again. */
		if (unlikely(u && atomic_load_explicit(&c->pending, memory_order_relaxed) & X86_PEND_CODE)) {
			c->rip = cut_ip(c, uop_rip(c, u));
			break;
		}
	} while (u);
	c->cur = NULL;
}

static uint64_t linear_rip(const struct x86_cpu *c)
{
	return c->mode & X86_MODE_CS64 ? c->rip : (uint32_t)(c->seg[X86_CS].base + c->rip);
}

static bool debugger_breaks(const struct x86_cpu *c)
{
	uint64_t lin = linear_rip(c);
	uint32_t i;

	for (i = 0; i < c->debug_break_count; i++)
		if (c->debug_break[i] == lin)
			return true;
	return false;
}

/* DR6 bits of the enabled instruction breakpoints at RIP. */
static uint64_t breakpoints_hit(const struct x86_cpu *c)
{
	uint64_t lin = linear_rip(c), hit = 0;
	unsigned i;

	if (c->eflags & X86_RF)
		return 0;
	for (i = 0; i < 4; i++)
		if ((c->dr[7] >> (i * 2) & 3) && !(c->dr[7] >> (16 + i * 4) & 3) && c->dr[i] == lin)
			hit |= 1u << i;
	return hit;
}

/*
 * One instruction with everything that may be watched about it.  True: leave
 * with *why.  A fault inside leaves by longjmp: then there is no trap.
 */
static bool run_watched(struct x86_cpu *c, enum x86_run *why)
{
	struct interp *in = interp_of(c);
	bool tf = c->eflags & X86_TF, resuming = in->resuming, held = c->interrupt_shadow == X86_SHADOW_SS;
	uop_fn fn;
	const struct uop *u;
	uint64_t hit = 0;

	in->resuming = false;
	*why = X86_RUN_DEBUG;
	if (c->mode & X86_MODE_STEP) {
		if (!resuming && debugger_breaks(c))
			return true;
		hit = held ? 0 : breakpoints_hit(c);
	}
	if (hit) {
		/* Pushed with RF set, so that the handler's IRET gets past it. */
		c->eflags |= X86_RF;
		*why = X86_RUN_SHUTDOWN;
		return !take_debug(c, hit);
	}
	in->shadow = c->interrupt_shadow;
	c->interrupt_shadow = 0;
	/* What MOV SS has met comes behind the instruction after it. */
	if (!held)
		c->watch_hit = 0;
	x86_pend(c, X86_PEND_STEP);
	u = block_lookup(c, true);
	fn = interp_handlers[x86_rows[u->row].handler];
	execute(c, u);
	unpend(c, X86_PEND_STEP);
	/* RF holds for one instruction; IRET has just loaded it. */
	if (fn != op_iret)
		c->eflags &= ~(uint32_t)X86_RF;
	/* These two trap by the TF that they load: so SFMASK keeps #DB out of the kernel. */
	if (fn == op_syscall || fn == op_sysret)
		tf = c->eflags & X86_TF;
	if (c->interrupt_shadow == X86_SHADOW_SS)
		return c->debug_step;
	if (tf || c->watch_hit) {
		*why = X86_RUN_SHUTDOWN;
		if (!take_debug(c, c->watch_hit | (tf ? DR6_BS : 0)))
			return true;
		*why = X86_RUN_DEBUG;
	}
	return c->debug_step;
}

/* What a callback has stopped on its way in, or came from outside.  False: triple fault. */
static bool deliver_held(struct x86_cpu *c)
{
	if (c->activity == X86_HALTED || c->activity == X86_IDLE)
		c->activity = X86_ACTIVE;
	c->event = c->held;
	c->held.kind = X86_EV_NONE;
	return x86_deliver_anyway(c);
}

static void run_block(struct x86_cpu *c)
{
	const struct uop *u = block_lookup(c, false);

	if (interp_of(c)->translated && nothing_pending(c))
		u = interp_of(c)->translated(c, u);
	if (u)
		execute(c, u);
}

static enum x86_run loop(struct x86_cpu *c, bool single)
{
	struct interp *in = interp_of(c);
	enum x86_run why;
	bool watch;

	if (unlikely(c->held.kind != X86_EV_NONE) && !deliver_held(c))
		return X86_RUN_SHUTDOWN;
	for (;;) {
		if (must_look_up(c) && boundary(c, &why))
			return why;
		watch = single || c->interrupt_shadow || c->mode & X86_MODE_STEP || in->watch_next;
		in->watched = watch;
		in->watch_next = false;
		if (watch) {
			if (run_watched(c, &why))
				return why;
			if (single)
				return X86_RUN_DEBUG;
		} else {
			if (log_blocks(c))
				x86_pend(c, X86_PEND_STEP);
			run_block(c);
		}
	}
}

/* Out of the engine everybody may look at `pending`. */
static enum x86_run leave(struct x86_cpu *c, enum x86_run why)
{
	struct interp *in = interp_of(c);

	c->cur = NULL;
	if (in->intr_waiting) {
		in->intr_waiting = false;
		x86_pend(c, X86_PEND_INTR);
	}
	if (why == X86_RUN_SHUTDOWN)
		c->activity = X86_SHUT_DOWN;
	return why;
}

static enum x86_run run(struct x86_cpu *c, bool single)
{
	sigjmp_buf here, *outer = c->on_raise;
	enum x86_run why;

	c->cur = NULL;
	interp_of(c)->resuming = true;
	c->on_raise = &here;
	switch (sigsetjmp(here, 0)) {
	case 0:
		why = loop(c, single);
		break;
	case 1:
		why = !raised(c) ? X86_RUN_SHUTDOWN : single || c->debug_step ? X86_RUN_DEBUG : loop(c, false);
		break;
	case ENGINE_BROKEN:
		stopped(c);
		why = X86_RUN_BROKEN;
		break;
	default:
		stopped(c);
		why = X86_RUN_STOPPED;
		break;
	}
	c->on_raise = outer;
	return leave(c, why);
}

static enum x86_run interp_run(struct x86_cpu *c) { return run(c, false); }
static enum x86_run interp_step(struct x86_cpu *c) { return run(c, true); }

/* ---- life --------------------------------------------------------------------------------- */

static bool interp_attach(struct x86_cpu *c, const struct engine_options *o)
{
	struct interp *in = calloc(1, sizeof *in);

	if (!in)
		return false;
	if (!blocks_open(in, o && o->sparing)) {
		free(in);
		return false;
	}
	c->engine = in;
	return true;
}

static void interp_detach(struct x86_cpu *c)
{
	struct interp *in = c->engine;

	if (!in)
		return;
	blocks_close(in);
	free(in);
	c->engine = NULL;
}

static void interp_forget(struct x86_cpu *c)
{
	blocks_drop(interp_of(c));
	memset(interp_of(c)->fetch, 0, sizeof interp_of(c)->fetch);
}

const struct engine engine_interp = {
	.name = "interp",
	.attach = interp_attach,
	.detach = interp_detach,
	.run = interp_run,
	.step = interp_step,
	.forget = interp_forget,
};
