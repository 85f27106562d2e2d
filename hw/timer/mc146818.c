/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MC146818 real-time clock of the PC/AT with 128 bytes of CMOS memory.
 * Data sheet: Motorola MC146818A.
 *
 * Time is the host's UTC plus an offset that changes when the guest sets the
 * clock; with a stepped clock it is the property base plus the machine's time.
 * While the guest holds the clock (SET, or the divider in reset) the time
 * registers are plain memory.  The flags of register C are worked out when
 * someone looks; a timer runs only for interrupts that are enabled and not
 * pending yet.
 *
 * Left out: square-wave output, daylight saving.
 */
#include "hw/timer/mc146818.h"

#include <assert.h>
#include <stddef.h>
#include <time.h>

#include "trace/log.h"

enum { PORT = 0x70, PORTS = 2, INDEX_MASK = 0x7f, IRQ = 8 };
enum {
	SECOND = 0, SECOND_ALARM, MINUTE, MINUTE_ALARM, HOUR, HOUR_ALARM, WEEKDAY, DAY, MONTH, YEAR,
	REG_A, REG_B, REG_C, REG_D, CMOS_FIRST,
};
enum { A_RATE = 0x0f, A_DIVIDER = 0x70, A_DIVIDER_RUN = 0x20, A_DIVIDER_RESET = 0x60, A_UIP = 0x80 };
enum { B_24H = 1 << 1, B_BINARY = 1 << 2, B_SQUARE_WAVE = 1 << 3, B_UIE = 1 << 4, B_AIE = 1 << 5, B_PIE = 1 << 6, B_SET = 1 << 7 };
enum { C_UF = B_UIE, C_AF = B_AIE, C_PF = B_PIE, C_IRQF = 1 << 7, C_SOURCES = C_UF | C_AF | C_PF };
enum { D_VALID = 1 << 7, HOUR_PM = 1 << 7, ALARM_ANY = 0xc0 };

#define SECOND_NS INT64_C(1000000000)
enum { UIP_NS = 244000, CRYSTAL_HZ = 32768, DAY_SECONDS = 86400 };
enum { HALF_SECOND_NS = 500000000 };
#define LAST_SECOND INT64_C(6000000000)    /* 2160: nanoseconds since 1970 fit, with CLOCK_END added too */
#define NEVER INT64_MAX

struct rtc {
	struct device device;     /* machine lock: everything below */
	uint64_t base;            /* property: seconds since 1970 at time 0 of a stepped clock */
	uint8_t index;            /* register chosen by the last write to 0x70 */
	uint8_t reg[CMOS_SIZE];   /* time registers count only while the clock is held */
	int64_t offset;           /* guest time minus host time, ns */
	int64_t seen_second;      /* guest time up to which UF and AF are worked out */
	int64_t seen_tick;        /* crystal tick up to which PF is */
	struct isa_pin irq;
	struct clock_timer *timer;
};

/* ---- time ---- */

/* Guest time in ns since 1970; the calendar is kept by the host unless stepped. */
static int64_t guest_now(struct rtc *r)
{
	struct clock *c = r->device.machine->clock;
	int64_t host = clock_kind(c) == CLOCK_REAL ? g_get_real_time() * 1000
		: (int64_t)r->base * SECOND_NS + clock_now(c);

	return host + r->offset;
}

static int64_t second_of(int64_t ns)
{
	return ns / SECOND_NS - (ns % SECOND_NS < 0);
}

static int64_t guest_second(struct rtc *r)
{
	return second_of(guest_now(r));
}

static int64_t tick_now(struct rtc *r)
{
	return (int64_t)((__int128)clock_now(r->device.machine->clock) * CRYSTAL_HZ / SECOND_NS);
}

/* Ticks between periodic interrupts, 0 for none. */
static unsigned period(const struct rtc *r)
{
	unsigned rate = r->reg[REG_A] & A_RATE;

	if (!rate || (r->reg[REG_A] & A_DIVIDER) != A_DIVIDER_RUN)
		return 0;
	return 1u << ((rate < 3 ? rate + 7 : rate) - 1);
}

