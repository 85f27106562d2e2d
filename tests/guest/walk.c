/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A walk through all modes and rings, over every legal way between two of them and
 * every way behind every other.  In each place the same bytes run, which mean something
 * else in 64-, 32- and 16-bit code, and FS is used, whose base comes from a descriptor or
 * from the selector.
 *
 * All is below 64 KiB, where each mode can reach it, open to ring 3.  A station does its
 * work, notes what it found, takes the next way from a list and jumps there; the way ends
 * in the next station.
 */
#include "lib/guest.h"

enum place { LONG0, LONG3, COMPAT0_32, COMPAT0_16, COMPAT3_32, COMPAT3_16, PROT_32, PROT_16, PAGED_32, REAL, VM86, VM86_PAGED, PLACES };
enum { WALK_MAX = 600, WORD = 0x30, SEL_FS = SEL_FREE, SEL_U32 = SEL_FREE + 16, SEL_UDATA = SEL_U32 + 8, SEL_U64 = SEL_U32 + 16,
       SEL_U16 = SEL_U32 + 24, SEL_UDATA16 = SEL_U32 + 32, SEL_GATE = SEL_U32 + 40, SEL_TSS32 = SEL_U32 + 56,
       SEL_TSS_TO = SEL_TSS32 + 8, SEL_TSS_OUT = SEL_TSS32 + 16, EXIT_64 = 0x31, EXIT_32 = 0x30, EXIT_TASK = 0x32 };
_Static_assert(SEL_FREE == 0x60 && SEL_GATE == 0x98 && SEL_TSS32 == 0xa8 && SEL_TSS_TO == 0xb0 && SEL_TSS_OUT == 0xb8, "numbers that the code below has");

struct note { uint32_t place, a, d, fs; };
extern struct note walk_log[WALK_MAX];
extern uint32_t walk_path[WALK_MAX], walk_at, walk_top, walk_pdpt_at, walk_fs[];
extern uint32_t walk_fs_real;
extern uint64_t walk_pdpt[4], walk_idt32[EXIT_TASK + 1];
/* Of who runs, who is gone to, and who takes INT 0x32 of virtual-8086 mode. */
extern uint32_t walk_tss32[26], walk_tss_to[26], walk_tss_out[26];
extern const char walk_syscall[], walk_vm_exit[], walk_task_out[];
extern struct { uint16_t limit; uint64_t base; } __attribute__((packed)) walk_idtr64;
void walk_start(void);

