/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ports and connections.  Who looks at monitor pages, and when.
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
#include "sync/futex.h"
#include "sync/lock.h"
#include "trace/log.h"

struct port {
	struct port_config config;           /* set once */
	struct monitor *monitor;             /* of a monitor port; set once, goes with it */
	_Atomic uint32_t refs;
	_Atomic bool connected;
	uint64_t connector;                  /* made by HvCreatePort: who alone may connect; 0: by other means; set once */
	/* Doorbell: which writes ring, set by who connects; one found no place in the ring. */
	uint64_t gpa;
	struct doorbell doorbell;
	_Atomic bool missed;
	_Atomic bool charged_connection;     /* made by HvConnectPort: its partition's pool pays */
	_Atomic uint32_t preferred;          /* of an any-VP port: who is asked first; HV_ANY_VP: turn about */
	_Atomic uint64_t posts;
	struct lock lock;                    /* LOCK_PORT; all that follows */
	bool deleted;
	uint32_t next_vp;
	struct synic_buffer buffer[HV_PORT_BUFFERS];   /* T14.2.1.a */
};

/* Monitor ports of one partition: each page costs time whenever it is looked at (T14.9.1.w). */
enum { MONITORS_MAX = 64 };

/* Of a partition. */
struct port_space {
	struct lock lock;                    /* LOCK_PORT */
	/* NULL: the partition is gone.  Numbers, each with a reference. */
	GHashTable *port;                    /* those that end here */
	GHashTable *connection;              /* ports that it sends to */
	_Atomic uint32_t doorbells;          /* among the connections; read without the lock */
	GPtrArray *monitors;                 /* struct monitor: those whose sender it is */
	GPtrArray *spare;                    /* pages of monitor ports that are gone */
	unsigned pages;                      /* of monitor ports that are there */
	_Atomic bool looking;                /* VP 0 runs */
	_Atomic int64_t look_at;             /* INT64_MAX: there is nothing; read without the lock */
};

static const struct vp_component *const self = &port_component;

static struct port_space *space_of(struct partition *p)
{
	return partition_component_state(p, self);
}

/* ---- life ---- */

/* What pools pay (T14.9.1.a, T14.9.3.a): the object, and a place among the partition's numbers. */
enum { NUMBER_BYTES = 64, PORT_BYTES = sizeof(struct port) + NUMBER_BYTES, CONNECTION_BYTES = NUMBER_BYTES };

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

/* @charged: the pool of @p has paid. */
static hv_status connect_port(struct partition *p, uint32_t connection, struct port *port, bool charged, uint64_t gpa,
			      struct doorbell doorbell)
{
	struct port_space *space = space_of(p);
	hv_status s;

	if (connection & ~HV_PORT_ID_MASK && !MUTANT(connection_any_id))
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.8.8.b, T14.9.3.j */
	if (atomic_exchange(&port->connected, true) && !MUTANT(port_many_connections))
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.3.l */
	atomic_store(&port->charged_connection, charged);
	port->gpa = gpa;
	port->doorbell = doorbell;
	s = number_add(space, &space->connection, connection_key(port->config.type, connection), port,
		       HV_STATUS_INVALID_CONNECTION_ID);   /* T14.9.3.i */
	if (s != HV_STATUS_SUCCESS)
		atomic_store(&port->connected, false);
	else if (port->config.type == HV_PORT_DOORBELL)
		atomic_fetch_add(&space->doorbells, 1);
	return s;
}

