/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feature and interface discovery: CPUID leaves 0x40000000 and up (chapter 3, appendix D). */
#ifndef HV_CPUID_H
#define HV_CPUID_H

#include <stdint.h>

enum {
	HV_CPUID_VENDOR = 0x40000000,       /* T3.4.a, T3.4.b */
	HV_CPUID_INTERFACE = 0x40000001,    /* T3.4.c */
	HV_CPUID_VERSION = 0x40000002,      /* T3.4.f, T3.4.g */
	HV_CPUID_FEATURES = 0x40000003,
	HV_CPUID_RECOMMENDATIONS = 0x40000004,
	HV_CPUID_LIMITS = 0x40000005,
	HV_CPUID_HARDWARE = 0x40000006,
	/* Of later revisions: 7 CPU management, 8 shared virtual memory, 9 and A nesting, B unused, C isolation. */
	HV_CPUID_LAST = 0x4000000c,
	HV_CPUID_RANGE_MASK = 0x0000ffff,   /* leaves that are the hypervisor's to answer */

	/* Leaves of the virtualization stack; Linux reads the last without a check. */
	HV_CPUID_STACK_VENDOR = 0x40000080,
	HV_CPUID_STACK_INTERFACE = 0x40000081,
	HV_CPUID_STACK_PROPERTIES = 0x40000082,
};

#define HV_CPUID_1_ECX_HYPERVISOR (1u << 31)   /* leaf 1 (T3.2.a, T3.2.b) */

/* "Microsoft Hv" in EBX, ECX, EDX order, not that of leaf 0 (T3.4.b). */
#define HV_VENDOR_EBX 0x7263694du
#define HV_VENDOR_ECX 0x666f736fu
#define HV_VENDOR_EDX 0x76482074u
#define HV_INTERFACE_EAX 0x31237648u   /* "Hv#1" */

/* Leaf 3: EAX and EBX are the halves of the privilege mask: hv/partition.h. */
enum {
	HV_FEATURE_MWAIT = 1 << 0,
	HV_FEATURE_DEBUGGING = 1 << 1,
	HV_FEATURE_PERFORMANCE_MONITOR = 1 << 2,
	HV_FEATURE_XMM_INPUT = 1 << 4,      /* T3.4.n */
	HV_FEATURE_GUEST_IDLE = 1 << 5,     /* T3.4.p */
	HV_FEATURE_FREQUENCY_MSRS = 1 << 8, /* later revisions; Linux tests it with privilege bit 11 */
	HV_FEATURE_CRASH_MSRS = 1 << 10,
	HV_FEATURE_EXTENDED_RANGES = 1 << 14,  /* of lists of addresses to flush */
	HV_FEATURE_DIRECT_TIMERS = 1 << 19,
};

/* Leaf 4, EAX */
enum {
	HV_HINT_AS_SWITCH = 1 << 0,
	HV_HINT_LOCAL_FLUSH = 1 << 1,
	HV_HINT_REMOTE_FLUSH = 1 << 2,
	HV_HINT_APIC_MSRS = 1 << 3,
	HV_HINT_RESET_MSR = 1 << 4,
	HV_HINT_RELAXED_TIMING = 1 << 5,
	HV_HINT_NO_AUTO_EOI = 1 << 9,
	HV_HINT_CLUSTER_IPI = 1 << 10,
	HV_HINT_EX_PROCESSOR_MASKS = 1 << 11,
	HV_HINT_NO_CORE_SHARING = 1 << 18,  /* VPs share a core only if they are threads of one */
};
/* Leaf 4, EBX: never notify about long spin waits (T3.4.t). */
#define HV_SPIN_NEVER_NOTIFY 0xffffffffu

#endif
