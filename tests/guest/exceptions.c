/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exceptions and interrupts of 64-bit mode: vector, error code, RIP, stack, order, blocking. */
#include "lib/guest.h"

#define NON_CANONICAL (1ul << 47)
static uint8_t ist_stack[3][8192] __attribute__((aligned(16)));

static unsigned long ist_top(unsigned n)
{
	return (unsigned long)ist_stack[n] + sizeof ist_stack[n];
}

static void simple_faults(void)
{
	TRY("divl %%ecx", : : "a"(1), "d"(0), "c"(0));
	check_fault(DE, 0, "DIV by zero is #DE at the instruction");
	TRY("idivl %%ecx", : : "a"(0x80000000), "d"(0xffffffff), "c"(-1));
	check_fault(DE, 0, "IDIV overflow is #DE");
	TRY("ud2", :);
	check_fault(UD, 0, "UD2 is #UD");
	TRY(".byte 0x0f, 0xff, 0xc0", :);
	check_fault(UD, 0, "UD0 is #UD");
	TRY(".byte 0xf2, 0x0f, 0xc7, 0xf0", : : : "eax");
	check_fault(UD, 0, "F2 before RDRAND is #UD");
	TRY(".byte 0xf3, 0x0f, 0xc7, 0xf0", : : : "eax");
	check_fault(UD, 0, "F3 before RDRAND is #UD");
	TRY(".byte 0xf2, 0x0f, 0xc7, 0xf8", : : : "eax");
	check_fault(UD, 0, "F2 before RDSEED is #UD");
	TRY(".byte 0x66, 0x0f, 0x01, 0xc1", : : : "rax", "rcx", "rdx", "r8");
	check_fault(UD, 0, "66 before VMCALL is #UD");
	TRY(".byte 0xf2, 0x0f, 0x01, 0xc8", :);
	check_fault(UD, 0, "F2 before MONITOR is #UD");
	TRY(".byte 0xf3, 0x0f, 0x01, 0xc9", :);
	check_fault(UD, 0, "F3 before MWAIT is #UD");
	TRY("lock; movl %%eax, (%0)", : : "r"(user_stack));
	check_fault(UD, 0, "LOCK on MOV is #UD");
	TRY(".byte 0xf0, 0x01, 0xc0", :);
	check_fault(UD, 0, "LOCK on a register destination is #UD");
	TRY(".byte 0x06", :);
	check_fault(UD, 0, "PUSH ES in 64-bit mode is #UD");
	TRY(".byte 0x27", :);
	check_fault(UD, 0, "DAA in 64-bit mode is #UD");
	TRY("movl (%0), %%eax", : : "D"(NON_CANONICAL) : "eax");
	check_fault(GP, 0, "non-canonical read is #GP(0)");
	TRY("movl %%eax, (%0)", : : "D"(NON_CANONICAL));
	check_fault(GP, 0, "non-canonical write is #GP(0)");
	TRY("movl (%%rsp,%0), %%eax", : : "r"(NON_CANONICAL) : "eax");
	check_fault(SS, 0, "non-canonical address through RSP is #SS(0)");
}

static void int_n(void)
{
	TRY("int3", :);
	check(event.count == 1 && event.vector == BP && event.frame.ip == event.start + 1, "INT3 is #BP with RIP behind it");
	TRY("int $0x40", :);
	check(event.count == 1 && event.vector == 0x40 && event.frame.ip == event.start + 2, "INT n delivers n with RIP behind it");
	TRY("int $13", :);
	check(event.count == 1 && event.vector != UD, "INT 13 pushes no error code");
	/* So the stub took RIP for one, and TRY went on with flags that are another word of the frame. */
	asm volatile("pushq $2; popfq" : : : "memory", "cc");
	idt[0x41].word[1] &= ~0x8000u;
	TRY("int $0x41", :);
	check_fault(NP, 0x41 << 3 | 2, "INT n through a gate not present is #NP(n*8+2)");
	reset_gate(0x41, GATE_INTERRUPT, 0);
	set_gate(0x41, 0, 0, GATE_INTERRUPT, 0);
	TRY("int $0x41", :);
	check_fault(GP, 0, "gate with a null selector is #GP(0)");
	set_gate(0x41, 0, SEL_DATA, GATE_INTERRUPT, 0);
	TRY("int $0x41", :);
	check_fault(GP, SEL_DATA, "gate to a data segment is #GP(selector)");
	set_gate(0x41, 0, SEL_CODE32, GATE_INTERRUPT, 0);
	TRY("int $0x41", :);
	check_fault(GP, SEL_CODE32, "gate to a 32-bit segment in long mode is #GP(selector)");
	set_gate(0x41, 0, SEL_LAST + 8, GATE_INTERRUPT, 0);
	TRY("int $0x41", :);
	check_fault(GP, SEL_LAST + 8, "gate beyond the GDT is #GP(selector)");
	set_gate(0x41, 0, SEL_CODE, 0x85, 0);
	TRY("int $0x41", :);
	check_fault(GP, 0x41 << 3 | 2, "task gate in long mode is #GP(n*8+2)");
	set_gate(0x41, NON_CANONICAL, SEL_CODE, GATE_INTERRUPT, 0);
	TRY("int $0x41", :);
	check_fault(GP, 0, "gate to a non-canonical address is #GP(0)");
	reset_gate(0x41, GATE_INTERRUPT, 0);
}

