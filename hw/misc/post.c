/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Port 0x80: power-on self-test codes, and the port that kernels write to for a delay. */
#include <stddef.h>

#include "hw/core/machine.h"
#include "trace/log.h"

enum { PORT = 0x80 };

struct post {
	struct device device;     /* machine lock: everything below */
	uint8_t code;
};

static uint64_t post_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct post *)dev)->code;
}

static void post_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct post *p = dev;

	if (value != p->code)
		log_print(LOG_DEVICE, "isa-post: code 0x%02x\n", (unsigned)value);
	p->code = value;
}

static const struct region_ops post_ops = { post_read, post_write, 1, 1 };

static void post_reset(struct device *d)
{
	((struct post *)d)->code = 0;
}

static bool post_init(struct device *d, GError **error)
{
	machine_add_io(d->machine, PORT, 1, &post_ops, d, "isa-post");
	return true;
}

static const struct state_field post_state[] = {
	{ "code", offsetof(struct post, code), 1, 1 },
	{ NULL }
};

const struct device_type post_type = {
	.name = "isa-post",
	.description = "POST code port",
	.size = sizeof(struct post),
	.init = post_init,
	.reset = post_reset,
	.state = post_state,
};
