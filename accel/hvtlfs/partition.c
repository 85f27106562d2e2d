/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions: the tree, their memory, their life. */
#include "partition.h"

#include <gio/gio.h>
#include <string.h>

#include "target/i386/mem.h"
#include "trace/log.h"

/* ---- small ones ---- */

static const char *const state_names[] = {
	[PARTITION_CREATED] = "created", [PARTITION_RUNNING] = "running", [PARTITION_SUSPENDED] = "suspended",
	[PARTITION_CRASHED] = "crashed", [PARTITION_SHUT_DOWN] = "shut-down", [PARTITION_DELETED] = "deleted",
};

const char *partition_state_name(enum partition_state s)
{
	return (unsigned)s < G_N_ELEMENTS(state_names) ? state_names[s] : "unknown";
}

struct hv *partition_hv(struct partition *p) { return p->hv; }
uint64_t partition_id(const struct partition *p) { return p->id; }
uint64_t partition_parent_id(const struct partition *p) { return p->parent_id; }
const char *partition_name(const struct partition *p) { return p->name; }
HvtObject *partition_object(struct partition *p) { return p->object; }
const struct hv_features *partition_features(const struct partition *p) { return &p->features; }

enum partition_state partition_state(struct partition *p)
{
	return (enum partition_state)atomic_load(&p->state);
}

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