static void idt_limit(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) table = { 0x50 * 16 - 1, (uint64_t)idt };

	asm volatile("lidt %0" : : "m"(table));
	TRY("int $0x50", :);
	check_fault(GP, 0x50 << 3 | 2, "vector beyond the IDT limit is #GP(n*8+2)");
	TRY("int $0x4f", :);
	check(event.vector == 0x4f, "last vector within the IDT limit is delivered");
	table.limit = sizeof idt - 1;
	asm volatile("lidt %0" : : "m"(table));
}

CODE(user_int40, "int $0x40" USER_EXIT);
CODE(user_int80, "int $0x80");
CODE(user_int3, "int3" USER_EXIT);
CODE(user_int1, ".byte 0xf1" USER_EXIT);
CODE(user_hlt, "hlt" USER_EXIT);
CODE(user_cli, "cli" USER_EXIT);
CODE(user_in, "inb $0x61, %al" USER_EXIT);
CODE(user_cr0, "movq %cr0, %rax" USER_EXIT);
CODE(user_rdmsr, "rdmsr" USER_EXIT);
CODE(user_kernel_read, "movl (%rdi), %eax" USER_EXIT);
CODE(user_popf, "pushfq; pop %rax; orq $0x3200, %rax; push %rax; popfq; pushfq; popq %rax" USER_EXIT);
CODE(user_unaligned, "movl 1(%rsp), %eax" USER_EXIT);
CODE(user_aligned, "movl (%rsp), %eax" USER_EXIT);
CODE(user_unaligned_sse, "movups 1(%rsp), %xmm0" USER_EXIT);
CODE(user_regs, "mov $0x123456789abcdef0, %rax; mov %rsp, %rbx; sub $0x20, %rsp" USER_EXIT);

static void ring3(void)
{
	run_user(user_int40, 0, 0);
	check_user_fault(GP, 0x40 << 3 | 2, user_int40, 0, "INT n from ring 3 through a gate with DPL 0 is #GP(n*8+2)");
	run_user(user_int80, 0, 0);
	check_user_fault(0x80, 0, user_int80, 2, "INT n from ring 3 through a gate with DPL 3 is delivered");
	run_user(user_int3, 0, 0);
	check_user_fault(BP, 0, user_int3, 1, "INT3 in ring 3 (DPL 3)");
	reset_gate(BP, GATE_INTERRUPT, 0);
	run_user(user_int3, 0, 0);
	check_user_fault(GP, BP << 3 | 2, user_int3, 0, "INT3 from ring 3 through a gate with DPL 0 is #GP(26)");
	reset_gate(BP, GATE_USER, 0);
	run_user(user_int1, 0, 0);
	check_user_fault(DB, 0, user_int1, 1, "INT1 (F1) is #DB, DPL not checked");
	run_user(user_hlt, 0, 0);
	check_user_fault(GP, 0, user_hlt, 0, "HLT in ring 3 is #GP(0)");
	run_user(user_cli, 0, 0);
	check_user_fault(GP, 0, user_cli, 0, "CLI in ring 3 with IOPL 0 is #GP(0)");
	run_user(user_cli, 0, F_IOPL | F_IF);
	check(event.vector == USER_VECTOR && !(event.frame.flags & F_IF), "CLI in ring 3 with IOPL 3 clears IF");
	run_user(user_in, 0, 0);
	check_user_fault(GP, 0, user_in, 0, "IN with its bit set in the permission map is #GP(0)");
	tss.map[0x61 / 8] &= ~(1 << (0x61 & 7));
	run_user(user_in, 0, 0);
	check_user_fault(USER_VECTOR, 0, user_in, 4, "IN with its bit clear in the permission map works");
	tss.map[0x61 / 8] = 0xff;
	run_user(user_cr0, 0, 0);
	check_user_fault(GP, 0, user_cr0, 0, "MOV from CR0 in ring 3 is #GP(0)");
	run_user(user_rdmsr, 0, 0);
	check_user_fault(GP, 0, user_rdmsr, 0, "RDMSR in ring 3 is #GP(0)");
	run_user(user_kernel_read, (unsigned long)gdt, 0);
	check_user_fault(PF, E_P | E_U, user_kernel_read, 0, "ring 3 read of a supervisor page is #PF(5)");
	check_eq(event.cr2, (unsigned long)gdt, "CR2 of that");
	run_user(user_popf, 0, 0);
	check_eq(event.frame.ax & (F_IF | F_IOPL), 0, "POPF in ring 3 with IOPL 0 changes neither IF nor IOPL");
	run_user(user_regs, 0, 0);
	check(event.frame.ax == 0x123456789abcdef0 && event.frame.sp == event.frame.bx - 0x20 && event.frame.ss == SEL_USER_DATA &&
	      event.frame.cs == SEL_USER_CODE, "stack switch from ring 3 saves SS:RSP, CS");
}

