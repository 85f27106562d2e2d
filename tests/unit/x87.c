/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every x87 encoding against the host processor: the whole state that FNSAVE
 * shows, from random states with special values, full and empty registers,
 * masked and unmasked exceptions.  Transcendental results may differ by one in
 * the last place.  On other hosts only the fixed cases run.
 */
#include <glib.h>

#include "interp.h"

/* ---- our side ---- */

enum { STATE = 108, MEM = 128, MEM_AX = 120 };

/* What an instruction leaves. */
struct outcome {
	uint8_t state[STATE];  /* FNSAVE, 32-bit protected format */
	uint8_t mem[MEM];
	uint32_t eflags;
	bool undefined;        /* #UD */
};

enum { LIN = 0x10000 };  /* where the machine's only page is */

struct machine {
	struct x86_cpu c;
	struct x86_code_page code;
	uint8_t page[4096];
};

static bool machine_page(void *o, uint64_t gpa, struct x86_page *page)
{
	struct machine *m = o;

	g_assert_cmphex(gpa, ==, LIN);
	*page = (struct x86_page){ .host = m->page, .rights = X86_PAGE_READ | X86_PAGE_WRITE, .code = &m->code };
	return true;
}

static const struct x86_ops machine_ops = { .page = machine_page };

/* 64-bit code without paging: no processor has that, but nothing here minds. */
static struct machine *machine_new(void)
{
	struct machine *m = g_new0(struct machine, 1);

	m->c.ops = &machine_ops;
	m->c.opaque = m;
	m->c.cr0 = CR0_PE | CR0_NE;
	m->c.mode = X86_MODE_CS64 | X86_MODE_PE | X86_MODE_LMA | X86_MODE_SS32;
	for (unsigned mmu = 0; mmu < X86_MMU_COUNT; mmu++)
		for (unsigned i = 0; i < X86_TLB_SIZE; i++) {
			struct x86_tlb_entry *e = &m->c.tlb[mmu][i];

			e->read = e->write = e->exec = X86_TLB_INVALID;
		}
	x86_tlb_flush(&m->c, X86_FLUSH_ALL);
	return m;
}

/* Runs @code, with 66 before it if its third byte says so, with the memory operand at RSI. */
static bool machine_step(struct machine *m, const uint8_t code[3], uint64_t rsi)
{
	struct uop u[2] = { 0 };
	struct x86_insn insn;

	if (x86_decode(&insn, code, 2, m->c.mode) != X86_DECODED || !insn.row)
		return false;
	u->opcode = insn.opcode;
	u->modrm = insn.modrm;
	u->opsize = code[2] ? 2 : insn.opsize;
	u->addrsize = 8;
	u->base = X86_RSI;
	u->index = X86_ZERO;
	u->seg = X86_DS;
	u->row = insn.row->id;
	m->c.gpr[X86_RSI] = rsi;
	g_assert_true(interp_handlers[insn.row->handler](&m->c, u) == u + 1);
	return true;
}

static const uint8_t frstor_rsi[3] = { 0xdd, 0x26 }, fnsave_rsi[3] = { 0xdd, 0x36 };

static void run_ours(struct machine *m, const uint8_t code[3], const uint8_t *state, const uint8_t *mem, uint32_t eflags,
		     struct outcome *out)
{
	uint8_t *at = m->page;
	uint16_t ax;

	memcpy(at + 1024, state, STATE);
	memcpy(at, mem, MEM);
	machine_step(m, frstor_rsi, LIN + 1024);
	m->c.gpr[X86_RAX] = 0;
	x86_arith_set(&m->c, eflags);
	out->undefined = !machine_step(m, code, LIN);
	out->eflags = x86_arith_get(&m->c);
	ax = (uint16_t)m->c.gpr[X86_RAX];
	memcpy(at + MEM_AX, &ax, 2);
	machine_step(m, fnsave_rsi, LIN + 1024);
	memcpy(out->state, at + 1024, STATE);
	memcpy(out->mem, at, MEM);
}

static void put16(uint8_t *at, unsigned v)
{
	uint16_t h = (uint16_t)v;

	memcpy(at, &h, 2);
}
static unsigned get16(const uint8_t *at)
{
	uint16_t h;

	memcpy(&h, at, 2);
	return h;
}

/* ---- fixed cases ---- */

