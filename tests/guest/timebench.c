/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How punctual synthetic timers are, whether ticks get lost, and how the reference clock runs: `make
 * bench-time`.
 *
 * rounds=N: one-shot timers, directly and by message, while the processor sleeps and while it does not; how late
 * their handlers begin.  It is also a test that they come.
 * serve=1: two periodic timers of a millisecond, one each way, and requests on the serial port (one letter):
 *	t	'!' at once, then the clocks as they were when the letter came: "time PAGE MSR TSC"
 *	q	"ticks message COUNT LOST direct COUNT LOST late WORST", and the end
 * all in units of 100 ns, hexadecimal.
 */
#include "hv/msr.h"
#include "hv/synic.h"
#include "hv/time.h"
#include "lib/guest.h"

enum { ROUNDS_MAX = 4000, SINT = 4, MESSAGE = 0x61, DIRECT = 0x62, SERIAL = 0x63, PERIOD = 10000 };
enum { COM1 = 0x3f8, IER = 1, MCR = 4, LSR = 5, PIN = 4, RTE_MASKED = 1 << 16 };
#define CONFIG HV_X64_MSR_STIMER0_CONFIG
#define COUNT HV_X64_MSR_STIMER0_COUNT
#define BY_MESSAGE (HV_TIMER_AUTO_ENABLE | (uint64_t)SINT << HV_TIMER_SINT_SHIFT)
#define BY_VECTOR (HV_TIMER_AUTO_ENABLE | HV_TIMER_DIRECT | (uint64_t)DIRECT << HV_TIMER_VECTOR_SHIFT)

static volatile uint64_t tsc_page[PAGE / 8] __attribute__((aligned(PAGE)));
static struct hv_message_page messages __attribute__((aligned(PAGE)));
static uint64_t sample[ROUNDS_MAX];

static uint64_t now(void)
{
	return (uint64_t)((unsigned __int128)rdtsc() * tsc_page[1] >> 64) + tsc_page[2];
}

/* ---- handlers ---- */

/* Of one way: how many came, the last one's schedule, when its handler began. */
static volatile struct {
	uint64_t count, first, last, seen;
} come[2];
static volatile uint64_t worst;

static void on_direct(struct frame *f)
{
	(void)f;
	come[1].seen = now();
	come[1].count++;
	apic_eoi();
}

static void on_message(struct frame *f)
{
	volatile struct hv_message *m = &messages.slot[SINT];
	struct hv_timer_message t;

	(void)f;
	come[0].seen = now();
	if (m->type) {
		memcpy(&t, (const void *)m->payload, sizeof t);
		come[0].last = t.expiration;
		if (!come[0].count)
			come[0].first = t.expiration;
		come[0].count++;
		if (come[0].seen - t.expiration > worst)
			worst = come[0].seen - t.expiration;
		__atomic_store_n((uint32_t *)&m->type, 0, __ATOMIC_SEQ_CST);
		if (m->flags & HV_MESSAGE_FLAG_PENDING)
			wrmsr(HV_X64_MSR_EOM, 0);
	}
	apic_eoi();
}

static void sleep(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* ---- latency ---- */

static void print_us(const char *what, uint64_t units)
{
	print(" %s %u.%u", what, (unsigned)(units / 10), (unsigned)(units % 10));
}

/* Distances from 1 to 5 ms, never the same twice in a row. */
static void latency(unsigned way, bool idle, unsigned rounds, const char *what)
{
	unsigned good = 0;

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t before = come[way].count, due = now() + 10000 + i * 7919 % 40000;

		wrmsr(CONFIG, way ? BY_VECTOR : BY_MESSAGE);
		wrmsr(COUNT, due);
		if (idle) {
			while (come[way].count == before)
				sleep();
		} else {
			sti();
			WAIT_FOR(come[way].count != before);
			cli();
		}
		good += come[way].seen >= due;
		sample[i] = come[way].seen - due;
	}
	check(good == rounds, "%s: all come, none early", what);
	sort(sample, rounds);
	print("# us from expiration to handler:");
	print_us("median", sample[rounds / 2]);
	print_us("95 %", sample[rounds - 1 - rounds / 20]);
	print_us("99 %", sample[rounds - 1 - rounds / 100]);
	print_us("worst", sample[rounds - 1]);
	print(" (%s)\n", what);
}