/* What runs everywhere; by 64-, 32-, 16-bit code it gives EAX 1234h, 1235h, 90901235h, and EDX 1244h, 130h, 1245h. */
asm(".pushsection .low, \"awx\"\n"
    ".balign 64\n"
    "walk_probe: .byte 0x66, 0xb8, 0x34, 0x12, 0x90, 0x90\n"   /* MOV AX, 1234h; NOP; NOP or MOV EAX, 90901234h */
    "	.byte 0x40, 0x90\n"                                    /* REX NOP or INC EAX/AX; NOP */
    "	.byte 0x67, 0x8d, 0x50, 0x10\n"                        /* LEA EDX, [EAX+10h]; EDX, [BX+SI+10h]; DX, [EAX+10h] */
    "	.byte 0xc3\n"
    /* The work of a station; the mode's own jump to EAX follows. */
    ".macro visit place\n"
    "	movl $0x100, %ebx; movl $0x20, %esi; xorl %eax, %eax; xorl %edx, %edx; call walk_probe\n"
    "	movl walk_at, %esi; shll $4, %esi; movl $\\place, walk_log(%esi); movl %eax, walk_log+4(%esi); movl %edx, walk_log+8(%esi)\n"
    "	movl %fs:0x30, %eax; movl %eax, walk_log+12(%esi)\n"
    "	movl walk_at, %esi; movl walk_path(,%esi,4), %eax; incl walk_at\n"
    ".endm\n"
    ".macro segments data, fs\n"
    "	movl $\\data, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %ss; movl $0x7f00, %esp; movl $\\fs, %eax; movl %eax, %fs\n"
    ".endm\n"
    ".macro flip bits, and\n"
    "	movl %cr0, %eax; andl $\\and, %eax; orl $\\bits, %eax; movl %eax, %cr0\n"
    ".endm\n"

    /* ---- 64-bit, ring 0 ---- */
    ".code64\n"
    ".globl walk_start\nwalk_start: pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15; movq %rsp, walk_rsp\n"
    "walk_syscall: walk_l: segments 0x10, 0x60; visit 0; jmp *%rax\n"
    "w_l_home: clts; movq walk_rsp, %rsp; popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx; ret\n"
    "w_l_c32: pushq $0x28; pushq $walk_c32; lretq\n"
    "w_l_c16: pushq $0x30; pushq $walk_c16; lretq\n"
    ".macro ready\n"  /* for what comes back from ring 3 */
    "	lidt walk_idtr64; andb $0xfd, gdt + 0x45; movl $0x40, %eax; ltr %ax\n"
    ".endm\n"
    ".macro outward ss, cs, to\n"
    "	ready; pushq $\\ss; pushq $0x7f00; pushq $2; pushq $\\cs; pushq $\\to; iretq\n"
    ".endm\n"
    ".macro far_outward ss, cs, to\n"
    "	ready; pushq $\\ss; pushq $0x7f00; pushq $\\cs; pushq $\\to; lretq\n"
    ".endm\n"
    "w_l_u64_iret: outward 0x7b, 0x83, walk_u64\n"
    "w_l_u32_iret: outward 0x7b, 0x73, walk_u32\n"
    "w_l_u16_iret: outward 0x93, 0x8b, walk_u16\n"
    "w_l_u64_lret: far_outward 0x7b, 0x83, walk_u64\n"
    "w_l_u32_lret: far_outward 0x7b, 0x73, walk_u32\n"
    "w_l_u16_lret: far_outward 0x93, 0x8b, walk_u16\n"
    "w_l_u64_sysret: ready; movl $walk_u64, %ecx; movl $2, %r11d; sysretq\n"
    "w_l_u32_sysret: ready; movl $walk_u32, %ecx; movl $2, %r11d; sysretl\n"
    "w_l_u64_sysexit: ready; movl $walk_u64, %edx; movl $0x7f00, %ecx; sysexitq\n"
    "w_l_u32_sysexit: ready; movl $walk_u32, %edx; movl $0x7f00, %ecx; sysexitl\n"

    /* ---- 64-bit, ring 3 ---- */
    "walk_u64: segments 0x7b, 0x63; visit 1; jmp *%rax\n"
    "w_u64_l_syscall: syscall\n"
    "w_u64_l_sysenter: sysenter\n"
    "w_u64_l_int: int $0x31\n"
    "w_u64_l_gate: lcall *walk_gate\n"
    "w_u64_u32: pushq $0x73; pushq $walk_u32; lretq\n"
    "w_u64_u16: pushq $0x8b; pushq $walk_u16; lretq\n"
    "w_u64_u32_iret: pushq $0x7b; pushq $0x7f00; pushq $2; pushq $0x73; pushq $walk_u32; iretq\n"

    /* ---- compatibility mode, ring 3 ---- */
    ".code32\n"
    "walk_u32: segments 0x7b, 0x63; visit 4; jmp *%eax\n"
    "w_u32_l_int: int $0x31\n"
    "w_u32_l_sysenter: sysenter\n"
    "w_u32_l_gate: lcall $0x9b, $0\n"
    "w_u32_u64: ljmp $0x83, $walk_u64\n"
    "w_u32_u64_lret: pushl $0x83; pushl $walk_u64; lretl\n"
    "w_u32_u16: ljmp $0x8b, $walk_u16\n"
    ".code16\n"
    "walk_u16: segments 0x93, 0x63; visit 5; jmp *%ax\n"
    "w_u16_l_int: int $0x31\n"
    "w_u16_l_sysenter: sysenter\n"
    "w_u16_l_gate: lcallw $0x9b, $0\n"
    "w_u16_u64: ljmpl $0x83, $walk_u64\n"
    "w_u16_u32: pushw $0x73; pushw $walk_u32; lretw\n"

    /* ---- compatibility mode, ring 0 ---- */
    ".code32\n"
    "walk_c32: segments 0x10, 0x60; visit 2; jmp *%eax\n"
    "w_c32_l: ljmp $0x08, $walk_l\n"
    "w_c32_c16: ljmp $0x30, $walk_c16\n"
    "w_c32_p32: flip 0, 0x7fffffff; jmp walk_p32\n"
    "w_c32_u32: pushl $0x7b; pushl $0x7f00; pushl $2; pushl $0x73; pushl $walk_u32; jmp w_c32_iret\n"
    "w_c32_u64: pushl $0x7b; pushl $0x7f00; pushl $2; pushl $0x83; pushl $walk_u64; jmp w_c32_iret\n"
    "w_c32_iret: pushl $0x08; pushl $w_ready; lretl\n"
    ".code64\n"
    "w_ready: ready; pushq $0x28; pushq $1f; lretq\n"
    ".code32\n1: iretl\n"
    ".code16\n"
    "walk_c16: segments 0x38, 0x60; visit 3; jmp *%ax\n"
    "w_c16_l: ljmpl $0x08, $walk_l\n"
    "w_c16_c32: ljmpl $0x28, $walk_c32\n"
    "w_c16_p16: flip 0, 0x7fffffff; jmp walk_p16\n"

    /* ---- protected mode ---- */
    ".code32\n"
    "walk_p32: segments 0x10, 0x60; visit 6; jmp *%eax\n"
    "w_p32_c32: flip 0x80000000, -1; jmp walk_c32\n"
    "w_p32_p16: ljmp $0x30, $walk_p16\n"
    "w_p32_paged: movl $0xc0000080, %ecx; rdmsr; andl $~0x100, %eax; wrmsr; movl walk_pdpt_at, %eax; movl %eax, %cr3\n"
    "	flip 0x80000000, -1; jmp walk_g32\n"
    /* A task that begins at @to; the way there follows. */
    ".macro task to, flags, cs, data, fs\n"
    "	lidt walk_idtr32; andb $0xfd, gdt + 0xad; movl $0xa8, %eax; ltr %ax; andb $0xfd, gdt + 0xb5\n"
    "	movl %cr3, %eax; movl %eax, walk_tss32 + 28; movl %eax, walk_tss_to + 28; movl %eax, walk_tss_out + 28; movl $\\to, walk_tss_to + 32; movl $\\flags, walk_tss_to + 36\n"
    "	movl $0x7f00, walk_tss_to + 56; movl $\\data, %eax; movl %eax, walk_tss_to + 72; movl $\\cs, walk_tss_to + 76; movl %eax, walk_tss_to + 80\n"
    "	movl %eax, walk_tss_to + 84; movl \\fs, %eax; movl %eax, walk_tss_to + 88\n"
    ".endm\n"
    "w_p32_p16_task: task walk_p16, 2, 0x30, 0x38, $0x60; ljmp $0xb0, $0\n"
    "w_p32_p32_task: task walk_p32, 2, 0x28, 0x10, $0x60; ljmp $0xb0, $0\n"
    "w_p32_vm_task: task walk_vm, 0x23002, 0, 0, walk_fs_real; ljmp $0xb0, $0\n"
    "w_g32_vm_task: task walk_vmg, 0x23002, 0, 0, walk_fs_real; ljmp $0xb0, $0\n"
    "w_p32_call_task: task w_iret, 2, 0x28, 0x10, $0x60; lcall $0xb0, $0; jmp walk_p32\n"
    "w_g32_call_task: task w_iret, 2, 0x28, 0x10, $0x60; lcall $0xb0, $0; jmp walk_g32\n"
    "w_iret: iretl\n"
    /* The other end of INT 0x32: not nested any more, and not busy for the next. */
    "walk_task_out: pushfl; andl $~0x4000, (%esp); popfl; andb $0xfd, gdt + 0xbd; jmp walk_vm_exit\n"
    ".macro to_vm to\n"
    "	movl %cr3, %eax; movl %eax, walk_tss_out + 28\n"
    "	lidt walk_idtr32; andb $0xfd, gdt + 0xad; movl $0xa8, %eax; ltr %ax\n"
    "	pushl $0; movl walk_fs_real, %eax; pushl %eax; pushl $0; pushl $0; pushl $0; pushl $0x7f00; pushl $0x23002; pushl $0; pushl $\\to; iretl\n"
    ".endm\n"
    "w_p32_vm: to_vm walk_vm\n"
    /* INT of virtual-8086 mode leads here. */
    "walk_vm_exit: movl %cr0, %eax; testl %eax, %eax; js walk_g32; jmp walk_p32\n"
    "walk_g32: segments 0x10, 0x60; visit 8; jmp *%eax\n"
    "w_g32_p32: flip 0, 0x7fffffff; movl walk_top, %eax; movl %eax, %cr3; movl $0xc0000080, %ecx; rdmsr; orl $0x100, %eax; wrmsr; jmp walk_p32\n"
    "w_g32_vm: to_vm walk_vmg\n"
    ".code16\n"
    "walk_p16: segments 0x38, 0x60; visit 7; jmp *%ax\n"
    "w_p16_p32: ljmpl $0x28, $walk_p32\n"
    "w_p16_c16: flip 0x80000000, -1; jmp walk_c16\n"
    "w_p16_real: flip 0, ~1; ljmp $0, $walk_real\n"

    /* ---- real and virtual-8086 mode ---- */
    ".macro real_segments\n"
    "	xorl %eax, %eax; movl %eax, %ds; movl %eax, %es; movl %eax, %ss; movl $0x7f00, %esp; movw walk_fs_real, %ax; movw %ax, %fs\n"
    ".endm\n"
    "walk_real: real_segments; visit 9; jmp *%ax\n"
    "w_real_p16: flip 1, -1; ljmp $0x30, $walk_p16\n"
    "w_real_p32: flip 1, -1; ljmpl $0x28, $walk_p32\n"
    "w_real_c16: flip 0x80000001, -1; ljmp $0x30, $walk_c16\n"
    "w_real_l: flip 0x80000001, -1; ljmpl $0x08, $walk_l\n"
    "walk_vm: real_segments; visit 10; jmp *%ax\n"
    "walk_vmg: real_segments; visit 11; jmp *%ax\n"
    "w_vm_out: int $0x30\n"
    "w_vm_out_task: int $0x32\n"
    ".code64\n"

    ".balign 32\nwalk_pdpt: .fill 4, 8, 0\nwalk_fs: .fill 16, 4, 0\nwalk_idt32: .fill 0x33, 8, 0\n"
    "walk_tss32: .fill 26, 4, 0\nwalk_tss_to: .fill 26, 4, 0\nwalk_tss_out: .fill 26, 4, 0\n"
    "walk_rsp: .quad 0\nwalk_gate: .long 0; .word 0x9b\n.balign 8\nwalk_at: .long 0\nwalk_top: .long 0\nwalk_pdpt_at: .long 0\nwalk_fs_real: .long 0\n"
    "walk_idtr32: .word 0x33 * 8 - 1; .long walk_idt32\nwalk_idtr64: .word 256 * 16 - 1; .quad idt\n"
    ".balign 16\nwalk_log: .fill 600 * 4, 4, 0\nwalk_path: .fill 600, 4, 0\n"
    ".popsection");


