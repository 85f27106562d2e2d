/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a parent pays to give a child its memory: bench-map [MIB].
 *
 * The hypercalls are made one behind the other on the parent's processor, as its instructions would make them,
 * without the instructions around them.  The child has a processor that stands.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hv/gpa.h"
#include "hv/hypercall.h"
#include "hv/status.h"
#include "partition.h"

#define MIB (UINT64_C(1) << 20)
#define RWX (HV_MAP_GPA_READABLE | HV_MAP_GPA_WRITABLE | HV_MAP_GPA_EXECUTABLE)
enum { IN = 0x10, OUT = 0x11, POOL = 0x1000, POOL_PAGES = 0x1000, FROM = 0x2000, REPS_MAP = 509, REPS_UNMAP = 4095 };

struct bench {
	struct x86_model *model;
	struct hv *hv;
	struct partition *parent, *child;
	uint64_t pages;
	void (*run)(struct vp *vp, struct bench *b);
	int64_t took;                /* ns of its thread's processor time */
};

static gpa_t page_gpa(uint64_t page) { return (gpa_t){ page << HV_PAGE_SHIFT }; }

static void call(struct vp *vp, uint16_t code, unsigned reps, const void *in, size_t size)
{
	uint64_t result;

	partition_write(vp->partition, page_gpa(IN), in, size);
	result = vp_hypercall(vp, code | (uint64_t)reps << HV_CALL_REPS_SHIFT, page_gpa(IN).v, page_gpa(OUT).v);
	if (hv_result_status(result) != HV_STATUS_SUCCESS || hv_result_reps(result) != reps)
		g_error("hypercall %#x: %#" PRIx64, code, result);
}

static void deposit(struct vp *vp, uint64_t id, uint64_t first, unsigned n)
{
	uint64_t in[1 + 511] = { id };

	for (unsigned done = 0, part; done < n; done += part) {
		part = MIN(n - done, 511);
		for (unsigned i = 0; i < part; i++)
			in[1 + i] = first + done + i;
		call(vp, HV_CALL_DEPOSIT_MEMORY, part, in, 8 + 8 * part);
	}
}

static void open_bench(struct bench *b)
{
	struct hv_in_create_partition in = { 0 };
	struct hv_features features;
	struct vp *vp;
	uint64_t id;

	b->model = x86_model_parse("qemu64", NULL, NULL, NULL);
	b->hv = hv_new_with(&(struct hv_config){ .memory = (b->pages + FROM) << HV_PAGE_SHIFT }, NULL, NULL);
	hv_features_init(&features);
	hv_features_role(&features, HV_ROLE_HOST);
	b->parent = partition_new(b->hv, &(struct partition_config){ .name = "parent", .vps = 1, .model = b->model,
				  .features = &features }, NULL);
	partition_add_ram(b->parent, (gpa_t){ 0 }, (b->pages + FROM) << HV_PAGE_SHIFT, NULL);
	vp = partition_vp(b->parent, 0);
	deposit(vp, HV_PARTITION_ID_SELF, FROM - 8, 8);
	call(vp, HV_CALL_CREATE_PARTITION, 0, &in, sizeof in);
	partition_read(b->parent, page_gpa(OUT), &id, sizeof id);
	b->child = hv_partition_by_id(b->hv, id);
	deposit(vp, id, POOL, POOL_PAGES - 8);
	call(vp, HV_CALL_INITIALIZE_PARTITION, 0, &id, sizeof id);
	lock_acquire(&b->child->call_lock);
	partition_add_vp(b->child, 0);
	lock_release(&b->child->call_lock);
}

static void map(struct vp *vp, struct bench *b, uint32_t flags)
{
	unsigned step = flags & HV_MAP_GPA_LARGE_PAGE ? HV_GPA_LARGE_PAGES : 1;
	uint64_t in[3 + REPS_MAP] = { b->child->id, 0, flags };

	for (uint64_t done = 0, n; done < b->pages; done += n * step) {
		n = MIN((b->pages - done) / step, REPS_MAP);
		in[1] = done;
		for (unsigned i = 0; i < n; i++)
			in[3 + i] = FROM + done + i * step;
		call(vp, HV_CALL_MAP_GPA_PAGES, (unsigned)n, in, (3 + n) * 8);
	}
}

static void map_small(struct vp *vp, struct bench *b) { map(vp, b, RWX); }
static void map_large(struct vp *vp, struct bench *b) { map(vp, b, RWX | HV_MAP_GPA_LARGE_PAGE); }

static void unmap_by(struct vp *vp, struct bench *b, uint32_t flags)
{
	unsigned step = flags & HV_UNMAP_GPA_LARGE_PAGE ? HV_GPA_LARGE_PAGES : 1;

	for (uint64_t done = 0, n; done < b->pages; done += n * step) {
		const uint64_t in[3] = { b->child->id, done, flags };

		n = MIN((b->pages - done) / step, REPS_UNMAP);
		call(vp, HV_CALL_UNMAP_GPA_PAGES, (unsigned)n, in, sizeof in);
	}
}

static void unmap_small(struct vp *vp, struct bench *b) { unmap_by(vp, b, 0); }
static void unmap_large(struct vp *vp, struct bench *b) { unmap_by(vp, b, HV_UNMAP_GPA_LARGE_PAGE); }

static int64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void timed(struct vp *vp, void *o)
{
	struct bench *b = o;

	b->took = -thread_ns();
	b->run(vp, b);
	b->took += thread_ns();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *what;
		void (*run)(struct vp *vp, struct bench *b);
	} steps[] = {
		{ "map in large pages", map_large },
		{ "unmap large pages", unmap_large },
		{ "map in small pages, the first time", map_small },
		{ "map again, in place", map_small },
		{ "unmap small pages", unmap_small },
		{ "map small pages, tables there", map_small },
	};
	struct bench b = { .pages = (argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 1024) * MIB >> HV_PAGE_SHIFT };

	open_bench(&b);
	for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
		b.run = steps[i].run;
		vp_call(partition_vp(b.parent, 0), timed, &b);
		printf("%-36s %8.3f ms  %5.1f ns a page of 4 KiB\n", steps[i].what, (double)b.took / 1e6,
		       (double)b.took / (double)b.pages);
	}
	partition_unref(b.child);
	hv_free(b.hv);
	partition_unref(b.parent);
	x86_model_free(b.model);
	return 0;
}
