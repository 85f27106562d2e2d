/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chapters 10, 11 and 13 as a running guest sees them: sleep, time, ports, exceptions, interrupts. */
#include "hv/interrupt.h"
#include "hv/msr.h"
#include "machine.h"

enum { LOW = RULE_VECTORS - 0x10 + 1, MIDDLE = RULE_VECTORS + 1, HIGH = RULE_VECTORS + 0x11 };
enum { TIMER_DIVIDE_BY_1 = 0xb };

static volatile unsigned taken[256];
static void (*in_handler)(unsigned vector);

static void on_vector(struct frame *f)
{
	taken[f->vector]++;
	in_handler((unsigned)f->vector);
}

static void end_it(unsigned vector)
{
	(void)vector;
	apic_eoi();
}

static void listen(void (*then)(unsigned vector))
{
	static const uint8_t vectors[] = { LOW, MIDDLE, HIGH };

	apic_enable();
	in_handler = then;
	for (unsigned i = 0; i < sizeof vectors; i++) {
		handler[vectors[i]] = on_vector;
		taken[vectors[i]] = 0;
	}
}

static void send_self(unsigned vector)
{
	apic_send(0, ICR_SELF | ICR_ASSERT | vector);
}

/* ---- 10.1.4: idle sleep ---- */

/* The APIC's timer, once, in about 20 ms. */
static void start_timer(void)
{
	uint64_t hz = msr_of(HV_X64_MSR_APIC_FREQUENCY);

	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	apic_write(APIC_LVT_TIMER, MIDDLE);
	apic_write(APIC_TIMER_INITIAL, (uint32_t)hz / 50);
}

static uint64_t now(void) { return msr_of(HV_X64_MSR_TIME_REF_COUNT); }

RULE_GUEST(T10_1_4_a, "a read of the idle MSR sleeps until an interrupt comes")
{
	uint64_t before;

	listen(end_it);
	before = now();
	start_timer();
	msr_of(HV_X64_MSR_GUEST_IDLE);
	check_that(now() - before > 150000, "it slept %u units of 100 ns", (unsigned)(now() - before));
}

RULE_GUEST(T10_1_4_b, "an interrupt ends the idle sleep with RFLAGS.IF clear and set")
{
	listen(end_it);
	start_timer();
	msr_of(HV_X64_MSR_GUEST_IDLE);
	check_that(apic_bit(APIC_IRR, MIDDLE), "IF clear: nothing is requested");
	sti();
	pause_cpu();
	start_timer();
	msr_of(HV_X64_MSR_GUEST_IDLE);
	cli();
	check_value(taken[MIDDLE], 2, "interrupts");
}

RULE_GUEST(T10_1_4_c, "with interrupts off the VP goes on behind the RDMSR and the interrupt stays pending")
{
	listen(end_it);
	send_self(MIDDLE);
	msr_of(HV_X64_MSR_GUEST_IDLE);
	check_value(taken[MIDDLE], 0, "interrupts taken");
	check_that(apic_bit(APIC_IRR, MIDDLE), "it does not wait any more");
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts taken when they are let in");
}

RULE_GUEST(T10_1_4_f, "the idle MSR reads as 0")
{
	listen(end_it);
	send_self(MIDDLE);
	check_value(msr_of(HV_X64_MSR_GUEST_IDLE), 0, "value");
}

/* ---- 10.1.6 ---- */

RULE_GUEST(T10_1_6_b, "the APIC's id may be written, the initial id stays")
{
	uint32_t id = apic_read(APIC_ID), initial = cpuid(1, 0).b >> 24;

	apic_write(APIC_ID, 0x5a000000);
	check_value(cpuid(1, 0).b >> 24, initial, "leaf 1 EBX 31:24");
	apic_write(APIC_ID, id);
}

/* ---- 10.3.2 ---- */

RULE_GUEST(T10_3_2_a, "the run time grows while the VP runs")
{
	uint64_t before = msr_of(HV_X64_MSR_VP_RUNTIME);

	pm_delay(50);
	check_that(msr_of(HV_X64_MSR_VP_RUNTIME) > before, "it does not");
}

