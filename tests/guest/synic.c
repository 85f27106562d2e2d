/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two processors with their SynICs, over hyperv-testdev: messages and events from one to the
 * other while the other clears them, with interrupts taken.  Nothing may be lost.
 */
#include "hv/cpuid.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/port.h"
#include "hv/status.h"
#include "hv/synic.h"
#include "lib/guest.h"

#define OS_ID 0x8100000000000000ull
enum { TESTDEV = 0x3000, ROUTE_CREATE = 1, ROUTE_SET_SINT = 3, MESSAGE_CREATE = 4, EVENT_CREATE = 6 };
enum { SINT = 8, EVENT_SINT = 9, ROUTE_SINT = 0, VECTOR = 0x61, EVENT_VECTOR = 0x62, ROUTE_VECTOR = 0x63,
       CONNECTION = 0x10, EVENT_CONNECTION = 0x20, MESSAGES = 300, EVENTS = 300 };

static uint8_t call_page[PAGE] __attribute__((aligned(PAGE)));
static struct hv_message_page message_page[2] __attribute__((aligned(PAGE)));
static struct hv_event_flags_page flags_page[2] __attribute__((aligned(PAGE)));
static struct hv_in_post_message post __attribute__((aligned(PAGE)));
static volatile unsigned received, wrong, interrupts, events, routed;
static volatile bool neighbours;

static uint64_t call(uint64_t control, uint64_t in)
{
	register uint64_t r8 asm("r8") = 0;
	uint64_t result;

	asm volatile("call *%1" : "=a"(result) : "r"(call_page), "c"(control), "d"(in), "r"(r8) : "memory", "cc");
	return result;
}

static void control(unsigned what, unsigned cpu, unsigned sint, unsigned connection)
{
	outl(TESTDEV, connection << 24 | what << 16 | cpu << 8 | sint);
}

/* As guests do it: copy, empty the slot, look at the pending flag. */
static void on_message(struct frame *f)
{
	volatile struct hv_message *m = &message_page[this_cpu()].slot[SINT];

	interrupts++;
	if (m->type) {
		wrong += m->type != 1 || m->payload[0] != received;
		received++;
		__atomic_exchange_n(&m->type, 0, __ATOMIC_SEQ_CST);
		if (m->flags & HV_MESSAGE_FLAG_PENDING)
			wrmsr(HV_X64_MSR_EOM, 0);
	}
	apic_eoi();
}

static void on_event(struct frame *f)
{
	uint32_t *word = &flags_page[this_cpu()].flags[EVENT_SINT][EVENT_CONNECTION / 32];

	if (__atomic_fetch_and(word, ~(1u << EVENT_CONNECTION % 32), __ATOMIC_SEQ_CST) & 1u << EVENT_CONNECTION % 32)
		events++;
	apic_eoi();
}

static void on_route(struct frame *f)
{
	routed++;
	apic_eoi();
}

static void set_up(unsigned cpu)
{
	wrmsr(HV_X64_MSR_SIMP, (uint64_t)&message_page[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SIEFP, (uint64_t)&flags_page[cpu] | HV_MSR_PAGE_ENABLE);
	wrmsr(HV_X64_MSR_SINT0 + SINT, VECTOR);
	wrmsr(HV_X64_MSR_SINT0 + EVENT_SINT, EVENT_VECTOR);
	wrmsr(HV_X64_MSR_SINT0 + ROUTE_SINT, ROUTE_VECTOR);
	wrmsr(HV_X64_MSR_SCONTROL, HV_SCONTROL_ENABLE);
}

/* Processor 1: takes interrupts, and locks a neighbour of the flag up and down. */
static void receive(unsigned cpu)
{
	uint32_t *word = &flags_page[cpu].flags[EVENT_SINT][EVENT_CONNECTION / 32];

	sti();
	while (neighbours) {
		__atomic_fetch_add(word, 2, __ATOMIC_SEQ_CST);
		__atomic_fetch_sub(word, 2, __ATOMIC_SEQ_CST);
	}
	cli();
}

static void post_one(unsigned n)
{
	uint64_t s;

	post = (struct hv_in_post_message){ .connection_id = CONNECTION, .message_type = 1, .payload_size = 8, .payload = { n } };
	do {
		s = call(HV_CALL_POST_MESSAGE, (uint64_t)&post);
	} while (s == HV_STATUS_INSUFFICIENT_BUFFERS);
	wrong += s != HV_STATUS_SUCCESS;
}

static void signal_one(unsigned n)
{
	unsigned before = events;

	wrong += call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, EVENT_CONNECTION) != HV_STATUS_SUCCESS;
	wrong += !WAIT_FOR(events == before + 1);
}

void guest_main(void)
{
	if (smp_start(2) < 2) {
		check(false, "two processors");
		return;
	}
	apic_enable();
	wrmsr(HV_X64_MSR_GUEST_OS_ID, OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, (uint64_t)call_page | HV_MSR_PAGE_ENABLE);
	handler[VECTOR] = on_message;
	handler[EVENT_VECTOR] = on_event;
	handler[ROUTE_VECTOR] = on_route;
	smp_run(1, set_up);
	smp_wait(1);
	control(ROUTE_CREATE, 1, ROUTE_SINT, 0);
	control(MESSAGE_CREATE, 1, SINT, CONNECTION);
	control(EVENT_CREATE, 1, EVENT_SINT, EVENT_CONNECTION);
	neighbours = true;
	smp_run(1, receive);
	control(ROUTE_SET_SINT, 1, ROUTE_SINT, 0);
	check(WAIT_FOR(routed == 1), "a route's bare interrupt");
	for (unsigned i = 0; i < MESSAGES; i++)
		post_one(i);
	check(WAIT_FOR(received == MESSAGES), "all messages arrive");
	check_eq(wrong, 0, "in order, as they were sent");      /* T14.2.3.f, T14.2.4.c */
	check_eq(interrupts, MESSAGES, "an interrupt each");     /* T14.2.4.m, T14.2.4.w */
	for (unsigned i = 0; i < EVENTS; i++)
		signal_one(i);
	check_eq(events, EVENTS, "all events arrive");           /* T14.3.2.a */
	check_eq(wrong, 0, "none is lost or refused");
	neighbours = false;
	smp_wait(1);
	check_eq(flags_page[1].flags[EVENT_SINT][EVENT_CONNECTION / 32], 0, "locked neighbours of the flag are whole");   /* T14.3.1.a */
}
