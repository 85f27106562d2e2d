/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic MSRs (appendix H; the frequencies are of later revisions). */
#ifndef HV_MSR_H
#define HV_MSR_H

#include <stdint.h>

enum {
	HV_X64_MSR_GUEST_OS_ID = 0x40000000,
	HV_X64_MSR_HYPERCALL = 0x40000001,
	HV_X64_MSR_VP_INDEX = 0x40000002,
	HV_X64_MSR_RESET = 0x40000003,
	HV_X64_MSR_VP_RUNTIME = 0x40000010,
	HV_X64_MSR_TIME_REF_COUNT = 0x40000020,
	HV_X64_MSR_REFERENCE_TSC = 0x40000021,
	HV_X64_MSR_TSC_FREQUENCY = 0x40000022,
	HV_X64_MSR_APIC_FREQUENCY = 0x40000023,
	HV_X64_MSR_EOI = 0x40000070,
	HV_X64_MSR_ICR = 0x40000071,
	HV_X64_MSR_TPR = 0x40000072,
	HV_X64_MSR_VP_ASSIST_PAGE = 0x40000073,
	HV_X64_MSR_SCONTROL = 0x40000080,
	HV_X64_MSR_SVERSION = 0x40000081,
	HV_X64_MSR_SIEFP = 0x40000082,
	HV_X64_MSR_SIMP = 0x40000083,
	HV_X64_MSR_SIRBP = 0x40000085,     /* later revisions */
	HV_X64_MSR_EOM = 0x40000084,
	HV_X64_MSR_SINT0 = 0x40000090,
	HV_X64_MSR_SINT15 = 0x4000009f,
	HV_X64_MSR_STIMER0_CONFIG = 0x400000b0,   /* and of timers 1 to 3, each followed by its count */
	HV_X64_MSR_STIMER0_COUNT = 0x400000b1,
	HV_X64_MSR_GUEST_IDLE = 0x400000f0,
	HV_X64_MSR_CRASH_P0 = 0x40000100,         /* to P4 */
	HV_X64_MSR_CRASH_CTL = 0x40000105,
	HV_X64_MSR_REENLIGHTENMENT_CONTROL = 0x40000106,   /* 7:0 vector, 16 enable, 63:32 VP */
	HV_X64_MSR_TSC_EMULATION_CONTROL = 0x40000107,     /* 0 enable */
	HV_X64_MSR_TSC_EMULATION_STATUS = 0x40000108,      /* 0 in progress */
	HV_X64_MSR_TSC_INVARIANT_CONTROL = 0x40000118,     /* 0 expose */
};

/* HV_X64_MSR_CRASH_CTL: the guest has crashed; its message is at GPA P3, P4 bytes. */
#define HV_CRASH_NOTIFY (1ull << 63)
#define HV_CRASH_MESSAGE (1ull << 62)

#define HV_RESET_NOW 1ull   /* in HV_X64_MSR_RESET; the rest is reserved (6.3.5) */

#define HV_TSC_INVARIANT_EXPOSE 1ull   /* in HV_X64_MSR_TSC_INVARIANT_CONTROL: leaf 0x80000007 tells it from now on */

/* The common format of MSRs that place a page (T31.g). */
#define HV_MSR_PAGE_ENABLE 1ull
#define HV_MSR_PAGE_PRESERVED 0xffeull   /* RsvdP: kept as written, never a fault */
#define HV_MSR_PAGE_SHIFT 12

#endif
