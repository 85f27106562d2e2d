/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest block to host code: the block's frame, flags, and what leaves the hot path.
 */
#include "trans.h"

/* ---- edges ---- */

struct edge *new_edge(struct trans *t)
{
	if (t->edges == JIT_EDGE_MAX) {
		t->e.full = true;
		return &t->edge[JIT_EDGE_MAX - 1];
	}
	return &t->edge[t->edges++];
}

struct edge *to_step(struct trans *t, uint8_t op)
{
	struct edge *d = new_edge(t);

	if (op != 0xe9)
		e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
	*d = (struct edge){ .jump = t->e.at - 4, .uop = t->u, .spilled = t->spilled, .lost = t->lost,
			    .held = t->held };
	return d;
}

/* How a jump from here may be linked: to the same page without a check, backwards with one of `pending`. */
static unsigned entry_for(const struct trans *t, uint64_t rip)
{
	if ((rip ^ t->lin) & X86_PAGE_MASK || t->b->code2)
		return ENTRY_CHECKED;
	if (rip <= t->lin + t->u->off && !t->polled)
		return t->saved ? ENTRY_POLL_SAVED : ENTRY_POLL;
	return t->stale ? ENTRY_SAVED : ENTRY_FAST;
}

/* A rel32 that is changed by one store lies in one aligned word. */
static void jump_aligned(struct trans *t, uint8_t op)
{
	unsigned len = op == 0xe9 ? 1 : 2;

	while ((t->e.at + len) & 3 && !t->e.full)
		e8(&t->e, 0x90);
	if (op != 0xe9)
		e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
}

static void new_exit(struct trans *t, uint8_t op, uint64_t rip, unsigned entry, bool careful)
{
	struct edge *d = new_edge(t);
	bool far = (entry == ENTRY_CHECKED && op != 0xe9) || t->lost;

	if (far) {
		if (op != 0xe9)
			e8(&t->e, 0x0f);
		e8(&t->e, op);
		e32(&t->e, 0);
	} else {
		jump_aligned(t, op);
	}
	*d = (struct edge){ .jump = t->e.at - 4, .rip = rip, .link = true, .far = far, .saved = t->saved,
			    .lost = t->lost, .careful = careful, .entry = (uint8_t)entry, .held = t->held };
}

/* The jump to the block's own beginning that has a way of its own. */
static bool to_loop(struct trans *t, uint8_t op)
{
	/* Behind the jump, where the block may end, t->n is still the jump's. */
	if (op == 0xe9 || !t->loop || t->n != t->loop || !t->polled || t->held != t->v_held)
		return false;
	e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
	t->loop_site = t->e.at - 4;
	return true;
}

void to_exit(struct trans *t, uint8_t op, uint64_t rip)
{
	unsigned entry = entry_for(t, rip);

	if (to_loop(t, op))
		return;

	/* A checked entry takes the flags from engine_flags. */
	if (entry == ENTRY_CHECKED && op == 0xe9 && !t->saved) {
		flags_out(t);
		t->saved = true;
	}
	new_exit(t, op, rip, entry, false);
}

void to_careful(struct trans *t, uint8_t op)
{
	new_exit(t, op, t->lin + t->u->off, ENTRY_SAVED, true);
}

static void call_step(struct trans *t, const struct uop *u, unsigned held)
{
	e_imm64(&t->e, H_S0, (uint64_t)(uintptr_t)u);
	e_imm64(&t->e, H_S1, t->lin);
	e8(&t->e, 0xe8);
	e_rel(&t->e, t->j->thunk_step[held]);
}

