/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The list of VP components: one line registers one.  This file alone knows them by
 * name, so programs that call hv_new_with() link without them.
 */
#include "accel/hvtlfs/component.h"

const struct vp_component *const vp_components[] = {
	&apic_component,
	&synic_component,
	&stimer_component,
	&timer_assist_component,
	&port_component,
	NULL,
};

struct hv *hv_new(const struct hv_config *config, GError **error)
{
	return hv_new_with(config, vp_components, error);
}
