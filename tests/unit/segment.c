/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Segment loads, far transfers, task switches, delivery of exceptions and interrupts. */
#include "bare-cpu.h"

enum { GDT = 0x1000, IDT = 0x2000, TSS = 0x3000, TSS2 = 0x3100, STACK0 = 0x8000, STACK3 = 0x9000, IST1 = 0xa000 };
enum { CODE0 = 0x08, DATA0 = 0x10, CODE3 = 0x1b, DATA3 = 0x23, TR = 0x28, CODE64 = 0x38, GATE = 0x40, TR2 = 0x48,
       ABSENT = 0x50, CONF0 = 0x58, ROCODE = 0x60, SMALL = 0x68, TASKGATE = 0x70 };

static uint64_t desc(uint32_t base, uint32_t limit, uint32_t attr)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)(attr & 0xf0ff) << 40 |
	       (uint64_t)(limit & 0xf0000) << 32 | (uint64_t)(base >> 24) << 56;
}

static uint64_t gate(uint16_t sel, uint32_t off, unsigned type, unsigned dpl)
{
	return (off & 0xffff) | (uint64_t)sel << 16 | (uint64_t)(0x80 | dpl << 5 | type) << 40 | (uint64_t)(off >> 16) << 48;
}

/* Protected mode, 32-bit flat segments, CPL 0. */
static struct fake *prot_new(void)
{
	struct fake *f = fake_new("max");
	struct x86_cpu *c = f->c;

	put64(f, GDT + CODE0, desc(0, 0xfffff, 0xc09a));
	put64(f, GDT + DATA0, desc(0, 0xfffff, 0xc092));
	put64(f, GDT + (CODE3 & ~7), desc(0, 0xfffff, 0xc0fa));
	put64(f, GDT + (DATA3 & ~7), desc(0, 0xfffff, 0xc0f2));
	put64(f, GDT + TR, desc(TSS, 0xff, 0x89));
	put64(f, GDT + CODE64, desc(0, 0, 0x209a));
	put64(f, GDT + GATE, gate(CODE0, 0x1234, 12, 3));
	put64(f, GDT + TR2, desc(TSS2, 0x67, 0xe9));
	put64(f, GDT + ABSENT, desc(0, 0xfffff, 0xc012));
	put64(f, GDT + CONF0, desc(0, 0xfffff, 0xc09e));
	put64(f, GDT + ROCODE, desc(0, 0xfffff, 0xc098));
	put64(f, GDT + SMALL, desc(0x100, 0xf, 0x0092));
	put64(f, GDT + TASKGATE, gate(TR2, 0, 5, 0));
	c->gdt = (struct x86_table){ GDT, 0x7f };
	c->idt = (struct x86_table){ IDT, 0x7ff };
	put32(f, TSS + 4, STACK0);
	put32(f, TSS + 8, DATA0);
	x86_write_cr0(c, CR0_PE);
	x86_far_jmp(c, CODE0, 0x100, 4, 0);
	for (unsigned s = 0; s < X86_SEG_COUNT; s++)
		if (s != X86_CS)
			x86_load_seg(c, s, DATA0);
	c->gpr[X86_RSP] = STACK0;
	x86_load_tr(c, TR);
	g_assert_true(c->mode & X86_MODE_FLAT);
	return f;
}

/* From CPL 0 to the flat user segments by RETF. */
static void to_user(struct fake *f)
{
	struct x86_cpu *c = f->c;

	c->gpr[X86_RSP] = STACK0 - 16;
	put32(f, STACK0 - 16, 0x4000);
	put32(f, STACK0 - 12, CODE3);
	put32(f, STACK0 - 8, STACK3);
	put32(f, STACK0 - 4, DATA3);
	x86_far_ret(c, 4, 0);
	g_assert_cmpint(x86_cpl(c), ==, 3);
}

