/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports and connections.
 *
 * Locks.  A port's lock covers its end: whoever posts holds it, so that messages arrive in
 * the order in which the posts succeeded (T14.2.3.f), and none is queued behind
 * port_delete().  A device's end is called without it.
 *
 * A monitor page is looked at by its sender's VP 0, at a deadline.  While that VP stands
 * still nobody looks; the page says so, and HvSignalEvent does it instead.
 */
#include "hw/hyperv/port.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/partition.h"
#include "hw/hyperv/synic.h"
#include "monitor.h"
#include "port-calls.h"
#include "sync/lock.h"
#include "trace/log.h"

struct port {
	struct port_config config;           /* set once */
	struct monitor *monitor;             /* of a monitor port; set once */
	_Atomic uint32_t refs;
	_Atomic bool connected;
	uint64_t connector;                  /* made by HvCreatePort, paid by a pool: who alone may connect; 0: by other means; set once */
	/* Doorbell: which writes ring, set by who connects; the next at that address; one found no place in the ring. */
	uint64_t gpa;
	struct doorbell doorbell;
	struct port *next_bell;              /* the sender's space->lock */
	_Atomic bool missed;
	_Atomic bool charged_connection;     /* made by HvConnectPort: its partition's pool pays */
	_Atomic uint32_t preferred;          /* of an any-VP port: who is asked first; HV_ANY_VP: turn about */
	_Atomic uint64_t posts;
	struct lock lock;                    /* LOCK_PORT; all that follows */
	bool deleted;
	uint32_t next_vp;
	struct synic_buffer buffer[HV_PORT_BUFFERS];   /* T14.2.1.a */
};

/* Of a partition. */
struct port_space {
	struct monitors monitors;            /* its own lock */
	struct lock lock;                    /* LOCK_PORT */
	/* NULL: the partition is gone.  Numbers, each with a reference. */
	GHashTable *port;                    /* those that end here */
	GHashTable *connection;              /* ports that it sends to */
	/* By address, those among the connections that are doorbells; NULL likewise. */
	GHashTable *bells;
	_Atomic uint32_t doorbells;          /* how many they are; read without the lock */
};

static struct port_space *space_of(struct partition *p)
{
	return partition_component_state(p, &port_component);
}

/* ---- life ---- */

/* What pools pay (T14.9.1.a, T14.9.3.a): the object, and a place among the partition's numbers. */
enum { NUMBER_BYTES = 64, CONNECTION_BYTES = NUMBER_BYTES };

static uint64_t port_bytes(enum hv_port_type type)
{
	return sizeof(struct port) + NUMBER_BYTES + (type == HV_PORT_MONITOR ? monitor_bytes() : 0);
}

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
	if (port->monitor)
		monitor_free(port->monitor);
	lock_destroy(&port->lock);
	g_free(port);
}

/* ---- doorbells by address ---- */

/* Locks: space->lock held. */
static void bell_add(struct port_space *space, struct port *port)
{
	gpointer at = &port->gpa;

	port->next_bell = g_hash_table_lookup(space->bells, at);
	g_hash_table_replace(space->bells, at, port);
	atomic_fetch_add(&space->doorbells, 1);
}

/* Locks: space->lock held. */
static void bell_remove(struct port_space *space, struct port *port)
{
	struct port *first = g_hash_table_lookup(space->bells, &port->gpa), **at = &first;

	while (*at != port)
		at = &(*at)->next_bell;
	*at = port->next_bell;
	/* Its own address may have been the key. */
	g_hash_table_remove(space->bells, &port->gpa);
	if (first)
		g_hash_table_replace(space->bells, &first->gpa, first);
	atomic_fetch_sub(&space->doorbells, 1);
}

/* ---- numbers ---- */

/* Under number @n of @table, one of @space's; NULL if there is none.  With a reference. */
static struct port *number_find(struct port_space *space, GHashTable *const *table, uint32_t n)
{
	struct port *port;

	lock_acquire(&space->lock);
	port = *table ? g_hash_table_lookup(*table, GUINT_TO_POINTER(n)) : NULL;
	if (port)
		port_ref(port);
	lock_release(&space->lock);
	return port;
}

