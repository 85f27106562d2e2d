/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MC146818 through its ports; time is 2026-02-28 23:59:57 UTC at first, a Saturday. */
#include "hw/timer/mc146818.h"

#include "board.h"

enum { INDEX = 0x70, DATA = 0x71, IRQ = 8 };
enum { A = 0x0a, B = 0x0b, C = 0x0c, D = 0x0d };
enum { UF = 0x10, AF = 0x20, PF = 0x40, IRQF = 0x80, SET = 0x80, BINARY = 4, H24 = 2 };

#define SECOND INT64_C(1000000000)

static uint8_t get(struct board *b, uint8_t index)
{
	out8(b, INDEX, index);
	return in8(b, DATA);
}

static void put(struct board *b, uint8_t index, uint8_t value)
{
	out8(b, INDEX, index);
	out8(b, DATA, value);
}

static struct board *rtc_board(struct device **d)
{
	const char *set[] = { "base", "1772323197", NULL };
	struct board *b = board_new();
	struct device *made = device_new(b->m, "mc146818rtc", NULL, set, NULL);

	g_assert_nonnull(made);
	if (d)
		*d = made;
	return b;
}

static void expect_date(struct board *b, unsigned century, unsigned year, unsigned month, unsigned day, unsigned weekday)
{
	g_assert_cmphex(get(b, CMOS_CENTURY), ==, century);
	g_assert_cmphex(get(b, 9), ==, year);
	g_assert_cmphex(get(b, 8), ==, month);
	g_assert_cmphex(get(b, 7), ==, day);
	g_assert_cmphex(get(b, 6), ==, weekday);
}

static void expect_time(struct board *b, unsigned hour, unsigned minute, unsigned second)
{
	g_assert_cmphex(get(b, 4), ==, hour);
	g_assert_cmphex(get(b, 2), ==, minute);
	g_assert_cmphex(get(b, 0), ==, second);
}

static void test_time(void)
{
	struct board *b = rtc_board(NULL);

	expect_date(b, 0x20, 0x26, 0x02, 0x28, 0x07);
	expect_time(b, 0x23, 0x59, 0x57);
	pass(b, 3 * SECOND);
	expect_date(b, 0x20, 0x26, 0x03, 0x01, 0x01);
	expect_time(b, 0, 0, 0);
	g_assert_cmphex(get(b, D), ==, 0x80);
	g_assert_cmphex(in8(b, INDEX), ==, 0xff);
	board_free(b);
}

static void test_formats(void)
{
	struct board *b = rtc_board(NULL);

	put(b, B, BINARY | H24);
	expect_date(b, 20, 26, 2, 28, 7);
	expect_time(b, 23, 59, 57);
	put(b, B, BINARY);
	expect_time(b, 0x80 | 11, 59, 57);
	put(b, B, 0);
	expect_time(b, 0x91, 0x59, 0x57);
	pass(b, 3 * SECOND);
	expect_time(b, 0x12, 0x00, 0x00);         /* midnight is 12 in the morning */
	pass(b, 43200 * SECOND);
	expect_time(b, 0x92, 0x00, 0x00);
	board_free(b);
}

static void test_set(void)
{
	struct board *b = rtc_board(NULL);

	put(b, B, SET | H24);
	put(b, 0, 0x30);
	put(b, 2, 0x15);
	put(b, 4, 0x08);
	put(b, 7, 0x29);
	put(b, 8, 0x02);
	put(b, 9, 0x28);
	pass(b, 5 * SECOND);
	expect_time(b, 0x08, 0x15, 0x30);         /* held */
	put(b, B, H24);
	expect_date(b, 0x20, 0x28, 0x02, 0x29, 0x03);
	pass(b, 86400 * SECOND);
	expect_date(b, 0x20, 0x28, 0x03, 0x01, 0x04);
	expect_time(b, 0x08, 0x15, 0x30);
	/* Without holding it, each register by itself; the second goes on where it was. */
	pass(b, SECOND / 2);
	put(b, 2, 0x44);
	expect_time(b, 0x08, 0x44, 0x30);
	pass(b, SECOND / 2);
	expect_time(b, 0x08, 0x44, 0x31);
	board_free(b);
}

static void test_divider(void)
{
	struct board *b = rtc_board(NULL);

	put(b, A, 0x66);
	pass(b, 10 * SECOND);
	expect_time(b, 0x23, 0x59, 0x57);
	put(b, A, 0x26);
	pass(b, SECOND / 2 - 1);
	expect_time(b, 0x23, 0x59, 0x57);
	pass(b, 1);
	expect_time(b, 0x23, 0x59, 0x58);
	board_free(b);
}

