/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes sequences.  Few registers, so that instructions meet; some of them hold addresses
 * and are seldom overwritten, so that accesses find memory, mostly; producers and
 * consumers of flags; branches, calls, bounded loops; code that writes to itself; now and
 * then something that faults.
 */
#include <glib.h>
#include <string.h>

#include "maker.h"

const char *const kind_names[KIND_COUNT] = { "user", "compat", "kernel", "bytes", "bytes-compat", "bytes-kernel" };

static void something(struct maker *m)
{
	unsigned n = below(m->g, 100);

	if (n < m->branches)
		make_control(m);
	else if (n < m->branches + (m->cpl ? 5u : 15u))
		make_special(m);
	else
		make_plain(m);
}

/* ---- whole sequences ---- */

static void pick_registers(struct maker *m)
{
	struct generator *g = m->g;
	static const uint8_t candidates[] = { X86_RBX, X86_RSI, X86_RDI, X86_RBP, X86_R8, X86_R9, X86_R10, X86_R11, X86_R12, X86_R13, X86_R14, X86_R15 };
	uint8_t order[G_N_ELEMENTS(candidates)];
	unsigned n = m->mode == CASE_64 ? G_N_ELEMENTS(candidates) : 4, at = 0;

	memcpy(order, candidates, sizeof order);
	for (unsigned i = 0; i < n; i++) {
		unsigned k = i + below(g, n - i);
		uint8_t t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
	/* String instructions need these two. */
	if (one_in(g, 2)) {
		m->pointer[0] = X86_RSI;
		m->pointer[1] = X86_RDI;
		m->pointer[2] = order[at++];
	} else {
		for (unsigned i = 0; i < 3; i++)
			m->pointer[i] = order[at++];
	}
	m->s->pointers = 0;
	for (unsigned i = 0; i < 3; i++)
		m->s->pointers |= (uint16_t)(1 << m->pointer[i]);
	m->s->index = m->s->counter = -1;
	for (; at < n && (m->s->index < 0 || m->s->counter < 0); at++) {
		if (m->s->pointers >> order[at] & 1)
			continue;
		if (m->s->counter < 0)
			m->s->counter = (int8_t)order[at];
		else
			m->s->index = (int8_t)order[at];
	}
	m->scratch[0] = X86_RAX;
	m->scratch[1] = X86_RCX;
	m->scratch[2] = X86_RDX;
	m->scratch[3] = X86_RAX;
	for (; at < n; at++) {
		if (!(m->s->pointers >> order[at] & 1) && !keeps(m, order[at])) {
			m->scratch[3] = order[at];
			if (one_in(g, 2))
				m->scratch[1] = order[n - 1];
			break;
		}
	}
	if (keeps(m, m->scratch[1]))
		m->scratch[1] = X86_RCX;
	for (unsigned i = 0; i < VECTORS; i++)
		m->vector[i] = (uint8_t)below(g, m->mode == CASE_64 ? 16 : 8);
}

static void pick_weights(struct maker *m)
{
	static const uint8_t themes[][CLASS_COUNT] = {
		/* producer, consumer, move, stack, string, sse, avx, mmx, x87, system */
		{ 35, 25, 20, 8, 2, 0, 0, 0, 0, 0 },
		{ 20, 10, 40, 10, 4, 2, 2, 0, 0, 0 },
		{ 15, 10, 10, 3, 1, 30, 20, 2, 0, 0 },
		{ 12, 10, 10, 3, 1, 5, 0, 5, 50, 0 },
		{ 10, 10, 15, 10, 30, 3, 2, 1, 2, 0 },
		{ 15, 15, 15, 15, 5, 10, 10, 5, 10, 3 },
		{ 50, 40, 5, 2, 1, 0, 0, 0, 0, 0 },
	};

	memcpy(m->weight, themes[below(m->g, G_N_ELEMENTS(themes))], sizeof m->weight);
	m->weights = 0;
	for (unsigned i = 0; i < CLASS_COUNT; i++)
		m->weights += m->weight[i];
	m->memory = 10 + below(m->g, 80);
	m->branches = one_in(m->g, 4) ? 0 : below(m->g, 30);
}

static void end_here(struct maker *m)
{
	/* Both widths end the same way; to where depends. */
	relative(m, 0xe9, ITEM_END);
}

/* Short functions behind the end, which calls lead to. */
static void functions(struct maker *m, unsigned main_count)
{
	unsigned first[3], n = 0;
	bool wanted = false;

	for (unsigned i = 0; i < main_count; i++)
		wanted |= m->s->item[i].target == TO_A_FUNCTION;
	for (; wanted && n < 1 + below(m->g, 3) && has_room(m); n++) {
		unsigned length = 1 + below(m->g, 5);

		first[n] = m->s->count;
		m->undefined = X86_ARITH;
		while (length-- && has_room(m))
			make_plain(m);
		if (one_in(m->g, 6))
			ITEM(m, 0xc2, (uint8_t)(below(m->g, 3) * 8), 0);
		else
			ITEM(m, 0xc3);
	}
	for (unsigned i = 0; i < m->s->count; i++) {
		if (m->s->item[i].target == TO_A_FUNCTION)
			m->s->item[i].target = (int8_t)(n ? first[below(m->g, n)] : (unsigned)ITEM_END);
	}
}

static void structured(struct maker *m)
{
	unsigned main_count;

	m->body = one_in(m->g, 3) ? 1 + below(m->g, 6) : 1 + below(m->g, 30);
	while (m->s->count < m->body && has_room(m))
		something(m);
	end_here(m);
	main_count = m->s->count;
	for (unsigned i = 0; i < main_count; i++) {
		if (m->s->item[i].target >= (int)main_count)
			m->s->item[i].target = ITEM_END;
	}
	functions(m, main_count);
}

/* Bytes that may be anything, heavy in prefixes and escapes; an item each few bytes. */
static void garbage(struct maker *m)
{
	static const uint8_t lead[] = { 0x66, 0x67, 0xf2, 0xf3, 0x0f, 0x0f, 0x48, 0x4c, 0x41, 0xc4, 0xc5, 0xf0, 0x64, 0x2e, 0x0f, 0xc5 };
	unsigned n = 4 + below(m->g, 24);

	while (m->s->count < n) {
		struct item *i = new_item(m);

		i->len = (uint8_t)(1 + below(m->g, 6));
		for (unsigned k = 0; k < i->len; k++)
			i->bytes[k] = (uint8_t)bits32(m->g);
		if (one_in(m->g, 2))
			i->bytes[0] = lead[below(m->g, G_N_ELEMENTS(lead))];
	}
	end_here(m);
}

/* A sequence as above with some bytes changed. */
static void mutated(struct maker *m)
{
	unsigned changes = 1 + below(m->g, 4);

	structured(m);
	while (changes--) {
		struct item *i = &m->s->item[below(m->g, m->s->count)];
		unsigned at = below(m->g, i->len);

		switch (below(m->g, 4)) {
		case 0: i->bytes[at] ^= (uint8_t)(1 << below(m->g, 8)); break;
		case 1: i->bytes[at] = (uint8_t)bits32(m->g); break;
		case 2:
			if (i->len < 15 && !i->fix) {
				memmove(i->bytes + 1, i->bytes, i->len);
				i->bytes[0] = (uint8_t)bits32(m->g);
				i->len++;
			}
			break;
		default:
			if (i->len > 1 && !i->fix)
				i->len--;
			break;
		}
	}
}

static void pick_place(struct generator *g, struct sequence *s)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < s->count; i++)
		n += s->item[i].len;
	s->fill = one_in(g, 4) ? 0x90 : 0xcc;
	switch (below(g, 16)) {
	case 0: s->start = CODE_BYTES - n - below(g, 3); break;
	case 1: s->start = CODE_BYTES - below(g, n + 1) - 1; break;
	case 2: case 3: case 4: case 5: case 6: s->start = 4096 - below(g, n + 1); break;
	case 7: s->start = 0; break;
	default: s->start = 0x400 + below(g, 80); break;
	}
}

