/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * 8254 programmable interval timer with the PC's port B (0x61) around it.
 * Data sheet: Intel 82C54 (231244).
 *
 * Nothing counts here: a counter remembers the tick at which its counting
 * element was loaded, and count and output follow from the present tick.  Only
 * counter 0's rising edges need a timer.  Its wire stays high between them, so a
 * falling edge that nobody listens to costs no callback.
 *
 * Periods shorter than 20 us pulse the wire every so many periods only: no guest
 * could serve them, and the machine's lock must stay free for others.
 *
 * A period of 1 in modes 2 and 3, which the data sheet forbids, counts as 2.
 * Left out: parity and channel check in port B, the speaker's sound.
 */
#include "hw/timer/i8254.h"

#include <stddef.h>

#include "trace/log.h"

enum { COUNTERS = 3, PORT_COUNTERS = 0x40, PORT_B = 0x61 };
enum { CONTROL_BCD = 1 << 0, READ_BACK = 3, READ_BACK_NO_STATUS = 1 << 4, READ_BACK_NO_COUNT = 1 << 5 };
enum { STATUS_NULL = 1 << 6, STATUS_OUT = 1 << 7 };
enum { RW_LATCH = 0, RW_LOW = 1, RW_HIGH = 2, RW_BOTH = 3 };
enum { B_GATE2 = 1 << 0, B_SPEAKER = 1 << 1, B_WRITABLE = 0x0f, B_REFRESH = 1 << 4, B_OUT2 = 1 << 5 };
enum { REFRESH_NS = 15085 };        /* 18 ticks: counter 1's usual period */
enum { MIN_TICKS = 24 };            /* between two callbacks, 20 us */

#define NEVER INT64_MAX

struct counter {
	uint8_t mode, rw;
	bool bcd, gate;
	bool counting;              /* the counting element was loaded since the mode was set */
	uint32_t period;            /* 1..65536 (BCD: 10000): what was loaded */
	uint32_t pending;           /* written, not loaded yet; 0: none */
	int64_t start;              /* tick of the load */
	int64_t held;               /* ticks since the load, while a low gate stops counting */
	int64_t switch_at;          /* modes 2, 3: tick at which pending is loaded; NEVER */
	uint8_t low_byte;
	bool write_high, read_high; /* second byte of RW_BOTH is next */
	bool count_latched, status_latched;
	uint16_t count_latch;
	uint8_t status_latch;
};

struct pit {
	struct device device;       /* machine lock: everything below */
	struct counter counter[COUNTERS];
	uint8_t port_b;
	int64_t edge;               /* tick of counter 0's next rising edge; NEVER */
	struct irq_line out0;
	struct isa_pin irq0;
	struct clock_timer *timer;
};

/* ---- time ---- */

static int64_t tick_of(int64_t ns)
{
	return (int64_t)((__int128)ns * PIT_HZ / 1000000000);
}

