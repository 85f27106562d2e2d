/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The local APIC, a VP component: xAPIC page, x2APIC MSRs, IA32_APIC_BASE,
 * IA32_TSC_DEADLINE.
 */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include "accel/hvtlfs/component.h"

/* Input of the timer's divider.  One tick a nanosecond; what CPUID and synthetic MSRs tell must agree. */
#define APIC_TIMER_HZ UINT64_C(1000000000)
#define APIC_DEFAULT_BASE UINT64_C(0xfee00000)

extern const struct vp_component apic_component;

#endif
