/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the root partition does with the machine: processors, interrupts, power (6, 23; mostly of later revisions). */
#ifndef HV_ROOT_H
#define HV_ROOT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/mmu.h"
#include "hv/partition.h"

/* 0x0004 (6.4.1), with the index of later revisions: input */
struct hv_in_get_lp_run_time {
	uint32_t lp_index;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_get_lp_run_time) == 8, "6.4.1");

/* 0x0004: output, in 100 ns */
struct hv_out_get_lp_run_time {
	uint64_t global_time;
	uint64_t local_run_time;
	uint64_t reserved;
	uint64_t hypervisor_time;
};
static_assert(sizeof(struct hv_out_get_lp_run_time) == 32, "6.4.1");

/* 0x0009 (6.4.2): input */
struct hv_in_park_lps {
	uint64_t mask;               /* bit per logical processor */
};
static_assert(sizeof(struct hv_in_park_lps) == 8, "6.4.2");

/* HV_X64_MSR_POWER_STATE_CONFIG_C1 to C3 (6.3.2) */
enum { HV_POWER_STATES = 3 };
#define HV_POWER_RESERVED 0xf000000000000000ull
#define HV_POWER_CHANGE_SHIFT 52     /* 55:52: HV_POWER_CHANGE_* */
#define HV_POWER_PORT_MASK 0xffffull
#define HV_POWER_HINTS_MASK 0xffffffffull
#define HV_POWER_BREAK_ON_MASKED (1ull << 32)
#define HV_POWER_TYPE_MASK 0xfffffffffffffull   /* what the two above are part of */
enum { HV_POWER_CHANGE_HLT = 0, HV_POWER_CHANGE_IO_HLT = 1, HV_POWER_CHANGE_IO = 2, HV_POWER_CHANGE_MWAIT = 3 };
/* HV_X64_MSR_POWER_STATE_TRIGGER_*: 63:56 times that the processor went idle, 0 ACPI's BM_STS */
#define HV_POWER_IDLE_COUNT_SHIFT 56

/* 0x0076: input, and the status of the processor's start as output. */
struct hv_in_add_logical_processor {
	uint32_t lp_index;
	uint32_t apic_id;
	struct hv_proximity_domain_info domain;
};
static_assert(sizeof(struct hv_in_add_logical_processor) == 16, "later revisions");
struct hv_out_add_logical_processor {
	uint64_t status[7];
};
static_assert(sizeof(struct hv_out_add_logical_processor) == 56, "later revisions");

/* 0x007b: input */
struct hv_in_get_system_property {
	uint32_t property;
	uint32_t padding;
	uint64_t selector;
};
static_assert(sizeof(struct hv_in_get_system_property) == 16, "later revisions");
/* HV_PERF_COUNTER_CONFIGURATION (23.3) */
struct hv_perf_counter_configuration {
	uint32_t source;             /* HV_PROFILE_* */
	uint32_t reserved;
	uint64_t period;
};
static_assert(sizeof(struct hv_perf_counter_configuration) == 16, "23.3");
enum { HV_PROFILE_INVALID, HV_PROFILE_CYCLES_NOT_HALTED, HV_PROFILE_CACHE_MISSES, HV_PROFILE_BRANCH_MISPREDICTIONS };
/* 0x0071 (23.4.2): input; its output is a value as below. */
struct hv_in_get_system_property_2009 {
	uint32_t property;
	uint32_t padding;
};
static_assert(sizeof(struct hv_in_get_system_property_2009) == 8, "23.4.2");
/* 0x006f (23.4.1): input */
struct hv_in_set_system_property {
	uint32_t property;
	uint32_t padding;
	struct hv_perf_counter_configuration value;
};
static_assert(sizeof(struct hv_in_set_system_property) == 24, "23.4.1");
enum { HV_SYSTEM_PROPERTY_PERF_COUNTER = 0, HV_SYSTEM_PROPERTY_SLEEP_STATE = 3, HV_SYSTEM_PROPERTY_SCHEDULER_TYPE = 15, HV_SYSTEM_PROPERTY_CRASH_DUMP_AREA = 47 };
enum { HV_SCHEDULER_CLASSIC = 1, HV_SCHEDULER_ROOT = 4 };
enum { HV_SLEEP_STATE_S5 = 5 };

/* 0x0084 and 0x0087: input */
struct hv_in_word {
	uint32_t value;
	uint32_t more;
};
static_assert(sizeof(struct hv_in_word) == 8, "later revisions");

/* 0x007c: input; a set of VPs, whose mask of banks counts as the first word of the variable header. */
struct hv_in_map_device_interrupt {
	uint64_t partition_id;
	uint64_t device_id;
	uint64_t flags;
	uint64_t entry[2];
	uint32_t type, trigger, vector_count, reserved;
	uint32_t vector;
	uint32_t target_flags;
	uint64_t set_format;
};
static_assert(sizeof(struct hv_in_map_device_interrupt) == 72 && offsetof(struct hv_in_map_device_interrupt, vector) == 56,
	      "later revisions");
/* Bits 63:62 of a device id. */
enum { HV_DEVICE_LOGICAL = 0, HV_DEVICE_PCI = 1, HV_DEVICE_IOAPIC = 2, HV_DEVICE_ACPI = 3 };
#define HV_DEVICE_TYPE_SHIFT 62

/* 0x007c: output; what to write into the device or the I/O APIC. */
struct hv_out_map_device_interrupt {
	uint32_t source;             /* HV_INTERRUPT_SOURCE_* */
	uint32_t reserved;
	union {
		uint64_t rte;
		struct {
			uint32_t address, data;
		} msi;
	};
	uint64_t unused[5];
};
static_assert(sizeof(struct hv_out_map_device_interrupt) == 56, "later revisions");
enum { HV_INTERRUPT_SOURCE_MSI = 1, HV_INTERRUPT_SOURCE_IOAPIC = 2 };

/* 0x007d: input */
struct hv_in_unmap_device_interrupt {
	uint64_t partition_id;
	uint64_t device_id;
	uint64_t entry[2];
};
static_assert(sizeof(struct hv_in_unmap_device_interrupt) == 32, "later revisions");

#endif
