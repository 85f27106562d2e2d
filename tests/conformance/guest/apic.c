/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 10, 11 and 13 once more: the local APIC, time and what else belongs to each processor. */
#include "hv/time.h"
#include "ipc.h"
#include "machine.h"

enum { MINE = RULE_VECTORS + 4, TIMER_VECTOR = RULE_VECTORS + 9, MSR_TSC = 0x10, MSR_APIC = 0x1b, MSR_TSC_ADJUST = 0x3b, MSR_SMI_COUNT = 0x34, APIC_BSP = 1 << 8 };
#define APIC_PAGE 0xfee00000ul

/* ---- 10.1.6 ---- */

RULE_GUEST(T10_1_6_d, "a write to the APIC's ID register changes that ID and not the initial one")
{
	uint32_t old = apic_read(APIC_ID);

	apic_enable();
	apic_write(APIC_ID, 0x55000000);
	check_value(apic_read(APIC_ID), 0x55000000, "ID register");
	check_value(cpuid(1, 0).b >> 24, 0, "initial APIC ID");
	apic_write(APIC_ICR2, 0x55000000);
	apic_write(APIC_ICR, ICR_ASSERT | MINE);
	check_that(apic_bit(APIC_IRR, MINE), "a message to the new ID does not arrive");
	apic_write(APIC_ID, old);
	check_value(apic_read(APIC_ID), old, "ID register at last");
}

/* ---- 11 ---- */

RULE_GUEST(T11_6_b, "SMIs of the machine are invisible: nothing counts them")
{
	uint64_t first, second;

	check_that(read_msr(MSR_SMI_COUNT, &first), "the count of SMIs cannot be read");
	pm_delay(20);
	check_that(read_msr(MSR_SMI_COUNT, &second) && first == second, "SMIs were counted");
}

RULE_GUEST(T11_7_e, "the TSC does not go back")
{
	uint64_t last = rdtsc();

	for (unsigned i = 0; i < 10000; i++) {
		uint64_t now = rdtsc();

		if (now < last)
			check_that(false, "0x%llx behind 0x%llx", (unsigned long long)now, (unsigned long long)last);
		last = now;
	}
	check_that(last != 0, "it stands still");
}

RULE_GUEST(T11_10_1_a, "MSRs that processors of this model have can be read, whatever is hidden in them")
{
	static const uint32_t numbers[] = { 0x10, 0x17, 0x1b, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x1a0, 0x200, 0x250, 0x277, 0x2ff };
	uint64_t v;

	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		check_that(read_msr(numbers[i], &v), "MSR 0x%x raises #GP", numbers[i]);
}

#ifdef __x86_64__
/* ---- two processors ---- */

static volatile uint64_t of_1;

static void read_tsc(unsigned cpu)
{
	(void)cpu;
	of_1 = rdtsc();
}

static uint64_t adjust_of_1;

static void set_tsc_far(unsigned cpu)
{
	(void)cpu;
	adjust_of_1 = rdmsr(MSR_TSC_ADJUST);
	wrmsr(MSR_TSC, rdtsc() + (1ull << 60));
}

static void set_tsc_back(unsigned cpu)
{
	(void)cpu;
	/* To the tick: later rules compare it with clocks. */
	wrmsr(MSR_TSC_ADJUST, adjust_of_1);
}

static void check_tsc_apart(void)
{
	run_on_1(set_tsc_far);
	run_on_1(read_tsc);
	check_that(of_1 >> 60, "the TSC of VP 1 is 0x%llx", (unsigned long long)of_1);
	check_that(!(rdtsc() >> 60), "the TSC of VP 0 is 0x%llx", (unsigned long long)rdtsc());
	run_on_1(set_tsc_back);
}

RULE_GUEST(T11_7_a, "each VP has a TSC of its own")
{
	check_tsc_apart();
}

