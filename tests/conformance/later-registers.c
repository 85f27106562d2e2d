/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registers that later revisions have names for, cited at the rows of chapter 10 that they stand beside. */
#include "child.h"

#include "hv/msr.h"

/* Of MPX, CET, supervisor states and a ring of events: children have none of them. */
static const struct { uint32_t first, count; } absent[] = {
	{ HV_REGISTER_BNDCFGS, 1 }, { HV_REGISTER_XSS, 2 }, { HV_REGISTER_S_CET, 2 }, { HV_REGISTER_PL0_SSP, 4 }, { HV_REGISTER_SSP_TABLE, 1 },
	{ HV_REGISTER_SIRBP, 1 },
};

RULE_HOST(T10_2_2_a, "registers of features that the child has not are 0, and take nothing else")
{
	uint64_t id = make_child(EXO).id;

	for (unsigned i = 0; i < sizeof absent / sizeof absent[0]; i++)
		for (uint32_t n = absent[i].first; n < absent[i].first + absent[i].count; n++) {
			check_register(id, 0, n, 0);
			check_status(set_register(id, 0, n, 0), HV_STATUS_SUCCESS);
			check_status(set_register(id, 0, n, 0x1000), HV_STATUS_INVALID_PARAMETER);
			check_status(set_register128(id, 0, n, (struct hv_register_value){ 0, 1 }), HV_STATUS_INVALID_PARAMETER);
			check_register(id, 0, n, 0);
		}
	/* What IA32_DEBUGCTL would switch on there is nothing of; its writes are ignored, as the guest's own. */
	check_status(set_register(id, 0, HV_REGISTER_DEBUGCTL, 1), HV_STATUS_SUCCESS);
	check_register(id, 0, HV_REGISTER_DEBUGCTL, 0);
}

RULE_HOST(T10_4_3_e, "who has a ring of events reads by name where it is")
{
	set_msr(HV_X64_MSR_SIRBP, test_page(3));
	check_register(own_id(), 0, HV_REGISTER_SIRBP, test_page(3));
	set_msr(HV_X64_MSR_SIRBP, 0);
}
