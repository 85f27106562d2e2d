/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intercepts: what a parent can install (9) and the messages that it gets (16.2, 16.3, 16.5). */
#ifndef HV_INTERCEPT_H
#define HV_INTERCEPT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/segment.h"

/* How a message tells the access; a plain number in shipping software, while the text has the mask below. */
enum { HV_INTERCEPT_READ, HV_INTERCEPT_WRITE, HV_INTERCEPT_EXECUTE };

/* hv_intercept_header.state (16.2.3); bit 12 is of later revisions. */
enum {
	HV_EXECUTION_CPL = 3,
	HV_EXECUTION_CR0_PE = 1 << 2,
	HV_EXECUTION_CR0_AM = 1 << 3,
	HV_EXECUTION_EFER_LMA = 1 << 4,
	HV_EXECUTION_DEBUG_ACTIVE = 1 << 5,
	HV_EXECUTION_INTERRUPTION_PENDING = 1 << 6,
	HV_EXECUTION_INTERRUPT_SHADOW = 1 << 12,
};

/* What most messages begin with (16.2.2). */
struct hv_intercept_header {
	uint32_t vp;
	uint8_t length_cr8;        /* 3:0 instruction length, 0: not known; 7:4 CR8, of exo partitions */
	uint8_t access;            /* HV_INTERCEPT_READ, ... */
	uint16_t state;            /* HV_EXECUTION_* */
	struct hv_segment_register cs;
	uint64_t rip;
	uint64_t rflags;
};
static_assert(sizeof(struct hv_intercept_header) == 40, "16.2.2");

enum { HV_INSTRUCTION_BYTES = 16 };

enum { HV_CACHE_UNCACHED = 0, HV_CACHE_WRITE_COMBINING = 1, HV_CACHE_WRITE_THROUGH = 4, HV_CACHE_WRITE_PROTECTED = 5,
       HV_CACHE_WRITE_BACK = 6 };

/* hv_memory_message.info (16.2.6); the second is of later revisions. */
enum { HV_MEMORY_GVA_VALID = 1 << 0, HV_MEMORY_GVA_GPA_VALID = 1 << 1 };

/* Unmapped GPA, GPA access (16.3).  Later revisions end it behind the bytes. */
struct hv_memory_message {
	struct hv_intercept_header header;
	uint32_t cache_type;
	uint8_t byte_count;
	uint8_t info;
	uint8_t tpr_priority;
	uint8_t reserved;
	uint64_t gva;
	uint64_t gpa;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, ss;
	uint64_t gpr[16];          /* in the order of their encoding: RAX, RCX, RDX, RBX, RSP, ... */
};
static_assert(sizeof(struct hv_memory_message) == 240 && offsetof(struct hv_memory_message, gva) == 48 &&
	      offsetof(struct hv_memory_message, gpr) == 112, "16.3");
enum { HV_MEMORY_MESSAGE_LATER_SIZE = 80 };
static_assert(offsetof(struct hv_memory_message, ds) == HV_MEMORY_MESSAGE_LATER_SIZE, "16.3");

/* 16.5.1 */
struct hv_cpuid_message {
	struct hv_intercept_header header;
	uint64_t rax, rcx, rdx, rbx;
	uint64_t default_rax, default_rcx, default_rdx, default_rbx;
};
static_assert(sizeof(struct hv_cpuid_message) == 104, "16.5.1");

/* 16.5.2 */
struct hv_msr_message {
	struct hv_intercept_header header;
	uint32_t msr;
	uint32_t reserved;
	uint64_t rdx, rax;
};
static_assert(sizeof(struct hv_msr_message) == 64, "16.5.2");

/* hv_io_message.access (16.2.4): 2:0 bytes. */
enum { HV_IO_SIZE = 7, HV_IO_STRING = 1 << 3, HV_IO_REP = 1 << 4 };

/* 16.5.3; all behind RAX is of INS and OUTS only. */
struct hv_io_message {
	struct hv_intercept_header header;
	uint16_t port;
	uint8_t access;
	uint8_t byte_count;
	uint32_t reserved;
	uint64_t rax;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, es;
	uint64_t rcx, rsi, rdi;
};
static_assert(sizeof(struct hv_io_message) == 128 && offsetof(struct hv_io_message, bytes) == 56, "16.5.3");

enum { HV_EXCEPTION_ERROR_VALID = 1 << 0 };   /* hv_exception_message.info (16.2.5) */

/* 16.5.4 */
struct hv_exception_message {
	struct hv_intercept_header header;
	uint16_t vector;
	uint8_t info;
	uint8_t byte_count;
	uint32_t error;
	uint64_t parameter;        /* #PF: what CR2 would be; #DB: what DR6 would be */
	uint64_t reserved;
	uint8_t bytes[HV_INSTRUCTION_BYTES];
	struct hv_segment_register ds, ss;
	uint64_t gpr[16];
};
static_assert(sizeof(struct hv_exception_message) == 240 && offsetof(struct hv_exception_message, bytes) == 64, "16.5.4");

/* APIC EOI (16.5.5) with the vector; FERR (16.5.6) and invalid register value (16.5.7) with 0 there. */
struct hv_vp_message {
	uint32_t vp;
	uint32_t vector;
};
static_assert(sizeof(struct hv_vp_message) == 8, "16.5.5");

/* hv_unsupported_message.code (9.2.4) */
enum { HV_UNSUPPORTED_INTERCEPT = 1, HV_UNSUPPORTED_TASK_SWITCH = 2 };

/* 16.5.9 */
struct hv_unsupported_message {
	uint32_t vp;
	uint32_t code;
	uint64_t parameter;
};
static_assert(sizeof(struct hv_unsupported_message) == 16, "16.5.9");

/* Of later revisions: the message itself is in the VP's intercept message page. */
struct hv_opaque_message {
	uint32_t vp;
};
static_assert(sizeof(struct hv_opaque_message) == 4, "later revisions");

#endif