static void test_loads(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	assert_fault(f, x86_load_seg(c, X86_DS, 0x80), X86_GP, 0x80);
	assert_fault(f, x86_load_seg(c, X86_DS, ABSENT), X86_NP, ABSENT);
	assert_fault(f, x86_load_seg(c, X86_SS, ABSENT), X86_SS_FAULT, ABSENT);
	assert_fault(f, x86_load_seg(c, X86_SS, DATA3), X86_GP, DATA3 & ~3);
	assert_fault(f, x86_load_seg(c, X86_SS, CODE0), X86_GP, CODE0);
	assert_fault(f, x86_load_seg(c, X86_SS, 0), X86_GP, 0);
	assert_fault(f, x86_load_seg(c, X86_DS, ROCODE), X86_GP, ROCODE);
	assert_fault(f, x86_load_seg(c, X86_DS, 0xc), X86_GP, 0xc);
	g_assert_cmpint(c->seg[X86_DS].sel, ==, DATA0);
	assert_runs(f, x86_load_seg(c, X86_ES, 0));
	assert_fault(f, x86_linear_slow(c, X86_ES, 0, 1, X86_READ), X86_GP, 0);
	assert_runs(f, x86_load_seg(c, X86_ES, CODE0));
	assert_fault(f, x86_linear_slow(c, X86_ES, 0, 1, X86_WRITE), X86_GP, 0);
	/* Accessed bits were set in the tables. */
	g_assert_cmphex(f->ram[GDT + DATA0 + 5], ==, 0x93);
	fake_free(f);
}

static void test_limits(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	x86_load_seg(c, X86_ES, SMALL);
	g_assert_cmphex(x86_linear_slow(c, X86_ES, 12, 4, X86_READ), ==, 0x10c);
	assert_fault(f, x86_linear_slow(c, X86_ES, 13, 4, X86_READ), X86_GP, 0);
	assert_fault(f, x86_linear_slow(c, X86_ES, 0xffffffff, 4, X86_READ), X86_GP, 0);
	/* Expand-down: offsets above the limit. */
	put64(f, GDT + SMALL, desc(0, 0xfff, 0x4096));
	x86_load_seg(c, X86_ES, SMALL);
	assert_fault(f, x86_linear_slow(c, X86_ES, 0xfff, 1, X86_READ), X86_GP, 0);
	g_assert_cmphex(x86_linear_slow(c, X86_ES, 0x1000, 4, X86_WRITE), ==, 0x1000);
	x86_load_seg(c, X86_SS, SMALL);
	assert_fault(f, x86_linear_slow(c, X86_SS, 0, 4, X86_WRITE), X86_SS_FAULT, 0);
	fake_free(f);
}

static void test_questions(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;
	uint32_t v;

	g_assert_true(x86_lsl(c, DATA0, &v));
	g_assert_cmphex(v, ==, 0xffffffff);
	g_assert_true(x86_lar(c, CODE3, &v));
	g_assert_cmphex(v, ==, 0x00cffa00);
	g_assert_false(x86_lsl(c, GATE, &v));
	g_assert_true(x86_lar(c, GATE, &v));
	g_assert_true(x86_verify(c, DATA3, X86_WRITE));
	g_assert_false(x86_verify(c, CODE0, X86_WRITE));
	g_assert_false(x86_verify(c, 0, X86_READ));
	to_user(f);
	g_assert_false(x86_verify(c, DATA0, X86_READ));
	g_assert_true(x86_verify(c, CONF0, X86_READ));
	fake_free(f);
}

