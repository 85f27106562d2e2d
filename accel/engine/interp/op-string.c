/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * String instructions.
 *
 * Each element commits the registers, so a fault in the middle leaves a state
 * that the same instruction continues from.  A repeated instruction runs
 * until it is done, or leaves at itself when something is pending.
 */
#include "alu.h"

enum { SLOW_BATCH = 64 };  /* elements between two looks at what is pending */

static ALWAYS_INLINE uint64_t addr_cut(const struct uop *u, uint64_t v)
{
	switch (u->addrsize) {
	case 2: return (uint16_t)v;
	case 4: return (uint32_t)v;
	default: return v;
	}
}
static ALWAYS_INLINE uint64_t rep_count(const struct x86_cpu *c, const struct uop *u)
{
	return addr_cut(u, c->gpr[X86_RCX]);
}
static ALWAYS_INLINE void add_reg(struct x86_cpu *c, const struct uop *u, unsigned reg, uint64_t by)
{
	gpr_set(c, reg * 8, u->addrsize, c->gpr[reg] + by);
}
static ALWAYS_INLINE uint64_t stride(const struct x86_cpu *c, unsigned n)
{
	return c->eflags & X86_DF ? -(uint64_t)n : n;
}
static ALWAYS_INLINE bool is_rep(const struct uop *u) { return u->flags & (UOP_REP | UOP_REPNZ); }

static ALWAYS_INLINE uint64_t src_lin(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	return x86_linear(c, u->seg, addr_cut(u, c->gpr[X86_RSI]), n, X86_READ);
}
static ALWAYS_INLINE uint64_t dst_lin(struct x86_cpu *c, const struct uop *u, unsigned n, enum x86_access a)
{
	return x86_linear(c, X86_ES, addr_cut(u, c->gpr[X86_RDI]), n, a);
}

/* Size of one element: the string or accumulator operand's. */
static ALWAYS_INLINE unsigned element(const struct uop *u)
{
	return u->size[0] ? u->size[0] : u->size[1];
}

/* Leaves at the instruction itself, to continue it later. */
static const struct uop *again(struct x86_cpu *c, const struct uop *u)
{
	c->rip = uop_rip(c, u);
	if (!(c->mode & X86_MODE_CS64))
		c->rip = (uint32_t)c->rip;
	return block_exit(c, u);
}

/*
 * Elements that a chunk may hold without an offset wrapping or leaving a
 * segment that counts: only ascending, in flat segments.  0: one by one.
 */
static uint64_t chunk_limit(const struct x86_cpu *c, const struct uop *u, unsigned seg, uint64_t at, unsigned n)
{
	if (c->eflags & X86_DF)
		return 0;
	if (c->mode & X86_MODE_CS64)
		return u->addrsize == 8 ? UINT64_MAX : (UINT32_MAX - at) / n;
	if (!(c->mode & X86_MODE_FLAT) || seg >= X86_FS || u->addrsize != 4)
		return 0;
	return (UINT32_MAX - at) / n;
}

/*
 * Up to *span bytes at @lin for elements of @n bytes, as x86_host_span(); NULL also if the
 * first is in two pages: its last byte may have no canonical address, which comes before
 * what the first page says.
 */
static uint8_t *element_span(struct x86_cpu *c, uint64_t lin, size_t *span, unsigned n, enum x86_access a)
{
	return (lin & 4095) + n > 4096 ? NULL : x86_host_span(c, lin, span, a);
}

static ALWAYS_INLINE uint64_t min64(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* ---- MOVS -------------------------------------------------------------------- */

static void movs_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	uint64_t v = mem_get(c, src_lin(c, u, n), n);

	mem_set(c, dst_lin(c, u, n, X86_WRITE), n, v);
	add_reg(c, u, X86_RSI, stride(c, n));
	add_reg(c, u, X86_RDI, stride(c, n));
}

/*
 * Copies ascending as the elements would one by one: where the destination
 * starts inside the source the bytes repeat.
 */
