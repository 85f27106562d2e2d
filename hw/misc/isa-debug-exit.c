/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Port with which a test program ends the emulator: a write of v gives exit code
 * (v << 1) | 1, which is never the 0 of an ordinary end.
 */
#include <stddef.h>

#include "hw/core/machine.h"

enum { SIZE_MAX_BYTES = 4 };

struct debug_exit {
	struct device device;
	uint32_t iobase, iosize;   /* properties */
};

static uint64_t debug_exit_read(void *dev, uint64_t offset, unsigned size)
{
	return 0;
}

static void debug_exit_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct debug_exit *e = dev;

	machine_request_exit(e->device.machine, (int)((value & 0x3fffffff) << 1 | 1));
}

static const struct region_ops debug_exit_ops = { debug_exit_read, debug_exit_write, 1, SIZE_MAX_BYTES };

static bool debug_exit_init(struct device *d, GError **error)
{
	struct debug_exit *e = (struct debug_exit *)d;

	if (!e->iosize || e->iosize > 0x10000 || e->iobase > 0x10000 - e->iosize) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			"isa-debug-exit: iobase 0x%x and iosize 0x%x must lie in the 64 KiB of I/O ports", e->iobase, e->iosize);
		return false;
	}
	machine_add_io(d->machine, e->iobase, e->iosize, &debug_exit_ops, e, "isa-debug-exit");
	return true;
}

static const struct device_property debug_exit_properties[] = {
	{ "iobase", "first I/O port", PROPERTY_UINT32, offsetof(struct debug_exit, iobase), 0x501 },
	{ "iosize", "number of ports", PROPERTY_UINT32, offsetof(struct debug_exit, iosize), 2 },
	{ NULL }
};

const struct device_type debug_exit_type = {
	.name = "isa-debug-exit",
	.description = "port that ends the emulator",
	.size = sizeof(struct debug_exit),
	.user_creatable = true,
	.properties = debug_exit_properties,
	.init = debug_exit_init,
};
