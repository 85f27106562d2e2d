/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exceptions: what a test expects, what it does not, and the way to ring 3 and back. */
#include "guest.h"

struct event event;
unsigned long event_resume, event_start, event_sp;
handler_fn handler[256];
bool catch_all, ignore_nmi;
uint8_t user_stack[4096] __attribute__((aligned(16)));
uint64_t gdt[64] __attribute__((aligned(16)));
struct gate idt[256] __attribute__((aligned(16)));
struct tss tss __attribute__((aligned(16)));

/* start*.S: leaves the handler for what run_user() called from. */
extern unsigned long user_return_sp;
void user_return(void) __attribute__((noreturn));
void user_enter(const struct frame *f);
void trap(struct frame *f);
extern const char trap_stubs[];
enum { STUB_SIZE = 16 };

void event_clear(void)
{
	event = (struct event){ 0 };
}

static void record(struct frame *f)
{
	event.count++;
	event.vector = f->vector;
	event.error = f->error;
	event.cr2 = read_cr2();
	event.dr6 = f->vector == DB ? read_dr6() : 0;
	event.start = event_start;
	event.frame = *f;
}

#ifdef __x86_64__
static void resume(struct frame *f, unsigned long to)
{
	f->ip = to;
	f->sp = event_sp;
	f->cs = SEL_CODE;
	f->ss = SEL_DATA;
	f->flags &= ~(uint64_t)(F_TF | F_RF | F_NT | F_AC);
}
#else
extern unsigned long resume_ip, resume_flags;  /* start32.S: return there, with event_sp */

static void resume(struct frame *f, unsigned long to)
{
	resume_ip = to;
	resume_flags = f->flags & ~(uint32_t)(F_TF | F_RF | F_NT | F_AC | F_VM);
}
#endif

static bool from_user(const struct frame *f)
{
	return (f->cs & 3) == 3 || (sizeof(long) == 4 && (f->flags & F_VM));
}

void trap(struct frame *f)
{
	unsigned long to = event_resume;

	if (handler[f->vector]) {
		handler[f->vector](f);
		return;
	}
	if (user_return_sp && (catch_all || from_user(f))) {
		record(f);
		user_return();
	}
	if (f->vector == NMI && ignore_nmi)
		return;
	if (!to)
		guest_die("unexpected vector %lu, error 0x%lx, ip 0x%lx, cs 0x%lx, flags 0x%lx, cr2 0x%lx",
			  (unsigned long)f->vector, (unsigned long)f->error, (unsigned long)f->ip, (unsigned long)f->cs,
			  (unsigned long)f->flags, read_cr2());
	record(f);
	event_resume = 0;
	resume(f, to);
}

void set_gate(unsigned vector, unsigned long target, uint16_t selector, uint8_t type, uint8_t ist)
{
	struct gate *g = &idt[vector];

	g->word[0] = (target & 0xffff) | (uint32_t)selector << 16;
	g->word[1] = (target & 0xffff0000) | type << 8 | ist;
#ifdef __x86_64__
	g->word[2] = target >> 32;
	g->word[3] = 0;
#endif
}

void reset_gate(unsigned vector, uint8_t type, uint8_t ist)
{
	set_gate(vector, (unsigned long)trap_stubs + vector * STUB_SIZE, SEL_CODE, type, ist);
}

void run_frame(const struct frame *f)
{
	struct frame copy = *f;  /* it may be that of the event */

	event_clear();
	user_enter(&copy);
}

void run_user(const void *code, unsigned long arg, unsigned long flags)
{
	struct frame f = { .ip = (unsigned long)code, .cs = SEL_USER_CODE, .flags = flags | 2, .di = arg,
			   .sp = (unsigned long)user_stack + sizeof user_stack - 64, .ss = SEL_USER_DATA };

#ifdef __x86_64__
	f.ip += USER_BASE;
	f.sp += USER_BASE;
#else
	f.ds = f.es = SEL_USER_DATA;
#endif
	run_frame(&f);
}

#ifdef __x86_64__
void run_kernel(const struct frame *f)
{
	struct frame copy = *f;

	copy.cs = SEL_CODE;
	copy.ss = SEL_DATA;
	copy.flags |= 2;
	catch_all = true;
	run_frame(&copy);
	catch_all = false;
}
#endif

void load_tss(void)
{
	uint32_t limit = sizeof tss - 1;

	gdt[SEL_TSS / 8] = descriptor((unsigned long)&tss, limit, 0x89, 0);
#ifdef __x86_64__
	gdt[SEL_TSS / 8 + 1] = (unsigned long)&tss >> 32;
#endif
	asm volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
}

bool try_rdmsr(uint32_t n, uint64_t *v)
{
	uint32_t lo = 0, hi = 0;

	TRY("rdmsr", : "+a"(lo), "+d"(hi) : "c"(n) : "memory");
	*v = lo | (uint64_t)hi << 32;
	return !event.count;
}

bool try_wrmsr(uint32_t n, uint64_t v)
{
	TRY("wrmsr", : : "c"(n), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
	return !event.count;
}

static char trap_stack[16384] __attribute__((aligned(16)));
void trap_init(void);

void trap_init(void)
{
	struct { uint16_t limit; unsigned long base; } __attribute__((packed)) table;

	/* Firmware may have left the 8259s open. */
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
	for (unsigned v = 0; v < 256; v++)
		reset_gate(v, GATE_INTERRUPT, 0);
	reset_gate(BP, GATE_USER, 0);
	reset_gate(OF, GATE_USER, 0);
	reset_gate(USER_VECTOR, GATE_USER, 0);
	table.limit = sizeof idt - 1;
	table.base = (unsigned long)idt;
	asm volatile("lidt %0" : : "m"(table));
	memset(tss.map, 0xff, sizeof tss.map);
	tss.iomap = offsetof(struct tss, map);
#ifdef __x86_64__
	tss.sp[0] = (unsigned long)trap_stack + sizeof trap_stack;
#else
	tss.sp0 = (unsigned long)trap_stack + sizeof trap_stack;
	tss.ss0 = SEL_DATA;
#endif
	load_tss();
}
