/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 8254 through its ports, with a stepped clock: every mode, latches, read-back, gate 2. */
#include "hw/timer/i8254.h"

#include "board.h"

enum { CH0 = 0x40, CH2 = 0x42, CONTROL = 0x43, PORT_B = 0x61, GATE = 1, OUT2 = 0x20 };
enum { STATUS_OUT = 0x80, STATUS_NULL = 0x40 };

static struct board *pit_board(void)
{
	struct board *b = board_new();

	board_add(b, "isa-pit");
	return b;
}

/* Steps to the first nanosecond of tick @n. */
static void to_tick(struct board *b, int64_t n)
{
	clock_step_to(b->m->clock, (n * 1000000000 + PIT_HZ - 1) / PIT_HZ);
}

static int64_t tick(struct board *b)
{
	return clock_now(b->m->clock) * PIT_HZ / 1000000000;
}

static void ticks_pass(struct board *b, int64_t n)
{
	to_tick(b, tick(b) + n);
}

static void program(struct board *b, unsigned counter, unsigned mode, unsigned count)
{
	out8(b, CONTROL, counter << 6 | 0x30 | mode << 1);
	out8(b, CH0 + counter, count);
	out8(b, CH0 + counter, count >> 8);
}

static unsigned count(struct board *b, unsigned counter)
{
	unsigned low;

	out8(b, CONTROL, counter << 6);
	low = in8(b, CH0 + counter);
	return low | in8(b, CH0 + counter) << 8;
}

static unsigned status(struct board *b, unsigned counter)
{
	out8(b, CONTROL, 0xe0 | 2 << counter);
	return in8(b, CH0 + counter);
}

static bool out2(struct board *b)
{
	return in8(b, PORT_B) & OUT2;
}

static void test_mode0(void)
{
	struct board *b = pit_board();

	program(b, 0, 0, 100);
	g_assert_cmpint(b->level[0], ==, 0);
	g_assert_cmphex(status(b, 0), ==, STATUS_NULL | 0x30);
	ticks_pass(b, 1);
	g_assert_cmpuint(count(b, 0), ==, 100);
	g_assert_cmphex(status(b, 0), ==, 0x30);
	ticks_pass(b, 99);
	g_assert_cmpuint(count(b, 0), ==, 1);
	g_assert_cmpint(b->level[0], ==, 0);
	ticks_pass(b, 1);
	g_assert_cmpint(b->level[0], ==, 1);
	g_assert_cmphex(status(b, 0), ==, STATUS_OUT | 0x30);
	/* It goes on counting, once around, and is high for good. */
	ticks_pass(b, 1);
	g_assert_cmphex(count(b, 0), ==, 0xffff);
	ticks_pass(b, 200000);
	g_assert_cmpuint(b->rises[0], ==, 2);     /* reset left it high, then this one */
	/* The first byte of a new count stops it. */
	out8(b, CH0, 7);
	ticks_pass(b, 1000);
	g_assert_cmphex(status(b, 0) & STATUS_OUT, ==, 0);
	out8(b, CH0, 0);
	ticks_pass(b, 8);
	g_assert_cmpint(b->level[0], ==, 1);
	board_free(b);
}

static void test_mode2(void)
{
	struct board *b = pit_board();
	unsigned before;

	program(b, 0, 2, 1000);
	before = b->rises[0];
	ticks_pass(b, 1);
	g_assert_cmpuint(count(b, 0), ==, 1000);
	ticks_pass(b, 999);
	g_assert_cmpuint(count(b, 0), ==, 1);
	g_assert_cmphex(status(b, 0) & STATUS_OUT, ==, 0);
	g_assert_cmpuint(b->rises[0], ==, before);
	ticks_pass(b, 1);
	g_assert_cmpuint(count(b, 0), ==, 1000);
	g_assert_cmpuint(b->rises[0], ==, before + 1);
	ticks_pass(b, 10000);
	g_assert_cmpuint(b->rises[0], ==, before + 11);
	/* A new count waits for the end of the period. */
	ticks_pass(b, 400);
	out8(b, CH0, 200);
	out8(b, CH0, 0);
	g_assert_cmphex(status(b, 0) & STATUS_NULL, ==, STATUS_NULL);
	g_assert_cmpuint(count(b, 0), ==, 600);
	ticks_pass(b, 600);
	g_assert_cmpuint(b->rises[0], ==, before + 12);
	g_assert_cmpuint(count(b, 0), ==, 200);
	g_assert_cmphex(status(b, 0) & STATUS_NULL, ==, 0);
	ticks_pass(b, 400);
	g_assert_cmpuint(b->rises[0], ==, before + 14);
	board_free(b);
}

