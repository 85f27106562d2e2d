/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Debug console of emulators: bytes written to port 0xe9 go to a character device. */
#include "hw/char/debugcon.h"

#include <stddef.h>

struct debugcon {
	struct device device;
	char *chardev_name;        /* properties */
	uint32_t iobase, readback;
	struct chardev *chardev;   /* NULL: nothing connected; set once */
};

/* It takes nothing back. */
static size_t can_receive(void *opaque)
{
	return 0;
}

static void receive(void *opaque, const uint8_t *data, size_t n)
{
}

static const struct chardev_front front = { can_receive, receive, NULL };

static uint64_t debugcon_read(void *dev, uint64_t offset, unsigned size)
{
	return ((struct debugcon *)dev)->readback;
}

static void debugcon_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct debugcon *c = dev;
	uint8_t byte = value;

	if (c->chardev)
		chardev_write(c->chardev, &byte, 1);
}

static const struct region_ops debugcon_ops = { debugcon_read, debugcon_write, 1, 1 };

static bool connect_chardev(struct debugcon *c, struct chardev *chardev, GError **error)
{
	if (!chardev_attach(chardev, &front, c, error))
		return false;
	c->chardev = chardev;
	return true;
}

static bool connect_named(struct debugcon *c, GError **error)
{
	struct chardev *chardev = machine_chardev(c->device.machine, c->chardev_name);

	if (chardev)
		return connect_chardev(c, chardev, error);
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		"Property 'isa-debugcon.chardev' can't find value '%s'", c->chardev_name);
	return false;
}

static bool debugcon_init(struct device *d, GError **error)
{
	struct debugcon *c = (struct debugcon *)d;

	if (c->iobase > 0xffff) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "isa-debugcon: iobase 0x%x is no I/O port", c->iobase);
		return false;
	}
	if (c->chardev_name && !connect_named(c, error))
		return false;
	machine_add_io(d->machine, c->iobase, 1, &debugcon_ops, c, "isa-debugcon");
	return true;
}

static void debugcon_fini(struct device *d)
{
	struct debugcon *c = (struct debugcon *)d;

	if (c->chardev)
		chardev_detach(c->chardev, c);
}

static const struct device_property debugcon_properties[] = {
	{ "chardev", "character device that gets the bytes", PROPERTY_STRING, offsetof(struct debugcon, chardev_name) },
	{ "iobase", "I/O port", PROPERTY_UINT32, offsetof(struct debugcon, iobase), 0xe9 },
	{ "readback", "value that reads give: the console is there", PROPERTY_UINT32, offsetof(struct debugcon, readback), 0xe9 },
	{ NULL }
};

const struct device_type debugcon_type = {
	.name = "isa-debugcon",
	.description = "debug console at an I/O port",
	.size = sizeof(struct debugcon),
	.user_creatable = true,
	.properties = debugcon_properties,
	.init = debugcon_init,
	.fini = debugcon_fini,
};

struct device *debugcon_new(struct machine *m, struct chardev *chardev, GError **error)
{
	struct device *d = device_new(m, "isa-debugcon", NULL, NULL, error);

	if (d && chardev && !connect_chardev((struct debugcon *)d, chardev, error))
		return NULL;
	return d;
}
