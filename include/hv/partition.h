/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Partition identifiers and the privilege mask (5.2.1, 5.2.3). */
#ifndef HV_PARTITION_H
#define HV_PARTITION_H

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

#endif
