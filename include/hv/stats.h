/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics pages (chapter 21, appendix J), with the counters of later revisions. */
#ifndef HV_STATS_H
#define HV_STATS_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/partition.h"

/* HV_STATS_OBJECT_TYPE (21.2.1) */
enum {
	HV_STATS_HYPERVISOR = 0x00000001,
	HV_STATS_LP = 0x00000002,
	HV_STATS_PARTITION = 0x00010001,
	HV_STATS_VP = 0x00010002,
};
#define HV_STATS_LOCAL 0x00010000u   /* in those of partitions and VPs (T21.2.1.a) */

/* HV_STATS_OBJECT_IDENTITY: what its bytes mean hangs on the type. */
struct hv_stats_identity {
	union {
		uint64_t partition_id;   /* partition, VP */
		struct {
			uint32_t lp_index, reserved;
		} lp;
		uint64_t none;
	};
	uint32_t vp_index;               /* VP; RsvdZ */
	uint16_t flags;                  /* partition, VP: HV_STATS_FLAG_SELF; RsvdZ */
	uint8_t reserved;
	uint8_t area;                    /* HV_STATS_AREA_*, of later revisions */
};
static_assert(sizeof(struct hv_stats_identity) == 16 && offsetof(struct hv_stats_identity, flags) == 12, "21.2.1");
enum { HV_STATS_FLAG_SELF = 0x0001 };
enum { HV_STATS_AREA_SELF, HV_STATS_AREA_PARENT, HV_STATS_AREA_INTERNAL };

/* 0x006c of later revisions and 0x006d: input; 0x0131, which is 0x006c of 2009: the same with the page behind it. */
struct hv_in_stats_page {
	uint32_t type;
	uint32_t padding;
	struct hv_stats_identity identity;
};
static_assert(sizeof(struct hv_in_stats_page) == 24, "21.3.2");
struct hv_in_map_stats_page_2 {
	struct hv_in_stats_page page;
	uint64_t at;                     /* page number of the caller */
};
static_assert(sizeof(struct hv_in_map_stats_page_2) == 32, "21.3.1");
/* 0x006c of later revisions: output, the page number of the caller's at which it is. */
struct hv_out_map_stats_page {
	uint64_t at;
};

/*
 * A page is 512 words: groups, each a header and its counters (T21.1.3.a).  Later revisions made most groups longer, which is
 * what the minor version tells (T21.1.4.b), so their numbers of VPs' and partitions' counters are not those of 2009:
 * they count from the start of the page, too.
 */
enum { HV_STATS_WORDS = 512 };
/* HV_STATISTICS_GROUP_TYPE (21.1.3): of architectural counters, of others. */
enum { HV_STATS_END_OF_LIST = 0, HV_STATS_GROUP_A = 2, HV_STATS_GROUP_V = 3 };
enum { HV_STATS_MINOR_2009 = 0, HV_STATS_MINOR = 1, HV_STATS_MAJOR = 1 };
#define HV_STATS_HEADER(type, minor, counters) \
	((uint64_t)(type) | (uint64_t)(minor) << 16 | (uint64_t)HV_STATS_MAJOR << 32 | (uint64_t)(counters) * 8 << 48)
static inline uint32_t hv_stats_group(uint64_t header) { return header & 0xffff; }
static inline uint32_t hv_stats_minor(uint64_t header) { return header >> 16 & 0xffff; }
static inline uint32_t hv_stats_major(uint64_t header) { return header >> 32 & 0xffff; }
static inline uint32_t hv_stats_length(uint64_t header) { return (uint32_t)(header >> 48); }