hv_status port_connect(struct partition *p, uint32_t connection, struct port *port)
{
	return connect_port(p, connection, port, false, 0, (struct doorbell){ 0, 0 });
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

static void monitor_count(struct port_space *space, int by)
{
	lock_acquire(&space->lock);
	space->pages += by;
	lock_release(&space->lock);
}

/* A page for a monitor port of @p, one that is left over if there is; NULL: too many. */
static struct monitor *monitor_take_page(struct partition *p)
{
	struct port_space *space = space_of(p);
	struct monitor *m = NULL;
	bool may;

	lock_acquire(&space->lock);
	may = space->spare && space->pages < MONITORS_MAX;
	if (may && space->spare->len)
		m = g_ptr_array_steal_index_fast(space->spare, space->spare->len - 1);
	space->pages += may;
	lock_release(&space->lock);
	if (may && !m)
		m = monitor_new(p);
	if (may && !m)
		monitor_count(space, -1);
	return m;
}

static void monitor_give_back(struct port_space *space, struct monitor *m)
{
	bool kept;

	monitor_place_receiver(m, NULL, MONITOR_NOWHERE);
	monitor_place_sender(m, NULL, MONITOR_NOWHERE);
	monitor_clear(m);
	lock_acquire(&space->lock);
	kept = space->spare;
	if (kept)
		g_ptr_array_add(space->spare, m);
	lock_release(&space->lock);
	if (!kept)
		monitor_free(m);
	monitor_count(space, -1);
}

static hv_status monitor_create(struct partition *p, uint32_t id, const struct port_config *config, uint64_t gpa)
{
	struct port_space *space = space_of(p);
	struct port *port = port_alloc(config);
	hv_status s = HV_STATUS_NO_RESOURCES;              /* T14.9.1.w */

	port->monitor = monitor_take_page(p);
	if (port->monitor) {
		s = number_add(space, &space->port, id, port, HV_STATUS_INVALID_PORT_ID);
		if (s == HV_STATUS_SUCCESS)
			monitor_place_receiver(port->monitor, NULL, gpa);
		else
			monitor_give_back(space, port->monitor);
	}
	port_unref(port);
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
	if (info->type == HV_PORT_MONITOR)
		return monitor_create(p, id, &config, info->monitor);
	s = port_new(&config, &port);
	if (s == HV_STATUS_SUCCESS)
		port_unref(port);                          /* its number has another reference */
	return s;
}

hv_status port_create_for(struct partition *p, uint32_t id, const struct hv_port_info *info, uint64_t connector)
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
	if (info->type == HV_PORT_MONITOR)
		return HV_STATUS_NO_RESOURCES;             /* T14.9.1.w: one page for two partitions */
	if (!partition_charge(p, PORT_BYTES))
		return HV_STATUS_INSUFFICIENT_MEMORY;      /* T14.9.1.v */
	port = port_alloc(&config);
	port->connector = connector;
	s = number_add(space_of(p), &space_of(p)->port, id, port, HV_STATUS_INVALID_PORT_ID);
	if (s != HV_STATUS_SUCCESS)
		partition_discharge(p, PORT_BYTES);
	port_unref(port);
	return s;
}

/* Nobody looks at its page any more. */
static void monitor_disconnect(struct port_space *space, struct port *port)
{
	lock_acquire(&space->lock);
	if (space->monitors)
		g_ptr_array_remove_fast(space->monitors, port->monitor);
	lock_release(&space->lock);
}

hv_status port_remove(struct partition *p, uint32_t id)
{
	struct port_space *space = space_of(p);
	struct port *port = number_remove(space, &space->port, id, NULL);

	if (!port)
		return HV_STATUS_INVALID_PORT_ID;          /* T14.9.2.d, T14.9.2.f */
	port_end(port);
	if (port->monitor) {
		monitor_disconnect(space, port);
		monitor_give_back(space, port->monitor);
	}
	port_unref(port);
	return HV_STATUS_SUCCESS;
}

hv_status port_remove_made(struct partition *p, uint32_t id)
{
	struct port_space *space = space_of(p);
	struct port *port = number_find(space, &space->port, id), *listed = NULL;

	if (port && port->connector)
		listed = number_remove(space, &space->port, id, port);
	if (listed) {
		port_end(port);                            /* T14.9.2.b */
		if (!MUTANT(port_keeps_charge))
			partition_discharge(p, PORT_BYTES);    /* T14.9.2.j */
		port_unref(listed);
	}
	if (port)
		port_unref(port);
	return listed ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID;   /* T14.9.2.d, T14.9.2.f */
}

static void monitor_connect(struct partition *p, struct port *port, uint64_t gpa)
{
	struct port_space *space = space_of(p);

	monitor_place_sender(port->monitor, NULL, gpa);
	lock_acquire(&space->lock);
	if (space->monitors) {
		monitor_tell(port->monitor, atomic_load(&space->looking));
		g_ptr_array_add(space->monitors, port->monitor);
		atomic_store(&space->look_at, 0);
	}
	lock_release(&space->lock);
	vp_deadline_changed(partition_vp(p, 0));
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
		s = port_connect(p, connection, port);
	if (s == HV_STATUS_SUCCESS && port->monitor)
		monitor_connect(p, port, info->monitor);
	port_unref(port);
	return s;
}

