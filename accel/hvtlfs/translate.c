/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses and memory of a child, as one of its VPs has them (12.4.4 to 12.4.6): for parents that finish an
 * instruction for it.  Nothing of it raises an exception or makes an intercept in the child.
 */
#include "call.h"

#include <string.h>

#include "accel/hvtlfs/component.h"
#include "accel/hvtlfs/mutant.h"
#include "flush.h"
#include "hv/intercept.h"
#include "hv/mmu.h"
#include "hv/vp.h"
#include "partition.h"
#include "state-page.h"
#include "target/i386/flags.h"
#include "target/i386/mem.h"

/* ---- 12.4.4 ---- */

#define KNOWN_FLAGS (HV_TRANSLATE_READ | HV_TRANSLATE_WRITE | HV_TRANSLATE_EXECUTE | HV_TRANSLATE_PRIVILEGE_EXEMPT | \
		     HV_TRANSLATE_SET_TABLE_BITS | HV_TRANSLATE_FLUSH_INHIBIT | HV_TRANSLATE_SUPERVISOR | HV_TRANSLATE_USER | \
		     HV_TRANSLATE_ENFORCE_SMAP | HV_TRANSLATE_OVERRIDE_SMAP | HV_TRANSLATE_USE_VTL)
#define ACCESSES (HV_TRANSLATE_READ | HV_TRANSLATE_WRITE | HV_TRANSLATE_EXECUTE)
/* 63:52 of a page number would be beyond 64-bit addresses. */
enum { PAGE_NUMBER_BITS = 52 };

struct translation {
	const struct hv_in_translate_virtual_address *in;
	uint32_t result, info;
	uint64_t gpa_page;
	uint32_t fault;              /* error code of the #PF that the VP would get; of results 1 to 3 */
	bool user;
};

/* T12.4.4.m, and the codes 4 to 7: what keeps a page table from being reached. */
static uint32_t table_result(const struct vp *vp, gpn_t at, bool write)
{
	switch (gpa_map_access(&vp->partition->map, at, write ? X86_PAGE_WRITE : X86_PAGE_READ)) {
	case GPA_UNMAPPED:
		return HV_TRANSLATE_GPA_UNMAPPED;
	case GPA_FORBIDDEN:
		return HV_TRANSLATE_GPA_ILLEGAL_OVERLAY;
	default:
		return write ? HV_TRANSLATE_GPA_NO_WRITE : HV_TRANSLATE_GPA_NO_READ;
	}
}

static bool as_user(const struct vp *vp, uint64_t flags)
{
	if (flags & HV_TRANSLATE_USER)
		return true;
	return x86_cpl(&vp->cpu) == 3 && !(flags & (HV_TRANSLATE_PRIVILEGE_EXEMPT | HV_TRANSLATE_SUPERVISOR));   /* T12.4.4.g */
}

static bool with_smap(const struct vp *vp, uint64_t flags)
{
	if (flags & (HV_TRANSLATE_ENFORCE_SMAP | HV_TRANSLATE_OVERRIDE_SMAP))
		return flags & HV_TRANSLATE_ENFORCE_SMAP;
	return !(vp->cpu.eflags & X86_AC);
}

static void translated(struct vp *vp, struct translation *t, const struct x86_translation *x)
{
	gpn_t at = gpa_page((gpa_t){ x->gpa });
	struct gpa_target target;

	t->gpa_page = at.v;
	switch (x->result) {
	case X86_TRANSLATED:
		/* T12.4.4.o: what is there is not asked. */
		t->result = HV_TRANSLATE_SUCCESS;
		t->info = x->type;                         /* T12.4.4.l, T12.2.1.a */
		if (gpa_map_lookup(&vp->partition->map, at, &target) && target.overlay)
			t->info |= HV_TRANSLATE_OVERLAY_PAGE;
		return;
	case X86_TABLE_UNREADABLE:
	case X86_TABLE_UNWRITABLE:
		t->result = table_result(vp, at, x->result == X86_TABLE_UNWRITABLE);
		return;
	case X86_NOT_PRESENT:
		t->result = HV_TRANSLATE_PAGE_NOT_PRESENT;
		break;
	case X86_NOT_ALLOWED:
		t->result = HV_TRANSLATE_PRIVILEGE_VIOLATION;
		t->fault = 1;
		break;
	case X86_TABLE_RESERVED:
		t->result = HV_TRANSLATE_INVALID_TABLE_FLAGS;
		t->fault = 1 | 8;
		break;
	}
	t->gpa_page = 0;                                   /* T12.4.4.n */
}

