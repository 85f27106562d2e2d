/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes cases: bytes from the decoder's own table with random fields, then
 * registers and memory such that the operand lies in the test's memory.  What
 * the decoder says of the bytes decides; bytes that decode to another row are
 * thrown away.
 */
#include <cpuid.h>
#include <glib.h>
#include <string.h>

#include "generate.h"
#include "target/i386/model.h"

static void random_state(struct generator *g, struct test_case *t)
{
	struct state *s = &t->in;

	for (unsigned i = 0; i < 16; i++) {
		s->gpr[i] = integer(g);
		vector(g, &s->ymm[i]);
		if (t->mode == CASE_32)
			s->gpr[i] = i < 8 ? (uint32_t)s->gpr[i] : 0;
	}
	s->rflags = 0x202 | (bits32(g) & X86_ARITH);
	for (unsigned i = 0; i < WINDOW; i += 16) {
		union x86_vec v;

		vector(g, &v);
		memcpy(s->memory + i, v.b, 16);
	}
	x87_state(g, s->fx);
	s->rip = CODE_AT;
}

/* ---- bytes ---- */

bool has_kind(const struct x86_row *row, unsigned a, unsigned b)
{
	for (unsigned n = 0; n < 4 && row->operands[n]; n++) {
		unsigned k = x86_opspecs[row->operands[n]].kind;

		if (k == a || k == b)
			return true;
	}
	return false;
}

/* The bits of REX and VEX (R, X, B as 4, 2, 1) that make the wanted registers. */
static unsigned wanted_rxb(const struct fields *w)
{
	int rm = w->base >= 0 ? w->base : w->rm;

	return (w->reg >= 8 ? 4u : 0) | (w->base >= 0 && w->index >= 8 ? 2u : 0) | (rm >= 8 ? 1u : 0);
}

static void put_vex(struct generator *g, uint8_t *b, unsigned *n, unsigned map, const struct rowform *f, const struct x86_row *row,
		    unsigned mode, const struct fields *want)
{
	static const uint8_t pp[] = { 0, 0, 1, 3, 2 };
	unsigned rxb = want ? wanted_rxb(want) : mode == CASE_64 ? below(g, 8) : 0, w = f->w >= 0 ? (unsigned)f->w : below(g, 2);
	unsigned l = f->l >= 0 ? (unsigned)f->l : below(g, 2);
	unsigned v = has_kind(row, K_H, K_B) ? below(g, mode == CASE_64 ? 16 : 8) : 0;
	uint8_t last = (uint8_t)((~v & 15) << 3 | l << 2 | pp[f->prefix]);

	if (want && want->vvvv >= 0 && has_kind(row, K_H, K_B))
		last = (uint8_t)((last & 0x87) | (~want->vvvv & 15) << 3);
	if (mode == CASE_32 && has_kind(row, K_E, K_G))
		w = f->w >= 0 ? (unsigned)f->w : 0;
	if (map == 4 && !w && !(rxb & 3)) {
		b[(*n)++] = 0xc5;
		b[(*n)++] = (uint8_t)(last | (rxb & 4 ? 0 : 0x80));
		return;
	}
	b[(*n)++] = 0xc4;
	b[(*n)++] = (uint8_t)((~rxb & 7) << 5 | (map - 3));
	b[(*n)++] = (uint8_t)(w << 7 | last);
}

static void put_prefixes(struct generator *g, uint8_t *b, unsigned *n, const struct rowform *f, const struct x86_row *row, bool memory,
			 unsigned mode)
{
	bool branch = row->attrs & (ROW_F64 | ROW_BRANCH);

	if (f->prefix == 2 || (f->osize & 2) || (f->prefix == 0 && !branch && one_in(g, 5)) ||
	    (f->prefix >= 3 && !(row->attrs & (ROW_SSE | ROW_MMX)) && one_in(g, 5)))
		b[(*n)++] = 0x66;
	if (f->prefix == 0 && (row->attrs & (ROW_REP | ROW_REPZ)) && one_in(g, 2))
		b[(*n)++] = one_in(g, 2) ? 0xf2 : 0xf3;
	if (f->prefix >= 3)
		b[(*n)++] = f->prefix == 3 ? 0xf2 : 0xf3;
	if (memory && (row->attrs & ROW_LOCK) && one_in(g, 3))
		b[(*n)++] = 0xf0;
	if (!branch && one_in(g, 16) && mode == CASE_64)
		b[(*n)++] = 0x67;
}