/* Words of each page; the last counter of a group, by which it ends. */
enum {
	HV_STATS_HV_LPS = 1,
	HV_STATS_HV_PARTITIONS = 2,
	HV_STATS_HV_PAGES = 3,
	HV_STATS_HV_VPS = 4,
	HV_STATS_HV_MONITORED = 5,
	HV_STATS_HV_LAST = 12,
};
enum {
	HV_STATS_LP_GLOBAL_TIME = 1,
	HV_STATS_LP_RUN_TIME = 2,
	HV_STATS_LP_HYPERVISOR_TIME = 3,
	HV_STATS_LP_INTERRUPTS = 4,
	HV_STATS_LP_HALTS = 10,
	HV_STATS_LP_ROOT_VP = 19,
	HV_STATS_LP_TSC = 21,
	HV_STATS_LP_LAST = 51,
};
enum {
	HV_STATS_PARTITION_VPS = 1,
	HV_STATS_PARTITION_V = 2,        /* header */
	HV_STATS_PARTITION_TLB_PAGES = 3,
	HV_STATS_PARTITION_ADDRESS_SPACES = 4,
	HV_STATS_PARTITION_DEPOSITED = 5,
	HV_STATS_PARTITION_GPA_PAGES = 6,
	HV_STATS_PARTITION_GPA_CHANGES = 7,
	HV_STATS_PARTITION_FLUSHES = 8,
	HV_STATS_PARTITION_SKIPPED_TICKS = 25,
	HV_STATS_PARTITION_ID = 26,
	HV_STATS_PARTITION_CHILDREN = 46,
	HV_STATS_PARTITION_LAST = 46,
};
enum {
	HV_STATS_VP_RUN_TIME = 1,
	HV_STATS_VP_HYPERVISOR_TIME = 2,
	HV_STATS_VP_V = 6,               /* header */
	HV_STATS_VP_HYPERCALLS = 7,      /* and behind it, as of those below, the time: 100 ns each */
	HV_STATS_VP_INVALIDATIONS = 9,
	HV_STATS_VP_CONTROL = 11,
	HV_STATS_VP_IO = 13,
	HV_STATS_VP_HLT = 15,
	HV_STATS_VP_MWAIT = 17,
	HV_STATS_VP_CPUID = 19,
	HV_STATS_VP_MSR = 21,
	HV_STATS_VP_EMULATED = 29,
	HV_STATS_VP_DEBUG = 31,
	HV_STATS_VP_LARGE_TLB_FILLS = 36,
	HV_STATS_VP_SMALL_TLB_FILLS = 37,
	HV_STATS_VP_PAGE_FAULTS = 38,
	HV_STATS_VP_APIC_PAGE = 39,
	HV_STATS_VP_IO_MESSAGES = 40,
	HV_STATS_VP_MEMORY_MESSAGES = 41,
	HV_STATS_VP_EOIS = 42,
	HV_STATS_VP_OTHER_MESSAGES = 43,
	HV_STATS_VP_SPACE_SWITCHES = 47,
	HV_STATS_VP_DOMAIN_FLUSHES = 48,
	HV_STATS_VP_SPACE_FLUSHES = 49,
	HV_STATS_VP_RANGE_FLUSHES = 51,
	HV_STATS_VP_TPRS = 56,
	HV_STATS_VP_SYNTHETIC_INTERRUPTS = 58,
	HV_STATS_VP_VIRTUAL_INTERRUPTS = 59,
	HV_STATS_VP_IPIS = 60,
	HV_STATS_VP_SELF_IPIS = 61,
	HV_STATS_VP_CALLS_GPA_SPACE = 62,
	HV_STATS_VP_CALLS_LP = 63,
	HV_STATS_VP_CALLS_LONG_SPIN = 64,
	HV_STATS_VP_CALLS_OTHER = 65,
	HV_STATS_VP_CALLS_SYNIC = 66,
	HV_STATS_VP_CALLS_INTERRUPT = 67,
	HV_STATS_VP_CALLS_MMU = 68,
	HV_STATS_VP_CALLS_VP = 69,
	HV_STATS_VP_CORE_RUN_TIME = 148,
	HV_STATS_VP_DISPATCH_BLOCKED = 202,   /* the root has been told that it cannot run */
	HV_STATS_VP_LAST = 213,
};

#endif
