/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What partitions cost their parent: `make bench-partitions`.  Each row is the median and the 95 % value of rounds=N
 * rounds, in cycles of the TSC and microseconds; it is also a test that each thing happens.
 *
 * Words of the command line: rounds=N; many=N, so many partitions at once, with area=MIB free for their memory;
 * dispatch=1, nothing but what a root that schedules has (-accel hvtlfs,role=root,scheduler=root).
 */
#include "child.h"
#include "hv/dispatch.h"
#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/partition.h"
#include "hv/port.h"
#include "hv/stats.h"
#include "hv/status.h"
#include "hv/vp.h"

enum { ROUNDS_MAX = 2000, MIB = 1 << 20, CHILD_PAGES = MIB / PAGE, MANY_MAX = 4000 };
/* Where things are in a child's memory. */
enum { CODE = 0x1000, STACK = 0x2000, IDT = 0x3000, IDT_LIMIT = 0x7ff, GDT = 0x3900, TABLES = 0x3a00, MESSAGES = 0x4000, FLAGS = 0x5000, SHARED = 0x6000 };
enum { VECTOR = 0x61, SINT = 2, PORT = 0x10, CONNECTION = 0x100, FLAG_PORT = 0x11, FLAG_CONNECTION = 0x101, CHILD_SEL_CODE = 0x10, CHILD_SEL_DATA = 0x18 };

static uint64_t sample[ROUNDS_MAX];
static unsigned rounds;
static uint64_t cycles_us;
static uint8_t *area;

/* ---- what children run: flat 32-bit code ---- */

/* An exit for ever; whoever answers it goes on behind the instruction. */
CODE(exits, ".code32\n1: outb %al, $0x80\n jmp 1b\n.code64");
/* One exit, then sleep. */
CODE(sleeps, ".code32\n outb %al, $0x80\n1: hlt\n jmp 1b\n.code64");
/*
 * Takes interrupts of a SINT as guests do, and says in SHARED how many.  SHARED + 4: do not sleep between them.
 */
CODE(receives,
	".code32\n"
	" movl $0x2000, %esp\n"                     /* STACK */
	" lgdt 0x3a00\n lidt 0x3a08\n"              /* TABLES */
	" movl $0x1ff, 0xfee000f0\n"                /* APIC on */
	" outb %al, $0x80\n"
	" sti\n"
	"1: cmpl $0, 0x6004\n jne 2f\n hlt\n jmp 1b\n"
	"2: pause\n jmp 1b\n"
	".org receives + 0x80\n"                    /* HANDLER */
	" pushl %eax\n pushl %ecx\n pushl %edx\n"
	" cmpl $0, 0x4200\n je 3f\n"                /* MESSAGES, slot SINT */
	" movl $0, 0x4200\n lock orl $0, (%esp)\n"
	" testb $1, 0x4205\n jz 3f\n"
	" movl $0x40000084, %ecx\n xorl %eax, %eax\n xorl %edx, %edx\n wrmsr\n"
	"3: movl $0, 0x5200\n"                      /* FLAGS of SINT */
	" movl $0x40000070, %ecx\n xorl %eax, %eax\n xorl %edx, %edx\n wrmsr\n"
	" incl 0x6000\n"
	" popl %edx\n popl %ecx\n popl %eax\n iretl\n.code64");
enum { HANDLER = 0x80 };

/* ---- measuring ---- */

static void report(unsigned n, const char *what)
{
	uint64_t median;

	sort(sample, n);
	median = sample[n / 2];
	print("# %llu cycles, %llu.%02llu us (95 %%: %llu us) %s\n", (unsigned long long)median, (unsigned long long)(median / cycles_us),
	      (unsigned long long)(median * 100 / cycles_us % 100), (unsigned long long)(sample[n - 1 - n / 20] / cycles_us), what);
}

/* ---- a small child ---- */

struct small {
	uint64_t id, flags;
	uint8_t *memory;
};

