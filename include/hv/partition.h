/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partitions: identifiers, privileges, life, memory pools (chapters 5 and 7). */
#ifndef HV_PARTITION_H
#define HV_PARTITION_H

#include <assert.h>
#include <stdint.h>

#define HV_PARTITION_ID_INVALID 0ull
#define HV_PARTITION_ID_SELF UINT64_MAX

/* Bits 31:0 are CPUID 0x40000003 EAX, bits 63:32 its EBX (T3.4.h, T3.4.j). */
#define HV_ACCESS_VP_RUN_TIME (1ull << 0)
#define HV_ACCESS_REFERENCE_COUNTER (1ull << 1)
#define HV_ACCESS_SYNIC (1ull << 2)
#define HV_ACCESS_SYNTHETIC_TIMERS (1ull << 3)
#define HV_ACCESS_APIC (1ull << 4)
#define HV_ACCESS_HYPERCALL (1ull << 5)
#define HV_ACCESS_VP_INDEX (1ull << 6)
#define HV_ACCESS_RESET (1ull << 7)
#define HV_ACCESS_STATS_MSRS (1ull << 8)
#define HV_ACCESS_REFERENCE_TSC (1ull << 9)
#define HV_ACCESS_GUEST_IDLE (1ull << 10)
#define HV_ACCESS_FREQUENCIES (1ull << 11)     /* later revisions */
#define HV_ACCESS_REENLIGHTENMENT (1ull << 13)
#define HV_ACCESS_TSC_INVARIANT (1ull << 15)
#define HV_CREATE_PARTITIONS (1ull << 32)
#define HV_ACCESS_PARTITION_ID (1ull << 33)
#define HV_ACCESS_MEMORY_POOL (1ull << 34)
#define HV_ADJUST_MESSAGE_BUFFERS (1ull << 35)
#define HV_POST_MESSAGES (1ull << 36)
#define HV_SIGNAL_EVENTS (1ull << 37)
#define HV_CREATE_PORT (1ull << 38)
#define HV_CONNECT_PORT (1ull << 39)
#define HV_ACCESS_STATS (1ull << 40)
#define HV_DEBUGGING (1ull << 43)
#define HV_CPU_MANAGEMENT (1ull << 44)
#define HV_CONFIGURE_PROFILER (1ull << 45)

/* Where memory comes from (7.2.1). */
struct hv_proximity_domain_info {
	uint32_t id;
	uint32_t flags;
};
static_assert(sizeof(struct hv_proximity_domain_info) == 8, "7.2.1");
#define HV_PROXIMITY_PREFERRED (1u << 0)
#define HV_PROXIMITY_VALID (1u << 31)

/* 0x0040 (5.6.1): input, of later revisions; the 2009 text ends behind the domain. */
struct hv_in_create_partition {
	uint64_t flags;
	struct hv_proximity_domain_info domain;
	uint32_t compatibility_version;
	uint32_t padding;
	uint64_t disabled_features[2];
	uint64_t disabled_xsave_features;
	uint64_t isolation;
};
static_assert(sizeof(struct hv_in_create_partition) == 56, "5.6.1");
#define HV_CREATE_SMT (1ull << 0)
#define HV_CREATE_NESTED (1ull << 1)
#define HV_CREATE_SUPER_PAGES (1ull << 4)
#define HV_CREATE_EXO (1ull << 8)                       /* all that the hypervisor does not answer exits */
#define HV_CREATE_LAPIC (1ull << 13)
#define HV_CREATE_INTERCEPT_MESSAGE_PAGE (1ull << 19)
#define HV_CREATE_X2APIC (1ull << 22)

/* 0x0040, 0x0046 (5.6.7), 0x0047 (5.6.8): output; 0x0041 to 0x0043 (5.6.2 to 5.6.4): input. */
struct hv_partition_id {
	uint64_t partition_id;
};
static_assert(sizeof(struct hv_partition_id) == 8, "5.6");

/* 0x0047 (5.6.8): input */
struct hv_in_get_next_child_partition {
	uint64_t parent_id;
	uint64_t previous_child_id;
};
static_assert(sizeof(struct hv_in_get_next_child_partition) == 16, "5.6.8");

/* 0x0048 (7.3.1): input, before a list of 8-byte GPA page numbers. */
struct hv_in_deposit_memory {
	uint64_t partition_id;
};
static_assert(sizeof(struct hv_in_deposit_memory) == 8, "7.3.1");

/* 0x0049 (7.3.2), 0x004a (7.3.3): input; the former's output is a list of 8-byte GPA page numbers. */
struct hv_in_pool {
	uint64_t partition_id;
	struct hv_proximity_domain_info domain;
};
static_assert(sizeof(struct hv_in_pool) == 16, "7.3.2");

/* 0x004a (7.3.3): output */
struct hv_out_get_memory_balance {
	uint64_t pages_available;
	uint64_t pages_in_use;
};
static_assert(sizeof(struct hv_out_get_memory_balance) == 16, "7.3.3");

