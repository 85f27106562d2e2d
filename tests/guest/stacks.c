/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stacks: every instruction that uses one, with the stack over the edge of a page that
 * is missing or read-only; instructions that make RSP another; returns that match no
 * call; interrupts on stacks like these.  Exceptions have stacks of their own (IST).
 */
#include "lib/guest.h"

/* Two pages in a row; the stack lies around the edge between them. */
#define LOW 0x10000000000ull
#define EDGE (LOW + PAGE)
enum { REACH = 48, INT_VECTOR = 0x42 };
static uint8_t *memory, *before;  /* both frames, and a copy */
static uint8_t ist_stack[8192] __attribute__((aligned(16)));
static uint64_t outside[2];

static void map_both(void)
{
	page_map(LOW, (uint64_t)memory, P_P | P_W, 1);
	page_map(EDGE, (uint64_t)memory + PAGE, P_P | P_W, 1);
}

static uint64_t *word(uint64_t a) { return (uint64_t *)(memory + (a - LOW)); }

/* ---- one instruction over the edge --------------------------------------------------------------------- */

/* Each ends with INT 0x80; what comes back from the stack leads there. */
#define ONE(name, text) CODE(one_##name, text "\nint $0x80")
ONE(push, "pushq %rax");
ONE(push_imm, "pushq $-5");
ONE(push_word, "pushw %ax");
ONE(push_mem, "pushq (%rdi)");
ONE(push_rsp, "pushq %rsp");
ONE(push_fs, "pushq %fs");
ONE(pushf, "pushfq");
ONE(pushf_word, "pushfw");
ONE(call, "call 1f; ud2; 1:");
ONE(call_reg, "leaq 1f(%rip), %rcx; call *%rcx; ud2; 1:");
ONE(call_mem, "leaq 1f(%rip), %rcx; movq %rcx, (%rdi); call *(%rdi); ud2; 1:");
/* ENTER also asks whether what the new RSP points at may be written. */
ONE(enter, "enter $8, $0");
ONE(enter_1, "enter $8, $1");
ONE(pop, "popq %rax");
ONE(pop_word, "popw %ax");
ONE(pop_mem, "popq (%rdi)");
ONE(pop_rsp, "popq %rsp");
ONE(popf, "popfq");
ONE(ret, "ret");
ONE(ret_n, "ret $0x18");
ONE(leave, "leave");
ONE(iret, "iretq");
ONE(lret, "lretq");
ONE(lcall, "lcall *(%rsi)");
ONE(int, "int $0x42");
ONE(xchg, "xchgq %rax, (%rsp)");
ONE(add, "addq %rax, (%rsp)");
ONE(inc, "incl 4(%rsp)");
ONE(lock_add, "lock; addq %rax, (%rsp)");
ONE(store, "movq %rax, -8(%rsp)");
ONE(load, "movq (%rsp), %rax");
ONE(cmpxchg, "lock; cmpxchgq %rbx, (%rsp)");
ONE(movups, "movups %xmm0, -16(%rsp)");
ONE(pop_to_stack, "popq -8(%rsp)");  /* its address is that of the word popped */

/* What has to be on the stack. */
enum kind { PLAIN, RETURN, FAR_RETURN, INTERRUPT_RETURN, NEW_SP, FLAGS, INTERRUPT };
static const struct one {
	const char *name, *code, *end;
	int from, to;        /* what it touches, from RSP on */
	bool write, parts;   /* parts: by several accesses, so that any byte there may be the one that faults */
	enum kind kind;
} ones[] = {
#define O(name, from, to, write, ...) { #name, one_##name, one_##name##_end, from, to, write, __VA_ARGS__ }
	O(push, -8, 0, true, false, PLAIN), O(push_imm, -8, 0, true, false, PLAIN), O(push_word, -2, 0, true, false, PLAIN),
	O(push_mem, -8, 0, true, false, PLAIN), O(push_rsp, -8, 0, true, false, PLAIN), O(push_fs, -8, 0, true, false, PLAIN),
	O(pushf, -8, 0, true, false, PLAIN), O(pushf_word, -2, 0, true, false, PLAIN), O(call, -8, 0, true, false, PLAIN),
	O(call_reg, -8, 0, true, false, PLAIN), O(call_mem, -8, 0, true, false, PLAIN), O(enter, -16, 0, true, true, PLAIN),
	O(enter_1, -24, 0, true, true, PLAIN), O(pop, 0, 8, false, false, PLAIN), O(pop_word, 0, 2, false, false, PLAIN),
	O(pop_mem, 0, 8, false, false, PLAIN), O(pop_rsp, 0, 8, false, false, NEW_SP), O(popf, 0, 8, false, false, FLAGS),
	O(ret, 0, 8, false, false, RETURN), O(ret_n, 0, 8, false, false, RETURN), O(leave, 16, 24, false, false, PLAIN),
	O(iret, 0, 40, false, true, INTERRUPT_RETURN), O(lret, 0, 16, false, true, FAR_RETURN), O(lcall, -8, 0, true, true, PLAIN),
	O(int, -40, 0, true, true, INTERRUPT), O(xchg, 0, 8, true, false, PLAIN), O(add, 0, 8, true, false, PLAIN), O(inc, 4, 8, true, false, PLAIN),
	O(lock_add, 0, 8, true, false, PLAIN), O(store, -8, 0, true, false, PLAIN), O(load, 0, 8, false, false, PLAIN),
	O(cmpxchg, 0, 8, true, false, PLAIN), O(movups, -16, 0, true, false, PLAIN), O(pop_to_stack, 0, 8, true, false, PLAIN),
#undef O
};