static void test_call_gate(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	to_user(f);
	g_assert_cmpint(c->seg[X86_DS].sel, ==, 0);
	put64(f, GDT + GATE, gate(CODE0, 0x1234, 12, 3) | 1ull << 32);
	c->gpr[X86_RSP] = STACK3 - 4;
	put32(f, STACK3 - 4, 0xabcd);
	x86_far_call(c, GATE | 3, 0, 4, 0x4007);
	g_assert_cmphex(c->rip, ==, 0x1234);
	g_assert_cmpint(x86_cpl(c), ==, 0);
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK0 - 20);
	g_assert_cmphex(get32(f, STACK0 - 20), ==, 0x4007);
	g_assert_cmphex(get32(f, STACK0 - 16), ==, CODE3);
	g_assert_cmphex(get32(f, STACK0 - 12), ==, 0xabcd);
	g_assert_cmphex(get32(f, STACK0 - 8), ==, STACK3 - 4);
	g_assert_cmphex(get32(f, STACK0 - 4), ==, DATA3);
	x86_far_ret(c, 4, 4);
	g_assert_cmpint(x86_cpl(c), ==, 3);
	g_assert_cmphex(c->rip, ==, 0x4007);
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK3);
	/* Directly it is forbidden, and jumps through gates stay at their level. */
	assert_fault(f, x86_far_jmp(c, CODE0 | 3, 0, 4, 0), X86_GP, CODE0);
	assert_fault(f, x86_far_jmp(c, GATE | 3, 0, 4, 0), X86_GP, CODE0);
	assert_runs(f, x86_far_jmp(c, CONF0 | 3, 0x50, 4, 0));
	g_assert_cmpint(x86_cpl(c), ==, 3);
	fake_free(f);
}

static void raise_event(struct x86_cpu *c, unsigned vector, enum x86_event_kind kind, bool has_error, uint32_t error)
{
	c->event = (struct x86_event){ .kind = kind, .vector = (uint8_t)vector, .has_error = has_error,
				       .error = error, .length = 2 };
}

static void test_deliver(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	to_user(f);
	put64(f, IDT + 13 * 8, gate(CODE0, 0x5000, 14, 0));
	put64(f, IDT + 0x80 * 8, gate(CODE0, 0x6000, 15, 3));
	c->eflags |= X86_IF | X86_TF;
	c->rip = 0x4000;
	raise_event(c, X86_GP, X86_EV_FAULT, true, 0x18);
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->rip, ==, 0x5000);
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK0 - 24);
	g_assert_cmphex(get32(f, STACK0 - 24), ==, 0x18);
	g_assert_cmphex(get32(f, STACK0 - 12), ==, (X86_IF | X86_TF | X86_RF | 2));
	g_assert_cmphex(c->eflags & (X86_IF | X86_TF | X86_RF), ==, 0);
	c->gpr[X86_RSP] += 4;
	x86_iret(c, 4, 0);
	g_assert_cmpint(x86_cpl(c), ==, 3);
	g_assert_cmphex(c->eflags & (X86_IF | X86_TF), ==, (X86_IF | X86_TF));
	/* INT 80h: trap gate keeps IF; RF is not set in the image. */
	c->eflags &= ~(uint32_t)(X86_TF | X86_RF);
	raise_event(c, 0x80, X86_EV_SOFT, false, 0);
	c->rip = 0x4002;
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->rip, ==, 0x6000);
	g_assert_true(c->eflags & X86_IF);
	g_assert_cmphex(get32(f, STACK0 - 12), ==, (X86_IF | 2));
	x86_iret(c, 4, 0);
	/* INT 13 from user: the gate's DPL forbids it; the fault points at the INT. */
	raise_event(c, 13, X86_EV_SOFT, false, 0);
	c->rip = 0x4002;
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(get32(f, STACK0 - 24), ==, 13 * 8 + 2);
	g_assert_cmphex(get32(f, STACK0 - 20), ==, 0x4000);
	fake_free(f);
}

