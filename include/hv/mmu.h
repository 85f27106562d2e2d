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

/* HV_TRANSLATE_GVA_CONTROL_FLAGS (12.3); from SUPERVISOR on of later revisions. */
#define HV_TRANSLATE_READ (1ull << 0)
#define HV_TRANSLATE_WRITE (1ull << 1)
#define HV_TRANSLATE_EXECUTE (1ull << 2)
#define HV_TRANSLATE_PRIVILEGE_EXEMPT (1ull << 3)
#define HV_TRANSLATE_SET_TABLE_BITS (1ull << 4)
#define HV_TRANSLATE_FLUSH_INHIBIT (1ull << 5)
#define HV_TRANSLATE_SUPERVISOR (1ull << 6)
#define HV_TRANSLATE_USER (1ull << 7)
#define HV_TRANSLATE_ENFORCE_SMAP (1ull << 8)
#define HV_TRANSLATE_OVERRIDE_SMAP (1ull << 9)
#define HV_TRANSLATE_USE_VTL (1ull << 60)     /* with a trust level in 59:56, of which there is 0 */

/* HV_TRANSLATE_GVA_RESULT_CODE (12.3) */
enum {
	HV_TRANSLATE_SUCCESS = 0, HV_TRANSLATE_PAGE_NOT_PRESENT = 1, HV_TRANSLATE_PRIVILEGE_VIOLATION = 2,
	HV_TRANSLATE_INVALID_TABLE_FLAGS = 3, HV_TRANSLATE_GPA_UNMAPPED = 4, HV_TRANSLATE_GPA_NO_READ = 5,
	HV_TRANSLATE_GPA_NO_WRITE = 6, HV_TRANSLATE_GPA_ILLEGAL_OVERLAY = 7,
};
#define HV_TRANSLATE_CACHE_TYPE 0xffu
#define HV_TRANSLATE_OVERLAY_PAGE (1u << 8)

/* 0x0052 (12.4.4), 0x00ac: input */
struct hv_in_translate_virtual_address {
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t padding;
	uint64_t flags;
	uint64_t gva_page;
};
static_assert(sizeof(struct hv_in_translate_virtual_address) == 32, "12.4.4");

struct hv_out_translate_virtual_address {
	uint32_t result;
	uint32_t info;                /* cache type, HV_TRANSLATE_OVERLAY_PAGE */
	uint64_t gpa_page;
};
static_assert(sizeof(struct hv_out_translate_virtual_address) == 16, "12.4.4");

/* 0x00ac: what the VP would be told of, as an event that can be put into HV_REGISTER_PENDING_EVENT0. */
struct hv_out_translate_virtual_address_ex {
	uint32_t result;
	uint32_t info;
	uint64_t reserved;
	uint64_t event[4];
	uint64_t gpa_page;
	uint64_t reserved2;
};
static_assert(sizeof(struct hv_out_translate_virtual_address_ex) == 64, "later revisions");

/* 0x0053 (12.4.5): input; 0x0054 (12.4.6): without its data. */
struct hv_in_read_gpa {
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t byte_count;
	uint64_t base_gpa;
	uint64_t flags;               /* 7:0 cache type */
};
static_assert(sizeof(struct hv_in_read_gpa) == 32, "12.4.5");
struct hv_in_write_gpa {
	struct hv_in_read_gpa to;
	uint8_t data[16];
};
static_assert(sizeof(struct hv_in_write_gpa) == 48, "12.4.6");
enum { HV_ACCESS_GPA_BYTES = 16 };

/* HV_ACCESS_GPA_RESULT_CODE (12.3) */
enum { HV_ACCESS_SUCCESS = 0, HV_ACCESS_UNMAPPED = 1, HV_ACCESS_READ_INTERCEPT = 2, HV_ACCESS_WRITE_INTERCEPT = 3,
       HV_ACCESS_ILLEGAL_OVERLAY = 4 };
struct hv_out_write_gpa {
	uint32_t result;
	uint32_t reserved;
};
static_assert(sizeof(struct hv_out_write_gpa) == 8, "12.4.6");
struct hv_out_read_gpa {
	uint32_t result;
	uint32_t reserved;
	uint8_t data[16];
};
static_assert(sizeof(struct hv_out_read_gpa) == 24, "12.4.5");

#endif
