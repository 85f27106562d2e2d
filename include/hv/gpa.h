/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guest physical address spaces (chapter 8), in the layouts of later revisions. */
#ifndef HV_GPA_H
#define HV_GPA_H

#include <assert.h>
#include <stdint.h>

/* HV_MAP_GPA_FLAGS (8.2.1).  The 2009 text has the first three; execution then is all of it. */
#define HV_MAP_GPA_READABLE (1u << 0)
#define HV_MAP_GPA_WRITABLE (1u << 1)
#define HV_MAP_GPA_KERNEL_EXECUTABLE (1u << 2)
#define HV_MAP_GPA_EXECUTABLE HV_MAP_GPA_KERNEL_EXECUTABLE
#define HV_MAP_GPA_USER_EXECUTABLE (1u << 3)
#define HV_MAP_GPA_ADJUSTABLE (1u << 15)
/* What is mapped, by two bits: the source page (0), nothing, a page of zeros, one of ones. */
#define HV_MAP_GPA_NO_ACCESS (1u << 16)
#define HV_MAP_GPA_ZERO_PAGE (2u << 16)
#define HV_MAP_GPA_ONES_PAGE (3u << 16)
#define HV_MAP_GPA_CONTENT (3u << 16)
#define HV_MAP_GPA_NOT_CACHED (1u << 21)
#define HV_MAP_GPA_CLEAR_ACCESSED (1u << 24)
#define HV_MAP_GPA_SET_ACCESSED (1u << 25)
#define HV_MAP_GPA_CLEAR_DIRTY (1u << 26)
#define HV_MAP_GPA_SET_DIRTY (1u << 27)
#define HV_MAP_GPA_RANGE_NOT_ACCESSED (1u << 28)
#define HV_MAP_GPA_LARGE_PAGE (1u << 31)

/* Pages of 4 KiB in a large page. */
#define HV_GPA_LARGE_PAGES 512u

/* 0x004b (8.3.1): input, before a list of 8-byte page numbers of the caller. */
struct hv_in_map_gpa_pages {
	uint64_t target_partition_id;
	uint64_t target_gpa_base;
	uint32_t map_flags;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_map_gpa_pages) == 24, "8.3.1");

/* 0x004c (8.3.2): input; no list.  The flags are of later revisions. */
struct hv_in_unmap_gpa_pages {
	uint64_t target_partition_id;
	uint64_t target_gpa_base;
	uint32_t flags;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_unmap_gpa_pages) == 24, "8.3.2");
#define HV_UNMAP_GPA_LARGE_PAGE (1u << 1)

/* 0x006e (8.3.3): input, before a list of struct hv_gpa_mapping; 0x0090: before 8-byte page numbers of the target. */
struct hv_in_sparse_gpa_pages {
	uint64_t target_partition_id;
	uint32_t map_flags;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_sparse_gpa_pages) == 16, "8.3.3");

struct hv_gpa_mapping {
	uint64_t target_gpa_page;
	uint64_t source_gpa_page;
};
static_assert(sizeof(struct hv_gpa_mapping) == 16, "8.3.3");

/* 0x00c9, of later revisions: input, no list; a byte comes back for each page, as it was before. */
struct hv_in_access_states {
	uint64_t target_partition_id;
	uint64_t flags;
	uint64_t first_gpa_page;
};
static_assert(sizeof(struct hv_in_access_states) == 24, "later revisions");
#define HV_ACCESS_CLEAR_ACCESSED (1ull << 0)
#define HV_ACCESS_SET_ACCESSED (1ull << 1)
#define HV_ACCESS_CLEAR_DIRTY (1ull << 2)
#define HV_ACCESS_SET_DIRTY (1ull << 3)
/* The byte. */
#define HV_PAGE_ACCESSED (1u << 0)
#define HV_PAGE_DIRTY (1u << 1)

#endif