static void test_stack_fault(void)
{
	static const uint8_t fld1[3] = { 0xd9, 0xe8 };
	struct machine *m = machine_new();
	uint8_t state[STATE] = { 0 }, mem[MEM] = { 0 };
	struct outcome out;

	put16(state, 0x37f);  /* all registers hold zero */
	run_ours(m, fld1, state, mem, 0, &out);
	g_assert_cmphex(get16(out.state + 4), ==, 7 << 11 | 0x241);  /* C1, SF, IE */
	g_assert_cmphex(get16(out.state + 28 + 8), ==, 0xffff);
	/* Invalid unmasked: nothing is pushed, ES and B tell. */
	put16(state, 0x37e);
	run_ours(m, fld1, state, mem, 0, &out);
	g_assert_cmphex(get16(out.state + 4), ==, 0x82c1);
	g_assert_cmphex(get16(out.state + 28 + 8), ==, 0);
	g_free(m);
}

static void test_real_mode_env(void)
{
	struct machine *m = machine_new();
	struct uop u[2] = { { .opcode = 0xd9, .modrm = 0x36, .opsize = 2, .addrsize = 8, .base = X86_RSI,
			      .index = X86_ZERO, .seg = X86_DS } };

	m->c.mode = X86_MODE_CS64;  /* flat addresses, but not protected */
	m->c.fpu = (struct x86_fpu){ .fcw = 0x37f, .empty = 0xff, .fip = 0x2345, .fcs = 0xf000, .fop = 0x123,
				     .fdp = 0x10, .fds = 0x1234 };
	m->c.gpr[X86_RSI] = LIN;
	op_fnstenv(&m->c, u);
	g_assert_cmphex(get16(m->page), ==, 0x37f);
	g_assert_cmphex(get16(m->page + 6), ==, 0x2345);
	g_assert_cmphex(get16(m->page + 8), ==, 0xf123);
	g_assert_cmphex(get16(m->page + 10), ==, 0x2350);
	g_assert_cmphex(get16(m->page + 12), ==, 0x1000);
	g_free(m);
}

#if defined(__x86_64__)

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

/* ---- the host ---- */

typedef uint64_t (*native_fn)(const void *state, void *mem, void *out, uint64_t flags);

static sigjmp_buf on_fault;

static void fault(int sig)
{
	siglongjmp(on_fault, sig);
}

static native_fn native_code(uint8_t *at, const uint8_t code[3])
{
	const uint8_t text[] = {
		0xdd, 0x27,                          /* frstor (%rdi) */
		0x31, 0xc0,                          /* xor %eax, %eax */
		0x51, 0x9d,                          /* push %rcx; popf */
		code[2] ? 0x66 : 0x3e, code[0], code[1],  /* 3e does nothing */
		0x9c,                                /* pushf */
		0x66, 0x89, 0x46, MEM_AX,            /* mov %ax, MEM_AX(%rsi) */
		0x58,                                /* pop %rax */
		0xdd, 0x32,                          /* fnsave (%rdx) */
		0xc3,
	};

	memcpy(at, text, sizeof text);
	return (native_fn)(uintptr_t)at;
}

static void run_host(uint8_t *page, const uint8_t code[3], const uint8_t *state, const uint8_t *mem, uint32_t eflags,
		     struct outcome *out)
{
	native_fn fn = native_code(page, code);

	memcpy(out->mem, mem, MEM);
	out->undefined = false;
	if (sigsetjmp(on_fault, 1)) {
		__asm__ volatile("fninit");
		out->undefined = true;
		return;
	}
	out->eflags = (uint32_t)fn(state, out->mem, out->state, eflags | 0x202) & X86_ARITH;
	__asm__ volatile("fninit");
}

/* ---- random states ---- */

static uint64_t rng = 88172645463325252u;

