/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapter 14 as only a running guest sees it: interrupts that are taken, and the monitor page while a VP runs. */
#include "../ipc.h"
#include "hv/time.h"
#include "machine.h"

static volatile unsigned taken, other_taken;
static volatile uint32_t in_service;   /* as the handler finds it: ISR bit of its vector */
static bool no_eoi;

static void on_vector(struct frame *f)
{
	(void)f;
	in_service = apic_bit(APIC_ISR, VECTOR);
	taken++;
	if (!no_eoi)
		apic_eoi();
}

static void on_other(struct frame *f)
{
	(void)f;
	other_taken++;
	apic_eoi();
}

static void listen(void)
{
	synic_on(0);
	make_messages(MESSAGES, 0, SINT);
	make_events(EVENTS, 0, OTHER_SINT);
	handler[VECTOR] = on_vector;
	handler[OTHER_VECTOR] = on_other;
	taken = other_taken = 0;
	no_eoi = false;
}

static void must_post(uint64_t first)
{
	check_status(post(MESSAGES, first), HV_STATUS_SUCCESS);
}

static void must_signal(void)
{
	check_status(signal_flag(EVENTS, 0), HV_STATUS_SUCCESS);
}

static void clear_flag(void)
{
	uint8_t *byte = (uint8_t *)(unsigned long)(flags_page(0) + OTHER_SINT * 256 + EVENTS / 8);

	asm volatile("lock andb %1, %0" : "+m"(*byte) : "q"((uint8_t)~(1 << EVENTS % 8)));
}

RULE_GUEST(T14_2_4_r, "the interrupt is taken by priority, and with RFLAGS.IF only")
{
	listen();
	must_post(1);
	check_value(taken, 0, "interrupts with IF clear");
	apic_write(APIC_TPR, VECTOR & 0xf0);
	open_gate();
	check_value(taken, 0, "interrupts below the task's priority");
	apic_write(APIC_TPR, (VECTOR & 0xf0) - 0x10);
	open_gate();
	check_value(taken, 1, "interrupts above it");
	apic_write(APIC_TPR, 0);
}

RULE_GUEST(T14_3_1_h, "an event's interrupt is taken by priority, and with RFLAGS.IF only")
{
	listen();
	must_signal();
	check_value(other_taken, 0, "interrupts with IF clear");
	apic_write(APIC_TPR, OTHER_VECTOR & 0xf0);
	open_gate();
	check_value(other_taken, 0, "interrupts below the task's priority");
	apic_write(APIC_TPR, 0);
	open_gate();
	check_value(other_taken, 1, "interrupts above it");
}

RULE_GUEST(T14_2_4_u, "a write of the APIC's EOI register looks at the queue")
{
	listen();
	no_eoi = true;
	must_post(1);
	must_post(2);
	open_gate();
	check_value(taken, 1, "interrupts");
	empty_slot(SINT);
	apic_eoi();
	check_slot(2);
	no_eoi = false;
}

RULE_GUEST(T14_2_4_w, "each message that is delivered later interrupts again")
{
	listen();
	for (unsigned i = 0; i < 5; i++)
		must_post(i);
	for (unsigned i = 0; i < 5; i++) {
		open_gate();
		check_value(taken, i + 1, "interrupts");
		empty_slot(SINT);
		eom();
	}
	open_gate();
	check_value(taken, 5, "interrupts in all");
}

RULE_GUEST(T14_2_5_a, "emptying the slot, then EOI, brings the next message without EOM")
{
	listen();
	no_eoi = true;
	for (unsigned i = 0; i < 4; i++)
		must_post(i);
	for (unsigned i = 0; i < 4; i++) {
		open_gate();
		check_value(taken, i + 1, "interrupts");
		check_slot(i);
		empty_slot(SINT);
		apic_eoi();
	}
	check_slot_empty(SINT);
	no_eoi = false;
}

RULE_GUEST(T14_3_2_a, "a flag that was cleared interrupts again")
{
	listen();
	for (unsigned i = 1; i <= 3; i++) {
		must_signal();
		must_signal();
		open_gate();
		check_value(other_taken, i, "interrupts");
		clear_flag();
	}
	must_signal();
	open_gate();
	must_signal();
	open_gate();
	check_value(other_taken, 4, "interrupts with the flag not cleared");
}