/* ---- service ---- */

static volatile char asked;
static volatile uint64_t at_page, at_msr, at_tsc;

static void on_serial(struct frame *f)
{
	(void)f;
	/* One letter comes at a time. */
	if (inb(COM1 + LSR) & 1) {
		at_page = now();
		at_msr = rdmsr(HV_X64_MSR_TIME_REF_COUNT);
		at_tsc = rdtsc();
		asked = (char)inb(COM1);
		if (asked == 't')
			outb(COM1, '!');
	}
	apic_eoi();
}

static void listen_serial(void)
{
	handler[SERIAL] = on_serial;
	ioapic_write(0x10 + 2 * PIN, RTE_MASKED);
	ioapic_write(0x11 + 2 * PIN, apic_read(APIC_ID) & 0xff000000);
	ioapic_write(0x10 + 2 * PIN, SERIAL);
	outb(COM1 + MCR, 0xb);
	outb(COM1 + IER, 1);
}

/* Reference times by which both timers were started, and stopped. */
static void ticks_report(uint64_t started, uint64_t stopped)
{
	/* What was due by the clock. */
	uint64_t due = (stopped - started) / PERIOD;

	print("ticks message %llx %llx direct %llx %llx late %llx\n", (unsigned long long)come[0].count,
	      (unsigned long long)((come[0].last - come[0].first) / PERIOD + 1 - come[0].count),
	      (unsigned long long)come[1].count, (unsigned long long)(due > come[1].count ? due - come[1].count : 0),
	      (unsigned long long)worst);
}

/* Until neither timer is late and neither is near its next tick. */
static void wait_between_ticks(uint64_t started)
{
	do {
		sleep();
		for (uint64_t since = now(); now() - since < PERIOD / 8;) {
			sti();
			pause_cpu();
			cli();
		}
	} while (come[0].seen - come[0].last > PERIOD / 8 || (now() - started) % PERIOD > PERIOD / 2);
}

static void serve(void)
{
	uint64_t started;

	listen_serial();
	for (unsigned way = 0; way < 2; way++)
		come[way].count = 0;
	wrmsr(CONFIG, HV_TIMER_PERIODIC | BY_MESSAGE);
	wrmsr(COUNT, PERIOD);
	wrmsr(CONFIG + 2, HV_TIMER_PERIODIC | BY_VECTOR);
	wrmsr(COUNT + 2, PERIOD);
	started = now();
	print("serving\n");
	while (asked != 'q') {
		asked = 0;
		while (!asked)
			sleep();
		if (asked == 't')
			print("time %llx %llx %llx\n", (unsigned long long)at_page, (unsigned long long)at_msr,
			      (unsigned long long)at_tsc);
	}
	wait_between_ticks(started);
	ticks_report(started, now());
	wrmsr(CONFIG, 0);
	wrmsr(CONFIG + 2, 0);
}

void guest_main(void)
{
	unsigned rounds = (unsigned)guest_option("rounds", 1000);

	if (rounds < 20 || rounds > ROUNDS_MAX)
		guest_die("rounds=%u: takes 20 to %u", rounds, ROUNDS_MAX);
	apic_enable();
	handler[MESSAGE] = on_message;
	handler[DIRECT] = on_direct;
	wrmsr(HV_X64_MSR_GUEST_OS_ID, 0x8100000000000000ull);
	wrmsr(HV_X64_MSR_REFERENCE_TSC, (uint64_t)tsc_page | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SIMP, (uint64_t)&messages | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SINT0 + SINT, MESSAGE);
	wrmsr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
	if (guest_option("serve", 0)) {
		serve();
		return;
	}
	latency(1, true, rounds, "direct timer, processor asleep");
	latency(0, true, rounds, "timer's message, processor asleep");
	latency(1, false, rounds / 4, "direct timer, processor busy");
	latency(0, false, rounds / 4, "timer's message, processor busy");
}
