/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The small devices, and all of them together under random accesses. */
#include <string.h>

#include "hw/input/i8042.h"
#include "hw/intc/i8259.h"
#include "hw/pci/host.h"

#include "board.h"

enum { DATA = KEYBOARD_DATA, COMMAND = KEYBOARD_COMMAND, OBF = 1 };

/* ---- keyboard controller ---- */

static uint8_t answer(struct board *b)
{
	g_assert_cmphex(in8(b, COMMAND) & OBF, ==, OBF);
	return in8(b, DATA);
}

static void test_controller(void)
{
	struct board *b = board_new();

	board_add(b, "i8042");
	g_assert_cmphex(in8(b, COMMAND), ==, 0x14);
	out8(b, COMMAND, 0xaa);
	g_assert_cmphex(answer(b), ==, 0x55);
	g_assert_cmphex(in8(b, COMMAND) & OBF, ==, 0);
	out8(b, COMMAND, 0xab);
	g_assert_cmphex(answer(b), ==, 0);
	out8(b, COMMAND, 0x60);
	out8(b, DATA, 0x34);
	out8(b, COMMAND, 0x20);
	g_assert_cmphex(answer(b), ==, 0x34);
	/* No mouse: the loop answers without its mark, the test fails. */
	out8(b, COMMAND, 0xd3);
	out8(b, DATA, 0x5a);
	g_assert_cmphex(in8(b, COMMAND) & 0x21, ==, 0x01);
	g_assert_cmphex(answer(b), ==, 0x5a);
	out8(b, COMMAND, 0xa9);
	g_assert_cmphex(answer(b), !=, 0);
	board_free(b);
}

static void test_keyboard(void)
{
	struct board *b = board_new();
	unsigned before;

	board_add(b, "i8042");
	before = b->rises[1];
	out8(b, DATA, 0xff);
	g_assert_cmphex(answer(b), ==, 0xfa);
	g_assert_cmphex(answer(b), ==, 0xaa);
	g_assert_cmpuint(b->rises[1], ==, before + 2);
	out8(b, DATA, 0xf2);
	g_assert_cmphex(answer(b), ==, 0xfa);
	g_assert_cmphex(answer(b), ==, 0xab);
	g_assert_cmphex(answer(b), ==, 0x41);
	out8(b, COMMAND, 0x60);
	out8(b, DATA, 0x00);                    /* no interrupt, no translation */
	before = b->rises[1];
	out8(b, DATA, 0xf2);
	g_assert_cmphex(answer(b), ==, 0xfa);
	g_assert_cmphex(answer(b), ==, 0xab);
	g_assert_cmphex(answer(b), ==, 0x83);
	out8(b, DATA, 0xf0);
	g_assert_cmphex(answer(b), ==, 0xfa);
	out8(b, DATA, 0x00);
	g_assert_cmphex(answer(b), ==, 0xfa);
	g_assert_cmphex(answer(b), ==, 2);
	out8(b, DATA, 0xed);
	out8(b, DATA, 0x07);
	g_assert_cmphex(answer(b), ==, 0xfa);
	g_assert_cmphex(answer(b), ==, 0xfa);
	out8(b, DATA, 0x01);
	g_assert_cmphex(answer(b), ==, 0xfe);
	g_assert_cmpuint(b->rises[1], ==, before);
	/* Disabled, bytes wait; the controller still answers. */
	out8(b, DATA, 0xee);
	answer(b);
	out8(b, DATA, 0xee);
	out8(b, COMMAND, 0xad);
	answer(b);
	out8(b, DATA, 0xee);                    /* sending opens the line again */
	g_assert_cmphex(answer(b), ==, 0xee);
	board_free(b);
}

static void test_resets(void)
{
	struct board *b = board_new();

	board_add(b, "i8042");
	board_add(b, "port92");
	board_add(b, "pci-host");
	out8(b, COMMAND, 0xff);
	g_assert_cmpuint(b->resets, ==, 0);
	out8(b, COMMAND, 0xfe);
	g_assert_cmpuint(b->resets, ==, 1);
	out8(b, COMMAND, 0xd1);
	out8(b, DATA, 0xfe);
	g_assert_cmpuint(b->resets, ==, 2);
	out8(b, SYSTEM_CONTROL_A, 0x02);
	g_assert_cmpuint(b->resets, ==, 2);
	out8(b, SYSTEM_CONTROL_A, 0x03);
	g_assert_cmpuint(b->resets, ==, 3);
	out8(b, RESET_CONTROL, 0x02);
	g_assert_cmpuint(b->resets, ==, 3);
	out8(b, RESET_CONTROL, 0x06);
	g_assert_cmpuint(b->resets, ==, 4);
	out8(b, RESET_CONTROL, RESET_CONTROL_VALUE);
	g_assert_cmpuint(b->resets, ==, 5);
	machine_io_write(b->m, PCI_CONFIG_ADDRESS, 4, 0x80000600);   /* an address, no reset */
	g_assert_cmpuint(b->resets, ==, 5);
	board_free(b);
}

