/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Section 4.4: calls of two VPs at once. */
#include "../host.h"
#include "machine.h"

enum { ROUNDS = 100, IN_PAGE = 2, OUT_OF_1 = 3, POOL = 8 };

static volatile uint64_t child;
static volatile unsigned failed;

static void make_and_delete(unsigned cpu)
{
	(void)cpu;
	for (unsigned i = 0; i < ROUNDS; i++) {
		failed += raw_call(HV_CALL_CREATE_PARTITION, test_page(IN_PAGE), test_page(OUT_OF_1)) != HV_STATUS_SUCCESS;
		failed += raw_call(HV_CALL_DELETE_PARTITION | HV_CALL_FAST, *(volatile uint64_t *)test_page(OUT_OF_1), 0) != HV_STATUS_SUCCESS;
	}
}

static void finalize(unsigned cpu)
{
	(void)cpu;
	failed += raw_call(HV_CALL_FINALIZE_PARTITION | HV_CALL_FAST, child, 0) != HV_STATUS_SUCCESS;
}

RULE_HOST_GUEST(T4_4_a, "a simple call is one step: nobody sees half of it")
{
	struct hv_out_get_memory_balance b;
	unsigned looks = 0;

	deposit(HV_PARTITION_ID_SELF, POOL);
	failed = 0;
	start_on_1(make_and_delete);
	while (!percpu[1].done && looks < 1000000) {
		check_status(balance(HV_PARTITION_ID_SELF, &b), HV_STATUS_SUCCESS);
		if (b.pages_available + b.pages_in_use != POOL)
			check_value(b.pages_available + b.pages_in_use, POOL, "pages of the pool while the other VP takes and gives some");
		looks++;
	}
	check_that(smp_wait(1), "VP 1 does not come back");
	check_value(failed, 0, "failed calls of VP 1");
}

RULE_HOST_GUEST(T4_4_c, "a call in several steps shows the states between them, and no other")
{
	for (unsigned i = 0; i < 10; i++) {
		bool over = false;

		child = make_active_partition();
		make_vp(child, 0);
		failed = 0;
		start_on_1(finalize);
		while (!percpu[1].done) {
			struct reply r = get_register(child, 0, HV_REGISTER_RIP).reply;
			uint16_t s = hv_result_status(r.value);

			check_that(s == HV_STATUS_SUCCESS || s == HV_STATUS_INVALID_PARTITION_STATE, "status 0x%x", s);
			check_that(!over || s != HV_STATUS_SUCCESS, "it is active again");
			over |= s != HV_STATUS_SUCCESS;
		}
		check_that(smp_wait(1), "VP 1 does not come back");
		check_value(failed, 0, "failed calls of VP 1");
		check_status(get_register(child, 0, HV_REGISTER_RIP).reply, HV_STATUS_INVALID_PARTITION_STATE);
	}
}
