/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports and connections, and the calls through which a guest uses them: HvPostMessage,
 * HvSignalEvent.
 *
 * Locks.  A port's lock covers its end: whoever posts holds it, so that messages arrive in
 * the order in which the posts succeeded (T14.2.3.f), and none is queued behind
 * port_delete().  A device's end is called without it.
 */
#include "hw/hyperv/port.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "hv/partition.h"
#include "hw/hyperv/synic.h"
#include "sync/lock.h"
#include "trace/log.h"

struct port {
	struct port_config config;           /* set once */
	_Atomic uint32_t refs;
	struct lock lock;                    /* LOCK_PORT; all that follows */
	bool deleted;
	uint32_t next_vp;                    /* of an any-VP port: who is asked first */
	_Atomic uint64_t posts;
	struct synic_buffer buffer[HV_PORT_BUFFERS];   /* T14.2.1.a */
};

/* Of a partition. */
struct connections {
	struct lock lock;                    /* LOCK_PORT */
	GHashTable *port;                    /* by number, with a reference */
};

static const struct vp_component *const self = &port_component;

static struct connections *connections_of(struct partition *p)
{
	return partition_component_state(p, self);
}

/* ---- life ---- */

static struct port *port_ref(struct port *port)
{
	atomic_fetch_add(&port->refs, 1);
	return port;
}

static void port_unref(struct port *port)
{
	if (atomic_fetch_sub(&port->refs, 1) != 1)
		return;
	if (port->config.partition)
		partition_unref(port->config.partition);
	else if (port->config.ops->gone)
		port->config.ops->gone(port->config.opaque);
	lock_destroy(&port->lock);
	g_free(port);
}

static hv_status check_flags(const struct port_config *c)
{
	if (!c->flag_count || c->base_flag >= HV_EVENT_FLAGS ||                        /* T14.9.1.p, T14.9.1.q */
	    c->base_flag + c->flag_count >= HV_EVENT_FLAGS)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.o, O10 */
	return HV_STATUS_SUCCESS;
}

static hv_status check_config(const struct port_config *c)
{
	if (c->type != HV_PORT_MESSAGE && c->type != HV_PORT_EVENT)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.n */
	if (c->id & ~HV_PORT_ID_MASK)
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.1.j */
	if (!c->partition)
		return HV_STATUS_SUCCESS;
	if (c->vp != HV_ANY_VP && !partition_vp(c->partition, c->vp))
		return HV_STATUS_INVALID_VP_INDEX;         /* T14.9.1.k */
	if (c->sint == 0 || c->sint >= HV_SINT_COUNT)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.l, T14.9.1.m */
	return c->type == HV_PORT_EVENT ? check_flags(c) : HV_STATUS_SUCCESS;
}

hv_status port_new(const struct port_config *config, struct port **port)
{
	hv_status s = check_config(config);
	struct port *n;

	if (s != HV_STATUS_SUCCESS)
		return s;
	n = g_new0(struct port, 1);
	n->config = *config;
	atomic_init(&n->refs, 1);
	lock_init(&n->lock, LOCK_PORT, "port");
	if (config->partition)
		partition_ref(config->partition);
	*port = n;
	return HV_STATUS_SUCCESS;
}

void port_delete(struct port *port)
{
	lock_acquire(&port->lock);
	port->deleted = true;
	if (port->config.partition)
		synic_forget(port->config.partition, port->buffer, HV_PORT_BUFFERS);
	lock_release(&port->lock);
	port_unref(port);
}

hv_status port_connect(struct partition *p, uint32_t connection, struct port *port)
{
	struct connections *c = connections_of(p);
	hv_status s = HV_STATUS_SUCCESS;
	gpointer key = GUINT_TO_POINTER(connection);

	if (connection & ~HV_PORT_ID_MASK)
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.8.8.b, T14.9.3.j */
	lock_acquire(&c->lock);
	if (!c->port)
		s = HV_STATUS_INVALID_PARTITION_STATE;
	else if (g_hash_table_contains(c->port, key))
		s = HV_STATUS_INVALID_CONNECTION_ID;       /* T14.9.3.i */
	else
		g_hash_table_insert(c->port, key, port_ref(port));
	lock_release(&c->lock);
	return s;
}

