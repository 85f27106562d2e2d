/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine: frames, engine, clock, the tree of partitions. */
#include <gio/gio.h>
#include <string.h>

#include "call.h"
#include "partition.h"
#include "stats.h"

static const struct engine *engine_of(const struct hv_config *config, GError **error)
{
	const struct engine *e = config->engine ? engine_find(config->engine) : engine_default(NULL);
	char *known;

	if (e)
		return e;
	known = g_strjoinv(", ", (char **)engine_names);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no engine '%s'; known: %s", config->engine, known);
	g_free(known);
	return NULL;
}

struct hv *hv_new_with(const struct hv_config *config, const struct vp_component *const *components, GError **error)
{
	const struct engine *engine = engine_of(config, error);
	struct hv *hv;

	if (!engine)
		return NULL;
	if (config->memory % HV_PAGE_SIZE || config->memory > UINT64_C(1) << 46) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "memory of %" PRIu64 " bytes: must be whole pages of 4096 bytes, 64 TiB at most", config->memory);
		return NULL;
	}
	hv = g_new0(struct hv, 1);
	hv->engine = engine;
	if (config->engine_options)
		hv->engine_options = *config->engine_options;
	hv->components = components;
	while (components && components[hv->component_count])
		hv->component_count++;
	if (!frames_init(&hv->frames, config->memory, error)) {
		g_free(hv);
		return NULL;
	}
	/* The reserve has them. */
	frames_take(&hv->frames, 1, NULL, FRAME_HYPERVISOR, &hv->zeros);
	frames_take(&hv->frames, 1, NULL, FRAME_HYPERVISOR, &hv->ones);
	memset(frames_host(&hv->frames, hv->ones), 0xff, HV_PAGE_SIZE);
	call_table_init(hv);
	hv_set_call_slice(hv, HV_CALL_SLICE_NS);
	msr_table_init(hv);
	lock_init(&hv->lock, LOCK_MACHINE, "partition tree");
	lock_init(&hv->list_lock, LOCK_LIST, "list of partitions");
	hv->partitions = g_ptr_array_new();
	hv->by_id = g_hash_table_new(g_int64_hash, g_int64_equal);
	clock_calibrate(hv);
	timers_init(hv);
	schedule_init(hv);
	stats_init(hv);
	return hv;
}

/* The first of the tree with a reference, or NULL. */
static struct partition *any_partition(struct hv *hv)
{
	struct partition *p = NULL;

	lock_acquire(&hv->lock);
	if (hv->partitions->len)
		p = partition_ref(g_ptr_array_index(hv->partitions, 0));
	lock_release(&hv->lock);
	return p;
}

void hv_free(struct hv *hv)
{
	struct partition *p;

	while ((p = any_partition(hv))) {
		partition_delete(p);
		partition_unref(p);
	}
	stats_fini(hv);
	timers_fini(hv);
	schedule_fini(hv);
	g_ptr_array_free(hv->partitions, TRUE);
	g_hash_table_destroy(hv->by_id);
	lock_destroy(&hv->list_lock);
	frames_give(&hv->frames, hv->zeros, 1);
	frames_give(&hv->frames, hv->ones, 1);
	frames_fini(&hv->frames);
	call_table_fini(hv);
	lock_destroy(&hv->lock);
	g_free(hv);
}

void partition_monitored(struct partition *p, int by)
{
	atomic_fetch_add(&p->hv->monitored, (uint64_t)(int64_t)by);
}

void hv_set_call_slice(struct hv *hv, uint32_t ns)
{
	hv->call_slice_ns = ns;
}

void hv_set_root_scheduler(struct hv *hv, bool on)
{
	hv->root_scheduler = on;
}

uint64_t hv_memory_free(struct hv *hv)
{
	return frames_ram_left(&hv->frames) << HV_PAGE_SHIFT;
}

GPtrArray *partitions_of(struct hv *hv, bool (*is)(const struct partition *q, const struct partition *p), const struct partition *p)
{
	GPtrArray *some = g_ptr_array_new_with_free_func((GDestroyNotify)partition_unref);

	lock_acquire(&hv->list_lock);
	for (guint i = 0; i < hv->partitions->len; i++) {
		struct partition *q = g_ptr_array_index(hv->partitions, i);

		if (!is || is(q, p))
			g_ptr_array_add(some, partition_ref(q));
	}
	lock_release(&hv->list_lock);
	return some;
}

GPtrArray *hv_partitions(struct hv *hv)
{
	return partitions_of(hv, NULL, NULL);
}

void hv_foreach_partition(struct hv *hv, void (*f)(struct partition *p, void *o), void *o)
{
	lock_acquire(&hv->lock);
	for (guint i = 0; i < hv->partitions->len; i++)
		f(g_ptr_array_index(hv->partitions, i), o);
	lock_release(&hv->lock);
}

struct partition *hv_partition_by_name(struct hv *hv, const char *name)
{
	struct partition *found = NULL;

	lock_acquire(&hv->lock);
	for (guint i = 0; i < hv->partitions->len && !found; i++) {
		struct partition *p = g_ptr_array_index(hv->partitions, i);

		if (!strcmp(p->name, name))
			found = partition_ref(p);
	}
	lock_release(&hv->lock);
	return found;
}

struct partition *hv_partition_by_id(struct hv *hv, uint64_t id)
{
	struct partition *p;

	lock_acquire(&hv->list_lock);
	p = g_hash_table_lookup(hv->by_id, &id);
	if (p)
		partition_ref(p);
	lock_release(&hv->list_lock);
	return p;
}