RULE_GUEST(T14_6_5_e, "with AutoEOI the interrupt is over when it is taken")
{
	listen();
	no_eoi = true;
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_AUTO_EOI);
	for (unsigned i = 0; i < 3; i++) {
		must_post(i);
		open_gate();
		check_value(taken, i + 1, "interrupts without an EOI");
		check_value(in_service, 0, "ISR bit in the handler");
		empty_slot(SINT);
	}
	no_eoi = false;
}

RULE_GUEST(T14_6_5_f, "AutoEOI switched on leaves an interrupt in service to its EOI")
{
	listen();
	no_eoi = true;
	must_post(1);
	open_gate();
	check_value(in_service, 1, "ISR bit in the handler");
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_AUTO_EOI);
	check_that(apic_bit(APIC_ISR, VECTOR), "it is over");
	apic_eoi();
	check_that(!apic_bit(APIC_ISR, VECTOR), "it is not over behind the EOI");
	no_eoi = false;
}

RULE_GUEST(T14_6_5_g, "AutoEOI switched off leaves what was taken over")
{
	listen();
	no_eoi = true;
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR | HV_SINT_AUTO_EOI);
	must_post(1);
	open_gate();
	check_value(taken, 1, "interrupts");
	set_msr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	check_that(!apic_bit(APIC_ISR, VECTOR), "it is in service");
	empty_slot(SINT);
	must_post(2);
	open_gate();
	check_value(taken, 2, "interrupts");
	check_value(in_service, 1, "ISR bit in the handler of the next");
	apic_eoi();
	no_eoi = false;
}

/* ---- the monitor page ---- */

static volatile struct hv_monitor_page *monitor(void)
{
	return (volatile struct hv_monitor_page *)(unsigned long)(GUEST_MONITOR + PAGE);
}

RULE_GUEST(T14_5_b, "triggers are looked at while the VP runs, and while it sleeps")
{
	volatile struct hv_monitor_page *m = monitor();

	listen();
	m->parameter[2][4].connection_id = EVENTS;
	m->latency[2][4] = 5000;
	m->state = 1 << 2;
	for (unsigned i = 1; i <= 20; i++) {
		asm volatile("lock btsl $4, %0" : "+m"(m->group[2].pending));
		sti();
		if (i & 1)
			check_that(WAIT_FOR(other_taken == i), "interrupt %u does not come to a VP that runs", i);
		else
			while (other_taken < i)
				asm volatile("cli; cmp %1, %0; jae 1f; sti; hlt; 1: sti" : : "m"(other_taken), "r"(i) : "cc");
		cli();
		clear_flag();
	}
	check_value(other_taken, 20, "interrupts");
	check_value(m->group[2].pending, 0, "pending word");
	check_value(m->state, 1 << 2, "state of the page");
	m->state = 0;
}

/* How long 20 triggers take to be seen, in units of 100 ns, with this latency. */
static uint64_t time_of_triggers(uint16_t latency)
{
	volatile struct hv_monitor_page *m = monitor();
	uint64_t sum = 0;

	m->latency[1][0] = latency;
	m->parameter[1][0].connection_id = EVENTS;
	m->state = 1 << 1;
	for (unsigned i = 0; i < 20; i++) {
		uint64_t start = rdmsr(HV_X64_MSR_TIME_REF_COUNT);

		asm volatile("lock btsl $0, %0" : "+m"(m->group[1].pending));
		check_that(WAIT_FOR(!m->group[1].pending), "a trigger is not seen");
		sum += rdmsr(HV_X64_MSR_TIME_REF_COUNT) - start;
	}
	m->state = 0;
	return sum;
}

RULE_GUEST(T14_8_10_d, "triggers are looked at about as often as the lowest latency of their group says")
{
	uint64_t often = 1, seldom = 0;

	listen();
	monitor()->latency[1][31] = 60000;     /* a higher one does not matter */
	/* The host may be busy: until it is not. */
	for (unsigned i = 0; i < 20 && seldom < 3 * often; i++) {
		seldom = time_of_triggers(50000);
		often = time_of_triggers(1000);
	}
	check_that(seldom >= 3 * often, "latency 1000 takes %u, latency 50000 %u units", (unsigned)often, (unsigned)seldom);
	monitor()->latency[1][31] = 0;
}

/* ---- timer messages (16.4.1) ---- */

static uint64_t now(void) { return rdmsr(HV_X64_MSR_TIME_REF_COUNT); }

static void start_timer(unsigned n, uint64_t count)
{
	set_msr(HV_X64_MSR_STIMER0_COUNT + 2 * n, count);
	set_msr(HV_X64_MSR_STIMER0_CONFIG + 2 * n, HV_TIMER_ENABLE | (uint64_t)SINT << HV_TIMER_SINT_SHIFT);
}

