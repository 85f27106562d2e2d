/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sections 4.5 and 4.7: compatibility mode and real mode, from long mode. */
#include "hv/msr.h"
#include "machine.h"

/*
 * In compatibility mode: value in EDX:EAX, parameters in EBX:ECX and EDI:ESI, result in EDX:EAX; the upper halves of
 * all six have garbage.
 */
uint64_t call_compat(uint64_t control, uint64_t in, uint64_t out);
asm(".text\ncall_compat:\n\tpushq %rbx\n\tpushq %rbp\n\tpushq %rdi\n\tpushq %rsi\n\tpushq %rdx\n\t"
    "movabsq $0xdead000000000000, %r8\n\t"
    "movl 16(%rsp), %eax\n\torq %r8, %rax\n\tmovl 20(%rsp), %r9d\n\t"
    "movl 8(%rsp), %ecx\n\torq %r8, %rcx\n\tmovl 12(%rsp), %ebx\n\torq %r8, %rbx\n\t"
    "movl (%rsp), %esi\n\torq %r8, %rsi\n\tmovl 4(%rsp), %edi\n\torq %r8, %rdi\n\t"
    "movl %r9d, %edx\n\torq %r8, %rdx\n\t"
    "lcall *1f\n\t"
    "shlq $32, %rdx\n\tmovl %eax, %eax\n\torq %rdx, %rax\n\taddq $24, %rsp\n\tpopq %rbp\n\tpopq %rbx\n\tret\n"
    ".balign 8\n1:\t.long 2f\n\t.word 0x28\n.code32\n2:\tvmcall\n\tlretl\n.code64\n");

RULE_GUEST(T4_7_c, "in compatibility mode a call has its parameters where 32-bit callers have them")
{
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 1, 0), HV_STATUS_SUCCESS, "fast");
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT, test_page(0), 0), HV_STATUS_SUCCESS, "in memory");
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT, test_page(0) + 4, 0), HV_STATUS_INVALID_ALIGNMENT, "unaligned");
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT, 1ull << 51, 0), HV_STATUS_INVALID_ALIGNMENT, "EBX has the upper half");
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT | 1ull << 32, test_page(0), 0), HV_STATUS_INVALID_HYPERCALL_INPUT,
		    "EDX has the rep count");
}

RULE_GUEST(T4_7_i, "upper halves of registers do not matter to a 32-bit caller")
{
	check_value(call_compat(HV_CALL_NOTIFY_LONG_SPIN_WAIT, test_page(0), 0), HV_STATUS_SUCCESS, "with garbage in them");
	check_value(call_compat(0x7fff, 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code");
}

/* ---- down to real mode ---- */

void call_real(void);
extern volatile uint32_t real_faults[2];
/*
 * Long mode, protected mode, real mode with a handler of vector 6 that counts and skips three bytes, and
 * back.  Code at 0x8000 and above.
 */
asm(".text\ncall_real: pushq %rbx; pushq %rbp; movq %cr3, %rbp; lcall *1f; popq %rbp; popq %rbx; ret\n"
    ".balign 8\n1: .long real_down\n.word 0x28\n"
    ".pushsection .low.modes, \"awx\"\n"
    ".code32\n"
    "real_down: movl $0x10, %eax; movl %eax, %ss; movl %eax, %ds; movl %esp, real_esp\n"
	"movl %cr0, %eax; andl $0x7fffffff, %eax; movl %eax, %cr0\n"
	"lidt real_idt; ljmp $0x30, $1f\n"
    ".code16\n"
    "1: movw $0x38, %ax; movw %ax, %ds; movw %ax, %ss; movl %cr0, %eax; andb $0xfe, %al; movl %eax, %cr0; ljmp $0, $2f\n"
    "2: xorw %ax, %ax; movw %ax, %ds; movw %ax, %ss; movw $0x7f00, %sp\n"
	"movw $real_ud, 24; movw $0, 26\n"
	"movl $0x10008, %ecx; movl $0x10008, %eax; xorl %edx, %edx; xorl %ebx, %ebx\n"
	"movw $real_faults, %di; vmcall; movw $real_faults + 4, %di; vmmcall\n"
	"movl %cr0, %eax; orb $1, %al; movl %eax, %cr0; ljmpl $0x28, $4f\n"
    "real_ud: incl (%di); pushw %bp; movw %sp, %bp; addw $3, 2(%bp); popw %bp; iretw\n"
    ".code32\n"
    "4: movl $0x10, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %ss; movl real_esp, %esp\n"
	"movl %cr0, %eax; orl $0x80000000, %eax; movl %eax, %cr0; lretl\n"
    ".balign 8\nreal_idt: .word 0x3ff; .long 0\nreal_esp: .long 0\nreal_faults: .long 0, 0\n.code64\n.popsection");

/* Down to real mode and up again. */
static void visit_real(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = { sizeof idt - 1, (uint64_t)idt };

	real_faults[0] = real_faults[1] = 0;
	call_real();
	asm volatile("lidt %0" : : "m"(table));
}

RULE_GUEST(T4_5_a, "a hypercall in real mode is #UD")
{
	visit_real();
	check_value(real_faults[0], 1, "#UD of VMCALL");
	check_value(real_faults[1], 1, "#UD of VMMCALL");
}

RULE_GUEST(T11_4_a, "real-mode code runs, and its handler of an exception")
{
	visit_real();
	check_value(real_faults[0], 1, "calls of the handler");
}

RULE_GUEST(T11_4_b, "the way to real mode and back leaves what it does not touch")
{
	uint64_t cr3 = read_cr3(), cr4 = read_cr4(), cr0 = read_cr0();

	visit_real();
	check_value(read_cr3(), cr3, "CR3");
	check_value(read_cr4(), cr4, "CR4");
	check_value(read_cr0(), cr0, "CR0");
}
