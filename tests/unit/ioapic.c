/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The I/O APIC on a machine without anything else. */
#include "hw/core/machine.h"
#include "hw/intc/ioapic.h"

enum { MASKED = 1 << 16, LEVEL = 1 << 15, REMOTE = 1 << 14, LOW = 1 << 13, LOGICAL = 1 << 11 };

struct fixture {
	struct machine *m;
	struct device *d;
	struct irq_line pin[IOAPIC_PINS];
	unsigned sent;
	uint64_t address;
	uint32_t data;
};

static void send(void *o, uint64_t address, uint32_t data)
{
	struct fixture *f = o;

	f->sent++;
	f->address = address;
	f->data = data;
}

static void set_up(struct fixture *f, gconstpointer unused)
{
	const char *const none[] = { NULL };
	GError *error = NULL;

	f->m = machine_new("test", CLOCK_STEPPED);
	f->d = device_new(f->m, "ioapic", NULL, none, &error);
	g_assert_no_error(error);
	for (unsigned n = 0; n < 16; n++)
		f->pin[n] = ioapic_input(f->d, n);
	ioapic_connect(f->d, send, f);
}

static void tear_down(struct fixture *f, gconstpointer unused)
{
	machine_free(f->m);
}

static uint32_t rd(struct fixture *f, unsigned reg)
{
	machine_mmio_write(f->m, IOAPIC_BASE, 4, reg);
	return (uint32_t)machine_mmio_read(f->m, IOAPIC_BASE + 0x10, 4);
}

static void wr(struct fixture *f, unsigned reg, uint32_t v)
{
	machine_mmio_write(f->m, IOAPIC_BASE, 4, reg);
	machine_mmio_write(f->m, IOAPIC_BASE + 0x10, 4, v);
}

static void entry(struct fixture *f, unsigned pin, uint32_t high, uint32_t low)
{
	wr(f, 0x11 + pin * 2, high);
	wr(f, 0x10 + pin * 2, low);
}

static void pin(struct fixture *f, unsigned n, int level)
{
	lock_acquire(&f->m->lock);
	irq_set(&f->pin[n], level);
	lock_release(&f->m->lock);
}

static void eoi(struct fixture *f, uint8_t vector)
{
	ioapic_eoi(f->d, vector);
}

static void registers(struct fixture *f, gconstpointer unused)
{
	g_assert_cmphex(rd(f, 1), ==, 0x00170020);
	wr(f, 0, UINT32_MAX);
	g_assert_cmphex(rd(f, 0), ==, 0x0f000000);
	g_assert_cmphex(rd(f, 2), ==, 0x0f000000);
	for (unsigned n = 0; n < IOAPIC_PINS; n++)
		g_assert_cmphex(rd(f, 0x10 + n * 2), ==, MASKED);
	entry(f, 23, UINT32_MAX, UINT32_MAX);
	g_assert_cmphex(rd(f, 0x11 + 46), ==, 0xff000000);
	g_assert_cmphex(rd(f, 0x10 + 46), ==, 0x1afff);      /* delivery status and remote IRR are read-only */
	g_assert_cmphex(rd(f, 0x40), ==, 0);
	wr(f, 0x40, UINT32_MAX);
	wr(f, 3, UINT32_MAX);
	machine_reset(f->m);
	g_assert_cmphex(rd(f, 0x10 + 46), ==, MASKED);
	g_assert_cmpuint(f->sent, ==, 0);
}

static void edge(struct fixture *f, gconstpointer unused)
{
	entry(f, 4, 0x03000000, LOGICAL | 1 << 8 | 0x34);
	pin(f, 4, 1);
	g_assert_cmpuint(f->sent, ==, 1);
	g_assert_cmphex(f->address, ==, 0xfee03004);
	g_assert_cmphex(f->data, ==, 0x4134);
	pin(f, 4, 1);
	pin(f, 4, 0);
	g_assert_cmpuint(f->sent, ==, 1);
	pin(f, 4, 1);
	g_assert_cmpuint(f->sent, ==, 2);
	g_assert_cmphex(rd(f, 0x18) & REMOTE, ==, 0);
	entry(f, 5, 0, MASKED | 0x35);
	pin(f, 5, 1);
	entry(f, 5, 0, 0x35);
	g_assert_cmpuint(f->sent, ==, 2);                    /* that edge is lost */
}

static void level(struct fixture *f, gconstpointer unused)
{
	entry(f, 9, 0, LEVEL | MASKED | 0x49);
	pin(f, 9, 1);
	g_assert_cmpuint(f->sent, ==, 0);
	entry(f, 9, 0, LEVEL | 0x49);
	g_assert_cmpuint(f->sent, ==, 1);                    /* a level waits for the mask to go */
	g_assert_cmphex(f->data, ==, 0xc049);
	g_assert_cmphex(rd(f, 0x10 + 18) & REMOTE, ==, REMOTE);
	pin(f, 9, 0);
	pin(f, 9, 1);
	g_assert_cmpuint(f->sent, ==, 1);
	eoi(f, 0x50);
	g_assert_cmpuint(f->sent, ==, 1);                    /* another vector's */
	eoi(f, 0x49);
	g_assert_cmpuint(f->sent, ==, 2);                    /* still asserted: again */
	pin(f, 9, 0);
	machine_mmio_write(f->m, IOAPIC_BASE + 0x40, 4, 0x49);
	g_assert_cmpuint(f->sent, ==, 2);
	g_assert_cmphex(rd(f, 0x10 + 18) & REMOTE, ==, 0);
	pin(f, 9, 1);
	g_assert_cmpuint(f->sent, ==, 3);
	entry(f, 9, 0, MASKED | 0x49);                       /* to edge and back: remote IRR goes */
	entry(f, 9, 0, MASKED | LEVEL | 0x49);
	g_assert_cmphex(rd(f, 0x10 + 18) & REMOTE, ==, 0);
	entry(f, 9, 0, LEVEL | 0x49);
	g_assert_cmpuint(f->sent, ==, 4);
}

static void polarity(struct fixture *f, gconstpointer unused)
{
	entry(f, 20, 0, LEVEL | LOW | 0x60);                 /* nothing is wired there */
	g_assert_cmpuint(f->sent, ==, 0);
	pin(f, 10, 1);
	entry(f, 10, 0, LEVEL | LOW | 0x61);
	g_assert_cmpuint(f->sent, ==, 0);
	pin(f, 10, 0);
	g_assert_cmpuint(f->sent, ==, 1);
	entry(f, 11, 0, LOW | 0x62);
	pin(f, 11, 1);
	g_assert_cmpuint(f->sent, ==, 1);
	pin(f, 11, 0);
	g_assert_cmpuint(f->sent, ==, 2);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/ioapic/registers", struct fixture, NULL, set_up, registers, tear_down);
	g_test_add("/ioapic/edge", struct fixture, NULL, set_up, edge, tear_down);
	g_test_add("/ioapic/level", struct fixture, NULL, set_up, level, tear_down);
	g_test_add("/ioapic/polarity", struct fixture, NULL, set_up, polarity, tear_down);
	return g_test_run();
}