/* 100 Hz for a second, as a kernel's tick. */
static void test_rate(void)
{
	struct board *b = pit_board();
	unsigned before;

	program(b, 0, 2, (PIT_HZ + 50) / 100);
	before = b->rises[0];
	pass(b, 1000000000);
	g_assert_cmpuint(b->rises[0] - before, ==, 99);
	program(b, 0, 3, 0);
	before = b->rises[0];
	pass(b, 1000000000);
	g_assert_cmpuint(b->rises[0] - before, ==, 18);
	board_free(b);
}

/* The shortest period does not turn into a storm of callbacks. */
static void test_short_period(void)
{
	struct board *b = pit_board();
	unsigned before;

	program(b, 0, 2, 1);
	before = b->rises[0];
	pass(b, 1000000);
	g_assert_cmpuint(b->rises[0] - before, >, 40);
	g_assert_cmpuint(b->rises[0] - before, <, 60);
	board_free(b);
}

static void test_mode3(void)
{
	struct board *b = pit_board();

	out8(b, PORT_B, GATE);
	program(b, 2, 3, 7);           /* odd: 4 high, 3 low */
	ticks_pass(b, 1);
	for (unsigned i = 0; i < 21; i++) {
		g_assert_cmpint(out2(b), ==, i % 7 < 4);
		ticks_pass(b, 1);
	}
	program(b, 2, 3, 10);
	ticks_pass(b, 1);
	g_assert_cmpuint(count(b, 2), ==, 10);
	ticks_pass(b, 2);
	g_assert_cmpuint(count(b, 2), ==, 6);
	g_assert_true(out2(b));
	ticks_pass(b, 4);
	g_assert_false(out2(b));
	g_assert_cmpuint(count(b, 2), ==, 8);
	/* A new count is taken at the end of the half; the next half is a high one of 2. */
	out8(b, CH2, 4);
	out8(b, CH2, 0);
	ticks_pass(b, 4);
	for (unsigned i = 0; i < 8; i++) {
		g_assert_cmpint(out2(b), ==, i % 4 < 2);
		ticks_pass(b, 1);
	}
	/* A low gate forces the output high and the count starts anew. */
	ticks_pass(b, 2);
	g_assert_false(out2(b));
	out8(b, PORT_B, 0);
	g_assert_true(out2(b));
	ticks_pass(b, 50);
	out8(b, PORT_B, GATE);
	ticks_pass(b, 1);
	g_assert_cmpuint(count(b, 2), ==, 4);
	board_free(b);
}

/* How Linux measures the TSC: gate up, mode 0, wait for OUT2. */
static void test_gate_mode0(void)
{
	struct board *b = pit_board();

	program(b, 2, 0, 50);
	ticks_pass(b, 1000);
	g_assert_false(out2(b));
	g_assert_cmpuint(count(b, 2), ==, 50);
	out8(b, PORT_B, GATE);
	ticks_pass(b, 20);
	g_assert_cmpuint(count(b, 2), ==, 30);
	out8(b, PORT_B, 0);
	ticks_pass(b, 500);
	g_assert_cmpuint(count(b, 2), ==, 30);
	out8(b, PORT_B, GATE);
	ticks_pass(b, 29);
	g_assert_false(out2(b));
	ticks_pass(b, 1);
	g_assert_true(out2(b));
	board_free(b);
}

static void trigger(struct board *b)
{
	out8(b, PORT_B, 0);
	out8(b, PORT_B, GATE);
}

static void test_mode1(void)
{
	struct board *b = pit_board();

	program(b, 2, 1, 20);
	ticks_pass(b, 100);
	g_assert_true(out2(b));
	trigger(b);
	ticks_pass(b, 1);
	g_assert_false(out2(b));
	ticks_pass(b, 15);
	trigger(b);                    /* again: the pulse grows */
	ticks_pass(b, 20);
	g_assert_false(out2(b));
	ticks_pass(b, 1);
	g_assert_true(out2(b));
	ticks_pass(b, 70000);
	g_assert_true(out2(b));
	board_free(b);
}

static void test_strobes(void)
{
	struct board *b = pit_board();

	out8(b, PORT_B, GATE);
	program(b, 2, 4, 10);
	ticks_pass(b, 10);
	g_assert_true(out2(b));
	ticks_pass(b, 1);
	g_assert_false(out2(b));
	ticks_pass(b, 1);
	g_assert_true(out2(b));
	program(b, 2, 5, 10);
	ticks_pass(b, 100);
	g_assert_true(out2(b));
	trigger(b);
	ticks_pass(b, 11);
	g_assert_false(out2(b));
	ticks_pass(b, 1);
	g_assert_true(out2(b));
	board_free(b);
}