/* The guest holds the time registers. */
static bool held(const struct rtc *r)
{
	return (r->reg[REG_B] & B_SET) || (r->reg[REG_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

/* ---- calendar registers ---- */

static uint8_t encode(const struct rtc *r, unsigned v)
{
	return r->reg[REG_B] & B_BINARY ? v : v / 10 << 4 | v % 10;
}

static unsigned decode(const struct rtc *r, uint8_t v)
{
	return r->reg[REG_B] & B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const struct rtc *r, unsigned hour)
{
	if (r->reg[REG_B] & B_24H)
		return encode(r, hour);
	return encode(r, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const struct rtc *r, uint8_t v)
{
	if (r->reg[REG_B] & B_24H)
		return decode(r, v);
	return decode(r, v & ~HOUR_PM) % 12 + (v & HOUR_PM ? 12 : 0);
}

static void time_to_registers(struct rtc *r)
{
	time_t second = guest_second(r);
	struct tm t;
	int year;

	if (!gmtime_r(&second, &t))
		return;
	year = t.tm_year + 1900;
	r->reg[SECOND] = encode(r, t.tm_sec);
	r->reg[MINUTE] = encode(r, t.tm_min);
	r->reg[HOUR] = encode_hour(r, t.tm_hour);
	r->reg[WEEKDAY] = encode(r, t.tm_wday + 1);
	r->reg[DAY] = encode(r, t.tm_mday);
	r->reg[MONTH] = encode(r, t.tm_mon + 1);
	r->reg[YEAR] = encode(r, year % 100);
	r->reg[CMOS_CENTURY] = encode(r, year / 100 % 100);
}

/* The registers become the time, @fraction_ns into their second. */
static void registers_to_time(struct rtc *r, int64_t fraction_ns)
{
	struct tm t = {
		.tm_sec = decode(r, r->reg[SECOND]),
		.tm_min = decode(r, r->reg[MINUTE]),
		.tm_hour = decode_hour(r, r->reg[HOUR]),
		.tm_mday = decode(r, r->reg[DAY]),
		.tm_mon = (int)decode(r, r->reg[MONTH]) - 1,
		.tm_year = decode(r, r->reg[YEAR]) + decode(r, r->reg[CMOS_CENTURY]) * 100 - 1900,
	};
	/* Whatever the guest wrote, the year stays one that nanoseconds can count. */
	int64_t second = CLAMP(timegm(&t), 0, LAST_SECOND);

	r->offset += second * SECOND_NS + fraction_ns - guest_now(r);
	r->seen_second = second;
}

/* ---- alarm ---- */

static bool alarm_takes(uint8_t alarm, unsigned wanted, unsigned v)
{
	return (alarm & ALARM_ANY) == ALARM_ANY || wanted == v;
}

/* First second after @from that the alarm registers match, NEVER if none does. */
static int64_t next_alarm(const struct rtc *r, int64_t from)
{
	const uint8_t *reg = r->reg;
	int64_t t = from + 1, end = from + 1 + DAY_SECONDS;

	while (t < end) {
		unsigned in_day = (t % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;

		if (!alarm_takes(reg[HOUR_ALARM], decode_hour(r, reg[HOUR_ALARM]), in_day / 3600))
			t += 3600 - in_day % 3600;
		else if (!alarm_takes(reg[MINUTE_ALARM], decode(r, reg[MINUTE_ALARM]), in_day / 60 % 60))
			t += 60 - in_day % 60;
		else if (!alarm_takes(reg[SECOND_ALARM], decode(r, reg[SECOND_ALARM]), in_day % 60))
			t++;
		else
			return t;
	}
	return NEVER;
}

/* ---- interrupts ---- */

/* Flags for all that happened since the last look. */
static void settle(struct rtc *r)
{
	int64_t tick = tick_now(r), second;
	unsigned p = period(r);

	if (p && tick / p != r->seen_tick / p)
		r->reg[REG_C] |= C_PF;
	r->seen_tick = tick;
	if (held(r))
		return;
	second = guest_second(r);
	if (second > r->seen_second) {
		r->reg[REG_C] |= C_UF;
		if (next_alarm(r, r->seen_second) <= second)
			r->reg[REG_C] |= C_AF;
	}
	r->seen_second = second;    /* the host's clock may have been set back */
}

/* Machine time of the next event that would raise an interrupt; NEVER if none. */
static int64_t next_event(struct rtc *r)
{
	int64_t now = clock_now(r->device.machine->clock), guest = guest_now(r), when = NEVER, second = NEVER;
	uint8_t wanted = r->reg[REG_B] & ~r->reg[REG_C];
	unsigned p = period(r);

	if ((wanted & B_PIE) && p) {
		int64_t tick = (tick_now(r) / p + 1) * p;

		when = (int64_t)(((__int128)tick * SECOND_NS + CRYSTAL_HZ - 1) / CRYSTAL_HZ);
	}
	if (held(r))
		return when;
	if (wanted & B_UIE)
		second = second_of(guest) + 1;
	else if (wanted & B_AIE)
		second = next_alarm(r, second_of(guest));
	if (second == NEVER)
		return when;
	return MIN(when, now + (second * SECOND_NS - guest));
}

/* Wire and timer follow the registers. */
static void update(struct rtc *r)
{
	bool irq = r->reg[REG_B] & r->reg[REG_C] & C_SOURCES;

	r->reg[REG_C] = (r->reg[REG_C] & C_SOURCES) | (irq ? C_IRQF : 0);
	isa_pin_set(&r->irq, irq);
	clock_timer_arm(r->timer, irq ? INT64_MAX : next_event(r));
}

/* Locks: takes the machine's. */
static void timer_fired(void *opaque)
{
	struct rtc *r = opaque;

	lock_acquire(&r->device.machine->lock);
	settle(r);
	update(r);
	lock_release(&r->device.machine->lock);
}

/* ---- registers ---- */

static bool is_time(unsigned index)
{
	switch (index) {
	case SECOND:
	case MINUTE:
	case HOUR:
	case WEEKDAY:
	case DAY:
	case MONTH:
	case YEAR:
	case CMOS_CENTURY:
		return true;
	default:
		return false;
	}
}

static uint8_t read_a(struct rtc *r)
{
	int64_t now = guest_now(r), in_second = now - second_of(now) * SECOND_NS;

	return r->reg[REG_A] | (!held(r) && in_second >= SECOND_NS - UIP_NS ? A_UIP : 0);
}

static uint8_t read_c(struct rtc *r)
{
	uint8_t v;

	settle(r);
	update(r);
	v = r->reg[REG_C];
	r->reg[REG_C] = 0;          /* reading acknowledges every source */
	update(r);
	return v;
}

static uint64_t rtc_read(void *dev, uint64_t offset, unsigned size)
{
	struct rtc *r = dev;

	if (!offset)
		return 0xff;         /* the index cannot be read */
	if (r->index == REG_A)
		return read_a(r);
	if (r->index == REG_C)
		return read_c(r);
	if (is_time(r->index) && !held(r))
		time_to_registers(r);
	return r->reg[r->index];
}

/* Registers A and B: the clock may be held or let go. */
static void write_control(struct rtc *r, uint8_t v)
{
	bool was_held = held(r), by_divider = !(r->reg[REG_B] & B_SET);

	if (!was_held)
		time_to_registers(r);
	if (r->index == REG_A)
		v &= ~A_UIP;
	else if (v & B_SET)
		v &= ~B_UIE;
	/* A new format does not convert the registers: the guest writes them anew. */
	r->reg[r->index] = v;
	/* The first update comes half a second after the divider starts. */
	if (was_held && !held(r))
		registers_to_time(r, by_divider ? HALF_SECOND_NS : 0);
}

static void write_time(struct rtc *r, uint8_t v)
{
	int64_t now = guest_now(r);

	if (held(r)) {
		r->reg[r->index] = v;
		return;
	}
	time_to_registers(r);
	r->reg[r->index] = v;
	registers_to_time(r, now - second_of(now) * SECOND_NS);
}

static void rtc_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct rtc *r = dev;

	if (!offset) {
		r->index = value & INDEX_MASK;
		return;
	}
	settle(r);
	if (is_time(r->index))
		write_time(r, value);
	else if (r->index == REG_A || r->index == REG_B)
		write_control(r, value);
	else if (r->index != REG_C && r->index != REG_D)
		r->reg[r->index] = value;
	update(r);
}

static const struct region_ops rtc_ops = { rtc_read, rtc_write, 1, 1 };

/* ---- memory sizes ---- */

static void set_word(struct rtc *r, unsigned index, uint64_t v)
{
	v = MIN(v, 0xffff);
	r->reg[index] = v;
	r->reg[index + 1] = v >> 8;
}

void mc146818_set_memory(struct device *d, uint64_t below_4g, uint64_t above_4g)
{
	struct rtc *r = (struct rtc *)d;
	uint64_t kib = below_4g >> 10, high = above_4g >> 16;

	lock_acquire(&d->machine->lock);
	set_word(r, 0x15, MIN(kib, 640));
	set_word(r, 0x17, kib > 1024 ? kib - 1024 : 0);
	set_word(r, 0x30, kib > 1024 ? kib - 1024 : 0);
	set_word(r, 0x34, kib > 16384 ? (kib - 16384) / 64 : 0);
	r->reg[0x5b] = high;
	r->reg[0x5c] = high >> 8;
	r->reg[0x5d] = high >> 16;
	lock_release(&d->machine->lock);
}

void mc146818_set_cmos(struct device *d, unsigned index, uint8_t value)
{
	assert(index >= CMOS_FIRST && index < CMOS_SIZE && index != CMOS_CENTURY);
	lock_acquire(&d->machine->lock);
	((struct rtc *)d)->reg[index] = value;
	lock_release(&d->machine->lock);
}

/* ---- type ---- */

/* The battery keeps everything but the interrupts. */
static void rtc_reset(struct device *d)
{
	struct rtc *r = (struct rtc *)d;

	r->reg[REG_B] &= ~(B_PIE | B_AIE | B_UIE | B_SQUARE_WAVE);
	r->reg[REG_C] = 0;
	update(r);
}

static void rtc_loaded(struct device *d)
{
	update((struct rtc *)d);
}

static bool rtc_init(struct device *d, GError **error)
{
	struct rtc *r = (struct rtc *)d;

	if (!r->base)
		r->base = g_get_real_time() / 1000000;
	if (r->base > LAST_SECOND) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"Property 'mc146818rtc.base' takes seconds since 1970, at most %" G_GINT64_FORMAT, LAST_SECOND);
		return false;
	}
	isa_pin_init(&r->irq, d->machine, IRQ);
	r->reg[REG_A] = A_DIVIDER_RUN | 6;    /* 1024 Hz */
	r->reg[REG_B] = B_24H;
	r->reg[REG_D] = D_VALID;
	r->seen_second = guest_second(r);
	r->seen_tick = tick_now(r);
	r->timer = clock_timer_new(d->machine->clock, timer_fired, r);
	machine_add_io(d->machine, PORT, PORTS, &rtc_ops, r, "mc146818rtc");
	return true;
}

static void rtc_fini(struct device *d)
{
	clock_timer_free(((struct rtc *)d)->timer);
}

static const struct device_property rtc_properties[] = {
	{ "base", "seconds since 1970 at time 0 of a stepped clock; 0: the host's time", PROPERTY_UINT64,
		offsetof(struct rtc, base) },
	{ NULL }
};

static const struct state_field rtc_state[] = {
	{ "index", offsetof(struct rtc, index), 1, 1 },
	{ "reg", offsetof(struct rtc, reg), 1, CMOS_SIZE },
	{ "offset", offsetof(struct rtc, offset), 8, 1 },
	{ "seen-second", offsetof(struct rtc, seen_second), 8, 1 },
	{ "seen-tick", offsetof(struct rtc, seen_tick), 8, 1 },
	{ "irq", offsetof(struct rtc, irq.level), 1, 1 },
	{ NULL }
};

const struct device_type mc146818_type = {
	.name = "mc146818rtc",
	.description = "MC146818 real-time clock and CMOS memory",
	.size = sizeof(struct rtc),
	.properties = rtc_properties,
	.init = rtc_init,
	.reset = rtc_reset,
	.fini = rtc_fini,
	.state = rtc_state,
	.loaded = rtc_loaded,
};