/* ---- others ---- */

static uint32_t config(struct board *b, uint32_t address)
{
	machine_io_write(b->m, PCI_CONFIG_ADDRESS, 4, address);
	return machine_io_read(b->m, PCI_CONFIG_DATA, 4);
}

static void test_pci(void)
{
	struct board *b = board_new();

	board_add(b, "pci-host");
	g_assert_cmphex(config(b, 0x80000000), !=, 0xffffffff);
	g_assert_cmphex(machine_io_read(b->m, PCI_CONFIG_ADDRESS, 4), ==, 0x80000000);
	g_assert_cmphex(config(b, 0x80000008) >> 16, ==, 0x0600);
	g_assert_cmphex(machine_io_read(b->m, PCI_CONFIG_DATA + 2, 2), ==, 0x0600);
	g_assert_cmphex(config(b, 0x00000000), ==, 0xffffffff);
	for (unsigned device = 1; device < 0x10000 / 8; device++)
		g_assert_cmphex(config(b, 0x80000000 | device << 11), ==, 0xffffffff);
	g_assert_cmphex(config(b, 0x80000100), ==, 0xffffffff);
	board_free(b);
}

static void test_dma(void)
{
	struct board *b = board_new();

	board_add(b, "i8257");
	board_add(b, "isa-post");
	out8(b, 0x0c, 0);
	out8(b, 0x02, 0x34);
	out8(b, 0x02, 0x12);
	g_assert_cmphex(in8(b, 0x02), ==, 0x34);
	g_assert_cmphex(in8(b, 0x02), ==, 0x12);
	g_assert_cmphex(in8(b, 0x0f), ==, 0xff);
	out8(b, 0x0a, 0x02);
	g_assert_cmphex(in8(b, 0x0f), ==, 0xfb);
	out8(b, 0xde, 0);
	g_assert_cmphex(in8(b, 0xde), ==, 0xf0);
	out8(b, 0xda, 0);
	g_assert_cmphex(in8(b, 0xde), ==, 0xff);
	out8(b, 0x87, 0x5a);
	out8(b, 0x80, 0x77);
	g_assert_cmphex(in8(b, 0x87), ==, 0x5a);
	g_assert_cmphex(in8(b, 0x80), ==, 0x77);
	board_free(b);
}

static void test_debug_exit(void)
{
	struct board *b = board_new();

	board_add(b, "isa-debug-exit");
	board_add(b, "isa-debugcon");
	machine_io_write(b->m, 0x501, 1, 3);
	g_assert_cmpint(b->exit_code, ==, 7);
	machine_io_write(b->m, 0x501, 4, 0x10);
	g_assert_cmpuint(b->exits, >=, 2);
	g_assert_cmphex(in8(b, 0xe9), ==, 0xe9);
	out8(b, 0xe9, 'x');
	board_free(b);
}

/* ---- pc-testdev: QEMU's ports and addresses ---- */

enum { TEST_WORD = 0xe0, TEST_FLUSH = 0xe4, TEST_BYTES = 0xe8, TEST_IRQ = 0x2000, TEST_MMIO = (int)0xff000000 };

/* One register of 32 bits behind two runs of ports: at one it takes accesses whole, at the other byte by byte. */
static void test_testdev_ports(void)
{
	struct board *b = board_new();

	board_add(b, "pc-testdev");
	g_assert_cmphex(machine_io_read(b->m, TEST_WORD, 4), ==, 0);
	machine_io_write(b->m, TEST_WORD, 4, 0x44332211);
	for (unsigned i = 0; i < 4; i++) {
		g_assert_cmphex(in8(b, TEST_WORD + i), ==, 0x11 * (i + 1));
		g_assert_cmphex(in8(b, TEST_BYTES + i), ==, 0x11 * (i + 1));
	}
	g_assert_cmphex(machine_io_read(b->m, TEST_WORD + 2, 2), ==, 0x4433);
	g_assert_cmphex(machine_io_read(b->m, TEST_BYTES, 4), ==, 0x44332211);
	machine_io_write(b->m, TEST_WORD + 2, 2, 0xbeef);
	out8(b, TEST_WORD, 0x5a);
	g_assert_cmphex(machine_io_read(b->m, TEST_WORD, 4), ==, 0xbeef225a);
	machine_io_write(b->m, TEST_BYTES, 4, 0x01020304);
	machine_io_write(b->m, TEST_BYTES + 1, 2, 0xaabb);
	g_assert_cmphex(machine_io_read(b->m, TEST_WORD, 4), ==, 0x01aabb04);
	/* Any page, also one that there is not: nothing that a guest could see. */
	machine_io_write(b->m, TEST_FLUSH, 4, 0xfffff000);
	g_assert_cmphex(machine_io_read(b->m, TEST_WORD, 4), ==, 0x01aabb04);
	board_free(b);
}