RULE_GUEST(T10_3_2_b, "the run time does not decrease, and stands while the VP waits")
{
	uint64_t run, before;

	listen(end_it);
	run = msr_of(HV_X64_MSR_VP_RUNTIME);
	before = now();
	for (unsigned i = 0; i < 4; i++) {
		start_timer();
		msr_of(HV_X64_MSR_GUEST_IDLE);
		open_gate();
	}
	run = msr_of(HV_X64_MSR_VP_RUNTIME) - run;
	before = now() - before;
	check_that(run < before / 2, "%u of %u units", (unsigned)run, (unsigned)before);
	for (unsigned i = 0; i < 1000; i++) {
		run = msr_of(HV_X64_MSR_VP_RUNTIME);
		check_that(msr_of(HV_X64_MSR_VP_RUNTIME) >= run, "it decreases");
	}
}

/* ---- 10.3.3: NMI ---- */

static volatile unsigned nmis, nmis_inside;

static void on_nmi(struct frame *f)
{
	(void)f;
	if (nmis++)
		return;
	apic_send(0, ICR_NMI | ICR_ASSERT);
	for (unsigned i = 0; i < 100; i++)
		pause_cpu();
	nmis_inside = nmis;
}

static void nmi_in_nmi(void)
{
	apic_enable();
	handler[NMI] = on_nmi;
	nmis = nmis_inside = 0;
	apic_send(0, ICR_NMI | ICR_ASSERT);
	for (unsigned i = 0; i < 100; i++)
		pause_cpu();
	handler[NMI] = NULL;
}

RULE_GUEST(T10_3_3_c, "an NMI masks others until IRET")
{
	nmi_in_nmi();
	check_value(nmis_inside, 1, "NMIs before IRET");
}

RULE_GUEST(T10_3_3_d, "an NMI that comes while they are masked waits, and comes behind the IRET")
{
	nmi_in_nmi();
	check_value(nmis, 2, "NMIs");
}

RULE_GUEST(T13_3_2_a, "an NMI is taken with interrupts off")
{
	nmi_in_nmi();
	check_that(nmis > 0 && !(read_flags() & F_IF), "%u NMIs", nmis);
}

/* ---- 11 ---- */

RULE_GUEST(T11_3_b, "the platform id MSR can be read, and says the same on all VPs")
{
	uint64_t id, other;

	check_that(read_msr(0x17, &id), "#GP");
	as_vp(1);
	check_that(read_msr(0x17, &other), "#GP on VP 1");
	check_value(other, id, "on VP 1");
}

static void check_ud(const char *what)
{
	check_that(event.count == 1 && event.vector == UD, "%s: %u exceptions, vector %u", what, event.count, event.vector);
}

RULE_GUEST(T11_6_a, "there is no SMM: RSM is #UD")
{
	TRY("rsm", : : : "cc");
	check_ud("RSM");
}

RULE_GUEST(T11_7_c, "the TSC never jumps back, nor by a second")
{
	uint64_t last = rdtsc(), hz = msr_of(HV_X64_MSR_TSC_FREQUENCY);

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t t = rdtsc();

		check_that(t >= last && t - last < 10 * hz, "from 0x%llx to 0x%llx", (unsigned long long)last, (unsigned long long)t);
		last = t;
	}
}

/* ---- 11.9: ports ---- */

enum { NO_PORT = 0x9a0 };

RULE_GUEST(T11_9_c, "IN from a port that nobody has gives ones, OUT does nothing, strings likewise")
{
	uint32_t word[3] = { 0x11223344, 0x11223344, 0x11223344 };
	void *p = word;
	unsigned long count = 2;
	unsigned long ax = 0x11223344;

	asm volatile("inb %%dx, %%al" : "+a"(ax) : "d"(NO_PORT));
	check_value(ax, 0x112233ff, "AL");
	ax = 0x11223344;
	asm volatile("inw %%dx, %%ax" : "+a"(ax) : "d"(NO_PORT));
	check_value(ax, 0x1122ffff, "AX");
	check_value(inl(NO_PORT), 0xffffffff, "EAX");
	outb(NO_PORT, 0);
	outw(NO_PORT, 0);
	outl(NO_PORT, 0);
	asm volatile("cld; rep insl" : "+D"(p), "+c"(count) : "d"(NO_PORT) : "memory");
	check_that(word[0] == 0xffffffff && word[1] == 0xffffffff && word[2] == 0x11223344 && p == word + 2, "INS");
	p = word;
	count = 3;
	asm volatile("cld; rep outsl" : "+S"(p), "+c"(count) : "d"(NO_PORT) : "memory");
	check_that(p == word + 3 && !count, "OUTS");
	check_value(inl(NO_PORT), 0xffffffff, "afterwards");
}

