/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers and interrupt controllers.  Nothing here depends on how fast the host is:
 * only order, counts, and lower bounds by the guest's own clocks.
 */
#include "hv/msr.h"
#include "lib/guest.h"

enum { TIMER = 0x51, LOW = 0x52, HIGH = 0x71, HIGHER = 0x91, PIN = 0x61, PIC_BASE = 0x20 };
enum { LVT_MASKED = 1 << 16, LVT_PERIODIC = 1 << 17, LVT_DEADLINE = 2 << 17, LVT_EXTINT = 7 << 8 };
enum { RTE_LEVEL = 1 << 15, RTE_MASKED = 1 << 16, RTE_REMOTE_IRR = 1 << 14 };
enum { PIT_0 = 0x40, PIT_2 = 0x42, PIT_MODE = 0x43, SYSTEM_B = 0x61, PIT_HZ = 1193182 };
static volatile unsigned count;
static volatile uint64_t at_tsc;

static void count_eoi(struct frame *f)
{
	count = count + 1;
	at_tsc = rdtsc();
	apic_eoi();
}

/* The PM timer without its wrap-around: called more often than every 4 s. */
static uint64_t pm_long(void)
{
	static uint64_t high;
	static uint32_t last;
	uint32_t now = pm_time();

	high += (now - last) & 0xffffff;
	last = now;
	return high;
}

/* Ticks of the PM timer until @condition, at most 30 s. */
#define UNTIL(condition) ({ \
	uint64_t start_ = pm_long(), now_ = start_; \
	while (!(condition) && now_ - start_ < 30ull * PM_HZ) \
		now_ = pm_long(); \
	pm_long() - start_; })

static void pm_timer(void)
{
	uint32_t last = pm_time(), backwards = 0, moved = 0;

	for (unsigned n = 0; n < 20000; n++) {
		uint32_t now = pm_time(), step = (now - last) & 0xffffff;

		backwards += step > 0x7fffff;
		moved += step != 0;
		last = now;
	}
	check_eq(backwards, 0, "PM timer never goes back");
	check(moved > 10, "and moves");
}

static void one_shot(uint64_t hz)
{
	uint64_t start, took;

	handler[TIMER] = count_eoi;
	apic_write(APIC_TIMER_DIVIDE, 0xb);  /* by 1 */
	apic_write(APIC_LVT_TIMER, TIMER);
	count = 0;
	sti();
	start = pm_long();
	apic_write(APIC_TIMER_INITIAL, hz / 50);
	UNTIL(count);
	took = pm_long() - start;
	check_eq(count, 1, "APIC timer, one-shot: one interrupt");
	check(took >= PM_HZ / 50 * 99 / 100, "not before 20 ms by the PM timer (%lu ticks)", took);
	check_eq(apic_read(APIC_TIMER_CURRENT), 0, "current count is 0 then");
	pm_delay(50);
	check_eq(count, 1, "and no other comes");
	apic_write(APIC_TIMER_DIVIDE, 0x3);  /* by 16 */
	start = pm_long();
	apic_write(APIC_TIMER_INITIAL, hz / 50 / 16);
	UNTIL(count == 2);
	took = pm_long() - start;
	check(count == 2 && took >= PM_HZ / 50 * 99 / 100, "divided by 16: not before 20 ms");
	apic_write(APIC_TIMER_INITIAL, 0x7fffffff);
	check(apic_read(APIC_TIMER_CURRENT) <= 0x7fffffff && apic_read(APIC_TIMER_CURRENT) > 0x70000000, "current count runs down from the initial one");
	apic_write(APIC_TIMER_INITIAL, 0);
	check_eq(apic_read(APIC_TIMER_CURRENT), 0, "initial count 0 stops it");
	apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED);
	apic_write(APIC_TIMER_INITIAL, hz / 1000 / 16);
	pm_delay(20);
	check_eq(count, 2, "masked: no interrupt");
	cli();
}

