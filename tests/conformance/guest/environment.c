/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sections 4.5, 4.7, 4.8 and 4.12 as only instructions can show them: modes, rings, registers, execution. */
#include "hv/cpuid.h"
#include "hv/msr.h"
#include "machine.h"

enum { LEAF_1_MONITOR = 1 << 3 };
#define GOOD_CALL (HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST)

/* ---- ring 0 and the others ---- */

CODE(user_vmcall, "vmcall" USER_EXIT);
CODE(user_vmmcall, "vmmcall" USER_EXIT);
#ifndef __x86_64__
CODE(user_page, "movl $0x3000000, %eax; call *%eax" USER_EXIT);
#endif

static void user_is_ud(const void *code, const char *what)
{
	run_user(code, 0, 0);
	check_that(event.count == 1 && event.vector == UD, "%s: vector %u", what, event.vector);
}

RULE_GUEST(T4_5_b, "a hypercall in ring 3 is #UD")
{
	user_is_ud(user_vmcall, "VMCALL");
	user_is_ud(user_vmmcall, "VMMCALL");
#ifndef __x86_64__
	/* Without paging ring 3 reaches the page itself. */
	user_is_ud(user_page, "hypercall page");
#endif
}

RULE_GUEST(T4_5_c, "a hypercall in ring 0 is accepted, in long mode or with paging off, by VMCALL and VMMCALL")
{
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true).value, 0, "through the page");
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .via = VIA_VMCALL).value, 0, "VMCALL");
	check_value(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .via = VIA_VMMCALL).value, 0, "VMMCALL");
}

RULE_GUEST(T4_5_d, "a copy of the page's code works or is #UD")
{
	struct registers r;

	memcpy((void *)(unsigned long)test_page(2), (const void *)(unsigned long)HYPERCALL_PAGE, PAGE);
	registers_fill(&r);
	registers_set_call(&r, GOOD_CALL, 0, 0);
	call_with_registers(&r, test_page(2));
	check_that(event.count ? event.vector == UD : registers_result(&r) == 0, "vector %u, result 0x%llx", event.vector,
		   (unsigned long long)registers_result(&r));
}

/* ---- registers ---- */

static struct registers before, after;

static void call_with(uint64_t control, uint64_t in, uint64_t out, unsigned long flags)
{
	registers_fill(&before);
	before.flags = flags | 2;
	registers_set_call(&before, control, in, out);
	after = before;
	call_with_registers(&after, HYPERCALL_PAGE);
	check_that(!event.count, "vector %u", event.vector);
}

RULE_GUEST(T4_7_e, "the result value is in the result registers after each call, whatever was there")
{
	call_with(GOOD_CALL, 1, 0, 0);
	check_value(registers_result(&after), HV_STATUS_SUCCESS, "a good call");
	call_with(0x7fff, 1, 0, 0);
	check_value(registers_result(&after), HV_STATUS_INVALID_HYPERCALL_CODE, "an unknown one");
}

RULE_GUEST(T4_8_a, "the result is in RAX for a 64-bit caller, in EDX:EAX for a 32-bit one")
{
	call_with(0x7fff, 1, 0, 0);
	check_value(after.ax, HV_STATUS_INVALID_HYPERCALL_CODE, "AX");
#ifndef __x86_64__
	check_value(after.dx, 0, "EDX");
#endif
}

RULE_GUEST(T4_7_f, "registers outside of the volatile set keep their value")
{
	call_with(GOOD_CALL, 1, 0, 0);
	check_registers(&before, &after, GOOD_CALL);
	call_with(0x7fff, 1, 0, 0);
	check_registers(&before, &after, 0);
	call_with(HV_CALL_NOTIFY_LONG_SPIN_WAIT, test_page(0), 0, 0);
	check_registers(&before, &after, 0);
}

RULE_GUEST(T4_7_g, "flags keep their value, those that may change too")
{
	static const unsigned long flags[] = { F_DF, F_IF, F_IOPL, F_NT, F_AC, F_CF | F_PF | F_AF | F_ZF | F_SF | F_OF, F_ID };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		call_with(GOOD_CALL, 1, 0, flags[i]);
		check_value(after.flags, before.flags, "flags");
	}
}

RULE_GUEST(T2_1_a, "a hypercall does not change x87 and SSE state")
{
	static uint8_t saved[2][512] __attribute__((aligned(16)));

	asm volatile("fninit; fldpi; fld1; fxsave %0" : "=m"(saved[0]));
	CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .in = 1);
	CALL(.code = 0x7fff);
	asm volatile("fxsave %0" : "=m"(saved[1]));
	/* XMM registers are the runtime's; it checks them itself. */
	check_that(!memcmp(saved[0], saved[1], 160), "x87 state or MXCSR changed");
	asm volatile("fninit");
}

