/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Interrupts (chapter 13); the hypercalls are of later revisions. */
#ifndef HV_INTERRUPT_H
#define HV_INTERRUPT_H

#include <assert.h>
#include <stdint.h>

#include "hv/mmu.h"

/* Vectors that a fixed interrupt may have. */
enum { HV_VECTOR_FIRST = 0x10, HV_VECTOR_LAST = 0xff };

/* HV_INTERRUPT_TYPE (13.4); SMI and the last two are of later revisions. */
enum {
	HV_INTERRUPT_FIXED = 0, HV_INTERRUPT_LOWEST_PRIORITY = 1, HV_INTERRUPT_NMI = 4, HV_INTERRUPT_INIT = 5, HV_INTERRUPT_SIPI = 6,
	HV_INTERRUPT_EXT_INT = 7, HV_INTERRUPT_LINT0 = 8, HV_INTERRUPT_LINT1 = 9,
};
#define HV_INTERRUPT_LEVEL_TRIGGERED (1u << 0)
#define HV_INTERRUPT_LOGICAL (1u << 1)
#define HV_INTERRUPT_LONG_MODE (1u << 30)        /* of later revisions; means nothing here */
#define HV_INTERRUPT_VECTOR_NONE UINT32_MAX

/* 0x0055 (13.5.1), and 0x0094 of later revisions: input. */
struct hv_in_assert_virtual_interrupt {
	uint64_t partition_id;
	uint32_t type;
	uint32_t control;
	uint64_t destination;
	uint32_t vector;
	uint8_t vtl;                  /* of 0x0094; padding otherwise */
	uint8_t padding[3];
};
static_assert(sizeof(struct hv_in_assert_virtual_interrupt) == 32, "13.5.1");

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