static unsigned long seen_sp;
static void note_sp(struct frame *f)
{
	seen_sp = (unsigned long)(f + 1);
	event_clear();
	event.frame = *f;
	event.count = 1;
}

static void stacks(void)
{
	unsigned long sp;

	handler[0x42] = note_sp;
	asm volatile("int $0x42\n\tmovq %%rsp, %0" : "=r"(sp) : : "memory");
	check(seen_sp <= sp && seen_sp >= sp - 8 && event.frame.sp == sp && !(seen_sp & 15),
	      "interrupt on the same stack aligns it to 16 and saves RSP");
	asm volatile("subq $8, %%rsp\n\tint $0x42\n\taddq $8, %%rsp\n\tmovq %%rsp, %0" : "=r"(sp) : : "memory");
	check(!(seen_sp & 15) && event.frame.sp == sp - 8, "the same with a stack misaligned by 8");
	tss.ist[0] = ist_top(0) - 8;
	reset_gate(0x42, GATE_INTERRUPT, 1);
	asm volatile("int $0x42\n\tmovq %%rsp, %0" : "=r"(sp) : : "memory");
	check(seen_sp == ist_top(0) - 16 && event.frame.sp == sp && event.frame.ss == SEL_DATA,
	      "IST stack is used without a change of ring, aligned down");
	reset_gate(0x42, GATE_INTERRUPT, 0);
	handler[0x42] = NULL;
	tss.ist[0] = NON_CANONICAL + 16;
	reset_gate(0x42, GATE_INTERRUPT, 1);
	TRY("int $0x42", :);
	check_fault(SS, 0, "non-canonical IST stack is #SS(0)");
	reset_gate(0x42, GATE_INTERRUPT, 0);
}

static void gate_kinds(void)
{
	extern const char read_if[];
	asm volatile(".pushsection .text.asm, \"ax\"\nread_if: pushfq; popq %rax; iretq\n.popsection");
	unsigned long in_handler;

	set_gate(0x43, (unsigned long)read_if, SEL_CODE, GATE_INTERRUPT, 0);
	asm volatile("pushfq; orl $0x40100, (%%rsp); andl $~0x100, (%%rsp); popfq; int $0x43" : "=a"(in_handler) : : "memory", "cc");
	check_eq(in_handler & (F_IF | F_TF | F_NT | F_RF), 0, "interrupt gate clears IF, TF, NT, RF");
	asm volatile("sti; int $0x43; cli" : "=a"(in_handler) : : "memory");
	check_eq(in_handler & F_IF, 0, "interrupt gate clears IF that was set");
	set_gate(0x43, (unsigned long)read_if, SEL_CODE, GATE_TRAP, 0);
	asm volatile("sti; int $0x43; cli" : "=a"(in_handler) : : "memory");
	check_eq(in_handler & F_IF, F_IF, "trap gate keeps IF");
	reset_gate(0x43, GATE_INTERRUPT, 0);
}

static unsigned df_count;
static unsigned long df_error;
static void double_fault(struct frame *f)
{
	df_count++;
	df_error = f->error;
	f->ip = event_resume;
	f->sp = event_sp;
	f->cs = SEL_CODE;
	f->ss = SEL_DATA;
	event_resume = 0;
}