CODE(user_in, "movw $0x9a0, %dx; inb %dx, %al" USER_EXIT);

RULE_GUEST(T11_9_e, "a port that ring 3 may not use is #GP whoever has it")
{
	run_user(user_in, 0, 0);
	check_that(event.vector == GP && !event.error, "vector %u", event.vector);
	run_user(user_in, 0, F_IOPL);
	check_value(event.vector, USER_VECTOR, "with IOPL 3: vector");
}

/* ---- 11.12: exceptions ---- */

RULE_GUEST(T11_12_h, "exceptions are delivered, with their vector and error code")
{
	TRY("ud2", :);
	check_that(event.vector == UD && event.count == 1, "UD2: vector %u", event.vector);
	TRY("divl %0", : : "r"(0), "a"(1), "d"(0) : "cc");
	check_that(event.vector == DE && event.count == 1, "division by 0: vector %u", event.vector);
	TRY("rdmsr", : : "c"(0x12345) : "eax", "edx");
	check_that(event.vector == GP && event.count == 1 && !event.error, "unknown MSR: vector %u", event.vector);
	TRY("movw %w0, %%fs", : : "r"(SEL_LAST));
	check_that(event.vector == GP && event.error == (SEL_LAST & 0xfffc), "selector of nothing: error 0x%x", (unsigned)event.error);
}

CODE(user_order, "movl $0x40000000, %ecx; rdmsr" USER_EXIT);

RULE_GUEST(T11_12_i, "within one instruction exceptions come in their order: #UD of a prefix before all else, privilege before the MSR")
{
	TRY(".byte 0xf0; movl (%0), %%eax", : : "r"(~0ul) : "eax");
	check_that(event.vector == UD, "LOCK MOV from nowhere: vector %u", event.vector);
	run_user(user_order, 0, 0);
	check_that(event.vector == GP && !event.error, "RDMSR in ring 3: vector %u", event.vector);
}

/* ---- 13.2: the APIC's registers ---- */

RULE_GUEST(T13_2_a, "the APIC's registers are 32 bits wide at multiples of 16 and those of an xAPIC")
{
	check_value(apic_read(APIC_VERSION) & 0xf0, 0x10, "version 31:0, generation");
	check_that((apic_read(APIC_VERSION) >> 16 & 0xff) >= 3, "the last LVT entry");
	apic_write(APIC_TPR, 0xffffff35);
	check_value(apic_read(APIC_TPR), 0x35, "TPR");
	apic_write(APIC_TPR, 0);
	apic_write(APIC_DFR, 0);
	check_value(apic_read(APIC_DFR), 0x0fffffff, "DFR");
	apic_write(APIC_DFR, 0xffffffff);
}

RULE_GUEST(T13_2_2_a, "all forms of MOV reach the APIC's registers")
{
	volatile uint32_t *tpr = (volatile uint32_t *)(0xfee00000ul + APIC_TPR);
	uint32_t v;

	asm volatile("movl %1, %0" : "=m"(*tpr) : "r"(0x40));
	asm volatile("movl %1, %0" : "=r"(v) : "m"(*tpr));
	check_value(v, 0x40, "register");
	asm volatile("movl $0x50, %0" : "=m"(*tpr));
	asm volatile("movl 0xfee00080, %%eax" : "=a"(v));
	check_value(v, 0x50, "immediate, EAX");
	asm volatile("movl %%eax, 0xfee00080" : : "a"(0));
	check_value(apic_read(APIC_TPR), 0, "EAX to memory");
}

RULE_GUEST(T13_2_3_c, "MSR and memory show one state")
{
	set_msr(HV_X64_MSR_TPR, 0x25);
	check_value(apic_read(APIC_TPR), 0x25, "TPR in memory");
	apic_write(APIC_TPR, 0x15);
	check_value(msr_of(HV_X64_MSR_TPR), 0x15, "TPR as MSR");
	apic_write(APIC_TPR, 0);
	set_msr(HV_X64_MSR_ICR, 0x8000000000004855);
	check_value(apic_read(APIC_ICR2), 0x80000000, "ICR high in memory");
	check_value(apic_read(APIC_ICR) & ~ICR_PENDING, 0x4855, "ICR low in memory");
}