/* @taken: what a number that is in use gives. */
static hv_status number_add(struct port_space *space, GHashTable *const *table, uint32_t n, struct port *port, hv_status taken)
{
	hv_status s = HV_STATUS_SUCCESS;

	lock_acquire(&space->lock);
	if (!*table)
		s = HV_STATUS_INVALID_PARTITION_STATE;
	else if (g_hash_table_contains(*table, GUINT_TO_POINTER(n)) && !MUTANT(port_number_taken))
		s = taken;
	else
		g_hash_table_insert(*table, GUINT_TO_POINTER(n), port_ref(port));
	if (s == HV_STATUS_SUCCESS && table == &space->connection && port->config.type == HV_PORT_DOORBELL)
		bell_add(space, port);
	lock_release(&space->lock);
	return s;
}

/* Frees the number if it is @only's (NULL: whoever's); its reference is the caller's. */
static struct port *number_remove(struct port_space *space, GHashTable *const *table, uint32_t n, const struct port *only)
{
	gpointer key = GUINT_TO_POINTER(n);
	struct port *port;

	lock_acquire(&space->lock);
	port = *table ? g_hash_table_lookup(*table, key) : NULL;
	if (port && only && port != only)
		port = NULL;
	if (port)
		g_hash_table_remove(*table, key);
	if (port && table == &space->connection && port->config.type == HV_PORT_DOORBELL)
		bell_remove(space, port);
	lock_release(&space->lock);
	return port;
}

/* ---- ports ---- */

static hv_status check_flags(const struct port_config *c)
{
	if (!c->flag_count || c->base_flag >= HV_EVENT_FLAGS ||                        /* T14.9.1.p, T14.9.1.q */
	    (c->base_flag + c->flag_count >= HV_EVENT_FLAGS && !MUTANT(port_flag_range)))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.o, O10 */
	return HV_STATUS_SUCCESS;
}

/* @doorbells: may it be one?  Only by a call. */
static hv_status check_config(const struct port_config *c, bool doorbells)
{
	if (c->type != HV_PORT_MESSAGE && c->type != HV_PORT_EVENT && c->type != HV_PORT_MONITOR &&
	    !(doorbells && c->type == HV_PORT_DOORBELL))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.n */
	if (c->id & ~HV_PORT_ID_MASK && !MUTANT(port_any_id))
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.1.j */
	if (!c->partition || c->type == HV_PORT_MONITOR)
		return HV_STATUS_SUCCESS;
	if (c->vp != HV_ANY_VP && !partition_vp(c->partition, c->vp))
		return HV_STATUS_INVALID_VP_INDEX;         /* T14.9.1.k */
	if (c->sint == 0 || c->sint >= HV_SINT_COUNT)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.l, T14.9.1.m */
	return c->type == HV_PORT_EVENT ? check_flags(c) : HV_STATUS_SUCCESS;
}

static struct port *port_alloc(const struct port_config *config)
{
	struct port *n = g_new0(struct port, 1);

	n->config = *config;
	atomic_init(&n->refs, 1);
	atomic_init(&n->preferred, HV_ANY_VP);             /* O34 */
	lock_init(&n->lock, LOCK_PORT, "port");
	if (config->partition)
		partition_ref(config->partition);
	return n;
}

hv_status port_new(const struct port_config *config, struct port **port)
{
	hv_status s = check_config(config, false);

	assert(config->type != HV_PORT_MONITOR || !config->partition);
	if (s != HV_STATUS_SUCCESS)
		return s;
	*port = port_alloc(config);
	if (config->partition)
		s = number_add(space_of(config->partition), &space_of(config->partition)->port, config->id, *port,
			       HV_STATUS_INVALID_PORT_ID);     /* T14.9.1.i, T14.8.6.a */
	if (s != HV_STATUS_SUCCESS)
		port_unref(*port);
	return s;
}

/* Nobody finds it by its number any more. */
static void port_end(struct port *port)
{
	lock_acquire(&port->lock);
	port->deleted = true;
	if (port->config.partition && !MUTANT(port_keeps_messages))
		synic_forget(port->config.partition, port->buffer, HV_PORT_BUFFERS);
	lock_release(&port->lock);
}

void port_delete(struct port *port)
{
	struct port_space *space = port->config.partition ? space_of(port->config.partition) : NULL;
	struct port *listed = space ? number_remove(space, &space->port, port->config.id, port) : NULL;

	port_end(port);
	if (listed)
		port_unref(listed);
	port_unref(port);
}

/* Key in the table of connections: number and type. */
static uint32_t connection_key(enum hv_port_type type, uint32_t connection)
{
	return (uint32_t)type << 24 | connection;
}