static void test_testdev_wires(void)
{
	struct board *b = board_new();

	board_add(b, "pc-testdev");
	for (unsigned n = 0; n < ISA_IRQS; n++) {
		out8(b, TEST_IRQ + n, 1);
		for (unsigned i = 0; i < ISA_IRQS; i++)
			g_assert_cmpint(b->level[i], ==, i == n);
		out8(b, TEST_IRQ + n, 0x80);                    /* any value but 0, and high already */
		g_assert_cmpuint(b->rises[n], ==, 1);
		out8(b, TEST_IRQ + n, 0);
		g_assert_cmpint(b->level[n], ==, 0);
	}
	/* There are ports of 24 wires, and 16 wires. */
	for (unsigned n = ISA_IRQS; n < 24; n++)
		out8(b, TEST_IRQ + n, 1);
	for (unsigned i = 0; i < ISA_IRQS; i++)
		g_assert_cmpuint(b->rises[i], ==, 1);
	out8(b, TEST_IRQ + 5, 1);
	machine_reset(b->m);
	g_assert_cmpint(b->level[5], ==, 0);
	board_free(b);
}

static void test_testdev_memory(void)
{
	struct board *b = board_new();
	const uint64_t last = 0xffff;

	board_add(b, "pc-testdev");
	machine_mmio_write(b->m, (uint32_t)TEST_MMIO, 8, 0x8877665544332211);
	for (unsigned i = 0; i < 8; i++)
		g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO + i, 1), ==, 0x11 * (i + 1));
	g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO + 3, 4), ==, 0x77665544);
	machine_mmio_write(b->m, (uint32_t)TEST_MMIO + last, 1, 0x99);
	g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO + last, 1), ==, 0x99);
	g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO + last + 1, 1), ==, 0xff);
	/* An access that goes beyond the end. */
	g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO + last, 2), ==, 0xff99);
	machine_reset(b->m);
	g_assert_cmphex(machine_mmio_read(b->m, (uint32_t)TEST_MMIO, 8), ==, 0);
	board_free(b);
}

/* ---- everything at once ---- */

static const char *const all[] = {
	"i8257", "isa-i8259", "isa-pit", "mc146818rtc", "isa-serial", "isa-serial", "isa-serial", "isa-serial",
	"isa-debugcon", "acpi-pm", "i8042", "port92", "pci-host", "isa-post", "isa-debug-exit",
	"pc-testdev",
};

static struct device *add_all(struct board *b)
{
	struct device *pic = NULL;

	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		struct device *d = board_add(b, all[i]);

		if (!strcmp(all[i], "isa-i8259"))
			pic = d;
	}
	for (int i = 0; i < ISA_IRQS; i++)
		b->m->isa_irq[i] = i8259_input(pic, i);
	return pic;
}

/* Where there is something, more often than chance would have it. */
static uint16_t random_port(void)
{
	static const uint16_t bases[] = {
		0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0xa0, 0xc0, 0xe8, 0x2e8, 0x2f8, 0x3e8, 0x3f8, 0x480, 0x4d0, 0x500, 0x600, 0x620, 0xcf8,
	};

	if (!g_test_rand_int_range(0, 10))
		return g_test_rand_int();
	return bases[g_test_rand_int_range(0, G_N_ELEMENTS(bases))] + g_test_rand_int_range(0, 32);
}

static void random_access(struct board *b)
{
	uint16_t port = random_port();
	unsigned size = 1u << g_test_rand_int_range(0, 3);

	if (g_test_rand_bit())
		machine_io_write(b->m, port, size, g_test_rand_int());
	else
		g_assert_cmphex((uint64_t)machine_io_read(b->m, port, size) >> 8 * size, ==, 0);
}

