/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vpset.h"

/* Bits of bank @b that are VPs of @p. */
static uint64_t existing(const struct partition *p, unsigned b)
{
	return atomic_load_explicit(&p->vps_there[b], memory_order_acquire);
}

void vp_set_all(struct vp_set *s, const struct partition *p)
{
	for (unsigned b = 0; b < VP_BANKS; b++)
		s->bank[b] = existing(p, b);
}

static hv_status from_sparse(struct vp_set *s, const struct partition *p, const struct vp_set_source *from)
{
	unsigned next = 0;

	if ((unsigned)__builtin_popcountll(from->processors->valid_banks) != from->bank_count)
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	for (uint64_t valid = from->processors->valid_banks; valid; valid &= valid - 1) {
		unsigned b = (unsigned)__builtin_ctzll(valid);
		uint64_t bits = from->banks[next++];

		if (b < VP_BANKS)
			s->bank[b] = bits & existing(p, b);
	}
	return HV_STATUS_SUCCESS;
}

hv_status vp_set_build(struct vp_set *s, const struct partition *p, const struct vp_set_source *from)
{
	*s = (struct vp_set){ { 0 } };
	if (!from->processors) {
		s->bank[0] = from->mask & existing(p, 0);
		return HV_STATUS_SUCCESS;
	}
	switch (from->processors->format) {
	case HV_VP_SET_SPARSE:
		return from_sparse(s, p, from);
	case HV_VP_SET_ALL:
		vp_set_all(s, p);
		return HV_STATUS_SUCCESS;
	default:
		return HV_STATUS_INVALID_PARAMETER;
	}
}

bool vp_set_has(const struct vp_set *s, const struct vp *vp)
{
	return s->bank[vp->index / 64] >> vp->index % 64 & 1;
}

struct vp *vp_set_next(const struct vp_set *s, const struct partition *p, const struct vp *after)
{
	uint32_t i = after ? after->index + 1 : 0;

	for (unsigned b = i / 64; b < VP_BANKS; b++) {
		uint64_t rest = s->bank[b];

		if (b == i / 64)
			rest &= UINT64_MAX << i % 64;
		if (rest)
			return p->vps[b * 64 + (unsigned)__builtin_ctzll(rest)];
	}
	return NULL;
}
