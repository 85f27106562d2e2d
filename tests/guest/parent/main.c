/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A parent partition: it makes a child, gives it memory, a processor and a few devices, answers what
 * the child does that the hypervisor leaves to its parent, and takes everything back at the end.
 *
 * The child's kernel comes with -initrd, as make-bundle wrote it.  Words of the command line:
 *   child=MIB   its memory (256)
 *   host=1      it may make partitions itself: another one of this program
 *   rounds=N    make it and run it to its end so many times (1)
 *   dispatch=1  its processor runs while we say so (-accel hvtlfs,role=root,scheduler=root)
 *   stats=1     its statistics pages are mapped while it runs, and some of them are told
 *   plain=1     what it prints goes out as it is, not as lines behind '| '
 */
#include "child.h"
#include "hv/hypercall.h"
#include "hv/msr.h"
#include "hv/time.h"

enum { MIB = 1 << 20, LARGE = 2 * MIB, TICK_VECTOR = 0x62 };
/* Above this program and the pages that it gives away, below where the loader puts the bundle. */
enum { CHILD_BASE = 64 * MIB };

static struct child child;
static bool plain, at_start = true;
static volatile bool ticked;
static struct bundle bundle;

static void child_prints(uint8_t c)
{
	if (!plain && at_start) {
		guest_putc('|');
		guest_putc(' ');
	}
	at_start = c == '\n';
	guest_putc(c);
}

/*
 * Our own console's input is the child's.  Each look may be an exit to a parent of our own, so one a tick is
 * enough for who types.
 */
static void pass_input(void)
{
	if (!ticked)
		return;
	ticked = false;
	/* What does not fit waits in our own; the child has to be told of what does. */
	while (child.ports.uart.count < UART_INPUT && inb(UART_PORT + 5) & 1)
		uart_input(&child.ports.uart, inb(UART_PORT));
	child_interrupts(&child);
}

/* Until the child has come to its end; says why. */
static const char *run(void)
{
	struct hv_message m;
	const char *why;

	child_run(&child);
	for (;;) {
		while (parent_take(INTERCEPT_SINT, &m)) {
			why = child_exit(&child, &m);
			if (why)
				return why;
		}
		pass_input();
		/* An interrupt between the look and the halt stays requested. */
		asm volatile("sti; hlt; cli" : : : "memory");
	}
}

static void one_round(void)
{
	uint64_t before = pages_in_use(HV_PARTITION_ID_SELF);
	const char *why = child_create(&child, &bundle, guest_option("host", 0));

	check(!why, "the child is made%s%s", why ? ": " : "", why ? why : "");
	if (why)
		guest_die("no child");
	ports_reset(&child.ports, child_prints);
	if (guest_option("stats", 0))
		stats_map(&child);
	why = guest_option("dispatch", 0) ? dispatch_run(&child, pass_input) : run();
	if (!at_start)
		guest_putc('\n');
	at_start = true;
	if (guest_option("stats", 0))
		stats_tell(&child);
	check((child.ports.reset_asked || child.ports.off || child.ended) && !child.ports.failed, "the child ran to its end: %s", why);
	if (guest_option("dispatch", 0))
		dispatch_end(&child);
	child_destroy(&child);
	check_eq(pages_in_use(HV_PARTITION_ID_SELF), before, "pages of the pool in use are as many as before");
}

static void tick(struct frame *f)
{
	ticked = true;
	apic_eoi();
}

void guest_main(void)
{
	unsigned rounds = guest_option("rounds", 1);

	plain = guest_option("plain", 0);
	if (!guest_module || !bundle_parse(&bundle, guest_module, guest_module_size))
		guest_die("no child to run: -initrd FILE as make-bundle writes it");
	child.size = guest_option("child", 256) * MIB / LARGE * LARGE;
	child.memory = (uint8_t *)CHILD_BASE;
	if ((uintptr_t)guest_module < CHILD_BASE + child.size)
		guest_die("child=%u MiB do not fit below the bundle at 0x%lx: give the parent more memory",
			  (unsigned)(child.size / MIB), (unsigned long)guest_module);
	parent_init();
	guest_fifo();
	handler[TICK_VECTOR] = tick;
	wrmsr(HV_X64_MSR_STIMER0_CONFIG, HV_TIMER_ENABLE | HV_TIMER_PERIODIC | HV_TIMER_DIRECT | TICK_VECTOR << HV_TIMER_VECTOR_SHIFT);
	wrmsr(HV_X64_MSR_STIMER0_COUNT, HV_REFERENCE_HZ / 50);
	while (rounds--)
		one_round();
}
