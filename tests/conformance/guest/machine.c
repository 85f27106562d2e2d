/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine from within: real instructions in ring 0, long mode or 32-bit protected mode without
 * paging.  The module (-initrd) has the hypervisor's call table.
 */
#include "machine.h"

#include "../machine.h"
#include "../root.h"
#include "hv/msr.h"
#include "hv/synic.h"

enum { CALLS_MAX = 128 };

static struct call_row calls[CALLS_MAX];
static unsigned calls_known;

unsigned rule_way(void) { return BY_GUEST; }

void restart_with(const char *cpu_properties)
{
	guest_die("restart_with(\"%s\") in the guest", cpu_properties);
}

void restart_bare(void)
{
	guest_die("restart_bare() in the guest");
}

void let_run(unsigned ms)
{
	guest_die("let_run(%u) in the guest", ms);
}

void wait_ms(unsigned ms)
{
	guest_die("wait_ms(%u) in the guest", ms);
}

uint64_t host_time(void)
{
	guest_die("host_time() in the guest");
}

unsigned host_processors(void)
{
	guest_die("host_processors() in the guest");
}

bool call_once(uint64_t *control, uint64_t in, uint64_t out, struct reply *r)
{
	guest_die("call_once() in the guest");
}

void reset_machine(void)
{
	guest_die("reset_machine() in the guest");
}

/* ---- on which processor ---- */

struct task {
	void (*run)(struct task *t);
	uint32_t number;
	uint64_t value, in, out;
	struct leaf leaf;
	bool ok;
	const uint8_t *xmm;
	enum call_via via;
	struct reply reply;
};

#ifdef __x86_64__
static struct task *posted;
static unsigned current_vp;

static void on_other(unsigned cpu)
{
	(void)cpu;
	posted->run(posted);
}

static void run(struct task *t)
{
	if (!current_vp) {
		t->run(t);
		return;
	}
	posted = t;
	smp_run(current_vp, on_other);
	if (!smp_wait(current_vp))
		guest_die("processor %u does not answer", current_vp);
}

/* The root's other VPs wait until it makes them. */
static void start_others(void)
{
	if (cpu_count >= VPS)
		return;
	if (machine_plays(ROLE_ROOT))
		root_bring_up();
	smp_start(VPS);
}

void as_vp(unsigned index)
{
	if (index)
		start_others();
	current_vp = index;
}
#else
static void run(struct task *t)
{
	t->run(t);
}

/* The 32-bit runtime starts no other processor. */
void as_vp(unsigned index)
{
	if (index)
		rule_skip("one processor");
}
#endif

/* ---- MSRs, leaves ---- */

static void do_rdmsr(struct task *t) { t->ok = try_rdmsr(t->number, &t->value); }
static void do_wrmsr(struct task *t) { t->ok = try_wrmsr(t->number, t->value); }

static void check_gp(bool ok)
{
	if (!ok && (event.vector != GP || event.error))
		guest_die("exception %u, error 0x%lx", event.vector, (unsigned long)event.error);
}

bool read_msr(uint32_t msr, uint64_t *value)
{
	struct task t = { .run = do_rdmsr, .number = msr };

	run(&t);
	check_gp(t.ok);
	*value = t.value;
	return t.ok;
}

bool write_msr(uint32_t msr, uint64_t value)
{
	struct task t = { .run = do_wrmsr, .number = msr, .value = value };

	run(&t);
	check_gp(t.ok);
	return t.ok;
}

static void do_cpuid(struct task *t)
{
	struct cpuid c = cpuid(t->number, 0);

	t->leaf = (struct leaf){ c.a, c.b, c.c, c.d };
}

struct leaf read_leaf(uint32_t number)
{
	struct task t = { .run = do_cpuid, .number = number };

	run(&t);
	return t.leaf;
}

/* ---- memory: identity mapped ---- */

void put_bytes(uint64_t gpa, const void *from, size_t n)
{
	memcpy((void *)(unsigned long)gpa, from, n);
}

void get_bytes(uint64_t gpa, void *to, size_t n)
{
	memcpy(to, (const void *)(unsigned long)gpa, n);
}

/* ---- interrupts ---- */

void out32(uint16_t port, uint32_t value)
{
	outl(port, value);
}

static void do_apic_on(struct task *t)
{
	(void)t;
	apic_enable();
}

static void do_apic_off(struct task *t)
{
	(void)t;
	apic_write(APIC_SVR, 0xff);
}

