/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions: the tree, their memory, their life. */
#include "partition.h"
#include "stats.h"

#include "accel/hvtlfs/mutant.h"
#include "flush.h"
#include "parent.h"
#include "processor.h"

#include <gio/gio.h>
#include <string.h>

#include "target/i386/mem.h"
#include "trace/log.h"

/* ---- small ones ---- */

struct hv *partition_hv(struct partition *p) { return p->hv; }
uint64_t partition_id(const struct partition *p) { return p->id; }
uint64_t partition_parent_id(const struct partition *p) { return p->parent_id; }
const char *partition_name(const struct partition *p) { return p->name; }
HvtObject *partition_object(struct partition *p) { return p->object; }
const struct hv_features *partition_features(const struct partition *p) { return &p->features; }

/* ---- its VPs ---- */

static bool vp_there(const struct partition *p, uint32_t index)
{
	return index < VP_MAX &&
	       atomic_load_explicit(&p->vps_there[index / 64], memory_order_acquire) >> index % 64 & 1;
}

uint32_t partition_vp_count(const struct partition *p)
{
	unsigned n = 0;

	for (unsigned b = 0; b < VP_BANKS; b++)
		n += (unsigned)__builtin_popcountll(atomic_load_explicit(&p->vps_there[b], memory_order_acquire));
	return n;
}

uint32_t partition_vp_limit(const struct partition *p)
{
	for (unsigned b = VP_BANKS; b-- > 0;) {
		uint64_t there = atomic_load_explicit(&p->vps_there[b], memory_order_acquire);

		if (there)
			return b * 64 + 64 - (unsigned)__builtin_clzll(there);
	}
	return 0;
}

struct vp *partition_vp(const struct partition *p, uint32_t index)
{
	return vp_there(p, index) ? p->vps[index] : NULL;
}

struct vp *partition_next_vp(const struct partition *p, const struct vp *after)
{
	uint32_t i = after ? after->index + 1 : 0;

	for (unsigned b = i / 64; b < VP_BANKS; b++) {
		uint64_t rest = atomic_load_explicit(&p->vps_there[b], memory_order_acquire);

		if (b == i / 64)
			rest &= UINT64_MAX << i % 64;
		if (rest)
			return p->vps[b * 64 + (unsigned)__builtin_ctzll(rest)];
	}
	return NULL;
}

static void vp_publish(struct partition *p, struct vp *vp)
{
	p->vps[vp->index] = vp;
	atomic_fetch_or(&p->vps_there[vp->index / 64], UINT64_C(1) << vp->index % 64);
}

/* Those from index @from on, and those that have gone.  Nobody else uses them any more. */
static void vps_free(struct partition *p, uint32_t from)
{
	for (uint32_t i = from; i < VP_MAX; i++) {
		atomic_fetch_and(&p->vps_there[i / 64], ~(UINT64_C(1) << i % 64));
		if (p->vps[i])
			vp_free(p->vps[i]);
		p->vps[i] = NULL;
	}
}

uint64_t partition_memory(struct partition *p)
{
	return atomic_load(&p->ram_frames) << HV_PAGE_SHIFT;
}

uint64_t partition_run_time_ns(struct partition *p)
{
	uint64_t sum = 0;

	PARTITION_FOREACH_VP(vp, p)
		sum += vp_run_time_ns(vp);
	return sum;
}

struct partition *partition_ref(struct partition *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void partition_unref(struct partition *p)
{
	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	assert(partition_state(p) == PARTITION_DELETED);
	vps_free(p, 0);
	gpa_map_fini(&p->map);
	g_clear_object(&p->object);
	intercepts_free(p->intercepts);
	pool_fini(&p->pool);
	lock_destroy(&p->lock);
	lock_destroy(&p->call_lock);
	lock_destroy(&p->maps_lock);
	g_array_free(p->extents, TRUE);
	/* The machine may be gone by now. */
	g_strfreev((char **)p->component);
	g_free(p->name);
	g_free(p);
}

/* ---- creation ---- */

/* Locks: hv->lock held. */
static struct partition *find_by_name(struct hv *hv, const char *name)
{
	for (guint i = 0; i < hv->partitions->len; i++) {
		struct partition *p = g_ptr_array_index(hv->partitions, i);

		if (!strcmp(p->name, name))
			return p;
	}
	return NULL;
}

static bool config_check(const struct partition_config *c, GError **error)
{
	if (!c->name || !c->name[0]) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "a partition needs a name");
		return false;
	}
	if (c->vps < 1 || c->vps > VP_MAX) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "partition '%s' cannot have %u virtual processors: choose 1 to %d", c->name, c->vps, VP_MAX);
		return false;
	}
	return true;
}