/* Whatever the guest does, each access and each step ends, and reset brings order. */
static void test_random(void)
{
	struct board *b = board_new();
	struct device *pic = add_all(b);

	for (unsigned i = 0; i < 300000; i++) {
		random_access(b);
		if (!g_test_rand_int_range(0, 50))
			pass(b, g_test_rand_int_range(0, 100000));
		if (!g_test_rand_int_range(0, 1000))
			pass(b, INT64_C(1) << g_test_rand_int_range(0, 27));
		if (!g_test_rand_int_range(0, 100))
			g_assert_cmphex(i8259_acknowledge(pic), <=, 0xff);
		if (!g_test_rand_int_range(0, 20000))
			machine_reset(b->m);
	}
	machine_reset(b->m);
	g_assert_cmphex(in8(b, 0x21), ==, 0xff);
	g_assert_cmphex(in8(b, 0x3fd), ==, 0x60);
	g_assert_cmphex(in8(b, COMMAND), ==, 0x14);
	for (unsigned i = 0; i < ISA_IRQS; i++)
		g_assert_cmpuint(b->m->isa_high[i], ==, i == 0);   /* counter 0's output idles high */
	board_free(b);
}

/* Every port, every size. */
static void test_sweep(void)
{
	struct board *b = board_new();

	add_all(b);
	for (unsigned port = 0; port < 0x10000; port++) {
		for (unsigned size = 1; size <= 4; size *= 2) {
			machine_io_read(b->m, port, size);
			machine_io_write(b->m, port, size, g_test_rand_int());
		}
	}
	board_free(b);
}

/* A machine whose time is at its end still answers. */
static void test_end_of_time(void)
{
	struct board *b = board_new();

	add_all(b);
	out8(b, 0x43, 0x30);                    /* no ticks on the way */
	clock_step_to(b->m->clock, INT64_MAX);
	for (unsigned i = 0; i < 50000; i++)
		random_access(b);
	board_free(b);
}

static gpointer hammer(gpointer data)
{
	struct board *b = data;
	GRand *r = g_rand_new_with_seed(1);

	for (unsigned i = 0; i < 20000; i++) {
		uint16_t port = g_rand_int_range(r, 0, 0x700);

		if (g_rand_boolean(r))
			machine_io_write(b->m, port, 1, g_rand_int(r));
		else
			machine_io_read(b->m, port, 1);
	}
	g_rand_free(r);
	return NULL;
}

/* Two processors and the clock's thread in the same devices; then all of it goes away. */
static void test_threads(void)
{
	struct board *b = board_new_with(CLOCK_REAL);
	GThread *thread[2];

	add_all(b);
	clock_start(b->m->clock);
	for (unsigned i = 0; i < 2; i++)
		thread[i] = g_thread_new("hammer", hammer, b);
	for (unsigned i = 0; i < 2; i++)
		g_thread_join(thread[i]);
	clock_stop(b->m->clock);
	machine_reset(b->m);
	g_assert_cmphex(in8(b, 0x3fd), ==, 0x60);
	board_free(b);
}

/* Two machines do not see each other. */
static void test_two(void)
{
	struct board *a = board_new(), *b = board_new();

	add_all(a);
	add_all(b);
	out8(a, 0x3ff, 0x11);
	out8(b, 0x3ff, 0x22);
	g_assert_cmphex(in8(a, 0x3ff), ==, 0x11);
	g_assert_cmphex(in8(b, 0x3ff), ==, 0x22);
	pass(a, 1000000);
	g_assert_cmpint(clock_now(b->m->clock), ==, 0);
	board_free(a);
	g_assert_cmphex(in8(b, 0x3ff), ==, 0x22);
	board_free(b);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/i8042/controller", test_controller);
	g_test_add_func("/i8042/keyboard", test_keyboard);
	g_test_add_func("/devices/resets", test_resets);
	g_test_add_func("/pci-host/config", test_pci);
	g_test_add_func("/i8257/registers", test_dma);
	g_test_add_func("/isa-debug-exit/exit", test_debug_exit);
	g_test_add_func("/pc-testdev/ports", test_testdev_ports);
	g_test_add_func("/pc-testdev/wires", test_testdev_wires);
	g_test_add_func("/pc-testdev/memory", test_testdev_memory);
	g_test_add_func("/devices/random", test_random);
	g_test_add_func("/devices/sweep", test_sweep);
	g_test_add_func("/devices/end-of-time", test_end_of_time);
	g_test_add_func("/devices/threads", test_threads);
	g_test_add_func("/devices/two-machines", test_two);
	return g_test_run();
}