static struct { uint32_t offset; uint16_t sel; } __attribute__((packed, aligned(4))) far_pointer;

static struct frame prepare(const struct one *o, uint64_t sp)
{
	uint64_t target = (uint64_t)o->end - 2;
	struct frame f = { .ip = (uint64_t)o->code, .sp = sp, .ax = 0x1122334455667788, .bx = 2, .cx = 3, .dx = 4, .si = (uint64_t)&far_pointer,
			   .di = (uint64_t)outside, .bp = sp + 16, .flags = F_CF | F_SF | 2 };

	for (unsigned n = PAGE - 128; n < PAGE + 128; n += 8)
		*(uint64_t *)(memory + n) = n * 0x0102030405060709ul;
	outside[0] = 0x5151;
	far_pointer.offset = target;
	far_pointer.sel = SEL_CODE;
	set_gate(INT_VECTOR, target, SEL_CODE, GATE_INTERRUPT, 0);
	if (o->kind == RETURN || o->kind == FAR_RETURN || o->kind == INTERRUPT_RETURN)
		*word(sp) = target;
	if (o->kind == FAR_RETURN || o->kind == INTERRUPT_RETURN)
		*word(sp + 8) = SEL_CODE;
	if (o->kind == INTERRUPT_RETURN) {
		*word(sp + 16) = F_ZF | 2;
		*word(sp + 24) = EDGE + 0x123;
		*word(sp + 32) = SEL_DATA;
	}
	if (o->kind == NEW_SP)
		*word(sp) = EDGE + 0x455;
	if (o->kind == FLAGS)
		*word(sp) = F_PF | F_OF | 2;
	return f;
}

static bool same(const struct frame *a, const struct frame *b)
{
	return a->ax == b->ax && a->bx == b->bx && a->cx == b->cx && a->dx == b->dx && a->si == b->si && a->di == b->di && a->bp == b->bp &&
	       a->sp == b->sp && !((a->flags ^ b->flags) & ~(uint64_t)F_RF);
}

static bool same_words(const uint8_t *a, const uint8_t *b)
{
	for (unsigned n = PAGE - 128; n < PAGE + 128; n += 8)
		if (*(const uint64_t *)(a + n) != *(const uint64_t *)(b + n))
			return false;
	return true;
}

static void report(const struct one *o, uint64_t sp, const char *what)
{
	print("# %s with RSP = edge %c %u, %s: vector %u error 0x%llx cr2 0x%llx ip + %ld sp 0x%lx ax 0x%lx bp 0x%lx flags 0x%lx\n", o->name,
	      sp < EDGE ? '-' : '+', (unsigned)(sp < EDGE ? EDGE - sp : sp - EDGE), what, event.vector, (unsigned long long)event.error,
	      (unsigned long long)event.cr2, (long)(event.frame.ip - (uint64_t)o->code), event.frame.sp, event.frame.ax, event.frame.bp,
	      event.frame.flags);
}

enum { LOW_MISSING, HIGH_MISSING, LOW_READ_ONLY, HIGH_READ_ONLY, WAYS };
static const char *const way_name[WAYS] = { "lower page missing", "upper page missing", "lower page read-only", "upper page read-only" };

static void keep(uint8_t *to) { memcpy(to + PAGE - 128, memory + PAGE - 128, 256); }