/* The struct alone, with as many VPs as could be made: threadless and not in the tree. */
static struct partition *partition_alloc(struct hv *hv, const struct partition_config *c)
{
	struct partition *p = g_new0(struct partition, 1);

	p->hv = hv;
	p->name = g_strdup(c->name);
	p->parent = c->parent;
	p->parent_id = c->parent ? c->parent->id : HV_PARTITION_ID_INVALID;
	p->depth = c->parent ? c->parent->depth + 1 : 0;
	p->family = p;
	p->model = c->model;
	p->topology = c->topology.cores ? c->topology : (struct x86_topology){ c->vps, 1 };
	p->stack = c->stack;
	p->stack_opaque = c->stack_opaque;
	if (c->features)
		p->features = *c->features;
	else
		hv_features_init(&p->features);
	p->granted = p->features;
	p->extents = g_array_new(FALSE, FALSE, sizeof(struct extent));
	atomic_init(&p->refs, 1);
	atomic_init(&p->state, PARTITION_CREATED);
	atomic_init(&p->life, LIFE_ACTIVE);
	atomic_init(&p->tsc_stopped, true);
	lock_init(&p->lock, LOCK_PARTITION, "partition");
	lock_init(&p->call_lock, LOCK_CALL, "calls that act on a partition");
	lock_init(&p->maps_lock, LOCK_MAPS, "memory that a family shares");
	pool_init(&p->pool);
	atomic_init(&p->share.cap, SHARE_ONE);
	atomic_init(&p->share.weight, WEIGHT_DEFAULT);
	gpa_map_init(&p->map, c->model->phys_bits);
	p->component = g_new0(void *, hv->component_count + 1);
	for (unsigned i = 0; i < hv->component_count; i++)
		p->component[i] = g_malloc0(MAX(hv->components[i]->partition_size, 1));
	return p;
}

static void give_frames(struct partition *p, guint from);

static bool make_pages(struct partition *p, GError **error)
{
	if (msr_init(p))
		return true;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no frame is left for the pages of partition '%s': delete another",
		    p->name);
	return false;
}

void partition_tell_components(struct partition *p, size_t verb)
{
	for (unsigned i = 0; i < p->hv->component_count; i++) {
		void (*f)(struct partition *, void *) =
			*(void (*const *)(struct partition *, void *))((const char *)p->hv->components[i] + verb);

		if (f)
			f(p, p->component[i]);
	}
}

static bool make_vps(struct partition *p, uint32_t count, GError **error)
{
	for (uint32_t i = 0; i < count; i++) {
		struct vp *vp = vp_new(p, i, error);

		if (!vp)
			return false;
		vp->cpu.alone = count == 1;
		vp_publish(p, vp);
	}
	return true;
}

/* Locks: hv->lock held.  False: its parent is ending, and has found that it has no children. */
static bool tree_insert(struct partition *p)
{
	struct hv *hv = p->hv;
	bool ok;

	lock_acquire(&hv->list_lock);
	ok = !p->parent || atomic_load(&p->parent->life) == LIFE_ACTIVE;
	if (ok) {
		g_ptr_array_add(hv->partitions, partition_ref(p));
		g_hash_table_insert(hv->by_id, &p->id, p);
	}
	lock_release(&hv->list_lock);
	return ok;
}

bool partition_end_begin(struct partition *p)
{
	struct hv *hv = p->hv;
	bool ok = true;

	lock_acquire(&hv->list_lock);
	for (guint i = 0; i < hv->partitions->len; i++)
		ok &= ((struct partition *)g_ptr_array_index(hv->partitions, i))->parent != p || MUTANT(finalize_with_children);
	if (ok)
		atomic_store(&p->life, LIFE_FINALIZING);
	lock_release(&hv->list_lock);
	return ok;
}

/* Locks: hv->lock held.  The caller drops the tree's reference; false if somebody else has. */
static bool tree_drop(struct partition *p)
{
	struct hv *hv = p->hv;
	bool mine;

	lock_acquire(&hv->list_lock);
	mine = g_ptr_array_remove(hv->partitions, p);
	if (mine)
		g_hash_table_remove(hv->by_id, &p->id);
	lock_release(&hv->list_lock);
	return mine;
}

