/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual processors: their calls, register names and register formats (chapter 10). */
#ifndef HV_VP_H
#define HV_VP_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/partition.h"
#include "hv/segment.h"

#define HV_VP_INDEX_SELF 0xfffffffeu

/* 0x004e (10.4.1): input, of later revisions. */
struct hv_in_create_vp {
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t padding[3];
	uint8_t subnode_type;
	uint64_t subnode_id;
	struct hv_proximity_domain_info domain;
	uint64_t flags;
};
static_assert(sizeof(struct hv_in_create_vp) == 40, "10.4.1");

/* 0x004f (10.4.2): input; 0x0050 (10.4.3) and 0x0051 (10.4.4): before their lists. */
struct hv_in_vp {
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl;
	uint8_t reserved[3];
};
static_assert(sizeof(struct hv_in_vp) == 16, "10.4.3");

/* HV_REGISTER_VALUE (10.2.3) */
struct hv_register_value {
	uint64_t low, high;
};
static_assert(sizeof(struct hv_register_value) == 16, "10.2.3");

/* 0x0051: an element of its list. */
struct hv_register_assoc {
	uint32_t name;
	uint32_t padding[3];
	struct hv_register_value value;
};
static_assert(sizeof(struct hv_register_assoc) == 32 && offsetof(struct hv_register_assoc, value) == 16, "10.4.4");

