/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 6, 11, 13 and 22 as the running root sees them: sleep, the machine's devices, its interrupts. */
#include "../child.h"
#include "../root.h"

#include "hv/msr.h"
#include "machine.h"

enum { WAKE = RULE_VECTORS + 1, DEVICE = RULE_VECTORS + 2, TIMER_DIVIDE_BY_1 = 0xb, TIMER_PERIODIC = 1 << 17, TRIES = 10 };
enum { CONFIG = HV_X64_MSR_POWER_STATE_CONFIG_C1, TRIGGER = HV_X64_MSR_POWER_STATE_TRIGGER_C1 };
#define CHANGE(how, more) ((uint64_t)(how) << HV_POWER_CHANGE_SHIFT | (more))
#define SLEPT_ONCE (1ull << HV_POWER_IDLE_COUNT_SHIFT)

static volatile unsigned taken;

static void take(struct frame *f)
{
	(void)f;
	taken++;
	apic_eoi();
}

static void listen(void)
{
	apic_enable();
	handler[WAKE] = handler[DEVICE] = take;
	taken = 0;
}

/* The APIC's timer, in @ms and each @ms behind that: whoever comes too late for it is not asleep for ever. */
static void start_timer(unsigned ms)
{
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, TIMER_PERIODIC | WAKE);
	apic_write(APIC_TIMER_INITIAL, (uint32_t)msr_of(HV_X64_MSR_APIC_FREQUENCY) / 1000 * ms);
}

static uint64_t now(void) { return msr_of(HV_X64_MSR_TIME_REF_COUNT); }

/* Enters C1 with the gate open until the timer of @ms comes; what the MSR said. */
static uint64_t sleep_open(unsigned ms)
{
	uint64_t v;

	sti();
	pause_cpu();
	start_timer(ms);
	v = msr_of(TRIGGER);
	cli();
	apic_write(APIC_TIMER_INITIAL, 0);
	return v;
}

/* ---- 6.3.2 ---- */

RULE_ROOT_GUEST(T6_3_2_1_2_a, "the read of a TRIGGER register is over when the processor has woken up")
{
	static const uint64_t how[] = { CHANGE(HV_POWER_CHANGE_HLT, 0), CHANGE(HV_POWER_CHANGE_IO_HLT, 0x80), CHANGE(HV_POWER_CHANGE_IO, 0x80),
					CHANGE(HV_POWER_CHANGE_MWAIT, 0), CHANGE(HV_POWER_CHANGE_MWAIT, HV_POWER_BREAK_ON_MASKED) };

	listen();
	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		uint64_t before = now();

		taken = 0;
		set_msr(CONFIG, how[i]);
		sleep_open(20);
		check_that(taken, "no interrupt was taken");
		check_that(now() - before > 150000, "it slept %u units of 100 ns", (unsigned)(now() - before));
	}
}

RULE_ROOT_GUEST(T6_3_2_1_2_b, "a TRIGGER register counts how often the processor went idle; no bus master was active")
{
	uint64_t v = 0;

	listen();
	set_msr(CONFIG, CHANGE(HV_POWER_CHANGE_MWAIT, HV_POWER_BREAK_ON_MASKED));
	for (unsigned i = 0; i < TRIES && !v; i++)
		v = sleep_open(50);
	check_value(v, SLEPT_ONCE, "a sleep");
	apic_send(0, ICR_SELF | ICR_ASSERT | WAKE);
	check_value(msr_of(TRIGGER), 0, "no sleep: an interrupt waits");
}

RULE_ROOT_GUEST(T6_3_2_1_1_d, "MWAIT that breaks on masked interrupts ends with one, which stays requested")
{
	uint64_t v = 0;

	listen();
	set_msr(CONFIG, CHANGE(HV_POWER_CHANGE_MWAIT, HV_POWER_BREAK_ON_MASKED));
	/* On a busy host the timer may come first: then there is no sleep. */
	for (unsigned i = 0; i < TRIES && !v; i++) {
		open_gate();
		taken = 0;
		start_timer(50);
		v = msr_of(TRIGGER);
		apic_write(APIC_TIMER_INITIAL, 0);
	}
	check_value(v, SLEPT_ONCE, "a sleep");
	check_that(apic_bit(APIC_IRR, WAKE), "nothing is requested");
	check_value(taken, 0, "interrupts that were taken");
}

/* A counter that is not running, written low and high byte. */
enum { PIT_2 = 0x42, PIT_COMMAND = 0x43, PIT_GATES = 0x61, PIT_2_MODE_0 = 0xb0, PIT_2_LATCH = 0x80 };

