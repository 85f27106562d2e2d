/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference time (15.2, 15.4). */
#ifndef HV_TIME_H
#define HV_TIME_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Reference time counts 100 ns units since the partition was created (T15.2.1.a). */
#define HV_REFERENCE_HZ 10000000ull

/*
 * The reference TSC page (T15.4.2.a):
 *	time = high 64 bits of (TSC * scale) + offset
 * "Unusable" is sequence 0 to every shipping guest, 0xffffffff by the 2009 text
 * (T15.4.3.2.c); so valid sequences are neither.
 */
struct hv_reference_tsc_page {
	uint32_t sequence;
	uint32_t reserved;
	uint64_t scale;
	int64_t offset;
	uint8_t reserved2[4072];
};
static_assert(offsetof(struct hv_reference_tsc_page, scale) == 8, "15.4.2");
static_assert(offsetof(struct hv_reference_tsc_page, offset) == 16, "15.4.2");
static_assert(sizeof(struct hv_reference_tsc_page) == 4096, "15.4.2");

enum { HV_REFERENCE_TSC_UNUSABLE = 0, HV_REFERENCE_TSC_FIRST = 1 };
#define HV_REFERENCE_TSC_LAST 0xfffffffeu

#endif
