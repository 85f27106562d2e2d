/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ways between modes and rings in long mode: SYSCALL, SYSENTER, 64-bit call gates,
 * compatibility mode, SWAPGS and segment bases, UMIP; down to real mode and back.
 */
#include "lib/guest.h"

enum { SEL_GATE = SEL_FREE, SEL_LIMITED = SEL_FREE + 16, KERNEL_GATE = 0xec, SWITCHES = 50 };
#define NON_CANONICAL (1ul << 47)
static uint8_t other_stack[4096] __attribute__((aligned(16)));

/* ---- SYSCALL ------------------------------------------------------------------------------------------- */

struct entry_seen { uint64_t cs, ss, sp, flags, cx, r11; };
extern struct entry_seen entry_seen;
struct entry_seen entry_seen;
extern const char syscall_target[], sysenter_target[];
asm(".pushsection .text\n"
    ".macro note\n\tmovq %cs, %rax; movq %rax, entry_seen; movq %ss, %rax; movq %rax, entry_seen + 8; movq %rsp, entry_seen + 16\n"
	"\tmovq %rcx, entry_seen + 32; movq %r11, entry_seen + 40\n\tmovq %rsp, %rbx; movq $other_stack + 4096, %rsp; pushfq\n"
	"\tpopq entry_seen + 24; movq %rbx, %rsp\n.endm\n"
    "syscall_target: note; sysretq\n"
    "sysenter_target: note; sysexitq\n.popsection");

CODE(user_syscall, "movq $0x1111, %rbx; syscall; movq %rcx, %rdx; pushfq; popq %rax" USER_EXIT);
CODE(user_syscall_cli, "syscall; cli" USER_EXIT);
CODE(user_syscall_unaligned, "syscall; movl 1(%rsp), %eax" USER_EXIT);
CODE(user_sysret, "sysretq" USER_EXIT);
CODE(user_sysenter, "movq %rsp, %rcx; leaq 1f(%rip), %rdx; sysenter; ud2; 1: pushfq; popq %rax" USER_EXIT);
CODE(user_swapgs, "swapgs" USER_EXIT);
CODE(user_rdtsc, "rdtsc" USER_EXIT);
CODE(user_step_syscall, "syscall; nop; nop" USER_EXIT);
enum { SYSCALL_AT = 7, SYSCALL_END = 9 };

static volatile unsigned steps;
static volatile uint64_t step_ip[8];
static void note_step(struct frame *f)
{
	if (steps < ARRAY_SIZE(step_ip))
		step_ip[steps] = f->ip;
	steps = steps + 1;
	write_dr6(0xffff0ff0);
	if (steps > 3)
		f->flags &= ~(uint64_t)F_TF;
}

enum { F_ALL = F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF, INTEL = 0x756e6547 };

/* Each set of flags there and back; those of SFMASK are clear in between. */
static void syscall_flags(void)
{
	static const unsigned long more[] = { 0, F_IOPL, F_AC, F_NT, F_ID, F_DF, F_IF };
	uint64_t mask = rdmsr(MSR_SFMASK);
	bool back = true, inside = true;

	for (unsigned n = 0; n < 2 * ARRAY_SIZE(more); n++) {
		wrmsr(MSR_SFMASK, n & 1 ? F_ALL | F_IF | F_TF | F_DF | F_NT | F_AC : mask);
		for (unsigned k = 0; k < 6; k++) {
			static const uint16_t bits[] = { 0, F_CF | F_ZF, F_PF | F_SF, F_AF | F_OF, F_OF, F_ALL };
			unsigned long f = more[n / 2] | bits[k];

			run_user(user_syscall, 0, f);
			back = back && event.vector == USER_VECTOR && event.frame.ax == (f | 2) &&
			       entry_seen.r11 == (f | 2);
			inside = inside && entry_seen.flags == ((f & ~rdmsr(MSR_SFMASK)) | 2);
		}
	}
	check(back, "SYSCALL and SYSRET bring every flag back");
	check(inside, "SYSCALL clears just the flags of SFMASK");
	run_user(user_syscall_cli, 0, F_IF | F_IOPL);
	check(event.vector == USER_VECTOR && !(event.frame.flags & F_IF), "SYSRET brings IOPL 3 back: CLI works");
	run_user(user_syscall_cli, 0, F_IF);
	check_user_fault(GP, 0, user_syscall_cli, 2, "and IOPL 0: CLI is #GP(0)");
	write_cr0(read_cr0() | CR0_AM);
	run_user(user_syscall_unaligned, 0, F_AC);
	check_user_fault(AC, 0, user_syscall_unaligned, 2, "SYSRET brings AC back: #AC(0)");
	run_user(user_syscall_unaligned, 0, 0);
	check(event.vector == USER_VECTOR, "and its absence");
	write_cr0(read_cr0() & ~(unsigned long)CR0_AM);
	wrmsr(MSR_SFMASK, mask);
}