static uint64_t rnd(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static uint64_t pattern(unsigned bits)
{
	uint64_t all = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;

	switch (rnd() % 8) {
	case 0: return 0;
	case 1: return all;
	case 2: return all << (rnd() % bits) & all;
	case 3: return (UINT64_C(1) << (rnd() % bits)) & all;
	case 4: return all ^ (rnd() & 3);
	case 5: return rnd() & 3;
	default: return rnd() & all;
	}
}

static void random_f80(uint8_t *at)
{
	uint64_t frac = pattern(63) | UINT64_C(1) << 63;
	unsigned exp;

	switch (rnd() % 16) {
	case 0: exp = 0; frac = 0; break;
	case 1: exp = 0; frac ^= rnd() & 7 ? UINT64_C(1) << 63 : 0; break;
	case 2: exp = 0x7fff; break;
	case 3: exp = 0x7fff; frac = UINT64_C(1) << 63; break;
	case 4: exp = (unsigned)rnd() & 0x7fff; frac ^= rnd() & 3 ? 0 : UINT64_C(1) << 63; break;
	case 5: exp = 0x7ffe - rnd() % 70; break;
	case 6: exp = 1 + rnd() % 70; break;
	case 7: exp = 0x3fff + 1023 - rnd() % 3; break;
	case 8: exp = 0x3fff - 1022 - rnd() % 60; break;
	case 9: exp = 0x3fff + 127 - rnd() % 3; break;
	case 10: exp = 0x3fff - 126 - rnd() % 30; break;
	case 11: exp = 0x3fff - rnd() % 20; break;
	default: exp = 0x3fff + rnd() % 66 - 3; break;
	}
	memcpy(at, &frac, 8);
	put16(at + 8, exp | (rnd() & 1) << 15);
}

static void random_mem(uint8_t *mem)
{
	uint64_t v;

	memset(mem, 0, MEM);
	switch (rnd() % 5) {
	case 0:
		for (unsigned i = 0; i < MEM_AX; i += 10)
			random_f80(mem + i);
		break;
	case 1:
		v = (rnd() & 1) << 63 | (rnd() & 1 ? rnd() & 0x7ff : (rnd() & 1) * 0x7ff) << 52 | pattern(52);
		memcpy(mem, &v, 8);
		break;
	case 2:
		v = (rnd() & 1) << 31 | (rnd() & 1 ? rnd() & 0xff : (rnd() & 1) * 0xff) << 23 | pattern(23);
		memcpy(mem, &v, 4);
		break;
	case 3:
		v = rnd() >> (rnd() & 63);
		v = rnd() & 1 ? v : 0 - v;
		memcpy(mem, &v, 8);
		break;
	default:
		for (unsigned i = 0; i < 9; i++)
			mem[i] = (uint8_t)(rnd() % 10 << 4 | rnd() % 10);
		mem[9] = (rnd() & 1) << 7;
	}
}

static void random_state(uint8_t *state)
{
	unsigned masks = rnd() % 4 ? 63 : (unsigned)rnd() & 63, tags = 0;
	bool full = rnd() & 1;

	memset(state, 0, STATE);
	put16(state, 0x40 | masks | ((unsigned)rnd() & 0xf00));
	/* A pending exception would stop the next instruction. */
	put16(state + 4, ((unsigned)rnd() & 0x7f40) | ((unsigned)rnd() & (unsigned)rnd() & masks));
	for (unsigned i = 0; i < 8; i++) {
		if (rnd() % (full ? 40 : 3) == 0)
			tags |= 3u << (2 * i);
		random_f80(state + 28 + 10 * i);
	}
	put16(state + 8, tags);
	/* Related operands: equal, opposite, one unit apart. */
	if (rnd() % 4 == 0) {
		memcpy(state + 38, state + 28, 10);
		state[38] ^= rnd() & 1;
		state[47] ^= (rnd() & 1) << 7;
	}
}

/* ---- comparison ---- */

static bool is_transcendental(const uint8_t code[3])
{
	return code[0] == 0xd9 && (code[1] == 0xf0 || code[1] == 0xf1 || code[1] == 0xf2 || code[1] == 0xf3 ||
				   code[1] == 0xf9 || code[1] == 0xfb || code[1] == 0xfe || code[1] == 0xff);
}

/* Difference of two extended values in units of the last place; large if of another kind. */
static uint64_t distance(const uint8_t *a, const uint8_t *b)
{
	uint64_t fa, fb;
	int ea = (int)get16(a + 8), eb = (int)get16(b + 8);

	memcpy(&fa, a, 8);
	memcpy(&fb, b, 8);
	if (ea == eb)
		return fa > fb ? fa - fb : fb - fa;
	if (ea == eb + 1)
		return fa - (UINT64_C(1) << 63) + (0 - fb);
	if (eb == ea + 1)
		return fb - (UINT64_C(1) << 63) + (0 - fa);
	return UINT64_MAX;
}

/*
 * The words of the environment that count, @step bytes apart.  Where FIP and the
 * like are not loaded from memory they depend on the processor's make.
 */
static bool same_env(const uint8_t *a, const uint8_t *b, unsigned step, unsigned ignore_fsw)
{
	return get16(a) == get16(b) && ((get16(a + step) ^ get16(b + step)) & ~ignore_fsw) == 0 &&
	       get16(a + 2 * step) == get16(b + 2 * step);
}

static bool same(const uint8_t code[3], const struct outcome *a, const struct outcome *b)
{
	bool loose = is_transcendental(code);
	bool env = (code[0] == 0xd9 || code[0] == 0xdd) && code[1] < 0xc0;
	bool load_env = env && (code[1] >> 3 & 7) == 4, store_env = env && (code[1] >> 3 & 7) == 6;
	unsigned step = code[2] ? 2 : 4;

	if (a->undefined || b->undefined)
		return a->undefined == b->undefined;
	if (!same_env(a->state, b->state, 4, loose ? 0x200 : 0) || a->eflags != b->eflags)
		return false;
	for (unsigned i = 0; i < 8; i++)
		if (distance(a->state + 28 + 10 * i, b->state + 28 + 10 * i) > loose)
			return false;
	if (load_env && memcmp(a->state, b->state, 28))
		return false;
	if (store_env)
		return same_env(a->mem, b->mem, step, 0) && memcmp(a->mem + 7 * step, b->mem + 7 * step, MEM - 7 * step) == 0;
	return memcmp(a->mem, b->mem, MEM) == 0;
}

static void print_f80(GString *s, const uint8_t *at)
{
	uint64_t frac;

	memcpy(&frac, at, 8);
	g_string_append_printf(s, " %04x:%016lx", get16(at + 8), frac);
}

static void print_outcome(const char *who, const struct outcome *o)
{
	GString *s = g_string_new(who);

	g_string_append_printf(s, " cw %04x sw %04x tw %04x fl %x", get16(o->state), get16(o->state + 4), get16(o->state + 8), o->eflags);
	for (unsigned i = 0; i < 8; i++)
		print_f80(s, o->state + 28 + 10 * i);
	g_string_append(s, " mem");
	print_f80(s, o->mem);
	g_string_append_printf(s, " ax %04x%s", get16(o->mem + MEM_AX), o->undefined ? " #UD" : "");
	g_test_message("%s", s->str);
	g_string_free(s, TRUE);
}

static void test_encoding(const void *data)
{
	const uint8_t code[3] = { GPOINTER_TO_UINT(data) >> 8 & 0xff, GPOINTER_TO_UINT(data) & 0xff, GPOINTER_TO_UINT(data) >> 16 };
	unsigned rounds = g_test_slow() ? 100000 : 400, bad = 0;
	uint8_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sigaction sa = { .sa_handler = fault, .sa_flags = SA_NODEFER }, old_ill, old_fpe;
	struct machine *m = machine_new();

	if (page == MAP_FAILED) {
		g_test_skip("no executable memory");
		g_free(m);
		return;
	}
	sigaction(SIGILL, &sa, &old_ill);
	sigaction(SIGFPE, &sa, &old_fpe);
	for (unsigned i = 0; i < rounds && bad < 3; i++) {
		struct outcome in = { 0 }, ours = { 0 }, host = { 0 };
		uint32_t eflags = (uint32_t)rnd() & X86_ARITH;

		random_state(in.state);
		random_mem(in.mem);
		in.eflags = eflags;
		run_host(page, code, in.state, in.mem, eflags, &host);
		run_ours(m, code, in.state, in.mem, eflags, &ours);
		if (same(code, &ours, &host))
			continue;
		bad++;
		print_outcome("  in", &in);
		print_outcome("ours", &ours);
		print_outcome("host", &host);
	}
	sigaction(SIGILL, &old_ill, NULL);
	sigaction(SIGFPE, &old_fpe, NULL);
	munmap(page, 4096);
	g_free(m);
	if (bad)
		g_test_fail();
}

static void add_encoding(unsigned opcode, unsigned modrm, unsigned prefix66)
{
	char *path = g_strdup_printf("/x87/host/%s%02x-%02x", prefix66 ? "66-" : "", opcode, modrm);

	g_test_add_data_func(path, GUINT_TO_POINTER(prefix66 << 16 | opcode << 8 | modrm), test_encoding);
	g_free(path);
}

static void add_host_tests(void)
{
	for (unsigned op = 0xd8; op <= 0xdf; op++) {
		for (unsigned reg = 0; reg < 8; reg++)
			add_encoding(op, reg << 3 | 6, 0);
		for (unsigned modrm = 0xc0; modrm <= 0xff; modrm++)
			add_encoding(op, modrm, 0);
	}
	for (unsigned op = 0xd9; op <= 0xdd; op += 4) {
		add_encoding(op, 4 << 3 | 6, 1);
		add_encoding(op, 6 << 3 | 6, 1);
	}
}

#else

static void add_host_tests(void)
{
}

#endif

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/x87/stack-fault", test_stack_fault);
	g_test_add_func("/x87/real-mode-environment", test_real_mode_env);
	add_host_tests();
	return g_test_run();
}