static void put_rex(struct generator *g, uint8_t *b, unsigned *n, const struct rowform *f, const struct fields *want)
{
	uint8_t rex = (uint8_t)(0x40 | below(g, 16));

	if (want)
		rex = (uint8_t)((rex & ~7) | wanted_rxb(want));

	if (f->w >= 0)
		rex = (uint8_t)((rex & ~8) | f->w << 3);
	if (f->osize & 8)
		rex |= 8;
	else if (f->osize)
		rex &= ~8;
	if (f->rexb >= 0)
		rex = (uint8_t)((rex & ~1) | f->rexb);
	if (rex != 0x40 || one_in(g, 8)) {
		if (one_in(g, 2) || f->w == 1 || f->osize == 8 || f->rexb == 1 || (want && rex & 7))
			b[(*n)++] = rex;
	}
}

static void put_modrm(struct generator *g, uint8_t *b, unsigned *n, const struct rowform *f, bool memory)
{
	unsigned mod = memory ? below(g, 3) : 3, reg = f->reg >= 0 ? (unsigned)f->reg : below(g, 8);
	unsigned rm = f->rm >= 0 ? (unsigned)f->rm : below(g, 8);

	b[(*n)++] = (uint8_t)(mod << 6 | reg << 3 | rm);
}

static void put_wanted_modrm(struct generator *g, uint8_t *b, unsigned *n, const struct rowform *f, const struct fields *w)
{
	unsigned reg = f->reg >= 0 ? (unsigned)f->reg : w->reg >= 0 ? w->reg & 7u : below(g, 8);
	unsigned rm = f->rm >= 0 ? (unsigned)f->rm : w->rm >= 0 ? w->rm & 7u : below(g, 8), mod = 3;
	bool sib = w->base >= 0 && (w->index >= 0 || (w->base & 7) == X86_RSP);

	if (w->base >= 0) {
		mod = !w->disp && (w->base & 7) != X86_RBP ? 0 : w->disp == (int8_t)w->disp ? 1 : 2;
		rm = sib ? X86_RSP : w->base & 7u;
	}
	b[(*n)++] = (uint8_t)(mod << 6 | reg << 3 | rm);
	if (sib)
		b[(*n)++] = (uint8_t)(w->scale << 6 | (w->index >= 0 ? w->index & 7u : X86_RSP) << 3 | (w->base & 7u));
	if (mod == 1 || mod == 2) {
		memcpy(b + *n, &w->disp, 4);
		*n += mod == 1 ? 1 : 4;
	}
}

void form_bytes(struct generator *g, uint8_t *to, unsigned map, unsigned opcode, const struct rowform *f, unsigned mode,
		const struct fields *want)
{
	const struct x86_row *row = &x86_rows[f->row];
	uint8_t b[48];
	unsigned n = 0;
	bool memory = want ? want->base >= 0 : f->mod == 1 || (f->mod == 0 && one_in(g, 2));

	if (map >= 4) {
		put_vex(g, b, &n, map, f, row, mode, want);
	} else {
		put_prefixes(g, b, &n, f, row, memory, mode);
		if (mode == CASE_64)
			put_rex(g, b, &n, f, want);
		if (map)
			b[n++] = 0x0f;
		if (map >= 2)
			b[n++] = map == 2 ? 0x38 : 0x3a;
	}
	b[n++] = (uint8_t)(!x86_opslots[map][opcode].modrm && want && want->rm >= 0 && has_kind(row, K_Z, K_Z) ?
			   (opcode & ~7u) | (want->rm & 7u) : opcode);
	if (x86_opslots[map][opcode].modrm && want)
		put_wanted_modrm(g, b, &n, f, want);
	else if (x86_opslots[map][opcode].modrm)
		put_modrm(g, b, &n, f, memory);
	for (unsigned i = 0; i < 16; i++)
		b[n + i] = (uint8_t)(one_in(g, 3) ? integer(g) : bits32(g));
	memcpy(to, b, 15);
}

/* ---- operands ---- */

/* Takes its target from memory: where nothing can be put it would go astray. */
static bool transfers(const struct x86_row *row) { return row->attrs & ROW_BRANCH; }

