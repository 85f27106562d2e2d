/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compares how a run ended with its trace. */
#include <glib.h>
#include <string.h>

#include "sequence.h"

static const char *const gpr_names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					 "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };

/*
 * The host's kernel claims from its last user page upwards that every page is
 * present; and the harness' own pages are there on one side only.
 */
static uint32_t error_mask(uint64_t cr2, bool host)
{
	return host && (cr2 >= 0x7ffffffff000 || (cr2 >= HARNESS && cr2 < HARNESS_END)) ? ~1u : ~0u;
}

static bool has_error_code(int vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

static const char *event_differs(const struct outcome *a, const struct outcome *b, bool host)
{
	if (a->vector != b->vector)
		return "vector";
	if (has_error_code(a->vector) && (a->error ^ b->error) & error_mask(a->vector == X86_PFAULT ? a->cr2 : 0, host))
		return "error code";
	if ((a->vector == X86_PFAULT || !host) && a->cr2 != b->cr2)
		return "cr2";
	if (a->state.rip != b->state.rip)
		return "rip";
	return a->cs != b->cs ? "cs" : NULL;
}

/* FXSAVE images.  The host does not keep the last instruction's address unless it has an exception. */
static const char *x87_differs(const uint8_t *a, const uint8_t *b, bool host)
{
	if (memcmp(a, b, 2))
		return "fcw";
	if (memcmp(a + 2, b + 2, 2))
		return "fsw";
	if (a[4] != b[4])
		return "ftw";
	if (!host && memcmp(a + 6, b + 6, 18))
		return "x87 instruction or data pointer";
	if (memcmp(a + 24, b + 24, 4))
		return "mxcsr";
	for (unsigned i = 0; i < 8; i++) {
		if (memcmp(a + 32 + 16 * i, b + 32 + 16 * i, 10))
			return "st";
	}
	return NULL;
}

/* Of 32-bit code that never leaves it, the upper halves and registers are nobody's. */
const char *outcome_differs(const struct seq_run *r, const struct outcome *o, const struct memory *m, bool host)
{
	const struct state *a = &r->end.state, *b = &o->state;
	const uint64_t flags = X86_ARITH | X86_TF | X86_IF | X86_DF | X86_NT | X86_RF | X86_AC | X86_ID;
	const char *what = event_differs(&r->end, o, host);

	if (what)
		return what;
	for (unsigned i = 0; i < 16; i++) {
		if (a->gpr[i] != b->gpr[i])
			return gpr_names[i];
	}
	if ((a->rflags ^ b->rflags) & flags & ~r->undefined)
		return "flags";
	if (memcmp(r->after.data, m->data, DATA_BYTES))
		return "data";
	if (memcmp(r->after.code, m->code, CODE_BYTES))
		return "code";
	for (unsigned i = 0; i < 16 && !r->torn; i++) {
		if (memcmp(&a->ymm[i], &b->ymm[i], 32))
			return "ymm";
	}
	return x87_differs(a->fx, b->fx, host);
}

void system_state(struct guest *g, struct system_state *to)
{
	const struct x86_cpu *c = guest_cpu(g);

	memcpy(to->seg, c->seg, sizeof to->seg);
	memcpy(to->control, (const uint64_t[]){ c->cr0, c->cr3, c->cr4, c->efer, c->xcr0, c->kernel_gs_base }, sizeof to->control);
	memcpy(to->dr, c->dr, sizeof to->dr);
	memcpy(to->msr, (const uint64_t[]){ c->star, c->lstar, c->cstar, c->sfmask, c->tsc_aux, c->sysenter_cs, c->sysenter_esp, c->sysenter_eip },
	       sizeof to->msr);
	to->shadow = c->interrupt_shadow;
}

const char *system_differs(const struct system_state *a, const struct system_state *b)
{
	for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
		const struct x86_seg *s = &a->seg[i], *t = &b->seg[i];

		if (s->base != t->base || s->limit != t->limit || s->attr != t->attr || s->sel != t->sel)
			return "segment registers";
	}
	if (memcmp(a->control, b->control, sizeof a->control))
		return "control registers";
	if (memcmp(a->dr, b->dr, sizeof a->dr))
		return "debug registers";
	if (memcmp(a->msr, b->msr, sizeof a->msr))
		return "MSRs";
	return a->shadow != b->shadow ? "interrupt shadow" : NULL;
}