static void test_double(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	put64(f, IDT + 8 * 8, gate(CODE0, 0x7000, 14, 0));
	c->gpr[X86_RSP] = STACK0;
	/* #GP without a gate: #NP? No: type 0 is #GP again, so a double fault with error 0. */
	raise_event(c, X86_GP, X86_EV_FAULT, true, 0);
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->rip, ==, 0x7000);
	g_assert_cmphex(get32(f, STACK0 - 16), ==, 0);
	/* An interrupt without a gate is no double fault: #GP with EXT. */
	put64(f, IDT + 13 * 8, gate(CODE0, 0x5000, 14, 0));
	c->gpr[X86_RSP] = STACK0;
	raise_event(c, 0x40, X86_EV_EXTERNAL, false, 0);
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->rip, ==, 0x5000);
	g_assert_cmphex(get32(f, STACK0 - 16), ==, 0x40 * 8 + 3);
	/* Neither #GP nor #DF can be delivered: shutdown. */
	put64(f, IDT + 13 * 8, 0);
	put64(f, IDT + 8 * 8, 0);
	raise_event(c, X86_GP, X86_EV_FAULT, true, 0);
	g_assert_false(x86_deliver(c));
	g_assert_true(c->on_raise == &f->raised);
	fake_free(f);
}

static void test_real(void)
{
	struct fake *f = fake_new("max");
	struct x86_cpu *c = f->c;

	x86_far_jmp(c, 0x100, 0x20, 2, 0);
	g_assert_cmphex(c->seg[X86_CS].base, ==, 0x1000);
	x86_load_seg(c, X86_SS, 0x200);
	c->gpr[X86_RSP] = 0x12340100;
	put32(f, 0x21 * 4, 0x30004444);
	c->eflags |= X86_IF;
	raise_event(c, 0x21, X86_EV_SOFT, false, 0);
	c->rip = 0x22;
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->seg[X86_CS].sel, ==, 0x3000);
	g_assert_cmphex(c->rip, ==, 0x4444);
	g_assert_cmphex(c->gpr[X86_RSP], ==, 0x123400fa);
	g_assert_cmphex(get32(f, 0x20fa), ==, 0x01000022);
	g_assert_false(c->eflags & X86_IF);
	x86_iret(c, 2, 0);
	g_assert_cmphex(c->rip, ==, 0x22);
	g_assert_cmphex(c->gpr[X86_RSP], ==, 0x12340100);
	g_assert_true(c->eflags & X86_IF);
	/* A limit violation pushes no error code. */
	put32(f, 13 * 4, 0x30005555);
	raise_event(c, X86_GP, X86_EV_FAULT, true, 0);
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->gpr[X86_RSP], ==, 0x123400fa);
	fake_free(f);
}

static void test_vm86(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;
	static const uint32_t frame[] = { 0x30, 0x100, X86_VM | X86_IF | 2, 0x80, 0x200, 0x300, 0x400, 0x500, 0x600 };

	c->gpr[X86_RSP] = STACK0 - sizeof frame;
	memcpy(f->ram + STACK0 - sizeof frame, frame, sizeof frame);
	x86_iret(c, 4, 0);
	g_assert_true(c->mode & X86_MODE_VM);
	g_assert_cmpint(x86_cpl(c), ==, 3);
	g_assert_cmphex(c->seg[X86_CS].base, ==, 0x1000);
	g_assert_cmphex(c->seg[X86_DS].base, ==, 0x4000);
	assert_fault(f, x86_iret(c, 2, 0), X86_GP, 0);
	put64(f, IDT + 13 * 8, gate(CODE0, 0x5000, 14, 0));
	raise_event(c, X86_GP, X86_EV_FAULT, true, 0);
	g_assert_true(x86_deliver(c));
	g_assert_false(c->mode & X86_MODE_VM);
	g_assert_cmpint(x86_cpl(c), ==, 0);
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK0 - 40);
	g_assert_cmphex(get32(f, STACK0 - 4), ==, 0x600);
	g_assert_cmphex(get32(f, STACK0 - 20), ==, 0x200);
	g_assert_cmphex(get32(f, STACK0 - 28), ==, (X86_VM | X86_IF | X86_RF | 2));
	g_assert_cmpint(c->seg[X86_DS].sel, ==, 0);
	fake_free(f);
}