static uint64_t pick_target(struct generator *g, const struct x86_row *row)
{
	uint64_t a;

	switch (below(g, 24)) {
	case 0: return DATA + 4096 - below(g, 40);
	case 1: return DATA + DATA_PAGES * 4096 - below(g, 40);
	case 2: return transfers(row) ? DATA + 1024 : DATA_RO + 512 + below(g, 512);  /* a target must be written there */
	case 3: return DATA - 512 - below(g, 512);
	default: break;
	}
	a = DATA + 512 + below(g, 3000);
	if ((row->attrs & ROW_ALIGN) ? !one_in(g, 10) : one_in(g, 2))
		a &= ~31ull;
	return a;
}

static bool patch_disp(struct test_case *t, uint64_t target)
{
	int64_t disp = (int64_t)target;
	unsigned n;

	if (!t->insn.off_disp)
		return false;
	if (t->insn.base == X86_RIPBASE)
		disp -= CODE_AT + t->insn.len;
	n = t->insn.addrsize == 8 && (t->insn.opcode & 0xfc) == 0xa0 && !t->insn.has_modrm ? 8 : 4;
	memcpy(t->code + t->insn.off_disp, &disp, n);
	t->insn.disp = disp;
	return true;
}

/* Sets registers or the displacement so that the memory operand is at @target. */
static bool aim(struct generator *g, struct test_case *t, uint64_t target)
{
	struct x86_insn *i = &t->insn;
	uint64_t *r = t->in.gpr, scale = 1ull << i->scale, index;
	bool vsib = t->insn.vex && (i->opcode & 0xfc) == 0x90 && x86_rows[t->row].operands[1] &&
		    x86_opspecs[x86_rows[t->row].operands[1]].kind == K_T;

	if (i->addrsize == 2)
		return false;
	if (vsib) {
		bool dwords = !(i->opcode & 1);

		for (unsigned n = 0; n < 8; n++) {
			if (dwords)
				t->in.ymm[i->index].d[n] = below(g, 12);
			else if (n < 4)
				t->in.ymm[i->index].q[n] = below(g, 12);
		}
		if (i->base == X86_ZERO)
			return patch_disp(t, target);
		r[i->base] = target - (uint64_t)i->disp;
		return true;
	}
	if (i->base >= X86_ZERO && i->index == X86_ZERO)
		return patch_disp(t, target);
	if (i->base >= X86_ZERO) {
		index = target - (uint64_t)i->disp;
		if (index % scale)
			return false;
		r[i->index] = index / scale;
		return true;
	}
	if (i->index == X86_ZERO) {
		r[i->base] = target - (uint64_t)i->disp;
	} else if (i->index == i->base) {
		index = target - (uint64_t)i->disp;
		if ((int64_t)index < 0 || index % (1 + scale))
			return false;
		r[i->base] = index / (1 + scale);
	} else {
		r[i->index] = integer(g);
		if (t->mode == CASE_32)
			r[i->index] = (uint32_t)r[i->index];
		r[i->base] = target - (uint64_t)i->disp - r[i->index] * scale;
	}
	if (t->mode == CASE_32)
		r[i->base] = (uint32_t)r[i->base];
	return true;
}

static uint8_t *memory_at(struct test_case *t, uint64_t at)
{
	return at >= t->window && at + 16 <= t->window + WINDOW ? t->in.memory + (at - t->window) : NULL;
}

static void store(struct test_case *t, uint64_t at, uint64_t v)
{
	uint8_t *p = memory_at(t, at);

	if (p)
		memcpy(p, &v, 8);
}

static bool is(const struct x86_row *row, const char *handler_name) { return !strcmp(row->name, handler_name); }

static bool is_any(const struct x86_row *row, const char *const *names)
{
	for (; *names; names++) {
		if (is(row, *names))
			return true;
	}
	return false;
}

static const char *const stack_rows[] = { "push", "pop", "pusha", "popa", "pushf", "popf", "call", "ret", "enter", NULL };
static const char *const port_rows[] = { "ins", "outs", NULL };
static const char *const string_rows[] = { "movs", "stos", "lods", "cmps", "scas", NULL };