void probe_target_as(struct trans *t, uint32_t key, unsigned held)
{
	struct emit *e = &t->e;
	struct edge *d = new_edge(t);

	E_RAW(e, "\x45\x0f\xb7\xd1");                        /* movzx r10d,r9w */
	if (held) {
		E_RAW(e, "\x41\x81\xf2");                    /* xor r10d,... */
		e32(e, target_index(0, held));
	}
	E_RAW(e, "\x41\xc1\xe2\x04");                        /* shl r10d,4 */
	E_RAW(e, "\x4d\x8d\x89");                            /* lea r9,[r9+key] */
	e32(e, key);
	E_RAW(e, "\x4e\x3b\x8c\x14");                        /* cmp r9,[rsp+r10+tag] */
	e32(e, TABLES_AT(target) + offsetof(struct target, tag));
	E_RAW(e, "\x0f\x85");                                /* jne */
	e32(e, 0);
	*d = (struct edge){ .jump = e->at - 4, .uop = t->u, .spilled = true, .held = t->held };
}

void probe_target(struct trans *t)
{
	probe_target_as(t, target_key_of(t->c->mode, t->mmu, t->smap, t->held), t->held);
}

void compare_pending(struct trans *t)
{
	E_RAW(&t->e, "\x83\xbc\x24");                        /* cmp dword [rsp+pending],0 */
	e32(&t->e, CPU_AT(pending));
	e8(&t->e, 0);
}

void jump_target(struct trans *t)
{
	struct emit *e = &t->e;

	E_RAW(e, "\x42\xff\xa4\x14");                        /* jmp [rsp+r10+host] */
	e32(e, TABLES_AT(target) + offsetof(struct target, host));
}

/* Out of translated code, until C links the jump at @site. */
static void emit_leave(struct trans *t, const struct edge *d, uint32_t site, bool saved)
{
	e_imm64(&t->e, H_S0, d->rip);
	e_imm64(&t->e, H_S1, EXIT(d->link ? site : 0, d->held, d->entry, d->careful));
	e8(&t->e, 0xe9);
	e_rel(&t->e, t->j->thunk_leave[d->held][saved]);
}

static void emit_edge(struct trans *t, const struct edge *d)
{
	uint32_t site = d->jump;

	e_patch(&t->e, site, t->e.at);
	if (d->site)
		emit_site_miss(t, d);
	if (d->lost)
		make_flags(t, d->lost - 1u);
	if (d->uop) {
		if (d->spilled && !d->lost)
			flags_in(t);
		call_step(t, d->uop, d->held);
		e8(&t->e, 0xe9);
		e_rel(&t->e, d->back);
		return;
	}
	if ((d->far || d->lost) && !d->saved)
		flags_out(t);
	if (d->far) {
		jump_aligned(t, 0xe9);
		site = t->e.at - 4;
		e_patch(&t->e, site, t->e.at);
	}
	emit_leave(t, d, site, d->saved || d->far || d->lost);
}

static void emit_edges(struct trans *t)
{
	for (unsigned i = 0; i < t->edges; i++)
		emit_edge(t, &t->edge[i]);
}

/* ---- one instruction ---- */

bool decode_again(struct trans *t, unsigned n)
{
	const struct decoded *d = &t->j->in.decoded;
	const struct uop *u = &t->b->uop[n];

	if (d->block != t->b)
		block_decode_again(t->c, t->b);
	if (!d->insn[n].row || d->insn[n].row->id != u->row || d->insn[n].len != u->len || block_refuses(u))
		return false;
	t->insn = d->insn[n];
	memcpy(t->bytes, d->bytes[n], sizeof t->bytes);
	return true;
}

/* Instead of at the jump back behind it: here flags need not be saved for it. */
static void poll_before(struct trans *t)
{
	struct edge *d;

	if (!t->poll[t->n] || !(t->saved || t->use[t->n]))
		return;
	flags_free(t);
	d = new_edge(t);
	compare_pending(t);
	E_RAW(&t->e, "\x0f\x85");                            /* jne */
	e32(&t->e, 0);
	*d = (struct edge){ .jump = t->e.at - 4, .rip = t->lin + t->u->off, .saved = t->saved, .lost = t->lost,
			    .careful = t->careful, .held = t->held };
	t->spilled = false;
	t->stale = t->saved;
	t->polled = true;
}