#define WAYS(X) \
	X(w_l_c32, LONG0, COMPAT0_32) X(w_l_c16, LONG0, COMPAT0_16) X(w_l_u64_iret, LONG0, LONG3) X(w_l_u32_iret, LONG0, COMPAT3_32) \
	X(w_l_u16_iret, LONG0, COMPAT3_16) X(w_l_u64_lret, LONG0, LONG3) X(w_l_u32_lret, LONG0, COMPAT3_32) X(w_l_u16_lret, LONG0, COMPAT3_16) \
	X(w_l_u64_sysret, LONG0, LONG3) X(w_l_u32_sysret, LONG0, COMPAT3_32) X(w_l_u64_sysexit, LONG0, LONG3) X(w_l_u32_sysexit, LONG0, COMPAT3_32) \
	X(w_u64_l_syscall, LONG3, LONG0) X(w_u64_l_sysenter, LONG3, LONG0) X(w_u64_l_int, LONG3, LONG0) X(w_u64_l_gate, LONG3, LONG0) \
	X(w_u64_u32, LONG3, COMPAT3_32) X(w_u64_u16, LONG3, COMPAT3_16) X(w_u64_u32_iret, LONG3, COMPAT3_32) \
	X(w_u32_l_int, COMPAT3_32, LONG0) X(w_u32_l_sysenter, COMPAT3_32, LONG0) X(w_u32_l_gate, COMPAT3_32, LONG0) X(w_u32_u64, COMPAT3_32, LONG3) \
	X(w_u32_u64_lret, COMPAT3_32, LONG3) X(w_u32_u16, COMPAT3_32, COMPAT3_16) X(w_u16_l_int, COMPAT3_16, LONG0) \
	X(w_u16_l_sysenter, COMPAT3_16, LONG0) X(w_u16_l_gate, COMPAT3_16, LONG0) X(w_u16_u64, COMPAT3_16, LONG3) X(w_u16_u32, COMPAT3_16, COMPAT3_32) \
	X(w_c32_l, COMPAT0_32, LONG0) X(w_c32_c16, COMPAT0_32, COMPAT0_16) X(w_c32_p32, COMPAT0_32, PROT_32) X(w_c32_u32, COMPAT0_32, COMPAT3_32) \
	X(w_c32_u64, COMPAT0_32, LONG3) X(w_c16_l, COMPAT0_16, LONG0) X(w_c16_c32, COMPAT0_16, COMPAT0_32) X(w_c16_p16, COMPAT0_16, PROT_16) \
	X(w_p32_c32, PROT_32, COMPAT0_32) X(w_p32_p16, PROT_32, PROT_16) X(w_p32_paged, PROT_32, PAGED_32) X(w_p32_vm, PROT_32, VM86) \
	X(w_g32_p32, PAGED_32, PROT_32) X(w_g32_vm, PAGED_32, VM86_PAGED) X(w_p16_p32, PROT_16, PROT_32) X(w_p16_c16, PROT_16, COMPAT0_16) \
	X(w_p16_real, PROT_16, REAL) X(w_real_p16, REAL, PROT_16) X(w_real_p32, REAL, PROT_32) X(w_real_c16, REAL, COMPAT0_16) \
	X(w_real_l, REAL, LONG0) X(w_vm_out, VM86, PROT_32) X(w_vm_out, VM86_PAGED, PAGED_32) \
	X(w_p32_p16_task, PROT_32, PROT_16) X(w_p32_p32_task, PROT_32, PROT_32) X(w_p32_vm_task, PROT_32, VM86) \
	X(w_g32_vm_task, PAGED_32, VM86_PAGED) X(w_p32_call_task, PROT_32, PROT_32) X(w_g32_call_task, PAGED_32, PAGED_32) \
	X(w_vm_out_task, VM86, PROT_32) X(w_vm_out_task, VM86_PAGED, PAGED_32)