RULE_GUEST(T13_2_3_b, "the MSRs work, whatever is recommended")
{
	listen(end_it);
	set_msr(HV_X64_MSR_ICR, ICR_SELF | ICR_ASSERT | MIDDLE);
	check_that(apic_bit(APIC_IRR, MIDDLE), "ICR");
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts");
}

static void end_by_msr(unsigned vector)
{
	check_that(apic_bit(APIC_ISR, vector), "not in service");
	wrmsr(HV_X64_MSR_EOI, 0);
	check_that(!apic_bit(APIC_ISR, vector), "in service behind the EOI");
}

RULE_GUEST(T13_2_3_1_a, "a write of the EOI MSR ends the interrupt")
{
	listen(end_by_msr);
	send_self(MIDDLE);
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts");
}

RULE_GUEST(T13_2_3_2_b, "a write of the ICR MSR sends to the destination in it")
{
	listen(end_it);
	apic_write(APIC_ICR2, 0x7f000000);
	set_msr(HV_X64_MSR_ICR, ICR_ASSERT | MIDDLE);
	check_that(apic_bit(APIC_IRR, MIDDLE), "to APIC 0, in physical mode");
	open_gate();
	set_msr(HV_X64_MSR_ICR, 0x7f00000000000000 | ICR_ASSERT | MIDDLE);
	check_that(!apic_bit(APIC_IRR, MIDDLE), "to an APIC that is not there");
}

RULE_GUEST(T13_2_3_3_b, "a write of the TPR MSR sets TPR and CR8")
{
	set_msr(HV_X64_MSR_TPR, 0x5a);
	check_value(apic_read(APIC_TPR), 0x5a, "TPR");
#ifdef __x86_64__
	check_value(read_cr8(), 5, "CR8");
#endif
	set_msr(HV_X64_MSR_TPR, 0);
}

RULE_GUEST(T13_2_3_3_c, "a higher TPR holds interrupts of its class back, a lower one releases them")
{
	listen(end_it);
	set_msr(HV_X64_MSR_TPR, MIDDLE & 0xf0);
	send_self(MIDDLE);
	open_gate();
	check_value(taken[MIDDLE], 0, "interrupts of the same class");
	send_self(HIGH);
	open_gate();
	check_value(taken[HIGH], 1, "interrupts of a higher class");
	set_msr(HV_X64_MSR_TPR, (MIDDLE & 0xf0) - 0x10);
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts when it falls");
	set_msr(HV_X64_MSR_TPR, 0);
}

RULE_GUEST(T13_2_1_c, "the APIC sends no SMI: nothing comes of it")
{
	listen(end_it);
	apic_send(0, 0x200 | ICR_ASSERT | MIDDLE);
	open_gate();
	check_value(taken[MIDDLE], 0, "interrupts");
	check_that(!apic_bit(APIC_IRR, MIDDLE), "it is requested");
}

RULE_GUEST(T13_3_2_e, "a fixed interrupt sets the bit of its vector")
{
	listen(end_it);
	check_that(!apic_bit(APIC_IRR, HIGH), "before");
	apic_send(0, ICR_FIXED | ICR_ASSERT | HIGH);
	check_that(apic_bit(APIC_IRR, HIGH), "behind");
	check_that(!apic_bit(APIC_IRR, MIDDLE), "of another vector");
	open_gate();
	check_value(taken[HIGH], 1, "interrupts");
}

/* ---- 13.3.4: the assist page ---- */

static volatile uint32_t *assist;
static volatile uint32_t offered;   /* as the handler finds it */

static void assist_on(void (*then)(unsigned vector))
{
	listen(then);
	assist = (volatile uint32_t *)(unsigned long)test_page(3);
	offered = 0;
	set_msr(HV_X64_MSR_VP_ASSIST_PAGE, test_page(3) | HV_MSR_PAGE_ENABLE);
}

/* What Linux does: an EOI only if the bit is not there. */
static bool skip_eoi(void)
{
	uint32_t had;

	asm volatile("xorl %0, %0; lock btrl $0, %1; adcl $0, %0" : "=&r"(had), "+m"(*assist) : : "cc");
	return had;
}

static void look_and_end(unsigned vector)
{
	(void)vector;
	offered = *assist & HV_ASSIST_NO_EOI_REQUIRED;
	if (!skip_eoi())
		apic_eoi();
}

static void look_and_write(unsigned vector)
{
	(void)vector;
	offered = *assist & HV_ASSIST_NO_EOI_REQUIRED;
	apic_eoi();
}

