/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory as devices, loaders and hypercall parameters reach it.
 *
 * It is shared with running VPs, so all copies are made of atomic loads and stores:
 * a guest that races with its own DMA harms itself only.
 */
#include <string.h>

#include "partition.h"
#include "sync/futex.h"
#include "target/i386/mem.h"

/* partition.accessors: no new ones; the rest counts those under way. */
#define ACCESS_CLOSED (1u << 31)

static bool access_begin(struct partition *p)
{
	if (atomic_fetch_add(&p->accessors, 1) & ACCESS_CLOSED) {
		atomic_fetch_sub(&p->accessors, 1);
		return false;
	}
	return true;
}

static void access_end(struct partition *p)
{
	if (atomic_fetch_sub(&p->accessors, 1) == ACCESS_CLOSED + 1)
		futex_wake_all(&p->accessors);
}

void memory_close(struct partition *p)
{
	uint32_t now = atomic_fetch_or(&p->accessors, ACCESS_CLOSED) | ACCESS_CLOSED;

	while (now != ACCESS_CLOSED) {
		futex_wait(&p->accessors, now, INT64_MAX);
		now = atomic_load(&p->accessors);
	}
}

static void copy_in(void *to, const uint8_t *from, size_t n)
{
	uint8_t *t = to;

	for (; n >= 8 && !((uintptr_t)from & 7); n -= 8, from += 8, t += 8) {
		uint64_t v = x86_host_ld64((const uint64_t *)from);

		memcpy(t, &v, 8);
	}
	for (; n; n--)
		*t++ = x86_host_ld8(from++);
}

static void copy_out(uint8_t *to, const void *from, size_t n)
{
	const uint8_t *f = from;

	for (; n && (uintptr_t)to & 7; n--)
		x86_host_st8(to++, *f++);
	for (; n >= 8; n -= 8, f += 8, to += 8) {
		uint64_t v;

		memcpy(&v, f, 8);
		x86_host_st64((uint64_t *)to, v);
	}
	for (; n; n--)
		x86_host_st8(to++, *f++);
}

void memory_written(struct partition *p, spn_t frame, unsigned offset, size_t n)
{
	struct x86_code_page *code = &frames_descriptor(&p->hv->frames, frame)->code;

	/*
	 * A decoder marks granules before it reads the code: one of us sees the other.
	 * Read-modify-write, because a load could pass the stores before it.
	 */
	if (!atomic_fetch_or(&code->granules, 0))
		return;
	if (x86_code_written(code, offset, n)) {
		partition_code_changed(p, NULL, code);
		x86_code_told(code);
	}
}

/* By GPA, as a VP would: noted. */
static void see(struct partition *p, gpa_t at, uint32_t seen)
{
	if (atomic_load_explicit(&p->tracked, memory_order_relaxed))
		gpa_map_see(&p->map, gpa_page(at), seen);
}

static void page_write(struct partition *p, spn_t frame, unsigned offset, const void *from, size_t n)
{
	copy_out(frames_host(&p->hv->frames, frame) + offset, from, n);
	memory_written(p, frame, offset, n);
}

static size_t page_part(gpa_t at, size_t n)
{
	return MIN(n, HV_PAGE_SIZE - gpa_offset(at));
}

static bool range_has(struct partition *p, gpa_t at, size_t n, uint32_t right)
{
	struct gpa_target t;

	if (n > UINT64_MAX - at.v)
		return false;
	for (size_t part; n; n -= part, at.v += part) {
		part = page_part(at, n);
		if (!gpa_map_lookup(&p->map, gpa_page(at), &t) || !(t.rights & right))
			return false;
	}
	return true;
}

static bool locked_read(struct partition *p, gpa_t at, uint8_t *to, size_t n)
{
	struct gpa_target t;

	if (!range_has(p, at, n, X86_PAGE_READ))
		return false;
	for (size_t part; n; n -= part, at.v += part, to += part) {
		part = page_part(at, n);
		/* Again: a parent may have taken it. */
		if (!gpa_map_lookup(&p->map, gpa_page(at), &t) || !(t.rights & X86_PAGE_READ))
			return false;
		see(p, at, GPA_ACCESSED);
		copy_in(to, frames_host(&p->hv->frames, t.frame) + gpa_offset(at), part);
	}
	return true;
}

static bool locked_write(struct partition *p, gpa_t at, const uint8_t *from, size_t n)
{
	struct gpa_target t;

	if (!range_has(p, at, n, X86_PAGE_WRITE))
		return false;
	for (size_t part; n; n -= part, at.v += part, from += part) {
		part = page_part(at, n);
		if (!gpa_map_lookup(&p->map, gpa_page(at), &t) || !(t.rights & X86_PAGE_WRITE))
			return false;
		see(p, at, GPA_ACCESSED | GPA_DIRTY);
		page_write(p, t.frame, gpa_offset(at), from, part);
	}
	return true;
}

bool partition_read(struct partition *p, gpa_t at, void *to, size_t n)
{
	bool ok;

	if (!access_begin(p))
		return false;
	ok = locked_read(p, at, to, n);
	access_end(p);
	return ok;
}

bool partition_write(struct partition *p, gpa_t at, const void *from, size_t n)
{
	bool ok;

	if (!access_begin(p))
		return false;
	ok = locked_write(p, at, from, n);
	access_end(p);
	return ok;
}

void memory_fill(struct partition *p, spn_t frame, const void *data, size_t n)
{
	page_write(p, frame, 0, data, n);
}

enum x86_result memory_param_check(struct vp *vp, gpa_t at, enum x86_access a)
{
	struct gpa_target t;

	if (gpa_map_lookup(&vp->partition->map, gpa_page(at), &t) && t.rights & 1u << a)
		return X86_OK;
	vp->cpu.outside = X86_NO_LINEAR;
	return vp_ops.probe(vp, at.v, a);
}

enum x86_result memory_param_read(struct vp *vp, gpa_t at, void *to, size_t n)
{
	uint8_t *t = to;
	struct gpa_target target;

	if (gpa_map_lookup(&vp->partition->map, gpa_page(at), &target) && target.rights & X86_PAGE_READ) {
		see(vp->partition, at, GPA_ACCESSED);
		copy_in(to, frames_host(&vp->partition->hv->frames, target.frame) + gpa_offset(at), n);
		return X86_OK;
	}
	vp->cpu.outside = X86_NO_LINEAR;
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = 0;
		enum x86_result r = vp_mmio_read(vp, at.v + i, 8, &v);

		if (r != X86_OK)
			return r;
		memcpy(t + i, &v, MIN(8, n - i));
	}
	return X86_OK;
}

enum x86_result memory_param_write(struct vp *vp, gpa_t at, const void *from, size_t n)
{
	const uint8_t *f = from;
	struct gpa_target target;

	if (gpa_map_lookup(&vp->partition->map, gpa_page(at), &target) && target.rights & X86_PAGE_WRITE) {
		see(vp->partition, at, GPA_ACCESSED | GPA_DIRTY);
		page_write(vp->partition, target.frame, gpa_offset(at), from, n);
		return X86_OK;
	}
	vp->cpu.outside = X86_NO_LINEAR;
	for (size_t i = 0; i + 8 <= n; i += 8) {
		uint64_t v;
		enum x86_result r;

		memcpy(&v, f + i, 8);
		r = vp_mmio_write(vp, at.v + i, 8, v);
		if (r != X86_OK)
			return r;
	}
	return X86_OK;
}
