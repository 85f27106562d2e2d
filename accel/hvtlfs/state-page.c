/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of a VP that its parent reads and writes without a call (of later revisions, beside chapter 10): the
 * intercept message page, which intercept.c fills, and the register page.
 *
 * They are pages of the child's pool.  Its parent, who deposited them, sees them where it had them: they keep that
 * mapping without any right while they are in the pool, and have it back, for data, while they are mapped.  Or it says
 * where else it wants to see them, as an overlay.
 */
#include "state-page.h"

#include <string.h>

#include "accel/hvtlfs/mutant.h"
#include "call.h"
#include "hv/vp.h"
#include "registers.h"
#include "target/i386/mem.h"

static const uint8_t zeros[HV_PAGE_SIZE];

/* ---- the register page ---- */

/* A run of registers of the page, and the class that says that the parent has changed them. */
struct field {
	uint32_t name;
	uint16_t offset;
	uint8_t count, size, dirty;
};

#define FIELD(name, member, count, size, dirty) { name, offsetof(struct hv_register_page, member), count, size, dirty }
static const struct field fields[] = {
	FIELD(HV_REGISTER_RAX, gpr, 16, 8, HV_REGISTER_PAGE_GENERAL),
	FIELD(HV_REGISTER_RIP, rip, 1, 8, HV_REGISTER_PAGE_RIP),
	FIELD(HV_REGISTER_RFLAGS, rflags, 1, 8, HV_REGISTER_PAGE_RFLAGS),
	FIELD(HV_REGISTER_XMM0, xmm, 6, 16, HV_REGISTER_PAGE_XMM),
	FIELD(HV_REGISTER_ES, segment, 6, 16, HV_REGISTER_PAGE_SEGMENTS),
	FIELD(HV_REGISTER_CR0, cr0, 1, 8, 0),
	FIELD(HV_REGISTER_CR3, cr3, 1, 8, 0),
	FIELD(HV_REGISTER_CR4, cr4, 1, 8, 0),
	FIELD(HV_REGISTER_CR8, cr8, 1, 8, 0),
	FIELD(HV_REGISTER_EFER, efer, 1, 8, 0),
	FIELD(HV_REGISTER_DR7, dr7, 1, 8, 0),
	FIELD(HV_REGISTER_PENDING_INTERRUPTION, pending_interruption, 1, 8, 0),
	FIELD(HV_REGISTER_INTERRUPT_STATE, interrupt_state, 1, 8, 0),
	FIELD(HV_REGISTER_XFEM, xfem, 1, 8, 0),
};

static uint8_t *field_at(struct hv_register_page *page, const struct field *f, unsigned i)
{
	return (uint8_t *)page + f->offset + i * f->size;
}

static void store(struct vp *vp, struct hv_register_page *page)
{
	for (const struct field *f = fields; f < fields + G_N_ELEMENTS(fields); f++)
		for (unsigned i = 0; i < f->count; i++) {
			struct hv_register_value v;

			register_get(vp, f->name + i, &v);
			x86_host_move(field_at(page, f, i), &v, f->size);
		}
}

static bool is_valid(struct hv_register_page *page)
{
	return x86_host_ld8(&page->valid);
}

void register_page_store(struct vp *vp)
{
	struct hv_register_page *page = vp->register_page;

	if (!page)
		return;
	x86_host_st32(&page->dirty, 0);
	x86_host_st16(&page->version, HV_REGISTER_PAGE_VERSION);
	store(vp, page);
	x86_host_st8(&page->valid, 1);
}

void register_page_changed(struct vp *vp)
{
	if (vp->register_page && is_valid(vp->register_page))
		register_page_store(vp);
}

void register_page_load(struct vp *vp)
{
	struct hv_register_page *page = vp->register_page;
	uint32_t dirty;

	if (!page || !is_valid(page) || MUTANT(register_page_deaf))
		return;
	dirty = x86_host_ld32(&page->dirty);
	for (const struct field *f = fields; dirty && f < fields + G_N_ELEMENTS(fields); f++)
		for (unsigned i = 0; f->dirty & dirty && i < f->count; i++) {
			struct hv_register_value v = { 0 };

			x86_host_move(&v, field_at(page, f, i), f->size);
			register_set(vp, f->name + i, &v);   /* T10.1.2.b */
		}
	x86_host_st32(&page->dirty, 0);
}

void register_page_leave(struct vp *vp)
{
	if (!vp->register_page)
		return;
	register_page_load(vp);
	x86_host_st8(&vp->register_page->valid, 0);
}

/* ---- mapping ---- */

struct state_page_change {
	uint32_t type;
	void *page;
};

/* On the VP's thread, or with it borrowed or ended. */
static void set_page(struct vp *vp, void *o)
{
	const struct state_page_change *change = o;

	if (change->type == HV_VP_STATE_PAGE_REGISTERS) {
		vp->register_page = change->page;
		return;
	}
	lock_acquire(&vp->lock);
	vp->message_page = change->page;
	lock_release(&vp->lock);
}

