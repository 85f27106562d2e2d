/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Code at the edge of a page: every instruction cut at every byte, with the next page
 * missing, not executable, of ring 0, or another one than before.
 */
#include "lib/guest.h"

/* Two pages of code in a row; the second comes and goes. */
#define FIRST 0x10000000000ull
#define SECOND (FIRST + PAGE)
enum { ROUNDS = 300, INSN_MAX = 16 };
static uint8_t *first, *second, *other;
static uint8_t kernel_stack[4096] __attribute__((aligned(16)));
static uint64_t data[8] __attribute__((aligned(64)));
static const uint64_t ALL = P_P | P_W | P_U;

static uint64_t phys(const void *p) { return (uint64_t)p; }
static void map_second(const void *frame, uint64_t bits) { page_map(SECOND, phys(frame), bits, 1); }

/* ---- instructions in pieces --------------------------------------------------------------------------- */

struct piece { const char *name, *code, *end; };
#define PIECE(name, text) CODE(piece_##name, text)
PIECE(mov_imm, "movabsq $0x1122334455667788, %rax");
PIECE(add_imm, "addq $0x12345678, %rax");
PIECE(mov_mem, "movq 0x12345678(%rbx,%rcx,8), %rax");
PIECE(store_imm, "movl $0x11223344, 0x10(%rdi)");
PIECE(lock_add, "lock; addq $0x1234567, 8(%rdi)");
PIECE(xadd, "lock; xaddq %rax, 0x20(%rdi)");
PIECE(push_imm, "pushq $0x1234567; popq %rax");
PIECE(call, "call 1f; int3; 1: popq %rax; xorl %eax, %eax");
PIECE(jmp, "jmp 1f; .skip 140, 0xcc; 1: incl %eax");
PIECE(jcc, "testl %eax, %eax; jne 1f; .skip 140, 0xcc; 1: incl %eax");
PIECE(jmp_short, "jmp 1f; int3; 1: incl %eax");
PIECE(fused, "cmpl $0x1000, %eax; je 1f; incl %eax; 1: decl %ecx");
PIECE(imul, "imulq $0x7654321, 0x30(%rdi), %rax");
PIECE(shift, "shldq $0x11, %rcx, %rax");
PIECE(bt, "btsl $5, 0x18(%rdi)");
PIECE(movaps, "movaps 0x00(%rdi), %xmm1; movq %xmm1, %rax");
PIECE(pshufb, "pshufb 0x10(%rdi), %xmm1");
PIECE(fld, "fldl 0x08(%rdi); fstpl 0x20(%rdi)");
PIECE(stosb, "rep; stosb");
PIECE(movsq, "rep; movsq");
PIECE(prefixes, ".byte 0x66, 0x66, 0x2e, 0x3e, 0x66, 0x48, 0x05, 0x78, 0x56, 0x34, 0x12");
PIECE(leave, "enter $0x20, $0; leave; incl %eax");
PIECE(setcc, "cmpb $0x44, 0x3(%rdi); setne %al");
PIECE(cmov, "cmovneq 0x10(%rdi), %rax");
PIECE(cpuid, "xorl %eax, %eax; cpuid; xorl %ebx, %ebx");
PIECE(rdtsc, "rdtsc; xorl %eax, %eax; xorl %edx, %edx");
PIECE(sti, "sti; nop; cli");
PIECE(cr3, "movq %cr3, %rax; movq %rax, %cr3");
PIECE(fs, "movq %fs:0x40(%rdi), %rax");
PIECE(crc, "crc32q %rcx, %rax");
PIECE(loop, "1: incl %eax; loop 1b");
static const struct piece pieces[] = {
#define P(name) { #name, piece_##name, piece_##name##_end }
	P(mov_imm), P(add_imm), P(mov_mem), P(store_imm), P(lock_add), P(xadd), P(push_imm), P(call), P(jmp), P(jcc), P(jmp_short),
	P(fused), P(imul), P(shift), P(bt), P(movaps), P(pshufb), P(fld), P(stosb), P(movsq), P(prefixes), P(leave), P(setcc),
	P(cmov), P(cpuid), P(rdtsc), P(sti), P(cr3), P(fs), P(crc), P(loop),
#undef P
};

static struct frame start_frame(uint64_t ip)
{
	return (struct frame){ .ip = ip, .sp = phys(kernel_stack) + 2048, .ax = 0x100, .bx = phys(data) - 0x12345678 - 8 * 7, .cx = 7,
			       .dx = 0x55, .di = phys(data), .si = phys(kernel_stack), .bp = 0x77 };
}