hv_status port_connect_to(struct partition *p, uint32_t connection, struct partition *owner, uint32_t id,
			  const struct hv_connection_info *info, struct doorbell doorbell)
{
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
			s = connect_port(p, connection, port, true, info->monitor, doorbell);
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

hv_status port_disconnect_made(struct partition *p, uint32_t connection)
{
	struct port *port = connection_find(p, connection, HV_PORT_MESSAGE);
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.6.f */

	if (port && atomic_load(&port->charged_connection))
		s = port_disconnect(p, connection, port);
	if (port)
		port_unref(port);
	return s;
}

hv_status port_disconnect(struct partition *p, uint32_t connection, const struct port *only)
{
	struct port_space *space = space_of(p);
	struct port *port = NULL;
	bool placed = false;

	for (unsigned t = HV_PORT_MESSAGE; !port && t <= HV_PORT_DOORBELL && !(connection & ~HV_PORT_ID_MASK); t++)
		port = number_remove(space, &space->connection, connection_key(t, connection), only);
	if (!port)
		return HV_STATUS_INVALID_CONNECTION_ID;    /* T14.9.6.f */
	if (port->monitor) {
		lock_acquire(&port->lock);
		placed = !port->deleted;                   /* else the page is somebody else's already */
		lock_release(&port->lock);
	}
	if (placed) {
		monitor_disconnect(space, port);
		monitor_place_sender(port->monitor, NULL, MONITOR_NOWHERE);
	}
	if (port->config.type == HV_PORT_DOORBELL)
		atomic_fetch_sub(&space->doorbells, 1);
	connection_uncharge(p, port);
	atomic_store(&port->connected, false);
	port_unref(port);                                  /* T14.2.3.d: what is queued stays */
	return HV_STATUS_SUCCESS;
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
	return synic_signal(vp, port->config.sint, port->config.base_flag + *(const unsigned *)what);
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

/* On behalf of @p; whatever comes of it (T14.5.3.b). */
static void signal_for(struct partition *p, const struct monitor_signal *what)
{
	struct port *port = NULL;

	if (partition_features(p)->privileges & HV_SIGNAL_EVENTS)      /* T14.5.c */
		port = connection_find(p, what->connection, HV_PORT_EVENT);
	if (!port)
		return;
	if (port_signal(port, what->flag) == HV_STATUS_SUCCESS)
		vp_count_shared(partition_vp(p, 0), COUNT_MONITORED);
	port_unref(port);
}

/* What is pending in page @n of those that are due at @now; false: there is no such page. */
static bool look_at_one(struct partition *p, unsigned n, int64_t now)
{
	struct port_space *space = space_of(p);
	struct monitor_signal signal[MONITOR_SIGNALS];
	unsigned count = 0;
	bool there;

	lock_acquire(&space->lock);
	there = space->monitors && n < space->monitors->len;
	if (there) {
		struct monitor *m = g_ptr_array_index(space->monitors, n);

		count = monitor_take(m, now, signal);
		atomic_store(&space->look_at, MIN(atomic_load(&space->look_at), monitor_due(m)));
	}
	lock_release(&space->lock);
	for (unsigned i = 0; i < count; i++)
		signal_for(p, &signal[i]);
	return there;
}

/* @now: INT64_MAX for all that is pending. */
static void look(struct partition *p, int64_t now)
{
	if (MUTANT(monitor_blind))
		return;
	atomic_store(&space_of(p)->look_at, INT64_MAX);
	for (unsigned n = 0; look_at_one(p, n, now);)
		n++;
}

static void tell_all(struct port_space *space, bool looking)
{
	lock_acquire(&space->lock);
	atomic_store(&space->looking, looking);
	for (guint i = 0; space->monitors && i < space->monitors->len; i++)
		monitor_tell(g_ptr_array_index(space->monitors, i), looking || MUTANT(monitor_silent));
	lock_release(&space->lock);
}

static int64_t port_next_deadline(struct vp *vp, void *state)
{
	return vp_index(vp) ? INT64_MAX : atomic_load(&space_of(vp_partition(vp))->look_at);
}

static void port_expire(struct vp *vp, void *state, int64_t now)
{
	struct partition *p = vp_partition(vp);

	if (!vp_index(vp) && now >= atomic_load(&space_of(p)->look_at))
		look(p, now);                              /* T14.5.b */
}

/* The bit first: who does not see it has set his trigger before this last look. */
static void port_suspend(struct vp *vp, void *state)
{
	if (vp_index(vp))
		return;
	tell_all(space_of(vp_partition(vp)), false);       /* T14.8.10.e */
	look(vp_partition(vp), INT64_MAX);
}

static void port_resume(struct vp *vp, void *state)
{
	struct port_space *space = space_of(vp_partition(vp));

	if (vp_index(vp))
		return;
	tell_all(space, true);
	lock_acquire(&space->lock);
	if (space->monitors && space->monitors->len)
		atomic_store(&space->look_at, 0);
	lock_release(&space->lock);
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

static bool rings(const struct port *port, uint64_t gpa, unsigned size, uint64_t value)
{
	unsigned want = port->doorbell.flags & HV_DOORBELL_SIZE;

	return port->config.type == HV_PORT_DOORBELL && port->gpa == gpa && (!want || size == 1u << (want - 1)) &&
	       (port->doorbell.flags & HV_DOORBELL_ANY_VALUE || port->doorbell.value == value);
}

/* A matching write is swallowed, even if nobody hears it. */
static bool port_mmio_write(struct vp *vp, void *state, gpa_t gpa, unsigned size, uint64_t value)
{
	struct port_space *space = space_of(vp_partition(vp));
	struct port *found = NULL;
	GHashTableIter i;
	gpointer port;

	if (!atomic_load(&space->doorbells))
		return false;
	lock_acquire(&space->lock);
	if (space->connection) {
		g_hash_table_iter_init(&i, space->connection);
		while (!found && g_hash_table_iter_next(&i, NULL, &port))
			if (rings(port, gpa.v, size, value))
				found = port_ref(port);
	}
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
	hv_status s = HV_STATUS_INVALID_CONNECTION_ID;     /* T14.9.8.d */

	if (!atomic_load(&space_of(p)->looking) && atomic_load(&space_of(p)->look_at) != INT64_MAX)
		look(p, INT64_MAX);                        /* T14.8.10.e */
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
	space->monitors = g_ptr_array_new();
	space->spare = g_ptr_array_new();
	atomic_init(&space->look_at, INT64_MAX);
}

static void port_partition_look(struct partition *p, void *state, struct partition_look *look)
{
	struct port_space *space = state;

	(void)p;
	lock_acquire(&space->lock);
	look->ports = space->port ? g_hash_table_size(space->port) : 0;
	look->connections = space->connection ? g_hash_table_size(space->connection) : 0;
	lock_release(&space->lock);
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
	bool made = atomic_exchange(&((struct port *)port)->charged_connection, false);

	if (made) {
		atomic_store(&((struct port *)port)->connected, false);
		g_ptr_array_add(gone, port);
	}
	return made;
}

/* What the partition made by calls of its own goes; its pool is empty already. */
static void forget_made(struct port_space *space)
{
	GPtrArray *ports = g_ptr_array_new(), *connections = g_ptr_array_new();

	lock_acquire(&space->lock);
	g_hash_table_foreach_remove(space->port, made_port, ports);
	g_hash_table_foreach_remove(space->connection, made_connection, connections);
	atomic_store(&space->doorbells, 0);
	lock_release(&space->lock);
	for (guint i = 0; i < ports->len; i++) {
		port_end(g_ptr_array_index(ports, i));
		port_unref(g_ptr_array_index(ports, i));
	}
	for (guint i = 0; i < connections->len; i++)
		port_unref(g_ptr_array_index(connections, i));
	g_ptr_array_free(ports, TRUE);
	g_ptr_array_free(connections, TRUE);
}

/* Devices' ports and connections are their makers'; what a guest has written to its pages goes. */
static void port_partition_reset(struct partition *p, void *state)
{
	struct port_space *space = state;
	GHashTableIter i;
	gpointer port;

	forget_made(space);
	lock_acquire(&space->lock);
	g_hash_table_iter_init(&i, space->port);
	while (g_hash_table_iter_next(&i, NULL, &port))
		if (((struct port *)port)->monitor)
			monitor_clear(((struct port *)port)->monitor);
	lock_release(&space->lock);
	tell_all(space, atomic_load(&space->looking));
}

static void end_all(GHashTable *table, void (*end)(struct port *port))
{
	GHashTableIter i;
	gpointer port;

	g_hash_table_iter_init(&i, table);
	while (g_hash_table_iter_next(&i, NULL, &port)) {
		end(port);
		port_unref(port);
	}
	g_hash_table_destroy(table);
}

static void end_listed(struct port *port)
{
	port_end(port);
	if (port->monitor)
		monitor_free(port->monitor);
}

/* The connection's number is free; who made the port may let somebody connect again. */
static void end_connection(struct port *port)
{
	atomic_store(&port->charged_connection, false);
	atomic_store(&port->connected, false);
}

/*
 * The lock stays: devices of the partition may still come to disconnect.  Pools are emptied behind this, so
 * nobody gives back what things cost.
 */
static void port_partition_fini(struct partition *p, void *state)
{
	struct port_space *space = state;
	GHashTable *port, *connection;
	GPtrArray *spare, *monitors;

	lock_acquire(&space->lock);
	port = g_steal_pointer(&space->port);
	connection = g_steal_pointer(&space->connection);
	spare = g_steal_pointer(&space->spare);
	monitors = g_steal_pointer(&space->monitors);
	lock_release(&space->lock);
	end_all(connection, end_connection);
	end_all(port, end_listed);
	for (guint i = 0; i < spare->len; i++)
		monitor_free(g_ptr_array_index(spare, i));
	g_ptr_array_free(spare, TRUE);
	g_ptr_array_free(monitors, TRUE);
}

const struct vp_component port_component = {
	.name = "port", .partition_size = sizeof(struct port_space),
	.partition_look = port_partition_look, .partition_init = port_partition_init, .partition_reset = port_partition_reset, .partition_fini = port_partition_fini,
	.fini = port_vp_fini, .mmio_write = port_mmio_write,
	.next_deadline = port_next_deadline, .expire = port_expire, .suspend = port_suspend, .resume = port_resume,
	.calls = port_calls,
};