RULE_GUEST(T13_3_4_1_d, "an interrupt alone sets bit 0")
{
	assist_on(look_and_end);
	send_self(MIDDLE);
	open_gate();
	check_value(offered, 1, "bit 0 in the handler");
}

RULE_GUEST(T13_3_4_1_g, "an interrupt whose bit the guest clears has ended without an EOI")
{
	assist_on(look_and_end);
	for (unsigned i = 0; i < 3; i++) {
		send_self(MIDDLE);
		open_gate();
	}
	check_value(taken[MIDDLE], 3, "interrupts");
	check_that(!apic_bit(APIC_ISR, MIDDLE), "it is in service");
}

static void with_lower_waiting(void)
{
	assist_on(look_and_end);
	send_self(HIGH);
	send_self(MIDDLE);
}

static volatile uint32_t offered_high;

static void look_by_vector(unsigned vector)
{
	look_and_end(vector);
	if (vector == HIGH)
		offered_high = offered;
}

RULE_GUEST(T13_3_4_1_e, "with a lower one waiting bit 0 is clear")
{
	with_lower_waiting();
	in_handler = look_by_vector;
	offered_high = 7;
	open_gate();
	check_value(offered_high, 0, "bit 0 in the handler of the higher one");
	check_value(offered, 1, "bit 0 in that of the lower");
	check_that(taken[HIGH] == 1 && taken[MIDDLE] == 1, "%u and %u interrupts", taken[HIGH], taken[MIDDLE]);
}

RULE_GUEST(T13_3_4_g, "an EOI is needed while a lower interrupt waits, and brings it")
{
	with_lower_waiting();
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts of the lower vector");
}

static void ask_lower(unsigned vector)
{
	if (vector == HIGH) {
		offered_high = *assist & HV_ASSIST_NO_EOI_REQUIRED;
		send_self(MIDDLE);
		/* Interrupts stay off: the bit must go all the same. */
		for (unsigned i = 0; i < 50; i++)
			pause_cpu();
	}
	look_and_end(vector);
	if (vector == HIGH)
		check_value(offered, 0, "bit 0 when the lower one was requested");
}

RULE_GUEST(T13_3_4_1_f, "a lower interrupt that is requested later takes bit 0 away")
{
	assist_on(ask_lower);
	send_self(HIGH);
	open_gate();
	check_value(offered_high, 1, "bit 0 at first");
	check_value(taken[MIDDLE], 1, "interrupts of the lower vector");
}

static void nest(unsigned vector)
{
	if (vector == MIDDLE) {
		send_self(HIGH);
		open_gate();
		offered = *assist & HV_ASSIST_NO_EOI_REQUIRED;
		check_value(offered, 0, "bit 0 in the outer handler");
		apic_eoi();
		return;
	}
	offered_high = *assist & HV_ASSIST_NO_EOI_REQUIRED;
	if (!skip_eoi())
		apic_eoi();
}

RULE_GUEST(T13_3_4_1_h, "of nested interrupts only the inner one can do without its EOI")
{
	assist_on(nest);
	send_self(MIDDLE);
	open_gate();
	check_value(offered_high, 1, "bit 0 in the inner handler");
	check_that(!apic_bit(APIC_ISR, MIDDLE) && !apic_bit(APIC_ISR, HIGH), "one is in service");
}

RULE_GUEST(T13_3_4_1_i, "an EOI that is written all the same ends one interrupt")
{
	assist_on(look_and_write);
	send_self(MIDDLE);
	open_gate();
	check_value(offered, 1, "bit 0 in the handler");
	check_that(!apic_bit(APIC_ISR, MIDDLE), "it is in service");
	send_self(MIDDLE);
	open_gate();
	check_value(taken[MIDDLE], 2, "interrupts");
}

static void disable_it(unsigned vector)
{
	(void)vector;
	wrmsr(HV_X64_MSR_VP_ASSIST_PAGE, 0);
	apic_eoi();
}

RULE_GUEST(T13_3_4_1_j, "the page can go while an interrupt is in service, and come while one waits")
{
	assist_on(disable_it);
	send_self(MIDDLE);
	open_gate();
	check_that(!apic_bit(APIC_ISR, MIDDLE), "it is in service");
	send_self(MIDDLE);
	assist_on(look_and_end);
	open_gate();
	check_value(taken[MIDDLE], 1, "interrupts that waited");
	check_value(offered, 1, "bit 0");
}
