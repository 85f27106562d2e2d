/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs code on the host.  Hand-made entry and exit code at fixed low
 * addresses loads and stores all state with absolute addressing, so that the
 * code may have any register value, RSP included.  Faults come as
 * signals on an alternate stack and leave by siglongjmp.
 */
#include <cpuid.h>
#include <glib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "case.h"

#define AREA 0x22000000u     /* struct area */

/* What entry and exit code read and write; fields by absolute address. */
struct area {
	struct state in, out;
	uint64_t host_rsp, flags_tmp;
	uint64_t exit64;         /* unused by code; keeps the next field aligned */
	uint32_t far32_off;      /* far pointer into 32-bit code */
	uint16_t far32_sel;
	uint64_t landed;         /* enum native_end */
};

static struct area *const area = (struct area *)(uintptr_t)AREA;
static sigjmp_buf back;
static struct outcome *now;
static unsigned upper_halves;    /* where a signal's XSAVE image has those of YMM registers */

struct code {
	uint8_t *p;
};

static void emit(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->p, bytes, n);
	c->p += n;
}

#define EMIT(c, ...) emit(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void emit32(struct code *c, uint32_t v) { emit(c, &v, 4); }

static uint32_t field(size_t offset) { return AREA + (uint32_t)offset; }

/* mov reg, [abs] (8b) or mov [abs], reg (89), 64 bits. */
static void emit_mov(struct code *c, uint8_t opcode, unsigned reg, uint32_t at)
{
	EMIT(c, (uint8_t)(0x48 | (reg >> 3) << 2), opcode, (uint8_t)((reg & 7) << 3 | 4), 0x25);
	emit32(c, at);
}

/* vmovdqu ymm, [abs] (6f) or [abs], ymm (7f). */
static void emit_ymm(struct code *c, uint8_t opcode, unsigned reg, uint32_t at)
{
	EMIT(c, 0xc5, (uint8_t)(reg < 8 ? 0xfe : 0x7e), opcode, (uint8_t)((reg & 7) << 3 | 4), 0x25);
	emit32(c, at);
}

static void emit_gprs(struct code *c, uint8_t opcode, size_t where)
{
	for (unsigned i = 0; i < 16; i++)
		emit_mov(c, opcode, i, field(where + 8 * i));
}

static void (*entry64)(void), (*entry32)(void);
static uint32_t exit_fall, exit_pad, exit_common, exit_fall32, exit_pad32;

static void emit_entry(struct code *c, bool wide)
{
	EMIT(c, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);  /* push rbx rbp r12..r15 */
	emit_mov(c, 0x89, X86_RSP, field(offsetof(struct area, host_rsp)));
	EMIT(c, 0x48, 0x0f, 0xae, 0x0c, 0x25);                                /* fxrstor64 [in.fx] */
	emit32(c, field(offsetof(struct area, in.fx)));
	for (unsigned i = 0; i < 16; i++)
		emit_ymm(c, 0x6f, i, field(offsetof(struct area, in.ymm) + 32 * i));
	EMIT(c, 0xff, 0x34, 0x25);                                            /* push [in.rflags] */
	emit32(c, field(offsetof(struct area, in.rflags)));
	EMIT(c, 0x9d);                                                        /* popf */
	if (!wide)
		EMIT(c, 0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0);         /* DS and ES: 64-bit processes have none */
	emit_gprs(c, 0x8b, offsetof(struct area, in.gpr));
	if (wide) {
		EMIT(c, 0xff, 0x24, 0x25);                                    /* jmp [in.rip] */
		emit32(c, field(offsetof(struct area, in.rip)));
	} else {
		EMIT(c, 0xff, 0x2c, 0x25);                                    /* jmp far [far32_off] */
		emit32(c, field(offsetof(struct area, far32_off)));
	}
}

/* One way to the exit code: notes which. */
static uint32_t emit_way_out(struct code *c, enum native_end end)
{
	uint32_t at = (uint32_t)(uintptr_t)c->p;

	EMIT(c, 0xc7, 0x04, 0x25);
	emit32(c, field(offsetof(struct area, landed)));
	emit32(c, end);
	EMIT(c, 0xe9);
	emit32(c, exit_common - (uint32_t)(uintptr_t)(c->p + 4));
	return at;
}

