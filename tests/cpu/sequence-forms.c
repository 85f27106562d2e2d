/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms of the instruction table, sorted by what they do in a sequence. */
#include <glib.h>
#include <string.h>

#include "sequence.h"

static bool is_any(const struct x86_row *row, const char *const *names)
{
	for (; *names; names++) {
		if (!strcmp(row->name, *names))
			return true;
	}
	return false;
}

bool row_inexact(const struct x86_row *row)
{
	static const char *const names[] = { "f2xm1", "fyl2x", "fyl2xp1", "fptan", "fpatan", "fsin", "fcos", "fsincos", "rdrand", "rdseed", NULL };

	return strstr(row->name, "rcpp") || strstr(row->name, "rcps") || strstr(row->name, "rsqrt") || is_any(row, names);
}

static enum form_class class_of(const struct x86_row *row)
{
	static const char *const system[] = { "in", "out", "ins", "outs", "cli", "sti", NULL };
	static const char *const stack[] = { "push", "pop", "pusha", "popa", "pushf", "popf", "enter", "leave", NULL };

	if (is_any(row, stack) && !row_excluded(row))
		return CLASS_STACK;
	if (row_excluded(row) || is_any(row, system) || row->attrs & (ROW_END | ROW_CPL0 | ROW_UD_USER))
		return CLASS_SYSTEM;
	if (row->attrs & ROW_SSE)
		return CLASS_SSE;
	if (row->attrs & ROW_AVX)
		return CLASS_AVX;
	if (row->attrs & ROW_MMX)
		return CLASS_MMX;
	if (row->attrs & ROW_X87)
		return CLASS_X87;
	if (row->attrs & (ROW_REP | ROW_REPZ))
		return CLASS_STRING;
	if (row->flags_read & X86_ARITH)
		return CLASS_CONSUMER;
	return row->flags_written & X86_ARITH ? CLASS_PRODUCER : CLASS_MOVE;
}

static void add(struct form_list *l, struct form_ref f)
{
	l->form = g_renew(struct form_ref, l->form, l->count + 1);
	l->form[l->count++] = f;
}

static void sort_forms(struct form_list *to)
{
	for (unsigned map = 0; map < 7; map++) {
		for (unsigned op = 0; op < 256; op++) {
			const struct opslot *slot = &x86_opslots[map][op];

			for (unsigned i = 0; i < slot->count; i++) {
				const struct x86_row *row = &x86_rows[x86_rowforms[slot->first + i].row];

				if (!(row->attrs & ROW_BRANCH) && !row_inexact(row))
					add(&to[class_of(row)], (struct form_ref){ (uint8_t)map, (uint8_t)op, (uint8_t)i });
			}
		}
	}
}

const struct form_list *forms_of(enum form_class class)
{
	static struct form_list lists[CLASS_COUNT];

	if (!lists[0].count)
		sort_forms(lists);
	return &lists[class];
}
