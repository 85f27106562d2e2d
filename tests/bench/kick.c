/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How soon a processor that runs a loop notices a request: TEST_ENGINE=jit bench-kick [ROUNDS].
 *
 * A signal to the thread that runs the engine sets X86_PEND_STOP and reads the thread's
 * processor time; the engine's return reads it again.  So what other programs run in
 * between does not count, but the way back from the signal does, and what the host's kernel
 * does for this thread: compare with the first row.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "fakecpu.h"

enum { HLT = 0xf4, BIG = 0x180000, BIG_SIZE = 0x100000 };

static struct x86_cpu *running;
static uint64_t asked;

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void ask(int sig)
{
	asked = now();
	x86_pend(running, X86_PEND_STOP);
}

/* ---- loops ---- */

struct loop {
	const char *name;
	void (*load)(struct fake *f);
};

#define LOAD(f, at, ...)                                        \
	do {                                                    \
		static const uint8_t k_[] = { __VA_ARGS__ };    \
		memcpy((f)->ram + (at), k_, sizeof k_);         \
	} while (0)

/* 1: jmp 1b */
static void self(struct fake *f) { LOAD(f, CODE, 0xeb, 0xfe); }

/* 1: add rax,[rsi]; dec rcx; jnz 1b; jmp 1b */
static void counted(struct fake *f) { LOAD(f, CODE, 0x48, 0x03, 0x06, 0x48, 0xff, 0xc9, 0x75, 0xf8, 0xeb, 0xf6); }

/* 64 pages, each: inc rax; jmp to the next; the last to the first. */
static void pages(struct fake *f)
{
	for (unsigned i = 0; i < 64; i++) {
		uint8_t *at = f->ram + CODE + 0x40000 + i * 4096;
		int32_t rel = (i == 63 ? -63 * 4096 : 4096) - 8;

		memcpy(at, "\x48\xff\xc0\xe9", 4);
		memcpy(at + 4, &rel, 4);
	}
	LOAD(f, CODE, 0xe9, 0xfb, 0xff, 0x03, 0x00);
}

/* 1: lea rax,[2f]; jmp rax; 2: lea rbx,[1b]; jmp rbx */
static void indirect(struct fake *f)
{
	LOAD(f, CODE, 0x48, 0x8d, 0x05, 2, 0, 0, 0, 0xff, 0xe0, 0x48, 0x8d, 0x1d, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xe3);
}

/* 1: call 2f; jmp 1b; 2: ret */
static void calls(struct fake *f) { LOAD(f, CODE, 0xe8, 2, 0, 0, 0, 0xeb, 0xf9, 0xc3); }

/* 1: mov rsi,BIG; mov rdi,BIG+BIG_SIZE; mov rcx,BIG_SIZE; rep @op; jmp 1b */
static void string(struct fake *f, uint8_t prefix, uint8_t op)
{
	static const uint8_t code[] = { 0xbe, 0, 0, 0x18, 0, 0xbf, 0, 0, 0x28, 0, 0xb9, 0, 0, 0x10, 0, 0xf3, 0xa4, 0xeb, 0xed };

	memcpy(f->ram + CODE, code, sizeof code);
	f->ram[CODE + 15] = prefix;
	f->ram[CODE + 16] = op;
	f->c->gpr[X86_RAX] = 1;
}

static void movs(struct fake *f) { string(f, 0xf3, 0xa4); }
static void stos(struct fake *f) { string(f, 0xf3, 0xaa); }
static void lods(struct fake *f) { string(f, 0xf3, 0xac); }
static void scas(struct fake *f) { string(f, 0xf2, 0xae); }
static void cmps(struct fake *f) { string(f, 0xf3, 0xa6); }

/* The same one byte apart, upwards: nothing goes in large pieces. */
static void overlap(struct fake *f)
{
	string(f, 0xf3, 0xa4);
	f->ram[CODE + 6] = 1;
	f->ram[CODE + 8] = 0x18;
}

/* Backwards: std first. */
static void backwards(struct fake *f)
{
	string(f, 0xf3, 0xa4);
	memmove(f->ram + CODE + 1, f->ram + CODE, 19);
	f->ram[CODE] = 0xfd;
	f->ram[CODE + 19] = 0xec;
	f->ram[CODE + 3] = f->ram[CODE + 8] = 0xff;
	f->ram[CODE + 4] = 0x27;
	f->ram[CODE + 9] = 0x37;
}