static void reset_data(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(data); n++)
		data[n] = 0x4011223344556677 + n;
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
	return a->ax == b->ax && a->bx == b->bx && a->cx == b->cx && a->dx == b->dx && a->si == b->si && a->di == b->di && a->sp == b->sp &&
	       a->bp == b->bp && ((a->flags ^ b->flags) & ~(uint64_t)F_RF) == 0;
}

/* @n bytes of code so that @before of them are in the first page, with an INT 0x80 behind. */
static uint64_t lay(const void *code, unsigned n, unsigned before)
{
	static const uint8_t end[] = { 0xcd, USER_VECTOR };
	uint8_t made[256];

	memcpy(made, code, n);
	memcpy(made + n, end, sizeof end);
	n += sizeof end;
	memcpy(first + PAGE - before, made, before);
	memset(second, 0xcc, 256);
	memcpy(second, made + before, n - before);
	return SECOND - before;
}

/* What the code does when nothing is in its way. */
static struct frame expected;
static uint64_t expected_data[8];
static void run_whole(const struct piece *p)
{
	struct frame f;
	uint64_t ip = lay(p->code, p->end - p->code, 0);

	map_second(second, ALL);
	reset_data();
	f = start_frame(ip);
	run_kernel(&f);
	expected = event.frame;
	memcpy(expected_data, data, sizeof data);
}

static bool as_expected(uint64_t end)
{
	struct frame *f = &event.frame;

	return event.vector == USER_VECTOR && f->ip == end && same_frame(f, &expected) && !memcmp(data, expected_data, sizeof data);
}

/* The fetch of the second page faulted with @error: in the middle of an instruction of the first, or where a jump leads. */
static bool fetch_fault(uint64_t error)
{
	uint64_t ip = event.frame.ip, at = ip > SECOND ? ip : SECOND;

	return event.vector == PF && event.error == error && event.cr2 == at && ip > SECOND - INSN_MAX && (event.frame.flags & F_RF);
}

static void report(const struct piece *p, unsigned before, const char *what)
{
	print("# %s, cut behind %u bytes, %s: vector %u error 0x%llx cr2 0x%llx ip 0x%lx ax 0x%lx cx 0x%lx flags 0x%lx\n", p->name, before,
	      what, event.vector, (unsigned long long)event.error, (unsigned long long)event.cr2, event.frame.ip, event.frame.ax,
	      event.frame.cx, event.frame.flags);
}

static void cut(const struct piece *p)
{
	unsigned n = p->end - p->code, missing = 0, resumed = 0, no_execute = 0, again = 0, moved = 0;

	run_whole(p);
	for (unsigned before = 1; before <= n; before++) {
		uint64_t ip = lay(p->code, n, before), end = ip + n + 2;
		struct frame f = start_frame(ip), at;
		uint64_t first_ip;
		bool reached;

		/* Once with all there, so that the code is known. */
		reset_data();
		map_second(second, ALL);
		run_kernel(&f);
		if (!as_expected(end) && ++again)
			report(p, before, "all there");
		reset_data();
		map_second(second, 0);
		run_kernel(&f);
		at = event.frame;
		first_ip = event.frame.ip;
		reached = event.vector == PF;
		if (!fetch_fault(E_I) && ++missing)
			report(p, before, "missing");
		map_second(second, ALL | P_NX);
		run_kernel(&event.frame);
		if ((!fetch_fault(E_I | E_P) || event.frame.ip != first_ip || !same_frame(&event.frame, &at)) && reached && ++no_execute)
			report(p, before, "NX");
		map_second(second, ALL);
		run_kernel(&event.frame);
		if (!as_expected(end) && ++resumed)
			report(p, before, "resumed");
		/* Another frame with the same bytes, and all from the start. */
		memcpy(other, second, PAGE);
		memset(second, 0xf4, 64);
		map_second(other, ALL);
		reset_data();
		run_kernel(&f);
		if (!as_expected(end) && ++moved)
			report(p, before, "in another frame");
	}
	check_eq(again, 0, "%s: cut at each of %u bytes, it does the same", p->name, n);
	check_eq(missing, 0, "%s: second page missing: #PF(10h), CR2 is the first byte there, RIP the instruction", p->name);
	check_eq(no_execute, 0, "%s: second page with NX: #PF(11h), nothing else has changed", p->name);
	check_eq(resumed, 0, "%s: goes on when it is there", p->name);
	check_eq(moved, 0, "%s: and when it is another frame", p->name);
}

/* ---- what is behind the edge and not run --------------------------------------------------------------- */

