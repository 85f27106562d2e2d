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
};

/* The common format of MSRs that place a page (T31.g). */
#define HV_MSR_PAGE_ENABLE 1ull
#define HV_MSR_PAGE_PRESERVED 0xffeull   /* RsvdP: kept as written, never a fault */
#define HV_MSR_PAGE_SHIFT 12

#endif
