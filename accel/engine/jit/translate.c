/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest block to host code: the block's frame, flags, and what leaves the hot path.
 */
#include "trans.h"

/* ---- flags ---- */

/* Shifts, which by 0 change no flag. */
static bool may_keep_flags(const struct uop *u)
{
	switch (x86_rows[u->row].handler) {
	case H_shl: case H_shr: case H_sar: case H_rol: case H_ror: case H_rcl: case H_rcr: case H_shld: case H_shrd:
		return true;
	default:
		return false;
	}
}

/* Backwards: what is read before it is written.  All count at the block's end. */
static void find_live(struct trans *t, unsigned count)
{
	uint32_t live = X86_ARITH;
	unsigned i;

	for (i = count; i-- > 0;) {
		const struct uop *u = &t->b->uop[i];
		const struct x86_row *row = &x86_rows[u->row];
		uint32_t kills = row->flags_written | row->flags_undefined;

		if (may_keep_flags(u))
			kills = 0;
		if (row->attrs & (ROW_BRANCH | ROW_END))
			live = X86_ARITH;
		live = ((live & ~kills) | row->flags_read) & X86_ARITH;
		t->live_in[i] = live;
	}
}

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
	*d = (struct edge){ .site = t->e.at - 4, .uop = t->u, .spilled = t->spilled, .held = t->held };
	return d;
}

void to_exit(struct trans *t, uint8_t op, uint64_t rip)
{
	struct edge *d = new_edge(t);
	unsigned len = op == 0xe9 ? 1 : 2;

	/* Linked later by one store: the rel32 must lie in one aligned word. */
	while ((t->e.at + len) & 3 && !t->e.full)
		e8(&t->e, 0x90);
	if (op != 0xe9)
		e8(&t->e, 0x0f);
	e8(&t->e, op);
	e32(&t->e, 0);
	*d = (struct edge){ .site = t->e.at - 4, .rip = rip, .link = !((rip ^ t->lin) & X86_PAGE_MASK), .held = t->held };
}

static void flags_out(struct trans *t)
{
	struct emit *e = &t->e;

	e_store(e, H_RAX, GPR_AT(X86_RAX));
	E_RAW(e, "\x9f\x0f\x90\xc0");                        /* lahf; seto al */
	e_ctx(e, false, 0x89, H_RAX, CPU_AT(engine_flags));
	e_load(e, H_RAX, GPR_AT(X86_RAX));
}

static void flags_in(struct trans *t)
{
	struct emit *e = &t->e;

	e_store(e, H_RAX, GPR_AT(X86_RAX));
	e_ctx(e, false, 0x8b, H_RAX, CPU_AT(engine_flags));
	E_RAW(e, "\x3c\x81\x9e");                            /* cmp al,81h; sahf */
	e_load(e, H_RAX, GPR_AT(X86_RAX));
}

void flags_free(struct trans *t)
{
	if (!t->saved)
		flags_out(t);
	t->saved = t->spilled = true;
}

void flags_again(struct trans *t)
{
	if (t->live)
		flags_in(t);
	t->stale = !t->live;
	t->spilled = false;
}

static void call_step(struct trans *t, const struct uop *u, unsigned held)
{
	e_imm64(&t->e, H_S0, (uint64_t)(uintptr_t)u);
	e_imm64(&t->e, H_S1, t->lin);
	e8(&t->e, 0xe8);
	e_rel(&t->e, t->j->thunk_step[held]);
}

uint32_t probe_target(struct trans *t)
{
	struct emit *e = &t->e;
	uint32_t hit, miss;

	e_store(e, H_RCX, GPR_AT(X86_RCX));
	E_RAW(e, "\x45\x0f\xb7\xd1");                        /* movzx r10d,r9w */
	E_RAW(e, "\x4f\x8d\x14\x12");                        /* lea r10,[r10+r10] */
	e_load(e, H_RCX, CPU_AT(engine));
	E_RAW(e, "\x4e\x8d\x94\xd1");                        /* lea r10,[rcx+r10*8+target] */
	e32(e, offsetof(struct jit, target));
	E_RAW(e, "\x49\x8b\x0a");                            /* mov rcx,[r10] */
	E_RAW(e, "\x4a\x8d\x8c\x09");                        /* lea rcx,[rcx+r9+1+key] */
	e32(e, 1 + target_key(t->c, t->held));
	E_RAW(e, "\xe3");                                    /* jrcxz hit */
	hit = e->at;
	e8(e, 0);
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	e8(e, 0xe9);
	e32(e, 0);
	miss = e->at - 4;
	if (!e->full)
		e->base[hit] = (uint8_t)(e->at - hit - 1);
	E_RAW(e, "\x4d\x8b\x52\x08");                        /* mov r10,[r10+8] */
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	return miss;
}

