/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Local APIC and the start of other processors. */
#include "guest.h"

enum { SVR_ENABLE = 0x100, SPURIOUS = 0xff, WAKE = 0xfe, TRAMPOLINE_PAGE = 8 };
enum { APIC_BASE_X2 = 0x400, X2_EOI = 0x80b, X2_ICR = 0x830 };

struct percpu percpu[CPU_MAX];
volatile unsigned cpu_count = 1;
void ap_c(unsigned cpu) __attribute__((noreturn));

static void spurious(struct frame *f) {}

void apic_enable(void)
{
	handler[SPURIOUS] = spurious;
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

static bool x2(void)
{
	return rdmsr(MSR_APIC_BASE) & APIC_BASE_X2;
}

void apic_eoi(void)
{
	if (x2())
		wrmsr(X2_EOI, 0);
	else
		apic_write(APIC_EOI, 0);
}

void apic_send(uint32_t apic_id, uint32_t command)
{
	if (x2()) {
		wrmsr(X2_ICR, (uint64_t)apic_id << 32 | command);
		return;
	}
	while (apic_read(APIC_ICR) & ICR_PENDING)
		pause_cpu();
	apic_write(APIC_ICR2, apic_id << 24);
	apic_write(APIC_ICR, command);
	while (apic_read(APIC_ICR) & ICR_PENDING)
		pause_cpu();
}

#ifdef __x86_64__
unsigned this_cpu(void)
{
	return rdmsr(MSR_GS_BASE);
}

static void wake(struct frame *f)
{
	apic_eoi();
}

void ap_c(unsigned cpu)
{
	struct percpu *p = &percpu[cpu];

	wrmsr(MSR_GS_BASE, cpu);
	apic_enable();
	p->apic_id = apic_read(APIC_ID) >> 24;
	p->started = 1;
	__atomic_fetch_add(&cpu_count, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		/* Halted, not spinning: there may be fewer host processors. */
		if (!p->run) {
			asm volatile("sti; hlt; cli" : : : "memory");
			continue;
		}
		p->run(cpu);
		p->run = NULL;
		__atomic_fetch_add(&p->done, 1, __ATOMIC_SEQ_CST);
	}
}

unsigned smp_start(unsigned want)
{
	handler[WAKE] = wake;
	wrmsr(MSR_GS_BASE, 0);
	apic_enable();
	percpu[0].apic_id = apic_read(APIC_ID) >> 24;
	percpu[0].started = 1;
	apic_send(0, ICR_OTHERS | ICR_INIT | ICR_ASSERT);
	pm_delay(10);
	apic_send(0, ICR_OTHERS | ICR_SIPI | ICR_ASSERT | TRAMPOLINE_PAGE);
	WAIT_FOR(cpu_count >= want);
	return cpu_count;
}

void smp_run(unsigned cpu, void (*fn)(unsigned cpu))
{
	percpu[cpu].done = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	percpu[cpu].run = fn;
	apic_send(percpu[cpu].apic_id, ICR_ASSERT | WAKE);
}

bool smp_wait(unsigned cpu)
{
	return WAIT_FOR(percpu[cpu].done);
}
#endif
