/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The calls of 14.9.  The dispatcher has found the partition that a call acts on, and no other call acts
 * on it meanwhile.  A second one, named by the input, is only looked at: it may end at any time, and what
 * comes of that is what would come of its end a moment later.
 */
#include <inttypes.h>

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "hv/partition.h"
#include "hw/hyperv/port.h"
#include "hw/hyperv/synic.h"
#include "port-calls.h"
#include "trace/log.h"

static bool has(const struct hv_ctx *c, uint64_t privilege)
{
	return partition_features(c->caller)->privileges & privilege;
}

/* A parent needs no privilege; who acts on itself does. */
static bool may(const struct hv_ctx *c, uint64_t privilege)
{
	return c->target != c->caller || has(c, privilege);
}

/* One made the other, or both have one maker. */
static bool related(const struct partition *a, const struct partition *b)
{
	return partition_parent_id(a) == partition_id(b) || partition_parent_id(b) == partition_id(a) ||
	       (partition_parent_id(a) && partition_parent_id(a) == partition_parent_id(b));
}

/*
 * The partition at the other end, with a reference.  What the target has nothing to do with is not there for
 * its caller, whatever it is and in whatever state.
 */
static hv_status other_end(const struct hv_ctx *c, uint64_t id, struct partition **other)
{
	struct partition *p = partition_by_id(c->caller, id == HV_PARTITION_ID_SELF ? partition_id(c->caller) : id);
	hv_status s = HV_STATUS_INVALID_PARTITION_ID;      /* T14.9.1.g, T14.9.1.h, T14.9.3.g */

	if (p && p != c->target && related(p, c->target))
		s = partition_is_active(p) ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PARTITION_STATE;   /* T14.9.1.u, T14.9.3.p */
	if (s == HV_STATUS_SUCCESS)
		*other = p;
	else if (p)
		partition_unref(p);
	return s;
}

/* What was made or ended, of the target. */
static hv_status log_made(const struct hv_ctx *c, const char *what, uint32_t id, hv_status s)
{
	if (log_on(LOG_PORT))
		log_print(LOG_PORT, "%s/%u: %s %#x of partition %" PRIu64 ": status %#x\n", partition_name(c->caller), vp_index(c->vp), what, id,
			  partition_id(c->target), s);
	return s;
}

static const char *type_name(uint32_t type)
{
	static const char *const names[] = { [HV_PORT_MESSAGE] = "message", [HV_PORT_EVENT] = "event", [HV_PORT_MONITOR] = "monitor",
					     [HV_PORT_DOORBELL] = "doorbell" };

	return type < G_N_ELEMENTS(names) && names[type] ? names[type] : "unknown";
}

/* A monitor page is another partition's memory as well. */
static void share_page(const struct hv_ctx *c, uint32_t type)
{
	if (type == HV_PORT_MONITOR)
		vp_not_alone(c->vp);
}

static hv_status create(struct hv_ctx *c)
{
	const struct hv_in_create_port *in = c->in;
	struct partition *connector;
	hv_status s;

	if (!may(c, HV_CREATE_PORT))
		return HV_STATUS_ACCESS_DENIED;            /* T14.9.1.d */
	s = other_end(c, in->connection_partition, &connector);
	if (s != HV_STATUS_SUCCESS)
		return s;
	share_page(c, in->info.type);
	s = port_create_for(c->target, in->port_id, &in->info, partition_id(connector), c->vp);
	if (log_on(LOG_PORT))
		log_print(LOG_PORT, "%s/%u: %s port %#x of partition %" PRIu64 " for %" PRIu64 ": status %#x\n", partition_name(c->caller),
			  vp_index(c->vp), type_name(in->info.type), in->port_id, partition_id(c->target), partition_id(connector), s);
	partition_unref(connector);
	return s;
}

static hv_status create_port(struct hv_ctx *c)
{
	const struct hv_in_create_port *in = c->in;

	return in->info.type == HV_PORT_DOORBELL ? HV_STATUS_INVALID_PARAMETER : create(c);   /* T14.9.1.n */
}

/* Of no level of trust but the lowest. */
static hv_status create_port_today(struct hv_ctx *c)
{
	const struct hv_in_create_port *in = c->in;

	return in->vtl & 0xffff ? HV_STATUS_INVALID_PARAMETER : create(c);
}

static hv_status delete_port(struct hv_ctx *c)
{
	const struct hv_in_port *in = c->in;

	if (!may(c, HV_CREATE_PORT))
		return HV_STATUS_ACCESS_DENIED;            /* T14.9.2.g */
	return log_made(c, "deletes port", in->id, port_remove_made(c->target, in->id, c->vp));
}

