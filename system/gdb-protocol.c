/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gdb remote serial protocol.  Packets are "$data#checksum"; 0x03 alone is an
 * interrupt.  Threads are numbered through all VPs of all partitions, parents
 * first, from 1.
 *
 * Left out: watchpoints (the answer is empty, gdb then says so), non-stop mode,
 * reverse execution, file transfer.
 */
#include "gdb-protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/i386/flags.h"
#include "target/i386/mem.h"

enum { PACKET_MAX = 0x4000, BREAK_MAX = 256 };

enum parse { IDLE, BODY, SUM1, SUM2 };

struct gdbstub {
	struct chardev *chardev;
	struct hv *hv;
	const struct gdbstub_ops *ops;
	void *opaque;

	enum parse parse;
	GString *in;
	uint8_t sum;
	bool no_ack, connected;
	bool waiting;                 /* gdb waits for a stop reply */

	unsigned current, resume_thread;  /* thread numbers of Hg and Hc */
	uint64_t breaks[BREAK_MAX];   /* sorted; VPs point here */
	unsigned break_count;
};

/* ---- threads ---- */

struct walk {
	unsigned left, count;
	struct vp *found;
};

static void walk_partition(struct partition *p, void *o)
{
	struct walk *w = o;
	uint32_t n = partition_vp_count(p);

	w->count += n;
	if (!w->found && w->left < n)
		w->found = partition_vp(p, w->left);
	w->left -= w->left < n ? 0 : n;
}

static unsigned thread_count(struct gdbstub *g)
{
	struct walk w = { .left = UINT32_MAX };

	hv_foreach_partition(g->hv, walk_partition, &w);
	return w.count;
}

/* Thread @n, counted from 1; 0 and -1 are "any". */
static struct vp *thread_vp(struct gdbstub *g, unsigned n)
{
	struct walk w = { .left = n && n != UINT32_MAX ? n - 1 : 0 };

	hv_foreach_partition(g->hv, walk_partition, &w);
	return w.found;
}

static unsigned thread_of(struct gdbstub *g, struct vp *vp)
{
	unsigned n = thread_count(g);

	for (unsigned i = 1; i <= n; i++) {
		if (thread_vp(g, i) == vp)
			return i;
	}
	return 1;
}

static void for_all(struct gdbstub *g, void (*f)(struct gdbstub *g, struct x86_cpu *c))
{
	unsigned n = thread_count(g);

	for (unsigned i = 1; i <= n; i++)
		f(g, vp_cpu(thread_vp(g, i)));
}

/* ---- sending ---- */

static void put(struct gdbstub *g, const char *data)
{
	uint8_t sum = 0;
	char *packet;

	for (const char *p = data; *p; p++)
		sum += (uint8_t)*p;
	packet = g_strdup_printf("$%s#%02x", data, sum);
	chardev_write(g->chardev, packet, strlen(packet));
	g_free(packet);
}

static void put_hex(GString *s, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		g_string_append_printf(s, "%02x", ((const uint8_t *)bytes)[i]);
}

