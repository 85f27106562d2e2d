/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* States and memory that sequences begin with: registers with addresses mostly where memory is, and at its edges. */
#include <glib.h>
#include <string.h>

#include "sequence.h"

static uint64_t address(struct generator *g, bool wide)
{
	switch (below(g, 32)) {
	case 0: return DATA + DATA_BYTES - below(g, 48);        /* into the hole behind */
	case 1: return DATA + below(g, 48) - 24;                /* from the hole before */
	case 2: return DATA_RO + 512 + below(g, 2048);
	case 3: return CODE + below(g, CODE_BYTES);
	case 4: return wide ? 0x7ffffffffff0 + below(g, 32) : UINT32_MAX - below(g, 32);
	case 5: return wide ? bits64(g) : bits32(g);
	case 6: case 7: case 8: case 9: return DATA + 4096 - below(g, 64);
	case 10: case 11: case 12: case 13: return DATA + 512 + below(g, DATA_BYTES - 1024);
	default: return DATA + 512 + (below(g, DATA_BYTES - 1024) & ~63u);
	}
}

static void fill(struct generator *g, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = i & 8 ? integer(g) : bits64(g);

		memcpy(to + i, &v, 8);
	}
}

static void state_of_run(struct generator *g, const struct sequence *s, struct state *to)
{
	bool wide = !kind_is_32(s->kind);

	memset(to, 0, sizeof *to);
	for (unsigned i = 0; i < 16; i++) {
		bool is_pointer = s->pointers >> i & 1 || (kind_is_bytes(s->kind) && one_in(g, 2));

		to->gpr[i] = is_pointer ? address(g, wide) : integer(g);
		vector(g, &to->ymm[i]);
	}
	if (s->index >= 0)
		to->gpr[s->index] = one_in(g, 16) ? integer(g) : below(g, 32);
	if (s->counter >= 0)
		to->gpr[s->counter] = one_in(g, 8) ? below(g, 60) : below(g, 6);
	to->gpr[X86_RSP] = one_in(g, 16) ? address(g, wide) : DATA + 4096 + (below(g, 2048) & ~7u) - 1024;
	for (unsigned i = 0; i < 16 && !wide; i++)
		to->gpr[i] = i < 8 ? (uint32_t)to->gpr[i] : 0;
	to->rflags = 0x202 | (bits32(g) & X86_ARITH);
	if (one_in(g, 16))
		to->rflags |= X86_DF;
	if (one_in(g, 24))
		to->rflags |= X86_AC;
	x87_state(g, to->fx);
	to->rip = CODE + s->start;
}

void sequence_states(struct generator *g, struct sequence *s)
{
	for (unsigned r = 0; r < RUNS; r++) {
		state_of_run(g, s, &s->run[r].in);
		fill(g, s->run[r].before.data, DATA_BYTES);
	}
}