static void emit_exit(struct code *c)
{
	exit_common = (uint32_t)(uintptr_t)c->p;
	emit_gprs(c, 0x89, offsetof(struct area, out.gpr));
	emit_mov(c, 0x8b, X86_RSP, field(offsetof(struct area, host_rsp)));
	EMIT(c, 0x9c, 0x8f, 0x04, 0x25);                                      /* pushf; pop [out.rflags] */
	emit32(c, field(offsetof(struct area, out.rflags)));
	EMIT(c, 0xfc);
	for (unsigned i = 0; i < 16; i++)
		emit_ymm(c, 0x7f, i, field(offsetof(struct area, out.ymm) + 32 * i));
	EMIT(c, 0x48, 0x0f, 0xae, 0x04, 0x25);                                /* fxsave64 [out.fx] */
	emit32(c, field(offsetof(struct area, out.fx)));
	EMIT(c, 0xdb, 0xe3, 0xc5, 0xf8, 0x77);                                /* fninit; vzeroupper */
	EMIT(c, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3);
	exit_fall = emit_way_out(c, NATIVE_FELL);
	exit_pad = emit_way_out(c, NATIVE_JUMPED);
}

/* 32-bit code: far jump back to the 64-bit exits. */
static uint32_t emit_far(struct code *c, uint32_t to)
{
	uint32_t at = (uint32_t)(uintptr_t)c->p;

	EMIT(c, 0xea);
	emit32(c, to);
	EMIT(c, 0x33, 0x00);
	return at;
}

static void no_alignment_checks(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andl $~0x40000, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
}

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	const ucontext_t *u = uc;
	const greg_t *r = u->uc_mcontext.gregs;
	static const int reg[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				     REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
	const struct _libc_fpstate *f = u->uc_mcontext.fpregs;
	struct state *s = &area->out;

	(void)sig;
	(void)info;
	no_alignment_checks();
	for (unsigned i = 0; i < 16; i++)
		s->gpr[i] = (uint64_t)r[reg[i]];
	s->rip = (uint64_t)r[REG_RIP];
	s->rflags = (uint64_t)r[REG_EFL];
	memcpy(s->fx, f, 512);
	for (unsigned i = 0; i < 16; i++) {
		memcpy(s->ymm[i].b, &f->_xmm[i], 16);
		memcpy(s->ymm[i].b + 16, (const uint8_t *)f + upper_halves + 16 * i, 16);
	}
	now->vector = (int)r[REG_TRAPNO];
	now->error = (uint32_t)r[REG_ERR];
	now->cr2 = (uint64_t)r[REG_CR2];
	now->cs = (uint16_t)r[REG_CSGSFS];
	siglongjmp(back, 1);
}