static void set_registers(uint64_t id, const struct hv_register_assoc *list, unsigned n)
{
	*(struct hv_in_vp *)call_in = (struct hv_in_vp){ .partition_id = id };
	memcpy((struct hv_in_vp *)call_in + 1, list, n * sizeof *list);
	must(call(HV_CALL_SET_VP_REGISTERS, n), "HvSetVpRegisters");
}

static uint16_t feeding_id(uint16_t code, uint64_t id)
{
	return call_feeding(code, 0, id, &id, sizeof id);
}

static void small_create(struct small *c, uint8_t *memory, const char *code, size_t size)
{
	struct hv_in_create_partition create = { .flags = HV_CREATE_EXO | HV_CREATE_LAPIC | c->flags };
	struct { struct hv_in_map_gpa_pages fixed; uint64_t from[CHILD_PAGES]; } map = { { 0 } };
	struct hv_in_create_vp vp = { 0 };
	const struct hv_register_assoc entry[] = {
		{ .name = HV_REGISTER_RIP, .value = { CODE } },
		{ .name = HV_REGISTER_CR0, .value = { CR0_PE | 1 << 4 } },
		{ .name = HV_REGISTER_CS, .value = flat_segment(CHILD_SEL_CODE, 0xc09b) },
		{ .name = HV_REGISTER_DS, .value = flat_segment(CHILD_SEL_DATA, 0xc093) },
		{ .name = HV_REGISTER_ES, .value = flat_segment(CHILD_SEL_DATA, 0xc093) },
		{ .name = HV_REGISTER_SS, .value = flat_segment(CHILD_SEL_DATA, 0xc093) },
		{ .name = HV_REGISTER_EXPLICIT_SUSPEND, .value = { 0 } },
	};

	c->memory = memory;
	memcpy(memory + CODE, code, size);
	must(call_feeding(HV_CALL_CREATE_PARTITION, 0, HV_PARTITION_ID_SELF, &create, sizeof create), "HvCreatePartition");
	c->id = call_out[0];
	must(feeding_id(HV_CALL_INITIALIZE_PARTITION, c->id), "HvInitializePartition");
	map.fixed = (struct hv_in_map_gpa_pages){
		.target_partition_id = c->id,
		.map_flags = HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_KERNEL_EXECUTABLE | HV_MAP_GPA_USER_EXECUTABLE,
	};
	for (unsigned i = 0; i < CHILD_PAGES; i++)
		map.from[i] = (uint64_t)memory / PAGE + i;
	must(call_feeding(HV_CALL_MAP_GPA_PAGES, CHILD_PAGES, c->id, &map, sizeof map), "HvMapGpaPages");
	vp.partition_id = c->id;
	must(call_feeding(HV_CALL_CREATE_VP, 0, c->id, &vp, sizeof vp), "HvCreateVp");
	set_registers(c->id, entry, ARRAY_SIZE(entry));
}

/* The next message, taken out of its slot; asleep until it comes, or looking for it. */
static struct hv_message next_message(bool asleep)
{
	struct hv_message m;

	while (!parent_take(INTERCEPT_SINT, &m)) {
		if (asleep)
			asm volatile("sti; hlt; cli" : : : "memory");
		else
			pause_cpu();
	}
	if (asleep)
		asm volatile("sti; nop; cli" : : : "memory");
	return m;
}

/* Behind the instruction of @m, and on. */
static void go_on(const struct small *c, const struct hv_message *m)
{
	const struct hv_intercept_header *h = (const void *)m->payload;
	const struct hv_register_assoc list[] = {
		{ .name = HV_REGISTER_RIP, .value = { behind(h) } },
		{ .name = HV_REGISTER_INTERCEPT_SUSPEND, .value = { 0 } },
	};

	set_registers(c->id, list, ARRAY_SIZE(list));
}

/* ---- rows ---- */