/* How HvConnectPort and its like ask for a connection. */
struct connecting {
	const struct hv_connection_info *info;   /* NULL: to no monitor port */
	struct doorbell doorbell;
	bool charged;                        /* the pool has paid */
	struct vp *self;                     /* monitor_connect()'s */
};

static hv_status connect_port(struct partition *p, uint32_t connection, struct port *port, const struct connecting *how)
{
	struct port_space *space = space_of(p);
	uint32_t key = connection_key(port->config.type, connection);
	hv_status s;

	if (connection & ~HV_PORT_ID_MASK && !MUTANT(connection_any_id))
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.8.8.b, T14.9.3.j */
	if (atomic_exchange(&port->connected, true) && !MUTANT(port_many_connections))
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.3.l */
	atomic_store(&port->charged_connection, how->charged);
	port->gpa = how->info ? how->info->monitor : 0;
	port->doorbell = how->doorbell;
	s = number_add(space, &space->connection, key, port, HV_STATUS_INVALID_CONNECTION_ID);   /* T14.9.3.i */
	if (s == HV_STATUS_SUCCESS && port->monitor) {
		s = monitor_connect(port->monitor, &space->monitors, how->self, how->info->monitor);
		if (s != HV_STATUS_SUCCESS && number_remove(space, &space->connection, key, port))
			port_unref(port);
	}
	if (s != HV_STATUS_SUCCESS)
		atomic_store(&port->connected, false);
	return s;
}

hv_status port_connect(struct partition *p, uint32_t connection, struct port *port)
{
	return connect_port(p, connection, port, &(struct connecting){ .info = NULL });
}

/* One to a port of @type if there is, else to whatever port: its type is the caller's to refuse. */
static struct port *connection_find(struct partition *p, uint32_t connection, enum hv_port_type type)
{
	struct port_space *space = space_of(p);
	struct port *port;

	if (connection & ~HV_PORT_ID_MASK)
		return NULL;
	port = number_find(space, &space->connection, connection_key(type, connection));
	for (unsigned t = HV_PORT_MESSAGE; !port && t <= HV_PORT_DOORBELL; t++)
		port = number_find(space, &space->connection, connection_key(t, connection));
	return port;
}

/* ---- what calls of 14.9 ask for ---- */

static hv_status check_info(const struct hv_port_info *info)
{
	if (info->reserved || (info->type == HV_PORT_EVENT ? info->event_reserved : info->other_reserved))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.1.r */
	if (info->type == HV_PORT_MONITOR && info->monitor % HV_PAGE_SIZE)
		return HV_STATUS_INVALID_ALIGNMENT;        /* T14.9.1.s */
	return HV_STATUS_SUCCESS;
}

static struct port_config port_config_of(struct partition *p, uint32_t id, const struct hv_port_info *info)
{
	return (struct port_config){ .type = info->type, .id = id, .partition = p, .vp = info->vp, .sint = info->sint,
		.base_flag = info->base_flag, .flag_count = info->flag_count };
}

/* The page first: who finds the port finds it with its page. */
static hv_status port_list(struct port *port, const struct hv_port_info *info, enum monitor_frame frame, struct vp *self)
{
	struct port_space *space = space_of(port->config.partition);
	hv_status s = HV_STATUS_SUCCESS;

	if (info->type == HV_PORT_MONITOR)
		s = monitor_new(&space->monitors, frame, &port->monitor);
	if (s != HV_STATUS_SUCCESS)
		return s;
	s = number_add(space, &space->port, port->config.id, port, HV_STATUS_INVALID_PORT_ID);   /* T14.9.1.i, T14.8.6.a */
	if (!port->monitor)
		return s;
	if (s == HV_STATUS_SUCCESS)
		monitor_show(port->monitor, self, info->monitor);
	else
		monitor_close(port->monitor, self);
	return s;
}

hv_status port_create(struct partition *p, uint32_t id, const struct hv_port_info *info)
{
	struct port_config config = port_config_of(p, id, info);
	struct port *port;
	hv_status s = check_config(&config, false);

	if (s == HV_STATUS_SUCCESS)
		s = check_info(info);
	if (s != HV_STATUS_SUCCESS)
		return s;
	port = port_alloc(&config);
	s = port_list(port, info, MONITOR_OWN, NULL);
	port_unref(port);                                  /* its number has another reference */
	return s;
}

