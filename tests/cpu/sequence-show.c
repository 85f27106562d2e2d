/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints a sequence and how its runs ended. */
#include <Zydis/Zydis.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "sequence.h"

static void hex(const uint8_t *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		printf("%02x", p[i]);
}

/* The item that begins at @at, or -1: bytes kinds have instructions that begin anywhere. */
static int item_at(const struct sequence *s, uint32_t at)
{
	for (unsigned i = 0; i < s->count; i++) {
		if (!s->item[i].dropped && s->item[i].at == at)
			return (int)i;
	}
	return -1;
}

static void show_code(const struct sequence *s, const uint8_t *code)
{
	bool is_32 = kind_is_32(s->kind);
	uint32_t at = s->start, end = s->start + s->length;

	printf("#  code, %s, from %08x:\n", kind_names[s->kind], CODE + s->start);
	while (at < end) {
		ZydisDisassembledInstruction z;
		int item = item_at(s, at);
		unsigned len = 1;
		bool ok;

		if (item >= 0)
			is_32 = s->item[item].is_32;
		ok = ZYAN_SUCCESS(ZydisDisassembleIntel(is_32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64, CODE + at, code + at,
							CODE_BYTES - at, &z));
		if (ok)
			len = z.info.length;
		if (item >= 0)
			printf("#   %2d  %08x  ", item, CODE + at);
		else
			printf("#       %08x  ", CODE + at);
		hex(code + at, len);
		printf("%*s%s\n", 2 * (12 - (int)MIN(len, 11u)), "", ok ? z.text : "?");
		at += len;
	}
}

static void show_words(const char *what, const void *p, unsigned words)
{
	printf("#    %-6s", what);
	for (int i = (int)words - 1; i >= 0; i--) {
		uint64_t v;

		memcpy(&v, (const uint8_t *)p + 8 * i, 8);
		printf(" %016llx", (unsigned long long)v);
	}
	putchar('\n');
}

/* What is not as in @not_as (NULL: everything). */
static void show_registers(const struct state *s, const struct state *not_as)
{
	static const char *const names[] = { "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					     "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15" };
	char name[8];

	for (unsigned i = 0; i < 16; i++) {
		if (!not_as || s->gpr[i] != not_as->gpr[i])
			show_words(names[i], &s->gpr[i], 1);
	}
	for (unsigned i = 0; i < 16; i++) {
		snprintf(name, sizeof name, "ymm%u", i);
		if (!not_as || memcmp(&s->ymm[i], &not_as->ymm[i], 32))
			show_words(name, &s->ymm[i], 4);
	}
	for (unsigned i = 0; i < 8; i++) {
		snprintf(name, sizeof name, "st%u", i);
		if (!not_as || memcmp(s->fx + 32 + 16 * i, not_as->fx + 32 + 16 * i, 10))
			show_words(name, s->fx + 32 + 16 * i, 2);
	}
}

static void show_x87(const uint8_t *fx)
{
	uint32_t mxcsr;

	memcpy(&mxcsr, fx + 24, 4);
	printf("#    fcw %02x%02x fsw %02x%02x ftw %02x mxcsr %04x fop %02x%02x ", fx[1], fx[0], fx[3], fx[2], fx[4], mxcsr, fx[7], fx[6]);
	show_words("fip", fx + 8, 2);
}

static void show_outcome(const char *who, const struct outcome *o, const struct state *not_as)
{
	printf("#  %s: vector %d error %x cr2 %llx rip %02x:%llx flags %llx\n", who, o->vector, o->error, (unsigned long long)o->cr2, o->cs,
	       (unsigned long long)o->state.rip, (unsigned long long)o->state.rflags);
	show_registers(&o->state, not_as);
	show_x87(o->state.fx);
}

static void show_bytes(const char *what, uint32_t base, const uint8_t *before, const uint8_t *a, const uint8_t *b, unsigned n, const char *who)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < n && shown < 24; i++) {
		if (a[i] != b[i]) {
			printf("#    %s %08x: before %02x, trace %02x, %s %02x\n", what, base + i, before[i], a[i], who, b[i]);
			shown++;
		}
	}
}

void sequence_show(const struct sequence *s, unsigned run, const struct outcome *got, const struct memory *after, const char *who)
{
	const struct seq_run *r = &s->run[run];

	show_code(s, r->before.code);
	printf("#  begins with flags %llx:\n", (unsigned long long)r->in.rflags);
	show_registers(&r->in, NULL);
	show_x87(r->in.fx);
	printf("#  %u instructions; undefined flags %x\n", r->steps, r->undefined);
	show_outcome("trace", &r->end, &r->in);
	if (!got)
		return;
	show_outcome(who, got, &r->in);
	show_bytes("data", DATA, r->before.data, r->after.data, after->data, DATA_BYTES, who);
	show_bytes("code", CODE, r->before.code, r->after.code, after->code, CODE_BYTES, who);
}
