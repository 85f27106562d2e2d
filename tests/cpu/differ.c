/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The differential processor test: every form of the instruction table, random
 * state, in the engine and on the host.  `-m quick` (default) runs each form at
 * least 200 times, `-m slow` 20,000 times.  `-s NAME` runs one row by name,
 * `--sequence=N` another sequence.
 */
#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accel/engine/engine.h"
#include "case.h"
#include "decode-tables.h"

enum { BATCH = 1024, SHOWN = 3 };

struct run {
	struct generator *gen;
	struct guest *guest;
	struct test_case *batch;        /* BATCH, shared with the child */
	unsigned filled;
	unsigned per_form;
	unsigned *cases, *bad, *died;   /* by row */
	unsigned unsteady;              /* cases that the host answered otherwise the second time */
	unsigned forms, forms_short, total;
	GString *short_list;
	unsigned mode;
	const char *only;
};

/* ---- comparing ---- */

/* Results that the manuals leave to the processor: how far they may differ. */
static bool is_estimate(const struct x86_row *row)
{
	return strstr(row->name, "rcpp") || strstr(row->name, "rcps") || strstr(row->name, "rsqrt");
}

static bool is_transcendental(const struct x86_row *row)
{
	static const char *const names[] = { "f2xm1", "fyl2x", "fyl2xp1", "fptan", "fpatan", "fsin", "fcos", "fsincos" };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		if (!strcmp(row->name, names[i]))
			return true;
	}
	return false;
}

static bool near_float(uint32_t a, uint32_t b)
{
	float x, y;

	if (a == b)
		return true;
	memcpy(&x, &a, 4);
	memcpy(&y, &b, 4);
	return fabsf(x - y) <= fabsf(x) * 0.000732f;   /* both within 1.5 * 2^-12 of the truth */
}

static bool same_ymm(const struct x86_row *row, const union x86_vec *a, const union x86_vec *b)
{
	if (!is_estimate(row))
		return !memcmp(a, b, 32);
	for (unsigned i = 0; i < 8; i++) {
		if (!near_float(a->d[i], b->d[i]))
			return false;
	}
	return true;
}

/* Position of a normal x87 value among all of its sign. */
static __uint128_t ordinal(const uint8_t *st)
{
	uint64_t frac;
	uint16_t se;

	memcpy(&frac, st, 8);
	memcpy(&se, st + 8, 2);
	return ((__uint128_t)(se & 0x7fff) << 63) + (frac & INT64_MAX);
}

/* x87 results of the transcendental instructions: one unit in the last place on each side. */
static bool same_st(const struct x86_row *row, const uint8_t *a, const uint8_t *b)
{
	__uint128_t x = ordinal(a), y = ordinal(b);

	if (!memcmp(a, b, 10))
		return true;
	return is_transcendental(row) && !((a[9] ^ b[9]) & 0x80) && (x > y ? x - y : y - x) <= 2;
}

/* C0, C2, C3 after most x87 instructions, C1 after estimates: undefined. */
static uint16_t fsw_mask(const struct x86_row *row)
{
	return is_transcendental(row) ? 0xfdcf : 0xffff;
}

static uint64_t flags_mask(const struct x86_row *row) { return (X86_ARITH | X86_DF) & ~(uint64_t)row->flags_undefined; }

/*
 * The host's kernel claims from its last user page upwards that every page is
 * present; and the harness' own pages are there on one side only.
 */
static uint32_t error_mask(uint64_t cr2)
{
	return cr2 >= 0x7ffffffff000 || (cr2 >= HARNESS && cr2 < HARNESS_END) ? ~1u : ~0u;
}

/* x87 environments, PUSHA and POPA are many accesses, CMPS two: which comes first is the processor's choice. */
static uint64_t address_mask(const struct x86_row *row)
{
	if (!strcmp(row->name, "cmps"))
		return 0;
	return !strcmp(row->name, "fldenv") || !strcmp(row->name, "fnstenv") || !strcmp(row->name, "pusha") || !strcmp(row->name, "popa")
	       ? ~4095ull : ~0ull;
}

/* SHLD and SHRD by more than the operand has bits. */
static bool result_undefined(const struct test_case *t)
{
	const struct x86_insn *i = &t->insn;
	const char *name = i->row->name;
	uint64_t count = i->op[2].kind == OPK_GPR ? t->in.gpr[X86_RCX] : i->imm;

	return (!strcmp(name, "shld") || !strcmp(name, "shrd")) && i->opsize == 2 && (count & 31) > 16;
}