static void copy_up(uint8_t *to, const uint8_t *from, size_t bytes, unsigned n)
{
	size_t i;

	if (to <= from || to >= from + bytes) {
		x86_host_move(to, from, bytes);
		return;
	}
	for (i = 0; i < bytes; i += n)
		x86_host_move(to + i, from + i, n);
}

/* Elements moved in one go; 0: do one the slow way. */
static uint64_t movs_chunk(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count)
{
	uint64_t si = addr_cut(u, c->gpr[X86_RSI]), di = addr_cut(u, c->gpr[X86_RDI]), bytes;
	uint8_t *from, *to;
	size_t span;

	count = min64(count, min64(chunk_limit(c, u, u->seg, si, n), chunk_limit(c, u, X86_ES, di, n)));
	if (count < 2)
		return 0;
	span = (size_t)min64(count, 4096 / n) * n;
	from = element_span(c, src_lin(c, u, n), &span, n, X86_READ);
	if (!from)
		return 0;
	span -= span % n;
	to = element_span(c, dst_lin(c, u, n, X86_WRITE), &span, n, X86_WRITE);
	if (!to)
		return 0;
	bytes = span - span % n;
	copy_up(to, from, bytes, n);
	add_reg(c, u, X86_RSI, bytes);
	add_reg(c, u, X86_RDI, bytes);
	return bytes / n;
}

/* ---- STOS --------------------------------------------------------------------- */

static void stos_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	mem_set(c, dst_lin(c, u, n, X86_WRITE), n, c->gpr[X86_RAX]);
	add_reg(c, u, X86_RDI, stride(c, n));
}

static void fill(uint8_t *to, uint64_t v, size_t bytes, unsigned n)
{
	size_t i;

	if (n == 1 || !v) {
		x86_host_fill(to, (uint8_t)v, bytes);
		return;
	}
	for (i = 0; i < bytes; i += n)
		x86_host_move(to + i, &v, n);  /* little-endian hosts */
}

static uint64_t stos_chunk(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count)
{
	uint64_t di = addr_cut(u, c->gpr[X86_RDI]), bytes;
	size_t span;
	uint8_t *to;

	count = min64(count, chunk_limit(c, u, X86_ES, di, n));
	if (count < 2)
		return 0;
	span = (size_t)min64(count, 4096 / n) * n;
	to = element_span(c, dst_lin(c, u, n, X86_WRITE), &span, n, X86_WRITE);
	if (!to)
		return 0;
	bytes = span - span % n;
	fill(to, zext(c->gpr[X86_RAX], n * 8), bytes, n);
	add_reg(c, u, X86_RDI, bytes);
	return bytes / n;
}

/* ---- LODS, INS, OUTS ------------------------------------------------------------- */

static void lods_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	gpr_set(c, X86_RAX * 8, n, mem_get(c, src_lin(c, u, n), n));
	add_reg(c, u, X86_RSI, stride(c, n));
}

static uint64_t no_chunk(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count)
{
	return 0;
}

static void ins_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	uint16_t port = (uint16_t)c->gpr[X86_RDX];
	uint64_t lin = dst_lin(c, u, n, X86_WRITE);
	enum x86_result r;
	uint32_t v = 0;

	x86_check_io(c, port, n);
	/* The device must not be read if the store cannot be done. */
	x86_probe_write(c, lin, n);
	c->ins = true;
	r = c->ops->io_read(c->opaque, port, n, &v);
	c->ins = false;
	if (r != X86_OK)
		x86_result_raise(c, r);
	mem_set(c, lin, n, v);
	add_reg(c, u, X86_RDI, stride(c, n));
}

static void outs_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	uint16_t port = (uint16_t)c->gpr[X86_RDX];
	enum x86_result r;
	uint32_t v;

	x86_check_io(c, port, n);
	v = (uint32_t)mem_get(c, src_lin(c, u, n), n);
	r = c->ops->io_write(c->opaque, port, n, v);
	if (r != X86_OK)
		x86_result_raise(c, r);
	add_reg(c, u, X86_RSI, stride(c, n));
}

