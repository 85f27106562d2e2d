/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partitions below each other: this program makes a partition in which it runs itself, which does the same, and so on.
 * Each measures what the hypervisor does for it, the innermost runs until all is taken back, innermost first; `make bench-depth`.
 * The machine's own partition says what was found: a level's memory is part of that of the one above, so it sees all of it.
 *
 * The program itself comes with -initrd once more.  Words of the command line: chain=N levels below the machine's; rounds=N
 * (21); wait=SECONDS while all are alive.
 */
#include "child.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/interrupt.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/port.h"
#include "hv/status.h"
#include "hv/time.h"

/* What a level has for itself, the program in the middle of it; behind it is the memory of those below. */
enum { MIB = 1 << 20, OWN = 6 * MIB };
enum { ROUNDS_MAX = 400, SPARE_PAGES = 24, LIMIT = 64 /* levels, T5.6.1.g */ };
enum { END_VECTOR = 0x71, MEASURED_VECTOR = 0x72, MARK_PORT = 0x80, SERIAL = 0x3f8, SERIAL_READY = 0x20, EXIT_PORT = 0xf4 };
enum { MARK_EXIT, MARK_QUIET, MARK_LOUD };   /* at MARK_PORT: between the last two there are no exits */
enum { PORT = 0x10, CONNECTION = 0x100, ALIVE = 1, ENDED = 2 /* messages to the level above */ };

enum row { CALL, MSR, IPI, TIMER, SLEEPER, CODE_CHANGE, WALK, EXIT, RAISE, ROWS };
static const char *const row_name[ROWS] = { "call", "msr", "ipi", "timer", "sleeper", "smc", "walk", "exit", "raise" };

/* At one place in each level's memory. */
struct level {
	/* Written by the level above before this one runs. */
	uint32_t depth, chain, rounds;
	uint64_t above;              /* its parent's id; 0: it has none */
	/* By itself. */
	uint64_t id, child;
	uint64_t row[ROWS];          /* cycles */
	uint64_t answered, disturbed;   /* exits of its child; those where there should be none */
	uint64_t back;               /* pages of the child's pool that came back */
	const char *failed;          /* what did not go as it should, first */
	volatile uint64_t count;     /* of the innermost: it runs */
};
static struct level level;

static struct child child;
static uint64_t sample[ROUNDS_MAX];
static volatile bool ending;
static bool quiet;                   /* what our child does is no business of ours */
static uint64_t raised_at;
static volatile uint64_t taken_at;

/* Of the level @n below this one. */
static struct level *below(unsigned n) { return (struct level *)((uint8_t *)&level + (size_t)n * OWN); }

/* What a level below does wrong is told by the machine's partition: the program's text is at one place, too. */
static void expect(bool good, const char *what)
{
	if (!good && !level.failed)
		level.failed = what;
}

static void expect_status(uint16_t got, uint16_t want, const char *what) { expect(got == want, what); }

/* ---- measuring ---- */

static void measure(enum row row, uint64_t (*f)(void), const char *what)
{
	bool good = true;

	for (unsigned i = 0; i < level.rounds; i++) {
		sample[i] = f();
		good &= sample[i] != 0;
	}
	sort(sample, level.rounds);
	level.row[row] = sample[level.rounds / 2];
	expect(good, what);
}

static uint64_t one_call(void)
{
	uint64_t t = rdtsc();
	bool good = call(HV_CALL_GET_PARTITION_ID, 0) == HV_STATUS_SUCCESS;

	return good ? rdtsc() - t : 0;
}

static uint64_t one_msr(void)
{
	uint64_t t = rdtsc(), v = rdmsr(HV_X64_MSR_TIME_REF_COUNT);

	return v ? rdtsc() - t : 0;
}

static void take(struct frame *f)
{
	taken_at = rdtsc();
	apic_eoi();
}

static uint64_t until_taken(uint64_t since, bool asleep)
{
	while (!taken_at) {
		if (asleep)
			asm volatile("sti; hlt; cli" : : : "memory");
		else
			asm volatile("sti; nop; cli" : : : "memory");
	}
	return taken_at - since;
}

static uint64_t one_ipi(void)
{
	uint64_t t = rdtsc();

	taken_at = 0;
	apic_write(APIC_ICR, ICR_SELF | MEASURED_VECTOR);
	return until_taken(t, false);
}

static uint64_t one_timer(void)
{
	uint64_t t = rdtsc();

	taken_at = 0;
	wrmsr(HV_X64_MSR_STIMER0_COUNT, 1);   /* long ago */
	return until_taken(t, false);
}