static void double_faults(void)
{
	handler[DF] = double_fault;
	tss.ist[1] = ist_top(1);
	reset_gate(DF, GATE_INTERRUPT, 2);
	idt[NP].word[1] &= ~0x8000u;
	idt[0x41].word[1] &= ~0x8000u;
	TRY("int $0x41", :);
	check(df_count == 1 && df_error == 0, "#NP whose gate is not present (contributory twice) is #DF(0)");
	reset_gate(NP, GATE_INTERRUPT, 0);
	idt[UD].word[1] &= ~0x8000u;
	TRY("ud2", :);
	check(df_count == 1, "benign #UD with a gate not present is no #DF");
	check(event.vector == NP && event.error == (UD << 3 | 2 | 1) && event.frame.ip == event.start,
	      "but #NP(vector*8+2+EXT) at the instruction");
	reset_gate(UD, GATE_INTERRUPT, 0);
	idt[PF].word[1] &= ~0x8000u;
	TRY("movl (%0), %%eax", : : "r"(0x7000000000) : "eax");
	check(df_count == 2, "#PF whose gate is not present is #DF");
	reset_gate(PF, GATE_INTERRUPT, 0);
	idt[DE].word[1] &= ~0x8000u;
	TRY("divl %%ecx", : : "a"(1), "d"(0), "c"(0));
	check(df_count == 3, "#DE (contributory) and then #NP is #DF");
	reset_gate(DE, GATE_INTERRUPT, 0);
	/* #GP whose stack is not mapped: contributory then page fault is served in series. */
	tss.ist[2] = 0x7000000000;
	reset_gate(GP, GATE_INTERRUPT, 3);
	TRY("movl (%0), %%eax", : : "D"(NON_CANONICAL) : "eax");
	check(df_count == 3 && event.vector == PF && (event.error & E_W), "#GP whose stack faults is delivered as #PF");
	reset_gate(GP, GATE_INTERRUPT, 0);
	reset_gate(PF, GATE_INTERRUPT, 3);
	TRY("movl (%0), %%eax", : : "r"(0x6000000000) : "eax");
	check(df_count == 4, "#PF whose stack faults is #DF");
	reset_gate(PF, GATE_INTERRUPT, 0);
	reset_gate(DF, GATE_INTERRUPT, 0);
	handler[DF] = NULL;
}

/* ---- #DB --------------------------------------------------------------------------------------- */

static unsigned db_count;
static struct { unsigned long ip, dr6, flags; } db[64];
static void note_db(struct frame *f)
{
	if (db_count < ARRAY_SIZE(db)) {
		db[db_count].ip = f->ip;
		db[db_count].dr6 = read_dr6();
		db[db_count].flags = f->flags;
	}
	db_count++;
	write_dr6(0xffff0ff0);
}

extern const char step_1[], step_2[], step_3[], step_5[], step_6[], mov_ss_1[], mov_ss_2[], rep_1[], rep_2[];
enum { DR6_BS = 1 << 14, DR6_BD = 1 << 13, DR6_INIT = 0xffff0ff0 };
#define SET_TF "pushfq\n\torl $0x100, (%%rsp)\n\tpopfq\n\t"
#define CLEAR_TF "pushfq\n\tandl $~0x100, (%%rsp)\n\tpopfq\n\t"

static void single_step(void)
{
	unsigned long c = 3;

	handler[DB] = note_db;
	write_dr6(DR6_INIT);
	db_count = 0;
	asm volatile(SET_TF "nop\nstep_1: nop\nstep_2: nop\nstep_3: " CLEAR_TF : : : "memory", "cc", "rax");
	/* The first #DB comes after the instruction behind POPF; the CLEAR_TF has three more. */
	check(db_count == 6 && db[0].ip == (unsigned long)step_1 && db[1].ip == (unsigned long)step_2 &&
	      db[2].ip == (unsigned long)step_3, "TF: #DB after each instruction, first behind the one after POPF");
	check_eq(db[0].dr6, DR6_INIT | DR6_BS, "DR6.BS and nothing else");
	check(db[0].flags & F_TF, "TF is set in the saved flags");
	db_count = 0;
	asm volatile("movl %%ss, %%eax\n\t" SET_TF "movl %%eax, %%ss\nmov_ss_1: nop\nmov_ss_2: " CLEAR_TF : : : "memory", "cc", "rax");
	check(db_count >= 1 && db[0].ip == (unsigned long)mov_ss_2, "no single step between MOV SS and the next instruction");
	db_count = 0;
	asm volatile(SET_TF "rep_1: rep; lodsb\nrep_2: " CLEAR_TF : "+c"(c) : "S"(user_stack) : "memory", "cc", "rax");
	check(db_count >= 3 && db[0].ip == (unsigned long)rep_1 && db[1].ip == (unsigned long)rep_1 &&
	      db[2].ip == (unsigned long)rep_2, "single step of REP comes after each iteration");
	handler[DB] = NULL;
}

static void step_over_int(void)
{
	extern const char only_iret[];
	asm volatile(".pushsection .text.asm, \"ax\"\nonly_iret: iretq\n.popsection");
	handler[DB] = note_db;
	set_gate(0x42, (unsigned long)only_iret, SEL_CODE, GATE_INTERRUPT, 0);
	db_count = 0;
	asm volatile(SET_TF "int $0x42\nstep_5: nop\nstep_6: " CLEAR_TF : : : "memory", "cc");
	check(db_count >= 1 && db[0].ip == (unsigned long)step_6,
	      "INT n clears TF for its handler; no #DB until after the instruction behind INT");
	reset_gate(0x42, GATE_INTERRUPT, 0);
	handler[DB] = NULL;
}