static bool translated(struct trans *t)
{
	if (!decode_again(t, t->n))
		return false;
	flags_before(t);
	keep_old(t);
	poll_before(t);
	return try_integer(t) || try_bits(t) || try_branch(t) || try_vector(t) || try_x87(t) || try_special(t) || try_string(t) ||
	       try_system(t);
}

static void one(struct trans *t, unsigned n)
{
	const struct x86_row *row;
	unsigned i, from = t->edges;

	t->n = n;
	t->u = &t->b->uop[n];
	t->host[n] = t->e.at;
	row = &x86_rows[t->u->row];
	t->polled &= row->handler == H_jcc;
	if (translated(t)) {
		((struct uop *)(uintptr_t)t->u)->spare |= UOP_NATIVE;
		for (i = from; i < t->edges; i++)
			t->edge[i].back = t->e.at;
		if (flags_touched(row)) {
			t->saved = t->stale = false;
			t->lost = 0;
		}
		return;
	}
	/* Goes on behind it only if the handler says so. */
	t->polled = false;
	flags_found(t);
	if (t->stale)
		flags_in(t);
	call_step(t, t->u, t->held);
	t->saved = true;
	t->stale = false;
	for (i = 0; i < t->groups; i++)
		t->group[i].active = false;
}

/* ---- entry ---- */

static void exit_unless(struct trans *t, uint8_t jcc)
{
	struct edge *d = new_edge(t);

	e8(&t->e, 0x0f);
	e8(&t->e, jcc);
	e32(&t->e, 0);
	*d = (struct edge){ .jump = t->e.at - 4, .rip = t->lin, .saved = true, .careful = t->careful, .held = t->held };
}

static void check_view(struct trans *t, const struct code_view *view)
{
	E_RAW(&t->e, "\x80\xbc\x24");                        /* cmp byte [rsp+code_ok],0 */
	e32(&t->e, TABLES_AT(code_ok) + view_index(t->j, view));
	e8(&t->e, 0);
	exit_unless(t, 0x84);
}

/* A jump with a rel8, and where that is. */
static uint32_t short_jump(struct emit *e, uint8_t op)
{
	e8(e, op);
	e8(e, 0);
	return e->at - 1;
}

static void short_jump_here(struct emit *e, uint32_t rel8)
{
	if (!e->full)
		e->base[rel8] = (uint8_t)(e->at - rel8 - 1);
}

/* check=N: counts blocks; the one whose turn it is goes to C.  Keeps flags. */
static void count_down(struct trans *t, bool saved)
{
	struct emit *e = &t->e;
	uint32_t due, on, site;
	struct edge *d;

	if (!t->j->check)
		return;
	d = new_edge(t);
	e_store(e, H_RCX, GPR_AT(X86_RCX));
	e_ctx(e, false, 0x8b, H_RCX, CPU_AT(engine_check));
	E_RAW(e, "\x8d\x49\xff");                            /* lea ecx,[rcx-1] */
	e_ctx(e, false, 0x89, H_RCX, CPU_AT(engine_check));
	due = short_jump(e, 0xe3);                           /* jrcxz */
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	on = short_jump(e, 0xeb);
	short_jump_here(e, due);
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	e8(e, 0xe9);
	e32(e, 0);
	site = e->at - 4;
	short_jump_here(e, on);
	*d = (struct edge){ .jump = site, .rip = t->lin, .saved = saved, .lost = t->lost, .careful = t->careful,
			    .held = t->held };
}

/*
 * The block's beginning once more, for a jump back whose flags are nowhere.  It needs no
 * link: that jump has looked at `pending`, by which whoever changes the code is heard.
 */