static void do_requested(struct task *t) { t->ok = apic_bit(APIC_IRR, t->number); }

void apic_set(bool on)
{
	struct task t = { .run = on ? do_apic_on : do_apic_off };

	run(&t);
}

bool requested(unsigned vector)
{
	struct task t = { .run = do_requested, .number = vector };

	run(&t);
	return t.ok;
}

static void on_left_over(struct frame *f)
{
	(void)f;
	apic_eoi();
}

/* Takes what is requested with vectors that a rule may use. */
static void take_left_over(void)
{
	for (unsigned v = RULE_VECTORS; v < RULE_VECTORS + 16; v++)
		handler[v] = on_left_over;
	sti();
	for (unsigned i = 0; i < 100; i++)
		pause_cpu();
	cli();
}

/* ---- registers ---- */

struct registers *call_registers;
unsigned long call_target, call_saved;
void call_all(struct registers *r);

#ifdef __x86_64__
#define FOR_XMM(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define FOR_GPR(f) f(ax, 0) f(bx, 8) f(cx, 16) f(dx, 24) f(si, 32) f(bp, 48) f(8, 56) f(9, 64) f(10, 72) f(11, 80) f(12, 88) \
	f(13, 96) f(14, 104) f(15, 112)
#define LOAD_XMM(n) "movups 136+16*" #n "(%rdi), %xmm" #n "\n\t"
#define STORE_XMM(n) "movups %xmm" #n ", 136+16*" #n "(%rdi)\n\t"
#define LOAD_GPR(n, at) "movq " #at "(%rdi), %r" #n "\n\t"
#define STORE_GPR(n, at) "movq %r" #n ", " #at "(%rdi)\n\t"
_Static_assert(offsetof(struct registers, flags) == 120 && offsetof(struct registers, xmm) == 136, "as call_all has it");
/* From "load all" to "store all" no instruction but the call changes a register or a flag. */
asm(".text\ncall_all:\n\tpushq %rbx\n\tpushq %rbp\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\tpushfq\n\t"
    "movq %rdi, call_registers\n\t"
    FOR_XMM(LOAD_XMM)
    "pushq 120(%rdi)\n\tpopfq\n\t"
    FOR_GPR(LOAD_GPR)
    "movq 40(%rdi), %rdi\n\t"
    "movq $2f, event_resume\n\tmovq $1f, event_start\n\tmovq %rsp, event_sp\n"
    "1:\tcall *call_target\n"
    "2:\tmovq $0, event_resume\n\t"
    "movq %rdi, call_saved\n\tmovq call_registers, %rdi\n\tmovq %rsp, 128(%rdi)\n\tmovq event_sp, %rsp\n\t"
    FOR_GPR(STORE_GPR)
    "pushfq\n\tpopq 120(%rdi)\n\tcld\n\t"
    FOR_XMM(STORE_XMM)
    "movq call_saved, %rax\n\tmovq %rax, 40(%rdi)\n\t"
    "popfq\n\tpopq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbp\n\tpopq %rbx\n\tret\n");
#else
#define FOR_XMM(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7)
#define FOR_GPR(f) f(ax, 0) f(bx, 4) f(cx, 8) f(dx, 12) f(si, 16) f(bp, 24)
#define LOAD_XMM(n) "movups 36+16*" #n "(%edi), %xmm" #n "\n\t"
#define STORE_XMM(n) "movups %xmm" #n ", 36+16*" #n "(%edi)\n\t"
#define LOAD_GPR(n, at) "movl " #at "(%edi), %e" #n "\n\t"
#define STORE_GPR(n, at) "movl %e" #n ", " #at "(%edi)\n\t"
_Static_assert(offsetof(struct registers, flags) == 28 && offsetof(struct registers, xmm) == 36, "as call_all has it");
asm(".text\ncall_all:\n\tpushl %ebx\n\tpushl %ebp\n\tpushl %esi\n\tpushl %edi\n\tmovl 20(%esp), %edi\n\tpushfl\n\t"
    "movl %edi, call_registers\n\t"
    FOR_XMM(LOAD_XMM)
    "pushl 28(%edi)\n\tpopfl\n\t"
    FOR_GPR(LOAD_GPR)
    "movl 20(%edi), %edi\n\t"
    "movl $2f, event_resume\n\tmovl $1f, event_start\n\tmovl %esp, event_sp\n"
    "1:\tcall *call_target\n"
    "2:\tmovl $0, event_resume\n\t"
    "movl %edi, call_saved\n\tmovl call_registers, %edi\n\tmovl %esp, 32(%edi)\n\tmovl event_sp, %esp\n\t"
    FOR_GPR(STORE_GPR)
    "pushfl\n\tpopl 28(%edi)\n\tcld\n\t"
    FOR_XMM(STORE_XMM)
    "movl call_saved, %eax\n\tmovl %eax, 20(%edi)\n\t"
    "popfl\n\tpopl %edi\n\tpopl %esi\n\tpopl %ebp\n\tpopl %ebx\n\tret\n");
