/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items of sequences, and those that are plain instructions: a form of the table with few registers. */
#include <glib.h>
#include <string.h>

#include "maker.h"

/* ---- items ---- */

struct item *new_item(struct maker *m)
{
	struct item *i = &m->s->item[m->s->count];

	if (m->s->count == ITEMS)
		return &m->s->item[ITEMS - 1];
	m->s->count++;
	memset(i, 0, sizeof *i);
	i->is_32 = m->mode == CASE_32;
	return i;
}

struct item *item_of(struct maker *m, const uint8_t *bytes, unsigned n)
{
	struct item *i = new_item(m);

	memcpy(i->bytes, bytes, n);
	i->len = (uint8_t)n;
	return i;
}

static unsigned any_pointer(struct maker *m) { return one_in(m->g, 6) ? X86_RSP : m->pointer[below(m->g, 3)]; }

/* One to run after an undefined flag: CMP leaves none. */
static void define_flags(struct maker *m)
{
	unsigned r = any_scratch(m);

	if (m->mode == CASE_64)
		ITEM(m, (uint8_t)(0x48 | (r >= 8)), 0x83, (uint8_t)(0xf8 | (r & 7)), (uint8_t)integer(m->g));
	else
		ITEM(m, 0x83, (uint8_t)(0xf8 | (r & 7)), (uint8_t)integer(m->g));
	m->undefined = 0;
}

void reads_flags(struct maker *m, uint32_t flags)
{
	if (m->undefined & flags && !one_in(m->g, 64))
		define_flags(m);
}

/* ---- plain instructions ---- */

static int32_t displacement(struct maker *m, bool aligned)
{
	struct generator *g = m->g;
	int32_t d;

	switch (below(g, 16)) {
	case 0: d = (int32_t)below(g, 4096) - 2048; break;
	case 1: case 2: case 3: d = (int32_t)below(g, 512) - 256; break;
	case 4: case 5: d = 0; break;
	default: d = (int32_t)(below(g, 24) - 8u) * 8; break;
	}
	return aligned && !one_in(g, 24) ? d & ~31 : d;
}

static void pick_fields(struct maker *m, const struct x86_row *row, const struct rowform *f, struct fields *w)
{
	struct generator *g = m->g;
	bool has_mem = has_kind(row, K_E, K_M) || has_kind(row, K_W, K_Q);
	bool regs_are_vectors = has_kind(row, K_V, K_P), rm_is_vector = has_kind(row, K_W, K_U) || has_kind(row, K_Q, K_N);

	*w = (struct fields){ .reg = (int)any_scratch(m), .rm = (int)any_scratch(m), .vvvv = (int)any_scratch(m), .base = -1, .index = -1 };
	if (regs_are_vectors)
		w->reg = m->vector[below(g, VECTORS)];
	if (rm_is_vector)
		w->rm = m->vector[below(g, VECTORS)];
	if (has_kind(row, K_P, K_P))
		w->reg &= 7;
	if (has_kind(row, K_Q, K_N))
		w->rm &= 7;
	if (has_kind(row, K_H, K_H))
		w->vvvv = m->vector[below(g, VECTORS)];
	if (row->attrs & ROW_X87)
		w->rm = (int)below(g, 8);
	if (f->mod == 1 || (f->mod == 0 && has_mem && below(g, 100) < m->memory)) {
		bool aligned = row->attrs & ROW_ALIGN || (row->attrs & ROW_SSE && !one_in(g, 4)) || !strncmp(row->name, "cmpxchg16", 9);

		w->base = (int)any_pointer(m);
		w->disp = displacement(m, aligned);
		if (m->s->index >= 0 && one_in(g, aligned ? 30 : 5)) {
			w->index = m->s->index;
			w->scale = below(g, 4);
		}
	}
}

bool keeps(const struct maker *m, unsigned reg)
{
	return reg == X86_RSP || (m->s->pointers >> reg & 1) || (int)reg == m->s->index || (int)reg == m->s->counter;
}

