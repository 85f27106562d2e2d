/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jit engine: the interpreter's run loop with translated code where there is some.
 */
#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

	/* Bit 1 is always 1, as LAHF has it. */
	c->engine_flags = (f & 0xff) << 8 | 1 << 9 | (f & X86_OF ? 1 : 0);
}

/* What an instruction that ends its block leads to, without a way through the run loop. */
static const void *next_target(struct x86_cpu *c, unsigned held)
{
	struct jit *j = jit_of(c);
	struct target *to = &j->tables->target[target_index(c->rip, held)];
	const struct more *more;
	uint32_t key;

	if (!nothing_pending(c) || j->dropped != c->count.dropped || c->activity != X86_ACTIVE || c->interrupt_shadow ||
	    (c->mode & (X86_MODE_CS64 | X86_MODE_STEP)) != X86_MODE_CS64 || (j->in.intr_waiting && c->eflags & X86_IF))
		return NULL;
	views_check(c);
	key = target_key(c, held);
	if (to->tag != c->rip + key) {
		more = &j->more[more_index(c->rip, key)];
		if (more->lin != c->rip || more->key != key || !more->entry) {
			j->count.target_miss++;
			return NULL;
		}
		j->count.target_more++;
		*to = (struct target){ c->rip + key, (uint64_t)(uintptr_t)(j->exec + more->entry) };
	}
	j->count.target_hit++;
	return (const void *)(uintptr_t)to->host;
}

static void count_step(struct jit *j, const struct uop *u)
{
	j->row_count[u->row]++;
	if (!(u->spare & UOP_NATIVE))
		j->count.step_row++;
	else if (x86_rows[u->row].attrs & ROW_BRANCH)
		j->count.step_branch++;
	else
		j->count.step_memory++;
}

/* A block has given up its sites, so it is to be left. */
static bool scatter(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);

	if (!j->tables->scatter || j->dropped != c->count.dropped)
		return false;
	block_scattered(j);
	return true;
}

struct jit_next jit_step(struct x86_cpu *c, const struct uop *u, const void *back, unsigned held)
{
	uint32_t epoch = c->tlb_epoch, mode = c->mode, mmu = c->mmu;
	uint64_t flushes = c->count.flush_writes;
	const struct uop *next;
	const void *host;

	flags_from_host(c);
	count_step(jit_of(c), u);
	next = u->fn(c, u);
	flags_to_host(c);
	if (unlikely(scatter(c)))
		back = NULL;
	/* What the block has found out about addresses ends with a flush, the block itself with its mode. */
	if (back && next == NEXT(u) && !(atomic_load_explicit(&c->pending, memory_order_relaxed) & X86_PEND_CODE) &&
	    epoch == c->tlb_epoch && flushes == c->count.flush_writes && mode == c->mode && mmu == c->mmu)
		return (struct jit_next){ back, held };
	if (next)
		c->rip = uop_rip(c, next);
	c->cur = NULL;
	/*
	 * An indirect branch takes along what is held, so that its target will be known the next time.
	 * System code seldom uses vectors, so what is behind other instructions begins with nothing held.
	 */
	if (!(u->spare & UOP_NATIVE) || !(x86_rows[u->row].attrs & ROW_BRANCH))
		held = 0;
	host = next_target(c, held);
	if (!host && held)
		jit_of(c)->wanted = (struct wanted){ c->rip, (uint8_t)held };
	return (struct jit_next){ host, host ? held : 0 };
}

/* Translations live as long as the blocks that they belong to. */
static void forget_code(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);
	uint64_t from = stall_clock();

	targets_clear(j);
	views_clear(j);
	j->variants = 0;
	j->links = 1;
	j->free_link = 0;
	j->used = j->start;
	j->tables->scatter = 0;
	j->dropped = c->count.dropped;
	j->count.flushes++;
	stall_note(&j->in, j->in.drop_took + stall_clock() - from);
}

/* ---- running ---- */

/* Makes room for it in the views of its bytes; false: none. */
static bool put_in_views(struct x86_cpu *c, struct block *b, struct variant *v)
{
	uint64_t page = v->lin & X86_PAGE_MASK;
	struct code_view *second = NULL;

	v->view = view_get(c, page, b->code);
	if (v->view && b->code2)
		second = view_get(c, page + 4096, b->code2);
	if (!v->view || (b->code2 && !second))
		return false;
	v->next_in_view[0] = v->view->variant;
	v->view->variant = v;
	if (second) {
		v->view2 = second;
		v->next_in_view[1] = second->variant;
		second->variant = v;
	}
	return true;
}