/* Names (10.2.2); 0x00000003, 0x00000004, 0x00041000 and the like are of later revisions. */
enum {
	HV_REGISTER_EXPLICIT_SUSPEND = 0x00000000,
	HV_REGISTER_INTERCEPT_SUSPEND = 0x00000001,
	HV_REGISTER_DISPATCH_SUSPEND = 0x00000003,
	HV_REGISTER_INTERNAL_ACTIVITY_STATE = 0x00000004,
	HV_REGISTER_PENDING_INTERRUPTION = 0x00010002,
	HV_REGISTER_INTERRUPT_STATE = 0x00010003,
	HV_REGISTER_PENDING_EVENT0 = 0x00010004,
	HV_REGISTER_PENDING_EVENT1 = 0x00010005,
	HV_REGISTER_DELIVERABILITY_NOTIFICATIONS = 0x00010006,
	HV_REGISTER_RAX = 0x00020000, HV_REGISTER_RCX, HV_REGISTER_RDX, HV_REGISTER_RBX, HV_REGISTER_RSP, HV_REGISTER_RBP,
	HV_REGISTER_RSI, HV_REGISTER_RDI, HV_REGISTER_R8, HV_REGISTER_R15 = 0x0002000f,
	HV_REGISTER_RIP = 0x00020010,
	HV_REGISTER_RFLAGS = 0x00020011,
	HV_REGISTER_XMM0 = 0x00030000,
	HV_REGISTER_FP_MMX0 = 0x00030010,
	HV_REGISTER_FP_CONTROL_STATUS = 0x00030018,
	HV_REGISTER_XMM_CONTROL_STATUS = 0x00030019,
	HV_REGISTER_CR0 = 0x00040000,
	HV_REGISTER_CR2 = 0x00040001,
	HV_REGISTER_CR3 = 0x00040002,
	HV_REGISTER_CR4 = 0x00040003,
	HV_REGISTER_CR8 = 0x00040004,
	HV_REGISTER_XFEM = 0x00040005,
	HV_REGISTER_INTERMEDIATE_CR0 = 0x00041000,
	HV_REGISTER_INTERMEDIATE_CR3 = 0x00041002,
	HV_REGISTER_INTERMEDIATE_CR4 = 0x00041003,
	HV_REGISTER_INTERMEDIATE_CR8 = 0x00041004,
	HV_REGISTER_DR0 = 0x00050000,
	HV_REGISTER_DR6 = 0x00050004,
	HV_REGISTER_DR7 = 0x00050005,
	HV_REGISTER_ES = 0x00060000, HV_REGISTER_CS, HV_REGISTER_SS, HV_REGISTER_DS, HV_REGISTER_FS, HV_REGISTER_GS, HV_REGISTER_LDTR,
	HV_REGISTER_TR,
	HV_REGISTER_IDTR = 0x00070000,
	HV_REGISTER_GDTR = 0x00070001,
	HV_REGISTER_TSC = 0x00080000,
	HV_REGISTER_EFER = 0x00080001,
	HV_REGISTER_KERNEL_GS_BASE = 0x00080002,
	HV_REGISTER_APIC_BASE = 0x00080003,
	HV_REGISTER_PAT = 0x00080004,
	HV_REGISTER_SYSENTER_CS = 0x00080005,
	HV_REGISTER_SYSENTER_RIP = 0x00080006,
	HV_REGISTER_SYSENTER_RSP = 0x00080007,
	HV_REGISTER_STAR = 0x00080008, HV_REGISTER_LSTAR, HV_REGISTER_CSTAR, HV_REGISTER_SFMASK,
	HV_REGISTER_INITIAL_APIC_ID = 0x0008000c,
	HV_REGISTER_MTRR_CAP = 0x0008000d,
	HV_REGISTER_MTRR_DEF_TYPE = 0x0008000e,
	HV_REGISTER_MTRR_PHYS_BASE0 = 0x00080010,
	HV_REGISTER_MTRR_PHYS_MASK0 = 0x00080040,
	HV_REGISTER_MTRR_FIX64K = 0x00080070,
	HV_REGISTER_MTRR_FIX16K = 0x00080071,
	HV_REGISTER_MTRR_FIX4K = 0x00080073,
	HV_REGISTER_TSC_AUX = 0x0008007b,
	HV_REGISTER_BNDCFGS = 0x0008007c,
	HV_REGISTER_DEBUGCTL = 0x0008007d,
	HV_REGISTER_SPEC_CTRL = 0x00080084,
	HV_REGISTER_XSS = 0x0008008b,
	HV_REGISTER_U_CET = 0x0008008c,
	HV_REGISTER_S_CET = 0x0008008d,
	HV_REGISTER_SSP = 0x0008008e,
	HV_REGISTER_PL0_SSP = 0x0008008f,   /* and the three behind it */
	HV_REGISTER_SSP_TABLE = 0x00080093,
	HV_REGISTER_TSC_ADJUST = 0x00080096,
	HV_REGISTER_MISC_ENABLE = 0x000800a0,
	HV_REGISTER_VP_RUNTIME = 0x00090000,
	HV_REGISTER_HYPERCALL = 0x00090001,
	HV_REGISTER_GUEST_OS_ID = 0x00090002,
	HV_REGISTER_VP_INDEX = 0x00090003,
	HV_REGISTER_TIME_REF_COUNT = 0x00090004,
	HV_REGISTER_EOI = 0x00090010,
	HV_REGISTER_ICR = 0x00090011,
	HV_REGISTER_TPR = 0x00090012,
	HV_REGISTER_VP_ASSIST_PAGE = 0x00090013,
	HV_REGISTER_VP_ROOT_SIGNAL_COUNT = 0x00090014,
	HV_REGISTER_REFERENCE_TSC = 0x00090017,
	HV_REGISTER_STATS_PARTITION_RETAIL = 0x00090020,   /* and the three behind it */
	HV_REGISTER_SINT0 = 0x000a0000,
	HV_REGISTER_SCONTROL = 0x000a0010,
	HV_REGISTER_SVERSION = 0x000a0011,
	HV_REGISTER_SIEFP = 0x000a0012,
	HV_REGISTER_SIMP = 0x000a0013,
	HV_REGISTER_EOM = 0x000a0014,
	HV_REGISTER_SIRBP = 0x000a0015,
	HV_REGISTER_STIMER0_CONFIG = 0x000b0000,
	HV_REGISTER_YMM0_LOW = 0x000c0000,
	HV_REGISTER_YMM0_HIGH = 0x000c0010,
};

/* 10.3.1 */
#define HV_SUSPENDED (1ull << 0)
#define HV_TLB_FLUSH_INHIBIT (1ull << 1)

/* 10.3.3 */
#define HV_INTERRUPT_SHADOW (1ull << 0)
#define HV_NMI_MASKED (1ull << 1)

