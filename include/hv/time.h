/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference time and synthetic timers (15.2 to 15.4). */
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

/* STIMERn_CONFIG (15.3.1); 12:4 are of later revisions: HV_FEATURE_DIRECT_TIMERS. */
enum {
	HV_TIMER_ENABLE = 1 << 0,
	HV_TIMER_PERIODIC = 1 << 1,
	HV_TIMER_LAZY = 1 << 2,
	HV_TIMER_AUTO_ENABLE = 1 << 3,
	HV_TIMER_VECTOR_SHIFT = 4,
	HV_TIMER_VECTOR = 0xff << HV_TIMER_VECTOR_SHIFT,
	HV_TIMER_DIRECT = 1 << 12,
	HV_TIMER_SINT_SHIFT = 16,
	HV_TIMER_SINT = 0xf << HV_TIMER_SINT_SHIFT,
};
#define HV_TIMER_RESERVED 0xfffffffffff0e000ull
static_assert((HV_TIMER_RESERVED & (HV_TIMER_ENABLE | HV_TIMER_PERIODIC | HV_TIMER_LAZY | HV_TIMER_AUTO_ENABLE |
				    HV_TIMER_VECTOR | HV_TIMER_DIRECT | HV_TIMER_SINT)) == 0, "15.3.1");

#endif