extern const char break_1[], break_2[], watch_1[], watch_2[], shadow_1[], shadow_2[];
static volatile uint64_t watched[4] __attribute__((aligned(32)));

/* In the handler: RF so that the instruction runs. */
static void note_db_rf(struct frame *f)
{
	note_db(f);
	f->flags |= F_RF;
}

static void breakpoints(void)
{
	handler[DB] = note_db_rf;
	write_dr6(DR6_INIT);
	write_dr0((unsigned long)break_1);
	write_dr7(0x402);
	db_count = 0;
	asm volatile("break_1: nop\nbreak_2: nop" : : : "memory");
	check(db_count == 1 && db[0].ip == (unsigned long)break_1, "instruction breakpoint is a fault at the instruction");
	check_eq(db[0].dr6, DR6_INIT | 1, "DR6.B0");
	check(db[0].flags & F_RF, "RF is set in the flags that the fault saves");
	/* IRET with RF set lets the instruction run once: count is 1 and not endless. */
	check_eq(db_count, 1, "RF in IRET's flags suppresses the breakpoint for one instruction");

	handler[DB] = note_db;
	write_dr7(0x402 | 1 << 16 | 3 << 18);  /* 4 bytes, writes */
	write_dr0((unsigned long)&watched[0]);
	db_count = 0;
	asm volatile("movl $1, %0\nwatch_1: nop\nwatch_2: nop" : "=m"(watched[0]) : : "memory");
	check(db_count == 1 && db[0].ip == (unsigned long)watch_1, "data breakpoint is a trap behind the write");
	check_eq(db[0].dr6, DR6_INIT | 1, "DR6.B0 of it");
	check_eq(watched[0], 1, "the write has happened");
	db_count = 0;
	asm volatile("movl %0, %%eax" : : "m"(watched[0]) : "eax");
	check_eq(db_count, 0, "a read does not meet a write breakpoint");
	write_dr7(0x402 | 3 << 16 | 3 << 18);  /* reads and writes */
	asm volatile("movb 3+%0, %%al" : : "m"(watched[0]) : "eax");
	check_eq(db_count, 1, "a read of the last byte meets a read/write breakpoint of 4 bytes");
	asm volatile("movb 4+%0, %%al" : : "m"(watched[0]) : "eax");
	check_eq(db_count, 1, "a read behind it does not");
	asm volatile("movq -4+%0, %%rax" : : "m"(watched[1]) : "rax");
	check_eq(db_count, 1, "nor one from offset 4 of it");
	asm volatile("movq -3+%0, %%rax" : : "m"(watched[0]) : "rax");
	check_eq(db_count, 2, "a read that overlaps its first byte meets it");
	write_dr7(0x402 | 3 << 16 | 2 << 18);  /* 8 bytes */
	asm volatile("movb 7+%0, %%al" : : "m"(watched[0]) : "eax");
	check_eq(db_count, 3, "length 8");
	write_dr7(0x400 | 3 << 16 | 2 << 18);
	asm volatile("movb 7+%0, %%al" : : "m"(watched[0]) : "eax");
	check_eq(db_count, 3, "nothing while DR7 has it off");
	write_dr7(0x400);
}

static void general_detect(void)
{
	write_dr7(0x402);
	write_dr0(0);
	write_dr7(0x2400);
	event_clear();
	handler[DB] = NULL;
	TRY("movq %%dr0, %%rax", : : : "rax");
	check_fault(DB, 0, "DR7.GD: access to a debug register is #DB at the instruction");
	check_eq(event.dr6, DR6_INIT | DR6_BD, "DR6.BD");
	write_dr6(DR6_INIT);
	TRY("movq %%dr7, %%rax", : : : "rax");
	check_no_fault("delivering #DB clears DR7.GD");
	write_dr7(0x400);
	write_cr4(read_cr4() & ~(unsigned long)CR4_DE);
	TRY("movq %%dr4, %%rax", : : : "rax");
	check_no_fault("DR4 is DR6 without CR4.DE");
	write_cr4(read_cr4() | CR4_DE);
	TRY("movq %%dr4, %%rax", : : : "rax");
	check_fault(UD, 0, "DR4 is #UD with CR4.DE");
	write_cr4(read_cr4() & ~(unsigned long)CR4_DE);
	TRY("movq %0, %%dr7", : : "r"(1ul << 32));
	check_fault(GP, 0, "upper half of DR7 must be zero");
	TRY("movq %0, %%dr6", : : "r"(1ul << 32));
	check_fault(GP, 0, "upper half of DR6 must be zero");
}

/* ---- interrupts ------------------------------------------------------------------------------- */

enum { SELF_VECTOR = 0x90 };
static volatile unsigned irq_count;
static volatile unsigned long irq_ip;
static void note_irq(struct frame *f)
{
	irq_count++;
	irq_ip = f->ip;
	apic_eoi();
}