RULE_GUEST(T11_7_d, "a write of the TSC is for the VP that writes")
{
	check_tsc_apart();
	run_on_1(read_tsc);
	check_that(!(of_1 >> 60), "the TSC of VP 1 stays 0x%llx", (unsigned long long)of_1);
}

static void read_base(unsigned cpu)
{
	(void)cpu;
	of_1 = rdmsr(MSR_APIC);
}

RULE_GUEST(T13_2_1_a, "IA32_APIC_BASE tells the boot processor, and is otherwise the same or not")
{
	run_on_1(read_base);
	check_that(rdmsr(MSR_APIC) & APIC_BSP, "VP 0 is not the boot processor");
	check_that(!(of_1 & APIC_BSP), "VP 1 is the boot processor");
}

static void take_id_of_0(unsigned cpu)
{
	(void)cpu;
	apic_write(APIC_ID, percpu[0].apic_id << 24);
}

static void take_id_back(unsigned cpu)
{
	apic_write(APIC_ID, percpu[cpu].apic_id << 24);
}

static volatile unsigned taken_by[VPS];

static void count(struct frame *f)
{
	(void)f;
	taken_by[this_cpu()]++;
	apic_eoi();
}

RULE_GUEST(T13_2_1_e, "two VPs with one APIC ID: a message goes where it likes, and nothing breaks")
{
	handler[MINE] = count;
	run_on_1(take_id_of_0);
	for (unsigned i = 0; i < 20; i++) {
		apic_send(percpu[0].apic_id, ICR_ASSERT | MINE);
		open_gate();
	}
	/* By its shorthand: its number is not its own. */
	percpu[1].done = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	percpu[1].run = take_id_back;
	apic_send(0, ICR_OTHERS | ICR_ASSERT | 0xfe);
	check_that(smp_wait(1), "VP 1 does not answer any more");
	taken_by[1] = 0;
	apic_send(percpu[1].apic_id, ICR_ASSERT | MINE);
	check_that(WAIT_FOR(taken_by[1] == 1), "VP 1 takes no interrupt any more");
}

static void be_busy(unsigned cpu)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << (24 + cpu));
	apic_write(APIC_TPR, 0);
}

RULE_GUEST(T13_3_2_h, "lowest priority reaches one VP, the one of lowest priority")
{
	handler[MINE] = count;
	run_on_1(be_busy);
	be_busy(0);
	taken_by[0] = taken_by[1] = 0;
	/* This one's priority is above the vector's for a while. */
	apic_write(APIC_TPR, 0xe0);
	for (unsigned i = 1; i <= 5; i++) {
		apic_send(3, ICR_LOGICAL | ICR_LOWEST | ICR_ASSERT | MINE);
		check_that(WAIT_FOR(taken_by[1] == i), "VP 1 has not taken interrupt %u", i);
	}
	apic_write(APIC_TPR, 0);
	open_gate();
	check_value(taken_by[0], 0, "interrupts of VP 0");
}
#endif

/* ---- 9.1.2: what is told of a child's VP is nothing in the root ---- */

/* Messages of intercepts would be there. */
static void listen_at_sint0(void)
{
	synic_on(0);
	set_msr(HV_X64_MSR_SINT0, VECTOR);
}

static void x87_error(void)
{
	const uint16_t control = 0x37b;
	unsigned long old = read_cr0();
	uint16_t status = 0;

	listen_at_sint0();
	write_cr0(old & ~(unsigned long)(CR0_NE | CR0_EM | CR0_TS));
	/* Division of 1 by 0, unmasked. */
	TRY("fninit; fldcw %0; fld1; fldz; .byte 0xde, 0xf9; fwait", : : "m"(control));
	check_that(!event.count, "vector %u", event.vector);
	asm volatile("fnstsw %0; fnclex; fninit" : "=m"(status));
	write_cr0(old);
	check_value(status >> 7 & 1, 1, "the error summary");
	check_slot_empty(0);
	check_that(!requested(VECTOR), "a message has come");
}