hv_status port_disconnect(struct partition *p, uint32_t connection)
{
	struct connections *c = connections_of(p);
	gpointer port = NULL;

	lock_acquire(&c->lock);
	if (c->port)
		g_hash_table_steal_extended(c->port, GUINT_TO_POINTER(connection), NULL, &port);
	lock_release(&c->lock);
	if (!port)
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.9.6.f */
	port_unref(port);                                  /* T14.2.3.d: what is queued stays */
	return HV_STATUS_SUCCESS;
}

static struct port *connection_find(struct partition *p, uint32_t connection)
{
	struct connections *c = connections_of(p);
	struct port *port;

	lock_acquire(&c->lock);
	port = c->port ? g_hash_table_lookup(c->port, GUINT_TO_POINTER(connection)) : NULL;
	if (port)
		port_ref(port);
	lock_release(&c->lock);
	return port;
}

/* ---- sending ---- */

/* Locks: port->lock held. */
static bool usable(const struct port *port, enum hv_port_type type)
{
	struct partition *p = port->config.partition;

	lock_assert_held(&port->lock);
	return !port->deleted && port->config.type == type &&                          /* T14.9.7.f, T14.9.7.g */
	       !(p && partition_state(p) == PARTITION_DELETED);                        /* T14.9.7.q, T14.9.8.f */
}

/* Takes one thing to one VP. */
typedef hv_status (*port_send)(struct port *port, struct vp *vp, const void *what);

/* Locks: port->lock held.  A SINT is the end: its VP, or the first that can take it, turn about. */
static hv_status send_to_vp(struct port *port, port_send send, const void *what)
{
	struct partition *p = port->config.partition;
	uint32_t n = partition_vp_count(p);
	hv_status s = HV_STATUS_INVALID_VP_INDEX;          /* O30 */

	if (port->config.vp != HV_ANY_VP) {
		struct vp *vp = partition_vp(p, port->config.vp);

		return vp ? send(port, vp, what) : HV_STATUS_INVALID_VP_INDEX;         /* T14.9.7.m, T14.9.8.i */
	}
	for (uint32_t i = 0; i < n; i++) {                 /* T14.9.7.p, T14.9.8.m */
		s = send(port, partition_vp(p, port->next_vp++ % n), what);
		if (s != HV_STATUS_INVALID_SYNIC_STATE)
			break;
	}
	return s;
}

static hv_status send_message(struct port *port, struct vp *vp, const void *what)
{
	return synic_post(vp, port->config.sint, port->buffer, HV_PORT_BUFFERS, what);
}

static hv_status send_event(struct port *port, struct vp *vp, const void *what)
{
	return synic_signal(vp, port->config.sint, port->config.base_flag + *(const unsigned *)what);
}

static hv_status check_message(uint32_t type, size_t size)
{
	if (type == HV_MESSAGE_NONE || (type & (uint32_t)HV_MESSAGE_TYPE_HYPERVISOR))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.7.h, T14.9.7.i */
	if (size > HV_MESSAGE_PAYLOAD)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.7.k */
	return HV_STATUS_SUCCESS;
}

hv_status port_post(struct port *port, uint32_t type, const void *payload, size_t size)
{
	struct hv_message m = { .type = type, .sender = port->config.id };
	bool device = !port->config.partition;
	hv_status s;

	lock_acquire(&port->lock);
	s = usable(port, HV_PORT_MESSAGE) ? check_message(type, size) : HV_STATUS_INVALID_PORT_ID;
	if (s == HV_STATUS_SUCCESS) {
		m.payload_size = (uint8_t)size;            /* T14.9.7.b, T14.9.7.c */
		memcpy(m.payload, payload, size);
		if (!device)
			s = send_to_vp(port, send_message, &m);
	}
	lock_release(&port->lock);
	if (s == HV_STATUS_SUCCESS && device)
		s = port->config.ops->message(port->config.opaque, &m);
	if (s == HV_STATUS_SUCCESS)
		atomic_fetch_add(&port->posts, 1);         /* T14.8.7.a, T14.8.7.b */
	return s;
}