static void syscalls(void)
{
	uint64_t user_sp;

	wrmsr(MSR_STAR, (uint64_t)(SEL_DATA | 3) << 48 | (uint64_t)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, (uint64_t)syscall_target);
	wrmsr(MSR_SFMASK, F_IF | F_DF | F_TF);
	run_user(user_syscall, 0, F_IF);
	check_user_fault(UD, 0, user_syscall, SYSCALL_AT, "SYSCALL without EFER.SCE is #UD");
	TRY("sysretq", : : "c"(0ul));
	check_fault(UD, 0, "SYSRET too");
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	run_user(user_syscall, 0, F_IF | F_DF | F_CF);
	check(event.vector == USER_VECTOR && event.frame.bx == entry_seen.sp, "SYSCALL and SYSRET");
	user_sp = (uint64_t)user_alias(user_stack) + sizeof user_stack - 64;
	check_eq(entry_seen.sp, user_sp, "SYSCALL leaves RSP");
	check_eq(entry_seen.cs, SEL_CODE, "CS from STAR[47:32]");
	check_eq(entry_seen.ss, SEL_CODE + 8, "SS is CS + 8");
	check_eq(entry_seen.cx, (uint64_t)user_alias(user_syscall) + SYSCALL_END, "RCX is the next instruction");
	check_eq(entry_seen.r11, F_IF | F_DF | F_CF | 2, "R11 is RFLAGS");
	check_eq(entry_seen.flags & (F_IF | F_DF | F_CF), F_CF, "RFLAGS is masked by SFMASK");
	check_eq(event.frame.ax & (F_IF | F_DF | F_CF), F_IF | F_DF | F_CF, "SYSRET gives RFLAGS back from R11");
	check(event.frame.cs == SEL_USER_CODE && event.frame.ss == SEL_USER_DATA, "SYSRET: CS is STAR[63:48] + 16, SS + 8, RPL 3");
	run_user(user_sysret, 0, 0);
	check_user_fault(GP, 0, user_sysret, 0, "SYSRET in ring 3: #GP(0)");
	syscall_flags();
	if (cpuid(0, 0).b == INTEL) {
		TRY("sysretq", : : "c"(NON_CANONICAL));
		check_fault(GP, 0, "SYSRET to a non-canonical address: #GP(0) in ring 0");
	}
	handler[DB] = note_step;
	steps = 0;
	run_user(user_step_syscall, 0, F_TF);
	/* Whether SYSRET that loads TF traps itself or the instruction behind it first, processors differ. */
	check(steps >= 2 && (step_ip[0] == (uint64_t)user_alias(user_step_syscall) + 2 ||
			     step_ip[0] == (uint64_t)user_alias(user_step_syscall) + 3),
	      "TF over SYSCALL with TF in SFMASK: no #DB in the kernel, the first back in ring 3");
	handler[DB] = NULL;
}

