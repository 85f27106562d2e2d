/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segmentation of 32-bit protected mode: limits, access rights, LDT, gates with a
 * change of stack, conforming code, returns outwards, virtual-8086 mode, hardware
 * tasks, SYSENTER.
 */
#include "lib/guest.h"

enum { SEL_A = SEL_FREE, SEL_B = SEL_FREE + 8, SEL_C = SEL_FREE + 16, SEL_GATE = SEL_FREE + 24, SEL_LDT = SEL_FREE + 32,
       SEL_TSS2 = SEL_FREE + 40, SEL_TSS16 = SEL_FREE + 48, SEL_CONFORMING = SEL_FREE + 56, SEL_CODE1 = SEL_FREE + 64,
       SEL_DATA1 = SEL_FREE + 72, SEL_TASK_GATE = SEL_FREE + 80 };
enum { DATA_RW = 0x93, DATA_RO = 0x91, DATA_DOWN = 0x97, CODE_RX = 0x9b, CODE_X = 0x99, CODE_CONFORMING = 0x9f, DPL3 = 0x60, BIG = 4, PAGES = 8 };
static uint8_t area[0x20000] __attribute__((aligned(4096)));
static uint64_t ldt[8] __attribute__((aligned(8)));

static uint64_t gate_descriptor(uint16_t sel, uint32_t offset, uint8_t access, uint8_t count)
{
	return (offset & 0xffff) | (uint64_t)sel << 16 | (uint64_t)count << 32 | (uint64_t)access << 40 | (uint64_t)(offset >> 16) << 48;
}

static void load_fs(unsigned sel) { asm volatile("movl %0, %%fs" : : "r"(sel) : "memory"); }

static void read_fs(uint32_t a) { TRY("movl %%fs:(%0), %%eax", : : "c"(a) : "eax"); }
static void write_fs(uint32_t a) { TRY("movb %%al, %%fs:(%0)", : : "c"(a) : "memory"); }

static void limits(void)
{
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0xfff, DATA_RW, BIG);
	load_fs(SEL_A);
	read_fs(0xffc);
	check_no_fault("last 4 bytes below the limit");
	read_fs(0xffd);
	check_fault(GP, 0, "one byte across the limit: #GP(0)");
	read_fs(0xffffffff);
	check_fault(GP, 0, "an operand that wraps around 4 GiB: #GP(0)");
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0, DATA_RW, BIG | PAGES);
	load_fs(SEL_A);
	read_fs(0xffc);
	check_no_fault("granularity: limit 0 in pages ends at 0xfff");
	read_fs(0x1000);
	check_fault(GP, 0, "and not behind it");
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0xfff, DATA_DOWN, BIG);
	load_fs(SEL_A);
	read_fs(0xfff);
	check_fault(GP, 0, "expand-down: the limit itself is outside");
	read_fs(0x1000);
	check_no_fault("expand-down: limit + 1 is inside");
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0xfff, DATA_DOWN, 0);
	load_fs(SEL_A);
	read_fs(0xfffc);
	check_no_fault("expand-down of 16 bits: up to 0xffff");
	read_fs(0xfffd);
	check_fault(GP, 0, "and not further");
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0xfff, DATA_RO, BIG);
	load_fs(SEL_A);
	write_fs(0);
	check_fault(GP, 0, "write to a read-only segment: #GP(0)");
	read_fs(0);
	check_no_fault("read of it");
	load_fs(SEL_CODE);
	write_fs(0x100000);
	check_fault(GP, 0, "write to a code segment: #GP(0)");
	load_fs(0);
	read_fs(0);
	check_fault(GP, 0, "null selector: loaded without, used with #GP(0)");
	TRY("movl %%cs:(%0), %%eax", : : "c"(0x200000) : "eax");
	check_no_fault("read of a readable code segment");
	TRY("movl %%eax, %%cs:(%0)", : : "c"(0x200000) : "eax");
	check_fault(GP, 0, "write through CS");
}

/* Bases: addresses wrap at 4 GiB. */
static void bases(void)
{
	uint32_t v = 0;

	*(volatile uint32_t *)area = 0xfeedf00d;
	gdt[SEL_A / 8] = descriptor((uint32_t)area + 0x1000, 0xfffff, DATA_RW, BIG | PAGES);
	load_fs(SEL_A);
	asm volatile("movl %%fs:(%1), %0" : "=r"(v) : "r"(-0x1000));
	check_eq(v, 0xfeedf00d, "base + offset wraps at 4 GiB");
	check_eq(gdt[SEL_A / 8] >> 40 & 1, 1, "accessed bit");
	gdt[SEL_A / 8] = descriptor((uint32_t)area, 0xfff, DATA_RW & ~1, BIG);
	load_fs(SEL_A);
	check_eq(gdt[SEL_A / 8] >> 40 & 1, 1, "a load sets the accessed bit");
}