static void round_trip(bool asleep, const char *what)
{
	struct small c = { 0 };
	struct hv_message m;
	bool good = true;

	small_create(&c, area, exits, (size_t)(exits_end - exits));
	m = next_message(asleep);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t t = rdtsc();

		go_on(&c, &m);
		m = next_message(asleep);
		sample[i] = rdtsc() - t;
		good &= m.type == (uint32_t)HV_MESSAGE_IO_INTERCEPT && m.sender == c.id;
	}
	check(good, "%s", what);
	report(rounds, what);
	partition_end(c.id);
}

static void first_instruction(void)
{
	unsigned n = rounds / 10 + 1;
	struct small c = { 0 };

	for (unsigned i = 0; i < n; i++) {
		uint64_t t = rdtsc();
		struct hv_message m;

		small_create(&c, area, exits, (size_t)(exits_end - exits));
		m = next_message(false);
		sample[i] = rdtsc() - t;
		if (m.type != (uint32_t)HV_MESSAGE_IO_INTERCEPT || m.sender != c.id)
			guest_die("message 0x%x of 0x%llx", m.type, (unsigned long long)m.sender);
		partition_end(c.id);
	}
	check(true, "from HvCreatePartition to the first instruction, 1 MiB in 4 KiB pages");
	report(n, "from HvCreatePartition to the first instruction, 1 MiB in 4 KiB pages");
}

/* ---- messages and events ---- */

static volatile uint32_t *shared(const struct small *c, unsigned n) { return (volatile uint32_t *)(c->memory + SHARED) + n; }

static void receiver_create(struct small *c)
{
	static const uint32_t handler_at = CODE + HANDLER;
	const struct hv_register_assoc synic[] = {
		{ .name = HV_REGISTER_SIMP, .value = { MESSAGES | HV_MSR_PAGE_ENABLE } },
		{ .name = HV_REGISTER_SIEFP, .value = { FLAGS | HV_MSR_PAGE_ENABLE } },
		{ .name = HV_REGISTER_SINT0 + SINT, .value = { VECTOR } },
		{ .name = HV_REGISTER_SCONTROL, .value = { HV_SCONTROL_ENABLE } },
	};
	struct hv_message m;

	memset(area, 0, MIB);
	((uint64_t *)(area + IDT))[VECTOR] = (handler_at & 0xffff) | (uint64_t)CHILD_SEL_CODE << 16 | (uint64_t)GATE_INTERRUPT << 40;
	((uint64_t *)(area + GDT))[CHILD_SEL_CODE / 8] = descriptor(0, 0xfffff, 0x9b, 0xc);
	((uint64_t *)(area + GDT))[CHILD_SEL_DATA / 8] = descriptor(0, 0xfffff, 0x93, 0xc);
	memcpy(area + TABLES, &(uint16_t){ 0xff }, 2);
	memcpy(area + TABLES + 2, &(uint32_t){ GDT }, 4);
	memcpy(area + TABLES + 8, &(uint16_t){ IDT_LIMIT }, 2);
	memcpy(area + TABLES + 10, &(uint32_t){ IDT }, 4);
	small_create(c, area, receives, (size_t)(receives_end - receives));
	m = next_message(false);
	set_registers(c->id, synic, ARRAY_SIZE(synic));
	go_on(c, &m);
}

static void connect(const struct small *c, uint32_t port, uint32_t connection, struct hv_port_info info)
{
	struct hv_in_create_port create = { .port_partition = c->id, .port_id = port, .info = info };
	struct hv_in_connect_port with = { .connection_id = connection, .port_partition = c->id, .port_id = port, .info.type = info.type };
	uint64_t self;

	must(call(HV_CALL_GET_PARTITION_ID, 0), "HvGetPartitionId");
	self = call_out[0];
	create.connection_partition = with.connection_partition = self;
	must(call_feeding(HV_CALL_CREATE_PORT, 0, c->id, &create, sizeof create), "HvCreatePort");
	must(call_feeding(HV_CALL_CONNECT_PORT, 0, self, &with, sizeof with), "HvConnectPort");
}