static void pend_irq(void)
{
	cli();
	irq_count = 0;
	apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | SELF_VECTOR);
	while (!apic_bit(APIC_IRR, SELF_VECTOR))
		pause_cpu();
}

extern const char sti_1[], sti_2[], ss_1[], ss_2[], popf_1[], hlt_1[];

static void shadows(void)
{
	handler[SELF_VECTOR] = note_irq;
	apic_enable();
	pend_irq();
	asm volatile("sti\nsti_1: nop\nsti_2: nop; nop; cli" : : : "memory");
	check(irq_count == 1 && irq_ip == (unsigned long)sti_2, "STI: interrupt comes behind the next instruction");
	pend_irq();
	asm volatile("sti; cli; nop" : : : "memory");
	check_eq(irq_count, 0, "STI; CLI leaves no room for an interrupt");
	asm volatile("sti; nop; cli" : : : "memory");
	check_eq(irq_count, 1, "it comes later");
	pend_irq();
	asm volatile("pushfq; orl $0x200, (%%rsp); popfq\npopf_1: nop; cli" : : : "memory", "cc");
	check(irq_count == 1 && irq_ip == (unsigned long)popf_1, "POPF that sets IF has no shadow");
	pend_irq();
	asm volatile("movl %%ss, %%eax; pushfq; orl $0x200, (%%rsp); popfq; nop; cli" : : : "memory", "cc", "rax");
	check_eq(irq_count, 1, "interrupt taken before MOV SS");
	pend_irq();
	asm volatile("movl %%ss, %%eax; sti; movl %%eax, %%ss; nop\nss_1: nop; cli" : : : "memory", "cc", "rax");
	check(irq_count == 1, "interrupt behind MOV SS is taken");
	pend_irq();
	asm volatile("sti; hlt\nhlt_1: cli" : : : "memory");
	check(irq_count == 1 && irq_ip == (unsigned long)hlt_1, "STI; HLT: the interrupt wakes it with RIP behind HLT");
}

/* STI is the last byte of a page. */
extern const char page_sti[], page_sti_2[];
asm(".pushsection .text.page_sti, \"ax\"\n.balign 4096\n.skip 4095, 0x90\n"
    "page_sti: sti\nnop\npage_sti_2: nop; nop; cli; ret\n.popsection");
extern const char same_2[], popf_clear[];

/* The interrupt is asked for and let in within one stretch of code. */
static void shadows_of_one_block(void)
{
	volatile uint32_t *icr = (volatile uint32_t *)(0xfee00000ul + APIC_ICR);
	const uint32_t self = ICR_SELF | ICR_ASSERT | SELF_VECTOR;

	cli();
	irq_count = 0;
	asm volatile("movl %1, %0; sti; nop\nsame_2: nop; nop; nop; cli" : "=m"(*icr) : "r"(self) : "memory");
	check(irq_count == 1 && irq_ip >= (unsigned long)same_2,
	      "interrupt asked for right before STI: not before the next instruction is done");
	irq_count = 0;
	asm volatile("movl %1, %0; sti; cli; nop; sti; cli; nop" : "=m"(*icr) : "r"(self) : "memory");
	check_eq(irq_count, 0, "STI; CLI twice: none");
	asm volatile("sti; nop; nop; cli" : : : "memory");
	check_eq(irq_count, 1, "then it comes");
	pend_irq();
	asm volatile("call page_sti" : : : "memory");
	check(irq_count == 1 && irq_ip == (unsigned long)page_sti_2, "STI at the end of a page");
	pend_irq();
	asm volatile("sti; pushfq; popq %%rax\npopf_clear: nop; cli" : : : "memory", "rax");
	check(irq_count == 1 && irq_ip < (unsigned long)popf_clear, "STI; PUSHF");
}

/* ---- flags ---- */

CODE(user_popf_rdi, "pushq %rdi; popfq; pushfq; popq %rax" USER_EXIT);
CODE(user_sti, "sti; nop" USER_EXIT);
CODE(user_stac, "stac" USER_EXIT);
enum { F_ALL = F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF };

static unsigned long through_popf(unsigned long flags)
{
	asm volatile("pushq %0; popfq; pushfq; popq %0; pushq $2; popfq" : "+r"(flags) : : "cc", "memory");
	return flags;
}