static void sysenters(void)
{
	wrmsr(MSR_SYSENTER_CS, 0);
	run_user(user_sysenter, 0, 0);
	check(event.vector == GP && event.error == 0, "SYSENTER with a null selector: #GP(0)");
	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_ESP, (uint64_t)user_alias(other_stack) + sizeof other_stack);
	wrmsr(MSR_SYSENTER_EIP, (uint64_t)sysenter_target);
	run_user(user_sysenter, 0, F_IF);
	check(event.vector == USER_VECTOR, "SYSENTER and SYSEXIT of 64 bits");
	check_eq(entry_seen.sp, (uint64_t)user_alias(other_stack) + sizeof other_stack, "RSP has all 64 bits");
	check(entry_seen.cs == SEL_CODE && entry_seen.ss == SEL_CODE + 8, "CS and SS");
	check_eq(entry_seen.flags & F_IF, 0, "IF is clear");
	check(event.frame.cs == ((SEL_CODE + 32) | 3) && event.frame.ss == ((SEL_CODE + 40) | 3), "SYSEXIT of 64 bits: CS + 32, CS + 40");
	check(!try_wrmsr(MSR_SYSENTER_EIP, NON_CANONICAL) && event.vector == GP, "non-canonical SYSENTER_EIP: #GP(0)");
}

/* ---- call gates of 16 bytes ------------------------------------------------------------------------------- */

static struct { uint32_t offset; uint16_t sel; } __attribute__((packed, aligned(4))) far_pointer;
struct gate_seen { uint64_t cs, ss, sp, stack[4]; };
extern struct gate_seen gate_seen;
struct gate_seen gate_seen;
extern const char gate_target[];
asm(".pushsection .text\n"
    "gate_target: movq %cs, %rax; movq %rax, gate_seen; movq %ss, %rax; movq %rax, gate_seen + 8; movq %rsp, gate_seen + 16\n"
	"\tmovq (%rsp), %rax; movq %rax, gate_seen + 24; movq 8(%rsp), %rax; movq %rax, gate_seen + 32\n"
	"\tmovq 16(%rsp), %rax; movq %rax, gate_seen + 40; movq 24(%rsp), %rax; movq %rax, gate_seen + 48\n"
	"\tlretq\n.popsection");
CODE(user_gate, "movq %rsp, %rbx; lcall *(%rdi); movq %rsp, %rcx" USER_EXIT);

static void put_gate(uint16_t sel, uint64_t target, uint8_t access, uint32_t reserved)
{
	gdt[SEL_GATE / 8] = (target & 0xffff) | (uint64_t)sel << 16 | (uint64_t)access << 40 | (target >> 16 & 0xffff) << 48;
	gdt[SEL_GATE / 8 + 1] = target >> 32 | (uint64_t)reserved << 32;
}

static void call_gates(void)
{
	unsigned long arg = (unsigned long)user_alias(&far_pointer);

	far_pointer.sel = SEL_GATE | 3;
	put_gate(SEL_CODE, (uint64_t)gate_target, KERNEL_GATE, 0);
	run_user(user_gate, arg, 0);
	check(event.vector == USER_VECTOR, "64-bit call gate and back");
	check_eq(gate_seen.cs, SEL_CODE, "CS inside");
	check_eq(gate_seen.ss, 0, "SS inside is null with RPL 0");
	check_eq(gate_seen.sp, tss.sp[0] - 32, "RSP from the TSS");
	check(gate_seen.stack[0] == event.frame.ip - 5 && gate_seen.stack[1] == SEL_USER_CODE && gate_seen.stack[2] == event.frame.bx &&
	      gate_seen.stack[3] == SEL_USER_DATA, "RIP, CS, RSP, SS on the new stack");
	check_eq(event.frame.cx, event.frame.bx, "RSP is back");
	put_gate(SEL_CODE, (uint64_t)gate_target, KERNEL_GATE & ~0x60, 0);
	run_user(user_gate, arg, 0);
	check_user_fault(GP, SEL_GATE, user_gate, 3, "gate with DPL 0: #GP(selector)");
	put_gate(SEL_CODE, (uint64_t)gate_target, KERNEL_GATE, 0x1f << 8);
	run_user(user_gate, arg, 0);
	check_user_fault(GP, SEL_GATE, user_gate, 3, "type bits of the upper half not 0: #GP(selector)");
	put_gate(SEL_CODE32, (uint64_t)gate_target, KERNEL_GATE, 0);
	run_user(user_gate, arg, 0);
	check_user_fault(GP, SEL_CODE32, user_gate, 3, "gate to a 32-bit segment: #GP(target)");
	put_gate(SEL_CODE, NON_CANONICAL, KERNEL_GATE, 0);
	run_user(user_gate, arg, 0);
	check_user_fault(GP, 0, user_gate, 3, "gate to a non-canonical address: #GP(0)");
}