static void map_at(uint64_t at, size_t n, int prot)
{
	if (mmap((void *)(uintptr_t)at, n, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED) {
		perror("tests/cpu: a fixed low address is taken");
		exit(1);
	}
}

bool native_has_32(void)
{
	uint32_t rights = 0;
	bool valid;

	__asm__("lar %2, %0" : "+r"(rights), "=@ccz"(valid) : "r"(0x23) : "cc");
	return valid && (rights & 0x60f800) == 0x40f800;  /* D set, L clear, code, DPL 3 */
}

void native_map(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	struct code c = { (uint8_t *)(uintptr_t)STUB };
	struct sigaction a = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	stack_t alt = { .ss_size = 1 << 16 };
	unsigned size, at = 0, b, d;

	if (!__get_cpuid_count(0xd, 2, &size, &at, &b, &d) || !at) {
		fprintf(stderr, "tests/cpu: this host has no AVX\n");
		exit(1);
	}
	upper_halves = at;
	/* Kernels start 64-bit processes with null selectors, by which 32-bit code cannot reach memory. */
	if (native_has_32())
		__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(0x2b));
	map_at(STUB, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(CODE, CODE_PAGES * 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_at(AREA, (sizeof *area + 4095) & ~4095ul, PROT_READ | PROT_WRITE);
	map_at(DATA, DATA_PAGES * 4096, PROT_READ | PROT_WRITE);
	/* A page that was never written may not be there, and then faults otherwise. */
	map_at(DATA_RO, 4096, PROT_READ | PROT_WRITE);
	memset((void *)(uintptr_t)DATA_RO, 0, 4096);
	mprotect((void *)(uintptr_t)DATA_RO, 4096, PROT_READ);
	entry64 = (void (*)(void))(uintptr_t)c.p;
	emit_entry(&c, true);
	entry32 = (void (*)(void))(uintptr_t)c.p;
	emit_entry(&c, false);
	emit_exit(&c);
	exit_fall32 = emit_far(&c, exit_fall);
	exit_pad32 = emit_far(&c, exit_pad);
	g_assert_cmphex((uintptr_t)c.p, <=, EXIT_64);
	c.p = (uint8_t *)(uintptr_t)EXIT_64;
	emit_way_out(&c, NATIVE_EXIT_64);
	c.p = (uint8_t *)(uintptr_t)EXIT_32;
	EMIT(&c, 0xc7, 0x05);                                                 /* 32-bit code: mov [landed], ... */
	emit32(&c, field(offsetof(struct area, landed)));
	emit32(&c, NATIVE_EXIT_32);
	emit_far(&c, exit_common);
	mprotect((void *)(uintptr_t)STUB, 4096, PROT_READ | PROT_EXEC);
	area->far32_sel = 0x23;
	alt.ss_sp = malloc(alt.ss_size);
	sigaltstack(&alt, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaction(signals[i], &a, NULL);
}

static void put_jump(uint64_t at, uint32_t to)
{
	uint8_t *p = (uint8_t *)(uintptr_t)at;
	uint32_t rel = to - (uint32_t)(at + 5);

	p[0] = 0xe9;
	memcpy(p + 1, &rel, 4);
}

/* The window may lie in holes: only what is mapped is copied. */
static void copy_window(uint64_t window, uint8_t *bytes, bool in)
{
	for (unsigned i = 0; i < WINDOW; i++) {
		uint64_t a = window + i;
		bool rw = a >= DATA && a < DATA + DATA_PAGES * 4096, ro = a >= DATA_RO && a < DATA_RO + 4096;

		if (rw && in)
			*(uint8_t *)(uintptr_t)a = bytes[i];
		else if (!in)
			bytes[i] = rw || ro ? *(uint8_t *)(uintptr_t)a : 0;
	}
}

enum native_end native_enter(const struct state *in, struct outcome *o, bool wide)
{
	volatile enum native_end end = NATIVE_FAULT;

	now = o;
	now->vector = -1;
	now->cs = wide ? 0x33 : 0x23;
	area->in = *in;
	area->far32_off = (uint32_t)in->rip;
	if (!sigsetjmp(back, 0)) {
		(wide ? entry64 : entry32)();
		end = area->landed;
	}
	/* Flags too: a signal leaves AC as it was, and the compiler relies on it being clear. */
	no_alignment_checks();
	__asm__ volatile("cld; fninit" ::: "memory", "cc");
	o->state = area->out;
	return end;
}

void native_run(struct test_case *t)
{
	bool wide = t->mode == CASE_64;
	enum native_end end;

	memset((void *)(uintptr_t)CODE_AT, 0xcc, 0x80);
	memcpy((void *)(uintptr_t)CODE_AT, t->code, t->len);
	put_jump(CODE_AT + t->len, wide ? exit_fall : exit_fall32);
	put_jump(PAD, wide ? exit_pad : exit_pad32);
	copy_window(t->window, t->in.memory, true);
	end = native_enter(&t->in, &t->host, wide);
	if (end != NATIVE_FAULT)
		t->host.state.rip = end == NATIVE_JUMPED ? PAD : CODE_AT + t->len;
	copy_window(t->window, t->host.state.memory, false);
	/* A later case may meet these bytes by chance, in an operand outside of its own window. */
	copy_window(t->window, (uint8_t[WINDOW]){ 0 }, true);
	t->host.ran = true;
}
