/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The 8259 pair through its ports and wires. */
#include "hw/intc/i8259.h"

#include "board.h"

enum { A = 0x20, A_DATA = 0x21, B = 0xa0, B_DATA = 0xa1, ELCR = 0x4d0 };
enum { EOI = 0x20, READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c, SPECIAL_MASK = 0x68, NORMAL_MASK = 0x48 };

struct fixture {
	struct board *b;
	struct device *pic;
	int intr;
};

static void intr_changed(void *o, int n, int level)
{
	((struct fixture *)o)->intr = level;
}

/* ICW1..ICW4 as PCs do, everything unmasked. */
static void init(struct fixture *f, uint8_t icw4)
{
	out8(f->b, A, 0x11);
	out8(f->b, A_DATA, 0x30);
	out8(f->b, A_DATA, 0x04);
	out8(f->b, A_DATA, icw4);
	out8(f->b, B, 0x11);
	out8(f->b, B_DATA, 0x38);
	out8(f->b, B_DATA, 0x02);
	out8(f->b, B_DATA, icw4 & ~0x10);
	out8(f->b, A_DATA, 0);
	out8(f->b, B_DATA, 0);
}

static struct fixture *setup(uint8_t icw4)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->b = board_new();
	f->pic = board_add(f->b, "isa-i8259");
	i8259_connect(f->pic, &(struct irq_line){ intr_changed, f, 0 });
	init(f, icw4);
	return f;
}

static void teardown(struct fixture *f)
{
	board_free(f->b);
	g_free(f);
}

static void wire(struct fixture *f, unsigned n, int level)
{
	struct irq_line l = i8259_input(f->pic, n);

	lock_acquire(&f->b->m->lock);
	irq_set(&l, level);
	lock_release(&f->b->m->lock);
}

static void pulse(struct fixture *f, unsigned n)
{
	wire(f, n, 0);
	wire(f, n, 1);
}

static int ack(struct fixture *f)
{
	return i8259_acknowledge(f->pic);
}

static uint8_t reg(struct fixture *f, uint16_t port, uint8_t ocw3)
{
	out8(f->b, port, ocw3);
	return in8(f->b, port);
}

static void test_simple(void)
{
	struct fixture *f = setup(0x01);

	g_assert_cmpint(f->intr, ==, 0);
	pulse(f, 3);
	g_assert_cmpint(f->intr, ==, 1);
	g_assert_cmphex(reg(f, A, READ_IRR), ==, 0x08);
	g_assert_cmphex(ack(f), ==, 0x33);
	g_assert_cmpint(f->intr, ==, 0);
	g_assert_cmphex(reg(f, A, READ_IRR), ==, 0);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x08);
	/* Lower ones wait, higher ones come through. */
	pulse(f, 5);
	g_assert_cmpint(f->intr, ==, 0);
	pulse(f, 1);
	g_assert_cmphex(ack(f), ==, 0x31);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x0a);
	out8(f->b, A, EOI);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x08);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A, EOI);
	g_assert_cmpint(f->intr, ==, 1);
	g_assert_cmphex(ack(f), ==, 0x35);
	out8(f->b, A, 0x60 | 5);                /* specific */
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0);
	teardown(f);
}

static void test_edge_and_level(void)
{
	struct fixture *f = setup(0x01);

	/* Edge: a line that stays high asks once. */
	wire(f, 5, 1);
	g_assert_cmphex(ack(f), ==, 0x35);
	out8(f->b, A, EOI);
	g_assert_cmpint(f->intr, ==, 0);
	wire(f, 5, 0);
	/* Level: as long as it is high. */
	out8(f->b, ELCR, 0xff);
	out8(f->b, ELCR + 1, 0xff);
	g_assert_cmphex(in8(f->b, ELCR), ==, 0xf8);
	g_assert_cmphex(in8(f->b, ELCR + 1), ==, 0xde);
	wire(f, 5, 1);
	g_assert_cmphex(ack(f), ==, 0x35);
	out8(f->b, A, EOI);
	g_assert_cmpint(f->intr, ==, 1);
	wire(f, 5, 0);
	g_assert_cmpint(f->intr, ==, 0);
	teardown(f);
}

static void test_cascade(void)
{
	struct fixture *f = setup(0x01);

	pulse(f, 12);
	g_assert_cmphex(ack(f), ==, 0x3c);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x04);
	g_assert_cmphex(reg(f, B, READ_ISR), ==, 0x10);
	/* IRQ 8 beats 12 on the second chip, but not the first one's IR2 in service. */
	pulse(f, 8);
	g_assert_cmpint(f->intr, ==, 0);
	/* IR1 beats the cascade. */
	pulse(f, 1);
	g_assert_cmphex(ack(f), ==, 0x31);
	out8(f->b, A, EOI);
	out8(f->b, B, EOI);
	out8(f->b, A, EOI);
	g_assert_cmphex(ack(f), ==, 0x38);
	out8(f->b, B, EOI);
	out8(f->b, A, EOI);
	g_assert_cmpint(f->intr, ==, 0);
	/* All masked on the second chip. */
	out8(f->b, B_DATA, 0xff);
	pulse(f, 9);
	g_assert_cmpint(f->intr, ==, 0);
	g_assert_cmphex(in8(f->b, B_DATA), ==, 0xff);
	out8(f->b, B_DATA, 0);
	g_assert_cmphex(ack(f), ==, 0x39);
	teardown(f);
}