/* ---- compatibility mode ---------------------------------------------------------------------------------------- */

/* 32-bit code for ring 3, run through the low alias of memory that is made for it. */
#define CODE32(name, text) CODE(name, ".code32\n" text "\n.code64")
CODE32(c_int80, "movl $-1, %eax; incl %eax; pushl %cs; popl %ebx; int $0x80");
CODE32(c_wrap, "movl $0xfffffffc, %esi; movl 0x10(%esi,%edi), %eax; int $0x80");
CODE32(c_daa, "movb $0x0a, %al; clc; daa; int $0x80");
CODE32(c_limit, "movw $0x73, %ax; movw %ax, %ds; movl 0xffc(%edi), %ebx; movl 0xffd, %ebx; int $0x80");
CODE32(c_far, "ljmp $0x23, $1f - c_far + 0xb0000000; .code64; 1: movabsq $0x123456789a, %rax; int $0x80");
#define LOW_USER 0xb0000000ul  /* where there is no memory: free for a mapping */

static void run_compat(const char *code, const char *end)
{
	uint8_t *page = page_alloc(), *stack = page_alloc();
	struct frame f = { .ip = LOW_USER, .cs = SEL_USER_CODE32, .ss = SEL_USER_DATA, .sp = LOW_USER + 0x2000 - 64, .flags = 2,
			   .di = LOW_USER + 0x1000 };

	memcpy(page, code, end - code);
	*(uint32_t *)(stack + 0xc) = 0xc0ffee;
	page_map(LOW_USER, (uint64_t)page, P_P | P_W | P_U, 1);
	page_map(LOW_USER + PAGE, (uint64_t)stack, P_P | P_W | P_U, 1);
	asm volatile("movl %0, %%ds; movl %0, %%es" : : "r"(SEL_USER_DATA));
	run_frame(&f);
	asm volatile("movl %0, %%ds; movl %0, %%es" : : "r"(SEL_DATA));
}

static void compatibility(void)
{
	*page_entry(LOW_USER, 2) = 0;
	run_compat(c_int80, c_int80_end);
	check(event.vector == USER_VECTOR && event.frame.ax == 0 && event.frame.bx == SEL_USER_CODE32 && event.frame.cs == SEL_USER_CODE32,
	      "32-bit code in ring 3; results are zero-extended");
	check_eq(event.frame.ip, LOW_USER + (c_int80_end - c_int80), "saved RIP");
	run_compat(c_wrap, c_wrap_end);
	check(event.vector == USER_VECTOR && event.frame.ax == 0xc0ffee, "addresses wrap at 4 GiB");
	run_compat(c_daa, c_daa_end);
	check(event.vector == USER_VECTOR && (event.frame.ax & 0xff) == 0x10, "DAA works there");
	gdt[0x70 / 8] = descriptor(LOW_USER + PAGE, 0xfff, 0xf3, 4);
	run_compat(c_limit, c_limit_end);
	check(event.vector == GP && event.error == 0, "segment limits hold there");
	run_compat(c_far, c_far_end);
	check(event.vector == USER_VECTOR && event.frame.ax == 0x123456789a && event.frame.cs == SEL_USER_CODE, "far JMP to 64-bit code");
}

/* ---- segments of 64-bit mode -------------------------------------------------------------------------------- */

CODE(user_fsgsbase, "rdfsbase %rax" USER_EXIT);
CODE(user_sgdt, "sgdt -16(%rsp)" USER_EXIT);
CODE(user_smsw, "smsw %eax" USER_EXIT);
CODE(user_str, "str %eax" USER_EXIT);