static void test_strobe_irq(void)
{
	struct board *b = pit_board();
	unsigned before;

	program(b, 0, 4, 10);
	before = b->rises[0];
	ticks_pass(b, 11);
	g_assert_cmpuint(b->rises[0], ==, before);
	ticks_pass(b, 1);
	g_assert_cmpuint(b->rises[0], ==, before + 1);
	ticks_pass(b, 100000);
	g_assert_cmpuint(b->rises[0], ==, before + 1);
	board_free(b);
}

static void test_latch(void)
{
	struct board *b = pit_board();

	program(b, 0, 2, 0x1234);
	ticks_pass(b, 1);
	out8(b, CONTROL, 0x00);
	ticks_pass(b, 0x34);
	out8(b, CONTROL, 0x00);        /* the first latch counts */
	g_assert_cmphex(in8(b, CH0), ==, 0x34);
	g_assert_cmphex(in8(b, CH0), ==, 0x12);
	g_assert_cmphex(in8(b, CH0), ==, 0x00);
	g_assert_cmphex(in8(b, CH0), ==, 0x12);
	/* Read-back of status and count: status comes first. */
	out8(b, CONTROL, 0xc2);
	g_assert_cmphex(in8(b, CH0), ==, STATUS_OUT | 0x34);
	g_assert_cmphex(in8(b, CH0), ==, 0x00);
	g_assert_cmphex(in8(b, CH0), ==, 0x12);
	/* Of two counters at once. */
	program(b, 2, 0, 9);
	out8(b, CONTROL, 0xe0 | 2 | 8);
	g_assert_cmphex(in8(b, CH0), ==, STATUS_OUT | 0x34);
	g_assert_cmphex(in8(b, CH2), ==, 0x30 | STATUS_NULL);
	board_free(b);
}

static void test_bytes(void)
{
	struct board *b = pit_board();

	out8(b, CONTROL, 0x14);        /* low byte only, mode 2 */
	out8(b, CH0, 50);
	ticks_pass(b, 11);
	g_assert_cmpuint(in8(b, CH0), ==, 40);
	g_assert_cmpuint(in8(b, CH0), ==, 40);
	out8(b, CONTROL, 0x24);        /* high byte only */
	out8(b, CH0, 2);
	ticks_pass(b, 2);
	g_assert_cmpuint(in8(b, CH0), ==, 1);
	g_assert_cmphex(in8(b, CONTROL), ==, 0xff);
	board_free(b);
}

static void test_bcd(void)
{
	struct board *b = pit_board();

	out8(b, CONTROL, 0x31);        /* mode 0, BCD */
	out8(b, CH0, 0x00);
	out8(b, CH0, 0x20);
	ticks_pass(b, 2);
	g_assert_cmphex(count(b, 0), ==, 0x1999);
	ticks_pass(b, 2000);
	g_assert_cmphex(count(b, 0), ==, 0x9999);
	out8(b, CONTROL, 0x35);
	out8(b, CH0, 0x00);
	out8(b, CH0, 0x00);
	ticks_pass(b, 1);
	g_assert_cmphex(count(b, 0), ==, 0x0000);     /* 10000 */
	ticks_pass(b, 1);
	g_assert_cmphex(count(b, 0), ==, 0x9999);
	board_free(b);
}

static void test_refresh(void)
{
	struct board *b = pit_board();
	uint8_t first = in8(b, PORT_B) & 0x10;

	pass(b, 15086);
	g_assert_cmphex(in8(b, PORT_B) & 0x10, !=, first);
	out8(b, PORT_B, 0xff);
	g_assert_cmphex(in8(b, PORT_B) & 0xcf, ==, 0x0f);
	board_free(b);
}

static void connected(void *o, int n, int level)
{
	*(int *)o = level;
}

static void test_connect(void)
{
	struct board *b = board_new();
	struct device *d = board_add(b, "isa-pit");
	int level = 0;

	i8254_connect(d, &(struct irq_line){ connected, &level, 0 });
	program(b, 0, 0, 5);
	ticks_pass(b, 6);
	g_assert_cmpint(level, ==, 1);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8254/mode0", test_mode0);
	g_test_add_func("/i8254/mode1", test_mode1);
	g_test_add_func("/i8254/mode2", test_mode2);
	g_test_add_func("/i8254/rate", test_rate);
	g_test_add_func("/i8254/short-period", test_short_period);
	g_test_add_func("/i8254/mode3", test_mode3);
	g_test_add_func("/i8254/strobes", test_strobes);
	g_test_add_func("/i8254/strobe-irq", test_strobe_irq);
	g_test_add_func("/i8254/gate-mode0", test_gate_mode0);
	g_test_add_func("/i8254/latch", test_latch);
	g_test_add_func("/i8254/bytes", test_bytes);
	g_test_add_func("/i8254/bcd", test_bcd);
	g_test_add_func("/i8254/refresh", test_refresh);
	g_test_add_func("/i8254/connect", test_connect);
	return g_test_run();
}
