/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hypervisor counts of a child (21, appendix J, with the numbers of later revisions). */
#include "child.h"
#include "hv/hypercall.h"
#include "hv/stats.h"
#include "hv/status.h"

static const volatile uint64_t *partition_page, *vp_page;

/* Where it is; our own pool pays for it. */
static const volatile uint64_t *map(struct child *c, uint32_t type)
{
	struct hv_in_stats_page in = { .type = type, .identity.partition_id = c->id };

	if (call_feeding(HV_CALL_MAP_STATS_PAGE, 0, HV_PARTITION_ID_SELF, &in, sizeof in) != HV_STATUS_SUCCESS)
		guest_die("HvMapStatsPage of type 0x%x", type);
	return (const volatile uint64_t *)(call_out[0] * PAGE);
}

void stats_map(struct child *c)
{
	partition_page = map(c, HV_STATS_PARTITION);
	vp_page = map(c, HV_STATS_VP);
}

void stats_tell(struct child *c)
{
	print("# partition %llu: %llu pages deposited, %llu pages mapped\n", (unsigned long long)c->id,
	      (unsigned long long)partition_page[HV_STATS_PARTITION_DEPOSITED], (unsigned long long)partition_page[HV_STATS_PARTITION_GPA_PAGES]);
	print("# its processor ran %llu ms: %llu hypercalls, %llu accesses to ports, %llu to MSRs, %llu messages to us\n",
	      (unsigned long long)(vp_page[HV_STATS_VP_RUN_TIME] / 10000), (unsigned long long)vp_page[HV_STATS_VP_HYPERCALLS],
	      (unsigned long long)vp_page[HV_STATS_VP_IO], (unsigned long long)vp_page[HV_STATS_VP_MSR],
	      (unsigned long long)(vp_page[HV_STATS_VP_IO_MESSAGES] + vp_page[HV_STATS_VP_MEMORY_MESSAGES] + vp_page[HV_STATS_VP_OTHER_MESSAGES]));
}