/* Registers that instructions use without naming them. */
static bool implicit_operands(struct generator *g, struct test_case *t, const struct x86_row *row, uint64_t target)
{
	uint64_t *r = t->in.gpr;
	struct x86_insn *i = &t->insn;

	if (is_any(row, stack_rows) && !i->has_mem)
		r[X86_RSP] = target;
	else if (is_any(row, stack_rows) && i->base != X86_RSP && i->index != X86_RSP)
		r[X86_RSP] = target + 24;
	if (is(row, "leave") || is(row, "enter"))
		r[X86_RBP] = target + (is(row, "enter") ? 16 : 0);
	if (is(row, "enter")) {
		t->code[i->off_imm] &= 31;
		t->code[i->off_imm + 1] = 0;
		t->code[i->off_imm + 2] &= 3;
	}
	if (is(row, "popf"))
		store(t, target, (bits64(g) & (X86_ARITH | X86_DF)) | 2);
	if (is(row, "ret")) {
		store(t, target, PAD);
		if (i->off_imm)
			t->code[i->off_imm + 1] = 0;
	}
	if (is_any(row, string_rows)) {
		r[X86_RSI] = target;
		r[X86_RDI] = target + below(g, 40) - 20;
		if (i->rep)
			r[X86_RCX] = below(g, 6);
		if (one_in(g, 3))
			t->in.rflags |= X86_DF;
	}
	/* With a count of 0 some processors check the port all the same. */
	if (is_any(row, port_rows))
		r[X86_RCX] = 1 + below(g, 5);
	if (is(row, "xlat"))
		r[X86_RBX] = target - (r[X86_RAX] & 0xff);
	if (is(row, "maskmovq") || is(row, "maskmovdqu") || is(row, "vmaskmovdqu"))
		r[X86_RDI] = target;
	/* MXCSR.MM is a bit of some vendors' processors. */
	if (strstr(row->name, "ldmxcsr"))
		store(t, target, integer(g) & ~0x20000ull);
	if (is(row, "loop") || is(row, "loope") || is(row, "loopne") || is(row, "jcxz"))
		r[X86_RCX] = below(g, 3);
	if ((is(row, "div") || is(row, "idiv")) && one_in(g, 2))
		r[X86_RDX] = is(row, "div") ? below(g, 3) : (uint64_t)((int64_t)r[X86_RAX] >> 63);
	if (is(row, "cmpxchg") && i->has_mem && one_in(g, 2) && memory_at(t, target))
		memcpy(&r[X86_RAX], memory_at(t, target), 8);
	if (is(row, "cmpxchg8b") && one_in(g, 2) && memory_at(t, target)) {
		memcpy(&r[X86_RAX], memory_at(t, target), 8);
		memcpy(&r[X86_RDX], memory_at(t, target) + 8, 8);
		if (!(i->rex & 8)) {
			r[X86_RDX] = r[X86_RAX] >> 32;
			r[X86_RAX] = (uint32_t)r[X86_RAX];
		}
	}
	return true;
}

/* Bit strings reach beyond their operand: keep the offset near. */
static bool bit_offset(struct generator *g, struct test_case *t, const struct x86_row *row)
{
	const struct x86_insn *i = &t->insn;

	if (row->name[0] != 'b' || row->name[1] != 't' || i->op[0].kind != OPK_MEM || i->op[1].kind != OPK_GPR)
		return true;
	if (i->op[1].reg == i->base || i->op[1].reg == i->index)
		return false;
	t->in.gpr[i->op[1].reg] = (uint64_t)((int64_t)below(g, 600) - 300);
	if (t->mode == CASE_32)
		t->in.gpr[i->op[1].reg] = (uint32_t)t->in.gpr[i->op[1].reg];
	return true;
}

static bool branch_target(struct test_case *t, uint64_t target)
{
	struct x86_insn *i = &t->insn;
	int64_t rel = PAD - (int64_t)(CODE_AT + i->len);

	if (i->op[0].kind == OPK_REL) {
		memcpy(t->code + i->off_imm, &rel, i->op[0].size);
	} else if (i->op[0].kind == OPK_GPR) {
		if (i->op[0].reg == X86_RSP)
			return false;
		t->in.gpr[i->op[0].reg] = PAD;
	} else if (i->op[0].kind == OPK_MEM) {
		if (!memory_at(t, target))
			return true;
		store(t, target, PAD);
	}
	return true;
}

static void wrap32(struct test_case *t)
{
	for (unsigned i = 0; i < 16 && t->mode == CASE_32; i++)
		t->in.gpr[i] = i < 8 ? (uint32_t)t->in.gpr[i] : 0;
}