/* First nanosecond of a tick; INT64_MAX if it is beyond all time. */
static int64_t ns_of(int64_t tick)
{
	__int128 ns = ((__int128)tick * 1000000000 + PIT_HZ - 1) / PIT_HZ;

	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static int64_t tick_now(struct pit *p)
{
	return tick_of(clock_now(p->device.machine->clock));
}

/* ---- one counter as a function of time ---- */

static bool is_periodic(const struct counter *c)
{
	return c->mode == 2 || c->mode == 3;
}

static bool is_triggered(const struct counter *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* Ticks since the load; -1 in the tick before it. */
static int64_t elapsed(const struct counter *c, int64_t now)
{
	return c->gate || is_triggered(c) ? now - c->start : c->held;
}

static uint32_t high_half(uint32_t period)
{
	return (period + 1) / 2;
}

static bool output(const struct counter *c, int64_t now)
{
	int64_t e = elapsed(c, now);

	switch (c->mode) {
	case 0:
		return c->counting && e >= c->period;
	case 1:
		return !c->counting || e < 0 || e >= c->period;
	case 2:
		return !c->counting || !c->gate || e < 0 || e % c->period != c->period - 1;
	case 3:
		return !c->counting || !c->gate || e < 0 || e % c->period < high_half(c->period);
	default:
		return !c->counting || e != c->period;
	}
}

static uint16_t to_bcd(unsigned v)
{
	return v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10;
}

static uint32_t from_bcd(uint16_t v)
{
	return (v >> 12) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static uint16_t count(const struct counter *c, int64_t now)
{
	int64_t e = elapsed(c, now), modulus = c->bcd ? 10000 : 0x10000;
	int64_t v = 0;

	if (!c->counting)
		return 0;
	if (e < 0)
		e = 0;
	if (c->mode == 2) {
		v = c->period - e % c->period;
	} else if (c->mode == 3) {
		int64_t in_half = e % c->period;

		if (in_half >= high_half(c->period))
			in_half -= high_half(c->period);
		v = (c->period & ~1u) - 2 * in_half;
	} else {
		v = (c->period - e % modulus + modulus) % modulus;
	}
	return c->bcd ? to_bcd(v % modulus) : v % modulus;
}

static uint8_t status(const struct counter *c, int64_t now)
{
	bool null = !c->counting || c->pending || now < c->start;

	return (output(c, now) ? STATUS_OUT : 0) | (null ? STATUS_NULL : 0) | c->rw << 4 | c->mode << 1
		| (c->bcd ? CONTROL_BCD : 0);
}

/* The next tick after @now at which the output rises, as things stand. */
static int64_t next_rise(const struct counter *c, int64_t now)
{
	int64_t e = elapsed(c, now);

	if (!c->counting || (!c->gate && !is_triggered(c)))
		return NEVER;
	switch (c->mode) {
	case 0:
	case 1:
		return e < c->period ? c->start + c->period : NEVER;
	case 2:
	case 3:
		return c->start + (e < 0 ? 1 : e / c->period + 1) * c->period;
	default:
		return e <= c->period ? c->start + c->period + 1 : NEVER;
	}
}

/* ---- changes ---- */

static void load(struct counter *c, uint32_t period, int64_t start)
{
	c->period = is_periodic(c) && period == 1 ? 2 : period;
	c->pending = 0;
	c->switch_at = NEVER;
	c->start = start;
	c->held = 0;
	c->counting = true;
}

/* Loads a pending period whose time has come. */
static void settle(struct counter *c, int64_t now)
{
	int64_t at = c->switch_at;
	bool low;

	if (now < at)
		return;
	low = c->mode == 3 && (at - c->start) % c->period == high_half(c->period);
	load(c, c->pending, at);
	if (low)
		c->start -= high_half(c->period);     /* the new period begins in its low half */
}

/* The end of the present period, in mode 3 of its half. */
static int64_t reload_tick(const struct counter *c, int64_t now)
{
	int64_t e = elapsed(c, now), in = e < 0 ? 0 : e % c->period, begin = now - (e < 0 ? e : in);

	if (c->mode == 3 && in < high_half(c->period))
		return begin + high_half(c->period);
	return begin + c->period;
}

static void write_count(struct counter *c, uint16_t value, int64_t now)
{
	uint32_t period = c->bcd ? from_bcd(value) : value;

	if (!period)
		period = c->bcd ? 10000 : 0x10000;
	if (is_triggered(c)) {
		c->pending = period;
	} else if (is_periodic(c) && c->counting && c->gate) {
		c->switch_at = reload_tick(c, now);
		c->pending = period;
	} else {
		load(c, period, now + 1);
	}
}

static void write_counter(struct counter *c, uint8_t v, int64_t now)
{
	switch (c->rw) {
	case RW_LOW:
		write_count(c, v, now);
		break;
	case RW_HIGH:
		write_count(c, v << 8, now);
		break;
	case RW_BOTH:
		if (c->write_high) {
			write_count(c, v << 8 | c->low_byte, now);
		} else {
			c->low_byte = v;
			if (c->mode == 0)
				c->counting = false;
		}
		c->write_high = !c->write_high;
		break;
	}
}

static uint8_t read_counter(struct counter *c, int64_t now)
{
	uint16_t v;
	bool high;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status_latch;
	}
	v = c->count_latched ? c->count_latch : count(c, now);
	high = c->rw == RW_HIGH || (c->rw == RW_BOTH && c->read_high);
	if (c->rw == RW_BOTH)
		c->read_high = !c->read_high;
	if (c->rw != RW_BOTH || high)
		c->count_latched = false;
	return high ? v >> 8 : v;
}

static void latch_count(struct counter *c, int64_t now)
{
	if (c->count_latched)
		return;                  /* the first latch counts until it is read */
	c->count_latch = count(c, now);
	c->count_latched = true;
}

static void latch_status(struct counter *c, int64_t now)
{
	if (c->status_latched)
		return;
	c->status_latch = status(c, now);
	c->status_latched = true;
}

static void set_mode(struct counter *c, uint8_t v)
{
	bool gate = c->gate;

	*c = (struct counter){
		.mode = (v >> 1 & 7) > 5 ? (v >> 1 & 3) : (v >> 1 & 7),
		.rw = v >> 4 & 3,
		.bcd = v & CONTROL_BCD,
		.gate = gate,
		.switch_at = NEVER,
	};
}

static void set_gate(struct counter *c, bool gate, int64_t now)
{
	if (gate == c->gate)
		return;
	if (!gate)
		c->held = MAX(now - c->start, 0);
	c->gate = gate;
	if (is_triggered(c)) {
		if (gate && (c->counting || c->pending))
			load(c, c->pending ? c->pending : c->period, now + 1);
	} else if (is_periodic(c)) {
		if (gate && c->counting)
			load(c, c->pending ? c->pending : c->period, now + 1);
		else
			c->switch_at = NEVER;    /* pending waits for the gate */
	} else if (gate) {
		c->start = now - c->held;
	}
}

/* ---- counter 0's wire ---- */

static void set_out0(struct pit *p, bool level)
{
	if (p->out0.set)
		irq_set(&p->out0, level);
	else
		isa_pin_set(&p->irq0, level);
}

/* next_rise(), not sooner than MIN_TICKS if others follow in between. */
static int64_t spaced_rise(const struct counter *c, int64_t now)
{
	int64_t rise = next_rise(c, now);

	if (!is_periodic(c) || rise == NEVER || rise >= now + MIN_TICKS || c->period >= MIN_TICKS)
		return rise;
	return rise + MIN_TICKS / c->period * c->period;
}

static void arm(struct pit *p, int64_t now)
{
	const struct counter *c = &p->counter[0];
	int64_t wake;

	p->edge = spaced_rise(c, now);
	wake = MIN(p->edge, c->switch_at);
	clock_timer_arm(p->timer, ns_of(wake));
}

/* Locks: takes the machine's. */
static void timer_fired(void *opaque)
{
	struct pit *p = opaque;
	int64_t now;

	lock_acquire(&p->device.machine->lock);
	now = tick_now(p);
	settle(&p->counter[0], now);
	if (now >= p->edge) {
		set_out0(p, false);
		set_out0(p, true);
	}
	arm(p, now);
	lock_release(&p->device.machine->lock);
}

/* After a change of counter 0. */
static void update0(struct pit *p, int64_t now)
{
	set_out0(p, output(&p->counter[0], now));
	arm(p, now);
}

/* ---- registers ---- */

static void read_back(struct pit *p, uint8_t v, int64_t now)
{
	for (unsigned i = 0; i < COUNTERS; i++) {
		if (!(v & 2 << i))
			continue;
		if (!(v & READ_BACK_NO_COUNT))
			latch_count(&p->counter[i], now);
		if (!(v & READ_BACK_NO_STATUS))
			latch_status(&p->counter[i], now);
	}
}

static void write_control(struct pit *p, uint8_t v, int64_t now)
{
	unsigned n = v >> 6;

	if (n == READ_BACK) {
		read_back(p, v, now);
	} else if ((v >> 4 & 3) == RW_LATCH) {
		latch_count(&p->counter[n], now);
	} else {
		log_print(LOG_DEVICE, "isa-pit: counter %u mode %u\n", n, v >> 1 & 7);
		set_mode(&p->counter[n], v);
		if (n == 0)
			update0(p, now);
	}
}

static uint64_t pit_read(void *dev, uint64_t offset, unsigned size)
{
	struct pit *p = dev;
	int64_t now = tick_now(p);

	if (offset == COUNTERS)
		return 0xff;             /* the control word cannot be read */
	settle(&p->counter[offset], now);
	return read_counter(&p->counter[offset], now);
}

static void pit_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pit *p = dev;
	int64_t now = tick_now(p);

	for (unsigned i = 0; i < COUNTERS; i++)
		settle(&p->counter[i], now);
	if (offset == COUNTERS) {
		write_control(p, value, now);
		return;
	}
	write_counter(&p->counter[offset], value, now);
	if (offset == 0)
		update0(p, now);
}

static uint64_t port_b_read(void *dev, uint64_t offset, unsigned size)
{
	struct pit *p = dev;
	int64_t ns = clock_now(p->device.machine->clock), now = tick_of(ns);

	settle(&p->counter[2], now);
	return p->port_b | (ns / REFRESH_NS & 1 ? B_REFRESH : 0) | (output(&p->counter[2], now) ? B_OUT2 : 0);
}

static void port_b_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pit *p = dev;
	int64_t now = tick_now(p);

	p->port_b = value & B_WRITABLE;
	settle(&p->counter[2], now);
	set_gate(&p->counter[2], value & B_GATE2, now);
}