static void periodic(uint64_t hz)
{
	uint64_t took;

	count = 0;
	apic_write(APIC_TIMER_DIVIDE, 0xb);
	apic_write(APIC_LVT_TIMER, TIMER | LVT_PERIODIC);
	sti();
	apic_write(APIC_TIMER_INITIAL, hz / 200);
	took = UNTIL(count >= 10);
	check(count >= 10, "APIC timer, periodic: it comes again");
	check(took >= 10 * (PM_HZ / 200) * 98 / 100, "10 periods of 5 ms take 50 ms at least (%lu ticks)", took);
	apic_write(APIC_TIMER_INITIAL, 0);
	cli();
	apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED);
}

static void deadline(void)
{
	uint64_t hz = rdmsr(HV_X64_MSR_TSC_FREQUENCY), when;

	if (!(cpuid(1, 0).c >> 24 & 1)) {
		check_skip("no TSC deadline", "TSC deadline");
		return;
	}
	count = 0;
	apic_write(APIC_LVT_TIMER, TIMER);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 1000);
	check_eq(rdmsr(MSR_TSC_DEADLINE), 0, "deadline is ignored in another mode");
	apic_write(APIC_LVT_TIMER, TIMER | LVT_DEADLINE);
	sti();
	when = rdtsc() + hz / 50;
	wrmsr(MSR_TSC_DEADLINE, when);
	check_eq(rdmsr(MSR_TSC_DEADLINE), when, "deadline reads back while armed");
	UNTIL(count);
	check(count == 1 && at_tsc >= when, "TSC deadline: one interrupt, not before it");
	check_eq(rdmsr(MSR_TSC_DEADLINE), 0, "then it is disarmed");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() - 1);
	UNTIL(count == 2);
	check_eq(count, 2, "a deadline that is over fires at once");
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + hz / 100);
	wrmsr(MSR_TSC_DEADLINE, 0);
	pm_delay(30);
	check_eq(count, 2, "0 disarms");
	apic_write(APIC_TIMER_INITIAL, 1000);
	check_eq(apic_read(APIC_TIMER_CURRENT), 0, "initial count is ignored in this mode");
	cli();
	apic_write(APIC_LVT_TIMER, TIMER | LVT_MASKED);
}

/* ---- priorities ---------------------------------------------------------------------------------------- */

static volatile unsigned order_count, order[8], ppr_seen;
static void note_order(struct frame *f)
{
	order[order_count++ & 7] = f->vector;
	apic_eoi();
}

static void self_ipi(unsigned vector) { apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | vector); }

static void nested(struct frame *f)
{
	order[order_count++ & 7] = f->vector;
	ppr_seen = apic_read(APIC_PPR);
	self_ipi(HIGHER);
	self_ipi(LOW);
	sti();
	asm volatile("nop; nop" : : : "memory");
	cli();
	order[order_count++ & 7] = 0;
	apic_eoi();
}

static void priorities(void)
{
	handler[LOW] = handler[HIGH] = handler[HIGHER] = note_order;
	order_count = 0;
	cli();
	self_ipi(LOW);
	self_ipi(HIGHER);
	self_ipi(HIGH);
	check(apic_bit(APIC_IRR, LOW) && apic_bit(APIC_IRR, HIGH) && apic_bit(APIC_IRR, HIGHER), "three wait in IRR");
	asm volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
	check(order_count == 3 && order[0] == HIGHER && order[1] == HIGH && order[2] == LOW, "and come by priority");
	order_count = 0;
	apic_write(APIC_TPR, 0x70);
	check_eq(apic_read(APIC_PPR), 0x70, "PPR is TPR while nothing is in service");
	check_eq(read_cr8(), 7, "CR8 is its upper half");
	self_ipi(HIGH);
	self_ipi(HIGHER);
	asm volatile("sti; nop; nop; cli" : : : "memory");
	check(order_count == 1 && order[0] == HIGHER, "TPR 70h lets 91h through and not 71h");
	write_cr8(6);
	check_eq(apic_read(APIC_TPR), 0x60, "CR8 writes TPR");
	asm volatile("sti; nop; nop; cli" : : : "memory");
	check(order_count == 2 && order[1] == HIGH, "a lower TPR lets 71h through");
	write_cr8(0);
	handler[HIGH] = nested;
	order_count = 0;
	self_ipi(HIGH);
	asm volatile("sti; nop; nop; nop; cli" : : : "memory");
	check(order_count == 4 && order[0] == HIGH && order[1] == HIGHER && order[2] == 0 && order[3] == LOW,
	      "in a handler: higher interrupts it, lower waits for its EOI");
	check_eq(ppr_seen, HIGH & 0xf0, "PPR in the handler is its class");
	check_eq(apic_read(APIC_PPR), 0, "and 0 after the EOI");
	handler[HIGH] = note_order;
	apic_write(APIC_SVR, apic_read(APIC_SVR));
	apic_write(APIC_ESR, 0);
	apic_write(APIC_ICR, ICR_SELF | ICR_ASSERT | 5);
	apic_write(APIC_ESR, 0);
	check_eq(apic_read(APIC_ESR) & 0x20, 0x20, "sending vector 5 sets 'send illegal vector' in ESR");
}

