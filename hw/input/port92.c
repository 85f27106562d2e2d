/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System control port A of the PS/2: fast reset and the fast A20 gate, whose bit is
 * kept without effect.
 */
#include "hw/input/i8042.h"

#include <stddef.h>

enum { RESET = 1 << 0, A20 = 1 << 1 };

struct port92 {
	struct device device;     /* machine lock: everything below */
	uint8_t value;
};

static uint64_t port92_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct port92 *)dev)->value;
}

static void port92_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct port92 *p = dev;
	bool rises = (value & RESET) && !(p->value & RESET);

	p->value = value;
	if (rises)
		machine_request_reset(p->device.machine);
}

static const struct region_ops port92_ops = { port92_read, port92_write, 1, 1 };

static void port92_reset(struct device *d)
{
	((struct port92 *)d)->value = A20;
}

static bool port92_init(struct device *d, GError **error)
{
	machine_add_io(d->machine, SYSTEM_CONTROL_A, 1, &port92_ops, d, "port92");
	return true;
}

static const struct state_field port92_state[] = {
	{ "value", offsetof(struct port92, value), 1, 1 },
	{ NULL }
};

const struct device_type port92_type = {
	.name = "port92",
	.description = "system control port A",
	.size = sizeof(struct port92),
	.init = port92_init,
	.reset = port92_reset,
	.state = port92_state,
};