/* How far a gather is done that faults in its middle is the processor's affair; and a POPA. */
static bool is_torn(const struct test_case *t, const char *name)
{
	return t->host.vector >= 0 && strstr(x86_rows[t->row].name, name);
}

/* Name of the first thing that differs, or NULL. */
static const char *difference(const struct test_case *t)
{
	const struct x86_row *row = &x86_rows[t->row];
	const struct outcome *h = &t->host, *o = &t->ours;
	const struct state *a = &h->state, *b = &o->state;
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
					     "r13", "r14", "r15" };
	uint16_t fsw[2];

	if (h->vector != o->vector)
		return "vector";
	if (h->vector == 14 && (((h->error ^ o->error) & error_mask(h->cr2)) ||
				((h->cr2 ^ o->cr2) & address_mask(row))))
		return "page fault";
	if (result_undefined(t))
		return NULL;
	if (a->rip != b->rip)
		return "rip";
	for (unsigned i = 0; i < (t->mode == CASE_64 ? 16u : 8u) && !is_torn(t, "popa"); i++) {
		if (a->gpr[i] != b->gpr[i] && (t->mode == CASE_64 || (uint32_t)(a->gpr[i] ^ b->gpr[i])))
			return names[i];
	}
	if ((a->rflags ^ b->rflags) & (h->vector >= 0 ? X86_ARITH | X86_DF : flags_mask(row)))
		return "flags";
	if (memcmp(a->memory, b->memory, WINDOW))
		return "memory";
	for (unsigned i = 0; i < (t->mode == CASE_64 ? 16u : 8u) && !is_torn(t, "gather"); i++) {
		if (!same_ymm(row, &a->ymm[i], &b->ymm[i]))
			return "ymm";
	}
	if (memcmp(a->fx, b->fx, 2))
		return "fcw";
	memcpy(&fsw[0], a->fx + 2, 2);
	memcpy(&fsw[1], b->fx + 2, 2);
	if ((fsw[0] ^ fsw[1]) & fsw_mask(row))
		return "fsw";
	if (a->fx[4] != b->fx[4])
		return "ftw";
	if (memcmp(a->fx + 24, b->fx + 24, 4))
		return "mxcsr";
	for (unsigned i = 0; i < 8; i++) {
		if (!same_st(row, a->fx + 32 + 16 * i, b->fx + 32 + 16 * i))
			return "st";
	}
	return NULL;
}

/* ---- showing ---- */

static void show_bytes(const char *what, const uint8_t *p, unsigned n)
{
	printf("#   %s", what);
	for (unsigned i = 0; i < n; i++)
		printf("%02x%s", p[i], i % 16 == 15 ? " " : "");
	putchar('\n');
}

static void show_state(const char *what, const struct outcome *o, const struct state *s, const struct state *in)
{
	printf("#  %s: vector %d error %x cr2 %llx rip %llx flags %llx\n", what, o ? o->vector : -1, o ? o->error : 0,
	       o ? (unsigned long long)o->cr2 : 0, (unsigned long long)s->rip, (unsigned long long)s->rflags);
	for (unsigned i = 0; i < 16; i++) {
		if (!in || s->gpr[i] != in->gpr[i])
			printf("#   gpr%u %016llx\n", i, (unsigned long long)s->gpr[i]);
	}
	for (unsigned i = 0; i < 16; i++) {
		if (in && memcmp(&s->ymm[i], &in->ymm[i], 32)) {
			printf("#   ymm%u", i);
			for (int q = 3; q >= 0; q--)
				printf(" %016llx", (unsigned long long)s->ymm[i].q[q]);
			putchar('\n');
		}
	}
	show_bytes("fcw fsw ftw ", s->fx, 5);
	show_bytes("mxcsr ", s->fx + 24, 4);
	for (unsigned i = 0; i < 8; i++) {
		if (in && memcmp(s->fx + 32 + 16 * i, in->fx + 32 + 16 * i, 10))
			show_bytes("st ", s->fx + 32 + 16 * i, 10);
	}
	if (in && memcmp(s->memory, in->memory, WINDOW))
		show_bytes("memory ", s->memory, WINDOW);
}