static bool get_hex(const char *text, void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = g_ascii_xdigit_value(text[2 * i]), lo = hi < 0 ? -1 : g_ascii_xdigit_value(text[2 * i + 1]);

		if (lo < 0)
			return false;
		((uint8_t *)bytes)[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The signals that gdb knows stops by, in its own numbers. */
enum { STOP_INTERRUPT = 2, STOP_TRAP = 5 };

static void put_stop(struct gdbstub *g, unsigned signal)
{
	char *s = g_strdup_printf("T%02xthread:%x;", signal, g->current ? g->current : 1);

	g->waiting = false;
	put(g, s);
	g_free(s);
}

/* ---- registers ---- */

enum reg_kind { R_GPR, R_RIP, R_FLAGS, R_SEG, R_ST, R_FPU, R_XMM, R_MXCSR, R_BASE, R_CR, R_EFER };

struct reg {
	const char *name, *type;
	uint8_t kind, index, size;
};

static const struct reg core_regs[] = {
	{ "rax", "int64", R_GPR, X86_RAX, 8 }, { "rbx", "int64", R_GPR, X86_RBX, 8 }, { "rcx", "int64", R_GPR, X86_RCX, 8 },
	{ "rdx", "int64", R_GPR, X86_RDX, 8 }, { "rsi", "int64", R_GPR, X86_RSI, 8 }, { "rdi", "int64", R_GPR, X86_RDI, 8 },
	{ "rbp", "data_ptr", R_GPR, X86_RBP, 8 }, { "rsp", "data_ptr", R_GPR, X86_RSP, 8 }, { "r8", "int64", R_GPR, 8, 8 },
	{ "r9", "int64", R_GPR, 9, 8 }, { "r10", "int64", R_GPR, 10, 8 }, { "r11", "int64", R_GPR, 11, 8 },
	{ "r12", "int64", R_GPR, 12, 8 }, { "r13", "int64", R_GPR, 13, 8 }, { "r14", "int64", R_GPR, 14, 8 },
	{ "r15", "int64", R_GPR, 15, 8 }, { "rip", "code_ptr", R_RIP, 0, 8 }, { "eflags", "i386_eflags", R_FLAGS, 0, 4 },
	{ "cs", "int32", R_SEG, X86_CS, 4 }, { "ss", "int32", R_SEG, X86_SS, 4 }, { "ds", "int32", R_SEG, X86_DS, 4 },
	{ "es", "int32", R_SEG, X86_ES, 4 }, { "fs", "int32", R_SEG, X86_FS, 4 }, { "gs", "int32", R_SEG, X86_GS, 4 },
	{ "st0", "i387_ext", R_ST, 0, 10 }, { "st1", "i387_ext", R_ST, 1, 10 }, { "st2", "i387_ext", R_ST, 2, 10 },
	{ "st3", "i387_ext", R_ST, 3, 10 }, { "st4", "i387_ext", R_ST, 4, 10 }, { "st5", "i387_ext", R_ST, 5, 10 },
	{ "st6", "i387_ext", R_ST, 6, 10 }, { "st7", "i387_ext", R_ST, 7, 10 }, { "fctrl", "int", R_FPU, 0, 4 },
	{ "fstat", "int", R_FPU, 1, 4 }, { "ftag", "int", R_FPU, 2, 4 }, { "fiseg", "int", R_FPU, 3, 4 }, { "fioff", "int", R_FPU, 4, 4 },
	{ "foseg", "int", R_FPU, 5, 4 }, { "fooff", "int", R_FPU, 6, 4 }, { "fop", "int", R_FPU, 7, 4 },
};
static const struct reg sse_regs[] = {
	{ "xmm0", "vec128", R_XMM, 0, 16 }, { "xmm1", "vec128", R_XMM, 1, 16 }, { "xmm2", "vec128", R_XMM, 2, 16 },
	{ "xmm3", "vec128", R_XMM, 3, 16 }, { "xmm4", "vec128", R_XMM, 4, 16 }, { "xmm5", "vec128", R_XMM, 5, 16 },
	{ "xmm6", "vec128", R_XMM, 6, 16 }, { "xmm7", "vec128", R_XMM, 7, 16 }, { "xmm8", "vec128", R_XMM, 8, 16 },
	{ "xmm9", "vec128", R_XMM, 9, 16 }, { "xmm10", "vec128", R_XMM, 10, 16 }, { "xmm11", "vec128", R_XMM, 11, 16 },
	{ "xmm12", "vec128", R_XMM, 12, 16 }, { "xmm13", "vec128", R_XMM, 13, 16 }, { "xmm14", "vec128", R_XMM, 14, 16 },
	{ "xmm15", "vec128", R_XMM, 15, 16 }, { "mxcsr", "i386_mxcsr", R_MXCSR, 0, 4 },
};
static const struct reg segment_regs[] = {
	{ "fs_base", "int64", R_BASE, X86_FS, 8 }, { "gs_base", "int64", R_BASE, X86_GS, 8 },
};
static const struct reg system_regs[] = {
	{ "cr0", "int64", R_CR, 0, 8 }, { "cr2", "int64", R_CR, 2, 8 }, { "cr3", "int64", R_CR, 3, 8 }, { "cr4", "int64", R_CR, 4, 8 },
	{ "efer", "int64", R_EFER, 0, 8 },
};
static const struct feature {
	const char *name, *types;
	const struct reg *regs;
	unsigned count;
} features[] = {
	{ "org.gnu.gdb.i386.core",
	  "<flags id=\"i386_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"PF\" start=\"2\" end=\"2\"/>"
	  "<field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
	  "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/><field name=\"DF\" start=\"10\" end=\"10\"/>"
	  "<field name=\"OF\" start=\"11\" end=\"11\"/></flags>",
	  core_regs, G_N_ELEMENTS(core_regs) },
	{ "org.gnu.gdb.i386.sse",
	  "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
	  "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
	  "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
	  "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
	  "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
	  "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/></union>"
	  "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
	  "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
	  "<field name=\"PE\" start=\"5\" end=\"5\"/></flags>",
	  sse_regs, G_N_ELEMENTS(sse_regs) },
	{ "org.gnu.gdb.i386.segments", "", segment_regs, G_N_ELEMENTS(segment_regs) },
	{ "org.hvtlfs.i386.system", "", system_regs, G_N_ELEMENTS(system_regs) },
};

static const struct reg *find_reg(unsigned n)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
		if (n < features[i].count)
			return &features[i].regs[n];
		n -= features[i].count;
	}
	return NULL;
}