static const struct region_ops pit_ops = { pit_read, pit_write, 1, 1 };
static const struct region_ops port_b_ops = { port_b_read, port_b_write, 1, 1 };

/* ---- type ---- */

void i8254_connect(struct device *d, const struct irq_line *out0)
{
	((struct pit *)d)->out0 = *out0;
}

static void pit_reset(struct device *d)
{
	struct pit *p = (struct pit *)d;

	for (unsigned i = 0; i < COUNTERS; i++) {
		p->counter[i].gate = i != 2;
		set_mode(&p->counter[i], RW_BOTH << 4 | 3 << 1);
	}
	p->port_b = 0;
	update0(p, tick_now(p));
}

static void pit_loaded(struct device *d)
{
	struct pit *p = (struct pit *)d;

	arm(p, tick_now(p));
}

static bool pit_init(struct device *d, GError **error)
{
	struct pit *p = (struct pit *)d;

	isa_pin_init(&p->irq0, d->machine, 0);
	p->timer = clock_timer_new(d->machine->clock, timer_fired, p);
	machine_add_io(d->machine, PORT_COUNTERS, COUNTERS + 1, &pit_ops, p, "isa-pit");
	machine_add_io(d->machine, PORT_B, 1, &port_b_ops, p, "port B");
	return true;
}

static void pit_fini(struct device *d)
{
	clock_timer_free(((struct pit *)d)->timer);
}

static const struct state_field pit_state[] = {
	{ "counter", offsetof(struct pit, counter), sizeof(struct counter), COUNTERS },
	{ "port-b", offsetof(struct pit, port_b), 1, 1 },
	{ "irq0", offsetof(struct pit, irq0.level), 1, 1 },
	{ NULL }
};

const struct device_type i8254_type = {
	.name = "isa-pit",
	.description = "8254 interval timer",
	.size = sizeof(struct pit),
	.init = pit_init,
	.reset = pit_reset,
	.fini = pit_fini,
	.state = pit_state,
	.loaded = pit_loaded,
};