static void flags(void)
{
	static const unsigned long kept = F_ALL | F_DF | F_IOPL | F_NT | F_AC | F_ID;
	bool good = true;

	for (unsigned n = 0; n < 64; n++) {
		unsigned long f = (n & 1 ? F_CF : 0) | (n & 2 ? F_PF : 0) | (n & 4 ? F_AF : 0) | (n & 8 ? F_ZF : 0) |
				  (n & 16 ? F_SF : 0) | (n & 32 ? F_OF : 0);

		good = good && through_popf(f) == (f | 2);
	}
	check(good, "POPF and PUSHF keep all arithmetic flags");
	check_eq(through_popf(kept), kept | 2, "POPF in ring 0 changes DF, IOPL, NT, AC, ID");
	check_eq(through_popf(F_RF | F_VM | F_VIF | F_VIP | ~0ul << 22) & (F_RF | F_VM | F_VIF | F_VIP | ~0ul << 22), 0,
		 "but neither RF, VM, VIF, VIP nor what is above");
	check_eq(through_popf(0), 2, "and bit 1 is always set");
	run_user(user_popf_rdi, F_IF | F_AC | F_ID | F_DF | F_CF, F_IOPL);
	check_eq(event.frame.ax, F_IF | F_AC | F_ID | F_DF | F_CF | F_IOPL | 2,
		 "POPF in ring 3 with IOPL 3 changes IF, not IOPL");
	run_user(user_popf_rdi, F_ALL, F_IOPL | F_IF);
	check_eq(event.frame.ax, F_ALL | F_IOPL | 2, "nor lowers it");
	run_user(user_popf_rdi, F_IF | F_IOPL | F_ZF, 0);
	check_eq(event.frame.ax, F_ZF | 2, "POPF in ring 3 with IOPL 0: no IF");
	run_user(user_popf_rdi, F_OF, F_IF);
	check_eq(event.frame.ax, F_OF | F_IF | 2, "and IF stays");
	run_user(user_popf_rdi, F_TF, 0);
	check(event.vector == DB && event.frame.ip > (unsigned long)user_alias(user_popf_rdi) + 2,
	      "POPF that sets TF: #DB behind the next instruction");
	run_user(user_sti, 0, 0);
	check_user_fault(GP, 0, user_sti, 0, "STI in ring 3 with IOPL 0 is #GP(0)");
	run_user(user_sti, 0, F_IOPL);
	check(event.vector == USER_VECTOR && (event.frame.flags & F_IF), "STI in ring 3 with IOPL 3 sets IF");
}

/* ---- SMAP ---- */

/* One piece of code for SMAP on and off. */
static void __attribute__((noinline)) touch(const volatile uint32_t *p, const char *what, bool faults)
{
	TRY("movl (%0), %%eax", : : "r"(p) : "eax");
	check(event.count == faults && (!faults || (event.vector == PF && event.error == E_P)),
	      "%s: a read of a user page %s", what, faults ? "is #PF(1)" : "is allowed");
}

static void __attribute__((noinline)) touch_between(const volatile uint32_t *p, const char *what, bool faults)
{
	event_clear();
	asm volatile("movq $772f, event_resume\n\tmovq $771f, event_start\n\tmovq %%rsp, event_sp\n"
		     "stac; movl (%0), %%eax; clac; movl 4(%0), %%eax\n"
		     "771: stac; movl 8(%0), %%ecx; clac; movl (%0), %%ecx\n"
		     "772: clac; movq $0, event_resume" : : "r"(p) : "eax", "ecx");
	check(event.count == faults && (!faults || event.vector == PF),
	      "%s: STAC, read, CLAC, read %s", what, faults ? "faults" : "does not fault");
}

static void smap(void)
{
	const volatile uint32_t *p = user_alias(user_stack);

	if (!(cpuid(7, 0).b & 1 << 20)) {
		check_skip("no SMAP", "STAC and CLAC");
		return;
	}
	run_user(user_stac, 0, 0);
	check_user_fault(UD, 0, user_stac, 0, "STAC in ring 3 is #UD");
	for (unsigned n = 0; n < 4; n++) {
		bool on = n & 1;
		const char *what = on ? "SMAP" : "no SMAP";

		write_cr4(on ? read_cr4() | CR4_SMAP : read_cr4() & ~(unsigned long)CR4_SMAP);
		touch(p, what, on);
		touch_between(p, what, on);
		asm volatile("stac" : : : "memory");
		touch(p, "STAC", false);
		check_eq(read_flags() & F_AC, F_AC, "STAC sets AC");
		asm volatile("clac" : : : "memory");
		check_eq(read_flags() & F_AC, 0, "CLAC clears AC");
		touch(p, what, on);
	}
	asm volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(F_AC) : "cc", "memory");
	touch(p, "SMAP, POPF that sets AC", false);
	asm volatile("pushfq; andl %0, (%%rsp); popfq" : : "i"(~F_AC) : "cc", "memory");
	touch(p, "SMAP, POPF that clears AC", true);
	write_cr4(read_cr4() & ~(unsigned long)CR4_SMAP);
}

