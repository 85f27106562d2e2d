/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic and APIC MSRs, CPUID leaves. */
#include "hv.h"

int main(int argc, char **argv)
{
	static const unsigned weights[ACT_COUNT] = {
		[ACT_HYPERCALL] = 1, [ACT_MSR] = 20, [ACT_CPUID] = 8, [ACT_MEMORY] = 2, [ACT_INTERRUPT] = 2, [ACT_RUN] = 1,
	};

	return hv_fuzz_main(argc, argv, "msr", weights);
}