static void rights(void)
{
	gdt[SEL_A / 8] = descriptor(0, 0xfffff, DATA_RW & ~0x80, BIG);
	TRY("movl %0, %%fs", : : "r"(SEL_A));
	check_fault(NP, SEL_A, "segment not present: #NP(selector)");
	TRY("movl %0, %%ss", : : "r"(SEL_A));
	check_fault(SS, SEL_A, "stack segment not present: #SS(selector)");
	TRY("movl %0, %%fs", : : "r"(SEL_LAST + 8));
	check_fault(GP, SEL_LAST + 8, "beyond the GDT: #GP(selector)");
	TRY("movl %0, %%fs", : : "r"(SEL_TSS));
	check_fault(GP, SEL_TSS, "system descriptor: #GP(selector)");
	gdt[SEL_A / 8] = descriptor(0, 0xfffff, CODE_X, BIG);
	TRY("movl %0, %%fs", : : "r"(SEL_A));
	check_fault(GP, SEL_A, "execute-only code as data: #GP(selector)");
	TRY("movl %0, %%fs", : : "r"(SEL_DATA | 3));
	check_fault(GP, SEL_DATA, "RPL above DPL: #GP(selector)");
	TRY("movl %0, %%ss", : : "r"(SEL_USER_DATA));
	check_fault(GP, SEL_USER_DATA & ~3, "SS with another DPL: #GP(selector)");
	TRY("movl %0, %%ss", : : "r"(0));
	check_fault(GP, 0, "null SS: #GP(0)");
	gdt[SEL_A / 8] = descriptor(0, 0xfffff, DATA_RO, BIG);
	TRY("movl %0, %%ss", : : "r"(SEL_A));
	check_fault(GP, SEL_A, "read-only SS: #GP(selector)");
	TRY("movl %0, %%cs", : : "r"(SEL_CODE));
	check_fault(UD, 0, "MOV to CS: #UD");
	/* LAR, LSL, VERR, VERW */
	uint32_t v = 0;
	uint8_t z;

	asm("larl %2, %0; setz %1" : "=r"(v), "=q"(z) : "r"(SEL_DATA) : "cc");
	check(z && v == 0x00cf9300, "LAR of a data segment");
	asm("lsll %2, %0; setz %1" : "=r"(v), "=q"(z) : "r"(SEL_DATA) : "cc");
	check(z && v == 0xffffffff, "LSL applies granularity");
	asm("lsll %2, %0; setz %1" : "=r"(v), "=q"(z) : "r"(SEL_LAST + 8), "0"(77) : "cc");
	check(!z && v == 77, "LSL beyond the GDT: ZF clear, register unchanged");
	asm("larl %2, %0; setz %1" : "=r"(v), "=q"(z) : "r"(SEL_DATA | 3), "0"(77) : "cc");
	check(!z && v == 77, "LAR with RPL above DPL");
	asm("verw %w1; setz %0" : "=q"(z) : "r"(SEL_A) : "cc");
	check(!z, "VERW of a read-only segment");
	asm("verr %w1; setz %0" : "=q"(z) : "r"(SEL_A) : "cc");
	check(z, "VERR of it");
	asm("verr %w1; setz %0" : "=q"(z) : "r"(SEL_TSS) : "cc");
	check(!z, "VERR of a system descriptor");
}

static void local_table(void)
{
	ldt[1] = descriptor((uint32_t)area, 0xff, DATA_RW, BIG);
	gdt[SEL_LDT / 8] = descriptor((uint32_t)ldt, sizeof ldt - 1, 0x82, 0);
	TRY("movl %0, %%fs", : : "r"(8 | 4));
	check_fault(GP, 8 | 4, "LDT selector without LDT: #GP(selector)");
	asm volatile("lldt %w0" : : "r"(SEL_LDT));
	load_fs(8 | 4);
	read_fs(0xfc);
	check_no_fault("segment of the LDT");
	read_fs(0xfd);
	check_fault(GP, 0, "with its limit");
	TRY("movl %0, %%fs", : : "r"(64 | 4));
	check_fault(GP, 64 | 4, "beyond the LDT: #GP(selector)");
	TRY("lldt %w0", : : "r"(SEL_DATA));
	check_fault(GP, SEL_DATA, "LLDT of a data segment: #GP(selector)");
	TRY("lldt %w0", : : "r"(8 | 4));
	check_fault(GP, 8 | 4, "LLDT of an LDT selector: #GP(selector)");
	load_fs(0);
	asm volatile("lldt %w0" : : "r"(0));
}

/* ---- call gates ------------------------------------------------------------------------------------- */