/* 10.3.4 */
#define HV_INTERRUPTION_PENDING (1ull << 0)
#define HV_INTERRUPTION_TYPE_SHIFT 1
#define HV_INTERRUPTION_TYPE_MASK 7ull
enum { HV_INTERRUPTION_INTERRUPT = 0, HV_INTERRUPTION_NMI = 2, HV_INTERRUPTION_EXCEPTION = 3 };
#define HV_INTERRUPTION_DELIVER_ERROR (1ull << 4)
#define HV_INTERRUPTION_VECTOR_SHIFT 16
#define HV_INTERRUPTION_ERROR_SHIFT 32

/* HV_REGISTER_PENDING_EVENT0: an exception, of later revisions; its high half is the parameter (#PF: the address). */
#define HV_EVENT_PENDING (1ull << 0)
#define HV_EVENT_TYPE_SHIFT 1
#define HV_EVENT_TYPE_MASK 7ull
enum { HV_EVENT_EXCEPTION = 0, HV_EVENT_EXT_INT = 5 };
#define HV_EVENT_DELIVER_ERROR (1ull << 8)
#define HV_EVENT_VECTOR_SHIFT 16
#define HV_EVENT_ERROR_SHIFT 32
#define HV_EVENT_EXT_INT_VECTOR_SHIFT 8          /* of HV_EVENT_EXT_INT, which has nothing else */

/* HV_REGISTER_DELIVERABILITY_NOTIFICATIONS: what could be taken now, told once for each bit that is set. */
#define HV_NOTIFY_NMI (1ull << 0)
#define HV_NOTIFY_INTERRUPT (1ull << 1)
#define HV_NOTIFY_PRIORITY_SHIFT 2               /* of the interrupt, above CR8; 0: any */
#define HV_NOTIFY_PRIORITY (0xfull << HV_NOTIFY_PRIORITY_SHIFT)
#define HV_NOTIFY_SINT_SHIFT 48                  /* a bit a SINT: a message */
#define HV_NOTIFY_SINTS (0xffffull << HV_NOTIFY_SINT_SHIFT)

/* HV_REGISTER_INTERNAL_ACTIVITY_STATE */
#define HV_ACTIVITY_STARTUP_SUSPEND (1ull << 0)
#define HV_ACTIVITY_HALT_SUSPEND (1ull << 1)
#define HV_ACTIVITY_IDLE_SUSPEND (1ull << 2)

/* 0x00f4: input, before its list (of later revisions). */
struct hv_in_get_vp_cpuid_values {
	uint64_t partition_id;
	uint32_t vp_index;
	uint32_t flags;
	uint64_t reserved;
};
static_assert(sizeof(struct hv_in_get_vp_cpuid_values) == 24, "later revisions");
#define HV_CPUID_USE_VP_XFEM (1u << 0)           /* not the element's */
#define HV_CPUID_APPLY_REGISTERED (1u << 1)      /* results of 0x0091, too */

/* An element of its list, in the form that virtualization hosts send. */
struct hv_vp_cpuid_question {
	uint32_t eax, ecx;
	uint64_t xfem, xss;
};
static_assert(sizeof(struct hv_vp_cpuid_question) == 24, "later revisions");
struct hv_vp_cpuid_values {
	uint32_t reg[4];              /* EAX, EBX, ECX, EDX */
};
static_assert(sizeof(struct hv_vp_cpuid_values) == 16, "later revisions");

/* 0x00e2: input; 0x00e1: input begins with it. */
struct hv_in_vp_state_page {
	uint64_t partition_id;
	uint32_t vp_index;
	uint16_t type;
	uint8_t vtl;
	uint8_t flags;                /* of 0x00e1: HV_STATE_PAGE_LOCATION */
};
static_assert(sizeof(struct hv_in_vp_state_page) == 16, "later revisions");
struct hv_in_map_vp_state_page {
	struct hv_in_vp_state_page page;
	uint64_t location;
};
static_assert(sizeof(struct hv_in_map_vp_state_page) == 24, "later revisions");
/* The caller says at which of its pages it wants to see it, and loses sight of what is there; else the hypervisor does. */
enum { HV_STATE_PAGE_LOCATION = 1 << 0 };
/* 0x00e1: the caller's page number. */
struct hv_out_map_vp_state_page {
	uint64_t page;
};
enum { HV_VP_STATE_PAGE_REGISTERS = 0, HV_VP_STATE_PAGE_INTERCEPT_MESSAGE = 1, HV_VP_STATE_PAGES };