/* True if all was as it must be. */
static bool try_one(const struct one *o, uint64_t sp, unsigned way)
{
	struct frame f = prepare(o, sp), all;
	uint64_t base = o->kind == INTERRUPT ? sp & ~15ull : sp, from = base + o->from, to = base + o->to, first, end, ip;
	static uint8_t after[2 * PAGE];
	uint64_t page = way == HIGH_MISSING || way == HIGH_READ_ONLY ? EDGE : LOW;
	bool read_only = way >= LOW_READ_ONLY, touches = from < page + PAGE && to > page && (o->write || !read_only);
	uint64_t wrote_outside;

	keep(before);
	map_both();
	run_kernel(&f);
	all = event.frame;
	wrote_outside = outside[0];
	if (event.vector != USER_VECTOR) {
		report(o, sp, "with both pages");
		return false;
	}
	keep(after);
	memcpy(memory + PAGE - 128, before + PAGE - 128, 256);
	outside[0] = 0x5151;
	page_map(page, (uint64_t)memory + (page - LOW), read_only ? P_P : 0, 1);
	run_kernel(&f);
	if (!touches) {
		if (event.vector == USER_VECTOR && same(&event.frame, &all) && same_words(memory, after))
			return true;
		report(o, sp, "not touching it");
		return false;
	}
	first = from < page ? page : from;
	end = to > page + PAGE ? page + PAGE : to;
	ip = event.frame.ip;
	f.cx = event.frame.cx;  /* of the instructions in front of CALL */
	if (event.vector != PF || event.cr2 < first || event.cr2 >= end || (!o->parts && event.cr2 != first) ||
	    event.error != (read_only ? E_P | E_W : o->write && o->code != one_pop_to_stack ? E_W : 0) || !same(&event.frame, &f) ||
	    !(event.frame.flags & F_RF) || ip >= (uint64_t)o->end - 2) {
		report(o, sp, "the fault");
		return false;
	}
	if (!o->parts && !same_words(memory, before)) {
		report(o, sp, "a fault that has written");
		return false;
	}
	map_both();
	event.frame.flags &= ~(uint64_t)F_RF;  /* INT would push it */
	run_kernel(&event.frame);
	if (event.vector != USER_VECTOR || !same(&event.frame, &all) || !same_words(memory, after) || outside[0] != wrote_outside) {
		report(o, sp, "gone on");
		return false;
	}
	return true;
}

static void over_the_edge(void)
{
	for (unsigned n = 0; n < ARRAY_SIZE(ones); n++) {
		for (unsigned way = 0; way < (ones[n].write ? WAYS : LOW_READ_ONLY); way++) {
			unsigned bad = 0;

			for (uint64_t sp = EDGE - REACH; sp <= EDGE + REACH; sp += sp & 8 ? 5 : 4)
				bad += !try_one(&ones[n], sp, way);
			check_eq(bad, 0, "%s, stack around a page border, %s: fault with nothing changed, then goes on", ones[n].name, way_name[way]);
		}
	}
}

/* ---- the other operand faults ----------------------------------------------------------------------------- */

CODE(bad_pop, "popq (%rdi)");
CODE(bad_push, "pushq (%rdi)");
CODE(bad_call, "call *(%rdi)");
CODE(bad_call_reg, "call *%rdi");
CODE(bad_jmp_reg, "jmp *%rdi");
CODE(bad_ret, "ret");
CODE(bad_push_sp, "movq %rdi, %rsp; pushq %rax");
CODE(bad_pop_sp, "movq %rdi, %rsp; popq %rax");
CODE(bad_call_sp, "movq %rdi, %rsp; call bad_pop_sp");
CODE(bad_enter_sp, "movq %rdi, %rsp; enter $8, $0");
CODE(bad_leave, "movq %rdi, %rbp; leave");

static void run_bad(const char *code, uint64_t di)
{
	struct frame f = { .ip = (uint64_t)code, .sp = EDGE + 128, .di = di, .ax = 1, .bp = 5 };

	map_both();
	*word(EDGE + 128) = 1ull << 47;
	run_kernel(&f);
	event.start = (uint64_t)code;
}