/* ---- 8254 ------------------------------------------------------------------------------------------------- */

static void pit_2(void)
{
	uint8_t old = inb(SYSTEM_B);
	uint64_t start, took;

	outb(SYSTEM_B, (old & ~2) & ~1);
	outb(PIT_MODE, 0xb0);  /* channel 2, both bytes, mode 0 */
	outb(PIT_2, 23863 & 0xff);
	outb(PIT_2, 23863 >> 8);
	start = pm_long();  /* before the count: the line that check_eq() prints takes its time */
	outb(SYSTEM_B, (old & ~2) | 1);
	check_eq(inb(SYSTEM_B) & 0x20, 0, "8254 channel 2, mode 0: output is low while it counts");
	UNTIL(inb(SYSTEM_B) & 0x20);
	took = pm_long() - start;
	check(inb(SYSTEM_B) & 0x20, "and goes high");
	check(took >= PM_HZ / 50 * 99 / 100, "not before 20 ms (%lu ticks)", took);
	outb(SYSTEM_B, old);
}

static void start_pit_0(unsigned hz)
{
	outb(PIT_MODE, 0x34);  /* channel 0, both bytes, mode 2 */
	outb(PIT_0, PIT_HZ / hz & 0xff);
	outb(PIT_0, PIT_HZ / hz >> 8);
}

static void stop_pit_0(void) { outb(PIT_MODE, 0x30); }

static volatile unsigned pic_isr;
static void pic_irq_0(struct frame *f)
{
	count = count + 1;
	outb(0x20, 0x0b);  /* OCW3: read ISR */
	pic_isr = inb(0x20);
	outb(0x20, 0x20);
}

static void ext_int(void)
{
	unsigned before;

	handler[PIC_BASE] = pic_irq_0;
	outb(0x20, 0x11); outb(0x21, PIC_BASE); outb(0x21, 4); outb(0x21, 1);
	outb(0xa0, 0x11); outb(0xa1, PIC_BASE + 8); outb(0xa1, 2); outb(0xa1, 1);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT);
	count = 0;
	start_pit_0(200);
	sti();
	UNTIL(count >= 10);
	check(count >= 10, "8254 channel 0 through the 8259 and LINT0 as ExtINT");
	check_eq(pic_isr, 1, "IRQ 0 is in service in the 8259");
	check(!apic_bit(APIC_ISR, PIC_BASE), "and not in the local APIC");
	outb(0x21, 0xff);
	before = count;
	pm_delay(30);
	check(count <= before + 1, "masked in the 8259 it stops");
	outb(0x21, 0xfe);
	apic_write(APIC_LVT_LINT0, LVT_EXTINT | LVT_MASKED);
	pm_delay(10);
	before = count;
	pm_delay(30);
	check_eq(count, before, "masked in LINT0 it stops");
	cli();
	outb(0x21, 0xff);
	stop_pit_0();
}

/* ---- I/O APIC ---------------------------------------------------------------------------------------------- */

static void route(unsigned pin, uint32_t low)
{
	ioapic_write(0x10 + 2 * pin, RTE_MASKED);
	ioapic_write(0x11 + 2 * pin, apic_read(APIC_ID) & 0xff000000);
	ioapic_write(0x10 + 2 * pin, low);
}