static uint16_t post(void)
{
	*(struct hv_in_post_message *)call_in = (struct hv_in_post_message){ .connection_id = CONNECTION, .message_type = 1, .payload_size = 16 };
	return call(HV_CALL_POST_MESSAGE, 0);
}

static uint16_t signal(void)
{
	*(struct hv_in_signal_event *)call_in = (struct hv_in_signal_event){ .connection_id = FLAG_CONNECTION };
	return call(HV_CALL_SIGNAL_EVENT, 0);
}

/* From the call to the end of the child's handler. */
static void latency(const struct small *c, uint16_t (*send)(void), bool awake, const char *what)
{
	bool good = true;

	*shared(c, 1) = awake;
	/* One for nothing: it wakes the child, which looks. */
	for (unsigned i = 0; i <= rounds; i++) {
		uint32_t before = *shared(c, 0);
		uint64_t t;

		/* Long enough for it to have gone to sleep. */
		for (unsigned k = 0; k < 2000; k++)
			pause_cpu();
		t = rdtsc();
		good &= send() == HV_STATUS_SUCCESS;
		for (unsigned k = 0; *shared(c, 0) == before && k < 100000000; k++)
			pause_cpu();
		sample[i ? i - 1 : 0] = rdtsc() - t;
		good &= *shared(c, 0) == before + 1;
	}
	check(good, "%s", what);
	report(rounds, what);
}

static void messages(void)
{
	struct small c = { 0 };

	receiver_create(&c);
	connect(&c, PORT, CONNECTION, (struct hv_port_info){ .type = HV_PORT_MESSAGE, .sint = SINT });
	connect(&c, FLAG_PORT, FLAG_CONNECTION, (struct hv_port_info){ .type = HV_PORT_EVENT, .sint = SINT, .flag_count = 1 });
	latency(&c, post, false, "message to a child's handler, which sleeps");
	latency(&c, post, true, "message to a child's handler, which runs");
	latency(&c, signal, false, "event to a child's handler, which sleeps");
	latency(&c, signal, true, "event to a child's handler, which runs");
	partition_end(c.id);
}

/* ---- a root that schedules ---- */

/* Until the child is at its next exit. */
static bool dispatch(const struct small *c)
{
	*(struct hv_in_dispatch_vp *)call_in = (struct hv_in_dispatch_vp){ .partition_id = c->id, .flags = HV_DISPATCH_CLEAR_INTERCEPT_SUSPEND };
	must(call(HV_CALL_DISPATCH_VP, 0), "HvDispatchVp");
	return ((struct hv_out_dispatch_vp *)call_out)->event == HV_DISPATCH_EVENT_INTERCEPT;
}

static void dispatches(const char *what)
{
	struct small c = { .flags = HV_CREATE_INTERCEPT_MESSAGE_PAGE };
	struct hv_in_map_vp_state_page map = { .page.type = HV_VP_STATE_PAGE_INTERCEPT_MESSAGE };
	const struct hv_message *page;
	bool good = true;

	small_create(&c, area, exits, (size_t)(exits_end - exits));
	map.page.partition_id = c.id;
	must(call_feeding(HV_CALL_MAP_VP_STATE_PAGE, 0, c.id, &map, sizeof map), "HvMapVpStatePage");
	page = (const struct hv_message *)(((struct hv_out_map_vp_state_page *)call_out)->page * PAGE);
	next_message(true);
	good &= dispatch(&c);
	for (unsigned i = 0; i < rounds; i++) {
		const struct hv_intercept_header *h = (const void *)page->payload;
		const struct hv_register_assoc rip = { .name = HV_REGISTER_RIP, .value = { h->rip + (h->length_cr8 & 0xf) } };
		uint64_t t = rdtsc();

		set_registers(c.id, &rip, 1);
		good &= dispatch(&c);
		sample[i] = rdtsc() - t;
	}
	check(good, "%s", what);
	report(rounds, what);
	partition_end(c.id);
}

