/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 16550A between its ports and a character device that the test plays itself. */
#include "hw/char/serial.h"

#include <string.h>

#include "board.h"

enum { BASE = 0x3f8, DATA = BASE, IER = BASE + 1, IIR = BASE + 2, FCR = BASE + 2, LCR = BASE + 3, MCR = BASE + 4,
	LSR = BASE + 5, MSR = BASE + 6, SCR = BASE + 7, IRQ = 4 };
enum { RX = 1, THRE = 2, LINE = 4, MODEM = 8 };

/* ---- the other end of the cable ---- */

struct chardev {
	const struct chardev_front *front;
	void *opaque;
	GString *sent;
	unsigned accepts;
	size_t backlog;
};

bool chardev_attach(struct chardev *c, const struct chardev_front *front, void *opaque, GError **error)
{
	if (c->front) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "taken");
		return false;
	}
	c->front = front;
	c->opaque = opaque;
	return true;
}

void chardev_detach(struct chardev *c, void *opaque)
{
	g_assert_true(c->opaque == opaque);
	c->front = NULL;
}

void chardev_write(struct chardev *c, const void *data, size_t n)
{
	g_string_append_len(c->sent, data, n);
}

void chardev_accept_input(struct chardev *c)
{
	c->accepts++;
}

size_t chardev_backlog(struct chardev *c)
{
	return c->backlog;
}

const char *chardev_id(struct chardev *c)
{
	return "cable";
}

/* ---- */

struct fixture {
	struct board *b;
	struct chardev c;
};

static struct fixture *setup(void)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->b = board_new();
	f->c.sent = g_string_new(NULL);
	g_assert_nonnull(serial_new(f->b->m, 0, &f->c, NULL));
	return f;
}

static void teardown(struct fixture *f)
{
	board_free(f->b);
	g_assert_null(f->c.front);
	g_string_free(f->c.sent, TRUE);
	g_free(f);
}

static size_t room(struct fixture *f)
{
	return f->c.front->can_receive(f->c.opaque);
}

static void type(struct fixture *f, const char *text)
{
	f->c.front->receive(f->c.opaque, (const uint8_t *)text, strlen(text));
}

static int irq(struct fixture *f)
{
	return f->b->level[IRQ];
}

static void test_transmit(void)
{
	struct fixture *f = setup();

	out8(f->b, DATA, 'h');
	out8(f->b, DATA, 'i');
	g_assert_cmpstr(f->c.sent->str, ==, "hi");
	g_assert_cmphex(in8(f->b, LSR), ==, 0x60);
	/* Enabling the interrupt tells that the transmitter is empty, once. */
	g_assert_cmpint(irq(f), ==, 0);
	out8(f->b, IER, THRE);
	g_assert_cmpint(irq(f), ==, 1);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x02);
	g_assert_cmpint(irq(f), ==, 0);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x01);
	/* So does each byte. */
	out8(f->b, DATA, '!');
	g_assert_cmpint(irq(f), ==, 1);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x02);
	/* Off and on again (Linux's test for a THRE bug). */
	out8(f->b, IER, 0);
	out8(f->b, IER, THRE);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x02);
	teardown(f);
}

/* A reader that is far behind keeps the transmitter full. */
static void test_backlog(void)
{
	struct fixture *f = setup();

	f->c.backlog = 1 << 19;
	out8(f->b, DATA, 'x');
	g_assert_cmphex(in8(f->b, LSR), ==, 0x00);
	out8(f->b, IER, THRE);
	g_assert_cmpint(irq(f), ==, 0);
	pass(f->b, 100000000);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x00);
	f->c.backlog = 0;
	pass(f->b, 1000000);
	g_assert_cmpint(irq(f), ==, 1);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x02);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x60);
	g_assert_cmpint(clock_next_deadline(f->b->m->clock), ==, INT64_MAX);
	teardown(f);
}

static void test_receive(void)
{
	struct fixture *f = setup();

	g_assert_cmpuint(room(f), ==, 1);
	out8(f->b, IER, RX);
	type(f, "a");
	g_assert_cmpint(irq(f), ==, 1);
	g_assert_cmpuint(room(f), ==, 0);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x04);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x61);
	g_assert_cmpuint(f->c.accepts, ==, 0);
	g_assert_cmphex(in8(f->b, DATA), ==, 'a');
	g_assert_cmpuint(f->c.accepts, ==, 1);
	g_assert_cmpint(irq(f), ==, 0);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x60);
	/* Without FIFOs the newer byte wins. */
	type(f, "xy");
	g_assert_cmphex(in8(f->b, LSR), ==, 0x63);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x61);
	g_assert_cmphex(in8(f->b, DATA), ==, 'y');
	teardown(f);
}

static void test_fifo(void)
{
	struct fixture *f = setup();

	out8(f->b, FCR, 0x81);          /* FIFOs, 8 bytes */
	out8(f->b, IER, RX | LINE);
	g_assert_cmphex(in8(f->b, IIR), ==, 0xc1);
	g_assert_cmpuint(room(f), ==, 16);
	type(f, "1234567");
	g_assert_cmpint(irq(f), ==, 0);
	type(f, "8");
	g_assert_cmphex(in8(f->b, IIR), ==, 0xc4);
	type(f, "9abcdefg");
	g_assert_cmpuint(room(f), ==, 0);
	type(f, "Z");
	g_assert_cmphex(in8(f->b, IIR), ==, 0xc6);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x63);
	g_assert_cmphex(in8(f->b, IIR), ==, 0xc4);
	for (const char *p = "123456789"; *p; p++)
		g_assert_cmphex(in8(f->b, DATA), ==, *p);
	g_assert_cmpint(irq(f), ==, 0);
	g_assert_cmpuint(room(f), ==, 9);
	/* Clearing and switching empty it. */
	out8(f->b, FCR, 0x03);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x60);
	type(f, "q");
	out8(f->b, FCR, 0x00);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x60);
	teardown(f);
}