hv_status port_signal(struct port *port, unsigned flag)
{
	bool device = !port->config.partition;
	hv_status s = HV_STATUS_SUCCESS;

	lock_acquire(&port->lock);
	if (!usable(port, HV_PORT_EVENT))
		s = HV_STATUS_INVALID_PORT_ID;             /* T14.9.8.e, T14.9.8.g */
	else if (flag >= port->config.flag_count)
		s = HV_STATUS_INVALID_PARAMETER;           /* T14.9.8.h */
	else if (!device)
		s = send_to_vp(port, send_event, &flag);
	lock_release(&port->lock);
	if (s == HV_STATUS_SUCCESS && device)
		s = port->config.ops->event(port->config.opaque, flag);
	return s;
}

uint64_t port_post_count(struct port *port)
{
	return atomic_load(&port->posts);
}

/* ---- the calls ---- */

static void log_call(const struct hv_ctx *c, const char *what, uint32_t connection, uint32_t detail, hv_status s)
{
	if (log_on(LOG_SYNIC))
		log_print(LOG_SYNIC, "%s/%u: %s %#x through connection %#x: status %#x\n", partition_name(c->caller),
			  vp_index(c->vp), what, detail, connection, s);
}

static hv_status post_message(struct hv_ctx *c)
{
	const struct hv_in_post_message *in = c->in;
	struct port *port = connection_find(c->caller, in->connection_id);
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.7.e */

	if (port) {
		s = port_post(port, in->message_type, in->payload, in->payload_size);
		port_unref(port);
	}
	if (s == HV_STATUS_SUCCESS)
		vp_count(c->vp, COUNT_POSTS);
	log_call(c, "message", in->connection_id, in->message_type, s);
	return s;
}

static hv_status signal_event(struct hv_ctx *c)
{
	const struct hv_in_signal_event *in = c->in;
	struct port *port = connection_find(c->caller, in->connection_id);
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.8.d */

	if (port) {
		s = in->reserved ? HV_STATUS_INVALID_PARAMETER : port_signal(port, in->flag);   /* O36 */
		port_unref(port);
	}
	if (s == HV_STATUS_SUCCESS)
		vp_count(c->vp, COUNT_SIGNALS);
	log_call(c, "event", in->connection_id, in->flag, s);
	return s;
}

/* The privileges: T14.9.7.d, T14.9.8.c. */
static const struct hv_call port_calls[] = {
	{ HV_CALL_POST_MESSAGE, "HvPostMessage", "14.9.7", .in = sizeof(struct hv_in_post_message),
	  .privilege = HV_POST_MESSAGES, .run = post_message },
	{ HV_CALL_SIGNAL_EVENT, "HvSignalEvent", "14.9.8", .in = sizeof(struct hv_in_signal_event),
	  .privilege = HV_SIGNAL_EVENTS, .run = signal_event },
	{ .name = NULL },
};

/* ---- component ---- */

static void port_partition_init(struct partition *p, void *state)
{
	struct connections *c = state;

	lock_init(&c->lock, LOCK_PORT, "connections");
	c->port = g_hash_table_new(NULL, NULL);
}

/* The lock stays: devices of the partition may still come to disconnect. */
static void port_partition_fini(struct partition *p, void *state)
{
	struct connections *c = state;
	GHashTable *table;
	GHashTableIter i;
	gpointer port;

	lock_acquire(&c->lock);
	table = c->port;
	c->port = NULL;
	lock_release(&c->lock);
	g_hash_table_iter_init(&i, table);
	while (g_hash_table_iter_next(&i, NULL, &port))
		port_unref(port);
	g_hash_table_destroy(table);
}

const struct vp_component port_component = {
	.name = "port", .partition_size = sizeof(struct connections),
	.partition_init = port_partition_init, .partition_fini = port_partition_fini, .calls = port_calls,
};