static void test_ports(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	f->ram[TSS + 0x66] = 0x68;
	memset(f->ram + TSS + 0x68, 0xff, 0x98);
	f->ram[TSS + 0x68 + 0x60 / 8] = 0xef;
	x86_check_io(c, 0x70, 4);
	to_user(f);
	assert_runs(f, x86_check_io(c, 0x64, 1));
	assert_fault(f, x86_check_io(c, 0x64, 2), X86_GP, 0);
	assert_fault(f, x86_check_io(c, 0x3f8, 1), X86_GP, 0);
	assert_fault(f, x86_check_io(c, 0xfff0, 1), X86_GP, 0);
	fake_free(f);
}

static void tss2_fill(struct fake *f)
{
	static const struct { unsigned at; uint32_t v; } field[] = {
		{ 0x20, 0x7777 }, { 0x24, 2 }, { 0x28, 0x11 }, { 0x38, STACK0 - 0x100 }, { 0x48, DATA0 },
		{ 0x4c, CODE0 }, { 0x50, DATA0 }, { 0x54, DATA0 }, { 0x58, 0 }, { 0x5c, 0 },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(field); i++)
		put32(f, TSS2 + field[i].at, field[i].v);
}

static void test_task(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	tss2_fill(f);
	c->gpr[X86_RAX] = 0x99;
	x86_far_call(c, TR2, 0, 4, 0x107);
	g_assert_cmphex(c->rip, ==, 0x7777);
	g_assert_cmphex(c->gpr[X86_RAX], ==, 0x11);
	g_assert_cmphex(c->tr.sel, ==, TR2);
	g_assert_true(c->eflags & X86_NT);
	g_assert_true(c->cr0 & CR0_TS);
	g_assert_cmphex(get32(f, TSS2) & 0xffff, ==, TR);
	g_assert_cmphex(get32(f, TSS + 0x20), ==, 0x107);
	g_assert_cmphex(f->ram[GDT + TR + 5] & 0xf, ==, 11);
	g_assert_cmphex(f->ram[GDT + TR2 + 5] & 0xf, ==, 11);
	x86_iret(c, 4, 0x7780);
	g_assert_cmphex(c->rip, ==, 0x107);
	g_assert_cmphex(c->gpr[X86_RAX], ==, 0x99);
	g_assert_cmphex(f->ram[GDT + TR2 + 5] & 0xf, ==, 9);
	g_assert_cmphex(get32(f, TSS2 + 0x20), ==, 0x7780);
	g_assert_false(get32(f, TSS2 + 0x24) & X86_NT);
	/* A busy task cannot be entered; a short TSS is #TS. */
	assert_fault(f, x86_far_jmp(c, TR, 0, 4, 0), X86_GP, TR);
	put64(f, GDT + TR2, desc(TSS2, 0x66, 0xe9));
	assert_fault(f, x86_far_jmp(c, TASKGATE, 0, 4, 0), X86_TS, TR2);
	g_assert_cmphex(c->tr.sel, ==, TR);
	fake_free(f);
}

/* A fault behind the point of commitment belongs to the new task. */
static void test_task_fault(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	tss2_fill(f);
	put32(f, TSS2 + 0x54, ABSENT);
	c->cur = (const struct uop *)f;
	assert_fault(f, x86_far_jmp(c, TASKGATE, 0, 4, 0x107), X86_NP, ABSENT);
	g_assert_cmphex(c->tr.sel, ==, TR2);
	g_assert_cmphex(c->rip, ==, 0x7777);
	g_assert_null(c->cur);
	fake_free(f);
}

/* 64-bit mode with 1 GiB pages mapped one to one. */
static struct fake *long_new(void)
{
	struct fake *f = prot_new();
	struct x86_cpu *c = f->c;

	put64(f, 0x10000, 0x11007);
	put64(f, 0x11000, 0x87);
	x86_write_efer(c, EFER_LME | EFER_SCE);
	x86_write_cr4(c, CR4_PAE);
	c->cr3 = 0x10000;
	x86_write_cr0(c, CR0_PG | CR0_PE);
	put64(f, GDT + TR, desc(TSS, 0xff, 0x89));
	put64(f, TSS + 4, STACK0);
	put64(f, TSS + 0x24, IST1);
	x86_load_tr(c, TR);
	x86_far_jmp(c, CODE64, 0x100, 4, 0);
	g_assert_true(c->mode & X86_MODE_CS64);
	return f;
}