bool generate_case(struct generator *g, struct test_case *t, unsigned map, unsigned opcode, unsigned form, unsigned mode)
{
	const struct opslot *slot = &x86_opslots[map][opcode];
	const struct rowform *f = &x86_rowforms[slot->first + form];
	const struct x86_row *row = &x86_rows[f->row];
	uint32_t bits = X86_MODE_PE | X86_MODE_LMA | X86_MODE_SS32 | (mode == CASE_64 ? X86_MODE_CS64 : X86_MODE_CS32);
	uint64_t target;

	memset(t, 0, offsetof(struct test_case, host));
	t->mode = (uint8_t)mode;
	t->row = f->row;
	if ((f->mode == 1 && mode != CASE_64) || (f->mode == 2 && mode == CASE_64))
		return false;
	form_bytes(g, t->code, map, opcode, f, mode, NULL);
	if (x86_decode(&t->insn, t->code, 15, bits) != X86_DECODED || t->insn.row != row)
		return false;
	t->len = t->insn.len;
	random_state(g, t);
	target = pick_target(g, row);
	t->window = target - 56;
	if (t->insn.has_mem && !aim(g, t, target))
		return false;
	implicit_operands(g, t, row, target);
	if (!bit_offset(g, t, row) || ((row->attrs & ROW_BRANCH) && !branch_target(t, target)))
		return false;
	wrap32(t);
	/* Displacements and immediates were patched: decode what will run. */
	return x86_decode(&t->insn, t->code, 15, bits) == X86_DECODED && t->insn.row == row && t->insn.len == t->len;
}

/* Whether the host's CPUID says that it has @feature. */
static bool host_has(unsigned feature)
{
	enum { A, B, C, D };
	static const struct { uint16_t feature; uint8_t sub, reg, bit; uint32_t leaf; } list[] = {
#define X(suffix, name, leaf, sub, reg, bit, have) { F_##suffix, sub, reg, bit, leaf },
#include "target/i386/features.def"
#undef X
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(list); i++) {
		uint32_t r[4];

		if (list[i].feature == feature)
			return __get_cpuid_count(list[i].leaf, list[i].sub, &r[A], &r[B], &r[C], &r[D]) && r[list[i].reg] >> list[i].bit & 1;
	}
	return true;
}

const char *row_excluded(const struct x86_row *row)
{
	static const struct { const char *name, *why; } list[] = {
		{ "syscall", "enters the host's kernel" }, { "sysenter", "enters the host's kernel" }, { "sysexit", "system" },
		{ "sysret", "system" }, { "int", "enters the host's kernel" }, { "vmcall", "enters the host's hypervisor" },
		{ "vmmcall", "enters the host's hypervisor" }, { "iret", "system" }, { "retf", "far transfer" },
		{ "les", "loads segments" }, { "lds", "loads segments" }, { "lss", "loads segments" }, { "lfs", "loads segments" },
		{ "lgs", "loads segments" }, { "cpuid", "answers differ by design" }, { "rdtsc", "time" }, { "rdtscp", "time" },
		{ "rdpmc", "counts" }, { "rdrand", "random" }, { "rdseed", "random" }, { "xgetbv", "host's XCR0" }, { "rdpid", "host's processor" },
		{ "sgdt", "host's tables" }, { "sidt", "host's tables" }, { "sldt", "host's tables" }, { "str", "host's tables" },
		{ "smsw", "host's CR0" }, { "lar", "host's descriptors" }, { "lsl", "host's descriptors" }, { "verr", "host's descriptors" },
		{ "verw", "host's descriptors" }, { "xsave", "directed test" }, { "xsaveopt", "directed test" }, { "xsavec", "directed test" },
		{ "xsaves", "directed test" }, { "xrstor", "directed test" }, { "xrstors", "directed test" }, { "fxsave", "directed test" },
		{ "fxrstor", "directed test" }, { "rdfsbase", "host's FS" }, { "rdgsbase", "host's GS" }, { "wrfsbase", "host's FS" },
		{ "wrgsbase", "host's GS" }, { "into", "SIGSEGV in 32-bit code without error code" }, { "int1", "trap" },
		{ "nop_0d", "NOP by the manuals of one vendor, undefined by the other's" },
		{ "fnsave", "area over the window" }, { "frstor", "area over the window" }, { "fsave", "area over the window" },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(list); i++) {
		if (!strcmp(row->name, list[i].name))
			return list[i].why;
	}
	if (row->feature && !host_has(row->feature))
		return "this host lacks it";
	if (has_kind(row, K_S, K_FIXSEG))
		return "segment registers of the host";
	if (has_kind(row, K_A, K_C) || has_kind(row, K_D, K_D))
		return "system";
	for (unsigned n = 0; n < 4 && row->operands[n]; n++) {
		if (x86_opspecs[row->operands[n]].size == SZ_P)
			return "far transfer";
	}
	return NULL;
}