#define DECLARE(name, from, to) extern const char name[];
WAYS(DECLARE)
extern const char w_l_home[];
static const struct way { const char *name, *code; uint8_t from, to; } ways[] = {
#define ROW(name, from, to) { #name, name, from, to },
	WAYS(ROW)
};
enum { WAY_COUNT = ARRAY_SIZE(ways) };
static uint8_t taken[WAY_COUNT][WAY_COUNT];

static void prepare(void)
{
	uint64_t gate = (uint64_t)walk_syscall;

	*page_entry(0, 2) |= P_U;
	invlpg(0);
	for (unsigned n = 0; n < 4; n++)
		walk_pdpt[n] = (*page_entry(USER_BASE + ((uint64_t)n << 30), 3) & 0xfffffffffffff000) | P_P;
	walk_pdpt_at = (uint64_t)walk_pdpt;
	walk_top = read_cr3();
	walk_fs_real = (uint64_t)walk_fs / 16;
	walk_fs[WORD / 4] = 0x0f5f5f50;
	for (unsigned n = 0; n < 3; n++) {
		uint32_t *t = n == 0 ? walk_tss32 : n == 1 ? walk_tss_to : walk_tss_out;

		t[1] = 0x7c00;
		t[2] = SEL_DATA;
		t[25] = 104 << 16;
		gdt[SEL_TSS32 / 8 + n] = descriptor((uint64_t)t, 103, 0x89, 0);
	}
	walk_tss_out[8] = (uint64_t)walk_task_out;
	walk_tss_out[9] = 2;
	walk_tss_out[14] = 0x7f00;
	walk_tss_out[19] = SEL_CODE32;
	walk_tss_out[18] = walk_tss_out[20] = walk_tss_out[21] = SEL_DATA;
	walk_idt32[EXIT_TASK] = SEL_TSS_OUT << 16 | 0xe500ull << 32;
	walk_idt32[EXIT_32] = ((uint64_t)walk_vm_exit & 0xffff) | SEL_CODE32 << 16 | 0xee00ull << 32;
	gdt[SEL_FS / 8] = descriptor((uint64_t)walk_fs, 0xfff, 0xf3, 4);
	gdt[SEL_U32 / 8] = descriptor(0, 0xfffff, 0xfb, 0xc);
	gdt[SEL_UDATA / 8] = descriptor(0, 0xfffff, 0xf3, 0xc);
	gdt[SEL_U64 / 8] = descriptor(0, 0xfffff, 0xfb, 0xa);
	gdt[SEL_U16 / 8] = descriptor(0, 0xffff, 0xfb, 0);
	gdt[SEL_UDATA16 / 8] = descriptor(0, 0xffff, 0xf3, 0);
	gdt[SEL_GATE / 8] = (gate & 0xffff) | SEL_CODE << 16 | 0xecull << 40 | (gate >> 16 & 0xffff) << 48;
	gdt[SEL_GATE / 8 + 1] = gate >> 32;
	set_gate(EXIT_64, gate, SEL_CODE, GATE_USER, 0);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
	wrmsr(MSR_STAR, (uint64_t)(SEL_U32 | 3) << 48 | (uint64_t)SEL_CODE << 32);
	wrmsr(MSR_LSTAR, gate);
	wrmsr(MSR_SFMASK, 0);
	wrmsr(MSR_SYSENTER_CS, SEL_CODE);
	wrmsr(MSR_SYSENTER_EIP, gate);
	wrmsr(MSR_SYSENTER_ESP, 0x7f00);
}