RULE_ROOT_GUEST(T6_3_2_1_1_c, "the change that reads a port reads it")
{
	static const unsigned how[] = { HV_POWER_CHANGE_IO_HLT, HV_POWER_CHANGE_IO };

	listen();
	outb(PIT_GATES, inb(PIT_GATES) & ~1u);
	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		outb(PIT_COMMAND, PIT_2_MODE_0);
		outb(PIT_2, 0x34);
		outb(PIT_2, 0x12);
		outb(PIT_COMMAND, PIT_2_LATCH);
		set_msr(CONFIG, CHANGE(how[i], PIT_2));
		sleep_open(2);
		check_value(inb(PIT_2), 0x12, "what comes behind the byte that the change %u has read", how[i]);
	}
}

#ifdef __x86_64__
static void sleep_closed(unsigned cpu)
{
	(void)cpu;
	apic_enable();
	wrmsr(CONFIG, CHANGE(HV_POWER_CHANGE_MWAIT, 0));
	rdmsr(TRIGGER);
}

static void do_nothing(unsigned cpu)
{
	(void)cpu;
}

RULE_ROOT_GUEST(T6_3_2_a, "a state that does not break on masked interrupts goes on")
{
	unsigned done;

	apic_enable();
	ignore_nmi = true;
	start_on_1(sleep_closed);
	done = percpu[1].done;
	pm_delay(20);
	apic_send(percpu[1].apic_id, ICR_ASSERT | WAKE);
	pm_delay(20);
	check_value(percpu[1].done, done, "how often VP 1 has woken up");
	check_that(WAIT_FOR((apic_send(percpu[1].apic_id, ICR_NMI | ICR_ASSERT), pm_delay(1), percpu[1].done != done)), "an NMI does not wake VP 1");
	smp_wait(1);
	/* What was sent too much is taken. */
	run_on_1(do_nothing);
	ignore_nmi = false;
}
#endif

/* ---- 6.3.3, 6.4.1 ---- */

RULE_ROOT_GUEST(T6_3_3_b, "a logical processor's run time stands still while it sleeps")
{
	struct hv_out_get_lp_run_time before, after;

	listen();
	set_msr(CONFIG, CHANGE(HV_POWER_CHANGE_HLT, 0));
	check_status(lp_run_time(0, &before), HV_STATUS_SUCCESS);
	sleep_open(200);
	check_status(lp_run_time(0, &after), HV_STATUS_SUCCESS);
	check_that(after.global_time - before.global_time > 1500000, "it did not sleep");
	check_that(after.local_run_time - before.local_run_time < (after.global_time - before.global_time) / 2, "it ran for %u of %u units of 100 ns",
		   (unsigned)(after.local_run_time - before.local_run_time), (unsigned)(after.global_time - before.global_time));
}

RULE_ROOT_GUEST(T6_4_1_c, "HypervisorTime is what the hypervisor took, a part of the run time")
{
	struct hv_out_get_lp_run_time before, after;

	check_status(lp_run_time(0, &before), HV_STATUS_SUCCESS);
	for (unsigned i = 0; i < 2000; i++)
		own_id();
	check_status(lp_run_time(0, &after), HV_STATUS_SUCCESS);
	check_that(after.hypervisor_time > before.hypervisor_time, "2000 calls took no time");
	check_that(after.hypervisor_time <= after.local_run_time, "it took more than all");
}

RULE_ROOT_GUEST(T6_4_1_d, "a logical processor is not used for longer than time goes by")
{
	struct hv_out_get_lp_run_time first, last;
	uint64_t used, of;

	check_status(lp_run_time(0, &first), HV_STATUS_SUCCESS);
	pm_delay(20);
	check_status(lp_run_time(0, &last), HV_STATUS_SUCCESS);
	used = last.local_run_time - first.local_run_time;
	of = last.global_time - first.global_time;
	check_that(last.local_run_time > first.local_run_time, "it did not run");
	/* Two clocks are not read at once: a millisecond. */
	check_that(used <= of + 10000, "used for %llu of %llu", (unsigned long long)used, (unsigned long long)of);
}

/* ---- the machine's devices ---- */

enum { IOAPIC_VERSION = 1, IOAPIC_TIMER = 2, IOAPIC_ENTRY = 0x10, ENTRY_MASKED = 1 << 16, ENTRY_LEVEL = 1 << 15, ENTRY_REMOTE = 1 << 14 };
enum { PIT_0 = 0x40, PIT_0_MODE_0 = 0x30 };