/* What the gate's target finds. */
struct seen { uint32_t cs, ss, sp, stack[6]; };
extern struct seen seen;
struct seen seen;
extern const char gate_target[];
asm(".pushsection .text\n"
    "gate_target:\n\tpushl %ds\n\tpushl %eax\n\tmovl $0x10, %eax\n\tmovl %eax, %ds\n"
	"\tmovl %eax, %gs\n\tmovl %cs, %eax\n\tmovl %eax, seen\n\tmovl %ss, %eax\n\tmovl %eax, seen + 4\n\tleal 8(%esp), %eax\n\tmovl %eax, seen + 8\n"
	"\tmovl 8(%esp), %eax\n\tmovl %eax, seen + 12\n\tmovl 12(%esp), %eax\n\tmovl %eax, seen + 16\n"
	"\tmovl 16(%esp), %eax\n\tmovl %eax, seen + 20\n\tmovl 20(%esp), %eax\n\tmovl %eax, seen + 24\n"
	"\tmovl 24(%esp), %eax\n\tmovl %eax, seen + 28\n\tmovl 28(%esp), %eax\n\tmovl %eax, seen + 32\n"
	"\tpopl %eax\n\tpopl %ds\n\tlretl $8\n"
    ".popsection");

CODE(user_call_gate, "pushl $0x1111; pushl $0x2222; movl %esp, %ebx; lcall *(%edi); movl %esp, %ecx; movl %gs, %edx" USER_EXIT);
CODE(user_jmp_gate, "ljmp *(%edi)" USER_EXIT);
CODE(user_far, "lcall *(%edi)" USER_EXIT);

static struct { uint32_t offset; uint16_t sel; } __attribute__((packed, aligned(4))) far_pointer;

static void call_gates(void)
{
	far_pointer.offset = 0x12345678;  /* ignored */
	far_pointer.sel = SEL_GATE | 3;
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_CODE, (uint32_t)gate_target, 0xec, 2);
	run_user(user_call_gate, (uint32_t)&far_pointer, 0);
	check(event.vector == USER_VECTOR, "call gate from ring 3 and back");
	check_eq(seen.cs, SEL_CODE, "CS inside has RPL 0");
	check_eq(seen.ss, SEL_DATA, "SS from the TSS");
	check_eq(seen.sp, tss.sp0 - 24, "ESP from the TSS below what was pushed");
	/* Behind the call are 2 bytes each of MOV, MOV and INT. */
	check(seen.stack[0] == event.frame.ip - 6 && seen.stack[1] == SEL_USER_CODE, "return address");
	check(seen.stack[2] == 0x2222 && seen.stack[3] == 0x1111, "two parameters copied in order");
	check(seen.stack[4] == event.frame.bx && seen.stack[5] == SEL_USER_DATA, "old stack pointer above them");
	check_eq(event.frame.cx, event.frame.bx + 8, "RET 8 releases them on the outer stack too");
	check_eq(event.frame.dx, 0, "a return outwards makes GS null that the outer ring may not have");
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_CODE, (uint32_t)gate_target, 0x8c, 0);
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(GP, SEL_GATE, user_far, 0, "gate with DPL 0 from ring 3: #GP(selector)");
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_CODE, (uint32_t)gate_target, 0x6c, 0);
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(NP, SEL_GATE, user_far, 0, "gate not present: #NP(selector)");
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_DATA, 0, 0xec, 0);
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(GP, SEL_DATA, user_far, 0, "gate to a data segment: #GP(target)");
	gdt[SEL_GATE / 8] = gate_descriptor(0, 0, 0xec, 0);
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(GP, 0, user_far, 0, "gate with a null selector: #GP(0)");
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_CODE, (uint32_t)gate_target, 0xec, 0);
	run_user(user_jmp_gate, (uint32_t)&far_pointer, 0);
	check_user_fault(GP, SEL_CODE, user_jmp_gate, 0, "JMP through a gate to an inner ring: #GP(target)");
	far_pointer.sel = SEL_CODE | 3;
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(GP, SEL_CODE, user_far, 0, "direct far CALL to ring 0: #GP(selector)");
	gdt[SEL_CODE1 / 8] = descriptor(0, 0xfffff, CODE_RX | 0x20, BIG | PAGES);
	gdt[SEL_GATE / 8] = gate_descriptor(SEL_CODE1, (uint32_t)gate_target, 0xec, 0);
	tss.ss1 = SEL_DATA | 1;
	far_pointer.sel = SEL_GATE | 3;
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(TS, SEL_DATA, user_far, 0, "gate to ring 1 whose stack in the TSS is of ring 0: #TS(selector)");
	tss.ss1 = 0;
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check_user_fault(TS, 0, user_far, 0, "null stack in the TSS: #TS(0)");
}

extern const char conforming_target[];
asm(".pushsection .text\nconforming_target: movl %cs, %eax; lretl\n.popsection");