/* Properties (5.2.2); those without a section are of later revisions. */
enum {
	HV_PROPERTY_PRIVILEGE_FLAGS = 0x00010000,
	HV_PROPERTY_SYNTHETIC_FEATURES = 0x00010001,
	HV_PROPERTY_CPU_RESERVE = 0x00020001,
	HV_PROPERTY_CPU_CAP = 0x00020002,
	HV_PROPERTY_CPU_WEIGHT = 0x00020003,
	HV_PROPERTY_EMULATED_TIMER_PERIOD = 0x00030000,
	HV_PROPERTY_EMULATED_TIMER_CONTROL = 0x00030001,  /* HV_EMULATED_TIMER_* */
	HV_PROPERTY_PM_TIMER_ASSIST = 0x00030002,        /* HV_PM_TIMER_* */
	HV_PROPERTY_TIME_FREEZE = 0x00030003,
	HV_PROPERTY_REFERENCE_TIME = 0x00030005,
	HV_PROPERTY_DEBUG_CHANNEL_ID = 0x00040000,
	HV_PROPERTY_VIRTUAL_TLB_PAGE_COUNT = 0x00050000,
	HV_PROPERTY_PROCESSORS_PER_SOCKET = 0x00050003,
	HV_PROPERTY_GPA_ACCESS_TRACKING = 0x00050005,
	HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION = 0x00050017,
	HV_PROPERTY_PROCESSOR_VENDOR = 0x00060000,
	HV_PROPERTY_PROCESSOR_FEATURES = 0x00060001,
	HV_PROPERTY_PROCESSOR_XSAVE_FEATURES = 0x00060002,
	HV_PROPERTY_PROCESSOR_CLFLUSH_SIZE = 0x00060003,
	HV_PROPERTY_COMPATIBILITY_VERSION = 0x00060005,
	HV_PROPERTY_PHYSICAL_ADDRESS_WIDTH = 0x00060006,
	HV_PROPERTY_XSAVE_STATES = 0x00060007,
	HV_PROPERTY_MAX_XSAVE_SIZE = 0x00060008,
	HV_PROPERTY_PROCESSOR_CLOCK = 0x00060009,
	HV_PROPERTY_PROCESSOR_FEATURES_0 = 0x0006000a,
	HV_PROPERTY_PROCESSOR_FEATURES_1 = 0x0006000b,
	HV_PROPERTY_GUEST_OS_ID = 0x00070000,
	/* Only by HvGetPartitionPropertyEx. */
	HV_PROPERTY_VMM_CAPABILITIES = 0x00090007,
	HV_PROPERTY_ASSIGNABLE_SYNTHETIC_FEATURES = 0x00090009,
};

/* HV_PROPERTY_VMM_CAPABILITIES: its calls that show a page of the hypervisor's take the place where (0x00e1, 0x0131). */
#define HV_VMM_OVERLAY_LOCATION (1ull << 1)

/* 15.1.5: the control; the period is in units of 100 ns */
#define HV_EMULATED_TIMER_VECTOR 0xffull
enum { HV_EMULATED_TIMER_MODE_SHIFT = 8, HV_EMULATED_TIMER_MODE_MASK = 7, HV_EMULATED_TIMER_MDA_SHIFT = 56 };
#define HV_EMULATED_TIMER_LOGICAL (1ull << 11)
#define HV_EMULATED_TIMER_ENABLED (1ull << 12)
#define HV_EMULATED_TIMER_RESERVED 0x00ffffffffffe000ull

/* 15.1.6 */
#define HV_PM_TIMER_PORT 0xffffull
#define HV_PM_TIMER_WIDTH_24 (1ull << 16)
#define HV_PM_TIMER_ENABLED (1ull << 17)
#define HV_PM_TIMER_RESERVED (~0x3ffffull)

enum { HV_PROCESSOR_VENDOR_AMD = 0, HV_PROCESSOR_VENDOR_INTEL = 1 };   /* 5.2.7 */

/* HV_PROPERTY_SYNTHETIC_FEATURES: what a child has of the hypervisor. */
#define HV_SYNTHETIC_PRESENT (1ull << 0)
#define HV_SYNTHETIC_HV1 (1ull << 1)
#define HV_SYNTHETIC_VP_RUN_TIME (1ull << 2)
#define HV_SYNTHETIC_REFERENCE_COUNTER (1ull << 3)
#define HV_SYNTHETIC_SYNIC (1ull << 4)
#define HV_SYNTHETIC_TIMERS (1ull << 5)
#define HV_SYNTHETIC_APIC (1ull << 6)
#define HV_SYNTHETIC_HYPERCALL (1ull << 7)
#define HV_SYNTHETIC_VP_INDEX (1ull << 8)
#define HV_SYNTHETIC_REFERENCE_TSC (1ull << 9)
#define HV_SYNTHETIC_GUEST_IDLE (1ull << 10)
#define HV_SYNTHETIC_FREQUENCIES (1ull << 11)
#define HV_SYNTHETIC_EXTENDED_RANGES (1ull << 15)
#define HV_SYNTHETIC_DIRECT_TIMERS (1ull << 22)
#define HV_SYNTHETIC_EX_PROCESSOR_MASKS (1ull << 24)
#define HV_SYNTHETIC_REMOTE_FLUSH (1ull << 25)
#define HV_SYNTHETIC_CLUSTER_IPI (1ull << 26)
#define HV_SYNTHETIC_LONG_SPIN_WAIT (1ull << 27)
#define HV_SYNTHETIC_SIGNAL_EVENTS (1ull << 29)

/* 0x0044 (5.6.5): input; the argument is of 0x0101. */
struct hv_in_get_partition_property {
	uint64_t partition_id;
	uint32_t code;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_get_partition_property) == 16, "5.6.5");
struct hv_in_get_partition_property_ex {
	struct hv_in_get_partition_property get;
	uint64_t argument;
};
static_assert(sizeof(struct hv_in_get_partition_property_ex) == 24, "later revisions");

/* 0x0045 (5.6.6): input */
struct hv_in_set_partition_property {
	uint64_t partition_id;
	uint32_t code;
	uint32_t padding;
	uint64_t value;
};
static_assert(sizeof(struct hv_in_set_partition_property) == 24, "5.6.6");

/* Output of 0x0101 for properties of many bits. */
struct hv_property_banks {
	uint16_t count;
	uint16_t reserved[3];
	uint64_t bank[1];
};
static_assert(sizeof(struct hv_property_banks) == 16, "later revisions");

#endif