static hv_status connect_port_with(struct hv_ctx *c, struct doorbell doorbell)
{
	const struct hv_in_connect_port *in = c->in;
	struct partition *owner;
	hv_status s;

	if (!may(c, HV_CONNECT_PORT))
		return HV_STATUS_ACCESS_DENIED;            /* T14.9.3.d */
	s = other_end(c, in->port_partition, &owner);
	if (s != HV_STATUS_SUCCESS)
		return s;
	share_page(c, in->info.type);
	s = port_connect_to(c->target, in->connection_id, owner, in->port_id, &in->info, doorbell, c->vp);
	if (log_on(LOG_PORT))
		log_print(LOG_PORT, "%s/%u: %s connection %#x of partition %" PRIu64 " to port %#x of %" PRIu64 ": status %#x\n",
			  partition_name(c->caller), vp_index(c->vp), type_name(in->info.type), in->connection_id, partition_id(c->target), in->port_id,
			  partition_id(owner), s);
	partition_unref(owner);
	return s;
}

static hv_status connect_port(struct hv_ctx *c)
{
	const struct hv_in_connect_port *in = c->in;

	return in->info.type == HV_PORT_DOORBELL ? HV_STATUS_INVALID_PARAMETER : connect_port_with(c, (struct doorbell){ 0, 0 });
}

static hv_status connect_port_today(struct hv_ctx *c)
{
	const struct hv_in_connect_port *in = c->in;

	return in->vtl & 0xff ? HV_STATUS_INVALID_PARAMETER :
	       connect_port_with(c, (struct doorbell){ in->doorbell[0], in->doorbell[1] });
}

static hv_status disconnect_port(struct hv_ctx *c)
{
	const struct hv_in_port *in = c->in;

	if (!may(c, HV_CONNECT_PORT))
		return HV_STATUS_ACCESS_DENIED;            /* T14.9.6.d */
	return log_made(c, "ends connection", in->id, port_disconnect_made(c->target, in->id, c->vp));
}

static hv_status get_port_property(struct hv_ctx *c)
{
	const struct hv_in_port_property *in = c->in;
	struct hv_port_property_value *out = c->out;

	return port_get_property(c->target, in->port_id, in->code, &out->value);
}

static hv_status set_port_property(struct hv_ctx *c)
{
	const struct hv_in_set_port_property *in = c->in;
	struct hv_port_property_value *out = c->out;
	hv_status s = port_set_property(c->target, in->port.port_id, in->port.code, in->value);

	return s == HV_STATUS_SUCCESS ? port_get_property(c->target, in->port.port_id, in->port.code, &out->value) : s;   /* T14.9.5.b */
}

static hv_status notify_port_ring_empty(struct hv_ctx *c)
{
	const struct hv_in_notify_port_ring_empty *in = c->in;

	if (in->sint >= HV_SINT_COUNT)
		return HV_STATUS_INVALID_PARAMETER;
	port_ring_again(c->caller, in->sint);
	return HV_STATUS_SUCCESS;
}

static void log_call(const struct hv_ctx *c, const char *what, uint32_t connection, uint32_t detail, hv_status s)
{
	if (log_on(LOG_SYNIC))
		log_print(LOG_SYNIC, "%s/%u: %s %#x through connection %#x: status %#x\n", partition_name(c->caller),
			  vp_index(c->vp), what, detail, connection, s);
}

static hv_status post_message(struct hv_ctx *c)
{
	const struct hv_in_post_message *in = c->in;
	hv_status s = port_post_by(c->caller, in->connection_id, in->message_type, in->payload, in->payload_size);

	if (s == HV_STATUS_SUCCESS)
		vp_count(c->vp, COUNT_POSTS);
	log_call(c, "message", in->connection_id, in->message_type, s);
	return s;
}

static hv_status signal_event(struct hv_ctx *c)
{
	const struct hv_in_signal_event *in = c->in;
	/* What is not zero where it has to be counts as a flag that no port has (O36). */
	hv_status s = port_signal_by(c->caller, in->connection_id, in->reserved ? HV_EVENT_FLAGS : in->flag);

	if (s == HV_STATUS_SUCCESS)
		vp_count(c->vp, COUNT_SIGNALS);
	log_call(c, "event", in->connection_id, in->flag, s);
	return s;
}

/* ---- to a VP without a port, of later revisions ---- */

/* Of no level of trust but the lowest.  The target's VPs stay while the call acts on it. */
static hv_status direct_vp(const struct hv_ctx *c, uint32_t index, uint8_t vtl, uint8_t sint, struct vp **vp)
{
	*vp = partition_vp(c->target, index);
	if (!*vp)
		return HV_STATUS_INVALID_VP_INDEX;
	return vtl || sint >= HV_SINT_COUNT ? HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
}

static void log_direct(const struct hv_ctx *c, const char *what, uint32_t detail, uint32_t index, uint8_t sint, hv_status s)
{
	if (log_on(LOG_PORT))
		log_print(LOG_PORT, "%s/%u: %s %#x to SINT%u of VP %u of partition %" PRIu64 ": status %#x\n", partition_name(c->caller),
			  vp_index(c->vp), what, detail, sint, index, partition_id(c->target), s);
}

