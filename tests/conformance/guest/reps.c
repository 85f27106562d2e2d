/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sections 4.3, 4.6 and 4.7: a rep call that gives way, as its caller's registers show it. */
#include "machine.h"

#include "../reps.h"

enum { VECTOR = RULE_VECTORS };

/* The interrupt waits for STI, which lets one more instruction begin. */
void open_vmcall(void);
extern const char open_vmcall_at[];
asm(".text\nopen_vmcall: sti\nopen_vmcall_at: vmcall\ncli\nret\n");

static struct { unsigned count; struct frame frame; } taken;

static void on_interrupt(struct frame *f)
{
	taken.count++;
	taken.frame = *f;
	apic_eoi();
}

static uint64_t control_of(const struct frame *f)
{
#ifdef __x86_64__
	return f->cx;
#else
	return (uint64_t)f->dx << 32 | f->ax;
#endif
}

static struct registers before, after;

/* The list from @start on, with an interrupt that waits. */
static void interrupted_call(unsigned start)
{
	apic_enable();
	handler[VECTOR] = on_interrupt;
	taken.count = 0;
	reps_fill();
	registers_fill(&before);
	registers_set_call(&before, reps_control(start, ELEMENTS), test_page(IN_PAGE), test_page(OUT_LIST_PAGE));
	after = before;
	apic_send(0, ICR_SELF | ICR_ASSERT | VECTOR);
	call_with_registers(&after, (unsigned long)open_vmcall);
	check_that(!event.count, "exception %u", event.vector);
	check_value(taken.count, 1, "interrupts");
	check_value(taken.frame.ip, (unsigned long)open_vmcall_at, "where it was taken");
	check_value(control_of(&taken.frame), reps_control(start + 1, ELEMENTS), "input value then");
	check_value(registers_result(&after), hv_call_result(HV_STATUS_SUCCESS, ELEMENTS), "result");
}

RULE_GUEST(T4_3_a, "a call that gives way stands at its instruction, where the interrupt is taken")
{
	for (unsigned start = 0; start < ELEMENTS - 1; start++)
		interrupted_call(start);
}

RULE_GUEST(T4_3_e, "an interrupt is taken between two executions")
{
	interrupted_call(0);
}

RULE_GUEST(T4_2_b, "the start index in the caller's registers is the number of elements done")
{
	interrupted_call(3);
}

RULE_GUEST(T4_3_d, "a call that gave way has all its registers but for the start index")
{
	const struct frame *f = &taken.frame;

	interrupted_call(0);
	check_value(f->bx, before.bx, "BX");
	check_value(f->si, before.si, "SI");
	check_value(f->di, before.di, "DI");
	check_value(f->bp, before.bp, "BP");
#ifdef __x86_64__
	check_value(f->ax, before.ax, "RAX");
	check_value(f->dx, before.dx, "RDX");
	check_value(f->r8, before.r8, "R8");
	check_value(f->r9, before.r9, "R9");
	check_value(f->r10, before.r10, "R10");
	check_value(f->r11, before.r11, "R11");
	check_value(f->r12, before.r12, "R12");
	check_value(f->r13, before.r13, "R13");
	check_value(f->r14, before.r14, "R14");
	check_value(f->r15, before.r15, "R15");
#else
	check_value(f->cx, before.cx, "ECX");
#endif
	check_registers(&before, &after, reps_control(0, ELEMENTS));
}

RULE_GUEST(T4_7_h, "a call works whatever its volatile registers have that it does not use")
{
	for (unsigned fill = 0; fill < 256; fill += 51) {
		reps_fill();
		registers_fill(&before);
		memset(before.xmm, (int)fill, sizeof before.xmm);
#ifdef __x86_64__
		before.r9 = before.r10 = before.r11 = before.ax = fill * 0x0101010101010101ull;
#endif
		registers_set_call(&before, reps_control(0, ELEMENTS), test_page(IN_PAGE), test_page(OUT_LIST_PAGE));
		after = before;
		call_with_registers(&after, HYPERCALL_PAGE);
		check_value(registers_result(&after), hv_call_result(HV_STATUS_SUCCESS, ELEMENTS), "result with 0x%x", fill);
	}
}

RULE_GUEST(T4_6_i, "lists are written back whatever the guest says of its caches")
{
	uint64_t want = reps_value(0), got;
	struct reply r;

	write_cr0(read_cr0() | 1ul << 30);
	r = reps_call(1, ELEMENTS);
	got = reps_output(1);
	write_cr0(read_cr0() & ~(1ul << 30));
	check_reps(r, HV_STATUS_SUCCESS, ELEMENTS);
	check_value(got, reps_output(1), "output with the caches off and on");
	check_reps(reps_call(0, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
	check_value(reps_output(0), want, "CR0");
}

#ifdef __x86_64__
RULE_GUEST(T4_6_a, "parameters are guest physical addresses, not virtual ones")
{
	struct reply r;

	reps_fill();
	check_value(*(uint64_t *)(USER_BASE + test_page(IN_PAGE)), get64(test_page(IN_PAGE)), "the page by another virtual address");
	r = CALL(.code = HV_CALL_GET_VP_REGISTERS, .reps = ELEMENTS, .in = USER_BASE + test_page(IN_PAGE), .out = test_page(OUT_LIST_PAGE));
	check_that(r.fault || hv_result_status(r.value) != HV_STATUS_SUCCESS, "an input address that is a virtual one only is taken");
	check_reps(reps_call(0, ELEMENTS), HV_STATUS_SUCCESS, ELEMENTS);
}
#endif