static void conforming(void)
{
	gdt[SEL_CONFORMING / 8] = descriptor(0, 0xfffff, CODE_CONFORMING, BIG | PAGES);
	far_pointer.sel = SEL_CONFORMING;
	far_pointer.offset = (uint32_t)conforming_target;
	run_user(user_far, (uint32_t)&far_pointer, 0);
	check(event.vector == USER_VECTOR && event.frame.ax == (SEL_CONFORMING | 3), "conforming code of ring 0 runs in ring 3 (RPL becomes CPL)");
	gdt[SEL_CONFORMING / 8] = descriptor(0, 0xfffff, CODE_CONFORMING | DPL3, BIG | PAGES);
	TRY("lcall *(%0)", : : "r"(&far_pointer) : "memory");
	check_fault(GP, SEL_CONFORMING, "conforming code with DPL above CPL: #GP(selector)");
}

CODE(user_selectors, "movl %fs, %eax; movl %gs, %ebx" USER_EXIT);

static void returns(void)
{
	gdt[SEL_CODE1 / 8] = descriptor(0, 0xfffff, CODE_RX | 0x20, BIG | PAGES);
	TRY("pushl %0; pushl $0; lretl", : : "r"(SEL_DATA));
	check(event.vector == GP && event.error == SEL_DATA, "RETF to a data segment: #GP(selector)");
	TRY("pushl $0; pushl $0; lretl", :);
	check(event.vector == GP && event.error == 0, "RETF to a null selector: #GP(0)");
	TRY("pushl %0; pushl %1; pushl %2; pushl $0; lretl", : : "r"(SEL_DATA), "r"(user_stack), "r"(SEL_CODE1 | 1));
	check(event.vector == GP && event.error == SEL_DATA, "RETF outwards with a stack of the wrong ring: #GP(selector)");
	TRY("pushl %0; pushl %1; pushfl; pushl %2; pushl $0; iretl", : : "r"(0), "r"(user_stack), "r"(SEL_USER_CODE));
	check(event.vector == GP && event.error == 0, "IRET outwards with a null SS: #GP(0)");
	load_fs(SEL_DATA);
	asm volatile("movl %0, %%gs" : : "r"(SEL_USER_DATA));
	run_user(user_selectors, 0, 0);
	check_eq(event.frame.ax, 0, "IRET outwards: FS that ring 3 may not have becomes null");
	check_eq(event.frame.bx & 0xffff, SEL_USER_DATA, "GS that it may have stays");
}

/* ---- virtual-8086 mode ---------------------------------------------------------------------------------- */