static void test_special_nested(void)
{
	struct fixture *f = setup(0x11);

	pulse(f, 12);
	g_assert_cmphex(ack(f), ==, 0x3c);
	pulse(f, 8);
	g_assert_cmpint(f->intr, ==, 1);
	g_assert_cmphex(ack(f), ==, 0x38);
	g_assert_cmphex(reg(f, B, READ_ISR), ==, 0x11);
	teardown(f);
}

static void test_spurious(void)
{
	struct fixture *f = setup(0x01);

	wire(f, 4, 1);
	wire(f, 4, 0);
	g_assert_cmpint(f->intr, ==, 0);
	g_assert_cmphex(ack(f), ==, 0x37);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0);
	teardown(f);
}

static void test_mask(void)
{
	struct fixture *f = setup(0x01);

	out8(f->b, A_DATA, 0x08);
	pulse(f, 3);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A_DATA, 0);
	g_assert_cmpint(f->intr, ==, 1);        /* the request was kept */
	g_assert_cmphex(ack(f), ==, 0x33);
	/* Special mask mode: masking what is in service lets lower ones through. */
	pulse(f, 6);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A_DATA, 0x08);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A, SPECIAL_MASK);
	g_assert_cmpint(f->intr, ==, 1);
	g_assert_cmphex(ack(f), ==, 0x36);
	out8(f->b, A, EOI);                     /* not the masked one */
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x08);
	out8(f->b, A, NORMAL_MASK);
	out8(f->b, A, EOI);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0);
	teardown(f);
}

static void test_rotate(void)
{
	struct fixture *f = setup(0x01);

	pulse(f, 3);
	ack(f);
	out8(f->b, A, 0xa0);                    /* rotate on EOI: 3 is lowest now */
	pulse(f, 3);
	pulse(f, 4);
	pulse(f, 1);
	g_assert_cmphex(ack(f), ==, 0x34);
	out8(f->b, A, EOI);
	g_assert_cmphex(ack(f), ==, 0x31);
	out8(f->b, A, EOI);
	g_assert_cmphex(ack(f), ==, 0x33);
	out8(f->b, A, EOI);
	out8(f->b, A, 0xc0 | 5);                /* set priority: 6 is highest */
	pulse(f, 0);
	pulse(f, 6);
	g_assert_cmphex(ack(f), ==, 0x36);
	teardown(f);
}

static void test_auto_eoi(void)
{
	struct fixture *f = setup(0x03);

	pulse(f, 9);
	pulse(f, 10);
	g_assert_cmphex(ack(f), ==, 0x39);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0);
	g_assert_cmphex(reg(f, B, READ_ISR), ==, 0);
	g_assert_cmpint(f->intr, ==, 1);        /* the other one is not lost */
	g_assert_cmphex(ack(f), ==, 0x3a);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A, 0x80);                    /* rotate in automatic EOI */
	pulse(f, 0);
	ack(f);
	pulse(f, 0);
	pulse(f, 7);
	g_assert_cmphex(ack(f), ==, 0x37);
	teardown(f);
}

static void test_poll(void)
{
	struct fixture *f = setup(0x01);

	out8(f->b, A, POLL);
	g_assert_cmphex(in8(f->b, A), ==, 0);
	pulse(f, 6);
	out8(f->b, A, POLL);
	g_assert_cmphex(in8(f->b, A), ==, 0x86);
	g_assert_cmphex(reg(f, A, READ_ISR), ==, 0x40);
	g_assert_cmpint(f->intr, ==, 0);
	teardown(f);
}

/* A new ICW1 forgets masks, service and edges; nothing is delivered before its end. */
static void test_init(void)
{
	struct fixture *f = setup(0x01);

	out8(f->b, A_DATA, 0xfe);
	pulse(f, 4);
	out8(f->b, A, 0x13);                    /* single */
	pulse(f, 3);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A_DATA, 0x58);
	g_assert_cmpint(f->intr, ==, 0);
	out8(f->b, A_DATA, 0x01);
	g_assert_cmphex(in8(f->b, A_DATA), ==, 0);
	g_assert_cmphex(reg(f, A, READ_IRR), ==, 0x08);
	g_assert_cmphex(ack(f), ==, 0x5b);
	machine_reset(f->b->m);
	g_assert_cmphex(in8(f->b, A_DATA), ==, 0xff);
	teardown(f);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8259/simple", test_simple);
	g_test_add_func("/i8259/edge-and-level", test_edge_and_level);
	g_test_add_func("/i8259/cascade", test_cascade);
	g_test_add_func("/i8259/special-nested", test_special_nested);
	g_test_add_func("/i8259/spurious", test_spurious);
	g_test_add_func("/i8259/mask", test_mask);
	g_test_add_func("/i8259/rotate", test_rotate);
	g_test_add_func("/i8259/auto-eoi", test_auto_eoi);
	g_test_add_func("/i8259/poll", test_poll);
	g_test_add_func("/i8259/init", test_init);
	return g_test_run();
}