static void operands(void)
{
	uint64_t none = 0x7000000000, odd = 1ull << 47;

	run_bad(bad_pop, none);
	check_page_fault(none, E_W, "POP to a missing page: #PF(2)");
	check_eq(event.frame.sp, EDGE + 128, "and RSP is as before");
	run_bad(bad_push, none);
	check_page_fault(none, 0, "PUSH from a missing page: #PF(0)");
	check_eq(event.frame.sp, EDGE + 128, "and RSP is as before");
	run_bad(bad_call, none);
	check_page_fault(none, 0, "CALL through a missing page: #PF(0)");
	check(event.frame.sp == EDGE + 128 && *word(EDGE + 120) != (uint64_t)bad_call_end, "nothing is pushed");
	run_bad(bad_call_reg, odd);
	check_fault(GP, 0, "CALL to a non-canonical address: #GP(0) at the CALL");
	check_eq(event.frame.sp, EDGE + 128, "and RSP is as before");
	run_bad(bad_jmp_reg, odd);
	check_fault(GP, 0, "JMP to a non-canonical address: #GP(0) at the JMP");
	run_bad(bad_ret, 0);
	check_fault(GP, 0, "RET to a non-canonical address: #GP(0) at the RET");
	check_eq(event.frame.sp, EDGE + 128, "and RSP is as before");
	run_bad(bad_push_sp, odd + 64);
	check(event.vector == SS && event.error == 0 && event.frame.ip == (uint64_t)bad_push_sp + 3 && event.frame.sp == odd + 64,
	      "PUSH with a non-canonical RSP: #SS(0)");
	run_bad(bad_pop_sp, odd);
	check(event.vector == SS && event.error == 0 && event.frame.ip == (uint64_t)bad_pop_sp + 3, "POP from a non-canonical RSP: #SS(0)");
	run_bad(bad_call_sp, odd + 64);
	check(event.vector == SS && event.error == 0 && event.frame.sp == odd + 64, "CALL with a non-canonical RSP: #SS(0)");
	run_bad(bad_enter_sp, odd + 64);
	check(event.vector == SS && event.error == 0 && event.frame.sp == odd + 64 && event.frame.bp == 5, "ENTER: #SS(0), RBP as before");
	run_bad(bad_leave, odd);
	check(event.vector == SS && event.error == 0 && event.frame.sp == EDGE + 128 && event.frame.bp == odd,
	      "LEAVE with a non-canonical RBP: #SS(0), RSP as before");
}

/* ---- RSP that becomes another ------------------------------------------------------------------------------- */

static uint64_t run_sp(const char *code, uint64_t di)
{
	struct frame f = { .ip = (uint64_t)code, .sp = EDGE + 256, .di = di, .ax = 0xaaaa, .bp = EDGE + 512 };

	map_both();
	for (unsigned n = 0; n < 64; n++)
		*word(EDGE + 8 * n) = EDGE + 0x1000 - 8 * n;
	run_kernel(&f);
	return event.frame.sp - EDGE;
}

CODE(sp_push, "pushq %rsp; popq %rax; movq %rsp, %rbx; int $0x80");
CODE(sp_pop, "popq %rsp; int $0x80");
CODE(sp_pop_mem, "popq 8(%rsp); movq 8(%rsp), %rax; movq (%rsp), %rbx; int $0x80");
CODE(sp_push_mem, "pushq 8(%rsp); popq %rax; movq 8(%rsp), %rbx; int $0x80");
CODE(sp_xchg, "xchgq %rax, %rsp; movq %rax, %rbx; int $0x80");
CODE(sp_call, "leaq 1f(%rip), %rax; movq %rax, 8(%rsp); call *8(%rsp); ud2; 1: int $0x80");
CODE(sp_enter, "enter $0x40, $3; movq (%rbp), %rax; movq -8(%rbp), %rbx; movq -16(%rbp), %rcx; movq -24(%rbp), %rdx; int $0x80");
CODE(sp_leave, "leave; int $0x80");
CODE(sp_ret_n, "leaq 1f(%rip), %rax; pushq %rax; ret $0x28; 1: int $0x80");
CODE(sp_addr32, "addl $0, %esp; int $0x80");
CODE(sp_word, "addw $0x20, %sp; int $0x80");
CODE(sp_cmov, "cmpl %eax, %eax; cmoveq %rdi, %rsp; pushq %rax; int $0x80");
CODE(sp_mov_mem, "movq 16(%rsp), %rsp; int $0x80");
CODE(sp_lea, "leaq -24(%rsp,%rdi), %rsp; pushq %rdi; popq %rax; int $0x80");
CODE(sp_and, "subq $5, %rsp; andq $-16, %rsp; pushq %rax; int $0x80");
CODE(sp_xadd, "movq $0x30, %rax; xaddq %rax, %rsp; int $0x80");
CODE(sp_cmpxchg, "movq %rsp, %rax; cmpxchgq %rdi, %rsp; int $0x80");
CODE(sp_pushw, "pushw $0x1234; pushw $0x5678; popq %rax; int $0x80");