static void test_update(void)
{
	struct board *b = rtc_board(NULL);

	g_assert_cmphex(get(b, A), ==, 0x26);
	pass(b, SECOND - 244000);
	g_assert_cmphex(get(b, A), ==, 0xa6);
	g_assert_cmphex(get(b, C), ==, PF);       /* not enabled, yet set */
	pass(b, 244000);
	g_assert_cmphex(get(b, A), ==, 0x26);
	g_assert_cmphex(get(b, C) & ~PF, ==, UF);
	g_assert_cmphex(get(b, C), ==, 0);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	put(b, B, H24 | UF);
	pass(b, SECOND - 1);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	pass(b, 1);
	g_assert_cmpint(b->level[IRQ], ==, 1);
	g_assert_cmphex(get(b, C) & ~PF, ==, UF | IRQF);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	/* SET ends update interrupts. */
	put(b, B, SET | H24 | UF);
	g_assert_cmphex(get(b, B), ==, SET | H24);
	board_free(b);
}

static void test_alarm(void)
{
	struct board *b = rtc_board(NULL);

	put(b, 1, 0x05);
	put(b, 3, 0x00);
	put(b, 5, 0x00);
	put(b, B, H24 | AF);
	pass(b, 8 * SECOND - 1);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	pass(b, 1);
	g_assert_cmpint(b->level[IRQ], ==, 1);
	g_assert_cmphex(get(b, C) & ~PF, ==, AF | UF | IRQF);
	/* Once a day. */
	pass(b, 86399 * SECOND);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	pass(b, SECOND);
	g_assert_cmpint(b->level[IRQ], ==, 1);
	get(b, C);
	/* Any hour, any minute. */
	put(b, 3, 0xff);
	put(b, 5, 0xc0);
	for (unsigned i = 0; i < 3; i++) {
		pass(b, 60 * SECOND - 1);
		g_assert_cmpint(b->level[IRQ], ==, 0);
		pass(b, 1);
		g_assert_cmphex(get(b, C) & AF, ==, AF);
	}
	/* No such time. */
	put(b, 1, 0x77);
	get(b, C);
	pass(b, 86400 * SECOND);
	g_assert_cmphex(get(b, C) & AF, ==, 0);
	board_free(b);
}

static void test_periodic(void)
{
	struct board *b = rtc_board(NULL);
	unsigned n = 0;

	put(b, B, H24 | PF);
	get(b, C);
	for (int64_t at = 0; at < SECOND; at += 50000) {
		pass(b, 50000);
		if (!b->level[IRQ])
			continue;
		g_assert_cmphex(get(b, C) & (PF | IRQF), ==, PF | IRQF);
		n++;
	}
	g_assert_cmpuint(n, ==, 1024);
	/* Not read: one interrupt only. */
	n = b->rises[IRQ];
	pass(b, SECOND);
	g_assert_cmpuint(b->rises[IRQ], ==, n + 1);
	/* Rate 2 Hz, then none. */
	put(b, A, 0x2f);
	get(b, C);
	n = b->rises[IRQ];
	for (unsigned i = 0; i < 4; i++) {
		pass(b, SECOND / 2);
		get(b, C);
	}
	g_assert_cmpuint(b->rises[IRQ], ==, n + 4);
	put(b, A, 0x20);
	get(b, C);
	pass(b, SECOND);
	g_assert_cmpint(b->level[IRQ], ==, 0);
	board_free(b);
}

static void test_memory(void)
{
	struct device *d;
	struct board *b = rtc_board(&d);

	mc146818_set_memory(d, 3ull << 30, 5ull << 30);
	mc146818_set_cmos(d, 0x5f, 7);
	g_assert_cmphex(get(b, 0x15) | get(b, 0x16) << 8, ==, 640);
	g_assert_cmphex(get(b, 0x17) | get(b, 0x18) << 8, ==, 0xffff);
	g_assert_cmphex(get(b, 0x34) | get(b, 0x35) << 8, ==, ((3u << 30) - (16u << 20)) >> 16);
	g_assert_cmphex(get(b, 0x5b) | get(b, 0x5c) << 8 | get(b, 0x5d) << 16, ==, 5u << 14);
	g_assert_cmphex(get(b, 0x5f), ==, 7);
	put(b, 0x40, 0x99);
	put(b, B, H24 | PF | UF | AF);
	machine_reset(b->m);
	g_assert_cmphex(get(b, 0x40), ==, 0x99);
	g_assert_cmphex(get(b, B), ==, H24);
	mc146818_set_memory(d, 8ull << 20, 0);
	g_assert_cmphex(get(b, 0x30) | get(b, 0x31) << 8, ==, 7168);
	g_assert_cmphex(get(b, 0x34) | get(b, 0x35) << 8, ==, 0);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/mc146818/time", test_time);
	g_test_add_func("/mc146818/formats", test_formats);
	g_test_add_func("/mc146818/set", test_set);
	g_test_add_func("/mc146818/divider", test_divider);
	g_test_add_func("/mc146818/update", test_update);
	g_test_add_func("/mc146818/alarm", test_alarm);
	g_test_add_func("/mc146818/periodic", test_periodic);
	g_test_add_func("/mc146818/memory", test_memory);
	return g_test_run();
}