static volatile unsigned nmi_count, nmi_nested, nmi_depth;
static void note_nmi(struct frame *f)
{
	nmi_count++;
	if (nmi_depth++)
		nmi_nested++;
	if (nmi_count == 1) {
		/* Sent while blocked: must wait for IRET. */
		apic_send(percpu[0].apic_id, ICR_NMI | ICR_ASSERT);
		for (volatile unsigned n = 0; n < 1000; n++)
			;
		if (nmi_count != 1)
			nmi_nested++;
	}
	nmi_depth--;
}

static void nmi(void)
{
	handler[NMI] = note_nmi;
	percpu[0].apic_id = apic_read(APIC_ID) >> 24;
	apic_send(percpu[0].apic_id, ICR_NMI | ICR_ASSERT);
	check(WAIT_FOR(nmi_count == 2), "an NMI sent during the NMI handler comes after its IRET");
	check_eq(nmi_nested, 0, "and not inside of it");
	nmi_count = 5;
	cli();
	apic_send(percpu[0].apic_id, ICR_NMI | ICR_ASSERT);
	check(WAIT_FOR(nmi_count == 6), "NMI ignores IF");
	handler[NMI] = NULL;
}

static void alignment(void)
{
	write_cr0(read_cr0() | CR0_AM);
	run_user(user_unaligned, 0, F_AC);
	check_user_fault(AC, 0, user_unaligned, 0, "unaligned access in ring 3 with AM and AC is #AC(0)");
	run_user(user_aligned, 0, F_AC);
	check(event.vector == USER_VECTOR, "aligned access is none");
	run_user(user_unaligned, 0, 0);
	check(event.vector == USER_VECTOR, "without EFLAGS.AC none");
	run_user(user_unaligned_sse, 0, F_AC);
	check(event.vector == AC || event.vector == USER_VECTOR, "MOVUPS may or may not check");
	asm volatile("pushfq; orl $0x40000, (%%rsp); popfq" : : : "cc", "memory");
	TRY("movl 1(%%rsp), %%eax", : : : "eax");
	check_no_fault("ring 0 never has #AC");
	asm volatile("pushfq; andl $~0x40000, (%%rsp); popfq" : : : "cc", "memory");
	write_cr0(read_cr0() & ~(unsigned long)CR0_AM);
	run_user(user_unaligned, 0, F_AC);
	check(event.vector == USER_VECTOR, "without CR0.AM none");
}

static void control_registers(void)
{
	TRY("movq %0, %%cr0", : : "r"(read_cr0() & ~(unsigned long)CR0_PE));
	check_fault(GP, 0, "CR0.PG without PE is #GP(0)");
	TRY("movq %0, %%cr0", : : "r"(read_cr0() | 1ul << 32));
	check_fault(GP, 0, "upper half of CR0 is #GP(0)");
	TRY("movq %0, %%cr0", : : "r"((read_cr0() | 1ul << 29) & ~(1ul << 30)));
	check_fault(GP, 0, "CR0.NW without CD is #GP(0)");
	TRY("movq %0, %%cr4", : : "r"(read_cr4() & ~(unsigned long)CR4_PAE));
	check_fault(GP, 0, "clearing CR4.PAE in long mode is #GP(0)");
	TRY("movq %0, %%cr4", : : "r"(read_cr4() | 1ul << 31));
	check_fault(GP, 0, "reserved bit of CR4 is #GP(0)");
	TRY("movq %0, %%cr3", : : "r"(read_cr3() | 1ul << 62));
	check_fault(GP, 0, "reserved bit of CR3 is #GP(0)");
	check(!try_wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~(uint64_t)EFER_LME) && event.vector == GP, "clearing EFER.LME while paging is #GP(0)");
	check(!try_wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1ull << 60) && event.vector == GP, "reserved bit of EFER is #GP(0)");
	check(!try_wrmsr(MSR_LSTAR, NON_CANONICAL) && event.vector == GP, "non-canonical LSTAR is #GP(0)");
	check(!try_wrmsr(MSR_FS_BASE, NON_CANONICAL) && event.vector == GP, "non-canonical FS base is #GP(0)");
	TRY("movq %0, %%cr8", : : "r"(16ul));
	check_fault(GP, 0, "CR8 above 15 is #GP(0)");
	TRY(".byte 0x0f, 0x20, 0xc8", : : : "rax");
	check_fault(UD, 0, "CR1 is #UD");
}

void guest_main(void)
{
	if (guest_option("triple", 0)) {
		struct { uint16_t limit; uint64_t base; } __attribute__((packed)) none = { 0, 0 };

		asm volatile("lidt %0; int3" : : "m"(none));
	}
	simple_faults();
	int_n();
	idt_limit();
	ring3();
	stacks();
	gate_kinds();
	double_faults();
	step_over_int();
	breakpoints();
	general_detect();
	single_step();
	control_registers();
	alignment();
	shadows();
	shadows_of_one_block();
	flags();
	smap();
	nmi();
}