RULE_ROOT_GUEST(T9_1_2_f, "an x87 error without CR0.NE is not told of the root, whose VP goes on") { x87_error(); }
RULE_ROOT_GUEST(T16_5_6_c, "an x87 error without CR0.NE sends no message in the root") { x87_error(); }

enum { COM1 = 0x3f8, COM1_IER = COM1 + 1, COM1_MCR = COM1 + 4, COM1_PIN = 4, PIN_MASKED = 1 << 16, PIN_LEVEL = 1 << 15 };
static volatile unsigned ended;
static volatile bool was_level;

static void end_level(struct frame *f)
{
	(void)f;
	was_level = apic_bit(APIC_TMR, MINE);
	outb(COM1_IER, 0);
	apic_eoi();
	ended++;
}

static void route_serial(uint32_t low)
{
	ioapic_write(0x11 + 2 * COM1_PIN, apic_read(APIC_ID) & 0xff000000);
	ioapic_write(0x10 + 2 * COM1_PIN, low);
}

static void level_eoi(void)
{
	listen_at_sint0();
	handler[MINE] = end_level;
	ended = 0;
	route_serial(MINE | PIN_LEVEL);
	outb(COM1_MCR, 0xb);
	outb(COM1_IER, 2);                        /* transmitter empty */
	check_that(WAIT_FOR((open_gate(), ended)), "no interrupt comes");
	route_serial(PIN_MASKED);
	outb(COM1_IER, 0);
	check_that(was_level, "it was not level-triggered");
	check_slot_empty(0);
	check_that(!requested(VECTOR), "a message has come");
}

RULE_ROOT_GUEST(T9_1_2_g, "the end of a level-triggered interrupt is not told of the root, whose VP goes on") { level_eoi(); }
RULE_ROOT_GUEST(T16_5_5_e, "the end of a level-triggered interrupt sends no message in the root") { level_eoi(); }

/* ---- 13.1, 13.2 ---- */

RULE_GUEST(T13_1_c, "the APIC, a timer, a message and an event make interrupts pending")
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
	make_events(EVENTS, 0, OTHER_SINT);
	apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | MINE);
	check_that(apic_bit(APIC_IRR, MINE), "ICR");
	check_status(post(MESSAGES, 1), HV_STATUS_SUCCESS);
	check_that(apic_bit(APIC_IRR, VECTOR), "message");
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
	check_that(apic_bit(APIC_IRR, OTHER_VECTOR), "event");
	set_msr(HV_X64_MSR_STIMER0_CONFIG, HV_TIMER_ENABLE | HV_TIMER_DIRECT | TIMER_VECTOR << HV_TIMER_VECTOR_SHIFT);
	set_msr(HV_X64_MSR_STIMER0_COUNT, msr_of(HV_X64_MSR_TIME_REF_COUNT) + 1000);
	check_that(WAIT_FOR(apic_bit(APIC_IRR, TIMER_VECTOR)), "timer");
	destroy(MESSAGES);
	destroy(EVENTS);
}

RULE_GUEST(T13_2_1_d, "accesses to the APIC that need not work do not harm it")
{
	apic_enable();
	apic_write(APIC_TPR, 0x30);
	TRY("movb (%0), %%al", : : "r"(APIC_PAGE + APIC_TPR) : "eax");
	TRY("movw (%0), %%ax", : : "r"(APIC_PAGE + APIC_TPR + 1) : "eax");
	check_value(apic_read(APIC_TPR), 0x30, "TPR");
	apic_write(APIC_TPR, 0);
}

RULE_GUEST(T13_2_2_b, "an operand that is not aligned does not harm the APIC")
{
	apic_enable();
	apic_write(APIC_TPR, 0x30);
	TRY("movl (%0), %%eax", : : "r"(APIC_PAGE + APIC_TPR + 1) : "eax");
	TRY("movl (%0), %%eax", : : "r"(APIC_PAGE + APIC_TPR - 2) : "eax");
	check_value(apic_read(APIC_TPR), 0x30, "TPR");
	apic_write(APIC_TPR, 0);
}