static void translate_visit(struct vp *vp, void *o)
{
	struct translation *t = o;
	uint64_t flags = t->in->flags;
	struct x86_translation x = {
		.access = (flags & HV_TRANSLATE_READ ? 1u << X86_READ : 0) | (flags & HV_TRANSLATE_WRITE ? 1u << X86_WRITE : 0) |
			  (flags & HV_TRANSLATE_EXECUTE ? 1u << X86_EXEC : 0),
		.mark = (flags & HV_TRANSLATE_SET_TABLE_BITS) && !MUTANT(translate_marks_nothing),
	};

	register_page_load(vp);
	/* Registers that came one by one: what follows from them together. */
	if (vp->unsettled)
		vp->unsettled = !x86_settle(&vp->cpu);
	x.user = t->user = as_user(vp, flags);
	x.smap = with_smap(vp, flags);
	if (!(vp->cpu.cr0 & CR0_PG))
		x = (struct x86_translation){ .result = X86_TRANSLATED, .gpa = t->in->gva_page << HV_PAGE_SHIFT, .type = X86_TYPE_WB };
	else if (t->in->gva_page >> PAGE_NUMBER_BITS)
		x.result = X86_NOT_PRESENT;
	else
		x86_translate(&vp->cpu, t->in->gva_page << HV_PAGE_SHIFT, &x);
	translated(vp, t, &x);
	if (!(vp->cpu.cr0 & CR0_PG))
		t->gpa_page = t->in->gva_page;             /* T12.4.4.f, whatever it is */
	if (t->result == HV_TRANSLATE_SUCCESS && flags & HV_TRANSLATE_FLUSH_INHIBIT)
		flush_inhibit(vp);                         /* T12.4.4.k, OP-21 */
}

static hv_status run_translation(struct hv_ctx *c, struct translation *t)
{
	const struct hv_in_translate_virtual_address *in = c->in;
	struct vp *vp = partition_vp(c->target, in->vp_index);

	*t = (struct translation){ .in = in };
	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;
	if (!(in->flags & ACCESSES) || in->flags & ~KNOWN_FLAGS)
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.4.b, T12.4.4.d */
	vp_visit(c->vp, vp, translate_visit, t);
	return HV_STATUS_SUCCESS;                          /* T12.4.4.a */
}

static hv_status translate_virtual_address(struct hv_ctx *c)
{
	struct hv_out_translate_virtual_address *out = c->out;
	struct translation t;
	hv_status s = run_translation(c, &t);

	*out = (struct hv_out_translate_virtual_address){ t.result, t.info, t.gpa_page };
	return s;
}

static bool is_fault(const struct translation *t)
{
	return t->result == HV_TRANSLATE_PAGE_NOT_PRESENT || t->result == HV_TRANSLATE_PRIVILEGE_VIOLATION ||
	       t->result == HV_TRANSLATE_INVALID_TABLE_FLAGS;
}

static hv_status translate_virtual_address_ex(struct hv_ctx *c)
{
	struct hv_out_translate_virtual_address_ex *out = c->out;
	struct translation t;
	hv_status s = run_translation(c, &t);

	*out = (struct hv_out_translate_virtual_address_ex){ .result = t.result, .info = t.info, .gpa_page = t.gpa_page };
	if (s != HV_STATUS_SUCCESS || !is_fault(&t))
		return s;
	/* As the processor would make its error code; of several accesses it could be any's. */
	t.fault |= (t.in->flags & HV_TRANSLATE_WRITE ? 2 : 0) | (t.user ? 4 : 0) | (t.in->flags & ACCESSES) / HV_TRANSLATE_EXECUTE * 16;
	out->event[0] = HV_EVENT_PENDING | HV_EVENT_DELIVER_ERROR | (uint64_t)X86_PFAULT << HV_EVENT_VECTOR_SHIFT |
			(uint64_t)t.fault << HV_EVENT_ERROR_SHIFT;
	out->event[1] = t.in->gva_page << HV_PAGE_SHIFT;
	return s;
}

/* ---- 12.4.5, 12.4.6 ---- */

struct access {
	gpa_t at;
	uint8_t *data;
	uint32_t bytes;
	bool write;
	uint32_t result;
};

/* Device memory that the hypervisor has itself; false: there is none. */
static bool window(struct vp *vp, gpa_t at, unsigned size, bool write, uint64_t *value)
{
	struct hv *hv = vp->partition->hv;

	for (unsigned i = 0; i < hv->component_count; i++) {
		const struct vp_component *k = hv->components[i];

		if (write ? k->mmio_write && k->mmio_write(vp, vp->component[i], at, size, *value) :
			    k->mmio_read && k->mmio_read(vp, vp->component[i], at, size, value))
			return true;
	}
	return false;
}

static void ram(struct partition *p, spn_t frame, unsigned offset, unsigned size, bool write, uint64_t *value)
{
	void *at = frames_host(&p->hv->frames, frame) + offset;

	if (!write) {
		*value = size == 4 ? x86_host_ld32(at) : size == 2 ? x86_host_ld16(at) : x86_host_ld8(at);
		return;
	}
	if (size == 4)
		x86_host_st32(at, (uint32_t)*value);
	else if (size == 2)
		x86_host_st16(at, (uint16_t)*value);
	else
		x86_host_st8(at, (uint8_t)*value);
	memory_written(p, frame, offset, size);
}