/* From when it is due. */
static uint64_t one_sleep(void)
{
	const uint64_t ahead = HV_REFERENCE_HZ / 1000;
	uint64_t due = rdmsr(HV_X64_MSR_TIME_REF_COUNT) + ahead, t = rdtsc() + rdmsr(HV_X64_MSR_TSC_FREQUENCY) / 1000;

	taken_at = 0;
	wrmsr(HV_X64_MSR_STIMER0_COUNT, due);
	until_taken(t, true);
	return taken_at > t ? taken_at - t : 1;
}

/* A store into code that has run, which runs again. */
static uint64_t one_change(void)
{
	static uint8_t code[PAGE] __attribute__((aligned(PAGE))) = { 0xb8, 0, 0, 0, 0, 0xc3 };   /* mov eax, imm32; ret */
	static uint32_t n;
	uint64_t t = rdtsc();

	*(volatile uint32_t *)(code + 1) = ++n;
	return ((uint32_t (*)(void))(void *)code)() == n ? rdtsc() - t : 0;
}

/* A translation that no TLB has. */
static uint64_t one_walk(void)
{
	unsigned long at = (unsigned long)sample + PAGE;
	uint64_t t;

	invlpg(at);
	t = rdtsc();
	*(volatile uint8_t *)at;
	return rdtsc() - t;
}

/* The level above answers at once. */
static uint64_t one_exit(void)
{
	uint64_t t = rdtsc();

	outb(MARK_PORT, MARK_EXIT);
	return rdtsc() - t;
}

static void measure_all(void)
{
	handler[MEASURED_VECTOR] = take;
	if (level.depth) {
		measure(EXIT, one_exit, "an exit");
		outb(MARK_PORT, MARK_QUIET);
	}
	measure(CALL, one_call, "hypercalls");
	measure(MSR, one_msr, "a synthetic MSR");
	measure(IPI, one_ipi, "an interrupt to itself");
	wrmsr(HV_X64_MSR_STIMER0_CONFIG, HV_TIMER_AUTO_ENABLE | HV_TIMER_DIRECT | MEASURED_VECTOR << HV_TIMER_VECTOR_SHIFT);
	measure(TIMER, one_timer, "a timer that is over");
	measure(SLEEPER, one_sleep, "a timer that wakes it");
	wrmsr(HV_X64_MSR_STIMER0_CONFIG, 0);
	measure(CODE_CHANGE, one_change, "code that changes");
	measure(WALK, one_walk, "a page walk");
	if (level.depth)
		outb(MARK_PORT, MARK_LOUD);
}

/* ---- the level below ---- */

/* Of a port of ours: we may be a child ourselves, whose pool only its parent fills. */
static void connect(void)
{
	struct hv_in_create_port create = { .port_partition = level.id, .port_id = PORT, .connection_partition = child.id,
					     .info = { .type = HV_PORT_MESSAGE, .sint = PORT_SINT } };
	struct hv_in_connect_port with = { .connection_partition = child.id, .connection_id = CONNECTION, .port_partition = level.id,
					   .port_id = PORT, .info.type = HV_PORT_MESSAGE };

	must(call_feeding(HV_CALL_CREATE_PORT, 0, level.id, &create, sizeof create), "HvCreatePort");
	must(call_feeding(HV_CALL_CONNECT_PORT, 0, child.id, &with, sizeof with), "HvConnectPort");
}

static void make_child(void)
{
	const struct bundle self = { guest_module, guest_module, guest_module_size, guest_module_size, "" };
	struct level *l = below(1);
	struct entry e;
	const char *why;

	child.memory = (uint8_t *)OWN;
	child.size = (size_t)(level.chain - level.depth) * OWN;
	memset(child.memory, 0, OWN);
	why = load(&e, child.memory, OWN, &self);
	if (why)
		guest_die("depth %u: %s", level.depth, why);
	l->depth = level.depth + 1;
	l->chain = level.chain;
	l->rounds = level.rounds;
	l->above = level.id;
	child_raise(&child, &e, true);
	level.child = child.id;
	deposit(child.id, SPARE_PAGES);
	connect();
}

/* It prints when all is lost. */
static void child_port(const struct hv_io_message *m)
{
	const uint64_t ready = SERIAL_READY;
	bool in = m->header.access == HV_INTERCEPT_READ;

	if (!in && m->port == SERIAL)
		print("%c", (int)(m->rax & 0xff));
	if (!in && m->port == EXIT_PORT)
		guest_die("depth %u has ended", level.depth + 1);
	if (!level.answered++)
		level.row[RAISE] = rdtsc() - raised_at;
	if (!in && m->port == MARK_PORT && (m->rax & 0xff) != MARK_EXIT)
		quiet = (m->rax & 0xff) == MARK_QUIET;
	else
		level.disturbed += quiet;
	child_reply(&child, behind(&m->header), in ? &ready : NULL);
}

