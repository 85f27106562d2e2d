/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Segment registers as registers and messages have them (10.3.6). */
#ifndef HV_SEGMENT_H
#define HV_SEGMENT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Attributes: 3:0 type, 4 not a system segment, 6:5 DPL, 7 present, 12 available, 13 long, 14 default,
 * 15 granularity.  The selector comes first, as in shipping software; the text has them the other way round.
 */
struct hv_segment_register {
	uint64_t base;
	uint32_t limit;
	uint16_t selector;
	uint16_t attributes;
};
static_assert(sizeof(struct hv_segment_register) == 16 && offsetof(struct hv_segment_register, selector) == 12,
	      "10.3.6");

#endif