hv_status port_create_for(struct partition *p, uint32_t id, const struct hv_port_info *info, uint64_t connector, struct vp *self)
{
	struct port_config config = port_config_of(p, id, info);
	hv_status s = check_config(&config, true);
	struct port *port;

	if (s == HV_STATUS_SUCCESS)
		s = check_info(info);
	if (s != HV_STATUS_SUCCESS)
		return s;
	if (info->type == HV_PORT_DOORBELL && !id)
		return HV_STATUS_INVALID_PORT_ID;          /* 0 is a free place of the ring */
	if (!partition_charge(p, port_bytes(info->type)))
		return HV_STATUS_INSUFFICIENT_MEMORY;      /* T14.9.1.v */
	port = port_alloc(&config);
	port->connector = connector;
	s = port_list(port, info, MONITOR_PAID, self);
	if (s != HV_STATUS_SUCCESS)
		partition_discharge(p, port_bytes(info->type));
	port_unref(port);
	return s;
}

/* @port is not listed any more, and the reference that went with its number is gone when this returns. */
static void port_unlist(struct port *port, struct vp *self)
{
	port_end(port);                                    /* T14.9.2.b */
	if (port->monitor)
		monitor_close(port->monitor, self);
	if (port->connector && !MUTANT(port_keeps_charge))
		partition_discharge(port->config.partition, port_bytes(port->config.type));   /* T14.9.2.j */
	port_unref(port);
}

hv_status port_remove(struct partition *p, uint32_t id)
{
	struct port_space *space = space_of(p);
	struct port *port = number_remove(space, &space->port, id, NULL);

	if (port)
		port_unlist(port, NULL);
	return port ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID;   /* T14.9.2.d, T14.9.2.f */
}

hv_status port_remove_made(struct partition *p, uint32_t id, struct vp *self)
{
	struct port_space *space = space_of(p);
	struct port *port = number_find(space, &space->port, id), *listed = NULL;

	if (port && port->connector)
		listed = number_remove(space, &space->port, id, port);
	if (listed)
		port_unlist(listed, self);
	if (port)
		port_unref(port);
	return listed ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID;   /* T14.9.2.d, T14.9.2.f */
}

static hv_status check_connection(const struct port *port, const struct hv_connection_info *info)
{
	bool monitor = info->type == HV_PORT_MONITOR;

	if (info->type != port->config.type && !MUTANT(connection_any_type))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.8.9.a, T14.9.3.o */
	if (info->reserved || (!monitor && info->type != HV_PORT_DOORBELL && info->monitor))
		return HV_STATUS_INVALID_PARAMETER;
	if (monitor && info->monitor % HV_PAGE_SIZE)
		return HV_STATUS_INVALID_ALIGNMENT;        /* T14.9.3.n */
	return HV_STATUS_SUCCESS;
}

hv_status port_connect_id(struct partition *p, uint32_t connection, uint32_t id, const struct hv_connection_info *info)
{
	struct port *port = number_find(space_of(p), &space_of(p)->port, id);
	struct port *other = connection_find(p, connection, info->type);
	hv_status s;

	if (other)
		port_unref(other);
	if (!port)
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.3.k, T14.9.3.m */
	s = other && !MUTANT(port_number_taken) ? HV_STATUS_INVALID_CONNECTION_ID : check_connection(port, info);   /* T14.8.8.a */
	if (s == HV_STATUS_SUCCESS)
		s = connect_port(p, connection, port, &(struct connecting){ .info = info });
	port_unref(port);
	return s;
}

hv_status port_connect_to(struct partition *p, uint32_t connection, struct partition *owner, uint32_t id,
			  const struct hv_connection_info *info, struct doorbell doorbell, struct vp *self)
{
	const struct connecting how = { .info = info, .doorbell = doorbell, .charged = true, .self = self };
	struct port *port = number_find(space_of(owner), &space_of(owner)->port, id);
	struct port *other = connection_find(p, connection, info->type);
	hv_status s = HV_STATUS_SUCCESS;

	if (other)
		port_unref(other);
	if (!port || (port->connector != partition_id(p) && !MUTANT(connection_of_any))) {
		s = HV_STATUS_INVALID_PORT_ID;             /* T14.9.3.h, T14.9.3.k, T14.9.3.m, T14.9.1.z */
	} else if (other) {
		s = HV_STATUS_INVALID_CONNECTION_ID;       /* T14.9.3.i */
	} else {
		s = check_connection(port, info);
		if (s == HV_STATUS_SUCCESS && !partition_charge(p, CONNECTION_BYTES))
			s = HV_STATUS_INSUFFICIENT_MEMORY; /* T14.9.3.r */
		else if (s == HV_STATUS_SUCCESS) {
			s = connect_port(p, connection, port, &how);
			if (s != HV_STATUS_SUCCESS)
				partition_discharge(p, CONNECTION_BYTES);
		}
	}
	if (port)
		port_unref(port);
	return s;
}

