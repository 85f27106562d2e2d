/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts (chapter 13); the hypercalls are of later revisions. */
#ifndef HV_INTERRUPT_H
#define HV_INTERRUPT_H

#include <assert.h>
#include <stdint.h>

#include "hv/mmu.h"

/* Vectors that a fixed interrupt may have. */
enum { HV_VECTOR_FIRST = 0x10, HV_VECTOR_LAST = 0xff };

/* 0x000b: input.  The byte behind the vector would be a virtual trust level. */
struct hv_in_send_ipi {
	uint32_t vector, reserved;
	uint64_t processor_mask;      /* bit n: VP index n */
};
static_assert(sizeof(struct hv_in_send_ipi) == 16, "later revisions");

/* 0x0015 */
struct hv_in_send_ipi_ex {
	uint32_t vector, reserved;
	struct hv_vp_set processors;
};
static_assert(sizeof(struct hv_in_send_ipi_ex) == 24, "later revisions");

/* The VP assist page (13.3.4.1): its first word. */
enum { HV_ASSIST_NO_EOI_REQUIRED = 1 << 0 };
#define HV_MSR_TPR_RESERVED (~0xffull)

#endif