/* 16-bit code below 1 MiB. */
#define LOW_CODE(name, text) \
	extern const char name[]; \
	asm(".pushsection .low, \"awx\"\n.code16\n.globl " #name "\n" #name ":\n" text "\n.code32\n.popsection")

LOW_CODE(vm_int80, "movw (0), %ax; int $0x80");
LOW_CODE(vm_int3, "int3");
LOW_CODE(vm_cli, "cli; int $0x80");
LOW_CODE(vm_pushf, "pushfw; popw %ax; int $0x80");
LOW_CODE(vm_popf, "popfw");
LOW_CODE(vm_iret, "iretw");
LOW_CODE(vm_sti, "sti; int $0x80");
LOW_CODE(vm_hlt, "hlt");
LOW_CODE(vm_cr0, "movl %cr0, %eax");
LOW_CODE(vm_lldt, "lldt %ax");
LOW_CODE(vm_arpl, ".byte 0x63, 0xc0");
LOW_CODE(vm_limit, "movw (0xffff), %ax");
LOW_CODE(vm_stack, "movw $1, %sp; pushw %ax");
LOW_CODE(vm_in, "inb $0x61, %al; int $0x80");
LOW_CODE(vm_segments, "movw $0x1234, %ax; movw %ax, %fs; movw %fs, %bx; lcall $0x800, $(1f - 0x8000); int $0x80; 1: movw %cs, %cx; lretw");
LOW_CODE(vm_int42, "xorw %ax, %ax; int $0x42; int $0x80");
LOW_CODE(vm_handler42, "movw $0x4242, %ax; iretw");

static void run_vm(const char *code, uint32_t flags)
{
	struct frame f = { .ip = (uint32_t)code, .cs = 0, .flags = F_VM | 2 | flags, .sp = 0x7f00, .ss = 0, .vm_ds = 0x0900, .vm_es = 0x0a00,
			   .vm_fs = 1, .vm_gs = 2, .ds = SEL_DATA, .es = SEL_DATA };

	*(volatile uint16_t *)0x9000ul = 0x5a5a;
	run_frame(&f);
}

static void check_vm(unsigned vector, const char *code, int offset, const char *what)
{
	check(event.count == 1 && event.vector == vector && event.error == 0 && event.frame.ip == (uint32_t)code + offset &&
	      event.frame.flags & F_VM, "virtual-8086 mode: %s", what);
}

static void virtual_8086(void)
{
	run_vm(vm_int80, F_IOPL);
	check_vm(USER_VECTOR, vm_int80, 5, "INT n with IOPL 3 goes through the IDT");
	check_eq(event.frame.ax & 0xffff, 0x5a5a, "segment base is selector * 16");
	check(event.frame.vm_ds == 0x900 && event.frame.vm_es == 0xa00 && event.frame.vm_fs == 1 && event.frame.vm_gs == 2 &&
	      event.frame.ss == 0 && event.frame.sp == 0x7f00, "all segment registers are saved on the ring 0 stack");
	run_vm(vm_int80, 0);
	check_vm(GP, vm_int80, 3, "INT n with IOPL 0 is #GP(0)");
	run_vm(vm_int3, 0);
	check_vm(BP, vm_int3, 1, "INT3 does not look at IOPL");
	run_vm(vm_cli, 0);
	check_vm(GP, vm_cli, 0, "CLI with IOPL 0 is #GP(0)");
	run_vm(vm_sti, 0);
	check_vm(GP, vm_sti, 0, "STI");
	run_vm(vm_pushf, 0);
	check_vm(GP, vm_pushf, 0, "PUSHF");
	run_vm(vm_popf, 0);
	check_vm(GP, vm_popf, 0, "POPF");
	run_vm(vm_iret, 0);
	check_vm(GP, vm_iret, 0, "IRET");
	run_vm(vm_cli, F_IOPL | F_IF);
	check(event.vector == USER_VECTOR && !(event.frame.flags & F_IF), "CLI with IOPL 3 clears IF");
	run_vm(vm_pushf, F_IOPL);
	check_eq(event.frame.ax & 0xffff, F_IOPL | 2, "PUSHF with IOPL 3");
	run_vm(vm_hlt, F_IOPL);
	check_vm(GP, vm_hlt, 0, "HLT is #GP(0)");
	run_vm(vm_cr0, F_IOPL);
	check_vm(GP, vm_cr0, 0, "MOV from CR0 is #GP(0)");
	run_vm(vm_lldt, F_IOPL);
	check_vm(UD, vm_lldt, 0, "LLDT is #UD");
	run_vm(vm_arpl, F_IOPL);
	check_vm(UD, vm_arpl, 0, "ARPL is #UD");
	run_vm(vm_limit, F_IOPL);
	check_vm(GP, vm_limit, 0, "word at offset 0xffff is #GP(0)");
	run_vm(vm_stack, F_IOPL);
	check_vm(SS, vm_stack, 3, "push across offset 0 is #SS(0)");
	run_vm(vm_in, F_IOPL);
	check_vm(GP, vm_in, 0, "IN asks the permission map whatever IOPL is");
	tss.map[32 + 0x61 / 8] &= ~(1 << (0x61 & 7));
	run_vm(vm_in, F_IOPL);
	check(event.vector == USER_VECTOR, "IN with its bit clear");
	tss.map[32 + 0x61 / 8] = 0xff;
	run_vm(vm_segments, F_IOPL);
	check(event.vector == USER_VECTOR && (event.frame.bx & 0xffff) == 0x1234 && (event.frame.cx & 0xffff) == 0x800,
	      "any selector loads; far CALL takes segment:offset");
}

static void virtual_extensions(void)
{
	if (!(cpuid(1, 0).d & 2)) {
		check_skip("no VME", "VME");
		return;
	}
	write_cr4(read_cr4() | CR4_VME);
	run_vm(vm_cli, F_VIF);
	check(event.vector == GP && event.frame.ip == (uint32_t)vm_cli + 1 && !(event.frame.flags & F_VIF),
	      "VME, IOPL 0: CLI clears VIF; INT with its bit set in the redirection map is #GP(0)");
	run_vm(vm_sti, F_VIP);
	check_vm(GP, vm_sti, 0, "VME: STI with VIP is #GP(0)");
	run_vm(vm_sti, 0);
	check(event.frame.ip == (uint32_t)vm_sti + 1 && event.frame.flags & F_VIF, "VME: STI sets VIF");
	run_vm(vm_pushf, F_VIF);
	check(event.frame.ip == (uint32_t)vm_pushf + 2 && (event.frame.ax & 0xffff) == (F_IOPL | F_IF | 2),
	      "VME: PUSHF shows VIF as IF and IOPL 3");
	*(volatile uint32_t *)(0x42ul * 4) = (uint32_t)vm_handler42;
	tss.map[0x42 / 8] &= ~(1 << (0x42 & 7));
	run_vm(vm_int42, F_VIF);
	check(event.vector == GP && event.frame.ip == (uint32_t)vm_int42 + 4 && (event.frame.ax & 0xffff) == 0x4242,
	      "VME: INT n with its bit clear goes through the table at 0 and IRET comes back");
	check(event.frame.flags & F_VIF, "which restores VIF");
	run_vm(vm_int42, F_IOPL);
	check(event.vector == USER_VECTOR && (event.frame.ax & 0xffff) == 0x4242, "the same with IOPL 3");
	tss.map[0x42 / 8] = 0xff;
	write_cr4(read_cr4() & ~(unsigned long)CR4_VME);
	*(volatile uint32_t *)(0x42ul * 4) = 0;
}

/* ---- hardware tasks --------------------------------------------------------------------------------------- */

static struct tss other;
static uint8_t other_stack[4096] __attribute__((aligned(16)));
struct task_seen { uint32_t tr, cr0, flags, sp, error, count; };
extern struct task_seen task_seen;
struct task_seen task_seen;
extern const char task_jmp[], task_iret[], task_fix[];
asm(".pushsection .text\n"
    "task_note: popl %ecx; strw %ax; movzwl %ax, %eax; movl %eax, task_seen; movl %cr0, %eax; movl %eax, task_seen + 4\n"
	"\tpushfl; popl %eax; movl %eax, task_seen + 8; movl %esp, task_seen + 12; incl task_seen + 20; jmp *%ecx\n"
    "task_jmp: call task_note; ljmp $0x40, $0; jmp task_jmp\n"
    "task_iret: call task_note; iretl; jmp task_iret\n"
    /* Makes the segment present that was not; 0x60 is SEL_A. */
    "task_fix: popl task_seen + 16; call task_note; orl $0x8000, gdt + 0x64; iretl\n"
    ".popsection");

static unsigned busy(unsigned sel) { return gdt[sel / 8] >> 41 & 1; }

static void prepare(const char *entry)
{
	memset(&other, 0, sizeof other);
	other.ip = (uint32_t)entry;
	other.flags = 2;
	other.sp = (uint32_t)other_stack + sizeof other_stack;
	other.cs = SEL_CODE;
	other.ds = other.es = other.ss = other.fs = other.gs = SEL_DATA;
	other.iomap = sizeof other;
	gdt[SEL_TSS2 / 8] = descriptor((uint32_t)&other, 0x67, 0x89, 0);
	memset(&task_seen, 0, sizeof task_seen);
	asm volatile("clts");
}

static void tasks(void)
{
	uint32_t v = 0x1357;

	prepare(task_jmp);
	check_eq(busy(SEL_TSS), 1, "the running task is busy");
	asm volatile("ljmp %1, $0" : "+S"(v) : "i"(SEL_TSS2) : "memory", "cc");
	check_eq(task_seen.tr, SEL_TSS2, "JMP to a TSS: the other task ran");
	check_eq(v, 0x1357, "registers are back");
	check(task_seen.cr0 & CR0_TS, "a task switch sets CR0.TS");
	check(!(task_seen.flags & F_NT), "JMP leaves NT clear");
	check(busy(SEL_TSS) && !busy(SEL_TSS2), "busy is with the running one only");
	check_eq(task_seen.sp, (uint32_t)other_stack + sizeof other_stack, "it had the stack of its TSS");
	check(other.ip > (uint32_t)task_jmp && other.cs == SEL_CODE, "its state was saved when it left");

	prepare(task_iret);
	asm volatile("lcall %0, $0" : : "i"(SEL_TSS2) : "memory", "cc");
	check_eq(task_seen.count, 1, "CALL of a TSS and IRET back");
	check(task_seen.flags & F_NT, "CALL sets NT");
	check_eq(other.link & 0xffff, SEL_TSS, "and the back link");
	check(!(other.flags & F_NT), "IRET clears NT in the task that it leaves");
	check(busy(SEL_TSS) && !busy(SEL_TSS2), "busy after the return");
	check(!(read_flags() & F_NT), "NT is clear in the caller");

	prepare(task_iret);
	idt[0x44].word[0] = SEL_TSS2 << 16;
	idt[0x44].word[1] = GATE_TASK << 8;
	asm volatile("int $0x44" : : : "memory", "cc");
	check_eq(task_seen.count, 1, "INT through a task gate");
	check(task_seen.flags & F_NT && (other.link & 0xffff) == SEL_TSS, "NT and back link of it");
	reset_gate(0x44, GATE_INTERRUPT, 0);

	prepare(task_fix);
	idt[NP].word[0] = SEL_TSS2 << 16;
	idt[NP].word[1] = GATE_TASK << 8;
	gdt[SEL_A / 8] = descriptor(0, 0xfffff, DATA_RW & ~0x80, BIG);
	load_fs(SEL_A);
	check_eq(task_seen.error, SEL_A, "a fault through a task gate pushes its error code on the new stack");
	check_eq(task_seen.count, 1, "and the instruction is tried again after its IRET");
	reset_gate(NP, GATE_INTERRUPT, 0);
}

static void task_errors(void)
{
	prepare(task_iret);
	TRY("ljmp %0, $0", : : "i"(SEL_TSS) : "memory");
	check_fault(GP, SEL_TSS, "JMP to a busy TSS: #GP(selector)");
	gdt[SEL_TSS2 / 8] = descriptor((uint32_t)&other, 0x67, 0x09, 0);
	TRY("ljmp %0, $0", : : "i"(SEL_TSS2) : "memory");
	check_fault(NP, SEL_TSS2, "TSS not present: #NP(selector)");
	gdt[SEL_TSS2 / 8] = descriptor((uint32_t)&other, 0x66, 0x89, 0);
	TRY("ljmp %0, $0", : : "i"(SEL_TSS2) : "memory");
	check_fault(TS, SEL_TSS2, "TSS limit below 67h: #TS(selector)");
	TRY("ltr %w0", : : "r"(SEL_DATA));
	check_fault(GP, SEL_DATA, "LTR of a data segment: #GP(selector)");
	TRY("ltr %w0", : : "r"(SEL_TSS));
	check_fault(GP, SEL_TSS, "LTR of a busy TSS: #GP(selector)");
	TRY("pushfl; orl $0x4000, (%%esp); popfl; iretl", : : : "memory", "cc");
	check(event.vector == TS && event.error == 0, "IRET with NT and a null back link: #TS(0)");
	asm volatile("pushfl; andl $~0x4000, (%%esp); popfl" : : : "cc", "memory");
}

/* ---- SYSENTER ------------------------------------------------------------------------------------------------ */

extern const char sysenter_target[], sysenter_back[];
struct sysenter_seen { uint32_t cs, ss, sp, flags; };
extern struct sysenter_seen sysenter_seen;
struct sysenter_seen sysenter_seen;
static uint8_t sysenter_stack[256] __attribute__((aligned(16)));
asm(".pushsection .text\n"
    "sysenter_target: movl %cs, %eax; movl %eax, %ss:sysenter_seen; movl %ss, %eax; movl %eax, %ss:sysenter_seen + 4\n"
	"\tmovl %esp, %ss:sysenter_seen + 8; pushfl; popl %ss:sysenter_seen + 12; sysexit\n.popsection");
CODE(user_sysenter, "movl %esp, %ecx; leal 8(%edi), %edx; movl $0x77, %ebx; sysenter; nop; nop; nop; nop; int $0x80");
CODE(user_sysexit, "sysexit" USER_EXIT);

static void sysenter(void)
{
	wrmsr(MSR_SYSENTER_CS, 0);
	run_user(user_sysenter, 0, 0);
	check(event.vector == GP && event.error == 0, "SYSENTER with a null selector: #GP(0)");
	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_ESP, (uint32_t)sysenter_stack + sizeof sysenter_stack);
	wrmsr(MSR_SYSENTER_EIP, (uint32_t)sysenter_target);
	/* Any address in the NOPs will do as the way back. */
	run_user(user_sysenter, (uint32_t)user_sysenter_end - 3 - 8, F_IF);
	check(event.vector == USER_VECTOR && event.frame.bx == 0x77, "SYSENTER and SYSEXIT");
	check(sysenter_seen.cs == SEL_CODE && sysenter_seen.ss == SEL_CODE + 8 &&
	      sysenter_seen.sp == (uint32_t)sysenter_stack + sizeof sysenter_stack, "CS, SS, ESP inside");
	check(!(sysenter_seen.flags & F_IF), "SYSENTER clears IF");
	check(event.frame.cs == ((SEL_CODE + 16) | 3) && event.frame.ss == ((SEL_CODE + 24) | 3), "SYSEXIT: CS + 16, CS + 24, RPL 3");
	run_user(user_sysexit, 0, 0);
	check_user_fault(GP, 0, user_sysexit, 0, "SYSEXIT in ring 3: #GP(0)");
}