#endif

void registers_fill(struct registers *r)
{
	unsigned long *word = (unsigned long *)r;

	for (unsigned i = 0; i < sizeof *r / sizeof *word; i++)
		word[i] = (unsigned long)0x0123456789abcdefull * (2 * i + 1);
	r->flags = 2;
}

void call_with_registers(struct registers *r, unsigned long target)
{
	event_clear();
	call_target = target;
	call_all(r);
	if (!event.count)
		check_value(r->sp, event_sp, "stack pointer behind the call");
}

void registers_set_call(struct registers *r, uint64_t control, uint64_t in, uint64_t out)
{
#ifdef __x86_64__
	r->cx = control;
	r->dx = in;
	r->r8 = out;
#else
	r->dx = control >> 32;
	r->ax = control;
	r->bx = in >> 32;
	r->cx = in;
	r->di = out >> 32;
	r->si = out;
#endif
}

uint64_t registers_result(const struct registers *r)
{
#ifdef __x86_64__
	return r->ax;
#else
	return (uint64_t)r->dx << 32 | r->ax;
#endif
}

/* A completed rep call may have left its last start index (T4.2.b). */
static unsigned long volatile_bits(uint64_t control)
{
	return hv_call_reps(control) ? (unsigned long)(HV_CALL_START_MASK << HV_CALL_START_SHIFT) : 0;
}