static void edge(void)
{
	unsigned before;

	handler[PIN] = count_eoi;
	count = 0;
	route(2, PIN);
	start_pit_0(200);
	sti();
	UNTIL(count >= 10);
	check(count >= 10, "8254 channel 0 on pin 2 of the I/O APIC, edge");
	check(!apic_bit(APIC_TMR, PIN), "TMR bit clear");
	route(2, PIN | RTE_MASKED);
	before = count;
	pm_delay(30);
	check(count <= before + 1, "masked it stops");
	cli();
	stop_pit_0();
}

enum { COM1 = 0x3f8, IER = 1, IIR = 2, MCR = 4 };
static volatile unsigned remote_irr, tmr, clear_after;
static void level_irq(struct frame *f)
{
	count = count + 1;
	remote_irr = ioapic_read(0x10 + 2 * 4) & RTE_REMOTE_IRR;
	tmr = apic_bit(APIC_TMR, PIN);
	/* The source goes away only at the third time. */
	if (count >= clear_after)
		outb(COM1 + IER, 0);
	apic_eoi();
}

static void level(void)
{
	handler[PIN] = level_irq;
	count = 0;
	clear_after = 3;
	route(4, PIN | RTE_LEVEL);
	outb(COM1 + MCR, 0xb);
	outb(COM1 + IER, 2);  /* transmitter empty: line is high until it is served */
	sti();
	UNTIL(count >= 3);
	pm_delay(10);
	cli();
	check_eq(count, 3, "level-triggered: again after each EOI until the line falls");
	check(remote_irr, "remote IRR is set while it is served");
	check(tmr, "TMR bit set");
	check_eq(ioapic_read(0x10 + 2 * 4) & RTE_REMOTE_IRR, 0, "remote IRR is clear after the last EOI");
	count = 0;
	clear_after = 1;
	route(4, PIN | RTE_LEVEL | RTE_MASKED);
	outb(COM1 + IER, 2);
	sti();
	pm_delay(10);
	check_eq(count, 0, "masked: none");
	route(4, PIN | RTE_LEVEL);
	UNTIL(count);
	cli();
	check_eq(count, 1, "a line that is high when the pin is unmasked interrupts");
	route(4, PIN | RTE_MASKED);
	outb(COM1 + IER, 0);
}

static volatile unsigned rtc_c;
static void rtc_irq(struct frame *f)
{
	outb(0x70, 0x0c);
	rtc_c |= inb(0x71);
	count = count + 1;
	apic_eoi();
}

static void rtc(void)
{
	uint64_t took;
	uint8_t a, b;

	outb(0x70, 0x0a);
	a = inb(0x71);
	outb(0x70, 0x0b);
	b = inb(0x71);
	handler[PIN] = rtc_irq;
	count = 0;
	route(8, PIN);
	outb(0x70, 0x0a);
	outb(0x71, (a & 0xf0) | 8);  /* 256 Hz */
	outb(0x70, 0x0c);
	inb(0x71);
	outb(0x70, 0x0b);
	outb(0x71, b | 0x40);
	sti();
	took = UNTIL(count >= 10);
	cli();
	check(count >= 10, "clock chip: periodic interrupts on pin 8");
	check(took >= 9 * (PM_HZ / 256) * 9 / 10, "10 at 256 Hz take 35 ms at least (%lu ticks)", took);
	check_eq(rtc_c & 0xc0, 0xc0, "register C says so");
	outb(0x70, 0x0b);
	outb(0x71, b);
	outb(0x70, 0x0c);
	inb(0x71);
	route(8, PIN | RTE_MASKED);
}

void guest_main(void)
{
	uint64_t hz = 1000000000;

	if (cpuid(0x40000000, 0).b == 0x7263694d)
		hz = rdmsr(HV_X64_MSR_APIC_FREQUENCY);
	apic_enable();
	pm_timer();
	one_shot(hz);
	periodic(hz);
	deadline();
	priorities();
	pit_2();
	ext_int();
	edge();
	level();
	rtc();
}