RULE_GUEST(T4_12_m, "a near CALL to offset 0 of the page makes the call and returns, the stack is as before")
{
	call_with(GOOD_CALL, 1, 0, 0);
	check_value(after.sp, event_sp, "stack pointer");
	check_value(registers_result(&after), 0, "result");
}

RULE_GUEST(T4_12_l, "a write to the hypercall page is #GP and changes nothing")
{
	volatile uint32_t *page = (uint32_t *)(unsigned long)HYPERCALL_PAGE;

	for (unsigned at = 0; at < PAGE / 4; at += 255) {
		uint32_t v = page[at];

		TRY("movl %1, (%0)", : : "r"(&page[at]), "r"(0x12345678) : "memory");
		check_that(event.count == 1 && event.vector == GP && !event.error, "at word %u: vector %u", at, event.vector);
		check_value(page[at], v, "word %u", at);
	}
}

RULE_GUEST(T8_1_3_j, "an access that the overlay does not allow is a fault in the guest")
{
	TRY("lock orl $0, (%0)", : : "r"((unsigned long)HYPERCALL_PAGE) : "memory");
	check_that(event.count == 1 && event.vector == GP, "vector %u", event.vector);
}

RULE_GUEST(T4_12_n, "without the page there are no hypercalls")
{
	set_msr(HV_X64_MSR_HYPERCALL, 0);
	check_faulted(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .via = VIA_VMCALL), VECTOR_UD);
	check_faulted(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .via = VIA_VMMCALL), VECTOR_UD);
}

RULE_GUEST(T4_12_h, "with guest OS id 0 there are no hypercalls")
{
	set_msr(HV_X64_MSR_GUEST_OS_ID, 0);
	check_faulted(CALL(.code = HV_CALL_NOTIFY_LONG_SPIN_WAIT, .fast = true, .via = VIA_VMCALL), VECTOR_UD);
}

RULE_GUEST(T4_12_g, "the page can be executed by all VPs as soon as it is enabled")
{
	set_msr(HV_X64_MSR_HYPERCALL, 0);
	set_msr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
	check_value(CALL(.code = 0).value, HV_STATUS_INVALID_HYPERCALL_CODE, "on VP 0");
	as_vp(1);
	check_value(CALL(.code = 0).value, HV_STATUS_INVALID_HYPERCALL_CODE, "on VP 1");
}

static bool in_table(unsigned code)
{
	FOR_EACH_CALL(row)
		if (row->code == code)
			return true;
	return false;
}

RULE_GUEST(T25_a, "all codes that no call has are HV_STATUS_INVALID_HYPERCALL_CODE")
{
	for (unsigned code = 0; code < 0x10000; code += code < 0x200 ? 1 : 251)
		if (!in_table(code))
			check_value(CALL(.code = code).value, HV_STATUS_INVALID_HYPERCALL_CODE, "code 0x%x", code);
}

/* ---- MWAIT ---- */

static void check_no_monitor(void)
{
	TRY("monitor", : : "a"(&before), "c"(0), "d"(0) : "memory");
	check_that(event.count == 1 && event.vector == UD, "MONITOR: vector %u", event.vector);
}

static void check_no_mwait(void)
{
	TRY("mwait", : : "a"(0), "c"(0) : "memory");
	check_that(event.count == 1 && event.vector == UD, "MWAIT: vector %u", event.vector);
}

RULE_GUEST(T3_4_m, "leaf 3 EDX bit 0 is clear, so MONITOR and MWAIT are #UD")
{
	check_value(read_leaf(HV_CPUID_FEATURES).d & HV_FEATURE_MWAIT, 0, "MWAIT in leaf 3");
	check_no_monitor();
	check_no_mwait();
}

RULE_GUEST(T11_5_a, "MONITOR is #UD")
{
	check_no_monitor();
}

RULE_GUEST(T11_5_b, "MWAIT is #UD")
{
	check_no_mwait();
}

RULE_GUEST(T11_5_d, "leaf 1 has no MONITOR, leaf 5 is 0")
{
	struct leaf l = read_leaf(5);

	check_value(read_leaf(1).c & LEAF_1_MONITOR, 0, "MONITOR in leaf 1");
	check_value(l.a | l.b | l.c | l.d, 0, "leaf 5");
}