/* Gives the pool back what the connection cost, which is not in the table any more. */
static void connection_uncharge(struct partition *p, struct port *port)
{
	if (atomic_exchange(&port->charged_connection, false))
		partition_discharge(p, CONNECTION_BYTES);
}

/* It is in the table no more; its reference goes. */
static void connection_end(struct partition *p, struct port *port, struct vp *self)
{
	if (port->monitor)
		monitor_disconnect(port->monitor, self);
	connection_uncharge(p, port);
	atomic_store(&port->connected, false);
	port_unref(port);                                  /* T14.2.3.d: what is queued stays */
}

/* The connection that is found first, if it leads to @only (NULL: wherever). */
static hv_status disconnect(struct partition *p, uint32_t connection, const struct port *only, struct vp *self)
{
	struct port_space *space = space_of(p);
	struct port *port = NULL;

	for (unsigned t = HV_PORT_MESSAGE; !port && t <= HV_PORT_DOORBELL && !(connection & ~HV_PORT_ID_MASK); t++)
		port = number_remove(space, &space->connection, connection_key(t, connection), only);
	if (!port)
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.9.6.f */
	connection_end(p, port, self);
	return HV_STATUS_SUCCESS;
}

hv_status port_disconnect_made(struct partition *p, uint32_t connection, struct vp *self)
{
	struct port *port = connection_find(p, connection, HV_PORT_MESSAGE);
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.6.f */

	if (port && atomic_load(&port->charged_connection))
		s = disconnect(p, connection, port, self);
	if (port)
		port_unref(port);
	return s;
}

hv_status port_disconnect(struct partition *p, uint32_t connection, const struct port *only)
{
	return disconnect(p, connection, only, NULL);
}

hv_status port_get_property(struct partition *p, uint32_t id, uint32_t code, uint64_t *value)
{
	struct port *port = number_find(space_of(p), &space_of(p)->port, id);
	hv_status s = HV_STATUS_SUCCESS;

	if (!port)
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.4.f */
	if (code == HV_PORT_POST_COUNT)
		*value = port_post_count(port);            /* T14.9.4.a */
	else if (code == HV_PORT_PREFERRED_VP)
		*value = atomic_load(&port->preferred);    /* T14.9.4.b */
	else
		s = HV_STATUS_UNKNOWN_PROPERTY;            /* T14.9.4.g */
	port_unref(port);
	return s;
}

hv_status port_set_property(struct partition *p, uint32_t id, uint32_t code, uint64_t value)
{
	struct port *port = number_find(space_of(p), &space_of(p)->port, id);
	hv_status s = HV_STATUS_SUCCESS;

	if (!port)
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.5.f */
	if (code != HV_PORT_PREFERRED_VP)
		s = HV_STATUS_UNKNOWN_PROPERTY;            /* T14.9.5.g; the count cannot be set (O34) */
	else if (value != HV_ANY_VP && (value > UINT32_MAX || !partition_vp(p, (uint32_t)value)))
		s = HV_STATUS_INVALID_VP_INDEX;            /* O34 */
	else
		atomic_store(&port->preferred, (uint32_t)value);
	port_unref(port);
	return s;
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
	uint32_t n = partition_vp_limit(p);
	hv_status s = HV_STATUS_INVALID_VP_INDEX;          /* O30 */
	struct vp *preferred;

	if (port->config.vp != HV_ANY_VP) {
		struct vp *vp = partition_vp(p, port->config.vp);

		return vp ? send(port, vp, what) : HV_STATUS_INVALID_VP_INDEX;         /* T14.9.7.m, T14.9.8.i */
	}
	preferred = partition_vp(p, atomic_load(&port->preferred));
	if (preferred && !MUTANT(port_preference))         /* T14.8.7.c */
		s = send(port, preferred, what);
	if (s != HV_STATUS_INVALID_VP_INDEX && s != HV_STATUS_INVALID_SYNIC_STATE)
		return s;
	for (uint32_t i = 0; i < n; i++) {                 /* T14.9.7.p, T14.9.8.m */
		struct vp *vp = partition_vp(p, port->next_vp++ % n);

		if (!vp)
			continue;
		s = send(port, vp, what);
		if (s != HV_STATUS_INVALID_SYNIC_STATE || MUTANT(port_first_vp))
			break;
	}
	return s;
}

