/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hypervisor seen from a guest: leaves, identity, hypercall page, input rules, clocks. */
#include "hv/cpuid.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/status.h"
#include "hv/time.h"
#include "lib/guest.h"

#define OS_ID 0x8100000000000000ull  /* an open-source system, nothing else told */
#define CALL_PAGE 0x3000000ull
#define TSC_PAGE 0x3001000ull
#define RIGHTS (HV_ACCESS_HYPERCALL | HV_ACCESS_VP_INDEX | HV_ACCESS_REFERENCE_COUNTER | HV_ACCESS_REFERENCE_TSC)
enum { RESULT_MASK = 0xffff, CALL_CODE_NONE = 0x7fff };

static uint64_t call_at(uint64_t page, uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 asm("r8") = out;
	uint64_t result;

	asm volatile("call *%1" : "=a"(result), "+r"(page), "+c"(control), "+d"(in), "+r"(r8) : : "memory", "cc", "r9", "r10", "r11");
	return result;
}

static void leaves(void)
{
	struct cpuid c = cpuid(1, 0);
	uint32_t last;

	check_eq(c.c >> 31, 1, "leaf 1 ECX bit 31: a hypervisor is there");
	c = cpuid(HV_CPUID_VENDOR, 0);
	last = c.a;
	check(last >= HV_CPUID_LIMITS && last < 0x40000100, "highest leaf is 0x%x", last);
	check(c.b == HV_VENDOR_EBX && c.c == HV_VENDOR_ECX && c.d == HV_VENDOR_EDX, "vendor is 'Microsoft Hv'");
	check_eq(cpuid(HV_CPUID_INTERFACE, 0).a, HV_INTERFACE_EAX, "interface 'Hv#1'");
	c = cpuid(HV_CPUID_FEATURES, 0);
	check_eq(c.a & RIGHTS, RIGHTS, "hypercall, VP index and reference counter rights");
	c = cpuid(last + 1, 0);
	check_eq(c.a | c.b | c.c | c.d, 0, "the leaf behind the last is zeros");
}

static void identity(void)
{
	check_eq(rdmsr(HV_X64_MSR_GUEST_OS_ID), 0, "OS id is 0 at start");
	wrmsr(HV_X64_MSR_HYPERCALL, CALL_PAGE | HV_MSR_PAGE_ENABLE);
	check_eq(rdmsr(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE, 0, "hypercall page cannot be enabled while the OS id is 0");
	wrmsr(HV_X64_MSR_GUEST_OS_ID, OS_ID);
	check_eq(rdmsr(HV_X64_MSR_GUEST_OS_ID), OS_ID, "OS id reads back");
	*(volatile uint64_t *)CALL_PAGE = 0x1122334455667788;
	wrmsr(HV_X64_MSR_HYPERCALL, CALL_PAGE | HV_MSR_PAGE_ENABLE);
	check_eq(rdmsr(HV_X64_MSR_HYPERCALL), CALL_PAGE | HV_MSR_PAGE_ENABLE, "hypercall page enabled");
	check_eq(*(volatile uint32_t *)CALL_PAGE, 0xfa1e0ff3, "it begins with ENDBR64");
	TRY("movq %%rax, (%0)", : : "D"(CALL_PAGE), "a"(0) : "memory");
	check_fault(GP, 0, "a write to it is #GP(0)");
}

CODE(user_vmcall, "vmcall" USER_EXIT);
CODE(user_vmmcall, "vmmcall" USER_EXIT);

static void calls(void)
{
	static uint64_t list[512] __attribute__((aligned(4096)));
	uint64_t r;

	check_eq(call_at(CALL_PAGE, CALL_CODE_NONE, 0, 0) & RESULT_MASK, HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code");
	check_eq(call_at(CALL_PAGE, CALL_CODE_NONE | HV_CALL_FAST, 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code, fast form: result has nothing else");
	check_eq(call_at(CALL_PAGE, 0, 0, 0) & RESULT_MASK, HV_STATUS_INVALID_HYPERCALL_CODE, "code 0");
	for (unsigned b = 27; b < 64; b++)
		if (HV_CALL_RESERVED >> b & 1)
			check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST | 1ull << b, 0, 0) & RESULT_MASK,
				 HV_STATUS_INVALID_HYPERCALL_INPUT, "reserved bit %u of the input value", b);
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 1, 0), HV_STATUS_SUCCESS, "HvNotifyLongSpinWait, fast");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT, (uint64_t)list, 0), HV_STATUS_SUCCESS, "the same with the list in memory");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT, (uint64_t)list + 4, 0), HV_STATUS_INVALID_ALIGNMENT,
		 "input list not aligned to 8");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT, 1ull << 50, 0), HV_STATUS_INVALID_ALIGNMENT,
		 "input list beyond the GPA space");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST | 1ull << HV_CALL_REPS_SHIFT, 1, 0),
		 HV_STATUS_INVALID_HYPERCALL_INPUT, "simple call with a rep count");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST | 1ull << HV_CALL_START_SHIFT, 1, 0),
		 HV_STATUS_INVALID_HYPERCALL_INPUT, "simple call with a rep start");
	check_eq(call_at(CALL_PAGE, HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST | 1ull << HV_CALL_VARIABLE_SHIFT, 1, 0),
		 HV_STATUS_INVALID_HYPERCALL_INPUT, "variable header where the call has none");
	asm volatile("vmcall" : "=a"(r) : "c"((uint64_t)HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST), "d"(1ull) : "memory", "r8");
	check_eq(r, HV_STATUS_SUCCESS, "VMCALL outside of the hypercall page");
	asm volatile("vmmcall" : "=a"(r) : "c"((uint64_t)HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST), "d"(1ull) : "memory", "r8");
	check_eq(r, HV_STATUS_SUCCESS, "VMMCALL does the same");
	run_user(user_vmcall, 0, 0);
	check_user_fault(UD, 0, user_vmcall, 0, "VMCALL in ring 3 is #UD");
	run_user(user_vmmcall, 0, 0);
	check_user_fault(UD, 0, user_vmmcall, 0, "VMMCALL in ring 3 is #UD");
}