/* ---- statistics ---- */

static uint64_t null_call(void)
{
	uint64_t t = rdtsc();

	call(HV_CALL_NOTIFY_LONG_SPIN_WAIT, 0);
	return rdtsc() - t;
}

static uint64_t clock_msr(void)
{
	uint64_t t = rdtsc();

	rdmsr(HV_X64_MSR_TIME_REF_COUNT);
	return rdtsc() - t;
}

static void exits_cost(uint64_t (*f)(void), const char *what)
{
	for (unsigned i = 0; i < rounds; i++)
		sample[i] = f();
	report(rounds, what);
}

static void statistics(void)
{
	struct hv_in_stats_page in = { .type = HV_STATS_VP, .identity.partition_id = HV_PARTITION_ID_SELF };

	exits_cost(null_call, "a hypercall that does nothing");
	exits_cost(clock_msr, "a synthetic MSR");
	must(call_feeding(HV_CALL_MAP_STATS_PAGE, 0, HV_PARTITION_ID_SELF, &in, sizeof in), "HvMapStatsPage");
	exits_cost(null_call, "a hypercall that does nothing, while the VP's statistics page is mapped");
	exits_cost(clock_msr, "a synthetic MSR, the same");
	*(struct hv_in_stats_page *)call_in = in;
	must(call(HV_CALL_UNMAP_STATS_PAGE, 0), "HvUnmapStatsPage");
	check(true, "statistics pages");
}

/* ---- many at once ---- */

static uint64_t milliseconds(uint64_t cycles) { return cycles / cycles_us / 1000; }

static void many(unsigned n)
{
	static struct small all[MANY_MAX];
	uint64_t t = rdtsc();

	for (unsigned i = 0; i < n; i++) {
		struct hv_message m;

		small_create(&all[i], area + (size_t)i * MIB, sleeps, (size_t)(sleeps_end - sleeps));
		m = next_message(false);
		go_on(&all[i], &m);
	}
	t = rdtsc() - t;
	check(true, "%u partitions of one VP and 1 MiB each", n);
	print("# %llu ms for %u partitions of one VP and 1 MiB, %llu us each; %llu pages of the pool are in use for one\n",
	      (unsigned long long)milliseconds(t), n, (unsigned long long)(t / cycles_us / n), (unsigned long long)pages_in_use(all[n - 1].id));
	/* Whoever started this looks how large the emulator is. */
	print("# all alive\n");
	t = rdtsc();
	while (rdtsc() - t < cycles_us * 1000000)
		pause_cpu();
	t = rdtsc();
	for (unsigned i = 0; i < n; i++)
		partition_end(all[i].id);
	print("# %llu ms to take them back\n", (unsigned long long)milliseconds(rdtsc() - t));
}

void guest_main(void)
{
	unsigned n = (unsigned)guest_option("many", 0);

	rounds = (unsigned)guest_option("rounds", 200);
	if (!rounds || rounds > ROUNDS_MAX || n > MANY_MAX)
		guest_die("rounds=%u many=%u: rounds from 1 to %u, at most %u partitions", rounds, n, ROUNDS_MAX, MANY_MAX);
	area = (uint8_t *)(guest_option("area", 64) * MIB);
	cycles_us = rdmsr(HV_X64_MSR_TSC_FREQUENCY) / 1000000;
	parent_init();
	if (guest_option("dispatch", 0)) {
		dispatches("an exit of a child that the root dispatches, and back");
		return;
	}
	round_trip(false, "an exit of a child, to the parent, which looks for it, and back");
	round_trip(true, "an exit of a child, to the parent, which sleeps until it comes, and back");
	first_instruction();
	messages();
	statistics();
	if (n)
		many(n);
}