static void test_long(void)
{
	struct fake *f = long_new();
	struct x86_cpu *c = f->c;

	put64(f, IDT + 14 * 16, gate(CODE64, 0x5000, 14, 0));
	put64(f, IDT + 14 * 16 + 8, 0xffff8000);
	put64(f, IDT + 2 * 16, gate(CODE64, 0x6000, 14, 0) | 1ull << 32);
	c->gpr[X86_RSP] = STACK3 + 7;
	raise_event(c, 14, X86_EV_FAULT, true, 2);
	c->event.cr2 = 0x1234;
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->cr2, ==, 0x1234);
	g_assert_cmphex(c->rip, ==, 0xffff800000005000);
	/* Aligned down to 16, six items. */
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK3 - 48);
	g_assert_cmphex(get64(f, STACK3 - 16), ==, STACK3 + 7);
	c->gpr[X86_RSP] += 8;
	x86_iret(c, 8, 0);
	g_assert_cmphex(c->gpr[X86_RSP], ==, STACK3 + 7);
	raise_event(c, 2, X86_EV_NMI, false, 0);
	g_assert_true(x86_deliver(c));
	g_assert_cmphex(c->gpr[X86_RSP], ==, IST1 - 40);
	g_assert_true(c->nmi_blocked);
	x86_iret(c, 8, 0);
	g_assert_false(c->nmi_blocked);
	fake_free(f);
}

static void test_syscall(void)
{
	struct fake *f = long_new();
	struct x86_cpu *c = f->c;

	c->star = 0x0013000800000000ull;
	c->lstar = 0xffffffff80001000;
	c->sfmask = X86_IF | X86_TF;
	c->gpr[X86_RCX] = 0x4000;
	c->gpr[X86_R11] = X86_IF | X86_CF;
	x86_sysret(c, 8);
	g_assert_cmpint(x86_cpl(c), ==, 3);
	g_assert_cmphex(c->seg[X86_CS].sel, ==, 0x23);
	g_assert_cmphex(c->seg[X86_SS].sel, ==, 0x1b);
	g_assert_cmphex(x86_flags_get(c), ==, (X86_IF | X86_CF | 2));
	x86_syscall(c, 0x4002);
	g_assert_cmphex(c->rip, ==, 0xffffffff80001000);
	g_assert_cmphex(c->gpr[X86_RCX], ==, 0x4002);
	g_assert_cmphex(c->gpr[X86_R11], ==, (X86_IF | X86_CF | 2));
	g_assert_cmphex(x86_flags_get(c), ==, (X86_CF | 2));
	g_assert_cmphex(c->seg[X86_CS].sel, ==, 8);
	g_assert_cmphex(c->seg[X86_SS].sel, ==, 0x10);
	c->gpr[X86_RCX] = 1ull << 47;
	assert_fault(f, x86_sysret(c, 8), X86_GP, 0);
	fake_free(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/segment/loads", test_loads);
	g_test_add_func("/segment/limits", test_limits);
	g_test_add_func("/segment/questions", test_questions);
	g_test_add_func("/segment/call-gate", test_call_gate);
	g_test_add_func("/segment/deliver", test_deliver);
	g_test_add_func("/segment/double-fault", test_double);
	g_test_add_func("/segment/real", test_real);
	g_test_add_func("/segment/vm86", test_vm86);
	g_test_add_func("/segment/ports", test_ports);
	g_test_add_func("/segment/task", test_task);
	g_test_add_func("/segment/task-fault", test_task_fault);
	g_test_add_func("/segment/long", test_long);
	g_test_add_func("/segment/syscall", test_syscall);
	return g_test_run();
}