static hv_status send_message(struct port *port, struct vp *vp, const void *what)
{
	return synic_post(vp, port->config.sint, port->buffer, HV_PORT_BUFFERS - MUTANT(port_15_buffers), what);
}

static hv_status send_event(struct port *port, struct vp *vp, const void *what)
{
	return synic_signal(vp, port->config.sint, port->config.base_flag + *(const unsigned *)what, NULL);
}

static hv_status check_message(uint32_t type, size_t size)
{
	if (type == HV_MESSAGE_NONE || (type & (uint32_t)HV_MESSAGE_TYPE_HYPERVISOR && !MUTANT(post_any_type)))
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.7.h, T14.9.7.i */
	if (size > HV_MESSAGE_PAYLOAD)
		return HV_STATUS_INVALID_PARAMETER;        /* T14.9.7.k */
	return HV_STATUS_SUCCESS;
}

hv_status port_post(struct port *port, uint32_t type, const void *payload, size_t size)
{
	struct hv_message m = { .type = type, .sender = MUTANT(post_no_sender) ? 0 : port->config.id };
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
	if (s == HV_STATUS_SUCCESS || MUTANT(post_count_all))
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
	else if (flag >= port->config.flag_count && !MUTANT(signal_any_flag))
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

/* ---- monitor pages ---- */

/* Whatever comes of it (T14.5.3.b). */
static void signal_for(struct partition *p, uint32_t connection, uint16_t flag)
{
	struct vp *first = partition_next_vp(p, NULL);
	struct port *port = NULL;

	if (partition_features(p)->privileges & HV_SIGNAL_EVENTS)      /* T14.5.c */
		port = connection_find(p, connection, HV_PORT_EVENT);
	if (!port)
		return;
	if (port_signal(port, flag) == HV_STATUS_SUCCESS && first)
		vp_count_shared(first, COUNT_MONITORED);
	port_unref(port);
}

static int64_t port_next_deadline(struct vp *vp, void *state)
{
	return vp_index(vp) ? INT64_MAX : monitors_due(&space_of(vp_partition(vp))->monitors);
}

static void port_expire(struct vp *vp, void *state, int64_t now)
{
	struct monitors *m = &space_of(vp_partition(vp))->monitors;

	if (!vp_index(vp) && now >= monitors_due(m))
		monitors_look(m, now, signal_for);         /* T14.5.b */
}

/* The bit first: who does not see it has set his trigger before this last look. */
static void port_suspend(struct vp *vp, void *state)
{
	struct monitors *m = &space_of(vp_partition(vp))->monitors;

	if (vp_index(vp))
		return;
	monitors_tell(m, false);                           /* T14.8.10.e */
	monitors_look(m, INT64_MAX, signal_for);
}

static void port_resume(struct vp *vp, void *state)
{
	struct monitors *m = &space_of(vp_partition(vp))->monitors;

	if (vp_index(vp))
		return;
	monitors_tell(m, true);
	monitors_wake(m);
	vp_deadline_changed(vp);
}

/* ---- doorbells, of later revisions ---- */

static hv_status send_ring(struct port *port, struct vp *vp, const void *what)
{
	const unsigned sint = port->config.sint;
	struct hv_message m = { .type = (uint32_t)HV_MESSAGE_EVENT_RING_SIGNALED, .payload_size = 4, .payload = { sint } };

	switch (synic_ring(vp, sint, port->config.id)) {
	case RING_OFF:
		return HV_STATUS_INVALID_SYNIC_STATE;
	case RING_FULL:
		atomic_store(&port->missed, true);
		break;
	case RING_TELL:
		synic_post(vp, 0, port->buffer, 1, &m);    /* the last one may still wait: it says the same */
		break;
	default:
		break;
	}
	return HV_STATUS_SUCCESS;
}

static void ring(struct port *port)
{
	lock_acquire(&port->lock);
	if (usable(port, HV_PORT_DOORBELL))
		send_to_vp(port, send_ring, NULL);
	lock_release(&port->lock);
}

/* Those of @p at this moment, each with a reference that goes with the array. */
static GPtrArray *ports_of(struct partition *p)
{
	GPtrArray *ports = g_ptr_array_new_with_free_func((GDestroyNotify)port_unref);
	struct port_space *space = space_of(p);
	GHashTableIter i;
	gpointer port;

	lock_acquire(&space->lock);
	if (space->port) {
		g_hash_table_iter_init(&i, space->port);
		while (g_hash_table_iter_next(&i, NULL, &port))
			g_ptr_array_add(ports, port_ref(port));
	}
	lock_release(&space->lock);
	return ports;
}

/* Missed before the guest sees that its ring is full: who asks finds it. */
void port_ring_again(struct partition *p, unsigned sint)
{
	GPtrArray *ports = ports_of(p);

	for (guint n = 0; n < ports->len; n++) {
		struct port *port = g_ptr_array_index(ports, n);

		if (port->config.type != HV_PORT_DOORBELL || port->config.sint != sint)
			continue;
		/* Who found no place holds the lock until that is noted. */
		lock_acquire(&port->lock);
		if (usable(port, HV_PORT_DOORBELL) && atomic_exchange(&port->missed, false))
			send_to_vp(port, send_ring, NULL);
		lock_release(&port->lock);
	}
	g_ptr_array_free(ports, TRUE);
}

static bool rings(const struct port *port, unsigned size, uint64_t value)
{
	unsigned want = port->doorbell.flags & HV_DOORBELL_SIZE;

	return (!want || size == 1u << (want - 1)) && (port->doorbell.flags & HV_DOORBELL_ANY_VALUE || port->doorbell.value == value);
}

/* Locks: space->lock held.  The first of those at @gpa; NULL: there is none. */
static struct port *bells_at(const struct port_space *space, uint64_t gpa)
{
	return space->bells ? g_hash_table_lookup(space->bells, &gpa) : NULL;
}

/* A write of another value or size is its parent's after all; reads are. */
static bool port_mmio_has(struct vp *vp, void *state, gpa_t gpa, enum x86_access a)
{
	struct port_space *space = space_of(vp_partition(vp));
	bool has;

	if (a != X86_WRITE || !atomic_load(&space->doorbells) || MUTANT(doorbell_no_probe))
		return false;
	lock_acquire(&space->lock);
	has = bells_at(space, gpa.v);
	lock_release(&space->lock);
	return has;
}

/* A matching write is swallowed, even if nobody hears it. */
static bool port_mmio_write(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t value)
{
	struct port_space *space = space_of(vp_partition(vp));
	struct port *found;

	if (!atomic_load(&space->doorbells))
		return false;
	lock_acquire(&space->lock);
	found = bells_at(space, gpa.v);
	while (found && !rings(found, size, value))
		found = found->next_bell;
	if (found)
		port_ref(found);
	lock_release(&space->lock);
	if (!found)
		return false;
	ring(found);
	port_unref(found);
	return true;
}

/* ---- by connection ---- */

hv_status port_post_by(struct partition *p, uint32_t connection, uint32_t type, const void *payload, size_t size)
{
	struct port *port = connection_find(p, connection, HV_PORT_MESSAGE);
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.7.e */

	if (port) {
		s = port_post(port, type, payload, size);
		port_unref(port);
	}
	return s;
}

hv_status port_signal_by(struct partition *p, uint32_t connection, unsigned flag)
{
	struct port *port = connection_find(p, connection, HV_PORT_EVENT);
	struct monitors *m = &space_of(p)->monitors;
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.8.d */

	if (!atomic_load(&m->looking) && monitors_due(m) != INT64_MAX)
		monitors_look(m, INT64_MAX, signal_for);   /* T14.8.10.e */
	if (port) {
		s = port_signal(port, flag);
		port_unref(port);
	}
	return s;
}

/* ---- component ---- */

/* The VP is not listed any more: who still sends to it has found it before, and is through when this returns. */
static void port_vp_fini(struct vp *vp, void *state)
{
	GPtrArray *ports = ports_of(vp_partition(vp));

	port_suspend(vp, state);
	for (guint n = 0; n < ports->len; n++) {
		struct port *port = g_ptr_array_index(ports, n);

		lock_acquire(&port->lock);
		lock_release(&port->lock);
	}
	g_ptr_array_free(ports, TRUE);
}

static void port_partition_init(struct partition *p, void *state)
{
	struct port_space *space = state;

	lock_init(&space->lock, LOCK_PORT, "ports of a partition");
	space->port = g_hash_table_new(NULL, NULL);
	space->connection = g_hash_table_new(NULL, NULL);
	space->bells = g_hash_table_new(g_int64_hash, g_int64_equal);
	monitors_init(&space->monitors, p);
}

static void port_partition_look(struct partition *p, void *state, struct partition_look *look)
{
	struct port_space *space = state;

	(void)p;
	lock_acquire(&space->lock);
	look->ports = space->port ? g_hash_table_size(space->port) : 0;
	look->connections = space->connection ? g_hash_table_size(space->connection) : 0;
	lock_release(&space->lock);
	look->monitors = monitors_sent(&space->monitors);
}

static gboolean made_port(gpointer key, gpointer port, gpointer gone)
{
	bool made = ((struct port *)port)->connector;

	if (made)
		g_ptr_array_add(gone, port);
	return made;
}

static gboolean made_connection(gpointer key, gpointer port, gpointer gone)
{
	bool made = atomic_load(&((struct port *)port)->charged_connection);

	if (made)
		g_ptr_array_add(gone, port);
	return made;
}

/* What the partition made by calls of its own goes. */
static void forget_made(struct partition *p, struct port_space *space)
{
	GPtrArray *ports = g_ptr_array_new(), *connections = g_ptr_array_new();

	lock_acquire(&space->lock);
	g_hash_table_foreach_remove(space->port, made_port, ports);
	g_hash_table_foreach_remove(space->connection, made_connection, connections);
	/* Doorbells are made by calls alone. */
	g_hash_table_remove_all(space->bells);
	atomic_store(&space->doorbells, 0);
	lock_release(&space->lock);
	for (guint i = 0; i < connections->len; i++)
		connection_end(p, g_ptr_array_index(connections, i), NULL);
	for (guint i = 0; i < ports->len; i++)
		port_unlist(g_ptr_array_index(ports, i), NULL);
	g_ptr_array_free(ports, TRUE);
	g_ptr_array_free(connections, TRUE);
}

/* Devices' ports and connections are their makers'; what a guest has written to its pages goes. */
static void port_partition_reset(struct partition *p, void *state)
{
	struct port_space *space = state;
	GPtrArray *ports;

	forget_made(p, space);
	ports = ports_of(p);
	for (guint n = 0; n < ports->len; n++) {
		struct port *port = g_ptr_array_index(ports, n);

		if (port->monitor)
			monitor_clear(port->monitor);
	}
	g_ptr_array_free(ports, TRUE);
	monitors_tell(&space->monitors, atomic_load(&space->monitors.looking));
}

/* The lock stays: devices of the partition may still come to disconnect. */
static void port_partition_fini(struct partition *p, void *state)
{
	struct port_space *space = state;
	GHashTable *port, *connection;
	GHashTableIter i;
	gpointer one;

	lock_acquire(&space->lock);
	port = g_steal_pointer(&space->port);
	connection = g_steal_pointer(&space->connection);
	g_clear_pointer(&space->bells, g_hash_table_destroy);
	atomic_store(&space->doorbells, 0);
	lock_release(&space->lock);
	/* Numbers are free: who made a port may let somebody connect again. */
	g_hash_table_iter_init(&i, connection);
	while (g_hash_table_iter_next(&i, NULL, &one))
		connection_end(p, one, NULL);
	g_hash_table_iter_init(&i, port);
	while (g_hash_table_iter_next(&i, NULL, &one))
		port_unlist(one, NULL);
	g_hash_table_destroy(connection);
	g_hash_table_destroy(port);
	monitors_end(&space->monitors);
}

const struct vp_component port_component = {
	.name = "port", .partition_size = sizeof(struct port_space),
	.partition_look = port_partition_look, .partition_init = port_partition_init, .partition_reset = port_partition_reset,
	.partition_fini = port_partition_fini,
	.fini = port_vp_fini, .mmio_write = port_mmio_write, .mmio_has = port_mmio_has,
	.next_deadline = port_next_deadline, .expire = port_expire, .suspend = port_suspend, .resume = port_resume,
	.calls = port_calls,
};