static void untouched(void)
{
	static const struct { uint8_t code[4]; unsigned n; const char *what; } last[] = {
		{ { 0xc3 }, 1, "RET" }, { { 0xeb, 0xf0 }, 2, "JMP backwards" }, { { 0xff, 0xe1 }, 2, "JMP RCX" }, { { 0xcd, USER_VECTOR }, 2, "INT" },
		{ { 0x0f, 0x0b }, 2, "UD2" }, { { 0xf4 }, 1, "HLT in ring 3" }, { { 0x48, 0xcf }, 2, "IRET" }, { { 0x75, 0xf0 }, 2, "JNE taken" },
	};

	for (unsigned n = 0; n < ARRAY_SIZE(last); n++) {
		uint64_t ip = SECOND - last[n].n;
		struct frame f = start_frame(ip);
		uint64_t *sp = (uint64_t *)f.sp;
		static const uint8_t int80[] = { 0xcd, USER_VECTOR };

		memset(first, 0x90, PAGE);
		memcpy(first + PAGE - last[n].n, last[n].code, last[n].n);
		memcpy(first + PAGE - 0x10, int80, 2);  /* where the jumps go */
		f.cx = sp[0] = SECOND - 0x10;
		sp[1] = SEL_CODE;
		sp[2] = 2;
		sp[3] = f.sp + 64;
		sp[4] = SEL_DATA;
		map_second(second, 0);
		if (last[n].code[0] == 0xf4) {
			f.cs = SEL_USER_CODE;
			f.ss = SEL_USER_DATA;
						f.flags = 2;
			run_frame(&f);
			check(event.vector == GP && event.frame.ip == ip, "%s as the last byte before a missing page: #GP, no #PF", last[n].what);
			continue;
		}
		run_kernel(&f);
		check(event.vector == (last[n].code[1] == 0x0b ? UD : USER_VECTOR),
		      "%s as the last bytes before a missing page: nothing behind it is asked for", last[n].what);
	}
}

/* 15 bytes are all that an instruction may have: what comes first, the sixteenth or the edge. */
static void too_long(void)
{
	struct frame f;

	memset(first + PAGE - 16, 0x66, 16);
	memset(second, 0x66, 64);
	map_second(second, 0);
	f = start_frame(SECOND - 15);
	run_kernel(&f);
	check(event.vector == GP && event.error == 0 && event.frame.ip == f.ip, "15 prefixes before a missing page: #GP(0), no #PF");
	f.ip = SECOND - 14;
	run_kernel(&f);
	check(event.vector == PF && event.error == E_I && event.cr2 == SECOND && event.frame.ip == f.ip, "14 of them: #PF(10h) for the next byte");
	map_second(second, ALL);
	run_kernel(&f);
	check(event.vector == GP && event.error == 0 && event.frame.ip == f.ip, "with the page there: #GP(0)");
	second[0] = 0x90;
	second[1] = 0xcd;
	second[2] = USER_VECTOR;
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.ip == SECOND + 3, "a 15-byte instruction across the edge runs");
}

/* ---- the page changes while the code runs ---------------------------------------------------------------- */

/* In ring 0: the code itself takes its second page away, or replaces it. */
static void self_unmapped(void)
{
	/* 1: MOV [RSI], RDX; INVLPG [RBX]; INC EAX x n | ADD EAX, 2; INT 0x80 */
	static const uint8_t code[] = { 0x48, 0x89, 0x16, 0x0f, 0x01, 0x3b, 0xff, 0xc0, 0xff, 0xc0, 0x05, 2, 0, 0, 0 };
	unsigned bad = 0, replaced = 0, flushed = 0;

	for (unsigned before = 6; before <= sizeof code; before++) {
		uint64_t ip = lay(code, sizeof code, before);
		struct frame f = start_frame(ip);

		f.si = phys(page_entry(SECOND, 1));
		f.bx = SECOND;
		f.ax = 0;
		for (unsigned round = 0; round < 4; round++) {
			map_second(second, ALL);
			f.dx = round & 1 ? 0 : phys(second) | ALL;
			run_kernel(&f);
			if (round & 1)
				bad += event.vector != PF || event.error != E_I || event.cr2 != SECOND;
			else
				bad += event.vector != USER_VECTOR || event.frame.ax != 4;
		}
		/* The frame that takes its place adds 7. */
		memcpy(other, second, PAGE);
		if (before <= 11)
			other[11 - before] = 7;
		for (unsigned round = 0; round < 10 && before <= 11; round++) {
			map_second(second, ALL);
			f.dx = phys(round & 1 ? other : second) | ALL;
			run_kernel(&f);
			replaced += event.vector != USER_VECTOR || event.frame.ax != (round & 1 ? 9 : 4);
		}
	}
	check_eq(bad, 0, "code that takes its own next page away faults there, at each cut behind INVLPG");
	check_eq(replaced, 0, "code that replaces its own next page runs the new one");
	/* The same with a load of CR3 in place of INVLPG: MOV CR3, RBP is 3 bytes as well. */
	for (unsigned before = 6; before <= 11; before++) {
		uint8_t cr3[sizeof code];
		struct frame f;

		memcpy(cr3, code, sizeof code);
		cr3[3] = 0x0f, cr3[4] = 0x22, cr3[5] = 0xdd;
		f = start_frame(lay(cr3, sizeof code, before));
		f.si = phys(page_entry(SECOND, 1));
		f.bp = read_cr3();
		f.ax = 0;
		memcpy(other, second, PAGE);
		other[11 - before] = 7;
		for (unsigned round = 0; round < 10; round++) {
			map_second(second, ALL);
			f.dx = phys(round & 1 ? other : second) | ALL;
			run_kernel(&f);
			flushed += event.vector != USER_VECTOR || event.frame.ax != (round & 1 ? 9 : 4);
		}
	}
	check_eq(flushed, 0, "the same with a load of CR3");
}