/* The way on from where @last ended that has followed it least; ties by turns, so that all is reached. */
static unsigned next_way(unsigned last, enum place at)
{
	static unsigned turn;
	unsigned best = WAY_COUNT;

	turn = (turn + 7) % WAY_COUNT;
	for (unsigned k = 0; k < WAY_COUNT; k++) {
		unsigned n = (turn + k) % WAY_COUNT;

		if (ways[n].from == at && (best == WAY_COUNT || taken[last][n] < taken[last][best]))
			best = n;
	}
	taken[last][best]++;
	return best;
}

static struct note expected(enum place p)
{
	struct note n = { p, 0, 0, 0x0f5f5f50 };

	switch (p) {
	case LONG0: case LONG3:
		n.a = 0x1234, n.d = 0x1244;
		break;
	case COMPAT0_32: case COMPAT3_32: case PROT_32: case PAGED_32:
		n.a = 0x1235, n.d = 0x130;
		break;
	default:
		n.a = 0x90901235, n.d = 0x1245;
	}
	return n;
}

static unsigned last_way;
static uint16_t order[WALK_MAX];

/* One walk of at least @steps steps, from and to 64-bit mode; gives how many stations were wrong. */
static unsigned walk(unsigned steps)
{
	unsigned n = 0, bad = 0;
	enum place at = LONG0;

	for (; n < WALK_MAX - 1 && (n < steps || at != LONG0); n++) {
		last_way = next_way(last_way, at);
		order[n] = last_way;
		walk_path[n] = (uint64_t)ways[last_way].code;
		at = ways[last_way].to;
	}
	walk_path[n] = (uint64_t)w_l_home;
	if (at != LONG0)
		guest_die("the walk did not come home in %u steps", n);
	memset(walk_log, 0, sizeof walk_log);
	walk_at = 0;
	walk_start();
	for (unsigned k = 0; k <= n; k++) {
		struct note want = expected(k ? ways[order[k - 1]].to : LONG0), *got = &walk_log[k];

		if (memcmp(&want, got, sizeof want) && bad++ < 5)
			print("# step %u, by %s: place %u eax 0x%x edx 0x%x fs 0x%x, expected %u 0x%x 0x%x 0x%x\n", k, k ? ways[order[k - 1]].name : "",
			      got->place, got->a, got->d, got->fs, want.place, want.a, want.d, want.fs);
	}
	return bad;
}

void guest_main(void)
{
	unsigned pairs = 0, done = 0, walks = 0;

	prepare();
	for (unsigned a = 0; a < WAY_COUNT; a++)
		for (unsigned b = 0; b < WAY_COUNT; b++)
			pairs += ways[a].to == ways[b].from;
	while (done < pairs && walks < 40) {
		unsigned bad = walk(400);

		walks++;
		done = 0;
		for (unsigned a = 0; a < WAY_COUNT; a++)
			for (unsigned b = 0; b < WAY_COUNT; b++)
				done += taken[a][b] > 0;
		check_eq(bad, 0, "walk %u through modes and rings: the same bytes mean what the mode says in each station", walks);
	}
	check_eq(done, pairs, "each of %u ways was taken behind each other that leads to it", WAY_COUNT);
	load_tss();
	check(rdmsr(MSR_EFER) & EFER_LMA, "and it ends in long mode");
}
