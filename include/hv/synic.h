/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The synthetic interrupt controller: messages, event flags, SINT registers (14.2, 14.6 to 14.8, 16.4). */
#ifndef HV_SYNIC_H
#define HV_SYNIC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum { HV_SINT_COUNT = 16, HV_TIMER_COUNT = 4 };     /* T14.8.1.a */

/* SCONTROL (14.6.1), SVERSION (14.6.2). */
#define HV_SCONTROL_ENABLE 1ull
#define HV_SYNIC_VERSION 1ull

/* SINTx (14.6.5); bits 18 to 20 are of later revisions. */
#define HV_SINT_VECTOR 0xffull
#define HV_SINT_MASKED (1ull << 16)
#define HV_SINT_AUTO_EOI (1ull << 17)
#define HV_SINT_POLLING (1ull << 18)     /* not masked, but no interrupt comes of it */
#define HV_SINT_AS_INTERCEPT (1ull << 19)   /* of an event ring: a message to SINT0 instead of an interrupt */
#define HV_SINT_RESET HV_SINT_MASKED
enum { HV_SINT_FIRST_VECTOR = 16 };

/*
 * Message types (14.8.2): X(name, number, the specification's word).  Later ones of the interface replace
 * 0x80000030 and 0x80000031 by 0x80010004 and 0x80010005.
 */
#define HV_MESSAGE_LIST(X) \
	X(UNMAPPED_GPA, 0x80000000, "UnmappedGpa") \
	X(GPA_INTERCEPT, 0x80000001, "GpaIntercept") \
	X(TIMER_EXPIRED, 0x80000010, "TimerExpired") \
	X(INVALID_REGISTER, 0x80000020, "InvalidVpRegisterValue") \
	X(UNRECOVERABLE_EXCEPTION, 0x80000021, "UnrecoverableException") \
	X(UNSUPPORTED_FEATURE, 0x80000022, "UnsupportedFeature") \
	X(OPAQUE_INTERCEPT, 0x8000003f, "OpaqueIntercept") \
	X(EVENT_LOG_COMPLETE, 0x80000040, "EventLogBuffersComplete") \
	X(HYPERCALL_INTERCEPT, 0x80000050, "HypercallIntercept") \
	X(EVENT_RING_SIGNALED, 0x80000061, "EventRingSignaled") \
	X(SINT_DELIVERABLE, 0x80000062, "SynicSintDeliverable") \
	X(SCHEDULER_SIGNAL, 0x80000101, "SchedulerVpSignalPair") \
	X(IO_INTERCEPT, 0x80010000, "X64IoPortIntercept") \
	X(MSR_INTERCEPT, 0x80010001, "X64MsrIntercept") \
	X(CPUID_INTERCEPT, 0x80010002, "X64CpuidIntercept") \
	X(EXCEPTION_INTERCEPT, 0x80010003, "X64ExceptionIntercept") \
	X(APIC_EOI, 0x80010004, "X64ApicEoi") \
	X(FERR_ASSERTED, 0x80010005, "X64LegacyFpError") \
	X(HALT_INTERCEPT, 0x80010007, "X64Halt") \
	X(INTERRUPTION_DELIVERABLE, 0x80010008, "X64InterruptionDeliverable") \
	X(APIC_SMI_INTERCEPT, 0x8001000b, "X64ApicSmiIntercept") \
	X(APIC_INIT_SIPI_INTERCEPT, 0x8001000d, "X64ApicInitSipiIntercept") \
	X(APIC_WRITE_INTERCEPT, 0x8001000e, "X64ApicWriteIntercept")

enum {
	HV_MESSAGE_NONE = 0,
	HV_MESSAGE_TYPE_HYPERVISOR = (int32_t)0x80000000,   /* bit: never posted by a guest */
#define X(name, number, word) HV_MESSAGE_##name = (int32_t)number,
	HV_MESSAGE_LIST(X)
#undef X
};

enum { HV_MESSAGE_FLAG_PENDING = 1 << 0 };           /* 14.8.3 */
enum { HV_MESSAGE_PAYLOAD = 240 };

/*
 * A slot of the message page.  The order of the header is that of shipping software: with the text's own
 * Linux finds no payload (O1).
 */
struct hv_message {
	uint32_t type;
	uint8_t payload_size;
	uint8_t flags;
	uint16_t reserved;
	uint64_t sender;     /* port, partition, or 0: T14.8.4.b, T14.8.4.c, T14.8.4.d */
	uint64_t payload[HV_MESSAGE_PAYLOAD / 8];
};
static_assert(sizeof(struct hv_message) == 256, "T14.8.4.a");
static_assert(offsetof(struct hv_message, payload_size) == 4 && offsetof(struct hv_message, flags) == 5 &&
	      offsetof(struct hv_message, sender) == 8 && offsetof(struct hv_message, payload) == 16, "14.8.4");

struct hv_message_page {
	struct hv_message slot[HV_SINT_COUNT];
};
static_assert(sizeof(struct hv_message_page) == 4096, "14.7");

/* Event ring of a SINT, of later revisions: ids of ports, 0 is a free place. */
enum { HV_RING_PLACES = 63 };
struct hv_event_ring {
	uint8_t signal_masked, ring_full;
	uint16_t reserved;
	uint32_t port[HV_RING_PLACES];
};
static_assert(sizeof(struct hv_event_ring) == 256, "later revisions");

enum { HV_EVENT_FLAGS = 2048 };                      /* per SINT: 14.8.5 */

struct hv_event_flags_page {
	uint32_t flags[HV_SINT_COUNT][HV_EVENT_FLAGS / 32];
};
static_assert(sizeof(struct hv_event_flags_page) == 4096, "14.7");

/* Payload of HV_MESSAGE_TIMER_EXPIRED (16.4.1). */
struct hv_timer_message {
	uint32_t timer;
	uint32_t reserved;
	uint64_t expiration;     /* reference time at which it was due */
	uint64_t delivery;       /* reference time at which the message reached its slot */
};
static_assert(sizeof(struct hv_timer_message) == 24, "16.4.1");

#endif
