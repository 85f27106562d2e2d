/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Test device of kvm-unit-tests: interrupt wires to pull, a register to read back through
 * ports of all widths, memory that is a device's.
 */
#include <string.h>

#include "hw/core/machine.h"

enum { IO_WORD = 0xe0, IO_FLUSH = 0xe4, IO_BYTES = 0xe8, IO_IRQ = 0x2000, IRQ_PORTS = 24 };
enum { MMIO = 0xff000000, MMIO_SIZE = 0x10000 };

struct pc_testdev {
	struct device device;     /* machine lock: everything below */
	struct isa_pin pin[ISA_IRQS];
	uint8_t word[4], mmio[MMIO_SIZE];
};

/* ---- storage: the device of these regions is its bytes ---- */

static uint64_t bytes_read(void *bytes, uint64_t offset, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, (uint8_t *)bytes + offset, size);
	return v;
}

static void bytes_write(void *bytes, uint64_t offset, uint64_t value, unsigned size)
{
	memcpy((uint8_t *)bytes + offset, &value, size);
}

static const struct region_ops word_ops = { bytes_read, bytes_write, 1, 4 };
static const struct region_ops byte_ops = { bytes_read, bytes_write, 1, 1 };
static const struct region_ops mmio_ops = { bytes_read, bytes_write, 1, 8 };

/* ---- wires: one port each, the value is the level ---- */

static uint64_t nothing_read(void *dev, uint64_t offset, unsigned size)
{
	return 0;
}

static void irq_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct pc_testdev *t = dev;

	if (offset < ISA_IRQS)
		isa_pin_set(&t->pin[offset], value != 0);
}

static const struct region_ops irq_ops = { nothing_read, irq_write, 1, 1 };

/* Elsewhere it takes the page at this address from the guest and gives it back; no guest of ours can see that. */
static void flush_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
}

static const struct region_ops flush_ops = { nothing_read, flush_write, 4, 4 };

/* ---- device ---- */

static void pc_testdev_reset(struct device *d)
{
	struct pc_testdev *t = (struct pc_testdev *)d;

	for (unsigned n = 0; n < ISA_IRQS; n++)
		isa_pin_set(&t->pin[n], false);
	memset(t->word, 0, sizeof t->word);
	memset(t->mmio, 0, sizeof t->mmio);
}

static bool pc_testdev_init(struct device *d, GError **error)
{
	struct pc_testdev *t = (struct pc_testdev *)d;

	for (unsigned n = 0; n < ISA_IRQS; n++)
		isa_pin_init(&t->pin[n], d->machine, n);
	machine_add_io(d->machine, IO_WORD, 4, &word_ops, t->word, "pc-testdev-ioport");
	machine_add_io(d->machine, IO_FLUSH, 4, &flush_ops, t, "pc-testdev-flush-page");
	machine_add_io(d->machine, IO_BYTES, 4, &byte_ops, t->word, "pc-testdev-ioport-byte");
	machine_add_io(d->machine, IO_IRQ, IRQ_PORTS, &irq_ops, t, "pc-testdev-irq-line");
	machine_add_mmio(d->machine, MMIO, MMIO_SIZE, &mmio_ops, t->mmio, "pc-testdev-iomem");
	return true;
}

static const struct state_field pc_testdev_state[] = {
	{ "word", offsetof(struct pc_testdev, word), 1, 4 },
	{ "mmio", offsetof(struct pc_testdev, mmio), 1, MMIO_SIZE },
	{ NULL }
};

const struct device_type pc_testdev_type = {
	.name = "pc-testdev",
	.description = "test device of kvm-unit-tests",
	.size = sizeof(struct pc_testdev),
	.user_creatable = true,
	.init = pc_testdev_init,
	.reset = pc_testdev_reset,
	.state = pc_testdev_state,
};
