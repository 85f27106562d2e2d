/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For rules of the root partition (RULE_ROOT): its calls about logical processors. */
#ifndef CONFORMANCE_ROOT_H
#define CONFORMANCE_ROOT_H

#include "host.h"
#include "hv/root.h"

/* HvGetLogicalProcessorRunTime, HvAddLogicalProcessor, HvCreateVp of the root's own on a logical processor. */
struct reply lp_run_time(uint32_t lp, struct hv_out_get_lp_run_time *out);
struct reply add_lp(uint32_t lp, uint32_t apic_id);
struct reply make_root_vp(uint32_t vp, uint64_t lp);
/* All logical processors are known, and each VP can be started; as often as one likes. */
void root_bring_up(void);

#endif