static void segments(void)
{
	uint64_t v;

	gdt[SEL_LIMITED / 8] = descriptor(0x1000, 1, 0x91, 4);
	TRY("movl %0, %%ds; movl (%1), %%eax; movl %%eax, (%1)", : : "r"(SEL_LIMITED), "c"(other_stack) : "eax", "memory");
	check_no_fault("64-bit mode ignores base, limit and W of DS");
	asm volatile("movl %0, %%ds" : : "r"(SEL_DATA));
	*(volatile uint64_t *)other_stack = 0x77;
	wrmsr(MSR_FS_BASE, (uint64_t)other_stack - 0x100);
	asm volatile("movq %%fs:0x100, %0" : "=r"(v));
	check_eq(v, 0x77, "FS base MSR");
	asm volatile("movl %0, %%fs" : : "r"(SEL_LIMITED));
	check_eq(rdmsr(MSR_FS_BASE), 0x1000, "a load of FS takes the base of the descriptor");
	wrmsr(MSR_GS_BASE, 0x1111);
	wrmsr(MSR_KERNEL_GS_BASE, 0x2222);
	asm volatile("swapgs");
	check(rdmsr(MSR_GS_BASE) == 0x2222 && rdmsr(MSR_KERNEL_GS_BASE) == 0x1111, "SWAPGS");
	run_user(user_swapgs, 0, 0);
	check_user_fault(GP, 0, user_swapgs, 0, "SWAPGS in ring 3: #GP(0)");
	run_user(user_fsgsbase, 0, 0);
	check_user_fault(UD, 0, user_fsgsbase, 0, "RDFSBASE without CR4.FSGSBASE: #UD");
	write_cr4(read_cr4() | CR4_FSGSBASE);
	wrmsr(MSR_FS_BASE, 0x123456789);
	run_user(user_fsgsbase, 0, 0);
	check(event.vector == USER_VECTOR && event.frame.ax == 0x123456789, "RDFSBASE in ring 3");
	asm volatile("wrgsbase %1; rdgsbase %0" : "=r"(v) : "r"(0xffff800000001234));
	check(v == 0xffff800000001234 && rdmsr(MSR_GS_BASE) == v, "WRGSBASE and RDGSBASE");
	asm volatile("wrgsbase %k1; rdgsbase %k0" : "=r"(v) : "r"(0x1122334455667788));
	check(v == 0x55667788 && rdmsr(MSR_GS_BASE) == v, "with 32 bits the upper half is 0");
	TRY("wrfsbase %0", : : "r"(NON_CANONICAL));
	check_fault(GP, 0, "WRFSBASE of a non-canonical address: #GP(0)");
	write_cr4(read_cr4() & ~(uint64_t)CR4_FSGSBASE);
	run_user(user_sgdt, 0, 0);
	check(event.vector == USER_VECTOR, "SGDT in ring 3 without UMIP");
	if (cpuid(7, 0).c & 4) {
		write_cr4(read_cr4() | CR4_UMIP);
		run_user(user_sgdt, 0, 0);
		check_user_fault(GP, 0, user_sgdt, 0, "UMIP: SGDT in ring 3 is #GP(0)");
		run_user(user_smsw, 0, 0);
		check_user_fault(GP, 0, user_smsw, 0, "UMIP: SMSW");
		run_user(user_str, 0, 0);
		check_user_fault(GP, 0, user_str, 0, "UMIP: STR");
		TRY("smsw %%eax", : : : "eax");
		check_no_fault("UMIP: ring 0 may");
		write_cr4(read_cr4() & ~(uint64_t)CR4_UMIP);
	}
	write_cr4(read_cr4() | CR4_TSD);
	run_user(user_rdtsc, 0, 0);
	check_user_fault(GP, 0, user_rdtsc, 0, "RDTSC in ring 3 with CR4.TSD: #GP(0)");
	write_cr4(read_cr4() & ~(uint64_t)CR4_TSD);
	TRY("pushq $0; pushq $0; lretq", :);
	check(event.vector == GP && event.error == 0, "RETF to a null selector: #GP(0)");
	TRY("pushq %0; pushq $0; lretq", : : "r"((uint64_t)SEL_DATA));
	check(event.vector == GP && event.error == SEL_DATA, "RETF to a data segment: #GP(selector)");
	gdt[SEL_LIMITED / 8] = descriptor(0, 0xfffff, 0x9b, 0xe);  /* L and D */
	TRY("pushq %0; pushq $0; lretq", : : "r"((uint64_t)SEL_LIMITED));
	check(event.vector == GP && event.error == SEL_LIMITED, "code segment with L and D: #GP(selector)");
	TRY("movl %0, %%eax; movl %%eax, %%ss; movl %1, %%eax; movl %%eax, %%ss", : : "i"(0), "i"(SEL_DATA) : "eax");
	check_no_fault("a null SS is allowed in ring 0");
	TRY("ltr %w0", : : "r"(SEL_TSS));
	check_fault(GP, SEL_TSS, "LTR of a busy TSS: #GP(selector)");
}