/* Locks: takes hv->lock.  False if the name is taken or the parent is going away. */
static bool tree_add(struct partition *p, GError **error)
{
	struct hv *hv = p->hv;
	const char *trouble = NULL;

	lock_acquire(&hv->lock);
	if (find_by_name(hv, p->name))
		trouble = "there is one of that name: choose another";
	else if (p->parent && partition_state(p->parent) == PARTITION_DELETED)
		trouble = "its parent has been deleted";
	if (!trouble) {
		p->id = ++hv->next_id;
		if (!tree_insert(p))
			trouble = "its parent is being deleted";
	}
	lock_release(&hv->lock);
	if (trouble)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS, "cannot create partition '%s': %s", p->name, trouble);
	return !trouble;
}

/* Undoes make_vps() for those VPs whose thread does not run. */
static void drop_vps(struct partition *p, uint32_t from)
{
	PARTITION_FOREACH_VP(vp, p)
		if (vp->index >= from)
			p->hv->engine->detach(&vp->cpu);
	vps_free(p, from);
}

struct partition *partition_new(struct hv *hv, const struct partition_config *config, GError **error)
{
	struct partition *p;
	uint32_t started = 0;

	if (!config_check(config, error))
		return NULL;
	p = partition_alloc(hv, config);
	p->object = partition_object_new(p);
	if (!make_pages(p, error) || !make_vps(p, config->vps, error) || !tree_add(p, error)) {
		drop_vps(p, 0);
		goto undo;
	}
	partition_tell_components(p, offsetof(struct vp_component, partition_init));
	for (; started < config->vps; started++)
		if (!vp_start_thread(p->vps[started], error))
			break;
	if (started < config->vps) {
		for (uint32_t i = 0; i < started; i++)
			vp_join(p->vps[i]);
		drop_vps(p, started);
		lock_acquire(&hv->lock);
		tree_drop(p);
		lock_release(&hv->lock);
		partition_unref(p);
		partition_tell_components(p, offsetof(struct vp_component, partition_fini));
		goto undo;
	}
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' created with %u VPs\n", p->id, p->name, config->vps);
	return p;
undo:
	msr_fini(p);
	give_frames(p, 0);
	hv_object_dead(p->object);
	atomic_store(&p->state, PARTITION_DELETED);
	partition_unref(p);
	return NULL;
}

/* ---- memory ---- */

static bool range_check(struct partition *p, gpa_t at, uint64_t bytes, const char *what, GError **error)
{
	if (gpa_offset(at) || bytes % HV_PAGE_SIZE || !bytes) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "%s of partition '%s' at %#" PRIx64 ", %" PRIu64 " bytes: must be whole pages of 4096 bytes",
			    what, p->name, at.v, bytes);
		return false;
	}
	if (gpa_page(at).v >= p->map.pages || bytes >> HV_PAGE_SHIFT > p->map.pages - gpa_page(at).v) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "%s of partition '%s' at %#" PRIx64 ", %" PRIu64
			    " bytes: beyond the %u bits of its addresses; give it less or a -cpu with more",
			    what, p->name, at.v, bytes, p->model->phys_bits);
		return false;
	}
	if (!gpa_map_is_clear(&p->map, gpa_page(at), bytes >> HV_PAGE_SHIFT)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
			    "%s of partition '%s' at %#" PRIx64 ", %" PRIu64 " bytes: there is memory already", what, p->name,
			    at.v, bytes);
		return false;
	}
	return true;
}

/* Frames for [at, at + pages); the pieces go to p->extents from index *from on. */
static bool take_frames(struct partition *p, uint64_t pages, guint *from)
{
	lock_acquire(&p->lock);
	*from = p->extents->len;
	while (pages) {
		struct extent e = { .owner = p, .kind = FRAME_RAM };
		spn_t first;

		e.count = frames_take(&p->hv->frames, pages, p, FRAME_RAM, &first);
		if (!e.count)
			break;
		e.first = first.v;
		pages -= e.count;
		g_array_append_val(p->extents, e);
		atomic_fetch_add(&p->ram_frames, e.count);
	}
	lock_release(&p->lock);
	return pages == 0;
}