void sequence_make(struct generator *g, struct sequence *s, unsigned kind)
{
	static const uint8_t kinds[] = { KIND_USER, KIND_USER, KIND_USER, KIND_USER, KIND_USER, KIND_USER, KIND_USER, KIND_KERNEL, KIND_KERNEL,
					 KIND_COMPAT, KIND_BYTES, KIND_BYTES, KIND_BYTES, KIND_BYTES, KIND_BYTES_COMPAT, KIND_BYTES_KERNEL };
	struct maker m = { .g = g, .s = s };
	unsigned drawn;

	generator_seed(g, s->seed);
	drawn = kinds[below(g, G_N_ELEMENTS(kinds))];
	s->kind = (uint8_t)(kind < KIND_COUNT ? kind : drawn);
	s->far = false;
	s->count = 0;
	s->run_mask = (1 << RUNS) - 1;
	m.mode = kind_is_32(s->kind) ? CASE_32 : CASE_64;
	m.cpl = kind_cpl(s->kind);
	pick_registers(&m);
	pick_weights(&m);
	if (!kind_is_bytes(s->kind))
		structured(&m);
	else if (one_in(g, 3))
		garbage(&m);
	else
		mutated(&m);
	pick_place(g, s);
	sequence_states(g, s);
	sequence_place(s);
}