/* In protected mode, 32-bit: value in EDX:EAX, lists in EBX:ECX and EDI:ESI, result in EDX:EAX. */
uint64_t call_32(uint32_t control, uint32_t in);
asm(".text\ncall_32:\n\tpushq %rbx\n\tpushq %rbp\n\tmovl %edi, %eax\n\tmovl %esi, %ecx\n\txorl %edx, %edx\n\txorl %ebx, %ebx\n"
    "\txorl %esi, %esi\n\txorl %edi, %edi\n\tlcall *1f\n\tshlq $32, %rdx\n\tmovl %eax, %eax\n\torq %rdx, %rax\n\tpopq %rbp\n\tpopq %rbx\n\tret\n"
    ".balign 8\n1:\t.long 2f\n\t.word 0x28\n.code32\n2:\tvmcall\n\tlretl\n.code64\n");

static void calls_32(void)
{
	check_eq(call_32(HV_CALL_NOTIFY_LONG_SPIN_WAIT | HV_CALL_FAST, 1), HV_STATUS_SUCCESS, "a call from compatibility mode");
	check_eq(call_32(CALL_CODE_NONE, 0), HV_STATUS_INVALID_HYPERCALL_CODE, "unknown code from there");
}

static void page_moves(void)
{
	uint64_t next = CALL_PAGE + 0x5000;

	*(volatile uint64_t *)next = 0x99;
	wrmsr(HV_X64_MSR_HYPERCALL, next | HV_MSR_PAGE_ENABLE);
	check_eq(*(volatile uint64_t *)CALL_PAGE, 0x1122334455667788, "the page below an overlay that moved away is unchanged");
	check_eq(call_at(next, CALL_CODE_NONE, 0, 0), HV_STATUS_INVALID_HYPERCALL_CODE, "calls work at the new place");
	wrmsr(HV_X64_MSR_GUEST_OS_ID, 0);
	check_eq(rdmsr(HV_X64_MSR_HYPERCALL) & HV_MSR_PAGE_ENABLE, 0, "OS id 0 disables the hypercall page");
	check_eq(*(volatile uint64_t *)next, 0x99, "and what was below is back");
	TRY("vmcall", : : "c"(CALL_CODE_NONE) : "rax", "rdx", "r8", "memory");
	check_fault(UD, 0, "a hypercall without an OS id is #UD");
	wrmsr(HV_X64_MSR_GUEST_OS_ID, OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, CALL_PAGE | HV_MSR_PAGE_ENABLE);
	check(!try_wrmsr(HV_X64_MSR_HYPERCALL, 1ull << 50 | HV_MSR_PAGE_ENABLE) && event.vector == GP,
	      "a page beyond the GPA space is #GP");
}

/* ---- clocks -------------------------------------------------------------------------------------- */

