/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Monitor commands that look into a virtual processor and its memory. */
#include <inttypes.h>
#include <string.h>

#include "disassemble.h"
#include "hmp.h"
#include "system/vmm.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"

static void say(GString *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(GString *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_string_append_vprintf(out, format, ap);
	va_end(ap);
}

/* ---- info registers ---- */

static bool wide(const struct x86_cpu *c)
{
	return c->mode & X86_MODE_CS64;
}

/* Bits 31:8 of the descriptor's upper half, with the limit's top bits in place. */
static uint32_t descriptor_flags(const struct x86_seg *s)
{
	uint32_t top = s->attr & SEG_G ? s->limit >> 28 : (s->limit >> 16) & 15;

	return ((s->attr & 0xffff) << 8) | top << 16;
}

static void say_code(GString *out, const struct x86_seg *s)
{
	say(out, "%s [%c%c%c]", s->attr & SEG_L ? "CS64" : s->attr & SEG_DB ? "CS32" : "CS16",
	    s->attr & SEG_CONFORMING ? 'C' : '-', s->attr & SEG_READABLE ? 'R' : '-',
	    s->attr & SEG_ACCESSED ? 'A' : '-');
}

static void say_data(GString *out, const struct x86_cpu *c, const struct x86_seg *s)
{
	say(out, "%s [%c%c%c]", s->attr & SEG_DB || c->mode & X86_MODE_LMA ? "DS  " : "DS16",
	    s->attr & SEG_EXPAND_DOWN ? 'E' : '-', s->attr & SEG_WRITABLE ? 'W' : '-',
	    s->attr & SEG_ACCESSED ? 'A' : '-');
}

static void say_system(GString *out, const struct x86_cpu *c, const struct x86_seg *s)
{
	static const char *const names[16] = {
		[1] = "TSS16-avl", [2] = "LDT", [3] = "TSS16-busy", [9] = "TSS32-avl", [11] = "TSS32-busy",
	};
	unsigned type = s->attr & SEG_TYPE;

	if (c->mode & X86_MODE_LMA && (type == 9 || type == 11))
		say(out, type == 9 ? "TSS64-avl" : "TSS64-busy");
	else
		say(out, "%s", names[type] ? names[type] : "Reserved");
}

static void say_segment(GString *out, const struct x86_cpu *c, const char *name, const struct x86_seg *s)
{
	say(out, wide(c) ? "%-3s=%04x %016" PRIx64 " %08x %08x" : "%-3s=%04x %08" PRIx64 " %08x %08x", name,
	    s->sel, s->base, s->limit, descriptor_flags(s));
	if (c->mode & X86_MODE_PE && s->attr & SEG_P && !(s->attr & SEG_UNUSABLE)) {
		say(out, " DPL=%d ", (s->attr & SEG_DPL) >> SEG_DPL_SHIFT);
		if (!(s->attr & SEG_S))
			say_system(out, c, s);
		else if (s->attr & SEG_CODE)
			say_code(out, s);
		else
			say_data(out, c, s);
	}
	say(out, "\n");
}

static void say_flags(GString *out, const struct x86_cpu *c)
{
	uint64_t f = x86_flags_get(c);
	static const struct { uint32_t bit; char letter; } letters[] = {
		{ X86_DF, 'D' }, { X86_OF, 'O' }, { X86_SF, 'S' }, { X86_ZF, 'Z' }, { X86_AF, 'A' },
		{ X86_PF, 'P' }, { X86_CF, 'C' },
	};

	say(out, wide(c) ? "RIP=%016" PRIx64 " RFL=%08" PRIx64 " [" : "EIP=%08" PRIx64 " EFL=%08" PRIx64 " [",
	    c->rip, f);
	for (size_t i = 0; i < G_N_ELEMENTS(letters); i++)
		g_string_append_c(out, f & letters[i].bit ? letters[i].letter : '-');
	say(out, "] CPL=%u II=%u A20=1 SMM=0 HLT=%d\n", x86_cpl(c), c->interrupt_shadow,
	    c->activity == X86_HALTED || c->activity == X86_IDLE);
}

static void say_gprs(GString *out, const struct x86_cpu *c)
{
	static const uint8_t order[] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX, X86_RSI, X86_RDI, X86_RBP, X86_RSP };
	static const char *const names[] = { "AX", "BX", "CX", "DX", "SI", "DI", "BP", "SP" };

	for (unsigned i = 0; i < 8; i++) {
		say(out, wide(c) ? "R%s=%016" PRIx64 "%c" : "E%s=%08" PRIx64 "%c", names[i], c->gpr[order[i]],
		    i % 4 == 3 ? '\n' : ' ');
	}
	for (unsigned i = 8; wide(c) && i < 16; i++)
		say(out, "R%-2u=%016" PRIx64 "%c", i, c->gpr[i], i % 4 == 3 ? '\n' : ' ');
}

