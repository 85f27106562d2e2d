/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hypervisor and its components know of a VP, for people who look at it. */
#include "hv/msr.h"
#include "partition.h"

struct shown {
	vp_show_fn put;
	void *o;
	const char *group;
};

static void put_in_group(void *o, const char *name, uint64_t value)
{
	const struct shown *s = o;
	char path[96];

	g_snprintf(path, sizeof path, "%s/%s", s->group, name);
	s->put(s->o, path, value);
}

void vp_show_counts(struct vp *vp, vp_show_fn put, void *o)
{
	for (unsigned n = 0; n < VP_COUNT_COUNT; n++) {
		char path[96];

		g_snprintf(path, sizeof path, "counts/%s", vp_count_name((enum vp_count)n));
		put(o, path, vp_counted(vp, (enum vp_count)n));
	}
	if (vp->partition->dispatched) {
		put(o, "dispatch/blocked", atomic_load(&vp->dispatch.blocked));
		put(o, "dispatch/signals", atomic_load(&vp->dispatch.signals));
	}
}

static void show_core(struct vp *vp, vp_show_fn put, void *o)
{
	const struct partition *p = vp->partition;

	put(o, "guest-os-id", atomic_load(&p->guest_os_id));
	put(o, "hypercall-page", msr_page_value(p->hypercall));
	put(o, "reference-tsc-page", msr_page_value(p->reference_tsc));
	put(o, "assist-page", msr_page_value(vp->assist));
	vp_show_counts(vp, put, o);
}

static void show_task(struct vp *vp, void *opaque)
{
	struct shown *s = opaque;
	struct hv *hv = vp->partition->hv;

	show_core(vp, s->put, s->o);
	for (unsigned i = 0; i < hv->component_count; i++) {
		if (!hv->components[i]->show)
			continue;
		s->group = hv->components[i]->name;
		hv->components[i]->show(vp, vp->component[i], put_in_group, s);
	}
}

void vp_show(struct vp *vp, vp_show_fn put, void *o)
{
	struct shown s = { .put = put, .o = o };

	vp_call(vp, show_task, &s);
}