/* A loop over both pages; the second alternates between two frames, by turns of the loop itself. */
static void alternating(void)
{
	/* 1: XCHG RDX, R8; MOV [RSI], RDX; INVLPG [RBX]; MOV EBP, imm32 (cut); ADD RAX, RBP; LOOP 1b; INT 0x80 */
	static const uint8_t code[] = { 0x4c, 0x87, 0xc2, 0x48, 0x89, 0x16, 0x0f, 0x01, 0x3b, 0xbd, 1, 0, 0, 0, 0x48, 0x01, 0xe8, 0xe2, 0xed };

	for (unsigned before = 9; before <= 13; before++) {
		struct frame f = start_frame(lay(code, sizeof code, before));
		unsigned at = before <= 10 ? 10 - before : 0;

		memcpy(other, second, PAGE);
		/* MOV EBP, 1 or another; a byte of the immediate that is in the second page. */
		other[at] = 5;
		f.si = phys(page_entry(SECOND, 1));
		f.bx = SECOND;
		f.cx = 2 * ROUNDS;
		f.ax = 0;
		f.dx = phys(second) | ALL;
		f.r8 = phys(other) | ALL;
		map_second(second, ALL);
		run_kernel(&f);
		check_eq(event.frame.ax, ROUNDS * (1 + (before <= 10 ? 5 : 1 + (5ull << (before - 10) * 8))),
			 "a loop whose second page is another one in each turn, cut behind %u bytes (vector %u)", before, event.vector);
	}
}

/* ---- ring 3 ------------------------------------------------------------------------------------------------ */

static void ring3(void)
{
	/* MOV EAX, 0x11223344 cut in the middle; INT 0x80. */
	static const uint8_t code[] = { 0xb8, 0x44, 0x33, 0x22, 0x11 };
	uint64_t ip = lay(code, sizeof code, 2);
	struct frame f = start_frame(ip);

	f.cs = SEL_USER_CODE;
	f.ss = SEL_USER_DATA;
	f.flags = 2;
	f.sp = (uint64_t)user_alias(user_stack) + 2048;
	map_second(second, ALL);
	run_frame(&f);
	check(event.vector == USER_VECTOR && event.frame.ax == 0x11223344, "ring 3: an instruction across the edge");
	map_second(second, P_P | P_W);
	run_frame(&f);
	check(event.vector == PF && event.error == (E_P | E_U | E_I) && event.cr2 == SECOND && event.frame.ip == ip && event.frame.ax == 0x100,
	      "second page for ring 0 alone: #PF(15h)");
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.ax == 0x11223344, "ring 0 runs the same");
	map_second(second, 0);
	run_frame(&f);
	check(event.vector == PF && event.error == (E_U | E_I) && event.cr2 == SECOND && event.frame.ip == ip, "second page missing: #PF(14h)");
	map_second(second, ALL);
	run_frame(&event.frame);
	check(event.vector == USER_VECTOR && event.frame.ax == 0x11223344 && event.frame.cs == SEL_USER_CODE, "and on it goes in ring 3");
}

void guest_main(void)
{
	first = page_alloc();
	second = page_alloc();
	other = page_alloc();
	wrmsr(MSR_FS_BASE, 0);
	asm volatile("fninit");
	page_map(FIRST, phys(first), ALL, 1);
	map_second(second, ALL);
	for (unsigned n = 0; n < ARRAY_SIZE(pieces); n++)
		cut(&pieces[n]);
	untouched();
	too_long();
	self_unmapped();
	alternating();
	ring3();
}