static void give_frames(struct partition *p, guint from)
{
	lock_acquire(&p->lock);
	while (p->extents->len > from) {
		struct extent e = g_array_index(p->extents, struct extent, p->extents->len - 1);

		g_array_set_size(p->extents, p->extents->len - 1);
		if (e.kind == FRAME_RAM)
			atomic_fetch_sub(&p->ram_frames, e.count);
		frames_give(&p->hv->frames, (spn_t){ e.first }, e.count);
	}
	lock_release(&p->lock);
}

static void map_frames(struct partition *p, gpa_t at, guint from, uint32_t rights)
{
	gpn_t gpn = gpa_page(at);

	for (guint i = from; i < p->extents->len; i++) {
		struct extent e = g_array_index(p->extents, struct extent, i);

		gpa_map_set(&p->map, gpn, e.count, (spn_t){ e.first }, rights);
		gpn.v += e.count;
	}
}

/* Fresh frames; *from is the index of their first extent.  Not mapped yet. */
static bool memory_get(struct partition *p, gpa_t at, uint64_t bytes, const char *what, guint *from, GError **error)
{
	if (!range_check(p, at, bytes, what, error))
		return false;
	if (!take_frames(p, bytes >> HV_PAGE_SHIFT, from)) {
		give_frames(p, *from);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
			    "partition '%s' asks for %" PRIu64 " bytes of memory, the machine has %" PRIu64
			    " left: ask for less or start with a larger -m", p->name, bytes, hv_memory_free(p->hv));
		return false;
	}
	return true;
}

bool partition_add_ram(struct partition *p, gpa_t at, uint64_t bytes, GError **error)
{
	guint from;

	if (!memory_get(p, at, bytes, "memory", &from, error))
		return false;
	map_frames(p, at, from, X86_PAGE_READ | X86_PAGE_WRITE | X86_PAGE_EXEC);
	partition_flush(p, NULL);
	return true;
}

bool partition_add_rom(struct partition *p, gpa_t at, const void *data, uint64_t bytes, GError **error)
{
	const uint8_t *d = data;
	guint from;

	if (!memory_get(p, at, bytes, "read-only memory", &from, error))
		return false;
	for (guint i = from; i < p->extents->len; i++) {
		struct extent e = g_array_index(p->extents, struct extent, i);

		for (uint64_t n = 0; n < e.count; n++, d += HV_PAGE_SIZE)
			memory_fill(p, (spn_t){ e.first + n }, d, HV_PAGE_SIZE);
	}
	map_frames(p, at, from, X86_PAGE_READ | X86_PAGE_EXEC);
	partition_flush(p, NULL);
	return true;
}

/* ---- end ---- */

/* A child of @p with a reference, or NULL. */
static struct partition *any_child(struct partition *p)
{
	struct partition *child = NULL;

	lock_acquire(&p->hv->lock);
	for (guint i = 0; i < p->hv->partitions->len && !child; i++) {
		struct partition *q = g_ptr_array_index(p->hv->partitions, i);

		if (q->parent == p)
			child = partition_ref(q);
	}
	lock_release(&p->hv->lock);
	return child;
}

/* Behind tree_remove(): tells whoever looks, and drops the tree's reference. */
static void end(struct partition *p)
{
	if (p->by_parent) {
		lock_acquire(&p->parent->lock);
		pool_discharge(&p->parent->pool, sizeof *p);   /* T5.6.4.b */
		lock_release(&p->parent->lock);
	}
	if (p->object)
		hv_object_dead(p->object);
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' is deleted\n", p->id, p->name);
	if (p->stack && p->stack->state_changed)
		p->stack->state_changed(p->stack_opaque, p);
	partition_unref(p);
}

/* Pages that are left in the pool go back to who deposited them: the parent, or the partition itself. */
void partition_return_pool(struct partition *p)
{
	struct partition *to = p->by_parent ? p->parent : p;
	struct pool_page page;

	lock_acquire(&p->lock);
	pool_release(&p->pool);
	while (pool_withdraw(&p->pool, &page))
		pool_page_back(to, page);
	lock_release(&p->lock);
}

void partition_dismantle(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		vp_join(vp);
	memory_close(p);
	stats_forget(p);
	partition_tell_components(p, offsetof(struct vp_component, partition_fini));
	msr_fini(p);
	if (!MUTANT(channel_outlives))
		atomic_store(&p->debug_channel, 0);        /* T5.6.3.i */
	gpa_space_clear(p);
	give_frames(p, 0);
	lock_acquire(&p->lock);
	pool_release(&p->pool);
	lock_release(&p->lock);
	PARTITION_FOREACH_VP(vp, p)
		if (vp->object)
			hv_object_dead(vp->object);
}