static uint64_t page_time(void)
{
	volatile uint64_t *page = (uint64_t *)TSC_PAGE;
	uint32_t sequence;
	uint64_t t;

	do {
		sequence = *(volatile uint32_t *)page;
		t = (uint64_t)((unsigned __int128)rdtsc() * page[1] >> 64) + page[2];
	} while (sequence != *(volatile uint32_t *)page);
	return t;
}

static volatile uint64_t last_time;
static volatile unsigned backwards, index_1, turns[2], clock_rounds;

/* In turns: what a processor reads is never below what the other one has read before. */
static void compare(unsigned cpu)
{
	for (unsigned n = 0; n < 2000; n++) {
		uint64_t t;

		while (turns[0] + turns[1] != 2 * n + cpu)
			pause_cpu();
		t = n & 1 ? page_time() : rdmsr(HV_X64_MSR_TIME_REF_COUNT);
		/* The two clocks are one: 2 units of rounding between their ways. */
		if (t + 2 < last_time)
			backwards++;
		last_time = t;
		turns[cpu]++;
	}
	if (cpu == 1)
		index_1 = rdmsr(HV_X64_MSR_VP_INDEX);
}

static void clocks(void)
{
	uint64_t a, b, tsc, hz = rdmsr(HV_X64_MSR_TSC_FREQUENCY);
	uint32_t pm;

	check(hz > 1000000, "TSC frequency is %lu", hz);
	check(rdmsr(HV_X64_MSR_APIC_FREQUENCY) > 100000, "APIC frequency is %lu", rdmsr(HV_X64_MSR_APIC_FREQUENCY));
	check(!try_wrmsr(HV_X64_MSR_TIME_REF_COUNT, 0) && event.vector == GP, "the reference counter cannot be written");
	check(!try_wrmsr(HV_X64_MSR_TSC_FREQUENCY, 0) && event.vector == GP, "nor the TSC frequency");
	check(!try_wrmsr(HV_X64_MSR_VP_INDEX, 0) && event.vector == GP, "nor the VP index");
	a = rdmsr(HV_X64_MSR_TIME_REF_COUNT);
	tsc = rdtsc();
	pm = pm_time();
	pm_delay(100);
	b = rdmsr(HV_X64_MSR_TIME_REF_COUNT);
	check(b - a >= HV_REFERENCE_HZ / 10 - HV_REFERENCE_HZ / 1000, "100 ms by the ACPI timer are at least 99 ms by the reference counter");
	check(rdtsc() - tsc >= hz / 10 - hz / 1000, "and by the TSC at its frequency");
	check(((pm_time() - pm) & 0xffffff) >= PM_HZ / 10, "(the ACPI timer agrees)");
	wrmsr(HV_X64_MSR_REFERENCE_TSC, TSC_PAGE | HV_MSR_PAGE_ENABLE);
	check_eq(rdmsr(HV_X64_MSR_REFERENCE_TSC), TSC_PAGE | HV_MSR_PAGE_ENABLE, "reference TSC page enabled");
	check(*(volatile uint32_t *)TSC_PAGE != HV_REFERENCE_TSC_UNUSABLE, "its sequence is usable");
	for (unsigned n = 0; n < 100; n++) {
		uint64_t before = rdmsr(HV_X64_MSR_TIME_REF_COUNT), t = page_time(), after = rdmsr(HV_X64_MSR_TIME_REF_COUNT);

		backwards += t + 2 < before || t > after + 2;
	}
	check_eq(backwards, 0, "TSC page and counter tell the same time");
	check_eq(rdmsr(HV_X64_MSR_VP_INDEX), 0, "VP index of the first processor");
	if (smp_start(2) < 2) {
		check_skip("one processor", "clocks of two processors");
		return;
	}
	smp_run(1, compare);
	compare(0);
	check(smp_wait(1), "the second processor has compared");
	check_eq(backwards, 0, "time never goes back between two processors");
	check_eq(index_1, 1, "VP index of the second processor");
}

static void unknown_msrs(void)
{
	static const uint32_t none[] = { 0x40000004, 0x4000000f, 0x400000ff, 0x40000300, 0x40000fff };
	uint64_t v;

	for (unsigned n = 0; n < ARRAY_SIZE(none); n++) {
		check(!try_rdmsr(none[n], &v) && event.vector == GP && !event.error, "unknown MSR 0x%x: read is #GP(0)", none[n]);
		check(!try_wrmsr(none[n], 0) && event.vector == GP && !event.error, "unknown MSR 0x%x: write is #GP(0)", none[n]);
	}
}

void guest_main(void)
{
	leaves();
	identity();
	calls();
	calls_32();
	page_moves();
	clocks();
	unknown_msrs();
}