static void pivots(void)
{
	uint64_t base = EDGE + 256;

	check_eq(run_sp(sp_push, 0), 256, "PUSH RSP; POP");
	check_eq(event.frame.ax, base, "pushes RSP as it was");
	check_eq(run_sp(sp_pop, 0), 0x1000 - 256, "POP RSP: what was there, not moved on");
	check_eq(run_sp(sp_pop_mem, 0), 264, "POP 8(RSP)");
	check_eq(event.frame.ax, EDGE + 0x1000 - 256, "has its address after RSP has moved");
	check_eq(event.frame.bx, EDGE + 0x1000 - 264, "the word before is as it was");
	check_eq(run_sp(sp_push_mem, 0), 256, "PUSH 8(RSP)");
	check_eq(event.frame.ax, EDGE + 0x1000 - 264, "has its address before RSP moves");
	check_eq(run_sp(sp_xchg, 0), 0xaaaa - EDGE, "XCHG RAX, RSP");
	check_eq(event.frame.bx, base, "and the other way");
	check_eq(run_sp(sp_call, 0), 248, "CALL 8(RSP) has its address before it pushes");
	check_eq(run_sp(sp_enter, 0), 256 - 8 - 24 - 0x40, "ENTER 40h, 3: RSP");
	check_eq(event.frame.bp, base - 8, "RBP is the new frame");
	check(event.frame.ax == EDGE + 512 && event.frame.bx == *word(EDGE + 504) && event.frame.cx == *word(EDGE + 496) &&
	      event.frame.dx == base - 8, "and has the frame pointers of the outer levels");
	check_eq(run_sp(sp_leave, 0), 520, "LEAVE: RSP from RBP");
	check_eq(run_sp(sp_ret_n, 0), 256 + 0x28, "RET 28h");
	check_eq(run_sp(sp_addr32, 0) + EDGE, (uint32_t)base, "ADD ESP clears the upper half");
	check_eq(run_sp(sp_word, 0), 256 + 0x20, "ADD SP leaves all but 16 bits");
	check_eq(run_sp(sp_cmov, EDGE + 0x80), 0x78, "CMOV to RSP, PUSH");
	check_eq(*word(EDGE + 0x78), 0xaaaa, "which goes to the new stack");
	check_eq(run_sp(sp_mov_mem, 0), 0x1000 - 272, "MOV RSP from its own stack");
	check_eq(run_sp(sp_lea, 64), 256 + 40, "LEA with RSP");
	check_eq(event.frame.ax, 64, "and use of it");
	check_eq(run_sp(sp_and, 0), 240 - 8, "RSP aligned");
	check_eq(run_sp(sp_xadd, 0), 256 + 0x30, "XADD with RSP");
	check_eq(event.frame.ax, base, "and the old one");
	check_eq(run_sp(sp_cmpxchg, EDGE + 0x90), 0x90, "CMPXCHG of RSP");
	check_eq(run_sp(sp_pushw, 0), 256 + 4, "two PUSH of 16 bits, POP of 64");
	check_eq(event.frame.ax & 0xffffffff, 0x12345678, "in their order");
}

/* ---- returns without calls ------------------------------------------------------------------------------------ */

CODE(gadget_add, "addq $1, %rax; ret");
CODE(gadget_load, "popq %rcx; addq %rcx, %rax; ret");
CODE(gadget_sp, "popq %rsp; ret");
CODE(gadget_skip, "addq $2, %rax; ret $16");
CODE(gadget_end, "int $0x80");
CODE(chain_start, "ret");
CODE(adjust_return, "movl $300, %ecx; xorl %eax, %eax; 1: call 2f; 4: addl $100, %eax; jmp 5f; 2: addl $1, %eax; addq $3f - 4b, (%rsp); ret; 3: 5: loop 1b; int $0x80");
CODE(get_pc, "movl $300, %ecx; xorl %eax, %eax; 1: call 2f; 2: popq %rdx; leaq 2b(%rip), %rbx; cmpq %rbx, %rdx; setne %bl; movzbl %bl, %ebx; addl %ebx, %eax; loop 1b; int $0x80");
CODE(deep, "movq %rsp, %rdi; movl $200, %ecx; 1: call 2f; ud2; 2: loop 1b; movq %rdi, %rsp; call 3f; int $0x80; 3: movl $77, %eax; ret");

