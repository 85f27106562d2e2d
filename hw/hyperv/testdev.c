/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Test device for guests that try their SynIC.  A write of 4 bytes to its port is a command:
 * SINT in 7:0, VP index in 15:8, what to do in 23:16, connection in 31:24.  Connections lead back
 * to the SINT that they are made for: what a VP sends there arrives as it was sent, an
 * event as the flag that has the connection's number.  QEMU has a device of this name, whose
 * protocol this is; a monitor page is our own addition.
 */
#include <stddef.h>

#include "hw/core/machine.h"
#include "hw/hyperv/port.h"
#include "hw/hyperv/synic.h"
#include "trace/log.h"

enum { PORT = 0x3000, PORT_BYTES = 4, CONNECTIONS = 256, VP_INDEXES = 256 };
enum {
	ROUTE_CREATE = 1, ROUTE_DESTROY, ROUTE_SET_SINT,
	MESSAGE_CREATE, MESSAGE_DESTROY, EVENT_CREATE, EVENT_DESTROY,
};

struct command {
	uint8_t sint, vp, what, connection;
};

/* Our own: monitor-page=GPA is a port and connection whose page the receiver sees there, the sender behind it. */
enum { MONITOR_ID = 0xfffffe };
/* Ports of events have numbers of their own; nobody sees them. */
enum { EVENT_ID = 0x100, TYPES = HV_PORT_EVENT + 1 };

struct testdev {
	struct device device;            /* machine lock: everything below */
	uint64_t monitor_page;           /* 0: there is none; set once */
	uint16_t routes[VP_INDEXES];     /* bit per SINT */
	struct port *port[TYPES][CONNECTIONS];   /* a space of numbers each */
};

static void complain(const struct command *c, const char *why)
{
	log_print(LOG_GUEST_ERRORS, "hyperv-testdev: command %u for VP %u SINT %u connection %u: %s\n", c->what, c->vp,
		  c->sint, c->connection, why);
}

/* ---- routes: a SINT's bare interrupt ---- */

static void route_set(struct testdev *t, const struct command *c)
{
	struct vp *vp = partition_vp(t->device.machine->partition, c->vp);

	if (!vp || !(t->routes[c->vp] >> c->sint & 1))
		complain(c, "no such route");
	else if (synic_interrupt(vp, c->sint) != HV_STATUS_SUCCESS)
		complain(c, "masked");
}

/* ---- connections ---- */

static void connection_create(struct testdev *t, const struct command *c, enum hv_port_type type)
{
	struct partition *p = t->device.machine->partition;
	const struct port_config config = {
		.type = type, .id = c->connection + (type == HV_PORT_EVENT ? EVENT_ID : 0), .partition = p, .vp = c->vp, .sint = c->sint,
		/* The guest signals flag 0; it arrives as the connection's number. */
		.base_flag = c->connection, .flag_count = 1,
	};
	struct port *port;

	if (t->port[type][c->connection] || port_new(&config, &port) != HV_STATUS_SUCCESS) {
		complain(c, "cannot be made");
		return;
	}
	if (port_connect(p, c->connection, port) != HV_STATUS_SUCCESS) {
		complain(c, "the number is taken");
		port_delete(port);
		return;
	}
	t->port[type][c->connection] = port;
}

static void drop(struct testdev *t, unsigned connection, enum hv_port_type type)
{
	port_disconnect(t->device.machine->partition, connection, t->port[type][connection]);
	port_delete(t->port[type][connection]);
	t->port[type][connection] = NULL;
}

static void connection_destroy(struct testdev *t, const struct command *c, enum hv_port_type type)
{
	if (t->port[type][c->connection])
		drop(t, c->connection, type);
	else
		complain(c, "no such connection");
}

/* ---- the port ---- */

static uint64_t testdev_read(void *dev, uint64_t offset, unsigned size)
{
	return 0;
}

static void testdev_write(void *dev, uint64_t offset, uint64_t value, unsigned size)
{
	struct testdev *t = dev;
	struct command c = { value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff };

	if (c.sint >= HV_SINT_COUNT) {
		complain(&c, "there are 16 SINTs");
		return;
	}
	switch (c.what) {
	case ROUTE_CREATE:
		t->routes[c.vp] |= 1u << c.sint;
		break;
	case ROUTE_DESTROY:
		t->routes[c.vp] &= ~(1u << c.sint);
		break;
	case ROUTE_SET_SINT:
		route_set(t, &c);
		break;
	case MESSAGE_CREATE:
		connection_create(t, &c, HV_PORT_MESSAGE);
		break;
	case MESSAGE_DESTROY:
		connection_destroy(t, &c, HV_PORT_MESSAGE);
		break;
	case EVENT_CREATE:
		connection_create(t, &c, HV_PORT_EVENT);
		break;
	case EVENT_DESTROY:
		connection_destroy(t, &c, HV_PORT_EVENT);
		break;
	default:
		complain(&c, "unknown");
	}
}

static const struct region_ops testdev_ops = { testdev_read, testdev_write, 4, 4 };

/* ---- device ---- */

static void testdev_reset(struct device *d)
{
	struct testdev *t = (struct testdev *)d;

	for (unsigned type = HV_PORT_MESSAGE; type < TYPES; type++)
		for (unsigned i = 0; i < CONNECTIONS; i++)
			if (t->port[type][i])
				drop(t, i, type);
	for (unsigned i = 0; i < VP_INDEXES; i++)
		t->routes[i] = 0;
}

static bool monitor_make(struct testdev *t, GError **error)
{
	struct partition *p = t->device.machine->partition;
	const struct hv_port_info port = { .type = HV_PORT_MONITOR, .monitor = t->monitor_page };
	const struct hv_connection_info connection = { .type = HV_PORT_MONITOR, .monitor = t->monitor_page + HV_PAGE_SIZE };

	if (!t->monitor_page)
		return true;
	if (port_create(p, MONITOR_ID, &port) == HV_STATUS_SUCCESS) {
		if (port_connect_id(p, MONITOR_ID, MONITOR_ID, &connection) == HV_STATUS_SUCCESS)
			return true;
		port_remove(p, MONITOR_ID);
	}
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
		    "hyperv-testdev: monitor-page takes the address of a page, and there is one such device");
	return false;
}

static bool testdev_init(struct device *d, GError **error)
{
	if (!d->machine->partition) {
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
			    "hyperv-testdev needs a machine with processors: use -accel hvtlfs");
		return false;
	}
	if (!monitor_make((struct testdev *)d, error))
		return false;
	machine_add_io(d->machine, PORT, PORT_BYTES, &testdev_ops, d, "hyperv-testdev-ctl");
	return true;
}

static void testdev_fini(struct device *d)
{
	testdev_reset(d);
	port_disconnect(d->machine->partition, MONITOR_ID, NULL);
	port_remove(d->machine->partition, MONITOR_ID);
}

static const struct device_property testdev_properties[] = {
	{ "monitor-page", "guest physical address of a monitor page, its sender's view in the page behind", PROPERTY_UINT64,
	  offsetof(struct testdev, monitor_page) },
	{ NULL }
};

const struct device_type hyperv_testdev_type = {
	.name = "hyperv-testdev",
	.description = "test device for the synthetic interrupt controller",
	.size = sizeof(struct testdev),
	.user_creatable = true,
	.properties = testdev_properties,
	.init = testdev_init,
	.reset = testdev_reset,
	.fini = testdev_fini,
};