static char *target_xml(void)
{
	GString *s = g_string_new("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
				  "<architecture>i386:x86-64</architecture>");
	unsigned number = 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
		g_string_append_printf(s, "<feature name=\"%s\">%s", features[i].name, features[i].types);
		for (unsigned k = 0; k < features[i].count; k++) {
			const struct reg *r = &features[i].regs[k];

			g_string_append_printf(s, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%u\"/>", r->name, r->size * 8,
					       r->type, number++);
		}
		g_string_append(s, "</feature>");
	}
	g_string_append(s, "</target>");
	return g_string_free(s, FALSE);
}

static uint64_t fpu_get(const struct x86_fpu *f, unsigned n)
{
	switch (n) {
	case 0: return f->fcw;
	case 1: return (uint16_t)(f->fsw | f->top << 11);
	case 2: {
		uint64_t tag = 0;

		for (unsigned i = 0; i < 8; i++)
			tag |= (f->empty >> i & 1 ? 3ull : 0) << (2 * i);
		return tag;
	}
	case 3: return f->fcs;
	case 4: return (uint32_t)f->fip;
	case 5: return f->fds;
	case 6: return (uint32_t)f->fdp;
	default: return f->fop;
	}
}

static uint64_t cr_get(const struct x86_cpu *c, unsigned n)
{
	return n == 0 ? c->cr0 : n == 2 ? c->cr2 : n == 3 ? c->cr3 : c->cr4;
}

/* Linear address of the next instruction: what gdb calls the pc. */
static uint64_t linear_pc(const struct x86_cpu *c)
{
	return c->mode & X86_MODE_CS64 ? c->rip : (uint32_t)(c->rip + c->seg[X86_CS].base);
}

static void reg_get(struct x86_cpu *c, const struct reg *r, uint8_t bytes[16])
{
	const struct x86_f80 *st = &c->fpu.r[(c->fpu.top + r->index) & 7];
	uint64_t v = 0;

	memset(bytes, 0, 16);
	switch (r->kind) {
	case R_GPR: v = c->gpr[r->index]; break;
	case R_RIP: v = linear_pc(c); break;
	case R_FLAGS: v = x86_flags_get(c); break;
	case R_SEG: v = c->seg[r->index].sel; break;
	case R_ST:
		memcpy(bytes, &st->frac, 8);
		memcpy(bytes + 8, &st->se, 2);
		return;
	case R_FPU: v = fpu_get(&c->fpu, r->index); break;
	case R_XMM: memcpy(bytes, c->ymm[r->index].b, 16); return;
	case R_MXCSR: v = c->mxcsr; break;
	case R_BASE: v = c->seg[r->index].base; break;
	case R_CR: v = cr_get(c, r->index); break;
	default: v = c->efer; break;
	}
	memcpy(bytes, &v, 8);
}