/* ---- long mode, protected mode, real mode and back --------------------------------------------------------------- */

void visit_real(void);
extern volatile uint32_t real_count, real_cr0, real_efer, protected_cr0;
asm(".text\nvisit_real: pushq %rbx; pushq %rbp; movq %cr3, %rbp; lcall *1f; popq %rbp; popq %rbx; ret\n"
    ".balign 8\n1: .long down\n.word 0x28\n"
    ".pushsection .low, \"awx\"\n"
    ".code32\n"
    "down: movl $0x10, %eax; movl %eax, %ss; movl %eax, %ds; movl %esp, low_esp\n"
	"movl %cr0, %eax; andl $0x7fffffff, %eax; movl %eax, %cr0; movl %eax, protected_cr0\n"
	"movl $0xc0000080, %ecx; rdmsr; movl %eax, real_efer\n"
	"lidt low_idt; ljmp $0x30, $1f\n"
    ".code16\n"
    "1: movw $0x38, %ax; movw %ax, %ds; movw %ax, %ss; movl %cr0, %eax; andb $0xfe, %al; movl %eax, %cr0; ljmp $0, $2f\n"
    "2: xorw %ax, %ax; movw %ax, %ds; movw %ax, %ss; movw $0x7f00, %sp; movl %cr0, %eax; movl %eax, real_cr0\n"
	"pushw %cs; popw %ax; testw %ax, %ax; jnz 3f; incl real_count\n"
    "3: movl %cr0, %eax; orb $1, %al; movl %eax, %cr0; ljmpl $0x28, $4f\n"
    ".code32\n"
    "4: movl $0x10, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %ss; movl low_esp, %esp\n"
	"movl %cr0, %eax; orl $0x80000000, %eax; movl %eax, %cr0; lretl\n"
    ".balign 8\nlow_idt: .word 0x3ff; .long 0\nlow_esp: .long 0\nreal_count: .long 0\nreal_cr0: .long 0\nreal_efer: .long 0\n"
	"protected_cr0: .long 0\n.code64\n.popsection");

static void down_and_up(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = { sizeof idt - 1, (uint64_t)idt };

	check_eq(rdmsr(MSR_EFER) & EFER_LMA, EFER_LMA, "EFER.LMA is set in long mode");
	for (unsigned n = 0; n < SWITCHES; n++)
		visit_real();
	asm volatile("lidt %0" : : "m"(table));
	check_eq(real_count, SWITCHES, "%u times down to real mode and back to long mode", SWITCHES);
	check_eq(protected_cr0 & CR0_PG, 0, "paging was off");
	check_eq(real_efer & (EFER_LMA | EFER_LME), EFER_LME, "EFER.LMA clear with LME kept");
	check_eq(real_cr0 & CR0_PE, 0, "and PE");
	check_eq(rdmsr(MSR_EFER) & EFER_LMA, EFER_LMA, "LMA is set again");
	TRY("int3", :);
	check(event.vector == BP, "exceptions work again");
}

void guest_main(void)
{
	syscalls();
	sysenters();
	call_gates();
	compatibility();
	segments();
	down_and_up();
}