/* Would it destroy an address, or go astray? */
static bool is_bad(struct maker *m, const struct x86_insn *i)
{
	const struct x86_row *row = i->row;
	const char *name = row->name;
	unsigned written = row->attrs & ROW_READ_ONLY ? 0 : !strcmp(name, "xchg") || !strcmp(name, "xadd") ? 2 : 1;

	for (unsigned n = 0; n < written; n++) {
		if (i->op[n].kind == OPK_GPR && keeps(m, i->op[n].reg))
			return true;
	}
	if (!strcmp(name, "mulx") && keeps(m, i->op[1].reg))
		return true;
	if (!strcmp(name, "xlat"))
		return !(m->s->pointers >> X86_RBX & 1);
	if (!strcmp(name, "leave"))
		return !(m->s->pointers >> X86_RBP & 1);
	if (strstr(name, "maskmov") && !i->has_mem)
		return !(m->s->pointers >> X86_RDI & 1);
	if (name[0] == 'b' && name[1] == 't')
		return i->op[0].kind == OPK_MEM && i->op[1].kind == OPK_GPR;
	if (i->op[0].kind == OPK_STR_SRC || i->op[0].kind == OPK_STR_DST || i->op[1].kind == OPK_STR_SRC || i->op[1].kind == OPK_STR_DST)
		return (m->s->pointers & (1 << X86_RSI | 1 << X86_RDI)) != (1 << X86_RSI | 1 << X86_RDI);
	if (has_kind(row, K_O, K_T) || strstr(name, "ldmxcsr") || !strcmp(name, "fldcw") || !strcmp(name, "popf"))
		return true;
	return i->seg == X86_FS || i->seg == X86_GS;
}

/* What goes before it so that it does something. */
static void prepare(struct maker *m, const struct x86_insn *i)
{
	struct generator *g = m->g;

	reads_flags(m, i->row->flags_read);
	if (i->rep && i->row->attrs & (ROW_REP | ROW_REPZ) && !one_in(g, 16))
		ITEM(m, 0xb9, (uint8_t)(one_in(g, 8) ? below(g, 200) : below(g, 12)), 0, 0, 0);
	if ((!strcmp(i->row->name, "div") || !strcmp(i->row->name, "idiv")) && i->opsize > 1 && !one_in(g, 8))
		ITEM(m, 0xba, (uint8_t)below(g, 2), 0, 0, 0);
}

static void patch_enter(const struct x86_insn *i, uint8_t *bytes)
{
	bytes[i->off_imm] &= 31;
	bytes[i->off_imm + 1] = 0;
	bytes[i->off_imm + 2] &= 3;
}

static uint32_t decode_mode(unsigned mode)
{
	return X86_MODE_PE | X86_MODE_LMA | X86_MODE_SS32 | (mode == CASE_64 ? X86_MODE_CS64 : X86_MODE_CS32);
}

static void note_flags(struct maker *m, const struct x86_row *row)
{
	m->undefined = (m->undefined & ~row->flags_written) | (row->flags_undefined & X86_ARITH);
}

/* A RIP-relative operand (without a base in 32-bit code) instead of [base+disp32]. */
static void without_base(struct maker *m, struct item *i, const struct x86_insn *insn)
{
	uint32_t at = DATA + 256 + (below(m->g, DATA_BYTES - 512) & ~15u);

	i->bytes[insn->off_modrm] = (uint8_t)((insn->modrm & 0x38) | 5);
	i->fix_at = insn->off_disp;
	i->data = at;
	if (m->mode == CASE_64)
		i->fix = FIX_DATA32;
	else
		memcpy(i->bytes + insn->off_disp, &at, 4);
}

bool make_of_class(struct maker *m, enum form_class class)
{
	const struct form_list *l = forms_of(class);
	struct form_ref ref = l->form[below(m->g, l->count)];
	const struct rowform *f = &x86_rowforms[x86_opslots[ref.map][ref.opcode].first + ref.form];
	const struct x86_row *row = &x86_rows[f->row];
	struct x86_insn insn;
	struct fields w;
	uint8_t bytes[15];
	bool direct;
	struct item *i;

	if ((f->mode == 1 && m->mode != CASE_64) || (f->mode == 2 && m->mode == CASE_64))
		return false;
	pick_fields(m, row, f, &w);
	direct = w.base >= 0 && w.index < 0 && (w.base & 7) != X86_RSP && one_in(m->g, 8);
	if (direct)
		w.disp = 0x11223344;
	form_bytes(m->g, bytes, ref.map, ref.opcode, f, m->mode, &w);
	if (x86_decode(&insn, bytes, 15, decode_mode(m->mode)) != X86_DECODED || insn.row != row || insn.addrsize == 2)
		return false;
	if (is_bad(m, &insn) && !one_in(m->g, 40))
		return false;
	if (!strcmp(row->name, "enter"))
		patch_enter(&insn, bytes);
	prepare(m, &insn);
	i = item_of(m, bytes, insn.len);
	if (direct && insn.off_disp)
		without_base(m, i, &insn);
	note_flags(m, row);
	return true;
}

void make_plain(struct maker *m)
{
	unsigned n = below(m->g, m->weights), class = 0;

	while (n >= m->weight[class])
		n -= m->weight[class++];
	for (unsigned tries = 0; tries < 20 && !make_of_class(m, class); tries++)
		continue;
}