static struct hv_timer_message await_timer(void)
{
	struct hv_message m;
	struct hv_timer_message t;

	check_that(WAIT_FOR(slot(SINT).type), "no message");
	m = slot(SINT);
	memcpy(&t, m.payload, sizeof t);
	return t;
}

RULE_GUEST(T16_4_1_a, "the message has the timer's number, which tells timers of one SINT apart")
{
	unsigned seen = 0;

	listen();
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++)
		start_timer(n, 1 + n);
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		struct hv_timer_message t = await_timer();

		check_that(t.timer < HV_TIMER_COUNT, "timer %u", t.timer);
		seen |= 1u << t.timer;
		empty_slot(SINT);
		eom();
	}
	check_value(seen, 0xf, "timers that were seen");
}

RULE_GUEST(T16_4_1_b, "ExpirationTime is when the timer was due")
{
	uint64_t due;

	listen();
	due = now() + 30000;
	start_timer(0, due);
	check_value(await_timer().expiration, due, "ExpirationTime");
	empty_slot(SINT);
	start_timer(1, 77);     /* long ago */
	check_value(await_timer().expiration, 77, "ExpirationTime of one in the past");
}

RULE_GUEST(T16_4_1_c, "DeliveryTime is when the message reached its slot, though it waited in the queue")
{
	struct hv_timer_message t;
	uint64_t freed;

	listen();
	must_post(1);
	start_timer(0, 1);
	pm_delay(20);
	freed = now();
	empty_slot(SINT);
	eom();
	t = await_timer();
	check_that(t.delivery >= freed, "%u units before the slot was free", (unsigned)(freed - t.delivery));
	check_that(t.delivery <= now(), "it is in the future");
}

RULE_GUEST(T16_4_1_d, "DeliveryTime is not before ExpirationTime")
{
	listen();
	for (unsigned i = 0; i < 20; i++) {
		struct hv_timer_message t;

		start_timer(i % HV_TIMER_COUNT, now() + 500 * i);
		t = await_timer();
		check_that(t.delivery >= t.expiration, "message %u: %u units before", i, (unsigned)(t.expiration - t.delivery));
		empty_slot(SINT);
		eom();
	}
}

/* ---- two processors ---- */

#ifdef __x86_64__
static volatile bool neighbours;

/* Locks the flag's neighbours up and down, which are in the same word. */
static void lock_neighbours(unsigned cpu)
{
	uint32_t *word = (uint32_t *)(flags_page(0) + OTHER_SINT * 256 + EVENTS / 32 * 4);

	(void)cpu;
	while (neighbours) {
		__atomic_fetch_xor(word, 1u << 3, __ATOMIC_SEQ_CST);
		__atomic_fetch_xor(word, 1u << 30, __ATOMIC_SEQ_CST);
	}
}

RULE_GUEST(T14_3_1_a, "a flag is set atomically: neither it nor a locked neighbour is lost")
{
	volatile uint32_t *word = (volatile uint32_t *)(flags_page(0) + OTHER_SINT * 256 + EVENTS / 32 * 4);
	uint32_t flag = 1u << EVENTS % 32;
	unsigned lost = 0;

	as_vp(1);
	as_vp(0);
	listen();
	neighbours = true;
	smp_run(1, lock_neighbours);
	for (unsigned i = 0; i < 3000; i++) {
		lost += signal_flag(EVENTS, 0).value != HV_STATUS_SUCCESS;
		lost += !(__atomic_fetch_and(word, ~flag, __ATOMIC_SEQ_CST) & flag);
	}
	neighbours = false;
	check_that(smp_wait(1), "processor 1 does not end");
	check_value(lost, 0, "flags that were lost");
	/* Each neighbour was changed an even or an odd number of times, both as often. */
	check_that(!(*word & 1u << 3) == !(*word & 1u << 30), "a neighbour is lost: 0x%x", *word);
}

static volatile uint64_t seen;

static void read_page(unsigned cpu)
{
	(void)cpu;
	seen = *(volatile uint64_t *)(message_page(0) + SINT * 256 + 16);
}

RULE_GUEST(T14_7_g, "a VP may look at another's page")
{
	as_vp(1);
	as_vp(0);
	listen();
	must_post(0x1234567);
	smp_run(1, read_page);
	check_that(smp_wait(1), "processor 1 does not answer");
	check_value(seen, 0x1234567, "first word of the message");
}
#endif