static hv_status signal_event_direct(struct hv_ctx *c)
{
	const struct hv_in_signal_event_direct *in = c->in;
	struct hv_out_signal_event_direct *out = c->out;
	bool newly = false;
	struct vp *vp;
	hv_status s = direct_vp(c, in->vp_index, in->vtl, in->sint, &vp);

	if (s == HV_STATUS_SUCCESS)
		s = in->flag < HV_EVENT_FLAGS ? synic_signal(vp, in->sint, in->flag, &newly) : HV_STATUS_INVALID_PARAMETER;
	out->newly_signaled = newly;
	log_direct(c, "event", in->flag, in->vp_index, in->sint, s);
	return s;
}

static hv_status post_message_direct(struct hv_ctx *c)
{
	const struct hv_in_post_message_direct *in = c->in;
	struct hv_message m;
	struct vp *vp;
	hv_status s = direct_vp(c, in->vp_index, in->vtl, in->sint, &vp);

	memcpy(&m, in->message, sizeof m);
	if (s == HV_STATUS_SUCCESS && (m.type == HV_MESSAGE_NONE || m.payload_size > HV_MESSAGE_PAYLOAD))
		s = HV_STATUS_INVALID_PARAMETER;
	if (s == HV_STATUS_SUCCESS)
		s = synic_post_direct(vp, in->sint, &m);
	log_direct(c, "message", m.type, in->vp_index, in->sint, s);
	return s;
}

#define ON_CHILD_OR_SELF .on = CALL_ON_CHILD | CALL_ON_SELF
/* The privileges: T14.9.7.d, T14.9.8.c, T14.9.4.d, T14.9.5.d. */
const struct hv_call port_calls[] = {
	{ HV_CALL_CREATE_PORT_2009, "HvCreatePort", "14.9.1", .in = offsetof(struct hv_in_create_port, domain), ON_CHILD_OR_SELF,
	  .run = create_port },
	{ HV_CALL_CREATE_PORT, "HvCreatePort", "later revisions", .in = sizeof(struct hv_in_create_port), ON_CHILD_OR_SELF,
	  .run = create_port_today },
	{ HV_CALL_DELETE_PORT, "HvDeletePort", "14.9.2", .in = sizeof(struct hv_in_port), ON_CHILD_OR_SELF, .run = delete_port },
	{ HV_CALL_CONNECT_PORT_2009, "HvConnectPort", "14.9.3", .in = offsetof(struct hv_in_connect_port, doorbell), ON_CHILD_OR_SELF,
	  .run = connect_port },
	{ HV_CALL_CONNECT_PORT, "HvConnectPort", "later revisions", .in = sizeof(struct hv_in_connect_port), ON_CHILD_OR_SELF,
	  .run = connect_port_today },
	{ HV_CALL_GET_PORT_PROPERTY, "HvGetPortProperty", "14.9.4", .in = sizeof(struct hv_in_port_property),
	  .out = sizeof(struct hv_port_property_value), .privilege = HV_CREATE_PORT, ON_CHILD_OR_SELF, .run = get_port_property },
	{ HV_CALL_SET_PORT_PROPERTY, "HvSetPortProperty", "14.9.5", .in = sizeof(struct hv_in_set_port_property),
	  .out = sizeof(struct hv_port_property_value), .privilege = HV_CREATE_PORT, ON_CHILD_OR_SELF, .run = set_port_property },
	{ HV_CALL_DISCONNECT_PORT, "HvDisconnectPort", "14.9.6", .in = sizeof(struct hv_in_port), ON_CHILD_OR_SELF,
	  .run = disconnect_port },
	{ HV_CALL_POST_MESSAGE, "HvPostMessage", "14.9.7", .in = sizeof(struct hv_in_post_message),
	  .privilege = HV_POST_MESSAGES, .run = post_message },
	{ HV_CALL_SIGNAL_EVENT, "HvSignalEvent", "14.9.8", .in = sizeof(struct hv_in_signal_event),
	  .privilege = HV_SIGNAL_EVENTS, .run = signal_event },
	{ HV_CALL_NOTIFY_PORT_RING_EMPTY, "HvNotifyPortRingEmpty", "later revisions",
	  .in = sizeof(struct hv_in_notify_port_ring_empty), .privilege = HV_CREATE_PORT, .run = notify_port_ring_empty },
	{ HV_CALL_SIGNAL_EVENT_DIRECT, "HvSignalEventDirect", "later revisions", .in = sizeof(struct hv_in_signal_event_direct),
	  .out = sizeof(struct hv_out_signal_event_direct), .on = CALL_ON_CHILD, .run = signal_event_direct },
	{ HV_CALL_POST_MESSAGE_DIRECT, "HvPostMessageDirect", "later revisions", .in = sizeof(struct hv_in_post_message_direct),
	  .on = CALL_ON_CHILD, .run = post_message_direct },
	{ .name = NULL },
};
