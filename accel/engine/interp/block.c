/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes to blocks, and the ways to find a block again.
 *
 * Three levels: the jump cache (linear RIP, one code_key), the hash of frame
 * offsets (until the frame's code changes), decoding.
 */
#include "block.h"

#include <string.h>
#include <time.h>

#include "accel/engine/engine.h"
#include "trace/log.h"

/* ---- handlers that block.c puts in place of the row's ------------------------ */

static const struct uop *raise_ud(struct x86_cpu *c, const struct uop *u) { x86_raise(c, X86_UD); }
static const struct uop *raise_gp(struct x86_cpu *c, const struct uop *u) { x86_raise_error(c, X86_GP, 0); }

/* Why vector and x87 state is out of reach: by CR0, CR4, XCR0 at this moment. */
static const struct uop *raise_no_unit(struct x86_cpu *c, const struct uop *u)
{
	uint32_t attrs = x86_rows[u->row].attrs;
	bool ud;

	if (attrs & ROW_X87)
		ud = false;
	else if (attrs & ROW_MMX)
		ud = c->cr0 & CR0_EM;
	else if (attrs & ROW_AVX)
		ud = !(c->cr4 & CR4_OSXSAVE) || (c->xcr0 & 6) != 6 || !(c->mode & X86_MODE_PE) ||
		     (c->mode & X86_MODE_VM);
	else
		ud = (c->cr0 & CR0_EM) || !(c->cr4 & CR4_OSFXSR);
	x86_raise(c, ud ? X86_UD : X86_NM);
}

/* FWAIT looks at MP and TS, not at EM. */
static const struct uop *fwait(struct x86_cpu *c, const struct uop *u)
{
	if ((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
		x86_raise(c, X86_NM);
	x87_check_pending(c);
	return interp_handlers[x86_rows[u->row].handler](c, u);
}

static const struct uop *x87_wait(struct x86_cpu *c, const struct uop *u)
{
	enum { ES = 1 << 7 };

	if (unlikely(c->fpu.fsw & ES))
		x87_check_pending(c);
	return interp_handlers[x86_rows[u->row].handler](c, u);
}

/* Behind the last instruction of a block that does not end in a jump. */
static const struct uop *block_end(struct x86_cpu *c, const struct uop *u)
{
	uint64_t ip = uop_rip(c, u);

	return block_link(c, u, c->mode & X86_MODE_CS64 ? ip : (uint32_t)ip);
}

bool block_is_end(const struct uop *u) { return u->fn == block_end; }
bool block_refuses(const struct uop *u)
{
	return u->fn == raise_ud || u->fn == raise_gp || u->fn == raise_no_unit;
}

/* ---- one uop --------------------------------------------------------------------- */

static bool uop_illegal(const struct x86_cpu *c, const struct x86_insn *i)
{
	const struct x86_row *row = i->row;

	if (!row)
		return true;
	if (i->lock && !((row->attrs & ROW_LOCK) && i->op[0].kind == OPK_MEM))
		return true;
	if ((row->attrs & ROW_NOREAL) && (!(c->mode & X86_MODE_PE) || (c->mode & X86_MODE_VM)))
		return true;
	return row->feature && !x86_has(c, row->feature);
}

static bool no_unit(const struct x86_cpu *c, uint32_t attrs)
{
	return (attrs & (ROW_X87 | ROW_MMX) && c->mode & X86_MODE_NO_X87) ||
	       (attrs & ROW_SSE && c->mode & X86_MODE_NO_SSE) ||
	       (attrs & ROW_AVX && c->mode & X86_MODE_NO_AVX);
}

static uop_fn choose(const struct x86_cpu *c, const struct x86_insn *i, const struct uop *u)
{
	uint32_t attrs;
	uop_fn fn;

	/* Without the feature F3 does nothing to BSF and BSR. */
	if (i->row && !x86_has(c, i->row->feature)) {
		fn = interp_handlers[i->row->handler];
		if (fn == op_tzcnt || fn == op_lzcnt)
			return i->lock ? raise_ud : fn == op_tzcnt ? op_bsf : op_bsr;
	}
	if (uop_illegal(c, i))
		return raise_ud;
	attrs = i->row->attrs;
	fn = interp_handlers[i->row->handler];
	if (attrs & ROW_X87 && i->opcode == 0x9b)
		return fwait;
	if (no_unit(c, attrs))
		return raise_no_unit;
	if (attrs & ROW_UD_USER && x86_cpl(c) != 0)
		return raise_ud;
	if (attrs & ROW_CPL0 && x86_cpl(c) != 0)
		return raise_gp;
	/* CVTPI2PS and CVTPI2PD from memory have nothing to do with the x87 unit. */
	if (attrs & (ROW_X87 | ROW_MMX) && !(attrs & ROW_NOWAIT) && !((fn == op_cvtpi2ps || fn == op_cvtpi2pd) && i->has_mem))
		return x87_wait;
	fn = alu_select(c, u, fn);
	fn = step_select(c, u, fn);
	fn = mov_select(c, u, fn);
	fn = shift_select(c, u, fn);
	return branch_select(c, u, fn);
}

static uint8_t uop_flags(const struct x86_insn *i)
{
	return (uint8_t)((i->lock ? UOP_LOCK : 0) | (i->rep == 0xf3 ? UOP_REP : 0) |
			 (i->rep == 0xf2 ? UOP_REPNZ : 0) | (i->vex ? UOP_VEX : 0) |
			 (i->vex_l ? UOP_L : 0) | (i->vex_w || i->rex & 8 ? UOP_W : 0) |
			 (i->rex ? UOP_REX : 0) | (i->row && i->row->attrs & ROW_ALIGN ? UOP_ALIGN : 0));
}

static void uop_make(const struct x86_cpu *c, struct uop *u, const struct x86_insn *i, unsigned off)
{
	unsigned n;

	memset(u, 0, sizeof *u);
	u->imm = i->imm;
	u->imm2 = i->imm2;
	u->disp = i->disp;
	u->off = (uint16_t)off;
	u->row = i->row ? i->row->id : 0;
	u->len = i->len;
	u->opsize = i->opsize;
	u->addrsize = i->addrsize;
	u->flags = uop_flags(i);
	u->base = i->base;
	u->index = i->index;
	u->scale = i->scale;
	u->seg = i->seg;
	u->vvvv = i->vvvv;
	u->opcode = i->opcode;
	u->modrm = i->modrm;
	if (i->has_mem && i->base == X86_RIPBASE)
		u->disp += (int64_t)off + i->len;
	for (n = 0; n < 4; n++) {
		const struct x86_opnd *o = &i->op[n];

		u->kind[n] = o->kind;
		u->size[n] = o->size;
		u->reg[n] = o->kind == OPK_GPR ? (uint8_t)(o->reg * 8 + o->high) : o->reg;
	}
	u->fn = choose(c, i, u);
}

/* ---- bytes ------------------------------------------------------------------------- */

/* Bytes of a block under construction: at @lin in one or two frames. */
struct source {
	uint64_t lin;
	struct x86_page page;
	unsigned offset;          /* of the block in the frame */
	struct block *b;
};

/*
 * From now on stores to the granule at @offset are seen: they change gen.  @gen is
 * what gen was before.
 *
 * The protocol.  A decoder (1) reads gen, (2) marks the granule, (3) drops its write
 * tags and waits until all others have (code_marked), (4) says in `sealed` for which
 * gen that is done, (5) reads the bytes.  Who stores without a tag - a processor's
 * slow path, a device - (a) stores, (b) fence, (c) looks at granules and, if it met
 * one, makes gen odd, clears them all, tells the processors and makes gen even.  So either (b) comes after (2), then gen is
 * no longer what (1) read and the block is stale, or (5) reads what (a) wrote.
 * Tags are set only while granules are 0: from (4) on there are none until granules
 * are cleared, and then gen changes.  A second decoder may thus leave out (3) if
 * `sealed` has the gen that it read; if another one is still at (3), it waits itself.
 * Whoever reads gen when it is odd, or has read it before, and marks or finds `sealed`
 * in between gets a stale block.
 */
static void mark_code(struct x86_cpu *c, struct x86_code_page *code, uint32_t gen, unsigned offset)
{
	uint64_t bit = (uint64_t)1 << (offset >> 6);

	if (!(atomic_load(&code->granules) & bit))
		atomic_fetch_or(&code->granules, bit);
	if (likely(atomic_load(&code->sealed) == gen + 1))
		return;
	x86_tlb_flush_writes(c);
	c->ops->code_marked(c->opaque, code);
	atomic_store(&code->sealed, gen + 1);
}

/*
 * Decodes at @at in the first page, marking granule by granule as far as the
 * instruction reaches.
 */
static enum x86_decode decode_in_page(struct x86_cpu *c, struct source *s, struct x86_insn *i, uint8_t bytes[16], unsigned at)
{
	unsigned end = at;
	enum x86_decode r;

	do {
		unsigned n;

		mark_code(c, s->page.code, s->b->gen, end);
		end = (end | 63) + 1;
		n = end - at < 16 ? end - at : 16;
		/* Another processor may be storing there; then the block is stale, see above. */
		x86_host_move(bytes, s->page.host + at, n);
		r = x86_decode(i, bytes, n, c->mode);
	} while (r == X86_NEED_MORE && end < 4096);
	return r;
}

static struct x86_page fetch_page(struct x86_cpu *c, uint64_t lin);

/* The instruction goes on in the next page, which may be anywhere, or not be there. */
static enum x86_decode decode_across(struct x86_cpu *c, struct source *s, struct x86_insn *i, uint8_t bytes[16])
{
	unsigned first = 4096 - s->offset;
	uint64_t lin2 = s->lin + first;
	struct x86_page page;

	if (!(c->mode & X86_MODE_CS64))
		lin2 = (uint32_t)lin2;
	page = fetch_page(c, lin2);
	s->b->code2 = page.code;
	s->b->gen2 = x86_code_gen(page.code);
	mark_code(c, page.code, s->b->gen2, 0);
	/* It is the only one of its block; no instruction is longer. */
	first = first < 16 ? first : 16;
	x86_host_move(bytes, s->page.host + s->offset, first);
	x86_host_move(bytes + first, page.host, 16 - first);
	return x86_decode(i, bytes, 16, c->mode);
}

static void log_insn(const struct source *s, const struct x86_insn *i, const uint8_t bytes[16], unsigned off)
{
	char hex[16 * 3 + 1] = "";
	unsigned n;

	for (n = 0; n < i->len && n < 16; n++)
		snprintf(hex + n * 3, 4, "%02x ", bytes[n]);
	log_print(LOG_IN_ASM, "0x%016llx:  %-36s %s\n", (unsigned long long)(s->lin + off), hex,
		  i->row ? i->row->name : "(bad)");
}

static bool ends_block(const struct x86_insn *i, const struct uop *u)
{
	if (u->fn == raise_ud || u->fn == raise_gp || u->fn == raise_no_unit)
		return true;
	/* A conditional jump that is not taken goes on in its block. */
	if (i->row->attrs & ROW_BRANCH)
		return interp_handlers[i->row->handler] != op_jcc;
	return i->row->attrs & ROW_END;
}

/* Fills the block.  Raises if the first instruction cannot be fetched. */
static unsigned decode_block(struct x86_cpu *c, struct source *s, unsigned max)
{
	struct decoded *d = &interp_of(c)->decoded;
	unsigned count = 0, off = 0;
	bool last = false;

	d->block = NULL;
	while (count < max && !last) {
		struct x86_insn *insn = &d->insn[count];
		struct uop *u = &s->b->uop[count];
		enum x86_decode r = decode_in_page(c, s, insn, d->bytes[count], s->offset + off);

		if (r == X86_NEED_MORE) {
			if (count)
				break;
			r = decode_across(c, s, insn, d->bytes[count]);
			last = true;
		}
		if (r != X86_DECODED)
			insn->row = NULL;
		uop_make(c, u, insn, off);
		if (r != X86_DECODED)
			u->fn = raise_gp;
		if (log_on(LOG_IN_ASM))
			log_insn(s, insn, d->bytes[count], off);
		count++;
		off += insn->len;
		last = last || ends_block(insn, u) || s->offset + off >= 4096;
	}
	d->block = s->b;
	s->b->bytes = (uint16_t)off;
	memset(&s->b->uop[count], 0, sizeof s->b->uop[count]);
	s->b->uop[count].fn = block_end;
	s->b->uop[count].off = (uint16_t)off;
	return count + 1;
}

/* Of the block, in the room behind the uops. */
static uint8_t *block_bytes(const struct block *b) { return (uint8_t *)(uintptr_t)&b->uop[b->uops]; }

static void keep_bytes(struct interp *in, struct block *b)
{
	uint8_t *to = block_bytes(b);

	for (unsigned n = 0; n + 1 < b->uops; n++) {
		memcpy(to, in->decoded.bytes[n], b->uop[n].len);
		to += b->uop[n].len;
	}
}

void block_decode_again(struct x86_cpu *c, const struct block *b)
{
	struct decoded *d = &interp_of(c)->decoded;
	const uint8_t *from = block_bytes(b);

	for (unsigned n = 0; n + 1 < b->uops; n++) {
		unsigned len = b->uop[n].len;

		memcpy(d->bytes[n], from, len);
		from += len;
		if (x86_decode(&d->insn[n], d->bytes[n], len, c->mode) != X86_DECODED)
			d->insn[n].row = NULL;
	}
	d->block = b;
}

/* ---- finding --------------------------------------------------------------------------- */

static uint64_t hash_of(const struct x86_code_page *code, unsigned offset, uint32_t key)
{
	uint64_t h = ((uint64_t)(uintptr_t)code >> 3) * 0x9e3779b97f4a7c15 + offset * 0x85ebca6bu + key;

	return (h ^ h >> 29) * 0x9e3779b97f4a7c15;
}

/* Mostly of other bits than the tag. */
static unsigned hash_index(uint64_t h) { return (unsigned)(h >> 20) & (HASH_SIZE - 1); }
static uint64_t hash_tag(uint64_t h) { return h >> 32 | 1; }
static uint32_t entry_block(uint64_t entry) { return (uint32_t)entry; }

bool blocks_open(struct interp *in, bool sparing)
{
	in->arena = engine_room(ARENA_SIZE, sparing);
	if (!in->arena)
		return false;
	in->hash = (uint64_t *)(void *)in->arena;
	in->used = HASH_SIZE * sizeof *in->hash;
	return true;
}

void blocks_work(struct interp *in) { engine_room_large(in->arena, ARENA_SIZE); }
void blocks_close(struct interp *in) { engine_unroom(in->arena, ARENA_SIZE); }

uint64_t stall_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void blocks_drop(struct interp *in)
{
	uint64_t from = stall_clock();

	memset(in->jump, 0, sizeof in->jump);
	memset(in->hash, 0, HASH_SIZE * sizeof *in->hash);
	in->hashed = 0;
	in->decoded.block = NULL;
	in->used = HASH_SIZE * sizeof *in->hash;
	in->drop_took = stall_clock() - from;
	stall_note(in, in->drop_took);
}

static void hash_put(struct interp *in, uint64_t h, const struct block *b)
{
	unsigned i = hash_index(h);

	while (entry_block(in->hash[i]))
		i = (i + 1) & (HASH_SIZE - 1);
	in->hashed += !in->hash[i];
	in->hash[i] = hash_tag(h) << 32 | (uint32_t)(((const uint8_t *)b - in->arena) / BLOCK_ALIGN);
}

static struct block *block_make(struct x86_cpu *c, uint64_t lin, const struct x86_page *page, uint32_t key, uint64_t h)
{
	enum { BYTES_MAX = BLOCK_MAX * 16 };
	const size_t most = sizeof(struct block) + (BLOCK_MAX + 1) * sizeof(struct uop) + BYTES_MAX;
	struct source s = { .lin = lin, .page = *page, .offset = lin & 4095 };
	struct interp *in = interp_of(c);
	struct block *b;

	X86_COUNT(c, decoded);
	if (in->used + most > ARENA_SIZE || in->hashed > HASH_SIZE / 4 * 3) {
		X86_COUNT(c, dropped);
		blocks_drop(in);
	}
	b = s.b = (struct block *)(in->arena + in->used);
	/* gen before marking: see mark_code(). */
	*b = (struct block){ .code = page->code, .gen = x86_code_gen(page->code), .key = key,
			     .offset = (uint16_t)s.offset, .bytes_at = page->host + s.offset };
	b->uops = (uint16_t)decode_block(c, &s, key & KEY_ONE || c->mode & X86_MODE_STEP ? 1 : BLOCK_MAX);
	keep_bytes(in, b);
	in->used += (sizeof(struct block) + b->uops * sizeof(struct uop) + b->bytes + BLOCK_ALIGN - 1) & ~(size_t)(BLOCK_ALIGN - 1);
	hash_put(in, h, b);
	return b;
}

/*
 * A block whose frame has changed, but not where it is: as good as decoded anew, by the
 * same protocol.  Instructions across two pages are not worth it.
 */
static bool block_again(struct x86_cpu *c, struct block *b)
{
	uint32_t gen = x86_code_gen(b->code);
	uint8_t bytes[BLOCK_MAX * 16];

	if (b->code2)
		return false;
	for (unsigned at = b->offset & ~63u; at < b->offset + b->bytes; at += 64)
		mark_code(c, b->code, gen, at);
	x86_host_move(bytes, b->bytes_at, b->bytes);
	if (memcmp(bytes, block_bytes(b), b->bytes))
		return false;
	b->gen = gen;
	X86_COUNT(c, again);
	return true;
}

/* x86_fetch_page() once a page, as long as that holds.  in->global stays set only if the page is global. */
static struct x86_page fetch_page(struct x86_cpu *c, uint64_t lin)
{
	struct interp *in = interp_of(c);
	struct fetch *f = &in->fetch[(lin >> 12) & (FETCH_SIZE - 1)];
	uint64_t tag = (lin & X86_PAGE_MASK) | (c->mmu == X86_MMU_USER);

	if (f->tag != tag || (f->key != c->code_key[0] && f->key != c->code_key[1])) {
		bool global;

		f->key = 0;
		f->page = x86_fetch_page(c, lin, &global);
		f->tag = tag;
		f->key = c->code_key[global];
	}
	in->global &= f->key == c->code_key[1];
	return f->page;
}

/* The second page must still be the same frame, too. */
static bool second_page_same(struct x86_cpu *c, const struct block *b, uint64_t lin)
{
	uint64_t lin2 = (lin | 4095) + 1;

	if (!b->code2)
		return true;
	if (!(c->mode & X86_MODE_CS64))
		lin2 = (uint32_t)lin2;
	return fetch_page(c, lin2).code == b->code2;
}

static struct block *block_find(struct x86_cpu *c, uint64_t lin, uint32_t key)
{
	struct x86_page page = fetch_page(c, lin);
	unsigned offset = lin & 4095, i;
	struct interp *in = interp_of(c);
	uint64_t h = hash_of(page.code, offset, key);

	for (i = hash_index(h); in->hash[i]; i = (i + 1) & (HASH_SIZE - 1)) {
		struct block *b;

		if (in->hash[i] >> 32 != hash_tag(h) || !entry_block(in->hash[i]))
			continue;
		b = (struct block *)(in->arena + (size_t)entry_block(in->hash[i]) * BLOCK_ALIGN);
		if (b->code != page.code || b->offset != offset || b->key != key)
			continue;
		if (likely(block_valid(b)) || block_again(c, b)) {
			if (second_page_same(c, b, lin))
				return b;
		} else {
			in->hash[i] &= ~(uint64_t)UINT32_MAX;
		}
	}
	return block_make(c, lin, &page, key, h);
}

static struct block *block_at(struct x86_cpu *c, uint64_t lin, bool one)
{
	struct jump *j = &interp_of(c)->jump[jump_index(lin)];
	struct interp *in = interp_of(c);
	struct block *b;
	uint64_t key[2];

	if (one)
		return block_find(c, lin, c->mode | KEY_ONE);
	if (j->lin == lin && jump_holds(c, j) && block_valid(j->block)) {
		in->global = j->key == (c->code_key[1] | c->mode);
		return j->block;
	}
	X86_COUNT(c, jump_miss);
	/* Decoding may have flushed something. */
	do {
		key[0] = c->code_key[0];
		key[1] = c->code_key[1];
		in->global = true;
		b = block_find(c, lin, c->mode);
	} while (key[0] != c->code_key[0] || key[1] != c->code_key[1]);
	*j = (struct jump){ lin, key[in->global] | c->mode, b };
	return b;
}

/* Outside of 64-bit mode no byte of an instruction may lie beyond the limit. */
static struct block *block_limited(struct x86_cpu *c, uint64_t rip, bool one)
{
	const struct x86_seg *cs = &c->seg[X86_CS];
	uint64_t lin = (uint32_t)(cs->base + rip);
	struct block *b;

	if (rip > cs->limit)
		x86_raise_error(c, X86_GP, 0);
	b = block_at(c, lin, one);
	if (rip + b->bytes - 1 <= cs->limit)
		return b;
	if (!one)
		b = block_at(c, lin, true);
	if (rip + b->bytes - 1 > cs->limit)
		x86_raise_error(c, X86_GP, 0);
	return b;
}

const struct uop *block_lookup(struct x86_cpu *c, bool one)
{
	uint64_t rip = c->rip;
	struct block *b;

	c->cur = NULL;
	b = c->mode & X86_MODE_CS64 ? block_at(c, rip, one) : block_limited(c, rip, one);
	c->gpr[X86_RIPBASE] = rip;
	return b->uop;
}

/* ---- leaving a block ----------------------------------------------------------------------- */

/* Links stay inside one page: it was looked up when the block was entered. */
static bool may_link(const struct x86_cpu *c, const struct block *to, uint64_t rip)
{
	return !((rip ^ c->gpr[X86_RIPBASE]) & X86_PAGE_MASK) && !to->code2 && !(c->mode & X86_MODE_STEP);
}

const struct uop *block_link_slow(struct x86_cpu *c, const struct uop *u, uint64_t rip)
{
	struct block *b;

	if (unlikely(c->mode & X86_MODE_CS64 && !x86_canonical(c, rip)))
		x86_raise_error(c, X86_GP, 0);
	if (!nothing_pending(c) || !code_is_flat(c) || !(b = block_probe(c, rip))) {
		c->rip = rip;
		return NULL;
	}
	if (may_link(c, b, rip))
		((struct uop *)(uintptr_t)u)->link = b->uop;
	c->gpr[X86_RIPBASE] = rip;
	return b->uop;
}

const struct uop *block_exit(struct x86_cpu *c, const struct uop *u)
{
	const struct interp *in = interp_of(c);

	if (unlikely(c->activity != X86_ACTIVE || c->interrupt_shadow || c->mode & X86_MODE_STEP))
		return NULL;
	if (unlikely(in->intr_waiting && c->eflags & X86_IF))
		return NULL;
	return block_jump(c, c->rip);
}