/* The register page (of later revisions).  While valid is 0 it tells nothing. */
struct hv_register_page {
	uint16_t version;
	uint8_t valid;
	uint8_t reserved;
	uint32_t dirty;               /* HV_REGISTER_PAGE_*: what its reader has changed */
	uint64_t gpr[16];             /* as HV_REGISTER_RAX and on */
	uint64_t rip, rflags, reserved2;
	uint64_t xmm[6][2];
	uint64_t segment[6][2];       /* ES, CS, SS, DS, FS, GS: struct hv_segment_register */
	uint64_t cr0, cr3, cr4, cr8, efer, dr7, pending_interruption, interrupt_state, emulation_hints, xfem;
	uint64_t reserved3[32];
	uint8_t vector_count, vector[7];
};
static_assert(offsetof(struct hv_register_page, xmm) == 160 && offsetof(struct hv_register_page, segment) == 256 &&
	      offsetof(struct hv_register_page, cr0) == 352 && offsetof(struct hv_register_page, xfem) == 424 &&
	      offsetof(struct hv_register_page, vector_count) == 688, "later revisions");
enum { HV_REGISTER_PAGE_VERSION = 1 };
enum { HV_REGISTER_PAGE_GENERAL = 1 << 0, HV_REGISTER_PAGE_RIP = 1 << 1, HV_REGISTER_PAGE_XMM = 1 << 2, HV_REGISTER_PAGE_SEGMENTS = 1 << 3,
       HV_REGISTER_PAGE_RFLAGS = 1 << 4 };

/* 10.3.7 */
struct hv_table_register {
	uint16_t pad[3];
	uint16_t limit;
	uint64_t base;
};
static_assert(sizeof(struct hv_table_register) == 16, "10.3.7");

/* ---- 0x00e3, 0x00e4 (of later revisions): input, before a page number of the caller's or the state itself ---- */

struct hv_in_vp_state {
	uint64_t partition_id;
	uint32_t vp_index;
	uint8_t vtl;
	uint8_t reserved[3];
	uint32_t type;             /* HV_VP_STATE_* */
	uint32_t padding;
	uint64_t flags;
	uint64_t xsave_components;
};
static_assert(sizeof(struct hv_in_vp_state) == 40, "later revisions");

#define HV_VP_STATE_IN_PAGES 0x80000000u   /* in the type: the state is in a page */
#define HV_VP_STATE_APIC 0x80000000u
#define HV_VP_STATE_XSAVE 0x80000001u      /* compacted */
#define HV_VP_STATE_MESSAGE_PAGE 0x80000002u
#define HV_VP_STATE_EVENT_PAGE 0x80000003u
#define HV_VP_STATE_TIMERS 0x00000004u

struct hv_apic_state {
	uint32_t id, version, ldr, dfr, svr;
	uint32_t isr[8], tmr[8], irr[8];
	uint32_t esr, icr_high, icr_low;
	uint32_t lvt[6];           /* timer, thermal, performance, LINT0, LINT1, error */
	uint32_t lvt_cmci;
	uint32_t error_status, initial, current, divide, remote_read;
};
static_assert(sizeof(struct hv_apic_state) == 176, "later revisions");

struct hv_timers_state {
	struct {
		uint32_t flags;        /* HV_TIMER_UNDELIVERED */
		uint32_t reserved;
		uint64_t config, count, adjustment, undelivered_expiration;
	} timer[4];
	uint64_t reserved[5];
};
enum { HV_TIMER_UNDELIVERED = 1 << 0 };
enum { HV_VP_STATE_BYTES = sizeof(struct hv_timers_state) };
static_assert(sizeof(struct hv_timers_state) == 200, "later revisions");

#endif