/* @size bytes, aligned. */
static uint32_t access_piece(struct vp *vp, gpa_t at, unsigned size, bool write, uint64_t *value)
{
	struct partition *p = vp->partition;
	struct gpa_target t;

	if (!gpa_map_lookup(&p->map, gpa_page(at), &t))
		return window(vp, at, size, write, value) ? HV_ACCESS_SUCCESS : HV_ACCESS_UNMAPPED;   /* T12.4.5.c, T12.4.5.m */
	if (!(t.rights & (write ? X86_PAGE_WRITE : X86_PAGE_READ)) && !MUTANT(access_any_rights))
		return t.overlay ? HV_ACCESS_ILLEGAL_OVERLAY : write ? HV_ACCESS_WRITE_INTERCEPT : HV_ACCESS_READ_INTERCEPT;   /* OP-23 */
	ram(p, t.frame, gpa_offset(at), size, write, value);
	return HV_ACCESS_SUCCESS;
}

/* T12.4.5.i: as large as alignment and what is left allow, 4 bytes at most. */
static unsigned piece_size(uint64_t at, uint32_t left)
{
	unsigned size = at & 1 || MUTANT(access_in_bytes) ? 1 : at & 2 ? 2 : 4;

	while (size > left)
		size /= 2;
	return size;
}

static void access_visit(struct vp *vp, void *o)
{
	struct access *a = o;

	for (uint32_t done = 0; done < a->bytes && a->result == HV_ACCESS_SUCCESS;) {
		gpa_t at = { a->at.v + done };
		unsigned size = piece_size(at.v, a->bytes - done);
		uint64_t value = 0;

		if (a->write)
			memcpy(&value, a->data + done, size);
		a->result = access_piece(vp, at, size, a->write, &value);
		if (!a->write && a->result == HV_ACCESS_SUCCESS)
			memcpy(a->data + done, &value, size);
		done += size;
	}
}

static bool is_cache_type(uint64_t v)
{
	return v == HV_CACHE_UNCACHED || v == HV_CACHE_WRITE_COMBINING || v == HV_CACHE_WRITE_THROUGH ||
	       v == HV_CACHE_WRITE_PROTECTED || v == HV_CACHE_WRITE_BACK;
}

/* @result: of the access, if the call succeeds.  The data that it has if it failed is what was read before. */
static hv_status run_access(struct hv_ctx *c, bool write, uint8_t *data, uint32_t *result)
{
	const struct hv_in_read_gpa *in = c->in;
	struct vp *vp = partition_vp(c->target, in->vp_index);
	struct access a = { .at = { in->base_gpa }, .data = data, .bytes = in->byte_count, .write = write };

	if (!vp)
		return HV_STATUS_INVALID_VP_INDEX;
	if (!in->byte_count || in->byte_count > HV_ACCESS_GPA_BYTES)
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.5.d */
	if (gpa_offset(a.at) + in->byte_count > HV_PAGE_SIZE || gpa_page(a.at).v >= c->target->map.pages)
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.5.e, T12.4.5.f */
	if (!is_cache_type(in->flags))
		return HV_STATUS_INVALID_PARAMETER;        /* T12.4.5.g, T12.4.5.h */
	vp_visit(c->vp, vp, access_visit, &a);
	*result = a.result;                                /* T12.4.5.l */
	return HV_STATUS_SUCCESS;
}

static hv_status read_gpa(struct hv_ctx *c)
{
	struct hv_out_read_gpa *out = c->out;

	return run_access(c, false, out->data, &out->result);
}

static hv_status write_gpa(struct hv_ctx *c)
{
	struct hv_in_write_gpa in = *(const struct hv_in_write_gpa *)c->in;
	struct hv_out_write_gpa *out = c->out;

	return run_access(c, true, in.data, &out->result);
}

const struct hv_call translate_calls[] = {
	{ HV_CALL_TRANSLATE_VIRTUAL_ADDRESS, "HvTranslateVirtualAddress", "12.4.4",
	  .in = sizeof(struct hv_in_translate_virtual_address), .out = sizeof(struct hv_out_translate_virtual_address),
	  .on = CALL_ON_CHILD, .run = translate_virtual_address },
	{ HV_CALL_TRANSLATE_VIRTUAL_ADDRESS_EX, "HvTranslateVirtualAddressEx", "later revisions",
	  .in = sizeof(struct hv_in_translate_virtual_address), .out = sizeof(struct hv_out_translate_virtual_address_ex),
	  .on = CALL_ON_CHILD, .run = translate_virtual_address_ex },
	{ HV_CALL_READ_GPA, "HvReadGpa", "12.4.5", .in = sizeof(struct hv_in_read_gpa), .out = sizeof(struct hv_out_read_gpa),
	  .on = CALL_ON_CHILD, .run = read_gpa },
	{ HV_CALL_WRITE_GPA, "HvWriteGpa", "12.4.6", .in = sizeof(struct hv_in_write_gpa), .out = sizeof(struct hv_out_write_gpa),
	  .on = CALL_ON_CHILD, .run = write_gpa },
	{ .name = NULL },
};