void check_registers(const struct registers *before, const struct registers *after, uint64_t control)
{
#ifdef __x86_64__
	static const char *const name[] = { "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R8", "R9", "R10", "R11", "R12", "R13",
					    "R14", "R15", "RFLAGS" };
	enum { CONTROL = 2, RESULT = 1 << 0 };
#else
	static const char *const name[] = { "EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "EFLAGS" };
	enum { CONTROL = 3, RESULT = 1 << 0 | 1 << 3 };
#endif
	const unsigned long *b = (const unsigned long *)before, *a = (const unsigned long *)after;

	for (unsigned i = 0; i < ARRAY_SIZE(name); i++) {
		unsigned long may = i == CONTROL ? volatile_bits(control) : 0;

		if (!(RESULT >> i & 1))
			check_value(a[i] & ~may, b[i] & ~may, "%s behind the call", name[i]);
	}
	for (unsigned i = 0; i < XMM_COUNT; i++)
		check_that(!memcmp(before->xmm[i], after->xmm[i], 16), "XMM%u is changed by the call", i);
}

/* ---- hypercalls ---- */

void bare_vmcall(void);
void bare_vmmcall(void);
asm(".text\nbare_vmcall: vmcall; ret\nbare_vmmcall: vmmcall; ret\n");

static unsigned long entry(enum call_via via)
{
	switch (via) {
	case VIA_VMCALL: return (unsigned long)bare_vmcall;
	case VIA_VMMCALL: return (unsigned long)bare_vmmcall;
	default: return HYPERCALL_PAGE;
	}
}

static void do_call(struct task *t)
{
	struct registers before, after;

	registers_fill(&before);
	memcpy(before.xmm, t->xmm, XMM_BYTES);
	registers_set_call(&before, t->value, t->in, t->out);
	after = before;
	call_with_registers(&after, entry(t->via));
	t->reply = (struct reply){ .fault = event.count, .vector = event.vector };
	if (t->reply.fault)
		return;
	t->reply.value = registers_result(&after);
	check_registers(&before, &after, t->value);
}

struct reply machine_call(uint64_t control, uint64_t in, uint64_t out, const uint8_t xmm[XMM_BYTES], enum call_via via)
{
	struct task t = { .run = do_call, .value = control, .in = in, .out = out, .xmm = xmm, .via = via };

	run(&t);
	return t.reply;
}

unsigned call_count(void) { return calls_known; }
const struct call_row *call_at(unsigned n) { return &calls[n]; }

/* ---- rules ---- */

void machine_say(const char *fmt, va_list *ap)
{
	print("# ");
	vprint(fmt, ap);
	print("\n");
}

void machine_result(bool good, const char *row, const char *sentence, const char *skipped)
{
	if (skipped)
		check_skip(skipped, "%s %s", row, sentence);
	else
		check(good, "%s %s", row, sentence);
}

/* What follows @word on the command line; NULL: it is not there. */
static const char *behind(const char *word, size_t n)
{
	for (const char *p = guest_cmdline; *p; p++)
		if (!memcmp(p, word, n))
			return p + n;
	return NULL;
}

/* rows=PREFIX on the command line. */
bool machine_wants(const char *row)
{
	static const char word[] = "rows=";
	const char *p = behind(word, sizeof word - 1);

	for (; p && *p && *p != ' '; p++, row++)
		if (*p != *row)
			return false;
	return true;
}

/* role=NAME on the command line. */
bool machine_plays(enum role role)
{
	static const char word[] = "role=";
	const char *named = behind(word, sizeof word - 1), *name = role_name(role);

	size_t n = strlen(name);

	return named && !memcmp(named, name, n) && (!named[n] || named[n] == ' ');
}

/* Numbers of synthetic MSRs that a rule may leave in any state and that are 0 at power-on; each of one VP. */
static void clear_msrs(void)
{
	static const uint32_t per_vp[] = { HV_X64_MSR_VP_ASSIST_PAGE, HV_X64_MSR_SCONTROL, HV_X64_MSR_SIEFP, HV_X64_MSR_SIMP,
		HV_X64_MSR_STATS_PARTITION_RETAIL_PAGE, HV_X64_MSR_STATS_PARTITION_INTERNAL_PAGE, HV_X64_MSR_STATS_VP_RETAIL_PAGE,
		HV_X64_MSR_STATS_VP_INTERNAL_PAGE };

	for (unsigned i = 0; i < ARRAY_SIZE(per_vp); i++)
		try_wrmsr(per_vp[i], 0);
	for (unsigned sint = 0; sint < HV_SINT_COUNT; sint++)
		try_wrmsr(HV_X64_MSR_SINT0 + sint, HV_SINT_RESET);
	for (unsigned n = 0; n < HV_TIMER_COUNT; n++) {
		try_wrmsr(HV_X64_MSR_STIMER0_COUNT + 2 * n, 0);
		try_wrmsr(HV_X64_MSR_STIMER0_CONFIG + 2 * n, 0);
	}
}

static void do_clear(struct task *t)
{
	(void)t;
	clear_msrs();
	take_left_over();
}

void machine_fresh(enum role role)
{
	struct task t = { .run = do_clear };

#ifdef __x86_64__
	if (cpu_count >= VPS) {
		as_vp(1);
		run(&t);
	}
#endif
	as_vp(0);
	run(&t);
	try_wrmsr(HV_X64_MSR_REFERENCE_TSC, 0);
	wrmsr(HV_X64_MSR_GUEST_OS_ID, TEST_OS_ID);
	wrmsr(HV_X64_MSR_HYPERCALL, HYPERCALL_PAGE | HV_MSR_PAGE_ENABLE);
	/* Overlays may be on test pages. */
	if (role != ROLE_GUEST)
		host_clean();
	memset((void *)(unsigned long)TEST_PAGE, 0, TEST_PAGES * PAGE);
}

void guest_main(void)
{
	if (!guest_module || guest_module_size > sizeof calls || guest_module_size % sizeof calls[0])
		guest_die("no call table: -initrd FILE as run-guest.py makes it");
	memcpy(calls, guest_module, guest_module_size);
	calls_known = guest_module_size / sizeof calls[0];
	write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
	rules_run();
}

/* ---- for tests of the guest alone ---- */

#ifdef __x86_64__
void start_on_1(void (*fn)(unsigned cpu))
{
	start_others();
	smp_run(1, fn);
}

uint16_t raw_call(uint64_t control, uint64_t in, uint64_t out)
{
	register uint64_t r8 asm("r8") = out;
	uint64_t result;

	asm volatile("call *%1" : "=a"(result) : "r"(HYPERCALL_PAGE), "c"(control), "d"(in), "r"(r8) : "memory", "cc");
	return hv_result_status(result);
}

void run_on_1(void (*fn)(unsigned cpu))
{
	start_on_1(fn);
	if (!smp_wait(1))
		guest_die("processor 1 does not answer");
}
#endif

void open_gate(void)
{
	sti();
	for (unsigned i = 0; i < 50; i++)
		pause_cpu();
	cli();
}