/* Its frame had changed, its bytes had not, or @b would be another block. */
static bool variant_again(struct x86_cpu *c, struct block *b, struct variant *v)
{
	if (v->gone || b->code2 || !put_in_views(c, b, v))
		return false;
	v->dead = false;
	jit_of(c)->count.again++;
	return true;
}

static struct variant *variant_of(struct x86_cpu *c, struct block *b, unsigned held, bool careful)
{
	uint64_t lin = c->gpr[X86_RIPBASE];
	struct jit *j = jit_of(c);
	struct variant *v;

	for (v = b->variant; v; v = v->next)
		if (v->lin == lin && v->mmu == c->mmu && v->held == held && v->careful == careful &&
		    v->smap == smap_on(c) && (!v->dead || variant_again(c, b, v))) {
			j->count.variant_hit++;
			return v;
		}
	if (j->variants == JIT_VARIANTS || (j->links == JIT_LINKS && !j->free_link) || j->size - j->used < j->block_bytes + 16)
		return NULL;
	v = &j->variant[j->variants++];
	*v = (struct variant){ .lin = lin, .key = target_key(c, held), .mmu = c->mmu, .held = (uint8_t)held, .smap = smap_on(c), .careful = careful,
			       .next = b->variant };
	if (!put_in_views(c, b, v))
		return NULL;
	if (!jit_translate(c, b, v)) {
		v->dead = b->too_large = true;
		j->count.too_large++;
		return v;
	}
	b->variant = v;
	return v;
}

static void views_ok(struct jit *j, const struct variant *v)
{
	view_set_ok(j, v->view, j->in.global);
	if (v->view2)
		view_set_ok(j, v->view2, j->in.global);
}

uint64_t jit_enter(struct x86_cpu *c, const struct variant *v)
{
	struct jit *j = jit_of(c);
	uint64_t (*enter)(struct x86_cpu *c, void *host) = (void *)(j->exec + j->thunk_enter[v->held]);
	uint64_t exit;

	flags_to_host(c);
	j->count.enters++;
	exit = enter(c, j->exec + v->entry[ENTRY_CHECKED]);
	flags_from_host(c);
	return exit;
}

/* The exit that has led to c->rip, as far as C knows: what an indirect branch had held. */
static uint64_t exit_to_here(struct x86_cpu *c)
{
	struct jit *j = jit_of(c);
	struct wanted w = j->wanted;
	bool same = w.rip == c->rip && !(c->mode & (X86_MODE_X87_TRAPS | X86_MODE_SSE_TRAPS));

	j->wanted.held = 0;
	return w.held && same ? EXIT(0, w.held, ENTRY_CHECKED, false) : 0;
}

/* No room for one more: everything begins anew. */
static void drop_all(struct x86_cpu *c)
{
	X86_COUNT(c, dropped);
	blocks_drop(interp_of(c));
	forget_code(c);
}

/* By the interpreter, but not what comes behind it. */
static const struct uop *alone(struct x86_cpu *c, const struct uop *u)
{
	x86_pend(c, X86_PEND_STEP);
	return u;
}

static const struct uop *jit_block(struct x86_cpu *c, const struct uop *u)
{
	struct jit *j = jit_of(c);
	uint64_t exit = exit_to_here(c);

	for (;;) {
		struct block *b = block_of(u);
		unsigned entry = exit >> 40 & 0xff, held = exit >> 32 & 0xff;
		bool careful = exit >> 48 & 1;
		struct variant *v;

		if (unlikely(b->too_large))
			return alone(c, u);
		if (unlikely(j->dropped != c->count.dropped)) {
			forget_code(c);
			exit = 0;
		}
		if (!(c->mode & X86_MODE_CS64))
			return u;
		views_check(c);
		v = variant_of(c, b, held, careful);
		if (unlikely(!v)) {
			drop_all(c);
			return NULL;
		}
		if (unlikely(b->too_large))
			return alone(c, u);
		if (unlikely(!block_valid(b)))
			return NULL;
		views_ok(j, v);
		/* Inside a page the source has just passed the check of this very view. */
		if ((uint32_t)exit && (entry == ENTRY_CHECKED || !v->view2))
			link_exit(j, (uint32_t)exit, v, entry);
		if (!careful)
			target_put(c, v);
		exit = unlikely(j->check) && c->engine_check <= 1 ? jit_check(c, b, v) : jit_enter(c, v);
		c->cur = NULL;
		scatter(c);
		if (!nothing_pending(c) || !(exit & EXIT_PLAIN))
			return NULL;
		u = block_lookup(c, false);
	}
}