static void emit_loop(struct trans *t)
{
	uint32_t host[BLOCK_MAX];

	if (!t->loop_site)
		return;
	e_patch(&t->e, t->loop_site, t->e.at);
	memcpy(host, t->host, sizeof host);
	for (unsigned i = 0; i < t->groups; i++) {
		t->group[i].active = false;
		t->group[i].align = 0;
	}
	t->held = t->v_held;
	t->saved = t->stale = false;
	t->lost = t->loop;
	count_down(t, false);
	for (unsigned n = 0; n <= t->loop_end; n++)
		one(t, n);
	e8(&t->e, 0xe9);
	e_rel(&t->e, host[t->loop_end + 1]);
	memcpy(t->host, host, sizeof host);
	t->lost = 0;
}

/* The entries whose flags are in engine_flags, and POLL, which puts them there. */
static void emit_entries(struct trans *t, struct variant *v)
{
	struct emit *e = &t->e;

	v->entry[ENTRY_CHECKED] = e->at;
	check_view(t, v->view);
	if (v->view2)
		check_view(t, v->view2);
	e8(e, 0xeb);                                         /* jmp over the next 4 or 5 */
	e8(e, 0);
	v->entry[ENTRY_POLL] = e->at;
	flags_out(t);
	v->entry[ENTRY_POLL_SAVED] = e->at;
	if (!e->full)
		e->base[v->entry[ENTRY_POLL] - 1] = (uint8_t)(e->at - v->entry[ENTRY_POLL]);
	compare_pending(t);
	exit_unless(t, 0x85);
	v->entry[ENTRY_SAVED] = e->at;
	count_down(t, true);
	if (t->live_in[0])
		flags_in(t);
}

/* The entry with flags in the host's: like the others from then on. */
static void emit_fast_entry(struct trans *t, struct variant *v, uint32_t body, bool save)
{
	v->entry[ENTRY_FAST] = body;
	if (!save && !t->j->check)
		return;
	v->entry[ENTRY_FAST] = t->e.at;
	count_down(t, false);
	if (save)
		flags_out(t);
	e8(&t->e, 0xe9);
	e_rel(&t->e, body);
}

bool jit_translate(struct x86_cpu *c, struct block *b, struct variant *v)
{
	struct jit *j = jit_of(c);
	struct trans t;
	uint32_t body, start;
	bool save;

	memset(&t, 0, offsetof(struct trans, edge));
	t.c = c;
	t.j = j;
	t.b = b;
	t.lin = v->lin;
	t.held = t.v_held = v->held;
	t.mmu = v->mmu;
	t.smap = v->smap;
	t.careful = v->careful;
	jit_cache_touch(j);
	start = (j->used + 15) & ~15u;
	t.e = (struct emit){ .base = j->write, .at = start, .end = start + j->block_bytes };
	while (!block_is_end(&b->uop[t.count]))
		t.count++;
	find_live(&t);
	t.sites = !t.careful && !b->scattered && !b->code2 && wants_sites(&t);
	if (!t.careful && !b->code2) {
		plan_groups(&t);
		plan_recipes(&t);
	}
	emit_entries(&t, v);
	body = t.e.at;
	save = t.saved = shows_flags(&t);
	t.stale = save && !t.live_in[0];
	for (unsigned n = 0; n < t.count && !t.ended; n++)
		one(&t, n);
	if (!t.ended)
		to_exit(&t, 0xe9, v->lin + b->bytes);
	emit_loop(&t);
	t.held = v->held;  /* what the entry finds, not what the block ends with */
	emit_fast_entry(&t, v, body, save);
	emit_edges(&t);
	if (t.e.full)
		return false;
	j->used = t.e.at;
	j->count.blocks++;
	j->count.careful += v->careful;
	j->count.retranslated += v->view->changed;
	j->count.bytes += t.e.at - start;
	v->end = t.e.at;
	if (j->sparing)
		jit_works(j);
	jit_log(&t, v);
	return true;
}
