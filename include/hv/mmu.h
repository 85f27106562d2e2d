/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The virtual MMU (chapter 12) and sets of VPs (of later revisions). */
#ifndef HV_MMU_H
#define HV_MMU_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* HV_FLUSH_FLAGS (12.3), 8 bytes in the input. */
#define HV_FLUSH_ALL_PROCESSORS (1ull << 0)
#define HV_FLUSH_ALL_ADDRESS_SPACES (1ull << 1)
#define HV_FLUSH_NON_GLOBAL_ONLY (1ull << 2)
#define HV_FLUSH_EXTENDED_RANGES (1ull << 3)   /* later revisions: leaf 3 EDX bit 14 */

/* 0x0001 (12.4.1): input */
struct hv_in_switch_address_space {
	uint64_t address_space;
};
static_assert(sizeof(struct hv_in_switch_address_space) == 8, "12.4.1");

/* 0x0002, 0x0003 (12.4.2, 12.4.3): input; a list follows with 0x0003. */
struct hv_in_flush {
	uint64_t address_space, flags;
	uint64_t processor_mask;      /* bit n: VP index n */
};
static_assert(sizeof(struct hv_in_flush) == 24, "12.4.2");
static_assert(offsetof(struct hv_in_flush, processor_mask) == 16, "12.4.2");

/*
 * A set of VPs, sparse: bit b of the mask says that 64 bits for VP indices 64b and up
 * follow, in ascending order, as variable header.
 */
enum { HV_VP_SET_SPARSE = 0, HV_VP_SET_ALL = 1 };
struct hv_vp_set {
	uint64_t format, valid_banks;
};
static_assert(sizeof(struct hv_vp_set) == 16, "later revisions");

/* 0x0013, 0x0014: the same for any VP. */
struct hv_in_flush_ex {
	uint64_t address_space, flags;
	struct hv_vp_set processors;
};
static_assert(sizeof(struct hv_in_flush_ex) == 32, "later revisions");

/* An element of the list: first page, number of further ones. */
#define HV_RANGE_PAGE (~0xfffull)
#define HV_RANGE_MORE 0xfffull
/* The same with HV_FLUSH_EXTENDED_RANGES: counts in units of large pages if LARGE is set. */
#define HV_RANGE_EX_MORE 0x7ffull
#define HV_RANGE_EX_LARGE (1ull << 11)

#endif