/* Takes @p out of the tree; false if somebody else has. */
static bool tree_remove(struct partition *p)
{
	bool mine;

	lock_acquire(&p->hv->lock);
	mine = tree_drop(p);
	if (mine)
		atomic_store(&p->state, PARTITION_DELETED);
	lock_release(&p->hv->lock);
	return mine;
}

void partition_delete(struct partition *p)
{
	struct partition *child;

	partition_stop_all(p);
	/* One of its VPs may be making or ending a child. */
	PARTITION_FOREACH_VP(vp, p)
		vp_wait_parked(vp);
	while ((child = any_child(p))) {
		partition_delete(child);
		partition_unref(child);
	}
	if (!tree_remove(p))
		return;
	/* Nobody else can find it any more: what its parent began is finished. */
	if (atomic_exchange(&p->life, LIFE_DELETED) == LIFE_ACTIVE)
		partition_dismantle(p);
	if (p->by_parent)
		partition_return_pool(p);
	end(p);
}
/* ---- children ---- */

/* How many partitions there may be at once; each VP has a thread. */
enum { PARTITIONS_MAX = 4096 };

/* Locks: takes hv->lock. */
static bool tree_add_child(struct partition *p)
{
	struct hv *hv = p->hv;
	bool ok;

	lock_acquire(&hv->lock);
	ok = hv->partitions->len < PARTITIONS_MAX;
	if (ok) {
		privileges_limit(p);
		p->id = ++hv->next_id;
		/* ':' is in no name that a user gives. */
		p->name = g_strdup_printf("%s:%" PRIu64, p->family->name, p->id);
		ok = tree_insert(p);
	}
	lock_release(&hv->lock);
	return ok;
}

struct partition *partition_new_child(struct partition *parent, const struct hv_features *features,
				      const uint64_t hidden[HIDDEN_COUNT], uint64_t create_flags)
{
	struct partition *p = partition_alloc(parent->hv, &(struct partition_config){
		.parent = parent, .model = parent->model, .features = features, .stack = &parent_stack,
		.topology = { .cores = 1, .threads = 1 },
	});

	p->stack_opaque = p;
	p->by_parent = true;
	p->dispatched = parent->hv->root_scheduler && partition_is_root(parent);
	p->model = &p->own_model;
	processor_hide(p, hidden);
	p->create_flags = create_flags;
	p->family = parent->family;
	atomic_store(&p->life, LIFE_UNINITIALIZED);
	atomic_store(&p->stopped, atomic_load(&parent->stopped));
	atomic_store(&parent->has_children, true);
	if (tree_add_child(p))
		return p;
	atomic_store(&p->state, PARTITION_DELETED);
	partition_unref(p);
	return NULL;
}

/* What an active partition costs beside its pages. */
static uint64_t child_bytes(const struct partition *p)
{
	uint64_t bytes = HV_PAGE_SIZE + intercepts_bytes() + partition_tlb_least(p) * HV_PAGE_SIZE;   /* the root of its GPA map */

	for (unsigned i = 0; i < p->hv->component_count; i++)
		bytes += p->hv->components[i]->partition_size;
	return bytes;
}

struct partition *partition_by_id(struct partition *p, uint64_t id)
{
	return hv_partition_by_id(p->hv, id);
}

bool partition_is_active(struct partition *p)
{
	return atomic_load(&p->life) == LIFE_ACTIVE;
}

bool partition_charge(struct partition *p, uint64_t bytes)
{
	bool ok;

	lock_acquire(&p->lock);
	ok = pool_charge(&p->pool, bytes);
	lock_release(&p->lock);
	return ok;
}

void partition_discharge(struct partition *p, uint64_t bytes)
{
	lock_acquire(&p->lock);
	pool_discharge(&p->pool, bytes);
	lock_release(&p->lock);
}

bool partition_init_child(struct partition *p)
{
	bool ok;

	lock_acquire(&p->lock);
	ok = pool_charge(&p->pool, child_bytes(p));
	lock_release(&p->lock);
	if (!ok)
		return false;
	if (!msr_init(p)) {
		msr_fini(p);
		lock_acquire(&p->lock);
		pool_discharge(&p->pool, child_bytes(p));
		lock_release(&p->lock);
		return false;
	}
	p->tlb_pages = partition_tlb_least(p);
	p->intercepts = intercepts_new();
	partition_tell_components(p, offsetof(struct vp_component, partition_init));
	return true;
}

