/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports and connections (14.4).  A port is where messages or events arrive: at a SINT of
 * a partition, or in a device of ours.  A partition sends through a connection, a number of
 * its own that stands for a port; devices send to a port they have made.
 *
 * Any thread; any lock below LOCK_PORT.  Ports are counted: one whose connections are
 * left over after port_delete() goes when they do.
 */
#ifndef HW_HYPERV_PORT_H
#define HW_HYPERV_PORT_H

#include "accel/hvtlfs/component.h"
#include "hv/port.h"
#include "hv/synic.h"

/* A device's end.  On the sender's thread, no lock of ours held; may come once more after port_delete(). */
struct port_ops {
	/* @m->type, @m->payload_size and the payload are the sender's. */
	hv_status (*message)(void *o, const struct hv_message *m);
	hv_status (*event)(void *o, unsigned flag);
	void (*gone)(void *o);     /* nobody calls any more; may be NULL */
};

struct port_config {
	enum hv_port_type type;
	uint32_t id;               /* what the receiver sees as the sender of a message */
	/* Where it ends: a SINT of this partition ... */
	struct partition *partition;
	uint32_t vp, sint;         /* HV_ANY_VP: of any that can take it */
	/* ... or, if there is none, a device. */
	const struct port_ops *ops;
	void *opaque;
	uint16_t base_flag, flag_count;   /* event ports */
};

struct port;
/*
 * Statuses of 14.9.1.  A port with a SINT has a number of its partition (T14.8.6.a); whoever makes it deletes it.  No
 * monitor ports.
 */
hv_status port_new(const struct port_config *config, struct port **port);
/* Its messages that still wait are lost (T14.2.3.e); who sends to it is refused from now on (T14.4.g). */
void port_delete(struct port *port);
/*
 * From now on @p sends to @port by the number @connection.  Statuses of 14.9.3, 14.9.6.  Devices may give one number to
 * ports of different types, as those of other machines do: the call tells which is meant.
 */
hv_status port_connect(struct partition *p, uint32_t connection, struct port *port);
/* If it leads to @only, NULL: wherever.  That of a monitor port: no lock held. */
hv_status port_disconnect(struct partition *p, uint32_t connection, const struct port *only);

/*
 * The same by number, as HvCreatePort and its like ask for it, for ports that end in @p, which is the sender, too: the
 * partition owns them, monitor ports are among them.  No lock held.  Statuses of 14.9.1 to 14.9.6.
 */
hv_status port_create(struct partition *p, uint32_t id, const struct hv_port_info *info);
hv_status port_remove(struct partition *p, uint32_t id);
hv_status port_connect_id(struct partition *p, uint32_t connection, uint32_t id, const struct hv_connection_info *info);
hv_status port_get_property(struct partition *p, uint32_t id, uint32_t code, uint64_t *value);
hv_status port_set_property(struct partition *p, uint32_t id, uint32_t code, uint64_t value);

/*
 * As the calls make and end them: in @p, whose pool pays.  Only the partition with the id @connector may connect.  Of
 * what somebody else has made they end nothing, as if it were not there.  @p is active and stays so; no other call acts on
 * it.  @self: the VP that calls, on its thread, no lock held but LOCK_CALL.
 */
hv_status port_create_for(struct partition *p, uint32_t id, const struct hv_port_info *info, uint64_t connector, struct vp *self);
hv_status port_remove_made(struct partition *p, uint32_t id, struct vp *self);
/* @owner, where the port is, was active a moment ago. */
struct doorbell { uint64_t value, flags; };
hv_status port_connect_to(struct partition *p, uint32_t connection, struct partition *owner, uint32_t id,
			  const struct hv_connection_info *info, struct doorbell doorbell, struct vp *self);
hv_status port_disconnect_made(struct partition *p, uint32_t connection, struct vp *self);
/* The guest has emptied the ring of @sint that was full: what waited goes in. */
void port_ring_again(struct partition *p, unsigned sint);

/* HvPostMessage and HvSignalEvent of @p. */
hv_status port_post_by(struct partition *p, uint32_t connection, uint32_t type, const void *payload, size_t size);
hv_status port_signal_by(struct partition *p, uint32_t connection, unsigned flag);

/* Sending, with the statuses of 14.9.7 and 14.9.8 that a known port can give. */
hv_status port_post(struct port *port, uint32_t type, const void *payload, size_t size);
hv_status port_signal(struct port *port, unsigned flag);
uint64_t port_post_count(struct port *port);     /* messages that were taken (T14.8.7.a) */

#endif