static void show_operand_vectors(const struct test_case *t)
{
	for (unsigned n = 0; n < t->insn.opcount; n++) {
		const struct x86_opnd *op = &t->insn.op[n];

		if (op->kind == OPK_XMM) {
			printf("#   in ymm%u", op->reg);
			for (int q = 3; q >= 0; q--)
				printf(" %016llx", (unsigned long long)t->in.ymm[op->reg].q[q]);
			putchar('\n');
		}
	}
}

static void show(const struct test_case *t, const char *what)
{
	printf("# DIFF %s: %s, mode %d, window %llx\n", x86_rows[t->row].name, what, t->mode == CASE_64 ? 64 : 32,
	       (unsigned long long)t->window);
	show_bytes("code ", t->code, t->len);
	show_state("in", NULL, &t->in, NULL);
	show_operand_vectors(t);
	show_bytes("st0 ", t->in.fx + 32, 10);
	show_bytes("st1 ", t->in.fx + 48, 10);
	show_bytes("memory ", t->in.memory, WINDOW);
	show_state("host", &t->host, &t->host.state, &t->in);
	show_state("ours", &t->ours, &t->ours.state, &t->in);
}

/* ---- running ---- */

/* Runs the batch in children; a child that dies is replaced behind the case that killed it. */
static void run_native(struct run *r)
{
	unsigned next = 0;

	while (next < r->filled) {
		int status;
		pid_t p;

		fflush(stdout);
		p = fork();
		if (!p) {
			native_map();
			for (unsigned i = next; i < r->filled; i++)
				native_run(&r->batch[i]);
			_exit(0);
		}
		g_assert_cmpint(waitpid(p, &status, 0), ==, p);
		while (next < r->filled && r->batch[next].host.ran)
			next++;
		if (next < r->filled) {
			r->died[r->batch[next].row]++;
			next++;
		}
	}
}

/*
 * Once in some ten million cases a host takes a fault that has no cause in the
 * instruction.  A difference counts if the host repeats it.
 */
static const char *confirmed(struct run *r, struct test_case *t, const char *d)
{
	struct test_case *saved = g_memdup2(r->batch, sizeof *r->batch);
	unsigned filled = r->filled;
	const char *again;

	r->batch[0] = *t;
	memset(&r->batch[0].host, 0, sizeof r->batch[0].host);
	r->filled = 1;
	run_native(r);
	again = r->batch[0].host.ran ? difference(&r->batch[0]) : d;
	if (!again) {
		printf("# unsteady host: %s, %s\n", x86_rows[t->row].name, d);
		r->unsteady++;
	}
	r->filled = filled;
	if (t != r->batch)
		r->batch[0] = *saved;
	g_free(saved);
	return again;
}

static void flush(struct run *r)
{
	run_native(r);
	for (unsigned i = 0; i < r->filled; i++) {
		struct test_case *t = &r->batch[i];
		const char *d;

		r->cases[t->row]++;
		r->total++;
		if (!t->host.ran)
			continue;
		guest_run(r->guest, t);
		if (t->ours.vector == X86_PFAULT && in_shadow(t->ours.cr2))
			continue;
		d = difference(t);
		if (d)
			d = confirmed(r, t, d);
		if (d && r->bad[t->row]++ < SHOWN)
			show(t, d);
	}
	r->filled = 0;
}

static void run_form(struct run *r, unsigned map, unsigned opcode, unsigned form)
{
	const struct x86_row *row = &x86_rows[x86_rowforms[x86_opslots[map][opcode].first + form].row];
	unsigned made = 0, mode_only = x86_rowforms[x86_opslots[map][opcode].first + form].mode;

	if (row_excluded(row) || (r->only && strcmp(r->only, row->name)))
		return;
	if ((mode_only == 1 && r->mode == CASE_32) || (mode_only == 2 && r->mode == CASE_64))
		return;
	/* Without REX.B this XCHG is NOP. */
	if (r->mode == CASE_32 && map == 0 && opcode == 0x90 && !strcmp(row->name, "xchg"))
		return;
	r->forms++;
	for (unsigned tries = 0; made < r->per_form && tries < 40 * r->per_form; tries++) {
		struct test_case *t = &r->batch[r->filled];

		if (!generate_case(r->gen, t, map, opcode, form, r->mode))
			continue;
		memset(&t->host, 0, sizeof t->host);
		made++;
		if (++r->filled == BATCH)
			flush(r);
	}
	if (made < r->per_form) {
		r->forms_short++;
		g_string_append_printf(r->short_list, " %s(%u:%02x)=%u", row->name, map, opcode, made);
	}
}