RULE_ROOT_GUEST(T11_8_e, "where no memory is the root reaches the machine's devices, but for its local APIC")
{
	check_value(ioapic_read(IOAPIC_VERSION) & 0xff, 0x20, "version of the I/O APIC");
	check_that((ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) >= 15, "the I/O APIC has fewer than 16 pins");
	apic_enable();
	check_value(apic_read(APIC_ID) >> 24, cpuid(1, 0).b >> 24, "the local APIC's ID");
	check_value(*(volatile uint32_t *)(unsigned long)NO_MEMORY, UINT32_MAX, "where nothing is");
}

RULE_ROOT_GUEST(T11_9_d, "an access of the root reaches the port")
{
	outb(PIT_GATES, inb(PIT_GATES) & ~1u);
	outb(PIT_COMMAND, PIT_2_MODE_0);
	outb(PIT_2, 0xcd);
	outb(PIT_2, 0xab);
	outb(PIT_COMMAND, PIT_2_LATCH);
	check_value(inb(PIT_2), 0xcd, "low byte of the counter");
	check_value(inb(PIT_2), 0xab, "high byte of the counter");
}

/* The machine's timer raises DEVICE in about 10 ms, by its pin of the I/O APIC. */
static void start_device(uint32_t flags)
{
	outb(PIT_COMMAND, PIT_0_MODE_0);
	ioapic_write(IOAPIC_ENTRY + 2 * IOAPIC_TIMER + 1, percpu[0].apic_id << 24);
	ioapic_write(IOAPIC_ENTRY + 2 * IOAPIC_TIMER, flags | DEVICE);
	/* Not before the pin listens: an edge is not kept. */
	outb(PIT_0, 0x9c);
	outb(PIT_0, 0x2e);
}

static void stop_device(void)
{
	ioapic_write(IOAPIC_ENTRY + 2 * IOAPIC_TIMER, ENTRY_MASKED);
}

static void check_device_interrupt(void)
{
	listen();
	start_device(0);
	check_that(WAIT_FOR(requested(DEVICE)), "no interrupt of the timer");
	open_gate();
	check_value(taken, 1, "interrupts that were taken");
	stop_device();
}

RULE_ROOT_GUEST(T13_1_b, "interrupts of the machine's devices are the root's") { check_device_interrupt(); }
RULE_ROOT_GUEST(T22_4_j, "interrupts of the machine's devices go to VPs of the root") { check_device_interrupt(); }

static volatile bool remote_in, remote_out;

static bool remote(void)
{
	return ioapic_read(IOAPIC_ENTRY + 2 * IOAPIC_TIMER) & ENTRY_REMOTE;
}

static void end_level(struct frame *f)
{
	(void)f;
	taken++;
	remote_in = remote();
	/* The line goes down first. */
	outb(PIT_COMMAND, PIT_0_MODE_0);
	apic_eoi();
	remote_out = remote();
}

RULE_ROOT_GUEST(T13_3_4_f, "an EOI of the root ends a level-triggered interrupt at the I/O APIC, and nobody is told")
{
	uint64_t events;

	listen();
	handler[DEVICE] = end_level;
	start_device(ENTRY_LEVEL);
	check_that(WAIT_FOR(requested(DEVICE)), "no interrupt of the timer");
	open_gate();
	check_value(taken, 1, "interrupts that were taken");
	check_that(remote_in, "the I/O APIC does not wait for an EOI");
	check_that(!remote_out, "the I/O APIC waits for an EOI still");
	stop_device();
	events = get_register(HV_PARTITION_ID_SELF, HV_VP_INDEX_SELF, HV_REGISTER_INTERCEPT_SUSPEND).value.low;
	check_value(events, 0, "intercept suspension");
}

/* ---- the processor's own MSRs ---- */

enum { MSR_PLATFORM_ID = 0x17, MSR_ADJUST = 0x3b, MSR_SMIS = 0x34 };

RULE_ROOT_GUEST(T11_3_a, "MSR 0x17 reads in the root as the processor has it")
{
	check_value(msr_of(MSR_PLATFORM_ID), 0, "platform id");
}

/* What no table of the text has is the processor's to answer. */
static void check_own_msrs(void)
{
	uint64_t old = msr_of(MSR_ADJUST), v;

	set_msr(MSR_ADJUST, old + 0x1000);
	check_value(msr_of(MSR_ADJUST), old + 0x1000, "TSC_ADJUST");
	set_msr(MSR_ADJUST, old);
	check_value(msr_of(MSR_SMIS), 0, "number of SMIs");
	check_that(!read_msr(MSR_NOWHERE, &v), "an MSR that no processor has is there");
}

RULE_ROOT_GUEST(T11_10_e, "MSRs that the text does not list reach the processor that the machine has") { check_own_msrs(); }
RULE_ROOT_GUEST(T22_4_g, "the root has MSRs that are not virtualized") { check_own_msrs(); }