static void test_timeout(void)
{
	struct fixture *f = setup();

	out8(f->b, LCR, 0x83);
	out8(f->b, DATA, 1);            /* 115200 baud */
	out8(f->b, IER, 0);
	out8(f->b, LCR, 0x03);          /* 8N1: ten bits, four characters are 347 us */
	out8(f->b, FCR, 0xc1);
	out8(f->b, IER, RX);
	type(f, "ab");
	pass(f->b, 347000);
	g_assert_cmpint(irq(f), ==, 0);
	pass(f->b, 1000);
	g_assert_cmphex(in8(f->b, IIR), ==, 0xcc);
	g_assert_cmphex(in8(f->b, DATA), ==, 'a');
	g_assert_cmpint(irq(f), ==, 0);  /* a read starts it anew */
	pass(f->b, 348000);
	g_assert_cmphex(in8(f->b, IIR), ==, 0xcc);
	g_assert_cmphex(in8(f->b, DATA), ==, 'b');
	pass(f->b, 1000000);
	g_assert_cmpint(irq(f), ==, 0);
	teardown(f);
}

static void test_loopback(void)
{
	struct fixture *f = setup();

	g_assert_cmphex(in8(f->b, MSR), ==, 0xb0);
	out8(f->b, MCR, 0x10);
	g_assert_cmphex(in8(f->b, MSR), ==, 0x0b);
	out8(f->b, MCR, 0x1a);
	g_assert_cmphex(in8(f->b, MSR), ==, 0x99);     /* Linux's probe looks for this 9 */
	g_assert_cmphex(in8(f->b, MSR), ==, 0x90);
	out8(f->b, MCR, 0x14);
	g_assert_cmphex(in8(f->b, MSR), ==, 0x49);     /* RI came: no mark */
	out8(f->b, MCR, 0x10);
	g_assert_cmphex(in8(f->b, MSR), ==, 0x04);     /* RI ended */
	out8(f->b, DATA, 'L');
	g_assert_cmpuint(f->c.sent->len, ==, 0);
	g_assert_cmpuint(room(f), ==, 0);
	g_assert_cmphex(in8(f->b, DATA), ==, 'L');
	out8(f->b, MCR, 0x0b);
	g_assert_cmpuint(f->c.accepts, ==, 1);
	g_assert_cmpuint(room(f), ==, 1);
	out8(f->b, IER, MODEM);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x00);
	in8(f->b, MSR);
	g_assert_cmphex(in8(f->b, IIR), ==, 0x01);
	teardown(f);
}

static void test_break(void)
{
	struct fixture *f = setup();

	out8(f->b, FCR, 0x01);
	out8(f->b, IER, LINE);
	f->c.front->event(f->c.opaque, CHARDEV_BREAK);
	g_assert_cmphex(in8(f->b, IIR), ==, 0xc6);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x71);
	g_assert_cmphex(in8(f->b, LSR), ==, 0x61);
	g_assert_cmphex(in8(f->b, DATA), ==, 0);
	teardown(f);
}

static void test_registers(void)
{
	struct fixture *f = setup();

	out8(f->b, SCR, 0xa5);
	g_assert_cmphex(in8(f->b, SCR), ==, 0xa5);
	out8(f->b, IER, 0xff);
	g_assert_cmphex(in8(f->b, IER), ==, 0x0f);
	out8(f->b, MCR, 0xff);
	g_assert_cmphex(in8(f->b, MCR), ==, 0x1f);
	out8(f->b, LCR, 0x80);
	g_assert_cmphex(in8(f->b, DATA), ==, 12);
	out8(f->b, IER, 0x12);
	g_assert_cmphex(in8(f->b, IER), ==, 0x12);
	out8(f->b, LCR, 0);
	g_assert_cmphex(in8(f->b, IER), ==, 0x0f);
	machine_reset(f->b->m);
	g_assert_cmphex(in8(f->b, IER), ==, 0);
	g_assert_cmpint(irq(f), ==, 0);
	teardown(f);
}

static void test_places(void)
{
	struct board *b = board_new();
	const char *set[] = { "iobase", "0x10000", NULL };
	GError *error = NULL;

	for (unsigned i = 0; i < 4; i++)
		board_add(b, "isa-serial");
	out8(b, 0x2f8 + 7, 2);
	out8(b, 0x2e8 + 7, 4);
	g_assert_cmphex(in8(b, 0x2f8 + 7), ==, 2);
	g_assert_cmphex(in8(b, 0x2e8 + 7), ==, 4);
	g_assert_null(device_new(b->m, "isa-serial", NULL, NULL, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	board_free(b);
	b = board_new();
	g_assert_null(device_new(b->m, "isa-serial", NULL, set, &error));
	g_assert_nonnull(strstr(error->message, "0x10000"));
	g_clear_error(&error);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/serial/transmit", test_transmit);
	g_test_add_func("/serial/backlog", test_backlog);
	g_test_add_func("/serial/receive", test_receive);
	g_test_add_func("/serial/fifo", test_fifo);
	g_test_add_func("/serial/timeout", test_timeout);
	g_test_add_func("/serial/loopback", test_loopback);
	g_test_add_func("/serial/break", test_break);
	g_test_add_func("/serial/registers", test_registers);
	g_test_add_func("/serial/places", test_places);
	return g_test_run();
}