/* Those from index @from on.  Nobody else uses them any more. */
static void vps_free(struct partition *p, uint32_t from)
{
	for (uint32_t i = from; i < VP_MAX; i++) {
		struct vp *vp = partition_vp(p, i);

		if (!vp)
			continue;
		atomic_fetch_and(&p->vps_there[i / 64], ~(UINT64_C(1) << i % 64));
		vp_free(vp);
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
	g_object_unref(p->object);
	lock_destroy(&p->lock);
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
	p->model = c->model;
	p->topology = c->topology.cores ? c->topology : (struct x86_topology){ c->vps, 1 };
	p->stack = c->stack;
	p->stack_opaque = c->stack_opaque;
	if (c->features)
		p->features = *c->features;
	else
		hv_features_init(&p->features);
	p->extents = g_array_new(FALSE, FALSE, sizeof(struct extent));
	atomic_init(&p->refs, 1);
	atomic_init(&p->state, PARTITION_CREATED);
	atomic_init(&p->tsc_stopped, true);
	lock_init(&p->lock, LOCK_PARTITION, "partition");
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

static void components_partition(struct partition *p, size_t verb)
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
		g_ptr_array_add(hv->partitions, partition_ref(p));
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
	components_partition(p, offsetof(struct vp_component, partition_init));
	for (; started < config->vps; started++)
		if (!vp_start_thread(p->vps[started], error))
			break;
	if (started < config->vps) {
		for (uint32_t i = 0; i < started; i++)
			vp_join(p->vps[i]);
		drop_vps(p, started);
		lock_acquire(&hv->lock);
		g_ptr_array_remove(hv->partitions, p);
		lock_release(&hv->lock);
		partition_unref(p);
		components_partition(p, offsetof(struct vp_component, partition_fini));
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

/* ---- states ---- */

void partition_change_state(struct partition *p, enum partition_state state)
{
	bool changed;

	lock_acquire(&p->lock);
	changed = atomic_exchange(&p->state, state) != state;
	lock_release(&p->lock);
	if (!changed)
		return;
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' is %s\n", p->id, p->name, partition_state_name(state));
	if (p->stack && p->stack->state_changed)
		p->stack->state_changed(p->stack_opaque, p);
}

static void go(struct partition *p)
{
	lock_acquire(&p->lock);
	partition_time_go(p);
	lock_release(&p->lock);
	partition_change_state(p, PARTITION_RUNNING);
	PARTITION_FOREACH_VP(vp, p)
		vp_continue(vp, SUSPEND_CREATED | SUSPEND_EXPLICIT | SUSPEND_INTERCEPT);
}

void partition_start(struct partition *p)
{
	enum partition_state s = partition_state(p);

	if (s == PARTITION_CREATED || s == PARTITION_SUSPENDED)
		go(p);
}

void partition_resume(struct partition *p)
{
	enum partition_state s = partition_state(p);

	/* RUNNING: a VP of it may stand in an exit that has been dealt with. */
	if (s == PARTITION_SUSPENDED || s == PARTITION_RUNNING)
		go(p);
}

static void suspend_all(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		vp_suspend(vp, SUSPEND_EXPLICIT);
}

void partition_suspend(struct partition *p)
{
	suspend_all(p);
	PARTITION_FOREACH_VP(vp, p)
		vp_wait_parked(vp);
	lock_acquire(&p->lock);
	partition_time_stop(p);
	lock_release(&p->lock);
	if (partition_state(p) == PARTITION_RUNNING)
		partition_change_state(p, PARTITION_SUSPENDED);
}

void partition_set_stopped(struct partition *p, enum partition_state state)
{
	suspend_all(p);
	partition_change_state(p, state);
}

static void reset_vp(struct vp *vp, void *o)
{
	(void)o;
	atomic_store(&vp->sipi, 0);
	atomic_store(&vp->cpu.pending, 0);
	x86_reset(&vp->cpu, X86_RESET_POWER_ON);
	if (vp->index)
		vp->cpu.activity = X86_WAIT_SIPI;
	x86_tlb_flush(&vp->cpu, X86_FLUSH_ALL);
	vp->not_alone = false;
	vp->cpu.alone = partition_vp_count(vp->partition) == 1;
	vp->partition->hv->engine->forget(&vp->cpu);
	msr_reset_vp(vp);
	vp_reset_state(vp, X86_RESET_POWER_ON);
}

void partition_reset(struct partition *p)
{
	PARTITION_FOREACH_VP(vp, p)
		vp_wait_parked(vp);
	PARTITION_FOREACH_VP(vp, p)
		vp_call(vp, reset_vp, NULL);
	msr_reset_partition(p);
	components_partition(p, offsetof(struct vp_component, partition_reset));
	lock_acquire(&p->lock);
	partition_time_stop(p);
	atomic_store(&p->tsc_frozen, 0);
	lock_release(&p->lock);
	partition_flush(p, NULL);
	if (partition_state(p) != PARTITION_CREATED)
		partition_change_state(p, PARTITION_SUSPENDED);
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

/* Takes @p out of the tree; false if somebody else has. */
static bool tree_remove(struct partition *p)
{
	bool mine;

	lock_acquire(&p->hv->lock);
	mine = g_ptr_array_remove(p->hv->partitions, p);
	if (mine)
		atomic_store(&p->state, PARTITION_DELETED);
	lock_release(&p->hv->lock);
	return mine;
}

void partition_delete(struct partition *p)
{
	struct partition *child;

	suspend_all(p);
	while ((child = any_child(p))) {
		partition_delete(child);
		partition_unref(child);
	}
	if (!tree_remove(p))
		return;
	PARTITION_FOREACH_VP(vp, p)
		vp_join(vp);
	memory_close(p);
	components_partition(p, offsetof(struct vp_component, partition_fini));
	msr_fini(p);
	PARTITION_FOREACH_VP(vp, p)
		msr_fini_vp(vp);
	gpa_map_clear(&p->map, (gpn_t){ 0 }, p->map.pages);
	give_frames(p, 0);
	PARTITION_FOREACH_VP(vp, p)
		hv_object_dead(vp->object);
	hv_object_dead(p->object);
	log_print(LOG_PARTITION, "partition %" PRIu64 " '%s' is deleted\n", p->id, p->name);
	if (p->stack && p->stack->state_changed)
		p->stack->state_changed(p->stack_opaque, p);
	partition_unref(p);
}

/* ---- interrupts and the stack's part in them ---- */

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

void partition_eoi(struct partition *p, uint8_t vector)
{
	if (p->stack && p->stack->eoi)
		p->stack->eoi(p->stack_opaque, vector);
}
