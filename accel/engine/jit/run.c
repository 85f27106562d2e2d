/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jit engine: the interpreter's run loop with translated code where there is some.
 */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>

#include "accel/engine/engine.h"
#include "jit.h"
#include "trace/log.h"

/* ---- flags between the context and the interpreter ---- */

static void flags_from_host(struct x86_cpu *c)
{
	x86_arith_set(c, (c->engine_flags >> 8 & 0xff) | (c->engine_flags & 1 ? X86_OF : 0));
}

static void flags_to_host(struct x86_cpu *c)
{
	uint32_t f = x86_arith_get(c);

	c->engine_flags = (f & 0xff) << 8 | (f & X86_OF ? 1 : 0);
}

/* ---- the cache of targets ---- */

/* Never a hit: whatever is looked for at i has low bits i, and its key is not 0. */
static void target_clear(struct jit *j, uint32_t i) { j->target[i].not_lin = ~(uint64_t)i; }

static void targets_clear(struct jit *j)
{
	uint32_t i, n = j->inserted_count;

	if (n == JIT_INSERTED)
		for (i = 0; i < JIT_TARGETS; i++)
			target_clear(j, i);
	else
		for (i = 0; i < n; i++)
			target_clear(j, j->inserted[i]);
	j->inserted_count = 0;
}

static void target_put(struct x86_cpu *c, const struct variant *v)
{
	struct jit *j = jit_of(c);
	uint32_t i = v->lin & (JIT_TARGETS - 1);

	if (j->target[i].not_lin == ~(uint64_t)i && j->inserted_count < JIT_INSERTED)
		j->inserted[j->inserted_count++] = i;
	j->target[i] = (struct target){ ~(v->lin + target_key(c, v->held)), (uint64_t)(uintptr_t)(j->exec + v->host) };
}

/* target[] holds for one TLB epoch. */
static void targets_check(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);

	if (likely(c->tlb_epoch == j->epoch))
		return;
	targets_clear(j);
	j->epoch = c->tlb_epoch;
}

/* What an instruction that ends its block leads to, without a way through the run loop. */
static const void *next_target(struct x86_cpu *c, unsigned held)
{
	struct jit *j = jit_of(c);
	const struct target *to = &j->target[c->rip & (JIT_TARGETS - 1)];

	if (!nothing_pending(c) || j->dropped != c->count.dropped || c->activity != X86_ACTIVE || c->interrupt_shadow ||
	    (c->mode & (X86_MODE_CS64 | X86_MODE_STEP)) != X86_MODE_CS64 || (j->in.intr_waiting && c->eflags & X86_IF))
		return NULL;
	targets_check(c);
	return to->not_lin == ~(c->rip + target_key(c, held)) ? (const void *)(uintptr_t)to->host : NULL;
}

const void *jit_step(struct x86_cpu *c, const struct uop *u, const void *back, unsigned held)
{
	const struct uop *next;

	flags_from_host(c);
	jit_of(c)->row_count[u->row]++;
	next = u->fn(c, u);
	flags_to_host(c);
	if (next == NEXT(u) && !(atomic_load_explicit(&c->pending, memory_order_relaxed) & X86_PEND_CODE))
		return back;
	if (next)
		c->rip = uop_rip(c, next);
	c->cur = NULL;
	return next ? NULL : next_target(c, held);
}

/* Translations live as long as the blocks that they belong to. */
static void forget_code(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);

	targets_clear(j);
	j->variants = 0;
	j->used = j->start;
	j->dropped = c->count.dropped;
	j->count.flushes++;
}

/* ---- running ---- */

static struct variant *variant_of(struct x86_cpu *c, struct block *b, unsigned held)
{
	uint64_t lin = c->gpr[X86_RIPBASE];
	struct variant *v;

	for (v = b->variant; v; v = v->next)
		if (v->lin == lin && v->mmu == c->mmu && v->held == held)
			return v;
	return jit_translate(c, b, lin, held);
}

/* The exit at @site of a block in the same page leads straight to @v from now on. */
static void link_exit(struct jit *j, uint32_t site, const struct variant *v)
{
	int32_t rel = (int32_t)(v->host - (site + 4));

	memcpy(j->write + site, &rel, 4);
	j->count.chains++;
}

static const struct uop *jit_block(struct x86_cpu *c, const struct uop *u)
{
	struct jit *j = jit_of(c);
	uint64_t (*enter)(struct x86_cpu *c, void *host);
	struct x86_code_page *from = NULL;
	uint64_t site = 0;
	unsigned held = 0;

	for (;;) {
		struct block *b = block_of(u);
		struct variant *v;

		if (unlikely(j->dropped != c->count.dropped)) {
			forget_code(c);
			site = 0;
		}
		if (!(c->mode & X86_MODE_CS64) || b->code2)
			return u;
		targets_check(c);
		v = variant_of(c, b, held);
		if (unlikely(!v)) {
			c->count.dropped++;
			blocks_drop(&j->in);
			return NULL;
		}
		if (site && from == b->code)
			link_exit(j, (uint32_t)site, v);
		target_put(c, v);
		from = b->code;
		flags_to_host(c);
		j->count.enters++;
		enter = (void *)(j->exec + j->thunk_enter[held]);
		site = enter(c, j->exec + v->host);
		held = site >> 32;
		site = (uint32_t)site;
		flags_from_host(c);
		c->cur = NULL;
		if (!nothing_pending(c) || !site)
			return NULL;
		u = block_lookup(c, false);
	}
}

/* ---- life ---- */

/* RORX, and LAHF in 64-bit code. */
static bool host_can(void)
{
	unsigned a, b, cx, d;

	return __builtin_cpu_supports("bmi2") && __get_cpuid(0x80000001, &a, &b, &cx, &d) && cx & 1;
}

static bool jit_attach(struct x86_cpu *c)
{
	struct jit *j = calloc(1, sizeof *j);
	uint32_t i;

	if (!j || !jit_cache_open(j)) {
		free(j);
		return false;
	}
	j->variant = calloc(JIT_VARIANTS, sizeof *j->variant);
	j->row_count = calloc(x86_row_count, sizeof *j->row_count);
	j->in.arena = aligned_alloc(4096, ARENA_SIZE);
	c->engine = j;
	if (!j->variant || !j->row_count || !j->in.arena) {
		engine_jit.detach(c);
		return false;
	}
	for (i = 0; i < JIT_TARGETS; i++)
		target_clear(j, i);
	jit_thunks(j);
	if (host_can())
		j->in.translated = jit_block;
	else if (!c->index)
		fprintf(stderr, "engine jit: this host lacks BMI2 or LAHF; instructions are interpreted\n");
	return true;
}

static void jit_detach(struct x86_cpu *c)
{
	struct jit *j = c->engine;

	if (!j)
		return;
	jit_cache_close(j);
	free(j->variant);
	free(j->row_count);
	free(j->in.arena);
	free(j);
	c->engine = NULL;
}

static void jit_forget(struct x86_cpu *c)
{
	engine_interp.forget(c);
	forget_code(c);
}

static enum x86_run jit_run(struct x86_cpu *c) { return engine_interp.run(c); }
static enum x86_run jit_step_one(struct x86_cpu *c) { return engine_interp.step(c); }

const struct engine engine_jit = {
	.name = "jit",
	.attach = jit_attach,
	.detach = jit_detach,
	.run = jit_run,
	.step = jit_step_one,
	.forget = jit_forget,
};