/* ---- the loop ------------------------------------------------------------------------ */

typedef void (*one_fn)(struct x86_cpu *c, const struct uop *u, unsigned n);
typedef uint64_t (*chunk_fn)(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count);

static ALWAYS_INLINE const struct uop *repeat(struct x86_cpu *c, const struct uop *u, unsigned n,
					      one_fn one, chunk_fn chunk)
{
	uint64_t left, done;
	unsigned i;

	if (!is_rep(u)) {
		one(c, u, n);
		return NEXT(u);
	}
	while ((left = rep_count(c, u)) != 0) {
		done = nothing_pending(c) ? chunk(c, u, n, left) : 0;
		if (done) {
			add_reg(c, u, X86_RCX, -done);
		} else {
			for (i = 0; i < SLOW_BATCH && rep_count(c, u); i++) {
				one(c, u, n);
				add_reg(c, u, X86_RCX, UINT64_MAX);
				if (unlikely(!nothing_pending(c)))
					break;
			}
		}
		if (unlikely(!nothing_pending(c)) && rep_count(c, u))
			return again(c, u);
	}
	return NEXT(u);
}

OP(movs) { return repeat(c, u, element(u), movs_one, movs_chunk); }
OP(stos) { return repeat(c, u, element(u), stos_one, stos_chunk); }
OP(lods) { return repeat(c, u, element(u), lods_one, no_chunk); }

static unsigned io_size(const struct uop *u)
{
	return u->opcode & 1 ? (u->opsize == 2 ? 2 : 4) : 1;
}

OP(ins) { return repeat(c, u, io_size(u), ins_one, no_chunk); }
OP(outs) { return repeat(c, u, io_size(u), outs_one, no_chunk); }

/* ---- CMPS, SCAS ---------------------------------------------------------------------- */

static void compare(struct x86_cpu *c, uint64_t a, uint64_t b, unsigned n)
{
	uint64_t r = a - b, cv = x86_sub_cv(a, b, r);

	x86_fl_set(c, (int64_t)sext(r, n * 8), cv, n * 8);
}

static void cmps_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	uint64_t a = mem_get(c, src_lin(c, u, n), n);
	uint64_t b = mem_get(c, dst_lin(c, u, n, X86_READ), n);

	compare(c, a, b, n);
	add_reg(c, u, X86_RSI, stride(c, n));
	add_reg(c, u, X86_RDI, stride(c, n));
}

static void scas_one(struct x86_cpu *c, const struct uop *u, unsigned n)
{
	compare(c, gpr_get(c, X86_RAX * 8, n), mem_get(c, dst_lin(c, u, n, X86_READ), n), n);
	add_reg(c, u, X86_RDI, stride(c, n));
}

/* ---- many at once ---- */

/* @v in each element of @n bytes. */
static ALWAYS_INLINE uint64_t in_each(uint64_t v, unsigned n)
{
	static const uint64_t one[] = { [1] = 0x0101010101010101, [2] = 0x0001000100010001, [4] = 0x0000000100000001, [8] = 1 };

	return zext(v, n * 8) * one[n];
}

/* A bit in the lowest element of @x that is zero, none below it; 0: no element is. */
static ALWAYS_INLINE uint64_t zero_element(uint64_t x, unsigned n)
{
	return (x - in_each(1, n)) & ~x & in_each(1ull << (n * 8 - 1), n);
}

/* What is compared: memory with memory, or with @v in each element. */
struct scan {
	const uint8_t *a, *b;   /* b: NULL for v */
	uint64_t v;
	unsigned n;
	bool equal;             /* ends at equal elements; else at different ones */
};

static ALWAYS_INLINE uint64_t scan_xor(const struct scan *s, size_t at)
{
	return x86_host_ld64((const uint64_t *)(const void *)(s->a + at)) ^
	       (s->b ? x86_host_ld64((const uint64_t *)(const void *)(s->b + at)) : s->v);
}

