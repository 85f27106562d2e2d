/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PCI configuration mechanism 1 with nothing behind it but a host bridge at 00:00.0.
 * PCI local bus specification 3.0, 3.2.2.3.  A bus without even that makes Linux
 * complain about a missing way to reach it; the identity is the 440BX of Hyper-V's
 * generation 1 machines.
 *
 * Byte 1 of the address register is the chipset's reset control register: only
 * accesses of four bytes reach the address.
 */
#include "hw/pci/host.h"

#include <stddef.h>

#include "hw/core/machine.h"

enum { ADDRESS_ENABLE = 1u << 31, ADDRESS_WRITABLE = 0x80fffffc, ADDRESS_FUNCTION = 0x00ffff00, ADDRESS_REGISTER = 0xfc };
enum { CONTROL_HARD = 1 << 1, CONTROL_RESET = 1 << 2, CONTROL_FULL = 1 << 3 };
enum { IDENTITY = 0x71928086, CLASS_HOST_BRIDGE = 0x06000003, CAPABILITIES = 0x02000006 };

struct host {
	struct device device;     /* machine lock: everything below */
	uint32_t address;
	uint8_t control;
};

/* ---- address, reset control ---- */

static uint64_t address_read(void *dev, uint64_t offset, unsigned size)
{
	struct host *h = dev;

	if (size == 4)
		return h->address;
	return size == 1 && offset == RESET_CONTROL - PCI_CONFIG_ADDRESS ? h->control : UINT64_MAX;
}

static void write_control(struct host *h, uint8_t v)
{
	bool rises = (v & CONTROL_RESET) && !(h->control & CONTROL_RESET);

	h->control = v & (CONTROL_HARD | CONTROL_FULL);
	if (rises)
		machine_request_reset(h->device.machine);
}

static void address_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct host *h = dev;

	if (size == 4)
		h->address = value & ADDRESS_WRITABLE;
	else if (size == 1 && offset == RESET_CONTROL - PCI_CONFIG_ADDRESS)
		write_control(h, value);
}

/* ---- configuration space ---- */

static uint32_t bridge_register(unsigned n)
{
	switch (n) {
	case 0x00:
		return IDENTITY;
	case 0x04:
		return CAPABILITIES;
	case 0x08:
		return CLASS_HOST_BRIDGE;
	default:
		return 0;
	}
}

static uint64_t data_read(void *dev, uint64_t offset, unsigned size)
{
	const struct host *h = dev;

	if (!(h->address & ADDRESS_ENABLE) || (h->address & ADDRESS_FUNCTION))
		return UINT64_MAX;
	return bridge_register(h->address & ADDRESS_REGISTER) >> 8 * offset;
}

static const struct region_ops address_ops = { address_read, address_write, 1, 4 };
static const struct region_ops data_ops = { data_read, NULL, 1, 4 };

/* ---- type ---- */

static void host_reset(struct device *d)
{
	struct host *h = (struct host *)d;

	h->address = 0;
	h->control = 0;
}

static bool host_init(struct device *d, GError **error)
{
	machine_add_io(d->machine, PCI_CONFIG_ADDRESS, 4, &address_ops, d, "pci-host address");
	machine_add_io(d->machine, PCI_CONFIG_DATA, 4, &data_ops, d, "pci-host data");
	return true;
}

static const struct state_field host_state[] = {
	{ "address", offsetof(struct host, address), 4, 1 },
	{ "control", offsetof(struct host, control), 1, 1 },
	{ NULL }
};

const struct device_type pci_host_type = {
	.name = "pci-host",
	.description = "PCI configuration ports without devices",
	.size = sizeof(struct host),
	.init = host_init,
	.reset = host_reset,
	.state = host_state,
};