/* Segments, control registers and EFER are read-only here: their change has side effects. */
static bool reg_set(struct x86_cpu *c, const struct reg *r, const uint8_t bytes[16])
{
	struct x86_f80 *st = &c->fpu.r[(c->fpu.top + r->index) & 7];
	uint64_t v;

	memcpy(&v, bytes, 8);
	switch (r->kind) {
	case R_GPR: c->gpr[r->index] = v; return true;
	case R_RIP: c->rip = c->mode & X86_MODE_CS64 ? v : (uint32_t)(v - c->seg[X86_CS].base); return true;
	case R_FLAGS:
		x86_flags_set(c, (v & 0x3f7fd5 & ~(uint64_t)X86_VM) | (c->eflags & X86_VM));
		x86_mode_update(c);
		return true;
	case R_ST:
		memcpy(&st->frac, bytes, 8);
		memcpy(&st->se, bytes + 8, 2);
		return true;
	case R_XMM: memcpy(c->ymm[r->index].b, bytes, 16); return true;
	case R_MXCSR:
		c->mxcsr = (uint32_t)v & 0xffff;
		x86_mode_update_fp(c);
		return true;
	case R_BASE: c->seg[r->index].base = v; return true;
	default: return false;
	}
}

static void cmd_read_regs(struct gdbstub *g)
{
	struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));
	GString *s = g_string_new(NULL);
	const struct reg *r;

	for (unsigned n = 0; (r = find_reg(n)); n++) {
		uint8_t bytes[16];

		reg_get(c, r, bytes);
		put_hex(s, bytes, r->size);
	}
	put(g, s->str);
	g_string_free(s, TRUE);
}

static void cmd_write_regs(struct gdbstub *g, const char *p)
{
	struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));
	const struct reg *r;

	for (unsigned n = 0; (r = find_reg(n)) && strlen(p) >= 2u * r->size; n++) {
		uint8_t bytes[16] = { 0 };

		if (!get_hex(p, bytes, r->size)) {
			put(g, "E16");
			return;
		}
		reg_set(c, r, bytes);
		p += 2 * r->size;
	}
	put(g, "OK");
}

static void cmd_reg(struct gdbstub *g, const char *p, bool write)
{
	struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));
	char *end;
	const struct reg *r = find_reg((unsigned)strtoul(p, &end, 16));
	uint8_t bytes[16] = { 0 };
	GString *s;

	if (!r || (write && (*end != '=' || !get_hex(end + 1, bytes, r->size) || !reg_set(c, r, bytes)))) {
		put(g, "E16");
		return;
	}
	if (write) {
		put(g, "OK");
		return;
	}
	s = g_string_new(NULL);
	reg_get(c, r, bytes);
	put_hex(s, bytes, r->size);
	put(g, s->str);
	g_string_free(s, TRUE);
}

/* ---- memory ---- */

/* "ADDR,LENGTH" with hexadecimal numbers; *rest behind it. */
static bool address_length(const char *p, uint64_t *at, uint64_t *n, const char **rest)
{
	char *end;

	*at = strtoull(p, &end, 16);
	if (*end != ',')
		return false;
	*n = strtoull(end + 1, &end, 16);
	*rest = end;
	return true;
}

static void cmd_read_memory(struct gdbstub *g, const char *p)
{
	struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));
	uint64_t at, n;
	const char *rest;
	GString *s;
	uint8_t *bytes;
	size_t got;

	if (!address_length(p, &at, &n, &rest)) {
		put(g, "E16");
		return;
	}
	n = MIN(n, PACKET_MAX / 2 - 16);
	bytes = g_malloc(n + 1);
	got = x86_debug_read(c, at, bytes, n);
	if (n && !got) {
		put(g, "E0e");
	} else {
		s = g_string_new(NULL);
		put_hex(s, bytes, got);
		put(g, s->str);
		g_string_free(s, TRUE);
	}
	g_free(bytes);
}