/* fninit; fld1; 1: fadd st(0),st(0); fsqrt; jmp 1b */
static void x87(struct fake *f) { LOAD(f, CODE, 0xdb, 0xe3, 0xd9, 0xe8, 0xdc, 0xc0, 0xd9, 0xfa, 0xeb, 0xfa); }
/* 1: addps xmm0,xmm1; sqrtps xmm2,xmm0; jmp 1b */
static void vector(struct fake *f) { LOAD(f, CODE, 0x0f, 0x58, 0xc1, 0x0f, 0x51, 0xd0, 0xeb, 0xf8); }
/* fninit; 1: fld1; fptan; fstp st(0); fstp st(0); jmp 1b */
static void fptan(struct fake *f) { LOAD(f, CODE, 0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xf2, 0xdd, 0xd8, 0xdd, 0xd8, 0xeb, 0xf6); }

/* 1: 200 times "mov eax,-1; xor edx,edx; div rcx"; jmp 1b */
static void divs(struct fake *f)
{
	uint8_t *at = f->ram + CODE;
	int32_t rel = -(200 * 10 + 5);

	for (unsigned i = 0; i < 200; i++, at += 10)
		memcpy(at, "\xb8\xff\xff\xff\xff\x31\xd2\x48\xf7\xf1", 10);
	*at = 0xe9;
	memcpy(at + 1, &rel, 4);
	f->c->gpr[X86_RCX] = 3;
}

/* 1: cpuid; jmp 1b */
static void cpuid(struct fake *f) { LOAD(f, CODE, 0x0f, 0xa2, 0xeb, 0xfc); }
/* 1: lock inc qword [rsi]; jmp 1b */
static void locked(struct fake *f) { LOAD(f, CODE, 0xf0, 0x48, 0xff, 0x06, 0xeb, 0xfa); }
/* ud2; its handler: iretq */
static void faults(struct fake *f)
{
	LOAD(f, CODE, 0x0f, 0x0b);
	LOAD(f, HANDLERS + 6 * 16, 0x48, 0xcf);
}
/* 1: mov [1f+1],al; 1: mov bl,0; jmp 1b: code that changes each time */
static void changing(struct fake *f) { LOAD(f, CODE, 0x88, 0x05, 1, 0, 0, 0, 0xb3, 0, 0xfe, 0xc0, 0xeb, 0xf4); }

static const struct loop loops[] = {
	{ "jump to itself", self }, { "counted loop", counted }, { "blocks over 64 pages", pages }, { "indirect jumps", indirect },
	{ "calls", calls }, { "rep movsb, 1 MiB", movs }, { "rep movsb, one byte apart", overlap },
	{ "rep movsb, backwards", backwards }, { "rep stosb, 1 MiB", stos }, { "rep lodsb, 1 MiB", lods },
	{ "repne scasb, 1 MiB", scas }, { "repe cmpsb, 1 MiB", cmps }, { "x87", x87 }, { "vectors", vector }, { "fptan", fptan },
	{ "600 instructions, 200 divisions", divs }, { "cpuid", cpuid }, { "locked", locked }, { "exceptions", faults },
	{ "code that changes", changing },
};

/* ---- measuring ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void measure(const struct loop *l, unsigned rounds)
{
	struct fake *f = fake_new();
	uint64_t *took = g_new(uint64_t, rounds);

	fake_long(f);
	l->load(f);
	running = f->c;
	for (unsigned i = 0; i < rounds; i++) {
		/* Processor time, at no multiple of anything. */
		struct itimerval at = { .it_value.tv_usec = 1000 + i * 37 % 4001 };
		enum x86_run why;

		setitimer(ITIMER_VIRTUAL, &at, NULL);
		why = f->engine->run(f->c);
		took[i] = now() - asked;
		g_assert_cmpint(why, ==, X86_RUN_KICKED);
	}
	qsort(took, rounds, sizeof *took, by_value);
	printf("%-32s %8.1f %8.1f %8.1f\n", l->name, (double)took[rounds / 2] / 1000, (double)took[rounds * 19 / 20] / 1000,
	       (double)took[rounds - 1] / 1000);
	fflush(stdout);
	g_free(took);
	fake_free(f);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = ask, .sa_flags = SA_RESTART };
	int rounds = argc > 1 ? atoi(argv[1]) : 200;

	if (rounds < 1) {
		fprintf(stderr, "usage: bench-kick [ROUNDS]\n");
		return 2;
	}
	sigaction(SIGVTALRM, &sa, NULL);
	printf("%-32s %8s %8s %8s  us, engine %s\n", "loop", "median", "95 %", "max", g_getenv("TEST_ENGINE") ? g_getenv("TEST_ENGINE") : "interp");
	for (unsigned i = 0; i < G_N_ELEMENTS(loops); i++)
		measure(&loops[i], (unsigned)rounds);
	return 0;
}