/* Bytes before the element that ends it; @bytes, a multiple of 8: none does. */
static size_t scan(const struct scan *s, size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += 8) {
		uint64_t x = scan_xor(s, at), end = s->equal ? zero_element(x, s->n) : x;

		if (end)
			return at + ((unsigned)__builtin_ctzll(end) / 8 & ~(s->n - 1));
	}
	return bytes;
}

/* Where to look at up to *span bytes from @lin in one go, *span cut to a multiple of 8; NULL: one by one. */
static const uint8_t *scan_at(struct x86_cpu *c, uint64_t lin, size_t *span, unsigned n)
{
	const uint8_t *p = element_span(c, lin, span, n, X86_READ);

	*span &= ~(size_t)7;
	return *span ? p : NULL;
}

/* The flags of the last element compared.  Gives how many were. */
static uint64_t scan_done(struct x86_cpu *c, const struct scan *s, size_t bytes)
{
	size_t at = scan(s, bytes);
	uint64_t a, b;

	if (at == bytes)
		at -= s->n;
	a = b = s->v;
	x86_host_move(&b, s->b ? s->b + at : s->a + at, s->n);
	if (s->b)
		x86_host_move(&a, s->a + at, s->n);
	compare(c, a, b, s->n);
	return at / s->n + 1;
}

static uint64_t cmps_chunk(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count)
{
	uint64_t si = addr_cut(u, c->gpr[X86_RSI]), di = addr_cut(u, c->gpr[X86_RDI]);
	struct scan s = { .n = n, .equal = u->flags & UOP_REPNZ };
	size_t span;

	count = min64(count, min64(chunk_limit(c, u, u->seg, si, n), chunk_limit(c, u, X86_ES, di, n)));
	span = (size_t)min64(count, 4096 / n) * n;
	s.a = span < 8 ? NULL : scan_at(c, src_lin(c, u, n), &span, n);
	s.b = s.a ? scan_at(c, dst_lin(c, u, n, X86_READ), &span, n) : NULL;
	if (!s.b)
		return 0;
	count = scan_done(c, &s, span);
	add_reg(c, u, X86_RSI, count * n);
	add_reg(c, u, X86_RDI, count * n);
	return count;
}

static uint64_t scas_chunk(struct x86_cpu *c, const struct uop *u, unsigned n, uint64_t count)
{
	uint64_t di = addr_cut(u, c->gpr[X86_RDI]);
	struct scan s = { .v = in_each(c->gpr[X86_RAX], n), .n = n, .equal = u->flags & UOP_REPNZ };
	size_t span;

	count = min64(count, chunk_limit(c, u, X86_ES, di, n));
	span = (size_t)min64(count, 4096 / n) * n;
	s.a = span < 8 ? NULL : scan_at(c, dst_lin(c, u, n, X86_READ), &span, n);
	if (!s.a)
		return 0;
	count = scan_done(c, &s, span);
	add_reg(c, u, X86_RDI, count * n);
	return count;
}

static ALWAYS_INLINE const struct uop *repeat_while(struct x86_cpu *c, const struct uop *u, one_fn one, chunk_fn chunk)
{
	unsigned n = element(u);
	uint64_t left, done;

	if (!is_rep(u)) {
		one(c, u, n);
		return NEXT(u);
	}
	while ((left = rep_count(c, u)) != 0) {
		done = nothing_pending(c) ? chunk(c, u, n, left) : 0;
		if (!done) {
			one(c, u, n);
			done = 1;
		}
		add_reg(c, u, X86_RCX, -done);
		if (x86_zf(c) == !!(u->flags & UOP_REPNZ))
			break;
		if (unlikely(!nothing_pending(c)) && rep_count(c, u))
			return again(c, u);
	}
	return NEXT(u);
}

OP(cmps) { return repeat_while(c, u, cmps_one, cmps_chunk); }
OP(scas) { return repeat_while(c, u, scas_one, scas_chunk); }
