/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partitions and VPs in the composition tree: read-only properties.  A node may
 * outlive the thing behind it and reads as nothing then.
 */
#include "partition.h"

/* Both types are alike but for their properties. */
typedef struct {
	HvtObject parent_instance;
	void *behind;        /* struct partition or struct vp; NULL once dead.  The control thread's */
} HvNode, HvPartitionNode, HvVpNode;
typedef struct {
	HvtObjectClass parent_class;
} HvPartitionNodeClass, HvVpNodeClass;

static GType hv_partition_node_get_type(void);
static GType hv_vp_node_get_type(void);
G_DEFINE_FINAL_TYPE(HvPartitionNode, hv_partition_node, HVT_TYPE_OBJECT)
G_DEFINE_FINAL_TYPE(HvVpNode, hv_vp_node, HVT_TYPE_OBJECT)

enum { PARTITION_ID = 1, PARTITION_NAME, PARTITION_PARENT, PARTITION_STATE, PARTITION_VPS, PARTITION_MEMORY, PARTITION_TIME };
enum { VP_INDEX = 1, VP_HALTED, VP_THREAD, VP_TIME };

static void partition_get(GObject *o, guint id, GValue *v, GParamSpec *spec)
{
	struct partition *p = ((HvNode *)o)->behind;

	if (!p)
		return;
	switch (id) {
	case PARTITION_ID: g_value_set_uint64(v, partition_id(p)); break;
	case PARTITION_NAME: g_value_set_string(v, partition_name(p)); break;
	case PARTITION_PARENT: g_value_set_uint64(v, partition_parent_id(p)); break;
	case PARTITION_STATE: g_value_set_string(v, partition_state_name(partition_state(p))); break;
	case PARTITION_VPS: g_value_set_uint(v, partition_vp_count(p)); break;
	case PARTITION_MEMORY: g_value_set_uint64(v, partition_memory(p)); break;
	case PARTITION_TIME: g_value_set_uint64(v, partition_run_time_ns(p)); break;
	default: G_OBJECT_WARN_INVALID_PROPERTY_ID(o, id, spec);
	}
}

static void vp_get(GObject *o, guint id, GValue *v, GParamSpec *spec)
{
	struct vp *vp = ((HvNode *)o)->behind;

	if (!vp)
		return;
	switch (id) {
	case VP_INDEX: g_value_set_uint(v, vp_index(vp)); break;
	case VP_HALTED: g_value_set_boolean(v, vp_halted(vp)); break;
	case VP_THREAD: g_value_set_int(v, vp_thread_id(vp)); break;
	case VP_TIME: g_value_set_uint64(v, vp_run_time_ns(vp)); break;
	default: G_OBJECT_WARN_INVALID_PROPERTY_ID(o, id, spec);
	}
}

static void add_u64(GObjectClass *k, guint id, const char *name, const char *help)
{
	g_object_class_install_property(k, id, g_param_spec_uint64(name, NULL, help, 0, G_MAXUINT64, 0, G_PARAM_READABLE));
}

static void add_uint(GObjectClass *k, guint id, const char *name, const char *help)
{
	g_object_class_install_property(k, id, g_param_spec_uint(name, NULL, help, 0, G_MAXUINT, 0, G_PARAM_READABLE));
}

static void add_string(GObjectClass *k, guint id, const char *name, const char *help)
{
	g_object_class_install_property(k, id, g_param_spec_string(name, NULL, help, NULL, G_PARAM_READABLE));
}

static void hv_partition_node_class_init(HvPartitionNodeClass *c)
{
	GObjectClass *k = G_OBJECT_CLASS(c);

	c->parent_class.description = "partition of the hypervisor";
	k->get_property = partition_get;
	add_u64(k, PARTITION_ID, "partition-id", "number of the partition");
	add_string(k, PARTITION_NAME, "name", "its name");
	add_u64(k, PARTITION_PARENT, "parent-id", "number of its parent, 0 for the first");
	add_string(k, PARTITION_STATE, "state", "created, running, suspended, crashed, shut-down or deleted");
	add_uint(k, PARTITION_VPS, "vcpus", "virtual processors");
	add_u64(k, PARTITION_MEMORY, "memory", "bytes of RAM");
	add_u64(k, PARTITION_TIME, "run-time-ns", "run time of all its virtual processors");
}

static void hv_vp_node_class_init(HvVpNodeClass *c)
{
	GObjectClass *k = G_OBJECT_CLASS(c);

	c->parent_class.description = "virtual processor of a partition";
	k->get_property = vp_get;
	add_uint(k, VP_INDEX, "index", "number in its partition");
	g_object_class_install_property(k, VP_HALTED, g_param_spec_boolean("halted", NULL, "sleeps until an interrupt", FALSE,
									   G_PARAM_READABLE));
	g_object_class_install_property(k, VP_THREAD, g_param_spec_int("thread-id", NULL, "host thread", 0, G_MAXINT, 0,
								       G_PARAM_READABLE));
	add_u64(k, VP_TIME, "run-time-ns", "run time");
}

static void hv_partition_node_init(HvPartitionNode *o) { o->behind = NULL; }
static void hv_vp_node_init(HvVpNode *o) { o->behind = NULL; }

static HvtObject *node_new(GType type, void *behind)
{
	HvNode *node = g_object_new(type, NULL);

	node->behind = behind;
	return &node->parent_instance;
}

HvtObject *partition_object_new(struct partition *p)
{
	return node_new(hv_partition_node_get_type(), p);
}

HvtObject *vp_object_new(struct vp *vp)
{
	HvtObject *o = node_new(hv_vp_node_get_type(), vp);
	char name[16];

	g_snprintf(name, sizeof name, "vp[%u]", vp->index);
	hvt_object_add_child(vp->partition->object, name, o);
	return o;
}

void hv_object_dead(HvtObject *o)
{
	((HvNode *)o)->behind = NULL;
}