/* ---- real mode --------------------------------------------------------------------------------------------------- */

struct real_seen { uint32_t cr0, sp_after_int, gp_count, ss_count, ud_count, wrap, flags_in, int_ax, unused[2], de_ip; };
extern struct real_seen real_seen;
extern const char real_gp[], real_int[], real_ud[], real_ss[], real_de[];
void go_real(void);
/*
 * Vectors 13, 12, 6 count and go on at the address in BX; 0x42 notes FLAGS.
 * The first of two words of stack is IP: [bp].
 */
asm(".pushsection .low, \"awx\"\n"
    ".balign 4\nreal_seen: .fill 11, 4, 0\nreal_esp: .long 0\nreal_idt: .word 0x3ff; .long 0\n"
    ".code16\n"
    "real_gp: incl real_seen + 8; jmp real_next\n"
    "real_ss: incl real_seen + 12; jmp real_next\n"
    "real_ud: incl real_seen + 16\n"
    "real_next: pushw %bp; movw %sp, %bp; movw %bx, 2(%bp); popw %bp; iretw\n"
    "real_de: pushw %bp; movw %sp, %bp; movw 2(%bp), %ax; movw %ax, real_seen + 40; movw %bx, 2(%bp); popw %bp; iretw\n"
    "real_int: pushfw; popw %ax; movw %ax, real_seen + 24; movw $0xabcd, %ax; iretw\n"
    ".code32\n.globl go_real\ngo_real:\n"
	"pushal; movl %esp, real_esp; lidt real_idt; ljmp $0x30, $1f\n"
    ".code16\n"
    "1: movw $0x38, %ax; movw %ax, %ds; movw %ax, %es; movw %ax, %fs; movw %ax, %gs; movw %ax, %ss\n"
	"movl %cr0, %eax; andb $0xfe, %al; movl %eax, %cr0; ljmp $0, $2f\n"
    "2: xorw %ax, %ax; movw %ax, %ds; movw %ax, %ss; movw %ax, %es; movw $0x7f00, %sp\n"
	"movl %cr0, %eax; movl %eax, real_seen\n"
	"sti; int $0x42; movw %ax, real_seen + 28; movw %sp, real_seen + 4; cli\n"
	/* A word across the end of the segment, a far 32-bit offset, an undefined opcode, division by zero. */
	"movw $3f, %bx; movw (0xffff), %ax; movl $-1, real_seen + 8\n"
    "3: movw $4f, %bx; movl $0x10000, %esi; movb (%esi), %al; movl $-1, real_seen + 8\n"
    "4: movw $5f, %bx; ud2; movl $-1, real_seen + 16\n"
    "5: movw $6f, %bx; movw $0xffff, %bp; movw (%bp), %ax; movl $-1, real_seen + 12\n"
    "6: movw $7f, %bx; xorw %cx, %cx; real_div: divw %cx\n"
	/* FFFF:0010 is 1 MiB with A20 on. */
    "7: movw $0xffff, %ax; movw %ax, %es; movl %es:(0x10), %eax; movl %eax, real_seen + 20\n"
	"movl %cr0, %eax; orb $1, %al; movl %eax, %cr0; ljmpl $0x08, $8f\n"
    ".code32\n"
    "8: movl $0x10, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %fs; movl %eax, %gs; movl %eax, %ss\n"
	"movl real_esp, %esp; popal; ret\n"
    ".globl real_div, real_seen\n.popsection");