void go_to(struct trans *t, uint64_t rip)
{
	struct edge *d;

	if (!((rip ^ t->lin) & X86_PAGE_MASK)) {
		to_exit(t, 0xe9, rip);
		return;
	}
	e_imm64(&t->e, H_S0, rip);
	d = new_edge(t);
	*d = (struct edge){ .site = probe_target(t), .rip = rip, .held = t->held };
	E_RAW(&t->e, "\x41\xff\xe2");                        /* jmp r10 */
}

static void emit_edges(struct trans *t)
{
	unsigned i;

	for (i = 0; i < t->edges; i++) {
		struct edge *d = &t->edge[i];

		e_patch(&t->e, d->site, t->e.at);
		if (d->uop) {
			if (d->spilled)
				flags_in(t);
			call_step(t, d->uop, d->held);
			e8(&t->e, 0xe9);
			e_rel(&t->e, d->back);
			continue;
		}
		e_imm64(&t->e, H_S0, d->rip);
		e_imm64(&t->e, H_S1, (uint64_t)d->held << 32 | (d->link ? d->site : 0));
		e8(&t->e, 0xe9);
		e_rel(&t->e, t->j->thunk_leave[d->held]);
	}
}

/* ---- one instruction ---- */

/* Host flags are brought back for what reads them, and for what changes only some. */
static void flags_before(struct trans *t, unsigned n)
{
	const struct x86_row *row = &x86_rows[t->u->row];
	uint32_t w = (row->flags_written | row->flags_undefined) & X86_ARITH;

	t->live = t->live_in[n] || (w && (w != X86_ARITH || may_keep_flags(t->u)));
	if (t->live && t->stale) {
		flags_in(t);
		t->stale = false;
	}
}

static bool translated(struct trans *t, unsigned n)
{
	const struct uop *u = t->u;

	memcpy(t->bytes, t->b->bytes_at + u->off, u->len);
	if (x86_decode(&t->insn, t->bytes, u->len, t->c->mode) != X86_DECODED || !t->insn.row ||
	    t->insn.row->id != u->row || t->insn.len != u->len || block_refuses(u))
		return false;
	flags_before(t, n);
	return try_integer(t) || try_branch(t);
}

static void one(struct trans *t, unsigned n)
{
	const struct x86_row *row;
	unsigned i, from = t->edges;

	t->u = &t->b->uop[n];
	row = &x86_rows[t->u->row];
	if (translated(t, n)) {
		for (i = from; i < t->edges; i++)
			t->edge[i].back = t->e.at;
		if ((row->flags_written | row->flags_undefined) & X86_ARITH)
			t->saved = t->stale = false;
		return;
	}
	/* Goes on behind it only if the handler says so. */
	if (t->stale)
		flags_in(t);
	call_step(t, t->u, t->held);
	t->saved = true;
	t->stale = false;
}

/* ---- entry ---- */

static void emit_check(struct trans *t)
{
	struct emit *e = &t->e;
	struct edge *d = new_edge(t);

	/* Nothing here changes flags: generation and pending are summed up for JRCXZ. */
	e_store(e, H_RCX, GPR_AT(X86_RCX));
	e_imm64(e, H_S0, (uint64_t)(uintptr_t)&t->b->code->gen);
	E_RAW(e, "\x41\x8b\x09");                            /* mov ecx,[r9] */
	E_RAW(e, "\x8d\x89");                                /* lea ecx,[rcx-gen] */
	e32(e, -t->b->gen);
	e_ctx(e, false, 0x8b, H_S1, CPU_AT(pending));
	E_RAW(e, "\x4a\x8d\x0c\x11");                        /* lea rcx,[rcx+r10] */
	E_RAW(e, "\xe3\x0d");                                /* jrcxz over the next two */
	e_load(e, H_RCX, GPR_AT(X86_RCX));
	e8(e, 0xe9);
	e32(e, 0);
	*d = (struct edge){ .site = e->at - 4, .rip = t->lin, .held = t->held };
	e_load(e, H_RCX, GPR_AT(X86_RCX));
}

struct variant *jit_translate(struct x86_cpu *c, struct block *b, uint64_t lin, unsigned held)
{
	struct jit *j = jit_of(c);
	struct trans t = { .c = c, .j = j, .b = b, .lin = lin, .held = (uint8_t)held,
			   .e = { .base = j->write, .at = (j->used + 15) & ~15u, .end = JIT_CACHE } };
	unsigned count = 0, n;
	struct variant *v;
	uint32_t host = t.e.at;

	while (!block_is_end(&b->uop[count]))
		count++;
	t.live_in[count] = X86_ARITH;
	find_live(&t, count);
	emit_check(&t);
	for (n = 0; n < count && !t.ended; n++)
		one(&t, n);
	if (!t.ended)
		go_to(&t, lin + b->bytes);
	emit_edges(&t);
	if (t.e.full || j->variants == JIT_VARIANTS)
		return NULL;
	v = &j->variant[j->variants++];
	*v = (struct variant){ .lin = lin, .host = host, .mmu = c->mmu, .held = (uint8_t)held, .next = b->variant };
	b->variant = v;
	j->used = t.e.at;
	j->count.blocks++;
	j->count.bytes += t.e.at - host;
	return v;
}