/* ---- placing ---- */

static uint32_t address_of(const struct sequence *s, int target, bool is_32)
{
	if (target >= 0)
		while (target < s->count && s->item[target].dropped)
			target++;
	if (target < 0 || target >= s->count)
		return is_32 ? EXIT_32 : EXIT_64;
	return CODE + s->item[target].at;
}

static void fix(const struct sequence *s, const struct item *i, uint8_t *bytes)
{
	uint32_t behind = CODE + i->at + i->len, to = i->fix == FIX_NONE ? 0 : address_of(s, i->target, i->is_32);
	int32_t rel = (int32_t)(to - behind);

	switch (i->fix) {
	case FIX_REL8:
		/* Too far, or out: behind this one. */
		bytes[i->fix_at] = rel == (int8_t)rel ? (uint8_t)rel : 0;
		break;
	case FIX_REL32: memcpy(bytes + i->fix_at, &rel, 4); break;
	case FIX_ABS32:
		if (i->into && i->target >= 0 && i->target < s->count)
			to += i->into == 0xff ? s->item[i->target].len - 1u : i->into;
		memcpy(bytes + i->fix_at, &to, 4);
		break;
	case FIX_DATA32:
		rel = (int32_t)(i->data - behind);
		memcpy(bytes + i->fix_at, &rel, 4);
		break;
	default: break;
	}
}

void sequence_place(struct sequence *s)
{
	uint8_t code[CODE_BYTES];
	uint32_t at = s->start;

	for (unsigned i = 0; i < s->count; i++) {
		s->item[i].at = at;
		if (!s->item[i].dropped)
			at += s->item[i].len;
	}
	s->length = MIN(at, CODE_BYTES) - s->start;
	memset(code, s->fill, sizeof code);
	for (unsigned i = 0; i < s->count; i++) {
		const struct item *it = &s->item[i];
		uint8_t bytes[15];

		if (it->dropped || it->at >= CODE_BYTES)
			continue;
		memcpy(bytes, it->bytes, it->len);
		fix(s, it, bytes);
		memcpy(code + it->at, bytes, MIN(it->len, CODE_BYTES - it->at));
	}
	for (unsigned r = 0; r < RUNS; r++)
		memcpy(s->run[r].before.code, code, sizeof code);
}