/*
 * What a VP costs beside its pages: not what an engine keeps to be faster, code and translations, which is as much
 * as the host likes.
 */
static uint64_t vp_bytes(const struct partition *p)
{
	const struct x86_cpu *c = NULL;
	uint64_t bytes = sizeof(struct vp) - sizeof c->tlb - sizeof c->tlb_back - sizeof c->tlb2 - sizeof c->site;

	for (unsigned i = 0; i < p->hv->component_count; i++)
		bytes += p->hv->components[i]->size;
	return bytes;
}

static void vp_uncharge(struct partition *p)
{
	lock_acquire(&p->lock);
	pool_discharge(&p->pool, vp_bytes(p));
	lock_release(&p->lock);
}

/* The VP with its thread, not to be found yet. */
static struct vp *raise_vp(struct partition *p, uint32_t index, GError **error)
{
	struct vp *vp = p->vps[index];

	if (vp ? !vp_revive(vp, error) : !(vp = vp_new(p, index, error)))
		return NULL;
	p->vps[index] = vp;
	if (vp_start_thread(vp, error))
		return vp;
	msr_fini_vp(vp);
	p->hv->engine->detach(&vp->cpu);
	return NULL;
}

hv_status partition_add_vp(struct partition *p, uint32_t index)
{
	GError *error = NULL;
	struct vp *vp;
	hv_status s;
	bool ok;

	assert(index < VP_MAX && !partition_vp(p, index));
	lock_acquire(&p->lock);
	ok = pool_charge(&p->pool, vp_bytes(p));
	lock_release(&p->lock);
	if (!ok)
		return HV_STATUS_INSUFFICIENT_MEMORY;      /* T10.4.1.s */
	vp = raise_vp(p, index, &error);
	if (!vp) {
		/* T10.4.1.v: a thread that the host refuses no deposit would help. */
		s = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_AGAIN) ? HV_STATUS_NO_RESOURCES : HV_STATUS_INSUFFICIENT_MEMORY;
		g_error_free(error);
		vp_uncharge(p);
		return s;
	}
	vp_publish(p, vp);
	return HV_STATUS_SUCCESS;
}

void partition_drop_vp(struct partition *p, struct vp *self, struct vp *vp)
{
	bool inside = vp_outside_begin(self);

	atomic_fetch_and(&p->vps_there[vp->index / 64], ~(UINT64_C(1) << vp->index % 64));
	vp_join(vp);
	flush_allow(vp);
	vp_outside_end(self, inside);
	vp_uncharge(p);
}

void partition_remove_child(struct partition *p)
{
	atomic_store(&p->life, LIFE_DELETED);
	if (tree_remove(p))
		end(p);
}

/* ---- interrupts and the stack's part in them ---- */

bool partition_send(struct partition *p, const struct interrupt_request *r)
{
	bool any = false;

	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->send)
			any |= p->hv->components[i]->send(p, r);
	return any;
}

bool partition_sent(struct partition *p, const struct interrupt_request *r)
{
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->sent)
			return p->hv->components[i]->sent(p, r);
	return false;
}

void partition_msi(struct partition *p, uint64_t address, uint32_t data)
{
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->msi)
			p->hv->components[i]->msi(p, address, data);
}

void partition_extint(struct partition *p, bool level)
{
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->extint)
			p->hv->components[i]->extint(p, level);
}

void partition_nmi(struct partition *p)
{
	for (unsigned i = 0; i < p->hv->component_count; i++)
		if (p->hv->components[i]->nmi)
			p->hv->components[i]->nmi(p);
}

int partition_pic_acknowledge(struct partition *p)
{
	return p->stack && p->stack->pic_acknowledge ? p->stack->pic_acknowledge(p->stack_opaque) : -1;
}

bool vp_apic_written(struct vp *vp, uint32_t offset, uint64_t value)
{
	const struct partition *p = vp->partition;

	return p->stack && p->stack->apic_written && p->stack->apic_written(p->stack_opaque, vp, offset, value);
}

void vp_level_ended(struct vp *vp, uint8_t vector)
{
	const struct partition *p = vp->partition;

	if (p->stack && p->stack->eoi)
		p->stack->eoi(p->stack_opaque, vp, vector);
}