/* ---- life ---- */

/* RORX, and LAHF in 64-bit code. */
static const char *jit_lacks(void)
{
	unsigned a, b, cx, d;

	if (!__builtin_cpu_supports("bmi2"))
		return "BMI2";
	return __get_cpuid(0x80000001, &a, &b, &cx, &d) && cx & 1 ? NULL : "LAHF";
}

/* How many blocks a processor translates before its tables get large pages. */
enum { WORKS = 2000 };

static void bring_tables(struct jit *j)
{
	engine_touch(j->view, JIT_PAGES * sizeof *j->view);
	engine_touch(j->tables, sizeof *j->tables & ~(size_t)4095);
}

void jit_works(struct jit *j)
{
	uint64_t from;

	if (j->count.blocks < WORKS)
		return;
	from = stall_clock();
	j->sparing = false;
	engine_room_large(j->variant, JIT_VARIANTS * sizeof *j->variant);
	engine_room_large(j->link, JIT_LINKS * sizeof *j->link);
	engine_room_large(j->more, JIT_MORE * sizeof *j->more);
	blocks_work(&j->in);
	bring_tables(j);
	stall_note(&j->in, stall_clock() - from);
}

static bool jit_attach(struct x86_cpu *c, const struct engine_options *o)
{
	bool sparing = o && o->sparing;
	struct jit *j = engine_room(sizeof *j, sparing);

	if (j) {
		if (!sparing)
			engine_touch(j, sizeof *j);
		j->size = (o && o->cache_mib ? o->cache_mib : ENGINE_CACHE_DEFAULT) << 20;
		j->check = o ? o->check : 0;
		j->perf_map = o && o->perf_map ? jit_perf_map() : -1;
		j->sparing = sparing;
	}
	if (!j || !jit_cache_open(j)) {
		if (j && j->perf_map >= 0)
			close(j->perf_map);
		engine_unroom(j, sizeof *j);
		return false;
	}
	j->tables = engine_tables(c);
	j->variant = engine_room(JIT_VARIANTS * sizeof *j->variant, sparing);
	j->link = engine_room(JIT_LINKS * sizeof *j->link, sparing);
	j->view = engine_room(JIT_PAGES * sizeof *j->view, sparing);
	j->more = engine_room(JIT_MORE * sizeof *j->more, sparing);
	j->row_count = calloc(x86_row_count, sizeof *j->row_count);
	c->engine = j;
	if (!blocks_open(&j->in, sparing) || !j->variant || !j->link || !j->view || !j->row_count || !j->more) {
		engine_jit.detach(c);
		return false;
	}
	if (!sparing)
		bring_tables(j);
	targets_close(j);
	j->links = 1;
	j->block_bytes = JIT_BLOCK_BYTES;
	jit_cache_bring(j);
	jit_thunks(j);
	if (!jit_lacks())
		j->in.translated = jit_block;
	else if (!c->index)
		fprintf(stderr, "engine jit: this host lacks %s; instructions are interpreted\n", jit_lacks());
	return true;
}

static void jit_detach(struct x86_cpu *c)
{
	struct jit *j = c->engine;

	if (!j)
		return;
	jit_cache_close(j);
	engine_unroom(j->variant, JIT_VARIANTS * sizeof *j->variant);
	engine_unroom(j->link, JIT_LINKS * sizeof *j->link);
	engine_unroom(j->view, JIT_PAGES * sizeof *j->view);
	free(j->row_count);
	free(j->check_room);
	if (j->perf_map >= 0)
		close(j->perf_map);
	engine_unroom(j->more, JIT_MORE * sizeof *j->more);
	blocks_close(&j->in);
	engine_unroom(j, sizeof *j);
	c->engine = NULL;
}

static void jit_forget(struct x86_cpu *c)
{
	engine_interp.forget(c);
	forget_code(c);
}

/* Out of the engine anybody may write MXCSR and FCW. */
static enum x86_run jit_run(struct x86_cpu *c)
{
	x86_mode_update_fp(c);
	return engine_interp.run(c);
}

static enum x86_run jit_step_one(struct x86_cpu *c)
{
	x86_mode_update_fp(c);
	return engine_interp.step(c);
}

const struct engine engine_jit = {
	.name = "jit",
	.lacks = jit_lacks,
	.attach = jit_attach,
	.detach = jit_detach,
	.run = jit_run,
	.step = jit_step_one,
	.forget = jit_forget,
	.counts = jit_counts,
	.row_counts = jit_row_counts,
};