/* Lets the parent see it, or not any more. */
static void show(struct vp *vp, struct state_page *page, bool seen, struct vp *self)
{
	struct partition *parent = vp->partition->parent;

	if (page->placed)
		gpa_map_overlay(&parent->map, &page->overlay, seen ? page->at : GPN_NOWHERE);
	else
		gpa_map_protect(&parent->map, page->at, page->frame, seen ? X86_PAGE_READ | X86_PAGE_WRITE : 0);
	partition_flush(parent, self);
}

/* Nobody writes to it any more. */
static void give_back(struct vp *vp, struct state_page *page, struct vp *self)
{
	struct partition *p = vp->partition;

	show(vp, page, false, self);
	lock_acquire(&p->lock);
	if (!MUTANT(state_page_lost))
		pool_give(&p->pool, page->frame);
	lock_release(&p->lock);
	page->mapped = false;
}

void state_pages_fini(struct vp *vp)
{
	for (uint32_t type = 0; type < G_N_ELEMENTS(vp->state_page); type++) {
		if (!vp->state_page[type].mapped)
			continue;
		set_page(vp, &(struct state_page_change){ type, NULL });
		give_back(vp, &vp->state_page[type], NULL);
	}
}

/* The page of @vp that is meant, NULL with *status if none can be. */
static struct state_page *page_named(const struct hv_ctx *c, const struct hv_in_vp_state_page *in, struct vp **vp, hv_status *status)
{
	*vp = partition_vp(c->target, in->vp_index);
	*status = !*vp ? HV_STATUS_INVALID_VP_INDEX :
		  in->type >= G_N_ELEMENTS((*vp)->state_page) || in->vtl & 0xf || in->flags & ~HV_STATE_PAGE_LOCATION ?
		  HV_STATUS_INVALID_PARAMETER : HV_STATUS_SUCCESS;
	return *status == HV_STATUS_SUCCESS ? &(*vp)->state_page[in->type] : NULL;
}

static hv_status map_vp_state_page(struct hv_ctx *c)
{
	const struct hv_in_map_vp_state_page *in = c->in;
	struct hv_out_map_vp_state_page *out = c->out;
	struct partition *p = c->target;
	struct state_page_change change = { .type = in->page.type };
	struct state_page *page;
	const bool placed = in->page.flags & HV_STATE_PAGE_LOCATION && !MUTANT(state_page_anywhere);
	struct pool_page taken;
	struct vp *vp;
	hv_status s;
	bool got;

	page = page_named(c, &in->page, &vp, &s);
	if (!page)
		return s;
	if (page->mapped)
		return HV_STATUS_OBJECT_IN_USE;
	if (placed && in->location >= p->parent->map.pages)
		return HV_STATUS_INVALID_PARAMETER;
	lock_acquire(&p->lock);
	got = pool_take_page(&p->pool, &taken);
	lock_release(&p->lock);
	if (!got)
		return HV_STATUS_INSUFFICIENT_MEMORY;
	*page = (struct state_page){ .frame = taken.frame, .at = placed ? (gpn_t){ in->location } : taken.at, .mapped = true, .placed = placed,
		.overlay = { .frame = taken.frame, .at = GPN_NOWHERE, .rights = X86_PAGE_READ | X86_PAGE_WRITE } };
	memory_fill(p, page->frame, zeros, sizeof zeros);
	show(vp, page, true, c->vp);
	change.page = frames_host(&p->hv->frames, page->frame);
	vp_visit(c->vp, vp, set_page, &change);
	out->page = page->at.v;
	return HV_STATUS_SUCCESS;
}

static void unset_page(struct vp *vp, void *o)
{
	const struct state_page_change *change = o;

	if (change->type == HV_VP_STATE_PAGE_REGISTERS)
		register_page_load(vp);
	set_page(vp, o);
}

static hv_status unmap_vp_state_page(struct hv_ctx *c)
{
	const struct hv_in_vp_state_page *in = c->in;
	struct state_page *page;
	struct vp *vp;
	hv_status s;

	page = page_named(c, in, &vp, &s);
	if (!page)
		return s;
	if (!page->mapped)
		return HV_STATUS_INVALID_PARAMETER;
	vp_visit(c->vp, vp, unset_page, &(struct state_page_change){ in->type, NULL });
	give_back(vp, page, c->vp);
	return HV_STATUS_SUCCESS;
}

const struct hv_call state_page_calls[] = {
	{ HV_CALL_MAP_VP_STATE_PAGE, "HvMapVpStatePage", "later revisions", .in = sizeof(struct hv_in_map_vp_state_page),
	  .out = sizeof(struct hv_out_map_vp_state_page), .on = CALL_ON_CHILD, .run = map_vp_state_page },
	{ HV_CALL_UNMAP_VP_STATE_PAGE, "HvUnmapVpStatePage", "later revisions", .in = sizeof(struct hv_in_vp_state_page),
	  .on = CALL_ON_CHILD, .run = unmap_vp_state_page },
	{ .name = NULL },
};