static void chains(void)
{
	struct frame f = { .sp = LOW + 64 };
	uint64_t *a = word(LOW + 64), *b = word(EDGE + 64), want = 0;

	map_both();
	/* Two stacks; the chain goes from one to the other every few gadgets. */
	for (unsigned n = 0; n < 25; n++) {
		for (unsigned k = 0; k < 2; k++) {
			uint64_t **p = k ? &b : &a;

			*(*p)++ = (uint64_t)gadget_add;
			*(*p)++ = (uint64_t)gadget_load;
			*(*p)++ = n * 3;
			*(*p)++ = (uint64_t)gadget_skip;
			*(*p)++ = (uint64_t)gadget_add;
			*(*p)++ = 0xbad;
			*(*p)++ = 0xbad;
			want += 1 + n * 3 + 2 + 1;
			*(*p)++ = (uint64_t)gadget_sp;
			/* To the other stack where it is now; the last time to the end. */
			*(*p)++ = k ? LOW + ((uint64_t)a - (uint64_t)memory) : LOW + ((uint64_t)b - (uint64_t)memory);
		}
	}
	*a = (uint64_t)gadget_end;
	for (unsigned n = 0; n < 20; n++) {
		f.ip = (uint64_t)chain_start;
		f.ax = 0;
		run_kernel(&f);
	}
	check_eq(event.frame.ax, want, "300 returns that match no call, over two stacks (vector %u)", event.vector);
	f.sp = EDGE + 2048;
	f.ip = (uint64_t)adjust_return;
	run_kernel(&f);
	check_eq(event.frame.ax, 300, "returns to an address that the callee has changed");
	f.ip = (uint64_t)get_pc;
	run_kernel(&f);
	check_eq(event.frame.ax, 0, "CALL that is only to get its own address");
	f.ip = (uint64_t)deep;
	run_kernel(&f);
	check(event.vector == USER_VECTOR && event.frame.ax == 77 && event.frame.sp == f.sp, "200 calls left by setting RSP back");
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

CODE(user_switch, "movq %rsp, %rbx; int $0x42; movq %rsp, %rcx; int $0x80");

/* The stack of ring 0 in the TSS lies over the edge. */
static void ring_stack(void)
{
	extern const char only_iret[];
	asm volatile(".pushsection .text.asm, \"ax\"\nonly_iret: movq %rsp, %rax; iretq\n.popsection");
	uint64_t old = tss.sp[0];
	unsigned bad = 0, resumed = 0;
	struct frame f = { .ip = (uint64_t)user_alias(user_switch), .cs = SEL_USER_CODE, .ss = SEL_USER_DATA, .flags = 2,
			   .sp = (uint64_t)user_alias(user_stack) + 2000 };

	set_gate(INT_VECTOR, (uint64_t)only_iret, SEL_CODE, GATE_USER, 0);
	reset_gate(USER_VECTOR, GATE_USER, 1);
	for (uint64_t sp = EDGE; sp <= EDGE + 64; sp += 16) {
		map_both();
		tss.sp[0] = sp;
		page_map(LOW, (uint64_t)memory, P_P, 1);
		run_frame(&f);
		if (sp - 40 < EDGE)
			bad += event.vector != PF || event.error != (E_P | E_W) || event.frame.ip != f.ip + 3 || event.frame.cs != SEL_USER_CODE ||
			       event.frame.sp != f.sp;
		else
			bad += event.vector != USER_VECTOR;
		map_both();
		run_frame(event.vector == PF ? &event.frame : &f);
		resumed += event.vector != USER_VECTOR || event.frame.ax != sp - 40 || event.frame.bx != f.sp || event.frame.cx != f.sp;
	}
	check_eq(bad, 0, "INT from ring 3 with the TSS's stack over the edge of a read-only page: #PF(3) at the INT, in ring 3");
	check_eq(resumed, 0, "and it goes through when the page may be written");
	tss.sp[0] = old;
}

void guest_main(void)
{
	memory = page_alloc();
	page_alloc();
	before = page_alloc();
	page_alloc();
	tss.ist[0] = (uint64_t)ist_stack + sizeof ist_stack;
	for (unsigned v = 0; v < 32; v++)
		reset_gate(v, GATE_INTERRUPT, 1);
	reset_gate(USER_VECTOR, GATE_USER, 1);
	over_the_edge();
	operands();
	pivots();
	chains();
	ring_stack();
}