/* Until the child says @word, or, if that is 0, the level above wants the end; what else the child does is answered. */
static uint64_t tend(uint32_t word)
{
	struct hv_message m;

	while (word || !ending) {
		if (parent_take(PORT_SINT, &m)) {
			expect(m.type == word, "the child says what it should");
			return *(uint64_t *)m.payload;
		}
		if (!parent_take(INTERCEPT_SINT, &m))
			asm volatile("sti; hlt; cli" : : : "memory");
		else if ((int32_t)m.type == HV_MESSAGE_IO_INTERCEPT && m.sender == child.id)
			child_port((const void *)m.payload);
		else
			guest_die("depth %u: message 0x%x", level.depth, m.type);
	}
	return 0;
}

static void tell_above(uint32_t word, uint64_t value)
{
	struct hv_in_post_message *in = (void *)call_in;

	*in = (struct hv_in_post_message){ .connection_id = CONNECTION, .message_type = word, .payload_size = sizeof value };
	memcpy(in->payload, &value, sizeof value);
	must(call(HV_CALL_POST_MESSAGE, 0), "HvPostMessage");
}

static void want_end(struct frame *f)
{
	ending = true;
	apic_eoi();
}

/* ---- who may do what to whom ---- */

static uint16_t next_child(uint64_t parent, uint64_t previous)
{
	*(struct hv_in_get_next_child_partition *)call_in = (struct hv_in_get_next_child_partition){ parent, previous };
	return call(HV_CALL_GET_NEXT_CHILD_PARTITION, 0);
}

static uint16_t map_page(uint64_t id)
{
	struct hv_in_map_gpa_pages *in = (void *)call_in;

	*in = (struct hv_in_map_gpa_pages){ .target_partition_id = id, .map_flags = HV_MAP_GPA_READABLE };
	*(uint64_t *)(in + 1) = (uint64_t)sample / PAGE;
	return call(HV_CALL_MAP_GPA_PAGES, 1);
}

/* @id is there, but above, or below a child: no business of ours. */
static void out_of_reach(uint64_t id)
{
	if (!id)
		return;
	expect_status(with_id(HV_CALL_FINALIZE_PARTITION, id), HV_STATUS_ACCESS_DENIED, "HvFinalizePartition of a stranger");
	expect_status(next_child(id, 0), HV_STATUS_ACCESS_DENIED, "HvGetNextChildPartition of a stranger");
	expect_status(map_page(id), HV_STATUS_ACCESS_DENIED, "HvMapGpaPages of a stranger");
	expect(pages_in_use(id) == UINT64_MAX, "HvGetMemoryBalance of a stranger");
}

static void look_around(void)
{
	out_of_reach(level.above);
	expect(next_child(HV_PARTITION_ID_SELF, 0) == HV_STATUS_SUCCESS && call_out[0] == level.child, "its first child is the one it made");
	expect(next_child(HV_PARTITION_ID_SELF, level.child) == HV_STATUS_SUCCESS && call_out[0] == 0, "there is no other");
	if (level.depth + 2 > level.chain)
		return;
	out_of_reach(below(1)->child);
	expect_status(with_id(HV_CALL_FINALIZE_PARTITION, level.child), HV_STATUS_OPERATION_DENIED, "HvFinalizePartition of a parent");
}

/* The limit is a limit of depth, not of rights. */
static void one_more(void)
{
	const struct hv_in_create_partition in = { .flags = HV_CREATE_EXO };
	uint16_t s;

	memcpy(call_in, &in, sizeof in);
	s = call(HV_CALL_CREATE_PARTITION, 0);
	if (level.depth < LIMIT) {
		expect_status(s, HV_STATUS_SUCCESS, "HvCreatePartition");
		expect_status(with_id(HV_CALL_DELETE_PARTITION, call_out[0]), HV_STATUS_SUCCESS, "HvDeletePartition");
	} else {
		expect_status(s, HV_STATUS_PARTITION_TOO_DEEP, "HvCreatePartition of a 65th level");
	}
}

/* ---- a level's life ---- */

