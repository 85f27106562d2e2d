/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hypercalls of all codes and forms, in any state. */
#include "hv.h"

int main(int argc, char **argv)
{
	static const unsigned weights[ACT_COUNT] = {
		[ACT_HYPERCALL] = 20, [ACT_MSR] = 6, [ACT_CPUID] = 1, [ACT_MEMORY] = 4, [ACT_INTERRUPT] = 2, [ACT_RUN] = 1,
	};

	return hv_fuzz_main(argc, argv, "hypercall", weights);
}