extern const char real_div[];

static void set_vector(unsigned n, const char *to) { *(volatile uint32_t *)((unsigned long)n * 4) = (uint32_t)to; }

static void real_mode(void)
{
	struct { uint16_t limit; uint32_t base; } __attribute__((packed)) table = { sizeof idt - 1, (uint32_t)idt };

	set_vector(0x42, real_int);
	set_vector(13, real_gp);
	set_vector(12, real_ss);
	set_vector(6, real_ud);
	set_vector(0, real_de);
	*(volatile uint32_t *)0x100000ul = 0x600dcafe;
	go_real();
	asm volatile("lidt %0" : : "m"(table));
	check_eq(real_seen.cr0 & CR0_PE, 0, "real mode entered");
	check_eq(real_seen.int_ax, 0xabcd, "INT through the table at 0 and IRET");
	check_eq(real_seen.sp_after_int, 0x7f00, "with the stack level");
	check_eq(real_seen.flags_in & F_IF, 0, "IF is clear in the handler");
	check_eq(real_seen.gp_count, 2, "offset above 0xffff: vector 13, 16- and 32-bit addresses");
	check_eq(real_seen.ud_count, 1, "UD2: vector 6");
	check_eq(real_seen.de_ip, (uint32_t)real_div, "DIV by zero: vector 0 with IP at the instruction");
	check_eq(real_seen.wrap, 0x600dcafe, "FFFF:0010 is 1 MiB");
	check_eq(real_seen.ss_count, 1, "word at SS:FFFF: vector 12");
}

void guest_main(void)
{
	/* The first 32 bytes of the map are the redirection map of VME. */
	tss.iomap = offsetof(struct tss, map) + 32;
	limits();
	bases();
	rights();
	local_table();
	call_gates();
	conforming();
	returns();
	virtual_8086();
	virtual_extensions();
	tasks();
	task_errors();
	sysenter();
	real_mode();
}