/* Everything that it was given comes back. */
static void end_child(uint64_t in_use)
{
	*(struct hv_in_port *)call_in = (struct hv_in_port){ level.id, PORT };
	must(call(HV_CALL_DELETE_PORT, 0), "HvDeletePort");
	expect(pages_in_use(child.id) == in_use, "its child's pool is as it was before its child ran");
	expect_status(with_id(HV_CALL_FINALIZE_PARTITION, child.id), HV_STATUS_SUCCESS, "HvFinalizePartition");
	expect(pages_in_use(child.id) == 0, "a finalized partition uses nothing");
	level.back = withdraw(child.id);
	expect_status(with_id(HV_CALL_DELETE_PARTITION, child.id), HV_STATUS_SUCCESS, "HvDeletePartition");
}

static void wait_seconds(unsigned seconds)
{
	const uint64_t until = rdtsc() + seconds * rdmsr(HV_X64_MSR_TSC_FREQUENCY);

	while (rdtsc() < until)
		pause_cpu();
}

static void all_alive(uint64_t hops)
{
	uint64_t count = below(level.chain)->count;

	check_eq(hops, level.chain, "a message has come up through all %u levels", level.chain);
	for (unsigned i = 0; i < 30 && below(level.chain)->count == count; i++)
		wait_seconds(1);
	check(below(level.chain)->count != count, "the innermost runs");
	print("# all alive\n");
	wait_seconds((unsigned)guest_option("wait", 0));
}

static void with_child(void)
{
	uint64_t in_use, hops;

	raised_at = rdtsc();
	make_child();
	in_use = pages_in_use(child.id);
	child_run(&child);
	hops = tend(ALIVE) + 1;
	expect(!level.disturbed, "the hypervisor answers what it answers at any depth");
	look_around();
	if (level.depth) {
		tell_above(ALIVE, hops);
		tend(0);
	} else {
		all_alive(hops);
	}
	*(struct hv_in_assert_virtual_interrupt *)call_in = (struct hv_in_assert_virtual_interrupt){ .partition_id = child.id, .vector = END_VECTOR };
	must(call(HV_CALL_ASSERT_VIRTUAL_INTERRUPT, 0), "HvAssertVirtualInterrupt");
	tend(ENDED);
	end_child(in_use);
}

static void innermost(void)
{
	one_more();
	tell_above(ALIVE, 0);
	sti();
	while (!ending)
		level.count++;
	cli();
}

/* Of the machine's partition, when all others have gone. */
static void tell_all(uint64_t in_use)
{
	unsigned good = 0;

	check_eq(pages_in_use(HV_PARTITION_ID_SELF), in_use, "pages of the pool in use are as many as before");
	print("# depth");
	for (unsigned r = 0; r < ROWS; r++)
		print(" %s", row_name[r]);
	for (unsigned d = 0; d <= level.chain; d++) {
		const struct level *l = below(d);

		print("\n# %5u", d);
		for (unsigned r = 0; r < ROWS; r++)
			print(" %llu", (unsigned long long)l->row[r]);
		good += !l->failed && l->depth == d && (d == level.chain || l->back == level.back);
	}
	print("\n# cycles of the TSC, %llu a microsecond\n", (unsigned long long)(rdmsr(HV_X64_MSR_TSC_FREQUENCY) / 1000000));
	for (unsigned d = 0; d <= level.chain; d++)
		if (below(d)->failed)
			print("# depth %u: %s\n", d, below(d)->failed);
	check_eq(good, level.chain + 1, "all went well in all levels, and as many pages (%u) came back from each", (unsigned)level.back);
}

void guest_main(void)
{
	bool outermost = !level.depth;
	uint64_t in_use = 0;

	if (!guest_module)
		guest_die("no program for the levels below: -initrd with this one");
	if (outermost) {
		level.chain = (uint32_t)guest_option("chain", LIMIT);
		level.rounds = (uint32_t)guest_option("rounds", 21);
		if (!level.chain || level.chain > LIMIT || !level.rounds || level.rounds > ROUNDS_MAX)
			guest_die("chain=%u rounds=%u: from 1 to %u, from 1 to %u", level.chain, level.rounds, LIMIT, ROUNDS_MAX);
		if ((uintptr_t)guest_module < (uintptr_t)(level.chain + 1) * OWN)
			guest_die("the memory of %u levels reaches to the module at 0x%lx", level.chain, (unsigned long)guest_module);
	}
	handler[END_VECTOR] = want_end;
	parent_init();
	must(call(HV_CALL_GET_PARTITION_ID, 0), "HvGetPartitionId");
	level.id = call_out[0];
	if (outermost)
		in_use = pages_in_use(HV_PARTITION_ID_SELF);
	measure_all();
	if (level.depth < level.chain)
		with_child();
	else
		innermost();
	if (outermost) {
		tell_all(in_use);
		return;
	}
	tell_above(ENDED, 0);
	for (;;)
		asm volatile("cli; hlt");
}