static void say_tables(GString *out, const struct x86_cpu *c)
{
	const char *table = wide(c) ? "%s=     %016" PRIx64 " %08x\n" : "%s=     %08" PRIx64 " %08x\n";

	say(out, table, "GDT", c->gdt.base, c->gdt.limit);
	say(out, table, "IDT", c->idt.base, c->idt.limit);
	if (wide(c))
		say(out, "CR0=%08x CR2=%016" PRIx64 " CR3=%016" PRIx64 " CR4=%08x\n", (uint32_t)c->cr0, c->cr2,
		    c->cr3, (uint32_t)c->cr4);
	else
		say(out, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x\n", (uint32_t)c->cr0, (uint32_t)c->cr2,
		    (uint32_t)c->cr3, (uint32_t)c->cr4);
	for (unsigned i = 0; i < 4; i++)
		say(out, "DR%u=%016" PRIx64 " ", i, c->dr[i]);
	say(out, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\nEFER=%016" PRIx64 "\n", c->dr[6], c->dr[7], c->efer);
}

static void say_fpu(GString *out, const struct x86_cpu *c)
{
	unsigned vectors = wide(c) ? 16 : 8;

	say(out, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n", c->fpu.fcw,
	    (c->fpu.fsw & ~0x3800) | c->fpu.top << 11, c->fpu.top, (uint8_t)~c->fpu.empty, c->mxcsr);
	for (unsigned i = 0; i < 8; i++)
		say(out, "FPR%u=%016" PRIx64 " %04x%c", i, c->fpu.r[i].frac, c->fpu.r[i].se, i & 1 ? '\n' : ' ');
	for (unsigned i = 0; i < vectors; i++)
		say(out, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c", i, c->ymm[i].q[1], c->ymm[i].q[0],
		    i & 1 ? '\n' : ' ');
}

static void say_registers(struct vp *vp, void *o)
{
	static const char *const names[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
	const struct x86_cpu *c = vp_cpu(vp);
	GString *out = o;

	say_gprs(out, c);
	say_flags(out, c);
	for (unsigned i = 0; i < X86_SEG_COUNT; i++)
		say_segment(out, c, names[i], &c->seg[i]);
	say_segment(out, c, "LDT", &c->ldt);
	say_segment(out, c, "TR", &c->tr);
	say_tables(out, c);
	say_fpu(out, c);
}

static void info_registers(struct hmp_call *c)
{
	bool all = !strcmp(c->args, "-a");
	struct vp *vp;

	for (unsigned i = all ? 0 : *c->cpu; (vp = vmm_vp(c->vmm, i)); i++) {
		say(c->out, "\nCPU#%u\n", i);
		vp_call(vp, say_registers, c->out);
		if (!all)
			return;
	}
	if (!all)
		hmp_vp(c);
}

static void cpu(struct hmp_call *c)
{
	guint64 n;

	if (g_ascii_string_to_unsigned(c->args, 10, 0, G_MAXUINT, &n, NULL) && vmm_vp(c->vmm, n))
		*c->cpu = n;
	else
		say(c->out, "invalid CPU index\n");
}

/* ---- page tables ---- */

enum { PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_PS = 1 << 7 };
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS UINT64_C(0x000ffffffffff000)

struct walk {
	struct partition *partition;
	struct x86_cpu *cpu;
	unsigned bits[5];            /* index bits per level, top first */
	unsigned levels, entry;      /* bytes per entry */
	/* One mapped page: @flags has P, A, D, G, ... of the last entry; W and U and NX of the whole way. */
	void (*page)(struct walk *w, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags);
	GString *out;
	uint64_t start, end, flags;  /* run of equal rights (info mem) */
	bool full;                   /* enough printed */
};

enum { OUTPUT_MAX = 4 << 20 };

static bool set_levels(struct walk *w)
{
	const struct x86_cpu *c = w->cpu;
	static const unsigned long_mode[] = { 9, 9, 9, 9, 9 };
	static const unsigned pae[] = { 2, 9, 9 }, legacy[] = { 10, 10 };

	if (!(c->cr0 & CR0_PG))
		return false;
	if (c->efer & EFER_LMA) {
		w->levels = c->cr4 & CR4_LA57 ? 5 : 4;
		memcpy(w->bits, long_mode, sizeof long_mode);
	} else if (c->cr4 & CR4_PAE) {
		w->levels = 3;
		memcpy(w->bits, pae, sizeof pae);
	} else {
		w->levels = 2;
		memcpy(w->bits, legacy, sizeof legacy);
	}
	w->entry = w->levels == 2 ? 4 : 8;
	return true;
}

static uint64_t sign_extend(const struct walk *w, uint64_t va)
{
	unsigned top = w->levels == 5 ? 56 : 47;

	return w->levels > 3 && va >> top & 1 ? va | ~UINT64_C(0) << top : va;
}

/* Low bits of @va that a page at @level (0: top) leaves free. */
static unsigned shift_at(const struct walk *w, unsigned level)
{
	unsigned shift = 12;

	for (unsigned i = level + 1; i < w->levels; i++)
		shift += w->bits[i];
	return shift;
}

static bool is_page(const struct walk *w, unsigned level, uint64_t e)
{
	if (level + 1 == w->levels)
		return true;
	if (!(e & PTE_PS))
		return false;
	return w->levels == 2 ? w->cpu->cr4 & CR4_PSE : level + 3 >= w->levels && !(w->levels == 3 && !level);
}

static uint64_t page_address(const struct walk *w, uint64_t e, unsigned shift)
{
	if (w->levels == 2 && shift == 22)   /* PSE-36 keeps bits 39:32 at 20:13 */
		return (e & 0xffc00000) | (e & 0x1fe000) << 19;
	return e & PTE_ADDRESS & ~UINT64_C(0) << shift;
}

static void walk_table(struct walk *w, uint64_t table, unsigned level, uint64_t va, uint64_t rights)
{
	unsigned n = 1u << w->bits[level], shift = shift_at(w, level);
	uint8_t bytes[4096];

	if (!partition_read(w->partition, (gpa_t){ table }, bytes, n * w->entry))
		return;
	for (unsigned i = 0; i < n && !w->full; i++) {
		uint64_t e = 0, at = sign_extend(w, va | (uint64_t)i << shift), r;

		memcpy(&e, bytes + i * w->entry, w->entry);
		if (!(e & PTE_P))
			continue;
		r = rights;
		/* The four top entries of PAE have no rights of their own. */
		if (w->levels != 3 || level)
			r = (r & (e | ~(uint64_t)(PTE_W | PTE_U))) | (e & PTE_NX);
		if (is_page(w, level, e))
			w->page(w, at, page_address(w, e, shift), UINT64_C(1) << shift,
				(e & ~(PTE_W | PTE_U | PTE_NX)) | r);
		else
			walk_table(w, e & (w->levels == 2 ? 0xfffff000 : PTE_ADDRESS), level + 1, at, r);
		w->full = w->out->len > OUTPUT_MAX;
	}
}

static void walk(struct walk *w)
{
	uint64_t top = w->levels == 3 ? w->cpu->cr3 & 0xffffffe0
				      : w->cpu->cr3 & (w->levels == 2 ? 0xfffff000 : PTE_ADDRESS);

	walk_table(w, top, 0, 0, PTE_W | PTE_U);
	if (w->full)
		say(w->out, "(cut off here)\n");
}

static void tlb_line(struct walk *w, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
	say(w->out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", va, pa, flags & PTE_NX ? 'X' : '-',
	    flags & 1 << 8 ? 'G' : '-', size > 4096 ? 'P' : '-', flags & 1 << 6 ? 'D' : '-',
	    flags & 1 << 5 ? 'A' : '-', flags & 1 << 4 ? 'C' : '-', flags & 1 << 3 ? 'T' : '-',
	    flags & PTE_U ? 'U' : '-', flags & PTE_W ? 'W' : '-');
}

static void end_run(struct walk *w)
{
	if (w->end != w->start)
		say(w->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %c%c%c\n", w->start, w->end,
		    w->end - w->start, w->flags & PTE_U ? 'u' : '-', 'r', w->flags & PTE_W ? 'w' : '-');
}

static void mem_run(struct walk *w, uint64_t va, uint64_t pa, uint64_t size, uint64_t flags)
{
	flags &= PTE_U | PTE_W;
	if (w->end == w->start || va != w->end || flags != w->flags) {
		end_run(w);
		w->start = va;
		w->flags = flags;
	}
	w->end = va + size;
}

static void walk_vp(struct vp *vp, void *o)
{
	struct walk *w = o;

	w->partition = vp_partition(vp);
	w->cpu = vp_cpu(vp);
	if (!set_levels(w)) {
		say(w->out, "PG disabled\n");
		return;
	}
	walk(w);
	end_run(w);
}

static void info_tlb(struct hmp_call *c)
{
	struct walk w = { .page = tlb_line, .out = c->out };
	struct vp *vp = hmp_vp(c);

	if (vp)
		vp_call(vp, walk_vp, &w);
}

static void info_mem(struct hmp_call *c)
{
	struct walk w = { .page = mem_run, .out = c->out };
	struct vp *vp = hmp_vp(c);

	if (vp)
		vp_call(vp, walk_vp, &w);
}

/* ---- expressions ---- */

struct expression {
	const char *at;
	const struct x86_cpu *cpu;   /* for $registers; NULL: none */
	const char *error;
	unsigned depth;
};

static uint64_t sum(struct expression *e);

static char peek(struct expression *e)
{
	while (*e->at == ' ')
		e->at++;
	return *e->at;
}

static bool take(struct expression *e, char c)
{
	if (peek(e) != c)
		return false;
	e->at++;
	return true;
}

static bool named_register(const struct x86_cpu *c, const char *name, size_t n, uint64_t *v)
{
	static const char *const low[] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };
	static const char *const segments[] = { "es", "cs", "ss", "ds", "fs", "gs" };
	char word[16];
	guint64 i;

	if (n >= sizeof word)
		return false;
	memcpy(word, name, n);
	word[n] = '\0';
	for (unsigned k = 0; k < 8; k++) {
		if (n == 3 && strchr("re", word[0]) && !strcmp(word + 1, low[k])) {
			*v = word[0] == 'r' ? c->gpr[k] : (uint32_t)c->gpr[k];
			return true;
		}
	}
	for (unsigned k = 0; k < X86_SEG_COUNT; k++) {
		if (!strcmp(word, segments[k])) {
			*v = c->seg[k].sel;
			return true;
		}
	}
	if (word[0] == 'r' && g_ascii_string_to_unsigned(word + 1, 10, 8, 15, &i, NULL))
		*v = c->gpr[i];
	else if (!strcmp(word, "pc") || !strcmp(word, "rip") || !strcmp(word, "eip"))
		*v = c->seg[X86_CS].base * !wide(c) + c->rip;
	else if (!strcmp(word, "eflags") || !strcmp(word, "rflags"))
		*v = x86_flags_get(c);
	else
		return false;
	return true;
}

static uint64_t operand(struct expression *e)
{
	char *end;
	uint64_t v = 0;
	size_t n;

	if (take(e, '$')) {
		n = strspn(e->at, "abcdefghijklmnopqrstuvwxyz0123456789");
		if (!e->cpu || !named_register(e->cpu, e->at, n, &v))
			e->error = "unknown register";
		e->at += n;
	} else if (g_ascii_isdigit(peek(e))) {
		v = g_ascii_strtoull(e->at, &end, 0);
		e->at = end;
	} else {
		e->error = peek(e) ? "invalid char in expression" : "unexpected end of expression";
	}
	return v;
}

static uint64_t unary(struct expression *e)
{
	uint64_t v;

	if (e->error || ++e->depth > 100) {
		e->error = e->error ? e->error : "expression too deep";
		return 0;
	}
	if (take(e, '+'))
		v = unary(e);
	else if (take(e, '-'))
		v = 0 - unary(e);
	else if (take(e, '~'))
		v = ~unary(e);
	else if (take(e, '(')) {
		v = sum(e);
		if (!take(e, ')'))
			e->error = "')' expected";
	} else {
		v = operand(e);
	}
	e->depth--;
	return v;
}

static uint64_t product(struct expression *e)
{
	uint64_t v = unary(e), w;

	while (!e->error) {
		char op = peek(e);

		if (op != '*' && op != '/' && op != '%')
			break;
		e->at++;
		w = unary(e);
		if (op == '*')
			v *= w;
		else if (!w)
			e->error = "division by zero";
		else
			v = op == '/' ? v / w : v % w;
	}
	return v;
}

static uint64_t logic(struct expression *e)
{
	uint64_t v = product(e);

	while (!e->error) {
		if (take(e, '&'))
			v &= product(e);
		else if (take(e, '|'))
			v |= product(e);
		else if (take(e, '^'))
			v ^= product(e);
		else
			break;
	}
	return v;
}

static uint64_t sum(struct expression *e)
{
	uint64_t v = logic(e);

	while (!e->error) {
		if (take(e, '+'))
			v += logic(e);
		else if (take(e, '-'))
			v -= logic(e);
		else
			break;
	}
	return v;
}

/* ---- x, xp, print ---- */

struct format {
	unsigned count;
	char form;        /* x, d, u, o, c, i */
	unsigned size;    /* bytes */
};

/* "/FMT" in front of the expression. */
static const char *parse_format(struct hmp_call *c, struct format *f)
{
	const char *p = c->args;
	char *end;

	*f = (struct format){ 1, 'x', 4 };
	if (*p != '/')
		return p;
	p++;
	if (g_ascii_isdigit(*p)) {
		f->count = MIN(g_ascii_strtoull(p, &end, 10), 65536);
		p = end;
	}
	for (; *p && *p != ' '; p++) {
		const char *sizes = "bhwg", *size = strchr(sizes, *p);

		if (size) {
			f->size = 1u << (size - sizes);
		} else if (strchr("xduoci", *p)) {
			f->form = *p;
			if (*p == 'c')
				f->size = 1;
		} else {
			say(c->out, "invalid char in format: '%c'\n", *p);
			return NULL;
		}
	}
	return p + strspn(p, " ");
}

static void say_number(GString *out, const struct format *f, uint64_t v)
{
	int64_t s = f->size == 8 ? (int64_t)v : f->size == 4 ? (int32_t)v : f->size == 2 ? (int16_t)v : (int8_t)v;

	switch (f->form) {
	case 'd':
		say(out, "%" PRId64, s);
		break;
	case 'u':
		say(out, "%" PRIu64, v);
		break;
	case 'o':
		say(out, "0%" PRIo64, v);
		break;
	case 'c':
		say(out, g_ascii_isprint((char)v) ? "'%c'" : "'\\x%02x'", (int)(v & 0xff));
		break;
	default:
		say(out, "0x%0*" PRIx64, f->size * 2, v);
	}
}

struct dump {
	const char *text;
	struct format format;
	bool physical, number_only;
	GString *out;
};

static bool read_one(struct vp *vp, const struct dump *d, uint64_t at, uint64_t *v)
{
	uint8_t bytes[8] = { 0 };
	bool ok = d->physical ? partition_read(vp_partition(vp), (gpa_t){ at }, bytes, d->format.size)
			      : x86_debug_read(vp_cpu(vp), at, bytes, d->format.size) == d->format.size;

	memcpy(v, bytes, sizeof *v);
	return ok;
}

static void dump_memory(struct vp *vp, const struct dump *d, uint64_t at)
{
	unsigned per_line = d->format.size == 1 ? 8 : 16 / d->format.size;
	uint64_t v;

	if (d->format.size == 4)
		per_line = 4;
	for (unsigned i = 0; i < d->format.count; i++, at += d->format.size) {
		if (i % per_line == 0)
			say(d->out, "%s%016" PRIx64 ":", i ? "\n" : "", at);
		if (!read_one(vp, d, at, &v)) {
			say(d->out, "%s Cannot access memory", i ? "" : "");
			break;
		}
		g_string_append_c(d->out, ' ');
		say_number(d->out, &d->format, v);
	}
	g_string_append_c(d->out, '\n');
}

static size_t read_code(struct vp *vp, const struct dump *d, uint64_t at, uint8_t *bytes, size_t n)
{
	if (!d->physical)
		return x86_debug_read(vp_cpu(vp), at, bytes, n);
	while (n && !partition_read(vp_partition(vp), (gpa_t){ at }, bytes, n))
		n--;
	return n;
}

static void list_code(struct vp *vp, const struct dump *d, uint64_t at)
{
	const struct x86_cpu *c = vp_cpu(vp);
	unsigned bits = wide(c) ? 64 : c->mode & X86_MODE_CS32 ? 32 : 16;
	uint8_t bytes[15];
	char text[128];

	for (unsigned i = 0; i < MIN(d->format.count, 1000u); i++) {
		size_t n = read_code(vp, d, at, bytes, sizeof bytes);
		unsigned length = n ? disassemble(bytes, n, bits, at, text, sizeof text) : 0;

		say(d->out, "0x%08" PRIx64 ":  ", at);
		for (unsigned k = 0; k < MAX(length, n ? 1u : 0u); k++)
			say(d->out, "%02x ", bytes[k]);
		say(d->out, "%*s%s\n", length < 8 ? 3 * (8 - (int)length) : 0, "", n ? text : "Cannot access memory");
		if (!length)
			return;
		at += length;
	}
}

static void dump_vp(struct vp *vp, void *o)
{
	struct dump *d = o;
	struct expression e = { .at = d->text, .cpu = vp_cpu(vp) };
	uint64_t v = sum(&e);

	if (!e.error && peek(&e))
		e.error = "invalid char in expression";
	if (e.error) {
		say(d->out, "%s\n", e.error);
	} else if (d->number_only) {
		d->format.size = 8;
		if (d->format.form == 'x')
			say(d->out, "0x%" PRIx64, v);
		else
			say_number(d->out, &d->format, v);
		say(d->out, "\n");
	} else if (d->format.form == 'i') {
		list_code(vp, d, v);
	} else {
		dump_memory(vp, d, v);
	}
}

static void dump(struct hmp_call *c, bool physical, bool number_only)
{
	struct dump d = { .physical = physical, .number_only = number_only, .out = c->out };
	struct vp *vp = hmp_vp(c);

	d.text = vp ? parse_format(c, &d.format) : NULL;
	if (d.text)
		vp_call(vp, dump_vp, &d);
}

static void x(struct hmp_call *c) { dump(c, false, false); }
static void xp(struct hmp_call *c) { dump(c, true, false); }
static void print(struct hmp_call *c) { dump(c, false, true); }

const struct hmp_command hmp_cpu_commands[] = {
	{ "cpu", "index", "set the default CPU (counted through all partitions)", cpu },
	{ "x", "/fmt addr", "virtual memory dump starting at 'addr'", x },
	{ "xp", "/fmt addr", "physical memory dump starting at 'addr'", xp },
	{ "print|p", "/fmt expr", "print expression value (use $reg for CPU register access)", print },
	{ NULL },
};

/* On its thread. */
static void say_counts(struct vp *vp, void *o)
{
	const struct x86_counts *n = &vp_cpu(vp)->count;

#define COUNT(name, help) say(o, "%12" PRIu64 " %s\n", n->name, help);
	X86_COUNTS(COUNT)
#undef COUNT
}

static void info_engine(struct hmp_call *c)
{
	struct vp *vp = hmp_vp(c);

	if (vp)
		vp_call(vp, say_counts, c->out);
}

const struct hmp_command hmp_cpu_info[] = {
	{ "engine", "", "show what the current CPU's engine has counted", info_engine },
	{ "registers", "[-a]", "show the cpu registers (-a: of all CPUs)", info_registers },
	{ "mem", "", "show the active virtual memory mappings", info_mem },
	{ "tlb", "", "show virtual to physical memory mappings", info_tlb },
	{ NULL },
};
