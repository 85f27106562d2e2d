/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pages that guest and hypervisor both write: messages, event flags, assist page. */
#include "hv.h"

int main(int argc, char **argv)
{
	static const unsigned weights[ACT_COUNT] = {
		[ACT_HYPERCALL] = 8, [ACT_MSR] = 10, [ACT_MEMORY] = 16, [ACT_INTERRUPT] = 4, [ACT_RUN] = 1,
	};

	return hv_fuzz_main(argc, argv, "synic", weights);
}