static void cmd_write_memory(struct gdbstub *g, const char *p)
{
	struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));
	uint64_t at, n;
	const char *rest;
	uint8_t *bytes;
	bool good;

	if (!address_length(p, &at, &n, &rest) || *rest != ':' || n > PACKET_MAX || strlen(rest + 1) < 2 * n) {
		put(g, "E16");
		return;
	}
	bytes = g_malloc(n + 1);
	good = get_hex(rest + 1, bytes, n) && x86_debug_write(c, at, bytes, n) == n;
	g_free(bytes);
	put(g, good ? "OK" : "E0e");
}

/* ---- breakpoints ---- */

static void apply_breaks(struct gdbstub *g, struct x86_cpu *c)
{
	c->debug_break = g->breaks;
	c->debug_break_count = g->break_count;
	x86_mode_update(c);
}

static int compare_addresses(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned break_index(const struct gdbstub *g, uint64_t at)
{
	for (unsigned i = 0; i < g->break_count; i++) {
		if (g->breaks[i] == at)
			return i;
	}
	return BREAK_MAX;
}

/* Z0/Z1 (execution) only; kinds 2 to 4 get the empty answer "not supported". */
static void cmd_break(struct gdbstub *g, const char *p, bool insert)
{
	uint64_t at, kind;
	const char *rest;
	unsigned i;

	if ((p[0] != '0' && p[0] != '1') || p[1] != ',') {
		put(g, "");
		return;
	}
	if (!address_length(p + 2, &at, &kind, &rest)) {
		put(g, "E16");
		return;
	}
	i = break_index(g, at);
	if (insert && i == BREAK_MAX) {
		if (g->break_count == BREAK_MAX) {
			put(g, "E1c");
			return;
		}
		g->breaks[g->break_count++] = at;
	} else if (!insert && i != BREAK_MAX) {
		g->breaks[i] = g->breaks[--g->break_count];
	}
	qsort(g->breaks, g->break_count, sizeof g->breaks[0], compare_addresses);
	for_all(g, apply_breaks);
	put(g, "OK");
}

/* ---- running ---- */

static void clear_step(struct gdbstub *g, struct x86_cpu *c)
{
	c->debug_step = false;
	x86_mode_update(c);
}

static void resume(struct gdbstub *g, unsigned step_thread)
{
	for_all(g, apply_breaks);
	if (step_thread) {
		struct x86_cpu *c = vp_cpu(thread_vp(g, step_thread));

		c->debug_step = true;
		x86_mode_update(c);
	}
	g->waiting = true;
	g->ops->resume(g->opaque);
}

/*
 * vCont;ACTION[:THREAD]...: the first step action decides; all other VPs run on
 * meanwhile, as a debugger of a whole machine expects.
 */
static void cmd_vcont(struct gdbstub *g, const char *p)
{
	unsigned step = 0;
	bool any = false;

	while (*p == ';') {
		char action = p[1];
		const char *thread = strchr(p + 1, ':'), *next = strchr(p + 1, ';');

		any = true;
		if ((action == 's' || action == 'S') && !step)
			step = thread && (!next || thread < next) ? (unsigned)strtoul(thread + 1, NULL, 16) : g->current;
		if (!next)
			break;
		p = next;
	}
	if (!any) {
		put(g, "E16");
		return;
	}
	if (step == UINT32_MAX)
		step = g->current;
	resume(g, step);
}

static void cmd_resume(struct gdbstub *g, const char *p, bool step)
{
	if (*p) {
		struct x86_cpu *c = vp_cpu(thread_vp(g, g->current));

		c->rip = strtoull(p, NULL, 16);
	}
	resume(g, step ? (g->current ? g->current : 1) : 0);
}

/* ---- queries ---- */

static void cmd_features(struct gdbstub *g, const char *p)
{
	uint64_t at, n;
	const char *rest;
	char *xml, *part;

	if (!g_str_has_prefix(p, "target.xml:") || !address_length(p + strlen("target.xml:"), &at, &n, &rest)) {
		put(g, "E00");
		return;
	}
	xml = target_xml();
	n = MIN(n, PACKET_MAX / 2);
	if (at >= strlen(xml)) {
		put(g, "l");
	} else {
		part = g_strdup_printf("%c%.*s", strlen(xml + at) > n ? 'm' : 'l', (int)n, xml + at);
		put(g, part);
		g_free(part);
	}
	g_free(xml);
}

static void cmd_thread_list(struct gdbstub *g)
{
	GString *s = g_string_new("m");
	unsigned n = thread_count(g);

	for (unsigned i = 1; i <= n; i++)
		g_string_append_printf(s, "%s%x", i > 1 ? "," : "", i);
	put(g, s->str);
	g_string_free(s, TRUE);
}

static void cmd_thread_info(struct gdbstub *g, const char *p)
{
	struct vp *vp = thread_vp(g, (unsigned)strtoul(p, NULL, 16));
	GString *s = g_string_new(NULL);
	char *text;

	if (vp) {
		text = g_strdup_printf("%s/VP %u [%s]", partition_name(vp_partition(vp)), vp_index(vp), vp_halted(vp) ? "halted" : "running");
		put_hex(s, text, strlen(text));
		g_free(text);
	}
	put(g, s->str);
	g_string_free(s, TRUE);
}

static void cmd_monitor(struct gdbstub *g, const char *p)
{
	size_t n = strlen(p) / 2;
	char *command = g_malloc0(n + 1), *answer;
	GString *s = g_string_new(NULL);

	if (!get_hex(p, command, n)) {
		put(g, "E16");
	} else {
		answer = g->ops->monitor(g->opaque, command);
		put_hex(s, answer, MIN(strlen(answer), PACKET_MAX / 2 - 16));
		put(g, s->len ? s->str : "OK");
		g_free(answer);
	}
	g_string_free(s, TRUE);
	g_free(command);
}

static void cmd_query(struct gdbstub *g, const char *p)
{
	char *s;

	if (g_str_has_prefix(p, "qSupported")) {
		s = g_strdup_printf("PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;vContSupported+;hwbreak+;swbreak+", PACKET_MAX);
		put(g, s);
		g_free(s);
	} else if (g_str_has_prefix(p, "qXfer:features:read:")) {
		cmd_features(g, p + strlen("qXfer:features:read:"));
	} else if (!strcmp(p, "qfThreadInfo")) {
		cmd_thread_list(g);
	} else if (!strcmp(p, "qsThreadInfo")) {
		put(g, "l");
	} else if (g_str_has_prefix(p, "qThreadExtraInfo,")) {
		cmd_thread_info(g, p + strlen("qThreadExtraInfo,"));
	} else if (!strcmp(p, "qC")) {
		s = g_strdup_printf("QC%x", g->current ? g->current : 1);
		put(g, s);
		g_free(s);
	} else if (g_str_has_prefix(p, "qAttached")) {
		put(g, "1");
	} else if (g_str_has_prefix(p, "qRcmd,")) {
		cmd_monitor(g, p + strlen("qRcmd,"));
	} else if (!strcmp(p, "QStartNoAckMode")) {
		put(g, "OK");
		g->no_ack = true;
	} else {
		put(g, "");
	}
}

static void cmd_set_thread(struct gdbstub *g, const char *p)
{
	unsigned n = (unsigned)strtoul(p + 1, NULL, 16);

	if (n && n != UINT32_MAX && n > thread_count(g)) {
		put(g, "E16");
		return;
	}
	if (*p == 'g')
		g->current = n && n != UINT32_MAX ? n : g->current ? g->current : 1;
	else
		g->resume_thread = n;
	put(g, "OK");
}

static void detach(struct gdbstub *g)
{
	g->break_count = 0;
	for_all(g, apply_breaks);
	for_all(g, clear_step);
	g->waiting = false;
	if (!g->ops->running(g->opaque))
		g->ops->resume(g->opaque);
}

static void run_packet(struct gdbstub *g, const char *p)
{
	if (g->ops->running(g->opaque))
		g->ops->stop(g->opaque);
	switch (*p) {
	case '?':
		g->current = g->current ? g->current : 1;
		put_stop(g, STOP_TRAP);
		break;
	case 'g': cmd_read_regs(g); break;
	case 'G': cmd_write_regs(g, p + 1); break;
	case 'p': cmd_reg(g, p + 1, false); break;
	case 'P': cmd_reg(g, p + 1, true); break;
	case 'm': cmd_read_memory(g, p + 1); break;
	case 'M': cmd_write_memory(g, p + 1); break;
	case 'Z': cmd_break(g, p + 1, true); break;
	case 'z': cmd_break(g, p + 1, false); break;
	case 'c': cmd_resume(g, p + 1, false); break;
	case 's': cmd_resume(g, p + 1, true); break;
	case 'H': cmd_set_thread(g, p + 1); break;
	case 'T': put(g, thread_vp(g, (unsigned)strtoul(p + 1, NULL, 16)) ? "OK" : "E16"); break;
	case 'q': case 'Q': cmd_query(g, p); break;
	case 'D':
		put(g, "OK");
		detach(g);
		break;
	case 'k': g->ops->kill(g->opaque); break;
	case 'v':
		if (!strcmp(p, "vCont?")) {
			put(g, "vCont;c;C;s;S");
		} else if (g_str_has_prefix(p, "vCont")) {
			cmd_vcont(g, p + strlen("vCont"));
		} else if (g_str_has_prefix(p, "vKill")) {
			put(g, "OK");
			g->ops->kill(g->opaque);
		} else {
			put(g, "");
		}
		break;
	default: put(g, ""); break;
	}
}

/* ---- receiving ---- */

static void packet_end(struct gdbstub *g, uint8_t sum)
{
	uint8_t have = 0;

	for (size_t i = 0; i < g->in->len; i++)
		have += (uint8_t)g->in->str[i];
	if (!g->no_ack)
		chardev_write(g->chardev, have == sum ? "+" : "-", 1);
	if (have == sum)
		run_packet(g, g->in->str);
}

static void take_byte(struct gdbstub *g, uint8_t b)
{
	switch (g->parse) {
	case IDLE:
		if (b == '$') {
			g_string_truncate(g->in, 0);
			g->parse = BODY;
		} else if (b == 3 && g->ops->running(g->opaque)) {
			g->ops->stop(g->opaque);
			put_stop(g, STOP_INTERRUPT);
		}
		break;
	case BODY:
		if (b == '#')
			g->parse = SUM1;
		else if (g->in->len < PACKET_MAX)
			g_string_append_c(g->in, (char)b);
		break;
	case SUM1:
		g->sum = (uint8_t)(g_ascii_xdigit_value((char)b) << 4);
		g->parse = SUM2;
		break;
	default:
		g->sum |= (uint8_t)(g_ascii_xdigit_value((char)b) & 15);
		g->parse = IDLE;
		packet_end(g, g->sum);
		break;
	}
}

static size_t can_receive(void *o) { return PACKET_MAX; }

static void receive(void *o, const uint8_t *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		take_byte(o, data[i]);
}

static void on_event(void *o, enum chardev_event event)
{
	struct gdbstub *g = o;

	if (event == CHARDEV_OPENED) {
		/* gdb expects a stopped machine when it connects. */
		g->connected = true;
		g->no_ack = false;
		g->parse = IDLE;
		g->current = 1;
		if (g->ops->running(g->opaque))
			g->ops->stop(g->opaque);
	} else if (event == CHARDEV_CLOSED && g->connected) {
		g->connected = false;
		detach(g);
	}
}

static const struct chardev_front front = { can_receive, receive, on_event };

struct gdbstub *gdbstub_new(struct chardev *c, struct hv *hv, const struct gdbstub_ops *ops, void *o, GError **error)
{
	struct gdbstub *g = g_new0(struct gdbstub, 1);

	g->chardev = c;
	g->hv = hv;
	g->ops = ops;
	g->opaque = o;
	g->in = g_string_new(NULL);
	if (!chardev_attach(c, &front, g, error)) {
		g_string_free(g->in, TRUE);
		g_free(g);
		return NULL;
	}
	return g;
}

void gdbstub_free(struct gdbstub *g)
{
	chardev_detach(g->chardev, g);
	g_string_free(g->in, TRUE);
	g_free(g);
}

void gdbstub_stopped(struct gdbstub *g, struct vp *vp)
{
	for_all(g, clear_step);
	if (vp)
		g->current = thread_of(g, vp);
	if (g->waiting)
		put_stop(g, STOP_TRAP);
}