static guint64 seed = 1;
static char *only_name;
static const char *engine = "interp";

/* Rows that exist only outside 64-bit mode: nothing on this host can check them. */
static void skip_32(void)
{
	GString *names = g_string_new("this host has no 32-bit code segment; not run natively:");

	for (unsigned map = 0; map < 7; map++) {
		for (unsigned op = 0; op < 256; op++) {
			const struct opslot *slot = &x86_opslots[map][op];

			for (unsigned form = 0; form < slot->count; form++) {
				if (x86_rowforms[slot->first + form].mode == 2)
					g_string_append_printf(names, " %s(%02x)", x86_rows[x86_rowforms[slot->first + form].row].name, op);
			}
		}
	}
	g_test_skip(names->str);
	g_string_free(names, TRUE);
}

static void test_mode(gconstpointer data)
{
	unsigned mode = GPOINTER_TO_UINT(data), bad = 0, died = 0;
	struct run r = { .mode = mode, .per_form = g_test_slow() ? 20000 : 200, .only = only_name };

	if (mode == CASE_32 && !native_has_32()) {
		skip_32();
		return;
	}
	r.gen = generator_new(seed);
	r.guest = guest_new(engine_find(engine));
	r.batch = mmap(NULL, BATCH * sizeof *r.batch, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r.cases = g_new0(unsigned, x86_row_count);
	r.bad = g_new0(unsigned, x86_row_count);
	r.died = g_new0(unsigned, x86_row_count);
	r.short_list = g_string_new(NULL);
	for (unsigned map = 0; map < 7; map++) {
		for (unsigned op = 0; op < 256; op++) {
			for (unsigned form = 0; form < x86_opslots[map][op].count; form++)
				run_form(&r, map, op, form);
		}
	}
	flush(&r);
	for (unsigned i = 0; i < x86_row_count; i++) {
		if (r.bad[i] || r.died[i])
			printf("# row %s: %u of %u differ, %u killed the child\n", x86_rows[i].name, r.bad[i], r.cases[i], r.died[i]);
		bad += r.bad[i];
		died += r.died[i];
	}
	g_test_message("%u forms, %u cases, %u differ; short of cases: %u%s", r.forms, r.total, bad, r.forms_short, r.short_list->str);
	g_assert_cmpuint(r.unsteady, <=, 1 + r.total / 1000000);
	g_assert_cmpuint(bad, ==, 0);
	g_assert_cmpuint(died, ==, 0);
	g_assert_cmpuint(r.forms_short, ==, 0);
	g_string_free(r.short_list, TRUE);
	munmap(r.batch, BATCH * sizeof *r.batch);
	guest_free(r.guest);
	generator_free(r.gen);
	g_free(r.cases);
	g_free(r.bad);
	g_free(r.died);
}

/* What only other tests can check; each with its reason, in the log. */
static void list_excluded(void)
{
	for (unsigned i = 0; i < x86_row_count; i++) {
		const char *why = row_excluded(&x86_rows[i]);

		if (why)
			printf("# not run natively: %s (%s)\n", x86_rows[i].name, why);
	}
}

int main(int argc, char **argv)
{
	const GOptionEntry entries[] = {
		{ "sequence", 0, 0, G_OPTION_ARG_INT64, &seed, "start of the random sequence", "N" },
		{ "engine", 0, 0, G_OPTION_ARG_STRING, &engine, "what runs the cases", "NAME" },
		{ "row", 0, 0, G_OPTION_ARG_STRING, &only_name, "run only the rows of this name", "NAME" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *o = g_option_context_new(NULL);

	g_test_init(&argc, &argv, NULL);
	g_option_context_add_main_entries(o, entries, NULL);
	if (!g_option_context_parse(o, &argc, &argv, NULL))
		return 2;
	g_option_context_free(o);
	if (!engine_find(engine))
		return 2;
	list_excluded();
	g_test_add_data_func("/cpu/differ/64", GUINT_TO_POINTER(CASE_64), test_mode);
	g_test_add_data_func("/cpu/differ/32", GUINT_TO_POINTER(CASE_32), test_mode);
	return g_test_run();
}
